"""A rare class: what class weights and the focal loss do to recall, precision and probabilities.

    python examples/imbalanced.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import numpy as np
from sklearn.metrics import precision_score, recall_score

import fastloss as fl
from fastloss.linear_model import LinearClassifier

FEATURES = 5


def samples(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two classes of n samples, which overlap; one in twenty is of class 1."""
    y = (rng.random(n) < 0.05).astype(int)
    return rng.normal(size=(n, FEATURES)) + y[:, np.newaxis], y


def main() -> None:
    rng = np.random.default_rng(0)
    X, y = samples(20_000, rng)
    X_test, y_test = samples(20_000, rng)
    plain = LinearClassifier()
    models = [
        ("logistic", plain, 0.5),
        ("the same, from 5% on", plain, 0.05),
        ("balanced class weights", LinearClassifier(class_weight="balanced"), 0.5),
        ("focal", LinearClassifier(fl.Focal(gamma=2.0)), 0.5),
    ]
    print(f"{'':24}recall  precision  log loss  predicted  (there are {y_test.mean():.1%})")
    for name, model, threshold in models:
        p = model.fit(X, y).predict_proba(X_test)[:, 1]
        found = p >= threshold
        recall, precision = recall_score(y_test, found), precision_score(y_test, found)
        log_loss = fl.LogLoss()(y_test, p)
        print(f"{name:24}{recall:6.2f}{precision:11.2f}{log_loss:10.3f}{p.mean():11.1%}")


if __name__ == "__main__":
    main()
