# The pointwise losses. Each is a struct of its parameters, an entry in Loss, and a branch in
# pointwise(), which writes value, first and second derivative by z of one (target y, prediction
# z), and the curve: what boosting divides by instead of a second derivative that is 0, negative or
# far from its mean. Everything else follows: dtypes, instruction sets, loops, weights, reductions.
#
# Rules for a branch: no calls or memory accesses inside one arm of a select (both arms are
# computed); no "and", "or" (they branch: & and | do not); constants in sums and products by the
# names below (Cython writes 1 + x as 1.0 + x, which turns float32 lanes into double); value and
# gradient are NaN where y or z is: 0 if m < 0 else m keeps it, m if m > 0 else 0 does not, and where
# nothing does, or_nan() brings it back.

cdef struct SquaredError:
    double scale
cdef struct AbsoluteError:
    double _
cdef struct Huber:
    double delta
cdef struct SmoothL1:
    double beta
cdef struct SmoothL2:
    double _
cdef struct LogCosh:
    double _
cdef struct Quantile:
    double q
cdef struct Expectile:
    double q
cdef struct EpsilonInsensitive:
    double epsilon
cdef struct SquaredEpsilonInsensitive:
    double epsilon
cdef struct SquaredLogError:
    double _
cdef struct AbsolutePercentageError:
    double _
cdef struct SymmetricAbsolutePercentageError:
    double _
cdef struct Poisson:
    double _
cdef struct NegativeBinomial:
    double alpha
    double log_alpha
cdef struct Gamma:
    double _
cdef struct Tweedie:
    double power
cdef struct PoissonDeviance:
    double _
cdef struct GammaDeviance:
    double _
cdef struct TweedieDeviance:            # of a power between 1 and 2
    double power
    double above
    double below
cdef struct HalfwayDeviance:            # of 1.5
    double _
cdef struct TweedieDevianceBeyond:      # below 0, or above 2
    double power
    double above
    double below
cdef struct Cauchy:
    double c
    double log_scale
cdef struct GemanMcClure:
    double c
cdef struct Welsch:
    double c
cdef struct GeneralRobust:
    double alpha
    double c
cdef struct LinearExponential:
    double a
cdef struct PoissonMean:                # z the mean
    double _
cdef struct PoissonFull:                # with what depends on y alone
    double _
cdef struct PoissonMeanFull:
    double _
cdef struct KLDiv:
    double _
cdef struct KLDivOfLogs:
    double _
cdef struct LogLoss:
    double _
cdef struct Logistic:
    double pos_weight
cdef struct Focal:
    double gamma
    double positive
    double negative
cdef struct SmoothedLogLoss:
    double smoothing
cdef struct SmoothedLogistic:
    double pos_weight
    double smoothing
cdef struct SmoothedFocal:
    double gamma
    double positive
    double negative
    double smoothing
cdef struct FocalLogLoss:
    double gamma
    double positive
    double negative
cdef struct SigmoidFocal:
    double gamma
    double positive
    double negative
cdef struct HingeEmbedding:
    double margin
cdef struct Hinge:
    double margin
cdef struct SquaredHinge:
    double _
cdef struct ModifiedHuber:
    double _
cdef struct Exponential:
    double _
cdef struct Perceptron:
    double _
cdef struct BinaryKL:
    double _

ctypedef fused Loss:
    SquaredError
    AbsoluteError
    Huber
    SmoothL1
    SmoothL2
    LogCosh
    Quantile
    Expectile
    EpsilonInsensitive
    SquaredEpsilonInsensitive
    SquaredLogError
    AbsolutePercentageError
    SymmetricAbsolutePercentageError
    Poisson
    NegativeBinomial
    Gamma
    Tweedie
    PoissonDeviance
    GammaDeviance
    TweedieDeviance
    HalfwayDeviance
    TweedieDevianceBeyond
    Cauchy
    GemanMcClure
    Welsch
    GeneralRobust
    LinearExponential
    PoissonMean
    PoissonFull
    PoissonMeanFull
    KLDiv
    KLDivOfLogs
    LogLoss
    Logistic
    Focal
    SmoothedLogLoss
    SmoothedLogistic
    SmoothedFocal
    FocalLogLoss
    SigmoidFocal
    HingeEmbedding
    Hinge
    SquaredHinge
    ModifiedHuber
    Exponential
    Perceptron
    BinaryKL


cdef inline real sign(real r) noexcept nogil:
    cdef real s = 1 if r > 0 else r
    return -1 if r < 0 else s


cdef inline real or_nan(real x, real r) noexcept nogil:
    """x, or NaN where r is."""
    return x if r == r else r


# The unit deviances of Poisson and gamma are least * (t - log(1 + t)) and
# least * ((1 + t) log(1 + t) - t), t = distance / least, of the lesser of y and z and their
# distance. Which one depends on which is the lesser; neither cancels here.

cdef inline void deviances(
        real least, real distance, real scale, real* below, real* above) noexcept nogil:
    """Both times scale, a power of two."""
    cdef real one = 1, flag, down, up, shift, far, whole, m, t, u, v, w, largest
    cdef bint over, none = least == 0
    if real is float:
        down, up, shift, largest = 2.0 ** -80, 2.0 ** 80, 110.90354888959125, FLT_MAX
    else:
        down, up, shift, largest = 2.0 ** -540, 2.0 ** 540, 748.5989550047409, DBL_MAX
    # 1e-3: so that t log(t) does not overflow either
    over = distance > least * (<real>1e-3 * largest)
    # by arithmetic: a select would be compiled into two divisions, one of subnormal results
    flag = over
    t = (distance * (one - flag + flag * down)) / (least * (one - flag + flag * up))
    m = log1p_pair(t, over, &whole)
    far = whole + shift                     # where t overflows, its logarithm does not
    distance = distance * scale
    least = least * scale
    u = distance - least * far
    v = -(least * m)
    v = u if over else v
    v = distance if none else v
    below[0] = 0 if distance == 0 else v
    u = (least + distance) * far - distance
    w = least * (m + t * whole)
    w = u if over else w
    w = <real>INFINITY if none else w
    above[0] = 0 if distance == 0 else w


# The Tweedie deviance is 2 int (u - y) u^-p du from y to z. With n = |log(z / y)| it is a power of
# y or z times
#
#     gap = 2/(k + m) ((1 - (1 + k n) exp(-k n)) / k + exp(-k n) (exp(-m n) - 1 + m n) / m),
#
# a sum of positive functions that neither cancel nor overflow. The rates k and m are 2 - p and
# p - 1 where 1 < p < 2; beyond, 1 and the distance of p from the nearer end. Whether z is above or
# below y decides which of them is k. The power is the larger one times z^(1 - p); beyond, it is
# max(y, z)^(2 - p) below 0, and above 2 it is y^(2 - p) or, where z < y, y z^(1 - p).

cdef inline real distance_of_logs(real y, real z) noexcept nogil:
    """|log(z / y)| for z > 0, infinite for y <= 0"""
    cdef real low = y if y < z else z, high = z if y < z else y
    return log_ratio(low if low > 0 else <real>0, high)


cdef inline real tweedie_gap(double above, double below, bint is_above, real n) noexcept nogil:
    cdef real u = <real>above, v = <real>below, e, a, b
    cdef real by_u = <real>(2 / ((above + below) * u)), by_v = <real>(2 / ((above + below) * v))
    cdef real k = u if is_above else v, m = v if is_above else u
    cdef real by_k = by_u if is_above else by_v, by_m = by_v if is_above else by_u
    cdef real finite = 5000 if n > 5000 else n      # infinite at y = 0, where e is 0
    a = erlang_pair(k * n, &e)
    b = exp_tail(m * finite)
    return a * by_k + e * (b * by_m)


cdef inline real towards_one(real y, real z) noexcept nogil:
    """A power of two that takes the larger one away from the ends of the range."""
    cdef real far, near, factor, most = z if y < z else y
    if real is float:
        far, near = 2.0 ** 60, 2.0 ** -60
    else:
        far, near = 2.0 ** 500, 2.0 ** -500
    factor = far if most < near else <real>1
    return near if most > far else factor


cdef inline real log1p_ratio(real distance, real least) noexcept nogil:
    """log(1 + distance / least), of a ratio that may overflow: where it is so large, 1 is nothing"""
    cdef real one = 1, enough, down, shift, flag, x
    if real is float:
        enough, down, shift = 2.0 ** 100, 2.0 ** -30, 20.79441541679836
    else:
        enough, down, shift = 2.0 ** 960, 2.0 ** -60, 41.58883083359672
    flag = distance > least * enough
    x = (distance * (one - flag + flag * down)) / least
    return log1p(x) + flag * shift


# -y log(p) - (1 - y) log(1 - p), and its derivatives by p. Where one factor is 0, so is its term.

cdef inline real cross_entropy(real y, real p) noexcept nogil:
    cdef real one = 1, a = y * log(p), b = (one - y) * log1p(-p)
    a = 0 if y == 0 else a
    b = 0 if y == 1 else b
    return absolute(a + b)              # of two terms that are at most 0


cdef inline real cross_entropy_slope(real y, real p) noexcept nogil:
    cdef real one = 1, n = one - p, distance = p - y, product = p * n, end = n - p
    cdef real slope = distance / product
    # 0/0: one term of the definition is absent, and at p = y the other has slope 1 or -1
    return end if (distance == 0) & (product == 0) else slope


cdef inline real cross_entropy_curvature(real y, real p) noexcept nogil:
    cdef real one = 1, n = one - p, a = (y / p) / p, b = ((one - y) / n) / n
    a = 0 if y == 0 else a
    b = 0 if y == 1 else b
    return a + b


cdef inline real smoothed(real y, double smoothing) noexcept nogil:
    """A target, or the rest of one, of which a part is spread evenly over both labels"""
    return <real>(1 - smoothing) * y + <real>(0.5 * smoothing)


# The focal loss of one label, -(1 - p)^gamma log(p) of its probability p, n = 1 - p, and its derivatives.
# The ratio -log(p) / n is 1 at n = 0, so that powers of n below 1 end where they should.

cdef inline void focal_term(
        double gamma, real p, real n, real minus_log, real* slope, real* bend) noexcept nogil:
    cdef real one = 1, two = 2, g = <real>gamma, k = <real>(gamma * (gamma - 1))
    cdef real power = power_difference(n, gamma, 0), lower = power_difference(n, gamma, 1)
    cdef real ratio = minus_log / n, part = p * minus_log / n, s, t, b
    ratio = one if n == 0 else ratio
    part = p if n == 0 else part
    part = 0 if p == 0 else part
    s = g * ratio
    s = (0 if gamma == 0 else s) + one / p
    b = (k * part + two * g) / p
    t = lower * b
    slope[0] = -(power * s)
    bend[0] = (0 if b == 0 else t) + power / (p * p)


cdef inline real focal_value(double gamma, real n, real minus_log) noexcept nogil:
    cdef real power = power_difference(n, gamma, 0), v = power * minus_log
    return 0 if power == 0 else v


cdef inline real stirling(real y) noexcept nogil:
    """Stirling's approximation of log(y!), 0 up to y = 1"""
    cdef real half = 0.5, half_log_of_two_pi = 0.9189385332046727418, t = log(y)
    t = (y + half) * t - y + half_log_of_two_pi
    return t if y > 1 else <real>0


# Labels of 0 and 1, the common case, need one logarithm, and one division, of the label's own
# probability.

cdef inline real of_label(real y, real p, real* rest, real* part) noexcept nogil:
    """That probability, as the exact sum of rest and part but for rounding."""
    cdef real one = 1
    rest[0] = one - y
    part[0] = (y + y) * p - p
    return rest[0] + part[0]


cdef inline bint is_plain(real y, real p) noexcept nogil:
    """Whether y is 0 or 1, and its probability a normal number."""
    cdef real rest, part, least = FLT_MIN if real is float else DBL_MIN
    cdef real own = of_label(y, p, &rest, &part)
    return (y * rest == 0) & (own >= least)


cdef inline real plain_entropy(real y, real p) noexcept nogil:
    cdef real rest, part
    of_label(y, p, &rest, &part)
    return absolute(log_sum(rest, part))


cdef inline real plain_curvature(real y, real p) noexcept nogil:
    cdef real one = 1, rest, part, inverse = one / of_label(y, p, &rest, &part)
    return inverse * inverse


# The power of the general robust loss, by the shortest way for its alpha. With b = |alpha - 2| and
# u = (r / c)^2 / b it is (1 + u)^(alpha / 2); where u overflows, (1 + sqrt(u))^alpha. alpha = 2, 0, -2
# and -inf have kernels of their own.

cdef enum Way:
    BY_ROOT             # alpha = 1
    MILD                # |alpha| <= 2
    STEEP


cdef inline Way way_of(const GeneralRobust* p) noexcept nogil:
    if p.alpha == 1:
        return BY_ROOT
    return MILD if fabs(p.alpha) <= 2 else STEEP


cdef inline real robust_power(
        const GeneralRobust* p, real y, real z, Way way, real* minus_one) noexcept nogil:
    cdef real largest = FLT_MAX if real is float else DBL_MAX
    cdef real one = 1, two = 2, r = z - y, a = absolute(r), s = <real>(1 / (p.c * p.c)), q, v
    # a steep power would multiply what the reciprocal loses
    cdef real u = s * r * r / <real>fabs(p.alpha - 2) if way == STEEP else (
        s * r * r * <real>(1 / fabs(p.alpha - 2)))
    cdef bint far = u > largest
    a = (largest if a > largest else a) * <real>(1 / (p.c * sqrt(fabs(p.alpha - 2))))
    if way == BY_ROOT:
        q = root(one + u)
        v = u / (one + q)
        minus_one[0] = a if far else v
        v = one + a
        return v if far else q
    u = a if far else u
    v = two if far else one
    if way == MILD:
        return mild_pow1p_pair(u, 0.5 * p.alpha, v, minus_one)
    return pow1p_pair(u, 0.5 * p.alpha, v, minus_one)


cdef inline bint is_above_one(const NegativeBinomial* p, real z) noexcept nogil:
    """Whether alpha exp(z) is."""
    return z > <real>-p.log_alpha


# Where one loss takes two or more long functions, its chain of dependent instructions is longer
# than the processor looks ahead. Stages, each a loop of its own over the block, cut the chain:
# they hand their results to pointwise(). (Logistic loss: 0.87 ns instead of 1.3.) A loss is staged
# if it has a branch in first_stage().

cdef inline real first_stage(const Loss* p, real y, real z, bint* staged) noexcept nogil:
    cdef real half = 0.5, one = 1, r, a, u, v
    staged[0] = True
    if (Loss is Logistic or Loss is Focal or Loss is SmoothedLogistic or Loss is SmoothedFocal
            or Loss is SigmoidFocal):
        return exp_neg(-absolute(z))
    elif Loss is LinearExponential:
        r = z - y
        return <real>p.a * r
    elif Loss is SmoothedLogLoss:           # in a loop of its own: the same bits for all methods
        a = smoothed(y, p.smoothing)
        u = a * log(z)
        u = 0 if a == 0 else u
        a = smoothed(one - y, p.smoothing)
        v = a * log1p(-z)
        v = 0 if a == 0 else v
        return absolute(u + v)
    elif Loss is FocalLogLoss:              # likewise
        a = <real>p.positive * y
        u = a * focal_value(p.gamma, one - z, -log(z))
        u = 0 if a == 0 else u
        a = <real>p.negative * (one - y)
        v = a * focal_value(p.gamma, z, -log1p(-z))
        v = 0 if a == 0 else v
        return u + v
    elif Loss is LogCosh:
        return expm1(-absolute(z - y))
    elif Loss is SquaredLogError:
        # log(1 + z) - log(1 + y), without a difference of logarithms
        u = log1p_ratio(absolute(z - y), one + (y if y < z else z))
        return -u if z < y else u
    elif Loss is NegativeBinomial:
        # u = alpha e^z, or 1/u where that is less
        a = <real>p.alpha
        r = <real>(1 / p.alpha)
        u = -z if is_above_one(p, z) else z
        v = r if is_above_one(p, z) else a
        return exp_times(u, v)
    elif Loss is Gamma:
        return exp_times(-z, y)
    elif Loss is Tweedie:
        return exp_mul_difference_times(1, p.power, z, y)
    elif Loss is PoissonDeviance:
        a = y if y < z else z
        r = absolute(z - y)
        deviances(a, r, one, &u, &v)
        return u if y < z else v
    elif Loss is GammaDeviance:
        a = y if y < z else z
        r = absolute(z - y)
        deviances(a, r, towards_one(y, z), &u, &v)
        return v if y < z else u
    elif Loss is TweedieDeviance:
        return mild_power_difference(z, 1, p.power)
    elif Loss is TweedieDevianceBeyond:
        return power_difference(z, 1, p.power)
    elif Loss is LogLoss:
        u = plain_entropy(y, z)
        v = cross_entropy(y, z)
        return u if is_plain(y, z) else v
    elif Loss is GeneralRobust:
        return robust_power(p, y, z, way_of(p), &u)
    elif Loss is BinaryKL:
        # Two Poisson deviances, of y from z and of 1 - y from 1 - z: what they add to the
        # definition cancels. This is the one whose target is the smaller.
        r = z - y
        a = y if r > 0 else one - y
        deviances(a, absolute(r), one, &u, &v)
        return u
    staged[0] = False
    return 0


# Up to this |z| the first stage of gamma and Tweedie may be the plain product, the same to the bit.

cdef inline real tame_bound(const Loss* p, real tag) noexcept nogil:
    cdef double most = 80 if real is float else 700
    if Loss is Gamma:
        return <real>most
    elif Loss is Tweedie:
        return <real>(most / fabs(1 - p.power))
    return 0


cdef inline real tame_stage(const Loss* p, real y, real z) noexcept nogil:
    if Loss is Gamma:
        return y * exp(-z)
    elif Loss is Tweedie:
        return y * exp_mul_difference(1, p.power, z)
    return 0


cdef inline real second_stage(const Loss* p, real y, real z, real first) noexcept nogil:
    cdef real half = 0.5, one = 1, two = 2, r, a, u, v
    if (Loss is Logistic or Loss is Focal or Loss is SmoothedLogistic or Loss is SmoothedFocal
            or Loss is SigmoidFocal or Loss is NegativeBinomial):
        return log1p_unit(first)
    elif Loss is LinearExponential:                     # e^x - 1 - x, of positive terms
        a = absolute(first)
        v = exp_times(a, erlang_pair(a, &u))
        u = exp_tail(a)
        return u if first < 0 else v
    elif Loss is LogCosh:
        u = first * first / (two * (one + first))       # cosh(r) - 1
        v = half * first * (two + first)                # (e^-2|r| - 1) / 2
        return log1p(u if absolute(z - y) < one else v)
    elif Loss is Tweedie:
        return exp_mul_difference(2, p.power, z)
    elif Loss is TweedieDeviance or Loss is TweedieDevianceBeyond:
        return distance_of_logs(y, z)
    elif Loss is LogLoss:
        u = plain_curvature(y, z)
        v = cross_entropy_curvature(y, z)
        return u if is_plain(y, z) else v
    elif Loss is GeneralRobust:
        robust_power(p, y, z, way_of(p), &u)
        return u
    elif Loss is BinaryKL:
        r = z - y
        a = one - z if r > 0 else z
        deviances(a, absolute(r), one, &u, &v)
        return v
    return 0


cdef inline void pointwise(
        const Loss* p, real y, real z, real first, real second,
        real* value, real* grad, real* hess, real* curve) noexcept nogil:
    cdef real largest = FLT_MAX if real is float else DBL_MAX
    cdef real quarter = 0.25, half = 0.5, one = 1, two = 2, three = 3, four = 4
    cdef real log_of_two_pi = 1.8378770664093454836
    cdef real r, a, b, c, s, t, u, v, w, e, q, m

    if Loss is SquaredError:
        r = z - y
        s = <real>p.scale * r
        value[0] = s * r
        grad[0] = two * s
        hess[0] = <real>(2 * p.scale)
        curve[0] = hess[0]

    elif Loss is AbsoluteError:
        r = z - y
        value[0] = absolute(r)
        grad[0] = sign(r)
        hess[0] = 0
        curve[0] = 1

    elif Loss is Huber:
        r = z - y
        a = <real>p.delta
        c = -a if r < -a else r
        c = a if r > a else c
        v = c * (r - half * c)
        value[0] = 0 if c == 0 else v           # of delta = 0, where r may be infinite
        grad[0] = c
        hess[0] = 1 if absolute(r) <= a else <real>0
        u = a / absolute(r)
        curve[0] = 1 if absolute(r) <= a else u

    elif Loss is SmoothL1:
        r = z - y
        a = absolute(r)
        b = <real>p.beta
        s = r / b
        v = half * a * absolute(s)
        u = a - half * b
        value[0] = v if a < b else u
        t = sign(r)
        grad[0] = s if a < b else t
        w = <real>(1 / p.beta)
        hess[0] = w if a < b else <real>0
        u = one / (b if a < b else a)
        curve[0] = 1 if b == 0 else u         # that of the absolute error

    elif Loss is SmoothL2:
        r = z - y
        a = absolute(r)
        v = half * r * r
        u = a - one
        value[0] = v if a <= 1 else u
        s = sign(r)
        grad[0] = r if a <= 1 else s
        hess[0] = 1 if a <= 1 else <real>0
        u = one / a
        curve[0] = 1 if a <= 1 else u

    elif Loss is LogCosh:
        # a = |r|, m = e^-a - 1: tanh(a) = -m(2 + m) / (1 + (1 + m)^2)
        r = z - y
        a = absolute(r)
        m = first
        s = second + a
        value[0] = second if a < one else s
        t = m * (two + m)                   # e^-2a - 1
        w = -t / (two + t)
        grad[0] = -w if r < 0 else w
        e = exp_neg(-two * a)               # 1 + t has lost its digits where a is large
        c = one + e
        hess[0] = four * e / (c * c)
        u = w / a
        curve[0] = 1 if a == 0 else u

    elif Loss is Quantile:
        r = z - y
        a = <real>(1 - p.q)
        b = <real>-p.q
        s = a if r > 0 else b
        v = absolute(s * r)
        v = 0 if s == 0 else v
        u = 0 if r == 0 else s
        value[0] = or_nan(v, r)
        grad[0] = or_nan(u, r)
        hess[0] = 0
        curve[0] = 1

    elif Loss is Expectile:
        r = z - y
        a = <real>(1 - p.q)
        b = <real>p.q
        s = a if r > 0 else b
        v = s * r * r
        u = two * s * r
        v = 0 if s == 0 else v
        u = 0 if s == 0 else u
        value[0] = or_nan(v, r)
        grad[0] = or_nan(u, r)
        hess[0] = two * s
        curve[0] = hess[0]

    elif Loss is EpsilonInsensitive:
        r = z - y
        m = absolute(r) - <real>p.epsilon
        value[0] = 0 if m < 0 else m
        s = sign(r)
        s = s if m > 0 else <real>0
        grad[0] = or_nan(s, r)
        hess[0] = 0
        curve[0] = 1

    elif Loss is SquaredEpsilonInsensitive:
        r = z - y
        m = absolute(r) - <real>p.epsilon
        m = 0 if m < 0 else m
        value[0] = m * m
        s = two * m
        grad[0] = -s if r < 0 else s
        hess[0] = 2 if m > 0 else <real>0
        curve[0] = 2

    elif Loss is SquaredLogError:
        c = one + z
        v = first
        value[0] = v * v
        q = one / c
        grad[0] = two * v * q
        hess[0] = two * (one - v) * q * q
        curve[0] = two * q * q

    elif Loss is AbsolutePercentageError:
        r = z - y
        q = one / absolute(y)
        value[0] = absolute(r) / absolute(y)
        u = -q if r < 0 else q
        u = 0 if r == 0 else u
        grad[0] = or_nan(u, r)
        hess[0] = 0
        curve[0] = q

    elif Loss is SymmetricAbsolutePercentageError:
        # Halves, whose sum does not overflow, but not of small numbers, whose last bit they lose.
        # Between opposite signs the value is 2 throughout.
        c = half if absolute(y) + absolute(z) > 1 else one
        u = c * z
        v = c * y
        r = u - v
        a = absolute(v)
        s = a + absolute(u)
        v = two * (absolute(r) / s)
        value[0] = 0 if z == y else v
        t = sign(y) * sign(z)
        c = two * c
        u = two * (c * (a / s)) / s
        # at a residual of 0 they are 0, though u may be infinite
        w = u * sign(r)
        t = 0 if r == 0 else t
        w = w if t > 0 else <real>0
        grad[0] = or_nan(w, r)
        w = -(c * (u / s)) * sign(r) * sign(z)
        hess[0] = w if t > 0 else <real>0
        u = c / s
        curve[0] = 1 if s == 0 else u

    elif Loss is Poisson:
        e = exp(z)
        t = y * z
        t = 0 if y == 0 else t
        value[0] = e - t
        grad[0] = e - y
        hess[0] = e
        curve[0] = hess[0]

    elif Loss is NegativeBinomial:
        m = is_above_one(p, z)
        r = <real>(1 / p.alpha)
        a = y + r
        # log(1 + u) = log(u) + log(1 + 1/u), of whose terms y z cancels with that of the formula
        t = z * r + a * <real>p.log_alpha
        s = y * z
        s = 0 if y == 0 else -s
        value[0] = a * second + (t if m != 0 else s)
        # selects keep products out of fused operations, which not every loop would fuse alike
        e, q = first, one + first
        u, v = e * r, y * e
        u = r if m != 0 else u
        v = v if m != 0 else y
        grad[0] = (u - v) / q
        hess[0] = a * e / (one + e * (two + e))     # the square of q, rounded once
        curve[0] = u / q

    elif Loss is Gamma:
        t = first
        value[0] = z + t
        grad[0] = one - t
        hess[0] = t
        curve[0] = 1

    elif Loss is Tweedie:
        a = <real>(1 - p.power)
        b = <real>(2 - p.power)
        s = 0 if y == 0 else first
        # of two infinite terms the one of the greater exponent rules
        t = 0 if (s == <real>INFINITY) & (z < 0) else second
        s = 0 if (t == <real>INFINITY) & (z > 0) & (y == y) else s
        value[0] = t / b - s / a
        grad[0] = t - s
        hess[0] = b * t - a * s
        curve[0] = second

    elif Loss is PoissonDeviance:
        value[0] = two * first
        grad[0] = two * ((z - y) / z)
        hess[0] = two * ((y / z) / z)
        curve[0] = two / z

    elif Loss is GammaDeviance:
        value[0] = two * (first / (z * towards_one(y, z)))
        grad[0] = two * (((z - y) / z) / z)
        hess[0] = two * ((((two * y - z) / z) / z) / z)
        curve[0] = (two / z) / z

    elif Loss is HalfwayDeviance:
        # 4 (sqrt(y) - sqrt(z))^2 / sqrt(z), and near y = z as a product of quotients, where nothing
        # cancels
        s = root(z)
        t = root(y)
        q = one / s
        r = z - y
        u = y if y < z else z
        e = 8
        e = e * u
        m = (r if absolute(r) < e else y) * q
        # c: so that nothing overflows, or loses digits as a subnormal number
        if real is float:
            a = 2.0 ** 24
        else:
            a = 2.0 ** 53
        c = quarter if y > one else a
        v = ((four * c) * m) * (r / ((c * y + c * z) + ((two * c) * s) * t))
        u = four * ((m - t) + (s - t))
        u = <real>INFINITY if y > largest else u
        v = v if absolute(r) < e else u
        value[0] = 0 if y == z else v
        u = two * ((r / z) * q)
        grad[0] = 0 if y == z else u
        hess[0] = ((three * (y / z) - one) * q) / z
        curve[0] = two * (q / z)

    elif Loss is TweedieDeviance or Loss is TweedieDevianceBeyond:
        a = <real>(1 - p.power)
        b = <real>(2 - p.power)
        c = <real>p.power
        v = tweedie_gap(p.above, p.below, y < z, second)
        u = y if y < z else z
        w = z if y < z else y
        if Loss is TweedieDeviance:
            v = (w * first) * v
        else:
            e = 1 if p.power > 2 else <real>0   # of the type of the lanes, to compare with
            m = one if y < z else y
            m = m if e > 0 else one
            t = two * (z / b - y / a)           # the definition has max(y, 0)
            v = t if y <= 0 else v
            t = z - y
            t = t if e > 0 else y
            u = u if e > 0 else w
            v = (m * power_either(u, 1, 2, p.power, t > 0)) * v
        v = 0 if y == z else v                  # where the power is infinite, too
        value[0] = or_nan(v, z)
        t = two * (((z - y) / z) * first)
        grad[0] = 0 if y == z else t
        hess[0] = two * ((a + c * (y / z)) * first) / z
        curve[0] = two * (first / z)

    elif Loss is Cauchy:
        # where the square overflows, its logarithm does not: there the loss is 2 log|r| + constant
        r = z - y
        a = absolute(r)
        s = <real>(1 / (p.c * p.c))
        t = half * s * r * r
        u = log1p(a if t > largest else t)
        v = two * u + <real>p.log_scale
        value[0] = v if t > largest else u
        q = one / (one + t)
        v = s * (r * q)
        u = two / r
        grad[0] = u if t > largest else v
        v = s * ((one - t) * q) * q
        u = -half * u * u
        hess[0] = u if t > largest else v
        v = s * q
        curve[0] = -u if t > largest else v

    elif Loss is GemanMcClure:
        r = z - y
        s = <real>(1 / (p.c * p.c))
        t = quarter * s * r * r
        u = one + t
        q = one / u
        v = two * (t * q)
        value[0] = two if t > largest else v
        v = r * s * q * q
        grad[0] = 0 if t > largest else v
        v = ((s * ((one - three * t) / u)) / u) / u
        hess[0] = 0 if t > quarter * largest else v
        curve[0] = (s * q) * q

    elif Loss is Welsch:
        r = z - y
        s = <real>(1 / (p.c * p.c))
        t = half * s * r * r
        m = expm1(-t)
        value[0] = -m
        # where both are 0, though the factor of the exponential may be infinite
        e = 1500
        v = exp_product_times(-half * s * r, r, r * s)
        grad[0] = 0 if t > e else v
        v = exp_product_times(-half * s * r, r, s * (one - two * t))
        hess[0] = 0 if t > e else v
        v = exp_product_times(-half * s * r, r, s)
        curve[0] = 0 if t > e else v

    elif Loss is GeneralRobust:
        # first and second are (1 + u)^(alpha/2) and that less 1. Where the square overflows,
        # u^a / u is u^a b / r^2.
        r = z - y
        e = absolute(r)
        s = <real>(1 / (p.c * p.c))
        b = <real>fabs(p.alpha - 2)
        c = <real>(fabs(p.alpha - 2) / p.alpha)
        m = <real>(p.alpha - 1)
        u = s * r * r * <real>(1 / fabs(p.alpha - 2))
        v = c * second
        value[0] = e if (e > largest) & (c > 0) else v
        w = one + u
        t = largest if e > largest else e
        q = first / pick(u > largest, t, w)
        t = -b if r < 0 else b
        grad[0] = pick(u > largest, t, r * s) * q
        t = b * q
        v = pick(u > largest, t, one + m * u) / pick(u > largest, e, w)
        a = s * q
        curve[0] = pick(u > largest, v, a)
        t = m * v
        t = t if m != 0 else <real>0        # times infinity, too
        hess[0] = pick(u > largest, t, a * v)

    elif Loss is LinearExponential:
        r = <real>p.a
        value[0] = second
        u = r * expm1(first)
        v = exp_times(first, r) - r         # which overflows later
        grad[0] = v if first > 1 else u
        hess[0] = exp_times(first, r * r)
        curve[0] = hess[0]

    elif Loss is PoissonMean or Loss is PoissonMeanFull:
        t = y * log(z)
        t = 0 if y == 0 else t
        value[0] = z - t
        if Loss is PoissonMeanFull:         # the deviance, and what Stirling's term adds to y log y - y
            r = absolute(z - y)
            deviances(y if y < z else z, r, one, &u, &v)
            w = u if y < z else v
            w = w + half * (log(y) + log_of_two_pi)
            value[0] = w if y > 1 else z - t
        grad[0] = (z - y) / z
        hess[0] = (y / z) / z
        curve[0] = one / z

    elif Loss is PoissonFull:
        e = exp(z)
        t = y * z
        t = 0 if y == 0 else t
        value[0] = (e - t) + stirling(y)
        grad[0] = e - y
        hess[0] = e
        curve[0] = hess[0]

    elif Loss is KLDiv:
        v = y * (log(y) - z)
        value[0] = 0 if y == 0 else v
        grad[0] = or_nan(-y, z)
        hess[0] = 0
        curve[0] = y

    elif Loss is KLDivOfLogs:
        e = exp(y)
        v = exp_times(y, y - z)
        value[0] = 0 if e == 0 else v
        grad[0] = or_nan(-e, z)
        hess[0] = 0
        curve[0] = e

    elif Loss is SmoothedLogLoss:
        a = smoothed(y, p.smoothing)
        b = smoothed(one - y, p.smoothing)
        q = one - z
        value[0] = first
        u = a / z
        u = 0 if a == 0 else u
        v = b / q
        v = 0 if b == 0 else v
        grad[0] = v - u
        u = u / z
        v = v / q
        hess[0] = (0 if a == 0 else u) + (0 if b == 0 else v)
        curve[0] = one / absolute(z * q)

    elif Loss is FocalLogLoss:
        a = <real>p.positive * y
        b = <real>p.negative * (one - y)
        q = one - z
        focal_term(p.gamma, z, q, -log(z), &r, &s)
        focal_term(p.gamma, q, z, -log1p(-z), &t, &w)
        value[0] = first
        # not selects that might be folded into the sums, which would then round otherwise
        grad[0] = pick(a == 0, <real>0, a * r) - pick(b == 0, <real>0, b * t)
        hess[0] = pick(a == 0, <real>0, a * s) + pick(b == 0, <real>0, b * w)
        curve[0] = one / absolute(z * q)

    elif Loss is SigmoidFocal:
        # u, what the label lacks, is a mean of the sigmoids of z and -z; t is the logistic loss
        e = first
        q = one / (one + e)
        s = e * q
        a = one - y
        b = a if z < 0 else y
        c = y if z < 0 else a               # the label's weight that z speaks against
        t = absolute(z) * c
        t = second + (0 if c == 0 else t)
        u = c * q + b * s
        m = q * s
        r = (c - b) * m                     # its derivative, by |z|
        w = power_difference(u, p.gamma, 0)
        v = (<real>p.positive * y + <real>p.negative * a) * w
        value[0] = v * t
        w = c * q - b * s                   # the derivative of t
        e = <real>p.gamma * r / u
        e = 0 if r == 0 else e
        b = e * t
        t = 0 if e == 0 else b              # of an infinite t
        a = <real>(p.gamma - 1) * r / u
        a = 0 if r == 0 else a
        hess[0] = v * (((a + (s - q)) * t + two * (e * w)) + m)
        w = v * (t + w)
        grad[0] = -w if z < 0 else w
        curve[0] = v * m

    elif Loss is HingeEmbedding:
        m = <real>p.margin - z
        m = 0 if m < 0 else m
        v = z if y > 0 else m
        value[0] = or_nan(v, y)
        u = -1 if m > 0 else <real>0
        u = 1 if y > 0 else u
        grad[0] = or_nan(u, y + z)
        hess[0] = 0
        curve[0] = 1

    elif Loss is LogLoss:
        value[0] = first
        grad[0] = cross_entropy_slope(y, z)
        hess[0] = second
        curve[0] = one / absolute(z * (one - z))       # of a zero of either sign

    elif Loss is Logistic or Loss is SmoothedLogistic:
        # first is e^-|z|; the sigmoids of |z| and -|z| are q and e q
        e = first
        q = one / (one + e)
        a = y
        b = one - y
        if Loss is SmoothedLogistic:
            a = smoothed(a, p.smoothing)
            b = smoothed(b, p.smoothing)
        a = <real>p.pos_weight * a
        c = a if z < 0 else b               # the label's weight that z speaks against
        t = absolute(z) * c
        t = 0 if c == 0 else t
        value[0] = (a + b) * second + t
        s = e * q
        u = s if z < 0 else q               # the sigmoid of z
        v = q if z < 0 else s               # and of -z
        grad[0] = b * u - a * v
        u = one + e
        hess[0] = (a + b) * e / (u * u)
        curve[0] = hess[0]

    elif Loss is Focal or Loss is SmoothedFocal:
        # A label weighs s(-z)^gamma softplus(-z) for s the sigmoid, or its mirror image. Of
        # |z| and -|z|, "near" is the label that z speaks for, "far" the other.
        a = absolute(z)
        e = first                           # e^-|z|
        q = one / (one + e)                 # s(|z|)
        s = e * q                           # s(-|z|)
        c = <real>p.gamma
        t = second                          # softplus(-|z|)
        u = exp(-c * t)                     # s(|z|)^gamma
        v = u * exp_mul(-p.gamma, a if a < largest else largest)      # s(-|z|)^gamma
        m = y
        w = one - y
        if Loss is SmoothedFocal:
            m = smoothed(m, p.smoothing)
            w = smoothed(w, p.smoothing)
        m = <real>p.positive * m
        w = <real>p.negative * w
        b = w if z < 0 else m               # the weights of near
        m = m if z < 0 else w               # and far
        w = t + a
        r = u * w
        r = m * (u * w)
        value[0] = b * (v * t) + (0 if m == 0 else r)
        # the slopes of the two, and their second derivatives
        w = 0 if s == 0 else w              # 0 times infinity is 0 here
        r = b * v * (c * q * t + s) - m * u * (c * s * w + q)
        grad[0] = r if z < 0 else -r
        r = m * u * s * (c * (c * s - q) * w + (two * c + one) * q)
        u = (b * v + m * u) * (q * s)
        s = b * v * q * (c * (c * q - s) * t + (two * c + one) * s)
        hess[0] = s + (0 if m == 0 else r)
        curve[0] = (one + c) * (one + c) * u        # which the second derivative does not exceed

    elif Loss is Hinge:
        m = <real>p.margin - y * z
        value[0] = 0 if m < 0 else m
        u = -y if m > 0 else <real>0
        grad[0] = or_nan(u, m)
        hess[0] = 0
        curve[0] = 1

    elif Loss is SquaredHinge:
        m = one - y * z
        m = 0 if m < 0 else m
        value[0] = m * m
        grad[0] = -two * y * m
        hess[0] = 2 if m > 0 else <real>0
        curve[0] = 2

    elif Loss is ModifiedHuber:
        t = y * z
        m = one - t
        m = 0 if m < 0 else m
        v = m * m
        u = -four * t
        value[0] = u if t < -1 else v
        s = 2 if m > 2 else m
        grad[0] = -two * y * s
        c = 2 if m > 0 else <real>0
        hess[0] = 0 if t < -1 else c
        curve[0] = 2

    elif Loss is Exponential:
        e = exp(-y * z)
        value[0] = e
        grad[0] = -y * e
        hess[0] = e
        curve[0] = hess[0]

    elif Loss is Perceptron:
        t = -y * z
        value[0] = 0 if t < 0 else t
        u = -y if t > 0 else <real>0
        grad[0] = or_nan(u, t)
        hess[0] = 0
        curve[0] = 1

    elif Loss is BinaryKL:
        value[0] = first + second
        grad[0] = cross_entropy_slope(y, z)
        hess[0] = cross_entropy_curvature(y, z)
        curve[0] = one / absolute(z * (one - z))       # of a zero of either sign
