"""Losses as objectives and metrics of CatBoost, which itself is not imported here.

Examples
--------
>>> import numpy as np
>>> from fastloss.catboost import objective
>>> objective("logistic").calc_ders_range(np.zeros(2), np.float32([1.0, 0.0]), None)
array([[ 0.5 , -0.25],
       [-0.5 , -0.25]])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastloss.boosting import (
    Convention,
    Derivatives,
    Hessian,
    Library,
    Measure,
    Scored,
    constant,
    meaning,
    measured,
    shifted,
    trained,
)
from fastloss.losses.base import Loss
from fastloss.losses.classification import Focal
from fastloss.losses.regression import Huber, SquaredError, Tweedie

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]


def _convention(loss: Scored) -> Convention | None:
    match loss:
        case SquaredError():
            return Convention("exact", factor=0.5)
        case Huber():
            return Convention("exact")
        case Focal() if loss.alpha is not None:
            return Convention("exact")
        case Tweedie() if 1 < loss.power < 2:
            return Convention("exact")
    return None


_CATBOOST = Library("CatBoost", _convention)


@dataclass(frozen=True)
class Objective(Derivatives):
    """An objective of CatBoost: what `objective` makes, immutable and picklable."""

    no_jit: ClassVar[bool] = True  # numba is not to compile what is compiled

    def calc_ders_range(self, approxes: Array, targets: Array, weights: Array | None) -> Array:
        """Compute an array of the derivatives of minus the loss, in two columns."""
        out = np.empty((2, len(approxes)))
        self._at(targets, approxes, weights, (out[0], out[1]), sign=-1)
        return out.T


@dataclass(frozen=True)
class Metric(Measure):
    """A metric of CatBoost: what `metric` makes, immutable and picklable."""

    no_jit: ClassVar[bool] = True

    def evaluate(self, approxes: Any, target: Array, weight: Array | None) -> tuple[float, float]:
        """Compute the sum of the loss, and of the weights."""
        scores = approxes[0] if len(approxes) == 1 else np.stack(approxes)
        value = self._of(target, scores, weight, "sum")
        total = len(target) if weight is None else np.sum(weight, dtype=np.float64)
        return value**2 if self.loss._root else value, float(total)

    def is_max_optimal(self) -> bool:
        """False: less is better."""
        return False

    def get_final_error(self, error: float, weight: float) -> float:
        """Compute the mean."""
        mean = error / weight if weight else float("nan")
        return max(mean, 0.0) ** 0.5 if self.loss._root else mean


def objective(loss: str | Loss, *, hessian: Hessian | None = None) -> Objective:
    """Make an objective of a loss, for ``loss_function``.

    Parameters
    ----------
    loss : Loss or str
        A loss of raw scores, or its name as `get_loss` takes it.
    hessian : {"exact", "majorant"} or float, optional
        The second derivatives, as of ``grad_and_hess``; the objective is then the loss as fastloss
        defines it. By default it is that of CatBoost where there is one, with its factors and its
        Hessian, as docs/catboost.md lists them, or else the majorant.

    Returns
    -------
    Objective
        With the method that CatBoost calls for a part of the rows. Its results, the derivatives of
        minus the loss, are multiplied by the weights.

    Raises
    ------
    ValueError
        If raw scores leave the domain of the loss, as those of a loss of probabilities do, it is
        one of several classes, or ``hessian`` is none of these.
    TypeError
        If ``loss`` is neither a loss nor a name.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.catboost import objective
    >>> objective(fl.Focal(gamma=1.0))
    Objective(loss=Focal(gamma=1.0, alpha=None, label_smoothing=0.0), hessian=None)
    """
    return Objective(*trained(_CATBOOST, loss, hessian))


def metric(loss: str | Loss, *, scores_of: str | Loss | None = None) -> Metric:
    """Make a metric of a loss, for ``eval_metric``.

    Parameters
    ----------
    loss : Loss or str
        The loss, or its name as `get_loss` takes it.
    scores_of : Loss or str, optional
        The loss of the objective, of a metric that wants what its raw scores mean: by its
        ``inverse_link`` logits become probabilities, say. CatBoost hands raw scores to metrics,
        whatever the objective.

    Returns
    -------
    Metric
        With the methods that CatBoost calls. Results have the name of the class, "Metric".

    Raises
    ------
    TypeError
        If a loss is neither a loss nor a name.
    ValueError
        If the mean of the loss is weighted by class, or leaves classes out.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss.catboost import metric
    >>> brier = metric("brier", scores_of="logistic")
    >>> error, weight = brier.evaluate((np.zeros(2),), np.float32([1.0, 0.0]), None)
    >>> brier.get_final_error(error, weight)
    0.25
    """
    found, link = measured(loss, scores_of, 0)
    for name in ("class_weight", "ignore_index"):
        if found.parameters.get(name) is not None:
            raise ValueError(
                f"{name} cannot be part of a metric of CatBoost, which divides by the sum of the "
                f"weights alone; got {found!r}"
            )
    return Metric(found, link)


def baseline(
    loss: str | Loss, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Find the best constant score, to start from instead of 0.

    Parameters
    ----------
    loss : Loss or str
        The loss of the objective.
    y : array_like
        The targets.
    sample_weight : array_like, optional
        Their weights.

    Returns
    -------
    ndarray, shape (n,)
        The same for all samples, as ``Pool`` and ``fit`` take it. CatBoost does not keep it:
        `predict` adds it.

    Raises
    ------
    ValueError
        If the best constant is infinite, as of targets of one class, or the loss cannot be an
        objective.

    Examples
    --------
    >>> from fastloss.catboost import baseline
    >>> baseline("mae", [1.0, 2.0, 9.0])
    array([2., 2., 2.])
    """
    return np.full(len(np.asarray(y)), constant(_CATBOOST, loss, y, sample_weight))


def predict(
    model: Any, X: Any, loss: str | Loss, *, baseline: ArrayLike = 0.0, **options: Any
) -> Array:
    """Predict what raw scores mean: probabilities of a logit, numbers of a logarithm.

    Parameters
    ----------
    model : catboost.CatBoost or estimator
        Trained with an `objective`.
    X : array_like or catboost.Pool
        The data to predict for.
    loss : Loss or str
        The loss of the objective, whose ``inverse_link`` is applied.
    baseline : array_like, default=0.0
        The constant that training started from, or a score for each row of ``X``; 0 for a Pool that
        has a baseline of its own.
    **options : dict
        More arguments of ``model.predict``, as ``ntree_end``.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        If ``baseline`` is of another shape, or the loss cannot be an objective.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss.catboost import predict
    >>> class Model:
    ...     def predict(self, X, prediction_type):
    ...         return np.zeros(len(X))
    >>> predict(Model(), [[1.0], [2.0]], "poisson", baseline=np.log(3.0)).round(3)
    array([3., 3.])
    """
    scores = model.predict(X, prediction_type="RawFormulaVal", **options)
    return meaning(loss, shifted(scores, baseline, "baseline"))
