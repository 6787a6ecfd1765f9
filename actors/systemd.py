"""What systemd is told (sd_notify(3)): that the daemon is ready, what it does, that it ends, and that it is alive.

The Queue says that it is alive at each heartbeat, by mail; the hub hands that mail to this inbox, which tells systemd.
So a Queue that hangs is seen, and so is a hub.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from actors.mail import Alive
from bus import codec
from bus.inbox import Pending, Request

NOTIFY_SOCKET = "NOTIFY_SOCKET"


class Notifier:
    """The inbox of those who say that they are alive. Its methods never block; what systemd does not take is lost.

    Args:
        address: systemd's socket: a path, or a name after `@`.

    """

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._is_ready = False

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """The one that systemd asks for; None where it does not."""
        return cls(environ[NOTIFY_SOCKET]) if environ.get(NOTIFY_SOCKET) else None

    def put(self, *messages: Request | bytes) -> None:
        """Tell what a heartbeat says; the first also that the daemon is ready. The hub's thread."""
        for message in messages:
            assert isinstance(message, bytes), "no command is routed here"
            alive = codec.decode(message, Alive)
            lines = ["WATCHDOG=1", f"STATUS={status(alive)}"]
            if not self._is_ready:
                self._is_ready = True
                lines.append("READY=1")
            self._send(*lines)

    def pending(self) -> Pending:
        """Nothing waits here."""
        return Pending(0, 0)

    def ending(self) -> None:
        """The daemon ends. Any thread."""
        self._send("STOPPING=1", "STATUS=ending")

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _send(self, *lines: str) -> None:
        with suppress(OSError):  # it restarts, or has more than it can read
            self._socket.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)


def status(alive: Alive) -> str:
    """A line for `systemctl status`."""
    words = [f"{alive.running} running", f"{alive.queued} queued"]
    if alive.stopping:
        words.append(f"ending ({alive.stopping})")
    elif alive.draining:
        words.append("draining")
    return ", ".join(words)
