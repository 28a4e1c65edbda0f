"""Losses whose parameters can be learned with the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastloss._core import PointwiseLoss
from fastloss.domains import REAL
from fastloss.losses.base import Parameters, Pointwise

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Slope(PointwiseLoss):
    """The derivative of a loss by a parameter: to be called, as a loss is, and for nothing else.

    What it computes stands in the branch of its name in ``src/kernels/slopes.pxi``.
    """

    y_domain = z_domain = REAL
    _root = False

    def __init__(self, kernel: str, parameters: Parameters) -> None:
        self._kernel = lambda: (kernel, parameters)
        self._bind(parameters)


class Learnable(Pointwise):
    """Base of the losses that can be differentiated by their parameters."""

    def _slopes(self) -> dict[str, Slope]:
        """The derivative by each parameter, of the kernel that is named after the two."""
        name, parameters = self._slope_kernel()
        return {key: Slope(f"{name}By{key.capitalize()}", parameters) for key in self.parameters}

    def _slope_kernel(self) -> tuple[str, Parameters]:
        """What the names of the kernels begin with, and their parameters."""
        return self._kernel_name, self.parameters

    def grad_parameters(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        nan_policy: str = "propagate",
    ) -> dict[str, float]:
        """Compute the derivatives of the reduced loss by its parameters.

        Parameters
        ----------
        y_true, y_pred, sample_weight, nan_policy
            As for calling the loss.
        reduction : {"mean", "sum"}
            Of what it is the derivative: the weighted average, or the weighted sum.

        Returns
        -------
        dict of float
            By the names of the parameters.

        Raises
        ------
        ValueError
            If the reduction is another, and where calling the loss raises it.

        See Also
        --------
        log_partition : What has to be added to the loss for its parameters to have a best value.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Huber(delta=1.5).grad_parameters([0.0, 0.0], [1.0, 4.0])
        {'delta': 1.25}
        >>> found = fl.GeneralRobust(alpha=1.0).grad_parameters([0.0, 0.0], [1.0, 4.0])
        >>> {name: round(value, 4) for name, value in found.items()}
        {'alpha': 0.7751, 'c': -2.2938}
        """
        if reduction not in ("mean", "sum"):
            raise ValueError(f'reduction must be "mean" or "sum" here; got {reduction!r}')
        return {
            name: slope(
                y_true,
                y_pred,
                sample_weight=sample_weight,
                reduction=reduction,
                nan_policy=nan_policy,
            )
            for name, slope in self._slopes().items()
        }

    def log_partition(self) -> tuple[float, dict[str, float]]:
        """Compute the logarithm of the integral of exp(-loss), and its derivatives.

        The integral is over all predictions. A loss plus this number is the negative
        log-likelihood of a target whose density is proportional to exp(-loss), and has its least
        value at finite parameters. The loss alone falls towards 0 as they change.

        Returns
        -------
        value : float
        derivatives : dict of float
            By the names of the parameters.

        Raises
        ------
        ValueError
            If the integral is not finite.

        Examples
        --------
        >>> import fastloss as fl
        >>> value, by = fl.GeneralRobust(alpha=1.0, c=2.0).log_partition()
        >>> round(value, 4), round(by["alpha"], 4), by["c"]
        (1.8786, -0.1929, 0.5)
        """
        raise NotImplementedError
