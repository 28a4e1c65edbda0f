"""Batches of rows, scored on threads while the next ones are read."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastloss.cli.errors import Failure
from fastloss.cli.per_row import Rows, row_columns
from fastloss.cli.plan import Plan
from fastloss.losses import DomainError
from fastloss.scoring import Comparer, Scorer
from fastloss.scoring.measure import Measure
from fastloss.scoring.tables import Batch

T = TypeVar("T")
R = TypeVar("R")


Seen = Comparer | Mapping[str, Scorer]


@dataclass(frozen=True)
class Scored:
    """A batch, and what was found in it but for the scores."""

    batch: Batch
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


def score_batch(plan: Plan, seen: Seen, each_row: bool, batch: Batch) -> Scored:
    """Add a batch to what was seen; if asked, find its losses and gradients row by row too."""
    import numpy as np

    weights = None if plan.weight is None else batch.numbers[plan.weight]
    y_true, absent = _array(batch, plan.y_true), None
    if plan.of_classes:
        y_true, absent = _read_classes(batch, plan.y_true[0], plan.nan_policy, y_true)
    y_preds = {model: _array(batch, names) for model, names in plan.models.items()}
    if absent is not None:  # so that the row's loss is missing too
        y_preds = {m: np.where(absent, np.nan, y_pred.T).T for m, y_pred in y_preds.items()}
    if isinstance(seen, Comparer):
        with _placing(plan, batch, y_true, {f"y_preds[{m!r}]": m for m in y_preds}, y_preds):
            seen.update(y_true, y_preds, weights, batch.groups)
    else:
        for model, scorer in seen.items():
            with _placing(plan, batch, y_true, {"y_pred": model}, y_preds):
                scorer.update(y_true, y_preds[model], weights, batch.groups)
    rows: dict[str, Any] = {}
    for model, y_pred in y_preds.items() if each_row else ():
        for name, loss in plan.losses.items():
            options: Any = {"reduction": "none", "nan_policy": plan.nan_policy}
            value, grad = loss.value_and_grad(y_true, y_pred, sample_weight=weights, **options)
            columns = row_columns(plan, model, name)
            parts = grad.reshape(-1, len(columns) - 1).T
            rows |= zip(columns, [value, *parts], strict=True)
    weight_0 = 0 if weights is None else len(weights) - int(np.count_nonzero(weights))
    return Scored(batch, weight_0, rows)


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


@contextmanager
def _placing(
    plan: Plan, batch: Batch, y_true: Any, models: Mapping[str, str], y_preds: Mapping[str, Any]
) -> Iterator[None]:
    """Errors name the file, row and column of a value that cannot be scored, and who refuses it.

    ``models`` has what errors call the predictions of models.
    """
    try:
        yield
    except DomainError as error:
        columns = {"y_true": plan.y_true, "sample_weight": [plan.weight]}
        columns |= {argument: plan.models[model] for argument, model in models.items()}
        row = error.index[0]
        name = columns[error.argument][error.index[1] if len(error.index) > 1 else 0]
        place = f"{batch.path}: row {batch.start + row + 1}: column {name!r}"
        if math.isnan(error.value):
            raise Failure(f"{place} is missing or NaN") from error
        model = models.get(error.argument, next(iter(models.values())))
        y, p = (array[row : row + 1] for array in (y_true, y_preds[model]))
        refusing = [name for name, measure in plan.measures.items() if not _takes(measure, y, p)]
        names = f" ({', '.join(refusing)})" if refusing else ""
        raise Failure(f"{place} = {error.value:.15g} is not {error.domain}{names}") from error
    except (TypeError, ValueError) as error:  # a loss of rows without rows, or the other way round
        raise Failure(f"{batch.path}: {error}") from error


def _takes(measure: Measure, y: Any, p: Any) -> bool:
    try:
        Scorer([measure]).update(y, p)  # type: ignore[list-item]
    except DomainError:
        return False
    return True
