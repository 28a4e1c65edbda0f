"""Classes for torch made of the rules, with their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from typing import Any

from fastloss.optim.base import _COMMON, DEFAULTS, Optimizer as Rule
from fastloss.torch.optim.base import Optimizer
from fastloss.torch.optim.passes import OF_A_PASS

_EXAMPLE = """\
Examples
--------
>>> import torch
>>> import fastloss.torch
>>> p = torch.nn.Parameter(torch.ones(3, 2))
>>> optimizer = fastloss.torch.optim.{name}([p])
>>> p.sum().backward()
>>> optimizer.step()
"""


def optimizer_class(rule: type[Rule], module: str) -> type[Optimizer]:
    """The optimizer of torch that runs a rule."""
    shown = signature(rule)
    namespace: dict[str, Any] = {
        "__doc__": rule.__doc__ and docstring(rule),
        "__module__": module,
        "__signature__": shown,
        "options": tuple(name for name in shown.parameters if name != "params"),
        "rule": rule,
    }
    return type(rule.__name__, (Optimizer,), namespace)


def signature(rule: type[Rule]) -> inspect.Signature:
    """That of the rule, without what torch does elsewhere: clipping, and looking for NaN."""
    given = inspect.signature(rule)
    elsewhere = DEFAULTS.keys() - OF_A_PASS
    kept = [p for name, p in given.parameters.items() if name not in elsewhere]
    return given.replace(parameters=[p.replace(annotation=p.empty) for p in kept])


def docstring(rule: type[Rule]) -> str:
    """That of the rule, with tensors for arrays."""
    text = inspect.cleandoc(rule.__doc__ or "")
    text = text.replace(_COMMON.rstrip(), _COMMON[_COMMON.index("state_dtype") :].rstrip())
    text = re.sub(
        r"^params : .*\n(?: +.*\n)*",
        "params : iterable of Tensor, or of dict\n"
        "    The parameters p, on the CPU; or groups of them, with options of their own.\n",
        text,
        flags=re.MULTILINE,
    )
    text = text.replace(", or a function of the number of steps before this one", "")
    text = text.replace("float or callable", "float")
    return text[: text.index("Examples\n---")] + _EXAMPLE.format(name=rule.__name__)
