"""What a comparison of models found: values, differences, and how sure they are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Differences:
    """Values of models by losses, and their differences to a baseline: of all samples, or groups.

    Attributes
    ----------
    values, errors : ndarray, shape (..., n_models, n_losses)
        Of each model by itself, with its standard error.
    differences, difference_errors : ndarray, shape (..., n_models, n_losses)
        Value less that of the baseline on the same samples, and its standard error, which is that
        of the mean of the samples' differences.
    z, p : ndarray, shape (..., n_models, n_losses)
        The difference over its standard error, and how probable one as far from 0 is if there is
        none: Student's t of count - 1 degrees of freedom, two-sided. NaN of the baseline itself.
    weights, counts : ndarray, shape (...)
    """

    values: Floats
    errors: Floats
    differences: Floats
    difference_errors: Floats
    z: Floats
    p: Floats
    weights: Floats
    counts: NDArray[np.int64]

    def __getitem__(self, place: int) -> Differences:
        return Differences(*(getattr(self, name)[place] for name in self.__dataclass_fields__))


class Comparison:
    """Values of losses of several models on the same samples, and the differences between them.

    Attributes
    ----------
    models : tuple of str
    names : tuple of str
        The losses, as `get_loss` reads them.
    baselines : tuple of str
        Of each loss, the model that the others are compared with.
    total : Differences
        Of all samples.
    labels : tuple or None
        Labels of the groups, in order.
    groups : Differences or None
        By group, along the first axis.
    keys : tuple of str
        Names of the columns that groups are of; empty if they have none.
    """

    def __init__(
        self,
        *,
        models: tuple[str, ...],
        names: tuple[str, ...],
        baselines: tuple[str, ...],
        larger_is_better: tuple[bool, ...],
        total: Differences,
        labels: tuple[Hashable, ...] | None,
        groups: Differences | None,
        keys: tuple[str, ...] = (),
    ) -> None:
        self.models, self.names, self.baselines = models, names, baselines
        self._signs = np.array([-1 if larger else 1 for larger in larger_is_better])
        self.total, self.labels, self.groups, self.keys = total, labels, groups, keys

    def difference(self, model: str, loss: str) -> float:
        """How much a model's loss is larger than the baseline's, over all samples."""
        return float(self.total.differences[self._place(model, loss)])

    def p(self, model: str, loss: str) -> float:
        """How probable a difference as far from 0 is if there is none."""
        return float(self.total.p[self._place(model, loss)])

    def _place(self, model: str, loss: str) -> tuple[int, int]:
        for given, known, what in (
            (model, self.models, "models"),
            (loss, self.names, "losses"),
        ):
            if given not in known:
                raise KeyError(f"{given!r} is none of the {what} {', '.join(known)}")
        return self.models.index(model), self.names.index(loss)

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Of each model by each loss, over all samples: 1 is the best, which ties share."""
        values = self.total.values * self._signs
        better = values[None, :, :] < values[:, None, :]
        return np.asarray(1 + better.sum(axis=1))

    @property
    def ranking(self) -> tuple[str, ...]:
        """The models from the best to the worst by the first loss."""
        order = np.argsort(self.ranks[:, 0], kind="stable")
        return tuple(self.models[k] for k in order)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """A row for each group, model and loss, the groups first and those of all samples last."""
        ranks = self.ranks
        parts = list(zip(self.labels or (), range(len(self.labels or ())), strict=True))
        for label, found in [
            *((label, self.groups[k]) for label, k in parts if self.groups is not None),
            (None, self.total),
        ]:
            for j, k in np.ndindex(ranks.shape):
                yield {
                    "group": label,
                    "model": self.models[j],
                    "loss": self.names[k],
                    "value": float(found.values[j, k]),
                    "stderr": float(found.errors[j, k]),
                    "difference": float(found.differences[j, k]),
                    "difference_stderr": float(found.difference_errors[j, k]),
                    "z": float(found.z[j, k]),
                    "p": float(found.p[j, k]),
                    "rank": int(ranks[j, k]),
                    "weight": float(found.weights),
                    "count": int(found.counts),
                }

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a row for each group, model and loss; of all samples last."""
        import pandas as pd

        frame = pd.DataFrame(list(self._rows()))
        return frame if self.labels is not None else frame.drop(columns="group")


def holm(p: Array) -> Floats:
    """Holm's corrections of p values along the first axis, NaN left out (Holm 1979)."""
    result = np.full(p.shape, np.nan)
    for place in np.ndindex(p.shape[1:]):
        column = p[(slice(None), *place)]
        known = np.flatnonzero(~np.isnan(column))
        order = known[np.argsort(column[known], kind="stable")]
        steps = column[order] * np.arange(len(order), 0, -1)
        result[(order, *place)] = np.minimum(np.maximum.accumulate(steps), 1)
    return result
