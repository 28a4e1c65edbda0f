"""Files of tables, read as streams of columns.

Text, Parquet, ORC and Arrow files are decoded by pyarrow, one batch of rows and only the wanted
columns at a time, so that memory does not grow with the file. Arrays saved by NumPy are read in
slices.
"""

from fastloss.tables.base import (
    Form,
    Forms,
    TableError,
    batch_rows,
    check_columns,
    names_in,
    naming,
)
from fastloss.tables.columns import is_list, is_text, numbers_of
from fastloss.tables.kinds import (
    Piece,
    first_rows,
    has_types,
    npy_source,
    open_sources,
    pieces,
    read_type,
    schema_of,
)
from fastloss.tables.sources import Options, Source

__all__ = [
    "Form",
    "Forms",
    "Options",
    "Piece",
    "Source",
    "TableError",
    "batch_rows",
    "check_columns",
    "first_rows",
    "has_types",
    "is_list",
    "is_text",
    "names_in",
    "naming",
    "npy_source",
    "numbers_of",
    "open_sources",
    "pieces",
    "read_type",
    "schema_of",
]
