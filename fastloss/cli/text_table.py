"""Tables as aligned text, whose numbers are whole on any screen."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from fastloss.scoring.shown import PLUS_MINUS, on_the_left, on_the_right, width_of

GAP = "   "
LEAST = 9  # cells that a column of texts keeps on a narrow screen, where it has several lines
CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Column:
    """A column's name and cells, all as wide as the column is on the screen."""

    lines: Sequence[str]
    width: int


def texts(name: str, cells: Sequence[object]) -> Column:
    """A column of texts, in characters that the output has."""
    return _column(on_the_left([_shown(str(cell)) for cell in (name, *cells)]))


def numbers(name: str, cells: Sequence[str]) -> Column:
    """A column of numbers, which are aligned on the right, or at the sign before their errors."""
    lines = on_the_right([name, *cells])
    if any(PLUS_MINUS in line for line in lines) and _shown(PLUS_MINUS) != PLUS_MINUS:
        lines = on_the_right([line.replace(PLUS_MINUS, " +- ") for line in lines])
    return _column(lines)


def _column(lines: Sequence[str]) -> Column:
    return Column(lines, width_of(lines[0]))


def print_table(
    left: Sequence[Column], right: Sequence[Column], ruled: Collection[int] = ()
) -> None:
    """Print rows of texts, on the left, and numbers, with a line above those at ``ruled``.

    On a narrow screen texts have several lines, though not to make them narrower than half of it;
    numbers that then have no room stand in tables below, with the texts again.
    """
    screen = shutil.get_terminal_size().columns
    widths = [len(GAP) + column.width for column in right]
    taken = sum(column.width + len(GAP) for column in left) - len(GAP)
    most = min(max(screen - sum(widths), screen // 2), screen - max(widths))
    if taken > most:
        left = _narrowed(left, taken - most)
    first = 0
    while first < len(right):
        last, room = first + 1, screen - min(taken, most) - widths[first]
        while last < len(right) and widths[last] <= room:
            room -= widths[last]
            last += 1
        if first:
            print()
        print("\n".join(_lines([*left, *right[first:last]], ruled)))
        first = last


def _narrowed(columns: Sequence[Column], cells: int) -> list[Column]:
    """Columns that take so many cells less, if they can, the widest ones first."""
    widths = [column.width for column in columns]
    for _ in range(cells):
        if max(widths) > LEAST:
            widths[widths.index(max(widths))] -= 1
    return [
        column if width == column.width else _folded(column, width)
        for column, width in zip(columns, widths, strict=True)
    ]


def _folded(column: Column, width: int) -> Column:
    """A column whose texts have several lines where one is too short."""
    from rich.cells import chop_cells, set_cell_size

    def fold(text: str) -> str:
        pieces = chop_cells(text.rstrip(), width) or [""]
        return "\n".join(set_cell_size(piece, width) for piece in pieces)

    return Column([*map(fold, column.lines)], width)


def _lines(columns: Sequence[Column], ruled: Collection[int]) -> Iterator[str]:
    width = sum(column.width + len(GAP) for column in columns) - len(GAP)
    rule = ("─" if _shown("─") == "─" else "-") * width
    for place, cells in enumerate(zip(*(column.lines for column in columns), strict=True)):
        if place == 1 or place - 1 in ruled:
            yield rule
        row = GAP.join(cells)
        if "\n" not in row:
            yield row
            continue
        for line in zip_longest(*(cell.split("\n") for cell in cells)):
            yield GAP.join(
                piece or " " * column.width for piece, column in zip(line, columns, strict=True)
            ).rstrip()


def _shown(text: str) -> str:
    """A text in one line, with escapes for what the output's encoding lacks."""
    text = CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    encoding = sys.stdout.encoding or "utf-8"  # a StringIO has none
    return text.encode(encoding, "backslashreplace").decode(encoding)
