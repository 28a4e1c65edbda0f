/* Sums without rounding: terms become whole numbers of a unit, which is a power of two.

   Adding M = 1.5 2^52 units to x rounds x to whole units, and the bits of the sum are those of M plus
   their number. What is left, x less its whole units, is exact; smaller units take it up. n is a
   multiple of 16 throughout. */
#ifndef FL_EXACT_H
#define FL_EXACT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define FL_LANES16(k) for (int k = 0; k < 16; k++)

/* The sums of 16 lanes of float32, and whether they are exact: they are where the terms, of 24 bits,
   differ so little in size that a sum of them has 53. *unit: they are multiples of it. */
static int fl_add_alike(const float *restrict v, ptrdiff_t n, double *restrict lanes, int *unit)
{
    float least[16], most[16], small = INFINITY, large = 0;
    double sums[16], all = 0;
    int spare = 53 - 24, bits = 0, low, high;
    FL_LANES16(k) least[k] = INFINITY, most[k] = 0, sums[k] = 0;
    for (ptrdiff_t i = 0; i < n / 16; i++)
        FL_LANES16(k) {
            float x = v[16 * i + k], size = fabsf(x), other = size == 0 ? (float)INFINITY : size;
            sums[k] += x;
            least[k] = other < least[k] ? other : least[k];
            most[k] = size > most[k] ? size : most[k];
        }
    FL_LANES16(k) {
        lanes[k] = sums[k];
        all += sums[k];
        small = least[k] < small ? least[k] : small;
        large = most[k] > large ? most[k] : large;
    }
    if (large == 0 && all == 0) {
        *unit = 0;
        return 1;
    }
    if (!(all - all == 0) || small < 1.17549435e-38f) return 0;     /* not finite, or subnormal */
    frexpf(small, &low);
    frexpf(large, &high);
    while (((ptrdiff_t)1 << bits) < n / 16) bits++;
    *unit = low - 24;
    return high - low + bits <= spare;
}

/* The largest magnitude; infinity if a term is not finite. */
static double fl_largest(const double *restrict v, ptrdiff_t n)
{
    double most[16], odd[16], large = 0, found = 0;
    FL_LANES16(k) most[k] = odd[k] = 0;
    for (ptrdiff_t i = 0; i < n / 16; i++)
        FL_LANES16(k) {
            double x = v[16 * i + k], size = fabs(x);
            most[k] = size > most[k] ? size : most[k];
            odd[k] += x - x;
        }
    FL_LANES16(k) {
        large = most[k] > large ? most[k] : large;
        found += odd[k];
    }
    return found == 0 ? large : INFINITY;
}

/* The sum of whole units, as fl_split finds them. */
static int fl_split_sum(double *restrict v, ptrdiff_t n, int unit, int64_t *restrict sum)
{
    double magic = ldexp(1.5, unit + 52), rest[16], left = 0;
    int64_t base, sums[16] = {0}, all = 0;
    memcpy(&base, &magic, sizeof(base));
    FL_LANES16(k) rest[k] = 0;
    for (ptrdiff_t i = 0; i < n / 16; i++)
        FL_LANES16(k) {
            double x = v[16 * i + k], sum = x + magic, r = x - (sum - magic);
            int64_t bits;
            memcpy(&bits, &sum, sizeof(bits));
            sums[k] += bits - base;
            v[16 * i + k] = r;
            rest[k] += fabs(r);
        }
    FL_LANES16(k) {
        all += sums[k];
        left += rest[k];
    }
    *sum = all;
    return left != 0;
}

/* Whole units of terms of at most 2^51 of them, and in v what is left; whether something is. */
static int fl_split(double *restrict v, ptrdiff_t n, int unit, int64_t *restrict units)
{
    double magic = ldexp(1.5, unit + 52), rest[16], left = 0;
    int64_t base;
    memcpy(&base, &magic, sizeof(base));
    FL_LANES16(k) rest[k] = 0;
    for (ptrdiff_t i = 0; i < n / 16; i++)
        FL_LANES16(k) {
            double x = v[16 * i + k], sum = x + magic, r = x - (sum - magic);
            int64_t bits;
            memcpy(&bits, &sum, sizeof(bits));
            units[16 * i + k] = bits - base;
            v[16 * i + k] = r;
            rest[k] += fabs(r);
        }
    FL_LANES16(k) left += rest[k];
    return left != 0;
}

static void fl_widen(const float *restrict v, ptrdiff_t n, double *restrict to)
{
    for (ptrdiff_t i = 0; i < (n & -16); i++) to[i] = v[i];
}

/* Products of float32, and whether all are such numbers: none is too large for it, or subnormal. */
static int fl_multiply_floats(
    const float *restrict v, const float *restrict w, ptrdiff_t n, float *restrict to)
{
    int odd[16] = {0}, found = 0;
    for (ptrdiff_t i = 0; i < n / 16; i++)
        FL_LANES16(k) {
            float a = v[16 * i + k], b = w[16 * i + k], product = a * b, size = fabsf(product);
            int nothing = (a == 0) | (b == 0);
            to[16 * i + k] = product;
            odd[k] |= !((size >= 1.17549435e-38f) & (size <= 3.40282347e+38f)) & !nothing;
        }
    FL_LANES16(k) found |= odd[k];
    return !found;
}

/* The first 26 bits of a number, rounded, so that what is left has 26 too. */
static inline double fl_first_half(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    bits = (bits + ((uint64_t)1 << 26)) & ~(((uint64_t)1 << 27) - 1);
    memcpy(&x, &bits, sizeof(bits));
    return x;
}

/* Products of pairs, and what their rounding took off; whether that is something. */
static int fl_multiply_exactly(
    const double *restrict a, const double *restrict b, ptrdiff_t n, double *restrict product,
    double *restrict rest)
{
    int64_t some = 0;
    for (ptrdiff_t i = 0; i < (n & -16); i++) {
        int64_t bits;
        double high = a[i] * b[i], low;
#if defined(__FMA__) || defined(__aarch64__)
        low = __builtin_fma(a[i], b[i], -high);
#else
        double ah = fl_first_half(a[i]), al = a[i] - ah, bh = fl_first_half(b[i]), bl = b[i] - bh;
        low = ((ah * bh - high) + ah * bl + al * bh) + al * bl;
#endif
        product[i] = high;
        low = (high - high == 0) & (low - low == 0) ? low : 0;
        rest[i] = low;
        memcpy(&bits, &low, sizeof(bits));
        some |= bits << 1;              /* all but the sign */
    }
    return some != 0;
}

#undef FL_LANES16
#endif /* FL_EXACT_H */
