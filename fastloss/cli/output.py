"""Where a command writes: a file that is none of those that it reads, and standard output."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastloss.cli.errors import Failure


def check_out(option: str, out: Path, files: Iterable[str]) -> None:
    """An error for what can be known to fail before hours of work."""
    real = os.path.realpath(out)
    if os.path.isdir(real):
        raise Failure(f"{option} {out}: this is a directory")
    with told(option, out):
        _check_writable(real)
    if any(real == os.path.realpath(file) for file in files):
        raise Failure(f"{option} {out}: this is one of the files to read")


def _check_writable(path: str) -> None:
    """The error that the system would have for who writes a file and renames it to a path."""
    with suppress(FileNotFoundError):
        os.stat(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def told(option: str, out: Path) -> Iterator[None]:
    """What goes wrong in writing is told with the option and the name of the file."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{option} {out}: {reason(error)}") from error


@contextmanager
def printing() -> Iterator[None]:
    """What goes wrong in printing is told as such; a reader who left is no error of ours."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        leave_stdout()
        raise Failure(f"standard output: {reason(error)}") from error


def leave_stdout() -> None:
    """Let what is yet to be flushed go nowhere: Python would complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reason(error: OSError) -> str:
    """What the system says of an error."""
    return (error.strerror or str(error)).lower()
