"""Steps of optimizers in NumPy: in place, with one array of scratch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastloss.bench.cases import Array

Options = Mapping[str, Any]  # of the rule, under our names


def sgd(p: Array, g: Array, o: Options) -> Callable[[], None]:
    """With momentum."""
    lr, momentum = o["lr"], o["momentum"]
    buffer, scratch = np.zeros_like(p), np.empty_like(p)

    def step() -> None:
        np.multiply(buffer, momentum, out=buffer)
        np.add(buffer, g, out=buffer)
        np.multiply(buffer, lr, out=scratch)
        np.subtract(p, scratch, out=p)

    return step


def adam(p: Array, g: Array, o: Options) -> Callable[[], None]:
    lr, (beta1, beta2), eps = o["lr"], o["betas"], o["eps"]
    m, v, scratch = np.zeros_like(p), np.zeros_like(p), np.empty_like(p)
    t = 0

    def step() -> None:
        nonlocal t
        t += 1
        np.multiply(m, beta1, out=m)
        np.multiply(g, 1 - beta1, out=scratch)
        np.add(m, scratch, out=m)
        np.multiply(v, beta2, out=v)
        np.multiply(g, g, out=scratch)
        np.multiply(scratch, 1 - beta2, out=scratch)
        np.add(v, scratch, out=v)
        np.sqrt(v, out=scratch)
        np.divide(scratch, math.sqrt(1 - beta2**t), out=scratch)
        np.add(scratch, eps, out=scratch)
        np.divide(m, scratch, out=scratch)
        np.multiply(scratch, lr / (1 - beta1**t), out=scratch)
        np.subtract(p, scratch, out=p)

    return step


def adamw(p: Array, g: Array, o: Options) -> Callable[[], None]:
    keep, rest = 1 - o["lr"] * o["weight_decay"], adam(p, g, o)

    def step() -> None:
        np.multiply(p, keep, out=p)
        rest()

    return step


RULES = {"SGD": sgd, "Adam": adam, "AdamW": adamw}
