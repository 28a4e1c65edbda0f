"""NumPy, written well: formulas that do not overflow, operations in place, no pass twice."""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastloss.bench.cases import Array, Case
from fastloss.bench.peers.base import FRESH, GIVEN, Arrays, Peer, Work

# A formula takes targets y, predictions z, the factor m = 1/n of the mean, `new` that gives an
# array to write to, and the loss's parameters. It gives three functions: the mean loss, its
# gradient, and the gradient together with the Hessian's diagonal. What they share is computed
# first. One of the latter two is called last, so they may overwrite what they share.
Formula = Callable[
    ..., tuple[Callable[[], Any], Callable[[], Array], Callable[[], tuple[Array, Array]]]
]

FORMULAS: dict[str, Formula] = {}

# Below what matters, above where float32 underflows: 0 * log(TINY) is 0, as is 0 / TINY.
TINY = 1e-37


def formula(*names: str) -> Callable[[Formula], Formula]:
    def register(function: Formula) -> Formula:
        FORMULAS.update(dict.fromkeys(names, function))
        return function

    return register


class NumPy(Peer):
    """NumPy: its loops have one thread, the BLAS behind np.dot as many as asked."""

    name = "numpy"
    library = "numpy"
    version = np.__version__

    def set_threads(self, threads: int) -> None:
        with contextlib.suppress(ImportError):  # scikit-learn brings it
            importlib.import_module("threadpoolctl").threadpool_limits(threads, user_api="blas")

    def outputs(self, case: Case) -> Sequence[str]:
        return (GIVEN, FRESH) if case.name in FORMULAS else ()

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        new = Arrays(z, outputs)
        start = functools.partial(
            FORMULAS[case.name], y, z, 1 / case.n, new, **case.loss.parameters
        )

        def value() -> tuple[Any]:
            new.start()
            return (start()[0](),)

        def value_and_grad() -> tuple[Any, Array]:
            new.start()
            value, grad, _ = start()
            return value(), grad()

        def grad_and_hess() -> tuple[Array, Array]:
            new.start()
            return start()[2]()

        methods = {
            "value": value,
            "value_and_grad": value_and_grad,
            "grad_and_hess": grad_and_hess,
        }
        return Work(methods[case.method])


@formula("mse", "brier")
def squared_error(y: Array, z: Array, m: float, new: Arrays) -> Any:
    r = np.subtract(z, y, out=new())

    def grad() -> Array:
        return np.multiply(r, 2 * m, out=r)

    return lambda: m * np.dot(r, r), grad, lambda: (grad(), _constant(2 * m, new))


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

    return value, grad, lambda: (grad(), _constant(0, new))


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
    power = _power(u, alpha / 2, new())

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
        mask = np.less(v, 0, out=_mask(new))
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
        return m * (np.dot(y, _log_ratio(np.divide(y, z, out=new()), new)) + np.dot(p, other))

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
    zero = _power(p, gamma, new())
    zero *= np.subtract(1, y, out=log)
    one = _power(q, gamma, new())
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

    return value, grad, lambda: (grad(), _constant(0, new))


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
        log = _log_ratio(ratio, new)
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
    a = _power(z, 1 - power, new())

    def value() -> Any:
        constant = _power(y.clip(0, np.inf, out=new()), 2 - power, new()).sum() / (2 - power)
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


def _constant(value: float, new: Arrays) -> Array:
    out = new()
    out.fill(value)
    return out


def _mask(new: Arrays) -> Array:
    """An array of booleans, in the memory of another."""
    out = new()
    return out.view(np.bool_)[: out.size]


def _absolute(r: Array, m: float, new: Arrays) -> Any:
    """The formula of |r|."""

    def grad() -> Array:
        g = np.sign(r, out=new())  # in place it would be ten times as slow
        g *= m
        return g

    return (
        lambda: m * np.abs(r, out=new()).sum(),
        grad,
        lambda: (grad(), _constant(0, new)),
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
            total -= jump * int(np.count_nonzero(np.not_equal(r, inner, out=_mask(new))))
        return m * total

    def grad() -> Array:
        return np.multiply(inner, m, out=inner)

    def both() -> tuple[Array, Array]:
        h = np.abs(r, out=r)
        within(h, delta, out=h)
        h *= m
        return grad(), h

    return value, grad, both


def _scaled(y: Array, z: Array, c: float, new: Arrays) -> tuple[Array, Array]:
    """r = (z - y) / c and its square."""
    r = np.subtract(z, y, out=new())
    if c != 1:
        r /= c
    return r, np.multiply(r, r, out=new())


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
        lambda: (grad(), _constant(0, new)),
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


def _log_ratio(ratio: Array, new: Arrays) -> Array:
    """Its logarithm, finite at 0."""
    log = ratio.clip(TINY, np.inf, out=new())
    return np.log(log, out=log)


def _power(x: Array, exponent: float, out: Array) -> Array:
    if exponent == 2:
        return np.square(x, out=out)
    if abs(exponent) == 0.5:
        np.sqrt(x, out=out)
        return out if exponent > 0 else np.reciprocal(out, out=out)
    return np.power(x, exponent, out=out)
