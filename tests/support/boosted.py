"""Data to boost on, and what the pages about the boosting libraries say."""

import re
from pathlib import Path

import numpy as np

import fastloss as fl
from fastloss.domains import SIGNS, UNIT
from fastloss.losses.rows import RowLoss

DOCS = Path(__file__).parents[2] / "docs"
CLASSES = 4
SOFT = ("cross_entropy", "reg:logistic", "CrossEntropy")  # built-in objectives of probabilities

rng = np.random.default_rng(0)
N = 2000
X = rng.normal(size=(N, 10))
SIGNAL = X[:, 0] + np.sin(2 * X[:, 1]) + 0.5 * X[:, 2] * X[:, 3]
PROBABILITY = 1 / (1 + np.exp(-SIGNAL))
LABEL = (rng.random(N) < PROBABILITY).astype(float)
REAL = SIGNAL + 0.3 * rng.standard_t(3, size=N)
COUNT = rng.poisson(np.exp(SIGNAL / 2)).astype(float)
POSITIVE = rng.gamma(2, np.exp(SIGNAL / 2) / 2) + 0.1
CLASS = np.digitize(SIGNAL + 0.5 * rng.normal(size=N), [-1, 0, 1])
SEVERAL = (X[:, 4:7] + rng.normal(size=(N, 3)) > 0).astype(float)
WEIGHT = rng.uniform(0.5, 2, N).astype(np.float32).astype(float)  # the libraries take float32


def targets(loss):
    """Targets that a loss is made for; a classifier's of one that wants -1 and 1."""
    if isinstance(loss, RowLoss):
        return CLASS if "labels" in loss._takes else SEVERAL
    if loss.y_domain in (UNIT, SIGNS):
        return LABEL
    if 0.0 not in loss.y_domain:
        return POSITIVE
    return REAL if -2.0 in loss.y_domain else COUNT


def table(page):
    """The built-in objective, its parameters, the loss and the largest difference, row by row."""
    for name, rest, spec, _, _, bound in rows(page):
        parameters = dict(item.split("=") for item in rest.split())
        yield name, parameters, fl.get_loss(spec), float(bound)


def rows(page):
    """Name, parameters, loss, factor, Hessian and the largest difference, as they are written."""
    pattern = r"^\| `(\S+)([^`]*)` \| `(\S+)` \| (\S+) \| ([^|]+) \| (\S+) \|$"
    found = re.findall(pattern, (DOCS / f"{page}.md").read_text(), re.M)
    assert len(found) > 5
    return found


def shown(value):
    """Part of the name of a test."""
    return getattr(value, "spec", str(value))


def targets_of(builtin, loss):
    """Targets to compare a built-in objective on."""
    return PROBABILITY if builtin in SOFT else targets(loss)


def accepted(objective):
    """The losses that a library's objectives are made of by default."""
    found = []
    for name in fl.loss_names():
        try:
            objective(name)
        except ValueError:
            continue
        found.append(fl.get_loss(name))
    return found


def beats_the_constant(loss, scores):
    """Whether scores are finite, and better than the best constant."""
    y = targets(loss)
    y = np.where(y == 0, -1, y) if getattr(loss, "y_domain", None) is SIGNS else y
    try:
        best = loss.optimal_constant(y)
    except NotImplementedError:
        best = np.zeros(scores.shape[1:])
    constant = np.broadcast_to(best, scores.shape)
    return np.isfinite(scores).all() and loss(y, scores) < loss(y, constant)


class Recorder:
    """An objective that keeps what it was given and gave."""

    def __init__(self, objective):
        self.objective = objective
        self.calls = []

    def __call__(self, y_true, y_pred, sample_weight=None):
        scores = y_true if hasattr(y_pred, "get_label") else y_pred
        before = scores.copy()
        result = self.objective(y_true, y_pred, sample_weight=sample_weight)
        np.testing.assert_array_equal(scores, before)
        self.calls.append((scores, result))
        return result

    def __deepcopy__(self, memo):  # LightGBM copies parameters
        return self
