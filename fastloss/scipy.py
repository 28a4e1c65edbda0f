"""Robust losses for ``scipy.optimize.least_squares``.

Examples
--------
>>> import numpy as np
>>> from scipy.optimize import least_squares
>>> from fastloss.losses import Welsch
>>> from fastloss.scipy import rho
>>> t = np.linspace(0.0, 1.0, 50)
>>> y = 3.0 * t + 1.0
>>> y[::5] += 10.0
>>> def residuals(x):
...     return x[0] * t + x[1] - y
>>> least_squares(residuals, [1.0, 1.0], loss=rho(Welsch()), f_scale=2.0).x.round(3)
array([3., 1.])
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.losses.base import Loss, Pointwise, as_loss
from fastloss.losses.residuals import depends_on_residual, is_symmetric

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["rho"]


def rho(loss: str | Loss) -> Rho:
    """Make of a loss what ``scipy.optimize.least_squares`` takes as ``loss=``.

    SciPy minimises half the sum of rho((f / f_scale)**2) over the residuals f. With l the loss as a
    function of the residual r, rho(z) is ::

        2*l(r)/l''(0), with r = sqrt(z)

    which is z to first order, whatever the scale of the loss.

    Parameters
    ----------
    loss : str or Loss
        A loss of the residual z - y alone, the same for both signs, whose second derivative at 0 is
        positive: as `Huber`, `LogCosh`, `Cauchy`, `Welsch` or `GeneralRobust`.

    Returns
    -------
    callable
        Of z, an array_like of shape (m,) of numbers from 0 on, it gives a new float64 array of
        shape (3, m): rho and its first and second derivative by z.

    Raises
    ------
    ValueError
        If the loss is not such a one, or there is none of this name.
    TypeError
        If it is no loss at all.

    Notes
    -----
    ``least_squares(method="lm")`` takes no loss but "linear"; "trf" and "dogbox" do.

    References
    ----------
    Triggs, McLauchlan, Hartley and Fitzgibbon, "Bundle Adjustment: A Modern Synthesis" (2000).

    Examples
    --------
    >>> from fastloss.losses import Huber
    >>> from fastloss.scipy import rho
    >>> rho(Huber())([0.0, 0.25, 4.0])
    array([[ 0.    ,  0.25  ,  3.    ],
           [ 1.    ,  1.    ,  0.5   ],
           [ 0.    ,  0.    , -0.0625]])
    """
    loss = as_loss(loss)
    if not depends_on_residual(loss):
        raise ValueError(f"loss must be one of the residual z - y alone; got {loss!r}")
    if not is_symmetric(loss):
        raise ValueError(f"loss must be the same for both signs of the residual; got {loss!r}")
    zero = np.zeros(1)
    curvature = float(loss.grad_and_hess(zero, zero, reduction="none")[1][0])
    if not 0 < curvature < math.inf:
        raise ValueError(
            f"loss must have a positive second derivative at a residual of 0; that of {loss!r} is "
            f"{curvature}"
        )
    return Rho(loss, curvature)


@dataclass(frozen=True)
class Rho:
    """What `rho` makes."""

    loss: Pointwise
    curvature: float  # the second derivative at a residual of 0

    def __call__(self, z: ArrayLike) -> NDArray[np.float64]:
        z = np.asarray(z, np.float64)
        r = np.sqrt(z)
        zeros = np.broadcast_to(0.0, r.shape)
        result = np.empty((3, *z.shape))
        self.loss.value_and_grad(zeros, r, reduction="none", out=(result[0], result[1]))
        result[0] *= 2 / self.curvature
        result[1] /= self.curvature
        # the gradient is as good as linear where r**2 vanishes
        result[1] = np.divide(result[1], r, out=np.ones_like(r), where=r != 0)
        result[2] = self._second(z, r, result[1])
        return result

    def _second(self, z: Any, r: Any, first: Any) -> Any:
        """The second derivative; in forms that keep their digits near 0, where it is known.

        It is (l''(r)/l''(0) - first)/(2*z), a difference of two numbers near 1.
        """
        kernel, parameters = self.loss._kernel()  # which users' subclasses share
        alphas = {"Cauchy": 0.0, "GemanMcClure": -2.0, "Welsch": -math.inf}
        alpha = parameters["alpha"] if kernel == "GeneralRobust" else alphas.get(kernel)
        if alpha is not None:
            return _of_general_robust(z, first, alpha, parameters["c"])
        if kernel == "LogCosh":
            return _of_log_cosh(z, r, first)
        return self._of_pieces(z, r, first)

    def _of_pieces(self, z: Any, r: Any, first: Any) -> Any:
        """Of pieces of squares and lines: exactly 0 in a square around 0."""
        hess = self.loss.grad_and_hess(np.zeros_like(r), r, reduction="none")[1]
        difference = np.where(hess == self.curvature, 0.0, hess / self.curvature - first)
        return np.divide(difference, 2 * z, out=np.zeros_like(z), where=difference != 0)


def _of_general_robust(z: Any, first: Any, alpha: float, c: float) -> Any:
    sign = -0.5 if alpha < 2 else 0.5
    with np.errstate(over="ignore"):
        return sign / c**2 * first / (1 + z / (c**2 * abs(alpha - 2)))


_SERIES = [6 / math.factorial(2 * k + 3) for k in range(12)][::-1]


def _of_log_cosh(z: Any, r: Any, first: Any) -> Any:
    """(1/cosh(r)**2 - tanh(r)/r)/(2*z), below 1 by the series of (sinh(x) - x)/x**3, x = 2*r."""
    near = np.minimum(r, 1.0)
    series = -np.polyval(_SERIES, 4 * near * near) / (3 * np.cosh(near) ** 2)
    far = np.maximum(r, 1.0)
    with np.errstate(over="ignore"):
        rest = (1 / np.cosh(far) ** 2 - first) / (2 * far * far)
    return np.where(r < 1, series, rest)
