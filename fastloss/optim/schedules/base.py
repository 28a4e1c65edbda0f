"""What all schedules are: functions ``schedule(step)`` with a name and numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from fastloss.described import Described, from_description
from fastloss.domains import COUNT
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
    Cosine(lr=0.1, T_0=90, T_mult=None, lr_min=0.0, gamma=1.0)
    """
    return from_description("schedule", _REGISTRY, description)


def fall(left: float) -> float:
    """(1 - cos(pi left)) / 2: from 1 to 0 along a cosine as ``left`` does, exact at both ends."""
    return math.sin(math.pi / 2 * left) ** 2


def members(name: str, given: Any, kind: str) -> tuple[Any, ...]:
    """A parameter that holds several, as a tuple."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} must be a sequence of {kind}; got {given!r}")
    return tuple(given)


def increasing(name: str, given: Any) -> tuple[int, ...]:
    """A parameter that holds steps, each after the one before it, as a tuple."""
    each = enumerate(members(name, given, "integers"))
    steps = tuple(COUNT.parameter(f"{name}[{i}]", step) for i, step in each)
    if any(a >= b for a, b in zip(steps, steps[1:], strict=False)):
        raise ValueError(f"{name} must increase; got {steps}")
    return steps


def one_more(name: str, values: tuple[Any, ...], boundaries: tuple[int, ...]) -> None:
    """Refuse values that do not fit the steps at which one follows another."""
    if len(values) != len(boundaries) + 1:
        raise ValueError(
            f"{name} must be one more than boundaries; got {len(values)} and {len(boundaries)}"
        )


def choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Refuse a word that is none of those known."""
    if value not in known:
        words = ", ".join(f'"{word}"' for word in known[:-1]) + f' or "{known[-1]}"'
        raise ValueError(f"{name} must be {words}; got {value!r}")
