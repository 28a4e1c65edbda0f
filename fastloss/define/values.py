"""What formulas are, by NumPy in float64."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastloss.define.formulas import DECAY, DECAY_LESS_1, SHARE, Node, needed

_FUNCTIONS: dict[str, Any] = {
    "neg": np.negative, "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
    "**": np.power, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal, "and": np.logical_and, "or": np.logical_or,
    "not": np.logical_not, "where": np.where, "min": np.minimum, "max": np.maximum,
    DECAY: lambda x: np.exp(-abs(x)), DECAY_LESS_1: lambda x: np.expm1(-abs(x)),
    SHARE: lambda e: 1 / (1 + e), "softplus": lambda x, e: np.maximum(x, 0) + np.log1p(e),
    "sigmoid": lambda x, e, share: np.where(x > 0, 1, e) * share, "tanh": lambda x, m: np.tanh(x),
    "bell": lambda x, e, share: e * share * share,
    "logcosh": lambda x, m: abs(x) + np.log1p(np.exp(-2 * abs(x))) - math.log(2),
}  # fmt: skip


def evaluated(roots: Iterable[Node], y: Any, z: Any, parameters: Mapping[str, float]) -> list[Any]:
    """What nodes are, by NumPy in float64."""
    roots = list(roots)
    found: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        for node in needed(roots):
            if node.op in ("y", "z"):
                found[node] = y if node.op == "y" else z
            elif node.op == "number":
                found[node] = node.value
            elif node.op == "parameter":
                found[node] = parameters[str(node.value)]
            else:
                function = _FUNCTIONS.get(node.op) or getattr(np, node.op)
                found[node] = function(*(np.float64(found[arg]) for arg in node.args))
    return [np.broadcast_to(found[root], np.shape(z)) for root in roots]
