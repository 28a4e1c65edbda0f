"""What a score is: numbers of the samples, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.losses.base import Loss
    from fastloss.scoring.part import Part

    Array = NDArray[Any]


class Measure:
    """A score: columns of numbers, a row each, and what it makes of their means.

    Attributes
    ----------
    spec, name : str
        With its parameters, and without.
    n_columns : int
    is_mean : bool
        Whether it is the mean of its only column, or the root of that: it has a standard error.
    is_root : bool
    is_ordered : bool
        Whether one value is better than another.
    larger_is_better : bool
    is_max : bool
        Whether it is the largest of the numbers of its only column.
    needs_samples : bool
        Whether it is not made of sums: it is an `OfSamples`.
    losses : tuple of Loss
        Those that look at the samples.
    of_rows : bool or None
        Whether predictions are rows; None: either.
    """

    spec: str
    n_columns = 1
    is_mean = True
    is_root = False
    is_ordered = True
    larger_is_better = False
    is_max = False
    needs_samples = False
    losses: tuple[Loss, ...] = ()
    of_rows: bool | None = None

    @property
    def name(self) -> str:
        return self.spec.partition(":")[0]

    def classes_of(self, losses: Iterable[Loss]) -> None:
        """Learn from the losses that are scored too which names classes have."""

    def columns(self, part: Part) -> list[Array]:
        """The numbers of each sample."""
        raise NotImplementedError

    def value(self, means: Array, numbers: Array, weights: Array) -> Array:
        """The score, from the means of the columns along the last axis.

        ``numbers`` and ``weights`` are what they are the quotients of, as integers.
        """
        return means[..., 0]


class OfSamples(Measure):
    """A score that no sums make up: it takes all samples at once.

    The mean of its column is NaN where the score is.
    """

    is_mean = False
    needs_samples = True

    def samples(self, part: Part) -> Array:
        """What the score takes of each sample, along the first axis."""
        raise NotImplementedError

    def of_samples(self, mean: float, samples: Array, weight: Array | None, part: Part) -> float:
        """The score, from the mean of the column, the samples whose weight is above 0, and it.

        ``part`` is one that samples came from.
        """
        raise NotImplementedError
