# Losses of the distances between rows: one block of rows, in stages, so that the distances of
# many rows are under way at once. A block has at most FL_ROWS rows, fewer than BLOCK. Differences are
# taken in double: distances of float32 rows are then as good as exact, and so is what they differ by.

cdef inline double sum_differences(
        const real* restrict x, const real* restrict y, Py_ssize_t k, bint squared) noexcept nogil:
    """The sum of the squares of differences, or of their sizes."""
    cdef double lanes[LANES]
    cdef double t, total = 0
    cdef Py_ssize_t i, j
    for i in range(k & -LANES, k):
        t = <double>x[i] - <double>y[i]
        total += t * t if squared else fabs(t)
    if k < LANES:
        return total
    for j in range(LANES):
        lanes[j] = 0
    for i in range(k // LANES):
        for j in range(LANES):
            t = <double>x[i * LANES + j] - <double>y[i * LANES + j]
            lanes[j] += t * t if squared else fabs(t)
    for j in range(LANES // 2):
        lanes[j] += lanes[j + LANES // 2]
    for j in range(LANES // 4):
        lanes[j] += lanes[j + LANES // 4]
    return total + ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))


cdef double scaled_distance(
        const real* x, const real* y, Py_ssize_t k, double p, double plain) noexcept nogil:
    """Of any order, and where squares under- or overflow: by way of parts of the largest difference."""
    cdef double powers[BLOCK]
    cdef double t, most = 0, total = 0
    cdef Py_ssize_t i, j = 0, n
    for i in range(k):
        t = fabs(<double>x[i] - <double>y[i])
        most = t if t > most else most
    if most == 0 or most == INFINITY:
        return plain
    while j < k:
        n = min(<Py_ssize_t>BLOCK, k - j)
        for i in range(n):
            powers[i] = fabs(<double>x[j + i] - <double>y[j + i]) / most
        if p == 2:
            for i in range(n):
                powers[i] *= powers[i]
        else:
            for i in range(n):
                powers[i] = fl_pow_f64(powers[i], p, 0)
        for i in range(n):
            total += powers[i]
        j += n
    return most * (sqrt(total) if p == 2 else fl_pow_f64(total, 1 / p, 0))


cdef void distances(
        const real* x, const real* y, Py_ssize_t n, Py_ssize_t k, double p, double* d) noexcept nogil:
    cdef double sums[BLOCK]
    cdef Py_ssize_t r
    if p == 2:
        for r in range(n):
            sums[r] = sum_differences(x + r * k, y + r * k, k, True)
        for r in range(n):
            d[r] = sqrt(sums[r])
    else:
        for r in range(n):
            d[r] = sums[r] = sum_differences(x + r * k, y + r * k, k, False)
    if p != 1:
        for r in range(n):
            if p != 2 or not 1e-280 < sums[r] < INFINITY:
                d[r] = scaled_distance(x + r * k, y + r * k, k, p, sums[r])


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


cdef void pulls(
        const real* restrict x, const real* restrict y, Py_ssize_t n, double factor, double distance,
        double p, double* restrict u) noexcept nogil:
    """The derivatives of a distance by x, times a factor: some of them, 0 of a distance of 0."""
    cdef double t, power
    cdef Py_ssize_t i
    distance = distance if distance != 0 else 1
    if p == 1:
        for i in range(n):
            t = <double>x[i] - <double>y[i]
            u[i] = factor * (<double>(t > 0) - <double>(t < 0))
    elif p == 2:
        for i in range(n):
            u[i] = factor * ((<double>x[i] - <double>y[i]) / distance)
    else:
        for i in range(n):
            t = (<double>x[i] - <double>y[i]) / distance
            power = fl_pow_f64(fabs(t), p - 1, 0)
            u[i] = factor * (-power if t < 0 else power)


cdef void any_triplet_grad(
        const real* a, const real* p, const real* q, const Triplets* b, double factor, double near,
        double far, bint swapped, real* ga, real* gp, real* gq) noexcept nogil:
    """Of any order, of distances from positives, and where an inverse under- or overflows."""
    cdef double u[BLOCK]
    cdef double v[BLOCK]
    cdef Py_ssize_t i, j = 0, n
    while j < b.k:
        n = min(<Py_ssize_t>BLOCK, b.k - j)
        pulls(a + j, p + j, n, factor, near, b.p, u)
        pulls((p if swapped else a) + j, q + j, n, factor, far, b.p, v)
        for i in range(n):
            ga[j + i] = <real>(u[i] if swapped else u[i] - v[i])
            gp[j + i] = <real>(0 - u[i] - v[i] if swapped else 0 - u[i])
            gq[j + i] = <real>v[i]
        j += n


cdef inline bint moderate(double x, real tag) noexcept nogil:
    cdef double size = fabs(x)
    if real is float:
        return 1e-30 < size < 1e30
    else:
        return 1e-290 < size < 1e290


cdef void triplet_grads(
        const Triplets* b, Py_ssize_t r, double factor, double near, double far, bint swapped, real tag
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
    cdef bint plain = b.p == 2 and not swapped
    if factor == 0:
        memset(ga, 0, b.k * sizeof(real))
        memset(gp, 0, b.k * sizeof(real))
        memset(gq, 0, b.k * sizeof(real))
    elif plain and moderate[real](by_near, 0) and moderate[real](by_far, 0):
        triplet_grad(a, p, q, b.k, <real>by_near, <real>by_far, ga, gp, gq)
    else:
        any_triplet_grad(a, p, q, b, factor, near, far, swapped, ga, gp, gq)


cdef void triplets(const Triplets* b, real tag) noexcept nogil:
    cdef double near[BLOCK]
    cdef double far[BLOCK]
    cdef double other[BLOCK]
    cdef double factor[BLOCK]
    cdef bint swapped[BLOCK]
    cdef double loss
    cdef Py_ssize_t r
    distances(<const real*>b.x[0], <const real*>b.x[1], b.n, b.k, b.p, near)
    distances(<const real*>b.x[0], <const real*>b.x[2], b.n, b.k, b.p, far)
    if b.swap:
        distances(<const real*>b.x[1], <const real*>b.x[2], b.n, b.k, b.p, other)
    for r in range(b.n):
        swapped[r] = b.swap and other[r] < far[r]
        far[r] = other[r] if swapped[r] else far[r]
    for r in range(b.n):
        loss = b.margin + (near[r] - far[r])    # of distances that dwarf it, the margin is left
        loss = 0 if (loss < 0) | (b.weight[r] == 0) else loss   # as absent, whatever it holds
        b.value[r] = b.weight[r] * loss
        factor[r] = b.weight[r] * b.factor
        factor[r] = factor[r] if loss > 0 else loss             # 0 or NaN
    if b.grad[0] != NULL:
        for r in range(b.n):
            triplet_grads[real](b, r, factor[r], near[r], far[r], swapped[r], 0)


cdef void triplets_float(const Triplets* b) noexcept nogil:
    triplets[float](b, 0)


cdef void triplets_double(const Triplets* b) noexcept nogil:
    triplets[double](b, 0)
