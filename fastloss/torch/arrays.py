"""Tensors as arrays of the same memory, and errors in torch's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from fastloss._core import DomainError

try:
    from ml_dtypes import bfloat16
except ImportError:  # it is not required
    bfloat16 = None

WORDS = {"y_true": "target", "y_pred": "input"}  # what torch calls them


def array_of(tensor: Tensor, name: str) -> NDArray[Any]:
    """The array of a tensor's memory; without ml_dtypes of a bfloat16 a copy in float32."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(tensor).__name__}")
    if not tensor.is_cpu or tensor.layout is not torch.strided:
        raise ValueError(
            f"{name} must be a dense tensor on the CPU; got one on {tensor.device}, {tensor.layout}"
        )
    tensor = tensor.detach()
    array: NDArray[Any]
    if tensor.dtype is not torch.bfloat16:
        array = tensor.numpy()
    elif bfloat16 is None:
        array = tensor.float().numpy()
    else:
        array = tensor.view(torch.uint16).numpy().view(bfloat16)
    return array


def memory_of(tensor: Tensor, name: str) -> NDArray[Any]:
    """The array of a tensor's memory, to be written to."""
    if bfloat16 is None and tensor.dtype is torch.bfloat16:
        raise TypeError(
            f"{name} in bfloat16 can be updated with the package ml_dtypes only: "
            "pip install ml_dtypes"
        )
    return array_of(tensor, name)


def call(
    method: Callable[..., Any], input: Tensor, target: Tensor, weight: Tensor | None, reduction: str
) -> Any:
    """Call a method of a loss with tensors."""
    y, z = array_of(target, "target"), array_of(input, "input")
    w = None if weight is None else array_of(weight, "sample_weight")
    try:
        return method(y, z, sample_weight=w, reduction=reduction)
    except DomainError as error:
        name = WORDS.get(error.argument, error.argument)
        raise DomainError(name, error.index, error.value, error.domain, error.loss) from None
    except (TypeError, ValueError) as error:
        text = re.sub(r"\b(y_true|y_pred)\b", lambda found: WORDS[found[0]], str(error))
        raise type(error)(text) from None


def result_dtype(input: Tensor) -> torch.dtype:
    """What a loss of predictions is computed in."""
    narrow = input.dtype in (torch.float32, torch.float16, torch.bfloat16)
    return torch.float32 if narrow else torch.float64


def tensor_of(value: float | NDArray[Any], dtype: torch.dtype) -> Tensor:
    """The value of a loss as a tensor."""
    if isinstance(value, float):
        return torch.scalar_tensor(value, dtype=dtype)
    return torch.from_numpy(value)
