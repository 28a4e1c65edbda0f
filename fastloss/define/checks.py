"""What is tried when a loss is defined: its code against the formula in NumPy, at some points."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastloss.define.build import CompileError
from fastloss.define.definition import Definition, completed
from fastloss.define.formulas import FormulaError
from fastloss.define.values import evaluated
from fastloss.domains import Domain
from fastloss.losses.base import Pointwise

POINTS = (0.0, 1.0, -1.0, 0.5, -0.25, 0.125, 0.875, 2.5, -3.0, 7.0, -9.5, 20.0)
LARGE = 1e30  # from here on float32 may well overflow
NOISE = 1e-9  # by which rounding may make a loss negative
CLOSE = 1e-6  # of a formula that is given and the derivative, relative to their terms


def check(definition: Definition, cls: type[Pointwise]) -> None:
    """Raise or warn of what a loss should not do at points of its domain."""
    y, z = _pairs(definition)
    for parameters in _choices(definition):
        _check_loss(definition, cls(**parameters), y, z)


def _check_loss(definition: Definition, loss: Pointwise, y: Any, z: Any) -> None:
    graph, nodes = completed(definition, loss.parameters)
    derived = [graph.derivative(nodes[0]), graph.derivative(nodes[1])]
    value, grad, hess, majorant, *derivatives = evaluated([*nodes, *derived], y, z, loss.parameters)
    place = _Place(definition.name, y, z, loss.parameters)
    _check_value(place, value, _at_end(definition.y, y) | _at_end(definition.z, z))
    for name, given, expected in zip(("grad", "hess"), (grad, hess), derivatives, strict=True):
        if getattr(definition, name) is not None:
            _check_given(place, name, given, expected)
        bad = ~np.isfinite(given)
        if bad.any():
            warnings.warn(
                f"{place(bad)}, {name} is {given[bad][0]}: {name}= takes a formula for it",
                stacklevel=6,
            )
    bad = ~((majorant >= 0) & np.isfinite(majorant))
    if definition.majorant is not None and bad.any():
        raise ValueError(
            f"{place(bad)}, the majorant is {majorant[bad][0]:g}: it has to be a number, 0 or more"
        )
    for dtype in (np.float64, np.float32):
        pair = y.astype(dtype), z.astype(dtype)
        there = _inside(definition.y, pair[0]) & _inside(definition.z, pair[1])
        computed = _computed(loss, *(x[there] for x in pair))
        theirs = [x[there] for x in (value, grad, hess, majorant)]
        _check_code(place.those(there), computed, theirs, dtype)


def _inside(where: Domain, x: Any) -> Any:
    """Which numbers lie in a domain, as their own type has its ends."""
    low, high = where.closed(x.dtype.type)
    size = np.abs(x) if where.absolute else x
    return (size >= low) & (size <= high)


class _Place:
    """Words for the first point where something is so."""

    def __init__(self, name: str, y: Any, z: Any, parameters: Mapping[str, float]) -> None:
        self._name, self._y, self._z, self._parameters = name, y, z, parameters

    def those(self, there: Any) -> _Place:
        return _Place(self._name, self._y[there], self._z[there], self._parameters)

    def __call__(self, bad: Any) -> str:
        k = int(np.argmax(bad))
        point = {"y": float(self._y[k]), "z": float(self._z[k]), **self._parameters}
        return f"{self._name}: at " + ", ".join(f"{key}={x:g}" for key, x in point.items())


def _at_end(where: Domain, x: Any) -> Any:
    size = np.abs(x) if where.absolute else x
    return (size == where.low) | (size == where.high)


def _check_value(place: _Place, value: Any, at_end: Any) -> None:
    bad = ~(np.isfinite(value) | (value == math.inf) & at_end)  # as -log(z) is at 0
    if bad.any():
        raise ValueError(
            f"{place(bad)}, the loss is {value[bad][0]}: choose domains (y=, z=, domain(...)) that "
            "leave such points out, or another form"
        )
    bad = value < -NOISE
    if bad.any():
        warnings.warn(f"{place(bad)}, the loss is negative: {value[bad][0]:.6g}", stacklevel=7)


def _check_given(place: _Place, name: str, given: Any, derived: Any) -> None:
    with np.errstate(all="ignore"):
        close = np.abs(given - derived) <= CLOSE * (np.abs(given) + np.abs(derived) + 1)
    bad = ~close & np.isfinite(derived)
    if bad.any():
        raise FormulaError(
            f"{place(bad)}, {name}= is {given[bad][0]:.6g}, and the derivative "
            f"{derived[bad][0]:.6g}"
        )


def _computed(loss: Pointwise, y: Any, z: Any) -> list[Any]:
    value = loss(y, z, reduction="none", nan_policy="propagate")
    grad, hess = loss.grad_and_hess(y, z, reduction="none")
    return [value, grad, hess, loss.grad_and_hess(y, z, reduction="none", hessian="majorant")[1]]


def _check_code(place: _Place, ours: list[Any], theirs: list[Any], dtype: Any) -> None:
    """Of what the compiler made: far off is a fault, of it or of us; but float32 has its ends."""
    for name, got, expected in zip(
        ("value", "grad", "hess", "majorant"), ours, theirs, strict=True
    ):
        with np.errstate(all="ignore"):
            far = ~(np.abs(got - expected) <= 1e-3 * (np.abs(expected) + 1))
            bad = far & np.isfinite(expected)
        if dtype is np.float32:
            bad &= ~np.isfinite(got) & (np.abs(expected) < LARGE)
        if bad.any() and dtype is np.float32:
            warnings.warn(f"{place(bad)}, {name} in float32 is {got[bad][0]}", stacklevel=7)
        elif bad.any():
            raise CompileError(
                f"{place(bad)}, the compiled {name} is {got[bad][0]}, and should be "
                f"{expected[bad][0]}"
            )


def _pairs(definition: Definition) -> tuple[Any, Any]:
    pairs = itertools.product(inside(definition.y), inside(definition.z))
    y, z = np.array(list(pairs)).T
    return np.ascontiguousarray(y), np.ascontiguousarray(z)


def inside(where: Domain) -> list[float]:
    """Numbers in a domain: those of everyday size, its ends, and some between them."""
    if where.absolute:
        sizes = [x for x in (where.low, where.high) if x in where and math.isfinite(x)]
        return [x for x in POINTS if x in where] + sizes + [-x for x in sizes]
    low = (
        where.low if where.low > -math.inf else min(where.high, 1e3) - 1e3 if where.bounded else 0.0
    )
    high = where.high if where.high < math.inf else low + 1e3
    found = [x for x in POINTS if x in where]
    if where.bounded:
        parts = (0.0, 1e-3, 0.01, 0.25, 0.5, 0.75, 1.0)
        found += [x for x in (low + part * (high - low) for part in parts) if x in where]
    return list(dict.fromkeys(found))


def _choices(definition: Definition) -> list[dict[str, float]]:
    """The defaults, and each parameter varied by itself."""
    usual = {key: float(p.default or 0) for key, p in definition.parameters}
    varied = [
        usual | {key: x}
        for key, p in definition.parameters
        for x in (1.0, 0.5, 2.5)
        if x in p.range
    ]
    return [usual, *varied]
