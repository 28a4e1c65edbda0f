"""Agreement with scikit-learn and torch where they mean the same."""

import numpy as np
import pytest
import sklearn._loss as half
import torch
import torch.nn.functional as F
from samples import typical
from sklearn import metrics

import fastloss as fl

N = 700


def inputs(loss, labels=False):
    y, z = typical(loss, N)
    if labels:
        y = (y > 0.5).astype(float)
    w = np.random.default_rng(9).uniform(0.1, 2, N)
    return y, z, w


METRICS = [
    (fl.SquaredError(), metrics.mean_squared_error),
    (fl.RootMeanSquaredError(), metrics.root_mean_squared_error),
    (fl.AbsoluteError(), metrics.mean_absolute_error),
    (fl.AbsolutePercentageError(), metrics.mean_absolute_percentage_error),
    (fl.SquaredLogError(), metrics.mean_squared_log_error),
    (fl.PoissonDeviance(), metrics.mean_poisson_deviance),
    (fl.GammaDeviance(), metrics.mean_gamma_deviance),
    *(
        (fl.Quantile(q=q), lambda y, z, q=q, **kw: metrics.mean_pinball_loss(y, z, alpha=q, **kw))
        for q in (0.0, 0.1, 0.5, 1.0)
    ),
    *(
        (
            fl.TweedieDeviance(power=p),
            lambda y, z, p=p, **kw: metrics.mean_tweedie_deviance(y, z, power=p, **kw),
        )
        for p in (-1, 0, 1, 1.3, 1.5, 1.9, 2, 2.5, 3)
    ),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "metric"), METRICS, ids=[repr(loss) for loss, _ in METRICS])
def test_scikit_learn_metrics(loss, metric, weighted):
    y, z, w = inputs(loss)
    if isinstance(loss, fl.TweedieDeviance | fl.SquaredLogError):
        y = abs(y)
    if not weighted:
        w = None
    assert loss(y, z, sample_weight=w) == pytest.approx(metric(y, z, sample_weight=w), rel=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_metrics_of_labels(weighted):
    y, p, w = inputs(fl.LogLoss(), labels=True)
    w = w if weighted else None
    assert fl.LogLoss()(y, p, sample_weight=w) == pytest.approx(
        metrics.log_loss(y, p, sample_weight=w), rel=1e-12
    )
    assert fl.Brier()(y, p, sample_weight=w) == pytest.approx(
        metrics.brier_score_loss(y, p, sample_weight=w), rel=1e-12
    )
    signs, score = 2 * y - 1, np.random.default_rng(4).normal(0, 2, N)
    assert fl.Hinge()(signs, score, sample_weight=w) == pytest.approx(
        metrics.hinge_loss(signs, score, sample_weight=w), rel=1e-12
    )


HALF = [  # ours is a multiple of theirs, less terms of y alone
    (fl.SquaredError(), 2, half.HalfSquaredError()),
    (fl.AbsoluteError(), 1, half.AbsoluteError()),
    (fl.Quantile(q=0.2), 1, half.PinballLoss(quantile=0.2)),
    (fl.Huber(delta=1.3), 1, half.HuberLoss(delta=1.3)),
    (fl.Logistic(), 1, half.HalfBinomialLoss()),
    (fl.Poisson(), 1, half.HalfPoissonLoss()),
    (fl.Gamma(), 1, half.HalfGammaLoss()),
    (fl.Tweedie(power=1.5), 1, half.HalfTweedieLoss(power=1.5)),
    (fl.Tweedie(power=3), 1, half.HalfTweedieLoss(power=3)),
]


@pytest.mark.parametrize(
    ("loss", "factor", "theirs"), HALF, ids=[repr(loss) for loss, *_ in HALF]
)
def test_scikit_learn_losses(loss, factor, theirs):
    y, z, _ = inputs(loss)
    grad, hess = loss.grad_and_hess(y, z, reduction="none")
    values, gradients = theirs.loss_gradient(y, z)
    np.testing.assert_allclose(grad, factor * gradients, rtol=1e-11, atol=1e-14)
    value = loss(y, z, reduction="none")
    extra = value - factor * values  # the terms of y alone do not change with z
    np.testing.assert_allclose(
        extra, loss(y, z[::-1].copy(), reduction="none") - factor * theirs.loss(y, z[::-1].copy()),
        atol=1e-10,
    )  # fmt: skip
    if not isinstance(theirs, half.AbsoluteError | half.PinballLoss | half.HuberLoss):
        _, hessians = theirs.gradient_hessian(y, z)
        np.testing.assert_allclose(hess, factor * hessians, rtol=1e-11)


TORCH = [
    (fl.SquaredError(), lambda y, z, **kw: F.mse_loss(z, y, **kw)),
    (fl.AbsoluteError(), lambda y, z, **kw: F.l1_loss(z, y, **kw)),
    (fl.Huber(delta=1.3), lambda y, z, **kw: F.huber_loss(z, y, delta=1.3, **kw)),
    (fl.SmoothL1(beta=1.3), lambda y, z, **kw: F.smooth_l1_loss(z, y, beta=1.3, **kw)),
    (fl.SmoothL1(beta=0), lambda y, z, **kw: F.smooth_l1_loss(z, y, beta=0.0, **kw)),
    (fl.Logistic(), lambda y, z, **kw: F.binary_cross_entropy_with_logits(z, y, **kw)),
    (
        fl.Logistic(pos_weight=3),
        lambda y, z, **kw: F.binary_cross_entropy_with_logits(
            z, y, pos_weight=torch.tensor(3.0), **kw
        ),
    ),
    (fl.LogLoss(), lambda y, z, **kw: F.binary_cross_entropy(z, y, **kw)),
    (fl.Poisson(), lambda y, z, **kw: F.poisson_nll_loss(z, y, log_input=True, **kw)),
    (
        fl.PoissonDeviance(),
        lambda y, z, **kw: 2 * (
            F.poisson_nll_loss(z, y, log_input=False, eps=0, **kw)
            - F.poisson_nll_loss(y, y, log_input=False, eps=0, **kw)
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("loss", "theirs"), TORCH, ids=[repr(loss) for loss, _ in TORCH])
def test_torch(loss, theirs, reduction, dtype):
    y, z = typical(loss, N, dtype)
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    tensor = torch.tensor(z, requires_grad=True)
    value = theirs(torch.tensor(y), tensor, reduction=reduction)
    value.sum().backward()
    got, grad = loss.value_and_grad(y, z, reduction=reduction)
    np.testing.assert_allclose(got, value.detach().numpy(), **tolerance)
    np.testing.assert_allclose(grad, tensor.grad.numpy(), **tolerance)


@pytest.mark.parametrize("loss", [fl.get_loss(name) for name in fl.loss_names()], ids=repr)
def test_autograd_of_the_definition(loss):
    y, z = (torch.tensor(x, dtype=torch.float64) for x in typical(loss, 60))
    z.requires_grad_()
    names = {name: getattr(torch, name) for name in ("exp", "log", "log1p", "sqrt", "cosh")}
    names |= {"inf": float("inf")}
    total = sum(
        eval(  # noqa: S307
            loss.definition,
            names | dict(loss.parameters) | {"y": y[i], "z": z[i], "abs": abs, "max": max},
        )
        for i in range(60)
    )
    grad, = torch.autograd.grad(total, z, create_graph=True)
    got, hess = loss.grad_and_hess(y.numpy(), z.detach().numpy(), reduction="none")
    np.testing.assert_allclose(got, grad.detach().numpy(), rtol=1e-7, atol=1e-9)
    if grad.requires_grad:
        second, = torch.autograd.grad(grad.sum(), z)
        np.testing.assert_allclose(hess, second.numpy(), rtol=1e-6, atol=1e-8)
    else:
        np.testing.assert_array_equal(hess, 0)
