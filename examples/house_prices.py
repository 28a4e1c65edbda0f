"""Linear regression by gradient descent: house prices from four features.

    python examples/house_prices.py
"""

import numpy as np

import fastloss as fl

FEATURES = ["living area [m2]", "rooms", "age [years]", "distance to centre [km]"]
EUROS = np.array([2500.0, 8000.0, -600.0, -3000.0])  # per unit of each
BASE = 90_000.0
NOISE = 15_000.0  # what makes equal houses differ in price


def houses(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features of n houses, and the prices they were sold for."""
    area = rng.uniform(40, 220, n)
    rooms = np.round(area / 28 + rng.normal(0, 0.8, n)).clip(1)
    X = np.column_stack([area, rooms, rng.uniform(0, 80, n), rng.gamma(3, 3, n)])
    return X, BASE + X @ EUROS + rng.normal(0, NOISE, n)


def main() -> None:
    rng = np.random.default_rng(0)
    features, prices = houses(2000, rng)
    train, test = slice(0, 1600), slice(1600, None)

    # Features and prices of mean 0 and spread 1: one learning rate then suits all of them.
    mean, spread = features[train].mean(axis=0), features[train].std(axis=0)
    X = (features - mean) / spread
    middle, scale = prices[train].mean(), prices[train].std()
    y = (prices - middle) / scale

    params = {"w": np.zeros(X.shape[1]), "b": np.zeros(1)}
    opt = fl.optim.SGD(params, lr=0.1)
    loss = fl.SquaredError()
    for epoch in range(1001):  # area and rooms go together: what tells them apart takes a while
        value, grad = loss.value_and_grad(y[train], X[train] @ params["w"] + params["b"])
        opt.step({"w": X[train].T @ grad, "b": grad.sum(keepdims=True)})
        if epoch % 200 == 0:
            print(f"epoch {epoch:4d}: loss {value:.6f}")

    predicted = middle + scale * (X[test] @ params["w"] + params["b"])
    error = fl.RootMeanSquaredError()(prices[test], predicted)
    print(f"typical error on other houses: {error:.0f} euros, of which noise: {NOISE:.0f}")
    exact = np.linalg.lstsq(np.column_stack([X[train], np.ones(1600)]), y[train])[0][:-1]
    print(f"{'euros each':24} {'found':>8} {'least squares':>14} {'truth':>8}")
    prices_each = params["w"] * scale / spread, exact * scale / spread, EUROS
    for name, *each in zip(FEATURES, *prices_each, strict=True):
        print("{:24} {:8.0f} {:14.0f} {:8.0f}".format(name, *each))


if __name__ == "__main__":
    main()
