"""Losses with kinks as the limits of smooth ones, for solvers that need smooth losses.

They are absolute values and linear terms:

- `Quantile`: |z - y|/2 + (1/2 - q)(z - y), and `AbsoluteError`: |z - y|
- `Hinge`: |z - y|/2 + (1 - y z)/2, since |1 - y z| = |z - y| for y = -1, 1
- `EpsilonInsensitive`: |z - y - epsilon|/2 + |z - y + epsilon|/2 - epsilon

`SmoothL1(beta)` is the absolute value but for a parabola in -beta..beta, and differs from it by
beta/2 at most. The linear term has one gradient for all weights, which is computed once.

References: Chen (2007), A Finite Smoothing Algorithm for Quantile Regression, Journal of
Computational and Graphical Statistics 16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.linear_model.problem import LEAST, Problem
from fastloss.losses.base import Loss
from fastloss.losses.classification import Hinge
from fastloss.losses.regression import (
    AbsoluteError,
    EpsilonInsensitive,
    Quantile,
    SmoothL1,
    SquaredError,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

_ROUNDED = 1e4  # times rounding errors, of the best constant too, count as none
NARROW = 1e-4  # beta in the end, as a share of the median distance from the kink


def has_kink(loss: Loss) -> bool:
    """Whether the loss is one of those above."""
    return type(loss) in (AbsoluteError, Quantile, Hinge, EpsilonInsensitive)


def distance(problem: Problem, w: Vector) -> float:
    """The median distance from the kink of some predictions, of those that are not on it.

    Of a mean a few outliers would be all, and the rest would be fitted by least squares.
    """
    sample = problem.subset(min(problem.n_rows, 10_000))
    z = sample.objective.predict(w)
    y = np.asarray(sample.y)
    away, size = (
        np.abs(each).reshape(len(z), -1).mean(axis=1) for each in (z - y, np.abs(z) + np.abs(y))
    )
    weight = np.ones(len(z)) if sample.sample_weight is None else sample.sample_weight
    nothing = _ROUNDED * problem.rounding * size
    off = np.flatnonzero(away > nothing)
    if not off.size:
        return float(nothing.max(initial=0.0)) or 1.0
    order = off[np.argsort(away[off], kind="stable")]
    total = np.cumsum(weight[order])
    return float(away[order[np.searchsorted(total, total[-1] / 2)]])


class Smoothed(Problem):
    """A problem of a loss with kinks, rounded off."""

    def __init__(self, problem: Problem, beta: float) -> None:
        self.__dict__.update(problem.__dict__)
        self.sharp, self.beta = problem, beta
        y, loss = np.asarray(problem.y), problem.loss
        shift = loss.parameters["epsilon"] if isinstance(loss, EpsilonInsensitive) else 0.0
        centres = [y + shift, y - shift] if shift else [y]
        self.rounds = [problem.with_loss(SmoothL1(beta), centre) for centre in centres]
        self.share = 0.5 if shift or _tilts(loss) else 1.0
        self.slope, self.constant = self._linear(loss, y)
        self.constant -= shift * self.n_outputs

    def _linear(self, loss: Loss, y: Any) -> tuple[Vector, float]:
        """Gradient and value at 0 of the linear term."""
        zero, weight = np.zeros(self.size), self.sample_weight
        if not _tilts(loss) or (weight is not None and not weight.any()):
            return zero, 0.0  # there is none, or it is that of a chunk that does not count
        # the gradient of (z - t)^2 at z = 0 is -2 t: t is -1/2 of the slope wanted
        wanted = (0.5 - loss.parameters["q"]) if isinstance(loss, Quantile) else -0.5 * y
        target = np.broadcast_to(-0.5 * np.asarray(wanted, np.float64), y.shape)
        _, slope = self.sharp.with_loss(SquaredError(), np.ascontiguousarray(target)).smooth(zero)
        means = np.average(y, axis=0, weights=weight)
        if isinstance(loss, Quantile):
            return slope, float(-(0.5 - loss.parameters["q"]) * np.sum(means))
        return slope, 0.5 * self.n_outputs

    def subset(self, n: int) -> Problem:
        return Smoothed(self.sharp.subset(n), self.beta)

    def smooth(self, w: Vector) -> tuple[float, Vector]:
        values, grads = zip(*(each.smooth(w) for each in self.rounds), strict=True)
        value = self.share * sum(values) + float(self.slope @ w) + self.constant
        return value, self.share * np.sum(grads, axis=0) + self.slope

    def _over(self, parts: list[Vector]) -> Vector:
        total: Vector = self.share * np.sum(parts, axis=0)
        return total

    def value(self, w: Vector) -> float:
        return self.value_and_grad(w)[0]

    def curvature(self, w: Vector, least: float = LEAST) -> Vector:
        return self._over([each.curvature(w, least) for each in self.rounds])

    def loss_hess(self, w: Vector, least: float = LEAST) -> Vector:
        return self._over([each.loss_hess(w, least) for each in self.rounds])

    def hessp(self, w: Vector, v: Vector) -> Vector:
        return self._over([each.hessp(w, v) for each in self.rounds])


def _tilts(loss: Loss) -> bool:
    """Whether there is a linear term."""
    return isinstance(loss, (Quantile, Hinge))
