"""Threads: the same bits for every number of them, and no harm to the rest of the process."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import samples
from samples import DTYPES, SIZES, defaults, typical

import fastloss as fl
from fastloss.threads import cgroup_cpus, default_threads

THREADS = (1, 2, 3, 7, 16)
# where the way that work is cut into tasks changes: up to 16 of 2048 elements, then longer ones,
# then 256 of 8192
BORDERS = [2048 * k + d for k in (2, 16, 17, 68) for d in (-1, 0, 1, 65)] + [8192 * 256 + 1]


def everything(loss, y, z, w, groups):
    """All that is computed, as bytes."""
    found = []
    for weight in (None, w):
        for reduction in ("mean", "sum"):
            found += loss.value_and_grad(y, z, sample_weight=weight, reduction=reduction)
            found += loss.grad_and_hess(y, z, sample_weight=weight, reduction=reduction)
        found.append(loss(y, z, sample_weight=weight, reduction="none"))
        for by in (None, groups):
            scores = fl.score(
                y, z, [loss, "huber:delta=0.3", "cauchy:c=3"], sample_weight=weight, groups=by
            )
            found += [scores.values, scores.weight, scores.count]
            found += [scores.group_values, scores.group_weights, scores.group_counts]
    return [np.asarray(x).tobytes() for x in found]


def same_for_all_threads(loss, n, dtype):
    y, z = typical(loss, n, dtype)
    rng = np.random.default_rng(n)
    w, groups = rng.uniform(0.1, 3, n).astype(dtype), rng.integers(0, 5, n)
    with fl.num_threads(1):
        expected = everything(loss, y, z, w, groups)
    for threads in THREADS[1:]:
        with fl.num_threads(threads):
            assert everything(loss, y, z, w, groups) == expected, f"{threads} threads, n = {n}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", sorted({n for n in SIZES if n} | set(BORDERS)))
def test_bits_are_the_same_for_every_number_of_threads(n, dtype):
    same_for_all_threads(fl.Logistic(), n, dtype)


@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
def test_bits_of_every_loss_are_the_same_for_every_number_of_threads(loss):
    same_for_all_threads(loss, 70_001, np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_are_the_same_wherever_the_output_lies(dtype):
    y, z = typical(fl.Huber(), 20_011, dtype)
    expected = fl.Huber().value_and_grad(y, z)
    for place in range(1, 64 // z.itemsize + 1):
        room = np.full(z.size + 64, -9.0, dtype)
        start = (-room.ctypes.data) % 64 // z.itemsize + place
        out = room[start : start + z.size]
        value, _ = fl.Huber().value_and_grad(y, z, out=out)
        assert value == expected[0] and out.tobytes() == expected[1].tobytes(), place
        assert (room[:start] == -9).all() and (room[start + z.size :] == -9).all()
        fl.Huber().grad_and_hess(y, z, out=(out, np.empty_like(z)))
        assert out.tobytes() == expected[1].tobytes()


@pytest.mark.parametrize("layout", [lambda x: np.repeat(x, 2)[::2], lambda x: x.astype(">f4")])
def test_bits_of_converted_inputs_are_the_same_for_every_number_of_threads(layout):
    y, z = (layout(x) for x in typical(fl.Huber(), 131_077, np.float32))
    results = set()
    for threads in THREADS:
        with fl.num_threads(threads):
            value, grad = fl.Huber().value_and_grad(y, z)
            results.add((value, grad.tobytes()))
    assert len(results) == 1


def test_outputs_beyond_the_cache_are_the_same():
    n = 12_000_001  # with its output, beyond any last-level cache's fair share
    y, z = np.zeros(n, np.float32), np.linspace(-2, 2, n, dtype=np.float32)
    grad = fl.SquaredError().grad(y, z, reduction="sum")
    np.testing.assert_array_equal(grad, 2 * z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_keep_their_digits(dtype):
    for n in (1_400_000, 10_000_000):
        y, z = np.zeros(n, dtype), np.full(n, 0.1, dtype)
        exact = float(dtype(0.1) * dtype(0.1))
        values = set()
        for threads in (1, 2, 7, 16):
            with fl.num_threads(threads):
                values.add(fl.SquaredError()(y, z))
        assert len(values) == 1
        assert values.pop() == pytest.approx(exact, rel=1e-12)


def test_concurrent_calls_do_not_disturb_each_other():
    loss = fl.Logistic()
    inputs = [typical(loss, n, np.float32, seed=n) for n in (40_001, 40_002, 100, 70_003)]
    expected = [loss.value_and_grad(*pair) for pair in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            for (value, grad), want in zip(
                pool.map(lambda pair: loss.value_and_grad(*pair), inputs), expected, strict=True
            ):
                assert value == want[0]
                np.testing.assert_array_equal(grad, want[1])


def test_the_gil_is_released():
    y = z = np.zeros(30_000_000, np.float32)
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    with fl.num_threads(1):
        thread.start()
        before = len(ticks)
        fl.Logistic()(y, z)
        during = len(ticks) - before
        stop.set()
        thread.join()
    assert during >= 2


# ---- the number of threads ---------------------------------------------------------------------


def test_num_threads_is_restored():
    before = fl.get_num_threads()
    with fl.num_threads(5):
        assert fl.get_num_threads() == 5
        with fl.num_threads(3):
            assert fl.get_num_threads() == 3
        assert fl.get_num_threads() == 5
    assert fl.get_num_threads() == before
    with pytest.raises(KeyError), fl.num_threads(4):
        raise KeyError
    assert fl.get_num_threads() == before


@pytest.mark.parametrize("order", ["abBA", "abAB", "abcACB", "abcBAC", "abAcBC"])
def test_overlapping_blocks_leave_the_number_of_before(order):
    before = fl.get_num_threads()
    blocks = {name: fl.num_threads(k) for k, name in enumerate("abc", before + 1)}
    entered = []
    for step in order:
        name = step.lower()
        if step == name:
            blocks[name].__enter__()
            entered.append(name)
        else:
            blocks[name].__exit__(None, None, None)
            last = entered[-1] == name
            entered.remove(name)
            if last and entered:  # the block entered before it rules again
                assert fl.get_num_threads() == before + 1 + "abc".index(entered[-1])
    assert fl.get_num_threads() == before


def test_blocks_of_two_threads_overlap():
    before = fl.get_num_threads()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with fl.num_threads(before + 1):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10)
    with fl.num_threads(before + 2):
        leave.set()
        thread.join(10)
        assert fl.get_num_threads() == before + 2
    assert fl.get_num_threads() == before


@pytest.mark.parametrize(("bad", "error"), [
    (0, ValueError), (-1, ValueError), (1025, ValueError), (2.0, TypeError), ("2", TypeError),
    (True, TypeError), (None, TypeError),
])  # fmt: skip
def test_a_bad_number_of_threads_raises_and_changes_nothing(bad, error):
    before = fl.get_num_threads()
    with pytest.raises(error):
        fl.set_num_threads(bad)
    with pytest.raises(error), fl.num_threads(bad):
        pass
    assert fl.get_num_threads() == before


def run(code, timeout=60, **environment):
    """What a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("asked", "expected"), [("1", 1), ("1,4", 1), (" 1 ", 1)])
def test_omp_num_threads_lowers_the_default(asked, expected):
    code = "import fastloss as fl; print(fl.get_num_threads())"
    assert run(code, OMP_NUM_THREADS=asked) == str(expected)


@pytest.mark.parametrize("asked", ["", "0", "many", "100000"])
def test_other_values_of_omp_num_threads_leave_the_default(asked, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    expected = default_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert default_threads() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_cpu_affinity_lowers_the_default():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "import fastloss as fl; print(fl.get_num_threads())"
    )
    assert run(code) == "1"


def control_groups(root, groups, **quotas):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for path, text in quotas.items():
        file = root / "sys/fs/cgroup" / path.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return cgroup_cpus(root)


V1 = "3:cpuset:/\n2:cpu,cpuacct:/box\n1:memory:/box\n"


@pytest.mark.parametrize(("groups", "files", "expected"), [
    ("0::/a/b\n", {"a__b__cpu_dot_max": "150000 100000\n"}, 1.5),
    ("0::/a/b\n", {"a__b__cpu_dot_max": "max 100000\n"}, None),
    ("0::/a/b\n", {"a__cpu_dot_max": "50000 100000\n"}, 0.5),
    ("0::/a/b\n", {"a__cpu_dot_max": "200000 100000\n", "a__b__cpu_dot_max": "9 1\n"}, 2.0),
    ("0::/\n", {"cpu_dot_max": "400000 100000\n"}, 4.0),
    ("0::/a\n", {}, None),
    ("0::/a\n", {"a__cpu_dot_max": "garbage\n"}, None),
    (V1, {"cpu,cpuacct__box__cpu_dot_cfs_quota_us": "250000\n",
          "cpu,cpuacct__box__cpu_dot_cfs_period_us": "100000\n"}, 2.5),
    (V1, {"cpu__box__cpu_dot_cfs_quota_us": "100000\n",
          "cpu__box__cpu_dot_cfs_period_us": "100000\n"}, 1.0),
    (V1, {"cpu__box__cpu_dot_cfs_quota_us": "-1\n",
          "cpu__box__cpu_dot_cfs_period_us": "100000\n"}, None),
])  # fmt: skip
def test_the_quota_of_a_control_group(tmp_path, groups, files, expected):
    assert control_groups(tmp_path, groups, **files) == expected


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cgroup_cpus(tmp_path) is None


@pytest.mark.parametrize(("quota", "expected"), [(0.3, 1), (1.0, 1), (None, 4), (1.2, 2), (64, 4)])
def test_the_default_is_the_smallest_limit(monkeypatch, quota, expected):
    monkeypatch.setattr("fastloss.threads.cgroup_cpus", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert default_threads() == expected


# ---- fork, and the rest of the process ---------------------------------------------------------

FORK = """
import os, sys
{imports}
import numpy as np
fl.set_num_threads(2)
y, z = np.zeros(200_000, np.float32), np.ones(200_000, np.float32)
expected = fl.Logistic().value_and_grad(y, z)[0]
{work}
for _ in range(2):
    child = os.fork()
    if child == 0:
        same = fl.Logistic().value_and_grad(y, z)[0] == expected
        fl.score(y, z, ["mse"])
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
assert fl.Logistic().value_and_grad(y, z)[0] == expected
print("done")
"""
TORCH = "torch.logsumexp(torch.ones(1000, 1000), 1).sum().item()"
SKLEARN = (
    "from sklearn._loss import HalfSquaredError\n"
    "HalfSquaredError().loss_gradient(np.zeros(99999), np.zeros(99999), n_threads=2)"
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(("imports", "work"), [
    ("import fastloss as fl", ""),
    ("import torch\nimport fastloss as fl", TORCH),
    ("import fastloss as fl\nimport torch", TORCH),
    ("import sklearn\nimport fastloss as fl", SKLEARN),
    ("import fastloss as fl\nimport sklearn", SKLEARN),
    ("import sklearn, torch\nimport fastloss as fl", TORCH + "\n" + SKLEARN),
    ("import fastloss as fl\nimport torch, sklearn", SKLEARN + "\n" + TORCH),
], ids=[
    "alone", "after torch", "before torch", "after sklearn", "before sklearn", "last", "first",
])  # fmt: skip
def test_a_fork_after_a_parallel_call_does_not_hang(imports, work):
    if "torch" in imports:
        pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    assert run(FORK.format(imports=imports, work=work)) == "done"


LOCKS = """
import os, sys, threading
import numpy as np
import fastloss as fl
sys.setswitchinterval(1e-6)
scorer, z, stop = fl.Scorer("mae"), np.zeros(64), threading.Event()
scorer.update(z, z)

def work():
    while not stop.is_set():
        scorer.update(z, z)
        with fl.num_threads(1):
            pass

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(40):
    child = os.fork()
    if child == 0:
        scorer.result()
        with fl.num_threads(1):
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_other_threads_hold_locks_does_not_hang():
    assert run(LOCKS) == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_fork_is_told_from_a_process_of_its_own():
    code = """
import os
from fastloss.threads import was_forked
alone = was_forked()
child = os.fork()
if child == 0:
    os._exit(7 if was_forked() else 1)
print(alone, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "7"], done.stderr


@pytest.mark.parametrize("first", ["import fastloss", "import fastloss, numpy as np\n"
    "fastloss.Logistic()(np.zeros(99_999), np.zeros(99_999))"])  # fmt: skip
def test_subnormal_numbers_keep_working(first):
    code = f"{first}\nx = 5e-324\nimport numpy as np\n"
    code += "print(x > 0, x * 1.0 > 0, np.float32(1e-40) * np.float32(1) > 0, 1e-310 / 10 > 0)"
    assert run(code) == "True True True True"


def test_openmp_of_others_is_left_alone():
    pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    code = "import torch, fastloss as fl\nbefore = torch.get_num_threads()\n"
    code += "fl.set_num_threads(1)\nimport numpy as np\nx = np.zeros(99999)\nfl.Logistic()(x, x)\n"
    code += "print(before == torch.get_num_threads())"
    assert run(code) == "True"


@pytest.mark.parametrize("forced", ["sse9", "AVX2"])
def test_an_unknown_instruction_set_is_an_error(forced):
    done = subprocess.run(
        [sys.executable, "-c", "import fastloss"], capture_output=True, text=True, timeout=60,
        env=os.environ | {"FASTLOSS_ISA": forced},
    )  # fmt: skip
    assert done.returncode != 0
    assert f"FASTLOSS_ISA={forced!r}" in done.stderr


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(samples.__file__).parent)}
SMALL_STACK = """
import threading
import numpy as np
import fastloss as fl
import row_samples
import samples

def work():
    for dtype in np.float32, np.float64:
        for loss in samples.defaults():
            loss.grad_and_hess(*samples.typical(loss, 3000, dtype))
        for loss in row_samples.LOSSES:
            for k in 10, 200:
                loss.value_and_grad(*row_samples.typical(loss, 300, k, dtype))
        soft = np.random.default_rng(0).dirichlet(np.ones(10), 300).astype(dtype)
        fl.SoftmaxCrossEntropy().grad_and_hess(soft, soft)
        fl.score(soft.ravel(), soft.ravel(), ["mse", "logistic"], groups=np.arange(3000) % 7)
    done.append(True)

done = []
threading.stack_size(2**17)
with fl.num_threads(1):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
assert done
"""


def test_a_thread_may_have_a_stack_of_128_kib():  # as those of musl have
    subprocess.run([sys.executable, "-c", SMALL_STACK], check=True, env=ENVIRONMENT)
