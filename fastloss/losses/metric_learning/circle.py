"""The circle loss: the further a similarity is from where it should be, the more it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import logsumexp, softmax
from fastloss.domains import FLAG, NONNEGATIVE, POSITIVE
from fastloss.losses.classification import Logistic
from fastloss.losses.metric_learning.labelled import Labelled, LabelledLoss
from fastloss.losses.metric_learning.unit_rows import UnitRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastloss.losses.metric_learning.labelled import Array, Indices

_LOGISTIC = Logistic()


@dataclass(frozen=True)
class Circle(LabelledLoss):
    """Circle loss of labelled rows: cosines weighted by how far they are from their optimum.

    The n x n similarities never exist at once: beyond its results a call holds the normalised
    rows, for the gradient as much again, and up to four arrays of ``chunk_size`` x n. The products
    are those of the BLAS that NumPy and SciPy bring.

    A row of zeros has the cosine 0 with every row, and the gradient 0.

    Parameters
    ----------
    m : float, default=0.25
        The margin, in [0, inf).
    gamma : float, default=256.0
        The scale, in (0, inf).
    constant_weights : bool, default=False
        Whether gradients take the weights of the cosines as constants, as the paper and its
        implementations do. They are the derivatives of the loss otherwise.
    chunk_size : int, optional

    Notes
    -----
    The loss of a row is, with its cosines p with the other rows of its label and q with those of
    other labels, and f(s) = gamma*max(0, s + m)*(s - m), ::

        log(1 + sum(exp(f(q)))*sum(exp(f(1 - p))))

    The mean is over the rows that have both. The derivative of f is 2*gamma*s, or with constant
    weights gamma*(s + m), and 0 where s <= -m. Rounding is that of gamma times cosines: in float32
    with gamma = 256 the loss of a row is good to some 1e-4.

    References
    ----------
    Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization" (2020),
    arXiv:2002.10857.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.Circle(m=0.25, gamma=1.0)
    >>> round(loss([0, 0, 1], [[1.0, 0.0], [3.0, 4.0], [0.0, 1.0]]), 4)
    0.8987
    """

    m: float = 0.25
    gamma: float = 256.0
    constant_weights: bool = False
    chunk_size: int | None = None

    _ranges = {"m": NONNEGATIVE, "gamma": POSITIVE, "constant_weights": FLAG}
    _reductions = ("mean", "sum", "none")

    def _counts(self, batch: Labelled) -> Indices:
        return ((batch.sizes > 1) & (batch.sizes < len(batch))).astype(np.intp)

    def _value(self, batch: Labelled, factor: NDArray[np.float64], reduction: str) -> Any:
        parts = [
            _LOGISTIC(np.zeros(len(x)), x, sample_weight=factor[part], reduction=reduction)
            for part, _, _, x in self._logits(batch, UnitRows(batch.rows))
        ]
        return np.concatenate(parts) if reduction == "none" else sum(parts)

    def _value_and_grad(self, batch: Labelled, factor: NDArray[np.float64]) -> tuple[float, Array]:
        rows, value = UnitRows(batch.rows), 0.0
        for part, s, z, x in self._logits(batch, rows):
            loss, share = _LOGISTIC.value_and_grad(
                np.zeros(len(x)), x, sample_weight=factor[part], reduction="sum"
            )
            value += loss
            positive = []
            for some, alike in batch.blocks(part):
                g = softmax(z[some, alike])
                g *= self._slopes(1 - s[some, alike], -1)
                positive.append((some, alike, g))
                z[some, alike] = -np.inf
            softmax(z, out=z)
            z *= self._slopes(s, 1)
            for some, alike, g in positive:
                z[some, alike] = g
            z *= share.astype(z.dtype)[:, None]
            z[factor[part] == 0] = 0  # where one kind is missing
            rows.pull_back(part, z)
        return value, rows.gradient()

    def _logits(
        self, batch: Labelled, rows: UnitRows
    ) -> Iterator[tuple[slice, Array, Array, NDArray[np.float64]]]:
        """Rows, their cosines, their logits, and the logarithms of the products."""
        buffer: Array | None = None
        for part, s in rows.similarities(self.chunk_size):
            buffer = np.empty_like(s) if buffer is None else buffer
            z = self._logit(s, buffer[: len(s)])
            own, positive = np.arange(part.start, part.stop), []
            for some, alike in batch.blocks(part):
                positive.append((some, alike, self._logit(1 - s[some, alike])))
                z[some, alike] = -np.inf
            x = logsumexp(z).astype(np.float64)
            for some, alike, block in positive:
                z[some, alike] = block
            z[own - part.start, own] = -np.inf  # a row is no positive of itself
            for some, alike, _ in positive:
                x[some] += logsumexp(z[some, alike])
            yield part, s, z, x

    def _logit(self, s: Array, out: Array | None = None) -> Array:
        """f of cosines with other labels, or of 1 less those with the same one."""
        z = np.add(s, self.m, out=out)
        np.maximum(z, 0, out=z)
        z *= s - self.m
        z *= self.gamma
        return z

    def _slopes(self, s: Array, sign: float) -> Array:
        """The derivatives of f, times a sign."""
        weight = s + self.m
        np.maximum(weight, 0, out=weight)
        if not self.constant_weights:
            np.multiply(s, 2, out=weight, where=weight > 0)
        weight *= sign * self.gamma
        return weight
