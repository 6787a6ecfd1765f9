"""How one thread of ours sends: to an actor, to a client, to all who listen. Everything goes through the hub."""

from typing import Any

import zmq

from bus import codec

HUB_INBOX = "inproc://hub"
MAIL, REPLY, EVENT, OPEN, STOP = b"M", b"R", b"E", b"O", b"S"

MAX_BATCH = 500
"""Parcels in one message, so that the hub turns to its other sockets in between."""


class Outbox:
    """The sending end of one thread. Made, used and closed in that thread: a ZeroMQ socket has one owner.

    Parcels are collected and leave together at `flush`, in order and in one frame, for a tenth of what a frame each
    costs. Where the hub is behind by its high-water mark, `flush` blocks until it has caught up; the hub itself never
    waits for an actor, so that ends.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self._socket = context.socket(zmq.PUSH)
        self._socket.linger = 0
        self._socket.connect(HUB_INBOX)
        self._frames: list[bytes] = []
        self._parcels = 0

    def mail(self, address: str, message: Any) -> None:
        """A message for the actor at `address`."""
        self._add(MAIL, address.encode(), codec.encode(message))

    def reply(self, envelope: tuple[bytes, ...], body: bytes) -> None:
        """The reply to a client's command; `envelope` is the command's own."""
        self._add(REPLY, bytes([len(envelope)]), *envelope, body)

    def event(self, topic: str, body: bytes) -> None:
        """An event for every subscriber to `topic`."""
        self._add(EVENT, topic.encode(), body)

    def open_hub(self) -> None:
        """Let clients in: whoever is to answer them can be reached. What they sent before has waited."""
        self._add(OPEN)

    def stop_hub(self) -> None:
        """Ask the hub to end once it has sent what came before this."""
        self._add(STOP)

    def _add(self, *frames: bytes) -> None:
        self._frames += frames
        self._parcels += 1
        if self._parcels >= MAX_BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what has been collected."""
        if self._frames:
            frames, self._frames, self._parcels = self._frames, [], 0
            self._socket.send(codec.encode(frames))

    def close(self) -> None:
        """Send the rest and let go of the socket."""
        self.flush()
        self._socket.close(linger=None)
