"""Who gets a slot: the queue's order, several resources, and no large job that small ones overtake for ever.

A job that does not fit yet keeps what it needs from those behind it: each starts only where there is enough for all
before it and for itself. So what is free of a resource may wait for a large job; whoever needs none of that resource
does not. Jobs that need the same have one shape, and of each shape only the first can be next: what is looked at are
the shapes, however long the queue is. All run in the Queue's thread.
"""

import heapq

from actors.jobs import outcomes, waits
from actors.jobs.model import Job
from actors.jobs.slots import fits, need_of
from actors.jobs.turn import Turn


def fill(turn: Turn, work: str) -> None:
    """Start what may start now. `work` is the folder that every run needs for its notes."""
    free = turn.ledger.free_for_queue()
    if not turn.ledger.statuses["queued"] or work in turn.ledger.low_folders or not _any(free):
        return
    heads: list[tuple[int, int, str, Job]] = []
    for shape in turn.store.ready_shapes():
        if fits(need_of(shape), turn.ledger.slots):  # else it is more than there is: it keeps nothing from others
            _push_first(turn, shape, heads)
    while heads and _any(free):
        *_, shape, job = heapq.heappop(heads)
        need = need_of(shape)
        has_room = fits(need, free)
        for name, count in need.items():
            free[name] -= count
        if has_room:
            outcomes.start(turn, job)
            _push_first(turn, shape, heads)


def _push_first(turn: Turn, shape: str, heads: list[tuple[int, int, str, Job]]) -> None:
    job = waits.next_ready(turn, shape)
    if job is not None:
        heapq.heappush(heads, (-job.priority, job.rank, shape, job))


def _any(free: dict[str, int]) -> bool:
    return any(count > 0 for count in free.values())
