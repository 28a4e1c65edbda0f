"""Standard errors, and comparisons of models, against SciPy and pandas."""

import math

import numpy as np
import pandas as pd
import pytest
from samples import DTYPES
from scipy import stats

import fastloss as fl
from fastloss.scoring.columns import CHUNK

LOSSES = ["log_loss", "brier", "mae", "huber:delta=0.3"]


def data(n=4000, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.02, 0.98, n)
    y = (rng.random(n) < p).astype(dtype)
    a = np.clip(p + rng.normal(0, 0.1, n), 0.01, 0.99).astype(dtype)
    b = np.clip(p + rng.normal(0, 0.05, n), 0.01, 0.99).astype(dtype)
    return (
        y,
        {"a": a, "b": b, "c": np.full(n, 0.4, dtype)},
        rng.uniform(0.1, 3, n),
        rng.integers(0, 6, n),
    )


def each(loss, y, z):
    return fl.get_loss(loss)(y, z, reduction="none").astype(float)


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_weights_it_is_that_of_the_mean(dtype):
    y, models, _, groups = data(dtype=dtype)
    scores = fl.score(y, models["a"], LOSSES, groups=groups, stderr=True)
    for k, loss in enumerate(LOSSES):
        values = each(loss, y, models["a"])
        assert scores.errors[k] == pytest.approx(stats.sem(values), rel=1e-12)
        expected = pd.Series(values).groupby(groups).sem().to_numpy()
        np.testing.assert_allclose(scores.group_errors[:, k], expected, rtol=1e-12)


def by_definition(u, w):
    m, n = (u * w).sum() / w.sum(), (w != 0).sum()
    return math.sqrt(n / (n - 1) * ((u * w - m * w) ** 2).sum()) / w.sum()


def test_with_weights():
    y, models, w, groups = data()
    w[::7] = 0
    scores = fl.score(y, models["a"], LOSSES, sample_weight=w, groups=groups, stderr=True)
    for k, loss in enumerate(LOSSES):
        values = each(loss, y, models["a"])
        assert scores.errors[k] == pytest.approx(by_definition(values, w), rel=1e-12)
        for g in range(6):
            rows = groups == g
            expected = by_definition(values[rows], w[rows])
            assert scores.group_errors[g, k] == pytest.approx(expected, rel=1e-12)


def test_weights_of_one_size_do_not_matter():
    y, models, _, _ = data()
    plain = fl.score(y, models["a"], LOSSES, stderr=True)
    scores = fl.score(y, models["a"], LOSSES, sample_weight=np.full(len(y), 0.25), stderr=True)
    np.testing.assert_array_equal(scores.errors, plain.errors)


def test_errors_cover_the_truth():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        z = rng.normal(size=100)
        scores = fl.score(np.zeros(100), z, ["mse", "rmse"], stderr=True)
        inside += np.abs(scores.values - 1) < 1.96 * scores.errors
    assert (abs(inside / 2000 - 0.94) < 0.015).all()  # 95 % but for the skewness of 100 squares


def test_of_roots_by_the_delta_method():
    y, models, _, _ = data()
    squares, roots = (fl.score(y, models["a"], loss, stderr=True) for loss in ("mse", "rmse"))
    assert roots["rmse"] == math.sqrt(squares["mse"])
    assert roots.errors[0] == pytest.approx(squares.errors[0] / (2 * roots["rmse"]), rel=1e-15)


def test_one_sample_has_no_error():
    assert math.isnan(fl.score([1.0], [0.5], ["mse"], stderr=True).errors[0])
    scores = fl.score([1.0, 2.0, 3.0], [0.5, 2.5, 3.5], ["mse"], groups=[0, 1, 1], stderr=True)
    assert math.isnan(scores.group_errors[0, 0]) and scores.group_errors[1, 0] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_paired_differences_are_those_of_the_t_test(dtype):
    y, models, _, groups = data(dtype=dtype)
    found = fl.compare(y, models, LOSSES, by=groups)
    assert found.models == ("a", "b", "c") and found.baselines == ("a",) * 4
    for k, loss in enumerate(LOSSES):
        values = {model: each(loss, y, p) for model, p in models.items()}
        for j, model in enumerate(models):
            assert found.total.values[j, k] == pytest.approx(values[model].mean(), rel=1e-12)
            assert found.total.errors[j, k] == pytest.approx(stats.sem(values[model]), rel=1e-12)
            if model == "a":
                continue
            for rows, total in [
                (slice(None), found.total),
                *((groups == g, found.groups[g]) for g in range(6)),
            ]:
                difference = values[model][rows] - values["a"][rows]
                expected = stats.ttest_rel(values[model][rows], values["a"][rows])
                assert total.differences[j, k] == pytest.approx(difference.mean(), rel=1e-11)
                error = stats.sem(difference)
                assert total.difference_errors[j, k] == pytest.approx(error, rel=1e-12)
                assert total.z[j, k] == pytest.approx(expected.statistic, rel=1e-11)
                assert total.p[j, k] == pytest.approx(expected.pvalue, rel=1e-9)


def test_weighted_differences():
    y, models, w, _ = data()
    found = fl.compare(y, models, ["brier"], sample_weight=w)
    difference = each("brier", y, models["b"]) - each("brier", y, models["a"])
    assert found.difference("b", "brier") == pytest.approx((difference * w).sum() / w.sum())
    error = found.total.difference_errors[1, 0]
    assert error == pytest.approx(by_definition(difference, w), rel=1e-12)


def test_differences_of_roots():
    y, models, _, _ = data()
    found = fl.compare(y, models, ["rmse"])
    ra, rb = (math.sqrt(each("mse", y, models[m]).mean()) for m in "ab")
    influence = each("mse", y, models["b"]) / (2 * rb) - each("mse", y, models["a"]) / (2 * ra)
    error = found.total.difference_errors[1, 0]
    assert error == pytest.approx(stats.sem(influence), rel=1e-10)


def test_baselines_and_ranks():
    y, models, _, groups = data()
    best = fl.compare(y, models, ["log_loss", "accuracy"], by=groups, baseline="best")
    assert best.ranking[0] == best.baselines[0] == "b"
    assert best.ranks[:, 0].tolist() == [2, 1, 3]
    place = best.models.index(best.baselines[1])
    assert best.ranks[place, 1] == 1
    assert best.total.values[place, 1] == best.total.values[:, 1].max()
    assert (best.total.differences[:, 0] >= 0).all()
    named = fl.compare(y, models, ["log_loss"], baseline="c")
    assert named.difference("c", "log_loss") == 0 and named.difference("b", "log_loss") < 0
    for bad in ("d", "", 3):
        with pytest.raises(ValueError, match="baseline"):
            fl.compare(y, models, ["log_loss"], baseline=bad)


def test_holm_over_groups():
    y, models, _, groups = data()
    plain = fl.compare(y, models, LOSSES, by=groups)
    corrected = fl.compare(y, models, LOSSES, by=groups, correction="holm")
    p, q = plain.groups.p[:, 1, 2], corrected.groups.p[:, 1, 2]
    order = np.argsort(p)
    expected = np.minimum(np.maximum.accumulate(p[order] * np.arange(6, 0, -1)), 1)
    np.testing.assert_allclose(q[order], expected, rtol=1e-15)
    np.testing.assert_array_equal(plain.total.p, corrected.total.p)


def test_rows_that_a_model_cannot_score_are_left_out_of_all():
    y, models, w, groups = data()
    models["b"][:500] = np.nan
    found = fl.compare(y, models, ["log_loss"], by=groups, sample_weight=w, nan_policy="omit")
    rest = {model: p[500:] for model, p in models.items()}
    expected = fl.compare(y[500:], rest, ["log_loss"], by=groups[500:], sample_weight=w[500:])
    np.testing.assert_array_equal(found.groups.z, expected.groups.z)
    assert found.total.counts == len(y) - 500
    with pytest.raises(ValueError, match="nan_policy"):
        fl.compare(y, models, ["log_loss"], nan_policy="raise")
    assert math.isnan(fl.compare(y, models, ["log_loss"]).difference("b", "log_loss"))


def test_parts_and_merges():
    y, models, w, groups = data(5000)
    whole = fl.compare(y, models, [*LOSSES, "rmse", "r2"], by=groups, sample_weight=w)
    parts = []
    for rows in (slice(0, 3), slice(3, 4000), slice(4000, 5000)):
        parts.append(fl.Comparer([*LOSSES, "rmse", "r2"], ["a", "b", "c"]))
        few = {model: p[rows] for model, p in models.items()}
        parts[-1].update(y[rows], few, w[rows], groups[rows])
    again = sum(fl.Comparer.from_bytes(part.to_bytes()) for part in parts).result()
    for name in ("values", "errors", "z", "p", "weights"):
        np.testing.assert_array_equal(getattr(again.groups, name), getattr(whole.groups, name))
        np.testing.assert_array_equal(getattr(again.total, name), getattr(whole.total, name))


def test_rows_of_classes():
    rng = np.random.default_rng(0)
    y, a, b = rng.integers(0, 3, 500), rng.normal(size=(500, 3)), rng.normal(size=(500, 3))
    found = fl.compare(y, {"a": a, "b": b}, ["softmax_cross_entropy", "accuracy"])
    loss = fl.SoftmaxCrossEntropy()
    expected = stats.ttest_rel(loss(y, b, reduction="none"), loss(y, a, reduction="none"))
    assert found.total.z[1, 0] == pytest.approx(expected.statistic, rel=1e-11)
    assert found.total.values[0, 1] == (a.argmax(axis=1) == y).mean()


@pytest.mark.parametrize(("models", "message"), [
    ({"a": [0.5]}, "two models"), ([[0.5], [0.5]], "mapping"),
    ({"a": [0.5], "b": [0.5, 0.5]}, r"y_preds\['b'\] must have the shape"),
    ({"a": [0.5, 0.5], "b": [0.5, 0.5]}, "same shape"),
    ({"a": [0.5], "b": [1.5]}, "1.5 is not in"),
])  # fmt: skip
def test_mistakes(models, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fl.compare([1.0], models, ["log_loss"])


@pytest.mark.parametrize("models", [[("a", 1), ("b", 2)], [1, 2], {"a": 1, None: 2}])
def test_models_have_names(models):
    with pytest.raises(TypeError, match="models must be names, as strings; got"):
        fl.Comparer("mae", models)


def test_metrics():
    y, models, w, _ = data()
    z = models["a"]
    from sklearn import metrics as sk

    names = ["accuracy", "accuracy:threshold=0.3", "r2", "d2_log_loss", "d2_brier", "bias",
             "mean_true", "mean_pred", "mse"]  # fmt: skip
    scores = fl.score(y, z, names, sample_weight=w, stderr=True)
    expected = [
        sk.accuracy_score(y, z > 0.5, sample_weight=w),
        sk.accuracy_score(y, z > 0.3, sample_weight=w),
        sk.r2_score(y, z, sample_weight=w),
        sk.d2_log_loss_score(y, z, sample_weight=w),
        sk.d2_tweedie_score(y, z, sample_weight=w, power=0),
        np.average(z - y, weights=w), np.average(y, weights=w), np.average(z, weights=w),
        sk.mean_squared_error(y, z, sample_weight=w),
    ]  # fmt: skip
    np.testing.assert_allclose(scores.values, expected, rtol=1e-12)
    assert scores.names == tuple(names)
    assert np.isnan(scores.errors).tolist() == [name[0] in "dr" for name in names]


@pytest.mark.parametrize(("loss", "power"), [
    ("poisson_deviance", 1), ("gamma_deviance", 2), ("tweedie_deviance:power=1.5", 1.5),
])  # fmt: skip
def test_d2_of_deviances(loss, power):
    from sklearn.metrics import d2_tweedie_score

    rng = np.random.default_rng(0)
    z = rng.uniform(0.5, 90, 3000)
    y = rng.gamma(2, z / 2)
    found = fl.score(y, z, [f"d2_{loss}"]).values[0]
    assert found == pytest.approx(d2_tweedie_score(y, z, power=power), rel=1e-12)


def test_top_k_accuracy():
    from sklearn.metrics import top_k_accuracy_score

    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 5, 400), rng.integers(0, 9, (400, 5)) / 9
    names = ["accuracy", "top_k_accuracy", "top_k_accuracy:k=3"]
    scores = fl.score(y, z + np.arange(5) * -1e-9, names)
    for k, value in enumerate(scores.values, 1):
        assert value == top_k_accuracy_score(y, z + np.arange(5) * -1e-9, k=k)
    with pytest.raises(ValueError, match="class from 0 to 4"):
        fl.score(y + 1, z, names)


METRICS = ["bias", "mean_true", "mean_pred", "accuracy"]


@pytest.mark.parametrize("name", METRICS)
def test_metrics_refuse_what_losses_refuse(name):
    def message(y, z, losses, error=fl.DomainError, **options):
        with pytest.raises(error) as caught:
            fl.score(y, z, losses, **options)
        return str(caught.value)

    n = CHUNK + 3
    y, z = np.zeros(n), np.zeros(n)
    y[-1] = np.nan
    for given in ((y, z), (z, y), (np.float32(y), np.float32(z))):
        words = message(*given, [name], nan_policy="raise")
        assert words == message(*given, ["mae"], nan_policy="raise")
        assert np.isnan(fl.score(*given, ["mae"]).values[0])
    counts = np.where(np.isnan(y), 0.0, 1.0)
    assert np.isfinite(fl.score(y, z, [name], sample_weight=counts, nan_policy="raise")[name])
    for bad in (np.nan, np.inf):
        for dtype in (np.float32, np.float64):
            w = np.append(np.ones(n - 1), bad).astype(dtype)
            words = message(z.astype(dtype), z.astype(dtype), [name], sample_weight=w)
            assert words == message(z.astype(dtype), z.astype(dtype), "mae", sample_weight=w)
    assert fl.score(y, z, [name, "mae"], sample_weight=w, nan_policy="omit").count == n - 1
    few = [0.0, 1.0]
    for given, options in [
        ((few, [0.0, 1j]), {}), ((few, ["a", "b"]), {}), (([0j, 1], few), {}),
        ((few, few), {"sample_weight": [1, 1j]}), ((few, few), {"sample_weight": ["1", "1"]}),
    ]:  # fmt: skip
        words = message(*given, [name], TypeError, **options)
        assert words == message(*given, ["mae"], TypeError, **options)


def test_metrics_of_rows_refuse_gaps():
    z = np.full((3, 2), 0.5)
    z[2, 1] = np.nan
    for name in ("accuracy", "top_k_accuracy:k=1"):
        for axis, y in ((1, [0, 1, 0]), (0, [0, 1])):
            loss = fl.SoftmaxCrossEntropy(axis=axis)
            with pytest.raises(fl.DomainError, match=r"y_pred\[2, 1\] = nan is not a number"):
                fl.score(y, z, [name, loss], nan_policy="raise")
    w = [1.0, 2.0, 0.0]
    counted = fl.score([0, 1, 0], z, ["top_k_accuracy"], sample_weight=w, nan_policy="raise")
    assert counted.count == 2
    with pytest.raises(fl.DomainError, match=r"sample_weight\[1\] = nan is not finite"):
        fl.score([0, 1, 0], z, ["top_k_accuracy"], sample_weight=[1, np.nan, 0])
    with pytest.raises(fl.DomainError, match=r"y_preds\['b'\]\[1\] = nan is not a number"):
        models = {"a": [0.0, 1], "b": [0, np.nan]}
        fl.compare([0.0, 1], models, ["bias"], nan_policy="raise")


def test_metrics_are_computed_in_float64():
    y, z = np.float32([0, -3e38]), np.float32([0, 3e38])
    assert fl.score(y, z, ["bias"])["bias"] == (float(z[1]) - float(y[1])) / 2
    z = np.float32([0.1, 0.1])
    for dtype in (np.float32, np.float64):
        assert fl.score([1, 1], z.astype(dtype), ["accuracy:threshold=0.1"]).values[0] == 1


def test_there_may_be_many_columns():
    y, models, w, groups = data(700)
    losses = [f"huber:delta={k / 10}" for k in range(1, 81)]
    many = fl.score(y, models["a"], [*losses, "bias"], sample_weight=w, groups=groups, stderr=True)
    alone = fl.score(y, models["a"], losses, sample_weight=w, groups=groups, stderr=True)
    for name in ("values", "errors", "group_values", "group_errors"):
        found, expected = getattr(many, name), getattr(alone, name)
        np.testing.assert_allclose(found[..., :80], expected, rtol=1e-12)
    named = {f"model {k}": models["abc"[k % 3]] for k in range(40)}
    found = fl.compare(y, named, ["mae", "mse", "bias"])
    few = fl.compare(y, models, ["mae", "mse", "bias"])
    for k, model in enumerate(named):
        np.testing.assert_array_equal(found[model].values, few["abc"[k % 3]].values)


@pytest.mark.parametrize(("name", "message"), [
    ("d2_rmse", "is a root"), ("rmsle:a=1", "no parameter"),
    ("top_k_accuracy:k=0", "at least 1"), ("accuracy:k=2", "no parameter"),
    ("top_k_accuracy:k=inf", "an integer"), ("accuracy:threshold=nan", "threshold must be in"),
    ("accuracy:threshold=-inf", "threshold must be in"),
    ("r2:a=1", "no parameter"),
])  # fmt: skip
def test_metrics_that_there_are_not(name, message):
    with pytest.raises(ValueError, match=message):
        fl.score([1.0, 0.0], [0.5, 0.5], [name])


# ---- clusters ----------------------------------------------------------------------------------


def of_clusters(u, w, cluster):
    """The standard error of a weighted mean, by the definition."""
    sums = pd.DataFrame({"u": u * w, "w": w}).groupby(cluster).sum()
    m, n = sums.u.sum() / sums.w.sum(), len(sums)
    return math.sqrt(n / (n - 1) * ((sums.u - m * sums.w) ** 2).sum()) / sums.w.sum()


def clustered_data():
    y, models, w, groups = data()
    return y, models, w, groups, np.random.default_rng(1).integers(0, 90, len(y))


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_clusters(weighted):
    y, models, w, groups, cluster = clustered_data()
    w = w if weighted else None
    scores = fl.score(
        y, models["a"], [*LOSSES, "rmse", "r2"],
        sample_weight=w, groups=groups, stderr=True, cluster=cluster,
    )  # fmt: skip
    plain = fl.score(y, models["a"], [*LOSSES, "rmse", "r2"], sample_weight=w, groups=groups)
    for name in ("values", "weight", "count", "group_values", "group_weights", "group_counts"):
        np.testing.assert_array_equal(getattr(scores, name), getattr(plain, name))
    assert scores.groups == plain.groups
    w = np.ones(len(y)) if w is None else w
    for k, loss in enumerate(LOSSES):
        values = each(loss, y, models["a"])
        assert scores.errors[k] == pytest.approx(of_clusters(values, w, cluster), rel=1e-11)
        for g in range(6):
            rows = groups == g
            expected = of_clusters(values[rows], w[rows], cluster[rows])
            assert scores.group_errors[g, k] == pytest.approx(expected, rel=1e-11)
    error = of_clusters(each("mse", y, models["a"]), w, cluster) / (2 * scores["rmse"])
    assert scores.errors[-2] == pytest.approx(error, rel=1e-11)
    assert math.isnan(scores.errors[-1])


def test_clusters_of_one_sample_each_are_none():
    y, models, w, groups = data()
    options = {"sample_weight": w, "groups": groups, "stderr": True}
    plain = fl.score(y, models["a"], LOSSES, **options)
    scores = fl.score(y, models["a"], LOSSES, **options, cluster=np.arange(len(y)))
    np.testing.assert_allclose(scores.errors, plain.errors, rtol=1e-13)
    np.testing.assert_allclose(scores.group_errors, plain.group_errors, rtol=1e-13)
    one = fl.score(y, models["a"], LOSSES, stderr=True, cluster=np.zeros(len(y)))
    assert np.isnan(one.errors).all()


def test_comparisons_of_clusters():
    y, models, w, groups, cluster = clustered_data()
    found = fl.compare(
        y, models, ["brier", "rmse"], by=groups, sample_weight=w, cluster=cluster
    )  # fmt: skip
    difference = each("brier", y, models["b"]) - each("brier", y, models["a"])
    for rows, of in [(slice(None), found.total), (groups == 2, found.groups[2])]:
        error = of_clusters(difference[rows], w[rows], cluster[rows])
        assert of.difference_errors[1, 0] == pytest.approx(error, rel=1e-11)
        n = len(np.unique(cluster[rows]))
        z = np.average(difference[rows], weights=w[rows]) / error
        assert of.p[1, 0] == pytest.approx(2 * stats.t.sf(abs(z), n - 1), rel=1e-9)
    ra, rb = (math.sqrt(np.average(each("mse", y, models[m]), weights=w)) for m in "ab")
    influence = each("mse", y, models["b"]) / (2 * rb) - each("mse", y, models["a"]) / (2 * ra)
    error = of_clusters(influence, w, cluster)
    assert found.total.difference_errors[1, 1] == pytest.approx(error, rel=1e-10)


def test_clusters_in_parts_and_frames():
    y, models, w, groups, cluster = clustered_data()
    options = {"sample_weight": w, "groups": groups, "stderr": True, "cluster": cluster}
    whole = fl.score(y, models["a"], LOSSES, **options)
    parts = []
    for rows in (slice(0, 3), slice(3, 2500), slice(2500, 4000)):
        parts.append(fl.Scorer(LOSSES, stderr=True, clustered=True))
        parts[-1].update(y[rows], models["a"][rows], w[rows], groups[rows], cluster[rows])
    again = sum(fl.Scorer.from_bytes(part.to_bytes()) for part in reversed(parts)).result()
    frame = pd.DataFrame({"y": y, "w": w, "g": groups, "who": cluster, **models})
    names = {"y_true": "y", "sample_weight": "w", "by": "g", "cluster": "who"}
    of_frame = fl.score(frame, LOSSES, y_pred="a", stderr=True, **names)
    for found in (again, of_frame):
        assert found.groups == whole.groups
        for name in ("values", "errors", "group_values", "group_errors", "group_weights"):
            np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    compared = fl.compare(frame, ["a", "b"], LOSSES, **names)
    np.testing.assert_array_equal(compared["a"].group_errors, whole.group_errors)
    names["cluster"] = ["who", "g"]
    found = fl.score(frame, LOSSES, y_pred="a", stderr=True, **names)
    np.testing.assert_array_equal(found.group_errors, whole.group_errors)


def test_clusters_with_infinite_values():
    y, models, _, groups, cluster = clustered_data()
    models["a"][0] = 1 - y[0]
    scores = fl.score(y, models["a"], "log_loss", groups=groups, stderr=True, cluster=cluster)
    assert scores["log_loss"] == math.inf and math.isnan(scores.errors[0])
    assert np.isnan(scores.group_errors[:, 0]).tolist() == [g == groups[0] for g in range(6)]


def test_mistakes_with_clusters():
    with pytest.raises(ValueError, match="stderr=True"):
        fl.score([1.0, 2.0], [1.0, 2.0], "mae", cluster=[1, 2])
    with pytest.raises(ValueError, match="clustered=True alone"):
        fl.Scorer("mae", stderr=True).update([1.0], [1.0], cluster=[1])
    scorer = fl.Scorer("mae", stderr=True, clustered=True)
    with pytest.raises(ValueError, match="with every part"):
        scorer.update([1.0], [1.0])
    with pytest.raises(ValueError, match="same clustered"):
        scorer.merge(fl.Scorer("mae", stderr=True))
    with pytest.raises(ValueError, match="shape"):
        scorer.update([1.0], [1.0], cluster=[1, 2])


def test_errors_of_what_has_no_squares():
    assert math.isnan(fl.score([0.0], [1e-165], ["mae"], stderr=True).errors[0])
    scores = fl.score([0.0, 0.0], [1e-165, 3e-165], ["mae"], stderr=True)
    assert math.isnan(scores.errors[0])
    z, groups = [1e-170, 0.5, 0.5], list("abb")
    scores = fl.score([0.0, 1, 0], z, ["log_loss"], groups=groups, stderr=True)
    assert scores.group_values[0, 0] == pytest.approx(1e-170)
    assert math.isnan(scores.group_errors[0, 0]) and scores.group_errors[1, 0] == 0
    weights = [1.0, -1.0, 1.0, 1.0]
    scores = fl.score(np.zeros(4), [1e200, 2e200, 1, 2], ["mae"], sample_weight=weights,
                      groups=list("aabb"), stderr=True)  # fmt: skip
    assert math.isnan(scores.group_values[0, 0]) and math.isnan(scores.group_errors[0, 0])


@pytest.mark.parametrize("step", [1e-6, 1e-8, 1e-9])
def test_differences_of_roots_that_are_nearly_equal(step):
    mpmath = pytest.importorskip("mpmath")
    a, b = [1.0, 2.0, 3.0, 4.0], [1 + step, 2 + step, 3.0, 4.0]
    found = fl.compare(np.zeros(4), {"a": a, "b": b}, ["rmse"]).total
    with mpmath.workdps(50):
        squares = [[mpmath.mpf(x) ** 2 for x in own] for own in (a, b)]
        roots = [mpmath.sqrt(sum(own) / 4) for own in squares]
        d = [y / (2 * roots[1]) - x / (2 * roots[0]) for x, y in zip(*squares, strict=True)]
        mean = sum(d) / 4
        error = mpmath.sqrt(sum((x - mean) ** 2 for x in d) / 3 / 4)
    assert found.difference_errors[1, 0] == pytest.approx(float(error), rel=1e-6)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("name", ["r2", "d2_mse", "d2_brier"])
def test_r2_far_from_0(mean, name):
    from fractions import Fraction

    rng = np.random.default_rng(0)
    y = mean + rng.normal(size=500)
    z = y + rng.normal(size=500) / 2
    if name == "d2_brier":
        y, z = (np.clip((x - mean) / 8 + 0.5, 0, 1) for x in (y, z))
    targets = [Fraction(x) for x in y.tolist()]
    middle = sum(targets) / 500
    total = sum((x - middle) ** 2 for x in targets)
    expected = 1 - Fraction(float(np.sum((y - z) ** 2))) / total
    assert fl.score(y, z, [name]).values[0] == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("name", ["r2", "d2_poisson_deviance", "d2_brier"])
@pytest.mark.parametrize("constant", [0.1, 0.3, 1 / 3])
def test_constant_targets(name, constant):
    y = np.full(7, constant)
    assert fl.score(y, y + 0.1, [name]).values[0] == 0
    assert fl.score(y, y, [name]).values[0] == 1


def test_accuracy_alone_is_of_rows_or_not():
    rng = np.random.default_rng(0)
    y, rows = rng.integers(0, 3, 200), rng.random((200, 3))
    share = (rows.argmax(axis=1) == y).mean()
    assert fl.score(y, rows, "accuracy")["accuracy"] == share
    found = fl.compare(y, {"a": rows, "b": -rows}, "accuracy")
    assert found.total.values[:, 0].tolist() == [share, ((-rows).argmax(axis=1) == y).mean()]
    single = fl.score(y > 0, rows[:, 0], "accuracy")["accuracy"]
    assert single == ((rows[:, 0] > 0.5) == (y > 0)).mean()
