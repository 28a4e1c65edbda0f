"""Losses with the same values share a column of the sums, which nobody can tell from the scores."""

import numpy as np
import pytest
from samples import DTYPES

import fastloss as fl

SHARED = ["mse", "mae", "rmse", "brier", "tweedie_deviance:power=0.0"]
# what Scorer(["mse", "rmse", "brier"], stderr=True) wrote when each loss had a column of its own
WRITTEN = (
    b'{"fastloss": "scorer", "version": 1, "crc32": 507682943, "state": {"settings":{"losses":'
    b'["mse","rmse","brier"],"nan_policy":"propagate","stderr":true,"clustered":false},"grouped":'
    b'false,"keys":[],"items":null,"labels":[null],"sums":{"shape":[1,11],"sums":["b@1071",'
    b'"b@1071","b@1071","1@1076","55@1068","55@1068","55@1068","5@1073","5@1073","5@1073",'
    b'"3@1075"],"special":null,"counts":[3]}}}'
)


def data(n=1500, dtype=np.float64):
    rng = np.random.default_rng(0)
    y, z = rng.uniform(size=(2, n)).astype(dtype)
    return y, z, rng.uniform(0.1, 2, n).astype(dtype), rng.integers(0, 3, n)


def assert_equal(found, alone, i):
    """The scores of the i-th of several losses are those of the loss alone."""
    for name in ("values", "errors", "group_values", "group_errors"):
        of_all, of_one = getattr(found, name), getattr(alone, name)
        assert (of_all is None) == (of_one is None)
        if of_one is not None:
            np.testing.assert_array_equal(of_all[..., i], of_one[..., 0])
    assert (found.weight, found.count) == (alone.weight, alone.count)


@pytest.mark.parametrize("stderr", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_scores_are_those_of_each_loss_alone(dtype, weighted, grouped, stderr):
    y, z, w, groups = data(dtype=dtype)
    options = {
        "sample_weight": w if weighted else None,
        "groups": groups if grouped else None,
        "stderr": stderr,
    }
    found = fl.score(y, z, SHARED, **options)
    for i, loss in enumerate(SHARED):
        assert_equal(found, fl.score(y, z, loss, **options), i)


@pytest.mark.parametrize("nan_policy", ["propagate", "omit"])
def test_gaps_and_infinities_are_those_of_each_loss_alone(nan_policy):
    y, z, _, groups = data()
    z[5] = np.nan
    y[groups == 1] = np.inf
    losses = ["mse", "mae", "rmse"]
    options = {"groups": groups, "nan_policy": nan_policy, "stderr": True}
    found = fl.score(y, z, losses, **options)
    for i, loss in enumerate(losses):
        assert_equal(found, fl.score(y, z, loss, **options), i)


@pytest.mark.parametrize("weighted", [False, True])
def test_comparisons_are_those_of_each_loss_alone(weighted):
    y, z, w, _ = data()
    models = {"a": z, "b": z**2}
    w = w if weighted else None
    found = fl.compare(y, models, SHARED, sample_weight=w)
    for loss in SHARED:
        alone = fl.compare(y, models, [loss], sample_weight=w).to_dict()["models"]
        for model, scores in found.to_dict()["models"].items():
            np.testing.assert_equal(scores[loss], alone[model][loss])


@pytest.mark.parametrize("order", [SHARED, SHARED[::-1]])
def test_each_loss_keeps_its_domain(order):
    y, z, _, _ = data()
    z[7] = 1.5
    with pytest.raises(fl.DomainError, match=r"y_pred\[7\] = 1.5 is not in \[0, 1\] \(brier\)"):
        fl.score(y, z, order)


def test_bytes_of_columns_of_their_own_are_read_merged_and_written():
    scorer = fl.Scorer(["mse", "rmse", "brier"], stderr=True)
    scorer.update([0.0, 1.0, 1.0], [0.5, 0.25, 1.0], sample_weight=[1.0, 2.0, 1.0])
    assert scorer.to_bytes() == WRITTEN
    read = fl.Scorer.from_bytes(WRITTEN)
    scorer.merge(read)
    np.testing.assert_array_equal(scorer.result().values, read.result().values)
    assert scorer.result().count == 6
