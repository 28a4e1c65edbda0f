"""Times of ``fastloss.linear_model`` beside those of other libraries, on the same work.

python benchmarks/linear_models.py [--only logistic,huber] [--scale 0.1] [--threads 2]

Each library stops by its own rule, so the table says what it reached: the mean loss plus the
penalty, computed in float64 by one function for all, and how far that is above the least of the
work, as a share of it. Libraries that are not installed have a row that says so;

pip install 'scikit-learn>=1.8' glum skglm celer snapml cyanure scikit-learn-intelex

installs all of them. Where other programs run too, OMP_WAIT_POLICY=passive in the environment keeps
threads from spinning while they wait for one that has no CPU.
"""

from __future__ import annotations

import argparse
import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import linear_data as made
import numpy as np
from threadpoolctl import threadpool_limits

import fastloss as fl
from fastloss.bench.timing import Effort, interleaved
from fastloss.penalties import L1, L2, Penalty

EFFORT = Effort(seconds=4, least_rounds=3, most_rounds=15)
LONG = 3.0  # seconds; what takes longer is timed once
BLOCK = 16_384  # rows whose scores are computed together
FEW = 1000  # rows to get ready with


@dataclass(frozen=True)
class Run:
    """What is timed: given its module, a library gets ready, and returns what it will do."""

    name: str
    module: str
    prepare: Callable[[Any], Callable[[], Any]]


@dataclass(frozen=True)
class Work:
    """The same work done by several libraries, the first of them fastloss, and what came of it."""

    title: str
    runs: list[Run]
    reached: Callable[[Any], float]


# ---- fits


def fits(
    title: str, X: Any, y: Any, loss: fl.Loss, penalty: Penalty, models: dict[str, tuple[str, Any]]
) -> Work:
    """Work of models, given by name as their class and its arguments."""

    def run(name: str, path: str, arguments: Any) -> Run:
        module, cls = path.rsplit(".", 1)

        def prepare(m: Any) -> Callable[[], Any]:
            model = getattr(m, cls)(**arguments)
            model.fit(X[:FEW], y[:FEW])  # some compile what they do when it is first done
            return partial(model.fit, X, y)

        return Run(name, module, prepare)

    runs = [run(name, *model) for name, model in models.items()]
    return Work(f"{title}, {shape(X)}", runs, partial(objective, X, y, loss, penalty))


def shape(X: Any) -> str:
    return " x ".join(f"{n:,}" for n in X.shape)


def objective(X: Any, y: Any, loss: fl.Loss, penalty: Penalty, model: Any) -> float:
    """The mean loss of a model plus its penalty, in float64."""
    coef = np.asarray(model.coef_, np.float64).reshape(-1, X.shape[1])
    total = 0.0
    for i in range(0, len(y), BLOCK):
        z = X[i : i + BLOCK].astype(np.float64) @ coef.T + np.ravel(model.intercept_)
        total += loss(y[i : i + BLOCK], z if len(coef) > 1 else z.ravel(), reduction="sum")
    return total / len(y) + penalty.value(coef)


def classifier(**arguments: Any) -> tuple[str, Any]:
    return "fastloss.linear_model.LinearClassifier", arguments


def regressor(**arguments: Any) -> tuple[str, Any]:
    return "fastloss.linear_model.LinearRegressor", arguments


def sklearn(cls: str, **arguments: Any) -> tuple[str, Any]:
    return f"sklearn.linear_model.{cls}", arguments


def sgd(alpha: float, epochs: int) -> tuple[str, Any]:
    stop = {"max_iter": epochs, "tol": None}
    return sklearn("SGDClassifier", loss="log_loss", alpha=alpha, random_state=0, **stop)


def glum(family: str, solver: str, **arguments: Any) -> tuple[str, Any]:
    link = "logit" if family == "binomial" else "log"
    arguments |= {"family": family, "link": link, "solver": solver}
    return "glum.GeneralizedLinearRegressor", arguments


def snapml(threads: int, **arguments: Any) -> tuple[str, Any]:
    return "snapml.LogisticRegression", {"n_jobs": threads, "fit_intercept": True, **arguments}


def cyanure(loss: str, penalty: str, alpha: float, threads: int) -> tuple[str, Any]:
    arguments = {"loss": loss, "penalty": penalty, "lambda_1": alpha, "n_threads": threads}
    return "cyanure.estimators.Classifier", {"verbose": False, **arguments}


def two_classes(scale: float) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    X = made.features(rng, round(500_000 * scale), 100)
    return X, made.labels(rng, made.scores(X, made.weights(rng, 100), mean=-1.5, spread=2))


def logistic(scale: float, threads: int) -> Work:
    X, y = two_classes(scale)
    a = 1 / len(y)
    models = {
        "fastloss": classifier(alpha=a),
        "sklearn lbfgs": sklearn("LogisticRegression"),
        "sklearn newton-cholesky": sklearn("LogisticRegression", solver="newton-cholesky"),
        "sklearn SGDClassifier, 5 epochs": sgd(a, 5),
        "sklearnex lbfgs": ("sklearnex.linear_model.LogisticRegression", {}),
        "glum irls-ls": glum("binomial", "irls-ls", alpha=a),
        "glum lbfgs": glum("binomial", "lbfgs", alpha=a),
        "snapml": snapml(threads),
        "cyanure": cyanure("logistic", "l2", a, threads),
    }
    return fits("L2 logistic", X, y, fl.Logistic(), L2(a), models)


def epoch(scale: float, threads: int) -> Work:
    return epochs("an epoch", *two_classes(scale), {"solver": "sgd"})


def epochs(title: str, X: Any, y: Any, steps: dict[str, Any]) -> Work:
    a = 1 / len(y)
    steps |= {"alpha": a, "tol": None, "random_state": 0}
    models = {
        "fastloss": classifier(max_iter=1, **steps),
        "sklearn SGDClassifier": sgd(a, 1),
        "fastloss, 3 epochs": classifier(max_iter=3, **steps),
        "fastloss, the optimum": classifier(alpha=a, tol=1e-6),
    }
    return fits(title, X, y, fl.Logistic(), L2(a), models)


def softmax(scale: float, threads: int) -> Work:
    rng = np.random.default_rng(2)
    X = made.features(rng, round(200_000 * scale), 200)
    y = made.classes(rng, X, 10)
    a = 1 / len(y)
    models = {
        "fastloss": classifier(alpha=a),
        "sklearn lbfgs": sklearn("LogisticRegression"),
        "sklearnex lbfgs": ("sklearnex.linear_model.LogisticRegression", {}),
    }
    return fits("softmax of 10 classes", X, y, fl.SoftmaxCrossEntropy(), L2(a), models)


def lasso(scale: float, threads: int) -> Work:
    rng = np.random.default_rng(3)
    X = made.features(rng, round(100_000 * scale), 1000)
    y = made.labels(rng, made.scores(X, made.weights(rng, 1000, true=50), mean=-1, spread=2))
    a = 5e-3  # about a thirtieth of the strength that leaves no weight
    c = 1 / (a * len(y))
    l1, large = {"C": c, "l1_ratio": 1}, {"intercept_scaling": 10}  # or the intercept is penalised
    models = {
        "fastloss": classifier(penalty="l1", alpha=a),
        # whose saga takes ten times as long
        "sklearn liblinear": sklearn("LogisticRegression", solver="liblinear", **l1, **large),
        "skglm": ("skglm.SparseLogisticRegression", {"alpha": a}),
        "glum irls-cd": glum("binomial", "irls-cd", alpha=a, l1_ratio=1),
        "snapml": snapml(threads, penalty="l1", dual=False, regularizer=1 / c),
        "cyanure": cyanure("logistic", "l1", a, threads),
    }
    work = fits("L1 logistic, 50 true features", X, y, fl.Logistic(), L1(a), models)
    return replace(work, runs=[*work.runs, Run("celer", "celer", partial(celer, X, y, c))])


def celer(X: Any, y: Any, c: float, module: Any) -> Callable[[], Any]:
    """It has no intercept, but a column of a large constant, whose weight costs little."""
    large = 30.0
    model = module.LogisticRegression(C=c)
    wide = np.asfortranarray(np.column_stack([X, np.full(len(X), large)]))  # of float64, as it asks

    def fit() -> Any:
        found = model.fit(wide, y).coef_[0]
        return SimpleNamespace(coef_=found[:-1], intercept_=large * found[-1])

    return fit


def texts(scale: float) -> tuple[Any, Any]:
    rng, d = np.random.default_rng(4), max(round(50_000 * scale), 500)
    X = made.words(rng, round(200_000 * scale), d, 50)
    return X, made.labels(rng, made.scores(X, made.weights(rng, d), mean=-1.5, spread=3))


def sparse(scale: float, threads: int) -> Work:
    X, y = texts(scale)
    a = 1 / len(y)
    models = {
        "fastloss": classifier(alpha=a),
        "sklearn lbfgs": sklearn("LogisticRegression"),
        "sklearn newton-cg": sklearn("LogisticRegression", solver="newton-cg"),
        "sklearn liblinear": sklearn("LogisticRegression", solver="liblinear"),
        "snapml": snapml(threads),
        "cyanure": cyanure("logistic", "l2", a, threads),
    }
    return fits("L2 logistic, CSR of 50 a row", X, y, fl.Logistic(), L2(a), models)


def sparse_epoch(scale: float, threads: int) -> Work:
    # most features are rare: steps of one length for all would hardly move their weights
    adam = {"solver": "adam", "learning_rate": 0.05, "batch_size": 1024}
    return epochs("an epoch, CSR of 50 a row", *texts(scale), adam)


def huber(scale: float, threads: int) -> Work:
    from sklearn.linear_model import HuberRegressor

    rng = np.random.default_rng(5)
    X = made.features(rng, round(500_000 * scale), 100)
    y = made.scores(X, made.weights(rng, 100), mean=1, spread=3)
    y += rng.standard_t(2, size=len(y)).astype(np.float32)
    sigma = float(HuberRegressor().fit(X, y).scale_)  # which it finds with the weights
    loss, a = fl.Huber(delta=1.35 * sigma), 1e-4 * sigma / len(y)
    models = {
        "fastloss": regressor(loss=loss, alpha=a),
        "sklearn HuberRegressor": sklearn("HuberRegressor"),
    }
    return fits("Huber", X, y, loss, L2(a), models)


def quantile(scale: float, threads: int) -> Work:
    # of few rows: for four times as many the simplex method takes about thirteen times as long
    rng = np.random.default_rng(6)
    X = made.features(rng, round(20_000 * scale), 20)
    y = made.scores(X, made.weights(rng, 20), mean=1, spread=3)
    y += (1 + 0.5 * np.abs(X[:, 0])) * rng.gumbel(size=len(y)).astype(np.float32)
    loss, a = fl.Quantile(q=0.8), 1e-2
    models = {
        "fastloss": regressor(loss=loss, penalty="l1", alpha=a),
        "sklearn highs": sklearn("QuantileRegressor", quantile=0.8, alpha=a),
        "sklearn highs-ipm": sklearn(
            "QuantileRegressor", quantile=0.8, alpha=a, solver="highs-ipm"
        ),
    }
    return fits("quantile 0.8, L1", X, y, loss, L1(a), models)


def poisson(scale: float, threads: int) -> Work:
    rng, a = np.random.default_rng(7), 1e-4
    X = made.features(rng, round(500_000 * scale), 100)
    z = made.scores(X, made.weights(rng, 100), mean=-0.5, spread=0.6)
    models = {
        "fastloss": regressor(loss="poisson", alpha=a),
        "sklearn lbfgs": sklearn("PoissonRegressor", alpha=a),
        "sklearn newton-cholesky": sklearn("PoissonRegressor", alpha=a, solver="newton-cholesky"),
        "glum irls-ls": glum("poisson", "irls-ls", alpha=a),
        "glum lbfgs": glum("poisson", "lbfgs", alpha=a),
    }
    return fits("Poisson", X, made.counts(rng, z), fl.Poisson(), L2(a), models)


def tweedie(scale: float, threads: int) -> Work:
    rng, a = np.random.default_rng(8), 1e-4
    X = made.features(rng, round(500_000 * scale), 100)
    z = made.scores(X, made.weights(rng, 100), mean=0.5, spread=0.6)
    loss, family = fl.Tweedie(power=1.5), "tweedie(1.5)"
    their = {"power": 1.5, "alpha": a}
    models = {
        "fastloss": regressor(loss=loss, alpha=a),
        "sklearn lbfgs": sklearn("TweedieRegressor", **their),
        "sklearn newton-cholesky": sklearn("TweedieRegressor", solver="newton-cholesky", **their),
        "glum irls-ls": glum(family, "irls-ls", alpha=a),
        "glum lbfgs": glum(family, "lbfgs", alpha=a),
    }
    return fits("Tweedie of power 1.5", X, made.claims(rng, z), loss, L2(a), models)


# ---- predictions


def probabilities(scale: float, threads: int) -> Work:
    """Of models of the same data; what is reached is the largest error."""
    rng = np.random.default_rng(9)
    X = made.features(rng, round(10_000_000 * scale), 50)
    few = X[:10_000]
    y = made.labels(rng, made.scores(few, made.weights(rng, 50), mean=-1.5, spread=2))
    out = np.empty((len(X), 2), np.float32)

    def run(name: str, path: str, **given: Any) -> Run:
        module, cls = path.rsplit(".", 1)

        def prepare(m: Any) -> Callable[[], Any]:
            model = getattr(m, cls)().fit(few, y)
            exact = 1 / (1 + np.exp(-(few.astype(np.float64) @ model.coef_[0] + model.intercept_)))

            def predict() -> Any:
                found = model.predict_proba(X, **given)
                return np.abs(found[: len(few), 1] - exact).max()

            return predict

        return Run(name, module, prepare)

    ours, theirs = "fastloss.linear_model.LinearClassifier", "linear_model.LogisticRegression"
    runs = [
        run("fastloss", ours),
        run("fastloss, out given", ours, out=out),
        run("sklearn", f"sklearn.{theirs}"),
        run("sklearnex", f"sklearnex.{theirs}"),
    ]
    return Work(f"predict_proba, {shape(X)}, and its error", runs, float)


# ---- the table

WORKS: dict[str, Callable[[float, int], Work]] = {
    "logistic": logistic,
    "epoch": epoch,
    "softmax": softmax,
    "lasso": lasso,
    "sparse": sparse,
    "sparse-epoch": sparse_epoch,
    "huber": huber,
    "quantile": quantile,
    "poisson": poisson,
    "tweedie": tweedie,
    "probabilities": probabilities,
}


@dataclass(frozen=True)
class Done:
    """The median of the seconds that a run took, and what it reached."""

    seconds: float
    reached: float


def measured(work: Work, effort: Effort) -> dict[str, Done | str]:
    """What the runs did, in turns, by name; or why they could not."""
    calls: dict[str, Callable[[], Any]] = {}
    found: dict[str, Done | str] = {}
    first: dict[str, Done] = {}
    for run in work.runs:
        try:
            module = importlib.import_module(run.module)
        except ImportError:
            found[run.name] = f"{run.module.partition('.')[0]} is not installed"
            continue
        calls[run.name] = run.prepare(module)
        start = perf_counter()
        result = calls[run.name]()
        first[run.name] = Done(perf_counter() - start, work.reached(result))
        found[run.name] = first[run.name]
    again = [name for name, done in first.items() if done.seconds < LONG]
    for name, times in zip(again, interleaved([calls[n] for n in again], effort), strict=True):
        found[name] = replace(first[name], seconds=times.median)
    return found


def show(title: str, found: dict[str, Done | str]) -> None:
    """Rows of a table for what was measured."""
    done = [one for one in found.values() if isinstance(one, Done)]
    first, least = done[0].seconds, min(one.reached for one in done)
    for name, one in found.items():
        if isinstance(one, str):
            row(title, name, "-", one, "-", "-")
            continue
        above = (one.reached - least) / abs(least)
        numbers = f"{one.seconds:.3g}", f"{one.reached:.8g}", f"{above:.1e}"
        row(title, name, *numbers, f"{one.seconds / first:.2g}")


def row(*cells: str) -> None:
    print("|", " | ".join(cells), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="WORK,...", help=", ".join(WORKS))
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of rows")
    parser.add_argument("--threads", type=int, default=fl.get_num_threads())
    given = parser.parse_args()
    fl.set_num_threads(given.threads)
    warnings.simplefilter("ignore")  # of those that stop early
    row("work", "library", "s", "reached", "above the least", "times fastloss")
    row(*["---"] * 6)
    with threadpool_limits(given.threads):
        for name in given.only.split(",") if given.only else WORKS:
            work = WORKS[name](given.scale, given.threads)
            show(work.title, measured(work, EFFORT))


if __name__ == "__main__":
    main()
