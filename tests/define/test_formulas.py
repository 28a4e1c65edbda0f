"""Formulas: what is read and what is not, and derivatives to 50 digits."""

import random

import mpmath
import numpy as np
import pytest
from formula_oracle import exactly

import fastloss as fl
from fastloss.define.formulas import FUNCTIONS, Graph, needed
from fastloss.define.values import evaluated

BAD = {
    "exq(z)": (0, "not a function"),
    "z + a.b": (4, "not part of the language"),
    "1 + [z]": (4, "not part of the language"),
    "z if y else 1": (5, "a condition is expected"),
    "2*(z > y)": (3, "a number is expected"),
    "z > y": (0, "a number is expected"),
    "1 + 's'": (4, "not a real number"),
    "1 + 2j": (4, "not a real number"),
    "1 + True": (4, "not a real number"),
    "z + 1e999": (4, "beyond all floats"),
    f"z + {10**400}": (4, "beyond all floats"),
    "exp(z, y)": (0, "takes 1 argument"),
    "max(z)": (0, "takes 2 argument"),
    "exp(x=z)": (0, "plain arguments"),
    "exp(*z)": (0, "plain arguments"),
    "z + b": (4, "'b' is not a name; there are y, z, a, pi, inf"),
    "z // y": (0, "operator"),
    "z @ y": (0, "operator"),
    "1 if z is y else 0": (5, "comparison"),
    "~z": (0, "~"),
    "(lambda: 1)()": (1, "not a function"),
    "__import__('os')": (0, "not a function"),
    "z.__class__": (0, "not part of the language"),
    "[z for z in y]": (0, "not part of the language"),
    "(z := 1)": (1, "not part of the language"),
    "é + z": (0, "not a name"),
    "y + é": (4, "not a name"),
}


def parse(text, *parameters):
    graph = Graph()
    return graph, graph.parse(text, parameters)


@pytest.mark.parametrize("text", BAD)
def test_what_is_not_of_the_language_is_shown(text):
    column, message = BAD[text]
    with pytest.raises(fl.FormulaError) as error:
        parse(text, "a")
    said, shown, mark = str(error.value).split("\n")
    assert message in said and shown == f"    {text[:80]}" and mark == " " * (column + 4) + "^"


@pytest.mark.parametrize(
    "text",
    ["", "z +", "z y", "z; y", "z = 1", "import os", "z\x00", "\ud800", "9" * 5000, "(" * 300 + "z"]
    + ["-" * 3990 + "z", "z" + " + z" * 900, "z" * 5000, "z if z > y", "0xg", "{z}", "f'{z}'"],
)
def test_what_is_no_formula_at_all_is_an_error_too(text):
    with pytest.raises(fl.FormulaError):
        parse(text)


@pytest.mark.parametrize("given", [None, 1, b"z", ["z"]])
def test_a_formula_is_a_string(given):
    with pytest.raises(TypeError, match="a formula is a string"):
        parse(given)


def test_equal_expressions_are_one_node_and_forms_stay():
    graph, node = parse("exp(z - y)*(z - y) + exp(z - y)")
    assert len(needed([node])) == 6  # y, z, z - y, exp, *, +
    both = [graph.derivative(node), graph.derivative(graph.derivative(node))]
    assert len(needed([node, *both])) < 14
    _, square = parse("2*(z - y)")
    assert square.op == "*" and {arg.op for arg in square.args} == {"number", "-"}


# ---- derivatives ---------------------------------------------------------------------------------

FORMULAS = [
    f"{name}({'z*y + a' if name not in ('log', 'sqrt', 'log1p') else 'z*z + a'})"
    for name, count in FUNCTIONS.items() if count == 1
] + [
    "logaddexp(a*z, y - z*z)", "min(z*z, a + y)", "max(z*y, a - z)", "(z*z + 1)**a", "a**z",
    "(z*z + 0.5)**(y*z)", "z**3 - 2*z**-2", "z**0.5*z**1.5 if z > 0 else -z/a",
    "z*z if y < z <= a or not z != 2 else exp(-z)", "(z - y)/(1 + (z - y)**2)", "pi*z**7",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_derivatives_are_those_of_the_formula(text):
    graph, node = parse(text, "a")
    first = graph.derivative(node)
    second = graph.derivative(first)
    with mpmath.workdps(50):
        for y, z, a in [(0.3, 0.7, 1.25), (-1.5, 1.75, 0.5), (2.0, -0.6, 2.5), (0.4, 3.0, 1.5)]:
            if "z**0.5" in text and z < 0:
                continue
            for node_, k in ((first, 1), (second, 2)):
                got = exactly(node_, y, z, a)
                expected = mpmath.diff(lambda x: exactly(node, y, x, a), z, k)  # noqa: B023
                assert mpmath.almosteq(got, expected, 1e-12, 1e-12), (y, z, a, k)
                (numpy_,) = evaluated([node_], np.array([y]), np.array([z]), {"a": a})
                assert float(got) == pytest.approx(numpy_[0], rel=1e-12, abs=1e-12)


def test_derivatives_at_kinks_are_those_of_the_branch_taken():
    for text, expected in (
        ("max(z, y)", 1.0), ("max(y, z)", 0.0), ("min(2*z, 2*y)", 2.0), ("abs(z - y)", 0.0),
        ("z if z <= y else 3*z", 1.0), ("z if z < y else 3*z", 3.0),
    ):  # fmt: skip
        graph, node = parse(text)
        (slope,) = evaluated([graph.derivative(node)], np.array([1.0]), np.array([1.0]), {})
        assert slope[0] == expected, text


def test_functions_that_neither_cancel_nor_overflow_are_found():
    for text, better in (
        ("log1p(exp(-z))", "softplus(-z)"), ("log(1 + exp(y*z))", "softplus(y*z)"),
        ("log(exp(z) + 1)", "softplus(z)"), ("log(cosh(z - y))", "logcosh(z - y)"),
    ):  # fmt: skip
        graph = Graph()
        assert graph.parse(text, ()) is graph.parse(better, ())


# ---- random formulas -----------------------------------------------------------------------------


def random_formula(rng, depth):
    """A formula of the language, of a few operations."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["y", "z", "z", "a", "1", "0.5", "2", "1e-3", "pi"])
    kind = rng.random()
    inner = [random_formula(rng, depth - 1) for _ in range(3)]
    if kind < 0.5:
        return f"({inner[0]} {rng.choice(['+', '-', '*', '/', '**'])} {inner[1]})"
    if kind < 0.85:
        name = rng.choice(sorted(FUNCTIONS))
        return f"{name}({', '.join(inner[: FUNCTIONS[name]])})"
    comparison = rng.choice(["<", "<=", ">", ">=", "==", "!="])
    return f"({inner[0]} if {inner[1]} {comparison} {inner[2]} else {inner[0]}*z)"


DAMAGE = ["", "(", ")", "_", ".", "[", "'", " if ", "z", "\\", "lambda:", "**", "é"]


def damaged(rng, text):
    """A formula with a few characters changed."""
    letters = list(text)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(letters) + 1)
        change = rng.choice(
            ["", "(", ")", "_", ".", "[", "'", " if ", "z", "\\", "lambda:", "**", "é"]
        )
        letters[place : place + rng.randint(0, 2)] = change
    return "".join(letters)


def read_random_formulas(count, seed):
    """How many of random texts are formulas; all others have to be errors of the right kind."""
    rng, good = random.Random(seed), 0
    for k in range(count):
        text = random_formula(rng, rng.randint(1, 5))
        text = damaged(rng, text) if k % 2 else text
        graph = Graph()
        try:
            node = graph.parse(text, ["a"])
        except fl.FormulaError:
            assert k % 2, text
            continue
        good += 1
        graph.derivative(graph.derivative(node))
        assert all(n.op in ("y", "z", "number", "parameter") or n.args for n in needed([node]))
    return good


def test_random_texts_are_formulas_or_errors():
    assert 1500 < read_random_formulas(3000, 0) < 3000


if __name__ == "__main__":  # the long run
    print(f"{read_random_formulas(100_000, 1)} of 100000 texts are formulas, the others errors")
