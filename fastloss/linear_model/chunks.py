"""Samples that come in chunks, anew for each pass: data larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

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


class Sample:
    """Some rows of all chunks, each as likely as any other, among those that count."""

    def __init__(self) -> None:
        self.kept: list[tuple[Any, Any, Any]] = []
        self.share, self.rng = 1.0, np.random.default_rng(0)

    def add(self, X: Any, y: Any, weight: Any) -> None:
        there = np.ones(X.shape[0]) if weight is None else weight
        self.kept.append(self._thinned(X, y, there, (there != 0) & self._drawn(len(there))))
        most = max(_SAMPLED // (X.shape[1] or 1), 1000)
        while sum(len(y) for _, y, _ in self.kept) > most:
            self.share /= 2
            halves = [self.rng.random(len(y)) < 0.5 for _, y, _ in self.kept]
            self.kept = [
                self._thinned(*rows, half) for rows, half in zip(self.kept, halves, strict=True)
            ]

    def _drawn(self, n: int) -> Any:
        return True if self.share == 1 else self.rng.random(n) < self.share

    @staticmethod
    def _thinned(X: Any, y: Any, weight: Any, chosen: Any) -> tuple[Any, Any, Any]:
        return X[chosen], y[chosen], weight[chosen]

    def rows(self) -> tuple[Any, Any, Any]:
        Xs, ys, weights = zip(*self.kept, strict=True)
        if not sum(map(len, ys)):
            raise ValueError("there must be a sample of non-zero weight; got none")
        stacked = sparse.vstack(Xs, "csr") if hasattr(Xs[0], "tocsr") else np.concatenate(Xs)
        return stacked, np.concatenate(ys), np.concatenate(weights)


class Stream(Problem):
    """The problem of samples that come in chunks; each value or gradient is a pass.

    Some of them, which are kept, stand for all where that is enough.
    """

    def __init__(
        self,
        some: Problem,
        parts: Callable[[], Iterator[Problem]],
        n_rows: int,
    ) -> None:
        self.__dict__.update(some.__dict__)
        self.some, self._parts, self.n_rows = some, parts, n_rows
        self._total_weight: float | None = None

    @property
    def total_weight(self) -> float:
        if self._total_weight is None:
            self._total_weight = sum(part.total_weight for part in self._parts())
        return self._total_weight

    def smoothed(self, beta: float) -> Stream:
        """The problem of a loss with a kink, rounded off, as `Smoothed` is."""
        parts = self._parts
        some = Smoothed(self.some, beta)
        return Stream(some, lambda: (Smoothed(part, beta) for part in parts()), self.n_rows)

    def curvature(self, w: Vector, least: float = LEAST) -> Vector:
        return self.some.curvature(w, least)

    def parts(self) -> Iterator[Problem]:
        return self._parts()

    def subset(self, n: int) -> Problem:
        return self.some.subset(min(n, self.some.n_rows))

    def smooth(self, w: Vector) -> tuple[float, Vector]:
        return self._sum(lambda part: part.smooth(w), np.zeros(self.size))

    def value(self, w: Vector) -> float:
        return self.loss_value(w) + self.penalty_of(w)

    def loss_value(self, w: Vector) -> float:
        return self._sum(lambda part: (part.loss_value(w), 0.0), 0.0)[0]

    def hessp(self, w: Vector, v: Vector) -> Vector:
        return self._sum(lambda part: (0.0, part.hessp(w, v)), np.zeros(self.size))[1]  # type: ignore[no-any-return]

    def loss_hess(self, w: Vector, least: float = LEAST) -> Vector:
        zero = np.zeros((self.size, self.size))
        return self._sum(lambda part: (0.0, part.loss_hess(w, least)), zero)[1]  # type: ignore[no-any-return]

    def _sum(self, of: Callable[[Problem], tuple[float, Any]], zero: Any) -> tuple[float, Any]:
        """The means over all samples of a number and an array."""
        number, array, total = 0.0, zero, 0.0
        for part in self._parts():
            weight = part.total_weight
            if weight == 0:
                continue
            value, more = of(part)
            number += weight * value
            array = array + weight * more
            total += weight
        return number / total, array / total
