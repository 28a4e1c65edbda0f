"""What a run of a tool found: docs/reliability/NAME.json, which docs/reliability.md shows.

    python tools/record.py

writes the table of that page from these files.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RECORDS = ROOT / "docs" / "reliability"
START, END = "<!-- records -->\n", "<!-- end of records -->\n"


def record(
    name: str, promise: str, command: str, figure: str, folder: Path = RECORDS, **details: Any
) -> None:
    """Write what a run found, with its date, machine and commit.

    ``promise`` is what it stands for, ``command`` what repeats it, and ``figure`` the outcome in a
    line; ``details`` may be anything that JSON holds.
    """
    found = {
        "promise": promise,
        "command": command,
        "figure": figure,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "commit": commit(),
        **details,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def recorded(name: str) -> dict[str, Any]:
    """What is recorded of an earlier run; nothing if there was none."""
    path = RECORDS / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def machine() -> str:
    """The processor and the system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} CPUs, {platform.system()}"


def commit() -> str:
    """The commit of this tree, marked if the tree differs from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return said.stdout.strip() or "unknown"


def page() -> str:
    """The page with the table of what is recorded."""
    before, _, rest = PAGE.read_text().partition(START)
    _, _, after = rest.partition(END)
    lines = ["| promise | last run | repeat it with |", "| --- | --- | --- |"]
    for path in sorted(RECORDS.glob("*.json")):
        r = json.loads(path.read_text())
        where = f"[{r['date']}](reliability/{path.name}), {r['machine']}, {r['commit']}"
        last = f"{r['figure']} ({where})"
        lines.append(f"| {r['promise']} | {last} | `{r['command']}` |")
    return before + START + "\n" + "\n".join(lines) + "\n\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page())
