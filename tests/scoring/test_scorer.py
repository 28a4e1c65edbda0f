"""Scores of many losses at once: in all, by group, and of data that come in parts."""

import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from samples import DTYPES, SIZES, defaults, typical

import fastloss as fl

LOSSES = ["mse", "rmse", "mae", fl.Huber(delta=0.3), fl.Quantile(q=0.2), fl.Cauchy(c=2)]


def data(n=1000, dtype=np.float64, groups=4, seed=0):
    rng = np.random.default_rng(seed)
    y, z = rng.normal(size=(2, n)).astype(dtype)
    return y, z, rng.uniform(0.1, 2, n).astype(dtype), rng.integers(0, groups, n)


def each(losses, y, z, w=None):
    losses = [fl.get_loss(loss) if isinstance(loss, str) else loss for loss in losses]
    return [loss(y, z, sample_weight=w) for loss in losses]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [n for n in SIZES if n])
def test_scores_are_those_of_each_loss(n, weighted, dtype):
    y, z, w, _ = data(n, dtype)
    w = w if weighted else None
    scores = fl.score(y, z, LOSSES, sample_weight=w)
    np.testing.assert_allclose(scores.values, each(LOSSES, y, z, w), rtol=1e-13)
    assert scores.count == n
    assert scores.weight == pytest.approx(n if w is None else w.sum(dtype=float), rel=1e-13)
    assert scores.groups is None


@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
def test_every_loss_can_be_scored(loss):
    y, z = typical(loss, 700)
    assert fl.score(y, z, loss)[loss] == pytest.approx(loss(y, z), rel=1e-13)
    assert fl.score(y, z, loss.name)[loss.name] == pytest.approx(loss(y, z), rel=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 17, 513, 40_000])
def test_scores_by_group_are_those_of_the_groups_rows(n, weighted):
    y, z, w, groups = data(n)
    w = w if weighted else np.ones(n)
    scores = fl.score(y, z, LOSSES, sample_weight=w if weighted else None, groups=groups)
    assert scores.groups == tuple(np.unique(groups).tolist())
    for i, label in enumerate(scores.groups):
        rows = groups == label
        np.testing.assert_allclose(
            scores.group_values[i], each(LOSSES, y[rows], z[rows], w[rows]), rtol=1e-12
        )
        assert scores.group_counts[i] == rows.sum()
        assert scores.group_weights[i] == pytest.approx(w[rows].sum(), rel=1e-12)
    np.testing.assert_allclose(scores.values, each(LOSSES, y, z, w), rtol=1e-12)
    assert scores.count == n


def test_strided_groups_and_inputs():
    y, z, w, groups = data(3000)
    np.testing.assert_array_equal(
        fl.score(y[::3], z[::3], LOSSES, sample_weight=w[::3], groups=groups[::3]).group_values,
        fl.score(*(x[::3].copy() for x in (y, z)), LOSSES,
                 sample_weight=w[::3].copy(), groups=groups[::3].copy()).group_values,
    )  # fmt: skip


# ---- weights and NaN ---------------------------------------------------------------------------


def test_rows_of_weight_0_are_not_counted():
    y, z, w, groups = data(1000)
    w[::7] = 0
    z[::7] = np.nan
    keep = w != 0
    got = fl.score(y, z, LOSSES, sample_weight=w, groups=groups)
    want = fl.score(y[keep], z[keep], LOSSES, sample_weight=w[keep], groups=groups[keep])
    np.testing.assert_allclose(got.values, want.values, rtol=1e-12)
    np.testing.assert_allclose(got.group_values, want.group_values, rtol=1e-12)
    np.testing.assert_array_equal(got.group_counts, want.group_counts)
    assert got.count == keep.sum()


def test_a_group_without_weight_has_no_value():
    scores = fl.score([1.0, 2.0], [2.0, 4.0], ["mse"], sample_weight=[1.0, 0.0], groups=["a", "b"])
    assert scores["mse"] == 1.0
    assert np.isnan(scores.group_values[1, 0])
    assert scores.group_counts.tolist() == [1, 0]


def test_nan_policies():
    y, z, _, _ = data(1000)
    z[600] = np.nan
    assert np.isnan(fl.score(y, z, LOSSES).values).all()
    omitted = fl.score(y, z, LOSSES, nan_policy="omit")
    keep = np.arange(1000) != 600
    np.testing.assert_allclose(omitted.values, each(LOSSES, y[keep], z[keep]), rtol=1e-12)
    assert omitted.count == 999
    with pytest.raises(fl.DomainError, match=r"y_pred\[600\]"):
        fl.score(y, z, LOSSES, nan_policy="raise")


@pytest.mark.parametrize("scorer", [fl.Scorer(["mse"]), fl.Scorer("mse"), fl.Scorer(fl.Huber())])
def test_over_nothing_there_is_no_score(scorer):
    with pytest.raises(ValueError, match="mean over nothing"):
        scorer.result()
    scorer.update([], [])
    with pytest.raises(ValueError, match="mean over nothing"):
        scorer.result()
    scorer.update([1.0], [2.0], sample_weight=[0.0])
    with pytest.raises(ValueError, match="mean over nothing"):
        scorer.result()


def test_weights_that_add_up_to_0_have_no_score():
    with pytest.raises(ValueError, match="add up to 0"):
        fl.score([1.0, 2.0], [1.0, 2.0], ["mse"], sample_weight=[1.0, -1.0])


# ---- parts -------------------------------------------------------------------------------------


def assert_close(got, want):
    np.testing.assert_allclose(got.values, want.values, rtol=1e-12)
    np.testing.assert_allclose(got.group_values, want.group_values, rtol=1e-12)
    assert (got.names, got.groups, got.count) == (want.names, want.groups, want.count)
    assert got.group_counts.tolist() == want.group_counts.tolist()


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("how", ["update", "merge", "pickle and merge"])
def test_parts_of_unequal_size_score_as_the_whole(how, weighted, grouped):
    y, z, w, groups = data(5000, groups=9)
    w, groups = (w if weighted else None), (groups if grouped else None)
    want = fl.score(y, z, LOSSES, sample_weight=w, groups=groups)
    whole = fl.Scorer(LOSSES)
    for part in (slice(0, 3), slice(3, 4), slice(4, 3000), slice(3000, 5000)):
        arguments = [None if x is None else x[part] for x in (y, z, w, groups)]
        if how == "update":
            whole.update(*arguments)
        else:
            scorer = fl.Scorer(LOSSES)
            scorer.update(*arguments)
            whole.merge(pickle.loads(pickle.dumps(scorer)) if "pickle" in how else scorer)
    assert_close(whole.result(), want)


def test_groups_may_differ_from_part_to_part():
    scorer = fl.Scorer(["mae"])
    scorer.update([0.0, 0.0], [1.0, 2.0], groups=["b", "a"])
    scorer.update([0.0], [5.0], groups=["c"])
    scorer.update([0.0], [4.0], groups=["a"])
    assert scorer.result().to_dict()["groups"] == {
        "a": {"mae": 3.0, "weight": 2.0, "count": 2},
        "b": {"mae": 1.0, "weight": 1.0, "count": 1},
        "c": {"mae": 5.0, "weight": 1.0, "count": 1},
    }


def test_a_result_does_not_end_the_scorer():
    scorer = fl.Scorer(["mae"])
    scorer.update([0.0], [1.0])
    first = scorer.result()
    scorer.update([0.0], [3.0])
    assert (first["mae"], scorer.result()["mae"]) == (1.0, 2.0)


def test_merging_a_scorer_with_itself_counts_twice():
    scorer = fl.Scorer(["mae"])
    scorer.update([0.0, 0.0], [1.0, 3.0], groups=[1, 2])
    scorer.merge(scorer)
    assert scorer.result().count == 4
    assert scorer.result()["mae"] == 2.0


def test_merging_leaves_the_other_scorer_as_it_is():
    a, b = fl.Scorer(["mae"]), fl.Scorer(["mae"])
    b.update([0.0], [1.0])
    a.merge(b)
    a.update([0.0], [3.0])
    assert b.result().count == 1
    assert a.result().count == 2


def test_only_alike_scorers_merge():
    scorer = fl.Scorer(["mae"])
    with pytest.raises(TypeError, match="other must be a Scorer"):
        scorer.merge({"mae": 1.0})
    for other in (
        fl.Scorer(["mse"]),
        fl.Scorer(["mae", "mse"]),
        fl.Scorer(["mae"], nan_policy="omit"),
    ):
        with pytest.raises(ValueError, match="of the same (losses|nan_policy)"):
            scorer.merge(other)
    grouped = fl.Scorer(["mae"])
    grouped.update([1.0], [1.0], groups=["a"])
    scorer.update([1.0], [1.0])
    with pytest.raises(ValueError, match="with groups cannot be merged"):
        scorer.merge(grouped)
    with pytest.raises(ValueError, match="every part, or with none"):
        scorer.update([1.0], [1.0], groups=["a"])


def test_a_part_that_raises_adds_nothing():
    scorer = fl.Scorer(["log_loss"])
    scorer.update([1.0], [0.5], groups=["a"])
    with pytest.raises(fl.DomainError):
        scorer.update([1.0, 1.0], [0.5, 1.5], groups=["a", "b"])
    with pytest.raises(ValueError, match="same shape"):
        scorer.update([1.0, 1.0], [0.5], groups=["a", "b"])
    result = scorer.result()
    assert (result.count, result.groups) == (1, ("a",))
    fresh = fl.Scorer(["log_loss"])
    with pytest.raises(fl.DomainError):
        fresh.update([1.0], [1.5], groups=["a"])
    fresh.update([1.0], [0.5])  # the part with groups was not taken
    assert fresh.result().count == 1


def test_counts_and_weights_are_exact_beyond_the_integers_of_float32():
    n = 2**24 + 3
    y = z = np.zeros(n, np.float32)
    scorer = fl.Scorer(["mse"])
    scorer.update(y, z)
    scorer.update(y[:2], z[:2])
    result = scorer.result()
    assert result.count == n + 2
    assert result.weight == n + 2
    grouped = fl.score(y, z, ["mse"], sample_weight=np.ones(n, np.float32), groups=np.zeros(n, int))
    assert grouped.group_counts.tolist() == [n]
    assert grouped.group_weights.tolist() == [n]


def test_threads_may_update_and_merge_one_scorer():
    # integers in float64, so that sums do not depend on the order
    rows, parts = 200, 40
    rng = np.random.default_rng(0)
    data = [(rng.integers(0, 9, rows) * 1.0, rng.integers(0, 50, rows)) for _ in range(4 * parts)]
    scorer = fl.Scorer(["mae"])
    start = threading.Barrier(5)

    def work(own):
        start.wait(10)
        for k, (z, groups) in enumerate(own):
            if k % 4:
                scorer.update(np.zeros(rows), z, groups=groups)
            else:
                part = fl.Scorer(["mae"])
                part.update(np.zeros(rows), z, groups=groups)
                scorer.merge(part)

    def watch():
        start.wait(10)
        for _ in range(20):
            copy = pickle.loads(pickle.dumps(scorer))
            if copy._grouped:
                copy.result()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(5) as pool:
            jobs = [pool.submit(work, data[k::4]) for k in range(4)] + [pool.submit(watch)]
            for job in jobs:
                job.result(60)
    finally:
        sys.setswitchinterval(interval)
    whole = fl.score(
        np.zeros(4 * parts * rows),
        np.concatenate([z for z, _ in data]),
        "mae",
        groups=np.concatenate([groups for _, groups in data]),
    )
    got = scorer.result()
    assert got.groups == whole.groups
    np.testing.assert_array_equal(got.group_counts, whole.group_counts)
    np.testing.assert_array_equal(got.group_values, whole.group_values)


def test_scorers_can_be_pickled():
    assert type(fl.Scorer("mse")).__module__ == "fastloss.scoring.scorer"
    scorer = fl.Scorer(["mae"])
    scorer.update([1.0, 2.0], [2.0, 5.0], groups=["a", "b"])
    copy = pickle.loads(pickle.dumps(scorer))
    assert copy.result().to_dict() == scorer.result().to_dict()


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("losses", "error", "text"), [
    ([], ValueError, "at least one"), (["mse", "mse"], ValueError, "twice"),
    (["mse", fl.SquaredError()], ValueError, "twice"), (["msee"], ValueError, "did you mean"),
    ([3], TypeError, "a name or a Loss"), ([fl.Huber], TypeError, "a name or a Loss"),
])  # fmt: skip
def test_bad_lists_of_losses_raise(losses, error, text):
    with pytest.raises(error, match=text):
        fl.score([1.0], [1.0], losses)
    with pytest.raises(error, match=text):
        fl.Scorer(losses)


def test_of_several_losses_the_one_that_refuses_is_named():
    with pytest.raises(fl.DomainError, match=r"not in \[0, 1\] \(brier\)"):
        fl.score([1.0], [2.0], ["mse", "brier"])


def test_other_bad_arguments_raise():
    with pytest.raises(ValueError, match="nan_policy"):
        fl.Scorer(["mse"], nan_policy="drop")
    with pytest.raises(ValueError, match="same shape"):
        fl.score([1.0], [1.0, 2.0], ["mse"])
    with pytest.raises(ValueError, match="sample_weight must have"):
        fl.score([1.0], [1.0], ["mse"], sample_weight=[1.0, 2.0])
    with pytest.raises(fl.DomainError, match=r"sample_weight\[0\] = inf"):
        fl.score([1.0], [1.0], ["mse"], sample_weight=[np.inf])
    with pytest.raises(TypeError, match="y_pred"):
        fl.score([1.0], [1j], ["mse"])
