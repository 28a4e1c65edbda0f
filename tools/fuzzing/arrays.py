"""Arrays to call with: numbers of every kind, of every dtype, in every layout."""

from __future__ import annotations

import functools
import math
import zlib
from typing import Any

import ml_dtypes
import numpy as np

from fastloss.domains import REAL, Domain
from fuzzing.draw import Draw

SIZE = 6144  # numbers of a kind that are drawn once, of which cases take some
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
# every dtype that arrays may have, once for each of NumPy's numbers: two may be of the same name
WHOLE = tuple({np.dtype(x).num: np.dtype(x) for x in (*np.typecodes["AllInteger"], "?")}.values())
ACCEPTED = (*FLOATS * 12, *HALVES * 2, *WHOLE)  # those that matter most are drawn most

FLAVOURS = ("usual", "usual", "usual", "usual", "whole", "anywhere", "anywhere", "broken", "wild")
INSIDE = ("usual", "whole", "anywhere")  # without NaN, infinities and what is out of the domain
WEIGHTS = Domain("[0, inf)", low=0)
SHARES = Domain("[0, 1]", low=0, high=1)

FEW = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 20, 31, 32, 33, 40, 50, 63, 64, 65, 70)
BORDERS = (511, 512, 513, 600, 1024, 2047, 2048, 2049, 3000, 4096, 4097, 5000)


def size(draw: Draw) -> int:
    """How many elements: mostly few, now and then so many that blocks and threads come in."""
    kind = draw.below(32)
    if kind == 0:
        return 0
    return draw.choice(BORDERS) if kind == 1 else draw.choice(FEW)


def shape(draw: Draw, n: int) -> tuple[int, ...]:
    """About n elements along one axis, or several, or none."""
    kind = draw.below(20)
    if kind == 0:
        return ()
    if kind < 14:
        return (n,)
    rows = draw.between(1, 7)
    if kind < 18:
        return (n // rows, rows) if draw.chance(50) else (rows, n // rows)
    return (draw.between(1, 3), max(n // 6, n and 1), 2)


# ---- numbers -----------------------------------------------------------------------------------


def numbers(
    draw: Draw, domain: Domain, shape: tuple[int, ...], dtype: np.dtype[Any], flavour: str
) -> np.ndarray:
    """A new contiguous array."""
    pool = _pool(domain, flavour, dtype)
    n = math.prod(shape)
    if n >= SIZE:
        return np.resize(pool, n).reshape(shape)
    start = draw.below(SIZE - n)
    return pool[start : start + n].copy().reshape(shape)


@functools.cache
def _pool(domain: Domain, flavour: str, dtype: np.dtype[Any]) -> np.ndarray:
    """Numbers of a kind, which depend on nothing but the kind."""
    rng = np.random.default_rng(zlib.crc32(f"{domain!r} {flavour} {dtype}".encode()))
    with np.errstate(all="ignore"):
        if dtype in FLOATS:
            return _drawn(rng, domain, flavour, dtype)
        if dtype in HALVES:
            return _drawn(rng, domain, flavour, np.dtype(np.float32)).astype(dtype)
        return _drawn_integers(rng, domain, flavour, dtype)


def _inside(domain: Domain, x: np.ndarray) -> np.ndarray:
    sizes = np.abs(x) if domain.absolute else x
    low, high = domain.closed(np.float32 if x.dtype == np.float32 else np.float64)
    found = x[(sizes >= low) & (sizes <= high) & np.isfinite(sizes)]
    return found if len(found) else np.array([domain.member], x.dtype)


def _drawn(rng: Any, domain: Domain, flavour: str, dtype: np.dtype[Any]) -> np.ndarray:
    info = np.finfo(dtype)
    ends = [domain.low, domain.high, domain.member, -domain.high]
    if flavour == "wild":
        special = [math.nan, math.inf, -math.inf, -0.0]
        some = np.concatenate([_anywhere(rng, dtype), np.repeat(np.array(special, dtype), 40)])
        return rng.choice(some, SIZE)
    if flavour == "whole":
        some = rng.integers(-3, 12, SIZE).astype(dtype)
    elif flavour == "anywhere":
        some = np.concatenate([_anywhere(rng, dtype), np.array(ends * 20).astype(dtype)])
    else:
        usual = [rng.uniform(0, 1, SIZE), rng.normal(0, 3, SIZE), rng.choice([-1.0, 1.0], SIZE)]
        some = np.concatenate(usual).astype(dtype)
    found = rng.choice(_inside(domain, some), SIZE)
    if flavour == "broken":
        spoilt = [math.nan, math.nan, math.inf, -math.inf, -0.0, info.smallest_subnormal, info.max]
        places = rng.random(SIZE) < 0.04
        found[places] = rng.choice(np.array([*spoilt, *ends], dtype), places.sum())
    return found


def _anywhere(rng: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """Numbers of all magnitudes and both signs."""
    info = np.finfo(dtype)
    bottom, top = math.log(float(info.smallest_subnormal)), math.log(float(info.max))
    special = [0, 1, 0.5, 2, 3, 10, 100, info.smallest_subnormal, info.tiny, info.eps, info.max]
    special += [1 - info.epsneg, 1 + info.eps, info.max / 2, top, info.tiny / 4]
    drawn = [
        np.exp(rng.uniform(bottom, top, SIZE // 2)),
        1 - np.exp(rng.uniform(-top / 3, 0, SIZE // 4)),
        rng.uniform(0, top, SIZE // 4),
        np.repeat(special, 8),
    ]
    x = np.concatenate(drawn).astype(dtype)
    return np.concatenate([x, -x])


def _drawn_integers(rng: Any, domain: Domain, flavour: str, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "b":
        return rng.integers(0, 2, SIZE).astype(dtype)
    info = np.iinfo(dtype)
    few = max(info.min, -3), min(info.max, 12)
    found = rng.integers(*few, SIZE, dtype=dtype, endpoint=True)
    if flavour in ("anywhere", "wild"):
        far = rng.integers(info.min, info.max, SIZE, dtype=dtype, endpoint=True)
        found = rng.choice(np.concatenate([found, far]), SIZE)
    if flavour == "wild":
        return found
    fit = found[np.isin(found, _inside(domain, found.astype(np.float64)).astype(dtype))]
    return rng.choice(fit, SIZE) if len(fit) else found


def refused(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    """An array of a dtype that is none of numbers that are computed with."""
    kind = draw.choice(
        ("c8", "c16", "O", "U3", "S3", "g", "M8[s]", "m8[s]", "float8", "structure", "V3")
    )
    if kind == "float8":
        return np.ones(shape, ml_dtypes.float8_e4m3fn)
    if kind == "structure":
        return np.ones(shape, [("a", float), ("b", int)])
    return np.zeros(shape, kind) if kind in ("U3", "S3", "V3") else np.ones(shape, kind)


# ---- layouts -----------------------------------------------------------------------------------
# Each takes a contiguous array and gives one of the same numbers, and the memory that it lies in.


def _contiguous(x: np.ndarray) -> tuple[Any, np.ndarray]:
    copy = x.copy()
    return copy, copy


def _strided(x: np.ndarray) -> tuple[Any, np.ndarray]:
    memory = np.ones((*x.shape, 2), x.dtype)
    memory[..., 0] = x
    return memory[..., 0], memory


def _reversed(x: np.ndarray) -> tuple[Any, np.ndarray]:
    if x.ndim == 0:
        return _contiguous(x)
    back = (slice(None, None, -1),) * x.ndim
    memory = x[back].copy()
    return memory[back], memory


def _fortran(x: np.ndarray) -> tuple[Any, np.ndarray]:
    memory = x.T.copy()
    return memory.T, memory


def _turned(x: np.ndarray) -> tuple[Any, np.ndarray]:
    """The first axis is the innermost in memory."""
    if x.ndim < 2:
        return _contiguous(x)
    memory = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    return np.moveaxis(memory, -1, 0), memory


def _swapped(x: np.ndarray) -> tuple[Any, np.ndarray]:
    if x.dtype.kind == "V":  # of bfloat16 there is one order
        return _contiguous(x)
    memory = x.astype(x.dtype.newbyteorder())
    return memory, memory


def _unaligned(x: np.ndarray) -> tuple[Any, np.ndarray]:
    memory = np.empty(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view, memory


def _read_only(x: np.ndarray) -> tuple[Any, np.ndarray]:
    memory = x.copy()
    memory.flags.writeable = False
    return memory, memory


class _Own(np.ndarray):
    """A subclass that does nothing."""


def _subclass(x: np.ndarray) -> tuple[Any, np.ndarray]:
    memory = x.copy()
    return memory.view(_Own), memory


class _Holder:
    """What has an array inside."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


def _held(x: np.ndarray) -> tuple[Any, np.ndarray]:
    memory = x.copy()
    return _Holder(memory), memory


def _listed(x: np.ndarray) -> tuple[Any, Any]:
    if x.dtype != np.float64 or x.ndim == 0 or x.size == 0:  # others come back as other dtypes
        return _contiguous(x)
    found = x.tolist()
    return found, found


LAYOUTS = (
    _strided, _reversed, _fortran, _turned, _swapped, _unaligned, _read_only, _subclass, _held,
    _listed,
)  # fmt: skip
OF_OBJECTS = (_strided, _reversed, _fortran, _read_only)
WRITEABLE = (_contiguous, _strided, _reversed, _fortran, _turned, _swapped, _unaligned)


def laid(draw: Draw, x: np.ndarray | None) -> tuple[Any, Any]:
    """The same numbers in another layout, and their memory; None stays None."""
    if x is None:
        return None, None
    return draw.choice(OF_OBJECTS if x.dtype.hasobject else LAYOUTS)(x)


def broadcast(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first number everywhere, by strides of 0; and the same as an array of its own."""
    one = x.reshape(-1)[:1].copy().reshape(())
    view = np.broadcast_to(one, x.shape)
    return view, view.copy()


def room(draw: Draw, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Any, np.ndarray]:
    """An array to write to, and the memory around it; all of it holds 7."""
    kind = draw.below(8)
    if kind < 5:  # with something before and behind it
        n = math.prod(shape)
        memory = np.full(n + 32, 7, dtype)
        return memory[16 : 16 + n].reshape(shape), memory
    if kind == 5:
        memory = np.full((*shape, 2), 7, dtype)
        return memory[..., 1], memory
    view, _ = draw.choice(WRITEABLE)(np.full(shape, 7, dtype))
    return view, view


def untouched(view: np.ndarray, memory: np.ndarray) -> bool:
    """Whether the memory around what `room` gave still holds 7."""
    if memory is view:
        return True
    before = view.copy()
    view[...] = 7
    kept = bool((memory == 7).all())
    view[...] = before
    return kept


def computed(array: np.ndarray) -> np.dtype[Any]:
    """What predictions of a dtype are computed in."""
    small = array.dtype == np.float32 or array.dtype in HALVES
    return FLOATS[1] if small else FLOATS[0]


ANY = REAL
