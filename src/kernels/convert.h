/* What callers' arrays hold, made what kernels compute in: C's own conversions, rounded once, which
   are NumPy's too. */
#ifndef FASTLOSS_CONVERT_H
#define FASTLOSS_CONVERT_H

#include <stdint.h>
#include "formats.h"
#include "inputs.h"

#define FL_SAME(x) (x)
#define FL_TRUTH(x) ((x) != 0)

/* Whether all of a block are of 32 bits, as labels are: only AVX-512 has conversions of 64. */
#define FL_ARE_SHORT(name, type, below)                                                          \
    static inline int fl_##name##_are_short(const type *s, ptrdiff_t n) {                        \
        uint64_t above = 0;                                                                      \
        for (ptrdiff_t i = 0; i < n; i++)                                                        \
            above |= ((uint64_t)s[i] + below) >> 31;                                             \
        return above == 0;                                                                       \
    }

FL_ARE_SHORT(int64, int64_t, (1u << 30))
FL_ARE_SHORT(uint64, uint64_t, 0)
#define FL_NEVER(s, n) 0

/* There are vectors for a column of two, as of the probabilities of two classes. */
#define FL_CONVERT(name, type, from, are_short, target)                                          \
    static void fl_##name##_to_##target(                                                         \
            const void *source, ptrdiff_t stride, ptrdiff_t n, void *to) {                       \
        const type *restrict s = source;                                                         \
        target *restrict t = to;                                                                 \
        if (stride == (ptrdiff_t)sizeof(type) && are_short(s, n))                                \
            for (ptrdiff_t i = 0; i < n; i++)                                                    \
                t[i] = (target)(int32_t)from(s[i]);                                              \
        else if (stride == (ptrdiff_t)sizeof(type))                                              \
            for (ptrdiff_t i = 0; i < n; i++)                                                    \
                t[i] = (target)from(s[i]);                                                       \
        else if (stride == 2 * (ptrdiff_t)sizeof(type))                                          \
            for (ptrdiff_t i = 0; i < n; i++)                                                    \
                t[i] = (target)from(s[2 * i]);                                                   \
        else                                                                                     \
            for (ptrdiff_t i = 0; i < n; i++)                                                    \
                t[i] = (target)from(*(const type *)((const char *)source + i * stride));         \
    }

#define FL_INPUTS(WHOLE, REAL)                                                                   \
    WHOLE(bool, uint8_t, FL_TRUTH, FL_NEVER)                                                     \
    WHOLE(int8, int8_t, FL_SAME, FL_NEVER)                                                       \
    WHOLE(uint8, uint8_t, FL_SAME, FL_NEVER)                                                     \
    WHOLE(int16, int16_t, FL_SAME, FL_NEVER)                                                     \
    WHOLE(uint16, uint16_t, FL_SAME, FL_NEVER)                                                   \
    WHOLE(int32, int32_t, FL_SAME, FL_NEVER)                                                     \
    WHOLE(uint32, uint32_t, FL_SAME, FL_NEVER)                                                   \
    WHOLE(int64, int64_t, FL_SAME, fl_int64_are_short)                                           \
    WHOLE(uint64, uint64_t, FL_SAME, fl_uint64_are_short)                                        \
    REAL(float16, uint16_t, fl_from_half, FL_NEVER)                                              \
    REAL(bfloat16, uint16_t, fl_from_bfloat16, FL_NEVER)                                         \
    REAL(float32, float, FL_SAME, FL_NEVER)                                                      \
    REAL(float64, double, FL_SAME, FL_NEVER)

#define FL_CONVERT_REAL(name, type, from, are_short)                                             \
    FL_CONVERT(name, type, from, are_short, float)                                               \
    FL_CONVERT(name, type, from, are_short, double)
#define FL_CONVERT_WHOLE(name, type, from, are_short)                                            \
    FL_CONVERT_REAL(name, type, from, are_short)                                                 \
    FL_CONVERT(name, type, from, FL_NEVER, int64_t)
FL_INPUTS(FL_CONVERT_WHOLE, FL_CONVERT_REAL)

#define FL_ENTER_REAL(name, type, from, are_short)                                               \
    {#name, {fl_##name##_to_float, fl_##name##_to_double, NULL}},
#define FL_ENTER_WHOLE(name, type, from, are_short)                                              \
    {#name, {fl_##name##_to_float, fl_##name##_to_double, fl_##name##_to_int64_t}},
static const fl_input fl_inputs[] = {FL_INPUTS(FL_ENTER_WHOLE, FL_ENTER_REAL) {NULL, {NULL}}};

#endif
