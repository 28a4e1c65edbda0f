"""``--fail-above`` and ``--fail-below``: what the scores must not cross."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fastloss.cli.errors import Failure
from fastloss.cli.options import named_measure
from fastloss.cli.outcome import Outcome

CROSSED = 3  # the exit status


@dataclass(frozen=True)
class Bound:
    """The most or the least that a loss may be."""

    side: str  # "above" or "below"
    loss: str
    value: float
    text: str  # as the option was given

    def crossed_by(self, value: float) -> bool:
        """NaN keeps no bound."""
        return not (value <= self.value if self.side == "above" else value >= self.value)


def read_bounds(above: Iterable[str], below: Iterable[str], scored: Collection[str]) -> list[Bound]:
    """Read the options; an error if one is not of a loss that is scored, or not a number."""
    return [
        _bound(side, text, scored)
        for side, texts in (("above", above), ("below", below))
        for text in texts
    ]


def _bound(side: str, text: str, scored: Collection[str]) -> Bound:
    given = f"--fail-{side} {text}"
    spec, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not equals or math.isnan(value):
        raise Failure(f"{given}: expected LOSS=NUMBER, as in log_loss=0.5")
    name = named_measure(given, spec).spec
    if name not in scored:
        raise Failure(f"{given}: {spec} is none of the losses scored: {', '.join(scored)}")
    return Bound(side, name, value, text)


def crossed(limits: Sequence[Bound], outcome: Outcome) -> list[str]:
    """Which values of all rows cross which bounds, in words."""
    return [
        f"--fail-{limit.side} {limit.text}: {limit.loss}{outcome.of(model)} is {value}"
        for model, scores in outcome.scores.items()
        for limit in limits
        if limit.crossed_by(value := float(scores.values[scores.names.index(limit.loss)]))
    ]
