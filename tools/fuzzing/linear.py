"""Objectives of linear models, and the losses whose methods take other arrays than y and z."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import fastloss as fl
from fastloss import losses
from fastloss.domains import REAL
from fastloss.losses import Loss, adversarial, hazards, survival
from fastloss.losses.base import loss_class, pointwise_names
from fastloss.losses.ranking import Ranking
from fastloss.losses.survival import Survival
from fuzzing import arrays, parameters
from fuzzing.case import Case, failed
from fuzzing.draw import Draw
from fuzzing.losses import weights
from fuzzing.optimizers import _penalty
from fuzzing.problem import odd_array

KIND = "linear"
ALLOWED = (
    ValueError,
    TypeError,
    MemoryError,
    NotImplementedError,
)  # of Hessians that there are not


def run(case: Case, name: str) -> None:
    """The objective of a loss: value, gradient, Hessian and predictions, with 1 and 2 threads."""
    draw = case.draw
    loss: Any = draw.choice(parameters.variants(name))
    n = draw.choice((1, 2, 5, 17, 40, 70, 0)) if draw.chance(95) else 1500
    d = draw.choice((1, 2, 3, 5, 8, 17))
    arguments = _arguments(case, loss, name, n, d)
    case.inputs |= {"loss": loss, **arguments}
    case.watch(*arguments.values())
    X, y = arguments.pop("X"), arguments.pop("y")
    made = case.call(f"{KIND}.make", fl.LinearObjective, loss, X, y, **arguments)
    if failed(made):
        return
    w: Any = arrays.numbers(
        draw, REAL, made.shape, arrays.FLOATS[0], draw.choice(arrays.INSIDE[:2])
    )
    if draw.chance(30):
        w = w.reshape(-1)
    if draw.chance(5):
        w = odd_array(case, made.shape)
    case.inputs["w"] = w
    case.watch(w)
    first = _everything(case, made, w, 1)
    second = _everything(case, made, w, 2)
    case.same(f"{KIND}.value_and_grad", "other bits on two threads", second, first)
    value, both, *_ = first
    case.check(f"{KIND}.value_and_grad", "methods disagree", failed(value) == failed(both), first)
    if not failed(both):
        right = type(both[0]) is float and both[1].shape == np.shape(w)
        case.check(f"{KIND}.value_and_grad", "a result of another shape or type", right, both)
        out = np.full(np.shape(w), 7, draw.choice(arrays.FLOATS))
        got = case.call(f"{KIND}.value_and_grad", made.value_and_grad, w, out=out)
        case.check(f"{KIND}.value_and_grad", "refuses out", not failed(got), got)
        case.check(f"{KIND}.value_and_grad", "out is not what is returned", got[1] is out, got)
        if made.penalty is None or out.dtype == np.float64:
            with np.errstate(all="ignore"):
                want = both[0], both[1].astype(out.dtype)
            case.same(f"{KIND}.value_and_grad", "other bits with out", got, want)


def _everything(case: Case, made: Any, w: Any, threads: int) -> list[Any]:
    fl.set_num_threads(threads)
    try:
        return [
            case.call(f"{KIND}.value", made.value, w),
            case.call(f"{KIND}.value_and_grad", made.value_and_grad, w),
            case.call(f"{KIND}.predict", made.predict, w),
            case.allowing(ALLOWED, f"{KIND}.hessp", made.hessp, w, w),
            case.allowing(ALLOWED, f"{KIND}.hess", made.hess, w, hessian="majorant"),
        ]
    finally:
        fl.set_num_threads(1)


def _arguments(case: Case, loss: Any, name: str, n: int, d: int) -> dict[str, Any]:
    draw = case.draw
    flavour = draw.choice(("usual", "usual", "usual", "usual", "usual", "anywhere", "broken"))
    dtype = draw.choice((*arrays.FLOATS * 3, np.dtype(int), *arrays.HALVES))
    X: Any = arrays.numbers(draw, REAL, (n, d), dtype, flavour)
    if draw.chance(30):
        X = arrays.laid(draw, X)[0]
    elif draw.chance(15):
        from scipy import sparse

        with np.errstate(all="ignore"):
            dense = np.where(X > 0, X, 0).astype(draw.choice(arrays.FLOATS))
        X = draw.choice((sparse.csr_array, sparse.csc_matrix, sparse.coo_array))(dense)
    k = draw.between(2, 4)
    takes = draw.choice(getattr(loss, "_takes", ("single",)))
    if takes == "labels":
        y: Any = arrays.numbers(draw, arrays.WEIGHTS, (n,), np.dtype(int), "anywhere") % k
    elif takes == "targets":
        y = arrays.numbers(draw, loss.y_domain, (n, k), arrays.FLOATS[0], "usual")
    else:
        shape = (n,) if takes == "numbers" or draw.chance(80) else (n, k)
        of_y = draw.choice(arrays.ACCEPTED)
        y = arrays.numbers(draw, loss.y_domain, shape, of_y, draw.choice(arrays.INSIDE))
    found = {"X": X, "y": y}
    if draw.chance(40):
        found["sample_weight"] = weights(case, (n,), arrays.FLOATS[0])
    if draw.chance(40):
        found["penalty"] = _penalty(draw)
    if draw.chance(30):
        found["fit_intercept"] = False
    if takes in ("labels", "numbers") and draw.chance(50):
        found["n_outputs"] = k if draw.chance(80) else draw.choice((0, 1, 2, 600, -1))
    if draw.chance(15):
        found["offset"] = arrays.numbers(draw, REAL, draw.choice(((n,), (n, k))), dtype, "usual")
    if draw.chance(6):
        found[draw.choice(("X", "y", "sample_weight", "offset"))] = odd_array(case, (n,))
    return found


def names() -> tuple[str, ...]:
    """The losses that linear models may have; of others the constructor says so."""
    found = [name for name in fl.loss_names() if name in pointwise_names()]
    return (*found, *(name for name in fl.loss_names() if loss_class(name).name not in found))


# ---- losses of other arrays --------------------------------------------------------------------

OTHERS = tuple(
    name
    for name in losses.__all__
    if isinstance(cls := getattr(losses, name), type) and not issubclass(cls, (Loss, Exception))
)


def run_other(case: Case, name: str) -> None:
    """All methods of a loss of triplets, views, centres, scores, times or queries."""
    draw, kind = case.draw, f"others.{name}"
    cls = getattr(losses, name)
    made = case.call(f"{kind}.make", cls, **_of_constructor(draw, cls))
    if failed(made):
        return
    dtype = draw.choice((*arrays.FLOATS * 3, *arrays.HALVES, np.dtype(int)))
    flavour = draw.choice(("usual", "usual", "usual", "anywhere", "broken"))
    n = draw.choice((0, 1, 2, 5, 9, 17, 40))
    sizes = {"n": n, "d": draw.choice((1, 2, 3, 16, 17)), "k": draw.between(1, 5)}
    methods = [method for method in dir(cls) if not method.startswith("_")]
    methods = [method for method in methods if inspect.isfunction(getattr(cls, method))]
    if any("__call__" in vars(base) for base in cls.__mro__):
        methods.append("__call__")
    case.inputs |= {"loss": made}
    for method in methods:
        function = getattr(made, method)
        given = _given(case, made, inspect.signature(function), sizes, dtype, flavour)
        case.inputs |= {"method": method, **given}
        case.watch(*given.values())
        want = case.call(f"{kind}.{method}", function, **given)
        fl.set_num_threads(2)
        try:
            got = case.call(f"{kind}.{method}", function, **given)
        finally:
            fl.set_num_threads(1)
        case.same(f"{kind}.{method}", "other bits on two threads", got, want)
        case.forget()


def _of_constructor(draw: Draw, cls: Any) -> dict[str, Any]:
    found = {}
    ranges = getattr(cls, "_ranges", {})
    for key, default in parameters.signature(cls).items():
        if default is not inspect.Parameter.empty and draw.chance(60):
            continue
        if draw.chance(8):
            found[key] = parameters.odd(draw)
        elif key in ranges:
            found[key] = parameters.inside(draw, ranges[key])
        elif key in _WORDS:
            found[key] = draw.choice(_WORDS[key])
        elif isinstance(default, bool):
            found[key] = draw.chance(50)
        else:
            found[key] = draw.choice((None, 1, 2, 0.1, 0.0, 1000, default))
    return found


# what parameters may be that are no numbers
_WORDS = {
    "kind": tuple(adversarial._KINDS),
    "distribution": tuple(survival._DISTRIBUTIONS),
    "ties": hazards._TIES,
}


def _given(
    case: Case, made: Any, signature: Any, sizes: dict[str, int], dtype: np.dtype[Any], flavour: str
) -> dict[str, Any]:
    """Arrays for the parameters that have no default, and some of the others."""
    draw, n, d, k = case.draw, sizes["n"], sizes["d"], sizes["k"]
    shapes = _shapes(draw, made, signature, sizes)
    found: dict[str, Any] = {}
    groups = arrays.numbers(draw, arrays.WEIGHTS, (1,), np.dtype(int), "anywhere") % (n + 1)
    groups = np.append(groups, n - groups)
    for name, parameter in signature.parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            if name == "reduction":
                found[name] = draw.choice(("mean", "sum", "none"))
            elif name == "sample_weight":
                count = len(groups) if isinstance(made, Ranking) else n
                found[name] = weights(case, (count,), dtype)
            elif name.endswith("_lengths") and draw.chance(50):
                most = d if name == "input_lengths" else k
                lengths = arrays.numbers(draw, arrays.WEIGHTS, (n,), np.dtype(int), "anywhere")
                found[name] = lengths % (most + (2 if draw.chance(5) else 1))
            if name != "b" or draw.chance(30):
                continue
        shape = shapes.get(name, (n, d))
        if name == "groups":
            found[name] = groups
        elif isinstance(made, Survival) and name == "y_true":
            found[name] = _times(draw, made, n)
        elif name in ("y_true", "labels"):
            kinds = arrays.numbers(draw, arrays.WEIGHTS, shape, np.dtype(int), "anywhere") % k
            kinds += isinstance(made, losses.CTC)  # not the blank
            found[name] = 2 * (kinds % 2) - 1 if "first" in signature.parameters else kinds
        else:
            found[name] = arrays.numbers(draw, REAL, shape, dtype, flavour)
        if draw.chance(3):
            found[name] = odd_array(case, shape)
        elif draw.chance(10):
            found[name] = arrays.laid(draw, found[name])[0]
    return found


def _shapes(
    draw: Draw, made: Any, signature: Any, sizes: dict[str, int]
) -> dict[str, tuple[int, ...]]:
    """The shapes of parameters that are not of n rows and d columns."""
    n, d, k = sizes["n"], sizes["d"], sizes["k"]
    shapes = {"W": (d, k), "b": (k,), "centers": (k, d), "labels": (n,), "y_pred": (n,)}
    if isinstance(made, losses.CTC):
        return {"y_true": (n, k), "y_pred": (d, n, k + 1)}
    ranked = draw.chance(50) and "first" in signature.parameters  # pairs of elements, not of rows
    return shapes | {"y_true": (n, d) if ranked else (n,)}


def _times(draw: Draw, made: Survival, n: int) -> np.ndarray[Any, Any]:
    """Times in one axis or in two, of which some are as good as any bounds."""
    first = np.abs(arrays.numbers(draw, REAL, (n,), np.dtype(float), "usual")) + 0.1
    if draw.chance(30):
        return first * np.where(np.arange(n) % 3 == 1, -1, 1)
    if isinstance(made, losses.CoxPH):
        return np.stack([first, np.arange(n) % 2], axis=1)
    factor = np.array([1.0, 2.0, np.inf, 1 + 2**-40])[np.arange(n) % 4]
    return np.stack([first * (np.arange(n) % 5 != 1), first * factor], axis=1)
