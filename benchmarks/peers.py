"""The peers that are installed, and why the others are not."""

from __future__ import annotations

import fastloss
from fastloss.bench.peers.fastloss_peer import Fastloss
from fastloss.bench.run import find_peers

THREADS = fastloss.get_num_threads()
OTHERS, ABSENT = find_peers(None, THREADS, slow=True)
PEERS = [Fastloss(), *OTHERS]
