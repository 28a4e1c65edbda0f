"""Parameters as optimizers take them: an array, a list or dict of arrays, or groups of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np


def is_grouped(params: Any) -> bool:
    return isinstance(params, (list, tuple)) and len(params) > 0 and isinstance(params[0], Mapping)


class Structure:
    """Where arrays stand in what holds them.

    groups: those that are given, or one of all arrays.
    arrays: all of them, in order.
    keys: of each array its key or index, or its number among all where there are groups.
    labels: what follows "params" or "grads" to name an array.
    members: of each array the index of its group.
    kinds: of each group None for an array, or the number of its arrays, or their keys.
    """

    def __init__(self, params: Any) -> None:
        self.grouped = is_grouped(params)
        self.groups = (
            cast("Sequence[Mapping[str, Any]]", params) if self.grouped else [{"params": params}]
        )
        self.arrays: list[Any] = []
        self.keys: list[Any] = []
        self.labels: list[str] = []
        self.members: list[int] = []
        self.kinds: list[Any] = []
        for k, group in enumerate(self.groups):
            prefix = f"[{k}]" if self.grouped else ""
            if "params" not in group:
                raise ValueError(f'params{prefix} lacks the key "params"')
            kind, keys, arrays = _flatten(group["params"], f"params{prefix}")
            self.kinds.append(kind)
            self.arrays += arrays
            self.keys += keys
            self.labels += [prefix if kind is None else f"{prefix}[{key!r}]" for key in keys]
            self.members += [k] * len(arrays)
        if self.grouped:
            self.keys = list(range(len(self.arrays)))
        if not self.arrays:
            raise ValueError("params holds no arrays")

    def filled(self, arrays: Iterable[Any]) -> Any:
        """Other arrays, one for each, in this structure."""
        rest = iter(arrays)
        found: list[Any] = []
        for kind in self.kinds:
            if kind is None:
                found.append(next(rest))
            elif isinstance(kind, tuple):
                found.append({key: next(rest) for key in kind})
            else:
                found.append([next(rest) for _ in range(kind)])
        return found if self.grouped else found[0]


def _flatten(params: Any, name: str) -> tuple[Any, list[Any], list[Any]]:
    """The kind of a structure, and its keys and arrays in order."""
    if isinstance(params, Mapping):
        return tuple(params), list(params), list(params.values())
    if isinstance(params, (list, tuple)):
        return len(params), list(range(len(params))), list(params)
    if isinstance(params, np.ndarray):
        return None, [0], [params]
    raise TypeError(
        f"{name} must be an array, a list or dict of arrays, or a list of groups; "
        f"got {type(params).__name__}"
    )
