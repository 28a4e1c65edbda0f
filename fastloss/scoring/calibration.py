"""Whether what is given a probability happens as often: bins, their errors, and Brier's parts."""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from fastloss.domains import COUNT, Domain
from fastloss.losses.links import real_array
from fastloss.scoring.groups import codes_of, sort_key
from fastloss.scoring.labels import column_names, parts_of, total_label
from fastloss.scoring.one_call import Frame, bind, check_here
from fastloss.scoring.scorer import Scorer
from fastloss.scoring.scores import Scores
from fastloss.scoring.shown import (
    html_table,
    mark_gap,
    shown_places,
    shown_size,
    shown_text,
    shown_value,
    text_table,
)

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

LEVEL = Domain("(0, 1)", low=0, high=1, open_low=True, open_high=True)
FEW = 128  # edges up to so many are compared with all predictions one after the other
BLOCK = 1 << 16
USAGE = (
    "calibration takes (y_true, y_pred), which are arrays, or (frame, y_true=, y_pred=), with the "
    "names of columns"
)


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Predicted probabilities against outcomes, by bins of the predictions.

    Bins without samples of non-zero weight are left out.

    Attributes
    ----------
    edges : ndarray, shape (n_bins, 2)
        Where each bin begins and ends; a prediction at an edge is in the bin that ends there.
    count : ndarray of int, shape (n_bins,)
        Number of samples whose weight is not 0.
    weight : ndarray, shape (n_bins,)
        Sum of the weights.
    prediction, outcome : ndarray, shape (n_bins,)
        Weighted means of predictions and of outcomes.
    error : ndarray, shape (n_bins,)
        Standard error of ``outcome``; NaN for a single sample.
    interval : ndarray, shape (n_bins, 2)
        Wilson's interval of the probability of the outcome.
    level : float
        The probability that an interval covers what it is of.
    ece, mce : float
        Expected and maximum calibration error: the weighted mean and the greatest of
        ``abs(outcome - prediction)``.
    brier : float
        Weighted mean of ``(prediction - outcome)**2`` over the samples.
    reliability, resolution, uncertainty, within_variance, within_covariance : float
        The parts of ``brier``; see `calibration`.
    groups : dict
        The same for each group, by its label, in order; empty without ``by``.

    Examples
    --------
    >>> import fastloss as fl
    >>> y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.8, 0.7]
    >>> fl.calibration(y, p, bins=2)
              count  weight  prediction   outcome     error     95% interval
    [0, 0.3]      3       3         0.2  0.333333  0.333333  0.0615 to 0.792
    (0.3, 1]      3       3         0.7  0.666667  0.333333   0.208 to 0.939
    ece 0.0833333, mce 0.133333
    brier 0.171667 = reliability 0.00944444 - resolution 0.0277778 + uncertainty 0.25
        + within_variance 0.00666667 - within_covariance 0.0666667
    """

    edges: Array
    count: NDArray[np.int64]
    weight: Array
    prediction: Array
    outcome: Array
    error: Array
    interval: Array
    level: float
    ece: float
    mce: float
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float
    groups: Mapping[Hashable, Calibration] = field(default_factory=dict)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a row per bin; with groups, their bins, indexed by group and bin.

        Returns
        -------
        DataFrame
            Columns ``low``, ``high``, ``count``, ``weight``, ``prediction``, ``outcome``,
            ``error``, ``interval_low`` and ``interval_high``.

        Examples
        --------
        >>> import fastloss as fl
        >>> found = fl.calibration([0, 1, 1], [0.2, 0.4, 0.9], bins=[0, 0.5, 1])
        >>> found.to_pandas()["outcome"].tolist()
        [0.5, 1.0]
        """
        import pandas as pd

        if self.groups:
            parts = {label: part.to_pandas() for label, part in self.groups.items()}
            names = column_names((), list(self.groups), "group")
            return pd.concat(parts, names=names)
        columns = {
            "low": self.edges[:, 0],
            "high": self.edges[:, 1],
            "count": self.count,
            "weight": self.weight,
            "prediction": self.prediction,
            "outcome": self.outcome,
            "error": self.error,
            "interval_low": self.interval[:, 0],
            "interval_high": self.interval[:, 1],
        }
        return pd.DataFrame(columns)

    def _bins(self) -> tuple[list[list[str]], list[list[str]]]:
        """The table of bins, column by column, names first: of labels, and of numbers."""
        places = shown_places(len(self.count))
        signs = ["(" if low > 0 or i else "[" for i, low in enumerate(self.edges[:, 0])]
        edges = [f"{signs[i]}{self.edges[i, 0]:.6g}, {self.edges[i, 1]:.6g}]" for i in places]
        numbers = [
            ["count", *map(str, self.count[places])],
            *(
                [name, *map(shown_value, getattr(self, name)[places])]
                for name in ("weight", "prediction", "outcome", "error")
            ),
            [
                f"{100 * self.level:.6g}% interval",
                *(f"{low:.3g} to {high:.3g}" for low, high in self.interval[places]),
            ],
        ]
        labels = [["", *edges]]
        mark_gap(labels + numbers, places)
        return labels, numbers

    def _summaries(self) -> tuple[list[list[str]], list[list[str]]]:
        """The table of groups, and all of them together; as that of bins."""
        groups = list(self.groups)
        places = shown_places(len(groups))
        parts = [*(self.groups[groups[place]] for place in places), self]
        names = [groups[place] for place in places]
        labels = [[*column] for column in zip(*map(parts_of, names), strict=True)]
        rest = [""] * (len(labels) - 1)
        for column, total in zip(labels, [total_label(groups), *rest], strict=True):
            column[:] = ["", *map(shown_text, column), total]
        numbers = [["count", *(str(part.count.sum()) for part in parts)]]
        for name in ("ece", "mce", "brier", "reliability", "resolution", "uncertainty"):
            numbers.append([name, *(shown_value(getattr(part, name)) for part in parts)])
        mark_gap(labels + numbers, places)
        return labels, numbers

    def _words(self) -> list[str]:
        names = ("reliability", "resolution", "uncertainty", "within_variance", "within_covariance")
        first, second, third, fourth, fifth = (f"{n} {getattr(self, n):.6g}" for n in names)
        size = shown_size(len(self.count), "bins")
        return [
            *([size] if size else []),
            f"ece {self.ece:.6g}, mce {self.mce:.6g}",
            f"brier {self.brier:.6g} = {first} - {second} + {third}",
            f"    + {fourth} - {fifth}",
        ]

    def __repr__(self) -> str:
        parts = [text_table(*self._bins()), *self._words()]
        if self.groups:
            parts.append(text_table(*self._summaries()))
        return "\n".join(filter(None, [*parts, shown_size(len(self.groups), "groups")]))

    def _repr_html_(self) -> str:
        parts = [html_table(*self._bins()), f"<p>{'<br>'.join(self._words())}</p>"]
        if self.groups:
            size = shown_size(len(self.groups), "groups")
            parts += [html_table(*self._summaries()), f"<p>{size}</p>" * bool(size)]
        return "\n".join(filter(None, parts))


@overload
def calibration(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    bins: int | ArrayLike = 10,
    strategy: str = "quantile",
    sample_weight: ArrayLike | None = None,
    by: Any = None,
    level: float = 0.95,
    nan_policy: str = "raise",
) -> Calibration: ...


@overload
def calibration(
    frame: Frame,
    /,
    *,
    y_true: str,
    y_pred: str,
    bins: int | ArrayLike = 10,
    strategy: str = "quantile",
    sample_weight: str | None = None,
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
) -> Calibration: ...


def calibration(
    *data: Any,
    y_true: Any = None,
    y_pred: Any = None,
    bins: int | ArrayLike = 10,
    strategy: str = "quantile",
    sample_weight: Any = None,
    by: Any = None,
    level: float = 0.95,
    nan_policy: str = "raise",
) -> Calibration:
    """Compare predicted probabilities with what happened, by bins of the predictions.

    ::

        calibration(y_true, y_pred, *, bins=10, by=None, ...)          # arrays
        calibration(frame, *, y_true, y_pred, bins=10, by=None, ...)  # the columns of a frame

    Parameters
    ----------
    y_true : array_like of shape (n,), or the name of a column
        Outcomes in [0, 1]: True and False, 1 and 0, or shares.
    y_pred : array_like of shape (n,), or the name of a column
        Probabilities in [0, 1]; of several classes, those of one of them.
    frame : object with the Arrow C stream interface
        As `score` takes it.
    bins : int or array_like, default=10
        How many bins, or the edges between and around them, which rise from 0 to 1.
    strategy : {"quantile", "uniform"}
        Bins of as many samples each (with weights, of as much weight), or of the same width. Bins
        are the same for all groups. Not used where ``bins`` holds edges.
    sample_weight : array_like of shape (n,), or the name of a column, optional
        Weights, at least 0. A sample of weight 0 counts nowhere.
    by : array_like of shape (n,), or names of columns, optional
        The group of each sample, as ``groups`` of `score`, or ``by`` of a frame.
    level : float, default=0.95
        In (0, 1): the level of the intervals.
    nan_policy : {"raise", "omit"}
        NaN in an outcome or a prediction raises, or has its sample left out. There is no
        ``"propagate"``: NaN is in no bin.

    Returns
    -------
    Calibration

    Raises
    ------
    DomainError
        If an outcome or a prediction is not in [0, 1], or a weight is not finite.
    ValueError
        If a weight is negative, shapes differ, there is no sample of non-zero weight, or another
        argument is not in its range.
    TypeError
        If an array does not hold numbers, ``bins`` is neither an integer nor edges, or what is for
        arrays and what is for frames is mixed.

    Notes
    -----
    A bin holds its upper edge, not its lower one, but for 0 in the first. Quantile edges are
    predictions: the i-th of b is the least that at least i/b of the samples (of the weight) do not
    exceed. Equal predictions share a bin; where many are equal, edges coincide, there are fewer
    bins, and they are not of as many samples.

    With weights w, m the mean outcome of a bin and n its count, the standard error is ::

        sqrt(n/(n - 1) * sum(w**2 * (y - m)**2))/sum(w)

    The interval is Wilson's for a share m of sum(w)**2/sum(w**2) trials (Kish 1965), which is n
    without weights. Of outcomes between 0 and 1 it is wider than need be, as their variance is less
    than m*(1 - m).

    Brier's score is, of bins k of weights w_k, mean predictions p_k and mean outcomes m_k, ::

        brier = reliability - resolution + uncertainty + within_variance - within_covariance

        reliability       = sum(w_k * (p_k - m_k)**2)/sum(w)
        resolution        = sum(w_k * (m_k - m)**2)/sum(w)      m: the mean of all outcomes
        uncertainty       = sum(w * (y - m)**2)/sum(w)          m*(1 - m) if y is 0 or 1
        within_variance   = sum(w * (p - p_k)**2)/sum(w)
        within_covariance = 2*sum(w * (y - m_k)*(p - p_k))/sum(w)

    The first three are Murphy's; they add up where all predictions of a bin are equal, and the last
    two make up for their differences. The last is computed as what is left, and so holds the
    rounding errors of the others, some 1e-16.

    Sums are those of `score`, and edges do not depend on the order of the samples. The expected
    calibration error depends on the bins, and is above 0 by chance alone: about the mean of
    ``0.8*error`` where predictions are right.

    References
    ----------
    Murphy (1973), A New Vector Partition of the Probability Score, Journal of Applied Meteorology
    12. Stephenson, Coelho and Jolliffe (2008), Two Extra Components in the Brier Score
    Decomposition, Weather and Forecasting 23. Wilson (1927), Probable Inference, the Law of
    Succession, and Statistical Inference, Journal of the American Statistical Association 22. Kish
    (1965), Survey Sampling. Naeini, Cooper and Hauskrecht (2015), Obtaining Well Calibrated
    Probabilities Using Bayesian Binning, AAAI.

    Examples
    --------
    >>> import fastloss as fl
    >>> y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.8, 0.7]
    >>> found = fl.calibration(y, p, bins=2, by=["a", "b", "a", "b", "a", "b"])
    >>> found.prediction.round(3), found.outcome.round(3)
    (array([0.2, 0.7]), array([0.333, 0.667]))
    >>> round(found.groups["b"].ece, 3)
    0.167
    """
    level = LEVEL.parameter("level", level)
    of_frame = bool(data) and y_true is not None
    given = {"y_true": y_true, "y_pred": y_pred}
    bind(USAGE, given, data, ["frame"] if of_frame else list(given))
    check_here({**given, "sample_weight": sample_weight, "by": by})
    y_true, y_pred = given["y_true"], given["y_pred"]
    if of_frame:
        from fastloss.scoring.frames import parts

        whole = parts(given["frame"], y_true, y_pred, sample_weight, by, rows=sys.maxsize)
        columns: dict[str, Any] = next(whole, {"y_true": [], "y_pred": []})
        y_true, y_pred = columns["y_true"], columns["y_pred"]
        sample_weight, by = columns.get("sample_weight"), columns.get("groups")
    y, p, w, labels, codes, brier = _checked(y_true, y_pred, sample_weight, by, nan_policy)
    inner = _inner_edges(p, w, bins, strategy)
    edges = np.transpose([[0.0, *inner], [*inner, 1.0]])
    bin_of = _places(p, inner)
    sums = _sums(y, p, w, bin_of, len(edges))
    groups = {}
    if codes is not None:
        within = _sums(y, p, w, codes * len(edges) + bin_of, len(labels) * len(edges))
        for i in sorted(range(len(labels)), key=lambda i: sort_key(labels[i])):
            part = within[:, i * len(edges) : (i + 1) * len(edges)]
            groups[labels[i]] = _summary(edges, part, brier[1 + i], level)
    return _summary(edges, sums, brier[0], level, groups)


# ---- arguments ---------------------------------------------------------------------------------


def _checked(
    y_true: Any, y_pred: Any, sample_weight: Any, by: Any, nan_policy: str
) -> tuple[Array, Array, Array | None, list[Hashable], Any, list[float]]:
    """Outcomes, predictions, weights and groups that count; Brier's score of all and by group."""
    if nan_policy not in ("raise", "omit"):
        raise ValueError(
            f'nan_policy must be "raise" or "omit", as NaN is in no bin; got {nan_policy!r}'
        )
    y, p = _column(y_true, "y_true"), _column(y_pred, "y_pred") + 0.0  # -0. is no other edge
    w = None if sample_weight is None else _column(sample_weight, "sample_weight")
    if w is not None and (w < 0).any():
        i = int(np.argmax(w < 0))
        raise ValueError(f"sample_weight[{i}] = {w[i]} is negative")
    labels, codes = ([], None) if by is None else codes_of(by, p.shape)
    scores = _scored("brier", y, p, w, codes, nan_policy)
    brier = [float(scores.values[0])]
    if codes is not None:
        of_code = dict(zip(scores.groups or (), scores.group_values[:, 0], strict=True))
        brier += [float(of_code.get(i, math.nan)) for i in range(len(labels))]
    keep = ~(np.isnan(y) | np.isnan(p)) if nan_policy == "omit" else np.ones(p.shape, bool)
    if w is not None:
        keep &= w > 0
    if not keep.all():
        y, p = y[keep], p[keep]
        w = None if w is None else w[keep]
        codes = None if codes is None else codes[keep]
    return y, p, w, labels, codes, brier


def _column(given: Any, name: str) -> Array:
    array: Array = real_array(given, name).astype(np.float64, copy=False)
    if array.ndim != 1:
        raise ValueError(
            f"{name} must have one axis; got shape {array.shape}"
            + ("; of several classes give one, y == label and p[:, i]" if array.ndim == 2 else "")
        )
    return array


def _inner_edges(p: Array, w: Array | None, bins: Any, strategy: str) -> Array:
    """The edges between bins, rising."""
    if strategy not in ("quantile", "uniform"):
        raise ValueError(f'strategy must be "quantile" or "uniform"; got {strategy!r}')
    if np.ndim(bins) == 0:
        count = COUNT.parameter("bins", bins)
        if strategy == "quantile":
            return _quantiles(p, w, count)
        return np.linspace(0.0, 1.0, count + 1)[1:-1]
    edges = _column(bins, "bins")
    if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or not (np.diff(edges) > 0).all():
        raise ValueError(f"bins must be an integer, or edges that rise from 0 to 1; got {bins!r}")
    return edges[1:-1]


def _quantiles(p: Array, w: Array | None, count: int) -> Array:
    """The distinct among the predictions that cut all of them into parts of as much weight."""
    # Sums of integers below 2**53 are exact, whatever the order of equal predictions.
    units = np.ones(len(p))
    if w is not None:
        units = np.rint(np.ldexp(w, -np.frexp(w.max())[1]) * (2.0**52 / len(p)))
    # The upper bits of numbers from 0 on rise with them: where the cuts are is first found among
    # cells of equal ones, and only what lies in those cells is sorted.
    cells = p.view(np.int64) >> 42
    mass = np.bincount(cells, units)
    up_to = np.cumsum(mass)
    shares = [-(-i * int(up_to[-1]) // count) for i in range(1, count)]
    wanted = np.zeros(len(mass), bool)
    wanted[np.searchsorted(up_to, shares)] = True
    rows = np.flatnonzero(wanted[cells])
    rows = rows[np.argsort(p[rows])]
    others = up_to - np.cumsum(np.where(wanted, mass, 0))  # before each cell, of those not sorted
    reached = np.cumsum(units[rows]) + others[cells[rows]]
    return np.unique(p[rows[np.searchsorted(reached, shares)]])


def _places(p: Array, inner: Array) -> NDArray[Any]:
    """The bin of each prediction."""
    if len(inner) > FEW:
        return np.searchsorted(inner, p)
    places = np.zeros(p.shape, np.int16)
    for start in range(0, len(p), BLOCK):  # which stay in the cache
        part = slice(start, start + BLOCK)
        for edge in inner:
            places[part] += p[part] > edge
    return places


# ---- sums --------------------------------------------------------------------------------------


def _sums(y: Array, p: Array, w: Array | None, codes: NDArray[Any], n: int) -> Array:
    """What a summary is made of, for each code; without samples counts and weights are 0.

    Counts, sums of weights, the mean of y and its variance, those of p, the standard error of the
    mean of y, and how many samples of equal weight the weights are worth.
    """
    power = np.zeros(n, np.intc)
    if w is not None:  # each code's are scaled, so that their squares neither overflow nor vanish
        greatest = np.zeros(n)
        np.maximum.at(greatest, codes, w)
        power = -np.frexp(greatest)[1]
        w = np.ldexp(w, power[codes])
    zero = np.broadcast_to(0.0, y.shape)
    counts, weights, m, error = _means("mae", zero, y, w, codes, n, stderr=True)
    _, _, q, _ = _means("mae", zero, p, w, codes, n)
    _, _, of_y, _ = _means("mse", m[codes], y, w, codes, n)
    _, _, of_p, _ = _means("mse", q[codes], p, w, codes, n)
    trials = counts
    if w is not None:
        with np.errstate(invalid="ignore"):
            trials = weights / _means("mae", zero, w, w, codes, n)[2]
    return np.stack([counts, np.ldexp(weights, -power), m, of_y, q, of_p, error, trials])


def _scored(
    loss: str,
    y: Array,
    p: Array,
    w: Array | None,
    codes: Any,
    nan_policy: str = "raise",
    stderr: bool = False,
) -> Scores:
    scorer = Scorer(loss, nan_policy=nan_policy, stderr=stderr)
    scorer.update(y, p, w, codes)
    return scorer.result()


def _means(
    loss: str,
    y: Array,
    p: Array,
    w: Array | None,
    codes: NDArray[Any],
    n: int,
    stderr: bool = False,
) -> Array:
    """Counts, sums of weights, means of a loss and their standard errors, for each code."""
    scores = _scored(loss, y, p, w, codes, stderr=stderr)
    found = np.zeros((4, n))
    places = np.asarray(scores.groups, dtype=np.intp)
    errors = 0.0 if scores.group_errors is None else scores.group_errors[:, 0]
    found[0, places], found[1, places] = scores.group_counts, scores.group_weights
    found[2, places], found[3, places] = scores.group_values[:, 0], errors
    return found


def _summary(
    edges: Array,
    sums: Array,
    brier: float,
    level: float,
    groups: Mapping[Hashable, Calibration] | None = None,
) -> Calibration:
    """What the sums of bins say, empty ones left out."""
    there = sums[0] > 0
    counts, weights, m, of_y, q, of_p, error, trials = sums[:, there]
    shares, gaps = weights / weights.sum(), np.abs(m - q)

    def mean(values: Array) -> float:
        return float(shares @ values) if there.any() else math.nan

    overall = mean(m)
    reliability, resolution = mean(gaps * gaps), mean((m - overall) ** 2)
    uncertainty, spread = mean(of_y) + resolution, mean(of_p)
    return Calibration(
        edges=edges[there],
        count=counts.astype(np.int64),
        weight=weights,
        prediction=q,
        outcome=m,
        error=error,
        interval=np.stack(_wilson(m, trials, level), axis=-1),
        level=level,
        ece=mean(gaps),
        mce=float(gaps.max(initial=0)) if there.any() else math.nan,
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within_variance=spread,
        within_covariance=reliability - resolution + uncertainty + spread - brier,
        groups=groups or {},
    )


def _wilson(share: Array, n: Array, level: float) -> tuple[Array, Array]:
    """The interval of the probability of what happened in a share of n trials."""
    from scipy.special import ndtri  # takes long to import

    z2 = ndtri((1 - level) / 2) ** 2 / n  # of the lower end, which is never rounded to 0
    middle = share + z2 / 2
    half = np.sqrt(z2 * (share * (1 - share) + z2 / 4))
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return np.clip(low, 0, share), np.clip(high, share, 1)  # where rounding would cross them
