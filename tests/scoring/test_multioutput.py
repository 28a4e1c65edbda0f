"""Targets of several outputs: scikit-learn's `multioutput`."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import fastloss as fl

RNG = np.random.default_rng(8)
N, K = 301, 3
Y = RNG.gamma(2, 1, (N, K))
Z = Y * RNG.uniform(0.5, 1.5, (N, K))
W = RNG.uniform(0, 2, N)
GROUPS = RNG.integers(0, 3, N)
PEERS = {
    "mse": sk.mean_squared_error,
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "rmsle": sk.root_mean_squared_log_error,
    "mape": sk.mean_absolute_percentage_error,
    "r2": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
    "d2_mae": sk.d2_absolute_error_score,
    "median_absolute_error": sk.median_absolute_error,
}
NAMES = ["mse", "rmse", "r2", "max_error", "median_absolute_error", "d2_mae"]
IN_PARTS = ["mse", "rmse", "r2", "max_error"]


@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize("name", PEERS)
def test_peers(name, weights):
    for multioutput in ("raw_values", "uniform_average", [0.2, 0.3, 2.0]):
        want = PEERS[name](Y, Z, multioutput=multioutput, sample_weight=weights)
        scores = fl.score(Y, Z, name, multioutput=multioutput, sample_weight=weights)
        found = scores.group_values[:, 0] if multioutput == "raw_values" else scores[name]
        np.testing.assert_allclose(found, want, rtol=1e-13)


@pytest.mark.parametrize("w", [None, W, RNG.uniform(0, 2, (N, K))], ids=["none", "rows", "each"])
def test_an_output_has_the_score_of_its_column(w):
    found = fl.score(Y, Z, NAMES, multioutput="raw_values", sample_weight=w, groups={"g": GROUPS})
    assert found.keys == ("g", "output")
    assert found.groups == tuple((g, j) for g in range(3) for j in range(K))
    columns = []
    for j in range(K):
        own = w if w is None or w.ndim == 1 else w[:, j]
        column = fl.score(Y[:, j], Z[:, j], NAMES, sample_weight=own, groups=GROUPS)
        columns.append(column)
        for g in range(3):
            np.testing.assert_array_equal(found[g, j].values, column[g].values)
            assert found[g, j].count == column[g].count
    np.testing.assert_allclose(found.values, np.mean([c.values for c in columns], 0), rtol=1e-14)
    assert found.count == sum(c.count for c in columns)
    assert found.weight == pytest.approx(sum(c.weight for c in columns))


def test_groups_have_averages_of_their_rows():
    weights = np.array([1.0, 0.0, 3.0])
    found = fl.score(Y, Z, NAMES, multioutput=weights, sample_weight=W, groups=GROUPS)
    assert (found.groups, found.keys) == ((0, 1, 2), ())
    for g in range(3):
        own = g == GROUPS
        alone = fl.score(Y[own], Z[own], NAMES, multioutput=weights, sample_weight=W[own])
        np.testing.assert_array_equal(found[g].values, alone.values)
        assert (found[g].count, alone.groups) == (K * own.sum(), None)
        assert found[g].weight == pytest.approx(alone.weight)


def test_a_missing_number_is_missing_in_its_output():
    y = Y.copy()
    y[4, 1] = np.nan
    found = fl.score(y, Z, NAMES, multioutput="raw_values")
    assert np.isnan(found.group_values).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(found.values).all()
    found = fl.score(y, Z, NAMES, multioutput="raw_values", nan_policy="omit")
    assert found.group_counts.tolist() == [N, N - 1, N]
    keep = np.arange(N) != 4
    want = fl.score(Y[keep, 1], Z[keep, 1], NAMES)
    np.testing.assert_array_equal(found[1].values, want.values)


@pytest.mark.parametrize("multioutput", ["raw_values", "uniform_average", [1.0, 2.0, 0.5]])
@pytest.mark.parametrize("groups", [None, GROUPS])
def test_parts(multioutput, groups):
    whole = fl.score(Y, Z, IN_PARTS, multioutput=multioutput, groups=groups, sample_weight=W)
    parts = []
    for rows in np.array_split(np.arange(N)[::-1], 4):
        part = fl.Scorer(IN_PARTS, multioutput=multioutput)
        part.update(Y[rows], Z[rows], W[rows], None if groups is None else groups[rows])
        parts.append(fl.Scorer.from_bytes(part.to_bytes()))
    merged = sum(parts).result()
    assert merged.groups == whole.groups
    for name in ("values", "group_values", "group_weights", "group_counts"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))


def test_what_was_made_otherwise_does_not_merge():
    a, b = fl.Scorer("mse"), fl.Scorer("mse", multioutput="raw_values")
    assert "multioutput" not in json.loads(a.to_bytes())["state"]["settings"]
    for one, other in ((a, b), (b, a)):
        with pytest.raises(ValueError, match="only a Scorer of the same multioutput can be merged"):
            one.merge(other)
    b.update(Y, Z)
    with pytest.raises(ValueError, match="all parts must have 3 outputs, as the first has; got 2"):
        b.update(Y[:, :2], Z[:, :2])


def test_frames_have_a_column_of_outputs():
    frame = fl.score(Y, Z, "mse", multioutput="raw_values").to_pandas()
    assert frame.index.name == "output"
    assert frame.index.tolist() == [0, 1, 2, "all"]


@pytest.mark.parametrize(("multioutput", "options", "message"), [
    ("variance", {}, r'must be "raw_values", "uniform_average" or a weight for each output; got'),
    ([1.0, 2.0], {}, "must have a weight for each of 3 outputs; got 2"),
    ([1.0, -1.0, 0.0], {}, "finite weights, one for each output, whose sum is not 0"),
    ([1.0, np.nan, 0.0], {}, "finite weights"),
    ([[1.0]], {}, "finite weights"),
    ("raw_values", {"stderr": True}, "no standard errors with multioutput"),
    ("raw_values", {"groups": [1, 2, 3]}, r"groups must have y_true.s shape \(301,\); got"),
])  # fmt: skip
def test_errors(multioutput, options, message):
    with pytest.raises(ValueError, match=message):
        fl.score(Y, Z, "mse", multioutput=multioutput, **options)


def test_only_arrays_of_rows_and_outputs_have_outputs():
    with pytest.raises(ValueError, match=r"same shape \(rows, outputs\); got \(301,\) and \(301,"):
        fl.score(Y[:, 0], Z[:, 0], "mse", multioutput="raw_values")
    with pytest.raises(ValueError, match="cross_entropy is of rows"):
        fl.score([0], [[1.0, 0.0]], "cross_entropy", multioutput="raw_values")
    frame = pd.DataFrame({"y": Y[:, 0], "z": Z[:, 0]})
    with pytest.raises(TypeError, match="multioutput is for arrays"):
        fl.score(frame, "mse", y_true="y", y_pred="z", multioutput="raw_values")
