"""Objects that are written down as names and numbers, and read again."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from fastloss.domains import Ranged

D = TypeVar("D", bound="Described")


class Described(Ranged):
    """Base of frozen dataclasses with a name among their kind.

    Attributes
    ----------
    name : str
        What `from_dict` makes the object of, in a description.
    """

    name: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Describe the object in names and numbers alone, as `from_dict` reads them.

        Returns
        -------
        dict
            The name and the parameters, fit for JSON.
        """
        values = {field.name: getattr(self, field.name) for field in _fields(type(self))}
        return {"name": self.name} | {name: _plain(value) for name, value in values.items()}


def _fields(cls: type[Described]) -> list[dataclasses.Field[Any]]:
    """Those that the constructor takes."""
    every = dataclasses.fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
    return [field for field in every if field.init]


def _plain(value: Any) -> Any:
    if isinstance(value, Described):
        return value.to_dict()
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def from_description(kind: str, registry: Mapping[str, type[D]], description: Any) -> D:
    """Make what `Described.to_dict` described, of the classes in a registry."""
    if not isinstance(description, Mapping):
        raise TypeError(f"a {kind} is described by a mapping, as of to_dict(); got {description!r}")
    given = dict(description)
    if "name" not in given:
        raise ValueError(f"the description lacks the {kind}'s name, one of {', '.join(registry)}")
    name = given.pop("name")
    cls = registry.get(name) if isinstance(name, str) else None
    if cls is None:
        near = difflib.get_close_matches(name, registry, n=1) if isinstance(name, str) else ()
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"name must be one of {', '.join(registry)}; got {name!r}{hint}")
    fields = _fields(cls)
    known = [field.name for field in fields]
    unknown = [key for key in given if key not in known]
    if unknown:
        raise ValueError(f"{name} has no parameter {unknown[0]!r}; it has: {', '.join(known)}")
    missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in given]
    if missing:
        raise ValueError(f"{name} needs {missing[0]}; got {', '.join(given) or 'nothing'}")
    if "inner" in given:
        given["inner"] = from_description(kind, registry, given["inner"])
    several = kind + "s"  # of which it is made, as of one that is its "inner"
    if several in known and isinstance(given[several], (list, tuple)):
        given[several] = [from_description(kind, registry, each) for each in given[several]]
    return cls(**given)


def parsed_json(text: str) -> Any:
    """What a JSON document says, if it is one to the letter and names everything once.

    Raises
    ------
    ValueError
        Of what is no JSON, though Python would read it: NaN, infinities, a name that occurs twice.
    """
    return json.loads(
        text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]}, which no float holds")
    return number


def public_names(module: Mapping[str, Any]) -> list[str]:
    """Names of what is defined in a module, given its globals: what completion is to show."""
    return [
        name
        for name, value in module.items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module["__name__"]
    ]
