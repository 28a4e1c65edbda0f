"""Build of the compiled part; everything else is in pyproject.toml."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import Cython
import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

X86_64 = platform.machine().lower() in ("x86_64", "amd64")

# Instruction sets, as flags for (gcc and clang, MSVC).
INSTRUCTION_SETS = {"baseline": ([], [])}
if X86_64:
    INSTRUCTION_SETS |= {
        "avx2": (["-mavx2", "-mfma"], ["/arch:AVX2"]),
        "avx512": (
            ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"]
            + ["-mprefer-vector-width=512"],
            ["/arch:AVX512"],
        ),
    }

# The body of a loss has to be inlined into its loop, however long it is.
FORCE_INLINE = {
    "unix": ["-DCYTHON_INLINE=inline __attribute__((always_inline))"],
    "msvc": ["/DCYTHON_INLINE=__forceinline"],
}
# Never -ffast-math: linking with it changes subnormal numbers for the whole process.
OPTIMISE = {
    # -fopenmp-simd: OpenMP's pragmas for vectors alone, without its library
    "unix": ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
    + ["-fopenmp-simd"],
    "msvc": ["/O2", "/fp:precise", "/std:c11"],
}
WARNINGS = [
    "-Werror=implicit-function-declaration",  # as newer compilers have it of themselves
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
    "-Wno-unused-function",
    "-Wno-maybe-uninitialized",
    "-Wno-unknown-warning-option",
]
OPENMP = {
    "msvc": [(["/openmp"], [])],
    "unix": [
        (["-fopenmp"], ["-fopenmp"]),
        (["-Xpreprocessor", "-fopenmp"], ["-lomp"]),  # Apple's clang with Homebrew's libomp
    ],
}


PROBE = """
#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }
"""


PUBLIC = "fastloss/include"
# What an extension is made of, besides the folder of its own.
SHARED = ["src/kernel_table.pxd", "src/kernels/*.h", f"{PUBLIC}/**/*.h", "setup.py"]


class BuildExt(build_ext):
    """Adds what depends on the compiler: its flags, and OpenMP where it is to be had.

    What was compiled is kept in build/kept, and used again for as long as nothing that it is made
    of has changed: installing once more, with other extras, takes seconds. Contents are compared,
    as pip's folders are new each time, and NumPy's and Cython's files as well.
    """

    def build_extensions(self) -> None:
        self.add_flags("msvc" if self.compiler.compiler_type == "msvc" else "unix")
        every = self.extensions
        made_of = {e.name: self.digest(e) for e in every}  # before files may change
        self.extensions = [e for e in every if self.force or not self.take(e, made_of[e.name])]
        make_c(self.extensions)
        self.force = True  # whatever distutils makes of times
        self.parallel = self.parallel or os.cpu_count()
        super().build_extensions()
        for extension in self.extensions:
            self.keep(extension, made_of[extension.name])
        self.extensions = every

    def add_flags(self, kind: str) -> None:
        compile_openmp, link_openmp = self.openmp_flags(kind)
        for extension in self.extensions:
            name = extension.name.rpartition("_")[2]
            if name in INSTRUCTION_SETS:
                flags = OPTIMISE[kind] + FORCE_INLINE[kind] + INSTRUCTION_SETS[name][kind == "msvc"]
            else:
                flags = OPTIMISE[kind] + compile_openmp
                extension.extra_link_args += link_openmp
            # appended after the flags of Python's own build, so that -O3 stands and -g does not
            extension.extra_compile_args += flags
            if kind == "unix":
                extension.extra_compile_args += ["-g0", *WARNINGS]

    def openmp_flags(self, kind: str) -> tuple[list[str], list[str]]:
        """The first flags with which a program of OpenMP compiles and links, else none."""
        for compile_args, link_args in OPENMP[kind]:
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder, "probe.c")
                source.write_text(PROBE)
                try:
                    objects = self.compiler.compile(
                        [str(source)], output_dir=folder, extra_postargs=compile_args
                    )
                    self.compiler.link_executable(
                        objects, "probe", output_dir=folder, extra_postargs=link_args
                    )
                except Exception:  # each compiler class raises its own
                    continue
                return compile_args, link_args
        print("fastloss: this compiler has no OpenMP; building for one thread", file=sys.stderr)
        return [], []

    def take(self, extension: Extension, made_of: str) -> bool:
        """Put what was compiled before where the compiler would, if it is what that would make."""
        kept, key = self.kept(extension)
        if not (kept.exists() and key.exists()) or key.read_text() != made_of + content(kept):
            return False
        print(f"fastloss: {extension.name} is as it was compiled before", file=sys.stderr)
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, target)
        return True

    def keep(self, extension: Extension, made_of: str) -> None:
        kept, key = self.kept(extension)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.get_ext_fullpath(extension.name), kept)
        key.write_text(made_of + content(kept))

    def kept(self, extension: Extension) -> tuple[Path, Path]:
        """Where a compiled extension is kept, and what it was made of."""
        path = Path("build", "kept", Path(self.get_ext_filename(extension.name)).name)
        return path, path.with_name(path.name + ".key")

    def digest(self, extension: Extension) -> str:
        """Of all that decides what is compiled."""
        with_what = [sys.version, Cython.__version__, numpy.__version__, self.compiler_version()]
        with_what += [os.environ.get(name) for name in ("CPATH", "MACOSX_DEPLOYMENT_TARGET")]
        with_what += [extension.extra_compile_args, extension.extra_link_args]
        with_what += [self.define, self.undef, self.debug]
        of_what = [(path.as_posix(), content(path)) for path in sources(extension)]
        return hashlib.sha256(repr([with_what, of_what]).encode()).hexdigest()

    def compiler_version(self) -> list[str]:
        """The compiler's command, with the flags of the environment, and what it says of itself."""
        if self.compiler.compiler_type == "msvc":
            return [self.compiler.cc]  # a path with the version in it
        command = [*self.compiler.compiler_so, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        return [*command, *self.compiler.linker_so, said.stdout]


def content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of_kernels(extension: Extension) -> bool:
    return extension.name.startswith("fastloss._kernels_")


def sources(extension: Extension) -> list[Path]:
    """The files of this repository that an extension is made of."""
    half = "kernels" if of_kernels(extension) else "core"
    patterns = [f"src/_{half}.pyx", f"src/{half}/*", *SHARED]
    return sorted({p for pattern in patterns for p in Path().glob(pattern) if p.is_file()})


def make_c(given: list[Extension]) -> None:
    """Make the C that these are compiled from, which is the same for all kernels."""
    core = [extension for extension in given if not of_kernels(extension)]
    kernels = [Extension("fastloss._kernels", ["src/_kernels.pyx"])] * any(map(of_kernels, given))
    cythonize(
        [*core, *kernels],
        force=True,
        include_path=["src"],
        nthreads=os.cpu_count() or 1,
        compiler_directives={"language_level": 3, "emit_code_comments": False},
    )
    for extension in core:
        extension.sources = ["src/_core.c"]


def extensions() -> list[Extension]:
    """The kernels come first, as they take the compiler longest."""
    kernels = [
        Extension(
            f"fastloss._kernels_{name}",
            [f"src/kernels/{name}.c"],
            include_dirs=["src", PUBLIC],
        )
        for name in INSTRUCTION_SETS
    ]
    core = Extension(
        "fastloss._core",
        ["src/_core.pyx"],
        include_dirs=["src", PUBLIC, numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    )
    return [*kernels, core]


def main() -> None:
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExt})


if __name__ == "__main__":  # cythonize's workers import this file too
    main()
