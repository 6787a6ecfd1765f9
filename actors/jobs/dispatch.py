"""Who gets a slot: the queue's order, several resources, and no large job that small ones overtake for ever.

A job that does not fit yet keeps what it needs from those behind it, so that what is free of a resource may wait for a
large job; whoever needs none of that resource does not. Jobs that need the same have one shape, and of each shape only
the first can be next, and keeps anything from others: what is looked at are the shapes, however long the queue is. All
run in the Queue's thread.
"""

import heapq

from actors.jobs import outcomes, pauses, shutdown, waits
from actors.jobs.slots import fits, need_of
from actors.jobs.turn import Turn


def dispatch(turn: Turn, work: str) -> None:
    """Let go on, then start, what there are slots for. `work` is the folder that every run needs for its notes."""
    if turn.ledger.stopping in shutdown.ENDING:
        return
    pauses.go_on_where_there_are_slots(turn)
    if not (turn.ledger.draining or turn.ledger.stopping):
        fill(turn, work)


def fill(turn: Turn, work: str) -> None:
    """Start what may start now."""
    ledger, store = turn.ledger, turn.store
    free = ledger.free_for_queue()
    if not ledger.statuses["queued"] or work in ledger.low_folders or not any(count > 0 for count in free.values()):
        return
    # One that takes more than there is keeps nothing from others.
    shapes = [shape for shape in store.ready_shapes() if fits(need_of(shape), ledger.slots)]
    if not any(fits(need_of(shape), free) for shape in shapes):
        return  # so it is at most turns: where nobody can start, nobody's place has to be known
    heads = store.heads(shapes)
    heapq.heapify(heads)
    while heads and any(count > 0 for count in free.values()):
        place = heapq.heappop(heads)
        shape = place[2]
        need = need_of(shape)
        has_room = fits(need, free)
        if has_room or ledger.low_folders:
            job = waits.next_ready(turn, shape)
            if job is None:
                continue  # all of that shape that were looked at wait for room on a disk
            if (-job.priority, job.rank) != place[:2]:
                heapq.heappush(heads, (-job.priority, job.rank, shape))  # the first was put aside
                continue
            if has_room:
                outcomes.start(turn, job)
                for head in store.heads([shape]):
                    heapq.heappush(heads, head)
        for name, count in need.items():
            free[name] -= count
