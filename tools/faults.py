"""What kill.py, full_disk.py, large.py and many_threads.py share: where their results go, and how
they tell of themselves."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from record import record


def parser(doc: str | None) -> ArgumentParser:
    """The options that all of them have."""
    found = ArgumentParser(description=(doc or "").partition("\n\n")[0])
    found.add_argument("--only", action="append", metavar="NAME", help="these cases alone")
    found.add_argument("--record", action="store_true", help="keep the result in docs/reliability")
    return found


def chosen(cases: dict[str, Any], only: list[str] | None) -> dict[str, Any]:
    """The cases that are asked for; an error tells which there are."""
    for name in only or ():
        if name not in cases:
            sys.exit(f"--only {name}: no such case; there are: {', '.join(cases)}")
    return {name: case for name, case in cases.items() if not only or name in only}


def kept(keep: bool, name: str, promise: str, figure: str, **details: Any) -> None:
    """Tell what a run found, and write it down if it is to be kept."""
    print(figure)
    if keep:
        command = " ".join(["tools/" + Path(sys.argv[0]).name, *sys.argv[1:]])
        record(name, promise, command, figure, **details)
