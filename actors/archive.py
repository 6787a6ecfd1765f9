"""The Archive actor: everything that is only read, on a connection of its own, so that no reader delays a command.

What the Queue has committed is there for the next read: SQLite's WAL shows each transaction the newest commit.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from pathlib import Path
from typing import Any

from actors.base import ARCHIVE, SUPERVISOR, BusActor
from actors.ffmpeg.workspace import LogText, Workspace, read_log, read_log_from
from actors.jobs.database import FILE_NAME, connect, damaged, is_damage
from actors.jobs.model import Job, Live, view
from actors.jobs.places import position
from actors.jobs.sql import Statements, load_job
from actors.mail import LiveUpdate, StoreDamaged
from bus import codec
from bus import messages as m
from bus.errors import CommandRefused, Internal, Invalid, NotFound, Unavailable
from bus.hub import Hub
from bus.inbox import Request
from bus.limits import MAX_REPLY_BYTES
from bus.replies import refusal_body, result_body

HIGHEST_NUMBER = 2**62
HIGHEST_PREFIX = "\U0010ffff"


class Archive(BusActor):
    """See the module. Runs in a thread of its own."""

    reads = LiveUpdate

    def __init__(self, hub: Hub, data: Path, work: Path) -> None:
        super().__init__(hub, ARCHIVE)
        self._data = data
        self._work = work
        self._live: dict[str, Live] = {}

    def begin(self) -> None:
        """Open the store for reading; the Queue has made it by now."""
        self._connection = connect(self._data / FILE_NAME, read_only=True)
        self._statements = Statements(self._connection)
        self._epoch = str(self._statements.one("meta_get", "epoch"))
        self._handlers: dict[type[m.Command], Callable[[Any], Any]] = {
            m.Get: self._get,
            m.List: self._list,
            m.Session: self._session,
            m.Events: self._events,
            m.Audit: self._audit,
            m.Log: self._log,
        }

    def end(self) -> None:
        """Close the connection."""
        if hasattr(self, "_connection"):
            self._connection.close()

    def receive(self, messages: Sequence[Request | LiveUpdate]) -> None:
        """Answer each in turn."""
        for message in messages:
            if isinstance(message, Request):
                self.outbox.reply(message.envelope, self._answer(message))
                self.outbox.flush()
            elif message.live is None:
                self._live.pop(message.job_id, None)
            else:
                self._live[message.job_id] = message.live

    def _answer(self, request: Request) -> bytes:
        command = request.command
        try:
            with self._snapshot():
                return result_body(command.id, self._handlers[type(command)](command))
        except CommandRefused as refusal:
            return refusal_body(command.id, refusal)
        except sqlite3.OperationalError as error:
            self.log.error("store_unavailable", error=str(error))
            return refusal_body(command.id, Unavailable(f"the store cannot be read: {error}"))
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                return self._defect(request, error)
            self.outbox.mail(SUPERVISOR, StoreDamaged(why=str(damaged(self._data / FILE_NAME, error))))
            return refusal_body(command.id, Unavailable(f"the store cannot be read: {error}"))
        except Exception as error:  # noqa: BLE001 # logged in _defect: one reader's is no other reader's trouble
            return self._defect(request, error)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """All that is read within is of one moment: between two statements a job may come to its end, or be deleted."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:  # else a failing disk has ended it
                self._connection.execute("ROLLBACK")

    def _defect(self, request: Request, error: Exception) -> bytes:
        self.log.error("command_failed", command_id=request.command.id, by=request.by, exc_info=error)
        return refusal_body(request.command.id, Internal("a defect of the daemon; its log has the details"))

    # ------------------------------------------------------------ jobs

    def _get(self, command: m.Get) -> m.JobResult:
        job = self._find(command.job_id)
        return m.JobResult(view(job, self._live.get(job.id), position(self._statements, job)))

    def _session(self, command: m.Session) -> m.SessionResult:
        rows = list(self._statements.run("session", command.session))
        if not rows:
            raise NotFound(f"no job has the session {command.session!r}", {"path": "session"})
        counts = dict.fromkeys(sorted(m.STATUSES), 0) | {status: count for status, count, *_ in rows}
        total, active = sum(counts.values()), counts["queued"] + counts["processing"]
        running = [
            load_job(self._statements, row) for row in self._statements.run("session_processing", command.session)
        ]
        part = sum(view(job, self._live.get(job.id)).progress or 0.0 for job in running)
        starts, ends = ([row[at] for row in rows if row[at] is not None] for at in (3, 4))
        return m.SessionResult(
            session=command.session,
            total=total,
            counts=counts,
            progress=round((total - active + part) / total, 4),
            created_at=min(row[2] for row in rows),
            started_at=min(starts, default=None),
            finished_at=None if active else max(ends, default=None),
        )

    def _list(self, command: m.List) -> m.ListResult:
        if command.prefix is not None:
            pages = self._by_prefix(command)
        elif command.order == "queue":
            pages = self._by_queue(command)
        else:
            pages = self._by_number(command)
        views: list[m.JobView] = []
        size, cursor = 0, None
        for job, place, mark in pages:
            if len(views) == command.limit or size > MAX_REPLY_BYTES:
                return m.ListResult(views, cursor)
            views.append(view(job, self._live.get(job.id), place))
            size += len(job.spec_json)
            cursor = mark
        return m.ListResult(views, None)

    def _by_number(self, command: m.List) -> Iterator[tuple[Job, int | None, str]]:
        newest = command.order == "newest"
        after = self._cursor(command.cursor, HIGHEST_NUMBER if newest else 0)
        suffix, limit = command.order, command.limit + 1
        rows: Iterable[tuple[Any, ...]]
        statuses = command.status
        if command.session is not None:
            wanted = json.dumps(m.STATUSES if statuses is None else statuses)
            rows = self._statements.run(f"list_session_{suffix}", command.session, wanted, after, limit)
        elif statuses is None:
            rows = self._statements.run(f"list_{suffix}", after, limit)
        else:
            # Each status is a range of one index; the few ranges that were asked for are merged.
            ranges = [self._statements.run(f"list_status_{suffix}", status, after, limit) for status in set(statuses)]
            rows = merge(*ranges, key=lambda row: row[0], reverse=newest)
        for row in rows:
            yield load_job(self._statements, row), None, str(row[0])

    def _by_queue(self, command: m.List) -> Iterator[tuple[Job, int | None, str]]:
        """Queued jobs as they will run. A cursor is the priority and the rank of the last."""
        if command.status is not None and "queued" not in command.status:
            return
        priority, rank = self._queue_cursor(command.cursor)
        limit, session = command.limit + 1, command.session
        rows = itertools.chain(
            self._statements.run("list_queue_same_priority", priority, rank, session, limit),
            self._statements.run("list_queue_lower_priority", priority, session, limit),
        )
        place: int | None = None
        for row in rows:
            job = load_job(self._statements, row)
            # Within one page without a filter the places follow each other; only the first is counted.
            place = place + 1 if place is not None and session is None else position(self._statements, job)
            yield job, place, f"{job.priority}:{job.rank}"

    def _by_prefix(self, command: m.List) -> Iterator[tuple[Job, int | None, str]]:
        """By id; a cursor is the last id."""
        prefix = command.prefix or ""
        wanted = json.dumps(m.STATUSES if command.status is None else command.status)
        rows = self._statements.run(
            "list_prefix",
            command.cursor or "",
            prefix,
            prefix + HIGHEST_PREFIX,
            wanted,
            command.session,
            command.limit + 1,
        )
        for row in rows:
            yield load_job(self._statements, row), None, str(row[1])

    @staticmethod
    def _cursor(text: str | None, default: int) -> int:
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > len(str(HIGHEST_NUMBER)):
            raise Invalid.at("cursor", "`cursor` must be one that `list` gave for the same order")
        return min(int(text), HIGHEST_NUMBER)

    @classmethod
    def _queue_cursor(cls, text: str | None) -> tuple[int, int]:
        if text is None:
            return HIGHEST_NUMBER, 0
        priority, _, rank = text.partition(":")
        signs = [-1 if part.startswith("-") else 1 for part in (priority, rank)]
        numbers = [cls._cursor(part.removeprefix("-"), 0) for part in (priority, rank)]
        return signs[0] * numbers[0], signs[1] * numbers[1]

    def _find(self, job_id: str) -> Job:
        row = self._statements.run("job_by_id", job_id).fetchone()
        if row is None:
            raise NotFound(f"there is no job {job_id}", {"job_id": job_id})
        return load_job(self._statements, row)

    # ------------------------------------------------------------ events and audit

    def _events(self, command: m.Events) -> m.EventsResult:
        oldest, last = self._statements.run("seq_bounds").fetchone()
        if command.job_id is None:
            rows = self._statements.run("events_after", command.since, command.limit)
        else:
            rows = self._statements.run("events_of_job_after", command.job_id, command.since, command.limit)
        events: list[m.Event] = []
        size = 0
        for (body,) in rows:
            size += len(body)
            if events and size > MAX_REPLY_BYTES:
                break
            events.append(codec.decode_event(body))
        return m.EventsResult(events, last, oldest, self._epoch)

    def _audit(self, command: m.Audit) -> m.AuditResult:
        rows = self._statements.run("audit_after", command.since, command.limit)
        entries = [
            m.AuditEntry(
                seq=seq,
                at=at,
                by=by,
                type=kind,
                job_id=job_id,
                command_id=command_id,
                outcome=outcome,
                message=message,
            )
            for seq, at, by, kind, job_id, command_id, outcome, message in rows
        ]
        return m.AuditResult(entries, int(self._statements.one("audit_last")))

    # ------------------------------------------------------------ FFmpeg's words

    def _log(self, command: m.Log) -> m.LogResult:
        job = self._find(command.job_id)
        if command.output is not None and command.output >= len(job.outputs):
            raise NotFound(
                f"job {job.id} has no output {command.output}; it has {len(job.outputs)}, numbered from 0",
                {"path": "output"},
            )
        found = self._statements.run("attempt_latest", job.number, command.attempt, command.output).fetchone()
        if found is None:
            raise NotFound(f"job {job.id} has no such run of FFmpeg (yet)", {"job_id": job.id})
        file = Workspace.of(self._work, job.id, *found).stderr
        try:
            text = read_log(file) if command.offset is None else read_log_from(file, command.offset)
        except FileNotFoundError:
            text = LogText("", truncated=False, next_offset=0)
        if command.tail is None:
            return m.LogResult(*text)
        lines = text.text.splitlines(keepends=True)
        kept = "".join(lines[-command.tail :])
        return m.LogResult(kept, text.truncated or len(lines) > command.tail, text.next_offset)
