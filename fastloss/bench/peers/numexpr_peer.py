"""NumExpr: expressions compiled for its virtual machine."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastloss.bench.cases import Array, Case
from fastloss.bench.peers.base import FRESH, GIVEN, Arrays, Peer, Work

# Loss, gradient and Hessian of one sample; the last two times c = 1/n, c2 = 2/n. A constant
# Hessian is no expression. Numbers that are not integers are names, as a literal 0.5 would make
# all float64; so would maximum and minimum. log1p takes four times as long as log.
EXPRESSIONS: dict[str, tuple[str, str, str | None]] = {
    "mse": ("(z - y)**2", "c2 * (z - y)", None),
    "mae": ("abs(z - y)", "where(z > y, c, where(z < y, -c, 0))", None),
    "huber": (
        "where(abs(z - y) <= delta, half*(z - y)**2, delta*(abs(z - y) - half*delta))",
        "c * where(abs(z - y) <= delta, z - y, where(z > y, delta, -delta))",
        "where(abs(z - y) <= delta, c, 0)",
    ),
    "logistic": (
        "where(z > 0, z, 0) - y*z + log(1 + exp(-abs(z)))",
        "c * (1/(1 + exp(-z)) - y)",
        "c * exp(-abs(z)) / (1 + exp(-abs(z)))**2",
    ),
    "log_loss": (
        "-y*log(z) - (1 - y)*log(1 - z)",
        "c * (z - y) / (z*(1 - z))",
        "c * (y/z**2 + (1 - y)/(1 - z)**2)",
    ),
    "poisson": ("exp(z) - y*z", "c * (exp(z) - y)", "c * exp(z)"),
    "log_cosh": (
        "abs(z - y) + log(1 + exp(-2*abs(z - y))) - log_2",
        "c * tanh(z - y)",
        "c * (1 - tanh(z - y)**2)",
    ),
    "squared_hinge": (
        "where(y*z < 1, (1 - y*z)**2, 0)",
        "where(y*z < 1, -c2*y*(1 - y*z), 0)",
        "where(y*z < 1, c2, 0)",
    ),
}
CONSTANTS = {"half": 0.5, "log_2": math.log(2)}


class NumExpr(Peer):
    """NumExpr, each part of a result an expression. NumPy sums, as NumExpr does so in one thread.

    Its wheels come without Intel's VML.
    """

    name = "numexpr"
    library = "numexpr"

    def __init__(self) -> None:
        import numexpr

        self._numexpr: Any = numexpr
        self.version = numexpr.__version__

    def set_threads(self, threads: int) -> None:
        self._numexpr.set_num_threads(threads)

    def outputs(self, case: Case) -> Sequence[str]:
        if case.name not in EXPRESSIONS:
            return ()
        possible = case.method != "grad_and_hess" or EXPRESSIONS[case.name][2] is not None
        return (GIVEN, FRESH) if possible else ()

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        new = Arrays(z, outputs)
        numbers = {"c": 1 / case.n, "c2": 2 / case.n, **CONSTANTS, **case.parameters}
        arguments = {"y": y, "z": z}
        arguments |= {name: np.array(number, z.dtype) for name, number in numbers.items()}
        loss, grad, hess = (
            self._compiled(expression, arguments, new) for expression in EXPRESSIONS[case.name]
        )

        def value() -> Any:
            return np.add.reduce(loss()) / case.n

        parts = {
            "value": (value,),
            "value_and_grad": (value, grad),
            "grad_and_hess": (grad, hess),
        }[case.method]

        def run() -> tuple[Any, ...]:
            new.start()
            return tuple([part() for part in parts])

        return Work(run)

    def _compiled(
        self, expression: str | None, arguments: dict[str, Array], new: Arrays
    ) -> Callable[[], Array]:
        code = compile(expression or "0", "expression", "eval")
        used = {name: arguments[name] for name in code.co_names if name in arguments}
        single = arguments["z"].dtype == np.float32
        kinds = [(name, float if single else np.double) for name in used]  # float is float32 there
        function = self._numexpr.NumExpr(expression or "0", kinds)
        call = functools.partial(function, *used.values(), ex_uses_vml=False)
        return lambda: call(out=new())
