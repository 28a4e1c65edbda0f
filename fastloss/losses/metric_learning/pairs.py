"""Losses of pairs, each of which belongs together or is ranked one way or the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from fastloss import _core
from fastloss.domains import REAL, Domain, Ranged
from fastloss.losses.base import Parameters
from fastloss.losses.chunks import rows_at_a_time
from fastloss.losses.classification import Hinge
from fastloss.losses.metric_learning.weights import factors, reduced, row_weights
from fastloss.losses.similarity import CosineDistance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]
    Outputs: TypeAlias = Sequence[Array | None]  # arrays, or None for one to be made
    Pair: TypeAlias = tuple[Array, Array]


class PairLoss(Ranged, ABC):
    """Base of losses of two arrays of one shape, and of -1 or 1 for each pair in them."""

    @abstractmethod
    def _evaluate(
        self,
        y_true: ArrayLike,
        given: dict[str, ArrayLike],
        sample_weight: ArrayLike | None,
        reduction: str,
    ) -> Any:
        """The value."""

    @abstractmethod
    def _evaluate_with_grads(
        self,
        y_true: ArrayLike,
        given: dict[str, ArrayLike],
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Outputs | None,
    ) -> tuple[Any, Pair]:
        """The value and the gradients."""

    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
    ) -> Any: ...
    def __call__(
        self,
        y_true: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like
            -1 or 1 for each pair.
        first, second : array_like
            Of one shape.
        sample_weight : array_like, optional
            A weight for each pair.
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each pair.

        Returns
        -------
        float, or ndarray of y_true's shape
        """
        given = {"first": first, "second": second}
        return self._evaluate(y_true, given, sample_weight, reduction)

    def grad(
        self,
        y_true: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Outputs | None = None,
    ) -> Pair:
        """Compute the derivatives of the reduced loss by both arrays.

        Parameters are those of `value_and_grad`.

        Returns
        -------
        tuple of two ndarray
        """
        given = {"first": first, "second": second}
        return self._evaluate_with_grads(y_true, given, sample_weight, reduction, out)[1]

    @overload
    def value_and_grad(
        self,
        y_true: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        out: Outputs | None = None,
    ) -> tuple[float, Pair]: ...
    @overload
    def value_and_grad(
        self,
        y_true: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
        out: Outputs | None = None,
    ) -> tuple[Any, Pair]: ...
    def value_and_grad(
        self,
        y_true: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Outputs | None = None,
    ) -> tuple[Any, Pair]:
        """Compute the loss and its derivatives by both arrays.

        Parameters are those of calling the loss; ``out`` is two arrays for the gradients,
        writeable, C-contiguous and of the dtype computed in, which may be the inputs themselves.
        With ``reduction="none"`` the derivatives are those of each pair's own weighted loss.

        Returns
        -------
        value : float, or ndarray of y_true's shape
        grads : tuple of two ndarray
        """
        given = {"first": first, "second": second}
        return self._evaluate_with_grads(y_true, given, sample_weight, reduction, out)


@dataclass(frozen=True)
class CosineEmbedding(PairLoss):
    """Cosine embedding loss: similar rows point the same way, the others at most a margin of it.

    Lengths are those of torch without the 1e-12 that it adds to their squares. A row of zeros has
    the cosine 0 with every row, and the gradient 0. On the kink, where the cosine is the margin,
    the gradient is 0.

    Parameters
    ----------
    margin : float, default=0.0
        In [-1, 1].

    Raises
    ------
    ValueError
        If the margin is out of its range. When called: if shapes do not fit, there is nothing to
        take the mean of, or (a `DomainError`) y_true holds another number than -1 and 1 or a
        weight is not finite.
    TypeError
        When called: if an array holds anything but real numbers.

    Notes
    -----
    The loss of rows u and v is, with their cosine c = dot(u, v)/(|u| |v|), ::

        1 - c               if y = 1
        max(0, c - margin)  if y = -1

    The rows have one shape, (n, d), y_true and weights the shape (n,). They are computed in float32
    if each is of float32, float16 or bfloat16, else in float64. Of y = 1 the loss is right relative
    to itself, however nearly parallel the rows are. A pair of weight 0 is as if absent, whatever
    it holds; NaN in any other row makes its loss and gradients NaN.

    References
    ----------
    Bromley et al., "Signature Verification using a 'Siamese' Time Delay Neural Network" (1993),
    which compares cosines with 1 and -1; PyTorch's ``CosineEmbeddingLoss``, with the margin.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.CosineEmbedding(margin=0.5)
    >>> loss([1, -1], [[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [3.0, 0.0]], reduction="none")
    array([1. , 0.5])
    """

    margin: float = 0.0

    _ranges = {"margin": Domain("[-1, 1]", low=-1, high=1)}

    @np.errstate(over="ignore", invalid="ignore")
    def _evaluate(
        self,
        y_true: ArrayLike,
        given: dict[str, ArrayLike],
        sample_weight: ArrayLike | None,
        reduction: str,
    ) -> Any:
        arrays, dtype = _core.matching_rows(given)
        weights = row_weights(sample_weight, len(arrays[0]))
        losses, _ = self._of_rows(y_true, arrays, dtype, weights)
        value = reduced(losses, weights, reduction)
        return value.astype(dtype) if reduction == "none" else value

    @np.errstate(over="ignore", invalid="ignore")
    def _evaluate_with_grads(
        self,
        y_true: ArrayLike,
        given: dict[str, ArrayLike],
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Outputs | None,
    ) -> tuple[Any, Pair]:
        arrays, dtype = _core.matching_rows(given)
        inputs = dict(zip(given, arrays, strict=True))
        grads = _core.separate_outputs(out, inputs, arrays, dtype)
        weights = row_weights(sample_weight, len(arrays[0]))
        losses, slopes = self._of_rows(y_true, arrays, dtype, weights)
        value = reduced(losses, weights, reduction)
        slopes *= factors(weights, reduction)
        unknown = np.isnan(slopes)
        slopes[unknown] = 0
        for part in _parts(arrays[0], dtype):
            first, second = (a[part].astype(dtype, copy=False) for a in arrays)
            options: dict[str, Any] = {"sample_weight": slopes[part], "reduction": "sum"}
            by_first = _COSINE.grad(second, first, **options)  # before second may be overwritten
            _COSINE.grad(first, second, out=grads[1][part], **options)
            grads[0][part] = by_first
        for grad in grads:
            grad[unknown] = np.nan
        if reduction == "none":
            value = value.astype(dtype)
        return value, (grads[0], grads[1])

    def _of_rows(
        self,
        y_true: ArrayLike,
        arrays: list[NDArray[Any]],
        dtype: np.dtype[Any],
        weights: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The loss of each row, and its derivative by the cosine distance; 0 if it is absent."""
        y, present = _targets(y_true, weights.shape, "rows"), weights != 0
        zeros = np.zeros(len(y))  # where the hinge loss falls towards y, once that is checked
        sign = -_HINGE.grad(y, zeros, sample_weight=present, reduction="none")
        distance = np.empty(len(y))
        for part in _parts(arrays[0], dtype):
            first, second = (a[part].astype(dtype, copy=False) for a in arrays)
            distance[part] = _COSINE(first, second, sample_weight=present[part], reduction="none")
        above = (1 - self.margin) - distance
        losses = np.where(sign > 0, distance, np.where(above < 0, 0, above)) + 0 * sign
        slopes = np.where(sign > 0, 1.0, np.where(above > 0, -1.0, 0.0))
        slopes[np.isnan(losses)] = np.nan
        return losses * present, slopes * present


@dataclass(frozen=True)
class MarginRanking(PairLoss):
    """Margin ranking loss: of two scores the right one is greater, by a margin.

    On the kink, where the scores differ by the margin exactly, the gradient is 0.

    Parameters
    ----------
    margin : float, default=0.0
        In (-inf, inf).

    Raises
    ------
    ValueError
        If the margin is not finite. When called: if shapes do not fit, there is nothing to take
        the mean of, or (a `DomainError`) y_true holds another number than -1 and 1 or a weight is
        not finite.
    TypeError
        When called: if an array holds anything but real numbers.

    Notes
    -----
    The loss of scores u and v is, y being 1 if u should be the greater one and -1 if v should, ::

        max(0, margin - y*(u - v))

    The scores, y_true and the weights have one shape, any. Scores are computed in float32 if both
    are of float32, float16 or bfloat16, else in float64. Beyond its results a call holds their
    differences. A pair of weight 0 is as if absent; NaN in any other makes its loss NaN.

    References
    ----------
    Herbrich, Graepel and Obermayer, "Support Vector Learning for Ordinal Regression" (1999).

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.MarginRanking(margin=1.0)
    >>> loss.value_and_grad([1, -1], [2.0, 0.5], [0.0, 0.0], reduction="sum")
    (1.5, (array([0., 1.]), array([ 0., -1.])))
    """

    margin: float = 0.0

    _ranges = {"margin": REAL}

    def _evaluate(
        self,
        y_true: ArrayLike,
        given: dict[str, ArrayLike],
        sample_weight: ArrayLike | None,
        reduction: str,
    ) -> Any:
        arrays, dtype = _core.matching_arrays(given)
        y = _targets(y_true, arrays[0].shape, "pairs")
        differences = _differences(arrays, dtype)
        hinge = _MarginHinge(self.margin)
        return hinge(y, differences, sample_weight=sample_weight, reduction=reduction)

    def _evaluate_with_grads(
        self,
        y_true: ArrayLike,
        given: dict[str, ArrayLike],
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Outputs | None,
    ) -> tuple[Any, Pair]:
        arrays, dtype = _core.matching_arrays(given)
        y = _targets(y_true, arrays[0].shape, "pairs")
        first, second = _core.row_outputs(out, arrays, dtype)
        differences = _differences(arrays, dtype)
        value, grad = _MarginHinge(self.margin).value_and_grad(
            y,
            differences,
            sample_weight=sample_weight,
            reduction=reduction,
            out=(None, differences) if reduction == "none" else differences,
        )
        # at last, as they may be any of the inputs
        np.copyto(first, grad)
        np.subtract(0, grad, out=second)  # not -0
        return value, (first, second)


class _MarginHinge(Hinge):
    """The hinge loss with a margin of any size; no loss of its own in the registry."""

    _ranges = {"margin": REAL}

    def __init__(self, margin: float) -> None:
        self._set(margin=margin)

    def _kernel(self) -> tuple[str, Parameters]:
        return "Hinge", self.parameters


_COSINE, _HINGE = CosineDistance(), Hinge()


def _targets(y_true: ArrayLike, shape: tuple[int, ...], items: str) -> NDArray[Any]:
    y = _core.input_array(y_true, "y_true")
    if y.shape != shape:
        raise ValueError(
            f"y_true must have -1 or 1 for each of the {items}, of shape {shape}; got {y.shape}"
        )
    return y


@np.errstate(over="ignore", invalid="ignore")
def _differences(arrays: list[NDArray[Any]], dtype: np.dtype[Any]) -> Array:
    differences: Array = np.empty(arrays[0].shape, dtype)
    np.subtract(arrays[0], arrays[1], out=differences, dtype=dtype, casting="unsafe")
    return differences


def _parts(array: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[slice]:
    """Rows, as many at a time as may be held converted."""
    n, d = array.shape
    size = rows_at_a_time(None, n, d * dtype.itemsize)
    return (slice(start, start + size) for start in range(0, n, size))
