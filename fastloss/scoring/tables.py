"""Files of predictions, read as a stream of NumPy batches.

CSV, Parquet and Arrow files are decoded by pyarrow, one batch of rows and only the wanted columns
at a time, so that memory does not grow with the file. Arrays saved by NumPy are read in slices.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

BATCH_ROWS = 1 << 16
MISSING = "(missing)"
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

Label = str | int
Part = tuple[Mapping[str, Any], float]  # columns of some rows, share of the file read so far
Places = dict[str, tuple[str, int | None]]  # by column: an array, and the place in its rows
Reader = Callable[[str, list[str], str | None], Iterator[Part]]


class TableError(Exception):
    """A file that cannot be read as a table of predictions; the text is for its user."""


@dataclass(frozen=True)
class Groups:
    """The group of each row: ``categories[codes[i]]``."""

    codes: NDArray[np.integer[Any]]
    categories: Sequence[Label]


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one file: its number columns by name, and the group column if any."""

    path: str
    start: int  # rows of this file that came before
    rows: int
    numbers: Mapping[str, NDArray[Any]]
    groups: Groups | None
    done: float  # share of all files read so far


def read(paths: Sequence[str], numbers: Sequence[str], by: str | None = None) -> Iterator[Batch]:
    """Yield the rows of all files in turn. Without paths the columns are themselves .npy files."""
    columns = list(dict.fromkeys([*numbers, by] if by else numbers))
    if paths:
        sources = [(path, _reader(path)) for path in paths]
        sizes = [_size(path) for path in paths]
    else:
        files = list(dict.fromkeys(name for name, _ in _places(columns).values()))
        sources = [(", ".join(files), _read_npy)]
        sizes = [sum(_size(path) for path in files)]
    return _stream(sources, sizes, list(dict.fromkeys(numbers)), by)


def split_columns(paths: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names, with those of arrays of two axes in .npz and .npy files split into columns.

    An array ``p`` stands for ``p[0]``, ``p[1]``, ...; what the first file holds decides.
    """
    if paths and _reader(paths[0]) is not _read_npz:
        return list(names)
    for path in paths[:1] or names:
        _size(path)
    with (
        _naming(paths[0] if paths else ", ".join(names)),
        _open_npz(paths[0], names) if paths else _open_npy(names) as files,
    ):
        shapes = {name: _npy_header(name, file)[0] for name, file in files.items()}
    found = []
    for name in names:
        _, *width = shapes[name]
        found += [f"{name}[{k}]" for k in range(width[0])] if width else [name]
    return found


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """What goes wrong in reading is told with the name of the file."""
    try:
        yield
    except TableError as error:
        raise TableError(f"{path}: {error}") from error
    except UNREADABLE as error:
        raise TableError(f"{path}: {_one_line(error)}") from error


def _stream(
    sources: Sequence[tuple[str, Reader]], sizes: Sequence[int], numbers: list[str], by: str | None
) -> Iterator[Batch]:
    columns = list(dict.fromkeys([*numbers, by] if by else numbers))
    text = None if by in numbers else by
    total = max(sum(sizes), 1)
    before = 0
    for (path, reader), size in zip(sources, sizes, strict=True):
        start = 0
        with _naming(path):
            for part, share in reader(path, columns, text):
                rows = len(part[columns[0]])
                batch = Batch(
                    path,
                    start,
                    rows,
                    {name: _numbers(name, part[name]) for name in numbers},
                    _groups(by, part[by]) if by else None,
                    (before + share * size) / total,
                )
                start += rows
                yield batch
        before += size


# Kinds of files. A reader takes a path, the wanted columns and which of them is text; for some rows
# at a time it yields Arrow or NumPy arrays by column name.


def _read_csv(path: str, columns: list[str], text: str | None) -> Iterator[Part]:
    import pyarrow as pa
    from pyarrow import csv

    def opened(**convert: Any) -> Any:
        return csv.open_csv(
            pa.CompressedInputStream(file, "gzip") if path.lower().endswith(".gz") else file,
            csv.ReadOptions(use_threads=False),  # serial reading knows the row of an error
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(**convert),
        )

    names: list[str] = []
    try:
        with pa.OSFile(path) as file:
            guess = opened().schema  # of the first block: names, and which columns are true/false
        names = guess.names
        _check_columns(columns, names)
        types = {name: pa.float64() for name in columns if guess.field(name).type != pa.bool_()}
        if text is not None:
            types[text] = pa.dictionary(pa.int32(), pa.string())
        with pa.OSFile(path) as file:
            size = file.size()
            for batch in opened(include_columns=columns, column_types=types):
                yield _columns(batch), file.tell() / size
    except pa.ArrowInvalid as error:
        raise TableError(_csv_message(str(error), names)) from error


def _csv_message(text: str, names: list[str]) -> str:
    """Arrow's message in this module's words; Arrow counts the header as a row."""
    text = re.sub(r"Row #(\d+)", lambda match: f"row {int(match[1]) - 1}", text)
    bad = re.search(r"column #(\d+): (row \d+): .*invalid value '(.*)'", text, re.DOTALL)
    if bad is None:
        return text
    return f"{bad[2]}: column {names[int(bad[1])]!r} holds {bad[3]!r}, not a number"


def _read_parquet(path: str, columns: list[str], text: str | None) -> Iterator[Part]:
    from pyarrow import parquet

    _check_columns(columns, parquet.read_schema(path).names)
    encoded = [text] if text else None
    # pre_buffer would keep what it has read until the end of the file
    with parquet.ParquetFile(path, read_dictionary=encoded, pre_buffer=False) as file:
        rows = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
            rows += batch.num_rows
            yield _columns(batch), rows / file.metadata.num_rows


def _read_arrow(path: str, columns: list[str], text: str | None) -> Iterator[Part]:
    import pyarrow as pa

    with pa.OSFile(path) as file:
        size = file.size()
        is_file = file.read(6) == b"ARROW1"
        open_ipc = pa.ipc.open_file if is_file else pa.ipc.open_stream
        file.seek(0)
        names = open_ipc(file).schema.names
        _check_columns(columns, names)
        options = pa.ipc.IpcReadOptions(
            included_fields=sorted(names.index(name) for name in columns), use_threads=False
        )
        file.seek(0)
        reader = open_ipc(file, options=options)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        for batch in batches:
            for first in range(0, batch.num_rows, BATCH_ROWS):
                yield _columns(batch.slice(first, BATCH_ROWS)), file.tell() / size


def _read_npz(path: str, columns: list[str], text: str | None) -> Iterator[Part]:
    with zipfile.ZipFile(path) as archive:
        places = _places(columns, archive.namelist())
    with _open_npz(path, [name for name, _ in places.values()]) as files:
        yield from _slices(files, places)


def _read_npy(path: str, columns: list[str], text: str | None) -> Iterator[Part]:
    places = _places(columns)
    with _open_npy([name for name, _ in places.values()]) as files:
        yield from _slices(files, places)


@contextmanager
def _open_npz(path: str, names: Iterable[str]) -> Iterator[dict[str, IO[bytes]]]:
    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path))
        _check_columns(names, [name.removesuffix(".npy") for name in archive.namelist()])
        members = {name: archive.open(f"{name}.npy") for name in dict.fromkeys(names)}
        yield {name: stack.enter_context(file) for name, file in members.items()}


@contextmanager
def _open_npy(names: Iterable[str]) -> Iterator[dict[str, IO[bytes]]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(open(name, "rb")) for name in dict.fromkeys(names)}


def _places(columns: Iterable[str], members: Container[str] = ()) -> Places:
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
    headers = {name: _npy_header(name, file) for name, file in files.items()}
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


def _npy_header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
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
    ".npz": _read_npz,
}


def _reader(path: str) -> Reader:
    for suffix, reader in READERS.items():
        if path.lower().endswith(suffix):
            return reader
    if path.lower().endswith(".npy"):
        raise TableError(f"{path}: name .npy files as the columns: --y-true y.npy --y-pred p.npy")
    raise TableError(f"{path}: not a file type that is read here ({', '.join(READERS)})")


def _size(path: str) -> int:
    try:
        with open(path, "rb"):
            size = os.path.getsize(path)
    except OSError as error:
        raise TableError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if not size:
        raise TableError(f"{path}: the file is empty")
    return size


def _check_columns(wanted: Iterable[str], names: list[str]) -> None:
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


def _numbers(name: str, column: Any) -> NDArray[Any]:
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
    return Groups(_numbers(name, codes), labels)


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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
