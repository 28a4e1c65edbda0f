"""Adam and its descendants: a running average of the gradient over one of its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from fastloss.optim.base import Common, Optimizer, Params, Rate
from fastloss.optim.stored import ROUNDED


class Adam(Optimizer):
    """Adaptive moment estimation.

    The step t = 1, 2, ... from the gradient g is ::

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        s <- max(s, v)                              (with amsgrad; else s = v)
        p <- p - lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t) + eps_root) + eps)

    It takes sparse gradients: see `step`.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    betas : pair of floats, default=(0.9, 0.999)
    eps : float, default=1e-8
        Outside of the root, and added after the correction of the bias, as in the paper.
    weight_decay : float, default=0.0
        Half a squared L2 penalty, by way of the gradient; see `AdamW` for the other way.
    amsgrad : bool, default=False
        Divide by the largest v so far.
    decoupled_weight_decay : bool, default=False
    eps_root : float, default=0.0
    eps_hat : bool, default=False
        Add eps to sqrt(s), before the correction of the bias: the paper's epsilon hat, as in Keras
        and TensorFlow.
    COMMON

    References
    ----------
    Kingma and Ba (2015), Adam: A Method for Stochastic Optimization; Reddi, Kale and Kumar (2018),
    On the Convergence of Adam and Beyond.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0, 1.0])
    >>> fl.optim.Adam(p, lr=0.1, eps=0.0).step(np.array([5.0, -0.001]))
    True
    >>> p
    array([0.9, 1.1])
    """

    _flags = ("amsgrad", "decoupled_weight_decay", "eps_hat")
    _takes_rows = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        decoupled_weight_decay: bool = False,
        eps_root: float = 0.0,
        eps_hat: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            decoupled_weight_decay=decoupled_weight_decay,
            eps_root=eps_root,
            eps_hat=eps_hat,
        )

    def _states(self, options: Mapping[str, Any]) -> tuple[str | None, ...]:
        return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if options["amsgrad"] else ()))

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ("8bit",) if options["amsgrad"] else ()  # errors would pile up in the largest


class AdamW(Adam):
    """Adam with decoupled weight decay.

    The step t = 1, 2, ... from the gradient g is ::

        p <- p - lr weight_decay p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        s <- max(s, v)                              (with amsgrad; else s = v)
        p <- p - lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t) + eps_root) + eps)

    It takes sparse gradients: see `step`.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    betas : pair of floats, default=(0.9, 0.999)
    eps : float, default=1e-8
        Outside of the root, and added after the correction of the bias.
    weight_decay : float, default=0.01
        Applied to p before the step, times lr.
    amsgrad : bool, default=False
        Divide by the largest v so far.
    eps_root : float, default=0.0
    eps_hat : bool, default=False
        Add eps to sqrt(s), before the correction of the bias: the paper's epsilon hat, as in Keras
        and TensorFlow.
    COMMON

    References
    ----------
    Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> fl.optim.AdamW(p, lr=0.1, eps=0.0, weight_decay=0.1).step(np.array([3.0]))
    True
    >>> p
    array([0.89])
    """

    _kernel_name = "Adam"

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        eps_root: float = 0.0,
        eps_hat: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            eps_root=eps_root,
            eps_hat=eps_hat,
        )

    def _kernel_numbers(self, options: Mapping[str, Any]) -> dict[str, float]:
        return super()._kernel_numbers(options) | {"decoupled_weight_decay": 1.0}


class Adamax(Optimizer):
    """Adam with the infinity norm.

    The step t = 1, 2, ... from the gradient g is ::

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g
        u <- max(beta2 u, |g| + eps)
        p <- p - lr (m / (1 - beta1^t)) / u

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=2e-3
    betas : pair of floats, default=(0.9, 0.999)
    eps : float, default=1e-8
        Keeps u from 0, as in torch; the paper has none.
    weight_decay : float, default=0.0
    decoupled_weight_decay : bool, default=False
    COMMON

    References
    ----------
    Kingma and Ba (2015), Adam: A Method for Stochastic Optimization, section 7.1.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> fl.optim.Adamax(p, lr=0.1, eps=0.0).step(np.array([3.0]))
    True
    >>> p
    array([0.9])
    """

    _flags = ("decoupled_weight_decay",)
    _state_names = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ("8bit",)  # of averages it keeps less range than of their norms, and errors pile up


class NAdam(Optimizer):
    """Adam with Nesterov's momentum.

    The step t = 1, 2, ... from the gradient g is, with n the next mu, ::

        g <- g + weight_decay p
        mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2),  M(t) = mu(1) mu(2) ... mu(t)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        u <- (1 - mu(t)) g / (1 - M(t)) + mu(t + 1) m / (1 - M(t + 1))
        p <- p - lr u / (sqrt(v / (1 - beta2^t) + eps_root) + eps)

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=2e-3
    betas : pair of floats, default=(0.9, 0.999)
    eps : float, default=1e-8
    weight_decay : float, default=0.0
    momentum_decay : float, default=4e-3
    decoupled_weight_decay : bool, default=False
    eps_root : float, default=0.0
    COMMON

    References
    ----------
    Dozat (2016), Incorporating Nesterov Momentum into Adam; the schedule of mu is torch's.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> opt = fl.optim.NAdam(p, lr=0.1)
    >>> opt.step(np.array([3.0]))
    True
    >>> p.round(6)
    array([0.894355])
    """

    _flags = ("decoupled_weight_decay",)
    _state_names = ("exp_avg", "exp_avg_sq")
    _carried_numbers = {"mu_product": 1.0}

    def __init__(
        self,
        params: Params,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        eps_root: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            eps_root=eps_root,
        )


class RAdam(Optimizer):
    """Adam with a rectified rate, which needs no warm-up.

    The step t = 1, 2, ... from the gradient g is ::

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        R = 2 / (1 - beta2) - 1,  r = R - 2 t beta2^t / (1 - beta2^t)
        c = sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r))
        d = (sqrt(v + (1 - beta2^t) eps_root) + eps) / sqrt(1 - beta2^t)            (with eps_hat)
        d = sqrt(v / (1 - beta2^t) + eps_root) + eps                                (without)
        p <- p - lr c (m / (1 - beta1^t)) / d                                       (r > 5)
        p <- p - lr (m / (1 - beta1^t))                                             (r <= 5)

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    betas : pair of floats, default=(0.9, 0.999)
    eps : float, default=1e-8
    weight_decay : float, default=0.0
    decoupled_weight_decay : bool, default=False
    eps_root : float, default=0.0
    eps_hat : bool, default=True
        Add eps to sqrt(v), before the correction of the bias, as torch; optax adds it after.
    COMMON

    References
    ----------
    Liu et al. (2020), On the Variance of the Adaptive Learning Rate and Beyond.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0])
    >>> fl.optim.RAdam(p, lr=0.1).step(np.array([3.0]))
    True
    >>> p
    array([0.7])
    """

    _flags = ("decoupled_weight_decay", "eps_hat")
    _state_names = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        eps_root: float = 0.0,
        eps_hat: bool = True,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            eps_root=eps_root,
            eps_hat=eps_hat,
        )


class Adan(Optimizer):
    """Adam with Nesterov's momentum by way of the change of the gradient.

    The step t = 1, 2, ... from the gradient g is, with h the gradient before, ::

        c = g - h                                   (t > 1; else c = 0)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) c
        n <- beta3 n + (1 - beta3) (g + beta2 c)^2
        u = m / (1 - beta1^t) + beta2 v / (1 - beta2^t)
        d = sqrt(n / (1 - beta3^t) + eps_root) + eps
        p <- (p - lr u / d) / (1 + lr weight_decay)
        p <- (1 - lr weight_decay) p - lr u / d     (with no_prox)

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    betas : three floats, default=(0.98, 0.92, 0.99)
        beta1, beta2 and beta3, which are 1 minus those of the paper.
    eps : float, default=1e-8
    weight_decay : float, default=0.0
        Apart from the gradient.
    no_prox : bool, default=False
        Let the parameters shrink as in `AdamW`, instead of by a proximal step.
    eps_root : float, default=0.0
    COMMON

    Notes
    -----
    This is the paper's rule, and its authors' code. optax multiplies c and v by 1 - b2 where they
    have beta2: the two agree where b2 is 0.5.

    References
    ----------
    Xie, Zhou, Li, Lin and Yan (2022), Adan: Adaptive Nesterov Momentum Algorithm for Faster
    Optimizing Deep Models.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([1.0, 1.0])
    >>> fl.optim.Adan(p, lr=0.1, eps=0.0).step(np.array([3.0, -0.01]))
    True
    >>> p
    array([0.9, 1.1])
    """

    _flags = ("no_prox",)
    _n_betas = 3
    _state_names = ("exp_avg", "exp_avg_diff", "exp_avg_sq", "previous_grad")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        no_prox: bool = False,
        eps_root: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            no_prox=no_prox,
            eps_root=eps_root,
        )

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ROUNDED  # differences of gradients may be smaller than their errors
