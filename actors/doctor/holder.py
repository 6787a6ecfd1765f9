"""Which daemon has a data folder."""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

from actors.daemon import LOCK_FILE


class Holder(NamedTuple):
    """A daemon that holds the lock of a data folder. `pid` is None where it is in a container, or not ours to see."""

    pid: int | None


def holder(data: Path) -> Holder | None:
    """The daemon that has a data folder; None where nobody has.

    Where nobody has, this holds the lock itself for some microseconds: that it is shared keeps two who ask at once from
    taking each other for a daemon. Raises OSError where it cannot be seen.
    """
    try:
        lock = os.open(data / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        said = os.read(lock, 32).strip()
        is_here = said.isdigit() and _has_open(int(said), data.resolve() / LOCK_FILE)
        return Holder(int(said) if is_here else None)
    finally:
        os.close(lock)
    return None


def _has_open(pid: int, file: Path) -> bool:
    """Whether a process is what it says it is: a pid that a container's daemon noted is somebody else's here."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(os.readlink(entry) == str(file) for entry in entries)  # noqa: PTH115 # scandir's entries
    except OSError:
        return False


def name(found: Holder) -> str:
    """How a line calls it."""
    return "the daemon" if found.pid is None else f"the daemon (pid {found.pid})"
