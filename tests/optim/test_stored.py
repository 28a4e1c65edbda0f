"""State in bfloat16 and in 8 bits: its rounding, its bits, and that rules get as far with it."""

import pickle

import numpy as np
import pytest
from isa import OTHERS, result_on

import fastloss as fl
from fastloss.optim import (
    ASGD,
    FTRL,
    LAMB,
    SGD,
    Adafactor,
    Adam,
    Adamax,
    AdamW,
    Adan,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
)

REFUSING = (FTRL, Rprop, Adan, ASGD, ScheduleFreeSGD, ScheduleFreeAdamW, Adafactor, Muon)
EVERY = [
    cls for name in fl.optim.optimizer_names() if (cls := getattr(fl.optim, name)) not in REFUSING
]
DTYPES = ("bfloat16", "8bit")
RULES = [
    (cls, state_dtype)
    for cls in EVERY
    for state_dtype in DTYPES
    if (cls, state_dtype) != (Adamax, "8bit")  # refused
]
NAMES = [f"{cls.__name__}-{state_dtype}" for cls, state_dtype in RULES]
TINY = 1e-30  # a momentum with which the buffer is the gradient
LOW = {"state_dtype": "bfloat16"}
EIGHT = {"state_dtype": "8bit"}


def decoded(stored):
    return (stored.astype(np.uint32) << 16).view(np.float32)


def decoded_eight(codes, scales):
    """What docs/precision.md says that codes and the scales of 256 of them mean."""
    code = codes.ravel(order="K").astype(int)
    scale = np.repeat(scales.astype(float), 256)[: code.size]
    largest = np.where(scale < 0, 255, 127)
    size = code & largest
    exponent, digits = size >> 3, size & 7
    x = np.where(exponent > 0, (8.0 + digits) * 2.0 ** (exponent - 1), digits) * abs(scale)
    x = np.where(size == largest, np.nan, np.where(size == largest - 1, np.inf, x))
    return np.where(code > largest, -x, x)


def held(opt, name):
    """A state of the first array."""
    state = opt.state_dict()["state"][0]
    if state[name].dtype == np.uint8:
        return decoded_eight(state[name], state[f"{name}_scale"])
    return decoded(state[name])


def options_of(cls, state_dtype="bfloat16"):
    momentum = {"momentum": 0.9} if cls in (SGD, RMSprop) else {}
    return {"state_dtype": state_dtype} | momentum


def around(x, state_dtype="bfloat16"):
    """The two neighbours of numbers of float32, and how far they are on the way."""
    if state_dtype == "8bit":
        exact = abs(x.astype(float))
        ends = np.arange(0, exact.size, 256)
        exponent = np.frexp(np.maximum.reduceat(exact, ends))[1] - 1.0
        exponent -= np.where(np.minimum.reduceat(x, ends) < 0, 16, 32)
        unit = np.repeat(2.0**exponent, 256)[: exact.size]
        spacing = np.maximum(unit, 2.0 ** (np.frexp(exact)[1] - 4.0))
        low = np.floor(exact / spacing) * spacing
        sign = np.where(x < 0, -1, 1)
        return sign * low, sign * (low + spacing), (exact - low) / spacing
    bits = x.view(np.uint32) & np.uint32(0xFFFF0000)
    low, high = bits.view(np.float32), (bits + np.uint32(0x10000)).view(np.float32)
    return low, high, (x.astype(float) - low) / (high.astype(float) - low)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda p, **low: SGD(p, lr=0.0, momentum=TINY, **low), "momentum_buffer"),
        (lambda p, **low: Adam(p, lr=0.0, betas=(0.0, 0.0), **low), "exp_avg"),
        (lambda p, **low: Adam(p, lr=0.0, betas=(0.0, 0.0), **low), "exp_avg_sq"),
    ],
)
@pytest.mark.parametrize("state_dtype", DTYPES)
def test_rounding_is_exact_in_the_mean(make, name, state_dtype):
    n, steps = 4096 + 77, 2000
    rng = np.random.default_rng(0)
    reach = 2.2 if state_dtype == "8bit" else 5  # below the unit squares are rounded up
    g = (10.0 ** rng.uniform(-reach, reach, n) * rng.choice([-1, 1], n)).astype(np.float32)
    opt = make(np.zeros(n, np.float32), state_dtype=state_dtype)
    x = g * g if name == "exp_avg_sq" else g
    low, high, share = around(x, state_dtype)
    ups = np.empty((steps, n), bool)
    for t in range(steps):
        opt.step(g)
        got = held(opt, name)
        assert ((got == low) | (got == high)).all()
        ups[t] = got == high
    deviation = np.sqrt(share * (1 - share) / steps)
    # of each element: a normal distribution
    assert (abs(ups.mean(0) - share) <= 5.5 * deviation + 1e-3).all()
    scores = (ups.mean(0) - share) / np.maximum(deviation, 1e-3)
    assert abs(scores.mean()) < 0.1
    # the elements of a block share what is random: Anderson's and Darling's statistic, whose mean
    # is 1, and which is outside of this range once in a thousand times
    assert 0.15 < (scores**2).mean() < 6
    # from one step to the next, nothing; the error of 2000 starts is below 1 / sqrt(2000)
    errors = ups - share
    together = (errors[1:] * errors[:-1]).mean() / (errors**2).mean()
    assert abs(together) < 0.06
    # and a block has the mean that it should
    assert abs(ups.mean() - share.mean()) < 1e-3


def test_all_states_round_to_neighbours_with_the_right_odds():
    n = 1_000_003
    g = np.full(n, 1.2345, np.float32)
    opt = Adam(np.zeros(n, np.float32), lr=0.0, betas=(0.0, 0.0), amsgrad=True, **LOW)
    opt.step(g)
    ups = []
    for name, x in (("exp_avg", g), ("exp_avg_sq", g * g), ("max_exp_avg_sq", g * g)):
        low, high, share = around(x)
        got = held(opt, name)
        assert ((got == low) | (got == high)).all()
        ups.append(got == high)
        assert abs(ups[-1].mean() - share[0]) < 0.003
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(ups[i], ups[j])[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("low", "dtype"), [("8bit", np.float32), ("8bit", np.float16), ("bfloat16", np.float16)]
)
def test_states_are_rounded_independently_of_each_other(low, dtype):
    n = 500_003
    g = np.full(n, 1.2334, dtype)
    g[::256] = -1.3  # a negative number in each chunk
    opt = Adam(np.zeros(n, dtype), lr=0.0, betas=(0.0, 0.0), state_dtype=low)
    opt.step(g)
    ups = []
    for name, x in (("exp_avg", g.astype(np.float32)), ("exp_avg_sq", g.astype(np.float32) ** 2)):
        low_end, high_end, share = around(x, low)
        got = held(opt, name)
        assert ((got == low_end) | (got == high_end)).all()
        ups.append((got == high_end)[g == g[1]])
        assert abs(ups[-1].mean() - share[1]) < 0.004
    assert abs(np.corrcoef(*ups)[0, 1]) < 0.02


def test_the_first_element_of_the_first_step_is_rounded_at_random():
    ups = []
    for value in np.linspace(1, 1.0078125, 200, endpoint=False, dtype=np.float32):
        opt = SGD(np.zeros(1, np.float32), lr=0.0, momentum=TINY, **LOW)
        opt.step(np.full(1, value))
        ups.append(held(opt, "momentum_buffer")[0] > 1)
    # one random number decides on all of them: where it is, those above it go up
    first = ups.index(True)
    assert 0 < first < 199
    assert all(ups[first:])


@pytest.mark.parametrize("cls", [Adam, AdamW, NAdam, RAdam], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("spread", [3, 9])
def test_steps_are_not_much_longer_in_eight_bits(cls, spread):
    rng = np.random.default_rng(0)
    n = 2048
    scale = 10.0 ** rng.uniform(-spread, 0, n)
    grads = [(scale * rng.normal(size=n)).astype(np.float32) for _ in range(500)]
    longest = {}
    for state_dtype in (None, "8bit"):
        p = np.zeros(n, np.float32)
        opt = cls(p, lr=1.0, weight_decay=0.0, state_dtype=state_dtype)
        for t, g in enumerate(grads):
            before = p.copy()
            opt.step(g)
            if t >= 100:
                moved = abs(p - before).max()
                longest[state_dtype] = max(longest.get(state_dtype, 0), moved)
    assert longest["8bit"] < 2.5 * longest[None]


@pytest.mark.parametrize(("cls", "state_dtype"), RULES, ids=NAMES)
def test_every_rule_goes_the_way_of_float32(cls, state_dtype):
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-1.5, 1.5, 512)
    noise = 0.1 * rng.normal(size=(300, 512))
    ways = []
    for kept in (None, state_dtype):
        p = np.ones(512, np.float32)
        opt = cls(p, **options_of(cls, kept))
        for t in range(300):  # down a noisy quadratic
            opt.step((scale * (p + noise[t])).astype(np.float32))
        ways.append(1 - p.astype(float))
    apart = np.linalg.norm(ways[1] - ways[0]) / np.linalg.norm(ways[0])
    assert apart < (0.03 if state_dtype == "bfloat16" else 0.12)
    assert abs(ways[1].mean() / ways[0].mean() - 1) < 0.02


def test_what_bfloat16_holds_is_kept():
    numbers = np.arange(1 << 16, dtype=np.uint32) << 16
    g = numbers.view(np.float32)
    g = g[np.isfinite(g)]
    opt = SGD(np.zeros(g.size, np.float32), lr=0.0, momentum=TINY, **LOW)
    opt.step(g)
    np.testing.assert_array_equal(held(opt, "momentum_buffer"), g)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001])
def test_nan_stays_nan_and_infinity_infinity(bits):
    g = np.full(9000, bits, np.uint32).view(np.float32)
    g[::2] = np.inf
    opt = SGD(np.zeros(9000, np.float32), momentum=0.9, **LOW)
    opt.step(g)
    got = held(opt, "momentum_buffer")
    assert np.isnan(got[1::2]).all()
    assert np.isposinf(got[::2]).all()
    opt.step(g)
    assert np.isnan(held(opt, "momentum_buffer")[1::2]).all()


def test_what_eight_bits_hold_is_kept():
    signed = decoded_eight(np.arange(256, dtype=np.uint8), np.ones(1))
    signed = signed[abs(signed) < 2.0**17]  # that is for what is rounded up: the scale would grow
    for numbers in (signed, abs(signed), -signed, np.zeros(9), signed[-1:], signed * 2.0**90):
        g = numbers.astype(np.float32)
        opt = SGD(np.zeros(g.size, np.float32), lr=0.0, momentum=TINY, **EIGHT)
        opt.step(g)
        np.testing.assert_array_equal(held(opt, "momentum_buffer"), g)
    unsigned = decoded_eight(np.arange(0xF8, dtype=np.uint8), np.full(1, -(2.0**-60)))
    opt = SGD(np.zeros(unsigned.size, np.float32), lr=0.0, momentum=TINY, **EIGHT)
    opt.step(unsigned.astype(np.float32))
    np.testing.assert_array_equal(held(opt, "momentum_buffer"), unsigned)
    assert opt.state_dict()["state"][0]["momentum_buffer_scale"] == np.float32(-(2.0**-60))


def test_eight_bits_of_small_and_of_large_numbers():
    for size in (1e-45, 1e-40, 1e-38, 1e-37, 1e37, 1.5e38):
        g = np.full(300, size, np.float32)
        g[::2] *= -1
        opt = SGD(np.zeros(300, np.float32), lr=0.0, momentum=TINY, **EIGHT)
        opt.step(g)
        # the smallest scale is the smallest normal number
        np.testing.assert_allclose(held(opt, "momentum_buffer"), g, rtol=0.125, atol=2.0**-126)


def test_what_is_not_finite_stays_where_it_is_in_eight_bits():
    g = np.linspace(-1, 1, 700).astype(np.float32)
    places = np.array([3, 255, 256, 300, 301, 699])
    g[places] = [np.nan, np.inf, -np.inf, -np.nan, np.inf, np.nan]
    for sign, x in ((True, g), (False, abs(g))):
        opt = SGD(np.zeros(700, np.float32), lr=0.0, momentum=TINY, **EIGHT)
        opt.step(x)
        got = held(opt, "momentum_buffer")
        np.testing.assert_array_equal(got[places], x[places])
        rest = np.delete(np.arange(700), places)
        np.testing.assert_allclose(got[rest], x[rest], rtol=0.125, atol=2.0**-16)
        assert (opt.state_dict()["state"][0]["momentum_buffer_scale"] > 0).any() == sign


def test_squares_do_not_become_zero_in_eight_bits():
    rng = np.random.default_rng(0)
    n = 5000
    g = (10.0 ** rng.uniform(-15, 0, n)).astype(np.float32)
    g[::7] = 0
    p = np.zeros(n, np.float32)
    opt = Adam(p, lr=0.1, **EIGHT)
    for _ in range(20):
        opt.step(g)
    squares = held(opt, "exp_avg_sq")
    assert (squares[g == 0] == 0).all()
    assert (squares[g != 0] > 0).all()
    # an average against a square that is too large makes small steps, never large ones
    assert abs(p).max() < 20 * 0.1 * 1.5
    assert (p[g == 0] == 0).all()


def inputs(n, steps=3, seed=0):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-3, 1, n)
    grads = [(scale * (rng.normal(size=n) + 0.5)).astype(np.float32) for _ in range(steps)]
    return rng.normal(size=n).astype(np.float32), grads


def after(cls, p, grads, **options):
    """Parameters and state after steps, as bytes."""
    p = p.copy()
    opt = cls(p, **options)
    for g in grads:
        opt.step(g)
    state = opt.state_dict()["state"][0]
    return p.tobytes(), [a.tobytes() for a in state.values()], p


@pytest.mark.parametrize(("cls", "state_dtype"), RULES, ids=NAMES)
def test_every_element_moves_at_every_size(cls, state_dtype):
    longest = 4 * 16 + 1
    for n in (*range(1, longest), 255, 256, 257, 4095, 4097):
        p, grads = inputs(n)
        p *= np.float32(1e-3)  # or the smallest steps of SGD would be below its rounding
        assert (after(cls, p, grads, **options_of(cls, state_dtype))[2] != p).all()


@pytest.mark.parametrize("cls", [c for c in EVERY if c is not LAMB], ids=lambda c: c.__name__)
def test_elements_do_not_depend_on_the_size(cls):
    longest = 4 * 16 + 1
    p, grads = inputs(longest)
    _, state, whole = after(cls, p, grads, **options_of(cls))
    for n in range(1, longest):
        got, part, _ = after(cls, p[:n], [g[:n] for g in grads], **options_of(cls))
        assert got == whole[:n].tobytes(), f"n = {n}"
        assert part == [a[: 2 * n] for a in state]


@pytest.mark.parametrize(("cls", "state_dtype"), RULES, ids=NAMES)
def test_bits_are_the_same_for_every_number_of_threads(cls, state_dtype):
    sizes = [200_001, 1, 17, 5000, 4096, 4097, 0, 10]
    results = set()
    for threads in (1, 2, 7, 16):
        rng = np.random.default_rng(0)
        params = [rng.normal(size=size).astype(np.float32) for size in sizes]
        with fl.num_threads(threads):
            opt = cls(params, **options_of(cls, state_dtype))
            for _ in range(3):
                opt.step([rng.normal(size=size).astype(np.float32) for size in sizes])
        state = opt.state_dict()["state"].values()
        bytes_of_state = sum(a.nbytes for arrays in state for a in arrays.values())
        count = sum(size * sum("scale" not in name for name in next(iter(state))) for size in sizes)
        assert bytes_of_state <= count * (2 if state_dtype == "bfloat16" else 1.02) + 100
        results.add(pickle.dumps((params, list(state))))
    assert len(results) == 1


@pytest.mark.parametrize(("cls", "state_dtype"), RULES, ids=NAMES)
def test_resuming_gives_the_bits_of_going_on(cls, state_dtype, tmp_path):
    p, grads = inputs(9001, 6)
    straight, state, _ = after(cls, p, grads, **options_of(cls, state_dtype))
    q = p.copy()
    opt = cls(q, **options_of(cls, state_dtype))
    for g in grads[:3]:
        opt.step(g)
    opt.save(tmp_path / "state")
    opt = fl.optim.load(tmp_path / "state", q)
    for g in grads[3:]:
        opt.step(g)
    assert opt.state_dict()["state_dtype"] == state_dtype
    assert q.tobytes() == straight
    assert [a.tobytes() for a in opt.state_dict()["state"][0].values()] == state


def test_arrays_and_steps_are_rounded_differently():
    g = np.full(4096, 1.001, np.float32)
    params = [np.zeros(4096, np.float32) for _ in range(2)]
    opt = SGD(params, lr=0.0, momentum=TINY, **LOW)
    seen = set()
    for _ in range(10):
        opt.step([g, g])
        state = opt.state_dict()["state"]
        seen |= {state[k]["momentum_buffer"].tobytes() for k in (0, 1)}
    assert len(seen) == 20


@pytest.mark.parametrize("kind", ["constant", "normal", "mixed", "sparse"])
@pytest.mark.parametrize("state_dtype", DTYPES)
def test_the_second_moment_after_a_thousand_steps(kind, state_dtype):
    n = 20_000
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(*((-6, 2) if state_dtype == "bfloat16" else (-2, 1)), n)
    opt = Adam(np.zeros(n, np.float32), lr=0.0, state_dtype=state_dtype)
    exact = np.zeros(n)
    for _ in range(1000):
        g = {"constant": np.ones(n), "mixed": 0.3 * rng.normal(size=n) + 1}.get(kind)
        g = rng.normal(size=n) if g is None else g
        g = (scale * (g * (rng.random(n) < 0.05) if kind == "sparse" else g)).astype(np.float32)
        opt.step(g)
        exact = 0.999 * exact + 0.001 * g.astype(float) ** 2
    error = held(opt, "exp_avg_sq") / exact - 1
    # 20000 elements have a tenth of the noise
    assert abs(error.mean()) < (0.002 if state_dtype == "bfloat16" else 0.01)
    assert abs(error).mean() < (0.035 if state_dtype == "bfloat16" else 0.17)


def rosenbrock(cls, **options):
    p = np.array([-1.2, 1.0], np.float32)
    opt = cls(p, **options)
    for _ in range(5000):
        x, y = p.astype(float)
        slope = y - x * x
        opt.step(np.array([-2 * (1 - x) - 400 * x * slope, 200 * slope], np.float32))
    x, y = p.astype(float)
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def quadratic(cls, **options):
    scale = 10.0 ** np.linspace(-1, 2, 40)
    p = np.ones(40, np.float32)
    opt = cls(p, **options)
    for _ in range(5000):
        opt.step((scale * p).astype(np.float32))
    return (scale * p.astype(float) ** 2).sum() / scale.sum()


def logistic(cls, **options):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 50)) * 10.0 ** rng.uniform(-1, 1, 50)
    y = (X @ rng.normal(size=50) / 10 + rng.logistic(size=1000) > 0).astype(float)
    p = np.zeros(50, np.float32)
    opt = cls(p, **options)
    loss = fl.Logistic()
    for _ in range(2000):
        rows = rng.integers(0, 1000, 64)
        _, grad = loss.value_and_grad(y[rows], X[rows] @ p)
        opt.step((X[rows].T @ grad).astype(np.float32))
    return float(loss(y, X @ p))


@pytest.mark.parametrize("cls", [Adam, AdamW], ids=lambda c: c.__name__)
@pytest.mark.parametrize("state_dtype", DTYPES)
def test_it_gets_as_far_as_float32(cls, state_dtype):
    options = {"lr": 0.02, "weight_decay": 0.0, "state_dtype": state_dtype}
    assert rosenbrock(cls, **options) < 1e-3
    assert quadratic(cls, **options) < 1e-6
    rate = {"lr": lambda t: 0.05 / (1 + t / 200), "weight_decay": 0.0}
    full, low = logistic(cls, **rate), logistic(cls, **rate, state_dtype=state_dtype)
    assert abs(low / full - 1) < 0.01


def rounded_gradients():
    """Bits that every instruction set must give, and parameters that may differ a little."""
    test_elements_do_not_depend_on_the_size(Adam)
    p, (g, *_) = inputs(5003)
    g[::1009] = np.nan, np.inf, -np.inf, 0, -0.0
    held = [after(SGD, p, [g] * 3, momentum=TINY, lr=0.0, state_dtype=d)[1] for d in DTYPES]
    p, (g, *_) = inputs(5003)
    near = [after(cls, p, [g], **options_of(cls, d))[2] for cls, d in RULES]
    return held, near


@pytest.mark.parametrize("isa", OTHERS)
def test_instruction_sets_agree(isa):
    exact, near = result_on(isa, rounded_gradients)
    own_exact, own_near = rounded_gradients()
    assert exact == own_exact
    for got, own in zip(near, own_near, strict=True):
        np.testing.assert_allclose(got, own, rtol=1e-5, atol=1e-6)


def test_the_names_of_the_parameters_own_dtype():
    p, grads = inputs(100)
    assert after(Adam, p, grads, state_dtype="float32")[:2] == after(Adam, p, grads)[:2]
    Adam(np.zeros(3), state_dtype="float64").step(np.ones(3))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda p: Adam(p, state_dtype="float16"), ValueError, "one of None, 'bfloat16'.*'float16"),
        (lambda p: Adam(p, state_dtype=np.float32), ValueError, "state_dtype must be one of"),
        (lambda p: Adam(p, state_dtype=["bfloat16"]), ValueError, "state_dtype must be one of"),
        (lambda p: Adam({"w": p.astype(float)}, **LOW), TypeError, r"\['w'\], which is float64"),
        (lambda p: Adam(p, state_dtype="float64"), TypeError, "params, which is float32"),
        *(
            (lambda p, cls=cls: cls(p, **LOW), ValueError, f"would spoil {cls.__name__}")
            for cls in REFUSING
            if cls is not Muon  # which refuses p too
        ),
        (lambda p: RMSprop(p, centered=True, **LOW), ValueError, "would spoil RMSprop"),
        (lambda p: RMSprop(p, centered=True, **EIGHT), ValueError, "would spoil RMSprop"),
        (lambda p: Adam(p, amsgrad=True, **EIGHT), ValueError, "Adam .* None or 'bfloat16'"),
        (lambda p: Adamax(p, **EIGHT), ValueError, "would spoil Adamax"),
        (lambda p: fl.optim.AdaGrad(p, initial_accumulator_value=1e39), ValueError, "is inf in fl"),
    ],
)
def test_what_cannot_be(make, error, match):
    with pytest.raises(error, match=match):
        make(np.zeros(3, np.float32))


def test_state_of_another_dtype_is_not_taken_over():
    p = np.ones(3, np.float32)
    low, full, eight = Adam(p.copy(), **LOW), Adam(p.copy()), Adam(p.copy(), **EIGHT)
    for to, of in ((low, full), (full, low), (eight, low), (eight, full)):
        with pytest.raises(ValueError, match=r"state\['state_dtype'\] must be"):
            to.load_state_dict(of.state_dict())
    state = low.state_dict()
    state["state"][0]["exp_avg"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="dtype uint16"):
        low.load_state_dict(state)


def test_initial_values_and_memory_orders():
    p = np.asfortranarray(np.ones((3, 5), np.float32))
    for low, nearest in ((LOW, 0.30078125), (EIGHT, 0.3125)):
        opt = fl.optim.AdaGrad(p, initial_accumulator_value=0.3, **low)
        assert opt.state_dict()["state"][0]["sum"].flags.f_contiguous
        assert (held(opt, "sum") == nearest).all()
        assert opt.step(np.asfortranarray(np.ones((3, 5), np.float32)))


@pytest.mark.parametrize("value", [1.0, 0.99, 2.0**-60, 1e-30, 3e30, 0.1, 0.0, 1e-38])
def test_initial_values_in_eight_bits(value):
    opt = fl.optim.AdaGrad(np.zeros(3, np.float32), initial_accumulator_value=value, **EIGHT)
    np.testing.assert_allclose(held(opt, "sum"), value, rtol=1 / 16, atol=2.0**-126)
    assert opt.step(np.ones(3, np.float32))
    np.testing.assert_allclose(held(opt, "sum"), value + 1, rtol=1 / 8)
