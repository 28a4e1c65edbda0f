"""NumPy, written well: the formulas of numpy_regression.py and its siblings."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.bench.cases import Array, Case
from fastloss.bench.peers import (  # noqa: F401  which fill FORMULAS
    numpy_classification,
    numpy_distributions,
    numpy_multiclass,
    numpy_regression,
    numpy_robust,
)
from fastloss.bench.peers.base import FRESH, GIVEN, Arrays, Peer, Work
from fastloss.bench.peers.numpy_formulas import FORMULAS
from fastloss.bench.peers.numpy_steps import RULES

if TYPE_CHECKING:
    from fastloss.bench.steps import Step


class NumPy(Peer):
    """NumPy: its loops have one thread, the BLAS behind np.dot as many as asked."""

    name = "numpy"
    library = "numpy"
    version = np.__version__
    rules = RULES.keys()

    def set_threads(self, threads: int) -> None:
        with contextlib.suppress(ImportError):  # scikit-learn brings it
            importlib.import_module("threadpoolctl").threadpool_limits(threads, user_api="blas")

    def outputs(self, case: Case) -> Sequence[str]:
        return (GIVEN, FRESH) if case.name in FORMULAS else ()

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        new = Arrays(z, outputs)
        start = functools.partial(FORMULAS[case.name], y, z, 1 / case.rows, new, **case.parameters)

        def value() -> tuple[Any]:
            new.start()
            return (start()[0](),)

        def value_and_grad() -> tuple[Any, Array]:
            new.start()
            value, grad, *_ = start()
            return value(), grad()

        def grad_and_hess() -> Any:
            new.start()
            return start()[2]()

        methods = {
            "value": value,
            "value_and_grad": value_and_grad,
            "grad_and_hess": grad_and_hess,
        }
        return Work(methods[case.method])

    def step(self, case: Step, params: list[Array], grads: list[Array]) -> Callable[[], Any]:
        options = case.optimizer(params).state_dict()["groups"][0]
        rule = RULES[case.name]
        parts = [rule(p, g, options) for p, g in zip(params, grads, strict=True)]

        def step() -> None:
            for part in parts:
                part()

        return step
