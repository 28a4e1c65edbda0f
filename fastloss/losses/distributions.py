"""Losses of predicted distributions: a row holds their parameters or quantiles, y is a number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.domains import FLAG, NONNEGATIVE, POSITIVE, REAL, UNIT, Domain
from fastloss.losses import constants
from fastloss.losses.rows import AXIS, RowLoss

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTILES = Domain("[0, 1]", low=0, high=1, each=True)


class _OfNumber(RowLoss):
    """What these losses share: the target is a number for each row."""

    _item, _items = "number", "numbers"
    _takes = ("numbers",)
    y_domain = REAL
    _targets = "a number for each row, (-inf, inf)"


class _LocationScale(_OfNumber):
    """Losses of a location and a scale, the latter of which is bounded."""

    _bounded_from = 1


class GaussianNLL(_LocationScale):
    """Negative log-likelihood of a normal distribution, of which mean and variance are predicted.

    Where the variance is 0 the loss is the limit: inf, or -inf if the mean is the target. No
    variance is raised to an ``eps``, as torch does; predict its logarithm where it may come near 0.

    Parameters
    ----------
    full : bool, default=False
        Whether the constant log(2 pi) / 2 is added.
    axis : int, default=-1
        The axis, of length 2, along which mean and variance lie.
    log_variance : bool, default=False
        Whether the logarithm of the variance is predicted, which may be any number.

    References
    ----------
    Nix and Weigend, "Estimating the Mean and Variance of the Target Probability Distribution"
    (1994), IEEE International Conference on Neural Networks.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.GaussianNLL()([1.0, 2.0], [[1.0, 1.0], [1.0, 4.0]]), 4)
    0.4091
    >>> round(fl.GaussianNLL(log_variance=True)([1.0, 2.0], [[1.0, 0.0], [1.0, 1.3863]]), 4)
    0.4091
    """

    name = "gaussian_nll"
    definition = (
        "((z[1] + (z[0] - y)**2*exp(-z[1]))/2 if log_variance else "
        "(log(z[1]) + (z[0] - y)**2/z[1])/2) + (log(2*pi)/2 if full else 0)"
    )
    _columns = ("a mean", "a variance")
    _predictions = (
        "the mean z[0], (-inf, inf), and the variance z[1], [0, inf), or with log_variance its "
        "logarithm, (-inf, inf)"
    )
    _ranges = {"full": FLAG, "axis": AXIS, "log_variance": FLAG}
    full: bool
    log_variance: bool

    @property
    def z_domain(self) -> Domain:
        """[0, inf), or (-inf, inf) with log_variance"""
        return REAL if self.log_variance else NONNEGATIVE

    @property
    def majorant(self) -> str:  # type: ignore[override]
        """1/z[1], 1/(2*z[1]**2), or exp(-z[1]), 1/2 with log_variance"""
        return "exp(-z[1]), 1/2" if self.log_variance else "1/z[1], 1/(2*z[1]**2)"

    def __init__(self, full: bool = False, axis: int = -1, log_variance: bool = False) -> None:
        self._set(full=full, axis=axis, log_variance=log_variance)

    def _row_optimum(self, y: Any, w: Any) -> NDArray[np.float64]:
        mean = constants.mean(y, w)
        variance = constants.mean((y - mean) ** 2, w)
        return np.array([mean, np.log(variance) if self.log_variance else variance])

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        name = "LogGaussianNLL" if self.log_variance else self._kernel_name
        return name, math.log(2 * math.pi) / 2 if self.full else 0.0


class GaussianCRPS(_LocationScale):
    """Continuous ranked probability score of a normal distribution, by mean and deviation.

    It is the integral over x of the squared difference between the distribution function and the
    step from 0 to 1 at the target, in the unit of the targets: where the standard deviation is 0,
    the absolute error.

    Parameters
    ----------
    axis : int, default=-1
        The axis, of length 2, along which mean and standard deviation lie.

    References
    ----------
    Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation" (2007),
    Journal of the American Statistical Association 102.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GaussianCRPS()([1.0, 2.0], [[1.0, 1.0], [0.0, 0.0]], reduction="none").round(4)
    array([0.2337, 2.    ])
    """

    name = "gaussian_crps"
    definition = (
        "(z[0] - y)*erf((z[0] - y)/z[1]/sqrt(2)) "
        "+ z[1]*(sqrt(2/pi)*exp(-((z[0] - y)/z[1])**2/2) - 1/sqrt(pi))"
    )
    majorant = "hess"
    _columns = ("a mean", "a standard deviation")
    z_domain = NONNEGATIVE
    _predictions = "the mean z[0], (-inf, inf), and the standard deviation z[1], [0, inf)"


class LogisticNLL(_LocationScale):
    """Negative log-likelihood of a logistic distribution, of which both parameters are predicted.

    Parameters
    ----------
    axis : int, default=-1
        The axis, of length 2, along which location and scale lie.

    References
    ----------
    Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions" 2 (1995), chapter 23.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.LogisticNLL()([1.0, 3.0], [[1.0, 1.0], [1.0, 2.0]]), 4)
    1.853
    """

    name = "logistic_nll"
    definition = "log(z[1]) + abs(z[0] - y)/z[1] + 2*log1p(exp(-abs(z[0] - y)/z[1]))"
    majorant = "1/(3*z[1]**2), (1/3 + pi**2/9)/z[1]**2"
    _columns = ("a location", "a scale")
    z_domain = POSITIVE
    _predictions = "the location z[0], (-inf, inf), and the scale z[1], (0, inf)"


class StudentTNLL(_LocationScale):
    """Negative log-likelihood of Student's t distribution, of location and scale.

    The scale is that of scipy.stats.t and torch's ``StudentT``: the standard deviation is
    sqrt(df / (df - 2)) times as large.

    Parameters
    ----------
    df : float, default=4.0
        The degrees of freedom, in [1e-6, 1e6]: the fewer, the less a far target counts. Of more the
        distribution is that of `GaussianNLL`.
    axis : int, default=-1
        The axis, of length 2, along which location and scale lie.

    References
    ----------
    Lange, Little and Taylor, "Robust Statistical Modeling Using the t Distribution" (1989), Journal
    of the American Statistical Association 84.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.StudentTNLL(df=4.0)([1.0, 3.0], [[1.0, 1.0], [1.0, 2.0]]), 4)
    1.6063
    """

    name = "student_t_nll"
    definition = (
        "log(z[1]) + (df + 1)/2*log1p(((z[0] - y)/z[1])**2/df) "
        "+ loggamma(df/2) - loggamma((df + 1)/2) + log(pi*df)/2"
    )
    majorant = "(df + 1)/(df + 3)/z[1]**2, 2*df/(df + 3)/z[1]**2"
    _columns = ("a location", "a scale")
    z_domain = POSITIVE
    _predictions = "the location z[0], (-inf, inf), and the scale z[1], (0, inf)"
    # beyond, what the derivatives are made of leaves the range of float32
    _ranges = {"df": Domain("[1e-6, 1e6]", low=1e-6, high=1e6), "axis": AXIS}
    df: float

    def __init__(self, df: float = 4.0, axis: int = -1) -> None:
        self._set(df=df, axis=axis)

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, self.df, _student_constant(self.df)


def _student_constant(df: float) -> float:
    """loggamma(df/2) - loggamma((df + 1)/2) + log(pi df)/2, without what cancels.

    The ratio of gamma functions is taken at x >= 20, where its asymptotic series has all digits,
    and carried down by gamma(x + 1) = x gamma(x).
    """
    half = df / 2
    steps = max(0, math.ceil(20 - half))
    x = half + steps
    series = 1 / (8 * x) - 1 / (192 * x**3) + 1 / (640 * x**5) - 17 / (14336 * x**7)
    down = (math.log1p(0.5 / (half + k)) for k in range(steps))
    return math.fsum([math.log(2 * math.pi) / 2, series, -math.log1p(steps / half) / 2, *down])


class _Quantiles(_OfNumber):
    """Losses of quantiles: sums of pinball losses, by slopes below the target and above it."""

    _quantiles: tuple[float, ...]
    _scale: float  # what pinball losses are multiplied by

    def _row_optimum(self, y: Any, w: Any) -> NDArray[np.float64]:
        return np.array([constants.quantile(y, q, w) for q in self._quantiles])

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        numbers: list[float] = [self._scale, *self._slopes()]
        return "Pinball", *numbers

    def _slopes(self) -> list[float]:
        """Those below the target, and those above."""
        q = self._quantiles
        return [self._scale * x for x in q] + [self._scale * (1 - x) for x in q]


class MultiQuantile(_Quantiles):
    """Quantile (pinball) losses of several quantiles; the mean over them, as in CatBoost.

    At a residual of 0 any slope in [-q, 1 - q] is a subgradient; the gradient is 0. Quantiles that
    cross are not punished beyond that.

    Parameters
    ----------
    q : sequence of float, default=(0.1, 0.5, 0.9)
        The quantiles, in [0, 1]; or one.
    axis : int, default=-1
        The axis along which the predictions of the quantiles lie, in the order of ``q``.

    References
    ----------
    Koenker and Bassett (1978), Regression Quantiles, Econometrica 46.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.MultiQuantile(q=(0.1, 0.5, 0.9))([1.0], [[0.0, 0.0, 2.0]]), 4)
    0.2333
    """

    name = "multi_quantile"
    definition = "(dot(q, positive(y - z)) + dot(1 - q, positive(z - y)))/len(q)"
    majorant = "1/len(q)"
    _predictions = "a number for each quantile, (-inf, inf)"
    _ranges = {"q": QUANTILES, "axis": AXIS}
    q: tuple[float, ...]

    def __init__(self, q: Sequence[float] = (0.1, 0.5, 0.9), axis: int = -1) -> None:
        self._set(q=q, axis=axis)

    def _check(self, name: str, value: Any) -> Any:
        if name != "q":
            return super()._check(name, value)
        if isinstance(value, Real) and not isinstance(value, bool):
            value = (value,)
        if isinstance(value, (str, bytes, dict, set)) or not isinstance(
            value, (Iterable, np.ndarray)
        ):
            raise TypeError(f"q must be a sequence of quantiles in [0, 1]; got {value!r}")
        quantiles = tuple(UNIT.parameter(f"q[{k}]", x) for k, x in enumerate(value))
        if not quantiles:
            raise ValueError("q must hold a quantile at least; got none")
        return quantiles

    @property
    def _columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"a quantile {x:g}" for x in self.q)

    @property
    def _quantiles(self) -> tuple[float, ...]:  # type: ignore[override]
        return self.q

    @property
    def _scale(self) -> float:  # type: ignore[override]
        return 1 / len(self.q)


class IntervalScore(_Quantiles):
    """Interval score (Winkler): the width of an interval, and more where it misses the target.

    It is the sum of the quantile losses at alpha/2 and 1 - alpha/2, times 2/alpha, and so least at
    these quantiles. Where an end is the target, its gradient is 0.

    Parameters
    ----------
    alpha : float, default=0.1
        In (0, 1]: the interval is to hold 1 - alpha of the targets.
    axis : int, default=-1
        The axis, of length 2, along which the lower and the upper end lie.

    References
    ----------
    Winkler, "A Decision-Theoretic Approach to Interval Estimation" (1972), Journal of the American
    Statistical Association 67.

    Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation" (2007),
    Journal of the American Statistical Association 102.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.IntervalScore(alpha=0.1)([1.0, 5.0], [[0.0, 4.0], [0.0, 4.0]], reduction="none")
    array([ 4., 24.])
    """

    name = "interval_score"
    definition = "z[1] - z[0] + 2/alpha*(max(z[0] - y, 0) + max(y - z[1], 0))"
    majorant = "2/alpha"
    _columns = ("a lower end", "an upper end")
    _predictions = "the lower end z[0] and the upper end z[1], (-inf, inf)"
    # below, what misses is multiplied by leaves what float32 may add up
    _ranges = {"alpha": Domain("[1e-15, 1]", low=1e-15, high=1), "axis": AXIS}
    alpha: float

    def __init__(self, alpha: float = 0.1, axis: int = -1) -> None:
        self._set(alpha=alpha, axis=axis)

    @property
    def _quantiles(self) -> tuple[float, ...]:  # type: ignore[override]
        return (self.alpha / 2, 1 - self.alpha / 2)

    @property
    def _scale(self) -> float:  # type: ignore[override]
        return 2 / self.alpha

    def _slopes(self) -> list[float]:
        inside, outside = 1.0, 2 / self.alpha - 1
        return [inside, outside, outside, inside]
