"""Linear models of any loss: an objective in one pass over X, and estimators.

`LinearClassifier` and `LinearRegressor` need scikit-learn; `load` reads those that are saved.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

from fastloss.linear_model.objective import LinearObjective

if _typing.TYPE_CHECKING:
    from fastloss.linear_model.classifier import LinearClassifier
    from fastloss.linear_model.loading import load
    from fastloss.linear_model.regressor import LinearRegressor

__all__ = ["LinearClassifier", "LinearObjective", "LinearRegressor", "load"]

_MODULES = {"LinearClassifier": "classifier", "LinearRegressor": "regressor", "load": "loading"}

if not _typing.TYPE_CHECKING:

    def __getattr__(name: str) -> _typing.Any:
        """Import the estimators, and scikit-learn, when they are used first."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = _importlib.import_module(f"fastloss.linear_model.{_MODULES[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in ("sklearn", "joblib"):
                raise
            raise ImportError(
                f"{name} needs scikit-learn, at least 1.6: pip install 'fastloss[sklearn]'"
            ) from None
        return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
