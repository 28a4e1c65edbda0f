"""Scores and losses, printed: as tables for people, as JSON or CSV for programs."""

from __future__ import annotations

import csv
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fastloss.losses import Loss
from fastloss.scoring import Scores

if TYPE_CHECKING:
    from rich.table import Table

INDENT = "    "
MOST_ROWS, MOST_COLUMNS = 10, 4  # of coefficients


def print_scores(scores: Scores, by: str | None, form: str) -> None:
    """Print to standard output as "table", "json" or "csv"."""
    if form == "json":
        print(json.dumps(_finite(scores.to_dict()), indent=2, allow_nan=False))
    elif form == "csv":
        _print_csv(scores, by)
    elif by is None:
        _print_plain(scores)
    else:
        _print_grouped(scores, by)


def print_fit(estimator: Any, samples: int, seconds: float) -> None:
    """Print what was fitted to standard output, and the largest coefficients."""
    import numpy as np

    features, losses = estimator.feature_names_in_, estimator.history_["loss"]
    coef = np.atleast_2d(estimator.coef_)
    shown = {
        "loss": estimator.loss_.spec,
        "samples": f"{samples:,}",
        "features": f"{len(features):,}",
        "nonzero coefficients": f"{np.count_nonzero(coef):,} of {coef.size:,}",
        "iterations": f"{estimator.n_iter_:,}",
        "objective": _number(losses[-1]),
        "seconds": f"{seconds:.1f}",
    }
    width = max(map(len, shown))
    for name, text in shown.items():
        print(f"{name:{width}}  {text}")
    columns = [str(label) for label in getattr(estimator, "classes_", ["coefficient"])]
    if len(coef) == 1 and len(columns) == 2:
        columns = [f"towards {columns[1]}"]
    if len(coef) <= MOST_COLUMNS:
        table = _table("feature", numbers=columns)
        order = np.argsort(-np.abs(coef).max(axis=0), kind="stable")[:MOST_ROWS]
        for place in order:
            table.add_row(str(features[place]), *map(_number, coef[:, place]))
        table.add_row("(intercept)", *map(_number, np.atleast_1d(estimator.intercept_)))
        print()
        _print(table)
        if len(order) < len(features):
            print(f"\nand {len(features) - len(order):,} smaller ones")


def print_losses(losses: Iterable[Loss]) -> None:
    """Print each loss as --loss takes it, with its default parameters, and its formula."""
    width = shutil.get_terminal_size().columns
    for loss in losses:
        # tables have columns, and classes as integers
        shown = [(k, v) for k, v in loss.parameters.items() if k not in ("axis", "classes")]
        parameters = ",".join(f"{name}={value}" for name, value in shown)
        print(f"{loss.name}:{parameters}" if parameters else loss.name)
        print(
            textwrap.fill(
                loss.definition,
                width,
                initial_indent=INDENT,
                subsequent_indent=INDENT,
                break_on_hyphens=False,
            )
        )


def _finite(value: Any) -> Any:
    """JSON has no infinities: they and NaN become "Infinity", "-Infinity" and "NaN"."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _print_csv(scores: Scores, by: str | None) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*([] if by is None else [by]), *scores.names, "weight", "count"])
    for label, values, weight, count in _rows(scores):
        group = [] if by is None else [scores.total_label if label is None else label]
        out.writerow([*group, *map(float, values), weight, count])


def _print_plain(scores: Scores) -> None:
    table = _table("loss", numbers=["value"])
    for name, value in zip(scores.names, scores.values, strict=True):
        table.add_row(name, _number(value))
    _print(table)
    weight = f", weight {scores.weight:.7g}" if _weighted(scores) else ""
    print(f"\n{scores.count:,} rows{weight}")


def _print_grouped(scores: Scores, by: str) -> None:
    """Groups as rows, losses as columns: one table under the other where the screen is narrow."""
    from rich.console import Console

    console = Console()
    unbounded = console.options.update(max_width=1 << 16)
    first = 0
    while first < len(scores.names):
        last = first + 1
        while last < len(scores.names):
            wider = _group_table(scores, by, slice(first, last + 1))
            if console.measure(wider, options=unbounded).maximum > console.width:
                break
            last += 1
        if first:
            print()
        _print(_group_table(scores, by, slice(first, last)))
        first = last


def _group_table(scores: Scores, by: str, part: slice) -> Table:
    weighted = _weighted(scores)
    table = _table(by, numbers=["rows", *(["weight"] if weighted else []), *scores.names[part]])
    for label, values, weight, count in _rows(scores):
        if label is None:
            table.add_section()
        sizes = [f"{count:,}", f"{weight:.7g}"][: 1 + weighted]
        table.add_row(
            scores.total_label if label is None else str(label), *sizes, *map(_number, values[part])
        )
    return table


def _weighted(scores: Scores) -> bool:
    return bool(scores.weight != scores.count)


def _rows(scores: Scores) -> Iterable[tuple[Any, Any, float, int]]:
    """Label, values, weight and count of each group, then of all rows, whose label is None."""
    if scores.groups is not None:
        yield from zip(
            scores.groups,
            scores.group_values,
            map(float, scores.group_weights),
            map(int, scores.group_counts),
            strict=True,
        )
    yield None, scores.values, float(scores.weight), int(scores.count)


def _number(value: float) -> str:
    return f"{value:#.7g}" if math.isfinite(value) else str(float(value))


def _table(*texts: str, numbers: Sequence[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False)
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False).print(table)
