"""Losses in CatBoost, against its own objectives and metrics."""

import copy
import warnings

import boosted
import numpy as np
import pytest
from boosted import CLASS, LABEL, REAL, WEIGHT, N, X
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fastloss as fl
from fastloss.catboost import baseline, metric, objective, predict

catboost = pytest.importorskip("catboost", reason="fastloss.catboost makes objectives for it")

OWN = {
    "allow_writing_files": False,
    "bootstrap_type": "No",
    "iterations": 15,
    "learning_rate": 0.3,
    "thread_count": 1,
    "verbose": False,
}


def train(y, weight=None, features=X, start=None, **parameters):
    model = catboost.CatBoost(OWN | parameters)
    return model.fit(catboost.Pool(features, y, weight=weight, baseline=start))


def ours(loss):
    return {"loss_function": objective(loss), "eval_metric": metric(loss)}


def scores(*arguments, **parameters):
    return train(*arguments, **parameters).predict(X, prediction_type="RawFormulaVal")


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize(
    ("name", "parameters", "loss", "bound"), [*boosted.table("catboost")], ids=boosted.shown
)
def test_the_table_of_built_in_objectives(name, parameters, loss, bound, weight):
    y = boosted.targets_of(name, loss)
    described = ":".join([name, ";".join(f"{k}={v}" for k, v in parameters.items())]).strip(":")
    builtin = scores(y, weight, loss_function=described, boost_from_average=False)
    found = scores(y, weight, **ours(loss))
    assert np.abs(found - builtin).max() <= bound
    assert builtin.std() > 0.1


@pytest.mark.parametrize("loss", boosted.accepted(objective), ids=lambda loss: loss.name)
def test_every_loss_trains(loss):
    y = boosted.targets(loss)
    start = baseline(loss, y)
    model = train(y, start=start, **ours(loss))
    raw = model.predict(X, prediction_type="RawFormulaVal") + start
    assert boosted.beats_the_constant(loss, raw)
    for begin in (start, start[0]):
        means = predict(model, X, loss, baseline=begin)
        np.testing.assert_array_equal(means, loss.inverse_link(raw))
    pool = catboost.Pool(X, baseline=start)  # CatBoost adds that of a pool, as float32
    np.testing.assert_allclose(predict(model, pool, loss), means, rtol=1e-5, atol=1e-6)


def test_what_is_handed_over_and_back():
    class Recorder:
        no_jit = True
        calls = []

        def calc_ders_range(self, approxes, targets, weights):
            before = approxes.copy()
            result = objective("logistic").calc_ders_range(approxes, targets, weights)
            np.testing.assert_array_equal(approxes, before)
            types = [array.dtype.type for array in (approxes, targets, weights)]
            self.calls.append((*types, len(approxes)))
            assert result.shape == (len(approxes), 2)
            return result

        def __deepcopy__(self, memo):
            return self

    recorder = Recorder()
    train(LABEL, WEIGHT, loss_function=recorder, eval_metric=metric("logistic"), iterations=2)
    assert max(size for *_, size in recorder.calls) <= 1000 < N  # a part of the rows
    assert {call[:3] for call in recorder.calls} == {(np.float64, np.float32, np.float32)}


def test_nothing_is_compiled_by_numba():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(LABEL, **ours("logistic"), iterations=1)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_estimators_give_what_catboost_gives(weight):
    for estimator, loss, y in (
        (catboost.CatBoostRegressor, "huber", REAL),
        (catboost.CatBoostClassifier, "focal", LABEL),
        (catboost.CatBoostClassifier, "hinge", LABEL),
    ):
        model = estimator(**OWN, **ours(loss)).fit(X, y, sample_weight=weight)
        expected = scores(y, weight, **ours(loss))
        np.testing.assert_array_equal(
            predict(model, X, loss), fl.get_loss(loss).inverse_link(expected)
        )
        if loss == "focal":  # whose probabilities CatBoost has itself
            p = model.predict_proba(X)[:, 1]
            np.testing.assert_allclose(p, predict(model, X, loss), rtol=1e-12)


def test_a_weight_of_2_is_a_row_twice():
    twice = np.arange(N) % 3 == 0
    few = X.round(1)
    features, y = np.concatenate([few, few[twice]]), np.concatenate([REAL, REAL[twice]])
    alike = {"random_strength": 0, "l2_leaf_reg": 0}  # noise and penalties depend on how many rows
    exact = ours("log_cosh") | {"iterations": 5, "boosting_type": "Plain"} | alike
    weighted = scores(REAL, np.where(twice, 2.0, 1.0), few, **exact)
    np.testing.assert_allclose(scores(y, None, features, **exact), weighted, atol=1e-6)


def test_early_stopping_is_that_of_the_built_in():
    half = N // 2
    data = catboost.Pool(X[:half], LABEL[:half], weight=WEIGHT[:half])
    valid = catboost.Pool(X[half:], LABEL[half:], weight=WEIGHT[half:])

    def run(**parameters):
        model = catboost.CatBoost(
            OWN | {"iterations": 100, "early_stopping_rounds": 10} | parameters
        )
        return model.fit(data, eval_set=valid)

    builtin = run(loss_function="Logloss", boost_from_average=False)
    found = run(**ours("logistic"))
    assert found.best_iteration_ == builtin.best_iteration_ < 90
    expected = builtin.evals_result_["validation"]["Logloss"]
    np.testing.assert_allclose(found.evals_result_["validation"]["Metric"], expected, rtol=1e-12)
    again = run(
        loss_function=objective("logistic"), eval_metric=metric("log_loss", scores_of="logistic")
    )
    np.testing.assert_allclose(again.evals_result_["validation"]["Metric"], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["mae", "rmse", "quantile:q=0.8"])
def test_metrics_are_put_together_of_parts(name):
    loss, made = fl.get_loss(name), metric(name)
    z = REAL + 0.3
    parts = [slice(0, 700), slice(700, 701), slice(701, N)]
    pairs = [made.evaluate((z[part],), REAL[part], WEIGHT[part]) for part in parts]
    error, weight = np.sum(pairs, axis=0)
    expected = loss(REAL, z, sample_weight=WEIGHT)
    assert made.get_final_error(error, weight) == pytest.approx(expected, rel=1e-13)
    assert made.is_max_optimal() is False


def test_a_metric_of_classes():
    model = catboost.CatBoostClassifier(
        **OWN, loss_function="MultiClass", eval_metric=metric("softmax_cross_entropy")
    )
    model.fit(X, CLASS, eval_set=(X, CLASS))
    results = model.evals_result_["validation"]
    np.testing.assert_allclose(results["Metric"], results["MultiClass"], rtol=1e-12)


def test_a_probability_is_asked_of_a_score():
    with pytest.raises(catboost.CatBoostError, match=r"y_pred.* is not in \[0, 1\]"):
        train(LABEL, loss_function=objective("focal"), eval_metric=metric("log_loss"))


def test_a_start_is_added_back():
    loss, y = fl.LogCosh(), REAL + 100
    start = baseline(loss, y)
    model = train(y, start=start, **ours(loss))
    assert fl.AbsoluteError()(y, predict(model, X, loss, baseline=start[0])) < 1
    assert fl.AbsoluteError()(y, predict(model, X, loss)) > 99
    with pytest.raises(ValueError, match=r"baseline must be .*; got an array of shape \(3,\)"):
        predict(model, X, loss, baseline=np.zeros(3))


def test_estimators_are_cloned_copied_and_searched():
    model = catboost.CatBoostRegressor(**OWN, **ours("huber"))
    assert clone(model).get_param("loss_function") is model.get_param("loss_function")
    assert copy.deepcopy(model).fit(X, REAL).is_fitted()
    losses = [objective("mse"), objective("huber:delta=0.5"), objective("quantile:q=0.9")]
    search = GridSearchCV(
        model,
        {"loss_function": losses},
        cv=2,
        scoring="neg_mean_absolute_error",
        error_score="raise",
    ).fit(X, REAL)
    assert search.best_params_["loss_function"] in losses[:2]


@pytest.mark.parametrize("given", [{"class_weight": (1, 5, 10)}, {"ignore_index": 2}])
def test_a_mean_of_other_weights_is_no_metric(given):
    with pytest.raises(ValueError, match="cannot be part of a metric of CatBoost"):
        metric(fl.SoftmaxCrossEntropy(**given))
