"""What a type checker sees of the public face."""

import textwrap

import pytest

api = pytest.importorskip("mypy.api")

GOOD = """
    from collections.abc import Mapping
    from typing import Any, assert_type

    import numpy as np
    from numpy.typing import NDArray

    import fastloss as fl

    Array = NDArray[np.floating[Any]]

    y = np.zeros(3)
    p = np.ones(3, dtype=np.float32)
    out = np.empty(3, dtype=np.float32)
    loss = fl.Huber(delta=1.5)

    assert_type(loss(y, p), float)
    assert_type(loss(y, p, where=y < 1), float)
    assert_type(loss([1, 0], [0.5, 0.5], sample_weight=[1, 2], reduction="sum"), float)
    assert_type(loss(y, p, reduction="none", out=out), Array)

    assert_type(loss.grad(y, p, nan_policy="omit", out=out), Array)
    assert_type(loss.value_and_grad(y, p, out=out), tuple[float, Array])
    assert_type(loss.value_and_grad(y, p, reduction="none"), tuple[Array, Array])
    assert_type(loss.value_and_grad(y, p, reduction="none", out=(None, out)), tuple[Array, Array])
    assert_type(loss.grad_and_hess(y, p, out=[out, np.empty_like(out)]), tuple[Array, Array])


    def chosen(reduction: str) -> float | Array:
        assert_type(loss.value_and_grad(y, p, reduction=reduction), tuple[float | Array, Array])
        return loss(y, p, reduction=reduction)


    assert_type(fl.get_loss("huber", delta=1.5), fl.Loss)
    assert_type(fl.loss_names(), tuple[str, ...])
    assert_type(loss.parameters, Mapping[str, Any])
    assert_type(loss.delta, float)
    assert_type(loss.name, str)
    assert_type(fl.Focal().alpha, float | None)
    assert_type(fl.Welsch().c, float)
    assert_type(fl.SoftmaxCrossEntropy().class_weight, tuple[float, ...] | None)
    assert_type(fl.PolyLoss().epsilon, float)
    assert_type(fl.JensenShannon().axis, int)

    class Frame:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

    frame = Frame()
    scores = fl.score(y, p, ["mse", loss], sample_weight=y, groups=["a", "b", "a"])
    assert_type(scores, fl.Scores)
    assert_type(scores["mse"], Any)  # a group may have a name too
    assert_type(scores[loss], float)
    assert_type(scores[2024], fl.Scores)
    assert_type(scores["a", 1], fl.Scores)
    assert_type(scores.group("a"), fl.Scores)
    assert_type(scores.ci(), NDArray[np.float64])
    assert_type(fl.score(y_true=y, y_pred=p, losses="mse"), fl.Scores)
    assert_type(fl.score(frame, "mse", y_true="y", y_pred=["a", "b"], by="g"), fl.Scores)
    assert_type(scores.count, int)
    assert_type(scores.values, NDArray[np.float64])
    assert_type(scores.group_counts, NDArray[np.int64])
    scorer = fl.Scorer("mae")
    scorer.update(y, p)
    scorer.merge(fl.Scorer(fl.AbsoluteError()))

    x = np.ones((3, 2))
    triplets, contrast = fl.TripletMargin(), fl.Contrastive()
    assert_type(triplets(x, x, x), float)
    assert_type(triplets.grad(x, x, x), tuple[Array, Array, Array])
    assert_type(triplets.value_and_grad(x, x, x), tuple[float, tuple[Array, Array, Array]])
    assert_type(contrast.value_and_grad(x, x), tuple[float, tuple[Array, Array]])
    assert_type(fl.AFT("normal")(y, p), float)
    assert_type(fl.CoxPH().grad_and_hess(y, p), tuple[Array, Array])
    assert_type(fl.LambdaRank(k=5)(y, p, groups=[3]), float)
    assert_type(fl.PairwiseLogistic().grad(y, p, groups=[3]), Array)
    assert_type(fl.CosineEmbedding()([1, -1, 1], x, x), float)
    assert_type(fl.MarginRanking().grad(x, x, x), tuple[Array, Array])
    assert_type(fl.SupervisedContrastive()([0, 0, 1], x), float)
    assert_type(fl.Circle().value_and_grad([0, 0, 1], x), tuple[float, Array])
    ctc, layer = fl.CTC(from_logits=True), fl.LinearCrossEntropy()
    assert_type(ctc([[1]], np.ones((3, 1, 2)), reduction="sum"), float)
    assert_type(ctc.value_and_grad([[1]], np.ones((3, 1, 2)), [3], [1]), tuple[float, Array])
    assert_type(layer([0, 1, 1], x, x.T, sample_weight=y), float)
    params: dict[str, Array] = {"w": y, "b": p}
    opt = fl.optim.Adam(params, lr=lambda step: 0.1 / (1 + step), max_norm=1.0)
    assert_type(opt.step({"w": y, "b": p}), bool)
    fl.optim.SGD([{"params": [y, p], "lr": 0.1}], momentum=0.9).step([[y, p]])
    opt.load_state_dict(opt.state_dict())
    assert_type(opt.step_count, int)
    opt.lr.update(0.5)
    opt.lr = 0.1

    fl.set_num_threads(2)
    with fl.num_threads(1):
        assert_type(fl.get_num_threads(), int)

    try:
        fl.LogLoss()([1], [2])
    except fl.DomainError as error:
        assert_type(error.index, tuple[int, ...])
"""

# Each line by itself is an error.
BAD = """
    fl.Huber(1.5, 2.0)
    fl.Huber(delta="1.5")
    loss(y)
    loss(y, p, None)
    loss(y, p, out=out)
    loss(y, p, weight=y)
    loss.grad(y, p, out=(out, out))
    loss.grad_and_hess(y, p, out=out)
    loss.value_and_grad(y, p, out=3)
    fl.score(y, p, [3])
    fl.score(y, "mse", y_true="y", y_pred="p")
    fl.score(y, p, "mse", by="g")
    fl.num_threads("2")
    fl.optim.Adam(y, lr="0.1")
    fl.optim.Adam(y, maximum_norm=1.0)
    fl.optim.Adam()
    fl.optim.Adam(y, nonfinite="skipp")
    fl.optim.Adam(y, state_dtype="float16")
    fl.optim.Adagrad(y)
    fl.Hubber()
"""


def check(folder, text):
    """mypy's complaints about a program, by line."""
    program = folder / "program.py"
    program.write_text(text)
    options = ["--strict", "--no-error-summary", f"--cache-dir={folder / 'cache'}"]
    found, trouble, _ = api.run([*options, "--config-file=", str(program)])
    assert not trouble, trouble
    return [line for line in found.splitlines() if ": error:" in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mypy")  # with one cache for all


def test_a_program_that_uses_everything_is_clean(folder):
    assert check(folder, textwrap.dedent(GOOD)) == []


def test_wrong_calls_are_seen(folder):
    good = textwrap.dedent(GOOD).rstrip() + "\n"
    bad = textwrap.dedent(BAD).strip().splitlines()
    first = good.count("\n") + 1
    complaints = check(folder, good + "\n".join(bad))
    lines = {int(line.rpartition(".py:")[2].partition(":")[0]) for line in complaints}
    assert lines == set(range(first, first + len(bad))), complaints
