"""Targets of several outputs, a column each: scores by output, and their average."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.losses.links import real_array
from fastloss.scoring.groups import codes_of
from fastloss.scoring.labels import parts_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fastloss.scoring.measure import Measure

    Array = NDArray[Any]

RAW, UNIFORM = "raw_values", "uniform_average"
Multioutput = str | tuple[float, ...] | None


def as_multioutput(given: str | ArrayLike | None, measures: Sequence[Measure]) -> Multioutput:
    """How outputs are put together; an error for what is no way to, or for losses of rows."""
    if given is None:
        return None
    for measure in measures:
        if measure.of_rows:
            raise ValueError(
                f"multioutput is of scores of single predictions, a column for each output; "
                f"{measure.spec} is of rows"
            )
    if isinstance(given, str):
        if given in (RAW, UNIFORM):
            return given
        wanted = f'"{RAW}", "{UNIFORM}" or a weight for each output'
        raise ValueError(f"multioutput must be {wanted}; got {given!r}")
    weights = real_array(given, "multioutput").astype(np.float64)
    if weights.ndim != 1 or not np.isfinite(weights).all() or weights.sum() == 0:
        raise ValueError(
            "multioutput must be finite weights, one for each output, whose sum is not 0; "
            f"got {given!r}"
        )
    return tuple(weights.tolist())


def codes_of_outputs(
    groups: Any, y: Array, z: Array, multioutput: Multioutput
) -> tuple[list[Any], NDArray[np.intp]]:
    """The pairs of a group of rows, or None without groups, and an output; and those of samples."""
    if y.ndim != 2 or y.shape != z.shape:
        raise ValueError(
            "with multioutput y_true and y_pred must have the same shape (rows, outputs); got "
            f"{y.shape} and {z.shape}"
        )
    rows, k = y.shape
    if isinstance(multioutput, tuple) and len(multioutput) != k:
        raise ValueError(
            f"multioutput must have a weight for each of {k} outputs; got {len(multioutput)}"
        )
    labels: list[Any] = [None]
    of_rows = np.zeros(rows, np.intp)
    if groups is not None:
        labels, of_rows = codes_of(groups, (rows,))
    pairs = [(label, j) for label in labels for j in range(k)]
    return pairs, of_rows[:, None] * k + np.arange(k)


def averaged(values: Array, multioutput: Multioutput) -> Array:
    """The average over the outputs, which are the last axis but one."""
    weights = multioutput if isinstance(multioutput, tuple) else None
    return np.asarray(np.average(values, axis=-2, weights=weights))


def labels_by_output(labels: Sequence[Any], grouped: bool) -> list[Hashable]:
    """Labels of groups with the output as a last key; without groups the output alone."""
    return [(*parts_of(group), j) if grouped else j for group, j in labels]
