"""What solvers minimise: the mean loss of each output of a linear model, and a penalty."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import block_diag

from fastloss.linear_model.matrices import gram, spreads
from fastloss.linear_model.objective import LinearObjective
from fastloss.losses.base import Loss, Pointwise
from fastloss.losses.multiclass import SoftmaxCrossEntropy
from fastloss.penalties import Penalty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

_MEASURED = 10_000  # rows
LEAST = 0.01  # of the majorant, that a second derivative is taken for at least


def has_hessian(loss: Loss) -> bool:
    """Whether the whole Hessian, by the weights of all outputs, is known."""
    return isinstance(loss, (Pointwise, SoftmaxCrossEntropy))


class Problem:
    """sum over outputs of the mean loss of X w + b, plus penalty(w); w flat, of float64.

    The weights of an output lie together, its intercept behind them. Solvers ask for the loss with
    its derivatives and deal with the penalty, or for both.
    """

    X: Any
    y: Any
    sample_weight: Any
    loss: Loss
    penalty: Penalty | None

    def __init__(
        self,
        loss: Loss,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        penalty: Penalty | None = None,
        fit_intercept: bool = True,
        n_outputs: int | None = None,
    ) -> None:
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self.loss, self.penalty, self.fit_intercept = loss, penalty, fit_intercept
        self.objective = LinearObjective(
            loss,
            X,
            y,
            sample_weight=sample_weight,
            fit_intercept=fit_intercept,
            n_outputs=n_outputs,
        )
        self.n_rows, self.n_features = X.shape
        self.n_outputs = self.objective.n_outputs
        self.width = self.n_features + self.fit_intercept
        self.warm = False  # whether a fit starts near its end
        self.scale: Vector = np.ones((self.n_outputs, self.width))
        self.size = self.n_outputs * self.width
        # the mean of a pointwise loss is over all outputs too
        self.factor = float(self.n_outputs) if isinstance(loss, Pointwise) else 1.0

    def subset(self, n: int) -> Problem:
        """The problem of n rows of non-zero weight: one at random of each n-th part of them."""
        counted = None if self.sample_weight is None else np.flatnonzero(self.sample_weight)
        there = self.n_rows if counted is None else len(counted)
        if there == 0:
            return self  # whose errors say so
        n = min(n, there)
        ends = np.arange(n + 1) * there // n
        rows = np.random.default_rng(0).integers(ends[:-1], ends[1:])
        rows = rows if counted is None else counted[rows]
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return self.of(self.X[rows], self.y[rows], weight)

    def of(self, X: Any, y: Any, sample_weight: Any) -> Problem:
        """The same problem of other samples."""
        other = Problem(
            self.loss,
            X,
            y,
            sample_weight=sample_weight,
            penalty=self.penalty,
            fit_intercept=self.fit_intercept,
            n_outputs=self.n_outputs,
        )
        other.scale = self.scale
        return other

    def parts(self) -> Iterator[Problem]:
        """The problems of the chunks that the samples come in: one, of all."""
        yield self

    @property
    def total_weight(self) -> float:
        if self.sample_weight is None:
            return float(self.n_rows)
        return float(self.sample_weight.sum(dtype=np.float64))

    def with_loss(self, loss: Loss, y: Any = None) -> Problem:
        """The problem of another loss, and perhaps other targets, of the same samples."""
        other = copy.copy(self)
        other.loss, other.y = loss, self.y if y is None else y
        other.objective = copy.copy(self.objective)
        other.objective.loss, other.objective._y = loss, other.y
        return other

    # ---- the loss ------------------------------------------------------------------------------

    def smooth(self, w: Vector) -> tuple[float, Vector]:
        """The loss and its gradient, without the penalty."""
        value, grad = self.objective.value_and_grad(w)
        if self.factor != 1:
            value *= self.factor
            grad *= self.factor
        return value, grad

    def loss_value(self, w: Vector) -> float:
        """The loss, without the penalty."""
        return self.factor * self.objective.value(w)

    def hessp(self, w: Vector, v: Vector) -> Vector:
        """The Hessian of the loss times v."""
        return self.factor * self.objective.hessp(w, v)

    def loss_hess(self, w: Vector, least: float = LEAST) -> Vector:
        """The Hessian of the loss, or its majorant where the second derivative may be negative."""
        if isinstance(self.loss, Pointwise):
            bends = self.curvature(w, least).reshape(self.n_rows, -1)
            return block_diag(*(gram(self.X, bend, self.fit_intercept) for bend in bends.T))  # type: ignore[no-any-return]
        return self.factor * self.objective.hess(w, hessian="majorant")

    def hess(self, w: Vector, least: float = LEAST) -> Vector:
        """The Hessian of the objective, of a smooth penalty."""
        return self.with_ridge(self.loss_hess(w, least))

    def with_ridge(self, H: Vector) -> Vector:
        """Add the penalty's second derivative."""
        places = np.arange(self.size).reshape(self.n_outputs, -1)[:, : self.n_features].ravel()
        H[places, places] += self.ridge
        return H

    def curvature(self, w: Vector, least: float = LEAST) -> Vector:
        """The second derivative by each prediction, with its share of the mean.

        Where it is 0 or negative it is a share of the majorant, `least`: steps of Newton's kind
        then go downhill, and not too far.
        """
        z = self.objective.predict(w)
        y, weight = self.objective._y, self.sample_weight
        _, h = self.loss.grad_and_hess(y, z, sample_weight=weight)
        if self.loss.majorant != "hess":
            _, bound = self.loss.grad_and_hess(y, z, sample_weight=weight, hessian="majorant")
            h = np.maximum(h, least * np.nan_to_num(bound, posinf=0.0))
        return self.factor * h

    # ---- the penalty ---------------------------------------------------------------------------

    def weights_of(self, w: Vector) -> Vector:
        """A view of the weights without intercepts, (d,) or (outputs, d)."""
        rows = w.reshape(self.n_outputs, -1)[:, : self.n_features]
        return rows[0] if len(rows) == 1 else rows

    def penalty_of(self, w: Vector) -> float:
        return 0.0 if self.penalty is None else self.penalty.value(self.weights_of(w))

    def prox(self, w: Vector, step: float) -> Vector:
        """The proximal step of the penalty, which leaves intercepts alone."""
        moved = w.copy()
        if self.penalty is not None:
            self.weights_of(moved)[...] = self.penalty.prox(self.weights_of(w), step)
        return moved

    # ---- both ----------------------------------------------------------------------------------

    def value(self, w: Vector) -> float:
        return self.loss_value(w) + self.penalty_of(w)

    def value_and_grad(self, w: Vector) -> tuple[float, Vector]:
        value, grad = self.smooth(w)
        if self.penalty is not None:
            extra, by_weight = self.penalty.value_and_grad(self.weights_of(w))
            value += extra
            self.weights_of(grad)[...] += by_weight
        return value, grad

    def measure(self, w: Vector) -> None:
        """Let `meets` be relative to what gradients are made of at w, in some rows.

        That is the spread of each feature times the size of each output's derivatives, so that it
        does not matter what features and targets are measured in.
        """
        sample = self.subset(min(self.n_rows, _MEASURED))
        slopes = self.loss.grad(sample.y, sample.objective.predict(w), reduction="none")
        with np.errstate(over="ignore"):
            size = np.sqrt(np.mean(slopes.astype(np.float64) ** 2, axis=0)).ravel()
        spread = np.ones(self.width)
        spread[: self.n_features] = spreads(sample.X)
        scale = np.outer(size, spread)
        self.scale = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)

    def meets(self, grad: Vector, tol: float) -> bool:
        """Whether a gradient is small beside what `measure` found."""
        return bool((np.abs(grad.reshape(self.n_outputs, -1)) <= tol * self.scale).all())

    def check(self, value: float, grad: Vector) -> None:
        """Raise an error that says why a value or a gradient is not finite, if one is not."""
        if np.isfinite(value) and np.isfinite(grad).all():
            return
        self.check_data()
        raise FloatingPointError(
            f"the objective of {self.loss!r} left the range of its numbers: scale the features, "
            "make alpha greater, or, of mini-batches, learning_rate less"
        )

    def check_data(self) -> None:
        """Raise an error if what is given is not finite."""
        for name, array in (("X", self.X), ("y", self.y), ("sample_weight", self.sample_weight)):
            numbers = array.data if hasattr(array, "tocsr") else array
            if numbers is not None and not np.isfinite(numbers).all():
                kind = "NaN" if np.isnan(numbers).any() else "infinity"
                raise ValueError(f"Input {name} contains {kind}.")

    @property
    def rounding(self) -> float:
        """How much of a value its rounding errors may be."""
        return float(np.finfo(self.objective._dtype).eps) / 16

    @property
    def ridge(self) -> float:
        """The second derivative of the penalty where it has one."""
        return float(getattr(self.penalty, "l2", 0.0))

    @property
    def has_smooth_penalty(self) -> bool:
        return self.penalty is None or getattr(self.penalty, "l1", 1.0) == 0
