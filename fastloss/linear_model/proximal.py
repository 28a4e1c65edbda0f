"""Solvers of penalties with kinks, which have a proximal step: prox-Newton and FISTA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.linear_model.full_batch import Record, ignore
from fastloss.linear_model.matrices import gram
from fastloss.linear_model.problem import Problem, has_hessian

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

_ROWS = 1 << 14  # at least, of the subset whose Hessian stands for that of all
_LARGE = 1 << 22  # numbers in X from which on a subset is solved first
_WHOLE = 256  # most weights whose Hessian is taken whole, with what outputs share
_INNER = 1000  # iterations on a quadratic model


def prox_newton(
    problem: Problem, w: Vector, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise by quadratic models of the loss, on the weights that are or may become nonzero.

    The model's Hessian is that of some rows, for each output by itself, and its minimum is found by
    FISTA; each step reads X once. The penalty is of single weights.

    References: Lee, Sun and Saunders (2014), Proximal Newton-Type Methods for Minimizing Composite
    Functions, SIAM Journal on Optimization 24.
    """
    n = problem.n_rows
    subset = problem
    # a subset of sparse rows may lack features that are rare
    dense = not hasattr(problem.X, "tocsr")
    if dense and n >= 4 * _ROWS and n * problem.n_features >= _LARGE:
        subset = problem.subset(max(_ROWS, n // 16))
        if not problem.warm:
            w, _ = prox_newton(subset, w, max_iter=max_iter, tol=10 * tol, record=ignore)
    value, grad = problem.smooth(w)
    problem.check(value, grad)
    value += problem.penalty_of(w)
    exact, most = subset is problem and _is_whole(problem), 0.0
    for _ in range(max_iter):
        gap = stationarity(problem, w, grad)
        met = problem.meets(gap, tol)
        if record(w, value, gap) or (met and not exact):
            return w, True
        direction = _direction(subset, problem, w, grad, gap)
        promised = float(grad @ direction) + problem.penalty_of(w + direction)
        promised -= problem.penalty_of(w)
        # as of Newton's method, the last step is taken too: it doubles the right digits
        most, noise = min(promised, most), problem.rounding * abs(value)
        last = met and promised >= -max(tol**4 * -most, noise)
        step = None if promised >= 0 else _line_search(problem, w, value, direction, promised)
        if step is None:  # rounding errors are greater than what is left to gain, or a failure
            return w, met or promised >= -256 * noise
        if last:
            return step[0], True
        w, value, grad = step
    return w, False


def stationarity(problem: Problem, w: Vector, grad: Vector) -> Vector:
    """w - prox(w - grad): 0 at the minimum, the gradient where there is no penalty."""
    return w - problem.prox(w - grad, 1.0)


def _direction(subset: Problem, problem: Problem, w: Vector, grad: Vector, gap: Vector) -> Vector:
    """The step to the minimum of the quadratic models of all outputs."""
    thresholds = _thresholds(problem)
    if _is_whole(problem):
        return _model_step(subset.loss_hess(w), w, grad, *thresholds)
    direction = np.zeros_like(w)
    bends = subset.curvature(w)
    rows = [each.reshape(problem.n_outputs, -1) for each in (direction, w, grad, gap)]
    l1, l2 = (each[: problem.width] for each in thresholds)
    for output, (to, start, slope, away) in enumerate(zip(*rows, strict=True)):
        active = _active(problem, start, away)
        features = active[active < problem.n_features]
        bend = bends if bends.ndim == 1 else bends[:, output]
        H = gram(subset.X[:, features], bend, problem.fit_intercept)
        to[active] = _model_step(H, start[active], slope[active], l1[active], l2[active])
    return direction


def _is_whole(problem: Problem) -> bool:
    return problem.size <= _WHOLE and has_hessian(problem.loss)


def _thresholds(problem: Problem) -> tuple[Vector, Vector]:
    """The strengths of the penalty for each weight: 0 for intercepts."""
    found = []
    for name in ("l1", "l2"):
        strengths = np.zeros(problem.size)
        problem.weights_of(strengths)[...] = getattr(problem.penalty, name, 0.0)
        found.append(strengths)
    return found[0], found[1]


def _active(problem: Problem, w: Vector, gap: Vector) -> NDArray[np.intp]:
    """Weights of an output that a step may change: those not 0, and steep ones that are."""
    d = problem.n_features
    steep = np.where(w[:d] != 0, 0.0, np.abs(gap[:d]))
    most = max(64, 2 * np.count_nonzero(w[:d]))
    fresh = np.argsort(-steep, kind="stable")[:most]
    moving = w != 0
    moving[fresh[steep[fresh] > 0]] = True
    moving[d:] = True  # the intercept
    return np.flatnonzero(moving)


def _model_step(H: Vector, start: Vector, slope: Vector, l1: Vector, l2: Vector) -> Vector:
    """The step to the minimum of a quadratic model and the penalty, by FISTA.

    Each weight has a step size of its own, by the curvature along it: features of other scales
    count alike.
    """
    diagonal = np.diagonal(H)
    # what the model's rows know nothing of goes as slowly as any
    unknown = diagonal <= 0
    H[unknown, unknown] = diagonal.max(initial=0.0) or 1.0
    H[np.diag_indices_from(H)] *= 1 + 1e-9
    along = np.sqrt(diagonal)
    step = 1 / (np.linalg.eigvalsh(H / np.outer(along, along))[-1] * along**2)
    v, ahead, t = start, start, 1.0
    for _ in range(_INNER):
        moved = ahead - step * (slope + H @ (ahead - start))
        moved = np.sign(moved) * np.maximum(np.abs(moved) - step * l1, 0) / (1 + step * l2)
        change = moved - v
        if ((ahead - moved) / step) @ change > 0:  # it overshot: the momentum starts anew
            ahead, t = moved, 1.0
        else:
            following = (1 + np.sqrt(1 + 4 * t * t)) / 2
            ahead = moved + (t - 1) / following * change
            t = following
        v = moved
        if (along * np.abs(change)).max() <= 1e-9 * (along * np.abs(v - start)).max():
            break
    return v - start


def _line_search(
    problem: Problem, w: Vector, value: float, direction: Vector, promised: float
) -> tuple[Vector, float, Vector] | None:
    """The step, or the first of its halves that gains a part of what the model promises; None if
    none does, or what it promises is less than rounding."""
    size = 1.0
    while size > 1e-10 and value + size * promised < value:
        trial = w + size * direction
        found, slope = problem.smooth(trial)
        found += problem.penalty_of(trial)
        if found <= value + 1e-4 * size * promised:
            return trial, found, slope
        size /= 2
    return None


def fista(
    problem: Problem, w: Vector, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise by accelerated proximal gradient steps, whose size is found by trying.

    References: Beck and Teboulle (2009), A Fast Iterative Shrinkage-Thresholding Algorithm for
    Linear Inverse Problems, SIAM Journal on Imaging Sciences 2; O'Donoghue and Candes (2015),
    Adaptive Restart for Accelerated Gradient Schemes, Foundations of Computational Mathematics 15.
    """
    step, t = 1.0, 1.0
    ahead = w
    value, grad = problem.smooth(ahead)
    problem.check(value, grad)
    for _ in range(max_iter):
        step *= 1.1  # what curvature there was need not be where the steps lead
        while True:
            moved = problem.prox(ahead - step * grad, step)
            change = moved - ahead
            found, slope = problem.smooth(moved)
            model = value + grad @ change + change @ change / (2 * step)
            noise = 16 * problem.rounding * max(abs(found), abs(model))
            if found <= model + noise or step < 1e-15:
                break
            step /= 2
        gap = change / step
        if record(moved, found + problem.penalty_of(moved), gap) or problem.meets(gap, tol):
            return moved, True
        following = (1 + np.sqrt(1 + 4 * t * t)) / 2
        if (ahead - moved) @ (moved - w) > 0:
            ahead, t, value, grad = moved, 1.0, found, slope
        else:
            ahead = moved + (t - 1) / following * (moved - w)
            t = following
            value, grad = problem.smooth(ahead)
        w = moved
    return w, False
