"""Learning rates that stay, or go one way: in steps, or along a curve."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from fastloss.domains import COUNT, FACTOR, NONNEGATIVE, POSITIVE
from fastloss.optim.schedules.base import Schedule, choice, fall, increasing, members, one_more


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
            object.__setattr__(self, "milestones", increasing("milestones", self.milestones))

    def _at(self, step: int) -> float:
        if self.milestones is not None:
            return float(self.lr * self.gamma ** bisect.bisect_right(self.milestones, step))
        assert self.step_size is not None
        return float(self.lr * self.gamma ** (step // self.step_size))


@dataclass(frozen=True)
class Piecewise(Schedule):
    """Learning rates that begin at given steps, or points that lines or cosines join.

    ::

        values[i]    with i = how many boundaries are at most step

    With ``interpolation="linear"`` or ``"cosine"`` the rate is ``values[0]`` at step 0 and
    ``values[i]`` at step ``boundaries[i - 1]``, goes from each to the next, and stays at the last.

    Parameters
    ----------
    boundaries : sequence of int
        Steps; they are positive and increase. (Keras's ``PiecewiseConstantDecay`` still has the
        rate before at a boundary, this one, as optax and `Step`, the rate after it.)
    values : sequence of float
        Rates, one more than there are boundaries, in [0, inf).
    interpolation : {"constant", "linear", "cosine"}
        The way from one to the next.

    Raises
    ------
    ValueError
        If there is not one more of values than of boundaries, or one is out of its range.
    TypeError
        If a parameter is of the wrong type.

    Examples
    --------
    >>> from fastloss.optim.schedules import Piecewise
    >>> schedule = Piecewise((10, 20), (1.0, 0.5, 0.25))
    >>> schedule(9), schedule(10), schedule(20)
    (1.0, 0.5, 0.25)
    >>> schedule = Piecewise((10, 30), (0.0, 1.0, 0.0), interpolation="linear")
    >>> schedule(5), schedule(10), schedule(20), schedule(30)
    (0.5, 1.0, 0.5, 0.0)
    """

    boundaries: tuple[int, ...]
    values: tuple[float, ...]
    interpolation: str = "constant"

    name = "piecewise"

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundaries", increasing("boundaries", self.boundaries))
        each = enumerate(members("values", self.values, "numbers"))
        values = tuple(NONNEGATIVE.parameter(f"values[{i}]", value) for i, value in each)
        object.__setattr__(self, "values", values)
        one_more("values", self.values, self.boundaries)
        choice("interpolation", self.interpolation, ("constant", "linear", "cosine"))

    def _at(self, step: int) -> float:
        i = bisect.bisect_right(self.boundaries, step)
        if self.interpolation == "constant" or i == len(self.boundaries):
            return self.values[i]
        begin, end = self.boundaries[i - 1] if i else 0, self.boundaries[i]
        left, done = (end - step) / (end - begin), (step - begin) / (end - begin)
        if self.interpolation == "cosine":
            left, done = fall(left), fall(done)
        return self.values[i] * left + self.values[i + 1] * done


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
class InverseTime(Schedule):
    """Learning rate that is divided by a number that grows with the time.

    ::

        lr / (1 + decay_rate * step/decay_steps)

    Parameters
    ----------
    lr : float
        At step 0, in [0, inf).
    decay_rate : float
        In [0, inf): with 1 the rate is half of ``lr`` after ``decay_steps``.
    decay_steps : int, default=1
        The steps that a unit of time has.
    staircase : bool, default=False
        Count whole units alone: ``step // decay_steps``.

    References
    ----------
    Bottou (2012), Stochastic Gradient Descent Tricks, section 5.2. It is Keras's
    ``InverseTimeDecay``.

    Examples
    --------
    >>> from fastloss.optim.schedules import InverseTime
    >>> schedule = InverseTime(1.0, decay_rate=1.0, decay_steps=10)
    >>> schedule(0), schedule(10), schedule(30)
    (1.0, 0.5, 0.25)
    """

    lr: float
    decay_rate: float
    decay_steps: int = 1
    staircase: bool = False

    name = "inverse_time"
    _ranges = {"lr": NONNEGATIVE, "decay_rate": NONNEGATIVE, "decay_steps": COUNT}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.staircase, bool):
            raise TypeError(f"staircase must be True or False; got {self.staircase!r}")

    def _at(self, step: int) -> float:
        units = step // self.decay_steps if self.staircase else step / self.decay_steps
        return float(self.lr / (1 + self.decay_rate * units))
