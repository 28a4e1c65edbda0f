"""JAX on the CPU: functions compiled by XLA, their derivatives by ``jax.grad``; and optax's."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastloss.bench.cases import Array, Case
from fastloss.bench.peers.base import FRESH, Peer, Work

# A loss takes predictions z and targets y, which are JAX arrays, and the loss's parameters. It
# gives the loss of each element or row.
Function = Callable[..., Any]


def written(jax: Any) -> dict[str, Function]:
    """The losses in jax.numpy, stable, in few operations, which XLA makes one loop of."""
    jnp, nn, xlogy = jax.numpy, jax.nn, jax.scipy.special.xlogy
    exp, log, log1p, where, square = jnp.exp, jnp.log, jnp.log1p, jnp.where, jnp.square

    # nn.softplus and its derivative take three times as long
    softplus: Any = jax.custom_jvp(lambda z: jnp.maximum(z, 0) + log1p(exp(-abs(z))))
    softplus.defjvps(lambda dz, _, z: dz * nn.sigmoid(z))

    def log_loss(z: Any, y: Any) -> Any:
        return -y * log(z) - (1 - y) * log1p(-z)

    def logistic(z: Any, y: Any, pos_weight: float) -> Any:
        if pos_weight == 1:
            return softplus(z) - y * z
        return (1 - y) * z + (1 + (pos_weight - 1) * y) * softplus(-z)

    def focal(z: Any, y: Any, gamma: float, alpha: float | None) -> Any:  # of the two classes
        m = (1 - 2 * y) * z
        loss = softplus(m) * nn.sigmoid(m) ** gamma
        return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))

    def focal_log_loss(z: Any, y: Any, gamma: float, alpha: float | None) -> Any:
        one, zero = (1, 1) if alpha is None else (alpha, 1 - alpha)
        of_one, of_zero = (1 - z) ** gamma * log(z), z**gamma * log1p(-z)
        return -one * y * of_one - zero * (1 - y) * of_zero

    def sigmoid_focal(z: Any, y: Any, gamma: float, alpha: float | None) -> Any:
        p = nn.sigmoid(z)
        loss = (softplus(z) - y * z) * (y * (1 - p) + (1 - y) * p) ** gamma
        return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))

    def modified_huber(z: Any, y: Any) -> Any:
        t = y * z
        return where(t < -1, -4 * t, square(nn.relu(1 - t)))

    def huber(z: Any, y: Any, delta: float) -> Any:
        a = abs(z - y)
        inner = jnp.minimum(a, delta)
        return inner * (a - 0.5 * inner)

    def smooth_l2(z: Any, y: Any) -> Any:
        a = abs(z - y)
        return where(a <= 1, 0.5 * square(a), a - 1)

    def log_cosh(z: Any, y: Any) -> Any:
        d = z - y
        return d + softplus(-2 * d) - float(np.log(2))

    def quantile(z: Any, y: Any, q: float) -> Any:
        r = y - z
        return jnp.maximum(q * r, (q - 1) * r)

    def expectile(z: Any, y: Any, q: float) -> Any:
        d = z - y
        return where(d > 0, 1 - q, q) * square(d)

    def tweedie(z: Any, y: Any, power: float) -> Any:
        a, b = 1 - power, 2 - power
        return exp(b * z) / b - y * exp(a * z) / a

    def gamma_deviance(z: Any, y: Any) -> Any:
        r = y / z
        return 2 * (r - log(r) - 1)

    def tweedie_deviance(z: Any, y: Any, power: float) -> Any:
        a, b = 1 - power, 2 - power
        return 2 * (y**b / (a * b) - y * z**a / a + z**b / b)

    def geman_mcclure(z: Any, y: Any, c: float) -> Any:
        s = square((z - y) / c)
        return 2 * s / (s + 4)

    def general_robust(z: Any, y: Any, alpha: float, c: float) -> Any:
        b = abs(alpha - 2)
        s = square((z - y) / c)
        return b / alpha * ((s / b + 1) ** (alpha / 2) - 1)

    def of_class(z: Any, y: Any) -> Any:
        return jnp.take_along_axis(z, jnp.expand_dims(y, 1), 1).squeeze(1)

    def log_softmax_of_class(z: Any, y: Any) -> Any:
        return of_class(z, y) - nn.logsumexp(z, 1)

    def softmax_focal(z: Any, y: Any, gamma: float) -> Any:
        log_p = log_softmax_of_class(z, y)
        return -((1 - exp(log_p)) ** gamma) * log_p

    def poly(z: Any, y: Any, epsilon: float) -> Any:
        log_p = log_softmax_of_class(z, y)
        return epsilon * (1 - exp(log_p)) - log_p

    def generalized_cross_entropy(z: Any, y: Any, q: float) -> Any:
        return -jnp.expm1(q * log_softmax_of_class(z, y)) / q

    def symmetric_cross_entropy(z: Any, y: Any, alpha: float, beta: float, log_zero: float) -> Any:
        log_p = log_softmax_of_class(z, y)
        return -alpha * log_p - beta * log_zero * (1 - exp(log_p))

    def multi_margin(z: Any, y: Any, p: int, margin: float) -> Any:
        excess = nn.relu(margin + z - of_class(z, y)[:, None]) ** p
        return (excess.sum(1) - margin**p) / z.shape[1]

    def multilabel_margin(z: Any, y: Any) -> Any:
        excess = nn.relu(1 + z[:, None, :] - z[:, :, None])
        return jnp.einsum("ni,nj,nij->n", y, 1 - y, excess) / z.shape[1]

    def above_class(z: Any, y: Any) -> Any:  # the highest score of another class, less its own
        others = where(y[:, None] == jnp.arange(z.shape[1]), -jnp.inf, z)
        return others.max(1) - of_class(z, y)

    def jensen_shannon(z: Any, y: Any) -> Any:
        log_mean = log((z + y) / 2)
        return (z * (log(z) - log_mean) + xlogy(y, y) - y * log_mean).sum(1) / 2

    def cosine(z: Any, y: Any) -> Any:
        return 1 - (z * y).sum(1) * jax.lax.rsqrt(square(z).sum(1) * square(y).sum(1))

    def dice(z: Any, y: Any, smooth: float) -> Any:
        return 1 - (2 * (z * y).sum(1) + smooth) / (z.sum(1) + y.sum(1) + smooth)

    def tversky(z: Any, y: Any, alpha: float, beta: float, smooth: float) -> Any:
        both = (z * y).sum(1)
        apart = alpha * (z.sum(1) - both) + beta * (y.sum(1) - both)
        return apart / (both + apart + smooth)

    def gaussian_nll(z: Any, y: Any, full: bool, log_variance: bool) -> Any:  # of the variance
        loss = (log(z[:, 1]) + square(z[:, 0] - y) / z[:, 1]) / 2
        return loss + float(np.log(2 * np.pi)) / 2 if full else loss

    stats = jax.scipy.stats

    def gaussian_crps(z: Any, y: Any) -> Any:
        d = z[:, 0] - y
        w = d / z[:, 1]
        slope = 2 * stats.norm.pdf(w) - float(1 / np.sqrt(np.pi))
        return d * jax.scipy.special.erf(w / float(np.sqrt(2))) + z[:, 1] * slope

    def multi_quantile(z: Any, y: Any, q: tuple[float, ...]) -> Any:
        r, levels = y[:, None] - z, jnp.array(q, z.dtype)
        return jnp.maximum(levels * r, (levels - 1) * r).mean(1)

    def interval_score(z: Any, y: Any, alpha: float) -> Any:
        missed = nn.relu(z[:, 0] - y) + nn.relu(y - z[:, 1])
        return z[:, 1] - z[:, 0] + 2 / alpha * missed

    def negative_binomial(z: Any, y: Any, alpha: float) -> Any:
        return log1p(alpha * exp(z)) * (y + 1 / alpha) - y * z

    return {
        "log_loss": log_loss,
        "brier": lambda z, y: square(z - y),
        "logistic": logistic,
        "focal": focal,
        "hinge": lambda z, y: nn.relu(1 - y * z),
        "squared_hinge": lambda z, y: square(nn.relu(1 - y * z)),
        "modified_huber": modified_huber,
        "exponential": lambda z, y: exp(-y * z),
        "perceptron": lambda z, y: nn.relu(-y * z),
        "binary_kl": lambda z, y: log_loss(z, y) + xlogy(y, y) + xlogy(1 - y, 1 - y),
        "mse": lambda z, y: square(z - y),
        "rmse": lambda z, y: jnp.sqrt(square(z - y).mean()),
        "mae": lambda z, y: abs(z - y),
        "huber": huber,
        "smooth_l1": lambda z, y, beta: huber(z, y, beta) / beta,
        "smooth_l2": smooth_l2,
        "log_cosh": log_cosh,
        "quantile": quantile,
        "expectile": expectile,
        "epsilon_insensitive": lambda z, y, epsilon: nn.relu(abs(z - y) - epsilon),
        "squared_epsilon_insensitive": lambda z, y, epsilon: square(nn.relu(abs(z - y) - epsilon)),
        "msle": lambda z, y: square(log1p(z) - log1p(y)),
        "mape": lambda z, y: abs((z - y) / y),
        "smape": lambda z, y: 2 * abs(z - y) / (abs(z) + abs(y)),
        "poisson": lambda z, y: exp(z) - y * z,
        "poisson_nll": lambda z, y, **_: exp(z) - y * z,
        "linear_exponential": lambda z, y, a: jnp.expm1(a * (z - y)) - a * (z - y),
        "kl_div": lambda z, y, **_: xlogy(y, y) - y * z,
        "hinge_embedding": lambda z, y, margin: where(y > 0, z, nn.relu(margin - z)),
        "focal_log_loss": focal_log_loss,
        "sigmoid_focal": sigmoid_focal,
        "negative_binomial": negative_binomial,
        "gamma": lambda z, y: z + y * exp(-z),
        "tweedie": tweedie,
        "poisson_deviance": lambda z, y: 2 * (xlogy(y, y) - y * log(z) - y + z),
        "gamma_deviance": gamma_deviance,
        "tweedie_deviance": tweedie_deviance,
        "cauchy": lambda z, y, c: log1p(square((z - y) / c) / 2),
        "geman_mcclure": geman_mcclure,
        "welsch": lambda z, y, c: -jnp.expm1(square((z - y) / c) / -2),
        "general_robust": general_robust,
        "softmax_cross_entropy": lambda z, y: -log_softmax_of_class(z, y),
        "softmax_focal": softmax_focal,
        "poly": poly,
        "generalized_cross_entropy": generalized_cross_entropy,
        "symmetric_cross_entropy": symmetric_cross_entropy,
        "cross_entropy": lambda z, y: -log(of_class(z, y)),
        "nll": lambda z, y: -of_class(z, y),
        "multiclass_brier": lambda z, y: square(z).sum(1) - 2 * of_class(z, y) + 1,
        "multi_margin": multi_margin,
        "multilabel_margin": multilabel_margin,
        "multiclass_hinge": lambda z, y: nn.relu(1 + above_class(z, y)),
        "multiclass_perceptron": lambda z, y: nn.relu(above_class(z, y)),
        "multilabel_logistic": lambda z, y, **_: softplus(z) - y * z,
        "kl_divergence": lambda z, y: (xlogy(y, y) - y * log(z)).sum(1),
        "jensen_shannon": jensen_shannon,
        "cosine": cosine,
        "listwise_softmax": lambda z, y: -(nn.softmax(y, 1) * nn.log_softmax(z, 1)).sum(1),
        "dice": dice,
        "tversky": tversky,
        "gaussian_nll": gaussian_nll,
        "gaussian_crps": gaussian_crps,
        "logistic_nll": lambda z, y: -stats.logistic.logpdf(y, z[:, 0], z[:, 1]),
        "student_t_nll": lambda z, y, df: -stats.t.logpdf(y, df, z[:, 0], z[:, 1]),
        "multi_quantile": multi_quantile,
        "interval_score": interval_score,
    }


def of_optax(losses: Any, jax: Any) -> dict[str, Function]:
    """The losses that optax has, as they are there."""

    def poly(z: Any, y: Any, epsilon: float) -> Any:
        labels = jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
        return losses.poly_loss_cross_entropy(z, labels, epsilon=epsilon)

    return {
        "brier": losses.squared_error,
        "logistic": lambda z, y, pos_weight: losses.sigmoid_binary_cross_entropy(z, y),
        "focal": losses.sigmoid_focal_loss,
        "hinge": losses.hinge_loss,
        "perceptron": losses.perceptron_loss,
        "mse": losses.squared_error,
        "huber": losses.huber_loss,
        "log_cosh": losses.log_cosh,
        "softmax_cross_entropy": lambda z, y: losses.softmax_cross_entropy_with_integer_labels(
            z, y, axis=1
        ),
        "poly": poly,
        "multiclass_hinge": losses.multiclass_hinge_loss,
        "multiclass_perceptron": losses.multiclass_perceptron_loss,
        "multilabel_logistic": lambda z, y, **_: losses.sigmoid_binary_cross_entropy(z, y),
        "kl_divergence": lambda z, y: losses.kl_divergence(jax.numpy.log(z), y),
        "cosine": losses.cosine_distance,
        "listwise_softmax": lambda z, y: losses.ranking_softmax_loss(
            z, jax.nn.softmax(y), reduce_fn=None
        ),
    }


class Jax(Peer):
    """jax.jit of a mean and its derivatives, compiled for each case before it is timed.

    Data are JAX arrays already, results stay such; JAX arrays cannot be written to. Peers that use
    JAX share its backend, so all of them are told of the threads before any prepares work.
    """

    name = "jax"
    library = "jax"
    slow = True

    def __init__(self) -> None:
        import jax
        from jax.extend import backend

        self._jax: Any = jax
        self._backend: Any = backend
        self._x64: Any = jax.enable_x64  # old versions, which lack it, are left out here
        self.version = jax.__version__
        self._functions = self._losses()

    def _losses(self) -> dict[str, Function]:
        return written(self._jax)

    def set_threads(self, threads: int) -> None:
        """Start JAX's CPU backend anew, since its threads are counted at its start.

        Arrays and compiled functions of before end with the old one.
        """
        self._backend.clear_backends()
        self._jax.clear_caches()
        before = os.environ.get("PJRT_NPROC")
        os.environ["PJRT_NPROC"] = str(threads)
        try:
            self._jax.devices("cpu")  # starts it
        finally:
            del os.environ["PJRT_NPROC"]
            if before is not None:
                os.environ["PJRT_NPROC"] = before

    def outputs(self, case: Case) -> Sequence[str]:
        if case.name not in self._functions:
            return ()
        return () if case.method == "grad_and_hess" and case.loss._root else (FRESH,)

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        jax, function, parameters = self._jax, self._functions[case.name], case.parameters

        def value(z: Any, y: Any) -> Any:
            return function(z, y, **parameters).mean()

        def value_alone(z: Any, y: Any) -> tuple[Any]:
            return (value(z, y),)

        def grad_and_hess(z: Any, y: Any) -> Any:  # of elementwise losses: the diagonal is all
            return jax.jvp(lambda z: jax.grad(value)(z, y), (z,), (jax.numpy.ones_like(z),))

        methods = {
            "value": value_alone,
            "value_and_grad": jax.value_and_grad(value),
            "grad_and_hess": grad_and_hess,
        }
        with self._x64(case.dtype == "float64"):
            data = jax.device_put((z, y), jax.devices("cpu")[0])
            compiled = jax.jit(methods[case.method]).lower(*data).compile()
        return Work(lambda: jax.block_until_ready(compiled(*data)))


class Optax(Jax):
    """The losses of optax, through JAX."""

    name = "optax"
    library = "optax"

    def __init__(self) -> None:
        import optax

        self._optax: Any = optax
        super().__init__()
        self.version = optax.__version__

    def _losses(self) -> dict[str, Function]:
        return of_optax(self._optax.losses, self._jax)

    def outputs(self, case: Case) -> Sequence[str]:
        last_axis_only = len(case.shape) > 2 and case.name != "softmax_cross_entropy"
        return () if last_axis_only else super().outputs(case)
