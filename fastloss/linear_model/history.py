"""What happens in a fit: its history, progress, callbacks, and when it has got nowhere for long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

FIELDS = ("loss", "validation_loss", "learning_rate", "grad_norm", "seconds")


def empty_history() -> dict[str, list[Any]]:
    return {name: [] for name in FIELDS}


class History:
    """Records iterations, and says when to stop.

    Parameters
    ----------
    publish : callable
        Makes weights those of the estimator, for callbacks.
    validate : callable or None
        The validation loss of weights.
    patience : int or None
        Iterations without an improvement of the validation loss, or of the training loss if there
        is none, that end the fit; None for never.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        publish: Callable[[Vector], None],
        validate: Callable[[Vector], float] | None,
        patience: int | None,
        tol: float,
        total: int,
    ) -> None:
        self.estimator, self.publish, self.validate = estimator, publish, validate
        self.patience, self.tol = patience, tol
        self.fields = empty_history()
        self.began = time.perf_counter()
        self.best, self.since = np.inf, 0
        self.best_w: Vector | None = None
        self.stopped = False  # by patience or a callback
        self.progress = _progress(estimator.verbose, total)
        self.callbacks: Sequence[Callable[[Any], Any]] = estimator.callbacks or ()

    def __len__(self) -> int:
        return len(self.fields["loss"])

    def add(
        self, w: Vector, loss: float, grad_norm: float, learning_rate: float | None = None
    ) -> bool:
        """Record an iteration; whether it is to be the last."""
        seen = None if self.validate is None else self.validate(w)
        row = (loss, seen, learning_rate, grad_norm, time.perf_counter() - self.began)
        for name, value in zip(FIELDS, row, strict=True):
            self.fields[name].append(value)
        self.progress(len(self), loss, seen)
        self.stopped = self._tired(w, loss if seen is None else seen)
        if self.callbacks:
            self.publish(w)
            try:
                for callback in self.callbacks:
                    callback(self.estimator)
            except StopIteration:
                self.stopped = True
        return self.stopped

    def _tired(self, w: Vector, value: float) -> bool:
        if self.patience is None:
            return False
        # the first always counts, whatever it is
        better = not self.since and self.best_w is None or value < self.best - self.tol
        self.since = 0 if better else self.since + 1
        if value < self.best or self.best_w is None:
            self.best, self.best_w = value, w.copy()
        return self.since >= self.patience

    def close(self) -> None:
        self.progress.close()


class _Silent:
    def __call__(self, iteration: int, loss: float, validation: float | None) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines(_Silent):
    """A line for every k-th iteration."""

    def __init__(self, every: int) -> None:
        self.every = every

    def __call__(self, iteration: int, loss: float, validation: float | None) -> None:
        if iteration % self.every == 0:
            print(f"iteration {iteration:4d}: {_losses(loss, validation)}", flush=True)


class _Bar(_Silent):
    """A bar on a terminal, of rich."""

    def __init__(self, total: int) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self.bar = Progress(
            TextColumn("fitting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
        )
        self.bar.start()
        self.task = self.bar.add_task("", total=total)

    def __call__(self, iteration: int, loss: float, validation: float | None) -> None:
        self.bar.update(self.task, completed=iteration, description=_losses(loss, validation))

    def close(self) -> None:
        self.bar.stop()


def _losses(loss: float, validation: float | None) -> str:
    return f"loss {loss:.6g}" + ("" if validation is None else f", validation {validation:.6g}")


def _progress(verbose: Any, total: int) -> _Silent:
    """What verbose asks for: a bar on a terminal that rich can draw on, else lines."""
    if not verbose:
        return _Silent()
    if sys.stdout.isatty():
        try:
            return _Bar(total)
        except ImportError:
            pass
    return _Lines(int(verbose))
