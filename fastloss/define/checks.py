"""What is tried when a loss is defined: its code against the formula in NumPy, at some points."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from fastloss.define.definition import Definition
from fastloss.define.formulas import FormulaError, Node
from fastloss.define.values import evaluated
from fastloss.domains import Domain
from fastloss.losses.base import Pointwise

POINTS = (0.0, 1.0, -1.0, 0.5, -0.25, 0.125, 0.875, 2.5, -3.0, 7.0, -9.5, 20.0)
CLOSE = 1e-6  # of a formula that is given and the derivative, relative to their terms


class Nodes(Protocol):
    """What a loss computes with some parameters."""

    def nodes(self, parameters: Mapping[str, float]) -> list[Node]: ...

    def derivative(self, node: Node) -> Node: ...


def check(definition: Definition, cls: type[Pointwise], variants: Nodes) -> None:
    """Raise or warn of what a loss should not do at points of its domain."""
    y, z = _pairs(definition)
    for parameters in _choices(definition):
        loss = cls(**parameters)
        place = _Place(definition.name, y, z, parameters)
        value, grad, hess, majorant = variants.nodes(parameters)
        derivatives = variants.derivative(value), variants.derivative(grad)
        roots = [value, grad, hess, *derivatives, majorant]
        expected = evaluated(roots, y, z, parameters)
        _check_value(place, expected[0], _at_end(definition.y, y) | _at_end(definition.z, z))
        for name, given, derived in zip(
            ("grad", "hess"), expected[1:3], expected[3:5], strict=True
        ):
            if getattr(definition, name) is not None:
                _check_given(place, name, given, derived)
            bad = ~np.isfinite(given)
            if bad.any():
                warnings.warn(f"{place(bad)}, {name} is {given[bad][0]}", stacklevel=5)
        if (expected[5] < 0).any():
            raise ValueError(f"{place(expected[5] < 0)}, the majorant is negative")
        computed = loss(y, z, reduction="none"), *loss.grad_and_hess(y, z, reduction="none")
        for name, ours, theirs in zip(("value", "grad", "hess"), computed, expected, strict=False):
            _check_code(place, name, ours, theirs)


class _Place:
    """Words for the first point where something is so."""

    def __init__(self, name: str, y: Any, z: Any, parameters: Mapping[str, float]) -> None:
        self._name, self._y, self._z, self._parameters = name, y, z, parameters

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
    bad = value < 0
    if bad.any():
        warnings.warn(f"{place(bad)}, the loss is negative: {value[bad][0]:.6g}", stacklevel=6)


def _check_given(place: _Place, name: str, given: Any, derived: Any) -> None:
    with np.errstate(all="ignore"):
        bad = np.abs(given - derived) > CLOSE * (np.abs(given) + np.abs(derived) + 1)
    if bad.any():
        raise FormulaError(
            f"{place(bad)}, {name}= is {given[bad][0]:.6g}, and the derivative "
            f"{derived[bad][0]:.6g}"
        )


def _check_code(place: _Place, name: str, ours: Any, theirs: Any) -> None:
    """Of what the compiler made: far off is a fault, of it or of us."""
    with np.errstate(all="ignore"):
        bad = ~(np.abs(ours - theirs) <= 1e-3 * (np.abs(theirs) + 1)) & np.isfinite(theirs)
    if bad.any():
        raise RuntimeError(
            f"{place(bad)}, the compiled {name} is {ours[bad][0]}, and should be {theirs[bad][0]}"
        )


def _pairs(definition: Definition) -> tuple[Any, Any]:
    pairs = itertools.product(inside(definition.y), inside(definition.z))
    y, z = np.array(list(pairs)).T
    return np.ascontiguousarray(y), np.ascontiguousarray(z)


def inside(where: Domain) -> list[float]:
    """Numbers in a domain: those of everyday size, its ends, and some between them."""
    low, high = max(where.low, -1e3), min(where.high, 1e3)
    found = [x for x in POINTS if x in where]
    found += [float(x) for x in np.linspace(low, high, 5) if where.bounded and float(x) in where]
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
