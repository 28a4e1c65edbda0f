"""Losses of rows of any shape and axis: layouts, weights and NaN, mistakes."""

import math
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from row_samples import CE, LOSSES, SOFTMAX, both_dtypes, data, every_loss, typical
from samples import DTYPES

import fastloss as fl
from fastloss.losses.rows import RowLoss


@pytest.mark.parametrize("loss", SOFTMAX[:3], ids=lambda loss: loss.spec)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_axes(loss, axis):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, 6, 70))
    moved = np.moveaxis(z, axis, -1)
    y = rng.integers(0, moved.shape[-1], moved.shape[:-1])
    ours = type(loss)(**loss.parameters | {"axis": axis})
    last = np.ascontiguousarray(moved)
    for method in ("grad", "value_and_grad", "grad_and_hess"):
        got = getattr(ours, method)(y, z)
        want = getattr(loss, method)(y, last)
        got, want = (x if isinstance(x, tuple) else (x,) for x in (got, want))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(np.moveaxis(a, axis, -1) if np.ndim(a) else a, b)
    np.testing.assert_array_equal(ours(y, z, reduction="none"), loss(y, last, reduction="none"))
    if loss is CE:
        soft = rng.random(z.shape)
        a = ours.value_and_grad(soft, z)
        b = loss.value_and_grad(np.ascontiguousarray(np.moveaxis(soft, axis, -1)), last)
        assert a[0] == b[0]
        np.testing.assert_array_equal(np.moveaxis(a[1], axis, -1), b[1])


@pytest.mark.parametrize("labels", [np.int8, np.uint8, ">i4", np.uint64, bool, np.int64])
def test_any_integers_are_labels(labels):
    y, z = data(300, 2)
    assert CE(y.astype(labels), z) == CE(y, z)


def test_one_row_alone():
    z = np.array([0.0, 1.0])
    expected = CE([1], z[None])
    assert CE(1, z) == expected == CE(1, z, sample_weight=2.0) == CE(1, z, reduction="none")
    assert fl.logsumexp(z) == fl.logsumexp(z[None])[0] == fl.logsumexp(z, out=np.empty(()))
    assert isinstance(fl.logsumexp(z), float) and isinstance(fl.sigmoid(3.0), float)
    assert fl.score(1, z, ["softmax_cross_entropy"]).values[0] == expected
    assert fl.CosineDistance()([1.0, 0.0], [0.0, 2.0], reduction="none") == 1


@pytest.mark.parametrize("axis", [-1, 0])
def test_any_layout_is_read(axis):
    y, z = data(400, 6)
    loss = fl.SoftmaxCrossEntropy(axis=axis)
    base = z if axis == -1 else z.T.copy()
    value, grad = loss.value_and_grad(y, base)
    wide = np.repeat(base, 2, axis=1)
    for other in (np.asfortranarray(base), base.astype(">f8"), wide[:, ::2], base[::-1, ::-1]):
        labels = y
        if other.strides[0] < 0:
            labels = 5 - y[::-1]
        got = loss.value_and_grad(labels, other)
        assert got[0] == pytest.approx(value, rel=1e-13)
    assert loss(y, base.astype(np.float16)) == pytest.approx(value, rel=1e-2)
    assert loss(y[::1], np.round(base).astype(np.int32)) == loss(y, np.round(base))


def test_read_only_rows():  # cython#1605
    y, z = data(9, 3)
    expected = CE(y, z)
    for array in (y, z):
        array.flags.writeable = False
    assert CE(y, z) == expected


@every_loss
@pytest.mark.parametrize("k", [3, 200])
def test_in_place(loss, k):
    y, z = typical(loss, 67, k)
    value, grad = loss.value_and_grad(y, z)
    g, h = loss.grad_and_hess(y, z)
    out = z.copy()
    again, same = loss.value_and_grad(y, out, out=out)
    assert same is out and again == value
    np.testing.assert_array_equal(out, grad)
    for first in (True, False):
        a, b = z.copy(), np.empty_like(z)
        loss.grad_and_hess(y, a, out=(a, b) if first else (b, a))
        np.testing.assert_array_equal(a if first else b, g)
        np.testing.assert_array_equal(b if first else a, h)


@every_loss
@both_dtypes
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_results_are_written_into_any_array_of_floats(loss, dtype, axis):
    y, z = typical(loss, 150, 5, dtype)
    parameters = {**loss.parameters, "axis": axis}
    loss = type(loss)(**parameters)
    z = np.moveaxis(z.reshape(50, 3, -1), -1, axis).copy()
    labels = "labels" in loss._takes or "numbers" in loss._takes
    y = y.reshape(50, 3) if labels else np.moveaxis(y.reshape(50, 3, -1), -1, axis)
    expected = loss.grad_and_hess(y, z, reduction="sum")
    value = loss(y, z, reduction="none")
    for kind in DTYPES:
        for out in (
            tuple(np.full(z.shape, 7, kind, order="F") for _ in range(2)),
            tuple(np.moveaxis(np.full((*z.shape, 2), 7, kind), -1, 0)),
        ):
            assert loss.grad_and_hess(y, z, reduction="sum", out=out)[0] is out[0]
            for a, b in zip(out, expected, strict=True):
                np.testing.assert_array_equal(a, b.astype(kind))
        out = np.full((50, 3), 7, kind, order="F")
        loss(y, z, reduction="none", out=out)
        np.testing.assert_array_equal(out, value.astype(kind))


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, ">f4"])
def test_labels_may_be_floats(kind):
    y, z = data(300, 5)
    w = np.random.default_rng(0).uniform(0, 2, 300)
    for loss in (CE, fl.SoftmaxCrossEntropy(label_smoothing=0.1, ignore_index=3), fl.PolyLoss()):
        value, grad = loss.value_and_grad(y, z, sample_weight=w)
        again, same = loss.value_and_grad(y.astype(kind), z, sample_weight=w)
        assert again == value
        np.testing.assert_array_equal(same, grad)
    assert CE(y.astype(kind), z) == CE(y, z)


def test_a_gap_in_the_labels_can_be_left_out():
    y, z = data(300, 5)
    gaps = y.astype(float)
    gaps[::7] = np.nan
    keep = ~np.isnan(gaps)
    value, grad = CE.value_and_grad(gaps, z, nan_policy="omit")
    expected, of_kept = CE.value_and_grad(y[keep], z[keep])
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_array_equal(grad[keep], of_kept)
    assert (grad[~keep] == 0).all()
    for policy in ("propagate", "raise"):
        with pytest.raises(fl.DomainError, match=r"y_true\[0\] = nan is not"):
            CE(gaps, z, nan_policy=policy)


def test_soft_targets_in_place():
    y, z = data(67, 5)
    soft = np.eye(5)[y]
    grad = CE.grad(soft, z)
    assert CE.grad(soft, z, out=soft) is soft
    np.testing.assert_array_equal(soft, grad)


def test_bad_input_in_place_changes_nothing():
    y, z = data(500, 5)
    y[499] = 5
    before = z.copy()
    with pytest.raises(fl.DomainError, match=r"y_true\[499\] = 5 is not a class from 0 to 4"):
        CE.grad(y, z, out=z)
    np.testing.assert_array_equal(z, before)


@every_loss
@both_dtypes
@pytest.mark.parametrize("k", [2, 10, 129, 5000])
def test_bits_are_the_same_for_every_number_of_threads(loss, dtype, k):
    n = 400_000 // k + 3
    y, z = typical(loss, n, k, dtype)
    w = np.random.default_rng(1).random(n)

    def everything():
        found = [*loss.value_and_grad(y, z, sample_weight=w), *loss.grad_and_hess(y, z)]
        return [np.asarray(x).tobytes() for x in found]

    with fl.num_threads(1):
        expected = everything()
    for threads in (2, 3, 16):
        with fl.num_threads(threads):
            assert everything() == expected


def row_by_row(loss, y, z, w):
    """The value, gradient and Hessian of each row."""
    options = {"sample_weight": w, "reduction": "none"}
    found = [*loss.value_and_grad(y, z, **options), loss.grad_and_hess(y, z, **options)[1]]
    if loss.majorant not in (None, "hess"):
        found.append(loss.grad_and_hess(y, z, hessian="majorant", **options)[1])
    return found


@every_loss
@both_dtypes
def test_a_row_has_the_same_bits_anywhere(loss, dtype):
    """Alone, in blocks and batches of any size, and along any axis."""
    for k in (2,) if loss._columns else (*range(2, 18), 33, 100, 129, 1000):
        n = 67 if k < 100 else 19
        y, z = typical(loss, n, k, dtype)
        w = np.random.default_rng(k).random(n).astype(dtype)
        cases = [y]
        if loss._takes == ("labels", "targets"):
            cases.append(np.random.default_rng(k).dirichlet(np.ones(k), n).astype(dtype))
        for targets in cases:
            whole = row_by_row(loss, targets, z, w)
            for size in (1, 2, 3, 5, 9, 33):
                parts = [slice(i, i + size) for i in range(0, n, size)]
                found = zip(*(row_by_row(loss, targets[p], z[p], w[p]) for p in parts), strict=True)
                for got, want in zip(found, whole, strict=True):
                    assert np.concatenate(got).tobytes() == want.tobytes(), (k, size)
            columns = type(loss)(**loss.parameters | {"axis": 0})
            across = np.asarray(targets).T.copy()
            for got, want in zip(row_by_row(columns, across, z.T.copy(), w), whole, strict=True):
                np.testing.assert_array_equal(got.T, want)


@pytest.mark.parametrize("k", [3, 10, 200])
def test_large_outputs_are_whole(k):
    n = 40_000_000 // k // 4  # beyond the cache, where results are streamed
    y, z = data(n, k, np.float32)
    out = np.full((n, k), np.nan, np.float32)
    CE.grad(y, z, out=out)
    part = slice(n // 2, n // 2 + 4096)
    np.testing.assert_allclose(
        out[part], CE.grad(y[part], z[part], reduction="none") / n, rtol=1e-6
    )
    assert np.isfinite(out).all()


def test_more_elements_than_32_bits_count():  # torch#111484
    n, k = 2**31 // 4000 + 9, 4000
    z = np.broadcast_to(np.float32(0.5), (n, k))
    y = np.zeros(n, np.int64)
    assert CE(y, z) == pytest.approx(math.log(k), rel=1e-6)
    y[-1] = k
    w = np.zeros(n)
    w[-1] = 1
    with pytest.raises(fl.DomainError, match=rf"y_true\[{n - 1}\] = {k} is not a class"):
        CE(y, z, sample_weight=w)


def test_rows_that_no_memory_holds_are_refused():
    for k in (2**45, 2**59, 2**62):  # the bytes of buffers for the longer ones are 0 in 64 bits
        with pytest.raises(MemoryError, match=f"rows of {k} elements"):
            fl.logsumexp(np.broadcast_to(np.int8(0), k))
        with pytest.raises(MemoryError, match=f"rows of {k} elements"):
            CE([0], np.broadcast_to(np.int8(0), (1, k)))


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
def test_memory_is_flat():
    code = """
import resource, numpy as np, fastloss as fl
rng = np.random.default_rng(0)
z = rng.normal(size=(1_000_000, 10)).astype(np.float32); y = rng.integers(0, 10, 1_000_000)
out = np.empty_like(z); loss = fl.SoftmaxCrossEntropy()
loss.value_and_grad(y[:9], z[:9], out=out[:9]); out.fill(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss.value_and_grad(y, z, out=out)
loss.value_and_grad(y.astype(np.int64), z[:, ::-1], out=out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10_000  # kB; the logits are 40 MB, the copied labels 8 MB


# ---- weights and NaN -----------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("k", [3, 200])
def test_a_row_of_weight_0_is_absent(loss, k):
    y, z = typical(loss, 9, k)
    w = np.arange(9.0)
    w[4] = 0
    value, grad = loss.value_and_grad(y, z, sample_weight=w)
    y[4], z[4] = -7, np.nan
    got = loss.value_and_grad(y, z, sample_weight=w)
    assert got[0] == value
    np.testing.assert_array_equal(got[1], grad)
    assert (grad[[0, 4]] == 0).all()


def test_nan_policies():
    y, z = data(9, 3)
    z[4, 1] = np.nan
    assert math.isnan(CE(y, z))
    kept = np.delete(np.arange(9), 4)
    value, grad = CE.value_and_grad(y, z, nan_policy="omit")
    assert value == pytest.approx(CE(y[kept], z[kept]), rel=1e-14)
    np.testing.assert_allclose(grad[kept], CE.grad(y[kept], z[kept]), rtol=1e-14)
    assert (grad[4] == 0).all()
    with pytest.raises(fl.DomainError, match=r"y_pred\[4, 1\] = nan is not a number"):
        CE(y, z, nan_policy="raise")


def test_nothing_to_average():  # torch#70348
    loss = fl.SoftmaxCrossEntropy(ignore_index=0)
    y, z = np.zeros(4, int), np.zeros((4, 3))
    with pytest.raises(ValueError, match="mean over nothing"):
        loss(y, z)
    with pytest.raises(ValueError, match="mean over nothing"):
        loss.value_and_grad(y, z)
    value, grad = loss.value_and_grad(y, z, reduction="sum")
    assert value == 0.0 and (grad == 0).all()
    with pytest.raises(ValueError, match="mean over nothing"):
        CE(np.zeros(0, int), np.zeros((0, 3)))
    assert CE(np.zeros(0, int), np.zeros((0, 3)), reduction="sum") == 0.0


def test_a_target_of_nan_makes_the_mean_nan():
    loss = fl.SoftmaxCrossEntropy(class_weight=[1, 2])
    q, z = np.array([[0.5, np.nan], [0.0, 1.0]]), np.zeros((2, 2))
    assert math.isnan(loss(q, z)) and math.isnan(loss.value_and_grad(q, z)[0])
    assert loss(q, z, nan_policy="omit") == loss(q[1:], z[1:])


def test_weights_scale():
    y, z = data(100, 4)
    w = np.random.default_rng(2).random(100)
    values, grads = CE.value_and_grad(y, z, reduction="none")
    value, grad = CE.value_and_grad(y, z, sample_weight=w)
    assert value == pytest.approx((w * values).sum() / w.sum(), rel=1e-13)
    np.testing.assert_allclose(grad, w[:, None] * grads / w.sum(), rtol=1e-12)
    rows = fl.SoftmaxCrossEntropy(axis=1)
    image = z.reshape(25, 4, 4).transpose(0, 2, 1).copy()
    by_row = rows(y.reshape(25, 4), image, sample_weight=w[:25])
    assert by_row == pytest.approx(CE(y, z, sample_weight=np.repeat(w[:25], 4)), rel=1e-13)


# ---- mistakes and objects ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "z", "error", "message"),
    [
        ([0, 3], np.zeros((2, 3)), ValueError, r"y_true\[1\] = 3 is not a class from 0 to 2"),
        ([0, -4], np.zeros((2, 3)), ValueError, r"y_true\[1\] = -4 is not a class from 0 to 2"),
        ([0.0, 1.5], np.zeros((2, 3)), ValueError, r"y_true\[1\] = 1.5 is not a class from 0 to 2"),
        ([np.nan, 1.0], np.zeros((2, 3)), ValueError, r"y_true\[0\] = nan is not a class from 0"),
        ([0.0, 1e300], np.zeros((2, 3)), ValueError, r"y_true\[1\] = 1e\+300 is not a class"),
        ([0.0, -1.0], np.zeros((2, 3)), ValueError, r"y_true\[1\] = -1.0 is not a class"),
        (["a", "b"], np.zeros((2, 3)), TypeError, "names of classes need .*; got dtype <U1"),
        ([0], np.zeros((2, 3)), ValueError, r"of shape \(2,\), or .* shape \(2, 3\); got \(1,\)"),
        ([[0], [1]], np.zeros((2, 3)), ValueError, r"got \(2, 1\)"),
        (0, 1.0, ValueError, "an axis of classes; got a scalar"),
        ([0, 1, 1], [0.5, 0.1, 0.2], ValueError, "3 integers for y_pred of .*, which is one row"),
        ([], np.zeros((0, 0)), ValueError, "no classes along axis -1"),
        ([[0.5, -0.5]], np.zeros((1, 2)), ValueError, r"y_true\[0, 1\] = -0.5 is not in \[0, inf"),
        ([0], np.zeros((1, 2), complex), TypeError, "y_pred must hold real"),
    ],
)  # fmt: skip
def test_wrong_arrays(y, z, error, message):
    with pytest.raises(error, match=message):
        CE.value_and_grad(y, z)


def test_a_divergence_refuses_negative_targets():  # torch#69230
    message = r"y_true\[0, 1\] = -0.5 is not in \[0, inf\)"
    for loss in (fl.KLDivergence(), fl.KLDivergence(log_probabilities=True), fl.JensenShannon()):
        with pytest.raises(fl.DomainError, match=message):
            loss([[1.5, -0.5]], [[0.5, 0.5]])


def test_wrong_arguments():
    y, z = data(4, 3)
    with pytest.raises(ValueError, match="class_weight has 2 weights, but y_pred has 3 classes"):
        fl.SoftmaxCrossEntropy(class_weight=[1, 2])(y, z)
    with pytest.raises(ValueError, match="axis 2 is out of bounds for y_pred of shape"):
        fl.SoftmaxCrossEntropy(axis=2)(y, z)
    with pytest.raises(ValueError, match=r"sample_weight must have a weight for each row"):
        CE(y, z, sample_weight=np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"sample_weight\[2\] = nan is not finite"):
        CE(y, z, sample_weight=[1, 1, np.nan, 1])
    with pytest.raises(
        ValueError, match=r"y_true must hold a class for each row, .*; got \(4, 3\)"
    ):
        fl.MultiClassHinge()(np.eye(3)[y], z)
    with pytest.raises(ValueError, match="out is for reduction"):
        CE(y, z, out=z)
    with pytest.raises(ValueError, match="out must be a writeable"):
        CE.grad(y, z, out=np.empty((3, 4)))
    wide = np.zeros((5, 3))
    with pytest.raises(ValueError, match="out overlaps y_pred"):
        CE.grad(y, wide[:4], out=wide[1:])
    with pytest.raises(ValueError, match=r"a target for each class, of y_pred's shape \(4, 3\)"):
        fl.KLDivergence()(y, np.abs(z))
    with pytest.raises(ValueError, match=r"y_pred\[0, 1\] = 1.5 is not in \[0, 1\]"):
        fl.CrossEntropy()([0], [[0.0, 1.5]])


@pytest.mark.parametrize("weighted", [False, True])
@both_dtypes
def test_infinite_targets_are_refused(dtype, weighted):  # [0, inf) ends before inf
    z = np.full((3, 2), 0.5, dtype)
    y = np.array([[0.5, 0.5], [np.finfo(dtype).max, 0.0], [0.5, np.inf]], dtype)
    w = np.array([1.0, 2.0, 3.0]) if weighted else None
    for loss in (CE, fl.CrossEntropy(), fl.KLDivergence(), fl.JensenShannon()):
        with pytest.raises(fl.DomainError, match=r"y_true\[2, 1\] = inf is not in \[0, inf\)"):
            loss(y, z, sample_weight=w)
        loss(y, z, sample_weight=[1.0, 1.0, 0.0])
        loss(y[:2], z[:2])


@pytest.mark.parametrize("loss", [CE, fl.SoftmaxCrossEntropy(axis=0), fl.Logistic()])
def test_a_bad_weight_has_the_index_that_it_was_given_by(loss):
    z = np.zeros((4, 4, 4))
    y = z if isinstance(loss, fl.Logistic) else np.zeros((4, 4), int)
    with pytest.raises(fl.DomainError, match=r"^sample_weight\[2\] = nan is not finite") as error:
        loss(y, z, sample_weight=[1, 1, np.nan, 1])
    assert error.value.index == (2,)


@pytest.mark.parametrize(
    ("loss", "item"),
    [
        (CE, "class"),
        (fl.KLDivergence(), "class"),
        (fl.CosineDistance(), "element"),
        (fl.Dice(), "element"),
        (fl.ListwiseSoftmax(), "item"),
        (fl.MultiLabelLogistic(), "label"),
        (fl.GaussianNLL(), "number"),
    ],
)
def test_messages_say_what_a_row_holds(loss, item):
    items = "classes" if item == "class" else item + "s"
    with pytest.raises(ValueError, match=f"y_pred must have an axis of {items}; got a scalar"):
        loss(0.0, 0.0)
    with pytest.raises(ValueError, match=f"y_pred has no {items} along axis -1"):
        loss(np.zeros(3), np.zeros((3, 0)))
    if "targets" in loss._takes:
        with pytest.raises(ValueError, match=f"a target for each {item}, of y_pred's shape"):
            loss(np.zeros((3, 4)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="x must have an axis of elements; got a scalar"):
        fl.softmax(1.0)


@every_loss
def test_an_unknown_option_names_the_class(loss):
    name = type(loss).__name__
    with pytest.raises(
        TypeError, match=rf"^{name}\.__init__\(\) got an unexpected keyword .*'axes'"
    ):
        type(loss)(axes=1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.SoftmaxCrossEntropy(class_weight=[1, -1]), ValueError, r"class_weight\[1\]"),
        (lambda: fl.SoftmaxCrossEntropy(class_weight="12"), TypeError, "class_weight must be"),
        (lambda: fl.SoftmaxCrossEntropy(class_weight=3), TypeError, "class_weight must be"),
        (lambda: fl.SoftmaxCrossEntropy(label_smoothing=1.5), ValueError, "label_smoothing"),
        (lambda: fl.SoftmaxCrossEntropy(axis=0.5), TypeError, "axis must be an integer"),
        (lambda: fl.SoftmaxCrossEntropy(ignore_index=True), TypeError, "ignore_index must be"),
        (lambda: fl.SoftmaxFocal(gamma=-1), ValueError, "gamma must be in"),
        (lambda: fl.KLDivergence(log_probabilities=1), TypeError, "must be True or False"),
        (lambda: fl.PolyLoss(epsilon=math.inf), ValueError, "epsilon must be in"),
        (lambda: fl.MultiLabelLogistic(label_weight=[0, 0]), ValueError, "that is not 0"),
        (lambda: fl.MultiLabelLogistic(pos_weight=-1.0), ValueError, "pos_weight must be in"),
        (lambda: fl.MultiLabelLogistic(pos_weight="a"), TypeError, "a number, or a sequence"),
        (lambda: fl.MultiLabelLogistic(label_weight=3), TypeError, "a weight for each label"),
        (lambda: fl.MultiLabelLogistic([1, 2])([[1]], [[1]]), ValueError, "y_pred has 1 labels"),
        (lambda: fl.MultiLabelLogistic(pos_weight=None), TypeError, "a number, or a sequence"),
        (lambda: fl.SoftmaxCrossEntropy(class_weight=[]), ValueError, "class_weight must hold"),
        (lambda: fl.SoftmaxCrossEntropy([1, "a"]), TypeError, r"class_weight\[1\] must be a real"),
        (lambda: fl.SoftmaxCrossEntropy(ignore_index=2**70), ValueError, "a 64-bit integer"),
        (
            lambda: fl.SoftmaxCrossEntropy([1e-50, 1], 0.1)([0], np.zeros((1, 2), np.float32)),
            ValueError,
            r"class_weight\[0\] = 1e-50 is out of the range of float32",
        ),
        (lambda: fl.softmax([1.0], axis=2**40), ValueError, "out of bounds for x"),
        (lambda: fl.sigmoid("a"), TypeError, "^x must hold"),
        (lambda: fl.sigmoid(np.ma.ones(3)), TypeError, "^x is a masked array"),
        (RowLoss, TypeError, "what losses share"),
        (lambda: CE.__new__(type(CE))([0], [[1.0]]), TypeError, "initialised"),
    ],
)
def test_wrong_parameters(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_objects():
    loss = fl.SoftmaxCrossEntropy([1, 2], 0.1, ignore_index=-1, axis=1)
    assert eval(repr(loss), vars(fl)) == loss == pickle.loads(pickle.dumps(loss))
    assert hash(loss) == hash(fl.SoftmaxCrossEntropy((1.0, 2.0), 0.1, -1, 1))
    for other in [loss, *LOSSES]:
        assert fl.get_loss(other.spec) == other == eval(repr(other), vars(fl))
    assert loss.class_weight == (1.0, 2.0) and loss.axis == 1
    with pytest.raises(AttributeError, match="immutable"):
        loss.axis = 0


# ---- labels with names ---------------------------------------------------------------------------

NAMES = ("cat", "dog", "eel")


@pytest.mark.parametrize("loss", [x for x in LOSSES if "labels" in x._takes], ids=repr)
@pytest.mark.parametrize(
    "kind",
    [
        np.array,
        list,
        lambda names: np.array(names, object),
        lambda names: pd.Series(names).astype("category"),
        lambda names: pytest.importorskip("polars", reason="CI installs it").Series(names),
    ],
)
def test_labels_may_have_names(loss, kind):
    y, z = typical(loss, 40, 3)
    named = type(loss)(**{**loss.parameters, "classes": NAMES})
    labels = kind([NAMES[k] for k in y])
    for method in ("value_and_grad", "grad_and_hess"):
        got, want = (getattr(of, method) for of in (named, loss))
        for a, b in zip(got(labels, z), want(y, z), strict=True):
            np.testing.assert_array_equal(a, b)
    if loss.name in ("softmax_cross_entropy", "cross_entropy"):
        soft = np.random.default_rng(0).dirichlet(np.ones(3), 40)
        assert named(soft, z) == loss(soft, z)
        np.testing.assert_array_equal(
            named.optimal_constant(labels[:1]), loss.optimal_constant(y[:1], n_classes=3)
        )


def test_names_are_numbers_of_any_kind_too():
    y, z = data(40, 3)
    names = np.array([10, -7, 3])
    named = fl.SoftmaxCrossEntropy(classes=names)
    assert named.classes == (10, -7, 3)
    assert named(names[y], z) == named(names[y].astype(float), z) == CE(y, z)


def test_a_label_that_is_none_of_the_names():
    z = np.zeros((3, 3))
    loss = fl.CrossEntropy(classes=NAMES)
    message = r"y_true\[1\] = fox is not one of the classes 'cat', 'dog', 'eel'"
    with pytest.raises(fl.DomainError, match=message) as raised:
        loss(["cat", "fox", "eel"], z + 0.5)
    assert raised.value.value == "fox"
    with pytest.raises(fl.DomainError, match=message):
        loss.optimal_constant(["cat", "fox", "eel"])
    assert loss(["cat", "fox", "eel"], z + 0.5, sample_weight=[1, 0, 1]) == pytest.approx(np.log(2))
    with pytest.raises(ValueError, match="classes has 3 labels, but y_pred has 4 classes"):
        loss(["cat"], np.full((1, 4), 0.25))


@pytest.mark.parametrize("gap", [None, float("nan"), pd.NA])
def test_gaps_among_names(gap):
    z = np.random.default_rng(0).random((3, 3))
    loss = fl.CrossEntropy(classes=NAMES)
    labels = np.array(["cat", gap, "eel"], object)
    kept = loss(["cat", "eel"], z[[0, 2]])
    assert loss(labels, z, nan_policy="omit") == kept
    with pytest.raises(fl.DomainError, match=r"y_true\[1\] = .* is not one of the classes"):
        loss(labels, z)


def test_what_names_of_classes_are():
    for bad in (("a", "a"), (), ("a", None), (1.0, float("nan"))):
        with pytest.raises(ValueError, match="classes must"):
            fl.SoftmaxCrossEntropy(classes=bad)
    for bad in ("ab", 3):
        with pytest.raises(TypeError, match="classes must"):
            fl.SoftmaxCrossEntropy(classes=bad)
    loss = fl.SoftmaxCrossEntropy(classes=["cat", "1", 2])
    assert loss.spec == "softmax_cross_entropy:classes='cat';'1';2"
    assert fl.get_loss(loss.spec) == loss == pickle.loads(pickle.dumps(loss))
    assert fl.get_loss("cross_entropy:classes=cat;dog").classes == ("cat", "dog")
    assert fl.score(["cat", "dog"], np.eye(2) + 0.5, ["softmax_cross_entropy:classes=cat;dog"])


def test_names_of_classes_keep_their_types():
    loss = fl.SoftmaxCrossEntropy(classes=("cat", "2", 2))
    z = np.random.default_rng(0).normal(size=(3, 3))
    assert loss(np.array(["cat", "2", 2], object), z) == CE([0, 1, 2], z)
    with pytest.raises(fl.DomainError, match=r"y_true\[0\] = fox is not one of"):
        loss(["fox", "2", "2"], z)
    numbers = fl.SoftmaxCrossEntropy(classes=np.unique([3, 1, 2]))
    assert [type(x) for x in numbers.classes] == [int] * 3
    days = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "M8[D]")
    dated = fl.SoftmaxCrossEntropy(classes=days)
    assert dated(days[[0, 2, 1]].astype("M8[s]"), z) == CE([0, 2, 1], z)


@pytest.mark.parametrize(
    "classes", [("a,b", "c;d"), ("it's", 'a "b"'), ((1, 2), (3, 4)), (True, False), (0.5, -1.0)]
)
def test_names_of_classes_come_back_from_the_spec(classes):
    loss = fl.SoftmaxCrossEntropy(classes=classes, label_smoothing=0.1)
    assert fl.get_loss(loss.spec) == loss


def test_names_and_numbers_of_classes_do_not_go_together():
    with pytest.raises(ValueError, match="ignore_index is for classes that are numbered"):
        fl.SoftmaxCrossEntropy(classes=NAMES, ignore_index=1)
    with pytest.raises(TypeError, match="classes must be a sequence"):
        fl.SoftmaxCrossEntropy(classes={"a", "b"})


def test_constants_of_labels_of_any_kind():
    expected = CE.optimal_constant([0, 1, 1, 1])
    for labels in ([0.0, 1.0, 1.0, 1.0], np.array([0, 1, 1, 1], np.float32)):
        np.testing.assert_array_equal(CE.optimal_constant(labels), expected)
    with pytest.raises(fl.DomainError, match=r"y_true\[1\] = 0.5 is not a class"):
        CE.optimal_constant([0.0, 0.5])
    for classes in ((10.0, 20.0), (10, 20)):
        named = fl.SoftmaxCrossEntropy(classes=classes)
        for kind in (int, float):
            labels = np.array([10, 20, 20, 20], kind)
            np.testing.assert_array_equal(named.optimal_constant(labels), expected)
        np.testing.assert_array_equal(
            named.optimal_constant(np.eye(2, dtype=int)[[0, 1, 1, 1]]), expected
        )
