"""One FFmpeg process group: spawn it or adopt it, ask it, signal it, reap it, and say when it is empty.

FFmpeg runs under a tiny shim in a session of its own. The shim notes who it is, runs FFmpeg, and writes down how that
ended; so a daemon that comes back after a crash knows whom to look for, and how it went. The shim lives on when the
group gets the SIGTERM meant for FFmpeg (`trap :` and not `trap ''`, which FFmpeg would inherit).
"""

import errno
import os
import select
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from actors.ffmpeg.workspace import Workspace

SHELL = "/bin/sh"

SHIM = """\
trap : HUP INT QUIT TERM
cd "$0" || exit 126
read -r stat </proc/$$/stat
read -r boot </proc/sys/kernel/random/boot_id
echo "$boot $stat" >pid
"$@"
echo $? >exit
"""
"""Builtins only: 1.1 ms a child. `pid` holds the boot id and the shim's line of /proc/<pid>/stat."""

SIGNALLED = 128
"""A shell's status for a child that a signal ended is this plus the signal (POSIX, 2.8.2)."""

REAL_TIME = SIGNALLED + 32
"""Above the standard signals, 1 to 31 (signal(7)), lie statuses of FFmpeg's own: 183 is invalid data."""

NOT_FOR_CHILDREN = frozenset({"FFREPORT", "AV_LOG_FORCE_COLOR"})
"""Environment that would make FFmpeg write a report of its own, or escapes into its stderr."""

RESTORED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these two; FFmpeg is to have them as any program has."""


class ProcessStat(NamedTuple):
    """What /proc/<pid>/stat says of a process (proc(5)). `start` is clock ticks after boot."""

    pid: int
    state: str
    group: int
    start: int

    @property
    def is_dead(self) -> bool:
        """A zombie: it runs no more, and its parent has not looked."""
        return self.state in "ZX"


def parse_stat(line: str) -> ProcessStat:
    """A line of /proc/<pid>/stat. The name in brackets may hold anything; what follows the last bracket does not."""
    head, _, tail = line.rpartition(")")
    fields = tail.split()
    return ProcessStat(int(head.partition(" ")[0]), fields[0], int(fields[2]), int(fields[19]))


def process(pid: int) -> ProcessStat | None:
    """The process of that pid, None where there is none."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return None


def group_members(group: int) -> list[int]:
    """The pids of a process group that still run. Reads all of /proc: some milliseconds."""
    found = (process(int(entry.name)) for entry in os.scandir("/proc") if entry.name.isdigit())
    return [stat.pid for stat in found if stat is not None and stat.group == group and not stat.is_dead]


class Child:
    """A process group that runs or ran. Used by one thread, the Render actor's.

    Attributes:
        pid: the shim's pid, which is also the id of the group.
        pidfd: becomes readable when the shim has ended.

    """

    def __init__(self, pid: int, pidfd: int, workspace: Workspace) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.workspace = workspace
        self._ended_by: int | None = None
        self._reaped = False

    @classmethod
    def spawn(cls, argv: Sequence[str], workspace: Workspace) -> Self:
        """Start `argv` under the shim, in the prepared `workspace`. Raises OSError."""
        fifo = stderr = null = -1
        try:
            # Read-write, so that the child's stdin never ends, whoever else has it open.
            fifo = os.open(workspace.stdin, os.O_RDWR | os.O_CLOEXEC)
            stderr = os.open(workspace.stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            pid = os.posix_spawn(
                SHELL,
                [SHELL, "-c", SHIM, str(workspace.folder), *argv],
                {key: value for key, value in os.environ.items() if key not in NOT_FOR_CHILDREN},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, fifo, 0),
                    (os.POSIX_SPAWN_DUP2, null, 1),
                    (os.POSIX_SPAWN_DUP2, stderr, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=RESTORED_SIGNALS,
            )
        finally:
            for descriptor in (fifo, stderr, null):
                if descriptor >= 0:
                    os.close(descriptor)
        return cls(pid, os.pidfd_open(pid), workspace)

    @classmethod
    def adopt(cls, workspace: Workspace) -> Self | None:
        """The child that the shim in `workspace` noted, None where it runs no more.

        Pid, start time and boot must agree: a pid that the system gave to somebody else is not ours.
        """
        try:
            boot, _, line = workspace.pid.read_text(errors="replace").partition(" ")
            noted = parse_stat(line)
        except (FileNotFoundError, ValueError, IndexError):
            return None
        if boot != Path("/proc/sys/kernel/random/boot_id").read_text().strip():
            return None
        try:
            pidfd = os.pidfd_open(noted.pid)
        except ProcessLookupError:
            return None
        found = process(noted.pid)
        child = cls(noted.pid, pidfd, workspace)
        if found is not None and found.start == noted.start and not found.is_dead:
            return child
        child.reap()  # a zombie of this very process, left by a Render actor that failed
        child.close()
        return None

    @property
    def age(self) -> float:
        """Seconds since the shim started, whatever daemon counted them and whatever the wall clock did."""
        stat = process(self.pid)
        if stat is None:
            return 0.0
        return time.clock_gettime(time.CLOCK_BOOTTIME) - stat.start / os.sysconf("SC_CLK_TCK")

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
        except BlockingIOError:
            return  # the FIFO is full: a child that reads nothing will not read this either
        finally:
            os.close(fifo)

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group."""
        if self._reaped:
            # The leader's pid may be somebody else's by now; only who is seen to belong to the group is signalled.
            for pid in group_members(self.pid):
                _kill(pid, number)
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    # ------------------------------------------------------------ after its end

    def reap(self) -> None:
        """Take the ended shim off the process table, where it is this process' own child."""
        if self._reaped:
            return
        try:
            ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            ended = None  # adopted: another has reaped it, or will
        if ended is not None and ended.si_code != os.CLD_EXITED:
            self._ended_by = ended.si_status
        self._reaped = True

    def is_empty(self) -> bool:
        """True where no process of the group runs any more. To be asked after `reap`."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        self._reap_orphans()
        return not group_members(self.pid)

    def _reap_orphans(self) -> None:
        """Grandchildren become this process' own where it is the init of a container."""
        try:
            while os.waitid(os.P_PGID, self.pid, os.WEXITED | os.WNOHANG) is not None:
                pass
        except ChildProcessError:
            return

    def exit_status(self) -> int | None:
        """How FFmpeg ended: its status, or the negated signal; None where nobody could write it down."""
        return exit_status(self.workspace, self._ended_by)

    def close(self) -> None:
        """Let go of the pidfd."""
        os.close(self.pidfd)


def exit_status(workspace: Workspace, shim_ended_by: int | None = None) -> int | None:
    """What the exit file says; where it is empty, the signal that ended the shim, if that is known."""
    try:
        written = workspace.exit.read_text().strip()
    except FileNotFoundError:
        written = ""
    if not written:
        return None if shim_ended_by is None else -shim_ended_by
    status = int(written)
    return SIGNALLED - status if SIGNALLED < status < REAL_TIME else status


def strays(workspace: Workspace) -> list[int]:
    """The pids that a dead shim's group still holds. Their working folder tells them from a later group of that id."""
    try:
        group = parse_stat(workspace.pid.read_text(errors="replace").partition(" ")[2]).pid
    except (FileNotFoundError, ValueError, IndexError):
        return []
    return [pid for pid in group_members(group) if _works_in(pid, workspace.folder)]


def kill(pids: Iterable[int]) -> None:
    """SIGKILL each."""
    for pid in pids:
        _kill(pid, signal.SIGKILL)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
