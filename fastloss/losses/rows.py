"""What the losses of rows have in common: of the logits of several classes, of vectors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from fastloss import _core
from fastloss.domains import FINITE_NONNEGATIVE, NONNEGATIVE, REAL, Domain
from fastloss.losses.base import Loss
from fastloss.registry import is_own

WEIGHTS = Domain("[0, inf)", low=0, each=True)  # None, or one for each class
POS_WEIGHT = Domain("[0, inf)", low=0, each=True)  # one for all labels, or one for each
LABEL = Domain("None, or an integer")
AXIS = Domain("the integers")
FLAG = Domain("False or True")

EITHER = "the class of each row, an integer from 0 on; or targets q in [0, inf), of y_pred's shape"
TARGETS = "q in [0, inf), of y_pred's shape"

_NOTES = """\
Notes
-----
The loss of a row z{given} is ::

    {definition}

- y_true: {targets}
- y_pred: {predictions}; the elements of a row lie along ``axis``
- sample_weight: a weight for each row, of y_pred's shape without ``axis``, or of its first axis

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
    _item: ClassVar[str] = "class"  # what a row of y_pred holds
    _items: ClassVar[str] = "classes"
    _columns: ClassVar[tuple[str, ...]] = ()  # which ones, if there are always as many
    _bounded_from: ClassVar[int] = 0  # the first of these that z_domain is about
    _targets: ClassVar[str] = "the class of each row, an integer from 0 on"
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

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__ and "_kernel_name" not in cls.__dict__ and is_own(cls):
            cls._kernel_name = cls.__name__
        super().__init_subclass__()

    def _check(self, name: str, value: Any) -> Any:
        domain = self._ranges[name]
        if domain is WEIGHTS or domain is POS_WEIGHT and not isinstance(value, Real):
            return _weights(name, value, self._item)
        if domain is LABEL and value is None:
            return None
        if domain in (LABEL, AXIS):
            if isinstance(value, float) and value.is_integer():  # as get_loss reads it
                return int(value)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{name} must be an integer; got {value!r}")
            number = int(value)
            if not -(2**63) <= number < 2**63:
                raise ValueError(f"{name} must be a 64-bit integer; got {value!r}")
            return number
        if domain is FLAG:
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name} must be True or False; got {value!r}")
            return bool(value)
        return super()._check(name, value)

    def _row_kernel(self) -> tuple[str, float]:
        """The kernel to run and its parameter."""
        return self._kernel_name, 0.0

    @classmethod
    def _notes(cls) -> str:
        return _NOTES.format(
            definition=cls.definition,
            targets=cls._targets,
            predictions=cls._predictions,
            given=", with p = exp(z)/sum(exp(z)),"
            if "p" in re.findall(r"\w+", cls.definition)
            else "",
            weighted=", weighted by the weights of their classes too"
            * ("class_weight" in cls._ranges),
        )


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
