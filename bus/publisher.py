"""Events to whoever subscribed. The hub's thread only."""

import zmq

from bus.backpressure import LAST, MORE, NOW
from bus.traffic import Traffic

EVENTS_PER_SUBSCRIBER = 20_000
"""Events held for a slow subscriber; what comes after is dropped, and `events` gives it back."""

BURST = 256
"""Subscriptions taken off the socket before the hub's other sockets have their turn."""


class Publisher:
    """Sends each event to all who want it; who has too much unread misses it, and holds up nobody.

    Args:
        socket: an XPUB.
        traffic: where what is sent is counted.

    """

    def __init__(self, socket: "zmq.Socket[bytes]", traffic: Traffic | None) -> None:
        self._socket = socket
        self._traffic = traffic
        if traffic is not None:
            self._may_drop(False)

    def send(self, topic: bytes, body: bytes) -> None:
        """Send an event."""
        if self._traffic is None:
            self._socket.send(topic, MORE)
            self._socket.send(body, LAST)
        else:
            self._traffic.published(topic)
            # libzmq says where somebody's share is full, and only then is told to drop what is his. It says so once, at
            # the first frame: he then gets nothing, and is not looked at, until he has read half of his share.
            try:
                self._socket.send(topic, MORE)
            except zmq.Again:
                self._traffic.overflows += 1
                self._may_drop(True)
                self._socket.send(topic, MORE)
                self._socket.send(body, LAST)
                self._may_drop(False)
            else:
                self._socket.send(body, LAST)

    def _may_drop(self, yes: bool) -> None:
        self._socket.setsockopt(zmq.XPUB_NODROP, int(not yes))

    def drain(self) -> None:
        """Subscriptions need no answer; libzmq has noted them. They are only taken off the socket."""
        for _ in range(BURST):
            try:
                self._socket.recv_multipart(NOW)
            except zmq.Again:
                return
