"""Distributions of log-times: how likely an exact time, a bound or two bounds are.

All functions take standardised numbers, x = (log(time) - prediction)/scale in float64, and give
-log of a density or probability with its first and second derivatives by the prediction/scale.
What is subtracted is written so that it keeps its digits in both tails.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Doubles: TypeAlias = "NDArray[np.float64]"
Likelihood: TypeAlias = "tuple[Doubles, Doubles, Doubles]"  # value, first and second derivative


class Distribution(Protocol):
    """What there is to know of a distribution."""

    def at(self, x: Doubles) -> Likelihood:
        """Of the density."""

    def above(self, a: Doubles) -> Likelihood:
        """Of what lies above: times censored on the right."""

    def below(self, b: Doubles) -> Likelihood:
        """Of what lies below: times censored on the left."""

    def between(self, a: Doubles, b: Doubles, w: Doubles) -> Likelihood:
        """Of what lies between a and b = a + w, w > 0."""


# ---- logistic ----------------------------------------------------------------------------------


class Logistic:
    """F(x) = 1/(1 + exp(-x))."""

    def at(self, x: Doubles) -> Likelihood:
        from scipy.special import expit  # type: ignore[import-untyped, unused-ignore]

        value = np.abs(x) + 2 * np.log1p(np.exp(-np.abs(x)))
        return value, -np.tanh(x / 2), 2 * expit(x) * expit(-x)

    def above(self, a: Doubles) -> Likelihood:
        from scipy.special import expit

        below = expit(a)
        return _softplus(a), -below, below * expit(-a)

    def below(self, b: Doubles) -> Likelihood:
        value, grad, hess = self.above(-b)
        return value, -grad, hess

    def between(self, a: Doubles, b: Doubles, w: Doubles) -> Likelihood:
        from scipy.special import expit

        value = _softplus(a) + _softplus(-b) - _log_of_rest(w)
        sign = np.where(a + b > 0, -1.0, 1.0)  # from the tail where both are small
        grad = -sign * np.expm1(-np.abs(a + b)) * expit(-sign * a) * expit(-sign * b)
        return value, grad, expit(a) * expit(-a) + expit(b) * expit(-b)


def _softplus(x: Doubles) -> Doubles:
    """log(1 + exp(x))."""
    value: Doubles = np.log1p(np.exp(-np.abs(x)))
    value += np.maximum(x, 0)
    return value


def _log_of_rest(w: Doubles) -> Doubles:
    """log(1 - exp(-w)), w > 0."""
    near, far = np.log(-np.expm1(-w)), np.log1p(-np.exp(-w))
    return np.where(w < math.log(2), near, far)


# ---- extreme value -----------------------------------------------------------------------------


class Extreme:
    """F(x) = 1 - exp(-exp(x)), of the least of many; times are then of Weibull's distribution."""

    def at(self, x: Doubles) -> Likelihood:
        hess = np.exp(x)
        return hess - x, -np.expm1(x), hess

    def above(self, a: Doubles) -> Likelihood:
        hazard = np.exp(a)
        return hazard, -hazard, hazard

    def below(self, b: Doubles) -> Likelihood:
        return self._difference(np.zeros_like(b), b)

    def between(self, a: Doubles, b: Doubles, w: Doubles) -> Likelihood:
        # log(exp(b) - exp(a))
        log_d = a + np.where(w < 1, np.log(np.expm1(w)), w + np.log1p(-np.exp(-w)))
        return self._difference(np.exp(a), log_d)

    def _difference(self, p: Doubles, log_d: Doubles) -> Likelihood:
        """Of exp(-p) - exp(-p - d)."""
        d = np.exp(log_d)
        mean = np.where(d > 0, d / np.expm1(d), 1.0)  # of d/(exp(d) - 1)
        mean[d > 700] = 0
        ratio = np.where(d > 0, -np.expm1(-d) / d, 1.0)
        value = p + np.where(d < 1, -log_d - np.log(ratio), -np.log1p(-np.exp(-d)))
        return value, mean - p, p + np.where(d > 0, d * _fall(d), 0.0)


# -B(n)/(n - 1)!, n = 2, 4, 6 ..., with the numbers B of Bernoulli
_FALL = (
    -0.16666666666666666,
    0.005555555555555556,
    -0.0001984126984126984,
    6.613756613756614e-06,
    -2.08767569878681e-07,
    6.3410281664249915e-09,
    -1.873555114295855e-10,
    5.423488474116132e-12,
    -1.545491170130012e-13,
    4.349737397116123e-15,
    -1.2119806222392504e-16,
    3.3490715245950057e-18,
)


def _fall(d: Doubles) -> Doubles:
    """Minus the derivative of d/(exp(d) - 1), 1/2 at 0."""
    square = d * d
    series = np.full_like(d, 0.0)
    for coefficient in reversed(_FALL):
        series = series * square + coefficient
    e = np.exp(-d)
    far = ((d - 1) * e + e * e) / np.expm1(-d) ** 2
    return np.where(d < 1, 0.5 + d * series, np.where(d > 700, 0.0, far))


# ---- normal ------------------------------------------------------------------------------------

_LOG_2PI = math.log(2 * math.pi)
_ROOT_2PI = math.sqrt(2 * math.pi)
_ROOT_HALF = math.sqrt(0.5)

# (h(x) - x)(x + 3.5) of the normal hazard h, x >= 0, as a polynomial in (x - 3.5)/(x + 3.5): the
# interpolation at Chebyshev's points, by numbers of 60 digits
_EXCESS = (
    1.759738854003898,
    -1.0299783886096454,
    0.21069624634473585,
    0.15371368344100333,
    -0.1007895842280715,
    -0.022180098780954328,
    0.035587516297510016,
    0.002029881669408849,
    -0.011862644525782897,
    0.00027216895530042735,
    0.003867808916729445,
    -0.0002043832132991324,
    -0.0012316453576265004,
    5.556547844854929e-05,
    0.00037630740539779524,
    -4.403615385841331e-06,
    -0.00010731824302460504,
    -3.4526401159536906e-06,
    2.762069683225279e-05,
    1.7773111315788572e-06,
    -6.185380517495221e-06,
    -2.7633806087178664e-07,
    1.1658078075091153e-06,
    -1.232696121833506e-07,
    -1.8089360692242053e-07,
    9.069672612759156e-08,
    2.227776149277638e-08,
    -2.545240949224834e-08,
    -1.7170281947804443e-09,
    2.9624498939917478e-09,
)

# nodes and weights of Gauss and Legendre on [0, 1]: integrals of even functions over [-1, 1]
_NODES = (
    (0.1252334085114689, 0.24914704581340277),
    (0.3678314989981802, 0.2334925365383548),
    (0.5873179542866175, 0.20316742672306592),
    (0.7699026741943047, 0.16007832854334622),
    (0.9041172563704749, 0.10693932599531843),
    (0.9815606342467192, 0.04717533638651183),
)


class Normal:
    """F(x) = erfc(-x/sqrt(2))/2."""

    def at(self, x: Doubles) -> Likelihood:
        return (x * x + _LOG_2PI) / 2, -x, np.where(np.isnan(x), x, 1.0)

    def above(self, a: Doubles) -> Likelihood:
        x = np.abs(a)
        excess = _excess(x)
        hazard = x + excess
        value, hess = x * x / 2 + np.log(hazard * _ROOT_2PI), hazard * excess
        left = np.flatnonzero(a < 0)
        x = x[left]
        density = _density(x)
        beyond = density / hazard[left]
        value[left] = -np.log1p(-beyond)
        hazard[left] = near = density / (1 - beyond)
        hess[left] = near * (near + x)
        return value, -hazard, hess

    def below(self, b: Doubles) -> Likelihood:
        value, grad, hess = self.above(-b)
        return value, -grad, hess

    def between(self, a: Doubles, b: Doubles, w: Doubles) -> Likelihood:
        sign = np.where(a + b < 0, -1.0, 1.0)
        a, b = np.where(sign < 0, -b, a), np.where(sign < 0, -a, b)  # the middle is not negative
        value, mean, hess = np.full((3, len(a)), np.nan)
        m = a / 2 + b / 2
        narrow = (w <= 2) & (m * w <= 4)
        ways = ((narrow, _narrow), (~narrow & (a >= 0), _tail), (~narrow & (a < 0), _across))
        for where, way in ways:
            value[where], mean[where], hess[where] = way(a[where], b[where], w[where], m[where])
        return value, -sign * mean, hess


# Of a < x < b, in three ways: -log(probability), mean, 1 - variance of what is cut off there. With
# the densities A and B at the ends the last is A(mean - a) + B(b - mean), of which nothing is less
# than 0.


def _narrow(a: Doubles, b: Doubles, w: Doubles, m: Doubles) -> Likelihood:
    """By the integral of exp(-m t - t^2/2) around the middle."""
    half = w / 2
    total, first, second = np.zeros((3, len(w)))
    for node, weight in _NODES:
        t = half * node
        e = weight * np.exp(-t * t / 2)
        even = e * np.cosh(m * t)
        total += even
        first += e * t * np.sinh(m * t)
        second += even * t * t
    shift = first / total
    value = (m * m + _LOG_2PI) / 2 - np.log(w) - np.log(total)
    return value, m - shift, 1 - (second / total - shift * shift)


def _tail(a: Doubles, b: Doubles, w: Doubles, m: Doubles) -> Likelihood:
    """By what is left when exp(-a^2/2) is divided out."""
    near, far = _excess(a), _excess(b)
    first, last = 1 / (a + near), np.exp(-m * w) / (b + far)
    rest = first - last  # the probability over the density at a
    excess = (first * near - last * (far + w)) / rest
    hess = (excess + np.exp(-m * w) * (w - excess)) / rest
    return a * a / 2 - np.log(rest / _ROOT_2PI), -np.expm1(-m * w) / rest, hess


def _across(a: Doubles, b: Doubles, w: Doubles, m: Doubles) -> Likelihood:
    """By the sum of what lies on both sides of 0, or 1 less what lies outside."""
    from scipy.special import erf

    first, last = _density(a), _density(b)
    outside = first / (-a + _excess(-a)) + last / (b + _excess(b))
    probability = (erf(-a * _ROOT_HALF) + erf(b * _ROOT_HALF)) / 2
    value = -np.where(outside < 0.5, np.log1p(-outside), np.log(probability))
    first, last = first / probability, last / probability
    mean = first * -np.expm1(-m * w)
    return value, mean, first * (mean - a) + np.where(last > 0, last * (b - mean), 0.0)


def _excess(x: Doubles) -> Doubles:
    """How far the normal hazard is above x, x >= 0: the density over what lies above, less x."""
    beyond = x + 3.5
    t = np.where(np.isinf(x), 1.0, (x - 3.5) / beyond)
    excess = np.full_like(t, _EXCESS[-1])
    for coefficient in _EXCESS[-2::-1]:
        excess *= t
        excess += coefficient
    excess /= beyond
    return excess


def _density(x: Doubles) -> Doubles:
    """exp(-x^2/2)/sqrt(2 pi), with the square in two parts: of large x its rounding would count."""
    high = x.astype(np.float32).astype(np.float64)
    e = np.exp(-high * high / 2) * np.exp(-(x - high) * (x + high) / 2)
    return np.where(np.abs(x) < 40, e, 0.0) / _ROOT_2PI
