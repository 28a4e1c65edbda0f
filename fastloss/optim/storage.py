"""State in files: saved whole or not at all, and checked in full when it is loaded."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import struct
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

from fastloss.described import parsed_json
from fastloss.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Value: TypeAlias = "dict[str, Value] | list[Value] | str | float | bool | NDArray[Any] | None"

FORMAT = "fastloss state"
VERSION = 1
DEEPEST = 100  # containers within one another
KINDS = {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8)}  # of dtypes, and their sizes
NAMED = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # floats that JSON does not have

# How an array begins: NumPy's own reader takes many other things too, at its peril.
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..{'descr': '[<>|][fiu](?P<itemsize>[1248])', "
    rb"'fortran_order': (?:True|False), 'shape': \((?P<shape>[\d, ]*)\), } *\n",
    re.DOTALL,
)
LONGEST = 4096  # bytes of a header

# What zipfile and json raise at bytes that they cannot make sense of.
DAMAGE = (
    ValueError,
    LookupError,
    EOFError,
    OverflowError,
    RuntimeError,  # and with it NotImplementedError and RecursionError
    struct.error,
    zipfile.BadZipFile,
)


def save_state(path: str | os.PathLike[str], state: dict[str, Value]) -> None:
    """Save nested dicts and lists of numbers, texts and arrays to a file.

    The file appears under its name once it is complete and on the disk: whatever interrupts, what
    was there before stays whole. `load_state` gives back what was saved: floats to the last bit,
    arrays with their dtype, shape and order in memory (of any other order, C's).

    Parameters
    ----------
    path : str or path-like
        Name of the file, taken as it is. A symbolic link is followed, and the mode of a file that
        is replaced is kept.
    state : dict
        With strings as keys. Values are dict, list, str, int, float, bool, None, or arrays of
        float16, float32, float64, bfloat16 (of ml_dtypes) or integers.

    Raises
    ------
    TypeError
        If a key or a value is of another type. Nothing is written then.
    ValueError
        If containers are nested more than 100 deep.
    OSError
        If the file cannot be written.

    See Also
    --------
    load_state

    Notes
    -----
    The file is an ``.npz`` of NumPy without pickled objects: ``structure`` holds the text of a JSON
    document, and ``0``, ``1``, ... are the arrays. In the document ``{"dict": {...}}`` is a
    dictionary, ``{"array": 0}`` an array, ``{"bfloat16": 0}`` one whose bits are stored as uint16,
    and ``{"float": "inf"}`` a number that JSON does not have; everything else is as in JSON.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastloss.optim.storage import load_state, save_state
    >>> path = os.path.join(tempfile.mkdtemp(), "model.state")
    >>> save_state(path, {"step": 3, "lr": 0.1, "m": [np.zeros(2, np.float32)]})
    >>> load_state(path)
    {'step': 3, 'lr': 0.1, 'm': [array([0., 0.], dtype=float32)]}
    """
    if not isinstance(state, dict):
        raise TypeError(f"state must be a dict; got {type(state).__name__}")
    arrays: list[NDArray[Any]] = []
    tree = _encoded(state, "state", arrays, 1)
    document = {"format": FORMAT, "version": VERSION, "state": tree}
    text = json.dumps(document, allow_nan=False).encode("ascii")
    entries = {"structure": np.frombuffer(text, np.uint8)}
    entries |= {str(index): array for index, array in enumerate(arrays)}
    with written_whole(path) as file:
        np.savez(file, **entries)  # type: ignore[arg-type]  # the stubs see allow_pickle there


def load_state(path: str | os.PathLike[str]) -> dict[str, Value]:
    """Load what `save_state` saved.

    Nothing in a file is executed, and no array is larger than the file, whatever it claims.

    Parameters
    ----------
    path : str or path-like
        Name of the file, taken as it is.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the file is damaged, or is anything but a saved state of a known version.
    OSError
        If the file cannot be read; FileNotFoundError if there is none.

    See Also
    --------
    save_state
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a place before the file's beginning
                raise
            raise _refusal(path, error) from None
        except DAMAGE as error:
            raise _refusal(path, error) from None


def _refusal(path: str | os.PathLike[str], error: Exception) -> ValueError:
    what = str(error) or type(error).__name__
    return ValueError(f"{os.fspath(path)!r} is not a saved state, or is damaged: {what}")


# ---- Python's objects to JSON's and back


def _encoded(value: Any, place: str, arrays: list[NDArray[Any]], depth: int) -> Any:
    """What stands for a value in the JSON document; arrays are added to a list."""
    if depth > DEEPEST:
        raise ValueError(f"containers are nested more than {DEEPEST} deep at {place[:60]}...")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        named = str(float(value))
        return {"float": named} if named in NAMED else float(value)
    if isinstance(value, list):
        return [_encoded(v, f"{place}[{i}]", arrays, depth + 1) for i, v in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"keys must be strings; got {key!r} in {place}")
        items = {k: _encoded(v, f"{place}[{k!r}]", arrays, depth + 1) for k, v in value.items()}
        return {"dict": items}
    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        special = value.dtype.name == "bfloat16"
        if not special and value.dtype.itemsize not in KINDS.get(value.dtype.kind, ()):
            raise TypeError(f"{place} must hold real numbers or integers; got {value.dtype}")
        arrays.append(value.view(np.uint16) if special else value)
        return {"bfloat16" if special else "array": len(arrays) - 1}
    raise TypeError(
        f"{place} must be dict, list, str, int, float, bool, None or an array; "
        f"got {type(value).__name__}"
    )


def _decoded(value: Any, arrays: _Arrays, depth: int) -> Any:
    """What a part of the JSON document stands for."""
    if depth > DEEPEST:
        raise ValueError(f"containers are nested more than {DEEPEST} deep")
    if isinstance(value, list):
        return [_decoded(v, arrays, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"an object of {len(value)} entries, where one says what it is")
    [(kind, content)] = value.items()
    if kind == "dict" and isinstance(content, dict):
        return {k: _decoded(v, arrays, depth + 1) for k, v in content.items()}
    if kind == "float" and isinstance(content, str) and content in NAMED:
        return NAMED[content]
    if kind in ("array", "bfloat16") and type(content) is int:
        array = arrays.take(f"{content}.npy")
        return array if kind == "array" else _as_bfloat16(array)
    raise ValueError(f"an object that is no dict, float or array: {kind[:20]!r}")


def _as_bfloat16(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.uint16:
        raise ValueError(f"an array of bfloat16 is stored as uint16; got {array.dtype}")
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise ValueError("it holds bfloat16, which needs the package ml_dtypes") from None
    return array.view(bfloat16)


# ---- the file


class _Arrays:
    """The arrays of an archive, each to be taken once, none of them larger than the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file)
        entries = self._zip.infolist()
        self._left = {entry.filename: entry for entry in entries}
        if len(self._left) < len(entries):
            raise ValueError("an entry occurs twice")
        if any(
            e.compress_type != zipfile.ZIP_STORED or e.file_size != e.compress_size for e in entries
        ):
            raise ValueError("an entry is compressed")
        if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
            raise ValueError("its entries would be larger than the file")

    def take(self, name: str) -> NDArray[Any]:
        """The array of that name."""
        entry = self._left.pop(name, None)
        if entry is None:
            raise ValueError(f"there is no entry {name}, or it is used twice")
        with self._zip.open(entry) as file:
            header = HEADER.match(file.read(LONGEST))
        if header is None:
            raise ValueError(f"entry {name} is no array of real numbers or integers")
        shape = [int(length) for length in header["shape"].split(b",") if length]
        if math.prod(shape) * int(header["itemsize"]) != entry.file_size - header.end():
            raise ValueError(f"entry {name} has another size than its shape {shape}")
        with self._zip.open(entry) as file:  # anew: whoever seeks gets no check of the sum
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array

    def rest(self) -> Iterator[str]:
        """Names of arrays that were not taken."""
        return iter(self._left)


def _read(file: BinaryIO) -> dict[str, Value]:
    arrays = _Arrays(file)
    structure = arrays.take("structure.npy")
    if structure.dtype != np.uint8 or structure.ndim != 1:
        raise ValueError("its structure is not a text")
    document = parsed_json(structure.tobytes().decode("ascii"))
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"its structure is not that of a {FORMAT}")
    if document.get("version") != VERSION or type(document["version"]) is not int:
        raise ValueError(
            f"it is of version {str(document.get('version'))[:20]}; this one reads {VERSION}"
        )
    if document.keys() != {"format", "version", "state"}:
        raise ValueError("its structure has another form")
    state = _decoded(document["state"], arrays, 1)
    if not isinstance(state, dict):
        raise ValueError("its state is not a dict")
    for name in arrays.rest():
        raise ValueError(f"entry {name} belongs to nothing")
    return state
