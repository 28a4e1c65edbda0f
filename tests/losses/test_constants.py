"""Links, and the constant predictions that make losses least."""

import math

import numpy as np
import pytest
from samples import defaults, typical, variants
from scipy.special import expit

import fastloss as fl

N = 301
RNG = np.random.default_rng(0)
WEIGHTS = RNG.uniform(0, 2, N)
WEIGHTS[::7] = 0
INF = math.inf


def candidates(loss, y):
    """Predictions all over the range of the targets, and near 0."""
    grid = np.concatenate([np.linspace(min(y.min(), -5), max(y.max(), 5), 1001), y])
    return [x for x in grid if x in loss.z_domain]


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("loss", variants(), ids=repr)
def test_no_other_constant_is_better(loss, weight):
    y, _ = typical(loss, N, seed=3)
    if loss.name == "smooth_l2":  # it jumps, and has a minimum at each jump
        return
    if loss.name in ("tweedie", "tweedie_deviance") and loss.power < 1:
        y = abs(y)  # of a negative mean the best one would be at the end of the domain
    found = loss.optimal_constant(y, weight)
    if loss.name == "kl_div":  # it is linear
        assert found == INF
        return
    best = loss(y, np.broadcast_to(found, N), sample_weight=weight)
    for other in candidates(loss, y):
        value = loss(y, np.broadcast_to(other, N), sample_weight=weight)
        assert value >= best - 4 * np.spacing(abs(best))


def test_exact_constants():
    y, w = [1.0, 2.0, 4.0, 9.0], [1.0, 1.0, 2.0, 0.0]
    assert fl.SquaredError().optimal_constant(y) == 4.0
    assert fl.SquaredError().optimal_constant(y, w) == 2.75
    assert fl.AbsoluteError().optimal_constant(y) == 3.0 == np.median(y)
    assert fl.AbsoluteError().optimal_constant(y, w) == 3.0
    assert fl.Quantile(q=0.9).optimal_constant(y) == 9.0
    assert fl.Quantile(q=0.9).optimal_constant(y, w) == 4.0
    assert fl.Quantile(q=0.0).optimal_constant(y) == 1.0
    assert fl.Poisson().optimal_constant(y) == math.log(4)
    assert fl.Tweedie(power=0).optimal_constant([-1.0, -2.0]) == -INF
    assert fl.Gamma().optimal_constant(y) == math.log(4)
    assert fl.LogLoss().optimal_constant([0, 0, 1, 1, 1]) == 0.6
    assert fl.Logistic().optimal_constant([0, 1]) == 0.0
    assert fl.Logistic(pos_weight=3.0).optimal_constant([0, 1]) == math.log(3)
    nearly = [0.5 + 2.0**-40]
    assert fl.Logistic().optimal_constant(nearly) == pytest.approx(2.0**-38, rel=1e-15)
    assert fl.Logistic().optimal_constant([1, 1]) == INF
    assert fl.Logistic().optimal_constant([0, 0]) == -INF
    assert fl.Exponential().optimal_constant([-1, 1, 1, 1]) == pytest.approx(math.log(3) / 2)
    assert fl.Huber().optimal_constant([5.0]) == 5.0


@pytest.mark.parametrize("seed", range(20))
def test_quantiles_are_minimisers_whether_weighted_or_repeated(seed):
    rng = np.random.default_rng(seed)
    n, q = int(rng.integers(1, 30)), rng.uniform()
    y, times = rng.integers(0, 9, n) * 1.0, rng.integers(1, 4, n)
    for loss in (fl.AbsoluteError(), fl.Quantile(q=q)):
        assert loss.optimal_constant(y, times) == loss.optimal_constant(np.repeat(y, times))


def test_a_constant_of_rows_of_classes():
    y = RNG.integers(0, 4, N)
    losses = [
        fl.SoftmaxCrossEntropy(),
        fl.SoftmaxCrossEntropy([1, 2, 3, 4], 0.1, ignore_index=2),
        fl.SoftmaxFocal(2.0, [1, 2, 3, 1]),
        fl.SoftmaxFocal(2.0, [1, 2, 3, 1], label_smoothing=0.1),
        fl.PolyLoss(epsilon=2.0),
        fl.GeneralizedCrossEntropy(),
        fl.GeneralizedCrossEntropy(q=1.0),
        fl.SymmetricCrossEntropy(alpha=6.0, beta=0.1),
        fl.CrossEntropy(),
        fl.NLL(),
        fl.MultiClassBrier(),
    ]
    for loss in losses:
        row = loss.optimal_constant(y, WEIGHTS, n_classes=4)
        best = loss(y, np.tile(row, (N, 1)), sample_weight=WEIGHTS)
        for size in (1e-6, 1e-3, 0.1):
            for _ in range(20):
                other = row + size * RNG.normal(size=4)
                if isinstance(loss, (fl.CrossEntropy, fl.MultiClassBrier)):
                    other = np.abs(other) / np.abs(other).sum()
                if isinstance(loss, fl.NLL):
                    other = fl.log_softmax(other)
                value = loss(y, np.tile(other, (N, 1)), sample_weight=WEIGHTS)
                assert value >= best - 4 * np.spacing(best)
    shares = np.bincount(y, minlength=5) / N
    row = fl.SoftmaxCrossEntropy().optimal_constant(y, n_classes=5)
    np.testing.assert_allclose(np.exp(row), shares, rtol=1e-14)
    assert row[4] == -INF
    one_hot = np.eye(4)[y]
    np.testing.assert_allclose(
        fl.CrossEntropy().optimal_constant(one_hot, WEIGHTS),
        fl.CrossEntropy().optimal_constant(y, WEIGHTS),
        rtol=1e-13,
    )


def test_a_constant_of_labels_and_of_a_normal_distribution():
    y = RNG.integers(0, 2, (N, 3))
    loss = fl.MultiLabelLogistic(pos_weight=[1, 2, 3])
    expected = [
        fl.Logistic(pos_weight=c).optimal_constant(y[:, k]) for k, c in enumerate([1, 2, 3])
    ]
    np.testing.assert_allclose(loss.optimal_constant(y), expected, rtol=1e-14)
    x = RNG.normal(size=N) * 3 + 1
    np.testing.assert_allclose(
        fl.GaussianNLL().optimal_constant(x), [x.mean(), x.var()], rtol=1e-13
    )
    with pytest.raises(NotImplementedError, match="Dice has no best constant row"):
        fl.Dice().optimal_constant(y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fl.SquaredError().optimal_constant([]), "mean over nothing"),
        (lambda: fl.SquaredError().optimal_constant([1.0], [0.0]), "mean over nothing"),
        (lambda: fl.SquaredError().optimal_constant([1.0, 2.0], [2.0, -1.0]), "negative"),
        (lambda: fl.SquaredError().optimal_constant([1.0, math.nan]), r"y_true\[1\] = nan"),
        (lambda: fl.LogLoss().optimal_constant([0.0, 2.0]), r"y_true\[1\] = 2.0 is not in"),
        (lambda: fl.SquaredError().optimal_constant([1.0], [1.0, 2.0]), "sample_weight must have"),
        (lambda: fl.PoissonDeviance().optimal_constant([0, 0]), "has no best constant"),
        (lambda: fl.CrossEntropy().optimal_constant([[0.5, math.nan]]), "y_true holds nan"),
        (lambda: fl.MultiLabelLogistic().optimal_constant([[0.5, 2.0]]), "y_true holds 2.0"),
        (lambda: fl.GaussianNLL().optimal_constant([1.0, math.inf]), "y_true holds inf"),
        (lambda: fl.CrossEntropy().optimal_constant([0, 1], [1.0]), "a weight for each row"),
        (lambda: fl.CrossEntropy().optimal_constant([0, 1], [1.0, -1.0]), "not negative"),
        (lambda: fl.CrossEntropy().optimal_constant([0, 3], n_classes=2), "classes from 0 to 1"),
    ],
)
def test_what_has_no_best_constant(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
def test_links_are_inverses(loss):
    z = np.linspace(-3, 3, 41)
    means = loss.inverse_link(z)
    np.testing.assert_allclose(loss.link(means), z, rtol=1e-13, atol=1e-14)
    assert loss.inverse_link(z.astype(np.float32)).dtype == np.float32
    assert loss.inverse_link([0, 1]).dtype == np.float64


def test_what_links_are():
    z = np.array([-1.0, 0.0, 2.0])
    for loss in (fl.Logistic(), fl.Focal(), fl.MultiLabelLogistic()):
        np.testing.assert_allclose(loss.inverse_link(z), expit(z), rtol=1e-15)
    np.testing.assert_allclose(fl.Exponential().inverse_link(z), expit(2 * z), rtol=1e-15)
    for loss in (fl.Poisson(), fl.Gamma(), fl.Tweedie()):
        np.testing.assert_allclose(loss.inverse_link(z), np.exp(z), rtol=1e-15)
    for loss in (fl.SoftmaxCrossEntropy(axis=0), fl.SoftmaxFocal(axis=0), fl.PolyLoss(axis=0)):
        p = loss.inverse_link(np.stack([z, z + 1]))
        np.testing.assert_allclose(p.sum(axis=0), 1, rtol=1e-15)
        np.testing.assert_allclose(p, loss.inverse_link(loss.link(p)), rtol=1e-13)
    assert fl.Huber().inverse_link(z) is z
    assert fl.KLDivergence().inverse_link(z) is z
    logarithms = fl.KLDivergence(log_probabilities=True)
    np.testing.assert_allclose(logarithms.inverse_link(z), np.exp(z), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["u1", "u8", "i1", "?"])
def test_labels_may_be_of_any_integer_type(dtype):
    loss, labels = fl.SoftmaxCrossEntropy(), np.array([0, 1, 1], dtype)
    np.testing.assert_array_equal(
        loss.optimal_constant(labels), loss.optimal_constant(labels.astype(int))
    )


@pytest.mark.filterwarnings("error")
def test_numbers_that_overflow_on_the_way_warn_of_nothing():
    assert fl.GaussianNLL().optimal_constant([1e300, -1e300])[1] == np.inf


@pytest.mark.filterwarnings("error")
def test_links_warn_of_nothing():
    assert fl.Poisson().inverse_link([1e4, 0.0]).tolist() == [np.inf, 1.0]
    assert np.isnan(fl.Poisson().link([-1.0])[0])
    assert fl.Exponential().inverse_link([1e308, -1e308]).tolist() == [1.0, 0.0]


def test_targets_without_the_axis_of_the_rows_are_an_error():
    loss = fl.MultiClassHinge(axis=2, classes=["a", "b"])
    with pytest.raises(ValueError, match="is not one of the classes 'a', 'b'"):
        loss.optimal_constant([["a", "x"]])


@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
def test_links_keep_shape_and_type_in_any_byte_order(loss):
    for x in (np.array(0.5, ">f4"), np.full((2, 3), 0.5, ">f4")):
        for function in (loss.link, loss.inverse_link):
            found = function(x)
            assert type(found) is np.ndarray
            assert (found.shape, found.dtype) == (x.shape, np.float32)


def test_a_label_beyond_64_bits_is_an_error():
    with pytest.raises(ValueError, match="which no class can be"):
        fl.SoftmaxCrossEntropy().optimal_constant(np.array([0, 2**64 - 1], np.uint64))


@pytest.mark.parametrize(
    ("loss", "y", "w"),
    [
        (fl.EpsilonInsensitive(epsilon=1.0), [-1.0, 2.0, -1.0], None),
        (fl.LogCosh(), [2.342757144680547e-221, 6.264224070327440e214], [10, 4]),
    ],
)
def test_a_search_that_halves_for_long_comes_to_an_end(loss, y, w):
    found = loss.optimal_constant(y, w)
    assert abs(found) < 1
    assert loss(y, np.full(len(y), found), sample_weight=w) <= loss(
        y, [y[0]] * len(y), sample_weight=w
    )
