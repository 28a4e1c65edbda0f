"""The tools that kill, fill disks and crowd processes, in short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what the tools use is Linux's")


def run(tool, *arguments):
    """What a tool prints; it ends well if all was as it should be."""
    command = [sys.executable, str(ROOT / "tools" / tool), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_files_are_whole_whenever_their_writer_is_killed():
    assert "kills of 14 writers" in run("kill.py", "--quick", "--kills", "42")


def test_a_full_disk_is_an_error_that_names_the_file():
    pytest.importorskip("resource")
    assert "56 writes to a full disk, of 14 writers" in run("full_disk.py", "--way", "limit")


def test_threads_that_call_at_once():
    cases = ["threads", "forked workers of a server", "subinterpreter"]
    only = [word for case in cases for word in ("--only", case)]
    assert "3 cases with 100 threads" in run("many_threads.py", "--threads", "100", *only)
