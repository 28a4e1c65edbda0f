"""Linear regression by mini-batch gradient descent: house prices from four features.

    python examples/house_prices.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastloss as fl
from fastloss.linear_model import LinearRegressor
from fastloss.optim.schedules import Cosine

FEATURES = ["living area [m2]", "rooms", "age [years]", "distance to centre [km]"]
EUROS = np.array([2500.0, 8000.0, -600.0, -3000.0])  # per unit of each
BASE = 90_000.0
NOISE = 15_000.0  # what makes equal houses differ in price
EPOCHS, BATCH = 100, 32


def houses(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features of n houses, and the prices they were sold for."""
    area = rng.uniform(40, 220, n)
    rooms = np.round(area / 28 + rng.normal(0, 0.8, n)).clip(1)
    X = np.column_stack([area, rooms, rng.uniform(0, 80, n), rng.gamma(3, 3, n)])
    return X, BASE + X @ EUROS + rng.normal(0, NOISE, n)


def show(model: LinearRegressor) -> None:
    """Print the loss of every tenth epoch."""
    losses = model.history_["loss"]
    if len(losses) % 10 == 0:
        print(f"epoch {len(losses)}: typical error {np.sqrt(losses[-1]):.0f} euros")


def main() -> None:
    rng = np.random.default_rng(0)
    X, prices = houses(2000, rng)
    X_test, prices_test = houses(500, rng)
    # Features of mean 0 and spread 1 share one learning rate. At a rate that falls to 0, all houses
    # decide in the end, and not those of the last batches.
    rate = Cosine(0.02, T_0=EPOCHS * -(-len(X) // BATCH))
    regressor = LinearRegressor(
        alpha=0,
        solver="sgd",
        learning_rate=rate,
        batch_size=BATCH,
        max_iter=EPOCHS,
        tol=None,
        random_state=0,
        callbacks=[show],
    )
    model = make_pipeline(StandardScaler(), regressor).fit(X, prices)

    error = fl.RootMeanSquaredError()(prices_test, model.predict(X_test))
    print(f"on other houses: {error:.0f} euros, of which noise: {NOISE:.0f}")
    found = regressor.coef_ / model[0].scale_
    exact = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), prices)[0][:-1]
    print(f"{'euros each':24} {'found':>8} {'least squares':>14} {'truth':>8}")
    for name, *each in zip(FEATURES, found, exact, EUROS, strict=True):
        print("{:24} {:8.0f} {:14.0f} {:8.0f}".format(name, *each))


if __name__ == "__main__":
    main()
