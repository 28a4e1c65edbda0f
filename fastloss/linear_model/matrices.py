"""What holds the rows of a linear model: arrays of two axes, and sparse matrices by rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import Matrix, input_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_ROWS = 4096  # of which products are added together


def matrix_of(given: Any) -> tuple[Matrix, np.dtype[Any]]:
    """X as it is where that may be, or a copy in float64, or by rows; and its dtype."""
    if hasattr(given, "tocsr"):
        return _sparse(given.tocsr())
    X = input_array(given, "X")
    if X.ndim != 2:
        raise ValueError(f"X must have two axes, samples and features; got shape {X.shape}")
    if X.dtype.kind not in "iubf" or X.itemsize > 8:
        raise TypeError(f"X must hold real, integer or bool values; got dtype {X.dtype}")
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float32 if X.dtype == np.float16 else np.float64)
    X = X.astype(X.dtype.newbyteorder("="), copy=False)
    whole = all(stride % X.itemsize == 0 for stride in X.strides)
    # a single column whose numbers are apart is neither
    if not (X.flags.aligned and whole and X.itemsize in X.strides):
        X = np.ascontiguousarray(X)
    return Matrix(X), X.dtype


def gram(given: Any, factor: Array, intercept: bool) -> NDArray[np.float64]:
    """The sum of factor x x^T over the rows x of X, with a 1 behind each for an intercept.

    BLAS multiplies in the dtype of X; blocks of rows are added in float64.
    """
    X = given.tocsr() if hasattr(given, "tocsr") else np.asarray(given)
    d = X.shape[1]
    total = np.zeros((d + intercept, d + intercept))
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    positive = bool((factor >= 0).all())
    for first in range(0, len(factor), _ROWS):
        rows, f = X[first : first + _ROWS], factor[first : first + _ROWS].astype(dtype)
        if hasattr(rows, "multiply"):
            total[:d, :d] += (rows.T @ rows.multiply(f[:, np.newaxis])).toarray()
        elif positive:  # of a matrix with its own transpose, BLAS computes half
            root = rows * np.sqrt(f)[:, np.newaxis]
            total[:d, :d] += root.T @ root
        else:
            total[:d, :d] += rows.T @ (rows * f[:, np.newaxis])
        if intercept:
            total[:d, d] += rows.T @ f
            total[d, d] += f.sum(dtype=np.float64)
    if intercept:
        total[d] = total[:, d]
    return total


def spreads(X: Any) -> NDArray[np.float64]:
    """The standard deviation of each column; of one that does not vary, its size."""
    n = max(X.shape[0], 1)
    if hasattr(X, "multiply"):
        first, second = X.sum(axis=0) / n, X.multiply(X).sum(axis=0) / n
    else:
        first, second = X.mean(axis=0, dtype=np.float64), np.einsum("ij,ij->j", X, X) / n
    mean, square = (np.asarray(each, np.float64).ravel() for each in (first, second))
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.sqrt(np.maximum(square - mean**2, 1e-6 * square))
    return np.where(deviation > 0, deviation, deviation.mean() if deviation.size else 0.0)


def _sparse(X: Any) -> tuple[Matrix, np.dtype[Any]]:
    dtype = X.data.dtype if X.data.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    wide = np.int64 if X.indptr.dtype == np.int64 else np.int32
    parts = (
        np.ascontiguousarray(X.data, dtype),
        np.ascontiguousarray(X.indptr, wide),
        np.ascontiguousarray(X.indices, wide),
    )
    starts, columns = parts[1], parts[2]
    n, d = X.shape
    if columns.size and not (0 <= columns.min() and columns.max() < d):
        raise ValueError(f"the indices of X must be from 0 to {d - 1}, of its columns")
    there = min(columns.size, parts[0].size)
    if starts[0] != 0 or starts[-1] > there or (np.diff(starts) < 0).any():
        raise ValueError("the indptr of X must grow from 0 to the number of its elements")
    return Matrix(*parts, d), dtype
