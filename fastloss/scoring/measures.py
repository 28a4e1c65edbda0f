"""What is scored: losses, and metrics that are made of sums over the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import DomainError
from fastloss.domains import REAL
from fastloss.losses.base import Loss, as_loss, loss_class, loss_names
from fastloss.losses.constants import quantile
from fastloss.losses.links import real_array
from fastloss.losses.regression import SquaredError, SquaredLogError
from fastloss.losses.rows import RowLoss
from fastloss.scoring.explained import ExplainedVariance, explained
from fastloss.scoring.measure import Measure, OfSamples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.scoring.part import Part

    Array = NDArray[Any]


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


class Root(Measure):
    """The root of the mean of a loss."""

    is_root = True

    def __init__(self, spec: str, loss: Loss) -> None:
        self.spec, self.losses = spec, (loss,)

    def columns(self, part: Part) -> list[Array]:
        return [part.values(self.losses[0])]

    def value(self, means: Array, numbers: Array, weights: Array) -> Array:
        with np.errstate(invalid="ignore"):  # of negative weights
            return np.sqrt(means[..., 0])


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


class MaxError(Measure):
    """The largest absolute error."""

    is_mean = False
    is_max = True
    of_rows = False

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def columns(self, part: Part) -> list[Array]:
        return [_absolute_error(part)]


class MedianAbsoluteError(OfSamples):
    """The median of the absolute errors, by weight."""

    of_rows = False

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def columns(self, part: Part) -> list[Array]:
        return [_absolute_error(part)]

    def samples(self, part: Part) -> Array:
        return _absolute_error(part).reshape(-1)

    def of_samples(self, mean: float, samples: Array, weight: Array | None, part: Part) -> float:
        return quantile(samples, 0.5, weight)


def _absolute_error(part: Part) -> Array:
    part.check_gaps()
    y, z = real_array(part.y_true, "y_true"), real_array(part.y_pred, part.name)
    return np.abs(np.subtract(z, y, dtype=np.float64))


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


METRICS = {
    "rmsle": "root of `msle`, the mean squared logarithmic error",
    "max_error": "largest absolute error",
    "median_absolute_error": "median of the absolute errors; of all samples at once, not in parts",
    "accuracy": "share of the classes that are right; `accuracy:threshold=0.5` of probabilities",
    "top_k_accuracy": "share of the classes among the `k=2` largest predictions of their rows",
    "r2": "1 less the squared error over that of the mean target",
    "d2_<loss>": "the same of any loss and its best constant, as `d2_poisson_deviance`; if that is "
    "not the mean, not in parts",
    "explained_variance": "1 less the variance of the residuals over that of the targets",
    "bias": "mean of prediction less target",
    "mean_true": "mean target",
    "mean_pred": "mean prediction",
}
PLAIN: dict[str, Callable[[str], Measure]] = {  # those that have no parameters
    "rmsle": lambda spec: Root(spec, SquaredLogError()),
    "max_error": MaxError,
    "median_absolute_error": MedianAbsoluteError,
    "r2": lambda spec: explained(spec, SquaredError()),
    "explained_variance": ExplainedVariance,
    "bias": Mean,
    "mean_true": Mean,
    "mean_pred": Mean,
}


def as_measure(given: Any) -> Measure:
    """A loss, the name of one, or the name of a metric, as what is scored."""
    if not isinstance(given, str):
        return given if isinstance(given, Measure) else OfLoss(as_loss(given))
    name, _, rest = given.partition(":")
    if name in PLAIN:
        _options(given, rest, ())
        return PLAIN[name](name)
    if name.startswith("d2_"):
        return explained(given, as_loss(given.removeprefix("d2_")))
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
