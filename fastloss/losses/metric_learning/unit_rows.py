"""Rows divided by their lengths, their products a chunk at a time, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastloss.losses.chunks import adding_product, rows_at_a_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]


class UnitRows:
    """Normalised rows, which take the memory of those that are given.

    Their length is 1/sqrt(temperature), so that their products are cosines over the temperature.
    A row of zeros stays one.
    """

    def __init__(self, rows: Array, temperature: float = 1.0) -> None:
        self.unit, self.temperature = rows, temperature
        self._by_unit: Array | None = None
        with np.errstate(all="ignore"):  # NaN and infinite rows are answered with NaN
            self._largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))
            self._largest[self._largest == 0] = 1
            self.unit /= self._largest[:, None]
            length = np.sqrt(_dots(self.unit, self.unit))
            self._inverse = np.where(length == 0, 0, 1 / (length * np.sqrt(temperature)))
            self.unit *= self._inverse.astype(rows.dtype)[:, None]

    def similarities(self, chunk_size: int | None) -> Iterator[tuple[slice, Array]]:
        """Some rows, and their products with all, in a buffer that is used again."""
        unit, n = self.unit, len(self.unit)
        chunk = rows_at_a_time(chunk_size, n, n * unit.dtype.itemsize)
        buffer = np.empty((chunk, n), unit.dtype)
        for start in range(0, n, chunk):
            part = slice(start, min(start + chunk, n))
            yield part, np.matmul(unit[part], unit.T, out=buffer[: part.stop - start])

    def pull_back(self, part: slice, by_similarity: Array) -> None:
        """Add what the products of some rows with all pass on of the derivatives by them."""
        unit, g = self.unit, by_similarity
        if self._by_unit is None:
            self._by_unit = np.zeros_like(unit)
            self._multiply = adding_product(unit)
        # by_unit[part] += g @ unit and by_unit += g.T @ unit[part]: transposed, in the order
        # that BLAS has, so that it adds in place
        total, multiply = self._by_unit, self._multiply
        multiply(1, unit.T, g.T, 1, total[part].T, overwrite_c=True)
        multiply(1, unit[part].T, g.T, 1, total.T, trans_b=True, overwrite_c=True)

    def gradient(self, divisor: float = 1.0) -> Array:
        """The derivatives by the rows that were given, divided; the last call."""
        unit, total = self.unit, self._by_unit
        if total is None:  # no rows
            return np.zeros_like(unit)
        unit *= (_dots(unit, total) * self.temperature).astype(unit.dtype)[:, None]
        total -= unit
        total *= (self._inverse / (self._largest * divisor)).astype(unit.dtype)[:, None]
        return total


def _dots(a: Array, b: Array) -> NDArray[np.float64]:
    """The product of each row of a with that of b."""
    products: NDArray[np.float64] = np.einsum("ij,ij->i", a, b, dtype=np.float64)
    return products
