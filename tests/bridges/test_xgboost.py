"""Losses in XGBoost, against its own objectives and metrics."""

import boosted
import numpy as np
import pytest
from boosted import CLASS, CLASSES, COUNT, LABEL, REAL, SEVERAL, WEIGHT, N, X
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fastloss as fl
from fastloss.losses.links import IDENTITY
from fastloss.losses.rows import RowLoss
from fastloss.xgboost import base_score, metric, objective, predict

xgb = pytest.importorskip("xgboost", reason="fastloss.xgboost makes objectives for it")

OWN = {"nthread": 1, "verbosity": 0}
DATA = xgb.DMatrix(X, nthread=1)


def train(parameters, y, rounds=25, weight=None, features=X, **how):
    data = xgb.DMatrix(features, y, weight=weight, nthread=1)
    return xgb.train(OWN | parameters, data, rounds, **how)


def scores(*arguments, **how):
    return train(*arguments, **how).predict(DATA, output_margin=True)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize(
    ("name", "parameters", "loss", "bound"), [*boosted.table("xgboost")], ids=boosted.shown
)
def test_the_table_of_built_in_objectives(name, parameters, loss, bound, weight):
    y = boosted.targets_of(name, loss)
    plain = isinstance(loss, RowLoss) or loss._link is IDENTITY
    mean = 0.5 if plain else float(loss.inverse_link(0.0))  # which the built-in starts from
    builtin = scores(parameters | {"objective": name, "base_score": mean}, y, weight=weight)
    ours = scores(
        parameters | {"base_score": 0.5 if plain else 0.0}, y, weight=weight, obj=objective(loss)
    )
    assert np.abs(ours - builtin).max() <= bound
    assert builtin.std() > 0.1


@pytest.mark.parametrize("loss", boosted.accepted(objective), ids=lambda loss: loss.name)
def test_every_loss_trains(loss):
    y, rows = boosted.targets(loss), isinstance(loss, RowLoss)
    parameters = {"num_class": CLASSES} if rows and y.ndim == 1 else {}
    parameters |= {} if rows else {"base_score": base_score(loss, y)}
    model = train(parameters, y, obj=objective(loss))
    raw = model.predict(DATA, output_margin=True)
    assert boosted.beats_the_constant(loss, raw)
    for data in (DATA, X):
        np.testing.assert_array_equal(predict(model, data, loss), loss.inverse_link(raw))


def test_what_is_handed_over_and_back():
    for y, parameters, loss, shape in (
        (LABEL, {}, "logistic", (N,)),
        (CLASS, {"num_class": CLASSES}, "softmax_focal", (N, CLASSES)),
        (SEVERAL, {}, "multilabel_logistic", SEVERAL.shape),
        (SEVERAL, {}, "logistic", SEVERAL.shape),
    ):
        recorder = boosted.Recorder(objective(loss))
        train(parameters, y, 3, obj=recorder)
        assert len(recorder.calls) == 3
        for preds, result in recorder.calls:
            assert preds.dtype == np.float32 and preds.flags.c_contiguous
            for array in result:
                assert array.shape == preds.shape == shape and array.dtype == np.float32
                assert array.flags.c_contiguous
        assert not np.shares_memory(recorder.calls[0][1][0], recorder.calls[1][1][0])


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_estimators_give_what_train_gives(weight):
    for estimator, loss, y, more in (
        (xgb.XGBRegressor, "huber", REAL, {}),
        (xgb.XGBClassifier, "focal", LABEL, {"base_score": 0.0}),
        (xgb.XGBClassifier, "hinge", LABEL, {"base_score": 0.0}),
        (xgb.XGBClassifier, "softmax_focal", CLASS, {"num_class": CLASSES}),
    ):
        made = objective(loss)
        model = estimator(objective=made, n_estimators=10, n_jobs=1)
        model.fit(X, y, sample_weight=weight)
        expected = scores(more, y, 10, weight, obj=made)
        np.testing.assert_array_equal(model.predict(X, output_margin=True), expected)
        means = fl.get_loss(loss).inverse_link(expected)
        np.testing.assert_array_equal(predict(model, X, loss), means)
        if "focal" in loss:  # whose probabilities XGBoost has itself
            p = model.predict_proba(X)
            p = p if p.shape[1] == CLASSES else p[:, 1]
            np.testing.assert_allclose(p, means, rtol=1e-5)


def test_a_weight_of_2_is_a_row_twice():
    twice = np.arange(N) % 3 == 0
    features, y = np.concatenate([X, X[twice]]), np.concatenate([REAL, REAL[twice]])
    exact = {"tree_method": "exact", "max_depth": 3}
    weighted = scores(exact, REAL, 10, np.where(twice, 2.0, 1.0), obj=objective("log_cosh"))
    found = scores(exact, y, 10, features=features, obj=objective("log_cosh"))
    np.testing.assert_allclose(found, weighted, atol=1e-5)


def test_early_stopping_is_that_of_the_built_in():
    half = N // 2
    data = xgb.DMatrix(X[:half], LABEL[:half], weight=WEIGHT[:half], nthread=1)
    valid = xgb.DMatrix(X[half:], LABEL[half:], weight=WEIGHT[half:], nthread=1)

    def run(parameters, seen, **how):
        return xgb.train(
            OWN | parameters,
            data,
            100,
            evals=[(valid, "valid")],
            early_stopping_rounds=10,
            evals_result=seen,
            verbose_eval=False,
            **how,
        )

    own, ours = {}, {}
    builtin = run({"objective": "binary:logistic", "base_score": 0.5}, own)
    alone = {"base_score": 0.0, "disable_default_eval_metric": True}
    model = run(alone, ours, obj=objective("logistic"), custom_metric=metric("logistic"))
    assert model.best_iteration == builtin.best_iteration < 90
    found = ours["valid"]["logistic"]
    np.testing.assert_allclose(found, own["valid"]["logloss"], rtol=2e-5)
    for wrong in ("two words", "a:b"):
        with pytest.raises(ValueError, match="name must be without spaces and colons"):
            metric("logistic", name=wrong)
    # of probabilities: the built-in hands them to metrics, of scores they are made
    also = {}
    run(
        {"objective": "binary:logistic", "base_score": 0.5},
        also,
        custom_metric=metric("log_loss", name="of_probabilities"),
    )
    np.testing.assert_allclose(also["valid"]["of_probabilities"], found, rtol=2e-5)
    scored = metric("log_loss", scores_of="logistic")
    run(alone, also, obj=objective("logistic"), custom_metric=scored)
    np.testing.assert_allclose(also["valid"]["log_loss"], found, rtol=2e-5)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_metrics_of_estimators(weight):
    loss = fl.Huber(delta=0.5)
    for given in (metric(loss), loss):  # a loss itself has all that XGBoost wants
        model = xgb.XGBRegressor(
            objective=objective(loss), eval_metric=given, n_estimators=5, n_jobs=1
        )
        weights = None if weight is None else [weight]
        model.fit(X, REAL, eval_set=[(X, REAL)], sample_weight_eval_set=weights, verbose=False)
        expected = loss(REAL, model.predict(X), sample_weight=weight)
        # it writes down six digits
        results = model.evals_result()["validation_0"]["huber"]
        assert results[-1] == pytest.approx(expected, rel=1e-5)


def test_a_probability_is_asked_of_a_score():
    data = xgb.DMatrix(X, LABEL, nthread=1)
    with pytest.raises(fl.DomainError, match=r"y_pred.* is not in \[0, 1\]"):
        xgb.train(
            OWN,
            data,
            10,
            evals=[(data, "train")],
            obj=objective("focal"),
            custom_metric=metric("log_loss"),
            verbose_eval=False,
        )


def test_the_start_of_classifiers():
    loss = fl.Focal(gamma=1.0)
    start = base_score(loss, LABEL, WEIGHT)
    mean = float(loss.inverse_link(start))
    model = xgb.XGBClassifier(objective=objective(loss), base_score=mean, n_estimators=5, n_jobs=1)
    found = model.fit(X, LABEL, sample_weight=WEIGHT).predict(X, output_margin=True)
    native = scores({"base_score": start}, LABEL, 5, WEIGHT, obj=objective(loss))
    np.testing.assert_allclose(found, native, rtol=1e-5, atol=1e-6)

    loss = fl.SoftmaxCrossEntropy()
    start = base_score(loss, CLASS)
    model = xgb.XGBClassifier(objective=objective(loss), base_score=start, n_estimators=0, n_jobs=1)
    p = model.fit(X, CLASS).predict_proba(X)
    np.testing.assert_allclose(p, np.tile(np.bincount(CLASS) / N, (N, 1)), rtol=1e-5)


def test_soft_targets_of_classes():
    """A target for each score is a label of several outputs for XGBoost."""
    soft = np.eye(CLASSES)[CLASS]
    hard = scores({"num_class": CLASSES}, CLASS, obj=objective("softmax_cross_entropy"))
    found = scores({}, soft, obj=objective("softmax_cross_entropy"))
    np.testing.assert_allclose(found, hard, atol=1e-5)


def test_scores_below_the_domain_are_raised():
    y, z = np.float32([0.0, 3.0]), np.float32([-2.0, -1.0])
    grad, hess = objective("msle")(y, z)
    expected = fl.SquaredLogError().grad(y, np.full(2, -1 + 1e-6, np.float32), reduction="sum") / 2
    np.testing.assert_allclose(grad, expected, rtol=1e-6)
    assert (hess > 0).all()


def test_the_step_of_poisson():
    """Without the parameter that the built-in sets itself the first steps are longer."""
    built_in = scores({"objective": "count:poisson", "base_score": 1.0}, COUNT, 5)
    start = {"base_score": 0.0}
    found = scores(start | {"max_delta_step": 0.7}, COUNT, 5, obj=objective("poisson"))
    np.testing.assert_allclose(found, built_in, atol=1e-6)


def test_estimators_are_cloned_and_searched():
    model = xgb.XGBRegressor(objective=objective("huber"), n_estimators=10, n_jobs=1)
    assert clone(model).objective is model.objective
    losses = [objective("mse"), objective("huber:delta=0.5"), objective("quantile:q=0.9")]
    search = GridSearchCV(
        model, {"objective": losses}, cv=2, scoring="neg_mean_absolute_error", error_score="raise"
    ).fit(X, REAL)
    assert search.best_params_["objective"] in losses[:2]
    folds = xgb.cv(
        OWN | {"disable_default_eval_metric": True},
        xgb.DMatrix(X, REAL, nthread=1),
        3,
        nfold=2,
        obj=losses[1],
        custom_metric=metric("huber:delta=0.5"),
        as_pandas=False,
    )
    assert "test-huber-mean" in folds
