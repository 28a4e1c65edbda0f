"""Where a result may be further than 4 ulp from the exact one, and why.

SUBTRACTIONS: the formula subtracts terms that are each rounded, so 4 ulp of the largest term are
allowed. Where a term is an exponential or a power whose argument or base is a rounded number, its
size is multiplied by 1 + abs(argument): so much does exp make of an error.

INTERMEDIATES: powers and exponentials that the formula multiplies have to be normal numbers of the
dtype: one that is subnormal has fewer digits, which a factor may bring to light, and one that
overflows is gone. Where they are not, the budget does not apply.

RESIDUALS: z - y is rounded before a function of it is taken that changes fast: one rounding of
z - y, times the derivative, is allowed besides.
"""

import numpy as np

ULP = 4
RESIDUALS = {"LogCosh", "Cauchy", "GemanMcClure", "Welsch", "GeneralRobust", "LinearExponential"}


def subtractions(kernel, y, z, p, dtype):
    """Sizes of the largest terms in value, gradient and Hessian; None: the result's own size."""
    y, z = y.astype(np.longdouble), z.astype(np.longdouble)  # of no overflow
    r = np.abs(z - y)
    e = np.exp(z)

    match kernel:
        case "SmoothL2":
            return np.where(r > 1, r, 0), None, None
        case "EpsilonInsensitive":
            return np.maximum(r, p["epsilon"]), None, None
        case "SquaredEpsilonInsensitive":
            m, d = np.maximum(r, p["epsilon"]), np.maximum(r - p["epsilon"], 0)
            return m * (2 * d + ULP * m * np.finfo(dtype).eps), 2 * m, None
        case "SquaredLogError":
            v, t = np.abs(np.log1p(z) - np.log1p(y)), np.maximum(*np.abs(np.log1p([y, z])))
            q = 2 / (1 + z)  # the value is a square: the budget twice
            return 2 * v * np.minimum(t, v), None, q / (1 + z) * np.maximum(1, t)
        case "Poisson":
            return np.maximum(e, np.abs(y * z)), np.maximum(e, y), None
        case "PoissonFull":
            terms = [e, np.abs(y * z), _stirling(y)]
            return np.max(terms, axis=0), np.maximum(e, y), None
        case "PoissonMean" | "PoissonMeanFull":
            terms = np.maximum(z, np.abs(y * np.log(z)))
            positive = (kernel == "PoissonMeanFull") & (y > 1)  # a deviance, and a logarithm
            return np.where(positive, 0, terms), None, None
        case "KLDiv":
            return y * np.maximum(np.abs(np.log(np.where(y > 0, y, 1))), np.abs(z)), None, None
        case "KLDivOfLogs":
            return None, None, None
        case "LinearExponential":
            x = p["a"] * (z - y)  # a rounded product
            s, t = np.abs(np.expm1(x)), np.exp(x)
            value = np.abs(np.expm1(x) - x)
            return (
                np.maximum(value, np.abs(s * x)),
                abs(p["a"]) * np.maximum(s, np.abs(t * x)),
                p["a"] ** 2 * t * (1 + np.abs(x)),
            )
        case "NegativeBinomial":
            u, count = p["alpha"] * e, y + 1 / p["alpha"]
            far = np.maximum(np.abs(z) / p["alpha"], count * abs(p["log_alpha"]))
            rest = np.where(u > 1, far, np.abs(y * z))
            value = np.maximum(count * np.log1p(np.minimum(u, 1 / u)), rest)
            return value, np.maximum(1 / (1 / u + 1) / p["alpha"], y / (1 + u)), None
        case "Gamma":
            return np.maximum(np.abs(z), y / e), np.maximum(1, y / e), None
        case "Tweedie":
            a, b = 1 - p["power"], 2 - p["power"]
            s, t = np.abs(y) * np.exp(a * z), np.exp(b * z)
            return (
                np.maximum(s / abs(a), t / abs(b)),
                np.maximum(s, t),
                np.maximum(s * abs(a), t * abs(b)),
            )
        case "GammaDeviance":
            return None, None, 2 * np.maximum(2 * y, z) / z**3
        case "TweedieDeviance" | "HalfwayDeviance" | "TweedieDevianceBeyond":
            a, b = 1 - p["power"], 2 - p["power"]
            s, log = z**a, np.log(z) - np.log(np.where(y > 0, y, np.nan))
            terms = np.abs([np.maximum(y, 0) ** b / (a * b), y * s / a, z * s / b])
            far = np.expm1(b * log) / b - np.expm1(a * log) / a
            own = 2 * y**b * np.where(abs(log) < 1e-5, log**2 / 2, far)
            return (  # the budget twice, but of the deviance itself
                2 * np.fmin(np.max(terms, axis=0), own),
                None,
                2 * np.maximum(np.abs(a * z), np.abs(p["power"] * y)) * s / z**2,
            )
        case "Cauchy":
            s, t = 1 / p["c"] ** 2, (r / p["c"]) ** 2 / 2
            return None, None, s * np.maximum(1, t) / (1 + t) ** 2
        case "GemanMcClure":
            s, t = 1 / p["c"] ** 2, (r / p["c"]) ** 2 / 4
            return None, None, s * np.maximum(1, 3 * t) / (1 + t) ** 3
        case "Welsch":
            s, t = 1 / p["c"] ** 2, (r / p["c"]) ** 2 / 2
            m = s * np.exp(-t) * (1 + t)
            return None, r * m, m * np.maximum(1, 2 * t)
        case "GeneralRobust":
            a, b, s = p["alpha"] / 2, abs(p["alpha"] - 2), 1 / p["c"] ** 2
            t = s * r**2
            u = t / b
            log = np.log1p(u)
            value, slope = (1 + np.abs(k * log) for k in (a, a - 1))
            q = s * (1 + u) ** (a - 1) * slope
            v = b / abs(p["alpha"]) * np.abs(np.expm1(a * log))
            return v * value, r * q, q * np.maximum(1, abs(p["alpha"] - 1) * u) / (1 + u)
        case "Logistic" | "SmoothedLogistic":
            y, rest = _smoothed(y, p)
            a, b, q = p["pos_weight"] * y, rest, 1 / (1 + e)
            return None, np.maximum(a * q, b * (1 - q)), None
        case "SmoothedLogLoss":
            y, rest = _smoothed(y, p)
            return None, np.maximum(y / z, rest / (1 - z)), None
        case "Focal" | "SmoothedFocal":
            return _focal(y, z, p)
        case "FocalLogLoss":
            return _focal_log_loss(y, z, p)
        case "SigmoidFocal":
            return _sigmoid_focal(y, z, p)
        case _:
            return None, None, None


def intermediates(kernel, y, z, p):
    """Powers and exponentials that have to be normal numbers, as logarithms of their sizes."""
    y, z = y.astype(np.longdouble), z.astype(np.longdouble)
    match kernel:
        case "Tweedie":
            log_y = np.log(np.where(y == 0, 1, np.abs(y)))
            return [(2 - p["power"]) * z, (1 - p["power"]) * z + log_y]
        case "TweedieDeviance" | "HalfwayDeviance" | "TweedieDevianceBeyond":
            a, log_y, log_z = 1 - p["power"], np.log(np.where(y > 0, y, 1)), np.log(z)
            s = a * log_z
            return [s, s + log_z, s - log_z, s + log_y, s + log_y - 2 * log_z, (a + 1) * log_y]
        case "Focal" | "SmoothedFocal":
            return [np.abs(z)]
        case "SigmoidFocal":
            return [(1 + p["gamma"]) * np.abs(z)]
        case "FocalLogLoss":
            g, ends = p["gamma"], p["gamma"] in (0, 1) or p["gamma"] >= 2
            sides = [np.where((x > 0) | ends, x + (x == 0) * ends, 0) for x in (z, 1 - z)]
            return [k * np.log(x) for x in sides for k in (g, g - 2, -2)]
        case "NegativeBinomial":
            return [np.abs(z + p["log_alpha"])]
        case "GeneralRobust":
            u = np.minimum(np.abs(z - y), np.finfo(np.float64).max) ** 2 / p["c"] ** 2
            log = np.log1p(u / abs(p["alpha"] - 2))
            return [p["alpha"] / 2 * log, (p["alpha"] / 2 - 1) * log]
        case _:
            return []


def _stirling(y):
    """The largest term of Stirling's approximation."""
    y = np.where(y > 1, y, 1)
    return np.where(y > 1, np.maximum((y + 0.5) * np.log(y), y), 0)


def _smoothed(y, p):
    """Targets and their complement after label smoothing."""
    s = p["label_smoothing"]
    return (1 - s) * y + s / 2, (1 - s) * (1 - y) + s / 2


def _focal_log_loss(y, z, p):
    """A power of 1 - p, which is rounded, has its error times gamma."""
    g, parts = p["gamma"], []
    for w, x, n in ((p["positive"] * y, z, 1 - z), (p["negative"] * (1 - y), 1 - z, z)):
        m, minus_log = np.where(w > 0, w * n**g, 0) * (1 + g), -np.log(x)
        ratio = np.where(n == 0, 1, minus_log / np.where(n == 0, 1, n))
        bend = np.max([abs(g * (g - 1)) * ratio / n, 2 * g / (n * x), x**-2], axis=0)
        parts.append((m * minus_log, m * np.maximum(g * ratio, 1 / x), m * bend))
    return tuple(np.maximum(*pair) for pair in zip(*parts, strict=True))


def _sigmoid_focal(y, z, p):
    """A power of u, which is a rounded sum of rounded numbers, has its error times gamma."""
    g, q, s = p["gamma"], 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    u, t = y * s + (1 - y) * q, y * np.log1p(np.exp(-z)) + (1 - y) * np.log1p(np.exp(z))
    v = (p["positive"] * y + p["negative"] * (1 - y)) * u**g * (1 + g)
    bend = np.maximum(y, 1 - y) * q * s
    r, slope = g * bend / u, np.maximum((1 - y) * q, y * s)
    last = r * np.max([abs(g - 1) * bend / u * t, np.maximum(q, s) * t, 2 * slope], axis=0)
    # the Hessian multiplies as many functions as that of the focal loss
    return v * t, v * np.maximum(r * t, slope), 2 * v * np.maximum(last, q * s)


def _focal(y, z, p):
    g = p["gamma"]
    weights = (1, 1) if p["alpha"] is None else (p["alpha"], 1 - p["alpha"])
    y, rest = _smoothed(y, p)
    parts = []
    for w, x in ((weights[0] * y, z), (weights[1] * rest, -z)):
        p, n, softplus = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x)), np.log1p(np.exp(-x))
        m = w * n**g * (1 + g * np.log1p(np.exp(-np.abs(x))))
        slope = np.maximum(g * p * softplus, n)
        bend = np.max([g * g * p * softplus, g * n * softplus, (2 * g + 1) * n], axis=0)
        # the Hessian multiplies four functions of 1 to 2.5 ulp each: 8 ulp
        parts.append((m * softplus, m * slope, 2 * m * p * bend))
    return tuple(map(np.maximum, *parts))
