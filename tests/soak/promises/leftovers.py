"""Nothing is left behind: no process, no partial file, no FIFO, no work folder of nobody; and the store is sound."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.soak.evidence import Evidence
from tests.support.processes import descendants_of, eventually

END_SECONDS = 5.0
"""What a killed process may take to be gone: it is its new parent that takes it off the table."""

STORE_MAGIC = b"SQLite format 3\0"


def check(evidence: Evidence) -> Iterator[str]:
    """What is there that must not be. To be asked once the daemon has ended."""
    try:
        eventually(lambda: not descendants_of(evidence.base), "nobody left", timeout=END_SECONDS)
    except AssertionError:
        yield f"processes are left: {descendants_of(evidence.base)}"
    for path in sorted(evidence.base.rglob(".rushes-*")):
        yield f"a partial file is left: {path}"
    for path in sorted(evidence.work.rglob("*")):
        if stat.S_ISFIFO(path.stat().st_mode):
            yield f"a FIFO is left: {path}"
    for folder in sorted(evidence.work.iterdir()):
        if folder.name not in evidence.views:
            yield f"a work folder is left that is nobody's: {folder}"
    yield from _store_is_sound(evidence.work.parent)


def _store_is_sound(data: Path) -> Iterator[str]:
    (store,) = [path for path in data.iterdir() if path.is_file() and path.read_bytes()[:16] == STORE_MAGIC]
    with closing(sqlite3.connect(store)) as connection:
        for check_ in ("integrity_check", "foreign_key_check"):
            found = connection.execute(f"PRAGMA {check_}").fetchall()
            if found not in ([], [("ok",)]):
                yield f"PRAGMA {check_} says {found}"
