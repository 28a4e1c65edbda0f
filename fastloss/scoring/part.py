"""Some of the samples, whose numbers are summed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import DomainError
from fastloss.losses.rows import RowLoss, is_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.losses.base import Loss

    Array = NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Some of the samples: targets, predictions, weights or None, and the policy for NaN."""

    y_true: Array
    y_pred: Array
    weight: Array | None  # of float32 or float64
    nan_policy: str
    axis: int | None  # of the elements of a row of predictions; None: each is a sample
    name: str  # of the predictions, in errors

    def of(self, rows: slice) -> Part:
        """Those of some rows."""
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, y_true=self.y_true[rows], y_pred=self.y_pred[rows], weight=weight)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the samples."""
        shape = self.y_pred.shape
        return shape if self.axis is None else shape[: self.axis] + shape[self.axis + 1 :]

    def values(self, loss: Loss) -> Array:
        """The loss of each sample; anything where its weight is 0."""
        options: Any = {"nan_policy": self.nan_policy, "reduction": "none"}
        if self.weight is not None:
            options["sample_weight"] = self.weight != 0  # what counts: they multiply later
        if self.axis is None or isinstance(loss, RowLoss):
            return np.asarray(loss(self.y_true, self.y_pred, **options))
        # of single predictions: the mean of each row, which all have as many elements
        if self.y_true.shape != self.y_pred.shape:
            raise ValueError(
                f"{loss.spec} is not a loss of rows: beside one it needs targets of y_pred's shape "
                f"{self.y_pred.shape}; got {self.y_true.shape}"
            )
        if self.weight is not None:
            options["sample_weight"] = np.broadcast_to(
                np.expand_dims(options["sample_weight"], self.axis), self.y_pred.shape
            )
        values: Any = loss(self.y_true, self.y_pred, **options)
        return np.asarray(values.mean(axis=self.axis))

    def weights(self, others: Sequence[Part] = ()) -> Array | None:
        """The weight of each sample, those left out 0; None if all are 1.

        ``others`` are the same samples with other predictions: what they leave out is left out too.
        """
        weight = None
        if self.weight is not None:
            each = self.weight.reshape(
                self.weight.shape + (1,) * (len(self.shape) - self.weight.ndim)
            )
            weight = np.array(np.broadcast_to(each, self.shape), order="C")
        if self.nan_policy == "omit":
            gaps = _gaps(self.y_true, self.y_pred, self.axis)
            for other in others:
                gaps |= _gaps(other.y_true, other.y_pred, other.axis)
            if gaps.any():
                weight = np.ones(self.shape) if weight is None else weight
                weight[gaps] = 0
        if self.weight is not None and weight is not None and not np.isfinite(weight).all():
            index = _first(~np.isfinite(weight))[: self.weight.ndim]
            domain = f"finite in {self.weight.dtype}"
            raise DomainError("sample_weight", index, self.weight[index], domain)
        return weight

    def check_gaps(self) -> None:
        """An error for a NaN that counts, if the policy is to raise one."""
        if self.nan_policy != "raise":
            return
        for name, array in (("y_true", self.y_true), ("y_pred", self.y_pred)):
            bad = _nan(array)
            weight = self.weights() if bad.any() else None
            if weight is not None:
                if self.axis is not None and bad.ndim > weight.ndim:
                    weight = np.expand_dims(weight, self.axis)
                bad &= weight != 0
            if bad.any():
                index = _first(bad)
                domain = 'a number (nan_policy="raise")'
                raise DomainError(name, index, array[index], domain)


def _first(bad: NDArray[np.bool_]) -> tuple[int, ...]:
    """Where the first of some samples is."""
    return tuple(map(int, np.argwhere(bad)[0]))


def _gaps(y: Array, z: Array, axis: int | None) -> NDArray[np.bool_]:
    """Which samples hold a NaN."""
    found, of_targets = _nan(z), _nan(y)
    if axis is None:
        return found | of_targets
    if y.ndim == z.ndim:
        of_targets = np.asarray(of_targets.any(axis=axis))
    return np.asarray(found.any(axis=axis)) | of_targets


def _nan(array: Array) -> NDArray[np.bool_]:
    """Where there is a gap; of names of classes too."""
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind == "O":
        gaps = (is_gap(item) for item in array.flat)
        return np.fromiter(gaps, bool, array.size).reshape(array.shape)
    return np.zeros(array.shape, bool)
