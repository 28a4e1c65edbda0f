"""Muon: its recurrence in high precision, what its steps are, and what it refuses."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from optim_rules import OF_MATRICES, all_options

import fastloss as fl
from fastloss.optim import Muon

RULE, VARIANTS = OF_MATRICES[Muon]
SHAPES = [(3, 5), (6, 2), (1, 7), (4, 4)]


def inputs(shape, dtype, steps, seed=0):
    rng = np.random.default_rng(seed)
    grads = [rng.normal(size=shape).astype(dtype) for _ in range(steps)]
    return rng.normal(size=shape).astype(dtype), grads


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_steps_to_fifty_digits(options, dtype, order):
    steps = 4
    with mp.workdps(50):
        for shape in SHAPES:
            p, grads = inputs(shape, dtype, steps)
            got = p.copy(order=order)
            opt, full = Muon(got, **options), all_options(Muon, options, (1, 1))
            full = {
                key: tuple(map(mpf, x))
                if isinstance(x, tuple)
                else mpf(x)
                if type(x) is float
                else x
                for key, x in full.items()
            }
            x, state = np.vectorize(mpf, otypes=[object])(p.astype(float)), {}
            for t, g in enumerate(grads, 1):
                opt.step(g.copy(order=order))
                g = np.vectorize(mpf, otypes=[object])(g.astype(float))
                x = RULE(x, g, state, t, full["lr"], full, mpmath.sqrt)
            # a sum over rows or columns in each of three products, the errors of which grow by as
            # much as small singular values do, by k0 a time
            growth = float(full["ns_coefficients"][0]) ** int(full["ns_steps"])
            budget = np.finfo(dtype).eps * (steps * abs(p) + 20 * float(full["lr"]) * growth)
            assert (abs(got - x) <= budget).all()


def test_singular_values_come_near_one():
    p, (g,) = inputs((64, 32), np.float32, 1)
    p[:] = 0
    Muon(p, lr=1.0).step(g)
    left, sizes, right = np.linalg.svd(-p / np.sqrt(2), full_matrices=False)
    assert 0.6 < sizes.min() and sizes.max() < 1.3
    exact, _, right_of_g = np.linalg.svd(g, full_matrices=False)
    assert np.linalg.norm(left @ right - exact @ right_of_g) < 0.3 * np.sqrt(32)


def test_clipping_comes_before_the_momentum():
    p, grads = inputs((3, 4), np.float64, 3)
    q = p.copy()
    opt, other = Muon(p, max_norm=1.0, clip_value=0.3, maximize=True), Muon(q)
    for g in grads:
        opt.step(g)
        other.step(-np.clip(g / max(np.linalg.norm(g), 1), -0.3, 0.3))
    np.testing.assert_allclose(p, q, rtol=1e-12)


def test_what_is_not_finite():
    p, (g,) = inputs((3, 4), np.float64, 1)
    before = p.copy()
    g[1, 2] = np.nan
    assert Muon(p, nonfinite="skip").step(g) is False
    with pytest.raises(fl.DomainError, match=r"grads\[1, 2\] = nan"):
        Muon(p, nonfinite="raise").step(g)
    np.testing.assert_array_equal(p, before)
    Muon(p).step(g)
    assert np.isnan(p).all()


@pytest.mark.parametrize("low", ["float16", "bfloat16"])
def test_low_precision_is_float32_rounded_at_the_end(low):
    low = np.dtype(low) if low == "float16" else pytest.importorskip("ml_dtypes").bfloat16
    p, grads = inputs((5, 3), np.float32, 4)
    p = p.astype(low)
    master = p.astype(np.float32)
    opt, reference = Muon(p, lr=0.1, max_norm=1.0), Muon(master, lr=0.1, max_norm=1.0)
    for k, g in enumerate(grads):
        g = g.astype(low)
        reference.step(g.astype(np.float32))
        opt.step(g if k % 2 else g.astype(np.float32))
        np.testing.assert_array_equal(p, master.astype(low))


def test_groups_states_and_what_has_no_gradient(tmp_path):
    (p, grads), (q, _) = inputs((3, 4), np.float64, 6), inputs((3, 4), np.float64, 1, seed=1)
    start = q.copy()
    groups = [{"params": p, "lr": 0.1}, {"params": {"q": q}, "momentum": 0.5}]
    opt = Muon(groups, lr=fl.optim.schedules.Step(0.1, step_size=2))
    for g in grads[:3]:
        opt.step([g, {}])
    assert (q == start).all()
    opt.save(tmp_path / "state")
    kept = [p.copy(), q.copy()]
    again = fl.optim.load(tmp_path / "state", [{"params": kept[0]}, {"params": {"q": kept[1]}}])
    for g in grads[3:]:
        opt.step([g, {"q": g}])
        again.step([g, {"q": g}])
    np.testing.assert_array_equal(p, kept[0])
    np.testing.assert_array_equal(q, kept[1])
    empty = np.zeros((0, 3))
    assert Muon(empty).step(np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda p: Muon(p[0]), ValueError, "two axes for Muon; got an array of 1, .* AdamW"),
        (lambda p: Muon(p, adjust_lr_fn="x"), ValueError, 'None, "original" or "match_rms_ad'),
        (lambda p: Muon(p, ns_coefficients=(1, 2)), TypeError, "ns_coefficients must be 3 numbers"),
        (lambda p: Muon(p, ns_steps=2.5), TypeError, "ns_steps must be an integer"),
        (lambda p: Muon(p, state_dtype="bfloat16"), ValueError, "would spoil Muon"),
        (lambda p: Muon(p).step(([0], p[:1].copy())), TypeError, "takes no sparse gradients"),
    ],
)
def test_what_cannot_be(call, error, match):
    with pytest.raises(error, match=match):
        call(np.ones((3, 4), np.float32))
