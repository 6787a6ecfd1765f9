"""What the Queue answers without a turn: the commands that read what only it knows. All in its thread."""

import os
import time
from typing import NamedTuple

from actors.jobs.dry_run import is_dry_run
from actors.jobs.ledger import Ledger
from bus import messages as m
from bus.limits import CPU


class About(NamedTuple):
    """What the daemon knows of itself. `started_monotonic` is seconds of the monotonic clock."""

    version: str
    started_at: str
    started_monotonic: float


def is_read(command: m.AnyCommand) -> bool:
    """True where the Queue answers it without a turn."""
    return isinstance(command, (m.Get, m.Status, m.Why)) or is_dry_run(command)


def status(ledger: Ledger, about: About) -> m.StatusResult:
    """The daemon itself."""
    return m.StatusResult(
        version=about.version,
        pid=os.getpid(),
        started_at=about.started_at,
        uptime=round(time.monotonic() - about.started_monotonic, 3),
        slots=ledger.slots.get(CPU, 0),
        running=len(ledger.running),
        queued=ledger.statuses["queued"],
        draining=ledger.draining or ledger.stopping == "drain",
        last_seq=ledger.seq,
        epoch=ledger.epoch,
        counts={status: ledger.statuses[status] for status in sorted(m.STATUSES)},
        resources={name: m.ResourceView(total, ledger.used[name]) for name, total in sorted(ledger.slots.items())},
    )
