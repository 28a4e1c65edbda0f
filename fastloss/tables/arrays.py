"""Arrays saved by NumPy, read in slices."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import numpy as np

from fastloss.tables.base import BATCH_ROWS, Forms, Part, TableError, check_columns
from fastloss.tables.columns import Places, places_of
from fastloss.tables.sources import Source

Files = dict[str, IO[bytes]]


def read_npz(source: Source, columns: Forms) -> Iterator[Part]:
    with source.open() as file, zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        places = places_of(columns, names)
        with _members(archive, [name for name, _ in places.values()]) as files:
            yield from _slices(files, places)


def read_npy(columns: Forms) -> Iterator[Part]:
    places = places_of(columns)
    with open_npy([name for name, _ in places.values()]) as files:
        yield from _slices(files, places)


@contextmanager
def open_npz(source: Source, names: Iterable[str]) -> Iterator[Files]:
    with source.open() as file, zipfile.ZipFile(file) as archive:
        with _members(archive, names) as files:
            yield files


@contextmanager
def _members(archive: zipfile.ZipFile, names: Iterable[str]) -> Iterator[Files]:
    with ExitStack() as stack:
        check_columns(names, [name.removesuffix(".npy") for name in archive.namelist()])
        yield {
            name: stack.enter_context(archive.open(f"{name}.npy")) for name in dict.fromkeys(names)
        }


@contextmanager
def open_npy(names: Iterable[str]) -> Iterator[Files]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(open(name, "rb")) for name in dict.fromkeys(names)}


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
