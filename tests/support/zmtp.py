"""ZeroMQ's wire by hand, for what no library does: to send and never read, to stop halfway, to talk nonsense.

A library reads ahead of whoever uses it; here the kernel's few hundred kilobytes are all that a peer takes unasked.
"""

import socket
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import msgpack

from tests.support.wire import PATIENCE, Map, command, pack, sockets_of

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(1 + 31)
"""ZMTP 3.0, mechanism NULL: RFC 23."""

SUBSCRIBE_ALL = b"\x01"
"""The message that asks for every topic."""

MORE, LONG, COMMAND = 1, 2, 4
"""Flags of a frame."""

CHUNK = 256 * 1024

QUIET_SECONDS = 0.3
"""After which a reply that has not come was dropped: a reader on this machine has it within milliseconds."""


def frame(body: bytes, flags: int = 0) -> bytes:
    """A frame with its header."""
    if len(body) > 255:
        return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


def ready(kind: bytes) -> bytes:
    """The last word of a handshake: what socket this is."""
    name = b"Socket-Type"
    return frame(b"\x05READY" + bytes([len(name)]) + name + len(kind).to_bytes(4, "big") + kind, COMMAND)


class Peer:
    """One connection, made by hand; it has shaken hands unless it shall not.

    Args:
        bus: the bus address.
        kind: the ZeroMQ socket type that it says it is.
        greets: whether it shakes hands.

    """

    def __init__(self, bus: str, kind: bytes = b"DEALER", *, greets: bool = True) -> None:
        commands, events = sockets_of(bus)
        endpoint = events if kind == b"SUB" else commands
        if endpoint.startswith("ipc://"):
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(endpoint.removeprefix("ipc://"))
            except OSError:
                self.socket.close()
                raise
        else:
            host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
            self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(PATIENCE)
        self._read = bytearray()
        self._at = 0
        if greets:
            self.socket.sendall(GREETING + ready(kind))
            self._take(len(GREETING))
            self._frame()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ sending

    def send(self, *bodies: bytes) -> None:
        """Each body as a message of its own."""
        self.socket.sendall(b"".join(map(frame, bodies)))

    def send_parts(self, *parts: bytes) -> None:
        """One message of several frames."""
        self.socket.sendall(b"".join(frame(part, MORE) for part in parts[:-1]) + frame(parts[-1]))

    def push(self, data: memoryview, seconds: float) -> int:
        """Send raw bytes until all are taken or the time is over; how many were taken."""
        end, sent = time.monotonic() + seconds, 0
        while sent < len(data) and (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                sent += self.socket.send(data[sent : sent + CHUNK])
            except TimeoutError:
                break
        self.socket.settimeout(PATIENCE)
        return sent

    # ------------------------------------------------------------ reading

    def replies(self, count: int) -> Iterator[Map]:
        """The next so many replies."""
        for _ in range(count):
            yield msgpack.unpackb(self.message()[-1])

    def rest(self) -> list[Map]:
        """What is still on its way, once the daemon has nothing more to do for this peer.

        A reply to a `status` comes after all of it, and is dropped like the others while too much is under way: then
        another is asked for.
        """
        found: list[Map] = []
        self.socket.settimeout(QUIET_SECONDS)
        for _ in range(int(PATIENCE / QUIET_SECONDS)):
            body = command("status", {})
            self.send(pack(body))
            try:
                while (reply := next(self.replies(1)))["re"] != body["id"]:
                    found.append(reply)
            except TimeoutError:
                continue
            self.socket.settimeout(PATIENCE)
            return [reply for reply in found if "uptime" not in reply.get("result", {})]
        raise TimeoutError(f"no reply to a status within {PATIENCE} s")

    def message(self) -> list[bytes]:
        """The next message's frames."""
        parts = []
        while True:
            flags, body = self._frame()
            if not flags & COMMAND:
                parts.append(body)
                if not flags & MORE:
                    return parts

    def is_cut_off(self) -> bool:
        """True once the daemon has closed this connection; waits for it."""
        try:
            while self.socket.recv(CHUNK):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def _frame(self) -> tuple[int, bytes]:
        """The next frame; where it has not come whole in time, it can be asked for again."""
        at = self._at
        try:
            flags = self._take(1)[0]
            size = int.from_bytes(self._take(8 if flags & LONG else 1), "big")
            return flags, self._take(size)
        except TimeoutError:
            self._at = at
            raise

    def _take(self, size: int) -> bytes:
        while len(self._read) - self._at < size:
            piece = self.socket.recv(CHUNK)
            if not piece:
                raise ConnectionError("the daemon closed the connection")
            del self._read[: self._at]
            self._at = 0
            self._read += piece
        taken = bytes(self._read[self._at : self._at + size])
        self._at += size
        return taken
