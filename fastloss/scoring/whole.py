"""Scores of samples that are there at once: of those too that no sums make up, as medians."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastloss.scoring.measure import OfSamples
from fastloss.scoring.scorer import Scorer

if TYPE_CHECKING:
    from fastloss.scoring.exact import ExactSums
    from fastloss.scoring.part import Array, Part
    from fastloss.scoring.statistics import ClusterMoments, Moments


class Whole(Scorer):
    """A scorer that holds the samples, which it does not write down or hand on."""

    _keeps: ClassVar[bool] = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept: list[tuple[Part, list[Any], Array | None]] = []

    def _keep(self, part: Part, labels: list[Any], codes: Array | None) -> None:
        self._kept.append((part, labels, codes))

    def _reduce(
        self,
        sums: ExactSums,
        moments: Moments | ClusterMoments | None,
        place_of: Callable[[Any], int],
    ) -> tuple[Array, Array, Array | None]:
        values, weights, errors = super()._reduce(sums, moments, place_of)
        weight, places = self._weights(), self._places(place_of)
        counts = np.ones(len(places), bool) if weight is None else weight != 0
        groups = _rows_of(np.where(counts, places, len(values)), len(values))
        for k, measure in enumerate(self._measures):
            if not isinstance(measure, OfSamples):
                continue
            samples = np.concatenate([measure.samples(part) for part, _, _ in self._kept])
            for rows, place in zip(groups, range(len(values)), strict=True):
                mean = float(values[place, k])
                if not np.isnan(mean):
                    own = None if weight is None else weight[rows]
                    part = self._kept[0][0]
                    values[place, k] = measure.of_samples(mean, samples[rows], own, part)
        return values, weights, errors

    def _weights(self) -> Array | None:
        """Those of all samples; None if all are 1."""
        parts = [part for part, _, _ in self._kept]
        found = [part.weights() for part in parts]
        if all(weight is None for weight in found):
            return None
        each = [
            np.ones(part.shape) if weight is None else weight
            for part, weight in zip(parts, found, strict=True)
        ]
        weights = np.concatenate([weight.reshape(-1) for weight in each])
        if (weights < 0).any():
            raise ValueError(
                f"sample_weight must not be negative here; got {weights[weights < 0][0]}: "
                "a median has no share of less than nothing"
            )
        return weights

    def _places(self, place_of: Callable[[Any], int]) -> Array:
        """The group of each sample."""
        found = []
        for part, labels, codes in self._kept:
            places = np.array([*map(place_of, labels)], np.intp)
            size = int(np.prod(part.shape))
            found.append(np.repeat(places, size) if codes is None else places[codes.reshape(-1)])
        return np.concatenate(found)


def _rows_of(places: Array, n: int) -> list[Any]:
    """The samples of each of n places."""
    if n == 1:
        return [slice(None) if (places == 0).all() else np.flatnonzero(places == 0)]
    order = np.argsort(places, kind="stable")
    ends = np.searchsorted(places[order], np.arange(n + 1))
    return [order[start:stop] for start, stop in zip(ends[:-1], ends[1:], strict=True)]
