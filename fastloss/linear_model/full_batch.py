"""Solvers that read all samples for each step: L-BFGS and Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from fastloss.linear_model.matrices import gram
from fastloss.linear_model.problem import LEAST, Problem, has_hessian
from fastloss.losses.base import Pointwise
from fastloss.losses.regression import SquaredError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

# Sizes from measurements: what a subset saves must be more than what it costs.
_WHITENED = 512  # most features whose Hessian is taken apart
_TALL = 80  # rows for each feature of a subset whose Hessian stands for that of all
_SUBSET = 16  # of so many rows one is in the subset
_SQUARED = 1 << 14  # rows whose squares are taken together; of dense X, at all
_LARGE = 1 << 20  # numbers in X from which on a subset is solved first


class Record(Protocol):
    """What a solver calls with weights, value and gradient of each iteration; True ends it."""

    def __call__(self, w: Vector, value: float, grad: Vector) -> bool: ...


def lbfgs(
    problem: Problem, w: Vector, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise by L-BFGS, from the solution of a subset on and in coordinates of its Hessian."""
    n, d = problem.n_rows, problem.width
    if d > _WHITENED or n < 4 * d:
        return _lbfgs(problem, w, diagonal(problem, w), max_iter, tol, record)
    if not problem.warm and n >= 4 * _TALL * d and n * d >= _LARGE:
        subset = problem.subset(max(n // _SUBSET, _TALL * d))
        w, _ = lbfgs(subset, w, max_iter=max_iter, tol=10 * tol, record=ignore)
    scale = whitening(problem.subset(min(n, _TALL * d)), w)
    return _lbfgs(problem, w, scale, max_iter, tol, record)


def ignore(w: Vector, value: float, grad: Vector) -> bool:
    """A record of what nobody looks at: the fit of a subset."""
    return False


class _Scaled:
    """The objective in u, where w = start + S u for each output; S a matrix or its diagonal."""

    def __init__(self, problem: Problem, start: Vector, scale: Vector) -> None:
        self.problem, self.start, self.scale = problem, start, scale
        self.w, self.value, self.grad = start, *self._found(start)
        self.first = self.value
        # SciPy's first step has length 1, and it stops where a value falls by less than some eps.
        # In these units that is the gradient's length, which is that of Newton's step where the
        # coordinates are those of the Hessian, and values fall by about 1/2 then.
        self.unit = float(np.linalg.norm(self._times(self.grad, scale))) or 1.0

    def _found(self, w: Vector) -> tuple[float, Vector]:
        value, grad = self.problem.value_and_grad(w)
        self.problem.check(value, grad)
        return value, grad

    def _times(self, v: Vector, scale: Vector) -> Vector:
        rows = v.reshape(self.problem.n_outputs, -1)
        return np.ravel(rows * scale if scale.ndim == 1 else rows @ scale)

    def __call__(self, u: Vector) -> tuple[float, Vector]:
        w = self.start + self.unit * self._times(u, self.scale.T)
        if not (w == self.w).all():
            self.w, self.value, self.grad = w, *self._found(w)
        fall = (self.value - self.first) / self.unit**2
        return fall, self._times(self.grad, self.scale) / self.unit


def _lbfgs(
    problem: Problem, start: Vector, scale: Vector, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    scaled = _Scaled(problem, start, scale)
    found, met = start, problem.meets(scaled.grad, tol)
    if record(start, scaled.value, scaled.grad) or met:
        return start, True

    def after(intermediate_result: Any) -> None:
        nonlocal found, met
        scaled(intermediate_result.x)  # which the last call may not have been of
        found = scaled.w
        met = problem.meets(scaled.grad, tol)
        if record(found, scaled.value, scaled.grad) or met:
            met = True
            raise StopIteration

    done = minimize(
        scaled,
        np.zeros(problem.size),
        jac=True,
        method="L-BFGS-B",
        callback=after,
        options={"maxiter": max_iter, "maxfun": 20 * max_iter, "gtol": 0.0, "ftol": _FTOL},
    )
    return found, met or done.status != 1  # what else ends it is that rounding is all that is left


_FTOL = 64 * np.finfo(float).eps  # as scikit-learn has it


def whitening(problem: Problem, w: Vector) -> Vector:
    """A matrix S with S S^T = H^-1, of the outputs' mean Hessian; or, if it is singular, of its
    diagonal."""
    H = gram(problem.X, _mean_curvature(problem, w), problem.fit_intercept)
    H[np.arange(problem.n_features), np.arange(problem.n_features)] += problem.ridge
    scale = unit_diagonal(H)
    # a feature that does not vary, or too few rows: the least that keeps it regular
    H[np.diag_indices_from(H)] += 1e-7
    try:
        L = cholesky(H, lower=True)
    except (np.linalg.LinAlgError, ValueError):
        return scale
    inverse = solve_triangular(L, np.eye(len(L)), lower=True)
    return np.ascontiguousarray(scale[:, np.newaxis] * inverse.T)


def unit_diagonal(H: Vector) -> Vector:
    """Scale a Hessian, in place, so that its diagonal is 1 but where it is 0; the scale's factors.

    Features of other scales then count alike in what is added to the diagonal.
    """
    along = np.diagonal(H).copy()
    scale = 1 / np.sqrt(np.where(along > 0, along, 1.0))
    H *= np.outer(scale, scale)
    return scale


def diagonal(problem: Problem, w: Vector) -> Vector:
    """1/sqrt of the diagonal of the outputs' mean Hessian."""
    if not hasattr(problem.X, "tocsr"):
        problem = problem.subset(min(problem.n_rows, _SQUARED))
    h, X = _mean_curvature(problem, w), problem.X
    found = np.zeros(problem.width)
    for first in range(0, X.shape[0], _SQUARED):
        block, bend = X[first : first + _SQUARED], h[first : first + _SQUARED]
        if hasattr(block, "tocsr"):
            parts = np.repeat(bend, np.diff(block.indptr)) * block.data**2
            squares = np.bincount(block.indices, parts, problem.n_features)
        else:
            squares = np.einsum("i,ij,ij->j", bend, block, block)
        found[: problem.n_features] += squares
    found[: problem.n_features] += problem.ridge
    if problem.fit_intercept:
        found[-1] = h.sum()
    return 1 / np.sqrt(np.where(found > 0, found, 1.0))


def _mean_curvature(problem: Problem, w: Vector) -> Vector:
    """The curvature by the predictions, as a mean over outputs."""
    h = problem.curvature(w)
    return h.sum(axis=1) / problem.n_outputs if h.ndim == 2 else h


def newton(
    problem: Problem, w: Vector, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise by Newton's method with the Hessian's Cholesky factors and halved steps.

    Where the second derivative of the loss is 0 or negative there is a share of its majorant, more
    of it where steps had to be halved. The last step is taken too: near the minimum it doubles the
    number of right digits.
    """
    value, grad = problem.value_and_grad(w)
    problem.check(value, grad)
    least, most = LEAST, 0.0
    for _ in range(max_iter):
        if record(w, value, grad):
            return w, True
        step = _newton_step(problem.hess(w, least), grad)
        gain = -float(grad @ step)
        most = max(gain, most)
        met, noise = problem.meets(grad, tol), problem.rounding * abs(value)
        last = met and gain <= max(tol**4 * most, noise)
        size, found, slope = _halved(problem, w, value, step, gain)
        if size == 0:  # rounding errors are greater than what is left to gain, or a failure
            return w, met or gain <= 256 * noise
        w, value, grad = w + size * step, found, slope
        if last:
            return w, True
        least = max(least / 10, 1e-9) if size == 1 else min(least * 10, 1.0)
    return w, False


def _halved(
    problem: Problem, w: Vector, value: float, step: Vector, gain: float
) -> tuple[float, float, Vector]:
    """How much of a step lowers the value as it should, or 0; and value and gradient there."""
    size = 1.0
    while size > 1e-10 and gain > 0:
        found, slope = problem.value_and_grad(w + size * step)
        if found <= value - 1e-4 * size * gain + 16 * problem.rounding * abs(value):
            return size, found, slope
        size /= 2
    return 0.0, value, step


def _newton_step(H: Vector, grad: Vector) -> Vector:
    scale = unit_diagonal(H)
    # what is not determined, as a constant added to all scores of a softmax, stays where it is
    H[np.diag_indices_from(H)] += 1e-10
    try:
        found = cho_solve(cho_factor(H, check_finite=False), scale * grad, check_finite=False)
    except np.linalg.LinAlgError:
        found = np.linalg.lstsq(H, scale * grad, rcond=1e-10)[0]
    return -scale * np.asarray(found)  # type: ignore[no-any-return]


def newton_cg(
    problem: Problem, w: Vector, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise by Newton's method, the steps of which conjugate gradients find."""
    found, met = w, False
    problem.check(*problem.value_and_grad(w))

    def after(intermediate_result: Any) -> None:
        nonlocal found, met
        found = intermediate_result.x
        value, grad = problem.value_and_grad(found)
        met = problem.meets(grad, tol)
        if record(found, value, grad) or met:
            met = True
            raise StopIteration

    done = minimize(
        problem.value_and_grad,
        w,
        jac=True,
        hessp=lambda w, v: problem.hessp(w, v),
        method="Newton-CG",
        callback=after,
        options={"maxiter": max_iter, "xtol": 1e-12},
    )
    return (found if met else done.x), met or done.status != 1


def is_small(problem: Problem) -> bool:
    """Whether Newton's method takes less time than others: its Hessian costs next to nothing."""
    one = isinstance(problem.loss, Pointwise) and problem.n_outputs == 1
    if one and isinstance(problem.loss, SquaredError) and problem.width <= _WHITENED:
        return True  # one step is all
    work = problem.n_rows * problem.width**2 * (1 if one else problem.n_outputs**2)
    return has_hessian(problem.loss) and problem.size <= 256 and work <= 1 << 26
