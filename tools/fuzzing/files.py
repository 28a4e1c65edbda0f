"""Files: written as they should be, then spoilt, and read by the functions of the command line."""

from __future__ import annotations

import functools
import io
import json
import os
import tempfile
import zlib
from collections.abc import Callable
from typing import Any

import click
import numpy as np

import fastloss as fl
from fastloss import optim
from fastloss.cli.batches import score_batch
from fastloss.cli.plan import make_plan, read_measures
from fastloss.define import definition, loss, toml
from fastloss.define.source import c_source
from fastloss.losses import base
from fastloss.optim.storage import load_state
from fastloss.scoring.tables import read
from fastloss.tables import Options, TableError, open_sources
from fastloss.tables.kinds import KINDS
from fuzzing.case import Case, Found, failed
from fuzzing.draw import Draw
from fuzzing.optimizers import snapshot

# What the command line prints in one line; all else would be a traceback.
OF_TABLES = (click.ClickException, TableError, OSError, MemoryError)
OF_STATES = (ValueError, TypeError, OSError, MemoryError)
TIMES = 12  # files that a case spoils
SUFFIXES = tuple(dict.fromkeys(KINDS))
OTHERS = ("optimizer", "state", "model", "scorer", "toml")
NAMES = (*SUFFIXES, *OTHERS)


def run(case: Case, name: str) -> None:
    """A file of a kind: as it is, and spoilt in some ways."""
    if name in SUFFIXES:
        _table(case, name)
    else:
        {
            "optimizer": _optimizer,
            "state": _state,
            "model": _model,
            "scorer": _scorer,
            "toml": _toml,
        }[name](case)


# ---- how files are spoilt ----------------------------------------------------------------------

WORDS = (
    b"nan", b"inf", b"-1", b"1e999", b"0", b"", b"\x00", b"\xff", b"\n", b"\r\n", b",", b'"', b";",
    b"{", b"}", b"[", b"]", b"null", b"true", b"\xef\xbb\xbf", b"9" * 400, b"1_0", b"\t", b"'",
)  # fmt: skip


def mutated(draw: Draw, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """Bytes with a few changes: flipped, cut, put elsewhere, zeroed, or taken from another file."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        size = len(found)
        if not size:
            break
        place = draw.below(size)
        stop = min(size, place + draw.choice((1, 2, 4, 8, 32, 200)))
        kind = draw.below(10)
        if kind < 3:
            found[place] ^= 1 << draw.below(8)
        elif kind == 3:
            found[place] = draw.below(256)
        elif kind == 4:
            del found[place:]
        elif kind == 5:
            found[place:stop] = bytes(stop - place)
        elif kind == 6:
            del found[place:stop]
        elif kind == 7:
            other = draw.choice(others)
            start = draw.below(len(other))
            found[place:stop] = other[start : start + stop - place]
        elif kind == 8:
            found[place:place] = found[place:stop]
        else:
            word = draw.choice(WORDS)
            found[place : place + draw.choice((0, len(word)))] = word
    return bytes(found)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Where files are written, in memory if the system has such a place."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="fastloss-fuzz-", dir=place)


def _written(data: bytes, ending: str) -> str:
    path = os.path.join(_folder().name, f"file{ending}")
    with open(path, "wb") as file:
        file.write(data)
    return path


# ---- tables ------------------------------------------------------------------------------------


@functools.cache
def tables(ending: str) -> tuple[bytes, ...]:
    """Files of predictions of a kind, as they should be."""
    rng = np.random.default_rng(0)
    found = []
    for rows in (1, 5, 40):
        columns: dict[str, Any] = {
            "y": rng.integers(0, 2, rows).astype(float),
            "p": rng.uniform(0.01, 0.99, rows),
            "w": rng.integers(0, 3, rows),
            "g": rng.choice(["a", "b", "ü", ""], rows),
        }
        found.append(_file(columns, ending))
    return tuple(found)


def _file(columns: dict[str, Any], ending: str) -> bytes:
    import pyarrow as pa
    from pyarrow import csv, feather, orc, parquet

    table, sink = pa.table(columns), io.BytesIO()
    if ending == ".npz":
        np.savez(sink, **columns)
    elif ending in (".csv", ".tsv", ".txt"):
        mark = "," if ending == ".csv" else "\t"
        csv.write_csv(table, sink, csv.WriteOptions(delimiter=mark))
    elif ending in (".jsonl", ".ndjson"):
        sink.write("".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode())
    elif ending in (".parquet", ".pq"):
        parquet.write_table(table, sink)
    elif ending == ".orc":
        orc.write_table(table, sink)
    elif ending == ".feather":
        feather.write_feather(table, sink, compression="uncompressed")
    else:
        make = pa.ipc.new_stream if ending == ".arrows" else pa.ipc.new_file
        with make(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def _table(case: Case, ending: str) -> None:
    draw = case.draw
    others = tables(ending)
    data = draw.choice(others)
    case.inputs["file"] = data
    result = case.allowing(
        OF_TABLES, f"files{ending}", _scored, _written(data, ending), draw, False
    )
    case.check(f"files{ending}", "a good file is refused", not failed(result), result)
    for _ in range(TIMES):
        bad = mutated(draw, data, others)
        case.inputs["file"] = bad
        case.allowing(OF_TABLES, f"files{ending}", _scored, _written(bad, ending), draw, True)


def _scored(path: str, draw: Draw, loosely: bool) -> Any:
    """What ``fastloss score`` does with a file, but for options and printing."""
    if loosely and draw.chance(20):
        columns = [*read(open_sources([path], Options(), ["y", "p"]), ["y", "p"], ["g"])]
        return len(columns)
    specs = draw.choice((("mse",), ("mse", "log_loss"), ("accuracy", "brier"), ("r2", "bias")))
    plan = make_plan(
        [path],
        Options(),
        read_measures(specs),
        "y",
        ["p"],
        None,
        weight=draw.choice((None, "w")),
        by=draw.choice(((), ("g",))),
        policy=draw.choice(("propagate", "omit")),
        stderr=draw.chance(30),
        comparing=None,
    )
    seen = plan.seen()
    for batch in read(plan.sources, plan.numbers, plan.by, plan.classes):
        score_batch(plan, seen, draw.chance(20), batch)
    try:
        return {model: scorer.result() for model, scorer in seen.items()}  # type: ignore[union-attr]
    except ValueError:  # nothing to score, which the command says so
        return None


# ---- states of optimizers ----------------------------------------------------------------------


def _shapes(rule: type[optim.Optimizer]) -> list[np.ndarray]:
    """Arrays that a rule takes."""
    made = [np.linspace(0, 1, 6).reshape(2, 3), np.ones(3, np.float32)]
    return [array for array in made if rule._axes in (None, array.ndim)]


@functools.cache
def states() -> tuple[tuple[str, bytes], ...]:
    """Files that optimizers of every rule saved, after a step."""
    found = []
    for name in optim.optimizer_names():
        rule = getattr(optim, name)
        params = _shapes(rule)
        try:
            opt = rule(params, lr=optim.schedules.Step(0.1, step_size=3))
        except TypeError:  # of one rate alone
            opt = rule(params, lr=0.1)
        opt.step([np.ones_like(array) for array in params])
        path = _written(b"", ".saved")
        opt.save(path)
        with open(path, "rb") as file:
            found.append((name, file.read()))
    return tuple(found)


def _archive(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data)) as file:
        return {name: file[name] for name in file.files}


def _spoilt_archive(draw: Draw, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """A state file with a change within, and checksums that are right again; or as any file."""
    if draw.chance(40):
        return mutated(draw, data, others)
    entries = _archive(data)
    document = json.loads(entries["structure"].tobytes())
    if draw.chance(70):
        text = json.dumps(spoilt_json(draw, document)).encode()
    else:
        text = mutated(draw, entries["structure"].tobytes(), (b"{}", b"[]", *others))
    entries["structure"] = np.frombuffer(text, np.uint8)
    if draw.chance(20) and len(entries) > 1:
        del entries[draw.choice([name for name in entries if name != "structure"])]
    sink = io.BytesIO()
    np.savez(sink, **entries)
    return sink.getvalue()


def _optimizer(case: Case) -> None:
    draw, kind = case.draw, "files.optimizer"
    name, data = draw.choice(states())
    others = tuple(bytes_ for _, bytes_ in states())
    params = _shapes(getattr(optim, name))
    case.inputs |= {"rule": name, "file": data}
    done = case.allowing(OF_STATES, kind, optim.load, _written(data, ".state"), params)
    case.check(kind, "refuses what save wrote", not failed(done), done)
    for _ in range(TIMES):
        bad = _spoilt_archive(draw, data, others)
        case.inputs["file"] = bad
        before = [array.tobytes() for array in params]
        opt = case.allowing(OF_STATES, kind, optim.load, _written(bad, ".state"), params)
        after = [array.tobytes() for array in params]
        case.check(kind, "loading changes the parameters", before == after, opt)
        if not failed(opt):
            done = case.call("optimizers.step", opt.step, [np.ones_like(a) for a in params])
            case.check(kind, "loaded, and has no state", bool(snapshot(opt, params)), done)


def _state(case: Case) -> None:
    draw = case.draw
    name, data = draw.choice(states())
    others = tuple(bytes_ for _, bytes_ in states())
    case.inputs |= {"rule": name}
    allowed = (ValueError, OSError)
    done = case.allowing(allowed, "files.state", load_state, _written(data, ".state"))
    case.check("files.state", "refuses what save wrote", not failed(done), done)
    for _ in range(TIMES):
        bad = _spoilt_archive(draw, data, others)
        case.inputs["file"] = bad
        case.allowing(allowed, "files.state", load_state, _written(bad, ".state"))


# ---- models ------------------------------------------------------------------------------------


@functools.cache
def models() -> tuple[bytes, ...]:
    """Files of fitted linear models: regressors, and classifiers of two and of three classes."""
    from fastloss.linear_model import LinearClassifier, LinearRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    fitted = [
        LinearRegressor("huber:delta=1.5", alpha=0.1).fit(X, X @ [1.0, 2.0]),
        LinearClassifier().fit(X, X[:, 0] > 0),
        LinearClassifier().fit(X, np.array(["a", "b", "c"])[rng.integers(0, 3, 30)]),
    ]
    found = []
    for model in fitted:
        path = _written(b"", ".saved")
        model.save(path)
        with open(path, "rb") as file:
            found.append(file.read())
    return tuple(found)


JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**400, 1e308, "", "x", "nan", [], {}, [[]], [[1.0, 2.0]],
    "huber", {"a": 1}, [None], -0.0, 2**63, "\ud800", ["a"], "a" * 5000, {"dict": {}}, {"array": 0},
)  # fmt: skip


def spoilt_json(draw: Draw, tree: Any) -> Any:
    """A JSON document with something changed in one place."""
    if isinstance(tree, dict) and tree and draw.chance(94):
        key = draw.choice(tuple(tree))
        kind = draw.below(14)
        if kind == 0:
            return {k: v for k, v in tree.items() if k != key}
        if kind == 1:
            return {**tree, draw.choice(("x", "", "lr", key + "_")): draw.choice(JUNK)}
        return {**tree, key: spoilt_json(draw, tree[key])}
    if isinstance(tree, list) and tree and draw.chance(90):
        place = draw.below(len(tree))
        if draw.chance(12):
            return tree[:place] + tree[place + 1 :] if draw.chance(50) else [*tree, tree[place]]
        return [*tree[:place], spoilt_json(draw, tree[place]), *tree[place + 1 :]]
    return draw.choice(JUNK)


def _spoilt_text(draw: Draw, data: bytes, others: tuple[bytes, ...]) -> bytes:
    if draw.chance(35):
        return mutated(draw, data, others)
    document = json.loads(data)
    for _ in range(draw.choice((1, 1, 2))):
        document = spoilt_json(draw, document)
    return json.dumps(document).encode()


def _model(case: Case) -> None:
    from fastloss.linear_model import load

    draw, kind = case.draw, "files.model"
    data = draw.choice(models())
    case.inputs["file"] = data
    model = case.allowing((ValueError, OSError), kind, load, _written(data, ".json"))
    case.check(kind, "refuses what save wrote", not failed(model), model)
    for _ in range(TIMES):
        bad = _spoilt_text(draw, data, models())
        case.inputs["file"] = bad
        model = case.allowing((ValueError, OSError), kind, load, _written(bad, ".json"))
        if not failed(model):
            X = np.ones((2, model.n_features_in_))
            names = getattr(model, "feature_names_in_", None)
            if names is None:
                case.call("files.predict", model.predict, X)


# ---- scorers -----------------------------------------------------------------------------------


@functools.cache
def scorers() -> tuple[bytes, ...]:
    """Bytes of scorers with and without groups, errors and clusters."""
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 30), rng.uniform(0.1, 0.9, 30)
    groups = rng.choice(["a", "b", "c"], 30)
    found = []
    for by, errors, cluster in ((None, False, None), (groups, True, None), (groups, True, groups)):
        scorer = fl.Scorer(
            ["brier", "log_loss", "r2"], stderr=errors, clustered=cluster is not None
        )
        scorer.update(y, p, groups=by, cluster=cluster)
        found.append(scorer.to_bytes())
    rows = fl.Scorer(["softmax_cross_entropy"])
    rows.update(np.arange(30) % 3, rng.normal(size=(30, 3)))
    return (*found, rows.to_bytes(), fl.Scorer("mse").to_bytes())


def _signed_again(data: bytes) -> bytes:
    """The same with the checksum that belongs to it."""
    document = json.loads(data)
    body = json.dumps(document["state"], separators=(",", ":"))
    document["crc32"] = zlib.crc32(body.encode())
    return json.dumps(document).encode()


def _scorer(case: Case) -> None:
    draw, kind = case.draw, "files.scorer"
    data = draw.choice(scorers())
    done = case.call(kind, fl.Scorer.from_bytes, data)
    case.check(kind, "refuses what to_bytes gave", not failed(done), done)
    for _ in range(TIMES):
        if draw.chance(35):
            bad = mutated(draw, data, scorers())
        else:
            document = json.loads(data)
            bad = _signed_again(
                json.dumps({**document, "state": spoilt_json(draw, document["state"])}).encode()
            )
        case.inputs["file"] = bad
        scorer = case.call(kind, fl.Scorer.from_bytes, bad)
        if not failed(scorer):
            case.call("scores.result", scorer.result)
            again = case.call("scores.to_bytes", scorer.to_bytes)
            if not failed(again):
                other = case.call(kind, fl.Scorer.from_bytes, again)
                case.check(kind, "refuses what to_bytes gave", not failed(other), other)


# ---- losses of one's own -----------------------------------------------------------------------

TOML = (
    b'[linex]\nformula = "exp(a*(z - y)) - a*(z - y) - 1"\n'
    b"parameters.a = {low = 0, open_low = true, default = 1.0}\n",
    b'[quartic]\nformula = "(z - y)**4"\ngrad = "4*(z - y)**3"\ny = "[0, inf)"\nz = "(-inf, 1]"\n'
    b'doc = "The fourth power."\n[other]\nformula = "abs(z - y) if z > y else b*(z - y)**2"\n'
    b'parameters.b = 0.5\nmajorant = "1"\n',
)
FORMULAS = (
    b"exp", b"log1p", b"**", b"(", b")", b"1e400", b"z", b"y", b"if", b"else", b"and", b".real",
    b"__import__", b"lambda", b"1/0", b"0**-1", b"inf", b"pi", b"a[0]", b"-", b"not", b"==",
    b"((((((((((",
)  # fmt: skip


def _not_compiled(made: definition.Definition, cls: Any) -> None:
    """In place of the check of a new class, which compiles: what comes before the compiler."""
    numbers = {key: parameter.default for key, parameter in made.parameters}
    c_source(definition.completed(made, numbers)[1], made.names)


def _parsed(path: str) -> int:
    """How many losses a file defines; none of them is compiled, or kept."""
    before: Callable[..., Any] = loss.check
    loss.check = _not_compiled  # type: ignore[assignment]
    try:
        return len(toml.load_losses(path))
    finally:
        loss.check = before  # type: ignore[assignment]
        loss._CLASSES.clear()
        base._DEFINED.clear()


def _toml(case: Case) -> None:
    draw, kind = case.draw, "files.toml"
    data = draw.choice(TOML)
    case.inputs["file"] = data
    found = case.allowing((ValueError, OSError), kind, _parsed, _written(data, ".toml"))
    if failed(found):
        raise Found(kind, "a good file is refused", str(found))
    for _ in range(TIMES):
        bad = mutated(draw, data, TOML)
        if draw.chance(50):
            place = draw.below(len(data))
            bad = data[:place] + draw.choice(FORMULAS) + data[place + draw.below(3) :]
        case.inputs["file"] = bad
        case.allowing((ValueError, OSError), kind, _parsed, _written(bad, ".toml"))
