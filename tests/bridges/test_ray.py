"""Ray: scores of two workers have the bits of one process."""

import doctest
import importlib

import pytest
import sessions
from partitioned import LOSSES, ROLES, expected, same, write

import fastloss as fl

pytest.importorskip("ray.data", reason="fastloss.ray needs it")

import ray.data

from fastloss.ray import score


@pytest.fixture(scope="module", autouse=True)
def cluster():
    yield sessions.ray()
    ray.shutdown()


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    whole = write(folder)
    return ray.data.read_parquet(str(folder)), whole


def test_scores_of_files(datasets):
    found, whole = datasets
    same(score(found, LOSSES, **ROLES, nan_policy="omit"), expected(whole, nan_policy="omit"))


def test_nothing_to_score(datasets):
    found, whole = datasets
    with pytest.raises(ValueError) as here:
        fl.score(whole[:0], "mse", **ROLES)
    with pytest.raises(ValueError) as elsewhere:
        score(found.filter(lambda row: False), "mse", **ROLES)
    assert str(here.value) == str(elsewhere.value)


def test_what_is_refused(datasets):
    found, whole = datasets
    with pytest.raises(TypeError, match="ds must be a Dataset of ray.data; got DataFrame"):
        score(whole, "mse", **ROLES)
    with pytest.raises(ValueError, match="there is no column 'q'; there are y, p, w, region"):
        score(found, "mse", **ROLES | {"y_pred": "q"})
    bad = ray.data.from_items([{"y": 7.0, "p": 0.5}])
    with pytest.raises(Exception, match=r"y_true\[0\] = 7.0 is not in \[0, 1\]"):
        score(bad, "log_loss", y_true="y", y_pred="p")


def test_the_example():
    result = doctest.testmod(importlib.import_module("fastloss.ray"))
    assert result.attempted > 0 and result.failed == 0
