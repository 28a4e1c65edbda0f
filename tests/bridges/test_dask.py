"""Dask: scores and linear models on two workers have the bits of one process."""

import warnings

import numpy as np
import pandas as pd
import pytest
from partitioned import LOSSES, ROLES, expected, same, write

import fastloss as fl

pytest.importorskip("dask.dataframe", reason="fastloss.dask needs it")
pytest.importorskip("distributed", reason="it has the workers")

import dask
import dask.array as da
import dask.dataframe as dd
from distributed import Client, LocalCluster
from scipy import sparse

from fastloss.dask import LinearClassifier, LinearRegressor, score
from fastloss.linear_model import (
    LinearClassifier as OneClassifier,
    LinearRegressor as OneRegressor,
    chunks as chunked,
    load,
)
from fastloss.partitions import Task


@pytest.fixture(scope="module", autouse=True)
def cluster():
    options = {"dashboard_address": ":0", "threads_per_worker": 1, "processes": True}
    with dask.config.set({"distributed.comm.timeouts.connect": "120s"}):
        with LocalCluster(n_workers=2, **options) as found, Client(found):
            yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    return folder, write(folder)


# ---- scores ------------------------------------------------------------------------------------


def test_scores_of_files(files):
    folder, whole = files
    frames = dd.read_parquet(folder, split_row_groups=False)
    assert frames.npartitions == 7
    same(score(frames, LOSSES, **ROLES, nan_policy="omit"), expected(whole, nan_policy="omit"))
    found = score(frames.repartition(npartitions=20), LOSSES, **ROLES, stderr=True)
    same(found, expected(whole, stderr=True))


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_schedulers(files, scheduler):
    folder, whole = files
    with fl.num_threads(3), dask.config.set(scheduler=scheduler, num_workers=4):
        found = score(dd.read_parquet(folder), "mae", **ROLES, nan_policy="omit")
        assert fl.get_num_threads() == 3
    same(found, expected(whole, "mae", nan_policy="omit"))


def parts_of(*frames):
    return dd.from_map(lambda frame: frame, frames, meta=frames[0][:0])


def test_categories_that_differ():
    frames = [
        pd.DataFrame({"y": [1.0, 2.0], "p": 0.5, "k": pd.Categorical(["b", "a"])}),
        pd.DataFrame({"y": [4.0, 8.0], "p": 0.5, "k": pd.Categorical(["c", "b"])}),
    ]
    whole = pd.concat([frame.astype({"k": str}) for frame in frames])
    names = {"y_true": "y", "y_pred": "p", "by": "k"}
    same(score(parts_of(*frames), "mae", **names), fl.score(whole, "mae", **names))


def test_parts_without_rows(files):
    _, whole = files
    there = whole[:100]
    same(score(parts_of(there[:0], there, there[:0]), "mse", **ROLES, nan_policy="omit"),
         expected(there, "mse", nan_policy="omit"))  # fmt: skip
    with pytest.raises(ValueError) as here:
        fl.score(there[:0], "mse", **ROLES)
    with pytest.raises(ValueError) as elsewhere:
        score(parts_of(there[:0], there[:0]), "mse", **ROLES)
    assert str(here.value) == str(elsewhere.value)


@pytest.mark.filterwarnings("ignore:Dask annotations:UserWarning")  # they do count
def test_a_task_that_is_tried_again_counts_once(files, tmp_path):
    _, whole = files

    def fail_once(k):
        marker = tmp_path / str(k)
        if not marker.exists():
            marker.touch()
            raise OSError("the disk is busy")
        return whole[k::4]

    with dask.annotate(retries=2):
        frames = dd.from_map(fail_once, range(4), meta=whole[:0])
        found = score(frames, LOSSES, **ROLES, nan_policy="omit")
    assert len([*tmp_path.iterdir()]) == 4
    same(found, expected(whole, nan_policy="omit"))


def test_merging_leaves_its_parts_alone(files):
    _, whole = files
    task = Task(LOSSES, "omit", False, ROLES)
    parts = [task.scored(whole[:2000]), task.scored(whole[2000:])]
    first, again = task.merged(parts), task.merged(parts)
    same(first.result(), expected(whole, nan_policy="omit"))
    same(again.result(), first.result())


def test_what_scores_refuse(files):
    folder, whole = files
    frames = dd.read_parquet(folder)
    with pytest.raises(TypeError, match="ddf must be a Dask DataFrame, .*; got Series"):
        score(frames["y"], "mse", **ROLES)
    with pytest.raises(TypeError, match="got DataFrame"):
        score(whole, "mse", **ROLES)
    with pytest.raises(ValueError, match="there is no column 'q'; there are y, p"):
        score(frames, "mse", **ROLES | {"y_pred": "q"})
    with pytest.raises(fl.DomainError, match="in partition 1") as caught:
        good = pd.DataFrame({"y": [1.0], "p": [0.5]})
        score(parts_of(good, good + 7, good), "log_loss", y_true="y", y_pred="p")
    assert caught.value.argument == "y_true"


# ---- linear models -----------------------------------------------------------------------------

RNG = np.random.default_rng(0)
CUTS = [0, 900, 901, 1700, 3000]
X = RNG.normal(size=(3000, 4))
SCORES = X @ [1.0, -2.0, 0.5, 0.0] + RNG.logistic(size=3000)
WEIGHT = RNG.uniform(0.5, 2.0, 3000) * (np.arange(3000) % 5 > 0)
CLASSES = np.array(["no", "perhaps", "yes"])[np.digitize(SCORES, [-1.0, 2.0])]
PAIRS = list(zip(CUTS[:-1], CUTS[1:], strict=True))


def spread(array):
    rest = [(n,) for n in array.shape[1:]]
    return da.from_array(array, (tuple(np.diff(CUTS).tolist()), *rest))


def in_chunks(*arrays):
    return [tuple(each[a:b] for each in arrays) for a, b in PAIRS]


def alike(ours, theirs):
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    np.testing.assert_array_equal(ours.intercept_, theirs.intercept_)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.history_["loss"] == theirs.history_["loss"]


@pytest.mark.parametrize(
    ("loss", "arguments"),
    [
        ("huber", {"solver": "lbfgs"}),
        ("quantile:q=0.8", {}),
        ("huber", {"penalty": "l1", "alpha": 0.01}),
        ("mse", {"penalty": "l1", "alpha": 0.01, "solver": "fista"}),
    ],
)
def test_regression_has_the_bits_of_one_machine(monkeypatch, loss, arguments):
    monkeypatch.setattr(chunked, "_SAMPLED", 5000)  # numbers: some of the rows
    ours = LinearRegressor(loss, **arguments).fit(*map(spread, (X, SCORES, WEIGHT)))
    theirs = OneRegressor(loss, **arguments).fit(in_chunks(X, SCORES, WEIGHT))
    alike(ours, theirs)
    predicted = ours.predict(spread(X))
    assert predicted.chunks == (tuple(np.diff(CUTS)),)
    np.testing.assert_array_equal(predicted.compute(), theirs.predict(X))
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "arguments",
    [{"solver": "newton-cg", "class_weight": "balanced"}, {"loss": "squared_hinge"}, {}],
)
def test_classification_has_the_bits_of_one_machine(arguments, dtype):
    Z = X.astype(dtype)
    ours = LinearClassifier(**arguments).fit(spread(Z), spread(CLASSES))
    theirs = OneClassifier(**arguments).fit(in_chunks(Z, CLASSES))
    alike(ours, theirs)
    assert [*ours.classes_] == ["no", "perhaps", "yes"]
    methods = ["predict", "decision_function"]
    if "loss" not in arguments:
        methods += ["predict_proba", "predict_log_proba"]
    for method in methods:
        lazy, found = getattr(ours, method)(spread(Z)), getattr(theirs, method)(Z)
        assert (lazy.shape, lazy.dtype) == (found.shape, found.dtype)
        np.testing.assert_array_equal(lazy.compute(), found)


def test_frames_of_features(tmp_path):
    whole = pd.DataFrame(X, columns=list("abcd")).assign(y=CLASSES, w=WEIGHT)
    for k, (a, b) in enumerate([*PAIRS, (0, 0)]):
        whole[a:b].to_parquet(tmp_path / f"{k}.parquet", index=False)
    frames = dd.read_parquet(tmp_path, split_row_groups=False)
    ours = LinearClassifier(alpha=0.01).fit(frames[[*"abcd"]], frames["y"], frames["w"])
    alike(ours, OneClassifier(alpha=0.01).fit(in_chunks(whole[[*"abcd"]], CLASSES, WEIGHT)))
    assert [*ours.feature_names_in_] == [*"abcd"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as of names that do not fit
        lazy = ours.predict(frames[[*"abcd"]])
        np.testing.assert_array_equal(lazy.compute(), ours.predict(whole[[*"abcd"]]))
        assert ours.predict_proba(frames[[*"abcd"]]).compute().shape == (3000, 3)
    ours.save(tmp_path / "model.json")
    np.testing.assert_array_equal(load(tmp_path / "model.json").coef_, ours.coef_)


def test_sparse_blocks():
    Z = np.where(np.abs(X) > 1, X, 0.0)
    blocks = spread(Z).map_blocks(sparse.csr_matrix)
    ours = LinearRegressor("huber").fit(blocks, spread(SCORES))
    csr = sparse.csr_matrix(Z)
    alike(ours, OneRegressor("huber").fit(in_chunks(csr, SCORES)))
    np.testing.assert_array_equal(ours.predict(blocks).compute(), ours.predict(csr))


def test_columns_in_pieces_and_other_chunks():
    ours = LinearRegressor().fit(spread(X).rechunk({1: 2}), spread(SCORES).rechunk(1000))
    alike(ours, OneRegressor().fit(in_chunks(X, SCORES)))
    np.testing.assert_array_equal(
        ours.predict(spread(X).rechunk({1: 2})).compute(), ours.predict(X)
    )


def test_a_fit_goes_on():
    ours = LinearRegressor("huber", warm_start=True, max_iter=3, tol=0.5)
    theirs = OneRegressor("huber", warm_start=True, max_iter=3, tol=0.5)
    for _ in range(2):
        alike(ours.fit(spread(X), spread(SCORES)), theirs.fit(in_chunks(X, SCORES)))
    seen = []
    ours.set_params(callbacks=[lambda model: seen.append(model.coef_.copy())])
    ours.fit(spread(X), spread(SCORES))
    assert len(seen) == ours.n_iter_


def test_arrays_in_memory_are_fitted_here():
    ours, theirs = LinearRegressor("huber").fit(X, SCORES), OneRegressor("huber").fit(X, SCORES)
    alike(ours, theirs)
    alike(LinearRegressor("huber").fit(in_chunks(X, SCORES)), theirs.fit(in_chunks(X, SCORES)))


def test_errors_of_fits_name_the_partition():
    gap = X.copy()
    gap[1000, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN.\nin partition 2"):
        LinearRegressor().fit(spread(gap), spread(SCORES))
    with pytest.raises(ValueError, match="Input y contains infinity.*\nin partition 3"):
        LinearRegressor().fit(spread(X), spread(np.where(np.arange(3000) == 2000, np.inf, SCORES)))
    with pytest.raises(fl.DomainError, match=r"y_true\[100\] = -1.0 is not .*\nin partition 0"):
        LinearRegressor("poisson").fit(spread(X), spread(np.where(np.arange(3000) == 100, -1.0, 1)))


def test_what_fits_refuse():
    Xs, ys = spread(X), spread(SCORES)
    for solver in ("adam", "sgd"):
        with pytest.raises(ValueError, match=f"solver='{solver}' takes mini-batches.*'lbfgs'"):
            LinearRegressor(solver=solver).fit(Xs, ys)
    with pytest.raises(ValueError, match="solver='auto' takes mini-batches of 'perceptron'"):
        LinearClassifier("perceptron").fit(Xs, ys > 0)
    with pytest.raises(ValueError, match="early_stopping needs"):
        LinearRegressor(early_stopping=True).fit(Xs, ys)
    with pytest.raises(TypeError, match="y must be an array or frame of Dask; got ndarray"):
        LinearRegressor().fit(Xs, SCORES)
    with pytest.raises(TypeError, match="X must be Dask's too, as y is; got ndarray"):
        LinearRegressor().fit(X, ys)
    with pytest.raises(ValueError, match="y must have 3000 rows, as X; got 2999"):
        LinearRegressor().fit(Xs, ys[:-1])
    with pytest.raises(TypeError, match="mini-batches of arrays in memory; got Dask's"):
        LinearRegressor().partial_fit(Xs, ys)
    with pytest.raises(ValueError, match="at least one sample; got none"):
        LinearRegressor().fit(Xs[:0], ys[:0])
    with pytest.raises(ValueError, match="non-zero weight"):
        LinearRegressor().fit(Xs, ys, spread(np.zeros(3000)))
    with pytest.raises(ValueError, match="at least two classes"):
        LinearClassifier().fit(Xs, ys > 1e9)
    with pytest.raises(TypeError, match="the result is lazy"):
        LinearRegressor().fit(Xs, ys).predict(Xs, out=np.empty(3000))
    names = pd.DataFrame(X, columns=list("abcd"))
    with pytest.raises(ValueError, match="as many partitions as X, 2; got 3"):
        LinearRegressor().fit(
            dd.from_pandas(names, npartitions=2), dd.from_pandas(names["a"], npartitions=3)
        )
