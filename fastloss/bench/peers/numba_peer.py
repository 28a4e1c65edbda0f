"""Numba: loops over scalar functions, compiled for each loss, method and dtype."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastloss.bench.cases import OUTPUTS, Array, Case
from fastloss.bench.peers.base import FRESH, GIVEN, Peer, Work

PARALLEL_MIN = 16_384  # elements below which threads make it slower
Scalar = Callable[[Any, Any], Any]

# A loss makes functions of z and y from its parameters: the loss, its gradient and its Hessian.
# Their constants are of type `real`, as others would make all float64. log1p would take several
# times as long as log.
Losses = dict[str, Callable[..., tuple[Scalar, Scalar, Scalar]]]


def mse(real: Any) -> tuple[Scalar, Scalar, Scalar]:
    two = real(2)
    return lambda z, y: (z - y) * (z - y), lambda z, y: two * (z - y), lambda z, y: two


def mae(real: Any) -> tuple[Scalar, Scalar, Scalar]:
    zero, one = real(0), real(1)
    return (
        lambda z, y: abs(z - y),
        lambda z, y: one if z > y else (-one if z < y else zero),
        lambda z, y: zero,
    )


def huber(real: Any, delta: float) -> tuple[Scalar, Scalar, Scalar]:
    zero, half, one, edge = real(0), real(0.5), real(1), real(delta)

    def value(z: Any, y: Any) -> Any:
        inner = min(abs(z - y), edge)
        return inner * (abs(z - y) - half * inner)

    return (
        value,
        lambda z, y: max(-edge, min(z - y, edge)),
        lambda z, y: one if abs(z - y) <= edge else zero,
    )


def logistic(real: Any, pos_weight: float) -> tuple[Scalar, Scalar, Scalar]:
    zero, one, weight = real(0), real(1), real(pos_weight)

    def value(z: Any, y: Any) -> Any:
        factor = weight * y + (one - y)
        return factor * (math.log(one + math.exp(-abs(z))) + max(-z, zero)) + (one - y) * z

    def grad(z: Any, y: Any) -> Any:
        e = math.exp(-abs(z))
        p = (one if z > zero else e) / (one + e)
        return (weight * y + (one - y)) * (p - one) + (one - y)

    def hess(z: Any, y: Any) -> Any:
        e = math.exp(-abs(z))
        return (weight * y + (one - y)) * e / ((one + e) * (one + e))

    return value, grad, hess


def log_loss(real: Any) -> tuple[Scalar, Scalar, Scalar]:
    one = real(1)
    return (
        lambda z, y: -y * math.log(z) - (one - y) * math.log(one - z),
        lambda z, y: (z - y) / (z * (one - z)),
        lambda z, y: y / (z * z) + (one - y) / ((one - z) * (one - z)),
    )


def poisson(real: Any) -> tuple[Scalar, Scalar, Scalar]:
    return (
        lambda z, y: math.exp(z) - y * z,
        lambda z, y: math.exp(z) - y,
        lambda z, y: math.exp(z),
    )


def log_cosh(real: Any) -> tuple[Scalar, Scalar, Scalar]:
    one, two, log_2 = real(1), real(2), real(math.log(2))

    def value(z: Any, y: Any) -> Any:
        a = abs(z - y)
        return a + math.log(one + math.exp(-two * a)) - log_2

    def grad(z: Any, y: Any) -> Any:
        e = math.exp(-two * abs(z - y))
        t = (one - e) / (one + e)
        return t if z > y else -t

    def hess(z: Any, y: Any) -> Any:
        e = math.exp(-two * abs(z - y))
        return two * two * e / ((one + e) * (one + e))

    return value, grad, hess


def squared_hinge(real: Any) -> tuple[Scalar, Scalar, Scalar]:
    zero, one, two = real(0), real(1), real(2)

    def value(z: Any, y: Any) -> Any:
        m = max(one - y * z, zero)
        return m * m

    return (
        value,
        lambda z, y: -two * y * max(one - y * z, zero),
        lambda z, y: two if y * z < one else zero,
    )


LOSSES: Losses = {
    "mse": mse,
    "brier": mse,
    "mae": mae,
    "huber": huber,
    "logistic": logistic,
    "log_loss": log_loss,
    "poisson": poisson,
    "log_cosh": log_cosh,
    "squared_hinge": squared_hinge,
}


class Numba(Peer):
    """Compiled loops with fastmath, which are vectorised: parallel where there is enough to do."""

    name = "numba"
    library = "numba"
    slow = True
    fastmath = True

    def __init__(self) -> None:
        import numba

        self._numba: Any = numba
        self.version = numba.__version__
        self._loops = functools.cache(self._compiled)

    def set_threads(self, threads: int) -> None:
        self._numba.set_num_threads(threads)

    def outputs(self, case: Case) -> Sequence[str]:
        return (GIVEN, FRESH) if case.name in LOSSES else ()

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        loop = self._loops(case.name, case.method, case.dtype, case.n >= PARALLEL_MIN)
        if case.method == "value":
            return Work(functools.partial(loop, y, z), lambda value: (value,))
        count = OUTPUTS[case.method]

        def results(value: Any, arrays: Sequence[Array]) -> Sequence[Any]:
            return (value, *arrays) if case.method == "value_and_grad" else arrays

        if outputs == GIVEN:
            kept = [np.empty_like(z) for _ in range(count)]
            return Work(functools.partial(loop, y, z, *kept), lambda value: results(value, kept))

        def fresh() -> tuple[Any, list[Array]]:
            made = [np.empty_like(z) for _ in range(count)]
            return loop(y, z, *made), made

        return Work(fresh, lambda found: results(*found))

    def _compiled(self, name: str, method: str, dtype: str, parallel: bool) -> Any:
        """A loop that gives the mean loss, and writes the derivatives that the method gives.

        It takes as few arguments as will do: each costs as much as a hundred numbers.
        """
        njit = functools.partial(self._numba.njit, fastmath=self.fastmath, error_model="numpy")
        prange = self._numba.prange
        parameters = Case(name, method, (1,), dtype).parameters
        real = np.dtype(dtype).type
        value, grad, hess = (njit(part) for part in LOSSES[name](real, **parameters))
        one = real(1)
        # in float32 the order of a sum matters too much if it may not be changed
        zero = real(0) if self.fastmath else 0.0

        def value_loop(y: Array, z: Array) -> Any:
            total = zero
            for i in prange(len(z)):
                total += value(z[i], y[i])
            return total / len(z)

        def value_and_grad_loop(y: Array, z: Array, g: Array) -> Any:
            total, c = zero, one / real(len(z))
            for i in prange(len(z)):
                total += value(z[i], y[i])
                g[i] = c * grad(z[i], y[i])
            return total / len(z)

        def grad_and_hess_loop(y: Array, z: Array, g: Array, h: Array) -> None:
            c = one / real(len(z))
            for i in prange(len(z)):
                g[i] = c * grad(z[i], y[i])
                h[i] = c * hess(z[i], y[i])

        loops = {
            "value": value_loop,
            "value_and_grad": value_and_grad_loop,
            "grad_and_hess": grad_and_hess_loop,
        }
        return njit(loops[method], parallel=parallel)


class NumbaStrict(Numba):
    """The same loops without fastmath: sums in order, and NaN and infinities as they come."""

    name = "numba.strict"
    fastmath = False
