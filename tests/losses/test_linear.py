"""Cross-entropy of a linear layer: as with all logits at once, in less memory."""

import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl


def data(n=50, d=7, k=11, dtype=np.float64):
    rng = np.random.default_rng(0)
    X, W, b = rng.normal(size=(n, d)), rng.normal(size=(d, k)), rng.normal(size=k)
    return X.astype(dtype), W.astype(dtype), b.astype(dtype), rng.integers(0, k, n)


def whole(X, W, b, y, **options):
    """The same with all logits at once."""
    z = X @ W + (0 if b is None else b)
    value, g = fl.SoftmaxCrossEntropy(**options).value_and_grad(y, z)
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
    got = loss.value_and_grad(X, W, b, y)
    tolerance = 1e-4 if dtype is np.float32 else 1e-12
    assert got[0] == pytest.approx(expected[0], rel=tolerance)
    assert loss(X, W, b, y) == pytest.approx(expected[0], rel=tolerance)
    for name, a, e in zip("X W b".split(), got[1:], expected[1:], strict=True):
        if a is None:
            assert name == "b" and not bias
            continue
        assert a.dtype == dtype
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * np.abs(e).max())
    if "ignore_index" in options:
        assert (got[1][y == 3] == 0).all() and (y == 3).any()


def test_any_order_of_arrays():
    X, W, b, y = data()
    expected = fl.LinearCrossEntropy(chunk_size=7).value_and_grad(X, W, b, y)
    layouts = (np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2])
    for layout in layouts:
        got = fl.LinearCrossEntropy(chunk_size=7).value_and_grad(layout(X), layout(W), b, y)
        for a, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-15)


def test_parity_with_torch():
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    X, W, b, y = data()
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in (X, W, b)]
    logits = tensors[0] @ tensors[1] + tensors[2]
    theirs = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))
    theirs.backward()
    value, *grads = fl.LinearCrossEntropy(chunk_size=8).value_and_grad(X, W, b, y)
    assert value == pytest.approx(theirs.item(), rel=1e-13)
    for grad, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"W": np.ones((3, 4))}, ValueError, r"X must have shape \(n, d\) and W"),
        ({"b": np.ones(3)}, ValueError, r"b must have shape \(11,\); got \(3,\)"),
        ({"y": np.zeros(3, int)}, ValueError, r"y_true must have shape \(50,\); got \(3,\)"),
        ({"y": np.full(50, 11)}, ValueError, r"y_true\[0\] = 11 is not a class from 0 to 10"),
        ({"y": np.zeros(50)}, TypeError, "classes as integers"),
        ({"X": np.ones((50, 7), np.float32)}, TypeError, "X of float32, W of float64"),
        ({"X": np.ones((0, 7)), "y": np.zeros(0, int)}, ValueError, "mean over nothing"),
    ],
)
def test_mistakes(change, error, message):
    arguments = dict(zip("XWby", data(), strict=True)) | change
    with pytest.raises(error, match=message):
        fl.LinearCrossEntropy().value_and_grad(*arguments.values())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"chunk_size": 0}, ValueError),
        ({"chunk_size": 1.5}, TypeError),
        ({"label_smoothing": 2}, ValueError),
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
loss.value_and_grad(X[:200], W, None, y[:200])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss.value_and_grad(X, W, None, y)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kB; all logits are 400 MB, a chunk 2 MB
