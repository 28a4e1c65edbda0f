"""Losses and optimizers for PyTorch, on the CPU.

- `loss` makes a criterion, an ``nn.Module``, of any loss; `evaluate` is the same as a function.
- ``fastloss.torch.optim``: a ``torch.optim.Optimizer`` for every rule of ``fastloss.optim``.

Both take the memory of tensors as it is, without copies. This package needs torch, which importing
``fastloss`` does not.

Examples
--------
>>> import torch
>>> import fastloss.torch
>>> model = torch.nn.Linear(2, 1)
>>> criterion = fastloss.torch.loss("huber:delta=2")
>>> optimizer = fastloss.torch.optim.Lion(model.parameters(), lr=1e-3)
>>> criterion(model(torch.ones(5, 2)), torch.zeros(5, 1)).backward()
>>> optimizer.step()
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as _error:
    raise ImportError(
        "fastloss.torch needs PyTorch, which this Python lacks: pip install torch"
    ) from _error

from fastloss.torch import optim as optim
from fastloss.torch.criterion import Criterion, evaluate, loss

__all__ = ["Criterion", "evaluate", "loss", "optim"]


def __dir__() -> list[str]:
    return __all__
