"""A learning rate that is reduced when a metric has stopped improving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from fastloss.domains import COUNT_OR_0, FACTOR, NONNEGATIVE, REAL
from fastloss.optim.schedules.base import Schedule, choice


@dataclass
class ReduceOnPlateau(Schedule):
    """Learning rate that is reduced when a metric has stopped improving.

    It is the one schedule with a state: the rate depends on the metrics given to `update`, not on
    the step. The state is in its attributes, its repr and its dict, so that what is made from them
    goes on where this one is.

    A metric is an improvement if it is beyond the best one by more than ``threshold * abs(best)``;
    NaN and infinities never are. After more than ``patience`` metrics in a row without one, the
    rate becomes ``max(rate*factor, lr_min)``, and the next ``cooldown`` metrics do not count as
    bad.

    Parameters
    ----------
    lr : float
        At the beginning, in [0, inf).
    factor : float, default=0.1
        In (0, 1].
    patience : int, default=10
        How many metrics in a row may be no improvement.
    threshold : float, default=1e-4
        How much better an improvement is, as a part of the best metric, in [0, inf).
    cooldown : int, default=0
        How many metrics after a reduction do not count.
    lr_min : float, default=0.0
        Where reductions end, in [0, inf).
    mode : {"min", "max"}
        Which metrics are better: small ones or great ones.
    rate, best, bad, cooling : optional
        The state: the current rate, the best metric, how many metrics were none better since, and
        how many of the cooldown remain.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If a parameter is of the wrong type.

    Examples
    --------
    >>> from fastloss.optim.schedules import ReduceOnPlateau, from_dict
    >>> schedule = ReduceOnPlateau(1.0, factor=0.5, patience=1)
    >>> for metric in (3.0, 2.0, 2.0, 2.5):
    ...     schedule.update(metric)
    >>> schedule(4)
    0.5
    >>> from_dict(schedule.to_dict()) == schedule
    True
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    lr_min: float = 0.0
    mode: str = "min"
    rate: float | None = None
    best: float | None = None
    bad: int = 0
    cooling: int = 0

    name = "reduce_on_plateau"
    _ranges = {
        "lr": NONNEGATIVE,
        "factor": FACTOR,
        "patience": COUNT_OR_0,
        "threshold": NONNEGATIVE,
        "cooldown": COUNT_OR_0,
        "lr_min": NONNEGATIVE,
        "bad": COUNT_OR_0,
        "cooling": COUNT_OR_0,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("mode", self.mode, ("min", "max"))
        self.rate = self.lr if self.rate is None else NONNEGATIVE.parameter("rate", self.rate)
        if self.best is not None:
            self.best = REAL.parameter("best", self.best)

    def _at(self, step: int) -> float:
        assert self.rate is not None
        return self.rate

    def update(self, metric: float) -> None:
        """Take in the next metric, and reduce the rate if it is time to.

        Parameters
        ----------
        metric : float

        Raises
        ------
        TypeError
            If the metric is not a real number.
        """
        if not isinstance(metric, Real):
            raise TypeError(f"metric must be a real number; got {metric!r}")
        try:
            number = float(metric)
        except OverflowError:  # an integer or a fraction beyond all floats
            number = math.inf
        if self._improves(number):
            self.best, self.bad = number, 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self.rate = min(self(0), max(self(0) * self.factor, self.lr_min))
            self.cooling, self.bad = self.cooldown, 0

    def _improves(self, metric: float) -> bool:
        if self.best is None:
            return math.isfinite(metric)
        gain = self.best - metric if self.mode == "min" else metric - self.best
        return math.isfinite(metric) and gain > self.threshold * abs(self.best)
