"""Losses as objectives and metrics of XGBoost.

What `objective` and `metric` make serves ``xgboost.train`` and the estimators alike. XGBoost itself
is not imported here.

Examples
--------
>>> import numpy as np
>>> from fastloss.xgboost import objective
>>> grad, hess = objective("mse")(np.float32([1.0, 0.0]), np.float32([1.5, 2.0]))
>>> grad, hess
(array([0.5, 2. ], dtype=float32), array([1., 1.], dtype=float32))
"""

from __future__ import annotations

import math
import re
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
    trained,
)
from fastloss.losses.base import Loss
from fastloss.losses.multiclass import SoftmaxCrossEntropy
from fastloss.losses.ranking import Ranking
from fastloss.losses.regression import Gamma, Poisson, SquaredError, SquaredLogError, Tweedie
from fastloss.losses.robust import GeneralRobust
from fastloss.losses.survival import AFT
from fastloss.losses.together import Together

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]


def _convention(loss: Scored) -> Convention | None:
    match loss:
        case SquaredError():
            return Convention("exact", factor=0.5)
        case SquaredLogError():
            return Convention(2e-6, factor=0.5, low=-1 + 1e-6)  # it bounds both so
        case SoftmaxCrossEntropy():
            return Convention("exact", stretch=2.0)
        case Poisson():
            return Convention("exact", stretch=math.exp(0.7))  # max_delta_step
        case Gamma():
            return Convention("exact")
        case Tweedie() if 1 < loss.power < 2:
            return Convention("exact")
        case GeneralRobust(alpha=1.0, c=1.0):  # the pseudo-Huber loss
            return Convention("exact")
    return None


_XGBOOST = Library("XGBoost", _convention, class_axis=-1, target_rows=True)


@dataclass(frozen=True)
class Objective(Derivatives):
    """An objective of XGBoost: what `objective` makes, immutable and picklable."""

    # XGBoost looks for a parameter of this name.
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Compute gradient and Hessian, of arrays or of (scores, data set)."""
        return self._at(*arguments(y_true, y_pred, sample_weight))


@dataclass(frozen=True)
class JointObjective(Joint):
    """An objective of survival or ranking: what `objective` makes, immutable and picklable."""

    def __call__(self, y_pred: Any, data: Any) -> tuple[Array, Array]:
        """Compute gradient and Hessian, of (scores, data set)."""
        y_true, scores, weight = arguments(y_pred, data, None)
        groups: dict[str, Any] = {}
        if isinstance(self.loss, Ranking):
            groups["groups"] = data.get_group()
        elif isinstance(self.loss, AFT) and _has_bounds(data):
            ends = ("label_lower_bound", "label_upper_bound")
            y_true = np.stack([data.get_float_info(end) for end in ends], axis=1)
        found: tuple[Array, Array] = self.loss.grad_and_hess(
            y_true, scores, sample_weight=weight, reduction="sum", **groups
        )
        return found


def _has_bounds(data: Any) -> bool:
    """Whether targets are bounds of times; estimators hand over arrays."""
    return hasattr(data, "get_float_info") and len(data.get_float_info("label_lower_bound")) > 0


@dataclass(frozen=True)
class Metric(Measure):
    """A metric of XGBoost: what `metric` makes, immutable and picklable."""

    name: str

    if not TYPE_CHECKING:  # a type checker would take it for the class's name

        @property
        def __name__(self) -> str:
            return self.name

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> float | tuple[str, float]:
        """Compute the mean, of arrays or of (predictions, data set)."""
        value = self._of(*arguments(y_true, y_pred, sample_weight), "mean")
        return (self.name, value) if hasattr(y_pred, "get_label") else value


@overload
def objective(loss: str | Loss, *, hessian: Hessian | None = None) -> Objective: ...
@overload
def objective(loss: Together, *, hessian: Hessian | None = None) -> JointObjective: ...
def objective(
    loss: str | Loss | Together, *, hessian: Hessian | None = None
) -> Objective | JointObjective:
    """Make an objective of a loss, for ``xgboost.train`` and the estimators.

    Parameters
    ----------
    loss : Loss or str
        A loss of raw scores, or its name as `get_loss` takes it; or one of survival or ranking, as
        docs/ranking.md has it.
    hessian : {"exact", "majorant"} or float, optional
        The second derivatives, as of ``grad_and_hess``; the objective is then the loss as fastloss
        defines it. By default it is that of XGBoost where there is one, with its factors and its
        Hessian, as docs/xgboost.md lists them, or else the majorant.

    Returns
    -------
    Objective
        A callable of (targets, scores, sample_weight) and of (scores, data set), whose results are
        multiplied by the weights. Of several classes the loss's ``axis`` is of no effect. Those of
        survival and ranking take (scores, data set) alone.

    Raises
    ------
    ValueError
        If raw scores leave the domain of the loss, as those of a loss of probabilities do,
        there is no majorant to take, or ``hessian`` is none of these.
    TypeError
        If ``loss`` is neither a loss nor a name.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.xgboost import objective
    >>> objective(fl.Expectile(q=0.9))
    Objective(loss=Expectile(q=0.9), hessian=None)
    """
    if isinstance(loss, Together):
        return JointObjective(joint(loss, hessian))
    return Objective(*trained(_XGBOOST, loss, hessian))


def metric(
    loss: str | Loss, *, scores_of: str | Loss | None = None, name: str | None = None
) -> Metric:
    """Make a metric of a loss, for ``xgboost.train`` and the estimators.

    Parameters
    ----------
    loss : Loss or str
        The loss, or its name as `get_loss` takes it.
    scores_of : Loss or str, optional
        The loss of the objective, of a metric that wants what its raw scores mean: by its
        ``inverse_link`` logits become probabilities, say. XGBoost hands raw scores to metrics
        unless the objective is its own.
    name : str, optional
        What results are called, by default the loss's ``name``.

    Returns
    -------
    Metric
        A callable of (targets, predictions, sample_weight), that gives the weighted mean, and of
        (predictions, data set), that gives the name with it. Less is better.

    Raises
    ------
    TypeError
        If a loss is neither a loss nor a name.
    ValueError
        If there are spaces or colons in ``name``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss.xgboost import metric
    >>> brier = metric("brier", scores_of="logistic")
    >>> brier(np.array([1.0, 0.0]), np.zeros(2)), brier.__name__
    (0.25, 'brier')
    """
    if name is not None and re.search(r"[:\s]", name):  # it reads its own table of results
        raise ValueError(f"name must be without spaces and colons for XGBoost; got {name!r}")
    found, link = measured(loss, scores_of, -1)
    return Metric(found, link, found.name if name is None else name)


def base_score(
    loss: str | Loss,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    num_class: int | None = None,
) -> float | list[float]:
    """Find the best constant score, to start from instead of 0.5.

    With an objective that is not its own, XGBoost takes its parameter ``base_score`` for a raw
    score, except in an ``XGBClassifier`` of two classes, which takes it for a probability: the
    ``inverse_link`` of this one.

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
    float, or list of float
        A list has the score of each class.

    Raises
    ------
    ValueError
        If the best constant is infinite, as of targets of one class, or the loss cannot be an
        objective.
    NotImplementedError
        Of losses of several classes that have no such constant in a closed form.

    Examples
    --------
    >>> from fastloss.xgboost import base_score
    >>> base_score("mae", [1.0, 2.0, 9.0])
    2.0
    >>> base_score("softmax_cross_entropy", [0, 1])
    [-0.6931471805599453, -0.6931471805599453]
    """
    found = constant(_XGBOOST, loss, y, sample_weight, num_class)
    return found if isinstance(found, float) else found.tolist()


def predict(model: Any, X: Any, loss: str | Loss | Together, **options: Any) -> Array:
    """Predict what raw scores mean: probabilities of a logit, numbers of a logarithm.

    Parameters
    ----------
    model : xgboost.Booster or estimator
        Trained with an `objective`.
    X : array_like or xgboost.DMatrix
        The data to predict for.
    loss : Loss or str
        The loss of the objective, whose ``inverse_link`` is applied.
    **options : dict
        More arguments of the model's own method, as ``iteration_range`` and ``base_margin``.

    Returns
    -------
    ndarray, shape (n,) or (n, k)

    Raises
    ------
    ValueError
        If the loss cannot be an objective.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss.xgboost import predict
    >>> class Model:
    ...     def predict(self, X, output_margin):
    ...         return np.zeros(len(X))
    >>> predict(Model(), [[1.0], [2.0]], "poisson")
    array([1., 1.])
    """
    if hasattr(model, "inplace_predict") and not hasattr(X, "get_label"):
        scores = model.inplace_predict(X, predict_type="margin", **options)
    else:
        scores = model.predict(X, output_margin=True, **options)
    return meaning(loss, scores)
