"""Several labels, each of which may hold: a classifier that fits all of them in the same passes.

    python examples/multilabel.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import numpy as np
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier

import fastloss as fl
from fastloss.linear_model import LinearClassifier

ALPHA = 1e-3


def main() -> None:
    # The words of documents, each of which may be about several of five topics.
    X, Y = make_multilabel_classification(4000, n_features=50, n_labels=2, random_state=0)
    X, X_test, Y, Y_test = train_test_split(X, Y, random_state=0)
    model = LinearClassifier(alpha=ALPHA, tol=1e-8).fit(X, Y)
    other = OneVsRestClassifier(LogisticRegression(C=1 / (ALPHA * len(X)), tol=1e-8)).fit(X, Y)
    p = model.predict_proba(X_test)  # of each label
    right = model.predict(X_test) == Y_test
    constant = np.broadcast_to(Y.mean(axis=0), p.shape)
    print(
        f"labels right: {right.mean():.1%}, all five of a document: {right.all(axis=1).mean():.1%}"
    )
    print(f"log loss: {fl.LogLoss()(Y_test, p):.4f}")
    print(f"... of scikit-learn: {fl.LogLoss()(Y_test, other.predict_proba(X_test)):.4f}")
    print(f"... of how common labels are: {fl.LogLoss()(Y_test, constant):.4f}")


if __name__ == "__main__":
    main()
