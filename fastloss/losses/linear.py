"""Cross-entropy of a linear layer, without the array of its logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array
from fastloss.losses.chunks import adding_product, check_chunk_size, rows_at_a_time
from fastloss.losses.multiclass import SoftmaxCrossEntropy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class LinearCrossEntropy:
    """Softmax cross-entropy of ``X @ W + b``, a chunk of rows at a time.

    The logits of n rows and K classes, which may be far larger than all else, never exist at
    once: beyond its results a call holds ``chunk_size`` x K logits, and with ``ignore_index`` as
    many rows of X. The products are those of the BLAS that SciPy brings.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        In [0, 1]: this part of each target is spread evenly over all classes.
    ignore_index : int, optional
        Rows of this class are left out of the products, whether it is a class or not.
    chunk_size : int, optional
        Rows at a time; by default as many as make 64 MiB of logits.

    Raises
    ------
    ValueError
        If a parameter is out of its range. When called: if shapes do not fit, a label is not a
        class, or there is nothing to take the mean of.
    TypeError
        When called: if the arrays are not of one type, float32 or float64.

    Notes
    -----
    The mean loss of rows x of X with labels y is, with ``z = x @ W + b``, ::

        -log(exp(z[y])/sum(exp(z)))

    References
    ----------
    Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models" (2025), arXiv:2411.09009.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> X, W = np.eye(3), np.zeros((3, 4))
    >>> value, dX, dW, db = fl.LinearCrossEntropy().value_and_grad(X, W, None, [0, 1, 3])
    >>> round(value, 4), dW.shape, db is None
    (1.3863, (3, 4), True)
    """

    label_smoothing: float = 0.0
    ignore_index: int | None = None
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        SoftmaxCrossEntropy(None, self.label_smoothing, self.ignore_index)  # checks them
        check_chunk_size(self.chunk_size)

    @np.errstate(over="ignore", invalid="ignore")
    def __call__(self, X: ArrayLike, W: ArrayLike, b: ArrayLike | None, y_true: ArrayLike) -> float:
        """Compute the mean loss.

        Parameters
        ----------
        X : array_like, shape (n, d)
        W : array_like, shape (d, K)
        b : array_like, shape (K,), or None
        y_true : array_like of int, shape (n,)
            The class of each row.

        Returns
        -------
        float
        """
        work = _Work(self, X, W, b, y_true)
        parts = (work.loss(labels, z, reduction="sum") for _, labels, z in work.logits())
        return sum(parts) / work.count

    @np.errstate(over="ignore", invalid="ignore")
    def value_and_grad(
        self, X: ArrayLike, W: ArrayLike, b: ArrayLike | None, y_true: ArrayLike
    ) -> tuple[float, Array, Array, Array | None]:
        """Compute the mean loss and its derivatives by X, W and b.

        Parameters are those of calling the loss.

        Returns
        -------
        value : float
        dX, dW, db : ndarray
            Of the shapes of X, W and b; ``db`` is None if b is.
        """
        work = _Work(self, X, W, b, y_true)
        X, W = work.X, work.W
        dX, dW = np.zeros(X.shape, X.dtype), np.zeros(W.shape, W.dtype)
        db = None if work.b is None else np.zeros(W.shape[1], np.float64)
        multiply = adding_product(W)
        value = 0.0
        for rows, labels, z in work.logits():
            part, grad = work.loss.value_and_grad(labels, z, reduction="sum", out=z)
            value += part
            grad *= 1 / work.count
            dX[rows] = grad @ W.T
            # dW.T += grad.T @ X: in Fortran's order, as BLAS has it, so that it adds in place
            multiply(1, grad.T, X[rows].T, 1, dW.T, trans_b=True, overwrite_c=True)
            if db is not None:
                db += grad.sum(axis=0)
        return value / work.count, dX, dW, None if db is None else db.astype(W.dtype)


class _Work:
    """Checked arguments, and what goes through them chunk by chunk."""

    def __init__(
        self,
        options: LinearCrossEntropy,
        X: ArrayLike,
        W: ArrayLike,
        b: ArrayLike | None,
        y_true: ArrayLike,
    ) -> None:
        self.X, self.W = input_array(X, "X"), input_array(W, "W")
        self.y = input_array(y_true, "y_true")
        self.b = None if b is None else input_array(b, "b")
        self._check()
        classes = self.W.shape[1]
        row_bytes = self.W.itemsize * classes
        self.chunk = rows_at_a_time(options.chunk_size, len(self.X), row_bytes)
        kept = np.flatnonzero(self.y != options.ignore_index)  # != None is everything
        self.kept = None if len(kept) == len(self.y) else kept
        self.count = len(kept)
        if self.count == 0:
            raise ValueError("the mean over nothing is undefined: there is no row to count")
        wrong = (self.y[kept] < 0) | (self.y[kept] >= classes)
        if wrong.any():
            at = kept[wrong.argmax()]
            raise ValueError(f"y_true[{at}] = {self.y[at]} is not a class from 0 to {classes - 1}")
        self.loss = SoftmaxCrossEntropy(label_smoothing=options.label_smoothing)

    def _check(self) -> None:
        X, W, y, b = self.X, self.W, self.y, self.b
        if X.ndim != 2 or W.ndim != 2 or X.shape[1] != W.shape[0] or W.size == 0:
            raise ValueError(
                f"X must have shape (n, d) and W (d, K), d and K at least 1; got {X.shape} and "
                f"{W.shape}"
            )
        if y.shape != X.shape[:1]:
            raise ValueError(f"y_true must have shape {X.shape[:1]}; got {y.shape}")
        if b is not None and b.shape != W.shape[1:]:
            raise ValueError(f"b must have shape {W.shape[1:]}; got {b.shape}")
        types = {"X": X.dtype, "W": W.dtype} | ({} if b is None else {"b": b.dtype})
        if W.dtype not in (np.float32, np.float64) or len(set(types.values())) > 1:
            given = ", ".join(f"{name} of {dtype}" for name, dtype in types.items())
            raise TypeError(f"the arrays must all be float32 or all float64; got {given}")
        if y.dtype.kind not in "iub":
            raise TypeError(f"y_true must hold classes as integers; got dtype {y.dtype}")

    def logits(self) -> Iterator[tuple[Any, Array, Array]]:
        """Rows, their labels, and their logits in a buffer that is used again."""
        buffer = np.empty((self.chunk, self.W.shape[1]), self.W.dtype)
        for start in range(0, self.count, self.chunk):
            stop = min(start + self.chunk, self.count)
            rows = slice(start, stop) if self.kept is None else self.kept[start:stop]
            z = np.matmul(self.X[rows], self.W, out=buffer[: stop - start])
            if self.b is not None:
                z += self.b
            yield rows, self.y[rows], z
