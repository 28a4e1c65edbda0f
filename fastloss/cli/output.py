"""The file that a command writes, which is none of those that it reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastloss.cli.errors import Failure


def check_out(option: str, out: Path, files: Iterable[str]) -> None:
    """An error for what can be known to fail before hours of work."""
    real = os.path.realpath(out)
    if os.path.isdir(real):
        raise Failure(f"{option} {out}: this is a directory")
    if any(real == os.path.realpath(file) for file in files):
        raise Failure(f"{option} {out}: this is one of the files to read")
    if not os.path.isdir(os.path.dirname(real)):
        raise Failure(f"{option} {out}: no such file or directory")


@contextmanager
def told(option: str, out: Path) -> Iterator[None]:
    """What goes wrong in writing is told with the option and the name of the file."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{option} {out}: {(error.strerror or str(error)).lower()}") from error
