# vecmath.h for both dtypes: one fused name per function, the right one chosen at compile time.

ctypedef fused real:
    float
    double

cdef extern from "kernels/vecmath.h" nogil:
    float fl_exp_f32(float) noexcept
    double fl_exp_f64(double) noexcept
    float fl_exp_neg_f32(float) noexcept
    double fl_exp_neg_f64(double) noexcept
    float fl_log_f32(float) noexcept
    double fl_log_f64(double) noexcept
    float fl_log1p_f32(float) noexcept
    double fl_log1p_f64(double) noexcept
    float fl_log_or_log1p_f32(float, float, int) noexcept
    double fl_log_or_log1p_f64(double, double, int) noexcept
    float fl_log1p_unit_f32(float) noexcept
    double fl_log1p_unit_f64(double) noexcept
    float fl_log1p_pair_f32(float, int, float*) noexcept
    double fl_log1p_pair_f64(double, int, double*) noexcept
    float fl_expm1_f32(float) noexcept
    double fl_expm1_f64(double) noexcept
    float fl_exp_mul_f32(float, float, float) noexcept
    double fl_exp_mul_f64(double, double, double) noexcept
    float fl_pow_f32(float, float, float) noexcept
    double fl_pow_f64(double, double, double) noexcept
    float fl_pow1p_pair_f32(float, float, float, float*) noexcept
    double fl_pow1p_pair_f64(double, double, double, double*) noexcept

cdef extern from "<math.h>" nogil:
    float INFINITY
    float fabsf(float) noexcept
    double fabs(double) noexcept
    double sqrt(double) noexcept

cdef inline real absolute(real x) noexcept nogil:
    if real is float:
        return fabsf(x)
    else:
        return fabs(x)

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

cdef inline real log_or_log1p(real x, real v, bint is_log) noexcept nogil:
    if real is float:
        return fl_log_or_log1p_f32(x, v, is_log)
    else:
        return fl_log_or_log1p_f64(x, v, is_log)

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

# Exponents that are parameters stay double: their float32 part alone would cost digits.

cdef inline real exp_mul(double a, real b) noexcept nogil:
    """exp(a b)"""
    if real is float:
        return fl_exp_mul_f32(<float>a, <float>(a - <float>a), b)
    else:
        return fl_exp_mul_f64(a, 0, b)

cdef inline real exp_square(real a, real b) noexcept nogil:
    """exp(a b) of two variables"""
    if real is float:
        return fl_exp_mul_f32(a, 0, b)
    else:
        return fl_exp_mul_f64(a, 0, b)

cdef inline real power(real x, double a) noexcept nogil:
    """x^a"""
    if real is float:
        return fl_pow_f32(x, <float>a, <float>(a - <float>a))
    else:
        return fl_pow_f64(x, a, 0)

cdef inline real pow1p_pair(real t, double a, real times, real* minus_one) noexcept nogil:
    """(1 + t)^(a times), times a power of 2, and that less 1 in minus_one"""
    if real is float:
        return fl_pow1p_pair_f32(
            t, <float>a * times, <float>(a - <float>a) * times, minus_one)
    else:
        return fl_pow1p_pair_f64(t, a * times, 0, minus_one)

cdef extern from "<float.h>" nogil:
    float FLT_MAX
    double DBL_MAX
