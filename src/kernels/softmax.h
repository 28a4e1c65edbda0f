/* Rows of logits: the losses of a softmax, a block of rows at a time.

   Few classes: sixteen rows side by side, as lanes.h lays them out, so that what is done to rows is
   done to vectors. Many classes: a row, or a piece of one, at a time.

   Loops that round run over whole vectors, 16 numbers at a time, and rows that do not make up sixteen
   are copied into sixteen: so every row goes through the same instructions, and has the same bits
   alone and in any place of a batch.

   Both compute x = z - max, its exponentials e and their sum. With a label, x of the label is kept
   and its exponential left out of the sum, so that 1 - p and the loss have all their digits where
   p is nearly 1:  loss = log1p(others + exp(x) - 1) - x.

   The file includes itself twice, as vecmath.h does. */

#ifndef FL_ROWS_PASS
#ifndef FL_SOFTMAX_H
#define FL_SOFTMAX_H

#include <math.h>
#include <string.h>
#include "lanes.h"
#include "rows.h"
#include "kernels/vecmath.h"

/* what loops over elements call has to be inlined, or they do not vectorise */
#if defined(_MSC_VER) && !defined(__clang__)
#define FL_NOINLINE static __declspec(noinline)
#define FL_INLINE static __forceinline
#elif defined(__GNUC__)
#define FL_NOINLINE static __attribute__((noinline, unused))
#define FL_INLINE static inline __attribute__((always_inline, unused))
#else
#define FL_NOINLINE static
#define FL_INLINE static inline
#endif

#if defined(__GNUC__)
#define FL_FETCH(p) __builtin_prefetch(p)
#else
#define FL_FETCH(p)
#endif

#define FL_CAT_(a, b) a##b
#define FL_CAT(a, b) FL_CAT_(a, b)
#define FL_ROWS_PASS 32
#include "softmax.h"
#undef FL_ROWS_PASS
#define FL_ROWS_PASS 64
#include "softmax.h"
#undef FL_ROWS_PASS
#undef FL_CAT
#undef FL_CAT_

#endif /* FL_SOFTMAX_H */

#else /* one pass */

#if FL_ROWS_PASS == 32
#define R float
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f32)
#else
#define R double
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f64)
#endif
#define RS(name) FN(FL_CAT(rows_, name))

/* a number of elements known beforehand: a pragma that keeps gcc from unrolling them to single ones */
#define EACH_OF(n, j) _Pragma("omp simd") for (ptrdiff_t j = 0; j < (n); j++)
#define EACH_LANE(j) EACH_OF(FL_LANES, j)

/* What is known of each row of a block, and what follows from it. x is logit - maximum. */
typedef struct {
    R x[FL_ROWS];             /* z - max of the label */
    R own[FL_ROWS];           /* its exponential */
    R others[FL_ROWS];        /* sum of the exponentials, without the label's */
    R loss[FL_ROWS];
    R factor[FL_ROWS];        /* gradient = factor e */
    R label[FL_ROWS];         /* gradient of the label */
    R p[FL_ROWS];             /* p = p e */
    R first[FL_ROWS];         /* Hessian = first p (1 - p) - second p^2 */
    R second[FL_ROWS];
    R label_hess[FL_ROWS];
    R ones[FL_ROWS];          /* soft targets q: how many e are 1, which are not in others; */
    R dot[FL_ROWS];           /* sum of q x; */
    R mass[FL_ROWS];          /* sum of q */
} RS(state);

/* ---- from the sums to the loss -------------------------------------------------------------- */

/* A loss L(u) of u = log p of the label has the gradient c (p_k - [k is the label]), c = -dL/du,
   and the Hessian's diagonal c p_k (1 - p_k) - dc (p_k - [k is the label])^2, dc = dc/du. */
FL_INLINE void RS(of_label)(
    int loss, double a, double a2, R nll, R p, R rest, R *value, R *c, R *dc)
{
    R b = (R)a, b2 = (R)a2;
    *value = nll;
    *c = 1;
    *dc = 0;
    if (loss == FL_FOCAL) {             /* (1 - p)^a nll */
        R safe = rest + (rest > 0 ? 0 : 1), power = FN(pow)(safe, b, (R)(a - b));
        R t = p > 0 ? p * (nll / safe) : 0;     /* p / safe alone may overflow */
        power = rest > 0 ? power : (R)(a == 0);
        *value = power * nll;
        *c = power * (1 + b * t);
        t = b * (power / safe) * p * (nll - 2 - (b - 1) * t);
        *dc = ((p > 0) & (b > 0)) ? t : 0;
    } else if (loss == FL_POLY) {       /* a2 nll + a (1 - p) */
        R part = b2 * nll;
        *value = (b2 == 0 ? 0 : part) + b * rest;
        *c = b2 + b * p;
        *dc = b * p;
    } else if (loss == FL_POWER) {      /* (1 - p^a) / a */
        R power = b < (R)1e-37 ? (R)1e-37 : b, t = -(power * nll), part = FN(expm1)(t) / -power;
        *value = t > (R)-1e-30 ? nll : part;
        *c = FN(exp_neg)(t);
        *dc = power * *c;
    }
}

/* Ones from n on, up to whole vectors; of rows in a block, or of the elements of one. */
static inline void RS(pad)(R *v, ptrdiff_t n)
{
    for (ptrdiff_t i = n; i < ((n + 15) & -16); i++) v[i] = 1;
}

FL_INLINE void RS(finish_label)(
    RS(state) *s, int loss, double a, double a2, const R *scale, ptrdiff_t n, int hess, int curved)
{
    R rest[FL_ROWS], nll[FL_ROWS];
    for (ptrdiff_t i = 0; i < (n & -16); i++) {      /* two loops: shorter chains run better */
        R own = s->own[i], o = s->others[i];
        s->p[i] = 1 / (o + own);
        rest[i] = own == 1 ? o : o - (1 - own);
    }
    for (ptrdiff_t i = 0; i < (n & -16); i++) {
        R k, f = FN(log1p_reduce)(rest[i], &k);     /* rest is not negative, and finite or NaN */
        nll[i] = FN(log_kernel)(f, k) - s->x[i];
    }
    for (ptrdiff_t i = 0; i < (n & -16); i++) {
        R o = s->others[i] * s->p[i], p = s->own[i] * s->p[i], f = scale[i], c, dc;
        RS(of_label)(loss, a, a2, nll[i], p, o, &s->loss[i], &c, &dc);
        s->factor[i] = f * c * s->p[i];
        s->label[i] = 0 - f * c * o;
        if (hess) {
            dc = (curved & (dc > 0)) ? 0 : dc;        /* it takes away: what is left is not negative */
            s->first[i] = f * c;
            s->second[i] = f * dc;
            s->label_hess[i] = f * c * p * o - f * dc * o * o;
        }
    }
}

/* mass log(sum of e) - sum of q x */
static inline void RS(finish_soft)(RS(state) *s, const R *scale, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < (n & -16); i++) {
        s->p[i] = 1 / (s->others[i] + s->ones[i]);
        s->loss[i] = s->mass[i] * FN(log1p)(s->others[i] + (s->ones[i] - 1)) - s->dot[i];
        s->first[i] = scale[i] * s->mass[i];
        s->factor[i] = s->first[i] * s->p[i];
        s->second[i] = 0;
    }
}

/* of whole sixteens of rows */
FL_NOINLINE void RS(finish)(RS(state) *s, const fl_rows *b, const R *scale, ptrdiff_t n)
{
    if (b->q) RS(finish_soft)(s, scale, n);
    else if (!b->label) {                                /* x is the maximum, others has it too */
        for (ptrdiff_t i = 0; i < (n & -16); i++) {
            s->loss[i] = s->x[i] + FN(log)(s->others[i]);
            s->p[i] = 1 / s->others[i];
            s->factor[i] = scale[i] * s->p[i];
            s->first[i] = scale[i];
            s->second[i] = 0;
        }
    } else {
        int hess = b->hess != NULL, curved = b->curved;
        double a = b->a, a2 = b->more[0];
        if (b->loss == FL_FOCAL && curved) RS(finish_label)(s, FL_FOCAL, a, a2, scale, n, hess, 1);
        else if (b->loss == FL_FOCAL) RS(finish_label)(s, FL_FOCAL, a, a2, scale, n, hess, 0);
        else if (b->loss == FL_POLY) RS(finish_label)(s, FL_POLY, a, a2, scale, n, hess, curved);
        else if (b->loss == FL_POWER) RS(finish_label)(s, FL_POWER, a, a2, scale, n, hess, curved);
        else RS(finish_label)(s, FL_CROSS_ENTROPY, 0, 1, scale, n, hess, 0);
    }
}

/* ---- few classes ---------------------------------------------------------------------------- */

/* n rows of K classes, whole sixteens of rows, as lanes.h lays them out. */
#define EACH_SIXTEEN(r, t) for (ptrdiff_t r = 0; r < n; r += FL_LANES, t += FL_LANES * K)

/* Rows that are missing are of zeros. Their buffers are apart from the block's: stacks may be small. */
FL_NOINLINE void RS(few_read)(const R *z, ptrdiff_t n, ptrdiff_t K, R *t)
{
    R rows[FL_LANES * FL_FEW];
    ptrdiff_t full = n & -FL_LANES, left = n - full;
    FN(to_lanes)(z, full, K, t);
    if (!left) return;
    memcpy(rows, z + full * K, sizeof(R) * (size_t)(left * K));
    memset(rows + left * K, 0, sizeof(R) * (size_t)((FL_LANES - left) * K));
    FN(to_lanes)(rows, FL_LANES, K, t + full * K);
}

FL_NOINLINE void RS(few_write)(const R *t, ptrdiff_t n, ptrdiff_t K, const R *f, R *z)
{
    R rows[FL_LANES * FL_FEW];
    ptrdiff_t full = n & -FL_LANES, left = n - full;
    FN(from_lanes)(t, full, K, f, z);
    if (!left) return;
    FN(from_lanes)(t + full * K, FL_LANES, K, f + full, rows);
    memcpy(z + full * K, rows, sizeof(R) * (size_t)(left * K));
}

FL_NOINLINE void RS(few_max)(const R *restrict t, ptrdiff_t n, ptrdiff_t K, R *restrict m)
{
    EACH_SIXTEEN(r, t) {
        R most[FL_LANES];
        EACH_LANE(j) most[j] = -(R)INFINITY;
        for (ptrdiff_t k = 0; k < K; k++)
            EACH_LANE(j) {
                R a = t[FL_LANES * k + j];
                most[j] = most[j] > a ? most[j] : a;
            }
        EACH_LANE(j) m[r + j] = most[j];
    }
}

#define FIVE(p, j) \
    (((p)[j] + (p)[j + FL_LANES]) + ((p)[j + 2 * FL_LANES] + (p)[j + 3 * FL_LANES]) \
     + (p)[j + 4 * FL_LANES])

/* Sums over the classes, in double of five at a time; a NaN that the maximum missed shows here. */
FL_NOINLINE void RS(few_sum)(const R *restrict t, ptrdiff_t n, ptrdiff_t K, R *restrict sum)
{
    EACH_SIXTEEN(r, t) {
        double s[FL_LANES];
        ptrdiff_t k = K < 5 ? 1 : 5;
        if (K < 5) EACH_LANE(j) s[j] = t[j];
        else EACH_LANE(j) s[j] = FIVE(t, j);
        for (; k + 5 <= K; k += 5) EACH_LANE(j) s[j] += FIVE(t, FL_LANES * k + j);
        for (; k < K; k++) EACH_LANE(j) s[j] += t[FL_LANES * k + j];
        EACH_LANE(j) sum[r + j] = (R)s[j];
    }
}

#undef FIVE

/* Take the labels out of t, where the exponential is to be 0. */
FL_NOINLINE void RS(few_labels)(
    const int64_t *restrict label, ptrdiff_t n, ptrdiff_t K, R *restrict t, R *restrict x)
{
    EACH_SIXTEEN(r, t)
#pragma GCC unroll 16
        for (ptrdiff_t j = 0; j < FL_LANES; j++) {
            R *at = t + FL_LANES * label[r + j] + j;
            x[r + j] = *at;
            *at = -(R)INFINITY;
        }
}

/* exp(t - m) */
FL_NOINLINE void RS(few_exp)(R *restrict t, ptrdiff_t n, ptrdiff_t K, const R *restrict m)
{
    EACH_SIXTEEN(r, t)
        for (ptrdiff_t k = 0; k < K; k++)
            EACH_LANE(j) t[FL_LANES * k + j] = FN(exp_neg)(t[FL_LANES * k + j] - m[r + j]);
}

/* the Hessian, in place of e */
FL_NOINLINE void RS(few_hess)(
    R *restrict t, ptrdiff_t n, ptrdiff_t K, const RS(state) *restrict s)
{
    EACH_SIXTEEN(r, t)
        for (ptrdiff_t k = 0; k < K; k++)
            EACH_LANE(j) {
                R p = t[FL_LANES * k + j] * s->p[r + j];
                t[FL_LANES * k + j] = s->first[r + j] * p * (1 - p) - s->second[r + j] * p * p;
            }
}

/* the terms of q x, in place of targets q */
FL_NOINLINE void RS(few_products)(
    const R *restrict t, R *restrict q, ptrdiff_t n, ptrdiff_t K, const R *restrict m)
{
    EACH_SIXTEEN(r, t) {
        for (ptrdiff_t k = 0; k < K; k++)
            EACH_LANE(j) {
                R p = q[FL_LANES * k + j], v = p * (t[FL_LANES * k + j] - m[r + j]);
                q[FL_LANES * k + j] = p == 0 ? 0 : v;
            }
        q += FL_LANES * K;
    }
}

/* how many e are 1, and the others */
FL_NOINLINE void RS(few_apart)(
    const R *restrict t, ptrdiff_t n, ptrdiff_t K, R *restrict others, R *restrict ones)
{
    EACH_SIXTEEN(r, t) {
        R count[FL_LANES];
        EACH_LANE(j) count[j] = 0;
        for (ptrdiff_t k = 0; k < K; k++)
            EACH_LANE(j) {
                R e = t[FL_LANES * k + j];
                count[j] += e == 1 ? 1 : (R)0;
                others[FL_LANES * k + j] = e == 1 ? 0 : e;
            }
        EACH_LANE(j) ones[r + j] = count[j];
        others += FL_LANES * K;
    }
}

/* factor e - scale q, in place of q */
FL_NOINLINE void RS(few_subtract)(
    const R *restrict t, R *restrict q, ptrdiff_t n, ptrdiff_t K, const R *restrict factor,
    const R *restrict scale)
{
    EACH_SIXTEEN(r, t) {
        for (ptrdiff_t k = 0; k < K; k++)
            EACH_LANE(j) {
                R g = t[FL_LANES * k + j] * factor[r + j];
                q[FL_LANES * k + j] = g - q[FL_LANES * k + j] * scale[r + j];
            }
        q += FL_LANES * K;
    }
}

/* what is given for the labels of n rows */
static inline void RS(put_labels)(
    const int64_t *restrict label, const R *restrict of_label, ptrdiff_t n, ptrdiff_t K, R *restrict v)
{
#pragma GCC unroll 4
    for (ptrdiff_t r = 0; r < n; r++) v[r * K + label[r]] = of_label[r];
}

/* The state of n rows, whose exponentials are left in t; targets need room of that size. */
static void RS(few_start)(const fl_rows *b, ptrdiff_t n, R *t, R *room, RS(state) *s)
{
    R m[FL_ROWS];
    int64_t labels[FL_ROWS];
    const int64_t *label = b->label;
    ptrdiff_t K = b->k;
    RS(few_read)((const R *)b->z, b->n, K, t);
    RS(few_max)(t, n, K, m);
    if (label && b->n < n) {
        memset(labels, 0, sizeof labels);
        label = memcpy(labels, label, sizeof(int64_t) * (size_t)b->n);
    }
    if (label) {
        RS(few_labels)(label, n, K, t, s->x);
        for (ptrdiff_t r = 0; r < (n & -FL_LANES); r++) s->x[r] -= m[r];
        for (ptrdiff_t r = 0; r < (n & -FL_LANES); r++) s->own[r] = FN(exp_neg)(s->x[r]);
    } else memcpy(s->x, m, sizeof(R) * (size_t)n);
    if (b->q) {
        RS(few_read)((const R *)b->q, b->n, K, room);
        RS(few_sum)(room, n, K, s->mass);
        RS(few_products)(t, room, n, K, m);
        RS(few_sum)(room, n, K, s->dot);
    }
    RS(few_exp)(t, n, K, m);
    if (b->q) RS(few_apart)(t, n, K, room, s->ones);
    RS(few_sum)(b->q ? room : t, n, K, s->others);
}

static void RS(few)(const fl_rows *b, R *t, R *room)
{
    R scale[FL_ROWS], ones[FL_ROWS];
    RS(state) s;
    ptrdiff_t n = (b->n + FL_LANES - 1) & -FL_LANES, K = b->k;
    for (ptrdiff_t r = 0; r < n; r++) ones[r] = 1;
    for (ptrdiff_t r = 0; r < b->n; r++) scale[r] = ((const R *)b->scale)[r];
    RS(pad)(scale, b->n);
    RS(few_start)(b, n, t, room, &s);
    RS(finish)(&s, b, scale, n);
    if (b->value) memcpy(b->value, s.loss, sizeof(R) * (size_t)b->n);
    if (b->grad) {
        if (b->q) {
            RS(few_read)((const R *)b->q, b->n, K, room);
            RS(few_subtract)(t, room, n, K, s.factor, scale);
        }
        RS(few_write)(b->q ? room : t, b->n, K, b->q ? ones : s.factor, (R *)b->grad);
        if (b->label) RS(put_labels)(b->label, s.label, b->n, K, (R *)b->grad);
    }
    if (b->hess) {
        RS(few_hess)(t, n, K, &s);
        RS(few_write)(t, b->n, K, ones, (R *)b->hess);
        if (b->label) RS(put_labels)(b->label, s.label_hess, b->n, K, (R *)b->hess);
    }
}

/* Stacks may be small, and labels need but one buffer. */
FL_NOINLINE void RS(few_labelled)(const fl_rows *b)
{
    R t[FL_ROOM];
    RS(few)(b, t, NULL);
}

FL_NOINLINE void RS(few_soft)(const fl_rows *b)
{
    R t[FL_ROOM], room[FL_ROOM];
    RS(few)(b, t, room);
}

/* ---- many classes --------------------------------------------------------------------------- */

FL_NOINLINE R RS(max)(const R *restrict z, ptrdiff_t K)
{
    R most[2 * FL_LANES], m = -(R)INFINITY;
    const ptrdiff_t width = 2 * FL_LANES;
    if (K < width) {
        for (ptrdiff_t k = 0; k < K; k++) m = z[k] > m ? z[k] : m;
        return m;
    }
    EACH_OF(width, j) most[j] = z[j];
    for (ptrdiff_t i = width; i < K; i += width) {
        const R *p = z + (i < K - width ? i : K - width);       /* the last ones may come again */
        EACH_OF(width, j) most[j] = most[j] > p[j] ? most[j] : p[j];
    }
#pragma omp simd reduction(max : m)
    for (ptrdiff_t j = 0; j < width; j++) m = most[j] > m ? most[j] : m;
    return m;
}

FL_NOINLINE void RS(add)(const R *restrict v, ptrdiff_t n, double *restrict lanes)
{
    for (ptrdiff_t i = 0; i < n / 16; i++)
        for (int j = 0; j < 16; j++) lanes[j] += v[16 * i + j];
}

static inline double RS(fold)(double *lanes)
{
    EACH_OF(8, j) lanes[j] += lanes[j + 8];
    EACH_OF(4, j) lanes[j] += lanes[j + 4];
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

/* A row, or a piece of one, is of n numbers, filled up to whole sixteens. */
static inline ptrdiff_t RS(filled)(ptrdiff_t n) { return (n + FL_LANES - 1) & -FL_LANES; }

/* The sum, in double of four at a time; the first ones, of which there are other than four, too. */
FL_NOINLINE double RS(row_sum)(const R *restrict v, ptrdiff_t n)
{
    R first[FL_LANES];
    double lanes[FL_LANES];
    ptrdiff_t i = FL_LANES;
    EACH_LANE(j) first[j] = v[j];
    for (; (n - i) & (3 * FL_LANES); i += FL_LANES) EACH_LANE(j) first[j] += v[i + j];
    EACH_LANE(j) lanes[j] = first[j];
    for (; i < n; i += 4 * FL_LANES) {
        const R *p = v + i;
        EACH_LANE(j) lanes[j] +=
            (p[j] + p[j + FL_LANES]) + (p[j + 2 * FL_LANES] + p[j + 3 * FL_LANES]);
    }
    return RS(fold)(lanes);
}

/* exp(z - m), and 0 where it is filled up */
FL_NOINLINE void RS(row_exp)(const R *restrict z, ptrdiff_t n, R m, R *restrict e)
{
    R last[FL_LANES];
    const R *from = z;
    ptrdiff_t full = n & -FL_LANES, i = 0;
    EACH_LANE(j) last[j] = -(R)INFINITY;
    for (ptrdiff_t j = 0; j < n - full; j++) last[j] = z[full + j];
    do {
        if (i == full) from = last;
        EACH_LANE(j) e[i + j] = FN(exp_neg)(from[j] - m);
        from += FL_LANES;
        i += FL_LANES;
    } while (i < n);
}

/* of targets q: terms of q x */
FL_NOINLINE void RS(row_products)(
    const R *restrict z, const R *restrict q, ptrdiff_t n, R m, R *restrict product)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        R p = q[i], v = p * (z[i] - m);
        product[i] = p == 0 ? 0 : v;
    }
    for (ptrdiff_t i = n; i < RS(filled)(n); i++) product[i] = 0;
}

/* how many e are 1, and the others */
FL_NOINLINE double RS(row_apart)(const R *restrict e, ptrdiff_t n, R *restrict others)
{
    int ones = 0;
    for (ptrdiff_t i = 0; i < RS(filled)(n); i++) ones += e[i] == 1;
    for (ptrdiff_t i = 0; i < RS(filled)(n); i++) others[i] = e[i] == 1 ? 0 : e[i];
    return ones;
}

typedef struct { double own, others, ones, dot, mass; } RS(sums);

/* The sums of a piece of a row, and its exponentials, 0 for the label if that is in it. apart: those
   of the maximum, which are 1, are counted apart. */
static void RS(add_piece)(
    const R *z, ptrdiff_t n, R m, ptrdiff_t label, const R *q, int apart, R *e, RS(sums) *s)
{
    R terms[FL_ROOM];
    RS(row_exp)(z, n, m, e);
    if (label >= 0 && label < n) {
        s->own = e[label];
        e[label] = 0;
    }
    if (q) {
        RS(row_products)(z, q, n, m, terms);
        s->dot += RS(row_sum)(terms, RS(filled)(n));
        memcpy(terms, q, sizeof(R) * (size_t)n);
        for (ptrdiff_t i = n; i < RS(filled)(n); i++) terms[i] = 0;
        s->mass += RS(row_sum)(terms, RS(filled)(n));
    }
    if (apart) s->ones += RS(row_apart)(e, n, terms);
    s->others += RS(row_sum)(apart ? terms : e, RS(filled)(n));
}

/* A row whose exponentials go to e, where there is room for a piece, and to g if they are of more. */
static RS(sums) RS(add_row)(
    const R *z, ptrdiff_t K, R m, ptrdiff_t label, const R *q, int apart, R *e, R *g)
{
    RS(sums) s = {0, 0, 0, 0, 0};
    for (ptrdiff_t k = 0; k < K; k += FL_ROOM) {
        ptrdiff_t n = K - k < FL_ROOM ? K - k : FL_ROOM;
        RS(add_piece)(z + k, n, m, label - k, q ? q + k : NULL, apart, e, &s);
        if (g && K > FL_ROOM) memcpy(g + k, e, sizeof(R) * (size_t)n);
    }
    return s;
}

FL_NOINLINE void RS(row_hess)(
    const R *restrict e, ptrdiff_t K, R inverse, R first, R second, R *restrict h)
{
    for (ptrdiff_t k = 0; k < K; k++) {
        R p = e[k] * inverse;
        h[k] = first * p * (1 - p) - second * p * p;
    }
}

FL_NOINLINE void RS(row_subtract)(const R *restrict q, ptrdiff_t K, R f, R *restrict g)
{
    for (ptrdiff_t k = 0; k < K; k++) g[k] -= q[k] * f;
}

/* e and g may be the same */
FL_NOINLINE void RS(row_scale)(const R *e, ptrdiff_t K, R f, R *g)
{
    ptrdiff_t k = 0;
    for (; k + FL_LANES <= K; k += FL_LANES) EACH_LANE(j) g[k + j] = e[k + j] * f;
    for (; k < K; k++) g[k] = e[k] * f;
}

/* x - log(sum of exp) */
static void RS(log_row)(const fl_rows *b, ptrdiff_t r)
{
    R e[FL_ROOM];
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K;
    R *out = (R *)b->grad + r * K, m = RS(max)(z, K);
    RS(sums) s = RS(add_row)(z, K, m, -1, NULL, 1, e, NULL);
    R lse = FN(log1p)((R)(s.others + (s.ones - 1)));
    for (ptrdiff_t k = 0; k < K; k++) out[k] = (z[k] - m) - lse;
}

FL_NOINLINE void RS(many)(const fl_rows *b)
{
    RS(state) s;
    R exps[FL_ROOM + FL_ROWS * FL_LANES], scale[FL_ROWS];
    R *all[] = {s.x, s.own, s.others, s.ones, s.dot, s.mass, scale};
    ptrdiff_t n = b->n, K = b->k, pitch = RS(filled)(K);
    for (ptrdiff_t r = 0; r < n; r++) {
        const R *z = (const R *)b->z + r * K, *q = b->q ? (const R *)b->q + r * K : NULL;
        ptrdiff_t label = b->label ? b->label[r] : -1;
        R m = RS(max)(z, K), *g = b->grad ? (R *)b->grad + r * K : NULL;
        RS(sums) found = RS(add_row)(z, K, m, label, q, q != NULL, exps + r * pitch, g);
        s.x[r] = b->label ? z[label] - m : m;
        s.own[r] = (R)found.own;
        s.others[r] = (R)found.others;
        s.ones[r] = (R)found.ones;
        s.dot[r] = (R)found.dot;
        s.mass[r] = (R)found.mass;
        scale[r] = ((const R *)b->scale)[r];
    }
    for (int i = 0; i < 7; i++) RS(pad)(all[i], n);
    RS(finish)(&s, b, scale, RS(filled)(n));
    if (b->value) memcpy(b->value, s.loss, sizeof(R) * (size_t)n);
    for (ptrdiff_t r = 0; b->grad && r < n; r++) {
        R *g = (R *)b->grad + r * K;
        const R *e = K > FL_ROOM ? g : exps + r * pitch;
        if (b->hess) RS(row_hess)(e, K, s.p[r], s.first[r], s.second[r], (R *)b->hess + r * K);
        RS(row_scale)(e, K, s.factor[r], g);
        if (b->q) RS(row_subtract)((const R *)b->q + r * K, K, scale[r], g);
    }
    if (b->label && b->hess) RS(put_labels)(b->label, s.label_hess, n, K, (R *)b->hess);
    if (b->label && b->grad) RS(put_labels)(b->label, s.label, n, K, (R *)b->grad);
}

/* A block: of at most FL_ROWS rows, and FL_ROOM elements if it has more than one row. */
static void FN(softmax)(const fl_rows *b)
{
    if (b->log) for (ptrdiff_t r = 0; r < b->n; r++) RS(log_row)(b, r);
    else if (b->k > FL_FEW) RS(many)(b);
    else if (b->q) RS(few_soft)(b);
    else RS(few_labelled)(b);
}

#undef EACH_SIXTEEN
#undef EACH_LANE
#undef EACH_OF
#undef RS
#undef R
#undef FN
#endif
