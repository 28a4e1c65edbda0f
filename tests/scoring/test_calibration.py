"""Calibration: against its formulas, scikit-learn and SciPy; edges, ties, weights, groups."""

import math
import pickle

import numpy as np
import pytest
from scipy.stats import binomtest, sem
from sklearn.calibration import calibration_curve

import fastloss as fl
from fastloss.scoring.calibration import FEW

rng = np.random.default_rng(0)
P = rng.random(1000) ** 2
Y = rng.random(1000) < P**1.2
W = rng.integers(0, 4, 1000).astype(float)
SHARES = np.clip(P + rng.normal(0, 0.1, 1000), 0, 1)
GROUPS = rng.choice(["north", "south", "west"], 1000)
BRIER = ("reliability", "resolution", "uncertainty", "within_variance", "within_covariance")


def average(values, weights):
    return math.fsum(values * weights) / math.fsum(weights)


def by_formula(y, p, w, edges):
    """What a calibration says, from the definitions, bin by bin."""
    y = y.astype(float)
    total, mean = math.fsum(w), average(y, w)
    rows, parts = [], dict.fromkeys(BRIER, 0.0)
    for low, high in edges:
        inside = (w > 0) & (p <= high) & ((p > low) | ((p == low) & (low == 0)))
        yy, pp, ww = y[inside], p[inside], w[inside]
        n, m, q, share = len(yy), average(yy, ww), average(pp, ww), math.fsum(ww) / total
        squares = math.fsum(ww**2 * (yy - m) ** 2)
        error = math.sqrt(n / (n - 1) * squares) / math.fsum(ww) if n > 1 else math.nan
        rows.append((n, math.fsum(ww), q, m, error))
        parts["reliability"] += share * (q - m) ** 2
        parts["resolution"] += share * (m - mean) ** 2
        parts["within_variance"] += share * average((pp - q) ** 2, ww)
        parts["within_covariance"] += share * 2 * average((yy - m) * (pp - q), ww)
    parts["uncertainty"] = average((y - mean) ** 2, w)
    return np.transpose(rows), parts


@pytest.mark.parametrize("y", [Y, SHARES], ids=["events", "shares"])
@pytest.mark.parametrize("w", [None, W, W * 1e-200], ids=["unweighted", "weighted", "tiny"])
@pytest.mark.parametrize(
    "how", [{}, {"strategy": "uniform", "bins": 7}, {"bins": [0, 0.1, 0.7, 1]}]
)
def test_the_definitions(y, w, how):
    found = fl.calibration(y, P, sample_weight=w, **how)
    weights = np.ones(1000) if w is None else w
    if w is not None and w.max() < 1e-100:  # the formula's squares would vanish
        weights = W
    columns, parts = by_formula(y, P, weights, found.edges)
    scale = weights.max() / (1 if w is None else w.max())
    ours = found.count, found.weight * scale, found.prediction, found.outcome, found.error
    for mine, theirs in zip(ours, columns, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-11)
    for name, value in parts.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-15)
    gaps = np.abs(columns[3] - columns[2])
    assert found.ece == pytest.approx(average(gaps, columns[1]), rel=1e-12)
    assert found.mce == pytest.approx(gaps.max(), rel=1e-12)
    first, second, *others = (getattr(found, name) for name in BRIER)
    whole = first - second + others[0] + others[1] - others[2]
    assert found.brier == pytest.approx(whole, abs=1e-16)
    assert found.brier == pytest.approx(average((P - y) ** 2, weights), rel=1e-13)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("bins", [1, 2, 10, 50, 200])
@pytest.mark.parametrize("p", [P, P.round(1)], ids=["distinct", "tied"])
def test_scikit_learn_has_the_same_points(strategy, bins, p):
    found = fl.calibration(Y, p, bins=bins, strategy=strategy)
    outcome, prediction = calibration_curve(Y, p, n_bins=bins, strategy=strategy)
    np.testing.assert_allclose(found.outcome, outcome, rtol=1e-12)
    np.testing.assert_allclose(found.prediction, prediction, rtol=1e-12)
    assert (bins - 1 > FEW) == (bins == 200)  # both ways to find a prediction's bin


def test_intervals_and_errors_of_shares():
    found = fl.calibration(Y, P, level=0.9)
    for i, (n, share) in enumerate(zip(found.count, found.outcome, strict=True)):
        test = binomtest(round(n * share), int(n)).proportion_ci(0.9, method="wilson")
        assert found.interval[i] == pytest.approx((test.low, test.high), abs=1e-14)
        inside = (P > found.edges[i, 0]) & (P <= found.edges[i, 1])
        assert found.error[i] == pytest.approx(sem(Y[inside].astype(float)), rel=1e-12)


def test_intervals_with_weights_are_of_fewer_trials():
    w = np.array([1.0, 1.0, 4.0])
    found = fl.calibration([1, 0, 1], [0.5] * 3, sample_weight=w, bins=1)
    half = fl.calibration([1] * 5 + [0], [0.5] * 6, bins=1)  # the same share
    assert found.outcome == pytest.approx(half.outcome)
    trials, z2, m = w.sum() ** 2 / (w**2).sum(), 1.959963984540054**2, 5 / 6
    middle, width = m + z2 / 2 / trials, math.sqrt(z2 / trials * (m * (1 - m) + z2 / 4 / trials))
    expected = np.array([middle - width, middle + width]) / (1 + z2 / trials)
    np.testing.assert_allclose(found.interval[0], expected, rtol=1e-13)
    sure = fl.calibration([1, 1], [0.9, 0.9])
    assert sure.interval[0, 1] == 1 and sure.error[0] == 0


@pytest.mark.parametrize("by", [None, ["a"] * 4])
def test_bins_are_as_exact_whatever_the_others_weigh(by):
    y, p = [0, 1, 0, 1], [0.2, 0.3, 0.7, 0.8]
    w = np.array([1.0, 3.0, 2.0, 2.0])
    like = fl.calibration(y, p, bins=[0, 0.5, 1], sample_weight=w)
    for scale in ([2.0**-600] * 2 + [1, 1], [1, 1] + [2.0**-600] * 2, [2.0**600] * 2 + [1, 1]):
        found = fl.calibration(y, p, bins=[0, 0.5, 1], sample_weight=w * scale, by=by)
        for part in (found, *found.groups.values()):
            for name in ("count", "prediction", "outcome", "error", "interval"):
                np.testing.assert_array_equal(getattr(part, name), getattr(like, name))
            np.testing.assert_array_equal(part.weight, like.weight * scale[::2])


def test_errors_of_outcomes_that_hardly_differ():
    y = np.array([0.3, 0.3 + 1e-9, 0.3 - 1e-9, 0.3])
    found = fl.calibration(y, [0.5] * 4, bins=1)
    assert found.error[0] == pytest.approx(sem(y), rel=1e-6)
    assert found.uncertainty == pytest.approx(5e-19, rel=1e-6)
    assert fl.calibration([0.3] * 3, [0.5] * 3, bins=1).error[0] == 0


# ---- edges -------------------------------------------------------------------------------------


def test_quantile_edges_are_predictions_at_their_ranks():
    for n, bins in ((1000, 10), (1000, 7), (13, 5), (3, 10)):
        p = P[:n]
        ranks = [-(-i * n // bins) - 1 for i in range(1, bins)]
        found = fl.calibration(Y[:n], p, bins=bins)
        expected = np.unique(np.sort(p)[ranks])
        assert set(found.edges[:-1, 1]) == set(expected[: len(found.edges) - 1])
        assert found.count.sum() == n


def test_the_sign_of_zero_is_in_no_edge():
    found, like = (fl.calibration([0, 1, 0], [zero, 0.0, 1.0]) for zero in (-0.0, 0.0))
    assert repr(found) == repr(like) and "-0" not in repr(found)


def test_weights_of_integers_are_repetitions():
    times = W.astype(int)
    found = fl.calibration(Y, P, sample_weight=W)
    repeated = fl.calibration(np.repeat(Y, times), np.repeat(P, times))
    np.testing.assert_array_equal(found.edges, repeated.edges)
    np.testing.assert_array_equal(found.weight, repeated.weight)
    np.testing.assert_allclose(found.outcome, repeated.outcome, rtol=1e-14)
    assert found.brier == pytest.approx(repeated.brier, rel=1e-14)
    ones = fl.calibration(Y, P, sample_weight=np.full(1000, 0.1))
    np.testing.assert_array_equal(ones.edges, fl.calibration(Y, P).edges)


def test_equal_predictions_share_a_bin():
    p = np.repeat([0.0, 0.25, 0.5, 1.0], [50, 10, 30, 10])
    found = fl.calibration(np.zeros(100), p, bins=10)
    assert found.edges.tolist() == [[0, 0], [0, 0.25], [0.25, 0.5], [0.5, 1]]
    assert found.count.tolist() == [50, 10, 30, 10]
    assert found.within_variance == 0
    same = fl.calibration([0, 1], [-0.0, 0.0])
    assert same.count.tolist() == [2]
    ends = fl.calibration([0, 1, 1], [0.0, 1.0, 1.0], strategy="uniform")
    assert ends.edges.tolist() == [[0, 0.1], [0.9, 1]]  # those between are empty


def test_edges_given():
    found = fl.calibration([0, 1, 1], [0.5, 0.6, 0.1], bins=[0, 0.5, 1], strategy="uniform")
    assert found.count.tolist() == [2, 1]
    assert found.edges.tolist() == [[0, 0.5], [0.5, 1]]


def test_the_order_of_rows_does_not_matter():
    p, y, w = np.round(P * 64) / 64, Y, np.round(W) + 0.5  # whose sums are exact
    expected = fl.calibration(y, p, sample_weight=w, by=GROUPS)
    order = rng.permutation(1000)
    found = fl.calibration(y[order], p[order], sample_weight=w[order], by=GROUPS[order])
    assert repr(found) == repr(expected)
    for a, b in ((found, expected), (found.groups["west"], expected.groups["west"])):
        np.testing.assert_array_equal(a.to_pandas(), b.to_pandas())
        assert [getattr(a, name) for name in BRIER] == [getattr(b, name) for name in BRIER]
    far = rng.random(1000) * 10.0 ** rng.integers(-30, 30, 1000)
    a = fl.calibration(y, P, sample_weight=far)
    b = fl.calibration(y[order], P[order], sample_weight=far[order])
    np.testing.assert_array_equal(a.edges, b.edges)


# ---- groups, missing numbers, types ------------------------------------------------------------


def test_a_group_is_as_if_alone_in_the_same_bins():
    found = fl.calibration(Y, P, sample_weight=W, by=GROUPS)
    np.testing.assert_array_equal(found.outcome, fl.calibration(Y, P, sample_weight=W).outcome)
    assert list(found.groups) == ["north", "south", "west"]
    edges = [0, *found.edges[:-1, 1], 1]
    for label, part in found.groups.items():
        own = GROUPS == label
        alone = fl.calibration(Y[own], P[own], sample_weight=W[own], bins=edges)
        np.testing.assert_array_equal(part.count, alone.count)
        for name in ("edges", "weight", "prediction", "outcome", "error", "interval"):
            np.testing.assert_allclose(getattr(part, name), getattr(alone, name), rtol=1e-12)
        for name in ("ece", "mce", "brier", *BRIER):
            value = pytest.approx(getattr(alone, name), rel=1e-9, abs=1e-15)
            assert getattr(part, name) == value
    assert fl.calibration(Y, P).groups == {}


def test_a_group_without_weight():
    found = fl.calibration([0, 1, 1], [0.2, 0.4, 0.9], sample_weight=[1, 1, 0], by=["a", "a", "b"])
    assert found.groups["b"].count.tolist() == []
    assert math.isnan(found.groups["b"].ece) and math.isnan(found.groups["b"].brier)
    assert "nan" in repr(found)


def test_missing_numbers():
    y, p = [0, 1, math.nan, 1], [0.2, math.nan, 0.5, 0.9]
    found = fl.calibration(y, p, by=["a", "b", "c", "d"], nan_policy="omit")
    assert found.count.sum() == 2
    assert math.isnan(found.groups["b"].ece)
    np.testing.assert_array_equal(found.outcome, fl.calibration([0, 1], [0.2, 0.9]).outcome)
    with pytest.raises(ValueError, match=r"nan"):
        fl.calibration(y, p)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("outcomes", [bool, np.int8, np.uint64, np.float32])
def test_types(dtype, outcomes):
    p, y = P.astype(dtype), Y.astype(outcomes)
    expected = fl.calibration(Y, p.astype(np.float64))
    np.testing.assert_array_equal(fl.calibration(y, p).to_pandas(), expected.to_pandas())


# ---- what is shown -----------------------------------------------------------------------------


def test_data_frames():
    found = fl.calibration(Y, P, by=GROUPS)
    whole = fl.calibration(Y, P).to_pandas()
    assert [*whole] == [
        "low", "high", "count", "weight", "prediction", "outcome", "error", "interval_low",
        "interval_high",
    ]  # fmt: skip
    assert len(whole) == 10 and whole["count"].sum() == 1000
    frame = found.to_pandas()
    assert frame["count"].sum() == 1000
    np.testing.assert_array_equal(frame.loc["west"], found.groups["west"].to_pandas())


def test_tables_are_short():
    found = fl.calibration(Y, P, bins=100, by=np.arange(1000) // 2)
    lines = repr(found).splitlines()
    assert len(lines) == (1 + 5 + 1 + 5 + 1) + 3 + (1 + 5 + 1 + 5 + 1 + 1)
    assert lines[6].split()[0] == lines[22].split()[0] == "..."
    assert (lines[12], lines[-1]) == ("100 bins", "500 groups")
    assert lines[-2].startswith("all")
    assert all(line == line.rstrip() for line in lines)
    assert "..." not in repr(fl.calibration(Y, P, bins=60))


def test_groups_of_several_keys_and_one_that_is_called_all():
    days = np.where(np.arange(1000) % 7 < 5, "all", "weekend")
    found = fl.calibration(Y, P, by={"region": GROUPS, "day": days})
    lines = repr(found).splitlines()[-7:]
    assert lines[0].split()[:3] == ["north", "all", str(found.groups["north", "all"].count.sum())]
    assert lines[-1].split()[:2] == ["(all)", "1000"]


FRAMES = {
    "pandas": lambda data: pytest.importorskip("pandas").DataFrame(data),
    "Arrow": lambda data: pytest.importorskip("pyarrow").table(data),
    "a reader": lambda data: pytest.importorskip("pyarrow").table(data).to_reader(
        max_chunksize=10
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("by", ["region", ["region", "shop"]], ids=str)
def test_columns_of_frames(kind, by):
    data = {"y": Y, "p": P, "w": W, "region": GROUPS, "shop": np.arange(1000) % 3}
    frame = FRAMES[kind](data)
    found = fl.calibration(frame, y_true="y", y_pred="p", sample_weight="w", by=by, bins=4)
    groups = data[by] if isinstance(by, str) else {name: data[name] for name in by}
    expected = fl.calibration(Y, P, sample_weight=W, by=groups, bins=4)
    assert repr(found) == repr(expected)
    assert [*found.groups] == [*expected.groups]


def test_mistakes_with_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"y": Y, "p": P})
    for data, names, error, words in [
        ((frame,), {"y_true": "y"}, TypeError, "got no y_pred"),
        ((frame, "p"), {"y_true": "y"}, TypeError, "too many arguments"),
        ((frame,), {"y_true": "y", "y_pred": "q"}, ValueError, "no column 'q'"),
        ((frame[:0],), {"y_true": "y", "y_pred": "p"}, ValueError, "nothing"),
        ((Y,), {}, TypeError, "got no y_pred"),
    ]:
        with pytest.raises(error, match=words):
            fl.calibration(*data, **names)


def test_html_is_escaped():
    found = fl.calibration([0, 1], [0.2, 0.9], by=["<b>", "&"])
    shown = found._repr_html_()
    assert "&lt;b&gt;" in shown and "<b>" not in shown
    assert shown.count("<table>") == 2 and f"ece {found.ece:.6g}" in shown


def test_pickles():
    found = fl.calibration(Y, P, by=GROUPS)
    assert repr(pickle.loads(pickle.dumps(found))) == repr(found)


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "words"),
    [
        (([0, 2], [0.5, 0.5]), {}, fl.DomainError, r"y_true\[1\] = 2.0 is not in \[0, 1\]"),
        (([0, 1], [0.5, 1.5]), {}, fl.DomainError, r"y_pred\[1\] = 1.5 is not in \[0, 1\]"),
        (([0, 1], [0.5]), {}, ValueError, "same shape"),
        (([0, 1], [[0.5, 0.5]]), {}, ValueError, r"y_pred must have one axis; got shape \(1, 2\)"),
        (([], []), {}, ValueError, "no sample of non-zero weight"),
        (([0, 1], ["a", "b"]), {}, TypeError, "y_pred must hold"),
        (([0, 1], [0.5, 0.5]), {"bins": 0}, ValueError, "bins must be in"),
        (([0, 1], [0.5, 0.5]), {"bins": 2.5}, TypeError, "bins must be an integer"),
        (([0, 1], [0.5, 0.5]), {"bins": [0.1, 1]}, ValueError, "edges that rise from 0 to 1"),
        (([0, 1], [0.5, 0.5]), {"bins": [0, 0.5, 0.5, 1]}, ValueError, "edges that rise"),
        (([0, 1], [0.5, 0.5]), {"bins": [1]}, ValueError, "edges that rise"),
        (([0, 1], [0.5, 0.5]), {"strategy": "equal"}, ValueError, "strategy must be"),
        (([0, 1], [0.5, 0.5]), {"level": 1}, ValueError, r"level must be in \(0, 1\)"),
        (([0, 1], [0.5, 0.5]), {"nan_policy": "propagate"}, ValueError, "NaN is in no bin"),
        (([0, 1], [0.5, 0.5]), {"sample_weight": [1, -1]}, ValueError, r"sample_weight\[1\] = -1"),
        (([0, 1], [0.5, 0.5]), {"sample_weight": [1, math.inf]}, fl.DomainError, "sample_weight"),
        (([0, 1], [0.5, 0.5]), {"sample_weight": [0, 0]}, ValueError, "non-zero weight"),
        (([0, 1], [0.5, 0.5]), {"sample_weight": [1]}, ValueError, "sample_weight"),
        (([0, 1], [0.5, 0.5]), {"by": ["a"]}, ValueError, "groups must have y_true's shape"),
    ],
)
def test_errors(arguments, keywords, error, words):
    with pytest.raises(error, match=words):
        fl.calibration(*arguments, **keywords)


def test_a_frame_of_several_keys():
    rng = np.random.default_rng(0)
    p = rng.random(200)
    y = rng.random(200) < p
    keys = [rng.integers(0, 2, 200), rng.choice(["a", "b"], 200)]
    frame = fl.calibration(y, p, by=keys, bins=2).to_pandas()
    assert frame.index.names[:2] == ["key 1", "key 2"]
    assert frame["count"].sum() == 200 and len(frame) == 8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("level", [1 - 2**-53, 1e-300])
def test_a_level_next_to_an_end_of_its_range(level):
    found = fl.calibration([0, 1, 1], [0.2, 0.4, 0.9], bins=1, level=level)
    (low, high), outcome = found.interval[0], found.outcome[0]
    assert 0 <= low <= outcome <= high <= 1
    assert (high - low > 0.9) == (level > 0.5)
