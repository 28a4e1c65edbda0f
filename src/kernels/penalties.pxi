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


# ---- groups ------------------------------------------------------------------------------------

cdef double squares_of(const real* w, Py_ssize_t n) noexcept nogil:
    cdef double lanes[LANES]
    cdef double total = 0, x
    cdef Py_ssize_t i, k
    if n >= LANES:
        for k in range(LANES):
            lanes[k] = 0
        for i in range(n // LANES):
            for k in range(LANES):
                x = w[i * LANES + k]
                lanes[k] += x * x
        total = fold(lanes)
    for i in range(n & -LANES, n):
        x = w[i]
        total += x * x
    return total


cdef double group_norms(
        int penalty, double strength, const real* w, Py_ssize_t members, Py_ssize_t stride,
        Py_ssize_t groups, real* out) noexcept nogil:
    """Groups one after the other, if their members are neighbours (a stride of 1); else side by
    side."""
    cdef double found[BLOCK]                # squares, norms, factors
    cdef double total = 0, factor, x
    cdef Py_ssize_t g, i
    for g in range(groups):
        found[g] = squares_of(w + g * members, members) if stride == 1 else 0
    if stride != 1:
        for i in range(members):
            for g in range(groups):
                x = w[i * stride + g]
                found[g] += x * x
    for g in range(groups):
        found[g] = sqrt(found[g])
    for g in range(groups):
        total += found[g]
    if out == NULL:
        return total
    for g in range(groups):
        found[g] = group_factor(penalty, strength, found[g])
    if stride == 1:
        for g in range(groups):
            factor = found[g]
            for i in range(g * members, (g + 1) * members):
                out[i] = <real>(w[i] * factor)
    else:
        for i in range(members):
            for g in range(groups):
                out[i * stride + g] = <real>(w[i * stride + g] * found[g])
    return total


cdef void add_labelled(
        const real* w, const Py_ssize_t* labels, Py_ssize_t n, double* squares) noexcept nogil:
    cdef double x
    cdef Py_ssize_t i
    for i in range(n):
        x = w[i]
        squares[labels[i]] += x * x


cdef void multiply_labelled(
        const real* w, const Py_ssize_t* labels, Py_ssize_t n, const double* factors, real* out
        ) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <real>(w[i] * factors[labels[i]])
