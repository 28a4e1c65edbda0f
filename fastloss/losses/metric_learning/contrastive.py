"""Losses of cosines, as the cross-entropy of finding what belongs to a row among all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastloss import _core
from fastloss.domains import POSITIVE, Ranged
from fastloss.losses.chunks import check_chunk_size
from fastloss.losses.metric_learning.labelled import Labelled, LabelledLoss
from fastloss.losses.metric_learning.unit_rows import UnitRows
from fastloss.losses.multiclass import SoftmaxCrossEntropy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]
    Outputs: TypeAlias = Sequence[Array | None]  # arrays, or None for one to be made

_CROSS_ENTROPY = SoftmaxCrossEntropy()


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
        _, rows = self._unit_rows(first, second)
        parts = self._logits(rows)
        total = sum(_CROSS_ENTROPY(labels, z, reduction="sum") for _, labels, z in parts)
        return total / len(rows.unit)

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
        views, rows = self._unit_rows(first, second)
        grads = _core.row_outputs(out, views, rows.unit.dtype)
        value, count = 0.0, len(rows.unit)
        for part, labels, z in self._logits(rows):
            loss, g = _CROSS_ENTROPY.value_and_grad(labels, z, reduction="sum", out=z)
            value += loss
            rows.pull_back(part, g)
        for half, grad in zip(np.split(rows.gradient(count), 2), grads, strict=True):
            grad[:] = half
        return value / count, (grads[0], grads[1])

    def _unit_rows(self, first: ArrayLike, second: ArrayLike) -> tuple[list[Array], UnitRows]:
        """The views, and the rows of both, normalised."""
        views, dtype = _core.matching_rows({"first": first, "second": second})
        n, d = views[0].shape
        if n == 0:
            raise ValueError("the mean over nothing is undefined: there are no rows")
        rows = np.empty((2 * n, d), dtype)
        np.concatenate(views, out=rows, casting="unsafe")
        return views, UnitRows(rows, self.temperature)

    def _logits(self, rows: UnitRows) -> Iterator[tuple[slice, NDArray[np.intp], Array]]:
        """Rows, those that they belong to, and their logits."""
        count = len(rows.unit)
        for part, z in rows.similarities(self.chunk_size):
            own = np.arange(part.start, part.stop)
            z[own - part.start, own] = -np.inf  # a row does not find itself
            yield part, (own + count // 2) % count, z


@dataclass(frozen=True)
class SupervisedContrastive(LabelledLoss):
    """Contrastive loss of labelled rows: each finds those of its label among all rows.

    The n x n similarities never exist at once: beyond its results a call holds the normalised
    rows, for the gradient as much again, and ``chunk_size`` x n similarities and targets. The
    products are those of the BLAS that NumPy and SciPy bring.

    A row of zeros has the cosine 0 with every row, and the gradient 0.

    Parameters
    ----------
    temperature : float, default=0.1
        In (0, inf).
    chunk_size : int, optional

    Notes
    -----
    With the rows u divided by their lengths, the loss of u is the mean over the other rows v of
    its label of ::

        -log(exp(dot(u, v)/temperature)/sum(exp(dot(u, r)/temperature) for r other than u))

    This is L_out of the paper, without the factor temperature/0.07 of its authors' program. The
    mean is over the rows that share their label with another; the others have no loss of their
    own, and are what the rest is told from.

    References
    ----------
    Khosla et al., "Supervised Contrastive Learning" (2020), arXiv:2004.11362.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.SupervisedContrastive(temperature=1.0)
    >>> round(loss([0, 0, 1], [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), 4)
    0.3133
    """

    temperature: float = 0.1
    chunk_size: int | None = None

    _ranges = {"temperature": POSITIVE}
    _reductions = ("mean", "sum", "none")

    def _counts(self, batch: Labelled) -> NDArray[np.intp]:
        return (batch.sizes > 1).astype(np.intp)

    def _value(self, batch: Labelled, factor: NDArray[np.float64], reduction: str) -> Any:
        rows = UnitRows(batch.rows, self.temperature)
        parts = [
            _CROSS_ENTROPY(q, z, sample_weight=factor[part], reduction=reduction)
            for part, q, z in self._logits(batch, rows)
        ]
        return np.concatenate(parts) if reduction == "none" else sum(parts)

    def _value_and_grad(self, batch: Labelled, factor: NDArray[np.float64]) -> tuple[float, Array]:
        rows, value = UnitRows(batch.rows, self.temperature), 0.0
        for part, q, z in self._logits(batch, rows):
            loss, g = _CROSS_ENTROPY.value_and_grad(
                q, z, sample_weight=factor[part], reduction="sum", out=z
            )
            value += loss
            rows.pull_back(part, g)
        return value, rows.gradient()

    def _logits(self, batch: Labelled, rows: UnitRows) -> Iterator[tuple[slice, Array, Array]]:
        """Rows, their targets in a buffer that is used again, and their logits."""
        buffer: Array | None = None
        for part, z in rows.similarities(self.chunk_size):
            own = np.arange(part.start, part.stop)
            z[own - part.start, own] = -np.inf  # a row does not find itself
            buffer = np.empty_like(z) if buffer is None else buffer
            q = buffer[: len(own)]
            q.fill(0)
            for some, alike in batch.blocks(part):
                q[some, alike] = 1 / max(alike.stop - alike.start - 1, 1)
            q[own - part.start, own] = 0
            yield part, q, z
