"""Adversarial losses: against their formulas in NumPy, and torch."""

import pickle
from fractions import Fraction

import numpy as np
import pytest

import fastloss as fl

KINDS = ("minimax", "non_saturating", "least_squares", "wasserstein", "hinge")


def softplus(x):
    return np.logaddexp(0, x)


FORMULAS = {  # discriminator, generator, per sample
    "minimax": (lambda r: softplus(-r), lambda f: softplus(f), lambda f: -softplus(f)),
    "non_saturating": (lambda r: softplus(-r), lambda f: softplus(f), lambda f: softplus(-f)),
    "least_squares": (
        lambda r: (r - 1) ** 2 / 2,
        lambda f: f**2 / 2,
        lambda f: (f - 1) ** 2 / 2,
    ),
    "wasserstein": (lambda r: -r, lambda f: f, lambda f: -f),
    "hinge": (lambda r: np.maximum(1 - r, 0), lambda f: np.maximum(1 + f, 0), lambda f: -f),
}


def slopes(formula, x, h=1e-6):
    return (formula(x + h) - formula(x - h)) / (2 * h) / x.size


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return 2 * rng.normal(size=(50, 1)), 2 * rng.normal(size=37)


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients(kind, scores):
    real, fake = scores
    loss = fl.Adversarial(kind)
    of_real, of_fake, generator = FORMULAS[kind]
    value, real_grad, fake_grad = loss.discriminator(real, fake)
    assert value == pytest.approx(of_real(real).mean() + of_fake(fake).mean(), rel=1e-13)
    np.testing.assert_allclose(real_grad, slopes(of_real, real), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fake_grad, slopes(of_fake, fake), rtol=1e-6, atol=1e-9)
    value, grad = loss.generator(fake)
    assert value == pytest.approx(generator(fake).mean(), rel=1e-13)
    np.testing.assert_allclose(grad, slopes(generator, fake), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place_and_dtypes(kind, dtype, scores):
    real, fake = (x.astype(dtype) for x in scores)
    loss = fl.Adversarial(kind)
    expected = loss.discriminator(real, fake)
    assert expected[1].dtype == expected[2].dtype == dtype
    a, b = real.copy(), fake.copy()
    got = loss.discriminator(a, b, out=(a, b))
    assert got[0] == expected[0] and got[1] is a and got[2] is b
    np.testing.assert_array_equal(a, expected[1])
    np.testing.assert_array_equal(b, expected[2])
    value, grad = loss.generator(fake)
    out = fake.copy()
    assert loss.generator(out, out=out)[0] == value
    np.testing.assert_array_equal(out, grad)


@pytest.mark.parametrize("kind", ["minimax", "non_saturating"])
def test_scores_far_out_stay_finite(kind):
    loss = fl.Adversarial(kind)
    value, real_grad, fake_grad = loss.discriminator([-1000.0, 1000.0], [1000.0, -1000.0])
    assert value == 1000.0
    np.testing.assert_array_equal(real_grad, [-0.5, 0])
    np.testing.assert_array_equal(fake_grad, [0.5, 0])


def test_parity_with_torch(scores):
    torch = pytest.importorskip("torch", reason="torch is a peer, not a requirement")
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    real, fake = (torch.from_numpy(x.copy()).requires_grad_() for x in scores)
    theirs = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    theirs.backward()
    value, real_grad, fake_grad = fl.Adversarial("non_saturating").discriminator(*scores)
    assert value == pytest.approx(theirs.item(), rel=1e-13)
    np.testing.assert_allclose(real_grad, real.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(fake_grad, fake.grad.numpy(), rtol=1e-12)


def test_nothing_is_written_before_all_is_checked():
    loss = fl.Adversarial("minimax")
    real, fake = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    expected = loss.discriminator(real, fake)
    out = np.empty(2)
    for outs, message in (
        ((fake, None), "overlaps fake_scores"),
        ((out, out), "overlap in memory"),
        ((None, real), "overlaps real_scores"),
        ((real, np.empty(3)), "out must"),
    ):
        with pytest.raises(ValueError, match=message):
            loss.discriminator(real, fake, out=outs)
    with pytest.raises(ValueError, match="fake_scores is empty"):
        loss.discriminator(real, [], out=(real, None))
    with pytest.raises(TypeError, match="fake_scores must hold real"):
        loss.discriminator(real, ["a", "b"], out=(real, None))
    with pytest.raises(TypeError, match="fake_scores is a masked array"):
        loss.generator(np.ma.ones(2))
    for found, want in zip(loss.discriminator(real, fake, out=(real, fake)), expected, strict=True):
        np.testing.assert_array_equal(found, want)


def test_mistakes():
    with pytest.raises(ValueError, match="kind must be one of minimax, .*; got 'gan'"):
        fl.Adversarial("gan")
    loss = fl.Adversarial("hinge")
    with pytest.raises(ValueError, match="fake_scores is empty"):
        loss.generator([])
    with pytest.raises(TypeError, match="real_scores must hold real"):
        loss.discriminator(["a"], [1.0])
    for kind in ("hinge", "wasserstein"):
        for bad in (Fraction(10**400), ["1"]):
            with pytest.raises(TypeError, match="fake_scores must hold real"):
                fl.Adversarial(kind).generator(bad)
    with pytest.raises(TypeError, match="out must be a pair"):
        loss.discriminator([1.0], [1.0], out=np.empty(1))
    assert pickle.loads(pickle.dumps(loss)) == loss == eval(repr(loss), vars(fl))
    with pytest.raises(AttributeError):
        loss.kind = "minimax"


@pytest.mark.filterwarnings("error")
def test_scores_that_overflow_warn_of_nothing():
    for kind in ("wasserstein", "least_squares"):
        value, grad = fl.Adversarial(kind).generator([1e308, 1e308, -1e308])
        assert grad.shape == (3,)
        assert value != 0
