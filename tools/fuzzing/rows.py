"""The losses of rows, and functions of rows."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

import fastloss as fl
from fastloss import losses
from fastloss.domains import REAL
from fuzzing import arrays, parameters
from fuzzing.case import Case, failed
from fuzzing.draw import Draw
from fuzzing.losses import links, weights
from fuzzing.problem import LARGE, Problem, drawn_options, exercise, odd_array, only_called

KIND = "rows"
FEW = (1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 17, 18)
MANY = (40, 100, 300, 700)


def run(case: Case, name: str) -> None:
    """All methods of a loss of rows on what was drawn for it."""
    loss = parameters.loss(case, name, KIND)
    if loss is None:
        return
    draw = case.draw
    flavour = draw.choice(arrays.FLAVOURS)
    dtype = draw.choice(arrays.ACCEPTED)
    shape, axis = _shape(draw, loss)
    rows = shape if axis is None else shape[:axis] + shape[axis + 1 :]
    z: Any = _predictions(draw, loss, shape, axis, dtype, flavour)
    y: Any = _targets(draw, loss, shape, rows, axis, dtype, flavour)
    w = weights(case, rows, dtype)
    if draw.chance(6):
        spoilt = odd_array(case, shape)
        y, z, w = draw.choice(((spoilt, z, w), (y, spoilt, w), (y, z, spoilt)))
    problem = Problem(case, KIND, loss, y, z, w, rows, axis)
    drawn_options(problem)
    if isinstance(z, np.ndarray) and z.shape == shape:
        exercise(problem)
    else:
        only_called(problem)
    if draw.chance(8):
        _beside(case, loss, y, z, w)


def _shape(draw: Draw, loss: Any) -> tuple[tuple[int, ...], int | None]:
    """A shape of predictions, and the axis of rows in it, None if it has none."""
    given = loss.parameters
    k = len(loss._columns) or draw.choice(FEW)
    for name in ("class_weight", "label_weight", "pos_weight", "classes"):
        if isinstance(given.get(name), tuple) and draw.chance(95):
            k = len(given[name])
    n = draw.choice(MANY) if draw.chance(4) else draw.below(8)
    outer = [(n,), (n,), (n,), (n,), (), (2, n // 2), (n, 1)][draw.below(7)]
    axis = given["axis"]
    if not -len(outer) - 1 <= axis <= len(outer):
        return (*outer, k), None
    axis = axis % (len(outer) + 1)
    return (*outer[:axis], k, *outer[axis:]), axis


def _predictions(
    draw: Draw,
    loss: Any,
    shape: tuple[int, ...],
    axis: int | None,
    dtype: np.dtype[Any],
    flavour: str,
) -> np.ndarray:
    if not loss._bounded_from or axis is None:
        return arrays.numbers(draw, loss.z_domain, shape, dtype, flavour)
    z = arrays.numbers(draw, REAL, shape, dtype, flavour)
    bounded = np.moveaxis(z, axis, 0)[loss._bounded_from :]
    bounded[...] = arrays.numbers(draw, loss.z_domain, bounded.shape, dtype, flavour)
    return z


def _targets(
    draw: Draw,
    loss: Any,
    shape: tuple[int, ...],
    rows: tuple[int, ...],
    axis: int | None,
    dtype: np.dtype[Any],
    flavour: str,
) -> np.ndarray:
    takes = draw.choice(loss._takes)
    if takes == "labels" and axis is not None:
        return _labels(draw, loss, rows, shape[axis])
    if draw.chance(30):
        flavour = draw.choice(arrays.INSIDE)
    if draw.chance(25):
        dtype = draw.choice(arrays.ACCEPTED)
    return arrays.numbers(
        draw, loss.y_domain, rows if takes == "numbers" else shape, dtype, flavour
    )


def _labels(draw: Draw, loss: Any, rows: tuple[int, ...], k: int) -> np.ndarray:
    """Classes of rows, mostly of those that there are."""
    seeds = arrays.numbers(draw, arrays.WEIGHTS, rows, np.dtype(np.int64), "anywhere")
    labels = seeds % k
    wrong = draw.chance(15) and labels.size > 0
    named = loss.parameters.get("classes")
    if named is not None:
        known = [*named, *(draw.choice((None, math.nan, "z", -1, 10.5)) for _ in range(wrong))]
        found = np.array([known[(label + wrong) % len(known)] for label in labels.ravel().tolist()])
        return found.reshape(rows)
    if wrong:
        ignored = loss.parameters.get("ignore_index")
        extra = draw.choice((-1, k, 10**6, -(10**18), ignored if ignored is not None else -100))
        labels.reshape(-1)[draw.below(labels.size)] = extra
    kind = draw.choice(("i8", "i8", "i8", "i4", "u1", "u8", "f8", "f4", "?", "i1", ">i4", "f2"))
    with np.errstate(all="ignore"):
        found = labels.astype(kind)
    if kind[0] == "f" and draw.chance(20) and found.size:
        spoilt = draw.choice((math.nan, 0.5, math.inf, -0.0))
        found.reshape(-1)[draw.below(found.size)] = spoilt
    return found


def _beside(case: Case, loss: Any, y: Any, z: Any, w: Any) -> None:
    if case.draw.chance(60):
        links(case, loss, z, KIND)
        return
    allowed = (ValueError, TypeError, MemoryError, NotImplementedError)
    more = {"n_classes": case.draw.choice((0, 1, 3, 18, -1))} if case.draw.chance(20) else {}
    case.allowing(allowed, f"{KIND}.optimal_constant", loss.optimal_constant, y, w, **more)


# ---- functions ---------------------------------------------------------------------------------

# those of one array; the others make losses
FUNCTIONS = tuple(
    name
    for name in losses.__all__
    if inspect.isroutine(getattr(losses, name)) and not name.endswith(("loss", "loss_names"))
)


def run_function(case: Case, name: str) -> None:
    """softmax and its kin: any axis, any layout, any number of threads, in place."""
    draw, function = case.draw, getattr(losses, name)
    kind = f"functions.{name}"
    has_axis = name != "sigmoid"
    shape = arrays.shape(draw, arrays.size(draw))
    x: Any = arrays.numbers(
        draw, REAL, shape, draw.choice(arrays.ACCEPTED), draw.choice(arrays.FLAVOURS)
    )
    if draw.chance(6):
        x = odd_array(case, shape)
    more = {}
    if has_axis and draw.chance(70):
        more["axis"] = draw.choice((-1, -1, 0, 0, 1, -2, 2, 5, -7, 2**40, True, None, "0", 1.0))
    case.inputs |= {"x": x, **more}
    case.watch(x)
    want = case.call(kind, function, x, **more)
    if type(x) is not np.ndarray:
        return
    other, memory = arrays.laid(draw, x)
    case.inputs["in another layout"] = other
    case.watch(memory)
    case.same(kind, "other bits in another layout", case.call(kind, function, other, **more), want)
    if x.size > LARGE:
        fl.set_num_threads(2)
        try:
            got = case.call(kind, function, x, **more)
        finally:
            fl.set_num_threads(1)
        case.same(kind, "other bits on two threads", got, want)
    _in_room(case, kind, function, x, want, more)


def _in_room(case: Case, kind: str, function: Any, x: Any, want: Any, more: dict[str, Any]) -> None:
    draw = case.draw
    in_place = draw.chance(30) and x.dtype in arrays.FLOATS
    x = x.copy() if in_place else x
    out = x if in_place else np.full(np.shape(want), 7, arrays.computed(x))
    before = out.tobytes()
    got = case.call(kind, function, x, out=out, **more)
    if failed(got):
        fits = not failed(want) and out.shape == want.shape
        case.check(kind, "refuses out", not fits, got, out)
        case.check(kind, "an error, and out is changed", out.tobytes() == before, got, out)
    else:
        case.check(kind, "out is not what is returned", got is out, got)
        case.same(kind, "other bits with out", np.asarray(got), np.asarray(want))
