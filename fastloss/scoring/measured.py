"""What scorers and comparers share: how measures of some models' predictions are added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array, masked_weight
from fastloss.losses.base import Loss
from fastloss.scoring.accumulator import Accumulator, check_clustered
from fastloss.scoring.columns import (
    chunks,
    fixed_items,
    row_axis,
    sums_in_one_pass,
    sums_of_parts,
)
from fastloss.scoring.groups import codes_of, codes_of_clusters, key_names
from fastloss.scoring.measure import Measure
from fastloss.scoring.outputs import codes_of_outputs
from fastloss.scoring.part import Part

if TYPE_CHECKING:
    from fastloss.scoring.exact import ExactSums
    from fastloss.scoring.part import Array


class Measured(Accumulator):
    """Sums of the columns of measures, those of one model after those of the other."""

    losses: tuple[Loss, ...]
    nan_policy: str
    clustered: bool
    _measures: tuple[Measure, ...]
    _fused: bool  # the values of samples need not be written down
    _pairs: list[tuple[int, int]]  # of columns, whose products are summed too

    def _add(
        self,
        y: Array,
        predictions: Mapping[str, Array],
        sample_weight: Any,
        groups: Any,
        cluster: Any,
        where: Any = None,
    ) -> None:
        """Add a part of the data; predictions, all of one shape, by what errors call them."""
        self._check_grouped(groups is not None)
        check_clustered(self.clustered, cluster)
        z = next(iter(predictions.values()))
        weight = None if sample_weight is None else input_array(sample_weight, "sample_weight")
        axis = row_axis(self._measures, y, z)
        shape = y.shape if axis is None else z.shape[:axis] + z.shape[axis + 1 :]
        if where is not None:
            weight = masked_weight(weight, where, shape)
        labels: list[Any] = [None]
        codes = None
        if self._multioutput is not None:
            labels, codes = codes_of_outputs(groups, y, z, self._multioutput)
        elif cluster is not None:
            labels, codes = codes_of_clusters(groups, cluster, shape)
        elif groups is not None:
            labels, codes = codes_of(groups, shape)
        by_group = codes, len(labels), self._pairs
        sums: ExactSums | None
        if self._fused:
            sums = sums_in_one_pass(self.losses, y, predictions, weight, self.nan_policy, *by_group)
        else:
            parts = chunks(y, predictions, weight, self.nan_policy, axis)
            sums = sums_of_parts(parts, self._columns, *by_group, self._maxima)
        items = fixed_items(z, self.losses) if axis is not None else None
        if self._multioutput is not None:
            items = y.shape[1], "outputs"
        self._take(groups is not None, key_names(groups), items, labels, sums)
        if sums is not None:
            self._keep(Part(y, z, weight, self.nan_policy, axis, "y_pred"), labels, codes)

    def _keep(self, part: Part, labels: list[Any], codes: Array | None) -> None:
        """Hold the samples that were added; of most there are sums, and that is all."""

    def _columns(self, part: Part) -> list[Array]:
        with np.errstate(over="ignore", invalid="ignore"):
            return [column for measure in self._measures for column in measure.columns(part)]
