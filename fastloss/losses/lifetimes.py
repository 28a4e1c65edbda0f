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

        value = np.logaddexp(0, x) + np.logaddexp(0, -x)
        return value, -np.tanh(x / 2), 2 * expit(x) * expit(-x)

    def above(self, a: Doubles) -> Likelihood:
        from scipy.special import expit

        below = expit(a)
        return np.logaddexp(0, a), -below, below * expit(-a)

    def below(self, b: Doubles) -> Likelihood:
        value, grad, hess = self.above(-b)
        return value, -grad, hess

    def between(self, a: Doubles, b: Doubles, w: Doubles) -> Likelihood:
        from scipy.special import expit

        value = np.logaddexp(0, a) + np.logaddexp(0, -b) - _log_of_rest(w)
        sign = np.where(a + b > 0, -1.0, 1.0)  # from the tail where both are small
        grad = -sign * np.expm1(-np.abs(a + b)) * expit(-sign * a) * expit(-sign * b)
        return value, grad, expit(a) * expit(-a) + expit(b) * expit(-b)


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
_ROOT_2_PI = math.sqrt(2 / math.pi)
_ROOT_HALF = math.sqrt(0.5)

# (h(x) - x)(x + 3.5) of the normal hazard h, x >= 0, in Chebyshev polynomials of
# (x - 3.5)/(x + 3.5), fitted to 60 digits
_EXCESS = (
    1.8359042457837316,
    -0.9273830664437862,
    0.06766320775055595,
    0.032202143645103674,
    -0.007840966309181867,
    -0.0011503792667749606,
    0.0006131596214936544,
    3.364178612944578e-05,
    -4.4636340175288374e-05,
    -2.6028824520084427e-07,
    3.1806458368984177e-06,
    -6.746707913945679e-08,
    -2.2436812686238004e-07,
    7.040739968734076e-09,
    1.5614247905980226e-08,
    -4.235997262485926e-10,
    -1.057726788164768e-09,
    1.1752153295675844e-11,
    6.821118274759819e-11,
    8.980845485543383e-13,
    -4.055303487469304e-12,
    -1.649676670571325e-13,
    2.1222725657286085e-13,
    1.2960449817893522e-14,
    -9.13774351132656e-15,
    -3.537459304955083e-16,
    3.057290354166409e-16,
    -5.922686697256817e-17,
    -1.2792856952402326e-17,
    1.1035985849766984e-17,
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
        tail = np.maximum(a, 0)
        scaled = _scaled(tail)
        value = tail * tail / 2 + np.log(2 / scaled)
        hazard = _ROOT_2_PI / scaled
        hess = hazard * _excess(tail)
        left = a < 0
        x = a[left]
        density = _density(x)
        beyond = density * _scaled(-x) / _ROOT_2_PI
        value[left] = -np.log1p(-beyond)
        hazard[left] = near = density / (1 - beyond)
        hess[left] = near * (near - x)
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
    first, last = _scaled(a), _scaled(b)
    e = np.exp(-m * w)
    rest = first - e * last
    density = _ROOT_2_PI / rest
    excess = (first * _excess(a) - e * last * (_excess(b) + w)) / rest
    hess = density * (excess + e * (w - excess))
    return a * a / 2 + np.log(2 / rest), density * -np.expm1(-m * w), hess


def _across(a: Doubles, b: Doubles, w: Doubles, m: Doubles) -> Likelihood:
    """By the sum of what lies on both sides of 0, or 1 less what lies outside."""
    from scipy.special import erf

    first, last = _density(a), _density(b)
    outside = (first * _scaled(-a) + last * _scaled(b)) / _ROOT_2_PI
    probability = (erf(-a * _ROOT_HALF) + erf(b * _ROOT_HALF)) / 2
    value = -np.where(outside < 0.5, np.log1p(-outside), np.log(probability))
    first, last = first / probability, last / probability
    mean = first * -np.expm1(-m * w)
    return value, mean, first * (mean - a) + np.where(last > 0, last * (b - mean), 0.0)


def _scaled(x: Doubles) -> Doubles:
    """exp(x^2/2) erfc(x/sqrt(2)), x >= 0."""
    from scipy.special import erfcx

    scaled: Doubles = erfcx(x * _ROOT_HALF)
    return scaled


def _excess(x: Doubles) -> Doubles:
    """How far the normal hazard is above x, x >= 0: what remains of life at x."""
    # by Clenshaw's recurrence, in t = (x - 3.5)/(x + 3.5)
    beyond = x + 3.5
    twice = np.where(np.isinf(x), 2.0, 2 * (x - 3.5) / beyond)
    last, before = np.zeros((2, len(x)))
    for coefficient in _EXCESS[:0:-1]:
        last, before = coefficient + twice * last - before, last
    return (_EXCESS[0] + twice / 2 * last - before) / beyond


def _density(x: Doubles) -> Doubles:
    """exp(-x^2/2)/sqrt(2 pi), with the square in two parts: of large x its rounding would count."""
    high = x.astype(np.float32).astype(np.float64)
    e = np.exp(-high * high / 2) * np.exp(-(x - high) * (x + high) / 2)
    return np.where(np.abs(x) < 40, e, 0.0) / math.sqrt(2 * math.pi)
