"""Losses that formulas define, beside numba and JAX, and beside those that are built in.

python benchmarks/own_losses.py [threads]

The tables of docs/own_losses.md: value and gradient of 10 million float32 numbers.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastloss as fl
from fastloss.bench.cases import Case
from fastloss.bench.timing import Effort, interleaved
from fastloss.define.definition import Definition, Parameter
from fastloss.define.loss import class_of
from fastloss.losses.base import pointwise_names

N = 10_000_000
EFFORT = Effort(seconds=4, least_rounds=9, most_rounds=60)
FORMULAS = {
    "linex": "exp(a*(z - y)) - a*(z - y) - 1",
    "skewed_log_cosh": "(a if z > y else 1)*logcosh(z - y)",
}


def numba_loop(name: str, threads: int) -> Callable[..., Any]:
    """A parallel loop with fast-math, as one writes it by hand."""
    import numba

    numba.set_num_threads(threads)
    one, two, log_2 = np.float32(1), np.float32(2), np.float32(np.log(2))
    half = np.float32(0.5)

    def linex(r: Any) -> Any:
        e = np.exp(half * r)
        return e - half * r - one, half * (e - one)

    def skewed(r: Any) -> Any:
        b = two if r > 0 else one
        e = np.exp(-two * abs(r))
        t = (one - e) / (one + e)
        return b * (abs(r) + np.log(one + e) - log_2), b * (t if r > 0 else -t)

    one_sample = numba.njit(fastmath=True)(linex if name == "linex" else skewed)

    @numba.njit(parallel=True, fastmath=True)
    def loop(y: Any, z: Any, grad: Any) -> Any:
        total, c = np.float32(0), one / np.float32(len(z))
        for i in numba.prange(len(z)):
            value, slope = one_sample(z[i] - y[i])
            total += value
            grad[i] = c * slope
        return total / len(z)

    return loop


def jax_function(name: str) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    def linex(z: Any, y: Any) -> Any:
        r = 0.5 * (z - y)
        return jnp.mean(jnp.exp(r) - r - 1)

    def skewed(z: Any, y: Any) -> Any:
        r = z - y
        size = jnp.abs(r) + jnp.log1p(jnp.exp(-2 * jnp.abs(r))) - jnp.log(2.0)
        return jnp.mean(jnp.where(r > 0, 2.0, 1.0) * size)

    return jax.jit(jax.value_and_grad(linex if name == "linex" else skewed))  # type: ignore[no-any-return]


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


def against_peers(threads: int) -> None:
    """Ours into an array that is given, as numba's is; JAX makes its arrays, and so does ours."""
    import jax.numpy as jnp

    row("loss", "fastloss", "into a new array", "numba", "jax", "the better / ours")
    row(*["---"] * 6)
    rng = np.random.default_rng(0)
    y, z = (rng.normal(size=N).astype(np.float32) for _ in range(2))
    grad = np.empty_like(z)
    there = jnp.asarray(z), jnp.asarray(y)
    for name, formula in FORMULAS.items():
        loss = fl.define_loss(name, formula, a=0.5 if name == "linex" else 2.0)()
        loop, jitted = numba_loop(name, threads), jax_function(name)
        expected = loss(y, z)
        assert abs(loop(y, z, grad) - expected) < 1e-2 * expected  # its float32 sum is not exact
        assert abs(jitted(*there)[0] - expected) < 1e-4 * expected
        runs = [
            lambda loss=loss: loss.value_and_grad(y, z, out=grad),
            lambda loss=loss: loss.value_and_grad(y, z),
            lambda loop=loop: loop(y, z, grad),
            lambda jitted=jitted: jitted(*there)[1].block_until_ready(),
        ]
        times = [1e3 * t.median for t in interleaved(runs, EFFORT)]
        ratio = min(times[2] / times[0], times[3] / times[1])
        row(name, *(f"{t:.1f} ms" for t in times), f"{ratio:.2g}")


def defined_again(loss: Any) -> Any:
    """A loss of the formula of one that is built in."""
    parameters = {key: Parameter(loss._ranges[key], x) for key, x in loss.parameters.items()}
    definition = Definition(
        f"own_{loss.name}", loss.definition, tuple(parameters.items()), loss.y_domain, loss.z_domain
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some losses are negative, some slopes infinite
        return class_of(definition)()


def against_built_in() -> None:
    row("loss", "built in", "defined", "built in / defined")
    row(*["---"] * 4)
    for name in pointwise_names():
        loss = fl.get_loss(name)
        if name == "focal":  # None is not of the language
            continue
        own, case = defined_again(loss), Case(name, "value_and_grad", (N,), "float32")
        y, z = case.data()
        grad = np.empty_like(z)

        def run(loss: Any, y: Any = y, z: Any = z, grad: Any = grad) -> Callable[[], Any]:
            return lambda: loss.value_and_grad(y, z, out=grad)

        times = [1e3 * t.median for t in interleaved([run(loss), run(own)], Effort(1.5, 7, 30))]
        row(name, *(f"{t:.1f} ms" for t in times), f"{times[0] / times[1]:.2f}")


if __name__ == "__main__":
    fl.set_num_threads(int(sys.argv[1]) if sys.argv[1:] else fl.get_num_threads())
    against_peers(fl.get_num_threads())
    print()
    against_built_in()
