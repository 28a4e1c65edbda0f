"""Losses of fuzzy sets: masks of images, say."""

from __future__ import annotations

from fastloss.domains import FLAG, MODERATE, NONNEGATIVE, REAL, UNIT, Domain
from fastloss.losses.links import IDENTITY, LOGIT, Link
from fastloss.losses.rows import AXIS, RowLoss


class _Sets(RowLoss):
    """What losses of two fuzzy sets share."""

    _item, _items = "element", "elements"
    _takes = ("targets",)
    y_domain = UNIT
    _targets = "memberships q in [0, 1], of y_pred's shape"
    _predictions = "memberships, [0, 1], or their logits"
    logits: bool

    @property
    def z_domain(self) -> Domain:
        """[0, 1], or (-inf, inf) with logits"""
        return REAL if self.logits else UNIT

    @property
    def _link(self) -> Link:  # type: ignore[override]
        return LOGIT if self.logits else IDENTITY


class Dice(_Sets):
    """Soft Dice loss: one less the overlap of two fuzzy sets.

    A row is a set: memberships of its elements. Binary masks of n images are n rows; of several
    classes, given as one mask each, every class of every image is a row, as in
    ``y_pred.reshape(n, classes, -1)``, and the mean is the macro average. Of two empty sets the
    loss, its gradient and its Hessian are 0 if ``smooth`` is 0.

    Parameters
    ----------
    smooth : float, default=0.0
        In [0, inf): what is added to numerator and denominator.
    axis : int, default=-1
        The axis along which the elements of a set lie.
    logits : bool, default=False
        Whether the predictions are logits. In the definition z is then ``1/(1 + exp(-y_pred))``.

    References
    ----------
    Milletari, Navab and Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical
    Image Segmentation" (2016), arXiv:1606.04797, with sums instead of sums of squares below.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Dice()([[1.0, 1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0, 0.0]]).__round__(4)
    0.3333
    """

    name = "dice"
    definition = "1 - (2*dot(q, z) + smooth)/(total(q) + total(z) + smooth)"
    _kernel_name = "Tversky"
    _ranges = {"smooth": NONNEGATIVE, "axis": AXIS, "logits": FLAG}
    smooth: float

    def __init__(self, smooth: float = 0.0, axis: int = -1, logits: bool = False) -> None:
        self._set(smooth=smooth, axis=axis, logits=logits)

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, self.smooth, 1.0, 1.0


class Tversky(_Sets):
    """Tversky loss: one less Tversky's index of two fuzzy sets, whose differences have weights.

    With alpha = beta = 0.5 it is `Dice`, of twice the ``smooth``; with 1 and 1 it is one less the
    index of Jaccard, intersection over union. A row is a set, as in `Dice`. Of two empty sets the
    loss, its gradient and its Hessian are 0 if ``smooth`` is 0.

    Parameters
    ----------
    alpha, beta : float, default=0.5, 0.5
        In [0, inf): weights of what is in the prediction alone, false positives, and of what is
        in the target alone, false negatives.
    smooth : float, default=0.0
        In [0, inf): what is added to numerator and denominator.
    axis : int, default=-1
        The axis along which the elements of a set lie.
    logits : bool, default=False
        Whether the predictions are logits. In the definition z is then ``1/(1 + exp(-y_pred))``.

    References
    ----------
    Tversky, "Features of Similarity" (1977), Psychological Review 84; Salehi, Erdogmus and
    Gholipour, "Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep
    Networks" (2017), arXiv:1706.05721.

    Examples
    --------
    >>> import fastloss as fl
    >>> mask, p = [[1.0, 1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0, 0.0]]
    >>> fl.Tversky(alpha=1.0, beta=1.0)(mask, p)
    0.5
    >>> fl.Tversky(alpha=0.5, beta=3.0)(mask, p)
    0.75
    """

    name = "tversky"
    definition = (
        "1 - (dot(q, z) + smooth)/(dot(q, z) + alpha*dot(z, 1 - q) + beta*dot(q, 1 - z) + smooth)"
    )
    _ranges = {
        "alpha": MODERATE,
        "beta": MODERATE,
        "smooth": MODERATE,
        "axis": AXIS,
        "logits": FLAG,
    }
    alpha: float
    beta: float
    smooth: float

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        smooth: float = 0.0,
        axis: int = -1,
        logits: bool = False,
    ) -> None:
        self._set(alpha=alpha, beta=beta, smooth=smooth, axis=axis, logits=logits)

    def _row_kernel(self) -> tuple[str, *tuple[float, ...]]:
        return self._kernel_name, 2 * self.smooth, 2 * self.alpha, 2 * self.beta
