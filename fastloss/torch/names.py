"""Losses by names: a graph of torch.compile holds texts, and no objects."""

from __future__ import annotations

import functools

import torch

from fastloss.losses.base import Loss, get_loss
from fastloss.registry import is_own

_FOREIGN: dict[str, Loss] = {}  # losses of users' own classes by the names given to them here

_made = functools.lru_cache(maxsize=256)(get_loss)


def as_loss(given: Loss | str) -> Loss:
    """A loss, if it is one or the text that one is made of."""
    if isinstance(given, str):
        return _made(given)
    if not isinstance(given, Loss):
        raise TypeError(
            f"loss must be a loss of fastloss, or the text that get_loss makes one of; "
            f"got {given!r}"
        )
    return given


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator, unused-ignore]
def name_of(given: Loss | str) -> str:
    """The name that a graph knows a loss by."""
    loss = as_loss(given)
    if is_own(type(loss)):
        return loss.spec
    name = f"{type(loss).__module__}.{loss!r}"
    while _FOREIGN.setdefault(name, loss) != loss:  # another class of the same name
        name += "'"
    return name


def named(name: str) -> Loss:
    """The loss of a name."""
    return _FOREIGN.get(name) or _made(name)
