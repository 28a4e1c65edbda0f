"""What completion and help() show of an object: what its users use, and what it is for."""

import inspect
import pydoc
import re
import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl
from fastloss.docstrings import TEXTS, filled
from fastloss.optim import schedules

OBJECTS = [
    *(fl.get_loss(name) for name in fl.loss_names()),
    *(
        cls(np.zeros((3,) * (cls._axes or 1)))
        for cls in (getattr(fl.optim, name) for name in fl.optim.optimizer_names())
    ),
    *(
        cls
        for module in (fl, fl.optim, fl.penalties, schedules)
        for cls in map(vars(module).get, dir(module))
        if inspect.isclass(cls) and cls.__module__.startswith("fastloss.")
    ),
]
every_object = pytest.mark.parametrize(
    "cls", dict.fromkeys(x if inspect.isclass(x) else type(x) for x in OBJECTS)
)


def documented_names(cls):
    """What the docstrings of a class and of its bases list as parameters and attributes."""
    found = set()
    for base in cls.__mro__:
        text = inspect.cleandoc(base.__doc__ or "")
        for section in re.findall(r"^(?:Parameters|Attributes)\n-+\n((?:.+\n?)*)", text, re.M):
            for names in re.findall(r"^([\w, ]+?)(?: : .*)?$", section, re.M):
                found |= {*names.split(", ")}
    return found


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda x: getattr(x, "__name__", type(x).__name__))
def test_completion_shows_what_is_documented(thing):
    cls = thing if inspect.isclass(thing) else type(thing)
    shown = {name for name in dir(thing) if not name.startswith("_")}
    for name in shown - documented_names(cls) - {*dir(Exception)}:
        member = inspect.getattr_static(cls, name)
        known = callable(member) or inspect.isdatadescriptor(member)
        assert known or isinstance(member, classmethod), name
        assert inspect.getdoc(getattr(cls, name)), name


@every_object
def test_help_shows_no_more_than_completion(cls):
    text = pydoc.plain(pydoc.render_doc(cls))
    shown = re.findall(r"^ \|  (_\w*[a-z])\b", text, re.M)
    assert all(name.startswith("__") and name.endswith("__") for name in shown), shown
    assert "cython" not in text


@every_object
def test_help_tells_of_every_parameter(cls):
    parameters = inspect.signature(cls).parameters.values()
    named = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    made_by_others = cls in (
        fl.optim.Optimizer, fl.DomainError, fl.Scores, fl.Comparison, fl.Calibration
    )  # fmt: skip
    assert made_by_others or named <= documented_names(cls)


def test_shared_texts_stand_below_parameters_without_their_own():
    given = "    Rows.\n\n    lr : float\n    axis : int\n        Of rows.\n    betas : pair\n    "
    assert filled(given) == (
        f"    Rows.\n\n    lr : float\n        {TEXTS['lr']}\n    axis : int\n        Of rows.\n"
        f"    betas : pair\n        {TEXTS['betas']}\n    "
    )
    for name, text in TEXTS.items():
        assert sum(f"{name} : " in x.__doc__ and text in x.__doc__ for x in OBJECTS) > 2


def test_a_module_that_is_not_imported_yet_is_told():
    code = "import fastloss as fl; fl.xgboost"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "until it is imported: import fastloss.xgboost" in done.stderr
    assert not hasattr(fl, "no_such_module")
