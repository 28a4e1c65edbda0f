"""Means, and their standard errors, from exact sums.

The terms of sums are those of columns times weights, u, then the weights, w; then, where there are
errors, products of pairs of these.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.scoring.exact import ExactSums, quotients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Pair = tuple[int, int]


@dataclass(frozen=True)
class Means:
    """Means of columns in each group.

    Attributes
    ----------
    values : ndarray, shape (n_groups, n_columns)
        NaN where weights add up to 0.
    weights : ndarray, shape (n_groups,)
    numbers : ndarray of int, shape (n_groups, n_columns + 1)
        The sums of the columns, and of the weights last, in units of one size.
    maxima : ndarray, shape (n_groups, n_maxima), or None
        NaN of groups without samples.
    """

    values: Floats
    weights: Floats
    numbers: Array
    maxima: Floats | None


def means_of(sums: ExactSums, n_columns: int) -> Means:
    """The means of the first columns, behind which the weights are."""
    sums = sums.take([*range(n_columns + 1)])
    numbers, one = sums.units()
    rounded = sums.rounded(numbers, one)
    totals, weights = rounded[:, :-1], rounded[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where((weights != 0)[:, None], totals / weights[:, None], np.nan)
    if not np.isfinite(rounded).all():  # sums beyond the range of numbers, whose mean may be in it
        special = np.zeros(rounded.shape) if sums.special is None else sums.special
        far = np.isinf(totals) & (special[:, :-1] == 0)
        means[far] = quotients(numbers[:, :-1], numbers[:, -1:])[far]
    maxima = sums.maxima
    if maxima is not None:
        maxima = np.where(maxima == -np.inf, np.nan, maxima)
    return Means(means, weights, numbers, maxima)


class Moments:
    """Second moments about the means: of columns of weighted values, by group.

    Parameters
    ----------
    sums : ExactSums
    n_columns : int
    pairs : sequence of (int, int)
        Whose products the terms behind the weights are; ``n_columns`` stands for the weights.

    Attributes
    ----------
    counts : ndarray of int, shape (n_groups,)
        What is independent: the samples.
    """

    def __init__(self, sums: ExactSums, n_columns: int, pairs: Sequence[Pair]) -> None:
        self._numbers, self._one = sums.units()
        self._special = sums.special
        self.counts = sums.counts
        self._weight = n_columns
        self._places = {pair: n_columns + 1 + k for k, pair in enumerate(pairs)}

    def _product(self, a: int, b: int) -> int:
        return self._places[(a, b) if (a, b) in self._places else (b, a)]

    def variance(self, signs: dict[int, Any]) -> Floats:
        """The variance of the mean of a sum of columns, each times an integer, or one by group.

        With u its weighted values, w the weights, m = sum(u)/sum(w) and n the count, it is
        n/(n - 1) sum((u - m w)^2) / sum(w)^2; without weights that is s^2/n. Nothing is rounded
        but the quotient.
        """
        used = {self._weight, self._product(self._weight, self._weight)}

        def total(*parts: tuple[int, Any]) -> Array:
            used.update(term for term, _ in parts)
            return np.asarray(sum(self._numbers[:, term] * sign for term, sign in parts))

        w = self._numbers[:, self._weight]
        ww = self._numbers[:, self._product(self._weight, self._weight)]
        u = total(*signs.items())
        uw = total(*((self._product(i, self._weight), sign) for i, sign in signs.items()))
        uu = total(
            *(
                (self._product(i, j), first * second)
                for i, first in signs.items()
                for j, second in signs.items()
            )
        )
        spread = uu * w**2 - 2 * u * w * uw + u**2 * ww
        counts = self.counts.astype(object)
        variance = quotients(spread * counts * self._one, w**4 * (counts - 1))
        # squares of numbers below 1e-154 are none: where there are no others, nothing is known
        variance[((w != 0) & (ww == 0) | (u != 0) & (uu == 0) | (spread < 0)).astype(bool)] = np.nan
        if self._special is not None:
            variance[(self._special[:, sorted(used)] != 0).any(axis=1)] = np.nan
        return variance


class ClusterMoments:
    """The same where only samples of different clusters are independent.

    Parameters
    ----------
    sums : ExactSums
        Of each cluster in each group.
    n_columns : int
    places : ndarray of int
        The groups that they are of.
    n_groups : int

    Attributes
    ----------
    counts : ndarray of int, shape (n_groups,)
        What is independent: the clusters.
    """

    def __init__(
        self, sums: ExactSums, n_columns: int, places: NDArray[np.intp], n_groups: int
    ) -> None:
        self._numbers, _ = sums.units()
        self._special = sums.special
        self._weight = n_columns
        self._places, self._n_groups = places, n_groups
        self.counts = np.bincount(places[sums.counts > 0], minlength=n_groups)

    def variance(self, signs: dict[int, Any]) -> Floats:
        """The variance of the mean of a sum of columns, each times an integer, or one by group.

        With u and w the sums of weighted values and of weights of each of n clusters, and m =
        sum(u)/sum(w), it is n/(n - 1) sum((u - m w)^2) / sum(w)^2.
        """

        def total(each: Array) -> Array:
            found = np.zeros(self._n_groups, each.dtype)
            np.add.at(found, self._places, each)
            return found

        factors = {term: np.broadcast_to(sign, self._n_groups) for term, sign in signs.items()}
        u = np.asarray(
            sum(self._numbers[:, term] * each[self._places] for term, each in factors.items())
        )
        w = self._numbers[:, self._weight]
        totals, weights = total(u), total(w)
        spread = total(u**2) * weights**2 - 2 * totals * weights * total(u * w)
        spread += totals**2 * total(w**2)
        counts = self.counts.astype(object)
        variance = quotients(spread * counts, weights**4 * (counts - 1))
        if self._special is not None:
            odd = (self._special[:, [*signs, self._weight]] != 0).any(axis=1)
            variance[total(odd.astype(int)) > 0] = np.nan
        return variance


def by_group(
    labels: Sequence[Any], sums: ExactSums, n_columns: int
) -> tuple[list[Hashable], ExactSums, ClusterMoments, ClusterMoments]:
    """Groups, their sums and moments, and the moments of all, from those of clusters.

    Labels are pairs of a group and of a cluster in it.
    """
    groups, clusters = (dict.fromkeys(column) for column in zip(*labels, strict=True))
    of_group, of_cluster = (
        np.array([*map({label: i for i, label in enumerate(own)}.get, column)], np.intp)
        for own, column in zip((groups, clusters), zip(*labels, strict=True), strict=True)
    )
    each = ClusterMoments(sums, n_columns, of_group, len(groups))
    whole = sums.folded(of_cluster, len(clusters))
    all_one = np.zeros(len(clusters), np.intp)
    return (
        list(groups),
        sums.folded(of_group, len(groups)),
        each,
        ClusterMoments(whole, n_columns, all_one, 1),
    )
