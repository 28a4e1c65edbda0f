"""Losses in files of TOML: a table for each, as people write them by hand."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from fastloss.define.definition import Definition, Parameter, domain
from fastloss.define.formulas import FormulaError
from fastloss.define.loss import Defined, define_loss
from fastloss.domains import REAL, Domain
from fastloss.files import written_whole

_TEXTS = ("formula", "y", "z", "grad", "hess", "majorant", "doc")
_RANGE = ("low", "high", "open_low", "open_high", "default")


def load_losses(path: str | os.PathLike[str]) -> list[type[Defined]]:
    """Define the losses of a file, so that `get_loss` knows them.

    Parameters
    ----------
    path : path-like
        A file of TOML: for each loss a table of its name, with ``formula`` and, as `define_loss`
        takes them, ``y``, ``z``, ``grad``, ``hess``, ``majorant``, ``doc`` and a table
        ``parameters``, of numbers or of tables of what `domain` takes.

    Returns
    -------
    list of type
        Their classes, in the order of the file.

    Raises
    ------
    ValueError
        If the file is not of this form; and what `define_loss` raises.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastloss as fl
    >>> text = '''
    ... [linex]
    ... formula = "exp(a*(z - y)) - a*(z - y) - 1"
    ... parameters.a = {low = 0, open_low = true, default = 1.0}
    ... '''
    >>> path = pathlib.Path(tempfile.mkdtemp(), "my_losses.toml")
    >>> _ = path.write_text(text)
    >>> fl.load_losses(path)[0](a=2.0)
    Linex(a=2.0)
    """
    try:
        with open(path, "rb") as file:
            tables = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
    return [_defined(os.fspath(path), name, table) for name, table in tables.items()]


def _defined(path: str, name: str, table: Any) -> type[Defined]:
    where = f"{path}: {name}"
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} must be a table, as [{name}]; got {table!r}")
    texts, parameters = dict(table), table.get("parameters", {})
    texts.pop("parameters", None)
    for key, text in texts.items():
        if key not in _TEXTS:
            raise ValueError(f"{where} has no {key!r}; there are {', '.join(_TEXTS)}, parameters")
        if not isinstance(text, str):
            raise ValueError(f"{where}: {key} must be text; got {text!r}")
    if "formula" not in texts:
        raise ValueError(f"{where} has no formula")
    if not isinstance(parameters, Mapping):
        raise ValueError(f"{where}: parameters must be a table; got {parameters!r}")
    ranges = {key: _parameter(f"{where}: {key}", value) for key, value in parameters.items()}
    try:
        return define_loss(name, texts.pop("formula"), **texts, **ranges)
    except FormulaError as error:
        raise FormulaError(f"{path}: {error}") from None
    except (TypeError, ValueError) as error:
        said = str(error).removeprefix(f"{name}: ")
        raise ValueError(f"{where}: {said}") from None


def _parameter(where: str, given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    unknown = [key for key in given if key not in _RANGE]
    if unknown:
        raise ValueError(f"{where} has no {unknown[0]!r}; there are {', '.join(_RANGE)}")
    try:
        return domain(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def save_losses(path: str | os.PathLike[str], losses: Iterable[type[Defined]]) -> None:
    """Write losses that `define_loss` made to a file that `load_losses` reads.

    Parameters
    ----------
    path : path-like
        The file; it is written whole or not at all.
    losses : iterable of type
        Classes, as `define_loss` gives them.

    Raises
    ------
    TypeError
        If one of them is no such class.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastloss as fl
    >>> Quartic = fl.define_loss("quartic", "(z - y)**4")
    >>> path = pathlib.Path(tempfile.mkdtemp(), "my_losses.toml")
    >>> fl.save_losses(path, [Quartic])
    >>> fl.load_losses(path) == [Quartic]
    True
    """
    if isinstance(losses, type):
        raise TypeError(f"expected a list of classes, as [{losses.__name__}]; got one")
    classes = list(losses)
    text = "\n".join(_table(cls) for cls in classes)
    twice = [name for name, k in Counter(cls.name for cls in classes).items() if k > 1]
    if twice:
        raise ValueError(f"{twice[0]} is given twice; a file has one loss of a name")
    with written_whole(path) as file:
        file.write(text.encode())


def _table(cls: Any) -> str:
    if not (isinstance(cls, type) and issubclass(cls, Defined) and hasattr(cls, "_definition")):
        raise TypeError(f"expected classes that define_loss made; got {cls!r}")
    d: Definition = cls._definition
    given = {key: getattr(d, key) for key in ("formula", "grad", "hess", "majorant", "doc")}
    given |= {key: str(where) for key, where in (("y", d.y), ("z", d.z)) if where is not REAL}
    lines = [f"[{d.name}]"]
    lines += [
        f"{key} = {json.dumps(text, ensure_ascii=False)}"
        for key, text in given.items()
        if text is not None
    ]
    lines += [f"parameters.{key} = {_inline(p)}" for key, p in d.parameters]
    return "\n".join(lines) + "\n"


def _inline(parameter: Parameter) -> str:
    where: Domain = parameter.range
    items: dict[str, Any] = {}
    if where is not REAL:
        items = {"low": where.low, "high": where.high}
        items |= {"open_low": where.open_low, "open_high": where.open_high}
    items["default"] = parameter.default
    written = {
        key: str(x).lower() if isinstance(x, bool) else repr(float(x))
        for key, x in items.items()
        if x is not None and not (key in ("low", "high") and math.isinf(x)) and x is not False
    }
    return "{" + ", ".join(f"{key} = {x}" for key, x in written.items()) + "}"
