"""An estimator of one's own: linear regression with weights of at least 0, by any loss.

    python examples/own_estimator.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.utils.validation import check_is_fitted, validate_data

import fastloss as fl


class NonNegativeRegressor(RegressorMixin, BaseEstimator):
    """Linear regression of any loss, whose weights are at least 0."""

    def __init__(self, loss="huber", alpha=0.0):
        self.loss = loss
        self.alpha = alpha

    def fit(self, X, y):
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32), y_numeric=True)
        objective = fl.LinearObjective(self.loss, X, y, penalty=fl.penalties.L2(self.alpha))
        bounds = [(0, None)] * X.shape[1] + [(None, None)]  # the intercept is the last
        start = np.zeros(objective.shape)
        found = minimize(
            objective.value_and_grad, start, jac=True, bounds=bounds, method="L-BFGS-B"
        )
        self.coef_, self.intercept_ = found.x[:-1], found.x[-1]
        self.n_iter_ = found.nit
        return self

    def predict(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return X @ self.coef_ + self.intercept_


def main() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([3.0, 2.0, 1.0, 0.0, 0.0])
    X = rng.uniform(size=(300, 5))  # how much of each ingredient
    y = X @ truth + rng.normal(0, 0.1, 300)
    y[:30] += 10  # one in ten was read wrongly
    print(f"{'truth':26}{truth}")
    for name, model in [
        ("least squares", LinearRegression(positive=True)),
        ("Huber loss, delta=1", NonNegativeRegressor()),
        ("Huber loss, delta=0.2", NonNegativeRegressor(fl.Huber(delta=0.2))),
    ]:
        print(f"{name:26}{model.fit(X, y).coef_.round(2)}")


if __name__ == "__main__":
    main()
