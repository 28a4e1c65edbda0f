# Block loops, compiled once per instruction set: a map per loss, dtype and mode, the passes that
# all losses share, and the rules of the optimizers. n is a multiple of LANES throughout (stream
# alone takes any n), which saves every loop its scalar tail.

from cpython.pycapsule cimport PyCapsule_New
from kernel_table cimport *
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memset

include "vecmath.pxi"
include "pointwise.pxi"
include "distances.pxi"

cdef extern from "rowwise.h" nogil:
    void fl_rows_f32(const fl_rows*) noexcept
    void fl_rows_f64(const fl_rows*) noexcept

cdef extern from "formats.h" nogil:
    float fl_from_bfloat16(uint16_t) noexcept
    uint16_t fl_to_bfloat16_at_random(float, uint32_t) noexcept
    void fl_widen_half(const void*, const float*, Py_ssize_t, float*) noexcept
    void fl_widen_bfloat16(const void*, const float*, Py_ssize_t, float*) noexcept
    void fl_widen_eight(const void*, const float*, Py_ssize_t, float*) noexcept
    void fl_narrow_half(
        const float*, Py_ssize_t, uint32_t, uint32_t, void*, float*) noexcept
    void fl_narrow_bfloat16(
        const float*, Py_ssize_t, uint32_t, uint32_t, void*, float*) noexcept
    void fl_narrow_sixteen(
        const float*, Py_ssize_t, uint32_t, uint32_t, void*, float*) noexcept
    void fl_narrow_eight(
        const float*, Py_ssize_t, uint32_t, uint32_t, void*, float*) noexcept
    void fl_adopt_half(const void*, Py_ssize_t, float*) noexcept
    void fl_adopt_bfloat16(const void*, Py_ssize_t, float*) noexcept

cdef extern from "stream.h" nogil:
    void fl_stream(const void* source, Py_ssize_t bytes, void* target) noexcept
    void fl_fence() noexcept


# ---- maps --------------------------------------------------------------------------------------

cdef inline void run_stages(
        const Loss* p, const real* y, const real* z, Py_ssize_t n, real* first, real* second
        ) noexcept nogil:
    # for a loss without stages the compiler sees that nobody reads the zeros, and drops it all
    cdef Py_ssize_t i
    cdef int soft = 0, wild = 0
    cdef real bound = tame_bound(p, <real>0)
    if Loss is LogLoss:
        # labels of 0 and 1, the common case, need one logarithm of the two
        for i in range(n & -LANES):
            soft |= (y[i] != 0) & (y[i] != 1)
        if not soft:
            for i in range(n & -LANES):
                first[i] = log_or_log1p(z[i], -z[i], y[i] == 1)
                second[i] = first[i]
            return
    if Loss is Gamma or Loss is Tweedie:
        for i in range(n & -LANES):
            wild |= absolute(z[i]) > bound
    if (Loss is Gamma or Loss is Tweedie) and not wild:
        for i in range(n & -LANES):
            first[i] = tame_stage(p, y[i], z[i])
    else:
        for i in range(n & -LANES):
            first[i] = first_stage(p, y[i], z[i])
    for i in range(n & -LANES):
        second[i] = second_stage(p, y[i], z[i], first[i])


cdef inline void evaluate(
        const Loss* p, real y, real z, real first, real second,
        real* value, real* grad, real* hess) noexcept nogil:
    """pointwise(), with NaN out wherever NaN went in."""
    cdef bint nan = (y != y) | (z != z)     # "or" would branch
    cdef real v, g, h, s = y + z
    pointwise(p, y, z, first, second, &v, &g, &h)
    value[0] = s if nan else v
    grad[0] = s if nan else g
    hess[0] = s if nan else h


cdef void map_value(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h)
        value[i] = v


cdef void map_grad(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, factor = <real>scale
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h)
        grad[i] = factor * g


cdef void map_value_grad(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, factor = <real>scale
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h)
        value[i] = v
        grad[i] = factor * g


cdef void map_grad_hess(
        const Loss* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Loss p = parameters[0]
    cdef real first[BLOCK]
    cdef real second[BLOCK]
    cdef real v, g, h, factor = <real>scale
    cdef Py_ssize_t i
    run_stages(&p, y, z, n, first, second)
    for i in range(n & -LANES):
        evaluate(&p, y[i], z[i], first[i], second[i], &v, &g, &h)
        grad[i] = factor * g
        hess[i] = factor * h


# ---- passes ------------------------------------------------------------------------------------

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


cdef bint pass_outside(
        const real* v, Py_ssize_t n, bint of_magnitude, double low, double high) noexcept nogil:
    cdef real x, least = <real>low, most = <real>high
    cdef Py_ssize_t i
    cdef int found = 0
    if of_magnitude:
        for i in range(n & -LANES):
            x = absolute(v[i])
            found |= (x < least) | (x > most)
    else:
        for i in range(n & -LANES):
            found |= (v[i] < least) | (v[i] > most)
    return found


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


cdef void pass_weighted_sum(
        const real* v, const weight* w, Py_ssize_t n, double* lanes) noexcept nogil:
    cdef double own[LANES]
    cdef Py_ssize_t i, k
    for k in range(LANES):
        own[k] = lanes[k]
    for i in range(n // LANES):
        for k in range(LANES):
            own[k] += v[i * LANES + k] * w[i * LANES + k]
    for k in range(LANES):
        lanes[k] = own[k]


cdef void pass_products(
        const real* restrict v, const weight* restrict w, Py_ssize_t n, double* restrict out
        ) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        out[i] = v[i] * w[i]


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


cdef void pass_neutralise(
        real* restrict v, const weight* restrict w, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        v[i] = 1 if w[i] == 0 else v[i]


cdef void pass_root_hess(
        const real* restrict grad, double root, Py_ssize_t n, real* restrict hess) noexcept nogil:
    cdef Py_ssize_t i
    cdef real inverse = <real>(1 / root)
    for i in range(n & -LANES):
        hess[i] -= grad[i] * grad[i] * inverse


# ---- the table ---------------------------------------------------------------------------------

cdef KernelTable kernels


cdef void fill_passes(real tag) noexcept:
    cdef Passes* passes = &kernels.passes[0 if real is float else 1]
    passes.sum = <void (*)(const void*, Py_ssize_t, double*) noexcept nogil>pass_sum[real]
    passes.outside = <bint (*)(const void*, Py_ssize_t, bint, double, double) noexcept nogil>(
        pass_outside[real])
    passes.any_nan = <bint (*)(const void*, Py_ssize_t) noexcept nogil>pass_any_nan[real]
    passes.root_hess = <void (*)(const void*, double, Py_ssize_t, void*) noexcept nogil>(
        pass_root_hess[real])
    passes.stream = fl_stream


cdef void fill_weighing(int index, real tag, weight weight_tag) noexcept:
    cdef WeightPasses* passes = &kernels.weighing[index]
    passes.multiply = <void (*)(void*, const void*, Py_ssize_t) noexcept nogil>(
        pass_multiply[real, weight])
    passes.sum = <void (*)(const void*, const void*, Py_ssize_t, double*) noexcept nogil>(
        pass_weighted_sum[real, weight])
    passes.products = <void (*)(const void*, const void*, Py_ssize_t, double*) noexcept nogil>(
        pass_products[real, weight])
    passes.scale = <void (*)(const void*, double, Py_ssize_t, void*) noexcept nogil>(
        pass_scale[weight])
    passes.stats = <WeightStats (*)(const void*, Py_ssize_t) noexcept nogil>(
        pass_weight_stats[weight])
    passes.drop_nan = <void (*)(const void*, const void*, Py_ssize_t, void*) noexcept nogil>(
        pass_drop_nan[real, weight])
    passes.neutralise = <void (*)(void*, const void*, Py_ssize_t) noexcept nogil>(
        pass_neutralise[real, weight])


def add_maps(int index, Loss parameters):
    """Enter one loss; return its parameters' names in the order of the struct."""
    kernels.maps[index][0][VALUE] = <MapFn>map_value[Loss, float]
    kernels.maps[index][0][GRAD] = <MapFn>map_grad[Loss, float]
    kernels.maps[index][0][VALUE_GRAD] = <MapFn>map_value_grad[Loss, float]
    kernels.maps[index][0][GRAD_HESS] = <MapFn>map_grad_hess[Loss, float]
    kernels.maps[index][1][VALUE] = <MapFn>map_value[Loss, double]
    kernels.maps[index][1][GRAD] = <MapFn>map_grad[Loss, double]
    kernels.maps[index][1][VALUE_GRAD] = <MapFn>map_value_grad[Loss, double]
    kernels.maps[index][1][GRAD_HESS] = <MapFn>map_grad_hess[Loss, double]
    return tuple(name for name in parameters if name != "_")


class _Parameters(dict):
    """Stands for any struct while the table is filled: every parameter is there, and is 0."""
    def __missing__(self, name):
        return 0.0


def _fill():
    fill_passes[float](0)
    fill_passes[double](0)
    fill_weighing[float, float](0, 0, 0)
    fill_weighing[double, double](1, 0, 0)
    fill_weighing[float, double](2, 0, 0)
    kernels.fence = fl_fence
    kernels.rows[0] = fl_rows_f32
    kernels.rows[1] = fl_rows_f64
    kernels.triplets[0] = triplets_float
    kernels.triplets[1] = triplets_double
    kernels.widen[HALF] = fl_widen_half
    kernels.widen[BFLOAT16] = fl_widen_bfloat16
    kernels.widen[SIXTEEN] = fl_widen_bfloat16
    kernels.widen[EIGHT] = fl_widen_eight
    kernels.narrow[HALF] = fl_narrow_half
    kernels.narrow[BFLOAT16] = fl_narrow_bfloat16
    kernels.narrow[SIXTEEN] = fl_narrow_sixteen
    kernels.narrow[EIGHT] = fl_narrow_eight
    kernels.adopt[HALF] = fl_adopt_half
    kernels.adopt[BFLOAT16] = fl_adopt_bfloat16
    names = {}
    for index, (name, specialised) in enumerate(add_maps.__signatures__.items()):
        names[name] = index, specialised(index, _Parameters())
    return names


# name of a loss -> (its index in the table, the names of its parameters)
losses = _fill()
assert len(losses) <= MAX_LOSSES
table = PyCapsule_New(&kernels, "fastloss.kernels", NULL)

include "rules.pxi"
include "penalties.pxi"
