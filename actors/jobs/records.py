"""What is written down beside jobs: the events, the commands and their replies, the audit."""

from collections.abc import Sequence
from typing import NamedTuple

from actors.jobs.sql import Statements
from bus.codec import decode_event

PRUNE_BATCH = 1000
"""Old records removed in one transaction: some milliseconds' work."""


class CommandRecord(NamedTuple):
    """A command that was answered before. `held`: its reply waits for the job."""

    digest: bytes
    job_id: str | None
    held: bool
    reply: bytes


class EventRow(NamedTuple):
    """A durable event as it will be published."""

    seq: int
    job_id: str | None
    body: bytes


class AuditRow(NamedTuple):
    """One command and what came of it."""

    at: str
    asked_by: str
    type: str
    job_id: str | None
    command_id: str
    outcome: str
    message: str | None


class CommandRow(NamedTuple):
    """A command to be remembered."""

    asked_by: str
    id: str
    digest: bytes
    at: str
    job_id: str | None
    held: int
    reply: bytes


class Records:
    """Of one store; as the store, used by one thread, and within a transaction where something is written."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def write(self, events: list[EventRow], commands: list[CommandRow], audit: list[AuditRow]) -> None:
        """What a turn has to record, in as few statements as can be."""
        for name, rows in (("event_insert", events), ("command_insert", commands), ("audit_insert", audit)):
            self._statements.insert(name, rows)

    def last_seq(self) -> int:
        """The seq of the last durable event."""
        return int(self._statements.run("seq_bounds").fetchone()[1])

    def events_of(self, job_id: str) -> list[bytes]:
        """The durable events of a job, as published."""
        return [body for (body,) in self._statements.run("events_of_job_after", job_id, 0, -1)]

    def commands(self, asked_by: str, ids: Sequence[str]) -> dict[str, CommandRecord]:
        """Those of these commands that this identity sent before, by their ids."""
        return {
            command_id: CommandRecord(digest, job_id, bool(held), reply)
            for command_id, digest, job_id, held, reply in self._statements.look_up("commands_find", ids, asked_by)
        }

    def answer(self, asked_by: str, command_id: str, reply: bytes) -> None:
        """The reply that a held command got in the end."""
        self._statements.run("command_answered", reply, asked_by, command_id)

    def prune_commands(self, before: str) -> int:
        """Forget some of the commands older than `before`; how many."""
        return self._statements.run("commands_prune", before, PRUNE_BATCH).rowcount

    def prune_history(self, before: str) -> None:
        """Forget some of the events and audit entries older than `before`, always the oldest and never the last.

        So what is left has no gap, and no number is ever given again.
        """
        limit = 1
        while True:
            rows = self._statements.run("events_oldest", limit).fetchall()
            old = [seq for seq, body in rows if decode_event(body).at < before]
            if limit == PRUNE_BATCH or not old:
                break
            limit = PRUNE_BATCH  # there is something to prune: take a whole batch
        if old:
            self._statements.run("events_prune", old[-1])
        self._statements.run("audit_prune", before, PRUNE_BATCH)
