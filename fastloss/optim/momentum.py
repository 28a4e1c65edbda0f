"""Rules that step along a gradient or a running average of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from fastloss.optim.base import BELOW_ONE, Common, Optimizer, Params, Rate


class SGD(Optimizer):
    """Gradient descent, with momentum as in torch.

    The step t = 1, 2, ... from the gradient g is ::

        g <- g + weight_decay p
        b <- g                                      (t = 1)
        b <- momentum b + (1 - dampening) g         (t > 1)
        u <- g + momentum b                         (with nesterov; else u = b)
        p <- p - lr u

    without b where ``momentum`` is 0, and with b = 0 before a row that a sparse gradient first
    names at t > 1. With a penalty, the proximal step follows (proximal gradient descent): ::

        p <- sign(p) max(|p| - lr l1, 0) / (1 + lr l2)

    It takes sparse gradients: see `step`.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    momentum : float, default=0.0
    dampening : float, default=0.0
    weight_decay : float, default=0.0
    nesterov : bool, default=False
        Needs momentum, and no dampening.
    penalty : object, optional
        With attributes ``l1`` and ``l2``, or with a method ``prox(array, step, out=array)`` that
        takes a proximal step in place, called after the update.
    decoupled_weight_decay : bool, default=False
    COMMON

    References
    ----------
    Robbins and Monro (1951), A Stochastic Approximation Method; Polyak (1964), Some Methods of
    Speeding up the Convergence of Iteration Methods; Sutskever, Martens, Dahl and Hinton (2013),
    On the Importance of Initialization and Momentum in Deep Learning.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0, 2.0])
    >>> opt = fl.optim.SGD(p, lr=0.1, momentum=0.9)
    >>> opt.step(np.array([1.0, 0.0])) and opt.step(np.array([1.0, 0.0]))
    True
    >>> p
    array([0.71, 2.  ])

    Two rows of a gradient that is 0 elsewhere, one of them given twice:

    >>> p = np.zeros((1000, 2))
    >>> rows, values = np.array([7, 3, 7]), np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 5.0]])
    >>> fl.optim.SGD(p, lr=0.5).step((rows, values))
    True
    >>> p[[3, 7]]
    array([[ 0. , -0.5],
           [-1.5, -2.5]])
    """

    _flags = ("nesterov", "decoupled_weight_decay")
    _takes_prox = True
    _takes_rows = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        penalty: Any = None,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            penalty=penalty,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _states(self, options: Mapping[str, Any]) -> tuple[str | None, ...]:
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ValueError("nesterov needs momentum > 0 and dampening = 0")
        return ("momentum_buffer",) if options["momentum"] != 0 else ()


class Momentum(Optimizer):
    """Gradient descent with classical momentum, Polyak's heavy ball.

    The step from the gradient g is ::

        g <- g + weight_decay p
        v <- momentum v - lr g
        p <- p + v

    It differs from `SGD` with momentum where ``lr`` changes: here the rate is part of v.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    momentum : float, default=0.9
    weight_decay : float, default=0.0
    decoupled_weight_decay : bool, default=False
    COMMON

    References
    ----------
    Polyak (1964), Some Methods of Speeding up the Convergence of Iteration Methods.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.Momentum(p, lr=0.1, momentum=0.5)
    >>> opt.step(np.array([1.0])) and opt.step(np.array([1.0]))
    True
    >>> p
    array([0.75])
    """

    _ranges = {"momentum": BELOW_ONE}
    _flags = ("decoupled_weight_decay",)
    _state_names = ("velocity",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )


class NAG(Momentum):
    """Nesterov's accelerated gradient, in the form of Sutskever et al.

    They write it as classical momentum whose gradient is taken where the velocity is about to
    lead, at q = p + momentum v. The arrays hold q, so that the gradient is taken at the parameters
    as ever; in q the step is ::

        g <- g + weight_decay q
        v <- momentum v - lr g
        q <- q + momentum v - lr g

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays q, updated in place.
    lr : float or callable, default=1e-3
    momentum : float, default=0.9
    weight_decay : float, default=0.0
    decoupled_weight_decay : bool, default=False
    COMMON

    References
    ----------
    Nesterov (1983), A Method for Solving the Convex Programming Problem with Convergence Rate
    O(1/k^2); Sutskever, Martens, Dahl and Hinton (2013), On the Importance of Initialization and
    Momentum in Deep Learning; Bengio, Boulanger-Lewandowski and Pascanu (2013), Advances in
    Optimizing Recurrent Networks, for the form in q.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> fl.optim.NAG(p, lr=0.1, momentum=0.5).step(np.array([1.0]))
    True
    >>> p
    array([0.85])
    """


class Lion(Optimizer):
    """Evolved sign momentum.

    The step from the gradient g is ::

        c <- beta1 m + (1 - beta1) g
        p <- p - lr (sign(c) + weight_decay p)
        m <- beta2 m + (1 - beta2) g

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-4
    betas : pair of floats, default=(0.9, 0.99)
    weight_decay : float, default=0.0
        Decoupled: it does not pass through the sign.
    COMMON

    References
    ----------
    Chen et al. (2023), Symbolic Discovery of Optimization Algorithms.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0, 1.0, 1.0])
    >>> fl.optim.Lion(p, lr=0.1).step(np.array([5.0, -0.001, 0.0]))
    True
    >>> p
    array([0.9, 1.1, 1. ])
    """

    _state_names = ("exp_avg",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(params, common, lr=lr, betas=betas, weight_decay=weight_decay)
