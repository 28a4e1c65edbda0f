"""Options that say how files are to be read."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from fastloss.tables import Options

R = TypeVar("R")

SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}


def _separator(context: Any, option: Any, given: str | None) -> str | None:
    if given is None:
        return None
    found = SEPARATORS.get(given, given)
    if len(found) != 1 or not found.isascii() or found in '\r\n"':
        raise click.BadParameter(f"{given!r} is not a character that can stand between columns")
    return found


def _encoding(context: Any, option: Any, given: str | None) -> str | None:
    try:
        return given and codecs.lookup(given).name
    except LookupError:
        raise click.BadParameter(f"{given!r} is not an encoding that Python knows") from None


def reading_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options for files of text; it takes them as ``options``."""

    @click.option(
        "--sep",
        metavar="CHAR",
        callback=_separator,
        help="What is between columns of text, as ';' or tab.  [default: what the first rows show]",
    )
    @click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        help="The decimal point of text.  [default: what the first rows show]",
    )
    @click.option(
        "--encoding",
        metavar="NAME",
        callback=_encoding,
        help="The encoding of text, as latin-1.  [default: UTF-8, or what its first bytes say]",
    )
    @wraps(command)
    def wrapped(
        *args: Any, sep: str | None, decimal: str | None, encoding: str | None, **rest: Any
    ) -> R:
        return command(*args, options=Options(sep, decimal, encoding), **rest)

    return wrapped
