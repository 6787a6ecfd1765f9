"""A reader of events that misses none, for a thread."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import zmq

from bus import codec
from bus import messages as m
from bus.errors import Busy, NoDaemon, Unavailable
from bus.follow import EVENTS_KEPT, Follower, Next
from bus.request import Connection, milliseconds


class EventStream:
    """The events of one daemon, made whole. An iterator; or `next(timeout)`, which gives None after that long."""

    def __init__(
        self,
        connection: Connection,
        fetch: Callable[[int], m.EventsResult],
        since: int,
        *,
        ephemeral: bool,
    ) -> None:
        self._fetch_page = fetch
        self._sub: zmq.Socket[bytes] = connection.socket(zmq.Context.instance(), zmq.SUB)
        self._sub.rcvhwm = EVENTS_KEPT
        self._sub.subscribe(b"")
        self._sub.connect(connection.endpoints.events)
        self._follower = Follower(since, ephemeral=ephemeral)
        self.seen = since
        """The seq of the last event given: the `since` that goes on from here."""
        self.heard_at = time.monotonic()
        """When the daemon was last heard, on the monotonic clock. It has a heartbeat of a second."""
        self._ready: deque[m.Event] = deque()
        self._fetch = True

    @property
    def epoch(self) -> str | None:
        """Of the database that the events come from; None before the first were fetched.

        Where it changes, another database answers: its events are given from the first, whatever was given before.
        """
        return self._follower.epoch

    def __iter__(self) -> Iterator[m.Event]:
        return self

    def __next__(self) -> m.Event:
        event = self.next(None)
        assert event is not None
        return event

    def next(self, timeout: float | None) -> m.Event | None:
        """The next event, or None when there was none for `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._ready:
                event = self._ready.popleft()
                self.seen = event.seq or self.seen
                return event
            if self._fetch:
                self._catch_up()
                continue
            left = 3600.0 if end is None else end - time.monotonic()
            if left <= 0:
                return None
            if self._sub.poll(milliseconds(left)):
                self.heard_at = time.monotonic()
                self._hear(codec.decode_event(self._sub.recv_multipart()[-1]))

    def _hear(self, event: m.Event) -> None:
        match self._follower.offer(event):
            case Next.GIVE:
                self._ready.append(event)
            case Next.FETCH:
                self._fetch = True
            case Next.SKIP:
                pass

    def _catch_up(self) -> None:
        """Fetch one page of what is missing; where nobody can give it now, leave it to the next heartbeat."""
        self._fetch = False
        try:
            page = self._fetch_page(self._follower.seen)
        except (NoDaemon, Busy, Unavailable):
            return
        self._ready.extend(self._follower.page(page))
        self._fetch = not self._follower.whole(page)

    def close(self) -> None:
        """Stop listening."""
        self._sub.close(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
