"""Times of calls on a machine that others keep busy, as the table of docs/benchmarks.md.

python benchmarks/busy.py [seconds]

Squared error with its gradient, float32, on one thread and on one for each CPU: the median and the
99th percentile of calls, in milliseconds. Seconds are those of each measurement.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

import fastloss as fl
from fastloss.bench.cases import Case
from fastloss.bench.peers.base import GIVEN, Work
from fastloss.bench.peers.fastloss_peer import Fastloss
from fastloss.bench.run import find_peers

LIBRARIES = ["fastloss", "numba", "sklearn", "torch"]
SIZES = (100_000, 1_000_000)
WARM_UP = 0.5  # seconds
CPUS = fl.get_num_threads()
HOG = [sys.executable, "-c", "while True: pass"]


def measure(library: str, seconds: float) -> None:
    """Print the times of calls for each size and number of threads, once told to begin."""
    peer = Fastloss() if library == "fastloss" else find_peers([library], CPUS, slow=True)[0][0]
    works = []
    for n in SIZES:
        case = Case("mse", "value_and_grad", (n,), "float32")
        ways = peer.ways(case)
        for threads in (1, CPUS):
            peer.set_threads(threads)
            work = peer.prepare(case, case.data(), GIVEN if GIVEN in ways else ways[0])
            work.run()  # what it compiles is not timed
            works.append((threads, work))
    print("ready", flush=True)
    sys.stdin.readline()
    found = []
    for threads, work in works:
        peer.set_threads(threads)
        calls(work, WARM_UP)
        found.append(calls(work, seconds))
    print(json.dumps(found))


def calls(work: Work, seconds: float) -> list[float]:
    taken = []
    now = time.perf_counter()
    end = now + seconds
    while now < end:
        start = now
        work.run()
        now = time.perf_counter()
        taken.append(now - start)
    return taken


def together(library: str, processes: int, hogs: int, seconds: float) -> list[list[float]]:
    """The times of calls of processes that run at once, while others never wait."""
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, library, str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(processes)
    ]  # fmt: skip
    for worker in workers:
        worker.stdout.readline()  # type: ignore[union-attr]
    others = [subprocess.Popen(HOG) for _ in range(hogs)]
    try:
        time.sleep(1)
        for worker in workers:
            worker.stdin.write("go\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        found = [json.loads(worker.communicate()[0]) for worker in workers]
    finally:
        for process in (*others, *workers):
            process.kill()
            process.wait()
    return [sum(parts, []) for parts in zip(*found, strict=True)]


def row(*cells: object) -> None:
    print("|", *[f"{cell} |" for cell in cells], flush=True)


def shown(taken: Sequence[float]) -> str:
    median, late = np.quantile(taken, [0.5, 0.99]) * 1e3
    return f"{median:.3g} / {late:.3g}"


def main(seconds: float) -> None:
    loads = {
        f"{3 * CPUS} processes that never wait": (1, 3 * CPUS),
        f"{2 * CPUS} processes that call at once": (2 * CPUS, 0),
    }
    row("what else runs", "n", "threads", *LIBRARIES)
    row(*["---"] * (3 + len(LIBRARIES)))
    for load, (processes, hogs) in loads.items():
        found = [together(library, processes, hogs, seconds) for library in LIBRARIES]
        cases = [(n, threads) for n in SIZES for threads in (1, CPUS)]
        for (n, threads), *taken in zip(cases, *found, strict=True):
            row(load, f"{n:,}", threads, *map(shown, taken))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in LIBRARIES:
        measure(sys.argv[1], float(sys.argv[2]))
    else:
        main(float(sys.argv[1]) if sys.argv[1:] else 5.0)
