"""How much of what was sent to a client has not left yet. The hub's thread only.

libzmq tells when it is done with a message that it was asked to track. That costs as much as ten small messages, so
of small ones every so many bytes one is tracked, and stands for those before it: they leave in order.
"""

from collections import deque
from typing import NamedTuple

import zmq

NOW = int(zmq.NOBLOCK)
"""Not to wait. As a number: pyzmq's flags take as long as a send."""

MORE, LAST = NOW | int(zmq.SNDMORE), NOW
"""For a frame that others follow, and for one that none does."""

BIG_BYTES = 16 * 1024
"""From this size on a reply is handed to libzmq without a copy, and tracked."""

MARK_BYTES = 64 * 1024
"""Small replies that one tracked one stands for, at the most."""

ENOUGH_BYTES = 1024 * 1024
"""What one who reads may have under way at a moment, whatever others do not read."""

MAX_LOOSE = 10_000
"""Clients of whom bytes are known that no mark stands for yet; beyond, they are forgotten: at most MARK_BYTES each."""


UNREAD, GONE = "the client does not read its replies", "the client has gone"
"""Why a reply was dropped."""


class _Sent(NamedTuple):
    tracker: zmq.MessageTracker
    size: int


class _UnderWay:
    """What is under way to one client."""

    def __init__(self) -> None:
        self.marks: deque[_Sent] = deque()
        self.size = 0

    def settle(self) -> bool:
        """Forget what has left; True where nothing is under way any more."""
        while self.marks and self.marks[0].tracker.done:
            self.size -= self.marks.popleft().size
        return not self.marks


class Replies:
    """Replies under way, by client.

    Args:
        limit: bytes that may be under way to one client.
        total: the same for all of them; where it is reached, nobody gets more than ENOUGH_BYTES.

    """

    def __init__(self, limit: int, total: int) -> None:
        self._limit = limit
        self._total = total
        self._clients: dict[bytes, _UnderWay] = {}
        self._loose: dict[bytes, int] = {}
        self._size = 0

    def send(self, router: "zmq.Socket[bytes]", frames: list[bytes]) -> str | None:
        """Send a reply, of which the first frame is the client and the last the body. Why it was dropped, if it was."""
        client, body = frames[0], frames[-1]
        if not self._fits(client, len(body)):
            return UNREAD
        tracker = None
        try:
            if len(body) >= BIG_BYTES or self._loose.get(client, 0) + len(body) >= MARK_BYTES:
                last = zmq.Frame(body, track=True, copy=False, copy_threshold=0)
                tracker = last.tracker
                router.send_multipart([*frames[:-1], last], zmq.NOBLOCK, copy=False)
            else:
                for frame in frames[:-1]:
                    router.send(frame, MORE)
                router.send(body, LAST)
        except zmq.Again:
            return UNREAD
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._loose.pop(client, None)
            return GONE
        self._count(client, len(body), tracker)
        return None

    def _fits(self, client: bytes, size: int) -> bool:
        """True where another reply fits; one that is alone always does."""
        under_way = self._clients.get(client)
        if under_way is None:
            return True
        before = under_way.size
        is_over = under_way.settle()
        self._size -= before - under_way.size
        if is_over:
            del self._clients[client]
            return True
        whole = under_way.size + self._loose.get(client, 0) + size
        if whole > self._limit:
            return False
        return self._size + size <= self._total or whole <= ENOUGH_BYTES

    def _count(self, client: bytes, size: int, tracker: zmq.MessageTracker | None) -> None:
        """Count a reply until libzmq is done with it, which it also is when the client goes away."""
        if tracker is None:
            if len(self._loose) >= MAX_LOOSE and client not in self._loose:
                self._loose.clear()
            self._loose[client] = self._loose.get(client, 0) + size
            return
        self._forget_gone()
        size += self._loose.pop(client, 0)
        under_way = self._clients.setdefault(client, _UnderWay())
        under_way.marks.append(_Sent(tracker, size))
        under_way.size += size
        self._size += size

    def _forget_gone(self) -> None:
        """Let go of clients to whom nothing is under way any more."""
        for client in [client for client, one in self._clients.items() if one.marks[-1].tracker.done]:
            self._size -= self._clients.pop(client).size
