"""Files of fitted linear models: JSON that holds what they need to predict and to be fitted on."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from fastloss import optim, penalties
from fastloss.described import Described, parsed_json
from fastloss.files import written_whole
from fastloss.linear_model.history import empty_history
from fastloss.linear_model.targets import loss_of_classes
from fastloss.losses.base import Loss, Pointwise, get_loss
from fastloss.losses.rows import RowLoss
from fastloss.optim import schedules
from fastloss.optim.base import optimizer_names
from fastloss.penalties import Penalty
from fastloss.registry import is_own
from fastloss.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FORMAT = "fastloss linear model"
VERSION = 1
KINDS = ("classifier", "multi-label classifier", "regressor")
LEFT_OUT = ("callbacks",)  # constructor's parameters that a model is the same without

# How objects among the parameters are written, by what stands for their kind.
_DESCRIBED: dict[str, tuple[type[Described], Any]] = {
    "penalty": (Penalty, penalties.from_dict),
    "schedule": (schedules.Schedule, schedules.from_dict),
}


# ---- writing -----------------------------------------------------------------------------------


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator of this package's to a file, whole or not at all."""
    check_is_fitted(estimator)
    if not is_own(type(estimator)):
        raise TypeError(
            f"{type(estimator).__name__} is none of fastloss's estimators, so that load would not "
            "know it"
        )
    items = _document(estimator).items()
    # an item a line: files can be read, and compared, by people
    lines = [f"  {json.dumps(key)}: {json.dumps(item, allow_nan=False)}" for key, item in items]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    with written_whole(path) as file:
        file.write(text.encode("ascii"))


def _document(estimator: Any) -> dict[str, Any]:
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "format": FORMAT,
        "version": VERSION,
        "fastloss": __version__,
        "kind": _kind(estimator),
        "loss": _spec("the loss", estimator.loss_),
        "classes": _classes(estimator.classes_) if is_classifier(estimator) else None,
        "features": estimator.n_features_in_ if names is None else list(map(str, names)),
        "coef": _floats("coef_", estimator.coef_),
        "intercept": _floats("intercept_", estimator.intercept_),
        "n_iter": int(estimator.n_iter_),
        "parameters": {
            name: _written(name, value)
            for name, value in estimator.get_params(deep=False).items()
            if name not in LEFT_OUT
        },
    }


def _kind(estimator: Any) -> str:
    if not is_classifier(estimator):
        return "regressor"
    return "multi-label classifier" if estimator._multilabel else "classifier"


def _floats(name: str, values: Any) -> Any:
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return array.tolist()


def _classes(classes: Array) -> dict[str, Any]:
    values = classes.tolist()
    kind = "str" if classes.dtype.kind in "UO" else classes.dtype.name
    if kind == "str" and not all(isinstance(value, str) for value in values):
        raise TypeError(f"classes must be numbers, truth values or text; got {values}")
    return {"dtype": kind, "values": values}


def _spec(name: str, loss: Loss) -> str:
    """A loss as `get_loss` reads it."""
    try:
        known = get_loss(loss.spec) == loss
    except (TypeError, ValueError):
        known = False
    if not known:
        raise TypeError(f"{name} is {loss!r}, which is none of fastloss's losses")
    return loss.spec


def _written(name: str, value: Any) -> Any:
    """What stands for a parameter of the constructor in JSON."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Loss):
        return {"loss": _spec(name, value)}
    if isinstance(value, type) and any(value is getattr(optim, rule) for rule in optimizer_names()):
        return {"optimizer": value.__name__}
    if isinstance(value, Mapping):
        pairs = [[_written(name, part) for part in pair] for pair in value.items()]
        return {"mapping": pairs}
    for kind, (cls, read) in _DESCRIBED.items():
        if isinstance(value, cls) and is_own(type(value)):
            description = value.to_dict()
            if read(description) == value:
                return {kind: description}
    raise TypeError(
        f"{name}={value!r} cannot be written to a file: set_params({name}=...) puts a number, a "
        "name or an object of fastloss in its place"
    )


# ---- reading -----------------------------------------------------------------------------------


def read(path: str | os.PathLike[str], kinds: Mapping[str, type]) -> Any:
    """The estimator that `save` wrote; ``kinds`` are the classes of what ``"kind"`` may be."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        return _restored(_checked(parsed_json(data.decode("ascii"))), kinds)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        what = str(error) or type(error).__name__
        raise ValueError(
            f"{os.fspath(path)!r} is not a saved linear model, or is damaged: {what}"
        ) from None


_ITEMS: dict[str, tuple[Any, str]] = {
    "format": (str, "text"),
    "version": (int, "an integer"),
    "fastloss": (str, "text"),
    "kind": (str, "text"),
    "loss": (str, "text"),
    "classes": ((dict, type(None)), "an object or null"),
    "features": ((int, list), "a number or names"),
    "coef": (list, "numbers"),
    "intercept": ((list, float, int), "numbers"),
    "n_iter": (int, "an integer"),
    "parameters": (dict, "an object"),
}


def _checked(document: Any) -> dict[str, Any]:
    """The document, if it has the items that it should have, of the right types."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    version = document.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        newer = ", by a newer fastloss" if type(version) is int and version > VERSION else ""
        raise ValueError(
            f"it is of version {str(version)[:20]}{newer}; this one reads those up to {VERSION}"
        )
    for name, (types, words) in _ITEMS.items():
        if name not in document:
            raise ValueError(f"it lacks {name!r}")
        if not isinstance(document[name], types) or isinstance(document[name], bool):
            raise ValueError(f"{name!r} must be {words}; got {str(document[name])[:40]!r}")
    for name in document:
        if name not in _ITEMS:
            raise ValueError(f"it has {name!r}, which is not known")
    if document["kind"] not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}; got {document['kind']!r}")
    if document["n_iter"] < 0:
        raise ValueError(f"'n_iter' must be at least 0; got {document['n_iter']}")
    return document


def _restored(document: Mapping[str, Any], kinds: Mapping[str, type]) -> Any:
    kind = document["kind"]
    estimator = kinds[kind](**_parameters(document["parameters"], kinds[kind]))
    estimator._check()
    estimator.loss_ = get_loss(document["loss"])
    _set_features(estimator, document["features"])
    coef = _numbers("coef", document["coef"], (1, 2))
    intercept = _numbers("intercept", document["intercept"], (0, 1))
    if coef.shape[-1] != estimator.n_features_in_:
        raise ValueError(
            f"'coef' is of {coef.shape[-1]} features, and 'features' of {estimator.n_features_in_}"
        )
    if kind == "regressor":
        _make_regressor(estimator, document["classes"], coef)
    else:
        _make_classifier(estimator, document["classes"], coef, kind == KINDS[1])
    if intercept.shape != coef.shape[:-1]:
        raise ValueError(
            f"'intercept' must be of shape {coef.shape[:-1]}, as 'coef' is of {coef.shape}; got "
            f"{intercept.shape}"
        )
    estimator.coef_ = coef
    estimator.intercept_ = intercept if intercept.ndim else float(intercept)
    estimator._w = _flat(estimator, np.atleast_2d(coef), np.atleast_1d(intercept))
    estimator.n_iter_, estimator.history_ = document["n_iter"], empty_history()
    return estimator


def _make_regressor(estimator: Any, classes: Any, coef: Array) -> None:
    if classes is not None:
        raise ValueError("a regressor has no 'classes'")
    if not isinstance(estimator.loss_, Pointwise):
        raise ValueError(f"{estimator.loss_!r} is no loss of a regressor")
    estimator._n_outputs, estimator._one_column = len(np.atleast_2d(coef)), coef.ndim == 2


def _make_classifier(estimator: Any, classes: Any, coef: Array, multilabel: bool) -> None:
    estimator.classes_ = _class_array(classes)
    n = len(estimator.classes_)
    if loss_of_classes(estimator.loss_, n, multilabel) != estimator.loss_:
        raise ValueError(f"{estimator.loss_!r} is no loss of {n} classes")
    rows = 1 if n == 2 and not multilabel else n
    if n < 2 or coef.shape[:-1] != (rows,):
        raise ValueError(f"'coef' of {n} classes must be of {rows} rows; got shape {coef.shape}")
    estimator._multilabel = multilabel
    estimator._n_outputs = n if isinstance(estimator.loss_, RowLoss) else rows


def _flat(estimator: Any, coef: Array, intercept: Array) -> Array:
    """Weights as a fit goes on from them."""
    if len(coef) < estimator._n_outputs:  # of two rows their difference is shown
        coef, intercept = np.vstack([-coef / 2, coef / 2]), np.hstack([-intercept, intercept]) / 2
    if not estimator.fit_intercept:
        return coef.ravel().copy()
    return np.column_stack([coef, intercept]).ravel()


def _set_features(estimator: Any, features: int | Sequence[Any]) -> None:
    if isinstance(features, int):
        if features < 1:
            raise ValueError(f"'features' must be at least 1; got {features}")
        estimator.n_features_in_ = features
        return
    if not features or not all(isinstance(name, str) for name in features):
        raise ValueError("'features' must be a number, or names, at least one")
    if len(set(features)) < len(features):
        raise ValueError("'features' has a name twice")
    estimator.n_features_in_ = len(features)
    estimator.feature_names_in_ = np.array(features, object)


def _numbers(name: str, values: Any, axes: tuple[int, int]) -> Array:
    """Nested lists of numbers as an array; never text, which NumPy would read as numbers."""
    flat = values if isinstance(values, list) else [values]
    for row in flat:
        for value in row if isinstance(row, list) else [row]:
            if type(value) not in (float, int):
                raise ValueError(f"{name!r} holds {str(value)[:20]!r}, which is not a number")
    if len({len(row) if isinstance(row, list) else -1 for row in flat}) > 1:
        raise ValueError(f"{name!r} has rows of different lengths")
    array = np.array(values, np.float64)
    if array.ndim not in axes or 0 in array.shape:
        raise ValueError(f"{name!r} is of shape {array.shape}")
    return array


def _class_array(classes: Any) -> Array:
    if not isinstance(classes, dict) or classes.keys() != {"dtype", "values"}:
        raise ValueError("'classes' of a classifier must have a 'dtype' and 'values'")
    name, values = classes["dtype"], classes["values"]
    known = re.fullmatch(r"(bool|str|u?int(?=8|16|32|64)|float(?=16|32|64))\d*", str(name))
    if known is None:
        raise ValueError(f"the dtype of 'classes' is {str(name)[:20]!r}")
    right = {"bool": bool, "str": str, "float": float}.get(known[1], int)
    if not isinstance(values, list) or not all(type(value) is right for value in values):
        raise ValueError(f"the values of 'classes' must be of {name}")
    array = np.array(values, name)
    if len(np.unique(array)) < len(array) or not np.array_equal(np.sort(array), array):
        raise ValueError("the values of 'classes' must increase")
    return array


def _parameters(given: Mapping[str, Any], cls: Any) -> dict[str, Any]:
    known = set(cls._get_param_names()) - {*LEFT_OUT}
    for name in given:
        if name not in known:
            raise ValueError(f"{cls.__name__} has no parameter {name!r}")
    for name in sorted(known):
        if name not in given:
            raise ValueError(f"the parameter {name!r} is missing")
    return {name: _read(name, value) for name, value in given.items()}


def _read(name: str, value: Any) -> Any:
    """The parameter that `_written` wrote."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError(f"the parameter {name!r} is a list")
        return value
    if len(value) != 1:
        raise ValueError(f"the parameter {name!r} is of no known form")
    [(kind, content)] = value.items()
    if kind == "loss":
        return get_loss(content)
    if kind == "optimizer" and content in optimizer_names():
        return getattr(optim, content)
    if kind == "mapping":
        return {key: _read(name, item) for key, item in content}
    if kind in _DESCRIBED:
        return _DESCRIBED[kind][1](content)
    raise ValueError(f"the parameter {name!r} is of no known kind: {kind[:20]!r}")
