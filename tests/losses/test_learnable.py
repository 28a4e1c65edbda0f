"""Derivatives by parameters, and integrals of exp(-loss), against their definitions in mpmath."""

import math
from functools import cache

import mpmath
import numpy as np
import pytest
from isa import EVERY, result_on
from mpmath import mp, mpf
from oracle import derivatives, error, spacing, two_doubles
from samples import DTYPES, typical

import fastloss as fl
from fastloss.losses.learnable import Learnable

ALPHAS = (1, 0, 2 - 1e-15, 2 - 1e-9, 1.999, 1.5, 0.5, 1e-3, 1e-9, 1e-17, 5e-324, -1e-9, -0.1)
ALPHAS += (-1, -2, -2.001, -8, -30, -1e3, -1e30, 2 + 1e-15, 2.001, 3, 4, 10)
VARIANTS = [
    *(fl.GeneralRobust(alpha) for alpha in ALPHAS),
    *(fl.GeneralRobust(alpha, c) for alpha in (0, 1, -math.inf) for c in (0.3, 1e-15, 1e15)),
    fl.GeneralRobust(2.0, 3.0),
    *(cls(c) for cls in (fl.Cauchy, fl.GemanMcClure, fl.Welsch) for c in (1, 0.3)),
    *(fl.Huber(delta) for delta in (1, 0, 0.1, 1e3)),
]
CASES = [(loss, dtype) for loss in VARIANTS for dtype in DTYPES]
ULP = 12  # the derivative by alpha is as steep as r**6


@cache
def residuals(dtype):
    """From 1e-20 to 1e20, and more of them around 1."""
    rng = np.random.default_rng(0)
    sizes = np.concatenate([np.linspace(-20, 20, 21), rng.uniform(-2, 2, 20)])
    return (10.0**sizes * rng.choice([-1, 1], len(sizes))).astype(dtype)


@cache
def exact(loss, dtype, name):
    """The derivative by a parameter, as pairs of doubles, and the error that is allowed."""
    r = residuals(dtype)
    at = loss
    if name == "alpha" and abs(loss.alpha) < 1e-60:  # whose definition does not depend on it
        at = fl.GeneralRobust(1e-60, loss.c)
    found = [derivatives(at, 0, x, dtype, digits=450, by=name)[0][1] for x in r]
    expected = np.array([two_doubles(x) for x in found])
    if dtype is np.float32:  # computed in double
        return expected, 1
    allowed = ULP * np.ones(len(r))
    if not isinstance(loss, fl.Huber):  # a power of a rounded number
        power, width = (loss._slope_kernel()[1][key] for key in ("power", "width"))
        u = (r / loss.c) ** 2 / width
        allowed += 2 * np.abs((power - (power < 1)) * np.log1p(u)) if power != 1 else 0
    return expected, allowed


def evaluate(tasks):
    """The derivatives of each sample, for each loss and its residuals."""
    return [
        [loss.grad_parameters(np.zeros(1), np.array([x])) for x in residuals]
        for loss, residuals in tasks
    ]


@pytest.fixture(scope="module")
def results():
    work = [(loss, residuals(dtype)) for loss, dtype in CASES]
    return {isa: dict(zip(CASES, result_on(isa, evaluate, work), strict=True)) for isa in EVERY}


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_derivatives_are_within_the_budget(loss, dtype, isa, results):
    for name in loss.parameters:
        got = np.array([by[name] for by in results[isa][loss, dtype]])
        if name == "alpha" and loss.alpha == -math.inf:
            assert not got.any()
        elif name == "alpha" and loss.alpha == 2:  # the limit from both sides
            assert (got == math.inf).all()
        else:
            expected, allowed = exact(loss, dtype, name)
            with np.errstate(over="ignore"):
                ulp = spacing(expected[:, 0], dtype)
            excess = error(got, *expected.T, dtype) / ulp / allowed
            worst = np.argmax(excess)
            assert excess[worst] <= 1, (name, residuals(dtype)[worst], got[worst], expected[worst])


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_at_the_ends(loss):
    """Of residuals of 0, of infinite ones and of NaN."""
    for name, value in loss.grad_parameters([3.0], [3.0]).items():
        assert value == 0, name
    for name, value in loss.grad_parameters([3.0], [math.nan]).items():
        assert math.isnan(value), name
    for size in (1e100, 1e200):
        far = loss.grad_parameters([0.0], [size])
        assert not any(map(math.isnan, far.values()))
        if isinstance(loss, fl.GeneralRobust) and -1e100 < loss.alpha <= -1:
            assert far["alpha"] == pytest.approx(2 / loss.alpha**2, rel=1e-9)


# ---- reductions, weights, arguments ------------------------------------------------------------

LEARNABLE = [fl.GeneralRobust(0.7, 1.3), fl.Cauchy(0.4), fl.Huber(0.8)]
each = pytest.mark.parametrize("loss", LEARNABLE, ids=repr)


@each
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 17, 2000])
def test_reductions_and_weights(loss, dtype, n):
    y, z = typical(loss, n, dtype)
    w = np.random.default_rng(1).uniform(0, 2, n)
    samples = [loss.grad_parameters(y[i : i + 1], z[i : i + 1]) for i in range(n)]
    for name in loss.parameters:
        of_samples = np.array([sample[name] for sample in samples])

        def reduced(**keywords):
            return loss.grad_parameters(y, z, **keywords)[name]  # noqa: B023

        close = {"rel": 1e-12}
        assert reduced() == pytest.approx(of_samples.mean(), **close)
        assert reduced(reduction="sum") == pytest.approx(of_samples.sum(), **close)
        assert reduced(sample_weight=w) == pytest.approx(of_samples @ w / w.sum(), **close)
        assert reduced(sample_weight=w, reduction="sum") == pytest.approx(of_samples @ w, **close)
        assert type(reduced()) is float


@each
def test_it_is_the_derivative_of_the_reduced_loss(loss):
    y, z = typical(loss, 500)
    w = np.random.default_rng(1).uniform(0, 2, 500)
    h = 1e-6
    for name, slope in loss.grad_parameters(y, z, sample_weight=w).items():
        above, below = (
            type(loss)(**{**loss.parameters, name: loss.parameters[name] + step})(
                y, z, sample_weight=w
            )
            for step in (h, -h)
        )
        assert slope == pytest.approx((above - below) / (2 * h), rel=1e-5)


@each
def test_nan_policies(loss):
    y, z = np.array([1.0, 2.0, math.nan]), np.array([0.0, 4.0, 1.0])
    kept = loss.grad_parameters(y[:2], z[:2])
    assert loss.grad_parameters(y, z, nan_policy="omit") == kept
    assert all(map(math.isnan, loss.grad_parameters(y, z).values()))
    with pytest.raises(fl.DomainError, match=r"y_true\[2\] = nan is not a number"):
        loss.grad_parameters(y, z, nan_policy="raise")
    assert loss.grad_parameters(y, z, sample_weight=[1, 1, 0]) == kept


@each
def test_what_is_refused(loss):
    for reduction in ("none", "Mean", None):
        with pytest.raises(ValueError, match='reduction must be "mean" or "sum" here; got'):
            loss.grad_parameters([0.0], [1.0], reduction=reduction)
    with pytest.raises(ValueError, match="y_true and y_pred must have the same shape"):
        loss.grad_parameters([0.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="the mean over nothing is undefined"):
        loss.grad_parameters([], [])
    with pytest.raises(TypeError, match="y_pred must hold real"):
        loss.grad_parameters([0.0], ["a"])


# ---- log_partition -----------------------------------------------------------------------------


def rho(x, alpha):
    b = abs(alpha - 2)
    return b / alpha * mpmath.expm1(alpha / 2 * mpmath.log1p(x * x / b))


def integral(alpha):
    """The logarithm of the integral of exp(-rho), and its derivative, to more than 15 digits."""
    with mp.workdps(60):
        alpha = mpf(alpha) or mpf(10) ** -20
        h = mpf(10) ** -10 * min(alpha, abs(alpha - 2))

    def both(t):  # in the logarithm of x
        with mp.workdps(60):
            x = mpmath.exp(t)
            value = x * mpmath.exp(-rho(x, alpha))
            slope = (rho(x, alpha + h) - rho(x, alpha - h)) / (2 * h)
        return mpmath.mpc(value, value * slope)

    ends = [-45, -12, -5, -2, 0, 1, 2] + ([3, 5, 8, 15, 30, 50] if alpha < 2 else [2.5])
    with mp.workdps(20):
        found = mpmath.quad(both, ends)
        return float(mpmath.log(2 * found.real)), float(-found.imag / found.real)


@pytest.mark.parametrize("alpha", [0, 1e-3, 0.3, 1, 1.99, 2 - 1e-12, 2 + 1e-12, 3, 1e4])
def test_log_partition(alpha):
    value, slope = integral(alpha)
    for c in (1.0, 0.3):
        got, by = fl.GeneralRobust(alpha, c).log_partition()
        assert got == pytest.approx(value + math.log(c), rel=1e-13)
        assert by["alpha"] == pytest.approx(slope, rel=1e-12)
        assert by["c"] == pytest.approx(1 / c, rel=1e-15)


@pytest.mark.parametrize("c", [1e-15, 0.3, 1.0, 1e15])
def test_log_partition_in_closed_form(c):
    value, by = fl.GeneralRobust(2.0, c).log_partition()
    assert value == pytest.approx(math.log(math.sqrt(2 * math.pi) * c), rel=1e-15)
    assert by == {"alpha": -math.inf, "c": 1 / c}
    value, by = fl.Cauchy(c).log_partition()
    assert value == pytest.approx(math.log(math.sqrt(2) * math.pi * c), rel=1e-14)
    assert by == {"c": 1 / c}
    with mp.workdps(30):
        bessel = float(mpmath.log(2 * mpmath.e * mpmath.besselk(1, 1) * c))
    assert fl.GeneralRobust(1.0, c).log_partition()[0] == pytest.approx(bessel, rel=1e-14)


@pytest.mark.parametrize("delta", [1e-300, 1e-3, 0.5, 1.0, 3.0, 40.0, 1e300])
def test_log_partition_of_huber(delta):
    value, by = fl.Huber(delta).log_partition()
    with mp.workdps(30):
        d = mpf(delta)
        bowl = mpmath.sqrt(2 * mp.pi) * mpmath.erf(d / mpmath.sqrt(2))
        tails = 2 * mpmath.exp(-d * d / 2) / d if d < 1e100 else mpf(0)
        assert value == pytest.approx(float(mpmath.log(bowl + tails)), rel=1e-14)
        assert by["delta"] == pytest.approx(float(-tails / d / (bowl + tails)), rel=1e-12)


@pytest.mark.parametrize(
    "loss",
    [fl.GeneralRobust(-1e-9), fl.GeneralRobust(-math.inf), fl.GemanMcClure(), fl.Welsch()],
    ids=repr,
)
def test_a_loss_that_is_bounded_has_no_partition(loss):
    with pytest.raises(ValueError, match="has no finite integral: alpha must be at least 0; got -"):
        loss.log_partition()


def test_huber_of_0_has_no_partition():
    with pytest.raises(ValueError, match=r"Huber\(delta=0.0\), which is 1, has no finite integral"):
        fl.Huber(0.0).log_partition()


def test_what_the_likelihood_finds():
    """The scale of normal residuals is their root mean square, of which the derivative is 0."""
    y, z = np.zeros(1000), np.random.default_rng(0).normal(0, 3, 1000)
    loss = fl.GeneralRobust(2.0, fl.RootMeanSquaredError()(y, z))
    by = loss.grad_parameters(y, z)["c"] + loss.log_partition()[1]["c"]
    assert by == pytest.approx(0, abs=1e-15)


def test_who_is_learnable():
    found = {name for name in fl.loss_names() if isinstance(fl.get_loss(name), Learnable)}
    assert found == {"cauchy", "geman_mcclure", "general_robust", "huber", "welsch"}
