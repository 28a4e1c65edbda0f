"""Scores of data in partitions that lie elsewhere: what tasks do, and how their results meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from fastloss.losses.base import Loss
from fastloss.scoring.frames import parts
from fastloss.scoring.scorer import Scorer
from fastloss.threads import num_threads


class Task:
    """What each partition is asked for: checked where it is made, and sent to workers as it is.

    A task gives a scorer of its own, and merging makes a new one: nothing that another task sees
    is changed. So a partition counts once where a task is tried again, or runs twice because it was
    slow: of each the scheduler takes one result.
    """

    def __init__(self, losses: Any, nan_policy: str, stderr: bool, columns: dict[str, Any]) -> None:
        self.options: dict[str, Any] = {"nan_policy": nan_policy, "stderr": stderr}
        one = isinstance(losses, (str, Loss)) or not isinstance(losses, Iterable)
        self.losses = losses if one else [*losses]
        self.new()  # raises what is wrong with these here
        self.columns = columns
        given = [[name] if isinstance(name, str) else name or [] for name in columns.values()]
        self.names = list(dict.fromkeys(name for names in given for name in names))

    def check_columns(self, there: Iterable[str]) -> None:
        """Raise an error that names the first column that is not there."""
        there = list(there)
        for name in self.names:
            if name not in there:
                raise ValueError(
                    f"there is no column {name!r}; there are {', '.join(map(str, there))}"
                )

    def scored(self, frame: Any) -> Scorer:
        """The scorer of a partition."""
        scorer = self.new()
        with on_one_thread():
            for arguments in parts(frame, **self.columns):
                scorer.update(**arguments)
        return scorer

    def merged(self, scorers: Iterable[Scorer]) -> Scorer:
        total = self.new()
        for scorer in scorers:
            total.merge(scorer)
        return total

    def new(self) -> Scorer:
        return Scorer(self.losses, **self.options)


@contextmanager
def in_partition(place: int) -> Iterator[None]:
    """Say of an error which partition it is of, in a note: its type and attributes stay."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in partition {place}")
        raise


def on_one_thread() -> AbstractContextManager[None]:
    """One thread a task: the scheduler runs as many at once as there are cores for them.

    The number is that of the process, whose other tasks want the same: `num_threads` gives the
    user's own number back when the last of them is done.
    """
    return num_threads(1)
