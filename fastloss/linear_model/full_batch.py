"""Solvers that read all samples for each step: L-BFGS and Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from fastloss.linear_model.matrices import gram
from fastloss.linear_model.problem import LEAST, Problem, has_hessian
from fastloss.losses.base import Pointwise

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
    if n >= 4 * _TALL * d and n * d >= _LARGE:
        subset = problem.subset(max(n // _SUBSET, _TALL * d))
        w, _ = lbfgs(subset, w, max_iter=max_iter, tol=10 * tol, record=_ignore)
    scale = whitening(problem.subset(min(n, _TALL * d)), w)
    return _lbfgs(problem, w, scale, max_iter, tol, record)


def _ignore(w: Vector, value: float, grad: Vector) -> bool:
    return False


class _Scaled:
    """The objective in u, where w = start + S u for each output; S a matrix or its diagonal."""

    def __init__(self, problem: Problem, start: Vector, scale: Vector) -> None:
        self.problem, self.start, self.scale = problem, start, scale
        self.unit = 1.0
        self.w, self.value, self.grad = start, 0.0, start
        _, gradient = self._at(start)
        # SciPy's first step has length 1. In these units that is the gradient's, which is Newton's
        # step where the coordinates are those of the Hessian.
        self.unit = float(np.linalg.norm(gradient)) or 1.0

    def _at(self, w: Vector) -> tuple[float, Vector]:
        value, grad = self.problem.value_and_grad(w)
        self.problem.check(value, grad)
        self.w, self.value, self.grad = w, value, grad
        return value, self.unit * self._times(grad, self.scale)

    def _times(self, v: Vector, scale: Vector) -> Vector:
        rows = v.reshape(self.problem.n_outputs, -1)
        return np.ravel(rows * scale if scale.ndim == 1 else rows @ scale)

    def __call__(self, u: Vector) -> tuple[float, Vector]:
        if not u.any() and self.w is self.start:
            return self.value, self.unit * self._times(self.grad, self.scale)
        return self._at(self.start + self.unit * self._times(u, self.scale.T))


def _lbfgs(
    problem: Problem, start: Vector, scale: Vector, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    scaled = _Scaled(problem, start, scale)
    found, met = start, bool(np.abs(scaled.grad).max(initial=0.0) <= tol)
    if record(start, scaled.value, scaled.grad) or met:
        return start, True

    def after(intermediate_result: Any) -> None:
        nonlocal found, met
        if scaled.value != intermediate_result.fun:  # the last call was of another place
            scaled(intermediate_result.x)
        found = scaled.w
        met = bool(np.abs(scaled.grad).max() <= tol)
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
    # a feature that does not vary, or too few rows: the least that keeps it regular
    H[np.diag_indices_from(H)] += 1e-7 * np.trace(H) / len(H) + 1e-300
    try:
        L = cholesky(H, lower=True)
    except (np.linalg.LinAlgError, ValueError):
        return np.ones(problem.width)
    return np.ascontiguousarray(solve_triangular(L, np.eye(len(L)), lower=True).T)


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
    return 1 / np.sqrt(found + 1e-7 * found.mean() + 1e-300)  # type: ignore[no-any-return]


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
    least = LEAST
    for _ in range(max_iter):
        if record(w, value, grad):
            return w, True
        step = _newton_step(problem.hess(w, least), grad)
        gain = -float(grad @ step)
        met = bool(np.abs(grad).max(initial=0.0) <= tol)
        last = met and gain <= max(tol**3, problem.rounding) * max(1.0, abs(value))
        size, found, slope = _halved(problem, w, value, step, gain)
        if size == 0:  # rounding errors are greater than what is left to gain, or a failure
            return w, met or gain <= 16 * problem.rounding * max(1.0, abs(value))
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
        if found <= value - 1e-4 * size * gain:
            return size, found, slope
        size /= 2
    return 0.0, value, step


def _newton_step(H: Vector, grad: Vector) -> Vector:
    # what is not determined, as a constant added to all scores of a softmax, stays where it is
    H[np.diag_indices_from(H)] += 1e-10 * np.trace(H) / len(H) + 1e-300
    try:
        return -np.asarray(cho_solve(cho_factor(H, check_finite=False), grad, check_finite=False))
    except np.linalg.LinAlgError:
        return -np.linalg.lstsq(H, grad, rcond=1e-10)[0]


def newton_cg(
    problem: Problem, w: Vector, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise by Newton's method, the steps of which conjugate gradients find."""
    found, met = w, False

    def after(intermediate_result: Any) -> None:
        nonlocal found, met
        found = intermediate_result.x
        value, grad = problem.value_and_grad(found)
        met = bool(np.abs(grad).max() <= tol)
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
    work = problem.n_rows * problem.width**2 * (1 if one else problem.n_outputs**2)
    return has_hessian(problem.loss) and problem.size <= 256 and work <= 1 << 26
