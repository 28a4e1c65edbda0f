"""The losses of one target and one prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastloss.losses.learnable import Learnable
from fuzzing import arrays, parameters
from fuzzing.case import Case, failed
from fuzzing.problem import POLICIES, REDUCTIONS, Problem, drawn_options, exercise, odd_array

KIND = "pointwise"


def run(case: Case, name: str) -> None:
    """All methods of a loss on what was drawn for it."""
    loss = parameters.loss(case, name, KIND)
    if loss is None:
        return
    draw = case.draw
    y, z, w = _inputs(case, loss)
    if draw.chance(6):  # the others have to be right for an error to be about this one
        spoilt = odd_array(case, np.shape(z))
        y, z, w = draw.choice(((spoilt, z, w), (y, spoilt, w), (y, z, spoilt)))
    problem = Problem(case, KIND, loss, y, z, w, np.shape(z) if isinstance(z, np.ndarray) else ())
    drawn_options(problem)
    exercise(problem)
    if draw.chance(10):
        _beside(case, loss, y, z, w)


def _inputs(case: Case, loss: Any) -> tuple[Any, Any, Any]:
    draw = case.draw
    shape = arrays.shape(draw, arrays.size(draw))
    flavour = draw.choice(arrays.FLAVOURS)
    dtype = draw.choice(arrays.ACCEPTED)
    other = dtype if draw.chance(70) else draw.choice(arrays.ACCEPTED)
    z = arrays.numbers(draw, loss.z_domain, shape, dtype, flavour)
    if draw.chance(30):
        flavour = draw.choice(arrays.INSIDE)
    y = arrays.numbers(draw, loss.y_domain, shape, other, flavour)
    if draw.chance(3) and y.size:
        y = arrays.broadcast(y)[draw.below(2)]
    return y, z, weights(case, shape, dtype)


def weights(case: Case, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """None, or weights: positive, with zeros, of either sign, of any size, or not finite."""
    draw = case.draw
    kind = draw.below(16)
    if kind < 7:
        return None
    if len(shape) > 1 and kind < 9:  # one for each row
        shape = shape[:1]
    of_weights = draw.choice((dtype, *arrays.FLOATS, *arrays.ACCEPTED[-4:]))
    flavour = ("usual", "usual", "whole", "whole", "anywhere", "broken", "wild")[draw.below(7)]
    signed = arrays.ANY if draw.chance(25) else arrays.WEIGHTS
    return arrays.numbers(draw, signed, shape, of_weights, flavour)


def _beside(case: Case, loss: Any, y: Any, z: Any, w: Any) -> None:
    """What losses have besides: links, best constants, derivatives by parameters."""
    draw = case.draw
    kind = draw.below(10)
    if kind < 4:
        links(case, loss, z)
    elif kind < 7 or not isinstance(loss, Learnable):
        if draw.chance(25):
            found = case.call(f"{KIND}.optimal_constant", loss.optimal_constant, y, w)
            right = failed(found) or type(found) is float and found in loss.z_domain
            case.check(f"{KIND}.optimal_constant", "not in the domain", right, found)
    else:
        case.call(f"{KIND}.log_partition", loss.log_partition)
        options = {"sample_weight": w, "reduction": draw.choice(REDUCTIONS)}
        options["nan_policy"] = draw.choice(POLICIES)
        found = case.call(f"{KIND}.grad_parameters", loss.grad_parameters, y, z, **options)
        right = failed(found) or found.keys() == loss.parameters.keys()
        case.check(f"{KIND}.grad_parameters", "other parameters", right, found)


def links(case: Case, loss: Any, z: Any, kind: str = KIND) -> None:
    for name in ("inverse_link", "link"):
        found = case.call(f"{kind}.{name}", getattr(loss, name), z)
        right = failed(found) or isinstance(found, np.ndarray) and found.shape == np.shape(z)
        case.check(f"{kind}.{name}", "another shape", right, found)
