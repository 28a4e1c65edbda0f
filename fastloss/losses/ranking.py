"""Losses of rankings: of pairs of documents that belong to one query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from fastloss._core import input_array
from fastloss.domains import COUNT, POSITIVE
from fastloss.losses.links import real_array
from fastloss.losses.together import (
    GRAD,
    HESS,
    VALUE,
    Doubles,
    Part,
    Reals,
    Reduction,
    Together,
    Weights,
    double,
    refuse,
    scores,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[Any]

ROWS = 16  # of a query's pairs at a time
PAIRS = 1 << 16  # at a time, which stay in the cache
MOST = 1 << 20  # of one query at a time


class Ranking(Together):
    """Base of losses of queries: what their methods take and give."""

    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        groups: ArrayLike,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        groups: ArrayLike,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction,
    ) -> Any: ...
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        groups: ArrayLike,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like, shape (n,)
            Relevances of documents: more is better.
        y_pred : array_like, shape (n,)
            Their scores, whose dtype is that of the results.
        groups : array_like of int, shape (q,)
            How many documents each query has, in their order, as LightGBM and XGBoost take it.
        sample_weight : array_like, shape (q,), optional
            A weight for each query. A query of weight 0 is as if absent, whatever it holds.
        reduction : {"mean", "sum", "none"}
            The weighted average over queries, the weighted sum, or the weighted loss of each.

        Returns
        -------
        float, or ndarray of shape (q,)
        """
        return self._compute(y_true, y_pred, groups, sample_weight, reduction, VALUE, None)[0]

    def grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        groups: ArrayLike,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        out: Reals | None = None,
    ) -> Reals:
        """Compute the derivatives of the reduced loss by the scores.

        Parameters are those of `value_and_grad`.

        Returns
        -------
        ndarray, shape (n,)
        """
        grad: Reals = self._compute(y_true, y_pred, groups, sample_weight, reduction, GRAD, out)[1]
        return grad

    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        groups: ArrayLike,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        out: Reals | None = None,
    ) -> tuple[Any, Reals]:
        """Compute the loss and its derivatives by the scores.

        Parameters are those of calling the loss; ``out`` is an array for the gradient, writeable,
        C-contiguous and of the dtype computed in, which may be ``y_pred`` itself. With
        ``reduction="none"`` the derivatives are those of the sum.

        Returns
        -------
        value : float, or ndarray of shape (q,)
        grad : ndarray, shape (n,)
        """
        value, grad = self._compute(y_true, y_pred, groups, sample_weight, reduction, GRAD, out)
        return value, grad

    def grad_and_hess(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        groups: ArrayLike,
        sample_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        out: tuple[Reals | None, Reals | None] | None = None,
    ) -> tuple[Reals, Reals]:
        """Compute first and second derivatives by each score, the diagonal of the Hessian.

        Parameters are those of `value_and_grad`; ``out`` is a pair of arrays. No second derivative
        is negative where no weight is.

        Returns
        -------
        grad, hess : ndarray, shape (n,)
        """
        _, grad, hess = self._compute(y_true, y_pred, groups, sample_weight, reduction, HESS, out)
        return grad, hess

    def _compute(
        self,
        y_true: Any,
        y_pred: Any,
        groups: Any,
        weight: Any,
        reduction: Reduction,
        order: int,
        out: Any,
    ) -> tuple[Any, ...]:
        z = scores(y_pred)
        y = real_array(y_true, "y_true")
        if y.shape != z.shape:
            raise ValueError(
                "y_true and y_pred must have the same shape (nothing is broadcast); "
                f"got {y.shape} and {z.shape}"
            )
        sizes = _sizes(groups, len(z))
        weights = Weights(weight, len(sizes), "one for each query")
        arrays = [y, sizes] if weight is None else [y, sizes, np.asarray(weight)]
        return self._reduced((y, sizes), arrays, z, weights, reduction, order, out)

    def _parts(self, given: Any, z: Reals, weights: Weights, order: int) -> Iterator[Part]:
        y, sizes = given
        starts = np.cumsum(sizes) - sizes
        counted = (sizes > 0) & (weights.each != 0)
        self._check(y, np.repeat(counted, sizes))
        value, slopes = np.zeros(len(sizes)), np.zeros((order, len(z)))
        for size in np.unique(sizes[counted]):
            queries = np.flatnonzero(counted & (sizes == size))
            step = max(1, PAIRS // (ROWS * int(size)))
            for first in range(0, len(queries), step):  # side by side
                some = queries[first : first + step]
                index = starts[some, None] + np.arange(size)
                index = self._sorted(index, z)
                score = double(z[index])
                total, *found = self._pairs(double(y[index]), score, order)
                bad = ~np.isfinite(score).all(axis=1)
                for whole, part, at in zip(
                    (value, *slopes), (total, *found), (some, *[index] * order), strict=True
                ):
                    part[bad] = np.nan
                    whole[at] = part
        if weights.given:
            value[counted] *= weights.each[counted]
            slopes *= np.repeat(weights.each, sizes)
        yield slice(None), value, *slopes

    def _check(self, y: Array, counted: Array) -> None:
        """Refuse relevances outside of their domain."""
        refuse(counted & ~np.isfinite(y), "y_true", y, "finite")

    def _sorted(self, index: Array, z: Array) -> Array:
        """The documents of queries in the order that the loss wants them in."""
        return index

    def _pairs(self, relevance: Doubles, score: Doubles, order: int) -> list[Doubles]:
        """The losses of queries, and derivatives by their scores."""
        raise NotImplementedError


def _sizes(groups: Any, n: int) -> NDArray[np.intp]:
    """Sizes of queries that add up to all documents."""
    if groups is None:
        raise ValueError("groups must be the sizes of the queries; got None")
    sizes: Array = input_array(groups, "groups")
    if sizes.size and sizes.dtype.kind not in "iu":
        raise TypeError(f"groups must hold integers, sizes of queries; got dtype {sizes.dtype}")
    if sizes.ndim != 1 or (sizes < 0).any() or sizes.sum() != n:
        negative = sizes[sizes < 0]
        got = f"a size of {negative[0]}" if negative.size else f"{sizes.sum()} in all"
        got = got if sizes.ndim == 1 else f"shape {sizes.shape}"
        raise ValueError(
            f"groups must be sizes of queries, at least 0, that add up to {n}, the number of "
            f"predictions; got {got}"
        )
    return sizes.astype(np.intp)


def _add_pairs(
    grade: Doubles,
    score: Doubles,
    order: int,
    rows: int,
    apart: Callable[[slice, slice], Doubles] | None = None,
    sigma: float = 1.0,
) -> list[Doubles]:
    """Sums over pairs whose first is among some rows: of values, and of derivatives.

    A pair counts 1, or as much as its grades differ times ``apart(i, j)`` of a slice of rows and
    of one of those behind them.
    """
    count, size = score.shape
    total, slopes = np.zeros(count), np.zeros((order, count, size))
    step, half = max(1, min(ROWS, MOST // size)), score / 2  # of which no difference overflows
    for start in range(0, rows, step):
        i, j = slice(start, min(start + step, rows)), slice(start, size)
        # which of two is the better one, each pair once
        weight = grade[:, i, None] - grade[:, None, j]
        weight[:, :, : i.stop - start] *= np.tri(i.stop - start, k=-1).T
        sign = np.sign(weight)
        x = half[:, i, None] - half[:, None, j]
        x *= sign  # how far it is ahead, halved
        x *= 2
        if sigma != 1:
            x *= sigma
        if apart is None:
            weight = sign
        else:
            weight *= apart(i, j)
        if order < HESS:
            total += _losses(x, weight).sum(axis=(1, 2))
        for k, pair in enumerate(_slopes(x, weight, order)):
            slopes[k][:, i] += pair.sum(axis=2)
            slopes[k][:, j] += (2 * k - 1) * pair.sum(axis=1)
    for k, slope in enumerate(slopes):
        for _ in range(k + 1):
            slope *= sigma
    return [total, *slopes]


def _losses(x: Doubles, weight: Doubles) -> Doubles:
    """log(1 + exp(-x)), weighted."""
    loss = np.abs(x)
    np.negative(loss, out=loss)
    np.exp(loss, out=loss)
    np.log1p(loss, out=loss)
    loss -= np.minimum(x, 0)
    loss *= np.abs(weight)
    return loss


def _slopes(x: Doubles, weight: Doubles, order: int) -> Iterator[Doubles]:
    """Its derivatives by the first score of each pair; ``x`` is overwritten."""
    if order == VALUE:
        return
    e = np.exp(np.minimum(x, 709.0, out=x), out=x)
    below = 1 + e
    np.divide(1, below, out=below)
    yield -below * weight
    if order == HESS:
        e *= below
        e *= below
        e *= np.abs(weight)
        yield e


@dataclass(frozen=True)
class PairwiseLogistic(Ranking):
    """Pairwise logistic loss, of RankNet: the more relevant of two documents scores higher.

    Raises
    ------
    ValueError
        When called: if shapes do not fit, groups do not add up to the documents, a relevance or
        a weight is not finite (a `DomainError`), or there is nothing to take the mean of.
    TypeError
        When called: if an array holds anything but real numbers, or groups anything but integers.

    Notes
    -----
    The loss of a query is the sum over pairs of its documents with y[i] > y[j] of ::

        log(1 + exp(z[j] - z[i]))

    that of a query without such a pair 0. XGBoost's ``rank:pairwise`` has the same pairs with
    ``lambdarank_pair_method="topk"`` and as many as there are documents, its Hessians are twice
    these, and it divides by other numbers unless ``lambdarank_normalization`` and
    ``lambdarank_score_normalization`` are false.

    It takes as many steps as there are pairs. All is computed in float64 and rounded to the dtype
    of ``y_pred`` once. A score that is not finite makes the results of its query NaN.

    References
    ----------
    Burges et al., "Learning to Rank Using Gradient Descent" (2005).

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.PairwiseLogistic()
    >>> value, grad = loss.value_and_grad([1, 0, 0, 2, 1], [0.0, 0, 0, 0, 0], groups=[3, 2])
    >>> round(value, 4), grad
    (1.0397, array([-0.5 ,  0.25,  0.25, -0.25,  0.25]))
    """

    def _pairs(self, relevance: Doubles, score: Doubles, order: int) -> list[Doubles]:
        return _add_pairs(relevance, score, order, score.shape[1])


@dataclass(frozen=True)
class LambdaRank(Ranking):
    """LambdaRank: pairs count by how much NDCG changes if the two documents swap their places.

    Its gradient and Hessian are those that LambdaMART boosts by.

    Parameters
    ----------
    k : int, optional
        Only pairs count of which one is among the k highest scores, and NDCG is that of k
        documents: LightGBM's ``lambdarank_truncation_level``. By default all do.
    sigma : float, default=1.0
        In (0, inf): the steepness, LightGBM's ``sigmoid``.

    Raises
    ------
    ValueError
        If a parameter is out of its range. When called: if shapes do not fit, groups do not add
        up to the documents, a relevance is outside [0, 1000] or a weight not finite (a
        `DomainError`), or there is nothing to take the mean of.
    TypeError
        When called: if an array holds anything but real numbers, or groups anything but integers.

    Notes
    -----
    With ranks r = 0, 1, 2 ... of a query's documents by their scores, equal ones in their order,
    the loss is the sum over pairs with y[i] > y[j], and r[i] < k or r[j] < k, of ::

        (2**y[i] - 2**y[j])*abs(1/log2(2 + r[i]) - 1/log2(2 + r[j]))/best
            *log(1 + exp(-sigma*(z[i] - z[j])))

    where ``best`` is the greatest discounted cumulative gain of k documents, the sum of
    (2**y - 1)/log2(2 + r). A query whose relevances are all 0 has the loss 0. The derivatives take
    ranks as fixed, which they are but where two scores are equal; there the value jumps.

    These are LightGBM's derivatives with ``lambdarank_norm=false``; else it divides each pair by
    0.01 + abs(z[i] - z[j]), and the sum of a query by a function of it, so that they are no
    loss's.

    It takes as many steps as there are pairs. All is computed in float64 and rounded to the dtype
    of ``y_pred`` once. A score that is not finite makes the results of its query NaN.

    References
    ----------
    Burges, "From RankNet to LambdaRank to LambdaMART: An Overview" (2010); Wang et al., "The
    LambdaLoss Framework for Ranking Metric Optimization" (2018), for the value.

    Examples
    --------
    >>> import fastloss as fl
    >>> grad, hess = fl.LambdaRank().grad_and_hess([2, 0, 1], [0.1, 0.3, 0.2], groups=[3])
    >>> grad.round(4), hess.round(4)
    (array([-0.265 ,  0.2805, -0.0155]), array([0.1202, 0.1276, 0.0433]))
    """

    k: int | None = None
    sigma: float = 1.0

    _ranges = {"sigma": POSITIVE}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k is not None:
            object.__setattr__(self, "k", COUNT.parameter("k", self.k))

    def _check(self, y: Array, counted: Array) -> None:
        refuse(counted & ~((y >= 0) & (y <= 1000)), "y_true", y, "in [0, 1000]")

    def _sorted(self, index: Array, z: Array) -> Array:
        return np.take_along_axis(index, np.argsort(-z[index], axis=1, kind="stable"), axis=1)

    def _pairs(self, relevance: Doubles, score: Doubles, order: int) -> list[Doubles]:
        size = score.shape[1]
        rows = size if self.k is None else min(self.k, size)
        logs = np.log(np.arange(2.0, size + 2))
        power = np.exp2(relevance)
        gains = -np.sort(1 - power, axis=1)[:, :rows]
        best = (gains / logs[:rows]).sum(axis=1)
        scale = np.where(best > 0, 1 / best, 0.0)

        def apart(i: slice, j: slice) -> Doubles:
            """The difference of 1/log of two places, with none of its digits lost."""
            first, second = (2.0 + np.arange(part.start, part.stop) for part in (i, j))
            ratio = (second - first[:, None]) / first[:, None]
            difference: Doubles = np.log1p(np.maximum(ratio, 0)) / (logs[i, None] * logs[j])
            return difference

        total, *slopes = _add_pairs(power, score, order, rows, apart, self.sigma)
        return [total * scale, *(slope * scale[:, None] for slope in slopes)]
