"""Which solver suits a problem, and how losses with kinks go through those of smooth losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastloss import optim
from fastloss.linear_model.chunks import Stream
from fastloss.linear_model.full_batch import Record, is_small, lbfgs, newton, newton_cg
from fastloss.linear_model.problem import Problem
from fastloss.linear_model.proximal import fista, prox_newton
from fastloss.linear_model.smoothing import NARROW, Smoothed, distance, has_kink
from fastloss.losses.base import Loss
from fastloss.losses.classification import Perceptron
from fastloss.losses.margins import MultiClassPerceptron
from fastloss.optim.base import optimizer_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

SMOOTH = {"lbfgs": lbfgs, "newton-cg": newton_cg, "newton-cholesky": newton}
PROXIMAL = {"prox-newton": prox_newton, "fista": fista}


def is_perceptron(loss: Loss) -> bool:
    return isinstance(loss, (Perceptron, MultiClassPerceptron))


def rule_of(solver: Any, loss: Loss) -> Any:
    """The class or factory of an optimizer for mini-batches; None of solvers of full batches.

    Raises
    ------
    ValueError
        If there is no such solver.
    """
    if callable(solver):
        return solver
    if solver == "auto" and is_perceptron(loss):
        return optim.SGD  # whose way is all there is to it: w = 0 is a minimum
    if isinstance(solver, str):
        if solver == "auto" or solver in SMOOTH or solver in PROXIMAL:
            return None
        rules = {name.lower(): name for name in optimizer_names()}
        if solver.lower() in rules:
            return getattr(optim, rules[solver.lower()])
    known = ["auto", *SMOOTH, *PROXIMAL, *map(str.lower, optimizer_names())]
    raise ValueError(
        f"solver must be one of {', '.join(map(repr, known))}, a class of fastloss.optim, or a "
        f"callable that makes an optimizer of parameters; got {solver!r}"
    )


def full_batch_solver(name: str, problem: Problem) -> Any:
    """The solver of a name, if it takes the penalty, or the one that suits the problem.

    Raises
    ------
    ValueError
        If the solver does not take the penalty.
    """
    elementwise = problem.penalty is None or hasattr(problem.penalty, "l1")
    if name == "auto":
        if problem.has_smooth_penalty:
            return newton if is_small(problem) else lbfgs
        return prox_newton if elementwise else fista
    if name in SMOOTH and not problem.has_smooth_penalty:
        raise ValueError(
            f"solver={name!r} needs a penalty with a gradient, as 'l2'; got {problem.penalty!r}: "
            "solver='auto' takes it"
        )
    if name == "prox-newton" and not elementwise:
        raise ValueError(
            f"solver='prox-newton' is for penalties of single weights; got {problem.penalty!r}: "
            "solver='fista' takes it"
        )
    return (SMOOTH | PROXIMAL)[name]


def minimise(
    problem: Problem, w: Vector, solve: Any, *, max_iter: int, tol: float, record: Record
) -> tuple[Vector, bool]:
    """Minimise from w on; the weights, and whether tol was met.

    A loss with kinks is rounded off, less and less.
    """
    if not has_kink(problem.loss):
        found: tuple[Vector, bool] = solve(problem, w, max_iter=max_iter, tol=tol, record=record)
        return found
    left, stopped = max_iter, False

    def record_sharp(w: Vector, value: float, grad: Vector) -> bool:
        nonlocal left, stopped
        left -= 1
        stopped = record(w, problem.value(w), grad)
        return stopped

    beta = start = distance(problem, w)
    while left > 0 and not stopped:
        least = NARROW * max(distance(problem, w), start / 10)
        rounded = problem.smoothed(beta) if isinstance(problem, Stream) else Smoothed(problem, beta)
        # roughly at first: the next one starts near enough
        last = beta <= 2 * least
        enough = tol if last else max(tol, 1e-2)
        w, met = solve(rounded, w, max_iter=left, tol=enough, record=record_sharp)
        if last:
            return w, met
        beta = max(beta / 10, least)
    return w, False
