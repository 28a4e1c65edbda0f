"""What the benchmarks share: the peers that are installed, and a line on those that are not."""

from __future__ import annotations

import fastloss
from fastloss.bench.peers.fastloss_peer import Fastloss
from fastloss.bench.run import find_peers

THREADS = fastloss.get_num_threads()
OTHERS, ABSENT = find_peers(None, THREADS, slow=True)
PEERS = [Fastloss(), *OTHERS]


def pytest_report_header() -> list[str]:
    present = ", ".join(f"{peer.name} {peer.version}" for peer in PEERS)
    return [
        f"peers, {THREADS} threads: {present}",
        *(f"peer {name}: {why}" for name, why in ABSENT.items()),
    ]
