"""Metrics by name against scikit-learn's, and those that take all samples at once."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import fastloss as fl

RNG = np.random.default_rng(5)
N = 901
Y = RNG.gamma(2, 1, N)
Z = Y * RNG.uniform(0.5, 1.5, N)
W = RNG.uniform(0, 2, N)
W[::7] = 0
GROUPS = RNG.integers(0, 4, N)


def pinball(q):
    return lambda y, z, **weights: sk.d2_pinball_score(y, z, alpha=q, **weights)


PEERS = {
    "rmsle": sk.root_mean_squared_log_error,
    "median_absolute_error": sk.median_absolute_error,
    "explained_variance": sk.explained_variance_score,
    "d2_mae": sk.d2_absolute_error_score,
    "d2_quantile:q=0.1": pinball(0.1),
    "d2_quantile:q=0.85": pinball(0.85),
}
IN_PARTS = ["rmsle", "explained_variance", "max_error", "mae"]
AT_ONCE = ["median_absolute_error", "d2_mae", "d2_huber:delta=0.5", "d2_msle", "d2_log_cosh"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize("name", PEERS)
def test_peers(name, weights, dtype):
    y, z = Y.astype(dtype), Z.astype(dtype)
    want = PEERS[name](y.astype(float), z.astype(float), sample_weight=weights)
    rtol = 1e-13 if dtype == np.float64 else 1e-6
    assert fl.score(y, z, name, sample_weight=weights)[name] == pytest.approx(want, rel=rtol)


def test_the_largest_error():
    assert fl.score(Y, Z, "max_error")["max_error"] == sk.max_error(Y, Z)
    w = W.copy()
    w[np.argmax(abs(Z - Y))] = 0
    found = fl.score(Y, Z, "max_error", sample_weight=w, groups=GROUPS)
    assert found["max_error"] == abs(Z - Y)[w != 0].max() < sk.max_error(Y, Z)
    for group in found.groups:
        own = (GROUPS == group) & (w != 0)
        assert found[group]["max_error"] == abs(Z - Y)[own].max()
    w[GROUPS == 2] = 0
    assert np.isnan(fl.score(Y, Z, "max_error", sample_weight=w, groups=GROUPS)[2]["max_error"])


@pytest.mark.parametrize("name", [*IN_PARTS, *AT_ONCE])
def test_groups_have_the_score_of_their_samples(name):
    names = [name, "mse"]
    found = fl.score(Y, Z, names, sample_weight=W, groups=GROUPS, stderr=True)
    assert found[name] == fl.score(Y, Z, name, sample_weight=W)[name]
    for group in found.groups:
        own = group == GROUPS
        assert found[group][name] == fl.score(Y[own], Z[own], name, sample_weight=W[own])[name]
    assert np.isnan(found.errors[0]) == (name not in ("rmsle", "mae"))
    clustered = fl.score(Y, Z, names, sample_weight=W, groups=GROUPS, stderr=True,
                         cluster=np.arange(N) // 3)  # fmt: skip
    np.testing.assert_array_equal(clustered.group_values, found.group_values)


@pytest.mark.parametrize("name", [*IN_PARTS, *AT_ONCE])
def test_a_missing_row_is_as_one_of_weight_0(name):
    y, z = Y.copy(), Z.copy()
    y[3], z[8] = np.nan, np.nan
    assert np.isnan(fl.score(y, z, name)[name])
    w = np.isfinite(y + z)
    want = fl.score(Y[w], Z[w], name)[name]
    assert fl.score(y, z, name, nan_policy="omit")[name] == want
    assert fl.score(y, z, name, sample_weight=w, nan_policy="raise")[name] == want
    with pytest.raises(fl.DomainError, match="nan is not"):
        fl.score(y, z, name, nan_policy="raise")


@pytest.mark.parametrize("name", [*IN_PARTS, *AT_ONCE])
def test_a_frame_has_the_scores_of_its_arrays(name, monkeypatch):
    monkeypatch.setattr("fastloss.scoring.frames.ROWS", 100)
    frame = pd.DataFrame({"y": Y, "z": Z, "w": W, "g": GROUPS})
    found = fl.score(frame, name, y_true="y", y_pred="z", sample_weight="w", by="g")
    want = fl.score(Y, Z, name, sample_weight=W, groups=GROUPS)
    np.testing.assert_array_equal(found.group_values, want.group_values)
    assert found[name] == want[name]


@pytest.mark.parametrize("name", ["r2", "explained_variance", "d2_mae", "d2_huber:delta=0.5"])
def test_constant_targets(name):
    y = np.full(5, 0.1)
    assert fl.score(y, y, name)[name] == 1
    assert fl.score(y, [0.1, 0.2, 0.1, 0.1, 0.1], name)[name] == 0
    assert fl.score(y, y + 1, "explained_variance").values[0] == 1  # as of scikit-learn


@pytest.mark.parametrize("loss", [
    fl.Huber(delta=0.5), fl.SquaredLogError(), fl.LogCosh(), fl.Quantile(q=0.3), fl.Cauchy(c=2),
], ids=repr)  # fmt: skip
def test_d2_is_of_the_best_constant(loss):
    best = loss.optimal_constant(Y, W)
    want = 1 - loss(Y, Z, sample_weight=W) / loss(Y, np.full(N, best), sample_weight=W)
    found = fl.score(Y, Z, f"d2_{loss.spec}", sample_weight=W).values[0]
    assert found == pytest.approx(want, rel=1e-14)


def test_d2_of_rows():
    z = RNG.dirichlet([1, 1, 1], N)
    y = np.array([RNG.choice(3, p=row) for row in z])
    for w in (None, W):
        found = fl.score(y, z, ["d2_cross_entropy", "accuracy"], sample_weight=w, groups=GROUPS)
        want = sk.d2_log_loss_score(y, z, sample_weight=w)
        assert found["d2_cross_entropy"] == pytest.approx(want, rel=1e-12)
        for group in found.groups:
            own = group == GROUPS
            want = sk.d2_log_loss_score(y[own], z[own], sample_weight=w if w is None else w[own])
            assert found[group]["d2_cross_entropy"] == pytest.approx(want, rel=1e-12)
    shares = fl.score(np.eye(3)[y], z, "d2_cross_entropy")["d2_cross_entropy"]
    assert shares == pytest.approx(sk.d2_log_loss_score(y, z), rel=1e-12)


def test_medians_and_best_constants_have_no_negative_weights():
    for name in AT_ONCE:
        with pytest.raises(ValueError, match=r"sample_weight must not be negative here; got -1"):
            fl.score([1.0, 2.0], [1.0, 3.0], name, sample_weight=[2.0, -1.0])


@pytest.mark.parametrize("name", [*AT_ONCE, "d2_cross_entropy"])
def test_what_takes_all_samples_at_once_is_refused_in_parts(name):
    for make in (lambda: fl.Scorer(["mse", name]), lambda: fl.Comparer(name, ["a", "b"])):
        with pytest.raises(ValueError, match=f"{name} cannot be found in parts, of which sums"):
            make()


def test_the_largest_error_in_parts():
    whole = fl.score(Y, Z, IN_PARTS, sample_weight=W, groups=GROUPS)
    parts = []
    for rows in np.array_split(np.arange(N), 5):
        part = fl.Scorer(IN_PARTS)
        part.update(Y[rows], Z[rows], W[rows], GROUPS[rows])
        parts.append(fl.Scorer.from_bytes(part.to_bytes()))
    again = sum(reversed(parts))
    np.testing.assert_array_equal(again.result().values, whole.values)
    np.testing.assert_array_equal(again.result().group_values, whole.group_values)
    state = json.loads(again.to_bytes())["state"]
    assert len(state["sums"]["maxima"]) == 4


def test_the_largest_error_of_models():
    other = Z[::-1]
    names = ["max_error", "mae", "explained_variance"]
    found = fl.compare(Y, {"a": Z, "b": other}, names, by=GROUPS, sample_weight=W)
    for model, z in (("a", Z), ("b", other)):
        want = fl.score(Y, z, names, sample_weight=W, groups=GROUPS)
        np.testing.assert_array_equal(found[model].values, want.values)
        np.testing.assert_array_equal(found[model].group_values, want.group_values)
