"""How much of what was sent to a client has not left yet. The hub's thread only."""

from collections import deque
from typing import NamedTuple

import zmq


class _Sent(NamedTuple):
    tracker: zmq.MessageTracker
    size: int


class BigReplies:
    """Large replies under way, by client: libzmq tells when it is done with one.

    Args:
        limit: bytes that may be under way to one client.

    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent: dict[bytes, deque[_Sent]] = {}

    def may_send(self, client: bytes, size: int) -> bool:
        """True where another reply fits; one that is alone always does."""
        under_way = self._sent.get(client)
        if under_way is None:
            return True
        while under_way and under_way[0].tracker.done:
            under_way.popleft()
        if not under_way:
            del self._sent[client]
            return True
        return sum(sent.size for sent in under_way) + size <= self._limit

    def sent(self, client: bytes, size: int, tracker: zmq.MessageTracker) -> None:
        """Count a reply until libzmq is done with it, which it also is when the client goes away."""
        self._forget_gone()
        self._sent.setdefault(client, deque()).append(_Sent(tracker, size))

    def _forget_gone(self) -> None:
        """Let go of clients to whom nothing is under way any more."""
        for client in [client for client, sent in self._sent.items() if sent[-1].tracker.done]:
            del self._sent[client]
