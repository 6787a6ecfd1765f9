"""The events of one daemon as an asynchronous iterator, made whole as `bus.follow` says."""

import math
import time
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

import zmq.asyncio

from bus import codec
from bus import messages as m
from bus.errors import Busy, NoDaemon, Unavailable
from bus.follow import EVENTS_KEPT, Follower, Next
from bus.request import Connection

if TYPE_CHECKING:
    from bus.aio import AsyncClient


class AsyncEventStream:
    """An asynchronous iterator; or `next(timeout)`, which gives None after that long. For one task at a time.

    Each wait on the socket is a poll: a cancelled poll loses nothing, where a cancelled receive could.
    """

    def __init__(
        self,
        client: "AsyncClient",
        connection: Connection,
        since: int | None,
        *,
        ephemeral: bool,
    ) -> None:
        self._client = client
        self._sub: zmq.asyncio.Socket = connection.socket(zmq.asyncio.Context.instance(), zmq.SUB)
        self._sub.rcvhwm = EVENTS_KEPT
        self._sub.subscribe(b"")
        self._sub.connect(connection.endpoints.events)
        self._ephemeral = ephemeral
        self._follower = None if since is None else Follower(since, ephemeral=ephemeral)
        self.seen = since or 0
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
        return None if self._follower is None else self._follower.epoch

    def __aiter__(self) -> AsyncIterator[m.Event]:
        return self

    async def __anext__(self) -> m.Event:
        event = await self.next(None)
        assert event is not None
        return event

    async def next(self, timeout: float | None) -> m.Event | None:
        """The next event, or None when there was none for `timeout` seconds."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        follower = await self._start()
        while True:
            if self._ready:
                event = self._ready.popleft()
                self.seen = event.seq or self.seen
                return event
            if self._fetch:
                await self._catch_up(follower)
                continue
            left = end - time.monotonic()
            if left <= 0:
                return None
            if await self._sub.poll(None if left == math.inf else math.ceil(left * 1000)):
                self.heard_at = time.monotonic()
                self._hear(follower, codec.decode_event((await self._sub.recv_multipart())[-1]))

    async def _start(self) -> Follower:
        """The position, which begins now where the user gave none."""
        if self._follower is None:
            self.seen = (await self._client.status()).last_seq
            self._follower = Follower(self.seen, ephemeral=self._ephemeral)
        return self._follower

    def _hear(self, follower: Follower, event: m.Event) -> None:
        match follower.offer(event):
            case Next.GIVE:
                self._ready.append(event)
            case Next.FETCH:
                self._fetch = True
            case Next.SKIP:
                pass

    async def _catch_up(self, follower: Follower) -> None:
        """Fetch one page of what is missing; without a daemon, leave it to the next heartbeat."""
        try:
            page = await self._client.events_page(follower.seen)
        except (NoDaemon, Busy, Unavailable):
            self._fetch = False
            return
        self._ready.extend(follower.page(page))
        self._fetch = not follower.whole(page)

    def close(self) -> None:
        """Stop listening."""
        self._sub.close(linger=0)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
