"""Labels of groups as JSON has them, each with its type."""

from __future__ import annotations

import base64
import operator
import reprlib
from collections.abc import Hashable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from fastloss.scoring.groups import Level, Moment, Numeral, Span


def label_to_json(label: Hashable) -> Any:
    """A label as text, an integer, or a list of its type and what it is made of."""
    if isinstance(label, Level):
        return [type(label).__name__.lower(), str(label), label.rank]
    if label is None or type(label) in (str, int):
        return label
    if isinstance(label, tuple):
        return ["key", *map(label_to_json, label)]
    if isinstance(label, bool):
        return ["bool", label]
    if isinstance(label, float):
        return ["float", label.hex()]
    if isinstance(label, bytes):
        return ["bytes", base64.b64encode(label).decode()]
    if isinstance(label, timedelta):
        return ["timedelta", label.days, label.seconds, label.microseconds]
    if isinstance(label, Decimal):
        return ["decimal", str(label)]
    if type(label) in (date, datetime):
        return [type(label).__name__, label.isoformat()]  # type: ignore[attr-defined]
    raise TypeError(
        f"a group's label of type {type(label).__name__} cannot be written: {label!r}; "
        f"make it a string"
    )


def label_from_json(found: Any) -> Hashable:
    """The label; a ValueError if `label_to_json` does not write it like this."""
    try:
        label = _label(found)
        if label_to_json(label) != found:
            raise ValueError("it is written otherwise")
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{reprlib.repr(found)} is no label of a group") from error
    return label


def _label(found: Any) -> Hashable:
    if not isinstance(found, list):
        return found  # type: ignore[no-any-return]
    kind, *parts = found
    make: Any = {
        "level": lambda text, rank: Level(text, operator.index(rank)),
        "numeral": Numeral,
        "moment": Moment,
        "span": Span,
        "key": lambda *labels: tuple(map(_label, labels)),
        "bool": bool,
        "float": float.fromhex,
        "bytes": base64.b64decode,
        "timedelta": timedelta,
        "decimal": Decimal,
        "date": date.fromisoformat,
        "datetime": datetime.fromisoformat,
    }[kind]
    label: Hashable = make(*parts)
    if label != label:
        raise ValueError("NaN is no label")
    return label
