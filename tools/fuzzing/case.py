"""One case: calls of the public face, counted, and what has to hold after each of them."""

from __future__ import annotations

import math
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import fastloss
from fuzzing.draw import Draw

ALLOWED = (ValueError, TypeError, MemoryError)
PACKAGE = str(Path(fastloss.__file__).parent)
SUBNORMAL = [5e-324]  # in a list, so that Python does not compute with it beforehand


class Found(Exception):
    """What should not be.

    Parameters
    ----------
    kind : str
        Of the call after which it was seen.
    problem : str
        In words that are the same whenever the same thing happens.
    detail : str
        What was expected, and what came.
    """

    def __init__(self, kind: str, problem: str, detail: str = "") -> None:
        super().__init__(kind, problem, detail)
        self.kind, self.problem, self.detail = kind, problem, detail


class Tally:
    """Calls, errors and findings, counted."""

    def __init__(self) -> None:
        self.cases = 0
        self.calls: Counter[str] = Counter()  # by kind
        self.names: Counter[str] = Counter()  # by what was drawn: a loss, a rule, a kind of file
        self.errors: Counter[tuple[str, str]] = Counter()  # by kind and class
        self.findings: dict[tuple[str, str], dict[str, Any]] = {}  # by kind and problem

    def add(self, other: Tally) -> None:
        self.cases += other.cases
        self.calls += other.calls
        self.names += other.names
        self.errors += other.errors
        for finding in other.findings.values():
            self.enter(finding)

    def enter(self, finding: dict[str, Any]) -> None:
        """Count a finding; of those that are alike that of the first case is kept."""
        key = finding["kind"], finding["problem"]
        known = self.findings.get(key)
        times = finding["times"] + (known["times"] if known else 0)
        if known is not None and known["index"] <= finding["index"]:
            finding = known
        self.findings[key] = {**finding, "times": times}


class Case:
    """What one case draws, calls and sees.

    Attributes
    ----------
    draw : Draw
    inputs : dict
        What a report shows of the case, by name.
    """

    def __init__(self, draw: Draw, tally: Tally, tell: Callable[[str], None] | None = None) -> None:
        self.draw, self.tally, self.tell = draw, tally, tell
        self.inputs: dict[str, Any] = {}
        self._watched: list[tuple[Any, bytes]] = []  # arrays, and what is in them
        self._others: list[tuple[Any, str]] = []  # what is no array, and how it looks

    def watch(self, *given: Any) -> None:
        """Take note of what calls must not change: arrays, or what repr() shows in full."""
        for item in given:
            if isinstance(item, np.ndarray):
                if 0 in item.strides:  # of the same numbers many times, once is enough
                    item = item[tuple(slice(None if step else 1) for step in item.strides)]
                self._watched.append((item, item.tobytes()))
            elif item is not None:
                self._others.append((item, repr(item)))

    def forget(self) -> None:
        """Watch nothing of what was watched so far."""
        self._watched, self._others = [], []

    def call(self, kind: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """The result of a call, or the error of a class that the documentation names."""
        return self.allowing(ALLOWED, kind, function, *args, **kwargs)

    def allowing(
        self,
        allowed: tuple[type[Exception], ...],
        kind: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """`call` of what documents other errors."""
        if self.tell is not None:
            parts = [*map(shown, args), *(f"{key}={shown(x)}" for key, x in kwargs.items())]
            self.tell(f"{kind} {shown(function)}({', '.join(parts)})")
        self.tally.calls[kind] += 1
        result: Any
        try:
            result = function(*args, **kwargs)
        except allowed as error:
            self.tally.errors[kind, type(error).__name__] += 1
            if not str(error) and not isinstance(error, MemoryError):
                raise Found(kind, f"{type(error).__name__} without a message") from error
            result = error.with_traceback(None)
        except Exception as error:
            self.tally.errors[kind, type(error).__name__] += 1
            place = " < ".join(_places(error)[:3])
            text = f"raises {type(error).__name__} at {place}"
            raise Found(kind, text, f"{type(error).__name__}: {error}") from error
        for array, before in self._watched:
            if array.tobytes() != before:
                raise Found(kind, "changes an argument", f"now {shown(array)}")
        for item, look in self._others:
            if repr(item) != look:
                raise Found(kind, "changes an argument", f"now {item!r}, before {look}")
        if self.tell is not None:
            self.tell(f"    -> {shown(result)}")
        return result

    def same(self, kind: str, problem: str, got: Any, want: Any) -> None:
        """A finding unless two results have the same bits, or two errors are of one class."""
        if not same(got, want):
            raise Found(kind, problem, f"got {shown(got)}\n    want {shown(want)}")

    def check(self, kind: str, problem: str, holds: bool, *involved: Any) -> None:
        if not holds:
            raise Found(kind, problem, "; ".join(map(shown, involved)))


def failed(result: Any) -> bool:
    """Whether what `Case.call` gave is an error."""
    return isinstance(result, Exception)


def same(a: Any, b: Any) -> bool:
    """Whether two results have the same bits; every NaN is as good as any other."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b)
    if isinstance(a, (tuple, list)):
        return isinstance(b, (tuple, list)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        if a != a or b != b:
            return a != a and b != b
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, np.generic) and isinstance(b, np.generic):
        a, b = np.asarray(a), np.asarray(b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return a.tobytes() == b.tobytes() or _same_but_for_nan(a, b)
    return type(a) is type(b) and bool(a == b)


def _same_but_for_nan(a: np.ndarray, b: np.ndarray) -> bool:
    gaps = a != a
    if not gaps.any() or (gaps != (b != b)).any():
        return False
    return np.where(gaps, 0, a).tobytes() == np.where(gaps, 0, b).tobytes()


def _places(error: BaseException) -> list[str]:
    """Where in the package an error comes from, the innermost place first."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(PACKAGE)]
    found = [f"{Path(frame.filename).relative_to(PACKAGE)}:{frame.name}" for frame in own]
    return found[::-1] or [f"{Path(frames[-1].filename).name}:{frames[-1].name}"]


def shown(value: Any) -> str:
    """A value in a few words, from which the case can be understood."""
    if isinstance(value, np.ndarray):
        with np.printoptions(threshold=24, edgeitems=4, floatmode="unique"):
            numbers = " ".join(str(value).split())
        layout = "" if value.flags.c_contiguous else f" strides {value.strides}"
        return f"<{value.dtype} {value.shape}{layout} {numbers}>"
    if isinstance(value, (tuple, list)) and len(value) < 20:
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {shown(x)}' for key, x in value.items())}}}"
    if isinstance(value, Exception):
        return f"{type(value).__name__}: {value}"
    text = repr(value)
    return text if len(text) < 400 else f"{text[:400]}..."


def described(inputs: Iterable[tuple[str, Any]]) -> str:
    return "\n".join(f"    {name} = {shown(value)}" for name, value in inputs)


def is_environment_kept() -> bool:
    """Whether floating-point numbers behave as at the start of a process."""
    kept = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
    return np.geterr() == kept and SUBNORMAL[0] * 1.0 != 0
