"""Each function of formulas, compiled: within a few units in the last place."""

import warnings

import mpmath
import numpy as np
import pytest
from formula_oracle import exactly
from oracle import spacing
from samples import DTYPES

import fastloss as fl
from fastloss.define.formulas import FUNCTIONS, Graph

ULP = {"sinh": 8, "cosh": 8}  # of products of rounded exponentials; the others 4
TEXTS = {
    name: f"{name}(z)" if count == 1 else f"{name}(z, y)" for name, count in FUNCTIONS.items()
} | {"power": "abs(z)**a", "root": "sqrt(abs(z))", "cube": "z**3", "inverse": "z**-2"}
POSITIVE = {"log", "sqrt", "inverse", "power"}


@pytest.mark.parametrize("name", TEXTS)
def test_values_are_within_the_budget(name):
    text = TEXTS[name]
    low = 1e-3 if name in POSITIVE else -0.875 if name == "log1p" else -20.0
    given = {"a": 1.7} if name == "power" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are negative
        domain = fl.domain(low, 20.0)
        loss = fl.define_loss(f"only_{name}", text, y="[-20, 20]", z=domain, **given)()
    node = Graph().parse(text, ["a"])
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        z = np.concatenate([rng.uniform(low, 20, 60), low + (1 - low) * rng.uniform(0, 1, 60)])
        y, z = rng.uniform(-20, 20, 120).astype(dtype), z.astype(dtype)
        z[:3] = max(low, 0.0), 1.0, 20.0
        got = loss(y, z, reduction="none").astype(float)
        with mpmath.workdps(50):
            expected = np.array(
                [
                    float(exactly(node, *pair, 1.7))
                    for pair in zip(y.tolist(), z.tolist(), strict=True)
                ]
            )
        allowed = ULP.get(name, 4) * spacing(expected, dtype)
        worst = np.max(np.abs(got - expected) / np.where(allowed > 0, allowed, 1e-300))
        assert worst <= 1, (dtype, worst)
