"""Scores of predictions: many losses in one pass, by group, a part at a time, from files."""

from fastloss.scoring.calibration import Calibration as Calibration, calibration as calibration
from fastloss.scoring.comparer import Comparer as Comparer
from fastloss.scoring.comparison import Comparison as Comparison
from fastloss.scoring.one_call import compare as compare, score as score
from fastloss.scoring.scorer import Scorer as Scorer
from fastloss.scoring.scores import Scores as Scores
