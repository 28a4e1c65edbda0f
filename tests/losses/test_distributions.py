"""Losses of predicted distributions: against SciPy, torch and CatBoost, and at their ends."""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from row_samples import both_dtypes

import fastloss as fl
from fastloss.losses.distributions import _student_constant

RNG = np.random.default_rng(0)
N = 60
Y = RNG.normal(size=N)
Z = np.stack([RNG.normal(size=N), RNG.uniform(0.2, 3, N)], 1)
COUNTS = RNG.poisson(3, N).astype(float)


# ---- other libraries ---------------------------------------------------------------------------


def test_log_densities_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    location, scale = Z.T
    logarithms = np.stack([location, 2 * np.log(scale)], 1)
    pairs = [
        (fl.LogisticNLL()(Y, Z, reduction="none"), stats.logistic.logpdf(Y, location, scale)),
        (
            fl.StudentTNLL(df=3.5)(Y, Z, reduction="none"),
            stats.t.logpdf(Y, 3.5, location, scale),
        ),
        (
            fl.GaussianNLL(full=True, log_variance=True)(Y, logarithms, reduction="none"),
            stats.norm.logpdf(Y, location, scale),
        ),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, -theirs, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_the_negative_binomial_of_scipy(alpha):
    stats = pytest.importorskip("scipy.stats")
    z = Z[:, 0]
    n = 1 / alpha
    theirs = -stats.nbinom.logpmf(COUNTS, n, n / (n + np.exp(z)))
    of_y = [
        math.lgamma(y + 1) + math.lgamma(n) - math.lgamma(y + n) - y * math.log(alpha)
        for y in COUNTS
    ]
    ours = fl.NegativeBinomial(alpha)(COUNTS, z, reduction="none")
    np.testing.assert_allclose(ours + of_y, theirs, rtol=1e-11)


def test_gradients_of_torch():
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    d = torch.distributions
    y, counts = torch.from_numpy(Y), torch.from_numpy(COUNTS)
    logarithms = np.stack([Z[:, 0], np.log(Z[:, 1])], 1)
    pairs = [
        (
            fl.GaussianNLL(log_variance=True), Y, logarithms,
            lambda z: torch.nn.functional.gaussian_nll_loss(z[:, 0], y, z[:, 1].exp(), eps=0.0),
        ),
        (fl.StudentTNLL(df=3.5), Y, Z, lambda z: -d.StudentT(3.5, z[:, 0], z[:, 1]).log_prob(y)),
        (
            fl.NegativeBinomial(alpha=0.5), COUNTS, Z[:, 0],
            lambda z: -d.NegativeBinomial(2.0, logits=z - math.log(2)).log_prob(counts),
        ),
    ]  # fmt: skip
    for loss, targets, predictions, function in pairs:
        leaf = torch.from_numpy(predictions.copy()).requires_grad_()
        value = function(leaf).mean()
        value.backward()
        got, grad = loss.value_and_grad(targets, predictions)
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=1e-11, atol=1e-15)
        if loss.name != "negative_binomial":  # which leaves out terms of y alone
            assert got == pytest.approx(value.item(), rel=1e-12)


def test_several_quantiles_of_catboost():
    utils = pytest.importorskip("catboost.utils", reason="CatBoost is a peer, not a requirement")
    z = RNG.normal(size=(N, 3))
    [theirs] = utils.eval_metric(Y, z, "MultiQuantile:alpha=0.1,0.5,0.9")
    assert fl.MultiQuantile()(Y, z) == pytest.approx(theirs, rel=1e-5)


# ---- quantiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [(0.25,), (0.0, 0.1, 0.9, 1.0), np.linspace(0.001, 0.999, 700)])
@both_dtypes
def test_several_quantiles_are_the_mean_of_single_ones(q, dtype):
    loss, y = fl.MultiQuantile(q=q), Y[:9].astype(dtype)
    z = RNG.normal(size=(9, len(q))).astype(dtype)
    z[3, 0], z[4] = y[3], np.nan
    each = [fl.Quantile(x) for x in q]
    pairs = [a.value_and_grad(y, z[:, k].copy(), reduction="none") for k, a in enumerate(each)]
    value, grad = loss.value_and_grad(y, z, reduction="none")
    mean, tolerance = np.mean([v for v, _ in pairs], 0, np.longdouble), 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(value, mean, rtol=tolerance)
    np.testing.assert_allclose(grad, np.stack([g for _, g in pairs], 1) / len(q), rtol=tolerance)
    assert grad[3, 0] == 0
    hess = loss.grad_and_hess(y, z, reduction="none", hessian="majorant")[1]
    np.testing.assert_allclose(hess, 1 / len(q), rtol=tolerance)
    np.testing.assert_array_equal(
        fl.MultiQuantile(q=q, axis=0)(y, np.asfortranarray(z.T), reduction="none"), value
    )


def test_an_interval_is_two_quantiles():
    loss = fl.IntervalScore(alpha=0.2)
    z = RNG.normal(size=(N, 2))  # some of them cross
    pair = fl.MultiQuantile(q=(0.1, 0.9))
    for a, b in zip(
        loss.value_and_grad(Y, z, reduction="none"),
        pair.value_and_grad(Y, z, reduction="none"),
        strict=True,
    ):
        np.testing.assert_allclose(a, 20 * b, rtol=1e-13)
    curve = loss.grad_and_hess(Y, z, reduction="none", hessian="majorant")[1]
    np.testing.assert_allclose(curve, 10)


def test_best_constants():
    w = RNG.uniform(0.5, 2, N)
    for loss, q in (
        (fl.MultiQuantile(q=(0.1, 0.8)), (0.1, 0.8)),
        (fl.IntervalScore(alpha=0.5), (0.25, 0.75)),
    ):
        best = loss.optimal_constant(Y, w)
        assert best.tolist() == [fl.Quantile(x).optimal_constant(Y, w) for x in q]
    mean, variance = fl.GaussianNLL().optimal_constant(Y, w)
    found = fl.GaussianNLL(log_variance=True).optimal_constant(Y, w)
    np.testing.assert_allclose(found, [mean, math.log(variance)], rtol=1e-14)
    assert fl.NegativeBinomial(0.3).optimal_constant(COUNTS) == pytest.approx(
        math.log(COUNTS.mean()), rel=1e-14
    )
    for loss in (fl.GaussianCRPS(), fl.LogisticNLL(), fl.StudentTNLL()):
        with pytest.raises(NotImplementedError, match="no best constant row"):
            loss.optimal_constant(Y)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.MultiQuantile(q=None), TypeError, "q must be a sequence of quantiles"),
        (lambda: fl.MultiQuantile(q="0.5"), TypeError, "q must be a sequence of quantiles"),
        (lambda: fl.MultiQuantile(q=()), ValueError, "q must hold a quantile at least"),
        (lambda: fl.MultiQuantile(q=(0.1, 1.5)), ValueError, r"q\[1\] must be in \[0, 1\]"),
        (lambda: fl.MultiQuantile()([1.0], [[0.0, 1.0]]), ValueError, "a quantile 0.1 and a quan"),
        (lambda: fl.IntervalScore(alpha=0.0), ValueError, "alpha must be in"),
        (lambda: fl.StudentTNLL(df=0.0), ValueError, "df must be in"),
        (lambda: fl.NegativeBinomial(alpha=0.0), ValueError, "alpha must be in"),
        (lambda: fl.NegativeBinomial()([-1.0], [0.0]), ValueError, r"y_true\[0\] = -1.0 is not in"),
        (lambda: fl.LogisticNLL()([1.0], [[0.0, 0.0]]), ValueError, r"y_pred\[0, 1\] = 0.0 is not"),
        (lambda: fl.GaussianCRPS()([1.0], [[0.0, -1.0]]), ValueError, r"y_pred\[0, 1\] = -1.0 is"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_quantiles_by_name():
    loss = fl.get_loss("multi_quantile:q=0.1;0.9")
    assert loss == fl.MultiQuantile(q=[0.1, 0.9]) == fl.get_loss(loss.spec)
    assert fl.get_loss(fl.MultiQuantile(q=(0.5,)).spec).q == (0.5,)


# ---- digits ------------------------------------------------------------------------------------


def test_a_normal_distribution_of_no_deviation():
    for w, slope in (
        (1.0, -1 / math.sqrt(math.pi)),
        (0.0, (math.sqrt(2) - 1) / math.sqrt(math.pi)),
    ):
        loss = fl.GaussianCRPS()
        value, grad = loss.value_and_grad([2.0 - w], [[2.0, 0.0]])
        assert value == w
        np.testing.assert_allclose(grad, [[w, slope]], rtol=1e-15)
        hess = loss.grad_and_hess([2.0 - w], [[2.0, 0.0]])[1]
        np.testing.assert_array_equal(hess, [[0.0 if w else math.inf, 0.0]])


@both_dtypes
def test_far_targets_and_small_scales(dtype):
    """Numbers where the target is more scales away than there are."""
    far, small = (1e30, 1e-30) if dtype is np.float32 else (1e250, 1e-250)
    y, z = np.zeros(1, dtype), np.array([[far, small]], dtype)
    loss = fl.StudentTNLL(df=3.0)
    value, grad = loss.value_and_grad(y, z)
    d, s = mpf(float(z[0, 0])), mpf(float(z[0, 1]))
    with mpmath.workdps(1200):
        want = mpmath.log(s) + 2 * mpmath.log1p((d / s) ** 2 / 3) + _student_constant(3.0)
    assert value == pytest.approx(float(want), rel=1e-6)
    np.testing.assert_allclose(grad, [[4 / far, -3 / small]], rtol=1e-6)
    curve = loss.grad_and_hess(y, np.array([[1.0, small**0.7]], dtype))[1]
    assert curve[0, 0] == pytest.approx(-4, rel=1e-6)
    for loss in (fl.GaussianCRPS(), fl.LogisticNLL()):
        found = [*loss.value_and_grad(y, z), loss.grad_and_hess(y, z)[1]]
        assert not any(np.isnan(x).any() for x in found)
    assert fl.GaussianCRPS()(y, z) == dtype(far)


@both_dtypes
def test_logarithms_of_variances_at_the_ends(dtype):
    loss, inf = fl.GaussianNLL(log_variance=True), np.inf
    y = np.array([0, 1, 0, 1], dtype)
    z = np.array([[0, -inf], [0, -inf], [0, inf], [0, 3e4]], dtype)
    values, grads = loss.value_and_grad(y, z, reduction="none")
    np.testing.assert_array_equal(values, [-inf, inf, inf, 1.5e4])
    np.testing.assert_array_equal(grads, [[0, 0.5], [-inf, -inf], [0, 0.5], [0, 0.5]])


@pytest.mark.parametrize("df", [1e-6, 0.01, 1.0, 2.5, 30.0, 39.9, 40.0, 1e3, 1e6])
def test_the_constant_of_student(df):
    with mpmath.workdps(40):
        x = mpf(df)
        want = mpmath.loggamma(x / 2) - mpmath.loggamma((x + 1) / 2) + mpmath.log(mpmath.pi * x) / 2
    assert _student_constant(df) == pytest.approx(float(want), rel=1e-15)


@pytest.mark.parametrize(
    ("loss", "name", "scale"),
    [
        (fl.GaussianNLL(log_variance=True), "norm", math.exp(0.35)),
        (fl.LogisticNLL(), "logistic", 0.7),
        (fl.StudentTNLL(df=3.0), "t", 0.7),
    ],
)
def test_majorants_are_expectations(loss, name, scale):
    stats = pytest.importorskip("scipy.stats")
    shape = (3.0,) if name == "t" else ()
    places = (np.arange(20_000) + 0.5) / 20_000
    y = getattr(stats, name).ppf(places, *shape, loc=1.0, scale=scale)
    z = np.tile([1.0, 0.7], (y.size, 1))
    hess = loss.grad_and_hess(y, z, reduction="none")[1]
    curve = loss.grad_and_hess(y, z, reduction="none", hessian="majorant")[1]
    np.testing.assert_allclose(hess.mean(0), curve[0], rtol=2e-3)
    assert (curve == curve[0]).all()


def test_one_quantile_may_be_a_number():
    assert fl.get_loss("multi_quantile:q=0.5") == fl.MultiQuantile(q=0.5) == fl.MultiQuantile([0.5])
