"""What losses of a class for each row have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss import _core
from fastloss.domains import UNIT
from fastloss.losses.links import SOFTMAX
from fastloss.losses.rows import AXIS, CLASSES, EITHER, LABEL, WEIGHTS, RowLoss

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Labelled(RowLoss):
    """Weights of the classes, and one to ignore."""

    _ranges = {
        "class_weight": WEIGHTS,
        "ignore_index": LABEL,
        "axis": AXIS,
        "classes": CLASSES,
    }
    class_weight: tuple[float, ...] | None
    ignore_index: int | None
    classes: tuple[Any, ...] | None

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(class_weight=class_weight, ignore_index=ignore_index, axis=axis, classes=classes)

    def _class_weights(self, k: int) -> NDArray[np.float64]:
        weights = np.ones(k) if self.class_weight is None else np.array(self.class_weight)
        if len(weights) != k:
            raise ValueError(f"class_weight has {len(weights)} weights, but there are {k} classes")
        return weights

    def _of_shares(self, shares: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
        return self._best_row(self._class_weights(len(shares)) * shares)

    def _best_row(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """The best row for targets that add up to these, weights of classes included."""
        if self._link is not SOFTMAX:
            return super()._of_shares(targets, targets.sum())
        from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]

        there = targets > 0
        own = {**self.parameters, "class_weight": None, "ignore_index": None, "axis": -1}
        own |= {"classes": None} | ({"label_smoothing": 0.0} if "label_smoothing" in own else {})
        loss = type(self)(**own)
        labels, weights = np.arange(there.sum()), targets[there]

        def objective(z: Any) -> tuple[float, Any]:
            every = np.tile(z, (len(z), 1))
            value, grad = loss.value_and_grad(labels, every, sample_weight=weights)
            return value, grad.sum(axis=0)

        start = np.log(weights / weights.sum())
        found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-15})
        row = np.full(len(targets), -np.inf)
        row[there] = _core.log_softmax(found.x)
        return row


class SmoothedLabels(Labelled):
    """A class or targets for each row, either of which may be smoothed."""

    _takes = ("labels", "targets")
    _targets = EITHER
    _ranges = {
        "class_weight": WEIGHTS,
        "label_smoothing": UNIT,
        "ignore_index": LABEL,
        "axis": AXIS,
        "classes": CLASSES,
    }
    label_smoothing: float

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            axis=axis,
            classes=classes,
        )

    def _of_shares(self, shares: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
        k, s = len(shares), self.label_smoothing
        return self._best_row(self._class_weights(k) * ((1 - s) * shares + s / k * rows))

    def _row_optimum(self, y: Any, w: Any) -> NDArray[np.float64]:
        weights = np.ones(len(y)) if w is None else w
        return self._of_shares(weights @ y, weights.sum())
