"""NumPy: losses of rows, whose elements lie along axis 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloss.bench.cases import Array
from fastloss.bench.peers.base import Arrays
from fastloss.bench.peers.numpy_formulas import formula, log_ratio


@formula("softmax_cross_entropy")
def softmax_cross_entropy(y: Array, z: Array, m: float, new: Arrays) -> Any:
    return _of_label(y, z, m, new, np.negative, lambda log_p: 1.0)


@formula("softmax_focal")
def softmax_focal(y: Array, z: Array, m: float, new: Arrays, gamma: float) -> Any:
    def value(log_p: Array) -> Array:
        return -((1 - np.exp(log_p)) ** gamma) * log_p

    def slope(log_p: Array) -> Array:
        p = np.exp(log_p)
        rest = 1 - p
        return rest**gamma - gamma * rest ** (gamma - 1) * p * log_p

    return _of_label(y, z, m, new, value, slope)


@formula("poly")
def poly(y: Array, z: Array, m: float, new: Arrays, epsilon: float) -> Any:
    return _of_label(
        y,
        z,
        m,
        new,
        lambda log_p: epsilon * (1 - np.exp(log_p)) - log_p,
        lambda log_p: 1 + epsilon * np.exp(log_p),
    )


@formula("generalized_cross_entropy")
def generalized_cross_entropy(y: Array, z: Array, m: float, new: Arrays, q: float) -> Any:
    return _of_label(
        y, z, m, new, lambda log_p: -np.expm1(q * log_p) / q, lambda log_p: np.exp(q * log_p)
    )


@formula("symmetric_cross_entropy")
def symmetric_cross_entropy(
    y: Array, z: Array, m: float, new: Arrays, alpha: float, beta: float, log_zero: float
) -> Any:
    return _of_label(
        y,
        z,
        m,
        new,
        lambda log_p: -beta * log_zero * (1 - np.exp(log_p)) - alpha * log_p,
        lambda log_p: alpha - beta * log_zero * np.exp(log_p),
    )


@formula("listwise_softmax")
def listwise_softmax(y: Array, z: Array, m: float, new: Arrays) -> Any:
    _, q, total = _softmax(y, new)
    q /= total
    x, e, total = _softmax(z, new)

    def grad() -> Array:
        g = np.divide(e, total, out=e)
        g -= q
        g *= m
        return g

    return lambda: m * (np.log(total).sum() - np.vdot(q, x)), grad


@formula("cross_entropy")
def cross_entropy(y: Array, z: Array, m: float, new: Arrays) -> Any:
    label = np.expand_dims(y, 1)
    p = np.take_along_axis(z, label, 1)

    def grad() -> Array:
        g = new()
        g.fill(0)
        np.put_along_axis(g, label, -m / p, 1)
        return g

    return lambda: -m * np.log(p).sum(), grad


@formula("nll")
def nll(y: Array, z: Array, m: float, new: Arrays) -> Any:
    label = np.expand_dims(y, 1)

    def grad() -> Array:
        g = new()
        g.fill(0)
        np.put_along_axis(g, label, -m, 1)
        return g

    return lambda: -m * np.take_along_axis(z, label, 1).sum(), grad


@formula("multiclass_brier")
def multiclass_brier(y: Array, z: Array, m: float, new: Arrays) -> Any:
    label = np.expand_dims(y, 1)
    p = np.take_along_axis(z, label, 1)

    def grad() -> Array:
        g: Array = np.multiply(z, 2 * m, out=new())
        np.put_along_axis(g, label, 2 * m * (p - 1), 1)
        return g

    return lambda: m * (np.vdot(z, z) - 2 * p.sum() + p.size), grad


@formula("kl_divergence")
def kl_divergence(y: Array, z: Array, m: float, new: Arrays) -> Any:
    ratio = np.divide(y, z, out=new())
    return (
        lambda: m * np.vdot(y, log_ratio(ratio, new)),
        lambda: np.multiply(ratio, -m, out=ratio),
    )


@formula("jensen_shannon")
def jensen_shannon(y: Array, z: Array, m: float, new: Arrays) -> Any:
    mean = np.add(y, z, out=new())
    mean /= 2
    ratio = np.divide(z, mean, out=new())
    log = np.log(ratio, out=ratio)

    def value() -> Any:
        other = np.divide(y, mean, out=mean)
        return m / 2 * (np.vdot(z, log) + np.vdot(y, log_ratio(other, new)))

    return value, lambda: np.multiply(log, m / 2, out=log)


@formula("cosine")
def cosine(y: Array, z: Array, m: float, new: Arrays) -> Any:
    yz, yy, zz = (np.einsum("nk,nk->n", a, b)[:, None] for a, b in ((y, z), (y, y), (z, z)))
    scale = 1 / np.sqrt(yy * zz)

    def grad() -> Array:
        g: Array = np.multiply(z, m * yz * scale / zz, out=new())
        g -= np.multiply(y, m * scale, out=new())
        return g

    return lambda: 1 - m * np.vdot(yz, scale), grad


@formula("dice")
def dice(y: Array, z: Array, m: float, new: Arrays, smooth: float) -> Any:
    both = y.sum(axis=1, keepdims=True) + z.sum(axis=1, keepdims=True) + smooth
    overlap = (2 * np.einsum("nk,nk->n", y, z)[:, None] + smooth) / both

    def grad() -> Array:
        g: Array = np.multiply(y, -2, out=new())
        g += overlap
        g *= m / both
        return g

    return lambda: 1 - m * overlap.sum(), grad


@formula("tversky")
def tversky(
    y: Array, z: Array, m: float, new: Arrays, alpha: float, beta: float, smooth: float
) -> Any:
    both = np.einsum("nk,nk->n", y, z)[:, None]
    apart = alpha * (z.sum(axis=1, keepdims=True) - both)
    apart += beta * (y.sum(axis=1, keepdims=True) - both)
    whole = both + apart + smooth
    overlap = (both + smooth) / whole

    def grad() -> Array:
        g: Array = np.multiply(y, overlap * (1 - alpha - beta) - 1, out=new())
        g += alpha * overlap
        g *= m / whole
        return g

    return lambda: m * (apart / whole).sum(), grad


@formula("multilabel_logistic")
def multilabel_logistic(
    y: Array, z: Array, m: float, new: Arrays, pos_weight: float, label_weight: None
) -> Any:
    """Without weights."""
    m /= z.shape[1]
    e = np.exp(-np.abs(z))

    def grad() -> Array:
        g: Array = np.divide(np.where(z < 0, e, 1), 1 + e, out=new())
        g -= y
        g *= m
        return g

    return lambda: m * (np.maximum(z, 0) - y * z + np.log1p(e)).sum(), grad


@formula("multi_margin")
def multi_margin(y: Array, z: Array, m: float, new: Arrays, p: int, margin: float) -> Any:
    """With p = 1."""
    label = np.expand_dims(y, 1)
    excess = np.subtract(z, np.take_along_axis(z, label, 1) - margin, out=new())
    np.put_along_axis(excess, label, 0, 1)
    m /= z.shape[1]

    def grad() -> Array:
        g: Array = np.multiply(excess > 0, m, out=new())
        np.put_along_axis(g, label, -g.sum(axis=1, keepdims=True), 1)
        return g

    return lambda: m * excess.clip(0, np.inf).sum(), grad


@formula("multiclass_hinge")
def multiclass_hinge(y: Array, z: Array, m: float, new: Arrays) -> Any:
    return _margin(y, z, m, new, 1)


@formula("multiclass_perceptron")
def multiclass_perceptron(y: Array, z: Array, m: float, new: Arrays) -> Any:
    return _margin(y, z, m, new, 0)


def _softmax(z: Array, new: Arrays) -> tuple[Array, Array, Array]:
    """z less its maximum, the exponentials of that, and their sum."""
    x = np.subtract(z, z.max(axis=1, keepdims=True), out=new())
    e = np.exp(x, out=new())
    return x, e, e.sum(axis=1, keepdims=True)


def _of_label(
    y: Array,
    z: Array,
    m: float,
    new: Arrays,
    value: Callable[[Array], Array],
    slope: Callable[[Array], Any],
) -> Any:
    """The formula of a function of log p, p the softmax at the label; ``slope`` is downwards."""
    label = np.expand_dims(y, 1)
    x, e, total = _softmax(z, new)
    log_p = np.take_along_axis(x, label, 1) - np.log(total)

    def grad() -> Array:
        factor = m * slope(log_p)
        g: Array = np.multiply(e, factor / total, out=e)
        np.put_along_axis(g, label, np.take_along_axis(g, label, 1) - factor, 1)
        return g

    return lambda: m * value(log_p).sum(), grad


def _margin(y: Array, z: Array, m: float, new: Arrays, margin: float) -> Any:
    """The formula of how far another class's score, and the margin, exceed that of the label."""
    label = np.expand_dims(y, 1)
    others = new()
    np.copyto(others, z)
    np.put_along_axis(others, label, -np.inf, 1)
    best = others.argmax(axis=1, keepdims=True)
    excess = margin + np.take_along_axis(z, best, 1) - np.take_along_axis(z, label, 1)

    def grad() -> Array:
        g, slope = others, m * (excess > 0)
        g.fill(0)
        np.put_along_axis(g, label, -slope, 1)
        np.put_along_axis(g, best, slope, 1)
        return g

    return lambda: m * excess.clip(0, np.inf).sum(), grad
