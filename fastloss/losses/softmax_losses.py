"""Losses that are other functions of the probabilities of a softmax than its cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import log_softmax
from fastloss.domains import FACTOR, MODERATE, NONNEGATIVE, Domain
from fastloss.losses.labelled import Labelled, SmoothedLabels
from fastloss.losses.links import SOFTMAX

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SoftmaxFocal(SmoothedLabels):
    """Focal loss of the softmax of logits: easy rows, those of a high probability, count less.

    Of targets each class has its own factor (1 - p)^gamma.

    Parameters
    ----------
    gamma : float, default=2.0
        In [0, inf); 0 is the cross-entropy.
    class_weight : sequence of float, optional
        A weight for each class (the paper's alpha), which multiplies that of the samples.
    label_smoothing : float, default=0.0
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
    definition = "-dot(q, (1 - p)**gamma*log(p))"
    majorant = "the terms of hess that are not negative"
    _link = SOFTMAX
    _ranges = {"gamma": NONNEGATIVE, **SmoothedLabels._ranges}
    gamma: float

    def __init__(
        self,
        gamma: float = 2.0,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            gamma=gamma,
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            axis=axis,
            classes=classes,
        )

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, self.gamma


class PolyLoss(SmoothedLabels):
    """Poly-1 loss: cross-entropy with another weight of the first term of its series in 1 - p.

    Parameters
    ----------
    epsilon : float, default=1.0
        In [0, inf): what is added to that weight; 0 is the cross-entropy.
    class_weight : sequence of float, optional
    label_smoothing : float, default=0.0
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
    definition = "-dot(q, log(p)) + epsilon*dot(q, 1 - p)"
    majorant = "the terms of hess that are not negative"
    _ranges = {"epsilon": NONNEGATIVE, **SmoothedLabels._ranges}
    epsilon: float

    def __init__(
        self,
        epsilon: float = 1.0,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            epsilon=epsilon,
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            axis=axis,
            classes=classes,
        )

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, self.epsilon, 1.0


class GeneralizedCrossEntropy(Labelled):
    """Generalized cross-entropy of the softmax of logits: bounded, so wrong labels count less.

    With q towards 0 it is `SoftmaxCrossEntropy`; with q = 1 it is 1 - p, half the sum of the
    absolute errors of the probabilities.

    Parameters
    ----------
    q : float, default=0.7
        In (0, 1]. Here and in the definition q is this number, no target.
    class_weight : sequence of float, optional
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy
    Labels" (2018), arXiv:1805.07836.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GeneralizedCrossEntropy(q=1.0)([0], [[0.0, 0.0]])
    0.5
    >>> round(fl.GeneralizedCrossEntropy()([0], [[0.0, 0.0]]), 4)
    0.5492
    """

    name = "generalized_cross_entropy"
    definition = "(1 - p[y]**q)/q"
    majorant = "the terms of hess that are not negative"
    _link = SOFTMAX
    _ranges = {"q": FACTOR, **Labelled._ranges}
    q: float

    def __init__(
        self,
        q: float = 0.7,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            q=q, class_weight=class_weight, ignore_index=ignore_index, axis=axis, classes=classes
        )

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, self.q

    def _best_row(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.q == 1:
            return _all_of_the_largest(targets)
        return np.asarray(log_softmax(np.log(targets) / (1 - self.q)))


class SymmetricCrossEntropy(Labelled):
    """Symmetric cross-entropy of the softmax of logits: with that of p and the label reversed.

    alpha times the cross-entropy, -log p, and beta times the reverse, in which probabilities weigh
    the logarithms of the label: 0 of its class, and ``log_zero`` for that of 0 of the others.

    Parameters
    ----------
    alpha, beta : float, default=0.1, 1.0
        In [0, inf): what the two are multiplied by. The defaults are the paper's for 10 classes;
        of 100 it has 6 and 0.1.
    log_zero : float, default=-4.0
        In (-inf, 0).
    class_weight : sequence of float, optional
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels" (2019),
    arXiv:1908.06112.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.SymmetricCrossEntropy()([0], [[0.0, 0.0]]), 4)
    2.0693
    """

    name = "symmetric_cross_entropy"
    definition = "-alpha*log(p[y]) - beta*log_zero*(1 - p[y])"
    majorant = "the terms of hess that are not negative"
    _kernel_name = "PolyLoss"
    _link = SOFTMAX
    _ranges = {
        "alpha": MODERATE,
        "beta": MODERATE,
        "log_zero": Domain("[-1e15, 0)", low=-1e15, high=0, open_high=True),
        **Labelled._ranges,
    }
    alpha: float
    beta: float
    log_zero: float

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            alpha=alpha,
            beta=beta,
            log_zero=log_zero,
            class_weight=class_weight,
            ignore_index=ignore_index,
            axis=axis,
            classes=classes,
        )

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, -self.beta * self.log_zero, self.alpha

    def _best_row(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        return super()._best_row(targets) if self.alpha > 0 else _all_of_the_largest(targets)


def _all_of_the_largest(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best logits for a loss that is linear in p: the most frequent class has all of it."""
    return np.where(np.arange(len(targets)) == np.argmax(targets), 0.0, -np.inf)
