"""Many losses of arrays or of a frame in one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, overload

from fastloss.losses.base import Loss
from fastloss.scoring.scorer import Scorer
from fastloss.scoring.scores import Scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

USAGE = (
    "score takes (y_true, y_pred, losses), which are arrays, or (frame, losses, y_true=, y_pred=), "
    "with the names of columns"
)
Losses = Iterable[str | Loss] | str | Loss


class Frame(Protocol):
    """What has the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@overload
def score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    losses: Losses,
    *,
    sample_weight: ArrayLike | None = None,
    groups: Any = None,
    nan_policy: str = "propagate",
    stderr: bool = False,
) -> Scores: ...


@overload
def score(
    frame: Frame,
    /,
    losses: Losses,
    *,
    y_true: str,
    y_pred: str | Sequence[str],
    sample_weight: str | None = None,
    by: str | Sequence[str] | None = None,
    nan_policy: str = "propagate",
    stderr: bool = False,
) -> Scores: ...


def score(
    *data: Any,
    losses: Any = None,
    y_true: Any = None,
    y_pred: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    by: Any = None,
    nan_policy: str = "propagate",
    stderr: bool = False,
) -> Scores:
    """Compute many losses in one pass over the data.

    ::

        score(y_true, y_pred, losses, *, sample_weight=None, groups=None, ...)    # arrays
        score(frame, losses, *, y_true, y_pred, sample_weight=None, by=None, ...)  # its columns

    Parameters
    ----------
    y_true, y_pred : array_like, or names of columns
        Targets and predictions, of the same shape; or as a loss of rows takes them. Of a frame
        ``y_pred`` is one column, of numbers or of lists, or a sequence of columns that make up
        rows.
    losses : sequence of str or Loss
        What to compute; see `loss_names`.
    frame : object with the Arrow C stream interface
        A frame of pandas or polars, a Table, RecordBatch or RecordBatchReader of pyarrow, a
        relation of DuckDB. It is read about a million rows at a time.
    sample_weight : array_like, or the name of a column, optional
        Of the shape of ``y_true``, or one weight per row.
    groups : array_like, optional
        The group of each sample: numbers, texts, dates and times, categories. Several keys are a
        list or a mapping of arrays, or a frame: then each combination that occurs is a group, and
        its label a tuple. What is missing, as None or NaN, is the group "(missing)".
    by : str or sequence of str, optional
        The columns of a frame that hold the groups.
    nan_policy : {"propagate", "omit", "raise"}
        A NaN in a target or a prediction makes the result NaN, has its row left out, or raises.
        A gap in a column of a frame is a NaN.
    stderr : bool, default=False
        Whether to compute standard errors too.

    Returns
    -------
    Scores
        Value, weight and count, in all and per group. A group without any weight has value NaN.

    Raises
    ------
    TypeError
        If what is for arrays and what is for frames is mixed, or data are not numbers.
    ValueError
        If a value is outside a loss's domain, shapes differ, a column is not there, or there is
        nothing to score.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.score([1, 0, 1], [0.9, 0.2, 0.6], ["log_loss", "brier"])
         log_loss  brier  weight  count
    all  0.279777   0.07       3      3

    Columns of a frame, by group:

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"y": [1, 0, 1], "p": [0.9, 0.2, 0.6], "month": ["May", "May", None]})
    >>> fl.score(frame, ["log_loss", "brier"], y_true="y", y_pred="p", by="month")
               log_loss  brier  weight  count
    May        0.164252  0.025       2      2
    (missing)  0.510826   0.16       1      1
    all        0.279777   0.07       3      3
    """
    of_frame = bool(data) and y_true is not None  # the first of arrays would be y_true itself
    given = {"y_true": y_true, "y_pred": y_pred, "losses": losses}
    _bind(given, data, ["frame", "losses"] if of_frame else list(given))
    for name, value in {**given, "sample_weight": sample_weight, "groups": groups}.items():
        _check_here(name, value)
    if of_frame and groups is not None:
        raise TypeError("groups is for arrays; of a frame pass by=, the names of its columns")
    if not of_frame and by is not None:
        raise TypeError("by names columns of a frame; for arrays pass groups=, an array of labels")
    options: Any = {"stderr": True} if stderr else {}
    scorer = Scorer(given.pop("losses"), nan_policy=nan_policy, **options)
    if of_frame:
        from fastloss.scoring.frames import parts

        for part in parts(**given, sample_weight=sample_weight, by=by):
            scorer.update(**part)
    else:
        scorer.update(**given, sample_weight=sample_weight, groups=groups)
    return scorer.result()


def _bind(given: dict[str, Any], data: tuple[Any, ...], places: list[str]) -> None:
    """Put what was given by place where it would be by name."""
    twice = [name for name, _ in zip(places, data, strict=False) if given.get(name) is not None]
    given.update(zip(places, data, strict=False))
    absent = [name for name, value in given.items() if value is None]
    for problem in (
        "too many arguments" * (len(data) > len(places)),
        *(f"{name} twice" for name in twice),
        *(f"no {name}" for name in absent),
    ):
        if problem:
            raise TypeError(f"{USAGE}; got {problem}")


def _check_here(name: str, value: Any) -> None:
    """An error for what lies on other machines, where one call would gather it on this one."""
    library, _, rest = type(value).__module__.partition(".")
    if library == "pyspark" or library == "dask_expr" or library == "dask" and "dataframe" in rest:
        bridge = "spark" if library == "pyspark" else "dask"
        raise TypeError(
            f"{name} is a {type(value).__name__} of {library}, whose partitions "
            f"fastloss.{bridge}.score(frame, losses, y_true=, y_pred=) scores where they lie"
        )
