"""What the losses of rows have in common: of the logits of several classes, of vectors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastloss import _core
from fastloss._core import DomainError, input_array
from fastloss.domains import FINITE_NONNEGATIVE, NONNEGATIVE, REAL, Domain
from fastloss.losses.base import Loss
from fastloss.losses.links import real_array
from fastloss.registry import is_own

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WEIGHTS = Domain("[0, inf)", low=0, each=True)  # None, or one for each class
POS_WEIGHT = Domain("[0, inf)", low=0, each=True)  # one for all labels, or one for each
LABEL = Domain("None, or an integer")
CLASSES = Domain("None, or labels that differ", labels=True)
AXIS = Domain("an integer")

EITHER = (
    "the class of each row, an integer from 0 on, or one of ``classes``; or targets q in [0, inf), "
    "of y_pred's shape"
)
TARGETS = "q in [0, inf), of y_pred's shape"

_NOTES = """\
Notes
-----
The loss of a row z{given} is ::

    {definition}

- y_true: {targets}
- y_pred: {predictions}; the elements of a row lie along ``axis``
- sample_weight: a weight for each row, of y_pred's shape without ``axis``, or of its first axis
- majorant of the second derivatives hess: {majorant}

The mean is that over the rows{weighted}.
float32 and float64 are computed in their own type, float16 and bfloat16 as float32, integers and
booleans as float64.
"""


class RowLoss(Loss, _core.RowLoss):
    """Base of the losses of rows of logits, which lie along an axis."""

    _ranges = {"axis": AXIS}
    axis: int

    _kernel_name: ClassVar[str]  # of src/kernels/rows.h
    _takes: ClassVar[tuple[str, ...]] = ("labels",)  # and, or: targets, numbers
    _relevances: ClassVar[bool] = False  # the targets are the softmax of y_true
    _one_hot: ClassVar[bool] = False  # the kernel takes labels as targets
    _logarithms: ClassVar[bool] = False  # the predictions are those of probabilities
    _item: ClassVar[str] = "class"  # what a row of y_pred holds
    _items: ClassVar[str] = "classes"
    _columns: ClassVar[tuple[str, ...]] = ()  # which ones, if there are always as many
    _bounded_from: ClassVar[int] = 0  # the first of these that z_domain is about
    _targets: ClassVar[str] = "the class of each row, an integer from 0 on, or one of ``classes``"
    _predictions: ClassVar[str] = "logits, (-inf, inf); -inf is a class that cannot be"

    def __init__(self, axis: int = -1) -> None:
        self._set(axis=axis)

    @property
    def y_domain(self) -> Domain:
        """[0, inf)"""
        return FINITE_NONNEGATIVE

    @property
    def z_domain(self) -> Domain:
        """(-inf, inf)"""
        return REAL

    def _set(self, **parameters: Any) -> None:
        named = parameters.get("classes") is not None
        if named and parameters.get("ignore_index") is not None:
            raise ValueError(
                "ignore_index is for classes that are numbered; among names of classes leave out "
                'gaps, as None, with nan_policy="omit"'
            )
        super()._set(**parameters)

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__ and "_kernel_name" not in cls.__dict__ and is_own(cls):
            cls._kernel_name = cls.__name__
        super().__init_subclass__()

    def _check(self, name: str, value: Any) -> Any:
        domain = self._ranges[name]
        if domain is WEIGHTS or domain is POS_WEIGHT and not isinstance(value, Real):
            return _weights(name, value, self._item)
        if domain is CLASSES:
            return None if value is None else _distinct(name, value)
        if domain is LABEL and value is None:
            return None
        integer = domain in (LABEL, AXIS) or domain.integer
        if integer and isinstance(value, float) and value.is_integer():  # as get_loss reads it
            value = int(value)
        if domain in (LABEL, AXIS):
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{name} must be an integer; got {value!r}")
            number = int(value)
            if not -(2**63) <= number < 2**63:
                raise ValueError(f"{name} must be a 64-bit integer; got {value!r}")
            return number
        return super()._check(name, value)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def optimal_constant(
        self,
        y_true: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        n_classes: int | None = None,
    ) -> NDArray[np.float64]:
        """Find the row that makes the loss least if it is the prediction of every row.

        Of classes it is made of their shares among the targets, which boosting starts from.

        Parameters
        ----------
        y_true : array_like
            Targets, as the loss takes them.
        sample_weight : array_like, optional
            A weight for each row, at least 0.
        n_classes : int, optional
            How many classes there are, where targets are classes; by default the last is the
            largest among them.

        Returns
        -------
        ndarray, shape (n_classes,)
            On the scale of the predictions, the logarithms of shares for logits. That of a class
            that is absent is -inf.

        Raises
        ------
        ValueError
            If a target is not finite and in the domain, a weight is negative, or there are no rows
            of non-zero weight.
        NotImplementedError
            Of losses that have no such row in a closed form, as those of directions and sets.

        Examples
        --------
        >>> import fastloss as fl
        >>> loss = fl.SoftmaxCrossEntropy()
        >>> loss.inverse_link(loss.optimal_constant([0, 1, 1, 2])).round(2)
        array([0.25, 0.5 , 0.25])
        """
        y = input_array(y_true, "y_true")
        classes = self.parameters.get("classes")
        inside = y.ndim > 1 and -y.ndim <= self.axis < y.ndim
        if classes is not None and not (inside and y.shape[self.axis] == len(classes)):
            n_classes, y = len(classes), self._places(y)
        elif "labels" in self._takes and y.ndim == 1 and y.dtype.kind == "f":
            y = _whole(y)
        numbered = y.dtype.kind in "iub" and (classes is None or y.ndim == 1)
        by_row = "labels" in self._takes and numbered or "numbers" in self._takes
        if not numbered:
            y = real_array(y, "y_true")
        if not by_row:
            y = np.moveaxis(y, self.axis, -1)
        rows = y.shape if by_row else y.shape[:-1]
        y = y.reshape(-1) if by_row else y.reshape(-1, y.shape[-1]).astype(np.float64)
        w = _row_weights(sample_weight, rows)
        domain = self.y_domain
        outside = ~np.isfinite(y) | (y < domain.low) | (y > domain.high)
        if outside.any() and not (by_row and "labels" in self._takes):
            raise ValueError(f"y_true holds {y[outside][0]}, which is not finite and in {domain}")
        if "labels" in self._takes and by_row:
            shares = self._shares(y, w, n_classes)
            return self._of_shares(shares, shares.sum())
        return self._row_optimum(y, w)

    def _shares(self, y: Any, w: Any, n_classes: int | None) -> NDArray[np.float64]:
        """The weight of each class among labels."""
        ignored = self.parameters.get("ignore_index")
        keep = np.ones(len(y), bool) if ignored is None else y != ignored
        k = (int(y[keep].max()) + 1 if keep.any() else 0) if n_classes is None else n_classes
        if keep.any() and not 0 <= y[keep].min() <= y[keep].max() < k:
            raise ValueError(f"y_true must hold classes from 0 to {k - 1}")
        if k > np.iinfo(np.intp).max:
            raise ValueError(f"y_true holds {k - 1}, which no class can be: it is beyond 64 bits")
        shares = np.bincount(y[keep].astype(np.intp), None if w is None else w[keep], minlength=k)
        if not shares.any():
            raise ValueError("there is no row of non-zero weight to take the best constant of")
        return shares.astype(np.float64)

    def _encode(self, y: NDArray[Any]) -> NDArray[np.float64]:
        """Numbers of the classes that labels name: NaN for a gap, -1.5 for what is no class."""
        classes = self.parameters["classes"]
        known = np.array(classes)
        kinds = {known.dtype.kind, y.dtype.kind}
        if (
            len({*map(type, classes)}) == 1
            and (len(kinds) == 1 or kinds <= set("iufb"))
            and ("O" not in kinds)
        ):
            order = np.argsort(known)
            found = np.minimum(np.searchsorted(known, y, sorter=order), len(known) - 1)
            codes = np.where(known[order[found]] == y, order[found], -1.5)
            return np.where(y != y, np.nan, codes)
        places = {label: float(place) for place, label in enumerate(classes)}
        each = [places.get(x, np.nan if is_gap(x) else -1.5) for x in y.ravel().tolist()]
        return np.array(each, np.float64).reshape(y.shape)

    def _places(self, y: NDArray[Any]) -> NDArray[np.intp]:
        """Numbers of the classes that labels name, all of which have to."""
        codes = self._encode(y)
        bad = ~(codes >= 0)
        if bad.any():
            index = tuple(map(int, np.argwhere(bad)[0]))
            raise self._unknown(index, y[index])
        return codes.astype(np.intp)

    def _unknown(self, index: tuple[int, ...], label: Any) -> DomainError:
        """The error of a label that is none of the classes."""
        classes = ", ".join(map(repr, self.parameters["classes"]))
        return DomainError("y_true", index, label, f"one of the classes {classes}")

    def _of_shares(self, shares: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
        """The best row for sums of the targets of each class, and the weight of the rows."""
        raise NotImplementedError(f"{type(self).__name__} has no best constant row that is known")

    def _row_optimum(self, y: Any, w: Any) -> NDArray[np.float64]:
        """The best row for targets of numbers, a row each, and weights or None."""
        raise NotImplementedError(f"{type(self).__name__} has no best constant row that is known")

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        """The kernel to run and its parameters."""
        return (self._kernel_name,)

    @classmethod
    def _notes(cls) -> str:
        majorant: Any = cls.majorant
        return _NOTES.format(
            definition=cls.definition,
            majorant=majorant.__doc__ if isinstance(majorant, property) else majorant or "none",
            targets=cls._targets,
            predictions=cls._predictions,
            given=", with p = exp(z)/sum(exp(z)),"
            if "p" in {*re.findall(r"\w+", cls.definition)} - {*cls._ranges}
            else "",
            weighted=", weighted by the weights of their classes too"
            * ("class_weight" in cls._ranges),
        )


def _row_weights(given: Any, rows: tuple[int, ...]) -> Any:
    """Weights of rows in one axis, or None."""
    if 0 in rows:
        raise ValueError("the mean over nothing is undefined: there are no rows")
    if given is None:
        return None
    w = real_array(given, "sample_weight").astype(np.float64)
    if w.shape not in (rows, rows[:1]):
        raise ValueError(
            f"sample_weight must have a weight for each row, of shape {rows}; got {w.shape}"
        )
    if not (np.isfinite(w) & (w >= 0)).all() or not w.any():
        raise ValueError("sample_weight must be finite and not negative, and not 0 everywhere")
    return np.broadcast_to(w.reshape(w.shape + (1,) * (len(rows) - w.ndim)), rows).ravel()


def _whole(labels: NDArray[Any]) -> NDArray[np.intp]:
    """Classes that are floats as integers."""
    bad = ~(np.abs(labels) < 2.0**53) | (labels % 1 != 0)
    if bad.any():
        place = int(np.argmax(bad))
        raise DomainError("y_true", (place,), labels[place], "a class")
    return labels.astype(np.intp)


def is_gap(label: Any) -> bool:
    """Whether it is None, NaN or a missing value of pandas."""
    if isinstance(label, (float, np.floating)):
        return bool(label != label)
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def _distinct(name: str, value: Any) -> tuple[Any, ...]:
    unordered = isinstance(value, (str, bytes, dict, set, frozenset))
    if unordered or not isinstance(value, (Iterable, np.ndarray)):
        raise TypeError(f"{name} must be a sequence of labels; got {value!r}")
    plain = (np.number, np.bool_, np.str_, np.bytes_)  # of dates item() makes integers
    labels = tuple(x.item() if isinstance(x, plain) else x for x in value)
    if not labels or any(is_gap(label) for label in labels) or len(set(labels)) < len(labels):
        raise ValueError(f"{name} must hold labels that differ, and no gap; got {value!r}")
    return labels


def _weights(name: str, value: Any, item: str) -> tuple[float, ...] | None:
    if value is None and name != "pos_weight":
        return None
    if isinstance(value, (str, dict)) or not isinstance(value, (Iterable, np.ndarray)):
        or_number = "a number, or " if name == "pos_weight" else ""
        raise TypeError(
            f"{name} must be {or_number}a sequence of a weight for each {item}; got {value!r}"
        )
    weights = tuple(NONNEGATIVE.parameter(f"{name}[{k}]", w) for k, w in enumerate(value))
    if not weights:
        raise ValueError(f"{name} must hold a weight for each {item}; got none")
    return weights
