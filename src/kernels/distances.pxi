# Losses of the distances between rows: one block of rows, in stages, so that the distances of
# many rows are under way at once. A block has at most FL_ROWS rows, fewer than BLOCK. Differences are
# taken in double: distances of float32 rows are then as good as exact, and so is what they differ by.

cdef double squared_distance(
        const real* restrict x, const real* restrict y, Py_ssize_t k) noexcept nogil:
    cdef double lanes[LANES]
    cdef double t, total = 0
    cdef Py_ssize_t i, j
    for i in range(k & -LANES, k):
        t = <double>x[i] - <double>y[i]
        total += t * t
    if k < LANES:
        return total
    for j in range(LANES):
        lanes[j] = 0
    for i in range(k // LANES):
        for j in range(LANES):
            t = <double>x[i * LANES + j] - <double>y[i * LANES + j]
            lanes[j] += t * t
    for j in range(LANES // 2):
        lanes[j] += lanes[j + LANES // 2]
    for j in range(LANES // 4):
        lanes[j] += lanes[j + LANES // 4]
    return total + ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))


cdef double far_out_distance(const real* x, const real* y, Py_ssize_t k, double squared) noexcept nogil:
    """Where squares under- or overflow: by way of parts of the largest difference."""
    cdef double t, most = 0, total = 0
    cdef Py_ssize_t i
    for i in range(k):
        t = fabs(<double>x[i] - <double>y[i])
        most = t if t > most else most
    if most == 0 or most == INFINITY:
        return squared
    for i in range(k):
        t = (<double>x[i] - <double>y[i]) / most
        total += t * t
    return most * sqrt(total)


cdef void distances(
        const real* x, const real* y, Py_ssize_t n, Py_ssize_t k, double* d) noexcept nogil:
    cdef double squared[BLOCK]
    cdef Py_ssize_t r
    for r in range(n):
        squared[r] = squared_distance(x + r * k, y + r * k, k)
    for r in range(n):
        d[r] = sqrt(squared[r])
    for r in range(n):
        if not 1e-280 < squared[r] < INFINITY:
            d[r] = far_out_distance(x + r * k, y + r * k, k, squared[r])


cdef void triplet_grad(
        const real* restrict a, const real* restrict p, const real* restrict q, Py_ssize_t k,
        real near, real far, real* restrict ga, real* restrict gp, real* restrict gq
        ) noexcept nogil:
    cdef real u, v, zero = 0
    cdef Py_ssize_t i
    for i in range(k):
        u = (a[i] - p[i]) * near
        v = (a[i] - q[i]) * far
        ga[i] = u - v
        gp[i] = zero - u             # not -0
        gq[i] = v


cdef void far_out_triplet_grad(
        const real* a, const real* p, const real* q, Py_ssize_t k, double factor, double near,
        double far, real* ga, real* gp, real* gq) noexcept nogil:
    """Where an inverse of a distance under- or overflows; a distance of 0 has the gradient 0."""
    cdef double u, v
    cdef Py_ssize_t i
    near = near if near != 0 else 1
    far = far if far != 0 else 1
    for i in range(k):
        u = factor * ((<double>a[i] - <double>p[i]) / near)
        v = factor * ((<double>a[i] - <double>q[i]) / far)
        ga[i] = <real>(u - v)
        gp[i] = <real>(0 - u)
        gq[i] = <real>v


cdef inline bint moderate(double x, real tag) noexcept nogil:
    cdef double size = fabs(x)
    if real is float:
        return 1e-30 < size < 1e30
    else:
        return 1e-290 < size < 1e290


cdef void triplet_grads(
        const Triplets* b, Py_ssize_t r, double factor, double near, double far, real tag
        ) noexcept nogil:
    """Of one row."""
    cdef Py_ssize_t start = r * b.k
    cdef const real* a = <const real*>b.x[0] + start
    cdef const real* p = <const real*>b.x[1] + start
    cdef const real* q = <const real*>b.x[2] + start
    cdef real* ga = <real*>b.grad[0] + start
    cdef real* gp = <real*>b.grad[1] + start
    cdef real* gq = <real*>b.grad[2] + start
    cdef double by_near = factor / near, by_far = factor / far
    if factor == 0:
        memset(ga, 0, b.k * sizeof(real))
        memset(gp, 0, b.k * sizeof(real))
        memset(gq, 0, b.k * sizeof(real))
    elif moderate[real](by_near, 0) and moderate[real](by_far, 0):
        triplet_grad(a, p, q, b.k, <real>by_near, <real>by_far, ga, gp, gq)
    else:
        far_out_triplet_grad(a, p, q, b.k, factor, near, far, ga, gp, gq)


cdef void triplets(const Triplets* b, real tag) noexcept nogil:
    cdef double near[BLOCK]
    cdef double far[BLOCK]
    cdef double factor[BLOCK]
    cdef double loss
    cdef Py_ssize_t r
    distances(<const real*>b.x[0], <const real*>b.x[1], b.n, b.k, near)
    distances(<const real*>b.x[0], <const real*>b.x[2], b.n, b.k, far)
    for r in range(b.n):
        loss = b.margin + (near[r] - far[r])    # of distances that dwarf it, the margin is left
        loss = 0 if (loss < 0) | (b.weight[r] == 0) else loss   # as absent, whatever it holds
        b.value[r] = b.weight[r] * loss
        factor[r] = b.weight[r] * b.factor
        factor[r] = factor[r] if loss > 0 else loss             # 0 or NaN
    if b.grad[0] != NULL:
        for r in range(b.n):
            triplet_grads[real](b, r, factor[r], near[r], far[r], 0)


cdef void triplets_float(const Triplets* b) noexcept nogil:
    triplets[float](b, 0)


cdef void triplets_double(const Triplets* b) noexcept nogil:
    triplets[double](b, 0)
