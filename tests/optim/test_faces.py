"""Optimizers as people meet them: the rate, copies of schedules, signatures, help, and messages."""

import copy
import inspect
import re
from typing import get_args

import numpy as np
import pytest

import fastloss as fl
from fastloss.optim import FTRL, SGD, Adam, schedules
from fastloss.optim.base import StateDtype
from fastloss.optim.stored import STATE_DTYPES

GRAD = np.array([1.0, -2.0, 3.0])


def zeros(*shape):
    return np.zeros(shape or 3)


# ---- the rate, and whose it is


def plateau():
    return schedules.ReduceOnPlateau(1.0, factor=0.5, patience=0)


def test_a_state_is_a_copy_of_its_schedules():
    rate = plateau()
    p = zeros()
    opt = SGD(p, lr=rate)
    rate.update(1.0)
    before, kept = opt.state_dict(), p.copy()
    assert before["groups"][0]["lr"] == rate
    results = []
    for _ in range(2):
        for _ in range(3):
            opt.lr.update(1.0)
            opt.step(GRAD)
        results.append(p.copy())
        p[:] = kept
        opt.load_state_dict(before)
    np.testing.assert_array_equal(results[0], results[1])
    other = SGD(zeros(), lr=0.1)
    other.load_state_dict(before)
    other.lr.update(1.0)
    assert other.lr.rate == 0.5
    assert before["groups"][0]["lr"].rate == opt.lr.rate == 1.0


def test_a_schedule_that_groups_share_stays_shared():
    opt = SGD([{"params": zeros()}, {"params": zeros()}], lr=plateau())
    state = opt.state_dict()
    assert state["groups"][0]["lr"] is state["groups"][1]["lr"] is not opt.lr[0]
    opt.load_state_dict(state)
    assert opt.lr[0] is opt.lr[1] is not state["groups"][0]["lr"]


def test_a_method_stays_with_its_object():
    class Trainer:
        def __init__(self):
            self.opt = SGD(zeros(), lr=self.rate)

        def rate(self, step):
            return 0.1

    trainer = Trainer()
    assert trainer.opt.state_dict()["groups"][0]["lr"].__self__ is trainer


def test_the_rate_can_be_set(tmp_path):
    p = zeros()
    opt = SGD(p, lr=1.0)
    opt.step(GRAD)
    opt.lr = 0.5
    opt.step(GRAD)
    np.testing.assert_array_equal(p, -1.5 * GRAD)
    opt.lr = schedules.Exponential(1.0, 0.5)
    opt.step(GRAD)
    np.testing.assert_array_equal(p, -1.75 * GRAD)
    assert opt.lr == opt.state_dict()["groups"][0]["lr"] == schedules.Exponential(1.0, 0.5)
    opt.save(tmp_path / "f")
    assert fl.optim.load(tmp_path / "f", p).lr == opt.lr


def test_setting_the_rate_keeps_the_rest():
    p, other = zeros(), zeros()
    opt, same = (fl.optim.NAdam(x, lr=0.5, max_norm=1.0) for x in (p, other))
    opt.step(GRAD), same.step(GRAD)
    opt.lr = 0.25
    opt.lr = 0.5
    opt.step(GRAD), same.step(GRAD)
    np.testing.assert_array_equal(p, other)


def test_the_rates_of_groups():
    p, q = zeros(), zeros()
    opt = SGD([{"params": p}, {"params": q, "lr": 0.5}], lr=1.0)
    assert opt.lr == [1.0, 0.5]
    opt.lr = [0.25, schedules.Constant(2.0)]
    opt.step([GRAD, GRAD])
    np.testing.assert_array_equal([p, q], [-0.25 * GRAD, -2 * GRAD])
    for bad in (1.0, [1.0], [1.0, 2.0, 3.0]):
        with pytest.raises(TypeError, match="lr must be a list of 2, one for each group"):
            opt.lr = bad
    assert opt.lr == [0.25, schedules.Constant(2.0)]


@pytest.mark.parametrize(
    ("make", "bad", "error", "message"),
    [
        (lambda: SGD(zeros()), -1.0, ValueError, r"lr must be in \[0, inf\)"),
        (lambda: SGD(zeros()), "0.1", TypeError, "lr must be a real number"),
        (lambda: SGD(zeros()), schedules.Cosine, TypeError, "got the class Cosine itself"),
        (lambda: SGD(np.zeros(3, np.float32)), 1e-50, ValueError, "lr = 1e-50 is 0 in float32"),
        (lambda: FTRL(zeros()), plateau(), TypeError, "FTRL has no schedule"),
        (lambda: FTRL(zeros()), 0.0, ValueError, r"lr must be in \(0, inf\)"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(make, bad, error, message):
    opt = make()
    before = opt.lr
    with pytest.raises(error, match=message):
        opt.lr = bad
    assert opt.lr == before
    with pytest.raises(error, match=message):
        type(opt)(make()._arrays[0], lr=bad)


def test_the_rate_stays_during_a_step():
    def rate(step):
        opt.lr = 0.5
        return 0.1

    opt = SGD(zeros(), lr=rate)
    with pytest.raises(RuntimeError, match="in the middle of a step"):
        opt.step(GRAD)


@pytest.mark.parametrize("name", ["betas", "learning_rate", "kernel", "step_count", "max_norm"])
def test_nothing_else_can_be_set(name):
    with pytest.raises(AttributeError, match=f"{name} cannot be set: .* only lr can"):
        setattr(Adam(zeros()), name, 1)


def test_other_options_change_by_way_of_the_state():
    opt = Adam(zeros())
    state = opt.state_dict()
    state["groups"][0]["betas"] = (0.5, 0.5)
    opt.load_state_dict(state)
    assert opt.state_dict()["groups"][0]["betas"] == (0.5, 0.5)


# ---- what is shown


@pytest.mark.parametrize("name", fl.optim.optimizer_names())
def test_signatures_name_every_argument(name):
    cls = getattr(fl.optim, name)
    shown = inspect.signature(cls).parameters
    assert inspect.signature(cls.__init__).parameters.keys() - shown.keys() == {"self"}
    shape = (1,) * (cls._axes or 1)
    opt = cls(zeros(*shape))
    state = opt.state_dict()
    given = {key: p.default for key, p in shown.items() if key != "params"}
    assert all(p.kind is not p.VAR_KEYWORD for p in shown.values())
    for key, value in given.items():
        assert (state["groups"][0] | state)[key] == value
    cls(zeros(*shape), **given)
    parameters = cls.__doc__.partition("Parameters")[2]
    documented = re.findall(r"^    ([\w, ]+?)(?: :|$)", parameters, re.M)
    assert [*shown] == [n for line in documented for n in line.split(", ") if n in shown]


def test_types_name_every_state_dtype():
    assert (None, *get_args(StateDtype)) == STATE_DTYPES


def test_repr():
    opt = Adam([zeros(), zeros()], lr=0.1, max_norm=1.0)
    opt.step([GRAD, GRAD])
    assert repr(opt) == (
        "<Adam(lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, amsgrad=False, "
        "decoupled_weight_decay=False, eps_root=0.0, eps_hat=False, max_norm=1.0) of 2 arrays, "
        "step_count=1>"
    )
    opt = fl.optim.Momentum([{"params": zeros()}, {"params": [], "lr": 0.5}], lr=0.1)
    assert repr(opt) == (
        "<Momentum(lr=[0.1, 0.5], momentum=0.9, weight_decay=0.0, decoupled_weight_decay=False) "
        "of 1 array, step_count=0>"
    )
    assert "Adam object" in repr(Adam.__new__(Adam))


def test_help_lists_the_optimizers():
    for name in fl.optim.optimizer_names():
        says = getattr(fl.optim, name).__doc__.split(".")[0]
        assert f"\n- `{name}`: {says}\n" in fl.optim.__doc__
        assert name in dir(fl.optim)


def test_completion_shows_what_is_public():
    assert dir(fl.penalties) == sorted(["ElasticNet", "GroupLasso", "L1", "L2", "Penalty",
                                        "from_dict"])  # fmt: skip
    for module in (fl.penalties, schedules, fl.optim):
        for name in dir(module):
            assert getattr(module, name) is schedules or (
                getattr(module, name).__module__.startswith(module.__name__)
            )
    assert "Cosine" in dir(schedules)
    assert {"Huber", "score", "optim", "penalties"} <= {*dir(fl)}
    assert not {"regression", "rows", "tables"} & {*dir(fl)}


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        (fl.optim, "Adagrad", "AdaGrad"),
        (fl.optim, "RMSProp", "RMSprop"),
        (fl, "Adam", "optim.Adam"),
        (fl, "LogLos", "LogLoss"),
    ],
)
def test_misspelt_names(module, name, meant):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; did you mean '{meant}'"):
        getattr(module, name)
    assert not hasattr(module, "nothing_like_it")


# ---- what is refused, and what is said


class Returns:
    """A penalty whose proximal step is returned, not written."""

    def prox(self, w, step, out):
        return w / (1 + step)


UNLIKE = {"a": zeros(), "b": zeros(2)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(zeros(), penalty=Returns()), TypeError,
         "must write its result into out, and return out or None; it returned another ndarray"),
        (lambda: SGD(UNLIKE, penalty=fl.penalties.GroupLasso(0.1, groups=[0, 1, 1])), ValueError,
         r"GroupLasso does not fit params\['b'\]: .*groups of parameters may have penalties of"),
        (lambda: Adam(zeros(), learning_rate=0.1), TypeError,
         "Adam has no argument 'learning_rate'; it has: params, lr, betas, .*, maximize$"),
        (lambda: Adam(zeros(), penalty=None), TypeError,
         "Adam has no argument 'penalty'; .*; those with penalty: AdaGrad, SGD"),
        (lambda: Adam([{"params": zeros(), "penalty": None}]), TypeError,
         r"params\[0\]: Adam has no option 'penalty'; .*; those with penalty: AdaGrad, SGD"),
        (lambda: SGD([{"params": zeros()}, {"params": zeros(), "lr": -0.5}]), ValueError,
         r"params\[1\]: lr must be in \[0, inf\); got -0.5"),
        (lambda: SGD([{"params": zeros()}], lr="x"), TypeError, r"params\[0\]: lr must be a real"),
        (lambda: SGD(np.zeros(3, int)), TypeError, r"astype\('float32'\) makes an array"),
        (lambda: fl.optim.Optimizer(zeros()), TypeError, "Optimizer is what optimizers share"),
        (lambda: SGD(zeros(), state_dtype="bfloat16"), TypeError, "is for steps in float32"),
        (lambda: SGD(zeros(), state_dtype="bfloat16", momentum=0.9), TypeError,
         "is for steps in float32"),
        (lambda: copy.copy(Adam(zeros())), TypeError, "^Adam holds the memory"),
        (lambda: schedules.from_dict({"name": None}), ValueError, "got None$"),
        (lambda: schedules.Cosine(0.1, T_0=3, T_mult=0), ValueError, "T_mult must be in {1, 2"),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_prox_may_return_nothing():
    class Writes:
        def prox(self, w, step, out):
            np.divide(w, 1 + step, out=out)

    p = np.ones(3)
    SGD(p, lr=1.0, penalty=Writes()).step(zeros())
    np.testing.assert_array_equal(p, 0.5)


@pytest.mark.parametrize(
    ("grads", "message"),
    [
        ({"w": GRAD}, "grads must be an array of numbers; got dict"),
        (None, "grads must be an array of numbers; got NoneType"),
        (np.ma.ones(3), r"grads is a masked array; .* \.filled\(0\)"),
        (np.ones(3, np.float32), r"must be float64.*got float32, which .astype\('float64'\) conv"),
    ],
)
def test_gradients_that_are_no_arrays(grads, message):
    p = zeros()
    with pytest.raises(TypeError, match=message):
        Adam(p).step(grads)
    assert not p.any()
    if grads is None:  # of several arrays it means that this one is left alone
        return
    with pytest.raises(TypeError, match=message.replace("grads ", r"grads\['w'\] ")):
        Adam({"w": p}).step({"w": grads})


def test_sparse_matrices_are_no_gradients():
    from scipy import sparse

    with pytest.raises(TypeError, match="must be an array of numbers; got csr_array"):
        Adam(zeros(2, 2)).step(sparse.csr_array(np.eye(2)))


@pytest.mark.parametrize(("order", "maker"), [("C", "ascontiguousarray"), ("F", "asfortranarray")])
def test_the_message_of_an_order_names_the_remedy(order, maker):
    opt = SGD(np.zeros((3, 2), order=order))
    grad = np.ones((6, 4))[::2, ::2]
    with pytest.raises(ValueError, match=f"as numpy.{maker} makes it"):
        opt.step(grad)
    assert opt.step(getattr(np, maker)(grad))


@pytest.mark.parametrize("rate", ["x", None, 1j])
def test_a_schedule_that_gives_no_number(rate):
    with pytest.raises(TypeError, match=r"lr\(0\) must be a real number; got"):
        SGD(zeros(), lr=lambda step: rate).step(GRAD)


def test_the_keys_of_a_state():
    opt = Adam(UNLIKE)
    state = opt.state_dict()
    lacks = {key: value for key, value in state.items() if key != "step"}
    held = {"a": state["state"]["a"]}
    more = [state["groups"][0] | {"beta": 1}]
    for bad, message in (
        (lacks, "state lacks the key 'step'"),
        (state | {"extra": 1}, "state must not have the key 'extra'"),
        (state | {"state": held}, r"state\['state'\] lacks the key 'b'; its keys must be 'a', 'b'"),
        (state | {"groups": more}, r"state\['groups'\]\[0\] must not have the key 'beta'"),
        ([], "state must be a dict with the keys 'optimizer', "),
    ):
        with pytest.raises(ValueError, match=message):
            opt.load_state_dict(bad)


def test_a_state_whose_options_do_not_fit_is_refused():
    opt = SGD(np.zeros(3, np.float32), lr=0.5)
    state = opt.state_dict()
    state["groups"][0]["lr"] = 1e-50
    with pytest.raises(ValueError, match="lr = 1e-50 is 0 in float32"):
        opt.load_state_dict(state)
    assert opt.lr == 0.5


def test_loading_needs_the_parameters_that_were_saved(tmp_path):
    path = tmp_path / "f"
    Adam(UNLIKE).save(path)
    with pytest.raises(ValueError, match="params lacks the key 'a'; its keys must be 'a', 'b'"):
        fl.optim.load(path, list(UNLIKE.values()))
    SGD([{"params": zeros()}]).save(path)
    with pytest.raises(ValueError, match=r"params\[0\] must not have the key 'lrr'"):
        fl.optim.load(path, [{"params": zeros(), "lrr": 0.1}])


def test_saving_needs_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="The name of the file is empty"):
        SGD(zeros()).save("")
    assert not list(tmp_path.parent.glob("*.partial"))


def test_no_rows_at_all():
    p = np.ones((4, 3))
    opt = SGD(p, lr=1.0, weight_decay=1.0)
    assert opt.step(([], np.zeros((0, 3))))
    assert (p == 1).all() and opt.step_count == 1
    with pytest.raises(TypeError, match=r"grads\[0\] must hold row indices"):
        opt.step(([1.0], np.zeros((1, 3))))


def test_the_norm_of_tiny_gradients():
    for size in (1e-155, 1e-165, 1e-200, 1e-290):
        p = zeros(2)
        SGD(p, lr=1.0, max_norm=size).step(np.array([3 * size, -4 * size]))
        np.testing.assert_allclose(p / size, [-0.6, 0.8], rtol=1e-14)
    p = zeros(2)
    SGD(p, lr=1.0, max_norm=1e-300).step(zeros(2))
    assert not p.any()
