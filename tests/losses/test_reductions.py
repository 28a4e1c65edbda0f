"""What mean, sum and none are, and what weights and NaN do to them."""

import numpy as np
import pytest
from samples import DTYPES, SIZES, defaults, typical

import fastloss as fl

LOSSES = [loss for loss in defaults() if not loss._root]  # the root has tests of its own below
BAD = (np.nan, np.inf, -np.inf)
every_loss = pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
every_additive_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def weights(n, dtype=np.float64, seed=1):
    return np.random.default_rng(seed).uniform(0.1, 2, n).astype(dtype)


def close(value, dtype=np.float64):
    return pytest.approx(value, rel=1e-5 if dtype == np.float32 else 1e-12)


@every_dtype
@every_additive_loss
@pytest.mark.parametrize("n", [n for n in SIZES if n])
def test_sum_and_mean_are_those_of_none(loss, dtype, n):
    y, z = typical(loss, n, dtype)
    each = loss(y, z, reduction="none")
    assert each.shape == z.shape
    total = each.sum(dtype=np.float64)
    assert loss(y, z, reduction="sum") == pytest.approx(total, rel=1e-13)
    assert loss(y, z) == pytest.approx(total / n, rel=1e-13)


@every_dtype
@every_additive_loss
def test_weighted_sum_and_mean_are_those_of_none(loss, dtype):
    y, z = typical(loss, 1000, dtype)
    w = weights(1000, dtype)
    each = loss(y, z, sample_weight=w, reduction="none")
    np.testing.assert_array_equal(each, w * loss(y, z, reduction="none"))
    total = each.sum(dtype=np.float64)
    assert loss(y, z, sample_weight=w, reduction="sum") == pytest.approx(total, rel=1e-12)
    mean = total / w.sum(dtype=np.float64)
    assert loss(y, z, sample_weight=w) == pytest.approx(mean, rel=1e-12)


@every_dtype
@every_additive_loss
@pytest.mark.parametrize("weighted", [False, True])
def test_derivatives_are_those_of_the_reduced_value(loss, dtype, weighted):
    y, z = typical(loss, 700, dtype)
    w = weights(700, dtype) if weighted else None
    total = w.sum(dtype=np.float64) if weighted else len(y)
    for name, factor in (("sum", 1), ("mean", 1 / total)):
        each = loss.grad_and_hess(y, z, sample_weight=w, reduction="none")
        reduced = loss.grad_and_hess(y, z, sample_weight=w, reduction=name)
        for per_sample, result in zip(each, reduced, strict=True):
            assert result.dtype == dtype
            np.testing.assert_allclose(result, per_sample * factor, rtol=4 * np.finfo(dtype).eps)


@every_dtype
@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_all_methods_agree(loss, dtype, reduction, weighted):
    # to the bit but for the compiler's choice of which products to fuse into sums
    y, z = typical(loss, 1025, dtype)
    options = {"reduction": reduction, "sample_weight": weights(1025, dtype) if weighted else None}
    value, grad = loss.value_and_grad(y, z, **options)
    np.testing.assert_array_equal(value, loss(y, z, **options))
    eps = 4 * np.finfo(dtype).eps
    close = {"rtol": eps, "atol": eps * np.abs(grad).max()}
    np.testing.assert_allclose(grad, loss.grad(y, z, **options), **close)
    np.testing.assert_allclose(grad, loss.grad_and_hess(y, z, **options)[0], **close)


@every_loss
def test_reduced_values_are_python_floats(loss):
    y, z = typical(loss, 5, np.float32)
    assert type(loss(y, z)) is float
    assert type(loss(y, z, reduction="sum")) is float
    assert type(loss.value_and_grad(y, z)[0]) is float


@every_loss
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("which", ["y_true", "y_pred", "both"])
def test_a_row_of_weight_0_is_as_good_as_absent(loss, bad, which):
    n, absent = 700, [0, 3, 511, 512, 699]
    y, z = typical(loss, n)
    w = weights(n)
    keep = np.delete(np.arange(n), absent)
    expected = loss.value_and_grad(y[keep], z[keep], sample_weight=w[keep])
    hess = loss.grad_and_hess(y[keep], z[keep], sample_weight=w[keep])[1]
    w[absent] = 0
    if which != "y_pred":
        y[absent] = bad
    if which != "y_true":
        z[absent] = bad
    value, grad = loss.value_and_grad(y, z, sample_weight=w)
    assert value == close(expected[0])
    np.testing.assert_allclose(grad[keep], expected[1], rtol=1e-12)
    np.testing.assert_array_equal(grad[absent], 0)
    grad, second = loss.grad_and_hess(y, z, sample_weight=w)
    np.testing.assert_allclose(second[keep], hess, rtol=1e-12)
    np.testing.assert_array_equal(second[absent], 0)
    each = loss(y, z, sample_weight=w, reduction="none")
    np.testing.assert_array_equal(each[absent], 0)


@every_loss
def test_integer_weights_count_rows(loss):
    y, z = typical(loss, 100)
    counts = np.random.default_rng(0).integers(0, 4, 100)
    for reduction in ("mean", "sum"):
        assert loss(y, z, sample_weight=counts, reduction=reduction) == close(
            loss(np.repeat(y, counts), np.repeat(z, counts), reduction=reduction)
        )


@every_additive_loss
def test_negative_weights_turn_the_sign(loss):
    y, z = typical(loss, 100)
    w = weights(100)
    assert loss(y, z, sample_weight=-w, reduction="sum") == -loss(
        y, z, sample_weight=w, reduction="sum"
    )
    assert loss(y, z, sample_weight=-w) == close(loss(y, z, sample_weight=w))
    np.testing.assert_array_equal(
        loss.grad(y, z, sample_weight=-w, reduction="sum"),
        -loss.grad(y, z, sample_weight=w, reduction="sum"),
    )


@every_dtype
@every_loss
@pytest.mark.parametrize("how", ["empty", "weight 0", "omitted"])
def test_over_nothing_mean_raises_and_sum_is_0(loss, dtype, how):
    n = 0 if how == "empty" else 600
    y, z = typical(loss, n, dtype)
    options = {}
    if how == "weight 0":
        options["sample_weight"] = np.zeros(n)
    if how == "omitted":
        options["nan_policy"] = "omit"
        z[:] = np.nan
    for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess):
        with pytest.raises(ValueError, match="mean over nothing"):
            method(y, z, **options)
    value, grad = loss.value_and_grad(y, z, reduction="sum", **options)
    assert value == 0.0
    for array in (grad, *loss.grad_and_hess(y, z, reduction="sum", **options)):
        np.testing.assert_array_equal(array, np.zeros(n, dtype))


def test_weights_that_add_up_to_0_have_no_mean():
    loss = fl.SquaredError()
    with pytest.raises(ValueError, match="add up to 0"):
        loss([1.0, 2.0], [2.0, 4.0], sample_weight=[1.0, -1.0])
    assert loss([1.0, 2.0], [2.0, 4.0], sample_weight=[1.0, -1.0], reduction="sum") == -3.0


@every_dtype
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", [0, 511, 512, 699])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_weight_that_is_not_finite_raises(dtype, bad, place, reduction):
    loss = fl.SquaredError()
    y = z = np.ones(700, dtype)
    w = np.ones(700)
    w[place] = bad
    for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess):
        with pytest.raises(ValueError, match=rf"sample_weight\[{place}\] = {bad} is not finite"):
            method(y, z, sample_weight=w, reduction=reduction)


@every_loss
def test_row_weights_are_those_of_each_element(loss):
    y, z = (x.reshape(40, 25) for x in typical(loss, 1000))
    w = weights(40)
    full = np.repeat(w, 25).reshape(40, 25)
    for reduction in ("mean", "sum", "none"):
        for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess):
            by_row = method(y, z, sample_weight=w, reduction=reduction)
            by_element = method(y, z, sample_weight=full, reduction=reduction)
            if not isinstance(by_row, tuple):
                by_row, by_element = (by_row,), (by_element,)
            for got, want in zip(by_row, by_element, strict=True):
                np.testing.assert_array_equal(got, want)


def test_the_mean_weighs():
    assert fl.AbsoluteError()([1, 2], [2, 3], sample_weight=[0, 1]) == 1.0
    # class weights 1 and 3: the mean over the weights, not over the number of samples
    y, z = np.array([0.0, 1.0]), np.array([1.0, 0.5])
    each = fl.Logistic()(y, z, reduction="none")
    assert fl.Logistic()(y, z, sample_weight=[1, 3]) == close((each[0] + 3 * each[1]) / 4)


@every_dtype
def test_gradients_keep_their_digits_when_the_sum_of_weights_is_huge(dtype):
    y, z, w = np.zeros(4, dtype), np.ones(4, dtype), np.full(4, 1e38, dtype)
    np.testing.assert_allclose(
        fl.SquaredError().grad(y, z, sample_weight=w), 0.5, rtol=4 * np.finfo(dtype).eps
    )


EXTREME = [(np.float64, s) for s in (5e-324, 1e-309, 1e-300, 1e-50, 1e40, 1e300)]
EXTREME += [(np.float32, s) for s in (1e-44, 1e-40, 1e-30, 1e38)]


@every_dtype
@every_loss
@pytest.mark.parametrize(("of_weight", "size"), EXTREME)
@pytest.mark.parametrize("policy", ["propagate", "omit"])
def test_means_do_not_depend_on_the_size_of_weights(loss, dtype, of_weight, size, policy):
    y, z = typical(loss, 700, dtype)
    few = np.random.default_rng(1).integers(1, 3, 700).astype(of_weight)
    w = few * of_weight(size)
    w[3] = few[3] = 0
    z[5] = z[5] if policy == "propagate" else np.nan
    usual, options = ({"sample_weight": x, "nan_policy": policy} for x in (few, w))
    assert loss(y, z, **options) == close(loss(y, z, **usual), dtype)
    for method in ("value_and_grad", "grad_and_hess"):
        results = (getattr(loss, method)(y, z, **o) for o in (usual, options))
        for expected, got in zip(*results, strict=True):
            tolerance = 8 * np.finfo(dtype).eps
            largest = np.max(np.abs(expected))
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * largest)
    in_place = z.copy()
    loss.grad(y, in_place, out=in_place, **options)
    np.testing.assert_array_equal(in_place, loss.grad(y, z, **options))


@pytest.mark.parametrize("size", [1e-40, 1e-17, 1e17, 1e38])
@pytest.mark.parametrize("residual", [1e-14, 1.0, 1e14])
def test_products_of_float32_losses_and_weights_are_made_in_double(residual, size):
    y, w = np.zeros(40, np.float32), np.full(40, size, np.float32)
    z = np.full(40, residual, np.float32)
    exact = float(z[0]) ** 2
    loss, rows = fl.SquaredError(), fl.GaussianNLL()
    assert loss(y, z, sample_weight=w) == pytest.approx(exact, rel=1e-6)
    assert loss(y, z, sample_weight=w, reduction="sum") == pytest.approx(
        40 * exact * float(w[0]), rel=1e-6
    )
    for groups in (None, np.arange(40) % 3):
        score = fl.score(y, z, ["mse", "mae"], sample_weight=w, groups=groups)
        assert score["mse"] == pytest.approx(exact, rel=1e-6)
        assert score.weight == pytest.approx(40 * float(w[0]), rel=1e-12)
    pairs = np.stack([z, np.ones(40, np.float32)], axis=1)
    assert rows(y, pairs, sample_weight=w) == pytest.approx(exact / 2, rel=1e-6)
    assert fl.score(y, pairs, rows, sample_weight=w).values[0] == pytest.approx(exact / 2, rel=1e-6)


@pytest.mark.parametrize("loss", [fl.SquaredError(), fl.SoftmaxCrossEntropy()], ids=repr)
def test_a_sum_of_weights_that_overflows_raises(loss):
    n = 100_000  # of many blocks, none of which overflows by itself
    of_rows = isinstance(loss, fl.SoftmaxCrossEntropy)
    y, z = (np.zeros(n, int), np.ones((n, 3))) if of_rows else (np.zeros(n), np.ones(n))
    x = np.zeros((n, 1))
    for weight in (1e305, -1e305):
        w = np.full(n, weight)
        for method in (loss, loss.grad, loss.value_and_grad):
            with pytest.raises(ValueError, match="the sum of sample_weight overflows"):
                method(y, z, sample_weight=w)
        with pytest.raises(ValueError, match="the sum of sample_weight overflows"):
            fl.TripletMargin()(x, x + 1, x, sample_weight=w)


def test_large_weights_that_cancel_are_not_taken_for_an_overflow():
    w = [1e100, -1e100, 1e-280]
    assert fl.SquaredError()([0.0] * 3, [1.0] * 3, sample_weight=w, reduction="sum") == 1e-280
    assert fl.SquaredError()([0.0] * 3, [0.0, 0.0, 2.0], sample_weight=w) == pytest.approx(4)


def test_weights_of_float64_count_as_such_with_predictions_of_float32():
    loss, w = fl.SquaredError(), np.exp(-102) * np.array([1.0, 2.0, 3.0])
    y, z = np.zeros(3, np.float32), np.array([0, 1, 1], np.float32)
    assert loss(y, z, sample_weight=w) == close(5 / 6)
    assert loss(y, z, sample_weight=w, reduction="sum") == close(5 * w[0])
    assert loss(y, z, sample_weight=np.full(3, 1e-50)) == close(2 / 3)
    value, grad = loss.value_and_grad(y, z, sample_weight=np.full(3, 1e40))
    assert value == close(2 / 3)
    np.testing.assert_allclose(grad, [0, 2 / 3, 2 / 3], rtol=1e-7)
    for groups in (None, [0, 0, 0]):
        score = fl.score(y, z, ["mse", "mae"], sample_weight=w, groups=groups)
        assert score["mse"] == close(5 / 6)
        assert score.weight == close(w.sum())
    # products are rounded once
    each = loss(y, 3 * z, sample_weight=[0.1, 0.1, 1e-39], reduction="none")
    np.testing.assert_array_equal(each, np.float32([0, 0.9, 9e-39]))
    counts = np.array([2**24 + 1, 0, 0])
    assert loss(z + 1, z, sample_weight=counts, reduction="sum") == 2**24 + 1


def test_a_weight_that_only_float32_cannot_hold_is_finite():
    y, z = np.zeros(2, np.float32), np.ones(2, np.float32)
    assert fl.SquaredError()(y, z, sample_weight=[1e300, 1e300]) == 1
    np.testing.assert_array_equal(
        fl.SquaredError()(y, z, sample_weight=[1e300, 1.0], reduction="none"), [np.inf, 1]
    )
    with pytest.raises(ValueError, match=r"sample_weight\[1\] = inf is not finite in float64"):
        fl.SquaredError()(y, z, sample_weight=[1.0, np.inf])


@every_dtype
@pytest.mark.parametrize("weighted", [False, True])
def test_root_mean_squared_error_is_the_root_of_the_mean(dtype, weighted):
    rmse, mse = fl.RootMeanSquaredError(), fl.SquaredError()
    y, z = typical(rmse, 1000, dtype)
    w = weights(1000, dtype) if weighted else None
    for reduction in ("mean", "sum"):
        options = {"sample_weight": w, "reduction": reduction}
        root = rmse(y, z, **options)
        assert root == pytest.approx(np.sqrt(mse(y, z, **options)), rel=1e-14)
        grad, hess = mse.grad_and_hess(y, z, **options)
        expected = grad / (2 * root), hess / (2 * root) - grad**2 / (4 * root**3)
        for got, want in zip(rmse.grad_and_hess(y, z, **options), expected, strict=True):
            tolerance = 20 * np.finfo(dtype).eps
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * abs(want).max())


def test_root_mean_squared_error_at_0_has_derivatives_0():
    for method in (fl.RootMeanSquaredError().grad, fl.RootMeanSquaredError().grad_and_hess):
        np.testing.assert_array_equal(method([1.0, 2.0], [1.0, 2.0]), 0)


# ---- nan_policy --------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("which", ["y_true", "y_pred"])
def test_nan_propagates(loss, which):
    y, z = typical(loss, 600)
    (y if which == "y_true" else z)[550] = np.nan
    assert np.isnan(loss(y, z))
    assert np.isnan(loss(y, z, reduction="sum"))
    each = loss(y, z, reduction="none")
    assert np.flatnonzero(np.isnan(each)).tolist() == [550]
    if not loss._root:
        assert np.flatnonzero(np.isnan(loss.grad(y, z))).tolist() == [550]


@every_loss
@pytest.mark.parametrize("weighted", [False, True])
def test_omit_gives_rows_with_nan_weight_0(loss, weighted):
    y, z = typical(loss, 600)
    w = weights(600)
    keep = np.delete(np.arange(600), [2, 599])
    options = {"sample_weight": w[keep]} if weighted else {}
    expected = loss.value_and_grad(y[keep], z[keep], **options)
    y[2] = z[599] = np.nan
    options = {"sample_weight": w} if weighted else {}
    value, grad = loss.value_and_grad(y, z, nan_policy="omit", **options)
    assert value == close(expected[0])
    np.testing.assert_allclose(grad[keep], expected[1], rtol=1e-12)
    np.testing.assert_array_equal(grad[[2, 599]], 0)
    np.testing.assert_array_equal(
        loss(y, z, nan_policy="omit", reduction="none", **options)[[2, 599]], 0
    )


@every_loss
@pytest.mark.parametrize("which", ["y_true", "y_pred"])
def test_raise_names_the_first_nan(loss, which):
    y, z = typical(loss, 600)
    (y if which == "y_true" else z)[[550, 560]] = np.nan
    with pytest.raises(fl.DomainError, match=rf"{which}\[550\] = nan is not a number"):
        loss(y, z, nan_policy="raise")
    w = np.ones(600)
    w[[550, 560]] = 0
    assert np.isfinite(loss(y, z, nan_policy="raise", sample_weight=w))


@pytest.mark.parametrize("option", ["reduction", "nan_policy"])
@pytest.mark.parametrize("value", ["average", None, 1])
def test_unknown_options_raise(option, value):
    with pytest.raises(ValueError, match=option):
        fl.SquaredError()([1.0], [1.0], **{option: value})


@pytest.mark.parametrize(("dtype", "small", "large"), [("f8", 1e-300, 1e300), ("f4", 1e-40, 1e38)])
def test_a_row_counts_however_small_its_weight_is_beside_others(dtype, small, large):
    y, z = np.ones(3, dtype), np.array([2.0, 0.0, 2.0], dtype)  # 0 is out of the domain
    rows = np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 0.5]], dtype)
    triple = np.ones((3, 2), dtype), np.zeros((3, 2), dtype), np.zeros((3, 2), dtype)
    triple[0][1] = np.nan
    for weight in (small, -small):
        w = np.array([large, weight, large], dtype)
        for loss, labels, given in (
            (fl.PoissonDeviance(), y, z),
            (fl.CrossEntropy(), np.ones(3, int), rows),
        ):
            for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess):
                with pytest.raises(fl.DomainError, match=r"y_pred\[1"):
                    method(labels, given, sample_weight=w)
        value, grads = fl.TripletMargin().value_and_grad(*triple, sample_weight=w)
        assert np.isnan(value)
        assert np.isnan(grads[0][1]).all()
