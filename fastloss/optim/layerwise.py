"""Rules that look at an array as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from fastloss.domain import NONNEGATIVE, POSITIVE
from fastloss.optim.base import Common, Optimizer, Params, Rate


class LAMB(Optimizer):
    """Adam with a rate for each array, in proportion to the array's norm.

    The step t = 1, 2, ... from the gradient g is ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p
        p <- p - lr (|p| / |r|) r

    where ``|p| / |r|`` is the ratio of the Euclidean norms of the whole arrays, summed in float64;
    1 if either is 0.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays p, updated in place.
    lr : float or callable, default=1e-3
        The rate, or a function of the number of steps before this one.
    betas : pair of floats, default=(0.9, 0.999)
        beta1 and beta2.
    eps : float, default=1e-6
    weight_decay : float, default=0.01
    COMMON

    References
    ----------
    You et al. (2020), Large Batch Optimization for Deep Learning: Training BERT in 76 minutes.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([3.0, 4.0])
    >>> fl.optim.LAMB(p, lr=0.1, weight_decay=0.0).step(np.array([5.0, 0.0]))
    True
    >>> p.round(6)
    array([2.5, 4. ])
    """

    ranges = {"eps": POSITIVE, "weight_decay": NONNEGATIVE}

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        **common: Unpack[Common],
    ) -> None:
        self._build(params, common, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _states(self, options: Mapping[str, Any]) -> tuple[str | None, ...]:
        return ("exp_avg", "exp_avg_sq")
