"""Solvers that read all samples for each step: L-BFGS and Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from fastloss.linear_model.problem import LEAST, Problem
from fastloss.losses.base import Pointwise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# Sizes from measurements: what a subset saves must be more than what it costs.
_WHITENED = 512  # most features whose Hessian is taken apart
_TALL = 80  # rows for each feature of a subset whose Hessian stands for that of all
_SUBSET = 16  # of so many rows one is in the subset
_LARGE = 1 << 20  # numbers in X from which on a subset is solved first


class Record(Protocol):
    """What a solver calls with weights, value and gradient of each iteration; True ends it."""

    def __call__(self, w: Vector, value: float, grad: Vector) -> bool: ...


def lbfgs(
    problem: Problem, w: Vector, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise by L-BFGS, from the solution of a subset on and in coordinates of its Hessian."""
    scale = None
    n, d = problem.n_rows, problem.width
    if d <= _WHITENED and n >= 4 * d:
        if n >= 4 * _TALL * d and n * d >= _LARGE:
            subset = problem.subset(max(n // _SUBSET, _TALL * d))
            w, _ = lbfgs(subset, w, max_iter=max_iter, tol=10 * tol, record=_ignore)
        scale = whitening(problem.subset(min(n, _TALL * d)), w)
    return _lbfgs(problem, w, scale, max_iter, tol, record)


def _ignore(w: Vector, value: float, grad: Vector) -> bool:
    return False


def _lbfgs(
    problem: Problem,
    start: Vector,
    scale: Vector | None,
    max_iter: int,
    tol: float,
    record: Record,
) -> tuple[Vector, bool]:
    """L-BFGS in u, where w = start + scale u for each output."""
    latest: dict[str, Any] = {}
    outputs = problem.n_outputs

    def place(u: Vector) -> Vector:
        if scale is None:
            return start + u
        return start + (u.reshape(outputs, -1) @ scale.T).ravel()

    def value_and_grad(u: Vector) -> tuple[float, Vector]:
        w = place(u)
        value, grad = problem.value_and_grad(w)
        problem.check(value, grad)
        latest.update(w=w, value=value, grad=grad)
        return value, grad if scale is None else (grad.reshape(outputs, -1) @ scale).ravel()

    u = np.zeros(problem.size)
    value, grad = value_and_grad(u)
    first = float(np.linalg.norm(grad))
    if record(start, value, latest["grad"]) or np.abs(latest["grad"]).max(initial=0.0) <= tol:
        return start, True
    # SciPy's first step has length 1. In these units it is that of the gradient, which is Newton's
    # where the coordinates are those of the Hessian.
    unit = first if scale is not None else 1.0
    found = start
    met = False

    def after(intermediate_result: Any) -> None:
        nonlocal found, met
        if latest["value"] != intermediate_result.fun:
            value_and_grad(intermediate_result.x * unit)
        found = latest["w"]
        met = bool(np.abs(latest["grad"]).max() <= tol)
        if record(found, latest["value"], latest["grad"]) or met:
            met = True
            raise StopIteration

    known = [(value, grad * unit)]  # of the start

    def scaled(u: Vector) -> tuple[float, Vector]:
        if known:
            return known.pop()
        value, grad = value_and_grad(u * unit)
        return value, grad * unit

    done = minimize(
        scaled,
        u,
        jac=True,
        method="L-BFGS-B",
        callback=after,
        options={"maxiter": max_iter, "maxfun": 20 * max_iter, "gtol": 0.0, "ftol": _FTOL},
    )
    return found, met or done.status == 0 or "ABNORMAL" in str(done.message)


_FTOL = 64 * np.finfo(float).eps  # as scikit-learn has it


def whitening(problem: Problem, w: Vector) -> Vector | None:
    """A matrix S with S S^T = H^-1, of the outputs' mean Hessian; None if there is none."""
    H = mean_hessian(problem, w)
    ridge = problem.ridge
    H[np.arange(problem.n_features), np.arange(problem.n_features)] += ridge
    # a feature that does not vary, or too few rows: the least that keeps it regular
    H[np.diag_indices_from(H)] += 1e-7 * np.trace(H) / len(H) + 1e-300
    try:
        L = cholesky(H, lower=True)
    except (np.linalg.LinAlgError, ValueError):
        return None
    return np.ascontiguousarray(solve_triangular(L, np.eye(len(L)), lower=True).T)


def mean_hessian(problem: Problem, w: Vector) -> Vector:
    """The mean over outputs of X^T diag(h) X, with an intercept's row and column; h >= 0."""
    h = problem.curvature(w)
    h = h.sum(axis=1) / problem.n_outputs if h.ndim == 2 else h
    return gram(problem.X, h, problem.fit_intercept)


def gram(X: Any, h: Vector, intercept: bool) -> Vector:
    """X^T diag(h) X in float64, with a column of ones behind X if there is an intercept."""
    d = X.shape[1]
    total = np.zeros((d + intercept, d + intercept))
    sparse = hasattr(X, "tocsr")
    rows = max(4096, (1 << 22) // max(d, 1))
    for first in range(0, X.shape[0], rows):
        block = X[first : first + rows]
        bend = h[first : first + rows].astype(X.dtype)
        if sparse:
            total[:d, :d] += (block.T @ block.multiply(bend[:, None]).tocsr()).toarray()
        else:
            block = np.asarray(block)
            total[:d, :d] += block.T @ (block * bend[:, None])
        if intercept:
            total[:d, d] += block.T @ bend
            total[d, d] += bend.sum(dtype=np.float64)
    if intercept:
        total[d] = total[:, d]
    return total


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
        last = met and gain <= tol**3 * max(1.0, abs(value))
        size, found, slope = _halved(problem, w, value, step, gain)
        if size == 0:  # rounding is all that is left
            return w, met
        w, value, grad = w + size * step, found, slope
        if last:
            return w, True
        least = max(least / 10, 1e-9) if size == 1 else min(least * 10, 1.0)
    return w, False


def _halved(
    problem: Problem, w: Vector, value: float, step: Vector, gain: float
) -> tuple[float, float, Vector]:
    """How much of a step lowers the value as it should, 0 if none, with value and gradient there."""
    size = 1.0
    while size > 1e-10 and gain > 0:
        found, slope = problem.value_and_grad(w + size * step)
        if found <= value - 1e-4 * size * gain:
            return size, found, slope
        size /= 2
    return 0.0, value, step


def _newton_step(H: Vector, grad: Vector) -> Vector:
    H[np.diag_indices_from(H)] += 1e-12 * np.trace(H) / len(H) + 1e-300
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
    return problem.size <= 256 and work <= 1 << 26
