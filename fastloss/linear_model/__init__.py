"""Linear models of any loss."""

from fastloss.linear_model.objective import LinearObjective

__all__ = ["LinearObjective"]
