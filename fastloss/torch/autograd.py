"""Losses as functions that autograd differentiates, once or twice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastloss.losses.base import Loss, Pointwise
from fastloss.torch.arrays import call, result_dtype, tensor_of


def chained(loss: Loss, reduction: str, outer: Tensor) -> Tensor:
    """The derivative by the value in the shape that multiplies the derivative by the input."""
    if reduction == "none" and not isinstance(loss, Pointwise):
        return outer.unsqueeze(loss.parameters["axis"])
    return outer


class Value(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    """The reduced loss. It computes the gradient too, in the same pass."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, target: Tensor, weight: Tensor | None, loss: Loss, reduction: str
    ) -> Tensor:
        value, grad = call(loss.value_and_grad, input, target, weight, reduction)
        ctx.save_for_backward(input, target, weight)
        ctx.loss, ctx.reduction, ctx.dtype = loss, reduction, input.dtype
        ctx.grad = torch.from_numpy(grad)
        return tensor_of(value, result_dtype(input))

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        outer = chained(ctx.loss, ctx.reduction, outer)
        if torch.is_grad_enabled():  # create_graph=True
            inputs = (*ctx.saved_tensors, ctx.loss, ctx.reduction)
            grad = outer * Gradient.apply(*inputs)  # type: ignore[no-untyped-call, unused-ignore]
        else:
            # The first backward gets the array itself, which it may overwrite and pass on. Another
            # one, after retain_graph=True, computes it anew.
            grad, ctx.grad = ctx.grad, None
            if grad is None:
                input, target, weight = ctx.saved_tensors
                grad = gradient(input, target, weight, ctx.loss, ctx.reduction)
            if outer.dim() or outer.item() != 1:
                grad.mul_(outer)
        return grad.to(ctx.dtype), None, None, None, None


def value_of(
    loss: Loss, input: Tensor, target: Tensor, weight: Tensor | None, reduction: str
) -> Tensor:
    """The reduced loss, for autograd."""
    found: Tensor = Value.apply(  # type: ignore[no-untyped-call, unused-ignore]
        input, target, weight, loss, reduction
    )
    return found


def gradient(
    input: Tensor, target: Tensor, weight: Tensor | None, loss: Loss, reduction: str
) -> Tensor:
    return torch.from_numpy(call(loss.grad, input, target, weight, reduction))


class Gradient(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    """The gradient, which may be differentiated again where the Hessian is diagonal."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, target: Tensor, weight: Tensor | None, loss: Loss, reduction: str
    ) -> Tensor:
        ctx.save_for_backward(input, target, weight)
        ctx.loss, ctx.reduction = loss, reduction
        return gradient(input, target, weight, loss, reduction)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        loss, reduction = ctx.loss, ctx.reduction
        if not isinstance(loss, Pointwise) or (loss._root and reduction != "none"):
            raise RuntimeError(
                f"{loss!r} with reduction={reduction!r} can be differentiated once only: its "
                f"Hessian is not diagonal"
            )
        input, target, weight = ctx.saved_tensors
        _, hess = call(loss.grad_and_hess, input, target, weight, reduction)
        found = torch.from_numpy(hess).mul_(outer.detach()).to(input.dtype)
        if torch.is_grad_enabled():  # create_graph=True
            found = Last.apply(found, input, outer)  # type: ignore[no-untyped-call, unused-ignore]
        return found, None, None, None, None


class Last(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    """Second derivatives, of which there are no derivatives by what they depend on."""

    @staticmethod
    def forward(ctx: Any, found: Tensor, *dependencies: Tensor) -> Tensor:
        return found.view_as(found)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError("losses of fastloss can be differentiated twice, not three times")
