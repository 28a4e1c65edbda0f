"""Every loss and rule, method, size and dtype by every peer: ``pytest benchmarks -k huber``.

One table for each case. Each peer is timed on its own here; ``fastloss bench`` takes them in
turns, so that noise hits all alike, and measures the machine's limits too.
"""

from __future__ import annotations

from functools import lru_cache

import pytest
from peers import PEERS

from fastloss.bench.cases import Task
from fastloss.bench.peers.base import GIVEN
from fastloss.bench.run import difference, full_plan

ENTRIES = [
    (case, peer, outputs)
    for case in full_plan().cases
    for peer in PEERS
    for outputs in peer.ways(case)
]


@lru_cache(maxsize=1)
def data_and_results(case: Task):
    data = case.data()
    return data, PEERS[0].prepare(case, data, GIVEN).call()


@pytest.mark.benchmark(max_time=0.1, min_rounds=5, warmup=False)
@pytest.mark.parametrize(
    ("case", "peer", "outputs"),
    ENTRIES,
    ids=[f"{case} {peer.name} {outputs}".replace("=", "") for case, peer, outputs in ENTRIES],
)
def test_case(benchmark, case, peer, outputs):
    data, expected = data_and_results(case)
    work = peer.prepare(case, data, outputs)
    assert difference(work.call(), expected) <= case.agreement
    benchmark.group = str(case)
    benchmark(work.run)
    if benchmark.stats:  # none with --benchmark-disable
        benchmark.extra_info["bytes"] = case.bytes
        benchmark.extra_info["bytes per second"] = case.bytes / benchmark.stats.stats.median
