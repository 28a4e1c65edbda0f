"""PyTorch on the CPU, eager and compiled; the derivatives are autograd's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastloss.bench.cases import Array, Case
from fastloss.bench.peers.base import FRESH, Peer, Work
from fastloss.bench.steps import RULES

if TYPE_CHECKING:
    from fastloss.bench.steps import Step

# A loss takes predictions z and targets y, which are tensors, and the loss's parameters.
Function = Callable[..., Any]


def own(torch: Any) -> dict[str, Function]:
    """The losses that torch.nn.functional has, as they are there."""
    F = torch.nn.functional

    def logistic(z: Any, y: Any, pos_weight: float) -> Any:
        weight = None if pos_weight == 1 else torch.tensor(pos_weight, dtype=z.dtype)
        return F.binary_cross_entropy_with_logits(z, y, pos_weight=weight)

    return {
        "log_loss": F.binary_cross_entropy,
        "brier": F.mse_loss,
        "logistic": logistic,
        "mse": F.mse_loss,
        "mae": F.l1_loss,
        "huber": F.huber_loss,
        "smooth_l1": F.smooth_l1_loss,
        "poisson": F.poisson_nll_loss,
        "poisson_nll": F.poisson_nll_loss,
        "hinge_embedding": F.hinge_embedding_loss,
        "kl_div": lambda z, y, log_target: F.kl_div(
            z, y, reduction="none", log_target=log_target
        ).mean(),
        "softmax_cross_entropy": F.cross_entropy,
        "nll": F.nll_loss,
        "multi_margin": F.multi_margin_loss,
    }


def composed(torch: Any) -> dict[str, Function]:
    """The other losses, in as few operations as it takes to be stable."""
    F, exp, log, where = torch.nn.functional, torch.exp, torch.log, torch.where

    def softmax_focal(z: Any, y: Any, gamma: float) -> Any:
        log_p = of_class(F.log_softmax(z, 1), y)
        return -((1 - exp(log_p)) ** gamma * log_p).mean()

    def poly(z: Any, y: Any, epsilon: float) -> Any:
        log_p = of_class(F.log_softmax(z, 1), y)
        return (epsilon * (1 - exp(log_p)) - log_p).mean()

    def generalized_cross_entropy(z: Any, y: Any, q: float) -> Any:
        return -torch.expm1(q * of_class(F.log_softmax(z, 1), y)).mean() / q

    def symmetric_cross_entropy(z: Any, y: Any, alpha: float, beta: float, log_zero: float) -> Any:
        log_p = of_class(F.log_softmax(z, 1), y)
        return -(alpha * log_p + beta * log_zero * (1 - exp(log_p))).mean()

    def multiclass_brier(z: Any, y: Any) -> Any:
        return (z.square().sum(1) - 2 * of_class(z, y) + 1).mean()

    def jensen_shannon(z: Any, y: Any) -> Any:
        log_mean = log((z + y) / 2)
        apart = z * (log(z) - log_mean) + torch.xlogy(y, y) - y * log_mean
        return apart.sum(1).mean() / 2

    def dice(z: Any, y: Any, smooth: float) -> Any:
        overlap = (2 * (z * y).sum(1) + smooth) / (z.sum(1) + y.sum(1) + smooth)
        return 1 - overlap.mean()

    def tversky(z: Any, y: Any, alpha: float, beta: float, smooth: float) -> Any:
        both = (z * y).sum(1)
        apart = alpha * (z.sum(1) - both) + beta * (y.sum(1) - both)
        return (apart / (both + apart + smooth)).mean()

    def above_class(z: Any, y: Any) -> Any:  # the highest score of another class, less its own
        others = z.scatter(1, y.unsqueeze(1), -torch.inf).amax(1)
        return others - of_class(z, y)

    def of_class(z: Any, y: Any) -> Any:
        return z.gather(1, y.unsqueeze(1)).squeeze(1)

    def focal(z: Any, y: Any, gamma: float, alpha: float | None) -> Any:  # of the two classes
        m = (1 - 2 * y) * z
        loss = F.softplus(m) * torch.sigmoid(m) ** gamma
        return (loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))).mean()

    def focal_log_loss(z: Any, y: Any, gamma: float, alpha: float | None) -> Any:
        one, zero = (1, 1) if alpha is None else (alpha, 1 - alpha)
        of_one, of_zero = (1 - z) ** gamma * log(z), z**gamma * torch.log1p(-z)
        return -(one * y * of_one + zero * (1 - y) * of_zero).mean()

    def sigmoid_focal(z: Any, y: Any, gamma: float, alpha: float | None) -> Any:
        p = torch.sigmoid(z)
        lack = y * (1 - p) + (1 - y) * p
        loss = F.binary_cross_entropy_with_logits(z, y, reduction="none") * lack**gamma
        return (loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))).mean()

    def binary_kl(z: Any, y: Any) -> Any:
        return F.binary_cross_entropy(z, y) + (torch.xlogy(y, y) + torch.xlogy(1 - y, 1 - y)).mean()

    def modified_huber(z: Any, y: Any) -> Any:
        t = y * z
        return where(t < -1, -4 * t, F.relu(1 - t).square()).mean()

    def smooth_l2(z: Any, y: Any) -> Any:
        a = (z - y).abs()
        return where(a <= 1, 0.5 * a.square(), a - 1).mean()

    def log_cosh(z: Any, y: Any) -> Any:
        d = z - y
        return (d + F.softplus(-2 * d)).mean() - 0.6931471805599453

    def quantile(z: Any, y: Any, q: float) -> Any:
        r = y - z
        return torch.maximum(q * r, (q - 1) * r).mean()

    def expectile(z: Any, y: Any, q: float) -> Any:
        d = z - y
        return (where(d > 0, (1 - q) * d, q * d) * d).mean()

    def tweedie(z: Any, y: Any, power: float) -> Any:
        a, b = 1 - power, 2 - power
        return (exp(b * z) / b - y * exp(a * z) / a).mean()

    def gamma_deviance(z: Any, y: Any) -> Any:
        r = y / z
        return 2 * (r - log(r) - 1).mean()

    def tweedie_deviance(z: Any, y: Any, power: float) -> Any:
        a, b = 1 - power, 2 - power
        return 2 * (y**b / (a * b) - y * z**a / a + z**b / b).mean()

    def geman_mcclure(z: Any, y: Any, c: float) -> Any:
        s = ((z - y) / c).square()
        return 2 * (s / (s + 4)).mean()

    def general_robust(z: Any, y: Any, alpha: float, c: float) -> Any:
        b = abs(alpha - 2)
        s = ((z - y) / c).square()
        return b / alpha * ((s / b + 1) ** (alpha / 2) - 1).mean()

    return {
        "focal": focal,
        "focal_log_loss": focal_log_loss,
        "sigmoid_focal": sigmoid_focal,
        "linear_exponential": lambda z, y, a: (torch.expm1(a * (z - y)) - a * (z - y)).mean(),
        "hinge": lambda z, y: F.relu(1 - y * z).mean(),
        "squared_hinge": lambda z, y: F.relu(1 - y * z).square().mean(),
        "modified_huber": modified_huber,
        "exponential": lambda z, y: exp(-y * z).mean(),
        "perceptron": lambda z, y: F.relu(-y * z).mean(),
        "binary_kl": binary_kl,
        "rmse": lambda z, y: F.mse_loss(z, y).sqrt(),
        "smooth_l2": smooth_l2,
        "log_cosh": log_cosh,
        "quantile": quantile,
        "expectile": expectile,
        "epsilon_insensitive": lambda z, y, epsilon: F.relu((z - y).abs() - epsilon).mean(),
        "squared_epsilon_insensitive": lambda z, y, epsilon: (
            F.relu((z - y).abs() - epsilon).square().mean()
        ),
        "msle": lambda z, y: F.mse_loss(torch.log1p(z), torch.log1p(y)),
        "mape": lambda z, y: ((z - y) / y).abs().mean(),
        "smape": lambda z, y: 2 * ((z - y).abs() / (z.abs() + y.abs())).mean(),
        "gamma": lambda z, y: (z + y * exp(-z)).mean(),
        "tweedie": tweedie,
        "poisson_deviance": lambda z, y: 2 * (torch.xlogy(y, y) - y * log(z) - y + z).mean(),
        "gamma_deviance": gamma_deviance,
        "tweedie_deviance": tweedie_deviance,
        "cauchy": lambda z, y, c: torch.log1p(((z - y) / c).square() / 2).mean(),
        "geman_mcclure": geman_mcclure,
        "welsch": lambda z, y, c: -torch.expm1(((z - y) / c).square() / -2).mean(),
        "general_robust": general_robust,
        "softmax_focal": softmax_focal,
        "poly": poly,
        "generalized_cross_entropy": generalized_cross_entropy,
        "symmetric_cross_entropy": symmetric_cross_entropy,
        "cross_entropy": lambda z, y: F.nll_loss(log(z), y),
        "multiclass_brier": multiclass_brier,
        "kl_divergence": lambda z, y: F.kl_div(log(z), y, reduction="batchmean"),
        "jensen_shannon": jensen_shannon,
        "cosine": lambda z, y: 1 - F.cosine_similarity(z, y, dim=1).mean(),
        "multiclass_hinge": lambda z, y: F.relu(1 + above_class(z, y)).mean(),
        "multiclass_perceptron": lambda z, y: F.relu(above_class(z, y)).mean(),
        "listwise_softmax": lambda z, y: F.cross_entropy(z, F.softmax(y, 1)),
        "dice": dice,
        "tversky": tversky,
        "multilabel_logistic": lambda z, y, **_: F.binary_cross_entropy_with_logits(z, y),
        "gaussian_nll": lambda z, y, full, log_variance: F.gaussian_nll_loss(
            z[:, 0], y, z[:, 1], full, 0.0
        ),
        "student_t_nll": lambda z, y, df: (
            -torch.distributions.StudentT(df, z[:, 0], z[:, 1], validate_args=False)
            .log_prob(y)
            .mean()
        ),
    }


def rules(torch: Any) -> dict[str, Any]:
    """The optimizers that torch has too, which it calls as we do but for one."""
    theirs = {"AdaGrad": "Adagrad"}
    found = {n: getattr(torch.optim, theirs.get(n, n), None) for n in RULES}
    return {name: cls for name, cls in found.items() if cls is not None}


class Torch(Peer):
    """Eager torch. Autograd makes its gradients, so it cannot write to an array made before."""

    name = "torch"
    library = "torch"

    rules: Mapping[str, Any]  # constructors

    def __init__(self) -> None:
        import torch

        self._torch: Any = torch
        self.version = torch.__version__
        self._functions = self._losses()
        self._has_hessian = functools.cache(self._try_hessian)
        self.rules = self._rules()

    def _losses(self) -> dict[str, Function]:
        return own(self._torch) | composed(self._torch)

    def _rules(self) -> Mapping[str, Any]:
        return rules(self._torch)

    def set_threads(self, threads: int) -> None:
        self._torch.set_num_threads(threads)

    def outputs(self, case: Case) -> Sequence[str]:
        if case.name not in self._functions:
            return ()
        return (FRESH,) if case.method != "grad_and_hess" or self._has_hessian(case.name) else ()

    def _try_hessian(self, name: str) -> bool:
        """Whether autograd can go through the gradient again, and the Hessian is diagonal."""
        case = Case(name, "grad_and_hess", (2,), "float64")
        try:
            self.work(case, *case.data(), FRESH).run()
        except RuntimeError:
            return False
        return not case.loss._root

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        torch, function, parameters = self._torch, self._functions[case.name], case.parameters
        target, plain = torch.from_numpy(y), torch.from_numpy(z)
        leaf = plain.detach().requires_grad_()

        def value() -> tuple[Any]:  # without a leaf there is nothing for autograd to record
            return (function(plain, target, **parameters),)

        def value_and_grad() -> tuple[Any, Any]:
            loss = function(leaf, target, **parameters)
            loss.backward()
            grad, leaf.grad = leaf.grad, None
            return loss, grad

        def grad_and_hess() -> tuple[Any, Any]:  # of elementwise losses: the diagonal is all
            loss = function(leaf, target, **parameters)
            (grad,) = torch.autograd.grad(loss, leaf, create_graph=True)
            (hess,) = torch.autograd.grad(grad.sum(), leaf)
            return grad, hess

        methods = {
            "value": value,
            "value_and_grad": value_and_grad,
            "grad_and_hess": grad_and_hess,
        }
        return Work(methods[case.method], _arrays)

    def step(self, case: Step, params: list[Array], grads: list[Array]) -> Callable[[], Any]:
        leaves = [self._torch.from_numpy(p).requires_grad_() for p in params]
        for leaf, grad in zip(leaves, grads, strict=True):
            leaf.grad = self._torch.from_numpy(grad)
        step: Callable[[], Any] = self.rules[case.name](leaves, **case.options).step
        return step


class TorchFused(Torch):
    """The optimizers that torch computes in one pass where it is asked to, by ``fused=True``."""

    name = "torch.fused"

    def _losses(self) -> dict[str, Function]:
        return {}

    def _rules(self) -> Mapping[str, Any]:
        return {
            name: functools.partial(cls, fused=True)
            for name, cls in rules(self._torch).items()
            if "fused" in inspect.signature(cls).parameters
        }


class TorchCompile(Torch):
    """torch.compile of torch's own losses, for each case anew.

    Sizes stay static, and the number of threads is written into the code that comes out: with
    dynamic sizes one compilation would do, but runs slower. Value and gradient are compiled as
    one function, which is faster than to call backward() on a compiled loss.
    """

    name = "torch.compile"
    slow = True

    def _losses(self) -> dict[str, Function]:
        return own(self._torch)

    def _rules(self) -> Mapping[str, Any]:
        return {}

    def outputs(self, case: Case) -> Sequence[str]:
        if case.name not in self._functions or case.method == "grad_and_hess":
            return ()
        return (FRESH,) if case.dtype == "float32" else ()  # what people run torch in

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        torch, function = self._torch, self._functions[case.name]
        parameters = case.parameters
        target, plain = torch.from_numpy(y), torch.from_numpy(z)

        def value(z: Any, y: Any) -> tuple[Any]:
            return (function(z, y, **parameters),)

        def value_and_grad(z: Any, y: Any) -> tuple[Any, Any]:
            grad, loss = torch.func.grad_and_value(function)(z, y, **parameters)
            return loss, grad

        def method(name: str) -> Any:
            chosen: Any = value if name == "value" else value_and_grad
            chosen.__code__ = chosen.__code__.replace()  # torch compiles one code only 8 times
            return torch.compile(chosen, dynamic=False)

        return Work(functools.partial(method(case.method), plain, target), _arrays)


def _arrays(results: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(tensor.numpy(force=True) for tensor in results)
