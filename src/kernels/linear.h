/* A block of rows of a matrix X in the two halves of a linear model's pass: predictions z = X w, and
   gradients g += X^T r. The block is read from memory in the first, and from the cache in the second.

   w and g hold a row of d numbers for each output, where the pitch is 1; else `pitch` numbers for each
   column of X, one for each output and then zeros. Rows of X in one piece are taken eight at a time. With
   pitch 1 vectors go along the rows, and the sums of eight rows are folded together. Otherwise vectors
   hold outputs, and the pitch is a multiple of their size: each number of X multiplies a whole one, and
   nothing is folded. What rows there are less than eight are taken for the last one again, so that a row
   has the same bits in any place.

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

/* Bytes of a vector of outputs, and of one along a row: rows rarely start at a multiple of 64 bytes, and
   each load of a whole AVX-512 vector would touch two lines of the cache. */
#if defined(__AVX512F__)
#define FL_OUTPUTS 64
#else
#define FL_OUTPUTS FL_ALONG
#endif
#if defined(__AVX__)
#define FL_ALONG 32
#else
#define FL_ALONG 16
#endif

#if defined(__GNUC__)
#define FL_FETCH_FAR(p) __builtin_prefetch(p, 0, 2)
#else
#define FL_FETCH_FAR(p)
#endif

#define FL_NEAR 16            /* rows that are asked for ahead in a block, if they are anywhere in memory */
#define FL_MOST 512           /* outputs, and rows of a block */

#define FL_EIGHT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

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

/* ---- vectors --------------------------------------------------------------------------------- */

enum { LN(outputs) = FL_OUTPUTS / sizeof(R), LN(along) = FL_ALONG / sizeof(R) };

#if defined(__GNUC__)
typedef R LN(vector) __attribute__((vector_size(FL_OUTPUTS), aligned(sizeof(R)), may_alias));
typedef R LN(piece) __attribute__((vector_size(FL_ALONG), aligned(sizeof(R)), may_alias));
#define MADD(sum, x, w) sum += (x) * (w)
#define MADD_PIECE(sum, x, w) sum += (x) * (w)
#else
typedef struct { R v[LN(outputs)]; } LN(vector);
typedef struct { R v[LN(along)]; } LN(piece);
#define MADD(sum, x, w) for (int l = 0; l < LN(outputs); l++) sum.v[l] += (x) * w.v[l]
#define MADD_PIECE(sum, x, w) for (int l = 0; l < LN(along); l++) sum.v[l] += (x).v[l] * w.v[l]
#endif
#define VECTOR(p) (*(LN(vector) *)(p))
#define PIECE(p) (*(LN(piece) *)(p))

/* ---- rows in one piece ----------------------------------------------------------------------- */

#define ROW(j) const R *x##j = x[j];

/* z of eight rows */
FL_NOINLINE void LN(times_1)(const R *const *x, ptrdiff_t d, const R *restrict w, R *restrict z)
{
    R part[8 * LN(along)];
    ptrdiff_t k = 0;
#define START(j) LN(piece) sum##j = {0};
#define STEP(j) MADD_PIECE(sum##j, PIECE(x##j + k), v);
#define STORE(j) PIECE(part + j * LN(along)) = sum##j;
    FL_EIGHT(ROW)
    FL_EIGHT(START)
    for (; k + LN(along) <= d; k += LN(along)) {
        LN(piece) v = PIECE(w + k);
        FL_EIGHT(STEP)
    }
    FL_EIGHT(STORE)
#undef START
#undef STEP
#undef STORE
    for (int j = 0; j < 8; j++) {
        R sum = 0;
        for (int l = 0; l < LN(along); l++) sum += part[j * LN(along) + l];
        z[j] = sum;
    }
    for (; k < d; k++) for (int j = 0; j < 8; j++) z[j] += x[j][k] * w[k];
}

/* g += the sum of eight rows times their r */
FL_NOINLINE void LN(back_1)(const R *const *x, ptrdiff_t d, const R *restrict r, R *restrict g)
{
    FL_EIGHT(ROW)
    R r0 = r[0], r1 = r[1], r2 = r[2], r3 = r[3], r4 = r[4], r5 = r[5], r6 = r[6], r7 = r[7];
#pragma omp simd
    for (ptrdiff_t k = 0; k < d; k++)
        g[k] += ((r0 * x0[k] + r1 * x1[k]) + (r2 * x2[k] + r3 * x3[k])) +
                ((r4 * x4[k] + r5 * x5[k]) + (r6 * x6[k] + r7 * x7[k]));
}

/* z of eight rows, a vector of outputs of each */
FL_NOINLINE void LN(times_many)(
    const R *const *x, ptrdiff_t d, const R *restrict w, ptrdiff_t pitch, R *restrict z)
{
#define START(j) LN(vector) sum##j = {0};
#define STEP(j) MADD(sum##j, x##j[k], v);
#define STORE(j) VECTOR(z + j * LN(outputs)) = sum##j;
    FL_EIGHT(ROW)
    FL_EIGHT(START)
    for (ptrdiff_t k = 0; k < d; k++) {
        LN(vector) v = VECTOR(w + k * pitch);
        FL_EIGHT(STEP)
    }
    FL_EIGHT(STORE)
#undef START
#undef STEP
#undef STORE
}

/* g of eight columns += the sum of n rows times their r, a vector of outputs of each */
FL_NOINLINE void LN(back_many)(
    const R *const *x, ptrdiff_t n, ptrdiff_t k, const R *restrict r, R *restrict g, ptrdiff_t pitch)
{
#define START(j) LN(vector) sum##j = VECTOR(g + j * pitch);
#define STEP(j) MADD(sum##j, row[j], v);
#define STORE(j) VECTOR(g + j * pitch) = sum##j;
    FL_EIGHT(START)
    for (ptrdiff_t i = 0; i < n; i++) {
        const R *row = x[i] + k;
        LN(vector) v = VECTOR(r + i * LN(outputs));
        FL_EIGHT(STEP)
    }
    FL_EIGHT(STORE)
#undef START
#undef STEP
#undef STORE
}

/* the same of one column */
FL_NOINLINE void LN(back_column)(
    const R *const *x, ptrdiff_t n, ptrdiff_t k, const R *restrict r, R *restrict g)
{
    LN(vector) sum = VECTOR(g);
    for (ptrdiff_t i = 0; i < n; i++) {
        LN(vector) v = VECTOR(r + i * LN(outputs));
        MADD(sum, x[i][k], v);
    }
    VECTOR(g) = sum;
}

FL_INLINE const R *LN(row)(const fl_matrix *m, ptrdiff_t i)
{
    return (const R *)m->x + (m->index ? m->index[i] : i) * m->down;
}

/* Ask for rows of the next block: they come while this one is worked on, one half of the block in
   times() and the other in back(), so that memory never waits. */
static void LN(ask)(const fl_matrix *m, ptrdiff_t first, ptrdiff_t stop, ptrdiff_t next)
{
    for (ptrdiff_t i = first; i < stop && i < next; i++) {
        const R *row = LN(row)(m, m->n + i);
        for (ptrdiff_t k = 0; k < m->d; k += 64 / (ptrdiff_t)sizeof(R)) FL_FETCH_FAR(row + k);
        FL_FETCH_FAR(row + m->d - 1);
    }
}

/* The same of rows of this block, if they are anywhere: nobody asked for those of the first block. */
FL_INLINE void LN(ask_near)(const fl_matrix *m, ptrdiff_t i)
{
    if (m->index)
        for (ptrdiff_t j = i ? i + FL_NEAR : 0; j < i + FL_NEAR + 8 && j < m->n; j++)
            for (ptrdiff_t k = 0; k < m->d; k += 64 / (ptrdiff_t)sizeof(R)) FL_FETCH(LN(row)(m, j) + k);
}

static void LN(times_rows)(
    const fl_matrix *m, const R *w, ptrdiff_t outputs, ptrdiff_t pitch, ptrdiff_t next, R *z)
{
    R found[8 * LN(outputs)];
    ptrdiff_t width = pitch == 1 ? 1 : LN(outputs);
    for (ptrdiff_t i = 0; i < m->n; i += 8) {
        ptrdiff_t left = m->n - i < 8 ? m->n - i : 8;
        const R *rows[8];
        LN(ask)(m, i / 2, i / 2 + 4, next);
        LN(ask_near)(m, i);
        for (ptrdiff_t j = 0; j < 8; j++) rows[j] = LN(row)(m, i + (j < left ? j : left - 1));
        for (ptrdiff_t o = 0; o < outputs; o += width) {
            ptrdiff_t used = outputs - o < width ? outputs - o : width;
            if (pitch == 1) LN(times_1)(rows, m->d, w + o * m->d, found);
            else LN(times_many)(rows, m->d, w + o, pitch, found);
            for (ptrdiff_t j = 0; j < left; j++)
                for (ptrdiff_t l = 0; l < used; l++) z[(i + j) * outputs + o + l] = found[j * width + l];
        }
    }
}

static void LN(back_rows)(const fl_matrix *m, const R *r, ptrdiff_t outputs, ptrdiff_t next, R *g)
{
    for (ptrdiff_t i = 0; i < m->n; i += 8) {
        ptrdiff_t left = m->n - i < 8 ? m->n - i : 8;
        const R *rows[8];
        LN(ask)(m, (m->n + i) / 2, (m->n + i) / 2 + 4, next);
        for (ptrdiff_t j = 0; j < 8; j++) rows[j] = LN(row)(m, i + (j < left ? j : left - 1));
        for (ptrdiff_t o = 0; o < outputs; o++) {
            R factor[8] = {0};
            for (ptrdiff_t j = 0; j < left; j++) factor[j] = r[(i + j) * outputs + o];
            LN(back_1)(rows, m->d, factor, g + o * m->d);
        }
    }
}

static void LN(back_outputs)(
    const fl_matrix *m, const R *r, ptrdiff_t outputs, ptrdiff_t pitch, ptrdiff_t next, R *g)
{
    R factor[FL_MOST * LN(outputs)];
    const R *rows[FL_MOST];
    ptrdiff_t n = m->n, d = m->d, asked = n / 2;
    for (ptrdiff_t i = 0; i < n; i++) rows[i] = LN(row)(m, i);
    for (ptrdiff_t o = 0; o < outputs; o += LN(outputs)) {
        ptrdiff_t used = outputs - o < LN(outputs) ? outputs - o : LN(outputs), k = 0;
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t l = 0; l < LN(outputs); l++)
                factor[i * LN(outputs) + l] = l < used ? r[i * outputs + o + l] : 0;
        for (; k + 8 <= d; k += 8) {
            ptrdiff_t due = n / 2 + (n - n / 2) * (k + 8) / d;
            if (o == 0) LN(ask)(m, asked, due, next);
            asked = due;
            LN(back_many)(rows, n, k, factor, g + k * pitch + o, pitch);
        }
        if (o == 0) LN(ask)(m, asked, n, next);
        for (; k < d; k++) LN(back_column)(rows, n, k, factor, g + k * pitch + o);
    }
}

#undef ROW

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

/* Ask for a row, and for where one further on starts, if rows are anywhere. */
FL_INLINE void LN(ask_sparse)(const fl_matrix *m, int wide, ptrdiff_t i, ptrdiff_t rows)
{
    ptrdiff_t size = wide ? 8 : 4;
    if (!m->index) return;
    if (i + 2 * FL_NEAR < rows) FL_FETCH((const char *)m->start + m->index[i + 2 * FL_NEAR] * size);
    if (i + FL_NEAR < rows) {
        ptrdiff_t row = m->index[i + FL_NEAR];
        ptrdiff_t first = LN(at)(m->start, wide, row), stop = LN(at)(m->start, wide, row + 1);
        for (ptrdiff_t p = first; p < stop; p += 64 / (ptrdiff_t)sizeof(R))
            FL_FETCH((const R *)m->x + p);
        for (ptrdiff_t p = first; p < stop; p += 64 / size)
            FL_FETCH((const char *)m->column + p * size);
    }
}

FL_INLINE void LN(times_sparse)(
    const fl_matrix *m, int wide, const R *restrict w, ptrdiff_t outputs, ptrdiff_t next, R *restrict z)
{
    const R *restrict x = (const R *)m->x;
    for (ptrdiff_t i = 0; i < m->n; i++) {
        ptrdiff_t row = m->index ? m->index[i] : i;
        ptrdiff_t p = LN(at)(m->start, wide, row), stop = LN(at)(m->start, wide, row + 1);
        double sums[FL_MOST];
        LN(ask_sparse)(m, wide, i, m->n + next);
        if (outputs == 1) {
            double a = 0, b = 0, c = 0, e = 0;      /* additions that do not wait for each other */
#define PRODUCT(p) (double)x[p] * w[LN(at)(m->column, wide, p)]
            for (; p + 4 <= stop; p += 4) {
                a += PRODUCT(p);
                b += PRODUCT(p + 1);
                c += PRODUCT(p + 2);
                e += PRODUCT(p + 3);
            }
            for (; p < stop; p++) a += PRODUCT(p);
#undef PRODUCT
            z[i] = (R)((a + b) + (c + e));
            continue;
        }
        for (ptrdiff_t o = 0; o < outputs; o++) sums[o] = 0;
        for (; p < stop; p++) {
            const R *restrict of = w + LN(at)(m->column, wide, p) * outputs;
            for (ptrdiff_t o = 0; o < outputs; o++) sums[o] += (double)x[p] * of[o];
        }
        for (ptrdiff_t o = 0; o < outputs; o++) z[i * outputs + o] = (R)sums[o];
    }
}

/* to sums in double: they are many, and most get nothing of a block */
FL_INLINE void LN(back_sparse)(
    const fl_matrix *m, int wide, const R *restrict r, ptrdiff_t outputs, double *restrict g)
{
    const R *restrict x = (const R *)m->x;
    for (ptrdiff_t i = 0; i < m->n; i++) {
        ptrdiff_t row = m->index ? m->index[i] : i, stop = LN(at)(m->start, wide, row + 1);
        for (ptrdiff_t p = LN(at)(m->start, wide, row); p < stop; p++) {
            double *restrict to = g + LN(at)(m->column, wide, p) * outputs;
            for (ptrdiff_t o = 0; o < outputs; o++) to[o] += (double)r[i * outputs + o] * x[p];
        }
    }
}

/* ---- any ------------------------------------------------------------------------------------- */

/* z[i, o] = sum over k of x[i, k] w[k, o]; next: how many rows follow in the next block. Sparse rows
   have a pitch of as many numbers as there are outputs, and columns in one piece of 1. */
static void FN(times)(
    const fl_matrix *m, const void *w, ptrdiff_t outputs, ptrdiff_t pitch, ptrdiff_t next, void *z)
{
    if (m->start && m->wide) LN(times_sparse)(m, 1, (const R *)w, outputs, next, (R *)z);
    else if (m->start) LN(times_sparse)(m, 0, (const R *)w, outputs, next, (R *)z);
    else if (m->across == 1) LN(times_rows)(m, (const R *)w, outputs, pitch, next, (R *)z);
    else LN(times_columns)(m, (const R *)w, outputs, (R *)z);
}

/* g[k, o] += sum over i of x[i, k] r[i, o]; block: room for as many numbers as g has, zeros */
static void FN(back)(
    const fl_matrix *m, const void *r, ptrdiff_t outputs, ptrdiff_t pitch, ptrdiff_t next, void *block,
    double *g)
{
    R *part = (R *)block;
    if (m->start) {
        if (m->wide) LN(back_sparse)(m, 1, (const R *)r, outputs, g);
        else LN(back_sparse)(m, 0, (const R *)r, outputs, g);
        return;
    }
    if (m->across != 1) LN(back_columns)(m, (const R *)r, outputs, part);
    else if (pitch == 1) LN(back_rows)(m, (const R *)r, outputs, next, part);
    else LN(back_outputs)(m, (const R *)r, outputs, pitch, next, part);
    for (ptrdiff_t k = 0; k < m->d * (pitch == 1 ? outputs : pitch); k++) {
        g[k] += part[k];
        part[k] = 0;
    }
}

#undef MADD
#undef MADD_PIECE
#undef VECTOR
#undef PIECE
#undef R
#undef FN
#undef LN
#endif
