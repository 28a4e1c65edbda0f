"""What every optimizer has in common: its arrays, groups, options, state, and the registry."""

from __future__ import annotations

import copy
import inspect
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from types import MethodType
from typing import Any, ClassVar, Literal, TypeAlias, TypedDict, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fastloss import penalties
from fastloss._core import BaseOptimizer, kernel_rules
from fastloss.described import Described
from fastloss.docstrings import filled
from fastloss.domains import NONNEGATIVE, POSITIVE, Domain
from fastloss.optim import schedules
from fastloss.optim.checks import (
    check_apart,
    check_flag,
    check_keys,
    check_like,
    check_number,
    check_numbers,
    check_parameter,
    check_prox,
    check_tuple,
    has_prox_only,
)
from fastloss.optim.stored import ROUNDED, check_fits, check_state_dtype, is_low, make_state
from fastloss.optim.structure import Structure, is_grouped
from fastloss.registry import Registry

Array: TypeAlias = NDArray[np.floating[Any]]
Arrays: TypeAlias = Array | Sequence[Array] | Mapping[Any, Array]
Params: TypeAlias = Arrays | Sequence[Mapping[str, Any]]
Rate: TypeAlias = float | Callable[[int], float]
State: TypeAlias = dict[str, Any]
NonFinite: TypeAlias = Literal["propagate", "raise", "skip"]
StateDtype: TypeAlias = Literal["bfloat16", "8bit", "float32", "float64"]

VERSION = 1  # of the layout of state_dict()
BELOW_ONE = Domain("[0, 1)", low=0, high=1, open_high=True)

_REGISTRY: Registry[Optimizer] = Registry()
# what reads the descriptions of objects that save() writes
_READERS: dict[str, Callable[[Any], Any]] = {
    "lr": schedules.from_dict,
    "penalty": penalties.from_dict,
}

_COMMON = """\
max_norm : float, optional
    Gradients are multiplied by ``min(1, max_norm / norm)``, where ``norm`` is the Euclidean norm
    of all of them together, summed in float64. No eps hides in it (torch divides by norm + 1e-6).
clip_value : float, optional
    Each element of the gradients is cut to ``-clip_value..clip_value``, after ``max_norm``.
nonfinite : {"propagate", "raise", "skip"}
    What a step does where gradients hold NaN or inf: compute with them, raise a DomainError, or
    return False; the last two leave everything as it is.
state_dtype : {None, "bfloat16", "8bit", "float32", "float64"}
    What the state is kept in: None, the dtype that steps are computed in; or, unless that is
    float64, "bfloat16" or "8bit", codes of one byte with a scale for each 256 of them. What is
    kept of the state is then rounded up or down at random, so that the mean is exact: see
    docs/precision.md. Options that would amplify these errors are refused.
maximize : bool
    Step along the negative of the gradients. Weight decay and penalties still pull towards 0.
"""


class Common(TypedDict, total=False):
    """Arguments that every optimizer takes."""

    max_norm: float | None
    clip_value: float | None
    nonfinite: NonFinite
    state_dtype: StateDtype | None
    maximize: bool


DEFAULTS: Common = {
    "max_norm": None,
    "clip_value": None,
    "nonfinite": "propagate",
    "state_dtype": None,
    "maximize": False,
}


class Optimizer(BaseOptimizer):
    """Base of all optimizers.

    A subclass says what its options are, and which arrays of state its kernel has. What it
    computes stands in the branch of its ``_kernel_name`` in ``src/kernels/rules.pxi``.
    """

    _kernel_name: ClassVar[str]
    _ranges: ClassVar[Mapping[str, Domain]] = {}  # of options; NONNEGATIVE where it lacks one
    _flags: ClassVar[Collection[str]] = ()  # the options that are True or False
    _state_names: ClassVar[tuple[str, ...]]  # of the arrays of state, in the kernel's order
    _copies: ClassVar[Collection[str]] = ()  # those that start as copies of the parameters
    _n_betas: ClassVar[int] = 2  # how many numbers `betas` holds
    _axes: ClassVar[int | None] = None  # how many an array must have
    _takes_prox: ClassVar[bool] = False  # of any penalty: one step size for all elements
    _takes_rows: ClassVar[bool] = False  # gradients of some rows; the others wait
    _carried_numbers: ClassVar[Mapping[str, float]] = {}  # numbers that go from step to step

    def __init_subclass__(cls) -> None:
        own = _REGISTRY.add(cls.__name__, cls)
        if own and "_kernel_name" not in cls.__dict__ and cls.__name__ in kernel_rules:
            cls._kernel_name = cls.__name__
        _spell_out(cls.__init__)
        if cls.__doc__:  # python -OO leaves none
            text = filled(cls.__doc__) if own else cls.__doc__
            cls.__doc__ = text.replace("    COMMON\n", _indented(_COMMON))

    def __init__(self, params: Params, **options: Any) -> None:
        raise TypeError(f"{type(self).__name__} is what optimizers share, not an optimizer")

    def __repr__(self) -> str:
        if not hasattr(self, "_common"):  # it was not initialised
            return super().__repr__()
        shown = {}
        for key in self._options[0]:
            values = [options[key] for options in self._options]
            shown[key] = values if any(value != values[0] for value in values) else values[0]
        for key, value in self._common.items():
            if value != DEFAULTS[key]:  # type: ignore[literal-required]
                shown[key] = value
        options = ", ".join(f"{key}={value!r}" for key, value in shown.items())
        n = len(self._arrays)
        arrays = f"{n} array{'s' if n > 1 else ''}"
        return f"<{type(self).__name__}({options}) of {arrays}, step_count={self.step_count}>"

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name != "lr":
            raise AttributeError(
                f"{name} cannot be set: of an optimizer's options only lr can; others can be "
                f"changed in its state_dict(), for load_state_dict()"
            )
        super().__setattr__(name, value)

    @property
    def lr(self) -> Any:
        """The rate, a number or a schedule; of groups a list of them.

        What it is set to counts from the next step on. A schedule is the one that is in use: after
        `load` or `load_state_dict` it is a copy of the one that the optimizer was made with.
        """
        rates = [options["lr"] for options in self._options]
        return rates if self._grouped else rates[0]

    @lr.setter
    def lr(self, given: Any) -> None:
        self._check_idle()
        rates = given if self._grouped else [given]
        n = len(self._options)
        if not isinstance(rates, (list, tuple)) or len(rates) != n:
            raise TypeError(f"lr must be a list of {n}, one for each group; got {given!r}")
        groups = [
            options | {"lr": self._check("lr", rate)}
            for options, rate in zip(self._options, rates, strict=True)
        ]
        self._check_fit(groups, check_numbers)
        self._set(groups, self._numbers(), self._common, self.step_count)

    # ---- what a rule may override --------------------------------------------------------------

    def _states(self, options: Mapping[str, Any]) -> tuple[str | None, ...]:
        """`_state_names`, with None for an array that the kernel does without.

        It raises if the options contradict each other.
        """
        return self._state_names

    def _kernel_numbers(self, options: Mapping[str, Any]) -> dict[str, float]:
        """The options as numbers under the kernel's names."""
        fields: dict[str, float] = {}
        for key, value in options.items():
            if key == "betas":
                fields |= {f"beta{i}": beta for i, beta in enumerate(value, 1)}
            elif key == "penalty":
                fields |= {name: float(getattr(value, name, 0.0)) for name in ("l1", "l2")}
            elif key != "lr":
                fields[key] = float(value)
        return fields

    def _shape(self, name: str, array: Array) -> tuple[int, ...] | None:
        """The shape of an array of state; None if this array needs none of that name."""
        return array.shape

    def _initial(self, name: str, options: Mapping[str, Any]) -> float:
        """What an array of state starts from."""
        return 0.0

    def _shapes(self, options: Mapping[str, Any], array: Array) -> dict[str, tuple[int, ...]]:
        """The shapes of all arrays of state of an array, by name."""
        found = {name: self._shape(name, array) for name in self._states(options) if name}
        return {name: shape for name, shape in found.items() if shape is not None}

    def _refused_state(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Values of state_dtype whose rounding errors would spoil the rule."""
        return ()

    # ---- construction --------------------------------------------------------------------------

    def _build(self, params: Params, common: Common, **options: Any) -> None:
        """Check everything, and tie the arrays to the kernel; the constructor's only step."""
        if hasattr(self, "_options"):
            raise TypeError(f"this {type(self).__name__} is initialised already")
        common = self._check_common(common, options)
        self._structure = structure = Structure(params)
        self._grouped, self._keys = structure.grouped, structure.keys
        self._members, self._names = structure.members, structure.labels
        groups = [
            self._check_group(f"params[{k}]" if structure.grouped else "", group, options)
            for k, group in enumerate(structure.groups)
        ]
        arrays: list[Array] = structure.arrays
        names = structure.labels
        for array, name in zip(arrays, names, strict=True):
            check_parameter(array, f"params{name}")
        check_apart(arrays, names)
        self._arrays = arrays
        self._check_fit(groups, check_numbers, check_prox)
        self._options = groups
        self._make_state(names, common["state_dtype"])
        grads = [f"grads{name}" for name in names]
        kinds = structure.kinds
        self._bind(arrays, grads, *self._held(), self._members, kinds, self._grouped)
        self._set(self._options, [self._carried_numbers] * len(groups), common, 0)

    def _make_state(self, labels: list[str], state_dtype: str | None) -> None:
        """Make what is kept of each array, by name."""
        self._state: list[dict[str, Array]] = []
        for array, label, k in zip(self._arrays, labels, self._members, strict=True):
            options = self._options[k]
            if state_dtype in self._refused_state(options):
                others = [name for name in ROUNDED if name not in self._refused_state(options)]
                usable = " or ".join(map(repr, (None, *others)))
                raise ValueError(
                    f"state_dtype={state_dtype!r} would spoil {type(self).__name__} with these "
                    f"options by its rounding errors; take {usable}"
                )
            check_fits(array, label, state_dtype)
            made = {"master": array.astype(np.float32)} if is_low(array) else {}
            for name, shape in self._shapes(options, array).items():
                initial = self._initial(name, options)
                made |= make_state(array, name, initial, state_dtype, shape)
                if name in self._copies:
                    np.copyto(made[name], made.get("master", array))
            self._state.append(made)

    def _held(self) -> tuple[list[Any], list[Any]]:
        """The masters of the arrays; and their state and its scales, in the kernel's order."""
        states = [
            [
                (held.get(name or ""), held.get(f"{name}_scale"))
                for name in self._states(self._options[k])
            ]
            for held, k in zip(self._state, self._members, strict=True)
        ]
        return [held.get("master") for held in self._state], states

    def _set(
        self,
        groups: list[dict[str, Any]],
        carried: Sequence[Mapping[str, float]],
        common: Common,
        step: int,
    ) -> None:
        """Take options, all of them checked."""
        self._options = groups
        self._common = common
        kernels = []
        for options, numbers in zip(groups, carried, strict=True):
            lr = 0.0 if callable(options["lr"]) else options["lr"]
            kernels.append((self._kernel_name, {**self._kernel_numbers(options), **numbers}, lr))
        schedules = [options["lr"] if callable(options["lr"]) else None for options in groups]
        proximal = [
            (i, k, groups[k]["penalty"])
            for i, k in enumerate(self._members)
            if has_prox_only(groups[k].get("penalty"))
        ]
        self._configure(
            kernels,
            schedules if any(rate is not None for rate in schedules) else None,
            proximal or None,
            max_norm=common["max_norm"],
            clip_value=common["clip_value"],
            nonfinite=common["nonfinite"],
            maximize=common["maximize"],
            step=step,
        )

    def _class_name(self) -> str:
        """What state says it is of; of a user's class the module too, so as not to be mistaken."""
        cls = type(self)
        own = _REGISTRY.get(cls.__name__) is cls
        return cls.__name__ if own else f"{cls.__module__}.{cls.__qualname__}"

    def _numbers(self) -> list[dict[str, float]]:
        """Of each group the numbers that go from step to step."""
        return [
            {name: self._carried(k, name) for name in self._carried_numbers}
            for k in range(len(self._options))
        ]

    def _check_fit(
        self,
        groups: Sequence[Mapping[str, Any]],
        *checks: Callable[[Mapping[str, Any], Array, str], None],
    ) -> None:
        """An error if options, each of them checked, do not fit the arrays."""
        for array, name, k in zip(self._arrays, self._names, self._members, strict=True):
            for check in checks:
                check(groups[k], array, f"params{name}")

    def _check_common(self, given: Mapping[str, Any], options: Collection[str]) -> Common:
        """The arguments that every optimizer takes, with their defaults."""
        for key in given:
            if key not in DEFAULTS:
                raise TypeError(self._no_option("argument", key, ["params", *options, *DEFAULTS]))
        given = {**DEFAULTS, **given}
        limits = [
            None if (value := given[name]) is None else check_number(name, value, POSITIVE)
            for name in ("max_norm", "clip_value")
        ]
        nonfinite = given["nonfinite"]
        if nonfinite not in get_args(NonFinite):
            raise ValueError(f'nonfinite must be "propagate", "raise" or "skip"; got {nonfinite!r}')
        return {
            "max_norm": limits[0],
            "clip_value": limits[1],
            "nonfinite": nonfinite,
            "state_dtype": cast("StateDtype | None", check_state_dtype(given["state_dtype"])),
            "maximize": check_flag("maximize", given["maximize"]),
        }

    def _check_group(
        self, label: str, group: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The options of a group; label: what errors call it, if there are groups."""
        own = {key: value for key, value in group.items() if key != "params"}
        for key in own:
            if key not in defaults:
                raise TypeError(f"{label}: {self._no_option('option', key, defaults)}")
        return self._check_each(label, {**defaults, **own})

    def _check_each(self, label: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options, each of them in its range; label: what errors call the group, if anything."""
        try:
            return {key: self._check(key, value) for key, value in options.items()}
        except (TypeError, ValueError) as error:
            if not label:
                raise
            raise type(error)(f"{label}: {error}") from None

    def _no_option(self, kind: str, name: str, known: Collection[str]) -> str:
        """What to say of an option that this optimizer does not have."""
        text = f"{type(self).__name__} has no {kind} {name!r}; it has: {', '.join(known)}"
        takers = [k for k, cls in _REGISTRY.items() if name in inspect.signature(cls).parameters]
        return f"{text}; those with {name}: {', '.join(takers)}" if takers else text

    def _check(self, name: str, value: Any) -> Any:
        """An option's value, if it is in its range."""
        if name == "lr" and isinstance(value, type):
            raise TypeError(
                f"lr must be a number or a function of the step, as {value.__name__}(...) may be; "
                f"got the class {value.__name__} itself"
            )
        if name == "lr" and callable(value):
            return value
        if name == "penalty":
            return self._check_penalty(value)
        if name == "betas":
            return check_tuple(name, value, [BELOW_ONE] * self._n_betas)
        if name in self._flags:
            return check_flag(name, value)
        return check_number(name, value, self._ranges.get(name, NONNEGATIVE))

    def _check_penalty(self, penalty: Any) -> Any:
        """A penalty whose proximal step the kernel takes, or that can take it itself."""
        if penalty is None:
            return None
        found = [name for name in ("l1", "l2") if hasattr(penalty, name)]
        for name in found:
            check_number(f"penalty.{name}", getattr(penalty, name), NONNEGATIVE)
        if not found and not (self._takes_prox and callable(getattr(penalty, "prox", None))):
            or_prox = ", or a method prox(array, step, out=array)" if self._takes_prox else ""
            raise TypeError(f"penalty must have attributes l1 or l2{or_prox}; got {penalty!r}")
        return penalty

    def _check_takes_rows(self, name: str, group: int) -> None:
        """An error unless a gradient may be a tuple of row indices and values."""
        if not self._takes_rows:
            takers = ", ".join(key for key, cls in _REGISTRY.items() if cls._takes_rows)
            raise TypeError(
                f"{name} must be an array: {type(self).__name__} takes no sparse gradients, pairs "
                f"(row indices, values); those that do: {takers}"
            )
        if has_prox_only(self._options[group].get("penalty")):
            raise TypeError(
                f"{name} must be an array: the penalty takes its proximal step on all rows; "
                f"got a pair (row indices, values)"
            )

    # ---- state ---------------------------------------------------------------------------------

    def state_dict(self) -> State:
        """Copy everything that the next steps depend on, apart from the parameters.

        Schedules and penalties are copied too, but for functions and methods.

        Returns
        -------
        dict
            ``{"optimizer": name, "version": 1, "step": steps so far, "max_norm": ...,
            "clip_value": ..., "nonfinite": ..., "state_dtype": ..., "maximize": ...,
            "groups": [options], "state": {key: {name: array}}}``. The key of an array is its key or
            index in the parameters; 0 if they are one array; its number among all arrays if there
            are groups.
            Arrays in bfloat16 are of dtype uint16, with its bits; those in 8 bits are codes of
            dtype uint8, beside them ``name_scale`` (docs/precision.md says what they mean). Of an
            array of float16 or bfloat16 ``master`` is its float32.
        """
        groups = [
            options | numbers
            for options, numbers in zip(_copied(self._options), self._numbers(), strict=True)
        ]
        state = {
            key: {name: array.copy(order="K") for name, array in held.items()}
            for key, held in zip(self._keys, self._state, strict=True)
        }
        return {
            "optimizer": self._class_name(),
            "version": VERSION,
            "step": self.step_count,
            **self._common,
            "groups": groups,
            "state": state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the options, the step count and the state that `state_dict` returned.

        Parameters
        ----------
        state : dict
            Of an optimizer of the same class, with state of the same keys, shapes and dtypes.
            It is copied: `lr` is then the schedule in use.

        Raises
        ------
        ValueError, TypeError
            If it is not that. Then nothing has changed.
        """
        self._check_idle()
        expected = ("optimizer", "version", "step", *DEFAULTS, "groups", "state")
        check_keys("state", state, expected)
        for key, own_value in (
            ("optimizer", self._class_name()),
            ("version", VERSION),
            ("state_dtype", self._common["state_dtype"]),
        ):
            if state[key] != own_value:
                raise ValueError(f"state[{key!r}] must be {own_value!r}; got {state[key]!r}")
        step = state["step"]
        if isinstance(step, bool) or not isinstance(step, Integral) or not 0 <= int(step) < 2**53:
            raise ValueError(f"state['step'] must be a number of steps; got {step!r}")
        common = self._check_common({key: state[key] for key in DEFAULTS}, ())
        if len(state["groups"]) != len(self._options):
            raise ValueError(
                f"state['groups'] must have {len(self._options)} groups; got {len(state['groups'])}"
            )
        groups, carried = [], []
        for k, (given, own) in enumerate(zip(state["groups"], self._options, strict=True)):
            label = f"state['groups'][{k}]"
            check_keys(label, given, (*own, *self._carried_numbers))
            groups.append(self._check_each(label, {key: given[key] for key in own}))
            carried.append(
                {key: check_number(key, given[key], NONNEGATIVE) for key in self._carried_numbers}
            )
        groups = _copied(groups)
        self._check_fit(groups, check_numbers, check_prox)
        check_keys("state['state']", state["state"], self._keys)
        for key, held, k, parameter in zip(
            self._keys, self._state, self._members, self._arrays, strict=True
        ):
            given, label = state["state"][key], f"state['state'][{key!r}]"
            own_names = self._shapes(self._options[k], parameter).keys()
            if self._shapes(groups[k], parameter).keys() != own_names:
                raise ValueError(
                    f"state['groups'][{k}] are options that need other arrays of state than "
                    f"those of this optimizer ({', '.join(own_names) or 'none'})"
                )
            check_keys(label, given, held)
            for name, array in held.items():
                check_like(f"{label}[{name!r}]", given[name], array)
        for key, held in zip(self._keys, self._state, strict=True):
            for name, array in held.items():
                np.copyto(array, state["state"][key][name])
        self._set(groups, carried, common, int(step))

    def save(self, path: str | Path) -> None:
        """Write the state to a file, for `fastloss.optim.load`.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        TypeError
            If the optimizer, a schedule of learning rates or a penalty is not of a class of
            ``fastloss``: it could not be loaded.
        """
        from fastloss.optim import storage

        if _REGISTRY.get(type(self).__name__) is not type(self):
            raise TypeError(
                f"{type(self).__name__} is none of fastloss's optimizers, so that load would not "
                f"know it; save its state_dict() by other means"
            )
        state = self.state_dict()
        for group in state["groups"]:
            for name, value in group.items():
                if name in _READERS and not (value is None or isinstance(value, float)):
                    group[name] = _described(name, value)
                elif isinstance(value, tuple):
                    group[name] = list(value)
        state["state"] = {str(key): held for key, held in state["state"].items()}
        if len(state["state"]) != len(self._keys):
            raise TypeError(f"keys of arrays must differ as strings to be saved; got {self._keys}")
        storage.save_state(path, state)


def load(path: str | Path, params: Params) -> Optimizer:
    """Make the optimizer that `save` wrote to a file.

    Parameters
    ----------
    path : str or path-like
    params : ndarray, list or dict of ndarrays, or list of groups
        The parameters, as the optimizer that was saved had them; groups hold ``"params"`` alone.

    Returns
    -------
    Optimizer
        With schedules of its own, which its `lr` is.

    Raises
    ------
    ValueError, TypeError
        If the parameters do not fit what was saved.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import fastloss as fl
    >>> path, p = os.path.join(tempfile.mkdtemp(), "sgd.state"), np.ones(3)
    >>> fl.optim.SGD(p, lr=fl.optim.schedules.ReduceOnPlateau(0.1, patience=1)).save(path)
    >>> opt = fl.optim.load(path, p)
    >>> for loss in (1.0, 1.0, 1.0):
    ...     _ = opt.step(np.ones(3))
    ...     opt.lr.update(loss)
    >>> round(opt.lr(opt.step_count), 6)
    0.01
    """
    from fastloss.optim import storage

    state: Any = storage.load_state(path)
    cls: Any = _REGISTRY.get(str(state.get("optimizer")))
    if cls is None:
        raise ValueError(f"{path} holds no optimizer of this version; got {state.get('optimizer')}")
    groups, held = state.get("groups"), state.get("state")
    if not (isinstance(groups, list) and all(isinstance(group, dict) for group in groups)):
        raise ValueError(f"{path} is damaged: it holds no groups of options")
    if not isinstance(held, dict):
        raise ValueError(f"{path} is damaged: it holds no state of arrays")
    for group in groups:
        for name, read in _READERS.items():
            if isinstance(group.get(name), dict):
                group[name] = read(group[name])
    options = [
        {key: value for key, value in group.items() if key not in cls._carried_numbers}
        for group in groups
    ]
    known = inspect.signature(cls).parameters.keys() - {"params", *DEFAULTS}
    unknown = [key for group in options for key in group if key not in known]
    if unknown:
        raise ValueError(f"{path} is damaged: {cls.__name__} has no option {unknown[0]!r}")
    if is_grouped(params):
        given = cast("Sequence[Mapping[str, Any]]", params)
        if len(given) != len(options):
            raise ValueError(f"params must be {len(options)} groups; got {len(given)}")
        for k, group in enumerate(given):
            check_keys(f"params[{k}]", group, ("params",))  # options are those that were saved
        params = [{"params": g["params"]} | o for g, o in zip(given, options, strict=True)]
        made = cls(params, state_dtype=state.get("state_dtype"))
    else:
        if len(options) != 1:
            raise ValueError(f"params must be a list of {len(options)} groups")
        made = cls(params, **options[0], state_dtype=state.get("state_dtype"))
    keys = {str(key): key for key in made._keys}
    check_keys("params", keys, held)
    state["state"] = {keys.get(key, key): arrays for key, arrays in held.items()}
    made.load_state_dict(state)
    return cast("Optimizer", made)


def optimizer_names() -> tuple[str, ...]:
    """Names of all optimizers.

    Examples
    --------
    >>> import fastloss as fl
    >>> "Adam" in fl.optim.optimizer_names()
    True
    """
    return tuple(_REGISTRY)


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")


def _spell_out(init: Any) -> None:
    """Show in a constructor's signature what its ``**common`` takes."""
    signature = inspect.signature(init)
    own = [p for p in signature.parameters.values() if p.name != "common"]
    if len(own) == len(signature.parameters):
        return
    for key, annotation in Common.__annotations__.items():
        default = DEFAULTS[key]  # type: ignore[literal-required]
        kind, text = inspect.Parameter.KEYWORD_ONLY, annotation.__forward_arg__
        own.append(inspect.Parameter(key, kind, default=default, annotation=text))
    init.__signature__ = signature.replace(parameters=own)


# ---- copies and descriptions -------------------------------------------------------------------


def _copied(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy of options: schedules and penalties that may change are copied, and those that
    groups share are shared by the copies; a method stays bound to its object."""
    kept = [
        value
        for options in groups
        for value in options.values()
        if isinstance(value, (MethodType, penalties.Penalty))
    ]
    return copy.deepcopy(groups, {id(value): value for value in kept})


def _described(name: str, value: Any) -> dict[str, Any]:
    """A schedule or a penalty in names and numbers, if they can be read again."""
    if not isinstance(value, Described):
        raise TypeError(
            f"{name} cannot be saved: {value!r} is none of fastloss, so that load would not know it"
        )
    description = value.to_dict()
    try:
        again = _READERS[name](description)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} cannot be saved: {value!r} could not be loaded: {error}"
        ) from error
    if again != value:
        raise TypeError(f"{name} cannot be saved: {value!r} would be loaded as {again!r}")
    return description
