"""The named statements of queries.sql on a connection, the numbered migrations, and rows turned into jobs."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any, TypeVar

import msgspec

from actors.jobs.model import CancelWish, Deleting, FileIdentity, Job, Output, Pause
from bus import messages as m

NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

encode_json = msgspec.json.encode

T = TypeVar("T")

AT_ONCE = (128, 32, 8, 1)
"""Rows that one statement inserts, or keys that one looks up: there are so many of each. A statement gives up the
interpreter's lock, and may have to wait for it; of small ones that costs more than their work."""


@cache
def queries() -> dict[str, str]:
    """The statements of queries.sql by name."""
    text = resources.files(__package__).joinpath("queries.sql").read_text()
    _, *pieces = NAME.split(text)
    return {
        name: "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
        for name, body in zip(pieces[::2], pieces[1::2], strict=True)
    }


@cache
def inserts(name: str, rows: int) -> str:
    """A statement that inserts one row, as one that inserts so many."""
    head, values, row = queries()[name].rstrip(";").rpartition("VALUES")
    return f"{head}{values}{','.join([row] * rows)}"


@cache
def looks_up(name: str, keys: int) -> str:
    """A statement with one key in `IN (?)`, as one with so many."""
    return queries()[name].replace("IN (?)", f"IN ({', '.join('?' * keys)})")


def migrations() -> list[str]:
    """The scripts that build the schema, in order: the first takes an empty file to version 1."""
    folder = resources.files(__package__).joinpath("migrations")
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [folder.joinpath(name).read_text() for name in found]


class Statements:
    """The named statements on one connection; used by the thread that has opened it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queries = queries()

    def run(self, name: str, *values: Any) -> sqlite3.Cursor:
        """Execute one."""
        return self._connection.execute(self._queries[name], values)

    def one(self, name: str, *values: Any) -> Any:
        """The first value of the first row, None where there is none."""
        row = self.run(name, *values).fetchone()
        return None if row is None else row[0]

    def insert(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, in as few statements as can be."""
        for some in _pieces(rows):
            self._connection.execute(inserts(name, len(some)), tuple(chain.from_iterable(some)))

    def look_up(self, name: str, keys: Sequence[str], *first: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement with `IN (?)`, for any number of keys."""
        for some in _pieces(keys):
            yield from self._connection.execute(looks_up(name, len(some)), (*first, *some)).fetchall()


def _pieces(things: Sequence[T]) -> Iterator[Sequence[T]]:
    """All of them in their order, as many at once as a statement takes."""
    at = 0
    for count in AT_ONCE:
        while at + count <= len(things):
            yield things[at : at + count]
            at += count


def load_job(statements: Statements, row: tuple[Any, ...]) -> Job:
    """A row of `jobs` and its rows of `outputs`."""
    (number, job_id, seq, status, phase, priority, rank, name, session, spec, submitted_by, created_at, started_at,
     finished_at, cancelled_at, expires_at, attempts, attempts_base, runs, cancel, error, deleting,
     not_before, low_folder, expires_after, shape, paused) = row  # fmt: skip
    return Job(
        number=number, id=job_id, seq=seq, status=status, phase=phase, priority=priority, rank=rank, name=name,
        session=session, spec_json=spec, submitted_by=submitted_by, created_at=created_at, started_at=started_at,
        finished_at=finished_at, cancelled_at=cancelled_at, expires_at=expires_at, attempts=attempts,
        attempts_base=attempts_base, runs=runs, not_before=not_before, low_folder=low_folder,
        expires_after=expires_after, shape=shape,
        cancel=decode_optional(cancel, CancelWish),
        error=decode_optional(error, m.ErrorView),
        deleting=decode_optional(deleting, Deleting),
        paused=decode_optional(paused, Pause),
        outputs=[_output(row) for row in statements.run("outputs_of", number)],
    )  # fmt: skip


def _output(row: tuple[Any, ...]) -> Output:
    (index, path, target, name, status, progress, speed, size, duration, width, height, fps, started_at,
     finished_at, file) = row  # fmt: skip
    return Output(
        index=index, path=path, target=target, name=name, status=status, progress=progress, speed=speed, size=size,
        duration=duration, width=width, height=height, fps=fps, started_at=started_at, finished_at=finished_at,
        file=decode_optional(file, FileIdentity),
    )  # fmt: skip


def job_row(job: Job) -> tuple[Any, ...]:
    """A new job as `job_insert` takes it."""
    return (
        job.number, job.id, job.seq, job.priority, job.rank, job.name, job.session, job.spec_json, job.submitted_by,
        job.created_at, job.shape,
    )  # fmt: skip


def output_row(job: Job, output: Output) -> tuple[Any, ...]:
    """An output of a new job as `output_insert` takes it."""
    return job.number, output.index, output.path, output.target, output.name


def encode_optional(value: msgspec.Struct | None) -> bytes | None:
    """A small struct for a JSON column."""
    return None if value is None else encode_json(value)


def decode_optional(raw: bytes | None, kind: type[T]) -> T | None:
    """A small struct from a JSON column."""
    return None if raw is None else msgspec.json.decode(raw, type=kind)
