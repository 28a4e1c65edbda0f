"""Where targets, predictions and parameters may lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

# the type that most are comes first: looking for an abstract one takes longer
_INTEGER = (int, Integral), "an integer"
_NUMBER = (float, Real), "a real number"


@dataclass(frozen=True)
class Domain:
    """The real numbers from ``low`` to ``high``, or those whose absolute value lies there.

    NaN is not the domain's business: ``nan_policy`` rules it. Infinite targets and predictions
    count as inside where an end is infinite and not open; a parameter is finite unless
    ``infinite``.
    """

    text: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    absolute: bool = False
    infinite: bool = False
    integer: bool = False
    each: bool = False  # several numbers, each of which lies here
    labels: bool = False  # several of any kind, not only numbers

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Domain {self}>"

    def refusal(self, name: str) -> str:
        """The words for a parameter that does not lie here; none where types alone decide."""
        if self.text[0] not in "[({":
            return ""
        return f"a number of {name} is not in {self}" if self.each else f"{name} is not in {self}"

    @property
    def bounded(self) -> bool:
        """Whether there is a number outside."""
        return self.low > -math.inf or self.high < math.inf

    @property
    def member(self) -> float:
        """A number that lies here."""
        low, high = max(self.low, -1.0), min(self.high, 1.0)
        ends = (self.low, self.high, self.low + 1, self.high - 1, (self.low + self.high) / 2)
        return next(x for x in (0.5, (low + high) / 2, *ends) if x in self and math.isfinite(x))

    def closed(self, dtype: Any) -> tuple[float, float]:
        """The least and the greatest number of a dtype inside."""
        low, high = dtype(self.low), dtype(self.high)
        if self.open_low:
            low = np.nextafter(low, dtype(math.inf))
        if self.open_high:
            high = np.nextafter(high, dtype(-math.inf))
        return float(low), float(high)

    def __contains__(self, value: float) -> bool:
        x = abs(value) if self.absolute else value
        above = x > self.low if self.open_low else x >= self.low
        below = x < self.high if self.open_high else x <= self.high
        return above and below

    def parameter(self, name: str, value: Any) -> Any:
        """A parameter as a float, or as an int where only integers are, if it lies here."""
        kind, words = _INTEGER if self.integer else _NUMBER
        if self is FLAG:
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name} must be True or False; got {value!r}")
            return bool(value)
        right = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
        if not right:
            raise TypeError(f"{name} must be {words}; got {value!r}")
        try:
            number = float(value)
        except OverflowError:  # an integer or a fraction beyond all floats
            number = math.nan
        finite = math.isfinite(number) or (self.infinite and math.isinf(number))
        if not finite or number not in self:
            raise ValueError(f"{name} must be in {self}; got {value!r}")
        return int(value) if self.integer else number


class Ranged:
    """Base of frozen dataclasses whose numbers have ranges: they are checked and made floats."""

    _ranges: ClassVar[Mapping[str, Domain]] = {}

    def __post_init__(self) -> None:
        for name, domain in self._ranges.items():
            object.__setattr__(self, name, domain.parameter(name, getattr(self, name)))


REAL = Domain("(-inf, inf)")
FLAG = Domain("False or True")
NONNEGATIVE = Domain("[0, inf)", low=0)
MODERATE = Domain("[0, 1e15]", low=0, high=1e15)  # products of which stay in float32's range
FINITE_NONNEGATIVE = Domain("[0, inf)", low=0, open_high=True)
NONPOSITIVE = Domain("(-inf, 0]", high=0)
POSITIVE = Domain("(0, inf)", low=0, open_low=True)
NEGATIVE = Domain("(-inf, 0)", high=0, open_high=True)
FACTOR = Domain("(0, 1]", low=0, high=1, open_low=True)
UNIT = Domain("[0, 1]", low=0, high=1)
SIGNS = Domain("{-1, 1}", low=1, high=1, absolute=True)
NONZERO = Domain("(-inf, 0) or (0, inf)", low=0, open_low=True, absolute=True)
ABOVE_MINUS_ONE = Domain("(-1, inf)", low=-1, open_low=True)
COUNT = Domain("{1, 2, 3, ...}", low=1, integer=True)
COUNT_OR_0 = Domain("{0, 1, 2, ...}", low=0, integer=True)
INTEGERS = Domain("{..., -1, 0, 1, ...}", integer=True)
