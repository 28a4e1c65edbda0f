"""Learning rate, batch size and early stopping, chosen by cross-validation.

    python examples/grid_search.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastloss.linear_model import LinearClassifier


def main() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    model = make_pipeline(
        StandardScaler(),
        LinearClassifier(solver="adam", max_iter=30, tol=0.0, random_state=0),
    )
    grid = {
        "linearclassifier__learning_rate": [0.001, 0.01, 0.1],
        "linearclassifier__batch_size": [16, 64],
        "linearclassifier__early_stopping": [False, True],
    }
    warnings.simplefilter("ignore", ConvergenceWarning)  # too slow a rate is a result here
    search = GridSearchCV(model, grid, scoring="neg_log_loss").fit(X, y)
    results = search.cv_results_
    print("log loss    rate  batch  early stopping")
    for k in np.argsort(results["rank_test_score"]):
        rate, batch, early = (results[f"param_{name}"][k] for name in grid)
        print(f"{-results['mean_test_score'][k]:8.4f}{rate:8}{batch:7}  {'yes' if early else 'no'}")
    print(f"the first, on other tumours: {-search.score(X_test, y_test):.4f}")


if __name__ == "__main__":
    main()
