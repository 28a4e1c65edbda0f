"""Linear regression of any loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin

from fastloss.linear_model.documentation import documented
from fastloss.linear_model.estimators import LinearModel, written
from fastloss.losses.base import Pointwise, as_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@documented
class LinearRegressor(RegressorMixin, LinearModel):  # type: ignore[misc]
    """Linear regression: any loss of residuals or means, any penalty.

    It minimises the objective ::

        sum(s * loss(y, X w + b)) / sum(s) + alpha * penalty(w)

    over weights w and an intercept b, s being the weights of the samples; of several outputs the
    sum of their objectives. ``predict`` gives ``loss.inverse_link(X w + b)``: of the losses of
    logarithms, as `Poisson`, `Gamma` and `Tweedie`, the exponential.

    Parameters
    ----------
    loss : str or Loss, default="mse"
        A loss of one target and one prediction that takes any prediction, as "mae", "huber",
        ``Quantile(q=0.9)`` or "poisson".
    PARAMETERS

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_outputs, n_features)
    intercept_ : float or ndarray, shape (n_outputs,)
    ATTRIBUTES

    References
    ----------
    REFERENCES

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss.linear_model import LinearRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(10_000, 2))
    >>> y = X @ [1.0, -2.0] + 3 + rng.standard_t(2, size=10_000)
    >>> model = LinearRegressor("huber", alpha=0).fit(X, y)
    >>> model.coef_.round(1), round(model.intercept_, 1)
    (array([ 1., -2.]), 3.0)
    """

    def _start(self, y: Any, sample_weight: Any) -> None:
        loss = as_loss(self.loss)
        if not isinstance(loss, Pointwise):
            raise ValueError(
                f"loss must be of one target and one prediction; got {loss!r}: LinearClassifier "
                "takes those of classes"
            )
        self.loss_ = loss
        self._n_outputs = 1 if y.ndim == 1 else y.shape[1]
        self._one_column = y.ndim == 2

    def _code(self, y: Any) -> Any:
        if (1 if y.ndim == 1 else y.shape[1]) != self._n_outputs:
            raise ValueError(f"y must have {self._n_outputs} outputs; got shape {y.shape}")
        if y.dtype.kind not in "fiub":
            y = y.astype(np.float64)
        return y[:, 0] if self._n_outputs == 1 and y.ndim == 2 else y

    def _set_weights(self, coef: Array, intercept: Array) -> None:
        flat = self._n_outputs == 1 and not self._one_column
        self.coef_ = coef[0] if flat else coef
        self.intercept_ = float(intercept[0]) if flat else intercept  # type: ignore[assignment]

    def predict(self, X: Any, out: Array | None = None) -> Array:
        """Predict targets: the loss's ``inverse_link`` of X w + b.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        out : ndarray, optional
            Where predictions are written.

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_outputs)
            Of X's dtype.
        """
        scores = self._scores(X)
        z = self.loss_.inverse_link(scores)
        if self._one_column and z.ndim == 1:
            z = z[:, np.newaxis]
        if out is None:
            return z
        written(out, z.shape, z.dtype)[...] = z
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags
