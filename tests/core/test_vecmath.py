"""The functions of vecmath.h, compiled on their own for each instruction set."""

import ctypes
import math
import shutil
import subprocess
import sys
import sysconfig
from functools import cache

import mpmath
import numpy as np
import pytest
from build_flags import flags
from isa import EVERY
from mpmath import mp
from oracle import error, two_doubles
from scipy.special import erf

import fastloss as fl

DTYPES = (np.float32, np.float64)
LETTER = {np.float32: "f32", np.float64: "f64"}

UNARY = ("exp", "exp_neg", "exp_tail", "expm1", "log", "log1p", "tanh", "erf", "log1p_unit")
UNARY += ("softplus",)
BINARY = ("pow", "pow_mild", "exp_mul", "exp_times", "log_ratio")
# two results; number of arguments
PAIRS = {"log1p_pair": 1, "erlang_pair": 1, "pow1p_pair": 2, "pow1p_mild_pair": 2}
NAMES = (*UNARY, *BINARY, *PAIRS)
WIDER = ("log1p_pair", "erlang_pair", "exp_tail")
BUDGET = dict.fromkeys(NAMES, 2.0) | dict.fromkeys(WIDER, 3.0) | {"pow1p_mild_pair": 4.0}  # ulp

LOOP = """
void loop_{name}_{letter}(long n, const {real} *restrict x, const {real} *restrict y,
                          {real} *restrict first, {real} *restrict second)
{{
    for (long i = 0; i < n; i++) {{ {statement} }}
}}
"""
STATEMENTS = dict.fromkeys(UNARY, "first[i] = fl_{name}_{letter}(x[i]);") | {
    "pow": "first[i] = fl_{name}_{letter}(x[i], y[i], 0);",
    "pow_mild": "first[i] = fl_{name}_{letter}(x[i], y[i], 0);",
    "exp_mul": "first[i] = fl_{name}_{letter}(x[i], 0, y[i]);",
    "exp_times": "first[i] = fl_{name}_{letter}(x[i], y[i]);",
    "log_ratio": "first[i] = fl_{name}_{letter}(x[i], y[i]);",
    "erlang_pair": "{real} s; first[i] = fl_{name}_{letter}(x[i], &s); second[i] = s;",
    "log1p_pair": "{real} s; first[i] = fl_{name}_{letter}(x[i], 0, &s); second[i] = s;",
    "pow1p_pair": "{real} s; first[i] = fl_{name}_{letter}(x[i], y[i], 0, &s); second[i] = s;",
    "pow1p_mild_pair": (
        "{real} s; first[i] = fl_{name}_{letter}(x[i], y[i], 0, 1, &s); second[i] = s;"
    ),
}


def source():
    parts = ['#include "kernels/vecmath.h"']
    for letter, real in (("f32", "float"), ("f64", "double")):
        for name, statement in STATEMENTS.items():
            names = {"name": name, "letter": letter, "real": real}
            parts.append(LOOP.format(statement=statement.format(**names), **names))
    return "\n".join(parts)


@pytest.fixture(scope="module", params=EVERY)
def library(request, tmp_path_factory):
    """The functions of one instruction set: run(name, dtype, x[, y]) -> one or two arrays."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()
    if sys.platform == "win32" or shutil.which(compiler[0]) is None:
        pytest.skip("needs a C compiler of gcc's command line")
    folder = tmp_path_factory.mktemp(request.param)
    file, shared = folder / "loops.c", folder / "loops.so"
    file.write_text(source())
    command = [*compiler, *flags(request.param), "-fvisibility=default", "-fPIC", "-shared"]
    command += [f"-I{fl.get_include()}", str(file), "-o", str(shared)]
    subprocess.run(command, check=True, timeout=60)
    loaded = ctypes.CDLL(str(shared))

    def run(name, dtype, x, y=None):
        x = np.ascontiguousarray(x, dtype)
        y = x if y is None else np.ascontiguousarray(y, dtype)
        first, second = np.empty_like(x), np.empty_like(x)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, y, first, second)]
        getattr(loaded, f"loop_{name}_{LETTER[dtype]}")(ctypes.c_long(x.size), *pointers)
        return (first, second) if name in PAIRS else (first,)

    return run


# ---- arguments ---------------------------------------------------------------------------------


def magnitudes(dtype, n, rng, low=None, high=None):
    """Positive numbers of all magnitudes, from the subnormal ones to the largest."""
    info = np.finfo(dtype)
    low, high = low or float(info.smallest_subnormal), high or float(info.max)
    x = np.exp(rng.uniform(math.log(low), math.log(high), n))
    return np.clip(x, low, high).astype(dtype)


def around(dtype, points, reach=3):
    """Points and their neighbours in a dtype."""
    x = np.array(points, dtype)
    found = [x]
    for end in (-np.inf, np.inf):
        step = x
        for _ in range(reach):
            step = np.nextafter(step, dtype(end))
            found.append(step)
    return np.concatenate(found)


def mild(n, rng):
    """Exponents up to 1 in size."""
    y = np.where(rng.random(n) < 0.5, rng.uniform(-1, 1, n), rng.choice([-1, -0.5, 0.5, 1], n))
    return np.where(rng.random(n) < 0.1, 1e-6, 1) * y


def arguments(name, dtype, n, seed=0):
    """Finite arguments of a function from all over its domain."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    top = math.log(float(info.max)) + 1
    bottom = math.log(float(info.smallest_subnormal)) - 1
    all_sizes = magnitudes(dtype, n, rng)
    near_one = 1 + rng.choice([-1, 1], n) * magnitudes(dtype, n, rng, float(info.eps) / 2, 0.5)
    special = around(dtype, [0.5, 1, 2, math.sqrt(2), math.sqrt(0.5), 3, 10, float(info.tiny)])
    special = np.concatenate([special, [info.smallest_subnormal, info.max, 0]]).astype(dtype)
    signs = np.concatenate([all_sizes, -all_sizes, special, -special])
    ends = around(dtype, [top - 1, bottom, math.log(float(info.tiny)), -36.7, -17.3, 0.3466])
    moderate = rng.uniform(bottom, top, n)
    match name:
        case "exp" | "expm1" | "softplus":
            x = np.concatenate([moderate, rng.normal(0, 1, n), ends, signs])
        case "exp_neg":
            x = -np.abs(np.concatenate([moderate, rng.normal(0, 1, n), ends, signs]))
        case "log":
            x = np.concatenate([all_sizes, near_one, special])
        case "log1p" | "log1p_pair":
            x = np.concatenate([all_sizes, -magnitudes(dtype, n, rng, high=1), -near_one, special])
            x = np.concatenate([x, rng.uniform(-1, 3, n), around(dtype, [-0.5, 1]), -special])
            x = np.concatenate([x, np.exp2(rng.uniform(-8, 8, n)) - 1])
            x = x.astype(dtype)
            x = x[x > -1]
        case "tanh":
            x = np.concatenate([rng.normal(0, 3, n), rng.normal(0, 0.3, n), signs, ends])
        case "erf":
            x = np.concatenate([rng.normal(0, 2, n), rng.normal(0, 0.3, n), signs])
            x = np.concatenate([x, around(dtype, [0.9, 4, 6])])
        case "log1p_unit":
            x = np.concatenate([rng.uniform(0, 1, n), magnitudes(dtype, n, rng, high=1), [0, 1]])
        case "pow":
            x = np.concatenate([all_sizes, near_one, rng.exponential(2, n)]).astype(dtype)
            x = x[x > 0]
            goal = rng.uniform(bottom, top, x.size)  # the logarithm of the result
            with np.errstate(all="ignore"):
                y = goal / np.log(x.astype(np.float64))
            small = rng.normal(0, 2, x.size)
            y = np.where((rng.random(x.size) < 0.6) & (np.abs(y) < float(info.max)), y, small)
            return x, y.astype(dtype)
        case "pow_mild":
            x = np.concatenate([all_sizes, near_one, rng.exponential(2, n), special]).astype(dtype)
            x = x[x > 0]
            return x, mild(x.size, rng).astype(dtype)
        case "pow1p_mild_pair":
            t = [all_sizes, magnitudes(dtype, n, rng, 1e-3, 1e3), rng.uniform(0, 4, n), special]
            t = np.concatenate(t).astype(dtype)
            return t, mild(t.size, rng).astype(dtype)
        case "exp_mul":
            x = rng.choice([-1, 1], 2 * n) * magnitudes(dtype, 2 * n, rng, 1e-8, 1e8)
            return x.astype(dtype), (rng.uniform(bottom, top, 2 * n) / x).astype(dtype)
        case "exp_tail" | "erlang_pair":
            x = np.concatenate([magnitudes(dtype, n, rng, 1e-12, 80), rng.uniform(0, 3, 2 * n)])
            x = np.concatenate([x, -ends[ends < 0], special[special > 1e-12]])
            x = x[x < 80] if name == "erlang_pair" else x
        case "exp_times":  # the product a number, whatever its factors
            y = rng.choice([-1, 1], 2 * n) * magnitudes(dtype, 2 * n, rng)
            goal = np.concatenate([rng.uniform(bottom, top, n), rng.normal(0, 3, n)])
            return (goal - np.log(np.abs(y).astype(np.float64))).astype(dtype), y
        case "log_ratio":
            high = magnitudes(dtype, 4 * n, rng)
            low = high * (1 - magnitudes(dtype, 4 * n, rng, float(info.eps), 1))
            low[: 2 * n] = np.minimum(high[: 2 * n], magnitudes(dtype, 2 * n, rng))
            return low[low > 0], high[low > 0]
        case "pow1p_pair":
            t = np.concatenate([all_sizes, magnitudes(dtype, n, rng, 1e-3, 1e3), special])
            a = rng.choice([-1, 1], t.size) * np.exp(rng.uniform(*np.log([1e-8, 100]), t.size))
            with np.errstate(all="ignore"):  # results over the whole range
                goal = rng.uniform(bottom, top, t.size) / np.log1p(t.astype(np.float64))
            use = (rng.random(t.size) < 0.3) & (np.abs(goal) < 100) & (np.abs(goal) > 1e-8)
            return t.astype(dtype), np.where(use, goal, a).astype(dtype)
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    return (x[np.isfinite(x)],)


# ---- against 50 digits -------------------------------------------------------------------------

EXACT = {
    "exp": (mpmath.exp,),
    "exp_neg": (mpmath.exp,),
    "expm1": (mpmath.expm1,),
    "log": (lambda x: mpmath.log(x) if x else -mpmath.inf,),
    "log1p": (mpmath.log1p,),
    "tanh": (mpmath.tanh,),
    "erf": (mpmath.erf,),
    "log1p_unit": (mpmath.log1p,),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)),),
    "pow": (mpmath.power,),
    "exp_mul": (lambda x, y: mpmath.exp(x * y),),
    "exp_tail": (lambda x: mpmath.expm1(-x) + x,),
    "erlang_pair": (
        lambda x: -mpmath.expm1(-x) - x * mpmath.exp(-x),
        lambda x: mpmath.exp(-x),
    ),
    "exp_times": (lambda x, y: y * mpmath.exp(x),),
    "log_ratio": (lambda low, high: mpmath.log(high / low),),
    "log1p_pair": (lambda x: _less(mpmath.log1p(x), x), mpmath.log1p),
    "pow1p_pair": (
        lambda t, a: mpmath.exp(a * mpmath.log1p(t)),
        lambda t, a: mpmath.expm1(a * mpmath.log1p(t)),
    ),
}
EXACT |= {"pow_mild": EXACT["pow"], "pow1p_mild_pair": EXACT["pow1p_pair"]}


def _less(log, x):
    """log1p(x) - x; its series where that cancels."""
    return log - x if abs(x) > 1e-15 else -(x**2) / 2 + x**3 / 3 - x**4 / 4


@cache
def exact(name, dtype):
    """Arguments, and each exact result as a sum of two doubles."""
    given = arguments(name, dtype, 250)
    results = []
    with mp.workdps(50):
        for function in EXACT[name]:
            values = (function(*map(mpmath.mpf, map(float, x))) for x in zip(*given, strict=True))
            results.append(np.array([two_doubles(value) for value in values]).T)
    return given, results


def check(name, dtype, given, got, high, low):
    """That no result is further from high + low than the budget."""
    finite = np.minimum(np.abs(high), float(np.finfo(dtype).max) / 1.5)
    ulps = error(got, high, low, dtype) / np.spacing(finite.astype(dtype)).astype(np.float64)
    i = int(np.argmax(np.where(np.isnan(ulps), np.inf, ulps)))
    point = ", ".join(repr(x[i]) for x in given)
    assert ulps[i] <= BUDGET[name], f"{name}({point}) = {got[i]!r} is {ulps[i]:.3f} ulp off"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_error_is_within_the_budget(name, dtype, library):
    given, results = exact(name, dtype)
    for got, (high, low) in zip(library(name, dtype, *given), results, strict=True):
        check(name, dtype, given, got, high, low)


# ---- many points against a wider type ----------------------------------------------------------


def _log1p_less(v):
    small = np.where(np.abs(v) < 0.01, v, 0)
    series = -sum((-small) ** k / k for k in range(12, 1, -1))
    return np.where(np.abs(v) < 0.01, series, np.log1p(v) - v)


def _exp_tail(x):
    small = np.where(np.abs(x) < 0.1, x, 0)
    series = sum((-small) ** k / math.factorial(k) for k in range(2, 14))
    return np.where(np.abs(x) < 0.1, series, np.expm1(-x) + x)


def _erlang(x):
    return np.exp(-x) * _exp_tail(-x)


def _log_ratio(low, high):
    near = low > 0.5 * high
    return np.where(near, -np.log1p((low - high) / high), np.log(high) - np.log(low))


def _softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


WIDE = {
    "exp": (np.exp,),
    "exp_neg": (np.exp,),
    "expm1": (np.expm1,),
    "log": (np.log,),
    "log1p": (np.log1p,),
    "tanh": (np.tanh,),
    "erf": (erf,),
    "log1p_unit": (np.log1p,),
    "softplus": (_softplus,),
    "pow": (np.power,),
    "exp_mul": (lambda x, y: np.exp(x * y),),
    "exp_tail": (_exp_tail,),
    "erlang_pair": (_erlang, lambda x: np.exp(-x)),
    "exp_times": (lambda x, y: y * np.exp(x),),
    "log_ratio": (_log_ratio,),
    "log1p_pair": (_log1p_less, np.log1p),
    "pow1p_pair": (
        lambda t, a: np.exp(a * np.log1p(t)),
        lambda t, a: np.expm1(a * np.log1p(t)),
    ),
}
WIDE |= {"pow_mild": WIDE["pow"], "pow1p_mild_pair": WIDE["pow1p_pair"]}


@cache
def wide(name, count):
    """Many float32 arguments, and results in double."""
    given = arguments(name, np.float32, count, seed=1)
    with np.errstate(all="ignore"):
        return given, [f(*(x.astype(np.float64) for x in given)) for f in WIDE[name]]


@pytest.mark.parametrize("name", NAMES)
def test_many_points_of_float32(name, library):
    given, results = wide(name, 1 << 17)
    for got, high in zip(library(name, np.float32, *given), results, strict=True):
        check(name, np.float32, given, got, high, 0.0)


# ---- zeros, infinities, NaN --------------------------------------------------------------------

INF, NAN = math.inf, math.nan
ENDS = {
    "exp": [(0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (NAN, NAN), (1e30, INF), (-1e30, 0)],
    "exp_neg": [(0, 1), (-0.0, 1), (-INF, 0), (NAN, NAN), (-1e30, 0)],
    "expm1": [(0, 0), (-0.0, -0.0), (INF, INF), (-INF, -1), (NAN, NAN), (1e30, INF), (-1e30, -1)],
    "log": [(1, 0), (0, -INF), (-0.0, -INF), (INF, INF), (-1, NAN), (-INF, NAN), (NAN, NAN)],
    "log1p": [
        *[(0, 0), (-0.0, -0.0), (-1, -INF), (INF, INF), (-1.5, NAN), (-INF, NAN), (NAN, NAN)]
    ],
    "tanh": [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (1e30, 1), (-1e30, -1), (NAN, NAN)],
    "erf": [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (1e30, 1), (-1e30, -1), (NAN, NAN)],
    "log1p_unit": [(0, 0), (NAN, NAN)],
    "softplus": [(-INF, 0), (INF, INF), (-1e30, 0), (NAN, NAN)],
    "pow": [
        *[(0, 0, 1), (NAN, 0, 1), (INF, 0, 1), (1, NAN, 1), (1, INF, 1), (1, -INF, 1)],
        *[(0, 2, 0), (0, -2, INF), (0, INF, 0), (0, -INF, INF), (INF, 2, INF), (INF, -2, 0)],
        *[(2, INF, INF), (2, -INF, 0), (0.5, INF, 0), (0.5, -INF, INF), (INF, INF, INF)],
        *[(INF, -INF, 0), (NAN, 2, NAN), (2, NAN, NAN), (-2, 3, NAN), (-0.0, -1, INF)],
    ],
    "pow_mild": [(1, 0.7, 1), (2, 0, 1), (INF, 0.5, INF), (INF, -0.5, 0)],
    "exp_mul": [(2, 0, 1), (2, INF, INF), (2, -INF, 0), (2, NAN, NAN), (NAN, 2, NAN)],
    "exp_tail": [(0, 0), (1000, 999), (INF, INF), (NAN, NAN)],
    "erlang_pair": [(0, 0, 1), (INF, 1, 0), (1e30, 1, 0), (NAN, NAN, NAN)],
    "exp_times": [
        *[(0, 2, 2), (INF, 2, INF), (INF, -2, -INF), (-INF, 2, 0), (1e30, 2, INF), (-1e30, 2, 0)],
        *[(NAN, 2, NAN), (2, NAN, NAN), (1e30, -2, -INF), (2, 0, 0), (2, -0.0, 0)],
    ],
    "log_ratio": [(0, 1, INF), (1, 1, 0), (0, 1e30, INF), (NAN, 1, NAN), (1, NAN, NAN)],
    "log1p_pair": [
        *[(0, 0, 0), (-1, -INF, -INF), (INF, -INF, INF), (-2, NAN, NAN), (NAN, NAN, NAN)]
    ],
    "pow1p_pair": [
        *[(0, 2, 1, 0), (0, -2, 1, 0), (INF, 2, INF, INF), (INF, -2, 0, -1), (NAN, 2, NAN, NAN)],
        *[(1e30, 100, INF, INF), (1e30, -100, 0, -1)],
    ],
    "pow1p_mild_pair": [(0, 0.7, 1, 0), (0, -1, 1, 0), (INF, 0.5, INF, INF), (INF, -0.5, 0, -1)],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_ends(name, dtype, library):
    count = 2 if name in BINARY else PAIRS.get(name, 1)
    if dtype is np.float64:
        columns = np.array([[1e300 * np.sign(x) if abs(x) == 1e30 else x for x in row[:count]]
                            for row in ENDS[name]]).T  # fmt: skip
    else:
        columns = np.array([row[:count] for row in ENDS[name]]).T
    for k, got in enumerate(library(name, dtype, *columns)):
        expected = np.array([row[count + k] for row in ENDS[name]], dtype)
        np.testing.assert_array_equal(got, expected)
        if name in ("expm1", "log1p", "tanh", "erf"):
            np.testing.assert_array_equal(np.signbit(got[:2]), np.signbit(expected[:2]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_lane_and_remainder_gives_the_same_bits(name, dtype, library):
    given = [x[:37] for x in arguments(name, dtype, 40)]
    whole = library(name, dtype, *given)
    for n in (1, 3, 8, 16, 36):
        for part, full in zip(library(name, dtype, *(x[:n] for x in given)), whole, strict=True):
            np.testing.assert_array_equal(part, full[:n])
