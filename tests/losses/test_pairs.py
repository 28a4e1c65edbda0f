"""Losses of pairs: against their definitions to 50 digits, torch, and their promises."""

import pickle

import numpy as np
import pytest
from embedded import DTYPES, LAYOUTS, embeddings, equal, exact, flat, slopes
from mpmath import mp, mpf, workdps

import fastloss as fl

COSINE, RANKING = fl.CosineEmbedding(0.2), fl.MarginRanking(0.5)
both = pytest.mark.parametrize("loss", [COSINE, RANKING], ids=["cosine", "ranking"])


def signs(loss, shape, seed=0):
    shape = shape[:1] if isinstance(loss, fl.CosineEmbedding) else shape
    return np.random.default_rng(seed).choice([-1, 1], shape)


def cosines(margin, y, first, second):
    found = []
    for sign, u, v in zip(y, first, second, strict=True):
        uv, uu, vv = (sum(a * b for a, b in zip(*x, strict=True)) for x in ((u, v), (u, u), (v, v)))
        c = uv / mp.sqrt(uu * vv)
        found.append(1 - c if sign == 1 else max(mpf(0), c - mpf(margin)))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("margin", [-0.9, 0.0, 0.3])
def test_cosines_are_their_definition(margin, scale, dtype):
    arrays = [(a * scale).astype(dtype) for a in embeddings(4, 5, 2)]
    y = np.array([1, -1, -1, 1])
    eps = float(np.finfo(dtype).eps)
    loss = fl.CosineEmbedding(margin)
    value, grads = loss.value_and_grad(y, *arrays, reduction="none")
    with workdps(50):
        expected = cosines(margin, y, *map(exact, arrays))
        wanted = slopes(lambda *x: sum(cosines(margin, y, *x)), arrays)
    # of the distance, which is right relative to itself, and 1 - margin
    np.testing.assert_allclose(value, np.array(expected, float), rtol=4 * eps, atol=8 * eps)
    np.testing.assert_array_equal(value, loss(y, *arrays, reduction="none"))
    for got, want, array in zip(grads, wanted, arrays, strict=True):
        assert got.dtype == value.dtype == dtype
        length = 1 / np.linalg.norm(array.astype(float), axis=1, keepdims=True)
        want = np.array(flat(want), float).reshape(got.shape)
        assert (np.abs(got - want) <= 8 * eps * length).all()


def test_nearly_parallel_rows_keep_their_digits():
    first, second = np.array([[1.0, 1e-9]]), np.array([[1.0, 0.0]])
    value, grads = fl.CosineEmbedding().value_and_grad([1], first, second)
    assert value == pytest.approx(5e-19, rel=1e-14)
    assert grads[0][0, 1] == pytest.approx(1e-9, rel=1e-14)
    assert fl.CosineEmbedding().value_and_grad([-1], first, -first)[0] == 0


@pytest.mark.parametrize("margin", [0.0, 0.25])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["cosine_embedding_loss", "margin_ranking_loss"])
def test_as_torch_has_them(name, reduction, margin):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    loss = (fl.CosineEmbedding if name[0] == "c" else fl.MarginRanking)(margin)
    arrays = embeddings(60, 3, 2)
    y = signs(loss, (60, 3))
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    theirs = getattr(torch.nn.functional, name)(
        *tensors, torch.from_numpy(y), margin=margin, reduction=reduction
    )
    theirs.sum().backward()
    value, grads = loss.value_and_grad(y, *arrays, reduction=reduction)
    # torch adds 1e-12 to squared lengths, the least of which is 0.05
    rtol = 1e-10 if name[0] == "c" else 1e-13
    np.testing.assert_allclose(value, theirs.detach().numpy(), rtol=rtol, atol=1e-15)
    for grad, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=rtol, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rankings_are_right_relative_to_the_larger_term(dtype):
    first, second = (a.astype(dtype) for a in embeddings(50, 4, 2))
    y = signs(RANKING, first.shape)
    for margin in (-1.0, 0.0, 1e-30, 0.7, 1e20):
        value = fl.MarginRanking(margin)(y, first, second, reduction="none")
        d = first.astype(float) - second
        error = np.abs(value - np.maximum(0, margin - y * d))
        assert value.dtype == dtype
        assert (error <= 4 * np.finfo(dtype).eps * (abs(margin) + np.abs(d))).all()


def test_kinks_and_rows_of_zeros():
    value, grads = fl.MarginRanking(1.0).value_and_grad([1, -1], [1.0, 0.0], [0.0, 1.0])
    assert value == 0 and not np.any(grads)
    rows = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]
    value, grads = fl.CosineEmbedding().value_and_grad([1, -1, -1], *rows, reduction="none")
    np.testing.assert_array_equal(value, [1, 0, 0])
    np.testing.assert_array_equal(grads, 0)


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_and_reductions(loss, dtype):
    arrays = embeddings(200, 7, 2, dtype)
    y = signs(loss, (200, 7))
    w = np.linspace(-0.5, 1, y.size).reshape(y.shape)
    each, grads = loss.value_and_grad(y, *arrays, reduction="none")
    spread = w if y.ndim == 2 else w[:, None]
    eps = float(np.finfo(dtype).eps)
    for reduction, over in (("none", 1), ("sum", 1), ("mean", w.sum())):
        expected = each.astype(float) * w / over
        expected = expected if reduction == "none" else expected.sum()
        options = {"sample_weight": w, "reduction": reduction}
        value, got = loss.value_and_grad(y, *arrays, **options)
        np.testing.assert_allclose(value, expected, rtol=16 * eps, atol=16 * eps)
        assert np.array_equal(loss(y, *arrays, **options), value)
        equal((0, got), (0, loss.grad(y, *arrays, **options)))
        for g, e in zip(got, grads, strict=True):
            np.testing.assert_allclose(g, e * spread / over, rtol=8 * eps, atol=1e-45)
    assert type(value) is float


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pairs_of_weight_0_and_nan(loss, bad):
    arrays = embeddings(50, 6, 2)
    y = signs(loss, (50, 6)).astype(float)
    w = np.ones(y.shape)
    w[[3, 20, 41]] = 0
    kept = [3, 20, 41]
    rest = np.delete(np.arange(50), kept)
    value, grads = loss.value_and_grad(y[rest], *(a[rest] for a in arrays))
    arrays[0][3], arrays[1][20], y[41] = bad, bad, 7
    got = loss.value_and_grad(y, *arrays, sample_weight=w)
    assert got[0] == pytest.approx(value, rel=1e-14)
    for g, e in zip(got[1], grads, strict=True):
        np.testing.assert_allclose(g[rest], e, rtol=1e-14)
        np.testing.assert_array_equal(g[kept], 0)
    y[41] = np.nan
    arrays[0][3] = np.nan
    w[[3, 41]] = 1
    value, grads = loss.value_and_grad(y, *arrays, sample_weight=w, reduction="none")
    for array in (value, *grads):
        found = np.isnan(array).reshape(50, -1)
        np.testing.assert_array_equal(found.all(axis=1), found.any(axis=1))
        np.testing.assert_array_equal(np.flatnonzero(found.all(axis=1)), [3, 41])


@both
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_dtype_and_number_of_threads(loss, layout):
    arrays = embeddings(700, 33, 2)
    y = signs(loss, (700, 33))
    expected = loss.value_and_grad(y, *arrays)
    equal(loss.value_and_grad(y, *map(LAYOUTS[layout], arrays)), expected)
    with fl.num_threads(3):
        equal(loss.value_and_grad(y, *arrays), expected)
    for types, computed in (("ee", "f"), ("fd", "d"), ("ii", "d"), ("??", "d")):
        mixed = [np.round(4 * a).astype(t) for a, t in zip(arrays, types, strict=True)]
        got = loss.value_and_grad(y, *mixed)
        equal(got, loss.value_and_grad(y, *(a.astype(computed) for a in mixed)))
        assert {g.dtype.char for g in got[1]} == {computed}


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_out(loss, dtype, monkeypatch):
    arrays = embeddings(40, 6, 2, dtype)
    y = signs(loss, (40, 6))
    expected = loss.value_and_grad(y, *arrays)
    # a few rows at a time, which change nothing
    monkeypatch.setattr("fastloss.losses.chunks.CHUNK_BYTES", 7 * arrays[0][0].nbytes)
    outs = tuple(np.full_like(a, np.nan) for a in arrays)
    got = loss.value_and_grad(y, *arrays, out=outs)
    equal(got, expected)
    assert all(g is o for g, o in zip(got[1], outs, strict=True))
    for turned in (1, -1):
        inputs = [a.copy() for a in arrays]
        got = loss.value_and_grad(y, *inputs, out=inputs[::turned])
        equal(got, expected)
    inputs = [a.copy() for a in arrays]
    w = np.ones(y.shape)
    w[-1] = np.inf
    with pytest.raises(fl.DomainError, match="sample_weight.* = inf is not finite"):
        loss.value_and_grad(y, *inputs, sample_weight=w, out=inputs)
    y[2] = 0
    with pytest.raises(fl.DomainError, match=r"y_true\[2.*\] = 0.* is not in {-1, 1}"):
        loss.value_and_grad(y, *inputs, out=inputs)
    np.testing.assert_array_equal(inputs, arrays)


ONES = np.ones((4, 3))


@both
def test_wrong_arguments(loss):
    y = signs(loss, ONES.shape)
    wrong = [
        (ValueError, "one shape", (y, ONES, ONES[:3])),
        (ValueError, "y_true must have -1 or 1 for each of the", (y[:3], ONES, ONES)),
        (TypeError, "second must hold real", (y, ONES, ONES.astype(complex))),
        (TypeError, "first is a masked array", (y, np.ma.ones((4, 3)), ONES)),
    ]
    for call in (loss, loss.grad):
        for error, message, arrays in wrong:
            with pytest.raises(error, match=message):
                call(*arrays)
        with pytest.raises(ValueError, match="sample_weight must have"):
            call(y, ONES, ONES, sample_weight=[1, 2])
        with pytest.raises(ValueError, match="reduction must be"):
            call(y, ONES, ONES, reduction="average")
        with pytest.raises(ValueError, match="mean over nothing"):
            call(y[:0], ONES[:0], ONES[:0])
    assert loss(y[:0], ONES[:0], ONES[:0], reduction="sum") == 0
    memory = np.ones(100)
    overlapping = memory[:12].reshape(4, 3), memory[6:18].reshape(4, 3)
    with pytest.raises(ValueError, match="overlap"):
        loss.grad(y, ONES, ONES, out=overlapping)


def test_objects():
    for loss in (fl.CosineEmbedding(0.5), fl.MarginRanking(2)):
        assert pickle.loads(pickle.dumps(loss)) == loss == eval(repr(loss), vars(fl))
    with pytest.raises(ValueError, match=r"margin must be in \[-1, 1\]; got 2"):
        fl.CosineEmbedding(2)
    with pytest.raises(ValueError, match=r"margin must be in \(-inf, inf\); got inf"):
        fl.MarginRanking(np.inf)
