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

MODULES = ["fastloss", *(f"fastloss.{m.name}" for m in pkgutil.iter_modules(fl.__path__))]
MODULES += [f"fastloss.optim.{m.name}" for m in pkgutil.iter_modules(fl.optim.__path__)]
PYTHON = [name for name in MODULES if "._" not in name]


@pytest.mark.parametrize("name", PYTHON)
def test_the_examples_of_a_module(name):
    threads = fl.get_num_threads()
    try:
        result = doctest.testmod(importlib.import_module(name))
    finally:
        fl.set_num_threads(threads)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [finder.find(importlib.import_module(name)) for name in PYTHON]
    assert sum(bool(test.examples) for tests in found for test in tests) > len(fl.loss_names())


README = Path(__file__).parents[1] / "README.md"


def test_the_python_of_the_readme():
    threads = fl.get_num_threads()
    try:
        result = doctest.testfile(str(README), module_relative=False)
    finally:
        fl.set_num_threads(threads)
    assert result.attempted > 15
    assert result.failed == 0


def commands():
    """What the README types at a shell, and what it shows as the answer."""
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.S):
        first, _, answer = block.partition("\n")
        yield first.removeprefix("$ "), answer.rstrip()


def test_the_command_line_of_the_readme(monkeypatch):
    monkeypatch.chdir(README.parent)
    monkeypatch.setenv("COLUMNS", "80")
    shown = 0
    for command, answer in commands():
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
