"""Scores: of arrays and frames, in parts, merged, written as bytes; comparisons, calibration."""

from __future__ import annotations

import functools
import math
import pickle
from typing import Any

import numpy as np

import fastloss as fl
from fastloss.losses.base import pointwise_names
from fastloss.scoring.measures import METRICS, as_measure
from fuzzing import arrays, parameters
from fuzzing.case import Case, failed, same
from fuzzing.draw import Draw
from fuzzing.losses import weights
from fuzzing.problem import POLICIES, odd_array

# calibration is drawn rarely, as its quantiles take long
KINDS = ("score", "parts", "compare", "frame") * 4 + ("calibration",)
TEXTS = ("a", "b", "c", "", "ü", "(missing)", "all")


# ---- what is scored ----------------------------------------------------------------------------


@functools.cache
def _single() -> tuple[Any, ...]:
    """What scores single predictions: losses, their names with parameters, and metrics."""
    found: list[Any] = [
        loss for name in pointwise_names() for loss in parameters.variants(name)[:3]
    ]
    found += [loss.spec for loss in found]
    names = [name for name in METRICS if "<" not in name and not as_measure(name).of_rows]
    of_losses = []
    for name in pointwise_names():
        try:
            of_losses.append(as_measure(f"d2_{name}").spec)
        except ValueError:  # it is a root
            continue
    return (*found, *(names + of_losses) * 6)


@functools.cache
def _of_rows() -> tuple[Any, ...]:
    """What scores rows of one length or any, along the last axis."""
    rows = [name for name in fl.loss_names() if name not in pointwise_names()]
    losses: list[Any] = [
        loss
        for name in rows
        for loss in parameters.variants(name)
        if loss.axis == -1 and not any(isinstance(x, tuple) for x in loss.parameters.values())
    ]
    return (*losses, *(name for name in METRICS if as_measure_takes_rows(name)))


def as_measure_takes_rows(name: str) -> bool:
    """Whether a metric is, or may be, of rows."""
    return "<" not in name and as_measure(name).of_rows is not False


def _domains(losses: list[Any]) -> tuple[Any, Any]:
    """Where targets and predictions may lie for all of some losses: about the smallest."""
    each = [x for loss in losses for x in as_measure(loss).losses]
    if not each:
        return arrays.SHARES, arrays.SHARES

    def smallest(domains: list[Any]) -> Any:
        return min(domains, key=lambda d: (d.high - d.low, not d.absolute))

    return smallest([x.y_domain for x in each]), smallest([x.z_domain for x in each])


def _data(case: Case) -> tuple[list[Any], Any, Any, Any, tuple[int, ...]]:
    """Losses, targets, predictions, weights, and the shape of the samples."""
    draw = case.draw
    n = arrays.size(draw)
    flavour = draw.choice(("usual", "usual", "usual", "usual", "whole", "anywhere", "broken"))
    dtype = draw.choice(arrays.ACCEPTED)
    if draw.chance(75):
        losses = draw.some(_single(), 4)
        shape = (n,) if draw.chance(80) else arrays.shape(draw, n)
        of_y, of_z = _domains(losses)
        y = arrays.numbers(draw, of_y, shape, dtype, flavour)
        return losses, y, arrays.numbers(draw, of_z, shape, dtype, flavour), None, shape
    first = draw.choice(_of_rows())
    losses = [first]
    measure = as_measure(first)
    loss = measure.losses[0] if measure.losses else None
    k = len(getattr(loss, "_columns", ())) or draw.between(2, 5)
    if not getattr(loss, "_columns", ()):
        kin = [x for x in _of_rows() if _goes_with(x, loss)]
        losses = list({as_measure(x).spec: x for x in (first, *draw.some(kin, 2))}.values())
    of_y, of_z = _domains(losses)
    z = arrays.numbers(draw, of_z, (n, k), dtype, flavour)
    takes = draw.choice(getattr(loss, "_takes", ("labels",)))
    if takes == "labels":
        y = arrays.numbers(draw, arrays.WEIGHTS, (n,), np.dtype(np.int64), "anywhere") % k
    else:
        y = arrays.numbers(draw, of_y, (n,) if takes == "numbers" else (n, k), dtype, flavour)
    return losses, y, z, None, (n,)


def _goes_with(other: Any, loss: Any) -> bool:
    """Whether two take the same targets."""
    found = as_measure(other).losses
    mine = getattr(loss, "_takes", ("labels",))
    return (getattr(found[0], "_takes", ()) if found else ("labels",)) == mine


def _groups(draw: Draw, n: int) -> Any:
    """Labels of groups: of any type, with gaps, several keys, or none."""
    kind = draw.below(12)
    if kind < 5:
        return None
    numbers = arrays.numbers(draw, arrays.WEIGHTS, (n,), np.dtype(np.int64), "anywhere") % 5
    if kind < 7:
        return numbers
    if kind == 7:
        return np.array(TEXTS)[numbers]
    if kind == 8:
        return [TEXTS[i] if i else None for i in numbers.tolist()]
    if kind == 9:
        return np.where(numbers == 0, np.nan, numbers.astype(draw.choice(("f8", "f4"))))
    if kind == 10:
        return {"day": numbers, "who": np.array(TEXTS)[numbers % 3]}
    return draw.choice(
        (
            numbers[:-1], numbers.astype("M8[D]"), numbers > 1, [(1, 2)] * n, "x", 3, [], [[1]] * n,
            numbers.astype(object), numbers.astype(complex), [object()] * n, numbers.astype("S3"),
        )
    )  # fmt: skip


def _numbers_of(scores: Any) -> Any:
    """All that scores say, to be compared."""
    if failed(scores):
        return scores
    groups = None if scores.groups is None else repr(scores.groups)
    names = ("values", "errors", "group_values", "group_errors", "group_weights", "group_counts")
    arrays_of = [np.asarray(getattr(scores, name), float) for name in names if _there(scores, name)]
    return [float(scores.weight), int(scores.count), groups, *arrays_of]


def _there(scores: Any, name: str) -> bool:
    return getattr(scores, name, None) is not None


# ---- kinds -------------------------------------------------------------------------------------


def run(case: Case, name: str) -> None:
    {
        "score": _score,
        "parts": _parts,
        "compare": _compare,
        "calibration": _calibration,
        "frame": _frame,
    }[name](case)


def _arguments(case: Case) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    """Losses, the data, and how they are scored."""
    draw = case.draw
    losses, y, z, w, shape = _data(case)
    w = weights(case, shape, arrays.FLOATS[0])
    data = {"y_true": y, "y_pred": z, "sample_weight": w, "groups": None, "cluster": None}
    options = {"nan_policy": draw.choice(POLICIES), "stderr": draw.chance(30)}
    if len(shape) == 1:
        data["groups"] = _groups(draw, shape[0])
        if options["stderr"] and draw.chance(30):
            data["cluster"] = _groups(draw, shape[0])
    if draw.chance(5):
        spoilt = draw.choice(("y_true", "y_pred", "sample_weight"))
        data[spoilt] = odd_array(case, shape)
    if draw.chance(3):
        losses = [
            *losses,
            draw.choice(("mse", "what", "huber:delta=-1", "r2:x=1", None, 3, "mse:")),
        ]
    case.inputs |= {"losses": losses, **data, **options}
    case.watch(*data.values())
    return losses, data, options


def _score(case: Case) -> None:
    """One call: on two threads, and in another layout, the same bits; alone the same value."""
    draw = case.draw
    losses, data, options = _arguments(case)
    y, z = data.pop("y_true"), data.pop("y_pred")
    found = case.call("scores.score", fl.score, y, z, losses, **data, **options)
    want = _numbers_of(found)
    fl.set_num_threads(2)
    try:
        again = case.call("scores.score", fl.score, y, z, losses, **data, **options)
    finally:
        fl.set_num_threads(1)
    case.same("scores.score", "other bits on two threads", _numbers_of(again), want)
    plain = all(x is None or type(x) is np.ndarray for x in (y, z, data["sample_weight"]))
    if plain and not isinstance(found, TypeError):
        laid = {"y": y, "z": z, "sample_weight": data["sample_weight"]}
        others = {name: arrays.laid(draw, x) for name, x in laid.items()}
        case.inputs["in another layout"] = others
        case.watch(*(memory for _, memory in others.values()))
        more = {**data, "sample_weight": others["sample_weight"][0], **options}
        again = case.call("scores.score", fl.score, others["y"][0], others["z"][0], losses, **more)
        case.same("scores.score", "other bits in another layout", _numbers_of(again), want)
    if not failed(found):
        _look(case, found)
        if len(losses) > 1:
            one = case.call("scores.score", fl.score, y, z, losses[:1], **data, **options)
            alone = one if failed(one) else float(one.values[0])
            case.same("scores.score", "another value alone", alone, float(found.values[0]))


def _look(case: Case, found: Any) -> None:
    """What can be asked of scores."""
    draw = case.draw
    kind = draw.below(40)
    if kind < 8:
        case.call("scores.repr", repr, found)
    elif kind < 12:
        case.call("scores.to_dict", found.to_dict)
    elif kind == 12:
        case.call("scores.to_pandas", found.to_pandas)
    elif kind == 13:
        case.call("scores.html", found._repr_html_)
    elif kind == 14:
        case.call("scores.to_arrow", found.to_arrow)
    elif kind < 18:
        again = case.call("scores.pickle", lambda: pickle.loads(pickle.dumps(found)))
        case.same("scores.pickle", "other scores", _numbers_of(again), _numbers_of(found))


def _parts(case: Case) -> None:
    """In parts, merged, written and read, scores are to the bit those of all at once."""
    draw = case.draw
    losses, data, options = _arguments(case)
    given = {**options, "clustered": data["cluster"] is not None}
    whole = case.call("scores.Scorer", fl.Scorer, losses, **given)
    if failed(whole):
        return
    done = case.call("scores.update", whole.update, **data)
    if failed(done):
        fresh = fl.Scorer(losses, **given)
        kept = whole.to_bytes() == fresh.to_bytes()
        case.check("scores.update", "an error, and something is added", kept, done)
        return
    want = case.call("scores.result", whole.result)
    arrays_only = all(x is None or isinstance(x, (np.ndarray, list)) for x in data.values())
    if arrays_only and data["y_true"].ndim and data["y_pred"].ndim:
        n = len(data["y_true"])
        cut = draw.between(0, n)
        merged = _merged(case, losses, given, data, cut)
        if merged is not None:
            case.inputs["cut"] = cut
            got = case.call("scores.result", merged.result)
            case.same("scores.merge", "other bits in parts", _numbers_of(got), _numbers_of(want))
            whole = merged
    _written(case, whole, want)


def _merged(
    case: Case, losses: list[Any], given: dict[str, Any], data: dict[str, Any], cut: int
) -> Any:
    """A scorer of two parts, in any order, by any of the ways; None if there is a part of none."""
    draw = case.draw
    parts = [
        {key: None if x is None else x[where] for key, x in data.items()}
        for where in (slice(cut), slice(cut, None))
    ]
    if draw.chance(50):
        parts.reverse()
    first, second = fl.Scorer(losses, **given), fl.Scorer(losses, **given)
    done = case.call("scores.update", first.update, **parts[0])
    other = first if draw.chance(50) else second
    before = other.to_bytes() if _can_be_written(other) else None
    again = case.call("scores.update", other.update, **parts[1])
    if failed(again) and before is not None:
        kept = other.to_bytes() == before
        case.check("scores.update", "an error, and something is added", kept, again)
    if failed(done) or failed(again):  # as of no samples, or of labels that do not go together
        return None
    if other is first:
        return first
    if draw.chance(50):
        found = case.call("scores.add", lambda: first + second)
        return None if failed(found) else found
    done = case.call("scores.merge", first.merge, second)
    return None if failed(done) else first


def _can_be_written(scorer: Any) -> bool:
    try:
        scorer.to_bytes()
    except TypeError:  # of labels that JSON cannot tell
        return False
    return True


def _written(case: Case, scorer: Any, want: Any) -> None:
    data = case.call("scores.to_bytes", scorer.to_bytes)
    if not failed(data):
        again = case.call("scores.from_bytes", fl.Scorer.from_bytes, data)
        case.check("scores.from_bytes", "refuses what to_bytes gave", not failed(again), again)
        got = case.call("scores.result", again.result)
        case.same("scores.from_bytes", "other bits from bytes", _numbers_of(got), _numbers_of(want))
    again = case.call("scores.pickle", lambda: pickle.loads(pickle.dumps(scorer)))
    got = case.call("scores.result", again.result)
    case.same("scores.pickle", "other bits from a pickle", _numbers_of(got), _numbers_of(want))


def _compare(case: Case) -> None:
    """Models on the same samples: each has the scores that it has alone."""
    draw = case.draw
    losses, data, options = _arguments(case)
    y, z = data["y_true"], data["y_pred"]
    other = z
    if type(z) is np.ndarray and z.ndim and z.dtype.kind in "fb":
        other = z[::-1].copy() if draw.chance(70) else z.copy()
    models = {"a": z, "b": other}
    if draw.chance(5):
        models = draw.choice(({}, {"a": z}, [z, z], None, {"a": z, 1: z}, {"a": z, "b": None}))
    more = {"by": data["groups"], "sample_weight": data["sample_weight"]}
    more |= {"cluster": data["cluster"], "nan_policy": options["nan_policy"]}
    if draw.chance(30):
        more["baseline"] = draw.choice(("a", "b", "best", "x", None, 1))
    if draw.chance(20):
        more["correction"] = draw.choice(("holm", None, "x"))
    case.inputs |= {"models": models, **more}
    found = case.call("scores.compare", fl.compare, y, models, losses, **more)
    fl.set_num_threads(2)
    try:
        again = case.call("scores.compare", fl.compare, y, models, losses, **more)
    finally:
        fl.set_num_threads(1)
    case.same("scores.compare", "other bits on two threads", _compared(again), _compared(found))
    if failed(found):
        return
    if options["nan_policy"] != "omit":  # where a row is left out of all models
        names = ("sample_weight", "groups", "nan_policy")
        of_one = dict(
            zip(names, (more["sample_weight"], more["by"], more["nan_policy"]), strict=True)
        )
        alone = case.call("scores.score", fl.score, y, z, losses, **of_one)
        want = alone if failed(alone) else alone.values
        case.same("scores.compare", "other values than alone", found.total.values[0], want)
    kind = draw.below(20)
    if kind < 4:
        case.call("scores.repr", repr, found)
    elif kind < 6:
        case.call("scores.to_dict", found.to_dict)
    elif kind == 6:
        case.call("scores.to_pandas", found.to_pandas)


def _compared(found: Any) -> Any:
    if failed(found):
        return found
    total, groups = found.total, found.groups
    parts = [getattr(total, name) for name in total.__dataclass_fields__]
    if groups is not None:
        parts += [getattr(groups, name) for name in groups.__dataclass_fields__]
    return [np.asarray(part, float) for part in parts]


def _calibration(case: Case) -> None:
    draw = case.draw
    n = arrays.size(draw)
    flavour = draw.choice(("usual", "usual", "usual", "whole", "anywhere", "broken"))
    y: Any = arrays.numbers(draw, arrays.SHARES, (n,), draw.choice(arrays.ACCEPTED), "whole")
    p: Any = arrays.numbers(draw, arrays.SHARES, (n,), draw.choice(arrays.FLOATS), flavour)
    w = weights(case, (n,), arrays.FLOATS[0])
    if draw.chance(5):
        y, p = draw.choice(((odd_array(case, (n,)), p), (y, odd_array(case, (n,)))))
    edges = (
        [0, 1],
        [0, 0.5, 1],
        [0.0, 0.1, 0.1, 1],
        [1, 0],
        [0, np.nan, 1],
        np.linspace(0, 1, 200),
    )
    more: dict[str, Any] = {"sample_weight": w}
    if draw.chance(60):
        more["bins"] = draw.choice((1, 2, 5, 20, 1000, 0, -1, *edges, parameters.odd(draw)))
    if type(more.get("bins")) is int and more["bins"] > 10**6:  # as many edges as are asked for
        del more["bins"]
    if draw.chance(30):
        more["strategy"] = draw.choice(("uniform", "uniform", "quantile", "x", None))
    if draw.chance(30):
        more["nan_policy"] = draw.choice(("omit", "omit", "raise", "propagate"))
    if draw.chance(20):
        more["level"] = draw.choice((0.5, 0.99, 1e-300, 1 - 2**-53, 0.0, 1.0, parameters.odd(draw)))
    if draw.chance(40):
        more["by"] = _groups(draw, n)
    case.inputs |= {"y_true": y, "y_pred": p, **more}
    case.watch(y, p, *more.values())
    found = case.call("scores.calibration", fl.calibration, y, p, **more)
    fl.set_num_threads(2)
    try:
        again = case.call("scores.calibration", fl.calibration, y, p, **more)
    finally:
        fl.set_num_threads(1)
    both = [x if failed(x) else _calibrated(x) for x in (again, found)]
    case.same("scores.calibration", "other bits on two threads", *both)
    if failed(found):
        return
    right = (
        found.count.sum() > 0 and (found.count > 0).all() and 0 <= found.ece <= found.mce + 1e-12
    )
    case.check("scores.calibration", "bins that cannot be", bool(right), found.count, found.ece)
    kind = draw.below(20)
    if kind < 4:
        case.call("scores.repr", repr, found)
    elif kind == 4:
        case.call("scores.to_pandas", found.to_pandas)


def _calibrated(found: Any) -> list[Any]:
    names = ("edges", "count", "weight", "prediction", "outcome", "error", "interval")
    return [*(getattr(found, name) for name in names), found.ece, found.mce, found.brier]


def _frame(case: Case) -> None:
    """Columns of frames of Arrow and pandas have the scores of their arrays."""
    import pandas as pd
    import pyarrow as pa

    draw = case.draw
    n = draw.choice(arrays.FEW) if draw.chance(90) else draw.choice((0, 600, 3000))
    losses = draw.some(_single(), 3)
    of_y, of_z = _domains(losses)
    flavour = draw.choice(("usual", "usual", "usual", "whole", "broken"))
    dtype = draw.choice((*arrays.FLOATS * 3, *arrays.WHOLE))
    y = arrays.numbers(draw, of_y, (n,), dtype, flavour)
    p = arrays.numbers(draw, of_z, (n,), dtype, flavour)
    numbers = arrays.numbers(draw, arrays.WEIGHTS, (n,), np.dtype(np.int64), "anywhere") % 4
    texts = [TEXTS[i] for i in numbers.tolist()]
    columns = {"y": y, "p": p, "w": np.abs(numbers) * 0.5, "g": texts}
    make = draw.choice((pa.table, pd.DataFrame))
    frame = make(columns)
    policy = draw.choice(POLICIES)
    roles: dict[str, Any] = {"y_true": "y", "y_pred": "p", "nan_policy": policy}
    arrays_of: dict[str, Any] = {"nan_policy": policy}
    if draw.chance(50):
        roles["sample_weight"], arrays_of["sample_weight"] = "w", columns["w"]
    if draw.chance(50):
        roles["by"], arrays_of["groups"] = "g", texts
    if draw.chance(8):
        roles[draw.choice(("y_true", "y_pred", "sample_weight", "by", "cluster"))] = draw.choice(
            ("x", "g", 1, ["y", "x"], [], "", ["g", "g"], math.nan)
        )
        arrays_of = {}
    case.inputs |= {"losses": losses, "frame": columns, "kind": make, **roles}
    case.watch(y, p)
    found = case.call("scores.frame", fl.score, frame, losses, **roles)
    if arrays_of:
        want = case.call("scores.score", fl.score, y, p, losses, **arrays_of)
        both = failed(found) and failed(want)
        case.check(
            "scores.frame",
            "other scores than of the arrays",
            both or same(_numbers_of(found), _numbers_of(want)),
            found,
            want,
        )
