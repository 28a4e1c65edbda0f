"""Targets, predictions and weights of a loss, and what has to hold of what it gives for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastloss as fl
from fuzzing import arrays, parameters
from fuzzing.case import Case, failed, same, shown

REDUCTIONS = ("mean", "sum", "none")
POLICIES = ("propagate", "propagate", "propagate", "omit", "omit", "raise")
METHODS = ("call", "grad", "value_and_grad", "grad_and_hess")
LARGE = 2048  # elements above which there are several tasks


@dataclass
class Problem:
    """What the methods of a loss are called with.

    Parameters
    ----------
    kind : str
        What kinds of calls begin with.
    y, z, w
        Contiguous arrays, or what takes their place; w may be None.
    rows : tuple of int
        The shape of values with ``reduction="none"``.
    axis : int, optional
        That of rows.
    """

    case: Case
    kind: str
    loss: Any
    y: Any
    z: Any
    w: Any
    rows: tuple[int, ...]
    axis: int | None = None
    policy: str = "propagate"
    hessian: Any = "exact"
    results: dict[str, list[Any]] = field(default_factory=dict)  # of the methods, by reduction

    def options(self, reduction: Any) -> dict[str, Any]:
        return {"sample_weight": self.w, "reduction": reduction, "nan_policy": self.policy}

    def method(self, name: str) -> Any:
        return self.loss if name == "call" else getattr(self.loss, name)

    def call(self, name: str, reduction: Any, y: Any, z: Any, **options: Any) -> Any:
        options = {**self.options(reduction), **options}
        if name == "grad_and_hess" and self.hessian != "exact":
            options["hessian"] = self.hessian
        return self.case.call(f"{self.kind}.{name}", self.method(name), y, z, **options)


def exercise(p: Problem) -> None:
    """Call all methods and hold them to each other; then with out, threads, layouts, alone."""
    draw = p.case.draw
    if not all(type(x) is np.ndarray for x in (p.y, p.z, p.z if p.w is None else p.w)):
        only_called(p)
        return
    _show(p)
    first = draw.choice(REDUCTIONS)
    for reduction in (first, *(r for r in REDUCTIONS if r != first)):
        found = [p.call(name, reduction, p.y, p.z) for name in METHODS]
        p.results[reduction] = found
        _check_methods(p, reduction)
        if failed(found[1]) and draw.chance(70):  # the others fail alike, and take long to say so
            break
    reduction = draw.choice(list(p.results))
    _with_out(p, reduction)
    if p.z.size > LARGE:
        _on_two_threads(p, reduction)
    if not isinstance(p.results[reduction][1], TypeError):
        _in_another_layout(p, reduction)
    if "none" in p.results and not failed(p.results["none"][1]):
        _alone(p)
        _added_up(p)


def only_called(p: Problem) -> None:
    """Call all methods with what may mean nothing, or something else than was drawn."""
    _show(p)
    for name in METHODS:
        p.call(name, p.case.draw.choice(REDUCTIONS), p.y, p.z)


def _show(p: Problem) -> None:
    p.case.inputs |= {"y_true": p.y, "y_pred": p.z, "sample_weight": p.w}
    p.case.inputs |= {"nan_policy": p.policy, "hessian": p.hessian}
    p.case.watch(p.y, p.z, p.w)


def drawn_options(p: Problem) -> None:
    draw = p.case.draw
    p.policy = draw.choice(POLICIES)
    kind = draw.below(20)
    if kind < 5:
        p.hessian = "majorant"
    elif kind < 8:
        p.hessian = draw.choice((0, 0.0, 1e-3, 1.0, 100, np.float32(0.5), 1e30, 1e300))
    elif kind == 8:
        p.hessian = draw.choice(("x", None, -1.0, math.nan, math.inf, True, 10**400, [], "none"))


# ---- the methods -------------------------------------------------------------------------------


def _check_methods(p: Problem, reduction: str) -> None:
    """Of one reduction: types and shapes, and that the methods tell the same."""
    case, kind = p.case, p.kind
    value, grad, both, pair = p.results[reduction]
    wrong = [failed(value), failed(grad), failed(both)]
    if any(wrong):
        # which of several things that are wrong is seen first is each method's own
        alike = all(wrong) and _family(value) is _family(grad) is _family(both)
        case.check(f"{kind}.grad", "methods disagree on an error", alike, value, grad, both)
        own_reason = p.hessian != "exact"  # of a Hessian that there is not
        alike = failed(pair) and (own_reason or _family(pair) is _family(value))
        case.check(f"{kind}.grad_and_hess", "methods disagree on an error", alike, value, pair)
        if isinstance(value, fl.DomainError):
            _check_place(p, value)
        return
    case.same(f"{kind}.value_and_grad", "its value is not that of the call", both[0], value)
    computed, shape = arrays.computed(p.z), p.z.shape
    arrays_of = [("grad", grad, shape), ("value_and_grad", both[1], shape)]
    if reduction == "none":
        arrays_of.append(("call", value, p.rows))
    else:
        case.check(f"{kind}.call", "a reduced value is no float", type(value) is float, value)
    if failed(pair):
        own_reason = p.hessian != "exact"
        case.check(f"{kind}.grad_and_hess", "methods disagree on an error", own_reason, pair)
    else:
        arrays_of += [("grad_and_hess", x, shape) for x in pair]
    for name, array, wanted in arrays_of:
        right = type(array) is np.ndarray and array.dtype == computed and array.shape == wanted
        case.check(f"{kind}.{name}", "a result of another shape or type", right, array, wanted)
    _check_close(p, "value_and_grad", both[1], grad)
    if not failed(pair):
        _check_close(p, "grad_and_hess", pair[0], grad)
        plain = p.w is None and p.policy == "propagate" and p.axis is None
        if type(p.hessian) is float and plain and reduction == "none":
            low = pair[1] < p.hessian
            rounded = pair[1].dtype.type(p.hessian) < p.hessian
            case.check(f"{kind}.grad_and_hess", "below the floor", rounded or not low.any(), pair)


def _family(error: Exception) -> type[Exception]:
    return ValueError if isinstance(error, ValueError) else type(error)


def _check_place(p: Problem, error: fl.DomainError) -> None:
    """What an error says is wrong is there."""
    array = {"y_true": p.y, "y_pred": p.z, "sample_weight": p.w}[error.argument]
    item, value = array[error.index], error.value
    if item != value and not isinstance(value, str):  # it may be told as it is computed with
        with np.errstate(all="ignore"):
            item, value = np.float32(item), np.float32(value)
    right = item == value or item != item and value != value
    p.case.check(f"{p.kind}.call", "an error names another place", bool(right), error)


def _check_close(p: Problem, name: str, got: np.ndarray, want: np.ndarray) -> None:
    """Gradients of two methods agree but for the compiler's choice of which products to fuse."""
    if same(got, want):
        return
    with np.errstate(all="ignore"):
        wide, other = got.astype(np.float64), want.astype(np.float64)
        size = np.abs(other[np.isfinite(other)]).max(initial=0)
        eps = 64 * float(np.finfo(got.dtype).eps)
        fine = np.isclose(wide, other, rtol=eps, atol=eps * size, equal_nan=True)
    p.case.check(f"{p.kind}.{name}", "its gradient is not that of grad", fine.all(), got, want)


# ---- out ---------------------------------------------------------------------------------------

TAKEN = ("room", "room", "room", "other dtype", "in place", "in place")
REFUSED = ("wrong dtype", "wrong shape", "read-only", "no array", "overlap", "twice", "too many")


def _with_out(p: Problem, reduction: str) -> None:
    """Results go where they should, or nothing is written."""
    draw = p.case.draw
    name = draw.choice(METHODS)
    want = p.results[reduction][METHODS.index(name)]
    z = p.z
    shapes = _shapes_of_outs(p, name, reduction)
    plain = not failed(want)
    how = draw.choice(TAKEN if draw.chance(75) and shapes else REFUSED)
    if how == "in place" and not (plain and z.dtype in arrays.FLOATS and shapes[-1] == z.shape):
        how = "room"
    if (how == "overlap" and not (plain and z.size > 1)) or (how == "twice" and len(shapes) < 2):
        how = "no array"
    if (how == "wrong shape" or how == "read-only") and not shapes or how == "too many" and shapes:
        how = "no array"
    computed = arrays.computed(z)
    rooms = [arrays.room(draw, shape, computed) for shape in shapes]
    outs = [view for view, _ in rooms]
    memories = [memory for _, memory in rooms]
    if how == "other dtype":
        other = arrays.FLOATS[computed == arrays.FLOATS[0]]
        outs = [np.full(shape, 7, other) for shape in shapes]
    elif how == "in place":
        z = z.copy()
        outs[-1] = z
    elif outs and how != "room":
        outs[-1] = _unfit(p, how, outs)
        if how == "overlap":
            z = outs[-1][1]
            outs[-1] = outs[-1][0]
    given: Any = outs[0] if len(outs) == 1 else draw.choice((tuple, list))(outs)
    if not outs:
        given = draw.choice((np.empty(2), [np.empty(2)], 1.0, "x", ()))
    if how == "room" and len(outs) == 2 and draw.chance(20):
        given = (None, outs[1])
    p.case.inputs["out"] = how, given
    before = [out.tobytes() if isinstance(out, np.ndarray) else None for out in outs]
    got = p.call(name, reduction, p.y, z, out=given)
    kind = f"{p.kind}.{name}"
    if failed(got):
        # what is wrong with an element may be seen late, when those before it are written
        few = p.axis is None and z.size <= 512
        late = isinstance(got, fl.DomainError) and not few or "overflows" in str(got)
        if how == "in place" or not late:
            after = [out.tobytes() if isinstance(out, np.ndarray) else None for out in outs]
            p.case.check(kind, "an error, and out is changed", before == after, how, got, given)
        refused = failed(want) or how in REFUSED
        p.case.check(kind, "refuses out", refused, how, got, given)
        return
    p.case.check(kind, "takes an out that it must not", how in TAKEN, how, given)
    p.case.check(kind, "an error without out alone", not failed(want), want)
    parts = got if isinstance(got, tuple) else (got,)
    wanted = want if isinstance(want, tuple) else (want,)
    for i, (part, other) in enumerate(zip(parts, wanted, strict=True)):
        place = i - len(parts) + len(outs)
        if place >= 0 and type(other) is np.ndarray:
            own = outs[place]
            if type(given) is not tuple or given[place] is not None:
                p.case.check(kind, "out is not what is returned", part is own, part)
            if part.dtype != other.dtype:
                with np.errstate(all="ignore"):
                    other = other.astype(part.dtype)
        p.case.same(kind, f"other bits with out, {how}", _plain(part), _plain(other))
    if how == "room":
        for view, memory in zip(outs, memories, strict=True):
            p.case.check(kind, "writes beside out", arrays.untouched(view, memory), memory)


def _plain(x: Any) -> Any:
    return np.asarray(x).astype(x.dtype.newbyteorder("="), copy=False) if hasattr(x, "dtype") else x


def _shapes_of_outs(p: Problem, name: str, reduction: str) -> list[tuple[int, ...]]:
    """The shapes of the arrays that a method gives."""
    shape = p.z.shape
    values = [p.rows] if reduction == "none" else []
    return {
        "call": values,
        "grad": [shape],
        "value_and_grad": [*values, shape],
        "grad_and_hess": [shape, shape],
    }[name]


def _unfit(p: Problem, how: str, outs: list[Any]) -> Any:
    """An out that must be refused."""
    draw, last = p.case.draw, outs[-1]
    if how == "wrong dtype":
        return np.ones(last.shape, draw.choice(("i4", "f2", "c16", "g", "O", "?", "u8")))
    if how == "wrong shape":
        return np.ones(draw.choice(((*last.shape, 1), (last.size + 1,), (1, 1, 1, 1, 1))))
    if how == "read-only":
        last.flags.writeable = False
        return last
    if how == "twice":
        return outs[0] if last.size and outs[0].shape == last.shape else [1.0]
    if how == "overlap":
        memory = np.empty(p.z.size + 1, p.z.dtype)
        z = memory[:-1].reshape(p.z.shape)
        z[...] = p.z
        return memory[1:].reshape(last.shape) if last.size == p.z.size else memory[:1], z
    return draw.choice(("x", 1.0, [1.0], {}, 1j))


# ---- threads, layouts, places ------------------------------------------------------------------


def _on_two_threads(p: Problem, reduction: str) -> None:
    fl.set_num_threads(2)
    try:
        for name in ("value_and_grad", "grad_and_hess"):
            got = p.call(name, reduction, p.y, p.z)
            want = p.results[reduction][METHODS.index(name)]
            p.case.same(f"{p.kind}.{name}", "other bits on two threads", got, want)
    finally:
        fl.set_num_threads(1)


def _in_another_layout(p: Problem, reduction: str) -> None:
    """The same numbers, lying elsewhere, have the same bits."""
    case, draw = p.case, p.case.draw
    (y, of_y), (z, of_z), (w, of_w) = (arrays.laid(draw, x) for x in (p.y, p.z, p.w))
    case.inputs["in another layout"] = y, z, w
    case.watch(of_y, of_z, of_w)
    for name in draw.some(METHODS, 3):
        got = p.call(name, reduction, y, z, sample_weight=w)
        want = p.results[reduction][METHODS.index(name)]
        case.same(f"{p.kind}.{name}", "other bits in another layout", got, want)


def _alone(p: Problem) -> None:
    """A sample has the same bits alone."""
    count = math.prod(p.rows)
    if not count or not p.rows or p.w is not None and p.w.shape != p.rows:
        return
    i = np.unravel_index(p.case.draw.below(count), p.rows)
    part = tuple(slice(int(k), int(k) + 1) for k in i)
    of_z = part if p.axis is None else (*part[: p.axis], slice(None), *part[p.axis :])
    y = p.y[part] if p.y.ndim == len(part) else p.y[of_z]
    w = None if p.w is None else p.w[part]
    name = p.case.draw.choice(("value_and_grad", "grad_and_hess"))
    got = p.call(name, "none", y, p.z[of_z], sample_weight=w)
    whole = p.results["none"][METHODS.index(name)]
    if failed(whole):
        return
    want = tuple(x[part] if x.ndim == len(part) else x[of_z] for x in whole)
    p.case.same(f"{p.kind}.{name}", "a sample has other bits alone", got, want)


def _added_up(p: Problem) -> None:
    """A sum is that of the samples' values."""
    each = p.results["none"][0]
    total = p.results.get("sum", [None])[0]
    if p.loss._root or total is None or failed(total) or not each.size:
        return
    wide = each.astype(np.float64)
    largest = float(np.abs(wide).max())
    if not largest < 1e290:
        return
    size = float(np.abs(wide).sum())
    rounded = each.dtype == np.float32 and (p.w is not None or p.axis is not None)
    limits = np.finfo(each.dtype)
    bound = (1e-6 if rounded else 1e-11) * size + each.size * float(limits.smallest_subnormal)
    fine = abs(float(wide.sum()) - total) <= bound
    text = f"{total!r} for {wide.sum()!r}"
    p.case.check(f"{p.kind}.call", "a sum is not that of its samples", fine, text, each)


def odd_array(case: Case, shape: tuple[int, ...]) -> Any:
    """What is no array of numbers, or of another shape than it should have."""
    draw = case.draw
    kind = draw.below(4)
    if kind == 0:
        return arrays.refused(draw, shape)
    if kind == 1:
        others = ((*shape, 1), shape[:-1], (*shape[:-1], 1 + sum(shape)), (1, *shape), shape[::-1])
        return np.ones(draw.choice(others))
    if kind == 2:
        masked = np.ma.masked_array(np.ones(3), [0, 1, 0])
        texts = ("abc", {"a": 1}, None, 1.0, [], [[]], [[1.0], [1.0, 2.0]], [None], ["a"], masked)
        return draw.choice((*texts, [1.0, None, 2.0], [1.0, 10**400], b"abc", object(), [1, 2**70]))
    return parameters.odd(draw)


__all__ = ["LARGE", "METHODS", "POLICIES", "REDUCTIONS", "Problem", "drawn_options", "exercise"]
__all__ += ["odd_array", "shown"]
