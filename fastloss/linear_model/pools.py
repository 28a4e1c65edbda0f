"""How many threads there are in a fit."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import joblib
from threadpoolctl import ThreadpoolController

from fastloss.threads import num_threads


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


class _OneThreadOfBlas:
    """Limits BLAS to one thread while any fit runs.

    What it is asked for in a fit is small: its threads would gain little, and where CPUs are busy
    they wait for each other a thousand times as long as they work.
    """

    def __init__(self) -> None:
        self.lock, self.inside, self.limits = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.limits.enter_context(_blas().limit(limits=1))
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limits.close()


_one_thread_of_blas = _OneThreadOfBlas()


def threads_of_predictions() -> AbstractContextManager[Any]:
    """One thread inside joblib's threads: each of them would start as many as there are CPUs."""
    backend, _ = joblib.parallel.get_active_backend()
    inside = getattr(backend, "nesting_level", 0) and "Threading" in type(backend).__name__
    return num_threads(1) if inside else nullcontext()


@contextmanager
def threads_of_fits() -> Iterator[None]:
    """As of predictions, and one thread of BLAS."""
    with threads_of_predictions(), _one_thread_of_blas:
        yield
