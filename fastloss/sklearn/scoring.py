"""Losses as scores of estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from sklearn.utils.metadata_routing import MetadataRequest

from fastloss.domains import SIGNS, UNIT
from fastloss.losses.base import Loss, as_loss
from fastloss.losses.rows import RowLoss


def scorer(loss: str | Loss, *, name: str | None = None) -> LossScorer:
    """Make of a loss a scorer, which ``cross_val_score`` and ``GridSearchCV`` take as ``scoring=``.

    The score is minus the mean loss: greater is better. What the estimator is asked for follows
    from what the loss takes:

    - probabilities, as `LogLoss`, `Brier` and `CrossEntropy`: ``predict_proba``, of two classes the
      probability of the second;
    - raw scores of classes, as `Logistic`, `Hinge` and `SoftmaxCrossEntropy`:
      ``decision_function``;
    - else ``predict``. Estimators predict means: for losses of their logarithms, as `Poisson`, they
      are brought on that scale by the loss's ``link``.

    Labels may be of any type: they are looked up among the estimator's ``classes_``, of which the
    second counts as 1 and the first as 0 or -1, as the loss has it.

    Parameters
    ----------
    loss : str or Loss
    name : str, optional
        What the scorer is called where it is shown, by default the loss's ``spec``.

    Returns
    -------
    LossScorer
        It is called with an estimator, X, y and perhaps ``sample_weight``. With
        ``sklearn.set_config(enable_metadata_routing=True)`` its ``set_score_request`` asks for
        weights from ``cross_validate(..., params={"sample_weight": w})``.

    Raises
    ------
    ValueError, TypeError
        If there is no loss of this name, or it is no loss.

    Notes
    -----
    Nothing is clipped, as scikit-learn's ``neg_log_loss`` does: the score of a probability of 0 for
    the class that is true is -inf.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from fastloss.losses import CrossEntropy
    >>> from fastloss.sklearn import scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000)
    >>> cross_val_score(model, X, y, scoring=scorer(CrossEntropy()), cv=3).round(2)
    array([-0.14, -0.15, -0.16])
    """
    loss = as_loss(loss)
    return LossScorer(loss, loss.spec if name is None else name)


class LossScorer:
    """What `scorer` makes.

    Attributes
    ----------
    loss : Loss
    name : str
    response_method : {"predict_proba", "decision_function", "predict"}
        The method of estimators whose results are scored.
    """

    def __init__(self, loss: Any, name: str) -> None:
        self.loss = loss
        self.name = name
        self.response_method = _response_method(loss)
        self._requested: Any = None  # of sample_weight

    def __repr__(self) -> str:
        shown = "" if self.name == self.loss.spec else f", name={self.name!r}"
        return f"scorer({self.loss!r}{shown})"

    def __call__(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any = None) -> float:
        """Score the predictions for X."""
        method = getattr(estimator, self.response_method, None)
        if method is None:
            raise AttributeError(
                f"{self!r} needs {self.response_method}, which {type(estimator).__name__} has not"
            )
        z = method(X)
        if self.response_method == "predict":
            z = self._on_the_scale_of_the_loss(z)
        elif (classes := getattr(estimator, "classes_", None)) is not None:
            y_true, z = self._of_classes(y_true, z, classes)
        value: float = self.loss(y_true, z, sample_weight=sample_weight)
        return -value

    def _on_the_scale_of_the_loss(self, means: Any) -> Any:
        if np.asarray(means).dtype.kind not in "iubf":
            raise ValueError(
                f"{self.loss!r} is a loss of numbers; the estimator predicts "
                f"{np.asarray(means).dtype.name}"
            )
        with np.errstate(invalid="ignore"):
            z = self.loss.link(means)
        outside = np.isnan(z) & ~np.isnan(means)
        if outside.any():
            raise ValueError(
                f"{self.loss!r} is of positive predictions; got {np.asarray(means)[outside][0]}"
            )
        return z

    def _of_classes(self, y_true: Any, z: Any, classes: Any) -> tuple[Any, Any]:
        """Targets and predictions as the loss takes them."""
        if not isinstance(classes, np.ndarray):
            raise ValueError(f"{self!r} is of one target; the estimator has {len(classes)}")
        rows = isinstance(self.loss, RowLoss)
        if not rows and len(classes) != 2:
            raise ValueError(
                f"{self.loss!r} is of two classes, and the estimator has {len(classes)}; take a "
                "loss of rows, as CrossEntropy of probabilities or SoftmaxCrossEntropy of scores"
            )
        places = _places(y_true, classes)
        if rows:
            return places.astype(np.intp, copy=False), z
        y = np.where(places, 1.0, -1.0) if self.loss.y_domain == SIGNS else places
        return y, z[:, 1] if z.ndim == 2 else z

    # What scikit-learn asks scorers for, with metadata routing and without.

    def set_score_request(self, *, sample_weight: bool | str | None) -> LossScorer:
        """Ask for weights, or for what a caller's ``params`` hold under another name.

        Parameters
        ----------
        sample_weight : bool, str or None
            Whether weights are asked for, or their name; None: it is an error if there are any.

        Returns
        -------
        LossScorer
            The scorer itself.

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        """
        if not sklearn.get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "weights are routed to scorers only after "
                "sklearn.set_config(enable_metadata_routing=True)"
            )
        self._requested = sample_weight
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self._requested)
        return request

    def _accept_sample_weight(self) -> bool:
        return True


def _response_method(loss: Any) -> str:
    if loss.z_domain == UNIT:
        return "predict_proba"
    labels = isinstance(loss, RowLoss) and "labels" in loss._takes
    return "decision_function" if labels or loss.y_domain in (UNIT, SIGNS) else "predict"


def _places(y_true: Any, classes: Any) -> Any:
    """Where labels are among the classes, which are sorted."""
    y = np.asarray(y_true)
    if len(classes) == 2:
        places = y == classes[1]
        known = places | (y == classes[0])
    else:
        places = np.searchsorted(classes, y)
        known = classes[np.minimum(places, len(classes) - 1)] == y
    if not np.all(known):
        unseen = y[~known][0] if np.ndim(known) else y
        raise ValueError(
            f"y_true holds {unseen!r}, which the estimator was not fitted with: its classes_ are "
            f"{classes.tolist()}"
        )
    return places
