"""Linear regression through outliers, with a loss whose shape and scale are learned as well.

    python examples/adaptive_robust.py

What weights, intercept, alpha and c make least together is the negative log-likelihood: the general
robust loss plus the logarithm of the integral of exp(-loss). The alpha that is found tells how
heavy the tails of the noise are: 2 are those of a normal distribution, 0 those of Cauchy's.
"""

import numpy as np

import fastloss as fl
from fastloss.optim.schedules import Cosine

STEPS = 1000
WEIGHTS = np.array([2.0, -1.0, 0.5])
INTERCEPT = 1.0


def noises(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Noise of three kinds, whose typical size is 0.5."""
    normal = rng.normal(0, 0.5, n)
    return {
        "normal": normal,
        "Cauchy": 0.5 * rng.standard_cauchy(n),
        "mixture": np.where(rng.uniform(size=n) < 0.9, normal, rng.normal(0, 10, n)),
    }


def loss_of(shape: np.ndarray) -> fl.GeneralRobust:
    """The loss of two free numbers: alpha is between 0 and 2, and c positive, whatever they are."""
    return fl.GeneralRobust(alpha=2 / (1 + np.exp(-shape[0])), c=np.exp(shape[1]))


def fit(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, fl.GeneralRobust]:
    """Weights and loss."""
    w, b, shape = np.zeros(X.shape[1]), np.zeros(1), np.zeros(2)
    opt = fl.optim.Adam([w, b, shape], lr=Cosine(0.05, T_0=STEPS))
    for _ in range(STEPS):
        loss = loss_of(shape)
        z = X @ w + b
        grad = loss.grad(y, z)
        by_loss = loss.grad_parameters(y, z)
        _, by_partition = loss.log_partition()
        by_alpha, by_c = (by_loss[name] + by_partition[name] for name in ("alpha", "c"))
        by_shape = [by_alpha * loss.alpha * (2 - loss.alpha) / 2, by_c * loss.c]
        opt.step([X.T @ grad, grad.sum(keepdims=True), np.array(by_shape)])
    return w, loss_of(shape)


def main() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    X = rng.normal(size=(n, 3))
    print(f"{'noise':8} {'alpha':>6} {'c':>6}   error of the weights, and of least squares")
    for name, noise in noises(n, rng).items():
        y = X @ WEIGHTS + INTERCEPT + noise
        w, loss = fit(X, y)
        exact = np.linalg.lstsq(np.column_stack([X, np.ones(n)]), y)[0][:-1]
        errors = [np.linalg.norm(found - WEIGHTS) for found in (w, exact)]
        print(f"{name:8} {loss.alpha:6.3f} {loss.c:6.3f} {errors[0]:12.4f} {errors[1]:12.4f}")


if __name__ == "__main__":
    main()
