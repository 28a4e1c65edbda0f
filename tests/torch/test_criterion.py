"""Criteria: values and gradients are fastloss's own; autograd, torch.compile, torch's losses."""

import copy
import pickle
import shutil

import numpy as np
import pytest
import row_samples
import samples

import fastloss as fl

torch = pytest.importorskip("torch", reason="the bridge to torch needs it")

import fastloss.torch as flt  # noqa: E402
from fastloss.torch import ops  # noqa: E402
from fastloss.torch.arrays import array_of  # noqa: E402
from fastloss.torch.names import name_of, named  # noqa: E402

F = torch.nn.functional
POINTWISE = samples.defaults()
ROWS = row_samples.LOSSES
EVERY = [*POINTWISE, *ROWS]
every_loss = pytest.mark.parametrize("loss", EVERY, ids=lambda loss: loss.spec)
reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


class Own(fl.SquaredError):
    """A user's class, which no name stands for."""


def typical(loss, n=6, dtype=np.float64):
    """Targets and predictions as tensors."""
    if loss in ROWS:
        y, z = row_samples.typical(loss, n, 5, dtype)
    else:
        y, z = samples.typical(loss, n, dtype)
    return torch.from_numpy(np.asarray(y)), torch.from_numpy(z).requires_grad_()


def weights(n=6):
    return torch.linspace(0.5, 2.0, n, dtype=torch.float64)


# ---- values and gradients


def test_every_loss_is_tested():
    assert {loss.name for loss in EVERY} == {*fl.loss_names()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@reductions
@every_loss
def test_bits_are_those_of_arrays(loss, reduction, dtype):
    for w in (None, weights()):
        y, z = typical(loss, 6, dtype)
        value = flt.loss(loss, reduction)(z, y, w)
        value.sum().backward()
        want, grad = loss.value_and_grad(
            y.numpy(), z.detach().numpy(), sample_weight=w, reduction=reduction
        )
        assert value.dtype == z.dtype
        np.testing.assert_array_equal(value.detach().numpy(), np.asarray(want, dtype))
        np.testing.assert_array_equal(z.grad.numpy(), grad)
        with torch.no_grad():
            assert torch.equal(flt.evaluate(loss, z, y, w, reduction), value)


@reductions
@every_loss
def test_gradcheck(loss, reduction):
    y, z = typical(loss)
    assert torch.autograd.gradcheck(lambda z: flt.evaluate(loss, z, y, weights(), reduction), z)


TWICE = [
    (loss, reduction)
    for loss in POINTWISE
    for reduction in ("mean", "sum", "none")
    if loss != fl.RootMeanSquaredError() or reduction == "none"
]


@pytest.mark.parametrize(("loss", "reduction"), TWICE, ids=str)
def test_gradgradcheck(loss, reduction):
    y, z = typical(loss)
    assert torch.autograd.gradgradcheck(lambda z: flt.evaluate(loss, z, y, weights(), reduction), z)


@pytest.mark.parametrize(
    ("loss", "reduction"),
    [(fl.RootMeanSquaredError(), "mean"), (fl.RootMeanSquaredError(), "sum")]
    + [(loss, "none") for loss in ROWS],
    ids=repr,
)
def test_no_second_derivative_where_the_hessian_is_not_diagonal(loss, reduction):
    y, z = typical(loss)
    value = flt.evaluate(loss, z, y, reduction=reduction).sum()
    (grad,) = torch.autograd.grad(value, z, create_graph=True)
    with pytest.raises(RuntimeError, match="once only: its Hessian is not diagonal"):
        grad.sum().backward()


def test_product_with_the_hessian():
    loss = fl.Logistic()
    y, z = typical(loss)
    (grad,) = torch.autograd.grad(flt.evaluate(loss, z, y), z, create_graph=True)
    (product,) = torch.autograd.grad(grad @ weights(), z)
    _, hess = loss.grad_and_hess(y.numpy(), z.detach().numpy())
    np.testing.assert_array_equal(product.numpy(), hess * weights().numpy())


def test_backward_again_gives_the_same_gradient():
    """Though the first one was given the array that forward made."""
    y, z = typical(fl.Huber())
    value = 3 * flt.evaluate("huber", z, y)
    (first,) = torch.autograd.grad(value, z, retain_graph=True)
    kept = first.clone()
    first.zero_()
    (second,) = torch.autograd.grad(value, z)
    assert torch.equal(second, kept)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, z)


@pytest.mark.parametrize("outer", [1.0, -2.0])
def test_gradients_add_up(outer):
    y, z = typical(fl.Huber())
    for _ in range(2):
        (outer * flt.evaluate("huber", z, y)).backward()
    want = 2 * outer * fl.Huber().grad(y.numpy(), z.detach().numpy())
    np.testing.assert_array_equal(z.grad.numpy(), want)


def test_any_axis_of_rows():
    loss = fl.SoftmaxCrossEntropy(axis=1)
    z = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.manual_seed(0)).requires_grad_()
    y = torch.tensor([[0, 1, 2], [3, 3, 0]])
    outer = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    (ours,) = torch.autograd.grad(flt.evaluate(loss, z, y, reduction="none"), z, outer)
    (theirs,) = torch.autograd.grad(F.cross_entropy(z, y, reduction="none"), z, outer)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


# ---- dtypes and layouts


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("without", [False, True])
def test_sixteen_bits(dtype, without, monkeypatch):
    if without:
        monkeypatch.setattr("fastloss.torch.arrays.bfloat16", None)
    y, z = typical(fl.Logistic(), 6, np.float32)
    low = z.detach().to(dtype).requires_grad_()
    value = flt.evaluate("logistic", low, y.to(dtype))
    value.backward()
    assert value.dtype == torch.float32 and low.grad.dtype == dtype
    want, grad = fl.Logistic().value_and_grad(
        y.to(dtype).float().numpy(), low.detach().float().numpy()
    )
    assert value.item() == np.float32(want)
    assert torch.equal(low.grad, torch.from_numpy(grad).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_no_copies(dtype):
    if dtype is torch.bfloat16:
        pytest.importorskip("ml_dtypes", reason="without it bfloat16 is copied")
    z = torch.zeros(4, 6, dtype=dtype)
    for tensor in (z, z.t(), z[::2, 1]):
        array = array_of(tensor, "input")
        assert array.ctypes.data == tensor.data_ptr() and array.shape == tensor.shape


def test_strides():
    z = torch.randn(5, 6, dtype=torch.float64, generator=torch.manual_seed(0)).requires_grad_()
    y = torch.zeros(3, 5, dtype=torch.float64)
    flt.evaluate("huber", z.t()[::2], y).backward()
    want = fl.Huber().grad(y.numpy(), z.detach().numpy().T[::2])
    np.testing.assert_array_equal(z.grad.numpy()[:, ::2], want.T)
    np.testing.assert_array_equal(z.grad.numpy()[:, 1::2], 0)


def test_autocast_takes_it_as_it_is():
    y, z = typical(fl.Logistic(), 6, np.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = z[:, None] @ torch.ones(1, 1)
        flt.evaluate("logistic", low[:, 0], y).backward()
    assert low.dtype == torch.bfloat16 and z.grad.dtype == torch.float32


# ---- errors


@pytest.mark.parametrize(
    ("input", "target", "weight", "message"),
    [
        ([0.0], torch.zeros(1), None, "input must be a torch.Tensor; got list"),
        (torch.zeros(1), 0.0, None, "target must be a torch.Tensor; got float"),
        (torch.zeros(1), torch.zeros(1), [1.0], "sample_weight must be a torch.Tensor; got list"),
        (torch.zeros(3, device="meta"), torch.zeros(3), None, "input must be .* on meta"),
        (torch.zeros(3).to_sparse(), torch.zeros(3), None, "input must be a dense .*sparse_coo"),
        (torch.zeros(3), torch.zeros(3, 1), None, r"target and input .*\(3, 1\) and \(3,\)"),
        (torch.zeros(3), torch.zeros(3), torch.ones(2), r"sample_weight must have target's shape"),
        (torch.zeros(1), torch.zeros(1, dtype=torch.complex64), None, "target must hold real"),
        (torch.zeros(1), torch.zeros(1, requires_grad=True), None, "target must not require"),
        (torch.zeros(1), torch.zeros(1), torch.ones(1, requires_grad=True), "sample_weight must n"),
    ],
)
def test_errors(input, target, weight, message):
    with pytest.raises((TypeError, ValueError), match=message):
        flt.evaluate("huber", input, target, weight)


def test_values_outside_of_the_domain():
    with pytest.raises(fl.DomainError, match=r"^input\[1\] = 1.5 is not in \[0, 1\]$") as caught:
        flt.evaluate("log_loss", torch.tensor([0.5, 1.5]), torch.ones(2))
    assert (caught.value.argument, caught.value.index) == ("input", (1,))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "loss must be a loss of fastloss, .*; got 3"),
        (("hubber",), "unknown loss 'hubber'"),
        (("huber", "average"), 'reduction must be "mean", "sum" or "none"; got \'average\''),
    ],
)
def test_errors_of_making_one(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        flt.loss(*arguments)


def test_targets_may_require_gradients_where_there_are_none():
    target = torch.zeros(3, requires_grad=True)
    with torch.no_grad():
        assert flt.evaluate("huber", torch.zeros(3), target) == 0


# ---- the module


def test_copies():
    criterion = flt.loss("huber:delta=2", "sum")
    assert repr(criterion) == "Criterion(Huber(delta=2.0), reduction='sum')"
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert other.loss == fl.Huber(delta=2.0) and other.reduction == "sum"
    assert not criterion.state_dict() and not [*criterion.parameters()]


# ---- torch.compile


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(
    "loss", [fl.Huber(), fl.SoftmaxCrossEntropy(), fl.GaussianNLL()], ids=lambda loss: loss.spec
)
def test_opcheck(loss, reduction, weighted):
    y, z = typical(loss)
    arguments = y, weights() if weighted else None, loss.spec, reduction
    torch.library.opcheck(ops.value_and_grad, (z, *arguments))
    torch.library.opcheck(ops.value, (z.detach(), *arguments))


@reductions
@every_loss
def test_operators_are_the_functions(loss, reduction):
    """What a graph runs; gradients of half the value, so that they are multiplied."""
    y, z = typical(loss)
    w = weights()
    value, _ = ops.value_and_grad(z, y, w, loss.spec, reduction)
    other = flt.evaluate(loss, z, y, w, reduction)
    assert torch.equal(value, other)
    assert torch.equal(ops.value(z.detach(), y, w, loss.spec, reduction), other)
    ours, theirs = (torch.autograd.grad(v.sum() / 2, z)[0] for v in (value, other))
    assert torch.equal(ours, theirs)


COMPILER = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="inductor needs a C++ compiler"
)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=COMPILER)])
def test_compiled(backend):
    torch._dynamo.reset()
    pairs = [(Own(), fl.SquaredError()), (fl.SoftmaxCrossEntropy(), fl.SoftmaxCrossEntropy())]
    for loss, plain in pairs:
        y, z = typical(plain)
        criterion = flt.loss(loss)
        compiled = torch.compile(criterion, fullgraph=True, backend=backend)
        (got,) = torch.autograd.grad(2 * compiled(z, y), z)
        (want,) = torch.autograd.grad(2 * criterion(z, y), z)
        assert torch.equal(got, want)
        with torch.no_grad():
            assert torch.equal(compiled(z, y), criterion(z, y))


def test_compiled_function_takes_names_and_losses():
    torch._dynamo.reset()
    loss = fl.Logistic(pos_weight=2.0)

    def total(z, y):
        return flt.evaluate(loss, z, y) + flt.evaluate("logistic", z, y, reduction="sum")

    y, z = typical(fl.Logistic())
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(z, y), total(z, y))


def test_classes_of_the_same_name_are_told_apart():
    first, second = (type("Twin", (fl.SquaredError,), {}) for _ in range(2))
    names = [name_of(first()), name_of(second()), name_of(first())]
    assert names[0] == names[2] != names[1]
    assert type(named(names[0])) is first and type(named(names[1])) is second


def test_there_are_no_third_derivatives():
    x = torch.randn(4, dtype=torch.float64, requires_grad=True)
    value = flt.loss("poisson")(x, torch.ones(4, dtype=torch.float64))
    (grad,) = torch.autograd.grad(value, x, create_graph=True)
    (hess,) = torch.autograd.grad(grad.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="twice, not three times"):
        (hess * x).sum().backward()


def test_a_compiled_loss_has_no_second_derivatives():
    criterion = flt.loss("poisson")
    compiled = torch.compile(criterion, backend="eager", fullgraph=True)
    x = torch.randn(4, dtype=torch.float64, requires_grad=True)
    y = torch.ones(4, dtype=torch.float64)
    (grad,) = torch.autograd.grad(compiled(x, y), x)
    assert torch.equal(grad, torch.autograd.grad(criterion(x, y), x)[0])
    with pytest.raises(RuntimeError, match="differentiated once only"):
        torch.autograd.grad(compiled(x, y), x, create_graph=True)
