"""What is to be scored: losses, and the columns of targets, of models and of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from fastloss.cli.errors import Failure
from fastloss.cli.options import named_measure
from fastloss.cli.outcome import column_name, fields_of
from fastloss.losses import Loss
from fastloss.losses.rows import RowLoss
from fastloss.scoring import Comparer, Scorer
from fastloss.scoring.measure import Measure
from fastloss.scoring.measures import Accuracy, OfLoss
from fastloss.scoring.tables import Label, class_labels, split_columns
from fastloss.tables import Options, Source, names_in, open_sources


@dataclass(frozen=True)
class Plan:
    """What is asked for, checked as far as it can be before anything is read."""

    sources: Sequence[Source]
    measures: Mapping[str, Measure]
    y_true: Sequence[str]
    models: Mapping[str, Sequence[str]]  # the columns of each, by what --y-pred calls them
    classes: Mapping[str, Sequence[Label]]  # the labels of a column of targets
    weight: str | None
    by: Sequence[str]
    nan_policy: str
    stderr: bool
    comparing: Mapping[str, Any] | None  # what the result of a Comparer is to be asked for

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
        return len(self.y_true) == 1 and _of_labels(self.measures, self.models)

    @property
    def losses(self) -> dict[str, Loss]:
        """The measures that are the mean of a loss, which has gradients."""
        each = self.measures.items()
        return {name: measure.losses[0] for name, measure in each if isinstance(measure, OfLoss)}

    @property
    def columns(self) -> list[str]:
        """What the columns of the scores are called."""
        found = ["model"] if len(self.models) > 1 else []
        found += self.by
        for name, measure in self.measures.items():
            fields = fields_of(measure, self.stderr, self.comparing is not None)
            found += [column_name(name, field) for field in fields]
        return [*found, "weight", "count"]

    def seen(self) -> Comparer | dict[str, Scorer]:
        """What takes in the rows: of all models together, or of each by its name."""
        measures: Any = self.measures.values()
        if self.comparing is not None:
            return Comparer(measures, self.models, nan_policy=self.nan_policy)
        options: Any = {"nan_policy": self.nan_policy, "stderr": self.stderr}
        return {model: Scorer(measures, **options) for model in self.models}


def read_measures(specs: Sequence[str]) -> dict[str, Measure]:
    """The losses and metrics by the names that their columns have."""
    found: dict[str, Measure] = {}
    for spec in specs:
        measure = named_measure(f"--loss {spec}", spec)
        if measure.spec in found:
            raise Failure(f"--loss {spec}: this loss is asked for twice")
        found[measure.spec] = measure
    return found


def read_comparison(
    compare: bool, y_pred: Sequence[str], by: Sequence[str], baseline: str | None, holm: bool
) -> dict[str, Any] | None:
    """How models are to be compared, if they are."""
    if not compare:
        for option, given in (("--baseline", baseline is not None), ("--holm", holm)):
            if given:
                raise Failure(f"{option}: this goes with --compare")
        return None
    if len(y_pred) < 2:
        raise Failure("--compare: there is one model; give each its --y-pred")
    if baseline not in (None, "best", *y_pred):
        raise Failure(f"--baseline {baseline}: this is none of the models {', '.join(y_pred)}")
    if holm and not by:
        raise Failure("--holm: it corrects for groups; give their --by")
    return {"baseline": baseline, "correction": "holm" if holm else None}


def make_plan(
    files: Sequence[str],
    options: Options,
    measures: Mapping[str, Measure],
    y_true: str,
    y_pred: Sequence[str],
    classes: str | None,
    *,
    weight: str | None,
    by: Sequence[str],
    policy: str,
    stderr: bool,
    comparing: Mapping[str, Any] | None,
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
        _check_columns(measures, targets, columns)
    if comparing is not None:
        _check_alike(models)
    labels = _classes(sources, measures, targets, models, classes)
    stderr = stderr or comparing is not None
    found = Plan(sources, measures, targets, models, labels, weight, by, policy, stderr, comparing)
    for name, times in Counter(found.columns).items():
        if times > 1:
            raise Failure(f"--by {name}: the scores have a column of this name; rename one")
    try:
        found.seen()
    except ValueError as error:  # losses that do not go together, or have weights of their own
        raise Failure(str(error).replace("sample_weight", "--weight")) from error
    return found


def _check_alike(models: Mapping[str, Sequence[str]]) -> None:
    """An error unless models have as many columns."""
    (first, of_first), *others = models.items()
    for model, columns in others:
        if len(columns) != len(of_first):
            raise Failure(
                f"--compare: models have as many columns as the first; {first} has "
                f"{len(of_first)}, {model} has {len(columns)}"
            )


def _classes(
    sources: Sequence[Source],
    measures: Mapping[str, Measure],
    targets: Sequence[str],
    models: Mapping[str, Sequence[str]],
    given: str | None,
) -> dict[str, Sequence[Label]]:
    """The labels of the column of targets, if it holds classes that are not numbers."""
    if len(targets) > 1:
        if given is not None:
            raise Failure("--classes: the targets have a column for each class, not labels")
        return {}
    if given is None and not _of_labels(measures, models):
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


def _of_labels(measures: Mapping[str, Measure], models: Mapping[str, Sequence[str]]) -> bool:
    """Whether targets are classes of which each has a column of predictions."""
    several = any(len(columns) > 1 for columns in models.values())
    return any(
        isinstance(measure, Accuracy) and several
        or any("labels" in getattr(loss, "_takes", ()) for loss in measure.losses)
        for measure in measures.values()
    )  # fmt: skip


def _check_columns(measures: Mapping[str, Measure], y_true: list[str], y_pred: list[str]) -> None:
    """Losses of rows need a column for each class, the others have one."""
    shown = [",".join([*names[:8], *["..."][: len(names) > 8]]) for names in (y_true, y_pred)]
    given = f"got --y-true {shown[0]} --y-pred {shown[1]}"
    for option, names in (("--y-true", y_true), ("--y-pred", y_pred)):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise Failure(f"{option}: column {twice[0]!r} is named twice")
    for name, measure in measures.items():
        one_by_one = len(y_true) == len(y_pred)
        loss: Any = measure.losses[0] if measure.losses else None
        if loss is not None and loss.parameters.get("axis", -1) != -1:
            raise Failure(f"--loss {name}: in a table classes are columns; leave out axis")
        if isinstance(measure, Accuracy):
            fits = len(y_true) == 1 and (len(y_pred) > 1 or not measure.of_rows)
            wanted = "one column of classes" + ", and one of predictions for each" * bool(
                measure.of_rows
            )
        elif not isinstance(loss, RowLoss):
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
            alone = not isinstance(loss, RowLoss) and not isinstance(measure, Accuracy)
            models = len(y_true) == 1 < len(y_pred) and alone
            hint = "; models have a --y-pred each" if models else ""
            raise Failure(f"--loss {name}: it needs {wanted}; {given}{hint}")
