"""The loss of k-means: against all distances at once."""

import numpy as np
import pytest

import fastloss as fl

LOSS = fl.KMeansLoss()


def data(n=500, d=5, k=7, dtype=np.float64, offset=0.0):
    rng = np.random.default_rng(0)
    X, centers = rng.normal(size=(n, d)) + offset, rng.normal(size=(k, d)) + offset
    return X.astype(dtype), centers.astype(dtype)


def whole(X, centers):
    X, centers = X.astype(np.float64), centers.astype(np.float64)
    distances = ((X[:, None] - centers) ** 2).sum(-1)
    nearest = distances.argmin(1)
    grad = np.zeros(centers.shape)
    np.add.at(grad, nearest, 2 * (centers[nearest] - X) / len(X))
    return distances.min(1).mean(), nearest, grad


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 500])
@pytest.mark.parametrize("k", [1, 7, 600])
def test_value_assignments_and_gradient(n, k, dtype):
    X, centers = data(n, k=k, dtype=dtype)
    value, nearest, grad = whole(X, centers)
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    assert LOSS(X, centers) == pytest.approx(value, rel=tolerance)
    np.testing.assert_array_equal(LOSS.assign(X, centers), nearest)
    got = LOSS.value_and_grad(X, centers)
    assert got[0] == pytest.approx(value, rel=tolerance) and got[1].dtype == dtype
    np.testing.assert_allclose(got[1], grad, rtol=tolerance, atol=tolerance)


def test_chunks(monkeypatch):
    X, centers = data()
    expected = LOSS.value_and_grad(X, centers)
    monkeypatch.setattr("fastloss.losses.clustering.CHUNK", 100)
    value, grad = LOSS.value_and_grad(X, centers)
    assert value == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(grad, expected[1], rtol=1e-12, atol=1e-15)


def test_an_offset_of_all_does_not_cost_digits():
    X, centers = data(dtype=np.float32, offset=1000.0)
    value, nearest, _ = whole(X, centers)
    assert (LOSS.assign(X, centers) == nearest).mean() > 0.99
    assert LOSS(X, centers) == pytest.approx(value, rel=1e-5)


def test_the_gradient_is_the_derivative():
    X, centers = data()
    grad, h = LOSS.value_and_grad(X, centers)[1], 1e-6
    for index in np.ndindex(centers.shape):
        up, down = centers.copy(), centers.copy()
        up[index] += h
        down[index] -= h
        assert (LOSS(X, up) - LOSS(X, down)) / (2 * h) == pytest.approx(grad[index], abs=1e-6)


def test_parity_with_scikit_learn():
    cluster = pytest.importorskip("sklearn.cluster")
    X, centers = data()
    theirs = cluster.KMeans(len(centers), init=centers, n_init=1, max_iter=1).fit(X)
    assert LOSS(X, theirs.cluster_centers_) == pytest.approx(theirs.inertia_ / len(X), rel=1e-12)


@pytest.mark.parametrize(
    ("X", "centers", "error", "message"),
    [
        (np.ones((3, 2)), np.ones((2, 3)), ValueError, "X must have shape"),
        (np.ones(3), np.ones((2, 3)), ValueError, "X must have shape"),
        (np.ones((3, 2)), np.ones((0, 2)), ValueError, "k at least 1"),
        (np.ones((0, 2)), np.ones((1, 2)), ValueError, "X has no points"),
        (np.ones((3, 2)), np.ones((1, 2), np.float32), TypeError, "X of float64 and centers of"),
        (np.array([[1.0, np.nan]]), np.ones((1, 2)), ValueError, r"X\[0, 1\] = nan is not finite"),
        (np.ones((1, 2)), np.array([[np.inf, 0]]), ValueError, r"centers\[0, 0\] = inf is not"),
    ],
)
def test_mistakes(X, centers, error, message):
    with pytest.raises(error, match=message):
        LOSS.value_and_grad(X, centers)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [(np.float32, 1e20), (np.float32, 1e37), (np.float32, 1e-30), (np.float64, 1e200)]
    + [(np.float64, 1e-200), (np.float64, 1e306)],
)
def test_assignments_where_squares_over_and_underflow(dtype, size):
    X, centers = data(dtype=np.float64)
    nearest = whole(X, centers)[1]
    X, centers = (X * size).astype(dtype), (centers * size).astype(dtype)
    np.testing.assert_array_equal(LOSS.assign(X, centers), nearest)


def test_points_of_other_sizes_than_the_centers():
    X = np.array([[1e10, 1], [1e-25, 3e-25], [2e-25, -1e-25]], np.float32)
    centers = np.array([[1e-25, 2e-25], [2e-25, -2e-25]], np.float32)
    np.testing.assert_array_equal(LOSS.assign(X, centers)[1:], [0, 1])


def test_differences_that_overflow():
    far = np.array([[3.3e38], [3.2e38], [-3.3e38]], np.float32)
    np.testing.assert_array_equal(LOSS.assign(far, far), [0, 1, 2])


@pytest.mark.filterwarnings("error")
def test_distances_that_overflow_warn_of_nothing():
    X, centers = np.full((2, 3), 3e38, np.float32), np.full((1, 3), -3e38, np.float32)
    value, grad = fl.KMeansLoss().value_and_grad(X, centers)
    assert np.isinf(grad).all()
    assert value == fl.KMeansLoss()(X, centers) > 1e76
