"""Events that have happened, read page by page."""

from collections import deque
from collections.abc import Iterator

from bus.client import Client
from bus.messages import Event
from cli.events import Wanted

FIRST_WINDOW = 100
"""Events looked at first for the last few that are wanted; each further window is twice as long."""

MAX_LOOKBACK = 100_000
"""Events looked at in all for the last few that are wanted: some seconds' reading."""


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


def last(client: Client, count: int, until: int, wanted: Wanted) -> list[Event]:
    """The last `count` wanted events up to `until`, in order."""
    if wanted.job_id is not None:
        return list(deque(filter(wanted.fits, between(client, 0, until, wanted.job_id)), count))
    events: list[Event] = []
    upper, window = until, max(count, FIRST_WINDOW)
    while upper > 0 and len(events) < count and until - upper < MAX_LOOKBACK:
        lower = max(0, upper - window)
        events = [*filter(wanted.fits, between(client, lower, upper)), *events]
        upper, window = lower, 2 * window
    return events[-count:] if count else []
