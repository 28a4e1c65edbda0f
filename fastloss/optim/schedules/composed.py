"""Schedules that are made of others."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Any

from fastloss.domains import COUNT_OR_0, UNIT
from fastloss.optim.schedules.base import Schedule, increasing, members, one_more


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
        Where the rise begins, as a fraction of ``inner(0)``, in [0, 1]. With 1 there is none:
        the inner schedule is delayed.

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
        _check_is_schedule("inner", self.inner)

    def _at(self, step: int) -> float:
        if step >= self.steps:
            return self.inner(step - self.steps)
        return self.inner(0) * (self.start + (1 - self.start) * (step / self.steps))


@dataclass(frozen=True)
class Joined(Schedule):
    """Schedules one after the other, each from its own step 0 on.

    ::

        schedules[i](step - boundaries[i - 1])    with i = how many boundaries are at most step

    Parameters
    ----------
    schedules : sequence of Schedule
        One more than there are boundaries.
    boundaries : sequence of int
        Where the second begins, and each after it; they are positive and increase.

    Raises
    ------
    ValueError
        If there is not one more of schedules than of boundaries, or a boundary is out of its range.
    TypeError
        If a parameter is of the wrong type.

    Examples
    --------
    >>> from fastloss.optim.schedules import Constant, Exponential, Joined
    >>> schedule = Joined([Constant(1.0), Exponential(0.5, gamma=0.5)], boundaries=[10])
    >>> [schedule(step) for step in (9, 10, 11)]
    [1.0, 0.5, 0.25]
    """

    schedules: tuple[Schedule, ...]
    boundaries: tuple[int, ...]

    name = "joined"

    def __post_init__(self) -> None:
        schedules = members("schedules", self.schedules, "schedules")
        for i, schedule in enumerate(schedules):
            _check_is_schedule(f"schedules[{i}]", schedule)
        object.__setattr__(self, "schedules", schedules)
        object.__setattr__(self, "boundaries", increasing("boundaries", self.boundaries))
        one_more("schedules", self.schedules, self.boundaries)

    def _at(self, step: int) -> float:
        i = bisect.bisect_right(self.boundaries, step)
        return self.schedules[i](step - (self.boundaries[i - 1] if i else 0))


def _check_is_schedule(name: str, given: Any) -> None:
    if not isinstance(given, Schedule):
        raise TypeError(f"{name} must be a schedule, as in Constant(0.1); got {given!r}")
