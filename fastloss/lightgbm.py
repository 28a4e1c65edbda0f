"""Losses as objectives and metrics of LightGBM.

What `objective` and `metric` make serves ``lightgbm.train`` and the estimators alike. LightGBM
itself is not imported here.

Examples
--------
>>> import numpy as np
>>> from fastloss.lightgbm import objective
>>> grad, hess = objective("logistic")(np.array([1.0, 0.0]), np.zeros(2))
>>> grad, hess
(array([-0.5,  0.5], dtype=float32), array([0.25, 0.25], dtype=float32))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from fastloss.boosting import (
    Convention,
    Derivatives,
    Hessian,
    Joint,
    Library,
    Measure,
    Scored,
    arguments,
    constant,
    joint,
    meaning,
    measured,
    shifted,
    trained,
)
from fastloss.losses.base import Loss, as_loss
from fastloss.losses.multiclass import SoftmaxCrossEntropy
from fastloss.losses.ranking import Ranking
from fastloss.losses.regression import Gamma, Huber, Poisson, SquaredError, Tweedie
from fastloss.losses.together import Together

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]


def _convention(loss: Scored) -> Convention | None:
    match loss:
        case SquaredError():
            return Convention("exact", factor=0.5)
        case Poisson():
            return Convention("exact", stretch=math.exp(0.7))  # poisson_max_delta_step
        case Huber():
            return Convention(1.0)  # above all second derivatives, which are 0 or 1
        case SoftmaxCrossEntropy():
            return Convention("exact", stretch=_factor_of_classes)
        case Gamma():
            return Convention("exact")
        case Tweedie() if 1 <= loss.power < 2:
            return Convention("exact")
    return None


def _factor_of_classes(k: int) -> float:
    """What the Hessian of k classes is multiplied by."""
    if k < 2:
        raise ValueError(f"softmax_cross_entropy needs at least two classes; got num_class={k}")
    return k / (k - 1)


_LIGHTGBM = Library("LightGBM", _convention, class_axis=0)


@dataclass(frozen=True)
class Objective(Derivatives):
    """An objective of LightGBM: what `objective` makes, immutable and picklable."""

    # LightGBM looks at how many parameters there are: with three it hands weights over.
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Compute gradient and Hessian, of arrays or of (scores, data set)."""
        y_true, scores, weight = arguments(y_true, y_pred, sample_weight)
        scores = scores.T  # those of a class lie together
        # in float32, which LightGBM would round to itself
        out = np.empty(scores.shape, np.float32), np.empty(scores.shape, np.float32)
        self._at(y_true, scores, weight, out)
        return out[0].T, out[1].T


@dataclass(frozen=True)
class JointObjective(Joint):
    """An objective of survival or ranking: what `objective` makes, immutable and picklable."""

    # LightGBM looks at how many parameters there are: with four it hands groups over.
    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, groups: Any = None
    ) -> tuple[Array, Array]:
        """Compute gradient and Hessian, of arrays or of (scores, data set)."""
        if hasattr(y_pred, "get_group"):
            groups = y_pred.get_group()
        y_true, scores, weight = arguments(y_true, y_pred, sample_weight)
        if not isinstance(self.loss, Ranking):
            return self._rounded(
                *self.loss.grad_and_hess(y_true, scores, sample_weight=weight, reduction="sum")
            )
        grad, hess = self.loss.grad_and_hess(y_true, scores, groups=groups, reduction="sum")
        # weights are those of documents here, and multiply what all their pairs add up to
        return self._rounded(*((grad, hess) if weight is None else (grad * weight, hess * weight)))

    @staticmethod
    def _rounded(grad: Array, hess: Array) -> tuple[Array, Array]:
        return grad.astype(np.float32), hess.astype(np.float32)


@dataclass(frozen=True)
class Metric(Measure):
    """A metric of LightGBM: what `metric` makes, immutable and picklable."""

    name: str

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> tuple[str, float, bool]:
        """Compute the mean, of arrays or of (predictions, data set)."""
        y_true, scores, weight = arguments(y_true, y_pred, sample_weight)
        return self.name, self._of(y_true, scores.T, weight, "mean"), False


@overload
def objective(loss: str | Loss, *, hessian: Hessian | None = None) -> Objective: ...
@overload
def objective(loss: Together, *, hessian: Hessian | None = None) -> JointObjective: ...
def objective(
    loss: str | Loss | Together, *, hessian: Hessian | None = None
) -> Objective | JointObjective:
    """Make an objective of a loss, for ``lightgbm.train`` and the estimators.

    Parameters
    ----------
    loss : Loss or str
        A loss of raw scores, or its name as `get_loss` takes it; or one of survival or ranking, as
        docs/ranking.md has it.
    hessian : {"exact", "majorant"} or float, optional
        The second derivatives, as of ``grad_and_hess``; the objective is then the loss as fastloss
        defines it. By default it is that of LightGBM where there is one, with its factors and its
        Hessian, as docs/lightgbm.md lists them, or else the majorant.

    Returns
    -------
    Objective
        A callable of (targets, scores, weights) and of (scores, data set), whose results are
        multiplied by the weights. Of several classes the loss's ``axis`` is of no effect. Those of
        ranking take (targets, scores, weights, groups) too.

    Raises
    ------
    ValueError
        If raw scores leave the domain of the loss, as those of a loss of probabilities do, it wants
        several targets in a row, there is no majorant to take, or ``hessian`` is none of these.
    TypeError
        If ``loss`` is neither a loss nor a name.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.lightgbm import objective
    >>> objective(fl.Focal(gamma=1.0))
    Objective(loss=Focal(gamma=1.0, alpha=None, label_smoothing=0.0), hessian=None)
    >>> objective("log_loss")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: LogLoss(label_smoothing=0.0) cannot be an objective of LightGBM: predictions are...
    """
    if isinstance(loss, Together):
        return JointObjective(joint(loss, hessian))
    return Objective(*trained(_LIGHTGBM, loss, hessian))


def metric(
    loss: str | Loss, *, scores_of: str | Loss | None = None, name: str | None = None
) -> Metric:
    """Make a metric of a loss, for ``lightgbm.train`` and the estimators.

    Parameters
    ----------
    loss : Loss or str
        The loss, or its name as `get_loss` takes it.
    scores_of : Loss or str, optional
        The loss of the objective, of a metric that wants what its raw scores mean: by its
        ``inverse_link`` logits become probabilities, say. LightGBM hands raw scores to metrics
        unless the objective is its own.
    name : str, optional
        What results are called, by default the loss's ``spec``.

    Returns
    -------
    Metric
        A callable of (targets, predictions, weights) and of (predictions, data set), that gives
        the name, the weighted mean, and False, as less is better.

    Raises
    ------
    TypeError
        If a loss is neither a loss nor a name.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss.lightgbm import metric
    >>> brier = metric("brier", scores_of="logistic")
    >>> brier(np.array([1.0, 0.0]), np.zeros(2))
    ('brier', 0.25, False)
    """
    found, link = measured(loss, scores_of, 0)
    return Metric(found, link, as_loss(loss).spec if name is None else name)


def init_score(
    loss: str | Loss,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    num_class: int | None = None,
) -> NDArray[np.float64]:
    """Find the best constant scores, to start from instead of 0.

    Parameters
    ----------
    loss : Loss or str
        The loss of the objective.
    y : array_like
        The targets.
    sample_weight : array_like, optional
        Their weights.
    num_class : int, optional
        How many classes there are; by default the last is the greatest among the targets.

    Returns
    -------
    ndarray, shape (n,) or (n, num_class)
        The same for all samples, as data sets and ``fit`` take it. LightGBM does not keep it:
        `predict` adds it.

    Raises
    ------
    ValueError
        If the best constant is infinite, as of targets of one class, or the loss cannot be an
        objective.
    NotImplementedError
        Of losses of several classes that have no such constant in a closed form.

    Examples
    --------
    >>> from fastloss.lightgbm import init_score
    >>> init_score("mae", [1.0, 2.0, 9.0])
    array([2., 2., 2.])
    """
    start = constant(_LIGHTGBM, loss, y, sample_weight, num_class)
    return np.full((len(np.asarray(y)), *np.shape(start)), start)


def predict(
    model: Any, X: Any, loss: str | Loss | Together, *, init_score: ArrayLike = 0.0, **options: Any
) -> Array:
    """Predict what raw scores mean: probabilities of a logit, numbers of a logarithm.

    Parameters
    ----------
    model : lightgbm.Booster or estimator
        Trained with an `objective`.
    X : array_like
        The data to predict for.
    loss : Loss or str
        The loss of the objective, whose ``inverse_link`` is applied.
    init_score : array_like, default=0.0
        The constant that training started from, a row of those of each class, or a score for each
        row of ``X``.
    **options : dict
        More arguments of ``model.predict``, as ``num_iteration``.

    Returns
    -------
    ndarray, shape (n,) or (n, num_class)

    Raises
    ------
    ValueError
        If ``init_score`` is of another shape, or the loss cannot be an objective.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss.lightgbm import predict
    >>> class Model:
    ...     def predict(self, X, raw_score):
    ...         return np.zeros(len(X))
    >>> predict(Model(), [[1.0], [2.0]], "poisson", init_score=np.log(3.0)).round(3)
    array([3., 3.])
    """
    scores = model.predict(X, raw_score=True, **options)
    return meaning(loss, shifted(scores, init_score, "init_score"))
