"""What every optimizer of torch here has in common: its groups, its state, and its steps."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fastloss import optim as rules
from fastloss.torch.arrays import memory_of
from fastloss.torch.optim.passes import OF_A_PASS, Pass, steps_of

Group = dict[str, Any]


class Optimizer(torch.optim.Optimizer):  # type: ignore[misc, unused-ignore]
    """Base of the optimizers here: one of torch, whose steps are those of a rule of fastloss.

    Each step updates the memory of the parameters in one parallel pass. ``state`` shows the state
    itself, not a copy.
    """

    rule: ClassVar[type[rules.Optimizer]]
    options: ClassVar[tuple[str, ...]]  # the names of those that a group has
    param_groups: list[Group]
    state: defaultdict[Tensor, Any]

    def __init__(self, params: Any, *args: Any, **options: Any) -> None:
        if not hasattr(self, "rule"):
            raise TypeError("Optimizer is what optimizers share, not an optimizer")
        try:
            given = inspect.signature(type(self)).bind(params, *args, **options)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        given.apply_defaults()
        defaults = {key: given.arguments[key] for key in self.options}
        self._passes: list[Pass] = []
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own, as ``torch.optim.Optimizer`` does.

        Parameters
        ----------
        param_group : dict
            ``"params"`` and any options; the others are those that the optimizer was made with.

        Raises
        ------
        TypeError, ValueError
            If an option is out of its range, or a parameter is not a dense tensor on the CPU of a
            dtype that the rule takes. Then nothing has changed.
        """
        super().add_param_group(param_group)
        try:
            self._check(self.param_groups[-1])
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def _check(self, group: Group) -> None:
        """An error unless options and parameters of a group are such as the rule takes."""
        options = self._options(group)
        if callable(options["lr"]):
            raise TypeError(
                "lr must be a number here, which the schedules of torch.optim.lr_scheduler "
                f"change; got {options['lr']!r}"
            )
        arrays = [memory_of(p, f"params[{k}]") for k, p in enumerate(group["params"])]
        # the rule itself checks, on an array of each dtype and number of axes
        kinds = dict.fromkeys((a.dtype, a.ndim) for a in arrays)
        samples = [np.zeros((1,) * axes, dtype) for dtype, axes in kinds]
        if samples:
            self.rule(samples, **options)

    def _options(self, group: Group) -> dict[str, Any]:
        """The options of a group as numbers."""
        found = {key: group[key] for key in self.options}
        return {k: v.item() if isinstance(v, Tensor) else v for k, v in found.items()}

    # ---- steps

    @torch.compiler.disable  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew, and returns the loss.

        Returns
        -------
        object
            What the closure returned, or None.

        Raises
        ------
        TypeError, ValueError
            If a gradient does not fit its parameter; TypeError if it is sparse and the rule takes
            none (those that do say so).
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = [self._options(group) for group in self.param_groups]
        self._passes = [kept for kept in self._passes if kept.fits(groups)]
        self._attach(p for p in self._loose() if p.grad is not None)
        for one in self._passes:
            one.step(groups)
        return loss

    def _loose(self) -> list[Tensor]:
        """The parameters that no pass updates."""
        every = [p for group in self.param_groups for p in group["params"]]
        if sum(one.count for one in self._passes) == len(every):
            return []
        held = {p for one in self._passes for p in one.tensors}
        return [p for p in every if p not in held]

    def _attach(self, tensors: Iterable[Tensor], *, strict: bool = False) -> None:
        """Make passes for parameters, with the state that they have; one for each count of steps.

        strict: what state there is must be that of the rule.
        """
        wanted = {*tensors}
        if not wanted:
            return
        apart: dict[Any, list[list[Tensor]]] = defaultdict(lambda: [[] for _ in self.param_groups])
        for k, group in enumerate(self.param_groups):
            for p in group["params"]:
                if p in wanted:
                    own = (group[key] for key in OF_A_PASS)
                    apart[steps_of(self.state.get(p, {})), *own][k].append(p)
        groups = [self._options(group) for group in self.param_groups]
        for members in apart.values():
            self._passes.append(Pass(self.rule, groups, members, self.state, strict=strict))

    # ---- state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over options and state, of this optimizer or of torch's of the same name.

        Parameters
        ----------
        state_dict : dict
            What ``state_dict`` returned. It is copied, and its dtypes are kept.

        Raises
        ------
        TypeError, ValueError
            If it does not fit the parameters or the rule. Then nothing has changed.
        """
        before = self.state, self.param_groups, self._passes
        try:
            super().load_state_dict(state_dict)  # type: ignore[arg-type, unused-ignore]
            every = [p for group in self.param_groups for p in group["params"]]
            keys = [key for group in state_dict["param_groups"] for key in group["params"]]
            for p, key in zip(every, keys, strict=True):
                if key in state_dict["state"]:  # torch has cast it to the dtype of p
                    self.state[p] = {**state_dict["state"][key]}
            for group in self.param_groups:
                self._check(group)
            self._attach((p for p in every if self.state.get(p)), strict=True)
        except Exception:
            self.state, self.param_groups, self._passes = before
            raise

    def __setstate__(self, state: Group) -> None:
        super().__setstate__(state)
        self._passes = []
        for group in self.param_groups:
            for key in self.options:
                group.setdefault(key, self.defaults[key])
