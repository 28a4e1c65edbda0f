"""Arrow and NumPy columns as numbers, and lists as columns side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastloss.tables.base import Forms, TableError, check_columns

Places = dict[str, tuple[str, int | None]]  # by column: what is read, and the place in its rows


def places_of(
    columns: Iterable[str], names: Container[str] = (), wide: Container[str] | None = None
) -> Places:
    """What each column is or is in, and its place there: p[1] is in p, unless p[1] is itself.

    ``wide`` are those whose rows have places, by default all.
    """
    found = {column: re.fullmatch(r"(.+)\[(\d+)\]", column) for column in columns}
    return {
        column: (match[1], int(match[2]))
        if match and column not in names and (wide is None or match[1] in wide)
        else (column, None)
        for column, match in found.items()
    }


def list_places(columns: Forms, schema: Any, others: Iterable[str]) -> Places:
    """The places of columns in a table with an Arrow schema; an error for one that is not there.

    It lists the ``others`` that there are, too.
    """
    wide = {field.name for field in schema if is_list(field.type)}
    places = places_of(columns, schema.names, wide)
    check_columns((name for name, _ in places.values()), [*schema.names, *others])
    return places


def is_list(type_: Any) -> bool:
    import pyarrow as pa

    kind = pa.types
    return bool(kind.is_list(type_) or kind.is_large_list(type_) or kind.is_fixed_size_list(type_))


def is_text(type_: Any) -> bool:
    """Whether columns of a type hold text, or categories that are text."""
    import pyarrow as pa

    kind = pa.types
    if kind.is_dictionary(type_):
        type_ = type_.value_type
    return bool(kind.is_string(type_) or kind.is_large_string(type_) or kind.is_string_view(type_))


def columns_of(batch: Any, places: Places, start: int) -> Mapping[str, Any]:
    """The columns of a batch, before which ``start`` rows came."""
    widths = Counter(name for name, place in places.values() if place is not None)
    wide = {name: _entries(name, batch.column(name), widths[name], start) for name in widths}
    return {
        column: batch.column(name) if place is None else wide[name][:, place]
        for column, (name, place) in places.items()
    }


def _entries(name: str, lists: Any, width: int, start: int) -> NDArray[Any]:
    """The numbers in a column of lists, a row each; of a missing list they are NaN."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(lists).fill_null(width).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(lengths != width)
    if len(wrong):
        raise TableError(
            f"row {start + wrong[0] + 1}: column {name!r} holds {lengths[wrong[0]]} numbers, not "
            f"{width}"
        )
    numbers = numbers_of(name, lists.flatten()).reshape(-1, width)
    if not lists.null_count:
        return numbers
    found = np.full((len(lists), width), np.nan)
    found[lists.is_valid().to_numpy(zero_copy_only=False)] = numbers
    return found


def numbers_of(name: str, column: Any) -> NDArray[Any]:
    """A column as NumPy numbers, without a copy where nothing is missing; nulls become NaN."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "biuf" or column.dtype.itemsize > 8:
            raise TableError(f"column {name!r} holds {column.dtype.name}, not numbers")
        return column
    import pyarrow as pa

    kind = pa.types
    if kind.is_dictionary(column.type) and not is_text(column.type):
        column = column.dictionary_decode()
    if kind.is_boolean(column.type) or kind.is_decimal(column.type) or kind.is_null(column.type):
        column = column.cast(pa.float64())
    if not (kind.is_integer(column.type) or kind.is_floating(column.type)):
        raise TableError(f"column {name!r} holds {column.type}, not numbers")
    if column.null_count:
        numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return numbers
    return np.from_dlpack(column)
