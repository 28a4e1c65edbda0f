"""Scores: many losses in one pass, by group, a part at a time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss import _core
from fastloss.base import Loss, as_loss
from fastloss.row_scores import check_losses, fixed_items, row_sums, rows_shape

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from numpy.typing import ArrayLike, NDArray

MAX_SPREAD = 1 << 20  # integer groups in a range up to this are counted, not sorted


class Scores:
    """Values of losses, of all samples and of each group.

    Attributes
    ----------
    names : tuple of str
        The losses, as `get_loss` reads them.
    values : ndarray, shape (n_losses,)
        Their values over all samples.
    weight : float
        Sum of the weights.
    count : int
        Number of samples whose weight is not 0.
    groups : tuple or None
        Labels of the groups, in order.
    group_values : ndarray, shape (n_groups, n_losses)
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
    >>> scores.to_dict()["groups"]["b"]["count"]
    1
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        total: NDArray[np.float64],
        groups: Sequence[Hashable] | None,
        sums: NDArray[np.float64],
    ) -> None:
        self._losses = tuple(losses)
        self.names = tuple(loss.spec for loss in losses)
        values, weights, counts = _reduce(self._losses, total[None])
        self.values: NDArray[np.float64] = values[0]
        self.weight, self.count = float(weights[0]), int(counts[0])
        self.groups = None if groups is None else tuple(groups)
        self.group_values, self.group_weights, self.group_counts = _reduce(self._losses, sums)

    def __getitem__(self, loss: str | Loss) -> float:
        """The value of a loss over all samples, by the loss, its full or its short name."""
        if isinstance(loss, Loss):
            found = [i for i, own in enumerate(self._losses) if own == loss]
        else:
            found = [i for i, own in enumerate(self._losses) if loss in (own.spec, own.name)]
        if len(found) != 1:
            problem = "several" if found else "none"
            raise KeyError(f"{loss!r} is {problem} of the losses {', '.join(self.names)}")
        return float(self.values[found[0]])

    def to_dict(self) -> dict[str, Any]:
        """Losses, ``weight`` and ``count`` by name; the same per group under ``groups``."""

        def row(values: Any, weight: Any, count: Any) -> dict[str, Any]:
            pairs = zip(self.names, map(float, values), strict=True)
            return {**dict(pairs), "weight": float(weight), "count": int(count)}

        result = row(self.values, self.weight, self.count)
        if self.groups is not None:
            rows = zip(self.group_values, self.group_weights, self.group_counts, strict=True)
            result["groups"] = {
                label: row(*parts) for label, parts in zip(self.groups, rows, strict=True)
            }
        return result

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a row per group, if there are any, and a row "all"."""
        import pandas as pd

        result = self.to_dict()
        groups = result.pop("groups", {})
        return pd.DataFrame([*groups.values(), result], index=[*groups, "all"])

    def __repr__(self) -> str:
        header = ["", *self.names, "weight", "count"]
        rows = [
            [str(label), *(f"{value:.6g}" for value in values), f"{weight:.6g}", str(int(count))]
            for label, values, weight, count in [
                *zip(
                    self.groups or (),
                    self.group_values,
                    self.group_weights,
                    self.group_counts,
                    strict=False,
                ),
                ("all", self.values, self.weight, self.count),
            ]
        ]
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (header, *rows)
        ]
        return "\n".join(line.rstrip() for line in lines)


def _reduce(
    losses: Sequence[Loss], sums: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Values, weights and counts from sums; the mean over nothing is NaN for a group."""
    weights, counts = sums[:, -2].copy(), sums[:, -1].astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where((weights != 0)[:, None], sums[:, :-2] / weights[:, None], math.nan)
        roots = [i for i, loss in enumerate(losses) if loss.root]
        values[:, roots] = np.sqrt(values[:, roots])
    return values, weights, counts


class Scorer:
    """Scores data that come in parts.

    Parameters
    ----------
    losses : sequence of str or Loss
        What to compute; see `loss_names`.
    nan_policy : {"propagate", "omit", "raise"}
        A NaN in a target or a prediction makes the result NaN, has its row left out, or raises.

    Examples
    --------
    >>> import fastloss as fl
    >>> scorer = fl.Scorer(["mae", "rmse"])
    >>> scorer.update([1.0, 2.0], [1.5, 2.5])
    >>> scorer.update([3.0], [5.0])
    >>> scorer.result()["mae"]
    1.0
    """

    def __init__(
        self, losses: Iterable[str | Loss] | str | Loss, *, nan_policy: str = "propagate"
    ) -> None:
        if isinstance(losses, (str, Loss)):
            losses = [losses]
        if isinstance(losses, type) or not isinstance(losses, Iterable):
            raise TypeError(f"losses must be names or losses, as in Huber(); got {losses!r}")
        self.losses = tuple(as_loss(loss) for loss in losses)
        if not self.losses:
            raise ValueError("losses must name at least one loss")
        for i, loss in enumerate(self.losses):
            if loss in self.losses[:i]:
                raise ValueError(f"losses names {loss.spec} twice")
        if nan_policy not in ("propagate", "omit", "raise"):
            raise ValueError(
                f'nan_policy must be "propagate", "omit" or "raise"; got {nan_policy!r}'
            )
        self.nan_policy = nan_policy
        self._of_rows = check_losses(self.losses)
        self._grouped: bool | None = None  # until the first update
        self._items: tuple[int, str] | None = None  # of a row, where all rows have as many
        self._sums: dict[Hashable, NDArray[np.float64]] = {}

    def update(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: Any = None,
    ) -> None:
        """Add a part of the data.

        Parameters
        ----------
        y_true, y_pred : array_like
            Targets and predictions, of the same shape; or as a loss of rows takes them.
        sample_weight : array_like, optional
            Of the shape of ``y_true``, or one weight per row.
        groups : array_like, optional
            The group of each sample, of the shape of ``y_true`` or of the rows: integers, strings,
            or a pandas Categorical (anything with ``codes`` and ``categories``). All parts have it,
            or none.

        Raises
        ------
        ValueError
            If a value is outside a loss's domain, shapes differ, or rows have other classes than
            those of the parts before; nothing is added then.
        """
        grouped = groups is not None
        if self._grouped not in (None, grouped):
            raise ValueError("groups must be given with every part, or with none")
        y_true = np.asanyarray(y_true)
        add_up: Any = row_sums if self._of_rows else _core.score_sums
        if self._of_rows:
            y_pred = np.asarray(y_pred)
            shape = rows_shape(y_pred, self.losses)
        else:
            shape = np.shape(y_true)
        if grouped:
            labels, codes = _codes(groups, shape)
        else:
            labels, codes = [None], None
        sums = add_up(
            list(self.losses), y_true, y_pred, sample_weight, self.nan_policy, codes, len(labels)
        )
        if self._of_rows:
            self._check_items(fixed_items(y_pred, self.losses))
        self._grouped = grouped
        for label, row in zip(labels, sums, strict=True):
            self._add(label, row)

    def merge(self, other: Scorer) -> None:
        """Add what another scorer of the same losses has seen.

        Examples
        --------
        >>> import fastloss as fl
        >>> a, b = fl.Scorer(["mse"]), fl.Scorer(["mse"])
        >>> a.update([1.0], [2.0])
        >>> b.update([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
        >>> a.merge(b)
        >>> a.result()["mse"]
        0.25
        """
        if not isinstance(other, Scorer):
            raise TypeError(f"other must be a Scorer; got {type(other).__name__}")
        if other.losses != self.losses or other.nan_policy != self.nan_policy:
            raise ValueError("only scorers of the same losses and nan_policy can be merged")
        if other._grouped is None:
            return
        if self._grouped not in (None, other._grouped):
            raise ValueError("a scorer with groups cannot be merged with one without")
        self._check_items(other._items)
        self._grouped = other._grouped
        for label, row in list(other._sums.items()):
            self._add(label, row)

    def _check_items(self, items: tuple[int, str] | None) -> None:
        if self._items is None:
            self._items = items
        elif items is not None and items != self._items:
            count, name = self._items
            raise ValueError(
                f"all parts must have {count} {name}, as the first has; got {items[0]}"
            )

    def _add(self, label: Hashable, row: NDArray[np.float64]) -> None:
        own = self._sums.get(label)
        self._sums[label] = row.copy() if own is None else own + row

    def result(self) -> Scores:
        """The scores of all that was added.

        Raises
        ------
        ValueError
            If there is nothing to take the mean of.
        """
        width = len(self.losses) + 2
        rows = np.array(list(self._sums.values())).reshape(-1, width)
        total = np.zeros(width)
        for row in rows:
            total += row
        if total[-1] == 0:
            raise ValueError(
                "the mean over nothing is undefined: there is no sample of non-zero weight"
            )
        if total[-2] == 0:
            raise ValueError("the mean is undefined: the weights add up to 0")
        if not self._grouped:
            return Scores(self.losses, total, None, rows[:0])
        labels = list(self._sums)
        order = sorted(range(len(labels)), key=lambda i: _sort_key(labels[i]))
        return Scores(self.losses, total, [labels[i] for i in order], rows[order])


def _sort_key(label: Hashable) -> tuple[bool, Any]:
    """Numbers in their order before strings in theirs."""
    number = isinstance(label, (int, float))
    return (not number, label if number else str(label))


def _codes(groups: Any, shape: tuple[int, ...]) -> tuple[list[Hashable], NDArray[np.intp]]:
    """The labels that occur, and each sample's place among them."""
    if hasattr(groups, "cat"):  # a pandas Series of categories
        groups = groups.cat
    labels: list[Hashable]
    if hasattr(groups, "codes") and hasattr(groups, "categories"):
        codes = np.asarray(groups.codes)
        if (codes < 0).any():
            raise ValueError(f"groups[{int(np.flatnonzero(codes < 0)[0])}] is missing")
        categories = list(groups.categories)
        found, places = _compact(codes)
        labels = [categories[i] for i in found]
    else:
        array = np.asarray(groups)
        kind = array.dtype.kind
        if kind in "iub" or array.size == 0:
            labels, places = _compact(array)
        elif kind in "UST" or kind == "O" and all(isinstance(item, str) for item in array.flat):
            distinct, places = np.unique(array, return_inverse=True)
            labels = distinct.tolist()
        else:
            raise TypeError(
                f"groups must be integers, strings or categories; got dtype {array.dtype}"
            )
    if places.shape != shape:
        raise ValueError(f"groups must have y_true's shape {shape}; got {places.shape}")
    return labels, np.ascontiguousarray(places, dtype=np.intp)


def _compact(codes: NDArray[Any]) -> tuple[list[Any], NDArray[np.intp]]:
    """The distinct integers among codes, in order, and each one's place."""
    if codes.size == 0:
        return [], np.zeros(codes.shape, np.intp)
    low, high = int(codes.min()), int(codes.max())
    if high - low >= MAX_SPREAD or codes.dtype.kind == "b":
        distinct, places = np.unique(codes, return_inverse=True)
        return distinct.tolist(), places
    if codes.dtype.kind == "u":
        offsets = (codes - codes.dtype.type(low)).astype(np.intp)
    else:
        offsets = codes.astype(np.intp) - low
    occurs = np.bincount(offsets.ravel()) > 0
    rank = np.cumsum(occurs) - 1
    return [int(i) + low for i in np.flatnonzero(occurs)], rank[offsets]


def score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    losses: Iterable[str | Loss] | str | Loss,
    *,
    sample_weight: ArrayLike | None = None,
    groups: Any = None,
    nan_policy: str = "propagate",
) -> Scores:
    """Compute many losses in one pass over the data.

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions, of the same shape.
    losses : sequence of str or Loss
        What to compute; see `loss_names`.
    sample_weight : array_like, optional
        Of the shape of ``y_true``, or one weight per row.
    groups : array_like, optional
        The group of each sample: integers, strings, or a pandas Categorical.
    nan_policy : {"propagate", "omit", "raise"}
        A NaN in a target or a prediction makes the result NaN, has its row left out, or raises.

    Returns
    -------
    Scores
        Value, weight and count, in all and per group. A group without any weight has value NaN.

    Raises
    ------
    ValueError
        If a value is outside a loss's domain, shapes differ, or there is nothing to score.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.score([1, 0, 1], [0.9, 0.2, 0.6], ["log_loss", "brier"])
         log_loss  brier  weight  count
    all  0.279777   0.07       3      3
    """
    scorer = Scorer(losses, nan_policy=nan_policy)
    scorer.update(y_true, y_pred, sample_weight, groups)
    return scorer.result()
