#!/usr/bin/env python
"""Run the tests of kernels on every instruction set of this machine, and on older processors.

    tools/instruction_sets.py

A run of pytest for each set, forced by FASTLOSS_ISA. Then processors that this machine is not,
which QEMU plays (Debian: qemu-user): there fastloss has to choose its set by itself, and every loss
has to give the bits that the same set gives here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import click
import numpy as np
from record import ROOT, record

import fastloss as fl
from fastloss import _core
from fastloss.losses.base import pointwise_names

TESTS = ["tests/core", "tests/losses", "tests/optim", "tests/scoring"]
OLDER = {"Nehalem": "baseline", "Haswell": "avx2"}  # QEMU's processors, and the set that each has


def tested(isa: str) -> dict[str, float]:
    """How many tests of kernels pass, fail and are skipped on an instruction set."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile"]
            + [f"--junit-xml={report}", "--deselect=tests/losses/test_rows_isa.py", *TESTS],
            cwd=ROOT,
            env=os.environ | {"FASTLOSS_ISA": isa},
        )
        suite = next(ElementTree.parse(report).iter("testsuite")).attrib
    counts = {name: int(suite[name]) for name in ("failures", "errors", "skipped")}
    passed = int(suite["tests"]) - sum(counts.values())
    return {"passed": passed, **counts, "seconds": round(time.monotonic() - began)}


def inputs() -> dict[str, np.ndarray]:
    """Targets and predictions of all magnitudes for every pointwise loss, in both dtypes.

    Made here for all processors: NumPy's own functions have other bits on others.
    """
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from samples import anywhere, defaults

    found = {}
    for loss in defaults():
        for dtype in (np.float32, np.float64):
            rng = np.random.default_rng(0)
            both = [anywhere(d, dtype, 40, rng) for d in (loss.y_domain, loss.z_domain)]
            n = min(x.size for x in both)
            found[f"{loss.name} {dtype.__name__}"] = np.stack(
                [rng.permutation(x)[:n] for x in both]
            )
    return found


def digest(file: Path) -> str:
    """A hash of what every pointwise loss gives for the inputs in a file."""
    found = hashlib.sha256()
    for name, (y, z) in np.load(file).items():
        loss = fl.get_loss(name.split()[0])
        found.update(loss(y, z, reduction="none"))
        for array in loss.grad_and_hess(y, z, reduction="none"):
            found.update(array)
    return found.hexdigest()


def digest_on(file: Path, command: list[str], **environment: str) -> list[str]:
    """The instruction set that a Python chose, and its digest."""
    done = subprocess.run(
        [*command, os.path.realpath(sys.executable), __file__, "--digest", file],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout.split()


def emulated(cpu: str, isa: str) -> bool:
    """Whether an older processor chooses this set, and has its bits."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "inputs.npz")
        np.savez(file, **inputs())
        here = digest_on(file, [], FASTLOSS_ISA=isa)
        return digest_on(file, ["qemu-x86_64", "-cpu", cpu]) == here


@click.command(help=__doc__)
@click.option("--digest", "file", type=click.Path(path_type=Path), hidden=True)
def main(file: Path | None) -> None:
    if file is not None:
        print(_core.isa, digest(file))
        return
    if not shutil.which("qemu-x86_64"):
        raise click.ClickException("qemu-x86_64 is not here; Debian's package is qemu-user")
    sets = {isa: tested(isa) for isa in _core.available_isas()}
    older = {cpu: emulated(cpu, isa) for cpu, isa in OLDER.items()}
    wrong = any(n["failures"] + n["errors"] + n["skipped"] for n in sets.values())
    wrong |= not all(older.values())
    passed = ", ".join(f"{isa} {n['passed']:,}" for isa, n in sets.items())
    record(
        "instruction_sets",
        "The kernels are right on every instruction set of x86-64",
        "tools/instruction_sets.py",
        f"tests passed: {passed}; {len(pointwise_names())} losses, "
        f"{'the same' if all(older.values()) else 'OTHER'} bits on emulated {' and '.join(older)}",
        version=fl.__version__,
        compiler=_core.compiler,
        sets=sets,
        emulated=older,
    )
    sys.exit(wrong)


if __name__ == "__main__":
    main()
