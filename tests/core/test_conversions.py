"""Inputs of other dtypes than that computed in: the very numbers that NumPy's casts give."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from isa import OTHERS, result_on
from numpy.lib.stride_tricks import as_strided
from samples import DTYPES, INPUTS, computed, typical

import fastloss as fl

N = 2000  # several blocks and a part of one
VALUE, SIGN = fl.AbsoluteError(), fl.AbsoluteError().grad


def numbers(dtype):
    """Numbers of all sizes of a dtype: its ends, those that are rounded, infinite and NaN."""
    rng = np.random.default_rng(1)
    size = dtype.itemsize
    bits = rng.integers(0, 256, N * size, np.uint8)
    if dtype.kind == "b":
        return (bits & 1).view(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        edges = {0, info.min, info.max}
        for power, off in itertools.product(range(8 * size), range(-3, 4)):
            edges |= {2**power + off, -(2**power) + off, 2**power + 2 ** max(power - 24, 0) + off}
        edges = [x for x in edges if info.min <= x <= info.max]
        shift = rng.integers(0, 8 * size, N).astype(dtype)
        return np.concatenate([np.array(edges, dtype), bits.view(dtype) >> shift])
    if size == 2:
        return np.arange(2**16, dtype=np.uint16).view(dtype)
    x = np.concatenate([bits.view(dtype), rng.normal(size=N).astype(dtype)])
    if dtype == np.float64:  # float32's range and what is halfway between two of it
        near = np.abs(rng.normal(size=N)).astype(np.float32)
        half = (near.astype(dtype) + np.nextafter(near, np.float32(np.inf))) / 2
        steps = np.float64(2) ** np.arange(-152, -120, 0.25)
        x = np.concatenate([x, half, half * (1 + 2**-52), steps, [2.0**128 - 2.0**103, 3.5e38]])
    return np.concatenate([x, np.array([0, -0.0, np.inf, -np.inf, np.nan], dtype)])


def spread(x, step, fill=1):
    """x, with elements step apart."""
    memory = np.full(abs(step) * len(x), fill, x.dtype)
    memory[::step] = x
    return memory[::step]


LAYOUTS = {
    "contiguous": lambda x: x,
    "column of two": lambda x: np.stack([x[::-1], x], 1)[:, 1],
    "column of three": lambda x: np.stack([x[::-1], x, x], 1)[:, 1],
    "backwards": lambda x: spread(x, -1),
    "column of two, backwards": lambda x: spread(x, -2),
    "far apart": lambda x: spread(x, 517),
    "one for all": lambda x: np.broadcast_to(x[len(x) // 2], len(x)),
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
}


def exists(layout, given):
    return layout != "swapped" or given != ml_dtypes.bfloat16  # which has no byte order


def cast(x, dtype):
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def read(x, dtype):
    """What the core makes of targets beside predictions of a dtype, but for the bits of a NaN."""
    z = np.zeros(x.shape, dtype)
    return VALUE(x, z, reduction="none"), SIGN(x, z, reduction="none")


def differences():
    """The dtypes, layouts and computed dtypes for which a number is not NumPy's."""
    found = []
    for given in INPUTS:
        every = numbers(given)
        for (layout, lay), dtype in itertools.product(LAYOUTS.items(), DTYPES):
            if not exists(layout, given):
                continue
            x = lay(every)
            want = cast(np.ascontiguousarray(x), dtype)
            size, sign = read(x, dtype)
            same = np.array_equal(size, abs(want), equal_nan=True)
            if not (same and np.array_equal(sign, -np.sign(want), equal_nan=True)):
                found.append((given.name, layout, dtype.__name__))
    return found


def test_numbers_are_those_of_numpys_casts():
    assert differences() == []


@pytest.mark.parametrize("isa", OTHERS)
def test_on_other_instruction_sets(isa):
    assert result_on(isa, differences) == []


@pytest.mark.parametrize("n", [1, 2, 15, 17, 511, 512, 513, 1025])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_any_length(layout, n):
    for given in INPUTS:
        if exists(layout, given):
            x = LAYOUTS[layout](np.resize(np.array([0, 1, 3, 7], given), n))
            want = np.ascontiguousarray(x).astype(np.float32)
            np.testing.assert_array_equal(read(x, np.float32)[0], want)


@pytest.mark.parametrize("given", INPUTS, ids=str)
def test_all_inputs_at_once_and_threads(given):
    rng = np.random.default_rng(2)
    n, loss = 70_001, fl.Logistic()
    y = (rng.uniform(size=n) < 0.5).astype(given)
    w = rng.integers(0, 2, n).astype(given)
    for layout, dtype in itertools.product(("column of two", "backwards"), DTYPES):
        lay, z = LAYOUTS[layout], rng.normal(size=n).astype(dtype)
        held = w.astype(np.promote_types(dtype, computed(given)))
        want = loss.value_and_grad(y.astype(dtype), z, sample_weight=held)
        for threads in (1, 2, 5):
            with fl.num_threads(threads):
                got = loss.value_and_grad(lay(y), lay(z), sample_weight=lay(w))
            assert got[0] == want[0]
            np.testing.assert_array_equal(got[1], want[1])


VIEWS = {
    "rows backwards": lambda x: x.reshape(2, 3, 16)[:, :, ::-1],
    "every second": lambda x: x.reshape(2, 3, 16)[:, :, ::2],
    "every second of the first axis": lambda x: x.reshape(4, 3, 8)[::2],
    "an axis of one": lambda x: x.reshape(2, 3, 16)[:, :1, 1::2],
    "transposed": lambda x: x.reshape(2, 3, 16).T,
    "overlapping": lambda x: as_strided(x, (2, 3, 4), (2 * x.itemsize, 3 * x.itemsize, x.itemsize)),
    "all backwards": lambda x: x.reshape(2, 3, 16)[::-1, ::-1, ::-1],
    "a run of three axes": lambda x: x[::2].reshape(6, 1, 8),
    "no axis": lambda x: x[5].reshape(()),
    "nothing": lambda x: x.reshape(2, 3, 16)[:, :0],
}


@pytest.mark.parametrize("view", VIEWS)
def test_arrays_of_several_dimensions(view):
    for given, dtype in itertools.product(INPUTS, DTYPES):
        x = VIEWS[view](np.arange(96).astype(given))
        np.testing.assert_array_equal(read(x, dtype)[0], x.astype(dtype))


def test_a_bool_is_0_or_1_whatever_its_byte():
    x = np.arange(256, dtype=np.uint8).view(bool)
    for dtype in DTYPES:
        np.testing.assert_array_equal(read(x, dtype)[0], np.arange(256) > 0)


def test_warnings_are_not_given():
    with np.errstate(all="raise"):
        assert VALUE(np.array([1e300, -1e-300]), np.zeros(2, np.float32)) == np.inf


# ---- errors, and NaN ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "layout"),
    [
        pair
        for pair in itertools.product([x for x in INPUTS if x.kind != "b"], LAYOUTS)
        if exists(*pair[::-1]) and pair[1] != "one for all"
    ],
    ids=str,
)
def test_a_bad_target_is_named_by_its_index_and_value(given, layout):
    y = np.zeros(1500, given)
    y[1234] = 3
    with pytest.raises(fl.DomainError) as error:
        fl.Logistic()(LAYOUTS[layout](y), np.zeros(1500, np.float32))
    assert (error.value.argument, error.value.index) == ("y_true", (1234,))
    assert error.value.value == 3


@pytest.mark.parametrize("layout", ["contiguous", "column of two", "backwards"])
@pytest.mark.parametrize("given", [x for x in INPUTS if x.kind not in "biu"], ids=str)
def test_nan_policies(given, layout):
    rng = np.random.default_rng(3)
    loss, n = fl.Logistic(), 1500
    y, z = (rng.uniform(size=n) < 0.5).astype(given), rng.normal(size=n).astype(given)
    y[700], z[900] = np.nan, np.nan
    full, laid = (
        (y.astype(computed(given)), z.astype(computed(given))),
        (LAYOUTS[layout](y), LAYOUTS[layout](z)),
    )
    assert np.isnan(loss(*laid))
    assert loss(*laid, nan_policy="omit") == loss(*full, nan_policy="omit")
    with pytest.raises(fl.DomainError) as error:
        loss(*laid, nan_policy="raise")
    assert (error.value.argument, error.value.index) == ("y_true", (700,))


# ---- what else reads arrays ---------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_classes_of_rows(layout):
    rng = np.random.default_rng(4)
    loss, z = fl.SoftmaxCrossEntropy(), rng.normal(size=(1500, 5)).astype(np.float32)
    y = rng.integers(0, 5, 1500)
    for given in INPUTS:
        if given.kind in "bV":  # classes are integers, or floats of NumPy's
            continue
        x = LAYOUTS[layout](y.astype(given))
        assert loss(x, z) == loss(np.ascontiguousarray(x).astype(np.int64), z), given
    assert loss(LAYOUTS[layout](y > 2), z[:, :2]) == loss(
        np.ascontiguousarray(LAYOUTS[layout](y > 2)).astype(np.int64), z[:, :2]
    )


@pytest.mark.parametrize(
    "given", [x for x in INPUTS if x.kind in "iu" and x.itemsize == 8], ids=str
)
def test_a_class_far_out_of_range_is_refused(given):
    y = np.zeros(600, given)
    y[599] = np.iinfo(given).max
    with pytest.raises(fl.DomainError, match=r"y_true\[599\]"):
        fl.SoftmaxCrossEntropy()(y, np.zeros((600, 3)))


@pytest.mark.parametrize("given", [np.float16, ml_dtypes.bfloat16, np.float32, np.int8])
def test_rows_of_other_dtypes(given):
    rng = np.random.default_rng(5)
    z = rng.uniform(-9, 9, (700, 6)).astype(given)
    y = rng.integers(0, 6, 700)
    for laid in (z, z[::-1], spread(z.reshape(-1), 2).reshape(700, 6)):
        want = fl.SoftmaxCrossEntropy().value_and_grad(
            y, np.ascontiguousarray(laid).astype(computed(given))
        )
        got = fl.SoftmaxCrossEntropy().value_and_grad(y, laid)
        assert got[0] == want[0]
        np.testing.assert_array_equal(got[1], want[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_into_arrays_of_the_other_dtype(dtype):
    y, z = typical(fl.Huber(), 1500, dtype)
    out = np.empty(1500, DTYPES[dtype is np.float32])
    fl.Huber().grad(y, z, reduction="none", out=out)
    np.testing.assert_array_equal(out, fl.Huber().grad(y, z, reduction="none").astype(out.dtype))
