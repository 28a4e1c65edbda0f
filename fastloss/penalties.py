"""Penalties on parameters, to be added to a loss: value, gradient, and proximal step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import (
    group_prox,
    group_value,
    group_value_and_grad,
    input_array,
    penalty_grad,
    penalty_prox,
    penalty_value,
    penalty_value_and_grad,
)
from fastloss.described import Described, from_description, public_names
from fastloss.domains import INTEGERS, NONNEGATIVE
from fastloss.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]

_REGISTRY: Registry[Penalty] = Registry()


class Penalty(Described):
    """Base of all penalties: immutable, hashable, picklable.

    An objective is a loss of the data plus penalties of the parameters, their strengths being the
    lambdas; its gradient is the sum of theirs.

    Arrays ``w`` of parameters may have any shape. As with losses, float32 and float64 are computed
    in their own type, float16 and bfloat16 as float32, integers and booleans as float64; sums are
    float64; ``out`` is a writeable, C-contiguous array of the result's dtype and shape, and may be
    ``w`` itself.

    Examples
    --------
    Ridge regression is the squared error plus an L2 penalty:

    >>> import numpy as np
    >>> import fastloss as fl
    >>> X, y = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0])
    >>> loss, penalty = fl.SquaredError(), fl.penalties.L2(0.1)
    >>> def objective(w):
    ...     value, by_prediction = loss.value_and_grad(y, X @ w)
    ...     penalty_value, penalty_grad = penalty.value_and_grad(w)
    ...     return value + penalty_value, X.T @ by_prediction + penalty_grad
    >>> value, grad = objective(np.array([1.0, 2.0]))
    >>> value, grad
    (0.25, array([0.1, 0.2]))
    """

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            _REGISTRY.add(cls.name, cls)

    def value(self, w: ArrayLike) -> float:
        """Compute the penalty of parameters ``w``.

        Returns
        -------
        float
        """
        raise NotImplementedError

    def value_and_grad(self, w: ArrayLike, out: Array | None = None) -> tuple[float, Array]:
        """Compute the penalty and its gradient, written to ``out`` if it is given.

        Returns
        -------
        value : float
        grad : ndarray
            Of the shape of ``w``. At a kink it is the subgradient 0 of the part that has it.
        """
        raise NotImplementedError

    def grad(self, w: ArrayLike, out: Array | None = None) -> Array:
        """Compute the gradient alone, as `value_and_grad` does.

        Returns
        -------
        ndarray
        """
        return self.value_and_grad(w, out)[1]

    def prox(self, w: ArrayLike, step: float, out: Array | None = None) -> Array:
        """Compute the proximal step: ``argmin over v of ||v - w||**2/2 + step*value(v)``.

        Parameters
        ----------
        w : array_like
        step : float
            In [0, inf).
        out : ndarray, optional

        Returns
        -------
        ndarray
            Of the shape of ``w``.

        References
        ----------
        Parikh and Boyd (2014), Proximal Algorithms, Foundations and Trends in Optimization 1,
        section 6.5.
        """
        raise NotImplementedError


def from_dict(description: Mapping[str, Any]) -> Penalty:
    """Make the penalty that ``to_dict`` described.

    Examples
    --------
    >>> from fastloss.penalties import L1, from_dict
    >>> from_dict(L1(0.5).to_dict())
    L1(strength=0.5)
    """
    return from_description("penalty", _REGISTRY, description)


def __dir__() -> list[str]:
    return public_names(globals())


class _Elementwise(Penalty):
    """l1 * sum(abs(w)) + l2/2 * sum(w**2), in the compiled core."""

    l1: float
    l2: float

    def value(self, w: ArrayLike) -> float:
        return penalty_value(w, self.l1, self.l2)

    def grad(self, w: ArrayLike, out: Array | None = None) -> Array:
        return penalty_grad(w, self.l1, self.l2, out)

    def value_and_grad(self, w: ArrayLike, out: Array | None = None) -> tuple[float, Array]:
        return penalty_value_and_grad(w, self.l1, self.l2, out)

    def prox(self, w: ArrayLike, step: float, out: Array | None = None) -> Array:
        return penalty_prox(w, self.l1, self.l2, NONNEGATIVE.parameter("step", step), out)


@dataclass(frozen=True)
class L1(_Elementwise):
    """Sum of absolute values: ``strength * sum(abs(w))``.

    Its gradient at 0 is 0. Its proximal step moves each element by ``step * strength`` towards 0,
    and to 0 what is nearer (soft thresholding).

    Parameters
    ----------
    strength : float
        In [0, inf).

    Attributes
    ----------
    l1 : float
        The strength.
    l2 : float
        0.

    References
    ----------
    Tibshirani (1996), Regression Shrinkage and Selection via the Lasso, Journal of the Royal
    Statistical Society B 58.

    Examples
    --------
    >>> from fastloss.penalties import L1
    >>> L1(0.5).value_and_grad([3.0, 0.0, -1.0])
    (2.0, array([ 0.5,  0. , -0.5]))
    >>> L1(0.5).prox([3.0, 0.25, -1.0], step=1.0)
    array([ 2.5,  0. , -0.5])
    """

    name = "l1"
    strength: float

    _ranges = {"strength": NONNEGATIVE}
    l2 = 0.0

    @property
    def l1(self) -> float:  # type: ignore[override]
        """The strength."""
        return self.strength


@dataclass(frozen=True)
class L2(_Elementwise):
    """Half the sum of squares: ``strength/2 * sum(w**2)``, so that the gradient is ``strength*w``.

    Its proximal step divides by ``1 + step*strength``.

    Parameters
    ----------
    strength : float
        In [0, inf).

    Attributes
    ----------
    l1 : float
        0.
    l2 : float
        The strength.

    References
    ----------
    Hoerl and Kennard (1970), Ridge Regression: Biased Estimation for Nonorthogonal Problems,
    Technometrics 12.

    Examples
    --------
    >>> from fastloss.penalties import L2
    >>> L2(0.5).value_and_grad([3.0, 0.0, -1.0])
    (2.5, array([ 1.5,  0. , -0.5]))
    """

    name = "l2"
    strength: float

    _ranges = {"strength": NONNEGATIVE}
    l1 = 0.0

    @property
    def l2(self) -> float:  # type: ignore[override]
        """The strength."""
        return self.strength


@dataclass(frozen=True)
class ElasticNet(_Elementwise):
    """Both at once: ``l1 * sum(abs(w)) + l2/2 * sum(w**2)``.

    Its gradient at 0 is 0. Its proximal step is that of `L1`, divided by ``1 + step*l2``.

    Parameters
    ----------
    l1, l2 : float
        Strengths, in [0, inf).

    References
    ----------
    Zou and Hastie (2005), Regularization and Variable Selection via the Elastic Net, Journal of the
    Royal Statistical Society B 67.

    Examples
    --------
    >>> from fastloss.penalties import ElasticNet
    >>> ElasticNet(l1=0.5, l2=1.0).value_and_grad([3.0, 0.0, -1.0])
    (7.0, array([ 3.5,  0. , -1.5]))
    """

    name = "elastic_net"
    l1: float
    l2: float

    _ranges = {"l1": NONNEGATIVE, "l2": NONNEGATIVE}


@dataclass(frozen=True)
class GroupLasso(Penalty):
    """Sum of the Euclidean norms of groups of parameters: ``strength * sum(norm(w[g]) for g)``.

    It sends whole groups to 0. The gradient of a group at 0 is 0; elsewhere it is
    ``strength * w/norm(w)``. The proximal step multiplies a group by
    ``max(1 - step*strength/norm(w), 0)``. Groups count alike, whatever their size.

    Parameters
    ----------
    strength : float
        In [0, inf).
    axis : int, default=-1
        The elements along this axis are a group: with -1, those of each row of a matrix.
    groups : sequence of int, optional
        In place of an axis: the group of each element of a ``w`` of one axis, from 0 on.

    Notes
    -----
    Squares are summed as float64: the norm of a group is right if its elements are below 1e150 and
    one of them is above 1e-150, or all are 0.

    References
    ----------
    Yuan and Lin (2006), Model Selection and Estimation in Regression with Grouped Variables,
    Journal of the Royal Statistical Society B 68.

    Examples
    --------
    >>> from fastloss.penalties import GroupLasso
    >>> value, grad = GroupLasso(0.5).value_and_grad([[3.0, 4.0], [0.0, 0.0]])
    >>> value, grad
    (2.5, array([[0.3, 0.4],
           [0. , 0. ]]))
    >>> GroupLasso(1.0, groups=[0, 0, 1]).prox([3.0, 4.0, 0.5], step=1.0)
    array([2.4, 3.2, 0. ])
    """

    name = "group_lasso"
    strength: float
    axis: int = -1
    groups: tuple[int, ...] | None = None
    _codes: NDArray[np.intp] | None = field(init=False, repr=False, compare=False, default=None)
    _count: int = field(init=False, repr=False, compare=False, default=0)

    _ranges = {"strength": NONNEGATIVE, "axis": INTEGERS}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups is not None:
            codes = input_array(self.groups, "groups")
            if codes.ndim != 1 or (codes.dtype.kind not in "iu" and codes.size):
                raise TypeError(
                    f"groups must be a sequence of integers below 2**63; got {self.groups!r}"
                )
            for label in (codes.min(), codes.max()) if codes.size else ():
                if not 0 <= label < 2**63:
                    raise ValueError(f"groups must be in {{0, 1, ..., 2**63 - 1}}; got {label}")
            object.__setattr__(self, "groups", tuple(codes.tolist()))
            # places among the labels that occur: memory does not grow with the labels
            labels, places = np.unique(codes, return_inverse=True)
            object.__setattr__(self, "_codes", places)
            object.__setattr__(self, "_count", len(labels))

    def value(self, w: ArrayLike) -> float:
        return group_value(w, self.strength, self.axis, self._codes, self._count)

    def value_and_grad(self, w: ArrayLike, out: Array | None = None) -> tuple[float, Array]:
        return group_value_and_grad(w, self.strength, self.axis, self._codes, self._count, out)

    def prox(self, w: ArrayLike, step: float, out: Array | None = None) -> Array:
        strength = NONNEGATIVE.parameter("step", step) * self.strength
        return group_prox(w, strength, self.axis, self._codes, self._count, out)
