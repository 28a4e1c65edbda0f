"""Losses as operators that torch.compile takes into its graphs.

A graph holds no objects, so that a loss goes by a name: what `get_loss` makes it of or, of a user's
own class, one that this process gives it.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from fastloss._core import PointwiseLoss
from fastloss.losses.base import Loss, get_loss
from fastloss.registry import is_own
from fastloss.torch.arrays import call, result_dtype, tensor_of
from fastloss.torch.autograd import chained

_FOREIGN: dict[str, Loss] = {}  # losses of users' own classes by their names


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator, unused-ignore]
def name_of(loss: Loss) -> str:
    """The name that a graph knows a loss by."""
    if is_own(type(loss)):
        return loss.spec
    name = f"{type(loss).__module__}.{loss!r}"
    while _FOREIGN.setdefault(name, loss) != loss:  # another class of the same name
        name += "'"
    return name


@functools.lru_cache(maxsize=256)
def named(name: str) -> Loss:
    return _FOREIGN.get(name) or get_loss(name)


def empty_value(input: Tensor, loss: Loss, reduction: str) -> Tensor:
    """A tensor like the loss's value."""
    shape = list(input.shape) if reduction == "none" else []
    if shape and not isinstance(loss, PointwiseLoss):
        del shape[loss.parameters["axis"]]
    return input.new_empty(shape, dtype=result_dtype(input))


@torch.library.custom_op("fastloss::value", mutates_args=(), device_types="cpu")
def value(
    input: Tensor, target: Tensor, sample_weight: Tensor | None, loss: str, reduction: str
) -> Tensor:
    found = call(named(loss), input, target, sample_weight, reduction)
    return tensor_of(found, result_dtype(input))


@value.register_fake
def _(
    input: Tensor, target: Tensor, sample_weight: Tensor | None, loss: str, reduction: str
) -> Tensor:
    return empty_value(input, named(loss), reduction)


@torch.library.custom_op("fastloss::value_and_grad", mutates_args=(), device_types="cpu")
def value_and_grad(
    input: Tensor, target: Tensor, sample_weight: Tensor | None, loss: str, reduction: str
) -> tuple[Tensor, Tensor]:
    found, grad = call(named(loss).value_and_grad, input, target, sample_weight, reduction)
    return tensor_of(found, result_dtype(input)), torch.from_numpy(grad)


@value_and_grad.register_fake
def _(
    input: Tensor, target: Tensor, sample_weight: Tensor | None, loss: str, reduction: str
) -> tuple[Tensor, Tensor]:
    grad = input.new_empty(input.shape, dtype=result_dtype(input))
    return empty_value(input, named(loss), reduction), grad


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    input, _, _, ctx.loss, ctx.reduction = inputs
    ctx.dtype = input.dtype
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1])


def _backward(ctx: Any, outer: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    (grad,) = ctx.saved_tensors
    outer = chained(named(ctx.loss), ctx.reduction, outer)
    return (outer * grad).to(ctx.dtype), None, None, None, None


value_and_grad.register_autograd(_backward, setup_context=_setup)
