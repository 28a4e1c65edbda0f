"""Losses whose samples are not a target and a prediction each: what their methods share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from fastloss import _core
from fastloss._core import DomainError
from fastloss.domains import Ranged
from fastloss.losses.links import IDENTITY, Link, real_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Reals: TypeAlias = "NDArray[np.floating[Any]]"
Doubles: TypeAlias = "NDArray[np.float64]"
Outputs: TypeAlias = "Reals | Sequence[Reals | None] | None"
Reduction: TypeAlias = Literal["mean", "sum", "none"]

# the samples, and what their values, gradients and Hessians are, those of the sum over all
Part: TypeAlias = tuple[slice, Doubles, "Doubles | None", "Doubles | None"]

VALUE, GRAD, HESS = range(3)  # how many derivatives are asked for

_REDUCTIONS = ("mean", "sum", "none")


class Weights:
    """Weights of a call: checked, in float64; of a call without, ones that take no room."""

    @np.errstate(over="ignore")  # of their sum
    def __init__(self, given: ArrayLike | None, count: int, what: str) -> None:
        self.given = given is not None
        if given is None:
            self.each: Doubles = np.broadcast_to(np.float64(1), (count,))
            self.total, self.counted = float(count), count
            return
        each = real_array(given, "sample_weight")
        if each.shape != (count,):
            raise ValueError(f"sample_weight must have shape ({count},), {what}; got {each.shape}")
        refuse(~np.isfinite(each), "sample_weight", each, "finite")
        self.each = np.ascontiguousarray(each, np.float64)
        self.total, self.counted = float(self.each.sum()), int(np.count_nonzero(self.each))

    def divisor(self, reduction: Reduction) -> float:
        """What the sum is divided by."""
        if reduction not in _REDUCTIONS:
            raise ValueError(f'reduction must be "mean", "sum" or "none"; got {reduction!r}')
        if reduction != "mean":
            return 1.0
        if not self.counted:
            raise ValueError(
                "the mean over nothing is undefined: there is no sample of non-zero weight "
                '(reduction="sum" gives 0.0)'
            )
        if self.total == 0:
            raise ValueError("the mean is undefined: the weights add up to 0")
        if not math.isfinite(self.total):
            raise ValueError("the sum of sample_weight overflows")
        return self.total


def refuse(outside: Any, name: str, array: NDArray[Any], domain: str) -> None:
    """Raise an error of the first number that is outside of its domain."""
    if outside.any():
        index = tuple(map(int, np.argwhere(outside)[0]))
        raise DomainError(name, index, array[index], domain)


def scores(y_pred: ArrayLike) -> Reals:
    """Predictions of one axis, in float32 or float64 as given."""
    z: Reals = real_array(y_pred, "y_pred")
    if z.ndim != 1:
        raise ValueError(f"y_pred must have shape (n,); got {z.shape}")
    return z


def double(array: NDArray[Any]) -> Doubles:
    """In one piece and in float64, so that bits depend on no layout."""
    return np.ascontiguousarray(array, np.float64)


class Together(Ranged):
    """Base of frozen dataclasses that are losses of samples with more than a target each."""

    _link: ClassVar[Link] = IDENTITY

    def inverse_link(self, z: ArrayLike) -> Reals:
        """Compute what predictions mean.

        Parameters
        ----------
        z : array_like

        Returns
        -------
        ndarray
        """
        return self._link.inverse(real_array(z, "z"), -1)

    def _parts(self, given: Any, z: Reals, weights: Weights, order: int) -> Iterator[Part]:
        """Weighted values of some samples each, and derivatives by their predictions."""
        raise NotImplementedError

    @np.errstate(all="ignore")
    def _reduced(
        self,
        given: Any,
        arrays: Sequence[NDArray[Any]],
        z: Reals,
        weights: Weights,
        reduction: Reduction,
        order: int,
        out: Outputs = None,
    ) -> tuple[Any, ...]:
        """The value and ``order`` derivatives, into arrays that overlap none of ``arrays``."""
        divisor = weights.divisor(reduction)
        outs = _outputs(out, order, z, arrays)
        values = np.empty(len(weights.each), z.dtype) if reduction == "none" else None
        sums = []
        for where, value, *derivatives in self._parts(given, z, weights, order):
            if values is None:
                sums.append(float(value.sum()))
            else:
                values[where] = value
            for array, found in zip(outs, derivatives, strict=False):
                assert found is not None
                np.divide(found, divisor, out=array[where], casting="same_kind")
        total = math.fsum(sums) / divisor if np.isfinite(sums).all() else sum(sums) / divisor
        return (total if values is None else values, *outs)


def _outputs(
    out: Outputs, count: int, z: Reals, arrays: Sequence[NDArray[Any]]
) -> tuple[Reals, ...]:
    """Arrays for the derivatives: the caller's, or new."""
    given: Any = out
    if count == HESS:
        outs = _core.row_outputs(given, [z, z], z.dtype)
    else:
        outs = (_core.output_array(out, z, "y_pred"),) if count else ()
    for one in outs if out is not None else ():
        same = one.ctypes.data == z.ctypes.data and one.strides == z.strides
        if not same and np.may_share_memory(one, z):
            raise ValueError("out overlaps y_pred in memory; it may be the whole of it")
        if any(np.may_share_memory(one, array) for array in arrays):
            raise ValueError("out overlaps another argument in memory")
    return tuple(outs)
