"""Agreement with scikit-learn where it means the same."""

import numpy as np
import pytest
import sklearn._loss as half
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


@pytest.mark.parametrize(("loss", "factor", "theirs"), HALF, ids=[repr(loss) for loss, *_ in HALF])
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


def test_tweedie_at_power_0_lacks_what_depends_on_y_alone():
    y, z, _ = inputs(fl.Tweedie(power=0))
    theirs = half.HalfTweedieLoss(power=0)
    ours = fl.Tweedie(power=0)
    kept = theirs.loss(y_true=y, raw_prediction=z) - y**2 / 2
    np.testing.assert_allclose(ours(y, z, reduction="none"), kept, rtol=1e-12, atol=1e-12)
    grad, hess = theirs.gradient_hessian(y_true=y, raw_prediction=z)
    own_grad, own_hess = ours.grad_and_hess(y, z, reduction="none")
    np.testing.assert_allclose(own_grad, grad, rtol=1e-12)
    np.testing.assert_allclose(own_hess, hess, rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [
        (fl.AbsoluteError(), half.AbsoluteError()),
        (fl.Quantile(q=0.3), half.PinballLoss(quantile=0.3)),
    ],
)
def test_hessians_of_0_that_are_1_there(loss, theirs):
    y, z, w = inputs(loss)
    grad, hess = theirs.gradient_hessian(y_true=y, raw_prediction=z, sample_weight=w)
    ours, zero = loss.grad_and_hess(y, z, sample_weight=w, reduction="none")
    np.testing.assert_allclose(ours, grad, rtol=1e-12)
    assert (zero == 0).all() and (hess == w).all()


def test_focal_loss_of_soft_labels_is_a_mixture():
    y, z, _ = inputs(fl.Focal())
    s = 1 / (1 + np.exp(-z))
    loss = fl.Focal(gamma=2.0)
    mixture = y * loss(np.ones(N), z, reduction="none")
    mixture += (1 - y) * loss(np.zeros(N), z, reduction="none")
    np.testing.assert_allclose(loss(y, z, reduction="none"), mixture, rtol=1e-12)
    hard = (y > 0.5).astype(float)
    for labels, same in ((hard, True), (y, False)):  # the formula of Keras and of optax
        p = labels * s + (1 - labels) * (1 - s)
        theirs = (1 - p) ** 2 * fl.Logistic()(labels, z, reduction="none")
        assert np.allclose(loss(labels, z, reduction="none"), theirs, rtol=1e-10) == same
