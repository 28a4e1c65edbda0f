"""Options that are given once, or say that they were given twice."""

from __future__ import annotations

from collections import Counter

import click


class Command(click.Command):
    """A command that refuses an option of one value given twice, of which click keeps the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter, times in Counter(given).items():
            if times > 1 and not (parameter.multiple or getattr(parameter, "is_flag", False)):
                name = parameter.opts[0]
                raise click.UsageError(f"{name} is given {times} times; it takes one value", ctx)
        return super().parse_args(ctx, args)
