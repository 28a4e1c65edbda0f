"""LinearClassifier and LinearRegressor: their optima, solvers, kinds of X, and company."""

import io
import pickle
import threading
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

sklearn = pytest.importorskip("sklearn", reason="the estimators are scikit-learn's kind")

from sklearn import linear_model as theirs  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

import fastloss as fl  # noqa: E402
from fastloss.linear_model import LinearClassifier, LinearRegressor  # noqa: E402
from fastloss.penalties import GroupLasso  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")

N, D = 400, 5


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) * [1, 2, 0.5, 1, 3] + [0, 1, 0, -2, 0]
    z = X @ [1.0, -0.5, 0.0, 0.5, 0.3] + 0.5
    return {
        "X": X,
        "binary": (rng.random(N) < 1 / (1 + np.exp(-z))).astype(int),
        "classes": np.digitize(z + rng.normal(size=N), [-1.0, 1.5]),
        "real": z + rng.standard_t(2, size=N),
        "counts": rng.poisson(np.exp(0.4 * z)).astype(float),
        "positive": rng.gamma(2.0, np.exp(0.3 * z)),
        "weight": rng.uniform(0.1, 3, N),
    }


# ---- optima ------------------------------------------------------------------------------------


def assert_same(ours, other, rtol=1e-5):
    np.testing.assert_allclose(ours.coef_, other.coef_, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(ours.intercept_, other.intercept_, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", ["binary", "classes"])
def test_logistic_regression(target, weighted, data):
    X, y, w = data["X"], data[target], data["weight"] if weighted else None
    total = N if w is None else w.sum()
    ours = LinearClassifier(alpha=1 / (2 * total), tol=1e-8).fit(X, y, sample_weight=w)
    other = theirs.LogisticRegression(C=2, tol=1e-10, max_iter=1000).fit(X, y, sample_weight=w)
    assert_same(ours, other)
    np.testing.assert_allclose(ours.predict_proba(X), other.predict_proba(X), rtol=1e-5, atol=1e-7)
    assert (ours.predict(X) == other.predict(X)).all()
    assert ours.score(X, y) == other.score(X, y)


def test_balanced_classes(data):
    X, y = data["X"], data["classes"]
    ours = LinearClassifier(alpha=1 / N, class_weight="balanced", tol=1e-8).fit(X, y)
    other = theirs.LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=1000).fit(X, y)
    assert_same(ours, other)
    by_hand = LinearClassifier(
        alpha=1 / N, class_weight={k: N / (3 * (y == k).sum()) for k in range(3)}, tol=1e-8
    )
    np.testing.assert_allclose(by_hand.fit(X, y).coef_, ours.coef_, rtol=1e-9)


@pytest.mark.parametrize("outputs", [1, 3])
def test_ridge(outputs, data):
    X = data["X"]
    y = data["real"] if outputs == 1 else np.column_stack([data["real"]] * outputs) * [1, -2, 0.5]
    assert_same(LinearRegressor(alpha=2 * 3.0 / N).fit(X, y), theirs.Ridge(alpha=3.0).fit(X, y))


@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_lasso_and_elastic_net(ratio, data):
    X, y = data["X"], data["real"]
    # scikit-learn's squares are halved
    ours = LinearRegressor(penalty="elasticnet", alpha=2 * 0.1, l1_ratio=ratio).fit(X, y)
    other = theirs.ElasticNet(alpha=0.1, l1_ratio=ratio, tol=1e-12, max_iter=10_000).fit(X, y)
    assert_same(ours, other)
    assert (ours.coef_ == 0).tolist() == (other.coef_ == 0).tolist()


@pytest.mark.parametrize(
    ("name", "target", "loss"),
    [
        ("PoissonRegressor", "counts", "poisson"),
        ("GammaRegressor", "positive", "gamma"),
        ("TweedieRegressor", "counts", fl.Tweedie(power=1.5)),
    ],
)
def test_generalized_linear_models(name, target, loss, data):
    X, y = data["X"], data[target]
    arguments = {"power": 1.5, "link": "log"} if name.startswith("Tweedie") else {}
    other = getattr(theirs, name)(alpha=0.1, tol=1e-10, max_iter=1000, **arguments).fit(X, y)
    ours = LinearRegressor(loss, alpha=0.1, tol=1e-8).fit(X, y)
    assert_same(ours, other)
    np.testing.assert_allclose(ours.predict(X), other.predict(X), rtol=1e-5)


def test_huber(data):
    X, y = data["X"], data["real"]
    other = theirs.HuberRegressor(epsilon=1.5, alpha=0.01, tol=1e-9, max_iter=1000).fit(X, y)
    # its objective, for the scale that it found: sum of scale * H(r / scale) + alpha w^2
    scale = other.scale_
    ours = LinearRegressor(fl.Huber(delta=1.5 * scale), alpha=0.01 * scale / N).fit(X, y)
    assert_same(ours, other, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.02])
@pytest.mark.parametrize("q", [0.5, 0.9])
def test_quantiles(q, alpha, data):
    X, y = data["X"], data["real"]
    other = theirs.QuantileRegressor(quantile=q, alpha=alpha).fit(X, y)
    ours = LinearRegressor(fl.Quantile(q=q), penalty="l1", alpha=alpha).fit(X, y)
    loss = fl.Quantile(q=q)

    def objective(model):
        return loss(y, model.predict(X)) + alpha * np.abs(model.coef_).sum()

    assert objective(ours) == pytest.approx(objective(other), rel=2e-5)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_support_vector_machines(loss, data):
    X, y = data["X"], data["binary"]
    svm = LinearSVC(C=1.0, loss=loss, fit_intercept=False, tol=1e-8, max_iter=1_000_000)
    ours = LinearClassifier(loss, alpha=1 / N, fit_intercept=False, tol=1e-8).fit(X, y)
    assert_same(ours, svm.fit(X, y), rtol=2e-3 if loss == "hinge" else 1e-5)


def test_sgd_classifier_has_the_same_objective(data):
    X, y = StandardScaler().fit_transform(data["X"]), data["binary"]
    other = theirs.SGDClassifier(
        loss="log_loss", alpha=0.05, max_iter=3000, tol=None, random_state=0
    )
    assert_same(LinearClassifier(alpha=0.05).fit(X, y), other.fit(X, y), rtol=1e-2)


def objective(model, X, Y):
    """What a model of several outputs minimises, in NumPy."""
    z = X @ model.coef_.T + model.intercept_
    losses = model.loss_(Y, z, reduction="none").mean(axis=0)
    return losses.sum() + model.alpha / 2 * (model.coef_**2).sum()


def test_one_vs_rest_is_the_sum_of_binary_fits(data):
    X, y = data["X"], data["classes"]
    ours = LinearClassifier("squared_hinge", alpha=0.01, tol=1e-8).fit(X, y)
    for k in range(3):
        one = LinearClassifier("squared_hinge", alpha=0.01, tol=1e-8).fit(X, y == k)
        np.testing.assert_allclose(ours.coef_[k], one.coef_[0], rtol=1e-5, atol=1e-7)
    assert (ours.predict(X) == ours.decision_function(X).argmax(axis=1)).all()
    assert not hasattr(ours, "predict_proba")


def test_several_labels(data):
    X = data["X"]
    Y = np.column_stack([data["binary"], data["classes"] > 0, data["classes"] > 1]).astype(int)
    ours = LinearClassifier(alpha=0.01, tol=1e-8).fit(X, Y)
    for k in range(3):
        one = LinearClassifier(alpha=0.01, tol=1e-8).fit(X, Y[:, k])
        np.testing.assert_allclose(ours.coef_[k], one.coef_[0], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(ours.predict_proba(X)[:, k], one.predict_proba(X)[:, 1])
    assert set(np.unique(ours.predict(X))) == {0, 1}
    assert ours.history_["loss"][-1] == pytest.approx(objective(ours, X, Y), rel=1e-12)


def test_losses_of_residuals_take_targets_of_signs(data):
    X, y = data["X"], data["binary"]
    ours = LinearClassifier("mse", alpha=2 / N).fit(X, y)
    other = theirs.RidgeClassifier(alpha=1.0).fit(X, y)
    np.testing.assert_allclose(ours.coef_[0], other.coef_.ravel(), rtol=1e-9)
    np.testing.assert_allclose(ours.intercept_, other.intercept_, rtol=1e-9)


def test_softmax_of_two_classes_is_logistic_regression(data):
    X, y = data["X"], data["binary"]
    two = LinearClassifier("softmax_cross_entropy", alpha=0.02, tol=1e-8).fit(X, y)
    one = LinearClassifier("logistic", alpha=0.01, tol=1e-8).fit(X, y)
    assert_same(two, one)  # the weights of two classes share the difference
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), rtol=1e-5)


SMOOTH = ["lbfgs", "newton-cg", "newton-cholesky", "prox-newton", "fista"]


@pytest.mark.parametrize("solver", SMOOTH)
@pytest.mark.parametrize("target", ["binary", "classes"])
def test_solvers_agree(solver, target, data):
    X, y = data["X"], data[target]
    best = LinearClassifier(alpha=0.01, tol=1e-8).fit(X, y)
    ours = LinearClassifier(alpha=0.01, solver=solver, tol=1e-7, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, best.coef_, atol=1e-5)
    losses = ours.history_["loss"]
    assert losses[-1] == pytest.approx(best.history_["loss"][-1], rel=1e-9)


RULES = ["sgd", "momentum", "nag", "adam", "adamw", "rmsprop", "adagrad", "lion"]


@pytest.mark.parametrize("solver", RULES)
def test_optimizers_come_near(solver, data):
    X, y = data["X"], data["binary"]
    best = LinearClassifier(alpha=0.01).fit(X, y)
    rate = None if solver == "sgd" else {"adagrad": 0.3}.get(solver, 0.02)
    ours = LinearClassifier(
        alpha=0.01, solver=solver, learning_rate=rate, max_iter=60, tol=None, random_state=0
    ).fit(X, y)
    z = X @ ours.coef_[0] + ours.intercept_
    value = fl.Logistic()(y, z) + 0.005 * (ours.coef_**2).sum()
    assert value == pytest.approx(best.history_["loss"][-1], rel=1e-2)
    assert len(ours.history_["loss"]) == ours.n_iter_ == 60


def test_group_lasso(data):
    X, y = data["X"], data["real"]
    penalty = GroupLasso(0.3, groups=[0, 0, 1, 2, 2])
    ours = LinearRegressor(penalty=penalty, tol=1e-9, max_iter=10_000).fit(X, y)
    z = X @ ours.coef_ + ours.intercept_
    grad = 2 * X.T @ (z - y) / N
    # the optimum is where the proximal step of the gradient goes nowhere
    np.testing.assert_allclose(penalty.prox(ours.coef_ - grad, 1.0), ours.coef_, atol=1e-6)
    assert ours.coef_[2] == 0


def test_adagrad_takes_proximal_steps(data):
    X, y = StandardScaler().fit_transform(data["X"]), data["real"]
    ours = LinearRegressor(
        penalty="l1", alpha=0.5, solver="adagrad", learning_rate=0.1, max_iter=100, tol=None,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    assert ours.coef_[2] == 0 == LinearRegressor(penalty="l1", alpha=0.5).fit(X, y).coef_[2]


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_penalties_with_kinks_of_sgd(penalty, data):
    X, y = StandardScaler().fit_transform(data["X"]), data["real"]
    best = LinearRegressor(penalty=penalty, alpha=0.5).fit(X, y)
    ours = LinearRegressor(
        penalty=penalty, alpha=0.5, solver="sgd", max_iter=200, tol=None, random_state=0
    ).fit(X, y)
    np.testing.assert_allclose(ours.coef_, best.coef_, atol=0.05)
    assert (ours.coef_ == 0).tolist() == (best.coef_ == 0).tolist()  # proximal steps
    assert (ours.coef_ == 0).any() == (penalty == "l1")


# ---- scales, and samples that hardly count -------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "arguments"),
    [
        ("mse", {"solver": "lbfgs"}),
        ("mse", {"solver": "fista"}),
        ("mse", {"penalty": "l1"}),
        ("mae", {"solver": "lbfgs"}),
        ("mae", {"penalty": "l1"}),
    ],
)
def test_targets_of_other_scales(loss, arguments, data):
    X, y = StandardScaler().fit_transform(data["X"]), data["real"]
    one = LinearRegressor(loss, alpha=0, **arguments).fit(X, y)
    for scale in (2.0**-20, 2.0**20):
        other = LinearRegressor(loss, alpha=0, **arguments).fit(X, y * scale)
        np.testing.assert_allclose(other.coef_ / scale, one.coef_, rtol=1e-4, atol=1e-4)
        assert abs(other.n_iter_ - one.n_iter_) <= 10


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "prox-newton"])
def test_no_solver_stops_at_features_of_other_scales(solver, dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(20_000, 5)) * [1e4, 1e4, 1, 1e4, 1e4]).astype(dtype)
    y = X @ [1e-4, 2e-4, -1, 0, 3e-4] + rng.normal(size=20_000)
    ours = LinearRegressor("mse", alpha=0, solver=solver).fit(X, y)
    best = np.linalg.lstsq(np.column_stack([X, np.ones(20_000)]).astype(float), y)[1][0] / 20_000
    assert fl.SquaredError()(y, ours.predict(X)) == pytest.approx(best, rel=1e-5)


def test_rare_features():
    rng = np.random.default_rng(0)
    common = sp.random_array((70_000, 20), density=0.5, rng=rng)
    rare = sp.random_array((70_000, 500), density=3 / 70_000, rng=rng)
    X = sp.hstack([common, rare]).tocsr()
    y = (X @ rng.normal(size=520) + 0.1 * rng.normal(size=70_000) > 0).astype(int)
    ours = LinearClassifier(penalty="l1", alpha=1e-5, max_iter=50).fit(X, y)
    assert ours.n_iter_ < 30


@pytest.mark.parametrize("arguments", [{}, {"solver": "lbfgs"}, {"penalty": "l1"}])
def test_features_of_other_scales(arguments, data):
    X, y, scales = data["X"], data["real"], 10.0 ** np.array([8, 0, -4, 2, 0])
    one = LinearRegressor("huber", alpha=0, tol=1e-8, **arguments).fit(X, y)
    other = LinearRegressor("huber", alpha=0, tol=1e-8, **arguments).fit(X * scales, y)
    np.testing.assert_allclose(other.coef_ * scales, one.coef_, rtol=1e-3)
    assert other.n_iter_ <= one.n_iter_ + 3


def test_outliers_do_not_set_the_scale_of_kinks():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = X @ [1.0, -2.0, 0.5] + 3 + rng.standard_cauchy(2000) ** 3  # up to 1e10
    ours = LinearRegressor("mae", alpha=0).fit(X, y)
    other = theirs.QuantileRegressor(quantile=0.5, alpha=0).fit(X, y)
    np.testing.assert_allclose(ours.coef_, other.coef_, atol=2e-3)


def test_few_samples_that_count():
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(100_000, 5)), np.zeros(100_000)
    weight[rng.integers(0, 100_000, 8)] = 1
    for loss, solver in (("mse", "lbfgs"), ("mae", "auto"), ("huber", "prox-newton")):
        ours = LinearRegressor(loss, solver=solver, alpha=0).fit(X, X.sum(axis=1), weight)
        np.testing.assert_allclose(ours.coef_, 1, atol=1e-3)


def test_fits_hold_nothing_of_the_samples(data):
    X, y = np.repeat(data["X"], 50, axis=0), np.repeat(data["classes"], 50)
    assert len(pickle.dumps(LinearClassifier().fit(X, y))) < 5000


@pytest.mark.parametrize("loss", ["mae", "epsilon_insensitive", fl.Quantile(q=0.9)])
def test_sgd_steps_suit_losses_with_kinks(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 10))
    y = 100 * (X @ rng.normal(size=10) + rng.normal(size=5000))
    arguments = {"max_iter": 60, "tol": None, "random_state": 0}
    ours = LinearRegressor(loss, solver="sgd", **arguments).fit(X, y)
    best = LinearRegressor(loss).fit(X, y)
    assert best.loss_(y, ours.predict(X)) < 1.1 * best.loss_(y, best.predict(X))


@pytest.mark.parametrize("loss", ["perceptron", "multiclass_perceptron"])
@pytest.mark.parametrize("arguments", [{}, {"fit_intercept": False}, {"penalty": None}])
def test_the_perceptron_is_its_steps(loss, arguments, data):
    X = StandardScaler().fit_transform(data["X"])
    y = (X @ [1.0, -1.0, 0.5, 0.0, 1.0] > 0).astype(int)
    ours = LinearClassifier(loss, tol=None, max_iter=50, random_state=0, **arguments).fit(X, y)
    assert ours.history_["learning_rate"][0] > 0
    assert ours.score(X, y) > 0.97


# ---- kinds of X --------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton-cg", "fista", "prox-newton", "sgd"])
def test_sparse_is_as_dense(solver, data):
    X = data["X"] * (np.abs(data["X"]) > 0.8)
    arguments = {"alpha": 0.01, "solver": solver, "random_state": 0, "max_iter": 2000}
    dense = LinearClassifier(**arguments).fit(X, data["binary"])
    sparse = LinearClassifier(**arguments).fit(sp.csr_array(X), data["binary"])
    np.testing.assert_allclose(sparse.coef_, dense.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        sparse.predict_proba(sp.csr_array(X)), dense.predict_proba(X), rtol=1e-5
    )


def test_float32_stays(data):
    X = data["X"].astype(np.float32)
    ours = LinearClassifier(alpha=0.01).fit(X, data["binary"])
    exact = LinearClassifier(alpha=0.01).fit(data["X"], data["binary"])
    np.testing.assert_allclose(ours.coef_, exact.coef_, atol=1e-4)
    assert ours.predict_proba(X).dtype == np.float32
    assert ours.decision_function(X).dtype == np.float32


def test_memory_map(tmp_path, data):
    path = tmp_path / "X.npy"
    np.save(path, data["X"])
    mapped = np.load(path, mmap_mode="r")
    ours = LinearClassifier(alpha=0.01).fit(mapped, data["binary"])
    assert_same(ours, LinearClassifier(alpha=0.01).fit(data["X"], data["binary"]), rtol=1e-12)


def chunks_of(data, target, weighted=False, size=150):
    keys = ["X", target, *(["weight"] if weighted else [])]
    return [tuple(data[k][i : i + size] for k in keys) for i in range(0, N, size)]


@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton-cg", "fista"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", ["binary", "classes", "real"])
def test_chunks_are_as_one(solver, weighted, target, data):
    make = LinearRegressor if target == "real" else LinearClassifier
    arguments = {"alpha": 0.01, "solver": solver, "tol": 1e-8, "max_iter": 10_000}
    weight = data["weight"] if weighted else None
    whole = make(**arguments).fit(data["X"], data[target], sample_weight=weight)
    parts = chunks_of(data, target, weighted)
    for given in (parts, lambda: iter(parts)):
        ours = make(**arguments).fit(given)
        np.testing.assert_allclose(ours.coef_, whole.coef_, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ours.intercept_, whole.intercept_, rtol=1e-5, atol=1e-6)


def test_chunks_of_mini_batches(data):
    arguments = {"solver": "sgd", "max_iter": 100, "tol": None, "random_state": 0}
    ours = LinearRegressor(**arguments).fit(chunks_of(data, "real"))
    best = LinearRegressor().fit(data["X"], data["real"])
    np.testing.assert_allclose(ours.coef_, best.coef_, atol=0.1)


def test_chunks_of_kinks(data):
    ours = LinearRegressor("mae").fit(chunks_of(data, "real"))
    whole = LinearRegressor("mae").fit(data["X"], data["real"])
    assert ours.history_["loss"][-1] == pytest.approx(whole.history_["loss"][-1], rel=1e-4)


def test_chunks_in_an_order(data):
    X, y = data["X"].copy(), data["counts"]
    order = np.argsort(y)
    X, y = X[order], y[order]
    X[:150, 1] = 0  # the first chunk knows nothing of it
    for arguments in ({"solver": "lbfgs"}, {"penalty": "l1", "alpha": 0.01}):
        whole = LinearRegressor("poisson", **arguments).fit(X, y)
        parts = [(X[i : i + 150], y[i : i + 150]) for i in range(0, N, 150)]
        ours = LinearRegressor("poisson", **arguments).fit(parts)
        np.testing.assert_allclose(ours.coef_, whole.coef_, atol=1e-4)
        assert ours.n_iter_ <= whole.n_iter_ + 2


def test_chunks_that_do_not_count(data):
    X, y = data["X"], data["real"]
    none, all_of_it = np.zeros(200), np.ones(N)
    for loss in ("mse", "mae", "quantile:q=0.8"):
        ours = LinearRegressor(loss).fit([(X[:200] + 1, y[:200], none), (X, y, all_of_it)])
        np.testing.assert_allclose(ours.coef_, LinearRegressor(loss).fit(X, y).coef_, atol=1e-5)
    with pytest.raises(ValueError, match="a sample of non-zero weight; got none"):
        LinearRegressor().fit([(X[:200], y[:200], none)])


def test_chunks_are_sampled_alike():
    from fastloss.linear_model.chunks import Rows, Sample, stacked

    here, elsewhere, d = Sample(), Sample(), 4194  # numbers in a row, of which 1000 are kept
    for k in range(60):
        weight = np.arange(50) % 10 > 0 if k % 2 else None
        rows = Rows(np.zeros((50, d), np.float32), np.full(50, k), weight)
        here.add(rows, d)
        elsewhere.add(np.flatnonzero(np.ones(50) if weight is None else weight), d)
    _, y, _ = stacked(here.kept)
    assert list(map(len, here.kept)) == list(map(len, elsewhere.kept))
    assert 500 < len(y) <= 1000
    counts = np.bincount(y, minlength=60).reshape(6, 10).sum(axis=1) / len(y)
    np.testing.assert_allclose(counts, 1 / 6, atol=0.05)


def test_chunks_that_are_refused(data):
    parts = chunks_of(data, "binary")
    with pytest.raises(TypeError, match="more than one pass; got generator"):
        LinearClassifier().fit(chunk for chunk in parts)
    with pytest.raises(ValueError, match="at least one chunk"):
        LinearClassifier().fit(lambda: iter([]))
    with pytest.raises(ValueError, match=r"chunk 1 must be \(X, y\)"):
        LinearClassifier().fit(lambda: iter([parts[0], (1, 2, 3, 4)]))
    with pytest.raises(ValueError, match="5 features"):
        LinearClassifier().fit([parts[0], (parts[1][0][:, :3], parts[1][1])])
    with pytest.raises(ValueError, match="early_stopping needs"):
        LinearClassifier(early_stopping=True).fit(parts)


# ---- the way there -----------------------------------------------------------------------------


def test_history(data):
    ours = LinearClassifier(solver="sgd", max_iter=7, tol=None, random_state=0)
    ours.fit(data["X"], data["binary"])
    assert set(ours.history_) == {
        "loss", "validation_loss", "learning_rate", "grad_norm", "seconds"
    }  # fmt: skip
    assert all(len(values) == 7 == ours.n_iter_ for values in ours.history_.values())
    rates = ours.history_["learning_rate"]
    assert rates == sorted(rates, reverse=True) and rates[-1] > 0
    assert ours.history_["seconds"] == sorted(ours.history_["seconds"])
    assert ours.history_["validation_loss"] == [None] * 7


def test_early_stopping_keeps_the_best_weights(data):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 80))  # so many features that it overfits
    y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)
    ours = LinearClassifier(
        alpha=0, solver="sgd", early_stopping=True, validation_fraction=0.3, random_state=0
    ).fit(X, y)
    losses = ours.history_["validation_loss"]
    assert len(losses) == ours.n_iter_ < 1000
    _, held = sklearn.model_selection.train_test_split(
        np.arange(120), test_size=0.3, random_state=0, stratify=y
    )
    assert fl.Logistic()(y[held], ours.decision_function(X[held])) == pytest.approx(min(losses))
    assert losses[-1] > min(losses)


def test_early_stopping_of_full_batches():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(120, 80))
    y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)
    ours = LinearClassifier(
        alpha=1e-5, solver="lbfgs", early_stopping=True, n_iter_no_change=2, random_state=0
    ).fit(X, y)
    losses = ours.history_["validation_loss"]
    assert (
        ours.n_iter_ == len(losses) < LinearClassifier(alpha=1e-5, solver="lbfgs").fit(X, y).n_iter_
    )
    assert int(np.argmin(losses)) == len(losses) - 3


def test_callbacks(data):
    seen = []

    def callback(estimator):
        assert estimator.n_iter_ == len(estimator.history_["loss"])
        seen.append((estimator.n_iter_, estimator.coef_.copy()))
        if len(seen) == 3:
            raise StopIteration

    ours = LinearClassifier(solver="adam", callbacks=[callback], random_state=0)
    ours.fit(data["X"], data["binary"])
    assert [n for n, _ in seen] == [1, 2, 3]
    assert ours.n_iter_ == 3
    assert (ours.coef_ == seen[-1][1]).all()
    assert not (seen[0][1] == seen[1][1]).all()


def test_verbose_prints_every_kth(data, capsys):
    LinearRegressor(solver="sgd", max_iter=9, tol=None, verbose=3, random_state=0).fit(
        data["X"], data["real"]
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split() for line in lines] == [
        ["iteration", "3"], ["iteration", "6"], ["iteration", "9"]
    ]  # fmt: skip
    assert all(float(line.split("loss ")[1]) > 0 for line in lines)


def test_a_bar_on_a_terminal(data, monkeypatch):
    pytest.importorskip("rich", reason="it draws the bar")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    LinearRegressor(solver="sgd", max_iter=3, tol=None, verbose=1, random_state=0).fit(
        data["X"], data["real"]
    )
    assert "fitting" in terminal.getvalue() and "3/3" in terminal.getvalue()


def test_warm_start(data):
    X, y = data["X"], data["binary"]
    cold = LinearClassifier(solver="lbfgs", tol=1e-7).fit(X, y)
    warm = LinearClassifier(solver="lbfgs", tol=1e-7, warm_start=True).fit(X, y)
    first = warm.n_iter_
    warm.fit(X, y)
    assert warm.n_iter_ < first
    many, labels = (
        np.tile(X, (200, 1)),
        np.tile(y, 200),
    )  # of which a subset is fitted first, if cold
    warm = LinearClassifier(solver="lbfgs", tol=1e-7, warm_start=True).fit(many, labels)
    assert warm.fit(many, labels).n_iter_ <= 2
    assert_same(warm, cold, rtol=1e-4)
    with pytest.raises(ValueError, match="warm_start: the last fit had 6 weights"):
        warm.fit(X, data["classes"])


def test_partial_fit(data):
    X, y = data["X"], data["classes"]
    ours = LinearClassifier(solver="adam", learning_rate=0.05, random_state=0)
    for _ in range(30):
        for i in range(0, N, 100):
            ours.partial_fit(X[i : i + 100], y[i : i + 100], classes=[0, 1, 2])
    assert ours.n_iter_ == 120
    best = LinearClassifier().fit(X, y)
    assert ours.score(X, y) > best.score(X, y) - 0.02
    again = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(again.coef_, ours.coef_)
    again.partial_fit(X, y)
    assert not (again.coef_ == ours.coef_).all()
    with pytest.raises(ValueError, match="classes are those of the first call"):
        ours.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="y holds 7, which is not one of"):
        ours.partial_fit(X, np.full(N, 7))
    with pytest.raises(ValueError, match="'balanced' needs all samples"):
        LinearClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_early_stopping_holds_out_samples_that_count(data):
    weight = np.zeros(N)
    weight[::10] = 1
    ours = LinearClassifier(early_stopping=True, random_state=0)
    ours.fit(data["X"], data["binary"], sample_weight=weight)
    assert np.isfinite(ours.history_["validation_loss"]).all()


def test_partial_fit_of_other_parameters(data):
    ours = LinearRegressor().fit(data["X"], data["real"]).set_params(fit_intercept=False)
    with pytest.raises(ValueError, match="has 6 weights, and 5 with the parameters"):
        ours.partial_fit(data["X"], data["real"])


def test_partial_fit_goes_on_after_fit(data):
    X, y = data["X"], data["real"]
    ours = LinearRegressor().fit(X, y)
    best = ours.coef_.copy()
    ours.partial_fit(X, y)
    np.testing.assert_allclose(ours.coef_, best, atol=0.3)


def test_the_same_seed_gives_the_same_bits(data):
    X, y = data["X"], data["binary"]
    make = [
        LinearClassifier(solver="adam", max_iter=3, tol=None, random_state=s) for s in (1, 1, 2)
    ]
    first, same, other = (each.fit(X, y).coef_ for each in make)
    assert (first == same).all() and not (first == other).all()


def test_average(data):
    X, y = data["X"], data["binary"]
    steps = []
    arguments = {"solver": "sgd", "batch_size": 100, "learning_rate": 0.1, "max_iter": 5}
    arguments |= {"tol": None, "random_state": 0}

    class Watched(fl.optim.SGD):
        def step(self, grads):
            done = super().step(grads)
            steps.append(watched_params[0].copy())
            return done

    watched_params = []

    def make(params):
        watched_params[:] = params
        return Watched(params, lr=0.1)

    mean = LinearClassifier(average=True, **arguments).fit(X, y)
    LinearClassifier(**{**arguments, "solver": make, "learning_rate": None}).fit(X, y)
    np.testing.assert_allclose(mean.coef_, np.mean(steps, axis=0), rtol=1e-10)


def test_max_norm_and_batch_sizes(data):
    X, y = data["X"], data["binary"]
    sizes = []

    def size(epoch):
        sizes.append(epoch)
        return 50 * (epoch + 1)

    arguments = {"solver": "sgd", "learning_rate": 1.0, "max_iter": 2, "tol": None}
    cut = LinearClassifier(batch_size=size, max_norm=1e-3, random_state=0, **arguments).fit(X, y)
    assert set(sizes) == {0, 1}
    assert np.abs(cut.coef_).max() <= 1e-3 * (8 + 4)  # so many steps of that length at most


@pytest.mark.parametrize(
    "solver", ["AdamW", fl.optim.AdamW, lambda params: fl.optim.AdamW(params, lr=0.01)]
)
def test_optimizers_by_name_class_and_factory(solver, data):
    rate = {"learning_rate": 0.01} if isinstance(solver, (str, type)) else {}
    arguments = {"max_iter": 2, "tol": None, "random_state": 0}
    ours = LinearClassifier(solver=solver, **rate, **arguments).fit(data["X"], data["binary"])
    named = LinearClassifier(solver="adamw", learning_rate=0.01, **arguments)
    assert (ours.coef_ == named.fit(data["X"], data["binary"]).coef_).all()


def test_a_schedule_of_steps(data):
    schedule = fl.optim.schedules.Cosine(0.1, T_0=100)
    ours = LinearClassifier(
        solver="sgd", learning_rate=schedule, batch_size=40, max_iter=3, tol=None, random_state=0
    ).fit(data["X"], data["binary"])
    assert ours.history_["learning_rate"] == [schedule(9), schedule(19), schedule(29)]


def test_too_few_iterations_warn(data):
    with pytest.warns(ConvergenceWarning, match="tol=0.0001: max_iter=2 iterations"):
        LinearClassifier(solver="lbfgs", max_iter=2).fit(data["X"], data["binary"])
    for enough in (5, 8, 15):  # in the middle of less and less rounded kinks
        with pytest.warns(ConvergenceWarning, match=f"max_iter={enough} iterations"):
            LinearRegressor("mae", max_iter=enough, alpha=0).fit(data["X"], data["real"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearClassifier(solver="sgd", max_iter=2, tol=None).fit(data["X"], data["binary"])


# ---- a loss of one's own, and other company ----------------------------------------------------


def test_a_loss_of_ones_own(data):
    class Halved(fl.SquaredError):
        """Half of a squared error, by name."""

        name = "halved_for_linear_models"

    ours = LinearRegressor(Halved()).fit(data["X"], data["real"])
    assert_same(ours, LinearRegressor("mse").fit(data["X"], data["real"]), rtol=1e-12)


def test_company(data):
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.inspection import partial_dependence, permutation_importance
    from sklearn.model_selection import GridSearchCV, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = data["X"], data["binary"]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LinearClassifier(random_state=0)),
        {
            "linearclassifier__loss": ["logistic", "focal", fl.Focal(gamma=1.0)],
            "linearclassifier__solver": ["auto", "lbfgs"],
        },
        scoring="neg_log_loss",
        cv=3,
    ).fit(X, y)
    assert search.best_params_["linearclassifier__loss"] == "logistic"
    assert "LinearClassifier" in search._repr_html_()
    chance = cross_val_predict(LinearClassifier(), X, y, method="predict_proba")
    assert chance.shape == (N, 2)
    calibrated = CalibratedClassifierCV(LinearClassifier("hinge"), cv=3).fit(X, y)
    assert fl.LogLoss()(y, calibrated.predict_proba(X)[:, 1]) < 0.6
    model = LinearClassifier().fit(X, y)
    importance = permutation_importance(model, X, y, random_state=0).importances_mean
    assert importance[2] == pytest.approx(0, abs=0.02) and importance.max() > 0.05
    assert partial_dependence(model, X, [0])["average"].shape[0] == 1


def test_data_frames_and_routing(data):
    pandas = pytest.importorskip("pandas", reason="names of features")
    from sklearn.model_selection import cross_validate

    X = pandas.DataFrame(data["X"], columns=list("abcde"))
    model = LinearClassifier().fit(X, data["binary"])
    assert model.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[list("edcba")])
    with sklearn.config_context(enable_metadata_routing=True):
        routed = LinearClassifier().set_fit_request(sample_weight=True)
        routed.set_score_request(sample_weight=True)
        found = cross_validate(
            routed, X, data["binary"], params={"sample_weight": data["weight"]}, error_score="raise"
        )
    assert len(found["test_score"]) == 5


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(backend, data):
    import joblib

    X, y = data["X"], data["binary"]
    alphas = [1e-3, 1e-2, 1e-1]

    def fit(alpha):
        from fastloss.linear_model import LinearClassifier

        return LinearClassifier(alpha=alpha).fit(X, y).coef_

    with joblib.parallel_config(backend=backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(fit)(alpha) for alpha in alphas)
    for alpha, coef in zip(alphas, found, strict=True):
        assert (coef == LinearClassifier(alpha=alpha).fit(X, y).coef_).all()


def test_threads_of_joblib_do_not_start_their_own(data):
    import joblib

    from fastloss.linear_model.pools import threads_of_fits

    def count():
        with threads_of_fits():
            return fl.get_num_threads()

    with fl.num_threads(4):
        assert count() == 4
        with joblib.parallel_config(backend="threading", n_jobs=2):
            assert joblib.Parallel()(joblib.delayed(count)() for _ in range(3)) == [1, 1, 1]
        assert count() == 4


def test_blas_has_one_thread_in_fits_and_its_own_after_them(data):
    import threadpoolctl

    def count():
        found = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in found if pool["user_api"] == "blas"]

    before, seen = count(), []
    gate = threading.Barrier(2, timeout=30)

    def callback(estimator):
        if len(estimator.history_["loss"]) == 1:
            gate.wait()  # both fits are under way
        seen.append(count())

    def fit():
        model = LinearRegressor(solver="adam", max_iter=3, tol=None, callbacks=[callback])
        model.fit(data["X"], data["real"])

    fits = [threading.Thread(target=fit) for _ in range(2)]
    for thread in fits:
        thread.start()
    for thread in fits:
        thread.join()
    assert len(seen) == 6
    assert seen == [[1] * len(before)] * 6
    assert count() == before


# ---- predictions -------------------------------------------------------------------------------


def test_results_into_an_array(data):
    X, y = data["X"], data["binary"]
    model = LinearClassifier().fit(X, y)
    out = np.full((N, 2), -1.0)
    assert model.predict_proba(X, out=out) is out
    assert (out == model.predict_proba(X)).all()
    np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-15)
    with pytest.raises(ValueError, match=r"of shape \(400, 2\); got shape \(400,\)"):
        model.predict_proba(X, out=np.empty(N))
    with pytest.raises(TypeError, match="float64, as X; got float32"):
        model.predict_proba(X, out=np.empty((N, 2), np.float32))
    regressor = LinearRegressor("poisson").fit(X, data["counts"])
    out = np.empty(N)
    assert regressor.predict(X, out=out) is out
    assert (out == regressor.predict(X)).all()


def test_both_tails_of_probabilities_are_right():
    X = np.array([[-800.0], [-40.0], [40.0], [800.0]])
    model = LinearClassifier(alpha=1e-2).fit(np.array([[-1.0], [1.0]]), ["a", "b"])
    model.coef_, model.intercept_ = np.array([[1.0]]), np.array([0.0])
    chance = model.predict_proba(X)
    assert chance[1, 1] == pytest.approx(np.exp(-40), rel=1e-14)
    assert chance[2, 0] == pytest.approx(np.exp(-40), rel=1e-14)
    assert model.predict(X).tolist() == ["a", "a", "b", "b"]


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"loss": "no_such"}, ValueError, "no_such"),
        ({"loss": 3}, TypeError, "a loss is a name or a Loss"),
        ({"loss": "log_loss"}, ValueError, "raw scores"),
        ({"loss": "poisson"}, ValueError, "LinearRegressor takes it"),
        ({"loss": "rmse"}, ValueError, "root"),
        ({"penalty": "l3"}, ValueError, "penalty must be None, one of 'l2', 'l1', 'elasticnet'"),
        ({"alpha": -1}, ValueError, "alpha must be a number from 0 on; got -1"),
        ({"l1_ratio": 2}, ValueError, "l1_ratio must be a number from 0 to 1; got 2"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer from 1 on; got 0"),
        ({"max_iter": 2.5}, ValueError, "max_iter must be an integer"),
        ({"tol": "small"}, ValueError, "tol must be a number"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer from 1 on; got 0"),
        ({"batch_size": "big"}, ValueError, "batch_size"),
        ({"solver": "newton"}, ValueError, "solver must be one of 'auto', 'lbfgs'"),
        ({"solver": "lbfgs", "penalty": "l1"}, ValueError, "needs a penalty with a gradient"),
        ({"solver": "adam", "penalty": "l1"}, ValueError, "solver='adam' takes no proximal steps"),
        ({"validation_fraction": 1.0}, ValueError, r"must be in \(0, 1\)"),
        ({"solver": lambda p: fl.optim.SGD(p), "max_norm": 1.0}, ValueError, "give it"),
        ({"validation_fraction": "a"}, ValueError, "validation_fraction must be a number"),
        ({"verbose": -1}, ValueError, "verbose must be a number from 0 on"),
        ({"callbacks": print}, TypeError, "callbacks must be a sequence of callables"),
        ({"class_weight": {0: -1, 1: 1}}, ValueError, "class_weight must be at least 0"),
        (
            {"solver": "sgd", "batch_size": lambda epoch: 0},
            ValueError,
            r"batch_size\(0\) must be an integer from 1 on; got 0",
        ),
        ({"class_weight": "equal"}, ValueError, "class_weight"),
    ],
)
def test_arguments_that_are_refused(arguments, error, message, data):
    with pytest.raises(error, match=message):
        LinearClassifier(**arguments).fit(data["X"], data["binary"])


def test_targets_that_are_refused(data):
    X, y = data["X"], data["binary"]
    with pytest.raises(ValueError, match="at least two classes; got 1 class"):
        LinearClassifier().fit(X, np.zeros(N))
    with pytest.raises(ValueError, match="LinearClassifier takes those of classes"):
        LinearRegressor("softmax_cross_entropy").fit(X, y)
    with pytest.raises(fl.DomainError, match="y"):
        LinearRegressor("poisson").fit(X, np.full(N, -1.0))
    with pytest.raises(ValueError, match="Negative values"):
        LinearRegressor().fit(X, y, sample_weight=np.full(N, -1.0))
    for bad in (np.nan, np.inf):
        spoiled = X.copy()
        spoiled[7, 2] = bad
        for solver in ("auto", *SMOOTH, "sgd"):
            with pytest.raises(ValueError, match="Input X contains"):
                LinearClassifier(solver=solver).fit(spoiled, y)
        with pytest.raises(ValueError, match="Input X contains"):
            LinearClassifier().fit(X, y).predict(spoiled)


def test_features_of_wild_scales_are_named():
    X = np.array([[1e200], [-1e200], [1e200]])
    with pytest.raises(FloatingPointError, match="scale the features"):
        LinearRegressor("mse", solver="lbfgs").fit(X, [1e200, 2.0, -1e200])
