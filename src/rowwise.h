/* Losses of rows of numbers, a row at a time: probabilities, directions, margins.

   The file includes itself twice, as vecmath.h does. */

#ifndef FL_ROWWISE_PASS
#ifndef FL_ROWWISE_H
#define FL_ROWWISE_H

#include "softmax.h"

#define FL_CAT_(a, b) a##b
#define FL_CAT(a, b) FL_CAT_(a, b)
#define FL_ROWWISE_PASS 32
#include "rowwise.h"
#undef FL_ROWWISE_PASS
#define FL_ROWWISE_PASS 64
#include "rowwise.h"
#undef FL_ROWWISE_PASS
#undef FL_CAT
#undef FL_CAT_

#endif /* FL_ROWWISE_H */

#else /* one pass */

#if FL_ROWWISE_PASS == 32
#define R float
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f32)
#else
#define R double
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f64)
#endif
#define RS(name) FN(FL_CAT(rows_, name))

#define FL_PIECE 512
#define EACH(k, K) for (ptrdiff_t k = 0; k < K; k++)

/* The sum over a row of an expression in z and q, in double. */
#define SUM(name, expression) \
    FL_NOINLINE double RS(name)(const R *restrict zs, const R *restrict qs, ptrdiff_t K) \
    { \
        R term[FL_ROOM]; \
        double lanes[16] = {0}; \
        for (ptrdiff_t start = 0; start < K; start += FL_ROOM) { \
            ptrdiff_t n = K - start < FL_ROOM ? K - start : FL_ROOM, full = (n + 15) & -16; \
            EACH(i, n) { \
                R z = zs[start + i], q = qs[start + i]; \
                (void)z, (void)q; \
                term[i] = expression; \
            } \
            for (ptrdiff_t i = n; i < full; i++) term[i] = 0; \
            RS(add)(term, full, lanes); \
        } \
        return RS(fold)(lanes); \
    }

/* a log b, 0 if a is 0 */
static inline R RS(xlogy)(R a, R b)
{
    R product = a * FN(log)(b);
    return a == 0 ? 0 : product;
}

/* log of 2 p / (p + q); 0 if both are 0 */
static inline R RS(log_to_mean)(R p, R q)
{
    R sum = p + q, whole = sum > 0 ? sum : 1, t = (p - q) / whole;
    return FN(log_or_log1p)(2 * p / whole, t, t < (R)-0.5);
}

/* that, times p; 0 if p is 0 */
static inline R RS(against_mean)(R p, R q)
{
    R product = p * RS(log_to_mean)(p, q);
    return p == 0 ? 0 : product;
}

SUM(sum_xlogy, -RS(xlogy)(q, z))
SUM(sum_entropy, RS(xlogy)(q, q))
SUM(sum_product, -(q == 0 ? 0 : q * z))
SUM(sum_js, RS(against_mean)(z, q) + RS(against_mean)(q, z))
SUM(sum_zq, z *q)
SUM(sum_zz, z *z)
SUM(sum_qq, q *q)
SUM(sum_both, z + q)
SUM(sum_apart, z *(1 - q) + q * (1 - z))

/* -sum q log z, and with entropy sum q log q - sum q log z; z are logarithms if b->log */
static void RS(cross_entropy)(const fl_rows *b, ptrdiff_t r, int entropy)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = b->q ? (const R *)b->q + r * K : NULL;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, *h = b->hess ? (R *)b->hess + r * K : NULL;
    R f = ((const R *)b->scale)[r];
    if (!q) {                           /* a label */
        ptrdiff_t y = b->label[r];
        R p = z[y];
        if (b->value) ((R *)b->value)[r] = -FN(log)(p);
        if (g) memset(g, 0, (size_t)K * sizeof(R));
        if (h) memset(h, 0, (size_t)K * sizeof(R));
        if (g) g[y] = -f / p;
        if (h) h[y] = f / p / p;
        return;
    }
    if (b->value) {
        double sum = b->log ? RS(sum_product)(z, q, K) : RS(sum_xlogy)(z, q, K);
        if (entropy) sum += RS(sum_entropy)(q, q, K);
        ((R *)b->value)[r] = (R)sum;
    }
    if (h) EACH(k, K) {
        R ratio = q[k] / z[k] / z[k] * f;
        h[k] = q[k] == 0 || b->log ? 0 : ratio;
    }
    if (g && b->log) EACH(k, K) g[k] = -f * q[k];
    else if (g) EACH(k, K) {
        R ratio = -f * (q[k] / z[k]);
        g[k] = q[k] == 0 ? 0 : ratio;
    }
}

/* half of sum z log(z / m) + sum q log(q / m), m = (z + q) / 2 */
static void RS(jensen_shannon)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = (const R *)b->q + r * K;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, *h = b->hess ? (R *)b->hess + r * K : NULL;
    R f = ((const R *)b->scale)[r] / 2;
    if (b->value) ((R *)b->value)[r] = (R)(RS(sum_js)(z, q, K) / 2);
    if (h) EACH(k, K) {
        R ratio = q[k] / (z[k] + q[k]) / z[k];
        h[k] = q[k] == 0 ? 0 : f * ratio;
    }
    if (g) EACH(k, K) g[k] = f * RS(log_to_mean)(z[k], q[k]);
}

/* 1 - z.q / |z| / |q|; 1, and flat, if one of them is 0 */
static void RS(cosine)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = (const R *)b->q + r * K;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, *h = b->hess ? (R *)b->hess + r * K : NULL;
    double zz = RS(sum_zz)(z, q, K), qq = RS(sum_qq)(z, q, K), zq = RS(sum_zq)(z, q, K);
    int flat = zz == 0 || qq == 0;
    double a = flat ? 0 : 1 / (sqrt(zz) * sqrt(qq)), inverse = flat ? 0 : 1 / zz, c = zq * a;
    double f = ((const R *)b->scale)[r];
    R ga = (R)(f * a), gc = (R)(f * c * inverse), hf = (R)(f * inverse), hc = (R)(f * c * inverse);
    R ra = (R)a, rc = (R)(c * inverse);
    if (b->value) ((R *)b->value)[r] = (R)(1 - c);
    if (h) EACH(k, K) {
        R along = ra * q[k], t = along - rc * z[k];
        h[k] = hf * (along + t) * z[k] + hc - 2 * hc * (R)inverse * z[k] * z[k];
    }
    if (g) EACH(k, K) g[k] = gc * z[k] - ga * q[k];
}

/* max(0, margin + max of the others - own); a kink has the gradient 0, of equal others the first
   counts */
static void RS(margin)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k, y = b->label[r], best = -1;
    const R *z = (const R *)b->z + r * K;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, f = ((const R *)b->scale)[r];
    R before = RS(max)(z, y), after = RS(max)(z + y + 1, K - y - 1);
    R m = after > before ? after : before, loss = (R)b->a + m - z[y];
    int nan = 0;
    EACH(k, K) nan |= z[k] != z[k];
    loss = nan ? (R)NAN : loss < 0 ? 0 : loss;
    if (b->value) ((R *)b->value)[r] = loss;
    if (b->hess) memset((R *)b->hess + r * K, 0, (size_t)K * sizeof(R));
    if (!g) return;
    for (ptrdiff_t k = 0; k < K && best < 0; k++) if (k != y && z[k] == m) best = k;
    memset(g, 0, (size_t)K * sizeof(R));
    if (loss != loss) EACH(k, K) g[k] = loss;
    else if (loss > 0 && best >= 0) {
        g[y] = -f;
        g[best] = f;
    }
}

/* The weighted mean over the labels of  a softplus(-z) + b softplus(z),  a = positive q, b = 1 - q */
static void RS(multi_label)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k;
    const R *zs = (const R *)b->z + r * K, *qs = (const R *)b->q + r * K;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, *h = b->hess ? (R *)b->hess + r * K : NULL;
    R f = ((const R *)b->scale)[r], l[FL_PIECE], u[FL_PIECE], v[FL_PIECE];
    double lanes[16] = {0}, mass = 0;
    if (!b->weight) mass = (double)K;
    else EACH(k, K) mass += b->weight[k];
    f /= (R)mass;
    for (ptrdiff_t start = 0; start < K; start += FL_PIECE) {
        ptrdiff_t n = K - start < FL_PIECE ? K - start : FL_PIECE, full = (n + 15) & -16;
        const R *z = zs + start, *q = qs + start;
        EACH(i, n) u[i] = FN(exp_neg)(z[i] < 0 ? z[i] : -z[i]);
        EACH(i, n) v[i] = b->weight ? (R)b->weight[start + i] : 1;
        EACH(i, n) {
            R positive = b->positive ? (R)b->positive[start + i] : 1;
            R a = positive * q[i] * v[i], c = (1 - q[i]) * v[i], t = FN(log1p)(u[i]);
            R near = 1 / (1 + u[i]), far = u[i] * near;
            R up = z[i] < 0 ? far : near, down = z[i] < 0 ? near : far;    /* sigmoids of z, -z */
            R high = z[i] < 0 ? t : z[i] + t, low = z[i] < 0 ? t - z[i] : t;
            R one = a * low, two = c * high, slope = c * up - a * down;
            l[i] = (a == 0 ? 0 : one) + (c == 0 ? 0 : two);
            u[i] = f * slope;
            v[i] = f * (a + c) * up * down;
        }
        for (ptrdiff_t i = n; i < full; i++) l[i] = 0;
        RS(add)(l, full, lanes);
        if (h) memcpy(h + start, v, (size_t)n * sizeof(R));
        if (g) memcpy(g + start, u, (size_t)n * sizeof(R));
    }
    if (b->value) ((R *)b->value)[r] = (R)(RS(fold)(lanes) / mass);
}

/* 1 - (2 z.q + a) / (sum z + sum q + a); 0, and flat, if nothing is there */
static void RS(dice)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = (const R *)b->q + r * K;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, *h = b->hess ? (R *)b->hess + r * K : NULL;
    double zq = RS(sum_zq)(z, q, K), apart = RS(sum_apart)(z, q, K);
    double whole = RS(sum_both)(z, q, K) + b->a, f = ((const R *)b->scale)[r];
    double inverse = whole == 0 ? 0 : 1 / whole;
    R overlap = whole == 0 ? 1 : (R)((2 * zq + b->a) * inverse);
    R first = (R)(f * inverse), second = (R)(2 * f * inverse * inverse);
    if (b->value) ((R *)b->value)[r] = (R)(apart * inverse);
    if (h) EACH(k, K) h[k] = second * (2 * q[k] - overlap);
    if (g) EACH(k, K) g[k] = first * (overlap - 2 * q[k]);
}

/* (log v + (m - y)^2 / v) / 2 + a of rows (m, v); the limits where v is 0 */
static void RS(gaussian)(const fl_rows *b, ptrdiff_t r)
{
    const R *z = (const R *)b->z + 2 * r;
    R *g = b->grad ? (R *)b->grad + 2 * r : NULL, *h = b->hess ? (R *)b->hess + 2 * r : NULL;
    R f = ((const R *)b->scale)[r], v = z[1], d = z[0] - ((const R *)b->q)[r];
    R t = d == 0 ? 0 : d / v;
    R value = (FN(log)(v) + d * t) / 2 + (R)b->a;
    if (b->value) ((R *)b->value)[r] = v == 0 && d * d > 0 ? (R)INFINITY : value;
    if (h) {
        h[0] = f / v;
        h[1] = f * ((2 * d * t - 1) / v) / (2 * v);
    }
    if (g) {
        g[0] = f * t;
        g[1] = f * ((1 - d * t) / (2 * v));
    }
}

/* A block of rows, of any loss. */
static void FN(rows)(const fl_rows *b)
{
    if (b->loss < FL_CROSS_ENTROPY_OF_PROBABILITIES) {
        FN(softmax)(b);
        return;
    }
    for (ptrdiff_t r = 0; r < b->n; r++)
        switch (b->loss) {
        case FL_CROSS_ENTROPY_OF_PROBABILITIES: RS(cross_entropy)(b, r, 0); break;
        case FL_KL: RS(cross_entropy)(b, r, 1); break;
        case FL_JENSEN_SHANNON: RS(jensen_shannon)(b, r); break;
        case FL_COSINE: RS(cosine)(b, r); break;
        case FL_MULTI_LABEL: RS(multi_label)(b, r); break;
        case FL_DICE: RS(dice)(b, r); break;
        case FL_GAUSSIAN: RS(gaussian)(b, r); break;
        default: RS(margin)(b, r);
        }
}

#undef SUM
#undef EACH
#undef FL_PIECE
#undef RS
#undef R
#undef FN
#endif
