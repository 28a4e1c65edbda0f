"""What every loss has in common: parameters, documentation, and a place in the registry."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from fastloss._core import BaseLoss, PointwiseLoss
from fastloss.domains import REAL, Domain
from fastloss.losses import constants
from fastloss.losses.links import IDENTITY, LOG, Link, real_array
from fastloss.registry import Registry, is_own

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Parameters = Mapping[str, Any]
L = TypeVar("L", bound="Loss")

_REGISTRY: Registry[Loss] = Registry()
_ALIASES: dict[str, str] = {}  # the class's name in snake case -> the registry's name
_DEFINED: dict[str, type[Loss]] = {}  # those of define_loss, in this process

_EVALUATING = {
    "ValueError": "When called: if the shapes differ, or there is nothing to take the mean of.",
    "DomainError": (
        "When called: if a value is outside the domain, or a weight is not finite. It is a "
        "ValueError that holds the argument, the index and the value."
    ),
    "TypeError": "When called: if an array holds anything but real numbers.",
}

_NOTES = """\
Notes
-----
The loss of a target ``y`` and a prediction ``z`` is ::

{definition}

- y: {y_domain}
- z: {z_domain}
- majorant of the second derivative hess: {majorant}

float32 and float64 predictions are computed in their own type, float16 and bfloat16 as float32,
integers and booleans as float64.
"""


class _OfInstances(property):
    """A property that the class itself does not have."""

    def __get__(self, loss: Any, cls: type | None = None) -> Any:
        if loss is None:
            raise AttributeError(f"of {cls and cls.__name__} only instances have it")
        return super().__get__(loss, cls)


class Loss(BaseLoss):
    """Base of all losses: immutable, hashable, picklable.

    The classes of ``fastloss.losses`` say what a loss is: its name, its definition, which the tests
    evaluate to 50 digits, its parameters and their ranges.

    Attributes
    ----------
    name : str
        What `get_loss` makes the loss of.
    definition : str
        The loss as an expression in its parameters, y and z.
    y_domain, z_domain : Domain
        Where targets and predictions may lie.
    majorant : str or None
        What ``grad_and_hess(hessian="majorant")`` gives for the second derivative, likewise, or in
        words; "hess" is the second derivative itself.
    """

    name: ClassVar[str]
    definition: ClassVar[str]
    majorant: ClassVar[str | None] = None
    _ranges: ClassVar[Mapping[str, Domain]] = {}
    _root: ClassVar[bool] = False  # the reduced value is the root of what the kernel gives
    _link: ClassVar[Link] = IDENTITY
    _endless: ClassVar[bool] = False  # it falls without end, so that nothing can be fitted to it

    @classmethod
    def _notes(cls) -> str:
        """What the docstring says of the formula and the domains."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        if "name" not in cls.__dict__:  # shared by losses, not one
            return
        if _REGISTRY.add(cls.name, cls):
            _ALIASES[re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()] = cls.name
        for parameter, domain in cls._ranges.items():
            setattr(cls, parameter, _parameter(parameter, domain))
        if "__init__" not in cls.__dict__:
            cls.__init__ = _renamed(cls)  # type: ignore[method-assign]
        if cls.__doc__:  # python -OO leaves none
            cls.__doc__ = _Docstring(cls.__doc__)  # type: ignore[assignment]  # gives a str

    def __init__(self) -> None:
        self._set()

    def _set(self, **parameters: Any) -> None:
        """Check and set the parameters, once."""
        if not hasattr(self, "name"):
            raise TypeError(f"{type(self).__name__} is what losses share, not a loss")
        if not hasattr(self, "_kernel_name"):
            raise TypeError(
                f"{type(self).__name__} has no kernel: a loss of one's own is a subclass of one "
                f"that there is, as of fastloss.SquaredError"
            )
        if self.parameters is not None:  # as it is until _bind
            raise AttributeError(f"{type(self).__name__} is immutable")
        checked = {name: self._check(name, value) for name, value in parameters.items()}
        self._bind(MappingProxyType(checked))

    def _check(self, name: str, value: Any) -> Any:
        """A parameter as a float, if it is in its range."""
        return self._ranges[name].parameter(name, value)

    # What scikit-learn and XGBoost look for in a metric, which is a function for them.
    if not TYPE_CHECKING:  # a type checker would take it for the class's name

        @property
        def __name__(self) -> str:
            return self.name

    @_OfInstances
    def __signature__(self) -> inspect.Signature:  # Cython keeps none of __call__
        return inspect.signature(self.grad)

    def inverse_link(self, z: ArrayLike) -> NDArray[Any]:
        """Compute what predictions mean: of a logit the probability, of a logarithm the number.

        Parameters
        ----------
        z : array_like
            Predictions, as the loss takes them.

        Returns
        -------
        ndarray
            Of the shape of ``z``; of a loss whose predictions are what they mean ``z`` itself.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Logistic().inverse_link([0.0, 1000.0]), fl.Huber().inverse_link([0.0, 1000.0])
        (array([0.5, 1. ]), array([   0., 1000.]))
        """
        return self._link.inverse(real_array(z, "z"), self.parameters.get("axis", -1))

    def link(self, mu: ArrayLike) -> NDArray[Any]:
        """Compute the predictions that mean ``mu``: the inverse of `inverse_link`.

        Parameters
        ----------
        mu : array_like
            Means, probabilities; whatever the targets are on the scale of.

        Returns
        -------
        ndarray
            Of the shape of ``mu``. Of probabilities of several classes, their logarithms.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Poisson().link([1.0, 0.0])
        array([  0., -inf])
        """
        return self._link.link(real_array(mu, "mu"), self.parameters.get("axis", -1))

    @property
    def spec(self) -> str:
        """Name and parameters as `get_loss` and the command line read them."""
        cls: Any = type(self)
        defaults = _defaults(cls)
        changed = [
            f"{k}={_written(v, cls._ranges[k].labels)}"
            for k, v in self.parameters.items()
            if v != defaults[k]
        ]
        return ":".join([self.name, *([",".join(changed)] if changed else [])])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be set")

    def __repr__(self) -> str:
        if self.parameters is None:  # it was not initialised
            return super().__repr__()
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({arguments})".replace("=-inf", "=float('-inf')")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self.parameters == other.parameters)

    def __hash__(self) -> int:
        return hash((type(self), *self.parameters.values()))

    def __reduce__(self) -> tuple[type[Loss], tuple[Any, ...]]:
        return type(self), tuple(self.parameters.values())

    # Nobody can change a loss, so that a copy would be for nothing. Of estimators that hold one
    # scikit-learn and CatBoost make copies, and ask whether a parameter is still the same object.
    def __copy__(self: L) -> L:
        return self

    def __deepcopy__(self: L, memo: object) -> L:
        return self

    def __sklearn_clone__(self: L) -> L:
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters by name, as scikit-learn's estimators give theirs.

        Parameters
        ----------
        deep : bool, default=True
            Of no effect: no parameter has parameters itself.

        Returns
        -------
        dict
            A copy of ``parameters``.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Huber(delta=2.0).get_params()
        {'delta': 2.0}
        """
        return dict(self.parameters)


def _written(value: Any, labels: bool) -> str:
    """A parameter as `get_loss` reads it; one number of several has a semicolon behind it."""
    if not isinstance(value, tuple):
        return repr(value)
    return ";".join(map(repr, value)) + ";" * (len(value) == 1 and not labels)


@functools.cache
def _defaults(cls: Any) -> dict[str, Any]:
    """The parameters that a loss has if none are given."""
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


class Pointwise(Loss, PointwiseLoss):
    """Base of the losses of one target and one prediction.

    What a loss computes stands in the branch of its name in ``src/kernels/pointwise.pxi``.
    """

    _kernel_name: ClassVar[str]  # that branch
    majorant: ClassVar[str] = "hess"

    @property
    def y_domain(self) -> Domain:
        """(-inf, inf)"""
        return REAL

    @property
    def z_domain(self) -> Domain:
        """(-inf, inf)"""
        return REAL

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__ and is_own(cls):
            cls._kernel_name = cls.__name__
        super().__init_subclass__()

    def _kernel(self) -> tuple[str, Parameters]:
        """The kernel to run and its parameters."""
        return self._kernel_name, self.parameters

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def optimal_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Find the prediction that makes the loss least if it is the same for all samples.

        It is what boosting and linear models start from: a mean by way of the `link`, a quantile,
        or the zero of the derivative, to a few units in its last place. Of a loss that is not
        convex it is the best of the minima near 65 starts.

        Parameters
        ----------
        y_true : array_like
            Targets, of any shape.
        sample_weight : array_like, optional
            Weights, at least 0.

        Returns
        -------
        float
            On the scale of the predictions; infinite if the loss falls without an end, as the
            logistic loss of one class does.

        Raises
        ------
        ValueError
            If a target is NaN or outside the domain, a weight is negative, there are no samples of
            non-zero weight, or no prediction inside the domain is the best.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Quantile(q=0.9).optimal_constant([1.0, 2.0, 3.0, 10.0])
        10.0
        >>> round(fl.Logistic().optimal_constant([0, 1, 1, 1]), 4)
        1.0986
        """
        y, w = self._samples(y_true, sample_weight)
        found = float(self._optimum(y, w))
        if found not in self.z_domain:
            raise ValueError(
                f"{self!r} has no best constant: it is less the nearer it comes to {found}, which "
                f"is not in {self.z_domain}"
            )
        return found

    def _samples(self, y_true: ArrayLike, sample_weight: Any) -> tuple[Any, Any]:
        """Targets and weights that count, in float64 and one axis; all of them checked."""
        y = real_array(y_true, "y_true").astype(np.float64)
        point = np.broadcast_to(self.z_domain.member, y.shape)
        if sample_weight is not None:
            sample_weight = real_array(sample_weight, "sample_weight").astype(np.float64)
        self(y, point, sample_weight=sample_weight, nan_policy="raise")
        if sample_weight is None:
            return y.ravel(), None
        w = sample_weight
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (y.ndim - w.ndim)), y.shape).ravel()
        if (w < 0).any():
            raise ValueError(
                f"sample_weight must not be negative here; got {w[w < 0][0]}: the loss may have no "
                "least value"
            )
        return y.ravel()[w > 0], w[w > 0]

    def _optimum(self, y: Any, w: Any) -> Any:
        """The best constant for targets, and weights or None."""
        n = len(y)

        def value(c: float) -> float:
            return self(y, np.broadcast_to(c, n), sample_weight=w)

        def slope(c: float) -> float:
            grad = self.grad(y, np.broadcast_to(c, n), sample_weight=w, reduction="none")
            return float(np.sum(grad, dtype=np.longdouble))

        scores = self.y_domain.bounded and not self.z_domain.bounded and 7.5 not in self.y_domain
        starts = constants.starts_of_scores() if scores else constants.starts_of_targets(y)
        if not self.z_domain.absolute:
            ends = self.z_domain.closed(np.float64)
            starts = np.append(np.clip(starts, *ends), [x for x in ends if np.isfinite(x)])
            starts = np.unique(starts)
        return constants.search(value, slope, starts)

    @classmethod
    def _notes(cls) -> str:
        # a domain that depends on the parameters is a property, which says how in its docstring
        domains = {
            name: value if isinstance(value := getattr(cls, name), Domain) else value.__doc__
            for name in ("y_domain", "z_domain")
        }
        return _NOTES.format(
            definition=_wrapped(cls.definition),
            majorant=_wrapped(cls.majorant).strip(),
            **domains,
        )


def _parameter(name: str, domain: Domain) -> property:
    """A read-only attribute for a parameter."""
    where = f", in {domain}" if str(domain)[0] in "[({" else f": {domain}"
    return property(lambda self: self.parameters[name], doc=f"A parameter{where}.")


def _renamed(cls: type[Loss]) -> Callable[..., None]:
    """The inherited constructor under the name of the class, which Python's errors give."""
    made: Any = cls.__init__
    if not isinstance(made, FunctionType):  # of a compiled class
        return made  # type: ignore[no-any-return]
    own = FunctionType(made.__code__, made.__globals__, closure=made.__closure__)
    functools.update_wrapper(own, made)
    own.__defaults__, own.__kwdefaults__ = made.__defaults__, made.__kwdefaults__
    own.__qualname__ = f"{cls.__qualname__}.__init__"
    return own


class OfMean(Pointwise):
    """Base of the losses whose best constant is the mean of the targets, by way of the link."""

    def _optimum(self, y: Any, w: Any) -> Any:
        mean = constants.mean(y, w)
        if self._link is LOG:  # of a negative mean the loss falls towards that of 0
            mean = max(mean, 0.0)
        return self._link.link(np.asarray(mean), -1)


class _Docstring:
    """A loss's docstring, put together when it is read first: most programs never read it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, loss: Loss | None, cls: type[Loss]) -> str:
        cls.__doc__ = text = _documented(cls, self._text)
        return text


def _documented(cls: type[Loss], text: str) -> str:
    """The docstring with what follows from the class itself, before its references or examples."""
    from fastloss.docstrings import filled  # as most programs read no docstring

    text = inspect.cleandoc(text)
    text = filled(text) if is_own(cls) else text
    found = re.search(r"^(References|Examples)\n-", text, re.MULTILINE)
    if not found:
        text += "\n\n"
    place = found.start() if found else len(text)
    errors = dict(_EVALUATING)
    if cls._ranges:
        refusals = [domain.refusal(name) for name, domain in cls._ranges.items()]
        if any(refusals):
            outside = ", or ".join(filter(None, refusals))
            errors["ValueError"] = f"If {outside}. {errors['ValueError']}"
        errors["TypeError"] = f"If a parameter is of another type. {errors['TypeError']}"
    raises = "Raises\n------\n" + "".join(
        f"{error}\n{_wrapped(when)}\n" for error, when in errors.items()
    )
    return f"{text[:place]}{raises}\n{cls._notes()}\n{text[place:]}"


@functools.cache  # most sentences stand in many docstrings
def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, 92, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )


def loss_names() -> tuple[str, ...]:
    """Names of all losses of this package, as `get_loss` takes them.

    Examples
    --------
    >>> import fastloss as fl
    >>> "huber" in fl.loss_names()
    True
    """
    return tuple(_REGISTRY)


def is_built_in(name: str) -> bool:
    """Whether a name, of the registry or of a class, is that of one of this package's losses."""
    return name in _REGISTRY or name in _ALIASES


def enter(name: str, cls: type[Loss]) -> None:
    """Let `get_loss` know a loss that a formula defines; a later one takes the name."""
    _DEFINED[name] = cls


def defined_names() -> tuple[str, ...]:
    """Names of the losses that formulas define, in this process."""
    return tuple(_DEFINED)


def pointwise_names() -> tuple[str, ...]:
    """Names of this package's losses of one target and one prediction."""
    return tuple(name for name, cls in _REGISTRY.items() if issubclass(cls, Pointwise))


def loss_class(name: str) -> type[Loss]:
    """The class of a registry name, or of a class's name in snake case."""
    cls = _REGISTRY.get(_ALIASES.get(name, name)) or _DEFINED.get(name)
    if cls is None:
        import difflib  # takes long to import

        near = difflib.get_close_matches(name, [*_REGISTRY, *_ALIASES, *_DEFINED], n=6)
        near = list(dict.fromkeys(_ALIASES.get(match, match) for match in near))[:3]
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"unknown loss {name!r}{hint} (loss_names() lists them all; those of other signatures, "
            "as CTC or AFT, are classes alone; one of your own has to be defined first, by "
            "define_loss() or load_losses())"
        )
    return cls


def get_loss(name: str, **parameters: Any) -> Loss:
    """Make a loss from its name.

    Parameters
    ----------
    name : str
        A name from `loss_names`, with parameters behind a colon if it has any:
        ``"huber:delta=1.5"``.
    **parameters : float
        Parameters of the loss.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        If there is no such loss, or a parameter is out of its range or given twice.
    TypeError
        If a parameter is not one of the loss's, or not a number.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.get_loss("huber", delta=1.5) == fl.get_loss("huber:delta=1.5") == fl.Huber(delta=1.5)
    True
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string; got {name!r}")
    name, colon, rest = name.partition(":")
    cls = loss_class(name)
    given: dict[str, Any] = {}
    for part in _split(rest, ",") if colon else ():
        key, _, text = part.partition("=")
        key = key.strip()
        if key in given or key in parameters:
            raise ValueError(f"{name}: parameter {key!r} is given twice")
        try:
            labels = key in cls._ranges and cls._ranges[key].labels
            given[key] = tuple(map(_label, _split(text, ";"))) if labels else _number(text)
        except ValueError:
            raise ValueError(
                f"{name}: expected PARAMETER=NUMBER behind the colon (several numbers: 1;2;3; or "
                f"True, False, None); got {part!r}"
            ) from None
    given |= parameters
    unknown = [key for key in given if key not in cls._ranges]
    if unknown:
        known = ", ".join(cls._ranges) or "none"
        raise TypeError(f"{name} has no parameter {unknown[0]!r}; it has: {known}")
    return cls(**given)


def _number(text: str) -> float | bool | tuple[float, ...] | None:
    """As `spec` writes it: a word, a number, or several of them with semicolons between them."""
    words = {"None": None, "True": True, "False": False}
    if text in words:
        return words[text]
    if ";" not in text:
        return float(text)
    return tuple(map(float, text.removesuffix(";").split(";")))


def _split(text: str, mark: str) -> list[str]:
    """Parts between marks that are in no quotes and no brackets."""
    inside = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\([^()]*\)"""
    parts = [""]
    for found in re.finditer(rf"{inside}|.", text, re.DOTALL):
        if found[0] == mark:
            parts.append("")
        else:
            parts[-1] += found[0]
    return parts


def _label(text: str) -> Any:
    """A label as `spec` writes it, or a word that needs no quotes."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def as_loss(loss: str | Loss) -> Loss:
    """A loss, given itself or its name."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        return get_loss(loss)
    raise TypeError(f"a loss is a name or a Loss, as in Huber(); got {loss!r}")
