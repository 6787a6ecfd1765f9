"""Which daemon has a data folder."""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

from actors.daemon import LOCK_FILE


class Holder(NamedTuple):
    """A daemon that holds the lock of a data folder. `pid` is as it sees itself; None where it could not write it."""

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
        return Holder(int(said) if said.isdigit() else None)
    finally:
        os.close(lock)
    return None


def name(found: Holder) -> str:
    """How a line calls it."""
    return "the daemon" if found.pid is None else f"the daemon (pid {found.pid})"
