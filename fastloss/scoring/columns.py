"""Numbers of rows, of which scores are the sums: losses, weights, and products of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fastloss._core import DomainError, PointwiseLoss, column_sums, score_sums
from fastloss.losses.links import real_array
from fastloss.losses.rows import RowLoss
from fastloss.scoring.exact import ExactSums, maxima_by
from fastloss.scoring.measure import Measure
from fastloss.scoring.measures import Accuracy, OfLoss, Root
from fastloss.scoring.part import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.losses.base import Loss

    Array = NDArray[Any]
    Pair = tuple[int, int]

T = TypeVar("T")
CHUNK = 1 << 17  # numbers of a column at a time, which stay in the cache


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
    weight = None if weight is None else real_array(weight, "sample_weight")
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
    maxima: Sequence[int],
) -> ExactSums | None:
    """The sums over all parts; None if there are no samples.

    Of some samples there is a part for each model, and the columns of one after those of the other.
    ``maxima`` are columns of which the largest numbers are found too.
    """
    total = None
    everywhere = np.arange(n_groups)
    for rows, models in parts:
        numbers = [column for part in models for column in _named(columns, part, rows)]
        weight = _named(partial(Part.weights, others=models[1:]), models[0], rows)
        places = None if codes is None else _flat(codes if rows is None else codes[rows])
        found = sums_of_columns(numbers, weight, places, n_groups, pairs)
        if maxima:
            found.maxima = _maxima([numbers[k] for k in maxima], weight, places, n_groups)
        if total is None:
            total = found
        else:
            total.add(found, everywhere)
    return total


def _maxima(
    columns: Sequence[Array], weight: Array | None, codes: Array | None, n_groups: int
) -> Array:
    """The largest numbers of columns by group, of the samples that count."""
    each = np.stack([column.reshape(-1) for column in columns], axis=-1)
    places = np.zeros(len(each), np.intp) if codes is None else codes
    if weight is not None:
        counts = weight.reshape(-1) != 0
        each, places = each[counts], places[counts]
    if codes is None:
        return np.asarray(each.max(axis=0, initial=-np.inf, keepdims=True))
    return maxima_by(places, each, n_groups)


def _named(of: Callable[[Part], T], part: Part, rows: slice | None) -> T:
    """What there is of a part; errors say which predictions, and where in all of them."""
    try:
        return of(part)
    except DomainError as error:
        argument = part.name if error.argument == "y_pred" else error.argument
        index = error.index
        if rows is not None and index:
            index = (index[0] + rows.start, *index[1:])
        raise DomainError(argument, index, error.value, error.domain, error.loss) from None


def _flat(array: Array) -> Array:
    return np.require(array, requirements=["C", "A"]).reshape(-1)


def can_be_fused(measures: Sequence[Measure]) -> bool:
    """Whether the values of samples need not be written down."""
    return all(
        type(m) in (OfLoss, Root) and isinstance(m.losses[0], PointwiseLoss) for m in measures
    )


def check_parts(measures: Sequence[Measure]) -> None:
    """Raise an error for measures that no sums make up."""
    for measure in measures:
        if measure.needs_samples:
            raise ValueError(
                f"{measure.spec} cannot be found in parts, of which sums alone are kept: it takes "
                "all samples at once, as fastloss.score() does"
            )


def check_rows(measures: Sequence[Measure]) -> None:
    """Raise an error for losses of rows that cannot be scored, or not together."""
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


def row_axis(measures: Sequence[Measure], y_true: Array, y_pred: Array) -> int | None:
    """The axis of the elements of a row, on which losses have to agree; None of single predictions.

    What takes both is of rows if predictions have an axis more than targets.
    """
    either = all(isinstance(m, Accuracy) for m in measures) and y_pred.ndim == y_true.ndim + 1
    if not (either or any(measure.of_rows for measure in measures)):
        return None
    losses = [loss for m in measures for loss in m.losses if isinstance(loss, RowLoss)]
    axes = {loss.parameters["axis"] % max(y_pred.ndim, 1) for loss in losses}
    if len(axes) > 1:
        raise ValueError("losses of different axes cannot be scored in one pass")
    return int(axes.pop()) if axes else y_pred.ndim - 1


def fixed_items(y_pred: Array, losses: Sequence[Loss]) -> tuple[int, str] | None:
    """How many classes or labels a row has; None where rows may differ, as lists and sets do."""
    for loss in losses:
        if isinstance(loss, RowLoss) and loss._item in ("class", "label"):
            return y_pred.shape[loss.parameters["axis"]], loss._items
    return None
