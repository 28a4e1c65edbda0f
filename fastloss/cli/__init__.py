"""The command line: ``fastloss score``, ``fit``, ``predict``, ``bench``, ``losses``, ``info``."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from fastloss.cli import about, bench, fit, predict, score
from fastloss.cli.errors import Interrupted, tell
from fastloss.cli.output import leave_stdout, reason
from fastloss.version import __version__


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the process's arguments; the exit status."""
    if sys.stderr is None:  # closed: no file may have its number, which libraries write to
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        tell("standard output is closed")
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):  # what its encoding lacks is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _tidy_at_the_end():
            status = cli.main(arguments, prog_name="fastloss", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        tell(error.format_message())
        return error.exit_code
    except click.Abort:
        tell("interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:  # the reader of the output left
        leave_stdout()
        return 1
    except OSError as error:
        leave_stdout()
        tell(reason(error))
        return 2
    return status if isinstance(status, int) else 0


@contextmanager
def _tidy_at_the_end() -> Iterator[None]:
    """SIGTERM, which ends jobs and containers, leaves no files that were begun, as Ctrl-C does."""

    def stop(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)  # who insists is obeyed at once
        sys.exit(128 + number)

    main = threading.current_thread() is threading.main_thread()  # no other can set handlers
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Score files of predictions, fit linear models, predict; measure what this build gains."""


for _command in (score.score, fit.fit, predict.predict, bench.bench, about.losses, about.info):
    cli.add_command(_command)
