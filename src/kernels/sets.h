/* Losses of fuzzy sets: how far two of them overlap. Part of rowwise.h, of one of its passes. */

/* Of logits, where b->log is set: 1 - p is the membership of -z, with digits of its own. */
FL_INLINE R RS(membership)(R z)
{
    R u = FN(exp_neg)(z < 0 ? z : -z), near = 1 / (1 + u);
    return z < 0 ? u * near : near;
}

MAP(in_both, z *q)
MAP(only_in_z, z *(1 - q))
MAP(only_in_q, q *(1 - z))
MAP(in_both_of_logits, RS(membership)(z) * q)
MAP(only_in_z_of_logits, RS(membership)(z) * (1 - q))
MAP(only_in_q_of_logits, q *RS(membership)(-z))

/* Derivatives by logits: of those by memberships, which are q, and f of the second. */
MAP(grad_by_logit, q *RS(membership)(z) * RS(membership)(-z))
FL_INLINE R RS(bend_by_logit)(R up, R down, R g, R h)
{
    R slope = up * down;
    return h * slope * slope + g * slope * (down - up);
}
MAP(hess_by_logit, RS(bend_by_logit)(RS(membership)(z), RS(membership)(-z), q, f))

/* What a part of z adds to the whole, where q has some of it; 1 of Dice's weights. */
FL_INLINE R RS(in_whole)(R q, R alpha, R beta) { return alpha * (1 - q) + (2 - beta) * q; }

/* The derivatives of a row whose sum is so small that those of other elements, or products, leave the
   range of numbers: of z and q, times a power of 2. */
FL_NOINLINE void RS(tversky_of_little)(const fl_rows *b, ptrdiff_t r, double whole)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = (const R *)b->q + r * K;
    double up = 0x1p600, f = ((const R *)b->scale)[r], overlap;
    R alpha = (R)b->more[0], beta = (R)b->more[1];
    whole *= up;
    overlap = b->a * up / whole * up;
    EACH(k, K) overlap += 2 * ((b->log ? RS(membership)(z[k]) : z[k]) * up) * (q[k] * up / whole);
    EACH(k, K) {
        double w = RS(in_whole)(q[k], alpha, beta);
        double d = (overlap * w - 2 * (q[k] * up)) / whole * f;
        if (b->hess) ((R *)b->hess)[r * K + k] = (R)(d == 0 ? 0 : -2 * d * w / whole * up);
        if (b->grad) ((R *)b->grad)[r * K + k] = (R)d;
    }
}

static void RS(through_logits)(const fl_rows *b)
{
    R out[FL_PIECE];
    PIECES(b->n, b->k) {
        const R *z = (const R *)b->z + at;
        R *g = (R *)b->grad + at, *h = b->hess ? (R *)b->hess + at : NULL;
        if (h) {
            RS(map_piece)(RS(hess_by_logit), z, g, h, m, out);
            memcpy(h, out, (size_t)m * sizeof(R));
        }
        RS(map_piece)(RS(grad_by_logit), z, g, g, m, out);
        memcpy(g, out, (size_t)m * sizeof(R));
    }
}

/* 1 - (2 z.q + a) / (2 z.q + alpha z.(1 - q) + beta q.(1 - z) + a); 0, and flat, if nothing is there */
static void RS(tversky)(const fl_rows *b)
{
    double both[FL_ROWS], more[FL_ROWS], less[FL_ROWS], least = sizeof(R) == 4 ? 1e-15 : 1e-150;
    R alpha = (R)b->more[0], beta = (R)b->more[1];
    ptrdiff_t K = b->k;
    RS(sum_map)(b->log ? RS(in_both_of_logits) : RS(in_both), b, both);
    RS(sum_map)(b->log ? RS(only_in_z_of_logits) : RS(only_in_z), b, more);
    RS(sum_map)(b->log ? RS(only_in_q_of_logits) : RS(only_in_q), b, less);
    EACH(r, b->n) {
        const R *restrict q = (const R *)b->q + r * K;
        R *restrict g = b->grad ? (R *)b->grad + r * K : NULL;
        R *restrict h = b->hess ? (R *)b->hess + r * K : NULL;
        double apart = b->more[0] * more[r] + b->more[1] * less[r], whole = 2 * both[r] + apart + b->a;
        double f = ((const R *)b->scale)[r];
        if (b->value) ((R *)b->value)[r] = (R)(whole == 0 ? 0 : apart / whole);
        if (whole != 0 && whole < least) {
            RS(tversky_of_little)(b, r, whole);
            continue;
        }
        double inverse = whole == 0 ? 0 : 1 / whole;
        R overlap = whole == 0 ? 1 : (R)((2 * both[r] + b->a) * inverse);
        R first = (R)(f * inverse), second = (R)(2 * f * inverse * inverse);
        if (b->hess) EACH(k, K) {
            R w = RS(in_whole)(q[k], alpha, beta), d = 2 * q[k] - overlap * w;
            h[k] = RS(unless_0)(d, second * d * w);
        }
        if (b->grad) EACH(k, K) {
            R w = RS(in_whole)(q[k], alpha, beta), d = overlap * w - 2 * q[k];
            g[k] = RS(unless_0)(d, first * d);
        }
    }
    if (b->log && b->grad) RS(through_logits)(b);
}
