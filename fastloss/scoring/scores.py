"""What was scored: the values of losses, of all samples and of each group."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastloss.losses.base import Loss

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from numpy.typing import NDArray


class Scores:
    """Values of losses, of all samples and of each group.

    Attributes
    ----------
    names : tuple of str
        The losses, as `get_loss` reads them.
    values : ndarray, shape (n_losses,)
        Their values over all samples.
    weight : float
        Sum of the weights.
    count : int
        Number of samples whose weight is not 0.
    groups : tuple or None
        Labels of the groups, in order.
    group_values : ndarray, shape (n_groups, n_losses)
    group_weights, group_counts : ndarray, shape (n_groups,)

    Examples
    --------
    >>> import fastloss as fl
    >>> scores = fl.score([1, 0, 1], [0.9, 0.2, 0.6], ["log_loss", "brier"], groups=["a", "b", "a"])
    >>> round(scores["brier"], 4)
    0.07
    >>> scores
         log_loss  brier  weight  count
    a    0.308093  0.085       2      2
    b    0.223144   0.04       1      1
    all  0.279777   0.07       3      3
    >>> scores.to_dict()["groups"]["b"]["count"]
    1
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        total: NDArray[np.float64],
        groups: Sequence[Hashable] | None,
        sums: NDArray[np.float64],
    ) -> None:
        self._losses = tuple(losses)
        self.names = tuple(loss.spec for loss in losses)
        values, weights, counts = _reduce(self._losses, total[None])
        self.values: NDArray[np.float64] = values[0]
        self.weight, self.count = float(weights[0]), int(counts[0])
        self.groups = None if groups is None else tuple(groups)
        self.group_values, self.group_weights, self.group_counts = _reduce(self._losses, sums)

    def __getitem__(self, loss: str | Loss) -> float:
        """The value of a loss over all samples, by the loss, its full or its short name."""
        if isinstance(loss, Loss):
            found = [i for i, own in enumerate(self._losses) if own == loss]
        else:
            found = [i for i, own in enumerate(self._losses) if loss in (own.spec, own.name)]
        if len(found) != 1:
            problem = "several" if found else "none"
            raise KeyError(f"{loss!r} is {problem} of the losses {', '.join(self.names)}")
        return float(self.values[found[0]])

    def to_dict(self) -> dict[str, Any]:
        """Losses, ``weight`` and ``count`` by name; the same per group under ``groups``."""

        def row(values: Any, weight: Any, count: Any) -> dict[str, Any]:
            pairs = zip(self.names, map(float, values), strict=True)
            return {**dict(pairs), "weight": float(weight), "count": int(count)}

        result = row(self.values, self.weight, self.count)
        if self.groups is not None:
            rows = zip(self.group_values, self.group_weights, self.group_counts, strict=True)
            result["groups"] = {
                label: row(*parts) for label, parts in zip(self.groups, rows, strict=True)
            }
        return result

    @property
    def total_label(self) -> str:
        """What the row over all samples is called: "all", or "(all)" if that is a group."""
        label, groups = "all", {str(group) for group in self.groups or ()}
        while label in groups:
            label = f"({label})"
        return label

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a row per group, if there are any, and a row `total_label`."""
        import pandas as pd

        result = self.to_dict()
        groups = result.pop("groups", {})
        return pd.DataFrame([*groups.values(), result], index=[*groups, self.total_label])

    def __repr__(self) -> str:
        header = ["", *self.names, "weight", "count"]
        rows = [
            [str(label), *(f"{value:.6g}" for value in values), f"{weight:.6g}", str(int(count))]
            for label, values, weight, count in [
                *zip(
                    self.groups or (),
                    self.group_values,
                    self.group_weights,
                    self.group_counts,
                    strict=False,
                ),
                (self.total_label, self.values, self.weight, self.count),
            ]
        ]
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (header, *rows)
        ]
        return "\n".join(line.rstrip() for line in lines)


def _reduce(
    losses: Sequence[Loss], sums: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Values, weights and counts from sums; the mean over nothing is NaN for a group."""
    weights, counts = sums[:, -2].copy(), sums[:, -1].astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where((weights != 0)[:, None], sums[:, :-2] / weights[:, None], math.nan)
        roots = [i for i, loss in enumerate(losses) if loss._root]
        values[:, roots] = np.sqrt(values[:, roots])
    return values, weights, counts
