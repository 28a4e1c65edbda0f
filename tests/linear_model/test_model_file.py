"""Saved estimators: what is loaded predicts the same bits and can be fitted on."""

import json
import os

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's kind")

import fastloss as fl
from fastloss.linear_model import LinearClassifier, LinearRegressor, load
from fastloss.optim import schedules
from fastloss.penalties import ElasticNet, GroupLasso, Penalty

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
SCORES = X @ [1.0, -2.0, 0.0, 0.5] + 0.5 * RNG.normal(size=300)
TWO, THREE = (SCORES > 0).astype(int), np.digitize(SCORES, [-1.0, 1.0])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.json"


@pytest.fixture
def reloaded(path):
    def call(estimator):
        estimator.save(path)
        return load(path)

    return call


def same(found, estimator, X=X):
    """Whether two estimators predict the same, to the bit, in float64 and float32."""
    assert type(found) is type(estimator)
    for rows in (X, X.astype(np.float32)):
        for method in ("predict", "decision_function", "predict_proba"):
            if hasattr(estimator, method):
                ours, theirs = (getattr(each, method)(rows) for each in (found, estimator))
                assert ours.shape == theirs.shape
                np.testing.assert_array_equal(ours, theirs)
    assert found.loss_ == estimator.loss_
    assert found.n_iter_ == estimator.n_iter_
    assert found.get_params() == estimator.get_params()
    return True


CLASSIFIERS = {
    "two": (LinearClassifier(), TWO),
    "three": (LinearClassifier(), THREE),
    "one-vs-rest": (LinearClassifier("squared_hinge"), THREE),
    "rows of two": (LinearClassifier("multiclass_hinge", solver="lbfgs"), TWO),
    "no intercept": (LinearClassifier("focal:gamma=1.5", fit_intercept=False), TWO),
    "labels": (LinearClassifier(), np.column_stack([TWO, THREE == 1, THREE == 2]).astype(int)),
    "l1": (LinearClassifier(penalty="l1", alpha=0.01), THREE),
    "adam": (LinearClassifier(solver="adam", max_iter=3, random_state=0, tol=None), TWO),
}
REGRESSORS = {
    "one": (LinearRegressor("huber"), SCORES),
    "column": (LinearRegressor(), SCORES[:, np.newaxis]),
    "outputs": (LinearRegressor(fit_intercept=False), np.column_stack([SCORES, -SCORES])),
    "logarithms": (LinearRegressor("poisson"), np.exp(SCORES / 2)),
    "infinite parameter": (LinearRegressor("general_robust:alpha=-inf"), SCORES),
}


@pytest.mark.parametrize("name", [*CLASSIFIERS, *REGRESSORS])
def test_what_is_loaded_predicts_the_same_bits(name, reloaded):
    estimator, y = {**CLASSIFIERS, **REGRESSORS}[name]
    estimator.fit(X, y)
    assert same(reloaded(estimator), estimator)


@pytest.mark.parametrize(
    "classes",
    [
        np.array([3, 7]),
        np.array([3, 7], np.int8),
        np.array([2**63, 2**63 + 1], np.uint64),
        np.array([False, True]),
        np.array(["no", "yes"]),
        np.array(["no", "ja: \u00fc\n"], object)[[1, 0]],
        np.array([0.0, 1.0]),
    ],
    ids=str,
)
def test_classes_keep_their_type(classes, reloaded):
    estimator = LinearClassifier().fit(X, classes[TWO])
    found = reloaded(estimator)
    assert found.classes_.tolist() == estimator.classes_.tolist()
    assert found.classes_.dtype == classes.dtype or classes.dtype.kind in "UO"
    assert [*map(type, found.classes_.tolist())] == [*map(type, classes.tolist())]
    assert same(found, estimator)


@pytest.mark.parametrize("number", [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3])
def test_numbers_are_exact(number, reloaded):
    estimator = LinearRegressor().fit(X, SCORES)
    estimator.coef_[0] = estimator.intercept_ = number
    found = reloaded(estimator)
    assert found.coef_.tobytes() == estimator.coef_.tobytes()
    assert found.intercept_.hex() == number.hex()


def test_names_of_features(reloaded):
    frame = pd.DataFrame(X, columns=["a", "b", "c", "\u00e4"])
    found = reloaded(LinearRegressor().fit(frame, SCORES))
    assert found.feature_names_in_.tolist() == [*frame.columns]
    found.predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        found.predict(frame[["b", "a", "c", "\u00e4"]])
    assert not hasattr(reloaded(LinearRegressor().fit(X, SCORES)), "feature_names_in_")


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": fl.Focal(gamma=1.5)},
        {"penalty": None},
        {"penalty": ElasticNet(0.1, 0.2)},
        {"penalty": GroupLasso(0.1, groups=[0, 0, 1, 1])},
        {"solver": fl.optim.Adam, "learning_rate": schedules.Warmup(schedules.Constant(0.1), 5)},
        {"class_weight": {0: 2.0, 1: np.float32(0.5)}},
        {"alpha": np.float64(0.25), "max_iter": np.int64(7), "tol": None},
        {"warm_start": True, "random_state": 3, "batch_size": 16},
    ],
    ids=str,
)
def test_parameters(parameters, reloaded):
    estimator = LinearClassifier().fit(X, TWO).set_params(**parameters)
    assert reloaded(estimator).get_params() == estimator.get_params()


class Own(Penalty):
    name = "own"


class OwnLoss(fl.Logistic):
    pass


@pytest.mark.parametrize(
    "parameters",
    [
        {"batch_size": lambda epoch: 32},
        {"solver": lambda params: fl.optim.Adam(params)},
        {"learning_rate": lambda step: 0.1},
        {"penalty": Own()},
        {"loss": OwnLoss()},
        {"random_state": np.random.RandomState(0)},
        {"class_weight": {0: np.inf, 1: 1.0}},
    ],
    ids=lambda p: [*p][0],
)
def test_what_cannot_be_described_is_refused(parameters, path):
    estimator = LinearClassifier().fit(X, TWO).set_params(**parameters)
    with pytest.raises(TypeError, match=f"^{[*parameters][0]}"):
        estimator.save(path)
    assert not os.listdir(path.parent)


def test_callbacks_are_left_out(reloaded):
    estimator = LinearRegressor(callbacks=[print]).fit(X[:20], SCORES[:20])
    assert reloaded(estimator).callbacks is None


def test_what_cannot_be_saved(path):
    from sklearn.exceptions import NotFittedError

    class Mine(LinearRegressor):
        pass

    with pytest.raises(NotFittedError):
        LinearRegressor().save(path)
    with pytest.raises(TypeError, match="Mine is none of fastloss's estimators"):
        Mine().fit(X, SCORES).save(path)
    estimator = LinearRegressor().fit(X, SCORES)
    estimator.coef_[1] = np.nan
    with pytest.raises(ValueError, match="coef_ holds numbers that are not finite"):
        estimator.save(path)
    assert not os.listdir(path.parent)


def test_a_failed_save_leaves_what_was_there(path, monkeypatch):
    estimator = LinearRegressor().fit(X, SCORES)
    estimator.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        LinearRegressor("mae").fit(X, SCORES).save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


# ---- fitting on --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two", "three", "no intercept", "l1", "labels"])
def test_warm_start_goes_on(name, reloaded):
    estimator, y = CLASSIFIERS[name]
    estimator = fl.linear_model.LinearClassifier(
        **{**estimator.get_params(), "warm_start": True, "tol": 1e-9}
    ).fit(X, y)
    found = reloaded(estimator)
    estimator.fit(X[:200], y[:200])
    found.fit(X[:200], y[:200])
    # of losses of rows a constant may be added to all intercepts, which is not kept
    np.testing.assert_allclose(found.coef_, estimator.coef_, rtol=1e-9, atol=1e-12)


def test_warm_start_of_rows_of_two(reloaded):
    estimator = LinearClassifier("multiclass_hinge", solver="lbfgs", warm_start=True, max_iter=5)
    with pytest.warns(Warning, match="max_iter"):
        estimator.fit(X, TWO)
    found = reloaded(estimator).set_params(max_iter=1000)
    rows = found._w.reshape(2, -1)
    np.testing.assert_allclose(rows[1] - rows[0], np.append(found.coef_, found.intercept_))
    found.fit(X, TWO)
    assert found.score(X, TWO) > 0.8


def test_partial_fit_goes_on(reloaded):
    # an optimizer without a state of its own, whose rate is given: nothing is lost
    estimator = LinearClassifier(solver="sgd", learning_rate=0.1, random_state=0)
    estimator.partial_fit(X, TWO, classes=[0, 1])
    found = reloaded(estimator)
    del estimator._state
    for each in (found, estimator):
        each.partial_fit(X, TWO)
    np.testing.assert_array_equal(found.coef_, estimator.coef_)
    assert found.n_iter_ == 2
    with pytest.raises(ValueError, match="classes are those of the first call"):
        found.partial_fit(X, TWO, classes=[0, 2])


# ---- files that are wrong ----------------------------------------------------------------------


@pytest.fixture
def refused(path):
    def call(change=None, text=None):
        LinearClassifier().fit(X, THREE).save(path)
        if text is None:
            document = json.loads(path.read_text())
            change(document)
            text = json.dumps(document)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ValueError) as caught:
            load(path)
        message = str(caught.value)
        start = f"{str(path)!r} is not a saved linear model, or is damaged: "
        assert message.startswith(start)
        return message.removeprefix(start)

    return call


def test_a_file_that_is_not_there(path):
    with pytest.raises(FileNotFoundError):
        load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("not JSON", "Expecting value"),
        ("[]", "its format is not 'fastloss linear model'"),
        ('{"format": "another"}', "its format is not"),
        ('{"format": "fastloss linear model"}', "it is of version None"),
        ('{"a": 1, "a": 2}', "a name occurs twice"),
        ("[NaN]", "NaN, which is not JSON"),
        ("[1e999]", "1e999, which no float holds"),
        ("[" * 100_000, "maximum recursion depth"),
        (b"\xff\xfe", "'ascii' codec"),
        (b"PK\x03\x04", "Expecting value"),
    ],
)
def test_other_files(text, message, refused):
    assert refused(text=text).startswith(message)


def set_(key, value):
    return lambda document: document.update({key: value})


def within(key, name, value):
    return lambda document: document[key].update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_("version", 2), "it is of version 2, by a newer fastloss; this one reads those up to"),
        (set_("version", True), "it is of version True"),
        (set_("version", 1.0), "it is of version 1.0"),
        (lambda d: d.pop("coef"), "it lacks 'coef'"),
        (set_("more", 1), "it has 'more', which is not known"),
        (set_("kind", "tree"), "'kind' must be one of classifier,"),
        (set_("kind", "regressor"), "LinearRegressor has no parameter 'class_weight'"),
        (set_("loss", "hubber"), "unknown loss 'hubber'"),
        (set_("loss", "mse:q=1"), "mse has no parameter 'q'"),
        (set_("loss", "poisson"), "Poisson() is not a loss of classes"),
        (
            set_("loss", "logistic"),
            "Logistic(pos_weight=1.0, label_smoothing=0.0) is no loss of 3 classes",
        ),
        (set_("features", 5), "'coef' is of 4 features, and 'features' of 5"),
        (set_("features", 0), "'features' must be at least 1"),
        (set_("features", True), "'features' must be a number or names"),
        (set_("features", ["a", "b", "c", 1]), "'features' must be a number, or names"),
        (set_("features", ["a", "b", "c", "a"]), "'features' has a name twice"),
        (set_("features", ["a"]), "'coef' is of 4 features, and 'features' of 1"),
        (set_("coef", [[1.0] * 4] * 2), "'coef' of 3 classes must be of 3 rows; got shape (2, 4)"),
        (set_("coef", [[1.0] * 4] * 2 + [[1.0]]), "'coef' has rows of different lengths"),
        (set_("coef", [[1.0] * 3 + ["1"]] * 3), "'coef' holds '1', which is not a number"),
        (set_("coef", [[1.0] * 3 + [None]] * 3), "'coef' holds 'None', which is not a number"),
        (set_("coef", [[1.0] * 3 + [10**400]] * 3), "int too large to convert to float"),
        (set_("coef", []), "'coef' is of shape (0,)"),
        (
            set_("intercept", [1.0]),
            "'intercept' must be of shape (3,), as 'coef' is of (3, 4); got",
        ),
        (set_("intercept", 1.0), "'intercept' must be of shape (3,)"),
        (set_("n_iter", -1), "'n_iter' must be at least 0"),
        (set_("n_iter", 1.5), "'n_iter' must be an integer"),
        (set_("classes", None), "'classes' of a classifier must have a 'dtype' and 'values'"),
        (within("classes", "dtype", "object"), "the dtype of 'classes' is 'object'"),
        (within("classes", "dtype", "str"), "the values of 'classes' must be of str"),
        (within("classes", "values", [0, 1, True]), "the values of 'classes' must be of int64"),
        (within("classes", "values", [0, 2, 1]), "the values of 'classes' must increase"),
        (within("classes", "values", [0, 1, 1]), "the values of 'classes' must increase"),
        (within("classes", "values", [0]), "'coef' of 1 classes"),
        (lambda d: d["parameters"].pop("alpha"), "the parameter 'alpha' is missing"),
        (within("parameters", "more", 1), "LinearClassifier has no parameter 'more'"),
        (within("parameters", "callbacks", 1), "LinearClassifier has no parameter 'callbacks'"),
        (within("parameters", "alpha", -1), "alpha must be"),
        (within("parameters", "solver", "no"), "solver must be one of"),
        (within("parameters", "alpha", [1]), "the parameter 'alpha' is a list"),
        (within("parameters", "penalty", {"penalty": {"name": "l3"}}), "name must be one of l1,"),
        (within("parameters", "solver", {"optimizer": "os"}), "the parameter 'solver' is of no"),
        (within("parameters", "solver", {}), "the parameter 'solver' is of no known form"),
        (within("parameters", "loss", {"loss": "hubber"}), "unknown loss 'hubber'"),
    ],
)
def test_changed_files(change, message, refused):
    assert refused(change).startswith(message)
