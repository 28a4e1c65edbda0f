"""What the bridges to boosting libraries share: objectives and metrics of raw scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np

from fastloss._core import BaseLoss, DomainError
from fastloss.domains import SIGNS
from fastloss.losses.base import Loss, Pointwise, as_loss
from fastloss.losses.classification import Perceptron
from fastloss.losses.margins import MultiClassPerceptron
from fastloss.losses.rows import RowLoss
from fastloss.losses.similarity import ListwiseSoftmax
from fastloss.losses.together import Together

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]

Scored: TypeAlias = Pointwise | RowLoss
Hessian: TypeAlias = Literal["exact", "majorant"] | float

# Losses of what raw scores mean, or of all samples at once, and what to train with instead.
_INSTEAD = {
    "binary_kl": "logistic",
    "brier": "logistic",
    "cross_entropy": "softmax_cross_entropy",
    "dice": "dice:logits=True",
    "focal_log_loss": "focal",
    "gamma_deviance": "gamma",
    "kl_divergence": "softmax_cross_entropy",
    "log_loss": "logistic",
    "msle": "mse, with log1p of the targets,",
    "multiclass_brier": "softmax_cross_entropy",
    "nll": "softmax_cross_entropy",
    "poisson_deviance": "poisson",
    "poisson_nll": "poisson",
    "rmse": "mse, which has the same minimum,",
    "tversky": "tversky:logits=True",
    "tweedie_deviance": "tweedie",
}


@dataclass(frozen=True)
class Convention:
    """What an objective makes of the derivatives of a loss.

    Parameters
    ----------
    hessian : {"exact", "majorant"} or float
        As ``grad_and_hess`` takes it.
    factor : float, default=1.0
        Of gradient and Hessian.
    stretch : float or callable, default=1.0
        A further one of the Hessian; a callable gives it for the number of classes.
    low : float, default=-inf
        Scores below are taken for this one.
    """

    hessian: Hessian
    factor: float = 1.0
    stretch: float | Callable[[int], float] = 1.0
    low: float = -math.inf


@dataclass(frozen=True)
class Library:
    """What a boosting library hands over, and its own objectives.

    Parameters
    ----------
    name : str
        Its name, for errors.
    convention : callable
        How its own objective of a loss is made; None of a loss that it has no objective of.
    class_axis : int or None, default=None
        The axis of the classes in the arrays of scores; None if objectives of several classes are
        not supported.
    target_rows : bool, default=False
        Whether there may be several targets in a row.
    """

    name: str
    convention: Callable[[Scored], Convention | None]
    class_axis: int | None = None
    target_rows: bool = False

    def loss(self, given: str | Loss) -> tuple[Scored, Convention]:
        """A loss that raw scores may be trained with, and how the library itself does so."""
        loss = scored(given)
        convention = self.convention(loss) or Convention("majorant")
        refusal = self._refusal_of_rows(loss) if isinstance(loss, RowLoss) else None
        if refusal is None:
            refusal = _refusal(loss, convention)
        if refusal is not None:
            raise ValueError(f"{loss!r} cannot be an objective of {self.name}: {refusal}")
        return of_classes(loss, self.class_axis), convention

    def _refusal_of_rows(self, loss: RowLoss) -> str | None:
        """Why the library has no use for a loss of rows."""
        if loss.parameters.get("classes") is not None:
            return "the library numbers the classes 0, 1, 2 ... itself; leave out classes="
        if loss._columns:
            return f"a row holds {' and '.join(loss._columns)}, not scores of one kind"
        if isinstance(loss, ListwiseSoftmax):
            return "its lists are rows of scores, where the library's groups are many rows"
        if self.class_axis is None:
            return (
                "of several classes it wants the derivatives of one row a call, and the calls take "
                "longer than they do; its own objectives, as MultiClass, make none"
            )
        if "labels" not in loss._takes and not self.target_rows:
            return "it takes a target for each score, where the library has one for each row"
        return None


def _refusal(loss: Scored, convention: Convention) -> str | None:
    """Why raw scores cannot be trained with a loss."""
    if loss.z_domain.bounded and convention.low == -math.inf:
        found = f"predictions are in {loss.z_domain}, raw scores are not"
    elif loss._endless:
        found = "it falls without end, so that there is nothing to train"
    elif loss._root:
        found = "it is one root for all samples"
    elif isinstance(loss, (Perceptron, MultiClassPerceptron)):
        found = "it is least, 0, where all scores are 0, so that there is nothing to train"
    else:
        return None
    instead = _INSTEAD.get(loss.name)
    return found if instead is None else f"{found}; {instead} is what to train with instead"


def scored(given: str | Loss) -> Scored:
    """A loss, given itself or its name."""
    return cast(Scored, as_loss(given))  # there are no others


def of_classes(loss: Scored, axis: int | None) -> Scored:
    """A loss of rows, with its classes along another axis."""
    if not isinstance(loss, RowLoss) or axis is None:
        return loss
    return type(loss)(**{**loss.parameters, "axis": axis})


class Fixed:
    """Base of what nobody can change, so that a copy would be for nothing.

    Estimators that are cloned copy their parameters, and ask whether they are the same objects.
    """

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self


@dataclass(frozen=True)
class Derivatives(Fixed):
    """Gradient and Hessian of a loss at raw scores, as a library wants them.

    Attributes
    ----------
    loss : Loss
        The loss.
    hessian : {"exact", "majorant"}, float or None
        What was asked for; None is the library's own choice.
    """

    loss: Scored
    hessian: Hessian | None
    convention: Convention = field(repr=False, compare=False)

    def _at(
        self,
        y_true: Any,
        scores: Array,
        weight: Any,
        out: tuple[Array, Array] | None = None,
        sign: int = 1,
    ) -> tuple[Array, Array]:
        """Gradient and Hessian, in given arrays or in new ones of the dtype of the scores."""
        loss, convention = self.loss, self.convention
        if convention.low > -math.inf:
            scores = np.maximum(scores, convention.low)
        stretch = convention.stretch
        if not isinstance(stretch, float):
            stretch = stretch(scores.shape[loss.parameters["axis"]])
        factor = sign * convention.factor
        y_true = targets(loss, y_true, scores)
        if type(loss).grad_and_hess is BaseLoss.grad_and_hess:
            return loss._derivatives(
                y_true, scores, weight, out, convention.hessian, factor, stretch
            )
        grad, hess = loss.grad_and_hess(  # of a user's own
            y_true, scores, sample_weight=weight, reduction="sum", hessian=convention.hessian
        )
        if out is None:
            return factor * grad, factor * stretch * hess
        out[0][...], out[1][...] = factor * grad, factor * stretch * hess
        return out


def trained(
    library: Library, given: str | Loss, hessian: Hessian | None
) -> tuple[Scored, Hessian | None, Convention]:
    """What an objective is made of."""
    loss, convention = library.loss(given)
    if hessian is not None:
        convention = Convention(_checked(hessian), low=convention.low)
    if convention.hessian == "majorant" and loss.majorant is None:
        raise ValueError(
            f"{loss!r} has no majorant of its Hessian: hessian must be a floor, as in 1e-3"
        )
    return loss, hessian, convention


def _checked(hessian: Any) -> Hessian:
    if isinstance(hessian, str) and hessian in ("exact", "majorant"):
        return hessian  # type: ignore[return-value]
    number = isinstance(hessian, Real) and not isinstance(hessian, bool)
    if not (number and 0 <= hessian < math.inf):
        raise ValueError(
            f'hessian must be None, "exact", "majorant" or a floor in [0, inf); got {hessian!r}'
        )
    return float(hessian)


def signs(loss: Scored, y_true: Any) -> Any:
    """Targets, with -1 for 0 if the loss takes -1 and 1: classifiers number the classes 0 and 1."""
    return np.where(y_true == 0, -1.0, y_true) if loss.y_domain == SIGNS else y_true


def targets(loss: Scored, y_true: Any, scores: Array) -> Any:
    """Targets as the loss takes them, of a shape that goes with the scores."""
    if isinstance(loss, Pointwise):
        if scores.ndim > 1 and np.ndim(y_true) == 1:
            raise ValueError(
                f"{loss.spec} takes one score of a row; got scores of shape {scores.shape}, as for "
                "several classes, of which softmax_cross_entropy is a loss"
            )
        return signs(loss, y_true)
    _check_scores(loss, scores)
    return y_true


def _check_scores(loss: Scored, scores: Array) -> None:
    if isinstance(loss, RowLoss) and scores.ndim == 1:
        raise ValueError(
            f"{loss.spec} takes a score for each class; got one for each row. For two classes "
            "there are logistic and focal; for more the library has to be given num_class"
        )


def arguments(first: Any, second: Any, weight: Any) -> tuple[Any, Array, Any]:
    """Targets, scores and weights of a call as of either API of a library.

    They are (scores, data set), or (targets, scores, weights).
    """
    if hasattr(second, "get_label"):
        first, second, weight = second.get_label(), first, second.get_weight()
    if weight is not None and not np.size(weight):  # as XGBoost says that there are none
        weight = None
    return np.asarray(first), np.asarray(second), weight


@dataclass(frozen=True)
class Joint(Fixed):
    """Gradient and Hessian of a loss whose samples have more than a target each.

    Attributes
    ----------
    loss : Together
        The loss.
    """

    loss: Any


def joint(loss: Together, hessian: Any) -> Together:
    """A loss whose second derivatives are those that there are."""
    if hessian not in (None, "exact"):
        raise ValueError(f'hessian must be None or "exact" for {loss!r}; got {hessian!r}')
    return loss


@dataclass(frozen=True)
class Measure(Fixed):
    """The mean of a loss, of raw scores or of what they mean.

    Attributes
    ----------
    loss : Loss
        The loss.
    scores_of : Loss or None
        The loss by whose link the predictions are transformed first.
    """

    loss: Scored
    scores_of: Scored | None

    def _of(
        self, y_true: Any, scores: Array, weight: Any, reduction: Literal["mean", "sum"]
    ) -> float:
        if self.scores_of is not None:
            scores = self.scores_of.inverse_link(scores)
        y_true = targets(self.loss, y_true, scores)
        try:
            return self.loss(y_true, scores, sample_weight=weight, reduction=reduction)
        except DomainError as error:
            if error.argument == "y_pred" and self.scores_of is None:
                error.add_note(
                    "With an objective that is not the library's own, a metric gets raw scores; "
                    "scores_of= takes the loss that they are scores of."
                )
            raise


def measured(
    loss: str | Loss, scores_of: str | Loss | None, axis: int
) -> tuple[Scored, Scored | None]:
    """What a metric is made of, with the classes along an axis."""
    link = None if scores_of is None else of_classes(scored(scores_of), axis)
    return of_classes(scored(loss), axis), link


def constant(
    library: Library,
    loss: str | Loss,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    num_class: int | None = None,
) -> Any:
    """The best constant score, or a score for each class; an error if one is infinite."""
    found: Any
    loss = of_classes(library.loss(loss)[0], -1)
    y = np.asarray(y)
    if isinstance(loss, RowLoss):
        whole = y.astype(np.intp) if y.ndim == 1 else y  # classes, which data frames hold as floats
        y = whole if (whole == y).all() else y
        found = loss.optimal_constant(y, sample_weight, n_classes=num_class)
    else:
        found = loss.optimal_constant(signs(loss, y * 1.0), sample_weight)
    if not np.isfinite(found).all():
        raise ValueError(
            f"the best constant score of {loss!r} is {found}, as the targets are all alike or a "
            "class is absent: no model can start from it"
        )
    return found


def shifted(scores: Array, start: ArrayLike, name: str) -> Array:
    """Raw scores, with those added that training started from."""
    begin = np.asarray(start, scores.dtype)
    if begin.shape not in ((), scores.shape[1:], scores.shape):
        raise ValueError(
            f"{name} must be the constant that training started from, or of the shape of the "
            f"scores, {scores.shape}; got an array of shape {begin.shape}"
        )
    return scores + begin


def meaning(loss: str | Loss | Together, scores: Array) -> Array:
    """What raw scores mean."""
    if isinstance(loss, Together):
        return loss.inverse_link(scores)
    made = of_classes(scored(loss), -1)
    _check_scores(made, scores)
    return made.inverse_link(scores)
