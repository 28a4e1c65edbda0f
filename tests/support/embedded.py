"""Embeddings to test, and derivatives of losses of them to 50 digits."""

import numpy as np
from mpmath import mpf

DTYPES = [np.float32, np.float64]
LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "list": np.ndarray.tolist,
}


def embeddings(n, d, count=3, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)).astype(dtype) for _ in range(count)]


def exact(array):
    return [[mpf(float(x)) for x in row] for row in array]


def flat(rows):
    return [x for row in rows for x in row]


def slopes(function, arrays):
    """The derivatives of a function of rows of mpf: differences of 50 digits, good for 30."""
    arrays, found = [exact(a) for a in arrays], []
    for array in arrays:
        h = mpf(10) ** -20 * max(map(abs, flat(array)))
        found.append([[mpf(0)] * len(row) for row in array])
        for i, row in enumerate(array):
            for j, x in enumerate(row):
                values = []
                for row[j] in (x + h, x - h):
                    values.append(function(*arrays))
                row[j] = x
                found[-1][i][j] = (values[0] - values[1]) / (2 * h)
    return found


def ulps(got, exact_values, size):
    """How far results are off, in units of the last digit of numbers of some size."""
    tiny = np.finfo(got.dtype).smallest_subnormal
    worst = 0.0
    for g, e, s in zip(got.ravel(), exact_values, size, strict=True):
        unit = max(np.spacing(np.abs(got.dtype.type(float(s)))), tiny)
        worst = max(worst, float(abs(mpf(float(g)) - e) / mpf(float(unit))))
    return worst


def equal(got, expected):
    assert got[0] == expected[0]
    for g, e in zip(got[1], expected[1], strict=True):
        assert g.dtype == e.dtype
        np.testing.assert_array_equal(g, e)
