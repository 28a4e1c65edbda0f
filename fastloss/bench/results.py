"""The results of a run: what was measured, as a file, and against an older run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fastloss.bench.cases import Shape
from fastloss.bench.peers.base import GIVEN
from fastloss.files import written_whole

OURS = "fastloss"
SCHEMA = 2
# figures that follow from others, for whoever reads the file: of a row,
DERIVED = ("n", "limit", "bound", "rate", "share")
OF_PAIR = ("ratio", "outcome")  # and of a row of a peer and ours
NOISE = 1.1  # what is less than this many times slower is not reported, however quiet the runs


class ResultsError(ValueError):
    """A file that does not hold the results of a run."""


@dataclass(frozen=True)
class Key:
    """Which piece of work a row is about, whoever did it."""

    name: str
    method: str
    shape: Shape
    dtype: str
    threads: int

    @property
    def n(self) -> int:
        """Elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Row(Key):
    """The time of one piece of work, done by one peer in one way."""

    peer: str
    outputs: str  # "given" or "fresh"
    seconds: float  # the median,
    low: float  # and the quartiles
    high: float
    rounds: int
    bytes: int  # that have to be moved at least
    compute: float  # seconds of our own kernel with all data in the first-level cache
    memory: float | None  # seconds of moving them, in the same rounds; None within the caches
    difference: float  # of the results from ours, relative to their size
    extra_bytes: int | None  # held during the call beyond what was held before

    @property
    def key(self) -> Key:
        return Key(self.name, self.method, self.shape, self.dtype, self.threads)

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds

    @property
    def limit(self) -> float:
        """Seconds that memory needs at least, or our kernel with no wait for memory."""
        return max(self.compute, self.memory or 0.0)

    @property
    def bound(self) -> str:
        """What the limit is due to."""
        return "memory" if self.limit == self.memory else "compute"

    @property
    def share(self) -> float:
        """Of the speed at the limit."""
        return self.limit / self.seconds


@dataclass(frozen=True)
class Pair:
    """A row of ours and one of a peer that are compared: the same work, allocation and threads."""

    ours: Row
    theirs: Row

    @property
    def ratio(self) -> float:
        """How many times longer the peer takes."""
        return self.theirs.seconds / self.ours.seconds

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`: noise, where the quartiles meet."""
        if self.theirs.low > self.ours.high:
            return "won"
        return "lost" if self.theirs.high < self.ours.low else "noise"


OUTCOMES = ("won", "lost", "noise")


@dataclass(frozen=True)
class Results:
    """A run."""

    date: str
    machine: dict[str, str]
    threads: int
    versions: dict[str, str]  # of the peers
    absent: dict[str, str]  # peers that did not run, and why
    disagreeing: list[str]  # cases whose results differed from ours, which were not timed
    bandwidth: dict[str, float]  # bytes a second
    rows: list[Row]

    def find(self, **wanted: Any) -> Iterator[Row]:
        """The rows that have these fields."""
        for row in self.rows:
            if all(getattr(row, name) == value for name, value in wanted.items()):
                yield row

    def pairs(self) -> Iterator[Pair]:
        """Each row of a peer with ours of the same allocation or, where we have no choice, ours."""
        ours: dict[Key, dict[str, Row]] = {}
        for row in self.find(peer=OURS):
            ours.setdefault(row.key, {})[row.outputs] = row
        for row in self.rows:
            if row.peer != OURS and row.key in ours:
                ways = ours[row.key]
                yield Pair(ways.get(row.outputs, next(iter(ways.values()))), row)

    def counts(self) -> dict[str, dict[str, int]]:
        """Of each peer, how many comparisons have each outcome."""
        found = {peer: dict.fromkeys(OUTCOMES, 0) for peer in self.versions}
        for pair in self.pairs():
            of_peer = found.setdefault(pair.theirs.peer, dict.fromkeys(OUTCOMES, 0))
            of_peer[pair.outcome] += 1
        return {peer: counts for peer, counts in found.items() if any(counts.values())}

    def lost(self) -> list[Pair]:
        """The comparisons lost, the worst first."""
        return sorted((p for p in self.pairs() if p.outcome == "lost"), key=lambda p: p.ratio)

    def ratios(self, outputs: str = GIVEN) -> dict[Key, dict[str, float]]:
        """How many times longer than fastloss each peer takes, with arrays given or made anew.

        Like is compared with like: a peer that cannot write to arrays given is compared with
        fastloss making new ones too.
        """
        found: dict[Key, dict[str, float]] = {row.key: {} for row in self.find(peer=OURS)}
        for pair in self.pairs():
            ratios, row = found[pair.ours.key], pair.theirs
            if row.outputs == outputs or row.peer not in ratios:
                ratios[row.peer] = pair.ratio
        return found

    def write(self, path: Path) -> None:
        """Write as JSON, a line for each row, its names in "columns"; whole or not at all."""
        head = {field.name: getattr(self, field.name) for field in fields(self)[:-1]}
        names = [field.name for field in fields(Row)] + list(DERIVED)
        columns = [*names, *OF_PAIR]
        text = json.dumps({"schema": SCHEMA, **head, "columns": columns}, indent=1)[:-2]
        pairs = {pair.theirs: pair for pair in self.pairs()}
        lines = []
        for row in self.rows:
            figures = [getattr(row, name) for name in names]
            figures += [getattr(pairs.get(row), name, None) for name in OF_PAIR]
            lines.append(json.dumps([_short(figure) for figure in figures]))
        text += ',\n "rows": [\n' + ",\n".join(lines) + "\n]}\n"
        with written_whole(path) as file:
            file.write(text.encode())

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` wrote; a ResultsError says what is wrong with the file."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ResultsError(f"{path}: {(error.strerror or str(error)).lower()}") from error
        except ValueError as error:
            raise ResultsError(f"{path}: not JSON: {error}") from error
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            raise ResultsError(f"{path}: not results of `fastloss bench` of this version")
        try:
            columns = found["columns"]
            rows = [dict(zip(columns, row, strict=True)) for row in found["rows"]]
            for row in rows:
                row["shape"] = tuple(row["shape"])
            head = {field.name: found[field.name] for field in fields(cls)[:-1]}
            names = [field.name for field in fields(Row)]
            return cls(**head, rows=[Row(**{name: row[name] for name in names}) for row in rows])
        except KeyError as error:
            raise ResultsError(f"{path}: results without {error}") from error
        except (TypeError, ValueError) as error:
            raise ResultsError(f"{path}: damaged results: {error}") from error


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


@dataclass(frozen=True)
class Change:
    """A row that takes another time than before, beyond the noise."""

    row: Row
    before: float
    ratio: float  # how many times slower, after the machine's own change is taken out


@dataclass(frozen=True)
class Comparison:
    """Two runs of the same cases."""

    slower: list[Change]
    faster: list[Change]
    compared: int
    drift: float  # how many times slower the peers have become: the machine's doing
    noise: float  # how many times slower a row has to be to count
    other_machine: bool  # what the machine says of itself has changed


def compare(old: Results, new: Results) -> Comparison:
    """What of fastloss became slower or faster, beyond the noise.

    The peers tell what the machine does, as their speed has no reason to change with ours: the
    median change of their rows is the drift, which is taken out; and a change of ours counts if
    it is larger than 95 % of theirs, and the quartiles of the two runs do not meet.
    """
    before = {(row.key, row.peer, row.outputs): row for row in old.rows}
    pairs = [(before.get((row.key, row.peer, row.outputs)), row) for row in new.rows]
    known = [(a, b) for a, b in pairs if a is not None]
    ours = [(a, b) for a, b in known if b.peer == OURS]
    if not ours:
        raise ResultsError("no row of fastloss is in both runs: the same plan and threads?")
    theirs = np.array([b.seconds / a.seconds for a, b in known if b.peer != OURS] or [1.0])
    drift = float(np.median(theirs))
    spread = np.abs(np.log(theirs / drift))
    noise = max(NOISE, float(np.exp(np.quantile(spread, 0.95))))
    slower, faster = [], []
    for a, b in ours:
        ratio = b.seconds / (a.seconds * drift)
        if ratio > noise and b.low > a.high * drift:
            slower.append(Change(b, a.seconds, ratio))
        elif ratio < 1 / noise and b.high < a.low * drift:
            faster.append(Change(b, a.seconds, ratio))
    slower.sort(key=lambda change: -change.ratio)
    faster.sort(key=lambda change: change.ratio)
    return Comparison(slower, faster, len(ours), drift, noise, old.machine != new.machine)
