"""scikit-learn: the losses its estimators are fitted with, and its metrics."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastloss.bench.cases import Array, Case
from fastloss.bench.peers.base import FRESH, GIVEN, Peer, Work

# Below, threads make it slower; it leaves the choice to the caller.
PARALLEL_MIN = 16_384


class ScikitLearn(Peer):
    """The private classes of sklearn._loss.

    They give a loss per sample, of half our scale at times. The mean and the scale are left to
    ``results``, outside the time: that is in their favour.
    """

    name = "sklearn"
    library = "scikit-learn"

    def __init__(self) -> None:
        import sklearn
        from sklearn._loss import loss as _loss

        self.version = sklearn.__version__
        self._threads = 1
        # name -> (their loss from our parameters, our scale by theirs)
        self._losses: dict[str, tuple[Callable[..., Any], float]] = {
            "mse": (_loss.HalfSquaredError, 2),
            "brier": (_loss.HalfSquaredError, 2),
            "mae": (_loss.AbsoluteError, 1),
            "quantile": (lambda q: _loss.PinballLoss(quantile=q), 1),
            "huber": (lambda delta: _loss.HuberLoss(delta=delta), 1),
            "poisson": (_loss.HalfPoissonLoss, 1),
            "gamma": (_loss.HalfGammaLoss, 1),
            "tweedie": (lambda power: _loss.HalfTweedieLoss(power=power), 1),
            "poisson_deviance": (lambda: _loss.HalfTweedieLossIdentity(power=1), 2),
            "gamma_deviance": (lambda: _loss.HalfTweedieLossIdentity(power=2), 2),
            "tweedie_deviance": (lambda power: _loss.HalfTweedieLossIdentity(power=power), 2),
            "logistic": (_binomial(_loss.HalfBinomialLoss), 1),
            "exponential": (_loss.ExponentialLoss, 1),
            "softmax_cross_entropy": (_loss.HalfMultinomialLoss, 1),
        }

    def set_threads(self, threads: int) -> None:
        self._threads = threads

    def outputs(self, case: Case) -> Sequence[str]:
        if case.name not in self._losses or len(case.shape) > 2:
            return ()
        loss, _ = self._loss(case)
        exact = case.method != "grad_and_hess" or not loss.approx_hessian
        return (GIVEN, FRESH) if exact else ()

    def _loss(self, case: Case) -> tuple[Any, float]:
        make, scale = self._losses[case.name]
        classes = {"n_classes": case.classes} if case.of_rows else {}
        return make(**case.parameters, **classes), scale

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        loss, scale = self._loss(case)
        if case.name == "exponential":  # its classes are 0 and 1
            y = (y > 0).astype(y.dtype)
        y = y.astype(z.dtype, copy=False)  # labels too
        method, names = {
            "value": (loss.loss, ("loss_out",)),
            "value_and_grad": (loss.loss_gradient, ("loss_out", "gradient_out")),
            "grad_and_hess": (loss.gradient_hessian, ("gradient_out", "hessian_out")),
        }[case.method]
        given = {}
        if outputs == GIVEN:
            given = {name: np.empty_like(y if name == "loss_out" else z) for name in names}
        threads = self._threads if case.n >= PARALLEL_MIN else 1
        run = functools.partial(method, y, z, n_threads=threads, **given)

        def results(found: Any) -> list[Any]:
            arrays = (found,) if case.method == "value" else found
            return [
                scale
                * (np.mean(array, dtype=np.float64) if name == "loss_out" else array / case.rows)
                for name, array in zip(names, arrays, strict=True)
            ]

        return Work(run, results)


def _binomial(loss: Callable[[], Any]) -> Callable[[float], Any]:
    def make(pos_weight: float) -> Any:
        assert pos_weight == 1, "it weights samples only"
        return loss()

    return make


class ScikitLearnMetrics(Peer):
    """The functions of sklearn.metrics, which give values only."""

    name = "sklearn.metrics"
    library = "scikit-learn"

    def __init__(self) -> None:
        import sklearn
        from sklearn import metrics

        self.version = sklearn.__version__
        # name -> (function, its names for our parameters)
        self._metrics: dict[str, tuple[Callable[..., float], Mapping[str, str]]] = {
            "mse": (metrics.mean_squared_error, {}),
            "rmse": (metrics.root_mean_squared_error, {}),
            "mae": (metrics.mean_absolute_error, {}),
            "quantile": (metrics.mean_pinball_loss, {"q": "alpha"}),
            "log_loss": (metrics.log_loss, {}),
            "brier": (metrics.brier_score_loss, {}),
            "hinge": (metrics.hinge_loss, {}),
            "cross_entropy": (metrics.log_loss, {}),
            "multiclass_hinge": (metrics.hinge_loss, {}),
            "msle": (metrics.mean_squared_log_error, {}),
            "mape": (metrics.mean_absolute_percentage_error, {}),
            "poisson_deviance": (metrics.mean_poisson_deviance, {}),
            "gamma_deviance": (metrics.mean_gamma_deviance, {}),
            "tweedie_deviance": (metrics.mean_tweedie_deviance, {"power": "power"}),
        }

    def set_threads(self, threads: int) -> None:
        pass

    def outputs(self, case: Case) -> Sequence[str]:
        return (FRESH,) if case.name in self._metrics and case.method == "value" else ()

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        metric, names = self._metrics[case.name]
        parameters = {names[key]: value for key, value in case.parameters.items()}
        return Work(functools.partial(metric, y, z, **parameters), lambda value: (value,))
