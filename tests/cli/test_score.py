"""``fastloss score``: every kind of file, and what it prints and writes."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet
from tables import (
    BOTH,
    COLUMNS,
    EXAMPLE,
    FILES,
    close,
    columns_of,
    expected,
    save,
)

import fastloss
from fastloss.losses.base import pointwise_names

# Files.


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
    result = scores("data.csv", "data.npz", *COLUMNS, "--weight", "w", *BOTH)
    assert result == close(expected(data))


@pytest.mark.parametrize("y", ["int8", "uint16", "bool", "float32", "float64"])
@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "data.feather", "data.npz"])
def test_types_of_targets(name, y, scores):
    data = columns_of(500)
    data["y"] = data["y"].astype(y)
    save(data, name)
    result = scores(name, *COLUMNS, "--weight", "w", *BOTH)
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


def test_a_full_dictionary_with_gaps(scores):
    codes = pa.array([0, 127, None], pa.int8())
    groups = pa.DictionaryArray.from_arrays(codes, pa.array([f"x{i}" for i in range(128)]))
    feather.write_feather(
        pa.table({"y": [0.0] * 3, "p": [1.0, 2.0, 3.0], "g": groups}), "data.feather"
    )
    groups = scores("data.feather", *COLUMNS, "--by", "g", "--loss", "mae")["groups"]
    assert {label: group["mae"] for label, group in groups.items()} == {
        "x0": 1.0,
        "x127": 2.0,
        "(missing)": 3.0,
    }


def test_group_by_a_scored_column(scores):
    data = columns_of(500)
    for name in ["data.csv", "data.parquet", "data.npz"]:
        save(data, name)
        groups = scores(name, *COLUMNS, "--weight", "w", "--by", "y", *BOTH)["groups"]
        assert groups == {str(y): close(expected(data, data["y"] == y)) for y in (0, 1)}


def test_csv_with_quoted_line_breaks_and_byte_order_mark(scores):
    rows = "".join(f'"line\nbreak, {i}",1,0.5\n' for i in range(100_000))
    Path("data.csv").write_text("\ufefftext,y,p\n" + rows)
    assert scores("data.csv", *COLUMNS, "--loss", "mae")["count"] == 100_000


@pytest.mark.parametrize("kinds", [
    ("data.parquet", "data.csv"), ("data.csv", "data.parquet"), ("data.parquet", "data.feather"),
    ("data.npz", "data.parquet"), ("data.csv", "data.npz"), ("data.arrows", "data.csv.gz"),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("types", [("int64", "U9"), ("U9", "float64"), ("float32", "uint8")])
def test_a_group_is_one_in_files_of_several_kinds(kinds, types, command, scores):
    groups = [np.array([1, 10, 2]), np.array([2, 1, 1])]
    for name, type_, own in zip(kinds, types, groups, strict=True):
        save({"y": [0.0] * 3, "p": [1.0, 2.0, 4.0], "g": own.astype(type_)}, name)
    found = scores(*kinds, *COLUMNS, "--loss", "mae", "--by", "g")
    assert {key: (row["mae"], row["count"]) for key, row in found["groups"].items()} == {
        "1": (7 / 3, 3),
        "2": (2.5, 2),
        "10": (2.0, 1),
    }
    for form in ("csv", "table"):
        out = command("score", *kinds, *COLUMNS, "--loss", "mae", "--by", "g", "--format", form)[1]
        lines = [line.replace(",", " ").split() for line in out.splitlines()]
        assert [line[0] for line in lines if line[1:]] == ["g", "1", "2", "10", "all"]


def test_text_that_is_not_how_integers_are_written_stays_as_it_is(scores):
    labels = ["01", "1", "-0", "+1", "1.0", "1e0", "9" * 30, "-5", "x"]
    save({"y": [0.0] * 9, "p": [1.0] * 9, "g": labels}, "data.csv")
    found = scores("data.csv", *COLUMNS, "--loss", "mae", "--by", "g")["groups"]
    assert {*found} == {*labels}
    assert list(found)[:6] == ["-5", "-0", "1", "1.0", "1e0", "9" * 30]


@pytest.mark.parametrize(("name", "type_", "shown"), [
    ("data.csv", None, ["-3.25", "1e-07", "9.5", "10.0", "10.5", "100.5"]),
    ("data.parquet", pa.float64(), ["-3.25", "1e-07", "9.5", "10", "10.5", "100.5"]),
    ("data.parquet", pa.decimal128(9, 2), ["-3.25", "0.00", "9.50", "10.00", "10.50", "100.50"]),
    ("data.npz", None, ["-3.25", "1e-07", "9.5", "10", "10.5", "100.5"]),
])  # fmt: skip
def test_groups_of_fractions_are_in_the_order_of_numbers(name, type_, shown, command, scores):
    numbers = np.array([100.5, -3.25, 9.5, 10.0, 1e-7, 10.5, 9.5])
    data = {"y": np.zeros(7), "p": numbers, "g": numbers}
    if name == "data.csv":
        Path(name).write_text("y,p,g\n" + "".join(f"0,{x},{x}\n" for x in numbers.tolist()))
    elif type_ is None:
        save(data, name)
    else:
        parquet.write_table(pa.table({**data, "g": pa.array(numbers).cast(type_)}), name)
    found = scores(name, *COLUMNS, "--by", "g", "--loss", "mean_pred")["groups"]
    assert list(found) == shown
    assert [row["mean_pred"] for row in found.values()] == sorted({*numbers.tolist()})
    out = command("score", name, *COLUMNS, "--by", "g", "--by", "y")[1]
    lines = [line.split()[0] for line in out.splitlines() if line.split()[1:]]
    assert lines == ["g", *shown, "all"]


def test_a_group_named_all_is_told_from_all(command):
    save({"y": [0.0, 0.0], "p": [1.0, 3.0], "g": ["all", "b"]}, "data.csv")
    options = ["data.csv", *COLUMNS, "--loss", "mae", "--by", "g"]
    out = command("score", *options, "--format", "csv")[1]
    assert [line.split(",")[0] for line in out.splitlines()] == ["g", "all", "b", "(all)"]
    lines = command("score", *options)[1].splitlines()
    assert [line.split()[0] for line in lines if line.split()[1:]] == ["g", "all", "b", "(all)"]


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
    options = ["--weight", "w", *BOTH, "--format", "csv"]
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
    options = ["--by", "g", "--weight", "w", *BOTH, "--format", "csv"]
    results = {
        command("score", "data.parquet", *COLUMNS, *options, "--threads", threads)
        for threads in (1, 2, 3, 7)
    }
    assert len(results) == 1


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
