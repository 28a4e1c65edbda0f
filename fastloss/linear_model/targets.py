"""How classes become targets of a loss: codes for losses of rows, for others two numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.domains import SIGNS, UNIT
from fastloss.losses.base import Loss, Pointwise
from fastloss.losses.classification import Logistic
from fastloss.losses.links import IDENTITY
from fastloss.losses.multiclass import SoftmaxCrossEntropy
from fastloss.losses.rows import RowLoss

if TYPE_CHECKING:
    from numpy.typing import NDArray


def loss_of_classes(loss: Loss, n_classes: int, multilabel: bool) -> Loss:
    """The loss that is minimised: the softmax cross-entropy is the logistic loss of more classes.

    Raises
    ------
    ValueError
        If the loss is not one of classes, or not of so many.
    """
    if isinstance(loss, Logistic) and n_classes > 2 and not multilabel:
        if loss.pos_weight != 1:
            raise ValueError(
                f"{loss!r} weighs the positive one of two classes, and there are {n_classes}; "
                "softmax_cross_entropy has class_weight"
            )
        return SoftmaxCrossEntropy(label_smoothing=loss.label_smoothing)
    if isinstance(loss, RowLoss):
        if "labels" not in loss._takes or multilabel or loss.z_domain.bounded:
            kind = "several labels" if multilabel else "classes"
            raise ValueError(
                f"{loss!r} is no loss of the raw scores of {kind}: logistic is, and of classes "
                "softmax_cross_entropy"
            )
    elif not isinstance(loss, Pointwise) or (
        loss.y_domain not in (UNIT, SIGNS) and (loss.y_domain.bounded or loss._link is not IDENTITY)
    ):
        raise ValueError(f"{loss!r} is not a loss of classes: LinearRegressor takes it")
    return loss


def labels_of(y: NDArray[Any]) -> NDArray[Any]:
    """The labels that occur, in order. Sorting many takes as long as a fit: two are found so."""
    if y.dtype.kind in "iubf" and y.size:
        ends = np.array([y.min(), y.max()], y.dtype)
        if ends[0] != ends[1] and ((y == ends[0]) | (y == ends[1])).all():
            return ends
    return np.unique(y)


def codes_of(classes: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """The place of each label among the classes.

    Raises
    ------
    ValueError
        If a label is not among them.
    """
    if len(classes) == 2:
        codes = y == classes[1]
        known = codes | (y == classes[0])
    else:
        codes = np.searchsorted(classes, y)
        known = codes < len(classes)
        known[known] = classes[codes[known]] == y[known]
    if not known.all():
        raise ValueError(f"y holds {y[~known][0]}, which is not one of {classes}")
    return codes.astype(np.intp, copy=False)  # type: ignore[no-any-return]


def coded(loss: Loss, codes: NDArray[np.intp], n_classes: int) -> Any:
    """Targets of samples whose classes are numbered from 0 on.

    One-vs-rest targets, of one column a class, are of one byte each.
    """
    if isinstance(loss, RowLoss):
        return codes
    low = 0 if loss.y_domain == UNIT else -1  # type: ignore[attr-defined]
    if n_classes <= 2:
        return codes.astype(np.int8) if low == 0 else (2 * codes - 1).astype(np.int8)
    Y = np.full((len(codes), n_classes), low, np.int8)
    Y[np.arange(len(codes)), codes] = 1
    return Y


def coded_labels(loss: Any, Y: NDArray[Any]) -> Any:
    """Targets of samples with several labels, a column of 0 and 1 each."""
    Y = Y.astype(np.int8)
    return Y if loss.y_domain == UNIT else 2 * Y - 1
