"""Spark: scores of two cores have the bits of one process."""

import doctest
import importlib
from pathlib import Path

import pytest
import sessions
from partitioned import LOSSES, ROLES, expected, same, write

import fastloss as fl

pytest.importorskip("pyspark", reason="fastloss.spark needs it")

from fastloss.spark import score


@pytest.fixture(scope="module")
def spark():
    session = sessions.spark()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def frames(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    whole = write(folder)
    return spark.read.parquet(str(folder)), whole


def test_scores_of_files(frames):
    found, whole = frames
    same(score(found, LOSSES, **ROLES, nan_policy="omit"), expected(whole, nan_policy="omit"))


def test_many_partitions_some_of_them_empty(frames):
    found, whole = frames
    many = found.repartition(9, "region", "device")
    roles = ROLES | {"y_pred": "a name. with `points`"}
    same(score(many, LOSSES, **roles, stderr=True), expected(whole, stderr=True))


def test_nothing_to_score(frames):
    found, whole = frames
    with pytest.raises(ValueError) as here:
        fl.score(whole[:0], "mse", **ROLES)
    with pytest.raises(ValueError) as elsewhere:
        score(found.limit(0), "mse", **ROLES)
    assert str(here.value) == str(elsewhere.value)


def test_errors_name_the_partition(spark):
    found = spark.createDataFrame([(1.0, 0.5), (7.0, 0.5)], "y double, p double").coalesce(1)
    with pytest.raises(Exception, match=r"y_true\[1\] = 7.0 is not in \[0, 1\].*\nin partition 0"):
        score(found, "log_loss", y_true="y", y_pred="p")


def test_what_is_refused(frames):
    found, whole = frames
    with pytest.raises(TypeError, match="df must be a DataFrame of pyspark.sql; got DataFrame"):
        score(whole, "mse", **ROLES)
    with pytest.raises(ValueError, match="there is no column 'q'; there are y, p, w, region"):
        score(found, "mse", **ROLES | {"y_pred": "q"})


def test_the_examples(spark):
    page = Path(__file__).parents[2] / "docs" / "spark.md"
    for result in (
        doctest.testmod(importlib.import_module("fastloss.spark")),
        doctest.testfile(str(page), module_relative=False),
    ):
        assert result.attempted > 0 and result.failed == 0
