"""The page of peers' names: it has all of theirs, and what it says is here is here."""

import re
from pathlib import Path

import pytest

import fastloss as fl

PAGE = (Path(__file__).parents[1] / "docs" / "peers.md").read_text()
SECTIONS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])


def rows(section):
    """The two columns of a table, without its head."""
    cells = [line.strip("|").split(" | ") for line in SECTIONS[section].splitlines() if "`" in line]
    return [(theirs.strip(), ours.strip()) for theirs, ours in cells]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_said_to_be_here_is_here(section):
    for theirs, ours in rows(section):
        found = re.findall(r"`(\w+)(\([^`]*\))?`", ours)
        classes = [name for name, _ in found if name[0].isupper()]
        assert all(hasattr(fl, name) for name in classes), (theirs, ours)
        assert classes or "not here" in ours or "score" in ours or "=`" in ours, (theirs, ours)
        for name in re.findall(r'`"(\w+)"`', ours):
            fl.Scorer(name) if name != "median_absolute_error" else None


def named(section):
    return {name for theirs, _ in rows(section) for name in re.findall(r"`(\w+)", theirs)}


def test_torch_has_no_other_loss():
    nn = pytest.importorskip("torch.nn", reason="it is the peer here")
    losses = {name for name in dir(nn) if name.endswith("Loss")}
    assert losses <= named("torch")


def test_optax_has_no_other_loss():
    losses = pytest.importorskip("optax.losses", reason="it is the peer here")
    theirs = {name for name in dir(losses) if callable(getattr(losses, name)) and name[0] != "_"}
    assert theirs <= named("optax")
