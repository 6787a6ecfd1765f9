"""Room on a disk: how much there is, and a little that is kept for the day when there is none."""

import os
from pathlib import Path

RESERVE_BYTES = 2 * 1024 * 1024
"""Enough for some hundred small transactions: the outcomes of all running jobs, and the deletes that make room."""


def free_bytes(folder: Path) -> int:
    """What an unprivileged user may still write to the file system of `folder`. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Reserve:
    """A file of the data folder that holds room. On a full disk SQLite cannot even delete: this is given up first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> bool:
        """Make sure that the room is held; False where the disk has less than twice of it to give."""
        if self._path.exists() and self._path.stat().st_size >= RESERVE_BYTES:
            return True
        try:
            if free_bytes(self._path.parent) < 2 * RESERVE_BYTES:
                return False
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room to whoever writes next."""
        self._path.unlink(missing_ok=True)
