"""History ends in time: what is over is expired, what is too much is evicted, what is old is forgotten.

All run in the Queue's thread, a little at each sweep.
"""

from typing import Literal, NamedTuple

from actors.jobs import changes
from actors.jobs.ledger import STEADY
from actors.jobs.model import Deleting, timestamp
from actors.jobs.turn import Turn

SWEEP_JOBS = 100
"""Jobs whose removal one sweep begins; the next sweep takes the next."""

REMEMBER_SECONDS = 48 * 3600.0
"""How long a command's reply is kept for its repetition; the protocol promises half of it."""

DAY_SECONDS = 86_400.0


class Policy(NamedTuple):
    """How long what is kept. `max_bytes` is of files that finished jobs made; None is as many as there are."""

    keep_files: bool = False
    max_bytes: int | None = None
    events_days: float = 30.0


def sweep(turn: Turn, policy: Policy) -> None:
    """One look at everything that may have had its time."""
    store, steady = turn.store, turn.ledger.steady
    mark = steady.due()
    if mark is not None:
        store.set_meta(STEADY, mark.decode())
    for job_id in store.expired(steady.now(), SWEEP_JOBS):
        expire(turn, job_id, keep_files=policy.keep_files, why="ttl")
    if policy.max_bytes is not None and not policy.keep_files:
        _evict(turn, policy.max_bytes)
    store.places.prune()
    store.records.prune_commands(timestamp(-REMEMBER_SECONDS))
    store.records.prune_history(timestamp(-policy.events_days * DAY_SECONDS))


def _evict(turn: Turn, max_bytes: int) -> None:
    """Begin to remove the jobs that ended first, until what the others keep fits."""
    too_many = turn.store.kept_bytes() - max_bytes if turn.ledger.may_keep_more else 0
    if too_many <= 0:
        turn.ledger.may_keep_more = False
        return
    for job_id, size in turn.store.evictable(SWEEP_JOBS):
        expire(turn, job_id, keep_files=False, why="max_bytes")
        too_many -= size
        if too_many <= 0:
            return


def expire(turn: Turn, job_id: str, *, keep_files: bool, why: Literal["ttl", "max_bytes"]) -> None:
    """Begin the removal of a job whose time is over, or that has to make room."""
    job = changes.find(turn, job_id)
    keep = keep_files or job.spec.keep_files
    job.deleting = Deleting(by=None, command_id=None, kind="expired", keep_files=keep, why=why)
    turn.save(job)
    changes.begin_removal(turn, job)
