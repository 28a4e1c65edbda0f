"""Losses of rows: against their definitions in 60 digits, torch and scikit-learn."""

import itertools
import re

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from oracle import FUNCTIONS, Jet, exp, jet, log, log1p
from row_samples import CE, LOSSES, SOFTMAX, both_dtypes, data, every_loss, typical

import fastloss as fl

KS = (1, 2, 3, 4, 5, 7, 10, 16, 31, 100, 128, 129, 1000, 4096, 4097, 10_000)


def exact(loss, z, target, places):
    """Value, and gradient and Hessian's diagonal at some places of a row, to 60 digits."""
    size = len(z)
    uses_p = "p" in {*re.findall(r"\w+", loss.definition)} - {*loss.parameters}
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
            if isinstance(loss, fl.KLDivergence) and loss.log_probabilities:
                row = Vector(exp(x) if i == k else jet(e) for i, e in enumerate(exps))
            if loss.parameters.get("logits"):
                row = Vector(1 / (1 + exp(-v)) for v in row)
            env = {"q": q, "z": row, "y": target, "K": size, "pi": mp.pi, **VECTORS, **names}
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

    def __sub__(self, other):
        return self.zip(other, lambda a, b: a - b)

    def __rsub__(self, other):
        return self.zip(other, lambda a, b: b - a)

    def __pow__(self, other):
        return self.zip(other, lambda a, b: a**b)

    def __neg__(self):
        return self * -1

    __rmul__ = __mul__


def each(function):
    """A function of numbers as one of rows too."""
    return lambda x: Vector(map(function, x)) if isinstance(x, Vector) else function(x)


def in_mp(name, value, size):
    """A parameter as definitions see it."""
    if isinstance(value, tuple) and name == "q":
        return Vector(map(jet, value))
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
    "range": range,
    "positive": each(lambda x: max(x, jet(0))),
    "len": len,
}


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
        label = {int(y[r])} if loss._takes[0] == "labels" else set()
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
        if loss.log_probabilities:
            return np.abs(y * np.log(y)).sum() + np.abs(y * z).sum(), 0, 0
        return np.abs(y * np.log(y / z)).sum(), 0, 0
    if isinstance(loss, fl.CosineDistance):
        size = np.sqrt(z @ z)
        slope = np.linalg.norm(y - y @ z / (z @ z) * z) / np.sqrt(y @ y) / size
        return 0, slope * np.abs(z) / size, (2 * slope * np.abs(z) + 1) / size**2
    if isinstance(loss, fl.MultiLabelLogistic):
        up = 1 / (1 + np.exp(-z))
        return 0, np.maximum(loss.pos_weight * y * (1 - up), (1 - y) * up) / len(z), 0
    if isinstance(loss, (fl.Dice, fl.Tversky)):
        alpha, beta = (loss.parameters.get(name, 0.5) for name in ("alpha", "beta"))
        z = 1 / (1 + np.exp(-z)) if loss.logits else z
        both, most = (y * z).sum(), max(1, alpha, beta)
        whole = both + alpha * (z.sum() - both) + beta * (y.sum() - both) + loss.smooth / 2
        return 0, most / whole, (most / whole) ** 2
    if isinstance(loss, (fl.MultiMargin, fl.MultiLabelMargin)):
        far = 1 + np.ptp(z)  # times the number of pairs, over that of classes
        if isinstance(loss, fl.MultiLabelMargin):
            return y.sum() * far, y.sum(), 0
        return far**loss.p, far ** (loss.p - 1), 0
    if isinstance(loss, fl.GaussianNLL) and loss.log_variance:
        t = (z[0] - y) ** 2 * np.exp(-z[1])
        return (abs(z[1]) + t) / 2, np.array([0, max(1, t) / 2]), 0
    if isinstance(loss, fl.GaussianNLL):
        t, v = (z[0] - y) ** 2 / z[1], z[1]
        terms = np.array([0, max(1, t) / v]), np.array([0, max(1, 2 * t) / v**2])
        return (abs(np.log(v)) + t + loss.full * np.log(2 * np.pi)) / 2, *terms
    if loss._bounded_from:
        return of_location_and_scale(loss, abs(z[0] - y) / z[1], z[1])
    smoothing = loss.parameters.get("label_smoothing", 0.0) / len(z)
    # the Hessian has p (1 - p), where the p of another class may be nearly 1
    return 0, smoothing, 3 if loss in SOFTMAX else 0


def of_location_and_scale(loss, w, s):
    """The same of distributions, at w times the scale s from the location."""
    if isinstance(loss, fl.GaussianCRPS):
        return s, np.array([0, 1]), 0
    if isinstance(loss, fl.LogisticNLL):
        p = np.exp(-w) / (1 + np.exp(-w)) ** 2
        value, slope, bend = w + 2, w, max(2 * w, 2 * w * w * p)
        first = 0
    else:
        df = loss.df
        c, k = df / (df + w * w), w * w / (df + w * w)
        value, slope, bend = (df + 1) / 2 * np.log1p(w * w / df) + 1, (df + 1) * k, 2 * (df + 1) * k
        first = (df + 1) / df * c * max(c, k)
    return (
        abs(np.log(s)) + value,
        np.array([0, max(1, slope) / s]),
        np.array([first, max(1, bend)]) / s**2,
    )


@both_dtypes
@pytest.mark.parametrize(
    "loss", [fl.GaussianCRPS(), fl.LogisticNLL(), fl.StudentTNLL(df=2.5)], ids=repr
)
def test_digits_in_the_tails(loss, dtype):
    """Densities of targets many deviations away: the quotient is rounded, and they are not."""
    rng = np.random.default_rng(0)
    reach = 12 if dtype is np.float32 else 36
    w = np.linspace(0.5, reach, 25)
    s = np.exp(rng.uniform(-3, 3, w.size))
    y = rng.normal(size=w.size).astype(dtype)
    z = np.stack([y + w * s * rng.choice([-1, 1], w.size), s], 1).astype(dtype)
    values, grads = loss.value_and_grad(y, z, reduction="none")
    hess = loss.grad_and_hess(y, z, reduction="none")[1]
    eps = float(np.finfo(dtype).eps)
    for r in range(len(y)):
        value, (slope, _), (bend, _) = exact(loss, z[r], y[r], [0, 1])
        size = subtracted(loss, y[r], z[r].astype(np.float64))[0]
        assert abs(mpf(float(values[r])) - value) <= 8 * eps * max(abs(value), size)
        assert abs(mpf(float(grads[r, 0])) - slope) <= 8 * eps * abs(slope)
        size = abs(bend) if loss.name != "student_t_nll" else max(abs(bend), 1 / z[r, 1] ** 2 / 25)
        assert abs(mpf(float(hess[r, 0])) - bend) <= 12 * eps * size


def nearly_equal(loss, k, distance, dtype):
    rng = np.random.default_rng(k)
    q = rng.dirichlet(np.ones(k), 6)
    z = q * (1 + distance * rng.normal(size=q.shape))
    if isinstance(loss, fl.CosineDistance):
        signs = rng.choice([-1, 1], q.shape)
        return (q * signs).astype(dtype), (z * signs * 2.7).astype(dtype)
    if isinstance(loss, fl.Dice):
        masks = rng.integers(0, 2, q.shape)
        return masks.astype(dtype), np.abs(masks - distance * rng.random(q.shape)).astype(dtype)
    z = np.abs(z)
    return q.astype(dtype), (z / z.sum(1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize(
    "loss",
    [fl.CosineDistance(), fl.KLDivergence(), fl.JensenShannon(), fl.Dice()],
    ids=lambda loss: loss.spec,
)
@both_dtypes
@pytest.mark.parametrize("distance", [0.3, 1e-2, 1e-4, 1e-6, 1e-10, 1e-13])
@pytest.mark.parametrize("k", [2, 3, 17])
def test_nearly_equal_rows(loss, k, distance, dtype):
    """The loss is a small difference of large terms, and right relative to itself."""
    y, z = nearly_equal(loss, k, distance, dtype)
    values, grads = loss.value_and_grad(y, z, reduction="none")
    eps = float(np.finfo(dtype).eps)
    for value, grad, q, row in zip(values, grads, y, z, strict=True):
        want, slopes, _ = exact(loss, row, q, range(k))
        size = np.abs(row - q).astype(float).sum() * 2**-52  # of what adds up to 0 but for rounding
        size = size if isinstance(loss, fl.KLDivergence) else 1e-50
        assert abs(value - want) <= 8 * eps * abs(want) + size
        assert value >= 0 or want < size
        if isinstance(loss, fl.CosineDistance):
            terms = np.linalg.norm(np.array(slopes, float)) * np.abs(row) / np.linalg.norm(row)
            for got, slope, term in zip(grad, slopes, terms, strict=True):
                assert abs(got - slope) <= 8 * eps * max(abs(slope), term) + 1e-30


@both_dtypes
@pytest.mark.parametrize("k", [1, 2, 5, 16, 100])
def test_parallel_vectors(k, dtype):
    loss = fl.CosineDistance()
    rng = np.random.default_rng(k)
    z = rng.normal(size=(20, k)).astype(dtype)
    values, grads = loss.value_and_grad(z, z, reduction="none")
    assert (values == 0).all() and (grads == 0).all()
    whole = np.round(z * 1000)
    for factor in (3, -3, 2.0**-90, -(2.0**70)):
        values, grads = loss.value_and_grad(whole * dtype(factor), whole * 7, reduction="none")
        assert (values == (0 if factor > 0 else 2)).all()
        assert (grads == 0).all()
    moved = z.copy()
    moved[:, 0] = np.nextafter(moved[:, 0], dtype(np.inf))  # one unit in the last place
    for value, row, q in zip(loss(z, moved, reduction="none"), moved, z, strict=True):
        want = exact(loss, row, q, [0])[0] if k > 1 else 0
        assert 0 <= value and abs(value - want) <= 8 * float(np.finfo(dtype).eps) * want + 1e-50


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


@both_dtypes
@pytest.mark.parametrize("k", [2, 3, 18])
@pytest.mark.parametrize(
    "loss",
    [fl.SoftmaxFocal(), fl.SoftmaxFocal(0.5), fl.PolyLoss(2.0), fl.NLL(), fl.MultiClassBrier()],
    ids=lambda loss: loss.spec,
)
def test_soft_targets(loss, k, dtype):
    """Also of rows that one class has nearly all of, and of targets of 0."""
    label, z = typical(loss, 6, k, dtype)
    q = np.random.default_rng(k).dirichlet(np.ones(k), 6).astype(dtype)
    q[2:4] = np.eye(k)[label[2:4]]
    if loss.name in ("softmax_focal", "poly"):
        z[3, label[3]] += 20
    values, grads = loss.value_and_grad(q, z, reduction="none")
    hess = loss.grad_and_hess(q, z, reduction="none")[1]
    bound = 2 * (8 + float(np.ptp(z, axis=1).max())) * float(np.finfo(dtype).eps)
    for r in range(6):
        value, grad, second = exact(loss, z[r], q[r], range(k))
        assert abs(values[r] - value) <= bound * abs(value) + 1e-60
        term = 0 if q[r].max() == 1 else max(abs(float(x)) for x in grad)
        assert (abs(grads[r] - grad) <= bound * np.maximum(np.abs(grad), term) + 1e-60).all()
        term = 3 if loss.name in ("softmax_focal", "poly") else 0
        assert (abs(hess[r] - second) <= bound * np.maximum(np.abs(second), term)).all()


@both_dtypes
@pytest.mark.parametrize("loss", [x for x in LOSSES if x._takes == ("labels", "targets")], ids=repr)
def test_one_hot_targets_are_labels(loss, dtype):
    y, z = typical(loss, 20, 5, dtype)
    if "class_weight" in loss.parameters:
        loss = type(loss)(**{**loss.parameters, "class_weight": (1, 2, 0.25, 0.5, 3)})
    eps = float(np.finfo(dtype).eps)
    for method in ("value_and_grad", "grad_and_hess"):
        got, want = (getattr(loss, method)(t, z) for t in (np.eye(5)[y], y))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=200 * eps, atol=8 * eps)


@pytest.mark.parametrize("k", [100_000])
def test_many_classes(k):
    y, z = data(5, k, np.float32)
    value, grad = CE.value_and_grad(y, z)
    values, grads = plain(CE, y, z)
    assert value == pytest.approx(values.mean(), rel=1e-6)
    np.testing.assert_allclose(grad, grads / 5, rtol=1e-4, atol=1e-9)


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


# ---- peers ---------------------------------------------------------------------------------------


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


@both_dtypes
def test_parity_of_margins_with_torch(dtype):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    F = torch.nn.functional
    y, z = data(40, 6, dtype)
    weight = np.linspace(0.5, 2, 6).astype(dtype)
    held = np.random.default_rng(0).random((40, 6)) < 0.4
    lists = np.full((40, 6), -1)  # torch has lists of labels, which a -1 ends
    for row, labels in zip(lists, held, strict=True):
        row[: labels.sum()] = np.flatnonzero(labels)
    pairs = [
        (fl.MultiMargin(p, margin, weight), y, lambda x, y, p=p, margin=margin: F.multi_margin_loss(
            x, y, p, margin, torch.from_numpy(weight), reduction="sum"))
        for p in (1, 2) for margin in (1.0, 0.25)
    ] + [(fl.MultiLabelMargin(), held, lambda x, y: F.multilabel_margin_loss(
        x, torch.from_numpy(lists), reduction="sum"))]  # fmt: skip
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    for loss, targets, function in pairs:
        leaf = torch.from_numpy(z.copy()).requires_grad_()
        theirs = function(leaf, torch.from_numpy(targets))
        theirs.backward()
        value, grad = loss.value_and_grad(targets, z, reduction="sum")
        assert value == pytest.approx(theirs.item(), rel=tolerance)
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=5 * tolerance, atol=tolerance)


@both_dtypes
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_parity_of_nll_with_torch(smoothing, dtype):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    y, z = typical(fl.NLL(), 40, 6, dtype)
    y[3], weight = -100, np.linspace(0.5, 2, 6).astype(dtype)
    leaf = torch.from_numpy(z.copy()).requires_grad_()
    loss = fl.NLL(weight, smoothing, ignore_index=-100)
    if smoothing:  # nll_loss has none: cross_entropy of what is normalized has another gradient
        theirs = torch.nn.functional.cross_entropy(
            leaf, torch.from_numpy(y), torch.from_numpy(weight), label_smoothing=smoothing
        )
    else:
        theirs = torch.nn.functional.nll_loss(leaf, torch.from_numpy(y), torch.from_numpy(weight))
        theirs.backward()
        np.testing.assert_allclose(loss.grad(y, z), leaf.grad.numpy(), rtol=1e-5, atol=1e-9)
    assert loss(y, z) == pytest.approx(theirs.item(), rel=1e-5 if dtype is np.float32 else 1e-12)


def test_parity_of_soft_poly_loss_with_optax():
    optax = pytest.importorskip("optax", reason="optax is a peer, not a requirement")
    z = data(30, 5, np.float32)[1]
    q = np.random.default_rng(0).dirichlet(np.ones(5), 30).astype(np.float32)
    theirs = optax.losses.poly_loss_cross_entropy(z, q, epsilon=2.0)
    np.testing.assert_allclose(fl.PolyLoss(2.0)(q, z, reduction="none"), theirs, rtol=2e-5)


def test_parity_with_keras():
    """CategoricalFocalCrossentropy(from_logits=True), CategoricalHinge,
    CategoricalGeneralizedCrossEntropy and Tversky, as Keras 3 has them in
    keras/src/losses/losses.py, in NumPy and without its epsilons."""
    y, z = data(30, 5)
    q = 0.9 * np.eye(5)[y] + 0.1 / 5
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    focal = (0.25 * (1 - p) ** 2.0 * -q * np.log(p)).sum(1)
    for ours in (
        fl.SoftmaxFocal()(q, z, reduction="none"),
        fl.SoftmaxFocal(label_smoothing=0.1)(y, z, reduction="none"),
    ):
        np.testing.assert_allclose(0.25 * ours, focal, rtol=1e-12)
    hot = np.eye(5)[y]  # the hinge takes 0 to be the score of a class where all others are negative
    hinge = np.maximum(((1 - hot) * p).max(1) - (hot * p).sum(1) + 1, 0)
    np.testing.assert_allclose(fl.MultiClassHinge()(y, p, reduction="none"), hinge, rtol=1e-13)
    power = (1 - (hot * p).sum(1) ** 0.5) / 0.5
    ours = fl.GeneralizedCrossEntropy(q=0.5)(y, np.log(p), reduction="none")
    np.testing.assert_allclose(ours, power, rtol=1e-12)
    mask = data(30, 5, seed=1)[1] > 0
    both, only_true, only_pred = ((a * b).sum() for a, b in ((mask, p), (mask, 1 - p), (~mask, p)))
    tversky = 1 - both / (both + 0.3 * only_true + 0.7 * only_pred)
    ours = fl.Tversky(alpha=0.7, beta=0.3)(mask.reshape(1, -1), p.reshape(1, -1))
    assert ours == pytest.approx(tversky, rel=1e-13)


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
