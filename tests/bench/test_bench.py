"""The benchmark suite: peers that agree, honest arithmetic, files, charts, commands."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from bench_rows import made

import fastloss as fl
from fastloss import cli
from fastloss.bench import charts, command, machine, run, timing
from fastloss.bench.cases import DTYPES, METHODS, ROW_METHODS, Case, row_names, size, sweep
from fastloss.bench.peers import PEERS
from fastloss.bench.peers.base import FRESH, GIVEN, Peer, Work
from fastloss.bench.peers.fastloss_peer import Fastloss
from fastloss.bench.peers.numba_peer import NumbaStrict
from fastloss.bench.peers.torch_peer import rules
from fastloss.bench.results import OURS, Results, ResultsError
from fastloss.bench.steps import (
    LINEAR,
    RESNET50,
    RULES,
    STEP,
    Step,
    steps,
    steps_of_list,
    steps_with_less_state,
)
from fastloss.bench.timing import Effort, interleaved
from fastloss.losses.base import pointwise_names

ROOT = Path(__file__).parents[2]
TINY = Effort(0, 2, 2)


@pytest.mark.parametrize("cls", PEERS, ids=lambda cls: cls.name)
def test_a_peer_agrees_with_fastloss(cls):
    try:
        peer = cls()
    except ImportError:
        pytest.skip(f"{cls.library} is not installed")
    peer.set_threads(2)
    names, rows = pointwise_names(), row_names()
    if cls.slow:  # what compiles: some take seconds for each
        names, rows = ["logistic"], ["softmax_cross_entropy"]
    done = 0
    for case in (
        *sweep(names, METHODS, [(1000,)], DTYPES),
        *sweep(rows, ROW_METHODS, [(60, 7)], DTYPES),
        *sweep(["softmax_cross_entropy"], [run.BOTH], [(3, 5, 4, 6)], DTYPES),
    ):
        data = case.data()
        expected = Fastloss().work(case, *data, GIVEN).call()
        for outputs in peer.outputs(case):
            work = peer.work(case, *data, outputs)
            for _ in range(2):  # the second call finds its arrays as the first left them
                got = work.call()
                assert run.difference(got, expected) <= case.agreement, case
            done += 1
    cases = [Step(name, STEP, (1000,), dtype) for name in peer.rules for dtype in DTYPES]
    less = steps_with_less_state({"Adam"} & set(peer.rules), 1000)
    for case in [*cases, *less, *steps_of_list(list(peer.rules), LINEAR)]:
        data = case.data()
        expected = Fastloss().prepare(case, data, GIVEN).call()
        got = peer.prepare(case, data, GIVEN).call()
        assert run.difference(got, expected) <= case.agreement, case
        assert all(np.any(part) for part in got)
        done += 1
    assert done >= 2


def test_numba_without_fastmath_adds_in_order():
    pytest.importorskip("numba", reason="numba is a peer, not a requirement")
    peer = NumbaStrict()
    case = Case("mse", "value", (1000,), "float64")
    y, z = case.data()
    total = 0.0
    for d in (z - y).tolist():
        total += d * d
    assert peer.work(case, y, z, GIVEN).call() == [total / 1000]
    z[5] = np.nan
    assert np.isnan(peer.work(case, y, z, GIVEN).call())


def test_every_peer_has_a_mark_of_its_own_in_the_charts():
    drawn = {OURS, *(peer.name for peer in PEERS)} - {"torch.fused"}  # which has no losses
    assert set(charts.COLOURS) == drawn
    assert len(set(charts.COLOURS.values())) == len(set(charts.MARKERS.values())) == len(drawn)


def test_difference_sees_nan_and_shape():
    one, nan = np.ones(3), np.array([1, 1, np.nan])
    assert run.difference([one], [one]) == 0
    assert run.difference([one * 1.5], [one]) == 0.5
    assert run.difference([nan], [one]) == np.inf
    assert run.difference([one[:1]], [one]) == np.inf


@pytest.mark.parametrize("plan", [run.full_plan(), run.quick_plan()], ids=["full", "quick"])
def test_a_plan_holds_every_loss_and_rule(plan):
    names = {case.name for case in plan.cases}
    assert names == {*pointwise_names(), *row_names(), *RULES}
    assert len(set(plan.cases)) == len(plan.cases)


@pytest.mark.parametrize("name", pointwise_names())
def test_data_lie_in_the_domains(name):
    case = Case(name, "value", (1000,), "float64")
    y, z = case.data()
    assert all(v in case.loss.y_domain for v in y) and all(v in case.loss.z_domain for v in z)
    assert len(set(y)) > 1 and len(set(z)) > 1
    measured = {k: x for k, x in case.loss.parameters.items() if k != "label_smoothing"}
    assert case.parameters == measured  # all of them are in the formula


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(60, 7), (6, 5, 2, 3)])
@pytest.mark.parametrize("name", row_names())
def test_data_of_rows(name, shape, dtype):
    [case] = sweep([name], ["value"], [shape], [dtype])
    y, z = case.data()
    assert z.shape == case.shape and z.dtype == dtype
    assert np.isfinite(case.loss(y, z))  # in the domains, or it raises
    if case.target == "labels":
        assert np.ptp(np.bincount(y.ravel())) <= 1  # every class, even for sklearn.metrics
    else:
        assert y.shape == (z.shape[:1] if case.target == "numbers" else z.shape)
        assert y.dtype == dtype and not np.array_equal(y, z)


@pytest.mark.parametrize(
    ("name", "shape", "n", "rows", "text", "traffic", "moved"),
    [
        ("mse", (1000,), 1000, 1000, "1e3", "triad", 12_000),
        ("softmax_cross_entropy", (50, 20), 1000, 50, "50x20", "copy", 8000 + 8 * 50),
        ("softmax_cross_entropy", (4, 10, 5, 5), 1000, 100, "4x10x5x5", "copy", 8000 + 8 * 100),
        ("kl_divergence", (100, 10), 1000, 100, "100x10", "triad", 12_000),
    ],
)
def test_what_a_case_moves(name, shape, n, rows, text, traffic, moved):
    case = Case(name, run.BOTH, shape, "float32")
    assert (case.n, case.rows, size(shape)) == (n, rows, text)
    assert (case.traffic, case.bytes) == (traffic, moved)
    assert Case(name, "value", shape, "float32").traffic == "read"


def test_a_step():
    assert (len(RESNET50), sum(RESNET50)) == (161, 25_557_032)  # as the paper's 25.6 million
    [adam] = steps_of_list(["Adam"], LINEAR)
    assert (adam.method, adam.n, adam.sizes) == ("step of 2 arrays", 650, (640, 10))
    assert (adam.bytes, adam.traffic) == (28 * 650, "update 3")
    assert adam.one() == Step("Adam", STEP, (1,), "float32")
    assert [(case.bytes, case.traffic) for case in steps_with_less_state(["Adam"], 256_000)] == [
        (20 * 256_000, "update 3"),
        ((16 + 16 / 256) * 256_000, "update 3"),
    ]
    [sgd] = steps(["SGD"], 1000, "float64")
    assert (sgd.bytes, sgd.traffic) == (40 * 1000, "update 2")
    data = sgd.data()
    before = [array.copy() for array in data]
    [moved] = Fastloss().prepare(sgd, data, GIVEN).call()
    np.testing.assert_array_equal(data, before)
    # by momentum 0.9 the six steps are 1, 1 + 0.9, ... times the gradient
    lengths = np.cumsum(0.9 ** np.arange(6))
    np.testing.assert_allclose(moved, -1e-3 * lengths.sum() * data[1], rtol=1e-9, atol=1e-15)


def test_a_rule_of_torch_that_is_not_measured_would_be_seen():
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    assert set(rules(torch)) == set(run.SHARED_RULES)


def test_a_plan_of_some_names():
    plan = run.full_plan().only(["Adam", "mse"])
    assert {case.name for case in plan.cases} == {"Adam", "mse"}
    assert {case.name for case in plan.scaling} == {"mse"}


class Wrong(Peer):
    """A peer that is quick and wrong."""

    name = library = "wrong"
    version = "1"

    def set_threads(self, threads):
        pass

    def outputs(self, case):
        return (FRESH,)

    def work(self, case, y, z, outputs):
        return Work(lambda: (0.0, z))


class Missing(Wrong):
    name = library = "missing"

    def __init__(self):
        raise ModuleNotFoundError


class Broken(Wrong):
    name = library = "broken"

    def __init__(self):
        raise OSError("no such library")


class Failing(Wrong):
    name = library = "failing"

    def work(self, case, y, z, outputs):
        raise RuntimeError("not today")


@pytest.fixture
def tiny(monkeypatch):
    """A run that takes a second, with peers of all sorts."""
    numpy = next(peer for peer in PEERS if peer.name == "numpy")
    for module in (run, command):
        monkeypatch.setattr(module, "PEERS", [numpy, Wrong, Missing, Broken, Failing])
    monkeypatch.setattr(machine, "last_level_cache", lambda: 1 << 16)
    monkeypatch.setattr(run, "last_level_cache", lambda: 1 << 16)
    cases = list(sweep(run.CURVES, [run.BOTH], [(32,), (1000,)], ["float32"]))
    cases += sweep([run.SOFTMAX, "kl_divergence"], [run.BOTH], [(100, 10)], ["float32"])
    cases += steps(["Adam", "Lion"], 1000)
    scaling = list(sweep(run.CURVES, [run.BOTH], [(1000,)], ["float32"]))
    plan = run.Plan([(cases, TINY)], scaling, False)
    monkeypatch.setattr(run, "quick_plan", lambda: plan)
    return plan


@pytest.fixture
def results(tiny):
    with fl.num_threads(2):
        found = run.bench(tiny)
        assert fl.get_num_threads() == 2
    return found


def test_a_run(results):
    assert results.absent == {
        "missing": "not installed: pip install missing",
        "broken": "OSError: no such library",
    }
    assert len(results.disagreeing) == 2 * 8
    assert "differs by" in results.disagreeing[0] and "not today" in results.disagreeing[1]
    assert {row.peer for row in results.rows} == {OURS, "numpy"}
    assert {row.threads for row in results.rows} == {1, 2}
    # cases, peers, ways; a step, which has one way, of a rule of both and of a rule of ours alone
    assert len(results.rows) == (6 + 2) * 2 * 2 + 2 + 1
    for row in results.rows:
        assert 0 < row.low <= row.seconds <= row.high and row.rounds == 2
        moved = {run.SOFTMAX: 8 * row.n + 8 * 100, "Adam": 28 * row.n, "Lion": 20 * row.n}
        assert row.bytes == moved.get(row.name, 12 * row.n)
        assert row.rate == pytest.approx(row.bytes / row.seconds)
        assert row.memory is None and row.bound == "compute"  # all of it is in the cache
        assert row.share == pytest.approx(row.compute / row.seconds)
        assert row.difference == 0 if row.peer == OURS else row.difference < 1e-4


def test_what_exceeds_the_caches_is_held_to_memory(monkeypatch):
    monkeypatch.setattr(run, "last_level_cache", lambda: 1 << 20)
    case = Case("mse", "value_and_grad", (400_000,), "float64")
    with fl.num_threads(1):  # two would wait for each other where something else runs too
        rows = run.Runner([], 1, Effort(0, 9, 9), []).run(case, case.data())
    for row in rows:
        assert row.memory is not None and row.limit == max(row.memory, row.compute)
        assert row.bound in ("memory", "compute")
        assert 1e9 < row.bytes / row.memory < 1e12


def test_a_row_that_does_not_fit_the_cache_has_a_speed_too():
    per_element = machine.compute_seconds(Case(run.SOFTMAX, run.BOTH, (1, 20_000), "float32"))
    assert 1e-11 < per_element < 1e-7


def test_progress_counts_every_case(tiny):
    told = []
    run.bench(tiny, None, lambda done, total, text: told.append((done, total, text)))
    steps = [done for done, _, text in told if not text.startswith("memory")]
    assert steps == list(range(told[0][1]))


def test_results_survive_the_file(results, tmp_path):
    path = tmp_path / "results.json"
    results.write(path)
    assert list(tmp_path.iterdir()) == [path]
    again = Results.read(path)
    for name in ("date", "machine", "threads", "versions", "absent", "disagreeing"):
        assert getattr(again, name) == getattr(results, name)
    for a, b in zip(again.rows, results.rows, strict=True):
        assert (a.key, a.peer, a.outputs) == (b.key, b.peer, b.outputs)
        assert a.seconds == pytest.approx(b.seconds, rel=1e-3)
    columns = json.loads(path.read_text())["columns"]
    assert {"bytes", "rate", "share", "extra_bytes"} <= set(columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[1]", "not results of"),
        ('{"schema": 0}', "not results of"),
        ('{"schema": 2}', "without 'columns'"),
        ('{"schema": 2, "columns": [], "rows": 5}', "damaged"),
        ('{"schema": 2, "columns": ["name"], "rows": [[1, 2]]}', "damaged"),
        ('{"schema": 2, "columns": ["name"], "rows": [["mse"]]}', "without 'shape'"),
        ('{"schema": 2, "columns": ["shape"], "rows": [[5]]}', "damaged"),
        ('{"schema": 2, "columns": ["shape"], "rows": [[[5]]]}', "without 'date'"),
    ],
)
def test_a_damaged_file(tmp_path, text, message):
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match=message):
        Results.read(path)


def test_interleaved_times_what_it_is_told():
    calls = []
    runs = [lambda: calls.append(0), lambda: [calls.append(1) for _ in range(5000)]]
    quick, slow = interleaved(runs, Effort(0, 3, 3))
    assert quick.rounds == slow.rounds == 3
    assert quick.low <= quick.median <= quick.high < slow.median
    assert set(calls) == {0, 1}


def test_the_first_call_is_in_no_time_and_in_no_estimate(monkeypatch):
    class Timer:  # of what compiles for a minute, then takes a tenth of LEAST
        def __init__(self, run):
            self.calls = run

        def timeit(self, number):
            self.calls.append(number)
            return 60.0 if len(self.calls) == 1 else number * timing.LEAST / 10

    monkeypatch.setattr(timing.timeit, "Timer", Timer)
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: None)
    calls: list[int] = []
    (times_,) = interleaved([calls], Effort(0, 2, 2))
    assert (times_.low, times_.high, times_.rounds) == pytest.approx((1e-4, 1e-4, 2))
    assert calls == [1, 1, *[10, 10] * 2]  # the first, the estimate; to warm up and a timing, twice


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be set back on Linux only")
def test_extra_bytes():
    x = np.ones(20_000_000)
    out = np.empty_like(x)
    machine.extra_bytes(lambda: np.add(x, x, out=out))
    assert 0.9 < machine.extra_bytes(lambda: x + x) / x.nbytes < 1.1
    assert machine.extra_bytes(lambda: np.add(x, x, out=out)) < 0.05 * x.nbytes
    loss = fl.Logistic(pos_weight=1.0)
    loss.value_and_grad(np.ones_like(x), x, out=out)
    assert machine.extra_bytes(lambda: loss.value_and_grad(x, x, out=out)) < 0.05 * x.nbytes


def test_the_command(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    out = tmp_path / "new" / "folder"
    assert cli.run(["bench", "--quick", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "results.json", "speedup.png", "threads.png", "time.png",
    ]  # fmt: skip
    shown = capsys.readouterr().out
    assert "missing (not installed: pip install missing)" in shown
    assert "wrong: mse" in shown
    assert "n = 1,000," in shown and "logistic" in shown
    assert "n = 100 x 10," in shown and "kl_divergence" in shown
    assert "step, float32, n = 1,000," in shown and "Lion" in shown
    assert "comparisons with each peer" in shown.partition("written:")[2]
    results = Results.read(out / "results.json")
    for factor, status, text in ((1e-3, 1, "nothing is faster"), (1e3, 0, "nothing is slower")):
        rows = [
            dataclasses.replace(
                r, **{k: getattr(r, k) * factor for k in ("low", "seconds", "high")}
            )
            if r.peer == OURS
            else r
            for r in results.rows
        ]
        old = tmp_path / "old.json"
        dataclasses.replace(results, rows=rows).write(old)
        assert cli.run(["bench", "--quick", "--out", str(out), "--compare", str(old)]) == status
        shown = capsys.readouterr().out
        assert "rows of fastloss compared" in shown and text in shown


def test_the_chart_of_losses_holds_those_of_rows(results):
    (axes,) = charts.speed_up(results).axes
    assert sorted(label.get_text() for label in axes.get_yticklabels()) == [
        "kl_divergence 100x10", "logistic", "mse", "softmax_cross_entropy 100x10",
    ]  # fmt: skip


def test_a_chart_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "speedup.png").write_text("before")
    figure = mock.Mock()
    figure.savefig.side_effect = lambda file, **options: (file.write(b"half"), 1 / 0)
    monkeypatch.setattr(charts, "speed_up", lambda results: figure)
    monkeypatch.setattr(charts, "FigureCanvasAgg", mock.Mock())
    with pytest.raises(ZeroDivisionError):
        charts.draw(made(), tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("speedup.png", "before")
    ]


def test_charts_without_their_rows(tmp_path):
    assert charts.draw(made(), tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peers", "numpy, pytorch"], "--peers 'pytorch': no such peer; there are numpy,"),
        (["--peers", ""], "--peers '': no such peer"),
        (["--only", "mse,adam"], "--only 'adam': no such loss or rule; there are ASGD,"),
        (["--compare", "file"], "--compare file: not JSON"),
        (["--compare", "absent.json"], "--compare absent.json: no such file or directory"),
        (["--out", "file/below"], "--out file/below: not a directory"),
    ],
)
def test_mistyped(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert cli.run(["bench", "--quick", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"fastloss: {message}")
    assert not Path("fastloss-bench").exists()


def test_an_absent_peer(tiny, tmp_path, capsys):
    out = tmp_path / "new"
    assert cli.run(["bench", "--peers", "missing", "--out", str(out)]) == 2
    message = "fastloss: --peers missing: not installed: pip install missing"
    assert capsys.readouterr().err.startswith(message)
    assert not out.exists()


def test_pytest_runs_the_benchmarks():
    argv = [sys.executable, "-m", "pytest", "benchmarks/test_losses.py", "--benchmark-disable"]
    argv += ["-q", "-k", "mse and n32 and float32 and not compile", "-p", "no:cacheprovider"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout
