"""What is measured: a loss or a rule, a method, a shape and a dtype, with data to work on."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from fastloss.domains import NONPOSITIVE, REAL, UNIT, Domain
from fastloss.losses import Logistic, MultiLabelMargin, get_loss, loss_names
from fastloss.losses.base import loss_class
from fastloss.losses.rows import RowLoss

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]

# Arrays of the predictions' shape that a method gives.
OUTPUTS: Mapping[str, int] = {"value": 0, "value_and_grad": 1, "grad_and_hess": 2}

METHODS = tuple(OUTPUTS)
SHAPES: Sequence[Shape] = ((32,), (1_000,), (100_000,), (10_000_000,))
DTYPES = ("float32", "float64")
# Of losses of rows: rows x classes.
ROW_METHODS = METHODS[:2]
ROW_SHAPES: Sequence[Shape] = ((32, 10), (1_000_000, 10), (100_000, 100))


@dataclass(frozen=True)
class Task(ABC):
    """One piece of work, which each peer does in its own way."""

    name: str
    method: str
    shape: Shape
    dtype: str

    @property
    def n(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    @abstractmethod
    def bytes(self) -> int:
        """What has to move at least: each input read once, each output written once."""

    @property
    def agreement(self) -> float:
        """The largest difference between peers' results that counts as rounding.

        A sum of ten million float32 in float32, which some of them make, is no better.
        """
        return {"float32": 1e-3, "float64": 1e-8}[self.dtype]

    @property
    @abstractmethod
    def traffic(self) -> str:
        """The loop whose mix of reads and writes is about the same: its speed is memory's limit."""

    @abstractmethod
    def one(self) -> Self:
        """The same work on a single element, or row."""

    @abstractmethod
    def data(self) -> tuple[Array, Array]:
        """What it works on, of everyday size, the same in every run."""

    def __str__(self) -> str:
        return f"{self.name} {self.method} n={size(self.shape)} {self.dtype}"


@dataclass(frozen=True)
class Case(Task):
    """A method of a loss.

    The shape is that of the predictions: (n,), or (rows, classes) of losses of rows, whose classes
    lie along axis 1 if there are more axes too.
    """

    @property
    def of_rows(self) -> bool:
        return issubclass(loss_class(self.name), RowLoss)

    @property
    def loss(self) -> Any:
        """The loss, with its default parameters."""
        return get_loss(self.name, **({"axis": 1} if self.of_rows else {}))

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of its formula; labels are not smoothed here."""
        loss = self.loss
        names = set(re.findall(r"\w+", loss.definition)) - {"label_smoothing"}
        return {name: value for name, value in loss.parameters.items() if name in names}

    @property
    def classes(self) -> int:
        return self.shape[1] if self.of_rows else 1

    @property
    def rows(self) -> int:
        """What the mean is taken over; of a pointwise loss each element is one."""
        return self.n // self.classes

    @property
    def target(self) -> str:
        """What y is: "targets", one for each element, or "labels" or "numbers" of rows."""
        takes = self.loss._takes if self.of_rows else ("targets",)
        return str(takes[0])

    @property
    def bytes(self) -> int:
        item = np.dtype(self.dtype).itemsize
        of_rows = {"labels": 8 * self.rows, "numbers": item * self.rows, "targets": 0}[self.target]
        return (self._inputs + OUTPUTS[self.method]) * self.n * item + of_rows

    @property
    def traffic(self) -> str:
        outputs = OUTPUTS[self.method]
        return "read" if not outputs else "triad" if outputs < self._inputs else "copy"

    @property
    def _inputs(self) -> int:
        """Arrays of the predictions' shape that are read."""
        return 2 if self.target == "targets" else 1

    def one(self) -> Self:
        return replace(self, shape=(1, *self.shape[1:2]))

    def data(self) -> tuple[Array, Array]:
        """Targets and predictions."""
        rng = np.random.default_rng(0)
        return self._rows(rng) if self.of_rows else self._elements(rng)

    def _elements(self, rng: np.random.Generator) -> tuple[Array, Array]:
        loss = self.loss
        y = _draw(loss.y_domain, self.n, rng)
        if Logistic().y_domain == loss.y_domain:  # classes, as people have them
            y = np.where(y < 0.5, 0.0, 1.0)
        return y.astype(self.dtype), _draw(loss.z_domain, self.n, rng).astype(self.dtype)

    def _rows(self, rng: np.random.Generator) -> tuple[Array, Array]:
        loss = self.loss
        probabilities = loss.z_domain in (UNIT, NONPOSITIVE)
        z = self._distributions(rng) if probabilities else 3 * self._numbers(rng)
        if loss.z_domain == NONPOSITIVE:
            z = np.log(z)
        if self.target == "labels":  # as many of each class
            y = rng.permutation(self.rows) % self.classes
            return y.reshape(self.shape[0], *self.shape[2:]), z
        if self.target == "numbers":
            return self._numbers(rng)[:, 0], np.abs(z) + 0.5
        if isinstance(loss, MultiLabelMargin):  # about three of the labels of a row
            return (rng.random(self.shape) < 3 / self.classes).astype(self.dtype), z
        return (self._numbers if loss.y_domain == REAL else self._distributions)(rng), z

    def _numbers(self, rng: np.random.Generator) -> Array:
        dtype: Any = self.dtype
        return rng.standard_normal(self.shape, dtype)

    def _distributions(self, rng: np.random.Generator) -> Array:
        x = rng.uniform(0.1, 1.0, self.shape).astype(self.dtype)
        x /= x.sum(axis=1, keepdims=True)
        return x


def _draw(domain: Domain, n: int, rng: np.random.Generator) -> Array:
    inner = domain.high == 1
    x = np.ones(n) if inner and domain.absolute else rng.uniform(0.01, 0.99 if inner else 4.0, n)
    return x * rng.choice([-1.0, 1.0], n) if -1.0 in domain else x


def sweep(
    names: Sequence[str], methods: Sequence[str], shapes: Sequence[Shape], dtypes: Sequence[str]
) -> Iterator[Case]:
    """All combinations."""
    for name in names:
        for dtype in dtypes:
            for method in methods:
                for shape in shapes:
                    yield Case(name, method, _fitting(name, shape), dtype)


def _fitting(name: str, shape: Shape) -> Shape:
    """The shape, if a row of the loss may be of any length."""
    columns = getattr(get_loss(name), "_columns", ())
    return (shape[0], len(columns)) if columns else shape


def row_names() -> tuple[str, ...]:
    """Names of the losses of rows."""
    return tuple(n for n in loss_names() if issubclass(loss_class(n), RowLoss))


def size(shape: Shape) -> str:
    """(10_000_000,) as 1e7, (1_000_000, 10) as 1e6x10."""
    digits = [f"1e{len(str(k)) - 1}" if re.fullmatch("1000+", str(k)) else str(k) for k in shape]
    return "x".join(digits)


def times(ratio: float) -> str:
    """How many times: three digits at least, no exponent."""
    return f"{ratio:.3g}x" if ratio < 999.5 else f"{ratio:,.0f}x"


def seconds(value: float) -> str:
    """With a unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= 0.9995 * scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"
