"""Losses are metrics, as they are: of scikit-learn's scorers, and of XGBoost."""

import inspect

import numpy as np
import pytest
from samples import defaults
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV, cross_val_score

import fastloss as fl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=200)
W = RNG.uniform(0.5, 2.0, 200)


@pytest.mark.parametrize("loss", [*defaults(), fl.SoftmaxCrossEntropy()], ids=lambda x: x.name)
def test_a_loss_looks_like_a_function(loss):
    assert loss.__name__ == loss.name
    assert inspect.signature(loss) == inspect.signature(loss.grad)
    assert list(inspect.signature(loss).parameters)[:3] == ["y_true", "y_pred", "sample_weight"]
    cls = type(loss)
    assert cls.__name__ in repr(cls) and not hasattr(cls, "__signature__")
    assert [*inspect.signature(cls).parameters] == [*loss.parameters]


def test_scorers_of_scikit_learn():
    scorer = make_scorer(fl.SquaredError(), greater_is_better=False)
    assert "mse" in repr(scorer)
    theirs = make_scorer(mean_squared_error, greater_is_better=False)
    np.testing.assert_allclose(
        cross_val_score(Ridge(), X, Y, scoring=scorer),
        cross_val_score(Ridge(), X, Y, scoring=theirs),
        rtol=1e-13,
    )
    model = Ridge().fit(X, Y)
    assert scorer(model, X, Y, sample_weight=W) == pytest.approx(
        theirs(model, X, Y, sample_weight=W), rel=1e-13
    )


def test_a_grid_search_finds_a_score_that_is_a_number():
    scorer = make_scorer(fl.LogLoss(), greater_is_better=False, response_method="predict_proba")
    found = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, scoring=scorer).fit(X, Y > 0)
    assert found.best_params_ == {"C": 1.0}
    best = found.best_estimator_
    expected = -log_loss(Y > 0, best.predict_proba(X))
    assert found.score(X, Y > 0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weight", [None, W], ids=["", "weighted"])
def test_metrics_of_xgboost(weight):
    xgb = pytest.importorskip("xgboost", reason="it takes metrics; CI installs it")
    loss = fl.Huber(delta=1.5)
    model = xgb.XGBRegressor(n_estimators=3, eval_metric=loss)
    weights = {} if weight is None else {"sample_weight_eval_set": [weight]}
    model.fit(X, Y, sample_weight=weight, eval_set=[(X, Y)], verbose=False, **weights)
    history = model.evals_result()["validation_0"]["huber"]
    expected = loss(Y.astype(np.float32), model.predict(X), sample_weight=weight)
    assert len(history) == 3 and history[-1] == pytest.approx(expected, rel=1e-5)
