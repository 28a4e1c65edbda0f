"""Compare fastloss with what people use now, and print the ratios.

Every number is the median of interleaved runs in this one process, with the same arrays, dtype
and number of threads for all; peers that are not installed are named as absent.

    python benchmarks/compare.py [--threads 2] [--rounds 15] [--size 10000000]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastloss as fl

SMALL = 32
LOSSES = ["log_loss", "brier", "mse", "rmse", "mae", "huber", "log_cosh", "quantile", "smape"]
LOSSES += ["binary_kl"]

Work = Callable[[], object]


def seconds(work: Work, repeat: int) -> float:
    start = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - start) / repeat


def medians(works: dict[str, Work], rounds: int, repeat: int = 1) -> dict[str, float]:
    """Median time of each work; a round runs each once, so that noise hits all alike."""
    for work in works.values():
        for _ in range(min(repeat, 100)):
            work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work, repeat))
    return {name: statistics.median(values) for name, values in times.items()}


def peers() -> dict[str, object]:
    """The installed peers; a line for each that is absent."""
    found: dict[str, object] = {}
    for name in ("torch", "sklearn", "polars", "pyarrow"):
        try:
            found[name] = __import__(name)
        except ImportError:
            print(f"absent: {name}")
    return found


def torch_works(torch, y, z, kind: str, compiled: bool) -> dict[str, Work]:
    """Value and value-with-gradient by torch, eager or compiled."""
    function = getattr(torch.nn.functional, kind)
    if compiled:
        function = torch.compile(lambda a, b, f=function: f(a, b))
    target, leaf = torch.from_numpy(y), torch.from_numpy(z.copy()).requires_grad_()

    def both() -> None:
        leaf.grad = None
        function(leaf, target).backward()

    def value() -> None:
        with torch.no_grad():
            function(leaf, target)

    return {"value": value, "both": both}


class Table:
    """Rows of ratios, printed as they come."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        print(f"{'work':<44}{'peer':<26}{'fastloss':>11}{'peer':>11}{'ratio':>8}{'goal':>8}")

    def row(self, work: str, ours: float, peer: str, theirs: float, goal: float) -> None:
        ratio = theirs / ours
        mark = "" if ratio >= goal else "  short"
        print(
            f"{work:<44}{peer:<26}{show(ours):>11}{show(theirs):>11}{ratio:>8.2f}{goal:>8.2f}{mark}",
            flush=True,
        )


def show(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def large(table: Table, found: dict, n: int, threads: int) -> None:
    """Logistic and squared error on n elements."""
    rng = np.random.default_rng(0)
    y = (rng.random(n) < 0.5).astype(np.float32)
    z = rng.normal(size=n).astype(np.float32)
    g = np.empty_like(z)
    logistic, squared = fl.Logistic(), fl.SquaredError()
    works: dict[str, Work] = {
        "logistic both": lambda: logistic.value_and_grad(y, z, out=g),
        "logistic value": lambda: logistic(y, z),
        "squared both": lambda: squared.value_and_grad(y, z, out=g),
    }
    if "torch" in found:
        torch = found["torch"]
        torch.set_num_threads(threads)
        bce = "binary_cross_entropy_with_logits"
        for name, kind, compiled in (
            ("torch logistic", bce, False),
            ("torch.compile logistic", bce, True),
            ("torch squared", "mse_loss", False),
        ):
            for part, work in torch_works(torch, y, z, kind, compiled).items():
                works[f"{name} {part}"] = work
        a, b, c = torch.from_numpy(y), torch.from_numpy(z), torch.empty(n)
        works["torch.add"] = lambda: torch.add(a, b, out=c)
    if "sklearn" in found:
        from sklearn._loss.loss import HalfBinomialLoss, HalfSquaredError

        values, grads = np.empty_like(z), np.empty_like(z)
        for name, loss in (("logistic", HalfBinomialLoss()), ("squared", HalfSquaredError())):
            works[f"_loss {name} both"] = lambda loss=loss: loss.loss_gradient(
                y, z, loss_out=values, gradient_out=grads, n_threads=threads
            )
            works[f"_loss {name} value"] = lambda loss=loss: loss.loss(
                y, z, loss_out=values, n_threads=threads
            )
    m = medians(works, table.rounds)
    size = f"n={n:.0e}".replace("e+0", "e")
    for work, ours, rows in (
        (
            f"Logistic value_and_grad, out=, {size}",
            "logistic both",
            (
                ("torch eager", "torch logistic both", 12),
                ("torch.compile", "torch.compile logistic both", 3.5),
                ("scikit-learn _loss", "_loss logistic both", 20),
            ),
        ),
        (
            f"Logistic value, {size}",
            "logistic value",
            (
                ("torch eager", "torch logistic value", 12),
                ("torch.compile", "torch.compile logistic value", 1.7),
                ("scikit-learn _loss", "_loss logistic value", 12),
            ),
        ),
        (
            f"SquaredError value_and_grad, out=, {size}",
            "squared both",
            (
                ("torch eager", "torch squared both", 12),
                ("scikit-learn _loss", "_loss squared both", 2.2),
                ("torch.add(a, b, out=c)", "torch.add", 1.2),
            ),
        ),
    ):
        for peer, key, goal in rows:
            if key in m:
                table.row(work, m[ours], peer, m[key], goal)


def small(table: Table, found: dict) -> None:
    """A call on 32 elements."""
    rng = np.random.default_rng(0)
    y = (rng.random(SMALL) < 0.5).astype(np.float32)
    z = rng.normal(size=SMALL).astype(np.float32)
    g = np.empty_like(z)
    loss = fl.Logistic()
    works: dict[str, Work] = {"ours": lambda: loss.value_and_grad(y, z, out=g)}
    if "torch" in found:
        works["torch eager"] = torch_works(
            found["torch"], y, z, "binary_cross_entropy_with_logits", False
        )["both"]
    if "sklearn" in found:
        from sklearn._loss.loss import HalfBinomialLoss

        values, grads, peer = np.empty_like(z), np.empty_like(z), HalfBinomialLoss()
        works["scikit-learn _loss"] = lambda: peer.loss_gradient(
            y, z, loss_out=values, gradient_out=grads
        )
    m = medians(works, table.rounds, repeat=1000)
    work = f"Logistic value_and_grad, n={SMALL}"
    for peer, goal in (("torch eager", 100), ("scikit-learn _loss", 7)):
        if peer in m:
            table.row(work, m["ours"], peer, m[peer], goal)
    table.row(work, m["ours"], "at most 0.5 us", 0.5e-6, 1)


def scoring(table: Table, found: dict, n: int) -> None:
    """fl.score with one and with ten losses."""
    rng = np.random.default_rng(0)
    y = (rng.random(n) < 0.5).astype(np.float32)
    p = rng.uniform(0.01, 0.99, size=n).astype(np.float32)
    works: dict[str, Work] = {name: (lambda name=name: fl.score(y, p, [name])) for name in LOSSES}
    works["all"] = lambda: fl.score(y, p, LOSSES)
    m = medians(works, table.rounds)
    dearest = max(LOSSES, key=m.__getitem__)
    table.row("ten losses in one fl.score", m["all"], f"2.5 x {dearest} alone", 2.5 * m[dearest], 1)
    if "sklearn" in found:
        from sklearn.metrics import log_loss

        theirs = medians({"sklearn": lambda: log_loss(y, p)}, 3)["sklearn"]
        ours = m["log_loss"]
        table.row("log_loss by fl.score", ours, "sklearn.metrics.log_loss", theirs, 150)


def sweep(table: Table, n: int) -> None:
    """Every loss against the logistic: at most 1/0.56 of its time; and float64 to float32."""
    rng = np.random.default_rng(0)
    u = rng.random(n)
    for name in fl.loss_names():
        loss = fl.get_loss(name)
        works: dict[str, Work] = {}
        for dtype in (np.float32, np.float64):
            y, z = sample(loss, u, rng, dtype)
            out = np.empty_like(z)
            works[dtype.__name__] = lambda f=loss.value_and_grad, y=y, z=z, out=out: f(
                y, z, out=out
            )
        y, z = sample(fl.Logistic(), u, rng, np.float32)
        out = np.empty_like(z)
        works["logistic"] = lambda y=y, z=z, out=out: fl.Logistic().value_and_grad(y, z, out=out)
        m = medians(works, table.rounds)
        ours = m["float32"]
        table.row(f"{name} value_and_grad", ours, "logistic / 0.56", m["logistic"] / 0.56, 1)
        table.row(f"{name} float64", m["float64"], "2.2 x float32", 2.2 * ours, 1)


def sample(loss: fl.Loss, u: np.ndarray, rng: np.random.Generator, dtype: type) -> tuple:
    """Targets and predictions inside a loss's domains."""
    v = rng.random(len(u))
    if loss.y_domain.absolute and loss.y_domain.high == 1:
        y = np.where(u < 0.5, -1.0, 1.0)
    else:
        y = u if loss.y_domain.high == 1 else 0.01 + u
    if loss.z_domain.high == 1:
        z = 0.01 + 0.98 * v
    else:
        z = 0.01 + 2 * v if loss.z_domain.bounded else 8 * (v - 0.5)
    return y.astype(dtype), z.astype(dtype)


def command_line(table: Table, found: dict, rows: int) -> None:
    """fastloss score with ten losses against a polars scan with three, both as processes."""
    if "polars" not in found or "pyarrow" not in found:
        return
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "big.parquet")
        schema = pa.schema([("y", pa.int64()), ("p", pa.float64())])
        with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for start in range(0, rows, 1_000_000):
                n = min(1_000_000, rows - start)
                y, p = (rng.random(n) < 0.5).astype(np.int64), rng.uniform(0.01, 0.99, n)
                writer.write_table(pa.table({"y": y, "p": p}, schema=schema))
        ours = [sys.executable, "-m", "fastloss", "score", str(path), "--y-true", "y"]
        ours += ["--y-pred", "p"] + [part for name in LOSSES for part in ("--loss", name)]
        query = (
            "import sys, polars as pl; y, p = pl.col('y'), pl.col('p'); "
            "print(pl.scan_parquet(sys.argv[1]).select("
            "ll=-(y * p.log() + (1 - y) * (1 - p).log()).mean(), brier=((p - y) ** 2).mean(), "
            "mae=(p - y).abs().mean()).collect(engine='streaming'))"
        )
        theirs = [sys.executable, "-c", query, str(path)]
        works = {
            name: (lambda c=command: subprocess.run(c, check=True, capture_output=True))
            for name, command in (("ours", ours), ("polars", theirs))
        }
        m = medians(works, min(table.rounds, 7))
    work = f"fastloss score, 10 losses, {rows / 1e6:.0f} M rows"
    table.row(work, m["ours"], "1.3 x polars, 3 losses", 1.3 * m["polars"], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=fl.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=10_000_000)
    parser.add_argument("--only", choices=["large", "small", "scoring", "sweep", "cli"])
    options = parser.parse_args()
    fl.set_num_threads(options.threads)
    fl.show_config()
    print(f"  {'machine:':<18}{platform.processor() or platform.machine()}\n")
    found, table = peers(), Table(options.rounds)
    parts: dict[str, Work] = {
        "small": lambda: small(table, found),
        "large": lambda: large(table, found, options.size, options.threads),
        "scoring": lambda: scoring(table, found, options.size),
        "sweep": lambda: sweep(table, options.size),
        "cli": lambda: command_line(table, found, 2 * options.size),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()
