# State of optimizers in memory: in the type of the parameters, or in bfloat16.
#
# What bfloat16 keeps of a number is rounded up or down at random, with the odds that make the mean
# exact: rounding to nearest would lose every change of a running average that is below half a unit
# in the last place. What is random is the place where a lattice starts in each block of an array,
# a hash of the step, the array and the block; elements take its points in turn, an addition each.
# So no bit depends on threads, or on whether a run was resumed.

from libc.stdint cimport uint16_t, uint32_t

cdef extern from "vecmath.h" nogil:
    uint32_t fl_bits_f32(float) noexcept
    float fl_real_f32(uint32_t) noexcept

cdef extern from "<math.h>" nogil:
    float NAN

ctypedef fused held:
    float
    double
    uint16_t


cdef inline uint32_t randomness(uint32_t point, int state) noexcept nogil:
    """16 bits from a point of the lattice, others for each state of an element."""
    if state == 0:
        return point & 0xFFFF
    elif state == 1:
        return point >> 16
    else:
        return ((point >> 16) + point) & 0xFFFF


cdef inline real fetched(const held* state, Py_ssize_t i, real like) noexcept nogil:
    if held is uint16_t:
        return fl_real_f32(<uint32_t>state[i] << 16)
    else:
        return <real>state[i]


cdef inline void keep(held* state, Py_ssize_t i, real x, uint32_t random) noexcept nogil:
    cdef float y
    if held is uint16_t:
        y = x if x == x else NAN        # not every NaN's bits can be added to
        state[i] = <uint16_t>((fl_bits_f32(y) + random) >> 16)
    else:
        state[i] = <held>x


