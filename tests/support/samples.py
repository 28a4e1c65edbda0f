"""Losses, targets and predictions to test on, from what each loss says of itself."""

import math

import ml_dtypes
import numpy as np

import fastloss as fl
from fastloss.losses.base import pointwise_names

SIZES = (0, 1, 2, 15, 16, 17, 31, 32, 33, 511, 512, 513, 1024, 32767, 32768, 32769, 131077)
DTYPES = (np.float32, np.float64)
# every dtype that arrays may have, once for each of NumPy's numbers: two may be of the same name
INPUTS = [np.dtype(x) for x in (*"?efd", *np.typecodes["AllInteger"], ml_dtypes.bfloat16)]
INPUTS = list({dtype.num: dtype for dtype in INPUTS}.values())
METHODS = ("value", "grad", "hess")

PARAMETERS = (0, 0.1, 1, 5)  # for any parameter that may have them
MORE_PARAMETERS = {
    ("general_robust", "alpha"): (2, -2, -math.inf, -1.5, 0.5, 1.9, 1.999, 3, -30),
    ("tweedie", "power"): (1.1, 1.9, 2, 3, -1, -0.3),
    ("tweedie_deviance", "power"): (1.000001, 1.1, 1.9, 1.999999, 2, 2.000001, 3, 5.5, -1, -0.3),
    ("focal", "gamma"): (0.5,),
    ("quantile", "q"): (0.05, 0.5),
    ("linear_exponential", "a"): (-0.5,),
    ("kl_div", "log_target"): (True,),
    ("poisson_nll", "log_input"): (False,),
    ("poisson_nll", "full"): (True,),
}


def computed(given):
    """What predictions of a dtype are computed in."""
    return np.float32 if given in (np.float16, np.float32, ml_dtypes.bfloat16) else np.float64


def variants():
    """Every loss, with its default parameters and then with each of them varied."""
    found = []
    for name in pointwise_names():
        default = fl.get_loss(name)
        found.append(default)
        for parameter in default.parameters:
            for value in (*PARAMETERS, *MORE_PARAMETERS.get((name, parameter), ())):
                try:
                    found.append(fl.get_loss(name, **{parameter: value}))
                except (TypeError, ValueError):  # out of the parameter's range
                    continue
    found.append(fl.PoissonNLL(log_input=False, full=True))
    return list(dict.fromkeys(found))


def defaults():
    """Every loss with its default parameters."""
    return [fl.get_loss(name) for name in pointwise_names()]


def inside(domain, x):
    """The elements of an array that a domain holds."""
    return np.array([v for v in x if float(v) in domain and np.isfinite(v)], x.dtype)


def typical(loss, n, dtype=np.float64, seed=0):
    """Targets and predictions of everyday size."""
    rng = np.random.default_rng(seed)

    def draw(domain):
        x = rng.uniform(0.01, 0.99, n) if 7.5 not in domain else rng.uniform(0.1, 5, n)
        if domain.absolute and 7.5 not in domain:
            x = np.ones(n)
        return (x if -1.0 not in domain else x * rng.choice([-1, 1], n)).astype(dtype)

    return draw(loss.y_domain), draw(loss.z_domain)


def anywhere(domain, dtype, n, rng):
    """Numbers from all over a domain: its ends, all magnitudes, integers, the usual ones."""
    info = np.finfo(dtype)
    special = [0, 1, 0.5, 2, 3, 10, 50, 100, info.smallest_subnormal, info.tiny, info.eps, info.max]
    special += [1 - info.epsneg, 1 + info.eps, 1e-5, info.max / 2, math.log(float(info.max))]
    top = math.log(float(info.max))
    drawn = np.concatenate(
        [
            np.exp(rng.uniform(math.log(info.smallest_subnormal), top, n)),
            rng.uniform(0, 1, n),
            1 - np.exp(rng.uniform(-top / 3, 0, n)),
            rng.exponential(3, n),
            rng.uniform(0, top, n),
            rng.integers(0, 100, n),
        ]
    )
    with np.errstate(over="ignore"):
        x = np.concatenate([special, drawn]).astype(dtype)
    x = inside(domain, np.concatenate([x, -x]))
    return rng.choice(x, n)


def pairs(loss, dtype, n=100, seed=0):
    """Targets and predictions from all over the domains, far apart and nearly equal."""
    rng = np.random.default_rng(seed)
    y = anywhere(loss.y_domain, dtype, n, rng)
    z = anywhere(loss.z_domain, dtype, n, rng)
    near = np.arange(n) % 4 == 0
    with np.errstate(over="ignore", under="ignore"):
        factor = 1 + rng.choice([-1, 1], n) * 2.0 ** rng.integers(-np.finfo(dtype).nmant, 0, n)
        z = np.where(near, y * factor.astype(dtype), z)
    good = [float(v) in loss.z_domain and np.isfinite(v) for v in z]
    typical_y, typical_z = typical(loss, n // 2, dtype, seed)
    return np.concatenate([y[good], typical_y]), np.concatenate([z[good], typical_z])
