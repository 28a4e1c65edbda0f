"""Labels of groups as columns of tables: one for each key, of one type."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from fastloss.scoring.groups import MISSING


def parts_of(label: Hashable) -> tuple[Hashable, ...]:
    """A label by each key."""
    return label if isinstance(label, tuple) else (label,)


def plain(label: Hashable) -> Hashable:
    """A label without an order of its own."""
    return str(label) if isinstance(label, str) else label


def typed(labels: Iterable[Hashable]) -> tuple[list[Any], str]:
    """Labels of one key as values of one type, or None where missing; and the type.

    This is "text", "uint64" where int64 is too narrow, or "own": what the values say themselves.
    Integers among floats are floats, and other mixtures, and integers of more bits, are text.
    """
    values: list[Any] = [None if label == MISSING else plain(label) for label in labels]
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values], "own"
    if kinds == {int} and not -(2**63) <= min(there) <= max(there) < 2**63:
        if 0 <= min(there) and max(there) < 2**64:
            return values, "uint64"
    elif len(kinds) == 1 and str not in kinds:
        return values, "own"
    return [None if value is None else str(value) for value in values], "text"
