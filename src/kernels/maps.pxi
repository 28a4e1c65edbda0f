# The loops over a block around the branch of a loss: one for each set of outputs.

cdef inline bint is_staged(const Loss* p, real tag) noexcept nogil:
    """Known when it is compiled."""
    cdef bint staged
    first_stage(p, tag, tag, &staged)
    return staged


cdef inline void run_stages(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, real* first, real* second
        ) noexcept nogil:
    cdef Py_ssize_t i
    # what is computed of an element does not depend on the others of its block
    cdef int odd = 0, wild = 0
    cdef Way way
    cdef bint staged
    cdef real bound = tame_bound(p, <real>0), found
    if Loss is LogLoss:
        for i in range(n & -LANES):
            first[i] = plain_entropy(y[i], z[i])
            second[i] = plain_curvature(y[i], z[i])
            odd |= is_plain(y[i], z[i]) == 0
        if odd == 0:
            return
    if Loss is GeneralRobust:
        way = way_of(p)
        if way == BY_ROOT:
            for i in range(n & -LANES):
                first[i] = robust_power(p, y[i], z[i], BY_ROOT, &second[i])
        elif way == MILD:
            for i in range(n & -LANES):
                first[i] = robust_power(p, y[i], z[i], MILD, &second[i])
        else:
            for i in range(n & -LANES):
                first[i] = robust_power(p, y[i], z[i], STEEP, &second[i])
        return
    if Loss is Gamma or Loss is Tweedie:
        for i in range(n & -LANES):
            wild |= absolute(z[i]) > bound
            first[i] = tame_stage(p, y[i], z[i])
        if wild:
            for i in range(n & -LANES):
                found = first_stage(p, y[i], z[i], &staged)
                first[i] = found if absolute(z[i]) > bound else first[i]
    else:
        for i in range(n & -LANES):
            first[i] = first_stage(p, y[i], z[i], &staged)
    for i in range(n & -LANES):
        second[i] = second_stage(p, y[i], z[i], first[i])


cdef inline void evaluate(
        const Loss* p, real y, real z, real first, real second,
        real* value, real* grad, real* hess, real* curve) noexcept nogil:
    """pointwise(), with second derivatives of NaN, too; values and gradients carry it."""
    cdef bint nan = (y != y) | (z != z)     # "or" would branch
    cdef real h, c, s = y + z
    pointwise(p, y, z, first, second, value, grad, &h, &c)
    hess[0] = s if nan else h
    curve[0] = s if nan else c


# All loops are these two: what is constant in a call of them decides what is left of them. A loop over
# LANES elements at a time keeps the running sums in registers.

cdef inline void run_block(
        const Loss* p, int mode, bint adds, const real* restrict y, const real* restrict z,
        Py_ssize_t n, real factor, double* own, uint64_t nothing, real* restrict value,
        real* restrict grad, real* restrict hess) noexcept nogil:
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, c, u, w
    cdef Py_ssize_t i, k, j
    cdef bint staged = is_staged(p, factor)
    if staged:
        run_stages(p, y, z, n, first, second)
    for i in range(n // LANES):
        for k in range(LANES):
            j = i * LANES + k
            u = first[j] if staged else <real>0     # else there may be more than the buffers hold
            w = second[j] if staged else <real>0
            evaluate(p, y[j], z[j], u, w, &v, &g, &h, &c)
            if adds:
                own[k] += v if real is float else fl_rounded_f64(v, nothing)
            elif mode == VALUE or mode == VALUE_GRAD:
                value[j] = v
            if mode != VALUE:
                grad[j] = factor * g
            if mode == GRAD_HESS:
                hess[j] = factor * h
            elif mode == GRAD_CURVE:
                hess[j] = factor * c


cdef inline real* at(real* array, Py_ssize_t start) noexcept nogil:
    return array + start if array != NULL else NULL


cdef inline void run_map(
        const Loss* parameters, int mode, bint adds, const real* y, const real* z, Py_ssize_t n,
        double scale, double* lanes, real* value, real* grad, real* hess) noexcept nogil:
    """Any number of whole lanes: in blocks, where stages hand over buffers of these."""
    cdef Loss p = parameters[0]
    cdef double own[LANES]
    cdef Py_ssize_t k, start = 0, most = BLOCK if is_staged(&p, <real>scale) else n
    if adds:
        for k in range(LANES):
            own[k] = lanes[k]
    while start < n:
        run_block(
            &p, mode, adds, y + start, z + start, n - start if n - start < most else most,
            <real>scale, own, fl_nothing, at(value, start), at(grad, start), at(hess, start))
        start += most
    if adds:
        for k in range(LANES):
            lanes[k] = own[k]


cdef void map_value(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, double scale, void* value,
        real* grad, real* hess) noexcept nogil:
    run_map(p, VALUE, False, y, z, n, scale, NULL, <real*>value, grad, hess)


cdef void map_grad(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, double scale, void* value,
        real* grad, real* hess) noexcept nogil:
    run_map(p, GRAD, False, y, z, n, scale, NULL, <real*>value, grad, hess)


cdef void map_value_grad(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, double scale, void* value,
        real* grad, real* hess) noexcept nogil:
    run_map(p, VALUE_GRAD, False, y, z, n, scale, NULL, <real*>value, grad, hess)


cdef void map_grad_hess(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, double scale, void* value,
        real* grad, real* hess) noexcept nogil:
    run_map(p, GRAD_HESS, False, y, z, n, scale, NULL, <real*>value, grad, hess)


cdef void map_grad_curve(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, double scale, void* value,
        real* grad, real* hess) noexcept nogil:
    run_map(p, GRAD_CURVE, False, y, z, n, scale, NULL, <real*>value, grad, hess)


cdef void map_add_value(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, double scale, void* value,
        real* grad, real* hess) noexcept nogil:
    run_map(p, VALUE, True, y, z, n, scale, <double*>value, NULL, grad, hess)


cdef void map_add_value_grad(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, double scale, void* value,
        real* grad, real* hess) noexcept nogil:
    run_map(p, VALUE_GRAD, True, y, z, n, scale, <double*>value, NULL, grad, hess)
