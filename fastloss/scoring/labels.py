"""Labels of groups as columns of tables: one for each key, of one type."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastloss.scoring.groups import MISSING

if TYPE_CHECKING:
    import polars as pl  # type: ignore[import-not-found, unused-ignore]
    import pyarrow as pa

    Keys = dict[str, tuple[list[Any], str]]  # values of each key, and their type, as of `typed`


def parts_of(label: Hashable) -> tuple[Hashable, ...]:
    """A label by each key."""
    return label if isinstance(label, tuple) else (label,)


def plain(label: Hashable) -> Hashable:
    """A label without an order of its own."""
    return str(label) if isinstance(label, str) else label


def typed(labels: Iterable[Hashable]) -> tuple[list[Any], str]:
    """Labels of one key as values of one type, or None where missing; and the type.

    This is "text", "uint64" where int64 is too narrow, or "own": what the values say themselves.
    Integers among floats are floats, and other mixtures, and integers of more bits, are text.
    """
    values: list[Any] = [None if label == MISSING else plain(label) for label in labels]
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values], "own"
    if kinds == {int} and not -(2**63) <= min(there) <= max(there) < 2**63:
        if 0 <= min(there) and max(there) < 2**64:
            return values, "uint64"
    elif len(kinds) == 1 and str not in kinds:
        return values, "own"
    return [None if value is None else str(value) for value in values], "text"


def column_names(keys: Sequence[str], labels: Sequence[Hashable], nameless: str) -> Sequence[str]:
    """The keys of labels, or words for several that have no names."""
    count = n_keys(labels)
    return keys or ([nameless] if count == 1 else [f"key {k + 1}" for k in range(count)])


def n_keys(labels: Sequence[Hashable]) -> int:
    """How many keys labels are of."""
    return len(parts_of(labels[0])) if labels else 1


def total_label(labels: Iterable[Hashable], name: str = "all") -> str:
    """What a row beside those of the labels is called: its name, in brackets if that is one."""
    taken = {str(part) for label in labels for part in parts_of(label)}
    while name in taken:
        name = f"({name})"
    return name


def names_beside(
    keys: Sequence[str], labels: Sequence[Hashable], others: Iterable[str]
) -> Sequence[str]:
    """Names of the columns of keys; an error if one is that of another column."""
    names = column_names(keys, labels, "group")
    for name in names:
        if name in others:
            raise ValueError(f"the key {name!r} has the name of a column of scores; rename it")
    return names


def key_columns(keys: Sequence[str], labels: Sequence[Hashable], others: Iterable[str]) -> Keys:
    """Labels as a column for each key, by name."""
    names = names_beside(keys, labels, others)
    columns = zip(*map(parts_of, labels), strict=True)
    return {name: typed(column) for name, column in zip(names, columns, strict=True)}


def polars_frame(method: str, keys: Keys, columns: Mapping[str, Any]) -> pl.DataFrame:
    """A frame of keys and of other columns."""
    polars = library("polars", method)
    dtypes = {"text": polars.String, "uint64": polars.UInt64, "own": None}
    found = [polars.Series(name, labels, dtypes[of]) for name, (labels, of) in keys.items()]
    found += [polars.Series(*column) for column in columns.items()]
    frame: pl.DataFrame = polars.DataFrame(found)
    return frame


def arrow_table(method: str, keys: Keys, columns: Mapping[str, Any]) -> pa.Table:
    """A table of keys and of other columns."""
    arrow = library("pyarrow", method)
    types = {"text": arrow.string(), "uint64": arrow.uint64(), "own": None}
    found = {name: arrow.array(labels, types[of]) for name, (labels, of) in keys.items()}
    table: pa.Table = arrow.table({**found, **columns})
    return table


def library(name: str, method: str) -> Any:
    """A library that only one method needs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{method} needs {name}: pip install {name}") from error
