"""JAX and optax as peers."""

import os

import pytest

from fastloss.bench import run
from fastloss.bench.cases import DTYPES, Case, row_names, sweep
from fastloss.bench.peers.base import FRESH, GIVEN
from fastloss.bench.peers.fastloss_peer import Fastloss
from fastloss.bench.peers.jax_peer import Jax, Optax
from fastloss.losses.base import pointwise_names


@pytest.mark.parametrize("cls", [Jax, Optax], ids=lambda cls: cls.name)
def test_jax_agrees_on_every_loss(cls):
    pytest.importorskip(cls.library, reason=f"{cls.library} is a peer, not a requirement")
    peer = cls()
    peer.set_threads(1)
    pointwise = sweep(pointwise_names(), [run.BOTH], [(64,)], DTYPES[:1])
    rows = sweep(row_names(), [run.BOTH], [(6, 7)], DTYPES[:1])
    cases = [case for case in (*pointwise, *rows) if peer.outputs(case)]
    for case in cases:
        data = case.data()
        expected = Fastloss().work(case, *data, GIVEN).call()
        assert peer.outputs(case) == (FRESH,)
        assert run.difference(peer.work(case, *data, FRESH).call(), expected) <= 1e-5, case
    names = {case.name for case in cases}
    every = {*pointwise_names(), *row_names()}
    assert names == every if cls is Jax else {"mse", "logistic", run.SOFTMAX} < names < every


def test_jax_leaves_settings_as_they_were(monkeypatch):
    jax = pytest.importorskip("jax", reason="JAX is a peer, not a requirement")
    monkeypatch.setenv("PJRT_NPROC", "3")
    peer = Jax()
    peer.set_threads(1)
    assert os.environ["PJRT_NPROC"] == "3"
    case = Case("mse", run.BOTH, (5,), "float64")
    value, grad = peer.work(case, *case.data(), FRESH).run()
    assert value.dtype == grad.dtype == "float64"
    assert not jax.config.jax_enable_x64
