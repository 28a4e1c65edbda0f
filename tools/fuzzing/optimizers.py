"""Optimizers: made, stepped, saved and gone on with; and schedules of learning rates."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import numpy as np

import fastloss as fl
from fastloss import optim, penalties
from fastloss.domains import NONNEGATIVE, REAL, UNIT, Domain
from fastloss.optim import schedules
from fastloss.optim.base import BELOW_ONE, DEFAULTS, Optimizer
from fastloss.optim.schedules import Joined, Warmup
from fuzzing import arrays, parameters
from fuzzing.case import Case, Found, failed
from fuzzing.draw import Draw

KIND = "optimizers"
LONG = 30_000  # elements that are updated on several threads


def run(case: Case, name: str) -> None:
    """An optimizer of a rule: some steps, with good gradients and others, and its state."""
    draw = case.draw
    cls = getattr(optim, name)
    params = _parameters(draw)
    options = _options(case, cls)
    case.inputs |= {"rule": name, "params": params, "options": options}
    twins = copy.deepcopy(params)
    opt = _made(case, cls, params, options)
    if opt is None:
        return
    twin = case.call(f"{KIND}.make", cls, twins, **copy.deepcopy(options))
    case.check(f"{KIND}.make", "made once, and not twice", not failed(twin), twin)
    for _ in range(draw.between(1, 4)):
        _step(case, opt, params, twin, twins)
    if draw.chance(30):
        _around(case, opt)
    if draw.chance(40):
        _resume(case, cls, opt, params, options)
    if draw.chance(25):
        _load_spoilt(case, opt, params)


def _made(case: Case, cls: Any, params: Any, options: dict[str, Any]) -> Any:
    found = flat(params)
    before = [array.tobytes() for array in found]
    opt = case.call(f"{KIND}.make", cls, params, **options)
    after = [array.tobytes() for array in found]
    case.check(f"{KIND}.make", "changes the parameters", before == after, params)
    wrong = [
        name
        for name, value in options.items()
        if name not in DEFAULTS
        and parameters.must_be_refused(cls._ranges.get(name, NONNEGATIVE), value)
    ]
    case.check(f"{KIND}.make", "takes an option out of its range", failed(opt) or not wrong, wrong)
    return None if failed(opt) else opt


# ---- parameters and options --------------------------------------------------------------------


def _parameters(draw: Draw) -> Any:
    """An array, a list, a dict or groups of arrays; now and then not what they should be."""
    kind = draw.below(12)
    if draw.chance(1):
        return arrays.numbers(draw, REAL, (LONG,), draw.choice(arrays.FLOATS), "usual")
    if kind < 4:
        return _parameter(draw)
    made = [_parameter(draw) for _ in range(draw.between(1, 4))]
    if kind < 7:
        return made
    if kind < 9:
        return dict(zip(("w", "b", 0, ("u", 1)), made, strict=False))
    if kind < 11:
        return [{"params": part} for part in (made[:1], made[1:]) if part]
    spoilt = (
        [], {}, (), None, "x", 1.0, [None], [1.0], [made[0], made[0]], [[1.0]], [{}],
        [{"params": []}], [{"params": made[0], "lr": draw.choice((0.1, -1.0, None))}],
        [{"params": made[0], "what": 1}], np.ones(3, int), np.ones(3, complex), np.ones(3, ">f4"),
        np.ones((3, 4))[:, ::2], np.broadcast_to(1.0, 3), np.ma.ones(3), np.ones(3, object),
        arrays._unaligned(np.ones(3))[0], arrays._read_only(np.ones(3))[0], np.float64(1.0),
    )  # fmt: skip
    return draw.choice(spoilt)


def _parameter(draw: Draw) -> np.ndarray:
    shape = arrays.shape(draw, draw.choice(arrays.FEW) if draw.chance(95) else arrays.size(draw))
    dtype = draw.choice((*arrays.FLOATS * 4, *arrays.HALVES))
    flavour = draw.choice(("usual", "usual", "usual", "usual", "anywhere", "broken"))
    array = arrays.numbers(draw, REAL, shape, dtype, flavour)
    return np.asfortranarray(array) if draw.chance(10) else array


def flat(params: Any) -> list[np.ndarray]:
    """The arrays in a structure."""
    if isinstance(params, np.ndarray):
        return [params]
    if isinstance(params, dict):
        params = list(params.values())
    return [x for part in params for x in flat(part)] if isinstance(params, (list, tuple)) else []


def _options(case: Case, cls: Any) -> dict[str, Any]:
    draw = case.draw
    found: dict[str, Any] = {}
    odd = 8 if draw.chance(25) else 0
    for name, default in parameters.signature(cls).items():
        if name == "params" or draw.chance(70 if name in DEFAULTS else 50):
            continue
        found[name] = (
            parameters.odd(draw) if draw.chance(odd) else _option(draw, cls, name, default)
        )
    return found


def _option(draw: Draw, cls: Any, name: str, default: Any) -> Any:
    """A value of an option, in its range or at an end of it."""
    if name == "lr":
        return _rate(draw)
    if name == "penalty":
        return draw.choice((None, _penalty(draw)))
    if name in cls._flags:
        return draw.chance(50)
    if name in DEFAULTS:
        limits = (None, None, 0.5, 1.0, 1e-3, 1e300, 5e-324)
        return draw.choice(
            {
                "max_norm": limits,
                "clip_value": limits,
                "nonfinite": ("propagate", "raise", "skip", "raise", "skip"),
                "state_dtype": (None, None, "bfloat16", "8bit", "float32", "float64"),
                "maximize": (False, True),
            }[name]
        )
    if isinstance(default, tuple):
        domain = BELOW_ONE if name == "betas" else NONNEGATIVE
        several = tuple(_number(draw, domain) for _ in default)
        return draw.choice((several, several, list(several), (None, *several[1:])))
    if name == "adjust_lr_fn":
        return draw.choice((None, "original", "match_rms_adamw"))
    if name == "ns_steps":
        return draw.between(1, 6)
    return _number(draw, cls._ranges.get(name, NONNEGATIVE))


def _number(draw: Draw, domain: Domain) -> float:
    everyday = draw.choice((0.0, 0.1, 0.5, 0.9, 0.999, 1e-8, 1e-3, 1.0))
    if draw.chance(80) and everyday in domain:
        return everyday
    return parameters.inside(draw, domain)


def _rate(draw: Draw) -> Any:
    kind = draw.below(10)
    if kind < 6:
        return draw.choice((1e-3, 0.1, 1.0, 0.5, 1e-2))
    if kind < 8:
        return _number(draw, NONNEGATIVE)
    return schedule(draw) if kind == 8 else draw.choice((_Falling(), _Falling(math.nan)))


class _Falling:
    """A rate of one's own."""

    def __init__(self, start: float = 0.1) -> None:
        self.start = start

    def __call__(self, step: int) -> float:
        return self.start / (1 + step)

    def __repr__(self) -> str:
        return f"_Falling({self.start})"


def _penalty(draw: Draw) -> Any:
    """Any penalty that can be made of a few strengths."""
    name = draw.choice(tuple(penalties._REGISTRY))
    cls: Any = penalties._REGISTRY[name]
    strengths = {
        field.name: draw.choice((0.0, 0.1, 0.5, 2.0, 1e300))
        for field in dataclasses.fields(cls)
        if field.init and cls._ranges.get(field.name) is NONNEGATIVE
    }
    return cls(**strengths)


# ---- steps -------------------------------------------------------------------------------------


def snapshot(opt: Any, params: Any) -> tuple[Any, ...]:
    """All that a step may change."""
    state = [array.tobytes() for held in opt._state for array in held.values()]
    return opt.step_count, [array.tobytes() for array in flat(params)], state


def _step(case: Case, opt: Any, params: Any, twin: Any, twins: Any) -> None:
    draw, kind = case.draw, f"{KIND}.step"
    grads = _gradients(draw, params)
    if draw.chance(15):
        grads = _spoilt_gradients(draw, params, grads)
    case.inputs["grads"] = grads
    case.forget()
    for array in flat(grads):
        if not any(np.may_share_memory(array, own) for own in flat(params)):
            case.watch(array)
    before = snapshot(opt, params)
    done = case.call(kind, opt.step, grads)
    after = snapshot(opt, params)
    if failed(done) or done is False:
        case.check(kind, "a step that was not taken changes something", before == after, done)
    else:
        case.check(kind, "not counted as a step", after[0] == before[0] + 1, done)
    threads = draw.choice((1, 2))
    fl.set_num_threads(threads)
    try:
        again = case.call(kind, twin.step, grads)
    finally:
        fl.set_num_threads(1)
    if any(np.may_share_memory(a, b) for a in flat(grads) for b in flat(params)):
        # of which the twin does not know
        case.check(kind, "takes a gradient that is a parameter", failed(done), done)
        if not failed(again) and again:
            twin.load_state_dict(opt.state_dict())
            for mine, theirs in zip(flat(params), flat(twins), strict=True):
                np.copyto(theirs, mine)
        return
    case.same(kind, "two of the same take other steps", again, done)
    case.check(kind, f"other bits with {threads} threads", snapshot(twin, twins) == after, done)


def _gradients(draw: Draw, params: Any) -> Any:
    """Gradients of the structure, dtypes and orders of the parameters."""
    if isinstance(params, np.ndarray):
        flavour = draw.choice(("usual", "usual", "usual", "usual", "anywhere", "broken"))
        grad = arrays.numbers(draw, REAL, params.shape, params.dtype, flavour)
        return grad if params.flags.c_contiguous else np.asfortranarray(grad)
    if isinstance(params, dict):
        if "params" in params:
            return _gradients(draw, params["params"])
        return {key: _gradients(draw, value) for key, value in params.items()}
    if isinstance(params, (list, tuple)):
        return [_gradients(draw, part) for part in params]
    return params


def _spoilt_gradients(draw: Draw, params: Any, grads: Any) -> Any:
    """Others: of some rows, with gaps, of other shapes, dtypes and orders, or nothing at all."""
    if draw.chance(20):
        return draw.choice((None, [], {}, 1.0, "x", [grads], {"z": grads}, params))
    if isinstance(grads, (list, dict)) and grads:
        places = range(len(grads)) if isinstance(grads, list) else tuple(grads)
        place = draw.choice(places)
        inner = params[place]
        if isinstance(inner, dict):
            inner = inner["params"]
        new = _spoilt_gradients(draw, inner, grads[place])
        found = copy.copy(grads)
        found[place] = new
        if isinstance(found, dict) and draw.chance(20):
            del found[place]
        return found
    grad = grads
    if not isinstance(grad, np.ndarray):
        return grad
    rows = draw.between(0, 3)
    lines = max(len(grad), 1) if grad.ndim else 1
    indices = np.array([draw.below(lines) for _ in range(rows)], np.int64)
    values = np.ones((rows, *grad.shape[1:]), grad.dtype)
    other = draw.choice(("f4", "f8", "f2", "i8", "c16", "O", "U1", "g"))
    with np.errstate(all="ignore"):
        cast = np.zeros(grad.shape, other) if other in ("O", "U1") else grad.astype(other)
    return draw.choice(
        (
            None, (indices, values), (indices, values), (indices - 1, values), (indices, None),
            (indices + lines, values), (indices.astype("u1"), values), (indices,),
            (values, indices), (indices, values.T), cast, grad[..., None], grad.T, grad.tolist(),
            np.ma.array(grad), grad.reshape(-1)[:-1], arrays._strided(grad)[0],
            arrays._unaligned(grad)[0], arrays._swapped(grad)[0], arrays._read_only(grad)[0],
            arrays._held(grad)[0], arrays.refused(draw, grad.shape), np.asfortranarray(grad),
        )
    )  # fmt: skip


# ---- state -------------------------------------------------------------------------------------


def _around(case: Case, opt: Any) -> None:
    """What can be asked of an optimizer, and set."""
    draw = case.draw
    case.forget()
    case.check(f"{KIND}.repr", "repr() is empty", bool(case.call(f"{KIND}.repr", repr, opt)))
    before = opt.lr
    given = draw.choice((0.1, 0.1, 1, _rate(draw), parameters.odd(draw), [0.1], [0.1, 0.2]))

    def set_rate() -> None:
        opt.lr = given

    done = case.call(f"{KIND}.lr", set_rate)
    case.check(f"{KIND}.lr", "a refused rate is taken", not failed(done) or opt.lr == before)
    done = case.call(f"{KIND}.lr", setattr, opt, "lr", before)
    case.check(f"{KIND}.lr", "its own rate is refused", not failed(done), done)


def _resume(case: Case, cls: Any, opt: Any, params: Any, options: dict[str, Any]) -> None:
    """Another one that takes over the state goes on to the last bit."""
    draw = case.draw
    case.forget()
    state = case.call(f"{KIND}.state_dict", opt.state_dict)
    others = copy.deepcopy(params)
    other = case.call(f"{KIND}.make", cls, others, **copy.deepcopy(options))
    done = case.call(f"{KIND}.load_state_dict", other.load_state_dict, state)
    if failed(done):
        raise Found(f"{KIND}.load_state_dict", "refuses what state_dict gave", str(done))
    equal = snapshot(other, others) == snapshot(opt, params)
    case.check(f"{KIND}.load_state_dict", "another state than that loaded", equal, state)
    grads = _gradients(draw, params)
    case.inputs["grads after loading"] = grads
    first = case.call(f"{KIND}.step", opt.step, grads)
    second = case.call(f"{KIND}.step", other.step, grads)
    case.same(f"{KIND}.step", "goes on in another way after loading", second, first)
    equal = snapshot(other, others) == snapshot(opt, params)
    case.check(f"{KIND}.step", "goes on with other bits after loading", equal, first)


def _load_spoilt(case: Case, opt: Any, params: Any) -> None:
    """A state that is none is refused, and changes nothing; any other is taken whole."""
    draw, kind = case.draw, f"{KIND}.load_state_dict"
    case.forget()
    state = spoilt(draw, opt.state_dict())
    case.inputs["spoilt state"] = state
    before, look = snapshot(opt, params), repr(opt)
    done = case.call(kind, opt.load_state_dict, state)
    if failed(done):
        kept = snapshot(opt, params) == before and repr(opt) == look
        case.check(kind, "refuses a state, and changes", kept, done)
    else:
        case.call(f"{KIND}.step", opt.step, _gradients(draw, params))


def spoilt(draw: Draw, tree: Any) -> Any:
    """A nested value with something changed in one place."""
    if isinstance(tree, dict) and tree and draw.chance(90):
        key = draw.choice(tuple(tree))
        kind = draw.below(12)
        if kind == 0:
            return {k: v for k, v in tree.items() if k != key}
        if kind == 1:
            return {**tree, draw.choice(("x", 0, None, "lr")): draw.choice(parameters.ODD[:8])}
        return {**tree, key: spoilt(draw, tree[key])}
    if isinstance(tree, list) and tree and draw.chance(85):
        place = draw.below(len(tree))
        return [*tree[:place], spoilt(draw, tree[place]), *tree[place + 1 :]]
    if isinstance(tree, np.ndarray) and draw.chance(80):
        with np.errstate(all="ignore"):
            options = [tree.astype("f4"), tree[..., None], tree.reshape(-1)[:-1], tree.tolist()]
            options += [np.full_like(tree, draw.choice((0, 1, 255))), tree.T, np.ma.array(tree)]
        return draw.choice(options)
    return parameters.odd(draw)


# ---- schedules ---------------------------------------------------------------------------------

STEPS: tuple[Any, ...] = (
    0, 1, 2, 3, 9, 10, 11, 99, 100, 1000, 10**6, 2**31, 2**53 + 1, 2**63, 10**30, 10**400, -1,
    1.0, "1", None, True, np.int8(3), np.uint64(2**64 - 1), np.float64(2.0), math.nan,
)  # fmt: skip


SCHEDULES = {cls.name: cls for cls in schedules.Schedule.__subclasses__()}
SIMPLE = tuple(name for name, cls in SCHEDULES.items() if cls not in (Joined, Warmup))


def schedule(draw: Draw, names: tuple[str, ...] = tuple(SCHEDULES), percent_odd: int = 0) -> Any:
    """A schedule of parameters in their ranges."""
    cls = SCHEDULES[draw.choice(names)]
    for _ in range(8):
        try:
            return cls(**_of_schedule(draw, cls, percent_odd))
        except (TypeError, ValueError):  # parameters that do not go together
            continue
    return schedules.Constant(0.1)


def _of_schedule(draw: Draw, cls: Any, percent_odd: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    n = draw.choice((0, 1, 3))
    parts = {  # boundaries, and one more of what they part
        "boundaries": tuple(range(5, 5 + 10 * n, 10)),
        "values": tuple(draw.choice((0.0, 0.1, 1.0)) for _ in range(n + 1)),
        "schedules": tuple(schedule(draw, SIMPLE) for _ in range(n + 1)) if cls is Joined else (),
    }
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING
        if not required and draw.chance(50):
            continue
        domain = cls._ranges.get(field.name)
        if draw.chance(percent_odd):
            found[field.name] = parameters.odd(draw)
        elif domain is UNIT:
            found[field.name] = draw.choice((0.0, 0.3, 1.0))
        elif domain is not None:
            plain = (1, 2, 10, 100) if domain.integer else (0.1, 1.0, 0.5, 1e-3, 25.0)
            found[field.name] = draw.choice(plain) if draw.chance(70) else None
            if found[field.name] is None or found[field.name] not in domain:
                found[field.name] = parameters.inside(draw, domain)
        elif field.name in parts:
            found[field.name] = parts[field.name]
        elif required:
            found[field.name] = schedule(draw, SIMPLE)
        else:  # what has no range of its own
            found[field.name] = draw.choice((None, 1, 2, (3, 8), "max", "cosine", 0.1))
    return found


def run_schedule(case: Case, name: str) -> None:
    """Rates of steps, and the way through a description."""
    draw, kind = case.draw, "schedules"
    cls = SCHEDULES[name]
    given = _of_schedule(draw, cls, 10 if draw.chance(30) else 0)
    case.inputs |= {"schedule": name, "parameters": given}
    made = case.call(f"{kind}.make", cls, **given)
    if failed(made):
        return
    for step in (draw.choice(STEPS) for _ in range(6)):
        case.inputs["step"] = step
        rate = case.call(f"{kind}.call", made, step)
        right = failed(rate) or type(rate) is float and not rate < 0
        case.check(f"{kind}.call", "a rate that is no float, or negative", right, made, rate)
    if hasattr(made, "update"):
        for _ in range(5):
            case.call(f"{kind}.update", made.update, draw.choice((1.0, 0.5, 2, *parameters.ODD)))
    described = case.call(f"{kind}.to_dict", made.to_dict)
    case.watch(described)
    again = case.call(f"{kind}.from_dict", schedules.from_dict, described)
    case.check(f"{kind}.from_dict", "another schedule", again == made, made, again)
    case.call(f"{kind}.from_dict", schedules.from_dict, spoilt(draw, described))


__all__ = ["Optimizer", "flat", "run", "run_schedule", "schedule", "snapshot", "spoilt"]
