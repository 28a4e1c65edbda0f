"""Optimizers of torch that run the rules of ``fastloss.optim``, one for each.

OPTIMIZERS

They are classes of ``torch.optim.Optimizer``: groups, ``torch.optim.lr_scheduler``, closures,
``GradScaler`` and ``state_dict`` work as with those of torch, and what torch's optimizer of the
same name saved can be loaded, and the reverse.

Examples
--------
>>> import torch
>>> import fastloss.torch
>>> p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
>>> optimizer = fastloss.torch.optim.Lion([p], lr=0.5)
>>> (p**2).sum().backward()
>>> optimizer.step()
>>> p.data, optimizer.state[p]["exp_avg"]
(tensor([ 0.5000, -1.5000]), tensor([ 0.0200, -0.0400]))
"""

import typing as _typing

from fastloss import optim as _rules
from fastloss.torch.optim.base import Optimizer as Optimizer
from fastloss.torch.optim.made import optimizer_class as _optimizer_class

for _name in _rules.optimizer_names():
    globals()[_name] = _optimizer_class(getattr(_rules, _name), __name__)

__all__ = ["Optimizer", *_rules.optimizer_names()]

if __doc__:  # python -OO leaves none
    __doc__ = __doc__.replace(
        "OPTIMIZERS",
        "\n".join(
            f"- `{_name}`: {(globals()[_name].__doc__ or '').partition('.')[0]}"
            for _name in _rules.optimizer_names()
        ),
    )

if _typing.TYPE_CHECKING:  # which does not see the classes made above

    def __getattr__(name: str) -> type[Optimizer]: ...


def __dir__() -> list[str]:
    return __all__
