"""Formulas to 50 digits."""

import mpmath

from fastloss.define.formulas import DECAY, DECAY_LESS_1, SHARE, needed

MP = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b, "neg": lambda a: -a, "**": mpmath.power, "exp": mpmath.exp,
    "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p, "sqrt": mpmath.sqrt,
    "abs": abs, "sign": mpmath.sign, "tanh": lambda x, m: mpmath.tanh(x), "sinh": mpmath.sinh,
    "cosh": mpmath.cosh, "sigmoid": lambda x, e, share: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x, e: mpmath.log(1 + mpmath.exp(x)),
    "logcosh": lambda x, m: mpmath.log(mpmath.cosh(x)), DECAY: lambda x: mpmath.exp(-abs(x)),
    "bell": lambda x, e, share: e * share * share,
    DECAY_LESS_1: lambda x: mpmath.expm1(-abs(x)), SHARE: lambda e: 1 / (1 + e),
    "logaddexp": lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)), "min": min, "max": max,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "and": lambda a, b: a and b, "or": lambda a, b: a or b, "not": lambda a: not a,
    "where": lambda c, a, b: a if c else b,
}  # fmt: skip


def exactly(root, y, z, a):
    """A node to 50 digits."""
    found = {}
    for node in needed([root]):
        if node.op in ("y", "z"):
            found[node] = mpmath.mpf(y if node.op == "y" else z)
        elif node.op in ("number", "parameter"):
            found[node] = mpmath.mpf(a if node.op == "parameter" else node.value)
        else:
            found[node] = MP[node.op](*(found[arg] for arg in node.args))
    return found[root]
