"""Workers of pytest-xdist share the CPUs: threads that wait for each other are not to spin."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy, OpenMP and torch read them
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
