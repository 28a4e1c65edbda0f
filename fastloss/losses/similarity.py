"""Losses of how far two rows are apart: distributions, vectors, rankings."""

from __future__ import annotations

from typing import Any

from fastloss.domains import FLAG, NONNEGATIVE, NONPOSITIVE, REAL, UNIT, Domain
from fastloss.losses.base import Parameters, Pointwise
from fastloss.losses.links import IDENTITY, LOG, Link
from fastloss.losses.rows import AXIS, TARGETS, RowLoss


class KLDivergence(RowLoss):
    """Kullback-Leibler divergence of the targets from the predictions; the mean over the rows.

    Parameters
    ----------
    log_probabilities : bool, default=False
        Whether the predictions are the logarithms of probabilities. In the definition z is then
        ``exp(y_pred)``.
    axis : int, default=-1

    References
    ----------
    Kullback and Leibler, "On Information and Sufficiency" (1951), Annals of Mathematical
    Statistics 22.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.KLDivergence()([[0.5, 0.5]], [[0.75, 0.25]]), 4)
    0.1438
    """

    name = "kl_divergence"
    definition = "dot(q, log(q)) - dot(q, log(z))"
    _takes = ("targets",)
    _targets = TARGETS
    _predictions = "probabilities, [0, 1], or their logarithms"
    _ranges = {"log_probabilities": FLAG, "axis": AXIS}
    log_probabilities: bool

    @property
    def z_domain(self) -> Domain:
        """[0, 1], or (-inf, 0] with log_probabilities"""
        return NONPOSITIVE if self.log_probabilities else UNIT

    @property
    def majorant(self) -> str | None:  # type: ignore[override]
        """hess; none of logarithms, in which the loss is linear"""
        return None if self.log_probabilities else "hess"

    @property
    def _link(self) -> Link:  # type: ignore[override]
        return LOG if self.log_probabilities else IDENTITY

    def __init__(self, log_probabilities: bool = False, axis: int = -1) -> None:
        self._set(log_probabilities=log_probabilities, axis=axis)


class KLDiv(Pointwise):
    """Kullback-Leibler divergence of single elements from log-probabilities, as in torch.

    It is one term of `KLDivergence`: ``reduction="sum"`` over the number of rows is torch's
    ``batchmean``.

    Parameters
    ----------
    log_target : bool, default=False
        Whether the targets are logarithms, too.

    References
    ----------
    Kullback and Leibler, "On Information and Sufficiency" (1951), Annals of Mathematical
    Statistics 22.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.KLDiv()([0.5, 0.0], [-1.0, -2.0], reduction="none").round(6)
    array([0.153426, 0.      ])
    """

    name = "kl_div"
    definition = "exp(y)*(y - z) if log_target else y*log(y) - y*z if y > 0 else 0"
    majorant = "exp(y) if log_target else y"
    _endless = True  # alone, an element's log-probability may be as large as it likes
    _ranges = {"log_target": FLAG}
    log_target: bool

    def __init__(self, log_target: bool = False) -> None:
        self._set(log_target=log_target)

    @property
    def y_domain(self) -> Domain:
        """[0, inf), or (-inf, inf) with log_target"""
        return REAL if self.log_target else NONNEGATIVE

    def _kernel(self) -> tuple[str, Parameters]:
        return "KLDivOfLogs" if self.log_target else "KLDiv", {"_": 0.0}

    def _optimum(self, y: Any, w: Any) -> float:
        return float("inf")


class JensenShannon(RowLoss):
    """Jensen-Shannon divergence: symmetric, and at most log 2 for probabilities.

    Parameters
    ----------
    axis : int, default=-1

    References
    ----------
    Lin, "Divergence Measures Based on the Shannon Entropy" (1991), IEEE Transactions on
    Information Theory 37.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.JensenShannon()([[1.0, 0.0]], [[0.0, 1.0]]), 4)
    0.6931
    """

    name = "jensen_shannon"
    definition = "(dot(q, log(q)) + dot(z, log(z)) - dot(q + z, log((q + z)/2)))/2"
    majorant = "hess"
    _takes = ("targets",)
    _targets = TARGETS
    z_domain = UNIT
    _predictions = "probabilities, [0, 1]"


class CosineDistance(RowLoss):
    """One less the cosine of the angle between two vectors.

    If one of them is 0 the loss is 1, and gradient and Hessian are 0.

    Parameters
    ----------
    axis : int, default=-1
        The axis along which the vectors lie.

    References
    ----------
    Salton and McGill, "Introduction to Modern Information Retrieval" (1983).

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.CosineDistance()([[1.0, 0.0]], [[0.0, 2.0]])
    1.0
    """

    name = "cosine"
    definition = "1 - dot(q, z)/sqrt(dot(q, q)*dot(z, z))"
    _item, _items = "element", "elements"
    _takes = ("targets",)
    y_domain = REAL
    _targets = "a vector q for each row, of y_pred's shape"
    _predictions = "vectors, (-inf, inf)"


class ListwiseSoftmax(RowLoss):
    """ListNet's ranking loss: cross-entropy of the softmax of relevances and of scores.

    Parameters
    ----------
    axis : int, default=-1
        The axis along which the items of a list lie.

    References
    ----------
    Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach" (2007), ICML.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.ListwiseSoftmax()([[2.0, 0.0]], [[0.0, 0.0]]), 4)
    0.6931
    """

    name = "listwise_softmax"
    definition = "-dot(softmax(q), log(p))"
    majorant = "hess"
    _kernel_name = "SoftmaxCrossEntropy"
    _item, _items = "item", "items"
    _takes = ("targets",)
    _relevances = True
    y_domain = REAL
    _targets = "a relevance q for each item, (-inf, inf), of y_pred's shape"
    _predictions = "scores, (-inf, inf)"
