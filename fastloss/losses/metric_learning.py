"""Losses of embeddings: what belongs together lies close, the rest far apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from fastloss import _core
from fastloss.domains import NONNEGATIVE, POSITIVE, Ranged
from fastloss.losses.chunks import adding_product, check_chunk_size, rows_at_a_time
from fastloss.losses.multiclass import SoftmaxCrossEntropy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]
    Outputs: TypeAlias = Sequence[Array | None]  # arrays, or None for one to be made
    Triple: TypeAlias = tuple[Array, Array, Array]


@dataclass(frozen=True)
class TripletMargin(Ranged):
    """Triplet margin loss: anchors are nearer to positives than to negatives, by a margin.

    Distances are Euclidean, without the 1e-6 that torch adds to each difference
    (``eps=0`` there). The gradient of a distance of 0 is 0, and so is that of a triplet on the
    kink, whose distances differ by the margin exactly.

    Parameters
    ----------
    margin : float, default=1.0
        In [0, inf).

    Raises
    ------
    ValueError
        If the margin is out of its range. When called: if shapes do not fit, a weight is not
        finite (a `DomainError`), or there is nothing to take the mean of.
    TypeError
        When called: if an array holds anything but real numbers.

    Notes
    -----
    The loss of a row a of anchors, p of positives and q of negatives is ::

        max(0, margin + |a - p| - |a - q|)

    The arrays have one shape, (n, d). They are computed in float32 if each is of float32, float16
    or bfloat16, else in float64; distances are summed in float64 either way. A row of weight 0 is
    as if absent, whatever it holds; NaN in any other row makes its loss and gradients NaN.

    References
    ----------
    Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering" (2015),
    arXiv:1503.03832, with squared distances; Balntas et al., "Learning Local Feature Descriptors
    with Triplets and Shallow Convolutional Neural Networks" (2016).

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.TripletMargin()
    >>> loss([[0.0, 0.0]], [[0.0, 2.0]], [[2.5, 0.0]])
    0.5
    >>> loss.grad([[0.0, 0.0]], [[0.0, 2.0]], [[2.5, 0.0]])[1]
    array([[0., 1.]])
    """

    margin: float = 1.0

    _ranges = {"margin": NONNEGATIVE}

    @overload
    def __call__(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
    ) -> Any: ...
    def __call__(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        anchor, positive, negative : array_like, shape (n, d)
        sample_weight : array_like, shape (n,), optional
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each row.

        Returns
        -------
        float, or ndarray of shape (n,)
        """
        given = {"anchor": anchor, "positive": positive, "negative": negative}
        return _core.triplet_margin(self.margin, given, sample_weight, reduction, False, None)

    def grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Outputs | None = None,
    ) -> Triple:
        """Compute the derivatives of the reduced loss by anchors, positives and negatives.

        Parameters are those of `value_and_grad`.

        Returns
        -------
        tuple of three ndarray, shape (n, d)
        """
        _, grads = self.value_and_grad(
            anchor, positive, negative, sample_weight=sample_weight, reduction=reduction, out=out
        )
        return grads

    @overload
    def value_and_grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        out: Outputs | None = None,
    ) -> tuple[float, Triple]: ...
    @overload
    def value_and_grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
        out: Outputs | None = None,
    ) -> tuple[Any, Triple]: ...
    def value_and_grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Outputs | None = None,
    ) -> tuple[Any, Triple]:
        """Compute the loss and its derivatives by anchors, positives and negatives in one pass.

        Parameters are those of calling the loss; ``out`` is three arrays for the gradients,
        writeable, C-contiguous and of the dtype computed in, which may be the inputs themselves.
        With ``reduction="none"`` the derivatives are those of each row's own weighted loss.

        Returns
        -------
        value : float, or ndarray of shape (n,)
        grads : tuple of three ndarray, shape (n, d)
        """
        given = {"anchor": anchor, "positive": positive, "negative": negative}
        result: tuple[Any, Triple] = _core.triplet_margin(
            self.margin, given, sample_weight, reduction, True, out
        )
        return result


@dataclass(frozen=True)
class Contrastive(Ranged):
    """NT-Xent, the contrastive loss of SimCLR: each row finds its other view among all rows.

    The 2n x 2n similarities never exist at once: beyond its results a call holds the normalised
    rows of both views, for the gradient as much again, and ``chunk_size`` x 2n similarities. The
    products are those of the BLAS that NumPy and SciPy bring.

    A row of zeros has the cosine 0 with every row, and the gradient 0.

    Parameters
    ----------
    temperature : float, default=0.5
        In (0, inf).
    chunk_size : int, optional
        Rows at a time; by default as many as make 64 MiB of similarities.

    Raises
    ------
    ValueError
        If a parameter is out of its range. When called: if shapes do not fit, or there are no
        rows.
    TypeError
        When called: if an array holds anything but real numbers.

    Notes
    -----
    With the 2n rows u of both views divided by their lengths, and v the other view of u, the loss
    is the mean over u of ::

        -log(exp(dot(u, v)/temperature)/sum(exp(dot(u, r)/temperature) for r other than u))

    The views have one shape, (n, d). They are computed in float32 if each is of float32, float16
    or bfloat16, else in float64.

    References
    ----------
    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (2020),
    arXiv:2002.05709.

    Examples
    --------
    >>> import fastloss as fl
    >>> first = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(fl.Contrastive(temperature=1.0)(first, first), 4)
    0.5514
    """

    temperature: float = 0.5
    chunk_size: int | None = None

    _ranges = {"temperature": POSITIVE}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_chunk_size(self.chunk_size)

    @np.errstate(over="ignore", invalid="ignore")
    def __call__(self, first: ArrayLike, second: ArrayLike) -> float:
        """Compute the loss.

        Parameters
        ----------
        first, second : array_like, shape (n, d)
            The two views: row i of one belongs to row i of the other.

        Returns
        -------
        float
        """
        rows = _Rows(self, first, second)
        parts = (_CROSS_ENTROPY(labels, z, reduction="sum") for _, labels, z in rows.similarities())
        return sum(parts) / len(rows.unit)

    @np.errstate(over="ignore", invalid="ignore")
    def value_and_grad(
        self, first: ArrayLike, second: ArrayLike, out: Outputs | None = None
    ) -> tuple[float, tuple[Array, Array]]:
        """Compute the loss and its derivatives by both views.

        Parameters are those of calling the loss; ``out`` is two arrays for the gradients,
        writeable, C-contiguous and of the dtype computed in, which may be the views themselves.

        Returns
        -------
        value : float
        grads : tuple of two ndarray, shape (n, d)
        """
        rows = _Rows(self, first, second)
        grads = _core.row_outputs(out, rows.views, rows.unit.dtype)
        multiply = adding_product(rows.unit)
        unit, by_unit, value = rows.unit, np.zeros_like(rows.unit), 0.0
        for part, labels, z in rows.similarities():
            loss, g = _CROSS_ENTROPY.value_and_grad(labels, z, reduction="sum", out=z)
            value += loss
            # by_unit[part] += g @ unit and by_unit += g.T @ unit[part]: transposed, in the order
            # that BLAS has, so that it adds in place
            multiply(1, unit.T, g.T, 1, by_unit[part].T, overwrite_c=True)
            multiply(1, unit[part].T, g.T, 1, by_unit.T, trans_b=True, overwrite_c=True)
        rows.chain(by_unit, grads)
        return value / len(unit), (grads[0], grads[1])


_CROSS_ENTROPY = SoftmaxCrossEntropy()


class _Rows:
    """The rows of both views, normalised, and what goes through them chunk by chunk."""

    def __init__(self, options: Contrastive, first: ArrayLike, second: ArrayLike) -> None:
        self.views, dtype = _core.matching_rows({"first": first, "second": second})
        self.n, d = self.views[0].shape
        if self.n == 0:
            raise ValueError("the mean over nothing is undefined: there are no rows")
        # of the length 1/sqrt(temperature), so that their products are the logits
        self.unit = np.empty((2 * self.n, d), dtype)
        np.concatenate(self.views, out=self.unit, casting="unsafe")
        self.temperature = options.temperature
        self.chunk = rows_at_a_time(options.chunk_size, 2 * self.n, 2 * self.n * dtype.itemsize)
        with np.errstate(all="ignore"):  # NaN and infinite rows are answered with NaN
            largest = np.maximum(self.unit.max(axis=1), -self.unit.min(axis=1))
            largest[largest == 0] = 1
            self.unit /= largest[:, None]
            length = np.sqrt(_dots(self.unit, self.unit))
            inverse = np.where(length == 0, 0, 1 / (length * np.sqrt(self.temperature)))
            self.unit *= inverse.astype(dtype)[:, None]
            # of a gradient by the normalised row, in one by the row
            self.scale = (inverse / (largest * 2.0 * self.n)).astype(dtype)[:, None]

    def similarities(self) -> Iterator[tuple[slice, NDArray[np.intp], Array]]:
        """Rows, those that they belong to, and their logits in a buffer that is used again."""
        count = 2 * self.n
        buffer = np.empty((self.chunk, count), self.unit.dtype)
        for start in range(0, count, self.chunk):
            own = np.arange(start, min(start + self.chunk, count))
            part = slice(start, start + len(own))
            z = np.matmul(self.unit[part], self.unit.T, out=buffer[: len(own)])
            z[own - start, own] = -np.inf  # a row does not find itself
            yield part, (own + self.n) % count, z

    def chain(self, by_unit: Array, grads: Sequence[Array]) -> None:
        """From the sum's gradient by the normalised rows to the mean's by the views."""
        unit = self.unit
        unit *= (_dots(unit, by_unit) * self.temperature).astype(unit.dtype)[:, None]
        by_unit -= unit
        for i, grad in enumerate(grads):
            part = slice(i * self.n, (i + 1) * self.n)
            np.multiply(by_unit[part], self.scale[part], out=grad)


def _dots(a: Array, b: Array) -> NDArray[np.float64]:
    """The product of each row of a with that of b."""
    products: NDArray[np.float64] = np.einsum("ij,ij->i", a, b, dtype=np.float64)
    return products
