"""Penalties of parameters."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

import fastloss as fl
from fastloss import penalties
from fastloss.domains import REAL
from fuzzing import arrays, parameters
from fuzzing.case import Case, failed
from fuzzing.optimizers import spoilt
from fuzzing.problem import LARGE, odd_array

KIND = "penalties"
METHODS = ("value", "grad", "value_and_grad", "prox")


def run(case: Case, name: str) -> None:
    """All methods of a penalty, with out, on two threads, in another layout."""
    draw = case.draw
    shape = arrays.shape(draw, arrays.size(draw))
    w: Any = arrays.numbers(
        draw, REAL, shape, draw.choice(arrays.ACCEPTED), draw.choice(arrays.FLAVOURS)
    )
    penalty = _made(case, name, w.size)
    if failed(penalty):
        return
    if draw.chance(6):
        w = odd_array(case, shape)
    step = draw.choice((0.0, 0.1, 0.1, 1.0, 3, 1e300, parameters.odd(draw)))
    case.inputs |= {"penalty": penalty, "w": w, "step": step}
    case.watch(w)
    results = {method: _call(case, penalty, method, w, step) for method in METHODS}
    if type(w) is not np.ndarray:
        return
    _check(case, results, w)
    other, memory = arrays.laid(draw, w)
    case.inputs["in another layout"] = other
    case.watch(memory)
    for method in METHODS:
        got = _call(case, penalty, method, other, step)
        if hasattr(penalty, "l1"):  # norms of groups depend on the order of their sums
            problem = "other bits in another layout"
            case.same(f"{KIND}.{method}", problem, got, results[method])
    if w.size > LARGE:
        fl.set_num_threads(2)
        try:
            for method in METHODS:
                got = _call(case, penalty, method, w, step)
                case.same(f"{KIND}.{method}", "other bits on two threads", got, results[method])
        finally:
            fl.set_num_threads(1)
    _with_out(case, penalty, w, step, results)
    described = case.call(f"{KIND}.to_dict", penalty.to_dict)
    again = case.call(f"{KIND}.from_dict", penalties.from_dict, described)
    case.check(f"{KIND}.from_dict", "another penalty", again == penalty, penalty, again)
    case.call(f"{KIND}.from_dict", penalties.from_dict, spoilt(draw, described))


def _made(case: Case, name: str, n: int) -> Any:
    draw = case.draw
    cls: Any = penalties._REGISTRY[name]
    given: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if not field.init or field.default is not dataclasses.MISSING and draw.chance(50):
            continue
        domain = cls._ranges.get(field.name)
        if draw.chance(2):
            given[field.name] = parameters.odd(draw)
        elif domain is None:
            labels = [draw.below(4) for _ in range(n)]
            given[field.name] = draw.choice((None, None, labels, labels + [0], (0, -1), (2**62, 0)))
        elif domain.integer:
            given[field.name] = draw.choice((-1, -1, 0, 0, 1, -2, 5, 2**70))
        else:
            given[field.name] = parameters.inside(draw, domain)
    case.inputs["parameters"] = given
    made = case.call(f"{KIND}.make", cls, **given)
    wrong = [
        key
        for key, value in given.items()
        if key in cls._ranges and parameters.must_be_refused(cls._ranges[key], value)
    ]
    case.check(f"{KIND}.make", "takes a parameter out of its range", failed(made) or not wrong)
    return made


def _call(case: Case, penalty: Any, method: str, w: Any, step: Any, **out: Any) -> Any:
    arguments = (w, step) if method == "prox" else (w,)
    return case.call(f"{KIND}.{method}", getattr(penalty, method), *arguments, **out)


def _check(case: Case, results: dict[str, Any], w: np.ndarray) -> None:
    value, grad, both = (results[method] for method in METHODS[:3])
    if failed(value):
        alike = failed(grad) and failed(both)
        case.check(f"{KIND}.grad", "methods disagree on an error", alike, value, grad, both)
        return
    case.check(f"{KIND}.value", "the value is no float", type(value) is float, value)
    case.same(f"{KIND}.value_and_grad", "its gradient is not that of grad", both[1], grad)
    fine = math.isclose(both[0], value, rel_tol=1e-12) or both[0] != both[0] and value != value
    case.check(f"{KIND}.value_and_grad", "its value is not that of value", fine, both[0], value)
    for array in (grad, results["prox"]):
        if not failed(array):
            right = array.shape == w.shape and array.dtype == arrays.computed(w)
            case.check(f"{KIND}.grad", "a result of another shape or type", right, array)


def _with_out(case: Case, penalty: Any, w: np.ndarray, step: Any, results: dict[str, Any]) -> None:
    draw = case.draw
    method = draw.choice(METHODS[1:])
    in_place = draw.chance(40) and w.dtype in arrays.FLOATS and w.flags.c_contiguous
    w = w.copy() if in_place else w
    dtype = arrays.computed(w)
    good = in_place or draw.chance(60)
    out = w if in_place else np.full(w.shape, 7, dtype)
    if not good:
        out = draw.choice(
            (
                np.full((*w.shape, 1), 7, dtype), np.full(w.shape, 7, "i4"),
                arrays._read_only(out)[0], [1.0], "x", 1.0,
            )
        )  # fmt: skip
    case.inputs["out"] = out
    before = out.tobytes() if isinstance(out, np.ndarray) else None
    got = _call(case, penalty, method, w, step, out=out)
    want = results[method]
    if failed(got):
        kept = before is None or out.tobytes() == before
        case.check(f"{KIND}.{method}", "an error, and out is changed", kept, got)
        case.check(f"{KIND}.{method}", "refuses out", failed(want) or not good, got, out)
        return
    case.check(f"{KIND}.{method}", "takes an out that it must not", good, out)
    written = got[1] if method == "value_and_grad" else got
    case.check(f"{KIND}.{method}", "out is not what is returned", written is out, got)
    case.same(f"{KIND}.{method}", "other bits with out", got, want)
