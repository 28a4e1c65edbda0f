"""Losses of embeddings: what belongs together lies close, the rest far apart."""

from fastloss.losses.metric_learning.circle import Circle
from fastloss.losses.metric_learning.contrastive import Contrastive, SupervisedContrastive
from fastloss.losses.metric_learning.mining import TripletHard, TripletSemiHard
from fastloss.losses.metric_learning.pairs import CosineEmbedding, MarginRanking
from fastloss.losses.metric_learning.triplets import TripletMargin

__all__ = [
    "Circle",
    "Contrastive",
    "CosineEmbedding",
    "MarginRanking",
    "SupervisedContrastive",
    "TripletHard",
    "TripletMargin",
    "TripletSemiHard",
]
