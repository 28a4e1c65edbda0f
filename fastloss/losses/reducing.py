"""Weights and reductions of losses that have no driver of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import DomainError
from fastloss.losses.links import real_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]


def check_reduction(reduction: str) -> None:
    """Raise unless it is the name of a reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction must be "mean", "sum" or "none"; got {reduction!r}')


def sample_weights(given: ArrayLike | None, n: int) -> NDArray[np.float64]:
    """A finite weight for each of n samples, in an array of its own."""
    if given is None:
        return np.ones(n)
    w = np.array(real_array(given, "sample_weight"), np.float64)
    if w.shape != (n,):
        raise ValueError(
            f"sample_weight must have a weight for each row, of shape ({n},); got {w.shape}"
        )
    bad = ~np.isfinite(w)
    if bad.any():
        i = int(bad.argmax())
        raise DomainError("sample_weight", (i,), w[i], "finite")
    return w


def divide_for_mean(weights: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """Weights by what they add up to, the total: sums of losses times these are means."""
    if not weights.any():
        raise ValueError(
            "the mean over nothing is undefined: there is no sample of non-zero weight "
            '(reduction="sum" gives 0.0)'
        )
    if not np.isfinite(total):
        raise ValueError("the sum of sample_weight overflows")
    if total == 0:
        raise ValueError("the mean is undefined: the weights add up to 0")
    return weights / total
