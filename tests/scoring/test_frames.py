"""Frames are scored by the names of their columns, as the arrays in them would be."""

import datetime as dt
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import fastloss as fl
from fastloss.scoring import frames

pa = pytest.importorskip("pyarrow", reason="frames are read through it; CI installs it")

LOSSES = ["mse", "mae", fl.Huber(delta=0.3)]
ROLES = {"y_true": "y", "y_pred": "p", "sample_weight": "w"}


def columns(n=1000):
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, n))
    region = np.array(["north", "south", "west", None], object)[rng.integers(0, 4, n)]
    return {"y": y, "p": p, "w": rng.uniform(0.1, 2, n), "region": region,
            "device": rng.integers(0, 3, n)}  # fmt: skip


def polars_frame(data):
    pl = pytest.importorskip("polars", reason="its frames are scored too; CI installs it")
    return pl.from_arrow(pa.table(data))


def duckdb_relation(data):
    duckdb = pytest.importorskip("duckdb", reason="its relations are scored too; CI installs it")
    return duckdb.from_arrow(pa.table(data))


def in_chunks(data):
    table = pa.table(data)
    return pa.concat_tables([table.slice(0, 1), table.slice(1, 400), table.slice(401)])


class Stream:
    """Nothing but the interface."""

    def __init__(self, data):
        self.table = pa.table(data)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas of Arrow": lambda data: pa.table(data).to_pandas(types_mapper=pd.ArrowDtype),
    "Table": pa.table,
    "Table in chunks": in_chunks,
    "RecordBatch": pa.record_batch,
    "RecordBatchReader": lambda data: in_chunks(data).to_reader(),
    "polars": polars_frame,
    "DuckDB": duckdb_relation,
    "another": Stream,
}


def assert_same(got, want):
    assert (got.names, got.groups, got.count) == (want.names, want.groups, want.count)
    np.testing.assert_allclose(got.values, want.values, rtol=1e-13)
    np.testing.assert_allclose(got.group_values, want.group_values, rtol=1e-13)
    np.testing.assert_array_equal(got.group_counts, want.group_counts)


@pytest.fixture(params=[5, 300, frames.ROWS], ids="parts of {} rows".format)
def rows(request, monkeypatch):
    monkeypatch.setattr(frames, "ROWS", request.param)


@pytest.mark.parametrize(
    "by", [None, "region", "device", ["region"], ["region", "device"]], ids=str
)
@pytest.mark.parametrize("kind", FRAMES)
def test_the_scores_of_a_frame_are_those_of_its_columns(kind, by, rows):
    data = columns()
    groups = data[by] if isinstance(by, str) else by and {name: data[name] for name in by}
    want = fl.score(data["y"], data["p"], LOSSES, sample_weight=data["w"], groups=groups)
    assert_same(fl.score(FRAMES[kind](data), LOSSES, **ROLES, by=by), want)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_parts_come_in_order_on_any_number_of_threads(threads, monkeypatch):
    monkeypatch.setattr(frames, "ROWS", 7)
    with fl.num_threads(threads):
        found = list(frames.parts(pa.table(columns(100)), "y", "p"))
    np.testing.assert_array_equal(
        np.concatenate([part["y_true"] for part in found]), columns(100)["y"]
    )


def test_small_batches_are_put_together(monkeypatch):
    monkeypatch.setattr(frames, "ROWS", 10)
    data = columns(24)
    batches = pa.Table.from_batches(pa.table(data).to_batches(max_chunksize=4))
    assert [len(part["y_pred"]) for part in frames.parts(batches, "y", "p")] == [8, 8, 8]


@pytest.mark.parametrize("kind", ["pandas", "Table", "polars"])
def test_numbers_are_not_copied(kind):
    frame = FRAMES[kind]({"y": np.arange(50.0), "p": np.arange(50, dtype=np.float32)})
    (part,), (again,) = (list(frames.parts(frame, "y", "p")) for _ in range(2))
    assert part["y_pred"].dtype == np.float32
    for role in ("y_true", "y_pred"):
        assert np.shares_memory(part[role], again[role])


# ---- kinds of columns --------------------------------------------------------------------------

NUMBERS = {
    "float32": pa.array([1.5, None, 3], pa.float32()),
    "float16": pa.array([1.5, None, 3], pa.float16()),
    "integers": pa.array([1, None, 3], pa.int8()),
    "unsigned": pa.array([1, None, 3], pa.uint64()),
    "bools": pa.array([True, None, False]),
    "decimals": pa.array([Decimal("1.5"), None, Decimal("-3")]),
    "a dictionary": pa.array([1.5, None, 1.5]).dictionary_encode(),
    "nothing": pa.nulls(3),
}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_kind_and_gaps_are_nan(kind, whole):
    column = NUMBERS[kind].drop_null() if whole else NUMBERS[kind]
    want = np.array([np.nan if x is None else float(x) for x in column.to_pylist()])
    for frame in (pa.table({"x": column}), pa.table({"x": column}).to_pandas(),
                  pa.table({"x": column}).to_pandas(types_mapper=pd.ArrowDtype)):  # fmt: skip
        part = next(frames.parts(frame, "x", "x"), {"y_true": np.array([]), "y_pred": np.array([])})
        for role in ("y_true", "y_pred"):
            np.testing.assert_array_equal(part[role].astype(float), want)


@pytest.mark.parametrize("make", [
    pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 2),
    pa.list_view(pa.float64()),
], ids=str)  # fmt: skip
def test_lists_are_rows(make):
    table = pa.table({"y": [1, 0, 1, 1], "p": pa.array([[9, 9], [0, 1], None, [2, 5]], make)})[1:]
    (part,) = frames.parts(table, "y", "p")
    np.testing.assert_array_equal(part["y_pred"], [[0, 1], [np.nan, np.nan], [2, 5]])
    assert part["y_pred"].dtype == (np.float32 if "float" in str(make) else np.float64)
    got = fl.score(table, "softmax_cross_entropy", y_true="y", y_pred="p", nan_policy="omit")
    want = fl.SoftmaxCrossEntropy()([0, 1], [[0.0, 1.0], [2.0, 5.0]])
    assert got.values[0] == pytest.approx(want, rel=1e-6)
    if "view" not in str(make):  # these do not come through as lists
        (part,) = frames.parts(table.to_pandas(), "y", "p")
        np.testing.assert_array_equal(part["y_pred"], [[0, 1], [np.nan, np.nan], [2, 5]])


def test_several_columns_are_rows():
    rng = np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(3), 40), rng.integers(0, 3, 40)
    want = fl.score(y, p, "cross_entropy", groups=y)
    data = {"y": y, **{f"p{k}": p[:, k] for k in range(3)}}
    for kind in ("pandas", "Table", "polars"):
        frame = FRAMES[kind](data)
        got = fl.score(frame, "cross_entropy", y_true="y", y_pred=["p0", "p1", "p2"], by="y")
        assert_same(got, want)


def test_labels_of_classes_may_be_texts():
    y = np.array(["cat", "dog", "cat"], object)
    logits = np.array([[1.0, 2.0], [0.5, 0.0], [3.0, 1.0]])
    loss = fl.SoftmaxCrossEntropy(classes=("cat", "dog"))
    for column in (pa.array(y), pa.array(y).dictionary_encode(), pa.array(y, pa.string_view())):
        table = pa.table({"y": column, "p": logits.tolist()})
        for frame in (table, polars_frame(table)):
            got = fl.score(frame, loss, y_true="y", y_pred="p")[loss]
            assert got == pytest.approx(loss(y, logits), rel=1e-13)
    frame = pd.DataFrame({"y": pd.Categorical(y), "a": logits[:, 0], "b": logits[:, 1]})
    got = fl.score(frame, loss, y_true="y", y_pred=["a", "b"])[loss]
    assert got == pytest.approx(loss(y, logits), rel=1e-13)


def test_groups_keep_their_order_and_their_types_across_parts(monkeypatch):
    monkeypatch.setattr(frames, "ROWS", 2)
    days = [dt.date(2026, 2, 1), None, dt.date(2026, 1, 31), None]
    frame = pd.DataFrame({
        "x": np.zeros(4), "day": days,
        "size": pd.Categorical(["s", "l", "m", "l"], ["s", "m", "l"], ordered=True),
    })  # fmt: skip
    for table in (frame, pa.Table.from_pandas(frame)):
        sizes, times = (
            fl.score(table, "mae", y_true="x", y_pred="x", by=by) for by in ("size", "day")
        )
        assert sizes.groups == ("s", "m", "l")
        assert times.groups == (days[2], days[0], "(missing)")


def test_columns_that_are_no_strings_go_by_their_names_in_arrow():
    frame = pd.DataFrame(np.ones((3, 2)))
    assert fl.score(frame, "mae", y_true="0", y_pred="1").count == 3


# ---- errors ------------------------------------------------------------------------------------

TABLE = pa.table({
    "y": [1.0, 2.0], "p": [1.0, 2.0], "pred_b": [1.0, 2.0], "s": ["a", "b"],
    "ragged": [[1.0], [1.0, 2.0]], "time": [dt.datetime(2026, 1, 1)] * 2,
    "many": [{"a": 1}, {"a": 2}],
})  # fmt: skip


@pytest.mark.parametrize(
    "frame", [TABLE, TABLE.to_pandas(), TABLE.to_reader], ids=["table", "pandas", "reader"]
)
@pytest.mark.parametrize(("change", "error", "text"), [
    ({"y_pred": "pred_a"}, ValueError, "no column 'pred_a'; did you mean: pred_b"),
    ({"by": ["s", "zzz"]}, ValueError, "no column 'zzz'; the columns are: y, p, pred_b, s"),
    ({"y_pred": "s"}, TypeError, "column 's' holds .*string, not numbers"),
    ({"sample_weight": "time"}, TypeError, "column 'time' holds timestamp.*, not numbers"),
    ({"y_pred": "ragged"}, ValueError, "column 'ragged' holds lists of 1 and of 2 numbers"),
    ({"y_true": "many"}, TypeError, "column 'many' holds struct.*, not numbers"),
    ({"by": "ragged"}, TypeError, r"groups\['ragged'\] must hold numbers, texts"),
    ({"y_true": np.ones(2)}, TypeError, "y_true must be the name of a column; got array"),
    ({"y_pred": []}, TypeError, r"y_pred must be the name of a column or a list .*; got \[\]"),
    ({"sample_weight": ["y"]}, TypeError, "sample_weight must be the name of a column; got"),
    ({"by": [1]}, TypeError, r"by must be the name of a column or a list of names; got \[1\]"),
    ({"groups": ["a", "b"]}, TypeError, "groups is for arrays; of a frame pass by="),
])  # fmt: skip
def test_what_is_wrong_with_columns_is_told(frame, change, error, text):
    frame = frame() if callable(frame) else frame
    with pytest.raises(error, match=text):
        fl.score(frame, "mse", **{"y_true": "y", "y_pred": "p"} | change)


def test_a_full_dictionary_with_gaps_is_a_column_of_groups():
    codes = pa.array([0, 127, None], pa.int8())
    groups = pa.DictionaryArray.from_arrays(codes, pa.array([f"x{i}" for i in range(128)]))
    table = pa.table({"y": [0.0] * 3, "p": [1.0, 2.0, 3.0], "g": groups})
    scores = fl.score(table, "mae", y_true="y", y_pred="p", by="g")
    assert scores.groups == ("x0", "x127", "(missing)")


def test_sparse_columns_of_pandas_are_to_be_made_dense():
    frame = pd.DataFrame({"y": [1.0, 0.0], "p": pd.arrays.SparseArray([0.5, 0.25])})
    with pytest.raises(TypeError, match=r"'p' is sparse; .* as frame\['p'\].sparse.to_dense"):
        fl.score(frame, "mae", y_true="y", y_pred="p")
    frame["p"] = frame["p"].sparse.to_dense()
    assert fl.score(frame, "mae", y_true="y", y_pred="p")["mae"] == 0.375


@pytest.mark.parametrize("rows", [[None, None], [[], None], [[], []]], ids=str)
def test_rows_of_no_known_length_are_told(rows):
    table = pa.table({"y": [0, 1], "p": pa.array(rows, pa.list_(pa.float64()))})
    for frame in (table, table.to_pandas(types_mapper=pd.ArrowDtype)):
        with pytest.raises(ValueError, match="'p' holds no numbers in 2 rows, so that it is not"):
            fl.score(frame, "cross_entropy", y_true="y", y_pred="p")


def test_missing_rows_of_a_known_length_are_nan():
    lists = pa.array([None, None], pa.list_(pa.float64(), 2))
    table = pa.table({"y": [0, 1], "p": lists})
    assert np.isnan(fl.score(table, "cross_entropy", y_true="y", y_pred="p").values[0])


@pytest.mark.parametrize("role", ["by", "cluster"])
def test_a_column_is_named_once_among_keys(role):
    options = {"y_true": "y", "y_pred": "p", "stderr": True, role: ["s", "s"]}
    with pytest.raises(ValueError, match=f"{role} names a column twice: s, s"):
        fl.score(TABLE, "mse", **options)


@pytest.mark.parametrize("kind", ["pandas", "Table in chunks", "polars"])
def test_errors_say_where_in_the_frame_a_value_is(kind, monkeypatch):
    monkeypatch.setattr(frames, "ROWS", 100)
    data = {"y": np.zeros(1000), "p": np.full(1000, 0.5), "q": np.full(1000, 0.5)}
    data["q"][731] = 1.5
    data["y"][998] = np.nan
    frame = FRAMES[kind](data)
    with pytest.raises(
        fl.losses.DomainError, match=r"y_pred\[731\] = 1.5 is not in \[0, 1\]"
    ) as got:
        fl.score(frame, "log_loss", y_true="y", y_pred="q")
    assert (got.value.index, got.value.value) == ((731,), 1.5)
    with pytest.raises(fl.losses.DomainError, match=r"y_pred\[731, 1\] = 1.5"):
        fl.score(frame, "cross_entropy", y_true="y", y_pred=["p", "q"])
    with pytest.raises(fl.losses.DomainError, match=r"y_true\[998\] = nan is not a number"):
        fl.score(frame, "mae", y_true="y", y_pred="p", nan_policy="raise")
    with pytest.raises(fl.losses.DomainError, match=r"y_preds\['q'\]\[731\] = 1.5"):
        fl.compare(frame, ["p", "q"], "log_loss", y_true="y")


@pytest.mark.parametrize(("arguments", "given", "text"), [
    ((TABLE, "mse"), {}, "got no losses"),
    ((TABLE, "mse"), {"y_true": "y"}, "got no y_pred"),
    ((TABLE,), {"y_true": "y", "y_pred": "p"}, "got no losses"),
    ((TABLE, "mse"), {"losses": "mse", "y_true": "y", "y_pred": "p"}, "got losses twice"),
    ((TABLE, "p", "mse"), {"y_true": "y", "y_pred": "p"}, "got too many arguments"),
    (([1.0], [1.0], "mse", [1.0]), {}, "got too many arguments"),
    (([1.0], [1.0], "mse"), {"y_pred": [1.0]}, "got y_pred twice"),
    (([1.0], [1.0], "mse"), {"by": ["a"]}, "for arrays pass groups="),
    (({"y": [1.0]}, "mse"), {"y_true": "y", "y_pred": "y"}, "Arrow C stream interface.*got dict"),
    ((np.ones(3), "mse"), {"y_true": "y", "y_pred": "y"}, "got ndarray"),
])  # fmt: skip
def test_arrays_and_frames_are_not_mixed_up(arguments, given, text):
    with pytest.raises(TypeError, match=text):
        fl.score(*arguments, **given)


def test_arrays_may_be_given_by_name():
    want = fl.score([1.0], [2.0], "mse").values
    assert fl.score(y_true=[1.0], y_pred=[2.0], losses="mse").values == want
    assert fl.score([1.0], y_pred=[2.0], losses="mse").values == want
    assert fl.score([1.0], [2.0], losses="mse").values == want
    assert fl.score(pd.DataFrame([1.0]), pd.DataFrame([2.0]), "mse").values == want
    assert (
        fl.score(
            pd.DataFrame({"a": [1.0], "b": [2.0]}), y_true="a", y_pred="b", losses="mse"
        ).values
        == want
    )


def test_objects_in_frames_of_polars_are_refused():
    pl = pytest.importorskip("polars", reason="its frames are scored too; CI installs it")
    frame = pl.DataFrame({"y": [1.0], "g": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(TypeError, match="column 'g' holds objects of Python"):
        fl.score(frame, "mse", y_true="y", y_pred="y", by="g")
    assert fl.score(frame, "mse", y_true="y", y_pred="y").count == 1


def test_lazy_frames_are_to_be_collected():
    lazy = polars_frame({"y": [1.0]}).lazy()
    with pytest.raises(TypeError, match=r"got LazyFrame; collect\(\) it"):
        fl.score(lazy, "mse", y_true="y", y_pred="y")


def test_columns_of_dask_are_not_gathered():
    dd = pytest.importorskip("dask.dataframe", reason="its columns lie elsewhere; CI installs it")
    frame = dd.from_pandas(pd.DataFrame({"y": [1.0, 2.0], "p": [1.0, 2.0]}), npartitions=2)
    for call in (
        lambda: fl.score(frame, "mse", y_true="y", y_pred="p"),
        lambda: fl.score(frame.y, frame.p, "mse"),
        lambda: fl.score([1.0, 2.0], [1.0, 2.0], "mse", groups=frame.y),
        lambda: fl.score([1.0, 2.0], [1.0, 2.0], "mse", sample_weight=frame.y),
    ):
        with pytest.raises(TypeError, match=r"fastloss\.dask\.score"):
            call()


def test_frames_of_spark_are_not_gathered():
    module = "pyspark.sql.classic.dataframe"
    spark = type("DataFrame", (), {"__module__": module})()
    with pytest.raises(TypeError, match=r"frame is a DataFrame of pyspark.*fastloss\.spark\.score"):
        fl.score(spark, "mse", y_true="y", y_pred="p")


def test_scoring_of_arrays_imports_no_library_of_frames():
    code = (
        "import sys, fastloss as fl\n"
        "fl.score([1.0, 2.0], [1.0, 2.0], 'mse', groups=[['a', None], [1, 2]])\n"
        "print(*{name.split('.')[0] for name in sys.modules} & {'pandas', 'polars', 'pyarrow'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.stdout.strip(), run.stderr) == ("", "")
