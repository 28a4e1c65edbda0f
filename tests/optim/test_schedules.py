"""Schedules: against peers step by step, against their formulas, and at their ends."""

import copy
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st
from mpmath import cos, floor, mp, mpf, pi

import fastloss.optim.schedules as fs

SCHEDULES = [
    fs.Constant(0.1),
    fs.Step(0.3, step_size=30),
    fs.Step(0.3, milestones=(1, 40, 41, 300), gamma=0.7),
    fs.Exponential(0.3, gamma=0.97),
    fs.Polynomial(0.3, total=100),
    fs.Polynomial(0.3, total=300, power=2.5, lr_end=0.01),
    fs.InverseScaling(0.3),
    fs.InverseScaling(0.3, power_t=0.25),
    fs.Cosine(0.3, T_0=50, T_mult=1),
    fs.Cosine(0.3, T_0=7, T_mult=3, lr_min=0.02),
    fs.Cosine(0.3, T_0=300, lr_min=0.02),
    fs.Warmup(fs.Cosine(0.3, T_0=50, T_mult=1), steps=20, start=0.25),
    fs.Cosine(0.3, T_0=30, T_mult=2, lr_min=0.02, gamma=0.8),
    fs.Cosine(0.3, T_0=30, T_mult=1, gamma=0.5),
    fs.Cyclic(0.3, step_size_up=20),
    fs.Cyclic(0.3, step_size_up=7, step_size_down=50, lr_min=0.02, mode="triangular2"),
    fs.Cyclic(0.3, step_size_up=31, step_size_down=1, mode="exp_range", gamma=0.99),
    fs.InverseTime(0.3, decay_rate=0.5),
    fs.InverseTime(0.3, decay_rate=0.5, decay_steps=30, staircase=True),
    fs.Piecewise((), (0.3,)),
    fs.Piecewise((30, 31, 200), (0.3, 0.0, 0.2, 0.1)),
    fs.Piecewise((30, 31, 200), (0.0, 0.3, 0.2, 0.1), interpolation="linear"),
    fs.Piecewise((30, 31, 200), (0.0, 0.3, 0.2, 0.1), interpolation="cosine"),
    fs.Joined([fs.Constant(0.3)], []),
    fs.Joined([fs.Constant(0.3), fs.Exponential(0.1, 0.9), fs.Cosine(0.2, 30)], (1, 100)),
    fs.OneCycle(0.3, total=200),
    fs.OneCycle(0.3, total=200, anneal_strategy="linear"),
    fs.OneCycle(0.3, total=1, pct_start=1.0),
    fs.OneCycle(0.3, total=400, pct_start=0.11, div_factor=10, final_div_factor=100),
    fs.ReduceOnPlateau(0.3, patience=2, cooldown=3, mode="max"),
]
NO_TORCH = {fs.InverseScaling, fs.InverseTime, fs.Piecewise, fs.ReduceOnPlateau}
PURE = [schedule for schedule in SCHEDULES if not isinstance(schedule, fs.ReduceOnPlateau)]
each = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
each_pure = pytest.mark.parametrize("schedule", PURE, ids=repr)


# ---- against torch


def peers():
    """Schedules, and torch's of the same meaning."""
    of = pytest.importorskip("torch.optim.lr_scheduler", reason="it is the peer here")

    def warm(optimizer):
        rise = of.LinearLR(optimizer, start_factor=0.25, total_iters=20)
        inner = of.CosineAnnealingWarmRestarts(optimizer, 50)
        return of.SequentialLR(optimizer, [rise, inner], milestones=[20])

    def cycle(**options):
        return lambda o: of.OneCycleLR(o, 0.3, cycle_momentum=False, **options)

    def cycles(*lengths, base_lr=0.0, **options):
        return lambda o: of.CyclicLR(o, base_lr, 0.3, *lengths, cycle_momentum=False, **options)

    def joined(optimizer):
        first, second = of.ExponentialLR(optimizer, 0.9), of.ConstantLR(optimizer, 1 / 3, 10**9)
        return of.SequentialLR(optimizer, [first, second], milestones=[40])

    return {
        fs.Constant(0.3): lambda o: of.ConstantLR(o, factor=1.0),
        fs.Step(0.3, step_size=30): lambda o: of.StepLR(o, 30),
        fs.Step(0.3, milestones=(1, 40, 41, 300), gamma=0.7): lambda o: of.MultiStepLR(
            o, [1, 40, 41, 300], gamma=0.7
        ),
        fs.Exponential(0.3, gamma=0.97): lambda o: of.ExponentialLR(o, 0.97),
        fs.Polynomial(0.3, total=450): lambda o: of.PolynomialLR(o, 450),
        fs.Polynomial(0.3, total=300, power=2.5): lambda o: of.PolynomialLR(o, 300, 2.5),
        fs.Cosine(0.3, T_0=50, T_mult=1): lambda o: of.CosineAnnealingWarmRestarts(o, 50),
        fs.Cosine(0.3, T_0=7, T_mult=3, lr_min=0.02): lambda o: of.CosineAnnealingWarmRestarts(
            o, 7, 3, eta_min=0.02
        ),
        fs.Cosine(0.3, T_0=500, lr_min=0.02): lambda o: of.CosineAnnealingLR(o, 500, eta_min=0.02),
        fs.Warmup(fs.Cosine(0.3, T_0=50, T_mult=1), steps=20, start=0.25): warm,
        fs.Cyclic(0.3, step_size_up=20): cycles(20),
        fs.Cyclic(0.3, step_size_up=7, step_size_down=50, lr_min=0.02, mode="triangular2"): cycles(
            7, 50, base_lr=0.02, mode="triangular2"
        ),
        fs.Cyclic(0.3, step_size_up=31, step_size_down=1, mode="exp_range", gamma=0.99): cycles(
            31, 1, mode="exp_range", gamma=0.99
        ),
        fs.Joined([fs.Exponential(0.3, 0.9), fs.Constant(0.1)], [40]): joined,
        fs.OneCycle(0.3, total=500): cycle(total_steps=500),
        fs.OneCycle(0.3, total=500, anneal_strategy="linear"): cycle(
            total_steps=500, anneal_strategy="linear"
        ),
        fs.OneCycle(0.3, total=500, pct_start=0.11, div_factor=10, final_div_factor=100): cycle(
            total_steps=500, pct_start=0.11, div_factor=10, final_div_factor=100
        ),
    }


def torch_optimizer(lr):
    torch = pytest.importorskip("torch", reason="it is the peer here")
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_torch_has_the_same_rates():
    for schedule, make in peers().items():
        optimizer = torch_optimizer(0.3)
        peer = make(optimizer)
        for step in range(500):
            # torch multiplies the last rate, and collects its roundings; those are absolute
            assert schedule(step) == pytest.approx(
                optimizer.param_groups[0]["lr"], rel=1e-11, abs=1e-14
            ), (schedule, step)
            if step < 499:
                optimizer.step()
                peer.step()


def test_optax_has_the_same_rates():
    optax = pytest.importorskip("optax", reason="it is the peer here")
    jax = pytest.importorskip("jax", reason="optax needs it")
    T = 400
    for schedule, peer in {
        fs.Piecewise((30, 90), (0.3, 0.03, 0.06)): optax.piecewise_constant_schedule(
            0.3, {30: 0.1, 90: 2.0}
        ),
        fs.Piecewise((30, 90), (0.3, 0.03, 0.06), "linear"): optax.piecewise_interpolate_schedule(
            "linear", 0.3, {30: 0.1, 90: 2.0}
        ),
        fs.Piecewise((30, 90), (0.3, 0.03, 0.06), "cosine"): optax.piecewise_interpolate_schedule(
            "cosine", 0.3, {30: 0.1, 90: 2.0}
        ),
        # a cycle of three phases: up, down as far, and far below
        fs.Piecewise(
            (120, 340, T), (0.3 / 25, 0.3, 0.3 / 25, 0.3 / 25e4), "linear"
        ): optax.linear_onecycle_schedule(T, 0.3),
        fs.Piecewise(
            (120, T), (0.3 / 25, 0.3, 0.3 / 25e4), "cosine"
        ): optax.cosine_onecycle_schedule(T, 0.3),
        # transition_begin is a delay
        fs.Warmup(fs.Exponential(0.3, 0.5 ** (1 / 20)), steps=25, start=1.0): (
            optax.exponential_decay(0.3, 20, 0.5, transition_begin=25)
        ),
        fs.Joined([fs.Constant(0.3), fs.Cosine(0.2, 50)], [40]): optax.join_schedules(
            [optax.constant_schedule(0.3), optax.cosine_decay_schedule(0.2, 50)], [40]
        ),
        fs.Joined([fs.Warmup(fs.Cosine(0.3, 40), 10), fs.Warmup(fs.Cosine(0.1, 60), 20)], [50]): (
            optax.sgdr_schedule([
                {"init_value": 0.0, "peak_value": 0.3, "decay_steps": 50, "warmup_steps": 10},
                {"init_value": 0.0, "peak_value": 0.1, "decay_steps": 80, "warmup_steps": 20},
            ])
        ),
    }.items():  # fmt: skip
        with jax.enable_x64(True):
            rates = jax.vmap(peer)(np.arange(T + 50))
        ours = [schedule(step) for step in range(T + 50)]
        np.testing.assert_allclose(ours, rates, rtol=1e-6, atol=1e-9, err_msg=repr(schedule))


@pytest.mark.parametrize("options", [
    {},
    {"factor": 0.5, "patience": 0, "cooldown": 2},
    {"factor": 0.7, "patience": 3, "threshold": 0.05, "mode": "max"},
    {"factor": 0.3, "patience": 1, "threshold": 0.0, "cooldown": 5, "min_lr": 0.01},
])  # fmt: skip
def test_torch_reduces_at_the_same_steps(options):
    of = pytest.importorskip("torch.optim.lr_scheduler", reason="it is the peer here")
    for seed in range(5):
        metrics = 10 + np.random.default_rng(seed).normal(size=500).cumsum() / 50
        metrics[[40, 300]] = math.nan
        optimizer = torch_optimizer(0.3)
        peer = of.ReduceLROnPlateau(optimizer, eps=0, **options)
        ours = {"lr_min" if key == "min_lr" else key: value for key, value in options.items()}
        schedule = fs.ReduceOnPlateau(0.3, **ours)
        for step, metric in enumerate(metrics):
            schedule.update(metric)
            peer.step(metric)
            assert schedule(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-13)
        assert schedule(0) < 0.3


# ---- against formulas, to 50 digits


def exact(schedule, step):
    """The formula of the docstring."""
    p = {key: mpf(v) for key, v in vars(schedule).items() if isinstance(v, (int, float))}
    match schedule:
        case fs.Constant():
            return p["lr"]
        case fs.Step(milestones=None):
            return p["lr"] * p["gamma"] ** (step // schedule.step_size)
        case fs.Step():
            return p["lr"] * p["gamma"] ** sum(step >= m for m in schedule.milestones)
        case fs.Exponential():
            return p["lr"] * p["gamma"] ** step
        case fs.Polynomial():
            share = (1 - min(step, p["total"]) / p["total"]) ** p["power"]
            return p["lr_end"] + (p["lr"] - p["lr_end"]) * share
        case fs.InverseScaling():
            return p["lr"] / mpf(step + 1) ** p["power_t"]
        case fs.Cosine():
            begin, length, period = 0, schedule.T_0, 0
            while step >= begin + length and schedule.T_mult:
                begin, length = begin + length, length * schedule.T_mult
                period += 1
            share = (1 + cos(pi * mpf(min(step - begin, length)) / length)) / 2
            share *= p["gamma"] ** period
            return p["lr_min"] + (p["lr"] - p["lr_min"]) * share
        case fs.Warmup():
            if step >= schedule.steps:
                return exact(schedule.inner, step - schedule.steps)
            start = p["start"]
            return exact(schedule.inner, 0) * (start + (1 - start) * step / p["steps"])
        case fs.Joined():
            i = sum(step >= boundary for boundary in schedule.boundaries)
            return exact(schedule.schedules[i], step - (0, *schedule.boundaries)[i])
        case fs.Piecewise():
            i = sum(step >= boundary for boundary in schedule.boundaries)
            value, ends = mpf(schedule.values[i]), (0, *schedule.boundaries)
            if schedule.interpolation == "constant" or i == len(schedule.boundaries):
                return value
            way = mpf(step - ends[i]) / (ends[i + 1] - ends[i])
            if schedule.interpolation == "cosine":
                way = (1 - cos(pi * way)) / 2
            return value + (mpf(schedule.values[i + 1]) - value) * way
        case fs.InverseTime():
            units = mpf(step) / schedule.decay_steps
            return p["lr"] / (1 + p["decay_rate"] * (floor(units) if schedule.staircase else units))
        case fs.Cyclic():
            up, down = schedule.step_size_up, schedule.step_size_down or schedule.step_size_up
            cycle, t = divmod(step, up + down)
            h = mpf(t) / up if t < up else mpf(up + down - t) / down
            height = {"triangular": 1, "triangular2": mpf(0.5) ** cycle}
            h *= height.get(schedule.mode, p["gamma"] ** step)
            return p["lr_min"] + (p["peak"] - p["lr_min"]) * h
        case fs.OneCycle():
            first = p["peak"] / p["div_factor"]
            top, last = max(p["pct_start"] * p["total"] - 1, 0), p["total"] - 1
            if step < top:
                way, end = 1 - step / top, first
            else:
                end = first / p["final_div_factor"]
                way = (step - top) / (last - top) if step < last else mpf(step != top)
            if schedule.anneal_strategy == "cos":
                way = (1 - cos(pi * way)) / 2
            return p["peak"] + (end - p["peak"]) * way


@each_pure
def test_the_formula(schedule):
    with mp.workdps(50):
        for step in (*range(450), 10**6):
            expected = exact(schedule, step)
            assert type(schedule(step)) is float
            assert abs(schedule(step) - expected) <= 16 * 2**-53 * abs(expected) + 2**-1074, step


# ---- at the ends


@given(
    st.floats(1e-8, 10), st.floats(1e-9, 1), st.integers(1, 1000),
    st.none() | st.integers(1, 4), st.floats(0.1, 5),
)  # fmt: skip
def test_ends_are_exact(lr, end, total, mult, power):
    assert fs.Polynomial(lr, total, power, end)(0) == lr
    assert fs.Polynomial(lr, total, power, end)(total) == end
    assert fs.Polynomial(lr, total, power, end)(total + 10**9) == end
    cosine = fs.Cosine(lr, total, mult, end)
    assert cosine(0) == lr
    assert cosine(total) == (lr if mult else end)
    assert cosine(total * (1 + (mult or 9))) == (lr if mult else end)
    cycle = fs.OneCycle(lr, total, div_factor=power, final_div_factor=7)
    assert cycle(total) == cycle(total + 10**9) == lr / power / 7
    warm = fs.Warmup(cosine, steps=total, start=0.5)
    assert warm(0) == lr * 0.5
    for step in range(0, 3 * total, max(1, total // 7)):
        assert warm(total + step) == cosine(step)


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(1, 5))
def test_a_rate_stays_between_its_ends(step, period, mult):
    for schedule in (
        fs.Cosine(0.3, period, mult, 0.1),
        fs.Polynomial(0.3, period * 1000, 0.7, 0.1),
        fs.Warmup(fs.Cosine(0.3, period, mult, 0.1), period, 1 / 3),
    ):
        assert 0.1 * (1 - 1e-15) <= schedule(step) <= 0.3 * (1 + 1e-15)


@pytest.mark.parametrize("schedule", [
    fs.Step(0.3, step_size=3), fs.Exponential(0.3, gamma=0.9), fs.Polynomial(0.3, 60, 0.5, 0.1),
    fs.InverseScaling(0.3), fs.Cosine(0.3, 60, lr_min=0.1),
], ids=repr)  # fmt: skip
def test_rates_fall(schedule):
    rates = [schedule(step) for step in range(100)]
    assert all(a >= b for a, b in zip(rates, rates[1:], strict=False))
    assert rates[50] < rates[0] == 0.3


def test_an_endless_step_number():
    far = 10**300
    assert fs.Step(1.0, step_size=1)(far) == 0
    assert fs.Exponential(1.0, 0.5)(far) == 0
    assert fs.Cosine(1.0, 10)(far) == 0
    assert fs.Cosine(1.0, 10, 1)(far) == 1
    assert fs.Cosine(1.0, 10, 2)(far) <= 1
    assert fs.InverseScaling(1.0)(far) == pytest.approx(1e-150)
    assert fs.Polynomial(1.0, 10)(far) == 0


# ---- on a plateau


def test_what_counts_as_an_improvement():
    schedule = fs.ReduceOnPlateau(1.0, factor=0.5, patience=0, threshold=0.1)
    for metric, rate in [
        (math.nan, 0.5), (-10.0, 0.5), (-10.0, 0.25), (-11.0, 0.125), (-11.1, 0.125),
        (-math.inf, 0.0625), (-13.0, 0.0625),
    ]:  # fmt: skip
        schedule.update(metric)
        assert schedule(0) == rate, metric


def test_reductions_end_at_the_least_rate():
    schedule = fs.ReduceOnPlateau(1.0, factor=0.5, patience=0, lr_min=0.3)
    rates = []
    for _ in range(4):
        schedule.update(1.0)
        rates.append(schedule(7))
    assert rates == [1.0, 0.5, 0.3, 0.3]
    above = fs.ReduceOnPlateau(0.1, patience=0, lr_min=0.3)
    above.update(math.nan)
    assert above(0) == 0.1


def test_a_plateau_resumes_where_it_was():
    metrics = np.random.default_rng(0).normal(size=200)
    schedule = fs.Warmup(fs.ReduceOnPlateau(1.0, 0.9, 2, cooldown=2), steps=3)
    for metric in metrics[:100]:
        schedule.inner.update(metric)
    others = [
        fs.from_dict(json.loads(json.dumps(schedule.to_dict()))),
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        eval(repr(schedule), vars(fs)),
    ]
    assert schedule(10) < 1
    for metric in metrics[100:]:
        for each in (schedule, *others):
            each.inner.update(metric)
        assert {each(10) for each in others} == {schedule(10)}
    assert all(each == schedule for each in others)


@pytest.mark.parametrize("metric", [None, "1", 1j])
def test_a_metric_is_a_number(metric):
    schedule = fs.ReduceOnPlateau(1.0)
    with pytest.raises(TypeError, match="metric must be a real number"):
        schedule.update(metric)
    assert schedule == fs.ReduceOnPlateau(1.0)


# ---- objects


@each
def test_copies_are_equal(schedule):
    for other in (
        fs.from_dict(schedule.to_dict()),
        fs.from_dict(json.loads(json.dumps(schedule.to_dict(), allow_nan=False))),
        eval(repr(schedule), vars(fs)),
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
    ):
        assert type(other) is type(schedule)
        assert other == schedule
        assert repr(other) == repr(schedule)
        assert [other(step) for step in range(50)] == [schedule(step) for step in range(50)]


@each_pure
def test_pure_schedules_are_immutable_and_hashable(schedule):
    assert hash(schedule) == hash(copy.deepcopy(schedule))
    for name in vars(schedule):
        with pytest.raises(AttributeError):
            setattr(schedule, name, 3)


def test_different_schedules_differ():
    assert len(set(PURE)) == len(PURE)
    with pytest.raises(TypeError, match="unhashable"):
        hash(fs.ReduceOnPlateau(0.1))


def test_every_class_is_tested():
    assert {type(schedule) for schedule in SCHEDULES} == set(fs.Schedule.__subclasses__())
    assert {type(schedule) for schedule in peers()} | NO_TORCH == {
        type(schedule) for schedule in SCHEDULES
    }


@each
@pytest.mark.parametrize(("step", "error"), [
    (-1, ValueError), (1.0, TypeError), ("1", TypeError), (None, TypeError),
])  # fmt: skip
def test_a_step_is_an_integer_from_0_on(schedule, step, error):
    with pytest.raises(error, match=f"step must be .*; got {step!r}"):
        schedule(step)
    assert schedule(np.int64(3)) == schedule(3)


RANGED = [(schedule, name) for schedule in SCHEDULES for name in schedule._ranges]


@pytest.mark.parametrize(("schedule", "name"), RANGED)
def test_a_parameter_out_of_its_range_raises(schedule, name):
    description = schedule.to_dict()
    for bad in (math.nan, math.inf, -1, 10**400):
        with pytest.raises((TypeError, ValueError), match=f"^{name} must be .*; got {bad!r}"):
            fs.from_dict({**description, name: bad})
    for bad in ("1", True, None, [1.0]):
        with pytest.raises(TypeError, match=f"^{name} must be an? .*; got "):
            fs.from_dict({**description, name: bad})
    if schedule._ranges[name].integer:
        with pytest.raises(TypeError, match=f"^{name} must be an integer; got 1.5"):
            fs.from_dict({**description, name: 1.5})


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: fs.Step(0.1), ValueError, "either step_size or milestones must be given"),
    (lambda: fs.Step(0.1, 3, milestones=(1,)), ValueError, "either step_size or milestones"),
    (lambda: fs.Step(0.1, 0), ValueError, "step_size must be in {1, 2, 3, ...}; got 0"),
    (lambda: fs.Step(0.1, milestones=(2, 2)), ValueError, r"must increase; got \(2, 2\)"),
    (lambda: fs.Step(0.1, milestones=(0,)), ValueError, r"milestones\[0\] must be in"),
    (lambda: fs.Step(0.1, milestones=(1, 2.5)), TypeError, r"milestones\[1\] must be an integer"),
    (lambda: fs.Step(0.1, milestones="12"), TypeError, "must be a sequence of integers; got '12'"),
    (lambda: fs.Step(0.1, milestones=7), TypeError, "must be a sequence of integers; got 7"),
    (lambda: fs.Cosine(0.1, 3, gamma=0.5), ValueError, "gamma is of restarts, which need T_mult"),
    (lambda: fs.Cyclic(0.1, 3, gamma=0.5), ValueError, "gamma is for mode=\"exp_range\"; got 0.5"),
    (lambda: fs.Cyclic(0.1, 3, mode="saw"), ValueError,
     'mode must be "triangular", "triangular2" or "exp_range"; got \'saw\''),
    (lambda: fs.Cyclic(0.1, 3, 0), ValueError, "step_size_down must be in {1, 2, 3, ...}; got 0"),
    (lambda: fs.InverseTime(0.1, 1.0, staircase=1), TypeError, "staircase must be True or False"),
    (lambda: fs.OneCycle(0.1, 9, anneal_strategy="cosine"), ValueError, '"cos" or "linear"; got'),
    (lambda: fs.Piecewise((3,), (0.1,)), ValueError,
     "values must be one more than boundaries; got 1 and 1"),
    (lambda: fs.Piecewise((3, 3), (0.1, 0.2, 0.3)), ValueError, "boundaries must increase"),
    (lambda: fs.Piecewise((3,), (0.1, -0.2)), ValueError, r"values\[1\] must be in"),
    (lambda: fs.Piecewise((3,), "ab"), TypeError, "values must be a sequence of numbers; got 'ab'"),
    (lambda: fs.Piecewise((3,), (0.1, 0.2), "cubic"), ValueError, "interpolation must be"),
    (lambda: fs.Joined([fs.Constant(0.1), 0.1], [3]), TypeError,
     r"schedules\[1\] must be a schedule, as in Constant\(0.1\); got 0.1"),
    (lambda: fs.Joined([fs.Constant(0.1)], [3]), ValueError, "schedules must be one more than"),
    (lambda: fs.Joined(fs.Constant(0.1), [3]), TypeError, "must be a sequence of schedules; got C"),
    (lambda: fs.from_dict({"name": "joined", "schedules": 3, "boundaries": []}), TypeError,
     "schedules must be a sequence of schedules; got 3"),
    (lambda: fs.Warmup(0.1, 3), TypeError, "inner must be a schedule"),
    (lambda: fs.ReduceOnPlateau(0.1, mode="least"), ValueError, 'must be "min" or "max"; got'),
    (lambda: fs.ReduceOnPlateau(0.1, rate=-1), ValueError, "rate must be in"),
    (lambda: fs.ReduceOnPlateau(0.1, best="1"), TypeError, "best must be a real number"),
    (lambda: fs.from_dict([]), TypeError, r"described by a mapping.*; got \[\]"),
    (lambda: fs.from_dict({}), ValueError, "lacks the schedule's name, one of .*constant"),
    (lambda: fs.from_dict({"name": []}), ValueError, r"name must be one of .*; got \[\]"),
    (lambda: fs.from_dict({"name": "cosin"}), ValueError, "did you mean 'cosine'"),
    (lambda: fs.from_dict({"name": "constant"}), ValueError, "constant needs lr; got nothing"),
    (lambda: fs.from_dict({"name": "constant", "lr": 1, "x": 1}), ValueError,
     "constant has no parameter 'x'; it has: lr"),
    (lambda: fs.from_dict({"name": "warmup", "inner": 3, "steps": 1}), TypeError, "mapping"),
])  # fmt: skip
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_any_number_is_a_parameter():
    assert fs.Cosine(np.float32(0.5), T_0=np.int32(3)) == fs.Cosine(0.5, T_0=3)
    assert repr(fs.Step(1, milestones=np.array([3, 5]))) == (
        "Step(lr=1.0, step_size=None, gamma=0.1, milestones=(3, 5))"
    )


@pytest.mark.parametrize("schedule", [fs.Exponential(0.1, 0.5), fs.InverseScaling(0.1)], ids=repr)
def test_a_step_beyond_all_floats_is_an_error(schedule):
    for outer in (schedule, fs.Warmup(schedule, steps=3)):
        with pytest.raises(ValueError, match="step is beyond all floats"):
            outer(10**400)


def test_a_metric_beyond_all_floats_is_no_improvement():
    schedule = fs.ReduceOnPlateau(1.0, patience=0)
    schedule.update(10**400)
    assert (schedule(0), schedule.best) == (0.1, None)
