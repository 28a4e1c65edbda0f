/* Rows of logits: the losses of a softmax, a block of rows at a time.

   Few classes: the block is laid out so that a vector holds several rows. One perfect shuffle
   t[4 i + j] = z[i + j n / 4] puts four rows, a quarter of the block apart, side by side for any
   number of classes; class k of row (g, j) is t[4 (g K + k) + j].
   Many classes: a row, or a piece of one, at a time.

   Loops that round run over whole vectors, 16 numbers at a time, and rows that do not make up four are
   copied into four: so every row goes through the same instructions, and has the same bits alone and
   in any place of a batch.

   Both compute x = z - max, its exponentials e and their sum. With a label, x of the label is kept
   and its exponential left out of the sum, so that 1 - p and the loss have all their digits where
   p is nearly 1:  loss = log1p(others + exp(x) - 1) - x.

   The file includes itself twice, as vecmath.h does. */

#ifndef FL_ROWS_PASS
#ifndef FL_SOFTMAX_H
#define FL_SOFTMAX_H

#include <math.h>
#include <string.h>
#include "rows.h"
#include "vecmath.h"

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
/* gcc makes better shuffles of narrower vectors */
#if defined(__AVX__) && defined(__GNUC__) && !defined(__clang__)
#define FL_NARROW static __attribute__((noinline, target("prefer-vector-width=128")))
#else
#define FL_NARROW FL_NOINLINE
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
FL_INLINE void RS(of_label)(int loss, double a, R nll, R p, R rest, R *value, R *c, R *dc)
{
    R b = (R)a;
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
        *dc = (p > 0) & (b > 0) ? t : 0;
    } else if (loss == FL_POLY) {       /* nll + a (1 - p) */
        *value = nll + b * rest;
        *c = 1 + b * p;
        *dc = b * p;
    }
}

/* Ones from n on, up to whole vectors; of rows in a block, or of the elements of one. */
static inline void RS(pad)(R *v, ptrdiff_t n)
{
    for (ptrdiff_t i = n; i < ((n + 15) & -16); i++) v[i] = 1;
}

FL_INLINE void RS(finish_label)(
    RS(state) *s, int loss, double a, const R *scale, ptrdiff_t n, int hess, int curved)
{
    R rest[FL_ROWS], nll[FL_ROWS];
    for (ptrdiff_t i = 0; i < (n & -16); i++) {      /* two loops: shorter chains run better */
        R own = s->own[i], o = s->others[i];
        s->p[i] = 1 / (o + own);
        rest[i] = own == 1 ? o : o - (1 - own);
    }
    for (ptrdiff_t i = 0; i < (n & -16); i++) nll[i] = FN(log1p)(rest[i]) - s->x[i];
    for (ptrdiff_t i = 0; i < (n & -16); i++) {
        R o = s->others[i] * s->p[i], p = s->own[i] * s->p[i], f = scale[i], c, dc;
        RS(of_label)(loss, a, nll[i], p, o, &s->loss[i], &c, &dc);
        s->factor[i] = f * c * s->p[i];
        s->label[i] = 0 - f * c * o;
        if (hess) {
            dc = curved & (dc > 0) ? 0 : dc;        /* it takes away: what is left is not negative */
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

FL_NOINLINE void RS(finish)(RS(state) *s, const fl_rows *b, R *scale, ptrdiff_t n)
{
    if (n & 15) {
        R *all[] = {s->x, s->own, s->others, s->ones, s->dot, s->mass, scale};
        for (int i = 0; i < 7; i++) RS(pad)(all[i], n);
        n = (n + 15) & -16;
    }
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
        if (b->loss == FL_FOCAL && curved) RS(finish_label)(s, FL_FOCAL, b->a, scale, n, hess, 1);
        else if (b->loss == FL_FOCAL) RS(finish_label)(s, FL_FOCAL, b->a, scale, n, hess, 0);
        else if (b->loss == FL_POLY && curved) RS(finish_label)(s, FL_POLY, b->a, scale, n, hess, 1);
        else if (b->loss == FL_POLY) RS(finish_label)(s, FL_POLY, b->a, scale, n, hess, 0);
        else RS(finish_label)(s, FL_CROSS_ENTROPY, 0, scale, n, hess, 0);
    }
}

/* ---- few classes ---------------------------------------------------------------------------- */

FL_NARROW void RS(shuffle)(const R *restrict z, ptrdiff_t n, R *restrict t)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        t[4 * i] = z[i];
        t[4 * i + 1] = z[i + n];
        t[4 * i + 2] = z[i + 2 * n];
        t[4 * i + 3] = z[i + 3 * n];
    }
}

FL_NARROW void RS(unshuffle)(const R *restrict t, ptrdiff_t n, R *restrict z)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        z[i] = t[4 * i];
        z[i + n] = t[4 * i + 1];
        z[i + 2 * n] = t[4 * i + 2];
        z[i + 3 * n] = t[4 * i + 3];
    }
}

#define EACH(g, j) for (ptrdiff_t g = 0; g < G; g++) for (ptrdiff_t j = 0; j < 4; j++)

/* three classes at a time; the last ones may come again */
FL_NOINLINE void RS(few_max)(const R *restrict t, ptrdiff_t K, ptrdiff_t G, R *restrict m)
{
    for (ptrdiff_t i = 0; i < 4 * G; i++) m[i] = -(R)INFINITY;
    for (ptrdiff_t k = 0; k < K; k += 3) {
        const R *p = t + 4 * k, *q = k + 1 < K ? p + 4 : p, *r = k + 2 < K ? p + 8 : p;
        EACH(g, j) {
            ptrdiff_t i = 4 * g * K + j;
            R a = p[i], b = q[i], c = r[i], d = m[4 * g + j];
            a = b > a ? b : a;
            c = d > c ? d : c;
            m[4 * g + j] = c > a ? c : a;
        }
    }
}

/* five at a time; a NaN that the maximum missed shows here */
FL_NOINLINE void RS(few_sum)(const R *restrict t, ptrdiff_t K, ptrdiff_t G, double *restrict s)
{
    ptrdiff_t k = 0;
    for (ptrdiff_t i = 0; i < 4 * G; i++) s[i] = 0;
    for (; k + 5 <= K; k += 5) {
        const R *p = t + 4 * k;
        EACH(g, j) {
            ptrdiff_t i = 4 * g * K + j;
            s[4 * g + j] += ((p[i] + p[i + 4]) + (p[i + 8] + p[i + 12])) + p[i + 16];
        }
    }
    for (; k < K; k++) EACH(g, j) s[4 * g + j] += t[4 * (g * K + k) + j];
}

FL_NOINLINE void RS(few_exp)(R *restrict t, ptrdiff_t n)
{
    RS(pad)(t, n);
    n = (n + 15) & -16;
    for (ptrdiff_t i = 0; i < (n & -16); i++) t[i] = FN(exp_neg)(t[i]);
}

FL_NOINLINE void RS(few_shift)(R *restrict t, ptrdiff_t K, ptrdiff_t G, const R *restrict m)
{
    for (ptrdiff_t g = 0; g < G; g++)
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t j = 0; j < 4; j++) t[4 * (g * K + k) + j] -= m[4 * g + j];
}

FL_NOINLINE void RS(few_scale)(R *restrict t, ptrdiff_t K, ptrdiff_t G, const R *restrict f)
{
    for (ptrdiff_t g = 0; g < G; g++)
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t j = 0; j < 4; j++) t[4 * (g * K + k) + j] *= f[4 * g + j];
}

FL_NOINLINE void RS(few_hess)(
    const R *restrict t, ptrdiff_t K, ptrdiff_t G, const RS(state) *restrict s, R *restrict h)
{
    for (ptrdiff_t g = 0; g < G; g++)
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t j = 0; j < 4; j++) {
                ptrdiff_t i = 4 * g + j;
                R p = t[4 * (g * K + k) + j] * s->p[i];
                h[4 * (g * K + k) + j] = s->first[i] * p * (1 - p) - s->second[i] * p * p;
            }
}

/* the values of rows in the order of the shuffle, and back */
static inline void RS(few_order)(const R *restrict v, ptrdiff_t G, R *restrict to)
{
    for (ptrdiff_t j = 0; j < 4; j++)
        for (ptrdiff_t g = 0; g < G; g++) to[4 * g + j] = v[j * G + g];
}

static inline void RS(few_back)(const R *restrict v, ptrdiff_t G, R *restrict to)
{
    for (ptrdiff_t j = 0; j < 4; j++)
        for (ptrdiff_t g = 0; g < G; g++) to[j * G + g] = v[4 * g + j];
}

FL_NOINLINE void RS(few_total)(const R *restrict t, ptrdiff_t K, ptrdiff_t G, R *restrict s)
{
    double sums[FL_ROWS];
    RS(few_sum)(t, K, G, sums);
    for (ptrdiff_t i = 0; i < 4 * G; i++) s[i] = (R)sums[i];
}

/* x = z - max of 4 G rows in t, and the maximum in s->x */
static inline void RS(few_start)(const fl_rows *b, R *t, RS(state) *s)
{
    ptrdiff_t G = b->n / 4;
    RS(shuffle)((const R *)b->z, G * b->k, t);
    RS(few_max)(t, b->k, G, s->x);
    RS(few_shift)(t, b->k, G, s->x);
}

/* from the sums to the values; scale in the order of the shuffle */
static inline void RS(few_finish)(const fl_rows *b, R *scale, RS(state) *s)
{
    ptrdiff_t G = b->n / 4;
    RS(few_order)((const R *)b->scale, G, scale);
    RS(finish)(s, b, scale, b->n);
    if (b->value) RS(few_back)(s->loss, G, (R *)b->value);
}

/* 4 G rows with soft targets */
FL_NOINLINE void RS(few_soft)(const fl_rows *b)
{
    R t[FL_ROOM], u[FL_ROOM], v[FL_ROOM], scale[FL_ROWS];
    RS(state) s;
    ptrdiff_t K = b->k, G = b->n / 4, size = 4 * G * K;
    RS(few_start)(b, t, &s);
    RS(shuffle)((const R *)b->q, G * K, u);
    for (ptrdiff_t i = 0; i < size; i++) {
        R product = u[i] * t[i];
        v[i] = u[i] == 0 ? 0 : product;
    }
    RS(few_total)(v, K, G, s.dot);
    RS(few_total)(u, K, G, s.mass);
    RS(few_exp)(t, size);
    for (ptrdiff_t i = 0; i < size; i++) v[i] = t[i] == 1 ? 1 : (R)0;
    RS(few_total)(v, K, G, s.ones);
    for (ptrdiff_t i = 0; i < size; i++) v[i] = t[i] == 1 ? 0 : t[i];
    RS(few_total)(v, K, G, s.others);
    RS(few_finish)(b, scale, &s);
    if (b->hess) {
        RS(few_hess)(t, K, G, &s, v);
        RS(unshuffle)(v, G * K, (R *)b->hess);
    }
    if (b->grad) {
        RS(few_scale)(t, K, G, s.factor);
        RS(few_scale)(u, K, G, scale);
        for (ptrdiff_t i = 0; i < size; i++) t[i] -= u[i];
        RS(unshuffle)(t, G * K, (R *)b->grad);
    }
}

/* 4 G rows */
FL_NOINLINE void RS(few)(const fl_rows *b)
{
    R t[FL_ROOM], h[FL_ROOM];
    RS(state) s;
    R scale[FL_ROWS];
    int32_t at[FL_ROWS];
    const R *z = (const R *)b->z;
    ptrdiff_t n = b->n, K = b->k, G = n / 4;
    RS(few_start)(b, t, &s);
    if (K <= 32)              /* four streams at once are more than the processor foresees */
        for (ptrdiff_t i = 0; i < n * K; i += 64 / (ptrdiff_t)sizeof(R)) FL_FETCH(z + n * K + i);
    if (b->label)
        for (ptrdiff_t j = 0; j < 4; j++)
            for (ptrdiff_t g = 0; g < G; g++) {
                ptrdiff_t i = 4 * (g * K + b->label[j * G + g]) + j;
                at[4 * g + j] = (int32_t)i;
                s.x[4 * g + j] = t[i];
            }
    RS(few_exp)(t, n * K);
    if (b->label)
        for (ptrdiff_t i = 0; i < n; i++) {
            s.own[i] = t[at[i]];
            t[at[i]] = 0;
        }
    RS(few_total)(t, K, G, s.others);
    RS(few_finish)(b, scale, &s);
    if (b->hess) {
        RS(few_hess)(t, K, G, &s, h);
        if (b->label) for (ptrdiff_t i = 0; i < n; i++) h[at[i]] = s.label_hess[i];
        RS(unshuffle)(h, G * K, (R *)b->hess);
    }
    if (b->grad) {
        RS(few_scale)(t, K, G, s.factor);
        if (b->label) for (ptrdiff_t i = 0; i < n; i++) t[at[i]] = s.label[i];
        RS(unshuffle)(t, G * K, (R *)b->grad);
    }
}

/* Up to three rows: a copy of them, filled up to four. */
FL_NOINLINE void RS(few_last)(const fl_rows *b)
{
    R z[4 * FL_FEW], q[4 * FL_FEW], g[4 * FL_FEW], h[4 * FL_FEW], value[4], scale[4];
    int64_t label[4] = {0};
    size_t size = sizeof(R) * (size_t)(b->n * b->k), all = 4 * sizeof(R) * (size_t)b->k;
    fl_rows c = *b;
    memset(z, 0, all);
    memcpy(z, b->z, size);
    if (b->q) {
        memset(q, 0, all);
        memcpy(q, b->q, size);
        c.q = q;
    }
    for (ptrdiff_t r = 0; r < 4; r++) scale[r] = r < b->n ? ((const R *)b->scale)[r] : 0;
    for (ptrdiff_t r = 0; b->label && r < b->n; r++) label[r] = b->label[r];
    c.n = 4, c.z = z, c.scale = scale;
    if (b->label) c.label = label;
    if (b->value) c.value = value;
    if (b->grad) c.grad = g;
    if (b->hess) c.hess = h;
    if (b->q) RS(few_soft)(&c);
    else RS(few)(&c);
    if (b->value) memcpy(b->value, value, sizeof(R) * (size_t)b->n);
    if (b->grad) memcpy(b->grad, g, size);
    if (b->hess) memcpy(b->hess, h, size);
}

/* ---- many classes --------------------------------------------------------------------------- */

FL_NOINLINE R RS(max)(const R *restrict z, ptrdiff_t K)
{
    R m = -(R)INFINITY;
#pragma omp simd reduction(max : m)
    for (ptrdiff_t k = 0; k < K; k++) m = z[k] > m ? z[k] : m;
    return m;
}

FL_NOINLINE void RS(add)(const R *restrict v, ptrdiff_t n, double *restrict lanes)
{
    for (ptrdiff_t i = 0; i < n / 16; i++)
        for (int j = 0; j < 16; j++) lanes[j] += v[16 * i + j];
}

static inline double RS(fold)(double *lanes)
{
    for (int h = 8; h; h /= 2)
        for (int j = 0; j < h; j++) lanes[j] += lanes[j + h];
    return lanes[0];
}

typedef struct { double others, ones, dot, mass; } RS(sums);

/* exp(z - m) of a row, the label's left out, to e if there is room; a piece at a time, padded with
   -inf. ones: with soft targets the exponentials of 1, those of the maximum, are counted apart. */
static RS(sums) RS(row_exp)(
    const R *z, ptrdiff_t K, R m, ptrdiff_t label, const R *q, int apart, R *e)
{
    R piece[FL_ROOM], qx[FL_ROOM], qq[16];
    double others[16] = {0}, dot[16] = {0}, mass[16] = {0};
    RS(sums) found = {0, 0, 0, 0};
    for (ptrdiff_t k = 0; k < K; k += FL_ROOM) {
        ptrdiff_t n = K - k < FL_ROOM ? K - k : FL_ROOM, full = (n + 15) & -16;
        for (ptrdiff_t i = 0; i < n; i++) piece[i] = z[k + i] - m;
        for (ptrdiff_t i = n; i < full; i++) piece[i] = -(R)INFINITY;
        if (q) {
            for (ptrdiff_t i = 0; i < n; i++) {
                R product = q[k + i] * piece[i];
                qx[i] = q[k + i] == 0 ? 0 : product;
            }
            for (ptrdiff_t i = n; i < full; i++) qx[i] = 0;
            RS(add)(qx, full, dot);
            RS(add)(q + k, n & -16, mass);
            for (ptrdiff_t i = n & -16; i < full; i++) qq[i & 15] = i < n ? q[k + i] : 0;
            if (n != (n & -16)) RS(add)(qq, 16, mass);
        }
        if (label >= k && label < k + n) piece[label - k] = -(R)INFINITY;
        for (ptrdiff_t i = 0; i < (full & -16); i++) piece[i] = FN(exp_neg)(piece[i]);
        if (apart) {
            int ones = 0;
            for (ptrdiff_t i = 0; i < (full & -16); i++) ones += piece[i] == 1;
            for (ptrdiff_t i = 0; i < (full & -16); i++) qx[i] = piece[i] == 1 ? 0 : piece[i];
            found.ones += ones;
            RS(add)(qx, full, others);
        } else RS(add)(piece, full, others);
        if (e) memcpy(e + k, piece, (size_t)n * sizeof(R));
    }
    found.others = RS(fold)(others);
    found.dot = RS(fold)(dot);
    found.mass = RS(fold)(mass);
    return found;
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

FL_NOINLINE void RS(row_scale)(const R *e, ptrdiff_t K, R f, R *g)
{
    for (ptrdiff_t k = 0; k < K; k++) g[k] = e[k] * f;
}

/* x - log(sum of exp) */
static void RS(log_row)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K;
    R *out = (R *)b->grad + r * K, m = RS(max)(z, K);
    RS(sums) s = RS(row_exp)(z, K, m, -1, NULL, 1, NULL);
    R lse = FN(log1p)((R)(s.others + (s.ones - 1)));
    for (ptrdiff_t k = 0; k < K; k++) out[k] = (z[k] - m) - lse;
}

FL_NOINLINE void RS(many)(const fl_rows *b)
{
    RS(state) s;
    R scale[FL_ROWS];
    ptrdiff_t n = b->n, K = b->k;
    for (ptrdiff_t r = 0; r < n; r++) {
        const R *z = (const R *)b->z + r * K, *q = b->q ? (const R *)b->q + r * K : NULL;
        ptrdiff_t label = b->label ? b->label[r] : -1;
        R m = RS(max)(z, K), *e = b->grad ? (R *)b->grad + r * K : NULL;
        RS(sums) found = RS(row_exp)(z, K, m, label, q, q != NULL, e);
        s.x[r] = b->label ? z[label] - m : m;
        scale[r] = ((const R *)b->scale)[r];
        s.others[r] = (R)found.others;
        s.ones[r] = (R)found.ones;
        s.dot[r] = (R)found.dot;
        s.mass[r] = (R)found.mass;
    }
    if (b->label) {
        memcpy(s.own, s.x, sizeof(R) * (size_t)n);
        RS(few_exp)(s.own, n);
    }
    RS(finish)(&s, b, scale, n);
    for (ptrdiff_t r = 0; r < n; r++) {
        R *g = (R *)b->grad + r * K, *h = (R *)b->hess + r * K;
        if (b->value) ((R *)b->value)[r] = s.loss[r];
        if (b->hess) RS(row_hess)(g, K, s.p[r], s.first[r], s.second[r], h);
        if (b->hess && b->label) h[b->label[r]] = s.label_hess[r];
        if (b->grad) RS(row_scale)(g, K, s.factor[r], g);
        if (b->grad && b->label) g[b->label[r]] = s.label[r];
        if (b->grad && b->q) RS(row_subtract)((const R *)b->q + r * K, K, scale[r], g);
    }
}

/* A block: of at most FL_ROWS rows, and FL_ROOM elements if it has more than one row. */
static void FN(softmax)(const fl_rows *b)
{
    ptrdiff_t fours = b->n & -4, done = fours * b->k;
    fl_rows part = *b;
    if (b->log) {
        for (ptrdiff_t r = 0; r < b->n; r++) RS(log_row)(b, r);
        return;
    }
    if (b->k > FL_FEW) {
        RS(many)(b);
        return;
    }
    part.n = fours;
    if (fours && b->q) RS(few_soft)(&part);
    else if (fours) RS(few)(&part);
    part.n = b->n - fours;
    part.z = (const R *)b->z + done;
    part.scale = (const R *)b->scale + fours;
    if (b->q) part.q = (const R *)b->q + done;
    if (b->label) part.label = b->label + fours;
    if (b->value) part.value = (R *)b->value + fours;
    if (b->grad) part.grad = (R *)b->grad + done;
    if (b->hess) part.hess = (R *)b->hess + done;
    if (part.n) RS(few_last)(&part);
}

#undef EACH
#undef RS
#undef R
#undef FN
#endif
