"""Results as tables in a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from fastloss.bench.cases import seconds, size, times
from fastloss.bench.peers.base import FRESH, GIVEN
from fastloss.bench.results import OURS, OUTCOMES, Change, Comparison, Key, Results, Row
from fastloss.bench.steps import LISTS, STATES, STEP

METHODS = ("value_and_grad", STEP, *STATES, *LISTS)
DTYPE = "float32"
MOST_LOST = 10  # comparisons that are named


def print_results(results: Results, console: Console) -> None:
    """A table for each size of what matters most, then what the machine allows."""
    for method in METHODS:
        here = list(results.find(method=method, dtype=DTYPE, threads=results.threads))
        for shape in sorted({row.shape for row in here}, key=lambda shape: (len(shape), shape)):
            console.print()
            console.print(
                f"{method}, {DTYPE}, n = {' x '.join(f'{k:,}' for k in shape)},"
                f" {results.threads} threads:"
                " times of fastloss, and how many times longer each peer takes, like with like"
            )
            for part in _parts(results, [row for row in here if row.shape == shape], console):
                console.print(part)
    console.print()
    for name, value in results.machine.items():
        console.print(f"{name + ':':<18}{value}")
    speeds = ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in results.bandwidth.items())
    console.print(f"{'memory, GB/s:':<18}{speeds}")
    console.print(f"{'out=, new:':<18}fastloss into arrays given and into new ones; GB/s of out=")
    console.print(f"{'of limit:':<18}of memory's speed, or our kernel's in the first-level cache")
    console.print(
        f"{'noise:':<18}rounds are few; rows above 100 % or far off others say how busy it was"
    )
    for peer, why in results.absent.items():
        console.print(f"{'left out:':<18}{peer} ({why})")
    for text in results.disagreeing:
        console.print(f"{'disagrees:':<18}{text}")


def print_outcomes(results: Results, console: Console) -> None:
    """Against whom we won and lost how often, and where we lost most."""
    counts = results.counts()
    if not counts:
        return
    console.print()
    console.print("comparisons with each peer, like with like; noise: the quartiles meet")
    table = _framed([""], OUTCOMES)
    for peer, outcomes in counts.items():
        table.add_row(peer, *(f"{outcomes[outcome]:,}" for outcome in OUTCOMES))
    if len(counts) > 1:
        sums = (sum(outcomes[outcome] for outcomes in counts.values()) for outcome in OUTCOMES)
        table.add_section()
        table.add_row("all", *(f"{total:,}" for total in sums))
    console.print(table)
    lost = results.lost()
    if not lost:
        return
    table = _framed(["lost, the worst first", "to"], ["theirs / ours"])
    for pair in lost[:MOST_LOST]:
        row = pair.theirs
        case = f"{row.name} {row.method} n={size(row.shape)} {row.dtype} {row.outputs}"
        if row.threads != results.threads:
            case += f" {row.threads} of {results.threads} threads"
        table.add_row(case, row.peer, times(pair.ratio))
    console.print()
    console.print(table)
    if len(lost) > MOST_LOST:
        more = f"{len(lost) - MOST_LOST:,} more"
        console.print(f'and {more}, all in results.json: the rows whose outcome is "lost"')


def _framed(texts: Sequence[str], figures: Sequence[str]) -> Table:
    """A table with columns of texts, then of figures."""
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False)
    for name in texts:
        table.add_column(name)
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _parts(results: Results, rows: Sequence[Row], console: Console) -> list[Table]:
    """Tables of as many peers as fit side by side."""
    present = {row.peer for row in rows} - {OURS}
    peers = [name for name in results.versions if name in present]
    unbounded = console.options.update(max_width=1 << 16)
    for count in range(max(len(peers), 1), 0, -1):
        starts = range(0, max(len(peers), 1), count)
        tables = [_table(results, rows, peers[start : start + count]) for start in starts]
        widths = [console.measure(table, options=unbounded).maximum for table in tables]
        if max(widths) <= console.width:
            break
    return tables


def _table(results: Results, rows: Sequence[Row], peers: Sequence[str]) -> Table:
    ratios, fresh = results.ratios(), results.ratios(FRESH)
    ours = {(row.key, row.outputs): row for row in rows if row.peer == OURS}
    keys = sorted((key for key, outputs in ours if outputs == GIVEN), key=lambda key: key.name)
    ways = 2 if any(row.outputs == FRESH for row in rows) else 1
    large = any(row.extra_bytes is not None for row in rows)
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("out=", "new", "GB/s", "of limit", *peers):
        table.add_column(name, justify="right", no_wrap=True)
    for key in keys:
        given, new = ours[key, GIVEN], ours.get((key, FRESH))
        table.add_row(
            key.name,
            seconds(given.seconds),
            seconds(new.seconds) if new else "",
            f"{given.rate / 1e9:.2g}",
            f"{given.share:.0%}",
            *(times(ratios[key][peer]) if peer in ratios[key] else "" for peer in peers),
        )
    if len(keys) > 1:
        table.add_section()
        for name, found in (("median", ratios), ("median, new", fresh))[:ways]:
            table.add_row(name, "", "", "", "", *(_median(found, keys, peer) for peer in peers))
    if large:
        table.add_section()
        for name, way in (("extra memory", GIVEN), ("extra memory, new", FRESH))[:ways]:
            cells = [_memory(rows, peer, way) for peer in (OURS, *peers)]
            table.add_row(name, cells[0], "", "", "", *cells[1:])
    return table


def _median(ratios: dict[Key, dict[str, float]], keys: Sequence[Key], peer: str) -> str:
    found = [ratios[key][peer] for key in keys if peer in ratios[key]]
    return times(statistics.median(found)) if found else ""


def _memory(rows: Sequence[Row], peer: str, outputs: str) -> str:
    """The most that a call took beyond what was held before it."""
    found = [r.extra_bytes for r in rows if r.peer == peer and r.outputs == outputs]
    known = [size for size in found if size is not None]
    return f"{max(known) / 1e6:.3g} MB" if known else ""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """What became slower, then what became faster."""
    console.print()
    console.print(
        f"{comparison.compared} rows of fastloss compared; the peers take {comparison.drift:.2f}"
        f" times as long as before, which is taken out; changes below {comparison.noise:.2f} are"
        " noise"
    )
    console.print("a busy machine slows what runs on all threads most: compare on an idle one")
    if comparison.other_machine:
        console.print("the machine or its software has changed: see both files")
    for title, changes in (("slower", comparison.slower), ("faster", comparison.faster)):
        if changes:
            console.print(_changes(title, changes))
        else:
            console.print(f"nothing is {title} beyond the noise")


def _changes(title: str, changes: Sequence[Change]) -> Table:
    table = _framed([title, "method", "dtype", "out"], ["n", "threads", "before", "now", "ratio"])
    for change in changes:
        row = change.row
        figures = seconds(change.before), seconds(row.seconds), f"{change.ratio:.2f}"
        table.add_row(
            row.name,
            row.method,
            row.dtype,
            row.outputs,
            size(row.shape),
            str(row.threads),
            *figures,
        )
    return table
