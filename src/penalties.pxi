# Penalties: block loops over parameters. Sums are of double throughout.

cdef inline void penalise(
        bint one, bint other, double l1, double l2, real w, double* value, real* grad
        ) noexcept nogil:
    """l1 |w| + l2/2 w^2 and its derivative, at 0 that of the square. A part that is left out is 0
    whatever w holds."""
    cdef double x = w
    cdef real down, s
    value[0] = 0
    grad[0] = 0
    if one:
        down = -<real>l1
        s = <real>l1 if w > 0 else w - w        # 0, or NaN
        grad[0] = down if w < 0 else s
        value[0] = l1 * fabs(x)
    if other:
        grad[0] += <real>l2 * w
        value[0] += 0.5 * l2 * x * x


cdef inline void penalty_loop(
        bint one, bint other, bint valued, bint mapped, const double* strengths,
        const real* restrict w, Py_ssize_t n, double* lanes, real* restrict grad) noexcept nogil:
    cdef double l1 = strengths[0], l2 = strengths[1], v
    cdef double own[LANES]
    cdef real g
    cdef Py_ssize_t i, k, m
    for k in range(LANES):
        own[k] = lanes[k]
    for i in range(n // LANES):
        for k in range(LANES):
            m = i * LANES + k
            penalise(one, other, l1, l2, w[m], &v, &g)
            if valued:
                own[k] += v
            if mapped:
                grad[m] = g
    for k in range(LANES):
        lanes[k] = own[k]


cdef inline void penalty_parts(
        bint valued, bint mapped, const double* strengths, const real* w, Py_ssize_t n,
        double* lanes, real* grad) noexcept nogil:
    """A loop for each choice of parts: one of strength 0 is left out."""
    cdef bint one = strengths[0] != 0, other = strengths[1] != 0
    if one and other:
        penalty_loop(True, True, valued, mapped, strengths, w, n, lanes, grad)
    elif one:
        penalty_loop(True, False, valued, mapped, strengths, w, n, lanes, grad)
    elif other:
        penalty_loop(False, True, valued, mapped, strengths, w, n, lanes, grad)
    else:
        penalty_loop(False, False, valued, mapped, strengths, w, n, lanes, grad)


cdef void penalty_value(
        const double* strengths, const real* w, Py_ssize_t n, double* lanes, real* out
        ) noexcept nogil:
    penalty_parts(True, False, strengths, w, n, lanes, out)


cdef void penalty_grad(
        const double* strengths, const real* w, Py_ssize_t n, double* lanes, real* out
        ) noexcept nogil:
    penalty_parts(False, True, strengths, w, n, lanes, out)


cdef void penalty_value_grad(
        const double* strengths, const real* w, Py_ssize_t n, double* lanes, real* out
        ) noexcept nogil:
    penalty_parts(True, True, strengths, w, n, lanes, out)


cdef void penalty_prox(
        const double* shrinking, const real* restrict w, Py_ssize_t n, double* lanes,
        real* restrict out) noexcept nogil:
    """The proximal step: towards 0 by the first number, then times the second."""
    cdef real largest = FLT_MAX if real is float else DBL_MAX
    cdef real threshold = <real>shrinking[0], factor = <real>shrinking[1]
    cdef Py_ssize_t i
    threshold = largest if threshold > largest else threshold   # infinity - infinity is NaN
    for i in range(n & -LANES):
        out[i] = shrunk(w[i], threshold) * factor


cdef void fill_penalties(real tag) noexcept:
    cdef PenaltyFn* maps = kernels.penalties[0 if real is float else 1]
    maps[PENALTY_VALUE] = <PenaltyFn>penalty_value[real]
    maps[PENALTY_GRAD] = <PenaltyFn>penalty_grad[real]
    maps[PENALTY_VALUE_GRAD] = <PenaltyFn>penalty_value_grad[real]
    maps[PENALTY_PROX] = <PenaltyFn>penalty_prox[real]


fill_penalties[float](0)
fill_penalties[double](0)
