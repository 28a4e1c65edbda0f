"""Losses, their gradients and Hessians, scores and optimizers, at the speed of memory.

- Losses: `Huber`, `Logistic`, `SoftmaxCrossEntropy` ...; `loss_names` lists them, and `get_loss`
  makes one of its name. Each is called for its value, and has the methods ``grad``,
  ``value_and_grad`` and ``grad_and_hess``; for rows there are `softmax`, `log_softmax`,
  `logsumexp` and `sigmoid` too.
- `define_loss` makes a loss of a formula.
- `score` computes many losses in one pass, by group; `Scorer` does so in parts; `compare` says
  which model is better, and how sure that is; `calibration` compares probabilities with what
  happened.
- ``fastloss.optim``: optimizers, which update arrays in place, and schedules of learning rates.
- ``fastloss.penalties``: `L1`, `L2`, `ElasticNet` and `GroupLasso` of parameters.
- `set_num_threads`, `get_num_threads` and `num_threads`; `show_config` tells of this build.
- ``cimport fastloss`` calls losses from other compiled code; `get_include` has the header.

Arguments outside of a loss's domain raise `DomainError`, a ValueError.

Examples
--------
>>> import numpy as np
>>> import fastloss as fl
>>> y, z = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 7.0])
>>> loss = fl.Huber(delta=1.5)
>>> value, grad = loss.value_and_grad(y, z)
>>> round(value, 4), grad.round(4)
(1.6667, array([0.1667, 0.    , 0.5   ]))
>>> fl.score(y, z, ["mae", loss])["mae"]
1.5
>>> w = np.zeros(3)
>>> opt = fl.optim.Adam(w, lr=0.1)
>>> opt.step(np.array([1.0, -2.0, 0.0]))
True
>>> w.round(6)
array([-0.1,  0.1,  0. ])
"""

import importlib as _importlib
import os as _os
import typing as _typing
from importlib.util import find_spec as _find_spec

from fastloss import _core, losses
from fastloss.config import get_include, last_level_cache as _last_level_cache, show_config
from fastloss.losses import *
from fastloss.scoring import (
    Calibration,
    Comparer,
    Comparison,
    Scorer,
    Scores,
    calibration,
    compare,
    score,
)
from fastloss.threads import (
    default_threads as _default_threads,
    forget_other_threads as _forget_other_threads,
    get_num_threads,
    num_threads,
    set_num_threads,
    was_forked as _was_forked,
)
from fastloss.version import __version__

if _typing.TYPE_CHECKING:
    from fastloss import linear_model, optim, penalties
    from fastloss.define import (
        CompileError,
        FormulaError,
        define_loss,
        domain,
        load_losses,
        save_losses,
    )
    from fastloss.linear_model import LinearObjective

__all__ = ["Calibration", "Comparer", "Comparison", "LinearObjective", "Scorer", "Scores"]
__all__ += ["calibration", "compare", "linear_model", "losses", "optim", "penalties", "score"]
__all__ += ["show_config"]
__all__ += ["__version__", "get_include", "get_num_threads", "num_threads", "set_num_threads"]
__all__ += ["CompileError", "FormulaError", "define_loss", "domain", "load_losses", "save_losses"]
__all__ += losses.__all__

_core.configure(threads=_default_threads(), cache=_last_level_cache())
if _was_forked():
    _core.stay_serial()
if hasattr(_os, "register_at_fork"):
    # A child has none of the threads that its copies of locks and of OpenMP believe in.
    _os.register_at_fork(after_in_child=_forget_other_threads)


if not _typing.TYPE_CHECKING:  # which would take any name for one that there is

    def __getattr__(name: str) -> _typing.Any:
        """Import what takes long to import when it is used first."""
        if name in ("linear_model", "optim", "penalties"):
            return _importlib.import_module(f"fastloss.{name}")
        if name == "LinearObjective":
            return _importlib.import_module("fastloss.linear_model").LinearObjective
        if name in __all__:
            return getattr(_importlib.import_module("fastloss.define"), name)
        hint = ""
        if not name.startswith("_") and _find_spec(f"fastloss.{name}"):
            hint = f" until it is imported: import fastloss.{name}"
        elif name[0].isupper():  # a class: others may be modules about to be imported
            import difflib  # takes long to import

            optim = _importlib.import_module("fastloss.optim")
            classes = {key: key for key in globals() if key[0].isupper()}
            classes |= {key: f"optim.{key}" for key in optim.optimizer_names()}
            near = difflib.get_close_matches(name, classes, n=1)
            hint = f"; did you mean {classes[near[0]]!r}?" if near else ""
        raise AttributeError(f"module 'fastloss' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return __all__
