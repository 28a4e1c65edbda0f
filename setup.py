"""Build of the compiled part; everything else is in pyproject.toml."""

import os
import platform
import sys
import tempfile
from pathlib import Path

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
    # what newer compilers refuse
    *("-Werror=implicit-function-declaration", "-Werror=incompatible-pointer-types"),
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


class BuildExt(build_ext):
    """Adds what depends on the compiler: its flags, and OpenMP where it is to be had."""

    def build_extensions(self) -> None:
        kind = "msvc" if self.compiler.compiler_type == "msvc" else "unix"
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
        self.parallel = self.parallel or os.cpu_count()
        super().build_extensions()

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


def extensions() -> list[Extension]:
    macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]
    public = "fastloss/include"
    headers = [str(path) for at in ("src", public) for path in sorted(Path(at).rglob("*.h"))]
    kernels = [
        Extension(
            f"fastloss._kernels_{name}",
            [f"src/_kernels_{name}.pyx"],
            include_dirs=[public],
            depends=headers,
        )
        for name in INSTRUCTION_SETS
    ]
    core = Extension(
        "fastloss._core",
        ["src/_core.pyx"],
        include_dirs=[numpy.get_include(), public],
        define_macros=macros,
        depends=headers,
    )
    return [core, *kernels]


if __name__ == "__main__":  # cythonize's workers import this file too
    setup(
        ext_modules=cythonize(
            extensions(),
            include_path=["src"],
            nthreads=os.cpu_count() or 1,
            compiler_directives={"language_level": 3},
        ),
        cmdclass={"build_ext": BuildExt},
    )
