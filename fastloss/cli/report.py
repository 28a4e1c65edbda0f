"""Scores and losses, printed: as tables for people, as JSON or CSV for programs."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

from fastloss.cli.outcome import Outcome
from fastloss.cli.output import printing
from fastloss.cli.score_formats import csv_of, json_of
from fastloss.cli.text_table import numbers, print_table, texts
from fastloss.losses import Loss

INDENT = "    "
MOST_ROWS, MOST_COLUMNS = 10, 4  # of coefficients


@printing()
def print_scores(outcome: Outcome, form: str) -> None:
    """Print to standard output as "table", "json" or "csv"."""
    if form == "json":
        print(json_of(outcome), end="")
    elif form == "csv":
        print(csv_of(outcome), end="")
    elif outcome.by or len(outcome.scores) > 1:
        _print_rows(outcome)
    else:
        _print_losses_of(outcome)


@printing()
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
        order = np.argsort(-np.abs(coef).max(axis=0), kind="stable")[:MOST_ROWS]
        rows = np.column_stack([coef[:, order], np.atleast_1d(estimator.intercept_)])
        print()
        print_table(
            [texts("feature", [*features[order], "(intercept)"])],
            [numbers(name, [*map(_number, row)]) for name, row in zip(columns, rows, strict=True)],
        )
        if len(order) < len(features):
            print(f"\nand {len(features) - len(order):,} smaller ones")


@printing()
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


def _print_losses_of(outcome: Outcome) -> None:
    """Losses as rows, where there is one model and no groups."""
    (row,) = outcome
    print_table([texts("loss", outcome.names)], [numbers("value", [*map(_number, row.values)])])
    weight = f", weight {row.weight:.7g}" if row.weight != row.count else ""
    print(f"\n{row.count:,} rows{weight}")


def _print_rows(outcome: Outcome) -> None:
    """Models and their groups as rows, losses as columns."""
    rows, total = [*outcome], outcome.total_label
    left = [texts("model", [row.model for row in rows])] if len(outcome.scores) > 1 else []
    for place, key in enumerate(outcome.by):
        left.append(texts(key, [row.group[place] if row.group else total for row in rows]))
    right = [numbers("rows", [f"{row.count:,}" for row in rows])]
    if any(row.weight != row.count for row in rows):
        right.append(numbers("weight", [f"{row.weight:.7g}" for row in rows]))
    for place, name in enumerate(outcome.names):
        right.append(numbers(name, [_number(row.values[place]) for row in rows]))
    totals = [place for place, row in enumerate(rows) if not row.group]
    between = {*totals, *(place + 1 for place in totals)} - {len(rows)}
    print_table(left, right, between if outcome.by else ())


def _number(value: float) -> str:
    return f"{value:#.7g}" if math.isfinite(value) else str(float(value))
