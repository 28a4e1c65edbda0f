"""Scores and losses, printed: as tables for people, as JSON or CSV for programs."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from fastloss.cli.outcome import STDERR, VALUE, Outcome, Row
from fastloss.cli.output import printing
from fastloss.cli.score_formats import csv_of, json_of
from fastloss.cli.text_table import Column, numbers, print_table, texts
from fastloss.losses import Loss
from fastloss.scoring.shown import shown_value

INDENT = "    "
MOST_ROWS, MOST_COLUMNS = 10, 4  # of coefficients
OF_DIFFERENCE = {"z": ".3g", "p": ".2g", "rank": "d"}  # what tables have of it, and how
BASELINE = "baseline"  # where its difference to itself would be


@printing()
def print_scores(outcome: Outcome, form: str) -> None:
    """Print to standard output as "table", "json" or "csv"."""
    if form == "json":
        print(json_of(outcome), end="")
    elif form == "csv":
        print(csv_of(outcome), end="")
    elif outcome.comparison is not None:
        _print_comparison(outcome)
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
def print_losses(losses: Iterable[Loss], metrics: Mapping[str, str]) -> None:
    """Print each loss as --loss takes it, with its default parameters, and its formula."""
    for loss in losses:
        # tables have columns, and classes as integers
        given = [(k, v) for k, v in loss.parameters.items() if k not in ("axis", "classes")]
        shown = [(k, v) for k, v in given if v is not None]
        parameters = ",".join(f"{name}={value}" for name, value in shown)
        _print_defined(f"{loss.name}:{parameters}" if parameters else loss.name, loss.definition)
    for name, text in metrics.items():
        _print_defined(name, text.replace("`", ""))


def _print_defined(name: str, text: str) -> None:
    print(name)
    print(
        textwrap.fill(
            text,
            shutil.get_terminal_size().columns,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
            break_on_hyphens=False,
        )
    )


def _print_losses_of(outcome: Outcome) -> None:
    """Losses as rows, where there is one model and no groups."""
    (row,) = outcome
    print_table(
        [texts("loss", outcome.names)], [numbers("value", [*map(_value, row.scores.values())])]
    )
    weight = f", weight {row.weight:.7g}" if row.weight != row.count else ""
    print(f"\n{row.count:,} rows{weight}")


def _print_rows(outcome: Outcome) -> None:
    """Models and their groups as rows, losses as columns."""
    rows = [*outcome]
    left = [texts("model", [row.model for row in rows])] if len(outcome.scores) > 1 else []
    left += _keys(outcome, rows)
    right = _sizes(rows)
    for name in outcome.names:
        right.append(numbers(name, [_value(row.scores[name]) for row in rows]))
    totals = [place for place, row in enumerate(rows) if not row.group]
    between = {*totals, *(place + 1 for place in totals)} - {len(rows)}
    print_table(left, right, between if outcome.by else ())


def _print_comparison(outcome: Outcome) -> None:
    """A table for each loss, where the models of a group are side by side."""
    of_groups = zip(*map(outcome.rows_of, outcome.scores), strict=True)
    rows = [*chain.from_iterable(of_groups)]
    left = [*_keys(outcome, rows), texts("model", [row.model for row in rows])]
    ruled = [len(rows) - len(outcome.scores)] if outcome.by else []
    for name in outcome.names:
        if name != outcome.names[0]:
            print()
        fields, cells = outcome.fields(name), [row.scores[name] for row in rows]
        right = [*_sizes(rows), numbers(name, [*map(_value, cells)])]
        right.append(numbers("difference", [*map(_difference, cells)]))
        for field, form in OF_DIFFERENCE.items():
            if field in fields:
                right.append(numbers(field, [_if_there(cell, field, form) for cell in cells]))
        print_table(left, right, ruled)


def _keys(outcome: Outcome, rows: Sequence[Row]) -> list[Column]:
    """The groups, in a column for each key."""
    total = outcome.total_label
    return [
        texts(key, [row.group[place] if row.group else total for row in rows])
        for place, key in enumerate(outcome.by)
    ]


def _sizes(rows: Sequence[Row]) -> list[Column]:
    """How many rows there are, and their weight if that is something else."""
    found = [numbers("rows", [f"{row.count:,}" for row in rows])]
    if any(row.weight != row.count for row in rows):
        found.append(numbers("weight", [f"{row.weight:.7g}" for row in rows]))
    return found


def _value(fields: Mapping[str, float]) -> str:
    """A value, with its error if it has one."""
    if STDERR in fields:
        return shown_value(fields[VALUE], fields[STDERR])
    return _number(fields[VALUE])


def _difference(fields: Mapping[str, float]) -> str:
    if "difference" not in fields:
        return BASELINE
    return shown_value(fields["difference"], fields.get("difference_stderr"))


def _if_there(fields: Mapping[str, float], field: str, form: str) -> str:
    return f"{fields[field]:{form}}" if field in fields else ""


def _number(value: float) -> str:
    return f"{value:#.7g}" if math.isfinite(value) else str(float(value))
