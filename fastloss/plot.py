"""Pictures of losses, of how estimators were fitted, and of how well they fit.

Each function draws into the Axes that it is given, or into those of a new figure of pyplot, and
returns them: showing or saving the figure is left to the caller. Estimators may be any that follow
scikit-learn's conventions.

Examples
--------
>>> import numpy as np
>>> from matplotlib.figure import Figure
>>> from sklearn.linear_model import LinearRegression
>>> from fastloss import plot
>>> X = np.arange(10.0).reshape(-1, 1)
>>> model = LinearRegression().fit(X, 2 * X[:, 0] + 1)
>>> figure = Figure()
>>> ax = plot.fit(model, X, 2 * X[:, 0] + 1, ax=figure.add_subplot())
>>> [line.get_label() for line in ax.lines]
['10 rows', 'LinearRegression']
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    from matplotlib.axes import Axes
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ImportError("fastloss.plot needs matplotlib: pip install 'fastloss[plot]'") from error

from fastloss.domains import COUNT, NONNEGATIVE, SIGNS, UNIT
from fastloss.losses.base import Loss, Pointwise, as_loss
from fastloss.losses.links import LOG, real_array
from fastloss.losses.residuals import depends_on_residual
from fastloss.losses.robust import SCALE
from fastloss.palette import BLACK, BLUE, GREEN, GREY, ORANGE, PALE, PINK, SKY, VERMILION
from fastloss.scoring.calibration import Calibration, calibration as calibration_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    SomeAxes = Axes | Sequence[Axes] | NDArray[Any]

__all__ = ["calibration", "fit", "history", "loss_shapes", "reliability", "residuals"]

MAX_POINTS = 5_000  # of more rows as many are drawn, at random
GRID = 501  # points of a curve
# Each with a dash of its own, for print in grey.
COLOURS = (BLACK, VERMILION, BLUE, ORANGE, SKY, GREEN, PINK)
DASHES = ("-", "--", "-.", ":", (0, (9, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 3)))


# ---- training ----------------------------------------------------------------------------------

_PANELS = {"grad_norm": "gradient\nnorm", "learning_rate": "learning\nrate"}


def history(est: Any, *, axes: SomeAxes | None = None) -> NDArray[Any]:
    """Draw the loss by iteration or epoch, and below it the norm of the gradient and the rate.

    Parameters
    ----------
    est : estimator
        A fitted one with ``history_``, as those of ``fastloss.linear_model``, or a pipeline that
        ends in one.
    axes : Axes or sequence of Axes, optional
        The first takes the losses, the next the norm of the gradient and the learning rate, as many
        as there are. By default a new figure has a panel for what ``history_`` holds, and for the
        learning rate only if it changes.

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If it has no ``history_``, or that is empty, or there are too many axes.

    Notes
    -----
    If there are losses of validation data, their least is marked. An axis is logarithmic where all
    its values are positive and the greatest is at least 30 times the least.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.linear_model import SGDClassifier
    >>> from fastloss import plot
    >>> model = SGDClassifier().fit([[0.0], [1.0]], [0, 1])
    >>> model.history_ = {"loss": [3.0, 2.0, 1.5], "validation_loss": [3.0, 2.5, 2.7]}
    >>> (ax,) = plot.history(model, axes=Figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['training', 'validation', 'least, at iteration 2']
    """
    series = _history_of(est)
    varying = [name for name in _PANELS if name in series and np.ptp(series[name][1]) > 0]
    wanted = ["loss", *varying]
    ratios = [3, *[1] * len(varying)]
    size = 6.4, 1.3 * sum(ratios)
    shown = _axes(axes, *wanted, least=1, sharex=True, height_ratios=ratios, figsize=size)
    unit = "epoch" if "learning_rate" in series else "iteration"
    for ax, name in zip(shown, wanted, strict=False):
        ax.set_ylabel(_PANELS.get(name, name))
        _log_if_wide(ax.yaxis, series[name][1])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        if name != "loss":
            ax.plot(*series[name], color=BLACK, lw=1.2, marker=_marker(series[name][0]), ms=3)
    _draw_losses(shown[0], series, unit)
    shown[-1].set_xlabel(unit)
    return shown


def _history_of(est: Any) -> dict[str, tuple[Any, Any]]:
    """Numbers of iterations and values, of what there are finite ones of."""
    _check_fitted(est)
    found = getattr(_last_step(est), "history_", None)
    if found is None:
        raise ValueError(
            "est must have history_, as the estimators of fastloss.linear_model have; "
            f"{_name(est)} has not"
        )
    series = {}
    for name, values in found.items():
        y = np.array(values, np.float64)  # None becomes NaN
        finite = np.isfinite(y)
        if finite.any():
            series[name] = np.flatnonzero(finite) + 1, y[finite]
    if "loss" not in series:
        raise ValueError(f"history_ of {_name(est)} holds no finite loss")
    return series


def _draw_losses(ax: Axes, series: dict[str, tuple[Any, Any]], unit: str) -> None:
    x, y = series["loss"]
    ax.plot(x, y, color=BLUE, lw=1.6, marker=_marker(x), ms=4, label="training")
    if "validation_loss" in series:
        x, y = series["validation_loss"]
        ax.plot(x, y, "--", color=VERMILION, lw=1.6, marker=_marker(x), ms=4, label="validation")
        best = np.argmin(y)
        label = f"least, at {unit} {x[best]}"
        ax.plot(x[best], y[best], "*", color=BLACK, ms=12, zorder=3, label=label)
        ax.axvline(x[best], color=GREY, lw=0.8, ls=":")
    ax.legend(frameon=False)


def _marker(x: Any) -> str:
    """Points that can be told apart are marked."""
    return "o" if len(x) <= 30 else ""


def _log_if_wide(axis: Any, values: Any) -> None:
    if values.min() > 0 and values.max() >= 30 * values.min():
        axis.axes.set_yscale("log")


# ---- losses ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """What losses must share to be curves over one axis."""

    words: str
    label: str
    y: float
    start: float
    stop: float
    origin: float = 0.0  # the prediction where x is 0


_PROBABILITIES = _Kind("probabilities", "probability z of the true class", 1, 0.01, 1)
_MARGINS = _Kind("scores of two classes", "margin: z for y = 1", 1, -2, 3)
_LOGARITHMS = _Kind("logarithms of means", "z - log(y) at y = 1, z the log of a mean", 1, -3, 3)
_RESIDUALS = _Kind("residuals", "residual z - y", 0, -3, 3)
_AT_1 = _Kind("residuals", "residual z - y at y = 1", 1, -3, 3, origin=1.0)


def loss_shapes(
    losses: str | Loss | Iterable[str | Loss],
    residuals: ArrayLike | None = None,
    *,
    axes: Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw losses and their derivatives by the prediction as curves.

    Parameters
    ----------
    losses : str, Loss, or iterable of these
        All of one kind:

        - of regression: the curves are over the residual z - y. If the loss does not depend on it
          alone, as the percentage errors, they are at y = 1;
        - of logarithms of means, as `Poisson`: over z - log(y) at y = 1;
        - of scores of two classes, as `Hinge` and `Logistic`: over the margin, which is the score z
          of a sample of y = 1;
        - of probabilities, as `LogLoss`: over the probability of a sample of y = 1.
    residuals : array_like, optional
        Where to evaluate, in order: residuals, margins or probabilities. Curves end where the
        domain of the loss does.
    axes : sequence of two Axes, optional
        For values and derivatives; by default those of a new figure.

    Returns
    -------
    ndarray of two Axes

    Raises
    ------
    ValueError
        If a loss is of rows, kinds are mixed, there are no losses, or ``residuals`` has not one
        axis.
    TypeError
        If one is no loss.

    Notes
    -----
    A curve leaves the picture where it is more than five times as high as the flattest one gets.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from fastloss import plot
    >>> from fastloss.losses import Huber
    >>> values, slopes = plot.loss_shapes(
    ...     ["mse", Huber(delta=0.5)], [-1.0, 0.0, 2.0], axes=Figure().subplots(1, 2)
    ... )
    >>> values.lines[1].get_label(), values.lines[1].get_ydata()
    ('huber:delta=0.5', array([0.375, 0.   , 0.875]))
    """
    given = [losses] if isinstance(losses, (str, Loss)) else losses
    chosen: list[Any] = [as_loss(loss) for loss in given]
    kind = _common_kind(chosen)
    x = _reach(chosen, kind) if residuals is None else _numbers(residuals, "residuals")
    purposes = "loss", "derivative by z"
    shown = _axes(axes, *purposes, columns=True, figsize=(9.6, 3.8))
    z = x + kind.origin
    for i, loss in enumerate(chosen):
        low, high = loss.z_domain.closed(np.float64)
        inside = (low <= z) & (z <= high)
        y = np.full(np.count_nonzero(inside), kind.y)
        curves = loss.value_and_grad(y, z[inside], reduction="none")
        for ax, curve in zip(shown, curves, strict=True):
            ax.plot(x[inside], curve, label=loss.spec, **_line(i))
    for ax, words in zip(shown, purposes, strict=True):
        _show_the_flattest(ax)
        ax.axhline(0, color=GREY, lw=0.8, zorder=1)
        ax.set(xlabel=kind.label, ylabel=words)
        ax.grid(lw=0.4, color=PALE)
    shown[1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return shown


def _common_kind(losses: Sequence[Any]) -> _Kind:
    """The kind that all losses are of."""
    kinds = {loss: _kind(loss) for loss in losses}
    words = {kind.words: loss for loss, kind in kinds.items()}
    if len(words) > 1:
        a, b = [f"{loss.spec} is of {kind}" for kind, loss in words.items()][:2]
        raise ValueError(f"losses must be over the same axis to be drawn together: {a}, {b}")
    if not kinds:
        raise ValueError("losses must hold one at least; got none")
    every = [*kinds.values()]
    return _AT_1 if _AT_1 in every else every[0]


def _kind(loss: Any) -> _Kind:
    if not isinstance(loss, Pointwise):
        raise ValueError(f"a loss of one prediction is a curve; {loss!r} is of rows of several")
    if loss.z_domain == UNIT:
        return _PROBABILITIES
    if loss.y_domain in (UNIT, SIGNS):
        return _MARGINS
    if loss._link is LOG:
        return _LOGARITHMS
    return _RESIDUALS if depends_on_residual(loss) else _AT_1


def _reach(losses: Sequence[Any], kind: _Kind) -> NDArray[np.float64]:
    """Where curves are drawn; residuals as far as the widest loss has its bend well inside."""
    scales = [
        loss.parameters[name]
        for loss in losses
        for name, domain in loss._ranges.items()
        if domain in (SCALE, NONNEGATIVE)
    ]
    scale = max([1.0, *(s / 2 for s in scales)]) if kind.words == _RESIDUALS.words else 1.0
    return scale * np.linspace(kind.start, kind.stop, 2 * GRID - 1)


def _show_the_flattest(ax: Axes) -> None:
    """Let curves leave the Axes that would make the flattest one look like a line."""
    curves = [np.asarray(line.get_ydata(), np.float64) for line in ax.lines]
    curves = [curve[np.isfinite(curve)] for curve in curves]
    tops = [np.abs(curve).max() for curve in curves if curve.any()]
    if tops and max(tops) > 5 * min(tops):
        seen = np.clip(np.concatenate(curves), -5 * min(tops), 5 * min(tops))
        margin = 0.05 * np.ptp(seen)
        ax.set_ylim(seen.min() - margin, seen.max() + margin)


# ---- fits --------------------------------------------------------------------------------------


def fit(est: Any, X: Any, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw data and what an estimator makes of them.

    Of a single feature, the rows of the data and the fitted curve: of a classifier, that of each
    class's probability, of two classes the second's, or of the class predicted where it has no
    ``predict_proba``. Of more features, the predictions against the actual targets and the diagonal
    where they are equal; of a classifier the numbers of rows of each actual and predicted class.

    Parameters
    ----------
    est : estimator
        A fitted regressor or classifier of one target.
    X : array_like, sparse matrix or data frame of shape (n, d)
    y : array_like of shape (n,)
    ax : Axes, optional
        By default that of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If ``X`` and ``y`` are not of as many rows, ``y`` has not one axis or holds a label that the
        estimator does not know, or targets or predictions are not finite.
    TypeError
        If targets or predictions of a regressor are not numbers.

    Notes
    -----
    Of more than 5,000 rows as many are drawn, chosen at random but the same each time.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.linear_model import LinearRegression
    >>> from fastloss import plot
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]], [1.0, 2.0, 3.0, 5.0]
    >>> ax = plot.fit(LinearRegression().fit(X, y), X, y, ax=Figure().add_subplot())
    >>> ax.get_title()
    'LinearRegression: predicted against actual'
    """
    from sklearn.base import is_classifier  # losses are drawn without scikit-learn

    targets = _targets(est, X, y)
    single = np.shape(X)[1:] == (1,)
    draw: Callable[..., Axes]
    if is_classifier(est):
        targets = _places(est, targets)
        draw = _draw_class_curves if single else _draw_classes
    else:
        targets = _numbers(targets, "y")
        draw = _draw_curve if single else _draw_predicted
    ax = draw(ax, est, X, targets)
    if single:
        ax.set_xlabel(str(X.columns[0]) if hasattr(X, "columns") else "feature")
    else:
        ax.set_title(f"{_name(est)}: predicted against actual")
    return ax


def _draw_curve(given: Axes | None, est: Any, X: Any, y: Any) -> Axes:
    x, grid = _column(X)
    curve = _numbers(est.predict(_like(X, grid)), "predictions")
    ax = _ax(given)
    _scatter(ax, x, y)
    ax.plot(grid, curve, color=BLACK, lw=2, label=_name(est))
    ax.set_ylabel("target")
    ax.legend()
    return ax


def _draw_class_curves(given: Axes | None, est: Any, X: Any, places: Any) -> Axes:
    x, grid = _column(X)
    names = [str(name) for name in est.classes_]
    k = len(names)
    heights = [*map(float, range(k))]  # where the rows of the classes are
    if hasattr(est, "predict_proba"):
        curves = est.predict_proba(_like(X, grid)).T
        ax = _ax(given)
        ax.set_ylabel(f"probability of {names[1]}" if k == 2 else "probability")
        ax.set_yticks(np.linspace(0, 1, 6))
        if k != 2:
            heights = [-min(0.07, 0.5 / k) * (i + 1) for i in range(k)]
    else:
        curves = [np.searchsorted(est.classes_, est.predict(_like(X, grid)))]
        ax = _ax(given)
        ax.set_ylabel("class")
        ax.set_yticks(heights, names)
    several = len(curves) > 2
    some = _some(len(x))
    for i, height in enumerate(heights):
        at = x[some][places[some] == i]
        colour = _line(i)["color"] if several else BLUE
        label = _of_rows(len(x)) if i == 0 and not several else None
        ax.plot(at, np.full(len(at), height), "|", color=colour, ms=9, alpha=0.5, label=label)
    for i, curve in enumerate(curves if several else curves[-1:]):
        ax.plot(grid, curve, label=names[i] if several else _name(est), **_line(i))
    ax.margins(y=0.1)
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return ax


def _draw_predicted(given: Axes | None, est: Any, X: Any, y: Any) -> Axes:
    predicted = _predictions(est, X, y)
    ax = _ax(given)
    _scatter(ax, y, predicted)
    ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
    ax.plot(ends, ends, "--", color=BLACK, lw=1.2, label="predicted = actual")
    ax.set(xlabel="actual", ylabel="predicted", aspect="equal")
    ax.legend()
    return ax


def _draw_classes(given: Axes | None, est: Any, X: Any, places: Any) -> Axes:
    """Numbers of rows by actual and predicted class, shaded by the share of the actual class."""
    names = [str(name) for name in est.classes_]
    k = len(names)
    predicted = np.searchsorted(est.classes_, est.predict(X))
    counts = np.bincount(places * k + predicted, minlength=k * k).reshape(k, k)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax = _ax(given)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("share of the rows of the actual class")
    if k <= 12:  # there is room for numbers
        for (i, j), count in np.ndenumerate(counts):
            colour = "white" if shares[i, j] > 0.5 else BLACK
            ax.text(j, i, f"{count:,}", ha="center", va="center", color=colour)
    if k <= 30:
        ax.set_yticks(range(k), names)
        ax.set_xticks(range(k), names)
        if k * max(map(len, names)) > 40:
            ax.tick_params(axis="x", labelrotation=90)
    ax.set(xlabel="predicted", ylabel="actual")
    return ax


def residuals(est: Any, X: Any, y: ArrayLike, *, axes: SomeAxes | None = None) -> NDArray[Any]:
    """Draw residuals, the actual target minus the prediction, against predictions.

    A line and a band show their median and quartiles along the predictions, in up to 20 bins of as
    many rows, at least 50: of a model that misses nothing but noise which is alike everywhere, the
    line is level and the band of one width. Beside them is a histogram of the residuals.

    Parameters
    ----------
    est : estimator
        A fitted regressor of one target.
    X : array_like, sparse matrix or data frame of shape (n, d)
    y : array_like of shape (n,)
    axes : Axes or sequence of two Axes, optional
        For the residuals and the histogram; if it is one, there is no histogram. By default those
        of a new figure.

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If it is a classifier, ``X`` and ``y`` are not of as many rows, ``y`` has not one axis, or
        targets or predictions are not finite.
    TypeError
        If targets or predictions are not numbers.

    Notes
    -----
    Of more than 5,000 rows as many points are drawn, chosen at random but the same each time;
    quartiles and histogram are of all. Of less than 150 rows there are no quartiles. Residuals
    beyond the range of the middle 99% by more than its width are out of the picture, and the label
    of the points counts them.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.dummy import DummyRegressor
    >>> from fastloss import plot
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 2.0, 6.0]
    >>> (ax,) = plot.residuals(DummyRegressor().fit(X, y), X, y, axes=Figure().add_subplot())
    >>> ax.lines[0].get_ydata()
    array([-2., -1.,  3.])
    """
    from sklearn.base import is_classifier

    targets = _targets(est, X, y)
    if is_classifier(est):
        raise ValueError(f"est must be a regressor, as {_name(est)} is not; see calibration")
    targets = _numbers(targets, "y")
    predicted = _predictions(est, X, targets)
    left = targets - predicted
    purposes, ratios = ("residuals", "histogram"), [4, 1]
    shown = _axes(axes, *purposes, least=1, columns=True, sharey=True, width_ratios=ratios)
    inside = left[_near_the_rest(left)]
    beyond = len(left) - len(inside)
    ax = shown[0]
    _scatter(ax, predicted, left, note=f"; {beyond:,} out of the picture" if beyond else "")
    ax.axhline(0, color=GREY, lw=1)
    _draw_quartiles(ax, predicted, left)
    ax.set(xlabel="prediction", ylabel="residual: actual - predicted")
    if beyond:
        margin = 0.05 * np.ptp(inside) or 1.0
        ax.set_ylim(inside.min() - margin, inside.max() + margin)
    ax.legend()
    if len(shown) > 1:
        shown[1].hist(inside, _bins(inside), orientation="horizontal", color=SKY)
        shown[1].axhline(0, color=GREY, lw=1)
        shown[1].set_xlabel("rows")
    return shown


def _near_the_rest(values: Any) -> Any:
    """Which values are not far from the middle 99%."""
    low, high = np.percentile(values, (0.5, 99.5))
    width = high - low
    return (values >= low - width) & (values <= high + width)


def _bins(values: Any) -> int:
    """How many bins a histogram has: after Freedman and Diaconis, 50 at most."""
    first, third = np.percentile(values, (25, 75))
    width = 2 * (third - first) / len(values) ** (1 / 3)
    span = np.ptp(values)
    return max(1, math.ceil(span / width)) if 50 * width > span else 50


def _draw_quartiles(ax: Axes, x: Any, y: Any) -> None:
    count = min(20, len(x) // 50)
    if count < 3:
        return
    parts = _equal_parts(x, count)
    middles = [np.median(x[part]) for part in parts]
    low, median, high = np.transpose([np.percentile(y[part], (25, 50, 75)) for part in parts])
    ax.fill_between(middles, low, high, color=ORANGE, alpha=0.35, lw=0, label="quartiles")
    ax.plot(middles, median, color=BLACK, lw=2, marker="o", ms=4, label="median")


# ---- probabilities -----------------------------------------------------------------------------


def calibration(
    est: Any,
    X: Any = None,
    y: ArrayLike | None = None,
    *,
    bins: int = 10,
    axes: SomeAxes | None = None,
) -> NDArray[Any]:
    """Draw whether what a classifier gives a probability happens as often: `reliability` of it.

    Parameters
    ----------
    est : estimator or Calibration
        A fitted classifier with ``predict_proba``; or what `fastloss.calibration` found, with a
        curve for each of its groups, if it has any. ``X``, ``y`` and ``bins`` are not used then,
        and there is no histogram.
    X : array_like, sparse matrix or data frame of shape (n, d)
    y : array_like of shape (n,)
        Labels. Of two classes, the second's probability is drawn; of more, a curve for each.
    bins, axes
        As `reliability` has them.

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If it has no ``predict_proba``, ``X`` and ``y`` are not of as many rows, ``y`` has not one
        axis or holds a label that the estimator does not know, or ``bins`` is not in its range.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.dummy import DummyClassifier
    >>> from fastloss import plot
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "no", "no", "yes"]
    >>> model = DummyClassifier().fit(X, y)
    >>> (ax,) = plot.calibration(model, X, y, axes=Figure().add_subplot())
    >>> ax.lines[1].get_xydata()
    array([[0.25, 0.25]])
    """
    if isinstance(est, Calibration):
        (ax,) = shown = _axes(axes, "curve", figsize=(5.4, 5.4))
        for label, part in (est.groups or {None: est}).items():
            if len(part.count):  # a group may have no weight
                _draw_calibration(ax, part, label)
        ax.set_xlabel("probability")
        return shown
    labels = _targets(est, X, y)
    if not hasattr(est, "predict_proba"):
        raise ValueError(f"est must have predict_proba; {_name(est)} has not")
    places = _places(est, labels)
    p = est.predict_proba(X)
    if len(est.classes_) == 2:
        shown = reliability(places, p[:, 1], bins=bins, label=_name(est), axes=axes)
        shown[-1].set_xlabel(f"probability of {est.classes_[1]}")
        return shown
    for i, name in enumerate(est.classes_):
        axes = reliability(places == i, p[:, i], bins=bins, label=str(name), axes=axes)
    return np.atleast_1d(np.asarray(axes, dtype=object))


def reliability(
    y: ArrayLike,
    p: ArrayLike,
    *,
    bins: int = 10,
    label: str | None = None,
    axes: SomeAxes | None = None,
) -> NDArray[Any]:
    """Draw how often happened what was given each probability: a reliability diagram.

    Rows are put in bins of equally many by their probability, as `fastloss.calibration` does. Each
    bin is a point: the mean of its probabilities and the share that happened, with the 95% interval
    of Wilson. Below is a histogram of the probabilities.

    Parameters
    ----------
    y : array_like of shape (n,)
        Whether it happened, as True and False or 1 and 0; of labels ``labels == label``.
    p : array_like of shape (n,)
        The probabilities given.
    bins : int, default=10
    label : str, optional
        What the curve is called in the legend.
    axes : Axes or sequence of two Axes, optional
        For the curve and the histogram; if it is one, there is no histogram. By default those of a
        new figure. What is returned may be given again, for one more curve.

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    ValueError
        If ``y`` holds anything but 0 and 1, ``p`` numbers that are not in [0, 1], they are not of
        the same length, or ``bins`` is less than 1.
    TypeError
        If ``bins`` is not an integer, or ``y`` or ``p`` do not hold numbers.

    References
    ----------
    Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference, Journal of
    the American Statistical Association 22.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from fastloss import plot
    >>> y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.8, 0.7]
    >>> (ax,) = plot.reliability(y, p, bins=2, axes=Figure().add_subplot())
    >>> ax.lines[1].get_ydata().round(3)
    array([0.333, 0.667])
    """
    happened, said = _events(y, p)
    found = calibration_of(happened, said, bins=COUNT.parameter("bins", bins))
    shown = _axes(
        axes, "curve", "histogram", least=1, sharex=True, height_ratios=[4, 1], figsize=(5.4, 6)
    )
    i = _draw_calibration(shown[0], found, label)
    if len(shown) > 1:
        edges = np.linspace(0, 1, 41)
        shown[1].hist(said, bins=edges, histtype="step", **_line(i))
        shown[1].set_ylabel("rows")
    shown[-1].set_xlabel("probability")
    return shown


def _draw_calibration(ax: Axes, found: Calibration, label: Any) -> int:
    """Draw a curve of means with their intervals; how many were there before."""
    i = len(ax.containers)
    if i == 0:
        ax.plot([0, 1], [0, 1], color=GREY, lw=1, label="perfect calibration")
    few, many = found.count.min(), found.count.max()
    rows = f"{few:,}" if few == many else f"{few:,} to {many:,}"
    words = f"{'' if label is None else f'{label}: '}{len(found.count)} bins of {rows} rows"
    error = np.abs(found.interval.T - found.outcome)
    ax.errorbar(
        found.prediction,
        found.outcome,
        error,
        label=words,
        marker="osD^vPX"[i % 7],
        ms=5,
        capsize=3,
        **_line(i),
    )
    level = f"{100 * found.level:.6g}% interval"
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), ylabel=f"share that happened, {level}")
    ax.grid(lw=0.4, color=PALE)
    ax.legend(frameon=False)
    return i


def _events(y: ArrayLike, p: ArrayLike) -> tuple[Any, Any]:
    """What happened and how probable it was said to be, checked."""
    probabilities, happened = _numbers(p, "p"), _numbers(y, "y")
    if len(probabilities) != len(happened):
        raise ValueError(
            f"y and p must be of the same length; got {len(happened)} and {len(probabilities)}"
        )
    for name, values, right, words in (
        ("y", happened, (happened == 0) | (happened == 1), "0 or 1; of labels give y == label"),
        ("p", probabilities, (probabilities >= 0) & (probabilities <= 1), "in [0, 1]"),
    ):
        if not right.all():
            i = int(np.argmin(right))
            raise ValueError(f"{name}[{i}] = {values[i]} is not {words}")
    return happened, probabilities


# ---- what they share ---------------------------------------------------------------------------


def _axes(
    given: Any, *purposes: str, least: int | None = None, columns: bool = False, **figure: Any
) -> NDArray[Any]:
    """The Axes given, or those of a new figure: one for each purpose, or at least some of them."""
    n = len(purposes)
    if given is None:
        from matplotlib import pyplot  # which chooses a backend

        rows, cols = (1, n) if columns else (n, 1)
        _, made = pyplot.subplots(rows, cols, squeeze=False, layout="constrained", **figure)
        return np.asarray(made).ravel()
    found = np.array(given, dtype=object).ravel()
    wrong = [ax for ax in found if not isinstance(ax, Axes)]
    if wrong:
        raise TypeError(f"axes must be Axes of matplotlib; got {wrong[0]!r}")
    if not (n if least is None else least) <= len(found) <= n:
        number = n if least is None else f"{least} to {n}"
        raise ValueError(f"axes must be {number}, for {', '.join(purposes)}; got {len(found)}")
    return found


def _ax(given: Axes | None) -> Axes:
    (ax,) = _axes(given, "data and fit")
    return ax  # type: ignore[no-any-return]


def _line(i: int) -> dict[str, Any]:
    """How the line of a number is drawn."""
    n = len(COLOURS)
    return {"color": COLOURS[i % n], "ls": DASHES[(i + i // n) % n], "lw": 1.8}


def _some(n: int) -> Any:
    """Which of n rows are drawn."""
    if n <= MAX_POINTS:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(n, MAX_POINTS, replace=False))


def _of_rows(n: int) -> str:
    return f"{n:,} rows" if n <= MAX_POINTS else f"{MAX_POINTS:,} of {n:,} rows"


def _scatter(ax: Axes, x: Any, y: Any, note: str = "") -> None:
    some = _some(len(x))
    few = len(x) <= 500
    ax.plot(
        x[some],
        y[some],
        "o",
        color=SKY,
        ms=4 if few else 3,
        mew=0,
        alpha=0.8 if few else 0.5,
        label=_of_rows(len(x)) + note,
        rasterized=not few,
    )


def _equal_parts(values: Any, parts: int) -> list[Any]:
    """Rows in parts of as many each, in the order of their values; equal ones stay together."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ends = np.arange(1, parts) * len(values) // parts
    before, behind = (np.searchsorted(ordered, ordered[ends], side) for side in ("left", "right"))
    cuts = np.unique(np.where(ends - before <= behind - ends, before, behind))
    return [part for part in np.split(order, cuts) if len(part)]


def _last_step(est: Any) -> Any:
    """What a pipeline ends in; else the estimator itself."""
    return est.steps[-1][1] if hasattr(est, "steps") else est


def _name(est: Any) -> str:
    return type(_last_step(est)).__name__


def _check_fitted(est: Any) -> None:
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(est)


def _targets(est: Any, X: Any, y: Any) -> Any:
    """Targets of a fitted estimator, one for each row of X."""
    from sklearn.utils import check_consistent_length

    _check_fitted(est)
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"y must have one axis, a target for each row; got shape {y.shape}")
    check_consistent_length(X, y)
    return y


def _places(est: Any, y: Any) -> Any:
    """The places of labels among the classes of an estimator."""
    classes = getattr(est, "classes_", None)
    if not isinstance(classes, np.ndarray):
        raise ValueError(f"est must be a classifier of one target; got {_name(est)}")
    known = np.isin(y, classes)
    if not known.all():
        raise ValueError(
            f"y holds {y[~known][0]!r}, which the estimator was not fitted with: its classes_ are "
            f"{classes.tolist()}"
        )
    return np.searchsorted(classes, y)  # they are sorted


def _predictions(est: Any, X: Any, y: Any) -> Any:
    predicted = _numbers(est.predict(X), "predictions")
    if predicted.shape != y.shape:
        raise ValueError(f"predictions have the shape {predicted.shape}, but y has {y.shape}")
    return predicted


def _numbers(values: Any, name: str) -> NDArray[np.float64]:
    """Finite numbers in one axis."""
    found = real_array(values, name).astype(np.float64, copy=False)
    if found.ndim != 1:
        raise ValueError(f"{name} must have one axis; got shape {found.shape}")
    if not found.size:
        raise ValueError(f"{name} must hold at least one number")
    finite = np.isfinite(found)
    if not finite.all():
        i = int(np.argmin(finite))
        raise ValueError(f"{name}[{i}] = {found[i]} is not finite")
    return found


def _column(X: Any) -> tuple[Any, Any]:
    """The numbers of the single feature, and those to draw a curve at."""
    x = _numbers(np.asarray(X.toarray() if hasattr(X, "toarray") else X)[:, 0], "X")
    return x, np.linspace(x.min(), x.max(), GRID)


def _like(X: Any, x: Any) -> Any:
    """Numbers as the single feature of what X is: a data frame, or an array."""
    return type(X)({X.columns[0]: x}) if hasattr(X, "columns") else x[:, None]
