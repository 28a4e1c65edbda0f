"""Modules that use the C API: from Cython, C and C++, and one built for another version of it."""

import shutil
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

import fastloss

INCLUDE = fastloss.get_include()

text = Path(INCLUDE, "fastloss.h").read_text()
changed = text.replace("#define FASTLOSS_ABI ", "#define FASTLOSS_ABI 99")
assert changed != text
Path("other").mkdir()
Path("other/fastloss.h").write_text(changed)
shutil.copy("plain.c", "plain.cpp")
shutil.copy("plain.c", "of_another_abi.c")


def module(name, *sources, include=INCLUDE):
    return Extension(name, [*sources], include_dirs=[include], define_macros=[("MODULE", name)])


in_cython = cythonize([module("probe", "probe.pyx"), module("page", "page.pyx")])
others = [
    module("in_c", "plain.c", "in_page.c"),
    module("in_cpp", "plain.cpp"),
    module("of_another_abi", "of_another_abi.c", include="other"),
]
setup(ext_modules=[*in_cython, *others])
