"""Runs of cases: in this process, or in others that may crash."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import multiprocessing
import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

import fastloss as fl
from fastloss import _core
from fuzzing.case import Case, Found, Tally, described, is_environment_kept
from fuzzing.draw import Draw
from fuzzing.subjects import SUBJECTS

BATCH = 400  # cases between two reports of a worker
PATIENCE = 120  # seconds that a case may take
MEMORY = 8 << 30  # bytes that a worker may ask for: beyond them there is MemoryError


@dataclass(frozen=True)
class Plan:
    """Which cases there are: each follows from the seed and its index."""

    seed: int
    only: tuple[str, ...] = ()  # names of subjects, or of what is in them

    def units(self) -> list[tuple[str, int, Sequence[str]]]:
        """Subjects, how many of all cases are of each, and the names that they take."""
        found = []
        for subject, that in SUBJECTS.items():
            names = that.names
            if self.only and subject not in self.only:
                names = [name for name in names if name in self.only]
            if names:
                found.append((subject, that.share, tuple(names)))
        return found

    def unknown(self) -> list[str]:
        known = {name for subject in SUBJECTS.values() for name in subject.names}
        return [name for name in self.only if name not in known | SUBJECTS.keys()]

    def replay(self, index: int) -> str:
        """The command that runs a case again."""
        only = "".join(f" --only {name}" for name in self.only)
        return f"tools/fuzz.py --replay {self.seed}:{index}{only}"


def run_case(
    plan: Plan,
    units: list[tuple[str, int, Sequence[str]]],
    index: int,
    tally: Tally,
    tell: Callable[[str], None] | None = None,
) -> None:
    """One case; what should not be is entered into the tally."""
    draw = Draw(plan.seed, index)
    subject, name = _unit(plan, draw, units, index)
    case = Case(draw, tally, tell)
    tally.cases += 1
    tally.names[f"{subject}: {name}"] += 1
    if tell is not None:
        tell(f"{subject}: {name}")
    try:
        SUBJECTS[subject].run(case, name)
        if not is_environment_kept():
            np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
            raise Found(subject, "floating-point numbers behave otherwise afterwards")
        if fl.get_num_threads() != 1:
            raise Found(subject, "the number of threads is another afterwards")
    except Found as found:
        _enter(tally, plan, index, name, found.kind, found.problem, found.detail, case)
    except Exception as error:  # of the fuzzer itself, which is to be mended too
        fl.set_num_threads(1)
        last = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__} in {os.path.basename(last.filename)}:{last.name}"
        _enter(tally, plan, index, name, subject, problem, traceback.format_exc(), case)


@functools.cache
def in_turn(plan: Plan) -> list[tuple[str, str]]:
    """Every name of every subject once."""
    return [(subject, name) for subject, _, names in plan.units() for name in dict.fromkeys(names)]


def _unit(
    plan: Plan, draw: Draw, units: list[tuple[str, int, Sequence[str]]], index: int
) -> tuple[str, str]:
    """The subject of a case and its name: at first each in turn, then at random."""
    every = in_turn(plan)
    if index < len(every):
        return every[index]
    place = draw.below(sum(share for _, share, _ in units))
    chosen = 0
    while place >= units[chosen][1]:
        place -= units[chosen][1]
        chosen += 1
    return units[chosen][0], draw.choice(units[chosen][2])


def _enter(
    tally: Tally, plan: Plan, index: int, name: str, kind: str, problem: str, detail: str, case: Any
) -> None:
    finding = {"kind": kind, "problem": problem, "index": index, "name": name, "times": 1}
    finding |= {"detail": detail, "replay": plan.replay(index)}
    known = tally.findings.get((kind, problem))
    if known is None or index < known["index"]:  # arrays take long to show
        finding["inputs"] = described(case.inputs.items())
    tally.enter(finding)


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """One thread unless a case says otherwise, but then really two; warnings are errors."""
    with warnings.catch_warnings(), fl.num_threads(1):
        warnings.simplefilter("error")
        _core.configure(insist=True)
        yield


# ---- workers -----------------------------------------------------------------------------------


def work(plan: Plan, connection: Connection, place: Any) -> None:
    """Run the ranges of indices that come, and send what was counted; ``place`` is the index."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    _limit_memory()
    units = plan.units()
    gc.set_threshold(50_000)  # cases leave few cycles, and looking for them takes long
    with settled(), contextlib.suppress(EOFError):  # where the parent has ended
        while True:
            given = connection.recv()
            tally = Tally()
            for index in range(*given):
                place.value = index
                run_case(plan, units, index, tally)
            connection.send(tally)


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


class _Worker:
    """A process, what it was asked to do, and where it is."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.place = context.Value("q", -1, lock=False)
        self.process = context.Process(target=work, args=(plan, other, self.place), daemon=True)
        self.process.start()
        other.close()
        self.range = (0, 0)
        self.seen, self.since = -1, time.monotonic()

    def ask(self, start: int, stop: int) -> None:
        self.range = start, stop
        self.place.value = -1
        self.seen, self.since = -1, time.monotonic()
        self.connection.send((start, stop))

    def is_stuck(self) -> bool:
        if self.place.value != self.seen:
            self.seen, self.since = self.place.value, time.monotonic()
        return time.monotonic() - self.since > PATIENCE

    def end(self) -> int | None:
        self.process.kill()
        self.process.join()
        return self.process.exitcode


def run_all(
    plan: Plan,
    *,
    processes: int,
    calls: int | None = None,
    seconds: float | None = None,
    progress: Callable[[Tally], None] | None = None,
) -> Tally:
    """Run cases in processes until there were so many calls, or until the time is over.

    A case that ends its process, or does not end, is a finding; the cases after it go on in another
    process.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait are not to spin
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    total, first, started = Tally(), 0, time.monotonic()
    workers: list[_Worker] = []

    def is_over() -> bool:
        over = calls is not None and total.calls.total() >= calls
        return over or seconds is not None and time.monotonic() - started >= seconds

    try:
        for _ in range(processes):
            workers.append(_Worker(plan))
            workers[-1].ask(first, first + BATCH)
            first += BATCH
        while workers:
            ready = wait([worker.connection for worker in workers], timeout=1)
            for worker in list(workers):
                rest: tuple[int, int] | None = None
                if worker.connection in ready:
                    try:
                        total.add(worker.connection.recv())
                    except EOFError:
                        rest = _ended(plan, worker, total, None)
                elif worker.is_stuck():
                    rest = _ended(plan, worker, total, f"takes more than {PATIENCE} seconds")
                else:
                    continue
                if rest is not None:
                    workers.remove(worker)
                    worker = _Worker(plan)
                    workers.append(worker)
                if is_over():
                    workers.remove(worker)
                    worker.end()
                elif rest is not None and rest[0] < rest[1]:
                    worker.ask(*rest)
                else:
                    worker.ask(first, first + BATCH)
                    first += BATCH
            if progress is not None:
                progress(total)
    finally:
        for worker in workers:
            worker.end()
    return total


def _ended(plan: Plan, worker: _Worker, total: Tally, problem: str | None) -> tuple[int, int]:
    """Enter the case that a worker was at when it ended; the cases that are left of its range."""
    index = worker.place.value
    if problem is None:
        worker.process.join(10)
    code = worker.end()
    if problem is None:
        names = {-s.value: s.name for s in signal.Signals}
        problem = f"the process ends, {names.get(code or 0, f'exit status {code}')}"
    start, stop = worker.range
    index = max(index, start)
    total.enter(
        {
            "kind": "process", "problem": problem, "index": index, "name": "", "times": 1,
            "detail": "what it printed stands above", "replay": plan.replay(index), "inputs": "",
        }
    )  # fmt: skip
    return index + 1, stop
