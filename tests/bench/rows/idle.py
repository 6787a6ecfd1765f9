"""What a daemon costs that has nothing to do."""

import time
from collections.abc import Callable

from tests.bench.lineup import Bench
from tests.bench.measure import cpu_seconds
from tests.bench.ours import Rushes
from tests.bench.peers.base import WORKERS
from tests.bench.report import Figure, Goal, Row
from tests.support.load import memory

KEY = "idle"

SECONDS = 60.0
QUICK_SECONDS = 10.0

SETTLE_SECONDS = 3.0
"""After the start, which is no idling; the look for damage goes on for a second beside the work."""

HOUR = 3600

GOAL_CPU = 0.005
GOAL_RSS = 60_000_000


def measure(bench: Bench, meanwhile: Callable[[], None]) -> list[Row]:
    """For a minute; `meanwhile` is what the bench does in that time, rows that themselves mostly wait."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    with bench.taking_part(Rushes, bench.stub.path, WORKERS) as peer:
        assert isinstance(peer, Rushes), "it was made from that class"
        time.sleep(SETTLE_SECONDS)
        pid = peer.daemon.pid
        began, before = time.monotonic(), cpu_seconds(pid)
        meanwhile()
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        took, used = time.monotonic() - began, cpu_seconds(pid) - before
        resident = memory(pid)
    share = used / took
    text = f"{share:.2%} of a core ({share * HOUR:.1f} s an hour), {resident / 1e6:.0f} MB"
    return [
        Row(
            key=KEY,
            what="idle",
            how=f"CPU over {took:.0f} s, and what is in memory then",
            ours=Figure(share, text, {"cpu_seconds": used, "seconds": took, "rss": resident}),
            goals=[
                Goal(f"≤ {GOAL_CPU:.1%} of a core", share <= GOAL_CPU),
                Goal(f"≤ {GOAL_RSS / 1e6:.0f} MB", resident <= GOAL_RSS),
            ],
        )
    ]
