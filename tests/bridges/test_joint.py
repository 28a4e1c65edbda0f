"""Losses of survival and ranking as objectives of LightGBM and XGBoost, against their own."""

import copy
import pickle

import numpy as np
import pytest

import fastloss as fl
from fastloss import lightgbm as for_lightgbm, xgboost as for_xgboost

RNG = np.random.default_rng(0)
SIZES = RNG.integers(1, 40, 30)
N = int(SIZES.sum())
X = RNG.normal(size=(N, 4))
SIGNAL = X[:, 0] - X[:, 1]
GRADE = np.clip(np.round(SIGNAL + RNG.normal(size=N)), 0, 3)
TIME = np.exp((SIGNAL + RNG.normal(size=N)) / 3)
FAILED = RNG.random(N) < 0.7
SIGNED = np.where(FAILED, TIME, -TIME)
LIGHT = {"verbosity": -1, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 5}
XGB = {"nthread": 1, "max_depth": 3, "tree_method": "hist"}
JOINT = [fl.AFT(), fl.CoxPH(), fl.PairwiseLogistic(), fl.LambdaRank(k=5)]
both = pytest.mark.parametrize("bridge", [for_lightgbm, for_xgboost], ids=["lightgbm", "xgboost"])


@pytest.fixture
def lgb():
    return pytest.importorskip("lightgbm", reason="fastloss.lightgbm makes objectives for it")


@pytest.fixture
def xgb():
    return pytest.importorskip("xgboost", reason="fastloss.xgboost makes objectives for it")


# ---- LightGBM ----------------------------------------------------------------------------------


def light(lgb, objective, y, weight=None, **more):
    data = lgb.Dataset(X, y, group=SIZES, weight=weight, params=LIGHT, init_score=0.1 * SIGNAL)
    return lgb.train(LIGHT | more | {"objective": objective}, data, 10).predict(X, raw_score=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("k", "sigma"), [(30, 1.0), (3, 2.0)])
def test_lambdarank_of_lightgbm(lgb, k, sigma, weighted):
    weight = RNG.uniform(0.5, 2, N) if weighted else None
    own = {"lambdarank_norm": False, "lambdarank_truncation_level": k, "sigmoid": sigma}
    wanted = light(lgb, "lambdarank", GRADE, weight, **own)
    objective = for_lightgbm.objective(fl.LambdaRank(k=k, sigma=sigma))
    # it takes its logistic function from a table
    assert np.abs(light(lgb, objective, GRADE, weight) - wanted).max() < 5e-5
    assert wanted.std() > 0.1


def test_an_estimator_of_lightgbm_ranks(lgb):
    options = {"n_estimators": 10, "verbosity": -1, "n_jobs": 1}
    objective = for_lightgbm.objective(fl.LambdaRank())
    found = lgb.LGBMRanker(objective=objective, **options).fit(X, GRADE, group=SIZES).predict(X)
    assert np.corrcoef(found, SIGNAL)[0, 1] > 0.7


@pytest.mark.parametrize("loss", [fl.AFT(), fl.CoxPH("efron")], ids=repr)
def test_survival_in_lightgbm(lgb, loss):
    for weight in (None, np.ones(N)):
        raw = light(lgb, for_lightgbm.objective(loss), SIGNED, weight)
        sign = -1 if isinstance(loss, fl.CoxPH) else 1
        assert np.corrcoef(sign * raw, SIGNAL)[0, 1] > 0.6
        assert loss(SIGNED, raw) < loss(SIGNED, np.zeros(N))


# ---- XGBoost -----------------------------------------------------------------------------------


def data_of(xgb, y=None, bounds=None, sizes=None, weight=None):
    data = xgb.DMatrix(X, y, base_margin=0.1 * SIGNAL, nthread=1)
    if bounds is not None:
        data.set_float_info("label_lower_bound", bounds[0])
        data.set_float_info("label_upper_bound", bounds[1])
    if sizes is not None:
        data.set_group(sizes)
    if weight is not None:
        data.set_weight(weight)
    return data


def raw_of(xgb, data, own=None, obj=None):
    model = xgb.train(XGB | (own or {}), data, 10, obj=obj)
    return model.predict(data, output_margin=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["normal", "logistic", "extreme"])
def test_aft_of_xgboost(xgb, name, weighted):
    weight = RNG.uniform(0.5, 2, N) if weighted else None
    data = data_of(xgb, bounds=(TIME, np.where(FAILED, TIME, np.inf)), weight=weight)
    own = {"objective": "survival:aft", "aft_loss_distribution": name}
    wanted = raw_of(xgb, data, own | {"aft_loss_distribution_scale": 1.5})
    loss = fl.AFT(name, 1.5)
    found = raw_of(xgb, data, obj=for_xgboost.objective(loss))
    assert np.abs(found - wanted).max() < 5e-6
    assert wanted.std() > 0.1
    labels = data_of(xgb, SIGNED, weight=weight)
    np.testing.assert_array_equal(raw_of(xgb, labels, obj=for_xgboost.objective(loss)), found)


def test_cox_of_xgboost(xgb):
    data = data_of(xgb, SIGNED)
    wanted = raw_of(xgb, data, {"objective": "survival:cox"})
    found = raw_of(xgb, data, obj=for_xgboost.objective(fl.CoxPH()))
    assert np.abs(found - wanted).max() < 5e-5


def test_pairwise_of_xgboost(xgb):
    weight = RNG.uniform(0.5, 2, len(SIZES))
    data = data_of(xgb, GRADE, sizes=SIZES, weight=weight)
    own = {
        "objective": "rank:pairwise",
        "lambdarank_pair_method": "topk",
        "lambdarank_num_pair_per_sample": 40,
        "lambdarank_normalization": False,
        "lambdarank_score_normalization": False,
        "lambda": 0,
        "min_child_weight": 0,
        "eta": 0.2,
    }
    wanted = raw_of(xgb, data, own)
    ours = for_xgboost.objective(fl.PairwiseLogistic())
    found = raw_of(xgb, data, {"lambda": 0, "min_child_weight": 0, "eta": 0.1}, obj=ours)
    assert np.abs(found - wanted).max() < 5e-6


# ---- both --------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("loss", JOINT, ids=repr)
def test_objectives(bridge, loss):
    objective = bridge.objective(loss)
    assert objective == bridge.objective(loss, hessian="exact") == copy.deepcopy(objective)
    assert pickle.loads(pickle.dumps(objective)) == objective
    with pytest.raises(ValueError, match='hessian must be None or "exact"'):
        bridge.objective(loss, hessian="majorant")


@both
def test_what_they_mean(bridge):
    class Model:
        def predict(self, X, **how):
            return np.zeros(len(X))

    np.testing.assert_array_equal(bridge.predict(Model(), X[:2], fl.AFT()), [1, 1])
    np.testing.assert_array_equal(bridge.predict(Model(), X[:2], fl.LambdaRank()), [0, 0])
