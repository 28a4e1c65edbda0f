"""Losses as operators that torch.compile takes into its graphs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastloss.losses.base import Loss, Pointwise
from fastloss.torch.arrays import call, result_dtype, tensor_of
from fastloss.torch.autograd import chained
from fastloss.torch.names import named


def empty_value(input: Tensor, loss: Loss, reduction: str) -> Tensor:
    """A tensor like the loss's value."""
    shape = list(input.shape) if reduction == "none" else []
    if shape and not isinstance(loss, Pointwise):
        del shape[loss.parameters["axis"]]
    return input.new_empty(shape, dtype=result_dtype(input))


@torch.library.custom_op("fastloss::value", mutates_args=(), device_types="cpu")  # type: ignore[untyped-decorator, unused-ignore]
def value(
    input: Tensor, target: Tensor, sample_weight: Tensor | None, loss: str, reduction: str
) -> Tensor:
    found = call(named(loss), input, target, sample_weight, reduction)
    return tensor_of(found, result_dtype(input))


@value.register_fake  # type: ignore[untyped-decorator, unused-ignore]
def _(
    input: Tensor, target: Tensor, sample_weight: Tensor | None, loss: str, reduction: str
) -> Tensor:
    return empty_value(input, named(loss), reduction)


@torch.library.custom_op("fastloss::value_and_grad", mutates_args=(), device_types="cpu")  # type: ignore[untyped-decorator, unused-ignore]
def value_and_grad(
    input: Tensor, target: Tensor, sample_weight: Tensor | None, loss: str, reduction: str
) -> tuple[Tensor, Tensor]:
    found, grad = call(named(loss).value_and_grad, input, target, sample_weight, reduction)
    return tensor_of(found, result_dtype(input)), torch.from_numpy(grad)


@value_and_grad.register_fake  # type: ignore[untyped-decorator, unused-ignore]
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
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():  # create_graph=True
        raise RuntimeError("a compiled loss can be differentiated once only")
    (grad,) = ctx.saved_tensors
    outer = chained(named(ctx.loss), ctx.reduction, outer)
    return (outer * grad).to(ctx.dtype), None, None, None, None


value_and_grad.register_autograd(_backward, setup_context=_setup)
