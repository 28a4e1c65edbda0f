"""Mini-batch gradient descent on y = 3x + noise, with a plot of data, truth and fit.

    python examples/noisy_line.py [PLOT]

It needs scikit-learn and matplotlib: pip install -e '.[sklearn,plot]'
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastloss import plot
from fastloss.linear_model import LinearRegressor
from fastloss.optim.schedules import Cosine

EPOCHS, BATCH = 60, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "plot", type=Path, nargs="?", default="noisy_line.png", help="where it is saved"
    )
    path = parser.parse_args().plot
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (200, 1))
    y = 3 * X[:, 0] + rng.normal(0, 1, 200)

    # At a constant rate the last batches would decide: with one that falls, all rows do.
    rate = Cosine(0.05, T_0=EPOCHS * -(-len(y) // BATCH))
    model = LinearRegressor(
        alpha=0,
        solver="sgd",
        learning_rate=rate,
        batch_size=BATCH,
        max_iter=EPOCHS,
        tol=None,
        random_state=0,
    ).fit(X, y)
    print(f"y = {model.coef_[0]:.4f} x {model.intercept_:+.4f}")
    slope, intercept = np.polyfit(X[:, 0], y, 1)
    print(f"least squares: {slope:.4f} x {intercept:+.4f}")

    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = plot.fit(model, X, y, ax=figure.add_subplot())
    ends = np.array([-2, 2])
    ax.plot(ends, 3 * ends, "C1--", label="truth: y = 3x")
    ax.set(xlabel="x", ylabel="y", title="Mini-batch gradient descent")
    ax.legend(frameon=False)
    figure.savefig(path, dpi=120)
    print(f"plot: {path}")


if __name__ == "__main__":
    main()
