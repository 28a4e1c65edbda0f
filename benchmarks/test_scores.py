"""Scoring: ten losses in one pass, and a file by the command line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl

LOSSES = ["log_loss", "brier", "mse", "rmse", "mae", "huber", "log_cosh", "quantile", "smape"]
LOSSES += ["binary_kl"]
ROWS = 10_000_000


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    return (rng.random(ROWS) < 0.5).astype(np.float32), rng.uniform(0.01, 0.99, ROWS)


@pytest.mark.benchmark(group="ten losses by fl.score, one pass or ten")
@pytest.mark.parametrize("names", [[LOSSES], [[name] for name in LOSSES]], ids=["one", "ten"])
def test_ten_losses(benchmark, columns, names):
    y, p = columns[0], columns[1].astype(np.float32)
    scores = benchmark(lambda: [fl.score(y, p, part) for part in names])
    values = [value for score in scores for value in score.values]
    assert values == pytest.approx([fl.get_loss(name)(y, p) for name in LOSSES])


@pytest.mark.benchmark(group="two models by four losses and fifty groups, compared")
@pytest.mark.parametrize("who", ["fastloss", "pandas and SciPy"])
def test_a_comparison(benchmark, who):
    import pandas as pd
    from scipy import stats

    rng = np.random.default_rng(0)
    rows, losses = ROWS // 5, ["log_loss", "brier", "mae", "huber"]
    p = rng.uniform(0.02, 0.98, rows)
    y = (rng.random(rows) < p).astype(np.float32)
    models = {
        name: np.clip(p + rng.normal(0, noise, rows), 0.01, 0.99).astype(np.float32)
        for name, noise in (("old", 0.05), ("new", 0.03))
    }
    groups = rng.integers(0, 50, rows)

    def by_hand():
        found = []
        for loss in map(fl.get_loss, losses):
            values = {name: loss(y, z, reduction="none") for name, z in models.items()}
            frame = pd.DataFrame(values, dtype=float)
            frame["difference"] = frame["new"] - frame["old"]
            grouped = frame.groupby(groups)
            tests = [stats.ttest_rel(part["new"], part["old"]) for _, part in grouped]
            found.append((grouped.mean(), grouped.sem(), tests, [test.pvalue for test in tests]))
        return np.stack([p for *_, p in found], axis=1)

    if who == "fastloss":
        p_values = benchmark(lambda: fl.compare(y, models, losses, by=groups).groups.p[:, 1])
    else:
        p_values = benchmark.pedantic(by_hand, rounds=3)
    np.testing.assert_allclose(p_values, by_hand(), rtol=1e-6)


POLARS = """
import sys
import polars as pl

y, p = pl.col("y"), pl.col("p")
log_loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
mse, mae = ((p - y) ** 2).mean(), (p - y).abs().mean()
table = pl.scan_parquet(sys.argv[1]).select(log_loss=log_loss, mse=mse, mae=mae)
print(table.collect(engine="streaming").row(0))
"""


@pytest.mark.benchmark(group=f"a Parquet file of {ROWS:,} rows, whole process")
@pytest.mark.parametrize("who", ["fastloss, ten losses", "polars, three losses"])
def test_a_file(benchmark, columns, who, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = str(tmp_path / "predictions.parquet")
    table = arrow.table({"y": columns[0].astype(np.int64), "p": columns[1]})
    parquet.write_table(table, file, compression="zstd", row_group_size=1_000_000)
    if who.startswith("polars"):
        pytest.importorskip("polars")
        command = [sys.executable, "-c", POLARS, file]
    else:
        command = [sys.executable, "-m", "fastloss", "score", file, "--y-true", "y"]
        command += ["--y-pred", "p", *(part for name in LOSSES for part in ("--loss", name))]
    done = benchmark(subprocess.run, command, capture_output=True, text=True, check=True)
    assert f"{fl.LogLoss()(*columns):.6g}"[:6] in done.stdout
