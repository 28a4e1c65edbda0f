"""What an optimizer keeps of an array: its state, and the float32 of one in fewer bytes."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

ROUNDED = ("bfloat16", "8bit")
STATE_DTYPES = (None, *ROUNDED, "float32", "float64")
CHUNK = 256  # numbers that share a scale


def check_state_dtype(given: Any) -> str | None:
    """What `state_dtype` says, if it is one of those that there are."""
    if given is not None and (not isinstance(given, str) or given not in STATE_DTYPES):
        known = ", ".join(map(repr, STATE_DTYPES))
        raise ValueError(f"state_dtype must be one of {known}; got {given!r}")
    return given


def is_low(array: Array) -> bool:
    """Whether steps go to a float32 copy of an array, and the array is rounded from it."""
    return array.dtype.name in ("float16", "bfloat16")


def step_dtype(array: Array) -> np.dtype[Any]:
    """What steps of an array are computed in."""
    return np.dtype(np.float32) if is_low(array) else array.dtype


def make_state(
    parameter: Array,
    label: str,
    name: str,
    initial: float,
    state_dtype: str | None,
    shape: tuple[int, ...],
) -> dict[str, Array]:
    """A state in the memory order of its parameter, all of it at its initial value; and the
    scales that it needs, if any."""
    own = step_dtype(parameter)
    wanted = own if state_dtype is None else "float32" if state_dtype in ROUNDED else state_dtype
    if own != wanted:
        raise TypeError(
            f"state_dtype={state_dtype!r} is for steps in {wanted}; those of params{label}, which "
            f"is {parameter.dtype}, are in {own}"
        )

    def full(value: float, dtype: Any) -> Array:
        return np.full_like(parameter, value, dtype=dtype, subok=False, shape=shape)

    if state_dtype == "bfloat16":
        return {name: full(bfloat16_bits(initial), np.uint16)}
    if state_dtype == "8bit":
        code, scale = eight_bits(initial)
        chunks = -(-math.prod(shape) // CHUNK)
        return {name: full(code, np.uint8), f"{name}_scale": np.full(chunks, scale, np.float32)}
    return {name: full(initial, own)}


def bfloat16_bits(value: float) -> int:
    """The bits of the nearest bfloat16, of two equally near the even one."""
    bits = int(np.float32(value).view(np.uint32))
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def eight_bits(value: float) -> tuple[int, float]:
    """A code and a scale for numbers that are all the same, positive or 0: the nearest."""
    if value == 0:
        return 0, 0.0
    unit = math.ldexp(1.0, max(math.frexp(value)[1] - 33, -126))
    if value < 8 * unit:
        return max(round(value / unit), 1), -unit
    fraction, exponent = math.frexp(value / unit)
    return (exponent - 3 << 3) + round(16 * fraction) - 8, -unit
