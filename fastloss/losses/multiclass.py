"""Losses of the scores of several classes, and of several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastloss import _core
from fastloss.domains import NONNEGATIVE, UNIT
from fastloss.losses import constants
from fastloss.losses.classification import Logistic
from fastloss.losses.links import LOGIT, SOFTMAX
from fastloss.losses.rows import AXIS, CLASSES, EITHER, LABEL, POS_WEIGHT, WEIGHTS, RowLoss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class _Labelled(RowLoss):
    """What losses of a class for each row share: weights of the classes, and one to ignore."""

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

    def _set(self, **parameters: Any) -> None:
        if parameters["classes"] is not None and parameters["ignore_index"] is not None:
            raise ValueError(
                "ignore_index is for classes that are numbered; among names of classes leave out "
                'gaps, as None, with nan_policy="omit"'
            )
        super()._set(**parameters)

    def _class_weights(self, k: int) -> NDArray[np.float64]:
        weights = np.ones(k) if self.class_weight is None else np.array(self.class_weight)
        if len(weights) != k:
            raise ValueError(f"class_weight has {len(weights)} weights, but there are {k} classes")
        return weights

    def _of_shares(self, shares: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
        if self._link is not SOFTMAX:
            return super()._of_shares(shares, rows)
        from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]

        shares = shares * self._class_weights(len(shares))
        there = shares > 0
        own = {"class_weight": None, "ignore_index": None, "axis": -1}
        loss = type(self)(**{**self.parameters, **own})
        labels, weights = np.arange(there.sum()), shares[there]

        def objective(z: Any) -> tuple[float, Any]:
            every = np.tile(z, (len(z), 1))
            value, grad = loss.value_and_grad(labels, every, sample_weight=weights)
            return value, grad.sum(axis=0)

        start = np.log(weights / weights.sum())
        found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-15})
        row = np.full(len(shares), -np.inf)
        row[there] = _core.log_softmax(found.x)
        return row


class _CrossEntropy(_Labelled):
    """What the cross-entropies of logits and of probabilities share."""

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
        shares = self._class_weights(k) * ((1 - s) * shares + s / k * rows)
        return self._link.link(shares / shares.sum(), -1)

    def _row_optimum(self, y: Any, w: Any) -> NDArray[np.float64]:
        weights = np.ones(len(y)) if w is None else w
        return self._of_shares(weights @ y, weights.sum())


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


class SoftmaxFocal(_Labelled):
    """Focal loss of the softmax of logits: easy rows, those of a high probability, count less.

    Parameters
    ----------
    gamma : float, default=2.0
        In [0, inf); 0 is the cross-entropy.
    class_weight : sequence of float, optional
        A weight for each class (the paper's alpha), which multiplies that of the samples.
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Lin et al., "Focal Loss for Dense Object Detection" (2017), arXiv:1708.02002.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SoftmaxFocal(gamma=0.0)([0], [[2.0, 0.0]]) == fl.SoftmaxCrossEntropy()([0], [[2.0, 0.0]])
    True
    """

    name = "softmax_focal"
    definition = "-(1 - p[y])**gamma*log(p[y])"
    majorant = "the terms of hess that are not negative"
    _link = SOFTMAX
    _ranges = {"gamma": NONNEGATIVE, **_Labelled._ranges}
    gamma: float

    def __init__(
        self,
        gamma: float = 2.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            gamma=gamma,
            class_weight=class_weight,
            ignore_index=ignore_index,
            axis=axis,
            classes=classes,
        )

    def _row_kernel(self) -> tuple[str, float]:
        return self._kernel_name, self.gamma


class PolyLoss(_Labelled):
    """Poly-1 loss: cross-entropy with another weight of the first term of its series in 1 - p.

    Parameters
    ----------
    epsilon : float, default=1.0
        In [0, inf): what is added to that weight; 0 is the cross-entropy.
    class_weight : sequence of float, optional
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions"
    (2022), arXiv:2204.12511.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.PolyLoss()([0], [[0.0, 0.0]]), 4)
    1.1931
    """

    name = "poly"
    _link = SOFTMAX
    definition = "-log(p[y]) + epsilon*(1 - p[y])"
    majorant = "the terms of hess that are not negative"
    _ranges = {"epsilon": NONNEGATIVE, **_Labelled._ranges}
    epsilon: float

    def __init__(
        self,
        epsilon: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            epsilon=epsilon,
            class_weight=class_weight,
            ignore_index=ignore_index,
            axis=axis,
            classes=classes,
        )

    def _row_kernel(self) -> tuple[str, float]:
        return self._kernel_name, self.epsilon


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


class MultiClassHinge(_Labelled):
    """Multi-class hinge loss of Crammer and Singer.

    At the kink the gradient is 0; of several highest scores the first has it. The Hessian is 0.

    Parameters
    ----------
    class_weight : sequence of float, optional
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Crammer and Singer, "On the Algorithmic Implementation of Multiclass Kernel-based Vector
    Machines" (2001), Journal of Machine Learning Research 2.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MultiClassHinge()([0, 1], [[2.0, 0.0, 1.5], [0.0, 3.0, 1.0]], reduction="none")
    array([0.5, 0. ])
    """

    name = "multiclass_hinge"
    definition = "max(0, 1 + highest(others(z, y)) - z[y])"
    majorant = "1"
    _kernel_name = "Margin"
    _predictions = "scores, (-inf, inf)"
    _margin: ClassVar[float] = 1.0

    def _row_kernel(self) -> tuple[str, float]:
        return self._kernel_name, self._margin


class MultiClassPerceptron(MultiClassHinge):
    """Multi-class perceptron loss: how far another class's score exceeds that of the label.

    At the kink the gradient is 0; of several highest scores the first has it. The Hessian is 0.

    Parameters
    ----------
    class_weight : sequence of float, optional
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Collins, "Discriminative Training Methods for Hidden Markov Models" (2002), EMNLP.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MultiClassPerceptron()([0], [[1.0, 1.5, 0.0]])
    0.5
    """

    name = "multiclass_perceptron"
    definition = "max(0, highest(others(z, y)) - z[y])"
    _kernel_name = "Margin"
    _margin = 0.0


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
