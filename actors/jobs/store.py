"""The store: one SQLite file that only the Queue writes. What a transaction has written is on disk when it ends."""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from actors.jobs.database import FILE_NAME, StoreUnusable, check, commit, connect, damaged, is_damage, unavailable
from actors.jobs.model import Job, Output
from actors.jobs.places import Places
from actors.jobs.records import Records
from actors.jobs.sql import Statements, encode_optional, job_row, load_job, migrations, output_row, queries
from actors.jobs.states import is_active
from bus.histogram import Histogram

CACHE_KIB = 16 * 1024
"""Memory for pages of the file. A turn of MAX_BATCH submits changes 3 MB of them: with SQLite's own 2 MB it wrote some
twice."""

LOG_PAGES = 4000
"""Pages in SQLite's log (16 MB) before they are brought into the file, which one commit has to wait for: some 10 ms, on
a busy machine 50. A page that is changed again and again is brought there once."""


class Store:
    """Opened, used and closed by one thread. Every method that writes belongs within a `transaction`.

    Its own methods are about jobs; `places` are those in the queue, `records` what is written down beside jobs.

    Args:
        folder: where the file is, or is made.
        check_seconds: look for damage first, for so long; `checked` says whether all was seen.

    Raises:
        StoreUnusable: the file is damaged, or of a newer Rushes.
        StoreUnavailable: the disk does not take it.

    """

    def __init__(self, folder: Path, *, check_seconds: float | None = None) -> None:
        self.path = folder / FILE_NAME
        self.checked = False
        self.commits: Histogram | None = None
        with ExitStack() as on_failure:
            try:
                self._connection = connect(self.path, read_only=False)
                on_failure.callback(self._connection.close)
                if check_seconds is not None:
                    self.checked = check(self._connection, self.path, check_seconds)
                self._migrate()
            except sqlite3.OperationalError as error:
                raise unavailable(self.path, error) from error
            except sqlite3.DatabaseError as error:
                raise damaged(self.path, error) from error
            on_failure.pop_all()
        self._statements = Statements(self._connection)
        self.places = Places(self._statements)
        self.records = Records(self._statements)
        self._added: list[Job] = []  # by this transaction, and not yet written
        self._takers: dict[str, str | None] = {}  # what it knows of targets

    def _migrate(self) -> None:
        execute = self._connection.execute
        scripts = migrations()
        version: int = execute("PRAGMA user_version").fetchone()[0]
        if version > len(scripts):
            raise StoreUnusable(
                f"{self.path} has schema {version}, made by a newer Rushes; this one knows up to {len(scripts)}: "
                "run the newer version, or another data folder"
            )
        if version and execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            # A copy that `backup.make` made. Each time it is put in place another history follows from it.
            execute(queries()["meta_set"], ("epoch", str(uuid.uuid4())))
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")  # a commit is on disk when it returns
        execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        for number, script in enumerate(scripts[version:], start=version + 1):
            self._connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
        epoch = "INSERT INTO meta (key, value) VALUES ('epoch', ?) ON CONFLICT DO NOTHING"
        execute(epoch, (str(uuid.uuid4()),))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    # ------------------------------------------------------------ transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written within is on disk when it ends; where it raises, nothing of it is.

        Raises:
            StoreUnavailable: the disk or a lock did not let it.
            StoreUnusable: the file is damaged.

        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._write_added()
            self.places.write()
            commit(self._connection, self.commits)
        except sqlite3.OperationalError as error:
            raise unavailable(self.path, error) from error
        except sqlite3.DatabaseError as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise  # a defect of ours, not of the file
            raise damaged(self.path, error) from error
        finally:
            self._forget()
            if self._connection.in_transaction:
                with suppress(sqlite3.OperationalError):  # a failing disk; SQLite rolls back when it is next opened
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def taken_back(self) -> Iterator[None]:
        """What is written within can be read there, and is gone when it ends. Raises as `transaction` does."""
        with self.reading():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
            finally:
                self._forget()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """For what only reads, outside of a transaction. Raises `StoreUnavailable` or `StoreUnusable`."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise unavailable(self.path, error) from error
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            raise damaged(self.path, error) from error

    def _forget(self) -> None:
        """The transaction is over."""
        self._added, self._takers = [], {}
        self.places.forget()

    def _execute(self, name: str, *values: Any) -> sqlite3.Cursor:
        self._write_added()  # whatever is asked or changed comes after what was added
        return self._statements.run(name, *values)

    def _one(self, name: str, *values: Any) -> Any:
        self._write_added()
        return self._statements.one(name, *values)

    # ------------------------------------------------------------ meta

    def meta(self, key: str) -> str | None:
        """A value kept with the store."""
        value: str | None = self._one("meta_get", key)
        return value

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value with the store."""
        self._execute("meta_set", key, value)

    # ------------------------------------------------------------ jobs

    def add(self, job: Job) -> None:
        """A new job with its outputs; written together with those that follow at once."""
        self._added.append(job)
        for output in job.outputs:
            self._takers[output.target] = job.id

    def _write_added(self) -> None:
        if not self._added:
            return
        jobs, self._added = self._added, []
        outputs = [output_row(job, output) for job in jobs for output in job.outputs]
        self._statements.insert("job_insert", [job_row(job) for job in jobs])
        self._statements.insert("output_insert", outputs)

    def save(self, job: Job, *outputs: Output) -> None:
        """What has changed of a job, and of those of its outputs that have."""
        self._execute(
            "job_update", job.seq, job.status, job.phase, job.priority, job.rank, job.started_at, job.finished_at,
            job.cancelled_at, job.expires_at, job.attempts, job.attempts_base, job.runs, encode_optional(job.cancel),
            encode_optional(job.error), encode_optional(job.deleting), job.not_before, job.low_folder,
            job.expires_after, encode_optional(job.paused), job.number,
        )  # fmt: skip
        active = int(is_active(job.status))
        for o in outputs:
            self._takers.pop(o.target, None)
            self._execute(
                "output_update", o.status, o.progress, o.speed, o.size, o.duration, o.width, o.height, o.fps,
                o.started_at, o.finished_at, encode_optional(o.file), active, job.number, o.index,
            )  # fmt: skip

    def remove(self, job: Job) -> None:
        """A job and its outputs and attempts."""
        self._takers.clear()
        self._execute("job_delete", job.number)

    def job(self, job_id: str) -> Job | None:
        """The job of that id."""
        row = self._execute("job_by_id", job_id).fetchone()
        return None if row is None else load_job(self._statements, row)

    def processing(self) -> list[Job]:
        """The jobs that run, or ran when the daemon ended."""
        return self._jobs("jobs_processing")

    def deleting(self) -> list[Job]:
        """The jobs that are to be removed."""
        return self._jobs("jobs_deleting")

    def expired(self, now: float, limit: int) -> list[str]:
        """The ids of jobs whose time is over by the steady clock, the longest gone first."""
        return [job_id for (job_id,) in self._execute("jobs_expired", now, limit)]

    def ready_shapes(self) -> list[str]:
        """The shapes of the jobs that wait for nothing but slots."""
        return [shape for (shape,) in self._execute("ready_shapes")]

    def heads(self, shapes: Sequence[str]) -> list[tuple[int, int, str]]:
        """For each of these shapes that has one, where its next job is: in the queue's order, first the smallest."""
        rows = (self._execute("first_of_shape", shape).fetchone() for shape in shapes)
        return [row for row in rows if row is not None]

    def next_ready(self, shape: str) -> Job | None:
        """The job of that shape that is to start next: the first in the queue that waits for nothing but slots."""
        row = self._execute("next_ready", shape).fetchone()
        return None if row is None else load_job(self._statements, row)

    def shapes_in_order(self, limit: int) -> list[str]:
        """Of the first so many in the queue, the shapes of those that no person and no disk holds."""
        return [shape for (shape,) in self._execute("shapes_in_order", limit)]

    def oldest_queued(self) -> str | None:
        """When the first submitted of the queued jobs was, None where none is queued."""
        at: str | None = self._one("oldest_queued")
        return at

    def not_before(self) -> list[Job]:
        """The jobs that wait for a moment."""
        return self._jobs("jobs_not_before")

    def low_folders(self) -> set[str]:
        """The folders that jobs wait for."""
        return {folder for (folder,) in self._execute("low_folders")}

    def room_found(self, folder: str) -> None:
        """No job waits for this folder any more."""
        self._execute("room_found", folder)

    def _jobs(self, name: str) -> list[Job]:
        rows = self._execute(name).fetchall()
        return [load_job(self._statements, row) for row in rows]

    def front(self) -> tuple[int, int] | None:
        """Priority and rank of the job that is to start next."""
        row: tuple[int, int] | None = self._execute("front_of_queue").fetchone()
        return row

    def position(self, job: Job) -> int | None:
        """The 1-based place of a queued job, None where it is not queued."""
        self._write_added()
        return self.places.of(job)

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each status that occurs."""
        return dict(self._execute("counts").fetchall())

    def recent_runs(self, limit: int) -> list[tuple[float, int]]:
        """Of the newest completed jobs: the seconds from their last start to their end, and how many outputs."""
        return self._execute("recent_runs", limit).fetchall()

    def last_number(self) -> int:
        """The highest submit number given."""
        return int(self._one("last_number"))

    def taken_by(self, target: str, besides: int | None = None) -> str | None:
        """The id of an active job (other than number `besides`) that is to write `target`."""
        if besides is None and target in self._takers:
            return self._takers[target]
        job_id: str | None = self._one("taken_by", target, besides)
        return job_id

    def find_takers(self, targets: Sequence[str]) -> None:
        """Find out for all of these, at once, what `taken_by` will be asked in this transaction."""
        self._write_added()
        self._takers = dict.fromkeys(targets) | dict(self._statements.look_up("targets_find", targets))

    # ------------------------------------------------------------ attempts

    def start_attempt(self, job: Job, index: int, at: str) -> None:
        """An FFmpeg run began."""
        self._execute("attempt_start", job.number, job.runs, index, at)

    def end_attempt(self, job: Job, index: int, at: str, outcome: str, exit_status: int | None) -> None:
        """An FFmpeg run ended."""
        self._execute("attempt_end", at, outcome, exit_status, job.number, job.runs, index)

    # ------------------------------------------------------------ what is over

    def kept_bytes(self) -> int:
        """What the files of finished jobs take that are to go with them. Reads every kept output: some µs each."""
        return int(self._one("kept_bytes"))

    def evictable(self, limit: int) -> list[tuple[str, int]]:
        """The ids of finished jobs whose files are to go with them, and their bytes, the first to end first."""
        return self._execute("evictable", limit).fetchall()

    def unknown(self, ids: list[str]) -> list[str]:
        """Those of `ids` that are no job's."""
        return [job_id for job_id in ids if self._one("job_ids", job_id) is None]
