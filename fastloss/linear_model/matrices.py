"""What holds the rows of a linear model: arrays of two axes, and sparse matrices by rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastloss._core import Matrix, input_array


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
    if starts[0] != 0 or starts[-1] > columns.size or (np.diff(starts) < 0).any():
        raise ValueError("the indptr of X must grow from 0 to the number of its elements")
    return Matrix(*parts, d), dtype
