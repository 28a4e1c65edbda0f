"""Linear models of data that lie on Dask's workers.

A fit is that of chunks (`fastloss.linear_model.chunks`) with another source of answers: tasks, each
of which knows one partition. The rows stay where they are, but for the sample that starts a fit.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
from dask.base import is_dask_collection
from dask.dataframe.utils import meta_nonempty
from dask.delayed import Delayed
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fastloss.dask.frames import partitions_of
from fastloss.linear_model.chunks import Rows, Sample, Stream, answer, stacked
from fastloss.linear_model.classifier import LinearClassifier as Classifier, _has_probabilities
from fastloss.linear_model.estimators import LinearModel
from fastloss.linear_model.pools import threads_of_fits
from fastloss.linear_model.problem import Problem
from fastloss.linear_model.regressor import LinearRegressor as Regressor
from fastloss.linear_model.smoothing import Smoothed
from fastloss.linear_model.solvers import PROXIMAL, SMOOTH
from fastloss.partitions import in_partition, on_one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# ---- tasks: they copy the model, which those of other threads share ------------------------------


class _Seen(NamedTuple):
    """What the driver learns of a partition."""

    n_rows: int
    n_counted: int  # of non-zero weight
    features: dict[str, Any]  # the attributes that say how many there are, and their names
    targets: Any


def _validated(model: Any, place: int, X: Any, y: Any, weight: Any) -> Any:
    """What is seen of a partition, and its arrays; None if it is empty."""
    if X.shape[0] == 0:
        return None, None
    model = copy.copy(model)
    with in_partition(place):
        X, y, weight = model._validated(X, y, weight)
        features = {name: found for name, found in vars(model).items() if name in _FEATURES}
        counted = X.shape[0] if weight is None else int(np.count_nonzero(weight))
        seen = _Seen(X.shape[0], counted, features, model._seen(y, weight))
        return seen, _aligned((X, y, weight))


_FEATURES = ("n_features_in_", "feature_names_in_")


def _aligned(arrays: Any) -> Any:
    """The same arrays where they are aligned, else copies.

    Arrays that came from another worker may begin at any byte, and NumPy adds up such in another
    order.
    """
    if arrays is None:
        return None
    if isinstance(arrays, tuple):
        return tuple(map(_aligned, arrays))
    if hasattr(arrays, "tocsr"):
        parts = _aligned((arrays.data, arrays.indices, arrays.indptr))
        return type(arrays)(parts, shape=arrays.shape)
    return np.require(arrays, requirements="A")


def _rows(arrays: Any, places: Array) -> Rows:
    return Rows(*_aligned(arrays))[places]


def _coded(model: Any, place: int, arrays: Any) -> Any:
    """Features, targets as the loss takes them, and weights."""
    X, y, weight = _aligned(arrays)
    model = copy.copy(model)
    with in_partition(place):
        coded = model._code(y)
        return X, coded, model._weights_by_class(coded, weight)


def _answer(
    model: Any, place: int, arrays: Any, beta: float | None, method: str, arguments: Any
) -> tuple[Any, ...]:
    with in_partition(place), on_one_thread(), threads_of_fits():
        problem = model._problem(*_aligned(arrays))
        return answer(problem if beta is None else Smoothed(problem, beta), method, arguments)


def _predicted(block: Any, model: Any, method: str, empty: Array | None) -> Any:
    if block.shape[0] == 0:
        return empty
    with on_one_thread():
        return getattr(model, method)(block)


# ---- fits --------------------------------------------------------------------------------------


class Partitions:
    """The source of problems that lie on workers: what a pass gives comes back, in their order."""

    def __init__(self, model: Any, parts: dict[int, Delayed], beta: float | None = None) -> None:
        self.model, self.parts, self.beta = model, parts, beta

    def answers(self, method: str, *arguments: Any) -> Iterator[tuple[Any, ...]]:
        ask = dask.delayed(_answer)
        yield from dask.compute(
            *(
                ask(self.model, place, part, self.beta, method, arguments)
                for place, part in self.parts.items()
            )
        )

    def smoothed(self, beta: float) -> Partitions:
        return Partitions(self.model, self.parts, beta)

    def problems(self) -> Iterator[Problem]:
        raise NotImplementedError("the rows of partitions stay on their workers")


class OnDask(LinearModel):
    """What both kinds of estimators do with arrays and frames of Dask."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit the weights to samples, each partition of which stays where it lies.

        Parameters
        ----------
        X : dask.array.Array or dask.dataframe.DataFrame, shape (n_samples, n_features)
            Or what the estimator of one machine takes, which is then fitted here.
        y : dask.array.Array, Series or DataFrame, shape (n_samples,) or (n_samples, n_outputs)
            In as many partitions as X, with the same rows.
        sample_weight : dask.array.Array or Series, shape (n_samples,), optional
            At least 0.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If only some of the three are Dask's.
        ValueError
            If the solver needs mini-batches, X and y do not fit, hold NaN or infinity, or a
            parameter is out of its range. A note of the error names the partition.
        DomainError
            If a target is outside the domain of the loss.
        """
        if not is_dask_collection(X):
            for name, given in (("y", y), ("sample_weight", sample_weight)):
                if is_dask_collection(given):
                    raise TypeError(f"X must be Dask's too, as {name} is; got {type(X).__name__}")
            return super().fit(X, y, sample_weight)
        self._check()
        self._refuse_splits()
        if self._rule() is not None:
            names = ", ".join(map(repr, ["auto", *SMOOTH, *PROXIMAL]))
            raise ValueError(
                f"solver={self.solver!r} takes mini-batches of {self.loss!r}, one after the other: "
                f"partitions are fitted together by {names}"
            )
        self.__dict__.pop("_state", None)
        with threads_of_fits():
            return self._minimise(self._spread(*_blocks(X, y, sample_weight)), None)

    def _spread(self, Xs: Sequence[Any], ys: Sequence[Any], weights: Sequence[Any]) -> Problem:
        """The problem of partitions, as `_chunked` makes it of chunks."""
        bare = self._bare()
        validate = dask.delayed(_validated)
        triples = enumerate(zip(Xs, ys, weights, strict=True))
        pairs = dask.persist(*(validate(bare, place, *triple) for place, triple in triples))
        found = dask.compute(*(pair[0] for pair in pairs))
        seen: dict[int, _Seen] = {place: each for place, each in enumerate(found) if each}
        if not seen:
            raise ValueError("there must be at least one sample; got none")
        self._learn_features(seen)
        self._start_chunked([each.targets for each in seen.values()])
        bare = self._bare()
        arrays = {place: pairs[place][1] for place in seen}
        some = self._coded_problem(*self._sample(seen, arrays))
        code = dask.delayed(_coded)
        coded = dask.persist(*(code(bare, place, part) for place, part in arrays.items()))
        parts = dict(zip(arrays, coded, strict=True))
        n_rows = sum(each.n_rows for each in seen.values())
        return Stream(some, Partitions(bare, parts), n_rows)

    def _bare(self) -> Any:
        """What workers need of this estimator."""
        bare = copy.copy(self)
        bare.callbacks = None
        for name in ("_w", "history_"):
            bare.__dict__.pop(name, None)
        return bare

    def _learn_features(self, seen: dict[int, _Seen]) -> None:
        first = next(iter(seen.values())).features
        for place, each in seen.items():
            if each.features["n_features_in_"] != first["n_features_in_"]:
                raise ValueError(
                    f"all partitions must have {first['n_features_in_']} features, as the first; "
                    f"partition {place} has {each.features['n_features_in_']}"
                )
        for name in _FEATURES:
            self.__dict__.pop(name, None)
        self.__dict__.update(first)

    def _sample(self, seen: dict[int, _Seen], arrays: dict[int, Delayed]) -> tuple[Any, Any, Any]:
        """The rows that stand for all, those that one machine would keep."""
        sample = Sample()
        for each in seen.values():
            sample.add(np.arange(each.n_counted), each.features["n_features_in_"])
        take = dask.delayed(_rows)
        chosen = zip(arrays.values(), sample.kept, strict=True)
        return stacked(dask.compute(*(take(part, places) for part, places in chosen)))

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, start: Any) -> Any:
        if any(map(is_dask_collection, (X, y, sample_weight))):
            raise TypeError("partial_fit takes mini-batches of arrays in memory; got Dask's")
        return super()._partial_fit(X, y, sample_weight, start)


def _blocks(X: Any, y: Any, sample_weight: Any) -> tuple[Sequence[Any], ...]:
    """The blocks of rows of all three, as many of each."""
    Xs, ys = _rows_of("X", X), _rows_of("y", y, like=X)
    weights: Sequence[Any] = [None] * len(Xs)
    if sample_weight is not None:
        weights = _rows_of("sample_weight", sample_weight, like=X)
    for name, blocks in (("y", ys), ("sample_weight", weights)):
        if len(blocks) != len(Xs):
            raise ValueError(
                f"{name} must have as many partitions as X, {len(Xs)}; got {len(blocks)}"
            )
    return Xs, ys, weights


def _rows_of(name: str, given: Any, like: Any = None) -> Sequence[Any]:
    if isinstance(given, (dd.DataFrame, dd.Series)):
        return partitions_of(given)
    if not isinstance(given, da.Array):
        raise TypeError(f"{name} must be an array or frame of Dask; got {type(given).__name__}")
    given = _whole_rows(given)
    if isinstance(like, da.Array) and not np.isnan([*like.chunks[0], *given.chunks[0]]).any():
        if len(given) != len(like):
            raise ValueError(f"{name} must have {len(like)} rows, as X; got {len(given)}")
        given = given.rechunk({0: like.chunks[0]})
    return list(given.to_delayed().ravel())


def _whole_rows(array: da.Array) -> da.Array:
    return array.rechunk({1: -1}) if array.ndim == 2 and array.numblocks[1] > 1 else array


# ---- predictions -------------------------------------------------------------------------------


def _lazily(method: Any) -> Any:
    """A method of estimators which of Dask's X gives an array of Dask's."""

    @functools.wraps(method)
    def of(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_dask_collection(X):
            return method(self, X, *args, **kwargs)
        if args or kwargs:
            raise TypeError("of Dask's X the result is lazy, and is not written to an array")
        check_is_fitted(self)
        predict = functools.partial(_predicted, model=self._bare(), method=method.__name__)
        if isinstance(X, dd.DataFrame):
            empty = predict(meta_nonempty(X._meta), empty=None)[:0]
            return X.map_partitions(functools.partial(predict, empty=empty), meta=empty)
        if not isinstance(X, da.Array) or X.ndim != 2:
            raise TypeError(f"X must be an array of two axes, or a frame; got {X!r}")
        empty = predict(np.zeros((1, X.shape[1]), X.dtype), empty=None)[:0]
        X = _whole_rows(X)
        return X.map_blocks(
            functools.partial(predict, empty=empty),
            chunks=(X.chunks[0], *((n,) for n in empty.shape[1:])),
            drop_axis=1 if empty.ndim == 1 else None,
            meta=empty,
        )

    return of


class LinearClassifier(OnDask, Classifier):
    """Linear classification of data on Dask's workers: any loss of scores, any penalty.

    The estimator of `fastloss.linear_model.LinearClassifier`, with its parameters and attributes,
    whose ``fit`` takes arrays and data frames of Dask. Solvers are those that read all samples for
    each step: "lbfgs", "newton-cg" and "newton-cholesky", and "prox-newton" and "fista" for
    penalties with kinks. In each step every partition is asked for its value, gradient or
    Hessian products, by a task on one thread, and these are added up here in the partitions' order:
    coefficients have the bits of a fit on one machine to the same rows in the same chunks. What
    ``predict`` and its like give is lazy where X is Dask's.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from fastloss.dask import LinearClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X, y = da.from_array(scale(X), chunks=(200, -1)), da.from_array(y, chunks=200)
    >>> model = LinearClassifier(alpha=1e-3).fit(X, y)
    >>> round(float((model.predict(X) == y).mean().compute()), 2)
    0.99
    """

    decision_function = _lazily(Classifier.decision_function)
    predict = _lazily(Classifier.predict)
    predict_proba = available_if(_has_probabilities)(_lazily(Classifier.predict_proba))
    predict_log_proba = available_if(_has_probabilities)(_lazily(Classifier.predict_log_proba))


class LinearRegressor(OnDask, Regressor):
    """Linear regression of data on Dask's workers: any loss of residuals or means, any penalty.

    The estimator of `fastloss.linear_model.LinearRegressor`, with its parameters and attributes,
    whose ``fit`` and ``predict`` take arrays and data frames of Dask; see `LinearClassifier`.

    Examples
    --------
    >>> import dask.array as da
    >>> from fastloss.dask import LinearRegressor
    >>> X = da.arange(12.0, chunks=4).reshape(-1, 1)
    >>> LinearRegressor("huber", alpha=0).fit(X, 2 * X[:, 0] + 1).predict(X[:3]).compute().round(6)
    array([1., 3., 5.])
    """

    predict = _lazily(Regressor.predict)
