# The pointwise losses. Each is a struct of its parameters, an entry in Loss, and a branch in
# pointwise(), which writes value, first and second derivative by z of one (target y, prediction
# z). Everything else follows: dtypes, instruction sets, loops, weights, reductions.
#
# Rules for a branch: no calls or memory accesses inside one arm of a select (both arms are
# computed), no "and"/"or" (they branch: use & and |), constants as <real>0.5 (a bare 0.5 would turn float32 lanes into double), finite
# results at y = z = 1. NaN inputs need no care: evaluate() sees to them.

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
cdef struct Gamma:
    double _
cdef struct Tweedie:
    double power
cdef struct PoissonDeviance:
    double _
cdef struct GammaDeviance:
    double _
cdef struct TweedieDeviance:
    double power
cdef struct Cauchy:
    double c
cdef struct GemanMcClure:
    double c
cdef struct Welsch:
    double c
cdef struct GeneralRobust:
    double alpha
    double c
cdef struct LogLoss:
    double _
cdef struct Logistic:
    double pos_weight
cdef struct Focal:
    double gamma
    double positive
    double negative
cdef struct Hinge:
    double _
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
    Gamma
    Tweedie
    PoissonDeviance
    GammaDeviance
    TweedieDeviance
    Cauchy
    GemanMcClure
    Welsch
    GeneralRobust
    LogLoss
    Logistic
    Focal
    Hinge
    SquaredHinge
    ModifiedHuber
    Exponential
    Perceptron
    BinaryKL


cdef inline real sign(real r) noexcept nogil:
    cdef real s = 1 if r > 0 else <real>0
    return -1 if r < 0 else s


cdef inline void deviance(real t, real* low, real* high) noexcept nogil:
    """low = t - log(1 + t), high = (1 + t) log(1 + t) - t, without cancellation for t >= 0.

    They are the unit deviances of Poisson and Gamma in terms of the relative distance of y and z.
    """
    cdef real m = log1pmx(t)
    low[0] = -m
    high[0] = m + t * log1p(t)


cdef inline real poisson_deviance(real y, real z, real distance) noexcept nogil:
    """y log(y / z) - y + z, never negative; distance = |y - z|."""
    cdef real low, high, least = y if y < z else z, most = z if y < z else y
    cdef real inner, outer, v
    deviance(distance / least, &low, &high)
    inner = y * low
    outer = z * high
    v = inner if y < z else outer
    v = z if least == 0 else v              # y = 0: the logarithm's term vanishes
    v = 0 if distance == 0 else v
    # z = 0 < y: infinite
    return <real>INFINITY if (z == 0) & (most > 0) else v


cdef inline void odds_derivatives(real y, real p, real* grad, real* hess) noexcept nogil:
    """Derivatives by p of -y log(p) - (1 - y) log(1 - p)."""
    cdef real n = 1 - p, a = y / p, b = (1 - y) / n, a2 = a / p, b2 = b / n
    cdef real g = (p - y) / (p * n), g0 = 1 / n, g1 = -1 / p
    a2 = 0 if y == 0 else a2
    b2 = 0 if y == 1 else b2
    g = g0 if y == 0 else g
    grad[0] = g1 if y == 1 else g
    hess[0] = a2 + b2


cdef inline void pointwise(
        const Loss* p, real y, real z, real* value, real* grad, real* hess) noexcept nogil:
    cdef real r, a, b, c, s, t, u, v, w, e, q, m

    if Loss is SquaredError:
        r = z - y
        s = <real>p.scale * r
        value[0] = s * r
        grad[0] = 2 * s
        hess[0] = <real>(2 * p.scale)

    elif Loss is AbsoluteError:
        r = z - y
        value[0] = absolute(r)
        grad[0] = sign(r)
        hess[0] = 0

    elif Loss is Huber:
        r = z - y
        a = <real>p.delta
        c = -a if r < -a else r
        c = a if r > a else c
        value[0] = c * (r - <real>0.5 * c)
        grad[0] = c
        hess[0] = 1 if absolute(r) <= a else <real>0

    elif Loss is SmoothL1:
        r = z - y
        a = absolute(r)
        b = <real>p.beta
        s = r / b
        v = <real>0.5 * a * absolute(s)
        u = a - <real>0.5 * b
        value[0] = v if a < b else u
        t = sign(r)
        grad[0] = s if a < b else t
        w = <real>(1 / p.beta)
        hess[0] = w if a < b else <real>0

    elif Loss is SmoothL2:
        r = z - y
        a = absolute(r)
        v = <real>0.5 * r * r
        u = a - 1
        value[0] = v if a <= 1 else u
        s = sign(r)
        grad[0] = r if a <= 1 else s
        hess[0] = 1 if a <= 1 else <real>0

    elif Loss is LogCosh:
        # a = |r|, m = e^-a - 1: cosh(r) - 1 = m^2 / 2(1 + m), tanh(a) = -m(2 + m) / (1 + (1 + m)^2)
        r = z - y
        a = absolute(r)
        m = expm1(-a)
        e = 1 + m
        t = m * (2 + m)                     # e^-2a - 1
        u = m * m / (2 * e)
        c = <real>0.5 * t
        v = log1p(u if a < 1 else c)
        s = v + a
        value[0] = v if a < 1 else s
        q = 1 / (2 + t)
        w = -t * q
        grad[0] = -w if r < 0 else w
        e = exp_neg(-a)                      # 1 + m has lost its digits where a is large
        w = 2 * e * q
        hess[0] = w * w

    elif Loss is Quantile:
        r = z - y
        a = <real>(1 - p.q)
        b = <real>-p.q
        s = a if r > 0 else b
        value[0] = absolute(s * r)
        grad[0] = 0 if r == 0 else s
        hess[0] = 0

    elif Loss is Expectile:
        r = z - y
        a = <real>(1 - p.q)
        b = <real>p.q
        s = a if r > 0 else b
        value[0] = s * r * r
        grad[0] = 2 * s * r
        hess[0] = 2 * s

    elif Loss is EpsilonInsensitive:
        r = z - y
        m = absolute(r) - <real>p.epsilon
        value[0] = m if m > 0 else <real>0
        s = sign(r)
        grad[0] = s if m > 0 else <real>0
        hess[0] = 0

    elif Loss is SquaredEpsilonInsensitive:
        r = z - y
        m = absolute(r) - <real>p.epsilon
        m = m if m > 0 else <real>0
        value[0] = m * m
        s = 2 * m
        grad[0] = -s if r < 0 else s
        hess[0] = 2 if m > 0 else <real>0

    elif Loss is SquaredLogError:
        # Near y the difference of the logarithms is log1p of the relative distance.
        b = 1 + y
        c = 1 + z
        u = (z - y) / b
        a = absolute(u)
        v = log1p(u if a < <real>0.5 else z)
        w = v - log1p(y)
        v = v if a < <real>0.5 else w
        value[0] = v * v
        q = 1 / c
        grad[0] = 2 * v * q
        hess[0] = 2 * (1 - v) * q * q

    elif Loss is AbsolutePercentageError:
        r = z - y
        q = 1 / absolute(y)
        value[0] = absolute(r) / absolute(y)
        grad[0] = -q if r < 0 else q
        grad[0] = 0 if r == 0 else grad[0]
        hess[0] = 0

    elif Loss is SymmetricAbsolutePercentageError:
        # Between opposite signs the value is 2 throughout.
        r = z - y
        a = absolute(y)
        s = a + absolute(z)
        q = 1 / s
        v = 2 * absolute(r) / s
        value[0] = 0 if r == 0 else v
        t = sign(y) * sign(z)
        u = 4 * (a * q) * q
        u = u if t > 0 else <real>0
        w = -2 * u * q * sign(r) * sign(z)
        grad[0] = u * sign(r)
        hess[0] = w if t > 0 else <real>0

    elif Loss is Poisson:
        e = exp(z)
        t = y * z
        t = 0 if y == 0 else t
        value[0] = e - t
        grad[0] = e - y
        hess[0] = e

    elif Loss is Gamma:
        t = y * exp(-z)
        value[0] = z + t
        grad[0] = 1 - t
        hess[0] = t

    elif Loss is Tweedie:
        a = <real>(1 - p.power)
        b = <real>(2 - p.power)
        s = y * exp_mul(a, z)
        s = 0 if y == 0 else s
        t = exp_mul(b, z)
        value[0] = t / b - s / a
        grad[0] = t - s
        hess[0] = b * t - a * s

    elif Loss is PoissonDeviance:
        r = z - y
        value[0] = 2 * poisson_deviance(y, z, absolute(r))
        grad[0] = 2 * (r / z)
        hess[0] = 2 * ((y / z) / z)

    elif Loss is GammaDeviance:
        r = z - y
        m = y if y < z else z
        t = absolute(r) / m
        deviance(t, &a, &b)
        c = b / (1 + t)
        value[0] = 2 * (c if y < z else a)
        q = 1 / z
        grad[0] = 2 * (r * q) * q
        hess[0] = 2 * ((2 * y - z) * q) * q * q

    elif Loss is TweedieDeviance:
        a = <real>(1 - p.power)
        b = <real>(2 - p.power)
        c = <real>p.power
        s = power(z, a)
        t = power(absolute(y), b)
        t = t if y > 0 else <real>0
        value[0] = 2 * (t / (a * b) - y * s / a + z * s / b)
        q = s / z
        grad[0] = 2 * ((z - y) * q)
        hess[0] = 2 * ((a * z + c * y) * q) / z

    elif Loss is Cauchy:
        r = z - y
        s = <real>(1 / (p.c * p.c))
        t = <real>0.5 * s * r * r
        q = 1 / (1 + t)
        value[0] = log1p(t)
        grad[0] = r * s * q
        hess[0] = s * (1 - t) * q * q

    elif Loss is GemanMcClure:
        r = z - y
        s = <real>(1 / (p.c * p.c))
        t = <real>0.25 * s * r * r
        q = 1 / (1 + t)
        value[0] = 2 * t * q
        grad[0] = r * s * q * q
        hess[0] = s * (1 - 3 * t) * q * q * q

    elif Loss is Welsch:
        r = z - y
        s = <real>(1 / (p.c * p.c))
        t = <real>0.5 * s * r * r
        m = expm1(-t)
        e = exp_mul(<real>-0.5 * s * r, r)
        value[0] = -m
        grad[0] = r * s * e
        hess[0] = s * (1 - 2 * t) * e

    elif Loss is GeneralRobust:
        # b = |alpha - 2|; alpha = 2, 0, -2 and -inf have kernels of their own.
        r = z - y
        s = <real>(1 / (p.c * p.c))
        b = <real>fabs(p.alpha - 2)
        a = <real>(0.5 * p.alpha)
        c = <real>(fabs(p.alpha - 2) / p.alpha)
        m = <real>((p.alpha - 2) / fabs(p.alpha - 2))
        t = s * r * r
        u = t / b
        q = pow1p(u, a - 1)
        value[0] = c * pow1p_m1(u, a)
        grad[0] = r * s * q
        hess[0] = s * q * ((1 + u + m * t) / (1 + u))

    elif Loss is LogLoss:
        t = y * log(z)
        t = 0 if y == 0 else t
        u = (1 - y) * log1p(-z)
        u = 0 if y == 1 else u
        value[0] = -(t + u)
        odds_derivatives(y, z, grad, hess)

    elif Loss is Logistic:
        # e = e^-|z|; the sigmoids of |z| and -|z| are q and e q
        e = exp_neg(-absolute(z))
        q = 1 / (1 + e)
        a = <real>p.pos_weight * y
        b = 1 - y
        c = a if z < 0 else b               # the label's weight that z speaks against
        t = absolute(z) * c
        t = 0 if c == 0 else t
        value[0] = (a + b) * log1p_unit(e) + t
        s = e * q
        u = b * s - a * q
        v = b * q - a * s
        grad[0] = u if z < 0 else v
        hess[0] = (a + b) * s * q

    elif Loss is Focal:
        # For one label: f(z) = s(-z)^gamma softplus(-z), s the sigmoid; the other mirrors it.
        focal(<real>p.gamma, z, &a, &b, &c)
        focal(<real>p.gamma, -z, &u, &v, &w)
        s = <real>p.positive * y
        t = <real>p.negative * (1 - y)
        a = s * a
        u = t * u
        a = 0 if s == 0 else a
        u = 0 if t == 0 else u
        value[0] = a + u
        grad[0] = s * b - t * v
        hess[0] = s * c + t * w

    elif Loss is Hinge:
        m = 1 - y * z
        value[0] = m if m > 0 else <real>0
        grad[0] = -y if m > 0 else <real>0
        hess[0] = 0

    elif Loss is SquaredHinge:
        m = 1 - y * z
        m = m if m > 0 else <real>0
        value[0] = m * m
        grad[0] = -2 * y * m
        hess[0] = 2 if m > 0 else <real>0

    elif Loss is ModifiedHuber:
        t = y * z
        m = 1 - t
        m = m if m > 0 else <real>0
        v = m * m
        u = -4 * t
        value[0] = u if t < -1 else v
        s = 2 if m > 2 else m
        grad[0] = -2 * y * s
        c = 2 if m > 0 else <real>0
        hess[0] = 0 if t < -1 else c

    elif Loss is Exponential:
        e = exp(-y * z)
        value[0] = e
        grad[0] = -y * e
        hess[0] = e

    elif Loss is Perceptron:
        t = -y * z
        value[0] = t if t > 0 else <real>0
        grad[0] = -y if t > 0 else <real>0
        hess[0] = 0

    elif Loss is BinaryKL:
        # Two Poisson deviances: what they add to the definition cancels between them.
        a = absolute(z - y)
        value[0] = poisson_deviance(y, z, a) + poisson_deviance(1 - y, 1 - z, a)
        odds_derivatives(y, z, grad, hess)


cdef inline void focal(real gamma, real z, real* value, real* grad, real* hess) noexcept nogil:
    """f = s(-z)^gamma softplus(-z) and its derivatives, s the sigmoid."""
    cdef real largest = FLT_MAX if real is float else DBL_MAX
    cdef real a = absolute(z), e = exp_neg(-a), q = 1 / (1 + e), tail = log1p_unit(e), s = e * q
    cdef real up = z if z > 0 else <real>0, down = 0 if z > 0 else a
    cdef real softplus = tail + down        # of -z
    cdef real p = q if z > 0 else s, n = s if z > 0 else q
    # n^gamma = exp(-gamma softplus(z)); the cap keeps 0 * inf out of gamma = 0
    cdef real m = exp_mul(-gamma, largest if up > largest else up) * exp(-gamma * tail)
    value[0] = m * softplus
    grad[0] = -m * (gamma * p * softplus + n)
    hess[0] = m * p * (gamma * (gamma * p - n) * softplus + (2 * gamma + 1) * n)
