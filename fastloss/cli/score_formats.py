"""Scores as JSON, CSV and Parquet: for programs, in text or in files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastloss.cli.errors import Failure
from fastloss.cli.outcome import VALUE, Outcome, Row, column_name
from fastloss.cli.output import check_out, told
from fastloss.files import written_whole


def json_of(outcome: Outcome) -> str:
    """A model's scores by the names of losses, its groups within; several models by name."""
    rows: dict[str, Any] = {"rows": outcome.rows, "weight_0": outcome.weight_0}
    models = {model: _section(outcome, model) for model in outcome.scores}
    if outcome.comparison is not None:
        rows["baseline"] = dict(zip(outcome.names, outcome.comparison.baselines, strict=True))
    found = {**rows, "models": models} if len(models) > 1 else rows | next(iter(models.values()))
    return json.dumps(_finite(found), indent=2, allow_nan=False) + "\n"


def _section(outcome: Outcome, model: str) -> dict[str, Any]:
    *groups, total = outcome.rows_of(model)
    section = {
        **_named(total),
        "dropped": outcome.dropped(model),
        "non_finite": outcome.non_finite(model),
    }
    if len(outcome.by) == 1:
        section["groups"] = {str(row.group[0]): _named(row) for row in groups}
    elif outcome.by:
        section["groups"] = [
            {**dict(zip(outcome.by, map(_plain, row.group), strict=True)), **_named(row)}
            for row in groups
        ]
    return section


def _named(row: Row) -> dict[str, Any]:
    """Losses by name, then what else there is of them, by what it is and the loss's name."""
    found: dict[str, Any] = {name: fields[VALUE] for name, fields in row.scores.items()}
    found |= {"weight": row.weight, "count": row.count}
    for name, fields in row.scores.items():
        for field, number in fields.items():
            if field != VALUE:
                found.setdefault(field, {})[name] = number
    return found


def _plain(label: object) -> Any:
    """A label as JSON has it."""
    return label if isinstance(label, (str, int, float)) else str(label)


def _finite(value: Any) -> Any:
    """JSON has no infinities: they and NaN become "Infinity", "-Infinity" and "NaN"."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [*map(_finite, value)]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def csv_of(outcome: Outcome) -> str:
    """A row for each group and model."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    columns = _columns(outcome)
    out.writerow(columns)
    out.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _parquet_of(outcome: Outcome) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.table(_columns(outcome)), file)
    return file.getvalue()


def _columns(outcome: Outcome) -> dict[str, list[Any]]:
    """Model, if there are several, and keys as text, then numbers."""
    rows, total = [*outcome], outcome.total_label
    found: dict[str, list[Any]] = {}
    if len(outcome.scores) > 1:
        found["model"] = [row.model for row in rows]
    for place, key in enumerate(outcome.by):
        found[key] = [str(row.group[place]) if row.group else total for row in rows]
    for name in outcome.names:
        for field in outcome.fields(name):
            found[column_name(name, field)] = [row.scores[name].get(field) for row in rows]
    found["weight"] = [row.weight for row in rows]
    found["count"] = [row.count for row in rows]
    return found


FORMATS: dict[str, Callable[[Outcome], bytes]] = {
    ".parquet": _parquet_of,
    ".json": lambda outcome: json_of(outcome).encode(),
    ".csv": lambda outcome: csv_of(outcome).encode(errors="backslashreplace"),
}


def check_scores_file(path: Path, files: Sequence[str], per_row: Path | None) -> None:
    """An error if scores cannot be written there, before they are computed."""
    if path.suffix not in FORMATS:
        raise Failure(f"--out {path}: name it {', '.join(FORMATS)}")
    check_out("--out", path, files)
    if per_row is not None and path.resolve() == per_row.resolve():
        raise Failure(f"--out {path}: this is the file of --per-row")


def write_scores(outcome: Outcome, path: Path) -> None:
    """Write a file, whole or not at all, of the kind that its ending says."""
    with told("--out", path), written_whole(path) as file:
        file.write(FORMATS[path.suffix](outcome))
