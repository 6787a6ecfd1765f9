"""One FFmpeg process group: spawn it or adopt it, ask it, signal it, reap it, and say when it is empty.

FFmpeg runs under a tiny shim in a session of its own, which writes down how FFmpeg ended. Who the shim is, is noted as
soon as it is made; so a daemon that comes back after a crash knows whom to look for, and how it went. The shim lives on
when the group gets the SIGTERM meant for FFmpeg (`trap :` and not `trap ''`, which FFmpeg would inherit).

All of them inherit a descriptor of the run's record, which is locked when the shim is made: as long as one of
them lives, nobody gets that lock. Whoever gets it has proved that nothing of the run is left, even what no pid tells
of: a shim that nobody had the time to note, a process that left its group, one of another pid namespace.
"""

import errno
import fcntl
import os
import select
import signal
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Self

from actors.ffmpeg.processes import LOCK_FD, ProcessStat, command_of, is_of_run, living, process
from actors.ffmpeg.workspace import Noted, Workspace

SHELL = "/bin/sh"

SHIM = f"""\
trap : HUP INT QUIT TERM
cd "$0" || exit 126
"$@"
status=$?
echo "exit $status" >&{LOCK_FD}
exit $status
"""
"""Builtins only: 0.8 ms a child. What it writes stands at the beginning of the run's record, in room that is kept."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

SIGNALLED = 128
"""A shell's status for a child that a signal ended is this plus the signal (POSIX, 2.8.2)."""

REAL_TIME = SIGNALLED + 32
"""Above the standard signals, 1 to 31 (signal(7)), lie statuses of FFmpeg's own: 183 is invalid data."""

NOT_FOR_CHILDREN = frozenset({
    "FFREPORT", "AV_LOG_FORCE_COLOR", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM",
})  # fmt: skip
"""Environment that would make FFmpeg write a report of its own, or escapes into its stderr; and what systemd says to
the daemon alone."""

RESTORED_SIGNALS = (
    signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM,
)  # fmt: skip
"""Python ignores the first two, and nohup or a shell's `&` the next: FFmpeg is to have them as any program has."""

NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Why a pidfd may be refused for want of something of ours; any other reason is about the pid."""

FORCE_SECONDS = 5.0
"""What a killed run may take to be gone, unless a process of it hangs in the kernel."""

FORCE_LOOK_SECONDS = 0.02

TICKS = os.sysconf("SC_CLK_TCK")


class Child:
    """A process group that runs or ran. Used by one thread, the Render actor's.

    Attributes:
        pid: the shim's pid, which is also the id of the group and of the session.
        pidfd: becomes readable when the shim has ended.

    """

    def __init__(self, pid: int, pidfd: int, workspace: Workspace, *, is_ours: bool) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.workspace = workspace
        self._is_ours = is_ours
        self._ended_with: int | None = None
        self._reaped_at: float | None = None

    @classmethod
    def spawn(cls, argv: Sequence[str], workspace: Workspace) -> Self:
        """Start `argv` under the shim, in the prepared `workspace`. Raises OSError."""
        opened: list[int] = []

        def open_(path: str | Path, flags: int) -> int:
            opened.append(os.open(path, flags | os.O_CLOEXEC, 0o600))
            return opened[-1]

        try:
            # Read-write, so that the child's stdin never ends, whoever else has it open.
            fifo = open_(workspace.stdin, os.O_RDWR)
            stderr = open_(workspace.stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            null = open_(os.devnull, os.O_RDWR)
            lock = open_(workspace.record, os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            pid = os.posix_spawn(
                SHELL,
                [SHELL, "-c", SHIM, str(workspace.folder), *argv],
                environment(),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, fifo, 0),
                    (os.POSIX_SPAWN_DUP2, null, 1),
                    (os.POSIX_SPAWN_DUP2, stderr, 2),
                    (os.POSIX_SPAWN_DUP2, lock, LOCK_FD),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=RESTORED_SIGNALS,
            )
        finally:
            for descriptor in opened:
                os.close(descriptor)
        try:
            pidfd = os.pidfd_open(pid)
            shim = process(pid)
            assert shim is not None, "nobody has reaped it"
            workspace.note("child", Noted(boot_id(), pid, shim.start))
            return cls(pid, pidfd, workspace, is_ours=True)
        except OSError:
            os.killpg(pid, signal.SIGKILL)  # nobody could watch it, or find it again
            os.waitpid(pid, 0)
            raise

    @classmethod
    def adopt(cls, workspace: Workspace) -> Self | None:
        """The child that was noted in `workspace`, None where it runs no more. Raises OSError.

        Pid, start time and boot must agree: a pid that the system gave to somebody else is not ours. Where a daemon was
        killed between the spawn and the note, the shim is known by its command and its lock.
        """
        noted = workspace.noted("child", Noted) or _note_shim(workspace)
        if noted is None or noted.boot_id != boot_id():
            return None
        try:
            pidfd = os.pidfd_open(noted.pid)
        except OSError as error:
            if error.errno in NO_DESCRIPTOR:
                raise
            return None
        found = process(noted.pid)
        child = cls(noted.pid, pidfd, workspace, is_ours=False)
        if found is not None and found.start == noted.start:
            if not found.is_dead:
                return child
            child.reap()  # a zombie of this very process, left by a Render actor that failed
        child.close()
        return None

    @property
    def age(self) -> float:
        """Seconds since the shim started, whatever daemon counted them and whatever the wall clock did."""
        stat = process(self.pid)
        return 0.0 if stat is None else time.clock_gettime(time.CLOCK_BOOTTIME) - stat.start / TICKS

    def has_ended(self) -> bool:
        """True once the shim has: FFmpeg before it. Does not wait."""
        poll = select.poll()  # select() takes no descriptor above 1023
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    # ------------------------------------------------------------ asking it to stop

    def ask(self) -> None:
        """Write `q` to its stdin. One that has no reader any more is left alone."""
        try:
            fifo = os.open(self.workspace.stdin, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return
            raise
        try:
            os.write(fifo, b"q")
        except (BlockingIOError, BrokenPipeError):
            return  # full, for a child that reads nothing; or the last reader went in this very moment
        finally:
            os.close(fifo)

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group, and with SIGTERM and SIGKILL also whoever of the run has left it."""
        if self._reaped_at is None:
            # The shim, alive or a zombie, keeps the id of its group from being given to another.
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return
        if number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._members():
                _kill(pid, number)

    # ------------------------------------------------------------ after its end

    def reap(self) -> None:
        """Take the ended shim off the process table, where it is this process' own child."""
        if self._reaped_at is not None:
            return
        try:
            ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            ended = None  # adopted: another has reaped it, or will
        if ended is not None:
            self._ended_with = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        self._reaped_at = time.clock_gettime(time.CLOCK_BOOTTIME)

    def is_empty(self) -> bool:
        """True where nothing of the run is left: no member of its group, nobody who holds its lock.

        To be asked after `reap`. Raises OSError where it cannot be seen.
        """
        if not is_unlocked(self.workspace):
            return False
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return not self._members()
        self._reap_orphans()
        return not self._members()

    def _members(self) -> list[int]:
        """The pids of the run but the shim's. A group of that id that was made after the shim's end is another's."""
        return [stat.pid for stat in living() if stat.pid != self.pid and self._is_member(stat)]

    def _is_member(self, stat: ProcessStat) -> bool:
        if is_of_run(stat.pid, self.workspace.folder, self.workspace.record):
            return True
        if self.pid not in (stat.group, stat.session):
            return False
        if self._reaped_at is None:
            return True
        return self._is_ours and stat.start <= int(self._reaped_at * TICKS)

    def _reap_orphans(self) -> None:
        """Grandchildren become this process' own where it is the init of a container."""
        try:
            while os.waitid(os.P_PGID, self.pid, os.WEXITED | os.WNOHANG) is not None:
                pass
        except ChildProcessError:
            return

    def exit_status(self) -> int | None:
        """How FFmpeg ended: its status, or the negated signal; None where nobody could write it down."""
        return exit_status(self.workspace, self._ended_with)

    def close(self) -> None:
        """Let go of the pidfd."""
        os.close(self.pidfd)


def environment() -> dict[str, str]:
    """The daemon's own, without what is not for FFmpeg."""
    return {key: value for key, value in os.environ.items() if key not in NOT_FOR_CHILDREN}


@cache
def boot_id() -> str:
    """What tells this boot of the machine from every other."""
    return BOOT_ID.read_text().strip()


def _note_shim(workspace: Workspace) -> Noted | None:
    """Note the shim that holds the lock in `workspace`; None where there is none. Raises OSError."""
    if is_unlocked(workspace):
        return None
    for stat in living():
        is_shim = command_of(stat.pid)[:4] == [SHELL, "-c", SHIM, str(workspace.folder)]
        if is_shim and is_of_run(stat.pid, workspace.folder, workspace.record):
            found = Noted(boot_id(), stat.pid, stat.start)
            workspace.note("child", found)
            return found
    return None


def exit_status(workspace: Workspace, shim_ended_with: int | None = None) -> int | None:
    """What the exit file says; where it is empty, how the shim itself ended, if that is known."""
    status = workspace.exit_status()
    if status is None:
        status = shim_ended_with
    return SIGNALLED - status if status is not None and SIGNALLED < status < REAL_TIME else status


def is_unlocked(workspace: Workspace) -> bool:
    """True where nobody of a run holds the lock of its record any more. Raises OSError."""
    try:
        lock = os.open(workspace.record, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # no shim was ever made
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def kill_strays(workspace: Workspace) -> bool:
    """SIGKILL whoever is left of a run whose shim is gone or cannot be found; True where anybody was.

    Raises OSError where that cannot be seen.
    """
    held = not is_unlocked(workspace)
    found = [stat.pid for stat in living() if is_of_run(stat.pid, workspace.folder, workspace.record)]
    for pid in found:
        _kill(pid, signal.SIGKILL)
    return held or bool(found)


def end_by_force(workspace: Workspace) -> None:
    """SIGKILL all of a run, and wait until nothing of it is left. Blocks.

    Raises:
        OSError: it cannot be seen, or something of it cannot be killed.

    """
    end = time.monotonic() + FORCE_SECONDS
    while kill_strays(workspace):
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, f"a process of it does not end within {FORCE_SECONDS:g} s")
        time.sleep(FORCE_LOOK_SECONDS)


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # gone, or not ours to end: the lock tells whether that matters
