"""Predictions in Parquet files, and what their scores are."""

import numpy as np
import pandas as pd

import fastloss as fl

ROLES = {"y_true": "y", "y_pred": "p", "sample_weight": "w", "by": ["region", "device"]}
LOSSES = ["mse", "rmse", "log_cosh", "huber:delta=0.5", "r2"]


def frame(n=4000):
    rng = np.random.default_rng(0)
    y, p, w = rng.normal(size=(3, n))
    y[::50] = np.nan
    region = pd.Series(rng.choice(["north", "south", "east"], n))
    region[::70] = None
    device = pd.Categorical(rng.choice(["tv", "phone"], n))
    more = {"a name. with `points`": p, "text": "unused"}
    return pd.DataFrame({"y": y, "p": p, "w": np.abs(w), "region": region, "device": device} | more)


def write(folder, parts=7):
    """A folder of so many files, of which one has no rows, and the whole frame."""
    whole = frame()
    ends = np.sort(np.random.default_rng(1).integers(0, len(whole), parts - 2))
    cuts = [0, *ends, len(whole), len(whole)]
    for k, (first, last) in enumerate(zip(cuts[:-1], cuts[1:], strict=True)):
        whole[first:last].to_parquet(folder / f"{k}.parquet", index=False)
    return whole


def same(found, expected):
    """Whether scores are the same to the last bit."""
    assert repr(found.to_dict()) == repr(expected.to_dict())
    assert found.count > 0


def expected(whole, losses=LOSSES, **arguments):
    return fl.score(whole, losses, **ROLES | arguments)
