"""What was scored: the values of losses, of all samples and of each group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from fastloss.losses.base import Loss
from fastloss.scoring.labels import (
    arrow_table,
    column_names,
    key_columns,
    library,
    n_keys,
    parts_of,
    plain,
    polars_frame,
    total_label,
)
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


class Scores:
    """Values of losses, of all samples and of each group.

    ``scores["log_loss"]`` is the value of a loss over all samples, ``scores["north"]`` the scores
    of a group, again as `Scores`; of several keys it is ``scores["north", "mobile"]``. Where a
    group has the name of a loss, that name is the loss, and `group` finds the group.

    Attributes
    ----------
    names : tuple of str
        The losses, as `get_loss` reads them.
    keys : tuple of str
        The names of the columns that tell the groups apart; empty where they have no names.
    values : ndarray, shape (n_losses,)
        Their values over all samples.
    errors : ndarray, shape (n_losses,), or None
        The standard errors of the values, if they were asked for.
    weight : float
        Sum of the weights.
    count : int
        Number of samples whose weight is not 0.
    groups : tuple or None
        Labels of the groups, in order: of several keys tuples.
    group_values : ndarray, shape (n_groups, n_losses)
    group_errors : ndarray, shape (n_groups, n_losses), or None
    group_weights, group_counts : ndarray, shape (n_groups,)

    Examples
    --------
    >>> import fastloss as fl
    >>> scores = fl.score([1, 0, 1], [0.9, 0.2, 0.6], ["log_loss", "brier"], groups=["a", "b", "a"])
    >>> round(scores["brier"], 4)
    0.07
    >>> scores
         log_loss  brier  weight  count
    a    0.308093  0.085       2      2
    b    0.223144   0.04       1      1
    all  0.279777   0.07       3      3
    >>> round(scores["b"]["brier"], 4), scores["b"].count
    (0.04, 1)
    """

    __iter__ = None  # or the groups 0, 1, 2, ... would be run through, and then an error

    def __init__(
        self,
        losses: Sequence[Loss | Measure],
        *,
        values: NDArray[np.float64],
        weight: float,
        count: int,
        groups: Sequence[Hashable] | None = None,
        group_values: NDArray[np.float64] | None = None,
        group_weights: NDArray[np.float64] | None = None,
        group_counts: NDArray[np.int64] | None = None,
        errors: NDArray[np.float64] | None = None,
        group_errors: NDArray[np.float64] | None = None,
        keys: Sequence[str] = (),
    ) -> None:
        self._losses = tuple(losses)
        self._row_name = "all"
        self.names = tuple(loss.spec for loss in losses)
        self.keys = tuple(keys)
        self.values, self.errors = values, errors
        self.weight, self.count = float(weight), int(count)
        self.groups = None if groups is None else tuple(groups)
        self._places = {label: place for place, label in enumerate(self.groups or ())}
        none = np.zeros((0, len(self.names)))
        self.group_values = none if group_values is None else group_values
        self.group_errors = none if group_errors is None and errors is not None else group_errors
        self.group_weights = none[:, 0] if group_weights is None else group_weights
        self.group_counts = np.zeros(0, np.int64) if group_counts is None else group_counts

    @overload
    def __getitem__(self, key: Loss) -> float: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...  # a float, or the scores of a group
    @overload
    def __getitem__(
        self, key: float | date | timedelta | bytes | tuple[Hashable, ...]
    ) -> Scores: ...

    def __getitem__(self, key: Any) -> Any:
        """The value of a loss, by the loss, its full or its short name; or a group's scores."""
        _check_hashable(key)
        found = places_of(self._losses, key)
        if len(found) == 1:
            return float(self.values[found[0]])
        losses = f"of the losses {', '.join(self.names)}"
        if found:
            group = f"; scores.group({key!r}) finds the group" if key in self._places else ""
            raise KeyError(f"{key!r} is several {losses}{group}")
        if key in self._places:
            return self.group(key)
        named: dict[str, Hashable] = {name: name for loss in self._losses
                                      for name in (loss.name, loss.spec)}  # fmt: skip
        no_group = "" if self.groups is None else ", and no group"
        raise KeyError(f"{key!r} is none {losses}{no_group}{self._hint(key, named)}")

    def group(self, label: Hashable) -> Scores:
        """The scores of one group, by its label: of several keys a tuple.

        Raises
        ------
        KeyError
            If there is no such group.

        Examples
        --------
        >>> import fastloss as fl
        >>> scores = fl.score([1.0, 2.0], [1.5, 3.0], "mae", groups=["mae", "rmse"])
        >>> scores["mae"]
        0.75
        >>> scores.group("mae")
             mae  weight  count
        mae  0.5       1      1
        """
        place = self._place(label)
        found = Scores(
            self._losses,
            values=self.group_values[place],
            errors=None if self.group_errors is None else self.group_errors[place],
            weight=self.group_weights[place],
            count=self.group_counts[place],
        )
        found._row_name = ", ".join(map(str, parts_of(label)))
        return found

    def _place(self, label: Hashable) -> int:
        """Where a group is among the others."""
        _check_hashable(label)
        if label not in self._places:
            if self.groups is None:
                raise KeyError(f"{label!r}: these are scores without groups")
            raise KeyError(f"{label!r} is no group{self._hint(label, {})}")
        return self._places[label]

    def _hint(self, label: Hashable, named: dict[str, Hashable]) -> str:
        """What may have been meant, in words."""
        count = n_keys(self.groups or ())
        if self.groups and count > 1 and len(parts_of(label)) != count:
            return f"; groups have {count} keys, as in {self.groups[0]!r}"
        named = {**{str(group): group for group in self.groups or ()}, **named}
        import difflib  # only where something is wrong

        near = difflib.get_close_matches(str(label), named, n=3)
        return f"; did you mean {' or '.join(repr(named[text]) for text in near)}?" if near else ""

    def ci(self, level: float = 0.95) -> NDArray[np.float64]:
        r"""Confidence intervals of the values, which are taken as normal.

        .. math:: v \pm \Phi^{-1}\left(\frac{1 + \text{level}}{2}\right) \text{error}

        Parameters
        ----------
        level : float
            The probability that an interval holds the value over infinitely many samples.

        Returns
        -------
        ndarray, shape (n_losses, 2)
            Of each loss the lower and the upper end.

        Raises
        ------
        ValueError
            If there are no standard errors, or ``level`` is not between 0 and 1.

        Examples
        --------
        >>> import numpy as np
        >>> import fastloss as fl
        >>> scores = fl.Scores(
        ...     [fl.AbsoluteError()], values=np.array([0.5]), errors=np.array([0.1]),
        ...     weight=20, count=20,
        ... )
        >>> scores
                     mae  weight  count
        all  0.50 ± 0.10      20     20
        >>> scores.ci(0.95).round(3)
        array([[0.304, 0.696]])
        """
        return _interval(self.values, self.errors, level)

    def group_ci(self, level: float = 0.95) -> NDArray[np.float64]:
        """Confidence intervals as those of `ci`, of each group.

        Parameters
        ----------
        level : float
            The probability that an interval holds the value over infinitely many samples.

        Returns
        -------
        ndarray, shape (n_groups, n_losses, 2)
            Of each group and loss the lower and the upper end.

        Raises
        ------
        ValueError
            If there are no standard errors, or ``level`` is not between 0 and 1.

        Examples
        --------
        >>> import numpy as np
        >>> import fastloss as fl
        >>> scores = fl.Scores(
        ...     [fl.AbsoluteError()], values=np.array([0.5]), errors=np.array([0.1]), weight=20,
        ...     count=20, groups=["a", "b"], group_values=np.array([[0.25], [0.75]]),
        ...     group_errors=np.array([[0.125], [0.1]]), group_weights=np.array([10.0, 10.0]),
        ...     group_counts=np.array([10, 10]),
        ... )
        >>> scores.group_ci(0.9).round(3).tolist()
        [[[0.044, 0.456]], [[0.586, 0.914]]]
        """
        return _interval(self.group_values, self.group_errors, level)

    def to_dict(self) -> dict[str, Any]:
        """Losses, ``weight`` and ``count`` by name; the same per group under ``groups``.

        Standard errors, if there are any, are under ``stderr`` by the names of the losses.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.score([1.0, 2.0], [1.5, 3.0], "mae", groups=["a", "b"]).to_dict()["groups"]
        {'a': {'mae': 0.5, 'weight': 1.0, 'count': 1}, 'b': {'mae': 1.0, 'weight': 1.0, 'count': 1}}
        """

        values, errors, weights, counts = self._rows()
        rows: list[dict[str, Any]] = [
            {**dict(zip(self.names, row, strict=True)), "weight": weight, "count": count}
            for row, weight, count in zip(
                values.tolist(), weights.tolist(), counts.tolist(), strict=True
            )
        ]
        if errors is not None:
            for found, row in zip(rows, errors.tolist(), strict=True):
                found["stderr"] = dict(zip(self.names, row, strict=True))
        *groups, result = rows
        if self.groups is not None:
            result["groups"] = dict(zip(self.groups, groups, strict=True))
        return result

    @property
    def total_label(self) -> str:
        """What the row over all samples is called: "all", or "(all)" if that is a group.

        Of the scores of one group it is that group's label.
        """
        return total_label(self.groups or (), self._row_name)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a row per group, if there are any, and a row `total_label`.

        The index is named by `keys`; of several keys it is a MultiIndex, in which the last row is
        ``(total_label, "", ...)``. Columns are the losses, each with ``<loss>_stderr`` if there are
        errors, ``weight`` and ``count``.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.score([1.0, 2.0], [1.5, 3.0], "mae", groups=["a", "b"]).to_pandas()
              mae  weight  count
        a    0.50     1.0      1
        b    1.00     1.0      1
        all  0.75     2.0      2
        """
        pandas = library("pandas", "Scores.to_pandas")
        total = [self.total_label, *[""] * (n_keys(self.groups or ()) - 1)]
        rows = [*map(parts_of, self.groups or ()), total]
        labels = [[*map(plain, column)] for column in zip(*rows, strict=True)]
        names = self.keys or [None] * len(labels)
        index = pandas.Index(labels[0], name=names[0])
        if len(labels) > 1:
            index = pandas.MultiIndex.from_arrays(labels, names=names)
        frame: pd.DataFrame = pandas.DataFrame(self._columns(), index=index)
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A polars DataFrame with a row per group, or one row where there are no groups.

        Columns are the keys, then each loss, with ``<loss>_stderr`` if there are errors, ``weight``
        and ``count``. A key keeps its type, and "(missing)" is null; labels of several types are
        text. Keys without names are called "group", or "key 1", "key 2" and so on.

        Raises
        ------
        ValueError
            If a key has the name of another column.
        """
        return polars_frame("Scores.to_polars", *self._long_form())

    def to_arrow(self) -> pa.Table:
        """A pyarrow Table with the rows and columns of `to_polars`.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.score([1.0, 2.0], [1.5, 3.0], "mae", groups=[2024, 2025]).to_arrow().to_pylist()[1]
        {'group': 2025, 'mae': 1.0, 'weight': 1.0, 'count': 1}
        """
        return arrow_table("Scores.to_arrow", *self._long_form())

    def __repr__(self) -> str:
        table = text_table(*self._cells())
        return f"{table}\n\n{self._size()}" if self._size() else table

    def _repr_html_(self) -> str:
        table = html_table(*self._cells())
        return f"{table}\n<p>{self._size()}</p>" if self._size() else table

    def _size(self) -> str:
        """How many groups there are, where not all are shown."""
        return shown_size(len(self.groups or ()), "groups")

    def _cells(self) -> tuple[list[list[str]], list[list[str]]]:
        """The table that is shown, column by column, names first: of labels, and of numbers."""
        groups = self.groups or ()
        places = shown_places(len(groups))
        total = [shown_text(self.total_label), *[""] * (n_keys(groups) - 1)]
        rows = [[*map(shown_text, parts_of(groups[place]))] for place in places] + [total]
        names = [name and shown_text(name) for name in column_names(self.keys, groups, "")]
        labels = [[name, *cells] for name, *cells in zip(names, *rows, strict=True)]
        values, errors, weights, counts = self._rows([*places, -1])
        numbers = [
            [shown_text(name), *map(shown_value, values[:, i])]
            if errors is None or not getattr(self._losses[i], "is_mean", True) else
            [shown_text(name), *map(shown_value, values[:, i], errors[:, i])]
            for i, name in enumerate(self.names)
        ]  # fmt: skip
        numbers.append(["weight", *map(shown_value, weights)])
        numbers.append(["count", *map(str, counts)])
        mark_gap(labels + numbers, places)
        return labels, numbers

    def _rows(self, places: Any = slice(None)) -> _Rows:
        """The numbers of the groups, then of all samples; or of these those at ``places``."""
        errors = None
        if self.errors is not None and self.group_errors is not None:
            errors = np.vstack([self.group_errors, self.errors])[places]
        return _Rows(
            np.vstack([self.group_values, self.values])[places],
            errors,
            np.append(self.group_weights, self.weight)[places],
            np.append(self.group_counts, self.count)[places],
        )

    def _columns(self) -> dict[str, NDArray[Any]]:
        """The same as columns by name."""
        values, errors, weights, counts = self._rows()
        found = {}
        for i, name in enumerate(self.names):
            found[name] = values[:, i]
            if errors is not None:
                found[f"{name}_stderr"] = errors[:, i]
        return {**found, "weight": weights, "count": counts}

    def _long_form(self) -> tuple[Keys, dict[str, NDArray[Any]]]:
        """Keys and numbers as columns by name; of groups without all."""
        numbers = self._columns()
        if self.groups is None:
            return {}, numbers
        keys = key_columns(self.keys, self.groups, numbers)
        return keys, {name: column[:-1] for name, column in numbers.items()}


class _Rows(NamedTuple):
    values: NDArray[np.float64]
    errors: NDArray[np.float64] | None
    weights: NDArray[np.float64]
    counts: NDArray[np.int64]


def _interval(
    values: NDArray[np.float64], errors: NDArray[np.float64] | None, level: float
) -> NDArray[np.float64]:
    from scipy.special import ndtri  # takes long to import

    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1; got {level!r}")
    if errors is None:
        raise ValueError("there are no standard errors: score(..., stderr=True) computes them")
    half = ndtri((1 + level) / 2) * errors
    return np.stack([values - half, values + half], axis=-1)


def places_of(losses: Sequence[Loss | Measure], key: object) -> list[int]:
    """Where a loss is among others, by itself, its full or its short name, which may be several."""
    if isinstance(key, Loss):
        key = key.spec
        return [i for i, own in enumerate(losses) if own.spec == key]
    return [i for i, own in enumerate(losses) if key in (own.spec, own.name)]


def _check_hashable(label: object) -> None:
    try:
        hash(label)
    except TypeError:
        kind = type(label).__name__
        raise TypeError(f"a loss or the label of a group is wanted; got a {kind}") from None
