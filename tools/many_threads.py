#!/usr/bin/env python
"""Call fastloss from a thousand Python threads at once, from processes of every kind, and from a
subinterpreter.

    tools/many_threads.py                  # everything
    tools/many_threads.py --threads 100 --only threads --only subinterpreter

"threads": all threads wait for each other, and then each calls losses and scores of shared objects
and arrays, updates a scorer that all share, and has an optimizer of its own step; the bits have to
be those of the same calls in one thread. "busy threads" is the same with teams of OpenMP however
busy the machine is. How many threads the process has at most is told, and must not be more than
``threads * get_num_threads()``. The others do the same calls in joblib's threads and processes, in
pools of multiprocessing that fork and that spawn, in children that are forked after calls, as
servers fork their workers, and while other threads call. In a subinterpreter the import has to be
an ImportError, and the main interpreter has to go on. Each case is a process of its own, which a
watchdog ends with the stacks of all threads; none may print a warning of OpenMP's or end by a
signal.

Linux; joblib of scikit-learn.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from faults import chosen, kept, parser

PATIENCE = 300  # seconds that a case may take
KINDS = 8  # of data, which threads share
SIZES = (1000, 40_003)  # elements: for one thread, and for several
WORKERS = 4


class Wrong(Exception):
    """What must not be."""


# ---- what is called ------------------------------------------------------------------------------


class Calls:
    """Objects and arrays that all threads share, and what each of them does with them."""

    def __init__(self) -> None:
        import numpy as np

        import fastloss as fl

        rng = np.random.default_rng(0)
        self.losses = [fl.Logistic(), fl.Huber(), fl.SquaredError()]
        self.data = []
        for kind in range(KINDS):
            n = SIZES[kind % len(SIZES)] + kind
            y, z = rng.integers(0, 2, n).astype(np.float32), rng.normal(size=n).astype(np.float32)
            self.data.append((y, z, rng.uniform(0.5, 2, n), rng.integers(0, 5, n)))
        self.rows = rng.normal(size=(5000, 5))
        self.classes = rng.integers(0, 5, 5000)
        self.scorer = fl.Scorer(["mse", "mae"])

    def of(self, kind: int) -> str:
        """All of it with one kind of data: what came out, in a few letters."""
        import numpy as np

        import fastloss as fl

        y, z, w, groups = self.data[kind % KINDS]
        found = hashlib.sha256()

        def take(results: Any) -> None:  # and keep none: there are many threads
            for result in results:
                found.update(np.asarray(result).tobytes())

        for loss in self.losses:
            take(loss.value_and_grad(y, z, sample_weight=w))
            take(loss.grad_and_hess(y, z))
        take(fl.SoftmaxCrossEntropy().value_and_grad(self.classes, self.rows))
        scores = fl.score(y, z, ["mse", "logistic"], groups=groups, sample_weight=w)
        take([scores.values, scores.group_values])
        take(fl.penalties.L2(0.1).value_and_grad(z))
        p = z.copy()
        opt = fl.optim.Adam(p, lr=0.1, max_norm=1.0)
        for _ in range(3):
            opt.step(y)
        self.scorer.update(y, z, groups=groups)
        take([p])
        return found.hexdigest()[:16]


def expected() -> list[str]:
    """What one thread comes to."""
    import fastloss as fl

    calls = Calls()
    with fl.num_threads(1):
        return [calls.of(kind) for kind in range(KINDS)]


def check(found: list[str], right: list[str]) -> None:
    wrong = sum(bits != right[kind % KINDS] for kind, bits in enumerate(found))
    if wrong:
        raise Wrong(f"{wrong} of {len(found)} results have other bits")


# ---- cases ---------------------------------------------------------------------------------------


def threads(count: int, insist: bool = False) -> dict[str, Any]:
    """All at once, in so many threads of this process."""
    import fastloss as fl
    from fastloss import _core

    right = expected()
    _core.configure(insist=insist)
    calls, start, found, failed = Calls(), threading.Barrier(count), {}, []

    def work(kind: int) -> None:
        try:
            start.wait()
            found[kind] = calls.of(kind)
        except BaseException as error:
            failed.append(error)
            raise

    workers = [threading.Thread(target=work, args=(kind,)) for kind in range(count)]
    began, most = time.perf_counter(), 0
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        most = max(most, len(os.listdir("/proc/self/task")))
        time.sleep(0.01)
    if failed:
        raise Wrong(f"{len(failed)} threads failed, the first with {failed[0]!r}")
    check([found[kind] for kind in range(count)], right)
    one_by_one = Calls()
    for kind in range(count):
        y, z, _, groups = one_by_one.data[kind % KINDS]
        one_by_one.scorer.update(y, z, groups=groups)
    if calls.scorer.to_bytes() != one_by_one.scorer.to_bytes():
        raise Wrong("the scorer that all shared has other bits")
    allowed = count * fl.get_num_threads() + 8  # NumPy's own, and the watchdog
    if most > allowed:
        raise Wrong(f"the process had {most} threads, of {allowed} allowed")
    left = len(os.listdir("/proc/self/task"))
    seconds = round(time.perf_counter() - began, 1)
    return {"threads": count, "seconds": seconds, "most threads": most, "left": left}


def busy_threads(count: int) -> dict[str, Any]:
    return threads(count, insist=True)


_calls: Calls | None = None


def of_kind(kind: int) -> str:
    """In a worker, which has its own objects."""
    global _calls
    _calls = _calls or Calls()
    return _calls.of(kind)


def joblib_threads(count: int) -> dict[str, Any]:
    return _joblib(count, "threading", count)


def joblib_processes(count: int) -> dict[str, Any]:
    return _joblib(count, "loky", WORKERS)


def _joblib(count: int, backend: str, workers: int) -> dict[str, Any]:
    import many_threads  # by its name, as processes import it
    from joblib import Parallel, delayed

    right = expected()
    tasks = [delayed(many_threads.of_kind)(kind) for kind in range(count)]
    found = Parallel(workers, backend=backend)(tasks)
    check(found, right)
    return {"calls": count, "workers": workers}


def pool_of_forks(count: int) -> dict[str, Any]:
    return _pool(count, "fork")


def pool_of_new_processes(count: int) -> dict[str, Any]:
    return _pool(count, "spawn")


def pool_of_a_server(count: int) -> dict[str, Any]:
    return _pool(count, "forkserver")


def _pool(count: int, method: str) -> dict[str, Any]:
    """After calls in this process, with all of its threads."""
    import many_threads

    right = expected()
    many_threads.of_kind(1)
    with multiprocessing.get_context(method).Pool(WORKERS) as pool:
        check(pool.map(many_threads.of_kind, range(count)), right)
    check([many_threads.of_kind(kind) for kind in range(KINDS)], right)
    return {"calls": count, "workers": WORKERS}


def workers_of_a_server(count: int) -> dict[str, Any]:
    """Import and call, fork workers as servers do, each of which has threads that call."""
    right = expected()
    check([of_kind(kind) for kind in range(KINDS)], right)
    return {"workers": _fork(count, right, WORKERS), "threads of each": count // WORKERS}


def forks_while_threads_call(count: int) -> dict[str, Any]:
    """Fork, again and again, while other threads are in the middle of calls."""
    right, stop = expected(), threading.Event()
    calls = Calls()

    def work(kind: int) -> None:
        while not stop.is_set():
            check([calls.of(kind)], [right[kind]])

    with ThreadPoolExecutor(KINDS) as pool:
        working = [pool.submit(work, kind) for kind in range(KINDS)]
        try:
            forks = sum(_fork(KINDS, right, 1) for _ in range(min(count, 40)))
        finally:
            stop.set()
        for each in working:
            each.result()
    return {"forks": forks}


def _fork(count: int, right: list[str], workers: int) -> int:
    """Fork workers, whose threads call: how many there were."""
    children = []
    for _ in range(workers):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                calls = Calls()
                with ThreadPoolExecutor(max(count // workers, 1)) as pool:
                    check([*pool.map(calls.of, range(KINDS))], right)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    for child in children:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            raise Wrong(f"a child that was forked ended with {status}")
    return len(children)


IN_A_SUBINTERPRETER = """
try:
    import fastloss
except ImportError as error:
    told = f"ImportError: {error}"
else:
    told = f"imported: {fastloss.SquaredError()([0.0], [1.0])}"
import os
os.write(PIPE, told.encode())
"""


def subinterpreter(count: int) -> dict[str, Any]:
    """After the main interpreter has imported fastloss, twice."""
    right = expected()
    said = [_said() for _ in range(2)]
    check([of_kind(kind) for kind in range(KINDS)], right)
    for text in said:
        if not text.startswith("ImportError: "):
            raise Wrong(f"in a subinterpreter: {text}")
    return {"said": said}


def subinterpreter_first(count: int) -> dict[str, Any]:
    """Before the main interpreter has: one of the two has it, and the other an ImportError."""
    said = [_said()]
    try:
        import fastloss as fl

        said.append(f"imported: {fl.SquaredError()([0.0], [1.0])}")
    except ImportError as error:
        said.append(f"ImportError: {error}")
    if sorted(text.partition(":")[0] for text in said) != ["ImportError", "imported"]:
        raise Wrong(f"in a subinterpreter, and then in the main one: {said}")
    return {"said": said}


def _said() -> str:
    """What comes of an import in a subinterpreter."""
    try:
        import _interpreters as interpreters  # of Python 3.13
    except ImportError:
        import _xxsubinterpreters as interpreters

    reading, writing = os.pipe()
    own = interpreters.create()
    interpreters.run_string(own, IN_A_SUBINTERPRETER.replace("PIPE", str(writing)))
    interpreters.destroy(own)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pipe.read()


CASES: dict[str, Callable[[int], dict[str, Any]]] = {
    "threads": threads,
    "busy threads": busy_threads,
    "joblib's threads": joblib_threads,
    "joblib's processes": joblib_processes,
    "multiprocessing, fork": pool_of_forks,
    "multiprocessing, spawn": pool_of_new_processes,
    "multiprocessing, forkserver": pool_of_a_server,
    "forked workers of a server": workers_of_a_server,
    "forks while threads call": forks_while_threads_call,
    "subinterpreter": subinterpreter,
    "subinterpreter first": subinterpreter_first,
}


def in_a_process(name: str, count: int) -> dict[str, Any]:
    """Run a case in a new process."""
    command = [sys.executable, __file__, "--case", name, "--threads", str(count)]
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE + 60, env=environment
    )
    if done.returncode:
        raise Wrong(f"its process ended with {done.returncode}: {done.stdout}{done.stderr[-3000:]}")
    if "OMP" in done.stderr or "Error" in done.stderr:
        raise Wrong(f"it said {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_here(case: str, count: int) -> int:
    """Run a case in this process, and print what it found as JSON."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        print(json.dumps(CASES[case](count)))
    except Wrong as error:
        print(error)
        return 1
    return 0


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--threads", type=int, default=1000, metavar="N")
    options.add_argument("--case", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return run_here(given.case, given.threads)
    found, wrong = {}, {}
    for name in chosen(CASES, given.only):
        try:
            found[name] = in_a_process(name, given.threads)
            print(f"{name}: {found[name]}", flush=True)
        except (Wrong, subprocess.TimeoutExpired) as error:
            wrong[name] = str(error)
            print(f"many_threads.py: {name}: {error}", file=sys.stderr)
    most = max((case.get("most threads", 0) for case in found.values()), default=0)
    kept(
        given.record,
        "threads",
        "However many threads and processes call at once, results have the bits of one thread, and "
        "none waits for ever",
        f"{len(found) + len(wrong)} cases with {given.threads} threads or calls: {len(wrong)} "
        f"wrong; {most} threads in the process at most",
        wrong=wrong,
        cases=found,
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
