"""The package: what imports torch, and what is said where there is none."""

import importlib
import subprocess
import sys

import pytest


def test_fastloss_does_not_import_torch():
    code = "import sys, fastloss, fastloss.optim; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_is_said_without_torch(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fastloss.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"fastloss.torch needs PyTorch, .*: pip install torch"):
        importlib.import_module("fastloss.torch")


def test_every_rule_has_a_class():
    pytest.importorskip("torch", reason="the bridge to torch needs it")
    import fastloss as fl
    from fastloss.torch import optim

    assert set(fl.optim.optimizer_names()) == {*dir(optim)} - {"Optimizer"}
    for name in fl.optim.optimizer_names():
        assert getattr(optim, name).rule is getattr(fl.optim, name)
