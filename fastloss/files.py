"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from typing import Any, BinaryIO, TypeAlias

Path: TypeAlias = str | os.PathLike[str]


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the name ``path`` once it is complete and on the disk.

    Whoever opens ``path``, even after a crash at any moment, finds what was there before or all
    that was written, and after an error nothing else is left; a process that is killed leaves
    ``.<16 digits>.partial`` beside it. A symbolic link is followed. The mode is that of the file
    replaced, or of any new file; one that may not be written is not replaced.
    """
    if not os.fspath(path):
        raise FileNotFoundError(errno.ENOENT, "The name of the file is empty", os.fspath(path))
    target = os.path.realpath(path)
    mode = _mode(path)
    partial = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.partial")
    try:
        with BufferedWriter(_Partial(partial, mode, path)) as file:
            if mode is not None:
                os.chmod(partial, mode)
            yield file
            file.flush()
            try:
                os.fsync(file.fileno())
            except OSError as error:
                raise _of(path, error) from None
        os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
    _sync_folder(os.path.dirname(target))


class _Partial(FileIO):
    """A new file, whose errors tell of the path that was asked for."""

    def __init__(self, partial: str, mode: int | None, path: Path) -> None:
        self._path = path
        # until it has the mode of the file replaced, nobody else is to open it
        given = 0o666 if mode is None else 0o600
        try:
            super().__init__(partial, "x", opener=lambda name, flags: os.open(name, flags, given))
        except OSError as error:
            raise _of(path, error) from None

    def write(self, content: Any, /) -> Any:
        try:
            return super().write(content)
        except OSError as error:
            raise _of(self._path, error) from None


def _of(path: Path, error: OSError) -> OSError:
    """An error of the system's, as one of a path."""
    return type(error)(error.errno, error.strerror or str(error), os.fspath(path))


def _mode(path: Path) -> int | None:
    """The permissions of the file that is there, or None; an error if it is no ordinary file, or
    one that may not be written."""
    try:
        found = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "Not an ordinary file", os.fspath(path))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
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
