"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write, which takes the name ``path`` once it is complete and on the disk.

    Whoever opens ``path``, even after a crash at any moment, finds what was there before or all
    that was written, and after an error nothing else is left. A symbolic link is followed. The mode
    is that of the file replaced, or of any new file.
    """
    if not os.fspath(path):
        raise FileNotFoundError(errno.ENOENT, "The name of the file is empty", os.fspath(path))
    target = os.path.realpath(path)
    mode = _mode(path)
    partial = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.partial")
    try:
        with _new(partial, path) as file:
            if mode is not None:
                os.chmod(partial, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
    _sync_folder(os.path.dirname(target))


def _new(partial: str, path: str | os.PathLike[str]) -> BinaryIO:
    """A new file; an error tells of the path that was asked for."""
    try:
        return open(partial, "xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None


def _mode(path: str | os.PathLike[str]) -> int | None:
    """The permissions of the file that is there, or None; an error if it is no ordinary file."""
    try:
        found = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "Not an ordinary file", os.fspath(path))
    return stat.S_IMODE(found)


def _sync_folder(folder: str) -> None:
    """Bring a folder's names to the disk, where the system can."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that can be written and not read cannot be synced
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
