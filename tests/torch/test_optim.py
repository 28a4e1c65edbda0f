"""Optimizers of torch: against torch's own, against fastloss on arrays, and what torch expects."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import fastloss as fl

torch = pytest.importorskip("torch", reason="the bridge to torch needs it")

import fastloss.torch as flt  # noqa: E402

NAMES = [name for name in fl.optim.optimizer_names() if name != "Muon"]  # of any shape
THEIRS = {
    name: getattr(torch.optim, other)
    for name in NAMES
    if hasattr(torch.optim, other := name.replace("AdaGrad", "Adagrad"))
}
OPTIONS = {
    "SGD": [{"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.8, "nesterov": True}],
    "RMSprop": [{"centered": True, "momentum": 0.5}],
    "Adam": [{"amsgrad": True}, {"maximize": True, "decoupled_weight_decay": True}],
    "AdamW": [{"amsgrad": True}],
    "Adafactor": [{"eps": (1e-3, 1e-3)}],
    "NAdam": [{"decoupled_weight_decay": True}],
    "RAdam": [{"decoupled_weight_decay": True}],
    "ASGD": [{"lambd": 0.1, "t0": 10, "maximize": True}],
}
CASES = [(name, options) for name in THEIRS for options in [{}, *OPTIONS.get(name, [])]]
same_rules = pytest.mark.parametrize(("name", "options"), CASES, ids=str)
every_rule = pytest.mark.parametrize("name", NAMES)


def parameters(dtype=torch.float64, seed=0):
    made = torch.manual_seed(seed)
    return [
        torch.nn.Parameter(torch.randn(shape, dtype=dtype, generator=made))
        for shape in [(7, 33), (5,), (3, 4, 2), ()]
    ]


def gradients(params, steps, seed=1):
    """Gradients for each step, of sizes that differ."""
    made = torch.manual_seed(seed)
    return [
        [torch.randn(p.shape, dtype=p.dtype, generator=made) * 3.0 ** (t % 5 - 2) for p in params]
        for t in range(steps)
    ]


def groups(params):
    return [{"params": params[:2]}, {"params": params[2:], "lr": 3e-3, "weight_decay": 0.05}]


def run(optimizer, params, grads, schedule=None):
    for each in grads:
        for p, g in zip(params, each, strict=True):
            p.grad = None if g is None else g.clone()
        optimizer.step()
        if schedule is not None:
            schedule.step()


def assert_close(ours, theirs, tolerance=1e-10):
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance
        )


def assert_equal(ours, theirs):
    for p, q in zip(ours, theirs, strict=True):
        assert torch.equal(p, q)


@pytest.fixture(autouse=True)
def _default_dtype():
    """torch keeps NAdam's product of the mus in it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


# ---- against torch


@same_rules
def test_steps_are_those_of_torch(name, options):
    ours, theirs = parameters(), parameters()
    results = []
    for cls, params in ((getattr(flt.optim, name), ours), (THEIRS[name], theirs)):
        optimizer = cls(groups(params), lr=0.01, **options)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=60)
        run(optimizer, params, gradients(params, 50), schedule)
        results.append(optimizer)
    assert_close(ours, theirs)
    for p, q in zip(ours, theirs, strict=True):
        state, of_torch = (o.state[x] for o, x in zip(results, (p, q), strict=True))
        if name != "SGD":  # torch's keeps no count
            assert state.keys() == of_torch.keys() and state["step"] == of_torch["step"]
        assert state.keys() - {"step"} >= {k for k, v in of_torch.items() if v is not None} - {
            "step"
        }
        assert all(
            state[key].shape == value.shape for key, value in of_torch.items() if value is not None
        )


@same_rules
def test_parameters_without_gradients_wait(name, options):
    """torch counts the steps of each parameter by itself."""
    ours, theirs = parameters(), parameters()
    grads = gradients(ours, 30)
    for t, each in enumerate(grads):
        for k in range(len(each)):
            if t < 3 * k or (t + k) % 4 == 0:
                each[k] = None
    for cls, params in ((getattr(flt.optim, name), ours), (THEIRS[name], theirs)):
        run(cls(groups(params), lr=0.01, **options), params, grads)
    assert_close(ours, theirs)


@pytest.mark.parametrize("back", [False, True], ids=["from torch", "to torch"])
@same_rules
def test_state_is_exchanged_with_torch(name, options, back):
    first, second = (getattr(flt.optim, name), THEIRS[name])[:: 1 if back else -1]
    params = parameters()
    optimizer = first(groups(params), lr=0.01, **options)
    grads = gradients(params, 40)
    run(optimizer, params, grads[:20])
    others = copy.deepcopy(params)
    other = second(groups(others), lr=0.5)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one, its in ((optimizer, params), (other, others)):
        for group in one.param_groups:
            group["lr"] *= 0.5
        run(one, its, grads[20:])
    assert_close(params, others)


def test_adamw_of_torch_is_adam_with_an_option():
    params = parameters()
    state = torch.optim.AdamW(params).state_dict()
    adam = flt.optim.Adam(params)
    adam.load_state_dict(state)
    assert adam.param_groups[0]["decoupled_weight_decay"]
    flt.optim.AdamW(params).load_state_dict(state)


# ---- against fastloss on arrays


@every_rule
def test_bits_are_those_of_arrays(name):
    params = parameters(torch.float32)
    arrays = [p.detach().numpy().copy() for p in params]
    both = [[{"params": x[:2]}, {"params": x[2:], "lr": 3e-3}] for x in (params, arrays)]
    optimizer, direct = getattr(flt.optim, name)(both[0]), getattr(fl.optim, name)(both[1])
    for each in gradients(params, 20):
        run(optimizer, params, [each])
        each = [g.numpy() for g in each]
        direct.step([each[:2], each[2:]])
    for p, a in zip(params, arrays, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), a)


@pytest.mark.parametrize("state_dtype", ["bfloat16", "8bit"])
@pytest.mark.parametrize("name", ["Lion", "LAMB", "Adam", "SGD"])
def test_state_in_fewer_bytes(name, state_dtype):
    options = {"state_dtype": state_dtype, "lr": 0.01} | (
        {"momentum": 0.9} if name == "SGD" else {}
    )
    params = parameters(torch.float32)
    arrays = [p.detach().numpy().copy() for p in params]
    optimizer = getattr(flt.optim, name)(params, **options)
    direct = getattr(fl.optim, name)(arrays, **options)
    grads = gradients(params, 20)
    for each in grads[:10]:
        run(optimizer, params, [each])
        direct.step([g.numpy() for g in each])
    again = getattr(flt.optim, name)(params, **options)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each in grads[10:]:
        run(again, params, [each])
        direct.step([g.numpy() for g in each])
    for p, a in zip(params, arrays, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), a)
    kept = {v.dtype for k, v in again.state[params[0]].items() if k != "step"}
    assert kept == ({torch.bfloat16} if state_dtype == "bfloat16" else {torch.uint8, torch.float32})


def test_groups_whose_state_has_dtypes_of_their_own():
    params = parameters(torch.float32)
    given = [{"params": params[:2], "state_dtype": "8bit"}, {"params": params[2:]}]
    optimizer = flt.optim.Lion(given)
    run(optimizer, params, gradients(params, 3))
    kept = [optimizer.state[p]["exp_avg"].dtype for p in params]
    assert kept == [torch.uint8] * 2 + [torch.float32] * 2


def test_steps_without_gradients_or_elements():
    params = [torch.nn.Parameter(torch.zeros(0, 3)), torch.nn.Parameter(torch.ones(2))]
    optimizer = flt.optim.Lion(params, lr=0.5)
    optimizer.step()
    assert not optimizer.state
    run(optimizer, params, [[torch.zeros(0, 3), torch.ones(2)], [None, None]])
    assert torch.equal(params[1], torch.full((2,), 0.5)) and optimizer.state[params[1]]["step"] == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_parameters_of_sixteen_bits(dtype):
    pytest.importorskip("ml_dtypes", reason="arrays of bfloat16 need it")
    params = [p.detach().to(dtype).requires_grad_() for p in parameters(torch.float32)]
    whole = [p.detach().float().requires_grad_() for p in params]
    grads = gradients(params, 20)
    optimizer, other = flt.optim.Adam(params), flt.optim.Adam(whole)
    run(optimizer, params, grads[:10])
    again = flt.optim.Adam(params)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(again, params, grads[10:])
    run(other, whole, [[g.float() for g in each] for each in grads])
    for p, q in zip(params, whole, strict=True):
        assert torch.equal(p, q.to(dtype)) and torch.equal(again.state[p]["master"], q)


def test_parameters_of_bfloat16_without_ml_dtypes(monkeypatch):
    """They would be updated in a copy."""
    monkeypatch.setattr("fastloss.torch.arrays.bfloat16", None)
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    with pytest.raises(TypeError, match=r"params\[0\] in bfloat16 .* pip install ml_dtypes"):
        flt.optim.Lion([p])


# ---- sparse gradients


def embedding(optimizer_class, sparse, **options):
    table = torch.nn.Embedding.from_pretrained(
        torch.arange(24.0).reshape(8, 3), freeze=False, sparse=sparse
    )
    optimizer = optimizer_class(table.parameters(), **options)
    for rows in ([1, 5, 1], [7], [0, 5]):
        optimizer.zero_grad()
        table(torch.tensor(rows)).square().sum().backward()
        optimizer.step()
    return table.weight


@pytest.mark.parametrize("name", ["SGD", "AdaGrad"])
def test_sparse_gradients_are_dense_ones_where_zeros_change_nothing(name):
    cls = getattr(flt.optim, name)
    assert_close([embedding(cls, True, lr=0.1)], [embedding(cls, False, lr=0.1)])


def test_sparse_gradients_that_a_rule_does_not_take():
    with pytest.raises(TypeError, match="Lion takes no sparse gradients"):
        embedding(flt.optim.Lion, True)


# ---- memory


def test_state_is_the_memory_of_the_optimizer():
    p = torch.nn.Parameter(torch.ones(4))
    optimizer = flt.optim.Lion([p], lr=0.1)
    run(optimizer, [p], [[torch.ones(4)]])
    state = optimizer.state[p]["exp_avg"]
    run(optimizer, [p], [[torch.ones(4)]])
    assert optimizer.state[p]["exp_avg"] is state
    np.testing.assert_allclose(state.numpy(), 1 - 0.99**2)
    state.zero_()
    run(optimizer, [p], [[torch.zeros(4)]])
    np.testing.assert_allclose(p.detach().numpy(), 0.8)


@pytest.mark.parametrize("name", ["Adam", "LAMB", "FTRL", "NAdam"])
def test_parameters_that_move_in_memory_are_followed(name):
    params, others = parameters(), parameters()
    grads = gradients(params, 10)
    optimizer, other = (getattr(flt.optim, name)(x) for x in (params, others))
    run(optimizer, params, grads[:5])
    for p in params[1:3]:
        p.data = p.data.clone()
    run(optimizer, params, grads[5:])
    run(other, others, grads)
    assert_equal(params, others)


@pytest.mark.parametrize("name", ["Adam", "LAMB"])
def test_orders_of_memory(name):
    """Channels last, a transposed matrix, and gradients in another order than the parameter."""
    made = torch.manual_seed(0)
    image = torch.randn(4, 3, 5, 5, generator=made)
    matrix = torch.randn(6, 5, generator=made)
    plain = [image.clone().requires_grad_(), matrix.clone().requires_grad_()]
    laid = [
        image.to(memory_format=torch.channels_last, copy=True).requires_grad_(),
        matrix.t().contiguous().t().requires_grad_(),
    ]
    grads = gradients(plain, 6)
    ordered = [
        [g.to(memory_format=torch.channels_last) if g.dim() == 4 and t % 2 else g for g in each]
        for t, each in enumerate(grads)
    ]
    optimizers = [getattr(flt.optim, name)(x, lr=0.01) for x in (plain, laid)]
    run(optimizers[0], plain, grads)
    for each in ordered:
        for p, g in zip(laid, each, strict=True):
            p.grad = g
        optimizers[1].step()
    assert_close(laid, plain, 1e-14)
    for p in laid:
        assert optimizers[1].state[p]["exp_avg"].stride() == p.stride()
    again = getattr(flt.optim, name)(laid)
    again.load_state_dict(optimizers[0].state_dict())
    assert_close([again.state[laid[0]]["exp_avg"]], [optimizers[0].state[plain[0]]["exp_avg"]])


def test_parameters_with_gaps_are_refused():
    p = torch.zeros(4, 6)[:, ::2].requires_grad_()
    optimizer = flt.optim.Lion([p])
    p.grad = torch.ones(4, 3)
    with pytest.raises(ValueError, match="must be contiguous"):
        optimizer.step()


def test_rows_and_columns_of_adafactor_need_the_usual_order():
    p = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    optimizer = flt.optim.Adafactor([p])
    p.grad = torch.ones_like(p)
    with pytest.raises(ValueError, match="contiguous"):
        optimizer.step()


def test_autograd_sees_that_parameters_changed():
    p = torch.nn.Parameter(torch.ones(3))
    value = (p**2).sum()
    p.grad = torch.ones(3)
    flt.optim.Lion([p]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


# ---- what torch expects of an optimizer


@every_rule
def test_copies_go_on_alike(name):
    params = parameters()
    optimizer = getattr(flt.optim, name)(params)
    grads = gradients(params, 8)
    run(optimizer, params, grads[:4])
    copies = [copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))]
    run(optimizer, params, grads[4:])
    for other in copies:
        its = other.param_groups[0]["params"]
        run(other, its, grads[4:])
        assert_equal(its, params)


@every_rule
def test_resuming_gives_the_bits_of_going_on(name, tmp_path):
    params = parameters()
    optimizer = getattr(flt.optim, name)(params)
    grads = gradients(params, 8)
    run(optimizer, params, grads[:4])
    torch.save([optimizer.state_dict(), params], tmp_path / "saved")
    state, others = torch.load(tmp_path / "saved", weights_only=True)
    other = getattr(flt.optim, name)(others)
    other.load_state_dict(state)
    run(optimizer, params, grads[4:])
    run(other, others, grads[4:])
    assert_equal(others, params)


def test_closure_and_its_value():
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = flt.optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        value = (p**2).sum()
        value.backward()
        return value

    assert optimizer.step(closure) == 3 and optimizer.step(closure) == 0.75
    optimizer.zero_grad()
    assert p.grad is None


def test_groups_that_come_later():
    ours, theirs = parameters(), parameters()
    for cls, params in ((flt.optim.Adam, ours), (torch.optim.Adam, theirs)):
        optimizer = cls(params[:2], lr=0.01)
        grads = gradients(params, 10)
        run(optimizer, params[:2], [each[:2] for each in grads[:4]])
        optimizer.add_param_group({"params": params[2:], "lr": 0.1, "name": "head"})
        run(optimizer, params, grads[4:])
    assert_close(ours, theirs)


def test_options_that_change_on_the_way():
    ours, theirs = parameters(), parameters()
    for cls, params in ((flt.optim.Adam, ours), (torch.optim.Adam, theirs)):
        optimizer = cls(params, lr=torch.tensor(0.01))
        grads = gradients(params, 12)
        run(optimizer, params, grads[:4])
        optimizer.param_groups[0]["lr"].mul_(0.5)
        optimizer.param_groups[0]["betas"] = (0.5, 0.9)
        run(optimizer, params, grads[4:8])
        optimizer.param_groups[0]["weight_decay"] = 0.1
        run(optimizer, params, grads[8:])
    assert_close(ours, theirs)


def test_options_that_need_other_state():
    ours, theirs = parameters(), parameters()
    for cls, params in ((flt.optim.SGD, ours), (torch.optim.SGD, theirs)):
        optimizer = cls(params, lr=0.01)
        grads = gradients(params, 12)
        run(optimizer, params, grads[:4])
        optimizer.param_groups[0]["momentum"] = 0.9
        run(optimizer, params, grads[4:])
    assert_close(ours, theirs)


def test_one_cycle_changes_the_momentum_too():
    ours, theirs = parameters(), parameters()
    for cls, params in ((flt.optim.AdamW, ours), (torch.optim.AdamW, theirs)):
        optimizer = cls(params)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=20)
        run(optimizer, params, gradients(params, 19), schedule)
    assert_close(ours, theirs)


def test_grad_scaler():
    ours, theirs = parameters(torch.float32), parameters(torch.float32)
    for cls, params in ((flt.optim.Adam, ours), (torch.optim.Adam, theirs)):
        optimizer = cls(params, lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for t in range(6):
            optimizer.zero_grad()
            value = sum((p**2).sum() for p in params) * (torch.inf if t == 2 else 1.0)
            scaler.scale(value).backward()
            scaler.step(optimizer)
            scaler.update()
    assert optimizer.state[params[0]]["step"] == 5
    assert_close(ours, theirs, 1e-5)


def test_penalties():
    params = parameters()
    arrays = [p.detach().numpy().copy() for p in params]
    optimizer = flt.optim.SGD(params, lr=0.01, penalty=fl.penalties.L1(0.5))
    direct = fl.optim.SGD(arrays, lr=0.01, penalty=fl.penalties.L1(0.5))
    for each in gradients(params, 5):
        run(optimizer, params, [each])
        direct.step([g.numpy() for g in each])
    for p, a in zip(params, arrays, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), a)


def test_signatures():
    assert [*inspect.signature(flt.optim.Lion).parameters] == [
        "params", "lr", "betas", "weight_decay", "state_dtype", "maximize",
    ]  # fmt: skip
    assert flt.optim.Lion.__module__ == "fastloss.torch.optim"
    assert "max_norm" not in flt.optim.Lion.__doc__


# ---- errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: flt.optim.Lion([p], lr=-1.0), r"lr must be in \[0, inf\); got -1.0"),
        (lambda p: flt.optim.Lion([p], momentum=0.9), "Lion: .*'momentum'"),
        (lambda p: flt.optim.Lion([p], lr=lambda step: 0.1), "lr must be a number here"),
        (lambda p: flt.optim.SGD([p], nesterov=True), "nesterov needs momentum"),
        (lambda p: flt.optim.FTRL([p], state_dtype="8bit"), "would spoil FTRL"),
        (lambda p: flt.optim.Lion([p], state_dtype="4bit"), "state_dtype must be one of"),
        (
            lambda p: flt.optim.Lion([p.detach().to("meta").requires_grad_()]),
            "CPU; got one on meta",
        ),
        (lambda p: flt.optim.Lion([p.detach().to(torch.complex64).requires_grad_()]), "complex64"),
        (lambda p: flt.optim.Lion([{"params": [p], "betas": 3}]), "betas must be a pair"),
        (lambda p: flt.optim.Optimizer([p]), "not an optimizer"),
    ],
)
def test_errors(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make(torch.nn.Parameter(torch.ones(3, dtype=torch.float32)))


def test_a_group_that_is_refused_is_not_added():
    params = parameters()
    optimizer = flt.optim.Lion(params[:1])
    with pytest.raises(ValueError, match="weight_decay"):
        optimizer.add_param_group({"params": params[1:], "weight_decay": -1.0})
    assert len(optimizer.param_groups) == 1


def test_state_that_does_not_fit_changes_nothing():
    params = parameters()
    optimizer = flt.optim.Adam(params)
    grads = gradients(params, 6)
    run(optimizer, params, grads[:3])
    others = copy.deepcopy(params)
    other = flt.optim.Adam(others)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    sgd = torch.optim.SGD(parameters(), momentum=0.9)
    run(sgd, sgd.param_groups[0]["params"], grads[:1])
    bad = copy.deepcopy(optimizer.state_dict())
    bad["state"][0]["exp_avg"] = torch.zeros(2)
    for state, message in (
        (sgd.state_dict(), "must be exp_avg, exp_avg_sq for Adam .* got momentum_buffer"),
        (bad, r"exp_avg must have shape \(7, 33\) and dtype torch.float64; got \(2,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(state)
    run(optimizer, params, grads[3:])
    run(other, others, grads[3:])
    assert_equal(params, others)


def test_groups_that_maximize_and_others():
    params = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = flt.optim.SGD(
        [{"params": params[:1], "maximize": True}, {"params": params[1:]}], lr=1
    )
    grads = [torch.ones(1)] * 2
    run(optimizer, params, [grads])
    assert [p.item() for p in params] == [1, -1]
    optimizer.param_groups[0]["maximize"] = False
    run(optimizer, params, [grads])
    assert [p.item() for p in params] == [0, -2]


@pytest.mark.parametrize("transposed", [False, True])
def test_muon(transposed, monkeypatch):
    """torch's, which is in bfloat16 otherwise."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    made = torch.manual_seed(0)
    start = torch.randn(6, 4, dtype=torch.float64, generator=made)
    ours, theirs = (
        [
            torch.nn.Parameter(
                (start.T if transposed else start).clone(memory_format=torch.preserve_format)
            )
        ]
        for _ in range(2)
    )
    for cls, params in ((flt.optim.Muon, ours), (torch.optim.Muon, theirs)):
        run(cls(params, lr=0.1), params, gradients(params, 20))
    assert_close(ours, theirs)
    with pytest.raises(ValueError, match="must have two axes for Muon; got an array of 1"):
        flt.optim.Muon([torch.nn.Parameter(torch.zeros(3))])
