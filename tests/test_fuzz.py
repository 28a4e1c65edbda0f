"""The fuzzer of tools/fuzz.py: a short run finds nothing, and faults that are planted are found."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastloss as fl

ROOT = Path(__file__).parents[1]
FUZZ = ROOT / "tools" / "fuzz.py"
CALLS = 100_000


def fuzz(*arguments):
    command = [sys.executable, str(FUZZ), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def run(monkeypatch):
    """A function that runs cases in this process, and gives what was counted."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from fuzzing.case import Tally
    from fuzzing.run import Plan, run_case, settled

    def run(*only, cases=150, seed=0):
        plan, tally = Plan(seed, only), Tally()
        assert not plan.unknown()
        with settled():
            for index in range(cases):
                run_case(plan, plan.units(), index, tally)
        return tally

    return run


def test_a_short_run_finds_nothing(tmp_path, run):
    from fuzzing.subjects import SUBJECTS

    done = fuzz("--calls", CALLS, "--seed", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    found = json.loads((tmp_path / "out" / "fuzz.json").read_text())
    assert found["findings"] == []
    assert found["calls"] >= CALLS
    # everything that there is was called, and not in vain
    names = {f"{subject}: {name}" for subject, that in SUBJECTS.items() for name in that.names}
    assert names == {*found["cases_by_name"]}
    assert {kind.partition(".")[0] for kind in found["kinds"]} == {*SUBJECTS}
    for kind, counts in found["kinds"].items():
        assert counts["calls"] > sum(counts["errors"].values()), kind


def changes_its_input(function):
    def changed(y, z, **options):
        result = function(y, z, **options)
        if isinstance(z, np.ndarray) and z.size and z.dtype == np.float64 and z.flags.writeable:
            z.reshape(-1)[0] = -123.0
        return result

    return changed


def raises_key_error(function):
    def changed(y, z, **options):
        raise KeyError("delta")

    return changed


def is_off_by_one_bit(function):
    def changed(y, z, **options):
        result = function(y, z, **options)
        if isinstance(result, np.ndarray) and result.dtype == np.float64 and result.ndim == 1:
            if not (z.flags.c_contiguous if isinstance(z, np.ndarray) else True):
                result[:1] = np.nextafter(result[:1], 1e300)
        return result

    return changed


def forgets_its_out(function):
    def changed(y, z, *, out=None, **options):
        result = function(y, z, **options)
        return result if out is None else function(y, z, out=out, **options).copy()

    return changed


def writes_before_it_looks(function):
    def changed(y, z, *, out=None, **options):
        if isinstance(out, np.ndarray) and out.flags.writeable:
            out[...] = 0
        return function(y, z, out=out, **options)

    return changed


FAULTS = {
    changes_its_input: "changes an argument",
    raises_key_error: "raises KeyError",
    is_off_by_one_bit: "other bits in another layout",
    forgets_its_out: "out is not what is returned",
    writes_before_it_looks: "an error, and out is changed",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault, run, monkeypatch):
    grad = fl.Huber.grad
    monkeypatch.setattr(
        fl.Huber,
        "grad",
        lambda loss, y, z, **options: fault(lambda *arrays, **more: grad(loss, *arrays, **more))(
            y, z, **options
        ),
    )
    found = run("huber")
    problems = {problem for kind, problem in found.findings if kind == "pointwise.grad"}
    assert any(FAULTS[fault] in problem for problem in problems), found.findings
    # and the case follows from the seed and the index alone
    first = min(found.findings.values(), key=lambda finding: finding["index"])
    again = run("huber", cases=first["index"] + 1)
    assert {*again.findings} == {(first["kind"], first["problem"])}


def test_an_optimizer_that_steps_in_vain_is_found(run, monkeypatch):
    step = fl.optim.SGD.step

    def stepped(opt, grads):
        for array in opt._arrays:
            array += 1  # before anything is checked
        return step(opt, grads)

    monkeypatch.setattr(fl.optim.SGD, "step", stepped)
    found = run("SGD", cases=60)
    assert ("optimizers.step", "a step that was not taken changes something") in found.findings


def test_a_leak_into_the_process_is_found(run, monkeypatch):
    link = fl.Huber.link

    def leaking(loss, mu):
        np.seterr(over="ignore")
        return link(loss, mu)

    monkeypatch.setattr(fl.Huber, "link", leaking)
    found = run("huber", cases=200)
    assert any("behave otherwise" in problem for _, problem in found.findings)


def test_a_warning_is_found(run, monkeypatch):
    link = fl.Huber.link
    monkeypatch.setattr(
        fl.Huber, "link", lambda loss, mu: link(loss, mu) + np.float64(1e308) * np.float64(10.0)
    )
    found = run("huber", cases=200)
    assert any("raises RuntimeWarning" in problem for _, problem in found.findings)


CRASH = """
import os
import fuzzing.run

class Crashing(fuzzing.run.Plan):
    pass

run_case = fuzzing.run.run_case

def crashing(plan, units, index, tally, tell=None):
    if index == 7:
        os.abort()
    run_case(plan, units, index, tally, tell)

fuzzing.run.run_case = crashing  # in the process that unpickles a Crashing plan
"""


def test_a_crash_is_found_and_the_rest_goes_on(tmp_path, run, monkeypatch):
    import fuzzing.run

    (tmp_path / "crashing_plan.py").write_text(CRASH)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(fuzzing.run, "run_case", fuzzing.run.run_case)  # which the module replaces
    from crashing_plan import Crashing

    found = fuzzing.run.run_all(Crashing(0, ("huber",)), processes=1, calls=2000)
    assert [*found.findings] == [("process", "the process ends, SIGABRT")]
    assert found.findings[("process", "the process ends, SIGABRT")]["index"] == 7
    assert found.calls.total() >= 2000


def test_a_case_is_replayed_call_by_call():
    done = fuzz("--replay", "0:5", "--only", "huber")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pointwise.value_and_grad" in done.stdout
    assert done.stdout == fuzz("--replay", "0:5", "--only", "huber").stdout


@pytest.mark.parametrize(
    "arguments", [["--only", "what"], ["--calls", "0"], ["--replay", "x"], ["-1"]]
)
def test_wrong_arguments_are_told(arguments):
    done = fuzz(*arguments)
    assert done.returncode == 2
    assert "Error: " in done.stderr
