"""Muon, whose steps are matrices that are nearly orthogonal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, Unpack, get_args

import numpy as np

from fastloss.domains import COUNT, REAL
from fastloss.optim.base import BELOW_ONE, Array, Common, Optimizer, Params, Rate
from fastloss.optim.checks import check_tuple
from fastloss.optim.stored import ROUNDED, step_dtype

AdjustLr: TypeAlias = Literal["original", "match_rms_adamw"]


class Muon(Optimizer):
    """Momentum made nearly orthogonal, for the matrices of hidden layers.

    The step of a matrix of r rows and c columns from the gradient g is ::

        b <- momentum b + (1 - momentum) g
        u = momentum b + (1 - momentum) g           (with nesterov; else u = b)
        p <- (1 - lr weight_decay) p - lr s O(u)

    where O takes the singular values of u near 1: from u over its Euclidean norm, transposed where
    r > c, ``ns_steps`` times ::

        A = u u^T,  u <- k0 u + (k1 A + k2 A A) u

    with ``ns_coefficients`` k; and s is max(1, r / c)^(1/2), or 0.2 max(r, c)^(1/2).

    Parameters
    ----------
    params : ndarray, list or dict of ndarrays, or list of groups
        The arrays p, updated in place. Each has two axes; `AdamW` is for the others.
    lr : float or callable, default=1e-3
    weight_decay : float, default=0.1
        Apart from the gradient.
    momentum : float, default=0.95
    nesterov : bool, default=True
    ns_coefficients : three floats, default=(3.4445, -4.775, 2.0315)
    eps : float, default=1e-7
        The least norm that u is divided by.
    ns_steps : int, default=5
    adjust_lr_fn : {None, "original", "match_rms_adamw"}
        What s is: for None and "original" the first, whose steps are alike whatever the shape; or
        the second, whose steps are as long as those of `AdamW` usually are.
    COMMON

    Notes
    -----
    This is `torch.optim.Muon`, but that O is computed in the dtype of the step, not in bfloat16.
    NumPy's matrix products compute it: its bits may depend on the threads of their library.

    References
    ----------
    Jordan et al. (2024), Muon: An Optimizer for Hidden Layers in Neural Networks; Liu et al.
    (2025), Muon is Scalable for LLM Training, for "match_rms_adamw".

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> p = np.zeros((2, 2))
    >>> fl.optim.Muon(p, lr=1.0).step(np.array([[3.0, 0.0], [0.0, -1.0]]))
    True
    >>> p.round(1)
    array([[-0.8,  0. ],
           [ 0. ,  1.1]])
    """

    _axes = 2
    _ranges = {"momentum": BELOW_ONE, "ns_steps": COUNT}
    _flags = ("nesterov",)
    _state_names = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: AdjustLr | None = None,
        **common: Unpack[Common],
    ) -> None:
        self._build(
            params,
            common,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )

    def _check(self, name: str, value: Any) -> Any:
        if name == "ns_coefficients":
            return check_tuple(name, value, [REAL] * 3)
        if name == "adjust_lr_fn":
            if value is not None and value not in get_args(AdjustLr):
                raise ValueError(
                    f'adjust_lr_fn must be None, "original" or "match_rms_adamw"; got {value!r}'
                )
            return value
        return super()._check(name, value)

    def _shape(self, name: str, array: Array) -> tuple[int, ...]:
        if array.ndim != self._axes:
            raise ValueError(
                f"params must have two axes for Muon; got an array of {array.ndim}, which is for "
                f"another optimizer, such as AdamW"
            )
        return array.shape

    def _kernel_numbers(self, options: Mapping[str, Any]) -> dict[str, float]:
        return {"weight_decay": options["weight_decay"]}

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ROUNDED  # NumPy takes the momentum

    def _direct(self, index: int, grad: Array, factor: float, bound: float) -> tuple[Array, float]:
        """What the kernel is to go along instead of a gradient, and a factor of the rate.

        factor, bound: what clips the gradient.
        """
        parameter, options = self._arrays[index], self._options[self._members[index]]
        momentum, (rows, columns) = options["momentum"], parameter.shape
        # made in the memory order of the parameter, which the kernel reads both in
        made = np.empty_like(parameter, dtype=step_dtype(parameter), subok=False)
        buffer = self._state[index]["momentum_buffer"]
        with np.errstate(all="ignore"):  # as kernels do
            np.multiply(grad, factor, out=made, dtype=made.dtype)
            np.clip(made, -bound, bound, out=made)
            buffer += (1 - momentum) * (made - buffer)
            if options["nesterov"]:
                made += momentum * (buffer - made)
            else:
                made[:] = buffer
            numbers = (options[name] for name in ("ns_coefficients", "ns_steps", "eps"))
            made[:] = orthogonal(made, *numbers)
        if options["adjust_lr_fn"] == "match_rms_adamw":
            return made, 0.2 * math.sqrt(max(rows, columns))
        return made, math.sqrt(max(1.0, rows / max(columns, 1)))


LEAST, MOST = 1e-15, 1e15  # sizes of matrices whose squares float32 can hold


def orthogonal(matrix: Array, coefficients: tuple[float, ...], steps: int, eps: float) -> Array:
    """A matrix whose singular values are near 1, with the singular vectors of a given one."""
    of_u, of_a, of_square = coefficients
    wide = matrix.shape[0] <= matrix.shape[1]
    u = matrix if wide else matrix.T
    size = float(np.linalg.norm(u))
    if not LEAST <= size <= MOST:  # of squares that overflow, or that nothing is left of
        largest = float(np.max(np.abs(u), initial=0.0))
        u = u / largest if 0 < largest < math.inf else u
        eps = eps / largest if largest > 0 else 1.0
        size = float(np.linalg.norm(u))
    u = u / max(size, eps)
    for _ in range(steps):
        a = u @ u.T
        u = of_u * u + (of_a * a + of_square * (a @ a)) @ u
    return u if wide else u.T
