"""``fastloss losses`` and ``fastloss info``: what there is, and what it runs on."""

from __future__ import annotations

import click

from fastloss.cli.options import define_option
from fastloss.cli.output import printing
from fastloss.config import show_config
from fastloss.losses import get_loss, loss_names
from fastloss.losses.base import defined_names
from fastloss.scoring.measures import METRICS


@click.command()
def info() -> None:
    """Show the version, instruction set and threads in use."""
    with printing():
        show_config()


@click.command()
@define_option
def losses() -> None:
    """List the losses with their parameters and formulas, then the metrics.

    In the formulas y is the target and z the prediction.

    In those of losses of rows z is a row of predictions, of which p is the softmax: exp(z) over its
    sum. y is the class of the row, and p[y] the element of that class. q is the row of targets: of
    a class, 1 for it and 0 for the others. dot(a, b) is the sum of the products of a and b,
    0*log(0) is 0, and others(z, y) are the elements but that of the class.
    """
    from fastloss.cli.report import print_losses

    print_losses(map(get_loss, [*loss_names(), *defined_names()]), METRICS)
