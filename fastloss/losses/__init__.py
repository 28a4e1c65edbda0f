"""The losses, and what makes them from their names.

`loss_names` lists those that `get_loss` makes; each has the methods of `Loss`. Losses of other
signatures (`Adversarial`, `Contrastive`, `KMeansLoss`, `LinearCrossEntropy`, `TripletMargin`) say
themselves what they take.

Examples
--------
>>> from fastloss.losses import Huber, get_loss
>>> get_loss("huber", delta=1.5) == Huber(delta=1.5)
True
"""

from fastloss._core import DomainError, log_softmax, logsumexp, softmax
from fastloss.losses.adversarial import Adversarial
from fastloss.losses.base import Loss, get_loss, loss_names
from fastloss.losses.classification import (
    BinaryKL,
    Brier,
    Exponential,
    Focal,
    Hinge,
    Logistic,
    LogLoss,
    ModifiedHuber,
    Perceptron,
    SquaredHinge,
)
from fastloss.losses.clustering import KMeansLoss
from fastloss.losses.distributions import (
    GaussianCRPS,
    GaussianNLL,
    IntervalScore,
    LogisticNLL,
    MultiQuantile,
    StudentTNLL,
)
from fastloss.losses.linear import LinearCrossEntropy
from fastloss.losses.metric_learning import Contrastive, TripletMargin
from fastloss.losses.multiclass import (
    CrossEntropy,
    MultiClassHinge,
    MultiClassPerceptron,
    MultiLabelLogistic,
    PolyLoss,
    SoftmaxCrossEntropy,
    SoftmaxFocal,
    sigmoid,
)
from fastloss.losses.regression import (
    AbsoluteError,
    AbsolutePercentageError,
    EpsilonInsensitive,
    Expectile,
    Gamma,
    GammaDeviance,
    Huber,
    LogCosh,
    NegativeBinomial,
    Poisson,
    PoissonDeviance,
    Quantile,
    RootMeanSquaredError,
    SmoothL1,
    SmoothL2,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredLogError,
    SymmetricAbsolutePercentageError,
    Tweedie,
    TweedieDeviance,
)
from fastloss.losses.robust import Cauchy, GemanMcClure, GeneralRobust, Welsch
from fastloss.losses.similarity import (
    CosineDistance,
    Dice,
    JensenShannon,
    KLDivergence,
    ListwiseSoftmax,
)

__all__ = [
    "AbsoluteError",
    "AbsolutePercentageError",
    "Adversarial",
    "BinaryKL",
    "Brier",
    "Cauchy",
    "Contrastive",
    "CosineDistance",
    "CrossEntropy",
    "Dice",
    "DomainError",
    "EpsilonInsensitive",
    "Expectile",
    "Exponential",
    "Focal",
    "Gamma",
    "GammaDeviance",
    "GaussianCRPS",
    "GaussianNLL",
    "GemanMcClure",
    "GeneralRobust",
    "Hinge",
    "Huber",
    "IntervalScore",
    "JensenShannon",
    "KLDivergence",
    "KMeansLoss",
    "LinearCrossEntropy",
    "ListwiseSoftmax",
    "LogCosh",
    "LogLoss",
    "Logistic",
    "LogisticNLL",
    "Loss",
    "ModifiedHuber",
    "MultiClassHinge",
    "MultiClassPerceptron",
    "MultiLabelLogistic",
    "MultiQuantile",
    "NegativeBinomial",
    "Perceptron",
    "Poisson",
    "PoissonDeviance",
    "PolyLoss",
    "Quantile",
    "RootMeanSquaredError",
    "SmoothL1",
    "SmoothL2",
    "SoftmaxCrossEntropy",
    "SoftmaxFocal",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "SquaredLogError",
    "StudentTNLL",
    "SymmetricAbsolutePercentageError",
    "TripletMargin",
    "Tweedie",
    "TweedieDeviance",
    "Welsch",
    "get_loss",
    "log_softmax",
    "logsumexp",
    "loss_names",
    "sigmoid",
    "softmax",
]


def __dir__() -> list[str]:
    return __all__
