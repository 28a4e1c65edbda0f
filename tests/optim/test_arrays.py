"""What optimizers take: arrays, structures, groups, policies; and their state."""

import copy

import numpy as np
import pytest
from optim_rules import IDS, L1L2, VARIANTS, WHOLE

import fastloss as fl
from fastloss.optim import SGD, Adam, NAdam

GRAD = np.array([1.0, -2.0, 3.0])


def everything(opt, params):
    """Parameters, state and step count, to compare."""
    state = opt.state_dict()
    arrays = [a.tobytes() for held in state["state"].values() for a in held.values()]
    return [p.tobytes() for p in params], arrays, opt.step_count


def rejected(opt, params, grads, error, match):
    before = everything(opt, params)
    with pytest.raises(error, match=match):
        opt.step(grads)
    assert everything(opt, params) == before


def test_structures_are_the_same_to_the_rule():
    results = []
    for wrap in (lambda p: p, lambda p: [p], lambda p: (p,), lambda p: {"w": p},
                 lambda p: [{"params": [p]}]):  # fmt: skip
        p = np.zeros(3)
        params = wrap(p)
        grads = [[GRAD]] if isinstance(params, list) and isinstance(params[0], dict) else wrap(GRAD)
        opt = Adam(params, lr=0.1)
        opt.step(grads)
        results.append(p.tobytes())
    assert len(set(results)) == 1


def test_scalars_and_empty_arrays():
    params = [np.array(1.0), np.zeros((0, 3)), np.zeros((2, 0), np.float32)]
    opt = SGD(params, lr=0.5)
    assert opt.step([np.array(1.0), np.zeros((0, 3)), np.zeros((2, 0), np.float32)])
    assert params[0] == 0.5


@pytest.mark.parametrize("order", "CF")
def test_memory_orders(order):
    rng = np.random.default_rng(0)
    start, grad = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    p = np.array(start, order=order)
    opt = SGD({"w": p}, lr=0.1)
    opt.step({"w": np.array(grad, order=order)})
    np.testing.assert_allclose(p, start - 0.1 * grad, rtol=1e-15)
    other = np.array(grad, order="F" if order == "C" else "C")
    rejected(opt, [p], {"w": other}, ValueError, r"grads\['w'\] must be .* contiguous in the order")
    rejected(opt, [p], {"w": np.ones((5, 14))[:, ::2]}, ValueError, r"grads\['w'\]")


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: np.zeros((4, 4))[:, :2], ValueError, "must be contiguous"),
        (lambda: np.zeros(8)[::2], ValueError, "must be contiguous"),
        (lambda: np.broadcast_to(0.0, 3), ValueError, "read-only"),
        (lambda: np.frombuffer(bytes(24)), ValueError, "read-only"),
        (lambda: np.zeros(3, ">f8"), TypeError, "native .*; got >f8"),
        (lambda: np.zeros(3, ">f2"), TypeError, "native .*; got >f2"),
        (lambda: np.zeros(3, int), TypeError, "float32, float64, float16 or bfloat16; got int64"),
        (lambda: np.zeros(3, np.uint16), TypeError, "native .*; got uint16"),
        (lambda: np.ma.zeros(3), TypeError, "must be a numpy.ndarray"),
        (lambda: [0.0, 1.0], TypeError, "must be a numpy.ndarray"),
    ],
)
def test_parameters_that_cannot_be_updated_in_place(make, error, match):
    with pytest.raises(error, match=rf"params\['w'\].*{match}|params\['w'\] is {match}"):
        Adam({"b": np.zeros(2), "w": make()})
    with pytest.raises(error, match=r"params\[1\]"):
        Adam([np.zeros(2), make()])


@pytest.mark.parametrize("params", [[], {}, [{"params": []}]])
def test_nothing_to_update(params):
    with pytest.raises(ValueError, match="no arrays"):
        Adam(params)


@pytest.mark.parametrize("params", [3, "w", None, (x for x in ())])
def test_not_parameters(params):
    with pytest.raises(TypeError, match="params must be an array, a list or dict"):
        Adam(params)


def test_parameters_that_share_memory():
    x = np.zeros(10)
    with pytest.raises(ValueError, match=r"params\[0\] and params\[2\] share memory"):
        Adam([x[:6], np.zeros(3), x[5:]])
    Adam([x[:5], x[5:]])


def test_gradients_that_share_memory_with_a_parameter():
    x = np.zeros(10)
    params = [np.zeros(5), x[:5], np.zeros(5)]
    opt = Adam(params)
    rejected(opt, params, [np.ones(5), np.ones(5), x[3:8]], ValueError, "shares memory")
    rejected(opt, params, [x[:5], np.ones(5), np.ones(5)], ValueError, r"grads\[0\] shares")
    g = np.ones(5)
    assert opt.step([g, g, x[5:]])


@pytest.mark.parametrize(
    ("grads", "error", "match"),
    [
        ([GRAD], ValueError, "grads must hold 2 arrays"),
        ([GRAD, GRAD, GRAD], ValueError, "got 3"),
        (GRAD, TypeError, "grads must be a list"),
        ({"a": GRAD, "b": GRAD}, TypeError, "grads must be a list"),
        ([GRAD, GRAD[:2]], ValueError, r"grads\[1\] must have the shape \(3,\).*got \(2,\)"),
        ([GRAD, GRAD[:, None]], ValueError, r"got \(3, 1\)"),
        ([GRAD, GRAD.astype(np.float32)], TypeError, r"grads\[1\] must be float64.*float32"),
        ([GRAD, GRAD.astype(">f8")], ValueError, r"grads\[1\] must be a native array"),
        ([GRAD, np.repeat(GRAD, 2)[::2]], ValueError, r"strides \(16,\)"),
        ([GRAD, np.ma.array(GRAD)], TypeError, "masked"),
        ([GRAD, [None] * 3], TypeError, r"grads\[1\]"),
        (None, TypeError, "grads must be a list"),
    ],
)
def test_a_rejected_step_changes_nothing(grads, error, match):
    params = [np.ones(3), np.ones(3)]
    opt = Adam(params, lr=0.1)
    opt.step([GRAD, GRAD])
    rejected(opt, params, grads, error, match)


def test_wrong_keys():
    params = {"a": np.zeros(3), "b": np.zeros(3)}
    opt = SGD(params)
    rejected(opt, params.values(), {"a": GRAD, "B": GRAD}, ValueError, "lack: 'B'")
    rejected(opt, params.values(), {"a": GRAD, "b": GRAD, "c": GRAD}, ValueError, "lack: 'c'")
    rejected(opt, params.values(), [GRAD, GRAD], TypeError, "must be a dict")


def test_a_parameter_that_changed_its_flags():
    params = [np.zeros(3), np.zeros(3)]
    opt = SGD(params)
    params[1].flags.writeable = False
    rejected(opt, params, [GRAD, GRAD], ValueError, r"params\[1\] is not the writeable memory")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"lr": -1}, ValueError, r"lr must be in \[0, inf\)"),
        ({"lr": np.nan}, ValueError, "lr"),
        ({"lr": "1"}, TypeError, "lr must be a real number"),
        ({"betas": (0.9, 1.0)}, ValueError, r"betas\[1\] must be in \[0, 1\); got 1.0"),
        ({"betas": 0.9}, TypeError, "pair"),
        ({"eps": -1e-8}, ValueError, "eps"),
        ({"weight_decay": True}, TypeError, "weight_decay"),
        ({"amsgrad": 1}, TypeError, "amsgrad must be True or False"),
        ({"max_norm": 0}, ValueError, r"max_norm must be in \(0, inf\)"),
        ({"clip_value": -1}, ValueError, "clip_value"),
        ({"nonfinite": "ignore"}, ValueError, "nonfinite must be"),
        ({"max_nrom": 1.0}, TypeError, "no argument 'max_nrom'"),
    ],
)
def test_options_out_of_range(options, error, match):
    with pytest.raises(error, match=match):
        Adam(np.zeros(3), **options)


def test_options_that_contradict_each_other():
    for options in ({}, {"momentum": 0.9, "dampening": 0.1}):
        with pytest.raises(ValueError, match="nesterov needs momentum > 0 and dampening = 0"):
            SGD(np.zeros(3), nesterov=True, **options)
    with pytest.raises(TypeError, match="FTRL has no schedule"):
        fl.optim.FTRL(np.zeros(3), lr=lambda step: 0.1)


def test_rates_and_penalties_of_groups():
    a, b, c = np.ones(2), np.ones(2), np.ones(2)
    opt = SGD(
        [
            {"params": a, "lr": lambda step: 0.5 / (1 + step)},
            {"params": b, "penalty": L1L2(l1=1.0)},
            {"params": c, "penalty": Halves()},
        ],
        lr=0.25,
    )
    for _ in range(2):
        opt.step([np.ones(2), np.zeros(2), np.zeros(2)])
    np.testing.assert_array_equal(a, 1 - 0.5 - 0.25)
    np.testing.assert_array_equal(b, 1 - 2 * 0.25)
    np.testing.assert_array_equal(c, (1 - 0.25 / 2) ** 2)


def test_a_rate_for_every_step():
    asked = []

    def rate(step):
        asked.append(step)
        return 0.5 / (1 + step)

    p = np.zeros(3)
    opt = SGD(p, lr=rate)
    for _ in range(3):
        opt.step(np.ones(3))
    assert asked == [0, 1, 2]
    np.testing.assert_allclose(p, -0.5 * (1 + 1 / 2 + 1 / 3), rtol=1e-15)


@pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf])
def test_a_rate_that_is_none(rate):
    p = np.zeros(3)
    opt = Adam(p, lr=lambda step: rate if step else 0.1)
    opt.step(GRAD)
    rejected(opt, [p], GRAD, ValueError, r"lr\(1\) must be in \[0, inf\)")


def test_no_step_within_a_step():
    p = np.zeros(3)
    opt = SGD(p, lr=lambda step: opt.step(GRAD))
    rejected(opt, [p], GRAD, RuntimeError, "in the middle of another step")


def test_groups():
    a, b, c = np.ones(3), np.ones((2, 2), np.float32), np.ones(3)
    opt = Adam(
        [{"params": {"a": a, "c": c}}, {"params": b, "lr": 0.01, "amsgrad": True}],
        lr=0.1,
        weight_decay=0.5,
    )
    grads = [{"a": GRAD, "c": -GRAD}, np.full((2, 2), 2, np.float32)]
    alone = [np.ones(3), np.ones((2, 2), np.float32), np.ones(3)]
    others = [
        Adam(alone[0], lr=0.1, weight_decay=0.5),
        Adam(alone[1], lr=0.01, weight_decay=0.5, amsgrad=True),
        Adam(alone[2], lr=0.1, weight_decay=0.5),
    ]
    for _ in range(3):
        opt.step(grads)
        for other, grad in zip(others, (GRAD, grads[1], -GRAD), strict=True):
            other.step(grad)
    for mine, theirs in zip((a, b, c), alone, strict=True):
        assert mine.tobytes() == theirs.tobytes()
    assert set(opt.state_dict()["state"][2]) == {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    rejected(opt, [a, b, c], [grads[0]], ValueError, "grads must hold 2 groups")
    rejected(opt, [a, b, c], [{"d": GRAD}, grads[1]], ValueError, r"grads\[0\] has a key")
    rejected(
        opt, [a, b, c], [{"a": GRAD, "c": GRAD[:1]}, grads[1]], ValueError, r"grads\[0\]\['c'\]"
    )


def test_groups_that_are_wrong():
    with pytest.raises(TypeError, match=r"params\[0\]: Adam has no option 'momentum'"):
        Adam([{"params": np.zeros(3), "momentum": 0.9}])
    with pytest.raises(ValueError, match=r"params\[1\] lacks the key"):
        Adam([{"params": np.zeros(3)}, {"lr": 0.1}])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_norm_of_all_gradients(dtype):
    rng = np.random.default_rng(0)
    sizes = (70_001, 3, 4097)
    grads = [rng.normal(size=n).astype(dtype) for n in sizes]
    norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in grads))
    for limit, factor in ((norm / 3, 1 / 3), (norm * 1.01, 1)):
        params = [np.zeros(n, dtype) for n in sizes]
        assert SGD(params, lr=1.0, max_norm=limit).step(grads)
        for p, g in zip(params, grads, strict=True):
            np.testing.assert_allclose(p, -factor * g, rtol=4 * np.finfo(dtype).eps)


def test_norms_whose_squares_overflow():
    p = np.zeros(2)
    SGD(p, lr=1.0, max_norm=5.0).step(np.array([3e200, -4e200]))
    np.testing.assert_allclose(p, [-3, 4], rtol=1e-14)
    p = np.zeros(2, np.float32)
    SGD(p, lr=1.0, max_norm=5.0).step(np.array([3e38, -3e38], np.float32))
    np.testing.assert_allclose(p, [-(12.5**0.5), 12.5**0.5], rtol=1e-6)


def test_the_norm_and_the_norms_of_lamb():
    rng = np.random.default_rng(0)
    p, g = rng.normal(size=5000), rng.normal(size=5000)
    norm = np.sqrt((g * g).sum())
    one, other = p.copy(), p.copy()
    fl.optim.LAMB(one, eps=1.0, max_norm=norm / 4, clip_value=0.25).step(g)
    fl.optim.LAMB(other, eps=1.0).step(np.clip(g / 4, -0.25, 0.25))
    np.testing.assert_allclose(one, other, rtol=1e-14)


def test_elements_are_cut_after_the_norm():
    p = np.zeros(3)
    SGD(p, lr=1.0, clip_value=1.5).step(GRAD)
    np.testing.assert_array_equal(p, [-1, 1.5, -1.5])
    p = np.zeros(2)
    SGD(p, lr=1.0, max_norm=5.0, clip_value=3.5).step(np.array([30.0, 40.0]))
    np.testing.assert_allclose(p, [-3, -3.5], rtol=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gradients_that_are_not_finite(bad):
    start = {"a": np.ones((70, 100)), "b": np.ones((40, 200), order="F")}
    grads = {key: np.ones_like(p) for key, p in start.items()}
    grads["b"][17, 150] = bad
    params = {key: p.copy(order="K") for key, p in start.items()}
    opt = Adam(params, nonfinite="raise", max_norm=1.0)
    rejected(
        opt,
        params.values(),
        grads,
        fl.DomainError,
        rf"grads\['b'\]\[17, 150\] = {bad} is not finite",
    )
    opt = Adam(params, nonfinite="skip")
    before = everything(opt, params.values())
    assert opt.step(grads) is False
    assert everything(opt, params.values()) == before
    opt = Adam(params)
    assert opt.step(grads) is True
    assert np.isnan(params["b"][17, 150])
    assert np.isfinite(params["a"]).all()
    assert np.isfinite(params["b"]).sum() == params["b"].size - 1


@pytest.mark.parametrize(("cls", "options"), VARIANTS, ids=IDS)
def test_nan_stays_nan(cls, options):
    p = np.ones(20, np.float32)
    g = np.ones(20, np.float32)
    g[3] = np.nan
    cls(p, **options, clip_value=1.0).step(g)
    assert np.isnan(p[3]) and np.isfinite(np.delete(p, 3)).all()


class Halves:
    """A penalty with nothing but a proximal step."""

    def prox(self, w, step, out):
        np.multiply(w, 1 - step / 2, out=out)


def test_penalties():
    p = np.array([1.0, 2.0])
    SGD(p, lr=0.5, penalty=Halves()).step(np.zeros(2))
    np.testing.assert_array_equal(p, [0.75, 1.5])
    with pytest.raises(TypeError, match="penalty must have attributes l1 or l2; got"):
        fl.optim.AdaGrad(p, penalty=Halves())
    with pytest.raises(TypeError, match="or a method prox"):
        SGD(p, penalty="l1")
    with pytest.raises(ValueError, match=r"penalty.l1 must be in \[0, inf\)"):
        SGD(p, penalty=L1L2(l1=-1))


@pytest.mark.parametrize(("cls", "options"), VARIANTS + WHOLE)
def test_resuming_gives_the_bits_of_going_on(cls, options):
    rng = np.random.default_rng(0)
    start = {"w": rng.normal(size=(5, 7)).astype(np.float32), "b": rng.normal(size=3)}
    grads = [{key: rng.normal(size=p.shape).astype(p.dtype) for key, p in start.items()}
             for _ in range(8)]  # fmt: skip
    params = {key: p.copy() for key, p in start.items()}
    opt = cls(params, **options)
    for g in grads[:4]:
        opt.step(g)
    saved, halfway = opt.state_dict(), {key: p.copy() for key, p in params.items()}
    for g in grads[4:]:
        opt.step(g)
    needs = {key: options[key] for key in ("momentum", "centered", "amsgrad") if key in options}
    again = cls(halfway, lr=0.5, **needs)
    again.load_state_dict(saved)
    assert again.step_count == 4
    for g in grads[4:]:
        again.step(g)
    assert everything(again, halfway.values()) == everything(opt, params.values())


def test_the_layout_of_the_state():
    opt = Adam({"w": np.ones(3)}, lr=0.1, max_norm=2.0)
    opt.step({"w": GRAD})
    state = opt.state_dict()
    assert list(state) == ["optimizer", "version", "step", "max_norm", "clip_value", "nonfinite",
                           "state_dtype", "maximize", "groups", "state"]  # fmt: skip
    assert state["optimizer"] == "Adam" and state["version"] == 1 and state["step"] == 1
    assert state["groups"] == [
        {
            "lr": 0.1,
            "betas": (0.9, 0.999),
            "eps": 1e-8,
            "weight_decay": 0.0,
            "amsgrad": False,
            "decoupled_weight_decay": False,
            "eps_root": 0.0,
            "eps_hat": False,
        }
    ]
    np.testing.assert_allclose(state["state"]["w"]["exp_avg"], 0.2 / 14**0.5 * GRAD, rtol=1e-15)
    state["state"]["w"]["exp_avg"][:] = 7  # a copy
    assert opt.state_dict()["state"]["w"]["exp_avg"][0] != 7


def changed(path, value):
    def change(state):
        for key in path[:-1]:
            state = state[key]
        if value is ...:
            del state[path[-1]]
        else:
            state[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (changed(["optimizer"], "SGD"), "'Adam'; got 'SGD'"),
        (changed(["version"], 2), "version"),
        (changed(["version"], ...), "keys"),
        (changed(["step"], -1), "step"),
        (changed(["step"], 1.5), "step"),
        (changed(["groups"], []), "1 groups"),
        (changed(["groups", 0, "lr"], -1.0), "lr"),
        (changed(["groups", 0, "lr"], ...), "keys"),
        (changed(["groups", 0, "amsgrad"], True), "other arrays of state"),
        (changed(["nonfinite"], "x"), "nonfinite"),
        (changed(["state", "w"], ...), "keys"),
        (changed(["state", "w", "exp_avg"], ...), r"\['state'\]\['w'\] lacks the key"),
        (changed(["state", "w", "exp_avg"], np.zeros(4)), r"'exp_avg'\] must have shape \(3,\)"),
        (changed(["state", "w", "exp_avg"], np.zeros(3, np.float32)), "dtype float64"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, match):
    params = {"w": np.ones(3), "v": np.ones(2)}
    opt = Adam(params, lr=0.1)
    opt.step({"w": GRAD, "v": GRAD[:2]})
    state = opt.state_dict()
    for held in state["state"].values():
        held["exp_avg"] += 1
    change(state)
    before = everything(opt, params.values())
    with pytest.raises(ValueError, match=match):
        opt.load_state_dict(state)
    assert everything(opt, params.values()) == before


def test_saving(tmp_path):
    path, params = tmp_path / "state", {"w": np.ones(3), "b": np.ones(2, np.float32)}
    grads = {"w": GRAD, "b": np.ones(2, np.float32)}
    rate = fl.optim.schedules.Exponential(0.1, 0.9)
    opt = NAdam(params, lr=rate, max_norm=1.0)
    opt.step(grads)
    opt.save(path)
    copies = {key: p.copy() for key, p in params.items()}
    again = fl.optim.load(path, copies)
    opt.step(grads)
    again.step(grads)
    assert everything(again, copies.values()) == everything(opt, params.values())
    both = list(params.values())
    alone = Adam([{"params": both[:1], "lr": 0.1}, {"params": both[1:]}], weight_decay=0.5)
    alone.step([[grads["w"]], [grads["b"]]])
    alone.save(path)
    again = fl.optim.load(path, [{"params": both[:1]}, {"params": both[1:]}])
    assert everything(again, both) == everything(alone, both)
    assert again.state_dict()["groups"] == alone.state_dict()["groups"]
    with pytest.raises(ValueError, match="list of 2 groups"):
        fl.optim.load(path, both)
    with pytest.raises(TypeError, match="penalty cannot be saved.*is none of fastloss"):
        SGD(np.ones(3), penalty=L1L2(1.0)).save(path)
    with pytest.raises(TypeError, match="lr cannot be saved"):
        Adam(np.ones(3), lr=lambda step: 0.1).save(path)


@pytest.mark.parametrize(
    "penalty",
    [fl.penalties.L1(0.1), fl.penalties.L2(0.2), fl.penalties.ElasticNet(0.1, 0.2),
     fl.penalties.GroupLasso(0.1, axis=0), fl.penalties.GroupLasso(0.3, groups=[0, 1, 1])],
)  # fmt: skip
def test_saving_a_schedule_with_memory_and_a_penalty(penalty, tmp_path):
    rate = fl.optim.schedules.ReduceOnPlateau(0.1, factor=0.5, patience=1)
    p = np.array([1.0, -2.0, 3.0])
    opt = SGD(p, lr=rate, momentum=0.9, penalty=penalty)
    for metric in (3.0, 3.0, 3.0):
        opt.step(GRAD)
        rate.update(metric)
    opt.save(tmp_path / "a.npz")
    copy = p.copy()
    again = fl.optim.load(tmp_path / "a.npz", copy)
    assert again.state_dict()["groups"][0]["penalty"] == penalty
    for one in (opt, again):
        one.step(GRAD)
    np.testing.assert_array_equal(copy, p)


@pytest.mark.parametrize(
    "damage", [{"groups": 1}, {"groups": [2]}, {"state": []}, {"optimizer": 3}]
)
def test_a_file_that_holds_something_else(damage, tmp_path):
    from fastloss.optim.storage import save_state

    path = tmp_path / "a.npz"
    save_state(path, {"optimizer": "Adam", "groups": [], "state": {}} | damage)
    with pytest.raises(ValueError, match=r"a\.npz (is damaged|holds no optimizer)"):
        fl.optim.load(path, np.ones(3))


def test_shapes_and_dtypes_that_change_in_place():
    """The optimizer goes by what the parameters were, whatever becomes of the caller's array."""
    memory = np.zeros(400)
    p = memory[:40].reshape(10, 4)
    opt = SGD(p, lr=1.0)
    p.shape = (40,)
    with pytest.raises(ValueError, match="a row of its parameter for each index|is no row"):
        opt.step((np.array([39]), np.array([1.0])))
    assert opt.step((np.array([9]), np.ones((1, 4))))
    np.testing.assert_array_equal(np.flatnonzero(memory), [36, 37, 38, 39])
    p = np.zeros(6)
    opt = SGD(p, lr=1.0)
    p.shape = (2, 3)
    with pytest.raises(ValueError, match="must have the shape"):
        opt.step(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    p.dtype = np.int64
    with pytest.raises(TypeError, match="must be float64"):
        opt.step(np.arange(6))


def test_what_users_run_in_a_step_comes_first():
    p, q = np.zeros(5), np.zeros(3)

    class Late:
        def __array__(self, dtype=None, copy=None):
            grads[0] = np.full(5, np.nan)
            return np.ones(3)

    grads = [np.ones(5), Late()]
    opt = SGD([p, q], lr=1.0)
    assert opt.step(grads)
    np.testing.assert_array_equal(p, -np.ones(5))
    inner = SGD(p, lr=lambda step: (inner.load_state_dict(saved), 1.0)[1])
    saved = SGD(p.copy(), lr=1.0).state_dict()
    with pytest.raises(RuntimeError, match="in the middle of a step"):
        inner.step(np.ones(5))
    np.testing.assert_array_equal(p, -np.ones(5))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(np.asfortranarray(np.ones((2, 3))), lr=0.1,
                     penalty=fl.penalties.GroupLasso(0.1)), ValueError, "must be C-contiguous"),
        (lambda: SGD([np.ones((2, 3)), np.ones(3)], lr=0.1,
                     penalty=fl.penalties.GroupLasso(0.1, axis=1)), ValueError, "axis must be"),
        (lambda: fl.optim.LAMB(np.ones(3, np.float32), eps=1e-50), ValueError, "is 0 in float32"),
        (lambda: Adam(np.ones(3), lr=10**400), ValueError, "lr must be in"),
        (lambda: copy.deepcopy(Adam(np.ones(3))), TypeError, "its state_dict\\(\\) can"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_once(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_step_count_beyond_all_counts_changes_nothing():
    p = np.ones(3)
    opt = Adam(p)
    opt.step(GRAD)
    state = opt.state_dict()
    before = everything(opt, [p])
    for step in (2**53, 2**70):
        with pytest.raises(ValueError, match=r"state\['step'\] must be a number of steps"):
            opt.load_state_dict(state | {"step": step})
    assert everything(opt, [p]) == before


def test_a_penalty_that_could_not_be_loaded_is_not_saved(tmp_path):
    class Mine(L1L2):
        def to_dict(self):
            return {"name": "mine"}

    class Other(fl.penalties.L1):  # without a name of its own
        def to_dict(self):
            return {"name": "other"}

    for own, message in ((Mine(1.0), "is none of fastloss"), (Other(1.0), "could not be loaded")):
        with pytest.raises(TypeError, match=f"penalty cannot be saved: .* {message}"):
            SGD(np.ones(3), penalty=own).save(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_subclass_keeps_its_kernel():
    p, other = np.ones(3), np.ones(3)

    class Mine(fl.optim.AdamW):
        """Somebody's own."""

    own = Mine(p, lr=0.1)
    own.step(GRAD)
    fl.optim.AdamW(other, lr=0.1).step(GRAD)
    np.testing.assert_array_equal(p, other)
    with pytest.raises(TypeError, match="Mine is none of fastloss's optimizers"):
        own.save("never written")


@pytest.mark.parametrize(
    "numbers", [np.float64, np.float32, np.float16], ids=lambda dtype: dtype.__name__
)
@pytest.mark.parametrize(("cls", "options"), [*VARIANTS, *WHOLE], ids=[*IDS, *map(str, WHOLE)])
def test_an_array_without_a_gradient_is_left_alone(cls, options, numbers):
    if numbers == np.float16 and cls is fl.optim.Adafactor:
        numbers = np.float32
    rng = np.random.default_rng(0)
    start = {"a": rng.normal(size=(5, 7)), "b": rng.normal(size=(6, 3)), "c": np.ones(0)}
    start = {key: array.astype(numbers) for key, array in start.items()}
    grads = {key: rng.normal(size=a.shape).astype(a.dtype) for key, a in start.items()}
    both, alone = (
        cls({key: array.copy() for key, array in start.items() if key in keys}, **options)
        for keys in ("abc", "a")
    )
    first = both.state_dict()["state"]["b"]
    for given in ({"a": grads["a"]}, {"a": grads["a"], "b": None}):
        both.step(given)
        alone.step({"a": grads["a"]})
    np.testing.assert_array_equal(both._arrays[0], alone._arrays[0])
    np.testing.assert_array_equal(both._arrays[1], start["b"])
    for name, array in both.state_dict()["state"]["b"].items():
        np.testing.assert_array_equal(array, first[name])
    assert both.step_count == 2
    both.step(grads)
    assert (both._arrays[1] != start["b"]).any()


def test_norms_and_penalties_leave_out_what_has_no_gradient():
    params = [np.ones(3), np.ones((4, 2)), np.ones(3)]
    groups = [
        {"params": params[:1]},
        {"params": params[1], "penalty": fl.penalties.GroupLasso(0.5)},
        {"params": params[2:]},
    ]
    opt = SGD(groups, lr=0.1, max_norm=1.0, nonfinite="raise")
    opt.step([[3 * GRAD], None, [None]])
    np.testing.assert_allclose(params[0], 1 - 0.1 * GRAD / np.linalg.norm(GRAD), rtol=1e-15)
    assert (params[1] == 1).all() and (params[2] == 1).all()
    with pytest.raises(fl.DomainError, match=r"grads\[2\]\[0\]\[1\] = nan"):
        opt.step([[None], None, [np.array([1.0, np.nan, 1.0])]])
    opt.step([[None], np.zeros((4, 2)), [None]])
    assert (params[1] < 1).all()


def test_an_optimizer_is_made_once():
    opt = Adam(np.zeros(3))
    with pytest.raises(TypeError, match="initialised already"):
        opt.__init__(np.zeros(3))
    with pytest.raises(TypeError, match="was not initialised"):
        Adam.__new__(Adam).step(GRAD)
