"""What was found in all rows: the scores of each model, and how many rows they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from fastloss.scoring import Scores


@dataclass(frozen=True)
class Row:
    """The scores of a model, of one group or of all rows."""

    model: str
    group: tuple[Any, ...]  # its label by each key; of all rows there is none
    values: Sequence[float]
    weight: float
    count: int


@dataclass(frozen=True)
class Outcome:
    """The scores by model, and what became of the rows."""

    by: Sequence[str]
    scores: Mapping[str, Scores]
    rows: int
    weight_0: int

    def __iter__(self) -> Iterator[Row]:
        """Of each model the groups, then all rows."""
        return chain.from_iterable(map(self.rows_of, self.scores))

    def rows_of(self, model: str) -> Iterator[Row]:
        """Its groups, then all rows."""
        scores = self.scores[model]
        if scores.groups is not None:
            for group, values, weight, count in zip(
                scores.groups,
                scores.group_values.tolist(),
                scores.group_weights.tolist(),
                scores.group_counts.tolist(),
                strict=True,
            ):
                labels = group if isinstance(group, tuple) else (group,)
                yield Row(model, labels, values, weight, count)
        yield Row(model, (), scores.values.tolist(), scores.weight, scores.count)

    @property
    def names(self) -> tuple[str, ...]:
        """The losses."""
        return next(iter(self.scores.values())).names

    @property
    def total_label(self) -> str:
        """What all rows are called beside groups: "all", or "(all)" if that is one."""
        label, labels = "all", {str(label) for row in self for label in row.group}
        while label in labels:
            label = f"({label})"
        return label

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


def _where(scores: Scores, place: int) -> str:
    """Of which rows a loss is not finite, in words."""
    if scores.groups is None:
        return ""
    groups = np.count_nonzero(~np.isfinite(scores.group_values[:, place]))
    inside = f"in {groups:,} of {len(scores.groups):,} groups"
    return f" {inside}" if np.isfinite(scores.values[place]) else f" in all rows, and {inside}"
