"""The data folder: whose it is, whether it can be written, how fast, whether locks hold there, and its room."""

import errno
import fcntl
import os
import pwd
import shlex
import stat
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from actors.config import Config
from actors.disk import free_bytes
from actors.doctor.filesystem import filesystem
from actors.doctor.finding import Finding, fail, milliseconds, ok, size, warn
from actors.ffmpeg.command import PARTIAL_PREFIX
from actors.jobs.keeper import SHORT_BYTES

SYNCS = 5
"""Of which the middle one counts."""

SLOW_SYNC_SECONDS = 0.05
"""A durable command waits for one fsync: a fast disk needs 0.2 ms, a spinning one 10, one that is dying far more."""

FEW_INODES = 1000
"""Each job has four files."""

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def look(config: Config) -> Iterator[Finding]:
    """All of it, the folder itself first: where that is not to be used, there is nothing more to say."""
    data = Path(config.data)
    try:
        found = data.stat()
    except FileNotFoundError:
        yield from _missing(data, config.min_free)
        return
    except OSError as error:
        yield fail(
            "data", f"{data}: {error.strerror}", f"see that {user_name(os.geteuid())} may enter each folder of it"
        )
        return
    if not stat.S_ISDIR(found.st_mode):
        yield fail("data", f"{data} is no folder", "name another with --data, or move the file away")
        return
    yield _owner(data, found)
    yield from _room(data, config.min_free)
    yield filesystem(data)
    yield from _writing(data)


def look_at_log(config: Config) -> Iterator[Finding]:
    """Where the log goes, where that is a file."""
    if config.log_file is None:
        return
    file = Path(config.log_file)
    target = file if file.exists() else file.parent
    if os.access(target, os.W_OK):
        yield ok("log", str(file))
    else:
        yield fail("log", f"{file} cannot be written by {user_name(os.geteuid())}", "choose another with --log-file")


def user_name(uid: int) -> str:
    """The user's name, else its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _missing(data: Path, min_free: int) -> Iterator[Finding]:
    me = user_name(os.geteuid())
    if data.is_symlink():
        yield fail(
            "data", f"{data} is a link to what is not there", "mount what it points to, or name another with --data"
        )
        return
    nearest = next(folder for folder in data.parents if folder.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        yield ok("data", f"{data} does not exist yet; the daemon will make it")
        yield from _room(nearest, min_free)
        yield filesystem(nearest)
        return
    yield fail(
        "data", f"{data} does not exist, and {me} cannot make it in {nearest}",
        f"as root: install -d -o {me} -m 700 {shlex.quote(str(data))}; or name another with --data",
    )  # fmt: skip


def _owner(data: Path, found: os.stat_result) -> Finding:
    mode = stat.S_IMODE(found.st_mode)
    line = f"{data}, of {user_name(found.st_uid)}, mode {mode:04o}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return warn(
            "data", f"{line}: others may write there, and so change jobs", f"chmod go-w {shlex.quote(str(data))}"
        )
    return ok("data", line)


def _room(data: Path, min_free: int) -> Iterator[Finding]:
    free = free_bytes(data)
    line = f"{size(free)} free on the disk of {data}"
    if free < SHORT_BYTES:
        yield fail(
            "room", line, "make room: until then the daemon takes only what ends jobs; rushes delete makes some, too"
        )
    elif free < min_free:
        yield warn(
            "room", f"{line}, below min_free ({size(min_free)})", "make room: jobs for this disk wait until then"
        )
    else:
        yield ok("room", line)
    inodes = os.statvfs(data)
    if inodes.f_files and inodes.f_favail < FEW_INODES:
        yield fail("inodes", f"{inodes.f_favail} inodes left on the disk of {data}", "remove files there: df -i")


def _writing(data: Path) -> Iterator[Finding]:
    """What only a file of our own can tell. It has no name for longer than two calls take."""
    try:
        first, path = tempfile.mkstemp(dir=data, prefix=PARTIAL_PREFIX)
        try:
            second = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        finally:
            os.unlink(path)  # noqa: PTH108 # as mkstemp gave it
        try:
            yield _locks(data, first, second)
            yield _sync(data, first)
        finally:
            os.close(first)
            os.close(second)
    except OSError as error:
        if error.errno in DISK_FULL:
            remedy = "make room on that disk, or raise the quota"
        elif error.errno == errno.EROFS:
            remedy = "it is mounted read-only: look at dmesg for why, then mount -o remount,rw"
        else:
            remedy = f"see that {user_name(os.geteuid())} may write there: chown, chmod u+rwx"
        yield fail("write", f"{data} cannot be written: {error.strerror}", remedy)


def _locks(data: Path, first: int, second: int) -> Finding:
    """One of two who want the same lock must not get it."""
    advice = "keep the data folder on a local disk, such as ext4 or xfs"
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ok("locks", f"hold on the disk of {data}")
    except OSError as error:
        return fail("locks", f"the disk of {data} has none: {error.strerror}", advice)
    return fail("locks", f"do not hold on the disk of {data}: two got the same", advice)


def _sync(data: Path, descriptor: int) -> Finding:
    """How long a durable command waits for the disk. Raises OSError."""
    took = []
    for _ in range(SYNCS):
        os.pwrite(descriptor, os.urandom(4096), 0)
        began = time.monotonic()
        os.fdatasync(descriptor)
        took.append(time.monotonic() - began)
    middle = statistics.median(took)
    if middle > SLOW_SYNC_SECONDS:
        return warn(
            "fsync", f"takes {milliseconds(middle)} on the disk of {data}; each command waits for one",
            "see what else writes there (iotop), and whether the disk is ill (dmesg, smartctl)",
        )  # fmt: skip
    return ok("fsync", f"takes {milliseconds(middle)}")
