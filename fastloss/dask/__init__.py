"""Scores and linear models of Dask's data frames and arrays.

`score` is `fastloss.score` of a frame that lies on workers; `LinearClassifier` and
`LinearRegressor`, which need scikit-learn too, fit linear models to one, or to arrays.
"""

from __future__ import annotations

import typing as _typing

try:
    import dask.dataframe as _frames  # noqa: F401
except ImportError as error:
    raise ImportError(
        "fastloss.dask needs Dask and its data frames: pip install 'fastloss[dask]'"
    ) from error

from fastloss.dask.scoring import score

if _typing.TYPE_CHECKING:
    from fastloss.dask.linear_model import LinearClassifier, LinearRegressor

__all__ = ["LinearClassifier", "LinearRegressor", "score"]

if not _typing.TYPE_CHECKING:

    def __getattr__(name: str) -> _typing.Any:
        """Import the estimators, and scikit-learn, when they are used first."""
        if name not in ("LinearClassifier", "LinearRegressor"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fastloss import linear_model

        getattr(linear_model, name)  # which says what it needs
        from fastloss.dask import linear_model

        return getattr(linear_model, name)


def __dir__() -> list[str]:
    return __all__
