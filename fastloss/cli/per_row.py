"""``--per-row``: the file of each row's losses and gradients, and what its columns are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastloss.cli.errors import Failure
from fastloss.cli.output import check_out, told
from fastloss.cli.plan import Plan
from fastloss.scoring.tables import Batch

Rows = Mapping[str, Any]  # losses and gradients by the names of their columns


def row_columns(plan: Plan, model: str, loss: str) -> list[str]:
    """The column of a loss's values, then those of its gradient, one a column of predictions."""
    names, alone = plan.models[model], len(plan.models) == 1
    if alone and len(names) == 1:
        return [loss, f"{loss}_grad"]
    value = loss if alone else f"{loss}_{model}"
    return [value, *(f"{loss}_grad_{name}" for name in names)]


@contextmanager
def row_writer(
    path: Path | None, files: Sequence[str], plan: Plan
) -> Iterator[Callable[[Batch, Rows], None]]:
    """A function that writes a batch's rows to ``path``; without a path it does nothing."""
    if path is None:
        yield lambda batch, rows: None
        return
    from fastloss.scoring.per_row import parquet_writer

    if path.suffix != ".parquet":
        raise Failure(f"--per-row {path}: the file is Parquet, so name it .parquet")
    check_out("--per-row", path, files)
    texts = [name for name in plan.by if name not in plan.numbers]
    numbers = plan.numbers
    for model in plan.models:
        for loss in plan.losses:
            numbers += row_columns(plan, model, loss)
    if len({*texts, *numbers}) < len(texts) + len(numbers):
        raise Failure(f"--per-row {path}: two columns would have the same name")
    with told("--per-row", path), parquet_writer(path, numbers, texts) as append:
        yield lambda batch, rows: append({**batch.numbers, **rows}, batch.keys)
