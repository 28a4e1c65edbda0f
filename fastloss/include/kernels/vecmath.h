/* Elementary functions that vectorise.

   Each is a branch-free scalar inline; a plain loop over it becomes vector code
   on any target, with no library call and no wider type.  They need
   -fno-math-errno -fno-trapping-math, must never see -ffast-math, and on 32-bit
   x86 need SSE arithmetic.  Contraction to fused operations may change a last
   bit, no more.

   The file includes itself twice: each algorithm is written once, with the type,
   its constants and its fitted polynomials as macros of the pass.  Polynomials
   are minimax fits in relative error.  Names: fl_<name>_f32, fl_<name>_f64. */

#ifndef FL_PASS
#ifndef FL_VECMATH_H
#define FL_VECMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER) && !defined(__clang__)
#define FL_INLINE static __forceinline
#pragma fp_contract(off)
#elif defined(__GNUC__)
#define FL_INLINE static inline __attribute__((always_inline, unused))
#else
#define FL_INLINE static inline
#endif

/* a fused multiply-add only where it is one instruction */
#if defined(__GNUC__) && (defined(__FMA__) || defined(__aarch64__))
#define FL_HAVE_FMA 1
#else
#define FL_HAVE_FMA 0
#endif

#define FL_CAT_(a, b) a##b
#define FL_CAT(a, b) FL_CAT_(a, b)

/* zero, but the compiler does not know that */
static volatile uint64_t fl_nothing;

#define FL_PASS 32
#include "vecmath.h"
#undef FL_PASS
#define FL_PASS 64
#include "vecmath.h"
#undef FL_PASS

#undef FL_CAT
#undef FL_CAT_
#undef FL_HAVE_FMA
#undef FL_INLINE
#endif /* FL_VECMATH_H */

#else /* one pass */

#if FL_PASS == 32

#define FN(name) FL_CAT(FL_CAT(fl_, name), _f32)
#define R float
#define U uint32_t
#define C(x) FL_CAT(x, f)
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define MANT 23                    /* stored bits of the significand */
#define BIAS 127
#define HALF_MASK 0xfffff000u      /* keeps 12 of the 24 significant bits */
#define ONE 0x3f800000u
#define SQRTH 0x3f3504f3u          /* sqrt(1/2) */
#define TWO_MANT 8388608.f         /* 2^MANT */
#define MIN_NORMAL 1.17549435e-38f
#define LN2_HI 0.693145752f        /* n*LN2_HI is exact for every exponent n */
#define LN2_LO 1.42860677e-6f
#define LN2 0.693147181f
#define LN2_REST(d, x) (x)        /* x + d (log(2) - LN2), where that is worth it */
#define SHORT_MASK 0xfffffc00u      /* a number's leading bits: its products with exponents are exact */
#define LOG2E 1.44269504f
#define EXP_MIN -105.f             /* beyond these exp is 0, inf */
#define EXP_MAX 89.f
#define TIMES_MIN -193.f           /* beyond these y exp(x) is 0, inf for every y */
#define TIMES_MAX 193.f
#define EXPM1_MIN -18.f            /* expm1 is -1 */
#define TAIL_MAX 87.f              /* 1 - exp(-x) is 1, and 2^-n is normal */
#define TANH_MAX 9.5f              /* tanh is 1 */
#define ERF_MAX 4.f                /* erf is 1 */
#define TINY 1e-9f                 /* expm1(x) is x, and 2^-n keeps x normal */

#define EXP_Q(x, x2) \
    (.5f + (x)*1.6666545e-01f + (x2)*(4.166661e-02f + (x)*8.366338e-03f + (x2)*1.3923643e-03f))
#define EXP_T(x, x2) \
    ((x)*1.66666665e-01f + (x2)*(4.16664639e-02f + (x)*8.33336093e-03f + \
     (x2)*(1.39337766e-03f + (x)*1.98578677e-04f)))
#define ERF_P(x, x2) \
    (1.28379151e-01f + (x)*-3.76125246e-01f + (x2)*(1.12821415e-01f + (x)*-2.67789159e-02f + \
     (x2)*(5.01196645e-03f + (x)*-6.09035604e-04f)))
#define ERF_L(x, x2) \
    (1.84960556f + (x)*2.63896775f + (x2)*(8.43107462e-01f + (x)*4.15433273e-02f + \
     (x2)*(-9.96103231e-03f + (x)*1.87614781e-03f + (x2)*-1.98211812e-04f)))
#define LOG_P(x, x2) \
    (6.6666776e-01f + (x)*3.9977583e-01f + (x2)*2.987066e-01f)
#define LOG_PW(x, x2) \
    (6.666667e-01f + (x)*3.9999497e-01f + (x2)*(2.8599858e-01f + (x)*2.1611646e-01f + \
     (x2)*2.3616967e-01f))
#define LOG_PD(x, x2) \
    (1.2499999e-02f + (x)*2.2321853e-03f + (x2)*(4.3319786e-04f + (x)*9.549128e-05f))
#define LOG_Q0 -4.999993e-01f
#define LOG_Q(x, x2, x4) \
    (3.3330464e-01f + (x)*-2.495802e-01f + (x2)*(1.9692118e-01f + (x)*-1.5344955e-01f) + \
     (x4)*(1.0661299e-01f + (x)*-5.7459354e-02f + (x2)*(2.0087605e-02f + (x)*-3.2908216e-03f)))
#define TWELFTH_HI 8.33333358e-02f /* 1/12 */
#define TWELFTH_LO -2.483527e-09f
#define RATIO_MIN 0x1p-100f        /* below, a ratio may underflow: it is made larger first */
#define RATIO_UP 0x1p99f
#define RATIO_DOWN 0x1p-60f
#define RATIO_SHIFT 110.210402f    /* log of RATIO_UP/RATIO_DOWN */

#else

#define FN(name) FL_CAT(FL_CAT(fl_, name), _f64)
#define R double
#define U uint64_t
#define C(x) x
#define FMA(a, b, c) __builtin_fma(a, b, c)
#define MANT 52
#define BIAS 1023
#define HALF_MASK 0xfffffffff8000000u
#define ONE 0x3ff0000000000000u
#define SQRTH 0x3fe6a09e667f3bcdu
#define TWO_MANT 4503599627370496.
#define MIN_NORMAL 2.2250738585072014e-308
#define LN2_HI 0.693147180559663
#define LN2_LO 2.8235290563031577e-13
#define LN2 0.6931471805599453
#define LN2_REST(d, x) ((d)*2.3190468138462996e-17 + (x))
#define SHORT_MASK 0xfffffffffffff000u
#define LOG2E 1.4426950408889634
#define EXP_MIN -746.
#define EXP_MAX 710.
#define TIMES_MIN -1456.
#define TIMES_MAX 1456.
#define EXPM1_MIN -38.
#define TAIL_MAX 700.
#define TANH_MAX 20.
#define ERF_MAX 6.
#define TINY 1e-18

#define EXP_Q(x, x2) \
    (0.5000000000000006 + (x)*0.16666666666666685 + (x2)*(0.041666666666577534 + \
     (x)*0.008333333333315105 + (x2)*(0.00138888889314507 + (x)*0.00019841269902267888 + \
     (x2)*(2.4801505297360752e-05 + (x)*2.7557228398851173e-06 + (x2)*(2.7626061632146285e-07 + \
     (x)*2.511439959733155e-08)))))
#define EXP_T(x, x2) \
    ((x)*0.16666666666666671 + (x2)*(0.041666666666666618 + (x)*0.008333333333326052 + \
     (x2)*(0.0013888888888918431 + (x)*0.00019841269875123905 + (x2)*(2.4801587245053382e-05 + \
     (x)*2.7557255003293884e-06 + (x2)*(2.7557349880964543e-07 + (x)*2.5105386079241056e-08 + \
     (x2)*2.0889417872588225e-09)))))
#define ERF_P(x, x2) \
    (0.1283791670955126 + (x)*-0.37612638903183726 + (x2)*(0.11283791670953705 + \
     (x)*-0.026866170644806852 + (x2)*(0.005223977621604924 + (x)*-0.000854832675499701 + \
     (x2)*(0.00012055321044332159 + (x)*-1.4925299775969166e-05 + (x2)*(1.645521430604184e-06 + \
     (x)*-1.6275478208951088e-07 + (x2)*(1.4046051987067642e-08 + (x)*-8.481848081532989e-10))))))
#define ERF_L(x, x2) \
    (1.8496055099332482 + (x)*2.638967514234788 + (x2)*(0.8431072563585462 + \
     (x)*0.04156109804726216 + (x2)*(-0.010033825446561088 + (x)*0.0019779030274509196 + \
     (x2)*(-0.00023732409184597437 + (x)*-2.6274775835119588e-05 + (x2)*(2.7156854069731776e-05 + \
     (x)*-9.612670120848772e-06 + (x2)*(2.0726588429160658e-06 + (x)*-1.611681985799705e-07 + \
     (x2)*(-8.137371299714297e-08 + (x)*4.2362370210959496e-08 + (x2)*(-1.0920667916615502e-08 + \
     (x)*1.7438810306185926e-09 + (x2)*(-1.6383366088699635e-10 + (x)*6.953558807801176e-12)))))))))
#define LOG_P(x, x2) \
    (0.6666666666666735 + (x)*0.39999999999409314 + (x2)*(0.28571428743699057 + \
     (x)*0.22222198427518586 + (x2)*(0.18183572434623813 + (x)*0.1531383007762316 + \
     (x2)*0.1479827997429322)))
#define LOG_PW(x, x2) \
    (0.6666666666666659 + (x)*0.40000000000053 + (x2)*(0.2857142856097098 + \
     (x)*0.22222223162209795 + (x2)*(0.1818177200099111 + (x)*0.15385971155900433 + \
     (x2)*(0.1330857123962747 + (x)*0.1204706685527633 + (x2)*(0.08593233386956493 + \
     (x)*0.1655809554143703)))))
#define LOG_PD(x, x2) \
    (0.012499999999999994 + (x)*0.002232142857144051 + (x2)*(0.0004340277776911187 + \
     (x)*8.877841232759226e-05 + (x2)*(1.877997848308e-05 + (x)*4.06990565437772e-06 + \
     (x2)*(8.90787456490526e-07 + (x)*2.285424497189136e-07))))
#define LOG_Q0 -0.4999999999999946
#define LOG_Q(x, x2, x4) \
    (0.33333333333235055 + (x)*-0.24999999993677088 + (x2)*(0.19999999791338155 + \
     (x)*-0.16666662498765694) + (x4)*(0.14285658900119863 + (x)*-0.12499479634941321 + \
     (x2)*(0.11107506120609266 + (x)*-0.09981015459489885) + (x4)*(0.09013155481913648 + \
     (x)*-0.08081216518043081 + (x2)*(0.07035553210030308 + (x)*-0.057502207614683505) + \
     (x4)*(0.04230036916512287 + (x)*-0.026744211158980263 + (x2)*(0.013838767779177969 + \
     (x)*-0.005543201040450671) + (x4)*(0.001595773793668099 + (x)*-0.00029176834700489067 + \
     (x2)*2.533065979808898e-05)))))
#define TWELFTH_HI 0.08333333333333333
#define TWELFTH_LO 4.625929269271485e-18
#define RATIO_MIN 0x1p-900
#define RATIO_UP 0x1p899
#define RATIO_DOWN 0x1p-200
#define RATIO_SHIFT 761.7687514353798

#endif

#define INF ((R)INFINITY)
#define NOT_A_NUMBER ((R)NAN)
#define SIGN (~(~(U)0 >> 1))

/* ---- bits */

FL_INLINE U FN(bits)(R x) { U u; memcpy(&u, &x, sizeof u); return u; }
FL_INLINE R FN(real)(U u) { R x; memcpy(&x, &u, sizeof x); return x; }
FL_INLINE R FN(abs)(R x) { return FN(real)(FN(bits)(x) & ~SIGN); }

/* a if take, else b.  By arithmetic of bits: of several selects on one condition a compiler makes
   paths, and computes what follows on each of them. */
FL_INLINE R FN(pick)(int take, R a, R b)
{
    return FN(real)(FN(bits)(b) ^ ((FN(bits)(a) ^ FN(bits)(b)) & ((U)0 - (U)(take != 0))));
}

/* a*b = hi + lo */
FL_INLINE R FN(two_prod)(R a, R b, R *lo)
{
    R hi = a * b;
#if FL_HAVE_FMA
    *lo = FMA(a, b, -hi);
#else
    /* split by masking: it cannot overflow, every product below but the last is
       exact, so a compiler that contracts changes nothing */
    R ah = FN(real)(FN(bits)(a) & HALF_MASK), al = a - ah;
    R bh = FN(real)(FN(bits)(b) & HALF_MASK), bl = b - bh;
    *lo = ((ah * bh - hi) + ah * bl + al * bh) + al * bl;
#endif
    return hi;
}

/* x, with nothing = 0 that the compiler does not know: a product is rounded before it is added
   to something, which it would not be in a fused multiply-add */
FL_INLINE R FN(rounded)(R x, U nothing) { return FN(real)(FN(bits)(x) | nothing); }

/* ---- exponentials */

/* x + lo = n log(2) + *rh - *rl, with |rh - rl| <= log(2)/2.  Returns n plus
   twice the bias, an integer, in the low bits: there is no conversion, and no
   arithmetic shift of 64 bits, below AVX-512. */
FL_INLINE U FN(exp_reduce)(R x, R lo, R *rh, R *rl)
{
    const R magic = C(1.5) * TWO_MANT + 2 * BIAS;
    R t = x * LOG2E + magic;
    R n = t - magic;
    *rh = x - n * LN2_HI;
    *rl = n * LN2_LO - lo;
    return FN(bits)(t);
}

/* exp(x + lo) for x >= EXP_MIN; 2^n goes in as two factors, so that results near
   both ends are rounded once */
FL_INLINE R FN(exp_kernel)(R x, R lo)
{
    R rh, rl;
    U n = FN(exp_reduce)(x, lo, &rh, &rl), half = n >> 1;
    R r = rh - rl, r2 = r * r, p = 1 + (r + r2 * EXP_Q(r, r2));
    return p * FN(real)(half << MANT) * FN(real)((n - half) << MANT);
}

/* exp(x) = (p + *tail) 2^n, with p near 1 returned: n is a whole number, and may be out of range */
FL_INLINE R FN(exp_parts)(R x, R *tail, R *n)
{
    R rh, rl, q, p;
    U reduced = FN(exp_reduce)(x, 0, &rh, &rl);
    R r = rh - rl, r2 = r * r;
    q = r + r2 * EXP_Q(r, r2);
    p = 1 + q;
    *tail = q - (p - 1);
    *n = FN(real)(reduced) - (C(1.5) * TWO_MANT + 2 * BIAS);
    return p;
}

/* (exp(x + lo) - 1) / 2 as a sum, that returned and *tail, for x from EXPM1_MIN
   to EXP_MAX; halved, 2^n is finite */
FL_INLINE R FN(expm1_half)(R x, R lo, R *tail)
{
    R rh, rl;
    U n = FN(exp_reduce)(x, lo, &rh, &rl);
    R s = FN(real)((n - (BIAS + 1)) << MANT);
    R r = rh - rl, r2 = r * r, b = s - C(.5), t = s * rh + b;
    *tail = s * (r2 * EXP_Q(r, r2) - rl) + (s * rh - (t - b));
    return t;
}

/* exp(hi + lo); lo may be anything where exp(hi) is 0 or inf.  Each select asks
   about hi itself, and keeps a NaN: one clamp over the other would be compiled
   as branches. */
FL_INLINE R FN(exp_dd)(R hi, R lo)
{
    R r = FN(exp_kernel)(hi < EXP_MIN ? EXP_MIN : hi, hi < EXP_MIN ? 0 : lo);
    return hi > EXP_MAX ? INF : r;
}

FL_INLINE R FN(expm1_dd)(R hi, R lo)
{
    R tail, r = FN(expm1_half)(hi < EXPM1_MIN ? EXPM1_MIN : hi, hi < EXPM1_MIN ? 0 : lo, &tail);
    r = 2 * (r + tail);
    r = FN(abs)(hi) < TINY ? hi : r;       /* keeps -0 and subnormal numbers */
    return hi > EXP_MAX ? INF : r;
}

FL_INLINE R FN(exp)(R x) { return FN(exp_dd)(x, 0); }

/* exp for x <= 0, where 2^(n + 64) is a normal number: one factor less, and sooner done */
FL_INLINE R FN(exp_neg)(R x)
{
    R rh, rl;
    U n = FN(exp_reduce)(x < EXP_MIN ? EXP_MIN : x, 0, &rh, &rl);
    R s = FN(real)((n - (BIAS - 64)) << MANT);
    R r = rh - rl, r2 = r * r;
    return (s + s * (r + r2 * EXP_Q(r, r2))) * C(5.421010862427522e-20);
}

FL_INLINE R FN(expm1)(R x) { return FN(expm1_dd)(x, 0); }

/* -t/(1 + t) with t = (exp(-2|x|) - 1)/2, then what rounding took from t and 1 + t */
FL_INLINE R FN(tanh)(R x)
{
    R a = FN(abs)(x), t, t0, tail, d, q, p;
    a = a > TANH_MAX ? TANH_MAX : a;
    t0 = FN(expm1_half)(-2 * a, 0, &tail);
    t = t0 + tail, d = 1 + t, q = t / d, p = 1 - q;
    q += p * (p * (tail - (t - t0)) - q * (t - (d - 1)));
    return FN(real)((FN(bits)(q) & ~SIGN) | (FN(bits)(x) & SIGN));
}

/* x + x P(x^2) near 0; further out 1 - exp(-L(|x| - 1)), L = -log(1 - erf), which is asked for the
   fewer digits the less of 1 it takes */
FL_INLINE R FN(erf)(R x)
{
    R a = FN(abs)(x), z, u, near, far;
    a = a > ERF_MAX ? ERF_MAX : a;
    z = a * a, u = a - 1;
    near = a + a * ERF_P(z, z * z);
    far = 1 - FN(exp_neg)(-ERF_L(u, u * u));
    near = a < C(.9) ? near : far;
    return FN(real)((FN(bits)(near) & ~SIGN) | (FN(bits)(x) & SIGN));
}

/* y exp(hi + lo).  2^n goes in as three factors, and before that of exp(r): what the result can
   hold neither overflows nor becomes subnormal on the way.  exp(r) may be less than 1, and one
   doubling is left for last. */
FL_INLINE R FN(exp_dd_times)(R hi, R lo, R y)
{
    R rh, rl, x = hi < TIMES_MIN ? TIMES_MIN : hi;
    U n = FN(exp_reduce)(x, hi < TIMES_MIN ? 0 : lo, &rh, &rl);
    U a = (n + 2 * BIAS) >> 2, b = (n + BIAS - a) >> 1, c = n + BIAS - a - b;
    int up = x - rh > C(.5);               /* n > 0 */
    R last = up ? 2 : 1, s = FN(real)(c << MANT) * (up ? C(.5) : 1);
    R r = rh - rl, r2 = r * r, p = 1 + (r + r2 * EXP_Q(r, r2));
    r = y * FN(real)(a << MANT) * FN(real)(b << MANT) * s * p * last;
    x = y * INF;
    return hi > TIMES_MAX ? x : r;
}

FL_INLINE R FN(exp_times)(R x, R y) { return FN(exp_dd_times)(x, 0, y); }

/* exp(-x) - 1 + x for x >= 0.  With -x = n log(2) + r: 2^n (exp(r) - 1 - r), which is all where
   n is 0, + (2^n - 1)(1 + r) - n log(2) */
FL_INLINE R FN(exp_tail)(R x)
{
    R rh, rl, v = -(x > TAIL_MAX ? TAIL_MAX : x);
    U n = FN(exp_reduce)(v, 0, &rh, &rl);
    R s = FN(real)((n - BIAS) << MANT), d = s - 1, k = v - rh;
    R r = rh - rl, r2 = r * r;
    return (((d - k) + d * rh) + s * (r2 * (C(.5) + EXP_T(r, r2)) - rl)) + (x + v);
}

/* 1 - (1 + x) exp(-x) for x >= 0, the distribution function of Erlang, and exp(-x), or 0 where it
   is beyond TAIL_MAX, in *e.  In the same way; where n is 0 it is r^2 (1 - q (1 - r)) with q = (exp(r) - 1 - r)/r^2. */
FL_INLINE R FN(erlang_pair)(R x, R *e)
{
    R rh, rl, v = -(x > TAIL_MAX ? TAIL_MAX : x);
    U n = FN(exp_reduce)(v, 0, &rh, &rl);
    R s = FN(real)((n - BIAS) << MANT), k = v - rh;
    R r = rh - rl, r2 = r * r, t = EXP_T(r, r2), q = C(.5) + t;
    *e = x > TAIL_MAX ? 0 : s * (1 + (r + r2 * q));
    q = C(.5) + (C(.5) * r - t * (1 - r) + q * (k + rl));
    return (((1 - s) + s * k) + s * k * rh) + s * (r2 * q + rl * (1 + r - k));
}

/* exp((a + al) * b), the product unrounded */
FL_INLINE R FN(exp_mul)(R a, R al, R b)
{
    R lo, hi = FN(two_prod)(a, b, &lo);
    return FN(exp_dd)(hi, lo + al * b);
}

/* y exp((a + al) * b), the first product unrounded */
FL_INLINE R FN(exp_mul_times)(R a, R al, R b, R y)
{
    R lo, hi = FN(two_prod)(a, b, &lo);
    return FN(exp_dd_times)(hi, lo + al * b, y);
}

/* ---- logarithms */

/* x = m 2^-k with m in [sqrt(1/2), sqrt(2)); *k = -e, a real, *s4 = 4 * 2^k,
   normal for every x >= 2^-BIAS */
FL_INLINE R FN(log_reduce)(R x, R *k, R *s4)
{
    U u = FN(bits)(x) + (ONE - SQRTH), e = u >> MANT;
    *k = (TWO_MANT + BIAS) - FN(real)(e | FN(bits)(TWO_MANT));
    *s4 = FN(real)((2 * BIAS + 2 - e) << MANT);
    return FN(real)((u & (((U)1 << MANT) - 1)) + SQRTH);
}

/* log(1 + f) = f - (f^2/2 - tail), tail = s (f^2/2 + R(s^2)), s = f/(2 + f);
   -k log(2) is added so that log 1 is +0 and log1p(-0) is -0 */
FL_INLINE R FN(log_kernel)(R f, R k)
{
    R s = f / (2 + f), z = s * s, z2 = z * z, h = C(.5) * f * f;
    return k * -LN2_HI + (f - (h - (s * (h + z * LOG_P(z, z2)) + k * -LN2_LO)));
}

/* replaces r, some log of x, where x is 0, negative, infinite or NaN */
FL_INLINE R FN(log_ends)(R x, R r)
{
    R low = x == 0 ? -INF : NOT_A_NUMBER;
    r = x < INF ? r : x;
    return x > 0 ? r : low;
}

/* a subnormal x, or nearly so, times 2^(MANT + 8), and *k accordingly */
FL_INLINE R FN(log_normal)(R x, R *k)
{
    int small = x < 256 * MIN_NORMAL;
    *k = small ? (R)(MANT + 8) : 0;
    return small ? x * (256 * TWO_MANT) : x;
}

FL_INLINE R FN(log)(R x)
{
    R k0, k, s4, m = FN(log_reduce)(FN(log_normal)(x, &k0), &k, &s4);
    return FN(log_ends)(x, FN(log_kernel)(m - 1, k + k0));
}

/* 2^k (1 + x) - 1, exact in x where k is 0 */
FL_INLINE R FN(log1p_reduce)(R x, R *k)
{
    R s4;
    FN(log_reduce)(1 + x, k, &s4);
    return C(.25) * (s4 * x) - (1 - C(.25) * s4);     /* keeps -0 */
}

FL_INLINE R FN(log1p)(R x)
{
    R k, f = FN(log1p_reduce)(x, &k), r = FN(log_kernel)(f, k);
    R low = x == -1 ? -INF : NOT_A_NUMBER;
    r = x < INF ? r : x;
    return x > -1 ? r : low;
}

/* log1p(e) - e for 0 <= e <= 1, to be added last: its error is absolute */
FL_INLINE R FN(log1p_tail)(R e)
{
    R e2 = e * e;
    return e2 * LOG_Q0 + e * e2 * LOG_Q(e, e2, e2 * e2);
}

/* log1p for 0 <= e <= 1 */
FL_INLINE R FN(log1p_unit)(R e) { return e + FN(log1p_tail)(e); }

/* log(1 + exp(x)) */
FL_INLINE R FN(softplus)(R x)
{
    R e = FN(exp_neg)(-FN(abs)(x));
    return e + ((x > 0 ? x : 0) + FN(log1p_tail)(e));
}

/* log(x) or log1p(v), whichever is asked for: one reduction and one kernel for both */
FL_INLINE R FN(log_or_log1p)(R x, R v, int is_log)
{
    R u = is_log ? x : 1 + v, k0, k, s4, n = FN(log_normal)(u, &k0), f;
    FN(log_reduce)(n, &k, &s4);
    f = C(.25) * (s4 * (is_log ? n : v)) + (is_log ? -1 : C(.25) * s4 - 1);
    return FN(log_ends)(u, FN(log_kernel)(f, k + k0));
}

/* log(b + v) for b of 0 or 1, and a sum from MIN_NORMAL to 2: log(v) or log1p(v), by one
   reduction and one kernel */
FL_INLINE R FN(log_sum)(R b, R v)
{
    U e = (FN(bits)(b + v) + (ONE - SQRTH)) >> MANT;
    R k = (TWO_MANT + BIAS) - FN(real)(e | FN(bits)(TWO_MANT));
    R s = FN(real)((2 * BIAS - e) << MANT);
    return FN(log_kernel)(s * v + (s * b - 1), k);
}

/* log(high/low) for 0 <= low <= high, high > 0, of a quotient that may underflow */
FL_INLINE R FN(log_ratio)(R low, R high)
{
    int near = low > C(.5) * high;
    /* by arithmetic: a select would be compiled into two divisions */
    R far = low < high * RATIO_MIN ? 1 : (R)0, up = (1 - far) + far * RATIO_UP;
    R down = (1 - far) + far * RATIO_DOWN;
    R distance = high - low, scaled = low * up, x = (near ? distance : scaled) / (high * down);
    R r = FN(log_sum)(near ? 1 : 0, near ? -x : x);
    return far * RATIO_SHIFT - (x == 0 && !near ? -INF : r);
}

/* log1p(v) - v, and log1p(v) in *whole; no reduction, so no cancellation, for
   -1/2 <= v <= 1.  is_log: log(v), of a normal v, in their stead. */
FL_INLINE R FN(log1p_pair)(R v, int is_log, R *whole)
{
    R k, s4, f, s, z, z2, h, r, w, low;
    int plain = v >= C(-.5) && v <= 1 && !is_log;
    FN(log_reduce)(is_log ? v : 1 + v, &k, &s4);
    f = C(.25) * (s4 * v) + (is_log ? -1 : C(.25) * s4 - 1);
    f = plain ? v : f;
    k = plain ? 0 : k;
    s = f / (2 + f), z = s * s, z2 = z * z, h = C(.5) * f * f;
    h -= s * (h + z * LOG_PW(z, z2)) + k * -LN2_LO;
    r = (k * -LN2_HI + (f - v)) - h;
    w = k * -LN2_HI + (f - h);
    low = v == -1 ? -INF : NOT_A_NUMBER;
    r = v < INF ? r : -v;
    w = v < INF ? w : v;
    *whole = v > -1 ? w : low;
    return v > -1 ? r : low;
}

/* ---- powers, over a log to about 3/2 of the precision */

/* log(1 + f + g) - k log(2) = *hi + *lo, |g| <= half an ulp of 1 + f:
   s + s z (1/12 + z P(z)), s = f/(1 + f/2), z = s^2, all but P in pairs */
FL_INLINE void FN(log_dd_kernel)(R f, R g, R k, R *hi, R *lo)
{
    R n = f + g, nl = g - (n - f);
    R m = C(.5) * n, d = 1 + m, dl = (m - (d - 1)) + C(.5) * nl, rcp = 1 / d;
    R s = n * rcp, e, p = FN(two_prod)(s, d, &e);
    R sl = (((n - p) - e) + (nl - s * dl)) * rcp;
    R z = FN(two_prod)(s, s, &e), zl = e + 2 * s * sl;
    R w = z * LOG_PD(z, z * z);
    R c = TWELFTH_HI + w, cl = (w - (c - TWELFTH_HI)) + TWELFTH_LO;
    R q = FN(two_prod)(z, c, &e), ql = e + (z * cl + zl * c);
    R t = FN(two_prod)(s, q, &e), tl = e + (s * ql + sl * q);
    R a = s + t, al = (t - (a - s)) + (sl + tl);
    R b = k * -LN2_HI, h = b + a, l = ((a - (h - b)) + al) + k * -LN2_LO;
    *hi = h + l;
    *lo = l - (*hi - h);
}

/* log of x >= 0 as a pair; *lo may be anything where *hi is not finite */
FL_INLINE R FN(log_dd)(R x, R *lo)
{
    R k0, k, s4, hi, m = FN(log_reduce)(FN(log_normal)(x, &k0), &k, &s4);
    FN(log_dd_kernel)(m - 1, 0, k + k0, &hi, lo);
    return FN(log_ends)(x, hi);
}

/* log(1 + t) as a pair */
FL_INLINE R FN(log1p_dd)(R t, R *lo)
{
    R u = 1 + t, v = u - 1, ul = (1 - (u - v)) + (t - v);
    R k, s4, hi, m = FN(log_reduce)(u, &k, &s4);
    FN(log_dd_kernel)(m - 1, C(.25) * (s4 * ul), k, &hi, lo);
    return FN(log_ends)(u, hi);
}

/* (y + yl) * (*lo + hi), to be given to exp_dd or expm1_dd */
FL_INLINE R FN(mul_dd)(R y, R yl, R hi, R *lo)
{
    R l, h = FN(two_prod)(y, hi, &l);
    *lo = l + (y * *lo + yl * hi);
    return h;
}

/* x^(y + yl) for x >= 0 and a number y, not 0 */
FL_INLINE R FN(pow_plain)(R x, R y, R yl)
{
    R l, h = FN(log_dd)(x, &l);
    h = FN(mul_dd)(y, yl, h, &l);
    return FN(exp_dd)(h, l);
}

/* x^(y + yl) for x >= 0, with C99's values at the ends; NaN for x < 0 */
FL_INLINE R FN(pow)(R x, R y, R yl)
{
    R r = FN(pow_plain)(x, y, yl);
    return y == 0 || x == 1 ? 1 : r;
}

/* (1 + t)^(a + al), and that less 1 in *m1, for t >= 0 and finite a */
FL_INLINE R FN(pow1p_pair)(R t, R a, R al, R *m1)
{
    R l, h0 = FN(log1p_dd)(t, &l), h = FN(mul_dd)(a, al, h0, &l), rh, rl, x, m;
    U n = FN(exp_reduce)(h < EXP_MIN ? EXP_MIN : h, h < EXP_MIN ? 0 : l, &rh, &rl), half = n >> 1;
    R s = FN(real)((n - (BIAS + 1)) << MANT);
    R r = rh - rl, r2 = r * r, q = r2 * EXP_Q(r, r2);
    x = (1 + (r + q)) * FN(real)(half << MANT) * FN(real)((n - half) << MANT);
    m = 2 * ((s * rh + (s - C(.5))) + s * (q - rl));
    m = FN(abs)(h) < TINY ? h : m;
    m = h < EXPM1_MIN ? -1 : m;
    *m1 = h > EXP_MAX ? INF : m;
    return h > EXP_MAX ? INF : x;
}

/* ---- powers of exponents up to 1 in size, which need no log of more than the precision */

/* 2^-k (1 + f), less its own product with g, to the power of (a + al) times: n, as exp_reduce has
   it, and the rest *r, of which exp is to be taken.  k a has to be exact, as n is nearly all of
   it: so a is cut.  f comes last, as log(1 + f) is mostly f. */
FL_INLINE U FN(mild_reduce)(R f, R g, R k, R a, R al, R times, R *r)
{
    const R magic = C(1.5) * TWO_MANT + 2 * BIAS;
    R cut = FN(real)(FN(bits)(a) & SHORT_MASK), rest = (a - cut) + al;
    R s = f / (2 + f), z = s * s, z2 = z * z, h = C(.5) * f * f;
    R w = times * (cut * f + ((rest * f - k * (rest * LN2)) + a * (g - (h - s * (h + z * LOG_P(z, z2))))));
    R whole = times * (-k * cut), t = (w * LOG2E + whole) + magic;
    t = t < magic - 2 * (BIAS - 2) ? magic - 2 * (BIAS - 2) : t;      /* 2^n is two normal factors */
    R n = t - magic, d = whole - n;
    *r = d * LN2 + LN2_REST(d, w);
    return FN(bits)(t);
}

/* x^(y + yl) for x > 0 and |y| <= 1 */
FL_INLINE R FN(pow_mild)(R x, R y, R yl)
{
    R k0, k, s4, r, m = FN(log_reduce)(FN(log_normal)(x, &k0), &k, &s4);
    U n = FN(mild_reduce)(m - 1, 0, k + k0, y, yl, 1, &r), half = n >> 1;
    R r2 = r * r, p = 1 + (r + r2 * EXP_Q(r, r2)), end = y > 0 ? INF : 0;
    p = p * FN(real)(half << MANT) * FN(real)((n - half) << MANT);
    return x < INF ? p : end;
}

/* (1 + t)^((a + al) times), and that less 1 in *m1, for t >= 0, |a| <= 1 and times of 1 or 2 */
FL_INLINE R FN(pow1p_mild_pair)(R t, R a, R al, R times, R *m1)
{
    R k, s4, r;
    FN(log_reduce)(1 + t, &k, &s4);
    R st = C(.25) * (s4 * t), c = 1 - C(.25) * s4, f = st - c, g = st - (f + c);
    U n = FN(mild_reduce)(f, g - g * f, k, a, al, times, &r), half = n >> 1;
    R s = FN(real)((n - (BIAS + 1)) << MANT), r2 = r * r, q = r2 * EXP_Q(r, r2);
    R x = (1 + (r + q)) * FN(real)(half << MANT) * FN(real)((n - half) << MANT);
    R m = 2 * ((s * r + (s - C(.5))) + s * q), end = a > 0 ? INF : 0;
    m = x < C(.25) / TWO_MANT ? -1 : m;
    m = x == INF ? INF : m;
    *m1 = t == INF ? end - (a > 0 ? 0 : 1) : m;
    return t == INF ? end : x;
}

#undef FN
#undef R
#undef U
#undef C
#undef FMA
#undef MANT
#undef BIAS
#undef HALF_MASK
#undef ONE
#undef SQRTH
#undef TWO_MANT
#undef MIN_NORMAL
#undef LN2_HI
#undef LN2_LO
#undef LN2
#undef LN2_REST
#undef SHORT_MASK
#undef LOG2E
#undef EXP_MIN
#undef EXP_MAX
#undef TIMES_MIN
#undef TIMES_MAX
#undef EXPM1_MIN
#undef TAIL_MAX
#undef TANH_MAX
#undef ERF_MAX
#undef TINY
#undef EXP_Q
#undef EXP_T
#undef ERF_P
#undef ERF_L
#undef LOG_P
#undef LOG_PW
#undef LOG_PD
#undef LOG_Q0
#undef LOG_Q
#undef TWELFTH_HI
#undef TWELFTH_LO
#undef RATIO_MIN
#undef RATIO_UP
#undef RATIO_DOWN
#undef RATIO_SHIFT
#undef INF
#undef NOT_A_NUMBER
#undef SIGN

#endif
