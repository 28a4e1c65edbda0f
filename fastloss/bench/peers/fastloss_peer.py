"""fastloss itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastloss.bench.cases import OUTPUTS, Array, Case
from fastloss.bench.peers.base import FRESH, GIVEN, Peer, Work
from fastloss.bench.steps import RULES, Step
from fastloss.threads import set_num_threads
from fastloss.version import __version__


class Fastloss(Peer):
    """What the peers are compared with, and their results checked against."""

    name = "fastloss"
    library = "fastloss"
    version = __version__
    rules = RULES

    def set_threads(self, threads: int) -> None:
        set_num_threads(threads)

    def outputs(self, case: Case) -> Sequence[str]:
        return (GIVEN, FRESH) if OUTPUTS[case.method] else (GIVEN,)

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        loss = case.loss
        if case.method == "value":
            return Work(partial(loss, y, z), lambda value: (value,))
        method = getattr(loss, case.method)
        return Work(partial(method, y, z, out=self._out(case, z) if outputs == GIVEN else None))

    def step(self, case: Step, params: list[Array], grads: list[Array]) -> Callable[[], Any]:
        return partial(case.optimizer(params).step, grads)

    @staticmethod
    def _out(case: Case, z: Array) -> Any:
        arrays = [z.copy() for _ in range(OUTPUTS[case.method])]
        return arrays[0] if case.method == "value_and_grad" else arrays
