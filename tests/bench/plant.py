"""A long queue, planted straight into the store of a stopped daemon: to submit a million jobs would take minutes.

A daemon has made the schema, and one job, by a real submit. Its rows (job, output, event, command with its reply, audit
entry) are the pattern: each further job has the same, with numbers, ids and paths of its own. Ids are random as
the daemon's are, so that the indexes get the shape that they would have.
"""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack

from actors.jobs.database import FILE_NAME
from actors.jobs.model import ID_ALPHABET, ID_CHARS
from actors.jobs.places import BLOCK_BITS

CACHE_KIB = 2_000_000
"""For SQLite: random ids are inserted at random places, and a page that has to be read again costs more than all."""

PATTERN = "0000000"
"""In the pattern job's output path and command id: its number, in as many digits as the longest queue's."""

SEQ = 0x7EADBEEF
"""In the pattern event's body: its seq, as a number that msgpack packs into four bytes and that stands nowhere else."""

OWN = {
    ("jobs", "number"): "number", ("jobs", "rank"): "number", ("jobs", "seq"): "seq", ("outputs", "job"): "number",
    ("events", "seq"): "seq", ("audit", "seq"): "NULL", ("commands", "digest"): "CAST(id AS BLOB)",
}  # fmt: skip
"""Where a job has a number of its own, and from what. A digest is any 16 bytes: nobody sends these commands again."""

NEW = "CREATE TEMP TABLE new (number INTEGER PRIMARY KEY, seq INTEGER, id TEXT, packed BLOB, digits TEXT)"


def plant(data: Path, total: int, seed: int) -> range:
    """Add jobs to the store in `data`, whose daemon is stopped, until it has `total`; the numbers of those added.

    Not synced and without a journal, since a store that breaks in the middle is thrown away; then as it was.
    `seed` makes the ids.
    """
    with closing(sqlite3.connect(data / FILE_NAME, isolation_level=None)) as store:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}", "temp_store = MEMORY"):
            store.execute(f"PRAGMA {pragma}")
        have, last_seq = store.execute(
            "SELECT (SELECT max(number) FROM jobs), (SELECT max(seq) FROM events)"
        ).fetchone()  # fmt: skip
        fresh = range(have + 1, total + 1)
        store.execute("BEGIN")
        store.execute(NEW)
        store.executemany("INSERT INTO new VALUES (?, ?, ?, ?, ?)", _numbered(fresh, last_seq + 1, seed))
        for table, row in _pattern(store).items():
            columns, values = [], []
            for name, value in row.items():
                column, *told = _column(table, name, value)
                columns.append(column)
                values += told
            store.execute(f"INSERT INTO {table} ({', '.join(row)}) SELECT {', '.join(columns)} FROM new", values)
        store.execute("DELETE FROM queue_blocks")
        queued = f"SELECT priority, rank >> {BLOCK_BITS}, count(*) FROM jobs WHERE status = 'queued' GROUP BY 1, 2"
        store.execute(f"INSERT INTO queue_blocks {queued}")
        store.execute("COMMIT")
        store.execute("PRAGMA journal_mode = WAL")
    return fresh


def ids_of(data: Path, numbers: Sequence[int]) -> list[str]:
    """The ids of the jobs with these numbers, in that order."""
    with closing(sqlite3.connect(data / FILE_NAME)) as store:
        query = "SELECT id FROM jobs WHERE number = ?"
        return [str(store.execute(query, (number,)).fetchone()[0]) for number in numbers]


def _numbered(numbers: range, seq: int, seed: int) -> Iterator[tuple[int, int, str, bytes, str]]:
    """What is each new job's own."""
    chance = random.Random(f"{seed} {numbers.start}")
    for number in numbers:
        bits = chance.getrandbits(5 * ID_CHARS)
        job_id = "".join([ID_ALPHABET[bits >> shift & 31] for shift in range(0, 5 * ID_CHARS, 5)])
        own_seq = seq + number - numbers.start
        yield number, own_seq, job_id, own_seq.to_bytes(4, "big"), f"{number:0{len(PATTERN)}}"


def _pattern(store: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The rows of the first job, by table, with the patterns in place of what is its own."""
    job = _row(store, "jobs", "number = ?", 1)
    found = {
        "jobs": job,
        "outputs": _row(store, "outputs", "job = ?", 1),
        **{table: _row(store, table, "job_id = ?", job["id"]) for table in ("events", "commands", "audit")},
    }
    event = msgpack.unpackb(found["events"]["body"])
    found["events"]["body"] = msgpack.packb({**event, "seq": SEQ})
    return {
        table: {name: _without(value, job["id"]) for name, value in row.items()} for table, row in found.items()
    }  # fmt: skip


ID = "-" * ID_CHARS
"""Stands for the id in the pattern, so that one job's can be told from another's."""


def _without(value: Any, job_id: str) -> Any:
    if isinstance(value, bytes):
        return value.replace(job_id.encode(), ID.encode())
    return value.replace(job_id, ID) if isinstance(value, str) else value


def _column(table: str, name: str, value: Any) -> tuple[Any, ...]:
    """The SQL that makes a new job's value of a column, and what is to be bound in it."""
    own = OWN.get((table, name))
    if own is not None:
        return (own,)
    if value == ID:
        return ("id",)
    text = value.encode() if isinstance(value, str) else value
    if not isinstance(text, bytes):
        return ("?", value)
    sql = "CAST(? AS TEXT)"
    for pattern, column in ((PATTERN.encode(), "digits"), (ID.encode(), "id"), (SEQ.to_bytes(4, "big"), "packed")):
        if pattern in text:  # SQLite's replace() goes by bytes, whatever they are
            sql = f"replace({sql}, CAST(x'{pattern.hex()}' AS TEXT), CAST({column} AS TEXT))"
    return (f"CAST({sql} AS BLOB)" if isinstance(value, bytes) else sql, value)


def _row(store: sqlite3.Connection, table: str, where: str, key: object) -> dict[str, Any]:
    found = store.execute(f"SELECT * FROM {table} WHERE {where}", (key,))
    names = [column[0] for column in found.description]
    return dict(zip(names, found.fetchone(), strict=True))
