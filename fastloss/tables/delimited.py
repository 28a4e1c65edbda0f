"""CSV and its kin: columns with commas, semicolons, tabs or bars between them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from fastloss.tables.base import Form, Forms, Part, TableError, check_columns
from fastloss.tables.columns import columns_of, places_of
from fastloss.tables.sources import Options, Source
from fastloss.tables.text import BLOCK, PIPE_BLOCK, blocks, guess, not_utf8

SEPARATORS = ",;\t|"
SHOWN = {"\t": "tab"}
LOOKED_AT = 100  # rows
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")  # 1,234: whoever writes so may mean either
COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE)
POINT = re.compile(r"[+-]?\d+\.\d+(e[+-]?\d+)?", re.IGNORECASE)


def read_delimited(source: Source, columns: Forms) -> Iterator[Part]:
    options = source.options
    schema, block = _guess(source)
    names = schema.names
    check_columns(columns, [*names, *source.keys])
    types = {name: read_as(schema.field(name).type, form) for name, form in columns.items()}
    convert = {"include_columns": list(columns), "column_types": types}
    places = places_of(columns, names)
    batches = blocks(
        source,
        block,
        lambda stream, size: _open(stream, size, options, **convert),
        lambda text, rows: _message(text, names, options),
        _blank_row(len(names), options),
    )
    for batch in _without_last_row(batches):
        yield columns_of(batch, places, 0), source.share


def _blank_row(width: int, options: Options) -> bytes:
    """A row to put behind the last: it is not seen if a quotation mark is open until there."""
    blank = '""' if width == 1 else str(options.sep) * (width - 1)
    return f"\n{blank}\n".encode()


def _without_last_row(batches: Iterator[Any]) -> Iterator[Any]:
    """The batches without the blank row at the end; an error if it is not there."""
    rows, last = 0, None
    for batch in batches:
        if last is not None:
            yield last
        rows, last = rows + batch.num_rows, batch
    if last is None or not all(_is_blank(column[-1]) for column in last.columns):
        raise TableError(f"row {rows}: a quotation mark is not closed until the end of the file")
    yield last.slice(0, last.num_rows - 1)


def _is_blank(value: Any) -> bool:
    return value.as_py() in (None, "")


def delimited_schema(source: Source) -> Any:
    """What the first block looks like."""
    return _guess(source)[0]


def first_rows(source: Source) -> Any:
    """The first rows that there are, as they look."""
    import pyarrow as pa

    reader, _ = _first(source)
    return next(iter(reader), pa.RecordBatch.from_pylist([], reader.schema))


def _guess(source: Source) -> tuple[Any, int]:
    reader, block = _first(source)
    return reader.schema, block


def _first(source: Source) -> tuple[Any, int]:
    import pyarrow as pa

    try:
        return guess(source, lambda stream, size: _open(stream, size, source.options))
    except pa.ArrowInvalid as error:
        raise TableError(_message(str(error), [], source.options)) from error


def _open(stream: Any, block: int, options: Options, **convert: Any) -> Any:
    from pyarrow import csv as arrow_csv

    return arrow_csv.open_csv(
        stream,
        # serial reading knows the row of an error
        arrow_csv.ReadOptions(use_threads=False, block_size=block),
        arrow_csv.ParseOptions(newlines_in_values=True, delimiter=options.sep),
        arrow_csv.ConvertOptions(decimal_point=options.decimal, **convert),
    )


def read_as(guess: Any, form: Form) -> Any:
    """What a column is decoded as, given what its first rows look like."""
    import pyarrow as pa

    if form == "label":
        return pa.dictionary(pa.int32(), pa.string())
    if form == "any":
        return pa.string() if pa.types.is_null(guess) else guess
    return guess if pa.types.is_boolean(guess) else pa.float64()


def _message(text: str, names: list[str], options: Options) -> str:
    """Arrow's message in this module's words; Arrow counts the header as a row."""
    text = re.sub(r"Row #(\d+)", lambda match: f"row {int(match[1]) - 1}", text)
    if "Empty CSV file or block" in text:
        return "there is no line of column names, or no end of it"
    pattern = r"column #(\d+): (row \d+): CSV conversion error to (.+?): (.*)"
    bad = re.search(pattern, text, re.DOTALL)
    if bad is None:
        return text.removeprefix("CSV parse error: ")
    place = f"{bad[2]}: column {names[int(bad[1])]!r}"
    if "invalid UTF8" in bad[4]:
        return not_utf8(f"{place} holds text")
    value = re.fullmatch(r"invalid value '(.*)'", bad[4], re.DOTALL)
    if value is None:
        return f"{place}: {bad[4]}"
    remedy = ""
    if COMMA.fullmatch(value[1]) and options.decimal == "." and options.sep != ",":
        remedy = "; if that is a decimal comma, use --decimal ,"
    elif POINT.fullmatch(value[1]) and options.decimal == ",":
        remedy = "; if that is a decimal point, use --decimal ."
    wanted = "a number" if bad[3] == "double" else bad[3]
    return f"{place} holds {value[1]!r}, not {wanted}{remedy}"


# How a file is written: what is between its columns, and what its decimal point is.


def settled(source: Source, wanted: Collection[str]) -> Options:
    """The options with what was not given: what the first rows show without doubt."""
    options = source.options
    if options.sep is None or options.decimal is None:
        head, complete = source.text_head(BLOCK if source.again else PIPE_BLOCK)
        text = head.decode(errors="replace").removeprefix("\ufeff")
        sep = options.sep or _separator(text, complete, wanted)
        decimal = options.decimal or _decimal(_rows(text, complete, sep), sep)
        options = replace(options, sep=sep, decimal=decimal)
    if options.sep == options.decimal:
        raise TableError(
            f"{options.sep!r} cannot be both between columns and in numbers; use --sep"
        )
    return options


def _separator(text: str, complete: bool, wanted: Collection[str]) -> str:
    """The separator that shows the wanted columns, or by which the first rows are of one length."""
    tables = {sep: _rows(text, complete, sep) for sep in SEPARATORS}
    fits = [sep for sep, rows in tables.items() if wanted and {*wanted} <= {*rows[0]}]
    if fits:
        return fits[0] if len(tables[fits[0]][0]) > 1 else ","
    widths = {sep: {len(row) for row in rows if row} for sep, rows in tables.items()}
    even = [sep for sep, width in widths.items() if len(width) == 1 and max(width) > 1]
    if len(even) > 1:
        shown = " or ".join(SHOWN.get(sep, repr(sep)) for sep in even)
        raise TableError(f"columns may have {shown} between them: say which with --sep")
    return even[0] if even else max(SEPARATORS, key=lambda sep: len(tables[sep][0]))


def _rows(text: str, complete: bool, sep: str) -> list[list[str]]:
    """The first rows, the header included; the last of the text may be cut short."""
    rows: list[list[str]] = []
    try:
        for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=sep), LOOKED_AT + 1):
            rows.append(row)
    except csv.Error:  # a text that is too long for Python
        complete = False
    if len(rows) <= LOOKED_AT and not complete:
        del rows[1:][-1:]
    return rows or [[]]


def _decimal(rows: Sequence[Sequence[str]], sep: str) -> str:
    """A comma, if there are numbers that can have no other meaning, and none with a point."""
    if sep == ",":
        return "."
    values = [value.strip() for row in rows[1:] for value in row]
    commas = any(COMMA.fullmatch(value) and not THOUSANDS.fullmatch(value) for value in values)
    return "," if commas and not any(map(POINT.fullmatch, values)) else "."
