"""Numbers of rows, of which scores are the sums: losses, weights, and products of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import DomainError, PointwiseLoss, column_sums, score_sums
from fastloss.losses.rows import RowLoss, is_gap
from fastloss.scoring.exact import ExactSums
from fastloss.scoring.measures import Measure, OfLoss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.losses.base import Loss

    Array = NDArray[Any]
    Pair = tuple[int, int]

CHUNK = 1 << 17  # numbers of a column at a time, which stay in the cache


@dataclass(frozen=True)
class Part:
    """Some of the samples: targets, predictions, weights or None, and the policy for NaN."""

    y_true: Array
    y_pred: Array
    weight: Array | None
    nan_policy: str
    axis: int | None  # of the elements of a row of predictions; None: each is a sample
    name: str  # of the predictions, in errors

    def of(self, rows: slice) -> Part:
        """Those of some rows."""
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, y_true=self.y_true[rows], y_pred=self.y_pred[rows], weight=weight)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the samples."""
        shape = self.y_pred.shape
        return shape if self.axis is None else shape[: self.axis] + shape[self.axis + 1 :]

    def values(self, loss: Loss) -> Array:
        """The loss of each sample; anything where its weight is 0."""
        options: Any = {"nan_policy": self.nan_policy, "reduction": "none"}
        if self.weight is not None:
            # what counts, or the weights for the loss to refuse: they multiply later
            usable = self.weight.dtype.kind in "fiub" and np.isfinite(self.weight).all()
            options["sample_weight"] = self.weight != 0 if usable else self.weight
        if self.axis is None or isinstance(loss, RowLoss):
            return np.asarray(loss(self.y_true, self.y_pred, **options))
        # of single predictions: the mean of each row, which all have as many elements
        if self.y_true.shape != self.y_pred.shape:
            raise ValueError(
                f"{loss.spec} is not a loss of rows: beside one it needs targets of y_pred's shape "
                f"{self.y_pred.shape}; got {self.y_true.shape}"
            )
        if self.weight is not None:
            options["sample_weight"] = np.broadcast_to(
                np.expand_dims(options["sample_weight"], self.axis), self.y_pred.shape
            )
        values: Any = loss(self.y_true, self.y_pred, **options)
        return np.asarray(values.mean(axis=self.axis))

    def weights(self, others: Sequence[Part] = ()) -> Array | None:
        """The weight of each sample, those left out 0; None if all are 1.

        ``others`` are the same samples with other predictions: what they leave out is left out too.
        """
        weight = None
        if self.weight is not None:
            each = self.weight.reshape(
                self.weight.shape + (1,) * (len(self.shape) - self.weight.ndim)
            )
            weight = np.array(np.broadcast_to(each, self.shape), _float_of(each), order="C")
        if self.nan_policy == "omit":
            gaps = _gaps(self.y_true, self.y_pred, self.axis)
            for other in others:
                gaps |= _gaps(other.y_true, other.y_pred, other.axis)
            if gaps.any():
                weight = np.ones(self.shape) if weight is None else weight
                weight[gaps] = 0
        return weight


def _float_of(weight: Array) -> Any:
    """float32 if that is what weights are, else float64."""
    return np.float32 if weight.dtype in (np.float32, np.float16) else np.float64


def _gaps(y: Array, z: Array, axis: int | None) -> NDArray[np.bool_]:
    """Which samples hold a NaN."""
    found, of_targets = _nan(z), _nan(y)
    if axis is None:
        return found | of_targets
    if y.ndim == z.ndim:
        of_targets = np.asarray(of_targets.any(axis=axis))
    return np.asarray(found.any(axis=axis)) | of_targets


def _nan(array: Array) -> NDArray[np.bool_]:
    """Where there is a gap; of names of classes too."""
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind == "O":
        gaps = (is_gap(item) for item in array.flat)
        return np.fromiter(gaps, bool, array.size).reshape(array.shape)
    return np.zeros(array.shape, bool)


def chunks(
    y_true: Array,
    y_preds: Mapping[str, Array],
    weight: Array | None,
    nan_policy: str,
    axis: int | None,
) -> Iterator[tuple[slice | None, list[Part]]]:
    """Consecutive samples, few at a time where they lie along the first axis, or all.

    Of each there is a part with the predictions of each model.
    """
    whole = [Part(y_true, z, weight, nan_policy, axis, name) for name, z in y_preds.items()]
    fit = [_check_shapes(part) for part in whole]
    y_pred = whole[0].y_pred
    if not all(fit) or y_pred.ndim == 0 or axis == 0:
        yield None, whole
        return
    n = len(y_pred)
    step = max(1, CHUNK * n // max(y_pred.size, 1))
    for first in range(0, n, step):
        rows = slice(first, first + step)
        yield rows, [part.of(rows) for part in whole]


def _check_shapes(part: Part) -> bool:
    """Whether samples can be counted off; of rows that cannot, the losses have the error."""
    y, z, weight, shape = part.y_true, part.y_pred, part.weight, part.shape
    if part.axis is None and y.shape != z.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape (nothing is broadcast); got {y.shape} and "
            f"{z.shape}"
        )
    if weight is not None and weight.shape not in (shape, shape[:1]):
        of_rows = "" if len(shape) < 2 else f", or {shape[:1]}"
        raise ValueError(f"sample_weight must have shape {shape}{of_rows}; got {weight.shape}")
    return y.shape in (z.shape, shape)


def _with_products(
    collect: Callable[[list[Pair]], Any], last: int, weighted: bool, pairs: Sequence[Pair]
) -> ExactSums:
    """Sums of columns, the weights, which are column ``last``, and the products of pairs.

    ``collect`` gives those of the columns and of pairs that there are.
    """
    if weighted:
        return ExactSums(*collect(list(pairs)))
    products = [pair for pair in pairs if last not in pair]  # times 1 a column is itself
    sums = ExactSums(*collect(products)).with_counts()
    places = {pair: last + k for k, pair in enumerate(products)}
    of_pairs = [places.get(pair, min(pair) if min(pair) < last else -1) for pair in pairs]
    return sums.take([*range(last), -1, *of_pairs])


def sums_in_one_pass(
    losses: Sequence[Loss],
    y_true: Array,
    y_preds: Mapping[str, Array],
    weight: Any,
    nan_policy: str,
    codes: NDArray[np.intp] | None,
    n_groups: int,
    pairs: Sequence[Pair],
) -> ExactSums:
    """Sums of losses of single predictions, those of one model after those of the other.

    The values of samples are never written down. Of pairs the weights are the last column.
    """

    def collect(products: list[Pair]) -> Any:
        return score_sums(
            list(losses), y_true, dict(y_preds), weight, nan_policy, codes, n_groups, products
        )

    weighted = weight is not None or nan_policy == "omit"
    return _with_products(collect, len(losses) * len(y_preds), weighted, pairs)


def sums_of_columns(
    columns: Sequence[Array],
    weight: Array | None,
    codes: NDArray[np.intp] | None,
    n_groups: int,
    pairs: Sequence[Pair],
) -> ExactSums:
    """Sums of columns times weights, of the weights, and of products of two of these.

    Of pairs the weights are the last column.
    """
    ready = [_flat(column) for column in columns]

    def collect(products: list[Pair]) -> Any:
        weights = None if weight is None else weight.reshape(-1)
        return column_sums(ready, weights, codes, n_groups, products)

    return _with_products(collect, len(ready), weight is not None, pairs)


def sums_of_parts(
    parts: Iterable[tuple[slice | None, Sequence[Part]]],
    columns: Callable[[Part], list[Array]],
    codes: Array | None,
    n_groups: int,
    pairs: Sequence[Pair],
) -> ExactSums | None:
    """The sums over all parts; None if there are no samples.

    Of some samples there is a part for each model, and the columns of one after those of the other.
    """
    total = None
    everywhere = np.arange(n_groups)
    for rows, models in parts:
        found = sums_of_columns(
            [column for part in models for column in _named(columns, part, rows)],
            models[0].weights(models[1:]),
            None if codes is None else _flat(codes if rows is None else codes[rows]),
            n_groups,
            pairs,
        )
        if total is None:
            total = found
        else:
            total.add(found, everywhere)
    return total


def _named(columns: Callable[[Part], list[Array]], part: Part, rows: slice | None) -> list[Array]:
    """The columns of a part; errors say which predictions, and where in all of them."""
    try:
        return columns(part)
    except DomainError as error:
        argument = part.name if error.argument == "y_pred" else error.argument
        index = error.index
        if rows is not None and index:
            index = (index[0] + rows.start, *index[1:])
        raise DomainError(argument, index, error.value, error.domain, error.loss) from None


def _flat(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1)


def can_be_fused(measures: Sequence[Measure]) -> bool:
    """Whether the values of samples need not be written down."""
    return all(type(m) is OfLoss and isinstance(m.losses[0], PointwiseLoss) for m in measures)


def check_rows(measures: Sequence[Measure]) -> bool:
    """Whether predictions are rows; an error for what cannot be scored, or not together."""
    rows = [measure for measure in measures if measure.of_rows]
    for measure in rows:
        for loss in measure.losses:
            for name in ("class_weight", "ignore_index"):
                if loss.parameters.get(name) is not None:
                    raise ValueError(
                        f"{loss.spec} cannot be scored: all losses share one weight, so {name} has "
                        "to be part of sample_weight"
                    )
    for measure in measures:
        if rows and measure.of_rows is False:
            raise ValueError(
                f"{rows[0].spec} is of rows and {measure.spec} is not: they cannot be scored in "
                "one pass"
            )
    return bool(rows)


def row_axis(y_pred: Array, losses: Sequence[Loss]) -> int:
    """The axis of the elements of a row; an error if the losses do not agree on it."""
    axes = {
        loss.parameters["axis"] % max(y_pred.ndim, 1)
        for loss in losses
        if isinstance(loss, RowLoss)
    }
    if len(axes) > 1:
        raise ValueError("losses of different axes cannot be scored in one pass")
    return int(axes.pop()) if axes else y_pred.ndim - 1


def fixed_items(y_pred: Array, losses: Sequence[Loss]) -> tuple[int, str] | None:
    """How many classes or labels a row has; None where rows may differ, as lists and sets do."""
    for loss in losses:
        if isinstance(loss, RowLoss) and loss._item in ("class", "label"):
            return y_pred.shape[loss.parameters["axis"]], loss._items
    return None
