"""Losses for regression: y is the target, z the prediction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastloss.domains import (
    ABOVE_MINUS_ONE,
    FLAG,
    NONNEGATIVE,
    NONZERO,
    POSITIVE,
    REAL,
    UNIT,
    Domain,
)
from fastloss.losses import constants
from fastloss.losses.base import OfMean, Parameters, Pointwise
from fastloss.losses.learnable import Learnable
from fastloss.losses.links import IDENTITY, LOG, Link


class SquaredError(OfMean):
    """Squared error, the square of the residual (not half of it).

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SquaredError()([3.0, -0.5], [2.5, 0.0])
    0.25
    """

    name = "mse"
    definition = "(z - y)**2"

    def _kernel(self) -> tuple[str, Parameters]:
        return "SquaredError", {"scale": 1.0}


class RootMeanSquaredError(OfMean):
    """Root of the (weighted) mean squared error, and its gradient.

    The reduction stands under the root: ``"mean"`` gives sqrt(sum(w r**2) / sum(w)), ``"sum"``
    gives sqrt(sum(w r**2)), and ``"none"``, where each sample is by itself, w abs(r). Where the
    root is 0 it has a kink; gradient and Hessian are 0 there.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.RootMeanSquaredError()([3.0, -0.5], [2.5, 1.0]), 6)
    1.118034
    """

    name = "rmse"
    definition = "sqrt((z - y)**2)"
    majorant = "1"
    _root = True

    def _kernel(self) -> tuple[str, Parameters]:
        return "SquaredError", {"scale": 1.0}


class AbsoluteError(Pointwise):
    """Absolute error. At a residual of 0 the gradient is 0.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.AbsoluteError()([3.0, -0.5], [2.5, 1.0])
    1.0
    """

    name = "mae"
    definition = "abs(z - y)"
    majorant = "1"

    def _optimum(self, y: Any, w: Any) -> float:
        return constants.quantile(y, 0.5, w)


class Huber(Learnable):
    """Huber loss: squared (halved) up to delta, linear beyond.

    Parameters
    ----------
    delta : float, default=1.0
        Where the square ends. At this distance the second derivative jumps from 1 to 0; it is
        given as 1.

    References
    ----------
    Huber (1964), Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Huber(delta=1.5)([3.0, -0.5], [2.5, 2.0])
    1.375
    """

    name = "huber"
    definition = "(z - y)**2/2 if abs(z - y) <= delta else delta*(abs(z - y) - delta/2)"
    majorant = "1 if abs(z - y) <= delta else delta/abs(z - y)"
    _ranges = {"delta": NONNEGATIVE}
    delta: float

    def __init__(self, delta: float = 1.0) -> None:
        self._set(delta=delta)

    def log_partition(self) -> tuple[float, dict[str, float]]:
        if self.delta == 0:
            raise ValueError("exp(-loss) of Huber(delta=0.0), which is 1, has no finite integral")
        bowl = math.sqrt(2 * math.pi) * math.erf(self.delta / math.sqrt(2))
        tails = 2 * math.exp(-self.delta * self.delta / 2) / self.delta
        return math.log(bowl + tails), {"delta": -tails / (bowl + tails) / self.delta}


class SmoothL1(Pointwise):
    """Smooth L1 loss: the Huber loss divided by its delta, which is called beta here.

    Parameters
    ----------
    beta : float, default=1.0
        Where the square ends; with 0 the loss is the absolute error. At this distance the second
        derivative jumps from 1/beta to 0; it is given as 0.

    References
    ----------
    Girshick (2015), Fast R-CNN, section 2.3.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SmoothL1(beta=0.5)([3.0, -0.5], [2.5, 2.0])
    1.25
    """

    name = "smooth_l1"
    definition = "(z - y)**2/(2*beta) if abs(z - y) < beta else abs(z - y) - beta/2"
    majorant = "1/max(abs(z - y), beta) if beta > 0 else 1"
    _ranges = {"beta": NONNEGATIVE}
    beta: float

    def __init__(self, beta: float = 1.0) -> None:
        self._set(beta=beta)


class SmoothL2(Pointwise):
    """Half the square where abs(z - y) <= 1, and abs(z - y) - 1 beyond.

    The value jumps at abs(z - y) = 1, from 1/2 down to 0: this is the loss as it is defined, not
    the Huber loss, which is continuous. The derivatives are those of the two pieces; at the jump,
    of the inner one.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SmoothL2()([0.0, 0.0], [1.0, 1.5], reduction="none")
    array([0.5, 0.5])
    """

    name = "smooth_l2"
    definition = "(z - y)**2/2 if abs(z - y) <= 1 else abs(z - y) - 1"
    majorant = "1/max(abs(z - y), 1)"


class LogCosh(Pointwise):
    """Logarithm of the hyperbolic cosine of the residual: square near 0, absolute far away.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.LogCosh()([0.0, 0.0], [0.1, 1000.0], reduction="none")
    array([4.99168882e-03, 9.99306853e+02])
    """

    name = "log_cosh"
    definition = "log(cosh(z - y))"
    majorant = "tanh(z - y)/(z - y) if z != y else 1"


class Quantile(Pointwise):
    """Quantile (pinball) loss, least at the q-quantile of the targets.

    At a residual of 0 any slope in [-q, 1 - q] is a subgradient by z; the gradient is 0.

    Parameters
    ----------
    q : float, default=0.5
        The quantile, in [0, 1].

    References
    ----------
    Koenker and Bassett (1978), Regression Quantiles, Econometrica 46.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Quantile(q=0.9)([1.0, 2.0], [0.0, 3.0], reduction="none")
    array([0.9, 0.1])
    """

    name = "quantile"
    definition = "(1 - q)*(z - y) if z > y else q*(y - z)"
    majorant = "1"
    _ranges = {"q": UNIT}
    q: float

    def __init__(self, q: float = 0.5) -> None:
        self._set(q=q)

    def _optimum(self, y: Any, w: Any) -> float:
        return constants.quantile(y, self.q, w)


class Expectile(Pointwise):
    """Expectile loss: the square, weighted by 1 - q above the target and by q below.

    At a residual of 0 the second derivative jumps; it is given as 2 q.

    Parameters
    ----------
    q : float, default=0.5
        The expectile, in [0, 1].

    References
    ----------
    Newey and Powell (1987), Asymmetric Least Squares Estimation and Testing, Econometrica 55.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Expectile(q=0.9)([1.0, 2.0], [0.0, 3.0], reduction="none")
    array([0.9, 0.1])
    """

    name = "expectile"
    definition = "(1 - q)*(z - y)**2 if z > y else q*(z - y)**2"
    _ranges = {"q": UNIT}
    q: float

    def __init__(self, q: float = 0.5) -> None:
        self._set(q=q)


class EpsilonInsensitive(Pointwise):
    """Absolute error beyond a tube of half-width epsilon, in which the loss is 0.

    On the edge of the tube the gradient is 0.

    Parameters
    ----------
    epsilon : float, default=0.1
        Half the width of the tube.

    References
    ----------
    Vapnik (1995), The Nature of Statistical Learning Theory.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.EpsilonInsensitive(epsilon=0.5)([0.0, 0.0], [0.25, 2.0], reduction="none")
    array([0. , 1.5])
    """

    name = "epsilon_insensitive"
    definition = "max(abs(z - y) - epsilon, 0)"
    majorant = "1"
    _ranges = {"epsilon": NONNEGATIVE}
    epsilon: float

    def __init__(self, epsilon: float = 0.1) -> None:
        self._set(epsilon=epsilon)


class SquaredEpsilonInsensitive(Pointwise):
    """Square of the error beyond a tube of half-width epsilon.

    On the edge of the tube the second derivative jumps from 0 to 2; it is given as 0.

    Parameters
    ----------
    epsilon : float, default=0.1
        Half the width of the tube.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SquaredEpsilonInsensitive(epsilon=0.5)([0.0, 0.0], [0.25, 2.0], reduction="none")
    array([0.  , 2.25])
    """

    name = "squared_epsilon_insensitive"
    definition = "max(abs(z - y) - epsilon, 0)**2"
    majorant = "2"
    _ranges = {"epsilon": NONNEGATIVE}
    epsilon: float

    def __init__(self, epsilon: float = 0.1) -> None:
        self._set(epsilon=epsilon)


_SIZES = Domain("[-1e15, -1e-15] or [1e-15, 1e15]", low=1e-15, high=1e15, absolute=True)


class LinearExponential(Pointwise):
    """Linear-exponential (LINEX) loss: on one side it grows exponentially, on the other linearly.

    Parameters
    ----------
    a : float, default=1.0
        In [-1e15, -1e-15] or [1e-15, 1e15]. Of a > 0 predictions above the target cost more, of
        a < 0 those below. For small residuals the loss is (a r)^2 / 2.

    References
    ----------
    Zellner (1986), Bayesian Estimation and Prediction Using Asymmetric Loss Functions, Journal of
    the American Statistical Association 81.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.LinearExponential(a=1.0)([0.0, 0.0], [2.0, -2.0], reduction="none").round(6)
    array([4.389056, 1.135335])
    """

    name = "linear_exponential"
    definition = "exp(a*(z - y)) - a*(z - y) - 1"
    _ranges = {"a": _SIZES}
    a: float

    def __init__(self, a: float = 1.0) -> None:
        self._set(a=a)

    def _optimum(self, y: Any, w: Any) -> float:
        far = -self.a * y
        most = np.max(far if w is None else far[w > 0])
        return float(-(most + np.log(constants.mean(np.exp(far - most), w))) / self.a)


class SquaredLogError(Pointwise):
    """Squared logarithmic error: the square of the difference of log(1 + z) and log(1 + y).

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.SquaredLogError()([3.0, 5.0], [2.5, 5.0]), 6)
    0.008915
    """

    name = "msle"
    definition = "(log1p(z) - log1p(y))**2"
    majorant = "2/(1 + z)**2"
    y_domain = ABOVE_MINUS_ONE
    z_domain = ABOVE_MINUS_ONE

    def _optimum(self, y: Any, w: Any) -> Any:
        return np.expm1(constants.mean(np.log1p(y), w))


class AbsolutePercentageError(Pointwise):
    """Absolute error as a fraction of the target (1.0 is 100 %).

    A target of 0 is outside the domain: there is no hidden epsilon that would turn it into an
    arbitrary large number. At a residual of 0 the gradient is 0.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.AbsolutePercentageError()([2.0, -4.0], [1.0, -5.0])
    0.375
    """

    name = "mape"
    definition = "abs(z - y)/abs(y)"
    majorant = "1/abs(y)"
    y_domain = NONZERO

    def _optimum(self, y: Any, w: Any) -> float:
        return constants.quantile(y, 0.5, (1 if w is None else w) / np.abs(y))


class SymmetricAbsolutePercentageError(Pointwise):
    """Absolute error as a fraction of the mean of abs(y) and abs(z), from 0 to 2.

    It is 0 where both are 0. Where the signs differ the loss is 2 and the gradient 0, which is
    also given at z = 0.

    References
    ----------
    Makridakis (1993), Accuracy Measures, International Journal of Forecasting 9.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SymmetricAbsolutePercentageError()([2.0, 0.0, 1.0], [1.0, 0.0, -1.0], reduction="none")
    array([0.66666667, 0.        , 2.        ])
    """

    name = "smape"
    definition = "2*abs(z - y)/(abs(y) + abs(z)) if z != y else 0"
    majorant = "2/(abs(y) + abs(z)) if abs(y) + abs(z) > 0 else 1"


class Poisson(OfMean):
    """Negative Poisson log-likelihood, z the logarithm of the mean; without terms of y alone.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.Poisson()([0, 3], [0.0, 1.0]), 6)
    0.359141
    """

    name = "poisson"
    definition = "exp(z) - y*z"
    _link = LOG
    y_domain = NONNEGATIVE


class PoissonNLL(OfMean):
    """Negative Poisson log-likelihood of the mean or of its logarithm, as in torch.

    ``log_input=True, full=False`` is `Poisson`. Nothing is added to a mean before its logarithm is
    taken.

    Parameters
    ----------
    log_input : bool, default=True
        Whether z is the logarithm of the mean, or the mean itself.
    full : bool, default=False
        Whether Stirling's approximation of log(y!), y*log(y) - y + log(2*pi*y)/2 for y > 1, is
        added. Derivatives are the same.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.PoissonNLL(log_input=False)([0, 3], [1.0, 2.0]), 6)
    0.460279
    """

    name = "poisson_nll"
    definition = (
        "(exp(z) - y*z if log_input else z - (y*log(z) if y > 0 else 0))"
        " + (y*log(y) - y + log(2*pi*y)/2 if full and y > 1 else 0)"
    )
    majorant = "exp(z) if log_input else 1/z"
    y_domain = NONNEGATIVE
    _ranges = {"log_input": FLAG, "full": FLAG}
    log_input: bool
    full: bool

    def __init__(self, log_input: bool = True, full: bool = False) -> None:
        self._set(log_input=log_input, full=full)

    @property
    def z_domain(self) -> Domain:
        """(-inf, inf) if log_input, else (0, inf)"""
        return REAL if self.log_input else POSITIVE

    @property
    def _link(self) -> Link:  # type: ignore[override]
        return LOG if self.log_input else IDENTITY

    def _kernel(self) -> tuple[str, Parameters]:
        return "Poisson" + "Mean" * (not self.log_input) + "Full" * self.full, {"_": 0.0}


class Gamma(OfMean):
    """Negative gamma log-likelihood, z the logarithm of the mean; without terms of y alone.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.Gamma()([1.0, 3.0], [0.0, 1.0]), 6)
    1.551819
    """

    name = "gamma"
    definition = "z + y*exp(-z)"
    majorant = "1"
    _link = LOG
    y_domain = POSITIVE


class _TweedieFamily(OfMean):
    """What the two forms of the Tweedie loss share: the power, and the targets it allows."""

    # beyond, what the deviance is made of leaves the range of float32
    _ranges = {"power": Domain("[-1e6, 0] or [1, 1e6]", low=-1e6, high=1e6)}
    power: float

    def __init__(self, power: float = 1.5) -> None:
        self._set(power=power)

    def _check(self, name: str, value: Any) -> Any:
        power = super()._check(name, value)
        if power is not None and 0 < power < 1:
            raise ValueError(f"power must be at most 0 or at least 1; got {value!r}")
        return power

    @property
    def y_domain(self) -> Domain:
        """(-inf, inf) if power <= 0, [0, inf) if 1 <= power < 2, (0, inf) if power >= 2"""
        if self.power <= 0:
            return REAL
        return NONNEGATIVE if self.power < 2 else POSITIVE


class Tweedie(_TweedieFamily):
    """Negative Tweedie quasi-likelihood, z the logarithm of the mean; without terms of y alone.

    A power of 0 is the normal distribution, 1 the Poisson, from 1 to 2 the compound Poisson-gamma,
    2 the gamma, 3 the inverse Gaussian. At 1 and 2 the formula is that of `Poisson` and `Gamma`:
    its limits, once what does not depend on z is dropped.

    Parameters
    ----------
    power : float, default=1.5
        The variance is proportional to the mean to this power. It is at most 0 or at least 1.

    References
    ----------
    Jorgensen (1987), Exponential Dispersion Models, Journal of the Royal Statistical Society B 49.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.Tweedie(power=1.5)([0.0, 3.0], [0.0, 1.0]), 6)
    4.468313
    """

    name = "tweedie"
    definition = (
        "exp(z) - y*z if power == 1 else z + y*exp(-z) if power == 2 else "
        "exp((2 - power)*z)/(2 - power) - y*exp((1 - power)*z)/(1 - power)"
    )
    majorant = "exp((2 - power)*z)"
    _link = LOG

    def _kernel(self) -> tuple[str, Parameters]:
        special: dict[float, str] = {1: "Poisson", 2: "Gamma"}
        return special.get(self.power, "Tweedie"), self.parameters


class PoissonDeviance(OfMean):
    """Poisson deviance, z the mean: twice the loss in log-likelihood against a perfect fit.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.PoissonDeviance()([0, 3], [1.0, 2.0]), 6)
    1.216395
    """

    name = "poisson_deviance"
    definition = "2*((y*log(y/z) if y > 0 else 0) - y + z)"
    majorant = "2/z"
    y_domain = NONNEGATIVE
    z_domain = POSITIVE


class GammaDeviance(OfMean):
    """Gamma deviance, z the mean.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.GammaDeviance()([1.0, 3.0], [1.0, 2.0]), 6)
    0.094535
    """

    name = "gamma_deviance"
    definition = "2*(log(z/y) + y/z - 1)"
    majorant = "2/z**2"
    y_domain = POSITIVE
    z_domain = POSITIVE


class TweedieDeviance(_TweedieFamily):
    """Tweedie deviance, z the mean.

    A power of 0 is the squared error, 1 the Poisson deviance, 2 the gamma deviance, 3 the inverse
    Gaussian one.

    Parameters
    ----------
    power : float, default=1.5
        The variance is proportional to the mean to this power. It is at most 0 or at least 1.

    References
    ----------
    Jorgensen (1987), Exponential Dispersion Models, Journal of the Royal Statistical Society B 49.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.TweedieDeviance(power=1.5)([0.0, 3.0], [1.0, 2.0]), 6)
    2.142865
    """

    name = "tweedie_deviance"
    definition = (
        "(z - y)**2 if power == 0 else 2*((y*log(y/z) if y > 0 else 0) - y + z) if power == 1 "
        "else 2*(log(z/y) + y/z - 1) if power == 2 else 2*("
        "max(y, 0)**(2 - power)/((1 - power)*(2 - power)) - y*z**(1 - power)/(1 - power)"
        " + z**(2 - power)/(2 - power))"
    )
    majorant = "2*z**-power if power != 0 else 2"

    @property
    def z_domain(self) -> Domain:
        """(0, inf), or (-inf, inf) if power is 0"""
        return REAL if self.power == 0 else POSITIVE

    def _kernel(self) -> tuple[str, Parameters]:
        p = self.power
        special: dict[float, str] = {
            0: "SquaredError",
            1: "PoissonDeviance",
            1.5: "HalfwayDeviance",
            2: "GammaDeviance",
        }
        general = "TweedieDeviance" if 1 < p < 2 else "TweedieDevianceBeyond"
        # the rates of its exponentials, where z is above y and where it is below
        above, below = (2 - p, p - 1) if 1 < p < 2 else (p - 2, 1.0) if p > 2 else (1.0, 1 - p)
        return special.get(p, general), {
            "scale": 1.0,
            "power": p,
            "above": above,
            "below": below,
        }


class NegativeBinomial(OfMean):
    """Negative binomial log-likelihood, z the logarithm of the mean; without terms of y alone.

    Counts whose variance is mean + alpha mean^2: that of statsmodels (``NegativeBinomial``, "nb2")
    and, with theta = 1/alpha, of R. As alpha goes to 0 it becomes `Poisson`.

    Parameters
    ----------
    alpha : float, default=1.0
        The dispersion, in [1e-15, 1e15].

    References
    ----------
    Lawless, "Negative Binomial and Mixed Poisson Regression" (1987), Canadian Journal of Statistics
    15.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.NegativeBinomial(alpha=0.5)([0, 3], [0.0, 1.0]), 6)
    1.051209
    """

    name = "negative_binomial"
    definition = "log1p(alpha*exp(z))*(y + 1/alpha) - y*z"
    majorant = "exp(z)/(1 + alpha*exp(z))"
    _link = LOG
    # beyond, it leaves the range of float32 when it is multiplied by counts
    _ranges = {"alpha": Domain("[1e-15, 1e15]", low=1e-15, high=1e15)}
    y_domain = NONNEGATIVE
    alpha: float

    def __init__(self, alpha: float = 1.0) -> None:
        self._set(alpha=alpha)

    def _kernel(self) -> tuple[str, Parameters]:
        return "NegativeBinomial", {"alpha": self.alpha, "log_alpha": math.log(self.alpha)}
