"""Times of several pieces of work, taken in turns so that noise hits all alike."""

from __future__ import annotations

import math
import random
import threading
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LEAST = 1e-3  # seconds that one timing lasts at least, so that the clock's step does not matter
# Seconds before a timing: after its last call a peer's threads spin for milliseconds with OpenMP,
# for tens of them with OpenBLAS, and take a CPU from whoever comes next.
SETTLE = 5e-3
PATIENCE = 0.2  # seconds that such threads are waited for at most
# Calls longer than this are timed without one before: cold caches and threads matter little then.
WARM = 50e-3


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds are added until the seconds are over."""

    seconds: float
    least_rounds: int
    most_rounds: int


@dataclass(frozen=True)
class Times:
    """Quartiles of the seconds that a call takes, over a number of rounds."""

    low: float
    median: float
    high: float
    rounds: int


def interleaved(runs: Sequence[Callable[[], Any]], effort: Effort) -> list[Times]:
    """Time each run once a round, in a new random order each round."""
    timers = [timeit.Timer(run) for run in runs]
    once = [_once(timer) for timer in timers]
    taken: list[list[float]] = [[] for _ in runs]
    order = list(range(len(runs)))
    shuffle = random.Random(0).shuffle
    end = time.perf_counter() + effort.seconds
    for done in range(effort.most_rounds):
        if done >= effort.least_rounds and time.perf_counter() > end:
            break
        shuffle(order)
        for i in order:
            _settle(timers[i], once[i])
            repeat = math.ceil(LEAST / once[i])
            taken[i].append(timers[i].timeit(repeat) / repeat)
    return [_quartiles(times) for times in taken]


def _settle(timer: timeit.Timer, once: float) -> None:
    """Let the threads of others come to rest, then warm up what a timing would be cold for."""
    end = time.perf_counter() + PATIENCE
    time.sleep(SETTLE)
    while _others_run() and time.perf_counter() < end:
        time.sleep(SETTLE)
    if once < WARM:
        timer.timeit(max(1, int(LEAST / once)))


def _others_run() -> bool:
    """Whether a thread of this process runs but this one, where the system tells."""
    states = Path("/proc/self/task").glob("[0-9]*/stat")
    this = str(threading.get_native_id())
    return any(_state(path) == "R" for path in states if path.parent.name != this)


def _state(path: Path) -> str:
    """The letter after the name in parentheses, or nothing for a thread that has ended."""
    try:
        return path.read_text().rpartition(") ")[2][:1]
    except OSError:
        return ""


def _once(timer: timeit.Timer) -> float:
    """Seconds of a call, roughly: of the second, as the first may compile or set up."""
    timer.timeit(1)
    return max(timer.timeit(1), 1e-7)


def _quartiles(times: Sequence[float]) -> Times:
    low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
    return Times(float(low), float(median), float(high), len(times))
