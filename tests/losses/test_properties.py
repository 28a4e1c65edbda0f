"""Properties of every loss, on inputs that hypothesis finds."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from samples import defaults, typical

import fastloss as fl

quick = settings(max_examples=15, deadline=None, database=None)
every_loss = pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
additive = pytest.mark.parametrize(
    "loss", [loss for loss in defaults() if not loss._root], ids=lambda loss: loss.name
)
sizes = st.integers(1, 1100)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.float32, np.float64])


def ulps(x, n=1):
    return {"rtol": 0, "atol": n * np.spacing(abs(float(x)))}


@every_loss
@given(seed=seeds, n=sizes)
@quick
def test_the_order_of_rows_hardly_matters(loss, seed, n):
    y, z = typical(loss, n, np.float32, seed)
    order = np.random.default_rng(seed).permutation(n)
    total, grad = loss.value_and_grad(y, z, reduction="none")
    shuffled, shuffled_grad = loss.value_and_grad(y[order], z[order], reduction="none")
    np.testing.assert_array_equal(shuffled, total[order])
    np.testing.assert_array_equal(shuffled_grad, grad[order])
    # sums of float32 in float64: at most the last bits of float64 depend on the order
    scale = loss(y, z, reduction="sum", sample_weight=np.sign(total)) or 1.0
    difference = loss(y[order], z[order], reduction="sum") - loss(y, z, reduction="sum")
    assert abs(difference) <= 8 * np.spacing(abs(scale))


@additive
@given(seed=seeds, n=sizes, power=st.integers(-20, 20), dtype=dtypes)
@quick
def test_scaling_weights_scales_sums_and_leaves_means(loss, seed, n, power, dtype):
    y, z = typical(loss, n, dtype, seed)
    w = np.random.default_rng(seed).uniform(0.5, 2, n).astype(dtype)
    scaled = w * dtype(2) ** power  # exact
    assert loss(y, z, sample_weight=scaled) == loss(y, z, sample_weight=w)
    assert loss(y, z, sample_weight=scaled, reduction="sum") == 2.0**power * loss(
        y, z, sample_weight=w, reduction="sum"
    )
    np.testing.assert_array_equal(
        loss.grad(y, z, sample_weight=scaled), loss.grad(y, z, sample_weight=w)
    )


@additive
@given(seed=seeds, n=sizes, dtype=dtypes)
@quick
def test_a_sum_is_that_of_its_parts(loss, seed, n, dtype):
    y, z = typical(loss, n, dtype, seed)
    cut = seed % (n + 1)
    parts = sum(loss(y[part], z[part], reduction="sum") for part in (slice(cut), slice(cut, None)))
    each = loss(y, z, reduction="none").astype(np.float64)
    tolerance = 1e-13 * abs(each).sum()
    assert abs(loss(y, z, reduction="sum") - parts) <= tolerance
    assert abs(loss(y, z, reduction="sum") - each.sum()) <= tolerance


@every_loss
@given(seed=seeds, step=st.floats(1e-4, 1e-2))
@quick
def test_the_gradient_has_the_sign_of_the_change(loss, seed, step):
    y, z = typical(loss, 50, np.float64, seed)
    grad, hess = loss.grad_and_hess(y, z, reduction="none")
    there = z - step * np.sign(grad) * np.minimum(abs(z), 0.005)
    if loss.z_domain.bounded:
        there = np.clip(there, 1e-3, 1 - 1e-3 if 7.5 not in loss.z_domain else None)
    change = loss(y, there, reduction="none") - loss(y, z, reduction="none")
    predicted = grad * (there - z) + hess * (there - z) ** 2 / 2
    smooth = np.sign(loss.grad(y, there, reduction="none")) == np.sign(grad)
    smooth &= abs(abs(there - y) - 1) > 0.02  # where smooth_l2 jumps
    assert smooth.sum() > 10
    np.testing.assert_allclose(
        change[smooth], predicted[smooth], atol=2e-3 * abs(grad).max() * step + 1e-7
    )


CONVEX = {
    "mse", "brier", "mae", "huber", "smooth_l1", "log_cosh", "quantile", "expectile",
    "epsilon_insensitive", "squared_epsilon_insensitive", "mape", "poisson", "gamma", "tweedie",
    "poisson_deviance", "log_loss", "logistic", "hinge", "squared_hinge", "modified_huber",
    "exponential", "perceptron", "binary_kl",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CONVEX))
@given(seed=seeds)
@quick
def test_convex_losses_have_no_negative_hessian(name, seed):
    loss = fl.get_loss(name)
    y, z = typical(loss, 100, np.float64, seed)
    grad, hess = loss.grad_and_hess(y, z, reduction="none")
    assert (hess >= 0).all()
    order = np.argsort(z)
    same = np.full(100, y[0])
    assert (np.diff(loss.grad(same, z[order], reduction="none")) >= -1e-12).all()
    assert np.isfinite(grad).all()


# their least value depends on the target, or there is none
LEAST = {"poisson", "poisson_nll", "gamma", "tweedie", "kl_div", "hinge_embedding"}


@every_loss
@given(seed=seeds, dtype=dtypes)
@quick
def test_losses_are_not_negative(loss, seed, dtype):
    if loss.name in LEAST:
        return
    y, z = typical(loss, 200, dtype, seed)
    assert (loss(y, z, reduction="none") >= 0).all()


NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(
    st.integers(1, 60).flatmap(lambda n: st.tuples(*[arrays(np.float32, n, elements=NUMBERS)] * 2))
)
@quick
def test_mean_squared_error_of_arbitrary_numbers(pair):
    y, z = pair
    exact = np.mean((z - y).astype(np.float64) ** 2)
    assert fl.SquaredError()(y, z) == pytest.approx(exact, rel=1e-6)
    assert fl.RootMeanSquaredError()(y, z) == pytest.approx(np.sqrt(exact), rel=1e-6)
    assert fl.AbsoluteError()(y, z) == pytest.approx(np.mean(abs(z - y), dtype=float), rel=1e-6)


@given(seed=seeds, n=st.integers(1, 300), cuts=st.lists(st.integers(0, 300), max_size=4))
@quick
def test_scores_of_any_parts_merge_to_those_of_the_whole(seed, n, cuts):
    rng = np.random.default_rng(seed)
    y, z, groups = rng.normal(size=n), rng.normal(size=n), rng.integers(-3, 3, n)
    whole = fl.score(y, z, ["mse", "rmse", "mae"], groups=groups)
    merged = fl.Scorer(["mse", "rmse", "mae"])
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    for start, stop in zip(edges, edges[1:], strict=False):
        part = fl.Scorer(["mse", "rmse", "mae"])
        part.update(y[start:stop], z[start:stop], groups=groups[start:stop])
        merged.merge(part)
    result = merged.result()
    assert result.groups == whole.groups
    np.testing.assert_allclose(result.values, whole.values, rtol=1e-12)
    np.testing.assert_allclose(result.group_values, whole.group_values, rtol=1e-12)
