"""A sample has the same bits alone, and wherever it stands in a batch."""

import numpy as np
import pytest
from row_samples import LOSSES, typical as rows
from samples import DTYPES, anywhere, typical, variants

import fastloss as fl

N = 67
PARTS = (1, 2, 3, 5, 9, 33)


def numbers(loss, y, z):
    """Values, gradients and Hessians of samples."""
    options = {"reduction": "none"}
    value = loss(y, z, **options)
    return value, *loss.value_and_grad(y, z, **options), *loss.grad_and_hess(y, z, **options)


def check(loss, y, z):
    whole = numbers(loss, y, z)
    for size in PARTS:
        parts = [
            numbers(loss, y[start : start + size], z[start : start + size])
            for start in range(0, N, size)
        ]
        for expected, *found in zip(whole, *parts, strict=True):
            np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", variants())
def test_single_predictions(loss, dtype):
    check(loss, *typical(loss, N, dtype))
    rng = np.random.default_rng(0)
    y = anywhere(loss.y_domain, dtype, 6 * N, rng)
    z = anywhere(loss.z_domain, dtype, 6 * N, rng)
    for start in range(0, min(len(y), len(z)) - N + 1, N):
        check(loss, y[start : start + N], z[start : start + N])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("label", "probability"), [(0.25, 0.5), (1, 0), (0, 1), (1, 1e-40)])
def test_log_loss_beside_labels_that_take_another_way(label, probability, dtype):
    y, z = typical(fl.LogLoss(), N, dtype)
    y = np.round(y)
    alone = numbers(fl.LogLoss(), y, z)
    y[N // 2], z[N // 2] = label, probability
    for before, after in zip(alone, numbers(fl.LogLoss(), y, z), strict=True):
        np.testing.assert_array_equal(np.delete(after, N // 2), np.delete(before, N // 2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.spec)
def test_rows(loss, dtype):
    for k in range(2, 18):
        for spread in (3.0, 30.0):
            y, z = rows(loss, N, k, dtype, spread)
            check(loss, y, z)
            if {"targets", "labels"} <= {*loss._takes}:
                width = z.shape[1]
                soft = np.random.default_rng(k).dirichlet(np.ones(width), N)
                check(loss, soft.astype(dtype), z)
