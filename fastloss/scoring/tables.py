"""Files of predictions, read as a stream of NumPy batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastloss.tables import (
    Form,
    Piece,
    Reader,
    naming,
    npy_header,
    numbers_of,
    open_npy,
    open_npz,
    pieces,
    places_of,
    read_npy,
    read_npz,
    reader_of,
    size_of,
)

MISSING = "(missing)"

MAX_COUNTED = 1 << 20  # so many combinations of keys are counted, more are sorted

Label = str | int


@dataclass(frozen=True)
class Groups:
    """The group of each row: ``categories[codes[i]]``."""

    codes: NDArray[np.integer[Any]]
    categories: Sequence[Any]  # labels; of several keys together, tuples of them


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one file: its number columns and its key columns, by name."""

    path: str
    start: int  # rows of this file that came before
    rows: int
    numbers: Mapping[str, NDArray[Any]]
    keys: Mapping[str, Groups]
    done: float  # share of all files read so far

    @cached_property
    def groups(self) -> Groups | None:
        """The rows by all keys together: of several, the labels are tuples."""
        return combined([*self.keys.values()]) if self.keys else None


def combined(keys: Sequence[Groups]) -> Groups:
    """Rows grouped by several keys, by those combinations that occur."""
    first, *others = keys
    if not others:
        return first
    codes: NDArray[np.integer[Any]] = first.codes
    labels: list[Any] = [(label,) for label in first.categories]
    for key in others:
        width = len(key.categories)
        pairs = codes.astype(np.int64) * width + key.codes
        if len(labels) * width <= MAX_COUNTED:
            occurs = np.bincount(pairs, minlength=len(labels) * width) > 0
            found, codes = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[pairs]
        else:
            found, codes = np.unique(pairs, return_inverse=True)
        places = zip((found // width).tolist(), (found % width).tolist(), strict=True)
        labels = [(*labels[i], key.categories[k]) for i, k in places]
    return Groups(codes, labels)


def read(paths: Sequence[str], numbers: Sequence[str], by: Sequence[str] = ()) -> Iterator[Batch]:
    """Yield the rows of all files in turn. Without paths the columns are themselves .npy files.

    ``numbers`` are read as numbers, ``by`` as keys; a column may be both.
    """
    numbers = list(dict.fromkeys(numbers))
    columns: dict[str, Form] = dict.fromkeys(numbers, "number")
    columns |= dict.fromkeys([name for name in by if name not in columns], "label")
    sources: list[tuple[str, Reader, int]]
    if paths:
        readers = [reader_of(path) for path in paths]
        sources = [(path, read, size_of(path)) for path, read in zip(paths, readers, strict=True)]
    else:
        files = list(dict.fromkeys(name for name, _ in places_of(columns).values()))
        sources = [(", ".join(files), read_npy, sum(map(size_of, files)))]
    return map(lambda piece: _batch(piece, numbers, by), pieces(sources, columns))


def _batch(piece: Piece, numbers: Sequence[str], by: Sequence[str]) -> Batch:
    with naming(piece.path):
        return Batch(
            piece.path,
            piece.start,
            piece.rows,
            {name: numbers_of(name, piece.columns[name]) for name in numbers},
            {name: _groups(name, piece.columns[name]) for name in by},
            piece.done,
        )


def split_columns(paths: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names, with those of arrays of two axes in .npz and .npy files split into columns.

    An array ``p`` stands for ``p[0]``, ``p[1]``, ...; what the first file holds decides.
    """
    if paths and reader_of(paths[0]) is not read_npz:
        return list(names)
    for path in paths[:1] or names:
        size_of(path)
    with (
        naming(paths[0] if paths else ", ".join(names)),
        open_npz(paths[0], names) if paths else open_npy(names) as files,
    ):
        shapes = {name: npy_header(name, file)[0] for name, file in files.items()}
    found = []
    for name in names:
        _, *width = shapes[name]
        found += [f"{name}[{k}]" for k in range(width[0])] if width else [name]
    return found


def _groups(name: str, column: Any) -> Groups:
    """A column's distinct labels and each row's place among them."""
    if isinstance(column, np.ndarray):
        values, codes = np.unique(column, return_inverse=True)
        return Groups(codes, [_label(value) for value in values.tolist()])
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    labels = [_label(value) for value in column.dictionary.to_pylist()]
    codes = column.indices
    if codes.null_count:
        codes = codes.fill_null(len(labels))
        labels.append(MISSING)
    return Groups(numbers_of(name, codes), labels)


@lru_cache(1 << 16, typed=True)
def _label(value: object) -> Label:
    """A group by its name: an integer is the same as a number, of any type, and as text."""
    if value is None or value == "" or value != value:
        return MISSING
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"0|-?[1-9]\d{0,99}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else str(value)
