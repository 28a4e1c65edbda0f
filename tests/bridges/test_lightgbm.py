"""Losses in LightGBM, against its own objectives and metrics."""

import copy

import boosted
import numpy as np
import pytest
from boosted import CLASS, CLASSES, LABEL, REAL, WEIGHT, N, X
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fastloss as fl
from fastloss.lightgbm import init_score, metric, objective, predict
from fastloss.losses.rows import RowLoss

lgb = pytest.importorskip("lightgbm", reason="fastloss.lightgbm makes objectives for it")

OWN = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
ALONE = OWN | {"boost_from_average": False}


def train(parameters, y, rounds=25, weight=None, features=X, **data):
    dataset = lgb.Dataset(features, y, weight=weight, **data)
    return lgb.train(ALONE | parameters, dataset, rounds)


def scores(parameters, y, rounds=25, weight=None, features=X):
    return train(parameters, y, rounds, weight, features).predict(X, raw_score=True)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize(
    ("name", "parameters", "loss", "bound"), [*boosted.table("lightgbm")], ids=boosted.shown
)
def test_the_table_of_built_in_objectives(name, parameters, loss, bound, weight):
    y = boosted.targets_of(name, loss)
    builtin = scores({"objective": name, **parameters}, y, weight=weight)
    ours = scores(parameters | {"objective": objective(loss)}, y, weight=weight)
    assert np.abs(ours - builtin).max() <= bound
    assert builtin.std() > 0.1


@pytest.mark.parametrize("loss", boosted.accepted(objective), ids=lambda loss: loss.name)
def test_every_loss_trains(loss):
    y, rows = boosted.targets(loss), isinstance(loss, RowLoss)
    start = np.zeros((N, 1)) if rows else init_score(loss, y)
    parameters = {"objective": objective(loss), "num_class": CLASSES if rows else 1}
    model = train(parameters, y, init_score=None if rows else start)
    raw = model.predict(X, raw_score=True) + start[0]
    assert boosted.beats_the_constant(loss, raw)
    found = predict(model, X, loss, init_score=start[0] if not rows else 0.0)
    np.testing.assert_array_equal(found, loss.inverse_link(raw))


def test_what_is_handed_over_and_back():
    for y, parameters, loss, shape in (
        (LABEL, {}, "logistic", (N,)),
        (CLASS, {"num_class": CLASSES}, "softmax_focal", (N, CLASSES)),
    ):
        recorder = boosted.Recorder(objective(loss))
        train(parameters | {"objective": recorder}, y, 3)
        assert len(recorder.calls) == 3
        for preds, result in recorder.calls:
            assert preds.dtype == np.float64 and preds.flags.f_contiguous
            for array in result:
                assert array.shape == preds.shape == shape and array.dtype == np.float32
                assert np.shares_memory(array.ravel(order="F"), array)  # LightGBM copies nothing
        assert not np.shares_memory(recorder.calls[0][1][0], recorder.calls[1][1][0])


def test_results_are_rounded_once():
    """As LightGBM would round those of float64."""
    rng = np.random.default_rng(1)
    y, z = (rng.random(5000) < 0.5).astype(np.float32), rng.normal(size=5000) * 5
    expected = fl.Logistic().grad_and_hess(y, z, reduction="sum")
    for found, exact in zip(objective("logistic")(y, z), expected, strict=True):
        np.testing.assert_array_equal(found, exact.astype(np.float32))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_estimators_give_what_train_gives(weight):
    sizes = {"n_estimators": 10, "n_jobs": 1, "deterministic": True, "force_row_wise": True}
    for estimator, loss, y, more in (
        (lgb.LGBMRegressor, "huber", REAL, {}),
        (lgb.LGBMClassifier, "focal", LABEL, {}),
        (lgb.LGBMClassifier, "hinge", LABEL, {}),
        (lgb.LGBMClassifier, "softmax_focal", CLASS, {"num_class": CLASSES}),
    ):
        made = objective(loss)
        model = estimator(objective=made, verbosity=-1, **sizes).fit(X, y, sample_weight=weight)
        expected = scores(more | {"objective": made}, y, 10, weight)
        np.testing.assert_array_equal(model.predict(X, raw_score=True), expected)
        native = train(more | {"objective": made}, y, 10, weight)
        np.testing.assert_array_equal(predict(model, X, loss), predict(native, X, loss))


def test_a_weight_of_2_is_a_row_twice():
    twice = np.arange(N) % 3 == 0
    few = X.round(1)  # with bins that do not depend on how often a number is there
    features, y = np.concatenate([few, few[twice]]), np.concatenate([REAL, REAL[twice]])
    loose = {"min_data_in_leaf": 1, "min_data_in_bin": 1, "num_leaves": 8}
    loose |= {"objective": objective("log_cosh")}
    weighted = scores(loose, REAL, weight=np.where(twice, 2.0, 1.0), features=few)
    np.testing.assert_allclose(scores(loose, y, features=features), weighted, atol=1e-6)


def test_early_stopping_is_that_of_the_built_in():
    half = N // 2
    data = lgb.Dataset(X[:half], LABEL[:half], weight=WEIGHT[:half])
    valid = lgb.Dataset(X[half:], LABEL[half:], weight=WEIGHT[half:], reference=data)
    stop, seen = lgb.early_stopping(10, verbose=False), ({}, {})

    def run(parameters, seen, **how):
        return lgb.train(
            ALONE | parameters | {"learning_rate": 0.2},
            data,
            200,
            valid_sets=[valid],
            callbacks=[stop, lgb.record_evaluation(seen)],
            **how,
        )

    builtin = run({"objective": "binary", "metric": "binary_logloss"}, seen[0])
    own = {"objective": objective("logistic"), "metric": "None"}
    ours = run(own, seen[1], feval=metric("logistic"))
    assert ours.best_iteration == builtin.best_iteration < 150
    name, found = seen[1]["valid_0"].popitem()
    assert name == "logistic"
    np.testing.assert_allclose(found, seen[0]["valid_0"]["binary_logloss"], rtol=1e-12)
    # and of probabilities, which the built-in hands to metrics
    log_loss, also = metric("log_loss"), {}
    run({"objective": "binary", "metric": "None"}, also, feval=log_loss)
    np.testing.assert_allclose(also["valid_0"]["log_loss"], found, rtol=1e-12)
    run(own, also, feval=metric("log_loss", scores_of="logistic", name="of scores"))
    np.testing.assert_allclose(also["valid_0"]["of scores"], found, rtol=1e-12)


def test_metrics_of_estimators():
    model = lgb.LGBMClassifier(objective=objective("softmax_focal"), n_estimators=5, n_jobs=1)
    model.set_params(metric="None", verbosity=-1)
    metrics = [metric("softmax_cross_entropy"), metric("cross_entropy", scores_of="softmax_focal")]
    model.fit(X, CLASS, eval_X=X, eval_y=CLASS, eval_sample_weight=[WEIGHT], eval_metric=metrics)
    p = predict(model, X, "softmax_focal")
    expected = fl.CrossEntropy()(CLASS, p, sample_weight=WEIGHT)
    results = model.evals_result_["valid_0"]
    assert [*results] == ["softmax_cross_entropy", "cross_entropy"]
    for values in results.values():
        assert values[-1] == pytest.approx(expected, rel=1e-12)


def test_a_probability_is_asked_of_a_score():
    data = lgb.Dataset(X, LABEL)
    with pytest.raises(fl.DomainError, match=r"y_pred.* is not in \[0, 1\]"):
        lgb.train(
            ALONE | {"objective": objective("focal")},
            data,
            10,
            valid_sets=[data],
            feval=metric("log_loss"),
        )


def test_a_start_is_added_back():
    loss, y = fl.LogCosh(), REAL + 100
    start = init_score(loss, y)
    model = train({"objective": objective(loss)}, y, 50, init_score=start)
    assert fl.AbsoluteError()(y, predict(model, X, loss, init_score=start[0])) < 1
    assert fl.AbsoluteError()(y, predict(model, X, loss)) > 99
    for wrong in (np.zeros(3), np.zeros((N, 2))):
        with pytest.raises(ValueError, match=rf"init_score must be .*\({N},\); got an array of"):
            predict(model, X, loss, init_score=wrong)
    rows = init_score("softmax_cross_entropy", CLASS)
    model = train(
        {"objective": objective("softmax_cross_entropy"), "num_class": CLASSES},
        CLASS,
        10,
        init_score=rows,
    )
    p = predict(model, X, "softmax_cross_entropy", init_score=rows[0])
    np.testing.assert_allclose(p.sum(1), 1)
    assert fl.CrossEntropy()(CLASS, p) < fl.SoftmaxCrossEntropy()(CLASS, rows)


def test_estimators_are_cloned_copied_and_searched():
    model = lgb.LGBMRegressor(objective=objective("huber"), n_estimators=10, n_jobs=1, verbosity=-1)
    assert clone(model).objective is model.objective
    assert copy.deepcopy(model).fit(X, REAL).objective_ == model.objective
    losses = [objective("mse"), objective("huber:delta=0.5"), objective("quantile:q=0.9")]
    search = GridSearchCV(
        model, {"objective": losses}, cv=2, scoring="neg_mean_absolute_error", error_score="raise"
    ).fit(X, REAL)
    assert search.best_params_["objective"] in losses[:2]
    folds = lgb.cv(
        ALONE | {"objective": losses[1], "metric": "None"},
        lgb.Dataset(X, REAL),
        3,
        nfold=2,
        stratified=False,
        feval=metric("huber:delta=0.5"),
    )
    assert [*folds] == ["valid huber:delta=0.5-mean", "valid huber:delta=0.5-stdv"]
