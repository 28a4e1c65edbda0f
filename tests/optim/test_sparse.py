"""Sparse gradients: rows and their values, against dense steps, NumPy and torch."""

import numpy as np
import pytest
from optim_rules import L1L2, LAYERWISE, RULES, all_options

import fastloss as fl
from fastloss.optim import FTRL, SGD, AdaGrad, Adam, AdamW

DTYPES = (np.float32, np.float64)
TAKERS = [cls for cls in RULES if cls._takes_rows]
CASES = [(cls, options) for cls in TAKERS for options in RULES[cls][1]]
SHAPES = [(40,), (30, 1), (25, 7), (20, 3, 5), (9, 300), (1, 64)]
G = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def test_who_takes_rows():
    assert TAKERS == [SGD, AdaGrad, Adam, AdamW, FTRL]
    for cls in RULES:
        assert ("sparse gradients: see `step`" in cls.__doc__) == (cls in TAKERS)
        assert (f"`{cls.__name__}`" in cls.step.__doc__) == (cls in TAKERS)


def draw(shape, dtype, steps, seed=0):
    """Parameters, and for each step rows with duplicates in any order, and their values."""
    rng = np.random.default_rng(seed)
    p = rng.normal(size=shape).astype(dtype)
    found = []
    for _ in range(steps):
        rows = rng.integers(0, shape[0], rng.integers(1, 2 * shape[0]))
        found.append((rows, rng.normal(size=(len(rows), *shape[1:])).astype(dtype)))
    return p, found


def summed(rows, values, n):
    """The dense gradient, and which rows it names."""
    dense = np.zeros((n, *values.shape[1:]))
    np.add.at(dense, rows, values)
    return dense.astype(values.dtype), np.unique(rows)


def everything(opt, *params):
    state = opt.state_dict()
    arrays = [a.tobytes() for held in state["state"].values() for a in held.values()]
    return [p.tobytes() for p in params], arrays, opt.step_count


def rejected(opt, params, grads, error, match):
    before = everything(opt, *params)
    with pytest.raises(error, match=match):
        opt.step(grads)
    assert everything(opt, *params) == before


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("cls", "options"), CASES)
def test_all_rows_give_the_bits_of_a_dense_step(cls, options, shape, dtype):
    rng = np.random.default_rng(0)
    p = rng.normal(size=shape).astype(dtype)
    dense = p.copy()
    sparse_opt, dense_opt = cls(p, **options), cls(dense, **options)
    for step in range(4):
        g = rng.normal(size=shape).astype(dtype)
        rows = rng.permutation(shape[0]) if step % 2 else np.arange(shape[0])
        assert sparse_opt.step((rows, g[rows])) is True
        dense_opt.step(g)
        assert everything(sparse_opt, p) == everything(dense_opt, dense)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("cls", "options"), CASES)
def test_rows_with_duplicates_against_the_recurrence(cls, options, shape, dtype):
    """Rows that are named get the step of the rule; the others keep their bits, and wait."""
    p, steps = draw(shape, dtype, 12)
    opt, full = cls(p, **options), all_options(cls, options)
    exact = p.astype(np.float64)
    states = {index: {} for index in np.ndindex(shape)}
    for t, (rows, values) in enumerate(steps, 1):
        before = p.copy(), opt.state_dict()["state"][0]
        opt.step((rows, values))
        dense, named = summed(rows, values, shape[0])
        for index in states:
            if index[0] in named:
                s = states[index]
                if full.get("momentum") and t > 1:
                    s.setdefault("b", 0.0)  # the rule's first gradient counts whole at t = 1 only
                exact[index] = RULES[cls][0](
                    exact[index], np.float64(dense[index]), s, t, full["lr"], full, np.sqrt
                )
        others = np.setdiff1d(np.arange(shape[0]), named)
        assert p[others].tobytes() == before[0][others].tobytes()
        for name, array in opt.state_dict()["state"][0].items():
            assert array[others].tobytes() == before[1][name][others].tobytes()
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(p, exact, rtol=200 * eps, atol=200 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_duplicates_are_added_in_double_in_the_order_given(dtype):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 50, 2000)
    values = (10.0 ** rng.uniform(-6, 6, (2000, 300)) * rng.normal(size=(2000, 300))).astype(dtype)
    p = np.zeros((50, 300), dtype)
    SGD(p, lr=1.0).step((rows, values))
    assert (-p).tobytes() == summed(rows, values, 50)[0].tobytes()


@pytest.mark.parametrize("n", [1, 2, 2047, 2048, 2049, 5_000_000])
def test_many_rows_in_any_order(n):
    rng = np.random.default_rng(n)
    rows = rng.integers(0, n, 20_000)
    values = rng.normal(size=20_000)
    p = np.zeros(n)
    SGD(p, lr=1.0).step((rows, values))
    np.testing.assert_array_equal(-p, summed(rows, values, n)[0])


@pytest.mark.parametrize("dtype", [*"bhilqBHILQ", ">i4", ">u8"])
def test_indices_of_every_integer_dtype(dtype):
    p = np.zeros((4, 3))
    SGD(p, lr=1.0).step((np.array([3, 9, 1, 9], dtype)[::2], G))
    np.testing.assert_array_equal(-p, [[0] * 3, G[1], [0] * 3, G[0]])


def test_no_rows():
    p = np.ones((4, 3), np.float32)
    opt = Adam([p, np.zeros((0, 3)), np.zeros((3, 0))])
    none = np.zeros(0, int)
    for _ in range(2):
        assert opt.step([
            (none, np.zeros((0, 3), np.float32)),
            (none, np.zeros((0, 3))),
            (np.array([2, 2]), np.zeros((2, 0))),
        ])  # fmt: skip
    assert opt.step_count == 2
    assert (p == 1).all()


def test_sparse_and_dense_gradients_take_turns():
    rng = np.random.default_rng(0)
    params = {"a": np.ones((50, 90)), "b": np.ones(5000), "c": np.ones((30, 8), np.float32)}
    others = {key: p.copy() for key, p in params.items()}
    opt, dense_opt = SGD(params, lr=0.1, max_norm=1.0), SGD(others, lr=0.1, max_norm=1.0)
    for step in range(6):
        grads = {key: rng.normal(size=p.shape).astype(p.dtype) for key, p in params.items()}
        mixed = {}
        for k, (key, g) in enumerate(grads.items()):
            rows = rng.choice(len(g), 7, replace=False)
            if (step + k) % 3:
                mixed[key] = (rows, g[rows])
                grads[key] = np.zeros_like(g)
                grads[key][rows] = g[rows]
            else:
                mixed[key] = g
        opt.step(mixed)
        dense_opt.step(grads)
    for key, p in params.items():
        np.testing.assert_allclose(p, others[key], rtol=1e-5 if key == "c" else 1e-13)


# SparseAdam adds eps before the correction of the bias
@pytest.mark.parametrize(
    ("name", "their_options", "ours", "options"),
    [
        ("SparseAdam", {"eps": 0.01}, Adam, {"eps": 0.01, "eps_hat": True}),
        ("Adagrad", {}, AdaGrad, {}),
        ("SGD", {}, SGD, {}),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_parity_with_torch(name, their_options, ours, options, dtype):
    torch = pytest.importorskip("torch", reason="torch is the peer")
    p, steps = draw((30, 8), dtype, 60)
    theirs = torch.from_numpy(p.copy()).requires_grad_()
    their_opt = getattr(torch.optim, name)([theirs], lr=0.01, **their_options)
    opt = ours(p, lr=0.01, **options)
    for rows, values in steps:
        opt.step((rows, values))
        theirs.grad = torch.sparse_coo_tensor(
            torch.from_numpy(rows)[None],
            torch.from_numpy(values),
            p.shape,
            check_invariants=True,
        )
        their_opt.step()
    tolerance = 1e-12 if dtype is np.float64 else 2e-5
    np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_norm_is_that_of_the_sums(dtype):
    p, q = np.zeros((6, 2), dtype), np.zeros(3, dtype)
    rows = np.array([4, 1, 4])
    values = np.array([[1, 2], [3, 0], [-4, 2]], dtype)  # row 4 adds up to (-3, 4)
    SGD([p, q], lr=1.0, max_norm=1.0).step([(rows, values), np.array([0, 4, 0], dtype)])
    norm = np.sqrt(9 + 16 + 9 + 16)
    eps = 2 * np.finfo(dtype).eps
    np.testing.assert_allclose(p[[1, 4]], [[-3 / norm, 0], [3 / norm, -4 / norm]], rtol=eps)
    np.testing.assert_allclose(q, [0, -4 / norm, 0], rtol=eps)
    p[:] = 0
    SGD(p, lr=1.0, clip_value=2.5).step((rows, values))
    np.testing.assert_array_equal(p[[1, 4]], [[-2.5, 0], [2.5, -2.5]])


def test_sums_that_are_not_finite():
    p = np.zeros((6, 2))
    rows = np.array([4, 1, 4])
    values = np.array([[np.inf, 2], [3, 0], [-np.inf, 2]])
    opt = Adam([np.zeros(3), p], nonfinite="raise")
    rejected(opt, [p], [np.zeros(3), (rows, values)], fl.DomainError,
             r"grads\[1\]\[4, 0\] = nan is not finite")  # fmt: skip
    opt = Adam(p, nonfinite="skip")
    assert opt.step((rows, values)) is False
    assert opt.step_count == 0 and (p == 0).all()
    Adam(p).step((rows, values))
    assert np.isnan(p[4, 0]) and np.isfinite(np.delete(p.ravel(), 8)).all()


@pytest.mark.parametrize(
    ("pair", "error", "match"),
    [
        (([0, 5], G), ValueError, r"grads\['w'\]\[0\]\[1\] = 5 is no row .* which has 5"),
        (([-1, 2], G), ValueError, r"\[0\] = -1 is no row"),
        ((np.array([0, 2**64 - 1], np.uint64), G), ValueError, r"= 18446744073709551615 is no row"),
        (([0.0, 1.0], G), TypeError, "integers in one axis; got float64"),
        (([True, False], G), TypeError, "got bool"),
        (([[0, 1]], G), TypeError, r"shape \(1, 2\)"),
        (([0, 1, 2], G), ValueError, r"shape \(3, 3\), a row .*got \(2, 3\)"),
        (([0, 1], G[:, :2].copy()), ValueError, r"got \(2, 2\)"),
        (([0, 1], G.astype(np.float32)), TypeError, r"\[1\] must be float64"),
        (([0, 1], np.asfortranarray(G)), ValueError, "C-contiguous"),
        (([0, 1], G.astype(">f8")), ValueError, "native"),
        (([0, 1], np.ma.array(G)), TypeError, "masked"),
        ((G,), TypeError, "a tuple of 1"),
        (([0, 1], G, (5, 3)), TypeError, "a tuple of 3"),
    ],
)
def test_a_pair_that_does_not_fit_changes_nothing(pair, error, match):
    params = {"v": np.ones(3), "w": np.ones((5, 3))}
    opt = Adam(params, lr=0.1)
    opt.step({"v": G[0], "w": (np.array([1, 3]), G)})
    rejected(opt, params.values(), {"v": G[0], "w": pair}, error, match)


def test_parameters_without_rows():
    for p in (np.array(1.0), np.zeros((3, 3), order="F")):
        rejected(SGD(p), [p], ([0], np.zeros((1, *p.shape[1:]))), ValueError, "no rows that are")


def test_values_that_share_memory_with_a_parameter():
    p = np.ones((5, 3))
    rejected(SGD(p), [p], ([3], p[:1]), ValueError, "shares memory")


@pytest.mark.parametrize("cls", [c for c in [*RULES, *LAYERWISE] if c not in TAKERS])
def test_rules_that_take_no_rows(cls):
    p = np.ones((5, 3))
    match = f"{cls.__name__} takes no sparse.* those that do: Adam, AdamW, AdaGrad, FTRL, SGD"
    rejected(cls(p), [p], ([0, 1], G), TypeError, match)


def test_penalties():
    p = np.ones((5, 3))
    SGD(p, lr=0.5, penalty=L1L2(l1=1.0)).step(([1, 3], np.zeros((2, 3))))
    np.testing.assert_array_equal(p[:, 0], [1, 0.5, 1, 0.5, 1])

    class Halves:
        def prox(self, w, step, out):
            np.multiply(w, 0.5, out=out)

    opt = SGD([{"params": p, "penalty": Halves()}, {"params": np.ones((5, 3))}])
    rejected(opt, [p], [([0, 1], G), G], TypeError, "proximal step on all rows")
    with pytest.raises(ValueError, match=r"grads\[1\]"):
        opt.step([np.ones((5, 3)), G])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(90_000,), (3000, 67), (40, 5000)])
@pytest.mark.parametrize(("cls", "options"), [(Adam, {"max_norm": 1.0}), (SGD, {}), (FTRL, {})])
def test_bits_are_the_same_for_every_number_of_threads(cls, options, shape, dtype):
    results = set()
    for threads in (1, 2, 7, 16):
        p, steps = draw(shape, dtype, 3)
        with fl.num_threads(threads):
            opt = cls([p, np.zeros(70_000)], **options)
            for rows, values in steps:
                opt.step([(rows, values), np.ones(70_000)])
        results.add(p.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(("cls", "options"), CASES)
def test_resuming_gives_the_bits_of_going_on(cls, options):
    p, steps = draw((25, 7), np.float32, 8)
    opt = cls(p, **options)
    for pair in steps[:4]:
        opt.step(pair)
    saved, halfway = opt.state_dict(), p.copy()
    for pair in steps[4:]:
        opt.step(pair)
    again = cls(halfway, **options)
    again.load_state_dict(saved)
    for pair in steps[4:]:
        again.step(pair)
    assert everything(again, halfway) == everything(opt, p)
