"""How many threads the computations use."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastloss import _core


def set_num_threads(n: int) -> None:
    """Set the number of threads that large arrays are processed with.

    Small arrays are processed by the calling thread alone. So are large ones, or by fewer threads,
    for as long as others keep the CPUs busy: threads would wait for the last of them. Results have
    the same bits for every number of threads. At import the number is the smallest of
    ``OMP_NUM_THREADS``, the CPUs that the process may run on, and the CPU quota of its control
    group.

    Parameters
    ----------
    n : int
        At least 1; more than there are CPUs is allowed.

    Examples
    --------
    >>> import fastloss as fl
    >>> before = fl.get_num_threads()
    >>> fl.set_num_threads(2)
    >>> fl.get_num_threads()
    2
    >>> fl.set_num_threads(before)
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n must be an integer; got {n!r}")
    if not 1 <= n <= 1024:
        raise ValueError(f"n must be from 1 to 1024; got {n}")
    _core.configure(threads=int(n))


def get_num_threads() -> int:
    """Return the number of threads that large arrays are processed with at most."""
    return _core.get_thread_count()


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Set the number of threads for a ``with`` block.

    The number is that of the process: other Python threads see it too. Of blocks that overlap in
    several threads the last one entered rules, and when all are left the number is that of before
    the first.

    Examples
    --------
    >>> import fastloss as fl
    >>> with fl.num_threads(1):
    ...     fl.get_num_threads()
    1
    """
    block = _Block()
    with _lock:
        block.before = get_num_threads()
        set_num_threads(n)
        _blocks.append(block)
    try:
        yield
    finally:
        with _lock:
            block.leave()


class _Block:
    """A ``with`` block of `num_threads` that was entered and not left."""

    before: int  # the number to go back to

    def leave(self) -> None:
        place = _blocks.index(self)
        del _blocks[place]
        if place == len(_blocks):
            set_num_threads(self.before)
        else:  # the block entered next goes back to what this one would have
            _blocks[place].before = self.before


_blocks: list[_Block] = []  # in the order in which they were entered
_lock = threading.RLock()


def forget_other_threads() -> None:
    """In a forked child: its parent's other threads, and what they held, are not there."""
    global _lock
    _lock = threading.RLock()
    _core.stay_serial()


def was_forked() -> bool:
    """Whether this process is a fork that has not run exec since (told by Linux alone).

    Its parent may have used the OpenMP runtime before fastloss was imported.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return bool(int(fields[6]) & 0x40)  # PF_FORKNOEXEC


def default_threads() -> int:
    """The smallest of OMP_NUM_THREADS, CPU affinity and the control group's quota."""
    if hasattr(os, "sched_getaffinity"):
        limits = [len(os.sched_getaffinity(0))]
    else:
        limits = [os.cpu_count() or 1]
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        limits.append(int(asked))
    quota = cgroup_cpus()
    if quota is not None:
        limits.append(max(1, math.ceil(quota)))
    return min(limits)


def cgroup_cpus(root: Path = Path("/")) -> float | None:
    """CPUs that the control group of this process may use, or None if they are not limited."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            quotas += _quotas(root / "sys/fs/cgroup", path, _read_v2)
        elif "cpu" in controllers.split(","):
            quotas += _quotas(root / "sys/fs/cgroup" / controllers, path, _read_v1)
            quotas += _quotas(root / "sys/fs/cgroup/cpu", path, _read_v1)
    return min(quotas, default=None)


def _quotas(mount: Path, path: str, read: Callable[[Path], float | None]) -> list[float]:
    """Quotas of a group and of all above it; each limits what is below."""
    folder = mount / path.lstrip("/")
    found = []
    while True:
        try:
            quota = read(folder)
        except (OSError, ValueError):
            quota = None
        if quota is not None:
            found.append(quota)
        if folder == mount or mount not in folder.parents:
            return found
        folder = folder.parent


def _read_v2(folder: Path) -> float | None:
    quota, period = (folder / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _read_v1(folder: Path) -> float | None:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return None if quota < 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
