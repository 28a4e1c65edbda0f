"""How a command ends other than well: one line on standard error, and an exit status."""

from __future__ import annotations

import os
import sys

import click


class Failure(click.ClickException):
    """What the user can mend, said in one line."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C."""

    exit_code = 130


def tell(message: str) -> None:
    """Say something in one line on standard error, if that can be written."""
    try:
        print(f"fastloss: {' '.join(message.split())}", file=sys.stderr, flush=True)
    except OSError:  # what is yet to be flushed goes nowhere: Python would exit with 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
