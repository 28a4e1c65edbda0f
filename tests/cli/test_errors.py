"""``fastloss score`` of what cannot be scored: each error names the place, in one line."""

from pathlib import Path

import numpy as np
import pytest
from tables import BOTH, COLUMNS, FILES, columns_of, save


@pytest.fixture
def small(command):
    save(columns_of(100), "data.csv")


FIRST = str(columns_of(100)["g"][0])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv", *COLUMNS], "none.csv: no such file or directory"),
        (["data.xlsx", *COLUMNS], "data.xlsx: not a file type that is read here (.csv, "),
        (["y.npy", "p.npy", *COLUMNS], "y.npy: name .npy files as the columns"),
        (["data.csv", "--y-pred", "p"], "Missing option '--y-true'."),
        (["data.csv", *COLUMNS, "--y-true", "w"], "--y-true is given 2 times; it takes one value"),
        (["data.csv", *COLUMNS, *["--weight", "w"] * 3], "--weight is given 3 times; it takes one"),
        (["data.csv", *COLUMNS, *["--format", "csv"] * 2], "--format is given 2 times; it takes"),
        (["data.csv", *COLUMNS, *["--out", "s.csv"] * 2], "--out is given 2 times; it takes one"),
        (["data.csv", *COLUMNS, "--y-pred", "p"], "--y-pred p: this is asked for twice"),
        (["data.csv", *COLUMNS, *["--by", "g"] * 2], "--by g: this is asked for twice"),
        (["data.csv", *COLUMNS, "--by", ""], "--by '': the name of the column is empty"),
        (["data.csv", *COLUMNS, *["--threads", "1"] * 2], "--threads is given 2 times"),
        (["data.csv", *COLUMNS, "--loss", "huber:delta=1,delta=2"], "--loss huber:delta=1,del"),
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


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("option", ["--by", "--weight", "--y-true", "--y-pred"])
def test_a_column_that_is_not_there(name, option, failure):
    save(columns_of(10), name)
    options = {"--y-true": "y", "--y-pred": "p", "--by": "g"} | {option: "gone"}
    message = failure("score", name, *[item for pair in options.items() for item in pair])
    assert message == f"{name}: no column 'gone'; the columns are: id, y, p, w, g"


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
    got = "got --y-true y --y-pred p[0],p[1]; models have a --y-pred each"
    assert message.endswith(f"one of predictions; {got}")
    message = failure(*start, "--y-true", "y", "--y-pred", "p,p", *loss)
    assert message == "--y-pred: column 'p[0]' is named twice"
    np.savez("c.npz", y=y, p=-p)
    message = failure("score", "c.npz", *COLUMNS, *loss)
    assert message.startswith("c.npz: row 1: column 'p[0]' = -0.5 is not")


def test_rows_are_counted_in_each_file(failure):
    save({"y": [1, 0], "p": [0.5, 0.5]}, "data.csv")
    save({"y": [1, 0, 1], "p": [0.5, 0.5, -0.25]}, "data.parquet")
    message = failure("score", "data.csv", "data.parquet", *COLUMNS, "--loss", "mae", *BOTH[:2])
    assert message == "data.parquet: row 3: column 'p' = -0.25 is not in [0, 1] (log_loss)"


def test_labels_outside_the_domain(failure):
    save({"y": [1, 2], "p": [0.5, 0.5]}, "data.csv")
    message = failure("score", "data.csv", *COLUMNS, "--loss", "log_loss")
    assert message.startswith("data.csv: row 2: column 'y' = 2")
