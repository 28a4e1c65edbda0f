"""Files of losses."""

import subprocess
import sys
from pathlib import Path

import pytest

import fastloss as fl

EXAMPLE = """
# one of each
[linex_of_a_file]
formula = "exp(a*(z - y)) - a*(z - y) - 1"
doc = "Errors above cost \\"more\\"."
parameters.a = {low = 0, open_low = true, default = 1}

[plain_of_a_file]
formula = "b*(z - y)**2"
y = "[0, 1]"
grad = "2*b*(z - y)"
hess = "2*b"
parameters.b = 2.5
"""
PREDICTIONS = Path(__file__).parents[2] / "examples" / "breast_cancer_predictions.csv"


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "my_losses.toml"
    path.write_text(EXAMPLE)
    return path


def test_a_file_is_read_and_written_again(example, tmp_path):
    losses = fl.load_losses(example)
    assert [cls.name for cls in losses] == ["linex_of_a_file", "plain_of_a_file"]
    assert losses[0]() == fl.get_loss("linex_of_a_file:a=1")
    assert losses[0].__module__ == "__main__" and "linex_of_a_file" not in fl.loss_names()
    assert losses[0].__doc__.startswith('Errors above cost "more".')
    assert losses[1]()([0.0], [2.0]) == 10.0
    again = tmp_path / "again.toml"
    fl.save_losses(again, losses)
    assert fl.load_losses(again) == losses
    fl.save_losses(again, [])
    assert fl.load_losses(again) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "my_losses.toml: "),
        ("\udcff", "my_losses.toml: "),
        ("a = 1", r"a must be a table, as \[a\]"),
        ("[a]", "a has no formula"),
        ("[a]\nformula = 1", "a: formula must be text; got 1"),
        ("[a]\nformula = 'z'\nformular = 'z'", "a has no 'formular'; there are formula, y, z,"),
        ("[a]\nformula = 'z'\nparameters = 1", "parameters must be a table"),
        ("[a]\nformula = 'z'\nparameters.b = {lower = 1}", "b has no 'lower'; there are low, high"),
        ("[a]\nformula = 'z'\nparameters.b = {low = 'x'}", "low must be a real number"),
        ("[a]\nformula = 'z'\nparameters.b = 'x'", "parameter b must be its default"),
        ("[a]\nformula = 'q'", "a: formula: 'q' is not a name"),
        ("[huber]\nformula = 'z'", "huber is a loss that fastloss has"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "my_losses.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message):
        fl.load_losses(path)


def test_only_losses_that_formulas_define_are_written(tmp_path):
    path = tmp_path / "losses.toml"
    for wrong in (fl.Huber, fl.Huber(), "linex", None):
        with pytest.raises(TypeError, match="classes that define_loss made"):
            fl.save_losses(path, [wrong])
    assert not path.exists()


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "fastloss", *map(str, arguments)], capture_output=True, text=True
    )


def test_the_command_scores_them(example):
    done = command(
        "score", PREDICTIONS, "--y-true", "malignant", "--y-pred", "predicted", "--define", example,
        "--loss", "linex_of_a_file:a=0.5", "--loss", "brier", "--format", "csv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "linex_of_a_file:a=0.5" in done.stdout
    listed = command("losses", "--define", example).stdout
    assert "linex_of_a_file" in listed and "exp(a*(z - y))" in listed
    for file, message in (("absent.toml", "No such file"), (PREDICTIONS, "csv: ")):
        wrong = command("losses", "--define", file)
        assert wrong.returncode == 2 and message in wrong.stderr and "Traceback" not in wrong.stderr


def test_the_command_fits_and_predicts_with_them(example, tmp_path):
    model = tmp_path / "model.json"
    fit = ["fit", PREDICTIONS, "--target", "predicted", "--features", "malignant", "--out", model]
    done = command(*fit, "--loss", "linex_of_a_file:a=2.0", "--define", example)
    assert done.returncode == 0, done.stderr
    out = ["predict", model, PREDICTIONS, "--out", tmp_path / "out.csv"]
    assert "unknown loss 'linex_of_a_file'" in command(*out).stderr
    done = command(*out, "--define", example)
    assert done.returncode == 0 and (tmp_path / "out.csv").exists(), done.stderr
