"""Classes of one kind by their names: losses, optimizers, penalties, schedules."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


class Registry(dict[str, type[T]]):
    """Those that this package defines.

    A user's subclass is none of them, whatever its name: what a name stands for does not depend on
    what else a program defines.
    """

    def add(self, name: str, cls: type[T]) -> bool:
        """Enter a class, if it is this package's own; whether it is."""
        if is_own(cls):
            self[name] = cls
            return True
        return False


def is_own(cls: type) -> bool:
    """Whether this package defines a class."""
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]
