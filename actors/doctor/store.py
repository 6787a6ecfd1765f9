"""The store: its schema, and whether it is sound. Where a daemon has it, that daemon looks after it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from actors.config import Config
from actors.doctor.finding import Finding, fail, ok, size
from actors.doctor.holder import holder, name
from actors.jobs.database import (
    FILE_NAME,
    StoreError,
    check,
    connect,
    damaged,
    is_empty,
    sqlite_quote,
    unavailable,
)
from actors.jobs.keeper import RESERVE_FILE
from actors.jobs.sql import migrations, queries

CHECK_SECONDS = 8.0
"""For the look for damage, which sees half a GB a second: half of what all checks have, since the disk may be slow."""


def look(config: Config) -> Iterator[Finding]:
    """Look into the file, unless somebody works with it."""
    data = Path(config.data)
    path = data / FILE_NAME
    found = holder(data)
    if found is not None:
        yield ok("store", f"{name(found)} has it, and looks after it")
    elif is_empty(path) or not path.exists():
        yield _none(data, path)
    else:
        yield _sound(path)


def _none(data: Path, path: Path) -> Finding:
    if not (data / RESERVE_FILE).exists():
        return ok("store", "none yet; the daemon will make it")
    if path.exists():
        return fail("store", str(damaged(path, "it is empty, and a daemon has served from here before")))
    return fail(
        "store", f"{path} is gone, and a daemon has served from here before",
        f"put a backup in its place (see {data / 'backups'}), else the daemon begins with an empty store",
    )  # fmt: skip


def _sound(path: Path) -> Finding:
    try:
        with closing(open_still(path)) as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            whole = check(connection, path, CHECK_SECONDS)
            counts: dict[str, int] = dict(connection.execute(queries()["counts"])) if version else {}
    except StoreError as error:
        finding = fail("store", str(error))
    except sqlite3.OperationalError as error:
        finding = fail("store", str(unavailable(path, error)), "see that the daemon's user may read it")
    except sqlite3.DatabaseError as error:
        finding = fail("store", str(damaged(path, error)))
    else:
        return _schema(path, version, counts, whole=whole)
    if holder(path.parent) is not None:
        return ok("store", "a daemon has just begun to use it, and looks after it")
    return finding


def _schema(path: Path, version: int, counts: dict[str, int], *, whole: bool) -> Finding:
    known = len(migrations())
    if version > known:
        return fail(
            "store", f"{path} has schema {version}, made by a newer Rushes; this one knows up to {known}",
            "run the newer version, or name another data folder",
        )  # fmt: skip
    schema = f"schema {version}" + (f", which the daemon will bring to {known}" if version < known else "")
    jobs = " ".join(f"{count} {status}" for status, count in counts.items()) or "no jobs"
    extent = "sound" if whole else f"sound as far as {CHECK_SECONDS:g} s went"
    return ok("store", f"{schema}, {jobs}, {size(path.stat().st_size)}, {extent}")


def unknown_jobs(path: Path, ids: Sequence[str]) -> list[str]:
    """Those of `ids` that are no job's in a store; none where it cannot be read: its own check says why."""
    try:
        with closing(open_still(path)) as connection:
            return [one for one in ids if connection.execute(queries()["job_ids"], (one,)).fetchone() is None]
    except sqlite3.Error:
        return []


def open_still(path: Path) -> sqlite3.Connection:
    """Open the file so that nothing of it, and nothing beside it, changes. Raises sqlite3.Error.

    A reader makes files beside a store in WAL mode, which would be its user's. Where there is no log to be read with
    the file, SQLite is told that nobody writes, and makes none. Where there is one, of a daemon that was killed, all of
    them are there.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and not is_empty(log):
        return connect(path, read_only=True)
    return sqlite3.connect(f"file:{sqlite_quote(path)}?mode=ro&immutable=1", uri=True, isolation_level=None)
