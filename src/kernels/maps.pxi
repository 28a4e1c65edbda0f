# The loops over a block around the branch of a loss: one for each set of outputs.

cdef inline void run_stages(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, real* first, real* second
        ) noexcept nogil:
    # for a loss without stages the compiler sees that nobody reads the zeros, and drops it all
    cdef Py_ssize_t i
    # what is computed of an element does not depend on the others of its block
    cdef int odd = 0, wild = 0
    cdef Way way
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
                found = first_stage(p, y[i], z[i])
                first[i] = found if absolute(z[i]) > bound else first[i]
    else:
        for i in range(n & -LANES):
            first[i] = first_stage(p, y[i], z[i])
    for i in range(n & -LANES):
        second[i] = second_stage(p, y[i], z[i], first[i])


cdef inline void evaluate(
        const Loss* p, real y, real z, real first, real second,
        real* value, real* grad, real* hess, real* curve) noexcept nogil:
    """pointwise(), with NaN out wherever NaN went in."""
    cdef bint nan = (y != y) | (z != z)     # "or" would branch
    cdef real v, g, h, c, s = y + z
    pointwise(p, y, z, first, second, &v, &g, &h, &c)
    value[0] = s if nan else v
    grad[0] = s if nan else g
    hess[0] = s if nan else h
    curve[0] = s if nan else c


cdef void map_value(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, c
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h, &c)
        value[i] = v


cdef void map_grad(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, c, factor = <real>scale
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h, &c)
        grad[i] = factor * g


cdef void map_value_grad(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, c, factor = <real>scale
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h, &c)
        value[i] = v
        grad[i] = factor * g


cdef void map_grad_hess(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, c, factor = <real>scale
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h, &c)
        grad[i] = factor * g
        hess[i] = factor * h


cdef void map_grad_curve(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, c, factor = <real>scale
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h, &c)
        grad[i] = factor * g
        hess[i] = factor * c
