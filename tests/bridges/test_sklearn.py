"""scikit-learn's boosting and model selection take our losses, with the numbers of its own."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl

pytest.importorskip("sklearn", reason="the bridge is to scikit-learn")

import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from fastloss.sklearn import boosting_loss, scorer
from fastloss.sklearn.boosting import _check_interface

N = 701
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
SIGNAL = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2])
Y = SIGNAL + RNG.standard_t(3, N)
COUNTS = RNG.poisson(np.exp(SIGNAL.clip(-2, 2))).astype(float)
POSITIVE = RNG.gamma(2, np.exp(SIGNAL) / 2) + 1e-9
NOISY = SIGNAL + RNG.normal(size=N)
TWO = np.where(NOISY > 0, "yes", "no")
FOUR = np.array(list("dbca"))[np.digitize(NOISY, [-1, 0, 1])]
SMALL_INTEGERS = RNG.integers(0, 3, N).astype(float)
WEIGHTS = {"": None, "weighted": RNG.uniform(0.1, 2, N), "counted": SMALL_INTEGERS}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1, user_api="openmp"):
        yield


def model(loss, classes=False, **options):
    cls = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return cls(
        loss=loss,
        **(
            {"max_iter": 6, "max_leaf_nodes": 15, "random_state": 0, "early_stopping": False}
            | options
        ),
    )


# ---- boosting: what scikit-learn has itself ----------------------------------------------------

THEIRS = [
    ("squared_error", fl.SquaredError(), Y, {}),
    ("absolute_error", fl.AbsoluteError(), Y, {}),
    ("quantile", fl.Quantile(q=0.9), Y, {"quantile": 0.9}),
    ("quantile", fl.Quantile(q=0.5), Y, {"quantile": 0.5}),
    ("poisson", fl.Poisson(), COUNTS, {}),
    ("gamma", fl.Gamma(), POSITIVE, {}),
    ("log_loss", fl.Logistic(), TWO, {}),
]


@pytest.mark.parametrize("early_stopping", [False, True], ids=["", "stopping"])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(
    ("name", "loss", "y", "more"), THEIRS, ids=lambda x: x if type(x) is str else ""
)
def test_the_models_of_scikit_learns_losses(name, loss, y, more, weights, early_stopping):
    w, classes = WEIGHTS[weights], y is TWO
    options = {"early_stopping": early_stopping, "n_iter_no_change": 3}
    theirs = model(name, classes, **options, **more).fit(X, y, sample_weight=w)
    ours = model(boosting_loss(loss), classes, **options).fit(X, y, sample_weight=w)
    assert ours.n_iter_ == theirs.n_iter_
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.train_score_, theirs.train_score_, rtol=1e-13)
    np.testing.assert_allclose(ours.validation_score_, theirs.validation_score_, rtol=1e-13)
    if classes:
        assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_model_of_four_classes(weights):
    w = WEIGHTS[weights]
    theirs = model("log_loss", True).fit(X, FOUR, sample_weight=w)
    ours = model(boosting_loss(fl.SoftmaxCrossEntropy(), n_classes=4), True)
    ours.fit(X, FOUR, sample_weight=w)
    assert np.array_equal(ours.decision_function(X), theirs.decision_function(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=4e-16)


def test_where_the_square_is_regularized_it_is_halved_by_default_alone():
    def fitted(loss):
        return model(loss, l2_regularization=50.0).fit(X, Y).predict(X)

    half, whole = fl.SquaredError(), boosting_loss(fl.SquaredError(), hessian="exact")
    assert np.array_equal(fitted(boosting_loss(half)), fitted("squared_error"))
    assert not np.allclose(fitted(whole), fitted("squared_error"))


# ---- boosting: what it has not -----------------------------------------------------------------

ROBUST = [
    fl.Huber(),
    fl.LogCosh(),
    fl.Cauchy(),
    fl.Welsch(c=2.0),
    fl.GemanMcClure(c=2.0),
    fl.GeneralRobust(alpha=-1.0),
    fl.EpsilonInsensitive(),
    fl.SquaredEpsilonInsensitive(),
    fl.Expectile(q=0.5),
]


@pytest.mark.parametrize("loss", ROBUST, ids=repr)
@pytest.mark.parametrize("hessian", [None, "majorant", 0.05])
def test_losses_of_our_own_learn(loss, hessian):
    fitted = model(boosting_loss(loss, hessian=hessian), max_iter=30).fit(X, Y)
    constant = np.full(N, loss.optimal_constant(Y))
    assert loss(Y, fitted.predict(X)) < 0.9 * loss(Y, constant)
    assert np.mean((fitted.predict(X) - SIGNAL) ** 2) < 0.75 * np.var(SIGNAL)


@pytest.mark.parametrize(
    "loss",
    [fl.Hinge(), fl.SquaredHinge(), fl.ModifiedHuber(), fl.Exponential(), fl.Focal()],
    ids=repr,
)
def test_losses_of_two_classes_take_classifiers_labels(loss):
    options = {"max_iter": 30, "early_stopping": True}
    fitted = model(boosting_loss(loss), True, **options).fit(X, TWO)
    assert fitted.score(X, TWO) > 0.65
    if loss.inverse_link([1.0])[0] == 1.0:
        with pytest.raises(NotImplementedError, match=r"no probabilities; use predict"):
            fitted.predict_proba(X)
    else:
        assert np.allclose(fitted.predict_proba(X).sum(axis=1), 1)


def test_a_regressor_may_hold_signs():
    signs = np.where(TWO == "yes", 1.0, -1.0)
    loss = boosting_loss(fl.Exponential())
    by_sign = model(loss).fit(X, signs)._raw_predict(X)
    assert np.array_equal(by_sign, model(loss, True).fit(X, TWO)._raw_predict(X))


@pytest.mark.parametrize("loss", [fl.SoftmaxFocal(), fl.PolyLoss(), fl.MultiClassHinge()], ids=repr)
def test_other_losses_of_four_classes_learn(loss):
    fitted = model(boosting_loss(loss, n_classes=4), True, max_iter=20).fit(X, FOUR)
    assert fitted.score(X, FOUR) > 0.6


def test_a_class_without_weight_keeps_the_start_finite():
    loss = boosting_loss(fl.PolyLoss(), n_classes=4)
    start = loss.fit_intercept_only(np.repeat(np.arange(4.0), 5), np.repeat([1.0, 0, 1, 1], 5))
    assert np.isfinite(start).all() and start[1] == np.log(np.finfo(float).eps)


class Twice(fl.Huber):
    """What a user may define: another loss by way of the methods."""

    name = "twice"

    def __init__(self, delta: float = 1.0) -> None:
        self._set(delta=2 * delta)


class MySquare(fl.SquaredError):
    name = "my_square"


def test_losses_of_a_user():
    ours = model(boosting_loss(Twice(delta=0.5))).fit(X, Y).predict(X)
    assert np.array_equal(ours, model(boosting_loss(fl.Huber(delta=1.0))).fit(X, Y).predict(X))
    options = {"l2_regularization": 50.0}  # a subclass is not taken for scikit-learn's
    whole = model(boosting_loss(fl.SquaredError(), hessian="exact"), **options).fit(X, Y)
    ours = model(boosting_loss(MySquare()), **options).fit(X, Y)
    assert np.allclose(ours.predict(X), whole.predict(X), rtol=0, atol=1e-12)


def test_derivatives_go_into_the_given_arrays():
    loss = boosting_loss(fl.SoftmaxCrossEntropy(), n_classes=3)
    y = RNG.integers(0, 3, N).astype(float)
    z = np.asfortranarray(RNG.normal(size=(N, 3)))
    out = loss.init_gradient_and_hessian(N, dtype=np.float32, order="F")
    returned = loss.gradient_hessian(y, z, WEIGHTS["weighted"], *out)
    assert all(a is b for a, b in zip(returned, out, strict=True))
    expected = fl.SoftmaxCrossEntropy().grad_and_hess(
        y.astype(int), z, sample_weight=WEIGHTS["weighted"], reduction="sum"
    )
    for got, exact in zip(out, expected, strict=True):
        assert np.array_equal(got, exact.astype(np.float32))


def test_threads_are_those_asked_for(monkeypatch):
    seen = []

    class Watching(fl.LogCosh):
        name = "watching"

        def grad_and_hess(self, *args, **options):
            seen.append(fl.get_num_threads())
            return super().grad_and_hess(*args, **options)

    loss, before = boosting_loss(Watching()), fl.get_num_threads()
    loss.gradient_hessian(Y, np.zeros(N), n_threads=3)
    assert seen[-1] == 3 and fl.get_num_threads() == before


# ---- boosting: pickling and searching ----------------------------------------------------------


def test_pickled_and_cloned_models():
    fitted = model(boosting_loss(fl.Poisson())).fit(X, COUNTS)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(X), fitted.predict(X))
    assert np.array_equal(clone(fitted).fit(X, COUNTS).predict(X), fitted.predict(X))
    assert repr(fitted.loss) == "boosting_loss(Poisson())"
    given = boosting_loss("huber:delta=2.0", hessian=0.1)
    assert repr(given) == "boosting_loss(Huber(delta=2.0), hessian=0.1)"


def test_a_search_over_losses():
    losses = [boosting_loss(fl.Cauchy(c=c)) for c in (0.5, 1.0)]
    search = GridSearchCV(model(None), {"loss": losses}, scoring=scorer(fl.LogCosh()), cv=2)
    search.fit(X, Y)
    expected = [
        cross_val_score(model(loss), X, Y, scoring=scorer("log_cosh"), cv=2).mean()
        for loss in losses
    ]
    assert np.array_equal(search.cv_results_["mean_test_score"], expected)


def test_warm_start_goes_on():
    loss = boosting_loss(fl.LogCosh())
    whole = model(loss, max_iter=10).fit(X, Y)
    parts = model(loss, max_iter=5, warm_start=True).fit(X, Y).set_params(max_iter=10).fit(X, Y)
    assert np.allclose(parts.predict(X), whole.predict(X), rtol=0, atol=1e-6)


# ---- boosting: refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "options", "words"),
    [
        (fl.LogLoss(), {}, r"LogLoss\(.*\) takes predictions in \[0, 1\].*: Logistic or Focal "),
        (fl.PoissonDeviance(), {}, r"in \(0, inf\), which the sums.*: Poisson or .*Tweedie "),
        (fl.CrossEntropy(), {"n_classes": 3}, r"take a loss of raw scores.*SoftmaxCrossEntropy"),
        (fl.SquaredLogError(), {}, r"take a loss of raw scores instead$"),
        (fl.RootMeanSquaredError(), {}, r"no sum over samples.*take SquaredError"),
        (fl.MultiLabelLogistic(), {}, r"takes no classes"),
        (fl.GaussianNLL(), {}, r"takes no classes"),
        (fl.SoftmaxCrossEntropy(axis=0), {"n_classes": 3}, r"must have axis=-1"),
        (fl.SoftmaxCrossEntropy(), {}, r"n_classes must be at least 3 .*; got None"),
        (fl.SoftmaxCrossEntropy(), {"n_classes": 2}, r"Logistic's\); got 2"),
        (fl.Huber(), {"n_classes": 2}, r"n_classes is for losses of rows; got 2"),
        (fl.Huber(), {"hessian": "ones"}, r"hessian must be .*; got 'ones'"),
        (fl.Huber(), {"hessian": -1.0}, r"a floor .*; got -1.0"),
        ("hubert", {}, r"unknown loss 'hubert'; did you mean huber"),
    ],
)
def test_what_boosting_cannot_minimise(loss, options, words):
    with pytest.raises(ValueError, match=words):
        boosting_loss(loss, **options)


def test_what_is_no_loss_or_number():
    with pytest.raises(TypeError, match="a loss is a name or a Loss"):
        boosting_loss(np.square)
    with pytest.raises(TypeError, match="n_classes must be an integer; got 3.0"):
        boosting_loss(fl.SoftmaxCrossEntropy(), n_classes=3.0)


def test_other_classes_than_the_losss():
    with pytest.raises(ValueError, match=r"Logistic.* is of two classes, but there are 4"):
        model(boosting_loss(fl.Logistic()), True).fit(X, FOUR)
    with pytest.raises(ValueError, match="n_classes is 5, but y_true holds 4 classes"):
        model(boosting_loss(fl.PolyLoss(), n_classes=5), True).fit(X, FOUR)
    with pytest.raises(fl.losses.DomainError, match=r"y_true\[0\] = -1.0 is not in \[0, inf\)"):
        model(boosting_loss(fl.Poisson())).fit(X, np.full(N, -1.0))


def test_another_private_interface_is_told():
    class Changed(boosting_loss("huber").__class__.__base__):
        def fit_intercept_only(self, y_true, weights=None):
            pass

    words = r"differs in \d.*: BaseLoss.fit_intercept_only has the parameters \('y_true', 'weights'"
    with pytest.raises(ImportError, match=words):
        _check_interface(Changed)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("import sys; sys.modules['sklearn'] = None", "pip install 'fastloss[sklearn]'"),
        (
            "import sklearn.ensemble, sklearn._loss.loss as m; del m.PinballLoss",
            "private interface",
        ),
    ],
)
def test_a_missing_library_is_told(before, words):
    program = f"{before}; import fastloss.sklearn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert words in done.stderr.splitlines()[-1]


# ---- scorers -----------------------------------------------------------------------------------


class Predicts(ClassifierMixin, BaseEstimator):
    """A fitted classifier of given results."""

    def __init__(self, classes, proba=None, scores=None):
        self.classes_ = np.asarray(classes)
        if proba is not None:
            self.predict_proba = lambda X: np.asarray(proba)
        if scores is not None:
            self.decision_function = lambda X: np.asarray(scores)

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize(
    ("loss", "method"),
    [
        (fl.LogLoss(), "predict_proba"),
        (fl.CrossEntropy(), "predict_proba"),
        (fl.Logistic(), "decision_function"),
        (fl.Hinge(), "decision_function"),
        (fl.MultiClassHinge(), "decision_function"),
        (fl.MultiLabelLogistic(), "decision_function"),
        (fl.Poisson(), "predict"),
        (fl.PoissonDeviance(), "predict"),
        (fl.SquaredError(), "predict"),
        (fl.CosineDistance(), "predict"),
    ],
    ids=repr,
)
def test_what_estimators_are_asked_for(loss, method):
    assert scorer(loss).response_method == method


REGRESSIONS = [
    ("neg_mean_squared_error", fl.SquaredError(), Y),
    ("neg_root_mean_squared_error", fl.RootMeanSquaredError(), Y),
    ("neg_mean_absolute_error", fl.AbsoluteError(), Y),
    ("neg_mean_poisson_deviance", fl.PoissonDeviance(), COUNTS),
]
CLASSES = [
    ("neg_log_loss", fl.LogLoss(), TWO),
    ("neg_log_loss", fl.CrossEntropy(), TWO),
    ("neg_log_loss", fl.CrossEntropy(), FOUR),
    ("neg_brier_score", fl.Brier(), (TWO == "yes").astype(int)),
]


@pytest.mark.parametrize("w", [None, WEIGHTS["weighted"]], ids=["", "weighted"])
@pytest.mark.parametrize(("name", "loss", "y"), REGRESSIONS + CLASSES)
def test_the_scores_of_scikit_learn(name, loss, y, w):
    estimator = PoissonRegressor() if y is COUNTS else LinearRegression()
    estimator = (LogisticRegression() if y.dtype.kind in "Ui" else estimator).fit(X, y)
    expected = get_scorer(name)(estimator, X, y, sample_weight=w)
    assert scorer(loss)(estimator, X, y, sample_weight=w) == pytest.approx(expected, rel=1e-15 * 4)


def test_a_pipeline_and_probabilities_of_raw_scores():
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, TWO)
    of_scores, of_probabilities = (
        scorer(fl.Logistic())(pipe, X, TWO),
        scorer("log_loss")(pipe, X, TWO),
    )
    assert of_scores == pytest.approx(of_probabilities, rel=1e-12)
    pipe.fit(X, FOUR)
    of_scores = scorer(fl.SoftmaxCrossEntropy())(pipe, X, FOUR)
    assert of_scores == pytest.approx(scorer(fl.CrossEntropy())(pipe, X, FOUR), rel=1e-12)


def test_means_are_brought_on_the_scale_of_the_loss():
    estimator = PoissonRegressor().fit(X, COUNTS)
    linear = estimator.intercept_ + X @ estimator.coef_
    expected = -fl.Poisson()(COUNTS, linear)
    assert scorer(fl.Poisson())(estimator, X, COUNTS) == pytest.approx(expected, rel=1e-12)

    class Negative(RegressorMixin, BaseEstimator):
        def predict(self, X):
            return np.full(len(X), -2.0)

    with pytest.raises(ValueError, match=r"Poisson\(\) is of positive predictions; got -2.0"):
        scorer(fl.Poisson())(Negative(), X, COUNTS)


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], [0, 1], [3, 7], [-1.0, 1.0], np.array(["a", "b"], object)],
)
@pytest.mark.parametrize("loss", [fl.LogLoss(), fl.Hinge(), fl.CrossEntropy()], ids=repr)
def test_labels_of_any_type(labels, loss):
    y01, p = np.array([0, 1, 1]), np.array([0.25, 0.5, 0.75])
    estimator = Predicts(labels, np.column_stack([1 - p, p]), 2 * p - 1)
    y = np.asarray(labels)[y01]
    expected = -loss(2 * y01 - 1, 2 * p - 1) if loss.name == "hinge" else -fl.LogLoss()(y01, p)
    assert scorer(loss)(estimator, X[:3], y) == expected == scorer(loss)(estimator, X[:3], list(y))


def test_folds_without_a_class():
    estimator = Predicts(["a", "b", "c"], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])
    assert scorer(fl.CrossEntropy())(estimator, X[:2], ["a", "a"]) == -np.log(2)
    words = r"y_true holds .*'d'.*not fitted with: its classes_ are \['a', 'b', 'c'\]"
    with pytest.raises(ValueError, match=words):
        scorer(fl.CrossEntropy())(estimator, X[:2], ["a", "d"])
    two = Predicts([0, 1], [[0.5, 0.5]])
    with pytest.raises(ValueError, match=r"y_true holds .*2.*classes_ are \[0, 1\]"):
        scorer(fl.LogLoss())(two, X[:1], [2])


def test_estimators_that_do_not_fit_the_loss():
    three = Predicts(["a", "b", "c"], np.full((2, 3), 1 / 3))
    with pytest.raises(
        ValueError, match=r"LogLoss\(.*\) is of two classes, and the estimator has 3"
    ):
        scorer(fl.LogLoss())(three, X[:2], ["a", "b"])
    words = r"scorer\(Logistic.*\) needs decision_function, which Predicts has not"
    with pytest.raises(AttributeError, match=words):
        scorer(fl.Logistic())(three, X[:2], ["a", "b"])
    with pytest.raises(TypeError, match="a loss is a name or a Loss"):
        scorer(np.square)


def test_weights_are_routed():
    w = WEIGHTS["weighted"]
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        scorer("mse").set_score_request(sample_weight=True)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = LinearRegression().set_fit_request(sample_weight=False)
        scoring = {
            "ours": scorer(fl.SquaredError()).set_score_request(sample_weight="w"),
            "theirs": get_scorer("neg_mean_squared_error").set_score_request(sample_weight="w"),
            "plain": scorer(fl.SquaredError()).set_score_request(sample_weight=False),
        }
        found = cross_validate(estimator, X, Y, scoring=scoring, params={"w": w}, cv=3)
        alone = cross_val_score(estimator, X, Y, scoring=scoring["ours"], params={"w": w}, cv=3)
        copied = pickle.loads(pickle.dumps(clone(scoring["ours"], safe=False)))
        again = cross_val_score(estimator, X, Y, scoring=copied, params={"w": w}, cv=3)
    np.testing.assert_allclose(found["test_ours"], found["test_theirs"], rtol=4e-15)
    assert np.array_equal(alone, found["test_ours"]) and np.array_equal(alone, again)
    assert np.array_equal(
        found["test_plain"], cross_val_score(LinearRegression(), X, Y, scoring=scorer("mse"), cv=3)
    )


def test_a_scorer_stops_boosting_early():
    options = {"early_stopping": True, "max_iter": 20, "scoring": scorer(fl.AbsoluteError())}
    fitted = model(boosting_loss(fl.LogCosh()), **options)
    fitted.fit(X, Y, sample_weight=WEIGHTS["weighted"])
    theirs = fitted.set_params(scoring="neg_mean_absolute_error")
    expected = theirs.fit(X, Y, sample_weight=WEIGHTS["weighted"]).validation_score_
    again = fitted.set_params(scoring=options["scoring"])
    got = again.fit(X, Y, sample_weight=WEIGHTS["weighted"]).validation_score_
    np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_a_scorer_has_a_name():
    assert scorer("huber:delta=2").name == "huber:delta=2.0"
    assert repr(scorer(fl.Huber())) == "scorer(Huber(delta=1.0))"
    assert repr(scorer(fl.Huber(), name="robust")) == "scorer(Huber(delta=1.0), name='robust')"


def test_two_classes_may_be_said_to_be_two():
    assert boosting_loss("focal", n_classes=2).n_classes == 2
