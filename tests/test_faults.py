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


@pytest.fixture
def writers(monkeypatch):
    """All that write files, but for charts, which take seconds, as words of a command."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from writers import WRITERS

    return [word for name in WRITERS if name != "benchmark charts" for word in ("--only", name)]


def test_files_are_whole_whenever_their_writer_is_killed(writers):
    assert "kills of 13 writers" in run("kill.py", "--quick", "--kills", "13", *writers)


def test_a_full_disk_is_an_error_that_names_the_file(writers):
    pytest.importorskip("resource")
    said = run("full_disk.py", "--way", "limit", *writers)
    assert "52 writes to a full disk, of 13 writers" in said


def test_threads_that_call_at_once():
    cases = ["threads", "forked workers of a server", "subinterpreter"]
    only = [word for case in cases for word in ("--only", case)]
    assert "3 cases with 100 threads" in run("many_threads.py", "--threads", "100", *only)
