"""What a function of the tests returns on an instruction set that this process does not use."""

import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fastloss import _core

EVERY = _core.available_isas()
OTHERS = [isa for isa in EVERY if isa != _core.isa]
if not OTHERS:
    OTHERS = [pytest.param("", marks=pytest.mark.skip(reason="this machine has no other"))]


def result_on(isa, function, *arguments):
    """The result of a function, named at the top of its file, in a process that uses ``isa``."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "given"), Path(folder, "found")
        given.write_bytes(pickle.dumps(arguments))
        file, name = function.__code__.co_filename, function.__name__
        done = subprocess.run(
            [sys.executable, __file__, file, name, given, found],
            env=os.environ | {"FASTLOSS_ISA": isa},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        used, result = pickle.loads(found.read_bytes())
    assert used == isa
    return result


def _main(file, name, given, found):
    spec = importlib.util.spec_from_file_location("tests_of_another_isa", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    result = getattr(module, name)(*pickle.loads(Path(given).read_bytes()))
    Path(found).write_bytes(pickle.dumps((_core.isa, result)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
