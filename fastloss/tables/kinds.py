"""The kinds of files, and the rows of several files as one stream."""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastloss.tables import arrays, arrow, delimited, jsonlines
from fastloss.tables.base import Form, Forms, Part, TableError, check_columns, naming
from fastloss.tables.columns import places_of
from fastloss.tables.sources import COMPRESSED, Options, Source, is_url, sources_of, stem


class Kind(NamedTuple):
    """A kind of file.

    Parameters
    ----------
    read : callable
        Takes a source and the wanted columns; for some rows at a time it yields them, and the share
        of the file that was read.
    schema : callable, optional
        The names and types of all columns, as pyarrow has them.
    guess : TextGuess, optional
        Of text, which has no types of its own and may come from a pipe.
    magic : bytes
        How files of this kind begin.
    """

    read: Callable[[Source, Forms], Iterator[Part]]
    schema: Callable[[Source], Any] | None = None
    guess: TextGuess | None = None
    magic: bytes = b""


class TextGuess(NamedTuple):
    """What can be known of text before it is read.

    Parameters
    ----------
    first : callable
        The first rows, all columns, of a source.
    read_as : callable
        The type that a column is read as, given that of the first rows and a form.
    """

    first: Callable[[Source], Any]
    read_as: Callable[[Any, Form], Any]


DELIMITED = Kind(
    delimited.read_delimited,
    delimited.delimited_schema,
    TextGuess(delimited.first_rows, delimited.read_as),
)
JSON_LINES = Kind(
    jsonlines.read_json_lines,
    jsonlines.json_schema,
    TextGuess(jsonlines.first_rows, jsonlines.read_as),
    magic=b"{",
)
PARQUET = Kind(arrow.read_parquet, arrow.parquet_schema, magic=b"PAR1")
ORC = Kind(arrow.read_orc, arrow.orc_schema, magic=b"ORC")
ARROW = Kind(arrow.read_arrow, arrow.arrow_schema, magic=b"ARROW1")
ARROW_STREAM = Kind(arrow.read_arrow, arrow.arrow_schema, magic=b"\xff\xff\xff\xff")
NPZ = Kind(arrays.read_npz, magic=b"PK")
NPY = Kind(lambda source, columns: arrays.read_npy(columns))

KINDS: dict[str, Kind] = {
    ".csv": DELIMITED,
    ".tsv": DELIMITED,
    ".txt": DELIMITED,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".orc": ORC,
    ".feather": ARROW,
    ".arrow": ARROW,
    ".arrows": ARROW_STREAM,
    ".ipc": ARROW,
    ".npz": NPZ,
}


def open_sources(
    names: Iterable[str],
    options: Options | None = None,
    wanted: Iterable[str] = (),
    *,
    again: bool = False,
) -> list[Source]:
    """The files that names stand for, each of which is there and of a kind that is read here.

    Columns that are ``wanted`` help to see what is between them. What comes from a pipe is copied
    to a file if it is to be read ``again``, or not in order.
    """
    names = list(names)
    if Counter(names)["-"] > 1:
        raise TableError("-: standard input can be read only once")
    found: list[Source] = []
    for name in names:
        if not (name == "-" or is_url(name) or os.path.exists(name)):
            with naming(name):
                kind_named(name)  # of what is not read here it does not matter that it is missing
        found += sources_of(name, options or Options())
    for source in found:
        with naming(source.name):
            source.kind = _kind_of(source)
            if source.pipe is not None and (again or source.kind.guess is None):
                source.keep()
            if source.kind is DELIMITED:
                inner = {*wanted}.difference(source.keys)
                source.options = delimited.settled(source, inner)
    return found


def _kind_of(source: Source) -> Kind:
    """The kind of a source; an error if nothing is in it."""
    if source.pipe is None:
        kind = kind_named(source.name)
        if not source.size:
            raise TableError("the file is empty")
        return kind
    if not source.head(1):
        raise TableError("the pipe is empty")
    return _by_ending(source.name) or kind_begun(source.head(64))


def kind_named(name: str) -> Kind:
    """The kind by the ending of a name."""
    kind = _by_ending(name)
    if kind is not None:
        return kind
    if stem(name).endswith(".npy"):
        raise TableError("name .npy files as the columns: --y-true y.npy --y-pred p.npy")
    raise TableError(f"not a file type that is read here {_listed(KINDS)}")


def _by_ending(name: str) -> Kind | None:
    return next((kind for ending, kind in KINDS.items() if stem(name).endswith(ending)), None)


def _listed(suffixes: Iterable[str]) -> str:
    return f"({', '.join(suffixes)}; with {', '.join(COMPRESSED)} too)"


def kind_begun(start: bytes) -> Kind:
    """The kind by the first bytes, for pipes, whose names say nothing."""
    if start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(JSON_LINES.magic):
        return JSON_LINES
    if re.search(rb"[\x00-\x08\x0e-\x1f]", start):  # no text, whose first column may be named PK
        for kind in (PARQUET, ORC, ARROW, ARROW_STREAM, NPZ):
            if start.startswith(kind.magic):
                return kind
    return DELIMITED


def npy_source(columns: Iterable[str]) -> Source:
    """.npy files that are the columns of one table."""
    files = list(dict.fromkeys(name for name, _ in places_of(columns).values()))
    size = 0
    for file in files:
        for source in sources_of(file, Options()):
            size += source.size
            if not source.size:
                raise TableError(f"{file}: the file is empty")
    return Source(", ".join(files), "", size=size, kind=NPY)


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of one file: Arrow or NumPy arrays by column name."""

    path: str
    start: int  # rows of this file that came before
    rows: int
    columns: Mapping[str, Any]
    done: float  # share of all files read so far


def pieces(sources: Sequence[Source], columns: Forms) -> Iterator[Piece]:
    """Yield the rows of all files in turn."""
    total = max(sum(source.size for source in sources), 1)
    before = 0
    for source in sources:
        start = 0
        with naming(source.name):
            for part, share in read(source, columns):
                rows = len(next(iter(part.values())))
                yield Piece(source.name, start, rows, part, (before + share * source.size) / total)
                start += rows
        before += source.size


def read(source: Source, columns: Forms) -> Iterator[Part]:
    """The rows of a file, with the columns that the names of its folders hold."""
    inner = {name: form for name, form in columns.items() if name not in source.keys}
    outer = {name: form for name, form in columns.items() if name in source.keys}
    if not inner:
        raise TableError(f"{', '.join(outer)}: the file itself holds none of the columns")
    for part, share in source.kind.read(source, inner):
        rows = len(next(iter(part.values())))
        keys = {name: _key(name, form, source.keys[name], rows) for name, form in outer.items()}
        yield {**part, **keys}, share


def _key(name: str, form: Form, value: str | None, rows: int) -> Any:
    """A column of one value."""
    import pyarrow as pa

    if form != "number":
        codes = pa.array(np.zeros(rows, np.int32), mask=np.full(rows, value is None))
        return pa.DictionaryArray.from_arrays(codes, pa.array([value or ""]))
    try:
        return np.full(rows, np.nan if value is None else float(value))
    except ValueError as error:
        raise TableError(f"column {name!r} holds {value!r}, not numbers") from error


def schema_of(source: Source) -> Any:
    """The names and types of a file's columns, as pyarrow has them; of text files a guess."""
    import pyarrow as pa

    with naming(source.name):
        if source.kind.schema is None:
            known = (suffix for suffix, kind in KINDS.items() if kind.schema is not None)
            raise TableError(f"not a file type that is read here {_listed(known)}")
        found = source.kind.schema(source)
        if len({*found.names}) < len(found.names):
            check_columns(found.names, found.names)
        for name in source.keys:
            if name in found.names:
                found = found.remove(found.get_field_index(name))
            found = found.append(pa.field(name, pa.dictionary(pa.int32(), pa.string())))
        return found


def first_rows(source: Source, names: Sequence[str]) -> Mapping[str, Any]:
    """Columns of the first rows as they are, of a pipe without taking them from it."""
    with naming(source.name):
        if source.kind.guess is not None:
            batch = source.kind.guess.first(source)
            return {name: batch.column(name) for name in names}
        part, _ = next(read(source, dict.fromkeys(names, "any")), ({}, 0.0))
        return part


def has_types(source: Source) -> bool:
    """Whether a file says of what type its columns are."""
    return source.kind.guess is None


def read_type(source: Source, name: str, type_: Any, form: Form) -> Any:
    """The type that a column is read as, given that in the schema."""
    if name in source.keys or source.kind.guess is None:
        return type_
    return source.kind.guess.read_as(type_, form)
