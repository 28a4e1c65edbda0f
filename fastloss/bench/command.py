"""``fastloss bench``: a run, its tables, its files, and what changed since another run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from click import UsageError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fastloss.bench import charts, run
from fastloss.bench.peers import PEERS
from fastloss.bench.report import print_comparison, print_outcomes, print_results
from fastloss.bench.results import Results, ResultsError, compare


def bench(
    quick: bool,
    only: Sequence[str] | None,
    peers: Sequence[str] | None,
    out: Path,
    old: Path | None,
) -> int:
    """Run, print and write; 1 if something became slower than in ``old``."""
    plan = run.quick_plan() if quick else run.full_plan()
    names = dict.fromkeys(case.name for case in plan.cases)
    _check("--only", only, "loss or rule", names)
    _check("--peers", peers, "peer", [peer.name for peer in PEERS])
    if only is not None:
        plan = plan.only(only)
    if peers is not None:
        for name, why in run.find_peers(peers, 1, slow=False)[1].items():
            if name in peers:
                raise UsageError(f"--peers {name}: {why}")
    path = out / "results.json"
    try:
        before = None if old is None else Results.read(old)
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):  # better now than after half an hour
            pass
    except ResultsError as error:
        raise UsageError(f"--compare {error}") from error
    except OSError as error:
        raise UsageError(f"--out {out}: {(error.strerror or str(error)).lower()}") from error
    with _progress() as show:
        results = run.bench(plan, peers, show)
    try:
        results.write(path)
        written = [path, *charts.draw(results, out)]
    except OSError as error:
        raise UsageError(f"--out {out}: {(error.strerror or str(error)).lower()}") from error
    console = Console(highlight=False, markup=False)
    print_results(results, console)
    console.print(f"{'written:':<18}{', '.join(map(str, written))}")
    print_outcomes(results, console)
    if before is None:
        return 0
    try:
        comparison = compare(before, results)
    except ResultsError as error:
        raise UsageError(f"--compare {old}: {error}") from error
    print_comparison(comparison, console)
    return 1 if comparison.slower else 0


def _check(option: str, given: Iterable[str] | None, what: str, known: Iterable[str]) -> None:
    for name in given or ():
        if name not in known:
            raise UsageError(f"{option} {name!r}: no such {what}; there are {', '.join(known)}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """A bar on standard error; where that is no terminal, nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total, text: None
        return
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,  # no thread of its own beside what is timed
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, text: bar.update(
            task, completed=done, total=total, description=text, refresh=True
        )
