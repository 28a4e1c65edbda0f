"""Frames as parts that a Scorer takes: columns by their names, without copies of numbers."""

from __future__ import annotations

import reprlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastloss.scoring.groups import Found
from fastloss.tables import TableError, check_columns, numbers_of
from fastloss.threads import get_num_threads

ROWS = 1 << 20  # of a part, about
Names = str | Sequence[str]
Part = dict[str, Any]


def parts(
    frame: Any,
    y_true: str,
    y_pred: Names | None = None,
    sample_weight: str | None = None,
    by: Names | None = None,
    *,
    cluster: Names | None = None,
    y_preds: Mapping[str, Names] | None = None,
    rows: int | None = None,
) -> Iterator[Part]:
    """Yield what `Scorer.update` or `Comparer.update` takes, for some rows of a frame at a time.

    Parameters
    ----------
    frame : object with the Arrow C stream interface
        A pandas or polars frame, a pyarrow Table, RecordBatch or RecordBatchReader, a relation of
        DuckDB. Readers are read once.
    y_true : str
        The column of targets: numbers, labels of classes, or lists of as many numbers in each row.
    y_pred : str or sequence of str
        The column of predictions, of numbers or of lists; or the columns that make up rows.
    sample_weight : str, optional
        The column of weights.
    by : str or sequence of str, optional
        The columns of groups.
    cluster : str or sequence of str, optional
        The columns of clusters.
    y_preds : mapping of str to str or sequence of str, optional
        Instead of ``y_pred``, that of each model, by its name.
    rows : int, optional
        Of a part, about; by default a million.

    Raises
    ------
    TypeError
        If the frame is none, a column holds neither numbers nor what it is asked for, or there is
        not one of ``y_pred`` and ``y_preds``.
    ValueError
        If a column is not there.

    Examples
    --------
    >>> import fastloss as fl
    >>> import pandas as pd
    >>> from fastloss.scoring.frames import parts
    >>> frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "p": [1.0, 2.5, 5.0], "g": ["a", "b", "a"]})
    >>> scorer = fl.Scorer(["mae"])
    >>> for part in parts(frame, "y", "p", by="g"):
    ...     scorer.update(**part)
    >>> scorer.result().to_dict()["groups"]["a"]["mae"]
    1.0
    """
    if (y_pred is None) == (y_preds is None):
        raise TypeError("parts takes either y_pred or y_preds")
    models = {f"y_preds[{model!r}]": (model, own) for model, own in (y_preds or {}).items()}
    roles = {"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight}
    roles |= {"groups": by, "cluster": cluster}
    roles |= {role: own for role, (_, own) in models.items()}
    wanted = {role: _names(role, given) for role, given in roles.items() if given is not None}
    names = list(dict.fromkeys(name for many in wanted.values() for name in many))

    def part(columns: Mapping[str, Any]) -> Part:
        arrays: Part = {}
        for role, own in wanted.items():
            if role in ("groups", "cluster"):
                shape = (len(columns[own[0]]),)
                arrays[role] = Found.of({name: columns[name] for name in own}, shape)
            elif isinstance(roles[role], str):
                arrays[role] = _array(own[0], columns[own[0]], labels=role == "y_true")
            else:
                arrays[role] = np.stack([_array(name, columns[name]) for name in own], axis=-1)
        if y_preds is not None:
            arrays["y_preds"] = {model: arrays.pop(role) for role, (model, _) in models.items()}
        return arrays

    return _ahead(part, _pieces(frame, names, rows or ROWS))


def _names(role: str, given: Names) -> list[str]:
    if isinstance(given, str):
        return [given]
    role = "by" if role == "groups" else role
    several = role.startswith("y_pred") or role in ("by", "cluster")
    if several and isinstance(given, (list, tuple)) and given:
        if all(isinstance(name, str) for name in given):
            if role in ("by", "cluster") and len({*given}) < len(given):
                raise ValueError(f"{role} names a column twice: {', '.join(given)}")
            return list(given)
    expected = "the name of a column" + " or a list of names" * several
    raise TypeError(f"{role} must be {expected}; got {reprlib.repr(given)}")


def _pieces(frame: Any, names: list[str], rows: int) -> Iterator[Mapping[str, Any]]:
    """The columns of about as many rows as a part is to have."""
    if not hasattr(frame, "__arrow_c_stream__"):
        remedy = "; collect() it" if hasattr(frame, "collect") else ""
        raise TypeError(
            "frame must have the Arrow C stream interface, as frames of pandas and polars and "
            f"tables of pyarrow have; got {type(frame).__name__}{remedy}"
        )
    if hasattr(frame, "iloc"):  # through Arrow, pandas looks for gaps in all numbers
        columns = list(map(str, frame.columns))  # as Arrow would name them
        _check(names, columns)
        places = {name: columns.index(name) for name in names}
        return (
            {name: frame.iloc[start : start + rows, place] for name, place in places.items()}
            for start in range(0, len(frame), rows)
        )
    import pyarrow as pa

    if hasattr(frame, "column_names") or hasattr(frame, "get_columns"):  # pyarrow, polars
        _check(names, list(getattr(frame, "column_names", None) or frame.columns))
        frame = frame.select(names)
        objects = [
            c.name for c in getattr(frame, "get_columns", list)() if str(c.dtype) == "Object"
        ]
        if objects:  # Arrow has nothing but their addresses
            raise TypeError(f"column {objects[0]!r} holds objects of Python; give it another type")
    reader = pa.RecordBatchReader.from_stream(frame)
    _check(names, reader.schema.names)
    return _tables(reader, names, rows)


def _check(names: list[str], columns: list[Any]) -> None:
    try:
        check_columns(names, columns)
    except TableError as error:
        raise ValueError(str(error)) from None


def _tables(reader: Any, names: list[str], rows: int) -> Iterator[Mapping[str, Any]]:
    """The columns of batches, of which small ones are put together and large ones are cut."""
    import pyarrow as pa

    waiting: list[Any] = []
    held = 0
    for batch in reader:
        for start in range(0, batch.num_rows, rows):
            piece = batch.select(names).slice(start, rows)
            if held and held + piece.num_rows > rows:
                yield _columns(pa.Table.from_batches(waiting))
                waiting, held = [], 0
            waiting.append(piece)
            held += piece.num_rows
    if held:
        yield _columns(pa.Table.from_batches(waiting))


def _columns(table: Any) -> Mapping[str, Any]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _ahead(work: Callable[[Any], Part], pieces: Iterator[Any]) -> Iterator[Part]:
    """The results in turn; threads work on the next ones meanwhile."""
    first = list(islice(pieces, 2))
    threads = get_num_threads()
    if len(first) < 2 or threads == 1:
        yield from map(work, chain(first, pieces))
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(work, piece) for piece in first)
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# ---- columns as arrays -------------------------------------------------------------------------


def _array(name: str, column: Any, labels: bool = False) -> NDArray[Any]:
    """A column's numbers, a row of numbers for each of its lists, or labels of classes."""
    if isinstance(getattr(column, "dtype", None), np.dtype) and column.dtype.kind in "biuf":
        return np.asarray(column)
    import pyarrow as pa

    if hasattr(column, "iloc"):
        if hasattr(column, "sparse"):
            raise TypeError(
                f"column {name!r} is sparse; make it dense, as frame[{name!r}].sparse.to_dense() is"
            )
        try:
            column = pa.array(column, from_pandas=True)
        except pa.ArrowException as error:
            raise TypeError(f"column {name!r} holds no numbers: {error}") from None
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        values = column.dictionary
        if pa.types.is_string_view(values.type):  # which take() does not know
            values = values.cast(pa.large_string())
        column = values.take(column.indices)
    kind = str(column.type).partition("<")[0]
    if "list" in kind:
        return _rows(name, column)
    if labels and ("string" in kind or "binary" in kind):
        found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return found
    try:
        return numbers_of(name, column)
    except TableError as error:
        raise TypeError(str(error)) from None


def _rows(name: str, lists: Any) -> NDArray[Any]:
    """Lists of one length as rows; one that is missing is a row of NaN."""
    import pyarrow.compute as pc

    lengths = pc.unique(pc.list_value_length(lists).drop_null()).to_pylist()
    if len(lengths) > 1:
        raise ValueError(
            f"column {name!r} holds lists of {lengths[0]} and of {lengths[1]} numbers; "
            "all rows must have as many"
        )
    numbers = _array(name, lists.flatten())
    width = lengths[0] if lengths else getattr(lists.type, "list_size", 0)
    if len(lists) and not width:
        raise ValueError(
            f"column {name!r} holds no numbers in {len(lists):,} rows, so that it is not known how "
            "many they are to have; leave these rows out, or make them lists of a fixed size"
        )
    if not lists.null_count:
        return numbers.reshape(len(lists), width)
    dtype = np.result_type(numbers, np.float32 if numbers.dtype.kind == "f" else np.float64)
    rows = np.full((len(lists), width), np.nan, dtype)
    rows[lists.is_valid().to_numpy(zero_copy_only=False)] = numbers.reshape(-1, width)
    return rows
