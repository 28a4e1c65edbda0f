"""Losses as expressions of polars: the loss's own numbers, in every context and engine."""

import math
import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl
from fastloss.losses.base import pointwise_names

pl = pytest.importorskip("polars", reason="fastloss.polars makes expressions of it")
pytest.importorskip("polars", minversion="2", reason="older ones do not tell dtypes to a plan")

from fastloss.polars import LossOfColumns, _Plan, loss  # noqa: E402  # it needs polars

N = 250_000  # rows of more than two batches of the streaming engine
rng = np.random.default_rng(0)
P = rng.uniform(0.01, 0.99, N)
Y = (rng.random(N) < P).astype(np.int8)
W = rng.integers(0, 4, N).astype(float)
GROUPS = rng.integers(0, 7, N)
FRAME = pl.DataFrame({"y": Y, "p": P, "w": W, "g": GROUPS})
FEW = FRAME.head(100)
LOGITS = rng.normal(size=(100, 3))
CLASSES = rng.integers(0, 3, 100)
ROWS = pl.DataFrame({"y": CLASSES, "z": LOGITS, "w": W[:100]}).with_columns(
    pl.col("z").arr.to_list().alias("list"), *(pl.Series(f"z{i}", LOGITS[:, i]) for i in range(3))
)


def values(frame, expression, engine="auto"):
    return frame.lazy().select(expression.alias("l")).collect(engine=engine)["l"].to_numpy()


@pytest.mark.parametrize("name", pointwise_names())
@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64])
def test_each_row_is_what_the_loss_gives(name, dtype):
    own = fl.get_loss(name)
    y, p = FEW["y"].to_numpy(), FEW["p"].to_numpy()
    if -1 in own.y_domain and 0 not in own.y_domain:
        y = 2.0 * y - 1
    elif 0 not in own.y_domain:
        y = y + 1
    p = p if own.z_domain.bounded else p - 0.5
    frame = FEW.with_columns(pl.Series("y", y, dtype), pl.Series("p", p, dtype))
    y, p, w = (frame[column].to_numpy() for column in "ypw")
    for weight in (None, w):
        columns = ("y", "p") if weight is None else ("y", "p", "w")
        found = frame.select(loss(name)(*columns))
        assert found.schema == frame.lazy().select(loss(name)(*columns)).collect_schema()
        assert found.columns == [own.spec] and found.dtypes == [dtype]
        expected = own(y, p, sample_weight=weight, reduction="none")
        np.testing.assert_array_equal(found[own.spec].to_numpy(), expected)
        for reduction in ("mean", "sum"):
            number = frame.select(loss(name)(*columns, reduction=reduction))
            assert number.dtypes == [pl.Float64]
            expected = own(y, p, sample_weight=weight, reduction=reduction)
            assert number.item() == pytest.approx(
                expected, rel=3e-7 if dtype == pl.Float32 else 1e-13
            )


def test_dtypes():
    dtypes = {
        pl.Float16: pl.Float32,
        pl.Float32: pl.Float32,
        pl.Float64: pl.Float64,
        pl.Int8: pl.Float64,
        pl.UInt64: pl.Float64,
        pl.Boolean: pl.Float64,
        pl.Decimal(10, 3): pl.Float64,
    }
    for given, expected in dtypes.items():
        frame = pl.DataFrame({"y": [0, 1, None], "p": pl.Series([1, 0, 1]).cast(given)})
        for y in ("y", pl.col("y").cast(pl.Boolean), pl.col("y").cast(pl.Decimal(5, 1))):
            found = frame.lazy().select(loss("mae")(y, "p"))
            assert found.collect_schema() == found.collect().schema == {"mae": expected}
            assert found.collect()["mae"].to_list() == [1, 1, None]


def test_names_parameters_and_losses():
    assert loss("huber", delta=2) == loss("huber:delta=2.0") == loss(fl.Huber(delta=2))
    assert loss("huber", delta=2) == LossOfColumns(fl.Huber(2.0))
    assert FEW.select(loss("huber", delta=2)("y", "p")).columns == ["huber:delta=2.0"]


# ---- engines and contexts ----------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_the_streaming_engine_runs_it_in_batches(reduction, weight, monkeypatch):
    sizes = []
    run = _Plan.values

    def counted(self, columns):
        sizes.append(len(columns[0]))
        return run(self, columns)

    monkeypatch.setattr(_Plan, "values", counted)
    expression = loss("log_loss")("y", pl.col("p"), weight, reduction=reduction)
    streamed = values(FRAME, expression, "streaming")
    assert len(sizes) > 1 and sum(sizes) == N  # each row once
    sizes.clear()
    np.testing.assert_allclose(streamed, values(FRAME, expression, "in-memory"), rtol=1e-13)
    assert sizes == [N]
    plan = FRAME.lazy().select(expression).explain(engine="streaming")
    assert "SELECT" in plan and "python_udf" in plan


def test_an_elementwise_expression_lets_filters_through():
    expression = loss("brier")("y", "p")
    query = FRAME.lazy().with_columns(expression).filter(pl.col("g") == 3)
    plan = query.explain()
    assert plan.index("FILTER") > plan.index("python_udf")  # which comes first, below
    found = query.collect()["brier"].to_numpy()
    own = GROUPS == 3
    np.testing.assert_array_equal(found, fl.Brier()(Y[own], P[own], reduction="none"))


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("name", ["log_loss", "rmse"])
def test_groups(engine, weight, name):
    expression = loss(name)("y", "p", weight, reduction="mean")
    w = None if weight is None else W
    scores = fl.score(Y, P, name, sample_weight=w, groups=GROUPS)
    found = FRAME.lazy().group_by("g").agg(expression).sort("g").collect(engine=engine)
    np.testing.assert_allclose(found[name].to_numpy(), scores.group_values[:, 0], rtol=1e-12)
    over = values(FRAME, expression.over("g"), engine)
    np.testing.assert_allclose(over, scores.group_values[GROUPS, 0], rtol=1e-12)


def test_the_mean_of_the_column_is_the_loss():
    found = FRAME.select(loss("log_loss")("y", "p").mean()).item()
    assert found == pytest.approx(fl.LogLoss()(Y, P), rel=1e-13)


def test_literals_and_expressions():
    y, p = FEW["y"].to_numpy(), FEW["p"].to_numpy()
    brier = fl.Brier()
    half = np.full(100, 0.5)
    for columns, expected in (
        (("y", 0.5), brier(y, half, reduction="none")),
        ((pl.lit(1), 1 - pl.col("p")), brier(np.ones(100), 1 - p, reduction="none")),
        (("y", "p", 2.0), brier(y, p, sample_weight=2 * np.ones(100), reduction="none")),
    ):
        np.testing.assert_array_equal(values(FEW, loss("brier")(*columns)), expected)
    assert FEW.select(loss("brier")("y", "p", 2.0, reduction="mean")).item() == pytest.approx(
        brier(y, p), rel=1e-14
    )
    assert pl.select(loss("brier")(1, 0.5)).item() == 0.25
    by_name = FEW.select(loss("brier")(pl.col("y"), pl.col("^p$")))
    np.testing.assert_array_equal(by_name["brier"].to_numpy(), brier(y, p, reduction="none"))


# ---- missing numbers ---------------------------------------------------------------------------


def test_null_is_left_out_and_nan_is_not():
    frame = pl.DataFrame(
        {
            "y": [None, 1.0, 0.0, 1.0, 1.0],
            "p": [0.5, None, 0.5, 0.75, 0.25],
            "w": [1.0, 1.0, None, 1.0, 3.0],
        }
    )
    brier = loss("brier")
    expected = [None, None, None, 0.0625, 3 * 0.5625]
    assert frame.select(brier("y", "p", "w"))["brier"].to_list() == expected
    weighted = frame.select(brier("y", "p", "w", reduction="mean")).item()
    assert weighted == pytest.approx((0.0625 + 3 * 0.5625) / 4, rel=1e-15)
    assert frame.select(brier("y", "p", reduction="sum")).item() == 0.25 + 0.0625 + 0.5625
    nan = frame.with_columns(pl.Series("p", [0.5, 0.5, 0.5, math.nan, 0.5]))
    found = nan.select(brier("y", "p"))["brier"]
    assert found.is_null().to_list() == [True, False, False, False, False]
    assert found.is_nan()[3] and math.isnan(nan.select(brier("y", "p", reduction="mean")).item())


def test_no_rows_and_nothing_but_null():
    nothing = pl.DataFrame({"y": [None, None], "p": [0.5, 0.5]}, schema_overrides={"y": pl.Int8})
    for frame in (nothing, nothing.with_columns(y=None, p=None), FEW.head(0).select("y", "p")):
        found = frame.select(loss("brier")("y", "p"))
        assert found["brier"].to_list() == [None] * len(frame) and found.dtypes == [pl.Float64]
        assert (
            frame.lazy().select(loss("brier")("y", "p", reduction="mean")).collect().item() is None
        )


def test_null_within_rows():
    frame = pl.DataFrame({"y": [0, 1, 1, None], "z": [[0.0, 0.0], [1.0, None], None, [1.0, 2.0]]})
    expected = [math.log(2), None, None, None]
    arrays = frame.with_columns(pl.col("z").cast(pl.Array(pl.Float64, 2)))
    columns = arrays.with_columns(a=pl.col("z").arr.get(0), b=pl.col("z").arr.get(1))
    for data, z in ((frame, "z"), (arrays, "z"), (columns, ["a", "b"])):
        found = data.select(loss("softmax_cross_entropy")("y", z)).to_series().to_list()
        assert found == [pytest.approx(math.log(2)), *expected[1:]]


# ---- losses of rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("z", ["z", "list", ["z0", "z1", "z2"], ("z0", pl.col("z1"), "z2")])
@pytest.mark.parametrize("weight", [None, "w"])
def test_rows(z, weight):
    w = None if weight is None else W[:100]
    for own in (fl.SoftmaxCrossEntropy(), fl.SoftmaxFocal(gamma=1.5), fl.MultiClassHinge()):
        expected = own(CLASSES, LOGITS, sample_weight=w, reduction="none")
        np.testing.assert_array_equal(values(ROWS, loss(own)("y", z, weight)), expected)
        mean = ROWS.select(loss(own)("y", z, weight, reduction="mean")).item()
        assert mean == pytest.approx(own(CLASSES, LOGITS, sample_weight=w), rel=1e-13)


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float16, pl.Int32])
def test_dtypes_of_rows(dtype):
    frame = ROWS.with_columns(
        pl.col("z").cast(pl.Array(dtype, 3)),
        pl.col("list").cast(pl.List(dtype)),
        pl.col("z0", "z1", "z2").cast(dtype),
    )
    z = frame["z"].to_numpy()
    expected = fl.SoftmaxCrossEntropy()(CLASSES, z, reduction="none")
    for columns in ("z", "list", ["z0", "z1", "z2"]):
        found = frame.lazy().select(loss("softmax_cross_entropy")("y", columns))
        small = dtype != pl.Int32
        assert [*found.collect_schema().values()] == [pl.Float32 if small else pl.Float64]
        found = found.collect().to_series().to_numpy()
        np.testing.assert_array_equal(found, expected)


def test_targets_of_rows_and_numbers():
    shares = pl.DataFrame({"q": [[0.5, 0.5], [1.0, 0.0]], "a": [0.2, 0.9], "b": [0.8, 0.1]})
    q, p = np.array([[0.5, 0.5], [1, 0]]), np.array([[0.2, 0.8], [0.9, 0.1]])
    expected = fl.CrossEntropy()(q, p, reduction="none")
    np.testing.assert_array_equal(values(shares, loss("cross_entropy")("q", ["a", "b"])), expected)
    found = values(shares, loss("cross_entropy")(["a", "b"], ["a", "b"]))
    np.testing.assert_array_equal(found, fl.CrossEntropy()(p, p, reduction="none"))
    found = values(shares, loss("gaussian_nll")("a", ["a", "b"]))
    np.testing.assert_array_equal(found, fl.GaussianNLL()(p[:, 0], p, reduction="none"))


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["no", "so", "yes"])])
def test_labels(dtype):
    labels = np.array(["no", "yes", "so"])[CLASSES]
    own = fl.SoftmaxCrossEntropy(classes=("no", "yes", "so"))
    frame = ROWS.with_columns(y=pl.Series(labels).cast(dtype))
    found = values(frame, loss(own)("y", "z"))
    np.testing.assert_array_equal(found, own(labels, LOGITS, reduction="none"))


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        (
            "log_loss",
            ("y", pl.col("p") + 1),
            r"log_loss: y_pred holds 1\.\d+, which is not in \[0, 1",
        ),
        ("log_loss", ("y", "p", pl.lit(math.inf)), "log_loss: sample_weight holds inf"),
        ("mse", ("y", pl.lit("a")), "mse: y_pred must hold numbers; got dtype String"),
        ("mse", (pl.lit("a"), "p"), "mse: y_true must hold numbers; got dtype String"),
        ("mse", ("y", pl.concat_list("p", "p")), r"y_pred must have a number in each row; got"),
        ("poly", ("y", "p"), "y_pred must be several columns, or one of lists or arrays"),
        ("poly", ("y", [pl.concat_list("p"), "p"]), "y_pred must have a number in each row"),
        (
            "poly",
            ("y", pl.concat_list("p", "p").list.head(pl.col("y") + 1)),
            "poly: y_pred must have lists of one length; got 1 to 2",
        ),
        ("poly", (pl.col("y") + 5, ["p", "p"]), "poly: y_true holds"),
    ],
)
def test_what_the_loss_refuses_is_polars_error(engine, name, columns, words):
    with pytest.raises(pl.exceptions.ComputeError, match=words):
        FEW.lazy().select(loss(name)(*columns)).collect(engine=engine)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: loss("log_los"), ValueError, "did you mean log_loss"),
        (lambda: loss(fl.Huber(), delta=2), TypeError, "parameters go with the name"),
        (lambda: loss(fl.Huber), TypeError, "a loss is a name or a Loss"),
        (lambda: loss("poly", axis=0), ValueError, "rows lie along axis -1"),
        (lambda: loss("mse")("y", "p", reduction="max"), ValueError, "reduction must be"),
        (lambda: loss("mse")("y", ["p", "p"]), TypeError, "y_pred must be one column"),
        (lambda: loss("poly")("y", []), ValueError, "y_pred must name at least one"),
        (
            lambda: loss(fl.SoftmaxCrossEntropy(class_weight=[1, 2]))("y", "z", reduction="mean"),
            ValueError,
            "class_weight",
        ),
    ],
)
def test_errors_of_the_call(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_without_polars():
    code = "import sys; sys.modules['polars'] = None; import fastloss.polars"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'fastloss[polars]'" in done.stderr.splitlines()[-1]
    code = "import sys, fastloss; fastloss.score, fastloss.optim; print('polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False"]
