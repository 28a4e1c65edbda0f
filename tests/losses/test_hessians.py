"""What stands for the second derivative in boosting: majorants and floors."""

import numpy as np
import pytest
from allowances import RESIDUALS, ULP, intermediates
from isa import EVERY, result_on
from oracle import derivatives, error, spacing, two_doubles
from row_samples import LOSSES, typical as typical_rows
from samples import DTYPES, defaults, pairs, typical, variants

import fastloss as fl

OWN = [loss for loss in variants() if loss.majorant != "hess"]
CASES = [(loss, dtype) for loss in OWN for dtype in DTYPES]
ROWS = [loss for loss in LOSSES if loss.majorant is not None]


def expected(loss, dtype):
    """Samples, the majorant in two doubles, and the error that is allowed."""
    y, z = pairs(loss, dtype)
    # no majorant subtracts: 60 digits will do
    found = [derivatives(loss, *pair, dtype, loss.majorant, 60) for pair in zip(y, z, strict=True)]
    smooth = np.array([parts is not None and not tied for parts, tied in found])
    kernel, p = loss._kernel()
    with np.errstate(all="ignore"):
        for size in intermediates(kernel, y, z, {**loss.parameters, **p}):
            smooth &= np.abs(size) < -np.log(np.longdouble(np.finfo(dtype).tiny))
    parts = [parts for (parts, _), ok in zip(found, smooth, strict=True) if ok]
    y, z = y[smooth], z[smooth]
    high, low = np.array([two_doubles(value) for value, *_ in parts]).T
    slope = np.array([float(slope) for _, slope, *_ in parts])
    with np.errstate(all="ignore"):
        allowed = ULP * spacing(high, dtype)
        if kernel in RESIDUALS:
            allowed += spacing(z.astype(np.float64) - y, dtype) / 2 * np.abs(slope)
            # of an exponential, whose argument is rounded
            allowed *= 2 if kernel in ("Welsch", "GeneralRobust") else 1
        if "Focal" in kernel:  # four functions of 1 to 2.5 ulp each
            allowed *= 2
        if kernel == "SigmoidFocal":  # a power of a rounded number
            allowed *= (1 + p["gamma"]) / 2
    return y, z, high, low, allowed


def curves(tasks):
    return [loss.grad_and_hess(y, z, reduction="none", hessian="majorant") for loss, y, z in tasks]


@pytest.fixture(scope="module")
def results():
    cases = {case: expected(*case) for case in CASES}
    work = [(loss, *cases[loss, dtype][:2]) for loss, dtype in CASES]
    return cases, {
        isa: dict(zip(CASES, result_on(isa, curves, work), strict=True)) for isa in EVERY
    }


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", OWN, ids=repr)
def test_majorants_are_what_their_formula_says(loss, dtype, isa, results):
    y, z, high, low, allowed = results[0][loss, dtype]
    grad, got = results[1][isa][loss, dtype]
    assert len(y) > 40
    assert got.dtype == dtype
    with np.errstate(invalid="ignore"):
        excess = error(got, high, low, dtype) / allowed
    bad = np.flatnonzero(~(excess <= 1))
    assert not len(bad), [(y[i], z[i], got[i], high[i], excess[i]) for i in bad[:9]]
    assert (grad == loss.grad(y, z, reduction="none")).all() or isa != fl._core.isa


@pytest.mark.parametrize("loss", variants(), ids=repr)
def test_majorants_are_not_negative(loss):
    for dtype in DTYPES:
        y, z = pairs(loss, dtype)
        curve = loss.grad_and_hess(y, z, reduction="none", hessian="majorant")[1]
        assert (curve >= 0).all()
        if loss.majorant == "hess":
            hess = loss.grad_and_hess(y, z, reduction="none")[1]
            np.testing.assert_array_equal(curve, hess)


@pytest.mark.parametrize("name", ["huber", "log_cosh", "cauchy", "welsch", "geman_mcclure"])
def test_the_parabola_of_the_majorant_lies_above_the_loss(name):
    loss = fl.get_loss(name)
    at, z = np.meshgrid(np.linspace(-9, 9, 61), np.linspace(-9, 9, 61))
    value, zero = loss(np.zeros_like(at), at, reduction="none"), np.zeros_like(at)
    grad, curve = loss.grad_and_hess(zero, at, reduction="none", hessian="majorant")
    parabola = value + grad * (z - at) + curve / 2 * (z - at) ** 2
    assert (parabola >= loss(zero, z, reduction="none") - 1e-12).all()


def test_the_focal_majorant_bounds_its_second_derivative():
    z = np.linspace(-30, 30, 601)
    for gamma in (0.0, 0.5, 2.0, 5.0):
        for y in (np.zeros_like(z), np.ones_like(z)):
            loss = fl.Focal(gamma=gamma)
            hess = loss.grad_and_hess(y, z, reduction="none")[1]
            curve = loss.grad_and_hess(y, z, reduction="none", hessian="majorant")[1]
            assert (curve >= hess * (1 - 1e-12)).all()


@pytest.mark.parametrize("loss", [x for x in defaults() if not x._root], ids=repr)
@pytest.mark.parametrize("hessian", ["majorant", 0.25])
def test_weights_and_reductions_act_as_on_the_hessian(loss, hessian):
    y, z = typical(loss, 100)
    w = np.random.default_rng(0).uniform(0, 2, 100)
    plain = loss.grad_and_hess(y, z, reduction="none", hessian=hessian)[1]
    if hessian == 0.25:
        exact = loss.grad_and_hess(y, z, reduction="none")[1]
        np.testing.assert_array_equal(plain, np.maximum(exact, 0.25))
    for reduction, factor in (("none", w), ("sum", w), ("mean", w / w.sum())):
        grad, hess = loss.grad_and_hess(y, z, sample_weight=w, reduction=reduction, hessian=hessian)
        np.testing.assert_allclose(hess, plain * factor, rtol=1e-14)
        same = loss.grad_and_hess(y, z, sample_weight=w, reduction=reduction)[0]
        np.testing.assert_array_equal(grad, same)
    mean = loss.grad_and_hess(y, z, hessian=hessian)[1]
    np.testing.assert_allclose(mean, plain / 100, rtol=1e-14)


def test_the_majorant_of_a_root():
    loss, y, z = fl.RootMeanSquaredError(), np.zeros(4), np.array([1.0, -2.0, 0.0, 3.0])
    curve = loss.grad_and_hess(y, z, hessian="majorant")[1]
    np.testing.assert_allclose(curve, 1 / (4 * loss(y, z)), rtol=1e-15)
    assert (loss.grad_and_hess(y, z, reduction="none", hessian="majorant")[1] == 1).all()
    with pytest.raises(ValueError, match="a floor is of samples' second derivatives"):
        loss.grad_and_hess(y, z, hessian=0.5)


@pytest.mark.parametrize("hessian", [True, "huber", None, [1.0], np.bool_(True), 1j])
def test_what_a_hessian_is(hessian):
    with pytest.raises(ValueError, match='hessian must be "exact", "majorant" or a floor; got'):
        fl.Huber().grad_and_hess([1.0], [2.0], hessian=hessian)


@pytest.mark.parametrize("floor", [-1.0, np.nan, np.inf])
def test_what_a_floor_is(floor):
    with pytest.raises(ValueError, match="a floor of the Hessian must be in"):
        fl.Huber().grad_and_hess([1.0], [2.0], hessian=floor)


def test_nan_stays_above_a_floor():
    for hessian in ("majorant", 1.0):
        hess = fl.Huber().grad_and_hess([1.0, np.nan], [np.nan, 1.0], hessian=hessian)[1]
        assert np.isnan(hess).all()


# ---- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ROWS, ids=repr)
def test_majorants_of_rows_are_at_least_the_hessian(loss, dtype):
    y, z = typical_rows(loss, 60, 5, dtype)
    grad, hess = loss.grad_and_hess(y, z, reduction="none")
    same, curve = loss.grad_and_hess(y, z, reduction="none", hessian="majorant")
    np.testing.assert_array_equal(same, grad)
    if loss.majorant == "hess":
        np.testing.assert_array_equal(curve, hess)
    elif loss.name not in ("gaussian_nll", "logistic_nll", "student_t_nll"):  # expectations
        assert (curve >= hess - 4 * np.finfo(dtype).eps * np.abs(hess)).all()
    assert (curve >= 0).all()


def test_majorants_of_softmax_losses_in_numpy():
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 4, 50), 2 * rng.normal(size=(50, 4))
    p = fl.softmax(z)
    own = p[np.arange(50), y, None]
    curve = fl.PolyLoss(epsilon=2.0).grad_and_hess(y, z, reduction="sum", hessian="majorant")[1]
    np.testing.assert_allclose(curve, (1 + 2 * own) * p * (1 - p), rtol=1e-12)
    z = rng.uniform(0.5, 2, (50, 2))
    curve = fl.GaussianNLL().grad_and_hess(z[:, 0] + 1, z, reduction="sum", hessian="majorant")[1]
    np.testing.assert_allclose(curve, np.stack([1 / z[:, 1], 0.5 / z[:, 1] ** 2], 1), rtol=1e-14)
    y, z = rng.integers(0, 4, 50), rng.normal(size=(50, 4))
    curve = fl.MultiClassHinge().grad_and_hess(y, z, reduction="none", hessian="majorant")[1]
    assert (curve == 1).all()


def test_losses_of_rows_without_a_majorant_say_so():
    for loss in LOSSES:
        if loss.majorant is None:
            y, z = typical_rows(loss, 60, 5)
            with pytest.raises(ValueError, match="has no majorant of its Hessian; give a floor"):
                loss.grad_and_hess(y, z, hessian="majorant")


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_floors_of_rows(loss):
    y, z = typical_rows(loss, 60, 5)
    exact = loss.grad_and_hess(y, z, reduction="none")[1]
    rows = np.moveaxis(z, loss.axis, -1).shape[:-1]
    w = np.random.default_rng(0).uniform(-1, 2, rows)
    wide = np.expand_dims(w, loss.axis)
    hess = loss.grad_and_hess(y, z, sample_weight=w, reduction="none", hessian=0.125)[1]
    np.testing.assert_allclose(hess, np.maximum(exact, 0.125) * wide, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("factor", [0.5, -1.0])
@pytest.mark.parametrize("hessian", ["exact", "majorant", 0.25])
@pytest.mark.parametrize("weighted", [False, True])
def test_derivatives_times_factors(factor, hessian, weighted):
    rng = np.random.default_rng(0)
    for loss, (y, z) in (
        (fl.Cauchy(), rng.normal(size=(2, 40))),
        (fl.PolyLoss(), (rng.integers(0, 3, 40), rng.normal(size=(40, 3)))),
    ):
        w = rng.uniform(0, 2, 40) if weighted else None
        grad, hess = loss.grad_and_hess(y, z, sample_weight=w, reduction="sum", hessian=hessian)
        got = loss._derivatives(y, z, w, None, hessian, factor, 2.0)
        np.testing.assert_allclose(got[0], factor * grad, rtol=1e-15)
        np.testing.assert_allclose(got[1], 2 * factor * hess, rtol=1e-15)


def test_floors_beyond_the_type():
    for bad in (10**400, 1e60):
        z = np.ones(3, np.float32)
        with pytest.raises(ValueError, match="a floor of the Hessian must be"):
            fl.Huber().grad_and_hess(z, z, hessian=bad)
    root = fl.RootMeanSquaredError().grad_and_hess([0.0], [1.0], reduction="none", hessian=0.5)
    assert root[1] == 0.5
