"""How a command ends other than well: one line on standard error, and an exit status."""

from __future__ import annotations

import click


class Failure(click.ClickException):
    """What the user can mend, said in one line."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C."""

    exit_code = 130
