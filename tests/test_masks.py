"""No function drops a mask in silence: masked arrays are refused, by the argument's name."""

import numpy as np
import pytest
from row_samples import LOSSES as ROW_LOSSES, typical as typical_rows
from samples import defaults, typical

import fastloss as fl

Y, P, W = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.6]), np.ones(3)
X = np.arange(12.0).reshape(4, 3)


def losses():
    for loss in defaults():
        yield loss, dict(zip(("y_true", "y_pred"), typical(loss, 5), strict=True))
    for loss in ROW_LOSSES:
        yield loss, dict(zip(("y_true", "y_pred"), typical_rows(loss, 5, 3), strict=True))


def calls():
    """Every function that takes arrays, with what it takes."""
    for loss, arrays in losses():
        arrays = arrays | {"sample_weight": np.ones(5)}
        for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess):
            yield f"{loss!r}.{getattr(method, '__name__', '')}", method, arrays
        if getattr(loss, "parameters", {}).get("axis", -1) == -1:
            groups = np.arange(5) % 2
            try:
                fl.score(**arrays, losses=loss)
            except ValueError:  # classes have weights of their own
                continue
            yield (
                f"score of {loss!r}",
                lambda loss=loss, **given: fl.score(losses=loss, **given),
                arrays | {"groups": groups},
            )
    for function in (fl.softmax, fl.log_softmax, fl.logsumexp, fl.sigmoid):
        yield function.__name__, function, {"x": X}
    yield "calibration", fl.calibration, {"y_true": Y, "y_pred": P, "sample_weight": W}
    rows = {"anchor": X, "positive": X + 1, "negative": X - 1, "sample_weight": np.ones(4)}
    yield "TripletMargin", fl.TripletMargin(), rows
    yield "TripletMargin.grad", fl.TripletMargin().grad, rows
    times = {"y_true": np.array([1.0, -2.0, 3.0]), "y_pred": P, "sample_weight": W}
    yield "AFT", fl.AFT(), times
    yield "CoxPH", fl.CoxPH().grad_and_hess, times
    queries = {"y_true": Y, "y_pred": P, "groups": np.array([1, 1, 1]), "sample_weight": W}
    yield "LambdaRank", fl.LambdaRank().grad, queries
    yield "Contrastive", fl.Contrastive(), {"first": X, "second": X + 1}
    pairs = {"first": X, "second": X + 1, "sample_weight": np.ones(4)}
    signs = np.array([1, -1, 1, -1])
    yield "CosineEmbedding", fl.CosineEmbedding().grad, pairs | {"y_true": signs}
    spread = {"y_true": np.ones(X.shape), "sample_weight": np.ones(X.shape)}
    yield "MarginRanking", fl.MarginRanking().grad, pairs | spread
    embedded = {"labels": np.arange(4) % 2, "embeddings": X, "sample_weight": np.ones(4)}
    for kind in (fl.TripletHard, fl.TripletSemiHard, fl.SupervisedContrastive, fl.Circle):
        yield kind.__name__, kind().grad, embedded
    labels = {"X": X, "W": np.ones((3, 2)), "b": np.ones(2), "y_true": np.array([0, 1, 0, 1])}
    labels |= {"sample_weight": np.ones(4)}
    yield "LinearCrossEntropy", fl.LinearCrossEntropy(), labels
    sequences = {"y_true": np.ones((2, 3), int), "y_pred": np.zeros((7, 2, 4))}
    sequences |= {"input_lengths": np.array([7, 5]), "target_lengths": np.array([3, 2])}
    yield "CTC", fl.CTC(), sequences | {"sample_weight": np.ones(2)}
    for name in ("__call__", "assign", "value_and_grad"):
        yield name, getattr(fl.KMeansLoss(), name), {"X": X, "centers": X[:2]}
    adversarial = fl.Adversarial("hinge")
    yield "discriminator", adversarial.discriminator, {"real_scores": Y, "fake_scores": P}
    yield "generator", adversarial.generator, {"fake_scores": P}
    for penalty in (fl.penalties.L1(0.1), fl.penalties.ElasticNet(0.1, 0.2)):
        yield f"{penalty!r}", penalty.value_and_grad, {"w": P}
        yield f"{penalty!r}.prox", lambda w, p=penalty: p.prox(w, 0.1), {"w": P}
    yield "GroupLasso", fl.penalties.GroupLasso(0.1).value, {"w": X}
    yield "Adam", lambda grads: fl.optim.Adam(P.copy()).step(grads), {"grads": P}


CALLS = list(calls())


@pytest.mark.parametrize(("call", "arrays"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_masked_arrays_are_refused(call, arrays):
    call(**arrays)
    for name, array in arrays.items():
        nothing, something = np.zeros(array.shape, bool), np.zeros(array.shape, bool)
        something.flat[1] = True
        for mask in (nothing, something):
            masked = np.ma.masked_array(array, mask)
            with pytest.raises(TypeError, match=f"^{name} is a masked array"):
                call(**arrays | {name: masked})
            if array.dtype.kind == "f" and array.ndim == 1 and something is mask:
                with pytest.warns(UserWarning, match="masked element to nan"):
                    with pytest.raises(TypeError, match=f"^{name} (is|holds) .*mask"):
                        call(**arrays | {name: list(masked)})
            if array.ndim > 1:
                with pytest.raises(TypeError, match=f"^{name} is a masked array"):
                    call(**arrays | {name: [array[0], *masked[1:]]})


def test_masks_of_other_arguments():
    masked = np.ma.masked_array(P, [False, True, False])
    with pytest.raises(TypeError, match="must be a numpy.ndarray; got MaskedArray"):
        fl.optim.Adam(masked)
    with pytest.raises(TypeError, match="out must be a numpy.ndarray; got MaskedArray"):
        fl.Huber().grad(Y, P, out=masked.copy())
    with pytest.raises(TypeError, match=r"class_weight\[1\] must be a real number"):
        fl.SoftmaxCrossEntropy(class_weight=masked)
    with pytest.raises((TypeError, ValueError), match="mask"):
        fl.penalties.GroupLasso(0.1, groups=np.ma.masked_array([0, 1, 0], [0, 1, 0])).value(P)
    opt = fl.optim.Adam(P.copy())
    state = opt.state_dict()
    state["state"][0]["exp_avg"] = masked
    with pytest.raises((TypeError, ValueError), match="mask"):
        opt.load_state_dict(state)
