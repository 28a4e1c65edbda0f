"""Where targets, predictions and parameters may lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Domain:
    """The real numbers from ``low`` to ``high``, or those whose absolute value lies there.

    NaN is not the domain's business: ``nan_policy`` rules it. Infinite targets and predictions
    count as inside where an end is infinite; a parameter is finite unless ``infinite``.
    """

    text: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    absolute: bool = False
    infinite: bool = False

    def __str__(self) -> str:
        return self.text

    @property
    def bounded(self) -> bool:
        """Whether there is a number outside."""
        return self.low > -math.inf or self.high < math.inf

    def closed(self, dtype: Any) -> tuple[float, float]:
        """The least and the greatest number of a dtype inside."""
        low, high = dtype(self.low), dtype(self.high)
        if self.open_low:
            low = np.nextafter(low, dtype(math.inf))
        if self.open_high:
            high = np.nextafter(high, dtype(-math.inf))
        return float(low), float(high)

    def __contains__(self, value: float) -> bool:
        low, high = self.closed(np.float64)
        return low <= (abs(value) if self.absolute else value) <= high

    def checked(self, name: str, value: Any) -> float:
        """A parameter as a float, if it lies inside."""
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name} must be a real number; got {value!r}")
        finite = math.isfinite(value) or (self.infinite and math.isinf(value))
        if not finite or float(value) not in self:
            raise ValueError(f"{name} must be in {self}; got {value!r}")
        return float(value)


REAL = Domain("(-inf, inf)")
NONNEGATIVE = Domain("[0, inf)", low=0)
POSITIVE = Domain("(0, inf)", low=0, open_low=True)
UNIT = Domain("[0, 1]", low=0, high=1)
SIGNS = Domain("{-1, 1}", low=1, high=1, absolute=True)
NONZERO = Domain("(-inf, 0) or (0, inf)", low=0, open_low=True, absolute=True)
ABOVE_MINUS_ONE = Domain("(-1, inf)", low=-1, open_low=True)
