"""The objective of a linear model: a mean loss of X w + b and a penalty of w, with derivatives."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastloss._core import (
    LINEAR_BEND,
    LINEAR_GRAD,
    LINEAR_PRODUCT,
    LINEAR_VALUE,
    input_array,
    linear_pass,
    linear_times,
)
from fastloss.linear_model.matrices import gram, matrix_of
from fastloss.losses.base import Loss, Pointwise, as_loss
from fastloss.losses.links import real_array
from fastloss.losses.rows import RowLoss
from fastloss.penalties import Penalty

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]


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
        if self.loss._endless:
            raise ValueError(f"{self.loss!r} falls without end: there is nothing to fit")
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
            with np.errstate(over="ignore"):
                self._offset = np.ascontiguousarray(real_array(offset, "offset"), self._dtype)
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
            columns = self.loss._columns  # type: ignore[attr-defined]
            if columns and given not in (None, len(columns)):
                wanted = " and ".join(columns)
                raise ValueError(f"n_outputs is {given}, but the outputs are {wanted}")
            classes = self.loss.parameters.get("classes")
            whole = self._y.dtype.kind in "iu" and self._y.size > 0
            least = int(self._y.max()) + 1 if whole else 0
            found = len(columns) or (least if classes is None else len(classes))
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

    @np.errstate(over="ignore", invalid="ignore")
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
        value, _ = self._pass(coef, intercept, LINEAR_VALUE)
        if self.penalty is not None:
            value += self.penalty.value(self._weights_of(coef.astype(np.float64)))
        return value

    @np.errstate(over="ignore", invalid="ignore")
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
        value, sums = self._pass(coef, intercept, LINEAR_GRAD)
        grad = self._joined(sums, np.shape(w), out)
        if self.penalty is not None:
            weights = self._weights_of(coef.astype(np.float64))
            extra, by_coef = self.penalty.value_and_grad(weights)
            value += extra
            self._weights_of(grad)[...] += by_coef
        return value, grad

    @np.errstate(over="ignore", invalid="ignore")
    def hessp(self, w: ArrayLike, v: ArrayLike, *, hessian: str = "exact") -> Array:
        """Compute the product of the Hessian at w with v, in one pass over X.

        Of the softmax, with p the probabilities of a row x and u = V x + v_0, the row's part is
        ``(p * u - p (p . u)) x^T``.

        Parameters
        ----------
        w, v : array_like
            Of ``shape``, or flat.
        hessian : {"exact", "majorant"}
            As of `hess`.

        Returns
        -------
        ndarray
            Of the shape of ``v``.

        Raises
        ------
        NotImplementedError
            Of losses of rows but the softmax cross-entropy and the multi-label logistic loss, and
            of penalties but `L2`.
        """
        coef, intercept = self._split(w)
        direction, along = self._split(v)
        _, sums = self._pass(coef, intercept, LINEAR_PRODUCT, direction, along, _curve(hessian))
        product = self._joined(sums, np.shape(v), None)
        if self.penalty is not None:
            self._weights_of(product)[...] += self._curvature() * self._weights_of(direction)
        return product

    @np.errstate(over="ignore", invalid="ignore")
    def hess(self, w: ArrayLike, *, hessian: str = "exact") -> NDArray[np.float64]:
        """Compute the Hessian, of few features and outputs.

        Parameters
        ----------
        w : array_like
            Weights of ``shape``, or flat.
        hessian : {"exact", "majorant"}
            The exact one, or the one of the loss's ``majorant``, which has no negative eigenvalue.
            They differ only for losses that are not convex.

        Returns
        -------
        ndarray, shape (m, m)
            With m the number of weights, in the order of flat ones.

        Raises
        ------
        NotImplementedError
            As of `hessp`.
        """
        coef, intercept = self._split(w)
        coupled, bend = self._pass(coef, intercept, LINEAR_BEND, curve=_curve(hessian))
        k, width = self.n_outputs, self.shape[-1]
        total = np.zeros((k, width, k, width))
        bend = bend.reshape(-1, k)
        for a in range(k):
            total[a, :, a] = gram(self._given, bend[:, a], self.fit_intercept)
        if coupled:  # less p_a p_b, times a row's weight
            weight = bend.sum(axis=1, keepdims=True, dtype=np.float64)
            p = np.divide(bend, weight, out=np.zeros(bend.shape), where=weight != 0)
            for a, b in itertools.combinations_with_replacement(range(k), 2):
                product = gram(self._given, bend[:, a] * p[:, b], self.fit_intercept)
                total[a, :, b] -= product
                if a != b:
                    total[b, :, a] -= product
        if self.penalty is not None:
            at = np.arange(self.n_features)
            for a in range(k):
                total[a, at, a, at] += self._curvature()
        return total.reshape(k * width, k * width)

    @np.errstate(over="ignore", invalid="ignore")
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
        given = real_array(w, "w")
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
        curve: str = "exact",
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
            hessian=curve,
        )


def _curve(hessian: str) -> str:
    if hessian not in ("exact", "majorant"):
        raise ValueError(f'hessian must be "exact" or "majorant"; got {hessian!r}')
    return hessian
