"""``fastloss predict``: what a fitted model predicts for the rows of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastloss.cli.errors import Failure, Interrupted
from fastloss.cli.options import Command, define_option
from fastloss.cli.output import check_out, told
from fastloss.cli.progress import Show, progress
from fastloss.cli.reading import reading_options
from fastloss.files import written_whole
from fastloss.tables import Form, Options, Piece, TableError, read_type

if TYPE_CHECKING:
    from fastloss.cli.samples import Table

    Columns = dict[str, Any]


def _parquet_writer(file: Any, schema: Any) -> Any:
    from pyarrow import parquet

    return parquet.ParquetWriter(file, schema, compression="zstd")


def _arrow_writer(file: Any, schema: Any) -> Any:
    import pyarrow as pa

    return pa.ipc.new_file(file, schema)


def _csv_writer(file: Any, schema: Any) -> Any:
    from pyarrow import csv

    return csv.CSVWriter(file, schema)


WRITERS: dict[str, Callable[[Any, Any], Any]] = {
    ".parquet": _parquet_writer,
    ".pq": _parquet_writer,
    ".feather": _arrow_writer,
    ".arrow": _arrow_writer,
    ".ipc": _arrow_writer,
    ".csv": _csv_writer,
}


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.json")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT",
    help=f"The file to write ({', '.join(WRITERS)}).",
)
@click.option(
    "--columns",
    "patterns",
    metavar="COL[,COL...]",
    help="Columns of the files to keep, or patterns as 'x*'; '' for none.  [default: all]",
)
@define_option
@reading_options
def predict(
    model: Path, files: tuple[str, ...], out: Path, patterns: str | None, options: Options
) -> None:
    """Predict with MODEL.json for each row in FILE..., which together are one data set.

    \b
        fastloss predict model.json new/*.parquet --out scored.parquet
        fastloss score scored.parquet --y-true y --y-pred probability --loss log_loss

    MODEL.json is what `fastloss fit` wrote, or the method save of an estimator that was fitted with
    names. FILE is what `fastloss score` reads, but for .npz, and has columns of these names, in any
    order; missing values, NaN and infinities in them are errors.

    OUT has the rows in their order, with the columns that are kept, and

    \b
        prediction               of a regressor
        probability              of a classifier of two: of its second class
        probability_<class>      of more, or of several labels
        score, score_<class>     where the loss gives no probabilities, as hinge
        predicted                the class

    OUT appears once it is complete. Files are read piece by piece and may be larger than memory.
    """
    estimator, features = _model(model)
    if out.suffix.lower() not in WRITERS:
        raise Failure(f"--out {out}: not a file type that is written here ({', '.join(WRITERS)})")
    check_out("--out", out, [*files, str(model)])
    try:
        with told("--out", out), progress() as show:
            _predict(estimator, features, files, options, out, patterns, show)
    except TableError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None


def _predict(
    estimator: Any,
    features: list[str],
    files: Sequence[str],
    options: Options,
    out: Path,
    patterns: str | None,
    show: Show,
) -> None:
    import numpy as np

    from fastloss.cli.samples import Table, fill

    table = Table(files, options, features)
    table.check_there(features, "the model's features")
    table.check_numbers(features)
    columns = _kept(table, patterns)
    forms: dict[str, Form] = {**dict.fromkeys(columns, "any"), **dict.fromkeys(features, "number")}
    dtype = table.dtype(features)
    blank = _predictions(estimator, np.zeros((1, len(features)), dtype))
    with _writer(out, _schema(table, columns, forms, blank)) as write:
        for piece in table.pieces(forms):
            if piece.rows:
                X = np.empty((piece.rows, len(features)), dtype, order="F")
                write(piece, _predictions(estimator, fill(X, piece, features)))
            show(piece.done, piece.rows)


def _kept(table: Table, patterns: str | None) -> list[str]:
    """The columns that are copied, which all files must have."""
    if patterns == "":
        return []
    columns = table.names if patterns is None else table.chosen("--columns", patterns)
    table.check_there(columns, "columns")
    return columns


def _schema(table: Table, columns: list[str], forms: Mapping[str, Form], blank: Columns) -> Any:
    """Names and types of what is written: categories as what they are of."""
    import pyarrow as pa

    clash = [name for name in columns if name in blank]
    if clash:
        raise Failure(
            f"{table.paths[0]}: there is a column {clash[0]!r}, as one of what is predicted: leave "
            "it out with --columns"
        )
    fields = []
    for name in columns:
        type_ = read_type(table.sources[0], name, table.type_of(name), forms[name])
        fields.append((name, type_.value_type if pa.types.is_dictionary(type_) else type_))
    return pa.schema([*fields, *((name, pa.array(column).type) for name, column in blank.items())])


@contextmanager
def _writer(out: Path, schema: Any) -> Iterator[Callable[[Piece, Columns], None]]:
    """A function that appends rows; the file has its name only once it is whole."""
    import pyarrow as pa

    def write(piece: Piece, predicted: Columns) -> None:
        columns = []
        for field in schema:
            column = predicted.get(field.name)
            if column is None:
                column = _as(field.type, piece, field.name)
            columns.append(pa.array(column, field.type) if hasattr(column, "dtype") else column)
        try:
            writer.write_batch(pa.record_batch(columns, schema=schema))
        except (ValueError, NotImplementedError) as error:  # a type that the format lacks
            raise Failure(f"--out {out}: {error}") from error

    with written_whole(out) as file:
        try:
            writer = WRITERS[out.suffix.lower()](file, schema)
        except (ValueError, NotImplementedError) as error:
            raise Failure(f"--out {out}: {error}") from error
        with writer:
            yield write


def _as(type_: Any, piece: Piece, name: str) -> Any:
    """A column that is kept, in the type that the first file has it in."""
    column = piece.columns[name]
    if column.type == type_:
        return column
    try:
        return column.cast(type_)
    except (ValueError, NotImplementedError) as error:
        raise Failure(
            f"{piece.path}: column {name!r} holds {column.type}, which is not {type_}, as in the "
            "first file"
        ) from error


def _model(path: Path) -> tuple[Any, list[str]]:
    """The estimator, and the names of its features, which it then goes without."""
    from fastloss.linear_model.loading import load

    try:
        estimator = load(path)
    except OSError as error:
        raise Failure(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise Failure(str(error)) from error
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        raise Failure(
            f"{path}: the model has {estimator.n_features_in_} features without names, by which "
            "columns are found: fit it with `fastloss fit`, or to a data frame"
        )
    del estimator.feature_names_in_  # of arrays, which have no names, scikit-learn would warn
    return estimator, list(names)


def _predictions(estimator: Any, X: Any) -> Columns:
    """The columns that are predicted, by name."""
    from sklearn.base import is_classifier

    if not is_classifier(estimator):
        return _named("prediction", estimator.predict(X), None)
    labels = [str(label) for label in estimator.classes_]
    found: Columns
    if not hasattr(estimator, "predict_proba"):
        found = _named("score", estimator.decision_function(X), labels)
    else:
        p = estimator.predict_proba(X)
        one = len(labels) == 2 and not estimator._multilabel
        found = _named("probability", p[:, 1] if one else p, labels)
    predicted = estimator.predict(X)
    return found | _named("predicted", predicted, labels)


def _named(name: str, array: Any, labels: Sequence[str] | None) -> Columns:
    """An array by its name, one of two axes a column at a time."""
    if array.ndim == 1:
        return {name: array}
    if labels is None:
        labels = [str(k) for k in range(array.shape[1])]
    return {f"{name}_{label}": part for label, part in zip(labels, array.T, strict=True)}
