"""Samples in chunks give what all of them at once give."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's kind")

from fastloss.linear_model import LinearClassifier, LinearRegressor
from fastloss.linear_model.chunks import Chunks, Stream
from fastloss.linear_model.problem import Problem
from fastloss.linear_model.smoothing import Smoothed
from fastloss.losses import Hinge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(900, 3))
SCORES = X @ [1.0, -2.0, 0.5] + RNG.normal(size=900)
WEIGHT = RNG.uniform(0.5, 2.0, 900)
CUTS = [0, 250, 260, 900]


def chunks(y, weight):
    return [(X[a:b], y[a:b], weight[a:b]) for a, b in zip(CUTS, CUTS[1:], strict=False)]


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_balanced_classes(loss):
    """Of all samples, not of each chunk, where classes are in order."""
    y = np.digitize(SCORES, [0.0, 2.0]) if loss == "squared_hinge" else SCORES > 0
    order = np.argsort(y, kind="stable")
    sorted_chunks = [
        (X[order[a:b]], y[order[a:b]], WEIGHT[order[a:b]])
        for a, b in zip(CUTS, CUTS[1:], strict=False)
    ]
    model = LinearClassifier(loss, class_weight="balanced", alpha=0.01, tol=1e-8)
    expected = model.fit(X, y, WEIGHT).coef_.copy()
    np.testing.assert_allclose(model.fit(sorted_chunks).coef_, expected, atol=1e-5)
    # what was learned of chunks does not stay
    np.testing.assert_allclose(model.fit(X, y, WEIGHT).coef_, expected, atol=1e-5)


@pytest.mark.parametrize("loss", ["mae", "quantile:q=0.8"])
def test_losses_with_kinks(loss):
    model = LinearRegressor(loss, alpha=0.01)
    expected = model.fit(X, SCORES, WEIGHT)
    objective, coef = expected.history_["loss"][-1], expected.coef_.copy()
    found = model.fit(chunks(SCORES, WEIGHT))
    assert found.history_["loss"][-1] == pytest.approx(objective, rel=1e-5)
    np.testing.assert_allclose(found.coef_, coef, atol=5e-3)


def test_problems_of_chunks():
    y = np.sign(SCORES)
    whole = Problem(Hinge(), X, y, sample_weight=WEIGHT)
    parts = [Problem(Hinge(), *part[:2], sample_weight=part[2]) for part in chunks(y, WEIGHT)]
    stream = Stream(parts[0], Chunks(lambda: iter(parts)), 900)
    w = RNG.normal(size=4)
    assert stream.total_weight == pytest.approx(WEIGHT.sum(), rel=1e-12)
    assert stream.value(w) == pytest.approx(whole.value(w), rel=1e-12)
    ours, theirs = (each.value_and_grad(w) for each in (stream.smoothed(0.1), Smoothed(whole, 0.1)))
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-12)
