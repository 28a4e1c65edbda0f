"""Tables of predictions in files of every kind, and what their scores should be."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as pa_csv, feather, parquet

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast_cancer_predictions.csv"
COLUMNS = ["--y-true", "y", "--y-pred", "p"]
BOTH = ["--loss", "log_loss", "--loss", "mae"]
FASTLOSS = [sys.executable, "-m", "fastloss"]


def columns_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.01, 0.99, rows)
    return {
        "id": np.arange(rows),
        "y": (rng.random(rows) < p).astype(np.int64),
        "p": p,
        "w": rng.uniform(0.5, 2.0, rows),
        "g": np.array(["red", "green", "blue"])[rng.integers(0, 3, rows)],
    }


def expected(data, keep=slice(None)):
    """Log loss and mean absolute error, the plain way."""
    y, p, w = (data[name][keep] for name in "ypw")
    log_loss = -np.log(np.where(y == 1, p, 1 - p))
    return {
        "log_loss": np.average(log_loss, weights=w),
        "mae": np.average(abs(y - p), weights=w),
        "weight": w.sum(),
        "count": len(y),
    }


def close(value):
    return pytest.approx(value, rel=1e-11)


def write_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=20_000)


def write_gz(table, path):
    with gzip.open(path, "wb") as file:
        pa_csv.write_csv(table, file)


TABLE_WRITERS = {
    "data.csv": pa_csv.write_csv,
    "data.csv.gz": write_gz,
    "data.parquet": lambda table, path: parquet.write_table(table, path, row_group_size=50_000),
    "data.pq": lambda table, path: parquet.write_table(table, path, compression="zstd"),
    "data.feather": feather.write_feather,
    "data.arrow": lambda table, path: feather.write_feather(table, path, "uncompressed"),
    "data.arrows": write_stream,
}
ARRAY_WRITERS = {"data.npz": np.savez, "compressed.npz": np.savez_compressed}
FILES = [*TABLE_WRITERS, *ARRAY_WRITERS]


def save(data, name):
    if name in ARRAY_WRITERS:
        ARRAY_WRITERS[name](name, **data)
    else:
        table = pa.table({column: pa.array(values) for column, values in data.items()})
        TABLE_WRITERS[name](table, name)
