"""How many threads calls take on a busy machine: the results are the same, whatever it is."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from samples import typical

import fastloss as fl
from fastloss import _core

N = 70_003
HOG = [sys.executable, "-c", "while True: pass"]


@pytest.fixture
def busy():
    """Processes that keep every CPU, and calls that may take fewer threads."""
    hogs = [subprocess.Popen(HOG) for _ in range((os.cpu_count() or 1) + 1)]
    _core.configure(insist=False)
    try:
        yield
    finally:
        _core.configure(insist=True)
        for hog in hogs:
            hog.kill()
            hog.wait()


def everything(n):
    """Something of each driver, as bytes."""
    rng = np.random.default_rng(n)
    y, z = typical(fl.Logistic(), n, np.float32, seed=n)
    strided, weight = np.repeat(z, 2)[::2], rng.uniform(0.1, 3, n)
    rows, classes = rng.normal(size=(n // 4, 5)), rng.integers(0, 5, n // 4)
    X = rng.normal(size=(n // 16, 16))
    found = [*fl.Logistic().value_and_grad(y, z)]
    found += fl.Logistic().grad_and_hess(y, strided, sample_weight=weight)
    found += fl.SoftmaxCrossEntropy().value_and_grad(classes, rows)
    # one model's predictions are converted by readers of threads, the others' are not
    models = fl.compare(y, {"a": z, "b": strided, "c": z / 2}, ["logistic"])
    found += [models.total.values, models.total.errors]
    found += fl.penalties.L2(0.1).value_and_grad(z)
    found += fl.penalties.GroupLasso(0.1, axis=1).value_and_grad(rows)
    objective = fl.LinearObjective("logistic", X, (X[:, 0] > 0).astype(float))
    found += [*objective.value_and_grad(np.ones(17)), objective.predict(np.ones(17))]
    arrays = np.ones(4 * n, np.float32), np.zeros((n // 4, 20), np.float32)
    picked = rng.integers(0, n // 4, n // 2), np.ones((n // 2, 20), np.float32)
    fl.optim.Adam([*arrays], lr=0.1, max_norm=1.0).step([np.tile(z, 4), picked])
    return [np.asarray(x).tobytes() for x in (*found, *arrays)]


def test_results_on_a_busy_machine_are_the_same_for_every_number_of_threads(busy):
    with fl.num_threads(1):
        expected = everything(N)
    for threads in (2, 3, 7) * 2:
        with fl.num_threads(threads):
            assert everything(N) == expected
            assert fl.get_num_threads() == threads


def test_calls_that_overlap_on_a_busy_machine_do_not_disturb_each_other(busy):
    sizes = [N, N + 1, N + 2, N + 513]
    with fl.num_threads(1):
        expected = [everything(n) for n in sizes]
    with fl.num_threads(2), ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(everything, sizes)) == expected


def run(code):
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CALLS = """
import os
import numpy as np
import fastloss as fl
y, z = np.zeros(200_000, np.float32), np.ones(200_000, np.float32)
def call():
    return [fl.Logistic().value_and_grad(y, z)[0] for _ in range(100)]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_on_a_busy_machine_does_not_hang(busy):
    code = """
fl.set_num_threads(2)
expected = call()
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if call() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert call() == expected
print("done")
"""
    assert run(CALLS + code) == "done"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="only Linux tells threads")
@pytest.mark.parametrize(("threads", "started"), [(1, 0), (3, 2)])
def test_as_many_threads_are_started_as_are_allowed(threads, started):
    code = f"""
from fastloss import _core
_core.configure(insist=True)
fl.set_num_threads({threads})
before = len(os.listdir("/proc/self/task"))
call()
print(_core.openmp, len(os.listdir("/proc/self/task")) - before)
"""
    openmp, found = run(CALLS + code).split()
    assert int(found) == (started if openmp == "True" else 0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_a_process_that_may_not_run_on_every_cpu_computes_the_same():
    """What the system tells of its CPUs is not about those of the process then."""
    code = """
expected = call()
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for threads in (1, 2, 3):
    fl.set_num_threads(threads)
    assert call() == expected
print("done")
"""
    assert run(CALLS + code) == "done"
