# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Linear models by stochastic gradient descent on any pointwise loss of fastloss."""

import numpy as np

cimport fastloss


def fit(loss, const double[:, ::1] X, const double[::1] y, *, double lr=0.01, double l2=0.0,
        int epochs=10, seed=None):
    """Fit the weights w and the intercept b of predictions z = X w + b.

    The step of a sample, whose loss has the derivative g by z, is

        w <- (1 - lr * l2) * w - lr * g * x
        b <- b - lr * g

    and each epoch takes all samples in an order of its own. Returns w and b.
    """
    cdef fastloss.Loss bound = fastloss.from_object(loss)
    cdef double[::1] w = np.zeros(X.shape[1])
    cdef const Py_ssize_t[::1] order
    cdef double b = 0
    cdef Py_ssize_t failed
    if X.shape[0] != y.shape[0]:
        raise ValueError(f"y must have a target for each of X's {X.shape[0]} rows; got {y.shape[0]}")
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(X.shape[0])
        with nogil:
            failed = run_epoch(&bound, X, y, order, lr, l2, w, &b)
        if failed >= 0:
            raise ValueError(f"the target or the prediction of row {failed} is outside the domain "
                             f"of {loss!r}: y = {y[failed]}, z = {X[failed] @ np.asarray(w) + b}")
    return np.asarray(w), b


cdef Py_ssize_t run_epoch(
        const fastloss.Loss* loss, const double[:, ::1] X, const double[::1] y,
        const Py_ssize_t[::1] order, double lr, double l2, double[::1] w, double* b
        ) noexcept nogil:
    """Take a step for each sample; the row of the first that the loss refuses, or -1."""
    cdef double shrink = 1 - lr * l2, z, step
    cdef Py_ssize_t i, j, row
    cdef const double* x
    for i in range(order.shape[0]):
        row = order[i]
        x = &X[row, 0]
        z = dot(x, &w[0], w.shape[0]) + b[0]
        if fastloss.outside_one(loss, y[row], z):
            return row
        step = lr * fastloss.grad_one(loss, y[row], z)
        for j in range(w.shape[0]):
            w[j] = shrink * w[j] - step * x[j]
        b[0] -= step
    return -1


cdef inline double dot(const double* x, const double* w, Py_ssize_t n) noexcept nogil:
    cdef double a = 0, b = 0, c = 0, d = 0      # four sums, as additions wait for each other
    cdef Py_ssize_t j
    for j in range(0, n - 3, 4):
        a += x[j] * w[j]
        b += x[j + 1] * w[j + 1]
        c += x[j + 2] * w[j + 2]
        d += x[j + 3] * w[j + 3]
    for j in range(n & -4, n):
        a += x[j] * w[j]
    return (a + b) + (c + d)
