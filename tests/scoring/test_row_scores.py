"""Scores of losses of rows, in Python and from the command line."""

import json

import numpy as np
import pytest

import fastloss as fl
from fastloss.cli import run

NAMES = ["softmax_cross_entropy", "multiclass_hinge", "poly:epsilon=2.0"]


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, 200), rng.normal(size=(200, 3)), rng.random(200)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_scores(rows, weighted, grouped):
    y, z, w = rows
    w = w if weighted else None
    groups = np.arange(200) % 7 if grouped else None
    scores = fl.score(y, z, NAMES, sample_weight=w, groups=groups)
    weights = np.ones(200) if w is None else w
    assert scores.count == 200 and scores.weight == pytest.approx(weights.sum())
    for i, name in enumerate(NAMES):
        loss = fl.get_loss(name)
        assert scores[name] == pytest.approx(loss(y, z, sample_weight=w), rel=1e-12)
        for k in range(7) if grouped else ():
            part = groups == k
            expected = loss(y[part], z[part], sample_weight=None if w is None else w[part])
            assert scores.group_values[k, i] == pytest.approx(expected, rel=1e-12)
            assert scores.group_counts[k] == part.sum()


def test_parts_and_missing_rows(rows):
    y, z, w = rows
    z[5, 1] = np.nan
    w[7] = 0
    whole = fl.score(y, z, NAMES, sample_weight=w, nan_policy="omit")
    assert whole.count == 198
    kept = np.delete(np.arange(200), [5, 7])
    assert whole["poly"] == pytest.approx(
        fl.score(y[kept], z[kept], NAMES, sample_weight=w[kept])["poly"]
    )
    a, b = fl.Scorer(NAMES, nan_policy="omit"), fl.Scorer(NAMES, nan_policy="omit")
    a.update(y[:50], z[:50], w[:50])
    b.update(y[50:], z[50:], w[50:])
    a.merge(b)
    assert a.result()["poly"] == pytest.approx(whole["poly"], rel=1e-12)
    assert np.isnan(fl.score(y, z, NAMES)["poly"])


def test_images():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(4, 3, 5, 6)), rng.integers(0, 3, (4, 5, 6))
    loss = fl.SoftmaxCrossEntropy(axis=1)
    groups = np.broadcast_to(np.arange(4)[:, None, None], y.shape)
    scores = fl.score(y, z, loss, groups=groups)
    assert scores.values[0] == pytest.approx(loss(y, z), rel=1e-12)
    assert scores.group_values[2, 0] == pytest.approx(loss(y[2:3], z[2:3]), rel=1e-12)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (["softmax_cross_entropy", "mse"], "mse is not a loss of rows: beside one"),
        ([fl.SoftmaxCrossEntropy(class_weight=[1, 2, 3])], "class_weight has to be part of"),
        ([fl.SoftmaxCrossEntropy(ignore_index=0)], "ignore_index has to be part of"),
        ([fl.SoftmaxCrossEntropy(axis=0), fl.PolyLoss()], "of different axes"),
    ],
)
def test_mistakes(rows, losses, message):
    with pytest.raises(ValueError, match=message):
        fl.score(rows[0], rows[1], losses)


@pytest.fixture
def table(rows, tmp_path):
    y, z, w = rows
    path = tmp_path / "classes.csv"
    lines = [
        f"{a},{','.join(map(repr, map(float, b)))},{c}" for a, b, c in zip(y, z, w, strict=True)
    ]
    path.write_text("\n".join(["y,p0,p1,p2,w", *lines]) + "\n")
    return str(path)


def test_the_command(rows, table, capsys, tmp_path):
    y, z, w = rows
    options = ["score", table, "--y-true", "y", "--y-pred", "p0,p1,p2", "--weight", "w"]
    options += [part for name in NAMES for part in ("--loss", name)]
    per_row = tmp_path / "rows.parquet"
    assert run([*options, "--format", "json", "--per-row", str(per_row)]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in NAMES:
        assert found[name] == pytest.approx(fl.get_loss(name)(y, z, sample_weight=w), rel=1e-12)
    from pyarrow import parquet

    written = parquet.read_table(per_row)
    value, grad = fl.SoftmaxCrossEntropy().value_and_grad(y, z, sample_weight=w, reduction="none")
    np.testing.assert_allclose(written["softmax_cross_entropy"], value, rtol=1e-12)
    np.testing.assert_allclose(written["softmax_cross_entropy_grad_p1"], grad[:, 1], rtol=1e-10)


def test_targets_in_columns(tmp_path, capsys):
    rng = np.random.default_rng(0)
    q, z = rng.dirichlet([1, 1, 1], 50), rng.normal(size=(50, 3))
    mean, variance, y = rng.normal(size=50), rng.random(50) + 0.1, rng.normal(size=50)
    columns = dict(zip(["q0", "q1", "q2", "p0", "p1", "p2"], np.hstack([q, z]).T, strict=True))
    np.savez(tmp_path / "a.npz", **columns, mean=mean, variance=variance, y=y)
    names = ["softmax_cross_entropy", "listwise_softmax", "multilabel_logistic"]
    options = ["score", str(tmp_path / "a.npz"), "--format", "json"]
    losses = [part for name in names for part in ("--loss", name)]
    assert run([*options, "--y-true", "q0,q1,q2", "--y-pred", "p0,p1,p2", *losses]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in names:
        assert found[name] == pytest.approx(fl.get_loss(name)(q, z), rel=1e-12)
    normal = ["--y-true", "y", "--y-pred", "mean,variance", "--loss", "gaussian_nll"]
    assert run([*options, *normal]) == 0
    expected = fl.GaussianNLL()(y, np.column_stack([mean, variance]))
    assert json.loads(capsys.readouterr().out)["gaussian_nll"] == pytest.approx(expected, rel=1e-12)


def test_missing_classes_of_the_command(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("y,p0,p1,w\n0,0.25,0.75,1\n,0.5,0.5,2\n1,0.5,0.5,1\n")
    options = ["score", str(tmp_path / "a.csv"), "--y-true", "y", "--y-pred", "p0,p1"]
    options += ["--format", "json"]
    classes = ["--loss", "cross_entropy"]
    assert run([*options, *classes, "--nan-policy", "omit"]) == 0
    expected = fl.CrossEntropy()([0, 1], [[0.25, 0.75], [0.5, 0.5]])
    found = json.loads(capsys.readouterr().out)
    assert found["cross_entropy"] == pytest.approx(expected) and found["count"] == 2
    assert run([*options, *classes]) == 0
    assert json.loads(capsys.readouterr().out)["cross_entropy"] == "NaN"
    for extra, message in (
        ([*classes, "--nan-policy", "raise"], "row 2: column 'y' is missing or NaN"),
        (["--loss", "cross_entropy:class_weight=1;2"], "has to be part of --weight"),
        (["--loss", "cross_entropy:axis=0"], "leave out axis"),
    ):
        assert run([*options, *extra]) == 2
        assert message in capsys.readouterr().err
    twice = [option.replace("p1", "p0") for option in options]
    assert run([*twice, *classes]) == 2
    assert "column 'p0' is named twice" in capsys.readouterr().err


def test_weights_are_those_of_the_losses():
    z, w = np.zeros((2, 2), np.float32), np.array([0.1, 0.3])
    z[0, 1] = 1
    loss = fl.SoftmaxCrossEntropy()
    assert fl.score([0, 1], z, loss, sample_weight=w).values[0] == loss([0, 1], z, sample_weight=w)
    w = np.array([1e-50, 3e-50])  # which float32 does not hold
    assert fl.score([0, 1], z, loss, sample_weight=w).values[0] == loss([0, 1], z, sample_weight=w)


def test_missing_targets_of_rows():
    y, z = np.array([0.5, np.nan, 1.0]), np.array([[0.0, 1.0], [0.0, 1.0], [np.nan, 1.0]])
    scores = fl.score(y, z, "gaussian_nll", nan_policy="omit")
    assert scores.count == 1 and scores["gaussian_nll"] == fl.GaussianNLL()(y[:1], z[:1])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "loss", "message"),
    [
        ("y", "p0", "softmax_cross_entropy", "it needs a column for each class"),
        ("y", "p0,p1,p2", "kl_divergence", "it needs a column of targets for each of predictions"),
        ("y,w", "p0,p1,p2", "softmax_cross_entropy", "of classes, or a column of targets for each"),
        (
            "y,w",
            "p0,p1",
            "multiclass_hinge",
            "it needs one column of classes; got --y-true y,w --y-pred p0,p1",
        ),
        ("y", "p0,p1,p2", "gaussian_nll", "it needs columns for a mean and a variance"),
        ("y", "p0,p1,p2", "mse", "one of predictions; got --y-true y --y-pred p0,p1,p2"),
        ("y", "p0,p1", "poly", "row {row}: column 'y' = 2 is not a class from 0 to 1"),
        ("w", "p0,p1,p2", "poly", "row 1: column 'w' = 0."),
        ("y", "p0,p9", "poly", "'p9'"),
        ("y", "p0,p1,p2", "cross_entropy", "column 'p"),
    ],
)
def test_mistakes_of_the_command(rows, table, capsys, y_true, y_pred, loss, message):
    status = run(["score", table, "--y-true", y_true, "--y-pred", y_pred, "--loss", loss])
    err = capsys.readouterr().err
    assert status == 2 and err.count("\n") == 1
    assert message.format(row=int(np.argmax(rows[0] == 2)) + 1) in err


def test_parts_have_as_many_classes():
    scorer, other = fl.Scorer("softmax_cross_entropy"), fl.Scorer("softmax_cross_entropy")
    scorer.update([0, 1], np.zeros((2, 3)))
    other.update([0, 1], np.zeros((2, 5)))
    message = "all parts must have 3 classes, as the first has; got 5"
    with pytest.raises(ValueError, match=message):
        scorer.update([0, 1], np.zeros((2, 5)))
    with pytest.raises(ValueError, match=message):
        scorer.merge(other)
    scorer.merge(fl.Scorer("softmax_cross_entropy"))
    assert scorer.result().count == 2
    empty = fl.Scorer("softmax_cross_entropy")
    empty.merge(other)
    with pytest.raises(ValueError, match="must have 5 classes, as the first has; got 3"):
        empty.update([0, 1], np.zeros((2, 3)))
    lists = fl.Scorer("listwise_softmax")  # which may be of any length
    lists.update(np.zeros((1, 3)), np.zeros((1, 3)))
    lists.update(np.zeros((1, 5)), np.zeros((1, 5)))
    assert lists.result().count == 2


def test_memory_order_of_weights_does_not_matter():
    rng = np.random.default_rng(0)
    z, y, w = rng.normal(size=(3, 4, 5)), rng.integers(0, 5, (3, 4)), rng.uniform(1, 2, (3, 4))
    z[1, 2, 3] = np.nan
    loss = fl.SoftmaxCrossEntropy()
    expected = loss(y, z, sample_weight=w, nan_policy="omit")
    for order in "CF":
        score = fl.score(y, z, loss, sample_weight=np.array(w, order=order), nan_policy="omit")
        assert score.values[0] == pytest.approx(expected, rel=1e-13)
        assert score.count == 11 and score.weight == pytest.approx(w.sum() - w[1, 2])
