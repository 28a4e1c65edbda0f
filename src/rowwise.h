/* Losses of rows of numbers: probabilities, directions, sets, margins. What is done for each element
   runs over the rows of a block as if they were one; only sums know of rows.

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

#define FL_PIECE 512      /* elements, of whole rows or of a part of one */
#define EACH(k, K) for (ptrdiff_t k = 0; k < K; k++)

/* Go through the n rows of K elements in pieces: m elements from `at` on, of `rows` rows from `row`
   on. */
#define PIECES(n, K) \
    for (ptrdiff_t step = K <= FL_PIECE ? FL_PIECE / K : 1, row = 0; row < n; row += step) \
        for (ptrdiff_t first = 0, rows = n - row < step ? n - row : step, at, m; \
             first < K && (at = row * K + first, \
                           m = K <= FL_PIECE ? rows * K : K - first < FL_PIECE ? K - first : FL_PIECE); \
             first += FL_PIECE)

/* Add the terms of a piece to the sums of its rows. */
FL_NOINLINE void RS(sum_rows)(const R *restrict term, ptrdiff_t rows, ptrdiff_t m, double *sums)
{
    ptrdiff_t K = m / rows;
    if (K < 32) {
        for (ptrdiff_t k = 0; k + 1 < K; k += 2)
            EACH(r, rows) sums[r] += (double)term[r * K + k] + term[r * K + k + 1];
        if (K & 1) EACH(r, rows) sums[r] += term[r * K + K - 1];
        return;
    }
    EACH(r, rows) {
        const R *t = term + r * K;
        double lanes[16] = {0};
        RS(add)(t, K & -16, lanes);
        for (ptrdiff_t k = K & -16; k < K; k++) lanes[k & 15] += t[k];
        sums[r] += RS(fold)(lanes);
    }
}

/* The sums over rows of an expression in z and q, in double. */
#define SUM(name, expression) \
    FL_NOINLINE void RS(name)(const fl_rows *b, double *sums) \
    { \
        R term[FL_PIECE]; \
        EACH(r, b->n) sums[r] = 0; \
        PIECES(b->n, b->k) { \
            const R *restrict zs = (const R *)b->z + at, *restrict qs = (const R *)b->q + at; \
            EACH(i, m) { \
                R z = zs[i], q = qs[i]; \
                (void)z, (void)q; \
                term[i] = expression; \
            } \
            RS(sum_rows)(term, rows, m, sums + row); \
        } \
    }

/* The same value for all elements of a row. */
FL_NOINLINE void RS(spread)(const R *restrict v, ptrdiff_t rows, ptrdiff_t K, R *restrict f)
{
    EACH(r, rows) EACH(k, K) f[r * K + k] = v[r];
}

/* An expression in z, q and the row's scale f, for each element. */
#define MAP(name, expression) \
    FL_NOINLINE void RS(name)(const fl_rows *b, void *out) \
    { \
        R fs[FL_PIECE]; \
        PIECES(b->n, b->k) { \
            const R *restrict zs = (const R *)b->z + at, *restrict qs = (const R *)b->q + at; \
            R *restrict to = (R *)out + at; \
            RS(spread)((const R *)b->scale + row, rows, m / rows, fs); \
            EACH(i, m) { \
                R z = zs[i], q = qs[i], f = fs[i]; \
                (void)z; \
                to[i] = expression; \
            } \
        } \
    }

static inline R RS(unless_0)(R q, R x) { return q == 0 ? 0 : x; }

/* log of 2 p / (p + q); log of 2, the limit, if both are 0 */
static inline R RS(log_to_mean)(R p, R q)
{
    R whole = q == 0 ? 1 : p + q, ratio = q == 0 ? 2 : 2 * p / whole;
    R t = q == 0 ? 1 : (p - q) / whole;
    return FN(log_or_log1p)(ratio, t, t < (R)-0.5);
}

SUM(sum_q_log_z, -RS(unless_0)(q, q *FN(log)(z)))
SUM(sum_q_log_q, RS(unless_0)(q, q *FN(log)(q)))
SUM(sum_q_z, -RS(unless_0)(q, q *z))
SUM(sum_js, RS(unless_0)(z, z *RS(log_to_mean)(z, q)) + RS(unless_0)(q, q *RS(log_to_mean)(q, z)))
SUM(sum_zq, z *q)
SUM(sum_zz, z *z)
SUM(sum_qq, q *q)
SUM(sum_both, z + q)
SUM(sum_apart, z *(1 - q) + q * (1 - z))

MAP(cross_entropy_grad, RS(unless_0)(q, -f *(q / z)))
MAP(cross_entropy_hess, RS(unless_0)(q, q / z * f / z))
MAP(log_cross_entropy_grad, -f *q)
MAP(js_grad, f / 2 * RS(log_to_mean)(z, q))
MAP(js_hess, RS(unless_0)(q, f / 2 * (q / (z + q) / z)))

static void RS(put_values)(const fl_rows *b, const double *sums)
{
    EACH(r, b->n) ((R *)b->value)[r] = (R)sums[r];
}

/* -log z of the label */
static void RS(label_entropy)(const fl_rows *b)
{
    ptrdiff_t bytes = b->n * b->k * (ptrdiff_t)sizeof(R);
    if (b->grad) memset(b->grad, 0, (size_t)bytes);
    if (b->hess) memset(b->hess, 0, (size_t)bytes);
    EACH(r, b->n) {
        ptrdiff_t at = r * b->k + b->label[r];
        R p = ((const R *)b->z)[at], f = ((const R *)b->scale)[r];
        if (b->value) ((R *)b->value)[r] = -FN(log)(p);
        if (b->grad) ((R *)b->grad)[at] = -f / p;
        if (b->hess) ((R *)b->hess)[at] = f / p / p;
    }
}

/* -sum q log z, and with entropy sum q log q - sum q log z; z are logarithms if b->log */
static void RS(cross_entropy)(const fl_rows *b, int entropy)
{
    double sums[FL_ROWS], more[FL_ROWS];
    if (b->value) {
        if (b->log) RS(sum_q_z)(b, sums);
        else RS(sum_q_log_z)(b, sums);
        if (entropy) {
            RS(sum_q_log_q)(b, more);
            EACH(r, b->n) sums[r] += more[r];
        }
        RS(put_values)(b, sums);
    }
    if (b->hess && b->log) memset(b->hess, 0, (size_t)(b->n * b->k) * sizeof(R));
    else if (b->hess) RS(cross_entropy_hess)(b, b->hess);
    if (b->grad && b->log) RS(log_cross_entropy_grad)(b, b->grad);
    else if (b->grad) RS(cross_entropy_grad)(b, b->grad);
}

/* half of sum z log(z / m) + sum q log(q / m), m = (z + q) / 2 */
static void RS(jensen_shannon)(const fl_rows *b)
{
    double sums[FL_ROWS];
    if (b->value) {
        RS(sum_js)(b, sums);
        EACH(r, b->n) sums[r] /= 2;
        RS(put_values)(b, sums);
    }
    if (b->hess) RS(js_hess)(b, b->hess);
    if (b->grad) RS(js_grad)(b, b->grad);
}

/* The same of vectors so long or short that squares leave the range of numbers: of z and q divided by
   their largest elements. */
FL_NOINLINE void RS(cosine_far)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = (const R *)b->q + r * K;
    double f = ((const R *)b->scale)[r], large_z = 0, large_q = 0, zz = 0, qq = 0, zq = 0;
    EACH(k, K) {
        large_z = fabs(z[k]) > large_z ? fabs(z[k]) : large_z;
        large_q = fabs(q[k]) > large_q ? fabs(q[k]) : large_q;
    }
    EACH(k, K) {
        double x = large_z == 0 ? z[k] : z[k] / large_z, y = large_q == 0 ? q[k] : q[k] / large_q;
        zz += x * x;
        qq += y * y;
        zq += x * y;
    }
    int flat = zz == 0 || qq == 0;
    double a = flat ? 0 : 1 / (sqrt(zz) * sqrt(qq)), c = zq * a;
    if (b->value) ((R *)b->value)[r] = (R)(1 - c);
    EACH(k, K) {
        double x = flat ? 0 : z[k] / large_z, y = flat ? 0 : q[k] / large_q;
        double t = flat ? 0 : c * x / zz, along = a * y, by = flat ? 1 : large_z;
        if (b->hess)
            ((R *)b->hess)[r * K + k] =
                flat ? 0 : (R)(f * ((2 * along - t) * x + c - 2 * t * x) / zz / by / by);
        if (b->grad) ((R *)b->grad)[r * K + k] = (R)(f * (t - along) / by);
    }
}

/* 1 - z.q / |z| / |q|; 1, and flat, if one of them is 0 */
static void RS(cosine)(const fl_rows *b)
{
    double zz[FL_ROWS], qq[FL_ROWS], zq[FL_ROWS];
    ptrdiff_t K = b->k;
    RS(sum_zz)(b, zz);
    RS(sum_qq)(b, qq);
    RS(sum_zq)(b, zq);
    EACH(r, b->n) {
        const R *restrict z = (const R *)b->z + r * K, *restrict q = (const R *)b->q + r * K;
        R *restrict g = (R *)b->grad + r * K, *restrict h = (R *)b->hess + r * K;
        double least = sizeof(R) == 4 ? 1e-12 : 1e-100, most = 1 / least;
        if (!(zz[r] > least && zz[r] < most && qq[r] > least && qq[r] < most)) {
            RS(cosine_far)(b, r);
            continue;
        }
        double a = 1 / (sqrt(zz[r]) * sqrt(qq[r])), inverse = 1 / zz[r];
        double f = ((const R *)b->scale)[r], c = zq[r] * a;
        R ga = (R)(f * a), gc = (R)(f * c * inverse), hf = (R)(f * inverse);
        R ra = (R)a, rc = (R)(c * inverse), hi = 2 * gc * (R)inverse;
        if (b->value) ((R *)b->value)[r] = (R)(1 - c);
        if (b->hess) EACH(k, K) {
            R along = ra * q[k], t = along - rc * z[k];
            h[k] = hf * (along + t) * z[k] + gc - hi * z[k] * z[k];
        }
        if (b->grad) EACH(k, K) g[k] = gc * z[k] - ga * q[k];
    }
}

/* 1 - (2 z.q + a) / (sum z + sum q + a); 0, and flat, if nothing is there */
static void RS(dice)(const fl_rows *b)
{
    double zq[FL_ROWS], apart[FL_ROWS], both[FL_ROWS];
    ptrdiff_t K = b->k;
    RS(sum_zq)(b, zq);
    RS(sum_apart)(b, apart);
    RS(sum_both)(b, both);
    EACH(r, b->n) {
        const R *restrict q = (const R *)b->q + r * K;
        R *restrict g = (R *)b->grad + r * K, *restrict h = (R *)b->hess + r * K;
        double whole = both[r] + b->a, inverse = whole == 0 ? 0 : 1 / whole;
        double f = ((const R *)b->scale)[r];
        R overlap = whole == 0 ? 1 : (R)((2 * zq[r] + b->a) * inverse);
        R first = (R)(f * inverse), second = (R)(2 * f * inverse * inverse);
        if (b->value) ((R *)b->value)[r] = (R)(apart[r] * inverse);
        if (b->hess) EACH(k, K) {
            R d = 2 * q[k] - overlap;
            h[k] = RS(unless_0)(d, second * d);
        }
        if (b->grad) EACH(k, K) {
            R d = overlap - 2 * q[k];
            g[k] = RS(unless_0)(d, first * d);
        }
    }
}

/* What each label weighs, for the elements of a piece; 1 if nothing is said. */
static void RS(tile)(const double *w, ptrdiff_t rows, ptrdiff_t K, R *restrict f)
{
    EACH(r, rows) EACH(k, K) f[r * K + k] = w ? (R)w[k] : 1;
}

/* f times (a softplus(-z) + c softplus(z)), a = positive q, c = 1 - q, all times w; and what its
   derivatives are multiplied by */
FL_NOINLINE void RS(label_losses)(
    const R *restrict z, const R *restrict q, ptrdiff_t n, const R *restrict w, R *restrict positive,
    R *restrict f, R *restrict loss)
{
    R u[FL_PIECE], x[FL_PIECE];
    EACH(i, n) x[i] = w[i] == 0 ? 0 : z[i];         /* what weighs nothing may be anything */
    EACH(i, n) u[i] = FN(exp_neg)(x[i] < 0 ? x[i] : -x[i]);
    EACH(i, n) loss[i] = FN(log1p)(u[i]);
    EACH(i, n) {
        R a = positive[i] * q[i] * w[i], c = (1 - q[i]) * w[i], t = loss[i];
        R near = 1 / (1 + u[i]), far = u[i] * near;
        R up = x[i] < 0 ? far : near, down = x[i] < 0 ? near : far;     /* sigmoids of x, -x */
        R high = x[i] < 0 ? t : x[i] + t, low = x[i] < 0 ? t - x[i] : t;
        loss[i] = RS(unless_0)(a, a * low) + RS(unless_0)(c, c * high);
        positive[i] = f[i] * (c * up - a * down);
        f[i] = f[i] * (a + c) * up * down;
    }
}

/* the weighted mean over the labels of their logistic losses */
static void RS(multi_label)(const fl_rows *b)
{
    R w[FL_PIECE], f[FL_PIECE], positive[FL_PIECE], loss[FL_PIECE], scale[FL_ROWS];
    double sums[FL_ROWS] = {0}, mass = b->weight ? 0 : (double)b->k;
    if (b->weight) EACH(k, b->k) mass += b->weight[k];
    EACH(r, b->n) scale[r] = (R)(((const R *)b->scale)[r] / mass);
    PIECES(b->n, b->k) {
        ptrdiff_t K = m / rows;
        RS(tile)(b->weight ? b->weight + first : NULL, rows, K, w);
        RS(tile)(b->positive ? b->positive + first : NULL, rows, K, positive);
        RS(spread)(scale + row, rows, K, f);
        RS(label_losses)((const R *)b->z + at, (const R *)b->q + at, m, w, positive, f, loss);
        RS(sum_rows)(loss, rows, m, sums + row);
        if (b->hess) memcpy((R *)b->hess + at, f, (size_t)m * sizeof(R));
        if (b->grad) memcpy((R *)b->grad + at, positive, (size_t)m * sizeof(R));
    }
    EACH(r, b->n) sums[r] /= mass;
    if (b->value) RS(put_values)(b, sums);
}

/* (log v + (m - y)^2 / v) / 2 + a of rows (m, v); the limits where v is 0 */
FL_NOINLINE void RS(gaussian)(const fl_rows *b)
{
    const R *restrict z = (const R *)b->z, *restrict y = (const R *)b->q;
    const R *restrict scale = (const R *)b->scale;
    R *restrict g = (R *)b->grad, *restrict h = (R *)b->hess, *restrict value = (R *)b->value;
    R v[FL_ROWS], d[FL_ROWS], t[FL_ROWS];
    EACH(r, b->n) {
        v[r] = z[2 * r + 1];
        d[r] = z[2 * r] - y[r];
    }
    EACH(r, b->n) t[r] = d[r] == 0 ? 0 : d[r] / v[r];
    if (value) EACH(r, b->n) {
        R l = (FN(log)(v[r]) + d[r] * t[r]) / 2 + (R)b->a;
        value[r] = (v[r] == 0) & ((d[r] > 0) | (d[r] < 0)) ? (R)INFINITY : l;
    }
    if (h) EACH(r, b->n) {
        h[2 * r] = scale[r] / v[r];
        h[2 * r + 1] = scale[r] * ((2 * d[r] * t[r] - 1) / v[r]) / (2 * v[r]);
    }
    if (g) EACH(r, b->n) {
        g[2 * r] = scale[r] * t[r];
        g[2 * r + 1] = scale[r] * ((1 - d[r] * t[r]) / (2 * v[r]));
    }
}

/* max(0, margin + max of the others - own); a kink has the gradient 0, of equal others the first
   counts */
static void RS(margin)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k, y = b->label[r], best = -1;
    const R *z = (const R *)b->z + r * K;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, f = ((const R *)b->scale)[r];
    R before = RS(max)(z, y), after = RS(max)(z + y + 1, K - y - 1);
    R m = after > before ? after : before, loss = (R)b->a + (m - z[y]);
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

/* A block of rows, of any loss. */
static void FN(rows)(const fl_rows *b)
{
    if (b->loss < FL_CROSS_ENTROPY_OF_PROBABILITIES) {
        FN(softmax)(b);
        return;
    }
    switch (b->loss) {
    case FL_CROSS_ENTROPY_OF_PROBABILITIES:
        if (b->label) RS(label_entropy)(b);
        else RS(cross_entropy)(b, 0);
        break;
    case FL_KL: RS(cross_entropy)(b, 1); break;
    case FL_JENSEN_SHANNON: RS(jensen_shannon)(b); break;
    case FL_COSINE: RS(cosine)(b); break;
    case FL_MULTI_LABEL: RS(multi_label)(b); break;
    case FL_DICE: RS(dice)(b); break;
    case FL_GAUSSIAN: RS(gaussian)(b); break;
    default: EACH(r, b->n) RS(margin)(b, r);
    }
}

#undef SUM
#undef MAP
#undef PIECES
#undef EACH
#undef FL_PIECE
#undef RS
#undef R
#undef FN
#endif
