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
/* some loops of it, which gcc makes vectors of on aarch64 only if it is told not to unroll them */
#if defined(__aarch64__)
#define FL_VECTORS16(k) _Pragma("omp simd") FL_LANES16(k)
#else
#define FL_VECTORS16(k) FL_LANES16(k)
#endif

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
        FL_VECTORS16(k) {
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

/* One term in whole units, and what is left. Bits wrap around where the term is too large for the unit,
   which those who call find out later. */
#define FL_SPLIT(x, number, r) \
    double sum = (x) + magic, r = (x) - (sum - magic); \
    uint64_t bits; \
    memcpy(&bits, &sum, sizeof(bits)); \
    int64_t number = (int64_t)(bits - base)

/* The sum of whole units of terms of at most 2^51 of them, and in v what is left; whether something
   is. */
static int fl_split_sum(double *restrict v, ptrdiff_t n, int unit, int64_t *restrict sum_of_units)
{
    double magic = ldexp(1.5, unit + 52), rest[16], left = 0;
    uint64_t base;
    int64_t sums[16] = {0}, all = 0;
    memcpy(&base, &magic, sizeof(base));
    FL_LANES16(k) rest[k] = 0;
    for (ptrdiff_t i = 0; i < n / 16; i++)
        FL_VECTORS16(k) {
            FL_SPLIT(v[16 * i + k], number, r);
            sums[k] += number;
            v[16 * i + k] = r;
            rest[k] += fabs(r);
        }
    FL_LANES16(k) {
        all += sums[k];
        left += rest[k];
    }
    *sum_of_units = all;
    return left != 0;
}

/* Whole units of terms, and what is left: 0 if nothing is, 1 if something is, -1 if a term is not
   finite or has more than bound. */
static int fl_split(
    const double *restrict v, ptrdiff_t n, int unit, double bound, int64_t *restrict units,
    double *restrict rest)
{
    double magic = ldexp(1.5, unit + 52), some[16], most[16], left = 0, large = 0;
    uint64_t base;
    memcpy(&base, &magic, sizeof(base));
    FL_LANES16(k) some[k] = most[k] = 0;
    for (ptrdiff_t i = 0; i < n / 16; i++)
        FL_LANES16(k) {
            double x = v[16 * i + k], size = fabs(x);
            FL_SPLIT(x, number, r);
            units[16 * i + k] = number;
            rest[16 * i + k] = r;
            some[k] += fabs(r);
            most[k] = most[k] > size ? most[k] : size;
        }
    FL_LANES16(k) {
        left += some[k];
        large = large > most[k] ? large : most[k];
    }
    if (!(large <= bound) || left - left != 0) return -1;
    return left != 0;
}

/* Add units, a column of `pitch` for each of `count` slots, to the rows of a table that groups say.
   Rows are put together first: what is added to one row does not wait for what was added to the last,
   and is added a vector at a time. */
static void fl_add_rows(
    const int64_t *restrict units, ptrdiff_t pitch, const int *restrict slot, int count,
    const ptrdiff_t *restrict group, ptrdiff_t n, int64_t *restrict table, ptrdiff_t width,
    int64_t *restrict rows)
{
    for (ptrdiff_t start = 0; start < n; start += 16) {
        ptrdiff_t few = n - start < 16 ? n - start : 16;
        memset(rows, 0, (size_t)(few * width) * sizeof(*rows));
        for (int k = 0; k < count; k++) {
            const int64_t *restrict column = units + k * pitch + start;
            int64_t *restrict to = rows + slot[k];
            for (ptrdiff_t i = 0; i < few; i++) to[i * width] += column[i];
        }
        for (ptrdiff_t i = 0; i < few; i++) {
            const int64_t *restrict from = rows + i * width;
            int64_t *restrict to = table + group[start + i] * width;
            for (ptrdiff_t j = 0; j < (width & -8); j++) to[j] += from[j];
        }
    }
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
    uint64_t some = 0;
    for (ptrdiff_t i = 0; i < (n & -16); i++) {
        uint64_t bits;
        double high = a[i] * b[i], low;
#if defined(__FMA__) || defined(__aarch64__)
        low = __builtin_fma(a[i], b[i], -high);
#else
        double ah = fl_first_half(a[i]), al = a[i] - ah, bh = fl_first_half(b[i]), bl = b[i] - bh;
        low = ((ah * bh - high) + ah * bl + al * bh) + al * bl;
#endif
        product[i] = high;
        low = ((high - high == 0) & (low - low == 0)) ? low : 0;
        rest[i] = low;
        memcpy(&bits, &low, sizeof(bits));
        some |= bits << 1;              /* all but the sign */
    }
    return some != 0;
}

#undef FL_VECTORS16
#undef FL_LANES16
#undef FL_SPLIT
#endif /* FL_EXACT_H */
