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
from fastloss.scoring.tables import Label, class_labels, split_columns
from fastloss.tables import Options, Source, names_in, open_sources


@dataclass(frozen=True)
class Plan:
    """What is asked for, checked as far as it can be before anything is read."""

    sources: Sequence[Source]
    losses: Mapping[str, Any]
    y_true: Sequence[str]
    models: Mapping[str, Sequence[str]]  # the columns of each, by what --y-pred calls them
    classes: Mapping[str, Sequence[Label]]  # the labels of a column of targets
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
        return len(self.y_true) == 1 and _of_labels(self.losses)

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
    options: Options,
    losses: Mapping[str, Any],
    y_true: str,
    y_pred: Sequence[str],
    classes: str | None,
    *,
    weight: str | None,
    by: Sequence[str],
    policy: str,
) -> Plan:
    """Read the options, and what the files say of them; an error says which does not fit."""
    for option, names in (("--y-pred", y_pred), ("--by", by)):
        for name, times in Counter(names).items():
            if times > 1:
                raise Failure(f"{option} {name}: this is asked for twice")
    if "" in by:
        raise Failure("--by '': the name of the column is empty")
    targets, models = names_in(y_true), {text: names_in(text) for text in y_pred}
    wanted = [*targets, *chain.from_iterable(models.values()), *by]
    sources = open_sources(files, options, wanted if weight is None else [*wanted, weight])
    targets = split_columns(sources, targets)
    models = {text: split_columns(sources, names) for text, names in models.items()}
    for columns in models.values():
        _check_columns(losses, targets, columns)
    labels = _classes(sources, losses, targets, models, classes)
    found = Plan(sources, losses, targets, models, labels, weight, by, policy)
    for name, times in Counter(found.columns).items():
        if times > 1:
            raise Failure(f"--by {name}: the scores have a column of this name; rename one")
    try:
        found.scorer()
    except ValueError as error:  # losses that do not go together, or have weights of their own
        raise Failure(str(error).replace("sample_weight", "--weight")) from error
    return found


def _classes(
    sources: Sequence[Source],
    losses: Mapping[str, Any],
    targets: Sequence[str],
    models: Mapping[str, Sequence[str]],
    given: str | None,
) -> dict[str, Sequence[Label]]:
    """The labels of the column of targets, if it holds classes that are not numbers."""
    if len(targets) > 1:
        if given is not None:
            raise Failure("--classes: the targets have a column for each class, not labels")
        return {}
    if given is None and not _of_labels(losses):
        return {}
    found = {
        model: class_labels(sources, targets[0], columns, given)
        for model, columns in models.items()
    }
    first, labels = next(iter(found.items()))
    for model, others in found.items():
        if others != labels:
            raise Failure(f"--y-pred {model}: its classes are not those of {first}, in their order")
    return {} if labels is None else {targets[0]: labels}


def _of_labels(losses: Mapping[str, Any]) -> bool:
    return any("labels" in getattr(loss, "_takes", ()) for loss in losses.values())


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
