"""Chunks of rows, where all at once would fill the memory: how many at a time, and their sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_BYTES = 1 << 26  # enough for matrix products to run at full speed


def check_chunk_size(size: object) -> None:
    """Raise if a parameter is neither None nor a number of rows."""
    if size is None:
        return
    if isinstance(size, bool) or not hasattr(size, "__index__"):
        raise TypeError(f"chunk_size must be an integer; got {size!r}")
    if size.__index__() < 1:
        raise ValueError(f"chunk_size must be at least 1; got {size}")


def rows_at_a_time(size: int | None, rows: int, row_bytes: int) -> int:
    """``size``, or as many rows as make `CHUNK_BYTES`; from 1 to all."""
    return max(1, min(size or CHUNK_BYTES // row_bytes, rows))


def adding_product(array: NDArray[Any]) -> Any:
    """BLAS's product of matrices of an array's dtype, which adds to what is there already."""
    # here, as importing it takes longer than importing fastloss
    from scipy.linalg.blas import (  # type: ignore[import-untyped, unused-ignore]
        get_blas_funcs,
    )

    return get_blas_funcs("gemm", (array,))
