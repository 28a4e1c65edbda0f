"""Optimizers: update rules on NumPy arrays, in place, all arrays in one parallel pass.

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

from fastloss.optim.adam import (
    Adam as Adam,
    Adamax as Adamax,
    AdamW as AdamW,
    NAdam as NAdam,
    RAdam as RAdam,
)
from fastloss.optim.adaptive import (
    FTRL as FTRL,
    Adadelta as Adadelta,
    AdaGrad as AdaGrad,
    AdaptiveGradient as AdaptiveGradient,
    RMSprop as RMSprop,
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
