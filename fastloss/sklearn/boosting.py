"""Losses for HistGradientBoostingRegressor and HistGradientBoostingClassifier."""

from __future__ import annotations

import inspect
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from fastloss.domains import SIGNS, UNIT
from fastloss.losses.base import Loss, as_loss, loss_class, loss_names
from fastloss.losses.classification import Logistic
from fastloss.losses.links import IDENTITY
from fastloss.losses.multiclass import SoftmaxCrossEntropy
from fastloss.losses.regression import AbsoluteError, Gamma, Poisson, Quantile, SquaredError
from fastloss.losses.residuals import depends_on_residual, is_piecewise_linear
from fastloss.losses.robust import GeneralRobust
from fastloss.losses.rows import RowLoss
from fastloss.threads import num_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

TESTED = "1.5, 1.7 and 1.9"  # versions of scikit-learn
_USED = {  # methods of BaseLoss that boosting calls, and their parameters
    "gradient_hessian": (
        "y_true",
        "raw_prediction",
        "sample_weight",
        "gradient_out",
        "hessian_out",
        "n_threads",
    ),
    "__call__": ("y_true", "raw_prediction", "sample_weight", "n_threads"),
    "fit_intercept_only": ("y_true", "sample_weight"),
    "init_gradient_and_hessian": ("n_samples", "dtype", "order"),
}


def _differs(what: str) -> ImportError:
    return ImportError(
        "fastloss.sklearn uses a private interface of scikit-learn's, which is tested with "
        f"{TESTED} and differs in {sklearn.__version__}: {what}"
    )


def _check_interface(base: Any) -> None:
    """Raise if boosting calls its losses in another way than ours are written for."""
    for name, expected in _USED.items():
        method = getattr(base, name, None)
        found = tuple(inspect.signature(method).parameters)[1:] if method else None
        if found != expected:
            raise _differs(f"BaseLoss.{name} has the parameters {found}, not {expected}")
    for estimator in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        if base not in estimator._parameter_constraints["loss"]:
            raise _differs(f"{estimator.__name__} takes no BaseLoss")


try:
    from sklearn._loss.loss import (
        AbsoluteError as TheirAbsoluteError,
        BaseLoss,
        HalfBinomialLoss,
        HalfGammaLoss,
        HalfMultinomialLoss,
        HalfPoissonLoss,
        HalfSquaredError,
        PinballLoss,
    )
except ImportError as error:
    raise _differs(str(error)) from error
_check_interface(BaseLoss)


def boosting_loss(
    loss: str | Loss,
    *,
    hessian: Literal["exact", "majorant"] | float | None = None,
    n_classes: int | None = None,
) -> BoostingLoss:
    """Make of a loss what histogram gradient boosting takes as ``loss=``.

    Parameters
    ----------
    loss : str or Loss
        A loss whose predictions may be any numbers. Those of two classes, as `Logistic` or `Hinge`,
        and of rows of several, as `SoftmaxCrossEntropy`, are for
        ``HistGradientBoostingClassifier``; the others for ``HistGradientBoostingRegressor``.
    hessian : {"exact", "majorant"} or float, optional
        The second derivatives that steps are divided by, as `grad_and_hess` takes it: exact, the
        loss's ``majorant``, or a floor below which the exact ones do not fall. By default a loss
        that scikit-learn has is trained to the same model, and the others with their majorants.
    n_classes : int, optional
        How many classes there are, for losses of rows; at least 3.

    Returns
    -------
    BoostingLoss
        An instance of scikit-learn's private ``BaseLoss``. It can be pickled, cloned and searched
        over, as in ``GridSearchCV(model, {"loss": [boosting_loss(a), boosting_loss(b)]})``.

    Raises
    ------
    ValueError
        If the loss is not one that boosting can minimise, has no majorant and ``hessian`` is not
        given, or ``n_classes`` or ``hessian`` is wrong.
    TypeError
        If ``loss`` is no loss, or ``n_classes`` is not an integer.

    Notes
    -----
    By default `SquaredError` is halved, as scikit-learn does; with a ``hessian`` it is not. The
    leaves of a loss of the residual without second derivatives, as `AbsoluteError` and `Quantile`,
    are set to the best constants of their samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from fastloss.losses import LogCosh
    >>> from fastloss.sklearn import boosting_loss
    >>> X = np.arange(100.0).reshape(-1, 1)
    >>> y = np.where(X[:, 0] < 50, 1.0, 3.0)
    >>> y[::20] = 1e3
    >>> model = HistGradientBoostingRegressor(loss=boosting_loss(LogCosh())).fit(X, y)
    >>> model.predict([[10.0], [90.0]]).round()
    array([1., 3.])
    """
    loss = as_loss(loss)
    refusal = _refusal(loss)
    if refusal:
        raise ValueError(f"{loss!r} {refusal}")
    _check_n_classes(loss, n_classes)
    if hessian is None and loss.majorant is None:
        raise ValueError(f"{loss!r} has no majorant: give a floor as hessian, as 0.01")
    cls = ClassifiersLoss if _of_classes(loss) else BoostingLoss
    return cls(loss, hessian, n_classes)


def _of_classes(loss: Any) -> bool:
    """Whether targets are classes."""
    if isinstance(loss, RowLoss):
        return "labels" in loss._takes
    return loss.y_domain in (UNIT, SIGNS)


def _refusal(loss: Any) -> str:
    """Why boosting cannot minimise a loss, or nothing."""
    if loss._root:
        return (
            "is no sum over samples, of which boosting takes the derivatives; take SquaredError, "
            "which is least where it is"
        )
    if isinstance(loss, RowLoss) and "labels" not in loss._takes:
        return "takes no classes as targets, which is what boosting of several scores has"
    if loss.parameters.get("axis", -1) not in (-1, 1):
        return "must have axis=-1: classes lie along the last one"
    if loss.z_domain.bounded:
        all_losses = [loss_class(name)() for name in loss_names()]
        others = [type(other).__name__ for other in all_losses if _replaces(other, loss)]
        instead = f": {' or '.join(others)}" if others else ""
        return (
            f"takes predictions in {loss.z_domain}, which the sums of trees may leave; take a loss "
            f"of raw scores instead{instead}"
        )
    return ""


def _replaces(other: Any, loss: Any) -> bool:
    """Whether another loss is of the same targets, and of raw scores that mean the predictions."""
    return (
        other._link is not IDENTITY
        and not other.z_domain.bounded
        and not _refusal(other)
        and isinstance(other, RowLoss) == isinstance(loss, RowLoss)
        and other.y_domain == loss.y_domain
    )


def _check_n_classes(loss: Loss, n_classes: int | None) -> None:
    if n_classes is not None and (
        isinstance(n_classes, bool) or not isinstance(n_classes, (int, np.integer))
    ):
        raise TypeError(f"n_classes must be an integer; got {n_classes!r}")
    if isinstance(loss, RowLoss):
        if n_classes is None or n_classes < 3:
            raise ValueError(
                f"n_classes must be at least 3 for {loss!r} (two classes have one score, which is "
                f"Logistic's); got {n_classes}"
            )
    elif n_classes is not None and not (_of_classes(loss) and n_classes == 2):
        raise ValueError(f"n_classes is for losses of rows; got {n_classes} for {loss!r}")


_THEIRS: dict[Loss, Any] = {
    SquaredError(): HalfSquaredError,
    AbsoluteError(): TheirAbsoluteError,
    Poisson(): HalfPoissonLoss,
    Gamma(): HalfGammaLoss,
    Logistic(): HalfBinomialLoss,
}


def _scikit_learns(loss: Loss, n_classes: int | None) -> Any:
    """scikit-learn's own form of a loss, or None. A subclass is another loss."""
    if loss == SoftmaxCrossEntropy():
        return HalfMultinomialLoss(n_classes=n_classes)
    if type(loss) is Quantile and 0 < loss.q < 1:
        return PinballLoss(quantile=loss.q)
    theirs = _THEIRS.get(loss)
    return theirs and theirs()


class BoostingLoss(BaseLoss):  # type: ignore[misc]  # scikit-learn has no types
    """What `boosting_loss` makes: for regression; `ClassifiersLoss` for classification.

    Attributes
    ----------
    loss : Loss
    hessian : {"exact", "majorant"}, float or None
        As given.
    n_classes : int or None
    """

    constant_hessian = False  # weights multiply it, and a loss is not told whether there are any

    def __init__(self, loss: Any, hessian: Any, n_classes: int | None) -> None:
        self.loss = loss
        self.hessian = hessian
        self.n_classes: Any = n_classes
        self.is_multiclass = isinstance(loss, RowLoss)
        self.link = SimpleNamespace(inverse=loss.inverse_link)
        self.differentiable = not (depends_on_residual(loss) and is_piecewise_linear(loss))
        self._own = _scikit_learns(loss, n_classes) if hessian is None else None
        self._second = hessian
        if hessian is None:
            self._second = "exact" if self._own and self.differentiable else "majorant"
        # scikit-learn halves the square
        self._trained = GeneralRobust(alpha=2) if self._own and loss == SquaredError() else loss
        nothing = np.empty((0, (n_classes or 1) if self.is_multiclass else 1))
        self.gradient_hessian(np.empty(0), nothing)  # raises if hessian is wrong

    def __repr__(self) -> str:
        given = {"hessian": self.hessian, "n_classes": self.n_classes}
        arguments = [f", {name}={value!r}" for name, value in given.items() if value is not None]
        return f"boosting_loss({self.loss!r}{''.join(arguments)})"

    def gradient_hessian(
        self,
        y_true: Any,
        raw_prediction: Any,
        sample_weight: Any = None,
        gradient_out: Any = None,
        hessian_out: Any = None,
        n_threads: int = 1,
    ) -> tuple[Any, Any]:
        """Derivatives by raw predictions, multiplied by the weights."""
        y, z = self._targets(y_true), self._scores(raw_prediction)
        with num_threads(n_threads):
            grad, hess = self._trained.grad_and_hess(
                y,
                z,
                sample_weight=sample_weight,
                reduction="sum",
                out=None if gradient_out is None else (gradient_out, hessian_out),
                hessian=self._second,
            )
        if self._own and not self.differentiable:
            _set_slope_at_kink(self.loss, grad, y == z, sample_weight)
        return grad, hess

    def __call__(
        self, y_true: Any, raw_prediction: Any, sample_weight: Any = None, n_threads: int = 1
    ) -> float:
        """The weighted mean, for early stopping."""
        with num_threads(n_threads):
            return self._trained(
                self._targets(y_true), self._scores(raw_prediction), sample_weight=sample_weight
            )

    def fit_intercept_only(self, y_true: Any, sample_weight: Any = None) -> Any:
        """The best constant, which is finite: where boosting starts, and what leaves are set to."""
        y = self._targets(y_true)
        if self.is_multiclass and (found := len(np.unique(y))) != self.n_classes:
            raise ValueError(f"n_classes is {self.n_classes}, but y_true holds {found} classes")
        if self._own:
            return self._own.fit_intercept_only(y, sample_weight)
        if not isinstance(self.loss, RowLoss):
            return _finite(self.loss.optimal_constant(y, sample_weight))
        try:
            labels = y.astype(np.intp)
            row = self.loss.optimal_constant(labels, sample_weight, n_classes=self.n_classes)
        except NotImplementedError:  # not known
            row = np.zeros(self.n_classes)
        return _finite(row)

    def _targets(self, y: Any) -> Any:
        """Targets as the loss takes them: classifiers have 0 where its label may be -1."""
        return np.where(y == 0, -1.0, y) if self.loss.y_domain == SIGNS else y

    def _scores(self, z: Any) -> Any:
        """Raw predictions as the loss takes them: of shape (n,), or of rows."""
        if self.is_multiclass or z.ndim == 1:
            return z
        if z.shape[1] != 1:
            raise ValueError(
                f"{self.loss!r} is of two classes, but there are {z.shape[1]}; take a loss of "
                "rows, as SoftmaxCrossEntropy"
            )
        return z[:, 0]


class ClassifiersLoss(BoostingLoss):
    """What `boosting_loss` makes for classification."""

    # Boosting takes whatever has this method for a loss of classes, and stratifies by the targets.
    def predict_proba(self, raw_prediction: Any) -> NDArray[np.float64]:
        """Probabilities of the classes, of shape (n_samples, n_classes)."""
        if self.loss._link is IDENTITY:
            raise NotImplementedError(
                f"scores of {self.loss!r} mean no probabilities; use predict or decision_function"
            )
        mean = self.loss.inverse_link(self._scores(raw_prediction))
        return mean if self.is_multiclass else np.column_stack([1 - mean, mean])


def _set_slope_at_kink(loss: Loss, grad: Any, tied: Any, sample_weight: Any) -> None:
    """Give residuals of 0 the slope below, which scikit-learn takes, where ours is 0.

    Leaves that are set to medians and quantiles make many residuals exactly 0.
    """
    below = loss.grad([1.0], [0.0])[0]
    grad[tied] = below if sample_weight is None else below * sample_weight[tied]


_FAR = -math.log(np.finfo(np.float64).eps)


def _finite(constant: Any) -> Any:
    """A constant that trees can add to: that of classes that are absent may be infinite."""
    return np.where(np.isinf(constant), np.copysign(_FAR, constant), constant)
