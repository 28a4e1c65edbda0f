"""Rules that give every element a rate of its own, from the gradients that it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from fastloss.domains import POSITIVE
from fastloss.optim.base import BELOW_ONE, Common, Optimizer, Params, Rate
from fastloss.optim.stored import ROUNDED


class AdaGrad(Optimizer):
    """Rates that fall with the squared gradients so far.

    The step t = 1, 2, ... from the gradient g is ::

        g <- g + weight_decay p
        s <- s + g^2                                (from s = initial_accumulator_value)
        r = lr / (1 + (t - 1) lr_decay) / (sqrt(s) + eps)
        p <- p - r g

    With a penalty, the proximal step at each element's own rate follows: ::

        p <- sign(p) max(|p| - r l1, 0) / (1 + r l2)

    It takes sparse gradients: see `step`.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-2
    lr_decay : float, default=0.0
    weight_decay : float, default=0.0
    initial_accumulator_value : float, default=0.0
    eps : float, default=1e-10
    penalty : object, optional
        With attributes ``l1`` and ``l2``.
    COMMON

    References
    ----------
    Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0, 1.0])
    >>> fl.optim.AdaGrad(p, lr=0.1).step(np.array([5.0, 0.001]))
    True
    >>> p.round(6)
    array([0.9, 0.9])
    """

    _state_names = ("sum",)
    _takes_rows = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        penalty: Any = None,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            penalty=penalty,
        )

    def _initial(self, name: str, options: Mapping[str, Any]) -> float:
        return float(options["initial_accumulator_value"])

    def _kernel_numbers(self, options: Mapping[str, Any]) -> dict[str, float]:
        rest = {k: v for k, v in options.items() if k != "initial_accumulator_value"}
        return super()._kernel_numbers(rest)


class RMSprop(Optimizer):
    """Rates that follow the root mean square of recent gradients.

    The step from the gradient g is ::

        g <- g + weight_decay p
        v <- alpha v + (1 - alpha) g^2
        m <- alpha m + (1 - alpha) g                (with centered; else m = 0)
        u = g / (sqrt(max(v - m^2, 0)) + eps)
        b <- momentum b + u
        p <- p - lr b

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-2
    alpha : float, default=0.99
    eps : float, default=1e-8
        Outside of the root, as in torch.
    weight_decay : float, default=0.0
    momentum : float, default=0.0
    centered : bool, default=False
        Divide by an estimate of the standard deviation.
    COMMON

    References
    ----------
    Tieleman and Hinton (2012), Lecture 6.5, COURSERA: Neural Networks for Machine Learning; Graves
    (2013), Generating Sequences with Recurrent Neural Networks, for the centered form.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> fl.optim.RMSprop(p, lr=0.1, alpha=0.75, eps=0.0).step(np.array([3.0]))
    True
    >>> p
    array([0.8])
    """

    _ranges = {"alpha": BELOW_ONE}
    _flags = ("centered",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def _states(self, options: Mapping[str, Any]) -> tuple[str | None, ...]:
        buffer = "momentum_buffer" if options["momentum"] != 0 else None
        return ("square_avg", buffer, "grad_avg" if options["centered"] else None)

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        # a difference that may be smaller than the errors
        return ROUNDED if options["centered"] else ()


class Adadelta(Optimizer):
    """Rates in the units of the parameters.

    The step from the gradient g is ::

        g <- g + weight_decay p
        v <- rho v + (1 - rho) g^2
        d = g sqrt(u + eps) / sqrt(v + eps)
        u <- rho u + (1 - rho) d^2
        p <- p - lr d

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1.0
        The rate, or a function of the number of steps before this one; the paper has none.
    rho : float, default=0.9
    eps : float, default=1e-6
    weight_decay : float, default=0.0
    COMMON

    References
    ----------
    Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> fl.optim.Adadelta(p).step(np.array([3.0]))
    True
    >>> p.round(6)
    array([0.996838])
    """

    _ranges = {"rho": BELOW_ONE}
    _state_names = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(params, common, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)


class FTRL(Optimizer):
    """Follow the regularised leader, proximally and per coordinate.

    The step from the gradient g is ::

        s = (sqrt(n + g^2) - sqrt(n)) / lr
        z <- z + g - s p
        n <- n + g^2
        p <- 0                                                              (|z| <= l1)
        p <- -(z - sign(z) l1) / ((beta + sqrt(n)) / lr + l2)               (|z| > l1)

    It starts from z = n = 0, which stands for p = 0: of other values nothing remains but what the
    first step takes over through s p.

    It takes sparse gradients: see `step`.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float, default=0.1
        The paper's alpha. The rates of the coordinates fall by themselves: no schedule.
    beta : float, default=1.0
    l1, l2 : float, default=0.0
        Penalties; l1 makes parameters exactly 0.
    COMMON

    References
    ----------
    McMahan et al. (2013), Ad Click Prediction: a View from the Trenches.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.zeros(2)
    >>> fl.optim.FTRL(p, lr=1.0, l1=0.5).step(np.array([1.0, 0.25]))
    True
    >>> p
    array([-0.25,  0.  ])
    """

    _ranges = {"lr": POSITIVE}
    _state_names = ("z", "n")
    _takes_rows = True

    def __init__(
        self,
        params: Params,
        lr: float = 0.1,
        beta: float = 1.0,
        l1: float = 0.0,
        l2: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(params, common, lr=lr, beta=beta, l1=l1, l2=l2)

    def _check(self, name: str, value: Any) -> Any:
        if name == "lr" and callable(value):
            raise TypeError("lr must be a number: FTRL has no schedule")
        return super()._check(name, value)

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ROUNDED  # the parameters are a function of it


class AdaptiveGradient(Optimizer):
    """A running average of the gradient over a running average of its own size.

    The step from the gradient g is ::

        m <- beta m + (1 - beta) g
        v <- gamma v + (1 - gamma) m^2
        p <- p - lr m / (sqrt(v) + eps)

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    beta : float, default=0.9
    gamma : float, default=0.999
    eps : float, default=1e-8
    COMMON

    References
    ----------
    Wang et al. (2021), Rethinking Adam: A Twofold Exponential Moving Average Approach, for its
    nearest kin: Adam with m^2 in the place of g^2.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> fl.optim.AdaptiveGradient(p, lr=0.1, gamma=0.75, eps=0.0).step(np.array([3.0]))
    True
    >>> p
    array([0.8])
    """

    _ranges = {"beta": BELOW_ONE, "gamma": BELOW_ONE}
    _state_names = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        beta: float = 0.9,
        gamma: float = 0.999,
        eps: float = 1e-8,
        **common: Unpack[Common],
    ) -> None:
        self._build(params, common, lr=lr, beta=beta, gamma=gamma, eps=eps)
