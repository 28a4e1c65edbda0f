"""The command line, run in an empty directory."""

import json

import pytest

from fastloss.cli import run


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Run a command in an empty directory: its status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def scores(command):
    """The scores of a command that must succeed, and tell of rows and values if it has to."""

    def call(*arguments):
        status, out, err = command("score", *arguments, "--format", "json")
        found = json.loads(out)
        told = [found.pop(name) for name in ("dropped", "weight_0", "non_finite")]
        assert found.pop("rows") == found["count"] + told[0] + told[1]
        assert (status, err.count("\n")) == (0, any(told))
        return found

    return call


@pytest.fixture
def failure(command):
    """The message of a command that must fail: one line, and no output."""

    def call(*arguments):
        status, out, err = command(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("fastloss: ") and err.count("\n") == 1 and err.endswith("\n")
        return err.removeprefix("fastloss: ").strip()

    return call
