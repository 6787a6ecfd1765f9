"""What a turn records beside its jobs: commands, events, audit."""

from typing import NamedTuple


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
