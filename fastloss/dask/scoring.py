"""Many losses in one pass over a data frame of Dask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dask
import dask.dataframe as dd
from dask.delayed import Delayed

from fastloss.dask.frames import partitions_of
from fastloss.losses.base import Loss
from fastloss.partitions import Task, in_partition
from fastloss.scoring.scorer import Scorer
from fastloss.scoring.scores import Scores

_TOGETHER = 8  # scorers that one task merges


def score(
    ddf: Any,
    losses: Iterable[str | Loss] | str | Loss,
    *,
    y_true: str | Sequence[str],
    y_pred: str | Sequence[str],
    sample_weight: str | None = None,
    by: str | Sequence[str] | None = None,
    nan_policy: str = "propagate",
    stderr: bool = False,
) -> Scores:
    """Compute many losses in one pass over a Dask data frame, where its partitions lie.

    Each partition is scored by a task, on one thread, and reads only the columns that are named;
    what comes back is sums, which further tasks add up. The scheduler is the one that
    ``ddf.compute()`` would use.

    Parameters
    ----------
    ddf : dask.dataframe.DataFrame
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
        If ddf is no Dask data frame.
    ValueError
        If there is no such column, a value is outside a loss's domain, or there is nothing to
        score. A note of the error names the partition.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import pandas as pd
    >>> import fastloss.dask
    >>> frame = pd.DataFrame({"y": [1, 0, 1, 0], "p": [0.9, 0.2, 0.6, 0.1], "k": list("aabb")})
    >>> ddf = dd.from_pandas(frame, npartitions=2)
    >>> fastloss.dask.score(ddf, ["log_loss", "brier"], y_true="y", y_pred="p", by="k")
    k    log_loss  brier  weight  count
    a    0.164252  0.025       2      2
    b    0.308093  0.085       2      2
    all  0.236173  0.055       4      4
    """
    if not isinstance(ddf, dd.DataFrame):
        raise TypeError(
            f"ddf must be a Dask DataFrame, whose columns y_true and y_pred name; got "
            f"{type(ddf).__name__}"
        )
    columns = {"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight, "by": by}
    task = Task(losses, nan_policy, stderr, columns)
    task.check_columns(ddf.columns)
    scored, merged = dask.delayed(_scored), dask.delayed(Task.merged)
    frames = partitions_of(ddf[task.names])
    scorers: list[Delayed] = [scored(task, place, frame) for place, frame in enumerate(frames)]
    while len(scorers) > 1:
        firsts = range(0, len(scorers), _TOGETHER)
        scorers = [merged(task, scorers[first : first + _TOGETHER]) for first in firsts]
    (scorer,) = dask.compute(*scorers)
    return scorer.result()  # type: ignore[no-any-return]


def _scored(task: Task, place: int, frame: Any) -> Scorer:
    with in_partition(place):
        return task.scored(frame) if len(frame) else task.new()
