"""Losses for scikit-learn: in histogram gradient boosting, and as scores of estimators.

Examples
--------
>>> import numpy as np
>>> from sklearn.ensemble import HistGradientBoostingRegressor
>>> from sklearn.model_selection import cross_val_score
>>> from fastloss.losses import AbsoluteError, Cauchy
>>> from fastloss.sklearn import boosting_loss, scorer
>>> rng = np.random.default_rng(0)
>>> X = rng.uniform(-2, 2, (500, 2))
>>> y = X[:, 0] * X[:, 1] + 0.1 * rng.standard_t(2, 500)
>>> model = HistGradientBoostingRegressor(loss=boosting_loss(Cauchy(c=0.5)))
>>> bool(cross_val_score(model, X, y, scoring=scorer(AbsoluteError())).mean() > -0.3)
True
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "fastloss.sklearn needs scikit-learn: pip install 'fastloss[sklearn]'"
    ) from error

from fastloss.sklearn.boosting import boosting_loss
from fastloss.sklearn.scoring import scorer

__all__ = ["boosting_loss", "scorer"]
