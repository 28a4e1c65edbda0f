"""What is scored: losses, and metrics that are made of sums over the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import DomainError
from fastloss.domains import REAL
from fastloss.losses.base import Loss, OfMean, as_loss, loss_class, loss_names
from fastloss.losses.classification import Brier
from fastloss.losses.links import real_array
from fastloss.losses.regression import SquaredError
from fastloss.losses.rows import RowLoss
from fastloss.scoring.exact import quotients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.scoring.part import Part

    Array = NDArray[Any]


class Measure:
    """A score: columns of numbers, a row each, and what it makes of their means.

    Attributes
    ----------
    spec, name : str
        With its parameters, and without.
    n_columns : int
    is_mean : bool
        Whether it is the mean of its only column, or the root of that: it has a standard error.
    is_root : bool
    is_ordered : bool
        Whether one value is better than another.
    larger_is_better : bool
    losses : tuple of Loss
        Those that look at the samples.
    of_rows : bool or None
        Whether predictions are rows; None: either.
    """

    spec: str
    n_columns = 1
    is_mean = True
    is_root = False
    is_ordered = True
    larger_is_better = False
    losses: tuple[Loss, ...] = ()
    of_rows: bool | None = None

    @property
    def name(self) -> str:
        return self.spec.partition(":")[0]

    def classes_of(self, losses: Iterable[Loss]) -> None:
        """Learn from the losses that are scored too which names classes have."""

    def columns(self, part: Part) -> list[Array]:
        """The numbers of each sample."""
        raise NotImplementedError

    def value(self, means: Array, numbers: Array, weights: Array) -> Array:
        """The score, from the means of the columns along the last axis.

        ``numbers`` and ``weights`` are what they are the quotients of, as integers.
        """
        return means[..., 0]


class OfLoss(Measure):
    """The mean of a loss, or its root."""

    def __init__(self, loss: Loss) -> None:
        self.spec, self.losses, self.is_root = loss.spec, (loss,), loss._root
        self.of_rows = isinstance(loss, RowLoss) or None

    def columns(self, part: Part) -> list[Array]:
        # of one sample a root is that of its square, which is what the mean is of
        return [part.values(SquaredError() if self.is_root else self.losses[0])]

    def value(self, means: Array, numbers: Array, weights: Array) -> Array:
        with np.errstate(invalid="ignore"):  # of negative weights
            return np.sqrt(means[..., 0]) if self.is_root else means[..., 0]


class Mean(Measure):
    """The mean of the targets, of the predictions, or of what these are more."""

    of_rows = False
    is_ordered = False

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def columns(self, part: Part) -> list[Array]:
        part.check_gaps()
        y, z = real_array(part.y_true, "y_true"), real_array(part.y_pred, part.name)
        if self.spec == "bias":
            return [np.subtract(z, y, dtype=np.float64)]
        return [y if self.spec == "mean_true" else z]


class Accuracy(Measure):
    """The share of samples whose class is among the k of the largest predictions.

    Of single predictions, the share of those on the side of the threshold that the class, 0 or 1,
    is on.
    """

    larger_is_better = True

    def __init__(self, spec: str, k: int = 1, threshold: float = 0.5) -> None:
        self.spec, self.k, self.threshold = spec, k, threshold
        self.of_rows = True if spec.startswith("top_k") else None
        self._encode: Callable[[Array], Array] | None = None

    def classes_of(self, losses: Iterable[Loss]) -> None:
        for loss in losses:
            if isinstance(loss, RowLoss) and loss.parameters.get("classes") is not None:
                self._encode = loss._encode

    def columns(self, part: Part) -> list[Array]:
        part.check_gaps()
        y, z = part.y_true, real_array(part.y_pred, part.name)
        if part.axis is None:
            y = real_array(y, "y_true")
            self._check(part, (y == 0) | (y == 1), "0 or 1")
            right = (z.astype(np.float64, copy=False) > self.threshold) == (y == 1)
            return [np.where((z == z) & (y == y), right, np.nan)]
        y = y if self._encode is None else self._encode(y)
        z = np.moveaxis(z, part.axis, -1)
        if y.shape != z.shape[:-1]:
            raise ValueError(
                f"{self.spec} needs a class for each row, of shape {z.shape[:-1]}; got {y.shape}"
            )
        if y.dtype.kind not in "iubf":
            raise TypeError(
                f"{self.spec} needs classes as integers, or beside a loss with classes=; "
                f"got dtype {y.dtype}"
            )
        known = (y >= 0) & (y < z.shape[-1]) & (y % 1 == 0)
        self._check(part, known, f"a class from 0 to {z.shape[-1] - 1}")
        labels = np.where(known, y, 0).astype(np.intp)
        own = np.take_along_axis(z, labels[..., None], -1)
        # of equal predictions the first class counts
        before = np.arange(z.shape[-1]) < labels[..., None]
        ahead = ((z > own) | (z == own) & before).sum(axis=-1)
        return [np.where(np.isnan(z).any(axis=-1) | (y != y), np.nan, ahead < self.k)]

    def _check(self, part: Part, good: Array, domain: str) -> None:
        """An error for a target that is neither good nor left out."""
        y = part.y_true
        weight = part.weights()
        bad = ~(good | (y != y))
        if weight is not None:
            bad &= weight != 0
        if bad.any():
            place = tuple(map(int, np.argwhere(bad)[0]))
            raise DomainError("y_true", place, y[place], domain, self.spec)


class Explained(Measure):
    """D2: 1 less a loss over that of the best constant; of squares R2.

    With c any constant, m the mean target and l the loss, the loss of the best constant is
    mean(l(y, c)) - l(m, c) + l(m, link(m)): the losses whose best constant is the mean are this far
    from their least. Of squares it is found from sums that are exact. Where targets are constant a
    perfect prediction has 1, and any other 0.
    """

    is_mean = False
    larger_is_better = True
    of_rows = False

    def __init__(self, spec: str, loss: Loss) -> None:
        if not isinstance(loss, OfMean) or loss._root:
            raise ValueError(
                f"{spec}: the best constant of {loss.spec} is not the mean of the targets, so that "
                f"it cannot be found from sums; optimal_constant() sorts or searches"
            )
        self.spec, self.losses = spec, (loss,)
        self._of_squares = isinstance(loss, (SquaredError, Brier))
        self.n_columns = 4 if self._of_squares else 3
        domain = loss.y_domain
        middle = 0.5 if domain.high == 1 else 1.0 if domain.low == 0 else 0.0
        self.constant = float(loss.link(middle))

    def columns(self, part: Part) -> list[Array]:
        (loss,) = self.losses
        y = np.asarray(part.y_true, np.float64)
        if self._of_squares:
            return [part.values(loss), y, *_square(y)]
        constant = replace(part, y_true=y, y_pred=np.broadcast_to(self.constant, y.shape))
        return [part.values(loss), y, constant.values(loss)]

    def value(self, means: Array, numbers: Array, weights: Array) -> Array:
        (loss,) = self.losses
        own, mean = means[..., 0], means[..., 1]
        if self._of_squares:
            squares = (numbers[..., 2] + numbers[..., 3]) * weights - numbers[..., 1] ** 2
            least = quotients(squares, weights**2)
        else:
            least = self._least(loss, mean, means[..., 2])
        usable = np.isfinite(means).all(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            explained = np.where(least > 0, 1 - own / least, np.where(own == 0, 1.0, 0.0))
        return np.where(usable, explained, np.nan)

    def _least(self, loss: Loss, mean: Array, of_constant: Array) -> Array:
        """The loss of the best constant; 0 where rounding is all that there is of it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            best = loss.link(mean)
        usable = np.isfinite(mean) & np.isfinite(best)
        m = np.where(usable, mean, loss.inverse_link(self.constant))
        at_constant = _each(loss, m, np.full(m.shape, self.constant))
        at_best = _each(loss, m, np.where(usable, best, self.constant))
        least = of_constant - at_constant + at_best
        size = np.abs(of_constant) + np.abs(at_constant) + np.abs(at_best)
        return np.where(usable & (least > 64 * np.finfo(float).eps * size), least, 0.0)


def _square(y: Array) -> tuple[Array, Array]:
    """Squares, and what their rounding took off (Dekker 1971)."""
    with np.errstate(over="ignore", invalid="ignore"):
        square = y * y
        high = 134217729.0 * y
        high = high - (high - y)
        low = y - high
        rest = ((high * high - square) + 2 * high * low) + low * low
    return square, np.where(np.isfinite(rest), rest, 0.0)


def _each(loss: Loss, y: Array, z: Array) -> Array:
    return loss(y, z, reduction="none")


METRICS = {
    "accuracy": "share of the classes that are right; `accuracy:threshold=0.5` of probabilities",
    "top_k_accuracy": "share of the classes among the `k=2` largest predictions of their rows",
    "r2": "1 less the squared error over that of the mean target",
    "d2_<loss>": "the same of a loss whose best constant is the mean, as `d2_poisson_deviance`",
    "bias": "mean of prediction less target",
    "mean_true": "mean target",
    "mean_pred": "mean prediction",
}


def as_measure(given: Any) -> Measure:
    """A loss, the name of one, or the name of a metric, as what is scored."""
    if not isinstance(given, str):
        return given if isinstance(given, Measure) else OfLoss(as_loss(given))
    name, _, rest = given.partition(":")
    if name in ("bias", "mean_true", "mean_pred"):
        _options(given, rest, ())
        return Mean(name)
    if name == "r2":
        _options(given, rest, ())
        return Explained("r2", as_loss("mse"))
    if name.startswith("d2_"):
        return Explained(given, as_loss(given.removeprefix("d2_")))
    if name == "accuracy":
        threshold = _options(given, rest, ("threshold",)).get("threshold", 0.5)
        return Accuracy(given, threshold=REAL.parameter(f"{given}: threshold", threshold))
    if name == "top_k_accuracy":
        k = _options(given, rest, ("k",)).get("k", 2.0)
        if not (k >= 1 and k.is_integer()):
            raise ValueError(f"{given}: k must be an integer of at least 1")
        return Accuracy(given, k=int(k))
    return OfLoss(_loss_named(name, given))


def _loss_named(name: str, given: str) -> Loss:
    """A loss; where there is none of the name, it may have been meant to be that of a metric."""
    try:
        loss_class(name)
    except ValueError:
        import difflib  # only where something is wrong

        near = difflib.get_close_matches(name, [*loss_names(), *METRICS], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"unknown loss or metric {name!r}{hint} (loss_names() lists the losses; one of your "
            "own has to be defined first, by define_loss() or load_losses())"
        ) from None
    return as_loss(given)


def _options(spec: str, text: str, known: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for part in text.split(",") if text else ():
        name, _, number = part.partition("=")
        if name.strip() not in known:
            has = ", ".join(known) or "none"
            raise ValueError(f"{spec}: there is no parameter {name.strip()!r}; it has: {has}")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise ValueError(f"{spec}: expected {name.strip()}=NUMBER; got {part!r}") from None
    return found


def as_measures(given: Iterable[Any] | Any) -> tuple[Measure, ...]:
    """Several of them, none twice; a single one may be given as it is."""
    if isinstance(given, (str, Loss, Measure)):
        given = [given]
    if isinstance(given, type) or not isinstance(given, Iterable):
        raise TypeError(f"losses must be names or losses, as in Huber(); got {given!r}")
    measures = tuple(map(as_measure, given))
    if not measures:
        raise ValueError("losses must name at least one loss")
    specs = [measure.spec for measure in measures]
    for i, spec in enumerate(specs):
        if spec in specs[:i]:
            raise ValueError(f"losses names {spec} twice")
    return measures
