/* A block of rows of a matrix X in the two halves of a linear model's pass: predictions z = X w, and
   gradients g += X^T r. The block is read from memory in the first, and from the cache in the second.

   W and G hold a row of d numbers for each output. Four rows of X are taken at a time, for one output
   or four: so many sums are in registers, and each number that is loaded is used for all of them.
   What rows there are less than four are taken for the last one again, so that a row has the same bits
   in any place.

   The file includes itself twice, as vecmath.h does. */

#ifndef FL_LINEAR_PASS
#ifndef FL_LINEAR_H
#define FL_LINEAR_H

#include <stddef.h>
#include "softmax.h"

/* n rows of d columns. Dense: numbers of a row are `across` apart, rows `down`, and one of the two is 1;
   the rows are those of `index`, or follow each other. Sparse, where there is a `start`: the numbers of
   row i, and their columns, are those from start[i] on to start[i + 1], of int64 or else int32. */
typedef struct {
    const void *x;
    ptrdiff_t n, d, across, down;
    const ptrdiff_t *index;
    const void *start, *column;
    int wide;
} fl_matrix;

/* Rows rarely start at a multiple of 64 bytes, and each load of a whole AVX-512 vector would touch two
   lines of the cache: half of them is faster. */
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#define FL_HALF static __attribute__((noinline, target("prefer-vector-width=256")))
#else
#define FL_HALF FL_NOINLINE
#endif

#if defined(__GNUC__)
#define FL_FETCH_FAR(p) __builtin_prefetch(p, 0, 2)
#else
#define FL_FETCH_FAR(p)
#endif

#define FL_CAT_(a, b) a##b
#define FL_CAT(a, b) FL_CAT_(a, b)
#define FL_LINEAR_PASS 32
#include "linear.h"
#undef FL_LINEAR_PASS
#define FL_LINEAR_PASS 64
#include "linear.h"
#undef FL_LINEAR_PASS
#undef FL_CAT
#undef FL_CAT_

#endif /* FL_LINEAR_H */

#else /* one pass */

#if FL_LINEAR_PASS == 32
#define R float
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f32)
#else
#define R double
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f64)
#endif
#define LN(name) FN(FL_CAT(linear_, name))

/* ---- rows in one piece ----------------------------------------------------------------------- */

/* z of four rows */
FL_HALF void LN(times_1)(const R *const *x, ptrdiff_t d, const R *restrict w, R *restrict z)
{
    const R *restrict a = x[0], *restrict b = x[1], *restrict c = x[2], *restrict e = x[3];
    R p = 0, q = 0, r = 0, s = 0;
#pragma omp simd reduction(+ : p, q, r, s)
    for (ptrdiff_t k = 0; k < d; k++) {
        p += a[k] * w[k];
        q += b[k] * w[k];
        r += c[k] * w[k];
        s += e[k] * w[k];
    }
    z[0] = p, z[1] = q, z[2] = r, z[3] = s;
}

/* z of four rows and four outputs, those of a row together */
FL_HALF void LN(times_4)(const R *const *x, ptrdiff_t d, const R *restrict w, R *restrict z)
{
    const R *restrict a = x[0], *restrict b = x[1], *restrict c = x[2], *restrict e = x[3];
    const R *restrict u = w + d, *restrict v = w + 2 * d, *restrict t = w + 3 * d;
    R a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
    R c0 = 0, c1 = 0, c2 = 0, c3 = 0, e0 = 0, e1 = 0, e2 = 0, e3 = 0;
#pragma omp simd reduction(+ : a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, e0, e1, e2, e3)
    for (ptrdiff_t k = 0; k < d; k++) {
        R w0 = w[k], w1 = u[k], w2 = v[k], w3 = t[k];
        a0 += a[k] * w0, a1 += a[k] * w1, a2 += a[k] * w2, a3 += a[k] * w3;
        b0 += b[k] * w0, b1 += b[k] * w1, b2 += b[k] * w2, b3 += b[k] * w3;
        c0 += c[k] * w0, c1 += c[k] * w1, c2 += c[k] * w2, c3 += c[k] * w3;
        e0 += e[k] * w0, e1 += e[k] * w1, e2 += e[k] * w2, e3 += e[k] * w3;
    }
    z[0] = a0, z[1] = a1, z[2] = a2, z[3] = a3, z[4] = b0, z[5] = b1, z[6] = b2, z[7] = b3;
    z[8] = c0, z[9] = c1, z[10] = c2, z[11] = c3, z[12] = e0, z[13] = e1, z[14] = e2, z[15] = e3;
}

/* g += the sum of eight rows times their r */
FL_HALF void LN(back_1)(const R *const *x, ptrdiff_t d, const R *restrict r, R *restrict g)
{
    const R *restrict a = x[0], *restrict b = x[1], *restrict c = x[2], *restrict e = x[3];
    const R *restrict f = x[4], *restrict h = x[5], *restrict u = x[6], *restrict v = x[7];
    R r0 = r[0], r1 = r[1], r2 = r[2], r3 = r[3], r4 = r[4], r5 = r[5], r6 = r[6], r7 = r[7];
#pragma omp simd
    for (ptrdiff_t k = 0; k < d; k++)
        g[k] += ((r0 * a[k] + r1 * b[k]) + (r2 * c[k] + r3 * e[k])) +
                ((r4 * f[k] + r5 * h[k]) + (r6 * u[k] + r7 * v[k]));
}

/* the same of four rows, for four outputs, whose r lie together in a row */
FL_HALF void LN(back_4)(const R *const *x, ptrdiff_t d, const R *restrict r, R *restrict g)
{
    const R *restrict a = x[0], *restrict b = x[1], *restrict c = x[2], *restrict e = x[3];
    R *restrict g1 = g + d, *restrict g2 = g + 2 * d, *restrict g3 = g + 3 * d;
    R a0 = r[0], a1 = r[1], a2 = r[2], a3 = r[3], b0 = r[4], b1 = r[5], b2 = r[6], b3 = r[7];
    R c0 = r[8], c1 = r[9], c2 = r[10], c3 = r[11], e0 = r[12], e1 = r[13], e2 = r[14], e3 = r[15];
#pragma omp simd
    for (ptrdiff_t k = 0; k < d; k++) {
        R p = a[k], q = b[k], s = c[k], t = e[k];
        g[k] += (a0 * p + b0 * q) + (c0 * s + e0 * t);
        g1[k] += (a1 * p + b1 * q) + (c1 * s + e1 * t);
        g2[k] += (a2 * p + b2 * q) + (c2 * s + e2 * t);
        g3[k] += (a3 * p + b3 * q) + (c3 * s + e3 * t);
    }
}

FL_INLINE const R *LN(row)(const fl_matrix *m, ptrdiff_t i)
{
    return (const R *)m->x + (m->index ? m->index[i] : i) * m->down;
}

/* Ask for a row of the next block: it comes while this one is worked on, one half of the block in
   times() and the other in back(), so that memory never waits. */
FL_INLINE void LN(ask)(const R *row, ptrdiff_t d)
{
    for (ptrdiff_t k = 0; k < d; k += 64 / (ptrdiff_t)sizeof(R)) FL_FETCH_FAR(row + k);
}

static void LN(times_rows)(
    const fl_matrix *m, const R *w, ptrdiff_t outputs, ptrdiff_t next, R *z)
{
    for (ptrdiff_t i = 0; i < m->n; i += 4) {
        ptrdiff_t left = m->n - i < 4 ? m->n - i : 4;
        const R *rows[4];
        for (ptrdiff_t j = i / 2; j < i / 2 + 2 && j < next; j++) LN(ask)(LN(row)(m, m->n + j), m->d);
        for (ptrdiff_t j = 0; j < 4; j++) rows[j] = LN(row)(m, i + (j < left ? j : left - 1));
        for (ptrdiff_t o = 0; o < outputs;) {
            R found[16];
            ptrdiff_t width = outputs - o < 4 ? 1 : 4;
            if (width == 4) LN(times_4)(rows, m->d, w + o * m->d, found);
            else LN(times_1)(rows, m->d, w + o * m->d, found);
            for (ptrdiff_t j = 0; j < left; j++)
                for (ptrdiff_t k = 0; k < width; k++)
                    z[(i + j) * outputs + o + k] = found[j * width + k];
            o += width;
        }
    }
}

static void LN(back_rows)(const fl_matrix *m, const R *r, ptrdiff_t outputs, R *g, ptrdiff_t next)
{
    for (ptrdiff_t i = 0; i < m->n; i += 8) {
        ptrdiff_t left = m->n - i < 8 ? m->n - i : 8;
        const R *rows[8];
        for (ptrdiff_t j = (m->n + i) / 2; j < (m->n + i) / 2 + 4 && j < next; j++) LN(ask)(LN(row)(m, m->n + j), m->d);
        for (ptrdiff_t j = 0; j < 8; j++) rows[j] = LN(row)(m, i + (j < left ? j : left - 1));
        for (ptrdiff_t o = 0; o < outputs;) {
            R factor[32] = {0};
            ptrdiff_t width = outputs - o < 4 ? 1 : 4;
            for (ptrdiff_t j = 0; j < left; j++)
                for (ptrdiff_t k = 0; k < width; k++)
                    factor[j * width + k] = r[(i + j) * outputs + o + k];
            if (width == 4) {
                LN(back_4)(rows, m->d, factor, g + o * m->d);
                LN(back_4)(rows + 4, m->d, factor + 16, g + o * m->d);
            } else LN(back_1)(rows, m->d, factor, g + o * m->d);
            o += width;
        }
    }
}

/* ---- columns in one piece -------------------------------------------------------------------- */

static void LN(times_columns)(const fl_matrix *m, const R *w, ptrdiff_t outputs, R *restrict z)
{
    for (ptrdiff_t i = 0; i < m->n * outputs; i++) z[i] = 0;
    for (ptrdiff_t o = 0; o < outputs; o++)
        for (ptrdiff_t k = 0; k < m->d; k++) {
            const R *restrict x = (const R *)m->x + k * m->across;
            R weight = w[o * m->d + k];
            if (m->index) for (ptrdiff_t i = 0; i < m->n; i++) z[i * outputs + o] += x[m->index[i]] * weight;
            else if (outputs == 1) for (ptrdiff_t i = 0; i < m->n; i++) z[i] += x[i] * weight;
            else for (ptrdiff_t i = 0; i < m->n; i++) z[i * outputs + o] += x[i] * weight;
        }
}

static void LN(back_columns)(const fl_matrix *m, const R *restrict r, ptrdiff_t outputs, R *g)
{
    for (ptrdiff_t o = 0; o < outputs; o++)
        for (ptrdiff_t k = 0; k < m->d; k++) {
            const R *restrict x = (const R *)m->x + k * m->across;
            R sum = 0;
            if (m->index) for (ptrdiff_t i = 0; i < m->n; i++) sum += x[m->index[i]] * r[i * outputs + o];
            else if (outputs == 1) {
#pragma omp simd reduction(+ : sum)
                for (ptrdiff_t i = 0; i < m->n; i++) sum += x[i] * r[i];
            } else for (ptrdiff_t i = 0; i < m->n; i++) sum += x[i] * r[i * outputs + o];
            g[o * m->d + k] += sum;
        }
}

/* ---- sparse rows ----------------------------------------------------------------------------- */

FL_INLINE ptrdiff_t LN(at)(const void *numbers, int wide, ptrdiff_t i)
{
    return wide ? (ptrdiff_t)((const int64_t *)numbers)[i] : ((const int32_t *)numbers)[i];
}

FL_INLINE void LN(times_sparse)(
    const fl_matrix *m, int wide, const R *restrict w, ptrdiff_t outputs, R *restrict z)
{
    const R *restrict x = (const R *)m->x;
    for (ptrdiff_t i = 0; i < m->n; i++) {
        ptrdiff_t row = m->index ? m->index[i] : i, stop = LN(at)(m->start, wide, row + 1);
        for (ptrdiff_t o = 0; o < outputs; o++) {
            double sum = 0;
            for (ptrdiff_t p = LN(at)(m->start, wide, row); p < stop; p++)
                sum += (double)x[p] * w[o * m->d + LN(at)(m->column, wide, p)];
            z[i * outputs + o] = (R)sum;
        }
    }
}

/* to sums in double: they are many, and most get nothing of a block */
FL_INLINE void LN(back_sparse)(
    const fl_matrix *m, int wide, const R *restrict r, ptrdiff_t outputs, double *restrict g)
{
    const R *restrict x = (const R *)m->x;
    for (ptrdiff_t i = 0; i < m->n; i++) {
        ptrdiff_t row = m->index ? m->index[i] : i, stop = LN(at)(m->start, wide, row + 1);
        for (ptrdiff_t o = 0; o < outputs; o++) {
            double factor = r[i * outputs + o];
            for (ptrdiff_t p = LN(at)(m->start, wide, row); p < stop; p++)
                g[o * m->d + LN(at)(m->column, wide, p)] += factor * x[p];
        }
    }
}

/* ---- any ------------------------------------------------------------------------------------- */

/* z[i, o] = sum over k of x[i, k] w[o, k]; next: how many rows follow in the next block */
static void FN(times)(
    const fl_matrix *m, const void *w, ptrdiff_t outputs, ptrdiff_t next, void *z)
{
    if (m->start && m->wide) LN(times_sparse)(m, 1, (const R *)w, outputs, (R *)z);
    else if (m->start) LN(times_sparse)(m, 0, (const R *)w, outputs, (R *)z);
    else if (m->across == 1) LN(times_rows)(m, (const R *)w, outputs, next, (R *)z);
    else LN(times_columns)(m, (const R *)w, outputs, (R *)z);
}

/* g[o, k] += sum over i of x[i, k] r[i, o]; block: room for as many numbers as g has, zeros */
static void FN(back)(
    const fl_matrix *m, const void *r, ptrdiff_t outputs, ptrdiff_t next, void *block, double *g)
{
    R *part = (R *)block;
    if (m->start) {
        if (m->wide) LN(back_sparse)(m, 1, (const R *)r, outputs, g);
        else LN(back_sparse)(m, 0, (const R *)r, outputs, g);
        return;
    }
    if (m->across == 1) LN(back_rows)(m, (const R *)r, outputs, part, next);
    else LN(back_columns)(m, (const R *)r, outputs, part);
    for (ptrdiff_t k = 0; k < m->d * outputs; k++) {
        g[k] += part[k];
        part[k] = 0;
    }
}

#undef R
#undef FN
#undef LN
#endif
