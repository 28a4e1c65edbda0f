"""The objective of a linear model: a mean loss of X w + b and a penalty of w, with derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastloss._core import input_array, linear_pass, linear_times
from fastloss.linear_model.matrices import matrix_of
from fastloss.losses.base import Loss, Pointwise, as_loss
from fastloss.losses.rows import RowLoss
from fastloss.penalties import Penalty

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]

_VALUE, _GRAD, _PRODUCT = range(3)  # modes of linear_pass
_ROWS = 4096  # whose Hessian is computed together


class LinearObjective:
    """The weighted mean loss of linear predictions, plus a penalty of their weights.

    With X of n samples and d features, the objective of weights w and an intercept b is ::

        sum(s * loss(y, X w + b + offset)) / sum(s) + penalty(w)

    Value and gradient take one pass over X: a block of rows that fits the cache goes through X w,
    the loss, and X^T r. The bits of results do not depend on the number of threads.

    Parameters
    ----------
    loss : Loss or str
        A loss, or its name as `get_loss` takes it.
    X : array_like or sparse matrix, shape (n, d)
        An array of float32 or float64 whose rows or columns each lie in one piece is taken as it
        is, as are memory maps and sparse matrices by rows (CSR); anything else is copied.
    y : array_like
        Targets, of shape (n,), or (n, k) for k outputs; as the loss takes them.
    sample_weight : array_like, shape (n,), optional
        Weights of the samples.
    penalty : Penalty, optional
        As ``fastloss.penalties.L2(0.1)``. It never sees the intercept.
    fit_intercept : bool, default=True
        Whether there is an intercept.
    offset : array_like, optional
        What is added to the predictions, of their shape.
    n_outputs : int, optional
        How many classes there are, of losses that take labels; by default one more than the
        largest of them.

    Attributes
    ----------
    loss : Loss
    penalty : Penalty or None
    fit_intercept : bool
    n_outputs : int
    n_features : int
    shape : tuple of int
        Of the weights: ``(d + 1,)`` with the intercept last, ``(d,)`` without one; of several
        outputs ``(k, d + 1)`` or ``(k, d)``. Methods take them flat too, as SciPy's optimizers
        have them.

    Raises
    ------
    ValueError
        If shapes do not fit, the loss is a root of a mean, or does not take any prediction.
    TypeError
        If an argument is of another type.
    DomainError
        From the methods: if a target is outside the loss's domain.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> from scipy.optimize import minimize
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 3))
    >>> y = X @ [1.0, -2.0, 0.5] + 3 + rng.standard_t(2, size=1000)
    >>> objective = fl.LinearObjective(fl.Huber(), X, y)
    >>> found = minimize(objective.value_and_grad, np.zeros(4), jac=True)
    >>> found.x.round(1)
    array([ 1. , -2. ,  0.5,  3. ])
    """

    def __init__(
        self,
        loss: Loss | str,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        penalty: Penalty | None = None,
        fit_intercept: bool = True,
        offset: ArrayLike | None = None,
        n_outputs: int | None = None,
    ) -> None:
        self.loss = as_loss(loss)
        if self.loss._root:
            raise ValueError(f"{self.loss!r} is a root; mse has the same minimum")
        domain = cast(Pointwise | RowLoss, self.loss).z_domain
        if domain.bounded:
            raise ValueError(
                f"predictions of linear models may be any numbers; {self.loss!r} takes those in "
                f"{domain}. Take a loss of raw scores or of logarithms, as logistic or poisson"
            )
        if penalty is not None and not isinstance(penalty, Penalty):
            raise TypeError(f"penalty must be one of fastloss.penalties; got {penalty!r}")
        self.penalty = penalty
        self.fit_intercept = bool(fit_intercept)
        self._given = X
        self._X, self._dtype = matrix_of(X)
        n, self.n_features = self._X.shape
        self._y = self._targets(input_array(y, "y"), n)
        self.n_outputs = self._outputs(n_outputs)
        self._weight = None
        if sample_weight is not None:
            self._weight = input_array(sample_weight, "sample_weight")
            if self._weight.shape != (n,):
                raise ValueError(f"sample_weight must be of shape {(n,)}; got {self._weight.shape}")
        self._offset = None
        if offset is not None:
            self._offset = np.ascontiguousarray(input_array(offset, "offset"), self._dtype)
            if self._offset.shape != self._scores_shape(n):
                raise ValueError(
                    f"offset must be of shape {self._scores_shape(n)}; got {self._offset.shape}"
                )
        width = self.n_features + self.fit_intercept
        one = self.n_outputs == 1 and isinstance(self.loss, Pointwise)
        self.shape = (width,) if one else (self.n_outputs, width)

    def _targets(self, y: Any, n: int) -> Any:
        if y.ndim == 0 or len(y) != n:
            raise ValueError(f"y must have a target for each of the {n} rows of X; got {y.shape}")
        if isinstance(self.loss, RowLoss):
            if self.loss.parameters["axis"] not in (-1, 1):
                raise ValueError(f"{self.loss!r} must have its outputs along the last axis")
            if self.loss.parameters.get("classes") is not None and y.ndim == 1:
                return self.loss._places(y)
            if "labels" in self.loss._takes and y.ndim == 1 and y.dtype.kind == "f":
                return y.astype(np.intp) if (y == np.floor(y)).all() else y
        if y.ndim > 2:
            raise ValueError(f"y must be of shape (n,) or (n, k); got {y.shape}")
        return y

    def _outputs(self, given: int | None) -> int:
        found: int
        if self._y.ndim == 2:
            found = self._y.shape[1]
        elif isinstance(self.loss, Pointwise):
            found = 1
        else:
            classes = self.loss.parameters.get("classes")
            columns = len(self.loss._columns)  # type: ignore[attr-defined]
            least = int(self._y.max(initial=-1)) + 1 if self._y.dtype.kind in "iu" else 0
            found = columns or (least if classes is None else len(classes))
            found = max(found, given or 0)
        if given is not None and given != found:
            raise ValueError(f"n_outputs is {given}, but y holds targets of {found}")
        if found == 0:
            raise ValueError("n_outputs must be given: y does not say how many classes there are")
        if found > 512:
            raise ValueError(f"there may be up to 512 outputs; got {found}")
        return found

    def _scores_shape(self, n: int) -> tuple[int, ...]:
        one = self.n_outputs == 1 and isinstance(self.loss, Pointwise)
        return (n,) if one else (n, self.n_outputs)

    def __repr__(self) -> str:
        return (
            f"<LinearObjective({self.loss!r}, penalty={self.penalty!r}) of {self._X.shape[0]} "
            f"samples, {self.n_features} features, {self.n_outputs} outputs>"
        )

    # ---- values and derivatives

    def value(self, w: ArrayLike) -> float:
        """Compute the objective.

        Parameters
        ----------
        w : array_like
            Weights of ``shape``, or flat.

        Returns
        -------
        float
        """
        coef, intercept = self._split(w)
        value, _ = self._pass(coef, intercept, _VALUE)
        if self.penalty is not None:
            value += self.penalty.value(self._weights_of(coef.astype(np.float64)))
        return value

    def value_and_grad(self, w: ArrayLike, out: Array | None = None) -> tuple[float, Array]:
        """Compute the objective and its gradient in one pass over X.

        Parameters
        ----------
        w : array_like
            Weights of ``shape``, or flat.
        out : ndarray, optional
            Where the gradient is written: of float64, or float32, and of the shape of ``w``.

        Returns
        -------
        value : float
        grad : ndarray
            Of the shape of ``w``, of float64 unless ``out`` is given.
        """
        coef, intercept = self._split(w)
        value, sums = self._pass(coef, intercept, _GRAD)
        grad = self._joined(sums, np.shape(w), out)
        if self.penalty is not None:
            weights = self._weights_of(coef.astype(np.float64))
            extra, by_coef = self.penalty.value_and_grad(weights)
            value += extra
            self._weights_of(grad)[...] += by_coef
        return value, grad

    def hessp(self, w: ArrayLike, v: ArrayLike) -> Array:
        """Compute the product of the Hessian at w with v, in one pass over X.

        Parameters
        ----------
        w, v : array_like
            Of ``shape``, or flat.

        Returns
        -------
        ndarray
            Of the shape of ``v``.

        Raises
        ------
        NotImplementedError
            Of losses of rows, whose Hessian is not diagonal, and of penalties but `L2`.
        """
        if not isinstance(self.loss, Pointwise):
            raise NotImplementedError(f"hessp is for pointwise losses; got {self.loss!r}")
        coef, intercept = self._split(w)
        direction, along = self._split(v)
        _, sums = self._pass(coef, intercept, _PRODUCT, direction, along)
        product = self._joined(sums, np.shape(v), None)
        if self.penalty is not None:
            self._weights_of(product)[...] += self._curvature() * self._weights_of(direction)
        return product

    def hess(self, w: ArrayLike) -> NDArray[np.float64]:
        """Compute the Hessian, of one output and few features.

        Parameters
        ----------
        w : array_like
            Weights of ``shape``.

        Returns
        -------
        ndarray, shape (d + 1, d + 1)
            Or ``(d, d)`` without an intercept.

        Raises
        ------
        NotImplementedError
            Of several outputs, and of penalties but `L2`.
        """
        if len(self.shape) != 1:
            raise NotImplementedError("hess is for one output")
        curvature = self._curvature() if self.penalty is not None else 0.0
        z = self.predict(w)
        if self._offset is not None:
            z += self._offset
        _, h = self.loss.grad_and_hess(self._y, z, sample_weight=self._weight)
        d, total = self.n_features, np.zeros((self.shape[0], self.shape[0]))
        sparse = hasattr(self._given, "tocsr")
        X = self._given.tocsr() if sparse else np.asarray(self._given)
        for first in range(0, len(h), _ROWS):
            rows, bend = X[first : first + _ROWS], h[first : first + _ROWS]
            bent = (
                rows.multiply(bend[:, None]) if hasattr(rows, "multiply") else rows * bend[:, None]
            )
            square = rows.T @ bent
            total[:d, :d] += square.toarray() if hasattr(square, "toarray") else square
            if self.fit_intercept:
                total[:d, d] += np.asarray(bent.sum(axis=0)).ravel()
                total[d, d] += bend.sum(dtype=np.float64)
        if self.fit_intercept:
            total[d, :d] = total[:d, d]
        total[np.arange(d), np.arange(d)] += curvature
        return total

    def predict(self, w: ArrayLike, X: Any = None) -> Array:
        """Compute the predictions X w + b, on the scale of the loss's.

        Parameters
        ----------
        w : array_like
            Weights of ``shape``, or flat.
        X : array_like or sparse matrix, shape (m, d), optional
            By default that of the objective, without the offset.

        Returns
        -------
        ndarray, shape (m,) or (m, k)
            ``loss.inverse_link`` says what they mean.
        """
        coef, intercept = self._split(w)
        matrix, dtype = (self._X, self._dtype) if X is None else matrix_of(X)
        if matrix.shape[1] != self.n_features:
            raise ValueError(f"X must have {self.n_features} features; got {matrix.shape[1]}")
        z = np.empty(self._scores_shape(matrix.shape[0]), dtype)
        linear_times(matrix, coef.astype(dtype, copy=False), intercept, z)
        return z

    # ---- weights

    def _split(self, w: ArrayLike) -> tuple[Array, NDArray[np.float64]]:
        """Weights of the outputs, in the dtype of X, and intercepts."""
        given = np.asarray(w)
        if given.shape not in (self.shape, (int(np.prod(self.shape)),)):
            raise ValueError(f"w must be of shape {self.shape}, or flat; got {given.shape}")
        rows = given.reshape(self.n_outputs, -1)
        coef = np.ascontiguousarray(rows[:, : self.n_features], self._dtype)
        if not self.fit_intercept:
            return coef, np.zeros(self.n_outputs)
        return coef, rows[:, -1].astype(np.float64)

    def _joined(self, sums: Array, shape: tuple[int, ...], out: Array | None) -> Array:
        """Sums for weights and intercepts in the shape of the weights given."""
        size = self.n_outputs * self.n_features
        joined = np.empty(shape) if out is None else out
        if not isinstance(joined, np.ndarray) or joined.dtype not in (np.float32, np.float64):
            raise TypeError("out must be a numpy.ndarray of float32 or float64")
        if joined.shape != shape or not (joined.flags.c_contiguous and joined.flags.writeable):
            raise ValueError(
                f"out must be writeable, contiguous and of the shape of w, {shape}; "
                f"got {joined.shape}"
            )
        rows = joined.reshape(self.n_outputs, -1)
        rows[:, : self.n_features] = sums[:size].reshape(self.n_outputs, -1)
        if self.fit_intercept:
            rows[:, -1] = sums[size:]
        return joined

    def _weights_of(self, joined: Array) -> Array:
        """A view of the weights without the intercepts, of one axis for one output."""
        weights = joined.reshape(self.n_outputs, -1)[:, : self.n_features]
        return weights[0] if len(self.shape) == 1 else weights

    def _curvature(self) -> float:
        """The second derivative of the penalty, the same everywhere."""
        l1, l2 = (getattr(self.penalty, name, None) for name in ("l1", "l2"))
        if l2 is None or l1:
            raise NotImplementedError(f"{self.penalty!r} has no second derivative everywhere")
        return float(l2)

    def _pass(
        self,
        coef: Array,
        intercept: NDArray[np.float64],
        mode: int,
        direction: Array | None = None,
        along: NDArray[np.float64] | None = None,
    ) -> tuple[float, NDArray[np.float64]]:
        return linear_pass(
            self.loss,
            self._X,
            self._y,
            coef,
            intercept,
            self._weight,
            mode,
            direction=direction,
            along=along,
            offset=self._offset,
        )
