"""Scores of predictions: many losses in one pass, by group, a part at a time, from files."""

from fastloss.scoring.calibration import Calibration as Calibration, calibration as calibration
from fastloss.scoring.scorer import Scorer as Scorer, score as score
from fastloss.scoring.scores import Scores as Scores
