"""What setup.py would compile on another machine: C files that Cython makes, and their flags."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest import mock

from Cython.Build import cythonize
from record import ROOT
from setuptools import Distribution, Extension


@dataclass(frozen=True)
class CFile:
    """A C file that is a module of its own."""

    module: str  # such as fastloss._core
    source: Path
    compile_flags: list[str]
    link_flags: list[str]


def c_files(machine: str, folder: Path, numpy_headers: Path, openmp: int = 0) -> list[CFile]:
    """The modules of a machine that ``platform.machine()`` names so, as C in a folder.

    ``openmp`` says which entry of setup.py's flags of OpenMP the compiler there takes.
    """
    script = setup_script(machine)
    with contextlib.chdir(ROOT):
        with mock.patch("numpy.get_include", return_value=str(numpy_headers)):
            extensions = script.extensions()
        cythonize(  # the kernels of all instruction sets are one module for Cython
            [
                Extension("fastloss._core", ["src/_core.pyx"]),
                Extension("fastloss._kernels", ["src/_kernels.pyx"]),
            ],
            include_path=["src"],
            build_dir=str(folder),
            nthreads=2,
            quiet=True,
        )
        # Cython copies some of the headers: the tree has all of them
        shutil.rmtree(folder / "src" / "kernels", ignore_errors=True)
        set_flags(script, extensions, openmp)
        for extension in extensions:
            if script.of_kernels(extension):
                extension.include_dirs.append(str(folder / "src"))  # for _kernels.c
            else:
                extension.sources = [str(folder / "src" / "_core.c")]
        return [c_file(extension) for extension in extensions]


def setup_script(machine: str) -> ModuleType:
    """setup.py as a module, which takes this for its machine."""
    spec = importlib.util.spec_from_file_location("setup_of_fastloss", ROOT / "setup.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    with mock.patch("platform.machine", return_value=machine):
        spec.loader.exec_module(script)
    return script


def set_flags(script: ModuleType, extensions: list[Extension], openmp: int) -> None:
    """Have setup.py's own command say what it compiles and links with, but not build."""
    command = script.BuildExt(Distribution())
    command.extensions = extensions
    command.openmp_flags = lambda kind: script.OPENMP[kind][openmp]
    command.add_flags("unix")


def c_file(extension: Extension) -> CFile:
    (source,) = extension.sources
    flags = [f"-I{os.path.abspath(path)}" for path in extension.include_dirs]
    flags += [f"-D{name}" if value is None else f"-D{name}={value}"
              for name, value in extension.define_macros]  # fmt: skip
    flags += extension.extra_compile_args
    return CFile(extension.name, Path(source).absolute(), flags, extension.extra_link_args)
