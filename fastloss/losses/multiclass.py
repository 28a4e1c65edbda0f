"""Losses of the logits and probabilities of several classes, and of several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss import _core
from fastloss.domains import NONPOSITIVE, UNIT
from fastloss.losses import constants
from fastloss.losses.classification import Logistic
from fastloss.losses.labelled import SmoothedLabels
from fastloss.losses.links import LOG, LOGIT, SOFTMAX
from fastloss.losses.rows import AXIS, CLASSES, EITHER, LABEL, POS_WEIGHT, WEIGHTS, RowLoss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class _CrossEntropy(SmoothedLabels):
    """What the cross-entropies of logits, probabilities and log-probabilities share."""

    def _best_row(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._link.link(targets / targets.sum(), -1)


class SoftmaxCrossEntropy(_CrossEntropy):
    """Cross-entropy of the softmax of logits: the log loss of several classes.

    Parameters
    ----------
    class_weight : sequence of float, optional
    label_smoothing : float, default=0.0
    ignore_index : int, optional
    axis : int, default=-1
        The axis of the classes: 1 for images of shape (N, C, H, W).
    classes : sequence, optional

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning" (2006), section 4.3.4. Label smoothing:
    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> loss = fl.SoftmaxCrossEntropy()
    >>> value, grad = loss.value_and_grad([0, 2], np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    >>> round(value, 4)
    0.6691
    >>> grad.round(3)
    array([[-0.107,  0.053,  0.053],
           [ 0.167,  0.167, -0.333]])
    """

    name = "softmax_cross_entropy"
    definition = "-dot(q, log(p))"
    majorant = "hess"
    _link = SOFTMAX


class CrossEntropy(_CrossEntropy):
    """Cross-entropy of probabilities: the log loss of several classes.

    Nothing is clipped: the loss of a class of probability 0 is inf. Probabilities are taken as
    they are, whether they add up to 1 or not.

    Parameters
    ----------
    class_weight : sequence of float, optional
    label_smoothing : float, default=0.0
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Good, "Rational Decisions" (1952), Journal of the Royal Statistical Society B 14.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.CrossEntropy()([0, 1], [[0.5, 0.5], [0.75, 0.25]]), 4)
    1.0397
    """

    name = "cross_entropy"
    definition = "-dot(q, log(z))"
    majorant = "hess"
    _predictions = "probabilities, [0, 1]"
    z_domain = UNIT


class NLL(_CrossEntropy):
    """Negative log-likelihood: the cross-entropy of log-probabilities.

    The logarithm of 0 is -inf, and the loss of its class inf. Predictions are taken as they are,
    whether the probabilities of a row add up to 1 or not. The Hessian is 0.

    Parameters
    ----------
    class_weight : sequence of float, optional
    label_smoothing : float, default=0.0
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Good, "Rational Decisions" (1952), Journal of the Royal Statistical Society B 14.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> z = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> round(fl.NLL()([0, 2], fl.log_softmax(z)), 4)
    0.6691
    """

    name = "nll"
    definition = "-dot(q, z)"
    majorant = None
    _kernel_name = "CrossEntropy"
    _logarithms = True
    _link = LOG
    _predictions = "logarithms of probabilities, (-inf, 0]"
    z_domain = NONPOSITIVE


class MultiClassBrier(RowLoss):
    """Brier score of several classes: the squared distance of probabilities from the truth.

    It is between 0 and 2 if probabilities and targets add up to 1. For two classes that is twice
    `Brier`, of the probability of one of them.

    Parameters
    ----------
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950), Monthly Weather
    Review 78.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MultiClassBrier()([0, 1], [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], reduction="none")
    array([0.5, 2. ])
    """

    name = "multiclass_brier"
    definition = "dot(q, q) - 2*dot(q, z) + dot(z, z)"
    majorant = "hess"
    _takes = ("labels", "targets")
    _one_hot = True
    _targets = EITHER
    _predictions = "probabilities, [0, 1]"
    z_domain = UNIT
    _ranges = {"ignore_index": LABEL, "axis": AXIS, "classes": CLASSES}
    ignore_index: int | None
    classes: tuple[Any, ...] | None

    def __init__(
        self,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(ignore_index=ignore_index, axis=axis, classes=classes)

    def _of_shares(self, shares: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
        return shares / rows

    def _row_optimum(self, y: Any, w: Any) -> NDArray[np.float64]:
        return np.asarray(constants.mean(y, w))


class MultiLabelLogistic(RowLoss):
    """Logistic loss of several labels, each of which may hold: their weighted mean.

    Parameters
    ----------
    pos_weight : float or sequence of float, default=1.0
        Weight of the positive part of each label's loss, one for all labels or one for each.
    label_weight : sequence of float, optional
        Weights of the labels in their mean, which must not all be 0.
    axis : int, default=-1
        The axis of the labels.

    References
    ----------
    Nam et al., "Large-scale Multi-label Text Classification: Revisiting Neural Networks" (2014),
    arXiv:1312.5419.

    Examples
    --------
    >>> import fastloss as fl
    >>> y, z = [[1.0, 0.0], [1.0, 1.0]], [[2.0, -1.0], [0.5, 3.0]]
    >>> fl.MultiLabelLogistic()(y, z) == fl.Logistic()(y, z)
    True
    >>> round(fl.MultiLabelLogistic(pos_weight=[1, 4], label_weight=[1, 3])(y, z), 4)
    0.2655
    """

    name = "multilabel_logistic"
    definition = (
        "dot(label_weight, pos_weight*q*log1p(exp(-z)) + (1 - q)*log1p(exp(z)))/total(label_weight)"
    )
    majorant = "hess"
    _link = LOGIT
    _item, _items = "label", "labels"
    _takes = ("targets",)
    y_domain = UNIT
    _targets = "q in [0, 1], of y_pred's shape: 1 for labels that hold"
    _ranges = {"pos_weight": POS_WEIGHT, "label_weight": WEIGHTS, "axis": AXIS}
    pos_weight: float | tuple[float, ...]
    label_weight: tuple[float, ...] | None

    def __init__(
        self,
        pos_weight: float | Sequence[float] = 1.0,
        label_weight: Sequence[float] | None = None,
        axis: int = -1,
    ) -> None:
        if label_weight is not None and not np.any(label_weight):
            raise ValueError(f"label_weight must hold a weight that is not 0; got {label_weight}")
        self._set(pos_weight=pos_weight, label_weight=label_weight, axis=axis)

    def _row_optimum(self, y: Any, w: Any) -> NDArray[np.float64]:
        return np.asarray(constants.log_odds(constants.mean(y, w), self.pos_weight))


def sigmoid(x: ArrayLike, *, out: NDArray[np.floating[Any]] | None = None) -> Any:
    """Compute 1 / (1 + exp(-x)): the probability of a logit.

    Parameters
    ----------
    x : array_like
        Logits, computed in the types that `softmax` names.
    out : ndarray, optional
        Where the result is written; it may be ``x`` itself.

    Returns
    -------
    ndarray
        Of the shape of ``x``.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    x = _core.input_array(x, "x")
    zeros = np.broadcast_to(np.False_, x.shape)  # the logistic loss of label 0 has this gradient
    try:
        result = Logistic().grad(zeros, x, reduction="none", out=out)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("y_pred", "x")) from None
    return result if out is not None or x.ndim else result[()]
