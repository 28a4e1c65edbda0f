"""Rules that give every element a rate of its own, from the gradients that it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from fastloss.domains import NONPOSITIVE, POSITIVE, Domain
from fastloss.optim.base import BELOW_ONE, Common, Optimizer, Params, Rate
from fastloss.optim.checks import check_tuple
from fastloss.optim.stored import ROUNDED

BETWEEN = Domain("(0, 1)", low=0, high=1, open_low=True, open_high=True)
ABOVE_ONE = Domain("(1, inf)", low=1, open_low=True)


class AdaGrad(Optimizer):
    """Rates that fall with the squared gradients so far.

    The step t = 1, 2, ... from the gradient g is ::

        g <- g + weight_decay p
        s <- s + g^2                                (from s = initial_accumulator_value)
        r = lr / (1 + (t - 1) lr_decay) / (sqrt(s + eps_root) + eps)
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
    decoupled_weight_decay : bool, default=False
    eps_root : float, default=0.0
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

    _flags = ("decoupled_weight_decay",)
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
        decoupled_weight_decay: bool = False,
        eps_root: float = 0.0,
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
            decoupled_weight_decay=decoupled_weight_decay,
            eps_root=eps_root,
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
        u = g / (sqrt(max(v - m^2, 0) + eps_root) + eps)
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
    decoupled_weight_decay : bool, default=False
    eps_root : float, default=0.0
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
    _flags = ("centered", "decoupled_weight_decay")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        decoupled_weight_decay: bool = False,
        eps_root: float = 0.0,
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
            decoupled_weight_decay=decoupled_weight_decay,
            eps_root=eps_root,
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
    decoupled_weight_decay : bool, default=False
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
    _flags = ("decoupled_weight_decay",)
    _state_names = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )


class Rprop(Optimizer):
    """Steps that grow while the gradient keeps its sign, and shrink when it changes.

    The step from the gradient g is, from d = lr and h = 0, ::

        d <- etaplus d                              (g h > 0)
        d <- etaminus d,  g <- 0                    (g h < 0)
        d <- min(max(d, least), most)
        p <- p - sign(g) d
        h <- g

    It is for gradients of all samples: those of mini-batches change their signs by chance.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float, default=1e-2
        The first d. The steps change by themselves: no schedule.
    etas : pair of floats, default=(0.5, 1.2)
        etaminus, below 1, and etaplus, above 1.
    step_sizes : pair of floats, default=(1e-6, 50.0)
        The least and the most that d may be.
    COMMON

    References
    ----------
    Riedmiller and Braun (1993), A Direct Adaptive Method for Faster Backpropagation Learning: the
    RPROP Algorithm; in the form of Igel and Huesken (2000) without backtracking, as in torch.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0, 1.0])
    >>> opt = fl.optim.Rprop(p, lr=0.1)
    >>> opt.step(np.array([5.0, -0.001])) and opt.step(np.array([5.0, 0.001]))
    True
    >>> p
    array([0.78, 1.1 ])
    """

    _ranges = {"lr": POSITIVE}
    _state_names = ("prev", "step_size")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        **common: Unpack[Common],
    ) -> None:
        self._build(params, common, lr=lr, etas=etas, step_sizes=step_sizes)

    def _check(self, name: str, value: Any) -> Any:
        if name == "lr" and callable(value):
            raise TypeError("lr must be a number: Rprop has no schedule")
        if name == "etas":
            return check_tuple(name, value, [BETWEEN, ABOVE_ONE])
        if name == "step_sizes":
            least, most = check_tuple(name, value, [POSITIVE, POSITIVE])
            if least > most:
                raise ValueError(f"step_sizes must be the least and the most; got {value!r}")
            return least, most
        return super()._check(name, value)

    def _initial(self, name: str, options: Mapping[str, Any]) -> float:
        return float(options["lr"]) if name == "step_size" else 0.0

    def _kernel_numbers(self, options: Mapping[str, Any]) -> dict[str, float]:
        (minus, plus), (least, most) = options["etas"], options["step_sizes"]
        return {"eta_minus": minus, "eta_plus": plus, "least": least, "most": most}

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ROUNDED  # a step is a product of as many factors as there were steps


class FTRL(Optimizer):
    """Follow the regularised leader, proximally and per coordinate.

    The step from the gradient g is ::

        q = -lr_power
        s = ((n + g^2)^q - n^q) / lr
        z <- z + g + l2_shrinkage p - s p
        n <- n + g^2                                (from n = initial_accumulator_value)
        p <- 0                                                              (|z| <= l1)
        p <- -(z - sign(z) l1) / ((beta + n^q) / lr + l2)                   (|z| > l1)

    It starts from z = 0, which stands for p = 0: of other values nothing remains but what the first
    step takes over through s p.

    It takes sparse gradients: see `step`.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float, default=0.1
        The paper's alpha. The rates of the coordinates fall by themselves: no schedule.
    beta : float, default=1.0
    l1, l2 : float, default=0.0
        Penalties; l1 makes parameters exactly 0. Keras's and TensorFlow's l2 is half of this one.
    lr_power : float, default=-0.5
        Not positive. At -0.5 rates fall as in AdaGrad, at 0 they are all the same.
    l2_shrinkage : float, default=0.0
        An L2 penalty of the parameters where the gradient was taken, which does not count in n.
        That of Keras and TensorFlow is half of this one.
    initial_accumulator_value : float, default=0.0
    COMMON

    References
    ----------
    McMahan et al. (2013), Ad Click Prediction: a View from the Trenches; `lr_power` and
    `l2_shrinkage` are those of TensorFlow.

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

    _ranges = {"lr": POSITIVE, "lr_power": NONPOSITIVE}
    _state_names = ("z", "n")
    _takes_rows = True

    def __init__(
        self,
        params: Params,
        lr: float = 0.1,
        beta: float = 1.0,
        l1: float = 0.0,
        l2: float = 0.0,
        lr_power: float = -0.5,
        l2_shrinkage: float = 0.0,
        initial_accumulator_value: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            beta=beta,
            l1=l1,
            l2=l2,
            lr_power=lr_power,
            l2_shrinkage=l2_shrinkage,
            initial_accumulator_value=initial_accumulator_value,
        )

    def _initial(self, name: str, options: Mapping[str, Any]) -> float:
        return float(options["initial_accumulator_value"]) if name == "n" else 0.0

    def _kernel_numbers(self, options: Mapping[str, Any]) -> dict[str, float]:
        rest = {k: v for k, v in options.items() if k != "initial_accumulator_value"}
        return super()._kernel_numbers(rest)

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
