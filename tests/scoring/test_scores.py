"""Scores: found by loss and group, with errors and intervals, as tables and frames."""

import html.parser
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import fastloss as fl
from fastloss.scoring.shown import shown_text, shown_value

MAE, HUBER = fl.AbsoluteError(), fl.Huber(delta=0.5)


@pytest.fixture
def scores():
    return fl.score(
        [1, 0, 1], [0.9, 0.2, 0.6], ["brier", fl.Huber(delta=0.5)],
        sample_weight=[1, 1, 2], groups=["b", "a", "b"],
    )  # fmt: skip


def made(groups=None, keys=(), losses=(MAE, HUBER), errors=True):
    """Scores of made-up numbers, all different: the i-th group's are i.25, i.75 and so on."""
    rows = np.arange(len(groups or ()) + 1)
    values = rows[:, None] + np.linspace(0.25, 0.75, len(losses))
    found = {"values": values[-1], "weight": 2.0 * rows[-1], "count": rows[-1]}
    if groups is not None:
        found |= {"groups": groups, "group_values": values[:-1], "keys": keys}
        found |= {"group_weights": 2.0 * rows[:-1], "group_counts": rows[:-1]}
    if errors:
        found["errors"] = values[-1] / 100
        if groups is not None:
            found["group_errors"] = values[:-1] / 100
    return fl.Scores(losses, **found)


# ---- what is found by brackets -----------------------------------------------------------------


def test_values_are_found_by_name_spec_and_loss(scores):
    assert scores.names == ("brier", "huber:delta=0.5")
    for key in ("huber", "huber:delta=0.5", fl.Huber(delta=0.5)):
        assert scores[key] == pytest.approx((0.01 + 0.04 + 2 * 0.16) / 8)
    for key in ("mse", "huber:delta=1.0", fl.Huber(), 0):
        with pytest.raises(KeyError):
            scores[key]
    both = fl.score([1.0], [2.0], [fl.Huber(delta=1), fl.Huber(delta=2)])
    with pytest.raises(KeyError, match="several of the losses"):
        both["huber"]


def test_the_scores_of_a_group(scores):
    b = scores["b"]
    assert isinstance(b, fl.Scores)
    assert (b.groups, b.keys, b.errors, b.names) == (None, (), None, scores.names)
    assert (b.weight, b.count) == (3.0, 2)
    assert b["brier"] == scores.group_values[1, 0] == pytest.approx(0.33 / 3)
    assert b.to_dict() == scores.to_dict()["groups"]["b"]
    assert b.to_pandas().index.tolist() == ["b"]
    assert str(b).splitlines()[1].split()[0] == "b"
    with pytest.raises(KeyError, match="without groups"):
        b.group("b")


LABELS = ["north", 2024, True, 0.5, date(2026, 1, 1), timedelta(hours=1), b"raw", "(missing)"]


@pytest.mark.parametrize("label", LABELS, ids=str)
def test_a_group_is_found_by_its_label(label):
    scores = made(["other", label, "last"])
    for found in (scores[label], scores.group(label)):
        assert (found.count, found["mae"]) == (1, 1.25)
        np.testing.assert_array_equal(found.errors, scores.group_errors[1])
    assert made([("other", label), (label, "other")])[label, "other"].count == 1


def test_integers_of_numpy_find_groups():
    assert made([2023, 2024])[np.int64(2024)].count == 1


def test_a_name_of_a_loss_is_the_loss_and_never_a_group():
    scores = made(["huber", "mae", "mse"])
    assert scores["mae"] == 3.25
    assert scores.group("mae")["mae"] == 1.25
    assert scores["huber"] == 3.75
    assert scores["mse"]["mae"] == 2.25
    twice = made(["huber"], losses=(fl.Huber(delta=1), fl.Huber(delta=2)))
    with pytest.raises(KeyError, match=r"several of the losses .* scores.group\('huber'\) finds"):
        twice["huber"]
    assert twice.group("huber").count == 0


@pytest.mark.parametrize(("groups", "key", "words"), [
    (None, "mea", r"'mea' is none of the losses mae, huber:delta=0.5; did you mean 'mae'\?"),
    (["north"], "nroth", r"and no group; did you mean 'north'\?"),
    (["north"], "xyz", "'xyz' is none of the losses mae, huber:delta=0.5, and no group\""),
    ([2023, 2031], "2023", r"did you mean 2023"),
    ([("n", 1), ("s", 2)], "n", r"groups have 2 keys, as in \('n', 1\)"),
    ([("n", 1), ("s", 2)], ("n", 1, 2), r"groups have 2 keys"),
    ([("north", 1), ("south", 2)], ("nort", 1), r"did you mean \('north', 1\)"),
])  # fmt: skip
def test_what_is_not_found_is_told_with_what_may_be_meant(groups, key, words):
    with pytest.raises(KeyError, match=words):
        made(groups)[key]


def test_group_tells_what_may_be_meant():
    with pytest.raises(KeyError, match=r"'nort' is no group; did you mean 'north'\?"):
        made(["north"]).group("nort")


def test_only_labels_and_losses_are_looked_up(scores):
    for find in (scores.__getitem__, scores.group):
        with pytest.raises(TypeError, match="the label of a group is wanted; got a list"):
            find(["a"])


def test_scores_are_no_sequence_even_if_groups_are_numbered():
    scores = made([0, 1, 2])
    with pytest.raises(TypeError, match="iterable"):
        list(scores)
    with pytest.raises(TypeError, match="iterable"):
        1 in scores  # noqa: B015


# ---- intervals ---------------------------------------------------------------------------------


def test_intervals_are_those_of_a_normal_distribution():
    scores = made(["a", "b"])
    z = 1.959963984540054  # of 95 %
    expected = np.stack([scores.values - z * scores.errors, scores.values + z * scores.errors], 1)
    np.testing.assert_allclose(scores.ci(), expected, rtol=1e-15)
    np.testing.assert_allclose(scores.ci(0.6826894921370859)[:, 1],
                               scores.values + scores.errors, rtol=1e-15)  # fmt: skip
    assert scores.ci().shape == (2, 2)
    assert scores.group_ci().shape == (2, 2, 2)
    np.testing.assert_array_equal(scores.group_ci(0.9)[1], scores["b"].ci(0.9))
    assert made().group_ci().shape == (0, 2, 2)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, np.nan])
def test_the_level_is_a_probability(level):
    for interval in (made(["a"]).ci, made(["a"]).group_ci):
        with pytest.raises(ValueError, match="level must be between 0 and 1; got"):
            interval(level)


def test_without_errors_there_are_no_intervals(scores):
    assert scores.errors is scores.group_errors is None
    for interval in (scores.ci, scores.group_ci):
        with pytest.raises(ValueError, match=r"stderr=True"):
            interval()


# ---- dicts and frames --------------------------------------------------------------------------


def test_to_dict(scores):
    table = scores.to_dict()
    assert list(table) == ["brier", "huber:delta=0.5", "weight", "count", "groups"]
    assert table["brier"] == pytest.approx(0.37 / 4)
    assert table["groups"]["a"] == pytest.approx(
        {"brier": 0.04, "huber:delta=0.5": 0.02, "weight": 1.0, "count": 1}
    )
    assert [type(x) for x in list(table.values())[:4]] == [float, float, float, int]
    assert "groups" not in fl.score([1.0], [2.0], "mse").to_dict()


def test_to_dict_has_errors_by_loss():
    table = made([("n", 1)]).to_dict()
    assert list(table) == ["mae", "huber:delta=0.5", "weight", "count", "stderr", "groups"]
    assert table["stderr"] == {"mae": 0.0125, "huber:delta=0.5": 0.0175}
    assert table["groups"]["n", 1]["stderr"] == {"mae": 0.0025, "huber:delta=0.5": 0.0075}


def test_to_pandas(scores):
    frame = scores.to_pandas()
    assert frame.columns.tolist() == ["brier", "huber:delta=0.5", "weight", "count"]
    assert frame.index.tolist() == ["a", "b", "all"]
    assert frame.loc["all", "weight"] == 4
    assert frame.loc["b", "count"] == 2
    assert frame.dtypes.tolist() == [float, float, float, int]
    assert fl.score([1.0], [2.0], "mse").to_pandas().index.tolist() == ["all"]


def test_to_pandas_with_keys_and_errors():
    frame = made([2024, 2025], ["year"]).to_pandas()
    assert frame.index.name == "year"
    assert frame.index.tolist() == [2024, 2025, "all"]
    assert frame.columns.tolist() == [
        "mae", "mae_stderr", "huber:delta=0.5", "huber:delta=0.5_stderr", "weight", "count"
    ]  # fmt: skip
    assert frame.loc[2025, "mae_stderr"] == 0.0125
    groups = [("north", 2), ("north", 10), ("(missing)", 2)]
    frame = made(groups, ["region", "day"]).to_pandas()
    assert isinstance(frame.index, pd.MultiIndex)
    assert list(frame.index.names) == ["region", "day"]
    assert frame.index.tolist() == [*groups, ("all", "")]
    assert frame.loc[("north", 10), "mae"] == 1.25
    assert frame.loc["north", "mae"].tolist() == [0.25, 1.25]
    assert list(made(groups).to_pandas().index.names) == [None, None]


def test_a_group_named_all_keeps_its_row():
    scores = fl.score([0.0, 0.0], [1.0, 3.0], ["mae"], groups=["all", "b"])
    assert scores.to_pandas()["mae"].to_dict() == {"all": 1.0, "b": 3.0, "(all)": 2.0}
    assert [line.split()[0] for line in str(scores).splitlines()[1:]] == ["all", "b", "(all)"]
    assert scores.to_dict()["mae"] == 2.0 and scores.to_dict()["groups"]["all"]["mae"] == 1.0
    scores = fl.score([0.0, 0.0], [1.0, 3.0], ["mae"], groups=["all", "(all)"])
    assert [line.split()[0] for line in str(scores).splitlines()[1:]] == ["(all)", "all", "((all))"]
    assert made([("all", 1), ("b", 2)]).total_label == "(all)"
    assert made([("all", "")]).to_pandas().index.is_unique


def polars_of(scores):
    pytest.importorskip("polars", reason="Scores.to_polars needs it; CI installs it")
    return scores.to_polars().to_dict(as_series=False)


def arrow_of(scores):
    return scores.to_arrow().to_pydict()


FRAMES = pytest.mark.parametrize("columns_of", [polars_of, arrow_of])


@FRAMES
def test_frames_have_a_row_per_group(columns_of):
    scores = made([("north", 2), ("(missing)", 10)], ["region", "day"])
    assert columns_of(scores) == {
        "region": ["north", None],
        "day": [2, 10],
        "mae": [0.25, 1.25],
        "mae_stderr": [0.0025, 0.0125],
        "huber:delta=0.5": [0.75, 1.75],
        "huber:delta=0.5_stderr": [0.0075, 0.0175],
        "weight": [0.0, 2.0],
        "count": [0, 1],
    }
    assert [*columns_of(made(["a"], errors=False))] == ["group", *scores.names, "weight", "count"]
    assert [*columns_of(made([("a", 1)]))][:3] == ["key 1", "key 2", "mae"]
    assert columns_of(made(losses=[MAE], errors=False)) == {
        "mae": [0.25], "weight": [0.0], "count": [0]
    }  # fmt: skip


class Level(str):
    """A label with an order of its own."""


KEYS = {
    "integers": ([-3, 2, 2**63 - 1], "int64", "Int64"),
    "above int64": ([3, 2**64 - 1], "uint64", "UInt64"),
    "floats": ([0.5, 1.5], "double", "Float64"),
    "bools": ([False, True], "bool", "Boolean"),
    "dates": ([date(2026, 1, 1), date(2026, 2, 1)], "date32[day]", "Date"),
    "datetimes": (
        [datetime(2026, 1, 1, 5)],
        "timestamp[us]",
        "Datetime(time_unit='us', time_zone=None)",
    ),
    "datetimes in UTC": (
        [datetime(2026, 1, 1, 5, tzinfo=UTC)],
        "timestamp[us, tz=UTC]",
        "Datetime(time_unit='us', time_zone='UTC')",
    ),
    "timedeltas": ([timedelta(hours=1)], "duration[us]", "Duration(time_unit='us')"),
    "bytes": ([b"a", b"b"], "binary", "Binary"),
    "decimals": ([Decimal("1.50")], "decimal128(3, 2)", "Decimal(precision=38, scale=2)"),
    "strings": (["a", ""], "string", "String"),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("gap", [False, True])
def test_keys_keep_their_types_in_frames(kind, gap):
    labels, arrow_type, polars_type = KEYS[kind]
    labels = [*labels, *["(missing)"][:gap]]
    wanted = [None if label == "(missing)" else label for label in labels]
    column = made(labels, ["key"]).to_arrow()["key"]
    assert (str(column.type), column.to_pylist()) == (arrow_type, wanted)
    pytest.importorskip("polars", reason="Scores.to_polars needs it; CI installs it")
    column = made(labels, ["key"]).to_polars()["key"]
    assert (str(column.dtype), column.to_list()) == (polars_type, wanted)


@FRAMES
@pytest.mark.parametrize(("labels", "wanted"), [
    ([1, "1"], ["1", "1"]),
    ([1, 0.5], [1.0, 0.5]),
    ([True, 1.5], ["True", "1.5"]),
    ([date(2026, 1, 1), "x"], ["2026-01-01", "x"]),
    ([-1, 2**64 - 1], ["-1", str(2**64 - 1)]),
    ([2**70], [str(2**70)]),
    ([Level("(0, 1]"), "b"], ["(0, 1]", "b"]),
    (["(missing)"], [None]),
])  # fmt: skip
def test_keys_of_several_types_are_text_in_frames(columns_of, labels, wanted):
    found = columns_of(made(labels, ["key"]))["key"]
    assert found == wanted
    assert [*map(type, found)] == [*map(type, wanted)]


def test_labels_with_an_order_of_their_own_are_text_in_pandas():
    assert {*map(type, made([Level("b"), Level("a")]).to_pandas().index)} == {str}


@pytest.mark.parametrize("method", ["to_polars", "to_arrow"])
@pytest.mark.parametrize("key", ["mae", "mae_stderr", "weight", "count"])
def test_keys_may_not_hide_other_columns(key, method):
    pytest.importorskip(method[3:].replace("arrow", "pyarrow"), reason=f"Scores.{method} needs it")
    with pytest.raises(ValueError, match=f"the key '{key}' has the name of a column of scores"):
        getattr(made([1], [key]), method)()


@pytest.mark.parametrize(("method", "library"), [
    ("to_pandas", "pandas"), ("to_polars", "polars"), ("to_arrow", "pyarrow"),
])  # fmt: skip
def test_a_library_that_is_not_there_is_named(method, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    message = f"Scores.{method} needs {library}: pip install {library}"
    with pytest.raises(ImportError, match=message):
        getattr(made(["a"]), method)()


def test_scores_alone_import_no_library():
    code = """if True:
        import sys
        import fastloss as fl
        scores = fl.score([1.0, 2.0], [1.5, 2.0], "mae", groups=["a", "b"])
        repr(scores), scores._repr_html_(), scores.to_dict(), scores["a"]
        assert not {"pandas", "polars", "pyarrow", "scipy.special"} & {*sys.modules}
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- tables ------------------------------------------------------------------------------------


def test_the_repr_is_a_table(scores):
    lines = repr(scores).splitlines()
    assert lines[0].split() == ["brier", "huber:delta=0.5", "weight", "count"]
    assert [line.split()[0] for line in lines[1:]] == ["a", "b", "all"]
    assert lines[-1].split() == ["all", "0.0925", "0.04625", "4", "3"]
    assert str(scores) == f"{scores}" == repr(scores)


def test_a_table_with_keys_and_errors():
    scores = made([("north", 2), ("東京", 10)], ["region", "day"], losses=[MAE])
    assert repr(scores) == "\n".join([
        "region  day              mae  weight  count",
        "north   2    0.2500 ± 0.0025       0      0",
        "東京    10    1.250 ± 0.013        2      1",
        "all           2.250 ± 0.022        4      2",
    ])  # fmt: skip


def test_keys_without_names_are_numbered():
    assert repr(made([("a", 1)])).split()[:5] == ["key", "1", "key", "2", "mae"]
    assert repr(made(["a"])).split()[0] == "mae"
    assert repr(made(["a"], ["region"])).split()[:2] == ["region", "mae"]


@pytest.mark.parametrize(("value", "error", "text"), [
    (0.279776543, None, "0.279777"),
    (0.279776543, 0.00123, "0.2798 ± 0.0012"),
    (0.279776543, 0.000999, "0.2798 ± 0.0010"),
    (-0.5, 0.25, "-0.50 ± 0.25"),
    (0.0, 0.034, "0.000 ± 0.034"),
    (1e-9, 0.034, "0.000 ± 0.034"),
    (31.4159, 2.71, "31.4 ± 2.7"),
    (31.4159, 27.1, "31 ± 27"),
    (31415.9, 271.0, "31420 ± 270"),
    (1.0, 1234.0, "0 ± 1200"),
    (999999.9, 1.0, "999999.9 ± 1.0"),
    (3.2e-9, 1.5e-11, "(3.200 ± 0.015)e-9"),
    (9.96e-10, 1e-12, "(9.960 ± 0.010)e-10"),
    (-1.2345e20, 3.4e17, "(-1.2345 ± 0.0034)e20"),
    (2e300, 1e299, "(2.00 ± 0.10)e300"),
    (5e-324, 5e-324, "(4.9 ± 4.9)e-324"),
    (0.25, 0.0, "0.25 ± 0"),
    (0.1, 1e-17, "0.1 ± 1e-17"),
    (0.25, np.nan, "0.25 ± nan"),
    (0.25, np.inf, "0.25 ± inf"),
    (np.nan, 0.1, "nan ± 0.1"),
    (np.inf, np.nan, "inf ± nan"),
])  # fmt: skip
def test_errors_say_how_many_digits_are_shown(value, error, text):
    assert shown_value(value, error) == text


@pytest.mark.parametrize(("label", "text"), [
    ("a b", "a b"), ("a\nb", r"a\nb"), ("\x1b[31m", r"\x1b[31m"), ("\u202eabc", r"\u202eabc"),
    ("\ud800", r"\ud800"), ("", "''"), (" a", "' a'"), (2024, "2024"),
    (date(2026, 1, 1), "2026-01-01"), ("é東", "é東"), ("x" * 50, "x" * 50),
    ("a" * 30 + "b" * 30, "a" * 24 + "..." + "b" * 23),
], ids=ascii)  # fmt: skip
def test_labels_are_shown_in_one_short_line(label, text):
    assert shown_text(label) == text
    assert len(made([label], errors=False, losses=[MAE]).__repr__().splitlines()) == 3


def test_escapes_count_in_the_length_of_a_label():
    assert shown_text("\0" * 50) == r"\x00" * 6 + "..." + r"x00" + r"\x00" * 5


@pytest.mark.parametrize("label", ["東京", "e\u0301te\u0301", "ａｂ", "été", "abc"])
def test_columns_are_aligned_by_what_labels_take_on_a_screen(label):
    lines = repr(made([label, "a longer label"], losses=[MAE])).splitlines()
    taken = {"東京": 4, "ａｂ": 4}.get(label, 3)
    assert lines[1].index("±") == lines[2].index("±") - taken + len(label)


def test_many_groups_are_cut_short():
    assert "..." not in repr(made([*range(60)]))
    scores = made([(k, f"g{k}") for k in range(20_000)], ["id", "name"], losses=[MAE], errors=False)
    assert repr(scores).splitlines() == [
        "id     name        mae  weight  count",
        "0      g0         0.25       0      0",
        "1      g1         1.25       2      1",
        "2      g2         2.25       4      2",
        "3      g3         3.25       6      3",
        "4      g4         4.25       8      4",
        "...    ...         ...     ...    ...",
        "19995  g19995  19995.2   39990  19995",
        "19996  g19996  19996.2   39992  19996",
        "19997  g19997  19997.2   39994  19997",
        "19998  g19998  19998.2   39996  19998",
        "19999  g19999  19999.2   39998  19999",
        "all            20000.2   40000  20000",
        "",
        "20,000 groups",
    ]


class Reader(html.parser.HTMLParser):
    """The cells of a table, row by row; and an error if elements are not closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.seen = [], [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert attributes == []
        self.open.append(tag)
        self.seen.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data


def test_the_table_in_html_is_that_of_the_repr():
    scores = made([("north", 2), ("<script>&\"'", 10)], ["<b>region", "day"], losses=[MAE])
    table = Reader(scores._repr_html_())
    assert table.rows == [
        ["<b>region", "day", "mae", "weight", "count"],
        ["north", "2", "0.2500 ± 0.0025", "0", "0"],
        ["<script>&\"'", "10", "1.250 ± 0.013", "2", "1"],
        ["all", "", "2.250 ± 0.022", "4", "2"],
    ]
    assert table.seen == {"table", "thead", "tbody", "tr", "th", "td"}


def test_many_groups_are_cut_short_in_html():
    text = made([*range(1000)])._repr_html_()
    assert len(Reader(text).rows) == 1 + 5 + 1 + 5 + 1
    assert text.endswith("<p>1,000 groups</p>")


# ---- as an object ------------------------------------------------------------------------------


def test_scores_can_be_pickled(scores):
    for each in (scores, scores["b"], made([("a", date(2026, 1, 1))], ["x", "y"])):
        copy = pickle.loads(pickle.dumps(each))
        assert copy.to_dict() == each.to_dict()
        assert repr(copy) == repr(each)
        assert copy.keys == each.keys
    assert type(scores).__module__ == "fastloss.scoring.scores"


def test_scores_without_groups_have_empty_arrays_of_them():
    scores = made()
    assert scores.groups is None
    assert scores.group_values.shape == scores.group_errors.shape == (0, 2)
    assert scores.group_weights.shape == scores.group_counts.shape == (0,)
    assert made(errors=False).group_errors is None


def test_any_alignment_of_targets_of_metrics():
    y, z = np.linspace(0, 1, 20), np.linspace(0, 1, 20) ** 2
    memory = np.empty(y.nbytes + 1, np.uint8)
    apart = memory[1:].view(float)
    apart[:] = y
    assert not apart.flags.aligned
    assert fl.score(apart, z, "r2").values[0] == fl.score(y, z, "r2").values[0]


@pytest.mark.filterwarnings("error")
def test_squares_of_targets_that_overflow_warn_of_nothing():
    assert np.isnan(fl.score([1e200, 0.0], [1.0, 2.0], "r2").values[0])
    assert fl.score([-1e308], [1e308], "bias").values[0] == np.inf


def test_any_byte_order_of_weights_of_metrics():
    # products of float32 are rounded
    y, z, w = np.random.default_rng(0).uniform(0.1, 5, (3, 50)).astype(np.float32)
    expected = fl.score(y, z, ["mae", "d2_poisson_deviance"], sample_weight=w)
    found = fl.score(y, z, ["mae", "d2_poisson_deviance"], sample_weight=w.astype(">f4"))
    assert found.values.tolist() == expected.values.tolist()


@pytest.mark.filterwarnings("error")
def test_results_that_overflow_warn_of_nothing():
    y, z, w = [0.5, 1.0, 2.0], [1e150, 1e150, 1e-150], [-1.0, 1e-307, 1.0]
    options = {"sample_weight": w, "groups": ["a", "a", "b"]}
    assert fl.score(y, z, ["r2", "rmse"], **options).names == ("r2", "rmse")
    models = {"a": z, "b": y}
    assert fl.compare(y, models, "r2", sample_weight=w, by=["a", "a", "b"]).names == ("r2",)
