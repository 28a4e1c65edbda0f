"""``fastloss score``: the scores of files of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import click

from fastloss.cli.batches import Seen, in_order, score_batch
from fastloss.cli.bounds import CROSSED, crossed, read_bounds
from fastloss.cli.errors import Failure, Interrupted, tell
from fastloss.cli.options import Command, define_option
from fastloss.cli.outcome import Outcome, scores_of
from fastloss.cli.per_row import row_writer
from fastloss.cli.plan import Plan, make_plan, read_comparison, read_measures
from fastloss.cli.progress import progress
from fastloss.cli.reading import reading_options
from fastloss.scoring import Comparer, Comparison, Scores
from fastloss.scoring.tables import read
from fastloss.tables import Options, TableError
from fastloss.threads import get_num_threads, num_threads

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
    multiple=True,
    metavar="COL[,COL...]",
    help="Column of predictions; of several classes a column for each. May be repeated: each is a "
    "model.",
)
@click.option("--weight", metavar="COL", help="Column of sample weights.")
@click.option(
    "--by",
    multiple=True,
    metavar="COL",
    help="Score each value of this column too; if repeated, each combination of values.",
)
@click.option(
    "--loss",
    "specs",
    multiple=True,
    default=DEFAULT_LOSSES,
    metavar="NAME[:PARAM=VALUE,...]",
    help="A loss or metric that `fastloss losses` lists; may be repeated.  "
    f"[default: {', '.join(DEFAULT_LOSSES)}]",
)
@define_option
@click.option("--stderr", is_flag=True, help="Give each score its standard error.")
@click.option(
    "--compare",
    is_flag=True,
    help="Compare models: their differences to the first on the same rows, with standard errors.",
)
@click.option(
    "--baseline",
    metavar="MODEL|best",
    help="With --compare, the model that the others are compared with, as its --y-pred says; or of "
    "each loss the best.",
)
@click.option(
    "--holm", is_flag=True, help="With --compare, correct p for as many groups as there are (Holm)."
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
    "--out",
    type=click.Path(path_type=Path),
    metavar="OUT.parquet|json|csv",
    help="Write the scores to this file too.",
)
@click.option(
    "--fail-above",
    multiple=True,
    metavar="LOSS=NUMBER",
    help="Exit with status 3 if this loss, of all rows, is above the number or NaN; may be "
    "repeated.",
)
@click.option(
    "--fail-below",
    multiple=True,
    metavar="LOSS=NUMBER",
    help="The same if it is below.",
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
    y_pred: tuple[str, ...],
    weight: str | None,
    by: tuple[str, ...],
    specs: tuple[str, ...],
    stderr: bool,
    compare: bool,
    baseline: str | None,
    holm: bool,
    nan_policy: str,
    form: str,
    out: Path | None,
    fail_above: tuple[str, ...],
    fail_below: tuple[str, ...],
    per_row: Path | None,
    classes: str | None,
    options: Options,
    threads: int | None,
) -> int:
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

    Rows that are dropped or of weight 0, and scores that are not finite, are told on standard
    error. The exit status is 0, or 3 if a bound of --fail-above or --fail-below is crossed, or 2 if
    something else is wrong.
    """
    from fastloss.cli.report import print_scores
    from fastloss.cli.score_formats import check_scores_file, write_scores

    measures = read_measures(specs)
    bounds = read_bounds(fail_above, fail_below, measures)
    comparing = read_comparison(compare, y_pred, by, baseline, holm)
    if out is not None:
        check_scores_file(out, files, per_row)
    try:
        plan = make_plan(
            files,
            options,
            measures,
            y_true,
            y_pred,
            classes,
            weight=weight,
            by=by,
            policy=nan_policy,
            stderr=stderr,
            comparing=comparing,
        )
        outcome = _score(plan, files, per_row, threads or get_num_threads())
    except TableError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    try:
        if out is not None:
            write_scores(outcome, out)
    finally:  # if they cannot be written there, they are not lost
        print_scores(outcome, form)
    messages = [outcome.notes(), *crossed(bounds, outcome)]
    for message in filter(None, messages):
        tell(message)
    return CROSSED if messages[1:] else 0


def _score(plan: Plan, files: Sequence[str], per_row: Path | None, threads: int) -> Outcome:
    """Score all rows, in one pass."""
    batches = read(plan.sources, plan.numbers, plan.by, plan.classes)
    seen = plan.seen()
    work = partial(score_batch, plan, seen, per_row is not None)
    rows = weight_0 = 0
    with (
        row_writer(per_row, files, plan) as write,
        progress() as show,
        closing(in_order(work, batches, threads)) as parts,
        num_threads(1),  # each batch on one thread: none waits for another
    ):
        for part in parts:
            rows += part.batch.rows
            weight_0 += part.weight_0
            write(part.batch, part.rows)
            show(part.batch.done, part.batch.rows)
        # within, so that --per-row leaves no file where there is nothing to score
        scores, comparison = _result(plan, seen)
    return Outcome(plan.by, plan.measures, scores, comparison, rows, weight_0)


def _result(plan: Plan, seen: Seen) -> tuple[Mapping[str, Scores], Comparison | None]:
    """The scores by model, and how they compare if that is asked for."""
    try:
        if not isinstance(seen, Comparer):
            return {model: scorer.result() for model, scorer in seen.items()}, None
        comparison = seen.result(**plan.comparing or {})
    except ValueError as error:  # a mean over nothing
        raise Failure(f"nothing to score: {error}") from error
    measures = [*plan.measures.values()]
    return {model: scores_of(comparison, measures, model) for model in plan.models}, comparison
