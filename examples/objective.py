"""An objective, loss + lambda * penalty, minimised by Adam and by SciPy's L-BFGS.

python examples/objective.py
"""

import numpy as np
from scipy.optimize import minimize

import fastloss as fl
from fastloss.optim.schedules import Cosine

STEPS = 3000


def main() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 10))
    y = (X @ rng.normal(size=10) + rng.normal(size=300) > 0).astype(float)
    loss, penalty = fl.Logistic(), fl.penalties.L2(0.01)  # 0.01/2 * sum(w**2)

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_prediction = loss.value_and_grad(y, X @ w)
        size, pull = penalty.value_and_grad(w)
        return value + size, X.T @ by_prediction + pull

    w = np.zeros(10)
    schedule = Cosine(0.1, T_0=STEPS)
    opt = fl.optim.Adam(w, lr=schedule)
    for _ in range(STEPS):
        opt.step(objective(w)[1])

    found = minimize(objective, np.zeros(10), method="L-BFGS-B", jac=True, tol=1e-14)
    print(f"Adam:     {objective(w)[0]:.10f}")
    print(f"L-BFGS-B: {found.fun:.10f}")
    print(f"largest difference of a weight: {abs(w - found.x).max():.1e}")


if __name__ == "__main__":
    main()
