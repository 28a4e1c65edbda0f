"""Write the tables of the README and of docs/benchmarks.md from a run's results.

fastloss bench --out benchmarks/results
python benchmarks/publish.py

Comparisons that were lost stand in the docs with a reason, which a person finds and writes here:
`REASONS` has one for each loss or rule and the peer it was lost to, and no other.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from fastloss.bench.cases import Shape, seconds, size, times
from fastloss.bench.peers.base import FRESH, GIVEN
from fastloss.bench.results import OURS, OUTCOMES, Key, Pair, Results

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benchmarks" / "results" / "results.json"

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

FAST_MATH = "fast-math adds in any order, float32 in float32, and checks no domain"
SPELL = "our row was slow itself: a stalled thread, or pages of new arrays"
CHECKED = "ours checks that predictions are in [0, 1]"
CALL = "a thousand numbers and fewer: what a call costs; of more, not explained"
XLA = "adds float32 in float32; its functions take less arithmetic than ours, which keep to 4 ulp"
READS = "reads the labels' probabilities alone; ours checks that all are in [0, 1]"
MEMORY = "both at the speed of memory"
NO_MEAN = "theirs takes no mean"
UNKNOWN = "not explained"
SLOW = 0.1  # of the limit: below, that is the reason, whatever the loss and the peer
REASONS = {  # peer: losses and rules: why it was faster
    "numpy": {"cross_entropy": READS},
    "numba": {
        "brier huber mae mse squared_hinge": FAST_MATH,
        "log_loss": "its Hessian squares z, which can underflow; ours divides twice",
    },
    "numba.strict": {
        "brier": CHECKED,
        "huber mae mse": CALL,
        "log_loss": "its Hessian squares z, which can underflow; ours divides twice",
        "squared_hinge": "ours checks that targets are -1 or 1",
    },
    "sklearn": {
        "brier": f"{CHECKED}; {NO_MEAN}",
        "gamma_deviance poisson_deviance": NO_MEAN,
        "mse": UNKNOWN,
    },
    "torch.fused": {"Adam": "its state is float32, ours 8 bits, which have to be packed"},
    "jax": {
        "cross_entropy": READS,
        "dice exponential gamma_deviance listwise_softmax log_cosh msle multilabel_logistic "
        "tweedie welsch": XLA,
        "mse rmse": MEMORY,
    },
    "optax": {"brier": CHECKED, "listwise_softmax": XLA, "mse": MEMORY},
}


def table(results: Results) -> str:
    """The README's table, with what it was measured on below it."""
    ratios = [results.ratios()[key(results, *work)] for work in WORK.values()]
    lines = [
        _line([f"float32, {results.threads} threads", *WORK, " / ".join(OUTCOMES)]),
        _line(["---"] * (2 + len(WORK))),
    ]
    for way, text in ((GIVEN, "into given arrays"), (FRESH, "into new arrays")):
        own = [time_of(results, OURS, way, *work) for work in WORK.values()]
        lines.append(_line([f"**fastloss** {text}", *own, ""]))
    counts = results.counts()
    for peer in results.versions:
        cells = [
            f"{times(found[peer])}: {time_of(results, peer, None, *work)}" if peer in found else ""
            for found, work in zip(ratios, WORK.values(), strict=True)
        ]
        if any(cells):
            all_of_it = " / ".join(str(count) for count in counts[peer].values())
            lines.append(_line([f"{peer} {_version(results, peer)}", *cells, all_of_it]))
    m = results.machine
    below = (
        "How many times longer each takes than fastloss does, like with like: into given arrays "
        "or, where it cannot, as torch, into new ones. Medians of runs in turns on "
        f"{m['processor']}, {m['CPUs']} CPUs, {m['instruction set']}, {results.date}. "
        "The last column counts the comparisons of the whole run: won, lost, and within the noise, "
        "where the quartiles meet."
    )
    return "\n".join([*lines, "", *textwrap.wrap(below, 100), ""])


def comparisons(results: Results) -> str:
    """The docs' tables: comparisons by peer, and those lost, with reasons."""
    counts = results.counts()
    total = [sum(of_peer[outcome] for of_peer in counts.values()) for outcome in OUTCOMES]
    lines = [_line(["peer", *OUTCOMES]), _line(["---", *["---:"] * len(OUTCOMES)])]
    lines += [_line([f"`{peer}`", *map(str, n.values())]) for peer, n in counts.items()]
    lines += [_line(["all", *map(str, total)]), "", *_lost(results)]
    return "\n".join(["", *lines, "", ""])


def _lost(results: Results) -> list[str]:
    """A line for each loss or rule and the peer it was lost to, the worst first."""
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in results.lost():
        groups.setdefault((pair.theirs.peer, pair.ours.name), []).append(pair)
    reasons = {
        (peer, name): why
        for peer, of_peer in REASONS.items()
        for names, why in of_peer.items()
        for name in names.split()
    }
    if groups.keys() != reasons.keys():
        without, needless = groups.keys() - reasons.keys(), reasons.keys() - groups.keys()
        raise ValueError(f"REASONS: none for {sorted(without)}; nothing lost: {sorted(needless)}")
    compared = Counter((pair.theirs.peer, pair.ours.name) for pair in results.pairs())
    head = ["lost", "to", "how many", "the worst", "their time", "our speed, of the limit", "why"]
    lines = [_line(head), _line(["---"] * len(head))]
    for (peer, name), pairs in groups.items():
        worst = pairs[0].ours
        case = f"{worst.method}, {size(worst.shape)}, {worst.dtype}, {pairs[0].theirs.outputs}"
        if worst.threads != results.threads:
            case += f", {worst.threads} of {results.threads} threads"
        lines.append(
            _line(
                [
                    f"`{name}`",
                    f"`{peer}`",
                    f"{len(pairs)} of {compared[peer, name]}",
                    case,
                    times(pairs[0].ratio),
                    f"{worst.share:.0%}" if worst.limit else "",
                    SPELL if worst.limit and worst.share < SLOW else reasons[peer, name],
                ]
            )
        )
    return lines


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


def published(text: str, name: str, written: str) -> str:
    """A page with what is written between its marks of this name."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    page, count = pattern.subn(lambda _: start + written + end, text)
    if count != 1:
        raise ValueError(f"{count} places for {name}, not one")
    return page


def pages(results: Results) -> dict[Path, str]:
    """The pages with the tables of these results."""
    return {
        README: published(README.read_text(), "measured", table(results)),
        DOCS: published(DOCS.read_text(), "comparisons", comparisons(results)),
    }


if __name__ == "__main__":
    for path, text in pages(Results.read(RESULTS)).items():
        path.write_text(text)
