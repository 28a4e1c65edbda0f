"""Penalties: exact values and gradients, proximal steps by their definition, and arrays."""

import copy
import math
import pickle
import tracemalloc

import numpy as np
import pytest
from mpmath import mp, mpf, sqrt
from scipy.optimize import minimize_scalar

import fastloss as fl
from fastloss import _core, penalties
from fastloss.config import last_level_cache
from fastloss.penalties import L1, L2, ElasticNet, GroupLasso

ELEMENTWISE = [L1(0.3), L1(0.0), L2(0.7), L2(0.0), ElasticNet(0.3, 0.7), ElasticNet(0.0, 0.7)]
ELEMENTWISE += [ElasticNet(0.3, 0.0), ElasticNet(0.0, 0.0)]
GROUPED = [GroupLasso(0.3), GroupLasso(0.3, axis=0), GroupLasso(0.0)]
PENALTIES = [*ELEMENTWISE, *GROUPED]
DTYPES = [np.float32, np.float64]

each = pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def sample(dtype, shape=(40, 7), seed=0):
    """Parameters of all sizes, some of them, and some rows and columns, exactly 0."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=shape) * np.exp(rng.uniform(-5, 5, shape))
    w[rng.random(shape) < 0.2] = 0
    w[3], w[:, 2] = 0, 0
    return w.astype(dtype)


def groups(penalty, w):
    """The groups of a penalty, as lists of indices."""
    if isinstance(penalty, GroupLasso):
        axis = penalty.axis % w.ndim
        return [
            [(i, j) for i in range(w.shape[0]) for j in range(w.shape[1]) if (i, j)[1 - axis] == k]
            for k in range(w.shape[1 - axis])
        ]
    return []


def exact(penalty, w):
    """Value and gradient to 50 digits, by the formula of the docstring."""
    strengths = [mpf(v) for v in (getattr(penalty, "l1", 0), getattr(penalty, "l2", 0))]
    value, grad = mpf(0), np.zeros(w.shape, object)
    for index in np.ndindex(w.shape):
        x = mpf(float(w[index]))
        value += strengths[0] * abs(x) + strengths[1] / 2 * x * x
        grad[index] = strengths[0] * mp.sign(x) + strengths[1] * x
    for group in groups(penalty, w):
        norm = sqrt(sum(mpf(float(w[i])) ** 2 for i in group))
        value += mpf(penalty.strength) * norm
        for i in group:
            grad[i] = mpf(penalty.strength) * mpf(float(w[i])) / norm if norm else mpf(0)
    return value, grad


def ulps(found, expected):
    """The largest error, in units of the dtype's relative precision."""
    scale = [abs(e) * float(np.finfo(found.dtype).eps) / 2 or 1 for e in expected.flat]
    errors = zip(found.flat, expected.flat, scale, strict=True)
    return max(abs(mpf(float(f)) - e) / s for f, e, s in errors)


@each
@each_dtype
def test_value_and_gradient(penalty, dtype):
    w = sample(dtype)
    with mp.workdps(50):
        value, grad = exact(penalty, w)
        found = penalty.value_and_grad(w)
        assert found[1].dtype == dtype
        assert ulps(found[1], grad) <= 5  # two products and a sum, with rounded strengths
        precision = float(np.finfo(dtype).eps)
        assert abs(found[0] - value) <= 3 * precision * value
    assert type(found[0]) is float
    assert penalty.value(w) == pytest.approx(found[0], rel=1e-15)
    np.testing.assert_array_equal(penalty.grad(w), found[1])


@each
@each_dtype
def test_the_gradient_is_that_of_the_value(penalty, dtype):
    w = sample(np.float64)
    w[w == 0] = 1  # away from kinks
    grad = penalty.grad(w)
    for index in [(0, 0), (7, 3), (39, 6)]:
        step = 1e-6 * max(1, abs(w[index]))
        up, down = w.copy(), w.copy()
        up[index] += step
        down[index] -= step
        slope = (penalty.value(up) - penalty.value(down)) / (2 * step)
        assert slope == pytest.approx(grad[index], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("penalty", ELEMENTWISE, ids=repr)
@pytest.mark.parametrize("step", [0.0, 0.1, 1.0, 30.0])
def test_prox_minimises_its_definition(penalty, step):
    w = np.array([0.0, 0.02, -0.02, 0.29, 1.0, -3.0, 50.0])
    found = penalty.prox(w, step)
    for x, v in zip(w, found, strict=True):

        def objective(v, x=x):
            return (v - x) ** 2 / 2 + step * penalty.value(np.array([v]))

        best = minimize_scalar(objective, bounds=(-60, 60), method="bounded", options={
            "xatol": 1e-10,
        })  # fmt: skip
        # a minimum is known to the root of the precision of its value
        assert v == pytest.approx(best.x, abs=2e-6 * max(1, abs(x)))
        assert objective(v) <= best.fun + 1e-13 * max(1, x * x)


@each
@each_dtype
@pytest.mark.parametrize("step", [0.0, 0.25, 4.0, 1e300, 1.7e308])
def test_prox_meets_the_condition_of_a_minimum(penalty, dtype, step):
    """w - v is step times a subgradient at v: at a kink, of at most the strength."""
    w = sample(dtype)
    v = penalty.prox(w, step)
    assert v.dtype == dtype
    if step > 5:
        assert (abs(v) <= 1e-290).all() or penalty.value(w) == 0
        return
    rest = w.astype(float) - v
    allowed = 4 * np.finfo(dtype).eps * (1 + abs(w))
    smooth = step * penalty.grad(v.astype(np.float64))
    if isinstance(penalty, GroupLasso):
        norms = np.sqrt((rest**2).sum(axis=penalty.axis, keepdims=True)) + 0 * w
        gone = (v == 0).all(axis=penalty.axis, keepdims=True) & np.ones(w.shape, bool)
        assert (norms[gone] <= step * penalty.strength + allowed[gone]).all()
        scale = np.linalg.norm(w.astype(float), axis=penalty.axis, keepdims=True) + 0 * w
        allowed = allowed * (1 + step * penalty.strength * 1e2 / np.maximum(scale, 1e-3))
    else:
        gone = v == 0
        assert (abs(rest)[gone] <= step * penalty.l1 + allowed[gone]).all()
    assert (abs(rest - smooth)[~gone] <= 8 * allowed[~gone]).all()


@each_dtype
def test_prox_of_l1_and_l2_by_hand(dtype):
    w = np.array([3, 0.5, -0.25, 0, -2], dtype)
    np.testing.assert_array_equal(L1(0.5).prox(w, 1.0), np.array([2.5, 0, 0, 0, -1.5], dtype))
    np.testing.assert_array_equal(L2(1.0).prox(w, 1.0), w / 2)
    both = ElasticNet(0.5, 1.0).prox(w, 1.0)
    np.testing.assert_array_equal(both, np.array([1.25, 0, 0, 0, -0.75], dtype))


def test_groups_of_labels_are_those_of_rows():
    w = sample(np.float64, (60_000, 3)).ravel()  # more than a block
    by_label = GroupLasso(0.3, groups=np.arange(len(w)) // 3)
    matrix = w.reshape(-1, 3)
    value, grad = by_label.value_and_grad(w)
    assert value == pytest.approx(GroupLasso(0.3).value(matrix), rel=1e-13)
    np.testing.assert_allclose(grad, GroupLasso(0.3).grad(matrix).ravel(), rtol=1e-15)
    np.testing.assert_allclose(
        by_label.prox(w, 2.0), GroupLasso(0.3).prox(matrix, 2.0).ravel(), rtol=1e-14
    )
    shuffled = np.random.default_rng(0).permutation(len(w))
    other = GroupLasso(0.3, groups=shuffled // 3)
    np.testing.assert_allclose(other.grad(w[shuffled]), grad[shuffled], rtol=1e-15)


def test_a_label_without_elements_is_a_group_of_nothing():
    assert GroupLasso(1.0, groups=[0, 5]).value([3.0, -4.0]) == 7.0


@pytest.mark.parametrize("label", [2**40, 2**63 - 1])
def test_large_labels_take_no_more_memory(label):
    penalty = GroupLasso(1.0, groups=[label, 0, label])
    assert penalty.groups == (label, 0, label)
    value, grad = penalty.value_and_grad([3.0, 2.0, 4.0])
    assert value == 7.0
    np.testing.assert_allclose(grad, [0.6, 1.0, 0.8], rtol=1e-15)


# ---- arrays


@each
@each_dtype
def test_blocks_and_layouts(penalty, dtype):
    whole = sample(dtype, (60_000, 14))  # of several blocks
    for w in (whole[::2, ::-2], whole.T[:, ::3], np.asfortranarray(whole), whole.astype(">f4")):
        plain = np.ascontiguousarray(w, w.dtype.newbyteorder("="))
        assert penalty.value(w) == pytest.approx(penalty.value(plain), rel=1e-14)
        for call in (penalty.grad, lambda w: penalty.prox(w, 0.5)):
            found, expected = call(w), call(plain)
            # norms depend on the order of sums, and shrinking by nearly 1 brings that out
            error = abs(found.astype(float) - expected)
            assert (error <= 16 * np.finfo(dtype).eps * (abs(expected) + abs(plain))).all()
            assert found.flags.c_contiguous


@each
@each_dtype
def test_out(penalty, dtype):
    w = sample(dtype)
    expected = penalty.value_and_grad(w)[1]
    out = np.full_like(w, np.nan)
    assert penalty.value_and_grad(w, out=out)[1] is out
    np.testing.assert_array_equal(out, expected)
    assert penalty.grad(out := w.copy(), out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert penalty.prox(out := w.copy(), 0.5, out=out) is out
    np.testing.assert_array_equal(out, penalty.prox(w, 0.5))


@each
def test_a_bad_out_raises_and_nothing_is_written(penalty):
    w = sample(np.float64)
    wide = np.ones((41, 7))
    frozen = np.ones(w.shape)
    frozen.flags.writeable = False
    for out in (np.ones(3), np.ones(w.shape, np.float32), np.ones(w.shape[::-1]).T, frozen,
                np.ones(w.shape, ">f8")):  # fmt: skip
        for call in (penalty.grad, lambda w, out: penalty.prox(w, 1.0, out)):
            with pytest.raises(ValueError, match="^out must be a writeable, C-contiguous"):
                call(w, out=out)
            assert (out == 1).all()
    for call in (penalty.grad, lambda w, out: penalty.prox(w, 1.0, out)):
        with pytest.raises(TypeError, match="out must be a numpy.ndarray; got list"):
            call(w, out=[1.0])
        with pytest.raises(ValueError, match="^out overlaps w in memory"):
            call(wide[1:], out=wide[:-1])
    assert (wide == 1).all()


@each
@pytest.mark.parametrize(("given", "computed"), [
    (np.float16, np.float32), (np.int32, np.float64), (bool, np.float64), (np.uint8, np.float64),
])  # fmt: skip
def test_other_dtypes(penalty, given, computed):
    w = sample(np.float64).clip(0, 100).astype(given)
    for found, expected in (
        (penalty.value_and_grad(w)[1], penalty.value_and_grad(w.astype(computed))[1]),
        (penalty.prox(w, 0.5), penalty.prox(w.astype(computed), 0.5)),
    ):
        assert found.dtype == computed
        np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(computed).eps)


@each
@pytest.mark.parametrize("bad", [
    np.ones((2, 2), complex), np.ones((2, 2), object), [["a"]], np.ma.ones((2, 2)),
    np.ones((2, 2), np.longdouble),
], ids=lambda bad: str(np.asanyarray(bad).dtype))  # fmt: skip
def test_what_holds_no_real_numbers_raises(penalty, bad):
    for call in (penalty.value, penalty.grad, lambda w: penalty.prox(w, 1.0)):
        with pytest.raises(TypeError, match="^w (must hold real|is a masked array)"):
            call(bad)


@each
def test_nothing_costs_nothing(penalty):
    w = np.zeros((0, 3))
    value, grad = penalty.value_and_grad(w)
    assert value == penalty.value(w) == 0
    assert grad.shape == penalty.prox(w, 1.0).shape == (0, 3)


@each
def test_nan_stays_where_it_is_seen(penalty):
    w = sample(np.float64)
    w[0, 0] = np.nan
    nothing = penalty in (L1(0.0), L2(0.0), ElasticNet(0.0, 0.0))
    assert math.isnan(penalty.value(w)) != nothing
    assert math.isnan(penalty.grad(w)[0, 0]) != nothing
    assert math.isnan(penalty.prox(w, 1.0)[0, 0])
    assert np.isfinite(penalty.grad(w)[1:, 1:]).all()


@each
def test_what_is_not_contiguous_is_not_copied(penalty):
    w = sample(np.float32, (2000, 400))[::2, ::-2]
    out = np.empty(w.shape, w.dtype)
    tracemalloc.start()
    try:
        penalty.value(w)
        penalty.value_and_grad(w, out=out)
        penalty.prox(w, 0.5, out=out)
        assert tracemalloc.get_traced_memory()[1] < w.nbytes / 4
    finally:
        tracemalloc.stop()


def test_sums_keep_their_digits():
    w = np.full(1_400_000, 0.1, np.float32)
    assert L2(2.0).value(w) / w.size == pytest.approx(float(np.float32(0.1)) ** 2, rel=1e-7)
    assert L1(1.0).value(w) / w.size == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 511, 512, 513, 1031, 40_003])
@pytest.mark.parametrize("penalty", ELEMENTWISE, ids=repr)
@each_dtype
def test_every_element_is_reached_and_none_beyond(penalty, dtype, n):
    w = np.random.default_rng(n).uniform(0.1, 2, n).astype(dtype)
    w[::3] *= -1
    x = w.astype(float)
    eps = np.finfo(dtype).eps
    room = np.full(n + 2, 7, dtype)
    value, grad = penalty.value_and_grad(w, out=room[1:-1])
    expected = penalty.l1 * abs(x).sum() + penalty.l2 / 2 * (x * x).sum()
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(grad, penalty.l1 * np.sign(x) + penalty.l2 * x, rtol=3 * eps)
    np.testing.assert_array_equal(penalty.grad(w), grad)
    assert penalty.value(w) == pytest.approx(expected, rel=1e-13)
    prox = np.sign(x) * np.maximum(abs(x) - 0.5 * penalty.l1, 0) / (1 + 0.5 * penalty.l2)
    penalty.prox(w, 0.5, out=room[1:-1])
    np.testing.assert_allclose(room[1:-1], prox, rtol=3 * eps, atol=2 * eps)
    assert room[0] == room[-1] == 7


@each_dtype
def test_zeros_subnormals_and_infinities(dtype):
    tiny, inf = np.finfo(dtype).smallest_subnormal, np.inf
    w = np.array([0.0, -0.0, 2 * tiny, -2 * tiny, inf, -inf], dtype)
    signs = np.array([0, 0, 1, -1, 1, -1])
    np.testing.assert_array_equal(L1(0.5).grad(w), 0.5 * signs)
    np.testing.assert_array_equal(L2(0.5).grad(w), w / 2)
    np.testing.assert_array_equal(ElasticNet(0.5, 0.5).grad(w), [0, 0, 0.5, -0.5, inf, -inf])
    for step in (1.0, 1e300, 1.7e308):
        np.testing.assert_array_equal(L1(10.0).prox(w, step), [0, 0, 0, 0, inf, -inf])
    for penalty in (L1(0.0), L2(0.0)):
        np.testing.assert_array_equal(penalty.prox(w, 1.0), w)
        assert penalty.value(w) == 0
    np.testing.assert_array_equal(L2(1.0).prox(w, 1.0), w / 2)
    assert L1(1.0).value(w[:4]) == 4 * float(tiny)
    assert L1(1.0).value(w) == L2(1.0).value(w) == inf


def test_squares_of_float32_neither_overflow_nor_vanish():
    assert L2(2.0).value(np.array([1e30], "f")) == pytest.approx(1e60, rel=1e-6)
    assert L2(2.0).value(np.array([1e-30], "f")) == pytest.approx(1e-60, rel=1e-6)


@pytest.mark.parametrize("penalty", ELEMENTWISE, ids=repr)
def test_stores_past_the_cache(penalty):
    w = sample(np.float32, (2000, 7))
    expected = penalty.value_and_grad(w), penalty.prox(w, 0.1)
    room = np.full(w.size + 3, 7, np.float32)
    out = room[1:-2].reshape(w.shape)  # does not start a line
    _core.configure(cache=1 << 10)
    try:
        assert penalty.value_and_grad(w, out=out)[0] == expected[0][0]
        np.testing.assert_array_equal(out, expected[0][1])
        np.testing.assert_array_equal(penalty.prox(w, 0.1, out=out), expected[1])
        np.testing.assert_array_equal(penalty.prox(w[:, ::-1], 0.1)[:, ::-1], expected[1])
    finally:
        _core.configure(cache=last_level_cache())
    assert room[0] == room[-2] == room[-1] == 7


@pytest.mark.parametrize(("shape", "axis"), [
    ((5,), 0), ((40_000,), 0), ((1, 16), 1), ((7, 1), 1), ((600, 3), 1), ((3, 17), 1),
    ((2, 20_000), 1), ((3, 1030), 0), ((20_000, 3), 0), ((4, 6, 5), 1), ((3, 5, 700), 1),
    ((1300, 2, 2), 1), ((6, 5, 4), 2), ((3, 1, 600), 1), ((4, 0, 3), 1), ((4, 3, 0), 1),
], ids=str)  # fmt: skip
@each_dtype
def test_groups_of_every_layout(dtype, shape, axis):
    w = sample(dtype, (60, 1000)).ravel()[: math.prod(shape)].reshape(shape)
    x, eps = w.astype(float), np.finfo(dtype).eps
    norms = np.sqrt((x * x).sum(axis, keepdims=True))
    safe = np.where(norms == 0, 1, norms)
    for penalty in (GroupLasso(0.5, axis=axis), GroupLasso(0.5, axis=axis - len(shape))):
        for given in (w, np.asfortranarray(w), w.astype(w.dtype.newbyteorder("S"))):
            value, grad = penalty.value_and_grad(given)
            assert value == pytest.approx(0.5 * norms.sum(), rel=1e-13)
            assert penalty.value(given) == pytest.approx(value, rel=1e-13)
            np.testing.assert_allclose(grad, 0.5 * x / safe, rtol=2 * eps)
            left = np.maximum(1 - 2 * 0.5 / safe, 0)
            np.testing.assert_allclose(penalty.prox(given, 2.0), left * x, rtol=2 * eps, atol=1e-12)


@each
def test_threads_do_not_change_a_bit(penalty):
    w = sample(np.float32, (1000, 700))
    found = []
    for threads in (1, 2, 7):
        with fl.num_threads(threads):
            value, grad = penalty.value_and_grad(w)
            prox = penalty.prox(w, 0.1)
            found.append((penalty.value(w), value, grad.tobytes(), prox.tobytes()))
            assert penalty.value_and_grad(out := w.copy(), out=out)[0] == value
            assert out.tobytes() == grad.tobytes()
    assert found[0] == found[1] == found[2]


# ---- objects


@each
def test_copies_are_equal(penalty):
    for other in (
        eval(repr(penalty), vars(penalties)),
        pickle.loads(pickle.dumps(penalty)),
        copy.deepcopy(penalty),
    ):
        assert other == penalty
        assert hash(other) == hash(penalty)
        assert repr(other) == repr(penalty)
        assert other.value(np.ones((2, 2))) == penalty.value(np.ones((2, 2)))
    for name in ("strength", "l1", "axis", "anything"):
        with pytest.raises(AttributeError):
            setattr(penalty, name, 1.0)


def test_groups_are_copied_like_everything_else():
    penalty = GroupLasso(0.3, groups=np.array([0, 1, 0]))
    assert repr(penalty) == "GroupLasso(strength=0.3, axis=-1, groups=(0, 1, 0))"
    assert pickle.loads(pickle.dumps(penalty)) == penalty == eval(repr(penalty), vars(penalties))
    assert len({penalty, GroupLasso(0.3, groups=[0, 1, 0]), GroupLasso(0.3, groups=[0, 1, 1])}) == 2


def test_different_penalties_differ():
    assert len(set(PENALTIES)) == len(PENALTIES)
    assert L1(0.3) != L2(0.3)


def test_the_strengths_that_an_optimizer_reads():
    assert (L1(0.3).l1, L1(0.3).l2) == (0.3, 0.0)
    assert (L2(0.3).l1, L2(0.3).l2) == (0.0, 0.3)
    assert (ElasticNet(0.3, 0.7).l1, ElasticNet(0.3, 0.7).l2) == (0.3, 0.7)
    assert not hasattr(GroupLasso(0.3), "l1")


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: L1(-1), ValueError, r"strength must be in \[0, inf\); got -1"),
    (lambda: L2(math.nan), ValueError, "strength must be in"),
    (lambda: L2(math.inf), ValueError, "strength must be in"),
    (lambda: ElasticNet("1", 0), TypeError, "l1 must be a real number; got '1'"),
    (lambda: ElasticNet(0, True), TypeError, "l2 must be a real number; got True"),
    (lambda: GroupLasso(1, axis=0.5), TypeError, "axis must be an integer"),
    (lambda: GroupLasso(1, groups=[0.5]), TypeError, "groups must be a sequence of integers"),
    (lambda: GroupLasso(1, groups=[[0]]), TypeError, "groups must be a sequence of integers"),
    (lambda: GroupLasso(1, groups=[2**64]), TypeError, r"integers below 2\*\*63; got .18446744"),
    (lambda: GroupLasso(1, groups=[2**63]), ValueError, "groups must be in .*; got 92233720368547"),
    (lambda: GroupLasso(1, groups=[2**63, 0]), TypeError, r"integers below 2\*\*63; got .9223372"),
    (lambda: GroupLasso(1, groups=[0, -1]), ValueError, "groups must be in .*; got -1"),
    (lambda: GroupLasso(1, axis=2).value(np.ones((2, 2))), ValueError, "one of the 2 axes"),
    (lambda: GroupLasso(1, axis=2**70).grad(np.ones((2, 2))), ValueError, "one of the 2 axes"),
    (lambda: GroupLasso(1).value(3.0), ValueError, "one of the 0 axes"),
    (lambda: GroupLasso(1, groups=[0, 1]).grad(np.ones(3)), ValueError, r"shape \(2,\), as groups"),
    (lambda: L1(1).prox([1.0], -1), ValueError, r"step must be in \[0, inf\); got -1"),
    (lambda: GroupLasso(1).prox([1.0], "1"), TypeError, "step must be a real number"),
])  # fmt: skip
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("model", "options", "reduction", "penalty"),
    [
        ("Lasso", {"alpha": 0.3}, "mean", L1(0.6)),
        ("ElasticNet", {"alpha": 0.3, "l1_ratio": 0.4}, "mean", ElasticNet(0.24, 0.36)),
        ("Ridge", {"alpha": 0.3}, "sum", L2(0.6)),
    ],
)
def test_objectives_of_scikit_learn(model, options, reduction, penalty):
    """What docs/reductions.md says: its coefficients stay where they are in a proximal step."""
    linear_model = pytest.importorskip("sklearn.linear_model", reason="a peer")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y, weights = X @ [1.0, 0.0, -2.0, 0.1] + rng.normal(size=60), rng.uniform(0.5, 2, 60)
    fit = getattr(linear_model, model)(fit_intercept=False, tol=1e-14, **options)
    w = fit.fit(X, y, sample_weight=weights).coef_
    grad = fl.SquaredError().grad(y, X @ w, sample_weight=weights, reduction=reduction)
    np.testing.assert_allclose(penalty.prox(w - 0.01 * (X.T @ grad), 0.01), w, atol=1e-12)


def test_groups_along_a_middle_axis_do_not_depend_on_threads():
    w = sample(np.float32, (420_000, 3)).reshape(70_000, 6, 3)
    penalty, found = GroupLasso(0.3, axis=1), set()
    for threads in (1, 2, 7):
        with fl.num_threads(threads):
            value, grad = penalty.value_and_grad(w)
        found.add((value, grad.tobytes()))
    assert len(found) == 1
    norms = np.sqrt((w.astype(float) ** 2).sum(axis=1))
    assert value == pytest.approx(0.3 * norms.sum(), rel=1e-12)
