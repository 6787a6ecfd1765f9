"""Checks that may hang, each in a process of its own, so that one that does holds up nobody.

A folder on a server that does not answer keeps whoever looks at it in the kernel, where no thread can be ended and not
even SIGKILL may reach a process. So each check is a fork: its lines come through a pipe, and one that takes too long is
killed, and left where that does not help.
"""

import os
import pwd
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from actors.doctor.finding import Finding, Look, fail

T = TypeVar("T")

SECONDS = 15.0
"""What one check may take. All begin at once; the slowest, the trial encode, needs a third of a second."""

READ_BYTES = 65_536


class DidNotEnd(Exception):
    """It was not done in time."""


class Died(Exception):
    """It ended as no check should."""


class Beside(Generic[T]):
    """A function that runs in a process of its own, which this process must not have made threads before.

    Args:
        function: what it does; a generator, whose values come back as they are made.
        kind: the type of those values: what msgspec can carry.
        uid: the user to be, where this process is root's; None for who it is.

    """

    def __init__(self, function: Callable[[], Iterator[T]], kind: type[T], uid: int | None = None) -> None:
        self._kind = kind
        self._is_reaped = False
        self._read, write = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            _live(function, write, uid)
        os.close(write)

    def values(self, end: float) -> Iterator[T]:
        """What it gives, until it ends.

        Args:
            end: the moment, by the monotonic clock, at which it is given up on.

        Raises:
            DidNotEnd: that moment has come.
            Died: it was killed, or could not become that user.

        """
        rest = b""
        while select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0]:
            piece = os.read(self._read, READ_BYTES)
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield msgspec.json.decode(line, type=self._kind)
            if not piece:
                _, status = os.waitpid(self._pid, 0)
                self._is_reaped = True
                if status:
                    raise Died
                return
        raise DidNotEnd

    def close(self) -> None:
        """End it and what it started. One that hangs in the kernel is left behind: it holds nothing of ours."""
        os.close(self._read)
        if self._is_reaped:
            return
        for kill, target in ((os.killpg, self._pid), (os.kill, self._pid)):
            try:
                kill(target, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        os.waitpid(self._pid, os.WNOHANG)


def _live(function: Callable[[], Iterator[Any]], write: int, uid: int | None) -> NoReturn:
    """The life of the forked process."""
    status = 1
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)  # whoever reads our output must not wait for one that hangs
        if uid is not None:
            become(uid)
        for value in function():
            os.write(write, msgspec.json.encode(value) + b"\n")
        status = 0
    finally:
        os._exit(status)


def become(uid: int) -> None:
    """Be that user, with the groups that it has. For a process of root's. Raises OSError."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        os.setgroups([])
    else:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
    os.setuid(uid)


def findings(checks: dict[str, Look], config: Any, uid: int | None) -> Iterator[Finding]:
    """The lines of all checks, in the order of these, each as soon as it is there.

    Args:
        checks: by their names.
        config: what they look at.
        uid: the user as whom to look, see `Beside`.

    """
    sys.stdout.flush()  # a fork would take what waits there with it
    started: list[tuple[str, Beside[Finding]]] = []
    try:
        for name, look in checks.items():
            started.append((name, Beside(partial(_guarded, name, look, config), Finding, uid)))
        end = time.monotonic() + SECONDS
        for name, beside in started:
            try:
                yield from beside.values(end)
            except DidNotEnd:
                yield fail(
                    name, f"this check did not end within {SECONDS:g} s",
                    "see whether what it looks at still answers: FFmpeg by hand, lines of dmesg, the disks of mount",
                )  # fmt: skip
            except Died:
                yield fail(name, "this check was killed", "look at dmesg: the kernel may have had no memory left")
    finally:
        for _, beside in started:
            beside.close()


def _guarded(name: str, look: Look, config: Any) -> Iterator[Finding]:
    """What a check gives; and where it raises, that."""
    try:
        yield from look(config)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        yield fail(name, f"{where}{error.strerror or error}", "see that the daemon's user may look there")
    except Exception as error:  # noqa: BLE001 # the other checks are to be told of, whatever becomes of this one
        yield fail(name, f"{type(error).__name__}: {error}", "a defect of rushes doctor: tell its makers")
