#!/usr/bin/env python
"""Kill everything that writes a file while it writes, at random moments, with SIGKILL.

    tools/kill.py                           # 1,000 kills, over all writers of tools/writers.py
    tools/kill.py --kills 100 --only "save_losses"
    tools/kill.py --quick --kills 42        # small files, as the tests have it

Files are made large enough that writing one takes 20 ms. A child, forked from a process that has
imported everything, tells by a pipe when it opens the new file and when it renames it; the moments
of most kills are spread over that time and a little more, of the others over what is before. Then
each file has to hold what it held or all of the new content, to the byte, and what it held where
the child had not told that it renames it. What is left over has the name ``.<16 digits>.partial``,
or ``build-*`` of compilers; every tenth time, and at the end, a child that nobody kills has to
write beside it.

Linux or macOS, and the packages of fastloss[cli,bench].
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from children import ENDED, OPENED, RENAMED, STARTED, run, start
from faults import chosen, kept, parser
from record import recorded
from writers import WRITERS, Writer, import_all, is_left_over, remove, state, unlisted

LEAST = 0.02  # seconds that a write takes
LARGEST = 256  # megabytes, more or less, of a file that takes as long
PHASES = ("before", "during", "after")
AGAIN = 10  # kills between writes that are not disturbed
PILE = 20  # kills between removals of what is left over
EARLY = 0.15  # of the kills come before the file is opened, as far as one can tell,
BEYOND = 1.15  # the others when so much of the time of a write has gone by, at most


class Wrong(Exception):
    """What must not be."""


class Target:
    """A folder that a writer writes to, and what it should hold."""

    def __init__(self, writer: Writer, folder: Path, quick: bool) -> None:
        self.writer, self.inputs, self.folder = writer, folder / "inputs", folder / "target"
        self.inputs.mkdir()
        self.folder.mkdir()
        self.times: list[tuple[float, float]] = []  # from the start until it opens, and renames
        self.versions = [self._made(folder / f"version{k}", k, 1) for k in (0, 1)]
        size = 1
        while not quick and self.duration < LEAST and writer.unit > 1 and size < LARGEST:
            size *= 2
            self.times.clear()
            self.versions = [self._made(folder / f"version{k}", k, size) for k in (0, 1)]
        for _ in range(0 if quick else 3):
            self.write(0)
        self.write(0)
        self.version = 0

    def _made(self, folder: Path, version: int, size: int) -> dict[str, str]:
        """What the folder holds after a write of a version; and it can be read."""
        folder.mkdir(exist_ok=True)
        self.size = size * self.writer.unit
        run(partial(self.writer.make, self.inputs, self.size, version))
        self._timed(partial(self.writer.write, self.inputs, folder, version))
        run(partial(self.writer.read, folder))
        return state(folder)

    def _timed(self, task: Any) -> None:
        told = run(task)
        if not {OPENED, RENAMED, ENDED} <= told.keys():
            raise Wrong("it renamed no file")
        self.times = [*self.times, (told[OPENED] - told[STARTED], told[RENAMED] - told[STARTED])]

    @property
    def bounds(self) -> tuple[float, float]:
        """When it opens the new file and renames it, after it has started."""
        opened, renamed = zip(*self.times[-5:], strict=True)
        return statistics.median(opened), statistics.median(renamed)

    @property
    def duration(self) -> float:
        opened, renamed = self.bounds
        return renamed - opened

    def write(self, version: int) -> None:
        """Write it, undisturbed."""
        before = self._before(version)
        self._timed(partial(self.writer.write, self.inputs, self.folder, version))
        if state(self.folder) != before | self.versions[version]:
            raise Wrong("a write that nobody disturbed did not write what it should")

    def _before(self, version: int) -> dict[str, str]:
        """What the folder holds before a write."""
        if not self.writer.file:  # named by its content: what is there is not written again
            for name in self.versions[version]:
                (self.folder / name).unlink(missing_ok=True)
        return state(self.folder)

    def kill(self, rng: random.Random) -> tuple[str, bool, int]:
        """Kill a write of the other version: in which phase, whether the new one is there, and
        how many things were left over."""
        version = 1 - self.version
        before, left = self._before(version), self.left_over()
        opened, renamed = self.bounds
        child = start(partial(self.writer.write, self.inputs, self.folder, version), stays=True)
        if rng.random() < EARLY:
            place, moment = STARTED, rng.uniform(0, opened)
        else:
            place, moment = OPENED, rng.uniform(0, (renamed - opened) * BEYOND)
        told: list[bytes] = []
        while place not in told:
            heard = child.next()
            if heard is None:
                raise Wrong("a writer failed before it was killed")
            told.append(heard[0])
        time.sleep(max(0.0, heard[1] + moment - time.monotonic()))
        child.kill()
        told += [what for what, _ in child.told()]
        found = state(self.folder)
        if child.wait() != -9:
            raise Wrong("a writer ended before it was killed")
        phase = self._phase(told)
        new = before | self.versions[version]
        self._check(phase, before, new, found)
        if found == new:
            self.version = version
        return phase, found == new, len(self.left_over()) - len(left)

    def _phase(self, told: list[bytes]) -> str:
        if OPENED not in told:
            return "before"
        ended = told.count(RENAMED) == self.writer.files or ENDED in told
        return "after" if ended else "during"

    def _check(self, phase: str, old: Any, new: Any, found: Any) -> None:
        if phase == "before" or (phase == "during" and self.writer.files == 1):
            right = found == old
        elif self.writer.files > 1:  # one after the other
            names = {*new, *found}
            right = all(found.get(name) in (old.get(name), new.get(name)) for name in names)
        else:
            right = found in (old, new)
        if not right:
            raise Wrong(f"killed {phase} the write it holds what it should not")

    def left_over(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if is_left_over(path)]

    def tidy(self) -> None:
        for path in self.left_over():
            remove(path)


def kills_of(writer: Writer, count: int, quick: bool, rng: random.Random) -> dict[str, Any]:
    """Kill a writer so many times: what came of it."""
    with tempfile.TemporaryDirectory(prefix="fastloss-kill-") as folder:
        target = Target(writer, Path(folder), quick)
        found: dict[str, Any] = dict.fromkeys(PHASES, 0)
        found |= {"new content": 0, "left over": 0, "size": sum_of_sizes(target.folder)}
        for k in range(1, count + 1):
            phase, new, left = target.kill(rng)
            found[phase] += 1
            found["new content"] += new
            found["left over"] += left
            if k % AGAIN == 0 or k == count:
                target.version = 1 - target.version
                target.write(target.version)
            if k % PILE == 0:
                target.tidy()
        found["milliseconds"] = round(1000 * target.duration, 1)
        run(partial(writer.read, target.folder))
    return found


def sum_of_sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=1000, metavar="N", help="in all")
    options.add_argument("--seed", type=int, default=0, metavar="N")
    options.add_argument("--quick", action="store_true", help="files of a megabyte or less")
    given = options.parse_args()
    wrong = unlisted()
    for message in wrong:
        print(f"kill.py: {message}", file=sys.stderr)
    import_all()
    rng = random.Random(given.seed)
    writers = chosen(WRITERS, given.only)
    found = {}
    shares = [0.0, *accumulate(writer.share for writer in writers.values())]
    bounds = [round(given.kills * share / shares[-1]) for share in shares]
    for k, (name, writer) in enumerate(writers.items()):
        count = bounds[k + 1] - bounds[k]
        try:
            found[name] = kills_of(writer, count, given.quick, rng)
        except (Wrong, RuntimeError) as error:
            wrong.append(f"{name}: {error}")
            print(f"kill.py: {name}: {error}", file=sys.stderr)
            continue
        print(f"{name}: {found[name]}", flush=True)
        report(given.record, found, wrong)
    kills = sum(each[phase] for each in found.values() for phase in PHASES)
    if not given.quick and sum(each["during"] for each in found.values()) < kills / 2:
        wrong.append(f"fewer than half of {kills} kills fell into a write")
    report(given.record, found, wrong)
    return 1 if wrong else 0


def report(keep: bool, found: dict[str, Any], wrong: list[str]) -> None:
    """Record what was found up to now, beside what is recorded of other writers."""
    earlier = recorded("kills") if keep else {}
    before = earlier.get("writers", {})
    wrong = list(dict.fromkeys([*earlier.get("wrong", []), *wrong]))  # until the file is removed
    found = {name: (before | found)[name] for name in WRITERS if name in before | found}
    totals = {
        key: sum(each[key] for each in found.values())
        for key in (*PHASES, "new content", "left over")
    }
    kills = sum(totals[phase] for phase in PHASES)
    kept(
        keep,
        "kills",
        "A file that fastloss writes holds the old content or the new one, whole, whenever the "
        "process is killed",
        f"{kills} kills of {len(found)} writers, {totals['during']} of them during the write: "
        f"{len(wrong)} wrong",
        wrong=wrong,
        totals=totals,
        writers=found,
    )


if __name__ == "__main__":
    sys.exit(main())
