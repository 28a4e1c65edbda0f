"""Objectives of linear models: one pass over X against NumPy's two, and SciPy's optimizers."""

import numpy as np
import pytest
import scipy.sparse
from samples import DTYPES
from scipy.optimize import check_grad, minimize

import fastloss as fl
from fastloss import _core
from fastloss.linear_model.matrices import matrix_of

POINTWISE = [
    "logistic",
    "mse",
    "huber",
    "poisson",
    "hinge",
    "quantile:q=0.9",
    "general_robust:alpha=-1",
]
ROWS = ["softmax_cross_entropy", "softmax_focal", "multiclass_hinge", "multilabel_logistic"]
SHAPES = [(1, 1), (5, 3), (1000, 7), (333, 100), (40_001, 33), (17, 1000)]


def data(loss, n, d, k=1, dtype=np.float64, seed=0):
    """X, y and weights of a loss's kind."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    w = (rng.normal(size=(k, d + 1)) / np.sqrt(d)).astype(dtype)
    if loss.startswith("multilabel"):
        return X, rng.integers(0, 2, (n, k)).astype(dtype), w
    if k > 1 and loss in ROWS:
        return X, rng.integers(0, k, n), w
    y = rng.integers(0, 2, n).astype(dtype)
    return X, 2 * y - 1 if loss == "hinge" else y, w[0]


def by_numpy(loss, X, y, w, sample_weight=None, offset=0.0):
    """The mean loss and its gradient, from two products with X."""
    rows = np.atleast_2d(w).astype(np.float64)
    z = X.astype(np.float64) @ rows[:, :-1].T + rows[:, -1]
    z = (z[:, 0] if w.ndim == 1 else z) + offset
    value, r = fl.get_loss(loss).value_and_grad(y, z, sample_weight=sample_weight)
    r = r.reshape(len(X), -1)
    grad = np.concatenate([r.T @ X, r.sum(axis=0)[:, None]], axis=1)
    return value, grad.reshape(w.shape)


def assert_close(got, want, dtype):
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    assert got[0] == pytest.approx(want[0], rel=tolerance)
    np.testing.assert_allclose(got[1], want[1], atol=tolerance * np.abs(want[1]).max() + 1e-300)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", POINTWISE)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_one_output(loss, n, d, dtype):
    X, y, w = data(loss, n, d, dtype=dtype)
    s = np.random.default_rng(1).uniform(0.1, 2, n)
    for weight in (None, s):
        objective = fl.LinearObjective(loss, X, y, sample_weight=weight)
        got = objective.value_and_grad(w)
        assert_close(got, by_numpy(loss, X, y, w, weight), dtype)
        assert objective.value(w) == pytest.approx(got[0], rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ROWS)
@pytest.mark.parametrize("k", [2, 3, 5, 10, 40])
def test_several_outputs(loss, k, dtype):
    X, y, w = data(loss, 3001, 23, k, dtype)
    s = np.random.default_rng(1).uniform(0.1, 2, len(X))
    for weight in (None, s):
        objective = fl.LinearObjective(loss, X, y, sample_weight=weight)
        assert objective.shape == (k, 24)
        assert_close(objective.value_and_grad(w), by_numpy(loss, X, y, w, weight), dtype)
    flat = objective.value_and_grad(w.ravel())
    assert flat[1].shape == (k * 24,)


def test_several_targets_of_a_pointwise_loss():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(500, 6)), rng.normal(size=(500, 3)), rng.normal(size=(3, 7))
    objective = fl.LinearObjective("mse", X, y)
    assert_close(objective.value_and_grad(w), by_numpy("mse", X, y, w), np.float64)


def layouts(X):
    yield np.asfortranarray(X)
    yield np.repeat(X, 2, axis=0)[::2]
    yield np.repeat(X, 2, axis=1)[:, ::2]
    yield X[::-1][::-1]
    yield X.astype(">f8")
    yield scipy.sparse.csr_matrix(X)
    yield scipy.sparse.csc_array(X)
    wide = scipy.sparse.csr_matrix(X)
    wide.indptr, wide.indices = wide.indptr.astype(np.int64), wide.indices.astype(np.int64)
    yield wide
    yield X.tolist()


@pytest.mark.parametrize("loss", ["logistic", "softmax_cross_entropy"])
def test_any_layout_of_X(loss):
    X, y, w = data(loss, 700, 11, 4 if loss in ROWS else 1)
    X[np.random.default_rng(0).random(X.shape) < 0.7] = 0
    expected = by_numpy(loss, X, y, w)
    for given in layouts(X):
        objective = fl.LinearObjective(loss, given, y)
        assert_close(objective.value_and_grad(w), expected, np.float64)
        z = X @ np.atleast_2d(w)[:, :-1].T + np.atleast_2d(w)[:, -1]
        np.testing.assert_allclose(objective.predict(w), z if w.ndim > 1 else z[:, 0], atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (40, 1), (1, 40), (7, 3)])
def test_steps_of_any_size_along_either_axis(shape):
    n, d = shape
    wide = np.random.default_rng(0).normal(size=(3 * n, 3 * d))
    y, w = np.arange(n) % 2, np.linspace(-1, 1, d + 1)
    for base in (wide, np.asfortranarray(wide)):
        for down in (1, 2, 3, -1, -3):
            for across in (1, 2, 3, -1, -3):
                X = base[::down, ::across][:n, :d]
                got = fl.LinearObjective("logistic", X, y).value_and_grad(w)
                assert_close(got, by_numpy("logistic", X, y, w), np.float64)
    same = np.broadcast_to(wide[0, :d], shape)
    got = fl.LinearObjective("logistic", same, y).value_and_grad(w)
    assert_close(got, by_numpy("logistic", same, y, w), np.float64)


@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, scipy.sparse.csr_matrix])
@pytest.mark.parametrize("loss", ["logistic", "softmax_cross_entropy"])
def test_a_pass_over_some_of_the_rows(loss, kind):
    X, y, w = data(loss, 3000, 7, 6 if loss in ROWS else 1)
    rows = np.atleast_2d(w)
    coef, intercept = np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1])
    matrix = matrix_of(kind(X))[0]
    for size in (1, 77, 2000):
        index = np.random.default_rng(size).permutation(3000)[:size].astype(np.intp)
        value, sums = _core.linear_pass(
            fl.get_loss(loss), matrix, y[index], coef, intercept, None, 1, index=index
        )
        expected, grad = by_numpy(loss, X[index], y[index], w)
        grad = np.atleast_2d(grad)
        joined = np.concatenate([grad[:, :-1].ravel(), grad[:, -1]])
        assert_close((value, sums), (expected, joined), np.float64)


def test_few_rows_of_many_columns():
    X = scipy.sparse.random(300, 40_000, 0.001, "csr", random_state=0)
    y = np.arange(300) % 2
    w = np.random.default_rng(0).normal(size=40_001)
    expected = by_numpy("logistic", X.toarray(), y, w)
    assert_close(fl.LinearObjective("logistic", X, y).value_and_grad(w), expected, np.float64)


def test_a_memory_map(tmp_path):
    X, y, w = data("logistic", 700, 11)
    mapped = np.memmap(tmp_path / "X", np.float64, "w+", shape=X.shape)
    mapped[:] = X
    got = fl.LinearObjective("logistic", mapped, y).value_and_grad(w)
    assert_close(got, by_numpy("logistic", X, y, w), np.float64)


@pytest.mark.parametrize("loss", ["logistic", "softmax_cross_entropy"])
@pytest.mark.parametrize("order", ["C", "F", "sparse"])
def test_bits_are_the_same_for_every_number_of_threads(loss, order):
    X, y, w = data(loss, 30_001, 40, 5 if loss in ROWS else 1, np.float32)
    X = scipy.sparse.csr_matrix(X) if order == "sparse" else np.asarray(X, order=order)
    objective = fl.LinearObjective(loss, X, y, sample_weight=np.arange(1, len(y) + 1.0))
    found = []
    for threads in (1, 2, 3, 16):
        with fl.num_threads(threads):
            value, grad = objective.value_and_grad(w)
            product = objective.hessp(w, grad)
            found.append((value, *(a.tobytes() for a in (grad, product, objective.predict(w)))))
    assert len(set(found)) == 1


def test_a_row_of_weight_0_is_as_good_as_absent():
    X, y, w = data("logistic", 200, 5)
    s = np.ones(200)
    s[::3] = 0
    X[::3] = np.nan
    keep = s > 0
    got = fl.LinearObjective("logistic", X, y, sample_weight=s).value(w)
    assert got == pytest.approx(by_numpy("logistic", X[keep], y[keep], w)[0], rel=1e-13)


# ---- penalties, intercepts, offsets --------------------------------------------------------------


@pytest.mark.parametrize("penalty", [fl.penalties.L2(0.3), fl.penalties.L1(0.2)], ids=repr)
@pytest.mark.parametrize("loss", ["logistic", "softmax_cross_entropy"])
def test_penalties_leave_the_intercept_alone(loss, penalty):
    X, y, w = data(loss, 300, 4, 3 if loss in ROWS else 1)
    value, grad = by_numpy(loss, X, y, w)
    coef = np.atleast_2d(w)[:, :-1]
    extra, by_coef = penalty.value_and_grad(np.ascontiguousarray(coef))
    got = fl.LinearObjective(loss, X, y, penalty=penalty).value_and_grad(w)
    assert got[0] == pytest.approx(value + extra, rel=1e-13)
    np.atleast_2d(grad)[:, :-1] += by_coef
    np.testing.assert_allclose(got[1], grad, atol=1e-14)


def test_groups_of_weights_of_one_output():
    X, y, w = data("mse", 300, 4)
    penalty = fl.penalties.GroupLasso(0.2, groups=[0, 0, 1, 1])
    objective = fl.LinearObjective("mse", X, y, penalty=penalty)
    value, grad = by_numpy("mse", X, y, w)
    extra, by_coef = penalty.value_and_grad(w[:-1])
    got = objective.value_and_grad(w)
    assert got[0] == objective.value(w) == pytest.approx(value + extra, rel=1e-13)
    np.testing.assert_allclose(got[1], grad + [*by_coef, 0], atol=1e-14)


def test_without_an_intercept_and_with_an_offset():
    X, y, w = data("poisson", 300, 4)
    offset = np.random.default_rng(2).normal(size=300)
    w[-1] = 0
    value, grad = by_numpy("poisson", X, y, w, offset=offset)
    objective = fl.LinearObjective("poisson", X, y, fit_intercept=False, offset=offset)
    got = objective.value_and_grad(w[:-1])
    assert got[0] == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(got[1], grad[:-1], atol=1e-14)


# ---- second derivatives --------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_hessians(intercept, sparse):
    X, y, w = data("logistic", 9001, 6)
    w = w if intercept else w[:-1]
    given = scipy.sparse.csr_matrix(X) if sparse else X
    s = np.random.default_rng(1).uniform(0.1, 2, len(X))
    objective = fl.LinearObjective(
        "logistic", given, y, sample_weight=s, penalty=fl.penalties.L2(0.1), fit_intercept=intercept
    )
    hess = objective.hess(w)
    steps = np.eye(len(w)) * 1e-5
    rows = [
        (objective.value_and_grad(w + e)[1] - objective.value_and_grad(w - e)[1]) for e in steps
    ]
    np.testing.assert_allclose(hess, np.array(rows) / 2e-5, atol=1e-8)
    v = np.random.default_rng(3).normal(size=len(w))
    np.testing.assert_allclose(objective.hessp(w, v), hess @ v, atol=1e-13)


SECOND = [
    ("mse", 3, {}),
    ("multilabel_logistic", 3, {}),
    ("softmax_cross_entropy", 3, {}),
    ("softmax_cross_entropy", 6, {"class_weight": [1.0, 2.0, 0.5, 1.0, 3.0, 0.0]}),
    ("softmax_cross_entropy", 4, {"label_smoothing": 0.2}),
    ("softmax_cross_entropy", 130, {}),
]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("loss", "k", "parameters"), SECOND)
def test_hessians_of_several_outputs(loss, k, parameters, soft):
    d = 4 if k < 100 else 1
    X, y, _ = data(loss, 500, d, k)
    rng = np.random.default_rng(1)
    w = rng.normal(size=(k, d + 1))
    if soft or loss == "mse":
        y = rng.uniform(0.1, 0.9, size=(500, k))
    s, offset = rng.uniform(0.1, 2, 500), rng.normal(size=(500, k))
    objective = fl.LinearObjective(
        type(fl.get_loss(loss))(**parameters),
        X,
        y,
        sample_weight=s,
        offset=offset,
        penalty=fl.penalties.L2(0.1),
    )
    hess = objective.hess(w)
    assert hess.shape == (w.size, w.size)
    for v in rng.normal(size=(3, w.size)):
        np.testing.assert_allclose(objective.hessp(w.ravel(), v), hess @ v, atol=1e-13)
        ahead, behind = (
            objective.value_and_grad(w.ravel() + step * v)[1] for step in (1e-5, -1e-5)
        )
        np.testing.assert_allclose((ahead - behind) / 2e-5, hess @ v, atol=1e-8)
    plain = fl.LinearObjective(objective.loss, X, y, offset=offset, penalty=objective.penalty)
    weighted = fl.LinearObjective(
        objective.loss, X, y, sample_weight=np.ones(500), offset=offset, penalty=objective.penalty
    )
    np.testing.assert_allclose(plain.hessp(w, w), weighted.hessp(w, w), atol=1e-14)


def test_a_row_whose_classes_are_certain_has_no_curvature():
    X, y = np.array([[1.0], [1e4]]), np.array([0, 1])
    w = np.array([[1.0, 0.0], [-1.0, 0.0]])
    objective = fl.LinearObjective("softmax_cross_entropy", X, y, sample_weight=[1.0, 0.0])
    p = fl.softmax([1.0, -1.0])
    expected = np.kron(np.diag(p) - np.outer(p, p), np.ones((2, 2)))
    np.testing.assert_allclose(objective.hess(w), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", ["general_robust:alpha=-1", "focal"])
def test_majorants(loss):
    X, y, w = data("logistic", 500, 4)
    w *= 5
    objective = fl.LinearObjective(loss, X, y)
    z = objective.predict(w)
    ones = np.hstack([X, np.ones((500, 1))])
    for hessian in ("exact", "majorant"):
        _, h = objective.loss.grad_and_hess(y, z, hessian=hessian)
        hess = objective.hess(w, hessian=hessian)
        np.testing.assert_allclose(hess, (ones * h[:, None]).T @ ones, atol=1e-13)
        np.testing.assert_allclose(objective.hessp(w, w, hessian=hessian), hess @ w, atol=1e-13)
    assert (h >= 0).all()
    with pytest.raises(ValueError, match='hessian must be "exact" or "majorant"; got 1.0'):
        objective.hess(w, hessian=1.0)


@pytest.mark.parametrize("loss", ["softmax_focal", "multiclass_hinge"])
def test_what_has_no_hessian(loss):
    X, y, w = data(loss, 30, 4, 3)
    objective = fl.LinearObjective(loss, X, y)
    with pytest.raises(NotImplementedError, match="Hessians are of pointwise losses, of the soft"):
        objective.hessp(w, w)
    with pytest.raises(NotImplementedError, match="Hessians are of pointwise losses, of the soft"):
        objective.hess(w)


def test_a_penalty_that_has_no_hessian():
    X, y, w = data("logistic", 30, 4)
    with pytest.raises(NotImplementedError, match="has no second derivative"):
        fl.LinearObjective("logistic", X, y, penalty=fl.penalties.L1(0.1)).hessp(w, w)


# ---- use -----------------------------------------------------------------------------------------


def test_minimised_by_scipy():
    from sklearn.linear_model import LogisticRegression

    X, y, w = data("logistic", 2000, 5)
    y = (X @ np.arange(1.0, 6) + np.random.default_rng(4).logistic(size=2000) > 1).astype(float)
    objective = fl.LinearObjective("logistic", X, y, penalty=fl.penalties.L2(1 / 2000))
    assert check_grad(objective.value, lambda w: objective.value_and_grad(w)[1], w) < 1e-6
    for method in ("L-BFGS-B", "Newton-CG"):
        options = {"hessp": objective.hessp} if method == "Newton-CG" else {"tol": 1e-12}
        found = minimize(objective.value_and_grad, np.zeros(6), jac=True, method=method, **options)
        theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X, y)
        np.testing.assert_allclose(found.x[:-1], theirs.coef_[0], rtol=1e-4)
        assert found.x[-1] == pytest.approx(theirs.intercept_[0], rel=1e-3)


def test_the_terms_of_scikit_learn():
    from sklearn.linear_model import PoissonRegressor, Ridge

    X, y, _ = data("poisson", 500, 4)
    for loss, theirs, strength in (
        ("mse", Ridge(alpha=3.0), 2 * 3.0 / 500),
        ("poisson", PoissonRegressor(alpha=0.3, tol=1e-10), 0.3),
    ):
        objective = fl.LinearObjective(loss, X, y, penalty=fl.penalties.L2(strength))
        found = minimize(objective.value_and_grad, np.zeros(5), jac=True, tol=1e-10).x
        theirs.fit(X, y)
        np.testing.assert_allclose(found, [*theirs.coef_, theirs.intercept_], atol=1e-6)


def test_gradients_into_a_given_array():
    X, y, w = data("logistic", 100, 3)
    objective = fl.LinearObjective("logistic", X, y)
    for dtype in DTYPES:
        out = np.empty(4, dtype)
        assert objective.value_and_grad(w, out)[1] is out
        np.testing.assert_allclose(out, objective.value_and_grad(w)[1], rtol=1e-6)
    for bad, error in (
        (np.empty(3), ValueError),
        (np.empty(8)[::2], ValueError),
        ([0.0] * 4, TypeError),
    ):
        with pytest.raises(error, match="out must be"):
            objective.value_and_grad(w, bad)


def test_labels_with_names():
    X, y, w = data("softmax_cross_entropy", 100, 3, 3)
    names = np.array(["a", "b", "c"])
    named = fl.LinearObjective(fl.SoftmaxCrossEntropy(classes=names), X, names[y])
    assert named.value(w) == fl.LinearObjective("softmax_cross_entropy", X, y).value(w)
    floats = fl.LinearObjective("softmax_cross_entropy", X, y.astype(float), n_outputs=3)
    assert floats.value(w) == named.value(w)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.ones(4)}, ValueError, "X must have two axes"),
        ({"X": np.ones((4, 2), complex)}, TypeError, "X must hold real, integer or bool values"),
        ({"X": np.ones((4, 2), np.longdouble)}, TypeError, "X must hold real, integer or bool"),
        ({"loss": "poly", "y": np.full(4, np.nan)}, ValueError, "n_outputs must be given"),
        ({"y": np.ones(3)}, ValueError, "y must have a target for each of the 4 rows"),
        ({"y": 1.0}, ValueError, "y must have a target for each"),
        ({"loss": "rmse"}, ValueError, "mse has the same minimum"),
        ({"loss": "kl_div"}, ValueError, "falls without end: there is nothing to fit"),
        ({"loss": "log_loss"}, ValueError, r"LogLoss\(.*\) takes those in \[0, 1\]"),
        ({"loss": "msle"}, ValueError, r"takes those in \(-1, inf\)"),
        ({"loss": 3}, TypeError, "a loss is a name or a Loss"),
        ({"penalty": 0.1}, TypeError, "penalty must be one of fastloss.penalties"),
        ({"sample_weight": np.ones(3)}, ValueError, r"sample_weight must be of shape \(4,\)"),
        ({"offset": np.ones(3)}, ValueError, r"offset must be of shape \(4,\)"),
        ({"n_outputs": 2}, ValueError, "n_outputs is 2, but y holds targets of 1"),
    ],
)
def test_wrong_arguments(change, error, message):
    given = {"loss": "logistic", "X": np.ones((4, 2)), "y": np.ones(4), **change}
    with pytest.raises(error, match=message):
        fl.LinearObjective(**given)


def test_wrong_weights_and_values():
    objective = fl.LinearObjective("logistic", np.ones((4, 2)), np.ones(4))
    with pytest.raises(ValueError, match=r"w must be of shape \(3,\), or flat; got \(2,\)"):
        objective.value(np.ones(2))
    with pytest.raises(ValueError, match="X must have 2 features; got 3"):
        objective.predict(np.ones(3), np.ones((1, 3)))
    with pytest.raises(fl.DomainError, match=r"y_true\[2\] = 2 is not in \[0, 1\]"):
        fl.LinearObjective("logistic", np.ones((4, 2)), [0, 1, 2, 1]).value(np.ones(3))


def test_a_sparse_matrix_with_fewer_numbers_than_it_says():
    X = scipy.sparse.csr_array(np.eye(4))
    X.data = X.data[:2]
    with pytest.raises(ValueError, match="indptr of X must grow from 0"):
        fl.LinearObjective("mse", X, np.ones(4))


@pytest.mark.filterwarnings("error")
def test_weights_and_offsets_are_real():
    X, y = np.ones((3, 2)), np.zeros(3)
    objective = fl.LinearObjective("mse", X, y)
    for method in (objective.value, objective.value_and_grad, objective.predict, objective.hess):
        with pytest.raises(TypeError, match="w must hold real"):
            method(np.ones(3, complex))
    with pytest.raises(TypeError, match="offset must hold real"):
        fl.LinearObjective("mse", X, y, offset=np.ones(3, complex))


@pytest.mark.filterwarnings("error")
def test_what_overflows_is_infinite_without_a_warning():
    X, y = np.full((3, 2), 1e200), np.zeros(3)
    objective = fl.LinearObjective("mse", X, y, penalty=fl.penalties.L2(1e300))
    w = np.full(3, 1e200)
    assert objective.value(w) == np.inf
    assert np.isinf(objective.hess(w)).any()
    assert np.isinf(objective.hessp(w, w)).any()
    objective.value_and_grad(w, out=np.empty(3, np.float32))


def test_outputs_of_a_distribution_are_its_parameters():
    X, y = np.ones((3, 2)), np.array([1, 2, 3], np.uint32)
    assert fl.LinearObjective(fl.MultiQuantile(), X, y).n_outputs == 3
    with pytest.raises(ValueError, match="n_outputs is 3, but the outputs are a mean and a vari"):
        fl.LinearObjective(fl.GaussianNLL(log_variance=True), X, y, n_outputs=3)
