"""What was found in all rows: the scores of each model, and how many rows they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.scoring import Comparison, Scores
from fastloss.scoring.labels import parts_of
from fastloss.scoring.measure import Measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUE, STDERR, RANK = "value", "stderr", "rank"
DIFFERENCES = {  # the fields of a difference, and what a comparison calls them
    "difference": "differences",
    "difference_stderr": "difference_errors",
    "z": "z",
    "p": "p",
}


def fields_of(measure: Measure, stderr: bool, compare: bool) -> list[str]:
    """The numbers that there are of a loss or metric."""
    found = [VALUE]
    if stderr and measure.is_mean:
        found.append(STDERR)
    if compare:
        found += DIFFERENCES if measure.is_mean else ["difference"]
    if compare and measure.is_ordered:
        found.append(RANK)
    return found


def column_name(name: str, field: str) -> str:
    """The column that has a number of a loss."""
    return name if field == VALUE else f"{name}_{field}"


@dataclass(frozen=True)
class Row:
    """The scores of a model, of one group or of all rows."""

    model: str
    group: tuple[Any, ...]  # its label by each key; of all rows there is none
    scores: Mapping[str, Mapping[str, float]]  # by loss and field
    weight: float
    count: int


@dataclass(frozen=True)
class Outcome:
    """The scores by model, how they compare, and what became of the rows."""

    by: Sequence[str]
    measures: Mapping[str, Measure]
    scores: Mapping[str, Scores]
    comparison: Comparison | None
    rows: int
    weight_0: int

    def __iter__(self) -> Iterator[Row]:
        """Of each model the groups, then all rows."""
        return chain.from_iterable(map(self.rows_of, self.scores))

    def rows_of(self, model: str) -> Iterator[Row]:
        """Its groups, then all rows."""
        scores = self.scores[model]
        columns = {name: self._columns(model, name) for name in self.names}
        weights = [*scores.group_weights.tolist(), scores.weight]
        counts = [*scores.group_counts.tolist(), scores.count]
        labels = [*map(parts_of, scores.groups or ()), ()]
        for k, (label, weight, count) in enumerate(zip(labels, weights, counts, strict=True)):
            found = {
                name: {field: column[k] for field, column in fields.items()}
                for name, fields in columns.items()
            }
            yield Row(model, label, found, weight, count)

    def _columns(self, model: str, name: str) -> dict[str, list[float]]:
        """The fields of a loss, each of the groups and then of all rows; of a baseline few."""
        scores, measure, compared = self.scores[model], self.measures[name], self.comparison
        j, k = [*self.scores].index(model), self.names.index(name)
        fields = self.fields(name)
        found = {VALUE: [*scores.group_values[:, k].tolist(), float(scores.values[k])]}
        if STDERR in fields and scores.errors is not None and scores.group_errors is not None:
            found[STDERR] = [*scores.group_errors[:, k].tolist(), float(scores.errors[k])]
        if compared is not None and model != compared.baselines[k]:
            parts = [part for part in (compared.groups, compared.total) if part is not None]
            for field in filter(DIFFERENCES.__contains__, fields):
                each = [getattr(part, DIFFERENCES[field])[..., j, k] for part in parts]
                found[field] = np.hstack(each).tolist()
        if RANK in fields:
            found[RANK] = self._ranks(k, -1 if measure.larger_is_better else 1)[:, j].tolist()
        return found

    def _ranks(self, place: int, sign: int) -> NDArray[np.intp]:
        """The place of each model by a loss, by group and model; ties share it, NaN are last."""
        each = [
            np.vstack([s.group_values, s.values])[:, place] * sign for s in self.scores.values()
        ]
        values = np.nan_to_num(np.stack(each, axis=1), nan=np.inf, posinf=np.inf, neginf=-np.inf)
        return np.asarray(1 + (values[:, None, :] < values[:, :, None]).sum(axis=2))

    @property
    def names(self) -> tuple[str, ...]:
        """The losses."""
        return tuple(self.measures)

    @property
    def total_label(self) -> str:
        """What all rows are called beside groups, which are the same of all models."""
        return next(iter(self.scores.values())).total_label

    def fields(self, name: str) -> list[str]:
        """The numbers that there are of a loss."""
        stderr = next(iter(self.scores.values())).errors is not None
        return fields_of(self.measures[name], stderr, self.comparison is not None)

    def of(self, model: str) -> str:
        """Words that tell a model from the others, if there are others."""
        return f" of {model}" if len(self.scores) > 1 else ""

    def dropped(self, model: str) -> int:
        """How many rows were left out for a value that is missing or NaN."""
        return self.rows - self.weight_0 - self.scores[model].count

    def non_finite(self, model: str) -> list[str]:
        """The losses that are NaN or infinite, of all rows or of a group."""
        scores = self.scores[model]
        finite = np.isfinite(scores.values)
        if scores.groups is not None:
            finite &= np.isfinite(scores.group_values).all(axis=0)
        return [name for name, fine in zip(scores.names, finite, strict=True) if not fine]

    def notes(self) -> str:
        """What a user should know of the rows and scores, in one line; often nothing."""
        found = []
        for model, scores in self.scores.items():
            if dropped := self.dropped(model):
                of_rows = f"{dropped:,} of {self.rows:,} rows{self.of(model)}"
                found.append(f"{of_rows} dropped: missing or NaN")
            names: dict[str, list[str]] = {}
            for name in self.non_finite(model):
                where = _where(scores, scores.names.index(name))
                names.setdefault(where, []).append(name)
            for where, alike in names.items():
                verb = "is" if len(alike) == 1 else "are"
                found.append(f"{', '.join(alike)}{self.of(model)} {verb} not finite{where}")
        if self.weight_0:
            found.append(f"{self.weight_0:,} of {self.rows:,} rows have weight 0")
        return "; ".join(found)


def scores_of(comparison: Comparison, measures: Sequence[Measure], model: str) -> Scores:
    """The scores of one of the models that were compared."""
    j, total, groups = comparison.models.index(model), comparison.total, comparison.groups
    found: dict[str, Any] = {}
    if groups is not None:
        found = {
            "groups": comparison.labels,
            "group_values": groups.values[:, j],
            "group_errors": groups.errors[:, j],
            "group_weights": groups.weights,
            "group_counts": groups.counts,
            "keys": comparison.keys,
        }
    return Scores(
        measures,
        values=total.values[j],
        errors=total.errors[j],
        weight=float(total.weights),
        count=int(total.counts),
        **found,
    )


def _where(scores: Scores, place: int) -> str:
    """Of which rows a loss is not finite, in words."""
    if scores.groups is None:
        return ""
    groups = np.count_nonzero(~np.isfinite(scores.group_values[:, place]))
    inside = f"in {groups:,} of {len(scores.groups):,} groups"
    return f" {inside}" if np.isfinite(scores.values[place]) else f" in all rows, and {inside}"
