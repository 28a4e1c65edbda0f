"""Values outside a loss's domain: found in every place, named, never clipped."""

import pickle

import numpy as np
import pytest
from samples import DTYPES, defaults, typical, variants

import fastloss as fl

NAMES = ("y_true", "y_pred")


def domain_of(loss, name):
    return loss.y_domain if name == "y_true" else loss.z_domain


def outside(domain, dtype):
    """Numbers just outside a domain, and far from it."""
    edges = [dtype(edge) for edge in (domain.low, domain.high, -domain.low, -domain.high)]
    edges += [dtype(0), dtype(-1), dtype(1)]
    near = [np.nextafter(edge, dtype(to)) for edge in edges for to in (-np.inf, np.inf)]
    return sorted({float(x) for x in (*edges, *near, -7.5, 7.5) if float(x) not in domain})


CASES = [
    pytest.param(loss, name, id=f"{loss!r}-{name}")
    for loss in variants()
    for name in NAMES
    if domain_of(loss, name).bounded
]
FIRST_CASES = [
    pytest.param(loss, name, id=f"{loss.name}-{name}")
    for loss in defaults()
    for name in NAMES
    if domain_of(loss, name).bounded
]


def with_bad(loss, name, n, places, dtype=np.float64, value=None):
    y, z = typical(loss, n, dtype)
    value = outside(domain_of(loss, name), dtype)[0] if value is None else value
    (y if name == "y_true" else z).flat[places] = value
    return y, z


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "name"), CASES)
def test_every_value_outside_raises(loss, name, dtype):
    domain = domain_of(loss, name)
    values = outside(domain, dtype)
    assert values
    for value in values:
        y, z = with_bad(loss, name, 20, 13, dtype, value)
        for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess):
            for reduction in ("mean", "sum", "none"):
                with pytest.raises(fl.DomainError) as error:
                    method(y, z, reduction=reduction)
                raised = error.value
                assert isinstance(raised, ValueError)
                assert raised.argument == name
                assert raised.index == (13,)
                assert raised.value == value
                assert str(domain) in raised.domain
                assert f"{name}[13] = " in str(raised)
                assert f"is not in {domain}" in str(raised)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "name"), CASES)
def test_the_ends_belong_to_the_domain_or_not(loss, name, dtype):
    domain = domain_of(loss, name)
    low, high = domain.closed(dtype)
    for value in {low, high} - {np.inf, -np.inf}:
        y, z = with_bad(loss, name, 20, 13, dtype, value)
        loss(y, z)
    for end, is_open in ((domain.low, domain.open_low), (domain.high, domain.open_high)):
        if np.isfinite(end):
            assert (end in domain) != is_open


@pytest.mark.parametrize("place", [0, 15, 16, 510, 511, 512, 513, 1023, 1024, 1036])
@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
def test_every_place_is_looked_at(loss, name, place):
    y, z = with_bad(loss, name, 1037, place, np.float32)
    for method in (loss, loss.grad):
        with pytest.raises(fl.DomainError) as error:
            method(y, z)
        assert error.value.index == (place,)


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
def test_the_first_bad_value_is_named_in_large_arrays(loss, name, threads):
    y, z = with_bad(loss, name, 131_077, [70_001, 70_002, 131_076])
    with fl.num_threads(threads):
        for _ in range(3):
            with pytest.raises(fl.DomainError) as error:
                loss(y, z)
            assert error.value.index == (70_001,)


@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray, lambda x: x.astype(">f8")])
@pytest.mark.parametrize("shape", [(7, 100, 2), (700, 2), (1, 1400)])
def test_the_index_has_the_dimensions_of_the_array(shape, layout):
    loss = fl.LogLoss()
    y, z = (layout(x.reshape(shape)) for x in typical(loss, 1400))
    index = tuple(n - 1 for n in shape)
    z[index] = 1.5
    with pytest.raises(fl.DomainError) as error:
        loss(y, z)
    assert error.value.index == index
    assert str(error.value) == f"y_pred[{', '.join(map(str, index))}] = 1.5 is not in [0, 1]"


def test_the_message_for_a_scalar_has_no_index():
    with pytest.raises(ValueError, match=r"^y_pred = 1.5 is not in \[0, 1\]$"):
        fl.LogLoss()(1.0, 1.5)


def test_y_true_is_named_before_y_pred_of_the_same_row():
    with pytest.raises(ValueError, match=r"^y_true\[1\] = 3.0 is not in \[0, 1\]$"):
        fl.LogLoss()([1.0, 3.0], [0.5, 1.5])


def test_an_earlier_row_is_named_before_a_later_one_of_another_argument():
    with pytest.raises(ValueError, match=r"^y_pred\[0\]"):
        fl.LogLoss()([1.0, 3.0], [1.5, 0.5])


@pytest.mark.parametrize("given", [np.int64, np.float16, np.bool_])
def test_the_value_is_the_one_that_was_passed(given):
    y = np.array([1, 1, 0]).astype(given)
    with pytest.raises(fl.DomainError) as error:
        fl.Hinge()(y, [0.5, 0.5, 0.5])
    assert error.value.value == 0
    assert error.value.index == (2,)


@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
@pytest.mark.parametrize("places", [[0], [512], [599], slice(None)])
def test_rows_of_weight_0_are_excused(loss, name, places):
    y, z = with_bad(loss, name, 600, places)
    w = np.ones(600)
    w[places] = 0
    for method in (loss, loss.grad):
        result = method(y, z, sample_weight=w, reduction="sum")
        assert np.isfinite(result).all()


@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
def test_a_bad_row_after_one_that_is_excused_is_found(loss, name):
    y, z = with_bad(loss, name, 600, [100, 555])
    w = np.ones(600)
    w[100] = 0
    with pytest.raises(fl.DomainError) as error:
        loss(y, z, sample_weight=w)
    assert error.value.index == (555,)


@pytest.mark.parametrize("policy", ["propagate", "omit"])
@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
def test_nan_is_never_a_domain_error(loss, name, policy):
    y, z = with_bad(loss, name, 600, [3, 511, 599], value=np.nan)
    loss(y, z, nan_policy=policy)
    loss.grad(y, z, nan_policy=policy)


@pytest.mark.parametrize("policy", ["propagate", "omit", "raise"])
@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
def test_nan_hides_no_value_outside(loss, name, policy):
    y, z = with_bad(loss, name, 600, 40)
    (y if name == "y_true" else z)[[39, 41] if policy != "raise" else [41, 42]] = np.nan
    with pytest.raises(fl.DomainError, match="is not in") as error:
        loss(y, z, nan_policy=policy)
    assert error.value.index == (40,)


@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
def test_omit_excuses_the_row_of_a_nan(loss, name):
    y, z = with_bad(loss, name, 600, 40)
    (z if name == "y_true" else y)[40] = np.nan
    assert np.isfinite(loss(y, z, nan_policy="omit"))
    with pytest.raises(fl.DomainError):
        loss(y, z)


@pytest.mark.parametrize(("loss", "name"), FIRST_CASES)
def test_scores_check_every_loss(loss, name):
    y, z = with_bad(loss, name, 600, 555)
    with pytest.raises(fl.DomainError) as error:
        fl.score(y, z, ["mse", loss])
    assert error.value.index == (555,)
    assert error.value.argument == name


def test_a_domain_error_can_be_pickled():
    with pytest.raises(fl.DomainError) as error:
        fl.LogLoss()([1.0], [1.5])
    copy = pickle.loads(pickle.dumps(error.value))
    assert str(copy) == str(error.value)
    assert (copy.argument, copy.index, copy.value) == ("y_pred", (0,), 1.5)
    assert type(copy) is fl.DomainError
