"""Tables of scores, shown: values with their errors, as text and as HTML, and never long."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

MOST_ROWS = 60  # tables with more groups show the first and last few
FEW = 5
LONGEST = 50  # characters of a label
PLUS_MINUS = " ± "
LEFT_OUT = "..."


def shown_places(count: int, rows: int = 1) -> list[int]:
    """Which of so many things a table shows that take so many rows each."""
    few = max(FEW // rows, 1)
    if count * rows <= MOST_ROWS or count <= 2 * few:
        return [*range(count)]
    return [*range(few), *range(count - few, count)]


def shown_size(count: int, things: str, rows: int = 1) -> str:
    """How many there are, where a table does not show all."""
    return f"{count:,} {things}" if len(shown_places(count, rows)) < count else ""


def mark_gap(columns: Sequence[list[str]], places: Sequence[int], rows: int = 1) -> None:
    """Put a row for what is left out between the first and the last of what is shown."""
    for k, (before, place) in enumerate(pairwise(places)):
        if place > before + 1:
            for column in columns:
                column.insert(1 + (k + 1) * rows, LEFT_OUT)


def shown_text(label: object) -> str:
    """A label in one line and not long, with escapes for what cannot be seen, as in its repr."""
    text = str(label)
    if not text or text != text.strip():
        text = repr(text)
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
        )
    if len(text) > LONGEST:
        half = (LONGEST - len(LEFT_OUT)) // 2
        text = text[: half + 1] + LEFT_OUT + text[-half:]
    return text


def shown_value(value: float, error: float | None = None) -> str:
    """A value of six digits, or with as many as its error has two of.

    Examples
    --------
    >>> shown_value(0.27976543), shown_value(0.27976543, 0.00123), shown_value(3.2e-9, 1.5e-11)
    ('0.279765', '0.2798 ± 0.0012', '(3.200 ± 0.015)e-9')
    """
    if error is None:
        return f"{value:.6g}"
    if not (math.isfinite(value) and math.isfinite(error) and error > abs(value) * 1e-9):
        return f"{value:.6g}{PLUS_MINUS}{error:.2g}"  # the error says nothing about the digits
    last = _exponent(error, 1) - 1  # that of the last digit shown
    first = max(_exponent(value, 16), last + 1) if value else last + 1
    power = 0 if -4 <= first < 6 else first
    value_text, error_text = (
        f"{round(Decimal(x), -last).scaleb(-power):.{max(power - last, 0)}f}"
        for x in (value, error)
    )
    text = f"{value_text}{PLUS_MINUS}{error_text}"
    return f"({text})e{power}" if power else text


def _exponent(value: float, digits: int) -> int:
    """That of 10, once rounded to one digit and so many more."""
    return int(f"{value:.{digits}e}".partition("e")[2])


def text_table(labels: Sequence[Sequence[str]], numbers: Sequence[Sequence[str]]) -> str:
    """Columns, each with its name first, side by side: labels to the left, numbers to the right.

    Values with errors are aligned at the sign between the two.
    """
    columns = [*map(on_the_left, labels), *map(on_the_right, numbers)]
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def html_table(labels: Sequence[Sequence[str]], numbers: Sequence[Sequence[str]]) -> str:
    """The same as a table in HTML."""
    names, *rows = zip(*labels, *numbers, strict=True)
    lines = ["<table>", f"<thead><tr>{_elements('th', names)}</tr></thead>", "<tbody>"]
    for row in rows:
        heads, values = row[: len(labels)], row[len(labels) :]
        lines.append(f"<tr>{_elements('th', heads)}{_elements('td', values)}</tr>")
    return "\n".join([*lines, "</tbody>", "</table>"])


def _elements(tag: str, cells: Sequence[str]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)


def on_the_left(column: Sequence[str]) -> list[str]:
    """Cells as wide as the widest one."""
    return [cell + " " * k for cell, k in _padded(column)]


def on_the_right(column: Sequence[str]) -> list[str]:
    """A name and numbers as wide as the widest one, aligned at the sign before their errors."""
    name, *cells = column
    if any(PLUS_MINUS in cell for cell in cells):
        errors = [cell.partition(PLUS_MINUS)[2] for cell in cells]
        width = max(map(len, errors))
        cells = [
            cell + " " * (width - len(error)) for cell, error in zip(cells, errors, strict=True)
        ]
    return [" " * k + cell for cell, k in _padded([name, *cells])]


def _padded(column: Sequence[str]) -> list[tuple[str, int]]:
    """Each cell and how much narrower it is than the widest one."""
    widths = [*map(width_of, column)]
    widest = max(widths)
    return [(cell, widest - width) for cell, width in zip(column, widths, strict=True)]


def width_of(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else
        2 if unicodedata.east_asian_width(c) in ("W", "F") else 1
        for c in text
    )  # fmt: skip
