"""Links: what a raw prediction means, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class Link:
    """A function of the mean that predictions are on the scale of, and its inverse."""

    text: str  # the inverse, as documentation has it
    inverse: Callable[[Array, int], Array]  # of predictions, the elements of a row along an axis
    link: Callable[[Array, int], Array]


def real_array(given: Any, name: str) -> Array:
    """An argument in the type that it is computed in."""
    array: Array = input_array(given, name)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size == 4 or size == 2 and kind not in "iub":  # of any byte order
        return array.astype(np.float32, copy=False)
    if kind not in "iubf":
        raise TypeError(f"{name} must hold real, integer or bool values; got dtype {array.dtype}")
    return array.astype(np.float64, copy=False)


def _expit(z: Array, axis: int) -> Array:
    from scipy.special import expit  # type: ignore[import-untyped, unused-ignore]

    return np.asarray(expit(z))


def _twice(z: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(2 * z)


def _logit(mu: Array, axis: int) -> Array:
    from scipy.special import logit

    return np.asarray(logit(mu))


def _log(mu: Array, axis: int) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):  # of 0 it is -inf, of -1 NaN
        return np.asarray(np.log(mu))


def _exp(z: Array, axis: int) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(z))


IDENTITY = Link("z", lambda z, axis: z, lambda mu, axis: mu)
LOGIT = Link("1/(1 + exp(-z))", _expit, _logit)
HALF_LOGIT = Link(
    "1/(1 + exp(-2*z))",
    lambda z, axis: _expit(_twice(z), axis),
    lambda mu, axis: np.asarray(_logit(mu, axis) / 2),
)
LOG = Link("exp(z)", _exp, _log)
SOFTMAX = Link("exp(z)/sum(exp(z))", lambda z, axis: softmax(z, axis=axis), _log)
