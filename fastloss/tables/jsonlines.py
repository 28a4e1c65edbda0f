"""Files of JSON objects, a row each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastloss.tables.base import Form, Forms, Part, TableError
from fastloss.tables.columns import columns_of, is_list, list_places
from fastloss.tables.sources import Source
from fastloss.tables.text import blocks, guess, not_utf8


def read_json_lines(source: Source, columns: Forms) -> Iterator[Part]:
    import pyarrow as pa

    schema, block = _guess(source)
    places = list_places(columns, schema, source.keys)
    types = {
        name: read_as(schema.field(name).type, columns[column])
        for column, (name, _) in places.items()
    }
    wanted = pa.schema([*types.items()])
    rows = 0
    for batch in blocks(source, block, lambda stream, size: _open(stream, size, wanted), _message):
        yield columns_of(batch, places, rows), source.share
        rows += batch.num_rows


def json_schema(source: Source) -> Any:
    """What the first block looks like."""
    return _guess(source)[0]


def first_rows(source: Source) -> Any:
    """The first block as it is, by which lists can be measured before a pipe is read."""
    return _first(source)[0].read_next_batch()


def _guess(source: Source) -> tuple[Any, int]:
    reader, block = _first(source)
    return reader.schema, block


def _first(source: Source) -> tuple[Any, int]:
    import pyarrow as pa

    try:
        return guess(source, _open)
    except pa.ArrowInvalid as error:
        raise TableError(_message(str(error), 0)) from error


def _open(stream: Any, block: int, schema: Any = None) -> Any:
    from pyarrow import json

    return json.open_json(
        stream,
        json.ReadOptions(use_threads=False, block_size=block),
        json.ParseOptions(
            explicit_schema=schema,
            unexpected_field_behavior="infer" if schema is None else "ignore",
        ),
    )


def read_as(guess: Any, form: Form) -> Any:
    """What a column is decoded as, given what its first rows look like."""
    import pyarrow as pa

    kind = pa.types
    if form == "number":
        if is_list(guess):
            return pa.list_(pa.float64())
        return guess if kind.is_boolean(guess) else pa.float64()
    # texts that look like times stay as they are written
    return pa.string() if kind.is_null(guess) or kind.is_timestamp(guess) else guess


def _message(text: str, rows: int) -> str:
    """Arrow's message in this package's words; Arrow counts the rows of a block from 0."""
    bad = re.search(r"^JSON parse error: (.*) in row (\d+)$", text, re.DOTALL)
    if bad is None:
        return not_utf8("it holds text") if "UTF8" in text else text
    row = f"row {rows + int(bad[2]) + 1}"
    other = re.search(r"Column\(/?(.*)\) changed from (\w+) to (\w+)", bad[1])
    if other is None:
        return f"{row}: {bad[1]}"
    if not other[1]:
        return f"{row} holds no JSON object but {_kind(other[3])}"
    names = other[1].removesuffix("/[]").replace("~1", "/").replace("~0", "~")
    return f"{row}: column {names!r} holds {_kind(other[3])}, not {_kind(other[2])}"


def _kind(word: str) -> str:
    """What there is in JSON, in English."""
    words = {"number": "a number", "string": "text", "array": "a list", "object": "an object"}
    return words.get(word, word)
