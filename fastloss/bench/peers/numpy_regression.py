"""NumPy: losses for regression."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastloss.bench.cases import Array
from fastloss.bench.peers.base import Arrays
from fastloss.bench.peers.numpy_formulas import TINY, booleans, filled, formula, log_ratio, raised


@formula("mse", "brier")
def squared_error(y: Array, z: Array, m: float, new: Arrays) -> Any:
    r = np.subtract(z, y, out=new())

    def grad() -> Array:
        return np.multiply(r, 2 * m, out=r)

    return lambda: m * np.dot(r, r), grad, lambda: (grad(), filled(2 * m, new))


@formula("rmse")
def root_mean_squared_error(y: Array, z: Array, m: float, new: Arrays) -> Any:
    r = np.subtract(z, y, out=new())
    root: float = np.sqrt(m * np.dot(r, r))

    def grad() -> Array:
        return np.multiply(r, m / root, out=r)

    def both() -> tuple[Array, Array]:  # (m - g^2) / root
        g = grad()
        h = np.multiply(g, g, out=new())
        np.subtract(m, h, out=h)
        h /= root
        return g, h

    return lambda: root, grad, both


@formula("mae")
def absolute_error(y: Array, z: Array, m: float, new: Arrays) -> Any:
    return _absolute(np.subtract(z, y, out=new()), m, new)


@formula("epsilon_insensitive")
def epsilon_insensitive(y: Array, z: Array, m: float, new: Arrays, epsilon: float) -> Any:
    return _absolute(_outside(y, z, epsilon, new), m, new)


@formula("squared_epsilon_insensitive")
def squared_epsilon_insensitive(y: Array, z: Array, m: float, new: Arrays, epsilon: float) -> Any:
    r = _outside(y, z, epsilon, new)

    def grad() -> Array:
        return np.multiply(r, 2 * m, out=r)

    def both() -> tuple[Array, Array]:
        h = np.not_equal(r, 0, out=new())
        h *= 2 * m
        return grad(), h

    return lambda: m * np.dot(r, r), grad, both


@formula("quantile")
def quantile(y: Array, z: Array, m: float, new: Arrays, q: float) -> Any:
    r = np.subtract(z, y, out=new())

    def value() -> Any:
        return m * (0.5 * np.abs(r, out=new()).sum() + (0.5 - q) * r.sum())

    def grad() -> Array:
        g = np.sign(r, out=new())
        g *= 0.5 * m
        g += (0.5 - q) * m
        return g

    return value, grad, lambda: (grad(), filled(0, new))


@formula("expectile")
def expectile(y: Array, z: Array, m: float, new: Arrays, q: float) -> Any:
    r = np.subtract(z, y, out=new())
    weight = np.greater(r, 0, out=new())
    weight *= 1 - 2 * q
    weight += q
    half = np.multiply(weight, r, out=new())

    def grad() -> Array:
        return np.multiply(half, 2 * m, out=half)

    def both() -> tuple[Array, Array]:
        return grad(), np.multiply(weight, 2 * m, out=weight)

    return lambda: m * np.dot(half, r), grad, both


@formula("huber")
def huber(y: Array, z: Array, m: float, new: Arrays, delta: float) -> Any:
    return _huber(y, z, m, new, delta, np.less_equal)


@formula("smooth_l1")
def smooth_l1(y: Array, z: Array, m: float, new: Arrays, beta: float) -> Any:
    return _huber(y, z, m / beta, new, beta, np.less)


@formula("smooth_l2")
def smooth_l2(y: Array, z: Array, m: float, new: Arrays) -> Any:
    return _huber(y, z, m, new, 1.0, np.less_equal, jump=0.5)


@formula("log_cosh")
def log_cosh(y: Array, z: Array, m: float, new: Arrays) -> Any:
    r = np.subtract(z, y, out=new())
    e = np.abs(r, out=new())
    e *= -2
    np.exp(e, out=e)
    u = np.add(e, 1, out=new())

    def value() -> Any:  # |r| + log(u) - log(2)
        v = np.log(u, out=new())
        v += np.abs(r, out=new())
        return m * v.sum() - math.log(2)

    def grad() -> Array:  # tanh(r), where np.tanh would cost another exponential
        g = np.divide(2 * m, u, out=u)
        g -= m
        return np.copysign(g, r, out=g)

    def both() -> tuple[Array, Array]:  # 4 * e / u^2
        h = np.divide(e, u, out=e)
        h /= u
        h *= 4 * m
        return grad(), h

    return value, grad, both


@formula("msle")
def squared_log_error(y: Array, z: Array, m: float, new: Arrays) -> Any:
    u = np.add(z, 1, out=new())
    d = np.log(u, out=new())
    d -= np.log(np.add(y, 1, out=new()), out=new())

    def grad() -> Array:
        g = np.divide(d, u, out=d)
        g *= 2 * m
        return g

    def both() -> tuple[Array, Array]:  # (1 - d) / u^2
        h = np.subtract(1, d, out=new())
        h /= u
        h /= u
        h *= 2 * m
        return grad(), h

    return lambda: m * np.dot(d, d), grad, both


@formula("mape")
def relative_error(y: Array, z: Array, m: float, new: Arrays) -> Any:
    r = np.subtract(z, y, out=new())
    r /= y
    value, sign, _ = _absolute(r, m, new)

    def grad() -> Array:
        g: Array = sign()
        g /= y
        return g

    return value, grad, lambda: (grad(), filled(0, new))


@formula("smape")
def symmetric_relative_error(y: Array, z: Array, m: float, new: Arrays) -> Any:
    size = np.abs(y, out=new())
    scale = np.abs(z, out=new())
    scale += size
    scale.clip(TINY, np.inf, out=scale)
    r = np.subtract(z, y, out=new())
    r /= scale

    def slope(sign: Array) -> Array:  # sign(r) * (|y| + y * sign(z)) / scale^2
        s = np.multiply(y, sign, out=new())
        s += size
        s /= scale
        s /= scale
        s *= np.sign(r, out=new())
        s *= 2 * m
        return s

    def grad() -> Array:
        return slope(np.sign(z, out=new()))

    def both() -> tuple[Array, Array]:
        h = np.sign(z, out=new())
        g = slope(h)
        h *= g
        h /= scale
        h *= -2
        return g, h

    return lambda: 2 * m * np.abs(r, out=new()).sum(), grad, both


@formula("poisson")
def poisson(y: Array, z: Array, m: float, new: Arrays) -> Any:
    e = np.exp(z, out=new())

    def grad() -> Array:
        g = np.subtract(e, y, out=new())
        g *= m
        return g

    def both() -> tuple[Array, Array]:
        return grad(), np.multiply(e, m, out=e)

    return lambda: m * (e.sum() - np.dot(y, z)), grad, both


@formula("poisson_nll")
def poisson_nll(y: Array, z: Array, m: float, new: Arrays, log_input: bool, full: bool) -> Any:
    assert log_input and not full  # the defaults, all that is measured
    return poisson(y, z, m, new)


@formula("linear_exponential")
def linear_exponential(y: Array, z: Array, m: float, new: Arrays, a: float) -> Any:
    x = np.subtract(z, y, out=new())
    x *= a
    e = np.expm1(x, out=new())

    def grad() -> Array:
        return np.multiply(e, a * m, out=x)

    def both() -> tuple[Array, Array]:
        g = grad()
        h = np.add(e, 1, out=e)
        h *= a * a * m
        return g, h

    return lambda: m * (e.sum() - x.sum()), grad, both


@formula("negative_binomial")
def negative_binomial(y: Array, z: Array, m: float, new: Arrays, alpha: float) -> Any:
    mean = np.exp(z, out=new())
    whole = np.multiply(mean, alpha, out=new())

    def grad() -> Array:
        g = np.subtract(mean, y, out=new())
        g /= 1 + whole
        g *= m
        return g

    def both() -> tuple[Array, Array]:
        h = alpha * y
        h += 1
        h *= mean
        h /= np.square(1 + whole)
        h *= m
        return grad(), h

    def value() -> Any:
        return m * (np.dot(np.log1p(whole), y + 1 / alpha) - np.dot(y, z))

    return value, grad, both


@formula("gamma")
def gamma(y: Array, z: Array, m: float, new: Arrays) -> Any:
    e = np.negative(z, out=new())
    np.exp(e, out=e)

    def grad() -> Array:
        g = np.multiply(e, y, out=e)
        g *= -m
        g += m
        return g

    def both() -> tuple[Array, Array]:
        h = np.multiply(e, y, out=e)
        h *= m
        return np.subtract(m, h, out=new()), h

    return lambda: m * (z.sum() + np.dot(y, e)), grad, both


@formula("tweedie")
def tweedie(y: Array, z: Array, m: float, new: Arrays, power: float) -> Any:
    if power == 1:
        return poisson(y, z, m, new)
    if power == 2:
        return gamma(y, z, m, new)
    a = np.multiply(z, 2 - power, out=new())
    np.exp(a, out=a)
    if power == 1.5:
        b = np.reciprocal(a, out=new())
    else:
        b = np.multiply(z, 1 - power, out=new())
        np.exp(b, out=b)

    def value() -> Any:
        return m * (a.sum() / (2 - power) - np.dot(y, b) / (1 - power))

    def grad() -> Array:
        g = np.multiply(b, y, out=b)
        np.subtract(a, g, out=g)
        g *= m
        return g

    def both() -> tuple[Array, Array]:
        b_ = np.multiply(b, y, out=b)
        g = np.subtract(a, b_, out=new())
        g *= m
        a_ = np.multiply(a, (2 - power) * m, out=a)
        b_ *= (power - 1) * m
        a_ += b_
        return g, a_

    return value, grad, both


@formula("poisson_deviance")
def poisson_deviance(y: Array, z: Array, m: float, new: Arrays) -> Any:
    ratio = np.divide(y, z, out=new())

    def value() -> Any:
        log = log_ratio(ratio, new)
        return 2 * m * (np.dot(y, log) + np.subtract(z, y, out=new()).sum())

    def grad() -> Array:  # 1 - ratio
        g = np.multiply(ratio, -2 * m, out=ratio)
        g += 2 * m
        return g

    def both() -> tuple[Array, Array]:
        h = np.divide(ratio, z, out=new())
        h *= 2 * m
        return grad(), h

    return value, grad, both


@formula("gamma_deviance")
def gamma_deviance(y: Array, z: Array, m: float, new: Arrays) -> Any:
    ratio = np.divide(y, z, out=new())

    def value() -> Any:
        v = np.log(ratio, out=new())
        np.subtract(ratio, v, out=v)
        return 2 * m * v.sum() - 2

    def grad() -> Array:  # (1 - ratio) / z
        g = np.multiply(ratio, -2 * m, out=ratio)
        g += 2 * m
        g /= z
        return g

    def both() -> tuple[Array, Array]:  # (2 * ratio - 1) / z^2
        h = np.multiply(ratio, 4 * m, out=new())
        h -= 2 * m
        h /= z
        h /= z
        return grad(), h

    return value, grad, both


@formula("tweedie_deviance")
def tweedie_deviance(y: Array, z: Array, m: float, new: Arrays, power: float) -> Any:
    if power == 0:
        return squared_error(y, z, m, new)
    if power == 1:
        return poisson_deviance(y, z, m, new)
    if power == 2:
        return gamma_deviance(y, z, m, new)
    a = raised(z, 1 - power, new())

    def value() -> Any:
        constant = raised(y.clip(0, np.inf, out=new()), 2 - power, new()).sum() / (2 - power)
        other = np.dot(z, a) * (1 - power) / (2 - power)
        return 2 * m / (1 - power) * (constant - np.dot(y, a) + other)

    def slope(ratio: Array) -> Array:  # a * (1 - ratio)
        s = np.subtract(1, ratio, out=ratio)
        s *= a
        s *= 2 * m
        return s

    def grad() -> Array:
        return slope(np.divide(y, z, out=new()))

    def both() -> tuple[Array, Array]:  # a * (1 - power + power * ratio) / z
        ratio = np.divide(y, z, out=new())
        h = np.multiply(ratio, 2 * power * m, out=new())
        h += 2 * (1 - power) * m
        h *= a
        h /= z
        return slope(ratio), h

    return value, grad, both


def _absolute(r: Array, m: float, new: Arrays) -> Any:
    """The formula of |r|."""

    def grad() -> Array:
        g = np.sign(r, out=new())  # in place it would be ten times as slow
        g *= m
        return g

    return (
        lambda: m * np.abs(r, out=new()).sum(),
        grad,
        lambda: (grad(), filled(0, new)),
    )


def _outside(y: Array, z: Array, epsilon: float, new: Arrays) -> Array:
    """By how much z - y leaves [-epsilon, epsilon]."""
    r = np.subtract(z, y, out=new())
    r -= r.clip(-epsilon, epsilon, out=new())
    return r


def _huber(
    y: Array, z: Array, m: float, new: Arrays, delta: float, within: np.ufunc, jump: float = 0
) -> Any:
    """Huber's formula: ``within`` tells its square part, ``jump`` is taken off the other."""
    r = np.subtract(z, y, out=new())
    inner = r.clip(-delta, delta, out=new())

    def value() -> Any:  # inner * (r - inner / 2)
        rest = np.multiply(inner, -0.5, out=new())
        rest += r
        total = np.dot(rest, inner)
        if jump:
            total -= jump * int(np.count_nonzero(np.not_equal(r, inner, out=booleans(new))))
        return m * total

    def grad() -> Array:
        return np.multiply(inner, m, out=inner)

    def both() -> tuple[Array, Array]:
        h = np.abs(r, out=r)
        within(h, delta, out=h)
        h *= m
        return grad(), h

    return value, grad, both
