"""What a peer is: a library, what it can compute, and how its results read in our terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastloss.bench.cases import Array, Case, Task
from fastloss.bench.steps import Step

GIVEN, FRESH = "given", "fresh"
# Steps before results are compared: only then does RAdam leave its first, plain steps behind.
COMPARED = 6


@dataclass(frozen=True)
class Work:
    """A call to be timed, and how to read what it returns.

    ``results`` turns what ``run`` returned into what our method of the same name returns with
    ``reduction="mean"``: (value,), (value, gradient) or (gradient, Hessian); of steps, into how far
    each array has moved.
    """

    run: Callable[[], Any]
    results: Callable[[Any], Sequence[Any]] = tuple
    calls: int = 1  # after which results are compared

    def outcome(self) -> Sequence[Any]:
        """The results after so many calls."""
        for _ in range(self.calls - 1):
            self.run()
        return self.results(self.run())

    def call(self) -> list[Array]:
        """Copies of the outcome, since the next run may write to the same arrays."""
        return [np.array(result) for result in self.outcome()]


class Peer(ABC):
    """A library, set up to compute with a number of threads.

    Importing the library happens in ``__init__``, whose ImportError means that it is absent.
    """

    name: ClassVar[str]  # as --peers takes it and charts show it
    library: ClassVar[str]  # as it is installed
    slow: ClassVar[bool] = False  # takes seconds before a case can be timed

    version: str
    rules: Collection[str] = ()  # of optimizers, by our names

    @abstractmethod
    def set_threads(self, threads: int) -> None:
        """Compute with so many threads from now on, where the library has a choice."""

    @abstractmethod
    def outputs(self, case: Case) -> Sequence[str]:
        """The ways it can do the case: into arrays made before ("given") or by each call."""

    @abstractmethod
    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        """The case on its data, in one of those ways."""

    def step(self, case: Step, params: list[Array], grads: list[Array]) -> Callable[[], Any]:
        """A step of one of its rules: it changes the parameters in place."""
        raise NotImplementedError

    def ways(self, task: Task) -> Sequence[str]:
        """Those in which it can do a task; none if it cannot."""
        if isinstance(task, Case):
            return self.outputs(task)
        return (GIVEN,) if task.name in self.rules else ()

    def prepare(self, task: Task, data: tuple[Array, Array], way: str) -> Work:
        """A task on these data, which are left as they are, in one of those ways."""
        if isinstance(task, Case):
            return self.work(task, *data, way)
        assert isinstance(task, Step)
        return self._steps(task, *data)

    def _steps(self, case: Step, params: Array, grads: Array) -> Work:
        """Steps along the same gradients; what is compared is how far the parameters have moved."""
        start, along = (np.split(x, np.cumsum(case.sizes)[:-1]) for x in (params, grads))
        moving = [part.copy() for part in start]

        def moved(_: Any) -> list[Array]:
            return [p - s for p, s in zip(moving, start, strict=True)]

        return Work(self.step(case, moving, along), moved, calls=COMPARED)


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
