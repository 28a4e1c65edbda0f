/* The loops around a loss that a formula defines: those of src/kernels/maps.pxi, for one loss. The
   file that includes this one defines FL_CONSTANTS, FL_PREPARE and FL_FORMULA; for each type this one
   includes itself, as vecmath.h does. */

#ifndef FL_LOOPS_PASS

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include "kernels/vecmath.h"

#if defined(__GNUC__)
#define FL_INLINE static inline __attribute__((always_inline, unused))
#define FL_EXPORT __attribute__((visibility("default")))
#else
#define FL_INLINE static inline
#define FL_EXPORT
#endif
#if defined(_WIN32)
#undef FL_EXPORT
#define FL_EXPORT __declspec(dllexport)
#endif

#define FL_LANES 16
#define EACH_LANE(k) _Pragma("omp simd") for (ptrdiff_t k = 0; k < FL_LANES; k++)
enum { FL_VALUE, FL_GRAD, FL_VALUE_GRAD, FL_GRAD_HESS, FL_GRAD_CURVE }; /* as in kernel_table.pxd */

#define FL_CAT_(a, b) a##b
#define FL_CAT(a, b) FL_CAT_(a, b)
#define FL_LOOPS_PASS 64 /* first, as constants are computed in double */
#include "loops.h"
#undef FL_LOOPS_PASS
#define FL_LOOPS_PASS 32
#include "loops.h"
#undef FL_LOOPS_PASS

#define FL_MAPS(type)                                                                        \
    (const void *)fl_value_##type, (const void *)fl_grad_##type,                             \
        (const void *)fl_value_grad_##type, (const void *)fl_grad_hess_##type,               \
        (const void *)fl_grad_curve_##type, (const void *)fl_add_value_##type,               \
        (const void *)fl_add_value_grad_##type

static double fl_sample_grad(const double *p, double y, double z)
{
    double c[FL_CONSTANTS], value, grad, hess, curve;
    FL_PREPARE(p, c)
    fl_evaluate_f64(c, y, z, &value, &grad, &hess, &curve);
    return grad;
}

static void fl_sample(const double *p, double y, double z, double *value, double *grad, double *hess)
{
    double c[FL_CONSTANTS], curve;
    FL_PREPARE(p, c)
    fl_evaluate_f64(c, y, z, value, grad, hess, &curve);
}

/* the maps of float, those of double, and the two of a sample */
FL_EXPORT const void *const fl_loss[] = {
    FL_MAPS(f32), FL_MAPS(f64), (const void *)fl_sample_grad, (const void *)fl_sample};

#else /* one pass */

#if FL_LOOPS_PASS == 32
#define R float
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f32)
#define ROOT(x) sqrtf(x)
#else
#define R double
#define FN(name) FL_CAT(FL_CAT(fl_, name), _f64)
#define ROOT(x) sqrt(x)
#endif

/* ---- functions of formulas that vecmath.h has not */

/* what the type takes from a constant exponent */
FL_INLINE R FN(rest)(double y) { return fabs((R)y) < (R)INFINITY ? (R)(y - (R)y) : 0; }

FL_INLINE R FN(root)(R x) { return ROOT(x); }
FL_INLINE R FN(sign)(R x) { return x != x ? x : (R)((x > 0) - (x < 0)); }
/* x^y, by selects that are of y or of x, never of both: y is constant as a rule, and a loop would be
   split, or not be vectorised. Of a negative x as C's pow has it. */
FL_INLINE R FN(power)(R x, R y, R yl)
{
    const R big = (R)(FL_LOOPS_PASS == 32 ? 12582912. : 6755399441055744.), half = (R).5 * y;
    int whole = (y + big) - big == y, even = (half + big) - big == half;
    R sign = FN(pick)(even, 1, -1), below = FN(pick)(whole, sign, (R)NAN);
    R r = FN(pow_plain)(FN(abs)(x), y, yl);
    r = FN(pick)(x < 0, r * below, r);
    return FN(pick)(x == 1, 1, FN(pick)(y == 0, 1, r));
}

FL_INLINE R FN(least)(R a, R b) { return FN(pick)((b < a) | (b != b), b, a); }
FL_INLINE R FN(greatest)(R a, R b) { return FN(pick)((b > a) | (b != b), b, a); }

/* of e = exp(-|x|), share = 1/(1 + e) and m = expm1(-|x|) */
FL_INLINE R FN(decay)(R x) { return FN(exp_neg)(-FN(abs)(x)); }
FL_INLINE R FN(share)(R e) { return 1 / (1 + e); }
FL_INLINE R FN(decay_less_1)(R x) { return FN(expm1)(-FN(abs)(x)); }
FL_INLINE R FN(shared_sigmoid)(R x, R e, R share) { return (x > 0 ? 1 : e) * share; }
FL_INLINE R FN(bell)(R x, R e, R share) { (void)x; return e * share * share; }
FL_INLINE R FN(shared_softplus)(R x, R e) { return e + ((x > 0 ? x : 0) + FN(log1p_tail)(e)); }

FL_INLINE R FN(shared_tanh)(R x, R m)
{
    R t = m * (2 + m), w = t / (2 + t);
    return x > 0 ? -w : w;
}

/* log1p of cosh(x) - 1 near 0, of (exp(-2|x|) - 1)/2 elsewhere */
FL_INLINE R FN(shared_logcosh)(R x, R m)
{
    R a = FN(abs)(x), near = m * m / (2 * (1 + m)), far = (R).5 * m * (2 + m);
    R l = FN(log1p)(a < 1 ? near : far), beyond = a < 1 ? 0 : a;
    return l + beyond;
}

FL_INLINE R FN(sinh)(R x)
{
    R a = FN(abs)(x), m = FN(expm1)(a), s = (R).5 * (m + m / (m + 1)), e = FN(exp)((R).5 * a);
    s = m < (R)1e30 ? s : (R).5 * e * e;
    return x < 0 ? -s : s;
}

FL_INLINE R FN(cosh)(R x)
{
    R e = FN(exp)((R).5 * FN(abs)(x)), e2 = e * e, c = (R).5 * (e2 + 1 / e2);
    return e2 < (R)1e30 ? c : (R).5 * e * e;
}

FL_INLINE R FN(logaddexp)(R a, R b)
{
    R top = b > a ? b : a, low = b > a ? a : b;
    R e = FN(exp_neg)(top == low ? 0 : low - top); /* infinite ones that are equal */
    return top + FN(log1p_unit)(e);
}

/* ---- loops */

/* Value and derivatives: NaN of what is NaN, whatever the formula makes of it. */
FL_INLINE void FN(evaluate)(const double *c, R y, R z, R *value, R *grad, R *hess, R *curve)
{
    int nan = (y != y) | (z != z);
    R nothing = y + z;
    (void)c;
    FL_FORMULA(c, y, z, value, grad, hess, curve)
    *value = FN(pick)(nan, nothing, *value);
    *grad = FN(pick)(nan, nothing, *grad);
    *hess = FN(pick)(nan, nothing, *hess);
    *curve = FN(pick)(nan, nothing, *curve);
}

FL_INLINE void FN(run)(
    const double *p, int mode, int adds, const R *restrict y, const R *restrict z, ptrdiff_t n,
    double scale, double *lanes, R *restrict value, R *restrict grad, R *restrict hess)
{
    double c[FL_CONSTANTS], own[FL_LANES];
    const R factor = (R)scale;
    const uint64_t nothing = fl_nothing;
    ptrdiff_t i;
    (void)p;
    FL_PREPARE(p, c)
    for (i = 0; adds && i < FL_LANES; i++) own[i] = lanes[i];
    for (i = 0; i < n / FL_LANES; i++)
        EACH_LANE(k) {
            ptrdiff_t j = FL_LANES * i + k;
            R v, g, h, curve;
            FN(evaluate)(c, y[j], z[j], &v, &g, &h, &curve);
            if (adds) own[k] += FL_LOOPS_PASS == 32 ? v : fl_rounded_f64(v, nothing);
            else if (mode == FL_VALUE || mode == FL_VALUE_GRAD) value[j] = v;
            if (mode != FL_VALUE) grad[j] = factor * g;
            if (mode == FL_GRAD_HESS) hess[j] = factor * h;
            if (mode == FL_GRAD_CURVE) hess[j] = factor * curve;
        }
    for (i = 0; adds && i < FL_LANES; i++) lanes[i] = own[i];
}

#define MAP(name, mode, adds)                                                                  \
    static void FN(name)(const void *p, const void *y, const void *z, ptrdiff_t n, double scale, \
                         void *value, void *grad, void *hess)                                  \
    {                                                                                          \
        FN(run)(p, mode, adds, y, z, n, scale, adds ? (double *)value : 0, adds ? 0 : value,   \
                grad, hess);                                                                   \
    }
MAP(value, FL_VALUE, 0)
MAP(grad, FL_GRAD, 0)
MAP(value_grad, FL_VALUE_GRAD, 0)
MAP(grad_hess, FL_GRAD_HESS, 0)
MAP(grad_curve, FL_GRAD_CURVE, 0)
MAP(add_value, FL_VALUE, 1)
MAP(add_value_grad, FL_VALUE_GRAD, 1)
#undef MAP

#undef ROOT
#undef FN
#undef R
#endif
