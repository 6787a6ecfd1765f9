"""Where log lines go: stderr, a file that others may rotate, or journald; and the thread that writes them there."""

import errno
import fcntl
import os
import queue
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

MAX_WAITING_LINES = 10_000
"""Lines that wait for a slow terminal or pipe: some megabytes, some seconds of a flood."""

LINES_AT_ONCE = 100
"""Lines written together where more wait: a write each would cost more than they do."""

CLOSE_SECONDS = 1.0
"""What the last lines may take at the end."""

JOURNAL_SOCKET = "/run/systemd/journal/socket"
"""Where journald takes entries in its own protocol (systemd's docs/JOURNAL_NATIVE_PROTOCOL.md)."""

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
"""What journald wants of a file in memory that is handed to it: that nobody changes it any more."""

LOG_FILE_MODE = 0o640
"""Its group may read it, as is usual in /var/log."""

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol[T_contra]):
    """Used by the writer's thread alone."""

    def write(self, lines: Sequence[T_contra]) -> None:
        """Write all of these. Raises OSError or ValueError where they are lost."""

    def close(self) -> None:
        """Let go of what it has open."""


class Stderr:
    """Whatever stderr is when it is written to."""

    def write(self, lines: Sequence[str]) -> None:
        """Write and flush."""
        sys.stderr.write("".join(lines))
        sys.stderr.flush()

    def close(self) -> None:
        """It is not ours to close."""


class WatchedFile:
    """A file that is opened anew when it is no longer the one of that name: logrotate has put it away.

    Raises OSError where it cannot be opened now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = self._open()

    def write(self, lines: Sequence[str]) -> None:
        """Append to the file that has the name now."""
        if self._descriptor is None or not self._is_current(self._descriptor):
            self.close()
            self._descriptor = self._open()
        rest = "".join(lines).encode(errors="backslashreplace")  # a path need not be UTF-8
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def close(self) -> None:
        """Close the file, where one is open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, LOG_FILE_MODE)

    def _is_current(self, descriptor: int) -> bool:
        try:
            found = self._path.stat()
        except OSError:
            return False
        opened = os.fstat(descriptor)
        return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


class Journal:
    """journald, an entry a datagram; one that is too large for that goes as a sealed file in memory."""

    def __init__(self) -> None:
        self._path = JOURNAL_SOCKET
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def write(self, lines: Sequence[bytes]) -> None:
        """Send each."""
        for entry in lines:
            try:
                self._socket.sendto(entry, self._path)
            except OSError as error:
                if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                    raise
                self._send_file(entry)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send_file(self, entry: bytes) -> None:
        descriptor = os.memfd_create("rushes-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.write(descriptor, entry)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))]
            self._socket.sendmsg([], rights, 0, self._path)
        finally:
            os.close(descriptor)


def journal_entry(fields: Mapping[str, str]) -> bytes:
    """An entry in journald's own protocol. A value of several lines goes with its length before it."""
    parts = []
    for name, text in fields.items():
        value = text.encode(errors="backslashreplace")  # a path need not be UTF-8
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    return b"".join(parts)


def is_journal(environ: Mapping[str, str] = os.environ) -> bool:
    """True where stderr is journald's, as systemd says in JOURNAL_STREAM (systemd.exec(5)): device and inode."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class Writer(Generic[T]):
    """Writes lines in a thread of its own: a terminal or a pipe that nobody reads holds up nobody.

    Any thread may put. Lines beyond those that wait are dropped, and so are those that cannot be written (a closed
    pipe, a full disk): that is no reason to lose a job. They are counted, and told of when lines are written again.

    Args:
        sink: where lines go.
        dropped: called from the writer's thread with how many were.

    """

    def __init__(self, sink: Sink[T], dropped: Callable[[int], None]) -> None:
        self._sink = sink
        self._tell_dropped = dropped
        self._lines: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: T) -> None:
        """Take a line, or drop it."""
        if self._lines.qsize() < MAX_WAITING_LINES:
            self._lines.put(line)
        else:
            self._dropped += 1  # a race may lose a count; the line says "some", not a sum to be relied on

    def close(self) -> None:
        """Write what waits, as far as the sink takes it within a moment."""
        self._lines.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            taken = [self._lines.get()]
            while not self._lines.empty() and len(taken) < LINES_AT_ONCE:
                taken.append(self._lines.get())
            goes_on = None not in taken
            lines = [line for line in taken if line is not None]
            try:
                self._sink.write(lines)
            except (OSError, ValueError):
                self._dropped += len(lines)
                continue
            if self._dropped and self._lines.qsize() < MAX_WAITING_LINES:
                dropped, self._dropped = self._dropped, 0
                self._tell_dropped(dropped)
        self._sink.close()
