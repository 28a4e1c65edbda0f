"""Plugin of pytest: leaves out tests that name a word which they are to do without.

A test names what its function, the functions of tests that this one calls, its fixtures and its
parameters name: modules and what is from them, other names, and words of texts, such as programs
for a Python of their own. So nobody keeps a list of tests.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without", action="append", default=[], metavar="WORD")
    parser.addoption("--left-out", metavar="FILE", help="to list these tests in")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    words = {*config.getoption("without")}
    left_out = [item for item in items if words & words_of(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    if (file := config.getoption("left_out")) is not None:
        Path(file).write_text("".join(f"{item.nodeid}\n" for item in left_out))


def words_of(item: Any) -> set[str]:
    """All that a test names."""
    words = set().union(*map(words_from, (item.function, *fixtures_of(item))))
    for value in item.callspec.params.values() if hasattr(item, "callspec") else ():
        words |= words_from(value) if isinstance(value, FunctionType) else word(value)
    return words


@cache
def words_from(function: FunctionType) -> set[str]:
    """What a function names, and those that it calls."""
    todo: list[Any] = [function]
    words: set[str] = set()
    seen: set[FunctionType] = set()
    while todo:
        value = todo.pop()
        words |= word(value)
        if isinstance(value, FunctionType) and value not in seen:
            seen.add(value)
            todo += named_by(value)
    return words


def word(value: Any) -> set[str]:
    """The words of a text; of all else, the module or package that it is, or is from."""
    if isinstance(value, str):
        return {*re.findall(r"\w+", value)}
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return {name.partition(".")[0]} if isinstance(name, str) else set()


def fixtures_of(item: Any) -> Iterator[Any]:
    """The fixtures that a test asks for, and those that they ask for."""
    names, seen = [*item._fixtureinfo.argnames], set()
    while names:
        name = names.pop()
        for fixture in item._fixtureinfo.name2fixturedefs.get(name, ()):
            yield fixture.func
            names += {*fixture.argnames} - seen
        seen.add(name)


def named_by(function: FunctionType) -> Iterator[Any]:
    """Names and texts of a function of the tests, and what its module has by these names."""
    if hasattr(function, "hypothesis"):
        yield "hypothesis"
        yield function.hypothesis.inner_test
    if "tests" not in Path(function.__code__.co_filename).parts:
        return
    for code in codes_in(function.__code__):
        yield from (text for text in texts_in(code.co_consts) if text != function.__doc__)
        for name in code.co_names:
            yield name
            value = function.__globals__.get(name)
            yield inspect.unwrap(value) if callable(value) else value


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """A code, and those of the functions and comprehensions in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from codes_in(part)


def texts_in(constants: tuple[Any, ...]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from texts_in(constant)
