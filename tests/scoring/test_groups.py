"""Groups of every kind: their labels, their order, and what is missing."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import fastloss as fl

LABELS = np.array([3, 0, 3, 7, 0, 3])
GROUPS = {
    "int64": LABELS,
    "int8": LABELS.astype(np.int8),
    "negative": LABELS - 5,
    "uint64": LABELS.astype(np.uint64) + np.uint64(2**64 - 8),
    "far apart": LABELS * 2**60,
    "the ends of int64": np.where(LABELS == 0, -(2**63), np.where(LABELS == 3, 0, 2**63 - 1)),
    "bool": LABELS > 0,
    "strings": np.array(["d", "a", "d", "h", "a", "d"]),
    "objects": np.array(["d", "a", "d", "h", "a", "d"], object),
    "StringDType": np.array(["d", "a", "d", "h", "a", "d"], np.dtypes.StringDType()),
    "list of strings": ["d", "a", "d", "h", "a", "d"],
    "list of integers": LABELS.tolist(),
    "bytes": np.array([b"d", b"a", b"d", b"h", b"a", b"d"]),
    "Series": pd.Series(["d", "a", "d", "h", "a", "d"], index=range(6, 0, -1)),
    "Categorical": pd.Categorical(["d", "a", "d", "h", "a", "d"]),
    "categories": pd.Series(["d", "a", "d", "h", "a", "d"], dtype="category"),
    "ordered": pd.Categorical(list("dadhad"), categories=list("adhz"), ordered=True),
    "CategoricalIndex": pd.CategoricalIndex(list("dadhad")),
    "integer categories": pd.Categorical(LABELS),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_groups_of_every_kind(kind):
    groups = GROUPS[kind]
    y, z = np.zeros(6), np.arange(6.0)
    scores = fl.score(y, z, ["mae"], groups=groups)
    labels = list(groups.tolist() if isinstance(groups, np.ndarray) else groups)
    expected = {
        label: np.mean([z[i] for i in range(6) if labels[i] == label]) for label in set(labels)
    }
    assert scores.groups == tuple(sorted(expected))
    got = dict(zip(scores.groups, scores.group_values[:, 0], strict=True))
    assert got == pytest.approx(expected)
    assert scores.group_counts.tolist() == [labels.count(label) for label in scores.groups]


def test_groups_may_have_the_shape_of_the_array():
    y, z = np.random.default_rng(0).normal(size=(2, 600))
    groups = np.arange(600) * 7 % 4
    flat = fl.score(y, z, ["mse", "mae"], groups=groups)
    shaped = fl.score(
        y.reshape(20, 30), z.reshape(20, 30), ["mse", "mae"], groups=groups.reshape(20, 30)
    )
    np.testing.assert_array_equal(flat.group_values, shaped.group_values)
    np.testing.assert_array_equal(flat.values, shaped.values)


@pytest.mark.parametrize("empty", [[], np.array([], int), np.array([], str), pd.Categorical([])],
                         ids=["list", "integers", "strings", "Categorical"])  # fmt: skip
def test_a_part_without_rows_has_no_groups(empty):
    # a crash would take this process with it
    code = "import sys, pickle, fastloss as fl\ngroups = pickle.load(sys.stdin.buffer)\n"
    code += "fl.Scorer('mse').update([], [], groups=groups)"
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(empty), check=True, timeout=60)


def test_as_many_groups_as_rows():
    y, z = np.random.default_rng(0).normal(size=(2, 50_000))
    scores = fl.score(y, z, ["mae"], groups=np.arange(50_000))
    np.testing.assert_allclose(scores.group_values[:, 0], abs(y - z), rtol=1e-15)
    np.testing.assert_array_equal(scores.group_counts, 1)


def test_groups_are_measured_by_the_array_not_by_what_it_says_of_itself():
    class Liar:
        shape = (4,)

        def __array__(self, dtype=None, copy=None):
            return np.zeros(300_000)

    with pytest.raises(ValueError, match="groups"):
        fl.score(Liar(), np.zeros(300_000), ["mse"], groups=np.array([0, 1, 0, 1]))


SERIES = {
    "strings": lambda pl: pl.Series(["b", "a", "b"]),
    "categories": lambda pl: pl.Series(["b", "a", "b"], dtype=pl.Categorical),
    "an enumeration": lambda pl: pl.Series(["b", "a", "b"], dtype=pl.Enum(["b", "a"])),
    "integers": lambda pl: pl.Series([7, 3, 7], dtype=pl.Int8),
    "unsigned integers": lambda pl: pl.Series([7, 3, 7], dtype=pl.UInt64),
    "booleans": lambda pl: pl.Series([True, False, True]),
}


@pytest.mark.parametrize("kind", SERIES)
def test_groups_in_a_series_of_polars(kind):
    pl = pytest.importorskip("polars", reason="its columns are groups too; CI installs it")
    groups = SERIES[kind](pl)
    scores = fl.score([0.0, 0.0, 0.0], [1.0, 2.0, 5.0], "mae", groups=groups)
    assert dict(zip(scores.groups, scores.group_values[:, 0], strict=True)) == {
        groups[0]: 3.0,
        groups[1]: 2.0,
    }


