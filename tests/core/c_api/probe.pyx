# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Calls all of fastloss's C API, for the tests, with arrays in and out."""

from cython cimport floating

cimport fastloss


cdef class Bound:
    """A loss that is bound, and nothing of its object."""

    cdef fastloss.Loss loss

    def __init__(self, loss):
        self.loss = fastloss.from_object(loss)


def evaluate(Bound bound, const floating[::1] y, const floating[::1] z, floating[::1] value,
             floating[::1] grad, floating[::1] hess):
    """Fill in those arrays that are not None, without the GIL."""
    cdef floating* v = NULL if value is None else &value[0]
    cdef floating* g = NULL if grad is None else &grad[0]
    cdef floating* h = NULL if hess is None else &hess[0]
    cdef Py_ssize_t failed
    with nogil:
        failed = fastloss.evaluate(&bound.loss, &y[0], &z[0], y.shape[0], v, g, h)
    return failed


def one_by_one(Bound bound, const double[::1] y, const double[::1] z, double[:, ::1] found):
    """Value, gradient and Hessian of each sample, the gradient alone, and what is outside."""
    cdef fastloss.Sample sample
    cdef Py_ssize_t i
    with nogil:
        for i in range(y.shape[0]):
            sample = fastloss.evaluate_one(&bound.loss, y[i], z[i])
            found[0, i] = sample.value
            found[1, i] = sample.grad
            found[2, i] = sample.hess
            found[3, i] = fastloss.grad_one(&bound.loss, y[i], z[i])
            found[4, i] = fastloss.outside_one(&bound.loss, y[i], z[i])
