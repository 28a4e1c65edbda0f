"""Scores of predictions: many losses in one pass, by group, a part at a time, from files."""

from fastloss.scoring.one_call import score as score
from fastloss.scoring.scorer import Scorer as Scorer
from fastloss.scoring.scores import Scores as Scores
