"""``fastloss fit`` and ``predict``: end to end, in memory and streamed, and what they refuse."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as pa_csv, feather, parquet
from tables import FASTLOSS, TABLE_WRITERS

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's kind")

from fastloss.cli import fit as fit_command, training
from fastloss.linear_model import LinearClassifier, LinearRegressor, load

NAMES = ["x0", "x1", "x2", "age"]
KINDS = [*TABLE_WRITERS]


def data_of(rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    z = X @ [1.0, -2.0, 0.0, 0.5]
    return {
        "id": np.array([f"row {i}" for i in range(rows)]),
        **dict(zip(NAMES, X.T, strict=True)),
        "y": (z + rng.logistic(size=rows) > 0).astype(np.int64),
        "colour": np.array(["red", "green", "blue"])[
            np.digitize(z + rng.logistic(size=rows), [-1.0, 1.0])
        ],
        "t": z + rng.normal(size=rows),
        "w": rng.uniform(0.5, 2.0, rows),
    }


DATA = data_of()
X = np.asfortranarray(np.column_stack([DATA[name] for name in NAMES]))
FEATURES = ["--features", "x*,age"]
LOGISTIC = ["--target", "y", "--loss", "logistic", *FEATURES]
HUBER = ["--target", "t", "--loss", "huber", *FEATURES]


def table_of(data=None, **columns):
    return pa.table(
        {name: pa.array(values) for name, values in {**(data or DATA), **columns}.items()}
    )


def save(name, data=None, **columns):
    kind = name[name.index(".") :]
    TABLE_WRITERS[f"data{kind}"](table_of(data, **columns), name)


@pytest.fixture
def fit(command):
    """The model of a fit that must succeed."""

    def call(*arguments, out="model.json"):
        status, _, err = command("fit", *arguments, "--out", out)
        assert (status, err) == (0, "")
        return load(out)

    return call


@pytest.fixture
def predict(command):
    """The columns of predictions that must succeed."""

    def call(*arguments, out="out.parquet"):
        assert command("predict", *arguments, "--out", out) == (0, "", "")
        return parquet.read_table(out)

    return call


@pytest.fixture
def streamed(monkeypatch):
    """Files are read anew for each pass, in chunks whose ends are not those of files."""

    def call():
        monkeypatch.setattr(training, "IN_MEMORY", 0)
        monkeypatch.setattr(training, "batch_rows", lambda columns: 700)

    return call


# ---- what is fitted ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_all_kinds_of_files(name, fit):
    save(name)
    model = fit(name, *LOGISTIC, "--weight", "w")
    expected = LinearClassifier().fit(np.ascontiguousarray(X), DATA["y"], DATA["w"])
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    assert model.feature_names_in_.tolist() == NAMES
    assert model.classes_.tolist() == [0, 1]


def test_options_are_those_of_the_estimators(fit):
    save("data.parquet")
    options = {
        "penalty": "elasticnet",
        "alpha": 0.01,
        "l1_ratio": 0.5,
        "solver": "fista",
        "max_iter": 500,
        "tol": 1e-3,
        "batch_size": 64,
        "learning_rate": 0.5,
        "random_state": 3,
    }
    given = [
        ("seed" if k == "random_state" else k.replace("_", "-"), v) for k, v in options.items()
    ]
    arguments = [part for name, value in given for part in (f"--{name}", value)]
    model = fit("data.parquet", *LOGISTIC, *arguments, "--class-weight", "balanced")
    parameters = model.get_params()
    assert {name: parameters[name] for name in options} == options
    assert parameters["class_weight"] == "balanced"
    assert fit("data.parquet", *LOGISTIC, "--penalty", "none").penalty is None


@pytest.mark.parametrize("estimator", [LinearClassifier, LinearRegressor])
def test_defaults_are_those_of_the_estimators(estimator):
    own = estimator().get_params()
    for option in fit_command.fit.params:
        if option.name in own and option.name not in ("loss", "class_weight"):
            given = option.default if option.to_info_dict()["default"] is not None else None
            assert given == own[option.name] and type(given) is type(own[option.name])


@pytest.mark.parametrize("penalty", ["l2", "none", "l1"])
@pytest.mark.parametrize(
    "options",
    [
        LOGISTIC,
        [*LOGISTIC, "--weight", "w", "--class-weight", "balanced"],
        ["--target", "colour", "--loss", "logistic", *FEATURES],
        ["--target", "colour", "--loss", "squared_hinge", "--class-weight", "balanced", *FEATURES],
        [*HUBER, "--weight", "w"],
        ["--target", "t", "--loss", "mse", *FEATURES],
    ],
    ids=lambda options: " ".join(options[1:4:2] + options[6:]),
)
def test_streamed_is_as_in_memory(options, penalty, command, streamed):
    data = data_of(2000), data_of(1300, seed=1)
    for name, part in zip(["data.parquet", "data.csv"], data, strict=True):
        save(name, part)
    arguments = ["fit", "data.parquet", "data.csv", *options, "--penalty", penalty, "--tol", "1e-7"]
    command(*arguments, "--alpha", "0.01", "--out", "held.json")
    streamed()
    command(*arguments, "--alpha", "0.01", "--out", "streamed.json")
    held, read = load("held.json"), load("streamed.json")
    assert abs(held.coef_).max() > 0.1
    np.testing.assert_allclose(read.coef_, held.coef_, atol=1e-4)
    np.testing.assert_allclose(read.intercept_, held.intercept_, atol=1e-4)


@pytest.mark.parametrize("options", [
    ["--target", "t", "--loss", "mae", *FEATURES],
    ["--target", "y", "--loss", "hinge", "--weight", "w", *FEATURES],
], ids=str)  # fmt: skip
def test_streamed_losses_with_kinks(options, command, streamed):
    save("data.parquet")
    command("fit", "data.parquet", *options, "--alpha", "0.01", "--out", "held.json")
    streamed()
    command("fit", "data.parquet", *options, "--alpha", "0.01", "--out", "streamed.json")
    held, read = load("held.json"), load("streamed.json")
    np.testing.assert_allclose(read.coef_, held.coef_, atol=2e-3)


def test_chunks_do_not_depend_on_where_files_end(fit, streamed):
    save("data.parquet")
    table = table_of()
    parts = [0, 100, 1500, 1501, 3000]
    for first, last in zip(parts, parts[1:], strict=False):
        parquet.write_table(table.slice(first, last - first), f"part{first}.parquet")
    streamed()
    model = fit("data.parquet", *LOGISTIC)
    files = [f"part{first}.parquet" for first in parts[:-1]]
    np.testing.assert_allclose(fit(*files, *LOGISTIC).coef_, model.coef_, rtol=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_mini_batches(solver, fit, command, streamed):
    save("data.parquet")
    options = [*LOGISTIC, "--solver", solver, "--seed", "0", "--tol", "1e-3"]
    held = fit("data.parquet", *options)
    np.testing.assert_allclose(fit("data.parquet", *options).coef_, held.coef_, rtol=1e-12)
    streamed()
    np.testing.assert_allclose(fit("data.parquet", *options).coef_, held.coef_, atol=0.3)


# ---- what features and targets are -------------------------------------------------------------


def test_features_are_all_numbers_by_default(command):
    save("data.parquet", c=DATA["y"] > 0, d=np.arange(3000) % 7)
    chosen = ["--target", "y", "--weight", "w", "--loss", "logistic", "--solver", "lbfgs"]
    status, _, err = command("fit", "data.parquet", *chosen, "--out", "model.json")
    assert (status, err) == (0, "fastloss: left out, as they do not hold numbers: id, colour\n")
    assert load("model.json").feature_names_in_.tolist() == [*NAMES, "t", "c", "d"]


def test_the_target_is_no_feature(fit):
    save("data.parquet")
    model = fit("data.parquet", "--target", "t", "--weight", "w", "--features", "[t-x]*",
                "--loss", "mse")  # fmt: skip
    assert model.feature_names_in_.tolist() == ["x0", "x1", "x2"]


def test_a_name_is_itself_before_it_is_a_pattern(fit):
    save("data.parquet", **{"x[0]": DATA["x1"]})
    model = fit("data.parquet", "--target", "t", "--features", "x[0],age", "--loss", "mse")
    assert model.feature_names_in_.tolist() == ["age", "x[0]"]


@pytest.mark.parametrize(
    ("type_", "dtype"),
    [
        (pa.float32(), np.float32),
        (pa.int8(), np.float32),
        (pa.uint16(), np.float32),
        (pa.bool_(), np.float32),
        (pa.float64(), np.float64),
        (pa.int32(), np.float64),
        (pa.decimal128(12, 4), np.float64),
    ],
)
def test_types_of_features(type_, dtype, fit, monkeypatch):
    x = pa.array(np.clip(DATA["x0"], 0, None).round(0)).cast(type_)
    parquet.write_table(
        pa.table({"x": x, "f": DATA["x1"].astype("f4"), "y": DATA["y"]}), "d.parquet"
    )
    seen = []
    kept = training.Samples.in_memory
    monkeypatch.setattr(
        training.Samples, "in_memory", lambda self: seen.append(kept(self)) or seen[0]
    )
    fit("d.parquet", "--target", "y", "--loss", "logistic")
    assert seen[0].X.dtype == dtype
    np.testing.assert_array_equal(seen[0].X[:, 0], x.cast(pa.float64()).to_numpy())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (np.array(["no", "yes"]), ["no", "yes"]),
        (np.array([False, True]), [False, True]),
        (np.array([3, 7], np.int16), [3, 7]),
        (np.array([1.0, 2.0]), [1, 2]),
    ],
    ids=str,
)
def test_types_of_classes(name, values, classes, fit):
    save(name, y=values[DATA["y"]])
    model = fit(name, *LOGISTIC)
    assert model.classes_.tolist() == classes
    assert [*map(type, model.classes_.tolist())] == [*map(type, classes)]
    assert model.coef_[0, 0] > 0.5  # the second class is the one predicted


@pytest.mark.parametrize(
    ("labels", "classes"), [(["b", "a", "none"], ["a", "b"]), ([7, 3, 5], [3, 7])], ids=str
)
def test_categories(labels, classes, fit, streamed):
    column = pa.DictionaryArray.from_arrays(pa.array(DATA["y"], pa.int8()), pa.array(labels))
    table = table_of().set_column(5, "y", column)
    parquet.write_table(table, "data.parquet")
    feather.write_feather(table, "data.feather")
    for name in ("data.parquet", "data.feather"):
        model = fit(name, *LOGISTIC)
        assert model.classes_.tolist() == classes
        assert model.coef_[0, 0] < -0.5  # the first label stands for 0 and is the second in order
    streamed()
    np.testing.assert_allclose(fit("data.feather", *LOGISTIC).coef_, model.coef_, atol=1e-3)


def test_losses_say_what_the_target_is(fit):
    save("data.parquet", share=np.clip(DATA["t"], 0, 1))
    assert isinstance(fit("data.parquet", *LOGISTIC), LinearClassifier)
    assert isinstance(fit("data.parquet", *HUBER), LinearRegressor)
    arguments = ["data.parquet", "--target", "y", *FEATURES, "--loss", "huber"]
    assert isinstance(fit(*arguments), LinearRegressor)
    assert isinstance(fit(*arguments, "--classifier"), LinearClassifier)
    arguments = ["data.parquet", "--target", "share", *FEATURES, "--loss", "logistic"]
    assert isinstance(fit(*arguments, "--regressor"), LinearRegressor)


def test_what_is_printed(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    save("data.parquet")
    status, out, err = command("fit", "data.parquet", *LOGISTIC, "--out", "model.json")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    shown = dict(line.split(maxsplit=1) for line in lines[:3])
    assert shown == {"loss": "logistic", "samples": "3,000", "features": "4"}
    assert lines[3].split("  ")[0] == "nonzero coefficients"
    table = [line.split() for line in lines[10:]]
    assert [row[0] for row in table] == ["x1", "x0", "age", "x2", "(intercept)"]
    model = load("model.json")
    assert float(table[0][1]) == pytest.approx(model.coef_[0, 1], rel=1e-6)


def test_a_fit_that_does_not_end_says_so(command):
    save("data.parquet")
    status, _, err = command("fit", "data.parquet", *LOGISTIC, "--solver", "fista", "--max-iter",
                             "2", "--out", "m.json")  # fmt: skip
    assert status == 0
    assert err.startswith("fastloss: the fit ended before it met tol=0.0001: max_iter=2 iterations")
    assert load("m.json").n_iter_ == 2


# ---- what is predicted -------------------------------------------------------------------------


@pytest.fixture
def models(command):
    """Models of two classes, three, numbers, and a loss without probabilities."""
    save("data.parquet")
    for name, options in {
        "two": LOGISTIC,
        "three": ["--target", "colour", "--loss", "logistic", *FEATURES],
        "numbers": HUBER,
        "hinge": ["--target", "y", "--loss", "squared_hinge", *FEATURES],
    }.items():
        assert command("fit", "data.parquet", *options, "--out", f"{name}.json")[0] == 0
    return {name: load(f"{name}.json") for name in ("two", "three", "numbers", "hinge")}


def test_predictions(models, predict):
    source = table_of()
    for model in models.values():
        del model.feature_names_in_
    found = predict("two.json", "data.parquet")
    assert found.column_names == [*source.column_names, "probability", "predicted"]
    assert found.select(source.column_names).equals(source)
    np.testing.assert_array_equal(found["probability"], models["two"].predict_proba(X)[:, 1])
    np.testing.assert_array_equal(found["predicted"], models["two"].predict(X))
    found = predict("three.json", "data.parquet", "--columns", "id")
    names = [f"probability_{label}" for label in ("blue", "green", "red")]
    assert found.column_names == ["id", *names, "predicted"]
    for k, name in enumerate(names):
        np.testing.assert_array_equal(found[name], models["three"].predict_proba(X)[:, k])
    assert found["predicted"].to_pylist() == models["three"].predict(X).tolist()
    found = predict("numbers.json", "data.parquet", "--columns", "")
    assert found.column_names == ["prediction"]
    np.testing.assert_array_equal(found["prediction"], models["numbers"].predict(X))
    found = predict("hinge.json", "data.parquet", "--columns", "x*")
    assert found.column_names == ["x0", "x1", "x2", "score", "predicted"]
    np.testing.assert_array_equal(found["score"], models["hinge"].decision_function(X))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", KINDS)
def test_predictions_of_all_kinds_of_files(name, predict):
    expected = predict("two.json", "data.parquet")
    if name != "data.parquet":
        save(name)
        assert predict("two.json", name).equals(expected)
        assert predict("two.json", "data.parquet", name).num_rows == 6000


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("out", ["o.parquet", "o.pq", "o.feather", "o.arrow", "o.ipc", "o.csv"])
def test_kinds_of_output(out, command, predict):
    expected = predict("two.json", "data.parquet")
    assert command("predict", "two.json", "data.parquet", "--out", out) == (0, "", "")
    read = {"q": parquet.read_table, "v": pa_csv.read_csv}
    read["t"] = parquet.read_table if out.endswith("parquet") else feather.read_table
    assert read.get(out[-1], feather.read_table)(out).equals(expected)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("out", ["out.parquet", "out.feather", "out.csv"])
def test_score_reads_what_predict_writes(out, command, scores):
    assert command("predict", "two.json", "data.parquet", "--out", out)[0] == 0
    found = scores(out, "--y-true", "y", "--y-pred", "probability", "--loss", "log_loss")
    model = load("two.json")
    del model.feature_names_in_
    p = model.predict_proba(X)[np.arange(3000), DATA["y"]]
    assert found["log_loss"] == pytest.approx(-np.log(p).mean(), rel=1e-12)
    assert found["count"] == 3000
    assert command("predict", "numbers.json", "data.parquet", "--out", out)[0] == 0
    found = scores(out, "--y-true", "t", "--y-pred", "prediction", "--loss", "mae")
    assert found["mae"] > 0.5


@pytest.mark.usefixtures("models")
def test_columns_are_found_by_name(predict, failure):
    expected = predict("two.json", "data.parquet", "--columns", "id,y")
    table = table_of()
    parquet.write_table(table.select(table.column_names[::-1]), "data.parquet")
    found = predict("two.json", "data.parquet", "--columns", "id,y")
    assert found.select(expected.column_names).equals(expected)
    parquet.write_table(table.drop_columns(["x1", "age"]), "data.parquet")
    message = failure("predict", "two.json", "data.parquet", "--out", "o.parquet")
    assert message == "data.parquet: the model's features x1, age are not there"


@pytest.mark.usefixtures("models")
def test_other_types_of_columns_are_kept(predict):
    extra = {
        "when": pa.array(np.arange(3000) * 10**9, pa.timestamp("ns")),
        "list": pa.array([[1, 2]] * 3000),
        "gaps": pa.array([None, 1] * 1500),
    }
    table = table_of(**extra)
    category = pa.DictionaryArray.from_arrays(pa.array(DATA["y"], pa.int8()), pa.array(["b", "a"]))
    parquet.write_table(table.append_column("category", category), "data.parquet")
    found = predict("two.json", "data.parquet")
    assert found.select(table.column_names).equals(table)
    assert found["category"].to_pylist() == category.to_pylist()


@pytest.mark.usefixtures("models")
def test_columns_of_several_files_get_the_types_of_the_first(predict, failure):
    save("wide.parquet", n=np.arange(3000))
    save("short.parquet", n=np.arange(3000).astype(np.int8) * 0)
    save("text.parquet", n=DATA["id"])
    found = predict("two.json", "wide.parquet", "short.parquet")
    assert found.schema.field("n").type == pa.int64()
    arguments = ["predict", "two.json", "wide.parquet", "text.parquet", "--out", "o.parquet"]
    message = failure(*arguments)
    assert message == (
        "text.parquet: column 'n' holds string, which is not int64, as in the first file"
    )
    assert failure("predict", "two.json", "wide.parquet", "data.parquet", "--out", "o.parquet") == (
        "data.parquet: columns n is not there"
    )
    assert not Path("o.parquet").exists()


@pytest.mark.usefixtures("models")
def test_no_rows(predict, failure):
    parquet.write_table(table_of().slice(0, 0), "none.parquet")
    found = predict("two.json", "none.parquet")
    assert found.num_rows == 0 and found.column_names[-2:] == ["probability", "predicted"]
    message = failure("fit", "none.parquet", *LOGISTIC, "--out", "m.json")
    assert message == "none.parquet: there are no rows"


def test_models_of_python(command, predict):
    import pandas as pd

    frame = pd.DataFrame(X, columns=NAMES)
    save("data.parquet")
    labels = np.column_stack([DATA["y"], DATA["t"] > 0]).astype(int)
    LinearClassifier().fit(frame, labels).save("labels.json")
    found = predict("labels.json", "data.parquet", "--columns", "id")
    assert found.column_names[1:] == [
        "probability_0", "probability_1", "predicted_0", "predicted_1",
    ]  # fmt: skip
    LinearRegressor().fit(frame, np.column_stack([DATA["t"], DATA["w"]])).save("two.json")
    found = predict("two.json", "data.parquet", "--columns", "id")
    assert found.column_names == ["id", "prediction_0", "prediction_1"]


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.parquet", *LOGISTIC], "none.parquet: no such file or directory"),
        (["data.npz", *LOGISTIC], "data.npz: not a file type that is read here (.csv, .tsv, "),
        (LOGISTIC, "Missing argument 'FILE...'."),
        (["data.parquet", "--loss", "mse"], "Missing option '--target'."),
        (["data.parquet", "--target", "y"], "Missing option '--loss'."),
        (["data.parquet", *LOGISTIC, "--target", "t"], "--target is given 2 times"),
        (
            ["data.parquet", "--target", "yy", "--loss", "mse"],
            "data.parquet: no column 'yy'; did you mean: y",
        ),
        (["data.parquet", *LOGISTIC, "--weight", "q"], "data.parquet: no column 'q'; the columns"),
        (
            ["data.parquet", "--target", "y", "--loss", "mse", "--features", "x*,z*"],
            "--features z*: data.parquet has no such column; its columns are: id, x0, x1, x2, age,",
        ),
        (
            ["data.parquet", "--target", "y", "--loss", "mse", "--features", "y"],
            "data.parquet: there is no column of numbers beside target and weight",
        ),
        (
            ["data.parquet", "--target", "y", "--loss", "mse", "--features", "x0,colour"],
            "data.parquet: column 'colour' holds string, not numbers",
        ),
        (
            ["data.csv", "--target", "y", "--loss", "mse", "--features", "x0,colour"],
            f"data.csv: row 1: column 'colour' holds '{DATA['colour'][0]}', not a number",
        ),
        (["data.parquet", *LOGISTIC, "--weight", "id"], "data.parquet: column 'id' holds string"),
        (["data.parquet", *LOGISTIC, "--loss", "logistc"], "--loss is given 2 times"),
        (["data.parquet", "--target", "y", "--loss", "logistc"], "--loss logistc: unknown loss"),
        (
            ["data.parquet", "--target", "y", "--loss", "log_loss"],
            "the fit failed: predictions of linear models may be any numbers",
        ),
        (
            ["data.parquet", "--target", "colour", "--loss", "poisson", *FEATURES],
            "the fit failed: Poisson() is not a loss of classes",
        ),
        (
            ["data.parquet", "--target", "colour", "--loss", "mse", "--regressor", *FEATURES],
            "--regressor: column 'colour' holds classes, not numbers",
        ),
        (
            ["data.parquet", "--target", "t", "--loss", "logistic", *FEATURES],
            f"data.parquet: row 1: column 't' = {DATA['t'][0]:.15g} is not a class",
        ),
        (
            ["data.parquet", "--target", "t", "--loss", "poisson", *FEATURES],
            f"data.parquet: row {np.flatnonzero(DATA['t'] < 0)[0] + 1}: column 't' = -",
        ),
        (["data.parquet", *LOGISTIC, "--penalty", "l3"], "--penalty must be None, one of 'l2'"),
        (["data.parquet", *LOGISTIC, "--solver", "best"], "--solver must be one of 'auto'"),
        (["data.parquet", *LOGISTIC, "--batch-size", "x"], "--batch-size must be"),
        (["data.parquet", *LOGISTIC, "--alpha", "-1"], "Invalid value for '--alpha'"),
        (
            ["data.parquet", *LOGISTIC, "--penalty", "l1", "--solver", "lbfgs"],
            "the fit failed: solver='lbfgs' needs a penalty with a gradient",
        ),
        (["data.parquet", *HUBER, "--class-weight", "balanced"], "--class-weight is for class"),
    ],
)
def test_wrong_arguments_of_fit(arguments, message, failure):
    save("data.parquet")
    save("data.csv")
    np.savez("data.npz", **DATA)
    assert failure("fit", *arguments, "--out", "m.json").startswith(message)
    assert not Path("m.json").exists()


@pytest.mark.parametrize(("out", "message"), [
    ("none/m.json", "--out none/m.json: no such file or directory"),
    (".", "--out .: this is a directory"),
    ("./data.parquet", "--out data.parquet: this is one of the files to read"),
])  # fmt: skip
@pytest.mark.parametrize("subcommand", ["fit", "predict"])
def test_where_nothing_can_be_written(subcommand, out, message, failure):
    save("data.parquet")
    LinearRegressor().fit(X, DATA["t"]).save("m.json")
    before = Path("data.parquet").read_bytes()
    arguments = LOGISTIC
    if subcommand == "predict":
        import pandas as pd

        LinearRegressor().fit(pd.DataFrame(X, columns=NAMES), DATA["t"]).save("m.json")
        out, message = (text.replace("m.json", "o.csv") for text in (out, message))
        arguments = []
        if out == ".":
            return
    model = ["m.json"] if subcommand == "predict" else []
    assert failure(subcommand, *model, "data.parquet", *arguments, "--out", out) == message
    assert Path("data.parquet").read_bytes() == before


@pytest.mark.parametrize("name", ["data.parquet", "data.csv", "data.feather"])
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x1", np.nan, "row 2001: column 'x1' is missing or NaN"),
        ("x1", None, "row 2001: column 'x1' is missing or NaN"),
        ("x1", np.inf, "row 2001: column 'x1' = inf is not finite"),
        ("y", None, "row 2001: column 'y' is missing or NaN"),
        ("colour", None, "row 2001: column 'colour' is missing or NaN"),
        ("w", -1.0, "row 2001: column 'w' = -1 is not in [0, inf)"),
        ("w", None, "row 2001: column 'w' is missing or NaN"),
    ],
)
def test_values_that_are_refused(name, column, value, message, failure):
    values = DATA[column].tolist()
    values[2000] = value
    save("good.parquet")
    save(name, **{column: values})
    target = "colour" if column == "colour" else "y"
    arguments = ["--target", target, "--loss", "logistic", "--weight", "w", *FEATURES]
    found = failure("fit", "good.parquet", name, *arguments, "--out", "m.json")
    assert found == f"{name}: {message}"
    assert sorted(os.listdir()) == sorted([name, "good.parquet"])


def test_files_that_do_not_go_together(failure):
    save("data.parquet")
    parquet.write_table(table_of().drop_columns(["x0", "x2"]), "less.parquet")
    save("text.parquet", y=DATA["id"], x0=DATA["id"])
    start = ["fit", "data.parquet"]
    end = [*LOGISTIC, "--out", "m.json"]
    message = failure(*start, "less.parquet", *end)
    assert message == "less.parquet: features x0, x2 are not there"
    message = failure(*start, "text.parquet", *end)
    assert message == "text.parquet: column 'x0' holds string, not numbers"
    end[end.index("x*,age")] = "x1,age"
    message = failure(*start, "text.parquet", *end)
    assert message == "text.parquet: column 'y' holds string, where data.parquet has int64"


def test_one_class(failure):
    save("data.parquet", y=np.zeros(3000))
    assert "y must have at least two classes" in failure(
        "fit", "data.parquet", *LOGISTIC, "--out", "m.json"
    )

    save("data.parquet", y=np.full(3000, "x"))
    assert "column 'y' holds one class, ['x']" in failure(
        "fit", "data.parquet", *LOGISTIC, "--out", "m.json"
    )


def test_classes_that_are_large_numbers(fit, failure):
    save("data.parquet", y=np.array([5, 2**63 + 5], np.uint64)[DATA["y"]])
    assert fit("data.parquet", *LOGISTIC).classes_.tolist() == [5, 2**63 + 5]
    save("data.parquet", y=np.array([0, 2.0**53])[DATA["y"]])
    assert "too large for a class" in failure("fit", "data.parquet", *LOGISTIC, "--out", "m.json")


@pytest.mark.usefixtures("models")
def test_wrong_arguments_of_predict(failure):
    out = ["--out", "o.parquet"]
    LinearRegressor().fit(X, DATA["t"]).save("nameless.json")
    Path("no.json").write_text("{}")
    save("text.parquet", x1=DATA["id"])
    save("taken.parquet", predicted=DATA["id"])
    for arguments, message in [
        (["gone.json", "data.parquet"], "gone.json: no such file or directory"),
        (
            ["no.json", "data.parquet"],
            "'no.json' is not a saved linear model, or is damaged: its f",
        ),
        (
            ["nameless.json", "data.parquet"],
            "nameless.json: the model has 4 features without names",
        ),
        (["two.json"], "Missing argument 'FILE...'."),
        (["two.json", "gone.csv"], "gone.csv: no such file or directory"),
        (["two.json", "text.parquet"], "text.parquet: column 'x1' holds string, not numbers"),
        (["two.json", "taken.parquet"], "taken.parquet: there is a column 'predicted', as one of"),
        (["two.json", "data.parquet", "--columns", "q"], "--columns q: data.parquet has no such"),
    ]:
        assert failure("predict", *arguments, *out).startswith(message)
        assert not Path("o.parquet").exists()
    message = failure("predict", "two.json", "data.parquet", "--out", "o.xlsx")
    assert message.startswith("--out o.xlsx: not a file type that is written here (.parquet,")
    message = failure("predict", "two.json", "data.parquet", "--out", "two.json")
    assert message.startswith("--out two.json: not a file type")
    parquet.write_table(table_of(list=[[1]] * 3000), "list.parquet")
    message = failure("predict", "two.json", "list.parquet", "--out", "o.csv")
    assert message.startswith("--out o.csv: ")
    assert not Path("o.csv").exists()


# ---- whole or not at all -----------------------------------------------------------------------


@pytest.mark.usefixtures("models")
def test_a_failure_leaves_what_was_there(failure, command):
    values = DATA["x1"].copy()
    values[-1] = np.nan
    save("late.csv", x1=values)
    for arguments, out in [
        (["fit", "data.parquet", "late.csv", *LOGISTIC], "two.json"),
        (["predict", "three.json", "data.parquet", "late.csv"], "out.parquet"),
    ]:
        Path("out.parquet").write_text("before")
        before = Path(out).read_bytes()
        names = sorted(os.listdir())
        assert "row 3000: column 'x1' is missing" in failure(*arguments, "--out", out)
        assert Path(out).read_bytes() == before
        assert sorted(os.listdir()) == names


@pytest.mark.parametrize(("number", "status", "said"), [
    (signal.SIGINT, 130, "fastloss: interrupted\n"), (signal.SIGTERM, 143, ""),
])  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.usefixtures("models")
def test_a_command_that_is_stopped_leaves_nothing(number, status, said):
    files = ["data.parquet"] * 3000
    command = [*FASTLOSS, "predict", "two.json", *files, "--out", "out.parquet"]
    names = {*os.listdir()}
    # a process started in the background would inherit that SIGINT is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any(Path(name).stat().st_size > 10_000 for name in {*os.listdir()} - names):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (status, "", said)
    assert {*os.listdir()} == names


def test_a_model_is_json(fit):
    save("data.parquet")
    fit("data.parquet", *LOGISTIC)
    document = json.loads(Path("model.json").read_text())
    assert document["features"] == NAMES
    assert document["loss"] == "logistic"


def test_help_is_short_of_imports():
    code = (
        "import sys; from fastloss.cli import run; run(['fit', '--help']); run(['predict', '-h']);"
        "assert not {'pyarrow', 'rich', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_missing_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None; from fastloss.__main__ import main; main()"
    arguments = ["predict", "m.json", "data.parquet", "--out", "o.parquet"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.stderr == "fastloss: this command needs sklearn: pip install 'fastloss[sklearn]'\n"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.usefixtures("models")
def test_a_command_that_is_stopped_while_it_compiles_leaves_nothing(tmp_path):
    """A compiler that never ends stands for one that takes its time."""
    slow, cache = tmp_path / "slow", tmp_path / "cache"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    Path("own.toml").write_text('[slow_loss]\nformula = "(z - y)**2 + 1"\n')
    arguments = ["score", "data.parquet", "--y-true", "t", "--y-pred", "x1", "--loss", "slow_loss"]
    process = subprocess.Popen(
        [*FASTLOSS, *arguments, "--define", "own.toml"],
        env=os.environ | {"FASTLOSS_CACHE": str(cache), "CC": str(slow)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (cache.exists() and [*cache.glob("build-*/loss.c")]):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (143, "", "")
    assert [*cache.iterdir()] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs users")
def test_what_cannot_be_written_is_known_before(command, tmp_path, monkeypatch):
    """Root may write everywhere: the system's answer is a user's here."""
    save("data.parquet")
    os.mkdir("folder")
    Path("m.json").write_text("before")
    allowed = os.access
    for refused, out in (("folder", "folder/m.json"), ("m.json", "m.json")):
        path = os.path.realpath(refused)
        monkeypatch.setattr(
            os, "access", lambda name, mode, path=path: name != path and allowed(name, mode)
        )
        monkeypatch.setattr(
            fit_command, "_columns", lambda *arguments: pytest.fail("it began to read")
        )
        status, printed, told = command("fit", "data.parquet", *LOGISTIC, "--out", out)
        assert (status, printed, told) == (2, "", f"fastloss: --out {out}: permission denied\n")
    assert Path("m.json").read_text() == "before"
