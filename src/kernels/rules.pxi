# The update rules of the optimizers. Each is a struct of its options and of the constants of a
# step, an entry in Rule, and two branches: prepare(), which computes those constants in double, and
# advance(), which updates one parameter and up to four numbers of its state. Everything else
# follows: dtypes, instruction sets, loops, clipping, threads.
#
# The rules for a branch of advance() are those of pointwise.pxi. Parameters that are 0 need no
# branch either: what they multiply is finite.

# Of each struct: first the options, which the class of the same name sets, behind the line the
# constants. A state's name is that of the class, in the order a, b, c, e.

cdef struct SGD:
    double momentum, dampening, nesterov, weight_decay, decoupled_weight_decay, l1, l2
    # ----
    double lr, decay, lost, fresh, threshold, keep, of_grad, of_buffer
cdef struct Momentum:
    double momentum, weight_decay, decoupled_weight_decay
    # ----
    double lr, decay, lost
cdef struct NAG:
    double momentum, weight_decay, decoupled_weight_decay
    # ----
    double lr, decay, lost
cdef struct ASGD:
    double lambd, alpha, t0, weight_decay, eta, mu
    # ----
    double lr, keep, fresh
cdef struct AdaGrad:
    double lr_decay, weight_decay, decoupled_weight_decay, eps, eps_root, l1, l2
    # ----
    double lr, decay, lost
cdef struct RMSprop:
    double alpha, eps, eps_root, weight_decay, decoupled_weight_decay, momentum, centered
    # ----
    double lr, decay, lost
cdef struct Adadelta:
    double rho, eps, weight_decay, decoupled_weight_decay
    # ----
    double lr, decay, lost
cdef struct Rprop:
    double eta_minus, eta_plus, least, most
    # ----
    double lr
cdef struct Adam:
    double beta1, beta2, eps, eps_root, eps_hat, weight_decay, decoupled_weight_decay, amsgrad
    # ----
    double step, correction, inside, outside, lost, decay
cdef struct Adamax:
    double beta1, beta2, eps, weight_decay, decoupled_weight_decay
    # ----
    double step, decay, lost
cdef struct NAdam:
    double beta1, beta2, eps, eps_root, weight_decay, decoupled_weight_decay
    double momentum_decay, mu_product
    # ----
    double of_grad, of_average, correction, inside, decay, lost
cdef struct RAdam:
    double beta1, beta2, eps, eps_root, eps_hat, weight_decay, decoupled_weight_decay
    # ----
    double step, of_root, inside, offset, decay, lost
cdef struct Adan:
    double beta1, beta2, beta3, eps, eps_root, weight_decay, no_prox
    # ----
    double seen, of_average, of_change, correction, inside, keep, shrink
cdef struct Lion:
    double beta1, beta2, weight_decay
    # ----
    double lr, lost
cdef struct FTRL:
    double lr_power, beta, l1, l2, l2_shrinkage
    # ----
    double lr
cdef struct AdaptiveGradient:
    double beta, gamma, eps
    # ----
    double lr
cdef struct Muon:
    double weight_decay
    # ----
    double lr, keep
cdef struct ScheduleFreeSGD:
    double momentum, weight_decay, r, weight_lr_power, weight_sum, lr_max
    # ----
    double lr, fresh, of_step
cdef struct ScheduleFreeAdamW:
    double beta1, beta2, eps, weight_decay, r, weight_lr_power, weight_sum, lr_max
    # ----
    double lr, fresh, of_step, correction
cdef struct Adafactor:
    double beta2_decay, eps1, eps2, d, weight_decay
    # ----
    double fresh, rate, keep
cdef struct LAMB:
    double beta1, beta2, eps, eps_root, weight_decay
    # ----
    double lr, of_average, correction, inside

ctypedef fused Rule:
    SGD
    Momentum
    NAG
    ASGD
    AdaGrad
    RMSprop
    Adadelta
    Rprop
    Adam
    Adamax
    NAdam
    RAdam
    Adan
    Lion
    FTRL
    AdaptiveGradient
    Muon
    ScheduleFreeSGD
    ScheduleFreeAdamW
    LAMB
    Adafactor

# those whose weight decay goes by way of the gradient, or apart from it
ctypedef fused Decaying:
    SGD
    Momentum
    NAG
    AdaGrad
    RMSprop
    Adadelta
    Adam
    Adamax
    NAdam
    RAdam


cdef inline double unbias(double beta, double t) noexcept nogil:
    """1 - beta^t, without cancellation"""
    return -expm1(t * log(beta))


cdef inline double power_of(double x, double y) noexcept nogil:
    return power_difference(x, y, 0)


cdef inline void split_decay(Decaying* r, double lr) noexcept nogil:
    r.decay = 0 if r.decoupled_weight_decay != 0 else r.weight_decay
    r.lost = lr * r.weight_decay if r.decoupled_weight_decay != 0 else 0


cdef inline double next_weight(
        double t, double lr, double r, double power, double* lr_max, double* weight_sum
        ) noexcept nogil:
    """The part that step t takes in an average weighted by t^r lr_max^power. The sum of the weights
    is in units of the last one, so that it never overflows."""
    cdef double before = power_of((t - 1) / t, r)
    if lr > lr_max[0]:
        before *= power_of(lr_max[0] / lr, power)
        lr_max[0] = lr
    weight_sum[0] = 1 + weight_sum[0] * before
    return 1 / weight_sum[0]


cdef void prepare(Rule* r, double lr, double t) noexcept nogil:
    """Compute the constants of step t = 1, 2, ..."""
    cdef double mu, next_mu, first, second, bound, length
    if Rule in Decaying:
        split_decay(r, lr)
    if Rule is SGD:
        r.lr = lr
        r.fresh = 1 if t == 1 else 1 - r.dampening
        r.of_grad = 1 if r.nesterov != 0 else 0
        r.of_buffer = r.momentum if r.nesterov != 0 else 1
        r.threshold = lr * r.l1
        r.keep = 1 / (1 + lr * r.l2)

    elif Rule is AdaGrad:
        r.lr = lr / (1 + (t - 1) * r.lr_decay)

    elif Rule is Adam:
        r.step = lr / unbias(r.beta1, t)
        second = unbias(r.beta2, t)
        r.correction = 1 / sqrt(second)
        r.inside = r.eps_root * second
        r.outside = r.eps * r.correction if r.eps_hat != 0 else r.eps

    elif Rule is Adamax:
        r.step = lr / unbias(r.beta1, t)

    elif Rule is NAdam:
        mu = r.beta1 * (1 - 0.5 * exp(t * r.momentum_decay * log(0.96)))
        next_mu = r.beta1 * (1 - 0.5 * exp((t + 1) * r.momentum_decay * log(0.96)))
        r.mu_product *= mu
        r.of_grad = lr * (1 - mu) / (1 - r.mu_product)
        r.of_average = lr * next_mu / (1 - r.mu_product * next_mu)
        second = unbias(r.beta2, t)
        r.correction = 1 / sqrt(second)
        r.inside = r.eps_root * second

    elif Rule is RAdam:
        # (of_root, offset) make the denominator: the root of the average, or 1
        first = unbias(r.beta1, t)
        second = unbias(r.beta2, t)
        bound = 2 / (1 - r.beta2) - 1
        length = bound - 2 * t * (1 - second) / second
        r.step = lr / first
        r.inside = r.eps_root * second
        r.of_root = 0
        r.offset = 1
        if length > 5:
            r.step *= sqrt(
                second * ((length - 4) * (length - 2) * bound)
                / ((bound - 4) * (bound - 2) * length))
            r.of_root = 1
            r.offset = r.eps if r.eps_hat != 0 else r.eps * sqrt(second)

    elif Rule is Adan:
        r.seen = 0 if t == 1 else 1
        r.of_average = lr / unbias(r.beta1, t)
        r.of_change = lr * r.beta2 / unbias(r.beta2, t)
        second = unbias(r.beta3, t)
        r.correction = 1 / sqrt(second)
        r.inside = r.eps_root * second
        r.keep = 1 - lr * r.weight_decay if r.no_prox != 0 else 1
        r.shrink = 1 if r.no_prox != 0 else 1 / (1 + lr * r.weight_decay)

    elif Rule is ASGD:
        r.lr = lr if t == 1 else r.eta
        r.keep = 1 - r.lambd * r.lr
        r.fresh = r.mu
        r.eta = lr / power_of(1 + r.lambd * lr * t, r.alpha)
        r.mu = 1 / (t - r.t0) if t - r.t0 > 1 else 1

    elif Rule is ScheduleFreeSGD:
        r.lr = lr
        r.fresh = next_weight(t, lr, r.r, r.weight_lr_power, &r.lr_max, &r.weight_sum)
        r.of_step = lr * (1 - r.momentum + r.momentum * r.fresh)

    elif Rule is ScheduleFreeAdamW:
        r.lr = lr
        r.fresh = next_weight(t, lr, r.r, r.weight_lr_power, &r.lr_max, &r.weight_sum)
        r.of_step = lr * (1 - r.beta1 + r.beta1 * r.fresh)
        r.correction = 1 / sqrt(unbias(r.beta2, t))

    elif Rule is LAMB:
        r.lr = lr
        r.of_average = 1 / unbias(r.beta1, t)
        second = unbias(r.beta2, t)
        r.correction = 1 / sqrt(second)
        r.inside = r.eps_root * second

    elif Rule is Muon:
        r.lr = lr
        r.keep = 1 - lr * r.weight_decay

    elif Rule is Adafactor:
        r.fresh = exp(r.beta2_decay * log(t))
        r.rate = lr if lr * sqrt(t) < 1 else 1 / sqrt(t)
        r.keep = 1 - lr * r.weight_decay

    elif Rule is Lion:
        r.lr = lr
        r.lost = lr * r.weight_decay

    else:
        r.lr = lr


cdef inline real shrunk(real w, real threshold) noexcept nogil:
    """w moved towards 0 by threshold, and not beyond"""
    cdef real m = absolute(w) - threshold
    cdef real s = -m if w < 0 else m
    return 0 if m <= 0 else s


cdef inline void average(real* state, double beta, real x) noexcept nogil:
    state[0] = <real>beta * state[0] + <real>(1 - beta) * x


cdef inline real direction(const LAMB* r, real w, real a, real b) noexcept nogil:
    return (<real>r.of_average * a) / (root(b + <real>r.inside) * <real>r.correction + <real>r.eps) + (
        <real>r.weight_decay * w)


cdef inline double least(const Adafactor* r, real x) noexcept nogil:
    """What x is divided by at least: above 0 in its type"""
    if real is float:
        return 2.0 ** -23 if r.eps1 < 0 else max(r.eps1, 2.0 ** -126)
    else:
        return 2.0 ** -52 if r.eps1 < 0 else r.eps1


cdef inline real over_root(const Adafactor* r, real g, real v) noexcept nogil:
    cdef real d = root(v), low = <real>least(r, g)
    d = low if d < low else d
    return g / d


cdef inline real rooted(const FTRL* r, bint by_power, real n) noexcept nogil:
    """n^-lr_power"""
    if by_power:
        return power_difference(n, 0, r.lr_power)
    else:
        return root(n)


cdef inline void advance(
        const Rule* r, bint one, bint other, real trust, real g, real* p, real* a, real* b,
        real* c, real* e) noexcept nogil:
    """Update a parameter and its state; one and other are what update() makes of the options."""
    cdef real w = p[0], lr, d, u, v, x, sigma
    cdef bint up, down

    if Rule in Decaying:
        g = g + <real>r.decay * w
        w = w - <real>r.lost * w

    if Rule is SGD:
        if one:
            a[0] = <real>r.momentum * a[0] + <real>r.fresh * g
            g = <real>r.of_grad * g + <real>r.of_buffer * a[0]
        w = w - <real>r.lr * g
        if other:
            w = shrunk(w, <real>r.threshold) * <real>r.keep

    elif Rule is Momentum:
        a[0] = <real>r.momentum * a[0] - <real>r.lr * g
        w = w + a[0]

    elif Rule is NAG:
        a[0] = <real>r.momentum * a[0] - <real>r.lr * g
        w = w + (<real>r.momentum * a[0] - <real>r.lr * g)

    elif Rule is AdaGrad:
        a[0] = a[0] + g * g
        lr = <real>r.lr / (root(a[0] + <real>r.eps_root) + <real>r.eps)
        w = w - lr * g
        if other:
            w = shrunk(w, lr * <real>r.l1) / (<real>1 + lr * <real>r.l2)

    elif Rule is RMSprop:
        average(a, r.alpha, g * g)
        v = a[0]
        if one:
            average(c, r.alpha, g)
            v = v - c[0] * c[0]
            v = 0 if v < 0 else v
        d = root(v + <real>r.eps_root) + <real>r.eps
        if other:
            b[0] = <real>r.momentum * b[0] + g / d
            w = w - <real>r.lr * b[0]
        else:
            w = w - (<real>r.lr * g) / d

    elif Rule is Rprop:
        up = ((g > 0) & (a[0] > 0)) | ((g < 0) & (a[0] < 0))
        down = ((g > 0) & (a[0] < 0)) | ((g < 0) & (a[0] > 0))
        u = <real>r.eta_plus * b[0]
        v = <real>r.eta_minus * b[0]
        u = u if up else b[0]
        u = v if down else u
        u = <real>r.least if u < <real>r.least else u
        u = <real>r.most if u > <real>r.most else u
        b[0] = u
        g = 0 if down else g
        a[0] = g
        x = u if g > 0 else g               # 0 and NaN stay what they are
        x = -u if g < 0 else x
        w = w - x

    elif Rule is ASGD:
        g = g + <real>r.weight_decay * w
        w = <real>r.keep * w - <real>r.lr * g
        a[0] = <real>(1 - r.fresh) * a[0] + <real>r.fresh * w

    elif Rule is Adadelta:
        average(a, r.rho, g * g)
        d = root(b[0] + <real>r.eps) / root(a[0] + <real>r.eps) * g
        average(b, r.rho, d * d)
        w = w - <real>r.lr * d

    elif Rule is Adam:
        average(a, r.beta1, g)
        average(b, r.beta2, g * g)
        v = b[0]
        if one:
            c[0] = c[0] if c[0] > v else v
            v = c[0]
        d = root(v + <real>r.inside) * <real>r.correction + <real>r.outside
        w = w - (<real>r.step * a[0]) / d

    elif Rule is Adamax:
        average(a, r.beta1, g)
        u = <real>r.beta2 * b[0]
        v = absolute(g) + <real>r.eps
        b[0] = u if u > v else v
        w = w - (<real>r.step * a[0]) / b[0]

    elif Rule is NAdam:
        average(a, r.beta1, g)
        average(b, r.beta2, g * g)
        d = root(b[0] + <real>r.inside) * <real>r.correction + <real>r.eps
        w = w - (<real>r.of_grad * g + <real>r.of_average * a[0]) / d

    elif Rule is RAdam:
        average(a, r.beta1, g)
        average(b, r.beta2, g * g)
        d = root(b[0] + <real>r.inside) * <real>r.of_root + <real>r.offset
        w = w - (<real>r.step * a[0]) / d

    elif Rule is Adan:
        u = <real>r.seen * (g - e[0])
        x = g + <real>r.beta2 * u
        average(a, r.beta1, g)
        average(b, r.beta2, u)
        average(c, r.beta3, x * x)
        e[0] = g
        d = root(c[0] + <real>r.inside) * <real>r.correction + <real>r.eps
        u = (<real>r.of_average * a[0] + <real>r.of_change * b[0]) / d
        w = (<real>r.keep * w - u) * <real>r.shrink

    elif Rule is Lion:
        x = <real>r.beta1 * a[0] + <real>(1 - r.beta1) * g
        u = <real>r.lr if x > 0 else x      # 0 and NaN stay what they are
        u = -<real>r.lr if x < 0 else u
        w = w - <real>r.lost * w - u
        average(a, r.beta2, g)

    elif Rule is FTRL:
        x = rooted(r, one, b[0])
        b[0] = b[0] + g * g
        v = rooted(r, one, b[0])
        sigma = (v - x) / <real>r.lr
        a[0] = a[0] + (g + <real>r.l2_shrinkage * w - sigma * w)
        d = (<real>r.beta + v) / <real>r.lr + <real>r.l2
        w = shrunk(-a[0], <real>r.l1) / d

    elif Rule is AdaptiveGradient:
        average(a, r.beta, g)
        average(b, r.gamma, a[0] * a[0])
        w = w - (<real>r.lr * a[0]) / (root(b[0]) + <real>r.eps)

    elif Rule is Muon:
        w = <real>r.keep * w - <real>r.lr * trust * g

    elif Rule is ScheduleFreeSGD:
        g = g + <real>r.weight_decay * w
        w = w + <real>r.fresh * (a[0] - w) - <real>r.of_step * g
        a[0] = a[0] - <real>r.lr * g

    elif Rule is ScheduleFreeAdamW:
        average(b, r.beta2, g * g)
        u = g / (root(b[0]) * <real>r.correction + <real>r.eps) + <real>r.weight_decay * w
        w = w + <real>r.fresh * (a[0] - w) - <real>r.of_step * u
        a[0] = a[0] - <real>r.lr * u

    elif Rule is LAMB:
        w = w - <real>r.lr * trust * direction(r, w, a[0], b[0])

    elif Rule is Adafactor:
        w = <real>r.keep * w - trust * over_root(r, g, a[0])

    p[0] = w


cdef inline bint uses(const Rule* r, int state, bint one, bint other) noexcept nogil:
    """Whether the rule has this state."""
    if Rule is SGD:
        return one and state == 0
    elif Rule is Momentum or Rule is NAG or Rule is ASGD or Rule is AdaGrad or Rule is Lion or (
            Rule is ScheduleFreeSGD or Rule is Adafactor):
        return state == 0
    elif Rule is Muon:          # whose momentum makes the direction that it is given
        return False
    elif Rule is Adan:
        return True
    elif Rule is RMSprop:
        return state == 0 or (other and state == 1) or (one and state == 2)
    elif Rule is Adam:
        return state < 2 or (one and state == 2)
    else:
        return state < 2


cdef inline real clipped(real g, real factor, real bound) noexcept nogil:
    g = g * factor
    g = -bound if g < -bound else g
    return bound if g > bound else g


# State in memory: in the type of the parameters, or in bfloat16 (see formats.h).
ctypedef fused held:
    float
    double
    uint16_t


cdef inline real fetched(const held* state, Py_ssize_t i, real like) noexcept nogil:
    if held is uint16_t:
        return fl_from_bfloat16(state[i])
    else:
        return <real>state[i]


cdef inline void keep(held* state, Py_ssize_t i, real x, uint32_t random) noexcept nogil:
    if held is uint16_t:
        state[i] = fl_to_bfloat16_at_random(x, random)
    else:
        state[i] = <held>x


cdef enum:
    STRIP = 64                  # elements between two looks ahead
    AHEAD = 1024                # how far these are


cdef inline void look_ahead(const void* array, Py_ssize_t start, Py_ssize_t size) noexcept nogil:
    """Ask for the memory of a later strip: of five arrays at once the processor asks too late."""
    fl_prefetch(array, (start + AHEAD) * size, STRIP * size)


cdef inline void sweep(
        const Rule* rule, bint one, bint other, const Clip* clip, real* restrict p,
        const real* restrict g, held* restrict a, held* restrict b, held* restrict c,
        held* restrict e, Py_ssize_t n) noexcept nogil:
    cdef Rule r = rule[0]
    cdef real x, w, factor = <real>clip.factor, bound = <real>clip.bound
    cdef real trust = <real>clip.trust
    cdef real u = 0, v = 0, t = 0, s = 0
    cdef uint32_t of_a = clip.random[0], of_b = clip.random[1], of_c = clip.random[2]
    cdef Py_ssize_t i, start = 0, stop = n
    while start < n:
        if held is uint16_t:    # which takes more than half of the time that memory leaves it
            stop = start + STRIP if n - start > STRIP else n
            look_ahead(p, start, sizeof(real))
            look_ahead(g, start, sizeof(real))
            if uses(&r, 0, one, other):
                look_ahead(a, start, sizeof(held))
            if uses(&r, 1, one, other):
                look_ahead(b, start, sizeof(held))
            if uses(&r, 2, one, other):
                look_ahead(c, start, sizeof(held))
        for i in range(start, start + ((stop - start) & -LANES)):
            x = clipped(g[i], factor, bound)
            w = p[i]
            if uses(&r, 0, one, other):
                u = fetched(a, i, x)
            if uses(&r, 1, one, other):
                v = fetched(b, i, x)
            if uses(&r, 2, one, other):
                t = fetched(c, i, x)
            if uses(&r, 3, one, other):
                s = fetched(e, i, x)
            advance(&r, one, other, trust, x, &w, &u, &v, &t, &s)
            p[i] = w
            if uses(&r, 0, one, other):
                keep(a, i, u, of_a)
                of_a += lattice_step(0)
            if uses(&r, 1, one, other):
                keep(b, i, v, of_b)
                of_b += lattice_step(1)
            if uses(&r, 2, one, other):
                keep(c, i, t, of_c)
                of_c += lattice_step(2)
            if uses(&r, 3, one, other):
                keep(e, i, s, 0)    # which no rule rounds
        start = stop


cdef void update(
        const Rule* r, const Clip* clip, real* restrict p, const real* restrict g,
        held* restrict a, held* restrict b, held* restrict c, held* restrict e, Py_ssize_t n,
        Survey* found) noexcept nogil:
    """Update n parameters. What a variant does not need has a loop without it."""
    cdef bint one = False, other = False
    if Rule is SGD:
        one = r.momentum != 0
        other = (r.l1 != 0) | (r.l2 != 0)
    elif Rule is AdaGrad:
        other = (r.l1 != 0) | (r.l2 != 0)
    elif Rule is RMSprop:
        one = r.centered != 0
        other = r.momentum != 0
    elif Rule is Adam:
        one = r.amsgrad != 0
    elif Rule is FTRL:
        one = r.lr_power != -0.5
    if one and other:
        sweep(r, True, True, clip, p, g, a, b, c, e, n)
    elif one:
        sweep(r, True, False, clip, p, g, a, b, c, e, n)
    elif other:
        sweep(r, False, True, clip, p, g, a, b, c, e, n)
    else:
        sweep(r, False, False, clip, p, g, a, b, c, e, n)


cdef void measure_lamb(
        const LAMB* rule, const Clip* clip, real* restrict p, const real* restrict g,
        held* restrict a, held* restrict b, held* restrict c, held* restrict e, Py_ssize_t n,
        Survey* found) noexcept nogil:
    """Update the averages, and add up the squares of parameters and directions."""
    cdef LAMB r = rule[0]
    cdef real x, w, u, v, d, factor = <real>clip.factor, bound = <real>clip.bound
    cdef double squares[LANES]
    cdef double of_direction[LANES]
    cdef uint32_t of_a = clip.random[0], of_b = clip.random[1]
    cdef Py_ssize_t i, k, m
    for k in range(LANES):
        squares[k] = 0
        of_direction[k] = 0
    for i in range(n // LANES):
        for k in range(LANES):
            m = i * LANES + k
            x = clipped(g[m], factor, bound)
            w = p[m]
            u = fetched(a, m, x)
            v = fetched(b, m, x)
            average(&u, r.beta1, x)
            average(&v, r.beta2, x * x)
            keep(a, m, u, of_a)
            keep(b, m, v, of_b)
            of_a += lattice_step(0)
            of_b += lattice_step(1)
            d = direction(&r, w, u, v)
            squares[k] += <double>w * <double>w
            of_direction[k] += <double>d * <double>d
    found.squares += fold(squares)
    found.of_direction += fold(of_direction)


cdef void measure_adafactor(
        const Adafactor* rule, const Clip* clip, real* restrict p, const real* restrict g,
        real* restrict a, real* restrict b, real* restrict c, real* restrict e, Py_ssize_t n,
        Survey* found) noexcept nogil:
    """Update the average, and add up the squares of parameters and directions."""
    cdef Adafactor r = rule[0]
    cdef real x, v, fresh, factor = <real>clip.factor, bound = <real>clip.bound
    cdef double w, d
    cdef double squares[LANES]
    cdef double of_direction[LANES]
    cdef Py_ssize_t i, k, m
    if not clip.factored:
        fresh = <real>r.fresh
        for i in range(n & -LANES):
            x = clipped(g[i], factor, bound)
            a[i] = a[i] + fresh * (x * x - a[i])
    for k in range(LANES):
        squares[k] = 0
        of_direction[k] = 0
    for i in range(n // LANES):
        for k in range(LANES):
            m = i * LANES + k
            x = clipped(g[m], factor, bound)
            w = p[m]
            v = a[m]
            d = over_root(&r, x, v)
            squares[k] += w * w
            of_direction[k] += d * d
    found.squares += fold(squares)
    found.of_direction += fold(of_direction)


cdef double trust(
        const Rule* r, double of_parameter, double of_direction, double n) noexcept nogil:
    """The factor of the rate that follows from the sums of squares over an array of n."""
    cdef double size, rate
    if Rule is LAMB:
        if of_parameter == 0 or of_direction == 0:
            return 1
        return sqrt(of_parameter) / sqrt(of_direction)
    elif Rule is Adafactor:
        size = sqrt(of_parameter / n)
        rate = r.rate * (size if size > r.eps2 else r.eps2)
        size = sqrt(of_direction / n) / r.d
        return rate / size if size > 1 else rate
    else:
        return 1


# ---- the factors of Adafactor ------------------------------------------------------------------

cdef void squares(
        const Clip* clip, const real* restrict g, Py_ssize_t stride, Py_ssize_t rows,
        Py_ssize_t columns, double* restrict of_rows, double* restrict of_columns) noexcept nogil:
    """The sums of the squares of g over each row and each column of a tile."""
    cdef real x, factor = <real>clip.factor, bound = <real>clip.bound
    cdef double lanes[LANES]
    cdef double y, total
    cdef Py_ssize_t i, j, k, m
    cdef const real* restrict row
    for j in range(columns):
        of_columns[j] = 0
    for i in range(rows):
        row = g + i * stride
        for k in range(LANES):
            lanes[k] = 0
        for j in range(columns // LANES):
            for k in range(LANES):
                m = j * LANES + k
                x = clipped(row[m], factor, bound)
                y = <double>x * <double>x
                of_columns[m] += y
                lanes[k] += y
        total = fold(lanes)
        for j in range(columns & -LANES, columns):
            x = clipped(row[j], factor, bound)
            y = <double>x * <double>x
            of_columns[j] += y
            total += y
        of_rows[i] = total


cdef double factors(
        const Adafactor* r, const double* of_rows, const double* of_columns, Py_ssize_t rows,
        Py_ssize_t columns, real* row_var, real* col_var) noexcept nogil:
    """Update the factors of a matrix from the sums of its tiles, those of one strip of columns,
    or of rows, behind those of another; return the mean of the rows' factors."""
    cdef double total, mean = 0
    cdef Py_ssize_t i, k
    for i in range(rows):
        total = 0
        for k in range((columns + TILE_COLUMNS - 1) // TILE_COLUMNS):
            total += of_rows[k * rows + i]
        row_var[i] = <real>(row_var[i] + r.fresh * (total / columns - row_var[i]))
        mean += row_var[i]
    for i in range(columns):
        total = 0
        for k in range((rows + TILE_ROWS - 1) // TILE_ROWS):
            total += of_columns[k * columns + i]
        col_var[i] = <real>(col_var[i] + r.fresh * (total / rows - col_var[i]))
    mean /= rows
    total = least(r, row_var[0])
    return total if mean < total else mean


# ---- one look at the gradients before anything moves -------------------------------------------

cdef Survey survey(const real* g, Py_ssize_t n, double shrink) noexcept nogil:
    """The sum of the squares of g * shrink, and whether all of g is finite."""
    cdef Survey found
    cdef double lanes[LANES]
    cdef double x
    cdef Py_ssize_t i, k
    cdef int odd = 0
    for k in range(LANES):
        lanes[k] = 0
    for i in range(n // LANES):
        for k in range(LANES):
            x = g[i * LANES + k] * shrink
            lanes[k] += x * x
    for i in range(n & -LANES):
        odd |= g[i] - g[i] != 0
    found.squares = fold(lanes)
    found.of_direction = 0
    found.finite = not odd
    return found
