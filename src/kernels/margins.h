/* Losses of margins between scores. Part of rowwise.h, of one of its passes. */

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
    if (b->hess) EACH(k, K) ((R *)b->hess)[r * K + k] = b->curved ? f : 0;
    if (!g) return;
    for (ptrdiff_t k = 0; k < K && best < 0; k++) if (k != y && z[k] == m) best = k;
    memset(g, 0, (size_t)K * sizeof(R));
    if (loss != loss) EACH(k, K) g[k] = loss;
    else if (loss > 0 && best >= 0) {
        g[y] = -f;
        g[best] = f;
    }
}

/* By how much z and the margin q exceed the label's score f, its square, and the slopes of both; NaN
   stays. */
FL_INLINE R RS(above_0)(R x) { return x < 0 ? 0 : x; }
FL_INLINE R RS(sign_above_0)(R x) { return x > 0 ? 1 : x != x ? x : 0; }

MAP(excess, RS(above_0)(q + (z - f)))
MAP(excess_square, RS(above_0)(q + (z - f)) * RS(above_0)(q + (z - f)))
MAP(excess_slope, RS(sign_above_0)(q + (z - f)))
MAP(excess_square_slope, 2 * RS(above_0)(q + (z - f)))

/* A function of the scores and that of the label, 0 at the label, and its sums; all of it goes to
   `out`, if there is one. */
static void RS(map_others)(RS(map) *map, const fl_rows *b, const R *own, R *out, double *sums)
{
    R margin[FL_PIECE], f[FL_PIECE], term[FL_PIECE];
    EACH(i, FL_PIECE) margin[i] = (R)b->a;
    EACH(r, b->n) sums[r] = 0;
    PIECES(b->n, b->k) {
        ptrdiff_t K = m / rows;
        RS(spread)(own + row, rows, K, f);
        RS(map_piece)(map, (const R *)b->z + at, margin, f, m, term);
        EACH(r, rows) {
            ptrdiff_t label = b->label[row + r] - first;
            if (label >= 0 && label < K) {
                R z = own[row + r];
                term[r * K + label] = z == z ? 0 : z;
            }
        }
        RS(sum_rows)(term, rows, m, sums + row);
        if (out) memcpy(out + at, term, (size_t)m * sizeof(R));
    }
}

/* sum over the others of max(0, a + z - own)^more[0], over the number of classes; a kink has the gradient
   0 */
static void RS(multi_margin)(const fl_rows *b)
{
    int square = b->more[0] == 2;
    ptrdiff_t K = b->k;
    R own[FL_ROWS], *gs = (R *)b->grad, *hs = (R *)b->hess;
    double sums[FL_ROWS], bends[FL_ROWS];
    EACH(r, b->n) own[r] = ((const R *)b->z)[r * K + b->label[r]];
    if (b->value) {
        RS(map_others)(square ? RS(excess_square) : RS(excess), b, own, NULL, sums);
        EACH(r, b->n) ((R *)b->value)[r] = (R)(sums[r] / (double)K);
    }
    if (!gs) return;
    RS(map_others)(square ? RS(excess_square_slope) : RS(excess_slope), b, own, gs, sums);
    if (hs) RS(map_others)(RS(excess_slope), b, own, hs, bends);
    EACH(r, b->n) {
        double f = ((const R *)b->scale)[r] / (double)K;
        R *g = gs + r * K, *h = hs ? hs + r * K : NULL, all = b->curved ? (R)(b->more[0] * f) : 0;
        R bend = square ? (R)(2 * f) : 0;
        if (h) EACH(k, K) h[k] = b->curved ? all : bend * h[k];
        if (h) h[b->label[r]] = (R)(f * b->more[0] * (b->curved ? (double)(K - 1) : square ? bends[r] : 0));
        EACH(k, K) g[k] = (R)(f * g[k]);
        g[b->label[r]] = (R)(0 - f * sums[r]);
        if (sums[r] != sums[r]) EACH(k, K) g[k] = (R)sums[r];
    }
}

/* 1 - q of the excess of a margin of 1 and z over another's score f, and the slope */
MAP(excess_without, RS(unless_0)(1 - q, (1 - q) * RS(above_0)(1 + (z - f))))
MAP(excess_without_slope, RS(unless_0)(1 - q, (1 - q) * RS(sign_above_0)(1 + (z - f))))

/* What one label, which holds as far as q does, adds: the sum of its losses with all others, and with
   g the slopes of these */
static double RS(one_label)(const fl_rows *b, ptrdiff_t r, ptrdiff_t label, R *g, double *slope)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = (const R *)b->q + r * K;
    R f[FL_PIECE], term[FL_PIECE], hold = q[label];
    double sum = 0, slopes = 0;
    ptrdiff_t most = K < FL_PIECE ? K : FL_PIECE;
    EACH(i, most) f[i] = z[label];
    for (ptrdiff_t k = 0; k < K; k += FL_PIECE) {
        ptrdiff_t m = K - k < FL_PIECE ? K - k : FL_PIECE, own = label - k;
        RS(map_piece)(RS(excess_without), z + k, q + k, f, m, term);
        if (own >= 0 && own < m) term[own] = 0;
        RS(sum_rows)(term, 1, m, &sum);
        if (!g) continue;
        RS(map_piece)(RS(excess_without_slope), z + k, q + k, f, m, term);
        if (own >= 0 && own < m) term[own] = 0;
        RS(sum_rows)(term, 1, m, &slopes);
        EACH(i, m) g[k + i] += hold * term[i];
    }
    *slope = hold * slopes;
    return hold * sum;
}

/* sum over pairs of a label that holds and one that does not of max(0, 1 + z of this - z of that), over
   the number of labels; a kink has the gradient 0 */
static void RS(multi_label_margin)(const fl_rows *b, ptrdiff_t r)
{
    ptrdiff_t K = b->k;
    const R *z = (const R *)b->z + r * K, *q = (const R *)b->q + r * K;
    R *g = b->grad ? (R *)b->grad + r * K : NULL, f = ((const R *)b->scale)[r];
    R share = (R)(f / (double)K);
    double sum = 0, slope;
    int nan = 0;
    EACH(k, K) nan |= (z[k] != z[k]) | (q[k] != q[k]);
    if (g) memset(g, 0, (size_t)K * sizeof(R));
    if (nan) sum = NAN;
    else EACH(k, K) if (q[k] > 0) {
        sum += RS(one_label)(b, r, k, g, &slope);
        if (g) g[k] -= (R)slope;
    }
    if (b->value) ((R *)b->value)[r] = (R)(sum / (double)K);
    if (b->hess) EACH(k, K) ((R *)b->hess)[r * K + k] = b->curved ? f : 0;
    if (g) EACH(k, K) g[k] = sum != sum ? (R)sum : share * g[k];
}
