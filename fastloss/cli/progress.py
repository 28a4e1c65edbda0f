"""How far a command is, shown on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Show(Protocol):
    """Shows the share that is done, of how many more rows, and perhaps what is being done."""

    def __call__(self, done: float, rows: int, text: str = "") -> None: ...


@contextmanager
def progress() -> Iterator[Show]:
    """A progress bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, rows, text="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[rate]:,.0f} rows/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    began = time.monotonic()
    total = 0
    with bar:
        task = bar.add_task("", total=1.0, rows=0, rate=0.0)

        def show(done: float, rows: int, text: str = "") -> None:
            nonlocal total
            total += rows
            rate = total / max(time.monotonic() - began, 1e-9)
            bar.update(task, completed=done, rows=total, rate=rate, description=text)

        yield show
