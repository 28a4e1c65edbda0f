"""The constant prediction that makes a loss least: means, quantiles, and searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Slope = Callable[[float], float]

STARTS = 65  # constants that a search compares first
FAR = 1e3  # how far from 0 a score is looked for


def mean(y: Array, w: Array | None) -> Any:
    """The weighted mean along the first axis, of sums with more digits than double has."""
    if w is None:
        return np.float64(np.mean(y, axis=0, dtype=np.longdouble))
    total = np.sum(w, dtype=np.longdouble)
    return np.float64(np.sum((y.T * w).T, axis=0, dtype=np.longdouble) / total)


def log_odds(p: Any, weight: Any) -> Any:
    """log(weight p / (1 - p)), with all digits where it is nearly 0."""
    with np.errstate(divide="ignore"):
        ratio = weight * p / (1 - p)
        near = np.log1p((weight * p - (1 - p)) / (1 - p))
        return np.where((ratio > 0.5) & (ratio < 2), near, np.log(ratio))


def quantile(y: Array, q: float, w: Array | None) -> float:
    """A weighted quantile: where several numbers are one, the middle of the two ends."""
    if w is None:
        n = len(y)
        place = q * n
        low = min(max(int(np.ceil(place)) - 1, 0), n - 1)
        high = min(int(np.floor(place)), n - 1) if place == np.floor(place) else low
        part = np.partition(y, (low, high))
        return float(part[low] / 2 + part[high] / 2) if low != high else float(part[low])
    keep = w > 0
    y, w = y[keep], w[keep]
    order = np.argsort(y)
    sums = np.cumsum(w[order], dtype=np.longdouble)
    goal = q * sums[-1]
    low = min(int(np.searchsorted(sums, goal, side="left")), len(y) - 1)
    high = min(int(np.searchsorted(sums, goal, side="right")), len(y) - 1)
    first, last = y[order[low]], y[order[high]]
    return float(first / 2 + last / 2) if low != high else float(first)


def search(value: Slope, slope: Slope, starts: Array) -> float:
    """Where a function of one number is least: near the best of some, at the zero of its slope."""
    from scipy.optimize import brentq  # type: ignore[import-untyped, unused-ignore]

    values = [value(c) for c in starts]
    best = int(np.nanargmin(values))
    low, high = float(starts[max(best - 1, 0)]), float(starts[min(best + 1, len(starts) - 1)])
    own = float(starts[best])
    # the zero lies on the side to which the slope points
    if slope(own) > 0:
        high = own
    else:
        low = own
    if low == high or slope(low) >= 0 or slope(high) <= 0:
        return own
    # towards a zero at 0 halving goes on through all exponents
    limits: Any = {"xtol": 5e-324, "rtol": 4 * np.finfo(float).eps, "maxiter": 5000}
    found = float(brentq(slope, low, high, **limits, disp=False))
    return min((own, found), key=value)


def starts_of_targets(y: Array) -> Array:
    """Numbers among the targets to start from, their ends among them."""
    return np.unique(np.quantile(y, np.linspace(0, 1, STARTS)))


def starts_of_scores() -> Array:
    """Scores of either sign, to start from."""
    far = np.geomspace(1e-3, FAR, STARTS // 2)
    return np.concatenate([-far[::-1], [0.0], far])
