"""Value, gradient and Hessian of every loss against its definition, on every instruction set."""

from functools import cache

import mpmath
import numpy as np
import pytest
from allowances import RESIDUALS, ULP, intermediates, subtractions
from isa import EVERY, result_on
from oracle import derivatives, error, spacing, two_doubles
from samples import DTYPES, METHODS, pairs, typical, variants

import fastloss as fl
from fastloss.losses.base import pointwise_names

CASES = [(loss, dtype) for loss in variants() for dtype in DTYPES]


@cache
def exact(loss, dtype):
    """Inputs, exact results as pairs of doubles, and the error that is allowed."""
    y, z = pairs(loss, dtype)
    found = [derivatives(loss, *pair, dtype) for pair in zip(y, z, strict=True)]
    # kinks and infinite derivatives have tests of their own
    smooth = np.array([parts is not None and not kink for parts, kink in found])
    kernel, p = loss._kernel()
    p = {**loss.parameters, **p}
    with np.errstate(all="ignore"):
        for size in intermediates(kernel, y, z, p):
            smooth &= np.abs(size) < -np.log(np.longdouble(np.finfo(dtype).tiny))
    assert smooth.sum() > 40  # of 150, for the narrowest
    y, z = y[smooth], z[smooth]
    doubles = np.array(
        [
            [two_doubles(part) for part in parts]
            for (parts, _), ok in zip(found, smooth, strict=True)
            if ok
        ]
    )
    rounding = spacing(z.astype(np.float64) - y, dtype) / 2
    expected = {}
    with np.errstate(all="ignore"):
        for k, term in enumerate(subtractions(kernel, y, z, p, dtype)):
            high, low = doubles[:, k].T
            size = np.abs(high) if term is None else np.fmax(np.abs(high), term)
            allowed = ULP * spacing(size, dtype)
            if kernel in RESIDUALS:
                allowed += rounding * np.abs(doubles[:, k + 1, 0])
            expected[METHODS[k]] = high, low, allowed
    return y, z, expected


def evaluate(tasks):
    """Value, gradient and Hessian of each sample, for each loss and its samples."""
    found = []
    for loss, y, z in tasks:
        grad, hess = loss.grad_and_hess(y, z, reduction="none")
        found.append({"value": loss(y, z, reduction="none"), "grad": grad, "hess": hess})
    return found


@pytest.fixture(scope="module")
def results():
    """Results of all cases by instruction set."""
    work = [(loss, *exact(loss, dtype)[:2]) for loss, dtype in CASES]
    return {isa: dict(zip(CASES, result_on(isa, evaluate, work), strict=True)) for isa in EVERY}


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", variants(), ids=repr)
def test_results_are_within_the_budget(loss, dtype, isa, results):
    y, z, expected = exact(loss, dtype)
    failures = []
    for method, (high, low, allowed) in expected.items():
        got = results[isa][loss, dtype][method]
        assert got.dtype == dtype
        with np.errstate(invalid="ignore"):
            excess = error(got, high, low, dtype) / allowed
        failures += [
            f"{method}(y={y[i]!r}, z={z[i]!r}) = {got[i]!r}, exactly {high[i]!r}: "
            f"{excess[i]:.3g} times the budget"
            for i in np.flatnonzero(~(excess <= 1))
        ]
    assert not failures, f"{len(failures)} of {3 * len(y)}:\n" + "\n".join(failures[:9])


@pytest.mark.parametrize("loss", variants(), ids=repr)
def test_the_oracle_agrees_with_differences(loss):
    y, z, h = 0.734375 if 0.734375 in loss.y_domain else 1.0, 0.265625, 2.0**-24
    (below, *_), (value, grad, hess, _), (above, *_) = (
        derivatives(loss, y, x)[0] for x in (z - h, z, z + h)
    )
    with mpmath.workdps(60):
        assert abs((above - below) / (2 * h) - grad) <= 1e-9 * max(1, abs(grad))
        assert abs((above - 2 * value + below) / h**2 - hess) <= 1e-9 * max(1, abs(hess))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", pointwise_names())
def test_nan_gives_nan(loss, dtype):
    loss = fl.get_loss(loss)
    y, z = typical(loss, 40, dtype)
    nan = np.full(z.shape, np.nan, dtype)
    for pair in ((y, nan), (nan, z)):
        assert np.isnan(loss(*pair, reduction="none")).all()
        assert np.isnan(loss.grad_and_hess(*pair, reduction="none")).all()
