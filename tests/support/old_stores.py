"""Stores as earlier versions of Rushes left them, for a daemon of today to open.

stores/schema-N.sql has the rows that the last daemon of that schema wrote, in a folder that stands there as
/tmp/r--base--: one job completed, one failed, one cancelled, one that ran when the daemon and FFmpeg were killed, and
three that were queued, one of them put to the front.
"""

import os
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from actors.jobs.sql import migrations
from tests.support.faults import FILE_NAME

STORES = Path(__file__).with_name("stores")

BASE = "/tmp/r--base--"
"""As long as the folder of a `Daemon`: these names stand with their lengths in what was published."""

WRITTEN_ON = "2026-11-26"
"""Events older than 30 days would be forgotten."""

ENCODED = re.compile(r"X'([0-9a-f]*)'")

SCHEMAS = sorted(int(path.stem.removeprefix("schema-")) for path in STORES.iterdir())


def make_store(schema: int, base: Path) -> Path:
    """Build the store in the data folder below `base`; its file."""
    assert len(str(base)) == len(BASE), base
    data = base / "data"
    data.mkdir(mode=0o700)
    today = datetime.now(UTC).strftime("%Y-%m-%d")

    def moved(text: bytes) -> bytes:
        return text.replace(BASE.encode(), str(base).encode()).replace(WRITTEN_ON.encode(), today.encode())

    rows = (STORES / f"schema-{schema}.sql").read_text()
    rows = ENCODED.sub(lambda found: f"X'{moved(bytes.fromhex(found[1])).hex()}'", rows)
    with closing(sqlite3.connect(data / FILE_NAME)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for script in migrations()[:schema]:
            connection.executescript(script)
        connection.executescript(f"BEGIN;\n{moved(rows.encode()).decode()}\nCOMMIT;")
        connection.execute(f"PRAGMA user_version = {schema}")
    return data / FILE_NAME


def leave_run(base: Path, job_id: str) -> None:
    """What these versions kept of a run, where FFmpeg was killed: files of which today's have other names."""
    folder = base / "data/work" / job_id / "1-0"
    folder.mkdir(parents=True, mode=0o700)
    os.mkfifo(folder / "stdin")
    for name in ("stderr", "progress", "pid", "exit", "lock", "partial"):
        (folder / name).touch()


def claim_output(store: Path, output: Path) -> None:
    """Have a file be the one that a completed output of the store made."""
    found = output.stat()
    identity = {"device": found.st_dev, "inode": found.st_ino, "size": found.st_size, "mtime_ns": found.st_mtime_ns}
    with closing(sqlite3.connect(store)) as connection, connection:
        changed = connection.execute(
            "UPDATE outputs SET file = ? WHERE target = ? AND status = 'completed'",
            (msgspec.json.encode(identity), str(output)),
        )
        assert changed.rowcount == 1
