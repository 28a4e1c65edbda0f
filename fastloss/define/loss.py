"""Classes of losses that formulas define."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from fastloss._core import Kernel
from fastloss.define import build
from fastloss.define.checks import check
from fastloss.define.definition import (
    Definition,
    Parameter,
    completed,
    conditions,
    made_definition,
)
from fastloss.define.formulas import FormulaError, Graph, needed
from fastloss.define.source import c_source
from fastloss.define.values import evaluated
from fastloss.losses.base import Pointwise, defined_names, enter, is_built_in

_CLASSES: dict[Definition, type[Defined]] = {}


class Variants:
    """The kernels of a definition: one for each outcome of its conditions on parameters alone.

    So that of a formula in cases, as of the power of a Tweedie deviance, each is as fast as if it
    were by itself.
    """

    def __init__(self, definition: Definition) -> None:
        given = definition.parsed(Graph())
        self._definition, self._conditions = definition, conditions(given)
        self._kernels: dict[tuple[bool, ...], Kernel] = {}
        found = {node.value for node in needed(given.values()) if node.op == "parameter"}
        for key in definition.names:
            if key not in found:
                raise ValueError(f"{definition.name}: parameter {key} is in no formula")

    def kernel(self, parameters: Mapping[str, float]) -> Kernel:
        outcome = tuple(map(bool, evaluated(self._conditions, 0.0, 0.0, parameters)))
        kernel = self._kernels.get(outcome)
        if kernel is None:  # two threads may build the same one; they come to one file
            definition = self._definition
            try:
                source = c_source(completed(definition, parameters)[1], definition.names)
            except FormulaError as error:
                raise FormulaError(f"{definition.name}: {error}") from None
            kernel = self._kernels[outcome] = Kernel(*build.load(source), definition.names)
        return kernel

    def __reduce__(self) -> Any:  # within a class that is pickled by value
        return Variants, (self._definition,)


class Defined(Pointwise):
    """Base of the losses that `define_loss` makes."""

    _definition: ClassVar[Definition]
    _variants: ClassVar[Variants]

    def _kernel(self) -> tuple[Any, Mapping[str, Any]]:
        return self._variants.kernel(self.parameters), self.parameters

    def __reduce__(self) -> Any:
        if type(self) is not _CLASSES.get(self._definition):  # of somebody's subclass
            return super().__reduce__()
        return restored, (self._definition, tuple(self.parameters.values()))


def restored(definition: Definition, values: tuple[float, ...]) -> Defined:
    """A pickled loss; built where it is loaded, if it has not been there before."""
    cls = _CLASSES.get(definition)
    if cls is None:
        cls = class_of(definition, takes_name=definition.name not in defined_names())
    return cls(*values)


def define_loss(
    name: str,
    formula: str,
    /,
    *,
    y: str | Parameter = "(-inf, inf)",
    z: str | Parameter = "(-inf, inf)",
    grad: str | None = None,
    hess: str | None = None,
    majorant: str | None = None,
    doc: str | None = None,
    **parameters: float | Parameter,
) -> type[Defined]:
    """Make a class of losses of a formula, compiled for this processor.

    Its losses have what all have: value, gradient and Hessian in float32 and float64, threads,
    weights, domains, a place in `score`, boosters and estimators. Derivatives follow from the
    formula by the rules of calculus. The compiled code is kept, so that it is compiled once.

    Parameters
    ----------
    name : str
        In small letters, as ``"asymmetric_log_cosh"``: what `get_loss` makes the loss of, and in
        the form ``AsymmetricLogCosh`` the class.
    formula : str
        The loss of a target ``y`` and a prediction ``z``: numbers, parameters, ``pi``, ``inf``;
        ``+ - * / **``; ``< <= > >= == !=``, ``and``, ``or``, ``not`` within ``a if condition else
        b``; ``exp expm1 log log1p sqrt abs sign tanh sinh cosh sigmoid softplus logcosh`` of a
        number, ``logaddexp min max`` of two. Nothing else is read, and nothing is executed.
    y, z : str or Parameter, default="(-inf, inf)"
        Where targets and predictions may lie: ``"(0, inf)"``, ``"[0, 1]"``, ``"{-1, 1}"``, or a
        `domain`.
    grad, hess : str, optional
        Formulas of the derivatives, where a form is better than the one that follows; they are
        compared with it.
    majorant : str, optional
        What ``grad_and_hess(hessian="majorant")`` gives, which boosting divides by: best the
        curvature of a parabola that touches the loss and lies above it, as ``"a**2"``. By default
        the Hessian, or 0 where it is negative; where that comes near 0 steps are long.
    doc : str, optional
        What the docstring says first.
    **parameters : float or Parameter
        The default of each parameter, at most four, or its `domain` with a default.

    Returns
    -------
    type
        A class of losses, as `Huber` is one. Defining the same again gives the same class; another
        formula under the same name takes its place for `get_loss`.

    Raises
    ------
    FormulaError
        A ValueError: if a formula is not of the language, or ``grad`` or ``hess`` is not the
        derivative; the message shows the place.
    ValueError
        If a name is taken; or if at a point of its domain the loss is NaN, or infinite and the
        point is not at an end.
    CompileError
        If there is no C compiler, or it fails.

    Warns
    -----
    UserWarning
        If the loss is negative at a point, or a derivative is NaN or infinite.

    Notes
    -----
    At a kink the derivative is that of the branch that is taken there: of ``max(a, b)`` and
    ``min(a, b)`` where they are equal that of ``a``, of ``abs(a)`` at 0 it is 0.

    Terms that cancel cost digits, in value and derivatives: ``exp(x) - 1`` near 0, which
    ``expm1(x)`` computes in full; ``log(1 + x)``: ``log1p(x)``; ``log(1 + exp(x))``, which
    overflows: ``softplus(x)``; ``log(cosh(x))``: ``logcosh(x)``.

    Examples
    --------
    >>> import fastloss as fl
    >>> Linex = fl.define_loss(
    ...     "linex",
    ...     "exp(a*(z - y)) - a*(z - y) - 1",
    ...     a=fl.domain(low=0, open_low=True, default=1.0),
    ... )
    >>> loss = Linex(a=0.5)
    >>> value, grad = loss.value_and_grad([0.0, 0.0], [2.0, -2.0])
    >>> round(value, 6), grad.round(6)
    (0.543081, array([ 0.42957, -0.15803]))
    >>> loss, loss.spec, loss == fl.get_loss("linex:a=0.5")
    (Linex(a=0.5), 'linex:a=0.5', True)
    """
    taken = frozenset(dir(Defined)) | {"self"}
    definition = made_definition(name, formula, parameters, y, z, grad, hess, majorant, doc, taken)
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    # one that is read from a file is not this package's
    return class_of(definition, "__main__" if module.startswith("fastloss.") else module)


def class_of(
    definition: Definition, module: str = "__main__", takes_name: bool = True
) -> type[Defined]:
    """The one class of a definition."""
    if is_built_in(definition.name):
        raise ValueError(f"{definition.name} is a loss that fastloss has")
    cls = _CLASSES.get(definition)
    if cls is None:
        cls = _CLASSES.setdefault(definition, _made(definition, module))
    if takes_name:
        enter(definition.name, cls)
    return cls


def _made(definition: Definition, module: str) -> type[Defined]:
    members = {
        "__module__": module,
        "__doc__": _doc(definition),
        "__init__": _constructor(definition),
        "name": definition.name,
        "definition": definition.formula,
        "majorant": definition.majorant or "max(hess, 0)",
        "y_domain": definition.y,
        "z_domain": definition.z,
        "_ranges": {key: parameter.range for key, parameter in definition.parameters},
        "_definition": definition,
        "_kernel_name": definition.name,
        "_variants": Variants(definition),
    }
    name = "".join(part.capitalize() for part in definition.name.split("_"))
    cls = type(name, (Defined,), members)
    check(definition, cls)
    return cls


def _constructor(definition: Definition) -> Any:
    """An __init__ that takes the parameters, by place or by name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    given = [inspect.Parameter("self", kind)]
    for key, parameter in definition.parameters:
        given.append(inspect.Parameter(key, kind, default=parameter.default))
    signature = inspect.Signature(given)

    def __init__(self: Defined, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            name = type(self).__name__
            hint = f"; a loss is made first, as {name}()(y, z)" if len(args) > 1 else ""
            raise TypeError(f"{name}: {error}{hint}") from None
        bound.apply_defaults()
        values = bound.arguments
        self._set(**{key: values[key] for key in definition.names})

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__


def _doc(definition: Definition) -> str:
    head = definition.doc or "A loss that a formula defines."
    if not definition.parameters:
        return head
    lines = [
        f"{key} : float, default={p.default:g}\n    In {p.range}."
        for key, p in definition.parameters
    ]
    return f"{head}\n\nParameters\n----------\n" + "\n".join(lines) + "\n\n"
