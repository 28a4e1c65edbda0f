"""Losses of the margins between scores of classes, and of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fastloss.domains import REAL, UNIT, Domain
from fastloss.losses.labelled import Labelled
from fastloss.losses.rows import RowLoss

ONE_OR_TWO = Domain("{1, 2}", low=1, high=2, integer=True)


class MultiClassHinge(Labelled):
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

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
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


class MultiMargin(Labelled):
    """Multi-class margin loss: how far each other class comes within the margin of the label.

    The sum over the other classes is divided by K, the number of all, as in torch: K times the loss
    is that of Weston and Watkins. At a kink the gradient is 0.

    Parameters
    ----------
    p : int, default=1
        1 or 2: the power of each class's part. The Hessian of 1 is 0.
    margin : float, default=1.0
    class_weight : sequence of float, optional
    ignore_index : int, optional
    axis : int, default=-1
    classes : sequence, optional

    References
    ----------
    Weston and Watkins, "Support Vector Machines for Multi-Class Pattern Recognition" (1999), ESANN.

    Examples
    --------
    >>> import fastloss as fl
    >>> z = [[2.0, 0.5, 1.5, 3.0]]
    >>> fl.MultiMargin()([0], z), fl.MultiMargin(p=2)([0], z)
    (0.625, 1.0625)
    """

    name = "multi_margin"
    definition = "total([max(0, margin + x - z[y])**p for x in others(z, y)])/K"
    majorant = "p/K, that of the label p*(K - 1)/K"
    _predictions = "scores, (-inf, inf)"
    _ranges = {"p": ONE_OR_TWO, "margin": REAL, **Labelled._ranges}
    p: int
    margin: float

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        axis: int = -1,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._set(
            p=p,
            margin=margin,
            class_weight=class_weight,
            ignore_index=ignore_index,
            axis=axis,
            classes=classes,
        )

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, self.margin, float(self.p)


class MultiLabelMargin(RowLoss):
    """Multi-label margin loss: how far labels that do not hold come within 1 of those that do.

    The sum over all pairs of a label that holds and one that does not, divided by K, the number of
    all labels, as in torch. A label that holds in part counts as either in proportion. At a kink
    the gradient is 0. The Hessian is 0. A row takes a pass for each label that holds.

    Parameters
    ----------
    axis : int, default=-1
        The axis of the labels.

    References
    ----------
    Elisseeff and Weston, "A Kernel Method for Multi-Labelled Classification" (2001), NeurIPS.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MultiLabelMargin()([[1.0, 0.0, 0.0, 1.0]], [[0.75, 0.25, 0.5, 1.0]])
    0.5
    """

    name = "multilabel_margin"
    definition = (
        "total([q[i]*(1 - q[j])*max(0, 1 - z[i] + z[j])"
        " for i in range(K) if q[i] > 0 for j in range(K) if j != i])/K"
    )
    majorant = "1"
    _item, _items = "label", "labels"
    _takes = ("targets",)
    y_domain = UNIT
    _targets = "q in [0, 1], of y_pred's shape: 1 for labels that hold"
    _predictions = "scores, (-inf, inf)"
