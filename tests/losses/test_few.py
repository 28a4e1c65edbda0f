"""Few elements, which are evaluated without a job's preparations, to the bits that a job has."""

import numpy as np
import pytest
from samples import DTYPES, defaults, typical

import fastloss as fl

SIZES = (1, 2, 15, 16, 17, 32, 100, 511, 512, 513, 2047, 2048, 2049)
REDUCTIONS = ("mean", "sum", "none")
every_loss = pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)


def results(loss, y, z, reduction):
    """Everything that a loss computes."""
    options = {"reduction": reduction}
    found = [loss(y, z, **options), loss.grad(y, z, **options)]
    found += [*loss.value_and_grad(y, z, **options), *loss.grad_and_hess(y, z, **options)]
    return [*found, *loss.grad_and_hess(y, z, hessian="majorant", **options)]


def spread(x):
    """The same numbers, which a kernel cannot take where they lie."""
    return np.repeat(x, 2)[::2]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@every_loss
def test_few_elements_have_the_bits_of_a_job(loss, dtype, reduction):
    y, z = typical(loss, max(SIZES), dtype)
    for n in SIZES:
        few = results(loss, y[:n].copy(), z[:n].copy(), reduction)
        job = results(loss, spread(y[:n]), spread(z[:n]), reduction)
        for a, b in zip(few, job, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("n", SIZES)
def test_nothing_is_written_behind_an_output(n):
    loss = fl.Logistic()
    y, z = typical(loss, n)
    memory = np.full((2, n + 64), 7.0)
    value, grad = memory[0, :n], memory[1, :n]
    assert loss.value_and_grad(y, z, reduction="none", out=(value, grad))[0] is value
    np.testing.assert_array_equal(value, loss(spread(y), z, reduction="none"))
    np.testing.assert_array_equal(grad, loss.grad(spread(y), z, reduction="none"))
    loss.grad_and_hess(y, z, out=(grad, value))
    assert (memory[:, n:] == 7).all()


@pytest.mark.parametrize("n", [5, 16, 512])
def test_an_output_may_be_any_that_a_job_takes(n):
    loss = fl.Logistic()
    y, z = typical(loss, n, np.float32)
    want = loss.grad(y, z)
    for out in (np.empty(n), np.empty(2 * n, np.float32)[::2], z.copy()):
        inputs = (y, out) if out.dtype == z.dtype and out.flags.owndata else (y, z)
        assert loss.grad(*inputs, out=out) is out
        np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("n", [1, 16, 33])
def test_nan_passes_through_few_elements(n):
    y, z = typical(fl.Huber(), n)
    z[-1] = np.nan
    value, grad = fl.Huber().value_and_grad(y, z)
    assert np.isnan(value)
    assert np.flatnonzero(np.isnan(grad)).tolist() == [n - 1]
    assert fl.Huber()(y, z, nan_policy="omit", reduction="sum") == pytest.approx(
        fl.Huber()(y[:-1], z[:-1], reduction="sum")
    )
    with pytest.raises(fl.DomainError, match=rf"y_pred\[{n - 1}\] = nan"):
        fl.Huber()(y, z, nan_policy="raise")


@pytest.mark.parametrize("n", [1, 16, 33])
def test_an_element_out_of_the_domain_is_named_and_nothing_is_written(n):
    y, z = typical(fl.LogLoss(), n)
    z[-1] = 1.5
    out = np.full(n, 7.0)
    with pytest.raises(fl.DomainError, match=rf"y_pred\[{n - 1}\] = 1.5 is not in \[0, 1\]"):
        fl.LogLoss().value_and_grad(y, z, out=out)
    assert (out == 7).all()


def test_a_mean_over_nothing_stays_an_error():
    with pytest.raises(ValueError, match="the mean over nothing"):
        fl.SquaredError()([], [])
    assert fl.SquaredError()([], [], reduction="sum") == 0


def test_an_array_of_no_axes_is_one_element():
    assert fl.SquaredError()(np.float64(1.0), np.array(3.0)) == 4.0
