"""What a loss should be: its definition in high precision, with derivatives, and where to look.

The definition is evaluated with a truncated Taylor series in place of z, so value and derivatives
come from the same text, and no step size is to be chosen.
"""

import mpmath
import numpy as np
from mpmath import mp, mpf

# enough where a definition subtracts, as in 1 - exp(-(z - y)**2): the least double is 5e-324
DIGITS = 700


class Jet:
    """A function's value and first three derivatives, by z or by a parameter, at one point.

    The losses have two; the third tells how far an error of z spreads into the Hessian.
    """

    rounding = 0.0  # how far z - y may be from its exact value
    tied = False  # whether numbers compared so far were as close as that

    def __init__(self, *parts):
        self.parts = parts

    def chain(self, *outer):
        """The composition with a function of which the derivatives at self are given."""
        _, a, b, c = self.parts
        f, g, h, k = outer
        return Jet(f, g * a, h * a * a + g * b, k * a**3 + 3 * h * a * b + g * c)

    def __add__(self, other):
        return Jet(*(a + b for a, b in zip(self.parts, jet(other).parts, strict=True)))

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(*(a * other for a in self.parts))
        f, f1, f2, f3 = self.parts
        g, g1, g2, g3 = other.parts
        return Jet(
            f * g,
            f1 * g + f * g1,
            f2 * g + 2 * f1 * g1 + f * g2,
            f3 * g + 3 * (f2 * g1 + f1 * g2) + f * g3,
        )

    def __pow__(self, power):
        if isinstance(power, Jet):
            return exp(log(self) * power)
        x, outer, factor = self.parts[0], [], mpf(1)
        for n in range(4):
            outer.append(factor * x ** (power - n) if factor else factor)
            factor *= power - n
        return self.chain(*outer)

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -jet(other)

    def __truediv__(self, other):
        return self * (other**-1 if isinstance(other, Jet) else 1 / mpf(other))

    def __rsub__(self, other):
        return jet(other) - self

    def __rtruediv__(self, other):
        return jet(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __abs__(self):
        return -self if self < 0 else self

    def compare(self, other):
        """The sign of the difference; a tie is where pieces of the definition meet."""
        difference = self.parts[0] - jet(other).parts[0]
        Jet.tied |= abs(difference) <= Jet.rounding
        return mpmath.sign(difference)

    def __lt__(self, other):
        return self.compare(other) < 0

    def __le__(self, other):
        return self.compare(other) <= 0

    def __gt__(self, other):
        return self.compare(other) > 0

    def __ge__(self, other):
        return self.compare(other) >= 0

    def __eq__(self, other):
        return self.compare(other) == 0


def jet(x):
    return x if isinstance(x, Jet) else Jet(mpf(x), mpf(0), mpf(0), mpf(0))


def exp(x):
    return jet(x).chain(*[mpmath.exp(jet(x).parts[0])] * 4)


def log(x):
    x = jet(x)
    return x.chain(mpmath.log(x.parts[0]), *_reciprocals(x.parts[0]))


def log1p(x):
    x = jet(x)
    return x.chain(mpmath.log1p(x.parts[0]), *_reciprocals(1 + x.parts[0]))


def erf(x):
    x = jet(x)
    t = x.parts[0]
    d = 2 / mpmath.sqrt(mp.pi) * mpmath.exp(-t * t)
    return x.chain(mpmath.erf(t), d, -2 * t * d, (4 * t * t - 2) * d)


def _reciprocals(x):
    return (1 / x, -1 / x**2, 2 / x**3)


def sqrt(x):
    return jet(x) ** mpf("0.5")


def cosh(x):
    return (exp(x) + exp(-x)) / 2


def tanh(x):
    x = jet(x)
    t = mpmath.tanh(x.parts[0])
    d = 1 - t * t
    return x.chain(t, d, -2 * t * d, (6 * t * t - 2) * d)


FUNCTIONS = {
    "exp": exp, "log": log, "log1p": log1p, "sqrt": sqrt, "cosh": cosh, "tanh": tanh,
    "erf": erf, "loggamma": mpmath.loggamma, "inf": mpmath.inf, "pi": mpmath.pi,
    "abs": abs, "max": max, "None": None, "__builtins__": {},
}  # fmt: skip


def derivatives(loss, y, z, dtype=np.float64, text=None, digits=DIGITS, by="z"):
    """The loss and its first three derivatives by z as mpf; None if they are infinite.

    And whether z is at a kink, as far as the dtype can tell. A text of the loss's other than the
    definition may stand in for that, and a parameter for z.
    """
    y, z = float(y), float(z)
    with mp.workdps(digits):
        names = {key: x if x is None else mpf(x) for key, x in loss.parameters.items()}
        names |= {"y": mpf(y), "z": mpf(z)}
        names[by] = Jet(names[by], mpf(1), mpf(0), mpf(0))
        Jet.rounding, Jet.tied = float(np.finfo(dtype).epsneg) * abs(mpf(z) - mpf(y)), False
        try:
            found = eval(text or loss.definition, FUNCTIONS | names)  # noqa: S307
            return jet(found).parts, Jet.tied
        except ZeroDivisionError:
            return None, False


def two_doubles(x):
    """x as the unevaluated sum of two doubles: enough to measure errors of doubles in ulp."""
    high = float(x)
    return high, float(mpmath.fsub(x, high, exact=True)) if np.isfinite(high) else 0.0


def spacing(x, dtype):
    """The distance of the numbers of a dtype around x."""
    limit = np.finfo(dtype).max
    return np.spacing(np.minimum(np.abs(x), limit).astype(dtype)).astype(np.float64)


def error(got, high, low, dtype):
    """Distance of results from the exact high + low; beyond the dtype infinity is exact."""
    limit = float(np.finfo(dtype).max)
    got = got.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = (np.abs(high) > limit) & (got == np.copysign(np.inf, high))
        return np.where(beyond, 0.0, np.abs((got - high) - low))
