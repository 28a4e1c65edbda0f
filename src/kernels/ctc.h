/* Connectionist temporal classification: the probability of labels, summed over their alignments with
   frames, and of each class in each frame given the labels.

   Labels l1, l2, ... have states blank 0, label 0, blank 1, label 1, ...; an alignment goes from one to
   the next, stays, or passes over a blank between labels that differ. A state's probability is the sum
   of those that it may be reached from times that of its class in the frame, all of them positive.

   Probabilities of the states of one frame may differ by more than the range of double, so that each
   is m 2^e with an exponent of its own, a whole number in double: such sums need neither exp nor log.
   m + c is the mantissa: c is what rounding took from m, and the loss has its digits however many
   frames there are, where it is nearly 0 as well.

   The way back is the way forth of the reversed labels through the reversed frames. */

#ifndef FL_CTC_PASS
#ifndef FL_CTC_H
#define FL_CTC_H

#include <math.h>
#include <string.h>
#include "sequence.h"
#include "softmax.h"

#define FL_NO_POWER -1e300      /* the exponent of 0 */
#define FL_NO_PASS -1e305       /* added to an exponent, it is less than any */
#define FL_FAR 0x1p50           /* logarithms that are multiples of log(2), but for rounding */
#define FL_NO_LOG -1e290        /* of a probability of 0 */
#define FL_AHEAD 4              /* frames, which lie far from each other, that are asked for before */
#define FL_RENEWED 32           /* steps in which mantissas stay in the middle of the range */
#define FL_LN2 0.6931471805599453
#define FL_TO_BITS 6755399441056767.0   /* 1.5 2^52 + 1023: its sum with n has n + 1023 in the low bits */
#define FL_PRAGMA(text) _Pragma(#text)
#define FL_OVER(k, start, stop) FL_PRAGMA(omp simd) for (ptrdiff_t k = (start); k < (stop); k++)
#define FL_ADD(sum, k, start, stop) \
    FL_PRAGMA(omp simd reduction(+ : sum)) for (ptrdiff_t k = (start); k < (stop); k++)

/* Of the states of a frame. Arrays have one element before the first, which is 0. */
typedef struct {
    double *blank, *blank_e, *label, *label_e;
} fl_states;

typedef struct {
    double *blank, *label;
} fl_carries;

/* The classes' probabilities (p + tail) 2^e in a frame; those of labels, then that of the blank. */
typedef struct {
    double *x;                  /* their logarithms */
    double *p, *tail, *e;
    double blank, blank_tail, blank_e;
} fl_emission;

/* One of the two ways. */
typedef struct {
    ptrdiff_t labels, width;
    int64_t *label;
    double *pass;               /* 0 where the blank before a label may be passed over, or FL_NO_PASS */
    fl_carries carry[2];
} fl_way;

/* 2^n for n <= 1023, and 0 below -1022 */
FL_INLINE double fl_power_of_2(double n)
{
    return fl_real_f64(fl_bits_f64((n > -1023 ? n : -1023) + FL_TO_BITS) << 52);
}

/* of a probability: exponents so large that they have no digits left may make it more than 1 */
FL_INLINE double fl_share(double n) { return fl_power_of_2(n < 900 ? n : 900); }

/* a + b, and what rounding took */
FL_INLINE double fl_two_sum(double a, double b, double *rest)
{
    double s = a + b, t = s - a;
    *rest = (a - (s - t)) + (b - t);
    return s;
}

/* (a + c) times a probability */
FL_INLINE double fl_emitted(
    double a, double c, double e, double p, double tail, double of_p, double *carry, double *out_e)
{
    double rest, r = fl_two_prod_f64(a, p, &rest), m;
    c = c * p + a * tail + rest;
    m = r + c;
    *carry = c - (m - r);
    e += of_p;
    *out_e = e > FL_NO_POWER ? e : FL_NO_POWER;
    return m;
}

static void fl_blanks(
    const fl_states *from, const fl_carries *old, const fl_emission *of, ptrdiff_t n,
    fl_states *to, fl_carries *now)
{
    const double *bm = from->blank, *be = from->blank_e, *bc = old->blank;
    const double *lm = from->label - 1, *le = from->label_e - 1, *lc = old->label - 1;
    double *m = to->blank, *e = to->blank_e, *c = now->blank;
    double p = of->blank, tail = of->blank_tail, of_p = of->blank_e;
    FL_OVER(k, 0, n) {
        double top = be[k] > le[k] ? be[k] : le[k], rest;
        double f = fl_power_of_2(be[k] - top), g = fl_power_of_2(le[k] - top);
        double a = fl_two_sum(bm[k] * f, lm[k] * g, &rest);
        m[k] = fl_emitted(a, bc[k] * f + lc[k] * g + rest, top, p, tail, of_p, &c[k], &e[k]);
    }
}

static void fl_labels(
    const fl_states *from, const fl_carries *old, const fl_emission *of, const double *pass,
    ptrdiff_t n, fl_states *to, fl_carries *now)
{
    const double *bm = from->blank, *be = from->blank_e, *bc = old->blank;
    const double *lm = from->label, *le = from->label_e, *lc = old->label;
    const double *p = of->p, *tail = of->tail, *of_p = of->e;
    double *m = to->label, *e = to->label_e, *c = now->label;
    FL_OVER(k, 0, n) {
        double passing = le[k - 1] + pass[k], top = be[k] > le[k] ? be[k] : le[k], rest, more;
        double f, g, h, a;
        top = passing > top ? passing : top;
        f = fl_power_of_2(be[k] - top);
        g = fl_power_of_2(le[k] - top);
        h = fl_power_of_2(passing - top);
        a = fl_two_sum(bm[k] * f, lm[k] * g, &rest);
        a = fl_two_sum(a, lm[k - 1] * h, &more);
        rest += bc[k] * f + lc[k] * g + lc[k - 1] * h + more;
        m[k] = fl_emitted(a, rest, top, p[k], tail[k], of_p[k], &c[k], &e[k]);
    }
}

/* Bring mantissas back to 1..2. */
static void fl_renew(double *m, double *e, double *c, ptrdiff_t n)
{
    FL_OVER(k, 0, n) {
        uint64_t exponent = fl_bits_f64(m[k]) >> 52;
        double f = fl_real_f64((2046 - exponent) << 52);
        m[k] *= f;
        c[k] *= f;
        e[k] += fl_real_f64(exponent | 0x4330000000000000u) - (4503599627370496.0 + 1023);
    }
}

static void fl_no_states(double *m, double *e, ptrdiff_t start, ptrdiff_t stop)
{
    for (ptrdiff_t k = start; k < stop; k++) {
        m[k] = 0;
        e[k] = FL_NO_POWER;
    }
}

/* How many states, in whole vectors, may be reached in a step. */
static ptrdiff_t fl_reached(const fl_way *w, ptrdiff_t step)
{
    ptrdiff_t most = w->width - 16, n = (step + 16) & -16;
    return n < most ? n : most;
}

/* From the states before a step to those after it. */
static void fl_step(
    fl_way *w, ptrdiff_t step, fl_states *from, const fl_emission *of, fl_states *to)
{
    const fl_carries *old = &w->carry[step & 1];
    fl_carries *now = &w->carry[~step & 1];
    ptrdiff_t n = fl_reached(w, step), before = step ? fl_reached(w, step - 1) : 0;
    if (n > before) {           /* what is reached now for the first time */
        ptrdiff_t start = step ? before : -1;
        fl_no_states(from->label, from->label_e, start, n);
        fl_no_states(from->blank, from->blank_e, start, n);
        for (ptrdiff_t k = start; k < n; k++) old->blank[k] = old->label[k] = 0;
        if (!step) from->blank[0] = 1, from->blank_e[0] = 0;
    }
    fl_no_states(to->label, to->label_e, -1, 0);
    now->label[-1] = 0;
    fl_blanks(from, old, of, n, to, now);
    fl_labels(from, old, of, w->pass, n, to, now);
    if (step % FL_RENEWED == FL_RENEWED - 1) {
        fl_renew(to->blank, to->blank_e, now->blank, n);
        fl_renew(to->label, to->label_e, now->label, n);
    }
}

/* Of logarithms of probabilities up to whole vectors beyond the blank's. */
static void fl_probabilities(fl_emission *of, ptrdiff_t labels, ptrdiff_t n)
{
    double *x = of->x, *p = of->p, *tail = of->tail, *e = of->e;
    FL_OVER(k, 0, n) {
        double rest, exponent, v = fl_exp_parts_f64(x[k], &rest, &exponent);
        int far = x[k] < -FL_FAR, none = x[k] < FL_NO_LOG, real = x[k] < FL_FAR;
        v = far ? 1 : v;
        rest = far ? 0 : rest;
        p[k] = none ? 0 : real ? v : NAN;
        tail[k] = none ? 0 : rest;
        e[k] = none ? FL_NO_POWER : real ? exponent : 0;
    }
    of->blank = p[labels];
    of->blank_tail = tail[labels];
    of->blank_e = e[labels];
    p[labels] = tail[labels] = 0;
    e[labels] = FL_NO_POWER;
}

/* Of all labels together: m 2^e, m in sqrt(1/2)..sqrt(2); the loss. */
static double fl_outcome(
    const fl_way *w, ptrdiff_t frames, const fl_states *last, double *mantissa, double *exponent)
{
    const fl_carries *carry = &w->carry[frames & 1];
    ptrdiff_t n = w->labels;
    double b = last->blank_e[n], l = last->label_e[n - 1], top = b > l ? b : l;
    double f = fl_power_of_2(b - top), g = fl_power_of_2(l - top), rest, m;
    int shift;
    m = fl_two_sum(last->blank[n] * f, last->label[n - 1] * g, &rest);
    rest += carry->blank[n] * f + carry->label[n - 1] * g;
    if (!(m > 0)) return m == 0 ? INFINITY : NAN;
    m = frexp(m, &shift);
    if (m < 0.7071067811865476) {
        m *= 2;
        shift--;
    }
    rest = ldexp(rest, -shift);
    *mantissa = m + rest;
    *exponent = top + shift;
    return -((top + shift) * FL_LN2) - log1p((m - 1) + rest);
}

/* The probabilities of the labels, in the order of the way back, and of the blank in a frame, given
   that all labels are those of the sequence: that of the ways forth to a state times that of the ways
   back to it, both of which have the frame's own in them, by that of all. */
static double fl_given(
    const fl_way *back, ptrdiff_t before, ptrdiff_t after, const fl_states *a, const fl_states *b,
    const fl_emission *of, double mantissa, double exponent, double *given, double *of_blanks)
{
    ptrdiff_t last = back->labels - 1, n = back->labels, start, stop;
    const double *am = a->label + last, *ae = a->label_e + last, *bm = b->label, *be = b->label_e;
    const double *p = of->p, *e = of->e;
    double sum = 0;
    start = last > before ? last - before : 0;
    stop = n < after + 1 ? n : after + 1;
    for (ptrdiff_t k = 0; k < start; k++) given[k] = 0;
    for (ptrdiff_t k = stop; k < n; k++) given[k] = 0;
    FL_OVER(k, start, stop) {
        double product = am[-k] * bm[k];
        double v = product * fl_share(ae[-k] + be[k] - e[k] - exponent) / (p[k] * mantissa);
        v = v > 1 ? 1 : v;
        given[k] = product == 0 ? 0 : v;
    }
    am = a->blank + n;
    ae = a->blank_e + n;
    bm = b->blank;
    be = b->blank_e;
    start = n > before ? n - before : 0;
    stop = n < after ? n + 1 : after + 1;
    FL_OVER(k, start, stop)
        of_blanks[k] = am[-k] * bm[k] * fl_share(ae[-k] + be[k] - of->blank_e - exponent);
    FL_ADD(sum, k, start, stop) sum += of_blanks[k];
    if (sum == 0) return 0;
    sum /= of->blank * mantissa;
    return sum > 1 ? 1 : sum;
}

#define FL_CAT_(a, b) a##b
#define FL_CAT(a, b) FL_CAT_(a, b)
#define FL_CTC_PASS 32
#include "ctc.h"
#undef FL_CTC_PASS
#define FL_CTC_PASS 64
#include "ctc.h"
#undef FL_CTC_PASS
#undef FL_CAT
#undef FL_CAT_

#endif /* FL_CTC_H */

#else /* one pass */

#if FL_CTC_PASS == 32
#define R float
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f32)
#else
#define R double
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f64)
#endif
#define CTC(name) FN(FL_CAT(ctc_, name))

/* log p = (z - top) - log_sum in each frame; 1/sum of exp(z - top) */
typedef struct {
    double *top, *log_sum, *inverse;
    R *row;
} CTC(norms);

/* The classes of a frame, in whole vectors. */
static void CTC(read)(const fl_sequence *s, ptrdiff_t t, R *row)
{
    const R *z = (const R *)s->z + t * s->z_frame;
    ptrdiff_t n = s->classes;
    if (s->z_class == 1) memcpy(row, z, sizeof(R) * (size_t)n);
    else for (ptrdiff_t k = 0; k < n; k++) row[k] = z[k * s->z_class];
    for (ptrdiff_t k = n; k < fl_class_width(n); k++) row[k] = -INFINITY;
}

static void CTC(normalise)(const fl_sequence *s, CTC(norms) *norms)
{
    ptrdiff_t width = fl_class_width(s->classes);
    R *row = norms->row;
    for (ptrdiff_t t = 0; t < s->frames; t++) {
        R most[FL_LANES], top;
        double others = 0;
        int ties = 0;
        CTC(read)(s, t, row);
        memcpy(most, row, sizeof(most));
        for (ptrdiff_t k = FL_LANES; k < width; k += FL_LANES)
            FL_OVER(j, 0, FL_LANES) most[j] = row[k + j] > most[j] ? row[k + j] : most[j];
        top = most[0];
        for (int j = 1; j < FL_LANES; j++) top = most[j] > top ? most[j] : top;
        FL_ADD(ties, k, 0, width) {
            R x = row[k] - top, e = FN(exp_neg)(x);
            ties += x == 0;
            row[k] = x == 0 ? 0 : e;            /* others alone, so that 1 - p has its digits */
        }
        FL_ADD(others, k, 0, width) others += row[k];
        others += ties - 1;
        norms->top[t] = top;
        norms->log_sum[t] = log1p(others);
        norms->inverse[t] = 1 / (1 + others);
    }
}

/* What a frame says of the labels that may be reached in a step, and of the blank. */
static void CTC(emit)(
    const fl_sequence *s, const CTC(norms) *norms, const fl_way *w, ptrdiff_t step, ptrdiff_t t,
    ptrdiff_t ahead, fl_emission *of)
{
    const R *z = (const R *)s->z + t * s->z_frame;
    double *x = of->x;
    ptrdiff_t n = w->labels <= step ? w->labels : step + 1, most = (w->labels + 16) & -16;
    for (ptrdiff_t k = 0; k < n; k++) {
        const R *at = z + w->label[k] * s->z_class;
        FL_FETCH(at + ahead * s->z_frame);
        x[k] = *at;
    }
    for (ptrdiff_t k = n; k < most; k++) x[k] = -INFINITY;
    x[w->labels] = z[s->blank * s->z_class];
    if (s->logits) {
        double top = norms->top[t], log_sum = norms->log_sum[t];
        FL_OVER(k, 0, most) x[k] = (x[k] - top) - log_sum;
    }
    fl_probabilities(of, w->labels, most);
}

/* In a frame: -given, or that and the softmax of the logits. */
static void CTC(put)(
    const fl_sequence *s, const CTC(norms) *norms, ptrdiff_t t, const double *given)
{
    R *g = (R *)s->grad + t * s->grad_frame, *row = norms->row;
    double factor = s->factor;
    if (s->logits) {
        R top = (R)norms->top[t];
        double inverse = norms->inverse[t];
        CTC(read)(s, t, row);
        FL_OVER(k, 0, fl_class_width(s->classes)) row[k] = FN(exp_neg)(row[k] - top);
        FL_OVER(k, 0, s->classes) g[k] = (R)(factor * (row[k] * inverse - given[k]));
    } else FL_OVER(k, 0, s->classes) g[k] = (R)(0 - factor * given[k]);
}

static void CTC(fill)(const fl_sequence *s, ptrdiff_t start, ptrdiff_t stop, R number)
{
    for (ptrdiff_t t = start; t < stop; t++) {
        R *g = (R *)s->grad + t * s->grad_frame;
        for (ptrdiff_t k = 0; k < s->classes; k++) g[k] = number;
    }
}

static double *CTC(take)(double **memory, ptrdiff_t n)
{
    double *taken = *memory;
    *memory += n;
    return taken;
}

/* Arrays of labels have room before their first element. */
static double *CTC(take_labels)(double **memory, ptrdiff_t width)
{
    return CTC(take)(memory, width) + 16;
}

static fl_states CTC(take_states)(double **memory, ptrdiff_t width)
{
    fl_states s;
    s.blank = CTC(take_labels)(memory, width);
    s.blank_e = CTC(take_labels)(memory, width);
    s.label = CTC(take_labels)(memory, width);
    s.label_e = CTC(take_labels)(memory, width);
    return s;
}

static void CTC(set_out)(fl_way *w, const fl_sequence *s, int back)
{
    ptrdiff_t n = s->labels;
    for (ptrdiff_t k = 0; k < n; k++) w->label[k] = s->label[back ? n - 1 - k : k];
    for (ptrdiff_t k = 0; k < w->width - 16; k++)
        w->pass[k] = 0 < k && k < n && w->label[k] != w->label[k - 1] ? 0 : FL_NO_PASS;
}

static void CTC(go_back)(
    const fl_sequence *s, const CTC(norms) *norms, fl_way *w, fl_emission *of, double **memory,
    const fl_states *forth, double mantissa, double exponent)
{
    ptrdiff_t width = w->width;
    fl_states states[2] = {CTC(take_states)(memory, width), CTC(take_states)(memory, width)};
    double *of_labels = CTC(take_labels)(memory, width);
    double *of_blanks = CTC(take_labels)(memory, width);
    double *given = CTC(take)(memory, fl_class_width(s->classes));
    CTC(set_out)(w, s, 1);
    for (ptrdiff_t step = 0; step < s->frames; step++) {
        ptrdiff_t t = s->frames - 1 - step;
        fl_states a = *forth, *b = &states[~step & 1];
        double of_blank;
        a.blank += 4 * width * (t + 1);
        a.blank_e += 4 * width * (t + 1);
        a.label += 4 * width * (t + 1);
        a.label_e += 4 * width * (t + 1);
        CTC(emit)(s, norms, w, step, t, -FL_AHEAD, of);
        fl_step(w, step, &states[step & 1], of, b);
        of_blank = fl_given(w, t, step, &a, b, of, mantissa, exponent, of_labels, of_blanks);
        memset(given, 0, sizeof(double) * (size_t)s->classes);
        for (ptrdiff_t k = 0; k < w->labels; k++) given[w->label[k]] += of_labels[k];
        given[s->blank] = of_blank;
        CTC(put)(s, norms, t, given);
    }
}

/* The loss of a sequence, and its gradient times a factor. */
static double FN(ctc)(const fl_sequence *s)
{
    double *memory = s->memory, loss, mantissa = 1, exponent = 0;
    ptrdiff_t width = fl_label_width(s->labels), kept = s->grad ? s->frames + 1 : 2;
    CTC(norms) norms;
    fl_emission of;
    fl_way w = {s->labels, width, NULL, NULL, {{NULL, NULL}, {NULL, NULL}}};
    fl_states first, from, to;
    int absent;
    norms.top = CTC(take)(&memory, s->frames);
    norms.log_sum = CTC(take)(&memory, s->frames);
    norms.inverse = CTC(take)(&memory, s->frames);
    norms.row = (R *)CTC(take)(&memory, fl_class_width(s->classes));
    for (int i = 0; i < 2; i++) {
        w.carry[i].blank = CTC(take_labels)(&memory, width);
        w.carry[i].label = CTC(take_labels)(&memory, width);
    }
    of.x = CTC(take_labels)(&memory, width);
    of.p = CTC(take_labels)(&memory, width);
    of.tail = CTC(take_labels)(&memory, width);
    of.e = CTC(take_labels)(&memory, width);
    w.pass = CTC(take_labels)(&memory, width);
    w.label = (int64_t *)CTC(take_labels)(&memory, width);
    to = first = CTC(take_states)(&memory, width);
    memory += 4 * width * (kept - 1);
    CTC(set_out)(&w, s, 0);
    if (s->logits) CTC(normalise)(s, &norms);
    for (ptrdiff_t t = 0; t < s->frames; t++) {
        ptrdiff_t place = 4 * width * (s->grad ? t + 1 : (t + 1) & 1);
        from = to;
        to.blank = first.blank + place;
        to.blank_e = first.blank_e + place;
        to.label = first.label + place;
        to.label_e = first.label_e + place;
        CTC(emit)(s, &norms, &w, t, t, FL_AHEAD, &of);
        fl_step(&w, t, &from, &of, &to);
    }
    loss = s->frames ? fl_outcome(&w, s->frames, &to, &mantissa, &exponent)
                     : s->labels ? INFINITY : 0;
    absent = s->forgiving && loss == INFINITY;
    if (s->grad) {
        CTC(fill)(s, s->frames, s->all, 0);
        if (loss - loss == 0) CTC(go_back)(s, &norms, &w, &of, &memory, &first, mantissa, exponent);
        else CTC(fill)(s, 0, s->frames, absent ? 0 : NAN);
    }
    return absent ? 0 : loss;
}

#undef CTC
#undef R
#undef FN
#endif
