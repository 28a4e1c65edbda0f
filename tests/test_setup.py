"""What setup.py compiles, and what it takes from before."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from isa import EVERY

ROOT = Path(__file__).parents[1]
CYTHON = "# cython: language_level=3, freethreading_compatible=True\n"
CORE = CYTHON + 'include "core/part.pxi"\ncdef extern from "kernels/both.h":\n    int ANSWER\n'
KERNELS = CYTHON + 'include "kernels/part.pxi"\nname = __name__\n'


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small tree with the real setup.py, whose extensions have been compiled."""
    for needed in ("Cython", "setuptools"):
        pytest.importorskip(needed, reason=f"setup.py needs {needed}")
    if shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None:
        pytest.skip("needs the C compiler of this Python")
    tree = tmp_path_factory.mktemp("built")
    shutil.copy(ROOT / "setup.py", tree)
    files = {path: path.read_text() for path in (ROOT / "src" / "kernels").glob("*.c")}
    files = {path.relative_to(ROOT): text for path, text in files.items()} | {
        "src/_core.pyx": CORE,
        "src/_kernels.pyx": KERNELS,
        "src/core/part.pxi": "answer = 1\n",
        "src/kernels/part.pxi": "answer = 2\n",
        "src/kernels/both.h": "#define ANSWER 3\n",
        "src/kernel_table.pxd": "",
        "fastloss/__init__.py": "",
        "fastloss/include/kernels/vecmath.h": "",
    }
    for path, text in files.items():
        tree.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        tree.joinpath(path).write_text(text)
    compiled = build(tree)
    assert "_core" in compiled and len(compiled) > 1
    return tree


@pytest.fixture
def tree(built, tmp_path):
    """A copy of it, where all is older than what was compiled: times are to tell nothing."""
    tree = shutil.copytree(built, tmp_path / "tree")
    for path in tree.rglob("*"):
        os.utime(path, (0, 0))
    return tree


def build(tree, **environment):
    """The names of those extensions that a build compiles; all are in their places afterwards."""
    for path in tree.glob("fastloss/_[ck]*"):
        path.unlink()
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tree,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    there = {path.name.partition(".")[0] for path in tree.glob("fastloss/_[ck]*")}
    taken = {
        line.split()[1].removeprefix("fastloss.")
        for line in done.stderr.splitlines()
        if line.endswith("is as it was compiled before")
    }
    assert taken <= there
    return there - taken


KERNEL_NAMES = {f"_kernels_{path.stem}" for path in (ROOT / "src" / "kernels").glob("*.c")}


def test_nothing_is_compiled_twice(tree):
    assert build(tree) == set()


@pytest.mark.parametrize(
    ("file", "core", "kernels"),
    [
        ("src/core/part.pxi", True, False),
        ("src/kernels/part.pxi", False, True),
        ("src/kernels/both.h", True, True),
    ],
)
def test_what_has_changed_is_compiled(file, core, kernels, tree):
    path = tree / file
    path.write_text(path.read_text() + ("/* new */\n" if path.suffix == ".h" else "# new\n"))
    os.utime(path, (0, 0))
    compiled = build(tree)
    assert ("_core" in compiled, bool(compiled & KERNEL_NAMES)) == (core, kernels)


def test_other_flags_compile_all(tree):
    compiled = build(tree, CFLAGS="-DOTHER")
    assert "_core" in compiled and compiled & KERNEL_NAMES
    assert build(tree, CFLAGS="-DOTHER") == set()


def test_what_is_damaged_is_compiled(tree):
    (kept,) = tree.glob("build/kept/_core*[!y]")
    kept.write_bytes(kept.read_bytes()[:-1])
    assert build(tree) == {"_core"}


def test_each_instruction_set_is_a_module_of_its_own(built):
    names = [f"_kernels_{isa}" for isa in EVERY]
    code = f"from fastloss import {', '.join(names)}\n"
    code += f"print({', '.join(f'{name}.name' for name in names)})"
    done = subprocess.run([sys.executable, "-c", code], cwd=built, capture_output=True, text=True)
    assert done.stdout.split() == [f"fastloss.{name}" for name in names], done.stderr


def test_every_source_belongs_to_an_extension():
    """setup.py names them by patterns, which forget what lies in a folder of its own."""
    source = ROOT / "src"
    there = {path for path in source.rglob("*") if path.is_file()} - {*source.glob("*.c")}
    known = {source / name for name in ("_core.pyx", "_kernels.pyx", "kernel_table.pxd")}
    assert there == known | {*source.glob("core/*"), *source.glob("kernels/*")}
