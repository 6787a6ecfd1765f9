"""Who is let in while most descriptors are in use. The hub's thread only.

libzmq takes every connection there is, and ends the process where the kernel has no descriptor left for one on an ipc
path. So while most are in use, whoever comes is cut off again; what is left is for FFmpeg, the store and the log. Where
they come faster than that, nobody is listened to for a while, which libzmq does by cutting off everybody.
"""

import os
import resource
import socket as sockets
import struct
import sys
import time
from collections.abc import Callable, Iterator

import zmq

from bus.traffic import Traffic

SPARE = 4
"""One of so many descriptors is kept for the daemon itself."""

LOOK_SECONDS = 1.0
"""How soon it is looked whether there is room again; at most so often the log tells of those who were cut off."""

ROOM_AGAIN = 0.9
"""How full it may be for the door to open again, so that it does not open for every one that leaves."""

MONITOR_EVENT = struct.Struct("=HI")
"""The first frame of what libzmq tells: which event, and here the descriptor."""


class Door:
    """Of some bound sockets.

    Args:
        context: of the sockets.
        bound: each with the endpoint that it is bound to, as libzmq says it.
        notice: called with an event name and its keys, for the log.
        traffic: where those who are cut off are counted.

    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        bound: "list[tuple[zmq.Socket[bytes], str]]",
        notice: Callable[[str, dict[str, int]], None],
        traffic: Traffic | None = None,
    ) -> None:
        self._bound = bound
        self._notice = notice
        self._traffic = traffic
        self._shut: list[tuple[zmq.Socket[bytes], str]] = []
        self._looked_at = self._told_at = -LOOK_SECONDS
        self._monitors = [_monitor(context, number, socket) for number, (socket, _) in enumerate(bound)]

    def __iter__(self) -> "Iterator[zmq.Socket[bytes]]":
        """What is to be polled: it is readable when somebody has come in."""
        return iter(self._monitors)

    def look(self) -> None:
        """See who came, and cut off those for whom there is no room.

        The lowest free descriptor is the next that is given: all below it are in use.
        """
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        full, too_full = most - most // SPARE, most - most // SPARE // 2
        for monitor in self._monitors:
            while (descriptor := _came_in(monitor)) is not None:
                # While we take note of one, libzmq may let in three: so look at what is, not at what was.
                if not self._shut and _lowest_free() >= too_full:
                    self._shut_for_all()
                if descriptor >= full:
                    _cut_off(descriptor)
                    if self._traffic is not None:
                        self._traffic.cut_off += 1
                    self._tell(full)

    @property
    def is_shut(self) -> bool:
        """True where `reopen` is to be called again in a while."""
        return bool(self._shut)

    def reopen(self) -> None:
        """Listen again, where the door is shut and there is room."""
        now = time.monotonic()
        if not self._shut or now < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = now
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        in_use = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 # a name each, and no more
        if in_use < ROOM_AGAIN * (most - most // SPARE):
            self._shut = [one for one in self._shut if not _bind(*one)]

    def close(self) -> None:
        """Look no more."""
        for socket, _ in self._bound:
            socket.disable_monitor()
        for monitor in self._monitors:
            monitor.close(linger=0)

    def _shut_for_all(self) -> None:
        for socket, endpoint in self._bound:
            socket.unbind(endpoint)
        self._shut = list(self._bound)
        self._looked_at = time.monotonic()

    def _tell(self, full: int) -> None:
        if time.monotonic() >= self._told_at + LOOK_SECONDS:
            self._told_at = time.monotonic()
            self._notice("connections_refused", {"limit": full})


def _monitor(
    context: "zmq.Context[zmq.Socket[bytes]]", number: int, socket: "zmq.Socket[bytes]"
) -> "zmq.Socket[bytes]":
    socket.monitor(f"inproc://door-{number}", zmq.EVENT_ACCEPTED)
    monitor = context.socket(zmq.PAIR)
    monitor.rcvhwm = 0  # else libzmq would wait for us, while we wait for libzmq
    monitor.connect(f"inproc://door-{number}")
    return monitor


def _came_in(monitor: "zmq.Socket[bytes]") -> int | None:
    """The descriptor of the next who came, None where nobody has."""
    try:
        event = monitor.recv_multipart(zmq.NOBLOCK)[0]
    except zmq.Again:
        return None
    return int(MONITOR_EVENT.unpack(event)[1])


def _lowest_free() -> int:
    try:
        found = os.open("/", os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return sys.maxsize
    os.close(found)
    return found


def _cut_off(descriptor: int) -> None:
    """End a connection of libzmq's, which closes it then. Where it has already, nothing worse than that is hit."""
    try:
        connection = sockets.socket(fileno=descriptor)
    except OSError:
        return
    try:
        connection.shutdown(sockets.SHUT_RDWR)
    except OSError:
        pass  # the other side was faster
    finally:
        connection.detach()


def _bind(socket: "zmq.Socket[bytes]", endpoint: str) -> bool:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError:
        return False  # somebody else has taken the port meanwhile; perhaps he gives it back
    return True
