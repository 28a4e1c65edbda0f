"""Samples that come in chunks, anew for each pass: data larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import sparse

from fastloss._core import DomainError
from fastloss.linear_model.problem import LEAST, Problem
from fastloss.linear_model.smoothing import Smoothed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

_SAMPLED = 1 << 22  # numbers in the rows that are kept


def is_chunked(X: Any) -> bool:
    """Whether X stands for chunks: a callable, or an iterable that is no array or list of rows."""
    if callable(X):
        return True
    if hasattr(X, "shape") or hasattr(X, "__array__") or not hasattr(X, "__iter__"):
        return False
    return not isinstance(X, (list, tuple)) or (
        len(X) > 0 and isinstance(X[0], tuple) and hasattr(X[0][0], "shape")
    )


def passes(chunks: Any) -> Callable[[], Iterator[tuple[Any, Any, Any]]]:
    """A function that goes through the chunks anew, and makes them (X, y, sample_weight or None).

    Raises
    ------
    TypeError
        If chunks can be gone through only once.
    """
    if not callable(chunks) and iter(chunks) is chunks:
        raise TypeError(
            f"chunks must be there for more than one pass; got {type(chunks).__name__}, which is "
            "exhausted by the first. Give a callable that returns a new iterator"
        )

    def one_pass() -> Iterator[tuple[Any, Any, Any]]:
        for i, chunk in enumerate(chunks() if callable(chunks) else chunks):
            if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
                raise ValueError(f"chunk {i} must be (X, y) or (X, y, sample_weight)")
            X, y, *weight = chunk
            yield X, y, (weight[0] if weight else None)

    return one_pass


class Rows:
    """The rows of a chunk that count, of which a mask or places take some."""

    def __init__(self, X: Any, y: Any, weight: Any) -> None:
        self.X, self.y = X, y
        self.weight = np.ones(X.shape[0]) if weight is None else weight
        self.places = np.flatnonzero(self.weight)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, chosen: Any) -> Rows:
        places = self.places[chosen]
        return Rows(self.X[places], self.y[places], self.weight[places])


def stacked(chunks: Sequence[Rows]) -> tuple[Any, Any, Any]:
    """Rows of all chunks as one X, y and sample_weight."""
    if not sum(map(len, chunks)):
        raise ValueError("there must be a sample of non-zero weight; got none")
    Xs = [rows.X for rows in chunks]
    X = sparse.vstack(Xs, "csr") if hasattr(Xs[0], "tocsr") else np.concatenate(Xs)
    y, weight = (np.concatenate([getattr(r, name) for r in chunks]) for name in ("y", "weight"))
    return X, y, weight


class Sample:
    """Some rows of all chunks, each as likely as any other, among those that count.

    ``kept`` holds those of each chunk. Which ones depends on how many there are alone: a chunk may
    be `Rows`, or the places of rows that lie elsewhere.
    """

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.share, self.rng = 1.0, np.random.default_rng(0)

    def add(self, rows: Any, n_features: int) -> None:
        self.kept.append(rows[self._drawn(len(rows), self.share)])
        most = max(_SAMPLED // (n_features or 1), 1000)
        while sum(map(len, self.kept)) > most:
            self.share /= 2
            self.kept = [rows[self._drawn(len(rows), 0.5)] for rows in self.kept]

    def _drawn(self, n: int, share: float) -> Any:
        return slice(None) if share == 1 else self.rng.random(n) < share


class Source(Protocol):
    """The problems of chunks, wherever they lie."""

    def problems(self) -> Iterator[Problem]:
        """One after the other, here."""

    def answers(self, method: str, *arguments: Any) -> Iterator[tuple[Any, ...]]:
        """What `answer` gives for each, in their order."""

    def smoothed(self, beta: float) -> Source:
        """Those of a loss with a kink, rounded off, as `Smoothed` is."""


def answer(problem: Problem, method: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The weight of a problem and the means that a method gives, or 0 alone: it does not count."""
    weight = problem.total_weight
    if weight == 0:
        return (weight,)
    found = getattr(problem, method)(*arguments)
    return (weight, *(found if isinstance(found, tuple) else (found,)))


class Chunks:
    """A source that makes the problems anew for each pass."""

    def __init__(self, problems: Callable[[], Iterator[Problem]]) -> None:
        self.problems = problems

    def answers(self, method: str, *arguments: Any) -> Iterator[tuple[Any, ...]]:
        for problem in self.problems():
            yield answer(problem, method, arguments)

    def smoothed(self, beta: float) -> Chunks:
        return Chunks(lambda: (Smoothed(problem, beta) for problem in self.problems()))


class Stream(Problem):
    """The problem of samples that come in chunks; each value or gradient is a pass.

    Some of them, which are kept, stand for all where that is enough.
    """

    def __init__(self, some: Problem, source: Source, n_rows: int) -> None:
        self.__dict__.update(some.__dict__)
        self.some, self.source, self.n_rows = some, source, n_rows
        self._total_weight: float | None = None

    @property
    def total_weight(self) -> float:
        if self._total_weight is None:
            self._total_weight = sum(part.total_weight for part in self.parts())
        return self._total_weight

    def smoothed(self, beta: float) -> Stream:
        """The problem of a loss with a kink, rounded off, as `Smoothed` is."""
        return Stream(Smoothed(self.some, beta), self.source.smoothed(beta), self.n_rows)

    def curvature(self, w: Vector, least: float = LEAST) -> Vector:
        return self.some.curvature(w, least)

    def parts(self) -> Iterator[Problem]:
        return self.source.problems()

    def subset(self, n: int) -> Problem:
        return self.some.subset(min(n, self.some.n_rows))

    def smooth(self, w: Vector) -> tuple[float, Vector]:
        value, grad = self._means("smooth", w)
        return value, grad

    def value(self, w: Vector) -> float:
        return self.loss_value(w) + self.penalty_of(w)

    def loss_value(self, w: Vector) -> float:
        return self._means("loss_value", w)[0]  # type: ignore[no-any-return]

    def hessp(self, w: Vector, v: Vector) -> Vector:
        return self._means("hessp", w, v)[0]  # type: ignore[no-any-return]

    def loss_hess(self, w: Vector, least: float = LEAST) -> Vector:
        return self._means("loss_hess", w, least)[0]  # type: ignore[no-any-return]

    def measure(self, w: Vector) -> None:
        try:
            super().measure(w)
        except DomainError:  # of a row of the sample: the chunk that it is of says more
            self.loss_value(w)
            raise

    def check_data(self) -> None:
        for _ in self.source.answers("check_data"):
            pass

    def _means(self, method: str, *arguments: Any) -> list[Any]:
        """The means over all samples of the numbers and arrays that a method gives."""
        sums: list[Any] = []
        total = 0.0
        for weight, *means in self.source.answers(method, *arguments):
            if means:
                terms = [weight * mean for mean in means]
                sums = [a + b for a, b in zip(sums, terms, strict=True)] if sums else terms
                total += weight
        return [each / total for each in sums]
