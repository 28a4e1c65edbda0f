#!/usr/bin/env python3
"""Call fastloss in every way with random arguments, and hold it to what it promises.

    tools/fuzz.py                         # a minute
    tools/fuzz.py 600 --processes 2       # ten minutes
    tools/fuzz.py --calls 10_000_000 --processes 2 --out docs/reliability
    tools/fuzz.py --only huber --only scores
    tools/fuzz.py --replay 0:1234         # one case again, every call shown

It calls every loss, optimizer, schedule, penalty and score with arrays of every dtype and layout,
with values in and out of their domains, and reads files that were spoilt. After each call inputs
have to be unchanged and errors of the documented classes; results have to agree with those of other
methods, of other numbers of threads and of other layouts, to the bit where that is promised. A case
follows from the seed and its index alone. The exit status is 1 if anything was found.

It needs what the tests need: pip install -e '.[test]'
"""

from __future__ import annotations

import faulthandler
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]  # this checkout's fastloss, and the fuzzer itself

try:
    import click
    import rich.console
    import rich.table
    from fuzzing.case import Tally
    from fuzzing.run import Plan, run_all, run_case, settled
    from record import record
except ImportError as missing:
    sys.exit(f"fuzz.py: {missing}; install what the tests need: pip install -e '.[test]'")


class Count(click.ParamType):
    """A positive integer, as 10_000_000."""

    name = "count"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} is no positive integer", param, ctx)
        return number


class Place(click.ParamType):
    """A seed and an index."""

    name = "seed:index"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        seed, colon, index = str(value).partition(":")
        if not (colon and seed.isdecimal() and index.isdecimal()):
            self.fail(f"{value!r} is not as 0:1234", param, ctx)
        return int(seed), int(index)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("seconds", type=click.FloatRange(min=0), required=False)
@click.option("--calls", type=Count(), metavar="N", help="Run until there were so many calls.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="S")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, metavar="P")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="These subjects, losses, rules or kinds of files alone; may be repeated.",
)
@click.option("--replay", type=Place(), metavar="SEED:INDEX", help="Run one case, call by call.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the result to fuzz.json in this folder, as docs/reliability.",
)
def main(
    seconds: float | None,
    calls: int | None,
    seed: int,
    processes: int,
    only: tuple[str, ...],
    replay: tuple[int, int] | None,
    out: Path | None,
) -> None:
    """Call fastloss with random arguments for SECONDS, by default 60, or for --calls."""
    plan = Plan(seed if replay is None else replay[0], only)
    if plan.unknown():
        raise click.BadParameter(f"there is no {plan.unknown()[0]!r}", param_hint="--only")
    if replay is not None:
        found = again(plan, replay[1])
    else:
        started = time.monotonic()
        if seconds is None and calls is None:
            seconds = 60
        limits = {"calls": calls, "seconds": seconds}
        found = run_all(plan, processes=processes, progress=Progress(), **limits)
        elapsed = time.monotonic() - started
        report(found, elapsed)
        if out is not None:
            write(found, plan, processes, elapsed, out)
    tell_findings(found)
    sys.exit(1 if found.findings else 0)


def again(plan: Plan, index: int) -> Tally:
    """One case in this process, each call shown before it is made."""
    faulthandler.enable()
    tally = Tally()
    with settled():
        run_case(plan, plan.units(), index, tally, lambda text: print(text, flush=True))
    return tally


# ---- reports -----------------------------------------------------------------------------------


class Progress:
    """Tells of findings as they come, and of the number of calls now and then."""

    def __init__(self) -> None:
        self.told: set[tuple[str, str]] = set()
        self.since = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        for key in tally.findings.keys() - self.told:
            finding = tally.findings[key]
            print(f"{': '.join(key)}; {finding['replay']}", file=sys.stderr, flush=True)
            self.told.add(key)
        if time.monotonic() - self.since > 60:
            self.since = time.monotonic()
            print(f"{tally.calls.total():,} calls", file=sys.stderr, flush=True)


def report(tally: Tally, seconds: float) -> None:
    """A table of the kinds of calls."""
    table = rich.table.Table("kind", box=None)
    for name in ("calls", "errors", "findings"):
        table.add_column(name, justify="right")
    table.add_column("errors by class")
    for kind, calls, errors, findings in rows_of(tally):
        classes = ", ".join(f"{name} {n:,}" for name, n in errors.most_common())
        table.add_row(kind, f"{calls:,}", f"{errors.total():,}", str(findings), classes)
    total = tally.calls.total()
    table.add_row("all", f"{total:,}", f"{tally.errors.total():,}", str(len(tally.findings)), "")
    rich.console.Console(width=140).print(table)
    speed = total / max(seconds, 1e-9)
    print(f"{tally.cases:,} cases, {total:,} calls in {seconds:.1f} s: {speed:,.0f} a second")


def rows_of(tally: Tally) -> list[tuple[str, int, Counter[str], int]]:
    """Of each kind its name, calls, errors by class, and findings."""
    kinds = {*tally.calls, *(kind for kind, _ in tally.findings)}
    rows = []
    for kind in sorted(kinds):
        errors = Counter({name: n for (of, name), n in tally.errors.items() if of == kind})
        findings = sum(of == kind for of, _ in tally.findings)
        rows.append((kind, tally.calls[kind], errors, findings))
    return rows


def tell_findings(tally: Tally) -> None:
    for finding in tally.findings.values():
        print(f"\n{finding['kind']}: {finding['problem']} ({finding['times']} times)")
        print(f"    {finding['name']}: {finding['detail']}")
        print(finding.get("inputs", ""))
        print(f"  replay: {finding['replay']}")
    print(f"{len(tally.findings)} findings")


def write(tally: Tally, plan: Plan, processes: int, seconds: float, folder: Path) -> None:
    """The result as JSON."""
    of_kinds = {
        kind: {"calls": calls, "errors": dict(errors.most_common()), "findings": findings}
        for kind, calls, errors, findings in rows_of(tally)
    }
    calls = tally.calls.total()
    record(
        "fuzz",
        "Any arguments give a result or a clear error, and change nothing that they should not",
        " ".join(["tools/fuzz.py", *sys.argv[1:]]),
        f"{calls:,} random calls of {len(tally.names)} losses, rules and functions: "
        f"{len(tally.findings)} findings",
        folder=folder,
        seed=plan.seed,
        processes=processes,
        seconds=round(seconds, 1),
        cases=tally.cases,
        calls=calls,
        errors=dict(_by_class(tally).most_common()),
        kinds=of_kinds,
        cases_by_name=dict(sorted(tally.names.items())),
        findings=list(tally.findings.values()),
    )


def _by_class(tally: Tally) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, name), n in tally.errors.items():
        found[name] += n
    return found


if __name__ == "__main__":
    main()
