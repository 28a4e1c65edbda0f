"""Losses of two players: a discriminator's and a generator's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss._core import input_array, output_array
from fastloss.losses.base import Pointwise
from fastloss.losses.classification import Hinge, Logistic
from fastloss.losses.regression import SquaredError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.floating[Any]]


class _Side:
    """``factor`` times the mean of a loss of scores against one target; without a loss, of the
    scores themselves."""

    def __init__(self, factor: float, loss: Pointwise | None = None, target: float = 0.0) -> None:
        self.factor, self.loss, self.target = factor, loss, target

    @np.errstate(over="ignore", invalid="ignore")
    def value_and_grad(
        self, scores: ArrayLike, name: str, out: Array | None
    ) -> tuple[float, Array]:
        scores = _scores(scores, name)
        mean = 0.0
        if (
            not self.loss and scores.dtype != object
        ):  # before out is written, and not if it will not be
            mean = float(np.mean(scores, dtype=np.float64))
        target = np.broadcast_to(np.float32(self.target), scores.shape)
        try:
            value, grad = (self.loss or _ANY).value_and_grad(target, scores, out=out)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("y_pred", name)) from None
        if not self.loss:
            value = mean
            grad.fill(1 / scores.size)
        if self.factor != 1:
            value *= self.factor
            grad *= self.factor
        return value, grad


def _scores(scores: ArrayLike, name: str) -> Array:
    array: Array = input_array(scores, name)
    if array.size == 0:
        raise ValueError(f"{name} is empty: the mean over nothing is undefined")
    if array.dtype.kind in "cSU":
        raise TypeError(f"{name} must hold real, integer or bool values; got dtype {array.dtype}")
    return array


_ANY = SquaredError()  # only to check the scores and make the gradient's array
_LOGISTIC, _HINGE = Logistic(), Hinge()

# The discriminator's loss of real and of fake scores, and the generator's of fake ones.
_KINDS: dict[str, tuple[_Side, _Side, _Side]] = {
    "minimax": (_Side(1, _LOGISTIC, 1), _Side(1, _LOGISTIC, 0), _Side(-1, _LOGISTIC, 0)),
    "non_saturating": (_Side(1, _LOGISTIC, 1), _Side(1, _LOGISTIC, 0), _Side(1, _LOGISTIC, 1)),
    "least_squares": (
        _Side(0.5, SquaredError(), 1),
        _Side(0.5, SquaredError(), 0),
        _Side(0.5, SquaredError(), 1),
    ),
    "wasserstein": (_Side(-1), _Side(1), _Side(-1)),
    "hinge": (_Side(1, _HINGE, 1), _Side(1, _HINGE, -1), _Side(-1)),
}


@dataclass(frozen=True)
class Adversarial:
    """The losses of a generative adversarial network, of the scores that its discriminator gives.

    With real scores r, fake scores f, and s(x) = log(1 + exp(x)), each averaged:

    ================ ============================== ====================
    kind             discriminator                  generator
    ================ ============================== ====================
    minimax          s(-r) + s(f)                   -s(f)
    non_saturating   s(-r) + s(f)                   s(-f)
    least_squares    (r - 1)**2/2 + f**2/2          (f - 1)**2/2
    wasserstein      f - r                          -f
    hinge            max(1 - r, 0) + max(1 + f, 0)  -f
    ================ ============================== ====================

    The scores are logits, not probabilities. Arrays may have any shape; float32 and float64 are
    computed in their own type.

    Parameters
    ----------
    kind : {"minimax", "non_saturating", "least_squares", "wasserstein", "hinge"}

    Raises
    ------
    ValueError
        If there is no such kind; when called, if there are no scores.
    TypeError
        When called: if an array holds anything but real numbers.

    References
    ----------
    Goodfellow et al., "Generative Adversarial Nets" (2014); Mao et al., "Least Squares Generative
    Adversarial Networks" (2017); Arjovsky et al., "Wasserstein GAN" (2017); Lim and Ye, "Geometric
    GAN" (2017).

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.Adversarial("hinge")
    >>> value, real_grad, fake_grad = loss.discriminator([2.0, 0.5], [-2.0, 0.0])
    >>> value, real_grad, fake_grad
    (0.75, array([ 0. , -0.5]), array([0. , 0.5]))
    >>> loss.generator([-2.0, 0.0])
    (1.0, array([-0.5, -0.5]))
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}; got {self.kind!r}")

    def discriminator(
        self,
        real_scores: ArrayLike,
        fake_scores: ArrayLike,
        *,
        out: Sequence[Array | None] = (None, None),
    ) -> tuple[float, Array, Array]:
        """Compute the discriminator's loss and its gradients by the real and the fake scores.

        ``out`` is a pair of arrays for the gradients, which may be the scores themselves.

        Returns
        -------
        value : float
        real_grad, fake_grad : ndarray
        """
        if not isinstance(out, (tuple, list)) or len(out) != 2:
            raise TypeError(f"out must be a pair of arrays here; got {type(out).__name__}")
        names = ("real_scores", "fake_scores")
        given = (real_scores, fake_scores)
        scores = [_scores(array, name) for array, name in zip(given, names, strict=True)]
        # all is checked before anything is written
        outs = [output_array(*args) for args in zip(out, scores, names, strict=True)]
        if np.may_share_memory(outs[0], outs[1]):
            raise ValueError("the two arrays of out overlap in memory")
        for i, j in ((0, 1), (1, 0)):
            if np.may_share_memory(outs[i], scores[j]):
                raise ValueError(f"out[{i}] overlaps {names[j]} in memory")
        sides = zip(_KINDS[self.kind], scores, names, outs, strict=False)
        (real, real_grad), (fake, fake_grad) = [
            side.value_and_grad(s, name, o) for side, s, name, o in sides
        ]
        return real + fake, real_grad, fake_grad

    def generator(self, fake_scores: ArrayLike, *, out: Array | None = None) -> tuple[float, Array]:
        """Compute the generator's loss and its gradient by the fake scores.

        Returns
        -------
        value : float
        grad : ndarray
        """
        return _KINDS[self.kind][2].value_and_grad(fake_scores, "fake_scores", out)
