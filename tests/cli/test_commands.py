"""The other commands, and the command line as a process."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tables import COLUMNS, EXAMPLE, FASTLOSS, columns_of

import fastloss
from fastloss.losses.base import defined_names
from fastloss.scoring.measures import METRICS

# The other commands.


def test_losses(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = command("losses")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.partition(":")[0] for line in lines if line[0] != " "] == [
        *fastloss.loss_names(),
        *defined_names(),
        *METRICS,
    ]
    assert "huber:delta=1.0" in lines
    assert "    (z - y)**2" in lines
    assert max(map(len, lines)) <= 80


def test_info(command):
    status, out, err = command("info")
    assert (status, err) == (0, "")
    assert out


def test_help_is_short_of_imports():
    code = (
        "import sys; from fastloss.cli import run; run(['--help']); run(['score', '--help']);"
        "assert not {'pyarrow', 'rich', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_no_arguments_show_the_help(command):
    status, _, err = command()
    assert status == 2 and "Usage: fastloss" in err


SCORE = ("score", EXAMPLE, "--y-true", "malignant", "--y-pred", "predicted")


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("click", "cli", SCORE),
        ("pyarrow", "cli", SCORE),
        ("matplotlib", "bench", ("bench",)),
    ],
)
def test_missing_extra(package, extra, arguments):
    code = f"import sys; sys.modules[{package!r}] = None;from fastloss.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    message = f"fastloss: this command needs {package}: pip install 'fastloss[{extra}]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


# As a process.

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals, terminals and rusage")


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory):
    """Parquet files of one and of sixteen million rows."""
    folder = tmp_path_factory.mktemp("many")
    data = columns_of(1_000_000)
    table = pa.table({"y": data["y"], "p": data["p"].astype(np.float32)})
    for name, repeats in [("short.parquet", 1), ("long.parquet", 16)]:
        with parquet.ParquetWriter(folder / name, table.schema, compression="zstd") as writer:
            for _ in range(repeats):
                writer.write_table(table, row_group_size=250_000)
    return folder


@posix
def test_memory_does_not_grow_with_the_file(many_rows):
    code = (
        "import resource; from fastloss.cli import run; assert not run();"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )

    def megabytes(name):
        command = [sys.executable, "-c", code, "score", many_rows / name, *COLUMNS]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return int(done.stdout.split()[-1])

    # A copy of the sixteen million rows would be 192 MB.
    assert megabytes("long.parquet") < megabytes("short.parquet") + 40


@posix
def test_interrupt_leaves_nothing(many_rows, tmp_path):
    rows = tmp_path / "rows.parquet"
    command = [*FASTLOSS, "score", many_rows / "long.parquet", *COLUMNS, "--per-row", rows]
    # a process started in the background would inherit that SIGINT is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any(path.stat().st_size > 100_000 for path in tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "fastloss: interrupted\n")
    assert not list(tmp_path.iterdir())


@posix
def test_progress_bar_on_a_terminal_only(many_rows):
    import pty

    command = [*FASTLOSS, "score", many_rows / "long.parquet", *COLUMNS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError as error:  # Linux reports the end of a terminal so
            assert error.errno == errno.EIO
        assert process.stdout.read().decode() == done.stdout
    os.close(ours)
    assert b"rows/s" in shown


@posix
def test_output_that_nobody_reads():
    command = f"{sys.executable} -m fastloss losses | true"
    done = subprocess.run(command, check=True, shell=True, capture_output=True, text=True)
    assert done.stderr == ""
