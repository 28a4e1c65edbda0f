"""Connectionist temporal classification: against its definition to 50 digits, torch and optax."""

import pickle

import mpmath
import numpy as np
import pytest
from isa import OTHERS, result_on
from mpmath import mp, mpf

import fastloss as fl

DTYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


# ---- the oracle --------------------------------------------------------------------------------


def log_softmax(row):
    top = max(row)
    total = mp.log(sum(mp.exp(x - top) for x in row)) + top
    return [x - total for x in row]


def forward(p, states, blank):
    """The probabilities of the states after each frame; p are those of the classes."""
    rows, row = [], [mpf(1)] + [mpf(0)] * len(states)  # a state before the first, then those
    for frame in p:
        new = [mpf(0)]
        for s, label in enumerate(states):
            total = row[s + 1] + row[s] if s else row[1] + row[0]
            if s == 1:
                total = row[2] + row[1] + row[0]
            elif s > 1 and label != blank and label != states[s - 2]:
                total += row[s - 1]
            new.append(total * frame[label])
        row = new
        rows.append(row[1:])
    return rows


def exact(z, labels, blank=0, logits=False):
    """The loss of one sequence, its gradient, and the sizes that both are right relative to."""
    z = [[mpf(float(x)) for x in frame] for frame in z]
    logs = [log_softmax(frame) for frame in z] if logits else z
    p = [[mp.exp(x) for x in frame] for frame in logs]
    states = [blank, *(s for label in labels for s in (int(label), blank))]
    forth, back = forward(p, states, blank), forward(p[::-1], states[::-1], blank)[::-1]
    total = sum(forth[-1][-2:])
    loss, size = -mp.log(total), mpf(0)
    grad = []
    for t, frame in enumerate(p):
        given = [mpf(0)] * len(frame)
        for s, label in enumerate(states):
            if frame[label]:
                given[label] += forth[t][s] * back[t][-1 - s] / frame[label] / total
        size += sum(g * abs(x) for g, x in zip(given, logs[t], strict=True) if g)
        grad.append([(q if logits else 0) - g for q, g in zip(frame, given, strict=True)])
    return loss, max(abs(loss), size), grad


def ulps(got, want, size=None):
    """How far numbers are off, in units of the last digit of a size."""
    unit = np.finfo(got.dtype)
    worst = mpf(0)
    for g, w, s in zip(got.ravel(), want, size or want, strict=True):
        last = max(np.spacing(np.abs(got.dtype.type(float(s)))), unit.smallest_normal)
        worst = max(worst, abs(mpf(float(g)) - w) / mpf(float(last)))
    return float(worst)


def check(z, labels, logits=False, blank=0):
    loss = fl.CTC(blank=blank, from_logits=logits)
    value, grad = loss.value_and_grad([labels], z[:, None], reduction="none")
    want, size, slopes = exact(z, labels, blank, logits)
    assert ulps(value, [want], [size]) <= 4
    np.testing.assert_array_equal(value, loss([labels], z[:, None], reduction="none"))
    flat = [g for frame in slopes for g in frame]
    terms = [max(abs(g), mpf(logits)) for g in flat]  # differences of numbers up to 1
    assert ulps(grad, flat, terms) <= 8


def frames(t, c, dtype=np.float64, spread=3.0, seed=0):
    """Log-probabilities, normalised but for rounding."""
    z = np.random.default_rng(seed).normal(size=(t, c)) * spread
    return (z - np.log(np.exp(z).sum(1, keepdims=True))).astype(dtype)


# ---- values and gradients ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize(
    ("t", "c", "labels"),
    [
        (1, 2, []),
        (1, 2, [1]),
        (5, 3, [1, 1, 2]),
        (6, 4, [3, 1, 3, 1, 2, 3]),
        (20, 17, [1, 2, 3, 3, 16]),
        (40, 5, [1, 2, 3, 4] * 5),
        (45, 12, [*range(1, 12), *range(1, 9)]),
    ],
)
def test_against_the_definition(t, c, labels, logits, dtype):
    check(frames(t, c, dtype), labels, logits)
    if t < 10:
        check(frames(t, c, dtype)[:, ::-1], [c - 1 - label for label in labels], logits, c - 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_many_frames(dtype):
    check(frames(600, 3, dtype), [1, 2, 2, 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sure", [1e-3, 1e-7, 1e-12, 1e-30])
def test_digits_of_a_loss_of_nearly_0(sure, dtype):
    labels = [1, 2, 2, 3]
    path = [0, 1, 1, 0, 2, 0, 2, 3, 0]
    z = np.full((len(path), 5), np.log(sure))
    z[np.arange(len(path)), path] = -4 * sure
    check(z.astype(dtype), labels)
    check((100 * z).astype(dtype), labels)
    z[np.arange(len(path)), path] = 0  # logits
    check(z.astype(dtype), labels, logits=True)


@pytest.mark.parametrize("blank", [-1e-9, -1e-3])
def test_states_whose_ratio_is_out_of_range(blank):
    """A model sure of blanks: labels cost more than all of float64's range."""
    z = np.full((60, 6), -45.0)
    z[:, 0] = blank
    check(z, [1, 2, 3, 4, 5] * 5)
    check(z * 100, [1, 2, 3, 4, 5] * 2)
    check(np.random.default_rng(0).normal(size=(60, 6)) * 500, [1, 2, 3, 4, 5] * 4, logits=True)


def check_some():
    labels = [1, 2, 3, 3, 16, 2, 1, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4]
    with mpmath.workdps(50):
        for dtype in DTYPES:
            for logits in (False, True):
                check(frames(35, 17, dtype), labels, logits)
        check(frames(9, 3) * 1e-9, [1, 2])
        check(frames(30, 3, spread=300), [1, 2, 1, 2], logits=True)
    return True


@pytest.mark.parametrize("isa", OTHERS)
def test_other_instruction_sets(isa):
    assert result_on(isa, check_some)


@pytest.mark.parametrize("size", [1e5, 1e12, 1e15, 1e38, 1e280])
def test_huge_log_probabilities(size):
    z = -np.random.default_rng(0).uniform(size, 2 * size, (7, 3))
    value = fl.CTC()([[1, 2]], z[:, None])
    want, *_ = exact(z, [1, 2]) if size < 1e6 else (None,)
    best = -max(np.cumsum(z[np.arange(7), path])[-1] for path in paths(7, [1, 2]))
    assert value == pytest.approx(float(best if want is None else want), rel=1e-14)


def paths(t, labels):
    """All alignments of two labels that differ."""
    a, b = labels
    for i in range(t):
        for j in range(i + 1, t + 1):
            for k in range(j, t):
                for m in range(k + 1, t + 1):
                    yield [0] * i + [a] * (j - i) + [0] * (k - j) + [b] * (m - k) + [0] * (t - m)


def test_classes_that_cannot_be():
    z = frames(8, 4)
    z[2, 1] = z[5, 0] = z[0, 2] = -np.inf
    check(z, [1, 2])
    check(z, [1, 2], logits=True)
    z[:, 3] = -np.inf
    check(z, [1, 2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_by_logits_is_that_through_the_log_softmax(dtype):
    z = np.random.default_rng(0).normal(size=(30, 4, 7)).astype(dtype)
    y = np.random.default_rng(1).integers(1, 7, (4, 9))
    logs = fl.log_softmax(z)
    value, by_logs = fl.CTC().value_and_grad(y, logs)
    got = fl.CTC(from_logits=True).value_and_grad(y, z)
    eps = float(np.finfo(dtype).eps)
    assert got[0] == pytest.approx(value, rel=16 * eps)
    chained = by_logs - np.exp(logs) * by_logs.sum(-1, keepdims=True)
    np.testing.assert_allclose(got[1], chained, atol=30 * eps)


# ---- batches -----------------------------------------------------------------------------------


def batch(dtype=np.float64, t=40, n=6, c=9, s=8, seed=0):
    rng = np.random.default_rng(seed)
    z = fl.log_softmax(rng.normal(size=(t, n, c)).astype(dtype))
    return rng.integers(1, c, (n, s)), z, rng.integers(20, t + 1, n), rng.integers(0, s + 1, n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_reductions_and_weights(weighted, reduction, dtype):
    y, z, frames, labels = batch(dtype)
    w = np.array([1, 0, 0.5, -0.25, 3, 1e-3]) if weighted else None
    each, grads = fl.CTC().value_and_grad(y, z, frames, labels, reduction="none")
    assert each.dtype == grads.dtype == dtype
    factor = np.ones(6) if w is None else w
    factor = factor / factor.sum() if reduction == "mean" else factor
    loss = fl.CTC()
    options = {"sample_weight": w, "reduction": reduction}
    value, grad = loss.value_and_grad(y, z, frames, labels, **options)
    expected = each * factor if reduction == "none" else (each * factor).sum()
    eps = 4 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(value, expected, rtol=4 * eps)
    np.testing.assert_allclose(grad, grads * factor[:, None], rtol=eps)
    assert np.array_equal(loss(y, z, frames, labels, **options), value)
    np.testing.assert_array_equal(loss.grad(y, z, frames, labels, **options), grad)
    assert reduction == "none" or type(value) is float


def test_frames_beyond_the_length_do_not_count():
    y, z, frames, labels = batch()
    value, grad = fl.CTC().value_and_grad(y, z, frames, labels, reduction="none")
    for n in range(6):
        alone = fl.CTC().value_and_grad([y[n, : labels[n]]], z[: frames[n], n : n + 1])
        assert alone[0] == value[n]  # to the bit, and whatever stands around it
        np.testing.assert_array_equal(alone[1][:, 0], grad[: frames[n], n])
        assert (grad[frames[n] :, n] == 0).all()
        z[frames[n] :, n] = np.nan
        y[n, labels[n] :] = -7
    np.testing.assert_array_equal(fl.CTC()(y, z, frames, labels, reduction="none"), value)


def test_labels_one_after_the_other():
    y, z, frames, labels = batch()
    joined = np.concatenate([row[:k] for row, k in zip(y, labels, strict=True)])
    expected = fl.CTC().value_and_grad(y, z, frames, labels)
    value, grad = fl.CTC().value_and_grad(joined.astype(np.uint8), z, frames, labels)
    assert value == expected[0]
    np.testing.assert_array_equal(grad, expected[1])


@pytest.mark.parametrize("logits", [False, True])
def test_a_sequence_of_weight_0_is_as_if_absent(logits):
    y, z, frames, labels = batch()
    loss, w, kept = fl.CTC(from_logits=logits), np.ones(6), [0, 1, 3, 4, 5]
    y[2], z[:, 2], w[2] = -1, np.nan, 0
    value, grad = loss.value_and_grad(y, z, frames, labels, sample_weight=w)
    some = loss.value_and_grad(y[kept], z[:, kept], frames[kept], labels[kept])
    assert value == some[0]
    np.testing.assert_array_equal(grad[:, kept], some[1])
    np.testing.assert_array_equal(grad[:, 2], 0)


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("forgiving", [False, True])
def test_labels_that_no_alignment_fits(forgiving, logits):
    z = np.zeros((3, 2, 3))
    loss = fl.CTC(zero_infinity=forgiving, from_logits=logits)
    y = [[1, 1], [1, 1]]  # needs a blank between
    value, grad = loss.value_and_grad(y, z, [2, 3], reduction="none")
    assert value[0] == (0 if forgiving else np.inf) and np.isfinite(value[1])
    np.testing.assert_array_equal(grad[:2, 0], 0 if forgiving else np.nan)
    np.testing.assert_array_equal(grad[2, 0], 0)
    assert np.isfinite(grad[:, 1]).all()
    value, grad = loss.value_and_grad(y, z, [0, 3], reduction="none")
    assert value[0] == (0 if forgiving else np.inf) and (grad[:, 0] == 0).all()
    assert loss([[], []], z, [0, 3], reduction="none")[0] == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("logits", [False, True])
def test_nan_is_of_its_sequence_alone(logits, bad):
    y, z, frames, labels = batch()
    labels[:] = 8
    clean = fl.CTC(from_logits=logits).value_and_grad(y, z, frames, labels, reduction="none")
    z[12, 3, y[3, 4]] = bad
    value, grad = fl.CTC(from_logits=logits).value_and_grad(y, z, frames, labels, reduction="none")
    assert np.flatnonzero(np.isnan(value)).tolist() == [3]
    assert np.isnan(grad[: frames[3], 3]).all() and (grad[frames[3] :, 3] == 0).all()
    np.testing.assert_array_equal(np.delete(grad, 3, axis=1), np.delete(clean[1], 3, axis=1))
    if not logits:  # no alignment is at the last label in the first frame
        z[12, 3, y[3, 4]] = -1
        z[0, 3] = np.nan
        z[0, 3, [0, y[3, 0]]] = -1
        got = fl.CTC().value_and_grad(y, z, frames, labels)
        assert np.isfinite(got[0]) and np.isfinite(got[1]).all()


LAYOUTS = {
    "fortran": np.asfortranarray,
    "batch first": lambda z: z.transpose(1, 0, 2).copy().transpose(1, 0, 2),
    "strided": lambda z: np.repeat(np.repeat(z, 2, axis=0), 3, axis=2)[::2, :, ::3],
    "reversed": lambda z: z[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    "swapped": lambda z: z.astype(z.dtype.newbyteorder()),
    "unaligned": lambda z: np.frombuffer(b"x" + z.tobytes(), z.dtype, offset=1).reshape(z.shape),
    "list": np.ndarray.tolist,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("logits", [False, True])
def test_any_layout(layout, logits):
    y, z, frames, labels = batch(n=35)
    loss = fl.CTC(from_logits=logits)
    expected = loss.value_and_grad(y, z, frames, labels)
    value, grad = loss.value_and_grad(y, LAYOUTS[layout](z), frames, labels)
    assert value == expected[0]
    np.testing.assert_array_equal(grad, expected[1])


@pytest.mark.parametrize(("given", "computed"), [("e", "f"), ("f", "f"), ("d", "d"), ("i", "d")])
def test_dtypes(given, computed):
    y, z, frames, labels = batch()
    z = z.astype(given)
    value, grad = fl.CTC().value_and_grad(y, z, frames, labels)
    expected = fl.CTC().value_and_grad(y, z.astype(computed), frames, labels)
    assert value == expected[0] and grad.dtype == computed
    np.testing.assert_array_equal(grad, expected[1])


@pytest.mark.parametrize("logits", [False, True])
def test_out(logits):
    y, z, frames, labels = batch(np.float32)
    loss = fl.CTC(from_logits=logits)
    expected = loss.grad(y, z, frames, labels)
    out = np.empty_like(z)
    assert loss.grad(y, z, frames, labels, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert loss.grad(y, z, frames, labels, out=z) is z
    np.testing.assert_array_equal(z, expected)
    twice = np.empty((41, 6, 9), np.float32)
    with pytest.raises(ValueError, match="out overlaps y_pred"):
        loss.grad(y, twice[1:], frames, labels, out=twice[:-1])
    with pytest.raises(ValueError, match="out must be"):
        loss.grad(y, z, frames, labels, out=np.empty(z.shape))


def test_threads_do_not_change_a_bit():
    y, z, frames, labels = batch(t=400, n=23)
    fl._core.configure(insist=True)
    try:
        with fl.num_threads(1):
            expected = fl.CTC().value_and_grad(y, z, frames, labels)
        with fl.num_threads(2):
            value, grad = fl.CTC().value_and_grad(y, z, frames, labels)
    finally:
        fl._core.configure(insist=False)
    assert value == expected[0]
    np.testing.assert_array_equal(grad, expected[1])


def test_of_no_sequences():
    y, z = np.empty((0, 3), int), np.empty((5, 0, 4))
    value, grad = fl.CTC().value_and_grad(y, z, reduction="sum")
    assert value == 0 and grad.shape == z.shape
    with pytest.raises(ValueError, match="mean over nothing"):
        fl.CTC()(y, z)


def test_objects():
    loss = fl.CTC(blank=3, zero_infinity=True)
    assert repr(loss) == "CTC(blank=3, zero_infinity=True, from_logits=False)"
    assert pickle.loads(pickle.dumps(loss)) == loss and len({loss, fl.CTC(3, True)}) == 1


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y_true": np.zeros((40, 6, 9))}, TypeError, "y_true, the labels, comes first"),
        ({"y_pred": np.zeros((40, 6))}, ValueError, r"shape \(T, N, C\); got \(40, 6\)"),
        ({"y_pred": np.zeros((40, 6, 0))}, ValueError, "blank = 0 is not a class"),
        ({"y_pred": np.zeros((40, 6, 9), complex)}, TypeError, "y_pred must hold real"),
        ({"y_true": np.ones((5, 8), int)}, ValueError, r"N = 6 as in y_pred.*got \(5, 8\)"),
        ({"y_true": np.ones((6, 8))}, TypeError, "classes as integers; got dtype float64"),
        ({"y_true": np.empty((6, 0), "U1")}, TypeError, "classes as integers; got dtype <U1"),
        ({"y_true": np.full((6, 8), 9)}, ValueError, r"y_true\[0, 0\] = 9 is not a class from 0"),
        ({"y_true": np.zeros((6, 8), int)}, ValueError, r"y_true\[0, 0\] = 0 is the blank"),
        ({"y_true": np.ones(5, int)}, ValueError, "target_lengths add up to, 12; got 5"),
        ({"y_true": np.ones(5, int), "target_lengths": None}, ValueError, "needs target_lengths"),
        ({"input_lengths": [41] * 6}, ValueError, r"input_lengths\[0\] = 41 is not from 0 to 40"),
        ({"input_lengths": [4.0] * 6}, TypeError, "input_lengths must hold integers"),
        ({"input_lengths": [4]}, ValueError, r"input_lengths must have shape \(6,\)"),
        ({"target_lengths": [-1] * 6}, ValueError, r"target_lengths\[0\] = -1 is not from 0 to 8"),
        ({"sample_weight": np.ones(5)}, ValueError, r"sample_weight .*\(6,\); got \(5,\)"),
        ({"sample_weight": [1, 1, np.nan, 1, 1, 1]}, fl.DomainError, r"sample_weight\[2\] = nan"),
        ({"sample_weight": np.zeros(6)}, ValueError, "mean over nothing"),
        ({"sample_weight": [1, -1, 0, 0, 0, 0]}, ValueError, "add up to 0"),
        ({"sample_weight": [1e308] * 6}, ValueError, "the sum of sample_weight overflows"),
        ({"reduction": "average"}, ValueError, "reduction must be"),
    ],
)
def test_mistakes(change, error, message):
    names = "y_true", "y_pred", "input_lengths", "target_lengths"
    y, z, frames, _ = batch()
    arguments = dict(zip(names, (y, z, frames, [2] * 6), strict=True)) | change
    with pytest.raises(error, match=message):
        fl.CTC().value_and_grad(**arguments)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"blank": -1}, ValueError),
        ({"blank": 0.5}, TypeError),
        ({"zero_infinity": 1}, TypeError),
        ({"from_logits": "yes"}, TypeError),
    ],
)
def test_wrong_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        fl.CTC(**options)


# ---- peers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [0, 4])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_parity_with_torch(reduction, joined, blank):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    y, z, frames, labels = batch(c=11)
    y[y == blank] = 9
    y[0, :2] = 9, 9
    frames[1] = 3  # too few
    labels[1] = 8
    rows = np.concatenate([r[:k] for r, k in zip(y, labels, strict=True)]) if joined else y
    logits = torch.from_numpy(z).requires_grad_()
    theirs = torch.nn.CTCLoss(blank=blank, reduction=reduction, zero_infinity=True)(
        logits.log_softmax(-1), *map(torch.from_numpy, (rows, frames, labels))
    )
    theirs.sum().backward()
    w = 1 / (6 * np.maximum(labels, 1)) if reduction == "mean" else None
    loss = fl.CTC(blank, zero_infinity=True, from_logits=True)
    ours, grad = loss.value_and_grad(
        rows,
        z,
        frames,
        labels,
        sample_weight=w,
        reduction="none" if reduction == "none" else "sum",
    )
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(grad, logits.grad.numpy(), atol=1e-12)


def test_parity_with_optax():
    optax = pytest.importorskip("optax", reason="optax is a peer, not a requirement")
    jax = pytest.importorskip("jax", reason="optax needs it")
    y, z, frames, labels = batch(np.float32)
    missing = (np.arange(40) >= frames[:, None]).astype(np.float32)
    none = (np.arange(8) >= labels[:, None]).astype(np.float32)

    def total(logits):
        return optax.ctc_loss(logits, missing, y, none).sum()

    theirs, slopes = jax.value_and_grad(total)(z.transpose(1, 0, 2))
    value, grad = fl.CTC(from_logits=True).value_and_grad(y, z, frames, labels, reduction="sum")
    assert value == pytest.approx(float(theirs), rel=1e-5)
    np.testing.assert_allclose(grad, np.asarray(slopes).transpose(1, 0, 2), atol=1e-4)
