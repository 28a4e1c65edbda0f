"""What an optimizer keeps of an array: its state, and the float32 of one in fewer bytes."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastloss._core import nearest_bfloat16, nearest_eight, state_chunk

Array: TypeAlias = NDArray[Any]

ROUNDED = ("bfloat16", "8bit")
STATE_DTYPES = (None, *ROUNDED, "float32", "float64")


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


def check_fits(parameter: Array, label: str, state_dtype: str | None) -> None:
    """An error unless steps of a parameter are in the dtype that its state is rounded from."""
    own = step_dtype(parameter)
    wanted = own if state_dtype is None else "float32" if state_dtype in ROUNDED else state_dtype
    if own != wanted:
        raise TypeError(
            f"state_dtype={state_dtype!r} is for steps in {wanted}; those of params{label}, which "
            f"is {parameter.dtype}, are in {own}"
        )


def make_state(
    parameter: Array,
    name: str,
    initial: float,
    state_dtype: str | None,
    shape: tuple[int, ...],
) -> dict[str, Array]:
    """A state in the memory order of its parameter, all of it at its initial value; and the
    scales that it needs, if any."""

    def full(value: float, dtype: Any) -> Array:
        return np.full_like(parameter, value, dtype=dtype, subok=False, shape=shape)

    if state_dtype == "bfloat16":
        return {name: full(nearest_bfloat16(initial), np.uint16)}
    if state_dtype == "8bit":
        code, scale = nearest_eight(initial)
        chunks = -(-math.prod(shape) // state_chunk)
        return {name: full(code, np.uint8), f"{name}_scale": np.full(chunks, scale, np.float32)}
    return {name: full(initial, step_dtype(parameter))}
