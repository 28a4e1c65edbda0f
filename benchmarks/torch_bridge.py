"""Times of ``fastloss.torch`` beside torch's own, as the tables of docs/torch.md.

python benchmarks/torch_bridge.py [threads]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

import fastloss as fl
import fastloss.torch
from fastloss.bench.timing import Effort, interleaved

EFFORT = Effort(seconds=1.5, least_rounds=7, most_rounds=200)
LOSSES: list[tuple[str, Callable[..., Any], fl.Loss, list[tuple[int, ...]]]] = [
    (
        "BCE with logits",
        F.binary_cross_entropy_with_logits,
        fl.Logistic(),
        [(32,), (1000,), (100_000,), (1_000_000,)],
    ),
    (
        "cross-entropy",
        F.cross_entropy,
        fl.SoftmaxCrossEntropy(),
        [(32, 10), (1000, 10), (100_000, 10), (10_000, 100), (1_000_000, 10)],
    ),
    ("squared error", F.mse_loss, fl.SquaredError(), [(32,), (1000,), (100_000,), (1_000_000,)]),
    ("Huber", F.huber_loss, fl.Huber(), [(32,), (1000,), (100_000,), (1_000_000,)]),
]
NETS = [(20, 64, 32, 1), (64, 256, 256, 10), (784, 2048, 1280, 10), (16,) * 81]


def training(criterion: Callable[..., Any], z: Any, y: Any) -> Callable[[], None]:
    """Forward and backward."""

    def run() -> None:
        z.grad = None
        criterion(z, y).backward()

    return run


def loss_rows() -> None:
    row("forward and backward, us", "shape", "torch", "fastloss", "torch / fastloss", "compiled")
    row(*["---"] * 6)
    for name, theirs, loss, shapes in LOSSES:
        for shape in shapes:
            made = torch.manual_seed(0)
            z = torch.randn(shape, generator=made).requires_grad_()
            if len(shape) == 1:
                y = torch.rand(shape, generator=made).round()
            else:
                y = torch.randint(shape[1], shape[:1], generator=made)
            ours = fastloss.torch.loss(loss)
            torch._dynamo.reset()
            compiled = [torch.compile(f, fullgraph=True, dynamic=False) for f in (theirs, ours)]
            runs = [training(f, z, y) for f in (theirs, ours, *compiled)]
            for run in runs[2:]:  # or the time of compiling would count as that of a call
                run()
                run()
            times = [t.median * 1e6 for t in interleaved(runs, EFFORT)]
            row(
                name,
                " x ".join(f"{n:,}" for n in shape),
                f"{times[0]:,.0f}",
                f"{times[1]:,.0f}",
                f"{times[0] / times[1]:.2g}",
                f"{times[2]:,.0f} / {times[3]:,.0f}",
            )


def stepping(make: Callable[..., Any], sizes: tuple[int, ...]) -> Callable[[], Any]:
    """Steps of a perceptron's parameters."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(*map(torch.nn.Linear, sizes, sizes[1:]))
    for p in net.parameters():
        p.grad = 1e-3 * torch.randn_like(p)
    step: Callable[[], Any] = make(net.parameters()).step
    return step


def optimizer_rows() -> None:
    theirs, ours = torch.optim, fastloss.torch.optim
    makers: dict[str, Callable[..., Any]] = {
        "Adam, torch": theirs.Adam,
        "foreach": lambda p: theirs.Adam(p, foreach=True),
        "fused": lambda p: theirs.Adam(p, fused=True),
        "**fastloss**": ours.Adam,
        '`state_dtype="bfloat16"`': lambda p: ours.Adam(p, state_dtype="bfloat16"),
        '`state_dtype="8bit"`': lambda p: ours.Adam(p, state_dtype="8bit"),
        "Lion": ours.Lion,
        "LAMB": ours.LAMB,
        "FTRL": ours.FTRL,
    }
    row("a step, us", "arrays", *makers)
    row(*["---"] * (len(makers) + 2))
    for sizes in NETS:
        net = torch.nn.Sequential(*map(torch.nn.Linear, sizes, sizes[1:]))
        count = sum(p.numel() for p in net.parameters())
        times = interleaved([stepping(make, sizes) for make in makers.values()], EFFORT)
        shown = [f"{t.median * 1e6:,.0f}" for t in times]
        row(f"{count:,} parameters", 2 * len(net), *shown)


def row(*cells: Any) -> None:
    print("|", *" | ".join(map(str, cells)).split(), "|", flush=True)


if __name__ == "__main__":
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torch.set_num_threads(threads)
    fl.set_num_threads(threads)
    loss_rows()
    print()
    optimizer_rows()
