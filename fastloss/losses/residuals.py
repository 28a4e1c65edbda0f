"""What losses that depend on the residual alone have in common, found by trying.

A user's subclass may compute something else than its definition says, so that it is asked itself.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from fastloss.losses.base import Loss, Pointwise

_SIZES = 2.0 ** np.arange(-8, 9)
RESIDUALS = np.concatenate([-_SIZES[::-1], _SIZES])  # symmetric
_TARGETS = (1.0, -3.0, 40.0)  # these and residuals have exact sums


def depends_on_residual(loss: Loss) -> TypeGuard[Pointwise]:
    """Whether a loss is a function of z - y, for all real y and z."""
    if not isinstance(loss, Pointwise) or loss.y_domain.bounded or loss.z_domain.bounded:
        return False
    expected = _samples(loss, 0.0)
    return all(
        np.array_equal(ours, theirs, equal_nan=True)
        for y in _TARGETS
        for ours, theirs in zip(_samples(loss, y), expected, strict=True)
    )


def is_symmetric(loss: Loss) -> bool:
    """Whether a function of the residual is the same for both signs."""
    value, grad = _samples(loss, 0.0)
    return np.array_equal(value, value[::-1]) and np.array_equal(grad, -grad[::-1])


def is_piecewise_linear(loss: Loss) -> bool:
    """Whether a function of the residual has no second derivative but at kinks."""
    hess = loss.grad_and_hess(np.zeros_like(RESIDUALS), RESIDUALS, reduction="none")[1]
    return not hess.any()


def _samples(loss: Loss, y: float) -> Any:
    """Values and gradients at the residuals of a target."""
    return loss.value_and_grad(np.full_like(RESIDUALS, y), y + RESIDUALS, reduction="none")
