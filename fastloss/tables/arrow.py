"""Files of columns: Parquet, ORC, and Arrow's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastloss.tables.base import Forms, Part, TableError, batch_rows
from fastloss.tables.columns import columns_of, list_places
from fastloss.tables.sources import Source


def read_parquet(source: Source, columns: Forms) -> Iterator[Part]:
    from pyarrow import parquet

    places = list_places(columns, parquet_schema(source), source.keys)
    names = list(dict.fromkeys(name for name, _ in places.values()))
    labels = [name for name, form in columns.items() if form == "label"]
    # pre_buffer would keep what it has read until the end of the file
    with (
        source.open() as opened,
        parquet.ParquetFile(opened, read_dictionary=labels, pre_buffer=False) as file,
    ):
        rows = 0
        for batch in file.iter_batches(batch_rows(columns), columns=names, use_threads=False):
            part = columns_of(batch, places, rows)
            rows += batch.num_rows
            yield part, rows / file.metadata.num_rows


def parquet_schema(source: Source) -> Any:
    from pyarrow import parquet

    with source.open() as file:
        return parquet.read_schema(file)


def read_orc(source: Source, columns: Forms) -> Iterator[Part]:
    from pyarrow import orc

    with source.open() as opened, _told():
        file = orc.ORCFile(opened)
        places = list_places(columns, file.schema, source.keys)
        names = list(dict.fromkeys(name for name, _ in places.values()))
        rows = 0
        for stripe in range(file.nstripes):
            whole = file.read_stripe(stripe, names)
            if rows + whole.num_rows > file.nrows:
                raise TableError(
                    f"damaged: it has more than the {file.nrows} rows that it tells of"
                )
            for first in range(0, whole.num_rows, batch_rows(columns)):
                batch = whole.slice(first, batch_rows(columns))
                yield columns_of(batch, places, rows), (rows + batch.num_rows) / file.nrows
                rows += batch.num_rows


def orc_schema(source: Source) -> Any:
    from pyarrow import orc

    with source.open() as file, _told():
        return orc.ORCFile(file).schema


@contextmanager
def _told() -> Iterator[None]:
    """Errors of damaged files as such: of those of ORC some are neither ValueError nor OSError."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as error:
        if isinstance(error, (ValueError, MemoryError, NotImplementedError)):
            raise
        raise TableError(f"damaged: {error}") from error


def read_arrow(source: Source, columns: Forms) -> Iterator[Part]:
    import pyarrow as pa

    with source.open() as file:
        schema = _open_arrow(file).schema
        places = list_places(columns, schema, source.keys)
        options = pa.ipc.IpcReadOptions(
            included_fields=sorted({schema.names.index(name) for name, _ in places.values()}),
            use_threads=False,
        )
        reader = _open_arrow(file, options=options)
        is_file = isinstance(reader, pa.ipc.RecordBatchFileReader)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        rows = 0
        for whole in batches:
            whole.validate(full=True)  # places and lengths in a damaged file may lead anywhere
            for first in range(0, whole.num_rows, batch_rows(columns)):
                batch = whole.slice(first, batch_rows(columns))
                yield columns_of(batch, places, rows), source.share
                rows += batch.num_rows


def arrow_schema(source: Source) -> Any:
    with source.open() as file:
        return _open_arrow(file).schema


def _open_arrow(file: Any, **options: Any) -> Any:
    """A reader of a file or of a stream, whichever it is."""
    import pyarrow as pa

    file.seek(0)
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file, **options)
