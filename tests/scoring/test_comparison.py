"""Comparisons shown, as frames and by group, and of the columns of frames."""

import datetime as dt
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import fastloss as fl
from fastloss.scoring import frames

pa = pytest.importorskip("pyarrow", reason="frames are read through it; CI installs it")

rng = np.random.default_rng(0)
N = 600
P = rng.uniform(0.05, 0.95, N)
Y = (rng.random(N) < P).astype(float)
MODELS = {
    "champion": np.clip(P + rng.normal(0, 0.1, N), 0.01, 0.99),
    "challenger": np.clip(P + rng.normal(0, 0.03, N), 0.01, 0.99),
    "constant": np.full(N, 0.4),
}
W = rng.uniform(0.1, 3, N)
REGION = np.array(["north", "all", None], object)[rng.integers(0, 3, N)]
DAY = rng.integers(9, 11, N)
KEYS = {"region": REGION, "day": DAY}
LOSSES = ["log_loss", "rmse", "r2"]


@pytest.fixture(scope="module")
def plain():
    return fl.compare(Y, MODELS, LOSSES)


@pytest.fixture(scope="module")
def by_keys():
    return fl.compare(Y, MODELS, LOSSES, by=KEYS, sample_weight=W)


# ---- what is found -----------------------------------------------------------------------------


def test_the_scores_of_a_model(by_keys):
    for model, z in MODELS.items():
        found = by_keys[model]
        expected = fl.score(Y, z, LOSSES, groups=KEYS, sample_weight=W, stderr=True)
        assert (found.groups, found.keys) == (expected.groups, expected.keys)
        assert found.to_dict().keys() == expected.to_dict().keys()
        for name in ("values", "errors", "group_values", "group_errors", "group_weights"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert repr(found) == repr(expected)
    assert fl.compare(Y, MODELS, "mae")["constant"].groups is None
    with pytest.raises(KeyError, match="'chalenger' is none of the models champion, challenger"):
        by_keys["chalenger"]
    with pytest.raises(TypeError, match="iter"):
        list(by_keys)


def test_the_comparison_of_a_group(by_keys):
    rows = (REGION == "north") & (DAY == 10)
    some = {model: z[rows] for model, z in MODELS.items()}
    expected = fl.compare(Y[rows], some, LOSSES, sample_weight=W[rows])
    found = by_keys.group(("north", 10))
    assert repr(found) == repr(expected) and found.labels is None
    assert str(found["champion"].to_dict()) == str(expected["champion"].to_dict())
    for label, words in [(("north", 11), "no group"), ("north", "groups have 2 keys")]:
        with pytest.raises(KeyError, match=words):
            by_keys.group(label)
    with pytest.raises(KeyError, match="without groups"):
        found.group("north")


def test_losses_go_by_short_names_and_by_themselves():
    found = fl.compare(Y, MODELS, [fl.Huber(delta=0.5), "mae"])
    for key in ("huber", "huber:delta=0.5", fl.Huber(delta=0.5)):
        assert found.difference("constant", key) == found.total.differences[2, 0]
        assert found.p("constant", key) == found.total.p[2, 0]
    with pytest.raises(KeyError, match=r"'mse' is none of the losses huber:delta=0.5, mae"):
        found.p("constant", "mse")


def test_a_model_without_a_value_is_last():
    models = {**MODELS, "broken": np.full(N, np.nan)}
    found = fl.compare(Y, models, ["mae", "accuracy"])
    assert found.ranking[-1] == "broken"
    assert found.ranks[-1].tolist() == [4, 4]
    models = {"broken": [np.nan, 0.5], "wrong": [0.0, 0.5], "odd": [0.5, np.nan]}
    found = fl.compare([1, 0], models, ["log_loss", "mean_true", "accuracy"], baseline="best")
    assert found.total.values[:, 0] == pytest.approx([np.nan, np.inf, np.nan], nan_ok=True)
    assert found.ranks[:, 0].tolist() == [2, 1, 2]
    assert found.ranking == ("wrong", "broken", "odd") and found.baselines[0] == "wrong"
    models = {"a": [np.inf, 0.0], "b": [np.inf, 0.5]}  # NaN of r2, and numbers beside it
    found = fl.compare([1.0, 0], models, ["d2_mse", "mean_true"], baseline="best")
    assert found.baselines == ("a", "a")


# ---- tables ------------------------------------------------------------------------------------


def test_the_repr_is_a_table_of_models_in_their_ranking():
    y, old, new = [1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 5.0, 4.5], [1.25, 2.5, 4.0, 4.25]
    found = fl.compare(y, {"old": old, "new": new}, ["mae", "r2"])
    assert repr(found) == "\n".join([
        "loss  model        value    difference      z     p",
        "mae   new    0.50 ± 0.18  -0.38 ± 0.22  -1.73  0.18",
        "      old    0.88 ± 0.38  baseline",
        "r2    new      0.725         0.675",
        "      old       0.05      baseline",
    ])  # fmt: skip


def test_a_table_of_groups():
    y, models = [1.0, 2.0, 4.0, 4.0], {"a": [2.0, 2.0, 3.0, 4.0], "b": [1.5, 2.0, 3.5, 4.0]}
    keys = {"shop": ["all", "all", "x", "x"], "day": [1, 1, 2, 2]}
    found = fl.compare(y, models, "mae", by=keys, baseline="best", correction="holm")
    assert repr(found) == "\n".join([
        "shop   day  loss  model        value    difference     z     p",
        "all    1    mae   b      0.25 ± 0.25  baseline",
        "                  a      0.50 ± 0.50   0.25 ± 0.25  1.00     1",
        "x      2    mae   b      0.25 ± 0.25  baseline",
        "                  a      0.50 ± 0.50   0.25 ± 0.25  1.00     1",
        "(all)       mae   b      0.25 ± 0.14  baseline",
        "                  a      0.50 ± 0.29   0.25 ± 0.14  1.73  0.18",
        "",
        "p of groups: Holm's correction",
    ])  # fmt: skip
    assert "Holm" in repr(found.group(("x", 2)))
    assert "Holm" not in repr(fl.compare(y, models, "mae", by=keys))


def test_long_tables_are_cut_short():
    found = fl.compare(Y, MODELS, ["mae"], by=np.arange(N) // 10, correction="holm")
    lines = repr(found).splitlines()
    assert len(lines) == 1 + 3 + 1 + 3 + 3 + 2
    assert lines[4].split()[0] == "..." and lines[-1] == "60 groups, p of groups: Holm's correction"
    assert [line.split()[0] for line in lines[1:9:4]] == ["0", "59"]
    text = found._repr_html_()
    assert text.count("<tr>") == 1 + 3 + 1 + 3 + 3
    assert text.endswith("<p>60 groups, p of groups: Holm's correction</p>")
    twenty = fl.compare(Y, MODELS, ["mae"], by=np.arange(N) // 30)
    assert "..." not in repr(twenty) and len(repr(twenty).splitlines()) == 1 + 60 + 3
    two = {model: MODELS[model] for model in ("champion", "constant")}
    lines = repr(fl.compare(Y, two, "mae", by=np.arange(N))).splitlines()
    assert len(lines) == 1 + 4 + 1 + 4 + 2 + 2
    many = ["mae", "mse", "brier", "rmse"] + [f"huber:delta={k}" for k in range(1, 20)]
    assert len(repr(fl.compare(Y, MODELS, many, by=DAY)).splitlines()) == 1 + 3 * 23 * 3


def test_html_is_escaped():
    models = {"<b>": [0.5, 0.5], "&": [0.25, 0.5]}
    text = fl.compare([1.0, 0.0], models, "mae", by={"<i>": ["<u>", "x"]})._repr_html_()
    assert "&lt;b&gt;" in text and "&lt;u&gt;" in text and "&lt;i&gt;" in text
    assert not {"<b>", "<u>", "<i>"} & {text[k : k + 3] for k in range(len(text))}


def test_labels_are_shown_as_those_of_scores():
    by = np.array(["a\nb", ""], object)[DAY - 9]
    lines = repr(fl.compare(Y, MODELS, "mae", by=by)).splitlines()
    assert [line.split()[0] for line in lines[1::3]] == ["''", r"a\nb", "all"]
    dates = np.array(["2026-01-01", "2026-01-02"], "M8[D]")[DAY - 9]
    assert repr(fl.compare(Y, MODELS, "mae", by=dates)).splitlines()[1].startswith("2026-01-01")


# ---- dicts and frames --------------------------------------------------------------------------

NUMBERS = ["value", "stderr", "difference", "difference_stderr", "z", "p", "rank", "weight",
           "count"]  # fmt: skip


def test_to_pandas(by_keys, plain):
    frame = by_keys.to_pandas()
    assert [*frame] == ["region", "day", "loss", "model", *NUMBERS]
    assert frame["region"].unique().tolist() == ["all", "north", "(missing)", "(all)"]
    assert len(frame) == (6 + 1) * 3 * 3
    total = frame[frame["region"] == "(all)"]
    assert {*total["day"]} == {""}
    assert total["model"].tolist() == [*by_keys.ranking] * 3
    for k, loss in enumerate(LOSSES):
        for j, model in enumerate(MODELS):
            row = total[(total["loss"] == loss) & (total["model"] == model)].iloc[0]
            assert row["value"] == by_keys.total.values[j, k]
            assert row["rank"] == by_keys.ranks[j, k]
            assert (row["weight"], row["count"]) == (by_keys.total.weights, N)
            np.testing.assert_array_equal(row["p"], by_keys.total.p[j, k])
            if model != "champion":
                assert row["difference"] == by_keys.difference(model, loss)
            rows = frame[(frame["loss"] == loss) & (frame["model"] == model)][:-1]
            np.testing.assert_array_equal(rows["z"], by_keys.groups.z[:, j, k])
            np.testing.assert_array_equal(rows["count"], by_keys.groups.counts)
    assert [*plain.to_pandas()] == ["loss", "model", *NUMBERS]
    assert len(plain.to_pandas()) == 9
    nameless = fl.compare(Y, MODELS, "mae", by=DAY).to_pandas()
    assert nameless["group"].tolist() == [9] * 3 + [10] * 3 + ["all"] * 3


def test_ranks_are_those_of_the_group():
    y, models = [1.0, 2.0], {"a": [1.0, 5.0], "b": [2.0, 2.0]}
    frame = fl.compare(y, models, "mae", by=["u", "v"]).to_pandas().set_index(["group", "model"])
    assert frame["rank"].to_dict() == {
        ("u", "b"): 2, ("u", "a"): 1, ("v", "b"): 1, ("v", "a"): 2, ("all", "b"): 1, ("all", "a"): 2
    }  # fmt: skip


def test_to_arrow_and_polars_keep_the_types_of_keys(by_keys, plain):
    table = by_keys.to_arrow()
    assert table.column_names == ["region", "day", "loss", "model", *NUMBERS]
    assert table["day"].type == pa.int64() and table["region"].null_count == 2 * 9
    assert len(table) == 6 * 9
    expected = by_keys.to_pandas()[:-9]
    for name in NUMBERS:
        np.testing.assert_array_equal(table[name].to_numpy(), expected[name])
    assert plain.to_arrow().column_names == ["loss", "model", *NUMBERS]
    assert len(plain.to_arrow()) == 9
    dates = fl.compare(Y, MODELS, "mae", by=np.array(["2026-01-01"], "M8[D]").repeat(N))
    assert dates.to_arrow()["group"].to_pylist() == [dt.date(2026, 1, 1)] * 3
    pytest.importorskip("polars", reason="Comparison.to_polars needs it; CI installs it")
    assert str(by_keys.to_polars().to_arrow().to_pylist()) == str(table.to_pylist())


def test_keys_may_not_hide_other_columns():
    found = fl.compare(Y, MODELS, "mae", by={"model": DAY})
    for method in (found.to_pandas, found.to_arrow):
        with pytest.raises(ValueError, match="the key 'model' has the name of a column"):
            method()
    assert repr(found).split()[0] == "model"


def test_a_library_that_is_not_there_is_named(plain, monkeypatch):
    for method, library in [("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow")]:
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ImportError, match=f"Comparison.to_{method} needs {library}: pip"):
            getattr(plain, f"to_{method}")()


def test_to_dict(by_keys, plain):
    found = by_keys.to_dict()
    assert [*found] == ["models", "weight", "count", "groups"]
    assert [*found["models"]] == [*MODELS]
    assert [*found["models"]["constant"]] == LOSSES
    assert [*found["models"]["constant"]["rmse"]] == NUMBERS[:-2]
    assert found["models"]["constant"]["rmse"]["z"] == by_keys.total.z[2, 1]
    group = found["groups"]["(missing)", 10]
    assert group["models"]["constant"]["log_loss"]["value"] == by_keys.groups.values[-1, 2, 0]
    assert [type(group[name]) for name in ("weight", "count")] == [float, int]
    assert "groups" not in plain.to_dict()


def test_pickles(by_keys):
    again = pickle.loads(pickle.dumps(by_keys))
    assert repr(again) == repr(by_keys) and again.correction is None
    assert again.group(("north", 9)).ranking == by_keys.group(("north", 9)).ranking


def test_comparisons_alone_import_no_library():
    code = """if True:
        import sys
        import fastloss as fl
        found = fl.compare([1.0, 2.0], {"a": [1.5, 2.0], "b": [1, 3]}, "mae", by=["x", "y"])
        repr(found), found._repr_html_(), found.to_dict(), found["a"]
        assert not {"pandas", "polars", "pyarrow"} & {*sys.modules}
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- frames ------------------------------------------------------------------------------------

DATA = {"y": Y, "w": W, **KEYS, **MODELS}
FRAMES = {
    "pandas": pd.DataFrame,
    "Table": pa.table,
    "a reader": lambda data: pa.table(data).to_reader(max_chunksize=70),
    "polars": lambda data: pytest.importorskip("polars").from_arrow(pa.table(data)),
}


def assert_same(found, expected):
    assert repr(found) == repr(expected)
    assert (found.labels, found.keys) == (expected.labels, expected.keys)
    for ours, theirs in [(found.total, expected.total), (found.groups, expected.groups)]:
        for name in ("values", "errors", "difference_errors", "p", "weights", "counts"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("rows", [7, frames.ROWS])
def test_columns_of_frames(kind, rows, monkeypatch, by_keys):
    monkeypatch.setattr(frames, "ROWS", rows)
    options = {"y_true": "y", "sample_weight": "w", "by": ["region", "day"]}
    assert_same(fl.compare(FRAMES[kind](DATA), [*MODELS], LOSSES, **options), by_keys)
    named = {"old": "champion", "new": "challenger"}
    found = fl.compare(FRAMES[kind](DATA), named, LOSSES, **options, baseline="new")
    models = {model: MODELS[column] for model, column in named.items()}
    expected = fl.compare(Y, models, LOSSES, by=KEYS, sample_weight=W, baseline="new")
    assert_same(found, expected)


def test_rows_of_classes_in_lists_and_in_columns():
    y, a, b = rng.integers(0, 3, N), rng.normal(size=(N, 3)), rng.normal(size=(N, 3))
    columns = {f"b{k}": b[:, k] for k in range(3)}
    frame = pa.table({"y": y, "a": pa.array(list(a)), **columns})
    losses = ["softmax_cross_entropy", "accuracy"]
    found = fl.compare(frame, {"a": "a", "b": [*columns]}, losses, y_true="y")
    assert repr(found) == repr(fl.compare(y, {"a": a, "b": b}, losses))


def test_by_is_one_column_or_an_array():
    found = fl.compare(pd.DataFrame(DATA), [*MODELS], "mae", y_true="y", by="day")
    assert (found.labels, found.keys) == ((9, 10), ("day",))
    assert repr(found).split()[0] == "day"
    assert fl.compare(Y, MODELS, "mae", by=DAY).labels == (9, 10)
    everything = {"y_true": Y, "y_preds": MODELS, "losses": "mae"}
    assert repr(fl.compare(**everything)) == repr(fl.compare(Y, MODELS, "mae"))


FRAME = pd.DataFrame(DATA)
A, B = [0.5, 0.5], [0.25, 0.5]


@pytest.mark.parametrize(("data", "names", "error", "words"), [
    ((FRAME, [*MODELS], "mae"), {}, TypeError, "y_preds must be a mapping"),
    ((FRAME, {"a": "champion", "b": "constant"}, "mae"), {}, TypeError, "got names, and no y_true"),
    ((FRAME, [*MODELS]), {"y_true": "y"}, TypeError, "got no losses"),
    ((FRAME, [*MODELS], "mae", "w"), {"y_true": "y"}, TypeError, "got too many arguments"),
    ((FRAME, [*MODELS], "mae"), {"y_true": "y", "losses": "mae"}, TypeError, "losses twice"),
    ((FRAME, ["champion", "x"], "mae"), {"y_true": "y"}, ValueError, "no column 'x'"),
    ((FRAME, ["champion"], "mae"), {"y_true": "y"}, ValueError, "two models at least"),
    ((FRAME, ["champion"] * 2, "mae"), {"y_true": "y"}, ValueError, "names 'champion' twice"),
    ((FRAME, {"a": "champion", "b": 3}, "mae"), {"y_true": "y"}, TypeError, r"y_preds\['b'\] must"),
    ((FRAME, "champion", "mae"), {"y_true": "y"}, TypeError, "or a list of these; got str"),
    ((FRAME, [*MODELS], "mae"), {"y_true": "y", "by": DAY}, TypeError, "by must be the name"),
    (([1.0, 0.0], {"a": A, "b": B}), {}, TypeError, "compare takes .* got no losses"),
    (([1.0, 0.0], [A, B], "mae"), {}, TypeError, "names to predictions; got list"),
])  # fmt: skip
def test_mistakes(data, names, error, words):
    with pytest.raises(error, match=words):
        fl.compare(*data, **names)


def test_parts_take_one_model_or_several():
    for given in ({}, {"y_pred": "champion", "y_preds": {"a": "champion"}}):
        with pytest.raises(TypeError, match="either y_pred or y_preds"):
            frames.parts(FRAME, "y", **given)
