"""The machine: its clocks, its kernel, and what it lets one user have."""

import ctypes
import os
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from actors.config import Config
from actors.doctor.cgroup import least
from actors.doctor.finding import Finding, fail, ok, size, warn
from actors.doctor.holder import holder
from bus.door import spare

TIME_ERROR = 5
"""What adjtimex(2) returns where nobody keeps the clock in step."""

TIMEX_BYTES = 512
"""Room for its struct, which has 208."""

FIRST_YEAR = 2025
"""No clock that is right has shown a time before: Rushes is younger."""

ASLEEP_SECONDS = 60.0

OWN_DESCRIPTORS = 64
"""The daemon's sockets, store, log and eventfds: 34 when idle."""

JOB_DESCRIPTORS = 8
"""A running job has 3; the rest is what its start and its proof take for a moment."""

CLIENTS = 64
"""Connections that a daemon should have room for."""

JOB_TASKS = 8
"""Processes and threads of a run besides those for each core: the shim, FFmpeg, its readers and writers."""

TASKS_PER_CORE = 4
"""FFmpeg's threads for each core: decoder, filters, and libx264's one and a half."""

SHARED = Path("/dev/shm")  # noqa: S108 # only looked at

JOB_MEMORY = 500_000_000
"""What libx264 takes for 1080p; 4K takes four times as much."""


def look_at_clock(_config: Config) -> Iterator[Finding]:
    """Whether the clocks run, and run right. Nobody is asked but the kernel."""
    now = datetime.now(UTC)
    up, awake = time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic()
    line = f"{now.strftime('%Y-%m-%d %H:%M:%S')} UTC"
    if now.year < FIRST_YEAR:
        yield fail("clock", f"it is set to {line}", "set it: timedatectl set-ntp true, or date -s")
    elif up < awake - 1:
        yield fail("clock", f"the machine has run for {up:.0f} s, of which it was awake {awake:.0f}", "a kernel defect")
    elif _is_adrift():
        yield warn(
            "clock", f"{line}, and nothing keeps it in step", "times in events may be off: timedatectl set-ntp true"
        )
    else:
        slept = f"; it has slept for {up - awake:.0f} s since it started" if up - awake > ASLEEP_SECONDS else ""
        yield ok("clock", f"{line}, kept in step{slept}")


def _is_adrift() -> bool:
    """What the kernel has been told by whoever sets the clock: ntpd, chrony, systemd-timesyncd, the hypervisor."""
    libc = ctypes.CDLL(None, use_errno=True)
    asked = ctypes.create_string_buffer(TIMEX_BYTES)  # all zeros: change nothing
    return bool(libc.adjtimex(asked) == TIME_ERROR)


def look_at_kernel(_config: Config) -> Iterator[Finding]:
    """What Rushes asks of it that not every one has."""
    release = os.uname().release
    try:
        pidfd = os.pidfd_open(os.getpid())
    except OSError as error:
        yield fail(
            "kernel", f"{release} refuses pidfd_open: {error.strerror}",
            "it must be Linux 5.4 or newer, and a container's seccomp profile must let it",
        )  # fmt: skip
        return
    os.close(pidfd)
    yield ok("kernel", f"{release}, with pidfd")


def look_at_limits(config: Config) -> Iterator[Finding]:
    """Whether the limits leave room for all slots. Those of a daemon that runs, where this user may see them."""
    pid = _daemon_pid(Path(config.data))
    whose = "this shell" if pid is None else "the daemon"
    slots = sum(config.slots.values())  # each job takes one of some resource
    yield _descriptors(slots, pid, whose)
    yield _tasks(slots, pid, whose)
    yield _memory(slots, pid, whose)
    yield _shared_memory()


def _daemon_pid(data: Path) -> int | None:
    """The pid of the daemon that runs there; None where there is none, or its limits are not ours to see."""
    try:
        found = holder(data)
        if found is None or found.pid is None:
            return None
        resource.prlimit(found.pid, resource.RLIMIT_NOFILE)
    except OSError:
        return None
    return found.pid


def _descriptors(slots: int, pid: int | None, whose: str) -> Finding:
    _, most = resource.prlimit(pid or 0, resource.RLIMIT_NOFILE)  # a daemon takes all that it may
    if most == resource.RLIM_INFINITY:
        return ok("descriptors", f"{whose} has no limit")
    needed = OWN_DESCRIPTORS + JOB_DESCRIPTORS * slots
    left = most - spare(most) - needed
    line = f"{whose} may have {most} open files; {slots} slots need {needed}"
    advice = "raise it: LimitNOFILE=65536 in the unit, ulimit -Hn in a shell; or have fewer slots"
    if left < 0:
        return fail("descriptors", line, advice)
    if left < CLIENTS:
        return warn("descriptors", f"{line}, which leaves {left} for clients", advice)
    return ok("descriptors", f"{line} and {left} are left for clients")


def _tasks(slots: int, pid: int | None, whose: str) -> Finding:
    soft, _ = resource.prlimit(pid or 0, resource.RLIMIT_NPROC)
    by_group = least("pids.max", pid)
    limits = [limit for limit in (soft if soft >= 0 and os.geteuid() else None, by_group) if limit is not None]
    if not limits:
        return ok("processes", f"{whose} has no limit")
    needed = slots * (JOB_TASKS + TASKS_PER_CORE * len(os.sched_getaffinity(0)))
    line = f"{whose} may have {min(limits)} processes and threads; {slots} slots need some {needed}"
    if min(limits) < needed:
        return warn(
            "processes", line, "raise it: TasksMax= and LimitNPROC= in the unit, ulimit -u; or have fewer slots"
        )
    return ok("processes", line)


def _memory(slots: int, pid: int | None, whose: str) -> Finding:
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    by_group = least("memory.max", pid)
    has = there if by_group is None else min(there, by_group)
    line = f"{whose} may have {size(has)}" if by_group is not None and by_group < there else f"{size(there)} in all"
    if has < slots * JOB_MEMORY:
        line = f"{line}: little for {slots} slots, each of which takes {size(JOB_MEMORY)} for 1080p"
        return warn(
            "memory", line, "have fewer slots: --slots; or raise MemoryMax= of the unit, memory of the container"
        )
    return ok("memory", line)


def _shared_memory() -> Finding:
    """Nothing of Rushes' own is there, but libraries that FFmpeg brings (for GPUs) want it."""
    if os.access(SHARED, os.W_OK):
        found = os.statvfs(SHARED)
        return ok("shared memory", f"{SHARED}, {size(found.f_blocks * found.f_frsize)}")
    return warn(
        "shared memory", f"{SHARED} cannot be used", f"some hardware encoders need it: mount -t tmpfs shm {SHARED}"
    )
