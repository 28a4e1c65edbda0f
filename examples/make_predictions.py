"""Make breast_cancer_predictions.csv: predictions of tumours that the model had not seen.

A logistic regression on four easily measured features of scikit-learn's breast cancer data,
cross-validated, so that each row is predicted by a model fitted to the other nine tenths.

    python examples/make_predictions.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["mean texture", "mean smoothness", "mean symmetry", "mean fractal dimension"]
SIZES = ["small", "medium", "large"]


def main() -> None:
    """Write the file next to this script."""
    data = load_breast_cancer(as_frame=True)
    malignant = (data.target == 0).astype(int)  # scikit-learn's 0 is malignant
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    chance = cross_val_predict(
        model, data.data[FEATURES], malignant, cv=folds, method="predict_proba"
    )[:, 1]
    radius = data.data["mean radius"]
    size = np.searchsorted(np.quantile(radius, [1 / 3, 2 / 3]), radius)
    # Weights as if both diagnoses were equally common.
    weight = np.where(malignant == 1, 0.5 / malignant.mean(), 0.5 / (1 - malignant.mean()))
    path = Path(__file__).with_name("breast_cancer_predictions.csv")
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["tumour", "size", "malignant", "predicted", "weight"])
        for row in range(len(malignant)):
            values = [f"{chance[row]:.6f}", f"{weight[row]:.4f}"]
            out.writerow([row + 1, SIZES[size[row]], malignant[row], *values])


if __name__ == "__main__":
    main()
