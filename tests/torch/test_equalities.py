"""The table of docs/torch.md: what torch computes, and the same here."""

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the bridge to torch needs it")

from fastloss.torch import loss  # noqa: E402

PAGE = (Path(__file__).parents[2] / "docs" / "torch.md").read_text()
TABLE = re.findall(r"^\| `(F\..*?)` \| `(.*?)` \|$", PAGE, re.MULTILINE)


def variables():
    """What the table's expressions are in; all that may be predictions require a gradient."""
    made = torch.manual_seed(0)

    def uniform(*shape):
        return torch.rand(shape, dtype=torch.float64, generator=made) * 0.9 + 0.05

    z, y, p, v = uniform(9) * 6 - 3, uniform(9) * 6 - 3, uniform(9), uniform(9)
    rows, shares = uniform(9, 3) * 4 - 2, uniform(9, 3)
    predictions = {"z": z, "p": p, "v": v, "Z": rows, "P": shares / shares.sum(1, keepdim=True)}
    found = {name: tensor.requires_grad_() for name, tensor in predictions.items()}
    other = uniform(9, 3)
    return found | {
        "y": y, "b": uniform(9), "n": (6 * uniform(9)).round(), "w": uniform(9),
        "c": torch.arange(9) % 3, "Q": other / other.sum(1, keepdim=True), "B": uniform(9, 3),
        "F": torch.nn.functional, "torch": torch, "loss": loss,
    }  # fmt: skip


def test_the_table_is_found():
    assert len(TABLE) == PAGE.count("\n| `F.") > 20


@pytest.mark.parametrize(("theirs", "ours"), TABLE, ids=[theirs for theirs, _ in TABLE])
def test_the_table(theirs, ours):
    results = []
    for expression in (theirs, ours):
        names = variables()
        value = eval(expression, names)  # noqa: S307
        value.backward()
        used = [names[name].grad for name in "zpvZP"]
        results.append((value.detach(), [grad for grad in used if grad is not None]))
    assert len(results[0][1]) == len(results[1][1]) > 0
    torch.testing.assert_close(results[1], results[0], rtol=1e-10, atol=1e-12)
