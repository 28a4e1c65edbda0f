"""The command line: every kind of file, every option, every error."""

import csv
import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("click")
pytest.importorskip("rich")

from pyarrow import (  # noqa: E402
    csv as pa_csv,  # noqa: E402
    feather,
    parquet,
)

import fastloss  # noqa: E402
from fastloss.base import pointwise_names  # noqa: E402
from fastloss.cli import run  # noqa: E402

EXAMPLE = Path(__file__).parents[1] / "examples" / "breast_cancer_predictions.csv"
COLUMNS = ["--y-true", "y", "--y-pred", "p"]
FASTLOSS = [sys.executable, "-m", "fastloss"]


def columns_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.01, 0.99, rows)
    return {
        "id": np.arange(rows),
        "y": (rng.random(rows) < p).astype(np.int64),
        "p": p,
        "w": rng.uniform(0.5, 2.0, rows),
        "g": np.array(["red", "green", "blue"])[rng.integers(0, 3, rows)],
    }


def expected(data, keep=slice(None)):
    """Log loss and mean absolute error, the plain way."""
    y, p, w = (data[name][keep] for name in "ypw")
    log_loss = -np.log(np.where(y == 1, p, 1 - p))
    return {
        "log_loss": np.average(log_loss, weights=w),
        "mae": np.average(abs(y - p), weights=w),
        "weight": w.sum(),
        "count": len(y),
    }


def close(value):
    return pytest.approx(value, rel=1e-11)


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Run a command in an empty directory: its status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def scores(command):
    """The scores of a command that must succeed."""

    def call(*arguments):
        status, out, err = command("score", *arguments, "--format", "json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return call


@pytest.fixture
def failure(command):
    """The message of a command that must fail: one line, and no output."""

    def call(*arguments):
        status, out, err = command(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("fastloss: ") and err.count("\n") == 1 and err.endswith("\n")
        return err.removeprefix("fastloss: ").strip()

    return call


# Files.


def write_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=20_000)


def write_gz(table, path):
    with gzip.open(path, "wb") as file:
        pa_csv.write_csv(table, file)


TABLE_WRITERS = {
    "data.csv": pa_csv.write_csv,
    "data.csv.gz": write_gz,
    "data.parquet": lambda table, path: parquet.write_table(table, path, row_group_size=50_000),
    "data.pq": lambda table, path: parquet.write_table(table, path, compression="zstd"),
    "data.feather": feather.write_feather,
    "data.arrow": lambda table, path: feather.write_feather(table, path, "uncompressed"),
    "data.arrows": write_stream,
}
ARRAY_WRITERS = {"data.npz": np.savez, "compressed.npz": np.savez_compressed}
FILES = [*TABLE_WRITERS, *ARRAY_WRITERS]


def save(data, name):
    if name in ARRAY_WRITERS:
        ARRAY_WRITERS[name](name, **data)
    else:
        table = pa.table({column: pa.array(values) for column, values in data.items()})
        TABLE_WRITERS[name](table, name)


@pytest.mark.parametrize("name", FILES)
def test_all_kinds_of_files_give_the_same_scores(name, scores):
    data = columns_of(150_000)
    save(data, name)
    losses = ["--loss", "log_loss", "--loss", "mae"]
    result = scores(name, *COLUMNS, "--weight", "w", "--by", "g", *losses)
    groups = result.pop("groups")
    assert result == close(expected(data))
    assert set(groups) == {"red", "green", "blue"}
    for label, values in groups.items():
        assert values == close(expected(data, data["g"] == label))


def test_npy_files_are_columns(scores):
    data = columns_of(150_000)
    for name, array in data.items():
        np.save(f"{name}.npy", array)
    names = ["--y-true", "y.npy", "--y-pred", "p.npy", "--weight", "w.npy", "--by", "g.npy"]
    result = scores(*names, "--loss", "log_loss", "--loss", "mae")
    groups = result.pop("groups")
    assert result == close(expected(data))
    assert groups["red"] == close(expected(data, data["g"] == "red"))


def test_several_files_are_one_data_set(scores):
    data = columns_of(3000)
    save({name: array[:1000] for name, array in data.items()}, "data.csv")
    save({name: array[1000:] for name, array in data.items()}, "data.npz")
    result = scores("data.csv", "data.npz", *COLUMNS, "--weight", "w", *both())
    assert result == close(expected(data))


def both():
    return ["--loss", "log_loss", "--loss", "mae"]


@pytest.mark.parametrize("y", ["int8", "uint16", "bool", "float32", "float64"])
@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "data.feather", "data.npz"])
def test_types_of_targets(name, y, scores):
    data = columns_of(500)
    data["y"] = data["y"].astype(y)
    save(data, name)
    result = scores(name, *COLUMNS, "--weight", "w", *both())
    assert result == close(expected({**data, "y": data["y"].astype(float)}))


@pytest.mark.parametrize("type_", [pa.decimal128(10, 4), pa.float16(), pa.float32(), pa.float64()])
def test_types_of_predictions(type_, scores):
    table = pa.table({"y": [1, 0, 1], "p": pa.array([0.5, 0.25, 0.75]).cast(type_)})
    parquet.write_table(table, "data.parquet")
    assert scores("data.parquet", *COLUMNS, "--loss", "mae")["mae"] == close(1 / 3)


def test_groups_of_other_types(scores):
    table = pa.table({"y": [1, 0, 1, 0], "p": [0.5, 0.5, 0.0, 0.0]})
    columns = {
        "int": pa.array([1, 1, 2, 2]),
        "bool": pa.array([True, True, False, False]),
        "category": pa.array(["a", "a", "b", "b"]).dictionary_encode(),
    }
    for name, labels in {"int": "12", "bool": ["True", "False"], "category": "ab"}.items():
        parquet.write_table(table.append_column("g", columns[name]), "data.parquet")
        groups = scores("data.parquet", *COLUMNS, "--by", "g", "--loss", "mae")["groups"]
        assert {label: group["mae"] for label, group in groups.items()} == {
            labels[0]: 0.5,
            labels[1]: 0.5,
        }


def test_categories_that_do_not_occur_are_left_out(scores):
    codes, labels = pa.array([2, 0, 2], pa.int8()), ["a", "b", "c"]
    table = pa.table({"y": [1.0, 0.0, 1.0], "p": [0.5, 0.5, 0.5]})
    table = table.append_column("g", pa.DictionaryArray.from_arrays(codes, labels))
    feather.write_feather(table, "data.feather")
    groups = scores("data.feather", *COLUMNS, "--by", "g", "--loss", "mae")["groups"]
    assert {label: group["count"] for label, group in groups.items()} == {"a": 1, "c": 2}


def test_group_by_a_scored_column(scores):
    data = columns_of(500)
    for name in ["data.csv", "data.parquet", "data.npz"]:
        save(data, name)
        groups = scores(name, *COLUMNS, "--weight", "w", "--by", "y", *both())["groups"]
        assert groups == {str(y): close(expected(data, data["y"] == y)) for y in (0, 1)}


def test_csv_with_quoted_line_breaks_and_byte_order_mark(scores):
    rows = "".join(f'"line\nbreak, {i}",1,0.5\n' for i in range(100_000))
    Path("data.csv").write_text("\ufefftext,y,p\n" + rows)
    assert scores("data.csv", *COLUMNS, "--loss", "mae")["count"] == 100_000


# Missing values.


def save_missing(name):
    p = [0.5, None, 0.5, 0.5]
    g = ["a", "a", None, "" if "csv" in name else None]
    save({"y": [1, 0, 1, None], "p": p, "g": g}, name)


@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "data.feather"])
def test_missing_numbers_follow_the_policy(name, scores, failure):
    save_missing(name)
    score = [name, *COLUMNS, "--loss", "mae"]
    assert scores(*score)["mae"] == "NaN"
    omitted = scores(*score, "--nan-policy", "omit")
    assert (omitted["mae"], omitted["count"]) == (0.5, 2)
    message = failure("score", *score, "--nan-policy", "raise")
    assert message == f"{name}: row 2: column 'p' is missing or NaN"


@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "data.feather"])
def test_rows_without_group_are_a_group(name, scores):
    save_missing(name)
    options = ["--by", "g", "--loss", "mae", "--nan-policy", "omit"]
    groups = scores(name, *COLUMNS, *options)["groups"]
    assert {label: group["count"] for label, group in groups.items()} == {"a": 1, "(missing)": 1}


@pytest.mark.parametrize("policy", ["propagate", "omit", "raise"])
def test_missing_weight(policy, failure):
    save({"y": [1, 0], "p": [0.5, 0.5], "w": [1.0, None]}, "data.parquet")
    message = failure("score", "data.parquet", *COLUMNS, "--weight", "w", "--nan-policy", policy)
    assert message == "data.parquet: row 2: column 'w' is missing or NaN"


# Formats.


def test_table(command):
    options = ["--y-true", "malignant", "--y-pred", "predicted", "--loss", "log_loss"]
    status, out, err = command("score", EXAMPLE, *options)
    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()][::2][:2] == [
        ["loss", "value"],
        ["log_loss", f"{score_example():#.7g}"],
    ]
    assert out.endswith("569 rows\n")


def score_example():
    with EXAMPLE.open() as file:
        rows = list(csv.DictReader(file))
    p = [float(row["predicted"]) for row in rows]
    return -np.mean(
        [np.log(p if row["malignant"] == "1" else 1 - p) for row, p in zip(rows, p, strict=True)]
    )


def test_table_of_groups_fits_the_screen(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    losses = ["mse", "rmse", "mae", "log_loss", "brier", "huber:delta=0.5", "log_cosh"]
    losses = [item for name in losses if name in known() for item in ("--loss", name)]
    options = ["--y-true", "malignant", "--y-pred", "predicted", "--by", "size"]
    status, out, err = command("score", EXAMPLE, *options, "--weight", "weight", *losses)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for name in losses[1::2]:
        assert name in out
    for label in ["small", "medium", "large", "all"]:
        assert sum(line.startswith(label) for line in out.splitlines()) == 2


def known():
    return [*pointwise_names(), "huber:delta=0.5"]


def test_default_losses(scores):
    save(columns_of(10), "data.csv")
    assert set(scores("data.csv", *COLUMNS)) == {"mse", "rmse", "mae", "weight", "count"}


def test_csv_output(command):
    data = columns_of(100)
    save(data, "data.csv")
    options = ["--weight", "w", *both(), "--format", "csv"]
    rows = list(csv.DictReader(command("score", "data.csv", *COLUMNS, *options)[1].splitlines()))
    values = {name: float(value) for name, value in rows[0].items()}
    assert len(rows) == 1 and values == close(expected(data))
    out = command("score", "data.csv", *COLUMNS, *options, "--by", "g")[1]
    rows = list(csv.DictReader(out.splitlines()))
    assert {row["g"] for row in rows} == {"red", "green", "blue", "all"}
    assert float(rows[-1]["mae"]) == close(expected(data)["mae"])


def test_json_of_an_infinite_loss(scores):
    save({"y": [1, 1], "p": [0.0, 0.5]}, "data.csv")
    assert scores("data.csv", *COLUMNS, "--loss", "log_loss")["log_loss"] == "Infinity"


# Losses and gradients per row.


@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "data.npz"])
def test_per_row(name, scores):
    data = columns_of(100_000)
    save(data, name)
    Path("rows.parquet").write_text("an older file, to be replaced")
    options = ["--weight", "w", "--by", "g", "--loss", "mse", "--loss", "log_loss"]
    scores(name, *COLUMNS, *options, "--per-row", "rows.parquet")
    rows = parquet.read_table("rows.parquet").to_pydict()
    names = ["y", "p", "w", "mse", "mse_grad", "log_loss", "log_loss_grad"]
    assert list(rows) == ["g", *names]
    assert rows["g"] == data["g"].tolist()
    y, p, w = (data[name] for name in "ypw")
    np.testing.assert_allclose(rows["mse"], w * (y - p) ** 2, rtol=1e-12)
    np.testing.assert_allclose(rows["mse_grad"], w * 2 * (p - y), rtol=1e-12)
    np.testing.assert_allclose(rows["log_loss"], -w * np.log(np.where(y, p, 1 - p)), rtol=1e-11)
    assert sorted(path.name for path in Path().iterdir()) == sorted([name, "rows.parquet"])


def test_per_row_leaves_nothing_after_an_error(failure):
    data = columns_of(200_000)
    data["p"][150_000] = 1.5
    save(data, "data.parquet")
    options = ["--loss", "log_loss", "--per-row", "rows.parquet"]
    message = failure("score", "data.parquet", *COLUMNS, *options)
    assert message == "data.parquet: row 150001: column 'p' = 1.5 is not in [0, 1] (log_loss)"
    assert [path.name for path in Path().iterdir()] == ["data.parquet"]


def test_per_row_of_nothing_leaves_nothing(failure):
    Path("data.csv").write_text("y,p\n")
    message = failure("score", "data.csv", *COLUMNS, "--per-row", "rows.parquet")
    assert message.startswith("nothing to score: ")
    assert [path.name for path in Path().iterdir()] == ["data.csv"]


def test_threads_do_not_change_a_bit(command):
    save(columns_of(300_000), "data.parquet")
    options = ["--by", "g", "--weight", "w", *both(), "--format", "csv"]
    results = {
        command("score", "data.parquet", *COLUMNS, *options, "--threads", threads)
        for threads in (1, 2, 3, 7)
    }
    assert len(results) == 1


# Errors.


@pytest.fixture
def small(command):
    save(columns_of(100), "data.csv")


FIRST = str(columns_of(100)["g"][0])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv", *COLUMNS], "none.csv: no such file or directory"),
        ([".", *COLUMNS], ".: not a file type that is read here"),
        (["data.xlsx", *COLUMNS], "data.xlsx: not a file type that is read here (.csv, "),
        (["y.npy", "p.npy", *COLUMNS], "y.npy: name .npy files as the columns"),
        (["data.csv", "--y-pred", "p"], "Missing option '--y-true'."),
        (
            ["data.csv", "--y-true", "y", "--y-pred", "pp"],
            "data.csv: no column 'pp'; did you mean: p",
        ),
        (
            ["data.csv", *COLUMNS, "--weight", "q"],
            "data.csv: no column 'q'; the columns are: id, y, p, w, g",
        ),
        (
            ["data.csv", "--y-true", "y", "--y-pred", "g"],
            f"data.csv: row 1: column 'g' holds {FIRST!r}, not a number",
        ),
        (["data.csv", *COLUMNS, "--loss", "huberr"], "--loss huberr: "),
        (["data.csv", *COLUMNS, "--loss", "huber:delta=-1"], "--loss huber:delta=-1: "),
        (["data.csv", *COLUMNS, "--loss", "huber:delta=x"], "--loss huber:delta=x: "),
        (["data.csv", *COLUMNS, "--loss", "huber:q=1"], "--loss huber:q=1: "),
        (
            ["data.csv", *COLUMNS, "--loss", "mse", "--loss", "mse"],
            "--loss mse: this loss is asked for twice",
        ),
        (["data.csv", *COLUMNS, "--threads", "0"], "Invalid value for '--threads': 0 is not"),
        (["data.csv", *COLUMNS, "--nan-policy", "drop"], "Invalid value for '--nan-policy': "),
        (
            ["data.csv", *COLUMNS, "--per-row", "none/rows.parquet"],
            "--per-row none/rows.parquet: no such file or directory",
        ),
        (
            ["data.csv", *COLUMNS, "--per-row", "rows.csv"],
            "--per-row rows.csv: the file is Parquet",
        ),
    ],
)
def test_wrong_arguments(arguments, message, failure):
    assert failure("score", *arguments).startswith(message)


def test_unknown_loss_names_the_near_ones(failure):
    assert "huber" in failure("score", "x.csv", *COLUMNS, "--loss", "hubber")


def test_per_row_over_an_input_or_a_directory(failure):
    save(columns_of(10), "data.parquet")
    before = Path("data.parquet").read_bytes()
    message = failure("score", "data.parquet", *COLUMNS, "--per-row", "./data.parquet")
    assert message.endswith("this is one of the files to read")
    assert Path("data.parquet").read_bytes() == before
    Path("rows.parquet").mkdir()
    message = failure("score", "data.parquet", *COLUMNS, "--per-row", "rows.parquet")
    assert message.endswith("this is a directory")


def test_per_row_with_two_columns_of_one_name(failure):
    save({"y": [1.0], "mse": [0.5]}, "data.parquet")
    options = ["--y-true", "y", "--y-pred", "mse", "--per-row", "rows.parquet"]
    assert "two columns would have the same name" in failure("score", "data.parquet", *options)


@pytest.mark.parametrize("name", [*FILES, "data.ipc"])
def test_empty_and_broken_files(name, failure):
    Path(name).touch()
    assert failure("score", name, *COLUMNS) == f"{name}: the file is empty"
    if name != "data.csv":  # any text is a CSV file, though without the columns
        Path(name).write_bytes(b"ARROW1 or rather nothing that is known")
        assert failure("score", name, *COLUMNS).startswith(f"{name}: ")


@pytest.mark.parametrize("name", [name for name in FILES if name != "data.csv"])
def test_files_cut_short(name, failure):
    save(columns_of(100_000), name)
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[: len(whole) // 2])
    assert failure("score", name, *COLUMNS).startswith(f"{name}: ")


def test_damage_within_a_parquet_file(failure):
    save(columns_of(200_000), "data.pq")
    data = bytearray(Path("data.pq").read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    Path("data.pq").write_bytes(data)
    assert failure("score", "data.pq", *COLUMNS).startswith("data.pq: ")


@pytest.mark.parametrize("row", [1, 2, 100_000])
def test_text_in_a_number_column_of_csv(row, failure):
    lines = ["id,y,p"] + ["7,1,0.5"] * 100_000
    lines[row] = "7,1,high"
    Path("data.csv").write_text("\n".join(lines))
    message = failure("score", "data.csv", *COLUMNS)
    assert message == f"data.csv: row {row}: column 'p' holds 'high', not a number"


def test_csv_row_with_too_few_fields(failure):
    Path("data.csv").write_text("y,p\n1,0.5\n1\n")
    assert "row 2: Expected 2 columns, got 1" in failure("score", "data.csv", *COLUMNS)


@pytest.mark.parametrize("name", ["data.parquet", "data.feather", "data.npz"])
def test_text_in_a_number_column(name, failure):
    save(columns_of(10), name)
    message = failure("score", name, "--y-true", "y", "--y-pred", "g")
    assert message.startswith(f"{name}: column 'g' holds ")
    assert message.endswith(", not numbers")


def test_two_columns_of_one_name(failure):
    Path("data.csv").write_text("y,p,p\n1,0.5,0.6\n")
    message = failure("score", "data.csv", *COLUMNS)
    assert message == "data.csv: more than one column is named 'p'"


def test_arrays_that_do_not_fit(failure):
    np.savez("data.npz", y=np.zeros(3), p=np.zeros(4), q=np.zeros((3, 1)), o=np.array([None] * 3))
    message = failure("score", "data.npz", *COLUMNS)
    assert message == "data.npz: arrays of different lengths: 'y' has 3, 'p' has 4"
    message = failure("score", "data.npz", "--y-true", "y", "--y-pred", "y", "--weight", "q")
    assert message == "data.npz: array 'q' has shape (3, 1), not one dimension"
    message = failure("score", "data.npz", "--y-true", "y", "--y-pred", "o")
    assert message == "data.npz: array 'o' holds Python objects"
    message = failure("score", "--y-true", "none.npy", "--y-pred", "p.npy")
    assert message == "none.npy: no such file or directory"


def test_arrays_of_two_axes_are_columns(scores):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 70_000), rng.dirichlet(np.ones(3), 70_000)
    q, one = rng.dirichlet(np.ones(3), 70_000), p[:, :1]
    arrays = {"y": y, "p": p, "q": q, "one": one, "z[0]": p[:, 1]}
    np.savez("data.npz", **arrays)
    for name in ("y", "p", "one"):
        np.save(f"{name}.npy", arrays[name])
    save({"y": y} | {f"p{k}": p[:, k] for k in range(3)}, "data.parquet")
    loss = ["--loss", "cross_entropy"]
    columns = scores("data.parquet", "--y-true", "y", "--y-pred", "p0,p1,p2", *loss)
    assert columns["cross_entropy"] == pytest.approx(fastloss.CrossEntropy()(y, p), rel=1e-13)
    for files in (["data.npz", *COLUMNS], ["--y-true", "y.npy", "--y-pred", "p.npy"]):
        result = scores(*files, *loss)
        assert result["cross_entropy"] == pytest.approx(columns["cross_entropy"], rel=1e-13)
        assert result["count"] == 70_000
    result = scores("data.npz", "--y-true", "q", "--y-pred", "p", "--loss", "kl_divergence")
    assert result["kl_divergence"] == pytest.approx(fastloss.KLDivergence()(q, p), rel=1e-13)
    result = scores("data.npz", "--y-true", "z[0]", "--y-pred", "one", "--loss", "mae")
    assert result["mae"] == pytest.approx(fastloss.AbsoluteError()(p[:, 1], p[:, 0]), rel=1e-13)
    np.savez("few.npz", y=y[:5], p=p[:5])
    scores("few.npz", *COLUMNS, *loss, "--per-row", "r.parquet")
    rows = parquet.read_table("r.parquet")
    assert rows.column_names[1:4] == ["p[0]", "p[1]", "p[2]"]
    np.testing.assert_array_equal(rows["p[1]"].to_numpy(), p[:5, 1])


def test_arrays_of_two_axes_that_do_not_fit(failure):
    y, p = np.zeros(3, int), np.full((3, 2), 0.5)
    np.savez("a.npz", y=y, p=p, f=np.asfortranarray(p), cube=np.ones((3, 2, 1)), none=p[:, :0])
    np.savez("b.npz", y=y, p=np.full((3, 3), 0.25))
    start, loss = ["score", "a.npz"], ["--loss", "cross_entropy"]
    for name, message in {
        "f": "a.npz: array 'f' is stored by columns; save numpy.ascontiguousarray of it",
        "cube": "a.npz: array 'cube' has shape (3, 2, 1), not one dimension or two",
        "none": "a.npz: array 'none' has shape (3, 0), not one dimension or two",
    }.items():
        assert failure(*start, "--y-true", "y", "--y-pred", name, *loss) == message
    message = failure(*start, "b.npz", "--y-true", "y", "--y-pred", "p", *loss)
    assert message == "b.npz: array 'p' has shape (3, 3), not 2 columns"
    message = failure(*start, *COLUMNS, "--loss", "mae")
    assert message.endswith("one of predictions; got --y-true y --y-pred p[0],p[1]")
    message = failure(*start, "--y-true", "y", "--y-pred", "p,p", *loss)
    assert message == "--y-pred: column 'p[0]' is named twice"
    np.savez("c.npz", y=y, p=-p)
    message = failure("score", "c.npz", *COLUMNS, *loss)
    assert message.startswith("c.npz: row 1: column 'p[0]' = -0.5 is not")


def test_rows_are_counted_in_each_file(failure):
    save({"y": [1, 0], "p": [0.5, 0.5]}, "data.csv")
    save({"y": [1, 0, 1], "p": [0.5, 0.5, -0.25]}, "data.parquet")
    message = failure("score", "data.csv", "data.parquet", *COLUMNS, "--loss", "mae", *both()[:2])
    assert message == "data.parquet: row 3: column 'p' = -0.25 is not in [0, 1] (log_loss)"


def test_labels_outside_the_domain(failure):
    save({"y": [1, 2], "p": [0.5, 0.5]}, "data.csv")
    message = failure("score", "data.csv", *COLUMNS, "--loss", "log_loss")
    assert message.startswith("data.csv: row 2: column 'y' = 2")


# The other commands.


def test_losses(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = command("losses")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.partition(":")[0] for line in lines if line[0] != " "] == list(
        fastloss.loss_names()
    )
    assert "huber:delta=1.0" in lines
    assert "    (z - y)**2" in lines
    assert max(map(len, lines)) <= 80


def test_info(command):
    status, out, err = command("info")
    assert (status, err) == (0, "")
    assert out


def test_help_is_short_of_imports():
    code = (
        "import sys; from fastloss.cli import run; run(['--help']); run(['score', '--help']);"
        "assert not {'pyarrow', 'rich', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_no_arguments_show_the_help(command):
    status, _, err = command()
    assert status == 2 and "Usage: fastloss" in err


SCORE = ("score", EXAMPLE, "--y-true", "malignant", "--y-pred", "predicted")


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("click", "cli", SCORE),
        ("rich", "cli", SCORE),
        ("pyarrow", "cli", SCORE),
        ("matplotlib", "bench", ("bench",)),
    ],
)
def test_missing_extra(package, extra, arguments):
    code = f"import sys; sys.modules[{package!r}] = None;from fastloss.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    message = f"fastloss: this command needs {package}: pip install 'fastloss[{extra}]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


# As a process.

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals, terminals and rusage")


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory):
    """Parquet files of one and of sixteen million rows."""
    folder = tmp_path_factory.mktemp("many")
    data = columns_of(1_000_000)
    table = pa.table({"y": data["y"], "p": data["p"].astype(np.float32)})
    for name, repeats in [("short.parquet", 1), ("long.parquet", 16)]:
        with parquet.ParquetWriter(folder / name, table.schema, compression="zstd") as writer:
            for _ in range(repeats):
                writer.write_table(table, row_group_size=250_000)
    return folder


@posix
def test_memory_does_not_grow_with_the_file(many_rows):
    code = (
        "import resource; from fastloss.cli import run; assert not run();"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )

    def megabytes(name):
        command = [sys.executable, "-c", code, "score", many_rows / name, *COLUMNS]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return int(done.stdout.split()[-1])

    # A copy of the sixteen million rows would be 192 MB.
    assert megabytes("long.parquet") < megabytes("short.parquet") + 40


@posix
def test_interrupt_leaves_nothing(many_rows, tmp_path):
    rows = tmp_path / "rows.parquet"
    command = [*FASTLOSS, "score", many_rows / "long.parquet", *COLUMNS, "--per-row", rows]
    # a process started in the background would inherit that SIGINT is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any(path.stat().st_size > 100_000 for path in tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "fastloss: interrupted\n")
    assert not list(tmp_path.iterdir())


@posix
def test_progress_bar_on_a_terminal_only(many_rows):
    import pty

    command = [*FASTLOSS, "score", many_rows / "long.parquet", *COLUMNS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError as error:  # Linux reports the end of a terminal so
            assert error.errno == errno.EIO
        assert process.stdout.read().decode() == done.stdout
    os.close(ours)
    assert b"rows/s" in shown


@posix
def test_output_that_nobody_reads():
    command = f"{sys.executable} -m fastloss losses | true"
    done = subprocess.run(command, check=True, shell=True, capture_output=True, text=True)
    assert done.stderr == ""
