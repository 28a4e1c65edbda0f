"""Weights of rows: checked, and what they make of the losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss import _core
from fastloss.losses.regression import AbsoluteError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Doubles = NDArray[np.float64]

_ABSOLUTE = AbsoluteError()  # of losses it is themselves, and its derivative by them is 1


def row_weights(given: ArrayLike | None, n: int) -> Doubles:
    """A weight for each of n rows: those that are given, checked, or ones."""
    if given is None:
        return np.ones(n)
    weights = _core.input_array(given, "sample_weight")
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight must have a weight for each row, of shape ({n},); got {weights.shape}"
        )
    return _slopes(weights, "sum")


def reduced(losses: Doubles, weights: Doubles, reduction: str) -> Any:
    """What losses of at least 0 make together."""
    return _ABSOLUTE(np.zeros_like(losses), losses, sample_weight=weights, reduction=reduction)


def factors(weights: Doubles, reduction: str) -> Doubles:
    """The derivatives of `reduced` by the losses."""
    return _slopes(weights, reduction)


def _slopes(weights: NDArray[Any], reduction: str) -> Doubles:
    zeros, slopes = np.zeros(len(weights)), np.ones(len(weights))
    _ABSOLUTE.grad(zeros, slopes, sample_weight=weights, reduction=reduction, out=slopes)
    return slopes
