"""Losses of triplets that are found in a batch by the labels of its rows."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastloss import _core
from fastloss.domains import NONNEGATIVE, Domain
from fastloss.losses.chunks import rows_at_a_time
from fastloss.losses.distances import compared, largest
from fastloss.losses.metric_learning.labelled import Labelled, LabelledLoss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fastloss.losses.metric_learning.labelled import Array, Indices


class MinedTriplets(LabelledLoss):
    """Base of triplet margin losses whose triplets are chosen by the distances in a batch."""

    margin: float
    _ranges: ClassVar[dict[str, Domain]] = {"margin": NONNEGATIVE}

    def mine(self, labels: ArrayLike, embeddings: ArrayLike) -> tuple[Indices, Indices, Indices]:
        """Find the triplets: the rows of anchors, of positives and of negatives.

        Parameters
        ----------
        labels : array_like, shape (n,)
        embeddings : array_like, shape (n, d)
            Finite numbers.

        Returns
        -------
        tuple of three ndarray of int
            Of one length, for ``TripletMargin()(x[anchors], x[positives], x[negatives])``.
        """
        batch = Labelled(labels, embeddings, None)
        if not np.isfinite(batch.rows).all():
            raise ValueError("embeddings must be finite to find triplets in them")
        found = [np.empty((3, 0), np.intp), *map(np.stack, self._triplets(batch))]
        anchors, positives, negatives = batch.order[np.concatenate(found, axis=1)]
        return anchors, positives, negatives

    @abstractmethod
    def _choose(self, batch: Labelled, part: slice, distances: Array) -> tuple[Indices, ...]:
        """The triplets of some anchors, by what is in the order of their distances from all."""

    def _triplets(self, batch: Labelled) -> Iterator[tuple[Indices, ...]]:
        """Anchors, positives and negatives of a finite batch, of some rows at a time."""
        n = len(batch)
        if n:
            size = rows_at_a_time(self.chunk_size, n, n * batch.dtype.itemsize)
            for part, d in compared(batch.rows, batch.rows, largest(batch.rows), size):
                yield self._choose(batch, part, d)

    def _value(self, batch: Labelled, factor: NDArray[np.float64], reduction: str) -> Any:
        if not np.isfinite(batch.rows).all():
            return math.nan
        return sum(self._of(batch, factor, t, False) for t in self._pieces(batch))

    def _value_and_grad(self, batch: Labelled, factor: NDArray[np.float64]) -> tuple[float, Array]:
        # here, as importing it takes longer than importing fastloss
        from scipy.sparse import csr_array  # type: ignore[import-untyped, unused-ignore]

        if not np.isfinite(batch.rows).all():
            return math.nan, np.full_like(batch.rows, np.nan)
        value, by_row = 0.0, np.zeros(batch.rows.shape)
        for triplets in self._pieces(batch):
            loss, grads = self._of(batch, factor, triplets, True)
            value += loss
            for rows, grad in zip(triplets, grads, strict=True):
                one_each = np.ones(len(rows)), rows, np.arange(len(rows) + 1)
                by_row += csr_array(one_each, (len(rows), len(batch))).T @ grad
        return value, by_row.astype(batch.dtype, copy=False)

    def _pieces(self, batch: Labelled) -> Iterator[tuple[Indices, ...]]:
        """Triplets, as many at a time as may be held with their gradients."""
        for triplets in self._triplets(batch):
            count = len(triplets[0])
            size = rows_at_a_time(None, count, 6 * batch.rows[:1].nbytes)
            for start in range(0, count, size):
                yield tuple(rows[start : start + size] for rows in triplets)

    def _of(
        self,
        batch: Labelled,
        factor: NDArray[np.float64],
        triplets: tuple[Indices, ...],
        with_grad: bool,
    ) -> Any:
        """The sum of the losses of triplets, which are computed from the differences of rows."""
        names = ("anchor", "positive", "negative")
        given = {name: batch.rows[rows] for name, rows in zip(names, triplets, strict=True)}
        return _core.triplet_margin(
            self.margin, 2.0, False, given, factor[triplets[0]], "sum", with_grad, None
        )


@dataclass(frozen=True)
class TripletSemiHard(MinedTriplets):
    """Triplet margin loss of all pairs of one label, each with a semi-hard negative.

    That is the row of another label nearest to the anchor among those farther from it than the
    positive is, and if there are none the farthest one. Distances are compared ``chunk_size``
    rows at a time, so that no n x n array exists: beyond its results a call holds the rows, for
    the gradient twice as much again, ``chunk_size`` x n distances, the triplets of as many
    anchors, and up to 64 MiB of the rows of triplets.

    Parameters
    ----------
    margin : float, default=1.0
        In [0, inf).
    chunk_size : int, optional

    Notes
    -----
    The mean over the triplets of rows a, p and q is that of ::

        max(0, margin + |a - p| - |a - q|)

    with Euclidean distances. Those of the triplets are computed from differences, as
    `TripletMargin` does, and so are the gradients, which take the triplets as fixed. Which of two
    negatives is nearer, and whether one is farther than the positive, may be decided by rounding
    where the distances are all but equal. Pairs of a batch of one label have no triplets.

    References
    ----------
    Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering" (2015),
    arXiv:1503.03832, with squared distances; TensorFlow Addons' ``TripletSemiHardLoss``.

    Examples
    --------
    >>> import fastloss as fl
    >>> labels, x = [0, 0, 1, 1], [[0.0], [1.0], [1.5], [4.0]]
    >>> fl.TripletSemiHard()(labels, x)
    0.75
    >>> fl.TripletSemiHard().mine(labels, x)
    (array([0, 1, 2, 3]), array([1, 0, 3, 2]), array([2, 3, 0, 1]))
    """

    margin: float = 1.0
    chunk_size: int | None = None

    def _counts(self, batch: Labelled) -> Indices:
        counts: Indices = np.where(batch.sizes < len(batch), batch.sizes - 1, 0)
        return counts

    def _choose(self, batch: Labelled, part: slice, distances: Array) -> tuple[Indices, ...]:
        found = [[np.empty(0, np.intp)] * 3]
        for some, alike in batch.blocks(part):
            size = alike.stop - alike.start
            if not 1 < size < len(batch):
                continue
            for row in range(some.start, some.stop):
                anchor = part.start + row
                positives = np.delete(np.arange(alike.start, alike.stop), anchor - alike.start)
                d = distances[row]
                others = np.concatenate((d[: alike.start], d[alike.stop :]))
                order = others.argsort()
                beyond = others[order].searchsorted(d[positives], side="right")
                negatives = order[np.minimum(beyond, len(others) - 1)]
                negatives += size * (negatives >= alike.start)
                found.append([np.full(size - 1, anchor), positives, negatives])
        return tuple(map(np.concatenate, zip(*found, strict=True)))


@dataclass(frozen=True)
class TripletHard(MinedTriplets):
    """Triplet margin loss of each row, its farthest positive and its nearest negative: batch-hard.

    Distances are compared ``chunk_size`` rows at a time, so that no n x n array exists: beyond its
    results a call holds the rows, for the gradient twice as much again, ``chunk_size`` x n
    distances, and up to 64 MiB of the rows of triplets.

    Parameters
    ----------
    margin : float, default=1.0
        In [0, inf).
    chunk_size : int, optional

    Notes
    -----
    The mean over the rows a, with p the farthest row of the same label and q the nearest of another
    one, is that of ::

        max(0, margin + |a - p| - |a - q|)

    with Euclidean distances. They are computed from differences, as `TripletMargin` does, and so
    are the gradients, which take the triplets as fixed. Which of two rows is nearer may be decided
    by rounding where the distances are all but equal. Rows without a positive or a negative have
    no triplet.

    References
    ----------
    Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for Person Re-Identification" (2017),
    arXiv:1703.07737.

    Examples
    --------
    >>> import fastloss as fl
    >>> labels, x = [0, 0, 1, 1], [[0.0], [1.0], [1.5], [4.0]]
    >>> fl.TripletHard()(labels, x)
    1.375
    """

    margin: float = 1.0
    chunk_size: int | None = None

    def _counts(self, batch: Labelled) -> Indices:
        return ((batch.sizes > 1) & (batch.sizes < len(batch))).astype(np.intp)

    def _choose(self, batch: Labelled, part: slice, distances: Array) -> tuple[Indices, ...]:
        anchors = np.arange(part.start, part.stop)
        positives = np.empty(len(anchors), np.intp)
        distances[anchors - part.start, anchors] = -np.inf  # not even if it lies on the others
        for some, alike in batch.blocks(part):
            block = distances[some, alike]
            positives[some] = alike.start + block.argmax(axis=1)
            block.fill(np.inf)
        negatives = distances.argmin(axis=1)
        kept = self._counts(batch)[part] > 0
        return anchors[kept], positives[kept], negatives[kept]
