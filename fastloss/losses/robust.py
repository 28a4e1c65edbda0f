"""Robust losses for regression, in the scales of Barron (2019)."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from fastloss.domains import Domain
from fastloss.losses.base import Parameters
from fastloss.losses.learnable import Learnable

SCALE = Domain("[1e-15, 1e15]", low=1e-15, high=1e15)  # its square stays in float32's range


def _log_scale(c: float) -> float:
    """log(1 / (2 c**2)), which is what a huge residual's loss needs besides its own logarithm."""
    return -math.log(2) - 2 * math.log(c)


class _Robust(Learnable):
    """Barron's family of losses, each of a shape alpha and a scale c."""

    _alpha: ClassVar[float]  # of those that have no such parameter
    c: float

    def _shape(self) -> float:
        return self._alpha

    def _slope_kernel(self) -> tuple[str, Parameters]:
        alpha = min(max(self._shape(), -1e200), 1e200)  # which are as good as infinite
        alpha = alpha if abs(alpha) > 1e-30 else 1e-30  # or 0
        return "GeneralRobust", {"c": self.c, "power": alpha / 2, "width": abs(alpha - 2) or 1.0}

    def log_partition(self) -> tuple[float, dict[str, float]]:
        alpha = self._shape()
        if alpha < 0:
            raise ValueError(
                f"exp(-loss) of {self!r} has no finite integral: alpha must be at least 0; "
                f"got {alpha}"
            )
        value, by_alpha = _log_partition(GeneralRobust(alpha))
        derivatives = {"alpha": by_alpha, "c": 1 / self.c}
        return value + math.log(self.c), {name: derivatives[name] for name in self.parameters}


class _Scaled(_Robust):
    """What the losses with no parameter but a scale share."""

    _ranges = {"c": SCALE}

    def __init__(self, c: float = 1.0) -> None:
        self._set(c=c)


class Cauchy(_Scaled):
    """Cauchy (Lorentzian) loss.

    Parameters
    ----------
    c : float, default=1.0
        Scale: the gradient falls from a residual of sqrt(2) c on.

    References
    ----------
    Barron (2019), A General and Adaptive Robust Loss Function, CVPR.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Cauchy(c=2.0)([0.0, 0.0], [1.0, 100.0], reduction="none")
    array([0.11778304, 7.13169851])
    """

    name = "cauchy"
    definition = "log(((z - y)/c)**2/2 + 1)"
    majorant = "1/c**2/(((z - y)/c)**2/2 + 1)"
    _alpha = 0.0

    def _kernel(self) -> tuple[str, Parameters]:
        return "Cauchy", {"c": self.c, "log_scale": _log_scale(self.c)}


class GemanMcClure(_Scaled):
    """Geman-McClure loss, which tends to 2 far away.

    Parameters
    ----------
    c : float, default=1.0
        Scale.

    References
    ----------
    Barron (2019), A General and Adaptive Robust Loss Function, CVPR.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GemanMcClure(c=2.0)([0.0, 0.0], [1.0, 100.0], reduction="none")
    array([0.11764706, 1.99680511])
    """

    name = "geman_mcclure"
    definition = "2*((z - y)/c)**2/(((z - y)/c)**2 + 4)"
    majorant = "1/c**2/(((z - y)/c)**2/4 + 1)**2"
    _alpha = -2.0


class Welsch(_Scaled):
    """Welsch (Leclerc) loss, which tends to 1 far away.

    Parameters
    ----------
    c : float, default=1.0
        Scale.

    References
    ----------
    Barron (2019), A General and Adaptive Robust Loss Function, CVPR.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Welsch(c=2.0)([0.0, 0.0], [1.0, 100.0], reduction="none")
    array([0.1175031, 1.       ])
    """

    name = "welsch"
    definition = "1 - exp(-((z - y)/c)**2/2)"
    majorant = "exp(-((z - y)/c)**2/2)/c**2"
    _alpha = -math.inf


class GeneralRobust(_Robust):
    """Barron's general robust loss, of which many others are special cases.

    Parameters
    ----------
    alpha : float, default=1.0
        Shape: 2 is half the square, 1 the pseudo-Huber (Charbonnier) loss, 0 Cauchy, -2
        Geman-McClure, ``float("-inf")`` Welsch.
    c : float, default=1.0
        Scale: half the width of the quadratic bowl.

    References
    ----------
    Barron (2019), A General and Adaptive Robust Loss Function, CVPR, equation 8.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GeneralRobust(alpha=1.0)([0.0, 0.0], [1.0, 100.0], reduction="none")
    array([ 0.41421356, 99.00499988])
    """

    name = "general_robust"
    definition = (
        "((z - y)/c)**2/2 if alpha == 2 else log(((z - y)/c)**2/2 + 1) if alpha == 0 else "
        "1 - exp(-((z - y)/c)**2/2) if alpha == -inf else "
        "abs(alpha - 2)/alpha*((((z - y)/c)**2/abs(alpha - 2) + 1)**(alpha/2) - 1)"
    )
    majorant = (
        "1/c**2 if alpha == 2 else exp(-((z - y)/c)**2/2)/c**2 if alpha == -inf else "
        "(((z - y)/c)**2/abs(alpha - 2) + 1)**(alpha/2 - 1)/c**2"
    )
    _ranges = {"alpha": Domain("[-inf, inf)", open_high=True, infinite=True), "c": SCALE}
    alpha: float

    def __init__(self, alpha: float = 1.0, c: float = 1.0) -> None:
        self._set(alpha=alpha, c=c)

    def _shape(self) -> float:
        return self.alpha

    def _kernel(self) -> tuple[str, Parameters]:
        special: dict[float, str] = {
            2: "SquaredError",
            0: "Cauchy",
            -2: "GemanMcClure",
            -math.inf: "Welsch",
        }
        scale = 0.5 / self.c**2
        return special.get(self.alpha, "GeneralRobust"), {
            **self.parameters,
            "scale": scale,
            "log_scale": _log_scale(self.c),
        }


def _log_partition(loss: GeneralRobust) -> tuple[float, float]:
    """The logarithm of the integral of exp(-loss), of c = 1, and its derivative by alpha.

    By the trapezoidal rule in s, x = width sinh(s), which takes both the heavy tails of alpha = 0
    and the branch points of the loss at x = +-i sqrt(|alpha - 2|) far away.
    """
    if loss.alpha == 2:
        return math.log(2 * math.pi) / 2, -math.inf
    width = min(max(math.sqrt(abs(loss.alpha - 2)), 1e-8), 1.0)
    reach = 9.0 if loss.alpha > 2 else 1e18  # beyond, nothing is left
    s = np.linspace(0, math.asinh(reach / width), 512)
    x = width * np.sinh(s)
    y = np.zeros_like(x)
    density = np.exp(-loss(y, x, reduction="none")) * np.cosh(s)
    density[0] /= 2
    total = density.sum()
    slope = loss._slopes()["alpha"](y, x, reduction="none")
    return math.log(2 * width * s[1] * total), -float(density @ slope / total)
