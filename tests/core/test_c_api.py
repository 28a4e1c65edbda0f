"""The C API, from Cython, C and C++: the bits of what Python computes, and the same errors."""

import gc
import platform
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from allowances import subtractions
from compiled import build, load
from isa import EVERY, result_on
from oracle import spacing
from samples import DTYPES, defaults, pairs, typical, variants

import fastloss as fl

ROOT = Path(__file__).parents[2]
SIZES = (*range(1, 71), 513, 1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c_api")
    page = (ROOT / "docs/c_api.md").read_text()
    (folder / "page.pyx").write_text(re.search(r"```cython\n(.*?)```", page, re.S)[1])
    (folder / "in_page.c").write_text(re.search(r"```c\n(.*?)```", page, re.S)[1])
    return build(Path(__file__).with_name("c_api"), folder)


@pytest.fixture(scope="module")
def probe(folder):
    return load(folder, "probe")


def samples(loss, dtype, n):
    """Contiguous targets and predictions of so many samples, from all over the domains."""
    y, z = pairs(loss, dtype)
    return np.resize(y, n), np.resize(z, n)


# ---- blocks ------------------------------------------------------------------------------------


def expected(loss, y, z):
    """What Python computes, by the names of what is asked for."""
    value, grad = loss.value_and_grad(y, z, reduction="none")
    of_grad, hess = loss.grad_and_hess(y, z, reduction="none")
    alone = loss(y, z, reduction="none")
    return {
        "value": (alone, None, None),
        "grad": (None, loss.grad(y, z, reduction="none"), None),
        "hess": (None, None, hess),
        "value, grad": (value, grad, None),
        "grad, hess": (None, of_grad, hess),
        "value, hess": (alone, None, hess),
        "value, grad, hess": (alone, of_grad, hess),
    }


def blocks_that_differ(folder, dtype):
    """Losses, sizes and outputs of which blocks have other bits than Python's results."""
    probe = load(folder, "probe")
    found = []
    for loss in defaults():
        bound = probe.Bound(loss)
        y, z = samples(loss, dtype, max(SIZES))
        for n in SIZES:
            for asked, outputs in expected(loss, y[:n], z[:n]).items():
                room = [None if x is None else np.empty_like(x) for x in outputs]
                failed = probe.evaluate(bound, y[:n], z[:n], *room)
                pairs_of = [p for p in zip(outputs, room, strict=True) if p[0] is not None]
                if failed != -1 or any(a.tobytes() != b.tobytes() for a, b in pairs_of):
                    found.append((repr(loss), n, asked))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", EVERY)
def test_blocks_have_the_bits_of_python(isa, dtype, folder):
    assert result_on(isa, blocks_that_differ, folder, dtype) == []


def test_the_root_of_a_mean_is_that_of_each_sample(probe):
    y, z = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 2.5])
    value, grad = np.empty(3), np.empty(3)
    bound = probe.Bound(fl.RootMeanSquaredError())
    assert probe.evaluate(bound, y, z, value, grad, None) == -1
    assert value.tolist() == [2, 0, 0.5]
    assert grad.tolist() == [1, 0, -1]
    found = np.empty((5, 3))
    probe.one_by_one(bound, y, z, found)
    assert found[:2].tolist() == [[2, 0, 0.5], [1, 0, -1]]


def test_nan_is_handed_on(probe):
    y, z = np.array([np.nan, 0.5, 0.5]), np.array([0.5, np.nan, 0.5])
    grad, found = np.empty(3), np.empty((5, 3))
    bound = probe.Bound(fl.LogLoss())
    assert probe.evaluate(bound, y, z, None, grad, None) == -1
    probe.one_by_one(bound, y, z, found)
    for x in (grad, *found[:4]):
        assert np.isnan(x).tolist() == [True, True, False]
    assert found[4].tolist() == [0, 0, 0]


def test_threads(probe):
    loss = fl.Logistic()
    y, z = typical(loss, 100_000)
    parts = [slice(i, i + 999) for i in range(0, len(y), 999)]
    grad = np.empty(len(y))
    bound = probe.Bound(loss)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(probe.evaluate, bound, y[p], z[p], None, grad[p], None) for p in parts]
        assert {call.result() for call in calls} == {-1}
    assert grad.tobytes() == loss.grad(y, z, reduction="none").tobytes()


# ---- one sample --------------------------------------------------------------------------------


def one_by_one(folder):
    """Value, gradient, Hessian and gradient alone of each loss's samples: one by one, in blocks."""
    probe = load(folder, "probe")
    found = []
    for loss in variants():
        y, z = samples(loss, np.float64, 200)
        ones = np.empty((5, len(y)))
        probe.one_by_one(probe.Bound(loss), y, z, ones)
        value, grad = loss(y, z, reduction="none"), loss.grad(y, z, reduction="none")
        blocks = np.array([value, *loss.grad_and_hess(y, z, reduction="none"), grad, 0 * y])
        found.append((ones, blocks))
    return found


@pytest.mark.parametrize("isa", EVERY)
def test_samples_one_by_one(isa, folder):
    """The same bits; or, where multiplications are fused with additions, 2 ulp of the terms."""
    fused = isa != "baseline" or platform.machine() not in ("x86_64", "AMD64")
    for loss, (ones, blocks) in zip(variants(), result_on(isa, one_by_one, folder), strict=True):
        kernel, p = loss._kernel()
        y, z = samples(loss, np.float64, 200)
        with np.errstate(all="ignore"):
            terms = subtractions(kernel, y, z, {**loss.parameters, **p}, np.float64)
            for k, term in enumerate([*terms, terms[1], None]):
                same = (ones[k] == blocks[k]) | (np.isnan(ones[k]) & np.isnan(blocks[k]))
                if fused:
                    size = np.fmax(np.abs(blocks[k]), 0 if term is None else term)
                    same |= np.abs(ones[k] - blocks[k]) <= 2 * spacing(size, np.float64)
                assert same.all(), (loss, k, y[~same][0], z[~same][0])


# ---- domains -----------------------------------------------------------------------------------

OUTSIDE = [  # a loss, and what is not a target or not a prediction of it
    (fl.LogLoss(), 1.25, None),
    (fl.LogLoss(), None, -0.25),
    (fl.Hinge(), 0.5, None),
    (fl.Poisson(), -1.0, None),
    (fl.GammaDeviance(), None, 0.0),
    (fl.SquaredLogError(), None, -1.0),
    (fl.AbsolutePercentageError(), 0.0, None),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "bad_y", "bad_z"), OUTSIDE)
def test_the_first_sample_outside_is_told(loss, bad_y, bad_z, dtype, probe):
    bound = probe.Bound(loss)
    given = typical(loss, 1000, dtype)
    which = 0 if bad_z is None else 1
    for place in (0, 5, 511, 512, 998, 999):
        y, z = (x.copy() for x in given)
        for bad in {place, 999}:
            (y, z)[which][bad] = (bad_y, bad_z)[which]
        grad = np.empty_like(z)
        assert probe.evaluate(bound, y, z, None, grad, None) == place
        assert probe.evaluate(bound, y, z, None, None, None) == place
        with pytest.raises(fl.losses.DomainError) as error:
            loss.grad(y, z)
        assert error.value.index == (place,)
    assert probe.evaluate(bound, *given, None, None, None) == -1


@pytest.mark.parametrize(("loss", "bad_y", "bad_z"), OUTSIDE)
def test_a_sample_outside_is_told(loss, bad_y, bad_z, probe):
    y, z = typical(loss, 3)
    which = 0 if bad_z is None else 1
    (y, z)[which][1] = (bad_y, bad_z)[which]
    found = np.empty((5, 3))
    probe.one_by_one(probe.Bound(loss), y, z, found)
    assert found[4].tolist() == [0, which + 1, 0]


def refuses(loss, y, z):
    try:
        loss.grad(y, z)
    except fl.losses.DomainError:
        return True
    return False


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
def test_the_ends_of_domains(loss, dtype, probe):
    """The last numbers inside and the first outside are those of Python."""
    bound = probe.Bound(loss)
    found = np.empty((5, 1))
    for k, domain in enumerate((loss.y_domain, loss.z_domain)):
        for end in map(dtype, domain.closed(dtype)):
            for x in (end, np.nextafter(end, dtype(-np.inf)), np.nextafter(end, dtype(np.inf))):
                given = list(typical(loss, 1, dtype))
                given[k] = np.array([x])
                outside = refuses(loss, *given)
                assert probe.evaluate(bound, *given, None, None, None) == (0 if outside else -1), x
                probe.one_by_one(bound, *(np.float64(v) for v in given), found)
                assert found[4, 0] == (k + 1 if outside else 0), x


# ---- binding -----------------------------------------------------------------------------------


def test_a_bound_loss_outlives_its_object(probe):
    y, z = np.array([1.0, 2.0]), np.array([5.0, 2.5])
    loss = fl.Huber(delta=0.75)
    expected = loss.grad(y, z, reduction="none")
    bound = probe.Bound(loss)
    del loss
    gc.collect()
    others = [fl.Huber(delta=d) for d in np.linspace(1, 2, 100)]
    grad = np.empty(2)
    probe.evaluate(bound, y, z, None, grad, None)
    assert grad.tolist() == expected.tolist()
    del others


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (fl.SoftmaxCrossEntropy(), "a loss of rows"),
        (fl.TripletMargin(), "got TripletMargin"),
        ("huber", "got 'huber'"),
        (None, "got None"),
        (fl.Huber.__new__(fl.Huber), "this Huber was not initialised"),
    ],
    ids=("rows", "triplets", "name", "none", "not initialised"),
)
def test_what_is_refused(given, words, probe, folder):
    for bind in (probe.Bound, lambda loss: load(folder, "in_c").derivatives(loss, 1.0, 2.0)):
        with pytest.raises(TypeError, match=words):
            bind(given)


@pytest.mark.parametrize("name", ["in_c", "in_cpp"])
def test_without_cython(name, folder):
    module = load(folder, name)
    failed, *found = module.derivatives(fl.Huber(delta=2.0), 1.0, 2.5)
    assert failed == -1
    assert found == [1.5, 1.0, 1.5, 1.0]
    assert module.derivatives(fl.LogLoss(), 1.0, 2.0)[0] == 0


def test_the_page_in_the_documentation(folder):
    y, z = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 7.0])
    loss = fl.Huber(delta=1.5)
    page = load(folder, "page")
    assert page.total_grad(loss, y, z) == loss.grad(y, z, reduction="sum").sum()
    assert page.total_grad(loss, z, y) == loss.grad(z, y, reduction="sum").sum()
    with pytest.raises(ValueError, match=r"sample 1 is outside"):
        page.total_grad(fl.LogLoss(), np.array([0.0, 1.0]), np.array([0.5, 1.5]))


def test_another_version_of_the_api(folder):
    module = load(folder, "of_another_abi")
    with pytest.raises(ImportError, match=r"version 99\d+ of fastloss's C API.* has version \d"):
        module.derivatives(fl.Huber(), 1.0, 2.0)


def test_what_users_compile_with_is_installed():
    """In the tree because it is there, and in a wheel because pyproject.toml names it."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = Path(fl.__file__).parent
    shipped = {
        path for pattern in patterns["package-data"]["fastloss"] for path in package.glob(pattern)
    }
    header = package / "include/fastloss.h"
    functions = header.parent / "kernels" / "vecmath.h"
    loops = package / "define/loops.h"
    assert {package / "__init__.pxd", header, functions, loops} <= shipped
    there = {path for path in Path(fl.get_include()).rglob("*") if path.is_file()}
    assert there == {header, functions}
