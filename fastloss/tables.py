"""Files of tables, read as streams of columns.

CSV, Parquet and Arrow files are decoded by pyarrow, one batch of rows and only the wanted columns
at a time, so that memory does not grow with the file. Arrays saved by NumPy are read in slices.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sized
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

BATCH_ROWS = 1 << 16
BATCH_NUMBERS = 1 << 23  # of wide tables fewer rows are read together
UNREADABLE = (  # what pyarrow, zipfile and NumPy raise for a broken file
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)

# What a column is read as. A CSV file has no types of its own: there a number is a float64, or what
# the first rows say of true and false. Labels are texts, each kept once; "any" is as it is.
Form = Literal["number", "label", "any"]
Forms = Mapping[str, Form]
Part = tuple[Mapping[str, Any], float]  # columns of some rows, share of the file read so far
Places = dict[str, tuple[str, int | None]]  # by column: an array, and the place in its rows
Reader = Callable[[str, Forms], Iterator[Part]]


class TableError(Exception):
    """A file that cannot be read as a table; the text is for its user."""


@contextmanager
def naming(path: str) -> Iterator[None]:
    """What goes wrong in reading is told with the name of the file."""
    try:
        yield
    except TableError as error:
        raise TableError(f"{path}: {error}") from error
    except UNREADABLE as error:
        raise TableError(f"{path}: {_one_line(error)}") from error


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of one file: Arrow or NumPy arrays by column name."""

    path: str
    start: int  # rows of this file that came before
    rows: int
    columns: Mapping[str, Any]
    done: float  # share of all files read so far


def pieces(sources: Iterable[tuple[str, Reader, int]], columns: Forms) -> Iterator[Piece]:
    """Yield the rows of all files in turn, given their readers and sizes."""
    sources = list(sources)
    total = max(sum(size for *_, size in sources), 1)
    before = 0
    for path, reader, size in sources:
        start = 0
        with naming(path):
            for part, share in reader(path, columns):
                rows = len(next(iter(part.values())))
                yield Piece(path, start, rows, part, (before + share * size) / total)
                start += rows
        before += size


# Kinds of files. A reader takes a path and the wanted columns; for some rows at a time it yields
# them, and the share of the file that was read.


def batch_rows(columns: Sized) -> int:
    """How many rows are read together, at most."""
    return max(1, min(BATCH_ROWS, BATCH_NUMBERS // max(len(columns), 1)))


def _open_csv(path: str, file: Any, **convert: Any) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    return csv.open_csv(
        pa.CompressedInputStream(file, "gzip") if path.lower().endswith(".gz") else file,
        csv.ReadOptions(use_threads=False),  # serial reading knows the row of an error
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(**convert),
    )


def _csv_schema(path: str) -> Any:
    """What the first block looks like."""
    import pyarrow as pa

    with pa.OSFile(path) as file:
        return _open_csv(path, file).schema


def _read_csv(path: str, columns: Forms) -> Iterator[Part]:
    import pyarrow as pa

    names: list[str] = []
    try:
        guess = _csv_schema(path)
        names = guess.names
        check_columns(columns, names)
        types = {name: _csv_type(guess.field(name).type, form) for name, form in columns.items()}
        with pa.OSFile(path) as file:
            size = file.size()
            wanted = {"include_columns": list(columns), "column_types": types}
            for batch in _open_csv(path, file, **wanted):
                yield _columns(batch), file.tell() / size
    except pa.ArrowInvalid as error:
        raise TableError(_csv_message(str(error), names)) from error


def _csv_type(guess: Any, form: Form) -> Any:
    """What a column is decoded as, given what its first rows look like."""
    import pyarrow as pa

    if form == "label":
        return pa.dictionary(pa.int32(), pa.string())
    if form == "any":
        return pa.string() if pa.types.is_null(guess) else guess
    return guess if pa.types.is_boolean(guess) else pa.float64()


def _csv_message(text: str, names: list[str]) -> str:
    """Arrow's message in this module's words; Arrow counts the header as a row."""
    text = re.sub(r"Row #(\d+)", lambda match: f"row {int(match[1]) - 1}", text)
    pattern = r"column #(\d+): (row \d+): .*error to (.+?): invalid value '(.*)'"
    bad = re.search(pattern, text, re.DOTALL)
    if bad is None:
        return text
    wanted = "a number" if bad[3] == "double" else bad[3]
    return f"{bad[2]}: column {names[int(bad[1])]!r} holds {bad[4]!r}, not {wanted}"


def _read_parquet(path: str, columns: Forms) -> Iterator[Part]:
    from pyarrow import parquet

    check_columns(columns, parquet.read_schema(path).names)
    labels = [name for name, form in columns.items() if form == "label"]
    # pre_buffer would keep what it has read until the end of the file
    with parquet.ParquetFile(path, read_dictionary=labels, pre_buffer=False) as file:
        rows = 0
        for batch in file.iter_batches(
            batch_rows(columns), columns=list(columns), use_threads=False
        ):
            rows += batch.num_rows
            yield _columns(batch), rows / file.metadata.num_rows


def _open_arrow(file: Any, **options: Any) -> Any:
    """A reader of a file or of a stream, whichever it is."""
    import pyarrow as pa

    file.seek(0)
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file, **options)


def _read_arrow(path: str, columns: Forms) -> Iterator[Part]:
    import pyarrow as pa

    with pa.OSFile(path) as file:
        size = file.size()
        names = _open_arrow(file).schema.names
        check_columns(columns, names)
        options = pa.ipc.IpcReadOptions(
            included_fields=sorted(names.index(name) for name in columns), use_threads=False
        )
        reader = _open_arrow(file, options=options)
        is_file = isinstance(reader, pa.ipc.RecordBatchFileReader)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        for batch in batches:
            for first in range(0, batch.num_rows, batch_rows(columns)):
                yield _columns(batch.slice(first, batch_rows(columns))), file.tell() / size


def _parquet_schema(path: str) -> Any:
    from pyarrow import parquet

    return parquet.read_schema(path)


def _arrow_schema(path: str) -> Any:
    import pyarrow as pa

    with pa.OSFile(path) as file:
        return _open_arrow(file).schema


def read_npz(path: str, columns: Forms) -> Iterator[Part]:
    with zipfile.ZipFile(path) as archive:
        places = places_of(columns, archive.namelist())
    with open_npz(path, [name for name, _ in places.values()]) as files:
        yield from _slices(files, places)


def read_npy(path: str, columns: Forms) -> Iterator[Part]:
    places = places_of(columns)
    with open_npy([name for name, _ in places.values()]) as files:
        yield from _slices(files, places)


@contextmanager
def open_npz(path: str, names: Iterable[str]) -> Iterator[dict[str, IO[bytes]]]:
    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path))
        check_columns(names, [name.removesuffix(".npy") for name in archive.namelist()])
        members = {name: archive.open(f"{name}.npy") for name in dict.fromkeys(names)}
        yield {name: stack.enter_context(file) for name, file in members.items()}


@contextmanager
def open_npy(names: Iterable[str]) -> Iterator[dict[str, IO[bytes]]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(open(name, "rb")) for name in dict.fromkeys(names)}


def places_of(columns: Iterable[str], members: Container[str] = ()) -> Places:
    """The array that each column is or is in, and its place there: p[1] is in p, unless p[1] is."""
    found = {column: re.fullmatch(r"(.+)\[(\d+)\]", column) for column in columns}
    return {
        column: (match[1], int(match[2]))
        if match and f"{column}.npy" not in members
        else (column, None)
        for column, match in found.items()
    }


def _slices(files: Mapping[str, IO[bytes]], places: Places) -> Iterator[Part]:
    """Read columns of .npy arrays of one length side by side."""
    headers = {name: npy_header(name, file) for name, file in files.items()}
    for name, (shape, _) in headers.items():
        wanted = [k for array, k in places.values() if array == name]
        if wanted != (list(range(shape[1])) if len(shape) == 2 else [None]):
            expected = "one dimension" if wanted == [None] else f"{len(wanted)} columns"
            raise TableError(f"array {name!r} has shape {shape}, not {expected}")
    lengths = {shape[0] for shape, _ in headers.values()}
    if len(lengths) > 1:
        pairs = ", ".join(f"{name!r} has {shape[0]}" for name, (shape, _) in headers.items())
        raise TableError(f"arrays of different lengths: {pairs}")
    rows = lengths.pop()
    step = max(1, BATCH_ROWS // max(math.prod(shape[1:]) for shape, _ in headers.values()))
    for first in range(0, rows, step):
        count = min(step, rows - first)
        arrays = {}
        for name, (shape, dtype) in headers.items():
            size = count * math.prod(shape[1:]) * dtype.itemsize
            data = files[name].read(size)
            if len(data) < size:
                raise TableError(f"array {name!r} is cut short")
            arrays[name] = np.frombuffer(data, dtype).reshape(count, *shape[1:])
        part = {
            column: arrays[name] if k is None else arrays[name][:, k]
            for column, (name, k) in places.items()
        }
        yield part, (first + count) / rows


def npy_header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape, of one axis or two, and the dtype."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0
    read = header if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if len(shape) not in (1, 2) or 0 in shape[1:]:
        raise TableError(f"array {name!r} has shape {shape}, not one dimension or two")
    if by_columns and len(shape) == 2:
        raise TableError(f"array {name!r} is stored by columns; save numpy.ascontiguousarray of it")
    if dtype.hasobject:
        raise TableError(f"array {name!r} holds Python objects")
    return shape, dtype


READERS: dict[str, Reader] = {
    ".csv": _read_csv,
    ".csv.gz": _read_csv,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".feather": _read_arrow,
    ".arrow": _read_arrow,
    ".arrows": _read_arrow,
    ".ipc": _read_arrow,
    ".npz": read_npz,
}


def reader_of(path: str) -> Reader:
    for suffix, reader in READERS.items():
        if path.lower().endswith(suffix):
            return reader
    if path.lower().endswith(".npy"):
        raise TableError(f"{path}: name .npy files as the columns: --y-true y.npy --y-pred p.npy")
    raise TableError(f"{path}: not a file type that is read here ({', '.join(READERS)})")


_SCHEMAS: dict[Reader, Callable[[str], Any]] = {
    _read_csv: _csv_schema,
    _read_parquet: _parquet_schema,
    _read_arrow: _arrow_schema,
}


def schema_of(path: str) -> Any:
    """The names and types of a file's columns, as pyarrow has them; of CSV files a guess."""
    schema = _SCHEMAS.get(reader_of(path))
    if schema is None:
        kinds = ", ".join(suffix for suffix, reader in READERS.items() if reader in _SCHEMAS)
        raise TableError(f"{path}: not a file type that is read here ({kinds})")
    size_of(path)
    with naming(path):
        found = schema(path)
        if len({*found.names}) < len(found.names):
            check_columns(found.names, found.names)
        return found


def has_types(path: str) -> bool:
    """Whether a file says of what type its columns are."""
    return reader_of(path) is not _read_csv


def read_type(path: str, type_: Any, form: Form) -> Any:
    """The type that a column is read as, given that in the schema."""
    return type_ if has_types(path) else _csv_type(type_, form)


def size_of(path: str) -> int:
    try:
        with open(path, "rb"):
            size = os.path.getsize(path)
    except OSError as error:
        raise TableError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if not size:
        raise TableError(f"{path}: the file is empty")
    return size


def check_columns(wanted: Iterable[str], names: list[str]) -> None:
    for name in wanted:
        if name not in names:
            near = get_close_matches(name, names, n=3)
            shown = ", ".join(near or names[:8]) + (", ..." if not near and names[8:] else "")
            raise TableError(
                f"no column {name!r}; {'did you mean' if near else 'the columns are'}: {shown}"
            )
        if names.count(name) > 1:
            raise TableError(f"more than one column is named {name!r}")


# Arrow and NumPy columns.


def _columns(batch: Any) -> dict[str, Any]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def numbers_of(name: str, column: Any) -> NDArray[Any]:
    """A column as NumPy numbers, without a copy where nothing is missing; nulls become NaN."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "biuf" or column.dtype.itemsize > 8:
            raise TableError(f"column {name!r} holds {column.dtype.name}, not numbers")
        return column
    import pyarrow as pa

    kind = pa.types
    if kind.is_boolean(column.type) or kind.is_decimal(column.type) or kind.is_null(column.type):
        column = column.cast(pa.float64())
    if not (kind.is_integer(column.type) or kind.is_floating(column.type)):
        raise TableError(f"column {name!r} holds {column.type}, not numbers")
    if column.null_count:
        numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return numbers
    return np.from_dlpack(column)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
