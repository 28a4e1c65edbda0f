"""Rules that keep an average of the parameters, which is what to use in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from fastloss.domains import Domain
from fastloss.optim.base import BELOW_ONE, Array, Common, Optimizer, Params, Rate
from fastloss.optim.checks import check_tuple
from fastloss.optim.stored import ROUNDED

INSIDE = Domain("(0, 1)", low=0, high=1, open_low=True, open_high=True)


class Averaging:
    """What these rules have in common, besides that they are optimizers."""

    _arrays: list[Array]
    _state: list[dict[str, Array]]

    def averaged(self: Any) -> Any:
        """The averages of the parameters, which is what to use in the end.

        Returns
        -------
        ndarray, or list or dict of ndarrays
            Copies, structured as the parameters are; for groups a list with those of each group.
        """
        found = [
            self._average(k, held.get("master", array), held).astype(array.dtype)
            for k, (array, held) in enumerate(zip(self._arrays, self._state, strict=True))
        ]
        return self._structure.filled(found)

    def _average(self, index: int, array: Array, held: Mapping[str, Array]) -> Array:
        """That of one array, from what is held of it."""
        raise NotImplementedError

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ROUNDED  # the average would be no better than its errors


class ASGD(Averaging, Optimizer):
    """Averaged gradient descent.

    The step t = 1, 2, ... from the gradient g is, from eta = lr and mu = 1, ::

        g <- g + weight_decay p
        p <- (1 - lambd eta) p - eta g
        a <- a + mu (p - a)
        eta <- lr / (1 + lambd lr t)^alpha
        mu <- 1 / max(1, t - t0)

    The average a is what to use: `averaged` returns it. Until ``t0`` it is p itself.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-2
        The rate, or a function of the number of steps before this one. A change of it counts from
        the step after the next on, as in torch: eta is computed a step ahead.
    lambd : float, default=1e-4
        Shrinks p as it makes eta fall.
    alpha : float, default=0.75
        How fast eta falls.
    t0 : float, default=1e6
        The step after which the average begins.
    weight_decay : float, default=0.0
    COMMON

    References
    ----------
    Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging; the rates are
    those of Bottou (2010), Large-Scale Machine Learning with Stochastic Gradient Descent.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.ASGD(p, lr=0.1, lambd=0.0, t0=0)
    >>> for g in (1.0, -1.0, 1.0, -1.0):
    ...     _ = opt.step(np.array([g]))
    >>> p, opt.averaged().round(6)
    (array([1.]), array([0.966667]))
    """

    _state_names = ("ax",)
    _copies = ("ax",)
    _carried_numbers = {"eta": 0.0, "mu": 1.0}

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params, common, lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay
        )

    def _average(self, index: int, array: Array, held: Mapping[str, Array]) -> Array:
        return held["ax"].copy(order="K")


class ScheduleFree(Averaging):
    """What the two rules without a schedule have in common."""

    _carried_numbers: ClassVar[Mapping[str, float]] = {"weight_sum": 0.0, "lr_max": 0.0}
    _members: list[int]
    _options: list[dict[str, Any]]

    def _average(self, index: int, array: Array, held: Mapping[str, Array]) -> Array:
        part = self._part(self._options[self._members[index]])
        away: Array = (1 / part - 1) * (array - held["z"])
        return array + away

    def _part(self, options: Mapping[str, Any]) -> float:
        """How much of y is x."""
        raise NotImplementedError


class ScheduleFreeSGD(ScheduleFree, Optimizer):
    """Gradient descent without a schedule, by averages of its steps.

    The arrays hold y, between the steps z and their average x: there the gradient is taken. The
    step t = 1, 2, ... from the gradient g is, from x = z = y, ::

        g <- g + weight_decay y
        z <- z - lr g
        w = t^r max(lr so far)^weight_lr_power,  c = w / (sum of w so far)
        x <- (1 - c) x + c z
        y <- momentum x + (1 - momentum) z

    The average x is what to use: `averaged` returns it. z starts as the arrays are when the
    optimizer is made, and x is computed from y and z.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays y, updated in place.
    lr : float or callable, default=1.0
        The rate, or a function of the number of steps before this one, which need not fall:
        ``schedules.Warmup`` before a constant rate is what the paper takes.
    momentum : float, default=0.9
        In (0, 1): how much of y is x.
    weight_decay : float, default=0.0
    r : float, default=0.0
        Above 0 later steps count for more in the average.
    weight_lr_power : float, default=2.0
        Above 0 the steps of a warm-up count for less.
    COMMON

    References
    ----------
    Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky (2024), The Road Less Scheduled.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.ScheduleFreeSGD(p, lr=0.5)
    >>> opt.step(np.array([1.0])) and opt.step(np.array([0.5]))
    True
    >>> p.round(6), opt.averaged().round(6)
    (array([0.3625]), array([0.375]))
    """

    _ranges = {"momentum": INSIDE}
    _state_names = ("z",)
    _copies = ("z",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            r=r,
            weight_lr_power=weight_lr_power,
        )

    def _part(self, options: Mapping[str, Any]) -> float:
        return float(options["momentum"])


class ScheduleFreeAdamW(ScheduleFree, Optimizer):
    """AdamW without a schedule, by averages of its steps.

    The arrays hold y, between the steps z and their average x: there the gradient is taken. The
    step t = 1, 2, ... from the gradient g is, from x = z = y, ::

        v <- beta2 v + (1 - beta2) g^2
        z <- z - lr (g / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay y)
        w = t^r max(lr so far)^weight_lr_power,  c = w / (sum of w so far)
        x <- (1 - c) x + c z
        y <- beta1 x + (1 - beta1) z

    The average x is what to use: `averaged` returns it. z starts as the arrays are when the
    optimizer is made, and x is computed from y and z.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays y, updated in place.
    lr : float or callable, default=2.5e-3
        The rate, or a function of the number of steps before this one, which need not fall:
        ``schedules.Warmup`` before a constant rate is what the paper takes.
    betas : pair of floats, default=(0.9, 0.999)
        beta1, above 0, and beta2.
    eps : float, default=1e-8
    weight_decay : float, default=0.0
        Apart from the gradient, of y.
    r : float, default=0.0
        Above 0 later steps count for more in the average.
    weight_lr_power : float, default=2.0
        Above 0 the steps of a warm-up count for less.
    COMMON

    References
    ----------
    Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky (2024), The Road Less Scheduled.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.ScheduleFreeAdamW(p, lr=0.5, eps=0.0)
    >>> opt.step(np.array([3.0])) and opt.step(np.array([3.0]))
    True
    >>> p.round(6), opt.averaged().round(6)
    (array([0.225]), array([0.25]))
    """

    _state_names = ("z", "exp_avg_sq")
    _copies = ("z",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            r=r,
            weight_lr_power=weight_lr_power,
        )

    def _check(self, name: str, value: Any) -> Any:
        if name == "betas":
            return check_tuple(name, value, [INSIDE, BELOW_ONE])
        return super()._check(name, value)

    def _part(self, options: Mapping[str, Any]) -> float:
        return float(options["betas"][0])
