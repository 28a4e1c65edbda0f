"""The machine: what it is, how fast its memory is, and how much memory a call takes."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from fastloss import _core
from fastloss.bench.cases import Array, Task
from fastloss.bench.peers.base import GIVEN
from fastloss.bench.peers.fastloss_peer import Fastloss
from fastloss.bench.timing import Effort, interleaved
from fastloss.config import last_level_cache
from fastloss.threads import num_threads

L1 = 24 * 1024  # bytes that fit the first-level data cache of today's processors
LINE = 64  # bytes of a cache line
MOST = 1 << 30  # bytes moved to measure bandwidth at most


def description() -> dict[str, str]:
    """What a reader has to know of the machine to judge its times."""
    return {
        "processor": _processor(),
        "CPUs": f"{os.cpu_count()}",
        "instruction set": _core.isa,
        "last-level cache": f"{last_level_cache() >> 20} MiB",
        "platform": platform.platform(),
        "Python": platform.python_version(),
        "compiler": _core.compiler,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory_loop(traffic: str, size: int) -> Callable[[], Any]:
    """A loop on all our threads that only moves data: about so many bytes in all.

    "read" reads two arrays, "copy" writes one to another, "triad" writes a + 3 b, as in STREAM.
    Their stores go past the cache, which a loop of ordinary stores cannot. "update k" reads one
    array and updates k others in place.
    """
    if traffic.startswith("update"):
        updated = int(traffic.removeprefix("update "))
        read, *others = _arrays(size // (8 * (1 + 2 * updated)), 1 + updated)
        return partial(_core.update_memory, read, others)
    a, b, c = _arrays(size // (8 * (2 if traffic != "triad" else 3)), 3)
    chosen = {"read": (a, b, None), "copy": (a, None, c), "triad": (a, b, c)}
    return partial(_core.move_memory, *chosen[traffic])


@lru_cache(maxsize=1)
def _arrays(n: int, count: int) -> list[Array]:
    """Arrays that begin with a cache line."""
    arrays = [np.ones(n + LINE // 8) for _ in range(count)]
    return [a[-a.ctypes.data % LINE // 8 :][:n] for a in arrays]


def bandwidths(effort: Effort) -> dict[str, float]:
    """Bytes a second that each of these loops moves, well beyond the caches."""
    size = min(12 * last_level_cache(), MOST) // 48 * 48
    loops = {name: memory_loop(name, size) for name in ("read", "copy", "triad")}
    times = interleaved(list(loops.values()), effort)
    return {name: size / t.median for name, t in zip(loops, times, strict=True)}


@cache
def compute_seconds(one: Task) -> float:
    """Seconds per element of our own kernel on one thread, where memory is no hindrance.

    The slope between two numbers of rows that fit the first-level cache, or one and three if none
    does: the cost of a call drops out.
    """
    fit = [part * L1 // (3 * one.bytes) for part in (1, 3)]
    counts = [n // 64 * 64 or max(n, part) for n, part in zip(fit, (1, 3), strict=True)]
    peer = Fastloss()
    cases = [replace(one, shape=(n, *one.shape[1:])) for n in counts]
    with num_threads(1):
        runs = [peer.prepare(case, case.data(), GIVEN).run for case in cases]
        small, large = interleaved(runs, Effort(0, 7, 7))
    return max(large.median - small.median, 0.0) / (cases[1].n - cases[0].n)


def extra_bytes(run: Callable[[], Any]) -> int | None:
    """Most bytes that the process held more during a call than before it; Linux alone tells."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is held
        before = _status("VmRSS")
        result = run()
        peak = _status("VmHWM")
    except OSError:
        return None
    del result
    return max(0, peak - before)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field}")
