"""The store: one SQLite file. What a transaction has written is on disk when it ends, or none of it is."""

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from actors.jobs import database
from actors.jobs import store as store_module
from actors.jobs.database import FILE_NAME, StoreError, StoreUnavailable, StoreUnusable, connect
from actors.jobs.model import CancelWish, Deleting, FileIdentity, Job, Output, job_ids, timestamp
from actors.jobs.places import BLOCK_BITS
from actors.jobs.records import AuditRow, CommandRow, EventRow
from actors.jobs.sql import migrations, queries
from actors.jobs.store import Store
from bus import messages as m
from tests.integration.parts import keep

IDS = job_ids()
SPEC = m.JobSpec(inputs=(m.Input("/in"),), outputs=(m.Output("/a"), m.Output("/b")), session="s")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path)) as found:
        yield found


def a_job(number: int, *, priority: int = 0, rank: int | None = None, status: m.JobStatus = "queued") -> Job:
    outputs = [
        Output(index=index, path=o.path, target=f"{o.path}-{number}", name=None) for index, o in enumerate(SPEC.outputs)
    ]
    return Job(
        number=number, id=next(IDS), priority=priority, rank=number if rank is None else rank, name=None,
        session="s", spec_json=msgspec.json.encode(SPEC), submitted_by="ada", created_at=timestamp(), status=status,
        outputs=outputs,
    )  # fmt: skip


JOB_OF_BEFORE = """INSERT INTO jobs (number, id, seq, status, priority, rank, spec, submitted_by, created_at, attempts,
attempts_base, runs) VALUES (?, ?, 0, 'queued', ?, ?, ?, 'ada', '', 0, 0, 0)"""
"""A job in the columns that every schema has had."""


def added(store: Store, *jobs: Job) -> None:
    with store.transaction():
        for job in jobs:
            keep(store, job)


def look(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """What another connection reads: what is committed."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return connection.execute(sql).fetchall()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Somebody else writes, and does not come to an end."""
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


# ---------------------------------------------------------------- opening


def test_an_empty_folder_gets_the_newest_schema_and_an_epoch(tmp_path: Path, store: Store) -> None:
    assert look(tmp_path, "PRAGMA user_version") == [(len(migrations()),)]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", store.meta("epoch") or "")
    assert (store.records.last_seq(), store.last_number(), store.counts()) == (0, 0, {})


def test_a_store_that_is_opened_again_has_its_history(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as first:
        epoch = first.meta("epoch")
        added(first, a_job(1))
    with closing(Store(tmp_path)) as second:
        assert second.meta("epoch") == epoch
        assert second.last_number() == 1


def test_migrations_are_done_one_after_the_other_from_any_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Store(tmp_path)) as first:
        added(first, a_job(1))
    later = [*migrations(), "ALTER TABLE jobs ADD COLUMN colour TEXT;", "CREATE TABLE extra (x) STRICT;"]
    monkeypatch.setattr(store_module, "migrations", lambda: [*later[:-1], "CREATE TABLE extra (x TEXT) STRICT;"])
    with closing(Store(tmp_path)) as second:
        assert second.last_number() == 1
    assert look(tmp_path, "PRAGMA user_version") == [(len(later),)]
    assert look(tmp_path, "SELECT colour FROM jobs") == [(None,)]
    assert look(tmp_path, "SELECT * FROM extra") == []


def test_the_places_of_jobs_of_before_the_blocks_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [a_job(1), a_job(2, rank=-5), a_job(3, priority=1), a_job(5000)]
    with monkeypatch.context() as before:
        before.setattr(store_module, "migrations", lambda: migrations()[:2])
        Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as old:
        old.executemany(JOB_OF_BEFORE, [(job.number, job.id, job.priority, job.rank, job.spec_json) for job in jobs])
        old.commit()
    with closing(Store(tmp_path)) as store:
        assert [store.position(job) for job in jobs] == [3, 2, 1, 4]
        assert store.ready_shapes() == ["cpu=1"]  # a job of before took one slot
        first = store.next_ready("cpu=1")
        assert first is not None
        assert (first.id, first.paused) == (jobs[2].id, None)


def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = [*migrations(), "CREATE TABLE extra (x TEXT) STRICT; CREATE TABLE extra (x TEXT) STRICT;"]
    monkeypatch.setattr(store_module, "migrations", lambda: scripts)
    with pytest.raises(StoreError):
        Store(tmp_path)
    assert look(tmp_path, "PRAGMA user_version") == [(len(scripts) - 1,)]
    assert look(tmp_path, "SELECT name FROM sqlite_master WHERE name = 'extra'") == []


def test_a_schema_of_a_newer_rushes_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnusable, match="has schema 99, made by a newer Rushes; this one knows up to"):
        Store(tmp_path)
    assert look(tmp_path, "PRAGMA user_version") == [(99,)]


@pytest.mark.parametrize("place", [0, 100, 4096 + 8], ids=["the header", "the schema", "the first table"])
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path, place: int) -> None:
    Store(tmp_path).close()
    file = tmp_path / FILE_NAME
    content = bytearray(file.read_bytes())
    content[place : place + 64] = bytes(byte ^ 0xFF for byte in content[place : place + 64])
    file.write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"is damaged .*put a backup in its place"):
        Store(tmp_path)


def test_a_folder_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open"):
        Store(tmp_path / "gone")


@pytest.mark.parametrize("name", ["100%", "what?", "#1", "a b", "ü"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    Store(folder).close()
    assert (folder / FILE_NAME).is_file()
    connect(folder / FILE_NAME, read_only=True).close()


def test_a_reader_cannot_write(tmp_path: Path, store: Store) -> None:
    assert store.last_number() == 0
    with (
        closing(connect(tmp_path / FILE_NAME, read_only=True)) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("DELETE FROM jobs")


# ---------------------------------------------------------------- transactions


def test_a_commit_is_synced_and_readers_are_not_in_its_way(store: Store) -> None:
    """WAL, and `synchronous=FULL`: 2."""
    setting = store._connection.execute
    assert setting("PRAGMA journal_mode").fetchone() == ("wal",)
    assert setting("PRAGMA synchronous").fetchone() == (2,)
    assert setting("PRAGMA foreign_keys").fetchone() == (1,)


def test_what_a_transaction_wrote_is_there_when_it_ends_and_not_before(tmp_path: Path, store: Store) -> None:
    with store.transaction():
        store.add(a_job(1))
        assert look(tmp_path, "SELECT count(*) FROM jobs") == [(0,)]
    assert look(tmp_path, "SELECT count(*) FROM jobs") == [(1,)]
    assert look(tmp_path, "SELECT count(*) FROM outputs") == [(2,)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path, store: Store, error: type[BaseException]) -> None:
    def fail() -> None:
        with store.transaction():
            store.add(a_job(1))
            store.set_meta("draining", "1")
            store.records.write([EventRow(1, None, b"")], [CommandRow("ada", "c", b"", "", None, 0, b"")], [])
            raise error

    with pytest.raises(error):
        fail()
    assert look(tmp_path, "SELECT count(*) FROM jobs UNION ALL SELECT count(*) FROM events") == [(0,), (0,)]
    assert (store.meta("draining"), store.records.last_seq(), store.records.commands("ada", ["c"])) == (None, 0, {})
    added(store, a_job(1))
    assert store.last_number() == 1


def test_while_somebody_else_writes_the_store_is_unavailable_and_afterwards_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    with closing(Store(tmp_path)) as store:
        with locked(tmp_path), pytest.raises(StoreUnavailable, match="locked"):
            added(store, a_job(1))
        added(store, a_job(1))
        assert store.last_number() == 1


def test_a_full_disk_is_told_of_and_nothing_is_half_written(tmp_path: Path, store: Store) -> None:
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        added(store, *(a_job(number) for number in range(1, 500)))
    assert look(tmp_path, "SELECT count(*) FROM jobs") == [(0,)]
    store._connection.execute("PRAGMA max_page_count = 1000000")
    added(store, a_job(1))
    assert store.last_number() == 1


# ---------------------------------------------------------------- rows


def test_a_job_comes_back_as_it_was_saved(store: Store) -> None:
    job = a_job(7, priority=-3, rank=-12)
    added(store, job)
    assert store.job(job.id) == job
    job.status, job.phase, job.seq, job.runs, job.attempts, job.attempts_base = "processing", "stopping", 9, 3, 2, 1
    job.cancel = CancelWish(by="ada", command_id="c", reason="r", notes="ü", at=timestamp())
    job.deleting = Deleting(by=None, command_id=None, kind="expired", keep_files=True)
    job.error = m.ErrorView("unknown", "why", retryable=True)
    job.started_at = job.finished_at = job.cancelled_at = job.expires_at = timestamp()
    job.outputs[0].file = FileIdentity(device=2**40, inode=2**50, size=2**45, mtime_ns=2**60)
    job.outputs[0].status, job.outputs[0].progress, job.outputs[0].fps = "completed", None, 29.97
    with store.transaction():
        store.save(job, *job.outputs)
    found = store.job(job.id)
    assert found == job
    assert found is not None
    assert found.spec == SPEC


def test_a_job_that_is_removed_takes_its_outputs_and_attempts_with_it_and_leaves_history(
    tmp_path: Path, store: Store
) -> None:
    job = a_job(1)
    added(store, job)
    with store.transaction():
        store.start_attempt(job, 0, timestamp())
        store.records.write(
            [EventRow(1, job.id, b"e")], [], [AuditRow(timestamp(), "ada", "submit", job.id, "c", "ok", None)]
        )
        store.remove(job)
    for table, left in (("jobs", 0), ("outputs", 0), ("attempts", 0), ("events", 1), ("audit", 1)):
        assert look(tmp_path, f"SELECT count(*) FROM {table}") == [(left,)]
    assert store.job(job.id) is None
    assert store.unknown([job.id]) == [job.id]


def test_the_queue_is_by_priority_then_by_rank(store: Store) -> None:
    jobs = [a_job(1), a_job(2, priority=5), a_job(3, priority=5, rank=-1), a_job(4, priority=-5)]
    added(store, *jobs)
    assert [store.position(job) for job in jobs] == [3, 2, 1, 4]
    assert store.next_ready("cpu=1") == jobs[2]
    assert store.front() == (5, -1)
    assert store.places.by_priority() == {0: 1, 5: 2, -5: 1}


def test_places_are_right_however_ranks_lie_in_blocks(store: Store) -> None:
    """At the edges of blocks, below zero, far apart; and after some have left."""
    size = 2**BLOCK_BITS
    ranks = [-3 * size, -size - 1, -size, -1, 0, 1, size - 1, size, size + 1, 10 * size, 10 * size + 5]
    jobs = [a_job(number, rank=rank, priority=priority) for number, (priority, rank) in enumerate(
        ((priority, rank) for priority in (7, 0, -1000) for rank in ranks), start=1
    )]  # fmt: skip
    added(store, *random.Random(2).sample(jobs, len(jobs)))
    assert [store.position(job) for job in jobs] == [*range(1, len(jobs) + 1)]
    with store.transaction():
        for job in jobs[::3]:
            store.places.count(job, -1)
            job.status = "processing"
            store.save(job)
    left = [job for job in jobs if job.status == "queued"]
    assert [store.position(job) for job in left] == [*range(1, len(left) + 1)]
    with store.transaction():
        store.places.prune()
    assert [store.position(job) for job in left] == [*range(1, len(left) + 1)]


def test_a_path_is_taken_while_its_job_is_active(store: Store) -> None:
    job = a_job(1)
    added(store, job)
    assert store.taken_by("/a-1") == job.id
    assert store.taken_by("/a-1", besides=1) is None
    assert store.taken_by("/a") is None
    job.status = "failed"
    with store.transaction():
        store.save(job, *job.outputs)
    assert store.taken_by("/a-1") is None


def test_old_commands_are_forgotten_but_for_those_whose_reply_is_held(store: Store) -> None:
    with store.transaction():
        old, new = "2020-01-01T00:00:00.000000Z", timestamp()
        rows = [("old", old, 0), ("held", old, 1), ("new", new, 0)]
        store.records.write([], [CommandRow("ada", name, b"d", at, None, held, b"r") for name, at, held in rows], [])
        assert store.records.prune_commands("2021-01-01T00:00:00.000000Z") == 1
    names = [name for name, _, _ in rows]
    assert list(store.records.commands("ada", names)) == names[1:]
    assert store.records.commands("bob", ["new"]) == {}


# ---------------------------------------------------------------- indexes


def plan(folder: Path, sql: str) -> str:
    """How SQLite means to carry out a statement, whatever its values."""
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    wanted = max(numbered) if numbered else sql.count("?")
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * wanted).fetchall()
    return "; ".join(str(step[3]) for step in steps)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("next_ready", "jobs_ready"),
        ("first_of_shape", "jobs_ready"),
        ("front_of_queue", "jobs_queue"),
        ("count_within_block", "COVERING INDEX jobs_queue (priority=? AND rank>? AND rank<?)"),
        ("list_queue_same_priority", "jobs_queue (priority=? AND rank>?)"),
        ("list_queue_lower_priority", "jobs_queue (priority<?)"),
        ("list_status_newest", "jobs_status (status=? AND number<?)"),
        ("list_status_oldest", "jobs_status (status=? AND number>?)"),
        ("list_session_newest", "jobs_session (session=? AND number<?)"),
        ("list_session_oldest", "jobs_session (session=? AND number>?)"),
        ("jobs_processing", "jobs_status (status=?)"),
        ("jobs_deleting", "jobs_deleting"),
        ("jobs_expired", "jobs_expiry (expires_after<?)"),
        ("jobs_not_before", "jobs_not_before"),
        ("room_found", "jobs_low_folder (low_folder=?)"),
        ("taken_by", "outputs_taken (target=?)"),
        ("job_by_id", "sqlite_autoindex_jobs_1 (id=?)"),
        ("list_prefix", "sqlite_autoindex_jobs_1 (id>? AND id<?)"),
        ("list_newest", "INTEGER PRIMARY KEY (rowid<?)"),
        ("events_after", "INTEGER PRIMARY KEY (rowid>?)"),
        ("events_of_job_after", "events_job (job_id=? AND seq>?)"),
        ("commands_find", "sqlite_autoindex_commands_1 (asked_by=? AND id=?)"),
        ("audit_after", "INTEGER PRIMARY KEY (rowid>?)"),
        ("outputs_of", "PRIMARY KEY (job=?)"),
    ],
)
def test_a_statement_goes_by_its_index_and_sorts_nothing(tmp_path: Path, store: Store, name: str, index: str) -> None:
    found = plan(tmp_path, queries()[name])
    assert index in found
    assert "TEMP B-TREE" not in found


SMALL = {"counts"}
"""Read whole, from an index alone, when the daemon starts."""


def test_no_statement_reads_a_whole_table(tmp_path: Path, store: Store) -> None:
    plans = {name: plan(tmp_path, sql) for name, sql in queries().items() if name not in SMALL}
    scans = {
        name: steps
        for name, steps in plans.items()
        if re.search(r"SCAN (jobs|outputs|events|commands|audit)\b(?! USING (COVERING )?INDEX)", steps)
    }
    assert scans == {}
    for name in SMALL:
        assert "COVERING INDEX" in plan(tmp_path, queries()[name])
