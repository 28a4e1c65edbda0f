"""Losses of the logits of several classes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastloss import _core
from fastloss.base import Loss
from fastloss.classification import Logistic
from fastloss.domain import NONNEGATIVE, UNIT, Domain

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WEIGHTS = Domain("None, or a number in [0, inf) for each class")
LABEL = Domain("None, or an integer")
AXIS = Domain("the integers")
FLAG = Domain("False or True")

EITHER = "the class of each row, an integer from 0 on; or targets q in [0, inf), of y_pred's shape"
TARGETS = "q in [0, inf), of y_pred's shape"

_NOTES = """\
Notes
-----
The loss of a row z{given} is ::

    {definition}

- y_true: {targets}
- y_pred: {predictions}; the elements of a row lie along ``axis``
- sample_weight: a weight for each row, of the shape of the classes, or of the first axis alone

The mean is that over the rows{weighted}.
float32 and float64 are computed in their own type, float16 and bfloat16 as float32, integers and
booleans as float64.
"""


class RowLoss(Loss, _core.RowLoss):
    """Base of the losses of rows of logits."""

    kernel: ClassVar[str]  # of src/rows.h
    takes: ClassVar[tuple[str, ...]] = ("labels",)  # or targets, or vectors, or scores
    probabilities: ClassVar[bool] = False
    targets: ClassVar[str] = "the class of each row, an integer from 0 on"
    predictions: ClassVar[str] = "logits, (-inf, inf); -inf is a class that cannot be"

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__ and "kernel" not in cls.__dict__:
            cls.kernel = cls.__name__
        super().__init_subclass__()

    def _check(self, name: str, value: Any) -> Any:
        domain = self.ranges[name]
        if domain is WEIGHTS:
            return _class_weight(value)
        if domain is LABEL and value is None:
            return None
        if domain in (LABEL, AXIS):
            if isinstance(value, float) and value.is_integer():  # as get_loss reads it
                return int(value)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{name} must be an integer; got {value!r}")
            return int(value)
        if domain is FLAG:
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name} must be True or False; got {value!r}")
            return bool(value)
        return super()._check(name, value)

    def _row_kernel(self) -> tuple[str, float]:
        """The kernel to run and its parameter."""
        return self.kernel, 0.0

    @classmethod
    def _notes(cls) -> str:
        return _NOTES.format(
            definition=cls.definition,
            targets=cls.targets,
            predictions=cls.predictions,
            given=", with p = exp(z)/sum(exp(z)),"
            if "p" in re.findall(r"\w+", cls.definition)
            else "",
            weighted=", weighted by the weights of their classes too"
            * ("class_weight" in cls.ranges),
        )


def _class_weight(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    if isinstance(value, (str, dict)) or not isinstance(value, (Iterable, np.ndarray)):
        raise TypeError(
            f"class_weight must be a sequence of a weight for each class; got {value!r}"
        )
    weights = tuple(map(float, value))
    for k, weight in enumerate(weights):
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"class_weight[{k}] must be in [0, inf); got {weight}")
    return weights


class SoftmaxCrossEntropy(RowLoss):
    """Cross-entropy of the softmax of logits: the log loss of several classes.

    Parameters
    ----------
    class_weight : sequence of float, optional
        A weight for each class, which multiplies that of the samples.
    label_smoothing : float, default=0.0
        In [0, 1]: this part of each target is spread evenly over all classes.
    ignore_index : int, optional
        Rows of this class are left out, whether it is a class or not.
    axis : int, default=-1
        The axis of the classes: 1 for images of shape (N, C, H, W).

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
    takes = ("labels", "targets")
    targets = EITHER
    ranges = {
        "class_weight": WEIGHTS,
        "label_smoothing": UNIT,
        "ignore_index": LABEL,
        "axis": AXIS,
    }

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        axis: int = -1,
    ) -> None:
        self._set(
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            axis=axis,
        )


class SoftmaxFocal(RowLoss):
    """Focal loss of the softmax of logits: easy rows, those of a high probability, count less.

    Parameters
    ----------
    gamma : float, default=2.0
        In [0, inf); 0 is the cross-entropy.
    class_weight : sequence of float, optional
        A weight for each class (the paper's alpha), which multiplies that of the samples.
    ignore_index : int, optional
        Rows of this class are left out, whether it is a class or not.
    axis : int, default=-1
        The axis of the classes.

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
    ranges = {
        "gamma": NONNEGATIVE,
        "class_weight": WEIGHTS,
        "ignore_index": LABEL,
        "axis": AXIS,
    }

    def __init__(
        self,
        gamma: float = 2.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
    ) -> None:
        self._set(gamma=gamma, class_weight=class_weight, ignore_index=ignore_index, axis=axis)

    def _row_kernel(self) -> tuple[str, float]:
        return self.kernel, self.parameters["gamma"]


class PolyLoss(RowLoss):
    """Poly-1 loss: cross-entropy with another weight of the first term of its series in 1 - p.

    Parameters
    ----------
    epsilon : float, default=1.0
        In [0, inf): what is added to that weight; 0 is the cross-entropy.
    class_weight : sequence of float, optional
        A weight for each class, which multiplies that of the samples.
    ignore_index : int, optional
        Rows of this class are left out, whether it is a class or not.
    axis : int, default=-1
        The axis of the classes.

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
    definition = "-log(p[y]) + epsilon*(1 - p[y])"
    ranges = {
        "epsilon": NONNEGATIVE,
        "class_weight": WEIGHTS,
        "ignore_index": LABEL,
        "axis": AXIS,
    }

    def __init__(
        self,
        epsilon: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
    ) -> None:
        self._set(epsilon=epsilon, class_weight=class_weight, ignore_index=ignore_index, axis=axis)

    def _row_kernel(self) -> tuple[str, float]:
        return self.kernel, self.parameters["epsilon"]


class CrossEntropy(RowLoss):
    """Cross-entropy of probabilities: the log loss of several classes.

    Nothing is clipped: the loss of a class of probability 0 is inf. Probabilities are taken as
    they are, whether they add up to 1 or not.

    Parameters
    ----------
    class_weight : sequence of float, optional
        A weight for each class, which multiplies that of the samples.
    label_smoothing : float, default=0.0
        In [0, 1]: this part of each target is spread evenly over all classes.
    ignore_index : int, optional
        Rows of this class are left out, whether it is a class or not.
    axis : int, default=-1
        The axis of the classes.

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
    takes = ("labels", "targets")
    probabilities = True
    targets = EITHER
    predictions = "probabilities, [0, 1]"
    ranges = SoftmaxCrossEntropy.ranges

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        axis: int = -1,
    ) -> None:
        self._set(
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            axis=axis,
        )


class KLDivergence(RowLoss):
    """Kullback-Leibler divergence of the targets from the predictions; the mean over the rows.

    Parameters
    ----------
    log_probabilities : bool, default=False
        Whether the predictions are the logarithms of probabilities. In the definition z is then
        ``exp(y_pred)``.
    axis : int, default=-1
        The axis of the classes.

    References
    ----------
    Kullback and Leibler, "On Information and Sufficiency" (1951), Annals of Mathematical
    Statistics 22.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.KLDivergence()([[0.5, 0.5]], [[0.75, 0.25]]), 4)
    0.1438
    """

    name = "kl_divergence"
    definition = "dot(q, log(q)) - dot(q, log(z))"
    takes = ("targets",)
    probabilities = True
    targets = TARGETS
    predictions = "probabilities, [0, 1], or their logarithms"
    ranges = {"log_probabilities": FLAG, "axis": AXIS}

    def __init__(self, log_probabilities: bool = False, axis: int = -1) -> None:
        self._set(log_probabilities=log_probabilities, axis=axis)


class JensenShannon(RowLoss):
    """Jensen-Shannon divergence: symmetric, and at most log 2 for probabilities.

    Parameters
    ----------
    axis : int, default=-1
        The axis of the classes.

    References
    ----------
    Lin, "Divergence Measures Based on the Shannon Entropy" (1991), IEEE Transactions on
    Information Theory 37.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.JensenShannon()([[1.0, 0.0]], [[0.0, 1.0]]), 4)
    0.6931
    """

    name = "jensen_shannon"
    definition = "(dot(q, log(q)) + dot(z, log(z)) - dot(plus(q, z), log(half(plus(q, z)))))/2"
    takes = ("targets",)
    probabilities = True
    targets = TARGETS
    predictions = "probabilities, [0, 1]"
    ranges = {"axis": AXIS}

    def __init__(self, axis: int = -1) -> None:
        self._set(axis=axis)


class CosineDistance(RowLoss):
    """One less the cosine of the angle between two vectors.

    If one of them is 0 the loss is 1, and gradient and Hessian are 0.

    Parameters
    ----------
    axis : int, default=-1
        The axis along which the vectors lie.

    References
    ----------
    Salton and McGill, "Introduction to Modern Information Retrieval" (1983).

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.CosineDistance()([[1.0, 0.0]], [[0.0, 2.0]])
    1.0
    """

    name = "cosine"
    definition = "1 - dot(q, z)/sqrt(dot(q, q)*dot(z, z))"
    takes = ("vectors",)
    targets = "a vector q for each row, of y_pred's shape"
    predictions = "vectors, (-inf, inf)"
    ranges = {"axis": AXIS}

    def __init__(self, axis: int = -1) -> None:
        self._set(axis=axis)


class MultiClassHinge(RowLoss):
    """Multi-class hinge loss of Crammer and Singer.

    At the kink the gradient is 0; of several highest scores the first has it. The Hessian is 0.

    Parameters
    ----------
    class_weight : sequence of float, optional
        A weight for each class, which multiplies that of the samples.
    ignore_index : int, optional
        Rows of this class are left out, whether it is a class or not.
    axis : int, default=-1
        The axis of the classes.

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
    kernel = "Margin"
    predictions = "scores, (-inf, inf)"
    ranges = {"class_weight": WEIGHTS, "ignore_index": LABEL, "axis": AXIS}
    margin: ClassVar[float] = 1.0

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
    ) -> None:
        self._set(class_weight=class_weight, ignore_index=ignore_index, axis=axis)

    def _row_kernel(self) -> tuple[str, float]:
        return self.kernel, self.margin


class MultiClassPerceptron(MultiClassHinge):
    """Multi-class perceptron loss: how far another class's score exceeds that of the label.

    At the kink the gradient is 0; of several highest scores the first has it. The Hessian is 0.

    Parameters
    ----------
    class_weight : sequence of float, optional
        A weight for each class, which multiplies that of the samples.
    ignore_index : int, optional
        Rows of this class are left out, whether it is a class or not.
    axis : int, default=-1
        The axis of the classes.

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
    kernel = "Margin"
    margin = 0.0


class ListwiseSoftmax(RowLoss):
    """ListNet's ranking loss: cross-entropy of the softmax of relevances and of scores.

    Parameters
    ----------
    axis : int, default=-1
        The axis along which the items of a list lie.

    References
    ----------
    Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach" (2007), ICML.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.ListwiseSoftmax()([[2.0, 0.0]], [[0.0, 0.0]]), 4)
    0.6931
    """

    name = "listwise_softmax"
    definition = "-dot(softmax(q), log(p))"
    kernel = "SoftmaxCrossEntropy"
    takes = ("scores",)
    targets = "a relevance q for each item, (-inf, inf), of y_pred's shape"
    predictions = "scores, (-inf, inf)"
    ranges = {"axis": AXIS}

    def __init__(self, axis: int = -1) -> None:
        self._set(axis=axis)


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
    x = np.asarray(x)
    zeros = np.broadcast_to(np.False_, x.shape)  # the logistic loss of label 0 has this gradient
    return Logistic().grad(zeros, x, reduction="none", out=out)
