"""What part of a loss, or of the variance, predictions explain: R2, D2, explained variance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.losses.base import Loss, OfMean
from fastloss.losses.classification import Brier
from fastloss.losses.links import real_array
from fastloss.losses.regression import SquaredError
from fastloss.losses.rows import RowLoss
from fastloss.scoring.exact import quotients
from fastloss.scoring.measure import Measure, OfSamples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.scoring.part import Part

    Array = NDArray[Any]


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

    def __init__(self, spec: str, loss: OfMean) -> None:
        self.spec, self.losses = spec, (loss,)
        self._of_squares = isinstance(loss, (SquaredError, Brier))
        self.n_columns = 4 if self._of_squares else 3
        domain = loss.y_domain
        middle = 0.5 if domain.high == 1 else 1.0 if domain.low == 0 else 0.0
        self.constant = float(loss.link(middle))

    def columns(self, part: Part) -> list[Array]:
        (loss,) = self.losses
        own = part.values(loss)  # which refuses what are no numbers
        y = np.asarray(part.y_true, np.float64)
        if self._of_squares:
            return [own, y, *_square(y)]
        constant = replace(part, y_true=y, y_pred=np.broadcast_to(self.constant, y.shape))
        return [own, y, constant.values(loss)]

    def value(self, means: Array, numbers: Array, weights: Array) -> Array:
        (loss,) = self.losses
        own, mean = means[..., 0], means[..., 1]
        if self._of_squares:
            least = _variance(numbers[..., 1:], weights)
        else:
            least = self._least(loss, mean, means[..., 2])
        return np.where(np.isfinite(means).all(axis=-1), _explained(own, least), np.nan)

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


class ExplainedVariance(Measure):
    """1 less the variance of the residuals over that of the targets, from sums that are exact.

    Where targets are constant it is 1 if the residuals are, too, and 0 otherwise.
    """

    n_columns = 6
    is_mean = False
    larger_is_better = True
    of_rows = False

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def columns(self, part: Part) -> list[Array]:
        part.check_gaps()
        y = np.asarray(real_array(part.y_true, "y_true"), np.float64)
        residual = y - real_array(part.y_pred, part.name)
        return [residual, *_square(residual), y, *_square(y)]

    def value(self, means: Array, numbers: Array, weights: Array) -> Array:
        left, whole = (_variance(numbers[..., k : k + 3], weights) for k in (0, 3))
        return np.where(np.isfinite(means).all(axis=-1), _explained(left, whole), np.nan)


class ExplainedOfSamples(OfSamples):
    """D2 of a loss whose best constant sums do not tell, as a median; of rows too."""

    larger_is_better = True

    def __init__(self, spec: str, loss: Loss) -> None:
        if loss.parameters.get("axis", -1) != -1:
            raise ValueError(f"{spec}: rows must lie along the last axis; leave out axis")
        self.spec, self.losses, self.of_rows = spec, (loss,), isinstance(loss, RowLoss)

    def columns(self, part: Part) -> list[Array]:
        return [part.values(self.losses[0])]

    def samples(self, part: Part) -> Array:
        y = part.y_true
        if part.axis is None:
            return np.asarray(y, np.float64).reshape(-1)
        return y.reshape(-1) if y.shape == part.shape else y.reshape(-1, y.shape[-1])

    def of_samples(self, mean: float, samples: Array, weight: Array | None, part: Part) -> float:
        loss: Any = self.losses[0]
        row = () if part.axis is None else part.y_pred.shape[-1:]
        options = {"n_classes": row[0]} if row else {}
        best = loss.optimal_constant(samples, weight, **options)
        constant = np.broadcast_to(best, (len(samples), *row))
        least = loss(samples, constant, sample_weight=weight)
        return float(_explained(np.asarray(mean), np.asarray(least)))


def explained(spec: str, loss: Loss) -> Measure:
    """D2 of a loss, from sums where these tell its best constant."""
    if loss._root:
        raise ValueError(f"{spec}: {loss.spec} is a root; D2 is of what it is the root of")
    return Explained(spec, loss) if isinstance(loss, OfMean) else ExplainedOfSamples(spec, loss)


def _explained(own: Array, least: Array) -> Array:
    """1 - own / least; where there is nothing to explain 1 if nothing is left of it, or 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(least > 0, 1 - own / least, np.where(own == 0, 1.0, 0.0))


def _variance(numbers: Array, weights: Array) -> Array:
    """Of the sums of a number, of its square and of what the rounding of that took off."""
    squares = (numbers[..., 1] + numbers[..., 2]) * weights - numbers[..., 0] ** 2
    return quotients(squares, weights**2)


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
