"""Made-up data of linear models: features that hang together, noise, unequal classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

Array = NDArray[Any]
FACTORS = 10


def features(rng: np.random.Generator, n: int, d: int) -> Array:
    """Columns of variance 1 in float32, half of it from common factors."""
    half = np.float32(np.sqrt(0.5))
    load = rng.normal(size=(FACTORS, d)).astype(np.float32)
    load *= half / np.linalg.norm(load, axis=0)
    X = half * rng.standard_normal((n, d), np.float32)
    X += rng.standard_normal((n, FACTORS), np.float32) @ load
    return X


def words(rng: np.random.Generator, n: int, d: int, stored: int) -> Any:
    """Rows of length 1, as of texts, by rows in float32: the first columns are frequent."""
    edges = np.round(d * np.linspace(0, 1, stored + 1) ** 2)
    edges = np.maximum(edges, np.arange(stored + 1))  # a column at least, and each only once
    columns = edges[:-1] + rng.random((n, stored)) * np.diff(edges)
    values = np.abs(rng.standard_normal((n, stored), np.float32)) + np.float32(0.1)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    starts = np.arange(0, n * stored + 1, stored, dtype=np.int32)
    return scipy.sparse.csr_matrix(
        (values.ravel(), columns.astype(np.int32).ravel(), starts), shape=(n, d)
    )


def weights(rng: np.random.Generator, d: int, true: int | None = None) -> Array:
    """Normal ones; all but some are 0 if they are counted."""
    w = rng.normal(size=d).astype(np.float32)
    if true is not None:
        w[rng.permutation(d)[true:]] = 0
    return w


def scores(X: Any, w: Array, mean: float, spread: float) -> Array:
    """X w, moved to a mean and a standard deviation."""
    z: Array = X @ w
    z -= z.mean()
    z *= spread / z.std()
    z += np.float32(mean)
    return z


def labels(rng: np.random.Generator, z: Array) -> Array:
    """Of two classes, z the logits of the second."""
    found: Array = (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(np.int64)
    return found


def classes(rng: np.random.Generator, X: Array, k: int) -> Array:
    """Of k classes, the first more frequent than the last."""
    z = X @ rng.normal(size=(X.shape[1], k)).astype(np.float32)
    z *= np.float32(2.5) / z.std()
    z += rng.gumbel(size=z.shape) - np.linspace(0, 1, k)
    found: Array = z.argmax(axis=1)
    return found


def counts(rng: np.random.Generator, z: Array) -> Array:
    """Poisson, z the logarithms of the means."""
    return rng.poisson(np.exp(z)).astype(np.float32)


def claims(rng: np.random.Generator, z: Array) -> Array:
    """Tweedie of power 1.5 and dispersion 2: sums of exponentials, as many as a Poisson says."""
    root = np.exp(z / 2)
    return rng.gamma(rng.poisson(root), root).astype(np.float32)
