"""Many losses in one pass, by group, a part at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array, score_sums
from fastloss.losses.base import Loss, as_loss
from fastloss.scoring.groups import codes_of, sort_key
from fastloss.scoring.row_scores import check_losses, fixed_items, row_sums, rows_shape
from fastloss.scoring.scores import Scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_lock = threading.Lock()  # of what all scorers have seen


def _renew_lock() -> None:
    """In a forked child: the thread that may hold the lock is not there."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)

UNGROUPED = "groups must be given with every part, or with none"


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

    def __getstate__(self) -> dict[str, Any]:
        with _lock:
            return self.__dict__ | {"_sums": dict(self._sums)}

    def update(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: Any = None,
    ) -> None:
        """Add a part of the data. Several threads may do so at once.

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
            raise ValueError(UNGROUPED)
        y_true, y_pred = input_array(y_true, "y_true"), input_array(y_pred, "y_pred")
        add_up: Any = row_sums if self._of_rows else score_sums
        shape = rows_shape(y_pred, self.losses) if self._of_rows else y_true.shape
        if grouped:
            labels, codes = codes_of(groups, shape)
        else:
            labels, codes = [None], None
        sums = add_up(
            list(self.losses), y_true, y_pred, sample_weight, self.nan_policy, codes, len(labels)
        )
        items = fixed_items(y_pred, self.losses) if self._of_rows else None
        self._take(grouped, items, zip(labels, sums, strict=True))

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
        with _lock:
            parts = list(other._sums.items())
        self._take(other._grouped, other._items, parts)

    def _take(
        self,
        grouped: bool,
        items: tuple[int, str] | None,
        parts: Iterable[tuple[Hashable, NDArray[np.float64]]],
    ) -> None:
        """Add sums to those of their labels: all of them, or none if they do not fit."""
        with _lock:
            if self._grouped not in (None, grouped):  # another thread was faster
                raise ValueError(UNGROUPED)
            if self._items is not None and items not in (None, self._items):
                count, name = self._items
                raise ValueError(
                    f"all parts must have {count} {name}, as the first has; "
                    f"got {items and items[0]}"
                )
            self._items = self._items or items
            self._grouped = grouped
            for label, row in parts:
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
        with _lock:
            sums = dict(self._sums)
        rows = np.array(list(sums.values())).reshape(-1, width)
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
        labels = list(sums)
        order = sorted(range(len(labels)), key=lambda i: sort_key(labels[i]))
        return Scores(self.losses, total, [labels[i] for i in order], rows[order])
