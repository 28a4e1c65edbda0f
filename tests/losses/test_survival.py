"""Losses of survival: against their definitions to 100 digits and more, and XGBoost."""

import math
import pickle

import numpy as np
import pytest
from mpmath import mp, mpf

import fastloss as fl
from fastloss.losses import hazards, lifetimes, survival

INF = np.inf
DISTRIBUTIONS = ["normal", "logistic", "extreme"]
LOSSES = [*(fl.AFT(name, 0.7) for name in DISTRIBUTIONS), fl.CoxPH(), fl.CoxPH("efron")]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def times(loss, n, seed=0):
    """Targets of all kinds."""
    rng = np.random.default_rng(seed)
    low = np.round(rng.exponential(size=n) * 4 + 0.5, 1)
    if isinstance(loss, fl.CoxPH):
        return np.stack([low, rng.integers(0, 2, n)], axis=1)
    kind = rng.integers(0, 4, n)
    high = np.select([kind == 0, kind == 1], [low, INF], low * 1.5)
    return np.stack([np.where(kind == 3, 0, low), high], axis=1)


# ---- what is likely, far out -------------------------------------------------------------------

# the probability above a number, and below it
ABOVE = {
    "normal": lambda x: mp.erfc(x / mp.sqrt(2)) / 2,
    "logistic": lambda x: 1 / (1 + mp.exp(x)),
    "extreme": lambda x: mp.exp(-mp.exp(x)),
}
BELOW = {
    "normal": lambda x: mp.erfc(-x / mp.sqrt(2)) / 2,
    "logistic": lambda x: 1 / (1 + mp.exp(-x)),
    "extreme": lambda x: -mp.expm1(-mp.exp(x)),
}
DENSITY = {
    "normal": lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi),
    "logistic": lambda x: 1 / (2 + mp.exp(x) + mp.exp(-x)),
    "extreme": lambda x: mp.exp(x - mp.exp(x)),
}
LIKELIHOOD = {
    "at": lambda name, a, b: DENSITY[name](a),
    "above": lambda name, a, b: ABOVE[name](a),
    "below": lambda name, a, b: BELOW[name](b),
    "between": lambda name, a, b: (
        ABOVE[name](a) - ABOVE[name](b) if a + b > 0 else BELOW[name](b) - BELOW[name](a)
    ),
}


def exact(name, kind, a, b):
    """-log of a likelihood, and three derivatives by a shift of the prediction."""
    with mp.workdps(300):
        h = mpf(10) ** -40
        values = [
            -mp.log(LIKELIHOOD[kind](name, mpf(a) - k * h, mpf(b) - k * h))
            for k in (-2, -1, 0, 1, 2)
        ]
        a2, a1, v, b1, b2 = values
        return (
            v,
            (b1 - a1) / (2 * h),
            (b1 - 2 * v + a1) / h**2,
            (b2 - 2 * b1 + 2 * a1 - a2) / (2 * h**3),
        )


FAR = [0.0, 1e-10, 0.4, -0.4, 1.0, -1.0, 3.5, -3.1, 6.3, -7.2, 21.0, -20.4, 37.3, -37.8, 300.5]
PLACES = {
    "normal": [*FAR, -301.0, 1e5, -1e5],
    "logistic": [*FAR, -301.0, 690.0, -690.0],
    "extreme": [*FAR, -301.0, 600.0, -600.0],
}
WIDTHS = [2.0**-40, 0.125, 1.5, 2.5, 20.0]


def points(name, kind):
    """Places, and places with widths that their ends are apart to the bit."""
    if kind != "between":
        return np.array(PLACES[name]), np.array(PLACES[name])
    pairs = [(np.round(a * 2**10) / 2**10, w) for a in PLACES[name] for w in WIDTHS]
    a, w = np.array([p for p in pairs if (p[0] + p[1]) - p[0] == p[1]]).T
    return a, a + w


@pytest.mark.parametrize("kind", LIKELIHOOD)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_likelihoods_are_exact_in_both_tails(name, kind):
    distribution = survival._DISTRIBUTIONS[name]
    a, b = points(name, kind)
    given = {"between": (a, b, b - a), "below": (b,)}.get(kind, (a,))
    with np.errstate(all="ignore"):
        found = getattr(distribution, kind)(*given)
    eps, compared = mpf(2) ** -52, 0
    for i, (low, high) in enumerate(zip(a, b, strict=True)):
        wanted = exact(name, kind, low, high)
        # a difference of exp(a) and another term, which has a root
        term = mp.exp(low) if name == "extreme" and kind != "below" else 0
        for k in range(3):
            if not 1e-150 < abs(wanted[k]) < 1e300:
                continue
            size = abs(wanted[k]) + (term if k == 1 else 0)
            # and as much as half a unit of the argument makes
            allowed = eps * (5 * size + abs(mpf(high)) * abs(wanted[k + 1]))
            assert abs(mpf(float(found[k][i])) - wanted[k]) <= allowed, (low, high, k)
            compared += 1
    assert compared > 30


def test_the_excess_of_the_normal_hazard():
    x = np.array([0.0, 0.1, 1.0, 2.0, 5.0, 17.0, 1e3, 1e8, 1e300])
    with mp.workdps(60):
        for got, place in zip(lifetimes._excess(x), x, strict=True):
            t = mpf(place)
            want = 1 / t if t > 1e7 else mp.npdf(t) / (mp.erfc(t / mp.sqrt(2)) / 2) - t
            if 1e3 <= t <= 1e7:
                with mp.workdps(500):
                    want = mp.sqrt(2 / mp.pi) / (mp.exp(t * t / 2) * mp.erfc(t / mp.sqrt(2))) - t
            assert abs(mpf(float(got)) / want - 1) < 4 * mpf(2) ** -52


# ---- accelerated failure time ------------------------------------------------------------------


def aft(name, scale, low, high, z):
    """As the docstring has it."""
    low, high, z, scale = mpf(low), mpf(high), mpf(z), mpf(scale)
    a = (mp.log(low) - z) / scale if low > 0 else -mp.inf
    b = (mp.log(high) - z) / scale if high < mp.inf else mp.inf
    if low == high:
        return -mp.log(DENSITY[name](a) / (scale * low))
    return -mp.log((ABOVE[name](a) if a > -mp.inf else 1) - (ABOVE[name](b) if b < mp.inf else 0))


@pytest.mark.parametrize("scale", [1.0, 0.3, 4.0])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_aft_is_its_definition(name, scale):
    loss = fl.AFT(name, scale)
    y, z = times(loss, 30), np.random.default_rng(1).normal(size=30)
    with mp.workdps(60):
        h = mpf(10) ** -15
        table = [
            [aft(name, scale, *row, mpf(at) + k * h) for k in (-1, 0, 1)]
            for row, at in zip(y, z, strict=True)
        ]
        value = [float(v) for _, v, _ in table]
        grad = [float((b - a) / (2 * h)) for a, _, b in table]
        hess = [float((b - 2 * v + a) / h**2) for a, v, b in table]
    assert loss(y, z, reduction="none") == pytest.approx(value, rel=1e-13, abs=1e-14)
    found = loss.grad_and_hess(y, z, reduction="sum")
    assert found[0] == pytest.approx(grad, rel=1e-12, abs=1e-14)
    assert found[1] == pytest.approx(hess, rel=1e-12)


def test_bounds_of_no_use_say_nothing():
    for name in DISTRIBUTIONS:
        for low in (0.0, -INF):
            y = [[low, INF]]
            value, grad = fl.AFT(name).value_and_grad(y, [0.3])
            assert (value, *grad, *fl.AFT(name).grad_and_hess(y, [0.3])[1]) == (0, 0, 0)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_narrow_bounds_are_a_density(name):
    at, width = 3.0, 2.0**-30
    loss = fl.AFT(name)
    inside = loss.grad_and_hess([[at, at + width]], [0.5])
    exactly = loss.grad_and_hess([[at + width / 2] * 2], [0.5])
    np.testing.assert_allclose(inside, exactly, rtol=1e-12)
    difference = loss([[at, at + width]], [0.5]) - loss([[at, at]], [0.5])
    assert difference == pytest.approx(-np.log(width), rel=1e-9)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_parity_with_xgboost(name):
    xgb = pytest.importorskip("xgboost")
    loss = fl.AFT(name, 1.5)
    y, z = times(loss, 200), np.random.default_rng(1).normal(size=200)
    data = xgb.DMatrix(np.zeros((200, 1)), base_margin=z, nthread=1)
    data.set_float_info("label_lower_bound", y[:, 0])
    data.set_float_info("label_upper_bound", y[:, 1])
    parameters = {"objective": "survival:aft", "eval_metric": "aft-nloglik", "nthread": 1}
    parameters |= {"aft_loss_distribution": name, "aft_loss_distribution_scale": 1.5}
    model = xgb.Booster(parameters, [data])
    assert float(model.eval(data).split(":")[1]) == pytest.approx(loss(y, z), rel=1e-5)
    # of one leaf: all gradients over all Hessians
    model = xgb.train(
        parameters | {"eta": 1, "lambda": 0, "max_depth": 1, "gamma": 1e9, "max_delta_step": 0},
        data,
        1,
    )
    # which it bounds
    grad, hess = np.clip(loss.grad_and_hess(y, z, reduction="sum"), -15, 15)
    step = model.predict(data, output_margin=True) - z
    np.testing.assert_allclose(step, -grad.sum() / hess.sum(), rtol=1e-3)


# ---- proportional hazards ----------------------------------------------------------------------


def partial_likelihood(ties, y, z, weight):
    """As the docstring has it, of numbers of mpmath."""
    total, n = mpf(0), len(z)
    for time in sorted(set(y[:, 0])):
        failed = [i for i in range(n) if y[i, 0] == time and y[i, 1]]
        risk = sum(weight[j] * mp.exp(z[j]) for j in range(n) if y[j, 0] >= time)
        tied, d = sum(weight[j] * mp.exp(z[j]) for j in failed), len(failed)
        gone = [mpf(i) / d if ties == "efron" else 0 for i in range(d)]
        mean = sum(weight[j] for j in failed) / max(d, 1)
        total += mean * sum(mp.log(risk - part * tied) for part in gone)
        total -= sum(weight[i] * z[i] for i in failed)
    return total


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("spread", [1, 30, 700, 5000])
@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_cox_is_its_definition(ties, spread, weighted):
    n, rng = 12, np.random.default_rng(spread)
    y = np.stack([rng.integers(1, 6, n), rng.integers(0, 2, n)], axis=1).astype(float)
    z = rng.normal(size=n) * spread
    w = rng.uniform(0.5, 2, n) if weighted else np.ones(n)
    with mp.workdps(60):
        weight, at, h = [*map(mpf, w)], [*map(mpf, z)], mpf(10) ** -20
        value = partial_likelihood(ties, y, at, weight)
        wanted = []
        for i in range(n):
            up, down = (
                partial_likelihood(ties, y, [*at[:i], at[i] + s * h, *at[i + 1 :]], weight)
                for s in (1, -1)
            )
            wanted.append((float((up - down) / (2 * h)), float((up - 2 * value + down) / h**2)))
    loss, how = fl.CoxPH(ties), {"sample_weight": w if weighted else None, "reduction": "sum"}
    got, grad = loss.value_and_grad(y, z, **how)
    assert got == pytest.approx(float(value), rel=1e-14)
    assert loss(y, z, **how) == got == loss(y, z, **how | {"reduction": "none"}).sum()
    again, hess = loss.grad_and_hess(y, z, **how)
    np.testing.assert_array_equal(again, grad)
    np.testing.assert_allclose(grad, [g for g, _ in wanted], rtol=4e-15, atol=4e-15)
    np.testing.assert_allclose(hess, [h for _, h in wanted], rtol=4e-15, atol=4e-15)


def test_sums_of_many_terms_keep_their_digits():
    n, rng = 100_000, np.random.default_rng(0)
    z, w = rng.normal(size=n) - 1, rng.uniform(size=n)
    sums, levels = hazards._running(z, w)
    terms, ends = (w * np.exp(z)).tolist(), [1, 2, 3, 511, 512, 513, 1024, 70_000, n]
    wanted = [math.fsum(terms[:end]) for end in ends]
    np.testing.assert_allclose((sums * np.exp(levels))[np.array(ends) - 1], wanted, rtol=4e-15)


def test_cox_of_xgboost():
    xgb = pytest.importorskip("xgboost")
    n, rng = 300, np.random.default_rng(0)
    time, failed, z = rng.permutation(n) + 1.0, rng.integers(0, 2, n), rng.normal(size=n)
    signed = np.where(failed, time, -time)
    data = xgb.DMatrix(np.zeros((n, 1)), signed, base_margin=z, nthread=1)
    parameters = {"objective": "survival:cox", "eval_metric": "cox-nloglik", "nthread": 1}
    model = xgb.Booster(parameters, [data])
    ours = fl.CoxPH()(signed, z, reduction="sum") / failed.sum()
    assert float(model.eval(data).split(":")[1]) == pytest.approx(ours, rel=1e-5)
    assert fl.CoxPH()(np.stack([time, failed], axis=1), z, reduction="sum") == pytest.approx(
        ours * failed.sum(), rel=1e-14
    )
    # of leaves, which are minus sums of gradients over those of Hessians
    data = xgb.DMatrix(rng.normal(size=(n, 5)), signed, base_margin=z, nthread=1)
    leaves = {"eta": 1, "lambda": 0, "max_depth": 5, "min_child_weight": 0, "max_delta_step": 0}
    model = xgb.train(parameters | leaves, data, 1)
    leaf = model.predict(data, pred_leaf=True).astype(int).ravel()
    grad, hess = (
        np.bincount(leaf, x)[leaf] for x in fl.CoxPH().grad_and_hess(signed, z, reduction="sum")
    )
    assert len(set(leaf)) > 15
    step = model.predict(data, output_margin=True) - z
    np.testing.assert_allclose(step, -grad / hess, rtol=1e-3, atol=1e-5)


# ---- what they promise -------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reductions_weights_and_dtypes(loss, dtype):
    n, rng = 9000, np.random.default_rng(2)  # more than a block
    y, z, w = times(loss, n), rng.normal(size=n).astype(dtype), rng.integers(0, 3, n)
    each = loss(y, z, sample_weight=w, reduction="none")
    assert each.dtype == dtype and each.shape == (n,)
    total, grad = loss.value_and_grad(y, z, sample_weight=w, reduction="sum")
    assert type(total) is float and grad.dtype == dtype
    assert total == pytest.approx(each.astype(float).sum(), rel=1e-5)
    mean, mean_grad = loss.value_and_grad(y, z, sample_weight=w)
    assert mean == pytest.approx(total / w.sum(), rel=1e-12)
    np.testing.assert_allclose(mean_grad * w.sum(), grad, rtol=1e-5, atol=1e-30)
    np.testing.assert_array_equal(loss.grad(y, z, sample_weight=w), mean_grad)
    # as often as the weights say; of Efron's ties a weight is another thing
    if loss != fl.CoxPH("efron"):
        repeated = [np.repeat(x, w, axis=0) for x in (y, z)]
        assert loss(*repeated, reduction="sum") == pytest.approx(total, rel=1e-11)
        again = np.repeat(w, w) * loss.grad(*repeated, reduction="sum")
        np.testing.assert_allclose(np.repeat(grad, w), again, rtol=1e-4, atol=1e-30)


@every_loss
def test_a_sample_of_weight_0_is_as_if_absent(loss):
    n = 40
    y, z, w = times(loss, n), np.linspace(-1, 1, n), np.ones(n)
    kept = np.arange(n) % 7 != 3
    expected = loss.grad_and_hess(y[kept], z[kept])
    value = loss(y[kept], z[kept])
    w[~kept], y[~kept], z[~kept] = 0, np.nan, np.nan
    assert loss(y, z, sample_weight=w) == pytest.approx(value, rel=1e-14)
    for got, want in zip(loss.grad_and_hess(y, z, sample_weight=w), expected, strict=True):
        np.testing.assert_allclose(got[kept], want, rtol=1e-14)
        np.testing.assert_array_equal(got[~kept], 0)


@every_loss
def test_any_layout_and_out(loss):
    y, z = times(loss, 50), np.linspace(-1, 1, 50)
    grad, hess = loss.grad_and_hess(y, z)
    for other in (np.asfortranarray(y), np.repeat(y, 2, axis=0)[::2], y.tolist()):
        strided = np.repeat(z, 3)[::3]
        for got, want in zip(loss.grad_and_hess(other, strided), (grad, hess), strict=True):
            np.testing.assert_array_equal(got, want)
    own = z.copy()
    assert loss.value_and_grad(y, own, out=own)[1] is own
    np.testing.assert_array_equal(own, grad)
    outs = np.empty(50), np.empty(50)
    assert loss.grad_and_hess(y, z, out=outs)[1] is outs[1]
    np.testing.assert_array_equal(outs, (grad, hess))
    with pytest.raises(ValueError, match="out must be a writeable"):
        loss.grad(y, z, out=np.empty(49))
    both = np.zeros(100)
    with pytest.raises(ValueError, match="out overlaps y_pred"):
        loss.grad(y, both[:50], out=both[1:51])
    whole = np.ones((50, 2))
    with pytest.raises(ValueError, match="out overlaps another"):
        loss.grad(whole, z, out=whole.ravel()[:50])


@every_loss
def test_signed_times(loss):
    n, rng = 30, np.random.default_rng(0)
    signed, z = rng.normal(size=n) * 3, rng.normal(size=n)
    time, failed = np.abs(signed), signed > 0
    second = failed if isinstance(loss, fl.CoxPH) else np.where(failed, time, INF)
    assert loss(signed, z) == loss(np.stack([time, second], axis=1), z)


@every_loss
def test_objects(loss):
    assert eval(repr(loss), vars(fl)) == loss == pickle.loads(pickle.dumps(loss))
    assert len({loss, pickle.loads(pickle.dumps(loss))}) == 1
    with pytest.raises(AttributeError):
        loss.scale = 1
    np.testing.assert_array_equal(loss.inverse_link([0.0, 1.0]), np.exp([0.0, 1.0]))


@every_loss
def test_nothing(loss):
    nothing = np.empty((0, 2)), np.empty(0)
    assert loss(*nothing, reduction="sum") == 0
    assert loss.grad(*nothing, reduction="sum").shape == (0,)
    with pytest.raises(ValueError, match="mean over nothing"):
        loss(*nothing)
    with pytest.raises(ValueError, match="mean over nothing"):
        loss([[1.0, 1.0]], [0.0], sample_weight=[0.0])


def test_nan():
    y, z = [[1.0, 1], [2.0, 2], [1.0, 1]], [0.5, np.nan, 0.5]
    for name in DISTRIBUTIONS:
        got = fl.AFT(name).grad_and_hess(y, z, reduction="sum")
        np.testing.assert_array_equal(np.isnan(got), [[False, True, False]] * 2)
        unknown = fl.AFT(name)([[np.nan, 2.0], [1.0, np.nan]], [0.0, 0.0], reduction="none")
        assert np.isnan(unknown).all()
    y = [[1.0, 1], [2.0, 1], [1.0, 0]]
    assert np.isnan(fl.CoxPH().grad_and_hess(y, z)).all()


BAD = [
    (fl.AFT(), [[1.0, 2, 3]], [0.0], None, ValueError, r"y_true must have shape \(1, 2\)"),
    (fl.AFT(), [[1.0, 1.0]], [[0.0]], None, ValueError, r"y_pred must have shape \(n,\)"),
    (fl.AFT(), [[1, 1], [-1, 2]], [0, 0], None, fl.DomainError, r"y_true\[1, 0\] = -1"),
    (fl.AFT(), [[0.0, 0.0]], [0.0], None, fl.DomainError, r"y_true\[0, 1\] = 0"),
    (fl.AFT(), [[INF, INF]], [0.0], None, fl.DomainError, r"y_true\[0, 0\] = inf"),
    (fl.AFT(), [[2.0, 1.0]], [0.0], None, ValueError, r"y_true\[0\] has a lower bound above"),
    (fl.AFT(), [1.0, 0.0], [0.0, 0], None, fl.DomainError, r"y_true\[1\] = 0"),
    (fl.AFT(), [[1.0, 1.0]], [0.0], [INF], fl.DomainError, r"sample_weight\[0\] = inf is not fin"),
    (fl.AFT(), [[1.0, 1.0]], [0.0], [1, 2], ValueError, r"sample_weight must have shape \(1,\)"),
    (fl.AFT(), [[1.0, 1.0]], [1j], None, TypeError, "y_pred must hold real"),
    (fl.CoxPH(), [[1.0, 2.0]], [0.0], None, fl.DomainError, r"y_true\[0, 1\] = 2.0 is not in"),
    (fl.CoxPH(), [[np.nan, 1]], [0.0], None, fl.DomainError, r"y_true\[0, 0\] = nan"),
    (fl.CoxPH(), [INF], [0.0], None, fl.DomainError, r"y_true\[0\] = inf"),
    (fl.CoxPH(), [1.0, 2], [0.0, 0], [2, -1], fl.DomainError, r"sample_weight\[1\] = -1"),
]


@pytest.mark.parametrize(("loss", "y", "z", "weight", "error", "message"), BAD)
def test_mistakes(loss, y, z, weight, error, message):
    with pytest.raises(error, match=message):
        loss(y, z, sample_weight=weight)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.AFT("gumbel"), ValueError, "one of normal, logistic, extreme; got 'gumbel'"),
        (lambda: fl.AFT(scale=0), ValueError, r"scale must be in \(0, inf\); got 0"),
        (lambda: fl.CoxPH("exact"), ValueError, "one of breslow, efron; got 'exact'"),
        (lambda: fl.AFT()([1.0], [0.0], reduction="avg"), ValueError, "reduction must be"),
    ],
)
def test_mistakes_of_options(make, error, message):
    with pytest.raises(error, match=message):
        make()
