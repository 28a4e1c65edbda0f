"""Each row's loss and gradient, written to a Parquet file as the rows go by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastloss.files import written_whole
from fastloss.scoring.groups import Groups

Write = Callable[[Mapping[str, NDArray[Any]], Mapping[str, Groups]], None]


@contextmanager
def parquet_writer(path: Path, numbers: list[str], texts: list[str]) -> Iterator[Write]:
    """A function that appends rows; the file has its name only once it is whole."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [pa.field(name, pa.string()) for name in texts]
        + [pa.field(name, pa.float64()) for name in numbers]
    )

    def write(columns: Mapping[str, NDArray[Any]], keys: Mapping[str, Groups]) -> None:
        arrays = []
        for name in texts:
            labels = pa.array([str(label) for label in keys[name].categories], pa.string())
            arrays.append(labels.take(pa.array(keys[name].codes)))
        arrays += [pa.array(columns[name].astype(np.float64, copy=False)) for name in numbers]
        writer.write_batch(pa.record_batch(arrays, schema=schema))

    with (
        written_whole(path) as file,
        parquet.ParquetWriter(
            file, schema, compression="zstd", use_dictionary=texts or False
        ) as writer,
    ):
        yield write
