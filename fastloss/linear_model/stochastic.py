"""Solvers that take a step for each mini-batch, by any rule of fastloss.optim."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import linear_pass
from fastloss.linear_model.problem import Problem
from fastloss.linear_model.smoothing import Smoothed, distance, has_kink
from fastloss.losses.base import Pointwise
from fastloss.optim.base import Optimizer
from fastloss.optim.momentum import SGD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

_RUN = 1 << 14  # bytes of rows that lie together and stay together when large data are shuffled
_LONG = 1 << 16  # rows from which on they do
_SAMPLE = 1 << 10  # rows that a learning rate is found with


@dataclass(frozen=True)
class Epoch:
    """What was seen on the way through the samples."""

    loss: float  # the mean of the batches', before each step
    grad_norm: float  # of the last batch
    learning_rate: float | None  # of the last step


class MiniBatches:
    """Weights that an optimizer moves, a mini-batch at a time; it goes on where it was."""

    def __init__(
        self,
        problem: Problem,
        w: Vector,
        make: Callable[[Any], Optimizer],
        *,
        average: bool,
        rng: np.random.Generator,
    ) -> None:
        rows = w.reshape(problem.n_outputs, -1)
        d = problem.n_features
        self.coef = np.ascontiguousarray(rows[:, :d])
        self.intercept = (
            np.ascontiguousarray(rows[:, d]) if problem.fit_intercept else np.zeros(len(rows))
        )
        self.room = np.empty_like(self.coef)  # for the gradient of the penalty
        params = [self.coef, self.intercept] if problem.fit_intercept else [self.coef]
        # the proximal step is for the penalty's own array, not for intercepts
        self.takes_prox = not problem.has_smooth_penalty
        groups: list[dict[str, Any]] = [{"params": array} for array in params]
        if self.takes_prox:
            single = hasattr(problem.penalty, "l1")  # a penalty of single weights has any shape
            groups[0]["penalty"] = problem.penalty if single else _RowsPenalty(problem)
        self.optimizer = make(groups if self.takes_prox else params)
        self.fit_intercept = problem.fit_intercept
        self.rng = rng
        self.means = [np.zeros_like(p) for p in params] if average else None
        self.params = params
        self.averaged = 0

    def epoch(self, problem: Problem, batch_size: int, mean_weight: float) -> Epoch:
        """Go through the samples once, in a new order."""
        total, seen = 0.0, 0.0
        grads: list[Any] = []
        for part in problem.parts():
            for index in shuffled(part, batch_size, self.rng):
                weight = None if part.sample_weight is None else part.sample_weight[index]
                share = 1.0 if weight is None else float(weight.sum()) / (len(index) * mean_weight)
                if share == 0:
                    continue
                loss, grads = self._step(part, index, weight, share)
                total += loss * share * len(index)
                seen += share * len(index)
        rate = self.optimizer.lr
        rate = rate[0] if isinstance(rate, list) else rate
        if callable(rate):
            rate = rate(max(self.optimizer.step_count - 1, 0))
        norm = math.sqrt(sum(float(np.vdot(grad, grad)) for grad in grads))
        return Epoch(total / max(seen, 1e-300), norm, rate)

    def _step(self, problem: Problem, index: Any, weight: Any, share: float) -> tuple[float, Any]:
        objective = problem.objective
        y = objective._y[index]
        if isinstance(problem.loss, Pointwise):  # converted here it costs less than in the pass
            y = y.astype(objective._dtype, copy=False)
        loss, sums = linear_pass(
            problem.loss,
            objective._X,
            y,
            self.coef.astype(objective._dtype, copy=False),
            self.intercept,
            weight,
            1,
            index=index,
        )
        factor = problem.factor
        if factor * share != 1:
            sums *= factor * share
        grad = sums[: self.coef.size].reshape(self.coef.shape)
        if problem.penalty is not None and not self.takes_prox:
            shown = (each[0] if len(each) == 1 else each for each in (self.coef, self.room))
            problem.penalty.grad(*shown)
            grad += self.room
        grads = [grad, sums[self.coef.size :]] if self.fit_intercept else [grad]
        self.optimizer.step(grads)
        if self.means is not None:
            self.averaged += 1
            for mean, now in zip(self.means, self.params, strict=True):
                mean += (now - mean) / self.averaged
        return factor * loss, grads

    @property
    def w(self) -> Vector:
        """The weights, or their mean over the steps."""
        params = self.params if self.means is None or not self.averaged else self.means
        coef, *rest = params
        if not self.fit_intercept:
            return coef.ravel().copy()
        return np.column_stack([coef, rest[0]]).ravel()


class _RowsPenalty:
    """A penalty of the weights, in their shape of two axes."""

    def __init__(self, problem: Problem) -> None:
        assert problem.penalty is not None
        self.penalty = problem.penalty

    def prox(self, w: Any, step: float, out: Any) -> Any:
        if len(w) == 1:
            self.penalty.prox(w[0], step, out=out[0])
            return out
        return self.penalty.prox(w, step, out=out)


def shuffled(problem: Problem, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """The rows of mini-batches. Rows of large data are shuffled a few at a time."""
    n = problem.n_rows
    row = problem.objective._X.stored * problem.objective._dtype.itemsize
    run = int(np.clip(_RUN // max(row, 1), 1, min(32, size))) if n >= _LONG else 1
    starts = rng.permutation((n + run - 1) // run)
    starts *= run
    within = np.arange(run)
    for first in range(0, len(starts), size // run):
        rows = (starts[first : first + size // run, np.newaxis] + within).ravel()
        yield rows if rows.max() < n else rows[rows < n]


def sgd_rate(problem: Problem, w: Vector, batch_size: int) -> float:
    """A learning rate that the curvature at w bears: 1/(L + tr/batch), L that of the mean loss.

    The second term is what the noise of a mini-batch adds: with single samples the rate is that of
    the mean of their curvatures.
    """
    sample = problem.subset(min(problem.n_rows, _SAMPLE))
    if has_kink(problem.loss):
        sample = Smoothed(sample, distance(sample, w))
    h = sample.curvature(w, least=1.0)
    h = h.max(axis=1) if h.ndim == 2 else h
    X = sample.X if hasattr(sample.X, "tocsr") else np.asarray(sample.X, np.float64)
    squares = X.multiply(X).sum(axis=1) if hasattr(X, "multiply") else (X * X).sum(axis=1)
    trace = float(h @ (np.asarray(squares).ravel() + problem.fit_intercept))
    v, top = np.ones(problem.width), 0.0
    for _ in range(20):
        v /= np.linalg.norm(v) or 1.0
        bent = h * (X @ v[: problem.n_features] + (v[-1] if problem.fit_intercept else 0.0))
        v = np.append(X.T @ bent, bent.sum()) if problem.fit_intercept else X.T @ bent
        top = float(np.linalg.norm(v))
    bound = top + trace / batch_size + problem.ridge
    return 1 / bound if bound > 0 and np.isfinite(bound) else 1e-3


def is_sgd(rule: Any) -> bool:
    return isinstance(rule, type) and issubclass(rule, SGD)
