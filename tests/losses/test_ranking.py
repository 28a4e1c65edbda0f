"""Losses of rankings: against their definitions to 50 digits, LightGBM and XGBoost."""

import pickle

import numpy as np
import pytest
from mpmath import mp, mpf

import fastloss as fl
from fastloss.losses import ranking

LOSSES = [
    fl.PairwiseLogistic(),
    fl.LambdaRank(),
    fl.LambdaRank(k=3, sigma=2.0),
    fl.LambdaRank(k=30),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
GROUPS = [1, 5, 9, 0, 17, 2]


def documents(groups=GROUPS, spread=1.0, seed=0):
    """Relevances, and scores of which some are equal."""
    rng, n = np.random.default_rng(seed), sum(groups)
    return rng.integers(0, 4, n), np.round(rng.normal(size=n), 1) * spread


def pairs(loss, y, z):
    """Weights of the pairs of a query, the better document first: LightGBM's formula."""
    n = len(y)
    if isinstance(loss, fl.PairwiseLogistic):
        return [(mpf(1), i, j) for i in range(n) for j in range(n) if y[i] > y[j]]
    k = loss.k or n
    rank = {i: r for r, i in enumerate(sorted(range(n), key=lambda i: -z[i]))}
    best = sum((2 ** mpf(x) - 1) / mp.log(2 + r, 2) for r, x in enumerate(sorted(y)[::-1][:k]))
    return [
        (
            (2 ** mpf(y[i]) - 2 ** mpf(y[j]))
            * abs(1 / mp.log(2 + rank[i], 2) - 1 / mp.log(2 + rank[j], 2))
            / best,
            i,
            j,
        )
        for i in range(n)
        for j in range(n)
        if y[i] > y[j] and min(rank[i], rank[j]) < k
    ]


def exact(loss, y, z, groups):
    """Values of queries, and derivatives by the scores."""
    sigma, start, values = mpf(getattr(loss, "sigma", 1)), 0, []
    grad, hess = [mpf(0)] * len(z), [mpf(0)] * len(z)
    for size in groups:
        part = slice(start, start + size)
        at = [*map(mpf, map(float, z[part]))]
        total = mpf(0)
        for weight, i, j in pairs(loss, [*map(int, y[part])], at):
            x = sigma * (at[i] - at[j])
            below = 1 / (1 + mp.exp(x))
            total += weight * mp.log1p(mp.exp(-x))
            for document, sign in ((start + i, -1), (start + j, 1)):
                grad[document] += sign * sigma * weight * below
                hess[document] += sigma**2 * weight * below / (1 + mp.exp(-x))
        values.append(total)
        start += size
    return [*map(float, values)], [*map(float, grad)], [*map(float, hess)]


@pytest.mark.parametrize("spread", [1e-8, 1.0, 100.0])
@every_loss
def test_definition(loss, spread, monkeypatch):
    y, z = documents(spread=spread)
    with mp.workdps(400):
        value, grad, hess = exact(loss, y, z, GROUPS)
    got = loss(y, z, groups=GROUPS, reduction="none")
    np.testing.assert_allclose(got, value, rtol=2e-15, atol=1e-300)
    found = loss.grad_and_hess(y, z, groups=GROUPS, reduction="sum")
    # of a sum of both signs, relative to the largest of the query
    queries = np.split(np.abs(grad), np.cumsum(GROUPS)[:-1])
    size = np.repeat([part.max(initial=0) for part in queries], GROUPS)
    assert (np.abs(found[0] - grad) <= 8e-15 * size).all()
    np.testing.assert_allclose(found[1], hess, rtol=8e-15, atol=1e-300)
    total, again = loss.value_and_grad(y, z, groups=GROUPS, reduction="sum")
    np.testing.assert_array_equal(again, found[0])
    assert total == pytest.approx(sum(value), rel=1e-14)
    # in whatever blocks
    monkeypatch.setattr(ranking, "PAIRS", 1)
    np.testing.assert_array_equal(loss.grad_and_hess(y, z, groups=GROUPS, reduction="sum"), found)


@every_loss
def test_queries_depend_on_none_of_the_others(loss):
    groups = [30, 7, 30, 64, 30, 200]
    y, z = documents(groups)
    whole = loss.grad_and_hess(y, z, groups=groups, reduction="sum")
    values, start = loss(y, z, groups=groups, reduction="none"), 0
    for i, size in enumerate(groups):
        part = slice(start, start + size)
        alone = loss.grad_and_hess(y[part], z[part], groups=[size], reduction="sum")
        for got, want in zip(alone, whole, strict=True):
            np.testing.assert_array_equal(got, want[part])
        assert loss(y[part], z[part], groups=[size]) == values[i]
        start += size


@every_loss
def test_the_gradient_is_the_derivative(loss):
    y, z = documents([12])
    z = z + np.arange(12) * 1e-3  # no two of them alike
    grad, h = loss.grad(y, z, groups=[12]), 1e-6
    for i in range(12):
        shift = np.zeros(12)
        shift[i] = h
        slope = (loss(y, z + shift, groups=[12]) - loss(y, z - shift, groups=[12])) / (2 * h)
        assert slope == pytest.approx(grad[i], abs=1e-7)


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reductions_weights_and_dtypes(loss, dtype):
    y, z = documents()
    z, w = z.astype(dtype), np.array([1.0, 2.0, 0.0, 1.0, 0.5, -0.25])
    plain = loss(y, z, groups=GROUPS, reduction="none")
    each = loss(y, z, groups=GROUPS, sample_weight=w, reduction="none")
    assert each.dtype == dtype
    np.testing.assert_allclose(each, w * plain, rtol=1e-6)
    mean, grad = loss.value_and_grad(y, z, groups=GROUPS, sample_weight=w)
    assert type(mean) is float and grad.dtype == dtype
    assert mean == pytest.approx((w * plain).sum() / w.sum(), rel=1e-5)
    alone = loss.grad(y, z, groups=GROUPS, reduction="sum")
    np.testing.assert_allclose(grad, np.repeat(w, GROUPS) / w.sum() * alone, rtol=1e-5, atol=1e-7)


@every_loss
def test_a_query_of_weight_0_is_as_if_absent(loss):
    y, z = documents()
    y, w = y.astype(float), np.ones(6)
    out = np.repeat(np.arange(6) == 2, GROUPS)
    value = loss(y[~out], z[~out], groups=np.delete(GROUPS, 2))
    y[out], z[out], w[2] = np.nan, np.nan, 0
    got, grad = loss.value_and_grad(y, z, groups=GROUPS, sample_weight=w)
    assert got == pytest.approx(value, rel=1e-14)
    assert (grad[out] == 0).all() and np.isfinite(grad).all()


@every_loss
def test_a_score_that_is_no_number_spoils_its_query_alone(loss):
    y, z = documents()
    for bad in (np.nan, np.inf):
        z[7] = bad
        for found in loss.grad_and_hess(y, z, groups=GROUPS):
            np.testing.assert_array_equal(np.isnan(found), np.repeat(np.arange(6) == 2, GROUPS))


@every_loss
def test_scores_as_far_apart_as_they_can_be(loss):
    far = np.finfo(float).max
    value, grad = loss.value_and_grad([1, 0, 0, 2], [far, -far, far, -far], groups=[2, 2])
    assert value == np.inf and np.abs(grad[:2]).max() < 1e-300 and grad[2] == -grad[3] > 0
    value, grad = loss.value_and_grad([1, 1, 0], [far, -far, 0.0], groups=[3])
    assert value > 1e306 and np.isfinite(grad).all()


@every_loss
def test_any_layout_and_out(loss):
    y, z = documents()
    grad, hess = loss.grad_and_hess(y, z, groups=GROUPS)
    strided = np.repeat(y, 2)[::2], np.repeat(z, 3)[::3]
    for got, want in zip(
        loss.grad_and_hess(*strided, groups=np.array(GROUPS, np.uint8)), (grad, hess), strict=True
    ):
        np.testing.assert_array_equal(got, want)
    own = z.copy()
    assert loss.grad(y, own, groups=GROUPS, out=own) is own
    np.testing.assert_array_equal(own, grad)


@every_loss
def test_objects(loss):
    assert eval(repr(loss), vars(fl)) == loss == pickle.loads(pickle.dumps(loss))
    assert len({loss, pickle.loads(pickle.dumps(loss))}) == 1
    with pytest.raises(AttributeError):
        loss.k = 1


@every_loss
def test_nothing_to_rank(loss):
    assert loss([], [], groups=[], reduction="sum") == 0
    with pytest.raises(ValueError, match="mean over nothing"):
        loss([], [], groups=[])
    value, grad = loss.value_and_grad([0, 0, 2], [1.0, 2.0, 3.0], groups=[2, 1])
    assert value == 0 and not grad.any()


BAD = [
    ({"groups": None}, ValueError, "groups must be the sizes of the queries"),
    ({"groups": [2]}, ValueError, "add up to 3, the number of predictions; got 2 in all"),
    ({"groups": [4, -1]}, ValueError, "at least 0"),
    ({"groups": [[3]]}, ValueError, r"got shape \(1, 1\)"),
    ({"groups": [3.0]}, TypeError, "groups must hold integers"),
    ({"sample_weight": [1.0, 1, 1]}, ValueError, r"shape \(1,\), one for each query; got \(3,\)"),
    ({"y_true": [0, 1]}, ValueError, "the same shape"),
    ({"y_true": [0, np.nan, 1]}, fl.DomainError, r"y_true\[1\] = nan is not"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
@every_loss
def test_mistakes(loss, change, error, message):
    given = {"y_true": [0, 1, 2], "y_pred": [0.0, 0, 0], "groups": [3]} | change
    with pytest.raises(error, match=message):
        loss(**given)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.LambdaRank(k=0), ValueError, "k must be in"),
        (lambda: fl.LambdaRank(sigma=-1), ValueError, r"sigma must be in \(0, inf\)"),
        (lambda: fl.LambdaRank()([-1], [0.0], groups=[1]), fl.DomainError, r"is not in \[0, 1000"),
    ],
)
def test_mistakes_of_options(make, error, message):
    with pytest.raises(error, match=message):
        make()
