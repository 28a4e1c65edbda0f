/* Losses of a softmax that add up a function of each class's probability, times the class's target q:
   those that of_label() knows, where targets are soft. Part of rowwise.h, of one of its passes.

   With c and dc of of_label() for each class, times q, and C and D their sums over the row, the
   gradient is  p (C - c) - c (1 - p)  and the Hessian's diagonal
   p (1 - p) C - p^2 (D - dc) - (1 - p)^2 dc.  As in softmax.h, what is next to 1 is left out of sums:
   so 1 - p has all its digits. */

/* What is known of each row: its maximum, the sum of the exponentials of the others, how many are the
   maximum, and the logarithm of the whole sum. */
typedef struct {
    R most[FL_ROWS], others[FL_ROWS], ones[FL_ROWS], log[FL_ROWS];
} RS(softmaxes);

/* Of the elements of a piece, filled up to whole vectors. */
typedef struct {
    R z[FL_PIECE], q[FL_PIECE];
    R most[FL_PIECE], others[FL_PIECE], ones[FL_PIECE], log[FL_PIECE];
    R p[FL_PIECE], rest[FL_PIECE], nll[FL_PIECE];       /* p, 1 - p and -log p */
} RS(classes);

MAP(is_most, z - f == 0 ? 1 : (R)0)
MAP(exp_of_less, RS(unless_0)(z - f, FN(exp_neg)(z - f)))

/* The sums over rows of a function of z and a number of the row's. */
static void RS(sum_beside_row)(RS(map) *map, const fl_rows *b, const R *of_row, double *sums)
{
    R f[FL_PIECE], term[FL_PIECE];
    EACH(r, b->n) sums[r] = 0;
    PIECES(b->n, b->k) {
        const R *z = (const R *)b->z + at;
        RS(spread)(of_row + row, rows, m / rows, f);
        RS(map_piece)(map, z, z, f, m, term);
        RS(sum_rows)(term, rows, m, sums + row);
    }
}

static void RS(find_softmaxes)(const fl_rows *b, RS(softmaxes) *s)
{
    double others[FL_ROWS], ones[FL_ROWS];
    EACH(r, b->n) s->most[r] = RS(max)((const R *)b->z + r * b->k, b->k);
    RS(sum_beside_row)(RS(exp_of_less), b, s->most, others);
    RS(sum_beside_row)(RS(is_most), b, s->most, ones);
    EACH(r, b->n) s->others[r] = (R)others[r], s->ones[r] = (R)ones[r];
    RS(pad)(s->others, b->n);
    RS(pad)(s->ones, b->n);
    EACH(r, RS(filled)(b->n)) s->log[r] = FN(log1p)(s->others[r] + (s->ones[r] - 1));
}

FL_NOINLINE void RS(find_classes)(RS(classes) *c, ptrdiff_t n)
{
    EACH(i, (n & -16)) {
        R x = c->z[i] - c->most[i], e = FN(exp_neg)(x), sum = c->others[i] + c->ones[i];
        R beside = (c->others[i] - e) + c->ones[i], most = c->others[i] + (c->ones[i] - 1);
        c->p[i] = e / sum;
        c->rest[i] = (x == 0 ? most : beside) / sum;
        c->nll[i] = c->log[i] - x;
    }
}

/* m elements from `at` on, of `rows` rows from `row` on */
static void RS(read_classes)(
    const fl_rows *b, const RS(softmaxes) *s, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t at, ptrdiff_t m,
    RS(classes) *c)
{
    R *filled[] = {c->z, c->q, c->most, c->others, c->ones, c->log};
    memcpy(c->z, (const R *)b->z + at, (size_t)m * sizeof(R));
    memcpy(c->q, (const R *)b->q + at, (size_t)m * sizeof(R));
    RS(spread)(s->most + row, rows, m / rows, c->most);
    RS(spread)(s->others + row, rows, m / rows, c->others);
    RS(spread)(s->ones + row, rows, m / rows, c->ones);
    RS(spread)(s->log + row, rows, m / rows, c->log);
    for (int i = 0; i < 6; i++) RS(pad)(filled[i], m);
    RS(find_classes)(c, RS(filled)(m));
}

/* q times what of_label() finds */
FL_INLINE void RS(terms_of)(
    int loss, const fl_rows *b, const RS(classes) *s, ptrdiff_t n, R *restrict value, R *restrict slope,
    R *restrict bend)
{
    double a = b->a, a2 = b->more[0];
    int curved = b->curved;
    EACH(i, (n & -16)) {
        R q = s->q[i], v, c, dc;
        RS(of_label)(loss, a, a2, s->nll[i], s->p[i], s->rest[i], &v, &c, &dc);
        dc = (curved & (dc > 0)) ? 0 : dc;          /* as in finish_label() */
        v *= q;
        c *= q;
        dc *= q;
        value[i] = RS(unless_0)(q, v);
        slope[i] = RS(unless_0)(q, c);
        bend[i] = RS(unless_0)(q, dc);
    }
}

FL_NOINLINE void RS(focal_terms)(
    const fl_rows *b, const RS(classes) *s, ptrdiff_t n, R *value, R *slope, R *bend)
{
    RS(terms_of)(FL_FOCAL, b, s, n, value, slope, bend);
}

FL_NOINLINE void RS(poly_terms)(
    const fl_rows *b, const RS(classes) *s, ptrdiff_t n, R *value, R *slope, R *bend)
{
    RS(terms_of)(FL_POLY, b, s, n, value, slope, bend);
}

/* Values and, in the place of derivatives, c and dc of all classes, and the sums of all three. */
FL_NOINLINE void RS(sum_terms)(const fl_rows *b, const RS(softmaxes) *s, double (*sums)[FL_ROWS])
{
    R terms[3][FL_PIECE], *to[] = {NULL, (R *)b->grad, (R *)b->hess};
    RS(classes) c;
    for (int i = 0; i < 3; i++) EACH(r, b->n) sums[i][r] = 0;
    PIECES(b->n, b->k) {
        RS(read_classes)(b, s, row, rows, at, m, &c);
        (b->loss == FL_FOCAL ? RS(focal_terms) : RS(poly_terms))(
            b, &c, RS(filled)(m), terms[0], terms[1], terms[2]);
        for (int i = 0; i < 3; i++) {
            RS(sum_rows)(terms[i], rows, m, sums[i] + row);
            if (to[i]) memcpy(to[i] + at, terms[i], (size_t)m * sizeof(R));
        }
    }
}

/* Derivatives in place of c and dc, of n elements */
FL_NOINLINE void RS(put_terms)(
    const RS(classes) *s, const R *restrict scale, const R *restrict slopes, const R *restrict bends,
    ptrdiff_t n, R *restrict g, R *restrict h)
{
    EACH(i, (n & -16)) {
        R p = s->p[i], rest = s->rest[i], f = scale[i], c = g[i], dc = h[i];
        g[i] = f * (p * (slopes[i] - c) - c * rest);
        h[i] = f * (p * rest * slopes[i] - p * p * (bends[i] - dc) - rest * rest * dc);
    }
}

FL_NOINLINE void RS(differentiate_terms)(
    const fl_rows *b, const RS(softmaxes) *s, const R *slopes, const R *bends)
{
    R f[3][FL_PIECE], derivatives[2][FL_PIECE] = {{0}}, *to[] = {(R *)b->grad, (R *)b->hess};
    RS(classes) c;
    PIECES(b->n, b->k) {
        size_t bytes = (size_t)m * sizeof(R);
        RS(read_classes)(b, s, row, rows, at, m, &c);
        RS(spread)((const R *)b->scale + row, rows, m / rows, f[0]);
        RS(spread)(slopes + row, rows, m / rows, f[1]);
        RS(spread)(bends + row, rows, m / rows, f[2]);
        for (int i = 0; i < 3; i++) RS(pad)(f[i], m);
        for (int i = 0; i < 2; i++) if (to[i]) {
            memcpy(derivatives[i], to[i] + at, bytes);
            RS(pad)(derivatives[i], m);
        }
        RS(put_terms)(&c, f[0], f[1], f[2], RS(filled)(m), derivatives[0], derivatives[1]);
        for (int i = 0; i < 2; i++) if (to[i]) memcpy(to[i] + at, derivatives[i], bytes);
    }
}

static void RS(softmax_terms)(const fl_rows *b)
{
    RS(softmaxes) s;
    double sums[3][FL_ROWS];
    R slopes[FL_ROWS], bends[FL_ROWS];
    RS(find_softmaxes)(b, &s);
    RS(sum_terms)(b, &s, sums);
    EACH(r, b->n) {         /* of a row that makes no sense even targets of 0 are NaN */
        if (b->value) ((R *)b->value)[r] = s.log[r] == s.log[r] ? (R)sums[0][r] : s.log[r];
        slopes[r] = (R)sums[1][r];
        bends[r] = (R)sums[2][r];
    }
    if (b->grad) RS(differentiate_terms)(b, &s, slopes, bends);
}
