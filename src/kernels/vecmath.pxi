# vecmath.h for both dtypes: one fused name per function, the right one chosen at compile time.

ctypedef fused real:
    float
    double

cdef extern from "kernels/vecmath.h" nogil:
    uint64_t fl_nothing
    double fl_rounded_f64(double, uint64_t) noexcept
    float fl_pick_f32(int, float, float) noexcept
    double fl_pick_f64(int, double, double) noexcept
    float fl_exp_f32(float) noexcept
    double fl_exp_f64(double) noexcept
    float fl_exp_neg_f32(float) noexcept
    double fl_exp_neg_f64(double) noexcept
    float fl_log_f32(float) noexcept
    double fl_log_f64(double) noexcept
    float fl_log1p_f32(float) noexcept
    double fl_log1p_f64(double) noexcept
    float fl_log_sum_f32(float, float) noexcept
    double fl_log_sum_f64(double, double) noexcept
    float fl_log1p_unit_f32(float) noexcept
    double fl_log1p_unit_f64(double) noexcept
    float fl_log1p_pair_f32(float, int, float*) noexcept
    double fl_log1p_pair_f64(double, int, double*) noexcept
    float fl_expm1_f32(float) noexcept
    double fl_expm1_f64(double) noexcept
    float fl_exp_times_f32(float, float) noexcept
    double fl_exp_times_f64(double, double) noexcept
    float fl_exp_tail_f32(float) noexcept
    double fl_exp_tail_f64(double) noexcept
    float fl_erlang_pair_f32(float, float*) noexcept
    double fl_erlang_pair_f64(double, double*) noexcept
    float fl_log_ratio_f32(float, float) noexcept
    double fl_log_ratio_f64(double, double) noexcept
    float fl_exp_mul_times_f32(float, float, float, float) noexcept
    double fl_exp_mul_times_f64(double, double, double, double) noexcept
    float fl_exp_mul_f32(float, float, float) noexcept
    double fl_exp_mul_f64(double, double, double) noexcept
    float fl_pow_plain_f32(float, float, float) noexcept
    double fl_pow_plain_f64(double, double, double) noexcept
    float fl_pow_f32(float, float, float) noexcept
    double fl_pow_f64(double, double, double) noexcept
    float fl_pow_mild_f32(float, float, float) noexcept
    double fl_pow_mild_f64(double, double, double) noexcept
    float fl_pow1p_mild_pair_f32(float, float, float, float, float*) noexcept
    double fl_pow1p_mild_pair_f64(double, double, double, double, double*) noexcept
    float fl_pow1p_pair_f32(float, float, float, float*) noexcept
    double fl_pow1p_pair_f64(double, double, double, double*) noexcept

cdef extern from "<math.h>" nogil:
    float INFINITY
    float fabsf(float) noexcept
    double fabs(double) noexcept
    double sqrt(double) noexcept
    float sqrtf(float) noexcept

cdef inline real absolute(real x) noexcept nogil:
    if real is float:
        return fabsf(x)
    else:
        return fabs(x)

cdef inline real pick(bint take, real a, real b) noexcept nogil:
    """a if take, else b; never two paths"""
    if real is float:
        return fl_pick_f32(take, a, b)
    else:
        return fl_pick_f64(take, a, b)

cdef inline real root(real x) noexcept nogil:
    if real is float:
        return sqrtf(x)
    else:
        return sqrt(x)

cdef inline real exp(real x) noexcept nogil:
    if real is float:
        return fl_exp_f32(x)
    else:
        return fl_exp_f64(x)

cdef inline real exp_neg(real x) noexcept nogil:
    if real is float:
        return fl_exp_neg_f32(x)
    else:
        return fl_exp_neg_f64(x)

cdef inline real log(real x) noexcept nogil:
    if real is float:
        return fl_log_f32(x)
    else:
        return fl_log_f64(x)

cdef inline real log1p(real x) noexcept nogil:
    if real is float:
        return fl_log1p_f32(x)
    else:
        return fl_log1p_f64(x)

cdef inline real log_sum(real b, real v) noexcept nogil:
    """log(b + v) for b of 0 or 1, and a sum from the least normal number to 2"""
    if real is float:
        return fl_log_sum_f32(b, v)
    else:
        return fl_log_sum_f64(b, v)

cdef inline real log1p_unit(real x) noexcept nogil:
    if real is float:
        return fl_log1p_unit_f32(x)
    else:
        return fl_log1p_unit_f64(x)

cdef inline real log1p_pair(real x, bint is_log, real* whole) noexcept nogil:
    """log1p(x) - x, and log1p(x) in whole; or log(x)."""
    if real is float:
        return fl_log1p_pair_f32(x, is_log, whole)
    else:
        return fl_log1p_pair_f64(x, is_log, whole)

cdef inline real expm1(real x) noexcept nogil:
    if real is float:
        return fl_expm1_f32(x)
    else:
        return fl_expm1_f64(x)

cdef inline real exp_times(real x, real y) noexcept nogil:
    """y exp(x)"""
    if real is float:
        return fl_exp_times_f32(x, y)
    else:
        return fl_exp_times_f64(x, y)

cdef inline real exp_tail(real x) noexcept nogil:
    """exp(-x) - 1 + x for x >= 0"""
    if real is float:
        return fl_exp_tail_f32(x)
    else:
        return fl_exp_tail_f64(x)

cdef inline real erlang_pair(real x, real* e) noexcept nogil:
    """1 - (1 + x) exp(-x) for x >= 0, and exp(-x) in e"""
    if real is float:
        return fl_erlang_pair_f32(x, e)
    else:
        return fl_erlang_pair_f64(x, e)

cdef inline real log_ratio(real low, real high) noexcept nogil:
    """log(high / low) for 0 <= low <= high"""
    if real is float:
        return fl_log_ratio_f32(low, high)
    else:
        return fl_log_ratio_f64(low, high)

# Exponents that are parameters stay double: their float32 part alone would cost digits.

cdef inline real exp_mul(double a, real b) noexcept nogil:
    """exp(a b)"""
    if real is float:
        return fl_exp_mul_f32(<float>a, <float>(a - <float>a), b)
    else:
        return fl_exp_mul_f64(a, 0, b)

cdef inline double lost(double a, double b) noexcept nogil:
    """What rounding takes from a - b"""
    cdef double d = a - b, t = d - a
    return (a - (d - t)) - (b + t)

cdef inline real exp_mul_difference(double a, double b, real x) noexcept nogil:
    """exp((a - b) x), the difference unrounded"""
    cdef double d = a - b
    if real is float:
        return fl_exp_mul_f32(<float>d, <float>(d - <float>d), x)
    else:
        return fl_exp_mul_f64(d, lost(a, b), x)

cdef inline real exp_mul_difference_times(double a, double b, real x, real y) noexcept nogil:
    """y exp((a - b) x), the difference unrounded"""
    cdef double d = a - b
    if real is float:
        return fl_exp_mul_times_f32(<float>d, <float>(d - <float>d), x, y)
    else:
        return fl_exp_mul_times_f64(d, lost(a, b), x, y)

cdef inline real exp_product_times(real a, real b, real y) noexcept nogil:
    """y exp(a b) of variables"""
    if real is float:
        return fl_exp_mul_times_f32(a, 0, b, y)
    else:
        return fl_exp_mul_times_f64(a, 0, b, y)

cdef inline real power_difference(real x, double a, double b) noexcept nogil:
    """x^(a - b), the difference unrounded"""
    cdef double d = a - b
    if real is float:
        return fl_pow_f32(x, <float>d, <float>(d - <float>d))
    else:
        return fl_pow_f64(x, d, lost(a, b))

cdef inline real mild_power_difference(real x, double a, double b) noexcept nogil:
    """The same for x > 0 and a difference of at most 1 in size"""
    cdef double d = a - b
    if real is float:
        return fl_pow_mild_f32(x, <float>d, <float>(d - <float>d))
    else:
        return fl_pow_mild_f64(x, d, lost(a, b))

cdef inline real power_either(real x, double a, double b, double c, bint second) noexcept nogil:
    """x^(b - c) if second, else x^(a - c), the differences unrounded and not 0"""
    cdef double d = a - c, e = b - c
    cdef real high = <real>d, of_second = <real>e, low, low_of_second
    if real is float:
        low, low_of_second = <float>(d - high), <float>(e - of_second)
    else:
        low, low_of_second = lost(a, c), lost(b, c)
    high = of_second if second else high
    low = low_of_second if second else low
    if real is float:
        return fl_pow_plain_f32(x, high, low)
    else:
        return fl_pow_plain_f64(x, high, low)

cdef inline real pow1p_pair(real t, double a, real times, real* minus_one) noexcept nogil:
    """(1 + t)^(a times), times a power of 2, and that less 1 in minus_one"""
    if real is float:
        return fl_pow1p_pair_f32(
            t, <float>a * times, <float>(a - <float>a) * times, minus_one)
    else:
        return fl_pow1p_pair_f64(t, a * times, 0, minus_one)

cdef inline real mild_pow1p_pair(real t, double a, real times, real* minus_one) noexcept nogil:
    """The same for a of at most 1 in size, and times of 1 or 2"""
    if real is float:
        return fl_pow1p_mild_pair_f32(t, <float>a, <float>(a - <float>a), times, minus_one)
    else:
        return fl_pow1p_mild_pair_f64(t, a, 0, times, minus_one)

cdef extern from "<float.h>" nogil:
    float FLT_MAX, FLT_MIN
    double DBL_MAX, DBL_MIN
