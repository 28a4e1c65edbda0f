"""Squared distances of all rows from all points, a chunk of rows at a time: to compare them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[Any]


def compared(X: Array, points: Array, most: float, size: int) -> Iterator[tuple[slice, Array]]:
    """Some rows x, and numbers that are in the order of the distances of x from all points.

    They are products of matrices, in a buffer that is used again: |p - x|^2 without |x|^2. Which
    of two points is nearer may be decided by rounding if they are equally far. ``most`` is the
    largest absolute value in both arrays, ``size`` the number of rows at a time.
    """
    unit = _unit(most, X.dtype)
    # from the mean of the points, so that a common offset does not cost digits
    points = points * unit
    origin = points.mean(axis=0)
    points -= origin
    stretch = _unit(largest(points), X.dtype)
    points *= stretch
    squares = 0.5 / stretch * np.einsum("ij,ij->i", points, points)
    buffer = np.empty((min(size, len(X)), len(points)), X.dtype)
    for start in range(0, len(X), size):
        part = X[start : start + size]
        rows = (part if unit == 1 else part * unit) - origin
        distances = np.matmul(rows, points.T, out=buffer[: len(part)])
        np.subtract(squares, distances, out=distances)
        yield slice(start, start + len(part)), distances


def _unit(most: float, dtype: np.dtype[Any]) -> float:
    """A power of two to multiply numbers with so that squares neither over- nor underflow."""
    limits, exponent = np.finfo(dtype), math.frexp(most)[1]
    far = abs(exponent) > limits.maxexp // 4
    return math.ldexp(1, -max(exponent, int(limits.minexp))) if far else 1.0


def largest(array: Array) -> float:
    """The largest absolute value in an array."""
    return float(max(array.max(initial=0), -array.min(initial=0)))
