"""Write the README's table of measured times from a run's results.

fastloss bench --out benchmarks/results
python benchmarks/publish.py
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from fastloss.bench.cases import Shape, seconds, times
from fastloss.bench.peers.base import FRESH, GIVEN
from fastloss.bench.results import OURS, Key, Results

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results" / "results.json"
START, END = "<!-- measured -->\n", "<!-- end of measured -->\n"

WORK = {  # title: name, method, shape; all in float32
    "logistic, value and gradient, 10 million": ("logistic", "value_and_grad", (10_000_000,)),
    "squared error, value and gradient, 10 million": ("mse", "value_and_grad", (10_000_000,)),
    "the same, 100 thousand": ("mse", "value_and_grad", (100_000,)),
    "log loss, value, 10 million": ("log_loss", "value", (10_000_000,)),
    "softmax cross-entropy, value and gradient, 1 million x 10": (
        "softmax_cross_entropy",
        "value_and_grad",
        (1_000_000, 10),
    ),
    "logistic, value and gradient, 32": ("logistic", "value_and_grad", (32,)),
    "Adam, a step, 25 million": ("Adam", "step", (25_000_000,)),
    "Adam, a step, two arrays of 640 and 10": ("Adam", "step of 2 arrays", (650,)),
}


def table(results: Results) -> str:
    """The README's table, with what it was measured on below it."""
    ratios = [results.ratios()[key(results, *work)] for work in WORK.values()]
    lines = [
        _line([f"float32, {results.threads} threads", *WORK]),
        _line(["---"] * (1 + len(WORK))),
    ]
    for way, text in ((GIVEN, "into given arrays"), (FRESH, "into new arrays")):
        own = [time_of(results, OURS, way, *work) for work in WORK.values()]
        lines.append(_line([f"**fastloss** {text}", *own]))
    for peer in results.versions:
        cells = [
            f"{times(found[peer])}: {time_of(results, peer, None, *work)}" if peer in found else ""
            for found, work in zip(ratios, WORK.values(), strict=True)
        ]
        if any(cells):
            lines.append(_line([f"{peer} {_version(results, peer)}", *cells]))
    m = results.machine
    below = (
        "How many times longer each takes than fastloss does, like with like: into given arrays "
        "or, where it cannot, as torch, into new ones. Medians of runs in turns on "
        f"{m['processor']}, {m['CPUs']} CPUs, {m['instruction set']}, {results.date}."
    )
    return "\n".join([*lines, "", *textwrap.wrap(below, 100), ""])


def key(results: Results, name: str, method: str, shape: Shape) -> Key:
    return Key(name, method, shape, "float32", results.threads)


def time_of(results: Results, peer: str, way: str | None, *work: Any) -> str:
    """A peer's time, into given arrays if it can."""
    rows = [r for r in results.rows if r.peer == peer and r.key == key(results, *work)]
    found = [row.seconds for row in rows if way in (None, row.outputs)]
    return seconds(found[0]) if found else ""


def _version(results: Results, peer: str) -> str:
    return ".".join(results.versions[peer].split("+")[0].split(".")[:2])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def published(readme: str, results: Results) -> str:
    """The README with the table of these results."""
    pattern = re.compile(re.escape(START) + ".*?" + re.escape(END), re.DOTALL)
    text, count = pattern.subn(lambda _: START + table(results) + END, readme)
    if count != 1:
        raise ValueError(f"the README has {count} places for the table, not one")
    return text


if __name__ == "__main__":
    README.write_text(published(README.read_text(), Results.read(RESULTS)))
