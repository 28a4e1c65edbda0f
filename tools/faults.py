"""What kill.py, full_disk.py, large.py and many_threads.py share: where their results go, and how
they tell of themselves."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def parser(doc: str | None) -> ArgumentParser:
    """The options that all of them have."""
    found = ArgumentParser(description=(doc or "").partition("\n\n")[0])
    found.add_argument("--only", action="append", metavar="NAME", help="these cases alone")
    found.add_argument("--out", type=Path, help="add the result to this file of JSON")
    return found


def chosen(cases: dict[str, Any], only: list[str] | None) -> dict[str, Any]:
    """The cases that are asked for; an error tells which there are."""
    for name in only or ():
        if name not in cases:
            sys.exit(f"--only {name}: no such case; there are: {', '.join(cases)}")
    return {name: case for name, case in cases.items() if not only or name in only}


def record(out: Path | None, section: str, promise: str, figure: str, **details: Any) -> None:
    """Put what a run found into a section of a file of JSON, with date, machine and commit."""
    print(figure)
    if out is None:
        return
    found = json.loads(out.read_text()) if out.exists() else {}
    found[section] = {
        "promise": promise,
        "command": " ".join(["tools/" + Path(sys.argv[0]).name, *sys.argv[1:]]),
        "figure": figure,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "commit": commit(),
        **details,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")


def recorded(out: Path | None, section: str) -> dict[str, Any]:
    """What is recorded there already."""
    return dict(json.loads(out.read_text()).get(section, {})) if out and out.exists() else {}


def machine() -> str:
    """The processor and the system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    return (
        f"{processor}, {len(names)} CPUs, {platform.system()}, Python {platform.python_version()}"
    )


def commit() -> str:
    """The commit of this tree, marked if the tree differs from it in a file that git knows."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip() or "unknown"
