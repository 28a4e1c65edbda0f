"""Parameters of torch that one optimizer of fastloss updates together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import increment_version

from fastloss import optim as rules
from fastloss.optim.checks import check_numbers, check_prox
from fastloss.torch.arrays import array_of, memory_of

Options = dict[str, Any]
States = MutableMapping[Tensor, dict[str, Any]]

OF_A_PASS = ("state_dtype", "maximize")  # options that fastloss has for all groups alike


def steps_of(held: Mapping[str, Any]) -> int:
    """How many steps a parameter has seen, by its state; torch's SGD does not say."""
    if "step" in held:
        return int(held["step"])
    return int(any(value is not None for value in held.values()))


class Pass:
    """Parameters that have seen as many steps, and the optimizer that updates their memory.

    torch counts the steps of each parameter, an optimizer of fastloss all of them together: so
    parameters that had no gradient in a step part from those that had one.
    """

    def __init__(
        self,
        rule: type[rules.Optimizer],
        groups: Sequence[Options],
        members: list[list[Tensor]],
        states: States,
        *,
        strict: bool,
    ) -> None:
        """members: the parameters of each group. Their state is taken from states, and put there
        to be seen."""
        self.groups = [*groups]
        self.tensors = [p for group in members for p in group]
        self.count = len(self.tensors)
        self.states = states
        whole = rule._shape is not rules.Optimizer._shape  # it tells rows from columns
        self.axes = [
            None if whole or options.get("penalty") is not None else memory_order(p)
            for options, group in zip(groups, members, strict=True)
            for p in group
        ]
        self.places = [place(p) for p in self.tensors]
        self.sizes = [len(group) for group in members]
        arrays = map(own_memory, self.tensors, self.axes)
        [common] = {
            tuple(options[key] for key in OF_A_PASS)
            for options, size in zip(groups, self.sizes, strict=True)
            if size
        }
        self.optimizer = rule(
            [
                {"params": part, **own_options(options)}
                for options, part in zip(groups, parted(arrays, self.sizes), strict=True)
            ],
            **dict(zip(OF_A_PASS, common, strict=True)),
        )
        self._take_state(members, strict)
        self._show_state()

    # ---- state

    def _take_state(self, members: list[list[Tensor]], strict: bool) -> None:
        """Copy what state the parameters have into the optimizer."""
        own = self.optimizer
        rest = {"step", *own._carried_numbers}
        for k, p in enumerate(self.tensors):
            held = {n: v for n, v in self.states.get(p, {}).items() if v is not None}
            arrays = own._state[k]
            if strict and held:
                check_names(type(own).__name__, held.keys() - rest, arrays)
            for name, array in arrays.items():
                if name in held:
                    copy_state(array, held[name], name, self.axes[k])
        carried = [
            {
                name: float(self.states.get(group[0], {}).get(name, start) if group else start)
                for name, start in own._carried_numbers.items()
            }
            for group in members
        ]
        steps = steps_of(self.states.get(self.tensors[0], {}))
        own._set(own._options, carried, own._common, steps)

    def _show_state(self) -> None:
        """Put tensors of the optimizer's memory where torch looks for them."""
        own = self.optimizer
        self.clocks = torch.empty(self.count)  # a number for each, as torch's would count them up
        self.carried = {
            name: torch.empty(self.count, dtype=torch.float64) for name in own._carried_numbers
        }
        for k, p in enumerate(self.tensors):
            numbers = {"step": self.clocks[k]} | {n: v[k] for n, v in self.carried.items()}
            shown = {name: tensor_of(a, self.axes[k]) for name, a in own._state[k].items()}
            self.states[p] = {**numbers, **shown}
        self._show_numbers()

    def _show_numbers(self) -> None:
        own = self.optimizer
        self.clocks.fill_(own.step_count)
        for name, vector in self.carried.items():
            for k, part in enumerate(torch.split(vector, self.sizes)):
                part.fill_(own._carried(k, name))

    # ---- steps

    def fits(self, groups: Sequence[Options]) -> bool:
        """Whether all of the parameters or none have a gradient, where they were, and need the
        state that there is; else another pass has to take over."""
        places = [place(p) for p in self.tensors]
        if places != self.places:
            for p, before, now in zip(self.tensors, self.places, places, strict=True):
                if before != now:  # what it was rounded from is not what it holds now
                    self.states[p].pop("master", None)
            return False
        missing = sum(p.grad is None for p in self.tensors)
        if 0 < missing < self.count:
            return False
        if groups[: len(self.groups)] == self.groups:
            return True
        own = self.optimizer
        for old, new, size in zip(self.groups, groups, self.sizes, strict=False):
            if size and (
                any(old[key] != new[key] for key in OF_A_PASS)
                or own._states(own_options(old)) != own._states(own_options(new))
            ):
                return False
        return True

    def step(self, groups: Sequence[Options]) -> None:
        """Update the parameters if they have gradients, with the options of all groups."""
        if self.tensors[0].grad is None:
            return
        groups = groups[: len(self.groups)]
        if groups != self.groups:
            self._configure(groups)
        own = self.optimizer
        own.step(parted(map(gradient, self.tensors, self.axes), self.sizes))
        increment_version(self.tensors)
        self._show_numbers()

    def _configure(self, groups: Sequence[Options]) -> None:
        """Take other options."""
        own = self.optimizer
        checked = [
            own._check_each(f"param_groups[{k}]", own_options(group))
            for k, group in enumerate(groups)
        ]
        # what depends on the array depends on its dtype
        first = {(k, a.dtype): a for k, a in zip(own._members, own._arrays, strict=True)}
        for (k, _), array in first.items():
            check_numbers(checked[k], array, f"param_groups[{k}]")
        own._check_fit(checked, check_prox)
        own._set(checked, own._numbers(), own._common, own.step_count)
        self.groups = [*groups]


def parted(values: Iterator[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """Values in lists of given sizes."""
    return [[*itertools.islice(values, size)] for size in sizes]


def own_options(group: Options) -> Options:
    """The options that fastloss has for each group."""
    return {key: value for key, value in group.items() if key not in OF_A_PASS}


def check_names(rule: str, given: set[str], arrays: Mapping[str, Any]) -> None:
    """An error unless state is of the arrays that the rule has."""
    if given | {"master"} != arrays.keys() | {"master"}:
        raise ValueError(
            f"the state of a parameter must be {', '.join(arrays) or 'none'} for {rule} with "
            f"these options; got {', '.join(sorted(given)) or 'none'}"
        )


# ---- memory


def place(tensor: Tensor) -> tuple[Any, ...]:
    """Where in memory a tensor is, and how."""
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def memory_order(tensor: Tensor) -> tuple[int, ...] | None:
    """The axes from the outermost in memory to the innermost; None if they are in this order."""
    if tensor.is_contiguous():
        return None
    strides = tensor.stride()
    return tuple(sorted(range(tensor.dim()), key=lambda axis: (-strides[axis], axis)))


def in_order(array: NDArray[Any], axes: tuple[int, ...] | None) -> NDArray[Any]:
    return array if axes is None else array.transpose(axes)


def own_memory(tensor: Tensor, axes: tuple[int, ...] | None) -> NDArray[Any]:
    """A parameter as the optimizer takes it."""
    return in_order(memory_of(tensor, "params"), axes)


def gradient(tensor: Tensor, axes: tuple[int, ...] | None) -> Any:
    """The gradient of a parameter as the optimizer takes it, in the order of its memory."""
    grad = tensor.grad
    if grad is None:
        return None
    if grad.layout is torch.sparse_coo:
        if grad.sparse_dim() != 1:
            raise ValueError(
                "a sparse gradient must hold whole rows, with 1 sparse dimension; got "
                f"{grad.sparse_dim()}"
            )
        # rows that are there twice are added up by the optimizer
        values = grad._values().contiguous()
        return array_of(grad._indices()[0], "indices"), array_of(values, "values")
    if grad.layout is torch.strided and grad.stride() != tensor.stride():
        grad = torch.empty_like(tensor, dtype=grad.dtype, requires_grad=False).copy_(grad.detach())
    return in_order(array_of(grad, "grad"), axes)


def tensor_of(array: NDArray[Any], axes: tuple[int, ...] | None) -> Tensor:
    """A tensor of the memory of an array of state, in the shape of its parameter."""
    if axes is not None and array.ndim == len(axes):
        array = array.transpose(np.argsort(axes))
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if array.dtype == np.uint16 else tensor


def copy_state(array: NDArray[Any], given: Tensor, name: str, axes: tuple[int, ...] | None) -> None:
    """Copy state into an array, widened if it has to be, but not rounded."""
    target = tensor_of(array, axes)
    wide = (torch.float32, torch.float64)
    fits = given.dtype == target.dtype or given.is_floating_point() and target.dtype in wide
    if not fits or given.shape != target.shape:
        raise ValueError(
            f"the state {name} must have shape {tuple(target.shape)} and dtype {target.dtype}; got "
            f"{tuple(given.shape)} and {given.dtype}"
        )
    target.copy_(given)
