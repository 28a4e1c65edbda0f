"""``fastloss fit``: a linear model of the columns of files."""

from __future__ import annotations

import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastloss.cli.errors import Failure, Interrupted, tell
from fastloss.cli.options import Command, define_option, named_loss
from fastloss.cli.output import check_out, told
from fastloss.cli.progress import progress
from fastloss.cli.reading import reading_options
from fastloss.losses import Loss
from fastloss.tables import Options, TableError

if TYPE_CHECKING:
    from fastloss.cli.samples import Table
    from fastloss.cli.training import Samples, Target


def _size(context: Any, option: Any, given: str) -> Any:
    return int(given) if re.fullmatch(r"\d+", given) else given


def _or_none(context: Any, option: Any, given: str) -> str | None:
    return None if given == "none" else given


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--target", required=True, metavar="COL", help="Column to predict.")
@click.option(
    "--features",
    metavar="COL[,COL...]",
    help="Columns to predict it from, or patterns as 'x*'.  "
    "[default: all of numbers but target and weight]",
)
@click.option("--weight", metavar="COL", help="Column of sample weights, at least 0.")
@click.option(
    "--loss",
    "spec",
    required=True,
    metavar="NAME[:PARAM=VALUE,...]",
    help="What is minimised: a loss that `fastloss losses` lists, as logistic, hinge, mse, huber.",
)
@define_option
@click.option(
    "--classifier/--regressor",
    "classify",
    default=None,
    help="What the target is: classes, or numbers.  [default: classes if it is text or the loss is "
    "one of classes]",
)
@click.option(
    "--penalty",
    default="l2",
    show_default=True,
    callback=_or_none,
    metavar="NAME",
    help="l2, l1, elasticnet or none.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(min=0),
    default=1e-4,
    show_default=True,
    metavar="X",
    help="Strength of the penalty.",
)
@click.option(
    "--l1-ratio",
    type=click.FloatRange(0, 1),
    default=0.15,
    show_default=True,
    metavar="X",
    help="Share of l1 in elasticnet.",
)
@click.option(
    "--class-weight",
    type=click.Choice(["balanced"]),
    help="Let all classes count alike, however many samples they have.",
)
@click.option(
    "--solver",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="auto, lbfgs, newton-cg, newton-cholesky, prox-newton, fista, or an optimizer of "
    "mini-batches, as sgd or adam.",
)
@click.option(
    "--max-iter",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Most iterations; of optimizers, epochs.",
)
@click.option(
    "--tol",
    type=click.FloatRange(min=0),
    default=1e-4,
    show_default=True,
    metavar="X",
    help="The greatest element of the gradient that ends the fit; of optimizers, the least "
    "improvement.",
)
@click.option(
    "--batch-size",
    default="auto",
    show_default=True,
    callback=_size,
    metavar="N",
    help="Samples for each step of an optimizer.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Of an optimizer.  [default: its own; of sgd what the loss bears]",
)
@click.option(
    "--seed", "random_state", type=int, metavar="N", help="For the order of mini-batches."
)
@reading_options
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="MODEL.json",
    help="The file to write, which `fastloss predict` reads.",
)
def fit(
    files: tuple[str, ...],
    target: str,
    features: str | None,
    weight: str | None,
    spec: str,
    classify: bool | None,
    class_weight: str | None,
    options: Options,
    out: Path,
    **parameters: Any,
) -> None:
    """Fit a linear model to the samples in FILE..., which together are one data set.

    \b
        fastloss fit data/*.parquet --target y --features 'x*' --loss logistic --out model.json

    FILE is text (.csv, .tsv, .txt), JSON lines (.jsonl, .ndjson), Parquet (.parquet, .pq), ORC
    (.orc) or Arrow (.feather, .arrow, .arrows, .ipc), compressed or not, a pipe, - for standard
    input, a folder or a URL; `fastloss score --help` says more. Integers, decimals, true and false
    are numbers. A target of text or categories has classes, of which a classifier of two predicts
    the last in alphabetical order; one of numbers has classes if the loss is one of classes, and
    they must be whole. Values that are missing, NaN or infinite are errors.

    Up to 1 GiB of features is read once, in float32 where that holds all of them as they are and in
    float64 where not. More than that is read anew, a few rows at a time, for each iteration.
    """
    from fastloss.cli.report import print_fit

    loss = named_loss(f"--loss {spec}", spec)
    check_out("--out", out, files)
    began = time.monotonic()
    try:
        table, chosen = _columns(files, options, target, features, weight)
        classify = _is_classifier(table, target, loss, classify)
        estimator = _estimator(classify, loss, class_weight, parameters)
        with progress() as show:
            from fastloss.cli.training import Samples, Target

            samples = Samples(table, chosen, Target(table, target, classify, loss), weight, show)
            notes = _left_out(table, {*chosen, target, weight}) if features is None else []
            notes += _fit(estimator, samples)
        _name(estimator, samples.target, chosen)
        with told("--out", out):
            estimator.save(out)
    except TableError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    print_fit(estimator, samples.rows, time.monotonic() - began)
    for note in notes:
        tell(note)


def _columns(
    files: tuple[str, ...],
    options: Options,
    target: str,
    features: str | None,
    weight: str | None,
) -> tuple[Table, list[str]]:
    """The table, and the columns that are features, after a look at what columns there are."""
    from fastloss.cli.samples import Table, is_number

    needed = [target] if weight is None else [target, weight]
    table = Table(files, options, needed)
    others = {target, weight}
    table.check_columns(needed)
    if features is not None:
        chosen = [name for name in table.chosen("--features", features) if name not in others]
    else:
        numbers = [name for name in table.names if is_number(table.type_of(name))]
        chosen = [name for name in numbers if name not in others]
    if not chosen:
        raise Failure(f"{table.paths[0]}: there is no column of numbers beside target and weight")
    table.check_there(chosen, "features")
    table.check_numbers(chosen if weight is None else [*chosen, weight])
    return table, chosen


def _left_out(table: Table, used: set[str | None]) -> list[str]:
    """What to say of columns that nobody named and that hold no numbers."""
    from fastloss.cli.samples import listed

    names = [name for name in table.names if name not in used]
    return [f"left out, as they do not hold numbers: {listed(names)}"] if names else []


def _is_classifier(table: Table, target: str, loss: Loss, asked: bool | None) -> bool:
    from fastloss.cli.training import kind_of
    from fastloss.domains import SIGNS, UNIT
    from fastloss.losses.rows import RowLoss

    if asked is not None:
        return asked
    of_classes = isinstance(loss, RowLoss) or getattr(loss, "y_domain", None) in (UNIT, SIGNS)
    return of_classes or kind_of(table.type_of(target)) == "label"


def _estimator(
    classify: bool, loss: Loss, class_weight: str | None, parameters: dict[str, Any]
) -> Any:
    """The estimator that the options ask for."""
    from fastloss.linear_model.classifier import LinearClassifier
    from fastloss.linear_model.regressor import LinearRegressor

    if not classify:
        if class_weight is not None:
            raise Failure("--class-weight is for classifiers")
        estimator = LinearRegressor(loss.spec, **parameters)
    else:
        estimator = LinearClassifier(loss.spec, class_weight=class_weight, **parameters)
    try:
        estimator._check()
    except (ValueError, TypeError) as error:
        name, _, rest = str(error).partition(" ")
        option = f"--{name.replace('_', '-')}" if name in parameters else name
        raise Failure(f"{option} {rest}") from error
    return estimator


def _fit(estimator: Any, samples: Samples) -> list[str]:
    """Fit, in memory if that is enough, and else in passes over the files; what it warns of."""

    def after(fitted: Any) -> None:
        samples.text = f"objective {fitted.history_['loss'][-1]:.4g}"
        samples.show(samples.done, 0, samples.text)

    estimator.set_params(callbacks=[after])
    held = samples.in_memory()
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            if held is None:
                estimator.fit(samples)
            else:
                estimator.fit(held.X, held.y, held.weight)
    except (ValueError, FloatingPointError, MemoryError) as error:
        raise Failure(f"the fit failed: {error}") from error
    return list(dict.fromkeys(str(note.message) for note in notes))


def _name(estimator: Any, target: Target, features: list[str]) -> None:
    """Names of features, and of classes for which numbers stood."""
    import numpy as np

    estimator.feature_names_in_ = np.array(features, object)
    if target.labels is not None:
        estimator.classes_ = np.array(target.labels)
