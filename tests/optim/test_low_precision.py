"""Parameters of float16 and bfloat16: what is rounded, and that their float32 is not lost."""

import ml_dtypes
import numpy as np
import pytest

import fastloss as fl
from fastloss.optim import SGD, Adafactor, Adam

LOW = [np.float16, ml_dtypes.bfloat16]
EVERY = [
    cls
    for name in fl.optim.optimizer_names()
    if (cls := getattr(fl.optim, name)) is not Adafactor and cls._axes is None
]

pytestmark = pytest.mark.parametrize("low", LOW, ids=lambda dtype: np.dtype(dtype).name)


def bits(array):
    return np.asarray(array).view(np.uint16)


def every_number(low):
    """All numbers of a dtype, in float32; NaN among them."""
    return np.arange(1 << 16, dtype=np.uint16).view(low).astype(np.float32)


def inputs(n, low, steps=4):
    rng = np.random.default_rng(0)
    grads = [(rng.normal(size=n) + 0.5).astype(low) for _ in range(steps)]
    return rng.normal(size=n).astype(low), grads


def options_of(cls):
    return {"lr": 0.1} | ({"momentum": 0.9} if cls is SGD else {})


def test_every_number_is_read_and_written(low):
    grads = every_number(low)
    for given in (grads, grads.astype(low)):
        p = np.zeros(grads.size, low)
        SGD(p, lr=1.0).step(given)
        finite = grads == grads
        np.testing.assert_array_equal(p[finite].astype(np.float32), -grads[finite])
        assert np.isnan(p[~finite].astype(np.float32)).all()


def test_rounding_is_to_nearest_ties_to_even(low):
    ends = np.unique(every_number(low)[np.isfinite(every_number(low))])
    ties = ((ends[1:].astype(float) + ends[:-1]) / 2).astype(np.float32)
    near = [np.nextafter(ties, np.float32(away)) for away in (-np.inf, np.inf)]
    beyond = np.float32([65519.996, 65520.0, 3.3895314e38, 3.3961775e38, 1e38, np.inf])
    rng = np.random.default_rng(0)
    some = rng.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    x = np.concatenate([ties, *near, beyond, -beyond, some[np.isfinite(some)]])
    p = np.zeros(x.size, low)
    SGD(p, lr=1.0).step(-x)
    with np.errstate(over="ignore"):
        expected = x.astype(low)
    zero = expected == 0  # 0 - -0 is 0
    np.testing.assert_array_equal(bits(p)[~zero], bits(expected)[~zero])
    assert (p[zero] == 0).all()


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("n", [*range(1, 18), 255, 256, 257, 5003])
def test_it_is_the_float32_optimizer_rounded_at_the_end(cls, n, low):
    p, grads = inputs(n, low)
    master = p.astype(np.float32)
    opt, reference = cls(p, **options_of(cls)), cls(master, **options_of(cls))
    for k, grad in enumerate(grads):
        reference.step(grad.astype(np.float32))
        opt.step(grad if k % 2 else grad.astype(np.float32))
        np.testing.assert_array_equal(bits(p), bits(master.astype(low)))
    state = opt.state_dict()["state"][0]
    np.testing.assert_array_equal(state.pop("master"), master)
    for name, expected in reference.state_dict()["state"][0].items():
        np.testing.assert_array_equal(state[name], expected)


def test_steps_below_the_spacing_add_up(low):
    p = np.ones(3, low)
    opt = SGD(p, lr=1e-5)
    for _ in range(3000):
        opt.step(np.ones(3, low))
    assert p.astype(float) == pytest.approx(1 - 0.03, abs=2.0**-8)  # the spacing of bfloat16


def test_what_is_written_to_the_parameters_is_taken_over(low):
    p = np.ones(300, low)
    opt = SGD(p, lr=0.125)
    opt.step(np.full(300, 0.001, low))
    kept = opt.state_dict()["state"][0]["master"].copy()
    p[7], p[299] = 5, -2
    opt.step(np.zeros(300, low))
    expected = np.float32(kept)
    expected[[7, 299]] = 5, -2
    np.testing.assert_array_equal(opt.state_dict()["state"][0]["master"], expected)
    np.testing.assert_array_equal(bits(p), bits(expected.astype(low)))


@pytest.mark.parametrize("state_dtype", [None, "bfloat16", "8bit"])
def test_bits_do_not_depend_on_threads_or_on_resuming(state_dtype, low, tmp_path):
    n = 300_007
    start, grads = inputs(n, low)
    found = set()
    for threads in (1, 2, 7):
        with fl.num_threads(threads):
            p = start.copy()
            opt = Adam([p, p[:5].copy()], lr=0.1, max_norm=1.0, state_dtype=state_dtype)
            for k, grad in enumerate(grads):
                opt.step([grad, grad[:5]])
                if k == 1:
                    opt.save(tmp_path / "state")
                    opt = fl.optim.load(tmp_path / "state", [p, p[:5].copy()])
        held = opt.state_dict()["state"][0]
        found.add((p.tobytes(), *(array.tobytes() for array in held.values())))
    p = start.copy()
    opt = Adam([p, p[:5].copy()], lr=0.1, max_norm=1.0, state_dtype=state_dtype)
    for grad in grads:
        opt.step([grad, grad[:5]])
    found.add((p.tobytes(), *(a.tobytes() for a in opt.state_dict()["state"][0].values())))
    assert len(found) == 1


def test_clipping_and_what_is_not_finite(low):
    p = np.zeros(600, low)
    grad = np.zeros(600, low)
    grad[[3, 599]] = 3, 4
    SGD(p, lr=1.0, max_norm=1.0).step(grad)
    np.testing.assert_array_equal(bits(p[[3, 599]]), bits(np.array([-0.6, -0.8]).astype(low)))
    grad[400] = np.inf
    p[:] = 1
    assert not SGD(p, lr=1.0, nonfinite="skip").step(grad)
    with pytest.raises(fl.DomainError, match=r"grads\[400\] = inf"):
        SGD(p, lr=1.0, nonfinite="raise").step(grad)
    assert (p == 1).all()


def test_orders_groups_and_a_penalty(low):
    p, q = np.asfortranarray(np.ones((3, 5), low)), np.ones(4, np.float64)
    grad = np.asfortranarray(np.arange(15).reshape(3, 5)).astype(low, order="F")
    opt = SGD(
        [{"params": p, "penalty": fl.penalties.L1(1.0)}, {"params": {"q": q}, "lr": 0.5}], lr=0.125
    )
    opt.step([grad, {"q": np.ones(4)}])
    expected = np.maximum(1 - 0.125 * np.arange(15.0) - 0.125, 0) - np.maximum(
        -(1 - 0.125 * np.arange(15.0)) - 0.125, 0
    )
    np.testing.assert_array_equal(p.astype(float), expected.reshape(3, 5))
    assert (q == 0.5).all()
    assert opt.state_dict()["state"][0]["master"].flags.f_contiguous


def test_empty_and_scalar_arrays(low):
    params = [np.zeros((0, 3), low), np.array(1.0).astype(low)]
    opt = Adam(params, lr=0.5)
    assert opt.step([np.zeros((0, 3), low), np.array(1.0).astype(low)])
    assert params[1] == 0.5


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda p: SGD(p).step(np.zeros(3)), TypeError, "as its parameter is, or float32; got f"),
        (lambda p: SGD(p).step(np.zeros(3, np.uint16)), TypeError, "or float32; got uint16"),
        (lambda p: SGD(p).step(p), ValueError, "shares memory"),
        (lambda p: SGD(p).step(np.zeros(4, p.dtype)), ValueError, r"the shape \(3,\)"),
        (lambda p: Adam(p).step(([0], p[:1].copy())), TypeError, "must be an array where"),
        (lambda p: Adafactor(p), TypeError, "must be float32 or float64 for Adafactor; got"),
        (lambda p: SGD(p, penalty=fl.penalties.GroupLasso(1.0)), TypeError, "proximal step"),
        (lambda p: Adam(p, state_dtype="float64"), TypeError, "in float64; those of params"),
    ],
)
def test_what_cannot_be(call, error, match, low):
    p = np.ones(3, low)
    with pytest.raises(error, match=match):
        call(p)
    assert (p == 1).all()


def test_state_of_other_parameters_is_not_taken_over(low):
    full, opt = Adam(np.ones(3, np.float32)), Adam(np.ones(3, low))
    for to, of, what in ((opt, full, "lacks the key"), (full, opt, "must not have the key")):
        with pytest.raises(ValueError, match=rf"state\['state'\]\[0\].*{what}.*'master'"):
            to.load_state_dict(of.state_dict())
