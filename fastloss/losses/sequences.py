"""Losses of sequences: labels whose places are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from fastloss import _core
from fastloss._core import input_array
from fastloss.domains import COUNT_OR_0
from fastloss.losses.reducing import check_reduction, divide_for_mean, sample_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]
    Integers = NDArray[np.int64]

CONVERTED = 16  # sequences at a time of a dtype that is not computed in
GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class CTC:
    """Connectionist temporal classification: labels in their order, at times that are not known.

    Each frame holds the classes' log-probabilities. An alignment gives each frame a label or the
    blank; it stands for the labels that are left when those that follow each other are merged and
    blanks are dropped. The loss of a sequence is minus the logarithm of the probability of all
    alignments that stand for its labels.

    Parameters
    ----------
    blank : int, default=0
        The class that stands for no label.
    zero_infinity : bool, default=False
        Whether a sequence that no alignment fits, as one of too few frames, has the loss 0 and the
        gradient 0. Otherwise they are inf and NaN.
    from_logits : bool, default=False
        Whether y_pred holds logits, whose log-softmax is taken in the same pass.

    Raises
    ------
    ValueError
        If a parameter is out of its range. When called: if shapes do not fit, a label is not a
        class or is the blank, a length is out of its range, a weight is not finite
        (a `DomainError`), or there is nothing to take the mean of.
    TypeError
        If a parameter is of another type. When called: if an array holds anything but real
        numbers, or labels or lengths anything but integers.

    Notes
    -----
    The loss of log-probabilities z of shape (T, C) and labels y is, with all paths k of T classes
    that become y when repeated classes are merged and blanks dropped, ::

        -log(sum(exp(sum(z[t, k[t]] for t in range(T))) for k in paths))

    The gradient is the derivative by what is given. By log-probabilities it is minus the
    probability that a frame has a class, given the labels; by logits the softmax is added to that.
    PyTorch's gradient by log-probabilities is the second of the two, and not the derivative of its
    value: it takes for granted that they come from a log-softmax, through which both become the
    same gradient by logits.

    ``reduction="mean"`` is the weighted average over sequences. PyTorch's divides each loss by its
    number of labels first: ``sample_weight=1/(N*max(target_lengths, 1))`` with ``reduction="sum"``.

    Losses and gradients are computed in float64 and rounded to the dtype of y_pred: float32 for
    float32, float16 and bfloat16, else float64. Log-probabilities below -1e290 count as -inf; NaN
    or what is above 1e15, where an alignment may go, make a sequence's loss and gradient NaN. Of a
    sequence of weight 0 only the lengths are looked at.

    References
    ----------
    Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with
    Recurrent Neural Networks" (2006).

    Examples
    --------
    Two frames, three classes, and the label 1: the alignments are (1, 1), (1, blank), (blank, 1).

    >>> import numpy as np
    >>> import fastloss as fl
    >>> z = np.log([[[0.5, 0.25, 0.25]], [[0.5, 0.25, 0.25]]])
    >>> value, grad = fl.CTC().value_and_grad([[1]], z)
    >>> round(float(np.exp(-value)), 4)
    0.3125
    >>> grad[:, 0]
    array([[-0.4, -0.6,  0. ],
           [-0.4, -0.6,  0. ]])
    """

    blank: int = 0
    zero_infinity: bool = False
    from_logits: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "blank", COUNT_OR_0.parameter("blank", self.blank))
        for name in ("zero_infinity", "from_logits"):
            value = getattr(self, name)
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name} must be True or False; got {value!r}")
            object.__setattr__(self, name, bool(value))

    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
    ) -> Any: ...
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like of int, shape (N, S), or (sum(target_lengths),)
            The labels of each sequence, padded with anything, or of all of them one after the
            other.
        y_pred : array_like, shape (T, N, C)
            Log-probabilities, or logits with ``from_logits``: of T frames, N sequences and C
            classes.
        input_lengths : array_like of int, shape (N,), optional
            How many frames of each sequence count; by default all.
        target_lengths : array_like of int, shape (N,), optional
            How many labels each sequence has; by default S. Labels one after the other need it.
        sample_weight : array_like, shape (N,), optional
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each sequence.

        Returns
        -------
        float, or ndarray of shape (N,)
        """
        batch = _Batch(self, y_true, y_pred, input_lengths, target_lengths, sample_weight)
        return batch.run(reduction, None)

    def grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Array | None = None,
    ) -> Array:
        """Compute the derivatives of the reduced loss by y_pred.

        Parameters are those of `value_and_grad`.

        Returns
        -------
        ndarray, shape (T, N, C)
        """
        grad: Array = self.value_and_grad(
            y_true,
            y_pred,
            input_lengths,
            target_lengths,
            sample_weight=sample_weight,
            reduction=reduction,
            out=out,
        )[1]
        return grad

    @overload
    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        out: Array | None = None,
    ) -> tuple[float, Array]: ...
    @overload
    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
        out: Array | None = None,
    ) -> tuple[Any, Array]: ...
    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Array | None = None,
    ) -> tuple[Any, Array]:
        """Compute the loss and its derivatives by y_pred in one pass.

        Parameters are those of calling the loss; ``out`` is an array for the gradient, writeable,
        C-contiguous and of the dtype of the result, which may be y_pred itself. The gradient of
        frames beyond a sequence's length is 0. With ``reduction="none"`` the derivatives are those
        of each sequence's own weighted loss.

        Returns
        -------
        value : float, or ndarray of shape (N,)
        grad : ndarray, shape (T, N, C)
        """
        batch = _Batch(self, y_true, y_pred, input_lengths, target_lengths, sample_weight)
        grad = _core.gradient_place(out, batch.z, "y_pred")
        return batch.run(reduction, grad), grad


class _Batch:
    """Checked arguments, and the run over all sequences."""

    def __init__(
        self,
        loss: CTC,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        input_lengths: ArrayLike | None,
        target_lengths: ArrayLike | None,
        sample_weight: ArrayLike | None,
    ) -> None:
        self.loss = loss
        y, self.z = input_array(y_true, "y_true"), input_array(y_pred, "y_pred")
        if y.ndim == 3:
            raise TypeError("y_true, the labels, comes first, and then y_pred of shape (T, N, C)")
        if self.z.ndim != 3:
            raise ValueError(f"y_pred must have shape (T, N, C); got {self.z.shape}")
        frames, n, classes = self.z.shape
        if loss.blank >= classes:
            raise ValueError(f"blank = {loss.blank} is not a class from 0 to {classes - 1}")
        self.dtype = _core.gradient_place(None, self.z[:0], "y_pred").dtype
        self.weights = sample_weights(sample_weight, n)
        given = _lengths(input_lengths, "input_lengths", n, frames, "the frames of y_pred")
        self.frames = np.where(self.weights == 0, 0, given)
        self._align(y, target_lengths)

    def _align(self, y: NDArray[Any], target_lengths: ArrayLike | None) -> None:
        """Labels in one piece, and where those of each sequence lie."""
        n = len(self.weights)
        if not _integers(y):
            raise TypeError(f"y_true must hold classes as integers; got dtype {y.dtype}")
        if y.ndim == 2 and len(y) == n:
            counts = _lengths(
                target_lengths, "target_lengths", n, y.shape[1], "the labels of y_true"
            )
            starts = np.arange(n) * y.shape[1]
            inside = np.arange(y.shape[1]) < np.where(self.weights == 0, 0, counts)[:, None]
        elif y.ndim == 1 and target_lengths is not None:
            counts = _lengths(target_lengths, "target_lengths", n, y.size, "the labels of y_true")
            starts = np.cumsum(counts) - counts
            if counts.sum() != y.size:
                raise ValueError(
                    f"y_true must hold as many labels as target_lengths add up to, "
                    f"{counts.sum()}; got {y.size}"
                )
            inside = np.repeat(self.weights != 0, counts)
        else:
            raise ValueError(
                f"y_true must have shape (N, S), N = {n} as in y_pred, or hold all labels one "
                f"after the other, which needs target_lengths; got {y.shape}"
            )
        self.starts, self.counts = starts, np.where(self.weights == 0, 0, counts)
        self._check_labels(y, inside)
        self.labels = np.array(y.reshape(-1), np.int64)

    def _check_labels(self, y: NDArray[Any], inside: NDArray[np.bool_]) -> None:
        classes, blank = self.z.shape[2], self.loss.blank
        bad = inside & ((y < 0) | (y >= classes) | (y == blank))
        if bad.any():
            index = tuple(map(int, np.argwhere(bad)[0]))
            what = "the blank" if y[index] == blank else f"not a class from 0 to {classes - 1}"
            raise ValueError(f"y_true[{', '.join(map(str, index))}] = {y[index]} is {what}")

    def run(self, reduction: str, grad: Array | None) -> Any:
        """The reduced loss; the gradient is written where it is to go."""
        check_reduction(reduction)
        factors = self.weights
        if reduction == "mean":
            with np.errstate(over="ignore"):
                factors = divide_for_mean(factors, float(factors.sum()))
        losses = self._losses(factors, grad)
        with np.errstate(over="ignore", invalid="ignore"):
            losses *= factors
            return losses.astype(self.dtype) if reduction == "none" else float(losses.sum())

    def _losses(self, factors: NDArray[np.float64], grad: Array | None) -> NDArray[np.float64]:
        z, n = self.z, len(factors)
        native = z.dtype == self.dtype and z.dtype.isnative and z.flags.aligned
        if native and not any(stride % z.itemsize for stride in z.strides):
            return self._part(z, grad, slice(0, n), factors)
        parts = [slice(i, i + CONVERTED) for i in range(0, n, CONVERTED)]
        losses = [
            self._part(
                np.ascontiguousarray(z[:, part], self.dtype),
                None if grad is None else grad[:, part],
                part,
                factors,
            )
            for part in parts
        ]
        return np.concatenate([np.empty(0), *losses])

    def _part(
        self, z: Array, grad: Array | None, part: slice, factors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        counts, frames = self.counts[part], self.frames[part]
        work = frames * (2e-9 * (counts + 8) + 1e-9 * z.shape[2])  # seconds, about
        # long and short ones alternate, so that the shares of threads take equally long
        turns = np.argsort(np.arange(len(work)) * GOLDEN % 1, kind="stable")
        return _core.ctc(
            z,
            grad,
            self.labels,
            np.stack([self.starts[part], counts, frames], axis=1).astype(np.int64),
            np.ascontiguousarray(factors[part]),
            np.argsort(work, kind="stable")[turns].astype(np.int64),
            self.loss.blank,
            self.loss.from_logits,
            self.loss.zero_infinity,
            float(work.sum()),
        )


def _integers(array: NDArray[Any]) -> bool:
    """Whether it holds integers, or comes of a list of nothing."""
    return array.dtype.kind in "iub" or array.dtype.kind == "f" and array.size == 0


def _lengths(given: ArrayLike | None, name: str, n: int, most: int, what: str) -> Integers:
    """How many of each sequence count: of each as many as there are, if nothing is given."""
    if given is None:
        return np.full(n, most, np.int64)
    lengths = input_array(given, name)
    if lengths.shape != (n,):
        raise ValueError(
            f"{name} must have shape ({n},), as y_pred has N = {n}; got {lengths.shape}"
        )
    if not _integers(lengths):
        raise TypeError(f"{name} must hold integers; got dtype {lengths.dtype}")
    bad = (lengths < 0) | (lengths > most)
    if bad.any():
        i = int(bad.argmax())
        raise ValueError(f"{name}[{i}] = {lengths[i]} is not from 0 to {most}, {what}")
    return lengths.astype(np.int64)
