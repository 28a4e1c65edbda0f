"""Losses that are special cases or limits of others agree with them."""

import math

import numpy as np
import pytest
from samples import DTYPES, typical

import fastloss as fl

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def results(loss, y, z):
    return np.array(
        [
            loss(y, z, reduction="none"),
            *loss.grad_and_hess(y, z, reduction="none"),
        ]
    )


def regression(dtype, n=500):
    rng = np.random.default_rng(3)
    return rng.normal(0, 2, n).astype(dtype), rng.normal(0, 2, n).astype(dtype)


@every_dtype
@pytest.mark.parametrize(("one", "other"), [
    (fl.GeneralRobust(alpha=0, c=2.5), fl.Cauchy(c=2.5)),
    (fl.GeneralRobust(alpha=-2, c=2.5), fl.GemanMcClure(c=2.5)),
    (fl.GeneralRobust(alpha=-math.inf, c=2.5), fl.Welsch(c=2.5)),
    (fl.TweedieDeviance(power=0), fl.SquaredError()),
    (fl.TweedieDeviance(power=1), fl.PoissonDeviance()),
    (fl.TweedieDeviance(power=2), fl.GammaDeviance()),
    (fl.Tweedie(power=1), fl.Poisson()),
    (fl.Tweedie(power=2), fl.Gamma()),
    (fl.Logistic(pos_weight=1), fl.Logistic()),
    (fl.Focal(alpha=None), fl.Focal()),
], ids=repr)  # fmt: skip
def test_special_cases_have_the_same_bits(one, other, dtype):
    y, z = typical(other, 500, dtype)
    np.testing.assert_array_equal(results(one, y, z), results(other, y, z))


@every_dtype
@pytest.mark.parametrize(("one", "factor", "other"), [
    (fl.GeneralRobust(alpha=2), 0.5, fl.SquaredError()),
    (fl.GeneralRobust(alpha=2, c=2), 0.125, fl.SquaredError()),
    (fl.GeneralRobust(alpha=2), 1, fl.Huber(delta=1e6)),
    (fl.Huber(delta=0.25), 0.25, fl.SmoothL1(beta=0.25)),
    (fl.Huber(delta=3), 3, fl.SmoothL1(beta=3)),
    (fl.Quantile(q=0.5), 0.5, fl.AbsoluteError()),
    (fl.Expectile(q=0.5), 0.5, fl.SquaredError()),
    (fl.EpsilonInsensitive(epsilon=0), 1, fl.AbsoluteError()),
    (fl.SquaredEpsilonInsensitive(epsilon=0), 1, fl.SquaredError()),
    (fl.SmoothL1(beta=0), 1, fl.AbsoluteError()),
    (fl.Focal(gamma=0), 1, fl.Logistic()),
    (fl.Focal(gamma=2, alpha=0.5), 0.5, fl.Focal(gamma=2)),
    (fl.Focal(gamma=0, alpha=0.75), 0.25, fl.Logistic(pos_weight=3)),
    (fl.Brier(), 1, fl.SquaredError()),
], ids=repr)  # fmt: skip
def test_multiples(one, factor, other, dtype):
    y, z = typical(one if one.z_domain.bounded else other, 500, dtype)
    np.testing.assert_allclose(
        results(one, y, z),
        factor * results(other, y, z),
        rtol=1e-4 if dtype == np.float32 else 1e-12,
    )


@every_dtype
def test_pseudo_huber(dtype):
    y, z = regression(dtype)
    r = z.astype(np.float64) - y
    got = results(fl.GeneralRobust(alpha=1, c=0.5), y, z)
    t = (r / 0.5) ** 2
    root = np.sqrt(t + 1)
    expected = t / (root + 1), r / 0.25 / root, 1 / 0.25 / root**3
    np.testing.assert_allclose(got, expected, rtol=2e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize(
    ("near", "limit"), [(1e-7, 0), (2 - 1e-7, 2), (-2 - 1e-7, -2), (-1e7, -math.inf)]
)
def test_the_general_robust_loss_is_continuous_in_alpha(near, limit):
    y, z = regression(np.float64)
    np.testing.assert_allclose(
        results(fl.GeneralRobust(alpha=near), y, z),
        results(fl.GeneralRobust(alpha=limit), y, z),
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("power", [1, 2])
def test_the_tweedie_deviance_is_continuous_in_power(power):
    y, z = typical(fl.GammaDeviance(), 300)
    np.testing.assert_allclose(
        results(fl.TweedieDeviance(power=power + 1e-6), y, z),
        results(fl.TweedieDeviance(power=power), y, z),
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize(("log_link", "deviance"), [
    (fl.Poisson(), fl.PoissonDeviance()), (fl.Gamma(), fl.GammaDeviance()),
    (fl.Tweedie(power=1.5), fl.TweedieDeviance(power=1.5)),
    (fl.Tweedie(power=3), fl.TweedieDeviance(power=3)),
])  # fmt: skip
def test_a_deviance_is_twice_the_likelihood_of_the_logarithm(log_link, deviance):
    y, mean = typical(deviance, 300)
    z = np.log(mean)
    half = log_link(y, z, reduction="none") - log_link(y, np.log(y), reduction="none")
    np.testing.assert_allclose(deviance(y, mean, reduction="none"), 2 * half, rtol=1e-9, atol=1e-13)
    grad = deviance.grad(y, mean, reduction="none")
    np.testing.assert_allclose(2 * log_link.grad(y, z, reduction="none"), grad * mean, rtol=1e-9)


def test_log_loss_of_a_sigmoid_is_the_logistic_loss():
    y, z = typical(fl.Logistic(), 300)
    p = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(
        fl.LogLoss()(y, p, reduction="none"), fl.Logistic()(y, z, reduction="none"), rtol=1e-12
    )


def test_binary_kl_is_log_loss_less_entropy():
    y, p = typical(fl.BinaryKL(), 300)
    np.testing.assert_allclose(
        fl.BinaryKL()(y, p, reduction="none"),
        fl.LogLoss()(y, p, reduction="none") - fl.LogLoss()(y, y, reduction="none"),
        atol=1e-14,
    )
    np.testing.assert_array_equal(fl.BinaryKL()(y, y, reduction="none"), 0)


def test_huber_goes_to_0_with_delta():
    y, z = regression(np.float64)
    assert fl.Huber(delta=0)(y, z) == 0
    np.testing.assert_array_equal(fl.Huber(delta=0).grad(y, z), 0)
    assert fl.Huber(delta=1e-300)(y, z) == pytest.approx(1e-300 * abs(z - y).mean())


def test_the_brier_score_is_that_of_the_binary_form():
    assert fl.Brier()([1], [0.7]) == pytest.approx(0.09)


@pytest.mark.parametrize("loss", [
    fl.SquaredError(), fl.AbsoluteError(), fl.Huber(), fl.SmoothL1(), fl.LogCosh(), fl.Cauchy(),
    fl.GemanMcClure(), fl.Welsch(), fl.GeneralRobust(), fl.EpsilonInsensitive(), fl.SmoothL2(),
], ids=repr)  # fmt: skip
def test_losses_of_the_residual_are_symmetric(loss):
    y, z = regression(np.float64)
    value, grad, hess = results(loss, y, z)
    np.testing.assert_array_equal(results(loss, z, y), [value, -grad, hess])
    np.testing.assert_array_equal(results(loss, -y, -z), [value, -grad, hess])
