# Block loops, compiled once per instruction set: a map per loss, dtype and mode, the passes that
# all losses share, and the rules of the optimizers. n is a multiple of LANES throughout (stream
# alone takes any n), which saves every loop its scalar tail. None of them knows a Python object;
# the table, at the end, hands them to the core.

from kernel_table cimport *
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memset

cdef extern from "kernels/rowwise.h" nogil:
    void fl_rows_f32(const fl_rows*) noexcept
    void fl_rows_f64(const fl_rows*) noexcept

cdef extern from "kernels/ctc.h" nogil:
    double fl_ctc_f32(const fl_sequence*) noexcept
    double fl_ctc_f64(const fl_sequence*) noexcept

cdef extern from "kernels/linear.h" nogil:
    void fl_times_f32(
        const fl_matrix*, const void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, void*) noexcept
    void fl_times_f64(
        const fl_matrix*, const void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, void*) noexcept
    void fl_back_f32(
        const fl_matrix*, const void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, void*, double*) noexcept
    void fl_back_f64(
        const fl_matrix*, const void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, void*, double*) noexcept
    int fl_linear_outputs_f32, fl_linear_outputs_f64

cdef extern from "kernels/formats.h" nogil:
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

cdef extern from "kernels/convert.h" nogil:
    const fl_input fl_inputs[]

cdef extern from "kernels/bounds.h" nogil:
    bint fl_outside_f32(const float*, Py_ssize_t, bint, double, double) noexcept
    bint fl_outside_f64(const double*, Py_ssize_t, bint, double, double) noexcept

cdef extern from "kernels/exact.h" nogil:
    bint fl_add_alike(const float*, Py_ssize_t, double*, int*) noexcept
    double fl_largest(const double*, Py_ssize_t) noexcept
    int fl_split(const double*, Py_ssize_t, int, double, int64_t*, double*) noexcept
    void fl_add_rows(
        const int64_t*, Py_ssize_t, const int*, int, const Py_ssize_t*, Py_ssize_t, int64_t*,
        Py_ssize_t, int64_t*) noexcept
    bint fl_split_sum(double*, Py_ssize_t, int, int64_t*) noexcept
    bint fl_multiply_floats(const float*, const float*, Py_ssize_t, float*) noexcept
    void fl_widen(const float*, Py_ssize_t, double*) noexcept
    bint fl_multiply_exactly(
        const double*, const double*, Py_ssize_t, double*, double*) noexcept

cdef extern from "kernels/stream.h" nogil:
    void fl_stream(const void* source, Py_ssize_t bytes, void* target) noexcept
    void fl_prefetch(const void* source, Py_ssize_t first, Py_ssize_t bytes) noexcept
    void fl_fence() noexcept

include "kernels/vecmath.pxi"
include "kernels/pointwise.pxi"
include "kernels/maps.pxi"
include "kernels/slopes.pxi"
include "kernels/sample.pxi"
include "kernels/passes.pxi"
include "kernels/distances.pxi"
include "kernels/rules.pxi"
include "kernels/penalties.pxi"
include "kernels/table.pxi"
