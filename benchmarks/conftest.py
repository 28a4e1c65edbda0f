"""A line on the peers that run, and on those that do not."""

from __future__ import annotations

from peers import ABSENT, PEERS, THREADS


def pytest_report_header() -> list[str]:
    present = ", ".join(f"{peer.name} {peer.version}" for peer in PEERS)
    return [
        f"peers, {THREADS} threads: {present}",
        *(f"peer {name}: {why}" for name, why in ABSENT.items()),
    ]
