"""Cases that libraries get wrong: extreme values, kinks, ends of domains, large indices."""

import inspect
import math
import subprocess
import sys

import numpy as np
import pytest
from samples import DTYPES, defaults

import fastloss as fl

INF = math.inf
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def everything(loss, y, z, dtype=np.float64):
    """Value, gradient and Hessian of one sample, by every method that computes them."""
    y, z = np.full(17, y, dtype), np.full(17, z, dtype)  # a full vector and a tail
    value, grad = loss.value_and_grad(y, z, reduction="none")
    again, hess = loss.grad_and_hess(y, z, reduction="none")
    np.testing.assert_array_equal(loss(y, z, reduction="none"), value)
    np.testing.assert_array_equal(loss.grad(y, z, reduction="none"), grad)
    np.testing.assert_array_equal(again, grad)
    for result in (value, grad, hess):
        np.testing.assert_array_equal(result, result[0])
    return float(value[0]), float(grad[0]), float(hess[0])


def close(*values, dtype=np.float64):
    return pytest.approx(values, rel=2e-6 if dtype == np.float32 else 1e-14, nan_ok=False)


# ---- extreme values ----------------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize(("y", "z", "value", "grad"), [
    (1, -1000, 1000, -1), (0, 1000, 1000, 1), (1, -50, 50, -1), (0, 0, math.log(2), 0.5),
    (1, 0, math.log(2), -0.5), (1, 1000, 0, 0), (0, -1000, 0, 0), (0.5, 1000, 500, 0.5),
])  # fmt: skip
def test_logistic_at_large_scores(y, z, value, grad, dtype):
    got = everything(fl.Logistic(), y, z, dtype)
    assert got[:2] == close(value, grad, dtype=dtype)
    if abs(z) == 1000:
        assert got[2] == 0


@every_dtype
def test_logistic_keeps_the_digits_of_tiny_values(dtype):
    tiny = float(np.exp(-np.longdouble(100)))  # 3.72e-44: subnormal in float32
    value, grad, hess = everything(fl.Logistic(), 0, -100, dtype)
    for got in (value, grad, hess):
        assert got == pytest.approx(tiny, rel=0.02 if dtype == np.float32 else 1e-15)


@every_dtype
def test_a_score_of_infinity_for_the_right_class_costs_nothing(dtype):
    for y, z in ((0, -INF), (1, INF)):
        for loss in (fl.Logistic(), fl.Focal(), fl.Focal(gamma=0), fl.Logistic(pos_weight=3)):
            assert everything(loss, y, z, dtype) == (0, 0, 0)
    for y, z in ((1, -INF), (0, INF)):
        for loss in (fl.Logistic(), fl.Focal(), fl.Focal(gamma=0)):
            assert everything(loss, y, z, dtype) == (INF, math.copysign(1, z), 0)


@pytest.mark.parametrize(("y", "z", "value", "grad"), [
    (1, 100, 7.175e-66, -1.076e-65), (1, -100, 100, -1), (0, -100, 7.175e-66, 1.076e-65),
    (0, 100, 100, 1),
])  # fmt: skip
def test_focal_with_a_fractional_gamma_at_large_scores(y, z, value, grad):
    got = everything(fl.Focal(gamma=0.5), y, z)
    assert got[:2] == pytest.approx((value, grad), rel=1e-3)


@every_dtype
@pytest.mark.parametrize("loss", [fl.LogLoss(), fl.BinaryKL()], ids=repr)
def test_probabilities_of_exactly_0_and_1(loss, dtype):
    assert everything(loss, 0, 0, dtype) == (0, 1, 1)
    assert everything(loss, 1, 1, dtype) == (0, -1, 1)
    assert everything(loss, 1, 0, dtype) == (INF, -INF, INF)
    assert everything(loss, 0, 1, dtype) == (INF, INF, INF)
    assert everything(loss, 0.5, 0, dtype) == (INF, -INF, INF)
    assert everything(loss, 0.5, 1, dtype) == (INF, INF, INF)
    assert everything(loss, 0, np.finfo(dtype).smallest_subnormal, dtype)[0] > 0


@pytest.mark.parametrize("p", [-1e-9, 1 + 1e-9, -1, 2, INF, -INF])
def test_a_probability_outside_raises_and_is_not_clipped(p):
    for loss in (fl.LogLoss(), fl.Brier(), fl.BinaryKL()):
        with pytest.raises(fl.DomainError, match=r"y_pred\[1\] = .* is not in \[0, 1\]"):
            loss([0.0, 1.0], [0.5, p])


@every_dtype
@pytest.mark.parametrize("loss", [fl.PoissonDeviance(), fl.TweedieDeviance(power=1.5)], ids=repr)
def test_a_count_of_0_has_no_logarithm(loss, dtype):
    value, grad, hess = everything(loss, 0, 1, dtype)
    assert (value, grad) == close(2 if isinstance(loss, fl.PoissonDeviance) else 4, 2, dtype=dtype)
    assert np.isfinite(hess)


@every_dtype
def test_a_poisson_rate_of_0(dtype):
    assert everything(fl.Poisson(), 0, -INF, dtype) == (0, 0, 0)  # an expectation of exactly 0
    assert everything(fl.Poisson(), 2, -INF, dtype) == (INF, -2, 0)
    with pytest.raises(fl.DomainError):
        fl.PoissonDeviance()([0.0], [0.0])


def test_a_negative_target_probability_raises():
    with pytest.raises(fl.DomainError, match="y_true"):
        fl.BinaryKL()([-0.1], [0.5])


@every_dtype
@pytest.mark.parametrize(
    "loss", [fl.LogCosh(), fl.Huber(), fl.SmoothL1(), fl.AbsoluteError()], ids=repr
)
@pytest.mark.parametrize("z", [-1, 1])
def test_losses_that_grow_linearly_do_so_to_the_end(loss, z, dtype):
    far = float(np.finfo(dtype).max)
    value, grad, hess = everything(loss, 0, z * far, dtype)
    assert (value, grad, hess) == (far, z, 0)
    assert everything(loss, 0, z * INF, dtype) == (INF, z, 0)


@every_dtype
@pytest.mark.parametrize("z", [-INF, INF])
@pytest.mark.parametrize(
    "loss", [loss for loss in defaults() if not loss.z_domain.bounded], ids=repr
)
def test_at_infinity_there_is_no_nan_that_the_formula_does_not_have(loss, z, dtype):
    names = {name: getattr(np, name) for name in ("exp", "log", "log1p", "sqrt", "cosh", "inf")}
    with np.errstate(all="ignore"):
        formula = eval(  # noqa: S307
            loss.definition,
            names | dict(loss.parameters) | {"y": np.float64(1), "z": np.float64(z)},
        )
    value, grad, hess = everything(loss, 1, z, dtype)
    assert value == formula or math.isnan(formula)
    assert not np.isnan([grad, hess]).any()


# ---- kinks: what the docstrings say ------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize(("loss", "y", "z", "grad", "hess"), [
    (fl.AbsoluteError(), 1, 1, 0, 0),
    (fl.AbsolutePercentageError(), 2, 2, 0, 0),
    (fl.SymmetricAbsolutePercentageError(), 1, 1, 0, 0),
    (fl.SymmetricAbsolutePercentageError(), 0, 0, 0, 0),
    (fl.SymmetricAbsolutePercentageError(), 1, 0, 0, 0),
    (fl.SymmetricAbsolutePercentageError(), 1, -1, 0, 0),
    (fl.RootMeanSquaredError(), 1, 1, 0, 0),
    (fl.Quantile(q=0.25), 1, 1, 0, 0),
    (fl.Expectile(q=0.25), 1, 1, 0, 0.5),
    (fl.Huber(delta=2), 1, 3, 2, 1), (fl.Huber(delta=2), 1, -1, -2, 1),
    (fl.SmoothL1(beta=2), 1, 3, 1, 0), (fl.SmoothL1(beta=2), 1, -1, -1, 0),
    (fl.SmoothL1(beta=0), 1, 1, 0, 0), (fl.Huber(delta=0), 1, 1, 0, 1),
    (fl.SmoothL2(), 1, 2, 1, 1), (fl.SmoothL2(), 1, 0, -1, 1),
    (fl.EpsilonInsensitive(epsilon=0.5), 1, 1.5, 0, 0),
    (fl.EpsilonInsensitive(epsilon=0.5), 1, 0.5, 0, 0),
    (fl.EpsilonInsensitive(epsilon=0), 1, 1, 0, 0),
    (fl.SquaredEpsilonInsensitive(epsilon=0.5), 1, 1.5, 0, 0),
    (fl.SquaredEpsilonInsensitive(epsilon=0.5), 1, 0.5, 0, 0),
    (fl.Hinge(), 1, 1, 0, 0), (fl.Hinge(), -1, -1, 0, 0),
    (fl.SquaredHinge(), 1, 1, 0, 0), (fl.SquaredHinge(), -1, -1, 0, 0),
    (fl.ModifiedHuber(), 1, 1, 0, 0), (fl.ModifiedHuber(), 1, -1, -4, 2),
    (fl.ModifiedHuber(), -1, 1, 4, 2),
    (fl.Perceptron(), 1, 0, 0, 0), (fl.Perceptron(), -1, 0, 0, 0),
])  # fmt: skip
def test_derivatives_at_kinks_are_the_documented_ones(loss, y, z, grad, hess, dtype):
    assert everything(loss, y, z, dtype)[1:] == (grad, hess)


@every_dtype
def test_smooth_l2_jumps_at_1(dtype):
    above = np.nextafter(dtype(1), dtype(2))
    assert everything(fl.SmoothL2(), 0, 1, dtype)[0] == 0.5
    assert everything(fl.SmoothL2(), 0, above, dtype)[0] == above - dtype(1)


@pytest.mark.parametrize("q", [0, 0.25, 0.5, 1])
def test_the_subgradient_of_the_quantile_loss(q):
    loss = fl.Quantile(q=q)
    assert -q <= everything(loss, 3, 3)[1] <= 1 - q
    assert "subgradient" in inspect.getdoc(fl.Quantile)
    assert everything(loss, 3, 3 + 1e-9)[1] == 1 - q
    assert everything(loss, 3, 3 - 1e-9)[1] == -q


# ---- many elements -----------------------------------------------------------------------------

LARGE = """
import numpy as np
import fastloss as fl

p = np.zeros(2**31 + 8, np.int8)
p[-1] = 7
y = np.broadcast_to(np.float32(0), p.shape)
try:
    fl.Brier()(y, p)
except fl.DomainError as error:
    assert error.index == (2**31 + 7,), error
else:
    raise AssertionError
"""


def test_more_elements_than_an_int_can_count():
    subprocess.run([sys.executable, "-c", LARGE], check=True, timeout=120)


def test_read_only_inputs_work():
    y, z = np.zeros(600), np.ones(600)
    y.flags.writeable = z.flags.writeable = False
    assert fl.SquaredError()(y, z) == 1
    assert fl.score(y, z, ["mse"])["mse"] == 1


def test_a_batch_of_one_class_just_works():
    for loss in (fl.LogLoss(), fl.Brier(), fl.BinaryKL()):
        assert np.isfinite(loss([1, 1, 1], [0.5, 0.6, 0.7]))
    assert np.isfinite(fl.Hinge()([-1, -1], [0.5, 0.6]))
