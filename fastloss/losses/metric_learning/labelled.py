"""What losses of labelled rows share: the rows by label, weights, and the methods."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, overload

import numpy as np

from fastloss import _core
from fastloss.docstrings import filled
from fastloss.domains import Ranged
from fastloss.losses.chunks import check_chunk_size
from fastloss.losses.metric_learning.weights import factors, row_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]
    Indices: TypeAlias = NDArray[np.intp]

_RAISES = """\
Raises
------
ValueError
    If a parameter is out of its range. When called: if shapes do not fit, a label is NaN, a weight
    is not finite (a `DomainError`), or there is nothing to take the mean of.
TypeError
    When called: if the embeddings or the weights hold anything but real numbers.

"""
_NOTES = """\
Embeddings have the shape (n, d), labels the shape (n,): integers, strings, whatever can be sorted.
Embeddings are computed in float32 if they are of float32, float16 or bfloat16, else in float64. A
row of weight 0 is as if absent, for the other rows too, whatever it holds; another weight
multiplies the row's own loss. NaN in a row makes the loss and all gradients NaN.

"""


class Labelled:
    """A batch in the order of its labels, so that those alike lie together; no rows of weight 0."""

    def __init__(
        self, labels: ArrayLike, embeddings: ArrayLike, sample_weight: ArrayLike | None
    ) -> None:
        (self.given,), self.dtype = _core.matching_rows({"embeddings": embeddings})
        names = _core.input_array(labels, "labels")
        if names.shape != self.given.shape[:1]:
            raise ValueError(
                f"labels must have a label for each row of embeddings, of shape "
                f"{self.given.shape[:1]}; got {names.shape}"
            )
        weights = row_weights(sample_weight, len(names))
        kept = np.flatnonzero(weights)
        codes = _codes(names[kept], kept)
        self.order = kept[np.argsort(codes, kind="stable")]
        self.weights = weights[self.order]
        self.rows: Array = self.given[self.order].astype(self.dtype, copy=False)
        counts = np.bincount(codes)
        stops = np.cumsum(counts, dtype=np.intp)
        self.sizes = np.repeat(counts, counts)  # of rows of the same label, here and below
        self.stops = np.repeat(stops, counts)
        self.starts = self.stops - self.sizes

    def __len__(self) -> int:
        return len(self.order)

    def blocks(self, part: slice) -> Iterator[tuple[slice, slice]]:
        """Rows of one label, counted from the first of the part, and all rows of that label."""
        row = part.start
        while row < part.stop:
            start, stop = int(self.starts[row]), int(self.stops[row])
            end = min(stop, part.stop)
            yield slice(row - part.start, end - part.start), slice(start, stop)
            row = end

    def factors(self, counts: Indices, reduction: str) -> NDArray[np.float64]:
        """What multiplies each of the losses of a row, of which there are so many."""
        some = counts > 0
        if reduction != "mean":
            return self.weights * some
        if not some.any():
            raise ValueError(
                "the mean over nothing is undefined: no row of non-zero weight has the others that "
                'its loss needs (reduction="sum" gives 0.0)'
            )
        # of moderate size, whatever the weights are: the mean does not depend on it
        share = self.weights / np.abs(self.weights).max() * counts
        share = factors(share, "mean")
        np.divide(share, counts, out=share, where=some)
        return share

    def scatter(self, grad: Array, out: Array) -> Array:
        """The derivatives by the rows at their places, 0 for the rows that were left out."""
        if len(self) < len(out):
            out[...] = 0
        out[self.order] = grad
        return out


def _codes(labels: NDArray[Any], rows: Indices) -> Indices:
    """Numbers from 0 on for labels of rows."""
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"labels[{rows[np.isnan(labels).argmax()]}] is NaN, which is no label")
    try:
        return np.unique(labels, return_inverse=True)[1]
    except TypeError as error:
        raise TypeError(f"labels must be of one kind that can be sorted ({error})") from None


class LabelledLoss(Ranged, ABC):
    """Base of losses of embeddings and their labels, computed a chunk of rows at a time."""

    chunk_size: int | None
    _reductions: ClassVar[tuple[str, ...]] = ("mean", "sum")  # of the value alone

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__doc__ and "Parameters\n" in cls.__doc__:  # python -OO leaves none
            text = filled(inspect.cleandoc(cls.__doc__))
            text = text.replace("Notes\n-----\n", f"{_RAISES}Notes\n-----\n")
            cls.__doc__ = text.replace("References\n", f"{_NOTES}References\n")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_chunk_size(self.chunk_size)

    @abstractmethod
    def _counts(self, batch: Labelled) -> Indices:
        """How many losses each row has."""

    @abstractmethod
    def _value(self, batch: Labelled, factor: NDArray[np.float64], reduction: str) -> Any:
        """The sum of the losses times the factor of their row, or those of each row."""

    @abstractmethod
    def _value_and_grad(self, batch: Labelled, factor: NDArray[np.float64]) -> tuple[float, Array]:
        """The sum of the losses times the factor of their row, and its derivatives by the rows."""

    @overload
    def __call__(
        self,
        labels: ArrayLike,
        embeddings: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        labels: ArrayLike,
        embeddings: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
    ) -> Any: ...
    @np.errstate(over="ignore", invalid="ignore")
    def __call__(
        self,
        labels: ArrayLike,
        embeddings: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        labels : array_like, shape (n,)
        embeddings : array_like, shape (n, d)
        sample_weight : array_like, shape (n,), optional
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each row, where it is
            one: 0 for rows without a loss of their own. Losses of triplets have no "none".

        Returns
        -------
        float, or ndarray of shape (n,)
        """
        self._check_reduction(reduction, self._reductions)
        batch = Labelled(labels, embeddings, sample_weight)
        factor = batch.factors(self._counts(batch), reduction)
        if reduction != "none":
            return float(self._value(batch, factor, "sum")) if len(batch) else 0.0
        each = np.zeros(len(batch.given), batch.dtype)
        if len(batch):
            batch.scatter(self._value(batch, factor, "none"), each)
        return each

    def grad(
        self,
        labels: ArrayLike,
        embeddings: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Array | None = None,
    ) -> Array:
        """Compute the derivatives of the reduced loss by the embeddings.

        Parameters are those of `value_and_grad`.

        Returns
        -------
        ndarray, shape (n, d)
        """
        _, grad = self.value_and_grad(
            labels, embeddings, sample_weight=sample_weight, reduction=reduction, out=out
        )
        return grad

    @np.errstate(over="ignore", invalid="ignore")
    def value_and_grad(
        self,
        labels: ArrayLike,
        embeddings: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Array | None = None,
    ) -> tuple[float, Array]:
        """Compute the loss and its derivatives by the embeddings.

        Parameters are those of calling the loss, but that each row's loss depends on many rows:
        there are no derivatives for ``reduction="none"``. ``out`` is an array for the gradient,
        writeable, C-contiguous and of the dtype computed in, which may be the embeddings.

        Returns
        -------
        value : float
        grad : ndarray, shape (n, d)
        """
        self._check_reduction(reduction, ("mean", "sum"))
        batch = Labelled(labels, embeddings, sample_weight)
        out = _core.output_array(out, batch.given, "embeddings")
        factor = batch.factors(self._counts(batch), reduction)
        value, grad = self._value_and_grad(batch, factor) if len(batch) else (0.0, batch.rows)
        return float(value), batch.scatter(grad, out)

    @staticmethod
    def _check_reduction(reduction: object, allowed: tuple[str, ...]) -> None:
        if reduction not in allowed:
            names = ", ".join(map(repr, allowed))
            raise ValueError(f"reduction must be one of {names} here; got {reduction!r}")
