"""Several models on the same samples, in one pass, a part at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, combinations_with_replacement
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from fastloss._core import input_array
from fastloss.losses.base import Loss
from fastloss.scoring.accumulator import (
    NAN_POLICIES,
    check_choice,
    total_of,
)
from fastloss.scoring.columns import can_be_fused, check_parts, check_rows
from fastloss.scoring.comparison import Comparison, Differences, holm
from fastloss.scoring.measured import Measured
from fastloss.scoring.measures import as_measures
from fastloss.scoring.statistics import ClusterMoments, Moments, by_group, means_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fastloss.scoring.exact import ExactSums
    from fastloss.scoring.part import Array


class Comparer(Measured):
    """Compares models on data that come in parts.

    Parameters
    ----------
    losses : sequence of str or Loss
        What to compare them by, as `Scorer` takes it.
    models : sequence of str
        Their names, two at least.
    nan_policy : {"propagate", "omit", "raise"}
        With "omit" a row is left out of all models if its target or any prediction is NaN.
    clustered : bool, default=False
        Whether samples come in clusters, as `Scorer` takes them.

    See Also
    --------
    compare : The same of data that are there at once.

    Examples
    --------
    >>> import fastloss as fl
    >>> comparer = fl.Comparer(["mae"], ["old", "new"])
    >>> comparer.update([1.0, 2.0], {"old": [1.5, 2.5], "new": [1.5, 2.25]})
    >>> comparer.update([3.0], {"old": [5.0], "new": [4.0]})
    >>> round(comparer.result().difference("new", "mae"), 4)
    -0.4167
    """

    _kind: ClassVar[str] = "comparer"

    def __init__(
        self,
        losses: Iterable[str | Loss] | str | Loss,
        models: Iterable[str],
        *,
        nan_policy: str = "propagate",
        clustered: bool = False,
    ) -> None:
        super().__init__()
        self._measures = as_measures(losses)
        self.losses = tuple(loss for measure in self._measures for loss in measure.losses)
        self.models = tuple(models)
        if isinstance(models, str) or len(self.models) < 2:
            given = models if isinstance(models, str) else self.models
            raise ValueError(f"models must name two models at least; got {given!r}")
        for model in self.models:
            if not isinstance(model, str):
                raise TypeError(f"models must be names, as strings; got {model!r}")
        if len({*self.models}) < len(self.models):
            raise ValueError(f"models must have names that differ; got {self.models}")
        check_choice("nan_policy", nan_policy, NAN_POLICIES)
        self.nan_policy = nan_policy
        self.clustered = bool(clustered)
        check_rows(self._measures)
        check_parts(self._measures)
        self._fused = can_be_fused(self._measures)
        for measure in self._measures:
            measure.classes_of(self.losses)
        self._each = sum(measure.n_columns for measure in self._measures)
        self._width = self._each * len(self.models)  # columns: those of one model after the other
        self._pairs = [] if clustered else self._paired()
        self._maxima = [
            first + model * self._each
            for first, measure in zip(self._firsts(), self._measures, strict=True)
            if measure.is_max
            for model in range(len(self.models))
        ]

    def _paired(self) -> list[tuple[int, int]]:
        """Products of the same column of two models, and with the weights."""
        pairs = []
        for first, measure in zip(self._firsts(), self._measures, strict=True):
            if measure.is_mean:
                places = [first + k * self._each for k in range(len(self.models))]
                pairs += [*combinations_with_replacement(places, 2)]
                pairs += [(place, self._width) for place in places]
        return [*pairs, (self._width, self._width)]

    def _settings(self) -> dict[str, Any]:
        return {
            "losses": [measure.spec for measure in self._measures],
            "models": list(self.models),
            "nan_policy": self.nan_policy,
            "clustered": self.clustered,
        }

    @classmethod
    def _made_with(cls, settings: dict[str, Any]) -> Self:
        return cls(**settings)

    def update(
        self,
        y_true: ArrayLike,
        y_preds: Mapping[str, ArrayLike],
        sample_weight: ArrayLike | None = None,
        groups: Any = None,
        cluster: Any = None,
    ) -> None:
        """Add a part of the data.

        Parameters
        ----------
        y_true : array_like
            Targets.
        y_preds : mapping of str to array_like
            The predictions of each model, all of one shape.
        sample_weight, groups, cluster
            As `Scorer.update` takes them.

        Raises
        ------
        ValueError
            As of `Scorer.update`, or if models are missing or unknown; nothing is added then.
        """
        if not isinstance(y_preds, Mapping) or {*y_preds} != {*self.models}:
            given = list(y_preds) if isinstance(y_preds, Mapping) else y_preds
            raise ValueError(
                f"y_preds must have the predictions of {', '.join(self.models)}; got {given!r}"
            )
        y = input_array(y_true, "y_true")
        zs = [input_array(y_preds[model], f"y_preds[{model!r}]") for model in self.models]
        for z, model in zip(zs, self.models, strict=True):
            if z.shape != zs[0].shape:
                raise ValueError(
                    f"y_preds[{model!r}] must have the shape of the first, {zs[0].shape}; "
                    f"got {z.shape}"
                )
        named = {f"y_preds[{model!r}]": z for model, z in zip(self.models, zs, strict=True)}
        self._add(y, named, sample_weight, groups, cluster)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def result(
        self, baseline: str | None = None, correction: Literal["holm"] | None = None
    ) -> Comparison:
        """The scores of all models, and their differences to one of them.

        Parameters
        ----------
        baseline : str, optional
            The model that the others are compared with: its name, by default the first, or "best":
            of each loss the model that is best in all.
        correction : {"holm"}, optional
            Of the p values of the groups, for as many comparisons as there are groups.

        Raises
        ------
        ValueError
            If there is nothing to take the mean of, or no such model.
        """
        check_choice("baseline", baseline, (None, "best", *self.models))
        check_choice("correction", correction, (None, "holm"))
        labels, sums = self._seen()
        sums, total = total_of(sums, self._width)
        base = self._baseline(self._values(total)[0][0], baseline)
        of_each: Moments | ClusterMoments
        of_all: Moments | ClusterMoments
        if self.clustered:
            labels, sums, of_each, of_all = by_group(labels, sums, self._width)
        else:
            of_each, of_all = (Moments(s, self._width, self._pairs) for s in (sums, total))
        groups = None
        if self._grouped:
            groups = self._differences(sums, of_each, base)
            if correction == "holm":
                groups = replace(groups, p=holm(groups.p))
        return Comparison(
            self._measures,
            models=self.models,
            baselines=tuple(self.models[k] for k in base),
            total=self._differences(total, of_all, base)[0],
            labels=tuple(labels) if self._grouped else None,
            groups=groups,
            keys=self._keys,
            correction=correction,
        )

    def _baseline(self, values: Array, name: str | None) -> Array:
        """Of each loss the place of the model that the others are compared with."""
        if name == "best":
            signs = [-1 if measure.larger_is_better else 1 for measure in self._measures]
            return np.asarray(np.argsort(values * signs, axis=0, kind="stable")[0])  # NaN last
        return np.full(len(self._measures), self.models.index(name) if name else 0)

    def _firsts(self) -> list[int]:
        """The first column of each measure, of the first model."""
        ends = accumulate(measure.n_columns for measure in self._measures)
        return [0, *ends][:-1]

    def _values(self, sums: ExactSums) -> tuple[Array, Array]:
        """Values by group, model and loss; and the weights of groups."""
        means = means_of(sums, self._width)
        shape = len(means.values), len(self.models), self._each
        numbers = means.numbers[:, :-1].reshape(shape)
        of_model, weights = means.values.reshape(shape), means.numbers[:, -1:]
        values = []
        maxima = means.maxima
        for first, measure in zip(self._firsts(), self._measures, strict=True):
            if measure.is_max and maxima is not None:  # those of one measure after another's
                own_maxima, maxima = np.split(maxima, [len(self.models)], axis=1)
                values.append(own_maxima)
                continue
            own = slice(first, first + measure.n_columns)
            values.append(measure.value(of_model[..., own], numbers[..., own], weights))
        return np.stack(values, axis=-1), means.weights

    def _differences(
        self, sums: ExactSums, moments: Moments | ClusterMoments, base: Array
    ) -> Differences:
        from scipy.special import stdtr  # takes long to import

        values, weights = self._values(sums)
        errors, apart = np.full((2, *values.shape), np.nan)
        for k, (first, measure) in enumerate(zip(self._firsts(), self._measures, strict=True)):
            if measure.is_mean:
                places = [first + j * self._each for j in range(len(self.models))]
                of_model = values[..., k] if measure.is_root else None
                errors[..., k], apart[..., k] = _errors(moments, places, int(base[k]), of_model)
        own = np.take_along_axis(values, np.broadcast_to(base, values[:, :1].shape), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            differences = values - own
            z = differences / apart
        p = 2 * stdtr(np.maximum(moments.counts - 1, 1)[:, None, None], -np.abs(z))
        return Differences(values, errors, differences, apart, z, p, weights, sums.counts)


def _errors(
    moments: Moments | ClusterMoments, places: list[int], base: int, roots: Array | None
) -> tuple[Array, Array]:
    """Standard errors of the models, and of their differences to the base, by group and model.

    Of roots of means by the delta method: the derivative of a root is 1 / (2 root).
    """
    alone = np.stack([moments.variance({place: 1}) for place in places], axis=1)
    apart = np.full(alone.shape, np.nan)
    for j, place in enumerate(places):
        if j != base and roots is None:
            apart[:, j] = moments.variance({place: 1, places[base]: -1})
    if roots is None:
        return np.sqrt(alone), np.sqrt(apart)
    own = roots[:, base]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = own[:, None] / roots
        for j, place in enumerate(places):
            if j != base:
                apart[:, j] = moments.variance({place: _scaled(ratios[:, j]), places[base]: -_ONE})
        apart[~(np.isfinite(ratios) & (ratios > 0))] = np.nan
        return np.sqrt(alone) / (2 * roots), np.sqrt(apart) / (2 * own[:, None] * _ONE)


_ONE = 1 << 60  # what factors of columns are integers of


def _scaled(factors: Array) -> Array:
    """Factors as integers, in units of which _ONE are 1; 0 for those that are none."""
    usable = np.where(np.isfinite(factors), factors, 0.0)
    return np.array([int(Fraction(factor) * _ONE) for factor in usable.tolist()], object)
