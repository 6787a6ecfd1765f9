"""What replies carry when all went well, a struct for each command. A reader tolerates fields that it does not know."""

from typing import Literal

from msgspec import Struct

from bus.events import Event
from bus.views import AuditEntry, JobView

LogLevelName = Literal["debug", "info", "warning", "error"]
ShutdownMode = Literal["stop", "drain", "leave"]
JobOrder = Literal["newest", "oldest", "queue"]


class JobResult(Struct, frozen=True, omit_defaults=True):
    """Of `submit`, `retry` and `get`. `dry_run`: so it would be."""

    job: JobView
    dry_run: bool = False


class FilesView(Struct, frozen=True):
    """What would become of a job's files: `removed` is what is being made, `kept` what is complete."""

    removed: list[str]
    kept: list[str]


class CancelResult(Struct, frozen=True, omit_defaults=True):
    """Of `cancel`. `changed` is false where the job was cancelled before, or completed before it could stop."""

    job: JobView
    changed: bool
    dry_run: bool = False
    files: FilesView | None = None


class FailedRemoval(Struct, frozen=True):
    """A file that `delete` left where it is."""

    path: str
    message: str


class DeleteResult(Struct, frozen=True, omit_defaults=True):
    """Of `delete`. `status` is `deleting` only where the command's `wait` was over before the child's end."""

    job_id: str
    status: Literal["deleted", "deleting"]
    deleted_at: str | None
    removed: list[str]
    missing: list[str]
    failed: list[FailedRemoval]
    dry_run: bool = False


class PauseResult(Struct, frozen=True):
    """Of `pause` and `unpause`. `changed` is false where the job was paused, or not paused, before."""

    job: JobView
    changed: bool


class BoostResult(Struct, frozen=True, omit_defaults=True):
    """Of `boost`. `position` is the 1-based place in the queue after it."""

    job: JobView
    position: int | None
    dry_run: bool = False


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


class ReasonView(Struct, frozen=True):
    """One reason why a job is where it is: a code for programs, a sentence for people."""

    code: str
    message: str


class EstimateView(Struct, frozen=True):
    """When a job may start and end, if nothing changes: no promise. `basis` says what it was reckoned from."""

    start: str | None
    end: str
    basis: str


class WhyResult(Struct, frozen=True, kw_only=True):
    """Of `why`: what the job waits for or came to. `ahead`: jobs before it in the queue."""

    job: JobView
    reasons: list[ReasonView]
    ahead: int | None
    estimate: EstimateView | None


class FormatView(Struct, frozen=True, kw_only=True):
    """An output preset. `error`: why this machine's FFmpeg does not take it, nil where it does."""

    name: str
    extension: str
    args: list[str]
    inputs: list[str]
    built_in: bool
    error: str | None


class FormatsResult(Struct, frozen=True):
    """Of `formats`."""

    formats: list[FormatView]


class SessionResult(Struct, frozen=True, kw_only=True):
    """Of `session`: its jobs as one. `finished_at` is nil while any is queued or runs."""

    session: str
    total: int
    counts: dict[str, int]
    progress: float
    created_at: str
    started_at: str | None
    finished_at: str | None


class ResourceView(Struct, frozen=True):
    """How many slots there are of a resource, and how many are taken: more than there are after these became fewer."""

    total: int
    used: int


class StatusResult(Struct, frozen=True, kw_only=True):
    """Of `status`. `uptime` is seconds; `slots` those of `cpu`, `resources` those of all."""

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
    resources: dict[str, ResourceView] = {}


class SlotsResult(Struct, frozen=True):
    """Of `slots`: how many there are of each resource now, and were before."""

    slots: dict[str, int]
    was: dict[str, int]


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
