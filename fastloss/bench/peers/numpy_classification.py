"""NumPy: losses for two classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastloss.bench.cases import Array
from fastloss.bench.peers.base import Arrays
from fastloss.bench.peers.numpy_formulas import TINY, booleans, filled, formula, log_ratio, raised


@formula("hinge")
def hinge(y: Array, z: Array, m: float, new: Arrays) -> Any:
    margin = np.multiply(y, z, out=new())
    margin -= 1
    return _perceptron(y, margin, m, new)


@formula("perceptron")
def perceptron(y: Array, z: Array, m: float, new: Arrays) -> Any:
    return _perceptron(y, np.multiply(y, z, out=new()), m, new)


@formula("squared_hinge")
def squared_hinge(y: Array, z: Array, m: float, new: Arrays) -> Any:
    v = np.multiply(y, z, out=new())
    v -= 1
    v.clip(-np.inf, 0, out=v)

    def grad() -> Array:
        g = np.multiply(v, y, out=v)
        g *= 2 * m
        return g

    def both() -> tuple[Array, Array]:
        h = np.less(v, 0, out=new())
        h *= 2 * m
        return grad(), h

    return lambda: m * np.dot(v, v), grad, both


@formula("modified_huber")
def modified_huber(y: Array, z: Array, m: float, new: Arrays) -> Any:
    v = np.multiply(y, z, out=new())
    v -= 1
    inner = v.clip(-2, 0, out=new())

    def value() -> Any:  # inner * (2 * v - inner)
        rest = np.multiply(v, 2, out=new())
        rest -= inner
        return m * np.dot(rest, inner)

    def grad() -> Array:
        g = np.multiply(inner, y, out=inner)
        g *= 2 * m
        return g

    def both() -> tuple[Array, Array]:
        mask = np.less(v, 0, out=booleans(new))
        h = np.greater_equal(v, -2, out=v)
        h *= mask
        h *= 2 * m
        return grad(), h

    return value, grad, both


@formula("exponential")
def exponential(y: Array, z: Array, m: float, new: Arrays) -> Any:
    e = np.multiply(y, z, out=new())
    np.negative(e, out=e)
    np.exp(e, out=e)

    def both() -> tuple[Array, Array]:
        h = np.multiply(e, m, out=e)
        g = np.multiply(h, y, out=new())
        return np.negative(g, out=g), h

    def grad() -> Array:
        g = np.multiply(e, y, out=e)
        g *= -m
        return g

    return lambda: m * e.sum(), grad, both


@formula("log_loss")
def log_loss(y: Array, z: Array, m: float, new: Arrays) -> Any:
    p, q = np.subtract(1, y, out=new()), np.subtract(1, z, out=new())

    def value() -> Any:
        log = np.log(z, out=new())
        return -m * (np.dot(y, log) + np.dot(p, np.log(q, out=new())))

    return value, *_bernoulli(y, z, p, q, m, new)


@formula("binary_kl")
def binary_kl(y: Array, z: Array, m: float, new: Arrays) -> Any:
    p, q = np.subtract(1, y, out=new()), np.subtract(1, z, out=new())

    def value() -> Any:
        other = np.log(p.clip(TINY, np.inf, out=new()), out=new())
        other -= np.log(q, out=new())
        return m * (np.dot(y, log_ratio(np.divide(y, z, out=new()), new)) + np.dot(p, other))

    return value, *_bernoulli(y, z, p, q, m, new)


@formula("logistic")
def logistic(y: Array, z: Array, m: float, new: Arrays, pos_weight: float) -> Any:
    assert pos_weight == 1  # the default, all that is measured
    e, u = _exp_minus_abs(z, new)

    def value() -> Any:  # max(z, 0) - y * z + log1p(e): nothing cancels where y is 0 or 1
        v = z.clip(0, np.inf, out=new())
        v -= np.multiply(y, z, out=new())
        v += np.log(u, out=new())
        return m * v.sum()

    def grad() -> Array:
        g = _over(np.greater_equal, z, e, u, new)
        g -= y
        g *= m
        return g

    def both() -> tuple[Array, Array]:
        g = grad()
        h = np.divide(e, u, out=e)
        h /= u
        h *= m
        return g, h

    return value, grad, both


@formula("focal")
def focal(y: Array, z: Array, m: float, new: Arrays, gamma: float, alpha: float | None) -> Any:
    # weight * p^gamma * l of p the sigmoid, q = 1 - p and l = log(1 + exp(z)), twice: of y = 0,
    # and mirrored, with -z for z, of y = 1.
    e, u = _exp_minus_abs(z, new)
    p, q = _over(np.greater_equal, z, e, u, new), _over(np.less, z, e, u, new)
    log = np.log(u, out=new())
    lower = np.subtract(log, z.clip(-np.inf, 0, out=e), out=e)
    upper = np.add(log, z.clip(0, np.inf, out=u), out=u)
    zero = raised(p, gamma, new())
    zero *= np.subtract(1, y, out=log)
    one = raised(q, gamma, new())
    one *= y
    if alpha is not None:
        zero *= 1 - alpha
        one *= alpha
    sides = (zero, p, q, upper), (one, q, p, lower)

    def slope(k: Array, p: Array, q: Array, log: Array) -> Array:
        s = np.multiply(q, log, out=log)
        s *= gamma
        s += p
        s *= k
        return s

    def slope_and_bend(k: Array, p: Array, q: Array, log: Array) -> tuple[Array, Array]:
        t = np.multiply(q, gamma, out=new())
        s = np.multiply(t, log, out=log)
        s += p
        h = np.subtract(t, p, out=new())
        h *= s
        t += 1
        t *= p
        h += t
        h *= k
        s *= k
        return s, h

    def grad() -> Array:
        g = slope(*sides[0])
        g -= slope(*sides[1])
        g *= m
        return g

    def both() -> tuple[Array, Array]:
        (g, h), (g1, h1) = (slope_and_bend(*side) for side in sides)
        g -= g1
        g *= m
        h += h1
        h *= m
        return g, h

    return lambda: m * (np.dot(zero, upper) + np.dot(one, lower)), grad, both


@formula("focal_log_loss")
def focal_log_loss(
    y: Array, z: Array, m: float, new: Arrays, gamma: float, alpha: float | None
) -> Any:
    # weight * n^gamma * -log(p) of a label's probability p and n = 1 - p, twice
    one, zero = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    rest = np.subtract(1, z, out=new())
    sides = []
    for weight, label, p, n in ((one, y, z, rest), (zero, np.subtract(1, y), rest, z)):
        k = raised(n, gamma, new())
        k *= label
        k *= weight * m
        sides.append((k, p, n, np.log(p, out=new())))

    def slope(k: Array, p: Array, n: Array, log: Array) -> Array:
        return k * (gamma * log / n - 1 / p)

    def bend(k: Array, p: Array, n: Array, log: Array) -> Array:
        return k * (((1 - gamma) * gamma * log / n + 2 * gamma / p) / n + 1 / (p * p))

    def value() -> Any:
        return -sum(np.dot(k, log) for k, _, _, log in sides)

    def grad() -> Array:
        return slope(*sides[0]) - slope(*sides[1])

    return value, grad, lambda: (grad(), bend(*sides[0]) + bend(*sides[1]))


@formula("sigmoid_focal")
def sigmoid_focal(
    y: Array, z: Array, m: float, new: Arrays, gamma: float, alpha: float | None
) -> Any:
    e, u = _exp_minus_abs(z, new)
    p, q = _over(np.greater_equal, z, e, u, new), _over(np.less, z, e, u, new)
    loss = z.clip(0, np.inf, out=new())
    loss -= np.multiply(y, z, out=e)
    loss += np.log(u, out=u)
    lack = np.multiply(y, q, out=e)
    lack += np.subtract(1, y, out=u) * p
    k = raised(lack, gamma, new())
    k *= m
    if alpha is not None:
        k *= (2 * alpha - 1) * y + (1 - alpha)

    def parts() -> tuple[Array, Array, Array]:
        return p - y, p * q, (1 - 2 * y) * p * q / lack

    def grad() -> Array:
        s, _, r = parts()
        return k * (gamma * r * loss + s)

    def both() -> tuple[Array, Array]:
        s, v, r = parts()
        h = gamma * r * (((gamma - 1) * r + q - p) * loss + 2 * s) + v
        return k * (gamma * r * loss + s), k * h

    return lambda: np.dot(k, loss), grad, both


@formula("hinge_embedding")
def hinge_embedding(y: Array, z: Array, m: float, new: Arrays, margin: float) -> Any:
    v = np.subtract(margin, z, out=new())
    v.clip(0, np.inf, out=v)
    together = np.greater(y, 0, out=booleans(new))

    def value() -> Any:
        np.copyto(v, z, where=together)
        return m * v.sum()

    def grad() -> Array:
        g = np.greater(v, 0, out=v)
        g *= -m
        np.copyto(g, m, where=together)
        return g

    return value, grad, lambda: (grad(), filled(0, new))


@formula("kl_div")
def kl_div(y: Array, z: Array, m: float, new: Arrays, log_target: bool) -> Any:
    assert not log_target  # the default, all that is measured

    def value() -> Any:
        apart = log_ratio(y, new)
        apart -= z
        return m * np.dot(y, apart)

    def grad() -> Array:
        return np.multiply(y, -m, out=new())

    return value, grad, lambda: (grad(), filled(0, new))


def _perceptron(y: Array, margin: Array, m: float, new: Arrays) -> Any:
    """The formula of max(-margin, 0), where the margin's derivative is y."""

    def grad() -> Array:
        g = np.less(margin, 0, out=margin)
        g *= y
        g *= -m
        return g

    return (
        lambda: -m * margin.clip(-np.inf, 0, out=new()).sum(),
        grad,
        lambda: (grad(), filled(0, new)),
    )


def _bernoulli(y: Array, z: Array, p: Array, q: Array, m: float, new: Arrays) -> Any:
    """Derivatives of -y * log(z) - p * log(q), with p = 1 - y and q = 1 - z."""

    def grad() -> Array:  # (z - y) / (z * q)
        g = np.subtract(z, y, out=p)
        g /= z
        g /= q
        g *= m
        return g

    def both() -> tuple[Array, Array]:
        a, b = np.divide(y, z, out=new()), np.divide(p, q, out=p)
        g = np.subtract(b, a, out=new())
        g *= m
        a /= z
        b /= q
        h = np.add(a, b, out=b)
        h *= m
        return g, h

    return grad, both


def _exp_minus_abs(z: Array, new: Arrays) -> tuple[Array, Array]:
    """e = exp(-|z|), which cannot overflow, and 1 + e."""
    e = np.copysign(z, -1, out=new())
    np.exp(e, out=e)
    return e, np.add(e, 1, out=new())


def _over(compare: np.ufunc, z: Array, e: Array, u: Array, new: Arrays) -> Array:
    """1 / u where z compares with 0, e / u elsewhere: the sigmoid of z for >=, of -z for <."""
    s: Array = compare(z, 0, out=new())
    np.maximum(s, e, out=s)
    s /= u
    return s
