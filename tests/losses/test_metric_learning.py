"""Losses of embeddings: against their definitions to 50 digits, torch, and their promises."""

import pickle
import subprocess
import sys
import warnings

import mpmath
import numpy as np
import pytest
from embedded import DTYPES, LAYOUTS, embeddings, equal, exact, flat, slopes, ulps
from mpmath import mp, mpf

import fastloss as fl
from fastloss import _core
from fastloss.config import last_level_cache

SHAPES = [(1, 1), (1, 5), (2, 1), (2, 16), (3, 2), (3, 33)]


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


# ---- triplets ----------------------------------------------------------------------------------


def distance(x, y, order=2):
    powers = [abs(a - b) ** mpf(order) for a, b in zip(x, y, strict=True)]
    return sum(powers) ** (1 / mpf(order))


def triplet_rows(loss, anchor, positive, negative):
    found = []
    for a, p, q in zip(anchor, positive, negative, strict=True):
        far = distance(a, q, loss.p)
        far = min(far, distance(p, q, loss.p)) if loss.swap else far
        found.append(max(mpf(0), loss.margin + distance(a, p, loss.p) - far))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("shape", SHAPES)
def test_triplets_are_within_4_ulp(shape, scale, dtype):
    check_triplets(embeddings(*shape, seed=shape[0]), scale, dtype)


@pytest.mark.parametrize("scale", [1e-305, 1e-200, 1e200, 1e300])
def test_triplets_whose_squares_overflow_or_vanish(scale):
    check_triplets(embeddings(2, 3), scale, np.float64)


@pytest.mark.parametrize("scale", [1e-40, 1e37])
def test_triplets_at_the_ends_of_float32(scale):
    check_triplets(embeddings(2, 3), scale, np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1, 1.5, 2, 8])
def test_triplets_of_any_distance(p, swap, dtype):
    check_triplets(embeddings(2, 5), 1.0, dtype, p, swap)
    check_triplets(embeddings(1, 2), 1e30, dtype, p, swap)


@pytest.mark.parametrize("p", [1, 3])
@pytest.mark.parametrize("scale", [1e-200, 1e300])
def test_triplets_of_any_distance_and_size(scale, p):
    check_triplets(embeddings(2, 3), scale, np.float64, p, True)


def check_triplets(arrays, scale, dtype, order=2.0, swap=False):
    arrays = [(a * scale).astype(dtype) for a in arrays]
    margin = 5.0 * scale  # most rows are active
    loss = fl.TripletMargin(margin, order, swap)
    # a power p of a rounded ratio, in double
    budget = 4 if order == 2 or dtype is np.float32 else 4 + 2 * order
    rows = [exact(a) for a in arrays]
    value, grads = loss.value_and_grad(*arrays, reduction="none")
    expected = triplet_rows(loss, *rows)
    # distances are summed in double: of float32 rows their difference is right relative to itself
    part = 1 if dtype is np.float64 else 2.0**-24
    near = [distance(a, p, order) for a, p in zip(*rows[:2], strict=True)]
    size = [max(e, part * (margin + d)) for e, d in zip(expected, near, strict=True)]
    assert value.dtype == dtype and ulps(value, expected, size) <= budget
    np.testing.assert_array_equal(loss(*arrays, reduction="none"), value)
    total = loss(*arrays, reduction="sum")
    assert total == pytest.approx(float(sum(expected)), rel=4 * float(np.finfo(dtype).eps))
    wanted = slopes(lambda *x: sum(triplet_rows(loss, *x)), arrays)
    parts = [[abs(x) for x in flat(w)] for w in wanted]
    # each is the sum of the other two
    parts = [[sum(x) for x in zip(*parts, strict=True)]] * 3 if swap else parts
    if not swap:
        parts[0] = [x + y for x, y in zip(*parts[1:], strict=True)]
    for got, want, part in zip(grads, wanted, parts, strict=True):
        assert got.dtype == dtype and ulps(got, flat(want), part) <= budget


def by_numpy(margin, a, p, q):
    """Values, the larger terms of which they are differences, and gradients."""
    near, far = np.linalg.norm(a - p, axis=1), np.linalg.norm(a - q, axis=1)
    value = np.maximum(0, margin + near - far)
    u = np.where(value > 0, 1 / near, 0)[:, None] * (a - p)
    v = np.where(value > 0, 1 / far, 0)[:, None] * (a - q)
    return value, margin + near, (u - v, -u, v)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(100, 7), (1000, 40), (3, 5000)])
def test_reductions_and_weights(shape, weighted, reduction, dtype):
    arrays = embeddings(*shape, dtype=dtype)
    w = np.linspace(-0.5, 1, shape[0]) if weighted else None
    value, size, grads = by_numpy(1.0, *(a.astype(np.float64) for a in arrays))
    factor = np.ones(shape[0]) if w is None else w
    if reduction == "mean":
        factor = factor / factor.sum()
    value, size = value * factor, size * np.abs(factor)
    if reduction != "none":
        value, size = value.sum(), size.sum()
    loss = fl.TripletMargin()
    options = {"sample_weight": w, "reduction": reduction}
    got, got_grads = loss.value_and_grad(*arrays, **options)
    eps = float(np.finfo(dtype).eps)
    assert (np.abs(got - value) <= 4 * eps * size).all()
    assert reduction == "none" or type(got) is float
    assert np.array_equal(loss(*arrays, **options), got)
    for g, e, again in zip(got_grads, grads, loss.grad(*arrays, **options), strict=True):
        assert g.dtype == dtype and g.shape == shape
        e = e * factor[:, None]
        np.testing.assert_allclose(g, e, rtol=8 * eps, atol=8 * eps * np.abs(e).max())
        np.testing.assert_array_equal(g, again)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_margin_is_left_where_distances_dwarf_it(dtype):
    a, p, q = (np.array(x, dtype) for x in ([[0, 0]], [[1e17, 0]], [[0, -1e17]]))
    value, grads = fl.TripletMargin().value_and_grad(a, p, q)
    assert value == 1
    np.testing.assert_allclose(grads, [[[-1, -1]], [[1, 0]], [[0, 1]]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 3, 16, 33, 100])
@pytest.mark.parametrize("loss", [fl.TripletMargin(), fl.TripletMargin(p=3, swap=True)], ids=repr)
def test_a_triplet_has_the_same_bits_anywhere(loss, d, dtype):
    arrays = embeddings(67, d, dtype=dtype)
    value, grads = loss.value_and_grad(*arrays, reduction="none")
    for size in (1, 3, 9, 33):
        for start in range(0, 67, size):
            part = slice(start, start + size)
            got = loss.value_and_grad(*(a[part] for a in arrays), reduction="none")
            np.testing.assert_array_equal(got[0], value[part])
            for g, e in zip(got[1], grads, strict=True):
                np.testing.assert_array_equal(g, e[part])


def test_kinks_and_distances_of_0():
    a = [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
    p = [[0.0, 3.0], [1.0, 2.0], [0.0, 1.0]]
    q = [[4.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
    value, grads = fl.TripletMargin().value_and_grad(a, p, q, reduction="none")
    np.testing.assert_array_equal(value, [0, 1, 2])
    np.testing.assert_array_equal(grads[0], [[0, 0], [0, 0], [0, -1]])
    np.testing.assert_array_equal(grads[1], [[0, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(grads[2], 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_of_weight_0_is_as_if_absent(dtype, bad):
    arrays = embeddings(50, 6, dtype=dtype)
    w = np.ones(50)
    kept = np.delete(np.arange(50), [3, 20, 41])
    loss = fl.TripletMargin()
    value, grads = loss.value_and_grad(*(a[kept] for a in arrays))
    for array, row in zip(arrays, (3, 20, 41), strict=True):
        array[row] = bad
        w[row] = 0
    got = loss.value_and_grad(*arrays, sample_weight=w)
    assert got[0] == pytest.approx(value, rel=1e-14)
    for g, e in zip(got[1], grads, strict=True):
        np.testing.assert_array_equal(g[kept], e)
        np.testing.assert_array_equal(g[w == 0], 0)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("p", [1, 2, 3])
def test_nan_propagates_to_its_row_alone(p, which):
    arrays = embeddings(5, 3)
    arrays[which][2, 1] = np.nan
    value, grads = fl.TripletMargin(9, p, p == 3).value_and_grad(*arrays, reduction="none")
    np.testing.assert_array_equal(np.isnan(value), np.arange(5) == 2)
    for grad in grads:
        np.testing.assert_array_equal(np.isnan(grad).all(axis=1), np.arange(5) == 2)
        np.testing.assert_array_equal(np.isnan(grad).any(axis=1), np.arange(5) == 2)


BOTH = [(fl.TripletMargin(), 3), (fl.Contrastive(), 2)]
both = pytest.mark.parametrize(("loss", "count"), BOTH, ids=["triplet", "contrastive"])


@both
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 3), (100, 7), (700, 65)])
def test_any_layout(loss, count, layout, shape):
    arrays = embeddings(*shape, count)
    expected = loss.value_and_grad(*arrays)
    before = [a.copy() for a in arrays]
    equal(loss.value_and_grad(*map(LAYOUTS[layout], arrays)), expected)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


@both
@pytest.mark.parametrize(
    ("types", "computed"),
    [
        ("eee", "f"),
        ("fef", "f"),
        ("fdf", "d"),
        ("iii", "d"),
        ("f?f", "d"),
        ("bfd", "d"),
        ("fff", "f"),
    ],
)
def test_dtypes(loss, count, types, computed):
    pairs = zip(embeddings(20, 5, count), types[:count], strict=True)
    arrays = [np.round(4 * a).astype(t) for a, t in pairs]
    got = loss.value_and_grad(*arrays)
    equal(got, loss.value_and_grad(*(a.astype(computed) for a in arrays)))
    assert {g.dtype.char for g in got[1]} == {computed}


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_out(loss, count, dtype):
    arrays = embeddings(40, 6, count, dtype)
    expected = loss.value_and_grad(*arrays)
    out = tuple(np.full_like(a, np.nan) for a in arrays)
    got = loss.value_and_grad(*arrays, out=out)
    equal(got, expected)
    assert all(g is o for g, o in zip(got[1], out, strict=True))
    some = loss.value_and_grad(*arrays, out=[None, out[1], None][:count])
    assert some[1][1] is out[1]
    equal(some, expected)
    inputs = [a.copy() for a in arrays]
    got = loss.value_and_grad(*inputs, out=inputs[::-1])  # in place, the other way round
    equal(got, expected)
    assert got[1][0] is inputs[-1]


@both
def test_the_same_bits_for_every_number_of_threads(loss, count):
    arrays = embeddings(3000, 33, count, np.float32)
    found = []
    for threads in (1, 2, 3, 7):
        with fl.num_threads(threads):
            found.append(loss.value_and_grad(*arrays))
    for other in found[1:]:
        equal(other, found[0])


@pytest.mark.parametrize("d", [1, 7, 16, 4096, 5000])
def test_results_beyond_the_cache_are_the_same(d):
    arrays = embeddings(40_000 // d, d, dtype=np.float32)
    w = np.linspace(0, 1, len(arrays[0]))
    expected = fl.TripletMargin().value_and_grad(*arrays, sample_weight=w)
    # from an odd address on, so that lines are cut
    outs = [np.empty(a.size + 5, a.dtype)[5:].reshape(a.shape) for a in arrays]
    _core.configure(cache=1 << 10)
    try:
        got = fl.TripletMargin().value_and_grad(*arrays, sample_weight=w, out=outs)
    finally:
        _core.configure(cache=last_level_cache())
    equal(got, expected)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1, 2, 2.5])
def test_triplets_as_torch_has_them(p, swap):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    arrays = embeddings(20, 600)
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    theirs = torch.nn.functional.triplet_margin_loss(*tensors, margin=0.7, p=p, eps=0, swap=swap)
    theirs.backward()
    value, grads = fl.TripletMargin(0.7, p, swap).value_and_grad(*arrays)
    assert value == pytest.approx(theirs.item(), rel=1e-14)
    for grad, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_nothing_to_average():
    empty = np.empty((0, 3), np.float32)
    loss = fl.TripletMargin()
    for call in (loss, loss.grad, loss.value_and_grad):
        with pytest.raises(ValueError, match="mean over nothing"):
            call(empty, empty, empty)
        with pytest.raises(ValueError, match="mean over nothing"):
            call(*embeddings(2, 3), sample_weight=[0, 0])
        with pytest.raises(ValueError, match="weights add up to 0"):
            call(*embeddings(2, 3), sample_weight=[1, -1])
    value, grads = loss.value_and_grad(empty, empty, empty, reduction="sum")
    assert value == 0.0 and all(g.shape == (0, 3) for g in grads)
    assert loss(*embeddings(2, 3), sample_weight=[0, 0], reduction="sum") == 0.0
    for call in (fl.Contrastive(), fl.Contrastive().value_and_grad):
        with pytest.raises(ValueError, match="mean over nothing"):
            call(empty, empty)


ONES = np.ones((4, 3))


@both
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (np.ones((4, 2)), ValueError, r"one shape \(n, d\).*; got .*\(4, 2\)"),
        (np.ones((3, 3)), ValueError, "one shape"),
        (np.ones(4), ValueError, "one shape"),
        (np.ones((4, 3), complex), TypeError, "(positive|second) must hold real"),
        (np.full((4, 3), "a"), TypeError, "(positive|second) must hold real"),
        (np.ma.ones((4, 3)), TypeError, "(positive|second) is a masked array"),
    ],
)
def test_wrong_arrays(loss, count, change, error, message):
    arrays = [ONES] * count
    arrays[1] = change
    for call in (loss, loss.value_and_grad):
        with pytest.raises(error, match=message):
            call(*arrays)


@both
def test_wrong_shapes_of_all(loss, count):
    for shape in ((4,), (4, 0), (2, 2, 2)):
        with pytest.raises(ValueError, match="d at least 1"):
            loss(*[np.ones(shape)] * count)


@both
@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (lambda a: a[0], TypeError, "out must be . arrays here; got ndarray"),
        (lambda a: a + a[:1], TypeError, "out must be . arrays here; got list"),
        (lambda a: [a[0]] * len(a), ValueError, "two arrays of out overlap"),
        (lambda a: [x.astype("f") for x in a], ValueError, "native float64"),
        (lambda a: [x[:2] for x in a], ValueError, "shape"),
        (lambda a: [np.asfortranarray(x) for x in a], ValueError, "not C-contiguous"),
        (lambda a: [x.tolist() for x in a], TypeError, "out must be a numpy.ndarray"),
    ],
)
def test_wrong_outputs(loss, count, out, error, message):
    arrays = embeddings(4, 3, count)
    outs = out([np.empty_like(a) for a in arrays])
    with pytest.raises(error, match=message):
        loss.value_and_grad(*arrays, out=outs)


def test_outputs_that_overlap_inputs():
    memory = np.ones(100)
    a, out = memory[:12].reshape(4, 3), memory[6:18].reshape(4, 3)
    with pytest.raises(ValueError, match="out overlaps positive"):
        fl.TripletMargin().value_and_grad(ONES, a, ONES, out=(out, None, None))


@pytest.mark.parametrize("size", [5e-324, 1e-309, 1e307])
def test_means_do_not_depend_on_the_size_of_weights(size):
    loss, rows = fl.TripletMargin(), np.random.default_rng(0).normal(size=(3, 5, 4))
    few = np.array([1.0, 2.0, 0.0, 1.0, 2.0])
    value, grads = loss.value_and_grad(*rows, sample_weight=few)
    assert loss(*rows, sample_weight=few * size) == pytest.approx(value, rel=1e-13)
    for got, expected in zip(
        loss.value_and_grad(*rows, sample_weight=few * size)[1], grads, strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_wrong_weights_leave_everything_as_it_was():
    arrays = embeddings(300, 3)
    before = [a.copy() for a in arrays]
    loss = fl.TripletMargin()
    w = np.ones(300)
    w[299] = np.inf
    for reduction in ("mean", "sum", "none"):
        with pytest.raises(fl.DomainError, match=r"sample_weight\[299\] = inf is not finite"):
            loss.value_and_grad(*arrays, sample_weight=w, reduction=reduction, out=arrays)
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="a weight for each row"):
        loss(*arrays, sample_weight=np.ones((300, 3)))
    with pytest.raises(ValueError, match="reduction must be"):
        loss(*arrays, reduction="average")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.TripletMargin(-1), ValueError, r"margin must be in \[0, inf\); got -1"),
        (lambda: fl.TripletMargin(np.nan), ValueError, "margin must be in"),
        (lambda: fl.TripletMargin("1"), TypeError, "margin must be a real number"),
        (lambda: fl.TripletMargin(p=0.5), ValueError, r"p must be in \[1, inf\); got 0.5"),
        (lambda: fl.TripletMargin(swap=1), TypeError, "swap must be True or False; got 1"),
        (lambda: fl.Contrastive(0), ValueError, r"temperature must be in \(0, inf\); got 0"),
        (lambda: fl.Contrastive(True), TypeError, "temperature must be a real number"),
        (lambda: fl.Contrastive(chunk_size=0), ValueError, "chunk_size must be at least 1"),
        (lambda: fl.Contrastive(chunk_size=1.5), TypeError, "chunk_size must be an integer"),
    ],
)
def test_wrong_parameters(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "loss", [fl.TripletMargin(2, 3, True), fl.Contrastive(0.1, 100), fl.Contrastive()], ids=repr
)
def test_objects(loss):
    assert pickle.loads(pickle.dumps(loss)) == loss == eval(repr(loss), vars(fl))
    assert hash(loss) == hash(eval(repr(loss), vars(fl)))
    assert loss != type(loss)(0.25)
    for name in vars(loss):
        with pytest.raises(AttributeError):
            setattr(loss, name, 1.0)
    assert type(loss).__module__.startswith("fastloss.losses.metric_learning")


# ---- contrast ----------------------------------------------------------------------------------


def nt_xent(temperature, first, second):
    rows, n, total = [*first, *second], len(first), mpf(0)
    lengths = [mp.sqrt(sum(x * x for x in row)) for row in rows]

    def similarity(i, j):
        if lengths[i] == 0 or lengths[j] == 0:
            return mpf(0)
        dot = sum(x * y for x, y in zip(rows[i], rows[j], strict=True))
        return dot / (lengths[i] * lengths[j] * temperature)

    for i in range(2 * n):
        others = sum(mp.exp(similarity(i, j)) for j in range(2 * n) if j != i)
        total += mp.log(others) - similarity(i, (i + n) % (2 * n))
    return total / (2 * n)


def check_contrastive(arrays, temperature, dtype, chunk=None):
    loss = fl.Contrastive(temperature, chunk)
    value, grads = loss.value_and_grad(*arrays)
    rows = [exact(a) for a in arrays]
    expected = nt_xent(mpf(temperature), *rows)
    eps = float(np.finfo(dtype).eps)
    assert type(value) is float
    # what is rounded in the products: similarities of up to 1/temperature
    assert abs(value - float(expected)) <= 4 * eps * (1 + 1 / temperature)
    assert loss(*arrays) == value
    wanted = slopes(lambda a, b: nt_xent(mpf(temperature), a, b), arrays)
    for got, want, array in zip(grads, wanted, arrays, strict=True):
        want = np.array(want, dtype=float)
        assert got.dtype == dtype
        length = np.linalg.norm(array.astype(float), axis=1, keepdims=True)
        assert (np.abs(got - want) * length).max() <= 8 * eps * (1 + 1 / temperature) ** 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("chunk", [None, 1, 3])
@pytest.mark.parametrize("shape", SHAPES[:5])
def test_contrast_is_its_definition(shape, chunk, dtype):
    check_contrastive(embeddings(*shape, 2, dtype), 0.5, dtype, chunk)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [0.01, 0.1, 10.0])
def test_contrast_of_any_temperature(temperature, dtype):
    check_contrastive(embeddings(3, 4, 2, dtype), temperature, dtype)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
def test_lengths_that_overflow_or_vanish(scale):
    arrays = embeddings(4, 3, 2)
    value, grads = fl.Contrastive().value_and_grad(*arrays)
    got = fl.Contrastive().value_and_grad(*(a * scale for a in arrays))
    assert got[0] == pytest.approx(value, rel=1e-13)
    for g, e in zip(got[1], grads, strict=True):
        np.testing.assert_allclose(g * scale, e, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_of_zeros(dtype):
    first, second = embeddings(3, 4, 2, dtype)
    first[1] = 0
    value, grads = fl.Contrastive().value_and_grad(first, second)
    eps = float(np.finfo(dtype).eps)
    assert value == pytest.approx(float(nt_xent(0.5, exact(first), exact(second))), rel=8 * eps)
    np.testing.assert_array_equal(grads[0][1], 0)
    assert (grads[1] != 0).all()
    # the others' gradients are the derivatives, with that row left as it is
    wanted = slopes(lambda b: nt_xent(0.5, exact(first), b), [second])[0]
    np.testing.assert_allclose(grads[1], np.array(wanted, float), rtol=100 * eps, atol=10 * eps)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_shows(bad):
    first, second = embeddings(3, 4, 2)
    second[1, 2] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, grads = fl.Contrastive().value_and_grad(first, second)
    assert np.isnan(value) and np.isnan(grads[0]).all() and np.isnan(grads[1]).all()


def test_one_pair_has_nobody_to_be_told_from():
    value, grads = fl.Contrastive().value_and_grad(*embeddings(1, 3, 2))
    assert value == 0
    np.testing.assert_array_equal(grads, 0)


@pytest.mark.parametrize("chunk", [None, 1, 7, 100, 199, 200, 1000])
def test_contrast_as_torch_has_it(chunk):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    arrays, n = embeddings(100, 10, 2), 100
    first, second = (torch.from_numpy(a.copy()).requires_grad_() for a in arrays)
    rows = torch.nn.functional.normalize(torch.cat([first, second]))
    similarities = (rows @ rows.T / 0.3).masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    partners = (torch.arange(2 * n) + n) % (2 * n)
    theirs = torch.nn.functional.cross_entropy(similarities, partners)
    theirs.backward()
    loss = fl.Contrastive(0.3, chunk)
    value, grads = loss.value_and_grad(*arrays)
    assert value == pytest.approx(theirs.item(), rel=1e-13)
    assert loss(*arrays) == pytest.approx(value, rel=1e-15)
    for grad, tensor in zip(grads, (first, second), strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-10, atol=1e-16)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
def test_the_similarities_never_exist_at_once():
    code = """
import resource, numpy as np, fastloss as fl
rng = np.random.default_rng(0)
first, second = (rng.normal(size=(5000, 16)).astype(np.float32) for _ in range(2))
loss = fl.Contrastive(chunk_size=100)
loss.value_and_grad(first[:200], second[:200])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss.value_and_grad(first, second)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kB; all similarities are 400 MB, a chunk 4 MB
