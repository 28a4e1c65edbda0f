"""Full-batch gradient descent on y = 2x + 1.

python examples/gradient_descent.py
"""

import numpy as np

import fastloss as fl


def main() -> None:
    X = np.linspace(-1, 1, 50)[:, np.newaxis]
    y = 2 * X[:, 0] + 1
    w, b = np.zeros(1), np.zeros(1)
    opt = fl.optim.SGD([w, b], lr=0.3)
    loss = fl.SquaredError()
    for epoch in range(101):
        value, grad = loss.value_and_grad(y, X @ w + b)
        if epoch % 10 == 0:
            print(f"epoch {epoch:3d}: loss {value:.3e}")
        opt.step([X.T @ grad, grad.sum(keepdims=True)])
    print(f"y = {w[0]:.4f} x {b[0]:+.4f}")


if __name__ == "__main__":
    main()
