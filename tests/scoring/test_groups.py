"""Groups of every kind: their labels, their order, and what is missing."""

import datetime as dt
import itertools
import pickle
import subprocess
import sys
import zoneinfo
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import fastloss as fl
from fastloss.scoring.groups import (
    MISSING,
    Found,
    Groups,
    Level,
    Moment,
    Numeral,
    Span,
    codes_of,
)


def found(groups, n=None):
    """The rows of each group."""
    labels, codes = codes_of(groups, (len(groups) if n is None else n,))
    assert len(set(labels)) == len(labels)
    return {label: np.flatnonzero(codes == i).tolist() for i, label in enumerate(labels)}


LABELS = np.array([3, 0, 3, 7, 0, 3])
GROUPS = {
    "int64": LABELS,
    "int8": LABELS.astype(np.int8),
    "negative": LABELS - 5,
    "uint64": LABELS.astype(np.uint64) + np.uint64(2**64 - 8),
    "far apart": LABELS * 2**60,
    "the ends of int64": np.where(LABELS == 0, -(2**63), np.where(LABELS == 3, 0, 2**63 - 1)),
    "bool": LABELS > 0,
    "strings": np.array(["d", "a", "d", "h", "a", "d"]),
    "objects": np.array(["d", "a", "d", "h", "a", "d"], object),
    "StringDType": np.array(["d", "a", "d", "h", "a", "d"], np.dtypes.StringDType()),
    "list of strings": ["d", "a", "d", "h", "a", "d"],
    "list of integers": LABELS.tolist(),
    "bytes": np.array([b"d", b"a", b"d", b"h", b"a", b"d"]),
    "Series": pd.Series(["d", "a", "d", "h", "a", "d"], index=range(6, 0, -1)),
    "Categorical": pd.Categorical(["d", "a", "d", "h", "a", "d"]),
    "categories": pd.Series(["d", "a", "d", "h", "a", "d"], dtype="category"),
    "ordered": pd.Categorical(list("dadhad"), categories=list("adhz"), ordered=True),
    "CategoricalIndex": pd.CategoricalIndex(list("dadhad")),
    "integer categories": pd.Categorical(LABELS),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_groups_of_every_kind(kind):
    groups = GROUPS[kind]
    y, z = np.zeros(6), np.arange(6.0)
    scores = fl.score(y, z, ["mae"], groups=groups)
    labels = list(groups.tolist() if isinstance(groups, np.ndarray) else groups)
    expected = {
        label: np.mean([z[i] for i in range(6) if labels[i] == label]) for label in set(labels)
    }
    assert scores.groups == tuple(sorted(expected))
    got = dict(zip(scores.groups, scores.group_values[:, 0], strict=True))
    assert got == pytest.approx(expected)
    assert scores.group_counts.tolist() == [labels.count(label) for label in scores.groups]


def test_groups_may_have_the_shape_of_the_array():
    y, z = np.random.default_rng(0).normal(size=(2, 600))
    groups = np.arange(600) * 7 % 4
    flat = fl.score(y, z, ["mse", "mae"], groups=groups)
    shaped = fl.score(
        y.reshape(20, 30), z.reshape(20, 30), ["mse", "mae"], groups=groups.reshape(20, 30)
    )
    np.testing.assert_array_equal(flat.group_values, shaped.group_values)
    np.testing.assert_array_equal(flat.values, shaped.values)


@pytest.mark.parametrize("empty", [[], np.array([], int), np.array([], str), pd.Categorical([])],
                         ids=["list", "integers", "strings", "Categorical"])  # fmt: skip
def test_a_part_without_rows_has_no_groups(empty):
    # a crash would take this process with it
    code = "import sys, pickle, fastloss as fl\ngroups = pickle.load(sys.stdin.buffer)\n"
    code += "fl.Scorer('mse').update([], [], groups=groups)"
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(empty), check=True, timeout=60)


def test_as_many_groups_as_rows():
    y, z = np.random.default_rng(0).normal(size=(2, 50_000))
    scores = fl.score(y, z, ["mae"], groups=np.arange(50_000))
    np.testing.assert_allclose(scores.group_values[:, 0], abs(y - z), rtol=1e-15)
    np.testing.assert_array_equal(scores.group_counts, 1)


def test_groups_are_measured_by_the_array_not_by_what_it_says_of_itself():
    class Liar:
        shape = (4,)

        def __array__(self, dtype=None, copy=None):
            return np.zeros(300_000)

    with pytest.raises(ValueError, match="groups"):
        fl.score(Liar(), np.zeros(300_000), ["mse"], groups=np.array([0, 1, 0, 1]))


MIXED_GAPS = {
    "objects": ["a", None, float("nan"), pd.NA, pd.NaT, "a"],
    "an array of objects": np.array(["a", None, np.nan, pd.NA, pd.NaT, "a"], object),
    "pandas texts": pd.Series(["a", None, None, None, None, "a"]),
    "texts of Python": pd.array(["a", *[None] * 4, "a"], pd.StringDtype("python")),
    "categories": pd.Categorical(["a", *[None] * 4, "a"]),
}


@pytest.mark.parametrize("kind", MIXED_GAPS)
def test_what_is_missing_is_one_group(kind):
    assert found(MIXED_GAPS[kind]) == {"a": [0, 5], MISSING: [1, 2, 3, 4]}


DAY = dt.date(2026, 1, 31)
START = dt.datetime(2026, 1, 31)
NANO = "1970-01-01T00:00:00.000000001"  # too fine for a datetime
MOMENT = dt.datetime(2026, 1, 31, 12, 30)
ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
KINDS = {  # groups of three rows, and the labels of the three in order of the rows
    "floats": (np.array([2.5, np.nan, 1.0]), [2.5, MISSING, 1]),
    "whole floats": (np.array([10.0, 9.0, -0.0], np.float32), [10, 9, 0]),
    "large floats": ([1e300, np.inf, -np.inf], [1e300, np.inf, -np.inf]),
    "float16": (np.array([2.5, 65504, 1], np.float16), [2.5, 65504, 1]),
    "numbers and texts": ([1, "1", 1.5], [1, "1", 1.5]),
    "object integers": (np.array([3, 1, 2], object), [3, 1, 2]),
    "integers beyond 64 bits": ([2**70, 1, -(2**70)], [2**70, 1, -(2**70)]),
    "Decimals": ([Decimal("1.50"), Decimal("NaN"), Decimal("2")], [1.5, MISSING, 2]),
    "long integers as Decimals": (
        [Decimal(2**53), Decimal(2**53 + 1), Decimal(-(10**30))],
        [2**53, 2**53 + 1, -(10**30)],
    ),
    "Decimals longer than floats": (
        [Decimal(2**53) + Decimal("0.5"), Decimal(2**53) + Decimal("0.25"), Decimal("0.1")],
        [Decimal("9007199254740992.5"), Decimal("9007199254740992.25"), 0.1],
    ),
    "Decimals beyond floats": (
        [Decimal("1e999999"), Decimal("2e999999"), Decimal("-Infinity")],
        [Decimal("1e999999"), Decimal("2e999999"), -np.inf],
    ),
    "NumPy's numbers": ([np.int8(3), np.float32(0.5), np.bool_(True)], [3, 0.5, True]),
    "bools with gaps": (pd.Series([True, None, False], dtype="boolean"), [True, MISSING, False]),
    "large integers with gaps": (
        pd.Series([2**60 + 1, None, 2**60], dtype="Int64"),
        [2**60 + 1, MISSING, 2**60],
    ),
    "dates": ([DAY, None, dt.date(2025, 1, 1)], [DAY, MISSING, dt.date(2025, 1, 1)]),
    "days": (np.array([DAY, "NaT", "2025-01-01"], "M8[D]"), [DAY, MISSING, dt.date(2025, 1, 1)]),
    "big-endian times": (np.array([MOMENT, "NaT", DAY], ">M8[s]"), [MOMENT, MISSING, START]),
    "pandas times": (pd.Series([MOMENT, None, START]), [MOMENT, MISSING, START]),
    "times in a zone": (
        pd.Series([MOMENT, None, START]).dt.tz_localize("Europe/Berlin"),
        [MOMENT.replace(tzinfo=ZONE), MISSING, START.replace(tzinfo=ZONE)],
    ),
    "Timestamps": ([pd.Timestamp(MOMENT), pd.NaT, pd.Timestamp(START)], [MOMENT, MISSING, START]),
    "durations": (
        np.array([90, 0, 3600], "m8[s]"),
        [dt.timedelta(minutes=1.5), dt.timedelta(), dt.timedelta(hours=1)],
    ),
    "pandas durations": (
        pd.to_timedelta(["90s", None, "1h"]),
        [dt.timedelta(minutes=1.5), MISSING, dt.timedelta(hours=1)],
    ),
    "clocks": ([dt.time(9), dt.time(8, 30), None], ["09:00:00", "08:30:00", MISSING]),
    "nanoseconds": (
        np.array([1, 2000, 1], "M8[ns]"),
        [NANO, dt.datetime(1970, 1, 1, 0, 0, 0, 2), NANO],
    ),
    "years far off": (
        np.array([20_000, 30_000, 0], "M8[Y]"),
        ["21970", "31970", dt.date(1970, 1, 1)],
    ),
    "periods": (
        pd.Series(pd.PeriodIndex(["2026-02", None, "2025-12"], freq="M")),
        ["2026-02", MISSING, "2025-12"],
    ),
    "intervals": (
        pd.Series(pd.arrays.IntervalArray.from_tuples([(10, 15), (0, 5), (5, 10)])),
        ["(10, 15]", "(0, 5]", "(5, 10]"],
    ),
    "tuples": ([("a", 1), ("b", None), ("a", 1)], [("a", 1), ("b", MISSING), ("a", 1)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_plain_values(kind):
    groups, labels = KINDS[kind]
    assert found(groups) == {x: [i for i in range(3) if labels[i] == x] for x in labels}
    types = {
        type(label) for label in fl.score(np.zeros(3), np.zeros(3), "mae", groups=groups).groups
    }
    times = {dt.date, dt.datetime, dt.timedelta, Moment, Span}
    assert types <= {str, int, float, bool, Decimal, *times, Level, tuple}


WESTERN = dt.timezone(dt.timedelta(hours=-5))
ORDERS = {
    "numbers, texts": ([10, 9, "b", None, "a", 2.5], [2.5, 9, 10, "a", "b", MISSING]),
    "bins": (pd.cut([12, 7, 1, 99], [0, 5, 10, 15]), ["(0, 5]", "(5, 10]", "(10, 15]", MISSING]),
    "a column of bins": (pd.Series(pd.cut([12, 7], [0, 5, 10, 15])), ["(5, 10]", "(10, 15]"]),
    "ordered": (
        pd.Categorical(["mid", "low", "high"], ["low", "mid", "high"], ordered=True),
        ["low", "mid", "high"],
    ),
    "not ordered": (pd.Categorical(["b", "a"], ["b", "a"]), ["a", "b"]),
    "ordered numbers": (pd.Categorical([10, 9], [9, 10], ordered=True), [9, 10]),
    "numbers in another order": (pd.Categorical([9, 10], [10, 9], ordered=True), ["10", "9"]),
    "periods": (
        pd.PeriodIndex(["2026-10", "2026-9", "2025-12"], freq="M"),
        ["2025-12", "2026-09", "2026-10"],
    ),
    "dates and times": ([MOMENT, DAY, dt.date(2025, 5, 1)], [dt.date(2025, 5, 1), DAY, MOMENT]),
    "zones": (
        [START.replace(tzinfo=WESTERN), MOMENT, START.replace(tzinfo=ZONE)],
        [START.replace(tzinfo=ZONE), START.replace(tzinfo=WESTERN), MOMENT],
    ),
    "the last moment there is": (
        [dt.datetime.max.replace(tzinfo=WESTERN), dt.datetime.max],
        [dt.datetime.max, dt.datetime.max.replace(tzinfo=WESTERN)],
    ),
    "durations": ([dt.timedelta(hours=10), dt.timedelta(hours=9)], None),
    "nanoseconds among microseconds": (
        np.array([NANO, "1970-01-01", "1960-01-01", "1960-01-01T00:00:00.000000001"], "M8[ns]"),
        [
            dt.datetime(1960, 1, 1),
            "1960-01-01T00:00:00.000000001",
            dt.datetime(1970, 1, 1),
            NANO,
        ],
    ),
    "years before the first and after the last": (
        np.array(["1900", "12000", "-0044", "9999", "0001"], "M8[Y]"),
        ["-044", dt.date(1, 1, 1), dt.date(1900, 1, 1), dt.date(9999, 1, 1), "12000"],
    ),
    "centuries of seconds": (
        np.array(["1900-01-01", "12000-02-03T04:05:06", "-0044-03-15"], "M8[s]"),
        ["-044-03-15T00:00:00", dt.datetime(1900, 1, 1), "12000-02-03T04:05:06"],
    ),
    "durations of every length": (
        np.array([10**18, 0, -(10**18), 10**9, -(10**9)], "m8[s]"),
        [
            "-1000000000000000000 seconds",
            dt.timedelta(seconds=-(10**9)),
            dt.timedelta(),
            dt.timedelta(seconds=10**9),
            "1000000000000000000 seconds",
        ],
    ),
    "two keys": (
        {"a": ["x", "x", "w"], "b": [10, 9, None]},
        [("w", MISSING), ("x", 9), ("x", 10)],
    ),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_groups_are_in_their_natural_order(kind):
    groups, order = ORDERS[kind]
    y = np.zeros(len(groups["a"] if isinstance(groups, dict) else groups))
    order = [dt.timedelta(hours=9), dt.timedelta(hours=10)] if order is None else order
    assert list(fl.score(y, y, "mae", groups=groups).groups) == order


def test_ranks_stay_with_levels():
    level = pickle.loads(pickle.dumps(Level("low", 2)))
    assert (level, level.rank, hash(level)) == ("low", 2, hash("low"))
    scorer = fl.Scorer("mae")
    for part in (["mid"], ["high", "low"]):
        groups = pd.Categorical(part, ["low", "mid", "high"], ordered=True)
        scorer.update(np.zeros(len(part)), np.zeros(len(part)), groups=groups)
    assert scorer.result().groups == ("low", "mid", "high")


@pytest.mark.parametrize("unit", ["D", "h", "m", "s", "ms", "us", "ns", "ps", "as"])
@pytest.mark.parametrize("kind", ["m8", "M8"])
def test_times_of_every_length_are_told_apart_and_in_order(kind, unit):
    numbers = np.array([-(2**62), -(2**58), -(10**13), -1, 0, 1, 10**13, 2**58, 2**62])
    shuffled = np.random.default_rng(0).permutation(len(numbers))
    groups = numbers[shuffled].view(f"{kind}[{unit}]")
    scorer = fl.Scorer("mae")
    scorer.update(np.zeros(9), numbers[shuffled], groups=groups)
    scores = scorer.result()
    assert scores.group_counts.tolist() == [1] * 9
    np.testing.assert_array_equal(scores.group_values[:, 0], np.abs(numbers.astype(float)))
    again = fl.Scorer.from_bytes(scorer.to_bytes())
    assert again.result().groups == scores.groups and again.to_bytes() == scorer.to_bytes()


def test_years_and_months_far_off_are_in_order():
    months = np.array([-(10**9), -30_000, -1, 0, 100_000, 10**9])
    numbers = np.concatenate([12 * months, months])
    for groups in (months.view("M8[Y]"), months.view("M8[M]"), numbers.view("M8[M]")):
        scores = fl.score(np.zeros(len(groups)), groups.view(int), "mean_pred", groups=groups)
        np.testing.assert_array_equal(scores.group_values[:, 0], np.unique(groups.view(int)))


AUTUMN = [1698539400, 1698543000, 1698546600]  # at 2:30 in Berlin, an hour later, and at 3:30


def autumn(kind):
    moments = [dt.datetime.fromtimestamp(second, ZONE) for second in AUTUMN]
    if kind == "datetimes":
        return moments
    if kind == "Timestamps":
        return list(pd.to_datetime(AUTUMN, unit="s", utc=True).tz_convert("Europe/Berlin"))
    if kind == "tuples":
        return [(moment,) for moment in moments]
    if kind == "pandas":
        return pd.Series(pd.to_datetime(AUTUMN, unit="s", utc=True)).dt.tz_convert("Europe/Berlin")
    pa = pytest.importorskip("pyarrow", reason="its times have zones too; CI installs it")
    times = pa.array(AUTUMN, pa.timestamp("s", "Europe/Berlin"))
    if kind == "polars":
        pl = pytest.importorskip("polars", reason="its times have zones too; CI installs it")
        return pl.from_arrow(times.cast(pa.timestamp("us", "Europe/Berlin")))
    return times.dictionary_encode() if kind == "dictionary" else times


@pytest.mark.parametrize(
    "kind", ["datetimes", "Timestamps", "tuples", "pandas", "Arrow", "dictionary", "polars"]
)
def test_the_two_hours_in_which_clocks_are_set_back_are_two_groups(kind):
    y, p, groups = np.zeros(3), np.array([1.0, 2.0, 3.0]), autumn(kind)
    scorer = fl.Scorer("mae")
    scorer.update(y, p, groups=groups)
    merged = fl.Scorer("mae")
    for i in range(3):
        part = fl.Scorer("mae")
        part.update(y[i:][:1], p[i:][:1], groups=groups[i : i + 1])
        merged.merge(fl.Scorer.from_bytes(part.to_bytes()) if i else part)
    assert merged.to_bytes() == scorer.to_bytes()
    scores = scorer.result()
    assert (scores.count, scores["mae"], scores.group_values[:, 0].tolist()) == (3, 2.0, [1, 2, 3])
    labels = [label[0] if kind == "tuples" else label for label in scores.groups]
    assert [label.isoformat() for label in labels] == [
        "2023-10-29T02:30:00+02:00",
        "2023-10-29T02:30:00+01:00",
        "2023-10-29T03:30:00+01:00",
    ]
    compared = fl.compare(y, {"a": p, "b": p + 1}, "mae", by=groups)
    assert compared.labels == scores.groups
    reliable = fl.calibration(np.array([0, 1, 1]), p / 4, bins=1, by=groups)
    assert tuple(reliable.groups) == scores.groups


@pytest.mark.parametrize("kind", ["pandas", "Arrow", "polars"])
def test_so_they_are_in_a_frame(kind):
    groups = autumn(kind)
    data = {"y": [0.0] * 3, "p": [1.0, 2.0, 3.0], "t": groups}
    if kind == "pandas":
        frame = pd.DataFrame(data)
    elif kind == "polars":
        frame = pytest.importorskip("polars", reason="CI installs it").DataFrame(data)
    else:
        frame = pytest.importorskip("pyarrow", reason="CI installs it").table(data)
    scores = fl.score(frame, "mae", y_true="y", y_pred="p", by="t")
    assert scores.groups == fl.score(data["y"], data["p"], "mae", groups=groups).groups
    assert scores.group_counts.tolist() == [1, 1, 1]


def test_numbers_as_they_are_written_sort_as_numbers():
    labels = ["9.50", "10.25", "-3", "9.5"]
    scorer = fl.Scorer("mae")
    groups = Groups(np.arange(6), [*(Numeral(x, float(x)) for x in labels), 10, "a"])
    scorer.update(np.zeros(6), np.zeros(6), groups=groups)
    order = ("-3", "9.5", "9.50", 10, "10.25", "a")
    assert scorer.result().groups == order
    assert fl.Scorer.from_bytes(scorer.to_bytes()).result().groups == order
    assert pickle.loads(pickle.dumps(scorer)).result().groups == order


def ordered(labels, categories):
    return pd.Categorical(labels, categories, ordered=True)


PARTS = {  # of equal labels that are not the same, and all in order
    "ranks": (
        [ordered(["lo", "hi"], ["lo", "hi"]), ordered(["lo", "mid", "hi"], ["lo", "mid", "hi"])],
        ("lo", "mid", "hi"),
    ),
    "texts and levels": (
        [["mid", "x"], ordered(["lo", "mid"], ["lo", "mid"]), ["lo", "hi"]],
        ("lo", "mid", "hi", "x"),
    ),
    "numbers and bools": ([[True], [1], np.array([1.0]), [False, 1]], (0, 1)),
    "large numbers": ([[2**60], np.array([2.0**60]), [0.5]], (0.5, 2**60)),
    "Decimals": (
        [[Decimal("1.50")], [1.5], [Decimal("0." + "1" * 30)], [Decimal("0." + "1" * 30 + "0")]],
        (Decimal("0." + "1" * 30), 1.5),
    ),
    "zones": (
        [
            [dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)],
            [dt.datetime(2026, 1, 1, 7, tzinfo=WESTERN)],
        ],
        (dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC),),
    ),
}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("keys", [1, 2])
def test_bytes_do_not_depend_on_the_order_of_parts(kind, keys):
    parts, order = PARTS[kind]
    found = set()
    for some in itertools.permutations(parts):
        scorers = [fl.Scorer("mae"), fl.Scorer("mae")]
        for place, part in enumerate(some):
            groups = part if keys == 1 else {"a": part, "b": ["x", "y", "z"][: len(part)]}
            scorers[place % 2].update(np.zeros(len(part)), np.ones(len(part)), groups=groups)
        merged = sum(scorers)
        assert (scorers[1] + scorers[0]).to_bytes() == merged.to_bytes()
        assert fl.Scorer.from_bytes(merged.to_bytes()).to_bytes() == merged.to_bytes()
        labels = [label if keys == 1 else label[0] for label in merged.result().groups]
        found.add((merged.to_bytes(), tuple(dict.fromkeys(labels))))
    assert [labels for _, labels in found] == [order]


@pytest.mark.parametrize("items", [
    [True, 1, 1.0, np.int8(1)], [Level("a", 1), "a", Level("a", 2)], [("a", 1), ("a", True)],
], ids=str)  # fmt: skip
def test_nor_do_they_on_the_order_of_rows_or_where_these_are_cut(items):
    found = set()
    for some in itertools.permutations(items):
        whole, cut = fl.Scorer("mae"), fl.Scorer("mae")
        whole.update(np.zeros(len(some)), np.ones(len(some)), groups=list(some))
        for item in some:
            cut.update([0.0], [1.0], groups=[item])
        found |= {whole.to_bytes(), cut.to_bytes()}
    assert len(found) == 1 and len(whole.result().groups) == 1


# ---- several keys ------------------------------------------------------------------------------

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
A, B = ["x", "y", "x", None], [1, 2, 1, 1]
KEYS = {
    "a list": [A, np.array(B)],
    "a tuple": (A, B),
    "a mapping": {"a": A, "b": pd.Series(B)},
    "a frame": pd.DataFrame({"a": A, "b": B}),
    "a frame of one name": pd.DataFrame(zip(A, B, strict=True), columns=["a", "a"]),
    "categories": pd.DataFrame({"a": pd.Categorical(A), "b": pd.Categorical(B)}),
    "an array": np.array([A, B], object).T,
    "a MultiIndex": pd.MultiIndex.from_arrays([A, B]),
    "tuples": list(zip(A, B, strict=True)),
}


@pytest.mark.parametrize("kind", KEYS)
def test_combinations_of_several_keys_are_tuples(kind):
    assert found(KEYS[kind], 4) == {("x", 1): [0, 2], ("y", 2): [1], (MISSING, 1): [3]}


def test_one_key_in_a_frame_is_no_tuple():
    for one in (pd.DataFrame({"a": A}), {"a": A}, [A]):
        assert found(one, 4) == found(A)


def test_many_keys_of_many_values_do_not_overflow():
    n, rng = 3000, np.random.default_rng(0)
    keys = [rng.integers(0, 2000, n) for _ in range(12)]
    twice = [np.concatenate([key, key]) for key in keys]
    labels = set(zip(*(key.tolist() for key in keys), strict=True))
    scores = fl.score(np.zeros(2 * n), np.zeros(2 * n), "mae", groups=twice)
    assert set(scores.groups) == labels and len(labels) == n
    assert (scores.group_counts == 2).all()


@pytest.mark.parametrize("nested", [list, tuple, np.array])
def test_keys_of_arrays_of_two_axes(nested):
    y = np.zeros((2, 3))
    a = nested([[1, 1, 2], [2, 1, 2]])
    assert fl.score(y, y, "mae", groups=a).groups == (1, 2)
    both = fl.score(y, y, "mae", groups=[np.array(a), np.array([["u", "v", "u"]] * 2)])
    assert both.groups == ((1, "u"), (1, "v"), (2, "u"))


# ---- Arrow -------------------------------------------------------------------------------------


def arrow(kind):
    pa = pytest.importorskip("pyarrow", reason="its arrays are groups too; CI installs it")
    return {
        "texts": (pa.array(["b", None, "a"]), ["b", MISSING, "a"]),
        "views": (pa.array(["b", None, "a"], pa.string_view()), ["b", MISSING, "a"]),
        "integers": (pa.array([2**60 + 1, None, 2**60]), [2**60 + 1, MISSING, 2**60]),
        "floats": (pa.array([1.0, None, 2.5]), [1, MISSING, 2.5]),
        "bools": (pa.array([True, None, False]), [True, MISSING, False]),
        "nothing": (pa.nulls(3), [MISSING] * 3),
        "decimals": (pa.array([Decimal("1.50"), None, Decimal("2.00")]), [1.5, MISSING, 2]),
        "long decimals": (
            pa.array([Decimal(10**17), None, Decimal(10**17 + 1)], pa.decimal128(20, 0)),
            [10**17, MISSING, 10**17 + 1],
        ),
        "a full dictionary with gaps": (
            pa.DictionaryArray.from_arrays(
                pa.array([0, 127, None], pa.int8()), pa.array([f"x{i}" for i in range(128)])
            ),
            ["x0", "x127", MISSING],
        ),
        "a full dictionary of unsigned indices": (
            pa.DictionaryArray.from_arrays(
                pa.array([0, 255, None], pa.uint8()), pa.array([f"x{i}" for i in range(256)])
            ),
            ["x0", "x255", MISSING],
        ),
        "days": (pa.array([DAY, None, DAY]), [DAY, MISSING, DAY]),
        "milliseconds of days": (pa.array([DAY, None, DAY], pa.date64()), [DAY, MISSING, DAY]),
        "nanoseconds": (
            pa.array([1, None, 2000], pa.timestamp("ns")),
            [NANO, MISSING, dt.datetime(1970, 1, 1, 0, 0, 0, 2)],
        ),
        "a zone": (
            pa.array([0, None, 0], pa.timestamp("s", "+05:30")),
            [EPOCH, MISSING, EPOCH],
        ),
        "durations": (
            pa.array([1, None, 2], pa.duration("s")),
            [dt.timedelta(seconds=1), MISSING, dt.timedelta(seconds=2)],
        ),
        "clocks": (pa.array([dt.time(9), None, dt.time(8)]), ["09:00:00", MISSING, "08:00:00"]),
        "bytes": (pa.array([b"b", None, b"a"]), [b"b", MISSING, b"a"]),
        "dictionaries": (
            pa.chunked_array([
                pa.array(["b", None]).dictionary_encode(),
                pa.array(["a", "b"]).dictionary_encode().slice(0, 1),
            ]),
            ["b", MISSING, "a"],
        ),
        "a dictionary with gaps and repetitions": (
            pa.DictionaryArray.from_arrays([0, 1, 2], pa.array(["b", None, "b"])),
            ["b", MISSING, "b"],
        ),
        "records": (
            pa.array([{"a": "x", "b": 1}, {"a": None, "b": 2}, {"a": "x", "b": 1}]),
            [("x", 1), (MISSING, 2), ("x", 1)],
        ),
        "a table": (
            pa.table({"a": ["x", None, "x"], "b": [1, 2, 1]}),
            [("x", 1), (MISSING, 2), ("x", 1)],
        ),
        "pandas": (
            pd.Series(["b", None, "a"], dtype=pd.ArrowDtype(pa.string())),
            ["b", MISSING, "a"],
        ),
        "no chunks": (pa.chunked_array([], pa.dictionary(pa.int8(), pa.string())), []),
    }[kind]  # fmt: skip


@pytest.mark.parametrize("kind", [
    "texts", "views", "integers", "floats", "bools", "nothing", "decimals", "days",
    "milliseconds of days", "nanoseconds", "a zone", "durations", "clocks", "bytes", "dictionaries",
    "long decimals", "a full dictionary with gaps", "a full dictionary of unsigned indices",
    "a dictionary with gaps and repetitions", "records", "a table", "pandas", "no chunks",
])  # fmt: skip
def test_groups_in_arrays_of_arrow(kind):
    groups, labels = arrow(kind)
    n = len(labels)
    assert found(groups, n) == {x: [i for i in range(n) if labels[i] == x] for x in labels}


SERIES = {
    "strings": lambda pl: pl.Series(["b", "a", "b"]),
    "categories": lambda pl: pl.Series(["b", "a", "b"], dtype=pl.Categorical),
    "an enumeration": lambda pl: pl.Series(["b", "a", "b"], dtype=pl.Enum(["b", "a"])),
    "integers": lambda pl: pl.Series([7, 3, 7], dtype=pl.Int8),
    "unsigned integers": lambda pl: pl.Series([7, 3, 7], dtype=pl.UInt64),
    "booleans": lambda pl: pl.Series([True, False, True]),
    "dates": lambda pl: pl.Series([dt.date(2026, 2, 1), dt.date(2026, 1, 1), dt.date(2026, 2, 1)]),
    "times": lambda pl: pl.Series([MOMENT, START, MOMENT]),
    "durations": lambda pl: pl.Series([MOMENT - START, START - START, MOMENT - START]),
    "objects": lambda pl: pl.Series(["b", 1, "b"], dtype=pl.Object),
    "decimals": lambda pl: pl.Series([Decimal("1.5"), Decimal("2.5"), Decimal("1.5")]),
}


@pytest.mark.parametrize("kind", SERIES)
def test_groups_in_a_series_of_polars(kind):
    pl = pytest.importorskip("polars", reason="its columns are groups too; CI installs it")
    groups = SERIES[kind](pl)
    scores = fl.score([0.0, 0.0, 0.0], [1.0, 2.0, 5.0], "mae", groups=groups)
    assert dict(zip(scores.groups, scores.group_values[:, 0], strict=True)) == {
        groups[0]: 3.0,
        groups[1]: 2.0,
    }


@pytest.mark.filterwarnings("ignore:`cut` is deprecated")
def test_bins_and_enumerations_of_polars_have_an_order():
    pl = pytest.importorskip("polars", reason="its columns are groups too; CI installs it")
    y = np.zeros(4)
    bins = pl.Series([12.0, None, 1.0, 7.0]).cut([5, 10])
    order = ("(-inf, 5]", "(5, 10]", "(10, inf]", MISSING)
    assert fl.score(y, y, "mae", groups=bins).groups == order
    sizes = pl.Series(["small", "large", None, "large"], dtype=pl.Enum(["small", "large"]))
    assert fl.score(y, y, "mae", groups=sizes).groups == ("small", "large", MISSING)
    frame = pl.DataFrame({"size": sizes, "n": [2, 10, 2, 9]})
    order = (("small", 2), ("large", 9), ("large", 10), (MISSING, 2))
    for groups in (frame, frame.to_struct("both")):
        assert fl.score(y, y, "mae", groups=groups).groups == order


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "error", "text"), [
    ([1j, 2], TypeError, "groups must hold numbers, texts, .*; got a complex"),
    (np.array([1j, 2]), TypeError, "got dtype complex128"),
    ([{}, "a"], TypeError, "got a dict"),
    ([object(), "a"], TypeError, "got a object"),
    ([np.ma.masked, "a"], TypeError, "got a MaskedConstant"),
    ({1, 2}, TypeError, "got a set"),
    (np.ma.masked_array([1, 2], [0, 1]), TypeError, "groups is a masked array"),
    ([np.ma.masked_array([1, 2]), [1, 2]], TypeError, r"groups\[0\] is a masked array"),
    ("ab", ValueError, r"groups must have y_true's shape \(2,\); got \(\)"),
    (np.array([1, 2, 3]), ValueError, r"got \(3,\)"),
    ([["a"], ["b"]], ValueError, r"groups\[0\] must have y_true's shape \(2,\); got \(1,\)"),
    ({"k": [1, 2], "l": [1]}, ValueError, r"groups\['l'\] must have"),
    ({}, ValueError, "groups has no columns"),
    (pd.DataFrame(index=[0, 1]), ValueError, "groups has no columns"),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_what_is_no_label_is_named(groups, error, text):
    with pytest.raises(error, match=text):
        fl.score([1.0, 2.0], [1.0, 2.0], ["mse"], groups=groups)


@pytest.mark.parametrize("others", [
    ["a", "b"], [["a", "b"], [1, 2], ["x", "y"]], [("a", 1), None], [("a", 1), ("a", 1, 2)],
], ids=str)  # fmt: skip
@pytest.mark.parametrize("clustered", [False, True])
def test_all_parts_have_as_many_keys(others, clustered):
    cluster = {"cluster": [0, 1]} if clustered else {}
    scorer = fl.Scorer("mae", stderr=True, clustered=clustered)
    scorer.update([0.0, 0.0], [1.0, 2.0], groups={"k": ["a", "b"], "l": [1, 2]}, **cluster)
    before = scorer.to_bytes()
    another = fl.Scorer("mae", stderr=True, clustered=clustered)
    with pytest.raises(ValueError, match="all groups must be of as many keys; got "):
        scorer.update([0.0, 0.0], [1.0, 2.0], groups=others, **cluster)
    assert scorer.to_bytes() == before and repr(scorer.result())
    with pytest.raises(ValueError, match="all groups must be of as many keys; got "):
        another.update([0.0, 0.0], [1.0, 2.0], groups=others, **cluster)
        another.merge(scorer)


def test_codes_that_are_no_category_raise():
    with pytest.raises(ValueError, match="groups has code 2, but 2 categories"):
        fl.score([1.0], [1.0], "mse", groups=Groups(np.array([2]), ["a", "b"]))


def test_labels_that_occur_late_or_never():
    rows = np.r_[np.zeros(5000, int), 3, np.full(5000, 1)]
    labels, codes = codes_of(Groups(rows, ["a", "b", "never", "late"]), rows.shape)
    assert labels == ["a", "b", "late"]
    assert np.array(labels)[codes].tolist() == np.array(["a", "b", "", "late"])[rows].tolist()


def test_groups_are_found_once():
    columns = {"g": np.array(["x", "y", "x"]), "h": np.array([1, 1, 2])}
    once = Found.of(columns, (3,))
    assert once.names == ("g", "h")
    labels, codes = codes_of(once, (3,))
    assert (labels, codes.tolist()) == (list(once.categories), once.codes.tolist())
    assert codes is once.codes
    with pytest.raises(ValueError, match="shape"):
        codes_of(once, (4,))
