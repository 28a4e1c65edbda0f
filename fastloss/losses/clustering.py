"""The loss of k-means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array
from fastloss.losses.distances import compared, largest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

CHUNK = 1 << 20  # distances at a time


@dataclass(frozen=True)
class KMeansLoss:
    """Mean squared distance of points to their nearest centres, the inertia over n.

    Distances are compared a chunk of points at a time, so that no n x k array exists. Which of two
    centres is nearest may be decided by rounding if they are equally far; the distance itself is
    then computed from the difference of point and centre, and keeps its digits.

    Raises
    ------
    ValueError
        When called: if shapes do not fit, there are no points, or a number is not finite.
    TypeError
        When called: if the arrays are not of one type, float32 or float64.

    Notes
    -----
    The mean over points x, with centres c, of ::

        min over j of sum((x - c[j])**2)

    Its gradient by the centres takes the assignments as fixed, which they are but where two
    centres are equally far. A centre without points has the gradient 0.

    References
    ----------
    Bottou and Bengio, "Convergence Properties of the K-Means Algorithms" (1995).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> X = np.array([[0.0, 0.0], [0.0, 2.0], [5.0, 5.0]])
    >>> centers = np.array([[0.0, 1.0], [5.0, 5.0]])
    >>> fl.KMeansLoss().value_and_grad(X, centers)
    (0.6666666666666666, array([[0., 0.],
           [0., 0.]]))
    >>> fl.KMeansLoss().assign(X, centers)
    array([0, 0, 1])
    """

    @np.errstate(over="ignore", invalid="ignore")
    def __call__(self, X: ArrayLike, centers: ArrayLike) -> float:
        """Compute the loss.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Points.
        centers : array_like, shape (k, d)

        Returns
        -------
        float
        """
        X, centers, most = _checked(X, centers)
        parts = _nearest(X, centers, most)
        return sum(_squares(part, centers[j]) for _, part, j in parts) / len(X)

    @np.errstate(over="ignore", invalid="ignore")
    def assign(self, X: ArrayLike, centers: ArrayLike) -> NDArray[np.intp]:
        """Find the nearest centre of each point.

        Parameters are those of calling the loss.

        Returns
        -------
        ndarray of int, shape (n,)
        """
        X, centers, most = _checked(X, centers)
        found = np.empty(len(X), np.intp)
        for rows, _, nearest in _nearest(X, centers, most):
            found[rows] = nearest
        return found

    @np.errstate(over="ignore", invalid="ignore")
    def value_and_grad(self, X: ArrayLike, centers: ArrayLike) -> tuple[float, Array]:
        """Compute the loss and its derivatives by the centres.

        Parameters are those of calling the loss.

        Returns
        -------
        value : float
        grad : ndarray, shape (k, d)
        """
        # here, as importing it takes longer than importing fastloss
        from scipy.sparse import csr_array  # type: ignore[import-untyped, unused-ignore]

        X, centers, most = _checked(X, centers)
        value, grad = 0.0, np.zeros(centers.shape)
        for _, part, nearest in _nearest(X, centers, most):
            difference = centers[nearest] - part
            value += float(np.einsum("ij,ij->", difference, difference, dtype=np.float64))
            one_each = np.ones(len(part)), nearest, np.arange(len(part) + 1)
            grad += csr_array(one_each, (len(part), len(centers))).T @ difference
        grad *= 2 / len(X)
        return value / len(X), grad.astype(centers.dtype, copy=False)


def _checked(X: ArrayLike, centers: ArrayLike) -> tuple[Array, Array, float]:
    """The arrays, and the largest absolute value in them."""
    X, centers = input_array(X, "X"), input_array(centers, "centers")
    if X.ndim != 2 or centers.ndim != 2 or X.shape[1] != centers.shape[1] or not len(centers):
        raise ValueError(
            f"X must have shape (n, d) and centers (k, d), k at least 1; got {X.shape} and "
            f"{centers.shape}"
        )
    if len(X) == 0:
        raise ValueError("the mean over nothing is undefined: X has no points")
    if X.dtype not in (np.float32, np.float64) or X.dtype != centers.dtype:
        raise TypeError(
            f"the arrays must both be float32 or both float64; got X of {X.dtype} and centers of "
            f"{centers.dtype}"
        )
    most = {"X": largest(X), "centers": largest(centers)}
    for name, array in (("X", X), ("centers", centers)):
        if not math.isfinite(most[name]):
            index = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
            raise ValueError(f"{name}{list(index)} = {array[index]} is not finite")
    return X, centers, max(most.values())


def _nearest(
    X: Array, centers: Array, most: float
) -> Iterator[tuple[slice, Array, NDArray[np.intp]]]:
    """Rows, their points, and the nearest centre of each."""
    for rows, distances in compared(X, centers, most, max(1, CHUNK // max(centers.shape))):
        yield rows, X[rows], distances.argmin(axis=1)


def _squares(points: Array, nearest: Array) -> float:
    difference = points - nearest
    return float(np.einsum("ij,ij->", difference, difference, dtype=np.float64))
