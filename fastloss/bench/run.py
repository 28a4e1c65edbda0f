"""A run: which cases and peers, checked against each other, then timed."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from fastloss.bench import machine
from fastloss.bench.cases import (
    DTYPES,
    METHODS,
    ROW_METHODS,
    ROW_SHAPES,
    SHAPES,
    Array,
    Task,
    row_names,
    sweep,
)
from fastloss.bench.peers import PEERS
from fastloss.bench.peers.base import GIVEN, Peer
from fastloss.bench.peers.fastloss_peer import Fastloss
from fastloss.bench.results import Results, Row
from fastloss.bench.steps import (
    LINEAR,
    RESNET50,
    RULES,
    steps,
    steps_of_list,
    steps_with_less_state,
)
from fastloss.bench.timing import Effort, interleaved
from fastloss.config import last_level_cache
from fastloss.losses.base import pointwise_names
from fastloss.threads import get_num_threads, set_num_threads
from fastloss.version import __version__

LARGE = 10_000_000  # from here memory is measured too: arrays that malloc gives back at once

CURVES = ("mse", "logistic")  # what is drawn against n and against threads
CURVE_SHAPES = [(n,) for n in (32, 100, 1_000, 10_000, 100_000, 1_000_000, LARGE)]
BOTH = "value_and_grad"

SOFTMAX = "softmax_cross_entropy"
SOFTMAX_SHAPES = [*ROW_SHAPES, (2048, 32_000), (8, 21, 256, 256)]  # a vocabulary; images

MAIN_RULES = ("Adam", "AdamW", "SGD")
# those that torch has too
SHARED_RULES = (
    *MAIN_RULES, "Adamax", "NAdam", "RAdam", "AdaGrad", "RMSprop", "Adadelta", "Adafactor",
    "ASGD", "Rprop",
)  # fmt: skip
STEPPED = 25_000_000  # numbers of one large array: about those of ResNet-50


@dataclass(frozen=True)
class Plan:
    """Cases in order, and how long to measure each."""

    stages: Sequence[tuple[Sequence[Task], Effort]]
    scaling: Sequence[Task]  # those to repeat with fewer threads, with the effort of the last stage
    slow_peers: bool  # whether to run, unasked, peers that take seconds to begin

    @property
    def cases(self) -> list[Task]:
        return [case for cases, _ in self.stages for case in cases]

    def only(self, names: Collection[str]) -> Plan:
        """Those of these losses and rules."""

        def chosen(cases: Sequence[Task]) -> list[Task]:
            return [case for case in cases if case.name in names]

        stages = [(chosen(cases), effort) for cases, effort in self.stages]
        return Plan(stages, chosen(self.scaling), self.slow_peers)


def full_plan() -> Plan:
    """Everything, and what the README shows with more rounds."""
    shown = [
        *sweep(CURVES, [BOTH], CURVE_SHAPES, DTYPES[:1]),
        *sweep([*CURVES, "log_loss"], METHODS[:1], SHAPES[-1:], DTYPES[:1]),
        *sweep([SOFTMAX], [BOTH], SOFTMAX_SHAPES, DTYPES[:1]),
        *steps(SHARED_RULES, STEPPED),
        *steps_with_less_state(MAIN_RULES[:1], STEPPED),
        *steps(MAIN_RULES, LARGE, "float64"),
        *steps_of_list(MAIN_RULES[::2], RESNET50),
        *steps_of_list(RULES, LINEAR),
    ]
    every = [
        *sweep(pointwise_names(), METHODS, SHAPES, DTYPES),
        *sweep(row_names(), ROW_METHODS, ROW_SHAPES, DTYPES[:1]),
    ]
    cases = [case for case in every if case not in shown]
    scaling = list(sweep(CURVES, [BOTH], SHAPES[-1:], DTYPES[:1]))
    stages = [(_ordered(cases), Effort(0.25, 3, 15)), (_ordered(shown), Effort(2, 9, 21))]
    return Plan(stages, scaling, True)


def quick_plan() -> Plan:
    """What fits a minute: every loss and rule, few shapes, all threads."""
    cases = [
        *sweep(CURVES, [BOTH], [*CURVE_SHAPES[:-1], (4_000_000,)], DTYPES[:1]),
        *sweep(pointwise_names(), [BOTH], [(32,), (100_000,)], DTYPES[:1]),
        *sweep(row_names(), [BOTH], [(10_000, 10)], DTYPES[:1]),
        *sweep([SOFTMAX], [BOTH], [(32, 10), (1_000_000, 10)], DTYPES[:1]),
        *steps(MAIN_RULES, 1_000_000),
        *steps_with_less_state(MAIN_RULES[:1], 1_000_000),
        *steps_of_list(RULES, LINEAR),
    ]
    return Plan([(_ordered(cases), Effort(0.05, 3, 9))], [], False)


def _ordered(cases: Sequence[Task]) -> list[Task]:
    """Each once, those on the same data next to each other."""
    return sorted(dict.fromkeys(cases), key=lambda case: (case.name, case.dtype, case.shape))


def find_peers(
    asked: Sequence[str] | None, threads: int, slow: bool
) -> tuple[list[Peer], dict[str, str]]:
    """The peers to run, and why the others do not."""
    peers, absent = [], {}
    for cls in PEERS:
        if asked is not None and cls.name not in asked:
            absent[cls.name] = "not asked for"
        elif asked is None and cls.slow and not slow and find_spec(cls.library) is not None:
            absent[cls.name] = "takes seconds to begin; --peers runs it"
        else:
            try:
                peer = cls()
                peer.set_threads(threads)
            except ModuleNotFoundError:
                absent[cls.name] = f"not installed: pip install {cls.library}"
            except Exception as error:  # a broken library is not our business, nor our end
                absent[cls.name] = f"{type(error).__name__}: {error}"
            else:
                peers.append(peer)
    return peers, absent


@dataclass
class Runner:
    """Runs cases with peers and keeps what comes out."""

    peers: Sequence[Peer]
    threads: int
    effort: Effort
    disagreeing: list[str]  # is added to

    def run(self, case: Task, data: tuple[Array, Array]) -> list[Row]:
        """A row for each peer and way that can do the case and agrees with us."""
        ours = Fastloss()
        expected = ours.prepare(case, data, GIVEN).call()
        works = []
        for peer in [ours, *self.peers]:
            for outputs in peer.ways(case):
                what = f"{peer.name}: {case}, {outputs}"
                try:
                    work = peer.prepare(case, data, outputs)
                    error = difference(work.outcome(), expected)
                except Exception as failure:
                    self.disagreeing.append(f"{what}: {type(failure).__name__}: {failure}")
                    continue
                if error <= case.agreement:
                    works.append((peer.name, outputs, work.run, error))
                else:
                    self.disagreeing.append(f"{what}: differs by {error:.1e}")
        runs = [run for _, _, run, _ in works]
        # arithmetic, at the speed that our own kernel reaches in the first-level cache
        compute = machine.compute_seconds(case.one()) * case.n
        if case.bytes > last_level_cache():
            runs.append(machine.memory_loop(case.traffic, case.bytes))
        times = interleaved(runs, self.effort)
        memory = times[-1].median if len(runs) > len(works) else None
        return [
            Row(
                name=case.name,
                method=case.method,
                shape=case.shape,
                dtype=case.dtype,
                threads=self.threads,
                peer=name,
                outputs=outputs,
                seconds=t.median,
                low=t.low,
                high=t.high,
                rounds=t.rounds,
                bytes=case.bytes,
                compute=compute / self.threads,
                memory=memory,
                difference=error,
                extra_bytes=machine.extra_bytes(run) if case.n >= LARGE else None,
            )
            for (name, outputs, run, error), t in zip(works, times, strict=False)
        ]


def difference(results: Sequence[Any], expected: Sequence[Array]) -> float:
    """The mean difference of each result, relative to its mean size; of several, the largest.

    A mean, since a single element may lie at a kink, where derivatives are a matter of taste.
    """
    errors = [0.0]
    for got, ours in zip(results, expected, strict=True):
        got = np.asarray(got)
        if got.shape != ours.shape:
            return np.inf
        size = np.mean(np.abs(ours), dtype=np.float64) or 1.0
        errors.append(float(np.mean(np.abs(got - ours), dtype=np.float64) / size))
    worst = float(np.max(errors))  # NaN, if there is one
    return np.inf if np.isnan(worst) else worst


def bench(
    plan: Plan,
    asked: Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> Results:
    """Run a plan. ``progress`` is told how many cases of how many are done, and what comes."""
    threads = get_num_threads()
    peers, absent = find_peers(asked, threads, plan.slow_peers)
    stages = [(threads, *stage) for stage in plan.stages]
    stages += [(k, plan.scaling, plan.stages[-1][1]) for k in fewer_threads(threads)]
    total = sum(len(cases) for _, cases, _ in stages)
    rows: list[Row] = []
    disagreeing: list[str] = []
    done = 0
    try:
        progress(done, total, "memory")
        bandwidth = machine.bandwidths(Effort(1, 7, 21))
        for count, cases, effort in stages:
            for peer in [Fastloss(), *peers]:
                peer.set_threads(count)
            runner = Runner(peers, count, effort, disagreeing)
            for _, group in itertools.groupby(
                cases, lambda case: (case.name, case.dtype, case.shape)
            ):
                data = None
                for case in group:
                    progress(done, total, str(case))
                    data = data or case.data()
                    rows += runner.run(case, data)
                    done += 1
    finally:
        set_num_threads(threads)
    return Results(
        date=datetime.date.today().isoformat(),
        machine=machine.description(),
        threads=threads,
        versions={"fastloss": __version__} | {p.name: p.version for p in peers},
        absent=absent,
        disagreeing=disagreeing,
        bandwidth=bandwidth,
        rows=rows,
    )


def fewer_threads(threads: int) -> list[int]:
    """1, 2, 4, ... below a number of threads."""
    return [1 << i for i in range(threads.bit_length()) if 1 << i < threads]
