"""The libraries that are compared, from the plainest to the most elaborate."""

from __future__ import annotations

from fastloss.bench.peers.base import Peer
from fastloss.bench.peers.jax_peer import Jax, Optax
from fastloss.bench.peers.numba_peer import Numba, NumbaStrict
from fastloss.bench.peers.numexpr_peer import NumExpr
from fastloss.bench.peers.numpy_peer import NumPy
from fastloss.bench.peers.scipy_peer import SciPy
from fastloss.bench.peers.sklearn_peer import ScikitLearn, ScikitLearnMetrics
from fastloss.bench.peers.torch_peer import Torch, TorchCompile, TorchFused

PEERS: tuple[type[Peer], ...] = (
    NumPy,
    SciPy,
    NumExpr,
    Numba,
    NumbaStrict,
    ScikitLearn,
    ScikitLearnMetrics,
    Torch,
    TorchFused,
    TorchCompile,
    Jax,
    Optax,
)
