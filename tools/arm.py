#!/usr/bin/env python
"""Build fastloss for aarch64 Linux and run the tests of its kernels there, emulated.

    tools/arm.py [--folder FOLDER]

On Debian 12, with gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user. Python and its
libraries are Debian's packages for arm64, NumPy and what tests need are wheels from PyPI: they are
fetched into FOLDER/debs and FOLDER/wheels, unless they are there, which takes root. All else is
made in FOLDER too, a temporary one if none is named. The emulated processor has ARMv8.0, and no
later extension.

Before the tests it looks at the code: kernels may call no function for what is an instruction, and
the loops of all losses must be of vectors.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
from c_files import CFile, c_files
from record import ROOT, record

TRIPLET = "aarch64-linux-gnu"
GCC = f"{TRIPLET}-gcc"
CPU = "cortex-a72"
JOBS = 2
PYTHON = "3.11"
COMMANDS = {  # and the Debian packages that have them
    "dpkg": "dpkg",
    "git": "git",
    GCC: f"gcc-{TRIPLET}",
    f"{TRIPLET}-nm": f"binutils-{TRIPLET}",
    "qemu-aarch64": "qemu-user",
}
LIBC = Path("/usr", TRIPLET, "include", "stdio.h")
DEBS = (
    "libbz2-1.0 libc6 libcrypt1 libdb5.3 libexpat1 libffi8 libgcc-s1 libgomp1 liblzma5 "
    "libncursesw6 libpython3.11-dev libpython3.11-minimal libpython3.11-stdlib libreadline8 "
    "libsqlite3-0 libssl3 libstdc++6 libtinfo6 libuuid1 python3.11 python3.11-minimal zlib1g"
).split()
WHEELS = (
    "gmpy2 hypothesis ml_dtypes mpmath numpy pandas pytest pytest-xdist scikit-learn scipy"
).split()
PLATFORMS = [f"manylinux_2_{glibc}_aarch64" for glibc in (17, 24, 27, 28)]

FOLDERS = ("tests/core", "tests/losses", "tests/optim", "tests/scoring")
# Emulation takes some fifteen times as long: what of these folders a quarter of an hour allows.
CHOSEN = [
    "tests/core/test_vecmath.py",
    "tests/core/test_conversions.py",
    "tests/losses/test_few.py",
    "tests/losses/test_places.py",
    "tests/losses/test_regressions.py",
    "tests/losses/test_rows_limits.py",
    "tests/optim/test_low_precision.py",
    "tests/scoring/test_exact.py",
]
# What a processor does in one instruction, alone or in vectors.
INSTRUCTIONS = re.compile(r" U (fma|rint|nearbyint|floor|ceil|trunc|sqrt|fabs|fmin|fmax)f?\b")
VECTORS = re.compile(r"\tf(add|sub|mul|mla|mls|div|neg|abs|abd|sqrt|cm\w+)\tv\d+\.[24][sd],")
# A loop that is another one's.
SAME = re.compile(r"[^\n]*\n *[0-9a-f]+:\tb\t[0-9a-f]+ <\w+_map_\w+>\n?")


def run(*command: object, **options: Any) -> str:
    """What a command prints; an error if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, **options)
    if done.returncode:
        raise click.ClickException(f"{' '.join(words[:4])} ...: exit status {done.returncode}")
    return done.stdout


def look_for_tools() -> None:
    missing = [package for name, package in COMMANDS.items() if not shutil.which(name)]
    if not LIBC.exists():
        missing.append("libc6-dev-arm64-cross")
    if missing:
        raise click.ClickException(f"Debian's packages are missing: {' '.join(missing)}")


# ---- what runs there ---------------------------------------------------------------------------


def debs(folder: Path) -> list[Path]:
    """Debian's packages: those of a folder, and what it lacks from the mirror."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in DEBS if not [*folder.glob(f"{name}_*_arm64.deb")]]
    if missing:
        run("dpkg", "--add-architecture", "arm64")
        run("apt-get", "update")
        run("apt-get", "download", *(f"{name}:arm64" for name in missing), cwd=folder)
    return sorted(folder.glob("*_arm64.deb"))


def wheels(folder: Path) -> list[Path]:
    """Wheels: those of a folder, and what it lacks, with what that needs, from PyPI."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in WHEELS if not [*folder.glob(f"{name.replace('-', '_')}-*.whl")]]
    if missing:
        for_there = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
        for_there += [f"--platform={name}" for name in PLATFORMS]
        run(sys.executable, "-m", "pip", "download", "-q", f"--dest={folder}", *for_there, *missing)
    return sorted(folder.glob("*.whl"))


def make_root(packages: list[Path], root: Path) -> Path:
    """Unpack packages below a root; a command that runs the Python there."""
    if not (root / "usr/bin" / f"python{PYTHON}").exists():
        for package in packages:
            run("dpkg", "-x", package, root)
    command = root / "usr/bin/emulated-python"  # beside the real one, which finds its library so
    real = command.with_name(f"python{PYTHON}")
    command.write_text(f'#!/bin/sh\nexec qemu-aarch64 -cpu {CPU} -L {root} -0 "$0" {real} "$@"\n')
    command.chmod(0o755)
    return command


def make_site(packages: list[Path], site: Path) -> None:
    for wheel in packages:
        name, version = wheel.name.split("-")[:2]
        if not (site / f"{name}-{version}.dist-info").exists():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)


def copy_tree(to: Path) -> None:
    """The files of this tree, but for what git ignores."""
    shutil.rmtree(to, ignore_errors=True)
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # not deleted
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


# ---- the build ---------------------------------------------------------------------------------


def build(files: list[CFile], root: Path, package: Path) -> dict[str, Path]:
    """Compile modules into a package; where each is."""
    headers = root / "usr/include"
    flags = ["-shared", "-fPIC", "-DNDEBUG", "-fwrapv"]  # the last two as Python's own builds
    flags += [f"-I{headers / f'python{PYTHON}'}", f"-I{headers}"]

    def compiled(file: CFile) -> Path:
        name = file.module.rpartition(".")[2]
        module = package / f"{name}.cpython-{PYTHON.replace('.', '')}-{TRIPLET}.so"
        made = ["-o", module, file.source, *file.link_flags]
        run(GCC, *flags, *file.compile_flags, *made)
        return module

    with ThreadPoolExecutor(JOBS) as pool:
        return dict(zip([f.module for f in files], pool.map(compiled, files), strict=True))


def check_code(kernels: Path) -> dict[str, int]:
    """That no function is called for an instruction, and that loops of losses are vectors."""
    called = INSTRUCTIONS.findall(run(f"{TRIPLET}-nm", "-D", "--undefined-only", kernels))
    if called:
        raise click.ClickException(f"kernels call {', '.join(called)}: each is an instruction")
    vectors = Counter[str]()
    code = run(f"{TRIPLET}-objdump", "-d", "--no-show-raw-insn", kernels)
    for function in code.split("\n\n"):
        name = re.match(r"[0-9a-f]+ <(__pyx_fuse_.*_map_\w+)>:", function)
        if name and not SAME.match(function):
            vectors[name[1]] += len(VECTORS.findall(function))
    plain = [name for name in vectors if not vectors[name]]
    if plain or not vectors:
        raise click.ClickException(f"{len(plain)} maps have no vectors: {' '.join(plain[:9])}")
    return {"of_losses": len(vectors), "with_vectors": len(vectors) - len(plain)}


# ---- the tests ---------------------------------------------------------------------------------


def left_out() -> list[str]:
    """The test files of the same folders that are not run."""
    there = {str(p.relative_to(ROOT)) for at in FOLDERS for p in (ROOT / at).glob("test_*.py")}
    gone = {*CHOSEN} - there
    if gone:
        raise click.ClickException(f"chosen, but not there: {', '.join(sorted(gone))}")
    return sorted(there - {*CHOSEN})


def tested(python: Path, site: Path, tree: Path, report: Path) -> dict[str, Any]:
    """The outcomes of tests, by file, and why some were skipped."""
    command = [python, "-m", "pytest", "-q", "-n", JOBS, "--dist=loadfile", "--durations=15"]
    command += ["-p", "no:cacheprovider", f"--junit-xml={report}", *CHOSEN]
    words = [str(word) for word in command]
    environment = os.environ | {"LANG": "C.UTF-8", "PYTHONPATH": f"{tree}:{site}"}
    if subprocess.run(words, cwd=tree, env=environment).returncode > 1:  # 1: a test failed
        raise click.ClickException("pytest did not come to its end")
    return outcomes(ElementTree.parse(report))


def outcomes(report: ElementTree.ElementTree) -> dict[str, Any]:
    total, files, skipped, failed = Counter[str](), dict[str, Any](), Counter[str](), list[str]()
    for case in report.iter("testcase"):
        name = case.attrib["classname"].replace(".", "/") + ".py"
        tags = {child.tag for child in case}
        kind = "failed" if tags & {"failure", "error"} else "passed"
        kind = "skipped" if "skipped" in tags else kind
        total[kind] += 1
        own = files.setdefault(name, {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0})
        own[kind] += 1
        own["seconds"] = round(own["seconds"] + float(case.attrib["time"]), 1)
        if kind == "skipped":
            skipped[case.find("skipped").attrib["message"]] += 1
        elif kind == "failed":
            failed.append(f"{name}::{case.attrib['name']}")
    return {
        **{kind: total[kind] for kind in ("passed", "failed", "skipped")},
        "failures": failed,
        "skipped_because": dict(skipped.most_common()),
        "files": files,
    }


@click.command(help=__doc__)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where all of it is made."
)
def main(folder: Path | None) -> None:
    look_for_tools()
    left_out()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(measure((folder or Path(temporary)).absolute()))


def measure(folder: Path) -> bool:
    """Build, look and test in a folder; whether anything is wrong."""
    root, site, tree = folder / "root", folder / "site", folder / "tree"
    python = make_root(debs(folder / "debs"), root)
    make_site(wheels(folder / "wheels"), site)
    copy_tree(tree)
    headers = site / "numpy/_core/include"
    began = time.monotonic()
    modules = build(c_files("aarch64", folder / "c", headers), root, tree / "fastloss")
    built = time.monotonic()
    maps = check_code(modules["fastloss._kernels_baseline"])
    tests = tested(python, site, tree, folder / "report.xml")
    ended = time.monotonic()
    record(
        "arm",
        "fastloss builds for aarch64 Linux, and its kernels are right there",
        "tools/arm.py",
        f"tests passed: {tests['passed']:,}, failed: {tests['failed']}, "
        f"skipped: {tests['skipped']:,}; {maps['with_vectors']} of {maps['of_losses']} loops of "
        f"losses are vectors; on an emulated {CPU}",
        compiler=run(GCC, "--version").splitlines()[0],
        emulator=f"{run('qemu-aarch64', '--version').splitlines()[0]}, -cpu {CPU}",
        python=run(python, "-c", "import platform; print(platform.python_version())").strip(),
        host_python=platform.python_version(),
        seconds={"build": round(built - began), "tests": round(ended - built)},
        maps=maps,
        tests=tests,
        left_out=left_out(),
    )
    return tests["failed"] > 0 or tests["passed"] == 0


if __name__ == "__main__":
    main()
