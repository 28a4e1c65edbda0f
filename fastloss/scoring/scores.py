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
        losses,
        *,
        values,
        weight,
        count,
        groups=None,
        group_values=None,
        group_weights=None,
        group_counts=None,
        errors=None,
        group_errors=None,
        keys=(),
    ):
        self.names = tuple(losses)
        self.values, self.weight, self.count = values, weight, count
        self.groups = None if groups is None else tuple(groups)
        self.group_values = np.zeros((0, len(self.names))) if group_values is None else group_values
        self.group_weights = np.zeros(0) if group_weights is None else group_weights
        self.group_counts = np.zeros(0, int) if group_counts is None else group_counts
        self.errors, self.group_errors, self.keys = errors, group_errors, keys

    def __getitem__(self, loss):
        spec = loss.spec if isinstance(loss, Loss) else loss
        found = [i for i, own in enumerate(self.names) if spec in (own, own.partition(":")[0])]
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
