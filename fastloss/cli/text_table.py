"""Tables as aligned text, whose numbers are whole on any screen."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

GAP = "   "
LEAST = 8  # cells that a column of texts keeps on a narrow screen, where it has several lines
CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Column:
    """A column's name and cells, and the width that it has on the screen."""

    lines: Sequence[str]
    width: int


def texts(name: str, cells: Sequence[object]) -> Column:
    """A column of texts, in characters that the output has."""
    from rich.cells import cell_len

    lines = [_shown(str(cell)) for cell in (name, *cells)]
    return Column(lines, max(map(cell_len, lines)))


def numbers(name: str, cells: Sequence[str]) -> Column:
    """A column of numbers, which are aligned on the right."""
    width = max(map(len, (name, *cells)))
    return Column([cell.rjust(width) for cell in (name, *cells)], width)


def print_table(
    left: Sequence[Column], right: Sequence[Column], ruled: Collection[int] = ()
) -> None:
    """Print rows of texts, on the left, and numbers, with a line above those at ``ruled``.

    Numbers that the screen has no room for stand in tables below, with the texts again.
    """
    screen = shutil.get_terminal_size().columns
    taken = sum(column.width + len(GAP) for column in left)
    first = 0
    while first < len(right):
        last, room = first + 1, screen - taken - right[first].width
        while last < len(right) and len(GAP) + right[last].width <= room:
            room -= len(GAP) + right[last].width
            last += 1
        if first:
            print()
        print("\n".join(_lines(_narrowed(left, -room), right[first:last], ruled)))
        first = last


def _narrowed(columns: Sequence[Column], cells: int) -> list[Column]:
    """Columns that take so many cells less, if they can, the widest ones first."""
    widths = [column.width for column in columns]
    for _ in range(cells):
        if max(widths) > LEAST:
            widths[widths.index(max(widths))] -= 1
    return [Column(column.lines, width) for column, width in zip(columns, widths, strict=True)]


def _lines(
    left: Sequence[Column], right: Sequence[Column], ruled: Collection[int]
) -> Iterator[str]:
    columns = [*left, *right]
    rule = _rule() * (sum(column.width + len(GAP) for column in columns) - len(GAP))
    for place, cells in enumerate(zip(*(column.lines for column in columns), strict=True)):
        if place == 1 or place - 1 in ruled:
            yield rule
        folded = [_folded(text, column.width) for text, column in zip(cells, left, strict=False)]
        yield GAP.join([*(pieces[0] for pieces in folded), *cells[len(left) :]])
        below = [pieces[1:] for pieces in folded]
        for pieces in zip_longest(*below):
            blanks = (" " * column.width for column in left)
            yield GAP.join(
                blank if piece is None else piece
                for piece, blank in zip(pieces, blanks, strict=True)
            ).rstrip()


def _folded(text: str, width: int) -> list[str]:
    """A text in pieces of the same width."""
    from rich.cells import cell_len, chop_cells

    pieces = [text] if cell_len(text) <= width else chop_cells(text, width)
    return [piece + " " * (width - cell_len(piece)) for piece in pieces]


def _shown(text: str) -> str:
    """A text in one line, with escapes for what the output's encoding lacks."""
    text = CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    return text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)


def _rule() -> str:
    try:
        "─".encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return "-"
    return "─"
