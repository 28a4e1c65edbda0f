# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Linear models by stochastic gradient descent on any pointwise loss of fastloss."""

import numpy as np

cimport fastloss

cdef extern from *:
    """
    #ifdef __GNUC__
      #define PREFETCH(address) __builtin_prefetch(address)
    #else
      #define PREFETCH(address) ((void)(address))
    #endif
    """
    void PREFETCH(const void*) noexcept nogil

cdef enum:
    AHEAD = 4       # rows in a random order come late from memory unless asked for in time


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
        raise ValueError(f"y must have a number for each of X's {X.shape[0]} rows; got {y.shape[0]}")
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(X.shape[0])
        with nogil:
            failed = run_epoch(&bound, X, y, order, lr, l2, w, &b)
        if failed >= 0:
            raise ValueError(f"row {failed} is outside the domain of {loss!r}: y = {y[failed]}, "
                             f"z = {np.dot(X[failed], w) + b}")
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
        if i + AHEAD < order.shape[0]:
            row = order[i + AHEAD]
            PREFETCH(&y[row])
            for j in range(0, w.shape[0], 8):
                PREFETCH(&X[row, j])
        row = order[i]
        x = &X[row, 0]
        z = dot(x, &w[0], w.shape[0]) + b[0]
        if fastloss.outside_one(loss, y[row], z):
            return row
        step = lr * fastloss.grad_one(loss, y[row], z)
        if step != 0 or l2 != 0:
            for j in range(w.shape[0]):
                w[j] = shrink * w[j] - step * x[j]
            b[0] -= step
    return -1


cdef inline double dot(const double* x, const double* w, Py_ssize_t n) noexcept nogil:
    cdef double p = 0, q = 0, r = 0, s = 0      # not one sum, whose additions wait for each other
    cdef Py_ssize_t j
    for j in range(0, n - 3, 4):
        p += x[j] * w[j]
        q += x[j + 1] * w[j + 1]
        r += x[j + 2] * w[j + 2]
        s += x[j + 3] * w[j + 3]
    for j in range(n & -4, n):
        p += x[j] * w[j]
    return (p + q) + (r + s)
