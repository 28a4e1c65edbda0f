"""Parameters from their declared ranges, and beyond them."""

from __future__ import annotations

import functools
import inspect
import math
import zlib
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from fastloss.domains import FLAG, NONNEGATIVE, Domain
from fastloss.losses import Loss, get_loss
from fastloss.losses.base import loss_class
from fastloss.losses.distributions import QUANTILES
from fastloss.losses.rows import AXIS, CLASSES, LABEL, POS_WEIGHT, WEIGHTS
from fuzzing.case import Case, failed, same
from fuzzing.draw import Draw

ODD: tuple[Any, ...] = (
    math.nan, math.inf, -math.inf, -1.0, -0.0, 0, 1, -1, True, False, None, "1", "nan", "", b"x",
    1j, 10**400, -(10**400), 2**63, Fraction(1, 3), Fraction(10**400, 3), Decimal("0.5"),
    Decimal("nan"), np.float32(0.5), np.float64("nan"), np.int64(2), np.uint8(1), np.bool_(True),
    np.array(0.5), np.array([0.5, 1.0]), [], (1.0,), {}, {1.0}, 5e-324, 1e-310, 1e308, 1.5, object,
)  # fmt: skip
PLAIN = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 0.0, -1.0, -0.3, 30.0)
VARIANTS = 10  # of each loss, that are made once


def inside(draw: Draw, domain: Domain) -> Any:
    """A number that a range holds."""
    if domain.integer:
        found = draw.choice((0, 1, 2, 3, 5, 10, 1000, 2**31, 2**63))
        return found if found in domain else 1
    low, high = domain.closed(np.float64)
    kind = draw.below(10)
    if kind < 6:
        found = draw.choice(PLAIN)
    elif kind == 6:
        found = draw.choice((low, high, math.nextafter(low, high), math.nextafter(high, low)))
    else:
        spread = 8 if kind < 9 else 300
        found = draw.choice((1, -1)) * 10.0 ** draw.between(-spread, spread) * draw.choice(PLAIN)
    return found if found in domain and math.isfinite(found) else domain.member


def odd(draw: Draw) -> Any:
    """What hardly any parameter may be."""
    return draw.choice(ODD)


def must_be_refused(domain: Domain, value: Any) -> bool:
    """Whether a number is out of a range for certain."""
    if type(value) is not float or domain.each or domain.labels:
        return False
    finite = math.isfinite(value) or domain.infinite and math.isinf(value)
    return domain.bounded and (not finite or value not in domain)


def _special(draw: Draw, domain: Domain, k: int) -> Any:
    """A parameter of a loss of rows, of k classes."""
    if domain is AXIS:
        return draw.choice((-1, -1, -1, -1, 0, 1, -2, 2))
    if domain is FLAG:
        return draw.chance(50)
    if domain is LABEL:
        return draw.choice((None, None, None, 0, 1, -1, -100, 255))
    if domain is CLASSES:
        named = [("a", "b", "c", "d", "e", "f", "g", "h")[:k], tuple(range(10, 10 + k))]
        return draw.choice((None, None, None, *named)) if 0 < k <= 8 else None
    if domain is QUANTILES:
        return tuple(draw.choice((0.0, 0.05, 0.25, 0.5, 0.9, 1.0)) for _ in range(k)) or (0.5,)
    if domain is POS_WEIGHT and draw.chance(50):
        return inside(draw, NONNEGATIVE)
    if domain is WEIGHTS and draw.chance(60):
        return None
    return tuple(draw.choice((0.5, 1.0, 2.0, 3.5, 0.0, 1e-30, 1e30)) for _ in range(k)) or (1.0,)


SPECIAL = (AXIS, FLAG, LABEL, CLASSES, POS_WEIGHT, QUANTILES, WEIGHTS)


def of_loss(draw: Draw, cls: Any, k: int, percent_odd: int) -> dict[str, Any]:
    """Arguments of a loss's constructor: some, each in its range or, now and then, not."""
    found = {}
    for name, domain in cls._ranges.items():
        if draw.chance(30):
            continue
        if draw.chance(percent_odd):
            found[name] = odd(draw)
        elif any(domain is special for special in SPECIAL):
            found[name] = _special(draw, domain, k)
        else:
            found[name] = inside(draw, domain)
    return found


@functools.cache
def variants(name: str) -> tuple[Loss, ...]:
    """A loss with its defaults, and with other parameters in their ranges."""
    draw = Draw(zlib.crc32(name.encode()))
    found = [get_loss(name)]
    for k in range(VARIANTS * 3):
        try:
            found.append(loss_class(name)(**of_loss(draw, loss_class(name), 2 + k % 5, 0)))
        except ValueError:  # parameters that do not go together
            continue
    return tuple(dict.fromkeys(found))[: VARIANTS + 1]


def loss(case: Case, name: str, kind: str) -> Any:
    """A loss of a name, mostly one that was made before; None if the constructor refuses."""
    draw = case.draw
    if draw.chance(92):
        found: Any = draw.choice(variants(name))
    else:
        found = _made(case, name, kind)
        if failed(found):
            return None
        _check_words(case, found, kind)
    case.inputs["loss"] = found
    return found


def _made(case: Case, name: str, kind: str) -> Any:
    cls: Any = loss_class(name)
    given = of_loss(case.draw, cls, case.draw.between(1, 5), 20)
    case.inputs["parameters"] = given
    case.watch(given)
    if case.draw.chance(50):
        found = case.call(f"{kind}.make", cls, **given)
    else:
        found = case.call(f"{kind}.get_loss", get_loss, name, **given)
    case.forget()
    wrong = [key for key, value in given.items() if must_be_refused(cls._ranges[key], value)]
    case.check(f"{kind}.make", "takes a parameter out of its range", failed(found) or not wrong)
    return found


def _check_words(case: Case, found: Any, kind: str) -> None:
    """A loss is what its spec, its repr and its pickle make."""
    import pickle

    again = case.call(f"{kind}.spec", lambda: get_loss(found.spec))
    if not failed(again) or found.parameters.get("classes") is None:
        case.check(f"{kind}.spec", "spec makes another loss", again == found, found, again)
    again = case.call(f"{kind}.pickle", lambda: pickle.loads(pickle.dumps(found)))
    case.check(f"{kind}.pickle", "a pickle makes another loss", again == found, found, again)
    case.check(f"{kind}.pickle", "equal losses differ in hash", hash(again) == hash(found))
    case.check(f"{kind}.make", "repr() is not stable", same(repr(again), repr(found)))


@functools.cache
def signature(cls: Any) -> dict[str, Any]:
    """The parameters of a constructor and their defaults."""
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}
