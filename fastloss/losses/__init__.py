"""The losses, and what makes them from their names.

`loss_names` lists those that `get_loss` makes; each has the methods of `Loss`. Losses of other
signatures (those of embeddings, rankings and survival, `Adversarial`, `CTC`, `KMeansLoss`,
`LinearCrossEntropy`) say themselves what they take.

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
    FocalLogLoss,
    Hinge,
    HingeEmbedding,
    Logistic,
    LogLoss,
    ModifiedHuber,
    Perceptron,
    SigmoidFocal,
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
from fastloss.losses.hazards import CoxPH
from fastloss.losses.linear import LinearCrossEntropy
from fastloss.losses.margins import (
    MultiClassHinge,
    MultiClassPerceptron,
    MultiLabelMargin,
    MultiMargin,
)
from fastloss.losses.metric_learning import (
    Circle,
    Contrastive,
    CosineEmbedding,
    MarginRanking,
    SupervisedContrastive,
    TripletHard,
    TripletMargin,
    TripletSemiHard,
)
from fastloss.losses.multiclass import (
    NLL,
    CrossEntropy,
    MultiClassBrier,
    MultiLabelLogistic,
    SoftmaxCrossEntropy,
    sigmoid,
)
from fastloss.losses.ranking import LambdaRank, PairwiseLogistic
from fastloss.losses.regression import (
    AbsoluteError,
    AbsolutePercentageError,
    EpsilonInsensitive,
    Expectile,
    Gamma,
    GammaDeviance,
    Huber,
    LinearExponential,
    LogCosh,
    NegativeBinomial,
    Poisson,
    PoissonDeviance,
    PoissonNLL,
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
from fastloss.losses.sequences import CTC
from fastloss.losses.sets import Dice, Tversky
from fastloss.losses.similarity import (
    CosineDistance,
    JensenShannon,
    KLDiv,
    KLDivergence,
    ListwiseSoftmax,
)
from fastloss.losses.softmax_losses import (
    GeneralizedCrossEntropy,
    PolyLoss,
    SoftmaxFocal,
    SymmetricCrossEntropy,
)
from fastloss.losses.survival import AFT

__all__ = [
    "AFT",
    "AbsoluteError",
    "AbsolutePercentageError",
    "Adversarial",
    "BinaryKL",
    "Brier",
    "CTC",
    "Cauchy",
    "Circle",
    "Contrastive",
    "CosineDistance",
    "CosineEmbedding",
    "CoxPH",
    "CrossEntropy",
    "Dice",
    "DomainError",
    "EpsilonInsensitive",
    "Expectile",
    "Exponential",
    "Focal",
    "FocalLogLoss",
    "Gamma",
    "GammaDeviance",
    "GaussianCRPS",
    "GaussianNLL",
    "GemanMcClure",
    "GeneralRobust",
    "GeneralizedCrossEntropy",
    "Hinge",
    "HingeEmbedding",
    "Huber",
    "IntervalScore",
    "JensenShannon",
    "KLDiv",
    "KLDivergence",
    "KMeansLoss",
    "LambdaRank",
    "LinearCrossEntropy",
    "LinearExponential",
    "ListwiseSoftmax",
    "LogCosh",
    "LogLoss",
    "Logistic",
    "LogisticNLL",
    "Loss",
    "MarginRanking",
    "ModifiedHuber",
    "MultiClassBrier",
    "MultiClassHinge",
    "MultiClassPerceptron",
    "MultiLabelLogistic",
    "MultiLabelMargin",
    "MultiMargin",
    "MultiQuantile",
    "NLL",
    "NegativeBinomial",
    "PairwiseLogistic",
    "Perceptron",
    "Poisson",
    "PoissonDeviance",
    "PoissonNLL",
    "PolyLoss",
    "Quantile",
    "RootMeanSquaredError",
    "SigmoidFocal",
    "SmoothL1",
    "SmoothL2",
    "SoftmaxCrossEntropy",
    "SoftmaxFocal",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "SquaredLogError",
    "StudentTNLL",
    "SupervisedContrastive",
    "SymmetricAbsolutePercentageError",
    "SymmetricCrossEntropy",
    "TripletHard",
    "TripletMargin",
    "TripletSemiHard",
    "Tversky",
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
