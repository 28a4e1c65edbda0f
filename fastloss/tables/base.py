"""What all kinds of files share: how columns are asked for, and how errors are told."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from difflib import get_close_matches
from lzma import LZMAError
from typing import Any, Literal

BATCH_ROWS = 1 << 16
BATCH_NUMBERS = 1 << 23  # of wide tables fewer rows are read together
MANY = 2000  # names, of which it would take long to find those that are like another
UNREADABLE = (  # what pyarrow, zipfile and NumPy raise for a broken file
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
)

# What a column is read as. Text files have no types of their own: there a number is a float64, or
# what the first rows say of true and false. Labels are texts, each kept once; "any" is as it is.
Form = Literal["number", "label", "any"]
Forms = Mapping[str, Form]
Part = tuple[Mapping[str, Any], float]  # columns of some rows, share of the file read so far


class TableError(Exception):
    """A file that cannot be read as a table; the text is for its user."""


@contextmanager
def naming(path: str) -> Iterator[None]:
    """What goes wrong in reading is told with the name of the file."""
    try:
        yield
    except TableError as error:
        raise TableError(f"{path}: {error}") from error
    except UNREADABLE as error:
        raise TableError(f"{path}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def batch_rows(columns: Sized) -> int:
    """How many rows are read together, at most."""
    return max(1, min(BATCH_ROWS, BATCH_NUMBERS // max(len(columns), 1)))


def check_columns(wanted: Iterable[str], names: list[str]) -> None:
    for name in wanted:
        if name not in names:
            near = get_close_matches(name, names, n=3) if len(names) <= MANY else []
            shown = ", ".join(map(_shown, near or names[:8]))
            shown += ", ..." if not near and names[8:] else ""
            raise TableError(
                f"no column {name!r}; {'did you mean' if near else 'the columns are'}: {shown}"
            )
        if names.count(name) > 1:
            raise TableError(f"more than one column is named {name!r}")


def _shown(name: str) -> str:
    """A name as it is, in quotes where one would not see where it begins or ends."""
    plain = name and name == name.strip() and name.isprintable() and "," not in name
    return name if plain else repr(name)


def names_in(text: str) -> list[str]:
    """Names with commas between them; one that has a comma stands in quotes, as in a CSV file."""
    if not text:
        return [""]
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise TableError(f"{text}: a quotation mark is not closed") from error
