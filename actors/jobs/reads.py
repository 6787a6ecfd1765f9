"""What the Queue answers without a turn: what only it knows, and what a command would do. All in its thread."""

import os
import time
from typing import Any, NamedTuple

from actors.jobs import changes, dry_run, why
from actors.jobs.keeper import DISK_FULL, Keeper
from actors.jobs.ledger import Ledger
from actors.jobs.turn import Turn
from bus import messages as m
from bus.errors import Unavailable
from bus.inbox import Request
from bus.limits import CPU


class About(NamedTuple):
    """What the daemon knows of itself. `started_monotonic` is seconds of the monotonic clock."""

    version: str
    started_at: str
    started_monotonic: float


def is_read(command: m.AnyCommand) -> bool:
    """True where the Queue answers it without a turn."""
    return isinstance(command, (m.Get, m.Status, m.Why)) or dry_run.is_dry_run(command)


def answer(request: Request, keeper: Keeper, about: About, work: str) -> Any:
    """The result, or what the Janitor has to find out for it; `work` is the folder of every run's notes.

    Raises:
        CommandRefused: there is no such job, or what is tried would be refused.
        StoreError: the store cannot be read.

    """
    command, turn = request.command, Turn(keeper.store, keeper.ledger)
    match command:
        case m.Get():
            return m.JobResult(turn.placed(changes.find(turn, command.job_id)))
        case m.Status():
            return _status(keeper.ledger, about)
        case m.Why():
            return why.explain(turn, changes.find(turn, command.job_id), work, is_full=keeper.is_full)
    if not keeper.can_afford(command):
        raise Unavailable(DISK_FULL)
    return dry_run.attempt(keeper.store, keeper.ledger, request)


def _status(ledger: Ledger, about: About) -> m.StatusResult:
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
