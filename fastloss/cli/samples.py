"""Files that together are a table, and its columns as samples of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.cli.errors import Failure
from fastloss.tables import (
    Forms,
    Options,
    Piece,
    TableError,
    check_columns,
    has_types,
    names_in,
    naming,
    numbers_of,
    open_sources,
    pieces,
    schema_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SHOWN = 8  # names in a message


class Table:
    """Files that together are one table; the first says which columns there are, in what order.

    Parameters
    ----------
    paths : sequence of str
        Files that have columns with types, or text; at least one.
    options : Options
        How text is read.
    wanted : sequence of str
        Columns that there must be.

    Attributes
    ----------
    paths : list of str
        The files: of folders, those that are in them.
    """

    def __init__(self, paths: Sequence[str], options: Options, wanted: Sequence[str]) -> None:
        try:
            self.sources = open_sources(paths, options, wanted, again=True)
            self.schemas = [schema_of(source) for source in self.sources]
        except TableError as error:
            raise Failure(str(error)) from error
        self.paths = [source.name for source in self.sources]
        self.names: list[str] = self.schemas[0].names

    def chosen(self, option: str, patterns: str) -> list[str]:
        """The columns that patterns with commas between them name, in their own order."""
        found = set()
        for pattern in names_in(patterns):
            fits = [pattern] if pattern in self.names else self._like(pattern)
            if not fits:
                raise Failure(
                    f"{option} {pattern}: {self.paths[0]} has no such column; its columns are: "
                    f"{listed(self.names)}"
                )
            found.update(fits)
        return [name for name in self.names if name in found]

    def _like(self, pattern: str) -> list[str]:
        return [name for name in self.names if fnmatchcase(name, pattern)]

    def type_of(self, name: str) -> Any:
        """The type of a column in the first file."""
        return self.schemas[0].field(name).type

    def check_columns(self, names: Sequence[str]) -> None:
        """An error for a column that a file lacks, with those that it may be."""
        for path, schema in zip(self.paths, self.schemas, strict=True):
            try:
                with naming(path):
                    check_columns(names, schema.names)
            except TableError as error:
                raise Failure(str(error)) from error

    def check_there(self, names: Sequence[str], what: str) -> None:
        """An error that lists which of the columns a file lacks."""
        for path, schema in zip(self.paths, self.schemas, strict=True):
            there = {*schema.names}
            missing = [name for name in names if name not in there]
            if missing:
                raise Failure(f"{path}: {what} {listed(missing)} {_is(missing)} not there")

    def check_numbers(self, names: Sequence[str]) -> None:
        """An error for a column that holds anything but numbers.

        Of text reading tells, with the row.
        """
        for source, schema in zip(self.sources, self.schemas, strict=True):
            for name in names:
                type_ = schema.field(name).type
                if has_types(source) and not is_number(type_):
                    raise Failure(f"{source.name}: column {name!r} holds {type_}, not numbers")

    def dtype(self, names: Sequence[str]) -> Any:
        """float32 if it holds all numbers of the columns as they are, else float64."""
        types = {schema.field(name).type for schema in self.schemas for name in names}
        return np.float32 if all(map(_is_short, types)) else np.float64

    def pieces(self, columns: Forms) -> Iterator[Piece]:
        """Yield the rows of all files in turn."""
        return pieces(self.sources, columns)


def is_number(type_: Any) -> bool:
    """Whether columns of a type are numbers, or true and false, or all missing."""
    import pyarrow as pa

    kind = pa.types
    return bool(
        kind.is_integer(type_)
        or kind.is_floating(type_)
        or kind.is_boolean(type_)
        or kind.is_decimal(type_)
        or kind.is_null(type_)
    )


def _is_short(type_: Any) -> bool:
    import pyarrow as pa

    return type_ in (
        pa.float16(), pa.float32(), pa.bool_(), pa.int8(), pa.uint8(), pa.int16(), pa.uint16(),
    )  # fmt: skip


def fill(X: Array, piece: Piece, names: Sequence[str]) -> Array:
    """Write a piece's columns side by side into an array; an error unless all are finite."""
    for j, name in enumerate(names):
        X[:, j] = column(piece, name)
    if not np.isfinite(X).all():
        row, j = np.argwhere(~np.isfinite(X))[0]
        raise refusal(piece, row, names[j], X[row, j])
    return X


def column(piece: Piece, name: str) -> Array:
    """A column of numbers; missing ones are NaN."""
    with naming(piece.path):
        return numbers_of(name, piece.columns[name])


def refusal(piece: Piece, row: int, name: str, value: float, why: str = "is not finite") -> Failure:
    """The error that names file, row and column of a value."""
    place = f"{piece.path}: row {piece.start + row + 1}: column {name!r}"
    if np.isnan(value):
        return Failure(f"{place} is missing or NaN")
    return Failure(f"{place} = {value:.15g} {why}")


def listed(names: Sequence[str]) -> str:
    """The first of some names, for a message."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
