# The passes over a block that all losses share.

cdef void pass_sum(const real* v, Py_ssize_t n, double* lanes) noexcept nogil:
    # a fixed number of lanes, so that every instruction set adds in the same order
    cdef double own[LANES]
    cdef Py_ssize_t i, k
    for k in range(LANES):
        own[k] = lanes[k]
    for i in range(n // LANES):
        for k in range(LANES):
            own[k] += v[i * LANES + k]
    for k in range(LANES):
        lanes[k] = own[k]


cdef bint pass_any_nan(const real* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(n & -LANES):
        found |= v[i] != v[i]
    return found


ctypedef fused weight:
    float
    double


cdef void pass_multiply(real* restrict v, const weight* restrict w, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        v[i] = <real>(v[i] * w[i])


cdef inline double product(real v, weight w) noexcept nogil:
    """v w, which is rounded to float32 if both are of it and it holds that."""
    cdef double exact = <double>v * w, size
    cdef float rounded
    if real is float and weight is float:
        rounded = <float>exact
        size = fabs(<double>rounded)
        return rounded if (size >= 2.0 ** -126) & (size <= FLT_MAX) else exact
    else:
        return exact


cdef void pass_weighted_sum(
        const real* v, const weight* w, Py_ssize_t n, double* lanes) noexcept nogil:
    cdef double own[LANES]
    cdef Py_ssize_t i, k
    for k in range(LANES):
        own[k] = lanes[k]
    for i in range(n // LANES):
        for k in range(LANES):
            own[k] += product(v[i * LANES + k], w[i * LANES + k])
    for k in range(LANES):
        lanes[k] = own[k]


cdef void pass_products(
        const real* restrict v, const weight* restrict w, Py_ssize_t n, double* restrict out
        ) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        out[i] = product(v[i], w[i])


cdef void pass_scale(
        const weight* restrict w, double factor, Py_ssize_t n, weight* restrict scaled
        ) noexcept nogil:
    # in double: a factor of 1 / sum(w) need not fit float32
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        scaled[i] = <weight>(w[i] * factor)


cdef WeightStats pass_weight_stats(const weight* w, Py_ssize_t n) noexcept nogil:
    cdef WeightStats stats
    cdef double lanes[LANES]
    cdef Py_ssize_t i
    cdef int nonzero = 0
    for i in range(n & -LANES):
        nonzero += w[i] != 0
    stats.nonzero = nonzero
    for i in range(LANES):
        lanes[i] = 0
    pass_sum(w, n, lanes)
    stats.total = fold(lanes)
    stats.finite = stats.total - stats.total == 0
    return stats


cdef void pass_drop_nan(
        const real* restrict y, const real* restrict z, Py_ssize_t n, weight* restrict w
        ) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        w[i] = 0 if (y[i] != y[i]) | (z[i] != z[i]) else w[i]


cdef void pass_fill_absent(
        real* restrict v, const weight* restrict w, Py_ssize_t n, double filling) noexcept nogil:
    cdef Py_ssize_t i
    cdef real x = <real>filling
    for i in range(n & -LANES):
        v[i] = x if w[i] == 0 else v[i]


cdef void pass_root_hess(
        const real* restrict grad, double root, Py_ssize_t n, real* restrict hess) noexcept nogil:
    cdef Py_ssize_t i
    cdef real inverse = <real>(1 / root)
    for i in range(n & -LANES):
        hess[i] -= grad[i] * grad[i] * inverse
