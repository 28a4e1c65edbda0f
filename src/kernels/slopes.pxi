# Derivatives of pointwise losses by their parameters. Each is a struct named after the loss and the
# parameter, an entry in Slope, and a branch of slopes(), which goes over a block of residuals. The
# core runs them as it does losses, of which they have the value alone. They depend on |z - y|, and
# are computed in double for every dtype.
#
# Of the general robust loss, with p = alpha / 2, m = 1 - p, b = |alpha - 2|, u = (r / c)^2 / b and
# L = log(1 + u), the derivative by c is -b/c u/(1 + u) (1 + u)^p, and that by alpha is b/4 times
#
#     G = int_0^L e^(p t) T dt,   T = e^-t - 1 + t.
#
# The integrand is positive. Where L is small, G is a series of positive terms; elsewhere the integral
# is done by parts, in that of two ways which cancels little. The derivative by alpha is continuous
# at 0, but grows like -log b towards alpha = 2, from both sides.

cdef struct HuberByDelta:
    double delta
cdef struct GeneralRobustByAlpha:
    double c
    double power        # p
    double width        # b, which for p = 1 may be any
cdef struct GeneralRobustByC:
    double c
    double power
    double width

ctypedef fused Slope:
    HuberByDelta
    GeneralRobustByAlpha
    GeneralRobustByC

ctypedef fused Shaped:
    GeneralRobustByAlpha
    GeneralRobustByC

cdef enum:
    NEAR = 4            # up to here, as fill_series() measures it, the series is taken,
    TERMS = 32          # of which these are enough


cdef inline double spread(const Shaped* p, double r, double* times) noexcept nogil:
    """u, and 1 in times; or the root of a u that overflows, and 2."""
    cdef double u = r * r / (p.c * p.c * p.width), root = r / (p.c * sqrt(p.width))
    cdef bint far = u > DBL_MAX
    times[0] = 2 if far else 1
    return root if far else u


cdef inline double fill_series(double p, double* series) noexcept nogil:
    """Coefficients of G / L^3, where p < 1 of exp(m L) G / L^3, in powers of L times the number
    that is returned."""
    cdef double m = 1 - p, scale = max(1.0, m, p), term = 1, factorial = 6, rest, power
    cdef int n
    if p > 1:
        rest = (p - m) / scale              # (p^(n - 1) - (p - 1)^(n - 1)) / scale^(n - 2)
        power = -m / scale
    else:
        rest = 2 / scale                    # (n - 1) / scale^(n - 2)
        power = 0
    for n in range(3, 3 + TERMS):
        series[n - 3] = term / factorial
        factorial *= n + 1
        if p > 1:
            term += rest
            rest += power ** (n - 1)
        else:
            term = m / scale * term + rest
            rest *= n / (scale * (n - 1))
    return scale


cdef void series_by_alpha(
        const GeneralRobustByAlpha* p, const double* restrict log, const double* series,
        double scale, Py_ssize_t n, double* restrict out) noexcept nogil:
    cdef double decay = min(p.power - 1, 0.0), x
    cdef Py_ssize_t i
    cdef int k
    for i in range(n & -LANES):
        out[i] = series[TERMS - 1]
    for k in range(TERMS - 2, -1, -1):      # outside, as each loop over the block vectorises
        for i in range(n & -LANES):
            out[i] = out[i] * (scale * log[i]) + series[k]
    for i in range(n & -LANES):
        x = 0.25 * p.width * log[i] * log[i] * log[i]
        out[i] = x * out[i] * exp_neg(decay * log[i])


cdef void parts_by_alpha(
        const GeneralRobustByAlpha* p, const double* restrict r, const double* restrict log,
        Py_ssize_t n, double* restrict out) noexcept nogil:
    """With P = (1 + u)^p and D = int_0^L e^-(1 - p)t dt, G is (D - P (u / (1 + u) - p T)) / p^2, or
    the difference of derivative and value of (P - 1) / p, plus D. The loops are short enough to
    vectorise."""
    cdef double power[BLOCK]
    cdef double part[BLOCK]
    cdef double d[BLOCK]
    cdef double a = p.power, m = 1 - a, scale = 0.25 * p.width, times, base, rest, u, v
    cdef bint large = fabs(a) > 1
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        base = spread(p, r[i], &times)
        power[i] = pow1p_pair(base, a, times, &rest)
        u = base / (1 + base)
        v = rest / a
        part[i] = u if large else v
        u = pow1p_pair(base, -m, times, &rest)
        d[i] = -rest / m
    if large:
        for i in range(n & -LANES):
            u = d[i] - power[i] * (part[i] - a * exp_tail(log[i]))
            out[i] = scale * (u / a) / a
        return
    if a > 0:
        for i in range(n & -LANES):
            power[i] *= exp_tail(a * log[i])
    else:
        for i in range(n & -LANES):
            power[i] = erlang_pair(-a * log[i], &u)
    for i in range(n & -LANES):
        v = a * log[i]
        u = power[i] / (v * v)              # (1 + e^v (v - 1)) / v^2
        v = 0.5 + v / 3
        u = v if fabs(a * log[i]) < 1e-8 else u
        v = part[i] if part[i] < INFINITY else 0    # of two infinite terms the other is more
        out[i] = scale * (log[i] * log[i] * u - v + d[i])


cdef inline void by_alpha(
        const GeneralRobustByAlpha* p, const double* restrict r, Py_ssize_t n,
        double* restrict out) noexcept nogil:
    cdef double series[TERMS]
    cdef double log[BLOCK]
    cdef double near[BLOCK]
    cdef double scale = fill_series(p.power, series), times, base
    cdef int outside = 0
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        base = spread(p, r[i], &times)
        log[i] = times * log1p(base)
        outside |= not scale * log[i] <= NEAR
    series_by_alpha(p, log, series, scale, n, near)
    if outside:
        parts_by_alpha(p, r, log, n, out)
    for i in range(n & -LANES):
        out[i] = near[i] if scale * log[i] <= NEAR else out[i]
    if p.power == 1:
        for i in range(n & -LANES):
            out[i] = INFINITY if r[i] > 0 else r[i]


cdef inline double by_c(const GeneralRobustByC* p, double r) noexcept nogil:
    cdef double times, base = spread(p, r, &times), x = r / p.c, less
    cdef double power = pow1p_pair(base, p.power, times, &less)
    cdef double near = x * x / (1 + base), far = p.width * (base / (1 + base))
    return -((near if base < 1 else far) * power) / p.c     # near overflows, far underflows


cdef inline void slopes(
        const Slope* p, const double* restrict r, Py_ssize_t n, double* restrict out
        ) noexcept nogil:
    """The derivatives at residuals of at least 0; NaN stays."""
    cdef double v
    cdef Py_ssize_t i
    if Slope is HuberByDelta:
        for i in range(n & -LANES):
            v = r[i] - p.delta
            out[i] = 0 if v <= 0 else v
    elif Slope is GeneralRobustByAlpha:
        by_alpha(p, r, n, out)
    elif Slope is GeneralRobustByC:
        for i in range(n & -LANES):
            out[i] = by_c(p, r[i])


cdef void map_slope(
        const Slope* parameters, const real* restrict y, const real* restrict z, Py_ssize_t n,
        double scale, real* restrict value, real* restrict grad, real* restrict hess
        ) noexcept nogil:
    cdef Slope p = parameters[0]
    cdef double r[BLOCK]
    cdef double out[BLOCK]
    cdef Py_ssize_t i
    for i in range(n & -LANES):
        r[i] = fabs(<double>z[i] - <double>y[i])
    slopes(&p, r, n, out)
    for i in range(n & -LANES):
        value[i] = <real>out[i]
