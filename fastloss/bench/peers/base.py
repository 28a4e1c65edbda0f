"""What a peer is: a library, what it can compute, and how its results read in our terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastloss.bench.cases import Array, Case

GIVEN, FRESH = "given", "fresh"


@dataclass(frozen=True)
class Work:
    """A call to be timed, and how to read what it returns.

    ``results`` turns what ``run`` returned into what our method of the same name returns with
    ``reduction="mean"``: (value,), (value, gradient) or (gradient, Hessian).
    """

    run: Callable[[], Any]
    results: Callable[[Any], Sequence[Any]] = tuple

    def call(self) -> list[Array]:
        """Run once; copies of the results, since the next run may write to the same arrays."""
        return [np.array(result) for result in self.results(self.run())]


class Peer(ABC):
    """A library, set up to compute with a number of threads.

    Importing the library happens in ``__init__``, whose ImportError means that it is absent.
    """

    name: ClassVar[str]  # as --peers takes it and charts show it
    library: ClassVar[str]  # as it is installed
    slow: ClassVar[bool] = False  # takes seconds before a case can be timed

    version: str

    @abstractmethod
    def set_threads(self, threads: int) -> None:
        """Compute with so many threads from now on, where the library has a choice."""

    @abstractmethod
    def outputs(self, case: Case) -> Sequence[str]:
        """The ways it can do the case: into arrays made before ("given") or by each call."""

    @abstractmethod
    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        """The case on its data, in one of those ways."""


class Arrays:
    """The arrays that a calculation writes to: made once and used again, or made each time."""

    def __init__(self, like: Array, outputs: str) -> None:
        self._like = like
        self._kept: list[Array] | None = [] if outputs == GIVEN else None
        self._next = 0

    def start(self) -> None:
        """Begin a calculation: arrays of the one before may be used again."""
        self._next = 0

    def __call__(self) -> Array:
        """An array of the inputs' shape and dtype, with anything in it."""
        if self._kept is None:
            return np.empty_like(self._like)
        if self._next == len(self._kept):
            self._kept.append(np.empty_like(self._like))
        self._next += 1
        return self._kept[self._next - 1]
