"""Losses and values that were wrong once."""

import numpy as np
import pytest

import fastloss as fl


def test_a_loss_that_was_not_initialised_raises():
    with pytest.raises(TypeError, match="not initialised"):
        fl.Huber.__new__(fl.Huber)([1.0], [2.0])
    with pytest.raises(TypeError, match="not a loss"):
        fl.Loss()


def test_a_subclass_of_a_loss_works():
    class Mine(fl.Huber):
        pass

    assert Mine()([1.0], [2.0]) == 0.5


@pytest.mark.parametrize(
    ("loss", "y", "z", "exact"),
    [
        (fl.PoissonDeviance(), 1e-30, 1e30, 2e30),
        (fl.PoissonDeviance(), 1e30, 1e-30, 2.743102e32),
        (fl.GammaDeviance(), 1e-30, 1e30, 274.31021),
        (fl.GammaDeviance(), 1, 3e38, 175.19369),
        (fl.GammaDeviance(), 1.17549435e-38, 1.1754945e-38, 1.4210852e-14),
        (fl.SquaredLogError(), 3e38, 1.5e38, 0.48045301),
        (fl.SquaredLogError(), -1 + 2**-24, 3e38, 11073.853),
        (fl.TweedieDeviance(1.5), 1.17549435e-38, 1.17549435e-38, 0.0),
        (fl.TweedieDeviance(5), 1e-20, 1e-20, 0.0),
        (fl.SymmetricAbsolutePercentageError(), 3e38, 1e38, 1.0),
    ],
)
def test_ratios_that_overflow_float32(loss, y, z, exact):
    assert loss(np.float32([y]), np.float32([z])) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", [1.5, 1.9, 1.000001, 1.999999, 2.000001, 3, -1e-6, -2])
def test_the_tweedie_deviance_of_a_good_fit_is_neither_negative_nor_noise(power, dtype):
    loss, y = fl.TweedieDeviance(power), np.linspace(0.5, 2, 1001).astype(dtype)
    for k in (1, 10, 1000, 100_000):
        z = y + k * np.spacing(y)
        got = loss(y, z, reduction="none")
        wide = y.astype(np.longdouble)
        t = (z - y) / wide  # two terms of the series, and the size of the third
        exact = wide ** (2 - power) * t**2 * (1 - 2 * power * t / 3)
        tolerance = 9 * np.finfo(dtype).eps + (power**2 + 1) * np.max(t) ** 2
        np.testing.assert_allclose(got, exact.astype(np.float64), rtol=float(tolerance))
        assert (loss(z, y, reduction="none") > 0).all()
    np.testing.assert_array_equal(loss(y, y, reduction="none"), 0)


def test_the_tweedie_deviance_of_one_pair():
    pair = np.float32([1.5159018]), np.float32([1.5161076])
    assert fl.TweedieDeviance(1.5)(*pair) == pytest.approx(2.2679643e-08, rel=5e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_halves_of_the_least_numbers(dtype):
    loss = fl.SymmetricAbsolutePercentageError()
    tiny = np.finfo(dtype).smallest_subnormal
    y = np.array([0, tiny, -tiny, -0.0, tiny, tiny, 3 * tiny], dtype)
    z = np.array([tiny, 0, tiny, -tiny, tiny, 3 * tiny, tiny], dtype)
    np.testing.assert_array_equal(loss(y, z, reduction="none"), [2, 2, 2, 2, 0, 1, 1])
    grad, hess = loss.grad_and_hess(y, z, reduction="none")
    np.testing.assert_array_equal(grad, [0, 0, 0, 0, 0, np.inf, -np.inf])
    assert not np.isnan(hess).any()


@pytest.mark.parametrize(
    ("loss", "y", "z", "exact"),
    [
        (fl.Gamma(), 1e-5, -90, 1.2204033e34),
        (fl.Gamma(), 1e30, 100, 100),
        (fl.Tweedie(3), 1e-30, -75, 6.9685479e34 - 3.7332420e32),
        (fl.Welsch(), 0, 13.8, 1),
    ],
)
def test_factors_of_exponentials_that_leave_the_range_of_float32(loss, y, z, exact):
    assert loss(np.float32([y]), np.float32([z])) == pytest.approx(exact, rel=1e-6)


def test_factors_of_exponentials_that_leave_the_range_of_float64():
    assert fl.Gamma()([1e-5], [-715.0]) == pytest.approx(3.3155422e305, rel=1e-7)
    one = np.ones(1, np.float32)
    np.testing.assert_allclose(  # exp(-100) has few digits in float32
        fl.Gamma().grad_and_hess(1e30 * one, 100 * one), [[1], [3.7200760e-14]], rtol=1e-7
    )
    np.testing.assert_allclose(fl.Welsch().grad(0 * one, 13.8 * one), [6.1144e-41], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_residual_that_overflows_times_0_is_0(dtype):
    most = np.finfo(dtype).max
    y, z = np.array([most, -most], dtype), np.array([-most, most], dtype)
    for loss, i in ((fl.Huber(0), 0), (fl.Quantile(0), 0), (fl.Expectile(0), 0)):
        assert loss(y, z, reduction="none")[i] == 0
        assert loss.grad(y, z, reduction="none")[i] == 0
    for loss in (fl.Quantile(1), fl.Expectile(1)):
        assert loss(y, z, reduction="none")[1] == 0
        assert loss.grad(y, z, reduction="none")[1] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_hessian_of_the_pseudo_huber_loss_far_out(dtype):
    loss, y, z = fl.GeneralRobust(alpha=1.0, c=0.1), np.zeros(3, dtype), np.ones(3, dtype)
    z *= [1, 600, np.finfo(dtype).max]
    hess = loss.grad_and_hess(y, z, reduction="none")[1]
    np.testing.assert_allclose(hess, [100 / 101**1.5, 4.629629436728e-10, 0], rtol=1e-6)


def test_derivatives_of_the_tweedie_deviance_where_powers_overflow():
    tiny = np.float32([1.17549435e-38])
    next_one = np.nextafter(tiny, np.float32(1))
    assert fl.TweedieDeviance(1.5).grad(tiny, tiny) == 0
    assert fl.TweedieDeviance(1.5).grad(tiny, next_one) == pytest.approx(2.1990229e12, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tweedie_deviance_of_the_default_power_at_the_ends_of_the_range(dtype):
    loss, least = fl.TweedieDeviance(), np.finfo(dtype).smallest_subnormal
    small = np.array([1000, 1010, 1, 3], dtype) * least
    pairs = np.array([[y, z] for y in small for z in small])
    value, grad = loss.value_and_grad(*pairs.T.copy(), reduction="none")
    y, z = (pairs / least).T.astype(float)
    want = 4 * ((y - z) / (np.sqrt(y) + np.sqrt(z))) ** 2 / np.sqrt(z) * np.sqrt(float(least))
    np.testing.assert_allclose(value, want.astype(dtype), rtol=8 * np.finfo(dtype).eps)
    assert (grad[y == z] == 0).all()
    assert not np.isnan(grad).any()
    assert loss(np.array([np.inf], dtype), np.ones(1, dtype)) == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_of_weight_0_counts_for_nothing_where_the_loss_at_1_is_infinite(dtype):
    loss, y, z, w = fl.Tweedie(-1000), np.array([1, 2], dtype), np.array([1, -1], dtype), [0, 1]
    of_one = loss(y[1:], z[1:])
    assert loss(y, z, sample_weight=w) == of_one
    assert loss(y, z, sample_weight=w, reduction="none")[0] == 0
    for result in loss.grad_and_hess(y, z, sample_weight=w, reduction="sum"):
        assert result[0] == 0
    for losses in (loss, [loss, "mse"]):
        scored = fl.score(y, z, losses=losses, sample_weight=w, stderr=losses is loss)
        assert scored["tweedie:power=-1000.0"] == of_one


def test_a_row_of_weight_0_counts_for_nothing_where_the_loss_is_infinite():
    loss, y, z = fl.PolyLoss(1e300), np.array([1, 0]), np.zeros((2, 3), np.float32)
    value, grad = loss.value_and_grad(y, z, sample_weight=[0, 1], reduction="none")
    assert value.tolist() == [0, np.inf] and grad[0].tolist() == [0, 0, 0]


def test_a_focal_loss_without_focus_has_the_derivatives_of_log_loss_at_the_ends():
    y, z = np.array([0.0, 1.0, 0.5]), np.array([1.0, 0.0, 1.0])
    np.testing.assert_array_equal(
        fl.FocalLogLoss(0).grad(y, z, reduction="none"), fl.LogLoss().grad(y, z, reduction="none")
    )
    for gamma in (0.5, 1.0, 2.0):
        hess = fl.FocalLogLoss(gamma).grad_and_hess(y[:2], z[:2], reduction="none")[1]
        assert (hess == np.inf).all()


def test_a_smoothing_that_is_nothing_in_float32():
    value, grad = fl.LogLoss(label_smoothing=1e-46).value_and_grad([0.0], np.zeros(1, np.float32))
    assert value == 0 and grad.tolist() == [1]


def test_the_hessian_of_a_far_target_of_students_t():
    z = np.array([[1e9, 1e-30]], np.float32)
    hess = fl.StudentTNLL(4).grad_and_hess([0.0], z, reduction="none")[1]
    assert hess[0, 0] == pytest.approx(-5e-18, rel=1e-6)


def test_boolean_labels_of_a_linear_layer_are_classes():
    loss, X = fl.LinearCrossEntropy(class_weight=[1.0, 3.0]), np.eye(2)
    assert loss(np.array([True, True]), X, X) == loss(np.array([1, 1]), X, X)


def test_a_gradient_whose_square_overflows_moves_a_matrix():
    w = np.ones((2, 2), np.float32)
    fl.optim.Muon(w, lr=1.0, weight_decay=0.0).step(np.diag([1e30, 1e30]).astype(np.float32))
    assert (np.diag(w) < 0).all() and w[0, 1] == w[1, 0] == 1


def test_a_weight_of_the_positive_class_is_not_lost_among_three():
    linear_model = pytest.importorskip("fastloss.linear_model", reason="it needs scikit-learn")
    model = linear_model.LinearClassifier(loss="logistic:pos_weight=2")
    with pytest.raises(ValueError, match=r"weighs the positive one of two classes, and there are"):
        model.fit(np.eye(3), [0, 1, 2])
