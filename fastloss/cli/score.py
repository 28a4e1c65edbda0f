"""``fastloss score``: the scores of files of predictions."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from fastloss.cli.errors import Failure, Interrupted
from fastloss.cli.options import Command
from fastloss.cli.output import check_out, told
from fastloss.cli.progress import progress
from fastloss.cli.reading import reading_options
from fastloss.losses import DomainError, get_loss
from fastloss.losses.rows import RowLoss
from fastloss.scoring import Scorer, Scores
from fastloss.scoring.tables import Batch, class_labels, read, split_columns
from fastloss.tables import Options, TableError, names_in, open_sources
from fastloss.threads import get_num_threads, num_threads

T = TypeVar("T")
R = TypeVar("R")
Rows = dict[str, Any]  # losses and gradients by the names of their columns

DEFAULT_LOSSES = ("mse", "rmse", "mae")


@click.command(cls=Command)
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option(
    "--y-true",
    required=True,
    metavar="COL[,COL...]",
    help="Column of targets; of several classes a class in one column, or a column for each.",
)
@click.option(
    "--y-pred",
    required=True,
    metavar="COL[,COL...]",
    help="Column of predictions; of several classes a column for each.",
)
@click.option("--weight", metavar="COL", help="Column of sample weights.")
@click.option("--by", metavar="COL", help="Score each value of this column too.")
@click.option(
    "--loss",
    "specs",
    multiple=True,
    default=DEFAULT_LOSSES,
    metavar="NAME[:PARAM=VALUE,...]",
    help="A loss that `fastloss losses` lists; may be repeated.  "
    f"[default: {', '.join(DEFAULT_LOSSES)}]",
)
@click.option(
    "--nan-policy",
    type=click.Choice(["propagate", "omit", "raise"]),
    default="propagate",
    show_default=True,
    help="What a missing or NaN value does: make the score NaN, drop the row, or stop.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How the scores are printed.",
)
@click.option(
    "--per-row",
    type=click.Path(path_type=Path),
    metavar="OUT.parquet",
    help="Write each row's losses and gradients, times its weight, to this file.",
)
@click.option(
    "--classes",
    metavar="LABEL,LABEL[,...]",
    help="Labels of the classes in the column of targets, in the order of the columns of "
    "predictions; of a single column the second label is the class that is predicted.",
)
@reading_options
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads that compute.")
def score(
    files: tuple[str, ...],
    y_true: str,
    y_pred: str,
    weight: str | None,
    by: str | None,
    specs: tuple[str, ...],
    nan_policy: str,
    form: str,
    per_row: Path | None,
    classes: str | None,
    options: Options,
    threads: int | None,
) -> None:
    """Score the predictions in FILE..., which together are one data set.

    FILE is text (.csv, .tsv, .txt), JSON lines (.jsonl, .ndjson), Parquet (.parquet, .pq), ORC
    (.orc), Arrow (.feather, .arrow, .arrows, .ipc) or .npz, where the columns are the arrays'
    names; any of them may be compressed (.gz, .zst, .bz2, .xz). It may be a pipe, - for standard
    input, a URL (s3://, gs://, https://), or a folder, of which all files are read, and where
    date=2026-01-01/ is a column. Without FILE the columns are .npy files:

    \b
        fastloss score --y-true y.npy --y-pred p.npy --loss log_loss

    A column of lists, or an array of two axes, stored row by row, stands for its columns: p[0],
    p[1], ... A name that has a comma stands in quotes: --y-pred '"a,b",c'.

    Files are read piece by piece and may be larger than memory. Missing numbers are NaN, and rows
    without a group are the group "(missing)". Messages count the rows of each file from 1, and a
    CSV file's header is not a row. JSON shows values that it cannot express as "NaN", "Infinity"
    and "-Infinity".
    """
    from fastloss.cli.report import print_scores

    losses = _losses(specs)
    if by == "":
        raise Failure("--by '': the name of the column is empty")
    try:
        given = {"y_true": names_in(y_true), "y_pred": names_in(y_pred)}
        others = [name for name in (weight, by) if name is not None]
        sources = open_sources(files, options, sum(given.values(), others))
        columns = {name: split_columns(sources, names) for name, names in given.items()}
        _check_columns(losses, columns["y_true"], columns["y_pred"])
        labels = {}
        if len(columns["y_true"]) == 1 and (classes is not None or _of_classes(losses)):
            (target,) = columns["y_true"]
            known = class_labels(sources, target, columns["y_pred"], classes)
            labels = {} if known is None else {target: known}
        elif classes is not None:
            raise Failure("--classes: the targets have a column for each class, not labels")
    except TableError as error:
        raise Failure(str(error)) from error
    if weight is not None:
        columns["sample_weight"] = [weight]
    work = partial(_score_batch, losses, columns, nan_policy, per_row is not None)
    try:
        scorer = Scorer(losses.values(), nan_policy=nan_policy)
    except ValueError as error:  # losses that do not go together, or have weights of their own
        raise Failure(str(error).replace("sample_weight", "--weight")) from error
    threads = threads or get_num_threads()
    try:
        batches = read(sources, sum(columns.values(), []), by, labels)
        with (
            _row_writer(per_row, files, losses, columns, by) as write,
            progress() as show,
            closing(_in_order(work, batches, threads)) as parts,
            num_threads(1),  # each batch on one thread: none waits for another
        ):
            for batch, part, rows in parts:
                scorer.merge(part)
                write(batch, rows)
                show(batch.done, batch.rows)
            scores = _result(scorer)
    except TableError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    print_scores(scores, by, form)


def _in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R, None, None]:
    """``work`` of each item, on threads, while the next items are being made on this one."""
    with ThreadPoolExecutor(threads) as pool:
        coming: deque[Future[R]] = deque()
        for item in items:
            coming.append(pool.submit(work, item))
            if len(coming) > threads + 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _score_batch(
    losses: Mapping[str, Any],
    columns: Mapping[str, list[str]],
    nan_policy: str,
    each_row: bool,
    batch: Batch,
) -> tuple[Batch, Scorer, Rows]:
    """Score a batch alone; if asked, its losses and gradients row by row too."""
    arrays = {argument: _array(batch, names) for argument, names in columns.items()}
    if _of_classes(losses) and len(columns["y_true"]) == 1:
        _read_classes(batch, columns["y_true"][0], nan_policy, arrays)
    scorer = Scorer(losses.values(), nan_policy=nan_policy)
    rows: Rows = {}
    try:
        scorer.update(**arrays, groups=batch.groups)
    except DomainError as error:
        raise Failure(_domain_message(error, batch, columns, losses, arrays)) from error
    except (TypeError, ValueError) as error:  # a loss of rows without rows, or the other way round
        raise Failure(f"{batch.path}: {error}") from error
    for name, loss in losses.items() if each_row else ():
        rows[name], grad = loss.value_and_grad(**arrays, reduction="none", nan_policy=nan_policy)
        grads = _grad_names(name, columns)
        rows |= zip(grads, grad.reshape(-1, len(grads)).T, strict=True)
    return batch, scorer, rows


def _array(batch: Batch, names: Sequence[str]) -> Any:
    """A column, or several side by side."""
    import numpy as np

    found = [batch.numbers[name] for name in names]
    return found[0] if len(found) == 1 else np.column_stack(found)


def _read_classes(batch: Batch, name: str, nan_policy: str, arrays: dict[str, Any]) -> None:
    """A column of classes as integers, which CSV files and columns with gaps do not hold.

    Where the class is missing, predictions become NaN, and so the row's loss.
    """
    import numpy as np

    column = arrays["y_true"]
    if column.dtype.kind != "f":
        return
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
    arrays["y_true"] = classes
    if absent.any():
        arrays["y_pred"] = np.where(absent[:, None], np.nan, arrays["y_pred"])


def _grad_names(loss: str, columns: Mapping[str, list[str]]) -> list[str]:
    """The columns of a loss's gradient, one for each column of predictions."""
    names = columns["y_pred"]
    return [f"{loss}_grad"] if len(names) == 1 else [f"{loss}_grad_{name}" for name in names]


def _result(scorer: Scorer) -> Scores:
    try:
        return scorer.result()
    except ValueError as error:  # a mean over nothing
        raise Failure(f"nothing to score: {error}") from error


def _of_classes(losses: Mapping[str, Any]) -> bool:
    return any("labels" in getattr(loss, "_takes", ()) for loss in losses.values())


def _check_columns(losses: Mapping[str, Any], y_true: list[str], y_pred: list[str]) -> None:
    """Losses of rows need a column for each class, the others have one."""
    shown = [",".join([*names[:8], *["..."][: len(names) > 8]]) for names in (y_true, y_pred)]
    given = f"got --y-true {shown[0]} --y-pred {shown[1]}"
    for option, names in (("--y-true", y_true), ("--y-pred", y_pred)):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise Failure(f"{option}: column {twice[0]!r} is named twice")
    for name, loss in losses.items():
        one_by_one = len(y_true) == len(y_pred)
        if loss.parameters.get("axis", -1) != -1:
            raise Failure(f"--loss {name}: in a table classes are columns; leave out axis")
        if not isinstance(loss, RowLoss):
            fits = len(y_true) == len(y_pred) == 1
            wanted = "one column of targets and one of predictions"
        elif loss._columns:
            fits = len(y_true) == 1 and len(y_pred) == len(loss._columns)
            wanted = f"columns for {' and '.join(loss._columns)}, as in --y-pred mean,variance"
        elif len(y_pred) == 1:
            fits, wanted = False, "a column for each class, as in --y-pred p0,p1"
        elif "labels" in loss._takes:
            fits = len(y_true) == 1 or one_by_one and "targets" in loss._takes
            wanted = "one column of classes" + (
                ", or a column of targets for each class" if "targets" in loss._takes else ""
            )
        else:
            fits, wanted = one_by_one, "a column of targets for each of predictions"
        if not fits:
            raise Failure(f"--loss {name}: it needs {wanted}; {given}")


def _losses(specs: Sequence[str]) -> dict[str, Any]:
    """Each loss by the name that its column has."""
    losses: dict[str, Any] = {}
    for spec in specs:
        try:
            loss = get_loss(spec)
        except (ValueError, TypeError) as error:
            raise Failure(f"--loss {spec}: {error}") from error
        if loss.spec in losses:
            raise Failure(f"--loss {spec}: this loss is asked for twice")
        losses[loss.spec] = loss
    return losses


def _domain_message(
    error: DomainError,
    batch: Batch,
    columns: Mapping[str, list[str]],
    losses: Mapping[str, Any],
    arrays: Mapping[str, Any],
) -> str:
    """Name the file, row and column of a value that cannot be scored, and who refuses it."""
    row = error.index[0]
    name = columns[error.argument][error.index[1] if len(error.index) > 1 else 0]
    place = f"{batch.path}: row {batch.start + row + 1}: column {name!r}"
    if math.isnan(error.value):
        return f"{place} is missing or NaN"
    y, p = (arrays[name][row : row + 1] for name in ("y_true", "y_pred"))
    refusing = [name for name, loss in losses.items() if not _takes(loss, y, p)]
    names = f" ({', '.join(refusing)})" if refusing else ""
    return f"{place} = {error.value:.15g} is not {error.domain}{names}"


def _takes(loss: Any, y: Any, p: Any) -> bool:
    try:
        loss(y, p, reduction="none")
    except DomainError:
        return False
    return True


@contextmanager
def _row_writer(
    path: Path | None,
    files: Sequence[str],
    losses: Mapping[str, Any],
    columns: Mapping[str, list[str]],
    by: str | None,
) -> Iterator[Callable[[Batch, Rows], None]]:
    """A function that writes a batch's rows to ``path``; without a path it does nothing."""
    if path is None:
        yield lambda batch, rows: None
        return
    from fastloss.scoring.per_row import parquet_writer

    if path.suffix != ".parquet":
        raise Failure(f"--per-row {path}: the file is Parquet, so name it .parquet")
    check_out("--per-row", path, files)
    names = list(dict.fromkeys(sum(columns.values(), [])))
    names += [part for name in losses for part in (name, *_grad_names(name, columns))]
    text = None if by in names else by
    if len({*names}) < len(names):
        raise Failure(f"--per-row {path}: two columns would have the same name")
    with told("--per-row", path), parquet_writer(path, names, text) as append:
        yield lambda batch, rows: append({**batch.numbers, **rows}, batch.groups if text else None)
