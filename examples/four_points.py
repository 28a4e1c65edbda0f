"""The line through (1, 2), (2, 4), (3, 6) and (4, 8).

python examples/four_points.py
"""

import numpy as np

import fastloss as fl


def main() -> None:
    X = np.array([[1.0], [2.0], [3.0], [4.0]])
    y = np.array([2.0, 4.0, 6.0, 8.0])
    w, b = np.zeros(1), np.zeros(1)
    opt = fl.optim.SGD([w, b], lr=0.05)
    loss = fl.SquaredError()
    for _ in range(2000):
        _, grad = loss.value_and_grad(y, X @ w + b)
        opt.step([X.T @ grad, grad.sum(keepdims=True)])
    print(f"y = {w[0]:.6f} x {b[0]:+.6f}, up to rounding")
    print(f"at x = 5: {5 * w[0] + b[0]:.6f}")


if __name__ == "__main__":
    main()
