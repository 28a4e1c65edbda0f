"""Averages of parameters: those that rules keep, and those beside any optimizer."""

import copy

import numpy as np
import pytest

from fastloss import optim, penalties
from fastloss.optim import (
    ASGD,
    SGD,
    Adam,
    ExponentialMovingAverage,
    Lookahead,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    StochasticWeightAverage,
    schedules,
)

KEEPING = [ASGD, ScheduleFreeSGD, ScheduleFreeAdamW]


def inputs(steps=30, shape=(3, 2), seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), [rng.normal(size=shape) for _ in range(steps)]


# ---- rules that keep one


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_average_of_asgd(dtype):
    p, grads = inputs()
    p = p.astype(dtype)
    opt, seen = ASGD(p, lr=0.1, t0=10), []
    for t, g in enumerate(grads, 1):
        opt.step(g.astype(dtype))
        seen.append(p.astype(float))
        # as torch: mu is 1 / max(1, t - t0) of the step before
        expected = p if t <= 12 else np.mean(seen[11:], axis=0)
        np.testing.assert_allclose(opt.averaged(), expected, rtol=30 * np.finfo(dtype).eps)


@pytest.mark.parametrize("cls", [ScheduleFreeSGD, ScheduleFreeAdamW])
def test_the_average_of_schedule_free_rules(cls):
    """The mean of z, weighted by the squares of the largest rates so far."""
    p, grads = inputs()
    rate = schedules.Warmup(schedules.Constant(0.1), steps=5)
    opt = cls({"a": p}, lr=rate)
    sum_of_z, sum_of_weights, top = 0, 0, 0
    for t, g in enumerate(grads):
        opt.step({"a": g})
        top = max(top, rate(t))
        sum_of_z += top**2 * opt.state_dict()["state"]["a"]["z"]
        sum_of_weights += top**2
        average = opt.averaged()
        assert list(average) == ["a"]
        if t:  # the first rate of a warm-up is 0
            np.testing.assert_allclose(average["a"], sum_of_z / sum_of_weights, rtol=1e-12)


@pytest.mark.parametrize("cls", [ScheduleFreeSGD, ScheduleFreeAdamW])
def test_weights_beyond_all_numbers(cls):
    p = np.ones(3)
    opt = cls(p, lr=lambda t: 1e150 * (t + 1), r=1e5, weight_lr_power=1e3)
    for _ in range(3):
        opt.step(np.zeros(3))
    opt.load_state_dict(opt.state_dict())
    np.testing.assert_array_equal(opt.averaged(), 1)


@pytest.mark.parametrize("cls", KEEPING)
def test_averages_have_the_structure_and_the_dtypes_of_the_parameters(cls):
    a, b, c = (
        np.ones(3, np.float16),
        np.ones((2, 2), np.float32),
        np.asfortranarray(np.ones((2, 3))),
    )
    opt = cls([{"params": a}, {"params": {"b": b, "c": c}}], lr=0.1)
    opt.step([np.ones_like(a), {"b": np.ones_like(b), "c": np.ones_like(c)}])
    first, second = opt.averaged()
    for own, got in ((a, first), (b, second["b"]), (c, second["c"])):
        assert got.dtype == own.dtype and got.flags.f_contiguous == own.flags.f_contiguous
        assert not np.shares_memory(got, own)
        np.testing.assert_allclose(got.astype(float), own.astype(float), rtol=2e-3)
    with pytest.raises(ValueError, match="would spoil"):
        cls(b, state_dtype="bfloat16")


@pytest.mark.parametrize("cls", KEEPING)
def test_averages_go_on_after_loading(cls, tmp_path):
    p, grads = inputs()
    opt = cls(p, lr=schedules.Step(0.1, step_size=7))
    for g in grads[:15]:
        opt.step(g)
    opt.save(tmp_path / "state")
    q = p.copy()
    other = optim.load(tmp_path / "state", q)
    for g in grads[15:]:
        opt.step(g)
        other.step(g)
    np.testing.assert_array_equal(p, q)
    np.testing.assert_array_equal(opt.averaged(), other.averaged())


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda p: ScheduleFreeSGD(p, momentum=0.0), r"momentum must be in \(0, 1\)"),
        (lambda p: ScheduleFreeAdamW(p, betas=(0.0, 0.9)), r"betas\[0\] must be in \(0, 1\)"),
        (lambda p: optim.Adan(p, betas=(0.1, 0.2, 1.0)), r"betas\[2\] must be in \[0, 1\)"),
        (lambda p: optim.Rprop(p, etas=(0.5, 0.9)), r"etas\[1\] must be in \(1, inf\)"),
        (lambda p: optim.Rprop(p, step_sizes=(1, 0.1)), "step_sizes must be the least and the m"),
        (lambda p: optim.FTRL(p, lr_power=0.5), r"lr_power must be in \(-inf, 0\]"),
    ],
)
def test_options_out_of_range(call, match):
    with pytest.raises(ValueError, match=match):
        call(np.ones(3))


def test_rprop_has_no_schedule():
    with pytest.raises(TypeError, match="Rprop has no schedule"):
        optim.Rprop(np.ones(3), lr=schedules.Constant(0.1))


# ---- beside any optimizer


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_parity_with_torch(kind):
    torch = pytest.importorskip("torch", reason="torch is the peer")
    utils = torch.optim.swa_utils
    p, grads = inputs()
    module = torch.nn.ParameterList([torch.nn.Parameter(torch.from_numpy(p))])  # the same memory
    averaging = {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.9)} if kind == "ema" else {}
    theirs = utils.AveragedModel(module, **averaging)
    ours = ExponentialMovingAverage(p, 0.9) if kind == "ema" else StochasticWeightAverage(p)
    opt = SGD(p, lr=0.1)
    for g in grads:
        opt.step(g)
        ours.update()
        theirs.update_parameters(module)
        np.testing.assert_allclose(
            ours.averaged(), theirs.module[0].detach().numpy(), rtol=1e-12, atol=1e-14
        )


def test_an_average_without_bias_is_that_of_optax():
    optax = pytest.importorskip("optax", reason="it is the peer here")
    jax = pytest.importorskip("jax", reason="optax needs it")
    p, grads = inputs()
    ours, opt = ExponentialMovingAverage(p, 0.9, debias=True), Adam(p, lr=0.1)
    with jax.enable_x64(True):
        theirs = optax.ema(0.9)
        state = theirs.init(jax.numpy.asarray(p))
        for g in grads:
            opt.step(g)
            ours.update()
            expected, state = theirs.update(jax.numpy.asarray(p), state)
            np.testing.assert_allclose(ours.averaged(), expected, rtol=1e-12, atol=1e-14)


def test_lookahead_is_that_of_optax():
    optax = pytest.importorskip("optax", reason="it is the peer here")
    jax = pytest.importorskip("jax", reason="optax needs it")
    p, grads = inputs()
    ours = Lookahead(Adam(p, lr=0.1), sync_period=4, slow_step_size=0.3)
    with jax.enable_x64(True):
        theirs = optax.lookahead(optax.adam(0.1), sync_period=4, slow_step_size=0.3)
        both = optax.LookaheadParams.init_synced(jax.numpy.asarray(p))
        state, step = theirs.init(both), jax.jit(theirs.update)
        for g in grads:
            ours.step(g)
            change, state = step(jax.numpy.asarray(g), state, both)
            both = optax.apply_updates(both, change)
            np.testing.assert_allclose(p, both.fast, rtol=1e-10)
            np.testing.assert_allclose(ours.averaged(), both.slow, rtol=1e-10)


AROUND = [
    lambda p: ExponentialMovingAverage(p, 0.9),
    lambda p: ExponentialMovingAverage(p, 0.9, debias=True),
    StochasticWeightAverage,
]


@pytest.mark.parametrize("make", AROUND)
def test_averages_resume(make):
    p, grads = inputs()
    held = {"a": p.astype(np.float16), "b": np.asfortranarray(p)}
    opt, average = Adam(held, lr=0.1), make(held)
    for g in grads[:10]:
        opt.step({"a": g.astype(np.float16), "b": np.asfortranarray(g)})
        average.update()
    other = make(held)
    state = average.state_dict()
    assert state["averages"]["a"].dtype == np.float32 and state["n_averaged"] == 10
    other.load_state_dict(copy.deepcopy(state))
    for one in (average, other):
        one.update()
        assert one.averaged()["a"].dtype == np.float16
    for key, array in average.averaged().items():
        np.testing.assert_array_equal(array, other.averaged()[key])
        assert array.flags.f_contiguous == held[key].flags.f_contiguous
    before = other.averaged()
    for wrong in (
        {"n_averaged": 1},
        state | {"n_averaged": -1},
        state | {"averages": {"a": state["averages"]["a"]}},
        state | {"averages": state["averages"] | {"b": np.ones(3)}},
    ):
        with pytest.raises(ValueError, match="state"):
            other.load_state_dict(wrong)
    for key, array in before.items():
        np.testing.assert_array_equal(array, other.averaged()[key])


def test_the_mean_of_float16_is_kept_in_float32():
    p = np.ones(2, np.float16)
    average = StochasticWeightAverage(p)
    for k in range(1000):
        p[:] = 1 + (k % 2) * 2.0**-9
        average.update()
    np.testing.assert_allclose(average.state_dict()["averages"][0], 1 + 2.0**-10, rtol=1e-6)


def test_lookahead_resumes_and_counts_no_step_that_is_skipped():
    p, grads = inputs()
    q, r = p.copy(), p.copy()
    one = Lookahead(Adam(p, lr=0.1, nonfinite="skip"), sync_period=3)
    two = Lookahead(Adam(q, lr=0.1, nonfinite="skip"), sync_period=3)
    for g in grads[:10]:
        assert one.step(g) and two.step(g)
        assert one.step(np.full_like(p, np.nan)) is False
    np.testing.assert_array_equal(p, q)
    r[:] = p
    three = Lookahead(Adam(r, lr=0.5, nonfinite="skip"), sync_period=3)
    three.load_state_dict(one.state_dict())
    for g in grads[10:]:
        one.step(g)
        three.step(g)
    np.testing.assert_array_equal(p, r)
    assert one.optimizer.step_count == 30
    assert repr(three).startswith("Lookahead(<Adam(lr=0.1")


def test_lookahead_of_groups_with_a_penalty():
    a, b = np.ones(2), np.ones(2, np.float16)
    groups = [{"params": a, "penalty": penalties.L1(1.0)}, {"params": [b]}]
    opt = Lookahead(SGD(groups, lr=0.25), sync_period=2, slow_step_size=0.5)
    for _ in range(2):
        opt.step([np.zeros(2), [np.ones(2, np.float16)]])
    np.testing.assert_array_equal(a, 0.75)
    np.testing.assert_array_equal(b, 0.75)
    slow, (of_b,) = opt.averaged()
    assert (slow == 0.75).all() and of_b.dtype == np.float16


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda p: ExponentialMovingAverage(p, decay=1.0),
            ValueError,
            r"decay must be in \[0, 1\)",
        ),
        (
            lambda p: ExponentialMovingAverage(p, debias=1),
            TypeError,
            "debias must be True or False",
        ),
        (lambda p: StochasticWeightAverage([]), ValueError, "params holds no arrays"),
        (lambda p: StochasticWeightAverage([p, 1.0]), TypeError, r"params\[1\] must be a numpy"),
        (lambda p: Lookahead(p), TypeError, "optimizer must be one of fastloss.optim"),
        (lambda p: Lookahead(SGD(p), sync_period=0), ValueError, "sync_period must be in"),
        (lambda p: Lookahead(SGD(p), slow_step_size=0), ValueError, "slow_step_size must be in"),
    ],
)
def test_what_cannot_be(call, error, match):
    with pytest.raises(error, match=match):
        call(np.ones(3))


def test_maximize():
    p, grads = inputs(5)
    q = p.copy()
    options = {"lr": 0.1, "weight_decay": 0.1, "max_norm": 0.5, "clip_value": 0.2}
    opt, other = Adam(p, maximize=True, **options), Adam(q, **options)
    for g in grads:
        opt.step(g)
        other.step(-g)
    np.testing.assert_array_equal(p, q)
    assert "maximize=True" in repr(opt)
    with pytest.raises(TypeError, match="maximize must be True or False; got 1"):
        Adam(p, maximize=1)
