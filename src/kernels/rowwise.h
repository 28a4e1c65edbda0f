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
#define LEAST 1.17549435e-38f      /* the least normal number */
#define FAR 3.32306998e35f         /* 2^118: ratios beyond it, or below its inverse, are scaled, */
#define LITTLE 2.32830644e-10f     /* less than FAR times the least number */
#define UP 1.20892582e24f          /* by 2^80 above and 2^-80 below; 160 log(2) */
#define DOWN 8.27180613e-25f
#define SHIFT 110.903549f
#define SPLIT_MIN 0x1p-100f         /* above it products have their rest */
#define JS_TAIL(x, x2, x4) \
    (1.66666672e-01f + (x)*6.66672066e-02f + (x2)*(3.56892794e-02f + (x)*2.26364248e-02f) + \
     (x4)*(1.21325552e-02f + (x)*2.04937402e-02f))
#else
#define R double
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f64)
#define LEAST 2.2250738585072014e-308
#define FAR 0x1p1014
#define LITTLE 0x1p-61
#define UP 0x1p540
#define DOWN 0x1p-540
#define SHIFT 748.5989550047409    /* 1080 log(2) */
#define SPLIT_MIN 0x1p-960
#define JS_TAIL(x, x2, x4) \
    (0.16666666666666669 + (x)*0.06666666666666003 + (x2)*(0.03571428571576827 + \
     (x)*0.022222222092555033) + (x4)*(0.015151521024189657 + (x)*0.010988853335309518 + \
     (x2)*(0.00833603614168967 + (x)*0.006505108587431875) + (x4)*(0.005501691737600029 + \
     (x)*0.0030808120729037456 + (x2)*(0.007925018150853355 + (x)*-0.0060340867866888375 + \
     (x2)*0.012555626064267501))))
#endif
#define RS(name) FN(FL_CAT(rows_, name))

#define FL_PIECE 512      /* elements, of whole rows or of a part of one */
#define EACH(k, K) for (ptrdiff_t k = 0; k < K; k++)

/* Rows of a piece: so many that its elements fill whole vectors, where that is to be had. */
static inline ptrdiff_t RS(piece_rows)(ptrdiff_t K)
{
    ptrdiff_t rows = K <= FL_PIECE ? FL_PIECE / K : 1;
    return rows >= 16 ? rows & -16 : rows >= 4 ? rows & -4 : rows;
}

/* Go through the n rows of K elements in pieces: m elements from `at` on, of `rows` rows from `row`
   on. */
#define PIECES(n, K) \
    for (ptrdiff_t step = RS(piece_rows)(K), row = 0; row < n; row += step) \
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

/* A function of z, q and f, for each of n elements, of which it takes whole vectors only. */
typedef void RS(map)(
    const R *restrict z, const R *restrict q, const R *restrict f, ptrdiff_t n, R *restrict to);

#define MAP(name, expression) \
    FL_NOINLINE void RS(name)( \
        const R *restrict zs, const R *restrict qs, const R *restrict fs, ptrdiff_t n, R *restrict to) \
    { \
        EACH(i, (n & -16)) { \
            R z = zs[i], q = qs[i], f = fs[i]; \
            (void)z, (void)q, (void)f; \
            to[i] = expression; \
        } \
    }

/* Up to 15 elements, filled up with ones. */
static void RS(to_vector)(const R *x, ptrdiff_t n, R *to)
{
    EACH(i, 16) to[i] = i < n ? x[i] : 1;
}

/* A function of n elements. What is left of whole vectors goes through it by way of buffers: so each
   element is computed by the same instructions, which round alike, wherever it lies. */
static void RS(map_piece)(RS(map) *map, const R *z, const R *q, const R *f, ptrdiff_t n, R *to)
{
    R last[4][16];
    ptrdiff_t done = n & -16, left = n - done;
    if (done) map(z, q, f, done, to);
    if (!left) return;
    RS(to_vector)(z + done, left, last[0]);
    RS(to_vector)(q + done, left, last[1]);
    RS(to_vector)(f + done, left, last[2]);
    map(last[0], last[1], last[2], 16, last[3]);
    memcpy(to + done, last[3], (size_t)left * sizeof(R));
}

/* The sums over rows of a function of z and q, in double. */
static void RS(sum_map)(RS(map) *map, const fl_rows *b, double *sums)
{
    R term[FL_PIECE];
    EACH(r, b->n) sums[r] = 0;
    PIECES(b->n, b->k) {
        const R *z = (const R *)b->z + at;
        RS(map_piece)(map, z, (const R *)b->q + at, z, m, term);
        RS(sum_rows)(term, rows, m, sums + row);
    }
}

/* The same value for all elements of a row. */
FL_NOINLINE void RS(spread)(const R *restrict v, ptrdiff_t rows, ptrdiff_t K, R *restrict f)
{
    EACH(r, rows) EACH(k, K) f[r * K + k] = v[r];
}

/* A function of z, q and the row's scale, for each element. */
static void RS(map_rows)(RS(map) *map, const fl_rows *b, void *out)
{
    R f[FL_PIECE];
    PIECES(b->n, b->k) {
        RS(spread)((const R *)b->scale + row, rows, m / rows, f);
        RS(map_piece)(map, (const R *)b->z + at, (const R *)b->q + at, f, m, (R *)out + at);
    }
}

FL_INLINE R RS(unless_0)(R q, R x) { return q == 0 ? 0 : x; }

static void RS(put_values)(const fl_rows *b, const double *sums)
{
    EACH(r, b->n) ((R *)b->value)[r] = (R)sums[r];
}

/* ---- distributions --------------------------------------------------------------------------- */

/* x / y is p / q times a power of 2, and a normal number unless one of them is 0; returns its
   logarithm less that of p / q. */
FL_INLINE R RS(scaled)(R p, R q, R *x, R *y)
{
    int over = p > q * FAR + LITTLE, under = p * FAR + LITTLE < q;      /* so 0 is not made of p or q */
    R up = under ? UP : 1, down = under ? DOWN : 1, shift = under ? SHIFT : 0;
    *x = p * (over ? DOWN : up);
    *y = q * (over ? UP : down);
    return over ? -SHIFT : shift;
}

/* q log(q / z), less q - z where they are near each other: there it is not negative, and has digits of
   its own */
FL_INLINE R RS(divergence)(R q, R z, int near)
{
    R x, y, whole, shift = RS(scaled)(q, z, &x, &y), v, rest, part;
    v = (near ? q - z : x) / y;
    rest = FN(log1p_pair)(v, !near, &whole);
    part = z * (rest + v * whole);
    whole = q * (whole - shift);
    return RS(unless_0)(q, near ? part : whole);
}

FL_INLINE int RS(near)(R q, R z) { return FN(abs)(q - z) <= z / 2; }

/* z log(z / m) + q log(q / m), m = (z + q) / 2: with v = |z - q| / (z + q) it is
   m ((1 + v) log(1 + v) + (1 - v) log(1 - v)), which is m v^2 (1 + v^2 / 6 + ...) */
FL_INLINE R RS(js)(R z, R q)
{
    R d = FN(abs)(z - q), whole = z + q, large = z < q ? q : z, small = z < q ? z : q;
    R over = whole == 0 ? 1 : whole, v = d / over, w = v * v, ratio = 2 * small / over, near, far;
    near = d * v / 2 * (1 + w * JS_TAIL(w, w * w, w * w * (w * w)));
    ratio = ratio < LEAST ? LEAST : ratio;
    far = large * FN(log1p_unit)(v) + small * FN(log)(ratio);
    return v <= (R)0.5 ? near : far;
}

/* log of 2 p / (p + q); log of 2, the limit, if both are 0 */
FL_INLINE R RS(log_to_mean)(R p, R q)
{
    R x, y, shift, t, whole = p + q, nothing = whole == 0 ? 1 : 0;
    p += nothing;
    whole += nothing;
    shift = RS(scaled)(p, whole, &x, &y);
    t = (p - q) / whole;
    return FN(log_or_log1p)(2 * x / y, t, t < (R)-0.5) - shift;
}

MAP(q_log_z, -RS(unless_0)(q, q *FN(log)(z)))
MAP(q_z, -RS(unless_0)(q, q *z))
MAP(kl, RS(divergence)(q, z, RS(near)(q, z)))
MAP(kl_rest, RS(near)(q, z) ? q - z : 0)
MAP(log_kl, RS(unless_0)(q, q *(FN(log)(q) - z)))
MAP(js_term, RS(js)(z, q) / 2)

MAP(cross_entropy_grad, RS(unless_0)(q, -f *(q / z)))
MAP(cross_entropy_hess, RS(unless_0)(q, q / z * f / z))
MAP(log_cross_entropy_grad, -f *q)
MAP(js_grad, f / 2 * RS(log_to_mean)(z, q))
MAP(js_hess, RS(unless_0)(q, f / 2 * (q / (z + q)) / z))
MAP(log_z, FN(log)(z))

/* -log z of the label; z are logarithms if b->log */
static void RS(label_entropy)(const fl_rows *b)
{
    ptrdiff_t bytes = b->n * b->k * (ptrdiff_t)sizeof(R);
    R p[FL_ROWS], logs[FL_ROWS];
    if (b->grad) memset(b->grad, 0, (size_t)bytes);
    if (b->hess) memset(b->hess, 0, (size_t)bytes);
    EACH(r, b->n) p[r] = ((const R *)b->z)[r * b->k + b->label[r]];
    if (b->value) {
        if (!b->log) RS(map_piece)(RS(log_z), p, p, p, b->n, logs);
        EACH(r, b->n) ((R *)b->value)[r] = -(b->log ? p[r] : logs[r]);
    }
    if (b->grad) EACH(r, b->n) {
        ptrdiff_t at = r * b->k + b->label[r];
        R f = ((const R *)b->scale)[r];
        ((R *)b->grad)[at] = b->log ? -f : -f / p[r];
        if (b->hess) ((R *)b->hess)[at] = b->log ? 0 : f / p[r] / p[r];
    }
}

/* derivatives of -sum q log z; z are logarithms if b->log */
static void RS(cross_entropy_derivatives)(const fl_rows *b)
{
    if (b->hess && b->log) memset(b->hess, 0, (size_t)(b->n * b->k) * sizeof(R));
    else if (b->hess) RS(map_rows)(RS(cross_entropy_hess), b, b->hess);
    if (b->grad) RS(map_rows)(b->log ? RS(log_cross_entropy_grad) : RS(cross_entropy_grad), b, b->grad);
}

/* -sum q log z */
static void RS(cross_entropy)(const fl_rows *b)
{
    double sums[FL_ROWS];
    if (b->value) {
        RS(sum_map)(b->log ? RS(q_z) : RS(q_log_z), b, sums);
        RS(put_values)(b, sums);
    }
    RS(cross_entropy_derivatives)(b);
}

/* sum q log (q / z) */
static void RS(kl_divergence)(const fl_rows *b)
{
    double sums[FL_ROWS], rest[FL_ROWS];
    if (b->value) {
        RS(sum_map)(b->log ? RS(log_kl) : RS(kl), b, sums);
        if (!b->log) {
            RS(sum_map)(RS(kl_rest), b, rest);
            EACH(r, b->n) sums[r] += rest[r];
        }
        RS(put_values)(b, sums);
    }
    RS(cross_entropy_derivatives)(b);
}

/* half of sum z log(z / m) + sum q log(q / m), m = (z + q) / 2 */
static void RS(jensen_shannon)(const fl_rows *b)
{
    double sums[FL_ROWS];
    if (b->value) {
        RS(sum_map)(RS(js_term), b, sums);
        RS(put_values)(b, sums);
    }
    if (b->hess) RS(map_rows)(RS(js_hess), b, b->hess);
    if (b->grad) RS(map_rows)(RS(js_grad), b, b->grad);
}

MAP(distance, (z - q) * (z - q))
MAP(brier_grad, 2 * f * (z - q))
MAP(brier_hess, 2 * f + 0 * (z - q))

/* sum (z - q)^2 */
static void RS(brier)(const fl_rows *b)
{
    double sums[FL_ROWS];
    if (b->value) {
        RS(sum_map)(RS(distance), b, sums);
        RS(put_values)(b, sums);
    }
    if (b->hess) RS(map_rows)(RS(brier_hess), b, b->hess);
    if (b->grad) RS(map_rows)(RS(brier_grad), b, b->grad);
}

/* ---- the angle between two vectors --------------------------------------------------------------

   The gradient of 1 - cos is -a r, where a = 1 / (|z| |q|) and r = q - t z, t = z.q / |z|^2, is what
   q has beside z; and 1 - cos = |r|^2 / |q|^2 / (1 + cos). So r has the digits that z and q lose
   where they are nearly parallel. It is computed of the unrounded product of z with a rounded t; as
   what t lacks leaves something along z in r, that is found by another product and taken off. */

typedef struct {
    const R *z, *q;
    ptrdiff_t k;
    double sz, sq;              /* powers of 2 that z and q are multiplied by */
    double zz, qq, zq;          /* sums of the squares and products */
    double a, inverse, c;       /* 1 / (|z| |q|), 1 / |z|^2, the cosine */
    R t;                        /* r = q - t z - low z */
    double low, rr;             /* rr = |r|^2 */
} RS(angle);

/* The sums of z^2, q^2 and z q: those of float are as good as exact. */
FL_INLINE void RS(sum_products)(RS(angle) *v, double sz, double sq)
{
    const R *restrict zs = v->z, *restrict qs = v->q;
    double zz = 0, qq = 0, zq = 0;
    v->sz = sz, v->sq = sq;
#pragma omp simd reduction(+ : zz, qq, zq)
    EACH(k, v->k) {
        double z = zs[k] * sz, q = qs[k] * sq;
        zz += z * z;
        qq += q * q;
        zq += z * q;
    }
    v->zz = zz, v->qq = qq, v->zq = zq;
}

static inline void RS(find_cosine)(RS(angle) *v)
{
    v->a = 1 / (sqrt(v->zz) * sqrt(v->qq));
    v->inverse = 1 / v->zz;
    v->c = v->zq * v->a;
}

/* q - t z, rounded once */
FL_INLINE double RS(beside)(double q, R t, double z)
{
#if FL_ROWWISE_PASS == 32
    return q - (double)t * z;
#else
    R lo, hi = FN(two_prod)(t, z, &lo);
    return (q - hi) - lo;
#endif
}

/* the sum of r^2, and that of r z */
FL_NOINLINE double RS(sum_beside)(const RS(angle) *v, double *along)
{
    const R *restrict zs = v->z, *restrict qs = v->q;
    double rr = 0, rz = 0, sz = v->sz, sq = v->sq, low = v->low;
    R t = v->t;
#pragma omp simd reduction(+ : rr, rz)
    EACH(k, v->k) {
        double z = zs[k] * sz, r = RS(beside)(qs[k] * sq, t, z) - low * z;
        rr += r * r;
        rz += r * z;
    }
    *along = rz;
    return rr;
}

/* t, low and rr, with all digits */
static void RS(find_beside)(RS(angle) *v)
{
    double t = v->zq / v->zz, along;
    v->t = (R)t;
    v->low = t - v->t;
    v->rr = (1 - v->c) * (1 + v->c) * v->qq;
    if (sizeof(R) == 4 && fabs(v->c) < 1 - 1e-6) return;        /* in double enough of them are left */
    for (int step = 0; step < 2; step++) {
        double all = RS(sum_beside)(v, &along), low = along * v->inverse;
        v->low += low;
        v->rr = all - low * along;
        if (v->rr > all / 2) break;         /* else r was along z: what is left has few digits */
    }
    if (!(v->rr > 1e-60 * v->qq)) v->rr = v->a = 0;      /* parallel: what is left is rounding */
}

FL_NOINLINE void RS(put_angle)(const RS(angle) *v, double f, R *restrict g, R *restrict h)
{
    const R *restrict zs = v->z, *restrict qs = v->q;
    double sz = v->sz, sq = v->sq, low = v->low, fa = f * v->a;
    double n = v->inverse, twice = 2 * fa * n, fc = f * v->c * n, fcn = fc * n;
    R t = v->t;
    if (h) EACH(k, v->k) {
        double z = zs[k] * sz, r = RS(beside)(qs[k] * sq, t, z) - low * z;
        h[k] = (R)((twice * r * z + (fc - fcn * z * z)) * sz * sz);
    }
    EACH(k, v->k) {
        double z = zs[k] * sz, r = RS(beside)(qs[k] * sq, t, z) - low * z;
        g[k] = (R)(-fa * r * sz);
    }
}

/* A power of 2 that brings the largest number of a row near to 1, as far as it may be. */
static double RS(to_unit)(const R *z, ptrdiff_t K)
{
    double large = 0;
    int exponent;
    EACH(k, K) large = fabs(z[k]) > large ? fabs(z[k]) : large;
    if (!(large > 0 && large < INFINITY)) return 1;
    frexp(large, &exponent);
    return ldexp(1, exponent < -1000 ? 1000 : -exponent);
}

/* A row that is nearly parallel, or so long or short that squares leave the range of numbers. */
FL_NOINLINE void RS(cosine_with_care)(const fl_rows *b, ptrdiff_t r, int far, RS(angle) v)
{
    ptrdiff_t K = b->k;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, *h = b->hess ? (R *)b->hess + r * K : NULL;
    if (far) {
        RS(sum_products)(&v, RS(to_unit)(v.z, K), RS(to_unit)(v.q, K));
        RS(find_cosine)(&v);
    }
    if (v.zz == 0 || v.qq == 0) {           /* flat; NaN if the other one is */
        if (b->value) ((R *)b->value)[r] = (R)(1 + 0 * v.zq);
        if (h) EACH(k, K) h[k] = (R)(0 * v.zq);
        if (g) EACH(k, K) g[k] = (R)(0 * v.zq);
        return;
    }
    RS(find_beside)(&v);
    double off = v.rr / (v.qq * (1 + fabs(v.c)));
    if (b->value) ((R *)b->value)[r] = (R)(v.c > 0 ? off : 2 - off);
    if (g) RS(put_angle)(&v, ((const R *)b->scale)[r], g, h);
}

/* What is known of all rows of a block. */
typedef struct {
    double zz[FL_ROWS], qq[FL_ROWS], zq[FL_ROWS], a[FL_ROWS], inverse[FL_ROWS], c[FL_ROWS];
    double low[FL_ROWS], rr[FL_ROWS], rz[FL_ROWS];
    R t[FL_ROWS];
} RS(angles);

static inline void RS(find_cosines)(RS(angles) *s, ptrdiff_t n)
{
    EACH(r, n) {
        s->a[r] = 1 / (sqrt(s->zz[r]) * sqrt(s->qq[r]));
        s->inverse[r] = 1 / s->zz[r];
        s->c[r] = s->zq[r] * s->a[r];
    }
}

/* whether squares stay in the range of numbers */
static inline int RS(is_near_1)(double zz, double qq)
{
    double least = sizeof(R) == 4 ? 1e-12 : 1e-100, most = 1 / least;
    return (zz > least) & (zz < most) & (qq > least) & (qq < most);
}

static inline void RS(one_with_care)(const fl_rows *b, ptrdiff_t r, const RS(angles) *s)
{
    const R *z = (const R *)b->z + r * b->k, *q = (const R *)b->q + r * b->k;
    RS(angle) v = {z, q, b->k, 1, 1, s->zz[r], s->qq[r], s->zq[r], s->a[r], s->inverse[r], s->c[r]};
    RS(cosine_with_care)(b, r, !RS(is_near_1)(s->zz[r], s->qq[r]), v);
}

/* Short rows, a vector of rows at a time: sums, and what q has beside z. */
FL_NOINLINE void RS(sum_short)(
    const R *restrict zs, const R *restrict qs, ptrdiff_t n, ptrdiff_t K, RS(angles) *restrict s)
{
    EACH(r, n) s->zz[r] = s->qq[r] = s->zq[r] = s->rr[r] = s->rz[r] = 0;
    EACH(k, K) EACH(r, n) {
        double z = zs[r * K + k], q = qs[r * K + k];
        s->zz[r] += z * z;
        s->qq[r] += q * q;
        s->zq[r] += z * q;
    }
    RS(find_cosines)(s, n);
    EACH(r, n) {
        double t = s->zq[r] / s->zz[r];
        s->t[r] = (R)t;
        s->low[r] = t - s->t[r];
    }
    EACH(k, K) EACH(r, n) {
        double z = zs[r * K + k], v = RS(beside)(qs[r * K + k], s->t[r], z) - s->low[r] * z;
        s->rr[r] += v * v;
        s->rz[r] += v * z;
    }
}

FL_NOINLINE void RS(put_short)(const fl_rows *b, const RS(angles) *restrict s)
{
    const R *restrict zs = (const R *)b->z, *restrict qs = (const R *)b->q;
    const R *restrict scale = (const R *)b->scale;
    R *restrict g = (R *)b->grad, *restrict h = (R *)b->hess;
    ptrdiff_t K = b->k;
    if (h) EACH(k, K) EACH(r, b->n) {
        double z = zs[r * K + k], v = RS(beside)(qs[r * K + k], s->t[r], z) - s->low[r] * z;
        double n = s->inverse[r], f = scale[r] * n, c = f * s->c[r];
        h[r * K + k] = (R)(2 * f * s->a[r] * v * z + (c - c * n * z * z));
    }
    EACH(k, K) EACH(r, b->n) {
        double z = zs[r * K + k], v = RS(beside)(qs[r * K + k], s->t[r], z) - s->low[r] * z;
        g[r * K + k] = (R)(-scale[r] * s->a[r] * v);
    }
}

static void RS(cosine_of_short)(const fl_rows *b)
{
    RS(angles) s;
    int care[FL_ROWS];
    RS(sum_short)((const R *)b->z, (const R *)b->q, b->n, b->k, &s);
    EACH(r, b->n) {
        double low = s.rz[r] * s.inverse[r], rr = s.rr[r] - low * s.rz[r];
        double off = rr / (s.qq[r] * (1 + fabs(s.c[r])));
        s.low[r] += low;
        care[r] = !RS(is_near_1)(s.zz[r], s.qq[r]) | !(rr > s.rr[r] / 2);
        if (b->value) ((R *)b->value)[r] = (R)(s.c[r] > 0 ? off : 2 - off);
    }
    if (b->grad) RS(put_short)(b, &s);
    EACH(r, b->n) if (care[r]) RS(one_with_care)(b, r, &s);
}

FL_NOINLINE void RS(sum_long)(const R *z, const R *q, ptrdiff_t n, ptrdiff_t K, RS(angles) *s)
{
    EACH(r, n) {
        RS(angle) v = {z + r * K, q + r * K, K};
        RS(sum_products)(&v, 1, 1);
        s->zz[r] = v.zz, s->qq[r] = v.qq, s->zq[r] = v.zq;
    }
}

/* 1 - z.q / |z| / |q|; 1, and flat, if one of them is 0 */
static void RS(cosine)(const fl_rows *b)
{
    RS(angles) s;
    ptrdiff_t K = b->k;
    if (K < 16) {
        RS(cosine_of_short)(b);
        return;
    }
    RS(sum_long)((const R *)b->z, (const R *)b->q, b->n, K, &s);
    RS(find_cosines)(&s, b->n);
    EACH(r, b->n) {
        const R *restrict z = (const R *)b->z + r * K, *restrict q = (const R *)b->q + r * K;
        R *restrict g = b->grad ? (R *)b->grad + r * K : NULL;
        R *restrict h = b->hess ? (R *)b->hess + r * K : NULL;
        double a = s.a[r], inverse = s.inverse[r], c = s.c[r];
        if (!RS(is_near_1)(s.zz[r], s.qq[r]) || fabs(c) > 0.5) {
            RS(one_with_care)(b, r, &s);
            continue;
        }
        double f = ((const R *)b->scale)[r];
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

#include "sets.h"

/* ---- several labels -------------------------------------------------------------------------- */

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
    n &= -16;
    EACH(i, n) x[i] = w[i] == 0 ? 0 : z[i];         /* what weighs nothing may be anything */
    EACH(i, n) u[i] = FN(exp_neg)(x[i] < 0 ? x[i] : -x[i]);
    EACH(i, n) loss[i] = FN(log1p)(u[i]);
    EACH(i, n) {
        R a = RS(unless_0)(q[i], positive[i] * q[i] * w[i]), c = (1 - q[i]) * w[i], t = loss[i];
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
    R w[FL_PIECE] = {0}, f[FL_PIECE] = {0}, positive[FL_PIECE] = {0};
    R loss[FL_PIECE], scale[FL_ROWS], last[2][16];
    double sums[FL_ROWS] = {0}, mass = b->weight ? 0 : (double)b->k;
    if (b->weight) EACH(k, b->k) mass += b->weight[k];
    EACH(r, b->n) scale[r] = (R)(((const R *)b->scale)[r] / mass);
    PIECES(b->n, b->k) {
        const R *z = (const R *)b->z + at, *q = (const R *)b->q + at;
        ptrdiff_t K = m / rows, done = m & -16;
        RS(tile)(b->weight ? b->weight + first : NULL, rows, K, w);
        RS(tile)(b->positive ? b->positive + first : NULL, rows, K, positive);
        RS(spread)(scale + row, rows, K, f);
        RS(label_losses)(z, q, m, w, positive, f, loss);
        if (m > done) {                             /* as in map_piece */
            RS(to_vector)(z + done, m - done, last[0]);
            RS(to_vector)(q + done, m - done, last[1]);
            RS(label_losses)(
                last[0], last[1], 16, w + done, positive + done, f + done, loss + done);
        }
        RS(sum_rows)(loss, rows, m, sums + row);
        if (b->hess) memcpy((R *)b->hess + at, f, (size_t)m * sizeof(R));
        if (b->grad) memcpy((R *)b->grad + at, positive, (size_t)m * sizeof(R));
    }
    EACH(r, b->n) sums[r] /= mass;
    if (b->value) RS(put_values)(b, sums);
}

#include "distributions.h"

#include "margins.h"
#include "softmax_terms.h"

/* A block of rows, of any loss. */
static void FN(rows)(const fl_rows *b)
{
    if (b->loss < FL_CROSS_ENTROPY_OF_PROBABILITIES) {
        if (b->q && (b->loss == FL_FOCAL || b->loss == FL_POLY)) RS(softmax_terms)(b);
        else FN(softmax)(b);
        return;
    }
    switch (b->loss) {
    case FL_CROSS_ENTROPY_OF_PROBABILITIES:
        if (b->label) RS(label_entropy)(b);
        else RS(cross_entropy)(b);
        break;
    case FL_KL: RS(kl_divergence)(b); break;
    case FL_JENSEN_SHANNON: RS(jensen_shannon)(b); break;
    case FL_COSINE: RS(cosine)(b); break;
    case FL_MULTI_LABEL: RS(multi_label)(b); break;
    case FL_BRIER: RS(brier)(b); break;
    case FL_TVERSKY: RS(tversky)(b); break;
    case FL_GAUSSIAN: RS(gaussian_nll)(b); break;
    case FL_MULTI_MARGIN: RS(multi_margin)(b); break;
    case FL_MULTI_LABEL_MARGIN: EACH(r, b->n) RS(multi_label_margin)(b, r); break;
    case FL_LOG_GAUSSIAN: RS(log_gaussian_nll)(b); break;
    case FL_GAUSSIAN_CRPS: RS(gaussian_crps)(b); break;
    case FL_LOGISTIC_SCALE: RS(logistic_nll)(b); break;
    case FL_STUDENT: RS(student_nll)(b); break;
    case FL_PINBALL: RS(pinball)(b); break;
    default: EACH(r, b->n) RS(margin)(b, r);
    }
}

#undef MAP
#undef PIECES
#undef EACH
#undef FL_PIECE
#undef LEAST
#undef FAR
#undef LITTLE
#undef UP
#undef DOWN
#undef SHIFT
#undef SPLIT_MIN
#undef JS_TAIL
#undef RS
#undef R
#undef FN
#endif
