"""Scores of Ray's datasets."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

try:
    import pyarrow as pa
    import ray.data
except ImportError as error:
    raise ImportError("fastloss.ray needs Ray Data: pip install 'fastloss[ray]'") from error

from fastloss.losses.base import Loss
from fastloss.partitions import Task
from fastloss.scoring.scorer import Scorer
from fastloss.scoring.scores import Scores

__all__ = ["score"]


def score(
    ds: Any,
    losses: Iterable[str | Loss] | str | Loss,
    *,
    y_true: str | Sequence[str],
    y_pred: str | Sequence[str],
    sample_weight: str | None = None,
    by: str | Sequence[str] | None = None,
    nan_policy: str = "propagate",
    stderr: bool = False,
) -> Scores:
    """Compute many losses in one pass over a Ray dataset, where its blocks lie.

    Each block is scored by a task, on one thread; what comes back is sums, which are added up as
    they arrive. Python on the workers must have fastloss.

    Parameters
    ----------
    ds : ray.data.Dataset
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
        As `fastloss.score` of the whole dataset gives it, to the last bit.

    Raises
    ------
    TypeError
        If ds is no dataset of Ray.
    ValueError
        If there is no such column, or there is nothing to score.
    ray.exceptions.RayTaskError
        If a task fails, as where a value is outside a loss's domain: with the error's text.

    Examples
    --------
    >>> import fastloss.ray
    >>> import ray.data
    >>> ds = ray.data.from_items([{"y": 1, "p": 0.9}, {"y": 0, "p": 0.2}])
    >>> fastloss.ray.score(ds, "brier", y_true="y", y_pred="p")["brier"]
    0.025
    """
    if not isinstance(ds, ray.data.Dataset):
        raise TypeError(f"ds must be a Dataset of ray.data; got {type(ds).__name__}")
    columns = {"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight, "by": by}
    task = Task(losses, nan_policy, stderr, columns)
    task.check_columns(ds.columns() or [])
    states = ds.select_columns(task.names).map_batches(
        functools.partial(_scored, task),
        batch_size=None,
        batch_format="pyarrow",
        zero_copy_batch=True,
    )
    return task.merged(Scorer.from_bytes(row["scorer"]) for row in states.iter_rows()).result()


def _scored(task: Task, block: pa.Table) -> pa.Table:
    return pa.table({"scorer": pa.array([task.scored(block).to_bytes()], pa.binary())})
