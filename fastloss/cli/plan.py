"""What is to be scored: losses, and the columns of targets, of models and of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from fastloss.cli.errors import Failure
from fastloss.cli.options import named_loss
from fastloss.losses.rows import RowLoss
from fastloss.scoring import Scorer
from fastloss.scoring.tables import split_columns
from fastloss.tables import TableError


@dataclass(frozen=True)
class Plan:
    """What is asked for, checked as far as it can be before anything is read."""

    losses: Mapping[str, Any]
    y_true: Sequence[str]
    models: Mapping[str, Sequence[str]]  # the columns of each, by what --y-pred calls them
    weight: str | None
    by: Sequence[str]
    nan_policy: str

    @property
    def numbers(self) -> list[str]:
        """The columns that are read as numbers."""
        names = [*self.y_true, *chain.from_iterable(self.models.values())]
        if self.weight is not None:
            names.append(self.weight)
        return list(dict.fromkeys(names))

    @property
    def of_classes(self) -> bool:
        """Whether the targets are classes."""
        takes = any("labels" in getattr(loss, "_takes", ()) for loss in self.losses.values())
        return takes and len(self.y_true) == 1

    @property
    def columns(self) -> list[str]:
        """What the columns of the scores are called."""
        first = ["model"] if len(self.models) > 1 else []
        return [*first, *self.by, *self.losses, "weight", "count"]

    def scorer(self) -> Scorer:
        return Scorer(self.losses.values(), nan_policy=self.nan_policy)


def read_losses(specs: Sequence[str]) -> dict[str, Any]:
    """The losses by the names that their columns have."""
    losses: dict[str, Any] = {}
    for spec in specs:
        loss = named_loss(f"--loss {spec}", spec)
        if loss.spec in losses:
            raise Failure(f"--loss {spec}: this loss is asked for twice")
        losses[loss.spec] = loss
    return losses


def make_plan(
    files: Sequence[str],
    losses: Mapping[str, Any],
    y_true: str,
    y_pred: Sequence[str],
    weight: str | None,
    by: Sequence[str],
    nan_policy: str,
) -> Plan:
    """Read the options; an error says which of them does not fit."""
    for option, names in (("--y-pred", y_pred), ("--by", by)):
        for name, times in Counter(names).items():
            if times > 1:
                raise Failure(f"{option} {name}: this is asked for twice")
    if "" in by:
        raise Failure("--by '': the name of the column is empty")
    try:
        targets = split_columns(files, y_true.split(","))
        models = {text: split_columns(files, text.split(",")) for text in y_pred}
    except TableError as error:
        raise Failure(str(error)) from error
    for columns in models.values():
        _check_columns(losses, targets, columns)
    found = Plan(losses, targets, models, weight, by, nan_policy)
    for name, times in Counter(found.columns).items():
        if times > 1:
            raise Failure(f"--by {name}: the scores have a column of this name; rename one")
    try:
        found.scorer()
    except ValueError as error:  # losses that do not go together, or have weights of their own
        raise Failure(str(error).replace("sample_weight", "--weight")) from error
    return found


def _check_columns(losses: Mapping[str, Any], y_true: list[str], y_pred: list[str]) -> None:
    """Losses of rows need a column for each class, the others have one."""
    shown = [",".join([*names[:8], *["..."][: len(names) > 8]]) for names in (y_true, y_pred)]
    given = f"got --y-true {shown[0]} --y-pred {shown[1]}"
    for option, names in (("--y-true", y_true), ("--y-pred", y_pred)):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise Failure(f"{option}: column {twice[0]!r} is named twice")
    for name, loss in losses.items():
        one_by_one = len(y_true) == len(y_pred)
        if loss.parameters.get("axis", -1) != -1:
            raise Failure(f"--loss {name}: in a table classes are columns; leave out axis")
        if not isinstance(loss, RowLoss):
            fits = len(y_true) == len(y_pred) == 1
            wanted = "one column of targets and one of predictions"
        elif loss._columns:
            fits = len(y_true) == 1 and len(y_pred) == len(loss._columns)
            wanted = f"columns for {' and '.join(loss._columns)}, as in --y-pred mean,variance"
        elif len(y_pred) == 1:
            fits, wanted = False, "a column for each class, as in --y-pred p0,p1"
        elif "labels" in loss._takes:
            fits = len(y_true) == 1 or one_by_one and "targets" in loss._takes
            wanted = "one column of classes" + (
                ", or a column of targets for each class" if "targets" in loss._takes else ""
            )
        else:
            fits, wanted = one_by_one, "a column of targets for each of predictions"
        if not fits:
            models = len(y_true) == 1 < len(y_pred) and not isinstance(loss, RowLoss)
            hint = "; models have a --y-pred each" if models else ""
            raise Failure(f"--loss {name}: it needs {wanted}; {given}{hint}")
