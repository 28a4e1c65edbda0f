"""Losses of rows where a formula is 0/0, or overflows on its way to a number."""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from row_samples import CE, SOFTMAX, both_dtypes, data, typical

import fastloss as fl


def test_a_probability_of_nearly_1_keeps_its_digits():
    z = np.array([[1 - math.log(2**-23), 0]], np.float32)  # scipy#19521
    top = fl.log_softmax(z)[0, 0]
    assert top == pytest.approx(-4.3855e-8, rel=1e-4)
    assert CE([0], z) == pytest.approx(4.3855e-8, rel=1e-4)
    for gap in (50.0, 80.0):
        value, grad = CE.value_and_grad([0], np.array([[gap, 0.0]]))
        assert value == pytest.approx(math.exp(-gap), rel=1e-13)
        assert grad[0, 0] == pytest.approx(-math.exp(-gap), rel=1e-13)


def test_impossible_classes():  # optax#896
    z = np.array([[0.0, -np.inf, 1.0]])
    value, grad = CE.value_and_grad([2], z)
    expected, expected_grad = CE.value_and_grad([1], z[:, [0, 2]])
    assert value == expected
    np.testing.assert_array_equal(grad[0, [0, 2]], expected_grad[0])
    assert grad[0, 1] == 0
    assert CE(np.array([[0.5, 0.0, 0.5]]), z) < np.inf
    for loss in SOFTMAX[:3]:
        assert loss([1], z) == np.inf
    value, grad = CE.value_and_grad([1], z)
    np.testing.assert_allclose(grad[0], [1 / (1 + math.e), -1, math.e / (1 + math.e)])
    assert fl.SoftmaxCrossEntropy(label_smoothing=0.1)([0], z) == np.inf


@pytest.mark.parametrize("k", [3, 200])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_makes_no_sense_is_nan_alone(bad, k):
    y, z = data(8, k)
    z[2, 1] = bad
    values, grads = CE.value_and_grad(y, z, reduction="none")
    assert np.isnan(values[2]) and np.isnan(grads[2]).all()
    assert np.isfinite(np.delete(values, 2)).all() and np.isfinite(np.delete(grads, 2, 0)).all()
    soft = CE(np.eye(k)[y], z, reduction="none")
    assert np.isnan(soft[2]) and np.isfinite(np.delete(soft, 2)).all()
    assert np.isnan(CE([0], np.full((1, k), -np.inf)))


def test_tversky_is_dice_and_jaccard():
    rng = np.random.default_rng(0)
    masks, p = rng.integers(0, 2, (6, 30)), rng.random((6, 30))
    for name in ("value_and_grad", "grad_and_hess"):
        dice, same = (getattr(x, name)(masks, p) for x in (fl.Dice(0.5), fl.Tversky(smooth=0.25)))
        for a, b in zip(dice, same, strict=True):
            np.testing.assert_array_equal(a, b)
    both = np.minimum(masks, p > 0.5).sum(1)
    jaccard = 1 - both / np.maximum(masks, p > 0.5).sum(1)
    ours = fl.Tversky(alpha=1.0, beta=1.0)(masks, p > 0.5, reduction="none")
    np.testing.assert_allclose(ours, jaccard, rtol=1e-14)


@both_dtypes
def test_sets_of_logits(dtype):
    rng = np.random.default_rng(0)
    masks, z = rng.integers(0, 2, (6, 30)), (10 * rng.normal(size=(6, 30))).astype(dtype)
    z[0, :2], masks[0, :2] = (np.inf, -np.inf), (1, 0)
    ours = fl.Dice(logits=True)(masks, z, reduction="none")
    expected = fl.Dice()(masks, fl.sigmoid(z), reduction="none")
    np.testing.assert_allclose(ours, expected, rtol=8 * np.finfo(dtype).eps)
    assert all(np.isfinite(x).all() for x in fl.Dice(logits=True).grad_and_hess(masks, z))
    far = np.full((1, 3), -700 if dtype is np.float64 else -80, dtype)  # next to nothing is there
    loss = fl.Tversky(beta=1.0, logits=True)
    assert loss([[0, 0, 0]], far) == 1 and (loss.grad([[0, 0, 0]], far) == 0).all()
    grad = loss.grad(
        [[1, 0, 0]], far
    )  # where both, in z alone and in q alone: e, 2 e, 1 for e = exp(z)
    np.testing.assert_allclose(grad[0, 0], -fl.sigmoid(far[0, 0]), rtol=1e-5)


def test_two_empty_sets_are_alike():
    loss, nothing = fl.Dice(), np.zeros((1, 4))
    assert loss(nothing, nothing) == 0
    for grad in loss.grad_and_hess(nothing, nothing):
        np.testing.assert_array_equal(grad, nothing)
    assert loss(nothing, nothing + 0.5) == 1
    assert fl.Dice(smooth=1.0)(nothing, nothing + 0.5) == pytest.approx(2 / 3)
    rng = np.random.default_rng(0)
    masks, p = rng.integers(0, 2, (2, 3, 5, 7)), rng.random((2, 3, 5, 7))
    by_class = loss(masks.reshape(2, 3, -1), p.reshape(2, 3, -1))
    both = (masks * p).sum((2, 3)) * 2 / (masks + p).sum((2, 3))
    assert by_class == pytest.approx(1 - both.mean(), rel=1e-13)


@both_dtypes
def test_sets_of_next_to_nothing(dtype):
    """Where the sum of a row, or its inverse, leaves the range of numbers."""
    loss, info = fl.Dice(), np.finfo(dtype)
    least = info.smallest_subnormal
    for small in (least, 100 * least, info.tiny, info.tiny**0.6):
        one, nothing = np.array([[small, 0]], dtype), np.zeros((1, 2), dtype)
        assert loss(nothing, one) == 1 and loss(one, nothing) == 1
        for derivative in loss.grad_and_hess(nothing, one):
            np.testing.assert_array_equal(derivative, 0)
        values, grads = loss.value_and_grad(one, np.full((1, 2), one[0, 0]))
        assert values == 1
        np.testing.assert_allclose(grads, [[-4 / 9, 2 / 9]], rtol=1e-6)
        if small > info.tiny:
            hess = loss.grad_and_hess(one, np.full((1, 2), one[0, 0]))[1]
            np.testing.assert_allclose(hess * small, [[8 / 27, -4 / 27]], rtol=1e-5)


@both_dtypes
def test_variances_next_to_0_and_huge_distances(dtype):
    """d^2 / v and its derivatives are numbers where d / v or d^2 is none."""
    loss = fl.GaussianNLL()
    rows = {
        np.float32: [(1e-4, 1e-44), (1e25, 1e18), (3.4e38, 1.8e19), (1e-30, 1e-38)],
        np.float64: [(1e-10, 1e-322), (1e250, 1e180), (1.79e308, 1.3e154), (1e-200, 1e-300)],
    }
    for distance, variance in rows[dtype]:
        z = np.array([[distance, variance]], dtype)
        value, grad = loss.value_and_grad(np.zeros(1, dtype), z)
        hess = loss.grad_and_hess(np.zeros(1, dtype), z)[1]
        d, v = (mpf(float(x)) for x in z[0])
        wanted = [(mpmath.log(v) + d * d / v) / 2, d / v, (1 - d * d / v) / (2 * v)]
        wanted += [1 / v, (2 * d * d / v - 1) / (2 * v * v)]
        for got, want in zip([value, *grad[0], *hess[0]], wanted, strict=True):
            if abs(want) < float(np.finfo(dtype).max):
                assert float(got) == pytest.approx(float(want), rel=1e-5)
            else:
                assert got == math.copysign(math.inf, want)


@both_dtypes
def test_ratios_beyond_the_range_of_numbers(dtype):
    info = np.finfo(dtype)
    tiny, huge = info.smallest_subnormal, dtype(info.max / 4)
    y, z = np.array([[huge, 1.0], [tiny, 1.0]], dtype), np.array([[tiny, 1.0], [1.0, tiny]], dtype)
    ratio = math.log(2) - mpmath.log(mpf(float(huge)) / mpf(float(tiny)))
    grad = fl.JensenShannon().grad(y, z, reduction="none")
    np.testing.assert_allclose(grad[0], [float(ratio) / 2, 0], rtol=1e-6)
    assert np.isfinite(fl.JensenShannon()(y, z, reduction="none")).all()
    values = fl.KLDivergence()(y[1:], z[1:])
    assert values == pytest.approx(-float(mpmath.log(mpf(float(tiny)))), rel=1e-6)
    assert fl.KLDivergence()([[0.5, tiny]], np.array([[0.5, 0.0]], dtype)) == np.inf
    np.testing.assert_array_equal(
        fl.JensenShannon().grad([[0.5, tiny]], np.array([[0.5, 0.0]], dtype)), [[0, -np.inf]]
    )
    loss = fl.MultiLabelLogistic(pos_weight=[1e300, 1])  # beyond float32
    assert np.isfinite(loss.value_and_grad([[0, 1]], np.array([[1, 1]], dtype))[1]).all()


@both_dtypes
def test_a_margin_is_left_where_scores_dwarf_it(dtype):
    z = np.array([[1e17, 1e17, -1e17], [-1e30, 1e17, 1e17]], dtype)
    value, grad = fl.MultiClassHinge().value_and_grad([0, 2], z, reduction="none")
    np.testing.assert_array_equal(value, [1, 1])
    np.testing.assert_array_equal(grad, [[-1, 1, 0], [0, 1, -1]])
    np.testing.assert_array_equal(fl.MultiClassPerceptron()([0, 2], z, reduction="none"), [0, 0])
    value, grad = fl.MultiMargin().value_and_grad([0, 2], z, reduction="none")
    np.testing.assert_allclose(value, [1 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(grad, np.array([[-1, 1, 0], [0, 1, -1]]) / 3, rtol=1e-6)
    value = fl.MultiLabelMargin()([[1, 0, 0], [0, 0, 1]], z, reduction="none")
    np.testing.assert_allclose(value, [1 / 3, 1 / 3], rtol=1e-6)


@both_dtypes
def test_scores_that_make_no_sense_spoil_their_row_alone(dtype):
    z = data(6, 5, dtype)[1]
    y = np.array([0, 1, 2, 3, 4, 0])
    z[1, 1] = z[2, 0] = np.nan
    z[3, 3], z[4, 4] = np.inf, -np.inf  # far above all others, and far below
    hot = np.eye(5)[y]
    for loss, targets in (
        (fl.MultiMargin(), y),
        (fl.MultiMargin(2), y),
        (fl.MultiLabelMargin(), hot),
    ):
        values, grads = loss.value_and_grad(targets, z, reduction="none")
        assert np.isnan(values[1:3]).all() and np.isnan(grads[1:3]).all()
        assert values[3] == 0 and values[4] == np.inf
        assert np.isfinite(values[[0, 5]]).all() and (grads[3] == 0).all()
    for loss in (fl.SoftmaxFocal(), fl.PolyLoss()):
        values, grads = loss.value_and_grad(0 * hot, z, reduction="none")
        np.testing.assert_array_equal(np.isnan(values), [False, True, True, True, False, False])
        assert np.isnan(grads[1:4]).all() and (grads[[0, 4, 5]] == 0).all()
    assert np.isnan(fl.MultiMargin()([0], np.array([[np.nan]], dtype)))
    assert fl.MultiMargin()([0], np.array([[np.inf]], dtype)) == 0


def test_bounded_losses_of_impossible_classes():
    z = np.array([[0.0, -np.inf, 1.0]])
    assert fl.GeneralizedCrossEntropy(q=0.5)([1], z) == 2
    assert fl.SymmetricCrossEntropy(alpha=0.0)([1], z) == pytest.approx(4, rel=1e-15)
    assert fl.SymmetricCrossEntropy()([1], z) == np.inf
    for loss in (fl.GeneralizedCrossEntropy(), fl.SymmetricCrossEntropy(), fl.PolyLoss()):
        assert all(np.isfinite(x).all() for x in loss.grad_and_hess([1], z))
    nearly = fl.GeneralizedCrossEntropy(q=1e-300)
    for y in (0, 2):
        assert nearly([y], z) == pytest.approx(CE([y], z), rel=1e-14)


def test_a_normal_distribution_without_variance():  # torch#49807
    loss = fl.GaussianNLL()
    z = np.array([[1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_array_equal(loss([1.0, 1.0], z, reduction="none"), [-np.inf, np.inf])
    grad, hess = loss.grad_and_hess([1.0, 1.0], z, reduction="none")
    np.testing.assert_array_equal(grad, [[0, np.inf], [np.inf, -np.inf]])
    np.testing.assert_array_equal(hess, [[np.inf, -np.inf], [np.inf, np.inf]])
    assert np.isnan(loss([np.nan], z[:1]))
    with pytest.raises(fl.DomainError, match=r"y_pred\[1, 1\] = -1.0 is not in \[0, inf\)"):
        loss([0.0, 0.0], [[-1.0, 1.0], [0.0, -1.0]])
    with pytest.raises(ValueError, match="y_pred must have a mean and a variance along axis -1"):
        loss([0.0], [[1.0, 1.0, 1.0]])
    with pytest.raises(ValueError, match=r"a number for each row, of shape \(1,\); got \(1, 2\)"):
        loss([[0.0, 1.0]], [[1.0, 1.0]])
    stats = pytest.importorskip("scipy.stats")
    expected = -stats.norm.logpdf(3.0, 1.0, 2.0)
    assert fl.GaussianNLL(full=True)([3.0], [[1.0, 4.0]]) == pytest.approx(expected, rel=1e-14)
    columns = fl.GaussianNLL(axis=0)
    assert columns([3.0, 1.0], [[1.0, 2.0], [4.0, 9.0]]) == loss([3.0, 1.0], [[1, 4], [2, 9]])


@both_dtypes
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_where_1_less_p_is_nearly_0(gamma, dtype):
    """Leads at which p / (1 - p) overflows, and where 1 - p vanishes."""
    loss, info = fl.SoftmaxFocal(gamma), np.finfo(dtype)
    largest = math.log(float(info.max))
    for lead in (0.9 * largest, 1.001 * largest, 1.02 * largest, 1.1 * largest, 1.5 * largest):
        z = np.array([[lead, 0], [0, lead]], dtype)
        values, grads = loss.value_and_grad([0, 0], z, reduction="none")
        hess = loss.grad_and_hess([0, 0], z, reduction="none")[1]
        rest = mpmath.exp(-mpf(float(z[0, 0])))
        want = rest ** mpf(gamma) * (1 + mpf(gamma)) * rest  # to the first order
        tolerance = max(float(want) * 1e-3, 4 * float(info.smallest_subnormal))
        if info.smallest_subnormal * 1e4 < want or gamma == 0:
            assert abs(grads[0, 1] - float(want)) <= tolerance
        assert np.isfinite(values).all() and np.isfinite(grads).all() and np.isfinite(hess).all()
        np.testing.assert_allclose(values[1], lead, rtol=1e-6)
        np.testing.assert_allclose(grads[1], [-1, 1], rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_logsumexp_of_infinities(axis):
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, -inf], [inf, 0.0], [inf, -inf], [nan, inf], [0.0, nan], [-inf, 0.0]])
    found = fl.logsumexp(x if axis else x.T.copy(), axis=axis)
    np.testing.assert_array_equal(found, [-inf, inf, inf, nan, nan, 0])


@both_dtypes
def test_vectors_of_any_length(dtype):
    y, z = np.array([[1.0, 2.0, -0.5]], dtype), np.array([[3.0, 1.0, 0.25]], dtype)
    loss = fl.CosineDistance()
    value = loss(y, z)
    grad, hess = loss.grad_and_hess(y, z)
    reach = 100 if dtype is np.float32 else 900
    with np.errstate(over="ignore", under="ignore"):
        for e in (-reach, -reach // 2, -25, 25, reach // 2, reach):
            s = dtype(2.0**e)
            assert loss(y, z * s) == pytest.approx(value, rel=1e-6)
            assert loss(y * s, z) == pytest.approx(value, rel=1e-6)
            assert loss(y * s, z * s) == pytest.approx(value, rel=1e-6)
            g, h = loss.grad_and_hess(y, z * s)
            tiny = np.finfo(dtype).smallest_subnormal
            np.testing.assert_allclose(g, grad / s, rtol=1e-5, atol=tiny)
            np.testing.assert_allclose(h, hess / s / s, rtol=1e-4, atol=tiny)


def test_limits_at_0():
    """Where an expression is 0/0, or overflows on the way to a number."""
    js, f32 = fl.JensenShannon(), np.float32
    grad = js.grad([[0.0, 1.0]], [[0.0, 1.0]])
    np.testing.assert_allclose(grad, js.grad([[0.0, 1.0]], [[1e-300, 1.0]]), rtol=1e-12)
    assert js([[0.0, 1.0]], [[0.0, 1.0]]) == 0
    for dtype, small in ((f32, 1e-20), (f32, 1e-40), (np.float64, 1e-160)):
        z, nothing = np.array([[small, 0]], dtype), np.zeros((1, 2), dtype)
        for derivative in fl.Dice().grad_and_hess(nothing, z):
            np.testing.assert_array_equal(derivative, nothing)
        z = np.array([[small, 0.0]], dtype)
        assert fl.GaussianNLL()(np.zeros(1, dtype), z) == np.inf
    z = np.array([[1e-20, 1]], f32)
    options = {"sample_weight": [1e-6], "reduction": "sum"}
    hess = fl.CrossEntropy().grad_and_hess(np.array([[1, 0]], f32), z, **options)[1]
    np.testing.assert_allclose(hess, fl.CrossEntropy().grad_and_hess([0], z, **options)[1])
    with pytest.raises(fl.DomainError, match=r"y_pred\[0, 0\] = 0.5 is not in \(-inf, 0\]"):
        fl.KLDivergence(log_probabilities=True)([[0.5, 0.5]], [[0.5, 0.5]])


def test_a_class_of_weight_0_is_absent():
    z = np.array([[-np.inf, 0.0], [0.0, 1.0]])
    loss = fl.SoftmaxCrossEntropy(class_weight=[0, 1])
    value, grad = loss.value_and_grad([0, 1], z)
    assert value == CE([1], z[1:])
    np.testing.assert_array_equal(grad[0], [0, 0])
    p = np.array([[0.0, 1.0], [0.5, 0.5]])
    loss = fl.CrossEntropy(class_weight=[0, 1])
    for a, b in zip(loss.value_and_grad([0, 1], p), loss.value_and_grad(np.eye(2), p), strict=True):
        np.testing.assert_allclose(a, b)
    loss = fl.MultiLabelLogistic(label_weight=[0, 1])
    value, grad = loss.value_and_grad([[1, 1]], [[np.nan, 1]])
    assert value == fl.Logistic()([1.0], [1.0]) and np.isfinite(grad).all()


@both_dtypes
def test_only_the_ratios_of_label_weights_count(dtype):
    y, z = typical(fl.MultiLabelLogistic(), 9, 3, dtype)
    expected = fl.MultiLabelLogistic(label_weight=[1, 1, 2])(y, z)
    for factor in (1e-300, 1e-46, 1e46, 5e307):
        weights = [factor, factor, 2 * factor]
        assert fl.MultiLabelLogistic(label_weight=weights)(y, z) == pytest.approx(
            expected, rel=1e-6
        )


@both_dtypes
def test_weights_that_overflow(dtype):
    z = np.array([[0, 1], [0, 1]], dtype)
    with pytest.raises(ValueError, match="overflows|is not finite"):
        CE([0, 1], z, sample_weight=[1e308, 1e308])
    with pytest.raises(ValueError, match="overflows"):
        fl.SoftmaxCrossEntropy(class_weight=[1e308, 1e308])([0, 1], z)


EXTREME = [(np.float64, size) for size in (5e-324, 1e-309, 1e-300, 1e-50, 1e40, 1e300)]
EXTREME += [(np.float32, size) for size in (1e-44, 1e-40, 1e38)]


@both_dtypes
@pytest.mark.parametrize("loss", [CE, fl.Dice(smooth=1.0), fl.GaussianNLL()], ids=repr)
@pytest.mark.parametrize(("of_weight", "size"), EXTREME)
def test_means_do_not_depend_on_the_size_of_weights(loss, dtype, of_weight, size):
    y, z = typical(loss, 200, 3, dtype)
    few = np.random.default_rng(1).integers(0, 3, 200).astype(of_weight)
    w = few * of_weight(size)
    eps = 8 * float(np.finfo(dtype).eps)
    close = pytest.approx(loss(y, z, sample_weight=few), rel=eps)
    assert loss(y, z, sample_weight=w) == close
    assert loss.value_and_grad(y, z, sample_weight=w)[0] == close
    for expected, got in zip(
        loss.grad_and_hess(y, z, sample_weight=few),
        loss.grad_and_hess(y, z, sample_weight=w),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, rtol=eps, atol=eps * np.abs(expected).max())
    out = z.copy()
    loss.grad(y, out, sample_weight=w, out=out)
    np.testing.assert_array_equal(out, loss.grad(y, z, sample_weight=w))


def test_class_weights_of_any_size():
    y, z = data(50, 3)
    small, usual = (fl.SoftmaxCrossEntropy(class_weight=(s, 2 * s, s)) for s in (1e-309, 1.0))
    assert small(y, z) == pytest.approx(usual(y, z), rel=1e-13)
    np.testing.assert_allclose(small.grad(y, z), usual.grad(y, z), rtol=1e-13)


def test_weights_of_float64_count_as_such_with_logits_of_float32():
    y, z = data(3, 4, np.float32)
    w, each = np.exp(-102) * np.array([1.0, 2.0, 3.0]), CE(y, z, reduction="none")
    mean = pytest.approx(each.astype(float) @ [1, 2, 3] / 6, rel=1e-14)
    assert CE(y, z, sample_weight=w) == mean
    assert CE(y, z, sample_weight=w, reduction="sum") / w.sum() == mean
    for groups in (None, [0, 0, 0]):
        score = fl.score(y, z, ["softmax_cross_entropy"], sample_weight=w, groups=groups)
        assert score["softmax_cross_entropy"] == mean
        assert score.weight == pytest.approx(w.sum(), rel=1e-14)
    with pytest.raises(fl.DomainError, match=r"sample_weight\[1\] = inf is not finite in float64"):
        fl.score(y, z, ["softmax_cross_entropy"], sample_weight=[1.0, np.inf, 1.0])
