"""Modules that use fastloss's C API, built as their users build them."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import fastloss as fl


def build(source, folder):
    """A folder with a copy of another, whose setup.py has built what it builds."""
    for needed in ("Cython", "setuptools"):
        pytest.importorskip(needed, reason=f"modules are built with {needed}")
    shutil.copytree(source, folder, dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(fl.__file__).parents[1]), "CFLAGS": "-O0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def load(folder, name):
    """A module built in a folder."""
    spec = importlib.util.spec_from_file_location(name, Path(folder, name + EXTENSION_SUFFIXES[0]))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
