"""Cross-entropy of a linear layer: as with all logits at once, in less memory."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

import fastloss as fl

CLASS_WEIGHT = (1.0, 2.0, 0.0, *[0.5] * 8)


def data(n=50, d=7, k=11, dtype=np.float64):
    rng = np.random.default_rng(0)
    X, W, b = rng.normal(size=(n, d)), rng.normal(size=(d, k)), rng.normal(size=k)
    return X.astype(dtype), W.astype(dtype), b.astype(dtype), rng.integers(0, k, n)


def whole(X, W, b, y, call=None, **options):
    """The same with all logits at once."""
    z = X @ W + (0 if b is None else b)
    value, g = fl.SoftmaxCrossEntropy(**options).value_and_grad(y, z, **(call or {}))
    return value, g @ W.T, X.T @ g, g.sum(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("chunk", [None, 1, 7, 50, 51])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"ignore_index": 3}])
def test_as_with_all_logits(dtype, chunk, bias, options):
    X, W, b, y = data(dtype=dtype)
    b = b if bias else None
    loss = fl.LinearCrossEntropy(chunk_size=chunk, **options)
    expected = whole(X, W, b, y, **options)
    got = loss.value_and_grad(y, X, W, b)
    tolerance = 1e-4 if dtype is np.float32 else 1e-12
    assert got[0] == pytest.approx(expected[0], rel=tolerance)
    assert loss(y, X, W, b) == pytest.approx(expected[0], rel=tolerance)
    for name, a, e in zip("X W b".split(), got[1:], expected[1:], strict=True):
        if a is None:
            assert name == "b" and not bias
            continue
        assert a.dtype == dtype
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * np.abs(e).max())
    if "ignore_index" in options:
        assert (got[1][y == 3] == 0).all() and (y == 3).any()


WEIGHTED = [
    ({}, True, False),
    ({}, False, True),
    ({"class_weight": CLASS_WEIGHT}, False, False),
    ({"class_weight": CLASS_WEIGHT, "ignore_index": 5}, True, False),
    ({"class_weight": CLASS_WEIGHT, "label_smoothing": 0.2}, True, False),
    ({"class_weight": CLASS_WEIGHT, "label_smoothing": 0.2}, True, True),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("options", "weighted", "soft"), WEIGHTED)
def test_weights_targets_and_reductions(options, weighted, soft, reduction):
    X, W, b, y = data()
    y = np.random.default_rng(1).random((50, 11)) if soft else y
    w = np.linspace(-0.3, 2, 50) * (np.arange(50) % 7 > 0) if weighted else None
    call = {"sample_weight": w, "reduction": reduction}
    loss = fl.LinearCrossEntropy(chunk_size=8, **options)
    value, *grads = whole(X, W, b, y, call, **options)
    np.testing.assert_allclose(loss(y, X, W, b, **call), value, rtol=1e-12, atol=1e-14)
    if reduction == "none":
        with pytest.raises(ValueError, match='reduction must be "mean" or "sum" here'):
            loss.value_and_grad(y, X, W, b, **call)
        return
    if w is not None:  # rows of weight 0 are as if absent, whatever they hold
        X[w == 0] = np.nan
        if not soft:
            y[w == 0] = -9
    got = loss.value_and_grad(y, X, W, b, **call)
    assert got[0] == pytest.approx(value, rel=1e-12)
    for g, e in zip(got[1:], grads, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-13 * np.abs(e).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["csr_array", "csr_matrix", "csc_array"])
def test_sparse_rows(kind, dtype):
    X, W, b, y = data(dtype=dtype)
    X[np.random.default_rng(0).random(X.shape) < 0.7] = 0
    sparse = getattr(scipy.sparse, kind)(X)
    w = np.arange(50) % 3
    loss = fl.LinearCrossEntropy(chunk_size=8, ignore_index=4)
    expected = loss.value_and_grad(y, X, W, b, sample_weight=w)
    value, dX, dW, db = loss.value_and_grad(y, sparse, W, b, sample_weight=w)
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    assert value == pytest.approx(expected[0], rel=tolerance) and dX is None
    assert loss(y, sparse, W, b, sample_weight=w) == pytest.approx(value, rel=tolerance)
    for g, e in zip((dW, db), expected[2:], strict=True):
        assert type(g) is np.ndarray and g.dtype == dtype
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * np.abs(e).max())


def test_the_mean_does_not_depend_on_the_size_of_weights():
    X, W, b, y = data()
    loss, w = fl.LinearCrossEntropy(chunk_size=8), np.random.default_rng(0).integers(1, 3, 50)
    expected = loss.value_and_grad(y, X, W, b, sample_weight=w)
    for size in (1e-310, 1e-300, 1e300):
        for g, e in zip(
            loss.value_and_grad(y, X, W, b, sample_weight=w * size), expected, strict=True
        ):
            np.testing.assert_allclose(g, e, rtol=1e-12)


def test_a_target_outside_the_domain_is_named_by_its_row():
    X, W, b, _ = data()
    q = np.ones((50, 11))
    q[31, 2] = -1
    w = np.arange(50) % 2
    for weights in (None, w):
        with pytest.raises(fl.DomainError, match=r"y_true\[31, 2\] = -1.0 is not"):
            fl.LinearCrossEntropy(chunk_size=8)(q, X, W, b, sample_weight=weights)
    assert np.isfinite(fl.LinearCrossEntropy()(q, X, W, b, sample_weight=1 - w))


def test_nothing_to_sum():
    X, W, b, y = data()
    loss = fl.LinearCrossEntropy()
    value, dX, dW, db = loss.value_and_grad(y, X, W, b, sample_weight=0 * y, reduction="sum")
    assert value == 0 and not dX.any() and not dW.any() and not db.any()
    assert not loss(y, X, W, b, sample_weight=0 * y, reduction="none").any()


@pytest.mark.parametrize("bias", [True, False])
def test_the_order_of_before_is_refused(bias):
    X, W, b, y = data()
    for method in (fl.LinearCrossEntropy(), fl.LinearCrossEntropy().value_and_grad):
        with pytest.raises(TypeError, match="y_true comes first .*: the order is y_true, X, W, b"):
            method(X, W, b if bias else None, y)


def test_any_order_of_arrays():
    X, W, b, y = data()
    expected = fl.LinearCrossEntropy(chunk_size=7).value_and_grad(y, X, W, b)
    layouts = (np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2])
    for layout in layouts:
        got = fl.LinearCrossEntropy(chunk_size=7).value_and_grad(y, layout(X), layout(W), b)
        for a, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "options",
    [{}, {"class_weight": (1.0, 2.0, *[0.5] * 9), "label_smoothing": 0.1}, {"ignore_index": 4}],
    ids=["plain", "weights", "ignored"],
)
def test_parity_with_torch(options):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    X, W, b, y = data()
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in (X, W, b)]
    logits = tensors[0] @ tensors[1] + tensors[2]
    theirs = torch.nn.functional.cross_entropy(
        logits,
        torch.from_numpy(y),
        weight=torch.tensor(options.get("class_weight", [1.0] * 11), dtype=torch.float64),
        label_smoothing=options.get("label_smoothing", 0.0),
        ignore_index=options.get("ignore_index", -100),
    )
    theirs.backward()
    value, *grads = fl.LinearCrossEntropy(chunk_size=8, **options).value_and_grad(y, X, W, b)
    assert value == pytest.approx(theirs.item(), rel=1e-13)
    for grad, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"W": np.ones((3, 4))}, ValueError, r"X must have shape \(n, d\) and W"),
        ({"b": np.ones(3)}, ValueError, r"b must have shape \(11,\); got \(3,\)"),
        (
            {"y": np.zeros(3, int)},
            ValueError,
            r"y_true must have shape \(50,\), or \(50, 11\) of.*got \(3,\)",
        ),
        ({"y": np.full(50, 11)}, ValueError, r"y_true\[0\] = 11 is not a class from 0 to 10"),
        ({"y": np.zeros(50)}, TypeError, "classes as integers"),
        ({"X": np.ones((50, 7), np.float32)}, TypeError, "X of float32, W of float64"),
        ({"X": np.ones((0, 7)), "y": np.zeros(0, int)}, ValueError, "mean over nothing"),
    ],
)
def test_mistakes(change, error, message):
    X, W, b, y = (dict(zip("XWby", data(), strict=True)) | change).values()
    with pytest.raises(error, match=message):
        fl.LinearCrossEntropy().value_and_grad(y, X, W, b)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"chunk_size": 0}, ValueError),
        ({"chunk_size": 1.5}, TypeError),
        ({"label_smoothing": 2}, ValueError),
        ({"class_weight": [1, -1]}, ValueError),
    ],
)
def test_wrong_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        fl.LinearCrossEntropy(**options)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
def test_the_logits_never_exist_at_once():
    code = """
import resource, numpy as np, fastloss as fl
rng = np.random.default_rng(0)
n, d, k = 20_000, 16, 5_000
X = rng.normal(size=(n, d)).astype(np.float32); W = rng.normal(size=(d, k)).astype(np.float32)
y = rng.integers(0, k, n); loss = fl.LinearCrossEntropy(chunk_size=100)
loss.value_and_grad(y[:200], X[:200], W)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss.value_and_grad(y, X, W)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kB; all logits are 400 MB, a chunk 2 MB
