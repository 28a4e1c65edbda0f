"""Files of text: blocks that grow with the longest row, and the words of Arrow's errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastloss.tables.base import TableError
from fastloss.tables.sources import Source

BLOCK = 1 << 20  # bytes that are decoded together
PIPE_BLOCK = 1 << 24  # what a pipe gave is gone: rows have to fit into the first try
MAX_BLOCK = 1 << 30
SMALL = ("straddl", "Empty CSV file or block")  # what Arrow says where a block is too small


def guess(source: Source, opened: Callable[[Any, int], Any]) -> tuple[Any, int]:
    """What a reader of the first rows finds, and the size of block that holds a row.

    ``opened(bytes, block)`` gives a reader, which looks at the first block.
    """
    import pyarrow as pa

    block = BLOCK if source.again else PIPE_BLOCK
    while True:
        head, complete = source.text_head(block + 1)
        check_text(head, complete)
        try:
            if complete or b"\n" in head or b"\r" in head:
                return opened(pa.BufferReader(head), max(len(head) - (not complete), 1)), block
        except pa.ArrowInvalid as error:
            if complete or not _is_small(error):
                raise
        block = _larger(block, 1)


def blocks(
    source: Source,
    block: int,
    opened: Callable[[Any, int], Any],
    words: Callable[[str, int], str],
    end: bytes = b"",
) -> Iterator[Any]:
    """Batches of rows, read anew with larger blocks where a row is longer than one.

    ``words(text, rows)`` says in this package's words what Arrow does after so many rows; ``end``
    is read as if it were the end of the file.
    """
    import pyarrow as pa

    done = 0
    while True:
        rows = 0
        try:
            with source.text(end) as stream:
                for batch in opened(stream, block):
                    rows += batch.num_rows
                    if rows > done:
                        new = min(rows - done, batch.num_rows)
                        done = rows
                        yield batch.slice(batch.num_rows - new)
            return
        except pa.ArrowInvalid as error:
            if not _is_small(error):
                raise TableError(words(str(error), rows)) from error
            block = _larger(block if source.again else MAX_BLOCK, rows + 1)


def _is_small(error: Exception) -> bool:
    return any(words in str(error) for words in SMALL)


def _larger(block: int, row: int) -> int:
    if block >= MAX_BLOCK:
        raise TableError(
            f"row {row} or one soon after is too long to be read; is a quotation mark not closed?"
        )
    return min(block * 16, MAX_BLOCK)


def check_text(head: bytes, complete: bool) -> None:
    """An error for a header that is not UTF-8, or not text."""
    first = head[: head.find(b"\n") + 1] or head
    if b"\0" in first:
        raise TableError(
            "the first line holds zero bytes, which are not text; if it is UTF-16, use "
            "--encoding utf-16-le or utf-16-be"
        )
    try:
        first.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or error.end < len(head) or complete:
            what = f"the first line holds byte 0x{first[error.start]:02X}"
            raise TableError(not_utf8(what)) from error


def not_utf8(what: str) -> str:
    return f"{what}, which is not UTF-8: say how it is encoded, as in --encoding latin-1"
