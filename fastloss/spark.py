"""Scores of Spark's data frames."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

try:
    import pyarrow as pa
    from pyspark import TaskContext
    from pyspark.sql.functions import col
except ImportError as error:
    raise ImportError(
        "fastloss.spark needs PySpark and PyArrow: pip install 'fastloss[spark]'"
    ) from error

from fastloss.losses.base import Loss
from fastloss.partitions import Task, in_partition
from fastloss.scoring.scorer import Scorer
from fastloss.scoring.scores import Scores

__all__ = ["score"]


def score(
    df: Any,
    losses: Iterable[str | Loss] | str | Loss,
    *,
    y_true: str | Sequence[str],
    y_pred: str | Sequence[str],
    sample_weight: str | None = None,
    by: str | Sequence[str] | None = None,
    nan_policy: str = "propagate",
    stderr: bool = False,
) -> Scores:
    """Compute many losses in one pass over a Spark data frame, on its executors.

    Each partition is scored by a task, on one thread, and reads only the columns that are named;
    of each there is one row of sums, which further tasks add up, and the driver those of these.
    Python on the executors must have fastloss.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
    losses : sequence of str or Loss
        What to compute; see `fastloss.loss_names`.
    y_true, y_pred : str or sequence of str
        The columns of targets and predictions; of losses of rows, a column for each class.
    sample_weight : str, optional
        The column of weights.
    by : str or sequence of str, optional
        The columns whose values make groups.
    nan_policy : {"propagate", "omit", "raise"}
        A NaN in a target or a prediction makes the result NaN, has its row left out, or raises.
    stderr : bool, default=False
        Whether to compute standard errors.

    Returns
    -------
    Scores
        As `fastloss.score` of the whole frame gives it, to the last bit.

    Raises
    ------
    TypeError
        If df is no Spark data frame.
    ValueError
        If there is no such column, or there is nothing to score.
    pyspark.errors.PythonException
        If a task fails, as where a value is outside a loss's domain: with the error's text, which
        names the partition.

    Examples
    --------
    >>> from pyspark.sql import SparkSession
    >>> import fastloss.spark
    >>> spark = SparkSession.builder.master("local[1]").getOrCreate()
    >>> df = spark.createDataFrame([(1, 0.9), (0, 0.2), (1, 0.6)], "y int, p double")
    >>> fastloss.spark.score(df, ["log_loss", "brier"], y_true="y", y_pred="p")
         log_loss  brier  weight  count
    all  0.279777   0.07       3      3
    """
    if not hasattr(df, "mapInArrow"):
        raise TypeError(f"df must be a DataFrame of pyspark.sql; got {type(df).__name__}")
    columns = {"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight, "by": by}
    task = Task(losses, nan_policy, stderr, columns)
    task.check_columns(df.columns)
    # whose own names mapInArrow would take apart where they hold points
    plain = df.select(
        *(col(f"`{name.replace('`', '``')}`").alias(f"c{i}") for i, name in enumerate(task.names))
    )
    scored = plain.mapInArrow(functools.partial(_scored, task), "place int, scorer binary")
    # as many tasks as there is enough to merge for
    spread = scored.repartition("place")
    merged = spread.mapInArrow(functools.partial(_merged, task), "scorer binary")
    return task.merged(Scorer.from_bytes(row.scorer) for row in merged.collect()).result()


def _scored(task: Task, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One row for a partition."""
    place = TaskContext.get().partitionId()
    first = next(batches, None)
    if first is None:
        return
    schema = pa.schema(
        [field.with_name(name) for field, name in zip(first.schema, task.names, strict=True)]
    )
    named = (batch.rename_columns(task.names) for batch in chain([first], batches))
    with in_partition(place):
        state = task.scored(pa.RecordBatchReader.from_batches(schema, named)).to_bytes()
    yield pa.RecordBatch.from_pydict({"place": pa.array([place], pa.int32()), "scorer": [state]})


def _merged(task: Task, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One row for those of several partitions."""
    states = (state for batch in batches for state in batch["scorer"].to_pylist())
    yield pa.RecordBatch.from_pydict(
        {"scorer": [task.merged(map(Scorer.from_bytes, states)).to_bytes()]}
    )
