"""Workers of pytest-xdist share the CPUs: threads that wait for each other are not to spin."""

import os
import tempfile

import pytest

if "FASTLOSS_CACHE" not in os.environ:  # workers have that of the process that started them
    CACHE = tempfile.TemporaryDirectory(prefix="fastloss-tests-")
    os.environ["FASTLOSS_CACHE"] = CACHE.name

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy, OpenMP and torch read them
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def all_threads():
    """What is tested with several threads runs on several, however busy the machine is."""
    from fastloss import _core

    _core.configure(insist=True)
