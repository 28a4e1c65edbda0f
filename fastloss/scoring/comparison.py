"""What a comparison of models found: values, differences, and how sure they are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.losses.base import Loss
from fastloss.scoring.labels import (
    arrow_table,
    column_names,
    key_columns,
    library,
    n_keys,
    names_beside,
    parts_of,
    plain,
    polars_frame,
    total_label,
)
from fastloss.scoring.scores import Scores, places_of
from fastloss.scoring.shown import (
    html_table,
    mark_gap,
    shown_places,
    shown_size,
    shown_text,
    shown_value,
    text_table,
)

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    import polars as pl  # type: ignore[import-not-found, unused-ignore]
    import pyarrow as pa
    from numpy.typing import NDArray

    from fastloss.scoring.labels import Keys
    from fastloss.scoring.measure import Measure

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Differences:
    """Values of models by losses, and their differences to a baseline: of all samples, or groups.

    Attributes
    ----------
    values, errors : ndarray, shape (..., n_models, n_losses)
        Of each model by itself, with its standard error.
    differences, difference_errors : ndarray, shape (..., n_models, n_losses)
        Value less that of the baseline on the same samples, and its standard error, which is that
        of the mean of the samples' differences.
    z, p : ndarray, shape (..., n_models, n_losses)
        The difference over its standard error, and how probable one as far from 0 is if there is
        none: Student's t of count - 1 degrees of freedom, two-sided. NaN of the baseline itself.
    weights, counts : ndarray, shape (...)
    """

    values: Floats
    errors: Floats
    differences: Floats
    difference_errors: Floats
    z: Floats
    p: Floats
    weights: Floats
    counts: NDArray[np.int64]

    def __getitem__(self, place: int) -> Differences:
        return Differences(*(getattr(self, name)[place] for name in self.__dataclass_fields__))


# What frames have of each row, and the attributes of Differences that it comes from.
COLUMNS = {
    "value": "values",
    "stderr": "errors",
    "difference": "differences",
    "difference_stderr": "difference_errors",
    "z": "z",
    "p": "p",
}


class Comparison:
    """Values of losses of several models on the same samples, and the differences between them.

    ``comparison["new"]`` are the scores of a model, as `Scores`, with standard errors and groups;
    `group` finds the comparison of a group. Tables and frames have a row for each group, loss and
    model, the models in the order of `ranking`.

    Attributes
    ----------
    models : tuple of str
    names : tuple of str
        The losses, as `get_loss` reads them.
    baselines : tuple of str
        Of each loss, the model that the others are compared with.
    total : Differences
        Of all samples.
    labels : tuple or None
        Labels of the groups, in order.
    groups : Differences or None
        By group, along the first axis.
    keys : tuple of str
        Names of the columns that groups are of; empty if they have none.
    correction : {"holm"} or None
        What the p values of the groups were corrected by.

    Examples
    --------
    >>> import fastloss as fl
    >>> y, old, new = [1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 5.0, 4.5], [1.25, 2.5, 4.0, 4.25]
    >>> found = fl.compare(y, {"old": old, "new": new}, ["mae", "r2"])
    >>> found
    loss  model        value    difference      z     p
    mae   new    0.50 ± 0.18  -0.38 ± 0.22  -1.73  0.18
          old    0.88 ± 0.38  baseline
    r2    new      0.725         0.675
          old       0.05      baseline
    >>> found["new"]
                 mae     r2  weight  count
    all  0.50 ± 0.18  0.725       4      4
    """

    __iter__ = None  # or the models 0, 1, 2, ... would be looked for

    def __init__(
        self,
        measures: Sequence[Measure],
        *,
        models: tuple[str, ...],
        baselines: tuple[str, ...],
        total: Differences,
        labels: tuple[Hashable, ...] | None = None,
        groups: Differences | None = None,
        keys: tuple[str, ...] = (),
        correction: str | None = None,
    ) -> None:
        self._measures = tuple(measures)
        self.names = tuple(measure.spec for measure in measures)
        self.models, self.baselines = models, baselines
        self.total, self.labels, self.groups, self.keys = total, labels, groups, keys
        self.correction = correction

    def __getitem__(self, model: str) -> Scores:
        """The scores of a model."""
        j = self._model(model)
        found: dict[str, Any] = {}
        if self.groups is not None:
            found = {
                "groups": self.labels,
                "group_values": self.groups.values[:, j],
                "group_errors": self.groups.errors[:, j],
                "group_weights": self.groups.weights,
                "group_counts": self.groups.counts,
                "keys": self.keys,
            }
        return Scores(
            self._measures,
            values=self.total.values[j],
            errors=self.total.errors[j],
            weight=float(self.total.weights),
            count=int(self.total.counts),
            **found,
        )

    def group(self, label: Hashable) -> Comparison:
        """The comparison of one group, by its label: of several keys a tuple.

        Raises
        ------
        KeyError
            If there is no such group.

        Examples
        --------
        >>> import fastloss as fl
        >>> models = {"old": [2.0, 2.0, 3.0], "new": [1.5, 2.0, 3.5]}
        >>> found = fl.compare([1.0, 2.0, 4.0], models, "mae", by=["a", "a", "b"])
        >>> found.group("a").difference("new", "mae")
        -0.25
        """
        place = self[self.models[0]]._place(label)
        assert self.groups is not None
        return Comparison(
            self._measures,
            models=self.models,
            baselines=self.baselines,
            total=self.groups[place],
            correction=self.correction,
        )

    def difference(self, model: str, loss: str | Loss) -> float:
        """How much a model's loss is larger than the baseline's, over all samples."""
        return float(self.total.differences[self._model(model), self._loss(loss)])

    def p(self, model: str, loss: str | Loss) -> float:
        """How probable a difference as far from 0 is if there is none."""
        return float(self.total.p[self._model(model), self._loss(loss)])

    def _model(self, name: str) -> int:
        if name not in self.models:
            raise KeyError(f"{name!r} is none of the models {', '.join(self.models)}")
        return self.models.index(name)

    def _loss(self, key: str | Loss) -> int:
        found = places_of(self._measures, key)
        if len(found) != 1:
            number = "several" if found else "none"
            raise KeyError(f"{key!r} is {number} of the losses {', '.join(self.names)}")
        return found[0]

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Of each model by each loss, over all samples: 1 is the best, which ties share."""
        return self._ranks(self.total.values)

    def _ranks(self, values: Floats) -> NDArray[np.intp]:
        signs = np.array([-1 if measure.larger_is_better else 1 for measure in self._measures])
        badness = values * signs
        own, other = badness[..., :, None, :], badness[..., None, :, :]
        better = (other < own) | (np.isnan(own) & ~np.isnan(other))
        return np.asarray(1 + better.sum(axis=-2))

    @property
    def ranking(self) -> tuple[str, ...]:
        """The models from the best to the worst by the first loss."""
        return tuple(self.models[j] for j in self._order())

    def _order(self) -> NDArray[np.intp]:
        return np.argsort(self.ranks[:, 0], kind="stable")

    def to_dict(self) -> dict[str, Any]:
        """What was found of each model by each loss, by their names under ``models``.

        Beside it are ``weight`` and ``count``; and the same per group under ``groups``.

        Examples
        --------
        >>> import fastloss as fl
        >>> found = fl.compare([1.0, 2.0], {"old": [2.0, 2.5], "new": [1.5, 2.5]}, "mae").to_dict()
        >>> found["models"]["new"]["mae"]["difference"], found["count"]
        (-0.25, 2)
        """
        *groups, result = self._dicts()
        if self.labels is not None:
            result["groups"] = dict(zip(self.labels, groups, strict=True))
        return result

    def _dicts(self) -> list[dict[str, Any]]:
        """Of each group and of all samples."""
        numbers = self._numbers()
        weights, counts = (numbers.pop(name)[:, 0, 0].tolist() for name in ("weight", "count"))
        rows = zip(*(array.ravel().tolist() for array in numbers.values()), strict=True)
        found = [dict(zip(numbers, row, strict=True)) for row in rows]  # in turn by model, by loss
        n, places = len(self.models), {model: j for j, model in enumerate(self.ranking)}
        return [
            {
                "models": {
                    model: dict(
                        zip(self.names, found[first + places[model] : stop : n], strict=True)
                    )
                    for model in self.models
                },
                "weight": weight,
                "count": count,
            }
            for first, stop, weight, count in zip(
                range(0, len(found), self._rows_each),
                range(self._rows_each, len(found) + 1, self._rows_each),
                weights,
                counts,
                strict=True,
            )
        ]

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a row for each group, loss and model; of all samples last.

        Columns are the keys, if there are groups, ``loss``, ``model``, ``value``, ``stderr``,
        ``difference``, ``difference_stderr``, ``z``, ``p``, ``rank``, ``weight`` and ``count``. A
        key without a name is called "group", or "key 1", "key 2" and so on; of all samples it is
        "all", or "(all)" if that is a group, and the other keys are "".

        Raises
        ------
        ValueError
            If a key has the name of another column.

        Examples
        --------
        >>> import fastloss as fl
        >>> models = {"old": [2.0, 2.5], "new": [1.5, 2.5]}
        >>> found = fl.compare([1.0, 2.0], models, "mae", by={"day": ["Mo", "Tu"]})
        >>> found.to_pandas()[["day", "model", "difference", "rank"]]
           day model  difference  rank
        0   Mo   new       -0.50     1
        1   Mo   old        0.00     2
        2   Tu   new        0.00     1
        3   Tu   old        0.00     1
        4  all   new       -0.25     1
        5  all   old        0.00     2
        """
        pandas = library("pandas", "Comparison.to_pandas")
        columns = self._columns()
        labels: dict[str, list[Any]] = {}
        if self.labels is not None:
            names = names_beside(self.keys, self.labels, columns)
            rows = [*map(parts_of, self.labels), self._total_row()]
            for name, *column in zip(names, *rows, strict=True):
                labels[name] = self._repeated(map(plain, column))
        frame: pd.DataFrame = pandas.DataFrame({**labels, **columns})
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A polars DataFrame with the columns of `to_pandas`, of groups without all samples.

        A key keeps its type, and "(missing)" is null; labels of several types are text.

        Raises
        ------
        ValueError
            If a key has the name of another column.
        """
        return polars_frame("Comparison.to_polars", *self._long_form())

    def to_arrow(self) -> pa.Table:
        """A pyarrow Table with the rows and columns of `to_polars`."""
        return arrow_table("Comparison.to_arrow", *self._long_form())

    def __repr__(self) -> str:
        return "\n\n".join([text_table(*self._cells()), *self._words()])

    def _repr_html_(self) -> str:
        words = [f"<p>{line}</p>" for line in self._words()]
        return "\n".join([html_table(*self._cells()), *words])

    def _words(self) -> list[str]:
        """What is to be said below a table."""
        size = shown_size(len(self.labels or ()), "groups", self._rows_each)
        corrected = "p of groups: Holm's correction" if self.correction else ""
        return [", ".join(filter(None, [size, corrected]))] if size or corrected else []

    def _cells(self) -> tuple[list[list[str]], list[list[str]]]:
        """The table that is shown, column by column, names first: of labels, and of numbers."""
        groups, order, each = self.labels or (), self.ranking, self._rows_each
        places = shown_places(len(groups), each)
        labels = []
        if self.labels is not None:
            total, *rest = self._total_row()
            rows = [[*map(shown_text, parts_of(groups[place]))] for place in places]
            rows.append([shown_text(total), *rest])
            for name, *column in zip(column_names(self.keys, groups, ""), *rows, strict=True):
                cells = (cell for label in column for cell in (label, *[""] * (each - 1)))
                labels.append([name and shown_text(name), *cells])
        blocks = len(places) + 1
        same = [""] * (len(order) - 1)
        of_losses = [cell for name in self.names for cell in (shown_text(name), *same)]
        labels.append(["loss", *of_losses * blocks])
        labels.append(["model", *[*map(shown_text, order)] * len(self.names) * blocks])
        numbers = [["value"], ["difference"], ["z"], ["p"]]
        found = {name: array[[*places, -1]] for name, array in self._numbers().items()}
        for i, k, j in np.ndindex(found["value"].shape):
            row = self._shown(order[j], k, {name: array[i, k, j] for name, array in found.items()})
            for column, cell in zip(numbers, row, strict=True):
                column.append(cell)
        mark_gap([*labels, *numbers], places, each)
        return labels, numbers

    def _shown(self, model: str, k: int, row: dict[str, Any]) -> list[str]:
        """Value, difference, z and p of a model by the loss at a place."""
        has_errors = self._measures[k].is_mean
        value = shown_value(row["value"], row["stderr"] if has_errors else None)
        if model == self.baselines[k]:
            return [value, "baseline", "", ""]
        if not has_errors:
            return [value, shown_value(row["difference"]), "", ""]
        difference = shown_value(row["difference"], row["difference_stderr"])
        return [value, difference, f"{row['z']:.2f}", f"{row['p']:.2g}"]

    @property
    def _rows_each(self) -> int:
        """How many rows a group has."""
        return len(self.names) * len(self.models)

    def _repeated(self, labels: Iterable[Any]) -> list[Any]:
        return [label for label in labels for _ in range(self._rows_each)]

    def _total_row(self) -> list[str]:
        """The label of all samples, by each key."""
        labels = self.labels or ()
        return [total_label(labels), *[""] * (n_keys(labels) - 1)]

    def _numbers(self) -> dict[str, Array]:
        """Numbers by group, the last of all samples, by loss, and by model in their ranking."""
        parts = [self.total] if self.groups is None else [self.groups, self.total]
        shape = (-1, len(self.models), len(self.names))

        def column(each: list[Array]) -> Array:
            whole = np.concatenate([array.reshape(shape) for array in each])
            return np.asarray(whole[:, self._order()].transpose(0, 2, 1))

        found = {name: column([getattr(part, own) for part in parts])
                 for name, own in COLUMNS.items()}  # fmt: skip
        found["rank"] = column([self._ranks(part.values) for part in parts])
        for name in ("weight", "count"):
            each = np.concatenate([np.atleast_1d(getattr(part, f"{name}s")) for part in parts])
            found[name] = np.broadcast_to(each[:, None, None], found["rank"].shape)
        return found

    def _columns(self) -> dict[str, Any]:
        """All but the keys as columns by name."""
        numbers = self._numbers()
        blocks = len(numbers["rank"])
        losses = [name for name in self.names for _ in self.models]
        models = [*self.ranking] * len(self.names)
        columns = {name: array.ravel() for name, array in numbers.items()}
        return {"loss": losses * blocks, "model": models * blocks, **columns}

    def _long_form(self) -> tuple[Keys, dict[str, Any]]:
        """Keys and the rest as columns by name; of groups without all."""
        columns = self._columns()
        if self.labels is None:
            return {}, columns
        keys = key_columns(self.keys, self.labels, columns)
        repeated = {name: (self._repeated(labels), of) for name, (labels, of) in keys.items()}
        return repeated, {name: column[: -self._rows_each] for name, column in columns.items()}


def holm(p: Array) -> Floats:
    """Holm's corrections of p values along the first axis, NaN left out (Holm 1979)."""
    result = np.full(p.shape, np.nan)
    for place in np.ndindex(p.shape[1:]):
        column = p[(slice(None), *place)]
        known = np.flatnonzero(~np.isnan(column))
        order = known[np.argsort(column[known], kind="stable")]
        steps = column[order] * np.arange(len(order), 0, -1)
        result[(order, *place)] = np.minimum(np.maximum.accumulate(steps), 1)
    return result
