"""The scripts in examples/ run, and find what they look for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments):
    """What an example prints."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def line(text):
    """Slope and intercept of the line printed."""
    found = re.search(r"y = (\S+) x ([-+][\d.]+)", text)
    return float(found[1]), float(found[2])


def test_house_prices():
    text = run("house_prices.py")
    losses = [float(value) for value in re.findall(r"loss (\S+)", text)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.05 * losses[0]
    assert 13_000 < float(re.search(r"houses: (\d+)", text)[1]) < 17_000  # the noise is 15 000
    found = re.findall(r"^.+  (-?\d+) +(-?\d+) +(-?\d+)$", text, re.M)
    assert len(found) == 4
    for row in found:
        price, exact, true = map(float, row)
        assert price == pytest.approx(exact, abs=2)
        assert price == pytest.approx(true, rel=0.05)


def test_noisy_line(tmp_path):
    pytest.importorskip("matplotlib", reason="the example plots")
    text = run("noisy_line.py", tmp_path / "line.png")
    slope, intercept = line(text)
    found = re.search(r"squares: (\S+) x (\S+)", text)
    assert (slope, intercept) == pytest.approx((float(found[1]), float(found[2])), abs=0.01)
    # within the standard errors of the truth, 1/sqrt(200) times the noise over the spread of x
    assert slope == pytest.approx(3, abs=2 * 0.061)
    assert intercept == pytest.approx(0, abs=2 * 0.071)
    assert (tmp_path / "line.png").read_bytes().startswith(b"\x89PNG")


def test_gradient_descent():
    text = run("gradient_descent.py")
    epochs = re.findall(r"epoch +(\d+): loss (\S+)", text)
    assert [int(epoch) for epoch, _ in epochs] == list(range(0, 101, 10))
    losses = [float(value) for _, value in epochs]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-8
    assert line(text) == (2, 1)


def test_four_points():
    text = run("four_points.py")
    assert line(text) == (2, 0)
    assert "at x = 5: 10.000000" in text


def test_objective():
    text = run("objective.py")
    adam, other = (float(value) for value in re.findall(r"(?:Adam|L-BFGS-B): +(\S+)", text))
    assert adam == pytest.approx(other, abs=2e-10)
    assert float(re.search(r"weight: (\S+)", text)[1]) < 1e-4
