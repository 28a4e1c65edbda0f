"""Losses of rows of logits: against 60 digits, torch and scikit-learn, for every shape and axis."""

import itertools
import math
import pickle
import re
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from oracle import FUNCTIONS, Jet, exp, jet, log, log1p
from samples import DTYPES

import fastloss as fl
from fastloss.domain import REAL, UNIT
from fastloss.rows import RowLoss

CE = fl.SoftmaxCrossEntropy()
SOFTMAX = [
    CE,
    fl.SoftmaxCrossEntropy(label_smoothing=0.1),
    fl.SoftmaxFocal(),
    fl.SoftmaxFocal(gamma=0.5),
    fl.SoftmaxFocal(gamma=0.0),
    fl.PolyLoss(),
]
LOSSES = [
    *SOFTMAX,
    fl.ListwiseSoftmax(),
    fl.CrossEntropy(),
    fl.CrossEntropy(label_smoothing=0.1),
    fl.KLDivergence(),
    fl.KLDivergence(log_probabilities=True),
    fl.JensenShannon(),
    fl.CosineDistance(),
    fl.MultiClassHinge(),
    fl.MultiClassPerceptron(),
    fl.MultiLabelLogistic(),
    fl.MultiLabelLogistic(pos_weight=2.5),
    fl.Dice(),
    fl.Dice(smooth=1.0),
    fl.GaussianNLL(),
    fl.GaussianNLL(full=True),
]
KS = (1, 2, 3, 4, 5, 7, 10, 16, 31, 100, 128, 129, 1000, 4096, 4097, 10_000)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.spec)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def exact(loss, z, target, places):
    """Value, and gradient and Hessian's diagonal at some places of a row, to 60 digits."""
    size = len(z)
    uses_p = "p" in re.findall(r"\w+", loss.definition)
    with mp.workdps(60 + int(max(z) - min(z)) * uses_p):
        q = Vector(mpf(float(t)) for t in target) if np.ndim(target) else None
        smoothing = mpf(loss.parameters.get("label_smoothing", 0.0))
        if q is None:
            q = Vector((1 - smoothing) * (k == target) + smoothing / size for k in range(size))
        target = target if isinstance(target, np.integer) else mpf(float(np.ravel(target)[0]))
        names = {name: in_mp(name, v, size) for name, v in loss.parameters.items()}
        plain = [mpf(float(v)) for v in z]
        exps = [mpmath.exp(v) for v in plain]
        value, grads, hess = None, [], []
        for k in places:
            x = Jet(plain[k], mpf(1), mpf(0), mpf(0))
            row = Vector(x if i == k else jet(v) for i, v in enumerate(plain))
            if loss.parameters.get("log_probabilities"):
                row = Vector(exp(x) if i == k else jet(e) for i, e in enumerate(exps))
            env = {"q": q, "z": row, "y": target, "pi": mp.pi, **VECTORS, **names}
            if uses_p:
                rest = mpmath.fsum(e for i, e in enumerate(exps) if i != k)
                up = exp(x)
                env["p"] = Vector(
                    (up if i == k else jet(e)) / (up + rest) for i, e in enumerate(exps)
                )
            parts = jet(eval(loss.definition, FUNCTIONS | env)).parts  # noqa: S307
            value = parts[0]
            grads.append(parts[1])
            hess.append(parts[2])
    return value, grads, hess


def dot(a, b):
    return sum((y * x for x, y in zip(a, b, strict=True) if x != 0), start=jet(0))


def softmax(x):
    exps = [mpmath.exp(v) for v in x]
    return [e / mpmath.fsum(exps) for e in exps]


class Vector(list):
    """A row of numbers, with the operations of NumPy's arrays that definitions use."""

    def zip(self, other, operation):
        other = other if isinstance(other, Vector) else [other] * len(self)
        return Vector(operation(jet(a), b) for a, b in zip(self, other, strict=True))

    def __add__(self, other):
        return self.zip(other, lambda a, b: a + b)

    def __mul__(self, other):
        return self.zip(other, lambda a, b: a * b)

    def __truediv__(self, other):
        return self.zip(other, lambda a, b: a / b)

    def __rsub__(self, other):
        return self.zip(other, lambda a, b: b - a)

    def __neg__(self):
        return self * -1

    __rmul__ = __mul__


def each(function):
    """A function of numbers as one of rows too."""
    return lambda x: Vector(map(function, x)) if isinstance(x, Vector) else function(x)


def in_mp(name, value, size):
    """A parameter as definitions see it."""
    if name in ("label_weight", "pos_weight"):
        value = value or 1.0
        return Vector(map(jet, [value] * size if type(value) is float else value))
    return mpf(value) if type(value) is float else value


VECTORS = {
    "dot": dot,
    "total": lambda a: sum(a, start=jet(0)),
    "log": each(lambda x: log(x) if x != 0 else jet(0)),
    "log1p": each(log1p),
    "exp": each(exp),
    "softmax": softmax,
    "others": lambda a, y: [x for k, x in enumerate(a) if k != y],
    "highest": max,
}


def typical(loss, n, k, dtype=np.float64, spread=3.0, seed=0):
    """Targets and predictions in a loss's domains."""
    rng = np.random.default_rng(seed)
    y, z = data(n, len(loss.columns) or k, dtype, spread, seed)
    if loss.columns:
        z[:, 1] = np.exp(z[:, 1] / 4)
        return rng.normal(size=n).astype(dtype), z
    if loss.z_domain is UNIT or loss.parameters.get("log_probabilities"):
        z = rng.dirichlet(np.ones(k), n).astype(dtype)
        z = np.log(z) if loss.parameters.get("log_probabilities") else z
    if "labels" in loss.takes:
        return y, z
    if loss.y_domain is REAL:
        return rng.normal(size=(n, k)).astype(dtype), z
    if isinstance(loss, fl.MultiLabelLogistic):
        return np.maximum(rng.integers(0, 2, (n, k)), rng.random((n, k)) * (z > 0)).astype(dtype), z
    return rng.dirichlet(np.ones(k), n).astype(dtype), z


def data(n, k, dtype=np.float64, spread=3.0, seed=0):
    rng = np.random.default_rng(seed)
    z = (spread * rng.normal(size=(n, k))).astype(dtype)
    return rng.integers(0, k, n), z


def plain(loss, y, z):
    """Value and gradient of each row in NumPy, in double."""
    z = z.astype(np.float64)
    x = z - z.max(-1, keepdims=True)
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    hot = np.arange(z.shape[-1]) == y[..., None] if y.ndim < z.ndim else y.astype(np.float64)
    s = loss.parameters.get("label_smoothing", 0.0)
    q = (1 - s) * hot + s / z.shape[-1]
    logp = x - np.log(np.exp(x).sum(-1, keepdims=True))
    return -(q * logp).sum(-1), q.sum(-1, keepdims=True) * p - q


# ---- right -------------------------------------------------------------------------------------


@every_loss
@both_dtypes
@pytest.mark.parametrize(("spread", "k"), [(0.1, 3), (3.0, 2), (3.0, 10), (3.0, 130), (30.0, 3)])
def test_values_and_derivatives(loss, dtype, spread, k):
    y, z = typical(loss, 8 if k < 100 else 1, k, dtype, spread, seed=k)
    values, grads = loss.value_and_grad(y, z, reduction="none")
    again, hess = loss.grad_and_hess(y, z, reduction="none")
    assert values.dtype == grads.dtype == hess.dtype == dtype
    eps = np.finfo(dtype).eps
    tiny = max(float(np.finfo(dtype).tiny), 1e-50)  # what is 0 the definition has to 60 digits
    for r in range(len(z)):
        label = {int(y[r])} if loss.takes[0] == "labels" else set()
        size = len(z[r])
        places = sorted({0, 1, size - 1, *range(2, size, max(1, size // 10))} | label)
        value, grad, second = exact(loss, z[r], y[r], places)
        terms = subtracted(loss, y[r], z[r].astype(np.float64))
        # z - max is rounded once, and so is relative to its size wherever it is exponentiated
        reach = 8 + float(z[r].max() - z[r].min())
        wanted = ([value], grad, second)
        for got, want, term in zip((values[r], grads[r], hess[r]), wanted, terms, strict=True):
            shown = np.atleast_1d(got)[places if np.ndim(got) else [0]]
            for i, a, b in zip(places, shown, want, strict=np.ndim(got) == 1):
                scale = max(abs(b), np.broadcast_to(term, z[r].shape)[i])
                assert abs(float(mpf(float(a)) - b)) <= 2 * reach * eps * scale + tiny, (r, i)
    np.testing.assert_allclose(again, grads, rtol=20 * eps, atol=tiny)


def subtracted(loss, y, z):
    """The size of what value, gradient and Hessian are differences of, where they are."""
    if isinstance(loss, fl.ListwiseSoftmax):
        return 0, 1, 1
    if isinstance(loss, fl.KLDivergence):
        logs = z if loss.log_probabilities else np.log(z)
        return np.abs(y * np.log(y)).sum() + np.abs(y * logs).sum(), 0, 0
    if isinstance(loss, fl.JensenShannon):
        return np.abs(z * np.log(2 * z / (y + z))).sum(), 0, 0
    if isinstance(loss, fl.CosineDistance):
        size = np.sqrt(z @ z)
        along = np.abs(y) / np.sqrt(y @ y) / size + np.abs(z) / size**2
        return 1, along, (along + 1 / size) / size
    if isinstance(loss, fl.MultiLabelLogistic):
        up = 1 / (1 + np.exp(-z))
        return 0, np.maximum(loss.pos_weight * y * (1 - up), (1 - y) * up) / len(z), 0
    if isinstance(loss, fl.Dice):
        whole = y.sum() + z.sum() + loss.smooth
        return 0, 2 / whole, 4 / whole**2
    if isinstance(loss, fl.GaussianNLL):
        t, v = (z[0] - y) ** 2 / z[1], z[1]
        terms = np.array([0, max(1, t) / v]), np.array([0, max(1, 2 * t) / v**2])
        return (abs(np.log(v)) + t + loss.full * np.log(2 * np.pi)) / 2, *terms
    smoothing = loss.parameters.get("label_smoothing", 0.0) / len(z)
    # the Hessian has p (1 - p), where the p of another class may be nearly 1
    return 0, smoothing, 3 if loss in SOFTMAX else 0


@both_dtypes
@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("n", [1, 3, 4, 5, 64, 67])
def test_every_number_of_classes_and_rows(n, k, dtype):
    y, z = data(n, k, dtype, seed=n)
    values, grads = plain(CE, y, z)
    eps = float(np.finfo(dtype).eps)
    value, grad = CE.value_and_grad(y, z)
    np.testing.assert_allclose(value, values.mean(), rtol=30 * eps)
    np.testing.assert_allclose(grad, grads / n, rtol=60 * eps, atol=eps / n)
    assert CE(y, z) == pytest.approx(value, rel=4 * eps)
    np.testing.assert_allclose(CE(y, z, reduction="none"), values, rtol=60 * eps, atol=20 * eps)
    soft = np.eye(k)[y]
    value, grad = CE.value_and_grad(soft, z)
    np.testing.assert_allclose(value, values.mean(), rtol=30 * eps)
    np.testing.assert_allclose(grad, grads / n, rtol=60 * eps, atol=2 * eps / n)


@pytest.mark.parametrize("k", [100_000])
def test_many_classes(k):
    y, z = data(5, k, np.float32)
    value, grad = CE.value_and_grad(y, z)
    values, grads = plain(CE, y, z)
    assert value == pytest.approx(values.mean(), rel=1e-6)
    np.testing.assert_allclose(grad, grads / 5, rtol=1e-4, atol=1e-9)


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


def test_label_smoothing_of_two_classes():  # torch#148884
    loss = fl.SoftmaxCrossEntropy(label_smoothing=0.1)
    z = np.array([[0.3, -0.2]])
    assert loss([0], z) == pytest.approx(CE(np.array([[0.95, 0.05]]), z), rel=1e-14)


def test_the_mean_is_over_the_weights_of_the_classes():  # torch#54843
    loss = fl.SoftmaxCrossEntropy(class_weight=[1, 3])
    y, z = np.array([0, 1]), np.array([[0.5, 0.1], [0.2, 0.6]])
    l0, l1 = CE(y, z, reduction="none")
    assert loss(y, z) == pytest.approx((l0 + 3 * l1) / 4, rel=1e-14)
    assert loss(y, z, reduction="sum") == pytest.approx(l0 + 3 * l1, rel=1e-14)
    assert loss(y, z) == pytest.approx(CE(y, z, sample_weight=[1, 3]), rel=1e-14)
    assert loss(np.eye(2)[y], z) == pytest.approx(loss(y, z), rel=1e-14)


def test_all_of_it_together():  # torch#72056, optax#1335
    loss = fl.SoftmaxCrossEntropy(class_weight=[1, 2, 3], label_smoothing=0.2, ignore_index=-100)
    y, z = data(7, 3)
    y[[1, 4]] = -100
    value, grad = loss.value_and_grad(y, z)
    assert (grad[[1, 4]] == 0).all()
    kept = np.delete(np.arange(7), [1, 4])
    expected, expected_grad = loss.value_and_grad(y[kept], z[kept])
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(grad[kept], expected_grad, rtol=1e-13)
    hot = np.eye(3)[np.where(y < 0, 0, y)]
    w = (y >= 0).astype(float)
    masked = loss.value_and_grad(hot, z, sample_weight=w)
    assert masked[0] == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(masked[1], grad, rtol=1e-12, atol=1e-17)


def test_the_hessian_of_a_softmax_is_p_times_1_less_p():  # LightGBM#6219, xgboost#10105
    y, z = data(20, 4)
    p = fl.softmax(z)
    np.testing.assert_allclose(CE.grad_and_hess(y, z, reduction="sum")[1], p * (1 - p), rtol=1e-12)


def test_a_divergence_refuses_negative_targets():  # torch#69230
    message = r"y_true\[0, 1\] = -0.5 is not in \[0, inf\)"
    for loss in (fl.KLDivergence(), fl.KLDivergence(log_probabilities=True), fl.JensenShannon()):
        with pytest.raises(fl.DomainError, match=message):
            loss([[1.5, -0.5]], [[0.5, 0.5]])


def test_labels_are_averaged_with_their_weights():
    y, z = np.array([[1.0, 0.0], [0.25, 1.0]]), np.array([[2.0, -1.0], [0.5, 3.0]])
    each = fl.Logistic().__call__(y, z, reduction="none")
    assert fl.MultiLabelLogistic()(y, z) == pytest.approx(each.mean(), rel=1e-14)
    loss = fl.MultiLabelLogistic(pos_weight=[1, 4], label_weight=[1, 3])
    weighted = np.stack(
        [fl.Logistic(w)(y[:, k], z[:, k], reduction="none") for k, w in enumerate((1.0, 4.0))], 1
    )
    expected = (weighted @ [1, 3]) / 4
    np.testing.assert_allclose(loss(y, z, reduction="none"), expected, rtol=1e-14)
    step = 1e-6
    grad = loss.grad(y, z, reduction="sum")
    for k in range(2):
        up, down = z.copy(), z.copy()
        up[:, k] += step
        down[:, k] -= step
        slope = (loss(y, up, reduction="none") - loss(y, down, reduction="none")) / (2 * step)
        np.testing.assert_allclose(grad[:, k], slope, rtol=1e-8)
    extreme = np.array([[1e4, -1e4], [-np.inf, np.inf]])
    np.testing.assert_array_equal(
        fl.MultiLabelLogistic()([[1, 0], [0, 1]], extreme, reduction="none"), [0, 0]
    )
    assert loss([[0, 1]], [[1e4, -1e4]]) == pytest.approx((1e4 + 3 * 4e4) / 4)


@both_dtypes
def test_many_labels(dtype):
    """More than a piece of a row, with weights that differ."""
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, (3, 1300)).astype(dtype), rng.normal(size=(3, 1300)).astype(dtype)
    positive, weight = rng.random(1300), rng.random(1300)
    values, grads = fl.MultiLabelLogistic(positive, weight).value_and_grad(y, z, reduction="none")
    z = z.astype(np.float64)
    terms = positive * y * np.log1p(np.exp(-z)) + (1 - y) * np.log1p(np.exp(z))
    slopes = (1 - y) / (1 + np.exp(-z)) - positive * y / (1 + np.exp(z))
    rtol = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(values, terms @ weight / weight.sum(), rtol=rtol)
    np.testing.assert_allclose(grads, slopes * weight / weight.sum(), rtol=5 * rtol)


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


def test_more_elements_than_32_bits_count():  # torch#111484
    n, k = 2**31 // 4000 + 9, 4000
    z = np.broadcast_to(np.float32(0.5), (n, k))
    y = np.zeros(n, np.int64)
    assert CE(y, z) == pytest.approx(math.log(k), rel=1e-6)
    y[-1] = k
    w = np.zeros(n)
    w[-1] = 1
    with pytest.raises(fl.DomainError, match=rf"y_true\[{n - 1}\] = {k} is not a class"):
        CE(y, z, sample_weight=w)


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


def test_one_row_alone():
    z = np.array([0.0, 1.0])
    expected = CE([1], z[None])
    assert CE(1, z) == expected == CE(1, z, sample_weight=2.0) == CE(1, z, reduction="none")
    assert fl.logsumexp(z) == fl.logsumexp(z[None])[0] == fl.logsumexp(z, out=np.empty(()))
    assert isinstance(fl.logsumexp(z), float) and isinstance(fl.sigmoid(3.0), float)
    assert fl.score(1, z, ["softmax_cross_entropy"]).values[0] == expected
    assert fl.CosineDistance()([1.0, 0.0], [0.0, 2.0], reduction="none") == 1


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


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_that_overflow(dtype):
    z = np.array([[0, 1], [0, 1]], dtype)
    with pytest.raises(ValueError, match="overflows|is not finite"):
        CE([0, 1], z, sample_weight=[1e308, 1e308])
    with pytest.raises(ValueError, match="overflows"):
        fl.SoftmaxCrossEntropy(class_weight=[1e308, 1e308])([0, 1], z)


def test_read_only_rows():  # cython#1605
    y, z = data(9, 3)
    expected = CE(y, z)
    for array in (y, z):
        array.flags.writeable = False
    assert CE(y, z) == expected


# ---- peers -------------------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(50, 4), (9, 300), (2, 5, 6, 7)])
def test_parity_with_torch(shape, weighted, smoothing, dtype):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    k = shape[1]
    rng = np.random.default_rng(0)
    z = rng.normal(size=shape).astype(dtype)
    y = rng.integers(0, k, (shape[0], *shape[2:]))
    y.flat[3] = -1
    cw = rng.uniform(0.5, 2, k) if weighted else None
    loss = fl.SoftmaxCrossEntropy(cw, smoothing, ignore_index=-1, axis=1)
    leaf = torch.from_numpy(z).clone().requires_grad_()
    theirs = torch.nn.functional.cross_entropy(
        leaf, torch.from_numpy(y), label_smoothing=smoothing, ignore_index=-1,
        weight=None if cw is None else torch.from_numpy(cw.astype(dtype)),
    )  # fmt: skip
    theirs.backward()
    value, grad = loss.value_and_grad(y, z)
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    assert value == pytest.approx(theirs.item(), rel=tolerance)
    np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=tolerance, atol=tolerance / z.size)


def test_parity_with_scikit_learn():
    pytest.importorskip("sklearn", reason="scikit-learn is a peer")
    from sklearn._loss.loss import HalfMultinomialLoss

    y, z = data(100, 5)
    theirs = HalfMultinomialLoss(n_classes=5)
    values, grads = theirs.loss_gradient(y.astype(float), z)
    ours = CE.value_and_grad(y, z, reduction="none")
    np.testing.assert_allclose(ours[0], values, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(ours[1], grads, rtol=1e-12, atol=1e-16)
    _, p = theirs.gradient_proba(y.astype(float), z)
    np.testing.assert_allclose(CE.grad_and_hess(y, z, reduction="none")[1], p * (1 - p), rtol=1e-12)


@both_dtypes
def test_parity_of_the_others_with_torch(dtype):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    F = torch.nn.functional
    y, z = typical(fl.MultiLabelLogistic(), 50, 7, dtype)
    mean, variance = z[:, 0], np.exp(z[:, 1])
    pos = np.linspace(0.5, 2, 7)
    pairs = [
        (fl.MultiLabelLogistic(pos), y, z, lambda y, z: F.binary_cross_entropy_with_logits(
            z, y, pos_weight=torch.from_numpy(pos.astype(dtype)))),
        (fl.GaussianNLL(), z[:, 2], np.stack([mean, variance], 1), lambda y, z: F.gaussian_nll_loss(
            z[:, 0], y, z[:, 1], eps=0.0)),
        (fl.GaussianNLL(full=True), z[:, 2], np.stack([mean, variance], 1),
         lambda y, z: F.gaussian_nll_loss(z[:, 0], y, z[:, 1], full=True, eps=0.0)),
    ]  # fmt: skip
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    for loss, targets, predictions, function in pairs:
        leaf = torch.from_numpy(predictions.copy()).requires_grad_()
        theirs = function(torch.from_numpy(targets.copy()), leaf)
        theirs.backward()
        value, grad = loss.value_and_grad(targets, predictions)
        assert value == pytest.approx(theirs.item(), rel=tolerance)
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=5 * tolerance, atol=tolerance)


def test_softmax_functions():
    special = pytest.importorskip("scipy.special")
    for k, axis in itertools.product([1, 2, 5, 128, 129, 5000], [0, 1, -1]):
        z = data(7, k, seed=k)[1]
        z = z.T.copy() if axis == 0 else z
        np.testing.assert_allclose(fl.softmax(z, axis=axis), special.softmax(z, axis), rtol=1e-13)
        ours = fl.log_softmax(z, axis=axis)
        np.testing.assert_allclose(ours, special.log_softmax(z, axis), rtol=1e-13, atol=1e-15)
        ours = fl.logsumexp(z, axis=axis)
        np.testing.assert_allclose(ours, special.logsumexp(z, axis), rtol=1e-13, atol=1e-15)
    x = np.linspace(-800, 800, 1001)
    np.testing.assert_allclose(fl.sigmoid(x), special.expit(x), rtol=1e-13, atol=1e-300)
    assert fl.sigmoid(np.float32(0.3)).dtype == np.float32
    out = z.copy()
    assert fl.softmax(out, out=out) is out
    np.testing.assert_array_equal(out, fl.softmax(z))
    assert fl.softmax(np.zeros((0, 3))).shape == (0, 3)
    for function, axis in itertools.product([fl.softmax, fl.logsumexp], [0.0, True, "0"]):
        with pytest.raises(TypeError, match="axis must be an integer; got"):
            function(z, axis=axis)


# ---- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", SOFTMAX[:3], ids=lambda loss: loss.spec)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_axes(loss, axis):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, 6, 70))
    moved = np.moveaxis(z, axis, -1)
    y = rng.integers(0, moved.shape[-1], moved.shape[:-1])
    ours = type(loss)(**loss.parameters | {"axis": axis})
    last = np.ascontiguousarray(moved)
    for method in ("grad", "value_and_grad", "grad_and_hess"):
        got = getattr(ours, method)(y, z)
        want = getattr(loss, method)(y, last)
        got, want = (x if isinstance(x, tuple) else (x,) for x in (got, want))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(np.moveaxis(a, axis, -1) if np.ndim(a) else a, b)
    np.testing.assert_array_equal(ours(y, z, reduction="none"), loss(y, last, reduction="none"))
    if loss is CE:
        soft = rng.random(z.shape)
        a = ours.value_and_grad(soft, z)
        b = loss.value_and_grad(np.ascontiguousarray(np.moveaxis(soft, axis, -1)), last)
        assert a[0] == b[0]
        np.testing.assert_array_equal(np.moveaxis(a[1], axis, -1), b[1])


@pytest.mark.parametrize("labels", [np.int8, np.uint8, ">i4", np.uint64, bool, np.int64])
def test_any_integers_are_labels(labels):
    y, z = data(300, 2)
    assert CE(y.astype(labels), z) == CE(y, z)


@pytest.mark.parametrize("axis", [-1, 0])
def test_any_layout_is_read(axis):
    y, z = data(400, 6)
    loss = fl.SoftmaxCrossEntropy(axis=axis)
    base = z if axis == -1 else z.T.copy()
    value, grad = loss.value_and_grad(y, base)
    wide = np.repeat(base, 2, axis=1)
    for other in (np.asfortranarray(base), base.astype(">f8"), wide[:, ::2], base[::-1, ::-1]):
        labels = y
        if other.strides[0] < 0:
            labels = 5 - y[::-1]
        got = loss.value_and_grad(labels, other)
        assert got[0] == pytest.approx(value, rel=1e-13)
    assert loss(y, base.astype(np.float16)) == pytest.approx(value, rel=1e-2)
    assert loss(y[::1], np.round(base).astype(np.int32)) == loss(y, np.round(base))


@every_loss
@pytest.mark.parametrize("k", [3, 200])
def test_in_place(loss, k):
    y, z = typical(loss, 67, k)
    value, grad = loss.value_and_grad(y, z)
    g, h = loss.grad_and_hess(y, z)
    out = z.copy()
    again, same = loss.value_and_grad(y, out, out=out)
    assert same is out and again == value
    np.testing.assert_array_equal(out, grad)
    for first in (True, False):
        a, b = z.copy(), np.empty_like(z)
        loss.grad_and_hess(y, a, out=(a, b) if first else (b, a))
        np.testing.assert_array_equal(a if first else b, g)
        np.testing.assert_array_equal(b if first else a, h)


def test_soft_targets_in_place():
    y, z = data(67, 5)
    soft = np.eye(5)[y]
    grad = CE.grad(soft, z)
    assert CE.grad(soft, z, out=soft) is soft
    np.testing.assert_array_equal(soft, grad)


def test_bad_input_in_place_changes_nothing():
    y, z = data(500, 5)
    y[499] = 5
    before = z.copy()
    with pytest.raises(fl.DomainError, match=r"y_true\[499\] = 5 is not a class from 0 to 4"):
        CE.grad(y, z, out=z)
    np.testing.assert_array_equal(z, before)


@every_loss
@both_dtypes
@pytest.mark.parametrize("k", [2, 10, 129, 5000])
def test_bits_are_the_same_for_every_number_of_threads(loss, dtype, k):
    n = 400_000 // k + 3
    y, z = typical(loss, n, k, dtype)
    w = np.random.default_rng(1).random(n)

    def everything():
        found = [*loss.value_and_grad(y, z, sample_weight=w), *loss.grad_and_hess(y, z)]
        return [np.asarray(x).tobytes() for x in found]

    with fl.num_threads(1):
        expected = everything()
    for threads in (2, 3, 16):
        with fl.num_threads(threads):
            assert everything() == expected


@pytest.mark.parametrize("k", [3, 10, 200])
def test_large_outputs_are_whole(k):
    n = 40_000_000 // k // 4  # beyond the cache, where results are streamed
    y, z = data(n, k, np.float32)
    out = np.full((n, k), np.nan, np.float32)
    CE.grad(y, z, out=out)
    part = slice(n // 2, n // 2 + 4096)
    np.testing.assert_allclose(
        out[part], CE.grad(y[part], z[part], reduction="none") / n, rtol=1e-6
    )
    assert np.isfinite(out).all()


# ---- weights and NaN ---------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("k", [3, 200])
def test_a_row_of_weight_0_is_absent(loss, k):
    y, z = typical(loss, 9, k)
    w = np.arange(9.0)
    w[4] = 0
    value, grad = loss.value_and_grad(y, z, sample_weight=w)
    y[4], z[4] = -7, np.nan
    got = loss.value_and_grad(y, z, sample_weight=w)
    assert got[0] == value
    np.testing.assert_array_equal(got[1], grad)
    assert (grad[[0, 4]] == 0).all()


def test_nan_policies():
    y, z = data(9, 3)
    z[4, 1] = np.nan
    assert math.isnan(CE(y, z))
    kept = np.delete(np.arange(9), 4)
    value, grad = CE.value_and_grad(y, z, nan_policy="omit")
    assert value == pytest.approx(CE(y[kept], z[kept]), rel=1e-14)
    np.testing.assert_allclose(grad[kept], CE.grad(y[kept], z[kept]), rtol=1e-14)
    assert (grad[4] == 0).all()
    with pytest.raises(fl.DomainError, match=r"y_pred\[4, 1\] = nan is not a number"):
        CE(y, z, nan_policy="raise")


def test_nothing_to_average():  # torch#70348
    loss = fl.SoftmaxCrossEntropy(ignore_index=0)
    y, z = np.zeros(4, int), np.zeros((4, 3))
    with pytest.raises(ValueError, match="mean over nothing"):
        loss(y, z)
    with pytest.raises(ValueError, match="mean over nothing"):
        loss.value_and_grad(y, z)
    value, grad = loss.value_and_grad(y, z, reduction="sum")
    assert value == 0.0 and (grad == 0).all()
    with pytest.raises(ValueError, match="mean over nothing"):
        CE(np.zeros(0, int), np.zeros((0, 3)))
    assert CE(np.zeros(0, int), np.zeros((0, 3)), reduction="sum") == 0.0


def test_a_target_of_nan_makes_the_mean_nan():
    loss = fl.SoftmaxCrossEntropy(class_weight=[1, 2])
    q, z = np.array([[0.5, np.nan], [0.0, 1.0]]), np.zeros((2, 2))
    assert math.isnan(loss(q, z)) and math.isnan(loss.value_and_grad(q, z)[0])
    assert loss(q, z, nan_policy="omit") == loss(q[1:], z[1:])


def test_weights_scale():
    y, z = data(100, 4)
    w = np.random.default_rng(2).random(100)
    values, grads = CE.value_and_grad(y, z, reduction="none")
    value, grad = CE.value_and_grad(y, z, sample_weight=w)
    assert value == pytest.approx((w * values).sum() / w.sum(), rel=1e-13)
    np.testing.assert_allclose(grad, w[:, None] * grads / w.sum(), rtol=1e-12)
    rows = fl.SoftmaxCrossEntropy(axis=1)
    image = z.reshape(25, 4, 4).transpose(0, 2, 1).copy()
    by_row = rows(y.reshape(25, 4), image, sample_weight=w[:25])
    assert by_row == pytest.approx(CE(y, z, sample_weight=np.repeat(w[:25], 4)), rel=1e-13)


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "z", "error", "message"),
    [
        ([0, 3], np.zeros((2, 3)), ValueError, r"y_true\[1\] = 3 is not a class from 0 to 2"),
        ([0, -4], np.zeros((2, 3)), ValueError, r"y_true\[1\] = -4 is not a class from 0 to 2"),
        ([0.0, 1.0], np.zeros((2, 3)), TypeError, "classes as integers; got dtype float64"),
        ([0], np.zeros((2, 3)), ValueError, r"of shape \(2,\), or .* shape \(2, 3\); got \(1,\)"),
        ([[0], [1]], np.zeros((2, 3)), ValueError, r"got \(2, 1\)"),
        (0, 1.0, ValueError, "an axis of classes; got a scalar"),
        ([0, 1, 1], [0.5, 0.1, 0.2], ValueError, "3 integers for y_pred of .*, which is one row"),
        ([], np.zeros((0, 0)), ValueError, "no classes along axis -1"),
        ([[0.5, -0.5]], np.zeros((1, 2)), ValueError, r"y_true\[0, 1\] = -0.5 is not in \[0, inf"),
        ([0], np.zeros((1, 2), complex), TypeError, "y_pred must hold real"),
    ],
)  # fmt: skip
def test_wrong_arrays(y, z, error, message):
    with pytest.raises(error, match=message):
        CE.value_and_grad(y, z)


def test_wrong_arguments():
    y, z = data(4, 3)
    with pytest.raises(ValueError, match="class_weight has 2 weights, but y_pred has 3 classes"):
        fl.SoftmaxCrossEntropy(class_weight=[1, 2])(y, z)
    with pytest.raises(ValueError, match="axis 2 is out of bounds for y_pred of shape"):
        fl.SoftmaxCrossEntropy(axis=2)(y, z)
    with pytest.raises(ValueError, match=r"sample_weight must have a weight for each row"):
        CE(y, z, sample_weight=np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"sample_weight\[2\] = nan is not finite"):
        CE(y, z, sample_weight=[1, 1, np.nan, 1])
    with pytest.raises(
        ValueError, match=r"y_true must hold a class for each row, .*; got \(4, 3\)"
    ):
        fl.SoftmaxFocal()(np.eye(3)[y], z)
    with pytest.raises(ValueError, match="out is for reduction"):
        CE(y, z, out=z)
    with pytest.raises(ValueError, match="out must be a writeable"):
        CE.grad(y, z, out=np.empty((3, 4)))
    wide = np.zeros((5, 3))
    with pytest.raises(ValueError, match="out overlaps y_pred"):
        CE.grad(y, wide[:4], out=wide[1:])
    with pytest.raises(ValueError, match=r"a target for each class, of y_pred's shape \(4, 3\)"):
        fl.KLDivergence()(y, np.abs(z))
    with pytest.raises(ValueError, match=r"y_pred\[0, 1\] = 1.5 is not in \[0, 1\]"):
        fl.CrossEntropy()([0], [[0.0, 1.5]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.SoftmaxCrossEntropy(class_weight=[1, -1]), ValueError, r"class_weight\[1\]"),
        (lambda: fl.SoftmaxCrossEntropy(class_weight="12"), TypeError, "class_weight must be"),
        (lambda: fl.SoftmaxCrossEntropy(class_weight=3), TypeError, "class_weight must be"),
        (lambda: fl.SoftmaxCrossEntropy(label_smoothing=1.5), ValueError, "label_smoothing"),
        (lambda: fl.SoftmaxCrossEntropy(axis=0.5), TypeError, "axis must be an integer"),
        (lambda: fl.SoftmaxCrossEntropy(ignore_index=True), TypeError, "ignore_index must be"),
        (lambda: fl.SoftmaxFocal(gamma=-1), ValueError, "gamma must be in"),
        (lambda: fl.KLDivergence(log_probabilities=1), TypeError, "must be True or False"),
        (lambda: fl.PolyLoss(epsilon=math.inf), ValueError, "epsilon must be in"),
        (lambda: fl.MultiLabelLogistic(label_weight=[0, 0]), ValueError, "that is not 0"),
        (lambda: fl.MultiLabelLogistic(pos_weight=-1.0), ValueError, "pos_weight must be in"),
        (lambda: fl.MultiLabelLogistic(pos_weight="a"), TypeError, "a number, or a sequence"),
        (lambda: fl.MultiLabelLogistic(pos_weight=None), TypeError, "a number, or a sequence"),
        (lambda: fl.SoftmaxCrossEntropy(class_weight=[]), ValueError, "class_weight must hold"),
        (lambda: fl.SoftmaxCrossEntropy([1, "a"]), TypeError, r"class_weight\[1\] must be a real"),
        (lambda: fl.SoftmaxCrossEntropy(ignore_index=2**70), ValueError, "a 64-bit integer"),
        (lambda: fl.softmax([1.0], axis=2**40), ValueError, "out of bounds for x"),
        (lambda: fl.sigmoid("a"), TypeError, "^x must hold"),
        (lambda: fl.sigmoid(np.ma.ones(3)), TypeError, "^x is a masked array"),
        (RowLoss, TypeError, "what losses share"),
        (lambda: CE.__new__(type(CE))([0], [[1.0]]), TypeError, "initialised"),
    ],
)
def test_wrong_parameters(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_objects():
    loss = fl.SoftmaxCrossEntropy([1, 2], 0.1, ignore_index=-1, axis=1)
    assert eval(repr(loss), vars(fl)) == loss == pickle.loads(pickle.dumps(loss))
    assert hash(loss) == hash(fl.SoftmaxCrossEntropy((1.0, 2.0), 0.1, -1, 1))
    for other in [loss, *LOSSES]:
        assert fl.get_loss(other.spec) == other == eval(repr(other), vars(fl))
    assert loss.class_weight == (1.0, 2.0) and loss.axis == 1
    with pytest.raises(AttributeError, match="immutable"):
        loss.axis = 0


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
def test_memory_is_flat():
    code = """
import resource, numpy as np, fastloss as fl
rng = np.random.default_rng(0)
z = rng.normal(size=(1_000_000, 10)).astype(np.float32); y = rng.integers(0, 10, 1_000_000)
out = np.empty_like(z); loss = fl.SoftmaxCrossEntropy()
loss.value_and_grad(y[:9], z[:9], out=out[:9]); out.fill(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss.value_and_grad(y, z, out=out)
loss.value_and_grad(y.astype(np.int64), z[:, ::-1], out=out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10_000  # kB; the logits are 40 MB, the copied labels 8 MB
