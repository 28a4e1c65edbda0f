"""The scripts in examples/ run, and find what they look for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from compiled import build, load

import fastloss as fl
from fastloss.losses.adversarial import _KINDS

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments):
    """What an example prints. On one thread: tests run side by side, and two would wait."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def line(text):
    """Slope and intercept of the line printed."""
    found = re.search(r"y = (\S+) x ([-+][\d.]+)", text)
    return float(found[1]), float(found[2])


def test_house_prices():
    pytest.importorskip("sklearn", reason="the example fits an estimator")
    text = run("house_prices.py")
    losses = [float(value) for value in re.findall(r"epoch \d+: typical error (\d+)", text)]
    assert len(losses) == 10
    assert losses[0] > losses[-1]
    assert 13_000 < float(re.search(r"houses: (\d+)", text)[1]) < 17_000  # the noise is 15 000
    found = re.findall(r"^.+  (-?\d+) +(-?\d+) +(-?\d+)$", text, re.M)
    assert len(found) == 4
    for row in found:
        price, exact, true = map(float, row)
        assert price == pytest.approx(exact, rel=0.01)
        assert price == pytest.approx(true, rel=0.05)


def test_noisy_line(tmp_path):
    pytest.importorskip("sklearn", reason="the example fits an estimator")
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


def test_digits_network():
    pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
    linear, network = map(float, re.findall(r"(\S+)% right", run("digits_network.py")))
    assert 94 < linear < 98
    assert network >= 98


def test_digits_convolution():
    pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
    right = re.findall(r"epoch \d+: (\S+)%", run("digits_convolution.py"))
    assert len(right) == 3
    assert float(right[-1]) >= 98.79


def test_gan_mixture(tmp_path):
    pytest.importorskip("matplotlib", reason="the example plots")
    text = run("gan_mixture.py", tmp_path / "samples.png")
    found = re.findall(r"^(\w+) +(\d) +(\S+)%$", text, re.M)
    assert [kind for kind, _, _ in found] == ["real", *_KINDS]
    assert float(found[0][2]) == pytest.approx(100 * (1 - np.exp(-4.5)), abs=1)
    for _, modes, good in found:
        assert int(modes) >= 6
        assert float(good) > 60
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_kmeans():
    pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
    found = re.findall(r"(\d+\.\d)$", run("kmeans.py"), re.M)
    start, sgd, mini_batch, full = map(float, found)
    assert sgd < 0.6 * start
    assert sgd < 1.05 * min(mini_batch, full)


def test_policy_gradient():
    text = run("policy_gradient.py")
    chance, learned, best = (
        float(re.search(rf"{name}: +(\S+)", text)[1]) for name in ("chance", "learned", "best")
    )
    assert learned > chance + 0.95 * (best - chance)
    assert learned <= best


def test_missing_targets():
    text = run("missing_targets.py")
    errors = [float(error) for error in re.findall(r"error of .+: +(\S+)", text)]
    assert errors[0] < 0.5 * errors[1]
    assert float(re.search(r"each output: (\S+)", text)[1]) < 1e-9


def test_own_estimator(monkeypatch):
    pytest.importorskip("sklearn", minversion="1.6", reason="the example uses validate_data")
    from sklearn.utils.estimator_checks import check_estimator

    found = re.findall(r"\[([\d. ]+)\]", run("own_estimator.py"))
    truth, squares, _, huber = (np.array(row.split(), float) for row in found)
    assert abs(huber - truth).max() < 0.3 < abs(squares - truth).max()
    monkeypatch.syspath_prepend(EXAMPLES)
    from own_estimator import NonNegativeRegressor

    check_estimator(NonNegativeRegressor())


def test_imbalanced():
    pytest.importorskip("sklearn", reason="the example fits estimators")
    text = run("imbalanced.py")
    rows = re.findall(r"^\D+?( +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+)%$", text.replace("5%", ""), re.M)
    plain, lower, balanced, focal = np.array([row.split() for row in rows], float)
    common = float(re.search(r"there are (\S+)%", text)[1])
    assert plain[0] < lower[0] == pytest.approx(balanced[0], abs=0.05)  # recall
    assert plain[1] > lower[1] == pytest.approx(balanced[1], abs=0.05)  # precision
    assert plain[2] < 0.8 * min(balanced[2], focal[2])  # log loss
    assert plain[3] == pytest.approx(common, abs=0.5)
    assert min(balanced[3], focal[3]) > 2 * common


def test_multilabel():
    pytest.importorskip("sklearn", reason="the example fits estimators")
    text = run("multilabel.py")
    own, other, constant = map(float, re.findall(r": (0\.\d{4})$", text, re.M))
    assert own == pytest.approx(other, abs=2e-4)
    assert own < 0.75 * constant


def test_grid_search():
    pytest.importorskip("sklearn", reason="the example fits estimators")
    text = run("grid_search.py")
    rows = re.findall(r"^ +(\S+) +(\S+) +(\d+) +(yes|no)$", text, re.M)
    losses = {(rate, batch, early): float(loss) for loss, rate, batch, early in rows}
    assert len(losses) == 12
    assert [*losses.values()] == sorted(losses.values())
    assert next(iter(losses))[0] == "0.01"
    assert losses["0.1", "16", "yes"] < losses["0.1", "16", "no"]
    assert float(re.search(r"other tumours: (\S+)", text)[1]) < 0.15


def test_the_list_of_examples():
    listed = re.findall(r"\]\((\w+)[./]", (EXAMPLES / "README.md").read_text())
    there = {
        path.stem for path in EXAMPLES.iterdir() if path.suffix in (".py", ".toml") or path.is_dir()
    }
    assert sorted(listed) == sorted(there - {"__pycache__"})


def test_adaptive_robust():
    rows = re.findall(
        r"^(\w+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$", run("adaptive_robust.py"), re.M
    )
    found = {name: tuple(map(float, numbers)) for name, *numbers in rows}
    assert [*found] == ["normal", "Cauchy", "mixture"]
    alpha, c, error, exact = found["normal"]  # nothing is lost where least squares are right
    assert alpha > 1.8
    assert c == pytest.approx(0.5, rel=0.1)
    assert error < 1.1 * exact
    alpha, c, error, exact = found["Cauchy"]
    assert alpha < 0.1
    assert c == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert error < 0.1 * exact
    alpha, c, error, exact = found["mixture"]
    assert alpha < 0.1
    assert c < 0.5
    assert error < 0.2 * exact


# ---- cython_sgd --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cython_sgd(tmp_path_factory):
    return load(build(EXAMPLES / "cython_sgd", tmp_path_factory.mktemp("sgd")), "cython_sgd")


def fitted(loss, X, y, lr, l2, epochs, seed):
    """The same steps in NumPy."""
    rng = np.random.default_rng(seed)
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        for row in rng.permutation(len(y)):
            grad = loss.grad(y[row], X[row] @ w + b)
            w = (1 - lr * l2) * w - lr * grad * X[row]
            b -= lr * grad
    return w, b


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("columns", [1, 4, 7])
@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (fl.SquaredError(), lambda score: score),
        (fl.Huber(delta=0.5), lambda score: score),
        (fl.Quantile(q=0.3), lambda score: score),
        (fl.Poisson(), lambda score: np.exp(0.3 * score)),
        (fl.Logistic(), lambda score: np.float64(score > 0)),
        (fl.Hinge(), np.sign),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_cython_sgd_takes_the_steps_of_numpy(loss, targets, columns, l2, cython_sgd):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(150, columns))
    y = targets(X @ rng.normal(size=columns) + 0.2 * rng.normal(size=150))
    w, b = cython_sgd.fit(loss, X, y, lr=0.02, l2=l2, epochs=3, seed=5)
    of_numpy, b_of_numpy = fitted(loss, X, y, 0.02, l2, 3, 5)
    np.testing.assert_allclose(w, of_numpy, rtol=1e-10, atol=1e-12)
    assert b == pytest.approx(b_of_numpy, rel=1e-10, abs=1e-12)


def test_cython_sgd_finds_the_line(cython_sgd):
    X = np.random.default_rng(0).normal(size=(1000, 3))
    w, b = cython_sgd.fit(fl.SquaredError(), X, X @ [1.0, -2.0, 0.5] + 3, lr=0.01, seed=0)
    assert [*w, b] == pytest.approx([1, -2, 0.5, 3], abs=1e-6)


def test_cython_sgd_refuses(cython_sgd):
    X, y = np.ones((3, 2)), np.array([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"row 2 is outside the domain of Logistic.*: y = 2\.0, z"):
        cython_sgd.fit(fl.Logistic(), X, y, seed=0)
    with pytest.raises(ValueError, match="each of X's 3 rows; got 2"):
        cython_sgd.fit(fl.Logistic(), X, y[:2])
    with pytest.raises(TypeError, match="a loss of rows"):
        cython_sgd.fit(fl.SoftmaxCrossEntropy(), X, y)
