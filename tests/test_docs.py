"""The examples in the documentation run and give what they say."""

import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fastloss as fl

FOUND = pkgutil.walk_packages(fl.__path__, "fastloss.")
# pages, and modules, that need the library
BRIDGES = ("torch", "lightgbm", "xgboost", "catboost", "polars", "dask")
# what tests/bridges runs, on what it starts
SESSIONS = ("spark", "ray")
ELSEWHERE = ("._kernels", *(f"fastloss.{name}" for name in SESSIONS))
NAMES = [module.name for module in FOUND]
DOCUMENTED = ["fastloss", *(name for name in NAMES if not any(x in name for x in ELSEWHERE))]


def bridge_of(name):
    """The part of the package that a module is in."""
    return name.split(".")[1] if "." in name else None


def needs(bridge):
    """Skip a test whose examples need a library that is not there."""
    if bridge in BRIDGES:
        pytest.importorskip(bridge, reason=f"fastloss.{bridge} needs it")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_examples_of_a_module(name):
    needs(bridge_of(name))
    threads = fl.get_num_threads()
    try:
        result = doctest.testmod(importlib.import_module(name))
    finally:
        fl.set_num_threads(threads)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    own = [name for name in DOCUMENTED if bridge_of(name) not in BRIDGES + SESSIONS]
    found = [finder.find(importlib.import_module(name)) for name in own]
    assert sum(bool(test.examples) for tests in found for test in tests) > len(fl.loss_names())


README = Path(__file__).parents[1] / "README.md"
PAGES = [README, *sorted(README.parent.glob("docs/*.md"))]
WITH_PYTHON = [p for p in PAGES if ">>>" in p.read_text() and p.stem not in SESSIONS]


def test_which_pages_have_examples():
    assert {"README.md", "optimizers.md"} <= {page.name for page in WITH_PYTHON}


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_python_of_a_page(page):
    needs(page.stem)
    threads = fl.get_num_threads()
    try:
        result = doctest.testfile(str(page), module_relative=False)
    finally:
        fl.set_num_threads(threads)
    assert result.attempted == page.read_text().count(">>> ")
    assert result.failed == 0


def commands(page):
    """What a page types at a shell, and what it shows as the answer."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.S):
        first, _, answer = block.partition("\n")
        yield first.removeprefix("$ "), answer.rstrip()


def test_the_command_line_of_the_readme(monkeypatch, tmp_path):
    (tmp_path / "examples").symlink_to(README.parent / "examples")
    monkeypatch.chdir(tmp_path)  # where files are written
    monkeypatch.setenv("COLUMNS", "80")
    shown = 0
    for command, answer in commands(README):
        command = command.rpartition("&&")[2].strip()
        if not command.startswith("fastloss"):
            continue
        argv = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        lines = [line.rstrip() for line in done.stdout.splitlines()]
        if answer:
            assert lines == answer.splitlines()
            shown += 1
    assert shown == 1


def alike(found, shown):
    """Whether two lines say the same, numbers to four digits; of seconds that there are some."""
    found, shown = found.split(), shown.split()
    if found[:1] == shown[:1] == ["seconds"]:
        return True
    return len(found) == len(shown) and all(
        a == b or (re.fullmatch(r"-?\d+\.\d+", b) and float(a) == pytest.approx(float(b), rel=1e-4))
        for a, b in zip(found, shown, strict=True)
    )


def test_models_on_the_command_line(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    shown = 0
    for command, answer in commands(README.parent / "docs" / "cli.md"):
        program, *arguments = shlex.split(command)
        start = [sys.executable] if program == "python" else [sys.executable, "-m", program]
        done = subprocess.run([*start, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.rstrip().splitlines()
        assert len(lines) == len(answer.splitlines()) and all(
            map(alike, lines, answer.splitlines())
        )
        shown += 1
    assert shown == 7
