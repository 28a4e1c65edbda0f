"""Samples that a model is fitted to, read from files as often as the fit asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from fastloss.cli.errors import Failure
from fastloss.cli.progress import Show
from fastloss.cli.samples import Table, column, fill, is_number, refusal
from fastloss.losses import DomainError, Loss
from fastloss.tables import Form, Piece, batch_rows, is_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

IN_MEMORY = 1 << 30  # bytes of features, up to which they are read once


class Chunk(NamedTuple):
    """Some samples, as the estimators take them."""

    X: Array
    y: Array
    weight: Array | None


class Target:
    """A column of targets: numbers, or the classes of a classifier.

    Parameters
    ----------
    table : Table
    name : str
        The column.
    classify : bool
        Whether its values are classes.
    loss : Loss
        What is minimised; targets that are no classes must be in its domain.

    Attributes
    ----------
    labels : list or None
        Of text and categories the classes, in order, for which their places stand while a model is
        fitted.
    """

    def __init__(self, table: Table, name: str, classify: bool, loss: Loss) -> None:
        self.name, self.classify, self.loss = name, classify, loss
        kinds = [kind_of(schema.field(name).type) for schema in table.schemas]
        for path, kind, schema in zip(table.paths, kinds, table.schemas, strict=True):
            type_ = schema.field(name).type
            if kind is None:
                raise Failure(f"{path}: column {name!r} holds {type_}, neither numbers nor text")
            if kind != kinds[0]:
                raise Failure(
                    f"{path}: column {name!r} holds {type_}, where {table.paths[0]} has "
                    f"{table.type_of(name)}"
                )
        self.kind = kinds[0]
        self.labels: list[Any] | None = None
        if self.kind == "label":
            if not classify:
                raise Failure(f"--regressor: column {name!r} holds classes, not numbers")
            self.labels = _labels(table, name)
            if len(self.labels) < 2:
                raise Failure(f"column {name!r} holds one class, {self.labels}: there must be two")
            self._places = {label: place for place, label in enumerate(self.labels)}

    @property
    def form(self) -> Form:
        return "label" if self.kind == "label" else "number"

    def of(self, piece: Piece) -> Array:
        """The targets of some rows, checked."""
        if self.labels is not None:
            found, codes = _coded(piece, self.name)
            return np.array([self._places.get(label, 0) for label in found], np.intp)[codes]
        y = column(piece, self.name)
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            row = np.flatnonzero(~np.isfinite(y))[0]
            raise refusal(piece, row, self.name, y[row])
        if not self.classify:
            return self._in_domain(piece, y.astype(np.float64, copy=False))
        if self.kind == "bool":
            return y.astype(bool)
        if y.dtype.kind == "f" and (y != np.floor(y)).any():
            row = np.flatnonzero(y != np.floor(y))[0]
            raise refusal(piece, row, self.name, y[row], "is not a class")
        if y.dtype.kind == "u":
            return y
        if y.dtype.kind == "f" and (np.abs(y) >= 2.0**53).any():  # where neighbours are one number
            row = np.flatnonzero(np.abs(y) >= 2.0**53)[0]
            raise refusal(piece, row, self.name, y[row], "is too large for a class")
        return y.astype(np.int64, copy=False)

    def _in_domain(self, piece: Piece, y: Array) -> Array:
        try:
            self.loss(y, np.full(len(y), 0.5), reduction="none")
        except DomainError as error:
            row, why = error.index[0], f"is not {error.domain} ({self.loss.spec})"
            raise refusal(piece, row, self.name, error.value, why) from error
        return y


def kind_of(type_: Any) -> str | None:
    """What targets of a type are: "label", "bool" or "number"."""
    import pyarrow as pa

    kind = pa.types
    if kind.is_dictionary(type_) or is_text(type_):
        return "label"
    if kind.is_boolean(type_):
        return "bool"
    return "number" if is_number(type_) else None


def _labels(table: Table, name: str) -> list[Any]:
    """The classes that occur, in order, after a look at all rows."""
    found: set[Any] = set()
    for piece in table.pieces({name: "label"}):
        labels, codes = _coded(piece, name)
        found.update(labels[code] for code in np.unique(codes))
        kinds = {type(label) for label in found}
        if len(kinds) > 1 or not kinds <= {str, int, bool}:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise Failure(f"{piece.path}: column {name!r} holds classes of {names}")
    return sorted(found)


def _coded(piece: Piece, name: str) -> tuple[list[Any], Array]:
    """Labels, and the place among them of each row's; an error if one is missing."""
    import pyarrow as pa

    values = piece.columns[name]
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    labels = values.dictionary.to_pylist()
    codes = values.indices.fill_null(len(labels)).to_numpy(zero_copy_only=False)
    absent = [place for place, label in enumerate([*labels, None]) if label is None or label == ""]
    missing = np.flatnonzero(np.isin(codes, absent))
    if len(missing):
        raise refusal(piece, missing[0], name, np.nan)
    return labels, codes


class Samples:
    """The samples of files in chunks, anew each time that it is called.

    Parameters
    ----------
    table : Table
    features : sequence of str
    target : Target
    weight : str or None
        The column of weights.
    show : Show
        Shows how far reading is.
    """

    def __init__(
        self,
        table: Table,
        features: Sequence[str],
        target: Target,
        weight: str | None,
        show: Show,
    ) -> None:
        self.table, self.features, self.target, self.weight = table, features, target, weight
        self.show = show
        self.dtype = table.dtype(features)
        self.rows, self.done = 0, 0.0  # of the last pass
        self.text = ""  # what the fit has come to

    def __call__(self) -> Iterator[Chunk]:
        """Chunks of as many rows as are read together, wherever files end."""
        self.rows = 0
        room = batch_rows(self.features)
        parts: list[Chunk] = []
        for piece in self._pieces():
            if not piece.rows:
                continue
            start = 0
            self.rows, self.done = self.rows + piece.rows, piece.done
            self.show(piece.done, piece.rows, self.text or "reading")
            chunk = self._chunk(piece)
            while start < piece.rows:
                held = sum(len(part.y) for part in parts)
                parts.append(_cut(chunk, start, start + room - held))
                start += len(parts[-1].y)
                if held + len(parts[-1].y) == room:
                    yield _joined(parts)
                    parts = []
        if parts:
            yield _joined(parts)

    def in_memory(self) -> Chunk | None:
        """All samples, if their features fit into `IN_MEMORY`."""
        parts: list[Chunk] = []
        size = 0
        for chunk in self():
            size += chunk.X.nbytes
            if size > IN_MEMORY or size > 2 * IN_MEMORY * self.done:  # as far as one can tell
                return None
            parts.append(chunk)
        if not parts:
            raise Failure(f"{self.table.paths[0]}: there are no rows")
        return _joined(parts, "C")

    def _pieces(self) -> Iterator[Piece]:
        columns: dict[str, Form] = dict.fromkeys(self.features, "number")
        columns[self.target.name] = self.target.form
        if self.weight is not None:
            columns[self.weight] = "number"
        return self.table.pieces(columns)

    def _chunk(self, piece: Piece) -> Chunk:
        X = np.empty((piece.rows, len(self.features)), self.dtype, order="F")
        weight = None
        if self.weight is not None:
            weight = column(piece, self.weight).astype(np.float64, copy=False)
            wrong = np.flatnonzero(~((weight >= 0) & np.isfinite(weight)))
            if len(wrong):
                why = "is not in [0, inf)"
                raise refusal(piece, wrong[0], self.weight, weight[wrong[0]], why)
        return Chunk(fill(X, piece, self.features), self.target.of(piece), weight)


def _cut(chunk: Chunk, first: int, last: int) -> Chunk:
    weight = None if chunk.weight is None else chunk.weight[first:last]
    return Chunk(chunk.X[first:last], chunk.y[first:last], weight)


def _joined(parts: list[Chunk], order: Literal["C", "F"] = "F") -> Chunk:
    """Chunks as one, each let go once it is copied."""
    if len(parts) == 1 and order == "F":
        return parts[0]
    rows = [len(part.y) for part in parts]
    y = np.concatenate([part.y for part in parts])
    weights = [part.weight for part in parts if part.weight is not None]
    X = np.empty((len(y), parts[0].X.shape[1]), parts[0].X.dtype, order)
    for last, count in zip(np.cumsum(rows)[::-1], rows[::-1], strict=True):
        X[last - count : last] = parts.pop().X
    return Chunk(X, y, np.concatenate(weights) if weights else None)
