"""Handwritten digits: softmax regression, then a network with one hidden layer.

    python examples/digits_network.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl
from fastloss.optim.schedules import Cosine

HIDDEN = 512
EPOCHS, BATCH = 30, 32


def regression(X: np.ndarray, y: np.ndarray, X_test: np.ndarray) -> np.ndarray:
    """Scores of the classes by a linear model."""
    objective = fl.LinearObjective("softmax_cross_entropy", X, y, penalty=fl.penalties.L2(1e-3))
    start = np.zeros(objective.shape).ravel()
    found = minimize(objective.value_and_grad, start, jac=True, method="L-BFGS-B")
    return objective.predict(found.x, X_test)


def network(
    X: np.ndarray, y: np.ndarray, X_test: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Scores of the classes by max(X W1 + b1, 0) W2 + b2."""
    params = {
        "W1": rng.normal(0, np.sqrt(2 / X.shape[1]), (X.shape[1], HIDDEN)),
        "b1": np.zeros(HIDDEN),
        "W2": rng.normal(0, np.sqrt(1 / HIDDEN), (HIDDEN, 10)),
        "b2": np.zeros(10),
    }
    params = {name: array.astype(np.float32) for name, array in params.items()}
    W1, b1, W2, b2 = params.values()
    opt = fl.optim.Adam(params, lr=Cosine(0.005, T_0=EPOCHS * -(-len(y) // BATCH)))
    # Without smoothing, the network is soon sure of each digit that it has seen, and stops there.
    loss = fl.SoftmaxCrossEntropy(label_smoothing=0.1)
    for _ in range(EPOCHS):
        for rows in np.split(rng.permutation(len(y)), range(BATCH, len(y), BATCH)):
            x = X[rows]
            hidden = np.maximum(x @ W1 + b1, 0)
            grad = loss.grad(y[rows], hidden @ W2 + b2)
            back = grad @ W2.T * (hidden > 0)
            opt.step(
                {"W1": x.T @ back, "b1": back.sum(0), "W2": hidden.T @ grad, "b2": grad.sum(0)}
            )
    return np.maximum(X_test @ W1 + b1, 0) @ W2 + b2


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)  # 8 x 8 pixels
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    print(f"{len(y)} digits to learn from, {len(y_test)} others")
    scores = {
        "softmax regression": regression(X, y, X_test),
        "network": network(X, y, X_test, np.random.default_rng(0)),
    }
    for name, z in scores.items():
        print(f"{name:20}{np.mean(z.argmax(axis=1) == y_test):.2%} right")


if __name__ == "__main__":
    main()
