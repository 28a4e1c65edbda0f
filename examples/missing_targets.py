"""Targets with gaps: several outputs fitted to all targets there are, or to complete rows alone.

python examples/missing_targets.py
"""

import numpy as np

import fastloss as fl

SAMPLES, FEATURES, OUTPUTS = 400, 10, 5
MISSING = 0.4  # of the targets


def fit(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Weights of least squares, of the targets that there are."""
    W = np.zeros((X.shape[1], Y.shape[1]))
    opt = fl.optim.NAG(W, lr=0.5, momentum=0.9)
    loss = fl.SquaredError()
    for _ in range(500):
        grad = loss.grad(Y, X @ W, nan_policy="omit")  # 0 in the gaps
        opt.step(X.T @ grad)
    return W


def main() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(FEATURES, OUTPUTS))
    X = rng.normal(size=(SAMPLES, FEATURES))
    Y = X @ truth + rng.normal(size=(SAMPLES, OUTPUTS))
    Y[rng.random(Y.shape) < MISSING] = np.nan
    there = ~np.isnan(Y)
    complete = there.all(axis=1)
    print(
        f"{there.mean():.0%} of the targets are there, {complete.mean():.0%} of the rows complete"
    )

    found = fit(X, Y)
    alone = fit(X[complete], Y[complete])
    others = rng.normal(size=(10_000, FEATURES))
    error = fl.RootMeanSquaredError()
    print(f"error of all targets there are: {error(others @ truth, others @ found):.3f}")
    print(f"error of complete rows alone:   {error(others @ truth, others @ alone):.3f}")
    exact = [np.linalg.lstsq(X[rows], y[rows])[0] for rows, y in zip(there.T, Y.T, strict=True)]
    print(f"from least squares of each output: {abs(found.T - exact).max():.0e}")


if __name__ == "__main__":
    main()
