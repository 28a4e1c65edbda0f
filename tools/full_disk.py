#!/usr/bin/env python
"""Have everything that writes a file meet a full disk.

    tools/full_disk.py                # both ways, of which the first needs root
    tools/full_disk.py --way limit    # as the tests have it

"tmpfs" is a file system of a megabyte that is mounted for each writer of tools/writers.py, and
filled but for nothing, a little, half of what the writer needs, and all but a page. "limit" is a
limit to the size of files (RLIMIT_FSIZE), which is to a process what a full disk is. Each time a
Python function has to raise an OSError that names the path, and a command to print one line that
names it and exit with 2; the files that were there have to hold what they held, and no other may be
left. The compiler of a loss may fail first: then its message is what the error holds.

Linux, and the packages of fastloss[cli,bench].
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from children import run
from faults import chosen, kept, parser
from writers import WRITERS, Writer, import_all, state

PAGE = 4096
DISK = 1 << 20
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class Wrong(Exception):
    """What must not be."""


def room_of(needed: int) -> dict[str, int]:
    """How many bytes there are for a file, by words."""
    return {"none": 0, "a page": PAGE, "half": needed // 2, "all but a page": needed - PAGE}


@contextmanager
def disk() -> Iterator[Path]:
    """A file system of a megabyte."""
    with tempfile.TemporaryDirectory(prefix="fastloss-disk-") as folder:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "fastloss", folder], check=True
        )
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(folder: Path, room: int) -> None:
    """Leave so many bytes of a file system."""
    free = os.statvfs(folder)
    size = free.f_bavail * free.f_bsize - room
    if size < 0:
        raise Wrong(f"the disk is too small to have {room} bytes left")
    (folder / "filler").write_bytes(b"x" * size)


def limit(size: int) -> None:
    """Let this process make no file larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def heard(task: Callable[[int], None]) -> str:
    """What a child wrote to a pipe, which has to take it all at once."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        try:
            run(partial(task, writing))
        finally:
            os.close(writing)
            said = pipe.read().decode()
    return said


def writing(writer: Writer, inputs: Path, folder: Path, most: int | None, said: int) -> None:
    """In a child: write, and tell what became of it."""
    if most is not None:
        limit(most)
    if writer.is_command:
        os.dup2(said, 2)
        status = writer.write(inputs, folder, 1)
        os.write(said, f"exit status {status}\n".encode())
        return
    try:
        writer.write(inputs, folder, 1)
    except (OSError, RuntimeError) as error:
        right = isinstance(error, OSError) and error.errno in FULL
        if not right and writer.file:  # of a compiler there are other errors
            raise
        os.write(said, f"{type(error).__name__}: {error}\n".encode()[:PAGE])


def check_words(writer: Writer, folder: Path, said: str) -> None:
    """An error unless what was said says which file could not be written."""
    if writer.is_command:
        lines = said.splitlines()
        right = len(lines) == 2 and lines[1] == "exit status 2"
        right = right and lines[0].startswith("fastloss: --") and writer.file in lines[0]
    elif writer.file:
        right = str(folder / writer.file) in said or writer.files > 1 and str(folder) in said
    else:
        right = str(folder) in said or said.startswith("CompileError: the C compiler")
    if not right:
        raise Wrong(f"it said {said!r}")


class Full:
    """A writer, with inputs of an old version and of a new one that finds no room."""

    def __init__(self, writer: Writer, folder: Path) -> None:
        self.writer, self.inputs, new = writer, folder / "inputs", folder / "new"
        self.inputs.mkdir()
        new.mkdir()
        for version, share in ((0, 8), (1, 3)):
            run(partial(writer.make, self.inputs, max(writer.unit // share, 1), version))
        run(partial(writer.write, self.inputs, new, 1))
        self.new = state(new)
        self.needed = max(path.stat().st_size for path in new.iterdir())

    def meet(self, folder: Path, room: int, way: str) -> str:
        """Write where there is so little room: what was said."""
        run(partial(self.writer.write, self.inputs, folder, 0))
        old = state(folder)
        if way == "tmpfs":
            fill(folder, room)
        said = heard(
            partial(writing, self.writer, self.inputs, folder, room if way == "limit" else None)
        )
        (folder / "filler").unlink(missing_ok=True)
        check_words(self.writer, folder, said)
        names = sorted(path.name for path in folder.iterdir())
        if names != sorted(old):
            raise Wrong(f"it left {', '.join(names)}")
        for name, content in state(folder).items():
            if content != old[name] and not (self.writer.files > 1 and content == self.new[name]):
                raise Wrong(f"{name} does not hold what it held")
        return " ".join(said.removesuffix("exit status 2\n").split())


@contextmanager
def plain() -> Iterator[Path]:
    """A folder."""
    with tempfile.TemporaryDirectory(prefix="fastloss-disk-") as folder:
        yield Path(folder)


WAYS = {"tmpfs": disk, "limit": plain}


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--way", action="append", choices=WAYS, help="by default both")
    given = options.parse_args()
    if os.geteuid() != 0 and "tmpfs" in (given.way or WAYS):
        sys.exit("full_disk.py: mounting a tmpfs needs root; without it there is --way limit")
    import_all()
    found: dict[str, dict[str, str]] = {}
    wrong = []
    for name, writer in chosen(WRITERS, given.only).items():
        with plain() as inputs:
            full = Full(writer, inputs)
            for way in given.way or WAYS:
                for words, room in room_of(full.needed).items():
                    case = f"{name}, {way}, room: {words}"
                    try:
                        with WAYS[way]() as folder:
                            said = full.meet(folder, room, way).replace(str(folder), "DISK")
                    except (Wrong, RuntimeError) as error:
                        wrong.append(f"{case}: {error}")
                        print(f"full_disk.py: {wrong[-1]}", file=sys.stderr)
                        continue
                    found.setdefault(name, {})[f"{way}, room: {words}"] = said
        print(name, *found.get(name, {}).values(), sep="\n  ", flush=True)
    cases = sum(map(len, found.values())) + len(wrong)
    kept(
        given.record,
        "full_disk",
        "A full disk is an error that names the file; the old one stays, and nothing else is left",
        f"{cases} writes to a full disk, of {len(found)} writers: {len(wrong)} wrong",
        wrong=wrong,
        said=found,
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
