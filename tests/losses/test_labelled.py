"""Losses of labelled embeddings: against torch's gradients of their definitions, and 50 digits."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest
from embedded import DTYPES, LAYOUTS, exact, flat, slopes
from mpmath import mp, mpf, workdps

import fastloss as fl

SUPERVISED, CIRCLE = fl.SupervisedContrastive(0.3), fl.Circle(0.25, 8.0)
LOSSES = [fl.TripletSemiHard(0.7), fl.TripletHard(0.7), SUPERVISED, CIRCLE]
every = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
WITH_EACH = LOSSES[2:]  # which have a loss for each row


def batch(n=40, d=6, classes=6, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    labels[0] = classes  # alone
    return labels, rng.normal(size=(n, d)).astype(dtype)


def with_chunk(loss, chunk):
    return type(loss)(**(vars(loss) | {"chunk_size": chunk}))


# ---- as torch would have them ------------------------------------------------------------------


def semi_hard(torch, loss, labels, x):
    """As TensorFlow Addons defines it: all pairs, with all negatives for each."""
    d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    found = []
    for a in range(len(x)):
        negatives = d[a][labels != labels[a]]
        for p in range(len(x)):
            if p != a and labels[p] == labels[a] and len(negatives):
                outside = negatives[negatives > d[a, p]]
                negative = outside.min() if len(outside) else negatives.max()
                found.append(torch.relu(loss.margin + d[a, p] - negative))
    return torch.stack(found)


def hard(torch, loss, labels, x):
    d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    found = []
    for a in range(len(x)):
        alike = labels == labels[a]
        alike[a] = False
        if alike.any():
            far = d[a][labels != labels[a]].min()
            found.append(torch.relu(loss.margin + d[a][alike].max() - far))
    return torch.stack(found)


def supervised(torch, loss, labels, x):
    u = torch.nn.functional.normalize(x)
    z = (u @ u.T / loss.temperature).masked_fill(torch.eye(len(x), dtype=torch.bool), -torch.inf)
    found = []
    for a, row in enumerate(torch.log_softmax(z, 1)):
        alike = labels == labels[a]
        alike[a] = False
        if alike.any():
            found.append(-row[alike].mean())
    return torch.stack(found)


def circle(torch, loss, labels, x):
    u = torch.nn.functional.normalize(x)
    found = []
    for a, s in enumerate(u @ u.T):
        weigh = s.detach() if loss.constant_weights else s
        alike = labels == labels[a]
        other = ~alike
        alike[a] = False
        if alike.any() and other.any():
            p = -loss.gamma * torch.relu(1 + loss.m - weigh) * (s - 1 + loss.m)
            q = loss.gamma * torch.relu(weigh + loss.m) * (s - loss.m)
            both = torch.logsumexp(q[other], 0) + torch.logsumexp(p[alike], 0)
            found.append(torch.logaddexp(both, torch.zeros_like(both)))
    return torch.stack(found)


CONSTANT = fl.Circle(0.4, 5.0, constant_weights=True)
THEIRS = [*zip(LOSSES, (semi_hard, hard, supervised, circle), strict=True), (CONSTANT, circle)]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize(("loss", "formula"), THEIRS, ids=lambda x: getattr(x, "__name__", ""))
def test_values_and_gradients_by_torch(loss, formula, chunk, reduction):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    labels, x = batch()
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    each = formula(torch, loss, torch.from_numpy(labels), tensor)
    getattr(each, reduction)().backward()
    value, grad = with_chunk(loss, chunk).value_and_grad(labels, x, reduction=reduction)
    assert value == pytest.approx(getattr(each, reduction)().item(), rel=1e-12)
    np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-9, atol=1e-13)
    assert with_chunk(loss, chunk)(labels, x, reduction=reduction) == pytest.approx(value, 1e-13)
    if loss in WITH_EACH:
        got = loss(labels, x, reduction="none")
        np.testing.assert_allclose(got[got != 0], each.detach().numpy(), rtol=1e-10)
        assert got[0] == 0  # that has no other of its label


# ---- to 50 digits ------------------------------------------------------------------------------


def by_cosines(loss, labels, rows):
    """The sum over the rows that have a loss."""
    total, n = mpf(0), len(rows)
    lengths = [mp.sqrt(sum(x * x for x in row)) for row in rows]
    for a in range(n):
        s = [
            sum(x * y for x, y in zip(rows[a], rows[j], strict=True)) / (lengths[a] * lengths[j])
            for j in range(n)
        ]
        alike = [s[j] for j in range(n) if j != a and labels[j] == labels[a]]
        other = [s[j] for j in range(n) if labels[j] != labels[a]]
        if isinstance(loss, fl.SupervisedContrastive) and alike:
            t = mpf(loss.temperature)
            everyone = mp.log(sum(mp.exp(x / t) for x in alike + other))
            total += sum(everyone - x / t for x in alike) / len(alike)
        elif alike and other:
            m, gamma = mpf(loss.m), mpf(loss.gamma)
            p = sum(mp.exp(-gamma * max(0, 1 + m - x) * (x - 1 + m)) for x in alike)
            q = sum(mp.exp(gamma * max(0, x + m) * (x - m)) for x in other)
            total += mp.log(1 + p * q)
    return total


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("loss", "steepness"),
    [(SUPERVISED, 1 / 0.3), (fl.SupervisedContrastive(10.0), 1), (CIRCLE, 20), (fl.Circle(), 640)],
    ids=repr,
)
def test_values_and_gradients_to_50_digits(loss, steepness, dtype):
    labels, x = [0, 1, 0, 1, 0, 2], batch(6, 3, dtype=dtype)[1]
    value, grad = loss.value_and_grad(labels, x, reduction="sum")
    eps = float(np.finfo(dtype).eps)
    with workdps(50):
        expected = by_cosines(loss, labels, exact(x))
        wanted = slopes(lambda rows: by_cosines(loss, labels, rows), [x])[0]
    # what is rounded are cosines, times the steepness of what follows
    assert abs(value - float(expected)) <= 6 * 4 * eps * (1 + steepness)
    assert grad.dtype == dtype
    length = np.linalg.norm(x.astype(float), axis=1, keepdims=True)
    want = np.array(flat(wanted), float).reshape(x.shape)
    assert (np.abs(grad - want) * length).max() <= 8 * eps * (1 + steepness) ** 2


@every
def test_float32_is_near_float64(loss):
    labels, x = batch(dtype=np.float32)
    value, grad = loss.value_and_grad(labels, x)
    wanted = loss.value_and_grad(labels, x.astype(float))
    assert grad.dtype == np.float32
    assert value == pytest.approx(wanted[0], rel=1e-5)
    np.testing.assert_allclose(grad, wanted[1], atol=2e-5 * np.abs(wanted[1]).max())


# ---- triplets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("kind", [fl.TripletSemiHard, fl.TripletHard])
def test_mined_triplets_make_the_loss(kind, chunk):
    labels, x = batch()
    loss = kind(0.4, chunk)
    triplets = loss.mine(labels, x)
    anchors, positives, negatives = triplets
    assert (labels[anchors] == labels[positives]).all() and (anchors != positives).all()
    assert (labels[anchors] != labels[negatives]).all()
    given = [x[rows] for rows in triplets]
    assert loss(labels, x) == pytest.approx(fl.TripletMargin(0.4)(*given), rel=1e-14)
    pairs = {(a, p) for a in range(40) for p in range(40) if a != p and labels[a] == labels[p]}
    if kind is fl.TripletSemiHard:
        assert len(pairs) == len(anchors) and {*zip(anchors, positives, strict=True)} == pairs
    else:
        assert {*anchors} == {a for a, _ in pairs} and len(anchors) == len({*anchors})


@pytest.mark.parametrize("loss", LOSSES[:2], ids=lambda loss: type(loss).__name__)
def test_batches_far_away_and_of_any_size_are_mined_alike(loss):
    labels, x = batch()
    triplets = loss.mine(labels, x)
    np.testing.assert_array_equal(loss.mine(labels, x + 1024), triplets)
    for dtype in DTYPES:
        x = x.astype(dtype)
        triplets, large = loss.mine(labels, x), dtype(2) ** (np.finfo(dtype).maxexp - 4)
        for moved in (x * large, x / large):
            np.testing.assert_array_equal(loss.mine(labels, moved), triplets)


def test_equal_distances_and_duplicates():
    # the negative at the positive's distance is not beyond it
    value = fl.TripletSemiHard(0.5)([0, 0, 1, 1], [[0.0], [1.0], [-1.0], [-3.0]], reduction="sum")
    assert value == 0.5  # of -1 alone, whose negatives are at most as far as its positive
    labels, x = [0, 0, 1, 1], np.ones((4, 2))
    for loss in LOSSES[:2]:
        value, grad = loss.value_and_grad(labels, x)
        assert value == loss.margin
        np.testing.assert_array_equal(grad, 0)
        anchors, positives, _ = loss.mine(labels, x)
        assert (anchors != positives).all()


# ---- promises ----------------------------------------------------------------------------------


@every
def test_weights(loss):
    labels, x = batch()
    w = np.linspace(0.5, 2, 40)
    w[[3, 17, 20]] = 0
    kept = np.flatnonzero(w)
    value, grad = loss.value_and_grad(labels[kept], x[kept], sample_weight=w[kept])
    for bad in (np.nan, np.inf):
        x[[3, 17, 20]] = bad
        got = loss.value_and_grad(labels, x, sample_weight=w)
        assert got[0] == pytest.approx(value, rel=1e-14)
        np.testing.assert_array_equal(got[1][kept], grad)
        np.testing.assert_array_equal(got[1][w == 0], 0)
    for size in (5e-324, 1e306):
        counts = np.where(w > 0, 2.0, 0.0)
        few = loss.value_and_grad(labels, x, sample_weight=counts)
        got = loss.value_and_grad(labels, x, sample_weight=counts * size)
        assert got[0] == pytest.approx(few[0], rel=1e-13)
        np.testing.assert_allclose(got[1], few[1], rtol=1e-12, atol=1e-17)
    # the sum is linear in the weights, of either sign
    labels, x = batch()
    parts = np.random.default_rng(1).normal(size=(2, 40))
    results = [
        loss.value_and_grad(labels, x, sample_weight=v, reduction="sum")
        for v in (*parts, parts.sum(axis=0))
    ]
    assert results[2][0] == pytest.approx(results[0][0] + results[1][0], rel=1e-12)
    np.testing.assert_allclose(results[2][1], results[0][1] + results[1][1], atol=1e-12)
    if loss in WITH_EACH:
        each = loss(labels, x, reduction="none")
        np.testing.assert_allclose(
            loss(labels, x, sample_weight=parts[0], reduction="none"), each * parts[0], rtol=1e-13
        )
        share = parts[0] * (each != 0)
        expected = (share * each).sum() / share.sum()
        assert loss(labels, x, sample_weight=parts[0]) == pytest.approx(expected, rel=1e-12)


@every
def test_labels_of_any_kind(loss):
    labels, x = batch()
    expected = loss.value_and_grad(labels, x)
    names = np.array(["a", "b", "c", "d", "e", "f", "g"])
    for other in (labels - 3, labels.astype(float), labels.tolist(), names[labels], labels * 1000):
        value, grad = loss.value_and_grad(other, x)
        assert value == expected[0]
        np.testing.assert_array_equal(grad, expected[1])
    turned = np.random.default_rng(2).permutation(40)
    value, grad = loss.value_and_grad(labels[turned], x[turned])
    assert value == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(grad, expected[1][turned], rtol=1e-9, atol=1e-15)


@every
def test_layouts_out_and_threads(loss):
    labels, x = batch(100, 17)
    expected = loss.value_and_grad(labels, x)
    for layout in LAYOUTS.values():
        np.testing.assert_array_equal(loss.grad(labels, layout(x)), expected[1])
    for types, computed in (("e", "f"), ("i", "d")):
        some = np.round(4 * x).astype(types)
        grad = loss.grad(labels, some)
        np.testing.assert_array_equal(grad, loss.grad(labels, some.astype(computed)))
        assert grad.dtype.char == computed
    for threads in (1, 3):
        with fl.num_threads(threads):
            value, grad = loss.value_and_grad(labels, x)
        assert value == expected[0]
        np.testing.assert_array_equal(grad, expected[1])
    out = x.copy()
    value, grad = loss.value_and_grad(labels, out, out=out)
    assert grad is out and value == expected[0]
    np.testing.assert_array_equal(out, expected[1])


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_shows(loss, bad):
    labels, x = batch()
    x[5, 1] = bad
    value, grad = loss.value_and_grad(labels, x)
    assert np.isnan(value) and np.isnan(loss(labels, x))
    if loss in WITH_EACH:
        assert np.isnan(loss(labels, x, reduction="none")).sum() >= 39 and np.isnan(grad).any()
    else:
        assert np.isnan(grad).all()
        with pytest.raises(ValueError, match="must be finite to find triplets"):
            loss.mine(labels, x)


@every
def test_rows_of_zeros_have_the_gradient_0(loss):
    labels, x = batch()
    x[[4, 9]] = 0
    value, grad = loss.value_and_grad(labels, x)
    assert np.isfinite(value) and np.isfinite(grad).all()
    if loss in WITH_EACH:
        np.testing.assert_array_equal(grad[[4, 9]], 0)


@every
def test_nothing_to_compare(loss):
    x = batch(6, 3)[1]
    lonely, alike = np.arange(6), np.zeros(6, int)
    for labels in (lonely, alike) if loss is not SUPERVISED else (lonely,):
        for call in (loss, loss.grad):
            with pytest.raises(ValueError, match="mean over nothing is undefined: no row"):
                call(labels, x)
        value, grad = loss.value_and_grad(labels, x, reduction="sum")
        assert value == 0 == loss(labels, x, reduction="sum")
        np.testing.assert_array_equal(grad, 0)
    empty = loss.value_and_grad([], np.empty((0, 3)), reduction="sum")
    assert empty[0] == 0 and empty[1].shape == (0, 3)
    none = loss.value_and_grad(lonely, x, sample_weight=np.zeros(6), reduction="sum")
    assert none[0] == 0 and not none[1].any()
    if loss in WITH_EACH:
        np.testing.assert_array_equal(loss(lonely, x, reduction="none"), 0)
        assert loss([], np.empty((0, 3)), reduction="none").shape == (0,)
    else:
        assert all(len(rows) == 0 for rows in loss.mine(lonely, x))


@every
def test_wrong_arguments(loss):
    labels, x = batch(6, 3)
    wrong = [
        (ValueError, "labels must have a label for each row .*; got", (labels[:5], x), {}),
        (ValueError, r"embeddings must have one shape \(n, d\)", (labels, x[0]), {}),
        (ValueError, r"labels\[1\] is NaN", ([0.0, np.nan, 1, 1, 0, 0], x), {}),
        (TypeError, "labels is a masked array", (np.ma.array(labels), x), {}),
        (TypeError, "embeddings must hold real", (labels, x.astype(complex)), {}),
        (ValueError, "sample_weight must have a weight", (labels, x), {"sample_weight": [1]}),
        (ValueError, r"\[5\] = inf", (labels, x), {"sample_weight": [1, 1, 1, 1, 1, np.inf]}),
        (ValueError, "weights add up to 0", (alike(6), x), {"sample_weight": [1, -1] * 3}),
        (ValueError, "reduction must be one of", (labels, x), {"reduction": "average"}),
    ]
    for call in (loss, loss.grad):
        for error, message, arrays, options in wrong:
            with pytest.raises(error, match=message):
                call(*arrays, **options)
    with pytest.raises(ValueError, match="one of 'mean', 'sum' here; got 'none'"):
        loss.grad(labels, x, reduction="none")
    with pytest.raises(ValueError, match="native float64"):
        loss.grad(labels, x, out=x.astype("f"))


def alike(n):
    """Pairs of one label, which all have losses."""
    return np.arange(n) // 2


@every
def test_objects(loss):
    assert pickle.loads(pickle.dumps(loss)) == loss == eval(repr(loss), vars(fl))
    assert with_chunk(loss, 7) != loss
    for section in ("Parameters", "Raises", "Notes", "References", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in inspect.getdoc(type(loss))
    with pytest.raises(ValueError, match="chunk_size must be at least 1"):
        with_chunk(loss, 0)
    with pytest.raises(TypeError, match="constant_weights must be True or False"):
        fl.Circle(constant_weights=1)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
def test_nothing_of_all_pairs_exists_at_once():
    code = """
import resource, numpy as np, fastloss as fl
rng = np.random.default_rng(0)
labels, x = rng.integers(0, 300, 3000), rng.normal(size=(3000, 8)).astype(np.float32)
for kind in (fl.TripletSemiHard, fl.TripletHard, fl.SupervisedContrastive, fl.Circle):
    loss = kind(chunk_size=100)
    loss.value_and_grad(labels[:200], x[:200])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loss.value_and_grad(labels, x)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert max(map(int, done.stdout.split())) < 12_000  # kB; all pairs are 36 MB, a chunk 1 MB
