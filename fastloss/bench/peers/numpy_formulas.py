"""What the formulas for NumPy are, and what those of more than one family share.

They are written well: they do not overflow, and work in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastloss.bench.cases import Array
from fastloss.bench.peers.base import Arrays

# A formula takes targets y, predictions z, the factor m = 1/n of the mean, `new` that gives an
# array to write to, and the loss's parameters. It gives three functions: the mean loss, its
# gradient, and, but for losses of rows, the gradient together with the Hessian's diagonal. What
# they share is computed first. One of the latter two is called last, so they may overwrite what
# they share.
Formula = Callable[..., Sequence[Callable[[], Any]]]

FORMULAS: dict[str, Formula] = {}

# Below what matters, above where float32 underflows: 0 * log(TINY) is 0, as is 0 / TINY.
TINY = 1e-37


def formula(*names: str) -> Callable[[Formula], Formula]:
    def register(function: Formula) -> Formula:
        FORMULAS.update(dict.fromkeys(names, function))
        return function

    return register


def filled(value: float, new: Arrays) -> Array:
    out = new()
    out.fill(value)
    return out


def booleans(new: Arrays) -> Array:
    """An array of booleans, in the memory of another."""
    out = new()
    return out.view(np.bool_)[: out.size]


def log_ratio(ratio: Array, new: Arrays) -> Array:
    """Its logarithm, finite at 0."""
    log = ratio.clip(TINY, np.inf, out=new())
    return np.log(log, out=log)


def raised(x: Array, exponent: float, out: Array) -> Array:
    if exponent == 2:
        return np.square(x, out=out)
    if abs(exponent) == 0.5:
        np.sqrt(x, out=out)
        return out if exponent > 0 else np.reciprocal(out, out=out)
    return np.power(x, exponent, out=out)
