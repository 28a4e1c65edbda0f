/* Numbers in fewer bytes than kernels compute in: how they become float32, and float32 them.

   What is kept of a state is rounded up or down at random, with the odds that make the mean exact:
   rounding to nearest would lose every change of a running average that is below half a unit in
   the last place.  What is random is the place where a lattice starts in each block of an array, a
   hash of the step, the array and the block; elements take its points in turn, an addition each.
   So no bit depends on threads, or on whether a run was resumed.  Parameters, of which the float32
   is kept too, are rounded to nearest, ties to even.

   Everything here is exact but for the one rounding, so that all instruction sets give the same
   bits. */

#ifndef FASTLOSS_FORMATS_H
#define FASTLOSS_FORMATS_H

#include <stddef.h>
#include <stdint.h>
#include "kernels/vecmath.h"

#define FL_SIGN 0x80000000u
#define FL_INFINITE 0x7F800000u     /* a NaN has more, without its sign */
#define FL_NAN 0x7FC00000u

/* ---- float16 ---------------------------------------------------------------------------------- */

static inline float fl_from_half(uint16_t half) {
    uint32_t size = half & 0x7FFF;
    uint32_t small = fl_bits_f32((float)(int32_t)(size & 0x3FF) * 0x1p-24f);
    uint32_t bits = (size << 13) + (112u << 23);
    bits = size < 0x400 ? small : bits;
    bits = size >= 0x7C00 ? bits | FL_INFINITE : bits;
    return fl_real_f32(bits | (uint32_t)(half & 0x8000) << 16);
}

static inline uint16_t fl_to_half(float x) {
    uint32_t bits = fl_bits_f32(x), size = bits & ~FL_SIGN;
    uint32_t found = (size + 0xFFF + (size >> 13 & 1) - (112u << 23)) >> 13;
    /* the sum with 0.5 rounds to a multiple of 2^-24, the unit of what is below 2^-14 */
    uint32_t small = fl_bits_f32(fl_real_f32(size) + 0.5f) - fl_bits_f32(0.5f);
    found = size < 113u << 23 ? small : found;
    found = size >= 0x477FF000u ? 0x7C00 : found;   /* 65520 */
    found = size > FL_INFINITE ? 0x7E00 : found;
    return (uint16_t)(found | (bits >> 16 & 0x8000));
}

/* ---- bfloat16 --------------------------------------------------------------------------------- */

static inline float fl_from_bfloat16(uint16_t x) {
    return fl_real_f32((uint32_t)x << 16);
}

static inline uint16_t fl_to_bfloat16(float x) {
    uint32_t bits = fl_bits_f32(x);
    uint32_t found = bits + 0x7FFF + (bits >> 16 & 1);
    found = (bits & ~FL_SIGN) > FL_INFINITE ? bits | FL_NAN : found;
    return (uint16_t)(found >> 16);
}

/* random: 32 bits, of which the upper half decides */
static inline uint16_t fl_to_bfloat16_at_random(float x, uint32_t random) {
    uint32_t bits = x == x ? fl_bits_f32(x) : FL_NAN;           /* or the sum might lose it */
    return (uint16_t)((bits + (random >> 16)) >> 16);
}

/* ---- eight bits, and a scale for a chunk --------------------------------------------------------

   The scale is a power of two, so that it can change without rounding anew what keeps its digits: a
   running average would drown in that.  A code is a small float, of three bits behind the leading
   one: with four bits of exponent and one of sign, or, where no number of the chunk is negative,
   which a negative scale says, with five bits of exponent.  A code below 8 counts units of the
   scale, as subnormal numbers do: added to eight units, it gives the digits of a float of its own
   exponent, in both directions.  The two codes of the largest size, `largest` and the one before,
   are NaN and infinity. */

static inline float fl_from_eight(int32_t code, float scale, uint32_t largest) {
    uint32_t bits = (uint32_t)code << 20 & (largest << 20 | FL_SIGN), one = 129u << 23;
    float x = fl_real_f32(bits + one);
    float units = x - fl_real_f32((bits & FL_SIGN) | one);
    return ((code & largest) < 8 ? units + units : x) * scale;
}

/* unit: the exponent's bits of the scale */
static inline uint32_t fl_to_eight(float x, uint32_t unit, uint32_t largest, uint32_t random) {
    uint32_t bits = fl_bits_f32(x), size = bits & ~FL_SIGN, eight = (unit + 3) << 23;
    uint32_t sum = fl_bits_f32(fl_real_f32(size) + fl_real_f32(eight));
    uint32_t few = ((sum + (random >> 12)) >> 20) - ((unit + 3) << 3);
    uint32_t code = ((size + (random >> 12)) >> 20) - ((unit + 2) << 3);
    code = size < eight ? few : code;
    if (largest == 0xFF)        /* roots may be taken of it: what is not 0 stays above 0 */
        return code == 0 && size != 0 ? 1 : code;
    return code | (bits >> 24 & 0x80);
}

/* ---- the loops: of any length, but of a chunk at most where there is a scale -------------------- */

#define FL_FORMAT(name, from, to)                                                                \
    static void fl_widen_##name(                                                                 \
            const void *source, const float *scale, ptrdiff_t n, float *restrict target) {       \
        const uint16_t *restrict s = source;                                                     \
        (void)scale;                                                                             \
        for (ptrdiff_t i = 0; i < n; i++)                                                        \
            target[i] = from(s[i]);                                                              \
    }                                                                                            \
    static void fl_narrow_##name(                                                                \
            const float *restrict source, ptrdiff_t n, uint32_t random, uint32_t step,           \
            void *target, float *scale) {                                                        \
        uint16_t *restrict t = target;                                                           \
        (void)random, (void)step, (void)scale;                                                   \
        for (ptrdiff_t i = 0; i < n; i++)                                                        \
            t[i] = to(source[i]);                                                                \
    }                                                                                            \
    static void fl_adopt_##name(const void *low, ptrdiff_t n, float *restrict x) {               \
        const uint16_t *restrict s = low;                                                        \
        uint32_t other = 0;                                                                      \
        for (ptrdiff_t i = 0; i < n; i++)                                                        \
            other |= (uint32_t)to(x[i]) ^ s[i];                                                  \
        for (ptrdiff_t i = 0; other && i < n; i++)                                               \
            x[i] = to(x[i]) == s[i] ? x[i] : from(s[i]);                                         \
    }

FL_FORMAT(half, fl_from_half, fl_to_half)
FL_FORMAT(bfloat16, fl_from_bfloat16, fl_to_bfloat16)

static void fl_narrow_sixteen(
        const float *restrict source, ptrdiff_t n, uint32_t random, uint32_t step, void *target,
        float *scale) {
    uint16_t *restrict t = target;
    (void)scale;
    for (ptrdiff_t i = 0; i < n; i++, random += step)
        t[i] = fl_to_bfloat16_at_random(source[i], random);
}

static inline void fl_decode(
        const uint8_t *restrict source, float scale, uint32_t largest, ptrdiff_t n,
        float *restrict target) {
    uint8_t special = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        special |= (uint8_t)(source[i] & largest) >= (uint8_t)(largest - 1);
    for (ptrdiff_t i = 0; i < n; i++)
        target[i] = fl_from_eight(largest == 0xFF ? source[i] : (int8_t)source[i], scale, largest);
    for (ptrdiff_t i = 0; special && i < n; i++)
        if ((source[i] & largest) >= largest - 1)
            target[i] = fl_real_f32(
                (source[i] & ~largest) << 24
                | ((source[i] & largest) == largest ? FL_NAN : FL_INFINITE));
}

static void fl_widen_eight(
        const void *source, const float *scale, ptrdiff_t n, float *restrict target) {
    if (scale[0] < 0)
        fl_decode(source, -scale[0], 0xFF, n, target);
    else
        fl_decode(source, scale[0], 0x7F, n, target);
}

static inline void fl_encode(
        const float *restrict source, ptrdiff_t n, uint32_t unit, uint32_t largest, int special,
        uint32_t random, uint32_t step, uint8_t *restrict target) {
    for (ptrdiff_t i = 0; i < n; i++, random += step)
        target[i] = (uint8_t)fl_to_eight(source[i], unit, largest, random);
    for (ptrdiff_t i = 0; special && i < n; i++) {
        uint32_t bits = fl_bits_f32(source[i]), size = bits & ~FL_SIGN;
        if (size >= FL_INFINITE)
            target[i] = (uint8_t)(
                (bits >> 24 & ~largest & 0x80) | (size > FL_INFINITE ? largest : largest - 1));
    }
}

static void fl_narrow_eight(
        const float *restrict source, ptrdiff_t n, uint32_t random, uint32_t step, void *target,
        float *scale) {
    int32_t most = 0, signs = 0, size, bits;
    for (ptrdiff_t i = 0; i < n; i++) {
        bits = (int32_t)fl_bits_f32(source[i]);
        size = bits & 0x7FFFFFFF;
        signs |= bits;
        most = size > most ? size : most;
    }
    int special = most >= (int32_t)FL_INFINITE;
    if (special) {              /* what is not finite has no say, but for the sign of infinity */
        most = signs = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            bits = (int32_t)fl_bits_f32(source[i]);
            size = bits & 0x7FFFFFFF;
            signs |= size > (int32_t)FL_INFINITE ? 0 : bits;
            if (size < (int32_t)FL_INFINITE && size > most)
                most = size;
        }
    }
    /* the largest number's exponent is the last but one, as it may be rounded up to one more */
    int32_t unit = (most >> 23) - (signs < 0 ? 16 : 32);
    unit = unit < 1 ? 1 : unit;
    scale[0] = fl_real_f32((uint32_t)unit << 23);
    if (signs < 0) {
        fl_encode(source, n, (uint32_t)unit, 0x7F, special, random, step, target);
    } else {
        scale[0] = -scale[0];
        fl_encode(source, n, (uint32_t)unit, 0xFF, special, random, step, target);
    }
}

#endif
