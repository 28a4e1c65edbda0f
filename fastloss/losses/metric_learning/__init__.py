"""Losses of embeddings: what belongs together lies close, the rest far apart."""

from fastloss.losses.metric_learning.contrastive import Contrastive
from fastloss.losses.metric_learning.pairs import CosineEmbedding, MarginRanking
from fastloss.losses.metric_learning.triplets import TripletMargin

__all__ = [
    "Contrastive",
    "CosineEmbedding",
    "MarginRanking",
    "TripletMargin",
]
