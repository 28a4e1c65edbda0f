"""The examples in the documentation run and give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import fastloss as fl

MODULES = ["fastloss", *(f"fastloss.{m.name}" for m in pkgutil.iter_modules(fl.__path__))]
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
