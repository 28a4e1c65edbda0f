"""Losses of survival: times of what happened, and times up to which it had not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, overload

import numpy as np

from fastloss._core import DomainError
from fastloss.domains import POSITIVE
from fastloss.losses.lifetimes import Distribution, Extreme, Logistic, Normal
from fastloss.losses.links import LOG, real_array
from fastloss.losses.together import (
    GRAD,
    HESS,
    VALUE,
    Part,
    Reals,
    Reduction,
    Together,
    Weights,
    double,
    scores,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[Any]

BLOCK = 4096  # samples at a time, whose temporaries stay in the cache

_DISTRIBUTIONS: dict[str, Distribution] = {
    "normal": Normal(),
    "logistic": Logistic(),
    "extreme": Extreme(),
}


class Survival(Together):
    """Base of losses of times: what their methods take and give."""

    _columns: ClassVar[str]  # what the two columns of y_true are
    _link = LOG  # predictions are logarithms of times or of hazards

    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction,
    ) -> Any: ...
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like, shape (n, 2) or (n,)
            Times, as the class says.
        y_pred : array_like, shape (n,)
            Predictions, whose dtype is that of the results.
        sample_weight : array_like, shape (n,), optional
            A sample of weight 0 is as if absent, whatever it holds.
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each sample.

        Returns
        -------
        float, or ndarray of shape (n,)
        """
        return self._compute(y_true, y_pred, sample_weight, reduction, VALUE, None)[0]

    def grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        out: Reals | None = None,
    ) -> Reals:
        """Compute the derivatives of the reduced loss by the predictions.

        Parameters are those of `value_and_grad`.

        Returns
        -------
        ndarray, shape (n,)
        """
        grad: Reals = self._compute(y_true, y_pred, sample_weight, reduction, GRAD, out)[1]
        return grad

    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        out: Reals | None = None,
    ) -> tuple[Any, Reals]:
        """Compute the loss and its derivatives by the predictions.

        Parameters are those of calling the loss; ``out`` is an array for the gradient, writeable,
        C-contiguous and of the dtype computed in, which may be ``y_pred`` itself. With
        ``reduction="none"`` the derivatives are those of the sum.

        Returns
        -------
        value : float, or ndarray of shape (n,)
        grad : ndarray, shape (n,)
        """
        value, grad = self._compute(y_true, y_pred, sample_weight, reduction, GRAD, out)
        return value, grad

    def grad_and_hess(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        out: tuple[Reals | None, Reals | None] | None = None,
    ) -> tuple[Reals, Reals]:
        """Compute first and second derivatives by each prediction, the diagonal of the Hessian.

        Parameters are those of `value_and_grad`; ``out`` is a pair of arrays. No second derivative
        is negative where no weight is.

        Returns
        -------
        grad, hess : ndarray, shape (n,)
        """
        _, grad, hess = self._compute(y_true, y_pred, sample_weight, reduction, HESS, out)
        return grad, hess

    def _compute(
        self, y_true: Any, y_pred: Any, weight: Any, reduction: Reduction, order: int, out: Any
    ) -> tuple[Any, ...]:
        z = scores(y_pred)
        y = real_array(y_true, "y_true")
        if y.shape not in (z.shape, (*z.shape, 2)):
            raise ValueError(
                f"y_true must have shape {(*z.shape, 2)}, {self._columns}, or {z.shape}, negative "
                f"where censored, for y_pred of shape {z.shape}; got {y.shape}"
            )
        weights = Weights(weight, len(z), "y_pred's")
        arrays = [y] if weight is None else [y, np.asarray(weight)]
        return self._reduced(y, arrays, z, weights, reduction, order, out)


@dataclass(frozen=True)
class AFT(Survival):
    """Accelerated failure time: the likelihood of times that may be known by bounds only.

    Predictions are of the logarithm of the time. ``y_true`` has the lower and the upper bound of
    each time: equal where it was observed, the upper one inf where it is censored on the right,
    the lower one 0 or -inf where on the left. In one axis, times are observed where positive, and
    -t means censored on the right at t.

    Parameters
    ----------
    distribution : {"normal", "logistic", "extreme"}
        Of the logarithm of the time.
    scale : float, default=1.0
        In (0, inf): what errors of the logarithm are divided by, XGBoost's
        ``aft_loss_distribution_scale``.

    Raises
    ------
    ValueError
        If there is no such distribution, or the scale is out of its range. When called: if shapes
        do not fit, bounds are no bounds of a time or a weight is not finite (a `DomainError`), a
        lower bound is above the upper one, or there is nothing to take the mean of.
    TypeError
        When called: if an array holds anything but real numbers.

    Notes
    -----
    The loss of a time t, and of bounds a < b, is ::

        -log(f((log(t) - z)/scale)/(scale*t)),  -log(F((log(b) - z)/scale) - F((log(a) - z)/scale))

    with f(x), F(x) of the distribution: normal; logistic, F(x) = 1/(1 + exp(-x)); or extreme,
    F(x) = 1 - exp(-exp(x)). So XGBoost's ``survival:aft`` and its metric ``aft-nloglik`` have it,
    except that they take no density for less than 1e-12 and bring gradients into [-15, 15] and
    Hessians into [1e-16, 15]: here both are the derivatives however far out they lie.

    All is computed in float64 and rounded to the dtype of ``y_pred`` once. NaN in a row makes its
    results NaN.

    References
    ----------
    Barnwal, Cho and Hocking, "Survival Regression with Accelerated Failure Time Model in XGBoost"
    (2022), arXiv:2006.04920.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> times = [[2.0, 2.0], [3.0, np.inf], [1.0, 4.0]]
    >>> grad, hess = fl.AFT("logistic").grad_and_hess(times, np.zeros(3), reduction="sum")
    >>> grad.round(4), hess.round(4)
    (array([-0.3333, -0.75  , -0.3   ]), array([0.4444, 0.1875, 0.41  ]))
    >>> fl.AFT("logistic")([2.0, -3.0], np.zeros(2)) == fl.AFT("logistic")(times[:2], np.zeros(2))
    True
    """

    distribution: str = "normal"
    scale: float = 1.0

    _ranges = {"scale": POSITIVE}
    _columns = "lower and upper bounds of times"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.distribution, str) or self.distribution not in _DISTRIBUTIONS:
            raise ValueError(
                f"distribution must be one of {', '.join(_DISTRIBUTIONS)}; got "
                f"{self.distribution!r}"
            )

    def _parts(self, given: Any, z: Reals, weights: Weights, order: int) -> Iterator[Part]:
        for start in range(0, len(z), BLOCK):
            where = slice(start, min(start + BLOCK, len(z)))
            w = weights.each[where]
            kept = np.flatnonzero(w)
            whole = len(kept) == len(w)
            part = slice(None) if whole else kept
            y, z_part = double(given[where][part]), double(z[where][part])
            bounds = y.T if y.ndim == 2 else np.stack([np.abs(y), np.where(y > 0, y, np.inf)])
            self._check(given, bounds, start + kept)
            found = self._likelihood(double(bounds[0]), double(bounds[1]), z_part)
            found *= w[part]
            if not whole:
                found, some = np.zeros((3, len(w))), found
                found[:, kept] = some
            yield where, *found

    def _check(self, y: Array, bounds: Array, rows: Array) -> None:
        """Refuse what is no pair of bounds of a time."""
        lower, upper = bounds
        wrong = [
            ((lower < 0) & (lower > -np.inf) | (lower == np.inf), 0, "in [0, inf) or -inf"),
            ((upper <= 0), 1, "in (0, inf]"),
        ]
        if y.ndim == 1:
            wrong = [((lower == 0) | np.isinf(lower), 0, "in (-inf, 0) or (0, inf)")]
        for outside, column, domain in wrong:
            if outside.any():
                row = int(rows[np.argmax(outside)])
                index = (row,) if y.ndim == 1 else (row, column)
                raise DomainError("y_true", index, y[index], domain)
        if (lower > upper).any():
            row = int(rows[np.argmax(lower > upper)])
            raise ValueError(
                f"y_true[{row}] has a lower bound above the upper one: {y[row, 0]} > {y[row, 1]}"
            )

    def _likelihood(self, lower: Array, upper: Array, z: Array) -> Array:
        """Values and both derivatives."""
        distribution, scale = _DISTRIBUTIONS[self.distribution], self.scale
        found = np.full((3, len(z)), np.nan)
        log_low = np.log(lower)
        a = (log_low - z) / scale
        exact, open_low, open_high = lower == upper, lower <= 0, upper == np.inf
        within = ~(exact | open_low | open_high) & (lower < upper)
        at, above, below, between = map(
            np.flatnonzero, (exact, open_high & (lower > 0), open_low & (upper < np.inf), within)
        )
        if len(at):
            value, *slopes = distribution.at(a[at])
            _put(found, at, value + (log_low[at] + np.log(scale)), *slopes)
        if len(above):
            _put(found, above, *distribution.above(a[above]))
        if len(below):
            _put(found, below, *distribution.below((np.log(upper[below]) - z[below]) / scale))
        if len(between):
            low, high = lower[between], upper[between]
            ratio = (high - low) / low
            w = np.where(ratio < 1, np.log1p(ratio), np.log(high) - np.log(low)) / scale
            _put(found, between, *distribution.between(a[between], a[between] + w, w))
        found[:, open_low & open_high & ~np.isnan(z)] = 0
        found[1] /= scale
        found[2] /= scale * scale
        return found


def _put(found: Array, where: Array, *rows: Array) -> None:
    for whole, row in zip(found, rows, strict=True):
        whole[where] = row
