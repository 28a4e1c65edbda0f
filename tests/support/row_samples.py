"""Losses of rows to test, and targets and predictions for them."""

import numpy as np
import pytest
from samples import DTYPES

import fastloss as fl
from fastloss.domains import NONPOSITIVE, REAL, UNIT

CE = fl.SoftmaxCrossEntropy()
SOFTMAX = [
    CE,
    fl.SoftmaxCrossEntropy(label_smoothing=0.1),
    fl.SoftmaxFocal(),
    fl.SoftmaxFocal(gamma=0.5),
    fl.SoftmaxFocal(gamma=0.0),
    fl.PolyLoss(),
    fl.PolyLoss(epsilon=2.0, label_smoothing=0.1),
    fl.GeneralizedCrossEntropy(),
    fl.SymmetricCrossEntropy(),
]
LOSSES = [
    *SOFTMAX,
    fl.ListwiseSoftmax(),
    fl.CrossEntropy(),
    fl.CrossEntropy(label_smoothing=0.1),
    fl.NLL(),
    fl.MultiClassBrier(),
    fl.KLDivergence(),
    fl.KLDivergence(log_probabilities=True),
    fl.JensenShannon(),
    fl.CosineDistance(),
    fl.MultiClassHinge(),
    fl.MultiClassPerceptron(),
    fl.MultiMargin(),
    fl.MultiMargin(p=2, margin=0.5),
    fl.MultiLabelMargin(),
    fl.MultiLabelLogistic(),
    fl.MultiLabelLogistic(pos_weight=2.5),
    fl.Dice(),
    fl.Dice(smooth=1.0),
    fl.Tversky(alpha=0.3, beta=1.5, smooth=0.5, logits=True),
    fl.GaussianNLL(),
    fl.GaussianNLL(full=True),
    fl.GaussianNLL(log_variance=True),
    fl.GaussianCRPS(),
    fl.LogisticNLL(),
    fl.StudentTNLL(df=2.5),
    fl.MultiQuantile(),
    fl.IntervalScore(),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.spec)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def typical(loss, n, k, dtype=np.float64, spread=3.0, seed=0):
    """Targets and predictions in a loss's domains."""
    rng = np.random.default_rng(seed)
    y, z = data(n, len(loss._columns) or k, dtype, spread, seed)
    if loss._columns:
        if loss.z_domain is not REAL:
            z[:, 1] = np.exp(z[:, 1] / 4)
        return rng.normal(size=n).astype(dtype), z
    if loss.z_domain in (UNIT, NONPOSITIVE):
        z = rng.dirichlet(np.ones(k), n).astype(dtype)
        z = np.log(z) if loss.z_domain is NONPOSITIVE else z
    if "labels" in loss._takes:
        return y, z
    if loss.y_domain is REAL:
        other = np.random.default_rng([seed, 1])  # or they would be parallel to z
        return other.normal(size=(n, k)).astype(dtype), z
    if isinstance(loss, fl.MultiLabelLogistic):
        return np.maximum(rng.integers(0, 2, (n, k)), rng.random((n, k)) * (z > 0)).astype(dtype), z
    if isinstance(loss, fl.MultiLabelMargin):  # some labels of a row, in part or wholly
        return ((rng.random((n, k)) < 3 / k) * rng.choice([0.5, 1], (n, k))).astype(dtype), z
    return rng.dirichlet(np.ones(k), n).astype(dtype), z


def data(n, k, dtype=np.float64, spread=3.0, seed=0):
    rng = np.random.default_rng(seed)
    z = (spread * rng.normal(size=(n, k))).astype(dtype)
    return rng.integers(0, k, n), z
