"""The groups of samples: which labels there are, in which order, and where each sample belongs."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SPREAD = 1 << 20  # integer groups in a range up to this are counted, not sorted
MISSING = "(missing)"  # the label of samples without one


def sort_key(label: Hashable) -> tuple[bool, Any]:
    """Numbers in their order before strings in theirs."""
    number = isinstance(label, (int, float))
    return (not number, label if number else str(label))


def codes_of(groups: Any, shape: tuple[int, ...]) -> tuple[list[Hashable], NDArray[np.intp]]:
    """The labels that occur, and each sample's place among them."""
    if hasattr(groups, "cat") and hasattr(groups.cat, "codes"):  # a pandas Series of categories
        groups = groups.cat
    labels: list[Hashable]
    if hasattr(groups, "codes") and hasattr(groups, "categories"):
        codes = np.asarray(groups.codes)
        if (codes < 0).any():
            raise ValueError(f"groups[{int(np.flatnonzero(codes < 0)[0])}] is missing")
        categories = list(groups.categories)
        found, places = _compact(codes)
        labels = [categories[i] for i in found]
    else:
        array = input_array(groups, "groups")
        kind = array.dtype.kind
        if kind in "iub" or array.size == 0:
            labels, places = _compact(array)
        elif kind in "UST" or kind == "O" and all(isinstance(item, str) for item in array.flat):
            distinct, places = np.unique(array, return_inverse=True)
            labels = distinct.tolist()
        else:
            raise TypeError(
                f"groups must be integers, strings or categories; got dtype {array.dtype}"
            )
    if places.shape != shape:
        raise ValueError(f"groups must have y_true's shape {shape}; got {places.shape}")
    return labels, np.ascontiguousarray(places, dtype=np.intp)


def _compact(codes: NDArray[Any]) -> tuple[list[Any], NDArray[np.intp]]:
    """The distinct integers among codes, in order, and each one's place."""
    if codes.size == 0:
        return [], np.zeros(codes.shape, np.intp)
    low, high = int(codes.min()), int(codes.max())
    if high - low >= MAX_SPREAD or codes.dtype.kind == "b":
        distinct, places = np.unique(codes, return_inverse=True)
        return distinct.tolist(), places
    if codes.dtype.kind == "u":
        offsets = (codes - codes.dtype.type(low)).astype(np.intp)
    else:
        offsets = codes.astype(np.intp) - low
    occurs = np.bincount(offsets.ravel()) > 0
    rank = np.cumsum(occurs) - 1
    return [int(i) + low for i in np.flatnonzero(occurs)], rank[offsets]
