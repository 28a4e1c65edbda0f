"""Arrays of state, in the parameter's dtype or in fewer bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STATE_DTYPES = (None, "bfloat16", "float32", "float64")


def check_state_dtype(given: Any) -> str | None:
    """What `state_dtype` says, if it is one of those that there are."""
    if given is not None and (not isinstance(given, str) or given not in STATE_DTYPES):
        known = ", ".join(map(repr, STATE_DTYPES))
        raise ValueError(f"state_dtype must be one of {known}; got {given!r}")
    return given


def make_state(
    parameter: NDArray[Any],
    name: str,
    initial: float,
    state_dtype: str | None,
    shape: tuple[int, ...],
) -> NDArray[Any]:
    """State in the memory order of a parameter, all of it at its initial value."""
    if state_dtype is None or state_dtype == parameter.dtype:
        return np.full_like(parameter, initial, subok=False, shape=shape)
    if state_dtype == "bfloat16" and parameter.dtype == np.float32:
        bits = bfloat16_bits(initial)
        return np.full_like(parameter, bits, dtype=np.uint16, subok=False, shape=shape)
    wanted = "float32" if state_dtype == "bfloat16" else state_dtype
    raise TypeError(
        f"state_dtype={state_dtype!r} is for parameters of {wanted}; "
        f"params{name} is {parameter.dtype}"
    )


def bfloat16_bits(value: float) -> int:
    """The bits of the nearest bfloat16, of two equally near the even one."""
    bits = int(np.float32(value).view(np.uint32))
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
