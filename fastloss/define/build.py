"""Compiling a loss to a library, once: it is kept under a name that follows from its content."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fastloss._core import isa
from fastloss.version import __version__

HERE = Path(__file__).parent
HEADERS = (HERE / "loops.h", HERE.parent / "include" / "kernels" / "vecmath.h")
# as setup.py has them
FLAGS = (
    "-O3 -std=c11 -fno-math-errno -fno-trapping-math -fvisibility=hidden -fopenmp-simd -w"
).split()
INSTRUCTIONS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512".split(),
}
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
POINTERS = 16  # of fl_loss
ABANDONED = 3600.0  # seconds after which nobody is still compiling in a folder


class CompileError(RuntimeError):
    """There is no C compiler, or it failed: what it said."""


def cache_folder() -> Path:
    """Where compiled losses are kept: ``FASTLOSS_CACHE``, or a folder among the user's caches."""
    if asked := os.environ.get("FASTLOSS_CACHE"):
        return Path(asked).absolute()  # as the loader takes other names for those of the system
    try:
        home = Path.home()
    except RuntimeError as error:
        raise OSError(f"{error} Set FASTLOSS_CACHE to a folder for compiled losses") from None
    if sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        caches = home / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return caches / "fastloss"


def load(source: str) -> tuple[ctypes.CDLL, list[int]]:
    """The library of a source, compiled unless it was before, and its functions' addresses.

    What others than this user and root could have written is not loaded.
    """
    key, folder = _key(source), cache_folder()
    with suppress(OSError):  # one that is there may be read, and what cannot be made is told later
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if danger := _danger(folder):
        warnings.warn(
            f"{folder} {danger}, who could put code there that would run as you: losses are "
            "compiled anew in each process. Set FASTLOSS_CACHE to a folder of your own, which "
            "others cannot write to",
            stacklevel=2,
        )
        with tempfile.TemporaryDirectory(prefix="fastloss-") as own:
            return _open(_compile(source, key, Path(own)))
    for path in _kept(folder, key):
        with suppress(OSError):  # it has just gone, or is another machine's
            if path.stem.rpartition("-")[2] == _digest(path.read_bytes()):  # else it is damaged
                return _open(path)
    return _open(_compile(source, key, folder))


def _key(source: str) -> str:
    """Of all that decides what is compiled, but for the compiler."""
    what = [source, _headers(), isa, __version__, platform.machine(), sys.platform]
    return _digest("\0".join(what).encode())


@functools.cache
def _headers() -> str:
    return "\0".join(path.read_text() for path in HEADERS)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _kept(folder: Path, key: str) -> list[Path]:
    return [path for path in sorted(folder.glob(f"{key}-*{SUFFIX}")) if not _danger(path)]


def _danger(path: Path) -> str | None:
    """How others than this user and root can change a file, or what is in a folder; or None."""
    if os.name != "posix":
        return None
    try:
        found = path.stat()
    except OSError:
        return None  # whoever opens it will see
    if found.st_uid not in (0, os.geteuid()):
        return "belongs to another user"
    by_group = found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid)
    if by_group or found.st_mode & stat.S_IWOTH:
        return "can be written by other users"
    return None


def _is_own_group(number: int) -> bool:
    """Whether it is the group of this user alone, as many systems give one to each."""
    import grp
    import pwd

    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and {*group.gr_mem} <= {user.pw_name}


def _open(path: Path) -> tuple[ctypes.CDLL, list[int]]:
    library = ctypes.CDLL(str(path))
    table = (ctypes.c_void_p * POINTERS).in_dll(library, "fl_loss")
    return library, [int(address or 0) for address in table]


def _compile(source: str, key: str, folder: Path) -> Path:
    """Compile in a folder beside the others', and move what came out to its name."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _tidy(folder)
        with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as work:
            text, made = Path(work, "loss.c"), Path(work, f"loss{SUFFIX}")
            text.write_text(source)
            _run(text, made)
            made.chmod(made.stat().st_mode & ~(stat.S_IWGRP | stat.S_IWOTH))
            path = folder / f"{key}-{_digest(made.read_bytes())}{SUFFIX}"
            os.replace(made, path)
    except OSError as error:
        raise OSError(
            f"a compiled loss cannot be kept in {folder}: {error.strerror or error}; set "
            "FASTLOSS_CACHE to a folder that can be written"
        ) from error
    return path


def _tidy(folder: Path) -> None:
    """Remove what processes that were killed while they compiled have left."""
    for left in folder.glob("build-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left)


def _run(text: Path, made: Path) -> None:
    command = compiler()
    include = [f"-I{HERE}", f"-I{HERE.parent / 'include'}"]
    position = [] if sys.platform == "win32" else ["-fPIC"]
    arguments = [*FLAGS, *INSTRUCTIONS[isa], "-shared", *position, *include, str(text)]
    arguments += ["-o", str(made)] + ([] if sys.platform == "win32" else ["-lm"])
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise CompileError(f"the C compiler {shlex.join(command)} cannot run: {error}") from error
    if done.returncode or not made.exists():
        said = (done.stderr or done.stdout).strip()[-2000:] or f"exit status {done.returncode}"
        raise CompileError(f"the C compiler {shlex.join(command)} failed:\n{said}")


def compiler() -> Sequence[str]:
    """The command of the C compiler: that of ``CC``, of the system, or of the package ziglang."""
    if asked := shlex.split(os.environ.get("CC", "")):
        return asked
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang") is not None:
        # else for this very processor where no set is asked for, but others may share the folder
        return [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]
    raise CompileError(
        "a loss of one's own needs a C compiler, and there is none: no cc, gcc or clang on PATH. "
        "pip install 'fastloss[define]' brings one"
    )
