"""The command line: ``fastloss score``, ``fit``, ``predict``, ``bench``, ``losses``, ``info``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from fastloss.cli import about, bench, fit, predict, score
from fastloss.cli.errors import Interrupted
from fastloss.version import __version__


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the process's arguments; the exit status."""
    try:
        status = cli.main(arguments, prog_name="fastloss", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        print(f"fastloss: {' '.join(error.format_message().split())}", file=sys.stderr)
        return error.exit_code
    except click.Abort:
        return Interrupted.exit_code
    except BrokenPipeError:  # the reader of the output left; Python would complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Score files of predictions, fit linear models, predict; measure what this build gains."""


for _command in (score.score, fit.fit, predict.predict, bench.bench, about.losses, about.info):
    cli.add_command(_command)
