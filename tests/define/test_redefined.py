"""Losses that are built in, defined again by their own formulas, on every instruction set."""

import warnings

import numpy as np
import pytest
from allowances import ULP
from isa import EVERY, result_on
from oracle import spacing
from samples import DTYPES, METHODS, typical

import fastloss as fl
from fastloss.define.definition import Definition, Parameter, completed
from fastloss.define.formulas import _RULES, HELPERS, Graph, needed
from fastloss.define.loss import class_of
from fastloss.define.values import evaluated
from fastloss.losses.base import pointwise_names

TERMS = 16  # ulp of the terms that a formula has, beside the budget of the loss itself
BEYOND = ["focal", "focal_log_loss", "sigmoid_focal"]  # None is not of the language, nor are flags
NAMES = [
    name
    for name in pointwise_names()
    if all(type(x) is float for x in fl.get_loss(name).parameters.values())
]


def definition_of(loss):
    parameters = {key: Parameter(loss._ranges[key], x) for key, x in loss.parameters.items()}
    return Definition(
        f"own_{loss.name}", loss.definition, tuple(parameters.items()), loss.y_domain, loss.z_domain
    )


def terms(graph, root, y, z, parameters):
    """To first order, how many units of rounding errors of its operations may move a node."""
    nodes = needed([root])
    values = dict(zip(nodes, evaluated(nodes, y, z, parameters), strict=True))
    one, size = graph.number(1.0), {}
    for node in nodes:
        own, args = np.abs(values[node]), [size[arg] for arg in node.args]
        if node.op == "where":
            size[node] = np.where(values[node.args[0]], *args[1:])
        elif node.op in ("min", "max", "+", "-"):
            size[node] = np.maximum(args[0], args[1]) + (own if node.op in "+-" else 0)
        elif node.op in ("*", "/"):
            a, b = (np.abs(values[arg]) for arg in node.args)
            size[node] = (
                args[0] * b + a * args[1] if node.op == "*" else args[0] / b + own * args[1] / b
            )
        elif node.op in _RULES and sum(arg.op not in HELPERS for arg in node.args) == 1:
            slope = _RULES[node.op](graph, node, node.args[0], one)
            size[node] = own + np.abs(evaluated([slope], y, z, parameters)[0]) * args[0]
        elif node.op == "**":
            a, b = (values[arg] for arg in node.args)
            size[node] = own * (1 + np.abs(b / a) * args[0] + np.abs(np.log(a)) * args[1])
        else:
            size[node] = own
    return size[root]


def deviations(names):
    """The greatest difference of each loss and method, as a part of what is allowed."""
    found = {}
    for name in names:
        loss = fl.get_loss(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some are negative, and some have infinite slopes
            own = class_of(definition_of(loss))()
        graph, nodes = completed(own._definition, own.parameters)
        for dtype in DTYPES:
            y, z = typical(loss, 997, dtype)
            ours = own(y, z, reduction="none"), *own.grad_and_hess(y, z, reduction="none")
            theirs = loss(y, z, reduction="none"), *loss.grad_and_hess(y, z, reduction="none")
            for method, node, a, b in zip(METHODS, nodes[:3], ours, theirs, strict=True):
                assert a.dtype == b.dtype == dtype
                with np.errstate(all="ignore"):
                    size = terms(graph, node, *(x.astype(float) for x in (y, z)), own.parameters)
                    size = np.fmax(size, np.abs(b.astype(float)))
                    allowed = (ULP + TERMS) * spacing(size, dtype)
                    excess = np.abs(a.astype(float) - b) / allowed
                found[name, dtype.__name__, method] = float(np.max(excess)), len(z)
            both = own.value_and_grad(y, z), own(y, z), own.grad(y, z)
            assert both[0][0] == both[1] and both[0][1].tobytes() == both[2].tobytes()
    return found


@pytest.mark.parametrize("isa", EVERY)
def test_losses_that_are_built_in_agree(isa):
    # each takes a compiler's second: every set has its share of them
    names = NAMES[EVERY.index(isa) :: len(EVERY)]
    found = result_on(isa, deviations, names)
    assert len(found) == 6 * len(names)
    wrong = {case: excess for case, (excess, _) in found.items() if not excess <= 1}
    assert not wrong


def test_what_the_language_cannot_write():
    for name in BEYOND:
        loss = fl.get_loss(name)
        with pytest.raises(fl.FormulaError, match="'None' is not a name|None is not a real number"):
            Graph().parse(loss.definition, loss.parameters)


if __name__ == "__main__":  # all losses on every instruction set
    for isa in EVERY:
        worst = max(excess for excess, _ in result_on(isa, deviations, NAMES).values())
        print(f"{isa}: at most {worst:.2f} of what is allowed")
