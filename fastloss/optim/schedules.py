"""Learning rates that change with the step: each schedule is a function ``schedule(step)``."""

from __future__ import annotations

import bisect
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from fastloss.described import Described, from_description, public_names
from fastloss.domains import (
    COUNT,
    COUNT_OR_0,
    FACTOR,
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
)
from fastloss.registry import Registry

_REGISTRY: Registry[Schedule] = Registry()


class Schedule(Described):
    """Base of all schedules: ``schedule(step)`` is the learning rate of a step, counted from 0.

    A subclass is a dataclass with a ``name``, the ranges of its parameters, and `_at`.
    """

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            _REGISTRY.add(cls.name, cls)

    def __call__(self, step: int) -> float:
        """Compute the learning rate of a step.

        Parameters
        ----------
        step : int
            Counted from 0.

        Returns
        -------
        float

        Raises
        ------
        TypeError
            If the step is not an integer.
        ValueError
            If it is negative, or too large to be a float.
        """
        try:
            step = operator.index(step)
        except TypeError:
            raise TypeError(f"step must be an integer; got {step!r}") from None
        if step < 0:
            raise ValueError(f"step must be at least 0; got {step}")
        try:
            return self._at(step)
        except OverflowError:
            raise ValueError("step is beyond all floats") from None

    def _at(self, step: int) -> float:
        """The learning rate of a step that is an int and not negative."""
        raise NotImplementedError


def from_dict(description: Mapping[str, Any]) -> Schedule:
    """Make the schedule that `Schedule.to_dict` described.

    Parameters
    ----------
    description : mapping
        The schedule's name and its parameters. Those that have a default may be left out.

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        If there is no such schedule, or a parameter is unknown, missing or out of its range.
    TypeError
        If the description is not a mapping, or a parameter is of the wrong type.

    Examples
    --------
    >>> from fastloss.optim.schedules import Cosine, Warmup, from_dict
    >>> Warmup(Cosine(0.1, T_0=90), steps=10).to_dict()["steps"]
    10
    >>> from_dict({"name": "cosine", "lr": 0.1, "T_0": 90})
    Cosine(lr=0.1, T_0=90, T_mult=None, lr_min=0.0)
    """
    return from_description("schedule", _REGISTRY, description)


def __dir__() -> list[str]:
    return public_names(globals())


def _fall(left: float) -> float:
    """(1 - cos(pi left)) / 2: from 1 to 0 along a cosine as ``left`` does, exact at both ends."""
    return math.sin(math.pi / 2 * left) ** 2


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate at every step.

    Parameters
    ----------
    lr : float
        In [0, inf).

    Examples
    --------
    >>> from fastloss.optim.schedules import Constant
    >>> Constant(0.1)(1000)
    0.1
    """

    lr: float

    name = "constant"
    _ranges = {"lr": NONNEGATIVE}

    def _at(self, step: int) -> float:
        return self.lr


@dataclass(frozen=True)
class Step(Schedule):
    """Learning rate that is multiplied by gamma again and again.

    ::

        lr * gamma**(step // step_size)
        lr * gamma**(how many milestones are at most step)

    Parameters
    ----------
    lr : float
        At step 0, in [0, inf).
    step_size : int, optional
        Multiply after every so many steps.
    gamma : float, default=0.1
        In (0, 1].
    milestones : sequence of int, optional
        Multiply at these steps, in place of every ``step_size``. They are positive and increase.

    Raises
    ------
    ValueError
        If there are both or neither of step_size and milestones, or one is out of its range.
    TypeError
        If a parameter is of the wrong type.

    References
    ----------
    He et al. (2016), Deep Residual Learning for Image Recognition, CVPR, section 3.4.

    Examples
    --------
    >>> from fastloss.optim.schedules import Step
    >>> schedule = Step(1.0, milestones=(30, 80), gamma=0.5)
    >>> schedule(29), schedule(30), schedule(80)
    (1.0, 0.5, 0.25)
    """

    lr: float
    step_size: int | None = None
    gamma: float = 0.1
    milestones: tuple[int, ...] | None = None

    name = "step"
    _ranges = {"lr": NONNEGATIVE, "gamma": FACTOR}

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.step_size is None) == (self.milestones is None):
            raise ValueError(
                f"either step_size or milestones must be given; "
                f"got step_size={self.step_size!r} and milestones={self.milestones!r}"
            )
        if self.step_size is not None:
            object.__setattr__(self, "step_size", COUNT.parameter("step_size", self.step_size))
        else:
            object.__setattr__(self, "milestones", _milestones(self.milestones))

    def _at(self, step: int) -> float:
        if self.milestones is not None:
            return float(self.lr * self.gamma ** bisect.bisect_right(self.milestones, step))
        assert self.step_size is not None
        return float(self.lr * self.gamma ** (step // self.step_size))


def _milestones(given: Any) -> tuple[int, ...]:
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"milestones must be a sequence of integers; got {given!r}")
    steps = tuple(COUNT.parameter(f"milestones[{i}]", step) for i, step in enumerate(given))
    if any(a >= b for a, b in zip(steps, steps[1:], strict=False)):
        raise ValueError(f"milestones must increase; got {steps}")
    return steps


@dataclass(frozen=True)
class Exponential(Schedule):
    """Learning rate that is multiplied by gamma at every step: ``lr * gamma**step``.

    Parameters
    ----------
    lr : float
        At step 0, in [0, inf).
    gamma : float
        In (0, 1].

    Examples
    --------
    >>> from fastloss.optim.schedules import Exponential
    >>> Exponential(1.0, gamma=0.5)(3)
    0.125
    """

    lr: float
    gamma: float

    name = "exponential"
    _ranges = {"lr": NONNEGATIVE, "gamma": FACTOR}

    def _at(self, step: int) -> float:
        return float(self.lr * self.gamma**step)


@dataclass(frozen=True)
class Polynomial(Schedule):
    """Learning rate that goes to its end along a polynomial; linearly if power is 1.

    ::

        lr_end + (lr - lr_end) * (1 - min(step, total)/total)**power

    Parameters
    ----------
    lr : float
        At step 0, in [0, inf).
    total : int
        Steps until it stays at its end.
    power : float, default=1.0
        In (0, inf).
    lr_end : float, default=0.0
        At step ``total`` and beyond, in [0, inf).

    References
    ----------
    Chen et al. (2018), DeepLab, IEEE Transactions on Pattern Analysis and Machine Intelligence 40,
    section 4.1, where it is called "poly".

    Examples
    --------
    >>> from fastloss.optim.schedules import Polynomial
    >>> schedule = Polynomial(1.0, total=10, power=2.0)
    >>> schedule(0), schedule(5), schedule(11)
    (1.0, 0.25, 0.0)
    """

    lr: float
    total: int
    power: float = 1.0
    lr_end: float = 0.0

    name = "polynomial"
    _ranges = {"lr": NONNEGATIVE, "total": COUNT, "power": POSITIVE, "lr_end": NONNEGATIVE}

    def _at(self, step: int) -> float:
        share = (max(self.total - step, 0) / self.total) ** self.power
        return float(self.lr * share + self.lr_end * (1 - share))


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """Learning rate that falls as a power of the time: ``lr / (step + 1)**power_t``.

    It is scikit-learn's "invscaling", ``eta0 / t**power_t``, whose t counts the updates from 1: the
    first update, at step 0, has t = 1 and the rate ``lr``.

    Parameters
    ----------
    lr : float
        At step 0, in [0, inf).
    power_t : float, default=0.5
        In [0, inf). Sums of the rates diverge and sums of their squares converge, as Robbins and
        Monro ask for, if it is above 1/2 and at most 1.

    References
    ----------
    Robbins and Monro (1951), A Stochastic Approximation Method, Annals of Mathematical
    Statistics 22.

    Examples
    --------
    >>> from fastloss.optim.schedules import InverseScaling
    >>> schedule = InverseScaling(1.0, power_t=0.5)
    >>> schedule(0), schedule(3), schedule(99)
    (1.0, 0.5, 0.1)
    """

    lr: float
    power_t: float = 0.5

    name = "inverse_scaling"
    _ranges = {"lr": NONNEGATIVE, "power_t": NONNEGATIVE}

    def _at(self, step: int) -> float:
        return float(self.lr * (step + 1.0) ** -self.power_t)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Learning rate that falls along half a cosine, with warm restarts (SGDR) if T_mult is given.

    In a period of T steps, t steps after its beginning, it is ::

        lr_min + (lr - lr_min) * (1 + cos(pi t/T))/2

    Parameters
    ----------
    lr : float
        At the beginning of each period, in [0, inf).
    T_0 : int
        Steps of the first period.
    T_mult : int, optional
        Each period is so many times as long as the one before it: with 1 all are alike. None: there
        is only the first, and from step ``T_0`` on the rate stays at ``lr_min``.
    lr_min : float, default=0.0
        What each period falls to, in [0, inf).

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR,
    equation 5.

    Examples
    --------
    >>> from fastloss.optim.schedules import Cosine
    >>> [round(Cosine(1.0, T_0=10)(step), 3) for step in (0, 5, 9, 10, 20)]
    [1.0, 0.5, 0.024, 0.0, 0.0]
    >>> schedule = Cosine(1.0, T_0=10, T_mult=2)
    >>> [round(schedule(step), 3) for step in (0, 5, 9, 10, 20, 30)]
    [1.0, 0.5, 0.024, 1.0, 0.5, 1.0]
    """

    lr: float
    T_0: int
    T_mult: int | None = None
    lr_min: float = 0.0

    name = "cosine"
    _ranges = {"lr": NONNEGATIVE, "T_0": COUNT, "lr_min": NONNEGATIVE}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.T_mult is not None:
            object.__setattr__(self, "T_mult", COUNT.parameter("T_mult", self.T_mult))

    def _at(self, step: int) -> float:
        length = self.T_0
        if self.T_mult is None:
            step = min(step, length)
        elif self.T_mult == 1:
            step %= length
        else:
            while step >= length:
                step -= length
                length *= self.T_mult
        share = _fall((length - step) / length)
        return self.lr * share + self.lr_min * (1 - share)


@dataclass(frozen=True)
class Warmup(Schedule):
    """Another schedule behind a linear rise to its first learning rate.

    ::

        inner(0) * (start + (1 - start) * step/steps)   if step < steps
        inner(step - steps)                             from then on

    Parameters
    ----------
    inner : Schedule
        It starts at its own step 0 when the rise is over.
    steps : int
        Length of the rise.
    start : float, default=0.0
        Where the rise begins, as a fraction of ``inner(0)``, in [0, 1].

    References
    ----------
    Goyal et al. (2017), Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, section 2.2.

    Examples
    --------
    >>> from fastloss.optim.schedules import Exponential, Warmup
    >>> schedule = Warmup(Exponential(1.0, gamma=0.5), steps=4)
    >>> [schedule(step) for step in range(7)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    """

    inner: Schedule
    steps: int
    start: float = 0.0

    name = "warmup"
    _ranges = {"steps": COUNT_OR_0, "start": UNIT}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.inner, Schedule):
            raise TypeError(f"inner must be a schedule, as in Constant(0.1); got {self.inner!r}")

    def _at(self, step: int) -> float:
        if step >= self.steps:
            return self.inner(step - self.steps)
        return self.inner(0) * (self.start + (1 - self.start) * (step / self.steps))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Learning rate that rises to a peak and falls far below where it began: the 1cycle policy.

    Both ways go along half a cosine: the rise from ``peak/div_factor`` at step 0 to ``peak`` at
    step ``u = max(pct_start*total - 1, 0)``, the fall from there to
    ``peak/div_factor/final_div_factor`` at step ``total - 1``, where it stays. These are the rates
    of torch's OneCycleLR with its default ``anneal_strategy="cos"``.

    Parameters
    ----------
    peak : float
        The greatest rate, in [0, inf).
    total : int
        Steps of the cycle.
    pct_start : float, default=0.3
        The rise's part of the steps, in [0, 1].
    div_factor : float, default=25.0
        How far below the peak it begins, in (0, inf).
    final_div_factor : float, default=1e4
        How far below its beginning it ends, in (0, inf).

    References
    ----------
    Smith and Topin (2019), Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates, SPIE 11006.

    Examples
    --------
    >>> from fastloss.optim.schedules import OneCycle
    >>> schedule = OneCycle(1.0, total=100)
    >>> [round(schedule(step), 6) for step in (0, 29, 64, 99)]
    [0.04, 1.0, 0.500002, 4e-06]
    """

    peak: float
    total: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    name = "one_cycle"
    _ranges = {
        "peak": NONNEGATIVE,
        "total": COUNT,
        "pct_start": UNIT,
        "div_factor": POSITIVE,
        "final_div_factor": POSITIVE,
    }

    def _at(self, step: int) -> float:
        first = self.peak / self.div_factor
        top, last = max(self.pct_start * self.total - 1, 0.0), self.total - 1
        if step < top:
            share = _fall(step / top)
            return self.peak * share + first * (1 - share)
        end = first / self.final_div_factor
        share = _fall((last - step) / (last - top)) if step < last else float(step == top)
        return self.peak * share + end * (1 - share)


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
        if self.mode not in ("min", "max"):
            raise ValueError(f'mode must be "min" or "max"; got {self.mode!r}')
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
