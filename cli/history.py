"""Events that have happened, read page by page."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime

from bus.client import Client
from bus.messages import Event
from cli import text
from cli.events import Wanted

FIRST_WINDOW = 100
"""Events looked at first for the last few that are wanted; each further window is twice as long."""


def between(client: Client, since: int, until: int, job_id: str | None = None) -> Iterator[Event]:
    """Every durable event after `since` up to `until`, in order; of one job where its id is given."""
    while since < until:
        events = client.events_page(since, job_id=job_id).events
        for event in events:
            assert event.seq is not None, "what is stored has a seq"
            if event.seq > until:
                return
            yield event
            since = event.seq
        if not events:
            return


def last(client: Client, count: int, since: int, until: int, wanted: Wanted) -> list[Event]:
    """The last `count` wanted events after `since` up to `until`, in order."""
    if not count:
        return []
    if wanted.job_id is not None:
        return list(deque(filter(wanted.fits, between(client, since, until, wanted.job_id)), count))
    events: list[Event] = []
    upper, window = until, max(count, FIRST_WINDOW)
    while upper > since and len(events) < count:
        lower = max(since, upper - window)
        events = [*filter(wanted.fits, between(client, lower, upper)), *events]
        upper, window = lower, 2 * window
    return events[-count:]


def seq_before(client: Client, when: datetime) -> int:
    """The `since` that gives what happened from `when` on: the seq of the last event before it, else 0.

    The store orders by seq alone, so that is looked for by halves: a million events take twenty questions of one event
    each. Where the daemon's clock was set back, a time has been there twice, and either may be found.
    """
    before, after = 0, client.status().last_seq + 1
    while after - before > 1:
        middle = (before + after) // 2
        found = client.events_page(middle - 1, limit=1).events
        if not found or text.moment(found[0].at) >= when:
            after = middle
        else:
            # What was asked for may be forgotten, and this the oldest that is left.
            before = found[0].seq or middle
    return before
