"""The loss of proportional hazards: who fails first of those at risk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastloss.losses.survival import Survival
from fastloss.losses.together import HESS, VALUE, Doubles, Part, Reals, Weights, double, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

_TIES = ("breslow", "efron")
_STEP = 256.0  # sums are kept as multiples of exp(k _STEP), whose squares are far from overflowing
_ROW = 512  # terms that are added up one by one


@dataclass(frozen=True)
class CoxPH(Survival):
    """Cox's proportional hazards: the partial likelihood of the order in which samples fail.

    Predictions are logarithms of hazards. ``y_true`` has the time of each sample and whether it
    failed then, 1, or was censored, 0. In one axis, as XGBoost's ``survival:cox`` takes them,
    times are of failures where positive, and -t means censored at t.

    Parameters
    ----------
    ties : {"breslow", "efron"}
        What samples that fail at the same time see of each other: all of them are at risk at each
        of these failures, or part of them is gone, on average. Without ties both are the same.

    Raises
    ------
    ValueError
        If ``ties`` is neither. When called: if shapes do not fit, a time is not finite, a sample
        neither failed nor did not, a weight is negative or not finite (a `DomainError` each), or
        there is nothing to take the mean of.
    TypeError
        When called: if an array holds anything but real numbers.

    Notes
    -----
    The loss of a sample i that failed, of weight w[i], is ::

        w[i]*(log(sum(w[j]*exp(z[j]) for j with time[j] >= time[i])) - z[i])

    and 0 of one that was censored. Of d failures at one time Efron's method has the mean of d such
    logarithms: the l-th, l = 0 ... d - 1, counts these d samples times 1 - l/d in its sum. A weight
    is thus that of as many samples that are alike, without ties at least. The mean is that over all
    samples; the number of failures divides XGBoost's metric ``cox-nloglik`` instead. Its objective
    is ``"breslow"`` except for ties, of which a sample sees only those before it in its own order,
    and for weights, by which it multiplies derivatives alone.

    It takes one sort, and sums in multiples of powers of e: predictions may be as far apart as they
    like. All is computed in float64 and rounded to the dtype of ``y_pred`` once. A prediction that
    is not finite makes all results NaN.

    References
    ----------
    Cox, "Regression Models and Life-Tables" (1972); Breslow, "Covariance Analysis of Censored
    Survival Data" (1974); Efron, "The Efficiency of Cox's Likelihood Function for Censored Data"
    (1977).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> y = [[1.0, 1], [2.0, 0], [3.0, 1]]
    >>> loss = fl.CoxPH()
    >>> value, grad = loss.value_and_grad(y, np.zeros(3), reduction="sum")
    >>> round(value, 4), grad.round(4)
    (1.0986, array([-0.6667,  0.3333,  0.3333]))
    >>> loss([1.0, -2.0, 3.0], np.zeros(3), reduction="sum") == value
    True
    """

    ties: str = "breslow"

    _columns = "times and whether samples failed"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.ties, str) or self.ties not in _TIES:
            raise ValueError(f"ties must be one of {', '.join(_TIES)}; got {self.ties!r}")

    def _parts(self, given: Any, z: Reals, weights: Weights, order: int) -> Iterator[Part]:
        refuse(weights.each < 0, "sample_weight", weights.each, "in [0, inf)")
        kept = np.flatnonzero(weights.each)
        time, failed = _times(given, kept, len(kept) == len(z))
        found = np.zeros((order + 1, len(z)))
        part = double(z[kept])
        if not np.isfinite(part).all():
            found[:, kept] = np.nan
        elif len(kept):
            risk = _Risk(self.ties == "efron", time, failed, part, weights.each[kept])
            place = kept[risk.order]
            for row, values in zip(found, (risk.values(), *risk.derivatives(order)), strict=True):
                row[place] = values
        yield slice(None), *found


def _times(y: Array, kept: Array, whole: bool) -> tuple[Array, Array]:
    """Times, and whether they are of failures, of samples that count."""
    counted = np.ones(len(y), bool)
    if not whole:
        counted[:] = False
        counted[kept] = True
    if y.ndim == 1:
        refuse(counted & ~np.isfinite(y), "y_true", y, "finite")
        return double(np.abs(y[kept])), y[kept] > 0
    outside = np.stack([~np.isfinite(y[:, 0]), (y[:, 1] != 0) & (y[:, 1] != 1)], axis=1)
    outside &= counted[:, None]
    refuse(outside[:, :1], "y_true", y, "finite")
    refuse(outside & [False, True], "y_true", y, "in {0, 1}")
    return double(y[kept, 0]), y[kept, 1] == 1


class _Risk:
    """Samples from the last time to the first, and what is at risk with them.

    Sums are held divided by exp(level), a level for each time.
    """

    def __init__(
        self, efron: bool, time: Doubles, failed: Array, z: Doubles, weight: Doubles
    ) -> None:
        self.order = np.argsort(-time)
        new = np.flatnonzero(np.diff(time[self.order])) + 1
        self.starts = np.concatenate([[0], new])
        ends = np.concatenate([new, [len(time)]])
        self.counts = ends - self.starts
        self.efron = efron
        if efron:
            self.order = self._failed_last(failed[self.order])
        self.failed = failed[self.order]
        self.z, self.weight = z[self.order], weight[self.order]
        sums, levels = _running(self.z, self.weight)
        self.levels = levels[ends - 1]
        self.shares = np.ones(len(z))  # of a failed sample that is still there
        self.terms = self.failed * self.weight  # what its logarithm counts
        self.sums = np.repeat(sums[ends - 1], self.counts)
        self.level = np.repeat(self.levels, self.counts)
        if efron:
            self._average(sums, levels, ends)

    def _failed_last(self, failed: Array) -> Array:
        """The order with those of one time that failed behind those that did not."""
        before = np.cumsum(failed) - failed  # that failed, in all
        others = self.counts - np.add.reduceat(failed, self.starts, dtype=np.intp)
        start, others, first = (
            np.repeat(x, self.counts) for x in (self.starts, others, before[self.starts])
        )
        before -= first
        place = np.where(failed, start + others + before, np.arange(len(failed)) - before)
        order = np.empty_like(self.order)
        order[place] = self.order
        return order

    def _average(self, sums: Doubles, levels: Doubles, ends: Array) -> None:
        """Let those that fail at one time be gone in part."""
        number = np.add.reduceat(self.failed, self.starts, dtype=np.intp)
        first = ends - number
        before = np.maximum(first - 1, 0)
        others = np.where(first > 0, sums[before] * np.exp(levels[before] - self.levels), 0.0)
        tied = self.failed * self.weight * np.exp(self.z - self.level)
        tied, weight = (np.add.reduceat(x, self.starts) for x in (tied, self.terms))
        place = np.arange(len(self.z)) - np.repeat(first, self.counts)
        number = np.repeat(number, self.counts)
        some = self.failed
        self.shares[some] = 1 - place[some] / number[some]
        self.terms[some] = np.repeat(weight, self.counts)[some] / number[some]
        others, tied = np.repeat(others, self.counts), np.repeat(tied, self.counts)
        self.sums[some] = (others + self.shares * tied)[some]

    def values(self) -> Doubles:
        """The weighted loss of each sample."""
        logs = self.failed * np.log(self.sums)
        if self.efron:  # each of those that fail at one time has the mean
            counts = np.maximum(np.add.reduceat(self.failed, self.starts, dtype=np.intp), 1)
            logs = np.repeat(np.add.reduceat(logs, self.starts) / counts, self.counts)
        values: Doubles = self.failed * self.weight * (logs + (self.level - self.z))
        return values

    def derivatives(self, order: int) -> list[Doubles]:
        """The first, and the second."""
        if order == VALUE:
            return []
        one = self.terms / self.sums
        two = one / self.sums
        shares = self.shares
        own = np.exp(self.z - self.level)
        beyond, grad = self._earlier(one)
        grad = np.exp(self.z + beyond) * grad + own * self._own(one, shares * one)
        grads = [self.weight * (grad - self.failed)]
        if order == HESS:
            beyond, squares = self._earlier(two, 2)
            squares *= np.exp(self.z + beyond / 2) ** 2
            squares += own * own * self._own(two, shares * shares * two)
            grads.append(self.weight * np.maximum(grad - self.weight * squares, 0))
        return grads

    def _own(self, others: Doubles, failed: Doubles) -> Doubles:
        """Sums over failures at a sample's own time, for one that failed and for the others."""
        others, failed = (
            np.repeat(np.add.reduceat(x, self.starts), self.counts) for x in (others, failed)
        )
        found: Doubles = np.where(self.failed, failed, others)
        return found

    def _earlier(self, terms: Doubles, power: int = 1) -> tuple[Doubles, Doubles]:
        """Sums over failures at earlier times, and their levels."""
        totals = np.add.reduceat(terms, self.starts)
        levels = -power * self.levels
        sums, found = (x[::-1] for x in _running(levels[::-1], totals[::-1]))
        # those of the next group; the last has none
        levels[:-1], sums = found[1:], np.append(sums[1:], 0.0)
        return np.repeat(levels, self.counts), np.repeat(sums, self.counts)


def _running(x: Doubles, weight: Doubles) -> tuple[Doubles, Doubles]:
    """Running sums of weight*exp(x): sums and levels, which make sums*exp(level)."""
    # 0 for all that is usual: the differences below are then exact, as they are of large x
    levels = np.rint(np.maximum.accumulate(x) / _STEP) * _STEP
    cuts = [0, *(np.flatnonzero(np.diff(levels)) + 1), len(x)]
    sums = np.empty(len(x))
    carried, level = 0.0, levels[0]
    for start, stop in zip(cuts, cuts[1:], strict=False):
        terms = weight[start:stop] * np.exp(x[start:stop] - levels[start])
        terms[0] += carried * np.exp(level - levels[start])
        _add_up(terms, sums[start:stop])
        carried, level = sums[stop - 1], levels[start]
    return sums, levels


def _add_up(terms: Doubles, out: Doubles) -> None:
    """Running sums by rows, so that rounding does not grow with the number of terms."""
    whole = len(terms) // _ROW * _ROW
    rows = out[:whole].reshape(-1, _ROW)
    np.cumsum(terms[:whole].reshape(-1, _ROW), axis=1, out=rows)
    before = np.cumsum(rows[:, -1])
    rows[1:] += before[:-1, None]
    np.cumsum(terms[whole:], out=out[whole:])
    if whole:
        out[whole:] += before[-1]
