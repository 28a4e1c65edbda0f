"""Update rules: their recurrences in high precision, every element, torch, and convergence."""

import mpmath
import numpy as np
import pytest
from isa import OTHERS, result_on
from mpmath import mp, mpf
from optim_rules import (
    APART,
    IDS,
    L1L2,
    LAYERWISE,
    OF_MATRICES,
    RULES,
    VARIANTS,
    WHOLE,
    all_options,
)

import fastloss as fl
from fastloss import _core

DTYPES = (np.float32, np.float64)
WIDEST = 16  # float32 lanes of AVX-512


def inputs(n, dtype, steps, seed=0):
    """Parameters, and gradients that change sign and size."""
    rng = np.random.default_rng(seed)
    p = rng.normal(size=n).astype(dtype)
    scale = 10.0 ** rng.uniform(-3, 1, n)
    return p, [(scale * (rng.normal(size=n) + 0.5)).astype(dtype) for _ in range(steps)]


def run(cls, options, p, grads, **more):
    p = p.copy()
    opt = cls(p, **options, **more)
    for g in grads:
        assert opt.step(g) is True
    return p, opt


def test_all_rules_are_tested():
    tested = [*RULES, *LAYERWISE, *OF_MATRICES]
    assert {cls.__name__ for cls in tested} == set(fl.optim.optimizer_names())
    kernels = {cls._kernel_name for cls in tested}
    assert kernels == set(_core.kernel_rules)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "options"), VARIANTS, ids=IDS)
def test_fifty_steps_to_fifty_digits(cls, options, dtype):
    n, steps = 7, 50
    p, grads = inputs(n, dtype, steps)
    got, _ = run(cls, options, p, grads)
    full = all_options(cls, options)
    # of p itself, in a step: it may shrink before, and a penalty takes its own step
    shrinks = full.get("decoupled_weight_decay", cls in (fl.optim.AdamW, fl.optim.Adan))
    roundings = 1 + bool(shrinks and full["weight_decay"]) + 2 * bool(full.get("penalty"))
    with mp.workdps(50):

        def exact(value):
            if isinstance(value, tuple):
                return tuple(map(mpf, value))
            return mpf(value) if isinstance(value, float) else value

        full = {key: exact(value) for key, value in full.items()}
        for i in range(n):
            x, state, travelled = mpf(float(p[i])), {}, mpf(0)
            for t, g in enumerate(grads, 1):
                before = x
                x = RULES[cls][0](x, mpf(float(g[i])), state, t, full["lr"], full, mpmath.sqrt)
                travelled += abs(x - before)
            size = max(abs(p[i]), abs(x))
            budget = np.finfo(dtype).eps * (roundings * steps * size / 4 + 20 * travelled)
            assert abs(mpf(float(got[i])) - x) <= budget


@pytest.mark.parametrize(("cls", "options"), VARIANTS, ids=IDS)
def test_a_thousand_steps_in_float64(cls, options):
    n, steps = 33, 1000
    p, grads = inputs(n, np.float64, steps)
    got, _ = run(cls, options, p, grads)
    full = all_options(cls, options)
    for i in range(0, n, 8):
        x, state = p[i], {}
        for t, g in enumerate(grads, 1):
            x = RULES[cls][0](x, g[i], state, t, full["lr"], full, np.sqrt)
        np.testing.assert_allclose(got[i], x, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 7, 16, 33])
@pytest.mark.parametrize(("cls", "options"), WHOLE)
def test_fifty_steps_of_whole_arrays_to_fifty_digits(cls, options, n, dtype):
    steps = 50
    p, grads = inputs(n, dtype, steps)
    other = [p, np.zeros(4097, dtype)]  # whose norm is 0 at first, and which is nobody's business
    params = [x.copy() for x in other]
    opt = cls(params, **options)
    for g in grads:
        opt.step([g, np.ones(4097, dtype)])
    full = all_options(cls, options)
    with mp.workdps(50):
        full = {k: tuple(map(mpf, v)) if isinstance(v, tuple) else mpf(v) for k, v in full.items()}
        for got, start, gs in (
            (params[0], p, grads),
            (params[1][-1:] * 1, other[1][-1:], [np.ones(1, dtype)] * steps),
        ):
            x, state, travelled = np.array([mpf(float(v)) for v in start]), {}, mpf(0)
            for t, g in enumerate(gs, 1):
                before, g = x, np.array([mpf(float(v)) for v in g])
                x = LAYERWISE[cls][0](x, g, state, t, full["lr"], full, mpmath.sqrt)
                travelled = travelled + abs(x - before)
            for i in range(len(x)):
                size = max(abs(start[i]), abs(x[i]))
                budget = np.finfo(dtype).eps * (steps * size / 4 + 20 * travelled[i])
                assert abs(mpf(float(got[i])) - x[i]) <= budget


def every_size(cls, options, dtype):
    """Parameters after three steps, for all sizes: all elements are those of a size of one."""
    p, grads = inputs(4 * WIDEST + 1, dtype, 3, seed=1)
    grads = [np.where(g == 0, 1, g).astype(dtype) for g in grads]
    single = np.concatenate(
        [run(cls, options, p[i : i + 1], [g[i : i + 1] for g in grads])[0] for i in range(p.size)]
    )
    assert (single != p).all()
    for n in range(1, p.size + 1):
        got, _ = run(cls, options, p[:n], [g[:n] for g in grads])
        assert got.tobytes() == single[:n].tobytes(), f"n = {n}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "options"), VARIANTS, ids=IDS)
def test_every_element_moves_at_every_size(cls, options, dtype):
    if options.get("l1"):
        options = options | {"l1": 1e-3}  # or it would keep some at 0
    every_size(cls, options, dtype)


def final(cls, options, dtype):
    """Parameters after a few steps, for other instruction sets to compare with."""
    p, grads = inputs(1003, dtype, 20, seed=2)
    return run(cls, options, p, grads)[0]


def outcomes():
    """The final parameters of every variant, which take every size too."""
    for cls, options in VARIANTS:
        every_size(cls, options | ({"l1": 1e-3} if options.get("l1") else {}), DTYPES[0])
    return [final(cls, options, dtype) for cls, options in VARIANTS for dtype in DTYPES]


@pytest.mark.parametrize("isa", OTHERS)
def test_instruction_sets_agree(isa):
    cases = [(cls, options, dtype) for cls, options in VARIANTS for dtype in DTYPES]
    for (cls, options, dtype), got in zip(cases, result_on(isa, outcomes), strict=True):
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(got, final(cls, options, dtype), rtol=100 * eps, atol=100 * eps)


TORCH = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.8, "dampening": 0.4, "weight_decay": 0.1}],
    "Adagrad": [{}, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}],
    "RMSprop": [{}, {"momentum": 0.9}, {"centered": True}, {"alpha": 0.5, "eps": 0.1},
                {"centered": True, "momentum": 0.5, "weight_decay": 0.1}],
    "Adadelta": [{}, {"rho": 0.5, "weight_decay": 0.1}],
    "ASGD": [{}, {"lambd": 0.1, "alpha": 0.6, "t0": 20, "weight_decay": 0.1}],
    "Rprop": [{}, {"etas": (0.3, 1.5), "step_sizes": (0.001, 0.1)}],
    "Adam": [{}, {"amsgrad": True}, {"weight_decay": 0.1, "betas": (0.5, 0.7)},
             {"maximize": True, **APART}],
    "AdamW": [{}, {"amsgrad": True}, {"weight_decay": 0.1, "eps": 0.1}],
    "Adamax": [{}, {"weight_decay": 0.1, "betas": (0.5, 0.7)}],
    "NAdam": [{}, {"weight_decay": 0.1, "momentum_decay": 0.1}, APART],
    "RAdam": [{}, {"weight_decay": 0.1, "betas": (0.5, 0.9)}, APART],
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name, all in TORCH.items() for options in all]
)
def test_parity_with_torch(name, options, dtype):
    torch = pytest.importorskip("torch", reason="torch is the peer")
    p, grads = inputs(50, dtype, 200)
    theirs = torch.from_numpy(p.copy())
    before = torch.get_default_dtype()
    torch.set_default_dtype(theirs.dtype)  # of NAdam's product of the mus
    try:
        their_opt = getattr(torch.optim, name)([theirs], lr=0.01, **options)
        for g in grads:
            theirs.grad = torch.from_numpy(g)
            their_opt.step()
    finally:
        torch.set_default_dtype(before)
    got, _ = run(getattr(fl.optim, name.replace("grad", "Grad")), options | {"lr": 0.01}, p, grads)
    tolerance = 1e-10 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(got, theirs.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_places_eps_outside_of_the_root(dtype):
    p = np.zeros(5, dtype)
    fl.optim.Adam(p, lr=0.1, eps=1e-8).step(np.full(5, 1e-8, dtype))
    np.testing.assert_allclose(p, -0.05, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_adamw_decays_before_the_step(dtype):
    p = np.ones(3, dtype)
    fl.optim.AdamW(p, lr=0.1, weight_decay=0.1, eps=0.0).step(np.full(3, 7, dtype))
    np.testing.assert_allclose(p, 0.89, rtol=1e-6)


def test_one_count_whatever_the_number_of_arrays():
    params = [np.zeros(n, np.float32) for n in (3, 5, 7, 11)]
    opt = fl.optim.Adam(params, lr=0.1)
    for _ in range(3):
        opt.step([np.ones_like(p) for p in params])
    assert opt.step_count == 3
    alone, _ = run(
        fl.optim.Adam, {"lr": 0.1}, np.zeros(3, np.float32), [np.ones(3, np.float32)] * 3
    )
    for p in params:
        assert (p == alone[0]).all()


@pytest.mark.parametrize("n", [65_537, 1_000_003])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Adam", {}),
        ("Adam", {"max_norm": 1.0, "clip_value": 1e-3}),
        ("LAMB", {}),
        ("Adafactor", {}),
    ],
)
def test_bits_are_the_same_for_every_number_of_threads(n, dtype, name, more):
    sizes = [n, 1, 17, n // 3, 5000, 4096, 4097, 0, 10]
    results = set()
    for threads in (1, 2, 7, 16):
        rng = np.random.default_rng(n)
        params = [rng.normal(size=size).astype(dtype) for size in sizes]
        with fl.num_threads(threads):
            opt = getattr(fl.optim, name)(params, lr=0.1, **more)
            for _ in range(3):
                opt.step([rng.normal(size=size).astype(dtype) for size in sizes])
        results.add(b"".join(p.tobytes() for p in params))
    assert len(results) == 1


@pytest.mark.parametrize(("cls", "options"), VARIANTS, ids=IDS)
def test_bits_of_every_rule_are_the_same_for_every_number_of_threads(cls, options):
    p, grads = inputs(70_007, np.float32, 2)  # enough for threads, whatever the state
    with fl.num_threads(1):
        expected, _ = run(cls, options, p, grads)
    for threads in (2, 7, 16):
        with fl.num_threads(threads):
            assert run(cls, options, p, grads)[0].tobytes() == expected.tobytes()


# rates with which each rule gets somewhere
RATES = {
    "SGD": {"lr": 1e-3, "momentum": 0.9}, "Momentum": {"lr": 1e-3}, "NAG": {"lr": 1e-3},
    "AdaGrad": {"lr": 0.5}, "RMSprop": {"lr": lambda t: 0.01 / (1 + t / 200)},
    "Adadelta": {"lr": 1.0, "rho": 0.99},
    "Adam": {"lr": 0.02}, "AdamW": {"lr": 0.02, "weight_decay": 0.0}, "Adamax": {"lr": 0.05},
    "NAdam": {"lr": 0.02}, "RAdam": {"lr": 5e-3}, "Lion": {"lr": lambda t: 0.02 / (1 + t / 50)},
    "FTRL": {"lr": 0.5}, "AdaptiveGradient": {"lr": 0.01},
    "ASGD": {"lr": 1e-3, "lambd": 0.0}, "Rprop": {}, "Adan": {"lr": 5e-3},
    "ScheduleFreeSGD": {"lr": 5e-3}, "ScheduleFreeAdamW": {"lr": 0.02},
    "LAMB": {"lr": lambda t: 0.02 / (1 + t / 200), "weight_decay": 0.0},
    "Adafactor": {"lr": lambda t: 0.02 / (1 + t / 200)},
}  # fmt: skip


@pytest.mark.parametrize("cls", [*RULES, *LAYERWISE], ids=lambda cls: cls.__name__)
def test_the_valley_of_rosenbrock(cls):
    p = np.array([-1.2, 1.0])
    opt = cls(p, **RATES[cls.__name__])

    def value():
        return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2

    start = value()
    for _ in range(5000):
        slope = p[1] - p[0] ** 2
        opt.step(np.array([-2 * (1 - p[0]) - 400 * p[0] * slope, 200 * slope]))
    assert value() < 0.05 * start


@pytest.mark.parametrize("cls", [*RULES, *LAYERWISE], ids=lambda cls: cls.__name__)
def test_a_badly_scaled_quadratic(cls):
    scale = 10.0 ** np.linspace(-1, 2, 40)
    p = np.ones(40)
    opt = cls(p, **RATES[cls.__name__])
    for _ in range(5000):
        opt.step(scale * p)
    assert (scale * p**2).sum() < 1e-2 * scale.sum()


def test_a_proximal_step_at_zero():
    p = np.array([0.05, -0.05, 0.5, -0.5, np.nan])
    fl.optim.SGD(p, lr=0.1, penalty=L1L2(l1=1.0, l2=10.0)).step(np.zeros(5))
    np.testing.assert_allclose(p, [0, 0, 0.2, -0.2, np.nan], rtol=1e-15)
    p = np.array([0.05, -0.5])
    opt = fl.optim.AdaGrad(p, lr=0.1, penalty=L1L2(l1=1.0), initial_accumulator_value=4.0)
    opt.step(np.zeros(2))  # a rate of 0.05
    np.testing.assert_allclose(p, [0, -0.45], rtol=1e-8, atol=1e-10)
