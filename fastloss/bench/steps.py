"""What is measured of optimizers: one step of a rule, in place, with its default options."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from fastloss import optim
from fastloss.bench.cases import Array, Task

STEP = "step"  # of one array
# Rules that take arrays of any shape: those that are measured have one axis.
RULES = tuple(name for name in optim.optimizer_names() if getattr(optim, name)._axes is None)
# Where the default is not what people use.
OPTIONS: Mapping[str, Mapping[str, Any]] = {"SGD": {"momentum": 0.9}}


def _resnet50() -> Iterator[int]:
    """Sizes of the parameters of ResNet-50 (He et al. 2016): convolutions, each with its batch
    normalisation, and the last, linear layer."""
    convolutions, channels = [(3, 64, 7)], 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            convolutions += [(channels, width, 1), (width, width, 3), (width, 4 * width, 1)]
            if block == 0:
                convolutions.append((channels, 4 * width, 1))
            channels = 4 * width
    for inputs, outputs, edge in convolutions:
        yield from (inputs * outputs * edge**2, outputs, outputs)
    yield from (channels * 1000, 1000)


RESNET50 = tuple(_resnet50())
LINEAR = (640, 10)  # weights and biases of ten classes of 64 features
# Methods whose state is in fewer bytes.
STATES = {"step with bfloat16 state": "bfloat16", "step with 8-bit state": "8bit"}
# Methods that step several arrays, and the sizes of those.
LISTS = {f"step of {len(sizes)} arrays": sizes for sizes in (LINEAR, RESNET50)}


@dataclass(frozen=True)
class Step(Task):
    """A step of a rule; its shape is (n,), the numbers of all arrays together."""

    @property
    def sizes(self) -> Sequence[int]:
        """Of each array."""
        return LISTS.get(self.method, self.shape)

    @property
    def options(self) -> Mapping[str, Any]:
        """Those that are not the default."""
        return OPTIONS.get(self.name, {})

    def optimizer(self, params: Any) -> Any:
        """Ours, of these arrays."""
        state = STATES.get(self.method)
        return getattr(optim, self.name)(params, **self.options, state_dtype=state)

    @cached_property
    def _state(self) -> Mapping[str, Array]:
        """That of an array of 256."""
        [state] = self.optimizer(np.zeros(256, self.dtype)).state_dict()["state"].values()
        return dict(state)

    @property
    def bytes(self) -> int:
        state = sum(array.nbytes for array in self._state.values())
        return 3 * self.n * np.dtype(self.dtype).itemsize + 2 * self.n * state // 256

    @property
    def traffic(self) -> str:
        arrays = [array for array in self._state.values() if array.size == 256]
        return f"update {1 + len(arrays)}"  # the parameters, and their state

    @property
    def agreement(self) -> float:
        if self.name == "ASGD" and self.dtype == "float64":
            return 1e-7  # torch has its rate in float32
        # what is rounded at random is near, not the same
        return {"bfloat16": 0.01, "8bit": 0.1}.get(STATES.get(self.method, ""), super().agreement)

    def one(self) -> Self:
        return replace(self, method=STEP, shape=(1,))

    def data(self) -> tuple[Array, Array]:
        """Parameters and gradients, all arrays in one."""
        rng, dtype = np.random.default_rng(0), np.dtype(self.dtype).type
        return rng.standard_normal(self.n, dtype), rng.standard_normal(self.n, dtype)


def steps(names: Sequence[str], n: int, dtype: str = "float32") -> list[Step]:
    """A step of each rule, of one array."""
    return [Step(name, STEP, (n,), dtype) for name in names]


def steps_with_less_state(names: Collection[str], n: int) -> list[Step]:
    """A step of each rule, of one array, for each kind of state."""
    return [Step(name, method, (n,), "float32") for name in names for method in STATES]


def steps_of_list(names: Sequence[str], sizes: Sequence[int]) -> list[Step]:
    """A step of each rule, of the arrays of one of the lists."""
    method = next(method for method, known in LISTS.items() if known == sizes)
    return [Step(name, method, (sum(sizes),), "float32") for name in names]
