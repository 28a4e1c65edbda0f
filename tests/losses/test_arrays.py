"""What may be passed as an array, and what may not."""

import subprocess
import sys
import tracemalloc

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from samples import DTYPES, INPUTS, computed, defaults, typical

import fastloss as fl

SHAPE = (6, 7, 40)  # 1680 elements: several blocks and a part of one
LOSS = fl.Huber(delta=0.7)
METHODS = {
    "value": lambda loss: loss,
    "grad": lambda loss: loss.grad,
    "value_and_grad": lambda loss: loss.value_and_grad,
    "grad_and_hess": lambda loss: loss.grad_and_hess,
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def results(loss, y, z, w=None, reduction="mean"):
    """Everything that a loss computes."""
    options = {"sample_weight": w, "reduction": reduction}
    return (*loss.value_and_grad(y, z, **options), *loss.grad_and_hess(y, z, **options))


def data(dtype=np.float64):
    y, z = typical(LOSS, int(np.prod(SHAPE)), dtype)
    w = np.random.default_rng(5).uniform(0.5, 2, SHAPE).astype(dtype)
    return y.reshape(SHAPE), z.reshape(SHAPE), w


def assert_same(got, want):
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_array_equal(a, b)


def strided(x):
    wide = np.full((*x.shape[:-1], x.shape[-1] * 3), np.nan, x.dtype)
    wide[..., ::3] = x
    return wide[..., ::3]


def reversed_memory(x):
    return x[::-1, :, ::-1].copy()[::-1, :, ::-1]


def fortran(x):
    return np.asfortranarray(x)


def transposed(x):
    return np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0)


def swapped(x):
    return x.astype(x.dtype.newbyteorder())


def unaligned(x):
    raw = np.empty(x.nbytes + 1, np.uint8)[1:]
    view = raw.view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = [strided, reversed_memory, fortran, transposed, swapped, unaligned, read_only]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__)


@every_dtype
@every_layout
@pytest.mark.parametrize("which", range(4), ids=["y_true", "y_pred", "sample_weight", "all"])
def test_any_layout_gives_the_same_bits(layout, dtype, which):
    arrays = data(dtype)
    laid = [layout(x) if which in (i, 3) else x for i, x in enumerate(arrays)]
    for reduction in ("mean", "sum", "none"):
        assert_same(results(LOSS, *laid, reduction), results(LOSS, *arrays, reduction))


@every_dtype
@every_layout
@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
def test_any_layout_works_with_every_loss(loss, layout, dtype):
    y, z = (x.reshape(SHAPE) for x in typical(loss, int(np.prod(SHAPE)), dtype))
    assert_same(results(loss, layout(y), layout(z)), results(loss, y, z))


@pytest.mark.parametrize("threads", [1, 3])
@every_layout
def test_any_layout_works_in_large_parallel_arrays(layout, threads):
    y, z = (x.reshape(3, 100, 500) for x in typical(LOSS, 150_000, np.float32))
    with fl.num_threads(threads):
        assert_same(results(LOSS, layout(y), layout(z)), results(LOSS, y, z))


@every_dtype
def test_an_input_broadcast_by_strides_of_0(dtype):
    y = np.broadcast_to(dtype(0.5), 1000)
    z = np.linspace(-3, 3, 1000).astype(dtype)
    assert_same(results(LOSS, y, z), results(LOSS, y.copy(), z))


@every_dtype
def test_a_scalar_is_an_array_of_no_dimensions(dtype):
    y, z = dtype(0.25), dtype(3)
    value, grad = LOSS.value_and_grad(y, z)
    assert type(value) is float
    assert value == pytest.approx(0.7 * (2.75 - 0.35), rel=1e-6)
    assert grad.shape == ()
    assert grad.dtype == dtype
    assert LOSS(0.25, 3.0) == LOSS([0.25], [3.0])
    assert LOSS(y, z, sample_weight=2.0, reduction="sum") == pytest.approx(2 * value)


def test_many_dimensions():
    y, z = (x.reshape((2,) * 10) for x in typical(LOSS, 1024))
    assert_same(results(LOSS, y.T, z.T), results(LOSS, y.T.copy(), z.T.copy()))


# ---- dtypes ------------------------------------------------------------------------------------

SMALL = [0, 1, 1, 0, 1]


@pytest.mark.parametrize("given", INPUTS, ids=str)
def test_the_dtype_of_y_pred_decides(given):
    y, z = np.array([0.5, 2, 0, 0, 1]), np.array(SMALL).astype(given)
    expected = results(LOSS, y.astype(computed(given)), z.astype(computed(given)))
    got = results(LOSS, y, z)
    assert [x.dtype for x in got[1:]] == [computed(given)] * 3
    assert_same(got, expected)


@every_dtype
@pytest.mark.parametrize("given", [np.float16, ml_dtypes.bfloat16, np.bool_, np.int8, np.uint64])
def test_targets_and_weights_may_have_any_dtype(given, dtype):
    y, w = np.array(SMALL).astype(given), np.array([1, 0, 1, 1, 1]).astype(given)
    z = np.linspace(0, 1, 5).astype(dtype)
    assert_same(results(LOSS, y, z, w), results(LOSS, y.astype(dtype), z, w.astype(dtype)))


@pytest.mark.parametrize("given", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_in_large_arrays(given):
    y, z = (x.astype(given) for x in typical(LOSS, 100_000))
    assert_same(results(LOSS, y, z), results(LOSS, y.astype("f4"), z.astype("f4")))


@pytest.mark.parametrize(
    "convert",
    [list, tuple, pd.Series, lambda x: pd.Series(x, index=x[::-1]), memoryview,
     lambda x: pd.array(x, dtype="Float64")],
    ids=["list", "tuple", "Series", "indexed Series", "memoryview", "nullable"],
)  # fmt: skip
def test_what_has_an_array_inside_works(convert):
    y, z = typical(LOSS, 50)
    w = np.linspace(1, 2, 50)
    assert_same(results(LOSS, convert(y), convert(z), convert(w)), results(LOSS, y, z, w))


@pytest.mark.parametrize(
    ("name", "computed"), [("float32", "f4"), ("float64", "f8"), ("float16", "f4"), ("int32", "f8")]
)
def test_torch_tensors(name, computed):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    y, z = torch.arange(5), torch.tensor(SMALL, dtype=getattr(torch, name))
    expected = results(LOSS, y.numpy(), z.numpy().astype(computed))
    got = results(LOSS, y, z)
    assert [x.dtype for x in got[1:]] == [computed] * 3
    assert_same(got, expected)
    assert_same(results(LOSS, y[1::2], z[1::2]), results(LOSS, y.numpy()[1::2], z.numpy()[1::2]))


REFUSED = {
    "complex": np.ones(3, complex),
    "object": np.ones(3, object),
    "longdouble": np.ones(3, np.longdouble),
    "string": np.array(["a", "b", "c"]),
    "bytes": np.array([b"a", b"b", b"c"]),
    "datetime": np.ones(3, "M8[s]"),
    "timedelta": np.ones(3, "m8[s]"),
    "structured": np.ones(3, [("a", float)]),
    "float8": np.ones(3, ml_dtypes.float8_e4m3fn),
    "masked": np.ma.masked_array(np.ones(3), [0, 1, 0]),
    "text": "abc",
    "dict": {"a": 1},
}


@every_method
@pytest.mark.parametrize("name", ["y_true", "y_pred", "sample_weight"])
@pytest.mark.parametrize("bad", REFUSED)
def test_other_dtypes_raise_and_name_the_argument(method, name, bad):
    arguments = {"y_true": np.ones(3), "y_pred": np.ones(3), "sample_weight": np.ones(3)}
    with pytest.raises(TypeError, match=name):
        method(LOSS)(**arguments | {name: REFUSED[bad]})


@pytest.mark.parametrize("name", ["y_true", "y_pred"])
def test_none_is_no_array(name):
    with pytest.raises(TypeError, match=name):
        LOSS(**{"y_true": np.ones(3), "y_pred": np.ones(3)} | {name: None})


# ---- shapes ------------------------------------------------------------------------------------


@every_method
@pytest.mark.parametrize(
    ("y", "z"),
    [((5,), (5, 1)), ((5, 1), (5,)), ((5,), (1, 5)), ((5,), (6,)), ((), (1,)), ((2, 3), (3, 2)),
     ((0,), (1,)), ((0, 2), (0, 3))],
)  # fmt: skip
def test_shapes_must_be_the_same(method, y, z):
    with pytest.raises(ValueError, match="same shape") as error:
        method(LOSS)(np.ones(y), np.ones(z))
    assert str(y) in str(error.value)
    assert str(z) in str(error.value)


@every_method
@pytest.mark.parametrize(
    ("shape", "weight"),
    [((5,), (4,)), ((5,), (5, 1)), ((5,), ()), ((5,), (1,)), ((5, 3), (3,)), ((5, 3), (5, 1)),
     ((5, 3), (15,)), ((2, 3, 4), (2, 3))],
)  # fmt: skip
def test_the_shape_of_weights_is_checked(method, shape, weight):
    with pytest.raises(ValueError, match="sample_weight must have y_true's shape"):
        method(LOSS)(np.ones(shape), np.ones(shape), sample_weight=np.ones(weight))


# ---- out ---------------------------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("n", [0, 1, 17, 513, 40_000])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_out_is_what_is_returned(dtype, n, reduction):
    if n == 0 and reduction == "mean":
        n = 2
    y, z = typical(LOSS, n, dtype)
    out = np.full(n, 7, dtype)
    if reduction == "none":
        assert LOSS(y, z, reduction="none", out=out) is out
        np.testing.assert_array_equal(out, LOSS(y, z, reduction="none"))
        pair = np.full(n, 7, dtype), np.full(n, 7, dtype)
        value, grad = LOSS.value_and_grad(y, z, reduction="none", out=pair)
        assert value is pair[0]
        assert grad is pair[1]
        np.testing.assert_array_equal(value, out)
    assert LOSS.grad(y, z, reduction=reduction, out=out) is out
    np.testing.assert_array_equal(out, LOSS.grad(y, z, reduction=reduction))
    pair = [np.full(n, 7, dtype), np.full(n, 7, dtype)]
    grad, hess = LOSS.grad_and_hess(y, z, reduction=reduction, out=pair)
    assert grad is pair[0]
    assert hess is pair[1]
    np.testing.assert_array_equal(grad, out)
    np.testing.assert_array_equal(hess, LOSS.grad_and_hess(y, z, reduction=reduction)[1])


@every_dtype
@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
@pytest.mark.parametrize("n", [1000, 40_000])
@pytest.mark.parametrize("name", ["y_true", "y_pred", "sample_weight"])
def test_out_may_be_an_input(loss, name, n, dtype):
    y, z = typical(loss, n, dtype)
    arrays = {"y_true": y, "y_pred": z, "sample_weight": np.linspace(1, 2, n).astype(dtype)}
    value, grad = loss.value_and_grad(**arrays)
    out = arrays[name]
    in_place_value, in_place = loss.value_and_grad(**arrays, out=out)
    assert in_place is out
    assert in_place_value == value
    np.testing.assert_array_equal(in_place, grad)


@every_dtype
@pytest.mark.parametrize("layout", [swapped, strided, unaligned])
def test_out_may_be_y_pred_while_y_true_is_converted(layout, dtype):
    y, z, _ = data(dtype)
    expected = LOSS.grad(y, z)
    np.testing.assert_array_equal(LOSS.grad(layout(y), z, out=z), expected)


@every_dtype
@pytest.mark.parametrize("name", ["y_true", "y_pred", "sample_weight"])
@pytest.mark.parametrize("shift", [1, 100, -1])
def test_out_must_not_overlap_an_input_in_part(name, shift, dtype):
    n = 1000
    memory = np.ones(n + 200, dtype)
    arrays = {key: np.ones(n, dtype) for key in ("y_true", "y_pred", "sample_weight")}
    arrays[name] = memory[100 : 100 + n]
    with pytest.raises(ValueError, match=f"out overlaps {name}"):
        LOSS.grad(**arrays, out=memory[100 + shift : 100 + shift + n])
    np.testing.assert_array_equal(memory, 1)


def test_out_must_not_be_the_memory_of_an_input_in_another_order():
    z = np.ones((30, 30))
    with pytest.raises(ValueError, match="out overlaps y_pred"):
        LOSS.grad(np.zeros((30, 30)), z.T, out=z)
    x = np.ones(10)
    with pytest.raises(ValueError, match="out overlaps y_true"):
        LOSS.grad(x[::-1], np.zeros(10), out=x)


def test_the_two_arrays_of_out_must_not_overlap():
    memory = np.ones(15)
    with pytest.raises(ValueError, match="two arrays of out overlap"):
        LOSS.grad_and_hess(np.ones(10), np.ones(10), out=(memory[:10], memory[5:]))


def columns(n, dtype):
    """An array for each of two results: the columns of one."""
    return tuple(np.full((n, 2), 7, dtype).T)


def fortran_order(shape, dtype):
    return tuple(np.full(shape, 7, dtype, order="F") for _ in range(2))


@pytest.mark.parametrize("n", [1, 17, 512, 40_000])
@pytest.mark.parametrize("dtype", DTYPES)
@every_method
def test_results_are_written_into_any_array_of_floats(method, dtype, n):
    y, z = typical(LOSS, n, dtype)
    w = np.random.default_rng(0).uniform(0.5, 2, n)
    expected = method(LOSS)(y, z, sample_weight=w, reduction="none")
    expected = expected if isinstance(expected, tuple) else (expected,)
    other = DTYPES[dtype is DTYPES[0]]
    for make in (
        lambda: columns(n, dtype),
        lambda: columns(n, other),
        lambda: (np.full(n, 7, other), np.full(n, 7, dtype)[::-1]),
        lambda: (swapped(np.zeros(n, dtype)), unaligned(np.zeros(n, dtype))),
    ):
        out = make()[: len(expected)]
        given = out if len(out) == 2 else out[0]
        with fl.num_threads(3):
            method(LOSS)(y, z, sample_weight=w, reduction="none", out=given)
        for a, b in zip(out, expected, strict=True):
            np.testing.assert_array_equal(a, b.astype(a.dtype))


@pytest.mark.parametrize("n", [5, 40_000])
def test_results_of_two_axes_in_fortran_order(n):
    y, z = typical(LOSS, 3 * n)
    y, z = y.reshape(n, 3), z.reshape(n, 3)
    expected = LOSS.grad_and_hess(y, z, reduction="sum")
    for dtype in DTYPES:
        out = fortran_order((n, 3), dtype)
        with fl.num_threads(3):
            got = LOSS.grad_and_hess(y, z, reduction="sum", out=out)
        for a, b, given in zip(got, expected, out, strict=True):
            assert a is given
            np.testing.assert_array_equal(a, b.astype(dtype))


def test_the_root_of_a_mean_is_written_into_any_array():
    loss, (y, z) = fl.RootMeanSquaredError(), typical(LOSS, 1000)
    out = columns(1000, np.float32)
    loss.grad_and_hess(y, z, out=out)
    for a, b in zip(out, loss.grad_and_hess(y, z), strict=True):
        np.testing.assert_array_equal(a, b.astype(np.float32))


def test_an_error_before_the_first_result_leaves_out_alone():
    out = np.full(2000, 7, np.float32)
    with pytest.raises(ValueError, match="no sample of non-zero weight"):
        LOSS.grad(np.ones(2000), np.ones(2000), sample_weight=np.zeros(2000), out=out)
    with pytest.raises(fl.DomainError):
        fl.RootMeanSquaredError().grad(
            np.ones(2000), np.full(2000, np.nan), nan_policy="raise", out=out
        )
    assert (out == 7).all()


def test_elements_of_out_have_memory_of_their_own():
    shared = np.broadcast_to(np.empty(1), 20)
    shared.flags.writeable = True
    with pytest.raises(ValueError, match="got overlapping elements dtype float64"):
        LOSS.grad(np.ones(20), np.ones(20), out=shared)
    windows = np.lib.stride_tricks.as_strided(np.empty(30), (20, 5), (8, 16))
    with pytest.raises(ValueError, match="got overlapping elements"):
        LOSS.grad(np.ones((20, 5)), np.ones((20, 5)), out=windows)


UNFIT = {
    "integers": lambda n: np.empty(n, int),
    "half": lambda n: np.empty(n, np.float16),
    "complex": lambda n: np.empty(n, complex),
    "read-only": lambda n: read_only(np.empty(n)),
    "too long": lambda n: np.empty(n + 1),
    "other shape": lambda n: np.empty((n, 1)),
}


@pytest.mark.parametrize("unfit", UNFIT)
def test_an_out_that_cannot_be_written_into_raises(unfit):
    y = z = np.ones(20)
    out = UNFIT[unfit](20)
    with pytest.raises(ValueError, match="out must be a writeable array of float32 or float64"):
        LOSS.grad(y, z, out=out)
    with pytest.raises(ValueError, match="out must be a writeable array of float32 or float64"):
        LOSS.grad_and_hess(y, z, out=(np.empty(20), out))


@pytest.mark.parametrize("bad", [[1.0, 2.0], (np.ones(2),), pd.Series([1.0, 2.0]), "x"])
def test_an_out_that_is_no_array_raises(bad):
    with pytest.raises(TypeError, match="out must be a"):
        LOSS.grad([1.0, 2.0], [1.0, 2.0], out=bad)
    with pytest.raises(TypeError, match="out must be a"):
        LOSS.grad_and_hess([1.0, 2.0], [1.0, 2.0], out=bad)


def test_a_reduced_value_has_no_out():
    with pytest.raises(ValueError, match='reduction="none"'):
        LOSS([1.0], [1.0], out=np.empty(1))


@every_dtype
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("n", [600, 100_000])
@pytest.mark.parametrize("bad", ["y_true", "y_pred", "sample_weight", "nan"])
def test_in_place_nothing_changes_when_an_input_is_bad(bad, n, reduction, dtype):
    loss = fl.LogLoss()
    y, z = typical(loss, n, dtype)
    w = np.ones(n, dtype)
    {"y_true": y, "y_pred": z, "sample_weight": w, "nan": z}[bad][n - 3] = (
        np.nan if bad in ("nan", "sample_weight") else 1.5
    )
    before = z.copy()
    with pytest.raises(fl.DomainError):
        loss.grad(y, z, sample_weight=w, reduction=reduction, nan_policy="raise", out=z)
    np.testing.assert_array_equal(z, before)


def test_in_place_nothing_changes_when_the_mean_is_over_nothing():
    z = np.ones(100)
    for w in (np.zeros(100), np.tile([1.0, -1.0], 50)):
        with pytest.raises(ValueError, match="mean"):
            fl.SquaredError().grad(np.zeros(100), z, sample_weight=w, out=z)
        np.testing.assert_array_equal(z, 1)


def test_in_place_root_changes_nothing_when_an_input_is_bad():
    z = np.ones(100)
    z[50] = np.nan
    with pytest.raises(fl.DomainError):
        fl.RootMeanSquaredError().grad(np.zeros(100), z, nan_policy="raise", out=z)
    assert np.isnan(z[50])
    np.testing.assert_array_equal(np.delete(z, 50), 1)


# ---- memory ------------------------------------------------------------------------------------

MEMORY = """
import resource, sys
import numpy as np
import fastloss as fl

n = 20_000_000
shape = (1000, n // 1000)
make = {
    "strided": lambda: np.zeros((1000, n // 500), np.float32)[:, ::2],
    "transposed": lambda: np.zeros(shape, np.float32).T,
    "swapped": lambda: np.zeros(shape, ">f4"),
    "half": lambda: np.zeros(shape, np.float16),
    "int": lambda: np.zeros(shape, np.int8),
}[sys.argv[1]]
y, z = make(), make()
y[...] = 0      # so that its pages count before
z[...] = 0
fl.num_threads(2).__enter__()
loss = fl.SquaredError()
loss(y[:2], z[:2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss(y, z)
loss(y, z, sample_weight=y, reduction="sum")
fl.score(y, z, ["mse", "mae"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no module resource")
@pytest.mark.parametrize("kind", ["strided", "transposed", "swapped", "half", "int"])
def test_converted_inputs_take_no_memory_of_their_size(kind):
    command = [sys.executable, "-c", MEMORY, kind]
    grown = int(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    grown *= 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    assert grown < 4e6  # the smallest of the arrays is 20 MB


@pytest.mark.parametrize("layout", [strided, swapped, read_only])
def test_nothing_of_the_inputs_size_is_allocated(layout):
    y, z = (layout(x) for x in typical(LOSS, 1_000_000, np.float32))
    out = np.empty(1_000_000, np.float32)
    LOSS.value_and_grad(y[:9], z[:9])
    tracemalloc.start()
    try:
        LOSS.value_and_grad(y, z, out=out)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


ROOMS = {
    "strided": lambda n: np.full(2 * n, 7.0)[::2],
    "swapped": lambda n: np.full(n, 7.0, ">f8"),
    "of float32": lambda n: np.full(2 * n, 7, np.float32)[::2],
}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("n", [5, 700, 5000])
def test_an_error_leaves_an_out_alone_that_results_are_converted_for(n, room):
    """NumPy's iterators would bring there what their buffers happen to hold."""
    y, z = np.ones(n), np.full(n, 0.5)
    z[-1] = 1.5
    rows = np.full((n, 2), 0.5)
    rows[-1, 0] = 1.5
    with fl.num_threads(2):
        for loss, labels, given in (
            (fl.LogLoss(), y, z),
            (fl.CrossEntropy(), np.ones(n, int), rows),
        ):
            outs = [ROOMS[room](given.size).reshape(given.shape) for _ in range(2)]
            with pytest.raises(fl.DomainError):
                loss.grad(labels, given, out=outs[0])
            with pytest.raises(fl.DomainError):
                loss.grad_and_hess(labels, given, out=outs)
            assert (np.array(outs) == 7).all()


@pytest.mark.filterwarnings("error")
def test_a_number_beyond_float32_is_infinite_in_an_array_without_axes_too():
    y = unaligned(np.array(1e300))
    assert fl.AbsoluteError()(y, np.float32(1)) == np.inf
    assert fl.AbsoluteError()(y.reshape(1), np.ones(1, np.float32)) == np.inf
