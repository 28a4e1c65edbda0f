"""Masks of what counts: a sample where the mask is False is as if it were not there."""

import numpy as np
import pytest
from row_samples import LOSSES as ROW_LOSSES, typical as typical_rows
from samples import defaults, typical

import fastloss as fl

N = 40
MASK = np.arange(N) % 3 != 1
W = np.linspace(0.5, 2, N)
METHODS = ["__call__", "grad", "value_and_grad", "grad_and_hess"]


def compared(found, want):
    """All arrays and numbers of two results, one after the other."""
    found, want = ([*x] if isinstance(x, tuple) else [x] for x in (found, want))
    return zip(found, want, strict=True)


@pytest.mark.parametrize("loss", defaults(), ids=repr)
def test_pointwise_losses(loss):
    for dtype in (np.float64, np.float32):
        y, z = typical(loss, N, dtype)
        y, z = y.copy(), z.copy()
        y[1], z[4] = np.nan, np.inf  # which would be refused
        for weights in ({}, {"sample_weight": W}):
            less = {name: w[MASK] for name, w in weights.items()}
            for name in METHODS:
                method = getattr(loss, name)
                found = method(y, z, where=MASK, nan_policy="raise", **weights)
                want = method(y[MASK], z[MASK], nan_policy="raise", **less)
                for got, right in compared(found, want):
                    if np.ndim(got):
                        assert (got[~MASK] == 0).all()
                        got = got[MASK]
                    np.testing.assert_allclose(got, right, rtol=1e-6 if dtype == np.float32
                                               else 1e-14)  # fmt: skip


@pytest.mark.parametrize("loss", [x for x in ROW_LOSSES if x.axis == -1], ids=repr)
def test_losses_of_rows(loss):
    y, z = typical_rows(loss, N, 4)
    for weights in ({}, {"sample_weight": W}):
        less = {name: w[MASK] for name, w in weights.items()}
        value, grad = loss.value_and_grad(y, z, where=MASK, **weights)
        right, of_rows = loss.value_and_grad(y[MASK], z[MASK], **less)
        np.testing.assert_allclose(value, right, rtol=1e-13)
        np.testing.assert_allclose(grad[MASK], of_rows, rtol=1e-13, atol=1e-16)
        assert (grad[~MASK] == 0).all()


@pytest.mark.parametrize("of_mask", [(8, 5), (8,)])
@pytest.mark.parametrize("of_weights", [(8, 5), (8,), None])
def test_masks_of_samples_and_of_rows(of_mask, of_weights):
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=(2, 8, 5))
    mask = rng.random(of_mask) < 0.6
    w = np.ones(8) if of_weights is None else rng.uniform(1, 2, of_weights)
    each, weight = (np.broadcast_to(x if x.ndim == 2 else x[:, None], y.shape) for x in (mask, w))
    given = {} if of_weights is None else {"sample_weight": w}
    want = np.average((y - z)[each] ** 2, weights=weight[each])
    assert fl.SquaredError()(y, z, where=mask, **given) == pytest.approx(want, rel=1e-14)
    assert fl.score(y, z, "mse", where=mask, **given)["mse"] == pytest.approx(want, rel=1e-14)


def test_a_weight_that_does_not_count_may_be_anything():
    y, z = np.zeros(N), np.ones(N)
    w = np.where(MASK, 1, np.nan)
    assert fl.Huber()(y, z, where=MASK, sample_weight=w) == 0.5
    assert fl.Huber()(y, z, where=MASK.tolist(), reduction="none")[:3].tolist() == [0.5, 0, 0.5]
    with pytest.raises(ValueError, match="no sample of non-zero weight"):
        fl.Huber()(y, z, where=np.zeros(N, bool))


def test_results_are_written_where_a_mask_was_read():
    y, z = np.linspace(0, 1, N), np.zeros(N)
    want = fl.SquaredError().grad(y, z, where=MASK)
    assert fl.SquaredError().grad(y, z, where=MASK, out=z) is z
    np.testing.assert_array_equal(z, want)


def test_scores():
    rng = np.random.default_rng(1)
    y, z = rng.gamma(2, 1, (2, N))
    y[1] = np.nan
    groups = np.arange(N) % 2
    names = ["mse", "rmse", "r2", "d2_mae", "max_error", "median_absolute_error"]
    for w in (None, W):
        found = fl.score(y, z, names, where=MASK, sample_weight=w, groups=groups)
        less = None if w is None else w[MASK]
        want = fl.score(y[MASK], z[MASK], names, sample_weight=less, groups=groups[MASK])
        np.testing.assert_array_equal(found.values, want.values)
        np.testing.assert_array_equal(found.group_values, want.group_values)
        assert (found.count, found.weight) == (want.count, want.weight)
    rows = rng.dirichlet([1, 1, 1], N)
    labels = np.arange(N) % 3
    names = ["cross_entropy", "accuracy"]
    found = fl.score(labels, rows, names, where=MASK)
    want = fl.score(labels[MASK], rows[MASK], names)
    np.testing.assert_array_equal(found.values, want.values)


@pytest.mark.parametrize(("where", "error", "message"), [
    ([1, 0, 1], TypeError, "where must be an array of booleans; got dtype int64"),
    ([True, False], ValueError, r"where must have shape \(3,\); got \(2,\)"),
    (True, ValueError, r"where must have shape \(3,\); got \(\)"),
])  # fmt: skip
def test_what_is_no_mask(where, error, message):
    y = np.zeros(3)
    for weights in ({}, {"sample_weight": np.ones(3)}):
        with pytest.raises(error, match=message):
            fl.Huber()(y, y, where=where, **weights)
        with pytest.raises(error, match=message):
            fl.score(y, y, "mse", where=where, **weights)
    with pytest.raises(ValueError, match=r"sample_weight must have .*shape \(3,\)"):
        fl.Huber()(y, y, where=y == 0, sample_weight=[1, 2])
    with pytest.raises(ValueError, match=r"sample_weight must have .*shape \(3,\)"):
        fl.score(y, y, "mse", where=y == 0, sample_weight=[1, 2])
    with pytest.raises(ValueError, match=r"where must have shape \(1,\); got \(3,\)"):
        fl.SoftmaxCrossEntropy()([0], np.zeros((1, 3)), where=y == 0)


def test_a_frame_has_no_mask():
    import pandas as pd

    frame = pd.DataFrame({"y": [1.0], "p": [1.0]})
    with pytest.raises(TypeError, match="where is for arrays"):
        fl.score(frame, "mse", y_true="y", y_pred="p", where=[True])
