"""The wire's messages as frozen structs: commands, replies, views, events.

A struct that comes from outside (`Command` and what it holds) refuses unknown fields, so a typing error is an
error and not silence. A struct that goes out (results, views, events) tolerates them when read, so that a newer
daemon can add fields without breaking an older client.
"""

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from bus import limits
from bus.events import Event as Event
from bus.results import AuditResult as AuditResult
from bus.results import BackupResult as BackupResult
from bus.results import BoostResult as BoostResult
from bus.results import CancelResult as CancelResult
from bus.results import DeleteResult as DeleteResult
from bus.results import DrainResult as DrainResult
from bus.results import EstimateView as EstimateView
from bus.results import EventsResult as EventsResult
from bus.results import FailedRemoval as FailedRemoval
from bus.results import FilesView as FilesView
from bus.results import FormatsResult as FormatsResult
from bus.results import FormatView as FormatView
from bus.results import JobOrder as JobOrder
from bus.results import JobResult as JobResult
from bus.results import ListResult as ListResult
from bus.results import LogLevelName as LogLevelName
from bus.results import LogLevelResult as LogLevelResult
from bus.results import LogResult as LogResult
from bus.results import PauseResult as PauseResult
from bus.results import ReasonView as ReasonView
from bus.results import ResourceView as ResourceView
from bus.results import SessionResult as SessionResult
from bus.results import ShutdownMode as ShutdownMode
from bus.results import ShutdownResult as ShutdownResult
from bus.results import SlotsResult as SlotsResult
from bus.results import StatusResult as StatusResult
from bus.results import WhyResult as WhyResult
from bus.spec import Input as Input
from bus.spec import JobSpec as JobSpec
from bus.spec import Name, Priority, ResourceName
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
from bus.views import PauseView as PauseView
from bus.views import Phase as Phase
from bus.views import WaitingView as WaitingView

CommandId = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)]
JobId = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)]
Wait = Annotated[float, Meta(ge=0, le=limits.MAX_WAIT_SECONDS)]
PageSize = Annotated[int, Meta(ge=1, le=limits.MAX_PAGE)]
Seq = Annotated[int, Meta(ge=0, le=limits.MAX_SEQ)]
SlotNumbers = dict[ResourceName, Annotated[int, Meta(ge=0, le=limits.MAX_SLOTS)]]


# ---------------------------------------------------------------- commands


class Command(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """What every command carries. `wait` is in seconds."""

    v: Literal[1] = 1
    id: CommandId
    wait: Wait | None = None


class Submit(Command, frozen=True, kw_only=True, tag="submit"):
    """Queue a job. `dry_run`, here and elsewhere: say what would happen, and change nothing."""

    job: JobSpec
    dry_run: bool = False


class Cancel(Command, frozen=True, kw_only=True, tag="cancel"):
    """Stop a job and keep its record."""

    job_id: JobId
    reason: Annotated[str, Meta(max_length=limits.MAX_REASON_CHARS)] = "user_request"
    notes: Annotated[str, Meta(max_length=limits.MAX_NOTES_CHARS)] | None = None
    dry_run: bool = False


class Delete(Command, frozen=True, kw_only=True, tag="delete"):
    """Remove a job, its record and the files it made."""

    job_id: JobId
    force: bool = False
    keep_files: bool = False
    dry_run: bool = False


class Boost(Command, frozen=True, kw_only=True, tag="boost"):
    """Move a queued job: exactly one of the three says where."""

    job_id: JobId
    priority: Priority | None = None
    by: Annotated[int, Meta(ge=-2 * limits.MAX_PRIORITY, le=2 * limits.MAX_PRIORITY)] | None = None
    front: bool = False
    dry_run: bool = False


class Retry(Command, frozen=True, kw_only=True, tag="retry"):
    """Queue a failed job again."""

    job_id: JobId
    dry_run: bool = False


class Drain(Command, frozen=True, kw_only=True, tag="drain"):
    """Start no further job."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Start jobs again."""


class Shutdown(Command, frozen=True, kw_only=True, tag="shutdown"):
    """End the daemon: `stop` queues running jobs again, `drain` lets them finish first, `leave` lets them run on."""

    mode: ShutdownMode = "stop"


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """Hold a job where it is. `release`: while it would run, others may have its slots."""

    job_id: JobId
    release: bool = False


class Unpause(Command, frozen=True, kw_only=True, tag="unpause"):
    """Let a job go on."""

    job_id: JobId


class SetSlots(Command, frozen=True, kw_only=True, tag="slots"):
    """How many slots there are of some resources, from now on."""

    slots: Annotated[SlotNumbers, Meta(min_length=1, max_length=limits.MAX_RESOURCES)]


class LogLevel(Command, frozen=True, kw_only=True, tag="log_level"):
    """How much the daemon's log says, until it ends."""

    level: LogLevelName


class Backup(Command, frozen=True, kw_only=True, tag="backup"):
    """Copy the daemon's store to a file of its machine."""

    path: Annotated[str, Meta(min_length=1, max_length=limits.MAX_PATH_CHARS)]


class Get(Command, frozen=True, kw_only=True, tag="get"):
    """One job's view."""

    job_id: JobId


class Why(Command, frozen=True, kw_only=True, tag="why"):
    """Why a job is not running, or what it came to."""

    job_id: JobId


class Session(Command, frozen=True, kw_only=True, tag="session"):
    """The jobs of a session, summed up."""

    session: Name


class List(Command, frozen=True, kw_only=True, tag="list"):
    """A page of jobs. `prefix` (of the job id) is for people who cut ids short."""

    status: tuple[JobStatus, ...] | None = None
    session: Name | None = None
    prefix: Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)] | None = None
    limit: PageSize = 100
    cursor: Annotated[str, Meta(max_length=200)] | None = None
    order: JobOrder = "newest"


class Formats(Command, frozen=True, kw_only=True, tag="formats"):
    """The output presets, each tried with the daemon's FFmpeg."""


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
    Submit | Cancel | Delete | Boost | Retry | Pause | Unpause | Drain | Resume | Shutdown | SetSlots | LogLevel
    | Backup | Get | Why | List | Session | Formats | Events | Log | Audit | Status
)  # fmt: skip

COMMANDS: dict[str, type[Command]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyCommand)}


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
