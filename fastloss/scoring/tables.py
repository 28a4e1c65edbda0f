"""Files of predictions, read as a stream of NumPy batches."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastloss.scoring.groups import MISSING, Found, Groups, Numeral, codes_in
from fastloss.tables import (
    Form,
    Piece,
    Source,
    TableError,
    first_rows,
    is_list,
    is_text,
    names_in,
    naming,
    npy_source,
    numbers_of,
    pieces,
)
from fastloss.tables.arrays import npy_header, open_npy, open_npz
from fastloss.tables.kinds import NPY, NPZ

Label = str | int


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
        if not self.keys:
            return None
        return Found.of(self.keys, (self.rows,))


def read(
    sources: Sequence[Source],
    numbers: Sequence[str],
    by: Sequence[str] = (),
    classes: Mapping[str, Sequence[Label]] | None = None,
) -> Iterator[Batch]:
    """Yield the rows of all files in turn. Without files the columns are themselves .npy files.

    ``numbers`` are read as numbers, ``by`` as keys; a column may be both. ``classes`` has the
    labels of columns that hold classes, which then become numbers.
    """
    classes = classes or {}
    numbers = list(dict.fromkeys(numbers))
    columns: dict[str, Form] = {name: "label" if name in classes else "number" for name in numbers}
    columns |= dict.fromkeys([name for name in by if name not in columns], "label")
    sources = sources or [npy_source(columns)]
    return map(lambda piece: _batch(piece, numbers, by, classes), pieces(sources, columns))


def _batch(
    piece: Piece, numbers: Sequence[str], by: Sequence[str], classes: Mapping[str, Sequence[Label]]
) -> Batch:
    with naming(piece.path):
        return Batch(
            piece.path,
            piece.start,
            piece.rows,
            {
                name: _places(piece, name, classes[name])
                if name in classes
                else numbers_of(name, piece.columns[name])
                for name in numbers
            },
            {name: _groups(name, piece.columns[name]) for name in by},
            piece.done,
        )


def split_columns(sources: Sequence[Source], names: Sequence[str]) -> list[str]:
    """The names, with those of columns whose rows are lists or arrays split into columns.

    Such a column ``p`` stands for ``p[0]``, ``p[1]``, ...; what the first file holds decides.
    """
    source = sources[0] if sources else npy_source(names)
    with naming(source.name):
        widths = _widths(source, names)
    found = []
    for name in names:
        width = widths.get(name)
        found += [name] if width is None else [f"{name}[{k}]" for k in range(width)]
    return found


def _widths(source: Source, names: Sequence[str]) -> dict[str, int]:
    """The lengths of the rows of those columns that have some."""
    if source.kind in (NPZ, NPY):
        with open_npz(source, names) if source.kind is NPZ else open_npy(names) as files:
            shapes = {name: npy_header(name, file)[0] for name, file in files.items()}
        return {name: shape[1] for name, shape in shapes.items() if len(shape) == 2}
    wide = _of_type(source, names, is_list)
    rows = first_rows(source, wide) if wide else {}
    return {name: _width(name, rows.get(name)) for name in wide}


def _of_type(source: Source, names: Sequence[str], is_type: Callable[[Any], bool]) -> list[str]:
    """Which of the columns of a file are there, and of a type."""
    found = [(field.name, field.type) for field in source.kind.schema(source)]
    return [name for name in names for other, type_ in found if other == name and is_type(type_)]


def _width(name: str, lists: Any) -> int:
    import pyarrow.compute as pc

    width = pc.max(pc.list_value_length(lists)).as_py() if lists is not None else None
    if not width:
        raise TableError(f"column {name!r} holds no numbers in the first rows")
    return int(width)


def class_labels(
    sources: Sequence[Source], y_true: str, y_pred: Sequence[str], given: str | None
) -> list[Label] | None:
    """The labels of the classes in a column, in the order of the columns of predictions.

    They are those that are given, or, if the column holds text, those that the columns of
    predictions are named by, as in p_cat,p_dog. None of a column of numbers.

    Raises
    ------
    TableError
        If the column holds text that no names of columns are, or there are more or fewer labels
        than classes.
    """
    if given is not None:
        labels = [_label(name) for name in names_in(given)]
        if MISSING in labels or len({*labels}) < len(labels):
            raise TableError(f"--classes {given}: labels must differ, and none be empty")
        if len(labels) != max(len(y_pred), 2):
            raise TableError(
                f"--classes {given}: {len(labels)} labels for {max(len(y_pred), 2)} classes"
            )
        return labels
    source = sources[0] if sources else npy_source([y_true])
    with naming(source.name):
        seen = _first_labels(source, y_true)
        if seen is None:
            return None
        for known in _named_by(y_pred):
            if seen <= {*known}:
                return known
        raise TableError(
            f"column {y_true!r} holds text, as {min(map(str, seen))!r}: say which class each of "
            "the columns of predictions is of, as in --classes cat,dog"
        )


def _first_labels(source: Source, name: str) -> set[Hashable] | None:
    """The labels in the first rows of a column of text."""
    if source.kind in (NPZ, NPY):
        with open_npz(source, [name]) if source.kind is NPZ else open_npy([name]) as files:
            _, dtype = npy_header(name, files[name])
        if dtype.kind not in "US":
            return None
        rows = next(pieces([source], {name: "label"})).columns
    else:
        if not _of_type(source, [name], is_text):
            return None
        rows = first_rows(source, [name])
    if name not in rows:
        return set()
    groups = _groups(name, rows[name])
    return {groups.categories[code] for code in np.unique(groups.codes)} - {MISSING}


def _named_by(names: Sequence[str]) -> Iterator[list[Label]]:
    """What the labels may be for which columns are named: all of a name, or what follows p_."""
    start = os.path.commonprefix([*names])
    for cut in [0, *(i + 1 for i, letter in enumerate(start) if letter == "_")]:
        yield [_label(name[cut:]) for name in names]


def _places(piece: Piece, name: str, labels: Sequence[Label]) -> NDArray[np.float64]:
    """The numbers of the classes that labels name; of a missing one it is NaN."""
    groups = _groups(name, piece.columns[name])
    known: dict[Hashable, float] = {label: float(place) for place, label in enumerate(labels)}
    known[MISSING] = np.nan
    places = np.array([known.get(label, -1.0) for label in groups.categories])
    numbers: NDArray[np.float64] = places[groups.codes]
    wrong = np.flatnonzero(numbers == -1)
    if len(wrong):
        label = groups.categories[groups.codes[wrong[0]]]
        shown = ", ".join(map(str, labels[:8])) + ", ..." * (len(labels) > 8)
        raise TableError(
            f"row {piece.start + wrong[0] + 1}: column {name!r} holds {label!r}, which is none of "
            f"the classes {shown}"
        )
    return numbers


def _groups(name: str, column: Any) -> Groups:
    """A column's distinct labels and each row's place among them."""
    if isinstance(column, np.ndarray):
        values, codes = np.unique(column, return_inverse=True)
        return Groups(codes, [_label(value) for value in values.tolist()])
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    labels = [_label(value) for value in column.dictionary.to_pylist()]
    return Groups(codes_in(column, len(labels)), [*labels, MISSING])


@lru_cache(1 << 16, typed=True)
def _label(value: object) -> Label:
    """A group by its name: an integer is the same as a number, of any type, and as text.

    Other numbers are texts that sort as numbers, so that 1.5 and 1.50 stay two.
    """
    if value is None or value == "" or value != value:
        return MISSING
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value)
    if re.fullmatch(r"0|-?[1-9]\d{0,99}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?(0|[1-9]\d{0,99})(\.\d+)?(e[+-]?\d{1,2})?", text, re.ASCII | re.IGNORECASE):
        return Numeral(text, float(text))
    return text
