"""What the commands' options have in common: given once, or an error; and losses by name."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from fastloss.cli.errors import Failure
from fastloss.losses import Loss, get_loss
from fastloss.scoring.measure import Measure
from fastloss.scoring.measures import as_measure


class Command(click.Command):
    """A command that refuses an option of one value given twice, of which click keeps the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter, times in Counter(given).items():
            if times > 1 and not (parameter.multiple or getattr(parameter, "is_flag", False)):
                name = parameter.opts[0]
                raise click.UsageError(f"{name} is given {times} times; it takes one value", ctx)
        return super().parse_args(ctx, args)


def _define(context: click.Context, option: Any, given: Sequence[str]) -> None:
    if not given:
        return
    from fastloss.define import CompileError, load_losses

    for path in given:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*the loss is negative")
                load_losses(path)
        except (ValueError, CompileError) as error:
            raise Failure(f"--define: {error}") from error
        except OSError as error:
            raise Failure(f"--define {path}: {error.strerror or error}") from error


# before the options that name losses
define_option = click.option(
    "--define",
    multiple=True,
    metavar="FILE.toml",
    is_eager=True,
    expose_value=False,
    callback=_define,
    help="A file of losses of one's own, as fastloss.save_losses writes it; may be repeated.",
)


def named_loss(given: str, spec: str) -> Loss:
    """A loss by its name; an error tells the option as it was given."""
    with _as_given(given):
        return get_loss(spec)


def named_measure(given: str, spec: str) -> Measure:
    """A loss or a metric."""
    with _as_given(given):
        return as_measure(spec)


@contextmanager
def _as_given(given: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        message = str(error).replace("loss_names()", "`fastloss losses`")
        message = message.replace("by define_loss() or load_losses()", "by --define FILE.toml")
        raise Failure(f"{given}: {message}") from error
