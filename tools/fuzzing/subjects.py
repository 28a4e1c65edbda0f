"""What there is to fuzz, by name: all of it follows from the registries of the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import fastloss as fl
from fastloss import optim, penalties
from fastloss.losses.base import pointwise_names
from fuzzing import files, linear, losses, optimizers, penalties as of_penalties, rows, scores
from fuzzing.case import Case


@dataclass(frozen=True)
class Subject:
    """Cases of one kind.

    Parameters
    ----------
    share : int
        How many of all cases are of it, in proportion.
    run : callable
        Takes a case and a name.
    names : sequence of str
        Those of which each case takes one.
    """

    share: int
    run: Callable[[Case, str], None]
    names: Sequence[str]


SUBJECTS: dict[str, Subject] = {
    "pointwise": Subject(450, losses.run, pointwise_names()),
    "rows": Subject(
        240, rows.run, tuple(name for name in fl.loss_names() if name not in pointwise_names())
    ),
    "functions": Subject(40, rows.run_function, rows.FUNCTIONS),
    "others": Subject(20, linear.run_other, linear.OTHERS),
    "optimizers": Subject(120, optimizers.run, optim.optimizer_names()),
    "schedules": Subject(40, optimizers.run_schedule, tuple(optimizers.SCHEDULES)),
    "penalties": Subject(50, of_penalties.run, tuple(penalties._REGISTRY)),
    "scores": Subject(10, scores.run, scores.KINDS),
    "linear": Subject(20, linear.run, linear.names()),
    "files": Subject(4, files.run, files.NAMES),
}
