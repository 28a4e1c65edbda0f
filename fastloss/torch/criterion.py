"""Losses as criteria of torch: a module, and a function."""

from __future__ import annotations

import torch
from torch import Tensor

from fastloss.losses.base import Loss
from fastloss.torch import ops
from fastloss.torch.arrays import call, result_dtype, tensor_of
from fastloss.torch.autograd import value_of
from fastloss.torch.names import as_loss, name_of

REDUCTIONS = ("mean", "sum", "none")


def loss(loss: Loss | str, reduction: str = "mean") -> Criterion:
    """Make a criterion of a loss: an ``nn.Module``, to be called as ``criterion(input, target)``.

    **The predictions come first**, as in torch. fastloss itself takes the targets first.

    Parameters
    ----------
    loss : Loss or str
        Of any class, or the text that `fastloss.get_loss` makes one of, as ``"huber:delta=2"``.
    reduction : {"mean", "sum", "none"}
        The weighted mean, ``sum(w l) / sum(w)``; the weighted sum, ``sum(w l)``; or ``w l``.

    Returns
    -------
    Criterion

    Raises
    ------
    TypeError, ValueError
        If ``loss`` is neither, or ``reduction`` none of the three.

    See Also
    --------
    evaluate : the same as a function, which says what it takes.

    Examples
    --------
    >>> import torch
    >>> import fastloss as fl
    >>> import fastloss.torch
    >>> criterion = fastloss.torch.loss(fl.Huber(delta=1.5))
    >>> z = torch.tensor([1.5, 2.0, 7.0], requires_grad=True)
    >>> value = criterion(z, torch.tensor([1.0, 2.0, 3.0]))
    >>> value.backward()
    >>> value.detach(), z.grad
    (tensor(1.6667), tensor([0.1667, 0.0000, 0.5000]))
    """
    return Criterion(loss, reduction)


class Criterion(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A loss as a module: ``criterion(input, target, sample_weight=None)``.

    `fastloss.torch.loss` makes it, and describes its parameters. It can be copied, pickled and
    compiled, and has no parameters or state of its own.

    Attributes
    ----------
    loss : Loss
    reduction : str
    """

    def __init__(self, loss: Loss | str, reduction: str = "mean") -> None:
        super().__init__()
        self.loss = as_loss(loss)
        self.reduction = _reduction(reduction)

    def forward(self, input: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Compute the loss; see `evaluate`."""
        return evaluate(self.loss, input, target, sample_weight, self.reduction)

    def extra_repr(self) -> str:
        return f"{self.loss!r}, reduction={self.reduction!r}"


def evaluate(
    loss: Loss | str,
    input: Tensor,
    target: Tensor,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Compute a loss of tensors, which autograd can differentiate by the predictions.

    **The predictions come first**, as in torch. fastloss itself takes the targets first.

    Parameters
    ----------
    loss : Loss or str
        Of any class, or the text that `fastloss.get_loss` makes one of.
    input : Tensor
        Predictions: dense, on the CPU, of any strides.
    target : Tensor
        Targets of the shape of ``input``, of any real dtype; of a loss of rows what
        it takes, such as classes as integers. Nothing is broadcast.
    sample_weight : Tensor, optional
        A weight for each sample or row, or for each index of the first axis.
    reduction : {"mean", "sum", "none"}
        The weighted mean, ``sum(w l) / sum(w)``; the weighted sum, ``sum(w l)``; or ``w l``.

    Returns
    -------
    Tensor
        Of the dtype of ``input``; of float16 and bfloat16 it is float32, which they are computed
        in, and of integers float64. The gradient is of the dtype of ``input``.

    Raises
    ------
    DomainError
        If a value lies outside the loss's domain. It is a ValueError.
    ValueError
        If shapes do not fit or a tensor is not on the CPU; if ``target`` or ``sample_weight``
        requires a gradient, as there is none by them.
    TypeError
        If an argument is of another type, or holds other numbers than real ones.
    RuntimeError
        From a second backward, if the Hessian is not diagonal, as it is for pointwise losses but
        the root of a mean.

    Notes
    -----
    Value and gradient are computed together, in one pass, where a gradient is going to be needed.
    Second derivatives are exact for pointwise losses, so that Hessian-vector products can be taken.

    Examples
    --------
    >>> import torch
    >>> import fastloss as fl
    >>> import fastloss.torch
    >>> logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> fastloss.torch.evaluate(fl.SoftmaxCrossEntropy(), logits, torch.tensor([0, 2]))
    tensor(0.6691)
    """
    reduction = _reduction(reduction)
    differentiate = _is_differentiated(input, target, sample_weight)
    if torch.compiler.is_compiling():
        # an operator takes longer than a function of autograd: it is for graphs alone
        name = name_of(loss)
        value: Tensor
        if differentiate:
            value, _ = ops.value_and_grad(input, target, sample_weight, name, reduction)
        else:
            value = ops.value(input, target, sample_weight, name, reduction)
        return value
    made = as_loss(loss)
    if differentiate:
        return value_of(made, input, target, sample_weight, reduction)
    return tensor_of(call(made, input, target, sample_weight, reduction), result_dtype(input))


def _reduction(given: str) -> str:
    if given not in REDUCTIONS:
        raise ValueError(f'reduction must be "mean", "sum" or "none"; got {given!r}')
    return given


def _is_differentiated(input: Tensor, target: Tensor, weight: Tensor | None) -> bool:
    """Whether a gradient is going to be needed; an error if it is one that there is not."""
    if not torch.is_grad_enabled():
        return False
    for name, tensor in (("target", target), ("sample_weight", weight)):
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            swapped = name == "target" and not input.requires_grad
            raise ValueError(
                f"{name} must not require a gradient, as there is one by input alone; "
                + ("predictions come first" if swapped else f"pass {name}.detach()")
            )
    return isinstance(input, Tensor) and input.requires_grad
