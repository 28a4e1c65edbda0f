"""Learning rates that change with the step: each schedule is a function ``schedule(step)``."""

from fastloss.optim.schedules.base import Schedule as Schedule, from_dict as from_dict
from fastloss.optim.schedules.composed import Joined as Joined, Warmup as Warmup
from fastloss.optim.schedules.cycling import (
    Cosine as Cosine,
    Cyclic as Cyclic,
    OneCycle as OneCycle,
)
from fastloss.optim.schedules.decaying import (
    Constant as Constant,
    Exponential as Exponential,
    InverseScaling as InverseScaling,
    InverseTime as InverseTime,
    Piecewise as Piecewise,
    Polynomial as Polynomial,
    Step as Step,
)
from fastloss.optim.schedules.plateau import ReduceOnPlateau as ReduceOnPlateau


def __dir__() -> list[str]:
    return [name for name, value in globals().items() if name[0] != "_" and callable(value)]
