"""NumPy: losses of predicted distributions, whose parameters lie along axis 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastloss.bench.cases import Array
from fastloss.bench.peers.base import Arrays
from fastloss.bench.peers.numpy_formulas import formula


@formula("gaussian_nll")
def gaussian_nll(y: Array, z: Array, m: float, new: Arrays, full: bool, log_variance: bool) -> Any:
    """Of the variance."""
    mean, variance = z.T
    d = mean - y
    t = d / variance

    def grad() -> Array:
        return _columns(new(), m * t, (1 - d * t) / variance * (m / 2))

    return lambda: m / 2 * (np.log(variance) + d * t).sum(), grad


@formula("gaussian_crps")
def gaussian_crps(y: Array, z: Array, m: float, new: Arrays) -> Any:
    from scipy.special import erf  # type: ignore[import-untyped, unused-ignore]

    mean, deviation = z.T
    d = mean - y
    w = d / deviation
    inside = erf(w / math.sqrt(2))
    slope = math.sqrt(2 / math.pi) * np.exp(w * w / -2) - 1 / math.sqrt(math.pi)

    def grad() -> Array:
        return _columns(new(), m * inside, m * slope)

    return lambda: m * (d * inside + deviation * slope).sum(), grad


@formula("logistic_nll")
def logistic_nll(y: Array, z: Array, m: float, new: Arrays) -> Any:
    location, scale = z.T
    w = (location - y) / scale

    def value() -> Any:
        a = np.abs(w)
        return m * (np.log(scale) + a + 2 * np.log1p(np.exp(-a))).sum()

    def grad() -> Array:
        t = np.tanh(w / 2)
        return _columns(new(), m * (t / scale), m * ((1 - w * t) / scale))

    return value, grad


@formula("student_t_nll")
def student_t_nll(y: Array, z: Array, m: float, new: Arrays, df: float) -> Any:
    location, scale = z.T
    w = (location - y) / scale
    u = w * w / df
    constant = math.lgamma(df / 2) - math.lgamma((df + 1) / 2) + math.log(math.pi * df) / 2

    def grad() -> Array:
        t = (df + 1) / df * w / (1 + u)
        return _columns(new(), m * (t / scale), m * ((1 - w * t) / scale))

    value = (df + 1) / 2
    return lambda: m * (np.log(scale) + value * np.log1p(u) + constant).sum(), grad


@formula("multi_quantile")
def multi_quantile(y: Array, z: Array, m: float, new: Arrays, q: tuple[float, ...]) -> Any:
    levels = np.array(q, z.dtype)
    m /= len(q)
    r = np.subtract(z, y[:, None], out=new())
    slope = np.subtract(r > 0, levels, out=new())

    def grad() -> Array:
        g: Array = np.multiply(slope, m, out=new())
        return g

    return lambda: m * np.vdot(slope, r), grad


@formula("interval_score")
def interval_score(y: Array, z: Array, m: float, new: Arrays, alpha: float) -> Any:
    low, high = z.T
    below, above = np.maximum(low - y, 0), np.maximum(y - high, 0)

    def grad() -> Array:
        miss = 2 * m / alpha
        return _columns(new(), miss * (below > 0) - m, m - miss * (above > 0))

    return lambda: m * (high - low + 2 / alpha * (below + above)).sum(), grad


def _columns(g: Array, *columns: Array) -> Array:
    for k, column in enumerate(columns):
        g[:, k] = column
    return g
