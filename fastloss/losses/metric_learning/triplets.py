"""The loss of triplets of rows: an anchor, one that it is to be near to, and one far from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from fastloss import _core
from fastloss.domains import FLAG, NONNEGATIVE, Domain, Ranged

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]
    Outputs: TypeAlias = Sequence[Array | None]  # arrays, or None for one to be made
    Triple: TypeAlias = tuple[Array, Array, Array]


@dataclass(frozen=True)
class TripletMargin(Ranged):
    """Triplet margin loss: anchors are nearer to positives than to negatives, by a margin.

    Distances are those of torch without the 1e-6 that it adds to each difference (``eps=0``
    there). The gradient of a distance of 0 is 0, and so is that of a triplet on the kink, whose
    distances differ by the margin exactly; in that of the city-block distance, p = 1, equal
    elements count as 0.

    Parameters
    ----------
    margin : float, default=1.0
        In [0, inf).
    p : float, default=2.0
        Order of the distance, in [1, inf).
    swap : bool, default=False
        Whether the negative's distance is that from the anchor or the positive, whichever is less.
        Where both are equal, the gradient is that of the distance from the anchor.

    Raises
    ------
    ValueError
        If a parameter is out of its range. When called: if shapes do not fit, a weight is not
        finite (a `DomainError`), or there is nothing to take the mean of.
    TypeError
        When called: if an array holds anything but real numbers.

    Notes
    -----
    The loss of a row a of anchors, p of positives and q of negatives is ::

        max(0, margin + |a - p| - |a - q|)

    with |x| = sum(abs(x)**p)**(1/p), and with ``swap`` the lesser of |a - q| and |p - q|.

    The arrays have one shape, (n, d). They are computed in float32 if each is of float32, float16
    or bfloat16, else in float64; distances are summed in float64 either way. A row of weight 0 is
    as if absent, whatever it holds; NaN in any other row makes its loss and gradients NaN.

    References
    ----------
    Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering" (2015),
    arXiv:1503.03832, with squared distances; Balntas et al., "Learning Local Feature Descriptors
    with Triplets and Shallow Convolutional Neural Networks" (2016), with ``swap``.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.TripletMargin()
    >>> loss([[0.0, 0.0]], [[0.0, 2.0]], [[2.5, 0.0]])
    0.5
    >>> loss.grad([[0.0, 0.0]], [[0.0, 2.0]], [[2.5, 0.0]])[1]
    array([[0., 1.]])
    """

    margin: float = 1.0
    p: float = 2.0
    swap: bool = False

    _ranges = {"margin": NONNEGATIVE, "p": Domain("[1, inf)", low=1), "swap": FLAG}

    def _evaluate(self, given: dict[str, ArrayLike], *options: Any) -> Any:
        return _core.triplet_margin(self.margin, self.p, self.swap, given, *options)

    @overload
    def __call__(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> float: ...
    @overload
    def __call__(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
    ) -> Any: ...
    def __call__(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        anchor, positive, negative : array_like, shape (n, d)
        sample_weight : array_like, shape (n,), optional
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each row.

        Returns
        -------
        float, or ndarray of shape (n,)
        """
        given = {"anchor": anchor, "positive": positive, "negative": negative}
        return self._evaluate(given, sample_weight, reduction, False, None)

    def grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Outputs | None = None,
    ) -> Triple:
        """Compute the derivatives of the reduced loss by anchors, positives and negatives.

        Parameters are those of `value_and_grad`.

        Returns
        -------
        tuple of three ndarray, shape (n, d)
        """
        _, grads = self.value_and_grad(
            anchor, positive, negative, sample_weight=sample_weight, reduction=reduction, out=out
        )
        return grads

    @overload
    def value_and_grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        out: Outputs | None = None,
    ) -> tuple[float, Triple]: ...
    @overload
    def value_and_grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
        out: Outputs | None = None,
    ) -> tuple[Any, Triple]: ...
    def value_and_grad(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        out: Outputs | None = None,
    ) -> tuple[Any, Triple]:
        """Compute the loss and its derivatives by anchors, positives and negatives in one pass.

        Parameters are those of calling the loss; ``out`` is three arrays for the gradients,
        writeable, C-contiguous and of the dtype computed in, which may be the inputs themselves.
        With ``reduction="none"`` the derivatives are those of each row's own weighted loss.

        Returns
        -------
        value : float, or ndarray of shape (n,)
        grads : tuple of three ndarray, shape (n, d)
        """
        given = {"anchor": anchor, "positive": positive, "negative": negative}
        result: tuple[Any, Triple] = self._evaluate(given, sample_weight, reduction, True, out)
        return result
