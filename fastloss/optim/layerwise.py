"""Rules that look at an array as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from fastloss.domains import NONNEGATIVE, POSITIVE, Domain
from fastloss.optim.base import Array, Common, Optimizer, Params, Rate
from fastloss.optim.checks import check_number
from fastloss.optim.stored import ROUNDED, is_low


class LAMB(Optimizer):
    """Adam with a rate for each array, in proportion to the array's norm.

    The step t = 1, 2, ... from the gradient g is ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t) + eps_root) + eps) + weight_decay p
        p <- p - lr (|p| / |r|) r

    where ``|p| / |r|`` is the ratio of the Euclidean norms of the whole arrays, summed in float64;
    1 if either is 0.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
    lr : float or callable, default=1e-3
    betas : pair of floats, default=(0.9, 0.999)
    eps : float, default=1e-6
    weight_decay : float, default=0.01
        Times p, it is part of r.
    eps_root : float, default=0.0
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

    _ranges = {"eps": POSITIVE}
    _state_names = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
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
            eps_root=eps_root,
        )


class Adafactor(Optimizer):
    """Adaptive rates with little memory: second moments as factors of rows and columns.

    The last two axes of an array with two or more make matrices, of r rows and c columns. For each
    the step t = 1, 2, ... from the gradient g is ::

        b = 1 - t^beta2_decay
        R <- b R + (1 - b) (means of g^2 over each row)
        C <- b C + (1 - b) (means of g^2 over each column)
        v = R C / max(mean of R, eps1)                  (the outer product, r x c)

    Of arrays with fewer axes v is kept whole: ::

        v <- b v + (1 - b) g^2

    and then, with RMS the root mean square over a whole array, all its matrices together, ::

        u = g / max(sqrt(v), eps1)
        a = min(lr, 1 / sqrt(t)) max(eps2, RMS(p))
        p <- (1 - lr weight_decay) p - a u / max(1, RMS(u) / d)

    where RMS(p) is that before the step. Sums are taken in float64. The state of a matrix is its
    r + c factors; sums of tiles need another 3 % of the size of a large float32 array.

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays p, updated in place. Those of two or more axes must be C-contiguous.
    lr : float or callable, default=1e-2
        The largest relative rate, or a function of the number of steps before this one.
    beta2_decay : float, default=-0.8
        Between -1 and 0, how fast the averages come to cover all steps.
    eps : pair of floats, default=(None, 1e-3)
        eps1, the least root of v, and eps2, the least size of an array. None is the spacing of the
        dtype at 1. In float32 eps1 is 2^-126 at least.
    d : float, default=1.0
        The largest root mean square of u.
    weight_decay : float, default=0.0
        Decoupled: times lr, not times a.
    COMMON

    Notes
    -----
    This is `torch.optim.Adafactor`. The paper adds its eps1, 1e-30, to g^2 instead, always takes
    0.01 for lr, and has no weight decay; both have no first moment by default, and here there is
    none. A gradient of zeros at the first step makes v = 0, and then u = 0.

    References
    ----------
    Shazeer and Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.array([[3.0, 4.0], [3.0, 4.0]])
    >>> opt = fl.optim.Adafactor(p, lr=0.1)
    >>> opt.step(np.array([[1.0, -2.0], [10.0, -20.0]]))
    True
    >>> p.round(6)
    array([[2.646447, 4.353553],
           [2.646447, 4.353553]])
    >>> {name: array.shape for name, array in opt.state_dict()["state"][0].items()}
    {'row_var': (2, 1), 'col_var': (1, 2)}
    """

    _ranges = {"beta2_decay": Domain("[-1, 0]", low=-1, high=0), "d": Domain("[1, inf)", low=1)}
    _state_names = ("variance", "row_var", "col_var")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            beta2_decay=beta2_decay,
            eps=eps,
            d=d,
            weight_decay=weight_decay,
        )

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ROUNDED  # and there is little of it

    def _shape(self, name: str, array: Array) -> tuple[int, ...] | None:
        if is_low(array):
            raise TypeError(f"params must be float32 or float64 for Adafactor; got {array.dtype}")
        if array.ndim < 2:
            return array.shape if name == "variance" else None
        if not array.flags.c_contiguous:
            raise ValueError(
                f"params of two or more axes must be C-contiguous for Adafactor; "
                f"got shape {array.shape} and strides {array.strides}"
            )
        *batch, rows, columns = array.shape
        shapes = {"row_var": (*batch, rows, 1), "col_var": (*batch, 1, columns)}
        return shapes.get(name)

    def _check(self, name: str, value: Any) -> Any:
        if name != "eps":
            return super()._check(name, value)
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise TypeError(
                f"eps must be a pair of numbers, the first of which may be None; got {value!r}"
            )
        first = None if value[0] is None else check_number("eps[0]", value[0], POSITIVE)
        return first, check_number("eps[1]", value[1], NONNEGATIVE)

    def _kernel_numbers(self, options: Mapping[str, Any]) -> dict[str, float]:
        first, second = options["eps"]
        rest = {key: value for key, value in options.items() if key != "eps"}
        return super()._kernel_numbers(rest) | {
            "eps1": -1.0 if first is None else first,
            "eps2": second,
        }
