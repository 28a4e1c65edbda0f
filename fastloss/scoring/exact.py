"""Sums without rounding: whole numbers of 2**-1074, the least number of float64."""

from __future__ import annotations

import math
import re
import reprlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BITS = 32  # of a digit
ONE = 1074  # 1.0 is 2**ONE units
MOST = 2200  # bits of a sum: the 2098 of a float64, and room for 2**64 of them
TEXT = re.compile("(-?[0-9a-f]{1,550})@([0-9]{1,4})")  # a sum, as in "-3f@1020"
ROOM = 1 << 30  # how many sums of digits an integer of 64 bits holds


@dataclass
class ExactSums:
    """Sums of several terms in several groups, which do not depend on the order of adding.

    Attributes
    ----------
    digits : ndarray of int64, shape (n_groups, n_terms, n_digits)
        Of 32 bits with a sign, but for what was added since.
    first : int
        The place of the first digit, which is worth ``2**(32 * first - 1074)``.
    special : ndarray, shape (n_groups, n_terms), or None
        The sums of terms that are infinite or NaN, if there were any.
    counts : ndarray of int64, shape (n_groups,)
        Rows whose weight is not 0.
    maxima : ndarray, shape (n_groups, n_maxima), or None
        The largest of other numbers of the rows, -inf of none: no order of adding matters either.
    """

    digits: NDArray[np.int64]
    first: int
    special: NDArray[np.float64] | None
    counts: NDArray[np.int64]
    added: int = 0  # how often, since digits had 32 bits
    maxima: NDArray[np.float64] | None = None

    def with_counts(self) -> ExactSums:
        """The same and a last term, the counts: the sum of weights that are 1."""
        place, shift = divmod(ONE, BITS)
        result = self.spread(place, place + 2)
        counts = np.zeros_like(result.digits[:, :1])
        counts[:, 0, place - result.first] = (self.counts << shift) & (2**BITS - 1)
        counts[:, 0, place - result.first + 1] = self.counts << shift >> BITS
        digits = np.concatenate([result.digits, counts], axis=1)
        special = self.special if self.special is None else np.pad(self.special, ((0, 0), (0, 1)))
        return replace(result, digits=digits, special=special)

    def take(self, terms: list[int]) -> ExactSums:
        """Some of the terms."""
        special = None if self.special is None else self.special[:, terms]
        return replace(self, digits=self.digits[:, terms], special=special)

    def spread(self, first: int, stop: int) -> ExactSums:
        """The same sums with digits for the places from ``first`` to ``stop`` at least."""
        before = max(self.first - first, 0)
        after = max(stop - self.first - self.digits.shape[2], 0)
        if not before + after:
            return self
        digits = np.pad(self.digits, ((0, 0), (0, 0), (before, after)))
        return replace(self, digits=digits, first=self.first - before)

    def copy(self) -> ExactSums:
        """The same in memory of its own."""
        special, maxima = (x if x is None else x.copy() for x in (self.special, self.maxima))
        digits, counts = self.digits.copy(), self.counts.copy()
        return ExactSums(digits, self.first, special, counts, self.added, maxima)

    def add(self, other: ExactSums, groups: NDArray[np.intp]) -> None:
        """Add other sums to those of the groups that ``groups`` says, each of them once."""
        places = other.digits.shape[2]
        fits = self.spread(other.first, other.first + places)
        self.digits, self.first = fits.digits, fits.first
        more = max(int(groups.max(initial=-1)) + 1 - len(self.counts), 0)
        if more:
            self.digits = np.pad(self.digits, ((0, more), (0, 0), (0, 0)))
            self.counts = np.pad(self.counts, (0, more))
            if self.special is not None:
                self.special = np.pad(self.special, ((0, more), (0, 0)))
            if self.maxima is not None:
                none = np.full((more, self.maxima.shape[1]), -np.inf)
                self.maxima = np.concatenate([self.maxima, none])
        start = other.first - self.first
        self.digits[groups, :, start : start + places] += other.digits
        self.counts[groups] += other.counts
        if other.special is not None:
            if self.special is None:
                self.special = np.zeros(self.digits.shape[:2])
            with np.errstate(invalid="ignore"):
                self.special[groups] += other.special
        if self.maxima is not None and other.maxima is not None:
            self.maxima[groups] = np.maximum(self.maxima[groups], other.maxima)
        self.added += 1 + other.added
        if self.added >= ROOM:
            self.carry()

    def carry(self) -> None:
        """Make digits numbers of 32 bits again."""
        digits = np.pad(self.digits, ((0, 0), (0, 0), (0, 1)))
        for k in range(digits.shape[2] - 1):
            over = (digits[..., k] + (1 << (BITS - 1))) >> BITS
            digits[..., k] -= over << BITS
            digits[..., k + 1] += over
        self.digits = digits if digits[..., -1].any() else digits[..., :-1]
        self.added = 0

    def groups(self, order: NDArray[np.intp]) -> ExactSums:
        """Some of the groups."""
        special, maxima = (x if x is None else x[order] for x in (self.special, self.maxima))
        digits, counts = self.digits[order], self.counts[order]
        return ExactSums(digits, self.first, special, counts, self.added, maxima)

    def to_json(self) -> dict[str, Any]:
        """As lists of text and integers; the same for the same sums, however they were made."""
        numbers, one = self.units()
        special: Any = None if self.special is None else self.special.ravel().tolist()
        maxima: Any = None if self.maxima is None else self.maxima.ravel().tolist()
        return {
            "shape": list(numbers.shape),
            # in units of 2**-1074, without the zeros at the end
            "sums": [_to_text(number * ((1 << ONE) // one)) for number in numbers.flat],
            "special": special and {i: str(x) for i, x in enumerate(special) if x != 0},
            "counts": self.counts.tolist(),
            **({} if maxima is None else {"maxima": [*map(repr, maxima)]}),
        }

    @classmethod
    def from_json(cls, found: Any, n_groups: int, n_terms: int, n_maxima: int = 0) -> ExactSums:
        """The opposite; a ValueError if they are not of so many groups, terms and maxima."""
        maxima = None
        if n_maxima and isinstance(found, dict):
            maxima = _maxima_of_json(found.get("maxima"), n_groups, n_maxima)
            found = {name: value for name, value in found.items() if name != "maxima"}
        _check_json(found, n_groups, n_terms)
        pairs = [*map(_of_text, found["sums"])]
        first = min((zeros for number, zeros in pairs if number), default=ONE) // BITS
        numbers = np.empty(len(pairs), object)
        for i, (number, zeros) in enumerate(pairs):
            numbers[i] = number << max(zeros - BITS * first, 0)
        places = max((number.bit_length() for number in numbers), default=0) // BITS + 2
        digits = np.zeros((len(numbers), places), np.int64)
        for k in range(places):
            digits[:, k] = numbers & (2**BITS - 1)
            numbers = numbers >> BITS
        digits[:, -1] -= (numbers < 0).astype(np.int64) << BITS  # the sign that is left
        special = None
        if found["special"] is not None:
            special = np.zeros((n_groups, n_terms))
            for place, text in found["special"].items():
                special.flat[int(place)] = float(text)
        counts = np.array(found["counts"], np.int64)
        digits = digits.reshape(n_groups, n_terms, places)
        result = cls(digits, first, special, counts, maxima=maxima)
        result.carry()
        return result

    def total(self) -> ExactSums:
        """The sums over all groups, as those of one."""
        if len(self.counts) == 1:
            return self
        return self.folded(np.zeros(len(self.counts), np.intp), 1)

    def folded(self, places: NDArray[np.intp], n: int) -> ExactSums:
        """The sums over the groups of each place, of so many."""
        self.carry()

        def sums(each: NDArray[Any]) -> NDArray[Any]:
            found = np.zeros((n, *each.shape[1:]), each.dtype)
            with np.errstate(invalid="ignore"):
                np.add.at(found, places, each)
            return found

        special = None if self.special is None else sums(self.special)
        maxima = None
        if self.maxima is not None:
            maxima = maxima_by(places, self.maxima, n)
        return ExactSums(sums(self.digits), self.first, special, sums(self.counts), 0, maxima)

    def units(self) -> tuple[NDArray[Any], int]:
        """The sums as integers, and the integer that is 1."""
        found = np.zeros(self.digits.shape[:2], object)
        for k in range(self.digits.shape[2] - 1, -1, -1):
            found = (found << BITS) + self.digits[..., k].astype(object)
        shift = ONE - BITS * self.first
        return found << max(-shift, 0), 1 << max(shift, 0)

    def rounded(self, numbers: NDArray[Any] | None = None, one: int = 1) -> NDArray[np.float64]:
        """The sums as float64, rounded once; `units` may be given if they are known."""
        if numbers is None:
            numbers, one = self.units()
        found = quotients(numbers, one)
        if self.special is not None:
            odd = self.special != 0  # so is NaN
            found[odd] = self.special[odd]
        return found


def maxima_by(places: NDArray[np.intp], each: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The largest of the rows of each place, of so many; of none -inf."""
    found = np.full((n, each.shape[1]), -np.inf)
    np.maximum.at(found, places, each)
    return found


def _maxima_of_json(found: Any, n_groups: int, n_maxima: int) -> NDArray[np.float64]:
    """Maxima that `to_json` wrote, or a ValueError."""
    if not (
        isinstance(found, list)
        and len(found) == n_groups * n_maxima
        and all(isinstance(text, str) and len(text) < 40 for text in found)
    ):
        raise ValueError(f"the maxima are not {n_groups * n_maxima} numbers")
    return np.array([*map(float, found)]).reshape(n_groups, n_maxima)


def _check_json(found: Any, n_groups: int, n_terms: int) -> None:
    """An error for what `to_json` does not write of so many groups and terms."""
    if not (isinstance(found, dict) and {*found} == {"shape", "sums", "special", "counts"}):
        raise ValueError("the sums are not a shape, sums, special and counts")
    if found["shape"] != [n_groups, n_terms]:
        raise ValueError(f"the sums are not of {n_groups} groups and {n_terms} terms")
    sums, special, counts = found["sums"], found["special"], found["counts"]
    if not (isinstance(sums, list) and len(sums) == n_groups * n_terms):
        raise ValueError(f"the sums are not {n_groups * n_terms} numbers")
    if not (
        special is None
        or isinstance(special, dict)
        and all(
            re.fullmatch("[0-9]{1,18}", place)
            and int(place) < len(sums)
            and text in ("inf", "-inf", "nan")
            for place, text in special.items()
        )
    ):
        raise ValueError("the sums are infinite or NaN in no way that there is")
    if not (
        isinstance(counts, list)
        and len(counts) == n_groups
        and all(type(count) is int and count >= 0 for count in counts)
        and sum(counts) < 2**63
    ):
        raise ValueError(f"the counts are not {n_groups} integers from 0 on, below 2**63 in all")


def _to_text(number: int) -> str:
    """Hexadecimal digits and the exponent of 2 behind them, as in `TEXT`."""
    zeros = (number & -number).bit_length() - 1 if number else 0
    return f"{number >> zeros:x}@{zeros}"


def _of_text(text: object) -> tuple[int, int]:
    """The number without the zeros, and how many these are."""
    found = TEXT.fullmatch(text) if isinstance(text, str) else None
    if found:
        number, zeros = int(found[1], 16), int(found[2])
        if number.bit_length() + zeros <= MOST:
            return number, zeros
    raise ValueError(f"{reprlib.repr(text)} is no sum of up to {MOST} bits")


def quotients(numerators: NDArray[Any], denominators: Any) -> NDArray[np.float64]:
    """Quotients of integers, rounded once; beyond all numbers infinity, by 0 NaN."""
    return np.asarray(np.frompyfunc(_quotient, 2, 1)(numerators, denominators), np.float64)


def _quotient(a: int, b: int) -> float:
    if b == 0:
        return math.nan
    try:
        return a / b
    except OverflowError:
        return math.inf if (a > 0) == (b > 0) else -math.inf
