"""Optimizers: update rules on NumPy arrays, in place, all arrays in one parallel pass.

OPTIMIZERS

`ExponentialMovingAverage`, `StochasticWeightAverage` and `Lookahead` average the parameters of any
of them. `schedules` has learning rates that change, and ``fastloss.penalties`` penalties. `load`
makes the optimizer again that a method ``save`` wrote to a file; `optimizer_names` gives the names
above.

Examples
--------
>>> import numpy as np
>>> import fastloss as fl
>>> params = {"w": np.array([1.0, -2.0]), "b": np.array([0.5])}
>>> opt = fl.optim.Adam(params, lr=0.1)
>>> opt.step({"w": np.array([3.0, -4.0]), "b": np.array([0.0])})
True
>>> params["w"].round(6)
array([ 0.9, -1.9])
"""

import difflib as _difflib
import typing as _typing
from types import ModuleType as _ModuleType

from fastloss.optim import schedules as schedules
from fastloss.optim.adam import (
    Adam as Adam,
    Adamax as Adamax,
    AdamW as AdamW,
    Adan as Adan,
    NAdam as NAdam,
    RAdam as RAdam,
)
from fastloss.optim.adaptive import (
    FTRL as FTRL,
    Adadelta as Adadelta,
    AdaGrad as AdaGrad,
    AdaptiveGradient as AdaptiveGradient,
    RMSprop as RMSprop,
    Rprop as Rprop,
)
from fastloss.optim.averaging import (
    ASGD as ASGD,
    ScheduleFreeAdamW as ScheduleFreeAdamW,
    ScheduleFreeSGD as ScheduleFreeSGD,
)
from fastloss.optim.base import (
    Optimizer as Optimizer,
    load as load,
    optimizer_names as optimizer_names,
)
from fastloss.optim.layerwise import (
    LAMB as LAMB,
    Adafactor as Adafactor,
)
from fastloss.optim.momentum import (
    NAG as NAG,
    SGD as SGD,
    Lion as Lion,
    Momentum as Momentum,
)
from fastloss.optim.muon import Muon as Muon
from fastloss.optim.wrappers import (
    ExponentialMovingAverage as ExponentialMovingAverage,
    Lookahead as Lookahead,
    StochasticWeightAverage as StochasticWeightAverage,
)

if __doc__:  # python -OO leaves none
    __doc__ = __doc__.replace(
        "OPTIMIZERS",
        "\n".join(
            f"- `{_name}`: {(globals()[_name].__doc__ or '').partition('.')[0]}"
            for _name in optimizer_names()
        ),
    )

if not _typing.TYPE_CHECKING:  # which would take any name for one that there is

    def __getattr__(name: str) -> None:
        near = _difflib.get_close_matches(name, optimizer_names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"module 'fastloss.optim' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    own = [
        name
        for name, value in globals().items()
        if not name.startswith("_") and not isinstance(value, _ModuleType)
    ]
    return [*own, "schedules"]
