"""``fastloss score`` as a job: several models and keys, bounds, files, and what is told of rows."""

import csv
import json
import os
import shlex
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from scipy.stats import sem, ttest_rel
from tables import BOTH, COLUMNS, FASTLOSS, FILES, close, columns_of, expected, save

import fastloss

MODELS = [*COLUMNS, "--y-pred", "q"]
KEYS = ["--by", "g", "--by", "h"]


def night(rows=1000, seed=0):
    """Two models, two keys, weights."""
    rng = np.random.default_rng(seed + 1)
    q, h = rng.uniform(0.01, 0.99, rows), rng.integers(0, 4, rows)
    return columns_of(rows, seed) | {"q": q, "h": h}


# Several models.


@pytest.mark.parametrize("keys", [[], KEYS[:2], KEYS], ids=len)
def test_models_score_as_each_does_alone(keys, command):
    save(night(100_000), "data.parquet")
    options = ["score", "data.parquet", "--y-true", "y", "--weight", "w", *keys, *BOTH]
    options += ["--format", "json"]
    together = json.loads(command(*options, "--y-pred", "p", "--y-pred", "q")[1])
    assert list(together["models"]) == ["p", "q"]
    for model, found in together.pop("models").items():
        assert together | found == json.loads(command(*options, "--y-pred", model)[1])


def test_models_in_csv_and_table(command):
    data = night()
    save(data, "data.csv")
    options = ["score", "data.csv", *MODELS, "--weight", "w", *BOTH]
    rows = list(csv.DictReader(command(*options, "--format", "csv")[1].splitlines()))
    assert [row.pop("model") for row in rows] == ["p", "q"]
    for row, model in zip(rows, "pq", strict=True):
        numbers = {name: float(value) for name, value in row.items()}
        assert numbers == close(expected(data | {"p": data[model]}))
    lines = [line.split() for line in command(*options)[1].splitlines()]
    assert lines[0] == ["model", "rows", "weight", "log_loss", "mae"]
    assert [line[:2] for line in lines[2:]] == [["p", "1,000"], ["q", "1,000"]]
    shown = [f"{float(row[name]):#.7g}" for row in rows for name in ("log_loss", "mae")]
    assert lines[2][3:] + lines[3][3:] == shown


def test_models_of_several_classes(command):
    rng = np.random.default_rng(0)
    y, a, b = rng.integers(0, 3, 500), *rng.dirichlet(np.ones(3), (2, 500))
    y = np.where(np.arange(500) == 7, np.nan, y)
    columns = {f"{name}{k}": p[:, k] for name, p in (("a", a), ("b", b)) for k in range(3)}
    save({"y": y, **columns}, "data.parquet")
    options = ["--y-true", "y", "--y-pred", "a0,a1,a2", "--y-pred", "b0,b1,b2", "--nan-policy"]
    options += ["omit", "--loss", "cross_entropy", "--format", "json"]
    _, out, err = command("score", "data.parquet", *options, "--per-row", "rows.parquet")
    found = json.loads(out)["models"]
    kept = np.arange(500) != 7
    for name, p in (("a0,a1,a2", a), ("b0,b1,b2", b)):
        right = fastloss.CrossEntropy()(y[kept].astype(int), p[kept])
        assert found[name]["cross_entropy"] == pytest.approx(right, rel=1e-12)
        assert (found[name]["count"], found[name]["dropped"]) == (499, 1)
    assert "1 of 500 rows of b0,b1,b2 dropped" in err
    rows = parquet.read_table("rows.parquet")
    assert {"cross_entropy_a0,a1,a2", "cross_entropy_grad_b2"} <= {*rows.column_names}


def test_arrays_of_two_axes_are_models(command):
    rng = np.random.default_rng(0)
    y, a, b = rng.integers(0, 3, 500), *rng.dirichlet(np.ones(3), (2, 500))
    np.savez("data.npz", y=y, a=a, b=b)
    options = ["--y-true", "y", "--y-pred", "a", "--y-pred", "b", "--loss", "cross_entropy"]
    found = json.loads(command("score", "data.npz", *options, "--format", "json")[1])["models"]
    assert {name: row["cross_entropy"] for name, row in found.items()} == {
        "a": pytest.approx(fastloss.CrossEntropy()(y, a), rel=1e-12),
        "b": pytest.approx(fastloss.CrossEntropy()(y, b), rel=1e-12),
    }


def test_rows_of_several_models_and_keys(command):
    data = night(70_000)
    save(data, "data.npz")
    options = [*MODELS, "--weight", "w", *KEYS, "--by", "y", "--loss", "mse"]
    command("score", "data.npz", *options, "--per-row", "rows.parquet")
    rows = parquet.read_table("rows.parquet").to_pydict()
    losses = ["mse_p", "mse_grad_p", "mse_q", "mse_grad_q"]
    assert list(rows) == ["g", "h", "y", "p", "q", "w", *losses]
    assert rows["h"] == [str(label) for label in data["h"]]
    for model in "pq":
        error = data[model] - data["y"]
        np.testing.assert_allclose(rows[f"mse_{model}"], data["w"] * error**2, rtol=1e-12)
        np.testing.assert_allclose(rows[f"mse_grad_{model}"], data["w"] * 2 * error, rtol=1e-12)


# Several keys.


@pytest.mark.parametrize("name", FILES)
def test_keys_together(name, scores):
    data = night(150_000)
    save(data, name)
    found = scores(name, *COLUMNS, "--weight", "w", *KEYS, *BOTH)
    assert {key: found[key] for key in expected(data)} == close(expected(data))
    pairs = {(row.pop("g"), row.pop("h")): row for row in found["groups"]}
    assert {*pairs} == {*product(["red", "green", "blue"], range(4))}
    for (g, h), row in pairs.items():
        assert row == close(expected(data, (data["g"] == g) & (data["h"] == h)))


def test_keys_are_columns_of_every_format(command):
    g, h = ["a", "all", "a"], [2, 2, None]
    save({"y": [1, 0, 1], "p": [0.5, 1.0, 0.75], "g": g, "h": h}, "data.csv")
    options = ["score", "data.csv", *COLUMNS, *KEYS, "--loss", "mae"]
    out = command(*options, "--format", "csv", "--out", "s.parquet")[1]
    header, *groups, total = csv.reader(out.splitlines())
    assert header == ["g", "h", "mae", "weight", "count"]
    assert {tuple(row[:2]): float(row[2]) for row in groups} == {
        ("a", "2"): 0.5,
        ("a", "(missing)"): 0.25,
        ("all", "2"): 1.0,
    }
    assert total[:2] == ["(all)", "(all)"] and float(total[2]) == close(1.75 / 3)
    table = parquet.read_table("s.parquet")
    assert [[*map(str, row.values())] for row in table.to_pylist()] == [*groups, total]
    shown = [line.split() for line in command(*options)[1].splitlines()]
    assert shown[0] == ["g", "h", "rows", "mae"]
    assert [line[:2] for line in shown[2:] if line[1:]] == [row[:2] for row in (*groups, total)]


# Bounds.


def test_bounds_that_are_kept(command):
    save(night(), "data.csv")
    options = ["--fail-above", "huber:delta=0.5=0.5", "--fail-below", "mae=0", "--fail-above"]
    options += ["mse=inf", "--loss", "mae", "--loss", "mse", "--loss", "huber:delta=0.5"]
    status, out, err = command("score", "data.csv", *MODELS, *options)
    assert (status, err) == (0, "") and out


def test_bounds_that_are_crossed(command):
    data = {"y": [0.0, 0.0], "p": [1.0, 2.0], "q": [0.25, 0.5], "g": ["a", "b"]}
    save(data, "data.csv")
    options = ["score", "data.csv", *MODELS, "--loss", "mae", "--loss", "huber:delta=0.5"]
    bounds = ["--fail-above", "mae=1.25", "--fail-below", "mae=0.5", "--fail-above"]
    bounds += ["huber:delta=0.5=0.625", "--fail-below", "huber:delta=0.5=0"]
    status, out, err = command(*options, *bounds)
    assert (status, out) == (3, command(*options)[1])
    assert err.splitlines() == [
        "fastloss: --fail-above mae=1.25: mae of p is 1.5",
        "fastloss: --fail-below mae=0.5: mae of q is 0.375",
    ]
    # bounds are of all rows: the group b alone would be above
    options = ["score", "data.csv", *COLUMNS, "--by", "g", "--loss", "mae"]
    assert command(*options, "--fail-above", "mae=1.5")[::2] == (0, "")
    status, _, err = command(*options, "--fail-above", "mae=1", "--fail-above", "mae=1.4")
    assert (status, err.count("mae is 1.5\n")) == (3, 2)


@pytest.mark.parametrize("side", ["above", "below"])
def test_nan_crosses_every_bound(side, command):
    save({"y": [0.0, 0.0], "p": [1.0, None]}, "data.parquet")
    options = ["--loss", "mae", f"--fail-{side}", "mae=1"]
    status, _, err = command("score", "data.parquet", *COLUMNS, *options)
    assert status == 3
    assert err.splitlines() == [
        "fastloss: mae is not finite",
        f"fastloss: --fail-{side} mae=1: mae is nan",
    ]


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ("mae", "expected LOSS=NUMBER, as in log_loss=0.5"),
        ("mae=", "expected LOSS=NUMBER, as in log_loss=0.5"),
        ("mae=nan", "expected LOSS=NUMBER, as in log_loss=0.5"),
        ("mae=0,5", "expected LOSS=NUMBER, as in log_loss=0.5"),
        ("huberr=1", "unknown loss or metric 'huberr'; did you mean huber"),
        ("log_loss=1", "log_loss is none of the losses scored: mse, rmse, mae"),
        ("mae:x=1=1", "mae has no parameter"),
    ],
)
@pytest.mark.parametrize("option", ["--fail-above", "--fail-below"])
def test_bounds_that_are_none(option, bound, message, failure):
    found = failure("score", "none.csv", *COLUMNS, option, bound)  # before anything is read
    assert found.startswith(f"{option} {bound}: {message}")


# Files of scores.


def test_out_is_what_the_formats_print(command):
    save(night(), "data.csv")
    for keys in ([], KEYS[:2], KEYS):
        options = ["score", "data.csv", *MODELS, "--weight", "w", *keys, *BOTH]
        printed = command(*options)
        for form in ("csv", "json"):
            Path(f"s.{form}").write_text("an older file, to be replaced")
            assert command(*options, "--out", f"s.{form}") == printed
            assert Path(f"s.{form}").read_text() == command(*options, "--format", form)[1]
        assert command(*options, "--out", "s.parquet") == printed
        table = parquet.read_table("s.parquet")
        rows = list(csv.DictReader(Path("s.csv").read_text().splitlines()))
        assert [{k: str(v) for k, v in row.items()} for row in table.to_pylist()] == rows
        kinds = ["string"] * (1 + len(keys) // 2) + ["double"] * 3 + ["int64"]
        assert [str(kind) for kind in table.schema.types] == kinds
    assert {path.name for path in Path().iterdir()} == {"data.csv", "s.csv", "s.json", "s.parquet"}


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("./data.csv", "this is one of the files to read"),
        ("s.txt", "name it .parquet, .json, .csv"),
        ("none/s.csv", "no such file or directory"),
        ("data.csv/s.csv", "not a directory"),
        ("dir.json", "this is a directory"),
        ("rows.parquet", "this is the file of --per-row"),
        (f"{'s' * 300}.csv", "file name too long"),
    ],
)
def test_out_that_cannot_be_written(out, message, failure):
    save(night(10), "data.csv")
    Path("dir.json").mkdir()
    before = Path("data.csv").read_bytes()
    options = ["--out", out, "--per-row", "rows.parquet"]
    assert failure("score", "data.csv", *COLUMNS, *options).endswith(f": {message}")
    assert Path("data.csv").read_bytes() == before
    assert {path.name for path in Path().iterdir()} == {"data.csv", "dir.json"}


def test_scores_are_printed_though_the_file_fails(command, monkeypatch):
    save(night(10), "data.csv")
    printed = command("score", "data.csv", *COLUMNS)[1]

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    status, out, err = command("score", "data.csv", *COLUMNS, "--out", "s.json")
    assert (status, out) == (2, printed)
    assert err == "fastloss: --out s.json: no space left on device\n"
    assert [path.name for path in Path().iterdir()] == ["data.csv"]


def test_columns_of_one_name(failure):
    save({"y": [1.0], "p": [0.5], "mse": ["a"], "model": ["b"], "q": [0.5]}, "data.csv")
    for options, name in (
        ([*COLUMNS, "--by", "mse"], "mse"),
        ([*MODELS, "--by", "model"], "model"),
    ):
        message = failure("score", "data.csv", *options)
        assert message == f"--by {name}: the scores have a column of this name; rename one"


# What is told of rows and values.


def test_what_became_of_the_rows(command):
    y, p, w = [1, 1, 0, 1, 1], [0.5, None, 0.5, 0.0, None], [1.0, 2.0, 0.0, 1.0, 0.0]
    save({"y": y, "p": p, "q": [0.5] * 5, "w": w, "g": list("aaabc")}, "data.parquet")
    options = ["--weight", "w", "--by", "g", "--loss", "log_loss", "--loss", "mae"]
    options = ["score", "data.parquet", "--y-true", "y", *options, "--nan-policy", "omit"]
    status, out, err = command(*options, "--y-pred", "p", "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert {name: found[name] for name in ("rows", "count", "dropped", "weight_0")} == {
        "rows": 5,
        "count": 2,
        "dropped": 1,
        "weight_0": 2,
    }
    assert found["non_finite"] == ["log_loss", "mae"]
    assert err == (
        "fastloss: 1 of 5 rows dropped: missing or NaN; log_loss is not finite in all rows, and in "
        "2 of 3 groups; mae is not finite in 1 of 3 groups; 2 of 5 rows have weight 0\n"
    )
    _, out, err = command(*options, "--y-pred", "p", "--y-pred", "q", "--format", "json")
    models = json.loads(out)["models"]
    assert [models[name]["dropped"] for name in "pq"] == [1, 0]
    assert models["q"]["non_finite"] == ["log_loss", "mae"]  # of c, which has no weight
    assert "1 of 5 rows of p dropped" in err and err.count("dropped") == 1
    assert "log_loss, mae of q are not finite in 1 of 3 groups" in err


def test_nothing_is_told_where_there_is_nothing(command):
    save(night(), "data.csv")
    _, out, err = command("score", "data.csv", *COLUMNS, "--format", "json")
    found = json.loads(out)
    assert err == ""
    assert [found[name] for name in ("rows", "dropped", "weight_0", "non_finite")] == [
        1000,
        0,
        0,
        [],
    ]


# What a screen shows.


@pytest.mark.parametrize("width", [0, 1, 10, 40, 80, 200])
def test_numbers_are_whole_on_any_screen(width, command, monkeypatch):
    data = night(100)
    data["g"] = np.array(["the shop around the corner", "日本語の長い名前の店舗", "x\ny"])[
        data["h"] % 3
    ]
    save(data, "data.parquet")
    options = ["score", "data.parquet", *MODELS, *KEYS, *BOTH]
    rows = list(csv.DictReader(command(*options, "--format", "csv")[1].splitlines()))
    monkeypatch.setenv("COLUMNS", str(width))
    out = command(*options)[1]
    words = out.split()
    for name in ("log_loss", "mae"):
        for row in rows:
            assert f"{float(row[name]):#.7g}" in words
    assert "x\\ny" in words
    from rich.cells import cell_len

    widest = max(map(cell_len, out.splitlines()))
    assert widest <= {0: 80, 40: 50}.get(width, max(width, 50))


def test_a_table_of_many_groups(command):
    labels = [f"store {i}" for i in range(20_000)]
    save({"y": [0.0] * 20_000, "p": np.arange(20_000.0), "g": labels}, "data.parquet")
    out = command("score", "data.parquet", *COLUMNS, "--by", "g", "--loss", "mae")[1]
    lines = out.splitlines()
    assert len(lines) == 20_004 and len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["store", "0", "1", "0.000000"]


def run(command, **environment):
    """A line of a shell, as a process."""
    line = f"{shlex.join(FASTLOSS)} {command}"
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONUNBUFFERED": ""} | environment
    return subprocess.run(line, shell=True, capture_output=True, env=environment)


posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell")
SCORE = f"score data.csv {shlex.join(COLUMNS)} --by g --loss mae"


@pytest.fixture
def labels(monkeypatch, tmp_path):
    """A file with groups that few encodings have."""
    monkeypatch.chdir(tmp_path)
    save({"y": [0.0] * 3, "p": [1.0, 2.0, 3.0], "g": ["café", "žluť", "日本"]}, "data.csv")


@posix
@pytest.mark.usefixtures("labels")
@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", ["café", "žluť", "日本"]),
        ("cp1252", ["café", "žlu\\u0165", "\\u65e5\\u672c"]),
        ("ascii", ["caf\\xe9", "\\u017elu\\u0165", "\\u65e5\\u672c"]),
    ],
)
def test_labels_that_the_output_cannot_show(form, encoding, shown):
    done = run(f"{SCORE} --format {form}", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    out = done.stdout.decode(encoding)
    if form == "json":
        assert [*json.loads(out)["groups"]] == ["café", "žluť", "日本"]
    else:
        assert all(label in out for label in shown)


@posix
@pytest.mark.usefixtures("labels")
@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (f"{SCORE} >/dev/full", 2, "standard output: no space left on device"),
        (f"{SCORE} --format json >/dev/full", 2, "standard output: no space left on device"),
        ("losses >/dev/full", 2, "standard output: no space left on device"),
        ("info >/dev/full", 2, "standard output: no space left on device"),
        ("--version >/dev/full", 2, "no space left on device"),
        (f"{SCORE} >&-", 2, "standard output is closed"),
        (f"{SCORE} --fail-above mae=1 2>&-", 3, None),
        (f"{SCORE} --fail-above mae=1 2>/dev/full", 3, None),
    ],
)
def test_output_that_cannot_be_written(command, status, message):
    if "/dev/full" in command and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    done = run(command)
    assert done.returncode == status
    assert done.stderr.decode() == ("" if message is None else f"fastloss: {message}\n")
    assert (done.stdout == b"") == (message is not None)


@posix
@pytest.mark.usefixtures("labels")
def test_a_reader_who_leaves_early():
    done = run(f"{SCORE} --out s.csv | true")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert Path("s.csv").exists()


# Standard errors, and comparisons.


def test_standard_errors_are_those_of_scipy(scores, command):
    data = night()
    save(data, "data.csv")
    options = [*COLUMNS, "--by", "g", *BOTH, "--loss", "rmse", "--loss", "r2", "--stderr"]
    found = scores("data.csv", *options)
    for label, row in [(None, found), *found["groups"].items()]:
        keep = slice(None) if label is None else data["g"] == label
        y, p = data["y"][keep], data["p"][keep]
        losses = {"log_loss": -np.log(np.where(y == 1, p, 1 - p)), "mae": abs(y - p)}
        errors = {name: sem(each) for name, each in losses.items()}
        errors["rmse"] = sem((y - p) ** 2) / (2 * np.sqrt(np.mean((y - p) ** 2)))
        assert row["stderr"] == close(errors)  # and none of r2
    rows = list(
        csv.DictReader(command("score", "data.csv", *options, "--format", "csv")[1].splitlines())
    )
    names = "g log_loss log_loss_stderr mae mae_stderr rmse rmse_stderr r2 weight count"
    assert list(rows[0]) == names.split()
    assert float(rows[-1]["mae_stderr"]) == found["stderr"]["mae"]
    assert command("score", "data.csv", *options)[1].splitlines()[-1].count(" ± ") == 3


@pytest.mark.parametrize("keys", [[], KEYS[:2], KEYS], ids=len)
def test_models_that_are_compared(keys, command):
    data = night(2000)
    save(data, "data.parquet")
    options = ["score", "data.parquet", *MODELS, *keys, *BOTH, "--compare"]
    found = json.loads(command(*options, "--format", "json")[1])
    assert found["baseline"] == {"log_loss": "p", "mae": "p"}
    labels = {(): slice(None)}
    if keys:
        own = [data[key] for key in keys[1::2]]
        labels |= {label: np.logical_and.reduce([k == x for k, x in zip(own, label, strict=True)])
                   for label in product(*map(np.unique, own))}  # fmt: skip
    out = command(*options, "--format", "csv", "--out", "s.parquet")[1]
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 2 * len(labels)
    table = parquet.read_table("s.parquet").to_pylist()
    text = [{k: "" if v is None else str(v) for k, v in row.items()} for row in table]
    assert text == rows
    for label, keep in labels.items():
        y = data["y"][keep]
        each = {
            model: {
                "log_loss": -np.log(np.where(y == 1, data[model][keep], 1 - data[model][keep])),
                "mae": abs(y - data[model][keep]),
            }
            for model in "pq"
        }
        names = [*map(str, label)] or ["all"] * (len(keys) // 2)
        first, second = (
            next(row for row in rows
                 if row["model"] == model and [row[key] for key in keys[1::2]] == names)
            for model in "pq"
        )  # fmt: skip
        for name in ("log_loss", "mae"):
            p, q = each["p"][name], each["q"][name]
            test = ttest_rel(q, p)
            right = {"": q.mean(), "_stderr": sem(q), "_difference": (q - p).mean()}
            right |= {"_difference_stderr": sem(q - p), "_z": test.statistic, "_p": test.pvalue}
            own = {end: float(second[name + end]) for end in right}
            assert own == pytest.approx(right, rel=1e-9, abs=1e-14)
            assert [first[name + end] for end in list(right)[2:]] == [""] * 4
            ranks = [int(row[f"{name}_rank"]) for row in (first, second)]
            assert ranks == ([1, 2] if p.mean() < q.mean() else [2, 1])


def test_what_json_says_of_a_comparison(command):
    save(night(), "data.csv")
    options = ["score", "data.csv", *MODELS, "--by", "g", "--loss", "mae", "--loss", "r2"]
    options += ["--loss", "bias", "--compare", "--format", "json"]
    models = json.loads(command(*options)[1])["models"]
    fields = ["mae", "r2", "bias", "weight", "count", "stderr"]
    for row in (models["p"], *models["p"]["groups"].values()):
        assert list(row)[:7] == [*fields, "rank"]
    for row in (models["q"], *models["q"]["groups"].values()):
        assert list(row)[:11] == [*fields, "difference", "difference_stderr", "z", "p", "rank"]
        assert list(row["stderr"]) == list(row["p"]) == ["mae", "bias"]
        assert list(row["difference"]) == ["mae", "r2", "bias"]
        assert list(row["rank"]) == ["mae", "r2"]  # no bias is better for being less
    best = json.loads(command(*options, "--baseline", "best")[1])
    mae = {name: model["mae"] for name, model in models.items()}
    assert best["baseline"]["mae"] == min(mae, key=mae.get)
    other = json.loads(command(*options, "--baseline", "q")[1])["models"]
    assert other["p"]["difference"]["mae"] == -models["q"]["difference"]["mae"]
    assert "difference" not in other["q"]


def test_corrected_for_groups(command):
    save(night(), "data.csv")
    options = ["score", "data.csv", *MODELS, "--by", "h", "--loss", "mae", "--compare", "--format"]
    plain, holm = (
        json.loads(command(*options, "json", *more)[1])["models"]["q"] for more in ([], ["--holm"])
    )
    assert holm["p"] == plain["p"]  # of all rows there is one
    p = {label: row["p"]["mae"] for label, row in plain["groups"].items()}
    largest, right = 0.0, {}
    for k, label in enumerate(sorted(p, key=p.get)):
        largest = right[label] = max(largest, min(1.0, p[label] * (len(p) - k)))
    assert {label: row["p"]["mae"] for label, row in holm["groups"].items()} == close(right)


def test_rows_that_a_comparison_drops(command):
    data = {"y": [0.0] * 5, "p": [1.0, None, 2.0, 3.0, 1.0], "q": [2.0, 1.0, None, 1.0, 4.0]}
    save(data, "data.parquet")
    options = ["score", "data.parquet", *MODELS, "--loss", "mae", "--nan-policy", "omit"]
    found = json.loads(command(*options, "--compare", "--format", "json")[1])["models"]
    assert [(row["mae"], row["count"], row["dropped"]) for row in found.values()] == [
        (close(5 / 3), 3, 2),
        (close(7 / 3), 3, 2),
    ]
    assert found["q"]["difference"]["mae"] == close(2 / 3)


def test_classes_are_compared(command):
    rng = np.random.default_rng(0)
    y, a, b = rng.integers(0, 3, 500), *rng.dirichlet(np.ones(3), (2, 500))
    np.savez("data.npz", y=y, a=a, b=b)
    options = ["--y-true", "y", "--y-pred", "a", "--y-pred", "b", "--loss", "cross_entropy"]
    options += ["--loss", "accuracy", "--loss", "top_k_accuracy:k=2", "--compare"]
    out = command("score", "data.npz", *options, "--format", "json")[1]
    found = json.loads(out)["models"]
    right = fastloss.compare(
        y, {"a": a, "b": b}, ["cross_entropy", "accuracy", "top_k_accuracy:k=2"]
    )
    assert [*found["b"]["p"].values()] == right.total.p[1].tolist()
    assert found["a"]["accuracy"] == np.mean(a.argmax(axis=1) == y)


def test_a_table_of_a_comparison(command, monkeypatch):
    save({"y": [0.0] * 4, "p": [1.0, 2, 3, 4], "q": [1.0, 1, 2, 2], "g": list("aabb")}, "data.csv")
    options = ["score", "data.csv", *MODELS, "--by", "g", "--loss", "mae", "--loss", "r2"]
    monkeypatch.setenv("COLUMNS", "120")
    mae, r2 = command(*options, "--compare")[1].split("\n\n")
    header, rule, *rows, other_rule, p, q = mae.splitlines()
    assert header.split() == ["g", "model", "rows", "mae", "difference", "z", "p", "rank"]
    assert rule == other_rule
    assert p.split() == ["all", "p", "4", "2.50", "±", "0.65", "baseline", "2"]
    assert q.split() == "all q 4 1.50 ± 0.29 -1.00 ± 0.41 -2.45 0.092 1".split()
    assert [row.split()[:3] for row in rows] == [
        [g, model, "2"] for g, model in product("ab", "pq")
    ]
    assert r2.splitlines()[0].split() == ["g", "model", "rows", "r2", "difference", "rank"]


@posix
def test_signs_that_the_output_cannot_show(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    save({"y": [0.0] * 3, "p": [1.0, 2.0, 3.0], "g": list("abb")}, "data.csv")
    done = run(f"{SCORE} --stderr", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[-1].endswith("2.00 +- 0.58") and len({*map(len, lines)}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*COLUMNS, "--compare"], "--compare: there is one model; give each its --y-pred"),
        ([*MODELS, "--baseline", "p"], "--baseline: this goes with --compare"),
        ([*MODELS, "--by", "g", "--holm"], "--holm: this goes with --compare"),
        ([*MODELS, "--compare", "--holm"], "--holm: it corrects for groups; give their --by"),
        (
            [*MODELS, "--compare", "--baseline", "w"],
            "--baseline w: this is none of the models p, q",
        ),
        (
            [*COLUMNS, "--y-pred", "p,q,w", "--compare", "--loss", "accuracy"],
            "--compare: models have as many columns as the first; p has 1, p,q,w has 3",
        ),
        (
            [*COLUMNS, "--stderr", "--by", "mse_stderr"],
            "--by mse_stderr: the scores have a column of this name; rename one",
        ),
    ],
)
def test_comparisons_that_cannot_be(options, message, failure):
    save(night(10) | {"mse_stderr": np.arange(10)}, "data.csv")
    assert failure("score", "data.csv", *options) == message


def test_a_value_that_no_comparison_takes(failure):
    save({"y": [0.0, 1.0], "p": [0.5, 0.5], "q": [0.5, 1.5]}, "data.csv")
    message = failure("score", "data.csv", *MODELS, *BOTH, "--compare")
    assert message == "data.csv: row 2: column 'q' = 1.5 is not in [0, 1] (log_loss)"


# Metrics.


def test_metrics(scores):
    data = night()
    save(data, "data.csv")
    names = ["accuracy", "accuracy:threshold=0.25", "r2", "d2_log_loss", "bias", "mean_true"]
    names += ["mean_pred", "log_loss"]
    found = scores("data.csv", *COLUMNS, *[w for name in names for w in ("--loss", name)])
    y, p = data["y"], data["p"]
    m, log_loss = y.mean(), -np.log(np.where(y == 1, p, 1 - p)).mean()
    entropy = -m * np.log(m) - (1 - m) * np.log(1 - m)
    right = {
        "accuracy": np.mean((p > 0.5) == y),
        "accuracy:threshold=0.25": np.mean((p > 0.25) == y),
        "r2": 1 - np.sum((y - p) ** 2) / np.sum((y - m) ** 2),
        "d2_log_loss": 1 - log_loss / entropy,
        "bias": np.mean(p - y),
        "mean_true": m,
        "mean_pred": p.mean(),
        "log_loss": log_loss,
    }
    assert found == close(right | {"weight": 1000.0, "count": 1000})


def test_metrics_of_errors(scores, failure):
    data = columns_of(1000)
    save(data, "data.csv")
    names = ["rmsle", "max_error", "explained_variance"]
    found = scores("data.csv", *COLUMNS, *[w for name in names for w in ("--loss", name)])
    y, p = data["y"], data["p"]
    right = {
        "rmsle": np.sqrt(np.mean((np.log1p(y) - np.log1p(p)) ** 2)),
        "max_error": abs(y - p).max(),
        "explained_variance": 1 - np.var(y - p) / np.var(y),
    }
    assert found == close(right | {"weight": 1000.0, "count": 1000})
    for name in ("median_absolute_error", "d2_mae"):
        message = failure("score", "data.csv", *COLUMNS, "--loss", name)
        assert message.startswith(f"{name} cannot be found in parts")


def test_metrics_of_labels(scores):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300)
    names = np.array(["cat", "dog", "eel"])
    save({"y": names[y], **{f"p_{name}": p[:, k] for k, name in enumerate(names)}}, "data.csv")
    options = ["--y-true", "y", "--y-pred", "p_cat,p_dog,p_eel", "--loss", "accuracy"]
    found = scores("data.csv", *options, "--loss", "top_k_accuracy")
    assert found["accuracy"] == np.mean(p.argmax(axis=1) == y)
    assert found["top_k_accuracy"] == np.mean(p.argmin(axis=1) != y)


def test_bounds_of_metrics(command):
    save({"y": [0, 1, 1, 1], "p": [0.2, 0.7, 0.9, 0.4]}, "data.csv")
    options = [
        "score",
        "data.csv",
        *COLUMNS,
        "--loss",
        "accuracy",
        "--loss",
        "accuracy:threshold=0.3",
    ]
    assert command(*options, "--fail-below", "accuracy=0.75")[0] == 0
    bounds = ["--fail-below", "accuracy=0.8", "--fail-below", "accuracy:threshold=0.3=0.8"]
    status, _, err = command(*options, *bounds)
    assert (status, err) == (3, "fastloss: --fail-below accuracy=0.8: accuracy is 0.75\n")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("acuracy", "unknown loss or metric 'acuracy'; did you mean accuracy"),
        ("accuracy:k=2", "accuracy:k=2: there is no parameter 'k'; it has: threshold"),
        ("accuracy:threshold=x", "accuracy:threshold=x: expected threshold=NUMBER; got"),
        ("r2:k=2", "r2:k=2: there is no parameter 'k'; it has: none"),
        ("d2_rmse", "d2_rmse: rmse is a root"),
        ("top_k_accuracy", "it needs one column of classes, and one of predictions for each"),
    ],
)
def test_metrics_that_cannot_be(spec, message, failure):
    save(night(10), "data.csv")
    found = failure("score", "data.csv", *COLUMNS, "--loss", spec)
    assert found.startswith(f"--loss {spec}: {message}")


def test_rows_have_no_metrics(command):
    save(night(10), "data.csv")
    options = ["--loss", "accuracy", "--loss", "mae", "--per-row", "rows.parquet"]
    assert command("score", "data.csv", *COLUMNS, *options)[0] == 0
    assert parquet.read_schema("rows.parquet").names == ["y", "p", "mae", "mae_grad"]
