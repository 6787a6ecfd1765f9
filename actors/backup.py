"""Copies of the store, made in use by SQLite's online backup; each is one file that can be put in its place."""

import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from actors.ffmpeg.command import PARTIAL_PREFIX
from actors.jobs.database import StoreError, check_file, connect
from actors.jobs.sql import queries

FOLDER = "backups"
"""In the data folder: what the daemon makes by itself."""

NAME = "rushes-{}.sqlite3"

FIRST_SECONDS = 600.0
"""After the start of a daemon that has no backup at all, until it makes one."""


class BackupFailed(Exception):
    """No backup was made; the message says why."""


def make(store: Path, target: Path) -> int:
    """Copy the store to `target`, whole or not at all; the copy's size in bytes.

    The copy gets an epoch of its own: what follows from it is another history, and readers of events begin anew.
    Blocks for as long as the copy takes; the Queue goes on meanwhile. Any thread.

    Raises:
        BackupFailed: the disk does not take it, or the copy turned out to be damaged.

    """
    partial = target.with_name(f"{PARTIAL_PREFIX}{target.name}-{os.getpid()}")
    try:
        partial.unlink(missing_ok=True)
        # One step: in WAL mode it reads one snapshot, and delays no writer.
        with closing(connect(store, read_only=True)) as source, closing(connect(partial, read_only=False)) as copy:
            source.backup(copy, pages=-1)
            copy.execute(queries()["meta_set"], ("epoch", str(uuid.uuid4())))
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL beside it
        check_file(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return target.stat().st_size
    except (OSError, sqlite3.Error, StoreError) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        why = error.strerror if isinstance(error, OSError) else error
        raise BackupFailed(f"{target} could not be made: {why}") from error


class Schedule:
    """The backups that the daemon makes by itself. Used by the Janitor's thread."""

    def __init__(self, store: Path, every_hours: float, keep: int) -> None:
        self._store = store
        self._folder = store.parent / FOLDER
        self._every = every_hours * 3600
        self._keep = keep

    def begin(self) -> float | None:
        """Take away what a crash left; the seconds until the first is due, None where none is wanted.

        What is wrong with the folder keeps no daemon from starting: the first says so when it cannot be made.
        """
        if not self._every:
            return None
        with contextlib.suppress(OSError):
            for left in self._folder.glob(f"{PARTIAL_PREFIX}*"):
                left.unlink(missing_ok=True)
            if made := self._made():
                return min(max(0.0, made[-1].stat().st_mtime + self._every - time.time()), self._every)
        return min(FIRST_SECONDS, self._every)

    def run(self) -> tuple[Path, int]:
        """Make one; its path and size. Raises `BackupFailed`."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            raise BackupFailed(f"{self._folder} is no folder, nor leads to one: is what it is on mounted?") from None
        except OSError as error:
            raise BackupFailed(f"{self._folder} could not be made: {error.strerror}") from error
        target = self._folder / NAME.format(time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        return target, make(self._store, target)

    def remove_oldest(self) -> Iterator[tuple[Path, str]]:
        """Remove those beyond what is to be kept; each that cannot be, and why."""
        for old in self._made()[: -self._keep]:
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                yield old, error.strerror or str(error)

    @property
    def every(self) -> float:
        """Seconds between two."""
        return self._every

    def _made(self) -> list[Path]:
        """Those there are, the oldest first: their names are times."""
        return sorted(self._folder.glob(NAME.format("*")))
