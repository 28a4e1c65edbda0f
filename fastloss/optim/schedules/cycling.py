"""Learning rates that rise and fall: cosines with restarts, cycles, and the one cycle."""

from __future__ import annotations

from dataclasses import dataclass

from fastloss.domains import COUNT, FACTOR, NONNEGATIVE, POSITIVE, UNIT
from fastloss.optim.schedules.base import Schedule, choice, fall


@dataclass(frozen=True)
class Cosine(Schedule):
    """Learning rate that falls along half a cosine, with warm restarts (SGDR) if T_mult is given.

    In period k of T steps, t steps after its beginning (all counted from 0), it is ::

        lr_min + (lr - lr_min) * gamma**k * (1 + cos(pi t/T))/2

    Parameters
    ----------
    lr : float
        At the beginning of the first period, in [0, inf).
    T_0 : int
        Steps of the first period.
    T_mult : int, optional
        Each period is so many times as long as the one before it: with 1 all are alike. None: there
        is only the first, and from step ``T_0`` on the rate stays at ``lr_min``.
    lr_min : float, default=0.0
        What each period falls to, in [0, inf).
    gamma : float, default=1.0
        How much lower each period begins than the one before it, in (0, 1].

    Raises
    ------
    ValueError
        If a parameter is out of its range, or gamma is given and T_mult is not.
    TypeError
        If a parameter is of the wrong type.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR,
    equation 5; gamma is the ``m_mul`` of Keras's ``CosineDecayRestarts``.

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
    gamma: float = 1.0

    name = "cosine"
    _ranges = {"lr": NONNEGATIVE, "T_0": COUNT, "lr_min": NONNEGATIVE, "gamma": FACTOR}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.T_mult is not None:
            object.__setattr__(self, "T_mult", COUNT.parameter("T_mult", self.T_mult))
        elif self.gamma != 1:
            raise ValueError(f"gamma is of restarts, which need T_mult; got gamma={self.gamma}")

    def _at(self, step: int) -> float:
        period, length = 0, self.T_0
        if self.T_mult is None:
            step = min(step, length)
        elif self.T_mult == 1:
            period, step = divmod(step, length)
        else:
            while step >= length:
                step -= length
                length *= self.T_mult
                period += 1
        share = self.gamma**period * fall((length - step) / length)
        return self.lr * share + self.lr_min * (1 - share)


@dataclass(frozen=True)
class Cyclic(Schedule):
    """Learning rate that goes up and down along lines again and again.

    t steps after the beginning of cycle k (both counted from 0) it is ::

        lr_min + (peak - lr_min) * height * h
        h = t/step_size_up                                  on the way up
        h = (step_size_up + step_size_down - t)/step_size_down    on the way down

    where height is 1 ("triangular"), ``0.5**k`` ("triangular2") or ``gamma**step``
    ("exp_range"). These are the rates of torch's CyclicLR.

    Parameters
    ----------
    peak : float
        The rate at the top of the first cycle, in [0, inf).
    step_size_up : int
        Steps of the way up.
    step_size_down : int, optional
        Steps of the way down; None: as many.
    lr_min : float, default=0.0
        Where each cycle begins and ends, in [0, inf).
    mode : {"triangular", "triangular2", "exp_range"}
        How the height changes.
    gamma : float, default=1.0
        What the height is multiplied by at each step of "exp_range", in (0, 1].

    Raises
    ------
    ValueError
        If a parameter is out of its range, or gamma is given and the mode is not "exp_range".
    TypeError
        If a parameter is of the wrong type.

    References
    ----------
    Smith (2017), Cyclical Learning Rates for Training Neural Networks, WACV, section 3.2.

    Examples
    --------
    >>> from fastloss.optim.schedules import Cyclic
    >>> schedule = Cyclic(1.0, step_size_up=4, step_size_down=2, mode="triangular2")
    >>> [schedule(step) for step in (0, 2, 4, 5, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """

    peak: float
    step_size_up: int
    step_size_down: int | None = None
    lr_min: float = 0.0
    mode: str = "triangular"
    gamma: float = 1.0

    name = "cyclic"
    _ranges = {
        "peak": NONNEGATIVE,
        "step_size_up": COUNT,
        "lr_min": NONNEGATIVE,
        "gamma": FACTOR,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size_down is not None:
            down = COUNT.parameter("step_size_down", self.step_size_down)
            object.__setattr__(self, "step_size_down", down)
        choice("mode", self.mode, ("triangular", "triangular2", "exp_range"))
        if self.gamma != 1 and self.mode != "exp_range":
            raise ValueError(f'gamma is for mode="exp_range"; got {self.gamma} and {self.mode!r}')

    def _at(self, step: int) -> float:
        up, down = self.step_size_up, self.step_size_down or self.step_size_up
        cycle, t = divmod(step, up + down)
        share = t / up if t < up else (up + down - t) / down
        if self.mode == "triangular2":
            share *= 0.5**cycle
        elif self.mode == "exp_range":
            share *= self.gamma**step
        return self.peak * share + self.lr_min * (1 - share)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Learning rate that rises to a peak and falls far below where it began: the 1cycle policy.

    Both ways go along half a cosine or a line: the rise from ``peak/div_factor`` at step 0 to
    ``peak`` at step ``u = max(pct_start*total - 1, 0)``, the fall from there to
    ``peak/div_factor/final_div_factor`` at step ``total - 1``, where it stays. These are the rates
    of torch's OneCycleLR in two phases; `Piecewise` makes those of three, as optax has them.

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
    anneal_strategy : {"cos", "linear"}
        The way up and down.

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
    anneal_strategy: str = "cos"

    name = "one_cycle"
    _ranges = {
        "peak": NONNEGATIVE,
        "total": COUNT,
        "pct_start": UNIT,
        "div_factor": POSITIVE,
        "final_div_factor": POSITIVE,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("anneal_strategy", self.anneal_strategy, ("cos", "linear"))

    def _at(self, step: int) -> float:
        first = self.peak / self.div_factor
        top, last = max(self.pct_start * self.total - 1, 0.0), self.total - 1
        if step < top:
            share, end = step / top, first
        else:
            share = (last - step) / (last - top) if step < last else float(step == top)
            end = first / self.final_div_factor
        if self.anneal_strategy == "cos":
            share = fall(share)
        return self.peak * share + end * (1 - share)
