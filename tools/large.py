#!/usr/bin/env python
"""Compute with more than 2^31 elements and more than 2^31 rows.

    tools/large.py                    # everything: a quarter of an hour, 13 GB of memory
    tools/large.py --only "score, groups and weights"

Inputs are views of a few megabytes that are mapped again and again, at addresses that follow each
other: contiguous arrays of any length, in little memory, whose period is no power of two. What is
written to, as ``out=y_pred``, gets memory of its own where it is written. Results have to be those
of the periods that the input consists of: scores and gradients to the bit, values to 1e-12; and no
call may hold more than 64 MiB beyond its arrays, which a copy of any of them would. Errors have
to name the index of a bad value beyond 2^31. Each case runs in a process of its own.

Linux, and NumPy, SciPy, ml_dtypes.
"""

from __future__ import annotations

import ctypes
import json
import math
import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from faults import chosen, kept, parser
from record import recorded

N = 2**31 + 3_000_017  # elements or rows
PLACE = 2**31 + 5  # of a bad value
PERIOD = 4096 * 1021  # elements: whole pages of every dtype, and a prime times a power of two
FLAT = 64 << 20  # bytes that a call may hold beyond its arrays
SPARE = 2 << 30  # bytes of memory that are left to others
PROT_NONE, MAP_FIXED, MAP_NORESERVE = 0, 0x10, 0x4000  # which the module mmap lacks

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]


class Wrong(Exception):
    """What must not be."""


# ---- arrays of any length ------------------------------------------------------------------------


def repeated(base: Any, n: int = N) -> Any:
    """An array of n elements or rows that repeats another one, whose memory it shares until it is
    written to."""
    size = n * base.nbytes // len(base)
    file = os.memfd_create("repeated")
    os.truncate(file, base.nbytes)
    with mmap.mmap(file, base.nbytes) as whole:
        whole[:] = base.tobytes()
    reach = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    private = mmap.MAP_PRIVATE | MAP_NORESERVE
    start = _map(None, reach, PROT_NONE, private | mmap.MAP_ANONYMOUS, -1)
    for place in range(0, reach, base.nbytes):
        length = min(base.nbytes, reach - place)
        access = mmap.PROT_READ | mmap.PROT_WRITE
        _map(start + place, length, access, private | MAP_FIXED, file)
    os.close(file)
    found = np.frombuffer((ctypes.c_char * size).from_address(start), np.uint8)
    return found.view(base.dtype).reshape(n, *base.shape[1:])


def own(*arrays: Any) -> None:
    """Give arrays that will be written to memory of their own, so that it is there before."""
    for array in arrays:
        pages = array.reshape(-1).view(np.uint8)[:: mmap.PAGESIZE]
        pages += 0


def _map(start: int | None, size: int, access: int, flags: int, file: int) -> int:
    found = libc.mmap(start, size, access, flags, file, 0)
    if found in (None, ctypes.c_void_p(-1).value):
        error = ctypes.get_errno()
        raise OSError(error, f"mmap: {os.strerror(error)}")
    return int(found)


def normal(dtype: Any = np.float32, *columns: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(PERIOD, *columns)).astype(dtype)


def labels(dtype: Any = np.int8, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 2, PERIOD).astype(dtype)


def weights() -> Any:
    return np.random.default_rng(2).uniform(0.5, 2, PERIOD).astype(np.float32)


def bfloat16() -> Any:
    import ml_dtypes

    return ml_dtypes.bfloat16


# ---- measuring, and comparing --------------------------------------------------------------------


def own_memory() -> int:
    """Bytes that this process has and shares with nobody."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) << 10
    raise OSError("/proc/self/status has no RssAnon: Linux 4.5 or later tells it")


class Measured:
    """The time that a block takes, and the most memory that the process had beyond what it had
    before and what it wrote to."""

    def __init__(self, writes: int = 0) -> None:
        self.writes = writes

    def __enter__(self) -> Measured:
        self._before = self._peak = own_memory()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        self._start = time.perf_counter()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self._peak = max(self._peak, own_memory())

    def __exit__(self, *error: Any) -> None:
        self.seconds = time.perf_counter() - self._start
        self._done.set()
        self._thread.join()
        self._peak = max(self._peak, own_memory())
        self.extra = self._peak - self._before - self.writes

    def found(self, **more: Any) -> dict[str, Any]:
        if self.extra > FLAT:
            raise Wrong(f"it held {self.extra / 1e6:,.0f} MB beyond its arrays")
        megabytes = round(max(self.extra, 0) / 1e6, 1)
        return {"seconds": round(self.seconds, 1), "extra MB": megabytes, **more}


def parts(n: int = N) -> list[tuple[int, slice]]:
    """What n elements consist of: how many periods, and the part of one that is left over."""
    return [(n // PERIOD, slice(0, PERIOD)), (1, slice(0, n % PERIOD))]


def close(found: float, expected: float) -> None:
    if not math.isclose(found, expected, rel_tol=1e-12) or not math.isfinite(found):
        raise Wrong(f"it gave {found!r}, and its parts {expected!r}")


def repeats(array: Any, period: Any) -> None:
    """An error unless an array is one of its periods, again and again."""
    for first in range(0, len(array), PERIOD):
        piece = array[first : first + PERIOD]
        if piece.tobytes() != period[: len(piece)].tobytes():
            raise Wrong(f"it differs from its parts at {first} or beyond")


# ---- cases ---------------------------------------------------------------------------------------


def value(loss: Any, y: Any, z: Any, w: Any = None) -> dict[str, Any]:
    """The mean of a loss, against the sums over parts."""
    y, z = (x if len(x) == N else repeated(x) for x in (y, z))
    w = None if w is None else repeated(w)
    with Measured() as measured:
        mean = loss(y, z, sample_weight=w)
    total = weight = 0.0
    for count, part in parts():
        of_part = None if w is None else w[part]
        total += count * loss(y[part], z[part], sample_weight=of_part, reduction="sum")
        weight += count * (part.stop if of_part is None else of_part.sum(dtype=float))
    close(mean, total / weight)
    return measured.found()


def in_place(loss: Any, y: Any, z: Any, n: int = N) -> dict[str, Any]:
    """The gradient, into the predictions."""
    grad = loss.grad(y, z, reduction="sum")
    long_y, long_z = repeated(y, n), repeated(z, n)
    expected = sum(count * loss(y[part], z[part], reduction="sum") for count, part in parts(n))
    own(long_z)
    with Measured() as measured:
        total, out = loss.value_and_grad(long_y, long_z, reduction="sum", out=long_z)
    if out is not long_z:
        raise Wrong("it did not write to out")
    close(total, expected)
    repeats(long_z, grad)
    return measured.found()


def both_derivatives(loss: Any, y: Any, z: Any) -> dict[str, Any]:
    """Gradient and Hessian, of a dtype of two bytes."""
    expected = loss.grad_and_hess(y, z, reduction="sum")
    long_y, long_z = repeated(y), repeated(z)
    outs = tuple(repeated(np.zeros_like(array)) for array in expected)
    own(*outs)
    with Measured() as measured:
        loss.grad_and_hess(long_y, long_z, reduction="sum", out=outs)
    for out, of_period in zip(outs, expected, strict=True):
        repeats(out, of_period)
    return measured.found()


def unreduced(loss: Any, y: Any, z: Any) -> dict[str, Any]:
    """The value of each element, in a new array."""
    expected = loss(y, z, reduction="none")
    long_y, long_z = repeated(y), repeated(z)
    with Measured(N * expected.itemsize) as measured:
        found = loss(long_y, long_z, reduction="none")
    repeats(found, expected)
    return measured.found()


def scores(losses: list[str], y: Any, z: Any, **options: Any) -> dict[str, Any]:
    """fl.score of all rows, against a Scorer of parts, to the bit."""
    import fastloss as fl

    y, z = repeated(y), repeated(z)
    arrays = {key: repeated(array) for key, array in options.items() if key != "stderr"}
    stderr = options.get("stderr", False)
    with Measured() as measured:
        found = fl.score(y, z, losses, stderr=stderr, **arrays)
    scorer = fl.Scorer(losses, stderr=stderr)
    for count, part in parts():
        one = fl.Scorer(losses, stderr=stderr)
        one.update(y[part], z[part], **{key: array[part] for key, array in arrays.items()})
        for _ in range(count):
            scorer.merge(one)
    expected = scorer.result()
    for name in ("values", "weight", "count", "errors", "group_values", "group_counts"):
        a, b = (np.asarray(getattr(result, name)) for result in (found, expected))
        if a.tobytes() != b.tobytes():
            raise Wrong(f"{name} are {a}, and of its parts {b}")
    if found.count != N:
        raise Wrong(f"it counted {found.count} rows")
    return measured.found()


def group_labels() -> dict[str, Any]:
    """What labels of groups that are not int64 cost: they are kept as that."""
    import fastloss as fl

    n = 1 << 26
    y, z, groups = repeated(labels(), n), repeated(normal(), n), repeated(labels(), n)
    with Measured() as measured:
        fl.score(y, z, ["mse"], groups=groups)
    each = round(measured.extra / n, 2)
    return {"seconds": round(measured.seconds, 1), "rows": n, "extra bytes of a row": each}


def penalty() -> dict[str, Any]:
    import fastloss as fl

    w = repeated(normal())
    with Measured() as measured:
        total = fl.penalties.L2(0.1).value(w)
    close(total, sum(count * fl.penalties.L2(0.1).value(w[part]) for count, part in parts()))
    return measured.found()


def optimizer(name: str, dtype: Any = np.float32, steps: int = 2, **options: Any) -> dict[str, Any]:
    """Steps, against those of one period. State of fewer bytes is rounded at random, by the place:
    of it the first step alone is the same."""
    import fastloss as fl

    start, g = normal(dtype), normal(dtype, seed=1)
    period = start.copy()
    small = getattr(fl.optim, name)(period, lr=0.25, **options)
    p, grad = repeated(start), repeated(g)
    opt = getattr(fl.optim, name)(p, lr=0.25, **options)
    held = sum(x.nbytes for x in small.state_dict()["state"][0].values()) / PERIOD
    own(p)
    with Measured() as measured:
        for _ in range(steps):
            opt.step(grad)
    for _ in range(steps):
        small.step(g)
    repeats(p, period)
    return measured.found(steps=steps, **{"state bytes of an element": round(held, 2)})


def bad(array: Any, what: Any) -> Any:
    """A long array with a bad value at `PLACE`."""
    found = repeated(array)
    found[PLACE] = what
    return found


def refused(
    argument: str, call: Callable[..., Any], *arrays: Any, more: tuple[int, ...] = ()
) -> dict[str, Any]:
    """An error that names the place of a value beyond 2^31."""
    with Measured() as measured:
        try:
            call(*arrays)
        except ValueError as error:
            said = str(error)
        else:
            raise Wrong("it was not refused")
    index = ", ".join(map(str, [PLACE, *more]))
    if not said.startswith(f"{argument}[{index}]"):
        raise Wrong(f"it said {said}")
    return measured.found(said=said)


def cases() -> dict[str, tuple[float, Callable[[], Any]]]:
    """What is done, with the gigabytes of memory that it needs."""
    import fastloss as fl

    def pairs(dtype: Any = np.float32) -> Any:
        return normal(dtype, 2)

    def unit() -> Any:
        return np.random.default_rng(3).uniform(0.1, 0.9, PERIOD).astype(np.float32)

    cross_entropy, log_loss = fl.SoftmaxCrossEntropy(), fl.LogLoss()
    found: dict[str, tuple[float, Callable[[], Any]]] = {
        "value, float32, weights": (
            0,
            lambda: value(fl.Logistic(), labels(), normal(), weights()),
        ),
        "value, float64, targets broadcast": (
            0,
            lambda: value(fl.Huber(), np.broadcast_to(np.float32(0.5), N), normal(np.float64)),
        ),
        "value, float16, bool targets": (
            0,
            lambda: value(fl.SquaredError(), labels(bool), normal(np.float16)),
        ),
        "value, bfloat16": (0, lambda: value(fl.Huber(), labels(), normal(bfloat16()))),
        "value, int8 predictions": (0, lambda: value(fl.AbsoluteError(), labels(), labels(seed=5))),
        "value of each, float32": (
            8.7,
            lambda: unreduced(fl.Huber(), labels(), normal()),
        ),
        "gradient into y_pred, float32": (
            8.7,
            lambda: in_place(fl.Logistic(), labels(), normal()),
        ),
        "gradient and Hessian, float16": (
            8.7,
            lambda: both_derivatives(fl.Huber(), labels(), normal(np.float16)),
        ),
        "rows of 2, float32": (0, lambda: value(cross_entropy, labels(), pairs())),
        "rows of 2, float16": (0, lambda: value(cross_entropy, labels(), pairs(np.float16))),
        "rows of 2, bfloat16, weights": (
            0,
            lambda: value(cross_entropy, labels(), pairs(bfloat16()), weights()),
        ),
        "rows of 2, int8, strided": (
            0,
            lambda: value(
                cross_entropy,
                labels(),
                repeated(np.random.default_rng(4).integers(-9, 9, (PERIOD, 3), np.int8))[:, ::-2],
            ),
        ),
        "rows of 2, gradient into y_pred, 2^31 elements": (
            8.7,
            lambda: in_place(cross_entropy, labels(), pairs(), N // 2 + 1),
        ),
        "rows of 2, gradient into y_pred, 2^31 rows, float16": (
            8.7,
            lambda: in_place(cross_entropy, labels(), pairs(np.float16)),
        ),
        "score, groups and weights": (
            0,
            lambda: scores(
                ["mse", "mae", "logistic"],
                labels(),
                normal(),
                sample_weight=weights(),
                groups=np.random.default_rng(6).integers(0, 5, PERIOD),
                stderr=True,
            ),
        ),
        "score of rows, groups": (
            0,
            lambda: scores(
                ["softmax_cross_entropy", "accuracy"],
                labels(),
                pairs(),
                groups=np.random.default_rng(6).integers(0, 5, PERIOD),
            ),
        ),
        "labels of groups, int8": (1, group_labels),
        "penalty": (0, penalty),
        "SGD, float32": (8.7, lambda: optimizer("SGD")),
        "Momentum, 8bit": (10.9, lambda: optimizer("Momentum", steps=1, state_dtype="8bit")),
        "Lion, bfloat16 state": (
            12.9,
            lambda: optimizer("Lion", steps=1, state_dtype="bfloat16"),
        ),
        "Adam, 8bit": (13.0, lambda: optimizer("Adam", steps=1, state_dtype="8bit")),
        "SGD, bfloat16 parameters": (12.9, lambda: optimizer("SGD", bfloat16())),
    }

    def nan_in_a_row() -> Any:
        return bad(pairs(), [0, np.nan])

    both = ["softmax_cross_entropy", "accuracy"]
    errors: dict[str, Callable[[], Any]] = {
        "a target": lambda: refused("y_true", log_loss, bad(labels(), 3), repeated(unit())),
        "a prediction": lambda: refused("y_pred", log_loss, repeated(labels()), bad(unit(), 2)),
        "a prediction, gradient into it": lambda: refused(
            "y_pred",
            lambda y, z: log_loss.value_and_grad(y, z, out=z),
            repeated(labels()),
            bad(unit(), 2),
        ),
        "a weight": lambda: refused(
            "sample_weight",
            log_loss,
            repeated(labels()),
            repeated(unit()),
            bad(weights(), np.inf),
        ),
        "NaN": lambda: refused(
            "y_pred",
            lambda y, z: fl.Huber()(y, z, nan_policy="raise"),
            repeated(labels()),
            bad(normal(), np.nan),
        ),
        "a class": lambda: refused("y_true", cross_entropy, bad(labels(), 2), repeated(pairs())),
        "NaN in a row": lambda: refused(
            "y_pred",
            lambda y, z: cross_entropy(y, z, nan_policy="raise"),
            repeated(labels()),
            nan_in_a_row(),
            more=(1,),
        ),
        "score": lambda: refused(
            "y_true",
            lambda y, z: fl.score(y, z, ["log_loss", "mse"]),
            bad(labels(), 3),
            repeated(unit()),
        ),
        "score of rows": lambda: refused(
            "y_pred",
            lambda y, z: fl.score(y, z, both, nan_policy="raise"),
            repeated(labels()),
            nan_in_a_row(),
            more=(1,),
        ),
        "a gradient": lambda: refused(
            "grads",
            lambda p, g: fl.optim.SGD(p, nonfinite="raise").step(g),
            repeated(normal()),
            bad(normal(), np.inf),
        ),
    }
    return found | {f"error: {name}": (0, case) for name, case in errors.items()}


def available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) << 10
    raise OSError("/proc/meminfo has no MemAvailable")


def in_a_process(name: str, needs: float) -> dict[str, Any]:
    """Run a case in a new process."""
    if available() < needs * 1e9 + SPARE:
        raise Wrong(f"not run: it needs {needs} GB of memory, and {available() / 1e9:.1f} are free")
    command = [sys.executable, __file__, "--case", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=1800)
    if done.returncode:
        raise Wrong(done.stdout.strip() or f"its process ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--case", help="run this case here, and print what it found as JSON")
    given = options.parse_args()
    if given.case:
        try:
            print(json.dumps(cases()[given.case][1]()))
        except Wrong as error:
            print(error)
            return 1
        return 0
    found, wrong = {}, {}
    for name, (needs, _) in chosen(cases(), given.only).items():
        try:
            found[name] = in_a_process(name, needs)
            print(f"{name}: {found[name]}", flush=True)
        except Wrong as error:
            wrong[name] = str(error)
            print(f"large.py: {name}: {error}", file=sys.stderr)
        report(given.record, found, wrong)
    return 1 if wrong else 0


def report(keep: bool, found: dict[str, Any], wrong: dict[str, str]) -> None:
    """Record what was found up to now, beside what is recorded of other cases."""
    before = recorded("large") if keep else {}
    wrong = {k: v for k, v in before.get("wrong", {}).items() if k not in found} | wrong
    found = {k: v for k, v in before.get("cases", {}).items() if k not in wrong} | found
    extra = max((case.get("extra MB", 0) for case in found.values()), default=0)
    kept(
        keep,
        "large",
        "More than 2^31 elements or rows are computed as their parts are, without a copy",
        f"{len(found) + len(wrong)} of {len(cases())} cases, of {N:,} elements or rows where they "
        f"do not say otherwise: {len(wrong)} wrong, at most "
        f"{extra} MB beyond the arrays",
        wrong=wrong,
        cases=found,
    )


if __name__ == "__main__":
    sys.exit(main())
