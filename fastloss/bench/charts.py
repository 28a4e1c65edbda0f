"""Results as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from fastloss.bench.cases import seconds, size
from fastloss.bench.peers.base import FRESH, GIVEN
from fastloss.bench.results import OURS, Key, Results, Row
from fastloss.bench.run import BOTH, CURVES
from fastloss.files import written_whole
from fastloss.palette import (
    BLACK,
    BLUE,
    BROWN,
    GREEN,
    GREY,
    LILAC,
    LIME,
    ORANGE,
    PALE,
    PINK,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {  # ours the darkest
    OURS: BLACK,
    "torch": VERMILION,
    "torch.compile": ORANGE,
    "jax": BROWN,
    "optax": YELLOW,
    "sklearn": BLUE,
    "sklearn.metrics": SKY,
    "numpy": GREEN,
    "scipy": LIME,
    "numexpr": PINK,
    "numba": PURPLE,
    "numba.strict": LILAC,
}
MARKERS = dict(zip(COLOURS, "oDd<>sPv^X*p", strict=True))
DTYPE = "float32"


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw each chart that the results have rows for; the files written."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "savefig.dpi": 160}):
        figures = {
            "speedup.png": speed_up(results),
            "time.png": time_against_n(results),
            "threads.png": scaling(results),
        }
        paths = []
        for name, figure in figures.items():
            if figure is not None:
                FigureCanvasAgg(figure)
                with written_whole(folder / name) as file:
                    figure.savefig(file, format="png")
                paths.append(folder / name)
    return paths


def speed_up(results: Results) -> Figure | None:
    """How many times faster than each peer, a line for each loss."""
    found = {
        key: peers
        for key, peers in results.ratios().items()
        if (key.method, key.dtype, key.threads) == (BOTH, DTYPE, results.threads) and peers
    }
    if not found:
        return None
    n = max(found, key=lambda key: (sum(k.n == key.n for k in found), key.n)).n
    rows = sorted(
        ((_case(key), peers) for key, peers in found.items() if key.n == n),
        key=lambda row: max(row[1].values()),
    )
    figure = Figure((7.2, 1.6 + 0.2 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for peer, colour in COLOURS.items():
        points = [(peers[peer], i) for i, (_, peers) in enumerate(rows) if peer in peers]
        if points:
            x, y = zip(*points, strict=True)
            axes.scatter(
                x, y, s=26, c=colour, marker=MARKERS[peer], label=_label(results, peer), zorder=3
            )
    axes.set_xscale("log")
    axes.axvline(1, color=COLOURS[OURS], lw=1.5)
    axes.text(1, len(rows) - 0.3, " fastloss", va="bottom", fontweight="bold")
    _plain_ticks(axes.xaxis, "{:g}x")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(-0.8, len(rows) + 0.6)
    axes.grid(axis="y", lw=0.4, color=PALE)
    axes.grid(axis="x", lw=0.4, color=PALE)
    axes.set_xlabel(
        "time of the peer over that of fastloss (right of the line: slower)\n"
        "both write to arrays given or, where the peer cannot, both to new ones"
    )
    _title(figure, results, f"Loss and gradient of {n:,} {DTYPE} numbers")
    _legend(figure)
    return figure


def time_against_n(results: Results) -> Figure | None:
    """Seconds against n on logarithmic axes, with the time that memory needs."""
    wanted = {"method": BOTH, "dtype": DTYPE, "threads": results.threads}
    rows = {name: list(results.find(name=name, **wanted)) for name in CURVES}
    if not all(rows.values()):
        return None
    figure = Figure((7.2, 3.9), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(CURVES), sharey=True)
    for axes, (name, here) in zip(panels, rows.items(), strict=True):
        for peer, points in _by_peer(here).items():
            x = [row.n for row in points]
            axes.plot(
                x,
                [row.seconds for row in points],
                color=COLOURS[peer],
                marker=MARKERS[peer],
                ms=4,
                lw=2.2 if peer == OURS else 1.2,
                label=_label(results, peer),
                zorder=3 if peer == OURS else 2,
            )
            axes.fill_between(
                x,
                [row.low for row in points],
                [row.high for row in points],
                color=COLOURS[peer],
                alpha=0.15,
                lw=0,
            )
        limits = [row for row in here if row.peer == OURS and row.memory is not None]
        if limits:
            per_byte = (limits[-1].memory or 0) / limits[-1].bytes
            ours = _by_peer(here)[OURS]
            axes.plot(
                [row.n for row in ours],
                [row.bytes * per_byte for row in ours],
                "--",
                color=GREY,
                lw=1.2,
                label="memory (caches are faster)",
                zorder=1,
            )
        axes.set(xscale="log", yscale="log", title=name, xlabel="n")
        axes.set_ylim(1e-7, 2 * max(row.seconds for rows_ in rows.values() for row in rows_))
        axes.grid(lw=0.4, color=PALE)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda t, _: seconds(t)))
    _title(
        figure,
        results,
        f"Time of a call: loss and gradient, {DTYPE}, into given arrays where the peer can",
    )
    _legend(figure)
    return figure


def scaling(results: Results) -> Figure | None:
    """Speed with threads, relative to the same peer with one."""
    rows = [
        row
        for row in results.find(method=BOTH, dtype=DTYPE)
        if row.name in CURVES and row.n == max(r.n for r in results.find(name=row.name))
    ]
    counts = sorted({row.threads for row in rows})
    if len(counts) < 2:
        return None
    figure = Figure((7.2, 3.6), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(CURVES), sharey=True)
    for axes, name in zip(panels, CURVES, strict=True):
        for peer, points in _by_peer([row for row in rows if row.name == name]).items():
            points = sorted(points, key=lambda row: row.threads)
            axes.plot(
                [row.threads for row in points],
                [row.bytes / row.seconds / 1e9 for row in points],
                color=COLOURS[peer],
                marker=MARKERS[peer],
                lw=2.2 if peer == OURS else 1.2,
                label=_label(results, peer),
            )
        limits = [r for r in rows if r.name == name and r.peer == OURS and r.outputs == GIVEN]
        limits = sorted((r for r in limits if r.memory), key=lambda row: row.threads)
        axes.plot(
            [row.threads for row in limits],
            [row.bytes / row.memory / 1e9 for row in limits if row.memory],
            "--",
            color=GREY,
            lw=1.2,
            label="memory",
        )
        axes.set(title=name, xlabel="threads", xticks=counts, yscale="log")
        _plain_ticks(axes.yaxis, "{:g}")
        axes.grid(lw=0.4, color=PALE)
    panels[0].set_ylabel("GB/s of inputs and outputs")
    _title(
        figure,
        results,
        f"Threads: loss and gradient of {rows[0].n:,} {DTYPE} numbers,"
        " into given arrays where the peer can",
    )
    _legend(figure)
    return figure


def _by_peer(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each peer by n: with the arrays given, where it can take them."""
    found: dict[str, list[Row]] = {}
    for peer in COLOURS:
        theirs = [row for row in rows if row.peer == peer]
        outputs = GIVEN if any(row.outputs == GIVEN for row in theirs) else FRESH
        if theirs:
            chosen = [row for row in theirs if row.outputs == outputs]
            found[peer] = sorted(chosen, key=lambda row: row.n)
    return found


def _case(key: Key) -> str:
    """The loss, and of losses of rows how many of how many classes."""
    return key.name if len(key.shape) == 1 else f"{key.name} {size(key.shape)}"


def _label(results: Results, peer: str) -> str:
    return f"{peer} {results.versions.get(peer, '').partition('+')[0]}".strip()


def _legend(figure: Figure) -> None:
    """One for all panels."""
    pairs = [zip(*axes.get_legend_handles_labels(), strict=True) for axes in figure.axes]
    found = {label: handle for pair in pairs for handle, label in pair}
    figure.legend(
        found.values(),
        found.keys(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def _plain_ticks(axis: Any, form: str) -> None:
    """At 1, 2 and 5 in each decade, or at decades alone where there are many."""
    low, high = axis.get_view_interval()
    digits = (1, 2, 5) if high < 1000 * low else (1,)
    ticks = [digit * 10.0**power for power in range(-9, 10) for digit in digits]
    axis.set_major_locator(matplotlib.ticker.FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: form.format(value)))


def _title(figure: Figure, results: Results, text: str) -> None:
    machine = results.machine
    figure.suptitle(
        f"{text}\n{results.threads} threads, {machine['processor']}, "
        f"{machine['instruction set']}, {results.date}",
        fontsize=10,
    )
