"""The partitions of Dask's data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask.delayed import Delayed


def partitions_of(frame: Any) -> Sequence[Delayed]:
    """The partitions of a frame or a series, as many as it says it has.

    Dask's further optimisation puts together partitions that have become small because few columns
    are read: others than those of another series of the same files.
    """
    return frame.simplify().to_delayed(optimize_graph=False)  # type: ignore[no-any-return]
