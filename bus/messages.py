"""The wire's messages as frozen structs: commands, replies, views, events.

A struct that comes from outside (`Command` and what it holds) refuses unknown fields, so a typing error is an
error and not silence. A struct that goes out (results, views, events) tolerates them when read, so that a newer
daemon can add fields without breaking an older client.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bus import limits
from bus.spec import Input as Input
from bus.spec import JobSpec as JobSpec
from bus.spec import Name, Priority
from bus.spec import Output as Output
from bus.spec import Verify as Verify
from bus.views import STATUSES as STATUSES
from bus.views import AuditEntry as AuditEntry
from bus.views import CancelView as CancelView
from bus.views import ErrorView as ErrorView
from bus.views import JobStatus as JobStatus
from bus.views import JobView as JobView
from bus.views import OutputStatus as OutputStatus
from bus.views import OutputView as OutputView
from bus.views import Phase as Phase
from bus.views import WaitingView as WaitingView

ShutdownMode = Literal["stop", "drain", "leave"]
LogLevelName = Literal["debug", "info", "warning", "error"]


CommandId = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)]
JobId = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)]
Wait = Annotated[float, Meta(ge=0, le=limits.MAX_WAIT_SECONDS)]
PageSize = Annotated[int, Meta(ge=1, le=limits.MAX_PAGE)]
Seq = Annotated[int, Meta(ge=0, le=limits.MAX_SEQ)]


# ---------------------------------------------------------------- commands


class Command(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """What every command carries. `wait` is in seconds."""

    v: Literal[1] = 1
    id: CommandId
    wait: Wait | None = None


class Submit(Command, frozen=True, kw_only=True, tag="submit"):
    """Queue a job."""

    job: JobSpec


class Cancel(Command, frozen=True, kw_only=True, tag="cancel"):
    """Stop a job and keep its record."""

    job_id: JobId
    reason: Annotated[str, Meta(max_length=limits.MAX_REASON_CHARS)] = "user_request"
    notes: Annotated[str, Meta(max_length=limits.MAX_NOTES_CHARS)] | None = None


class Delete(Command, frozen=True, kw_only=True, tag="delete"):
    """Remove a job, its record and the files it made."""

    job_id: JobId
    force: bool = False
    keep_files: bool = False


class Boost(Command, frozen=True, kw_only=True, tag="boost"):
    """Move a queued job: exactly one of the three says where."""

    job_id: JobId
    priority: Priority | None = None
    by: Annotated[int, Meta(ge=-2 * limits.MAX_PRIORITY, le=2 * limits.MAX_PRIORITY)] | None = None
    front: bool = False


class Retry(Command, frozen=True, kw_only=True, tag="retry"):
    """Queue a failed job again."""

    job_id: JobId


class Drain(Command, frozen=True, kw_only=True, tag="drain"):
    """Start no further job."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Start jobs again."""


class Shutdown(Command, frozen=True, kw_only=True, tag="shutdown"):
    """End the daemon: `stop` queues running jobs again, `drain` lets them finish first, `leave` lets them run on."""

    mode: ShutdownMode = "stop"


class LogLevel(Command, frozen=True, kw_only=True, tag="log_level"):
    """How much the daemon's log says, until it ends."""

    level: LogLevelName


class Backup(Command, frozen=True, kw_only=True, tag="backup"):
    """Copy the daemon's store to a file of its machine."""

    path: Annotated[str, Meta(min_length=1, max_length=limits.MAX_PATH_CHARS)]


class Get(Command, frozen=True, kw_only=True, tag="get"):
    """One job's view."""

    job_id: JobId


class List(Command, frozen=True, kw_only=True, tag="list"):
    """A page of jobs. `prefix` (of the job id) is for people who cut ids short."""

    status: tuple[JobStatus, ...] | None = None
    session: Name | None = None
    prefix: Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)] | None = None
    limit: PageSize = 100
    cursor: Annotated[str, Meta(max_length=200)] | None = None
    order: Literal["newest", "oldest", "queue"] = "newest"


class Events(Command, frozen=True, kw_only=True, tag="events"):
    """A page of durable events after `since`."""

    since: Seq = 0
    job_id: JobId | None = None
    limit: PageSize = limits.MAX_PAGE


class Log(Command, frozen=True, kw_only=True, tag="log"):
    """What FFmpeg said on stderr. `offset` and `next_offset` (bytes) let a reader follow it."""

    job_id: JobId
    output: Annotated[int, Meta(ge=0, le=limits.MAX_OUTPUTS)] | None = None
    attempt: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    tail: Annotated[int, Meta(ge=1, le=limits.MAX_TAIL_LINES)] | None = None
    offset: Seq | None = None


class Audit(Command, frozen=True, kw_only=True, tag="audit"):
    """A page of who changed what after `since`."""

    since: Seq = 0
    limit: PageSize = limits.MAX_PAGE


class Status(Command, frozen=True, kw_only=True, tag="status"):
    """The daemon itself."""


AnyCommand = (
    Submit | Cancel | Delete | Boost | Retry | Drain | Resume | Shutdown | LogLevel | Backup
    | Get | List | Events | Log | Audit | Status
)  # fmt: skip

COMMANDS: dict[str, type[Command]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        Submit, Cancel, Delete, Boost, Retry, Drain, Resume, Shutdown, LogLevel, Backup,
        Get, List, Events, Log, Audit, Status,
    )
}  # fmt: skip

CHANGING = frozenset({"submit", "cancel", "delete", "boost", "retry", "drain", "resume", "shutdown", "log_level"})
"""The commands that change something: idempotent by id, audited, durable before `ok`."""


# ---------------------------------------------------------------- events


class Event(Struct, frozen=True, kw_only=True):
    """What a subscriber hears. `seq` is nil where the event is ephemeral."""

    v: int = limits.PROTOCOL_VERSION
    seq: int | None
    at: str
    type: str
    job_id: str | None
    session: str | None
    by: str | None
    command_id: str | None
    data: dict[str, Any]

    @property
    def topic(self) -> str:
        """`job.<id>.<kind>` or `daemon.<kind>`."""
        scope, _, kind = self.type.partition(".")
        return self.type if self.job_id is None else f"{scope}.{self.job_id}.{kind}"


# ---------------------------------------------------------------- results


class JobResult(Struct, frozen=True):
    """Of `submit`, `retry` and `get`."""

    job: JobView


class CancelResult(Struct, frozen=True):
    """Of `cancel`. `changed` is false where the job was cancelled before, or completed before it could stop."""

    job: JobView
    changed: bool


class FailedRemoval(Struct, frozen=True):
    """A file that `delete` left where it is."""

    path: str
    message: str


class DeleteResult(Struct, frozen=True):
    """Of `delete`. `status` is `deleting` only where the command's `wait` was over before the child's end."""

    job_id: str
    status: Literal["deleted", "deleting"]
    deleted_at: str | None
    removed: list[str]
    missing: list[str]
    failed: list[FailedRemoval]


class BoostResult(Struct, frozen=True):
    """Of `boost`. `position` is the 1-based place in the queue after it."""

    job: JobView
    position: int | None


class ListResult(Struct, frozen=True):
    """Of `list`. `cursor` is nil at the end."""

    jobs: list[JobView]
    cursor: str | None


class EventsResult(Struct, frozen=True):
    """Of `events`. `oldest_seq` is the first that can still be read, nil where there is none."""

    events: list[Event]
    last_seq: int
    oldest_seq: int | None
    epoch: str


class LogResult(Struct, frozen=True):
    """Of `log`. `truncated`: there is more than `text` shows. `next_offset`: where to go on reading, in bytes."""

    text: str
    truncated: bool
    next_offset: int = 0


class AuditResult(Struct, frozen=True):
    """Of `audit`."""

    entries: list[AuditEntry]
    last_seq: int


class StatusResult(Struct, frozen=True, kw_only=True):
    """Of `status`. `uptime` is seconds."""

    version: str
    pid: int
    started_at: str
    uptime: float
    slots: int
    running: int
    queued: int
    draining: bool
    last_seq: int
    epoch: str
    counts: dict[str, int]


class DrainResult(Struct, frozen=True):
    """Of `drain` and `resume`."""

    draining: bool


class ShutdownResult(Struct, frozen=True):
    """Of `shutdown`."""

    mode: ShutdownMode


class LogLevelResult(Struct, frozen=True):
    """Of `log_level`: what it is now, and what it was."""

    level: LogLevelName
    was: LogLevelName


class BackupResult(Struct, frozen=True):
    """Of `backup`. `size` is bytes."""

    path: str
    size: int


# ---------------------------------------------------------------- replies


ErrorCode = Literal[
    "invalid", "forbidden", "not_found", "conflict", "too_large", "id_reused", "unsupported", "busy",
    "unavailable", "internal",
]  # fmt: skip


class ReplyError(Struct, frozen=True):
    """What was wrong: a code for programs, a sentence for people."""

    code: ErrorCode
    message: str
    details: dict[str, Any] = {}


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Exactly one for each command: `result` where `ok`, else `error`."""

    v: int
    re: str | None
    ok: bool
    result: dict[str, Any] | None = None
    error: ReplyError | None = None
