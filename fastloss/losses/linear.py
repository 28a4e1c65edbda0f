"""Cross-entropy of a linear layer, without the array of its logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from fastloss._core import DomainError, input_array
from fastloss.losses.chunks import adding_product, check_chunk_size, rows_at_a_time
from fastloss.losses.multiclass import SoftmaxCrossEntropy
from fastloss.losses.reducing import check_reduction, divide_for_mean, sample_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]
    Gradients = tuple[Array | None, Array, Array | None]


@dataclass(frozen=True)
class LinearCrossEntropy:
    """Softmax cross-entropy of ``X @ W + b``, a chunk of rows at a time.

    The logits of n rows and K classes, which may be far larger than all else, never exist at
    once: beyond its results a call holds ``chunk_size`` x K logits, and where rows are left out,
    by ``ignore_index`` or weights of 0, as many rows of X. The products are those of the BLAS that
    SciPy brings.

    X may be a sparse matrix by rows, of SciPy's format CSR. The products are SciPy's then; a call
    holds the logits of two chunks, and for the gradient another array of W's shape.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        In [0, 1]: this part of each target is spread evenly over all classes.
    ignore_index : int, optional
        Rows of this class are left out of the products, whether it is a class or not.
    chunk_size : int, optional
        Rows at a time; by default as many as make 64 MiB of logits.
    class_weight : sequence of float, optional
        A weight for each class, which multiplies that of the samples.

    Raises
    ------
    ValueError
        If a parameter is out of its range. When called: if shapes do not fit, a label is not a
        class, a target is out of its domain or a weight not finite (a `DomainError`), or there is
        nothing to take the mean of.
    TypeError
        When called: if X, W and b are not of one type, float32 or float64, or are given before
        y_true.

    Notes
    -----
    The loss of a row x of X with the label y is, with ``z = x @ W + b``, ::

        -log(exp(z[y])/sum(exp(z)))

    and with targets q for each class the sum of q times that of each. Weights, and the mean over
    them, are those of `SoftmaxCrossEntropy`.

    References
    ----------
    Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models" (2025), arXiv:2411.09009.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> X, W = np.eye(3), np.zeros((3, 4))
    >>> value, dX, dW, db = fl.LinearCrossEntropy().value_and_grad([0, 1, 3], X, W)
    >>> round(value, 4), dW.shape, db is None
    (1.3863, (3, 4), True)
    """

    label_smoothing: float = 0.0
    ignore_index: int | None = None
    chunk_size: int | None = None
    class_weight: Sequence[float] | None = None

    def __post_init__(self) -> None:
        checked = SoftmaxCrossEntropy(self.class_weight, self.label_smoothing, self.ignore_index)
        object.__setattr__(self, "class_weight", checked.parameters["class_weight"])  # hashable
        check_chunk_size(self.chunk_size)

    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        X: Any,
        W: ArrayLike,
        b: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        X: Any,
        W: ArrayLike,
        b: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
    ) -> Any: ...
    @np.errstate(over="ignore", invalid="ignore")
    def __call__(
        self,
        y_true: ArrayLike,
        X: Any,
        W: ArrayLike,
        b: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like, shape (n,) or (n, K)
            The class of each row, an integer; or targets q in [0, inf) for each class.
        X : array_like or sparse matrix, shape (n, d)
        W : array_like, shape (d, K)
        b : array_like, shape (K,), optional
        sample_weight : array_like, shape (n,), optional
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each row.

        Returns
        -------
        float, or ndarray of shape (n,)
        """
        work = _Work(self, y_true, X, W, b, sample_weight, reduction)
        if reduction != "none":
            parts = (work.of(work.loss, rows, z, reduction="sum") for rows, z in work.logits())
            return sum(parts) / work.divisor
        losses = np.zeros(len(work.y), work.W.dtype)
        for rows, z in work.logits():
            losses[rows] = work.of(work.loss, rows, z, reduction="none")
        return losses

    @np.errstate(over="ignore", invalid="ignore")
    def value_and_grad(
        self,
        y_true: ArrayLike,
        X: Any,
        W: ArrayLike,
        b: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> tuple[float, Array | None, Array, Array | None]:
        """Compute the loss and its derivatives by X, W and b.

        Parameters are those of calling the loss; the derivatives are those of the mean or the sum.

        Returns
        -------
        value : float
        dX, dW, db : ndarray
            Of the shapes of X, W and b; ``db`` is None if b is, and ``dX`` if X is sparse.
        """
        if (
            reduction == "none"
        ):  # whose derivatives by W would be an array of W's shape for each row
            raise ValueError('reduction must be "mean" or "sum" here; got "none"')
        work = _Work(self, y_true, X, W, b, sample_weight, reduction)
        value, (dX, dW, db) = 0.0, work.gradients()
        multiply = adding_product(dW)
        for rows, z in work.logits():
            part, grad = work.of(work.loss.value_and_grad, rows, z, reduction="sum", out=z)
            value += part
            if work.divisor != 1:
                grad *= 1 / work.divisor
            if dX is None:
                dW += work.X[rows].T @ grad
            else:
                dX[rows] = grad @ work.W.T
                # dW.T += grad.T @ X: in Fortran's order, as BLAS has it, so that it adds in place
                multiply(1, grad.T, work.X[rows].T, 1, dW.T, trans_b=True, overwrite_c=True)
            if db is not None:
                db += grad.sum(axis=0)
        return value / work.divisor, dX, dW, None if db is None else db.astype(dW.dtype)


class _Work:
    """Checked arguments, and what goes through them chunk by chunk."""

    def __init__(
        self,
        options: LinearCrossEntropy,
        y_true: ArrayLike,
        X: Any,
        W: Any,
        b: ArrayLike | None,
        sample_weight: ArrayLike | None,
        reduction: str,
    ) -> None:
        check_reduction(reduction)
        if W is None or np.ndim(W) == 1:
            given = "None" if W is None else f"of shape {np.shape(W)}"
            raise TypeError(
                "y_true comes first here, as in every loss: the order is y_true, X, W, b; got W "
                f"{given}"
            )
        self.y, self.W = input_array(y_true, "y_true"), input_array(W, "W")
        self.sparse = hasattr(X, "tocsr")
        self.X = X.tocsr() if self.sparse else input_array(X, "X")
        self.b = None if b is None else input_array(b, "b")
        self._check()
        if self.y.dtype.kind == "b":  # classes, not a mask
            self.y = self.y.astype(np.int64)
        n, self.classes = self.X.shape[0], self.W.shape[1]
        row_bytes = self.W.itemsize * self.classes
        self.loss = SoftmaxCrossEntropy(options.class_weight, options.label_smoothing)
        self.weights = None if sample_weight is None else sample_weights(sample_weight, n)
        self.kept = self._counted(options)
        self.count = n if self.kept is None else len(self.kept)
        self.chunk = rows_at_a_time(options.chunk_size, self.count, row_bytes)
        self.divisor = 1.0  # of sums, where rows weigh the same
        if reduction == "mean":
            self._divide(options.class_weight)

    def _check(self) -> None:
        X, W, y, b = self.X, self.W, self.y, self.b
        if X.ndim != 2 or W.ndim != 2 or X.shape[1] != W.shape[0] or W.size == 0:
            raise ValueError(
                f"X must have shape (n, d) and W (d, K), d and K at least 1; got {X.shape} and "
                f"{W.shape}"
            )
        shapes = [(X.shape[0],), (X.shape[0], W.shape[1])]
        if y.shape not in shapes:
            raise ValueError(
                f"y_true must have shape {shapes[0]}, or {shapes[1]} of targets; got {y.shape}"
            )
        if b is not None and b.shape != W.shape[1:]:
            raise ValueError(f"b must have shape {W.shape[1:]}; got {b.shape}")
        types = {"X": X.dtype, "W": W.dtype} | ({} if b is None else {"b": b.dtype})
        if W.dtype not in (np.float32, np.float64) or len(set(types.values())) > 1:
            given = ", ".join(f"{name} of {dtype}" for name, dtype in types.items())
            raise TypeError(f"the arrays must all be float32 or all float64; got {given}")
        if y.ndim == 1 and y.dtype.kind not in "iub":
            raise TypeError(f"y_true must hold classes as integers; got dtype {y.dtype}")

    def _counted(self, options: LinearCrossEntropy) -> NDArray[np.intp] | None:
        """The rows that count, None if all do. Of the others nothing is looked at."""
        counts = np.True_ if self.weights is None else self.weights != 0
        if self.y.ndim == 1:
            if options.ignore_index is not None:
                counts = counts & (self.y != options.ignore_index)
            wrong = counts & ((self.y < 0) | (self.y >= self.classes))
            if wrong.any():
                at = int(wrong.argmax())
                raise ValueError(
                    f"y_true[{at}] = {self.y[at]} is not a class from 0 to {self.classes - 1}"
                )
        if options.class_weight is not None:
            of_classes = np.array(options.class_weight)
            if len(of_classes) != self.classes:
                raise ValueError(
                    f"class_weight must hold a weight for each of the {self.classes} classes; got "
                    f"{len(of_classes)}"
                )
            if self.y.ndim == 1:
                counts = counts & (of_classes[np.where(counts, self.y, 0)] != 0)
        return None if counts.all() else np.flatnonzero(counts)

    def _divide(self, class_weight: Sequence[float] | None) -> None:
        """Make sums means: over what rows weigh, with their classes."""
        if self.weights is None and class_weight is None and self.count:
            self.divisor = self.count
            return
        part = slice(None) if self.kept is None else self.kept
        weights = np.ones(self.count) if self.weights is None else self.weights[part]
        total = weights.sum()
        if class_weight is not None:
            each = np.array(class_weight)
            total = weights @ (each[self.y[part]] if self.y.ndim == 1 else self.y[part] @ each)
        if np.isnan(total):  # of targets
            self.divisor = np.nan
            return
        divided = divide_for_mean(weights, float(total))
        self.weights = np.zeros(len(self.y))
        self.weights[part] = divided

    def gradients(self) -> Gradients:
        """Arrays of zeros for those by X, W and b."""
        dX = None if self.sparse else np.zeros(self.X.shape, self.X.dtype)
        db = None if self.b is None else np.zeros(self.classes, np.float64)
        return dX, np.zeros(self.W.shape, self.W.dtype), db

    def of(self, method: Any, rows: Any, z: Array, **options: Any) -> Any:
        """What a method of the cross-entropy makes of some rows with their logits."""
        weights = None if self.weights is None else self.weights[rows]
        try:
            return method(self.y[rows], z, sample_weight=weights, **options)
        except DomainError as error:  # names the row of the chunk
            row, *rest = error.index
            row += rows.start if self.kept is None else rows[row] - row
            index = int(row), *rest
            raise DomainError(error.argument, index, error.value, error.domain) from None

    def logits(self) -> Iterator[tuple[Any, Array]]:
        """Rows, and their logits in a buffer that is used again."""
        buffer = None if self.sparse else np.empty((self.chunk, self.classes), self.W.dtype)
        for start in range(0, self.count, self.chunk):
            stop = min(start + self.chunk, self.count)
            rows = slice(start, stop) if self.kept is None else self.kept[start:stop]
            if buffer is None:
                z = self.X[rows] @ self.W
            else:
                z = np.matmul(self.X[rows], self.W, out=buffer[: stop - start])
            if self.b is not None:
                z += self.b
            yield rows, z
