"""What is measured: a loss, a method, a size and a dtype, with data that lies in its domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastloss
from fastloss.domain import Domain

Array = np.ndarray[Any, np.dtype[Any]]

# Arrays of the inputs' size that a method gives; it reads two, y_true and y_pred.
OUTPUTS: Mapping[str, int] = {"value": 0, "value_and_grad": 1, "grad_and_hess": 2}
INPUTS = 2
# The loop whose mix of reads and writes is the same, and whose speed is memory's limit.
TRAFFIC: Mapping[str, str] = {"value": "read", "value_and_grad": "triad", "grad_and_hess": "copy"}

METHODS = tuple(OUTPUTS)
SIZES = (32, 1_000, 100_000, 10_000_000)
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Case:
    """One piece of work, which each peer does in its own way."""

    name: str
    method: str
    n: int
    dtype: str

    @property
    def loss(self) -> Any:
        """The loss, with its default parameters."""
        return fastloss.get_loss(self.name)

    @property
    def bytes(self) -> int:
        """What has to move at least: each input read once, each output written once."""
        return (INPUTS + OUTPUTS[self.method]) * self.n * np.dtype(self.dtype).itemsize

    def data(self) -> tuple[Array, Array]:
        """Targets and predictions, of everyday size, the same in every run."""
        rng = np.random.default_rng(0)
        loss = self.loss
        y = _draw(loss.y_domain, self.n, rng)
        if fastloss.Logistic().y_domain == loss.y_domain:  # classes, as people have them
            y = np.where(y < 0.5, 0.0, 1.0)
        return y.astype(self.dtype), _draw(loss.z_domain, self.n, rng).astype(self.dtype)

    def __str__(self) -> str:
        return f"{self.name} {self.method} n={size(self.n)} {self.dtype}"


def _draw(domain: Domain, n: int, rng: np.random.Generator) -> Array:
    inner = domain.high == 1
    x = np.ones(n) if inner and domain.absolute else rng.uniform(0.01, 0.99 if inner else 4.0, n)
    return x * rng.choice([-1.0, 1.0], n) if -1.0 in domain else x


def sweep(
    names: Sequence[str], methods: Sequence[str], sizes: Sequence[int], dtypes: Sequence[str]
) -> Iterator[Case]:
    """All combinations."""
    for name in names:
        for dtype in dtypes:
            for method in methods:
                for n in sizes:
                    yield Case(name, method, n, dtype)


def size(n: int) -> str:
    """10_000_000 as 1e7, 32 as 32."""
    zeros = len(str(n)) - 1
    return f"1e{zeros}" if n == 10**zeros and zeros > 1 else str(n)


def seconds(value: float) -> str:
    """With a unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= 0.9995 * scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"
