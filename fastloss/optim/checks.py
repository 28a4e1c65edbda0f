"""Checks of what optimizers are given: an error names it, what was expected, and what came."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastloss.domains import Domain
from fastloss.optim.stored import Array, is_low, step_dtype


def check_parameter(array: Any, name: str) -> None:
    """An error unless the array can be updated in place."""
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a numpy.ndarray; got {type(array).__name__}")
    if not (array.dtype in (np.float32, np.float64) or is_low(array)) or not array.dtype.isnative:
        raise TypeError(
            f"{name} must be a native float32, float64, float16 or bfloat16; got "
            f"{array.dtype}, of which .astype('float32') makes an array that can be updated"
        )
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only; it is to be updated in place")
    if not array.flags.forc or not array.flags.aligned:
        raise ValueError(
            f"{name} must be contiguous, in C or Fortran order, and aligned, to be updated in "
            f"place; got shape {array.shape} and strides {array.strides}"
        )


def check_apart(arrays: Sequence[Array], names: Sequence[str]) -> None:
    """An error if two of the arrays share memory."""
    spans = sorted(
        (array.ctypes.data, array.ctypes.data + array.nbytes, name)
        for array, name in zip(arrays, names, strict=True)
        if array.nbytes
    )
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise ValueError(f"params{first} and params{second} share memory")


def check_number(name: str, value: Any, domain: Domain) -> float:
    number: float = domain.parameter(name, value)
    return number


def check_flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def check_tuple(name: str, value: Any, domains: Sequence[Domain]) -> tuple[float, ...]:
    """An option that is several numbers."""
    if not isinstance(value, (tuple, list)) or len(value) != len(domains):
        kind = {2: "a pair of numbers"}.get(len(domains), f"{len(domains)} numbers")
        raise TypeError(f"{name} must be {kind}; got {value!r}")
    return tuple(
        check_number(f"{name}[{i}]", x, domain)
        for i, (x, domain) in enumerate(zip(value, domains, strict=True))
    )


def check_numbers(options: Mapping[str, Any], array: Array, label: str) -> None:
    """An error if the dtype of an array rounds to 0 or to infinity what must not be."""
    dtype = step_dtype(array)
    for name, value in options.items():
        if not isinstance(value, float):
            continue
        with np.errstate(over="ignore"):
            rounded = dtype.type(value)
        if np.isinf(rounded) or (name in ("eps", "lr") and value > 0 and rounded == 0):
            raise ValueError(
                f"{name} = {value!r} is {rounded:g} in {dtype}, which steps of {label} are in"
            )


def check_prox(options: Mapping[str, Any], array: Array, label: str) -> None:
    """An error unless the penalty takes proximal steps of an array, in place, if it is to."""
    penalty: Any = options.get("penalty")
    if not has_prox_only(penalty):
        return
    if is_low(array):
        raise TypeError(
            f"{label} must be float32 or float64 for the proximal step of {penalty!r}; "
            f"got {array.dtype}"
        )
    if not array.flags.c_contiguous:
        raise ValueError(f"{label} must be C-contiguous for the proximal step of {penalty!r}")
    zeros = np.zeros_like(array)
    try:
        result = penalty.prox(zeros, 0.0, out=zeros)
    except (TypeError, ValueError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(
            f"{type(penalty).__name__} does not fit {label}: {error}; groups of parameters may "
            f"have penalties of their own"
        ) from error
    if result is not None and result is not zeros:
        raise TypeError(
            f"prox of {penalty!r} must write its result into out, and return out or None; "
            f"it returned another {type(result).__name__}"
        )


def has_prox_only(penalty: Any) -> bool:
    return penalty is not None and not hasattr(penalty, "l1") and not hasattr(penalty, "l2")


def check_keys(name: str, given: Any, wanted: Collection[Any]) -> None:
    wanted = dict.fromkeys(wanted)
    known = ", ".join(map(repr, wanted)) or "none"
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} must be a dict with the keys {known}; got {type(given).__name__}")
    for key in wanted:
        if key not in given:
            raise ValueError(f"{name} lacks the key {key!r}; its keys must be {known}")
    for key in given:
        if key not in wanted:
            raise ValueError(f"{name} must not have the key {key!r}; its keys must be {known}")


def check_like(name: str, given: Any, wanted: Array) -> None:
    if isinstance(given, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; a plain one is wanted, such as its .filled(0)")
    shape, dtype = np.shape(given), getattr(given, "dtype", type(given).__name__)
    if shape != wanted.shape or dtype != wanted.dtype:
        raise ValueError(
            f"{name} must have shape {wanted.shape} and dtype {wanted.dtype}; "
            f"got {shape} and {dtype}"
        )
