"""Batches of rows, scored on threads while the next ones are read."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from fastloss.cli.errors import Failure
from fastloss.cli.per_row import Rows, row_columns
from fastloss.cli.plan import Plan
from fastloss.losses import DomainError
from fastloss.scoring import Scorer
from fastloss.scoring.tables import Batch

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Scored:
    """A batch, and what was found in it."""

    batch: Batch
    scorers: Mapping[str, Scorer]  # by model
    weight_0: int  # rows that have no weight
    rows: Rows


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R, None, None]:
    """``work`` of each item, on threads, while the next items are being made on this one."""
    with ThreadPoolExecutor(threads) as pool:
        coming: deque[Future[R]] = deque()
        for item in items:
            coming.append(pool.submit(work, item))
            if len(coming) > threads + 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def score_batch(plan: Plan, each_row: bool, batch: Batch) -> Scored:
    """Score a batch alone; if asked, its losses and gradients row by row too."""
    import numpy as np

    weights = None if plan.weight is None else batch.numbers[plan.weight]
    y_true, absent = _array(batch, plan.y_true), None
    if plan.of_classes:
        y_true, absent = _read_classes(batch, plan.y_true[0], plan.nan_policy, y_true)
    scorers, rows = {}, dict[str, Any]()
    for model, names in plan.models.items():
        y_pred = _array(batch, names)
        if absent is not None:  # so that the row's loss is missing too
            y_pred = np.where(absent[:, None], np.nan, y_pred)
        arrays = {"y_true": y_true, "y_pred": y_pred, "sample_weight": weights}
        scorers[model] = _score_model(plan, batch, model, arrays)
        for name, loss in plan.losses.items() if each_row else ():
            options: Any = {"reduction": "none", "nan_policy": plan.nan_policy}
            value, grad = loss.value_and_grad(**arrays, **options)
            columns = row_columns(plan, model, name)
            parts = grad.reshape(-1, len(columns) - 1).T
            rows |= zip(columns, [value, *parts], strict=True)
    weight_0 = 0 if weights is None else len(weights) - int(np.count_nonzero(weights))
    return Scored(batch, scorers, weight_0, rows)


def _score_model(plan: Plan, batch: Batch, model: str, arrays: dict[str, Any]) -> Scorer:
    scorer = plan.scorer()
    try:
        scorer.update(**arrays, groups=batch.groups)
    except DomainError as error:
        raise Failure(_domain_message(error, plan, batch, model, arrays)) from error
    except (TypeError, ValueError) as error:  # a loss of rows without rows, or the other way round
        raise Failure(f"{batch.path}: {error}") from error
    return scorer


def _array(batch: Batch, names: Sequence[str]) -> Any:
    """A column, or several side by side."""
    import numpy as np

    found = [batch.numbers[name] for name in names]
    return found[0] if len(found) == 1 else np.column_stack(found)


def _read_classes(batch: Batch, name: str, nan_policy: str, column: Any) -> tuple[Any, Any]:
    """A column of classes as integers, which CSV files and columns with gaps do not hold.

    Where the class is missing, if anywhere, is the second result.
    """
    import numpy as np

    if column.dtype.kind != "f":
        return column, None
    absent = np.isnan(column) & (nan_policy != "raise")
    whole = np.where(absent, 0, column)
    with np.errstate(invalid="ignore"):
        classes = whole.astype(np.int64)
    wrong = np.flatnonzero(classes != whole)
    if len(wrong):
        place = f"{batch.path}: row {batch.start + wrong[0] + 1}: column {name!r}"
        value = column[wrong[0]]
        problem = "is missing or NaN" if np.isnan(value) else f"= {value:.15g} is not a class"
        raise Failure(f"{place} {problem}")
    return classes, absent if absent.any() else None


def _domain_message(
    error: DomainError, plan: Plan, batch: Batch, model: str, arrays: Mapping[str, Any]
) -> str:
    """Name the file, row and column of a value that cannot be scored, and who refuses it."""
    columns = {
        "y_true": plan.y_true,
        "y_pred": plan.models[model],
        "sample_weight": [plan.weight],
    }
    row = error.index[0]
    name = columns[error.argument][error.index[1] if len(error.index) > 1 else 0]
    place = f"{batch.path}: row {batch.start + row + 1}: column {name!r}"
    if math.isnan(error.value):
        return f"{place} is missing or NaN"
    y, p = (arrays[name][row : row + 1] for name in ("y_true", "y_pred"))
    refusing = [name for name, loss in plan.losses.items() if not _takes(loss, y, p)]
    names = f" ({', '.join(refusing)})" if refusing else ""
    return f"{place} = {error.value:.15g} is not {error.domain}{names}"


def _takes(loss: Any, y: Any, p: Any) -> bool:
    try:
        loss(y, p, reduction="none")
    except DomainError:
        return False
    return True
