"""Linear classification by any loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from fastloss._core import softmax
from fastloss.linear_model.documentation import documented
from fastloss.linear_model.estimators import LinearModel, written
from fastloss.linear_model.targets import (
    coded,
    coded_labels,
    codes_of,
    labels_of,
    loss_of_classes,
)
from fastloss.losses.base import Loss, as_loss
from fastloss.losses.links import HALF_LOGIT, LOGIT, SOFTMAX
from fastloss.losses.multiclass import sigmoid
from fastloss.losses.rows import RowLoss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_BLOCK = 1 << 20  # rows whose probabilities are computed together


def _has_probabilities(estimator: Any) -> bool:
    loss = getattr(estimator, "loss_", None) or as_loss(estimator.loss)
    if loss._link in (LOGIT, HALF_LOGIT, SOFTMAX):
        return True
    raise AttributeError(f"{loss!r} gives no probabilities: take the logistic loss, or calibrate")


@documented
class LinearClassifier(ClassifierMixin, LinearModel):  # type: ignore[misc]
    """Linear classification: any loss of scores, any penalty.

    It minimises the objective ::

        sum(s * loss(y, X w + b)) / sum(s) + alpha * penalty(w)

    over weights w and an intercept b, s being the weights of the samples times those of their
    classes. Of more than two classes the logistic loss is the softmax cross-entropy; losses of
    rows of scores, as `MultiClassHinge`, stay what they are, and others are minimised one-vs-rest,
    for all classes in the same passes. y of two axes, 0 and 1, has a column for each of several
    labels.

    Parameters
    ----------
    loss : str or Loss, default="logistic"
        A loss of raw scores: "logistic", "focal", "hinge", "squared_hinge", "modified_huber",
        "softmax_cross_entropy" ..., or one of residuals, as "huber", of targets -1 and 1.
    PARAMETERS
    class_weight : dict or "balanced", optional
        Weights of classes, which multiply those of their samples; "balanced" gives all classes the
        same total.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray, shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray, shape (1,) or (n_classes,)
    ATTRIBUTES

    References
    ----------
    REFERENCES

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from fastloss.linear_model import LinearClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LinearClassifier(alpha=1e-3)).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.99
    """

    def __init__(
        self,
        loss: str | Loss = "logistic",
        *,
        penalty: Any = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        solver: Any = "auto",
        learning_rate: Any = None,
        batch_size: Any = "auto",
        max_iter: int = 1000,
        tol: float | None = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
        warm_start: bool = False,
        average: bool = False,
        max_norm: float | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
    ) -> None:
        super().__init__(
            loss,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            solver=solver,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_iter=max_iter,
            tol=tol,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            average=average,
            max_norm=max_norm,
            random_state=random_state,
            verbose=verbose,
            callbacks=callbacks,
        )
        self.class_weight = class_weight

    # ---- targets -------------------------------------------------------------------------------

    def _start(self, y: Any, sample_weight: Any) -> None:
        self._totals: Any = None
        self._multilabel = y.ndim == 2 and y.shape[1] > 1
        if self._multilabel:
            if type_of_target(y) != "multilabel-indicator":
                raise ValueError("y of several columns must be of labels, 0 and 1")
            self.classes_ = np.arange(y.shape[1])
            if self.class_weight is not None:
                raise ValueError("class_weight is for samples of one class each")
        else:
            self.classes_ = labels_of(column_or_1d(y))
            check_classification_targets(self.classes_)
        self._learn_loss()

    def _learn_loss(self) -> None:
        n = len(self.classes_)
        if n < 2 and not self._multilabel:
            raise ValueError(
                f"y must have at least two classes; got 1 class, {self.classes_.tolist()[0]!r}"
            )
        self.loss_ = loss_of_classes(as_loss(self.loss), n, self._multilabel)
        one = n == 2 and not self._multilabel and not isinstance(self.loss_, RowLoss)
        self._n_outputs = 1 if one else n

    def _code(self, y: Any) -> Any:
        if self._multilabel:
            if y.shape[1:] != self.classes_.shape:
                raise ValueError(f"y must have {len(self.classes_)} labels; got shape {y.shape}")
            return coded_labels(self.loss_, y)
        y = column_or_1d(y, warn=True)
        self._codes = codes = codes_of(self.classes_, y)
        return coded(self.loss_, codes, len(self.classes_))

    def _weights_by_class(self, codes: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        codes = self._codes
        n = len(self.classes_)
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            totals = self._totals
            if totals is None:
                totals = np.bincount(codes, weights=sample_weight, minlength=n)
            by_class = totals.sum() / (n * np.where(totals > 0, totals, np.inf))
        else:
            by_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_[codes]
            )
            if not (by_class >= 0).all():
                raise ValueError(f"class_weight must be at least 0; got {self.class_weight}")
        weight = by_class[codes]
        return weight if sample_weight is None else weight * sample_weight

    def _forget(self) -> None:
        self.__dict__.pop("_codes", None)

    def _strata(self, y: Any) -> Any:
        return None if self._multilabel else column_or_1d(y)

    def _seen(self, y: Any, sample_weight: Any) -> Any:
        if y.ndim == 2 and y.shape[1] > 1:
            return y[:1], None
        y = column_or_1d(y)
        classes = labels_of(y)
        return classes, np.bincount(codes_of(classes, y), weights=sample_weight)

    def _start_chunked(self, seen: list[Any]) -> None:
        self._start(np.concatenate([classes for classes, _ in seen]), None)
        if not self._multilabel:
            self._totals = np.zeros(len(self.classes_))
            for classes, totals in seen:
                self._totals[codes_of(self.classes_, classes)] += totals

    def _set_weights(self, coef: Array, intercept: Array) -> None:
        if isinstance(self.loss_, RowLoss):
            intercept = intercept - intercept.mean()  # what is added to all scores does not count
        if len(self.classes_) == 2 and len(coef) == 2 and not self._multilabel:
            # of losses of rows only differences of scores count
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        self.coef_, self.intercept_ = coef, intercept

    def partial_fit(  # type: ignore[override]
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> LinearClassifier:
        """Go through samples once with mini-batches, from where the last call ended.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,) or (n_samples, n_labels)
        classes : array_like, shape (n_classes,), optional
            All classes that there are; the first call needs them.
        sample_weight : array_like, shape (n_samples,), optional

        Returns
        -------
        self

        Notes
        -----
        The solver is that of the estimator if it is one of mini-batches, and else SGD. Parameters
        of the optimizer are those of the first call. Balanced class weights need all samples, and
        are refused.
        """
        if isinstance(self.class_weight, str):
            raise ValueError("class_weight='balanced' needs all samples: give partial_fit a dict")
        if classes is not None and hasattr(self, "classes_"):
            if not np.array_equal(np.unique(classes), self.classes_):
                raise ValueError(f"classes are those of the first call, {self.classes_}")
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")

        def start(y: Any, weight: Any) -> None:
            self._multilabel = y.ndim == 2 and y.shape[1] > 1
            self.classes_ = np.unique(classes)
            self._learn_loss()

        return self._partial_fit(X, y, sample_weight, start)  # type: ignore[no-any-return]

    # ---- predicting ----------------------------------------------------------------------------

    def decision_function(self, X: Any) -> Array:
        """Compute the raw scores X w + b.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_classes)
            Of two classes, the score of the second.
        """
        return self._scores(X)

    def predict(self, X: Any) -> Array:
        """Predict the class of each sample, or, of several labels, 0 and 1 for each.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_labels)
        """
        z = self._scores(X)
        if self._multilabel:
            return (z > 0).astype(np.int64)
        places = (z > 0).astype(np.intp) if z.ndim == 1 else z.argmax(axis=1)
        return self.classes_[places]  # type: ignore[no-any-return]

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any, out: Array | None = None) -> Array:
        """Compute the probabilities of the classes, or of several labels.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        out : ndarray, shape (n_samples, n_classes), optional
            Where they are written.

        Returns
        -------
        ndarray, shape (n_samples, n_classes) or (n_samples, n_labels)
            Of X's dtype. One-vs-rest probabilities are divided by their sum.
        """
        z = self._scores(X)
        if z.ndim == 1:
            out = written(out, (len(z), 2), z.dtype)
            factor = 2 if self.loss_._link is HALF_LOGIT else 1
            for first in range(0, len(z), _BLOCK):
                block = z[first : first + _BLOCK] * factor
                out[first : first + _BLOCK, 1] = sigmoid(block)
                out[first : first + _BLOCK, 0] = sigmoid(-block)
            return out
        out = written(out, z.shape, z.dtype)
        if self.loss_._link is SOFTMAX:
            softmax(z, out=out)
            return out
        out[...] = self.loss_.inverse_link(z)
        if not self._multilabel:
            total = out.sum(axis=1, keepdims=True)
            out /= np.where(total > 0, total, 1)
        return out

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """Compute the logarithms of what `predict_proba` gives.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples, n_classes) or (n_samples, n_labels)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
