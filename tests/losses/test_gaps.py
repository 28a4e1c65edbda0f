"""Gaps among numbers are NaN, whatever holds them; what is no number is refused with a remedy."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import fastloss as fl

P = np.array([0.2, 0.7, 0.4])
LOSS = fl.LogLoss()
METHODS = ["__call__", "grad", "value_and_grad", "grad_and_hess"]

GAPS = {  # 1, a gap and 0
    "nullable bools": pd.Series([True, None, False], dtype="boolean"),
    "nullable integers": pd.Series([1, None, 0], dtype="Int64"),
    "nullable floats": pd.Series([1, None, 0], dtype="Float32"),
    "an array of pandas": pd.array([True, None, False], dtype="boolean"),
    "objects": pd.Series([1, None, 0.0], dtype=object),
    "bools as objects": pd.Series([True, pd.NA, np.bool_(False)], dtype=object),
    "Decimals": pd.Series([Decimal(1), None, Decimal(0)]),
    "a Decimal of NaN": [Decimal(1), Decimal("NaN"), Decimal(0)],
    "a list": [1, None, 0],
    "fractions": [Fraction(1), None, Fraction(0)],
    "NumPy's scalars": [np.int8(1), None, np.float32(0)],
}


@pytest.mark.parametrize("kind", GAPS)
def test_a_gap_is_nan(kind):
    given, want = GAPS[kind], np.array([1, np.nan, 0])
    for name in METHODS:
        method = getattr(LOSS, name)
        for policy in ("omit", "propagate"):
            np.testing.assert_equal(
                method(given, P, nan_policy=policy), method(want, P, nan_policy=policy)
            )
    with pytest.raises(fl.DomainError, match=r"y_true\[1\] = nan"):
        LOSS(given, P, nan_policy="raise")
    assert fl.score(given, P, "log_loss", nan_policy="omit").count == 2
    np.testing.assert_equal(LOSS(P, given, reduction="none"), LOSS(P, want, reduction="none"))


@pytest.mark.parametrize("kind", GAPS)
def test_a_gap_among_classes_is_nan(kind):
    logits = np.array([[0.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
    loss = fl.SoftmaxCrossEntropy()
    want = loss([1, 0], logits[[0, 2]])
    assert loss(GAPS[kind], logits, nan_policy="omit") == want
    named = fl.SoftmaxCrossEntropy(classes=(0, 1))
    assert named(GAPS[kind], logits, nan_policy="omit") == want
    assert fl.score(GAPS[kind], logits, loss, nan_policy="omit").values == want


def test_weights_penalties_and_models_take_numbers_of_every_kind():
    decimals = pd.Series([Decimal(1), Decimal(3)])
    assert fl.SquaredError()([0.0, 0.0], [1.0, 2.0], sample_weight=decimals) == 13 / 4
    assert fl.penalties.L1(2.0).value(decimals) == 8.0
    assert fl.sigmoid([Fraction(0), Decimal(0)]).tolist() == [0.5, 0.5]


def test_integers_with_gaps_are_not_rounded():
    large = 2**60
    labels = pd.Series([large, None, large + 1], dtype=object)
    loss = fl.SoftmaxCrossEntropy(classes=(large, large + 1))
    logits = np.array([[1.0, 0.0], [5.0, 7.0], [0.0, 3.0]])
    want = fl.SoftmaxCrossEntropy()([0, 1], logits[[0, 2]])
    assert loss(labels, logits, nan_policy="omit") == want
    assert loss([large, large + 1], logits[[0, 2]]) == want
    for given in (labels, [2**2000, 1, None]):
        with pytest.raises(TypeError, match="y_true must hold real.*dtype object"):
            LOSS(given, P)


@pytest.mark.parametrize(("bad", "text"), [
    (np.ones(3, object), r"y_true must hold .* dtype object; pass y_true.astype\(numpy.float64\)"),
    (np.ones(3, np.longdouble), r"y_true must hold .*; pass y_true.astype\(numpy.float64\)"),
    (np.array([1, "a", None], object), r"y_true must hold .* dtype object: y_true\[1\] is 'a'"),
    (pd.Series([1, {}, 3]), r"y_true\[1\] is \{\}"),
    ([1, pd.NaT, 3], r"y_true\[1\] is NaT"),
], ids=str)  # fmt: skip
def test_what_is_no_number_is_refused_with_the_remedy(bad, text):
    for name in METHODS:
        with pytest.raises(TypeError, match=text):
            getattr(LOSS, name)(bad, P)
    with pytest.raises(TypeError, match=text):
        fl.score(bad, P, "log_loss")


@pytest.mark.parametrize("kind", ["bfloat16", "with a gradient"])
def test_tensors_that_numpy_cannot_read_are_named(kind):
    torch = pytest.importorskip("torch", reason="its tensors may be predictions; CI installs it")
    tensor = torch.tensor([[0.5, 2.0]])
    tensor = tensor.bfloat16() if kind == "bfloat16" else tensor.requires_grad_()
    text = r"y_pred is a tensor that NumPy .*; pass y_pred.detach\(\).cpu\(\).float\(\)"
    for loss, y in ((fl.SoftmaxCrossEntropy(), [1]), (fl.SquaredError(), [[0.0, 0.0]])):
        for call in (loss, loss.grad, lambda y, z, loss=loss: fl.score(y, z, loss)):
            with pytest.raises(TypeError, match=text):
                call(y, tensor)
            call(y, tensor.detach().cpu().float())
