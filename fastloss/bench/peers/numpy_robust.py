"""NumPy: robust losses for regression."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastloss.bench.cases import Array
from fastloss.bench.peers.base import Arrays
from fastloss.bench.peers.numpy_formulas import formula, raised
from fastloss.bench.peers.numpy_regression import squared_error


@formula("cauchy")
def cauchy(y: Array, z: Array, m: float, new: Arrays, c: float) -> Any:
    r, x = _scaled(y, z, c, new)
    x *= 0.5
    u = np.add(x, 1, out=new())

    def grad() -> Array:
        g = np.divide(r, u, out=r)
        g *= m / c
        return g

    def both() -> tuple[Array, Array]:  # (1 - x) / u^2
        h = np.subtract(1, x, out=x)
        h /= u
        h /= u
        h *= m / c**2
        return grad(), h

    return lambda: m * np.log(u, out=new()).sum(), grad, both


@formula("geman_mcclure")
def geman_mcclure(y: Array, z: Array, m: float, new: Arrays, c: float) -> Any:
    r, x = _scaled(y, z, c, new)
    u = np.add(x, 4, out=new())

    def grad() -> Array:
        np.divide(r, u, out=r)
        np.divide(r, u, out=r)
        return np.multiply(r, 16 * m / c, out=r)

    def both() -> tuple[Array, Array]:  # 16 * (4 - 3 * x) / u^3
        h = np.multiply(x, -48 * m / c**2, out=x)
        h += 64 * m / c**2
        h /= u
        h /= u
        h /= u
        return grad(), h

    return lambda: 2 * m * np.divide(x, u, out=new()).sum(), grad, both


@formula("welsch")
def welsch(y: Array, z: Array, m: float, new: Arrays, c: float) -> Any:
    r, x = _scaled(y, z, c, new)
    e = np.multiply(x, -0.5, out=new())
    np.exp(e, out=e)

    def grad() -> Array:
        g = np.multiply(r, e, out=r)
        g *= m / c
        return g

    def both() -> tuple[Array, Array]:
        h = np.subtract(1, x, out=x)
        h *= e
        h *= m / c**2
        return grad(), h

    return lambda: 1 - m * e.sum(), grad, both


@formula("general_robust")
def general_robust(y: Array, z: Array, m: float, new: Arrays, alpha: float, c: float) -> Any:
    if alpha == 0:
        return cauchy(y, z, m, new, c)
    if alpha == -math.inf:
        return welsch(y, z, m, new, c)
    if alpha == 2:
        return squared_error(y, z, m / (2 * c**2), new)
    r, x = _scaled(y, z, c, new)
    b = abs(alpha - 2)
    u = np.multiply(x, 1 / b, out=new())
    u += 1
    power = raised(u, alpha / 2, new())

    def grad() -> Array:
        g = np.multiply(r, power, out=r)
        g /= u
        g *= m / c
        return g

    def both() -> tuple[Array, Array]:  # power * (1 + x * (alpha - 1) / b) / u^2
        power_ = np.divide(power, u, out=power)
        g = np.multiply(r, power_, out=r)
        g *= m / c
        h = np.multiply(x, (alpha - 1) / b, out=x)
        h += 1
        h *= power_
        h /= u
        h *= m / c**2
        return g, h

    return lambda: b / alpha * (m * power.sum() - 1), grad, both


def _scaled(y: Array, z: Array, c: float, new: Arrays) -> tuple[Array, Array]:
    """r = (z - y) / c and its square."""
    r = np.subtract(z, y, out=new())
    if c != 1:
        r /= c
    return r, np.multiply(r, r, out=new())
