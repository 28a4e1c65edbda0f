/* Losses of predicted distributions: a row of a few numbers, and one number as its target.
   rowwise.h includes this file for each type, and lends it its macros. */

/* ---- a location and a scale -------------------------------------------------------------------- */

/* Of whole vectors of rows: the location less the target, what rounding took from that, the scale,
   and what derivatives are multiplied by. Results are a value in `one`, or derivatives by the location
   in `one` and by the scale in `two`. */
typedef void RS(pair_map)(
    const R *restrict ds, const R *restrict lows, const R *restrict ss, const R *restrict fs,
    ptrdiff_t n, const fl_rows *b, R *restrict one, R *restrict two);

#define PAIR_MAP(name) \
    FL_NOINLINE void RS(name)( \
        const R *restrict ds, const R *restrict lows, const R *restrict ss, const R *restrict fs, \
        ptrdiff_t n, const fl_rows *b, R *restrict one, R *restrict two)

/* Rows (location, scale) by the functions of a loss. */
static void RS(location_scale)(
    const fl_rows *b, RS(pair_map) *value, RS(pair_map) *grad, RS(pair_map) *hess)
{
    const R *restrict z = (const R *)b->z, *restrict y = (const R *)b->q;
    R *restrict gs = (R *)b->grad, *restrict hs = (R *)b->hess;
    R d[FL_ROWS], low[FL_ROWS], s[FL_ROWS], f[FL_ROWS], one[FL_ROWS], two[FL_ROWS];
    ptrdiff_t n = b->n, full = (n + 15) & -16;
    EACH(r, full) {
        R m = r < n ? z[2 * r] : 0, t = r < n ? y[r] : 0, back;
        d[r] = m - t;
        back = d[r] - m;
        low[r] = (m - (d[r] - back)) - (t + back);
        s[r] = r < n ? z[2 * r + 1] : 1;
        f[r] = gs && r < n ? ((const R *)b->scale)[r] : 1;
    }
    if (b->value) {
        value(d, low, s, f, full, b, one, two);
        EACH(r, n) ((R *)b->value)[r] = one[r];
    }
    if (!gs) return;
    grad(d, low, s, f, full, b, one, two);
    EACH(r, n) gs[2 * r] = one[r], gs[2 * r + 1] = two[r];
    if (!hs) return;
    hess(d, low, s, f, full, b, one, two);
    EACH(r, n) hs[2 * r] = one[r], hs[2 * r + 1] = two[r];
}

/* d^2 / v, where d / v may overflow alone */
FL_INLINE R RS(square_over)(R d, R v)
{
    R size = FN(abs)(d);
    int over = size > v * FAR;
    R t = (size * (over ? DOWN : 1)) / v, u = size * t;
    return d == 0 ? 0 : u * (over ? UP : 1);
}

/* (d + low) / s, and what rounding takes from the quotient: *rest, which is to be added to the argument
   of an exponential. It may be NaN where the quotient is infinite. */
FL_INLINE R RS(standard)(R d, R low, R s, R *rest)
{
    R w = d == 0 ? 0 : d / s, e, p = FN(two_prod)(w, s, &e);
    e = (((d - p) - e) + low) / s;
    *rest = FN(abs)(d) > SPLIT_MIN ? e : 0;
    return w;
}

/* x of a target that is a number; what is expected of targets does not depend on them */
FL_INLINE R RS(expected)(R x, R d) { return d != d ? d : x; }

/* ---- a normal distribution --------------------------------------------------------------------- */

/* (log v + d^2 / v) / 2 + a; the limits where v is 0 */
PAIR_MAP(gaussian)
{
    R a = (R)b->a;
    EACH(i, n) {
        R d = ds[i], v = ss[i], x = (FN(log)(v) + RS(square_over)(d, v)) / 2 + a;
        int far = (v == 0) & (d != 0) & (d == d);
        one[i] = far ? (R)INFINITY : x;
    }
}

/* d / v and its product with d, which may overflow though their ratio to v does not */
#define GAUSSIAN_TERMS(i) \
    R f = fs[i], v = ss[i], t = ds[i] == 0 ? 0 : ds[i] / v, u = ds[i] * t; \
    int over = u == (R)INFINITY

PAIR_MAP(gaussian_grad)
{
    EACH(i, n) {
        GAUSSIAN_TERMS(i);
        R slope = (1 - u) / v;
        one[i] = f * t;
        two[i] = f * (over ? -t * (t / 2) : slope / 2);
    }
}

PAIR_MAP(gaussian_hess)
{
    int curved = b->curved;
    EACH(i, n) {
        GAUSSIAN_TERMS(i);
        R bend = (u - (R)0.5) / v, mean = RS(expected)((R)0.5 / v / v, ds[i]);
        one[i] = f / v;
        bend = (over ? t : bend) / v * (over ? t : 1);
        two[i] = f * (curved ? mean : bend);
    }
}

static void RS(gaussian_nll)(const fl_rows *b)
{
    RS(location_scale)(b, RS(gaussian), RS(gaussian_grad), RS(gaussian_hess));
}

/* d^2 exp(-v), by its root, which leaves the range of numbers no sooner */
FL_INLINE R RS(log_square_over)(R d, R v)
{
    R root = FN(exp_times)(v / -2, d);
    root = d == 0 ? 0 : root;
    return root * root;
}

/* (v + d^2 exp(-v)) / 2 + a */
PAIR_MAP(log_gaussian)
{
    R a = (R)b->a;
    EACH(i, n) {
        R u = RS(log_square_over)(ds[i], ss[i]), x = (ss[i] + u) / 2 + a;
        one[i] = u == (R)INFINITY ? u : x;
    }
}

PAIR_MAP(log_gaussian_grad)
{
    EACH(i, n) {
        R slope = FN(exp_times)(-ss[i], ds[i]);
        one[i] = fs[i] * (ds[i] == 0 ? 0 : slope);
        two[i] = fs[i] * ((1 - RS(log_square_over)(ds[i], ss[i])) / 2);
    }
}

PAIR_MAP(log_gaussian_hess)
{
    int curved = b->curved;
    EACH(i, n) {
        R u = RS(log_square_over)(ds[i], ss[i]), mean = RS(expected)(1, ds[i]);
        one[i] = FN(exp_times)(-ss[i], fs[i]);
        two[i] = fs[i] * ((curved ? mean : u) / 2);
    }
}

static void RS(log_gaussian_nll)(const fl_rows *b)
{
    RS(location_scale)(b, RS(log_gaussian), RS(log_gaussian_grad), RS(log_gaussian_hess));
}

/* twice the density of the standard normal distribution at w + rest */
FL_INLINE R RS(twice_density)(R w, R rest)
{
    return FN(exp_mul)(w, 2 * rest, w / -2) * (R)0.79788456080286535588;
}

#define ROOT_HALF ((R)0.70710678118654752440)
#define PER_ROOT_PI ((R)0.56418958354775628695)

/* d erf(w / sqrt 2) + s (2 density(w) - 1 / sqrt pi), w = d / s */
PAIR_MAP(crps)
{
    EACH(i, n) {
        R d = ds[i], s = ss[i], rest, w = RS(standard)(d, lows[i], s, &rest);
        one[i] = d * FN(erf)(w * ROOT_HALF) + s * (RS(twice_density)(w, rest) - PER_ROOT_PI);
    }
}

PAIR_MAP(crps_grad)
{
    EACH(i, n) {
        R rest, w = RS(standard)(ds[i], lows[i], ss[i], &rest);
        one[i] = fs[i] * FN(erf)(w * ROOT_HALF);
        two[i] = fs[i] * (RS(twice_density)(w, rest) - PER_ROOT_PI);
    }
}

PAIR_MAP(crps_hess)
{
    EACH(i, n) {
        R rest, w = RS(standard)(ds[i], lows[i], ss[i], &rest), p = RS(twice_density)(w, rest);
        R h = p / ss[i], u;
        h = p == 0 ? 0 : h;             /* the limits: w or 1 / s may be infinite */
        u = w * (w * h);
        one[i] = fs[i] * h;
        two[i] = fs[i] * ((h == 0) | (w == 0) ? 0 : u);
    }
}

static void RS(gaussian_crps)(const fl_rows *b)
{
    RS(location_scale)(b, RS(crps), RS(crps_grad), RS(crps_hess));
}

/* ---- a logistic distribution ------------------------------------------------------------------- */

/* exp(-|w + rest|) */
FL_INLINE R RS(exp_less)(R w, R rest)
{
    return FN(exp_dd)(-FN(abs)(w), w < 0 ? rest : -rest);
}

/* log s + |w| + 2 log(1 + exp(-|w|)), w = d / s */
PAIR_MAP(logistic)
{
    EACH(i, n) {
        R rest, w = RS(standard)(ds[i], lows[i], ss[i], &rest), e = RS(exp_less)(w, rest);
        one[i] = FN(log)(ss[i]) + (FN(abs)(w) + 2 * FN(log1p_unit)(e));
    }
}

PAIR_MAP(logistic_grad)
{
    EACH(i, n) {
        R rest, w = RS(standard)(ds[i], lows[i], ss[i], &rest), t = FN(tanh)(w / 2);
        one[i] = fs[i] * (t / ss[i]);
        two[i] = fs[i] * ((1 - w * t) / ss[i]);
    }
}

PAIR_MAP(logistic_hess)
{
    int curved = b->curved;
    R of_location = (R)0.33333333333333333333, of_scale = (R)1.42995604456548429097;
    EACH(i, n) {
        R s = ss[i], rest, w = RS(standard)(ds[i], lows[i], s, &rest), e = RS(exp_less)(w, rest);
        R p = 2 * e / ((1 + e) * (1 + e)), u = w * (w * p), t = w * FN(tanh)(w / 2);
        R h = RS(expected)(of_location, ds[i]), k = RS(expected)(of_scale, ds[i]);
        u = (2 * t - 1) + (p == 0 ? 0 : u);
        one[i] = fs[i] * ((curved ? h : p) / s / s);
        two[i] = fs[i] * ((curved ? k : u) / s / s);
    }
}

static void RS(logistic_nll)(const fl_rows *b)
{
    RS(location_scale)(b, RS(logistic), RS(logistic_grad), RS(logistic_hess));
}

/* ---- Student's t distribution, of b->a degrees of freedom -------------------------------------- */

/* log s + (a + 1) / 2 log(1 + x^2) + more[0], x = d / s / sqrt a. log(1 + x^2) is
   2 log x + log(1 + 1/x^2) where x is large, and x may be beyond the range of numbers. */
PAIR_MAP(student)
{
    R root = (R)(1 / sqrt(b->a)), power = (R)((b->a + 1) / 2), constant = (R)b->more[0];
    EACH(i, n) {
        R size = FN(abs)(ds[i]);
        int over = size > ss[i] * FAR;
        R x = (size * (over ? DOWN : 1)) / (ss[i] * (over ? UP : 1)) * root, r = x > 1 ? 1 / x : x;
        R large = FN(log)(over | (x > 1) ? x : 1) + (over ? SHIFT : 0);
        r = over ? 0 : r;
        one[i] = FN(log)(ss[i]) + (power * (2 * large + FN(log1p_unit)(r * r)) + constant);
    }
}

/* c = 1 / (1 + x^2), and k = x^2 c */
#define STUDENT_TERMS(i) \
    R d = FN(abs)(ds[i]), s = ss[i], w = d / s, x = w * root, x2 = x * x, k = 1 / (1 + 1 / x2)

PAIR_MAP(student_grad)
{
    R root = (R)(1 / sqrt(b->a)), a = (R)b->a, more = (R)(b->a + 1);
    EACH(i, n) {
        STUDENT_TERMS(i);
        R slope = more / (ds[i] + a * (s * (s / ds[i])));
        one[i] = fs[i] * slope;
        two[i] = fs[i] * ((1 - more * k) / s);
    }
}

PAIR_MAP(student_hess)
{
    int curved = b->curved;
    R root = (R)(1 / sqrt(b->a)), more = (R)(b->a + 1), ratio = (R)((b->a + 1) / b->a);
    R inverse = (R)(1 / b->a), of_location = (R)((b->a + 1) / (b->a + 3));
    R of_scale = (R)(2 * b->a / (b->a + 3));
    EACH(i, n) {
        STUDENT_TERMS(i);
        R c = 1 / (1 + x2), over_s = 1 / (s + d * (w * inverse));       /* c / s */
        R near = ratio * (c - k) * over_s / s, far = -(more * (k - c) * k) / d / d;
        R h = x > 1 ? far : near, u = more * k * (1 + 2 * c) - 1;
        R mean = RS(expected)(of_location, d), second = RS(expected)(of_scale, d);
        one[i] = fs[i] * (curved ? mean / s / s : h);
        two[i] = fs[i] * ((curved ? second : u) / s / s);
    }
}

static void RS(student_nll)(const fl_rows *b)
{
    RS(location_scale)(b, RS(student), RS(student_grad), RS(student_hess));
}

/* ---- quantiles --------------------------------------------------------------------------------- */

/* down |z - y| where z is below the target, up |z - y| above; the slope at the kink is 0 */
FL_NOINLINE void RS(pinball_piece)(
    const R *restrict z, const R *restrict y, const R *restrict down, const R *restrict up,
    ptrdiff_t n, R *restrict value, R *restrict slope)
{
    EACH(i, n) {
        R r = z[i] - y[i], s = r > 0 ? up[i] : -down[i], v = FN(abs)(s * r);
        v = s == 0 ? 0 : v;
        s = r == 0 ? 0 : s;
        value[i] = r == r ? v : r;
        slope[i] = r == r ? s : r;
    }
}

FL_NOINLINE void RS(multiply)(const R *restrict x, const R *restrict f, ptrdiff_t n, R *restrict to)
{
    EACH(i, n) to[i] = x[i] * f[i];
}

/* sums of pinball losses of K quantiles: more has K slopes below the target, and K above */
static void RS(pinball)(const fl_rows *b)
{
    R y[FL_PIECE], down[FL_PIECE], up[FL_PIECE], term[FL_PIECE], slope[FL_PIECE];
    double sums[FL_ROWS] = {0};
    PIECES(b->n, b->k) {
        ptrdiff_t K = m / rows;
        RS(spread)((const R *)b->q + row, rows, K, y);
        RS(tile)(b->more + first, rows, K, down);
        RS(tile)(b->more + b->k + first, rows, K, up);
        RS(pinball_piece)((const R *)b->z + at, y, down, up, m, term, slope);
        if (b->value) RS(sum_rows)(term, rows, m, sums + row);
        if (!b->grad) continue;
        RS(spread)((const R *)b->scale + row, rows, K, y);
        RS(multiply)(slope, y, m, (R *)b->grad + at);
        if (b->hess) EACH(i, m) ((R *)b->hess)[at + i] = b->curved ? y[i] * (R)b->a : 0;
    }
    if (b->value) RS(put_values)(b, sums);
}

#undef PAIR_MAP
#undef GAUSSIAN_TERMS
#undef STUDENT_TERMS
#undef ROOT_HALF
#undef PER_ROOT_PI
