"""Value, gradient and Hessian of every loss against its definition, on every instruction set."""

import os
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import pytest
from allowances import RESIDUALS, ULP, intermediates, subtractions
from oracle import derivatives, error, spacing, two_doubles
from samples import DTYPES, METHODS, pairs, typical, variants

import fastloss as fl
from fastloss import _core
from fastloss.base import pointwise_names

ISAS = _core.available_isas()
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


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of all cases by instruction set, each computed in a process of its own."""
    folder = tmp_path_factory.mktemp("isa")
    work = folder / "work.pickle"
    work.write_bytes(pickle.dumps([(loss, *exact(loss, dtype)[:2]) for loss, dtype in CASES]))
    found = {}
    for isa in ISAS:
        done = folder / isa
        command = [sys.executable, str(Path(__file__).with_name("isa_worker.py")), work, done]
        subprocess.run(command, check=True, timeout=120, env=os.environ | {"FASTLOSS_ISA": isa})
        used, outputs = pickle.loads(done.read_bytes())
        assert used == isa
        found[isa] = dict(zip(CASES, outputs, strict=True))
    return found


@pytest.mark.parametrize("isa", ISAS)
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
