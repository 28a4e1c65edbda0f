"""Everything in fastloss that writes a file: how to have it write, for kill.py and full_disk.py.

`WRITERS` is the one table of it. `unlisted` holds it to the sources of fastloss: a module that
writes files and stands in no entry is an error.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from record import ROOT

SOURCES = ROOT / "fastloss"
WRITES = re.compile(
    r"written_whole\(|os\.(replace|rename|link)\(|\.savefig\(|\.write_(text|bytes)\(|\.tofile\("
    r"|np\.save|open\([^)\n]*[\"'][wax]b?\+?[\"']|copyfileobj\(|shutil\.(copy|move)|TemporaryFile\("
)
# What matches and makes no file that anybody else could find in halves.
NO_WRITERS = {
    "files.py": "what all others write with",
    "bench/command.py": "a file without a name, to see whether one could be written",
    "bench/machine.py": "a file of /proc",
    "cli/__init__.py": "the null device",
    "tables/sources.py": "a copy of a stream in a temporary folder, which this process alone reads",
}


@dataclass(frozen=True)
class Writer:
    """Something that writes a file, in version 0 or 1, of which each run writes the same bytes.

    ``make(inputs, size, version)`` prepares what ``write(inputs, folder, version)`` needs; a
    command returns its exit status. ``read(folder)`` reads what was written, or raises.
    """

    name: str
    modules: Sequence[str]  # of fastloss, that write it
    unit: int  # the size of a file of about a megabyte
    make: Callable[[Path, int, int], None]
    write: Callable[[Path, Path, int], int | None]
    read: Callable[[Path], Any]
    file: str  # the name of the file, for errors; "" if it follows from the content
    files: int = 1  # that are written, one after the other
    is_command: bool = False
    share: float = 1  # of the kills: few, where writing takes seconds


def nothing(inputs: Path, size: int, version: int) -> None:
    (inputs / f"size{version}").write_text(str(size))


def size_of(inputs: Path, version: int) -> int:
    return int((inputs / f"size{version}").read_text())


def state(folder: Path) -> dict[str, str]:
    """The files of a folder and what they hold, but for what was left over."""
    return {
        path.name: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        for path in sorted(folder.iterdir())
        if not is_left_over(path)
    }


def is_left_over(path: Path) -> bool:
    return path.name.startswith("build-") or path.name.endswith(".partial")


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # a compiler may still be at work there
    else:
        path.unlink(missing_ok=True)


def unlisted() -> list[str]:
    """What is wrong with the table, in words: modules that write and are not in it, and others."""
    found = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if WRITES.search(path.read_text())
    }
    listed = {module for writer in WRITERS.values() for module in writer.modules}
    known = listed | {*NO_WRITERS}
    return [
        *(f"fastloss/{name} writes files, and tools/writers.py lacks it" for name in found - known),
        *(f"fastloss/{name} writes none, and tools/writers.py has it" for name in known - found),
    ]


def import_all() -> None:
    """Everything that writers use, before the processes are forked that call it: no threads yet."""
    import matplotlib.backends.backend_agg
    import matplotlib.image  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.dataset
    import pyarrow.feather
    import pyarrow.parquet  # noqa: F401

    import fastloss.bench.charts
    import fastloss.cli.per_row
    import fastloss.cli.report
    import fastloss.cli.samples
    import fastloss.cli.score_formats
    import fastloss.cli.training
    import fastloss.define
    import fastloss.linear_model.loading
    import fastloss.linear_model.model_file
    import fastloss.optim.storage
    import fastloss.scoring.per_row  # noqa: F401


# ---- files that Python programs write ------------------------------------------------------------


def write_optimizer(inputs: Path, folder: Path, version: int) -> None:
    import fastloss as fl

    w = np.zeros(size_of(inputs, version), np.float32)
    opt = fl.optim.Momentum(w, lr=0.1)
    opt.step(np.full_like(w, version + 1))
    opt.save(folder / "optimizer.state")


def read_optimizer(folder: Path) -> None:
    from fastloss.optim.storage import load_state

    load_state(folder / "optimizer.state")


def write_model(inputs: Path, folder: Path, version: int) -> None:
    """Names of features are as long as it takes to make a file large, in little time."""
    from fastloss.linear_model import LinearRegressor

    model = LinearRegressor(alpha=0).fit([[0.0, 1.0], [1.0, 0.0], [2.0, version]], [1.0, 3.0, 5.0])
    names = [letter * size_of(inputs, version) for letter in "ab"]
    model.feature_names_in_ = np.array(names, object)
    model.save(folder / "model.json")


def read_model(folder: Path) -> None:
    from fastloss.linear_model import load

    load(folder / "model.json")


def make_defined(inputs: Path, size: int, version: int) -> None:
    nothing(inputs, size, version)
    (inputs / "cache").mkdir(exist_ok=True)
    defined(inputs, version)  # compiled once, here


def defined(inputs: Path, version: int) -> Any:
    import fastloss as fl

    os.environ["FASTLOSS_CACHE"] = str(inputs / "cache")
    doc = f"{version}" * size_of(inputs, version)
    return fl.define_loss("of_writers", "(z - y)**4", doc=doc)


def write_losses(inputs: Path, folder: Path, version: int) -> None:
    import fastloss as fl

    fl.save_losses(folder / "losses.toml", [defined(inputs, version)])


def read_losses(folder: Path) -> None:
    import tomllib

    tomllib.loads((folder / "losses.toml").read_text())


def write_results(inputs: Path, folder: Path, version: int) -> None:
    from fastloss.bench.results import Results

    text = f"{version}" * size_of(inputs, version)
    Results("", {"processor": text}, 1, {}, {}, [], {}, []).write(folder / "results.json")


def read_results(folder: Path) -> None:
    from fastloss.bench.results import Results

    Results.read(folder / "results.json")


def make_charts(inputs: Path, size: int, version: int) -> None:
    """Of few losses, so that drawing takes less long than writing."""
    from fastloss.bench.results import Results
    from fastloss.bench.run import CURVES

    results = Results.read(ROOT / "benchmarks" / "results" / "results.json")
    rows = [row for row in results.rows if row.name in CURVES]
    replace(results, rows=rows, date=f"version {version}").write(inputs / f"{version}.json")


def write_charts(inputs: Path, folder: Path, version: int) -> None:
    from fastloss.bench.charts import draw
    from fastloss.bench.results import Results

    draw(Results.read(inputs / f"{version}.json"), folder)


def read_charts(folder: Path) -> None:
    import matplotlib.image  # noqa: F401

    for name in ("speedup.png", "threads.png", "time.png"):
        matplotlib.image.imread(folder / name)


def write_library(inputs: Path, folder: Path, version: int) -> None:
    """A loss that is compiled, and kept."""
    from fastloss.define import build
    from fastloss.define.formulas import Graph
    from fastloss.define.source import c_source

    os.environ["FASTLOSS_CACHE"] = str(folder)
    graph = Graph()
    value = graph.parse(f"(z - y)**{4 + version}", ())
    grad = graph.derivative(value)
    build.load(c_source([value, grad, *[graph.derivative(grad)] * 2], ()))


def read_library(folder: Path) -> None:
    """That it is found, and is not compiled again."""
    from fastloss.define import build

    for path in folder.glob(f"*{build.SUFFIX}"):
        if not path.stem.endswith(build._digest(path.read_bytes())):
            raise ValueError(f"{path} is damaged")
        build._open(path)


# ---- files that commands write -------------------------------------------------------------------


def run(*arguments: Any) -> int:
    from fastloss import cli

    return cli.run([*map(str, arguments)])


def make_rows(inputs: Path, size: int, version: int) -> None:
    """Predictions, one of three labels for each row, and a model of two features."""
    import pyarrow as pa
    from pyarrow import feather

    from fastloss.linear_model import LinearRegressor

    rng = np.random.default_rng(version)
    numbers = {name: rng.normal(size=size) for name in ("y", "p", "x1", "x2")}
    feather.write_feather(pa.table(numbers), inputs / f"rows{version}.feather")
    model = LinearRegressor(alpha=0).fit(rng.normal(size=(9, 2)), rng.normal(size=9))
    model.feature_names_in_ = np.array(["x1", "x2"], object)
    model.save(inputs / f"model{version}.json")


def write_per_row(inputs: Path, folder: Path, version: int) -> int:
    data = inputs / f"rows{version}.feather"
    columns = ["--y-true", "y", "--y-pred", "p", "--loss", "mse"]
    return run("score", data, *columns, "--per-row", folder / "rows.parquet")


def read_per_row(folder: Path) -> None:
    from pyarrow import parquet

    parquet.read_table(folder / "rows.parquet")


def predict_to(name: str) -> Callable[[Path, Path, int], int]:
    def write(inputs: Path, folder: Path, version: int) -> int:
        model, data = inputs / f"model{version}.json", inputs / f"rows{version}.feather"
        return run("predict", model, data, "--out", folder / name)

    return write


def read_table(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from pyarrow import csv, feather, parquet

        readers = {".csv": csv.read_csv, ".feather": feather.read_table}
        readers[".parquet"] = parquet.read_table
        readers[Path(name).suffix](folder / name)

    return read


def noise(seed: int, size: int) -> str:
    """Text that no compression makes small."""
    return np.random.default_rng(seed).bytes(size // 2).hex()


def make_groups(inputs: Path, size: int, version: int) -> None:
    """Two groups, whose names are as long as it takes to make a file of their scores large."""
    import pyarrow as pa
    from pyarrow import feather

    labels = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 0, 1], pa.int32()), pa.array([noise(k, size) for k in (1, 2)])
    )
    table = pa.table({"y": [0.0, 1, 2, 3], "p": [1.0 + version, 2, 3, 3], "g": labels})
    feather.write_feather(table, inputs / f"groups{version}.feather")


def scores_to(name: str) -> Callable[[Path, Path, int], int]:
    def write(inputs: Path, folder: Path, version: int) -> int:
        columns = ["--y-true", "y", "--y-pred", "p", "--by", "g", "--format", "json"]
        return run("score", inputs / f"groups{version}.feather", *columns, "--out", folder / name)

    return write


def read_scores(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        import csv
        import json

        if name.endswith(".json"):
            json.loads((folder / name).read_text())
        elif name.endswith(".csv"):
            csv.field_size_limit(1 << 30)
            with open(folder / name, newline="") as file:
                assert len([*csv.reader(file)]) == 4
        else:
            read_table(name)(folder)

    return read


def make_samples(inputs: Path, size: int, version: int) -> None:
    """Two features, whose names are as long as it takes to make a file of a model large."""
    import pyarrow as pa
    from pyarrow import feather

    columns = {letter * size: [1.0, 2, version] for letter in "ab"}
    table = pa.table({"y": [0.0, 1, 2], **columns})
    feather.write_feather(table, inputs / f"samples{version}.feather")


def write_fit(inputs: Path, folder: Path, version: int) -> int:
    data, options = inputs / f"samples{version}.feather", ["--target", "y", "--loss", "mse"]
    return run("fit", data, *options, "--out", folder / "model.json")


def commands() -> list[Writer]:
    """`fastloss score`, `predict` and `fit`, with each kind of file that they write."""
    found = [
        Writer(
            "score --per-row",
            ["scoring/per_row.py"],
            60_000,
            make_rows,
            write_per_row,
            read_per_row,
            "rows.parquet",
        ),
        Writer(
            "fit --out",
            ["linear_model/model_file.py"],
            500_000,
            make_samples,
            write_fit,
            read_model,
            "model.json",
            share=0.4,
        ),
    ]
    for kind in ("parquet", "csv", "feather"):
        name, modules = f"predictions.{kind}", ["cli/predict.py"]
        write, read = predict_to(name), read_table(name)
        found.append(
            Writer(f"predict --out .{kind}", modules, 20_000, make_rows, write, read, name)
        )
    for kind in ("json", "csv", "parquet"):
        name, modules = f"scores.{kind}", ["cli/score_formats.py"]
        write, read = scores_to(name), read_scores(name)
        found.append(
            Writer(f"score --out .{kind}", modules, 500_000, make_groups, write, read, name)
        )
    return [replace(writer, is_command=True) for writer in found]


WRITERS = {
    writer.name: writer
    for writer in [
        Writer(
            "Optimizer.save",
            ["optim/storage.py"],
            250_000,
            nothing,
            write_optimizer,
            read_optimizer,
            "optimizer.state",
        ),
        Writer(
            "linear model's save",
            ["linear_model/model_file.py"],
            500_000,
            nothing,
            write_model,
            read_model,
            "model.json",
        ),
        Writer(
            "save_losses",
            ["define/toml.py"],
            1_000_000,
            make_defined,
            write_losses,
            read_losses,
            "losses.toml",
        ),
        Writer(
            "benchmark results",
            ["bench/results.py"],
            1_000_000,
            nothing,
            write_results,
            read_results,
            "results.json",
        ),
        Writer(
            "benchmark charts",
            ["bench/charts.py"],
            1,
            make_charts,
            write_charts,
            read_charts,
            "speedup.png",
            files=3,
            share=0.15,
        ),
        Writer(
            "compiled loss",
            ["define/build.py"],
            1,
            nothing,
            write_library,
            read_library,
            file="",
            share=0.4,
        ),
        *commands(),
    ]
}
