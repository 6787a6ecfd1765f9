"""How a reader of events stays whole: the rules, without a socket. `Client` and `AsyncClient` both follow them.

Published events are hints that may be dropped; the store is the truth. A reader keeps the seq of the last event it
gave its user. The next one fits, or it fetches what is missing with `events`.
"""

from collections.abc import Iterator
from enum import Enum, auto

from bus.messages import Event, EventsResult

HEARTBEAT = "daemon.heartbeat"

EVENTS_KEPT = 100_000
"""Events held for a user who is slow to ask for the next; what comes after is fetched again instead."""


class Next(Enum):
    """What a published event means for a reader."""

    GIVE = auto()
    SKIP = auto()
    FETCH = auto()


class Follower:
    """The position of one reader in the history of one store.

    Args:
        since: the seq of the last event the user has already seen.
        ephemeral: give `progress` and other events without a seq, too.

    """

    def __init__(self, since: int, *, ephemeral: bool = False) -> None:
        self.seen = since
        self.epoch: str | None = None
        self._ephemeral = ephemeral

    def offer(self, event: Event) -> Next:
        """What to do with an event that was just heard."""
        if event.type == HEARTBEAT:
            behind = int(event.data["last_seq"]) != self.seen or event.data["epoch"] != self.epoch
            return Next.FETCH if behind else Next.SKIP
        if event.seq is None:
            return Next.GIVE if self._ephemeral else Next.SKIP
        if event.seq == self.seen + 1:
            self.seen = event.seq
            return Next.GIVE
        return Next.SKIP if event.seq <= self.seen else Next.FETCH

    def page(self, page: EventsResult) -> Iterator[Event]:
        """Take a page that was fetched with `since=seen`: what of it is new, in order."""
        if self.epoch is not None and page.epoch != self.epoch:
            # Another history: its events are other events, so this reader begins with its first.
            self.epoch, self.seen = page.epoch, 0
            return
        self.epoch = page.epoch
        for event in page.events:
            if event.seq is not None and event.seq > self.seen:
                self.seen = event.seq
                yield event
        if not page.events:
            self.seen = page.last_seq

    def whole(self, page: EventsResult) -> bool:
        """True where nothing is left to fetch after `page` was taken."""
        return page.epoch == self.epoch and self.seen >= page.last_seq
