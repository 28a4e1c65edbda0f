"""Many losses in one pass, by group, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from fastloss._core import input_array
from fastloss.losses.base import Loss
from fastloss.scoring.accumulator import (
    NAN_POLICIES,
    check_choice,
    total_of,
)
from fastloss.scoring.columns import can_be_fused, check_parts, check_rows
from fastloss.scoring.exact import ExactSums
from fastloss.scoring.measure import Measure
from fastloss.scoring.measured import Measured
from fastloss.scoring.measures import as_measures
from fastloss.scoring.outputs import RAW, as_multioutput, averaged, labels_by_output
from fastloss.scoring.scores import Scores
from fastloss.scoring.statistics import ClusterMoments, Means, Moments, by_group, means_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fastloss.scoring.part import Array


class Scorer(Measured):
    """Scores data that come in parts.

    Sums are exact, and rounded once, at the end: the scores are the same bits whatever the parts,
    their order, the number of threads, and how scorers are merged.

    Parameters
    ----------
    losses : sequence of str or Loss
        What to compute; see `loss_names`. Metrics go by their names, as ``"r2"``, ``"rmsle"``,
        ``"max_error"``: see docs/scoring.md. Those that take all samples at once,
        ``"median_absolute_error"`` and ``"d2_<loss>"`` where the best constant is not the mean,
        are left to `score`.
    nan_policy : {"propagate", "omit", "raise"}
        A NaN in a target or a prediction makes the result NaN, has its row left out, or raises.
    stderr : bool, default=False
        Whether scores have standard errors.
    clustered : bool, default=False
        Whether samples come in clusters, which alone are independent: then standard errors are
        those of sums of clusters, of which each is kept.
    multioutput : {"raw_values", "uniform_average"} or array_like, optional
        What is made of the columns of targets of shape (rows, outputs), as `score` takes it.

    Examples
    --------
    >>> import fastloss as fl
    >>> scorer = fl.Scorer(["mae", "rmse"])
    >>> scorer.update([1.0, 2.0], [1.5, 2.5])
    >>> scorer.update([3.0], [5.0])
    >>> scorer.result()["mae"]
    1.0

    Scorers of other parts, of other processes or machines, add up:

    >>> first, second = fl.Scorer("mae"), fl.Scorer("mae")
    >>> first.update([1.0, 2.0], [1.5, 2.5])
    >>> second.update([3.0], [5.0])
    >>> sum([first, fl.Scorer.from_bytes(second.to_bytes())]).result()["mae"]
    1.0
    """

    _kind: ClassVar[str] = "scorer"
    _keeps: ClassVar[bool] = False  # the samples, beside their sums

    def __init__(
        self,
        losses: Iterable[str | Loss] | str | Loss,
        *,
        nan_policy: str = "propagate",
        stderr: bool = False,
        clustered: bool = False,
        multioutput: str | ArrayLike | None = None,
    ) -> None:
        super().__init__()
        self._measures = as_measures(losses)
        self.losses = tuple(loss for m in self._measures for loss in m.losses)
        check_choice("nan_policy", nan_policy, NAN_POLICIES)
        self.nan_policy = nan_policy
        self.stderr, self.clustered = bool(stderr), bool(clustered)
        if clustered and not stderr:
            raise ValueError("clusters matter to standard errors alone: pass stderr=True")
        check_rows(self._measures)
        self._multioutput = as_multioutput(multioutput, self._measures)
        if stderr and self._multioutput is not None:
            raise ValueError(
                "there are no standard errors with multioutput, as the outputs of a row may be "
                "alike: score each column by itself"
            )
        if not self._keeps:
            check_parts(self._measures)
        for measure in self._measures:
            measure.classes_of(self.losses)
        self._fused = can_be_fused(self._measures)
        self._width = sum(m.n_columns for m in self._measures)
        of_samples = stderr and not clustered
        means = [k for k, m in columns_of(self._measures) if m.is_mean]
        self._pairs = second_moments(means, self._width) if of_samples else []
        self._maxima = [k for k, m in columns_of(self._measures) if m.is_max]

    def _settings(self) -> dict[str, Any]:
        settings = {
            "losses": [measure.spec for measure in self._measures],
            "nan_policy": self.nan_policy,
            "stderr": self.stderr,
            "clustered": self.clustered,
        }
        if self._multioutput is not None:  # what is written otherwise is as it was without it
            weights = isinstance(self._multioutput, tuple)
            settings["multioutput"] = [*self._multioutput] if weights else self._multioutput
        return settings

    @classmethod
    def _made_with(cls, settings: dict[str, Any]) -> Self:
        return cls(**settings)

    def update(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: Any = None,
        cluster: Any = None,
        where: ArrayLike | None = None,
    ) -> None:
        """Add a part of the data. Several threads may do so at once.

        Parameters
        ----------
        y_true, y_pred : array_like
            Targets and predictions, of the same shape; or as a loss of rows takes them.
        sample_weight : array_like, optional
            Of the shape of ``y_true``, or one weight per row.
        groups : array_like, optional
            The group of each sample, of the shape of ``y_true`` or of the rows: see `score`. All
            parts have it, or none. With ``multioutput`` it is of the rows.
        cluster : array_like, optional
            The cluster of each sample, as ``groups``; with ``clustered=True`` alone.
        where : array_like of bool, optional
            Which samples count, of a shape that ``sample_weight`` may have; the others have
            weight 0.

        Raises
        ------
        ValueError
            If a value is outside a loss's domain, shapes differ, or rows have other classes than
            those of the parts before; nothing is added then.
        """
        y, z = input_array(y_true, "y_true"), input_array(y_pred, "y_pred")
        self._add(y, {"y_pred": z}, sample_weight, groups, cluster, where)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def result(self) -> Scores:
        """The scores of all that was added.

        Raises
        ------
        ValueError
            If there is nothing to take the mean of.
        """
        labels, sums = self._seen()
        sums, total = total_of(sums, self._width)
        if self._multioutput is not None:
            return self._result_by_output(labels, sums, total)
        of_each: Moments | ClusterMoments | None = None
        of_all: Moments | ClusterMoments | None = None
        if self.clustered:
            labels, sums, of_each, of_all = by_group(labels, sums, self._width)
        elif self.stderr:
            of_all = Moments(total, self._width, self._pairs)
            of_each = Moments(sums, self._width, self._pairs) if self._grouped else None
        values, weights, errors = self._reduce(total, of_all, lambda label: 0)
        found: dict[str, Any] = {}
        if self._grouped:
            places = {label: place for place, label in enumerate(labels)}
            each, each_weight, each_error = self._reduce(
                sums, of_each, lambda label: places[self._group_of(label)]
            )
            found = {
                "groups": labels,
                "group_values": each,
                "group_weights": each_weight,
                "group_counts": sums.counts,
                "group_errors": each_error,
                "keys": self._keys,
            }
        return Scores(
            self._measures,
            values=values[0],
            weight=float(weights[0]),
            count=int(total.counts[0]),
            errors=None if errors is None else errors[0],
            **found,
        )

    def _result_by_output(self, labels: list[Any], sums: ExactSums, total: ExactSums) -> Scores:
        """The average over outputs; by group, by output, or by both."""
        k = 1 + max(output for _, output in labels)
        of_outputs = sums.folded(np.array([output for _, output in labels], np.intp), k)
        values, weights, _ = self._reduce(of_outputs, None, itemgetter(1))
        found: dict[str, Any] = {}
        if self._grouped or self._multioutput == RAW:
            places = {label: place for place, label in enumerate(labels)}
            each, each_weight, _ = self._reduce(sums, None, places.__getitem__)
            found = self._groups_by_output(labels, each, each_weight, sums.counts)
        return Scores(
            self._measures,
            values=averaged(values, self._multioutput),
            weight=float(weights.sum()),
            count=int(total.counts[0]),
            **found,
        )

    def _groups_by_output(
        self, labels: list[Any], values: Array, weights: Array, counts: Array
    ) -> dict[str, Any]:
        """Scores of groups, of which each has all outputs, one after the other."""
        keys = self._keys
        if self._multioutput == RAW:
            groups = labels_by_output(labels, bool(self._grouped))
            keys = (*keys, "output") if keys or not self._grouped else ()
        else:
            groups = list(dict.fromkeys(group for group, _ in labels))
            values = averaged(values.reshape(len(groups), -1, values.shape[1]), self._multioutput)
            weights, counts = (x.reshape(len(groups), -1).sum(axis=1) for x in (weights, counts))
        return {
            "groups": groups,
            "group_values": values,
            "group_weights": weights,
            "group_counts": counts,
            "keys": keys,
        }

    def _group_of(self, label: Any) -> Hashable:
        """The group that a label is of, under which sums are added up."""
        return label[0] if self.clustered else label  # type: ignore[no-any-return]

    def _reduce(
        self,
        sums: ExactSums,
        moments: Moments | ClusterMoments | None,
        place_of: Callable[[Any], int],
    ) -> tuple[Array, Array, Array | None]:
        """Values, weights and standard errors by group; without the latter None.

        ``place_of`` says which of the groups the label of samples belongs to.
        """
        return reduce_measures(self._measures, means_of(sums, self._width), moments)


def columns_of(measures: Iterable[Measure]) -> Iterator[tuple[int, Measure]]:
    """The first column of each measure, and the measure."""
    first = 0
    for measure in measures:
        yield first, measure
        first += measure.n_columns


def reduce_measures(
    measures: tuple[Measure, ...], means: Means, moments: Moments | ClusterMoments | None
) -> tuple[Array, Array, Array | None]:
    """Values, weights and standard errors of measures by group."""
    values = np.empty((len(means.values), len(measures)))
    errors = None if moments is None else np.full(values.shape, np.nan)
    maxima = iter(() if means.maxima is None else means.maxima.T)
    for k, (first, measure) in enumerate(columns_of(measures)):
        own = slice(first, first + measure.n_columns)
        numbers = means.numbers
        values[:, k] = (
            next(maxima)
            if measure.is_max
            else measure.value(means.values[:, own], numbers[:, own], numbers[:, -1])
        )
        if errors is not None and moments is not None and measure.is_mean:
            errors[:, k] = np.sqrt(moments.variance({first: 1}))
            if measure.is_root:  # the delta method: the derivative of a root
                with np.errstate(divide="ignore", invalid="ignore"):
                    errors[:, k] /= 2 * values[:, k]
    return values, means.weights, errors


def second_moments(columns: list[int], width: int) -> list[tuple[int, int]]:
    """The pairs whose products the variances of some of the columns are made of."""
    return [*((k, k) for k in columns), *((k, width) for k in columns), (width, width)]
