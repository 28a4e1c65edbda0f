"""Losses of one's own: a formula, written once, becomes a loss like any other."""

from fastloss.define.build import CompileError
from fastloss.define.definition import domain
from fastloss.define.formulas import FormulaError
from fastloss.define.loss import define_loss
from fastloss.define.toml import load_losses, save_losses

__all__ = ["CompileError", "FormulaError", "define_loss", "domain", "load_losses", "save_losses"]
