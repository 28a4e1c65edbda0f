"""Random choices that follow from a seed and an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
MANY = 64  # numbers that are drawn at once: one at a time takes NumPy ten times as long


class Draw:
    """The choices of one case, which are the same wherever and whenever it runs."""

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))
        self._left: list[int] = []

    def below(self, n: int) -> int:
        """An integer from 0 to n - 1."""
        if not self._left:
            self._left = self._bits.random_raw(MANY).tolist()
        return self._left.pop() % n

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def chance(self, percent: int) -> bool:
        """True in so many of 100 draws."""
        return self.below(100) < percent

    def some(self, items: Sequence[T], most: int) -> list[T]:
        """From one to ``most`` different items."""
        left, found = list(items), []
        for _ in range(self.between(1, min(most, len(left)))):
            found.append(left.pop(self.below(len(left))))
        return found
