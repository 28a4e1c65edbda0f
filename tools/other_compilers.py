#!/usr/bin/env python
"""Compile fastloss's C for systems and processors that are not here.

    tools/other_compilers.py [--folder FOLDER]

The C files of each system are compiled, not linked, by clang, which the package ziglang has for all
of them with their headers. NumPy's headers are those of its wheel for the system, from PyPI.
Python's are those of the Python that runs this: on Windows with a pyconfig.h that has the sizes and
names of that system, on macOS with what its own headers put right for its processors. OpenMP's are
Debian's (libomp-dev). A loss that a formula defines is compiled and linked with the flags of
fastloss.define. MSVC is not tried: there is none here.

What it makes is in FOLDER, a temporary one if none is named. A warning about one of fastloss's own
lines is an error. Warnings about what Cython makes are counted.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import click
from c_files import CFile, c_files
from record import record

from fastloss.define import build
from fastloss.define.formulas import Graph
from fastloss.define.source import c_source

JOBS = 2
ZIG = [sys.executable, "-m", "ziglang"]
# Code is not looked at: what can be wrong is wrong without optimisation, and without the bodies of
# losses in each of their loops.
FLAGS = ["-c", "-O0", "-UCYTHON_INLINE", "-Wall", "-Wshorten-64-to-32", "-Wno-unused-function"]
FLAGS += ["-Wno-bitwise-conditional-parentheses"]  # & for && is the rule in kernels


@dataclass(frozen=True)
class Target:
    name: str  # of zig
    platform: str  # of Python
    wheels: tuple[str, ...]  # platforms of NumPy's wheel
    openmp: int = 0  # which of setup.py's flags

    @property
    def machine(self) -> str:
        return self.name.partition("-")[0]


TARGETS = [
    Target("aarch64-linux-gnu", "linux", ("manylinux_2_27_aarch64", "manylinux_2_28_aarch64")),
    Target("x86_64-linux-musl", "linux", ("musllinux_1_2_x86_64",)),
    Target("x86_64-macos", "darwin", ("macosx_14_0_x86_64",), openmp=1),
    Target("aarch64-macos", "darwin", ("macosx_14_0_arm64",), openmp=1),
    Target("x86_64-windows-gnu", "win32", ("win_amd64",)),
    Target("aarch64-windows-gnu", "win32", ("win_arm64",)),
]

# What the headers of Python and NumPy, and C that Cython makes, ask of Windows.
WINDOWS = """\
#define MS_WINDOWS
#define MS_WIN32
#define MS_WIN64
#define NT_THREADS
#define HAVE_DECLSPEC_DLL
#define Py_ENABLE_SHARED 1
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_VOID_P 8
#define SIZEOF_TIME_T 8
#define SIZEOF_OFF_T 4
#define SIZEOF_PID_T 4
#define SIZEOF_WCHAR_T 2
#define SIZEOF_FLOAT 4
#define SIZEOF_DOUBLE 8
#define HAVE_STDDEF_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_WCHAR_H 1
#define HAVE_HYPOT 1
"""


# ---- headers -----------------------------------------------------------------------------------


def numpy_headers(target: Target, folder: Path) -> Path:
    """The headers of NumPy's wheel for a system."""
    kept = folder / "wheels" / target.name
    if not [*kept.glob("numpy-*.whl")]:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "numpy"]
        command += ["--only-binary=:all:", f"--dest={kept}"]
        command += [f"--platform={name}" for name in target.wheels]
        if subprocess.run(command).returncode:
            raise click.ClickException(f"pip found no wheel of NumPy for {target.name}")
    to = folder / "numpy" / target.name
    with zipfile.ZipFile(next(kept.glob("numpy-*.whl"))) as wheel:
        wheel.extractall(to, [n for n in wheel.namelist() if n.startswith("numpy/_core/include/")])
    return to / "numpy/_core/include"


def python_headers(target: Target, folder: Path) -> Path:
    """The headers of this Python; for Windows with another pyconfig.h."""
    to = folder / "python" / target.platform
    shutil.copytree(sysconfig.get_path("include"), to, dirs_exist_ok=True)
    if target.platform == "win32":
        (to / "pyconfig.h").write_text(f"#pragma once\n{WINDOWS}")
    return to


def openmp_headers(folder: Path) -> Path:
    found = sorted(Path("/usr/lib").glob("llvm-*/lib/clang/*/include/omp.h"))
    if not found:
        raise click.ClickException("omp.h of clang is not here; Debian's package is libomp-dev")
    to = folder / "openmp"  # alone: beside it are headers of another clang
    to.mkdir(parents=True, exist_ok=True)
    shutil.copy(found[-1], to)
    return to


# ---- compilation -------------------------------------------------------------------------------


def compiled(target: Target, file: CFile, headers: list[str], folder: Path) -> tuple[bool, str]:
    """Whether a file compiles, and what the compiler said."""
    folder.mkdir(parents=True, exist_ok=True)
    made = ["-o", str(folder / f"{file.module}.o"), str(file.source)]
    command = [*ZIG, "cc", "-target", target.name, *file.compile_flags, *headers, *FLAGS, *made]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0, done.stderr


WARNING = re.compile(r"^(.*?):\d+:\d+: (warning|error|fatal error): (.*?)(?: \[(-W[\w#-]+).*\])?$")


def sorted_out(said: str) -> tuple[list[str], Counter[str]]:
    """Lines about fastloss's own headers, and errors; how often Cython's C was warned of what."""
    own, generated = list[str](), Counter[str]()
    for line in said.splitlines():
        if match := WARNING.match(line):
            path, kind, _, flag = match.groups()
            ours = re.search(r"/(kernels|core)/\w+\.h$|/fastloss\.h$", path)
            if ours or kind != "warning":
                own.append(line)
            else:
                generated[flag or "other"] += 1
    return own, generated


def on(target: Target, folder: Path) -> dict[str, Any]:
    """What compiling everything for a target gave."""
    files = c_files(target.machine, folder / "c", numpy_headers(target, folder), target.openmp)
    headers = [f"-I{path}" for path in (python_headers(target, folder), openmp_headers(folder))]
    to = folder / "objects" / target.name
    began = time.monotonic()
    with ThreadPoolExecutor(JOBS) as pool:
        done = [*pool.map(lambda file: compiled(target, file, headers, to), files)]
    own, generated = list[str](), Counter[str]()
    for file, (good, said) in zip(files, done, strict=True):
        found, counts = sorted_out(said)
        own += found if good or found else [f"{file.module}: {said[-500:]}"]
        generated += counts
    for line in own:
        click.echo(f"{target.name}: {line}")
    return {
        "files": len(files),
        "compiled": sum(good for good, _ in done),
        "about_our_lines": len(own),
        "about_cythons": dict(sorted(generated.items())),
        "own_loss": own_loss(target, folder),
        "seconds": round(time.monotonic() - began),
    }


def own_loss(target: Target, folder: Path) -> bool:
    """Whether a loss that a formula defines becomes a library, by the flags of fastloss.define."""
    graph = Graph()
    value = graph.parse("exp(a*(z - y)) - a*(z - y) - 1", ("a",))
    grad = graph.derivative(value)
    text = folder / "objects" / target.name / "loss.c"
    text.write_text(c_source([value, grad, *[graph.derivative(grad)] * 2], ("a",)))
    with (
        mock.patch.object(build, "compiler", lambda: [*ZIG, "cc", "-target", target.name]),
        mock.patch.object(build, "isa", "baseline"),
        mock.patch.object(build, "sys", SimpleNamespace(platform=target.platform)),
    ):
        try:
            build._run(text, text.with_suffix(".library"))
        except build.CompileError as error:
            click.echo(f"{target.name}: {error}")
            return False
    return True


@click.command(help=__doc__)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where all of it is made."
)
def main(folder: Path | None) -> None:
    if importlib.util.find_spec("ziglang") is None:
        raise click.ClickException("ziglang is not here; pip install ziglang brings it")
    with tempfile.TemporaryDirectory() as temporary:
        place = (folder or Path(temporary)).absolute()
        found = {target.name: on(target, place) for target in TARGETS}
    count = sum(x["compiled"] for x in found.values())
    files = sum(x["files"] for x in found.values())
    lines = sum(x["about_our_lines"] for x in found.values())
    losses = sum(x["own_loss"] for x in found.values())
    zig = subprocess.run([*ZIG, "version"], capture_output=True, text=True).stdout.strip()
    clang = subprocess.run([*ZIG, "cc", "--version"], capture_output=True, text=True).stdout
    record(
        "other_compilers",
        "fastloss's C compiles for Linux, macOS and Windows, on x86-64 and on aarch64",
        "tools/other_compilers.py",
        f"{count} of {files} C files of {len(found)} systems compiled, {lines} warnings about "
        f"fastloss's own lines; losses of one's own linked for {losses} of {len(found)}",
        compiler=f"{clang.splitlines()[0]}, of zig {zig}",
        python_headers=platform.python_version(),
        not_tried=["MSVC", "linking of modules", "running any of it"],
        targets=found,
    )
    sys.exit(count < files or lines > 0 or losses < len(found))


if __name__ == "__main__":
    main()
