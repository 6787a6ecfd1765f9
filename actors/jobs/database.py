"""The SQLite file itself: how it is opened, whether it is sound, and what its errors mean. Any thread."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bus.histogram import Histogram

FILE_NAME = "rushes.sqlite3"

BUSY_SECONDS = 0.25
"""How long SQLite waits for another process' lock (an operator's `sqlite3` shell) before a commit is refused. The
whole Queue waits with it, heartbeats and all; whoever was refused may ask again."""

CHECK_SECONDS = 1.0
"""What the look for damage at the start may take before the daemon serves, and goes on looking beside its work."""

CHECK_STEPS = 50_000
"""SQLite's steps between two looks at the clock: some milliseconds."""


ADVICE = "; see that it is a file, and that the daemon's user may read and write it and its folder"


class StoreError(Exception):
    """Something is wrong with the store."""


class StoreUnavailable(StoreError):
    """It could not be written now: the disk is full or failing, or another process holds its lock."""


class StoreFull(StoreUnavailable):
    """The disk, or the quota, is full."""


class StoreFailing(StoreUnavailable):
    """The disk failed in a write or an fsync: this connection is not to be used again."""


class StoreUnusable(StoreError):
    """The file is no store of this version, or damaged; the message says what to do."""


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection for the calling thread."""
    mode = "ro" if read_only else "rwc"
    uri = f"file:{sqlite_quote(path)}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=256)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def commit(connection: sqlite3.Connection, times: Histogram | None) -> None:
    """Write a transaction to SQLite's log, and sync that; `times` counts the seconds, where somebody wants them."""
    if times is None:
        connection.execute("COMMIT")
        return
    began = time.perf_counter()
    connection.execute("COMMIT")
    times.observe(time.perf_counter() - began)


def check_file(path: Path, seconds: float | None = None) -> bool:
    """Look through a store for damage, with SQLite's quick_check: some 2 s for each GB.

    Args:
        path: the file.
        seconds: how long it may take; None is for as long as it does.

    Returns:
        False where the time was over before it had seen all.

    Raises:
        StoreUnusable: it is damaged.
        StoreUnavailable: it cannot be read.

    """
    try:
        connection = connect(path, read_only=True)
    except sqlite3.OperationalError as error:
        raise unavailable(path, error) from error
    with closing(connection):
        return check(connection, path, seconds)


def check(connection: sqlite3.Connection, path: Path, seconds: float | None) -> bool:
    """The same on a connection that is open."""
    try:
        if seconds is not None:
            end = time.monotonic() + seconds
            connection.set_progress_handler(lambda: time.monotonic() > end, CHECK_STEPS)
        for (found,) in connection.execute("PRAGMA quick_check(1)"):
            if found != "ok":  # raised here: what is known must not be forgotten when the time is over
                raise damaged(path, found)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return False
        raise unavailable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error
    finally:
        connection.set_progress_handler(None, 0)
    return True


def is_empty(path: Path) -> bool:
    """True for a file without a byte, which is a new store to SQLite."""
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """True where SQLite says that the file is not what it should be."""
    return (error.sqlite_errorcode or 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged(path: Path, why: object) -> StoreUnusable:
    """The error for a file that is damaged."""
    said = " ".join(str(why).replace("*** in database main ***", "").split())  # SQLite's may have several lines
    return StoreUnusable(
        f"{path} is damaged ({said}). With the daemon stopped, move it and its -wal and -shm away, and put a backup in "
        f"its place: see {path.parent / 'backups'}"
    )


def unavailable(path: Path, error: sqlite3.OperationalError) -> StoreUnavailable:
    """The error for what SQLite could not do now."""
    kinds = {sqlite3.SQLITE_FULL: StoreFull, sqlite3.SQLITE_IOERR: StoreFailing}
    code = (error.sqlite_errorcode or 0) & 0xFF  # the low byte is the primary code
    advice = ADVICE if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) else ""
    return kinds.get(code, StoreUnavailable)(f"{path}: {error}{advice}")


def sqlite_quote(path: Path) -> str:
    """A path as the file part of a SQLite URI (sqlite.org/uri.html: `%`, `?` and `#` are escaped)."""
    return os.fspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
