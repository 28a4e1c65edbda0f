"""Loss objects: parameters, names, copies, and what holds faces and kernels together."""

import copy
import inspect
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from samples import DTYPES, defaults, variants

import fastloss as fl
from fastloss import _core
from fastloss.domains import FLAG
from fastloss.losses.learnable import Learnable
from fastloss.registry import is_own

every_variant = pytest.mark.parametrize("loss", variants(), ids=repr)
every_loss = pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)


@every_variant
def test_copies_are_equal(loss):
    for other in (
        eval(repr(loss), vars(fl)),  # noqa: S307
        pickle.loads(pickle.dumps(loss)),
        copy.copy(loss),
        copy.deepcopy(loss),
        fl.get_loss(loss.spec),
        fl.get_loss(loss.name, **loss.parameters),
        type(loss)(**loss.parameters),
    ):
        assert type(other) is type(loss)
        assert other == loss
        assert hash(other) == hash(loss)
        assert repr(other) == repr(loss)
        y, z = np.full(3, 1.0), np.full(3, 0.5)
        assert other(y, z) == loss(y, z)


def test_different_losses_differ():
    losses = variants()
    assert len(set(losses)) == len(losses)
    for i, loss in enumerate(losses):
        assert all(loss != other for other in losses[:i])
        assert loss != loss.name
        assert loss != loss.parameters


@every_loss
def test_losses_are_immutable(loss):
    for name in (*loss.parameters, "parameters", "name", "definition", "anything"):
        with pytest.raises(AttributeError):
            setattr(loss, name, 3.0)
    with pytest.raises(AttributeError):
        loss.__init__(**loss.parameters)
    for name in loss.parameters:
        with pytest.raises(TypeError):
            loss.parameters[name] = 3.0
        with pytest.raises(AttributeError):
            delattr(loss, name)


@every_loss
def test_parameters_are_attributes(loss):
    for name, value in loss.parameters.items():
        assert getattr(loss, name) == value
        assert value is None or type(value) is (bool if loss._ranges[name] is FLAG else float)


PARAMETERS = [
    (loss, name)
    for loss in defaults()
    for name in loss.parameters
    if loss._ranges[name] is not FLAG
]


@pytest.mark.parametrize("bad", ["1", True, [1.0], 1j, np.array([1.0, 2.0])], ids=repr)
@pytest.mark.parametrize(("loss", "name"), PARAMETERS)
def test_a_parameter_that_is_no_number_raises(loss, name, bad):
    with pytest.raises(TypeError, match=name):
        type(loss)(**{name: bad})


@pytest.mark.parametrize(("loss", "name"), PARAMETERS)
def test_a_parameter_out_of_range_raises(loss, name):
    for bad in (math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 1.5):
        if bad in loss._ranges[name]:
            continue
        with pytest.raises(ValueError, match=f"{name} must be in"):
            type(loss)(**{name: bad})
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match=name):
            type(loss)(**{name: bad})


@pytest.mark.parametrize("bad", [1, 0.0, "True", None], ids=repr)
def test_a_flag_is_true_or_false(bad):
    with pytest.raises(TypeError, match="full must be True or False; got"):
        fl.PoissonNLL(full=bad)


@pytest.mark.parametrize("power", [0.5, 1e-9, 1 - 1e-9])
@pytest.mark.parametrize("cls", [fl.Tweedie, fl.TweedieDeviance])
def test_there_is_no_tweedie_distribution_between_0_and_1(cls, power):
    with pytest.raises(ValueError, match="power must be at most 0 or at least 1"):
        cls(power=power)


@pytest.mark.parametrize("power", [-1e6, 1e6])
@pytest.mark.parametrize("cls", [fl.Tweedie, fl.TweedieDeviance])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_greatest_powers_of_tweedie_have_derivatives(cls, power, dtype):
    y, z = np.array([2, 0.5], dtype), np.array([1.5, 4], dtype)
    for result in (*cls(power).value_and_grad(y, z), cls(power).grad_and_hess(y, z)[1]):
        assert not np.any(np.isnan(result))
    with pytest.raises(ValueError, match=r"power must be in \[-1e6, 0\] or \[1, 1e6\]"):
        cls(power * 1.1)


@pytest.mark.parametrize("number", [2, np.float32(2), np.int64(2)])
def test_any_real_number_is_a_parameter(number):
    assert fl.Huber(delta=number) == fl.Huber(delta=2.0)
    assert repr(fl.Huber(delta=number)) == "Huber(delta=2.0)"


@every_loss
def test_an_error_of_the_constructor_names_the_class(loss):
    with pytest.raises(TypeError, match=rf"^{type(loss).__name__}\.__init__\(\) got an unexpected"):
        type(loss)(nothing=1.0)


# ---- names -------------------------------------------------------------------------------------


def test_names_lead_to_classes_and_back():
    for name in fl.loss_names():
        loss = fl.get_loss(name)
        assert loss.name == name
        assert loss.spec == name
        assert getattr(fl, type(loss).__name__) is type(loss)


@pytest.mark.parametrize(("spec", "loss"), [
    ("huber:delta=1.5", fl.Huber(delta=1.5)),
    ("huber: delta = 1.5", fl.Huber(delta=1.5)),
    ("general_robust:alpha=-inf,c=2", fl.GeneralRobust(alpha=-math.inf, c=2)),
    ("squared_error", fl.SquaredError()),
    ("mean_absolute_error", None),
    ("focal:gamma=1,alpha=0.25", fl.Focal(gamma=1, alpha=0.25)),
])  # fmt: skip
def test_specs(spec, loss):
    if loss is None:
        with pytest.raises(ValueError, match="unknown loss"):
            fl.get_loss(spec)
    else:
        assert fl.get_loss(spec) == loss


@pytest.mark.parametrize(("wrong", "near"), [
    ("hubber", "huber"), ("logloss", "log_loss"), ("squared_eror", "mse"),
])  # fmt: skip
def test_an_unknown_name_gets_near_ones(wrong, near):
    with pytest.raises(ValueError, match=f"unknown loss '{wrong}'; did you mean .*{near}"):
        fl.get_loss(wrong)


@pytest.mark.parametrize(
    "spec", ["huber:", "huber:delta", "huber:delta=", "huber:delta=x", "huber:1"]
)
def test_a_bad_spec_raises(spec):
    with pytest.raises(ValueError, match="expected PARAMETER=NUMBER"):
        fl.get_loss(spec)


def test_an_unknown_parameter_raises_and_names_the_known_ones():
    with pytest.raises(TypeError, match="huber has no parameter 'beta'; it has: delta"):
        fl.get_loss("huber", beta=1.0)
    with pytest.raises(TypeError, match="mse has no parameter 'beta'; it has: none"):
        fl.get_loss("mse:beta=1")
    with pytest.raises(TypeError, match="name must be a string"):
        fl.get_loss(3)


# ---- faces and kernels -------------------------------------------------------------------------


def test_every_face_has_a_kernel_and_every_kernel_a_face():
    used = {loss._kernel()[0] for loss in variants()}
    for loss in variants():
        if isinstance(loss, Learnable):
            used |= {slope._kernel()[0] for slope in loss._slopes().values()}
    assert used == set(_core.kernel_losses)


@every_variant
def test_a_face_gives_its_kernel_all_parameters(loss):
    kernel, parameters = loss._kernel()
    assert set(_core.kernel_losses[kernel][1]) <= set(parameters)


def test_every_public_class_is_exported():
    found, todo = set(), [fl.Loss]
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        if "name" in cls.__dict__ and is_own(cls):
            found.add(cls)
    assert {type(fl.get_loss(name)) for name in fl.loss_names()} == found
    for cls in found:
        assert getattr(fl, cls.__name__) is cls


@every_loss
def test_all_methods_have_the_same_signature(loss):
    expected = (
        "(y_true, y_pred, *, sample_weight=None, reduction='mean', nan_policy='propagate', "
        "out=None, where=None)"
    )
    for name in ("grad", "value_and_grad"):
        assert str(inspect.signature(getattr(loss, name))) == expected
    with_hessian = expected.replace("out=None", "out=None, hessian='exact'")
    assert str(inspect.signature(loss.grad_and_hess)) == with_hessian
    # Cython keeps no other signature of __call__
    assert expected[1:] in loss.__call__.__doc__
    one = np.ones(3)
    for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess):
        method(
            y_true=one, y_pred=one, sample_weight=one, reduction="sum", nan_policy="omit", out=None
        )
        with pytest.raises(TypeError):
            method(one, one, one)
        with pytest.raises(TypeError):
            method(one)


@every_loss
def test_the_module_is_a_public_one(loss):
    cls = type(loss)
    assert cls.__module__.startswith("fastloss.")
    assert not any(part.startswith("_") for part in cls.__module__.split("."))
    assert cls.__module__.encode() in pickle.dumps(loss, protocol=2)
    assert b"_core" not in pickle.dumps(loss)


@every_loss
def test_the_docstring_has_formula_domain_and_example(loss):
    text = inspect.getdoc(type(loss))
    assert "".join(loss.definition.split()) in "".join(text.split())
    assert f"fl.{type(loss).__name__}(" in text[text.index(">>>") :]
    assert "DomainError" in text
    for name in ("y_domain", "z_domain"):
        if not isinstance(getattr(type(loss), name), property):
            assert str(getattr(loss, name)) in text
    for name in loss.parameters:
        assert f"\n{name} : {'bool' if loss._ranges[name] is FLAG else 'float'}" in text
    assert len(text.splitlines()[0]) < 100
    assert loss.__doc__ == type(loss).__doc__


def test_what_raises_is_said_in_a_sentence():
    def raises(cls):
        text = inspect.getdoc(cls)
        found = text[text.index("Raises\n------") : text.index("Notes\n-----")]
        return " ".join(found.split())

    text = raises(fl.CrossEntropy)
    refused = "If a number of class_weight is not in [0, inf), or label_smoothing is not in [0, 1]."
    assert refused in text
    for words in ("axis", "ignore_index", "None"):
        assert words not in text
    assert "ValueError If delta is not in [0, inf). When called:" in raises(fl.Huber)
    assert "ValueError When called:" in raises(fl.JensenShannon)
    assert "is not None" not in "".join(raises(type(fl.get_loss(n))) for n in fl.loss_names())


def test_the_import_leaves_what_takes_long_for_later():
    code = (
        "import sys, numpy; before = {*sys.modules}; import fastloss as fl\n"
        "print(*{*sys.modules} - before)\n"
        "print(*(name for name in fl.loss_names()\n"
        "        if isinstance(vars(type(fl.get_loss(name)))['__doc__'], str)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules, made = run.stdout.splitlines()
    slow = {"difflib", "scipy", "click", "fastloss.optim", "fastloss.penalties", "fastloss.cli"}
    assert "fastloss.losses.base" in modules.split()
    assert not slow & {*modules.split()}
    assert not made  # no docstring before it is read


@pytest.mark.parametrize("dtype", DTYPES)
@every_variant
def test_a_sample_of_weight_0_is_as_if_absent(loss, dtype):
    bad = np.full(17, np.nan, dtype)
    assert not loss(bad, bad, sample_weight=np.zeros(17), reduction="none").any()
    assert loss(bad, bad, sample_weight=np.zeros(17), reduction="sum") == 0
    for part in loss.grad_and_hess(bad, bad, sample_weight=np.zeros(17), reduction="none"):
        assert not part.any()


def test_a_weak_reference_is_possible():
    import weakref

    loss = fl.Huber()
    assert weakref.ref(loss)() is loss


def test_the_configuration_is_shown(capsys):
    fl.show_config()
    text = capsys.readouterr().out
    for part in (fl.__version__, _core.isa, "threads:", "OpenMP", _core.compiler, np.__version__):
        assert part in text


@pytest.mark.parametrize(
    "loss", [fl.MultiClassHinge(class_weight=[0.5]), fl.MultiLabelLogistic(pos_weight=[2.0])]
)
def test_one_weight_of_one_class_is_read_as_it_is_written(loss):
    assert fl.get_loss(loss.spec) == loss


def test_an_axis_or_a_label_has_64_bits():
    with pytest.raises(ValueError, match="ignore_index must be a 64-bit integer"):
        fl.SoftmaxCrossEntropy(ignore_index=1e300)
