"""What scorers keep: exact sums by group, which can be merged, pickled and written as bytes."""

from __future__ import annotations

import json
import math
import os
import threading
import zlib
from collections.abc import Hashable, Sequence
from copy import copy
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from fastloss.scoring.exact import ExactSums
from fastloss.scoring.groups import agreed, check_keys, places_among, sort_key
from fastloss.scoring.label_json import label_from_json, label_to_json
from fastloss.scoring.labels import parts_of

if TYPE_CHECKING:
    pass

_lock = threading.Lock()  # of what all scorers have seen


def _renew_lock() -> None:
    """In a forked child: the thread that may hold the lock is not there."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)

UNGROUPED = "groups must be given with every part, or with none"
VERSION = 1
STATE = {"settings", "grouped", "keys", "items", "labels", "sums"}  # what bytes tell
NAN_POLICIES = ("propagate", "omit", "raise")


class Accumulator:
    """Exact sums of the terms of samples, by group."""

    _kind: ClassVar[str]  # what bytes say they are of
    clustered: bool
    _multioutput: Any = None  # how outputs are put together, if there are several
    _width: int  # columns that are summed, before the weights
    _pairs: list[tuple[int, int]]  # whose products are summed too
    _maxima: list[int]  # columns, of which the largest number is kept too

    def __init__(self) -> None:
        self._grouped: bool | None = None  # until the first part
        self._keys: tuple[str, ...] = ()  # names of the columns that groups are of
        self._items: tuple[int, str] | None = None  # of a row, where all rows have as many
        self._labels: dict[Hashable, int] = {}  # each group's place in the sums
        self._sums: ExactSums | None = None

    def _settings(self) -> dict[str, Any]:
        """What it was made with, as JSON has it; equal in those that can be merged."""
        raise NotImplementedError

    @classmethod
    def _made_with(cls, settings: dict[str, Any]) -> Self:
        """A new one, of what `_settings` gave."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        with _lock:
            sums = self._sums and self._sums.copy()
            return self.__dict__ | {"_sums": sums, "_labels": dict(self._labels)}

    def _check_grouped(self, grouped: bool) -> None:
        if self._grouped not in (None, grouped):
            raise ValueError(UNGROUPED)

    def _take(
        self,
        grouped: bool,
        keys: tuple[str, ...],
        items: tuple[int, str] | None,
        labels: Sequence[Hashable],
        sums: ExactSums | None,
    ) -> None:
        """Add sums to those of their labels: all of them, or none if they do not fit."""
        with _lock:
            self._check_grouped(grouped)  # another thread may have been faster
            if self._items is not None and items not in (None, self._items):
                count, name = self._items
                raise ValueError(
                    f"all parts must have {count} {name}, as the first has; "
                    f"got {items and items[0]}"
                )
            if self._keys and keys and keys != self._keys:
                raise ValueError(
                    f"groups must be of the columns {', '.join(self._keys)}, as in the parts "
                    f"before; got {', '.join(keys)}"
                )
            check_keys([*islice(self._labels, 1), *labels])
            self._items = self._items or items
            self._grouped, self._keys = grouped, self._keys or keys
            if sums is None:
                return
            places = places_among(self._labels, labels)
            if self._sums is None:
                self._sums = sums.copy()
            else:
                self._sums.add(sums, np.array(places, np.intp))

    def _seen(self) -> tuple[list[Hashable], ExactSums | None]:
        """Labels in their order, and the sums of their groups."""
        with _lock:
            labels, sums = list(self._labels), self._sums and self._sums.copy()
        if sums is None or not self._grouped:
            return labels, sums
        labels = agreed(labels)
        order = sorted(range(len(labels)), key=lambda i: sort_key(labels[i]))
        return [labels[i] for i in order], sums.groups(np.array(order, np.intp))

    def merge(self, other: Self) -> None:
        """Add what another one, made with the same arguments, has seen.

        Raises
        ------
        TypeError, ValueError
            If it is of another kind, or was made with other arguments.

        Examples
        --------
        >>> import fastloss as fl
        >>> a, b = fl.Scorer(["mse"]), fl.Scorer(["mse"])
        >>> a.update([1.0], [2.0])
        >>> b.update([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
        >>> a.merge(b)
        >>> a.result()["mse"]
        0.25
        """
        if type(other) is not type(self):
            raise TypeError(f"other must be a {type(self).__name__}; got {type(other).__name__}")
        mine, theirs = self._settings(), other._settings()
        for name in {**mine, **theirs}:
            one, another = mine.get(name), theirs.get(name)
            if one != another:
                raise ValueError(
                    f"only a {type(self).__name__} of the same {name} can be merged: "
                    f"{one} and {another}"
                )
        with _lock:
            grouped, keys, items = other._grouped, other._keys, other._items
            labels, sums = list(other._labels), other._sums and other._sums.copy()
        if grouped is None:
            return
        if self._grouped not in (None, grouped):
            raise ValueError("one with groups cannot be merged with one without")
        self._take(grouped, keys, items, labels, sums)

    def __add__(self, other: Self) -> Self:
        """What both have seen, as a new one."""
        if type(other) is not type(self):
            return NotImplemented
        result = self._empty()
        result.merge(self)
        result.merge(other)
        return result

    def __radd__(self, other: object) -> Self:
        """The same of 0, with which ``sum()`` starts."""
        if other != 0:
            return NotImplemented
        return self + self._empty()

    def _empty(self) -> Self:
        """One made with the same arguments, which has seen nothing."""
        result = copy(self)
        Accumulator.__init__(result)
        return result

    def to_bytes(self) -> bytes:
        """Write all that it has seen: JSON in UTF-8, which `from_bytes` reads.

        Raises
        ------
        TypeError
            If the label of a group is of a type that JSON cannot tell.

        Examples
        --------
        >>> import fastloss as fl
        >>> scorer = fl.Scorer(["mse"])
        >>> scorer.update([1.0, 2.0], [1.0, 3.0])
        >>> fl.Scorer.from_bytes(scorer.to_bytes()).result()["mse"]
        0.5
        """
        labels, sums = self._seen()
        state: dict[str, Any] = {
            "settings": self._settings(),
            "grouped": self._grouped,
            "keys": self._keys,
            "items": self._items,
            "labels": [label_to_json(label) for label in labels],
            "sums": sums and sums.to_json(),
        }
        body = json.dumps(state, separators=(",", ":"), allow_nan=False)
        head = {"fastloss": self._kind, "version": VERSION, "crc32": zlib.crc32(body.encode())}
        return f'{json.dumps(head)[:-1]}, "state": {body}}}'.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises
        ------
        TypeError
            If they are not bytes.
        ValueError
            If the bytes are not such, are of another version, or are damaged.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data must be bytes; got {type(data).__name__}")
        try:
            found = json.loads(bytes(data))
            kind, version, state = str(found["fastloss"]), str(found["version"]), found["state"]
            body = json.dumps(state, separators=(",", ":"))
            sum_of_bytes = found["crc32"]
        except (ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError(f"these bytes are not those of a {cls.__name__}") from error
        if kind != cls._kind:
            raise ValueError(f"these bytes are those of a {kind}, not of a {cls._kind}")
        if version != str(VERSION):
            raise ValueError(f"these bytes are of version {version}; this fastloss reads {VERSION}")
        if zlib.crc32(body.encode()) != sum_of_bytes:
            raise ValueError("these bytes are damaged: their checksum is another")
        try:
            return cls._of_state(state)
        except ValueError as error:
            raise ValueError(f"these bytes are not those of a {cls.__name__}: {error}") from error

    @classmethod
    def _of_state(cls, state: Any) -> Self:
        """One that has seen what a state tells; a ValueError for what `to_bytes` does not write."""
        if not (isinstance(state, dict) and {*state} == STATE):
            raise ValueError(f"the state does not consist of {', '.join(sorted(STATE))}")
        grouped, keys, items = state["grouped"], state["keys"], state["items"]
        try:
            result = cls._made_with(state["settings"])
            right = result._settings() | state["settings"] == result._settings()
        except (TypeError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
            raise ValueError(f"the settings cannot be: {error}") from error
        if not right:
            raise ValueError("the settings are not as they are written")
        if not (isinstance(grouped, bool) or grouped is None and not state["labels"]):
            raise ValueError("grouped is not true or false")
        if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
            raise ValueError("the keys are not names")
        if items is not None:
            if not (isinstance(items, list) and [*map(type, items)] == [int, str]):
                raise ValueError("the items are not a number and a name")
            items = items[0], items[1]
        labels = result._labels_of_state(state)
        sums = None
        if state["sums"] is not None:
            n_terms = result._width + 1 + len(result._pairs)
            sums = ExactSums.from_json(state["sums"], len(labels), n_terms, len(result._maxima))
        elif labels:
            raise ValueError("there are labels, and no sums")
        if grouped is not None:
            result._take(grouped, tuple(keys), items, labels, sums)
        return result

    def _labels_of_state(self, state: dict[str, Any]) -> list[Hashable]:
        """The labels, which must fit the other things that a state tells."""
        if not isinstance(state["labels"], list):
            raise ValueError("the labels are not a list")
        labels = [label_from_json(label) for label in state["labels"]]
        if len({*labels}) < len(labels):
            raise ValueError("a label is there twice")
        groups = labels
        if self.clustered or self._multioutput is not None:
            if not all(isinstance(label, tuple) and len(label) == 2 for label in labels):
                raise ValueError("the labels are not pairs of a group and a cluster or an output")
            groups = [label[0] for label in labels]  # type: ignore[index]
        if self._multioutput is not None:
            _check_outputs(labels, groups, state["items"])
        if any((group is None) == bool(state["grouped"]) for group in groups):
            raise ValueError("there are labels of groups where there are none, or the other way")
        n_keys = {len(parts_of(group)) for group in groups}
        if len(n_keys) > 1 or n_keys and state["keys"] and n_keys != {len(state["keys"])}:
            raise ValueError("the labels are not of as many keys")
        try:
            sorted(labels, key=sort_key)
        except TypeError as error:
            raise ValueError(f"the labels have no order: {error}") from error
        return labels


def _check_outputs(labels: list[Any], groups: list[Hashable], items: Any) -> None:
    """An error unless there are as many outputs as it is said, of each group."""
    count = items[0] if items is not None else 0
    if {*labels} != {(group, j) for group in groups for j in range(min(count, len(labels)))}:
        raise ValueError("the labels are not those of all outputs of each group")


def check_choice(name: str, given: object, choices: tuple[object, ...]) -> None:
    """An error for an argument that is none of the choices."""
    if given not in choices:
        *first, last = (f'"{choice}"' for choice in choices if choice is not None)
        raise ValueError(
            f"{name} must be {', '.join(first)} or {last}; got {given!r}".replace("be  or", "be")
        )


def check_clustered(clustered: bool, cluster: object) -> None:
    """An error for clusters that are not expected, or are expected and not there."""
    if clustered and cluster is None:
        raise ValueError("cluster must be given with every part, as clustered=True says")
    if not clustered and cluster is not None:
        raise ValueError("cluster is for clustered=True alone")


def total_of(sums: ExactSums | None, weight: int) -> tuple[ExactSums, ExactSums]:
    """Sums, and those over all groups; an error if there is nothing to take the mean of.

    ``weight`` is the place of the sum of the weights.
    """
    total = None if sums is None else sums.total()
    if sums is None or total is None or total.counts[0] == 0:
        raise ValueError(
            "the mean over nothing is undefined: there is no sample of non-zero weight"
        )
    of_weights = total.rounded()[0, weight]
    if of_weights == 0:
        raise ValueError("the mean is undefined: the weights add up to 0")
    if not math.isfinite(of_weights):
        raise ValueError("the sum of sample_weight overflows")
    return sums, total
