"""Scores of models, and what they differ by, of arrays or of a frame in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from fastloss._core import DomainError
from fastloss.losses.base import Loss
from fastloss.scoring.comparer import Comparer
from fastloss.scoring.comparison import Comparison
from fastloss.scoring.measures import as_measures
from fastloss.scoring.scorer import Scorer
from fastloss.scoring.scores import Scores
from fastloss.scoring.whole import Whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

SCORE = (
    "score takes (y_true, y_pred, losses), which are arrays, or (frame, losses, y_true=, y_pred=), "
    "with the names of columns"
)
COMPARE = (
    "compare takes (y_true, y_preds, losses), which are arrays, or (frame, y_preds, losses, "
    "y_true=), with the names of columns"
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
    cluster: Any = None,
    multioutput: Literal["raw_values", "uniform_average"] | ArrayLike | None = None,
    where: ArrayLike | None = None,
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
    cluster: str | Sequence[str] | None = None,
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
    cluster: Any = None,
    multioutput: Any = None,
    where: Any = None,
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
        What to compute; see `loss_names`. Metrics go by their names: ``"accuracy"``,
        ``"top_k_accuracy:k=2"``, ``"r2"``, ``"d2_<loss>"``, ``"explained_variance"``, ``"rmsle"``,
        ``"max_error"``, ``"median_absolute_error"``, ``"bias"``, ``"mean_true"``,
        ``"mean_pred"``; see docs/scoring.md.
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
    cluster : array_like, or names of columns, optional
        The cluster of each sample, as a user or a day, given as groups are: with ``stderr=True``,
        if only samples of different clusters are independent.
    multioutput : {"raw_values", "uniform_average"} or array_like, optional
        Of arrays of shape (rows, outputs): the score of each column, then their average, plain or
        with these weights, one for each column. "raw_values" has the scores of the columns as
        those of groups too, 0, 1, ..., or as a last key of the groups. By default all elements are
        samples of one score.
    where : array_like of bool, optional
        Of arrays, which samples count, of a shape that ``sample_weight`` may have; the others have
        weight 0.

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
    month      log_loss  brier  weight  count
    May        0.164252  0.025       2      2
    (missing)  0.510826   0.16       1      1
    all        0.279777   0.07       3      3

    Two outputs:

    >>> y, p = [[0.5, 1], [-1, 1], [7, -6]], [[0, 2], [-1, 2], [8, -5]]
    >>> fl.score(y, p, ["r2", "rmse"], multioutput="raw_values")
    output        r2      rmse  weight  count
    0       0.965438  0.645497       3      3
    1       0.908163         1       3      3
    all     0.936801  0.822749       6      6
    """
    of_frame = bool(data) and y_true is not None  # the first of arrays would be y_true itself
    given = {"y_true": y_true, "y_pred": y_pred, "losses": losses}
    bind(SCORE, given, data, ["frame", "losses"] if of_frame else list(given))
    check_here({**given, "sample_weight": sample_weight, "groups": groups, "cluster": cluster})
    if of_frame and groups is not None:
        raise TypeError("groups is for arrays; of a frame pass by=, the names of its columns")
    if not of_frame and by is not None:
        raise TypeError("by names columns of a frame; for arrays pass groups=, an array of labels")
    if of_frame and multioutput is not None:
        raise TypeError("multioutput is for arrays, of shape (rows, outputs)")
    if of_frame and where is not None:
        raise TypeError("where is for arrays; of a frame pass the rows that count")
    clustered = cluster is not None
    measures: Any = as_measures(given.pop("losses"))
    kind = Whole if any(measure.needs_samples for measure in measures) else Scorer
    options: Any = {"nan_policy": nan_policy, "stderr": stderr, "multioutput": multioutput}
    scorer = kind(measures, clustered=clustered, **options)
    if of_frame:
        from fastloss.scoring.frames import parts

        _add(scorer, parts(**given, sample_weight=sample_weight, by=by, cluster=cluster))
    else:
        more = {"groups": groups, "cluster": cluster, "where": where}
        scorer.update(**given, sample_weight=sample_weight, **more)
    return scorer.result()


@overload
def compare(
    y_true: ArrayLike,
    y_preds: Mapping[str, ArrayLike],
    losses: Losses,
    *,
    by: Any = None,
    sample_weight: ArrayLike | None = None,
    nan_policy: str = "propagate",
    baseline: str | None = None,
    correction: Literal["holm"] | None = None,
    cluster: Any = None,
) -> Comparison: ...


@overload
def compare(
    frame: Frame,
    /,
    y_preds: Mapping[str, str | Sequence[str]] | Sequence[str],
    losses: Losses,
    *,
    y_true: str,
    by: str | Sequence[str] | None = None,
    sample_weight: str | None = None,
    nan_policy: str = "propagate",
    baseline: str | None = None,
    correction: Literal["holm"] | None = None,
    cluster: str | Sequence[str] | None = None,
) -> Comparison: ...


def compare(
    *data: Any,
    y_true: Any = None,
    y_preds: Any = None,
    losses: Any = None,
    by: Any = None,
    sample_weight: Any = None,
    nan_policy: str = "propagate",
    baseline: str | None = None,
    correction: Literal["holm"] | None = None,
    cluster: Any = None,
) -> Comparison:
    """Compare models on the same samples: their losses, and whether these differ.

    ::

        compare(y_true, y_preds, losses, *, by=None, sample_weight=None, ...)          # arrays
        compare(frame, y_preds, losses, *, y_true, by=None, sample_weight=None, ...)  # its columns

    Parameters
    ----------
    y_true : array_like, or the name of a column
        Targets.
    y_preds : mapping of str to array_like, or to names of columns
        The predictions of each model, by its name. Of a frame each is as ``y_pred`` of `score`;
        columns that are named as the models are may be given as a sequence.
    losses : sequence of str or Loss
        What to compare them by, as `score` takes it.
    frame : object with the Arrow C stream interface
        As `score` takes it.
    by : array_like, or names of columns, optional
        The group of each sample, as `score` takes ``groups`` of arrays and ``by`` of a frame.
    sample_weight : array_like, or the name of a column, optional
        Of the shape of ``y_true``, or one weight per row.
    nan_policy : {"propagate", "omit", "raise"}
        With "omit" a row is left out of all models if its target or any prediction is NaN.
    baseline : str, optional
        The model that the others are compared with: its name, by default the first, or "best": of
        each loss the model that is best in all.
    correction : {"holm"}, optional
        Of the p values of the groups, for as many comparisons as there are groups.
    cluster : array_like, or names of columns, optional
        The cluster of each sample, as `score` takes it.

    Returns
    -------
    Comparison
        Values, paired differences, standard errors, z and p, in all and per group.

    Raises
    ------
    TypeError
        If what is for arrays and what is for frames is mixed, or data are not numbers.
    ValueError
        If a value is outside a loss's domain, shapes differ, a column is not there, or there is
        nothing to compare.

    Notes
    -----
    With d the difference of the weighted losses of a sample, w the weights, m = sum(d)/sum(w) and n
    the number of samples, the standard error is the root of n/(n - 1) sum((d - m w)^2) / sum(w)^2
    (Cochran 1977; Gatz and Smith 1995). Without weights it is that of the paired t-test. Of roots
    it is found by the delta method; scores that are no means of the samples, as R2, have none. With
    clusters, d and w are the sums of each of the n clusters.

    References
    ----------
    Cochran (1977), Sampling Techniques. Gatz and Smith (1995), The Standard Error of a Weighted
    Mean Concentration, Atmospheric Environment 29. Holm (1979), A Simple Sequentially Rejective
    Multiple Test Procedure, Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> import fastloss as fl
    >>> y, old, new = [1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 5.0, 4.5], [1.25, 2.5, 4.0, 4.25]
    >>> found = fl.compare(y, {"old": old, "new": new}, ["mae"])
    >>> found.difference("new", "mae"), round(found.p("new", "mae"), 3)
    (-0.375, 0.182)

    Columns of a frame:

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"y": y, "old": old, "new": new})
    >>> fl.compare(frame, ["old", "new"], ["mae"], y_true="y")
    loss  model        value    difference      z     p
    mae   new    0.50 ± 0.18  -0.38 ± 0.22  -1.73  0.18
          old    0.88 ± 0.38  baseline
    """
    of_frame = bool(data) and y_true is not None  # the first of arrays would be y_true itself
    given = {"y_true": y_true, "y_preds": y_preds, "losses": losses}
    bind(COMPARE, given, data, ["frame", "y_preds", "losses"] if of_frame else list(given))
    models = _models(given.pop("y_preds"), of_frame)
    check_here({**given, **models, "sample_weight": sample_weight, "by": by, "cluster": cluster})
    clustered = cluster is not None
    comparer = Comparer(given.pop("losses"), models, nan_policy=nan_policy, clustered=clustered)
    if of_frame:
        from fastloss.scoring.frames import parts

        columns = {"sample_weight": sample_weight, "by": by, "cluster": cluster}
        _add(comparer, parts(**given, y_preds=models, **columns))
    else:
        comparer.update(given["y_true"], models, sample_weight, by, cluster)
    return comparer.result(baseline, correction)


def _add(to: Scorer | Comparer, parts: Iterable[dict[str, Any]]) -> None:
    """Add the parts of a frame; an error says where in the frame a value is."""
    before = 0
    for part in parts:
        try:
            to.update(**part)
        except DomainError as error:
            row, *rest = error.index
            index = (before + row, *rest)
            raise DomainError(
                error.argument, index, error.value, error.domain, error.loss
            ) from None
        before += len(part["y_true"])


def _models(y_preds: Any, of_frame: bool) -> Mapping[str, Any]:
    """The predictions of each model, by its name."""
    listed = isinstance(y_preds, (list, tuple))
    if of_frame and listed and all(isinstance(name, str) for name in y_preds):
        for name in y_preds:
            if y_preds.count(name) > 1:
                raise ValueError(f"y_preds names {name!r} twice")
        return dict(zip(y_preds, y_preds, strict=True))
    if not isinstance(y_preds, Mapping):
        columns = "names of columns, or a list of these" if of_frame else "predictions"
        raise TypeError(
            f"y_preds must be a mapping of the models' names to {columns}; "
            f"got {type(y_preds).__name__}"
        )
    if not of_frame and any(isinstance(pred, str) for pred in y_preds.values()):
        raise TypeError(f"{COMPARE}; got names, and no y_true=")
    return y_preds


def bind(usage: str, given: dict[str, Any], data: tuple[Any, ...], places: list[str]) -> None:
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
            raise TypeError(f"{usage}; got {problem}")


def check_here(given: Mapping[str, Any]) -> None:
    """An error for what lies on other machines, where one call would gather it on this one."""
    for name, value in given.items():
        library, _, rest = type(value).__module__.partition(".")
        if library in ("pyspark", "dask_expr") or library == "dask" and "dataframe" in rest:
            bridge = "spark" if library == "pyspark" else "dask"
            raise TypeError(
                f"{name} is a {type(value).__name__} of {library}, whose partitions "
                f"fastloss.{bridge}.score(frame, losses, y_true=, y_pred=) scores where they lie"
            )
