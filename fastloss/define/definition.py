"""What defines a loss: names, formulas and ranges, as they are pickled and written to files."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from fastloss.define.formulas import (
    FUNCTIONS,
    NUMBERS,
    VARIABLES,
    FormulaError,
    Graph,
    Node,
    needed,
)
from fastloss.define.values import evaluated
from fastloss.domains import REAL, SIGNS, Domain

MOST_PARAMETERS = 4
# columns of scores, and words that tables take for no name
RESERVED = {"weight", "count", "all", "none", "nan", "true", "false"}
FORMULAS = ("formula", "grad", "hess", "majorant")


@dataclass(frozen=True)
class Parameter:
    """A range, and the number that a parameter has if none is given."""

    range: Domain
    default: float | None = None


def domain(
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    default: float | None = None,
) -> Parameter:
    """Say where a parameter of `define_loss` may lie, or targets, or predictions.

    Parameters
    ----------
    low, high : float, default=-inf, inf
        The ends; an infinite one does not belong to the range of a parameter.
    open_low, open_high : bool, default=False
        Whether the end itself is outside.
    default : float, optional
        What the parameter is if none is given.

    Returns
    -------
    Parameter

    Raises
    ------
    ValueError
        If nothing lies between the ends, or the default does not.

    Examples
    --------
    >>> import fastloss as fl
    >>> str(fl.domain(low=0, open_low=True, default=1.0).range)
    '(0, inf)'
    """
    for name, end in (("low", low), ("high", high)):
        if not isinstance(end, Real) or math.isnan(end):
            raise TypeError(f"{name} must be a real number; got {end!r}")
    low, high = float(low), float(high)
    empty = low > high or (low == high and (open_low or open_high or math.isinf(low)))
    if empty or low == math.inf or high == -math.inf:
        raise ValueError(f"nothing lies between low={low} and high={high}")
    if low == -math.inf and high == math.inf:
        found = REAL
    else:
        left = "(" if open_low or math.isinf(low) else "["
        right = ")" if open_high or math.isinf(high) else "]"
        text = f"{left}{low:.17g}, {high:.17g}{right}"
        found = Domain(text, low, high, open_low=open_low, open_high=open_high)
    if default is not None:
        default = found.parameter("default", default) + 0.0  # not -0
    return Parameter(found, default)


def taken_names() -> frozenset[str]:
    """Names of metrics, which scores are asked for as losses are."""
    from fastloss.scoring.measures import METRICS  # takes long to import

    return frozenset(METRICS)


_NUMBER = r"[+-]?(?:inf|\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)"
_INTERVAL = re.compile(rf"([\[(])\s*({_NUMBER})\s*,\s*({_NUMBER})\s*([\])])", re.IGNORECASE)


def as_domain(name: str, given: Any) -> Domain:
    """The domain of targets or predictions, given itself or as text."""
    if isinstance(given, Parameter):
        return given.range
    if not isinstance(given, str):
        raise TypeError(f'{name} must be a range as "(0, inf)" or domain(low=0); got {given!r}')
    if re.sub(r"\s", "", given) in ("{-1,1}", "{1,-1}"):
        return SIGNS
    found = _INTERVAL.fullmatch(given.strip())
    if found is None:
        raise ValueError(
            f'{name} must be a range as "[0, inf)", or "{{-1, 1}}", the only set (labels 0 and 1 '
            f'lie in "[0, 1]"); got {given!r}'
        )
    left, low, high, right = found.groups()
    ends = float(low), float(high)
    return domain(
        *ends,
        open_low=left == "(" and not math.isinf(ends[0]),
        open_high=right == ")" and not math.isinf(ends[1]),
    ).range


@dataclass(frozen=True)
class Definition:
    """All that makes a loss; two that are equal are one loss."""

    name: str
    formula: str
    parameters: tuple[tuple[str, Parameter], ...] = ()
    y: Domain = REAL
    z: Domain = REAL
    grad: str | None = None
    hess: str | None = None
    majorant: str | None = None
    doc: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.parameters)

    def parsed(self, graph: Graph) -> dict[str, Node]:
        """The formulas that are given."""
        found = {}
        for what in FORMULAS:
            text = getattr(self, what)
            if text is not None or what == "formula":
                try:
                    found[what] = graph.parse(text, self.names)
                except FormulaError as error:
                    raise FormulaError(f"{self.name}: {what}: {error}") from None
        return found


def conditions(given: Mapping[str, Node]) -> list[Node]:
    """Conditions on parameters alone in formulas."""
    nodes = needed(given.values())
    return [node for node in nodes if node.is_condition and not node.of_sample]


def completed(
    definition: Definition, parameters: Mapping[str, float]
) -> tuple[Graph, tuple[Node, Node, Node, Node]]:
    """Value, gradient, Hessian and majorant with some parameters, in a graph of their own: what
    follows, but for formulas that are given."""
    graph = Graph()
    given = definition.parsed(graph)
    known = conditions(given)
    outcome = map(bool, evaluated(known, 0.0, 0.0, parameters))
    decided = dict(zip(known, outcome, strict=True))
    given = {what: graph.settled(node, decided) for what, node in given.items()}
    value = given["formula"]
    grad = given.get("grad") or graph.derivative(value)
    hess = given.get("hess") or graph.derivative(grad)
    zero = graph.number(0.0)
    majorant = given.get("majorant") or graph.choose(graph.node(">", hess, zero), hess, zero)
    return graph, (value, grad, hess, majorant)


def made_definition(
    name: str,
    formula: str,
    parameters: Mapping[str, Any],
    y: Any,
    z: Any,
    grad: str | None,
    hess: str | None,
    majorant: str | None,
    doc: str | None,
    taken: frozenset[str],
) -> Definition:
    """A definition of arguments as people write them; ``taken`` are names that losses use."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string; got {name!r}")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name):
        raise ValueError(f"name must be of small letters, digits and _, as linex; got {name!r}")
    if name in RESERVED or name in taken_names() or keyword.iskeyword(name):
        raise ValueError(f"{name!r} stands for something else, in Python or in scores")
    texts = {"grad": grad, "hess": hess, "majorant": majorant, "doc": doc}
    for what, text in ({"formula": formula} | texts).items():
        if not (isinstance(text, str) or text is None and what in texts):
            raise TypeError(f"{name}: {what} must be a string; got {text!r}")
    if len(parameters) > MOST_PARAMETERS:
        raise ValueError(f"{name}: at most {MOST_PARAMETERS} parameters; got {len(parameters)}")
    for key in parameters:
        used = key in VARIABLES or key in FUNCTIONS or key in NUMBERS or key in taken
        if used or not re.fullmatch("[a-zA-Z][a-zA-Z0-9_]*", key) or keyword.iskeyword(key):
            raise ValueError(f"{name}: a parameter cannot be called {key!r}, which is taken")
    return Definition(
        name,
        formula,
        tuple((key, _parameter(name, key, value)) for key, value in parameters.items()),
        as_domain("y", y),
        as_domain("z", z),
        grad,
        hess,
        majorant,
        doc,
    )


def _parameter(name: str, key: str, given: Any) -> Parameter:
    if isinstance(given, Parameter):
        if given.default is None:
            raise ValueError(f"{name}: parameter {key} needs a default: domain(..., default=1.0)")
        return given
    try:
        return Parameter(REAL, REAL.parameter(key, given) + 0.0)  # not -0
    except TypeError:
        raise TypeError(
            f"{name}: parameter {key} must be its default, a number, or domain(...); got {given!r}"
        ) from None
