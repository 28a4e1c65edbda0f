"""Sums of losses of rows, as a Scorer adds them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array
from fastloss.losses.base import Loss
from fastloss.losses.rows import RowLoss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CHUNK = 1 << 12  # rows that are searched for NaN at a time


def check_losses(losses: Sequence[Loss]) -> bool:
    """Whether the losses are those of rows; an error if only some are."""
    rows = [loss for loss in losses if isinstance(loss, RowLoss)]
    if rows and len(rows) < len(losses):
        other = next(loss for loss in losses if not isinstance(loss, RowLoss))
        raise ValueError(
            f"{rows[0].spec} is a loss of rows and {other.spec} is not: they cannot be scored in "
            "one pass"
        )
    for loss in rows:
        for name in ("class_weight", "ignore_index"):
            if loss.parameters.get(name) is not None:
                raise ValueError(
                    f"{loss.spec} cannot be scored: all losses share one weight, so {name} has to "
                    "be part of sample_weight"
                )
    return bool(rows)


def rows_shape(y_pred: Any, losses: Sequence[Loss]) -> tuple[int, ...]:
    """The shape of the rows of predictions; an error if the losses do not agree on it."""
    axes = {loss.parameters["axis"] % max(y_pred.ndim, 1) for loss in losses}
    if len(axes) > 1:
        raise ValueError("losses of different axes cannot be scored in one pass")
    (axis,) = axes
    return tuple(y_pred.shape[:axis] + y_pred.shape[axis + 1 :])


def fixed_items(y_pred: Any, losses: Sequence[Loss]) -> tuple[int, str] | None:
    """How many classes or labels a row has; None where rows may differ, as lists and sets do."""
    for loss in losses:
        if isinstance(loss, RowLoss) and loss._item in ("class", "label"):
            return y_pred.shape[loss.parameters["axis"]], loss._items
    return None


def row_sums(
    losses: Sequence[Loss],
    y_true: ArrayLike,
    y_pred: NDArray[Any],
    sample_weight: ArrayLike | None,
    nan_policy: str,
    codes: NDArray[np.intp] | None,
    n_groups: int,
) -> NDArray[np.float64]:
    """For each group the sum of each loss, of the weights, and the count of weights that are not 0.

    Holds a number for each row, never one for each element.
    """
    shape = rows_shape(y_pred, losses)
    options: Any = {"nan_policy": nan_policy, "reduction": "none"}
    weights = np.ones(shape)
    if sample_weight is not None:
        given = input_array(sample_weight, "sample_weight")
        # what counts, or the weights for losses to refuse: products in float64 are made below
        usable = given.dtype.kind in "fiub" and np.isfinite(given).all()
        options["sample_weight"] = given != 0 if usable else given
    values = [loss(y_true, y_pred, **options) for loss in losses]
    if sample_weight is not None:
        each = given.reshape(given.shape + (1,) * (len(shape) - given.ndim))
        weights = np.array(np.broadcast_to(each, shape), np.float64, order="C")
    columns = [value * weights for value in values]
    if nan_policy == "omit":
        axis = losses[0].parameters["axis"]
        y = np.asarray(y_true)
        rows = [np.moveaxis(array, axis, -1) for array in (y_pred, y) if array.ndim == y_pred.ndim]
        for array in rows + [y[..., None]] * (y.ndim < y_pred.ndim):
            weights.ravel()[_with_nan(array)] = 0
    columns += [weights, (weights != 0).astype(np.float64)]
    if codes is None:
        return np.array([[column.sum() for column in columns]])
    flat = codes.ravel()
    return np.stack([np.bincount(flat, c.ravel(), minlength=n_groups) for c in columns], axis=1)


def _with_nan(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows hold a NaN."""
    found = np.zeros(rows.shape[:-1], bool).ravel()
    if rows.dtype.kind in "iub":
        return found
    for start in range(0, found.size, CHUNK):
        index = np.unravel_index(np.arange(start, min(start + CHUNK, found.size)), rows.shape[:-1])
        found[start : start + CHUNK] = np.isnan(rows[index]).any(axis=-1)
    return found
