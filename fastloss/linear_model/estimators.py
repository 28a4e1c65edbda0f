"""What linear estimators of scikit-learn's kind share: parameters, fits and their solvers."""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastloss import optim
from fastloss._core import linear_times
from fastloss.linear_model.chunks import (
    Chunks,
    Rows,
    Sample,
    Stream,
    is_chunked,
    passes,
    stacked,
)
from fastloss.linear_model.history import History, empty_history
from fastloss.linear_model.matrices import matrix_of
from fastloss.linear_model.model_file import save
from fastloss.linear_model.pools import threads_of_fits, threads_of_predictions
from fastloss.linear_model.problem import Problem
from fastloss.linear_model.solvers import full_batch_solver, is_perceptron, minimise, rule_of
from fastloss.linear_model.stochastic import MiniBatches, is_sgd, sgd_rate
from fastloss.losses.base import Loss, Pointwise, as_loss
from fastloss.penalties import L1, L2, ElasticNet, Penalty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

PENALTIES: dict[str, Callable[[float, float], Penalty]] = {
    "l2": lambda alpha, ratio: L2(alpha),
    "l1": lambda alpha, ratio: L1(alpha),
    "elasticnet": lambda alpha, ratio: ElasticNet(alpha * ratio, alpha * (1 - ratio)),
}
_CONSTANT_ROWS = 10_000  # that the constant that a fit starts from is found of


class LinearModel(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Base of the estimators: fits weights that minimise a mean loss plus a penalty."""

    loss: Any
    coef_: Array
    intercept_: Array
    loss_: Loss
    history_: dict[str, list[Any]]
    n_iter_: int

    def __init__(
        self,
        loss: str | Loss = "mse",
        *,
        penalty: str | Penalty | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        solver: Any = "auto",
        learning_rate: Any = None,
        batch_size: Any = "auto",
        max_iter: int = 1000,
        tol: float | None = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool = False,
        max_norm: float | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average
        self.max_norm = max_norm
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    # ---- what the two kinds say ----------------------------------------------------------------

    def _start(self, y: Any, sample_weight: Any) -> None:
        """Learn from targets what there is to predict: classes, outputs, the loss."""
        raise NotImplementedError

    def _code(self, y: Any) -> Any:
        """Targets as the loss takes them."""
        raise NotImplementedError

    def _weights_by_class(self, codes: Any, sample_weight: Any) -> Any:
        return sample_weight

    def _forget(self) -> None:
        """Let go of what only the fit needed."""

    def _strata(self, y: Any) -> Any:
        """What a validation split keeps the shares of."""
        return None

    # ---- fitting -------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit the weights to samples.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            float32 and float64 are computed in their own dtype, and memory maps are read where they
            lie. In place of X and y it may be chunks, for data larger than memory: an iterable that
            can be gone through again and again, or a callable that returns an iterator, of tuples
            (X, y) or (X, y, sample_weight). Each iteration or epoch is a pass.
        y : array_like, shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like, shape (n_samples,), optional
            At least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X and y do not fit, hold NaN or infinity, or a parameter is out of its range.
        DomainError
            If a target is outside the domain of the loss.
        """
        self._check()
        self.__dict__.pop("_state", None)
        with threads_of_fits():
            if y is None and is_chunked(X):
                self._refuse_splits()
                return self._minimise(self._chunked(X), None)
            X, y, sample_weight = self._validated(X, y, sample_weight)
            self._start(y, sample_weight)
            targets = self._code(y)
            weight = self._weights_by_class(targets, sample_weight)
            if weight is not None and not weight.any():
                raise ValueError("sample_weight must hold at least one non-zero weight")
            held_out = None
            if self.early_stopping:
                X, targets, weight, held_out = self._split(X, y, targets, weight)
            return self._minimise(self._problem(X, targets, weight), held_out)

    def _validated(self, X: Any, y: Any, sample_weight: Any, reset: bool = True) -> Any:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            multi_output=True,
            y_numeric=is_regressor(self),
            ensure_all_finite=False,  # the gradient tells, without a pass of its own
            reset=reset,
        )
        if y.ndim == 2 and hasattr(y, "toarray"):
            y = y.toarray()
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            kind = "NaN" if np.isnan(y).any() else "infinity"
            raise ValueError(f"Input y contains {kind}.")
        if sample_weight is not None:
            sample_weight = _weights(sample_weight, X)
        return X, y, sample_weight

    def _problem(self, X: Any, targets: Any, weight: Any) -> Problem:
        return Problem(
            self.loss_,
            X,
            targets,
            sample_weight=weight,
            penalty=self._penalty(),
            fit_intercept=bool(self.fit_intercept),
            n_outputs=self._n_outputs,
        )

    def _refuse_splits(self) -> None:
        if self.early_stopping:
            raise ValueError("early_stopping needs X and y in memory: chunks are not split")

    def _coded_problem(self, X: Any, y: Any, weight: Any) -> Problem:
        coded = self._code(y)
        return self._problem(X, coded, self._weights_by_class(coded, weight))

    def _chunked(self, chunks: Any) -> Problem:
        """The problem of chunks, after a pass for what there is to predict."""
        one_pass = passes(chunks)
        n_rows, sample = 0, Sample()
        seen: list[Any] = []
        for X, y, weight in one_pass():
            X, y, weight = self._validated(X, y, weight, reset=not seen)
            n_rows += X.shape[0]
            seen.append(self._seen(y, weight))
            sample.add(Rows(X, y, weight), X.shape[1])
        if not seen:
            raise ValueError("there must be at least one chunk; got none")

        def problems() -> Iterator[Problem]:
            for X, y, weight in one_pass():
                yield self._coded_problem(*self._validated(X, y, weight, reset=False))

        self._start_chunked(seen)
        some = self._coded_problem(*stacked(sample.kept))
        return Stream(some, Chunks(problems), n_rows)

    def _seen(self, y: Any, sample_weight: Any) -> Any:
        """What of a chunk's targets is kept to learn from."""
        return y[:1]

    def _start_chunked(self, seen: list[Any]) -> None:
        """As `_start`, of what was seen of all chunks."""
        self._start(np.concatenate(seen), None)

    def _split(self, X: Any, y: Any, targets: Any, weight: Any) -> Any:
        """Weights of 0 for samples that are held out, which are copied: X is not."""
        n = X.shape[0]
        counted = np.arange(n) if weight is None else np.flatnonzero(weight)
        strata = self._strata(y)
        train, held = train_test_split(
            counted,
            test_size=self.validation_fraction,
            random_state=self.random_state,
            stratify=None if strata is None else strata[counted],
        )
        held.sort()
        full = np.ones(n) if weight is None else weight
        kept = np.zeros(n)
        kept[train] = full[train]
        validation = self._problem(X[held], targets[held], None if weight is None else weight[held])
        return X, targets, kept, validation

    def _minimise(self, problem: Problem, held_out: Problem | None) -> Any:
        w = self._first(problem)
        rule = self._rule()
        if rule is None:
            problem.measure(self._constant(problem) if problem.warm else w)
        history = History(
            self,
            publish=lambda w: self._publish(problem, w),
            validate=None if held_out is None else held_out.loss_value,
            patience=self.n_iter_no_change if self._has_patience(held_out, rule) else None,
            tol=self.tol or 0.0,
            total=self.max_iter,
        )
        self.history_ = history.fields
        try:
            if rule is not None:
                w, met = self._epochs(problem, w, rule, history)
            else:
                w, met = self._full_batch(problem, w, history)
        finally:
            history.close()
        if held_out is not None and history.best_w is not None:
            w = history.best_w
        if not met and not history.stopped:
            why = (
                f"max_iter={self.max_iter} iterations"
                if len(history) >= self.max_iter
                else "no step lowered the objective"
            )
            warnings.warn(
                f"the fit ended before it met tol={self.tol}: {why}. Raise max_iter or tol, scale "
                "the features, or take another solver",
                ConvergenceWarning,
                stacklevel=3,
            )
        self._publish(problem, w)
        self._forget()
        return self

    def _has_patience(self, held_out: Problem | None, rule: Any) -> bool:
        return held_out is not None or (rule is not None and self.tol is not None)

    def _full_batch(self, problem: Problem, w: Any, history: History) -> tuple[Any, bool]:
        def record(w: Any, value: float, grad: Any) -> bool:
            return history.add(w, value, float(np.linalg.norm(grad)))

        solve = full_batch_solver(self.solver, problem)
        return minimise(
            problem, w, solve, max_iter=self.max_iter, tol=self.tol or 0.0, record=record
        )

    def _epochs(self, problem: Problem, w: Any, rule: Any, history: History) -> tuple[Any, bool]:
        state = self._mini_batches(problem, w, rule)
        for epoch in range(self.max_iter):
            seen = state.epoch(problem, self._size(problem, epoch), self._mean_weight(problem))
            w = state.w
            problem.check(seen.loss, w)
            value = seen.loss + problem.penalty_of(w)
            if history.add(w, value, seen.grad_norm, seen.learning_rate):
                return w, True
        return w, self.tol is None

    def _mean_weight(self, problem: Problem) -> float:
        if problem.sample_weight is None:
            return 1.0
        return problem.total_weight / problem.n_rows  # type: ignore[no-any-return]

    def _mini_batches(self, problem: Problem, w: Any, rule: Any) -> MiniBatches:
        takes_prox = not isinstance(rule, type) or "penalty" in inspect.signature(rule).parameters
        if not problem.has_smooth_penalty and not takes_prox:
            raise ValueError(
                f"solver={self.solver!r} takes no proximal steps, which penalty={self.penalty!r} "
                "needs; 'sgd' and 'adagrad' do, and the solvers of all samples"
            )
        options: dict[str, Any] = {}
        size = self._size(problem, 0)
        if self.learning_rate is not None:
            options["lr"] = self.learning_rate
        elif is_sgd(rule):
            rate, steps = sgd_rate(problem, w, size), max(problem.n_rows // size, 1)
            options["lr"] = lambda step: rate / math.sqrt(1 + step / steps)
        if self.max_norm is not None:
            options["max_norm"] = self.max_norm
        if not isinstance(rule, type) and options:
            raise ValueError(
                f"solver={rule!r} makes the optimizer: give it learning_rate and max_norm there"
            )
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return MiniBatches(
            problem,
            w,
            lambda params: rule(params, **options),
            average=bool(self.average),
            rng=np.random.default_rng(seed),
        )

    def _size(self, problem: Problem, epoch: int) -> int:
        size = self.batch_size
        if isinstance(size, str):
            # for X with few numbers in a row, enough to be worth a step of all weights
            filling = 4 * problem.n_features // max(problem.objective._X.stored, 1)
            return int(np.clip(max(problem.n_rows // 128, filling), 32, 4096))
        if callable(size):
            size = size(epoch)
            _number(f"batch_size({epoch})", size, 1, kind=Integral)
        return int(size)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Go through samples once with mini-batches, from where the last call ended.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like, shape (n_samples,), optional

        Returns
        -------
        self

        Notes
        -----
        The solver is that of the estimator if it is one of mini-batches, and else SGD. Parameters
        of the optimizer are those of the first call.
        """
        return self._partial_fit(X, y, sample_weight, lambda y, weight: self._start(y, weight))

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, start: Any) -> Any:
        self._check()
        first = not hasattr(self, "_w")
        X, y, sample_weight = self._validated(X, y, sample_weight, reset=first)
        with threads_of_fits():
            if first:
                start(y, sample_weight)
                self.n_iter_, self.history_ = 0, empty_history()
            targets = self._code(y)
            weight = self._weights_by_class(targets, sample_weight)
            problem = self._problem(X, targets, weight)
            if not first and self._w.size != problem.size:
                raise ValueError(
                    f"the model has {self._w.size} weights, and {problem.size} with the parameters "
                    "that it has now: fit starts anew"
                )
            if not hasattr(self, "_state"):
                w = self._first(problem) if first else self._w
                self._state = self._mini_batches(problem, w, self._rule() or optim.SGD)
            state = self._state
            seen = state.epoch(problem, self._size(problem, 0), self._mean_weight(problem) or 1.0)
            problem.check(seen.loss, state.w)
            steps = self.n_iter_ + 1
            self._publish(problem, state.w)
            self.n_iter_ = steps
            self._forget()
        return self

    def _first(self, problem: Problem) -> Any:
        """Where a fit starts: where the last one ended, or at the best constant."""
        if self.warm_start and hasattr(self, "_w"):
            if self._w.size != problem.size:
                raise ValueError(
                    f"warm_start: the last fit had {self._w.size} weights, this one has "
                    f"{problem.size}"
                )
            problem.warm = True
            return self._w.copy()
        return self._constant(problem)

    def _constant(self, problem: Problem) -> Any:
        """The best model without features."""
        if is_perceptron(problem.loss):  # of weights of 0 the derivatives are 0
            return 1e-3 * np.random.default_rng(0).normal(size=problem.size)
        w = np.zeros(problem.size)
        if not problem.fit_intercept or not isinstance(problem.loss, Pointwise):
            return w
        part = problem.subset(min(problem.n_rows, _CONSTANT_ROWS))
        columns = np.asarray(part.y).reshape(part.n_rows, -1)
        for k, column in enumerate(columns.T):
            try:
                found = problem.loss.optimal_constant(column, part.sample_weight)
            except ValueError:  # of the subset: all weights 0, or a target that the fit will name
                continue
            w[(k + 1) * problem.width - 1] = found if np.isfinite(found) else 0.0
        return w

    def _publish(self, problem: Problem, w: Any) -> None:
        """Set the attributes of a fitted estimator."""
        self._w = np.asarray(w, np.float64).copy()
        self.n_iter_ = max(len(self.history_["loss"]), 1)
        rows = self._w.reshape(problem.n_outputs, -1)
        coef = rows[:, : problem.n_features].copy()
        intercept = rows[:, -1].copy() if problem.fit_intercept else np.zeros(len(rows))
        self._set_weights(coef, intercept)

    def _set_weights(self, coef: Array, intercept: Array) -> None:
        raise NotImplementedError

    # ---- parameters ----------------------------------------------------------------------------

    def _check(self) -> None:
        """Check what can be checked without data."""
        _number("alpha", self.alpha, 0)
        _number("l1_ratio", self.l1_ratio, 0, 1)
        _number("max_iter", self.max_iter, 1, kind=Integral)
        _number("n_iter_no_change", self.n_iter_no_change, 1, kind=Integral)
        if self.tol is not None:
            _number("tol", self.tol, 0)
        if self.max_norm is not None:
            _number("max_norm", self.max_norm, 0)
        if self.learning_rate is not None and not callable(self.learning_rate):
            _number("learning_rate", self.learning_rate, 0)
        _number("validation_fraction", self.validation_fraction, 0, 1)
        if self.validation_fraction in (0, 1):
            raise ValueError(
                f"validation_fraction must be in (0, 1); got {self.validation_fraction!r}"
            )
        _number("verbose", int(self.verbose) if self.verbose in (False, True) else self.verbose, 0)
        if self.callbacks is not None and not isinstance(self.callbacks, Sequence):
            raise TypeError(f"callbacks must be a sequence of callables; got {self.callbacks!r}")
        if not callable(self.batch_size) and self.batch_size != "auto":
            _number("batch_size", self.batch_size, 1, kind=Integral)
        self._penalty()
        self._rule()
        as_loss(self.loss)

    def _penalty(self) -> Penalty | None:
        if self.penalty is None or isinstance(self.penalty, Penalty):
            return self.penalty
        make = PENALTIES.get(self.penalty) if isinstance(self.penalty, str) else None
        if make is None:
            raise ValueError(
                f"penalty must be None, one of {', '.join(map(repr, PENALTIES))}, or one of "
                f"fastloss.penalties; got {self.penalty!r}"
            )
        return make(float(self.alpha), float(self.l1_ratio))

    def _rule(self) -> Any:
        return rule_of(self.solver, as_loss(self.loss))

    # ---- predicting ----------------------------------------------------------------------------

    def _scores(self, X: Any) -> Array:
        """X w + b, of shape (n,) for one output and else (n, outputs)."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            reset=False,
        )
        matrix, dtype = matrix_of(X)
        coef = np.ascontiguousarray(np.atleast_2d(self.coef_), dtype)
        intercept = np.broadcast_to(np.float64(self.intercept_), (len(coef),)).copy()
        z = np.empty((X.shape[0], len(coef)), dtype)
        with threads_of_predictions():
            linear_times(matrix, coef, intercept, z)
        if not np.isfinite(z).all():
            numbers = X.data if hasattr(X, "tocsr") else X
            if not np.isfinite(numbers).all():
                kind = "NaN" if np.isnan(numbers).any() else "infinity"
                raise ValueError(f"Input X contains {kind}.")
        return z[:, 0] if len(coef) == 1 else z

    # ---- files ---------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file, for `fastloss.linear_model.load`.

        The file is JSON: loss, classes, names of features, coefficients and intercepts with all
        their digits, and the parameters of the constructor but for ``callbacks``. It is written
        whole or not at all. ``history_`` is not kept, nor an optimizer's place in its mini-batches.

        Parameters
        ----------
        path : str or path-like
            A symbolic link is followed, and the mode of a file that is replaced is kept.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If a parameter or the loss is no number, name, or object of ``fastloss``: it could not
            be loaded.
        ValueError
            If a coefficient is not finite.
        OSError
            If the file cannot be written.
        """
        save(self, path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # an optimizer's place in mini-batches is not kept: partial_fit starts a new one
        state = dict(super().__getstate__())
        state.pop("_state", None)
        return state


def written(out: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array for results: the one given, if it fits, or a new one."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        got = getattr(out, "dtype", type(out).__name__)
        raise TypeError(f"out must be a numpy.ndarray of {dtype}, as X; got {got}")
    if out.shape != shape or not out.flags.writeable:
        raise ValueError(f"out must be writeable and of shape {shape}; got shape {out.shape}")
    return out


def _weights(given: Any, X: Any) -> Array:
    """Weights of samples, at least 0; of a chunk they may all be 0."""
    plain = np.asarray(given)
    if plain.shape == (X.shape[0],) and not plain.any():
        return np.zeros(X.shape[0])
    weight: Array = _check_sample_weight(given, X)
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`")
    return weight


def _number(
    name: str, value: Any, low: float, high: float = float("inf"), kind: Any = Real
) -> None:
    right = isinstance(value, kind) and not isinstance(value, bool) and low <= value <= high
    if not right or value == float("inf"):
        words = "an integer" if kind is Integral else "a number"
        end = f" to {high:g}" if high < float("inf") else ""
        raise ValueError(
            f"{name} must be {words} from {low:g}{end} on; got {value!r}".replace(
                f"{end} on", end or " on"
            )
        )
