"""Children of a process that has imported everything, which tell what they do by a pipe."""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RECORD = struct.Struct("<cd")  # what happened, and when

STARTED = b"s"
OPENED = b"b"  # a file that will take another's name, or a folder to compile in, is being made
RENAMED = b"r"  # and is about to take the name
ENDED = b"e"


@dataclass
class Child:
    """A process that runs a function."""

    pid: int
    pipe: int

    def next(self) -> tuple[bytes, float] | None:
        """What it tells next, or None if it has nothing more to tell."""
        found = os.read(self.pipe, RECORD.size)
        return RECORD.unpack(found) if len(found) == RECORD.size else None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def told(self) -> list[tuple[bytes, float]]:
        """What else it told; it has ended then."""
        found = []
        while (record := self.next()) is not None:
            found.append(record)
        os.close(self.pipe)
        return found

    def wait(self) -> int:
        """Its exit status; processes that it started are ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return status


def start(task: Callable[[], Any], stays: bool = False) -> Child:
    """Run a function in a child, which then ends, or stays until it is killed.

    Its standard output goes nowhere. A result other than None and 0 is an error.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    status = 1
    try:
        os.setpgid(0, 0)
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _work(task, lambda what: os.write(writing, RECORD.pack(what, time.monotonic())))
        while stays:
            signal.pause()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _work(task: Callable[[], Any], tell: Callable[[bytes], Any]) -> None:
    tell(STARTED)
    time.sleep(0.005)  # so that some are killed before they write

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "tempfile.mkdtemp"):
            name = os.path.basename(str(arguments[0]))
            if name.endswith(".partial") or name.startswith("build-"):
                tell(OPENED)
        elif event == "os.rename":
            tell(RENAMED)

    sys.addaudithook(heard)
    if (result := task()) not in (None, 0):
        raise RuntimeError(f"it ended with {result}")
    tell(ENDED)


def run(task: Callable[[], Any]) -> dict[bytes, float]:
    """Run a function in a child to its end: when what happened first, or of renaming last."""
    child = start(task)
    told = child.told()
    if child.wait() != 0:
        raise RuntimeError("a process that nobody killed failed")
    return dict([*told[::-1], *((what, when) for what, when in told if what == RENAMED)])
