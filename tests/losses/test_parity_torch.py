"""Agreement with torch where it means the same, and with its automatic differentiation."""

import math

import numpy as np
import pytest
from samples import defaults, typical

import fastloss as fl

torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
F = torch.nn.functional
N = 700

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
    *(
        (
            fl.PoissonNLL(log_input, full),
            lambda y, z, log_input=log_input, full=full, **kw: F.poisson_nll_loss(
                z, y, log_input=log_input, full=full, eps=0, **kw
            ),
        )
        for log_input in (False, True)
        for full in (False, True)
    ),
    *(
        (
            fl.KLDiv(log_target),
            lambda y, z, log_target=log_target, **kw: F.kl_div(z, y, log_target=log_target, **kw),
        )
        for log_target in (False, True)
    ),
    (
        fl.HingeEmbedding(margin=1.3),
        lambda y, z, **kw: F.hinge_embedding_loss(z, y, margin=1.3, **kw),
    ),
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
    tolerance = (
        {"rtol": 2e-4, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    )
    tensor = torch.tensor(z, requires_grad=True)
    value = theirs(torch.tensor(y), tensor, reduction=reduction)
    value.sum().backward()
    got, grad = loss.value_and_grad(y, z, reduction=reduction)
    np.testing.assert_allclose(got, value.detach().numpy(), **tolerance)
    np.testing.assert_allclose(grad, tensor.grad.numpy(), **tolerance)


@pytest.mark.parametrize("alpha", [None, 0.25])
def test_the_focal_loss_of_optax(alpha):
    optax = pytest.importorskip("optax", reason="it is the peer here")
    loss, (_, z) = fl.SigmoidFocal(gamma=1.5, alpha=alpha), typical(fl.SigmoidFocal(), N)
    y = np.random.default_rng(0).uniform(size=N).round(1)  # targets between the labels, too
    theirs = optax.sigmoid_focal_loss(z, y, alpha=alpha, gamma=1.5)
    np.testing.assert_allclose(loss(y, z, reduction="none"), theirs, rtol=3e-5)
    hard = y.round()
    for other in (fl.Focal(1.5, alpha), fl.FocalLogLoss(1.5, alpha)):
        at = z if other.name == "focal" else 1 / (1 + np.exp(-z))
        np.testing.assert_allclose(
            other(hard, at, reduction="none"), loss(hard, z, reduction="none"), rtol=1e-12
        )


@pytest.mark.parametrize("loss", [fl.LogLoss, fl.Logistic, fl.Focal])
def test_label_smoothing_moves_the_targets(loss):
    y, z = typical(loss(), N)
    y = y.round()
    got = loss(label_smoothing=0.2).grad_and_hess(y, z, reduction="none")
    for ours, moved in zip(
        got, loss().grad_and_hess(0.8 * y + 0.1, z, reduction="none"), strict=True
    ):
        np.testing.assert_allclose(ours, moved, rtol=1e-11)
    assert loss(label_smoothing=0.2).optimal_constant(y) == pytest.approx(
        loss().optimal_constant(0.8 * y + 0.1), rel=1e-9
    )


@pytest.mark.parametrize("loss", defaults(), ids=repr)
def test_autograd_of_the_definition(loss):
    y, z = (torch.tensor(x, dtype=torch.float64) for x in typical(loss, 60))
    z.requires_grad_()
    names = {name: getattr(torch, name) for name in ("exp", "log", "log1p", "sqrt", "cosh")}
    names |= {"inf": math.inf, "pi": math.pi}
    total = sum(
        eval(  # noqa: S307
            loss.definition,
            names | dict(loss.parameters) | {"y": y[i], "z": z[i], "abs": abs, "max": max},
        )
        for i in range(60)
    )
    (grad,) = torch.autograd.grad(total, z, create_graph=True)
    got, hess = loss.grad_and_hess(y.numpy(), z.detach().numpy(), reduction="none")
    np.testing.assert_allclose(got, grad.detach().numpy(), rtol=1e-7, atol=1e-9)
    if grad.requires_grad:
        (second,) = torch.autograd.grad(grad.sum(), z)
        np.testing.assert_allclose(hess, second.numpy(), rtol=1e-6, atol=1e-8)
    else:
        np.testing.assert_array_equal(hess, 0)
