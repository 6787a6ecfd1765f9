"""Who is let in while most descriptors are in use. A thread of its own, so that whoever comes is seen at once.

libzmq takes every connection there is, and ends the process where the kernel has no descriptor left for one on an ipc
path. So while most are in use, whoever comes is cut off again; what is left is for FFmpeg, the store and the log. And
libzmq waits for whoever monitors it: so long as that one does not look, it lets in UNSEEN, and then nobody.
"""

import resource
import socket as sockets
import struct
import threading
import time
from collections.abc import Callable, Sequence

import zmq

from bus.traffic import Traffic

UNSEEN = 2 * 1002
"""Connections that libzmq lets in while nobody looks: of each of the two sockets it keeps 1,001 events, and waits with
the next (seen with 4.3.5)."""

SPARE = 4
"""One of so many descriptors is kept for the daemon itself."""

LEAST = UNSEEN + 1000
"""What is kept at the least, so that those who are not seen yet leave some to the daemon. Where there are not twice as
many, half of them is, and a flood that is faster than this thread may bring the daemon down."""

TELL_SECONDS = 1.0
"""At most so often the log tells of those who were cut off."""

MONITOR_EVENT = struct.Struct("=HI")
"""The first frame of what libzmq tells: which event, and here the descriptor."""


def spare(most: int) -> int:
    """How many of so many descriptors are not for clients."""
    return min(max(most // SPARE, LEAST), most // 2)


class Door:
    """Of some bound sockets.

    Args:
        context: of the sockets.
        bound: two of them; they stay their thread's own.
        notice: called from the door's thread with an event name and its keys, for the log.
        failed: called from the door's thread when it dies of an error: then nobody can come in any more.
        traffic: where those who are cut off are counted.

    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        bound: "Sequence[zmq.Socket[bytes]]",
        notice: Callable[[str, dict[str, int]], None],
        failed: Callable[[BaseException], None],
        traffic: Traffic | None = None,
    ) -> None:
        self._notice = notice
        self._failed = failed
        self._traffic = traffic
        self._told_at = -TELL_SECONDS
        self._monitors = [_monitor(context, number, socket) for number, socket in enumerate(bound)]
        self._thread = threading.Thread(target=self._run, name="door")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, which comes once the sockets were closed: libzmq says so when it is done with them.

        It may be waiting for somebody who looks, so a monitor cannot be ended before: pyzmq would wait for libzmq with
        the interpreter's lock.
        """
        if self._thread.ident is None:
            self.start()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._look()
        except BaseException as error:  # noqa: BLE001 # the thread's last word; the daemon ends itself on it
            self._failed(error)
        finally:
            for monitor in self._monitors:
                monitor.close(linger=0)

    def _look(self) -> None:
        """Cut off whoever comes while there is no room, until all monitors have ended.

        The lowest free descriptor is the next that is given: all below it are in use.
        """
        poller = zmq.Poller()
        for monitor in self._monitors:
            poller.register(monitor, zmq.POLLIN)
        left = len(self._monitors)
        while left:
            for monitor, _ in poller.poll():
                kind, descriptor = MONITOR_EVENT.unpack(monitor.recv_multipart()[0])
                if kind == zmq.EVENT_MONITOR_STOPPED:
                    left -= 1
                else:
                    self._came(descriptor)

    def _came(self, descriptor: int) -> None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        full = most - spare(most)
        if descriptor < full:
            return
        _cut_off(descriptor)
        if self._traffic is not None:
            self._traffic.cut_off += 1
        if time.monotonic() >= self._told_at + TELL_SECONDS:
            self._told_at = time.monotonic()
            self._notice("connections_refused", {"limit": full})


def _monitor(
    context: "zmq.Context[zmq.Socket[bytes]]", number: int, socket: "zmq.Socket[bytes]"
) -> "zmq.Socket[bytes]":
    socket.monitor(f"inproc://door-{number}", zmq.EVENT_ACCEPTED | zmq.EVENT_MONITOR_STOPPED)
    monitor = context.socket(zmq.PAIR)
    monitor.rcvhwm = 1  # it adds to what libzmq keeps; 0 would be without a bound
    monitor.connect(f"inproc://door-{number}")
    return monitor


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
