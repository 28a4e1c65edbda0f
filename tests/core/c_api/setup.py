"""Modules that use the C API: from Cython, C and C++, and one built for another version of it."""

import shutil
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

import fastloss

HEADER = Path(fastloss.get_include(), "fastloss.h")
other = Path("other")
other.mkdir(exist_ok=True)
text = HEADER.read_text()
changed = text.replace("#define FASTLOSS_ABI ", "#define FASTLOSS_ABI 99")
assert changed != text
(other / "fastloss.h").write_text(changed)
shutil.copy("plain.c", "plain.cpp")


def plain(name, source="plain.c", include=HEADER.parent):
    return Extension(name, [source], include_dirs=[str(include)], define_macros=[("MODULE", name)])


probe = Extension("probe", ["probe.pyx"], include_dirs=[str(HEADER.parent)])
modules = [plain("in_c"), plain("in_cpp", "plain.cpp"), plain("of_another_abi", include=other)]
setup(ext_modules=[*cythonize([probe]), *modules])
