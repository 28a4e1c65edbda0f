"""Losses that formulas define: like any other."""

import copy
import inspect
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from isa import EVERY, result_on
from samples import DTYPES

import fastloss as fl
from fastloss.losses.base import pointwise_names

LINEX = "exp(a*(z - y)) - a*(z - y) - 1"
POSITIVE = fl.domain(low=0, open_low=True, default=1.0)


def define_linex():
    return fl.define_loss("linex", LINEX, a=POSITIVE, doc="Errors above cost more.")


Linex = define_linex()
Skewed = fl.define_loss(
    "skewed_log_cosh",
    "(b if z > y else 1)*logcosh(z - y)",
    majorant="b if z > y else 1",
    b=2.0,
)


@pytest.fixture(autouse=True)
def the_name_is_ours():
    """Whatever else was defined in this process under the same name."""
    define_linex()


def data(n, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype)


def by_hand(y, z, a):
    r = a * (z.astype(float) - y)
    return np.exp(r) - r - 1, a * np.expm1(r), a * a * np.exp(r)


def test_the_class():
    assert Linex.__name__ == "Linex" and Linex.name == "linex" and Linex.definition == LINEX
    assert issubclass(Linex, fl.Loss) and Skewed.__name__ == "SkewedLogCosh"
    assert str(inspect.signature(Linex)) == "(a=1.0)"
    assert Linex.__module__ == __name__
    assert Linex.__doc__.startswith("Errors above cost more.\n\nParameters\n")
    for part in (
        "a : float, default=1\n    In (0, inf).",
        LINEX,
        "Raises\n------\n",
        "max(hess, 0)",
    ):
        assert part in Linex.__doc__


def test_the_object():
    loss = Linex(a=0.5)
    assert repr(loss) == "Linex(a=0.5)" and loss.spec == "linex:a=0.5" and loss.a == 0.5
    assert loss == Linex(0.5) == fl.get_loss("linex:a=0.5") == fl.get_loss("linex", a=0.5)
    assert hash(loss) == hash(Linex(0.5)) and loss != Linex() and loss != Skewed(0.5)
    assert pickle.loads(pickle.dumps(loss)) == copy.deepcopy(loss) == loss
    assert "linex" not in fl.loss_names() and "linex" not in pointwise_names()
    with pytest.raises(AttributeError, match="immutable"):
        loss.a = 1.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"a": 0}, ValueError, r"a must be in \(0, inf\); got 0"),
        ({"a": math.nan}, ValueError, "a must be in"),
        ({"a": "x"}, TypeError, "a must be a real number"),
        ({"b": 1}, TypeError, "Linex: .*'b'"),
    ],
)
def test_a_bad_parameter(arguments, error, message):
    with pytest.raises(error, match=message):
        Linex(**arguments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 513, 3000, 100_003])
def test_results_of_every_size(n, dtype):
    y, z = data(n, dtype)
    loss = Linex(a=0.5)
    rtol = 50 * float(np.finfo(dtype).eps)
    value, grad, hess = by_hand(y, z, 0.5)
    got = loss(y, z, reduction="none"), *loss.grad_and_hess(y, z, reduction="none")
    for ours, theirs in zip(got, (value, grad, hess), strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol)
    mean, grads = loss.value_and_grad(y, z)
    assert mean == loss(y, z) == pytest.approx(value.mean(), rel=rtol, abs=rtol)
    assert grads.tobytes() == loss.grad(y, z).tobytes()
    w = np.random.default_rng(1).uniform(0, 2, n)
    assert loss(y, z, sample_weight=w) == pytest.approx(
        np.average(value, weights=w), rel=rtol, abs=rtol
    )
    with fl.num_threads(1):
        one = loss.value_and_grad(y, z)
    with fl.num_threads(3):
        three = loss.value_and_grad(y, z)
    assert one[0] == three[0] and one[1].tobytes() == three[1].tobytes()


def test_nan_weights_domains_and_places_to_write():
    loss = Linex()
    y, z = data(40)
    z[3] = np.nan
    assert (
        math.isnan(loss(y, z)) and np.isnan(loss.grad_and_hess(y, z, reduction="none"))[:, 3].all()
    )
    assert loss(y, z, nan_policy="omit") == loss(np.delete(y, 3), np.delete(z, 3))
    Unit = fl.define_loss("unit_square", "(z - y)**2", y="[0, 1]", z=fl.domain(0, 1))
    with pytest.raises(fl.DomainError, match=r"y_pred\[1\] = 2.0"):
        Unit()([0, 1], [0.5, 2.0])
    room = np.full((40, 2), 7.0)[:, 0]
    value, grad = Unit().value_and_grad(np.zeros(40), np.full(40, 0.5), out=room)
    assert value == 0.25 and grad is room and (room == 1 / 40).all()
    z = np.full(40, 0.5, np.float32)
    _, grad = Unit().value_and_grad(np.zeros(40), z, out=z)
    assert grad is z and (z == np.float32(1 / 40)).all()


def test_a_majorant_is_not_negative():
    with pytest.warns(UserWarning, match="the loss is negative"):
        Cubic = fl.define_loss("cubic", "z**3 - y")
    y, z = data(100)
    exact = Cubic().grad_and_hess(y, z, reduction="none")
    bent = Cubic().grad_and_hess(y, z, reduction="none", hessian="majorant")
    np.testing.assert_array_equal(exact[1], 6 * z)
    np.testing.assert_array_equal(bent[1], np.maximum(exact[1], 0))
    np.testing.assert_array_equal(bent[0], exact[0])
    bent = Skewed(3.0).grad_and_hess(y, z, reduction="none", hessian="majorant")
    np.testing.assert_array_equal(bent[1], np.where(z > y, 3, 1))
    for wrong in ("z", "1/(z - y)**2"):
        with pytest.raises(ValueError, match="the majorant is (-1|inf): it has to be"):
            fl.define_loss("bad", "(z - y)**2", majorant=wrong)


def test_scores_and_constants():
    y, z = data(1000)
    scores = fl.score(y, z, [Linex(a=0.5), "mse", "linex:a=2"], groups=np.arange(1000) % 3)
    assert scores["linex:a=0.5"] == pytest.approx(Linex(0.5)(y, z), rel=1e-14)
    assert scores["linex:a=2.0"] == pytest.approx(Linex(2.0)(y, z), rel=1e-14)
    c = Linex(0.5).optimal_constant(y)
    assert c == pytest.approx(-2 * math.log(np.mean(np.exp(-0.5 * y))), rel=1e-12)
    Far = fl.define_loss("far_square", "(z - y)**2", z="[10, 11]")
    assert Far().optimal_constant([10.2, 10.4]) == pytest.approx(10.3)


def test_estimators_and_boosters():
    from sklearn.base import clone

    from fastloss.linear_model import LinearRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = X @ [1.0, -2.0, 0.5] + 3 + 0.1 * rng.normal(size=400)
    model = clone(LinearRegressor(loss=Linex(a=2.0), penalty=None)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    # its best constant is below the mean, as errors above cost more
    assert np.mean(model.predict(X) - y) == pytest.approx(-0.01, abs=0.01)

    lightgbm = pytest.importorskip("lightgbm")
    from fastloss.lightgbm import objective

    data = lightgbm.Dataset(X, y)
    options = {
        "objective": objective(Skewed()),
        "verbose": -1,
        "num_leaves": 7,
        "learning_rate": 0.2,
    }
    found = lightgbm.train(options, data, 30).predict(X)
    assert Skewed()(y, found) < 0.3 * Skewed()(y, np.full(400, y.mean()))


def values_of(loss, y, z):
    return loss.value_and_grad(y, z)


@pytest.mark.parametrize("isa", EVERY)
def test_a_pickle_is_built_where_it_is_loaded(isa):
    y, z = data(3000)
    value, grad = result_on(isa, values_of, Linex(a=0.5), y, z)
    assert value == pytest.approx(Linex(0.5)(y, z), rel=1e-14)
    np.testing.assert_allclose(grad, Linex(0.5).grad(y, z), rtol=1e-12, atol=1e-17)


def test_workers_of_joblib_and_threads():
    from joblib import Parallel, delayed

    y, z = data(100)
    found = Parallel(n_jobs=2)(delayed(Linex(a=a))(y, z) for a in (0.5, 1.0, 2.0))
    assert found == [Linex(a)(y, z) for a in (0.5, 1.0, 2.0)]


# ---- definitions ---------------------------------------------------------------------------------


def test_the_same_definition_is_the_same_class_and_another_takes_the_name():
    first = fl.define_loss("changing", "(z - y)**2")
    assert fl.define_loss("changing", "(z - y)**2") is first
    second = fl.define_loss("changing", "abs(z - y)")
    assert second is not first and fl.get_loss("changing") == second() != first()
    assert first()([0.0], [3.0]) == 9.0 and second()([0.0], [3.0]) == 3.0
    assert pickle.loads(pickle.dumps(first())) == first()
    assert fl.define_loss("changing", "(z - y)**2") is first


def test_several_parameters():
    c = fl.domain(1, 2, default=1)
    Wide = fl.define_loss("wide", "b*(z - y)**2/c", b=fl.domain(low=0, default=0.0), c=c)
    assert str(inspect.signature(Wide)) == "(b=0.0, c=1.0)"
    assert Wide(3.0)([0.0], [1.0]) == 3.0 and Wide(c=2, b=3).spec == "wide:b=3.0,c=2.0"
    assert pickle.loads(pickle.dumps(Wide(3.0))) == Wide(3.0) == fl.get_loss("wide:b=3.0")
    with pytest.raises(ValueError, match="parameter b needs a default"):
        fl.define_loss("bad", "b*(z - y)**2", b=fl.domain(low=0))


def test_conditions_on_parameters():
    """Alone, and joined with those on samples: each outcome has code of its own."""
    Cases = fl.define_loss(
        "cases",
        "(z - y)**2 if b > 1 and not (b > 2 or z > y) or b == 0 else abs(z - y)",
        b=1.0,
    )
    y, z = data(100)
    for b in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        squared = (b > 1) & ~((b > 2) | (z > y)) | (b == 0)
        expected = np.where(squared, (z - y) ** 2, abs(z - y))
        np.testing.assert_allclose(Cases(b)(y, z, reduction="none"), expected, rtol=1e-15)
        slope = np.where(squared, 2 * (z - y), np.sign(z - y))
        np.testing.assert_allclose(Cases(b).grad(y, z, reduction="none"), slope, rtol=1e-15)


def test_powers_of_negative_numbers():
    y, z = data(50)
    for n in (2.0, 3.0, 10.0, 17.0, -9.0, -2.0, 0.0):
        Literal = fl.define_loss("literal_power", f"(z - y)**{n} + 1e12", y="[1, 2]", z="[-2, 0.5]")
        given = fl.domain(n, n, default=n)
        Given = fl.define_loss(
            "given_power", "(z - y)**p + 1e12", y="[1, 2]", z="[-2, 0.5]", p=given
        )
        a, b = np.clip(y, 1, 2), np.clip(z, -2, 0.5)
        for loss in Literal(), Given():
            grad, hess = loss.grad_and_hess(a, b, reduction="none")
            np.testing.assert_allclose(grad, n * (b - a) ** (n - 1), rtol=1e-13)
            np.testing.assert_allclose(hess, n * (n - 1) * (b - a) ** (n - 2), rtol=1e-13)
    with pytest.raises(ValueError, match="the loss is nan"):
        fl.define_loss("bad", "(z - y)**p", p=1.5)


def test_numbers_beyond_float32_are_warned_of():
    with pytest.warns(UserWarning, match="at y=0, z=.*, value in float32 is nan"):
        fl.define_loss("far_constants", "1e300*(z - y)**2*1e-300")
    fl.define_loss("high_power", "abs(tanh(z - y)/2)**1e300")()([0.0], [1.0])
    Steep = fl.define_loss("steepest", "(z - y)**2 + abs(tanh(z - y)/2)**inf")
    assert Steep()([0.0], [1.0]) == 1.0


@pytest.mark.parametrize(
    "text", ["max(0, log(z))", "min(sqrt(z), 9)", "sign(log(z))", "max(log(z), 0)"]
)
def test_nan_inside_a_formula_stays(text):
    # the only points that are tried are 0 and 1 of this parameter, and 7 is none of them
    Inside = fl.define_loss("inside", text.replace("z", "(z + 2 - p)"), z="[1, 2]", p=0.25)
    assert np.isfinite(Inside()([0.0], [1.5]))
    assert math.isnan(Inside(p=7.0)([0.0], [1.5]))


def test_domains_far_from_zero():
    for text in ("(1900, inf)", "(-inf, -2000)", "[5000, 5001]", "(0, 1e-300)"):
        fl.define_loss("far_domain", "(z - y)**2", y=text, z=text)
    with pytest.raises(ValueError, match="the loss is nan"):
        fl.define_loss("bad", "log(2000 - z)", z="[1900, inf)")


def test_an_old_pickle_does_not_take_the_name():
    old = pickle.dumps(fl.define_loss("drifting", "(z - y)**2")())
    new = fl.define_loss("drifting", "abs(z - y)")
    assert pickle.loads(old)([0.0], [3.0]) == 9.0 and fl.get_loss("drifting") == new()


def test_a_class_goes_to_workers():
    from joblib import Parallel, delayed

    Sent = fl.define_loss("sent", "(z - y)**2")
    assert Parallel(n_jobs=2)(delayed(lambda z: Sent()([0.0], [z]))(z) for z in (1.0, 2.0)) == [
        1,
        4,
    ]


def test_a_class_of_labels():
    from fastloss.linear_model import LinearClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    labels = np.where(X @ [1.0, -1.0, 0.5] + 0.1 * rng.normal(size=300) > 0, "yes", "no")
    Own = fl.define_loss("own_labels", "softplus(z) - y*z", y="[0, 1]")
    theirs = LinearClassifier(loss="logistic").fit(X, labels)
    ours = LinearClassifier(loss=Own()).fit(X, labels)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4)


def test_formulas_for_derivatives():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Soft = fl.define_loss(
            "soft_square", "z*z*sqrt(z*z)", grad="3*z*abs(z)", hess="6*abs(z)"
        )  # what follows is 0/0 at 0
    assert Soft().grad_and_hess([0.0], [0.0], reduction="none")[1][0] == 0
    for name, wrong in (("grad", "4*z*abs(z)"), ("hess", "6*z")):
        with pytest.raises(fl.FormulaError, match=f"{name}= is .*, and the derivative"):
            fl.define_loss("wrong", "z*z*abs(z)", **{name: wrong})
    with pytest.raises(fl.FormulaError, match="wrong: grad: 'q' is not a name"):
        fl.define_loss("wrong", "z*z", grad="q")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("huber", "z"), ValueError, "huber is a loss that fastloss has"),
        (("log_cosh", "z"), ValueError, "fastloss has"),
        (("squared_error", "z"), ValueError, "fastloss has"),
        (("Linex", "z"), ValueError, "small letters"),
        (("a-b", "z"), ValueError, "small letters"),
        (("lambda", "z"), ValueError, "'lambda' stands for something else"),
        (("weight", "z"), ValueError, "'weight' stands for something else"),
        (("accuracy", "z"), ValueError, "'accuracy' stands for something else"),
        ((3, "z"), TypeError, "name must be a string"),
        (("bad", None), TypeError, "bad: formula must be a string; got None"),
        (("bad", "(z - y)**2 # a"), ValueError, "a formula has no comments"),
        (("bad", "  "), ValueError, "the formula is empty"),
        (("bad", " + ".join(f"exp({k}*z)" for k in range(1, 60))), ValueError, "bad: too long"),
        (("bad", "log(z)"), ValueError, "at y=0, z=0, the loss is -inf"),
        (("bad", "log(z - y)"), ValueError, "the loss is -inf"),
        (("bad", "(z - y)/(z - y)"), ValueError, "the loss is nan"),
    ],
)
def test_a_bad_definition(arguments, error, message):
    with pytest.raises(error, match=message):
        fl.define_loss(*arguments)
    with pytest.raises(ValueError, match="unknown loss 'bad'"):
        fl.get_loss("bad")


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"y": "(0; 1)"}, ValueError, "y must be a range"),
        ({"z": 3}, TypeError, "z must be a range"),
        ({"y": "(1, 0)"}, ValueError, "nothing lies between"),
        ({"a": "1"}, TypeError, "parameter a must be its default"),
        ({"a": True}, TypeError, "parameter a must be its default"),
        ({"exp": 1.0}, ValueError, "'exp', which is taken"),
        ({"spec": 1.0}, ValueError, "'spec', which is taken"),
        ({"value_and_grad": 1.0}, ValueError, "which is taken"),
        ({"_a": 1.0}, ValueError, "which is taken"),
        ({"self": 1.0}, ValueError, "which is taken"),
        ({"α": 1.0}, ValueError, "which is taken"),
        ({"b": 1.0}, ValueError, "parameter b is in no formula"),
        ({"doc": 3}, TypeError, "doc must be a string; got 3"),
        ({"y": "{0, 1}"}, ValueError, r"labels 0 and 1 lie in .\[0, 1\]"),
        ({k: 1.0 for k in "abcde"}, ValueError, "at most 4 parameters; got 5"),
    ],
)
def test_bad_keywords(keywords, error, message):
    with pytest.raises(error, match=message):
        fl.define_loss("bad", "(z - y)**2", **keywords)


@pytest.mark.parametrize("arguments", [(1, 0), (2, 2, True), (math.inf, math.inf)])
def test_empty_domains(arguments):
    low, high, *is_open = arguments
    with pytest.raises(ValueError, match="nothing lies between"):
        fl.domain(low, high, open_low=bool(is_open))


def test_domains_as_text():
    for text, shown in (
        ("(0, inf)", "(0, inf)"), ("[-1.5,2e3)", "[-1.5, 2000)"), (" [0, inf] ", "[0, inf)"),
        ("{-1, 1}", "{-1, 1}"), ("(-INF, 1]", "(-inf, 1]"),
    ):  # fmt: skip
        Given = fl.define_loss("given_domain", "(z - y)**2", y=text)
        assert str(Given().y_domain) == shown
    assert str(fl.domain(0, 1, open_high=True).range) == "[0, 1)"
    with pytest.raises(ValueError, match="default must be in"):
        fl.domain(0, 1, default=2.0)


def test_warnings_tell_the_point():
    with pytest.warns(UserWarning, match="at y=0, z=-1, the loss is negative: -1"):
        fl.define_loss("falling", "z - y")
    with pytest.warns(UserWarning, match="at y=0, z=0, hess is nan"):
        fl.define_loss("rooted", "abs(z - y)**1.5")


def test_importing_fastloss_does_not_import_what_defines():
    code = "import sys, fastloss; print('fastloss.define' in sys.modules, 'ctypes' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split()[0] == "False"
