"""Losses for two classes: y is the label; z a raw score, or a probability where it says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastloss.domains import NONNEGATIVE, SIGNS, UNIT, Domain
from fastloss.losses import constants
from fastloss.losses.base import OfMean, Parameters, Pointwise
from fastloss.losses.links import HALF_LOGIT, LOGIT

# whose square stays in float32's range
FOCUS = Domain("[0, 1e6]", low=0, high=1e6)

_SMOOTHED = "(y*(1 - label_smoothing) + label_smoothing/2)"
_REST = "((1 - y)*(1 - label_smoothing) + label_smoothing/2)"


class _Smoothed(Pointwise):
    """What losses with label smoothing share: a kernel of their own where there is some."""

    label_smoothing: float

    def _targets(self, y: Any) -> Any:
        return y * (1 - self.label_smoothing) + self.label_smoothing / 2

    def _smoothed(self, kernel: str, parameters: dict[str, float]) -> tuple[str, Parameters]:
        s = self.label_smoothing
        if s == 0:
            return kernel, parameters
        return f"Smoothed{kernel}", {**parameters, "smoothing": s}


class LogLoss(_Smoothed, OfMean):
    """Log loss (binary cross-entropy) of a probability.

    Nothing is clipped: a probability of 0 for a label of 1 is an infinite loss. A label between 0
    and 1 is the probability of the positive class.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        In [0, 1]: targets y become y*(1 - label_smoothing) + label_smoothing/2.

    References
    ----------
    Good (1952), Rational Decisions, Journal of the Royal Statistical Society B 14.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.LogLoss()([1, 0], [0.9, 0.2]), 6)
    0.164252
    """

    name = "log_loss"
    definition = (
        f"(-{_SMOOTHED}*log(z) if {_SMOOTHED} > 0 else 0)"
        f" - ({_REST}*log1p(-z) if {_REST} > 0 else 0)"
    )
    majorant = "1/(z*(1 - z))"
    y_domain = UNIT
    z_domain = UNIT
    _ranges = {"label_smoothing": UNIT}

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self._set(label_smoothing=label_smoothing)

    def _kernel(self) -> tuple[str, Parameters]:
        return self._smoothed("LogLoss", {"_": 0.0})

    def _optimum(self, y: Any, w: Any) -> Any:
        return super()._optimum(self._targets(y), w)


class Brier(OfMean):
    """Brier score of a probability, in its binary form: the two-class form is twice it.

    References
    ----------
    Brier (1950), Verification of Forecasts Expressed in Terms of Probability, Monthly Weather
    Review 78.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Brier()([1, 0], [0.75, 0.0])
    0.03125
    """

    name = "brier"
    definition = "(z - y)**2"
    y_domain = UNIT
    z_domain = UNIT

    def _kernel(self) -> tuple[str, Parameters]:
        return "SquaredError", {"scale": 1.0}


class Logistic(_Smoothed):
    """Logistic loss (binary cross-entropy) of a raw score, the logit of the probability.

    Parameters
    ----------
    pos_weight : float, default=1.0
        Weight of the positive class, as in ``torch.nn.BCEWithLogitsLoss``.
    label_smoothing : float, default=0.0
        In [0, 1]: targets y become y*(1 - label_smoothing) + label_smoothing/2.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Logistic().value_and_grad([1.0, 0.0], [-1000.0, 0.0])
    (500.34657359027995, array([-0.5 ,  0.25]))
    """

    name = "logistic"
    definition = f"pos_weight*{_SMOOTHED}*log1p(exp(-z)) + {_REST}*log1p(exp(z))"
    _link = LOGIT
    y_domain = UNIT
    _ranges = {"pos_weight": NONNEGATIVE, "label_smoothing": UNIT}
    pos_weight: float

    def __init__(self, pos_weight: float = 1.0, label_smoothing: float = 0.0) -> None:
        self._set(pos_weight=pos_weight, label_smoothing=label_smoothing)

    def _kernel(self) -> tuple[str, Parameters]:
        return self._smoothed("Logistic", {"pos_weight": self.pos_weight})

    def _optimum(self, y: Any, w: Any) -> float:
        return float(constants.log_odds(constants.mean(self._targets(y), w), self.pos_weight))


class _Focal(Pointwise):
    """What the focal losses share: gamma, and weights of the two labels."""

    gamma: float
    alpha: float | None

    def _check(self, name: str, value: object) -> float | None:
        return None if name == "alpha" and value is None else super()._check(name, value)

    @property
    def _focus(self) -> dict[str, float]:
        positive, negative = (1.0, 1.0) if self.alpha is None else (self.alpha, 1 - self.alpha)
        return {"gamma": self.gamma, "positive": positive, "negative": negative}


class Focal(_Focal, _Smoothed):
    """Focal loss of a raw score: the logistic loss, damped for well-classified samples.

    A target between 0 and 1 is a mixture of the two labels: the terms of both are weighted by it.
    `SigmoidFocal` damps the whole of the loss of such a target instead.

    Parameters
    ----------
    gamma : float, default=2.0
        How strongly it is damped; with 0 the loss is the logistic one.
    alpha : float, optional
        Weight of the positive class; the negative one has 1 - alpha. None: both have 1.
    label_smoothing : float, default=0.0
        In [0, 1]: targets y become y*(1 - label_smoothing) + label_smoothing/2.

    References
    ----------
    Lin et al. (2017), Focal Loss for Dense Object Detection, ICCV.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Focal(gamma=2.0)([1.0, 0.0], [3.0, 3.0], reduction="none")
    array([1.09283324e-04, 2.76628044e+00])
    """

    name = "focal"
    definition = (
        f"(1 if alpha is None else alpha)*{_SMOOTHED}*(1 + exp(z))**-gamma*log1p(exp(-z))"
        f" + (1 if alpha is None else 1 - alpha)*{_REST}*(1 + exp(-z))**-gamma*log1p(exp(z))"
    )
    majorant = (
        f"(gamma + 1)**2*((1 if alpha is None else alpha)*{_SMOOTHED}*(1 + exp(z))**-gamma"
        f" + (1 if alpha is None else 1 - alpha)*{_REST}*(1 + exp(-z))**-gamma)"
        "*exp(-abs(z))/(1 + exp(-abs(z)))**2"
    )
    _link = LOGIT
    y_domain = UNIT
    _ranges = {"gamma": NONNEGATIVE, "alpha": UNIT, "label_smoothing": UNIT}

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = None, label_smoothing: float = 0.0
    ) -> None:
        self._set(gamma=gamma, alpha=alpha, label_smoothing=label_smoothing)

    def _kernel(self) -> tuple[str, Parameters]:
        return self._smoothed("Focal", self._focus)


class FocalLogLoss(_Focal):
    """Focal loss of a probability: the log loss, damped for well-classified samples.

    Parameters
    ----------
    gamma : float, default=2.0
        How strongly it is damped; with 0 the loss is the log loss.
    alpha : float, optional
        Weight of the positive class; the negative one has 1 - alpha. None: both have 1.

    References
    ----------
    Lin et al. (2017), Focal Loss for Dense Object Detection, ICCV.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.FocalLogLoss(gamma=2.0)([1.0, 0.0], [0.75, 0.75], reduction="none").round(6)
    array([0.01798 , 0.779791])
    """

    name = "focal_log_loss"
    definition = (
        "(-(1 if alpha is None else alpha)*y*(1 - z)**gamma*log(z) if y > 0 else 0)"
        " - ((1 if alpha is None else 1 - alpha)*(1 - y)*z**gamma*log1p(-z) if y < 1 else 0)"
    )
    majorant = "1/(z*(1 - z))"
    y_domain = UNIT
    z_domain = UNIT
    _ranges = {"gamma": FOCUS, "alpha": UNIT}

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        self._set(gamma=gamma, alpha=alpha)

    def _kernel(self) -> tuple[str, Parameters]:
        return "FocalLogLoss", self._focus


class SigmoidFocal(_Focal):
    """Focal loss of a raw score, of targets between 0 and 1 as in torchvision, optax and Keras.

    The logistic loss is damped by how far the probability s of the score is from the target, as
    (y*(1 - s) + (1 - y)*s)**gamma. Of targets 0 and 1 it is `Focal`.

    Parameters
    ----------
    gamma : float, default=2.0
        How strongly it is damped; with 0 the loss is the logistic one.
    alpha : float, optional
        Weight of the positive class; the negative one has 1 - alpha. None: both have 1.

    References
    ----------
    Lin et al. (2017), Focal Loss for Dense Object Detection, ICCV.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SigmoidFocal()([1.0, 0.5], [3.0, 3.0], reduction="none").round(6)
    array([1.09000e-04, 3.87147e-01])
    """

    name = "sigmoid_focal"
    definition = (
        "((1 if alpha is None else alpha)*y + (1 if alpha is None else 1 - alpha)*(1 - y))"
        "*(y/(1 + exp(z)) + (1 - y)/(1 + exp(-z)))**gamma"
        "*(y*log1p(exp(-z)) + (1 - y)*log1p(exp(z)))"
    )
    majorant = (
        "((1 if alpha is None else alpha)*y + (1 if alpha is None else 1 - alpha)*(1 - y))"
        "*(y/(1 + exp(z)) + (1 - y)/(1 + exp(-z)))**gamma*exp(-abs(z))/(1 + exp(-abs(z)))**2"
    )
    _link = LOGIT
    y_domain = UNIT
    _ranges = {"gamma": FOCUS, "alpha": UNIT}

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        self._set(gamma=gamma, alpha=alpha)

    def _kernel(self) -> tuple[str, Parameters]:
        return "SigmoidFocal", self._focus


class HingeEmbedding(Pointwise):
    """Hinge loss of distances: pairs of label 1 are drawn together, the others pushed apart.

    Parameters
    ----------
    margin : float, default=1.0
        How far apart they need to be. There the gradient is 0.

    References
    ----------
    Hadsell, Chopra and LeCun (2006), Dimensionality Reduction by Learning an Invariant Mapping,
    CVPR, with squared distances.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.HingeEmbedding()([1, -1, -1], [0.5, 0.75, 2.0], reduction="none")
    array([0.5 , 0.25, 0.  ])
    """

    name = "hinge_embedding"
    definition = "z if y > 0 else max(margin - z, 0)"
    majorant = "1"
    y_domain = SIGNS
    _endless = True  # of numbers that may be negative, as distances may not
    _ranges = {"margin": NONNEGATIVE}
    margin: float

    def __init__(self, margin: float = 1.0) -> None:
        self._set(margin=margin)

    def _optimum(self, y: Any, w: Any) -> float:
        return -np.inf if constants.mean(y, w) > 0 else self.margin


class Hinge(Pointwise):
    """Hinge loss of a raw score. At the margin, y z = 1, the gradient is 0.

    References
    ----------
    Cortes and Vapnik (1995), Support-Vector Networks, Machine Learning 20.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Hinge()([1, -1], [0.5, -2.0], reduction="none")
    array([0.5, 0. ])
    """

    name = "hinge"
    definition = "max(1 - y*z, 0)"
    majorant = "1"
    y_domain = SIGNS

    def _kernel(self) -> tuple[str, Parameters]:
        return "Hinge", {"margin": 1.0}


class SquaredHinge(Pointwise):
    """Square of the hinge loss. At the margin the second derivative, which jumps, is 0.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SquaredHinge()([1, -1], [0.5, -2.0], reduction="none")
    array([0.25, 0.  ])
    """

    name = "squared_hinge"
    definition = "max(1 - y*z, 0)**2"
    majorant = "2"
    y_domain = SIGNS


class ModifiedHuber(Pointwise):
    """Squared hinge loss that is linear where y z < -1.

    The second derivative jumps at y z = -1, where it is 2, and at y z = 1, where it is 0.

    References
    ----------
    Zhang (2004), Solving Large Scale Linear Prediction Problems Using Stochastic Gradient Descent
    Algorithms, ICML.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.ModifiedHuber()([1, -1], [-2.0, -0.5], reduction="none")
    array([8.  , 0.25])
    """

    name = "modified_huber"
    definition = "max(1 - y*z, 0)**2 if y*z >= -1 else -4*y*z"
    majorant = "2"
    y_domain = SIGNS


class Exponential(Pointwise):
    """Exponential loss of AdaBoost.

    References
    ----------
    Friedman, Hastie and Tibshirani (2000), Additive Logistic Regression, Annals of Statistics 28.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Exponential()([1, -1], [0.0, 1.0], reduction="none")
    array([1.        , 2.71828183])
    """

    name = "exponential"
    definition = "exp(-y*z)"
    _link = HALF_LOGIT
    y_domain = SIGNS

    def _optimum(self, y: Any, w: Any) -> Any:
        return self._link.link(np.asarray(constants.mean(y > 0, w)), -1)


class Perceptron(Pointwise):
    """Perceptron loss of a raw score. At z = 0 the gradient is 0.

    References
    ----------
    Rosenblatt (1958), The Perceptron, Psychological Review 65.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Perceptron()([1, -1], [0.5, 2.0], reduction="none")
    array([0., 2.])
    """

    name = "perceptron"
    definition = "max(-y*z, 0)"
    majorant = "1"
    y_domain = SIGNS


class BinaryKL(OfMean):
    """Kullback-Leibler divergence of a predicted probability from a target probability.

    It is the log loss less the entropy of the target, and accurate where the two are close.

    References
    ----------
    Kullback and Leibler (1951), On Information and Sufficiency, Annals of Mathematical
    Statistics 22.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.BinaryKL()([0.5, 1.0], [0.25, 0.5], reduction="none")
    array([0.14384104, 0.69314718])
    """

    name = "binary_kl"
    definition = "(y*log(y/z) if y > 0 else 0) + ((1 - y)*(log1p(-y) - log1p(-z)) if y < 1 else 0)"
    majorant = "1/(z*(1 - z))"
    y_domain = UNIT
    z_domain = UNIT
