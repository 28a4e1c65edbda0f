"""Losses as expressions of polars.

`loss` makes of a loss a function from columns to an expression, for lazy and eager frames, which
the streaming engine runs batch by batch. This module needs polars, which importing ``fastloss``
does not.

Examples
--------
>>> import polars as pl
>>> from fastloss.polars import loss
>>> frame = pl.DataFrame({"y": [1, 0, 1], "p": [0.9, 0.2, 0.6], "g": ["a", "b", "a"]})
>>> frame.with_columns(loss("log_loss")("y", "p").round(4))["log_loss"].to_list()
[0.1054, 0.2231, 0.5108]
>>> frame.select(loss("brier")("y", "p", reduction="mean").round(4)).item()
0.07
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import polars as pl
except ImportError as error:
    raise ImportError("fastloss.polars needs polars: pip install 'fastloss[polars]'") from error

from fastloss._core import DomainError
from fastloss.losses.base import Loss, as_loss, get_loss
from fastloss.losses.regression import SquaredError
from fastloss.losses.rows import RowLoss
from fastloss.scoring.columns import check_rows
from fastloss.scoring.measures import OfLoss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = pl.Expr | str | float
    Columns = Column | Sequence[Column]

__all__ = ["LossOfColumns", "loss"]


def loss(loss: str | Loss, **parameters: Any) -> LossOfColumns:
    """Make of a loss a function of columns.

    Parameters
    ----------
    loss : str or Loss
        A name from `loss_names`, as `get_loss` takes it, or a loss.
    **parameters : float
        Parameters of the loss, with its name.

    Returns
    -------
    LossOfColumns
        What it is called with, and what it gives, its own documentation says.

    Raises
    ------
    ValueError
        If there is no such loss, a parameter is out of its range, or the rows of a loss do not lie
        along the last axis.
    TypeError
        If a parameter is not one of the loss's, or there are parameters beside a `Loss`.

    Examples
    --------
    >>> from fastloss.polars import loss
    >>> loss("huber", delta=1.5)
    LossOfColumns(loss=Huber(delta=1.5))
    """
    if isinstance(loss, str):
        return LossOfColumns(get_loss(loss, **parameters))
    if parameters:
        raise TypeError(f"parameters go with the name of a loss; got {loss!r} and {parameters}")
    return LossOfColumns(as_loss(loss))


@dataclass(frozen=True)
class LossOfColumns:
    """A loss as a function from columns to an expression: what `loss` makes.

    Attributes
    ----------
    loss : Loss
        The loss.
    """

    loss: Loss

    def __post_init__(self) -> None:
        if isinstance(self.loss, RowLoss) and self.loss.axis not in (-1, 1):
            raise ValueError(f"rows lie along axis -1 in a frame; got {self.loss!r}")

    def __call__(
        self,
        y_true: Columns,
        y_pred: Columns,
        sample_weight: Column | None = None,
        *,
        reduction: str = "none",
    ) -> pl.Expr:
        """Make the expression.

        Parameters
        ----------
        y_true, y_pred : Expr or str, or a sequence of them
            Targets and predictions: expressions or names of columns. Losses of rows take a row's
            numbers from several columns, or from one whose dtype is Array, or List with as many in
            all rows.
        sample_weight : Expr, str or float, optional
            Weights.
        reduction : {"none", "mean", "sum"}
            Each row's loss, times its weight, which is elementwise; or, as in ``agg`` and ``over``,
            the weighted average or the sum.

        Returns
        -------
        Expr
            Named after the loss's ``spec``. Each row's loss is Float32 where the predictions are
            Float32 or Float16, else Float64; means and sums are Float64.

        Raises
        ------
        ValueError
            If ``reduction`` is none of these, or is not "none" and the loss has ``class_weight`` or
            ``ignore_index``, which belong in ``sample_weight`` then.
        TypeError
            If there are several columns where the loss takes one.

        Notes
        -----
        Null is a missing number, as everywhere in polars: where a target, a prediction or a weight
        is null, so is the loss, and means and sums leave it out. NaN is a number, and its loss is
        NaN.

        When the frame is computed, what the loss refuses is a polars ``ComputeError`` with its
        words.

        Examples
        --------
        >>> import polars as pl
        >>> from fastloss.polars import loss
        >>> frame = pl.DataFrame({"y": [0, 1], "a": [2.0, 0.0], "b": [0.0, None]})
        >>> frame.select(loss("poly")("y", ["a", "b"]).round(4))["poly"].to_list()
        [0.2461, None]
        """
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f'reduction must be "none", "mean" or "sum"; got {reduction!r}')
        if reduction != "none":
            check_rows([OfLoss(self.loss)])
        targets, predictions = self._columns(y_true, "y_true"), self._columns(y_pred, "y_pred")
        weights = [] if sample_weight is None else [_expression(sample_weight)]
        plan = _Plan(self.loss, reduction, len(targets), len(predictions))
        return pl.pipe_with_dtype([*targets, *predictions, *weights], plan.expression)

    def _columns(self, given: Any, name: str) -> list[pl.Expr]:
        if isinstance(given, (list, tuple)):
            if not isinstance(self.loss, RowLoss):
                raise TypeError(f"{name} must be one column, as {self.loss.spec} takes no rows")
            if not given:
                raise ValueError(f"{name} must name at least one column")
            return [_expression(column) for column in given]
        return [_expression(given)]


def _expression(given: Any) -> pl.Expr:
    if isinstance(given, pl.Expr):
        return given
    return pl.col(given) if isinstance(given, str) else pl.lit(given)


_NUMBERS = (pl.Boolean, pl.Null)  # beside those that are numeric
_LABELS = (pl.String, pl.Categorical, pl.Enum)


@dataclass(frozen=True)
class _Plan:
    """What polars calls: with columns and their dtypes when it plans, and later with their data."""

    loss: Loss
    reduction: str
    targets: int  # how many of the columns
    predictions: int

    def expression(self, inputs: list[tuple[pl.Expr, pl.DataType]]) -> pl.Expr:
        """The expression for columns of these dtypes."""
        first = self.targets + self.predictions
        targets, predictions = inputs[: self.targets], inputs[self.targets : first]
        self._check("y_true", [dtype for _, dtype in targets], _NUMBERS + _LABELS * self._of_rows)
        self._check("y_pred", [dtype for _, dtype in predictions], _NUMBERS)
        self._check("sample_weight", [dtype for _, dtype in inputs[first:]], _NUMBERS)
        small = all(_inner(dtype) in (pl.Float32, pl.Float16) for _, dtype in predictions)
        dtype = pl.Float32() if small else pl.Float64()
        columns = [_cast(*pair) for pair in inputs]
        columns[self.targets : first] = [_cast(*pair, dtype) for pair in predictions]
        missing = pl.any_horizontal(_missing(*pair) for pair in inputs)
        values = pl.map_batches(
            [missing, *columns], self.values, return_dtype=dtype, is_elementwise=True
        )
        return self._reduced(values, missing, columns[first:]).alias(self.loss.spec)

    def _reduced(self, values: pl.Expr, missing: pl.Expr, weights: list[pl.Expr]) -> pl.Expr:
        if self.reduction == "none":
            return values
        values = values.cast(pl.Float64)
        if self.reduction == "sum":
            result = values.sum()
        elif weights:
            result = values.sum() / pl.when(~missing).then(weights[0]).sum()
        else:
            result = values.mean()
        return result.sqrt() if self.loss._root else result

    @property
    def _of_rows(self) -> bool:
        return isinstance(self.loss, RowLoss)

    def _check(self, name: str, dtypes: list[pl.DataType], known: tuple[Any, ...]) -> None:
        """An error in polars' words, of dtypes that the loss has no use for."""
        problem = None
        for dtype in dtypes:
            nested = isinstance(dtype, (pl.List, pl.Array))
            if nested and not (self._of_rows and len(dtypes) == 1 and name != "sample_weight"):
                problem = f"must have a number in each row; got dtype {dtype}"
            elif not (_inner(dtype).is_numeric() or isinstance(_inner(dtype), known)):
                problem = f"must hold numbers; got dtype {dtype}"
            elif self._of_rows and len(dtypes) == 1 and name == "y_pred" and not nested:
                problem = f"must be several columns, or one of lists or arrays; got dtype {dtype}"
        if problem:
            raise pl.exceptions.ComputeError(f"{self.loss.spec}: {name} {problem}")

    def values(self, columns: Sequence[pl.Series]) -> pl.Series:
        """The loss of each row; null where something is missing, as the first column says."""
        n = next((len(column) for column in columns if len(column) != 1), 1)
        missing, *columns = (c if len(c) == n else c.new_from_index(0, n) for c in columns)
        if n and not missing.any():
            return pl.Series(self._computed(columns))
        values = pl.repeat(None, n, dtype=_inner(columns[self.targets].dtype), eager=True)
        rows = (~missing).arg_true()
        if len(rows):
            values.scatter(rows, self._computed([column.gather(rows) for column in columns]))
        return values

    def _computed(self, columns: Sequence[pl.Series]) -> NDArray[Any]:
        first = self.targets + self.predictions
        weights = columns[first].to_numpy() if columns[first:] else None
        # of a root the squares are added up
        loss = SquaredError() if self.loss._root and self.reduction != "none" else self.loss
        try:
            y = self._array(columns[: self.targets], "y_true")
            p = self._array(columns[self.targets : first], "y_pred")
            return loss(y, p, sample_weight=weights, reduction="none")
        except DomainError as error:  # whose index is one of the batch
            words = f"{error.argument} holds {error.value}, which is not {error.domain}"
        except (ValueError, TypeError) as error:
            words = str(error)
        raise pl.exceptions.ComputeError(f"{self.loss.spec}: {words}")

    def _array(self, columns: Sequence[pl.Series], name: str) -> NDArray[Any]:
        if len(columns) > 1:
            return np.stack([column.to_numpy() for column in columns], axis=-1)
        column = columns[0]
        if isinstance(column.dtype, pl.List):
            sizes = column.list.len().unique().sort().to_list()
            if len(sizes) > 1:
                found = f"{sizes[0]} to {sizes[-1]}"
                raise ValueError(f"{name} must have lists of one length; got {found}")
            column = column.list.to_array(sizes[0])
        return column.to_numpy()


def _inner(dtype: pl.DataType) -> Any:
    """The dtype of the numbers."""
    return dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else dtype


def _cast(column: pl.Expr, found: pl.DataType, wanted: pl.DataType | None = None) -> pl.Expr:
    """A column of numbers of a dtype, or else of one that NumPy has; labels as strings."""
    inner = _inner(found)
    if wanted is None and isinstance(inner, pl.Decimal):
        wanted = pl.Float64()
    elif wanted is None and isinstance(inner, _LABELS):
        wanted = pl.String()
    if wanted is None or wanted == inner:
        return column
    if isinstance(found, pl.Array):
        return column.cast(pl.Array(wanted, found.size))
    return column.cast(pl.List(wanted) if isinstance(found, pl.List) else wanted)


def _missing(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Where a column is null, or one of a row's numbers."""
    if isinstance(dtype, pl.List):
        return column.is_null() | column.list.contains(None)
    if isinstance(dtype, pl.Array):
        return column.is_null() | column.arr.contains(None)
    return column.is_null()
