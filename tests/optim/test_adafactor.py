"""Adafactor with factored state: against its recurrence in any shape, and torch."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from optim_rules import adafactor

import fastloss as fl
from fastloss.optim import Adafactor

DTYPES = (np.float32, np.float64)
SHAPES = [
    (), (1,), (5,), (300,), (1, 1), (1, 9), (9, 1), (3, 3), (7, 33), (65, 16), (5, 4, 3), (2, 1, 4),
    (70, 1030), (2, 130, 1025), (3, 2, 3, 3), (300, 2),
]  # fmt: skip
OPTIONS = [
    {},
    {"lr": 0.5, "beta2_decay": -0.5, "eps": (1e-4, 0.1), "d": 2.0, "weight_decay": 0.1},
]


def inputs(shape, dtype, steps, seed=0):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-3, 1, shape)
    p = rng.normal(size=shape)
    grads = [scale * (rng.normal(size=shape) + 0.5) for _ in range(steps)]
    return np.array(p, dtype), [np.array(g, dtype) for g in grads]


def options_of(opt, dtype):
    full = opt.state_dict()["groups"][0]
    first, second = full["eps"]
    return full | {"eps": (float(np.finfo(dtype).eps) if first is None else first, second)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (4, 5), (2, 3, 3)])
def test_twenty_steps_to_fifty_digits(shape, options, dtype):
    steps = 20
    p, grads = inputs(shape, dtype, steps)
    x = p.astype(object)
    opt = Adafactor(p, **options)
    with mp.workdps(50):
        exact = np.vectorize(lambda v: mpf(float(v)), otypes=[object])
        full = {
            key: tuple(map(mpf, value)) if isinstance(value, tuple) else mpf(value)
            for key, value in options_of(opt, dtype).items()
        }
        x, start, state, travelled = exact(p), p.copy(), {}, mpf(0)
        for t, g in enumerate(grads, 1):
            opt.step(g)
            before = x
            x = adafactor(x, exact(g), state, t, full["lr"], full, mpmath.sqrt)
            travelled = travelled + abs(x - before)
        size = np.maximum(abs(start), abs(x))
        budget = np.finfo(dtype).eps * (steps * size / 4 + 20 * travelled)
        assert (abs(exact(p) - x) <= budget).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_many_steps_of_every_shape(shape, options, dtype):
    p, grads = inputs(shape, dtype, 50)
    opt = Adafactor(p, **options)
    full, x, state = options_of(opt, dtype), p.astype(np.float64), {}
    for t, g in enumerate(grads, 1):
        opt.step(g)
        x = adafactor(np.array(x), g.astype(np.float64), state, t, full["lr"], full, np.sqrt)
    rtol = 2e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(p, x, rtol=rtol, atol=rtol)
    held = opt.state_dict()["state"][0]
    assert set(held) == set(state)
    for name, array in held.items():
        assert array.shape == state[name].shape and array.dtype == dtype
        np.testing.assert_allclose(array, state[name], rtol=rtol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_parity_with_torch(shape, options, dtype):
    torch = pytest.importorskip("torch", reason="torch is the peer")
    p, grads = inputs(shape, dtype, 50)
    # in float64: in float32 torch's norms of many elements lose four digits
    theirs = torch.from_numpy(p.astype(np.float64))
    opt = Adafactor(p, **options)
    same = options | {"eps": options_of(opt, dtype)["eps"]}
    their_opt = torch.optim.Adafactor([theirs], **same)
    for g in grads:
        theirs.grad = torch.from_numpy(g.astype(np.float64))
        their_opt.step()
        opt.step(g)
    tolerance = 1e-10 if dtype is np.float64 else 2e-5
    np.testing.assert_allclose(p, theirs.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("more", [{}, {"max_norm": 1.0, "clip_value": 1e-3}])
def test_bits_are_the_same_for_every_number_of_threads(more, dtype):
    shapes = [(700, 1100), (3, 3), (50, 40, 3, 3), (70_001,), (1, 5000), (5000, 1), (0, 3), ()]
    results = set()
    for threads in (1, 2, 7, 16):
        rng = np.random.default_rng(0)
        params = [np.array(rng.normal(size=shape), dtype) for shape in shapes]
        with fl.num_threads(threads):
            opt = Adafactor(params, **more)
            for _ in range(3):
                opt.step([np.array(rng.normal(size=shape), dtype) for shape in shapes])
        results.add(b"".join(p.tobytes() for p in params))
    assert len(results) == 1


@pytest.mark.parametrize("options", OPTIONS)
def test_resuming_gives_the_bits_of_going_on(options, tmp_path):
    shapes = [(7, 33), (5, 4, 3), (9,), ()]
    rng = np.random.default_rng(0)
    params = [np.array(rng.normal(size=shape)) for shape in shapes]
    grads = [[np.array(rng.normal(size=shape)) for shape in shapes] for _ in range(8)]
    opt = Adafactor(params, **options)
    for g in grads[:4]:
        opt.step(g)
    saved, copies = opt.state_dict(), [p.copy() for p in params]
    opt.save(tmp_path / "state")
    loaded = [p.copy() for p in params]
    again = Adafactor(copies)
    again.load_state_dict(saved)
    from_file = fl.optim.load(tmp_path / "state", loaded)
    for g in grads[4:]:
        for one in (opt, again, from_file):
            one.step(g)
    for p, other, third in zip(params, copies, loaded, strict=True):
        assert p.tobytes() == other.tobytes() == third.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (3, 4)])
@pytest.mark.parametrize("eps", [(None, 1e-3), (1e-300, 1e-3)])
def test_gradients_of_zeros(eps, shape, dtype):
    p = np.ones(shape, dtype)
    Adafactor(p, eps=eps).step(np.zeros(shape, dtype))
    assert (p == 1).all()


def test_the_norm_comes_first():
    rng = np.random.default_rng(0)
    p, g = rng.normal(size=(20, 30)), rng.normal(size=(20, 30))
    one, other = p.copy(), p.copy()
    norm = np.sqrt((g * g).sum())
    options = {"eps": (0.1, 1e-3)}
    Adafactor(one, max_norm=norm / 4, clip_value=0.25, **options).step(g)
    Adafactor(other, **options).step(np.clip(g / 4, -0.25, 0.25))
    np.testing.assert_allclose(one, other, rtol=1e-13)


def test_nan_stays_nan():
    p, g = np.ones((4, 5), np.float32), np.ones((4, 5), np.float32)
    g[1, 2] = np.nan
    Adafactor(p).step(g)
    assert np.isnan(p[1, 2])
    p, g = np.ones(5, np.float32), np.ones(5, np.float32)
    g[2] = np.nan
    Adafactor(p).step(g)
    assert np.isnan(p[2]) and np.isfinite(np.delete(p, 2)).all()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"eps": 1e-3}, TypeError, "eps must be a pair"),
        ({"eps": (0.0, 1e-3)}, ValueError, r"eps\[0\] must be in \(0, inf\)"),
        ({"eps": (None, -1.0)}, ValueError, r"eps\[1\] must be in \[0, inf\)"),
        ({"d": 0.5}, ValueError, r"d must be in \[1, inf\)"),
        ({"beta2_decay": 0.5}, ValueError, r"beta2_decay must be in \[-1, 0\]"),
        ({"weight_decay": -0.5}, ValueError, "weight_decay"),
    ],
)
def test_options_out_of_range(options, error, match):
    with pytest.raises(error, match=match):
        Adafactor(np.zeros(3), **options)


def test_memory_orders():
    with pytest.raises(ValueError, match="must be C-contiguous for Adafactor; got shape"):
        Adafactor(np.zeros((3, 4), order="F"))
