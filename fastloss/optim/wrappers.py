"""Averages of parameters beside an optimizer, whichever it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastloss.domains import COUNT, COUNT_OR_0, FACTOR
from fastloss.optim.base import BELOW_ONE, Array, Optimizer, Params, State
from fastloss.optim.checks import check_flag, check_keys, check_like, check_number, check_parameter
from fastloss.optim.stored import step_dtype
from fastloss.optim.structure import Structure


class Followed:
    """Parameters, and arrays of the same shapes that follow them."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        for array, label in zip(self._structure.arrays, self._structure.labels, strict=True):
            check_parameter(array, f"params{label}")
        # as precise as steps are: those of float16 and bfloat16 are of float32
        self._held: list[Array] = [
            array.astype(step_dtype(array), order="K") for array in self._structure.arrays
        ]

    def _filled(self, arrays: list[Array]) -> Any:
        """Copies in the structure and the dtypes of the parameters."""
        return self._structure.filled(
            held.astype(array.dtype)
            for held, array in zip(arrays, self._structure.arrays, strict=True)
        )

    def _approach(self, part: float) -> None:
        """Move the arrays held part of the way to the parameters."""
        for held, array in zip(self._held, self._structure.arrays, strict=True):
            if part == 1:
                held[...] = array
            else:
                held += part * (array.astype(held.dtype) - held)

    def _copied(self) -> dict[Any, Array]:
        pairs = zip(self._structure.keys, self._held, strict=True)
        return {key: held.copy(order="K") for key, held in pairs}

    def _take(self, name: str, given: Any) -> None:
        check_keys(name, given, self._structure.keys)
        for key, held in zip(self._structure.keys, self._held, strict=True):
            check_like(f"{name}[{key!r}]", given[key], held)
        for key, held in zip(self._structure.keys, self._held, strict=True):
            np.copyto(held, given[key])


class Average(Followed):
    """What averages of parameters have in common."""

    n_averaged: int

    def __init__(self, params: Params) -> None:
        super().__init__(Structure(params))
        self.n_averaged = 0

    def __repr__(self) -> str:
        n = len(self._held)
        arrays = f"{n} array{'s' if n > 1 else ''}"
        return f"<{type(self).__name__} of {arrays}, n_averaged={self.n_averaged}>"

    def update(self) -> None:
        """Take the parameters as they are now into the average; to be called after a step."""
        self._approach(self._part())
        self.n_averaged += 1

    def _part(self) -> float:
        """How far the average goes to the parameters."""
        raise NotImplementedError

    def averaged(self) -> Any:
        """The averages.

        Returns
        -------
        ndarray, or list or dict of ndarrays
            Copies, structured as the parameters are; for groups a list with those of each group.
        """
        return self._filled(self._held)

    def state_dict(self) -> State:
        """Copy the averages, and how many updates there were.

        Returns
        -------
        dict
            ``{"n_averaged": updates so far, "averages": {key: array}}``, with the keys of
            `Optimizer.state_dict`.
        """
        return {"n_averaged": self.n_averaged, "averages": self._copied()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Parameters
        ----------
        state : dict
            Of parameters of the same keys, shapes and dtypes.

        Raises
        ------
        ValueError, TypeError
            If it is not that. Then nothing has changed.
        """
        check_keys("state", state, ("n_averaged", "averages"))
        n_averaged = COUNT_OR_0.parameter("state['n_averaged']", state["n_averaged"])
        self._take("state['averages']", state["averages"])
        self.n_averaged = n_averaged


class ExponentialMovingAverage(Average):
    """Exponential moving average of parameters.

    The update t = 1, 2, ... is, from a = p at the first, ::

        a <- decay a + (1 - decay) p

    or, with debias, from a = 0; then the average is a / (1 - decay^t).

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays that an optimizer updates.
    decay : float, default=0.999
        In [0, 1).
    debias : bool, default=False
        Weigh the parameters of early updates as those of later ones, as `optax.ema`; without it
        the average is that of ``torch.optim.swa_utils.get_ema_avg_fn``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.SGD(p, lr=1.0)
    >>> average = fl.optim.ExponentialMovingAverage(p, decay=0.5)
    >>> for _ in range(3):
    ...     _ = opt.step(np.array([1.0]))
    ...     average.update()
    >>> p, average.averaged()
    (array([-2.]), array([-1.25]))
    """

    def __init__(self, params: Params, decay: float = 0.999, debias: bool = False) -> None:
        super().__init__(params)
        self.decay = check_number("decay", decay, BELOW_ONE)
        self.debias = check_flag("debias", debias)

    def _part(self) -> float:
        # 1 - decay over the sum of all weights so far, which keeps the average unbiased throughout
        if self.debias and self.decay:
            return (1 - self.decay) / -math.expm1((self.n_averaged + 1) * math.log(self.decay))
        return 1 - self.decay if self.n_averaged else 1.0


class StochasticWeightAverage(Average):
    """Average of parameters, each update counting alike.

    The update t = 1, 2, ... is ::

        a <- a + (p - a) / t

    It is that of ``torch.optim.swa_utils.AveragedModel``: update it after the epochs, or the steps,
    that the average is to be of.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays that an optimizer updates.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov and Wilson (2018), Averaging Weights Leads to Wider
    Optima and Better Generalization.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.SGD(p, lr=1.0)
    >>> average = fl.optim.StochasticWeightAverage(p)
    >>> for _ in range(3):
    ...     _ = opt.step(np.array([1.0]))
    ...     average.update()
    >>> p, average.averaged()
    (array([-2.]), array([-1.]))
    """

    def _part(self) -> float:
        return 1 / (self.n_averaged + 1)


class Lookahead(Followed):
    """Slow parameters that follow those of an optimizer, and take them back every few steps.

    After each ``sync_period`` steps of the optimizer, to its parameters p, ::

        s <- s + slow_step_size (p - s)
        p <- s

    where s starts as the parameters are when this is made.

    Parameters
    ----------
    optimizer : Optimizer
        Any; its state goes on as it is.
    sync_period : int, default=5
    slow_step_size : float, default=0.5
        In (0, 1].

    Attributes
    ----------
    optimizer : Optimizer
        The one that steps.

    References
    ----------
    Zhang, Lucas, Hinton and Ba (2019), Lookahead Optimizer: k Steps Forward, 1 Step Back; the
    arguments are those of `optax.lookahead`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.Lookahead(fl.optim.SGD(p, lr=1.0), sync_period=2)
    >>> opt.step(np.array([1.0])) and opt.step(np.array([1.0]))
    True
    >>> p
    array([0.])
    """

    def __init__(
        self, optimizer: Optimizer, sync_period: int = 5, slow_step_size: float = 0.5
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be one of fastloss.optim; got {optimizer!r}")
        self.sync_period = COUNT.parameter("sync_period", sync_period)
        self.slow_step_size = check_number("slow_step_size", slow_step_size, FACTOR)
        self.optimizer = optimizer
        super().__init__(optimizer._structure)
        self._steps = 0  # since the last time that both were the same

    def __repr__(self) -> str:
        return (
            f"Lookahead({self.optimizer!r}, sync_period={self.sync_period}, "
            f"slow_step_size={self.slow_step_size!r})"
        )

    def step(self, grads: Any) -> bool:
        """Step the optimizer, and after every few steps take the slow parameters for its own.

        Parameters
        ----------
        grads : ndarray, or list or dict of ndarrays
            As `Optimizer.step` takes them.

        Returns
        -------
        bool
            True; False if the step was skipped, which does not count.
        """
        if not self.optimizer.step(grads):
            return False
        self._steps = (self._steps + 1) % self.sync_period
        if self._steps == 0:
            self._approach(self.slow_step_size)
            for held, array in zip(self._held, self._structure.arrays, strict=True):
                array[...] = held
        return True

    def averaged(self) -> Any:
        """The slow parameters.

        Returns
        -------
        ndarray, or list or dict of ndarrays
            Copies, structured as the parameters are; for groups a list with those of each group.
        """
        return self._filled(self._held)

    def state_dict(self) -> State:
        """Copy the state of the optimizer and the slow parameters.

        Returns
        -------
        dict
            ``{"optimizer": its state_dict(), "steps": those since the last time that both
            parameters were the same, "slow": {key: array}}``.
        """
        return {
            "optimizer": self.optimizer.state_dict(),
            "steps": self._steps,
            "slow": self._copied(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Parameters
        ----------
        state : dict
            Of an optimizer of the same class, for parameters of the same keys, shapes and dtypes.

        Raises
        ------
        ValueError, TypeError
            If it is not that.
        """
        check_keys("state", state, ("optimizer", "steps", "slow"))
        steps = COUNT_OR_0.parameter("state['steps']", state["steps"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._take("state['slow']", state["slow"])
        self._steps = steps % self.sync_period
