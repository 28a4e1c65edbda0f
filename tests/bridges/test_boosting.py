"""What the bridges to the three boosting libraries have in common; it needs none of them."""

import copy
import pickle
import subprocess
import sys
from fractions import Fraction

import boosted
import numpy as np
import pytest
from sklearn.base import clone

import fastloss as fl
import fastloss.catboost
import fastloss.lightgbm
import fastloss.xgboost
from fastloss.boosting import Convention

BRIDGES = [fastloss.lightgbm, fastloss.xgboost, fastloss.catboost]
every_bridge = pytest.mark.parametrize("bridge", BRIDGES, ids=lambda m: m.__name__[9:])

Y = np.float32([1, 0, 1, 0])
Z = np.array([0.3, -0.2, 1.5, 2.0])
W = np.float32([1, 2, 0.5, 3])


def derivatives(objective, y=Y, z=Z, w=None):
    """Gradient and Hessian, with the signs of all but CatBoost."""
    if hasattr(objective, "calc_ders_range"):
        return tuple(-objective.calc_ders_range(z, y, w).T)
    return objective(y, z, w)


def test_the_libraries_are_not_imported():
    code = (
        "import sys, fastloss.lightgbm, fastloss.xgboost, fastloss.catboost\n"
        "print({'lightgbm', 'xgboost', 'catboost'} & {*sys.modules})"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True).stdout == "set()\n"


@every_bridge
def test_the_table_has_all_that_is_not_the_majorant(bridge):
    written = boosted.rows(bridge.__name__.removeprefix("fastloss."))
    for _, _, spec, factor, hessian, _ in written:
        convention = bridge.objective(spec).convention
        assert convention.factor == Fraction(factor)
        assert ("times" in hessian) == (convention.stretch != 1)
    listed = {fl.get_loss(spec).name for _, _, spec, *_ in written}
    for loss in boosted.accepted(bridge.objective):
        assert loss.name in listed or bridge.objective(loss).convention == Convention("majorant")


@every_bridge
@pytest.mark.parametrize("hessian", ["exact", "majorant", 0.5])
@pytest.mark.parametrize("weight", [None, W])
def test_a_hessian_that_is_asked_for_is_that_of_the_loss(bridge, hessian, weight):
    for loss in (fl.SquaredError(), fl.Huber(delta=0.5), fl.Poisson(), fl.Focal()):
        expected = loss.grad_and_hess(Y, Z, sample_weight=weight, reduction="sum", hessian=hessian)
        found = derivatives(bridge.objective(loss, hessian=hessian), w=weight)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=0)


@every_bridge
def test_the_square_is_halved_unless_a_hessian_is_asked_for(bridge):
    grad, hess = derivatives(bridge.objective("mse"))
    np.testing.assert_allclose(grad, Z - Y, rtol=1e-7)
    np.testing.assert_array_equal(hess, np.ones(4))
    grad, hess = derivatives(bridge.objective("mse", hessian="exact"))
    np.testing.assert_allclose(grad, 2 * (Z - Y), rtol=1e-7)


@every_bridge
@pytest.mark.parametrize("loss", [fl.Cauchy(), fl.LogCosh(), fl.Expectile(q=0.9)])
def test_other_losses_take_the_majorant(bridge, loss):
    expected = loss.grad_and_hess(Y, Z, reduction="sum", hessian="majorant")
    np.testing.assert_allclose(derivatives(bridge.objective(loss)), expected, rtol=1e-7)


@every_bridge
@pytest.mark.parametrize("loss", [fl.Hinge(), fl.SquaredHinge(), fl.Exponential()])
def test_a_label_of_0_is_one_of_minus_1(bridge, loss):
    objective, y = bridge.objective(loss), 2 * Y - 1
    found, expected = derivatives(objective), derivatives(objective, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(expected[0], loss.grad(y, Z, reduction="sum"), rtol=1e-7)


@every_bridge
def test_results_are_new(bridge):
    objective, z = bridge.objective("logistic"), Z.copy()
    first, second = derivatives(objective, z=z), derivatives(objective, z=z)
    assert not np.shares_memory(first[0], second[0])
    np.testing.assert_array_equal(z, Z)


@every_bridge
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("log_loss", r"predictions are in \[0, 1\].*; logistic is"),
        ("brier", r"predictions are in \[0, 1\].*; logistic is"),
        ("binary_kl", r"predictions are in \[0, 1\].*; logistic is"),
        ("poisson_deviance", r"predictions are in \(0, inf\).*; poisson is"),
        ("gamma_deviance", r"predictions are in \(0, inf\).*; gamma is"),
        ("tweedie_deviance", r"predictions are in \(0, inf\).*; tweedie is"),
        ("rmse", "it is one root for all samples; mse"),
        ("perceptron", "nothing to train"),
        ("gaussian_nll", "a row holds a mean and a variance"),
        ("listwise_softmax", "its lists are rows"),
    ],
)
def test_losses_that_cannot_be_objectives(bridge, name, reason):
    with pytest.raises(ValueError, match=rf"cannot be an objective of \w+: .*{reason}"):
        bridge.objective(name)
    with pytest.raises(ValueError, match=reason):
        bridge.objective(name, hessian="majorant")


def test_losses_of_rows_that_cannot_be_objectives():
    for name in ("softmax_cross_entropy", "multilabel_logistic", "cross_entropy", "dice"):
        with pytest.raises(ValueError, match="one row a call"):
            fastloss.catboost.objective(name)
    for name in ("multilabel_logistic", "kl_divergence", "cosine", "dice"):
        with pytest.raises(ValueError, match="one for each row"):
            fastloss.lightgbm.objective(name)
    for bridge in (fastloss.lightgbm, fastloss.xgboost):
        for name in ("cross_entropy", "nll", "multiclass_brier"):
            with pytest.raises(ValueError, match="; softmax_cross_entropy is what to train with"):
                bridge.objective(name)
    with pytest.raises(ValueError, match=r"predictions are in \(-inf, 0\]"):
        fastloss.xgboost.objective(fl.KLDivergence(log_probabilities=True))
    with pytest.raises(ValueError, match="hessian must be a floor"):
        fastloss.xgboost.objective("cosine")
    assert fastloss.xgboost.objective("cosine", hessian=1e-3)


@every_bridge
def test_arguments(bridge):
    for wrong in ("newton", -1.0, float("inf"), True, [1.0]):
        with pytest.raises(ValueError, match='hessian must be None, "exact", "majorant" or a flo'):
            bridge.objective("mse", hessian=wrong)
    for make in (bridge.objective, bridge.metric):
        with pytest.raises(TypeError, match="a loss is a name or a Loss"):
            make(3)
        with pytest.raises(ValueError, match="unknown loss 'hubber'; did you mean huber"):
            make("hubber")


@every_bridge
def test_objects_are_values(bridge):
    for make in (bridge.objective, bridge.metric):
        one, same, other = make("huber:delta=2"), make(fl.Huber(delta=2.0)), make("huber")
        assert one == same != other and hash(one) == hash(same)
        assert pickle.loads(pickle.dumps(one)) == one
        assert copy.copy(one) is copy.deepcopy(one) is one
        assert clone(one, safe=False) is one
        assert repr(one).startswith(f"{type(one).__name__}(loss=Huber(delta=2.0), ")
        with pytest.raises(AttributeError):
            one.loss = fl.Huber()
    for name in ("softmax_cross_entropy", "softmax_focal") * (bridge is not fastloss.catboost):
        objective = bridge.objective(name)
        again = pickle.loads(pickle.dumps(objective))
        z = np.asfortranarray(np.arange(12.0).reshape(4, 3))
        np.testing.assert_array_equal(derivatives(again, z=z), derivatives(objective, z=z))
    assert bridge.objective("huber", hessian=1.0) != bridge.objective("huber")


@pytest.mark.parametrize("bridge", [fastloss.lightgbm, fastloss.xgboost])
def test_shapes_that_do_not_go_together(bridge):
    with pytest.raises(ValueError, match="a score for each class; got one for each row.*num_class"):
        bridge.objective("softmax_cross_entropy")(Y, Z)
    with pytest.raises(ValueError, match="takes one score of a row; got scores of shape"):
        bridge.objective("logistic")(Y, np.zeros((4, 3)))


@pytest.mark.parametrize("bridge", [fastloss.lightgbm, fastloss.xgboost])
def test_the_axis_of_the_loss_is_of_no_effect(bridge):
    z = np.random.default_rng(0).normal(size=(4, 3))
    for loss in (fl.SoftmaxFocal(axis=0), fl.SoftmaxFocal(axis=-1)):
        found = bridge.objective(loss)(Y, z)
        expected = fl.SoftmaxFocal().grad_and_hess(Y, z, reduction="sum", hessian="majorant")
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@every_bridge
def test_metrics_of_what_scores_mean(bridge):
    p = fl.Logistic().inverse_link(Z)

    def value(metric, z, w=None):
        if hasattr(metric, "evaluate"):
            return metric.get_final_error(*metric.evaluate((z,), Y, w))
        found = metric(Y, z, w)
        return found[1] if isinstance(found, tuple) else found

    for name in ("log_loss", "brier", "rmse", "mae"):
        expected = fl.get_loss(name)(Y, p, sample_weight=W)
        metric = bridge.metric(name, scores_of="logistic")
        assert value(metric, Z, W) == pytest.approx(expected, rel=1e-14)
        assert value(bridge.metric(name), p, W) == pytest.approx(expected, rel=1e-14)
    hinge = bridge.metric("hinge")
    assert value(hinge, Z) == pytest.approx(fl.Hinge()(2 * Y - 1, Z), rel=1e-14)
    with pytest.raises(fl.DomainError, match=r"y_pred\[1\] = -0.2") as raised:
        value(bridge.metric("log_loss"), Z)
    assert "scores_of= takes the loss" in raised.value.__notes__[0]


START = [
    (fastloss.lightgbm, "init_score"),
    (fastloss.xgboost, "base_score"),
    (fastloss.catboost, "baseline"),
]


@pytest.mark.parametrize(("bridge", "name"), START, ids=[name for _, name in START])
def test_constants_to_start_from(bridge, name):
    start = getattr(bridge, name)
    for loss in (fl.Quantile(q=0.8), fl.Logistic(), fl.Poisson()):
        expected = loss.optimal_constant(Y, W)
        assert np.all(np.equal(start(loss, Y, W), expected))
    assert np.all(np.equal(start("squared_hinge", Y), 0.0))
    assert np.all(np.equal(start("squared_hinge", Y > 0), 0.0))
    with pytest.raises(ValueError, match=r"constant score of Logistic.* is inf"):
        start("logistic", [1.0, 1.0])
    with pytest.raises(ValueError, match="cannot be an objective"):
        start("log_loss", Y)


@pytest.mark.parametrize("start", [fastloss.lightgbm.init_score, fastloss.xgboost.base_score])
def test_constants_of_classes(start):
    loss = fl.SoftmaxCrossEntropy()
    for y in ([0, 1, 1, 2], [0.0, 1.0, 1.0, 2.0]):
        row = np.atleast_2d(start(loss, y))[0]
        np.testing.assert_allclose(loss.inverse_link(row), [0.25, 0.5, 0.25])
    with pytest.raises(ValueError, match="a class is absent"):
        start(loss, [0, 1], num_class=3)
    with pytest.raises(NotImplementedError):
        start("multiclass_hinge", [0, 1])


def test_a_users_own_derivatives_are_taken():
    class Doubled(fl.SquaredError):
        name = "doubled"

        def grad_and_hess(self, *args, **options):
            grad, hess = super().grad_and_hess(*args, **options)
            return 2 * grad, 4 * hess

    y, z = np.array([1.0, 2.0]), np.array([2.0, 0.0])
    for made in (fastloss.lightgbm.objective, fastloss.xgboost.objective):
        grad, hess = made(Doubled(), hessian="exact")(y, z)
        assert grad.tolist() == [4, -8] and hess.tolist() == [8, 8]
    own = fastloss.catboost.objective(Doubled(), hessian="exact")
    assert own.calc_ders_range(z, y, None).tolist() == [[-4, -8], [8, -8]]


def test_names_of_classes_are_the_librarys_business():
    with pytest.raises(ValueError, match="leave out classes="):
        fastloss.lightgbm.objective(fl.SoftmaxCrossEntropy(classes=("a", "b")))


def test_labels_of_small_types():
    for kind in (np.uint8, bool, np.int8):
        value = fastloss.xgboost.metric("hinge")(np.array([0, 1], kind), np.array([1.0, 1.0]))
        assert value == 1.0


def test_scores_that_do_not_fit_the_loss_have_no_meaning():
    for bridge in (fastloss.lightgbm, fastloss.xgboost):

        class Model:
            def predict(self, X, **options):
                return np.zeros(len(X))

        with pytest.raises(ValueError, match="For two classes there are logistic and focal"):
            bridge.predict(Model(), [[1.0], [2.0]], "softmax_cross_entropy")


def test_lists_are_taken_as_arrays():
    grad, hess = fastloss.lightgbm.objective("logistic")([1, 0], [0.0, 0.0], [1.0, 2.0])
    assert grad.tolist() == [-0.5, 1.0] and hess.tolist() == [0.25, 0.5]
