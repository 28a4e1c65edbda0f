"""Mini-batch gradient descent on y = 3x + noise, with a plot of data, truth and fit.

    python examples/noisy_line.py

The plot needs matplotlib: pip install -e '.[plot]'
"""

import argparse
from pathlib import Path

import numpy as np

import fastloss as fl
from fastloss.optim.schedules import Cosine


def fit(
    X: np.ndarray, y: np.ndarray, rng: np.random.Generator, epochs: int = 30, batch: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept."""
    w, b = np.zeros(1), np.zeros(1)
    # At a constant rate the last batches would decide: with one that falls, all rows do.
    steps = epochs * -(-len(y) // batch)
    opt = fl.optim.SGD([w, b], lr=Cosine(0.05, T_0=steps))
    loss = fl.SquaredError()
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for start in range(0, len(y), batch):
            rows = order[start : start + batch]  # drawn once, so that rows of X and y stay paired
            X_batch, y_batch = X[rows], y[rows]
            _, grad = loss.value_and_grad(y_batch, X_batch @ w + b)
            opt.step([X_batch.T @ grad, grad.sum(keepdims=True)])
    return w, b


def plot(path: Path, X: np.ndarray, y: np.ndarray, w: np.ndarray, b: np.ndarray) -> None:
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("the plot needs matplotlib: pip install -e '.[plot]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    ends = np.array([X.min(), X.max()])
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.scatter(X[:, 0], y, s=12, color="0.65", label="data")
    axes.plot(ends, 3 * ends, "k--", label="truth: y = 3x")
    fitted = f"fit: y = {w[0]:.2f}x {b[0]:+.2f}"
    axes.plot(ends, w[0] * ends + b[0], color="C1", label=fitted)
    axes.set(xlabel="x", ylabel="y", title="Mini-batch gradient descent")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "plot", type=Path, nargs="?", default="noisy_line.png", help="where it is saved"
    )
    path = parser.parse_args().plot
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (200, 1))
    y = 3 * X[:, 0] + rng.normal(0, 1, 200)
    w, b = fit(X, y, rng)
    print(f"y = {w[0]:.4f} x {b[0]:+.4f}")
    slope, intercept = np.polyfit(X[:, 0], y, 1)
    print(f"least squares: {slope:.4f} x {intercept:+.4f}")
    plot(path, X, y, w, b)
    print(f"plot: {path}")


if __name__ == "__main__":
    main()
