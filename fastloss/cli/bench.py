"""``fastloss bench``: the options; what it does stands in `fastloss.bench.command`."""

from __future__ import annotations

from pathlib import Path

import click

from fastloss.cli.options import Command


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="Measure less, in about a minute.")
@click.option(
    "--only",
    metavar="NAME,...",
    help="Measure these losses and rules alone, as logistic,Adam.  [default: all]",
)
@click.option(
    "--peers",
    metavar="NAME,...",
    help="Compare with these alone.  [default: all that are installed]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fastloss-bench"),
    show_default=True,
    metavar="DIR",
    help="Where results.json and the charts are written.",
)
@click.option(
    "--compare",
    "old",
    type=click.Path(path_type=Path),
    metavar="OLD.json",
    help="Tell what became slower since these results, beyond the noise; exit with 1 if any did.",
)
def bench(quick: bool, only: str | None, peers: str | None, out: Path, old: Path | None) -> int:
    """Measure losses and optimizers against what people use, and what the machine allows.

    All do the same work on the same data with the same number of threads, in turns; results are
    checked against each other before they are timed. The full run takes about forty minutes, best
    on a machine that does nothing else.
    """
    from fastloss.bench.command import bench

    return bench(quick, _names(only), _names(peers), out, old)


def _names(given: str | None) -> list[str] | None:
    return None if given is None else [name.strip() for name in given.split(",")]
